//! C12: all hosts of a cluster are drained, a few at a time, while its jobs keep their promise.

use std::collections::BTreeSet;

use aurora_api::model::*;
use aurora_api::service::arguments;
use aurora_scheduler::core::View;

use crate::cluster::Cluster;
use crate::fixtures::{CPUS, World, flags, job, percentage, resources};
use crate::measure::{Figure, Suite};

/// Instances of each job.
const INSTANCES: usize = 100;
/// Hundredths of the cores that tasks have.
const FILL: usize = 70;
/// Hundredths of each job's instances that run at any time.
const KEPT: usize = 95;

pub(crate) fn rolling(suite: &Suite) -> Vec<Figure> {
    suite
        .sizes(&[200, 1_000, 5_000])
        .iter()
        .flat_map(|hosts| drain(*hosts))
        .collect()
}

fn drain(hosts: usize) -> [Figure; 3] {
    let config = aurora_scheduler::core::Config {
        max_tasks_per_job: i32::MAX,
        ..flags()
    };
    let world = World::over(aurora_scheduler::core::Core::new(config));
    let mut cluster = Cluster::new(hosts, world);
    let jobs = hosts * CPUS as usize * FILL / 100 / INSTANCES;
    for n in 0..jobs {
        let mut service = job("jmh", &format!("service-{n}"), "preferred", INSTANCES);
        service.task_config.resources = resources(1.0);
        let key = service.key.clone();
        cluster.write(arguments::CreateJob {
            description: Some(service),
        });
        cluster.until(|core| running(core.store().read(), &key) == INSTANCES);
    }
    cluster.spent = Default::default();
    let (began, mut violations) = (cluster.world.now, 0);
    let names: Vec<String> = (0..hosts).map(|host| format!("host-{host}")).collect();
    for few in names.chunks((hosts / 20).max(1)) {
        let host_names: BTreeSet<String> = few.iter().cloned().collect();
        let hosts = Some(Hosts { host_names });
        cluster.write(arguments::SlaDrainHosts {
            hosts: hosts.clone(),
            default_sla_policy: Some(percentage(KEPT as f64, 30)),
            timeout_secs: 7 * 86_400,
        });
        cluster.until(|core| {
            let view = core.store().read();
            let broken = view.jobs().filter(|job| {
                job.count(ScheduleStatus::Running) as usize * 100 < job.active_count() * KEPT
            });
            violations += broken.count();
            let mode = |host: &String| view.host(host).and_then(|host| host.attributes.mode);
            few.iter()
                .all(|host| mode(host) == Some(MaintenanceMode::Drained))
        });
        cluster.write(arguments::EndMaintenance { hosts });
    }
    assert_eq!(violations, 0, "a job had too few instances at some time");
    let what = format!("drain of {hosts} hosts, 5% at a time");
    let mut time = Figure::new("C12", what.clone(), "host").sized(hosts);
    time.sample(cluster.spent.time, hosts);
    let hours = (cluster.world.now - began) as f64 / 3_600_000.0;
    [
        time,
        Figure::new("C12", format!("{what}: hours of the cluster"), "drain").counted(hours),
        Figure::new("C12", format!("{what}: broken promises"), "drain").counted(violations as f64),
    ]
}

fn running(view: &View, key: &JobKey) -> usize {
    view.job(key)
        .map_or(0, |job| job.count(ScheduleStatus::Running) as usize)
}

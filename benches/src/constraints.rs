//! S8: what constraints cost.

use std::time::{Duration, Instant};

use aurora_api::model::JobConfiguration;
use aurora_scheduler::core::MesosEvent;

use crate::fixtures::{CPUS, World, job, limit, resources, value, with};
use crate::measure::{Figure, Suite};

/// Two tasks fit a host; what is left of an offer comes back as a new one.
pub(crate) fn kinds(suite: &Suite) -> Vec<Figure> {
    let hosts = if suite.smoke { 500 } else { 5_000 };
    let (racks, tasks) = (50, hosts * 2);
    let plain = || {
        let mut job = job("jmh", "many", "preemptible", tasks);
        job.task_config.resources = resources(4.0);
        job
    };
    let per_rack = i32::try_from(tasks / racks * 5 / 4).unwrap_or(i32::MAX);
    let some_racks = || value("rack", (0..5).map(|rack| format!("rack-{rack}")));
    let all_racks = || value("rack", (0..racks).map(|rack| format!("rack-{rack}")));
    let kinds: Vec<(&str, JobConfiguration)> = vec![
        ("(a) none", plain()),
        ("(b) limit rack", with(plain(), limit("rack", per_rack))),
        ("(c) limit host 2", with(plain(), limit("host", 2))),
        ("(d) value rack in 5 of 50", with(plain(), some_racks())),
        (
            "(f) limit rack, limit host, value rack",
            with(
                with(with(plain(), limit("host", 2)), limit("zone", per_rack)),
                all_racks(),
            ),
        ),
    ];
    let mut figures = Vec::new();
    for (name, job) in kinds {
        let mut figure = Figure::new("S8", format!("{hosts} hosts, {name}"), "placement");
        for _ in 0..suite.samples(3) {
            let (took, placed) = place_all(hosts, racks, &job);
            figure.sample(took, placed);
        }
        figures.push(figure);
    }
    figures
}

fn place_all(hosts: usize, racks: usize, job: &JobConfiguration) -> (Duration, usize) {
    let mut world = World::new();
    let rack_size = hosts / racks;
    let offer = |world: &mut World, host: usize, cpus: f64| {
        let mut offer = world.make_offer(host, rack_size, cpus);
        // A second attribute with as many values as there are racks.
        let mut zone = offer.attributes[1].clone();
        zone.name = "zone".to_owned();
        offer.attributes.push(zone);
        world.mesos(MesosEvent::Offers(vec![offer]));
    };
    for host in 0..hosts {
        offer(&mut world, host, CPUS);
    }
    world.create(job.clone());
    let (mut took, mut placed, mut idle) = (Duration::ZERO, 0, 0);
    while idle < 3 {
        let start = Instant::now();
        let step = world.turn();
        took += start.elapsed();
        let tasks: Vec<_> = crate::fixtures::launches(step).collect();
        idle = if tasks.is_empty() { idle + 1 } else { 0 };
        placed += tasks.len();
        for task in tasks {
            let host = task.agent_id.value.trim_start_matches("slave-").parse();
            let used = task
                .resources
                .first()
                .and_then(|resource| resource.scalar.as_ref());
            if let (Ok(host), Some(used)) = (host, used) {
                let name = format!("host-{host}");
                if world.core.store().read().tasks_on_host(&name).count() == 1 {
                    offer(&mut world, host, CPUS - used.value);
                }
            }
        }
    }
    (took, placed)
}

//! The figures that are kept event by event, against a count from scratch.

use std::collections::BTreeMap;

use aurora_api::model::ScheduleStatus::{self, *};

use super::*;
use crate::core::config::SlaMetrics;
use crate::core::random::Random;
use crate::core::store::{StoredConfig, Task};

const WINDOW: Millis = 60_000;

/// Job, production and instance.
type Place = (String, bool, i32);

/// Everything that ever happened, by job, production and instance, in order: what the ops said.
#[derive(Default)]
struct Histories {
    events: BTreeMap<Place, Vec<(Millis, ScheduleStatus)>>,
    seen: BTreeMap<String, usize>,
}

impl Histories {
    /// Notes the new events of all stored tasks, and that a task was taken back before it ran.
    fn look(&mut self, world: &World, removed: &[Task]) {
        let view = world.core.store().read();
        let all = view.jobs().flat_map(|job| view.tasks_of_job(job));
        let mut fresh: Vec<(Millis, bool, Place, ScheduleStatus)> = Vec::new();
        for task in all.filter(|task| task.config.task.is_service) {
            let seen = self.seen.entry(task.id().to_string()).or_default();
            // What ended at the same time as its replacement came ended before.
            for event in &task.events[*seen..] {
                fresh.push((
                    event.time,
                    task.status.is_active(),
                    place(task),
                    event.status,
                ));
            }
            *seen = task.events.len();
        }
        fresh.sort_by_key(|(time, is_active, _, _)| (*time, *is_active));
        for (time, _, place, status) in fresh {
            self.events.entry(place).or_default().push((time, status));
        }
        for task in removed {
            // A user's kill of what waits counts as one.
            self.events
                .entry(place(task))
                .or_default()
                .push((world.now, Killing));
        }
    }
}

fn is_production(config: &StoredConfig) -> bool {
    config.task.production == Some(true)
}

fn place(task: &Task) -> Place {
    (
        task.job().name.clone(),
        is_production(&task.config),
        task.instance,
    )
}

/// Up and down in a window, a millisecond after the other.
fn platform(events: &[(Millis, ScheduleStatus)], start: Millis, end: Millis) -> (i64, i64) {
    let mut state = "removed";
    let (mut up, mut down) = (0, 0);
    let mut events = events.iter().peekable();
    for now in start..end {
        while let Some((_, status)) = events.next_if(|(time, _)| *time <= now) {
            state = match status {
                Lost | Draining | Preempting => "down",
                Pending | Assigned | Starting if state == "down" => "down",
                Pending | Assigned | Starting | Throttled | Finished | Restarting | Failed
                | Killing => "removed",
                Running | Partitioned => "up",
                Killed if state == "up" => "down",
                Killed | Init => state,
            };
        }
        up += i64::from(state == "up");
        down += i64::from(state == "down");
    }
    (up, down)
}

/// The share of a sorted list below which `percent` of it is.
fn quantile(mut list: Vec<i64>, percent: f64) -> f64 {
    list.sort_unstable();
    if list.is_empty() {
        return 0.0;
    }
    let place = percent / 100.0 * (list.len() - 1) as f64;
    let (low, high) = (list[place.floor() as usize], list[place.ceil() as usize]);
    low as f64 + (high - low) as f64 * place.fract()
}

/// The metrics of a window, from all that is stored and all that happened.
fn recount(world: &World, histories: &Histories, end: Millis) -> BTreeMap<String, f64> {
    let start = end - WINDOW;
    let mut metrics = BTreeMap::new();
    for (production, suffix) in [(true, ""), (false, "_nonprod")] {
        let view = world.core.store().read();
        let all = view.jobs().flat_map(|job| view.tasks_of_job(job));
        let tasks: Vec<&Task> = all
            .filter(|task| task.config.task.is_service && is_production(&task.config) == production)
            .collect();
        let mut groups: BTreeMap<String, Vec<&Task>> = BTreeMap::new();
        for task in &tasks {
            groups
                .entry(format!("sla_{}_", task.job()))
                .or_default()
                .push(task);
            groups
                .entry("sla_cluster_".to_owned())
                .or_default()
                .push(task);
            // All jobs of this test are of these sizes.
            for size in ["sla_cpu_small_", "sla_ram_small_", "sla_disk_small_"] {
                groups.entry(size.to_owned()).or_default().push(task);
            }
        }
        for (group, tasks) in &groups {
            for (status, stem) in [
                (Assigned, "mtta_ms"),
                (Starting, "mtts_ms"),
                (Running, "mttr_ms"),
            ] {
                let waits = tasks
                    .iter()
                    .filter(|task| task.status.is_active())
                    .filter_map(|task| {
                        let events = &task.events;
                        let at = events.iter().position(|event| {
                            event.status == status && (start..end).contains(&event.time)
                        })?;
                        let pending = events[..at]
                            .iter()
                            .rev()
                            .find(|event| event.status == Pending)?;
                        Some(events[at].time - pending.time)
                    });
                metrics.insert(
                    format!("{group}{stem}{suffix}"),
                    quantile(waits.collect(), 50.0),
                );
            }
            if group.ends_with("small_") {
                continue;
            }
            let mut instances: Vec<Place> = tasks.iter().map(|task| place(task)).collect();
            instances.sort();
            instances.dedup();
            let sums = instances
                .iter()
                .map(|instance| platform(&histories.events[instance], start, end));
            let (up, down) = sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            let share = if up + down == 0 {
                100.0
            } else {
                100.0 * up as f64 / (up + down) as f64
            };
            metrics.insert(format!("{group}platform_uptime_percent{suffix}"), share);
            if group == "sla_cluster_" {
                continue;
            }
            for percentile in [50.0, 75.0, 90.0, 95.0, 99.0] {
                let running = tasks.iter().filter(|task| task.status == Running);
                let uptimes = running.map(|task| end - task.last_event_time()).collect();
                let value = quantile(uptimes, 100.0 - percentile) / 1000.0;
                metrics.insert(
                    format!("{group}job_uptime_{percentile:.2}_sec{suffix}"),
                    value,
                );
            }
        }
    }
    metrics
}

fn random_event(world: &mut World, random: &mut Random) -> Vec<Task> {
    let view = world.core.store().read();
    let all: Vec<Task> = view
        .jobs()
        .flat_map(|job| view.active_tasks(job))
        .cloned()
        .collect();
    let Some(task) = all.get(random.below(all.len() as i64) as usize) else {
        return Vec::new();
    };
    let status = |state| (task.id(), state);
    let (id, state) = match random.below(12) {
        0 => status(v1::TaskState::Lost),
        1 => status(v1::TaskState::Failed),
        2 => status(v1::TaskState::Killed),
        3 => status(v1::TaskState::Unreachable),
        4 => status(v1::TaskState::Finished),
        5 => {
            let waiting = matches!(task.status, Pending | Throttled);
            world.call(arguments::KillTasks {
                job: Some(task.job().clone()),
                instances: Some([task.instance].into()),
                message: None,
            });
            return if waiting {
                vec![task.clone()]
            } else {
                Vec::new()
            };
        }
        6 => {
            world.call(arguments::RestartShards {
                job: Some(task.job().clone()),
                shard_ids: [task.instance].into(),
            });
            return Vec::new();
        }
        7 => {
            let hosts = task.host().map(|host| Hosts {
                host_names: [host.to_owned()].into(),
            });
            if let Some(hosts) = hosts {
                world.call(arguments::DrainHosts {
                    hosts: Some(hosts.clone()),
                });
                world.call(arguments::EndMaintenance { hosts: Some(hosts) });
            }
            return Vec::new();
        }
        8 | 9 => status(v1::TaskState::Starting),
        _ => status(v1::TaskState::Running),
    };
    world.status(&id, state);
    Vec::new()
}

#[test]
fn metrics_are_those_of_a_recount() {
    let all = SlaMetrics {
        job_uptimes: true,
        platform_uptime: true,
        medians: true,
    };
    let mut compared = 0;
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let mut world = World::registered(Config {
            sla_non_prod_metrics: all,
            partition_aware: true,
            ..config()
        });
        world.allow_everything();
        let mut histories = Histories::default();
        for (job, instances) in [
            (preferred("prod", 3), 3),
            (job("other", 2), 2),
            (preferred("second", 1), 1),
        ] {
            assert_eq!(job.instance_count, instances);
            world.create(job);
        }
        let mut batch = job("batch", 2);
        batch.task_config.is_service = false;
        world.create(batch);
        histories.look(&world, &[]);
        let mut end = world.now.div_euclid(WINDOW) * WINDOW + WINDOW;
        for _ in 0..12 {
            while world.now < end {
                let removed = match random.below(3) {
                    0 => {
                        let name = ["a", "b", "c"][random.below(3) as usize];
                        world.offer(&host(name));
                        Vec::new()
                    }
                    _ => random_event(&mut world, &mut random),
                };
                histories.look(&world, &removed);
                let pause = (1 + random.below(5_000)).min(end - world.now);
                // A step at the end of the window ends it before anything else happens.
                let before = world.now + pause;
                while let Some(next) = world
                    .core
                    .next_deadline()
                    .filter(|next| *next < before.min(end))
                {
                    world.now = world.now.max(next);
                    world.step(Input::Timer);
                    histories.look(&world, &[]);
                }
                world.now = before;
            }
            let expected = recount(&world, &histories, end);
            let report = {
                world.step(Input::Timer);
                world.core.sla_report()
            };
            histories.look(&world, &[]);
            let found: BTreeMap<String, f64> = report.metrics().collect();
            let names =
                |metrics: &BTreeMap<String, f64>| metrics.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "seed {seed}");
            for (name, value) in &expected {
                assert!(
                    (found[name] - value).abs() < 1e-6,
                    "seed {seed}: {name} is {} and should be {value}",
                    found[name]
                );
            }
            compared += found.len();
            end += WINDOW;
        }
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn figures_are_the_same_after_a_failover() {
    let mut world = World::registered(config());
    world.allow_everything();
    world.running(preferred("web", 1));
    world.create(preferred("waiting", 1));
    let store = world.core.store().clone();
    let until = world.now.div_euclid(WINDOW) * WINDOW + 5 * WINDOW;
    let (mut other, _) = Core::recover(config(), store, until - 4 * WINDOW);
    for core in [&mut world.core, &mut other] {
        while let Some(next) = core.next_deadline().filter(|next| *next <= until) {
            core.step(next, Input::Timer);
        }
    }
    let metrics = |core: &Core| core.sla_report().metrics().collect::<BTreeMap<_, _>>();
    assert_eq!(metrics(&world.core), metrics(&other));
    assert!(metrics(&other)["sla_www/prod/web_job_uptime_99.00_sec"] > 100.0);
    assert_eq!(
        metrics(&other)["sla_www/prod/waiting_job_uptime_99.00_sec"],
        0.0
    );
}

/// Of a task that goes back and forth between RUNNING and PARTITIONED the record keeps one pair of events; it runs once.
#[test]
fn a_task_that_flaps_with_its_agent_runs_once() {
    let mut world = World::registered(Config {
        partition_aware: true,
        ..config()
    });
    let mut hello = job("hello", 1);
    hello.task_config.partition_policy = Some(PartitionPolicy {
        reschedule: false,
        delay_secs: None,
    });
    let id = world.running(hello);
    let running = |world: &World| {
        let job = JobKey::new("www", "prod", "hello");
        let view = world.core.store().read();
        world.core.sla.standing_at(view, &job, Millis::MAX).running
    };
    for _ in 0..3 {
        assert_eq!(running(&world), 1);
        world.pass(1_000);
        world.status(&id, v1::TaskState::Unreachable);
        assert_eq!(running(&world), 0);
        world.pass(1_000);
        world.status(&id, v1::TaskState::Running);
    }
    assert_eq!(running(&world), 1);
    world.status(&id, v1::TaskState::Finished);
    assert_eq!(running(&world), 0);
}

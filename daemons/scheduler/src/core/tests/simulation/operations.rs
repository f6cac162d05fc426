//! Cron jobs and drains while schedulers die: whatever dies between any two steps, each minute is decided once, policies are
//! kept, and drained hosts end empty.

use super::*;
use crate::core::cron::{Schedule, Zone, next_fire_time};
use crate::core::sla::needed;

/// What must hold of cron jobs and drains after every step.
#[derive(Default)]
pub(super) struct Operations {
    /// What came of each minute of each cron job.
    decisions: BTreeMap<(String, Millis), CronOutcome>,
    /// The coordinators that think about a question.
    asked: BTreeSet<String>,
    /// How many tasks were drained without force.
    drained: usize,
}

impl Operations {
    pub(super) fn check(
        &mut self,
        at: &str,
        now: Millis,
        core: &Core,
        step: &Step,
        call: Option<&Call>,
    ) {
        let mut launches = BTreeMap::new();
        for op in &step.ops {
            match op {
                Op::CronDecided {
                    key,
                    minute,
                    outcome,
                } => {
                    self.decided(at, key, *minute, *outcome, call.is_some());
                    if *outcome == CronOutcome::Launched {
                        *launches.entry(key.name.clone()).or_insert(0) += 1;
                    }
                }
                Op::SaveStatus {
                    task,
                    status: ScheduleStatus::Draining,
                    ..
                } => {
                    self.keeps_promise(at, now, core, task);
                }
                _ => {}
            }
        }
        assert!(
            launches.values().all(|count| *count == 1),
            "{at}: cron: {launches:?}"
        );
        for effect in &step.effects {
            if let Effect::AskCoordinator(question) = effect {
                let is_free = self.asked.insert(question.url.clone());
                assert!(is_free, "{at}: drain: {} is asked twice", question.url);
            }
        }
        let view = core.store().read();
        for host in view
            .hosts()
            .filter(|host| host.attributes.mode == Some(MaintenanceMode::Drained))
        {
            let name = &host.attributes.host;
            let left = view
                .tasks_on_host(name)
                .find(|task| task.status.is_active());
            assert!(
                left.is_none(),
                "{at}: drain: {name} is drained but has {left:?}"
            );
        }
    }

    /// A minute is decided once; what was begun is completed.
    fn decided(
        &mut self,
        at: &str,
        key: &JobKey,
        minute: Millis,
        outcome: CronOutcome,
        by_hand: bool,
    ) {
        use CronOutcome::{Launched, Missed, Replacing, Scheduled, Skipped};
        let place = (key.name.clone(), minute);
        let newest = self
            .decisions
            .range((key.name.clone(), 0)..)
            .filter(|((name, _), _)| *name == key.name);
        let newest = newest.map(|((_, minute), _)| *minute).max();
        assert!(
            newest.is_none_or(|newest| newest <= minute),
            "{at}: cron: {minute} after {newest:?}"
        );
        let before = self.decisions.insert(place, outcome);
        let is_legal = match (before, outcome) {
            (None, Launched | Skipped | Replacing | Missed) => true,
            (Some(Replacing), Launched) => true,
            // The run that is to follow is noted again.
            (Some(Missed), Replacing) => true,
            // By hand nothing is decided, but what was begun is noted at the last minute.
            (_, Scheduled | Replacing) => by_hand,
            (Some(_), _) => false,
        };
        assert!(
            is_legal,
            "{at}: cron: {minute} of {key} was {before:?} and is {outcome:?}"
        );
    }

    /// When a task goes by a policy, enough others have been up for long enough. Counted at the step's end, when all that
    /// went in it have gone.
    fn keeps_promise(&mut self, at: &str, now: Millis, core: &Core, id: &str) {
        let view = core.store().read();
        let Some(task) = view.task(id) else {
            return;
        };
        let request = task.host().and_then(|host| view.maintenance_request(host));
        let own = task.config.task.sla_policy.as_ref();
        let policy = own.or(request.and_then(|request| request.default_sla_policy.as_ref()));
        let forced = request
            .is_none_or(|request| request.created_timestamp_ms + request.timeout_secs * 1000 < now);
        let (Some(policy), false) = (policy, forced) else {
            return;
        };
        let seconds = match policy {
            SlaPolicy::CountSlaPolicy(policy) => policy.duration_secs,
            SlaPolicy::PercentageSlaPolicy(policy) => policy.duration_secs,
            SlaPolicy::CoordinatorSlaPolicy(_) => return,
        };
        let job = view.job(task.job()).unwrap();
        let active: Vec<_> = view.active_tasks(job).collect();
        if active.len() < 4 || task.config.task.production != Some(true) {
            return;
        }
        let up = active.iter().filter(|task| {
            task.status == ScheduleStatus::Running && now - task.last_event_time() > seconds * 1000
        });
        let (up, needed) = (up.count() as i64, needed(policy, active.len() as i64));
        assert!(
            up >= needed,
            "{at}: drain: {up} of {} are up, {needed} have to be",
            active.len()
        );
        self.drained += 1;
    }

    /// The scheduler dies; whoever was asked tells the dead.
    pub(super) fn died(&mut self) {
        self.asked.clear();
    }

    /// The only coordinator answers: yes in two of four cases.
    pub(super) fn coordinator(&mut self, random: &mut Random) -> CoordinatorAnswer {
        self.asked.clear();
        match random.below(4) {
            0 => CoordinatorAnswer::Failed("nobody there".to_owned()),
            1 => CoordinatorAnswer::Said {
                status: 200,
                body: r#"{"drain": false}"#.into(),
            },
            _ => CoordinatorAnswer::Said {
                status: 200,
                body: r#"{"drain": true}"#.into(),
            },
        }
    }
}

fn hosts(names: &[&str]) -> Option<Hosts> {
    Some(Hosts {
        host_names: names.iter().map(|name| (*name).to_owned()).collect(),
    })
}

fn cron(schedule: &str) -> JobConfiguration {
    let mut job = job("cron", 2);
    job.task_config.is_service = false;
    job.cron_schedule = Some(schedule.to_owned());
    job
}

/// A quarter of an hour of a cluster's life: a service, a job with a coordinator, a cron job whose runs do not end by
/// themselves, and drains of three of the six hosts.
fn scenario() -> Simulation {
    // Partitions are known, so that a task that a dead scheduler launched is not lost.
    let mut simulation = Simulation::new(1);
    simulation.faults = HEALTHY;
    simulation
        .queue
        .retain(|_, event| !matches!(event, Event::User | Event::Break));
    simulation.config = Config {
        min_required_instances_for_sla_check: 4,
        ..simulation.config.clone()
    };
    simulation.core = Core::new(simulation.config.clone());
    let mut asking = preferred("asking", 2);
    asking.task_config.sla_policy = Some(SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
        coordinator_url: "http://coordinator/".to_owned(),
        status_key: String::new(),
    }));
    let resources = [
        Resource::NumCpus(Double(100.0)),
        Resource::RamMb(1 << 20),
        Resource::DiskMb(1 << 20),
    ];
    let calls: Vec<(Millis, Call)> = vec![
        (
            SECOND,
            arguments::SetQuota {
                owner_role: Some("www".to_owned()),
                quota: Some(ResourceAggregate {
                    resources: resources.into(),
                }),
            }
            .into(),
        ),
        (
            2 * SECOND,
            arguments::CreateJob {
                description: Some(preferred("service", 8)),
            }
            .into(),
        ),
        (
            3 * SECOND,
            arguments::CreateJob {
                description: Some(asking),
            }
            .into(),
        ),
        (
            4 * SECOND,
            arguments::ScheduleCronJob {
                description: Some(cron("*/2 * * * *")),
            }
            .into(),
        ),
        (
            3 * MINUTE,
            arguments::SlaDrainHosts {
                hosts: hosts(&["host-0", "host-1"]),
                default_sla_policy: Some(SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
                    percentage: Double(70.0),
                    duration_secs: 30,
                })),
                timeout_secs: 1_800,
            }
            .into(),
        ),
        (
            4 * MINUTE,
            arguments::StartCronJob {
                job: Some(JobKey::new("www", "prod", "cron")),
            }
            .into(),
        ),
        (
            5 * MINUTE,
            arguments::ReplaceCronTemplate {
                config: Some(cron("1-59/2 * * * *")),
            }
            .into(),
        ),
        (
            6 * MINUTE,
            arguments::DrainHosts {
                hosts: hosts(&["host-2"]),
            }
            .into(),
        ),
    ];
    for (at, call) in calls {
        simulation.at(at, Event::Call(Box::new(call)));
    }
    simulation
}

const LENGTH: Millis = 15 * MINUTE;

/// Plays the scenario with a death; the number of steps and of tasks that went by a policy.
fn play(dies: Option<(u64, Death)>) -> (u64, usize) {
    let mut simulation = scenario();
    simulation.dies = dies;
    simulation.run_until(START + LENGTH);
    let view = simulation.core.store().read();
    for host in ["host-0", "host-1", "host-2"] {
        let mode = view.host(host).unwrap().attributes.mode;
        assert_eq!(
            mode,
            Some(MaintenanceMode::Drained),
            "{dies:?}: drain: {host}"
        );
    }
    for (name, instances) in [("service", 8), ("asking", 2)] {
        let job = view.job(&JobKey::new("www", "prod", name)).unwrap();
        let running = job.count(ScheduleStatus::Running);
        assert_eq!(running, instances, "{dies:?}: liveness: {name}");
    }
    every_minute(&simulation, dies);
    (simulation.invariants.steps, simulation.operations.drained)
}

/// Every minute of both schedules was decided or, while nobody led for longer than is made up for, is covered by a later one
/// that says so.
fn every_minute(simulation: &Simulation, dies: Option<(u64, Death)>) {
    let zone = Zone::default();
    let decided = |minute: Millis| {
        simulation
            .operations
            .decisions
            .contains_key(&("cron".to_owned(), minute))
    };
    for (schedule, from, to) in [
        ("*/2 * * * *", 4 * SECOND, 5 * MINUTE),
        ("1-59/2 * * * *", 5 * MINUTE, LENGTH - MINUTE),
    ] {
        let schedule = Schedule::parse(schedule).unwrap();
        let mut minute = START + from;
        while let Some(next) =
            next_fire_time(&schedule, &zone, minute).filter(|next| *next < START + to)
        {
            assert!(decided(next), "{dies:?}: cron: {} ms", next - START);
            minute = next;
        }
    }
}

/// A sample of all steps; `AURORA_SIM_EVERY_STEP=1` takes them all.
#[test]
fn operations_go_on_whatever_step_the_scheduler_dies_after() {
    let (steps, drained) = play(None);
    assert!(
        steps > 100 && drained > 0,
        "{steps} steps, {drained} drained"
    );
    for step in sample(steps) {
        for death in [Death::BeforeEffects, Death::AfterEffects] {
            play(Some((step, death)));
        }
    }
}

//! Updates while schedulers die, tasks fail and people interfere: never more than a group is in motion, each thing is recorded
//! once, nothing moves while an update waits, and every update ends.

use super::*;
use crate::core::sla::{duration, needed};

const NAME: &str = "web";
/// Jobs with fewer instances are not held to policies.
const LEAST_HELD: usize = 3;
/// Tasks of this version fail soon after they run.
const BAD: &str = "a bad version";

/// Whether what an executor is told is about that version.
pub(super) fn is_bad(data: &[u8]) -> bool {
    data.windows(BAD.len()).any(|part| part == BAD.as_bytes())
}

fn web() -> JobKey {
    JobKey::new("www", "prod", NAME)
}

/// What an update has in motion by its own records, and what it may have.
#[derive(Debug, Default)]
struct Rolling {
    group: usize,
    status: Option<JobUpdateStatus>,
    begun: BTreeSet<i32>,
    recorded: BTreeSet<(i32, JobUpdateAction)>,
}

/// What must hold of updates after every step.
#[derive(Default)]
pub(super) struct Updates {
    by_id: BTreeMap<String, Rolling>,
    /// Nothing fails by itself, so that only the update takes instances down.
    is_calm: bool,
    /// How many updates ended in each status.
    ended: BTreeMap<&'static str, usize>,
    /// How many tasks went by a policy.
    by_policy: usize,
}

impl Updates {
    pub(super) fn check(&mut self, at: &str, now: Millis, core: &Core, step: &Step) {
        for op in &step.ops {
            match op {
                Op::SaveUpdate { update } => self.begin(update),
                Op::UpdateEvent { key, event } => self.entered(at, &key.id, event.status),
                Op::UpdateInstances {
                    key, acts, kills, ..
                } => {
                    for act in acts {
                        self.recorded(at, &key.id, act);
                    }
                    for task in kills {
                        self.keeps_promise(at, now, core, key, task);
                    }
                }
                _ => {}
            }
        }
        let view = core.store().read();
        let Some(update) = view.active_update(&web()) else {
            return;
        };
        let group = self.by_id[&update.key().id].group;
        let moving = view
            .job(&web())
            .into_iter()
            .flat_map(|job| view.active_tasks(job))
            .filter(|task| task.status != ScheduleStatus::Running)
            .count();
        assert!(
            !self.is_calm || moving <= group,
            "{at}: update: {moving} instances are down, {group} may be"
        );
    }

    /// A new scheduler looks at everything anew, also at what was right and has broken since.
    pub(super) fn died(&mut self) {
        for rolling in self.by_id.values_mut() {
            rolling.begun.clear();
        }
    }

    fn begin(&mut self, update: &JobUpdate) {
        let settings = &update.instructions.settings;
        let largest = match settings.update_strategy.as_ref().unwrap() {
            JobUpdateStrategy::QueueStrategy(queue) => queue.group_size,
            JobUpdateStrategy::BatchStrategy(batch) => batch.group_size,
            JobUpdateStrategy::VarBatchStrategy(batches) => {
                *batches.group_sizes.iter().max().unwrap()
            }
        };
        let rolling = Rolling {
            group: usize::try_from(largest).unwrap(),
            ..Rolling::default()
        };
        self.by_id.insert(update.summary.key.id.clone(), rolling);
    }

    fn entered(&mut self, at: &str, id: &str, status: JobUpdateStatus) {
        let rolling = self.by_id.get_mut(id).unwrap();
        let before = rolling.status.replace(status);
        assert!(
            before.is_none_or(JobUpdateStatus::is_active),
            "{at}: update: {status} after {before:?}"
        );
        assert_ne!(before, Some(status), "{at}: update: entered twice");
        rolling.begun.clear();
        if !status.is_active() {
            *self.ended.entry(status.name()).or_default() += 1;
        }
    }

    /// When a policy lets a task go, enough others have been up for long enough, counted at the step's end.
    fn keeps_promise(&mut self, at: &str, now: Millis, core: &Core, key: &JobUpdateKey, id: &str) {
        let view = core.store().read();
        let status = self.by_id[&key.id].status.unwrap();
        let (update, task) = (view.update(key).unwrap(), view.task(id).unwrap());
        let Some(policy) = policy(&update.update, status, task.instance) else {
            return;
        };
        let active: Vec<_> = view.active_tasks(view.job(&web()).unwrap()).collect();
        if active.len() < LEAST_HELD || matches!(policy, SlaPolicy::CoordinatorSlaPolicy(_)) {
            return;
        }
        let before = now - duration(policy);
        let up = active.iter().filter(|task| {
            task.status == ScheduleStatus::Running && task.last_event_time() < before
        });
        let (up, needed) = (up.count() as i64, needed(policy, active.len() as i64));
        assert!(
            up >= needed,
            "{at}: update: {up} of {} are up, {needed} have to be",
            active.len()
        );
        self.by_policy += 1;
    }

    fn recorded(&mut self, at: &str, id: &str, act: &InstanceAct) {
        use JobUpdateAction::{InstanceRollingBack, InstanceUpdating};
        let rolling = self.by_id.get_mut(id).unwrap();
        let status = rolling.status.unwrap();
        assert!(status.is_active(), "{at}: update: {act:?} after {status}");
        if act.message.is_some() {
            return;
        }
        let (instance, action) = (act.instance, act.action);
        let is_new = rolling.recorded.insert((instance, action));
        assert!(is_new, "{at}: update: {action} of {instance} twice");
        if matches!(action, InstanceUpdating | InstanceRollingBack) {
            rolling.begun.insert(instance);
        } else {
            rolling.begun.remove(&instance);
        }
        let (begun, group) = (rolling.begun.len(), rolling.group);
        assert!(
            begun <= group,
            "{at}: update: {begun} in motion, {group} may be"
        );
    }
}

/// What an update that keeps to policies keeps to when it takes an instance down.
fn policy(update: &JobUpdate, status: JobUpdateStatus, instance: i32) -> Option<&SlaPolicy> {
    let instructions = &update.instructions;
    if instructions.settings.sla_aware != Some(true) {
        return None;
    }
    let config = match status {
        JobUpdateStatus::RollingForward => instructions.desired_state.as_ref(),
        _ => instructions.initial_state.iter().find(|group| {
            let mut ranges = group.instances.iter();
            ranges.any(|range| (range.first..=range.last).contains(&instance))
        }),
    };
    config?.task.sla_policy.as_ref()
}

fn task(version: &str) -> TaskConfig {
    let mut task = job(NAME, 1).task_config;
    task.executor_config = Some(ExecutorConfig {
        name: Some("AuroraExecutor".to_owned()),
        data: Some(version.to_owned()),
    });
    task
}

/// An update to so many instances of a version, each of which has to be up for so many seconds. An offer may be taken back
/// when it is used, which is a failure.
fn start(version: &str, count: i32, strategy: JobUpdateStrategy, seconds: i32) -> JobUpdateRequest {
    JobUpdateRequest {
        task_config: task(version),
        instance_count: count,
        settings: JobUpdateSettings {
            update_strategy: Some(strategy),
            min_wait_in_instance_running_ms: seconds * 1000,
            max_per_instance_failures: 2,
            rollback_on_failure: true,
            ..JobUpdateSettings::default()
        },
        metadata: BTreeSet::new(),
    }
}

fn queue(group_size: i32) -> JobUpdateStrategy {
    JobUpdateStrategy::QueueStrategy(QueueJobUpdateStrategy { group_size })
}

fn batch(group_size: i32, autopause_after_batch: bool) -> JobUpdateStrategy {
    JobUpdateStrategy::BatchStrategy(BatchJobUpdateStrategy {
        group_size,
        autopause_after_batch,
    })
}

/// What somebody does to the update that is there, if one is.
pub(super) type Steer = fn(Option<JobUpdateKey>) -> Call;

const PAUSE: Steer = |key| arguments::PauseJobUpdate { key, message: None }.into();
const RESUME: Steer = |key| arguments::ResumeJobUpdate { key, message: None }.into();
const ABORT: Steer = |key| arguments::AbortJobUpdate { key, message: None }.into();
const PULSE: Steer = |key| arguments::PulseJobUpdate { key }.into();
const ROLLBACK: Steer = |key| arguments::RollbackJobUpdate { key, message: None }.into();

impl Simulation {
    pub(super) fn steer(&mut self, call: Steer) {
        let update = self.core.store().read().active_update(&web());
        if let Some(key) = update.map(|update| update.key().clone()) {
            self.write(call(Some(key)));
        }
    }

    /// Only what this file's tests do happens.
    fn without_users(seed: u64) -> Simulation {
        let mut simulation = Simulation::new(seed);
        simulation
            .queue
            .retain(|_, event| !matches!(event, Event::User | Event::Break));
        simulation
    }

    fn create_at(&mut self, at: Millis, version: &str) {
        let mut job = job(NAME, 4);
        job.task_config = task(version);
        let description = Some(job);
        let call = arguments::CreateJob { description };
        self.at(at, Event::Call(Box::new(call.into())));
    }

    fn start_at(&mut self, at: Millis, request: JobUpdateRequest) {
        let call = arguments::StartJobUpdate {
            request: Some(request),
            message: None,
        };
        self.at(at, Event::Call(Box::new(call.into())));
    }

    /// The versions of the instances that run.
    fn versions(&self) -> Vec<(i32, String)> {
        let view = self.core.store().read();
        let tasks = view
            .job(&web())
            .into_iter()
            .flat_map(|job| view.active_tasks(job));
        let running = tasks.filter(|task| task.status == ScheduleStatus::Running);
        let mut versions: Vec<(i32, String)> = running
            .map(|task| {
                let executor = task.config.task.executor_config.as_ref();
                let version = executor.and_then(|executor| executor.data.clone());
                (task.instance, version.unwrap_or_default())
            })
            .collect();
        versions.sort();
        versions
    }
}

/// Half an hour of a job's life: it grows and changes with a pause in between, a bad version is rolled back, and one goes in
/// batches that wait for somebody. A launch that gets lost with its scheduler takes five minutes to be noticed, and a failure
/// up to a minute.
fn scenario() -> Simulation {
    // Partitions are known, so that a task that a dead scheduler launched is not lost.
    let mut simulation = Simulation::without_users(1);
    simulation.faults = HEALTHY;
    simulation.updates.is_calm = true;
    simulation.create_at(2 * SECOND, "v1");
    simulation.start_at(7 * MINUTE, start("v2", 6, queue(2), 5));
    simulation.at(7 * MINUTE + 15 * SECOND, Event::Steer(PAUSE));
    simulation.at(8 * MINUTE, Event::Steer(RESUME));
    simulation.start_at(15 * MINUTE, start(BAD, 6, batch(3, false), 60));
    simulation.start_at(25 * MINUTE, start("v3", 5, batch(2, true), 0));
    for again in 1..=10 {
        simulation.at((25 + again) * MINUTE, Event::Steer(RESUME));
    }
    simulation
}

/// Plays the scenario with a death; the number of steps.
fn play(dies: Option<(u64, Death)>) -> u64 {
    let mut simulation = scenario();
    simulation.dies = dies;
    simulation.run_until(START + 36 * MINUTE);
    let last = (0..5).map(|instance| (instance, "v3".to_owned()));
    let last: Vec<(i32, String)> = last.collect();
    assert_eq!(simulation.versions(), last, "{dies:?}: liveness");
    assert_eq!(
        simulation.updates.ended,
        BTreeMap::from([("ROLLED_BACK", 1), ("ROLLED_FORWARD", 2)]),
        "{dies:?}: update"
    );
    simulation.invariants.steps
}

/// A sample of all steps; `AURORA_SIM_EVERY_STEP=1` takes them all.
#[test]
fn updates_go_on_whatever_step_the_scheduler_dies_after() {
    let steps = play(None);
    assert!(steps > 100, "{steps} steps");
    for step in sample(steps) {
        for death in [Death::BeforeEffects, Death::AfterEffects] {
            play(Some((step, death)));
        }
    }
}

/// One of each kind of policy, or none.
fn some_policy(random: &mut Random) -> Option<SlaPolicy> {
    let duration_secs = random.below(30);
    Some(match random.below(6) {
        0 => SlaPolicy::CountSlaPolicy(CountSlaPolicy {
            count: 1 + random.below(3),
            duration_secs,
        }),
        1 => SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: Double(50.0),
            duration_secs,
        }),
        2 => SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
            coordinator_url: "http://coordinator/".to_owned(),
            status_key: String::new(),
        }),
        _ => return None,
    })
}

/// Anything that people may do, with tasks that fail, messages that are lost and schedulers that die. Every other seed has
/// bad versions, and the others have policies: where tasks go on failing a policy may never be kept again.
fn wild(seed: u64) -> Updates {
    let mut simulation = Simulation::without_users(seed);
    simulation.config = Config {
        min_required_instances_for_sla_check: LEAST_HELD as i32,
        sla_aware_kill_non_prod: true,
        sla_aware_kill_retry_min_delay: 10 * SECOND,
        sla_aware_kill_retry_max_delay: MINUTE,
        ..simulation.config.clone()
    };
    simulation.core = Core::new(simulation.config.clone());
    let has_policies = seed.is_multiple_of(2);
    let mut random = Random::new(seed ^ 0x5eed);
    simulation.create_at(2 * SECOND, "v0");
    for number in 1..=12 {
        let at = number * 3 * MINUTE + random.below(MINUTE);
        let good = format!("v{number}");
        let is_bad = random.below(3) == 0 && !has_policies;
        let version = if is_bad { BAD } else { &good };
        let size = 1 + random.below(3) as i32;
        let strategy = match random.below(4) {
            0 => batch(size, false),
            1 => batch(size, true),
            2 => JobUpdateStrategy::VarBatchStrategy(VariableBatchJobUpdateStrategy {
                group_sizes: vec![1, size, 2],
                autopause_after_batch: false,
            }),
            _ => queue(size),
        };
        let (count, seconds) = (1 + random.below(7), random.below(20));
        let mut request = start(version, count as i32, strategy, seconds as i32);
        request.settings.max_per_instance_failures = random.below(2) as i32;
        request.settings.max_failed_instances = random.below(3) as i32;
        request.settings.rollback_on_failure = random.below(3) > 0;
        request.task_config.sla_policy = some_policy(&mut random).filter(|_| has_policies);
        request.settings.sla_aware = Some(request.task_config.sla_policy.is_some());
        if random.below(4) == 0 {
            request.settings.block_if_no_pulses_after_ms = Some(60_000);
        }
        simulation.start_at(at, request);
        for _ in 0..4 {
            let steer = [PAUSE, RESUME, RESUME, PULSE, ROLLBACK, ABORT][random.below(6) as usize];
            simulation.at(at + random.below(3 * MINUTE), Event::Steer(steer));
        }
        simulation.at(at + random.below(3 * MINUTE), Event::Die);
        simulation.at(at + random.below(3 * MINUTE), Event::TaskBreaks);
    }
    simulation.run_until(START + FAULTS);
    simulation.faults = HEALTHY;
    for again in 0..60 {
        simulation.at(again * MINUTE, Event::Steer(RESUME));
        simulation.at(again * MINUTE, Event::Steer(PULSE));
        simulation.at(again * MINUTE + MINUTE / 2, Event::Steer(PULSE));
    }
    simulation.run_until(START + FAULTS + 2 * HEALING);
    let view = simulation.core.store().read();
    let left = view.active_update(&web());
    assert!(
        left.is_none(),
        "seed {seed}: update: it never ends: {left:?}"
    );
    simulation.updates
}

/// All ends that there are come about, and nothing that must not.
#[test]
fn updates_end_whatever_happens() {
    let (mut ended, mut by_policy) = (BTreeMap::<&str, usize>::new(), 0);
    for seed in seeds(20) {
        let updates = wild(seed);
        for (status, count) in updates.ended {
            *ended.entry(status).or_default() += count;
        }
        by_policy += updates.by_policy;
    }
    assert!(by_policy > 0, "no task went by a policy");
    let all: Vec<&str> = ended.keys().copied().collect();
    assert_eq!(
        all,
        ["ABORTED", "FAILED", "ROLLED_BACK", "ROLLED_FORWARD"],
        "{ended:?}"
    );
}

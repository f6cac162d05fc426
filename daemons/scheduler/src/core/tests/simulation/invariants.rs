//! What must hold after every step.

use super::cluster::Cluster;
use super::users::{Users, limits};
use super::*;
use crate::core::codec::{decode_ops, encode_ops};
use crate::core::store::{TaskId, decode_snapshot, encode_snapshot};

/// A snapshot is taken, and memory compared with snapshot and log, after so many ops.
const SNAPSHOT_EVERY: usize = 50;

#[derive(Default)]
pub(super) struct Invariants {
    pub(super) steps: u64,
    statuses: BTreeMap<TaskId, ScheduleStatus>,
    pub(super) seen: BTreeSet<ScheduleStatus>,
    launched: BTreeSet<String>,
    /// Instances by job as the ops made them: they are added to what users asked for.
    inserted: BTreeMap<String, BTreeSet<i32>>,
    /// Service instances that finished while their agent was away: upstream does not replace those.
    finished_away: BTreeSet<(String, i32)>,
    snapshot: Vec<u8>,
    log: Vec<Vec<u8>>,
    ops: usize,
}

impl Invariants {
    pub(super) fn check(
        &mut self,
        seed: u64,
        now: Millis,
        core: &Core,
        step: &Step,
        users: &Users,
    ) {
        self.steps += 1;
        let at = format!("seed {seed}, {} ms", now - START);
        self.lifecycle(&at, core, step);
        self.count(&at, core, users);
        self.capacity(&at, core);
        no_lost_wakeup(&at, now, core);
        self.replay(&at, core, step);
    }

    /// States follow the table, an end is final, a task is launched at most once.
    fn lifecycle(&mut self, at: &str, core: &Core, step: &Step) {
        for op in &step.ops {
            self.note_inserted(core, op);
            for (id, status) in entered(op) {
                self.enters(at, core, id, status);
            }
            if let Op::SaveStatus {
                task,
                status: ScheduleStatus::Preempting,
                message: Some(message),
                ..
            } = op
            {
                may_preempt(at, core, task, message);
            }
        }
        for effect in &step.effects {
            if let Effect::Mesos(MesosCall::Launch { task, .. }) = effect {
                let id = task.info().task_id.value;
                assert!(
                    self.launched.insert(id.clone()),
                    "{at}: lifecycle: {id} is launched twice"
                );
            }
        }
    }

    fn note_inserted(&mut self, core: &Core, op: &Op) {
        let (config, instances) = match op {
            Op::InsertTasks {
                config, instances, ..
            } => (config, instances.clone()),
            Op::Supersede { task, config, .. } => {
                let instance = core.store().read().task(task).unwrap().instance;
                let place = Range {
                    first: instance,
                    last: instance,
                };
                (config, vec![place])
            }
            Op::InsertReplacement { status, .. } => {
                self.seen.insert(*status);
                return;
            }
            _ => return,
        };
        let Some(config) = core.store().read().config(*config) else {
            return;
        };
        let name = &config.task.job.name;
        let all = || instances.iter().flat_map(|range| range.first..=range.last);
        self.finished_away
            .retain(|(job, at)| job != name || all().all(|instance| instance != *at));
        let inserted = self.inserted.entry(name.clone()).or_default();
        inserted.extend(all());
    }

    fn enters(&mut self, at: &str, core: &Core, id: &TaskId, status: ScheduleStatus) {
        self.seen.insert(status);
        let before = self
            .statuses
            .insert(id.clone(), status)
            .unwrap_or(ScheduleStatus::Pending);
        assert!(
            !before.is_terminal(),
            "{at}: lifecycle: {id} goes from {before} to {status}"
        );
        if (before, status) == (ScheduleStatus::Partitioned, ScheduleStatus::Finished)
            && let Some(task) = core.store().read().task(id)
        {
            self.finished_away
                .insert((task.job().name.clone(), task.instance));
        }
    }

    /// Every instance that is asked for has one active task, none more; others are on their way out.
    fn count(&mut self, at: &str, core: &Core, users: &Users) {
        let view = core.store().read();
        for job in view.jobs() {
            let mut seen = BTreeSet::new();
            for task in view.active_tasks(job) {
                assert!(
                    task.status.is_active(),
                    "{at}: count: {} is {}",
                    task.id(),
                    task.status
                );
                assert!(
                    seen.insert(task.instance),
                    "{at}: count: instance {} of {} twice",
                    task.instance,
                    job.key
                );
                let known = self
                    .inserted
                    .get(&job.key.name)
                    .is_some_and(|all| all.contains(&task.instance));
                assert!(
                    known,
                    "{at}: count: nobody asked for instance {} of {}",
                    task.instance, job.key
                );
            }
        }
        for (name, wanted) in users.wanted.iter().filter(|(name, _)| *name != "batch") {
            let key = JobKey::new("www", "prod", name);
            for instance in wanted {
                if self.finished_away.contains(&(name.clone(), *instance)) {
                    continue;
                }
                let task = view.active_task(&key, *instance);
                let there = task.is_some_and(|task| task.status != ScheduleStatus::Killing);
                assert!(there, "{at}: count: instance {instance} of {name} is gone");
            }
        }
    }

    /// Limits hold at every moment. That a launch fits its offer is checked where the offer is used.
    fn capacity(&self, at: &str, core: &Core) {
        let view = core.store().read();
        for job in view.jobs() {
            let (per_host, per_rack) = limits(&job.key.name);
            let (mut hosts, mut racks) = (BTreeMap::new(), BTreeMap::new());
            for host in view.active_tasks(job).filter_map(|task| task.host()) {
                let number: usize = host.trim_start_matches("host-").parse().unwrap();
                *hosts.entry(number).or_insert(0) += 1;
                *racks.entry(number / 2).or_insert(0) += 1;
            }
            assert!(
                hosts.values().all(|count| *count <= per_host),
                "{at}: capacity: {} {hosts:?}",
                job.key
            );
            assert!(
                racks.values().all(|count| *count <= per_rack),
                "{at}: capacity: {} {racks:?}",
                job.key
            );
        }
    }

    /// Memory is snapshot and log, byte for byte.
    fn replay(&mut self, at: &str, core: &Core, step: &Step) {
        if step.ops.is_empty() {
            return;
        }
        self.log.push(encode_ops(&step.ops));
        self.ops += step.ops.len();
        if self.ops >= SNAPSHOT_EVERY {
            let rebuilt = encode_snapshot(self.rebuilt().read());
            let memory = encode_snapshot(core.store().read());
            assert!(
                rebuilt == memory,
                "{at}: replay: memory differs from snapshot and log"
            );
            self.snapshot = memory;
            self.log.clear();
            self.ops = 0;
        }
    }

    /// The state from snapshot and log.
    pub(super) fn rebuilt(&self) -> Store {
        let mut store = match self.snapshot.as_slice() {
            [] => Store::default(),
            bytes => decode_snapshot(bytes).unwrap(),
        };
        for entry in &self.log {
            for op in decode_ops(entry).unwrap() {
                store.apply(&op).unwrap();
            }
        }
        store
    }

    /// All is as it should be: what is wanted runs, and nothing else does.
    pub(super) fn liveness(&self, seed: u64, core: &Core, users: &Users, cluster: &Cluster) {
        let view = core.store().read();
        for (name, wanted) in users.wanted.iter().filter(|(name, _)| *name != "batch") {
            for instance in wanted {
                if self.finished_away.contains(&(name.clone(), *instance)) {
                    continue;
                }
                let task = view.active_task(&JobKey::new("www", "prod", name), *instance);
                let status = task.map(|task| task.status);
                assert_eq!(
                    status,
                    Some(ScheduleStatus::Running),
                    "seed {seed}: liveness: {name} {instance} {task:?}"
                );
            }
        }
        for job in view.jobs() {
            for task in view.active_tasks(job) {
                let settled = task.status == ScheduleStatus::Running;
                assert!(
                    settled,
                    "seed {seed}: liveness: {} is {}",
                    task.id(),
                    task.status
                );
                let there = cluster.tasks.get(&*task.id()).map(|task| task.state);
                assert_eq!(
                    there,
                    Some(v1::TaskState::Running),
                    "seed {seed}: liveness: {}",
                    task.id()
                );
            }
        }
        for id in cluster
            .tasks
            .iter()
            .filter(|(_, task)| !task.state.is_terminal())
            .map(|(id, _)| id)
        {
            let status = view.task(id).map(|task| task.status);
            assert_eq!(
                status,
                Some(ScheduleStatus::Running),
                "seed {seed}: liveness: {id} runs"
            );
        }
    }
}

/// The tasks that an op takes into a state.
fn entered(op: &Op) -> Vec<(&TaskId, ScheduleStatus)> {
    match op {
        Op::SaveStatus { task, status, .. } | Op::Supersede { task, status, .. } => {
            vec![(task, *status)]
        }
        Op::Assign { task, .. } => vec![(task, ScheduleStatus::Assigned)],
        Op::UpdateInstances { kills, .. } => {
            let kills = kills.iter();
            kills.map(|task| (task, ScheduleStatus::Killing)).collect()
        }
        _ => Vec::new(),
    }
}

/// Who has to go is of lower standing than the one in whose favor.
fn may_preempt(at: &str, core: &Core, victim: &TaskId, message: &str) {
    let view = core.store().read();
    let favored = message.trim_start_matches("Preempting in favor of ");
    let (Some(victim), Some(favored)) = (view.task(victim), view.task(favored)) else {
        panic!("{at}: preemption: {message}, of {victim}");
    };
    let standing = |task: &store::Task| {
        let config = &task.config.task;
        (config.production == Some(true), config.priority)
    };
    let (low, high) = (standing(victim), standing(favored));
    // All jobs are of one role.
    let is_fair = if low.0 == high.0 {
        low.1 < high.1
    } else {
        high.0
    };
    assert!(is_fair, "{at}: preemption: {low:?} for {high:?}: {message}");
}

/// Every pending task has a turn to come, within the longest wait.
fn no_lost_wakeup(at: &str, now: Millis, core: &Core) {
    let view = core.store().read();
    let longest = core.config().max_schedule_penalty
        + core.config().max_reschedule_task_delay_on_startup
        + core.config().max_flapping_task_delay;
    for job in view.jobs() {
        for task in view
            .active_tasks(job)
            .filter(|task| task.status == ScheduleStatus::Pending)
        {
            let turn = core.next_turn(task.config.id, &task.id());
            let soon = turn.is_some_and(|turn| turn <= now + longest);
            assert!(
                soon,
                "{at}: no-lost-wakeup: {} waits until {turn:?}",
                task.id()
            );
            assert!(
                core.next_deadline()
                    .is_some_and(|next| next <= now + longest),
                "{at}: no-lost-wakeup: no deadline"
            );
        }
    }
}

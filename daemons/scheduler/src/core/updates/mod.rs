//! Job updates: taking a job's instances from what they are to what they are to be, a few at a time, and back when that goes
//! wrong (aurora: `JobUpdateControllerImpl.java`).
//!
//! The log holds what was asked and every event since ([`super::store::Update`]). An update that rolls has an [`Updater`] in
//! memory; each change of a task of its job is news for it, and so is a deadline. News is attended to at the end of the step
//! in which it came, one after the other, because attending makes more of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use aurora_api::instances::ranges;
use aurora_api::model::{
    JobInstanceUpdateEvent, JobKey, JobUpdateAction, JobUpdateEvent, JobUpdateKey, JobUpdateStatus,
    JobUpdateStrategy, ScheduleStatus, TaskConfig,
};

use super::Core;
use super::op::Op;
use super::store::{TaskId, Update};
use super::timers::Timer;

mod calls;
pub(crate) mod difference;
mod history;
mod instance;
mod kill;
mod pulse;
mod status;
mod strategy;
mod updater;

use kill::Try;
use pulse::Pulse;
use status::Direction;
use updater::{Action, Evaluation, Finding, Outcome, Updater};

/// Counters that are there from the beginning.
pub(crate) const COUNTERS: &[&str] = &[
    "update_transition_ROLLING_FORWARD",
    "update_transition_ROLLING_BACK",
    "update_transition_ROLL_FORWARD_PAUSED",
    "update_transition_ROLL_BACK_PAUSED",
    "update_transition_ROLL_FORWARD_AWAITING_PULSE",
    "update_transition_ROLL_BACK_AWAITING_PULSE",
    "update_transition_ROLLED_FORWARD",
    "update_transition_ROLLED_BACK",
    "update_transition_ABORTED",
    "update_transition_FAILED",
    "update_transition_ERROR",
    "update_instance_transition_INSTANCE_UPDATED",
    "update_instance_transition_INSTANCE_ROLLED_BACK",
    "update_instance_transition_INSTANCE_UPDATING",
    "update_instance_transition_INSTANCE_ROLLING_BACK",
    "update_instance_transition_INSTANCE_UPDATE_FAILED",
    "update_instance_transition_INSTANCE_ROLLBACK_FAILED",
    "job_update_recovery_errors",
    "job_update_delete_errors",
    "job_update_state_change_errors",
    "job_updates_pruned",
];

const AUTO_PAUSED: &str = "Update auto paused";
const PULSE_OVERDUE: &str = "Pulses from external service have timed out.";

/// Updates that are under way, as far as the log does not hold it.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    rolling: BTreeMap<JobKey, Updater>,
    /// By update, for those that need pulses.
    pulses: BTreeMap<JobUpdateKey, Pulse>,
    /// The instances that each update with pauses between its batches has touched.
    touched: BTreeMap<String, BTreeSet<i32>>,
    news: VecDeque<News>,
    /// Kills whose policies are asked next.
    tries: VecDeque<Try>,
    generations: u64,
}

/// A task entered a state, or was deleted before it ended.
#[derive(Debug)]
struct News {
    job: JobKey,
    instance: i32,
    task: TaskId,
    /// `None`: it is deleted.
    status: Option<ScheduleStatus>,
}

impl Core {
    /// A task has entered a state.
    pub(crate) fn task_changed(&mut self, id: &TaskId, status: ScheduleStatus) {
        if self.updates.rolling.is_empty() {
            return;
        }
        if let Some(task) = self.store.read().task(id)
            && self.updates.rolling.contains_key(task.job())
        {
            self.updates.news.push_back(News {
                job: task.job().clone(),
                instance: task.instance,
                task: Arc::clone(id),
                status: Some(status),
            });
        }
    }

    /// A task that had not ended is about to be deleted.
    pub(crate) fn task_vanishes(&mut self, id: &TaskId) {
        let before = self.updates.news.len();
        self.task_changed(id, ScheduleStatus::Killed);
        if self.updates.news.len() > before
            && let Some(news) = self.updates.news.back_mut()
        {
            news.status = None;
        }
    }

    /// Lets updates react to what happened in this step, and tries kills that need a policy's leave: not more of them than a
    /// batch, so that a step is never long (aurora: `BatchWorker.java`).
    pub(crate) fn attend_to_updates(&mut self) {
        let mut tries = self.config.sla_aware_action_max_batch_size.max(1);
        loop {
            if let Some(news) = self.updates.news.pop_front() {
                self.hear(&news);
            } else if tries > 0
                && let Some(next) = self.updates.tries.pop_front()
            {
                tries -= 1;
                self.try_kill(next);
            } else {
                break;
            }
        }
        if !self.updates.tries.is_empty() {
            self.timers.set(self.now + 1, Timer::UpdateKills);
        }
    }

    fn hear(&mut self, news: &News) {
        let updater = self.updates.rolling.get(&news.job);
        let Some(updater) = updater.filter(|updater| updater.concerns(news.instance)) else {
            return;
        };
        let task = self.store.read().task(&news.task);
        // News that something else has overtaken is followed by newer news.
        if news.status.is_some() && task.map(|task| task.status) != news.status {
            return;
        }
        let task = task.filter(|_| news.status.is_some());
        let seen = updater.see(news.instance, task);
        self.evaluate_update(&news.job, Some((news.instance, seen)));
    }

    /// Looks at an update that rolls, for the sake of one instance or in order to begin.
    fn evaluate_update(&mut self, job: &JobKey, changed: Option<(i32, Option<instance::Seen>)>) {
        let view = self.store.read();
        let Some((update, mut updater)) = view
            .active_update(job)
            .zip(self.updates.rolling.remove(job))
        else {
            return;
        };
        let (key, direction) = (update.key().clone(), updater.direction);
        if self.is_blocked(&key) {
            let message = Some(PULSE_OVERDUE.to_owned());
            self.go_to(&key, direction.awaiting_pulse(), None, message);
            return;
        }
        let pauses = direction == Direction::Forward && pauses_between_batches(update);
        let evaluation = updater.evaluate(changed, |at| view.active_task(job, at), self.now);
        let generation = updater.generation;
        self.updates.rolling.insert(job.clone(), updater);
        if pauses && self.is_next_batch(&key.id, &evaluation) {
            for finding in evaluation
                .findings
                .iter()
                .filter(|finding| finding.ended.is_some())
            {
                self.record_finding(job, &key, direction, finding);
            }
            let message = Some(AUTO_PAUSED.to_owned());
            self.go_to(&key, direction.paused(), None, message);
            return;
        }
        for finding in &evaluation.findings {
            self.record_finding(job, &key, direction, finding);
        }
        match evaluation.outcome {
            Some(outcome) => self.end_direction(&key, direction, outcome),
            None => self.act(job, generation, &evaluation.findings),
        }
    }

    /// Whether an evaluation steps over the end of a batch. Those that it touches count as known from then on.
    fn is_next_batch(&mut self, id: &str, evaluation: &Evaluation) -> bool {
        let touched: BTreeSet<i32> = evaluation
            .findings
            .iter()
            .map(|finding| finding.instance)
            .collect();
        if touched.is_empty() || evaluation.outcome.is_some() {
            return false;
        }
        match self.updates.touched.get_mut(id) {
            None => {
                self.updates.touched.insert(id.to_owned(), touched);
                false
            }
            Some(known) => {
                let is_new = !touched.is_subset(known);
                known.extend(touched);
                is_new
            }
        }
    }

    /// Writes down what became of an instance: each thing once for each update, and nothing for one that was right already.
    fn record_finding(
        &mut self,
        job: &JobKey,
        key: &JobUpdateKey,
        direction: Direction,
        finding: &Finding,
    ) {
        let Some(updater) = self.updates.rolling.get_mut(job) else {
            return;
        };
        let instance = finding.instance;
        let is_known = updater
            .recorded
            .range((instance, JobUpdateAction::ALL[0])..)
            .next()
            .is_some_and(|(other, _)| *other == instance);
        if finding.began && finding.ended == Some(true) && !is_known {
            return;
        }
        let began = finding.began.then(|| began(direction));
        let ended = finding.ended.map(|well| ended(direction, well));
        let new: Vec<JobUpdateAction> = began
            .into_iter()
            .chain(ended)
            .filter(|action| updater.recorded.insert((instance, *action)))
            .collect();
        for action in new {
            self.bump(format!("update_instance_transition_{action}"));
            self.record(key, instance, action, None);
        }
    }

    fn record(
        &mut self,
        key: &JobUpdateKey,
        instance: i32,
        action: JobUpdateAction,
        message: Option<&str>,
    ) {
        let event = JobInstanceUpdateEvent {
            instance_id: instance,
            timestamp_ms: self.now,
            action,
            message: message.map(str::to_owned),
        };
        self.apply(Op::instance_event(key.clone(), event));
    }

    fn end_direction(&mut self, key: &JobUpdateKey, direction: Direction, outcome: Outcome) {
        let rolls_back = self
            .store
            .read()
            .update(key)
            .is_some_and(|update| update.update.instructions.settings.rollback_on_failure);
        let (status, message) = match outcome {
            Outcome::Succeeded => (direction.done(), None),
            Outcome::Failed(instance) => {
                let message = format!("Latest failure: instance {instance} exited.");
                match direction {
                    Direction::Forward if rolls_back => {
                        (JobUpdateStatus::RollingBack, Some(message))
                    }
                    _ => (JobUpdateStatus::Failed, Some(message)),
                }
            }
        };
        self.go_to(key, status, None, message);
    }

    /// Carries out what an evaluation asks for.
    fn act(&mut self, job: &JobKey, generation: u64, findings: &[Finding]) {
        let of = |wanted: Action| {
            let chosen = findings
                .iter()
                .filter(move |finding| finding.action == Some(wanted));
            chosen.map(|finding| finding.instance)
        };
        for instance in of(Action::Kill) {
            self.kill_for_update(job, instance, generation);
        }
        // All new instances of an update have one configuration forwards, and few backwards.
        let mut new: Vec<(Arc<TaskConfig>, Vec<i32>)> = Vec::new();
        for instance in of(Action::Add) {
            let updater = self.updates.rolling.get(job);
            let Some(config) = updater.and_then(|updater| updater.target(instance)) else {
                continue;
            };
            match new.iter_mut().find(|(other, _)| Arc::ptr_eq(other, config)) {
                Some((_, instances)) => instances.push(instance),
                None => new.push((Arc::clone(config), vec![instance])),
            }
        }
        for (config, instances) in new {
            for range in ranges(instances) {
                self.insert_tasks((*config).clone(), range);
            }
        }
        for instance in of(Action::LookAgain) {
            let Some(updater) = self.updates.rolling.get(job) else {
                return;
            };
            let at = self.now.saturating_add(updater.min_running().max(1));
            self.timers
                .set(at, Timer::UpdateLook(job.clone(), instance));
        }
    }

    /// An instance may have been running for long enough. A look that was set before a pause is as good as any.
    pub(crate) fn update_look_due(&mut self, job: &JobKey, instance: i32) {
        let updater = self.updates.rolling.get(job);
        if let Some(updater) = updater.filter(|updater| updater.concerns(instance)) {
            let seen = updater.see(instance, self.store.read().active_task(job, instance));
            self.evaluate_update(job, Some((instance, seen)));
        }
    }

    /// Brings an update into a status that the state machine is known to allow.
    fn go_to(
        &mut self,
        key: &JobUpdateKey,
        to: JobUpdateStatus,
        user: Option<&str>,
        message: Option<String>,
    ) {
        if let Err(text) = self.change_update(key, to, user, message) {
            tracing::error!(update = key.id, text, "an update cannot go on");
            self.bump("job_update_state_change_errors");
        }
    }

    /// Brings an update into a status; one that it has already is left alone.
    fn change_update(
        &mut self,
        key: &JobUpdateKey,
        to: JobUpdateStatus,
        user: Option<&str>,
        message: Option<String>,
    ) -> Result<(), String> {
        let update = self.store.read().update(key);
        let from = update
            .and_then(Update::status)
            .ok_or_else(|| format!("Update does not exist {} of {}", key.id, key.job))?;
        if from == to {
            return Ok(());
        }
        if !status::successors(from).contains(&to) {
            return Err(format!("Cannot transition update from {from} to {to}"));
        }
        self.record_status(key, to, user, message);
        self.status_entered(key, to);
        Ok(())
    }

    fn record_status(
        &mut self,
        key: &JobUpdateKey,
        status: JobUpdateStatus,
        user: Option<&str>,
        message: Option<String>,
    ) {
        self.bump(format!("update_transition_{status}"));
        self.apply(Op::UpdateEvent {
            key: key.clone(),
            event: JobUpdateEvent {
                status,
                timestamp_ms: self.now,
                user: user.map(str::to_owned),
                message,
            },
        });
    }

    fn status_entered(&mut self, key: &JobUpdateKey, status: JobUpdateStatus) {
        self.updates.rolling.remove(&key.job);
        if !status.is_active() {
            self.updates.pulses.remove(key);
            self.updates.touched.remove(&key.id);
        }
        let Some((direction, update)) =
            Direction::rolling_in(status).zip(self.store.read().update(key))
        else {
            return;
        };
        let generation = self.updates.generations + 1;
        let updater = Updater::new(update, direction, generation);
        self.updates.generations = generation;
        self.updates.rolling.insert(key.job.clone(), updater);
        self.evaluate_update(&key.job, None);
    }

    /// Goes on with the updates that an earlier scheduler began. What it counted of failures is not known.
    pub(crate) fn recover_updates(&mut self) {
        let active: Vec<(JobUpdateKey, JobUpdateStatus)> = self
            .store
            .read()
            .active_updates()
            .filter_map(|update| Some((update.key().clone(), update.status()?)))
            .collect();
        for (key, status) in active {
            self.recover_pulse(&key);
            self.recover_touched(&key, status);
            if Direction::rolling_in(status).is_some() {
                self.status_entered(&key, status);
            }
        }
        self.prune_updates_later();
    }

    fn recover_touched(&mut self, key: &JobUpdateKey, status: JobUpdateStatus) {
        let update = self.store.read().update(key);
        if status == JobUpdateStatus::RollingForward
            && let Some(update) = update.filter(|update| pauses_between_batches(update))
        {
            let touched: BTreeSet<i32> = update
                .instance_events()
                .map(|event| event.instance_id)
                .collect();
            if !touched.is_empty() {
                self.updates.touched.insert(key.id.clone(), touched);
            }
        }
    }
}

fn pauses_between_batches(update: &Update) -> bool {
    match &update.update.instructions.settings.update_strategy {
        Some(JobUpdateStrategy::BatchStrategy(batch)) => batch.autopause_after_batch,
        Some(JobUpdateStrategy::VarBatchStrategy(batches)) => batches.autopause_after_batch,
        Some(JobUpdateStrategy::QueueStrategy(_)) | None => false,
    }
}

const fn began(direction: Direction) -> JobUpdateAction {
    match direction {
        Direction::Forward => JobUpdateAction::InstanceUpdating,
        Direction::Back => JobUpdateAction::InstanceRollingBack,
    }
}

const fn ended(direction: Direction, well: bool) -> JobUpdateAction {
    match (direction, well) {
        (Direction::Forward, true) => JobUpdateAction::InstanceUpdated,
        (Direction::Forward, false) => JobUpdateAction::InstanceUpdateFailed,
        (Direction::Back, true) => JobUpdateAction::InstanceRolledBack,
        (Direction::Back, false) => JobUpdateAction::InstanceRollbackFailed,
    }
}

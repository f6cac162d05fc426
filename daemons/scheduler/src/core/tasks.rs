//! Carrying out transitions of tasks (aurora: `StateManagerImpl.java`), and what entering a state sets going: throttling,
//! time-outs, kill retries (aurora: `TaskThrottler`, `TaskTimeout`, `KillRetry`, `PartitionManager`,
//! `RescheduleCalculator`).

use std::borrow::Cow;
use std::sync::Arc;

use aurora_api::model::ScheduleStatus::{self, *};
use aurora_mesos::v1::AgentId;

use super::config::Millis;
use super::join;
use super::machine::{self, Replace, Verdict};
use super::op::Op;
use super::store::{Task, TaskId, task_id};
use super::timers::Timer;
use super::{Core, Effect, MesosCall};

/// What an attempt to change a task's state came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It changed.
    Success,
    /// It had that state.
    Noop,
    /// Not legal; nothing happened.
    Illegal,
    /// Not legal; Mesos was asked to kill it.
    IllegalAndKilled,
    /// It was not in the state that was expected.
    Unexpected,
}

/// How often an inactive framework's transient time-outs are looked at again (aurora: `TaskTimeout.NOT_STARTED_RETRY`).
const NOT_REGISTERED_RETRY: Millis = 5_000;

/// Why a task's state is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It changed just now.
    Transition,
    /// It was found in the state that this process took over.
    Recovered,
}

impl Outcome {
    /// As upstream's counters name it (aurora: `StateChangeResult.java`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Success => "SUCCESS",
            Outcome::Noop => "NOOP",
            Outcome::Illegal => "ILLEGAL",
            Outcome::IllegalAndKilled => "ILLEGAL_WITH_SIDE_EFFECTS",
            Outcome::Unexpected => "INVALID_CAS_STATE",
        }
    }
}

/// How long tasks are throttled (aurora: `TaskThrottler.java`).
pub(crate) const THROTTLE: [&str; 2] = ["task_throttle_events", "task_throttle_ms_total"];

impl Core {
    /// Records and makes a change of the state.
    pub(crate) fn apply(&mut self, op: Op) {
        self.sla.before(&op, self.store.read(), self.now);
        match self.store.apply_into(&op, &mut self.out.changes) {
            Ok(()) => {
                self.sla.after(&op, self.store.read());
                join::push(&mut self.out.ops, op, self.store.read());
            }
            // Every op is checked against the state before it is made. If one does not fit all the same, the state is as
            // before and the log does not get it either, so that both still agree.
            Err(error) => {
                tracing::error!(%error, ?op, "a change of the state was refused by the state");
                debug_assert!(false, "{error}: {op:?}");
            }
        }
    }

    pub(crate) fn call_mesos(&mut self, call: MesosCall) {
        self.out.effects.push(Effect::Mesos(call));
    }

    pub(crate) fn bump(&mut self, counter: impl Into<Cow<'static, str>>) {
        self.count(counter, 1);
    }

    pub(crate) fn count(&mut self, counter: impl Into<Cow<'static, str>>, by: u64) {
        *self.counters.entry(counter.into()).or_default() += by;
    }

    /// Notes a span of time under two counters: how many, and milliseconds together (aurora: `SlidingStats`).
    pub(crate) fn sample(&mut self, [events, total]: [&'static str; 2], span: Millis) {
        self.bump(events);
        self.count(total, u64::try_from(span).unwrap_or(0));
    }

    /// Remembers on which agent a task is, for preemption.
    pub(crate) fn note_whereabouts(&mut self, id: &TaskId) {
        if let Some((slot, task)) = self.store.read().find(id)
            && task.status.is_agent_assigned()
            && let Some(place) = task.place()
        {
            let row = self.agents.row(&place.agent);
            self.agents.came(row, &place.host, slot);
        }
    }

    /// Brings a task into a state if that is legal.
    pub(crate) fn change_state(
        &mut self,
        id: &str,
        expected: Option<ScheduleStatus>,
        to: ScheduleStatus,
        message: Option<String>,
    ) -> Outcome {
        let found = self.store.read().find(id);
        let from = found.map(|(_, task)| task.status);
        if expected.is_some() && from != expected {
            return Outcome::Unexpected;
        }
        let effects = match machine::verdict(from, Some(to)) {
            Verdict::Noop => return Outcome::Noop,
            Verdict::Illegal(effects) => {
                self.bump("scheduler_illegal_task_state_transitions");
                if !effects.kill {
                    return Outcome::Illegal;
                }
                self.kill(id);
                return Outcome::IllegalAndKilled;
            }
            Verdict::Legal(effects) => effects,
        };
        let Some((slot, task)) = found else {
            // No transition of an unknown task is legal.
            return Outcome::Illegal;
        };
        let is_replaced = must_replace(task, effects.replace);
        let (id, config) = (task.id(), task.config.id);
        if task.status.is_agent_assigned()
            && !to.is_agent_assigned()
            && let Some(agent) = task.agent()
        {
            self.agents.left(agent, slot);
        }
        if from == Some(Pending) {
            self.store.set_reason(config, None);
            self.nearest.remove(&config);
        }
        if effects.count_failure {
            self.apply(Op::CountFailure {
                task: Arc::clone(&id),
            });
        }
        if effects.save {
            self.apply(Op::SaveStatus {
                task: Arc::clone(&id),
                status: to,
                message,
                time: self.now,
            });
        }
        if is_replaced {
            self.replace(&id);
        }
        if effects.lose {
            let message = "Action performed on partitioned task, marking as LOST.".to_owned();
            self.change_state(&id, None, Lost, Some(message));
        }
        if effects.kill {
            self.kill(&id);
        }
        if effects.delete {
            self.task_vanishes(&id);
            self.apply(Op::RemoveTasks {
                tasks: vec![Arc::clone(&id)],
            });
        } else {
            self.entered(&id, to, Entry::Transition);
        }
        Outcome::Success
    }

    /// Asks Mesos to kill a task.
    pub(crate) fn kill(&mut self, id: &str) {
        let agent = self.store.read().task(id).and_then(|task| task.agent());
        let agent_id = agent.map(AgentId::from);
        self.call_mesos(MesosCall::Kill {
            task_id: id.into(),
            agent_id,
        });
    }

    /// Inserts a task in the place of one that ended.
    fn replace(&mut self, id: &TaskId) {
        let Some(task) = self.store.read().task(id) else {
            return;
        };
        let (config, instance) = (Arc::clone(&task.config), task.instance);
        let ancestor = task.ancestor();
        let penalty = self.flapping_penalty(ancestor);
        let (status, message) = if penalty > 0 {
            (
                Throttled,
                format!("Rescheduled, penalized for {penalty} ms for flapping"),
            )
        } else {
            (Pending, "Rescheduled".to_owned())
        };
        let seed = self.random.seed();
        self.apply(Op::InsertReplacement {
            ancestor: Arc::clone(id),
            seed,
            status,
            message,
            time: self.now,
        });
        let new = task_id(&config.task.job, instance, seed);
        self.entered(&new, status, Entry::Transition);
    }

    /// How long a task has to wait because its ancestors ended soon after they began.
    pub(crate) fn flapping_penalty(&mut self, mut ancestor: Option<TaskId>) -> Millis {
        let mut penalty = 0;
        while let Some(task) = ancestor.and_then(|id| self.store.read().task(&id)) {
            if !has_flapped(task, self.config.flapping_task_threshold) {
                break;
            }
            ancestor = task.ancestor();
            let (initial, max) = (
                self.config.initial_flapping_task_delay,
                self.config.max_flapping_task_delay,
            );
            let next = self.random.backoff(penalty, initial, max);
            if next == penalty {
                break;
            }
            penalty = next;
        }
        penalty
    }

    /// Sets going what a state asks for. Does nothing when the task has left it again already.
    pub(crate) fn entered(&mut self, id: &TaskId, status: ScheduleStatus, entry: Entry) {
        let Some(task) = self
            .store
            .read()
            .task(id)
            .filter(|task| task.status == status)
        else {
            return;
        };
        let last_event = task.last_event_time();
        let (config, ancestor) = (Arc::clone(&task.config), task.ancestor());
        if entry == Entry::Transition {
            self.task_changed(id, status);
        }
        match status {
            Pending => self.enqueue(config.id, id, ancestor, entry),
            Throttled => {
                let ready = last_event.saturating_add(self.flapping_penalty(ancestor));
                let ready = ready.max(self.now);
                self.sample(THROTTLE, ready - self.now);
                self.throttled.insert(Arc::clone(id), ready);
                self.timers.set(ready, Timer::Throttled(Arc::clone(id)));
            }
            Assigned | Preempting | Restarting | Draining | Killing => {
                let at = self
                    .now
                    .saturating_add(self.config.transient_task_state_timeout);
                self.timers
                    .set(at, Timer::Transient(Arc::clone(id), status, last_event));
                if status == Killing {
                    self.retry_kill_later(id, 0);
                }
            }
            Partitioned => {
                let policy = config.task.partition_policy.as_ref();
                if policy.is_none_or(|policy| policy.reschedule) {
                    let delay = policy
                        .and_then(|policy| policy.delay_secs)
                        .unwrap_or(0)
                        .max(0);
                    let at = last_event
                        .saturating_add(delay.saturating_mul(1000))
                        .max(self.now);
                    self.timers
                        .set(at, Timer::Partitioned(Arc::clone(id), last_event));
                }
            }
            Finished | Failed | Killed | Lost => {
                if entry == Entry::Transition {
                    self.ended_on_host(id);
                }
                self.keep_for_history(id);
            }
            Init | Starting | Running => {}
        }
    }

    pub(crate) fn throttled_long_enough(&mut self, id: &str) {
        self.throttled.remove(id);
        self.change_state(id, Some(Throttled), Pending, None);
    }

    pub(crate) fn transient_for_too_long(
        &mut self,
        id: TaskId,
        status: ScheduleStatus,
        since: Millis,
    ) {
        let task = self.store.read().task(&id);
        if !task.is_some_and(|task| task.status == status && task.last_event_time() == since) {
            return;
        }
        if !self.registered {
            let at = self.now.saturating_add(NOT_REGISTERED_RETRY);
            self.timers.set(at, Timer::Transient(id, status, since));
            return;
        }
        self.bump("timed_out_tasks");
        self.change_state(&id, Some(status), Lost, Some("Task timed out".to_owned()));
    }

    pub(crate) fn retry_kill(&mut self, id: &TaskId, waited: Millis) {
        if self
            .store
            .read()
            .task(id)
            .is_some_and(|task| task.status == Killing)
        {
            self.bump("task_kill_retries");
            self.kill(id);
            self.retry_kill_later(id, waited);
        }
    }

    fn retry_kill_later(&mut self, id: &TaskId, waited: Millis) {
        let (initial, max) = (
            self.config.initial_task_kill_retry_interval,
            self.config.transient_task_state_timeout,
        );
        let wait = self.random.backoff(waited, initial, max).max(1);
        self.timers.set(
            self.now.saturating_add(wait),
            Timer::KillRetry(Arc::clone(id), wait),
        );
    }

    pub(crate) fn partitioned_for_too_long(&mut self, id: &str, since: Millis) {
        let task = self.store.read().task(id);
        if task.is_some_and(|task| task.last_event_time() == since) {
            let message = "Task partitioned for too long.".to_owned();
            self.change_state(id, Some(Partitioned), Lost, Some(message));
        }
    }
}

/// Whether a task that ends is replaced. Asked before the failure is counted.
fn must_replace(task: &Task, when: Replace) -> bool {
    let config = &task.config.task;
    match when {
        Replace::No => false,
        Replace::Always => true,
        Replace::Service => config.is_service,
        Replace::FailureAllowed => {
            config.is_service
                || config.max_task_failures == -1
                || task.failure_count() < config.max_task_failures.saturating_sub(1)
        }
        Replace::UnlessKilling => !task.events.iter().any(|event| event.status == Killing),
    }
}

/// Whether a task ended by itself and soon after it was last active.
fn has_flapped(task: &Task, threshold: Millis) -> bool {
    let interrupted = task
        .events
        .iter()
        .any(|event| matches!(event.status, Restarting | Killing | Draining));
    let last_active = task
        .events
        .iter()
        .rev()
        .find(|event| event.status.is_active());
    match (task.events.last(), last_active) {
        (Some(last), Some(active)) => {
            !interrupted && last.time.saturating_sub(active.time) < threshold
        }
        _ => false,
    }
}

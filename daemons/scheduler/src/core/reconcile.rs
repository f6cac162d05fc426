//! Comparing what the scheduler believes with what Mesos knows (aurora: `TaskReconciler.java`).
//!
//! Explicit: Mesos is asked about every task that should be on an agent. Implicit: Mesos tells all that it knows, so that
//! tasks nobody knows of can be killed. The answers come as ordinary statuses.

use std::collections::VecDeque;

use aurora_mesos::v1::{AgentId, TaskId as MesosTaskId};

use super::store::TaskId;
use super::timers::Timer;
use super::{Core, MesosCall};

/// What was asked for and is still to be sent.
#[derive(Debug, Default)]
pub(crate) struct Reconciliation {
    /// Batches of an explicit reconciliation.
    batches: VecDeque<Vec<TaskId>>,
    /// Whether a timer for the next batch is set.
    is_armed: bool,
    /// An implicit reconciliation was asked for while nobody was subscribed.
    owes_implicit: bool,
}

impl Core {
    /// Sets the first runs.
    pub(crate) fn begin_reconciliations(&mut self) {
        let delay = self.config.reconciliation_initial_delay;
        let first = self.now.saturating_add(delay);
        self.timers.set(first, Timer::Explicit);
        let later = first.saturating_add(self.config.reconciliation_schedule_spread);
        self.timers.set(later, Timer::Implicit);
    }

    /// Sends what could not be sent while there was no subscription.
    pub(crate) fn catch_up_reconciling(&mut self) {
        if std::mem::take(&mut self.reconciliation.owes_implicit) {
            self.call_mesos(MesosCall::Reconcile { tasks: Vec::new() });
        }
        self.send_reconcile_batch();
    }

    pub(crate) fn explicit_due(&mut self) {
        let next = self
            .now
            .saturating_add(self.config.reconciliation_explicit_interval.max(1));
        self.timers.set(next, Timer::Explicit);
        self.reconcile_explicitly(self.config.reconciliation_explicit_batch_size);
    }

    pub(crate) fn implicit_due(&mut self) {
        let next = self
            .now
            .saturating_add(self.config.reconciliation_implicit_interval.max(1));
        self.timers.set(next, Timer::Implicit);
        self.reconcile_implicitly();
    }

    pub(crate) fn reconcile_implicitly(&mut self) {
        self.bump("reconciliation_implicit_runs");
        if self.registered {
            self.call_mesos(MesosCall::Reconcile { tasks: Vec::new() });
        } else {
            self.reconciliation.owes_implicit = true;
        }
    }

    pub(crate) fn reconcile_explicitly(&mut self, batch_size: usize) {
        self.bump("reconciliation_explicit_runs");
        let view = self.store.read();
        let tasks = view.jobs().flat_map(|job| view.active_tasks(job));
        let assigned = tasks.filter(|task| task.status.is_agent_assigned());
        let ids: Vec<TaskId> = assigned.map(|task| task.id()).collect();
        // A run that is still being sent is superseded: the new one asks about everything again.
        self.reconciliation.batches = ids
            .chunks(batch_size.max(1))
            .map(<[TaskId]>::to_vec)
            .collect();
        self.send_reconcile_batch();
    }

    pub(crate) fn reconcile_batch_due(&mut self) {
        self.reconciliation.is_armed = false;
        self.send_reconcile_batch();
    }

    /// Sends the next batch, unless it has to wait for its time or for a subscription.
    fn send_reconcile_batch(&mut self) {
        if !self.registered || self.reconciliation.is_armed {
            return;
        }
        let Some(batch) = self.reconciliation.batches.pop_front() else {
            return;
        };
        let view = self.store.read();
        let tasks = batch
            .iter()
            .filter_map(|id| view.task(id))
            .filter(|task| task.status.is_agent_assigned());
        let tasks: Vec<(MesosTaskId, Option<AgentId>)> = tasks
            .map(|task| ((&*task.id()).into(), task.agent().map(Into::into)))
            .collect();
        // An empty list would ask for everything.
        if !tasks.is_empty() {
            self.call_mesos(MesosCall::Reconcile { tasks });
        }
        if !self.reconciliation.batches.is_empty() {
            self.reconciliation.is_armed = true;
            let pause = self.config.reconciliation_explicit_batch_interval.max(1);
            self.timers
                .set(self.now.saturating_add(pause), Timer::ExplicitBatch);
        }
    }
}

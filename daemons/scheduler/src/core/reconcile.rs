//! Comparing what the scheduler believes with what Mesos knows (aurora: `TaskReconciler.java`).
//!
//! Explicit: Mesos is asked about every task that should be on an agent. Implicit: Mesos tells all that it knows, so that
//! tasks nobody knows of can be killed. The answers come as ordinary statuses.

use std::collections::VecDeque;
use std::sync::Arc;

use aurora_mesos::v1::{AgentId, TaskId as MesosTaskId};

use super::store::TaskId;
use super::timers::Timer;
use super::{Core, MesosCall};

/// Batches of an explicit reconciliation that are still to be sent.
pub(crate) type Batches = VecDeque<Vec<TaskId>>;

impl Core {
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
        self.call_mesos(MesosCall::Reconcile { tasks: Vec::new() });
    }

    pub(crate) fn reconcile_explicitly(&mut self, batch_size: usize) {
        self.bump("reconciliation_explicit_runs");
        let view = self.store.read();
        let tasks = view.jobs().flat_map(|job| view.active_tasks(job));
        let assigned = tasks.filter(|task| task.status.is_agent_assigned());
        let ids: Vec<TaskId> = assigned.map(|task| Arc::clone(&task.id)).collect();
        // A run that is still being sent is superseded: the new one asks about everything again.
        let is_idle = self.reconcile_batches.is_empty();
        self.reconcile_batches = ids
            .chunks(batch_size.max(1))
            .map(<[TaskId]>::to_vec)
            .collect();
        if is_idle {
            self.send_reconcile_batch();
        }
    }

    pub(crate) fn send_reconcile_batch(&mut self) {
        let Some(batch) = self.reconcile_batches.pop_front() else {
            return;
        };
        let view = self.store.read();
        let tasks = batch
            .iter()
            .filter_map(|id| view.task(id))
            .filter(|task| task.status.is_agent_assigned());
        let tasks: Vec<(MesosTaskId, Option<AgentId>)> = tasks
            .map(|task| ((&*task.id).into(), task.agent.as_deref().map(Into::into)))
            .collect();
        // An empty list would ask for everything.
        if !tasks.is_empty() {
            self.call_mesos(MesosCall::Reconcile { tasks });
        }
        if !self.reconcile_batches.is_empty() {
            let at = self
                .now
                .saturating_add(self.config.reconciliation_explicit_batch_interval.max(1));
            self.timers.set(at, Timer::ExplicitBatch);
        }
    }
}

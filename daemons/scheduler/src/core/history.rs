//! How long ended tasks are kept (aurora: `TaskHistoryPruner.java`).

use std::sync::Arc;

use aurora_api::model::JobKey;

use super::Core;
use super::op::Op;
use super::store::TaskId;
use super::tasks::Entry;
use super::timers::Timer;

impl Core {
    /// A task ended: sets its last day, and has its job looked at when this step is done.
    pub(crate) fn keep_for_history(&mut self, id: &TaskId, entry: Entry) {
        let Some(task) = self.store.read().task(id) else {
            return;
        };
        let age = match entry {
            Entry::Transition => 0,
            Entry::Recovered => self.now.saturating_sub(task.last_event_time()).max(0),
        };
        let job = task.job().clone();
        let wait = self.config.history_prune_threshold.saturating_sub(age);
        let wait = wait.max(self.config.history_min_retention_threshold);
        self.timers
            .set(self.now.saturating_add(wait), Timer::Prune(Arc::clone(id)));
        self.crowded_jobs.insert(job);
    }

    pub(crate) fn kept_long_enough(&mut self, id: &TaskId) {
        let ended = self
            .store
            .read()
            .task(id)
            .is_some_and(|task| task.status.is_terminal());
        if ended {
            self.forget(vec![Arc::clone(id)]);
        }
    }

    /// Forgets the oldest ended tasks of jobs that have too many; those that ended a short while ago stay.
    pub(crate) fn thin_out_histories(&mut self) {
        while let Some(job) = self.crowded_jobs.pop_first() {
            let old = self.too_old(&job);
            self.forget(old);
        }
    }

    fn too_old(&self, key: &JobKey) -> Vec<TaskId> {
        let view = self.store.read();
        let Some(job) = view.job(key) else {
            return Vec::new();
        };
        let count = job.task_count() - job.active_count();
        let excess = count.saturating_sub(self.config.history_max_per_job_threshold);
        let newest = self
            .now
            .saturating_sub(self.config.history_min_retention_threshold);
        // Tasks stand in the order in which they ended, and nothing happens to them afterwards.
        let old = view
            .ended_tasks(job)
            .take(excess)
            .take_while(|task| task.last_event_time() <= newest);
        old.map(|task| Arc::clone(&task.id)).collect()
    }

    pub(crate) fn forget(&mut self, tasks: Vec<TaskId>) {
        if !tasks.is_empty() {
            self.count("tasks_pruned", tasks.len() as u64);
            self.apply(Op::RemoveTasks { tasks });
        }
    }
}

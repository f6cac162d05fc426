//! How long ended tasks are kept (aurora: `TaskHistoryPruner.java`).

use aurora_api::model::JobKey;

use super::Core;
use super::config::Millis;
use super::op::Op;
use super::store::TaskId;
use super::timers::Timer;

impl Core {
    /// A task ended: sees to it that it goes when its time has come, and has its job looked at when this step is done.
    pub(crate) fn keep_for_history(&mut self, id: &TaskId) {
        let Some(task) = self.store.read().task(id) else {
            return;
        };
        let job = task.job().clone();
        self.set_prune_timer(&job);
        self.crowded_jobs.insert(job);
    }

    /// One timer a job, for its oldest ended task: a million ended tasks must not be a million timers.
    fn set_prune_timer(&mut self, key: &JobKey) {
        let view = self.store.read();
        let oldest = view.job(key).and_then(|job| view.ended_tasks(job).next());
        let Some(oldest) = oldest else {
            return;
        };
        let at = self
            .kept_until(oldest.last_event_time())
            .max(self.now.saturating_add(1));
        if self.prune_timers.insert(key.clone()) {
            self.timers.set(at, Timer::Prune(key.clone()));
        }
    }

    /// How long a task is kept that ended at a time. One that had ended before this process took over gets the least
    /// retention from then on.
    fn kept_until(&self, ended: Millis) -> Millis {
        let least = self.config.history_min_retention_threshold;
        let keep = self.config.history_prune_threshold.max(least);
        let by_age = ended.saturating_add(keep);
        if ended < self.began {
            by_age.max(self.began.saturating_add(least))
        } else {
            by_age
        }
    }

    pub(crate) fn kept_long_enough(&mut self, key: &JobKey) {
        self.prune_timers.remove(key);
        let view = self.store.read();
        let old = view
            .job(key)
            .into_iter()
            .flat_map(|job| view.ended_tasks(job));
        let old = old.take_while(|task| self.kept_until(task.last_event_time()) <= self.now);
        let old = old.map(|task| task.id()).collect();
        self.forget(old);
        self.set_prune_timer(key);
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
        old.map(|task| task.id()).collect()
    }

    pub(crate) fn forget(&mut self, tasks: Vec<TaskId>) {
        if !tasks.is_empty() {
            self.count("tasks_pruned", tasks.len() as u64);
            self.apply(Op::RemoveTasks { tasks });
        }
    }
}

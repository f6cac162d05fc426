//! Forgetting old updates (aurora: `JobUpdateHistoryPruner.java`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use aurora_api::model::{JobKey, JobUpdateKey};

use crate::core::Core;
use crate::core::config::Millis;
use crate::core::op::Op;
use crate::core::timers::Timer;

impl Core {
    pub(super) fn prune_updates_later(&mut self) {
        let interval = self.config.job_update_history_pruning_interval.max(1);
        self.timers
            .set(self.now.saturating_add(interval), Timer::UpdateHistory);
    }

    /// Forgets updates that are over: those that began too long ago, those of jobs without any task, and of the others all
    /// but the newest few of each job.
    pub(crate) fn update_history_due(&mut self) {
        let view = self.store.read();
        let oldest = self
            .now
            .saturating_sub(self.config.job_update_history_pruning_threshold);
        let mut kept: BTreeMap<&JobKey, Vec<(Reverse<Millis>, &JobUpdateKey)>> = BTreeMap::new();
        let mut keys: Vec<JobUpdateKey> = Vec::new();
        for update in view.updates().filter(|update| !update.is_active()) {
            if update.created() < oldest || view.job(update.job()).is_none() {
                keys.push(update.key().clone());
            } else {
                let of_job = kept.entry(update.job()).or_default();
                of_job.push((Reverse(update.created()), update.key()));
            }
        }
        for mut of_job in kept.into_values() {
            of_job.sort();
            let surplus = of_job
                .iter()
                .skip(self.config.job_update_history_per_job_threshold);
            keys.extend(surplus.map(|(_, key)| (*key).clone()));
        }
        if !keys.is_empty() {
            self.count("job_updates_pruned", keys.len() as u64);
            keys.sort();
            self.apply(Op::RemoveUpdates { keys });
        }
        self.prune_updates_later();
    }
}

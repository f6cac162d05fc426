//! Watching restarted instances: pure, one look at a time (aurora: `api/instance_watcher.py`, `api/health_check.py`,
//! `api/updater_util.py`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurora_api::model::ScheduledTask;

/// What is known of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Running since it was first looked at, as this task.
    Running { since: Duration, task_id: String },
    /// Done.
    Finished { healthy: bool },
}

/// Watches one batch of instances. Time is measured from any fixed moment.
#[derive(Debug)]
pub(crate) struct Watcher {
    instances: BTreeSet<i32>,
    watch: Duration,
    seen: BTreeMap<i32, Seen>,
}

impl Watcher {
    pub(crate) fn new(instances: impl IntoIterator<Item = i32>, watch: Duration) -> Watcher {
        Watcher {
            instances: instances.into_iter().collect(),
            watch,
            seen: BTreeMap::new(),
        }
    }

    /// Takes in the tasks that are RUNNING now. The failed instances, once every instance is finished.
    pub(crate) fn look(&mut self, now: Duration, running: &[ScheduledTask]) -> Option<Vec<i32>> {
        let tasks: BTreeMap<i32, &str> = running
            .iter()
            .map(|task| {
                let task = &task.assigned_task;
                (task.instance_id, task.task_id.as_str())
            })
            .collect();
        for instance in &self.instances {
            // An instance that does not run is waited for, however long it takes.
            let Some(task_id) = tasks.get(instance) else {
                continue;
            };
            let seen = self.seen.entry(*instance).or_insert_with(|| {
                tracing::info!("Detected RUNNING instance {instance}");
                Seen::Running {
                    since: now,
                    task_id: (*task_id).to_owned(),
                }
            });
            if let Seen::Running {
                since,
                task_id: first,
            } = seen
            {
                if first != task_id {
                    tracing::info!("Instance {instance} is unhealthy");
                    *seen = Seen::Finished { healthy: false };
                } else if now > *since + self.watch {
                    tracing::info!(
                        "Instance {instance} has been up and healthy for at least {} seconds",
                        self.watch.as_secs()
                    );
                    *seen = Seen::Finished { healthy: true };
                }
            }
        }
        let finished = |instance| matches!(self.seen.get(instance), Some(Seen::Finished { .. }));
        if !self.instances.iter().all(finished) {
            return None;
        }
        let failed = self.seen.iter().filter_map(|(instance, seen)| {
            (*seen == Seen::Finished { healthy: false }).then_some(*instance)
        });
        Some(failed.collect())
    }
}

/// Counts failures against the two limits.
#[derive(Debug)]
pub(crate) struct Threshold {
    per_instance: i64,
    total: i64,
    failures: BTreeMap<i32, i64>,
}

impl Threshold {
    pub(crate) fn new(per_instance: i64, total: i64) -> Threshold {
        Threshold {
            per_instance,
            total,
            failures: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, failed: &[i32]) {
        for instance in failed {
            *self.failures.entry(*instance).or_insert(0) += 1;
        }
    }

    /// Whether too many instances failed too often.
    pub(crate) fn is_reached(&self) -> bool {
        self.failed().count() as i64 > self.total
    }

    /// Logs which instances failed how often.
    pub(crate) fn log(&self) {
        let Threshold {
            per_instance,
            total,
            ..
        } = self;
        let count = self.failed().count();
        tracing::error!("{count} failed instances observed, maximum allowed is {total}");
        for (instance, count) in self.failed() {
            tracing::error!(
                "{count} instance failures for instance {instance}, maximum allowed is {per_instance}"
            );
        }
    }

    /// The instances that failed too often, with how often.
    fn failed(&self) -> impl Iterator<Item = (&i32, &i64)> {
        let failures = self.failures.iter();
        failures.filter(|(_, count)| **count > self.per_instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(tasks: &[(i32, &str)]) -> Vec<ScheduledTask> {
        tasks
            .iter()
            .map(|(instance, id)| {
                let mut task = ScheduledTask::default();
                task.assigned_task.instance_id = *instance;
                task.assigned_task.task_id = (*id).to_owned();
                task
            })
            .collect()
    }

    #[test]
    fn healthy_after_more_than_the_watch_time() {
        let mut watcher = Watcher::new([0, 1], Duration::from_secs(30));
        let at = Duration::from_secs;
        assert_eq!(watcher.look(at(0), &running(&[(0, "a")])), None);
        assert_eq!(watcher.look(at(30), &running(&[(0, "a"), (1, "b")])), None);
        // 0 is done at 31; what becomes of it afterwards does not matter.
        assert_eq!(watcher.look(at(31), &running(&[(0, "a"), (1, "b")])), None);
        assert_eq!(watcher.look(at(60), &running(&[(0, "z"), (1, "b")])), None);
        assert_eq!(watcher.look(at(61), &running(&[(1, "b")])), Some(vec![]));
    }

    #[test]
    fn another_task_id_is_a_failure_and_absence_is_not() {
        let mut watcher = Watcher::new([0], Duration::from_secs(1));
        let at = Duration::from_secs;
        assert_eq!(watcher.look(at(0), &running(&[])), None);
        assert_eq!(watcher.look(at(100), &running(&[(0, "a")])), None);
        assert_eq!(watcher.look(at(101), &running(&[])), None);
        assert_eq!(watcher.look(at(200), &running(&[(0, "b")])), Some(vec![0]));
    }

    #[test]
    fn thresholds() {
        let mut threshold = Threshold::new(1, 0);
        threshold.add(&[3]);
        assert!(!threshold.is_reached());
        threshold.add(&[3]);
        assert!(threshold.is_reached());
        let mut tolerant = Threshold::new(0, 1);
        tolerant.add(&[1]);
        assert!(!tolerant.is_reached());
        tolerant.add(&[2]);
        assert!(tolerant.is_reached());
    }
}

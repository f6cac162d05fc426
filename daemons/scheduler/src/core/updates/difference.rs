//! What an update would change (aurora: `JobDiff.java`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aurora_api::instances::ranges;
use aurora_api::model::{
    InstanceTaskConfig, JobKey, JobUpdateInstructions, JobUpdateSettings, Range, TaskConfig,
};

use crate::core::store::{ConfigId, StoredConfig, View};

/// A job's active tasks and what they are to be.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Instances that are there and go, or change.
    pub(crate) replaced: BTreeMap<i32, Arc<StoredConfig>>,
    /// Instances that come, or change.
    pub(crate) replacements: BTreeSet<i32>,
    /// Every other active instance.
    pub(crate) unchanged: BTreeMap<i32, Arc<StoredConfig>>,
    /// Instances that were named and are neither there now nor then.
    pub(crate) irrelevant: BTreeSet<i32>,
}

impl Difference {
    /// To `count` instances of `desired`; only those in `scope`, when it names any.
    pub(crate) fn new(
        view: &View,
        desired: &TaskConfig,
        count: i32,
        scope: &BTreeSet<Range>,
    ) -> Difference {
        let in_scope = |instance: i32| {
            scope.is_empty()
                || scope
                    .iter()
                    .any(|range| (range.first..=range.last).contains(&instance))
        };
        // Many instances, few configurations.
        let mut equal: BTreeMap<ConfigId, bool> = BTreeMap::new();
        let (mut replaced, mut unchanged) = (BTreeMap::new(), BTreeMap::new());
        let mut same = BTreeSet::new();
        for (instance, config) in current(view, &desired.job) {
            let is_equal = *equal
                .entry(config.id)
                .or_insert_with(|| *config.task == *desired);
            let is_same = is_equal && (0..count).contains(&instance);
            if is_same {
                same.insert(instance);
            }
            if is_same || !in_scope(instance) {
                unchanged.insert(instance, config);
            } else {
                replaced.insert(instance, config);
            }
        }
        let replacements = (0..count)
            .filter(|instance| !same.contains(instance) && in_scope(*instance))
            .collect();
        let is_relevant = |instance: &i32| {
            (0..count).contains(instance)
                || replaced.contains_key(instance)
                || unchanged.contains_key(instance)
        };
        let irrelevant = scope
            .iter()
            // A range may be as wide as numbers go; one that is names something irrelevant soon.
            .flat_map(|range| (range.first..=range.last).take(100_000))
            .filter(|instance| !is_relevant(instance))
            .take(10)
            .collect();
        Difference {
            replaced,
            replacements,
            unchanged,
            irrelevant,
        }
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.replacements.is_empty()
    }

    /// How an update gets there.
    pub(crate) fn instructions(
        &self,
        desired: TaskConfig,
        settings: JobUpdateSettings,
    ) -> JobUpdateInstructions {
        let mut before: BTreeMap<ConfigId, (&Arc<StoredConfig>, Vec<i32>)> = BTreeMap::new();
        for (instance, config) in &self.replaced {
            let group = before
                .entry(config.id)
                .or_insert_with(|| (config, Vec::new()));
            group.1.push(*instance);
        }
        let initial_state = before
            .into_values()
            .map(|(config, instances)| InstanceTaskConfig {
                task: (*config.task).clone(),
                instances: ranges(instances).into_iter().collect(),
            });
        let desired_state = (!self.replacements.is_empty()).then(|| InstanceTaskConfig {
            task: desired,
            instances: ranges(self.replacements.iter().copied())
                .into_iter()
                .collect(),
        });
        JobUpdateInstructions {
            initial_state: initial_state.collect(),
            desired_state,
            settings,
        }
    }
}

fn current<'a>(
    view: &'a View,
    job: &JobKey,
) -> impl Iterator<Item = (i32, Arc<StoredConfig>)> + 'a {
    let job = view.job(job);
    let tasks = job.into_iter().flat_map(|job| view.active_tasks(job));
    tasks.map(|task| (task.instance, Arc::clone(&task.config)))
}

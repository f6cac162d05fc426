//! Finding the stored configuration that equals another one.
//!
//! A configuration is hashed once, when it is looked for: its hash is the key, so growing the table hashes numbers. What is
//! in a configuration its author chooses, so the hash is the standard one with a key of its own in every process.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use aurora_api::model::TaskConfig;

use super::{ConfigId, FastMap, StoredConfig};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfigIndex {
    hasher: RandomState,
    by_hash: FastMap<u64, Vec<ConfigId>>,
}

impl ConfigIndex {
    /// The id of an equal configuration; `stored` gives what is stored under an id.
    pub(super) fn find<'a>(
        &self,
        config: &TaskConfig,
        stored: impl Fn(&ConfigId) -> Option<&'a Arc<StoredConfig>>,
    ) -> Option<ConfigId> {
        let ids = self.by_hash.get(&self.hasher.hash_one(config))?;
        let is_equal = |id: &&ConfigId| stored(id).is_some_and(|other| *other.task == *config);
        ids.iter().find(is_equal).copied()
    }

    pub(super) fn insert(&mut self, config: &TaskConfig, id: ConfigId) {
        let ids = self
            .by_hash
            .entry(self.hasher.hash_one(config))
            .or_default();
        // Room for four is what a vector begins with; two have one hash never.
        ids.reserve_exact(1);
        ids.push(id);
    }

    pub(super) fn remove(&mut self, config: &TaskConfig, id: ConfigId) {
        let hash = self.hasher.hash_one(config);
        if let Some(ids) = self.by_hash.get_mut(&hash) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_hash.remove(&hash);
            }
        }
    }
}

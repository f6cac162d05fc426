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
    /// The hash of a configuration. To make it costs more than all else that is done here.
    pub(super) fn hash(&self, config: &TaskConfig) -> u64 {
        self.hasher.hash_one(config)
    }

    /// The id of an equal configuration of this hash; `stored` gives what is stored under an id.
    pub(super) fn find<'a>(
        &self,
        hash: u64,
        config: &TaskConfig,
        stored: impl Fn(&ConfigId) -> Option<&'a Arc<StoredConfig>>,
    ) -> Option<ConfigId> {
        let ids = self.by_hash.get(&hash)?;
        let is_equal = |id: &&ConfigId| stored(id).is_some_and(|other| *other.task == *config);
        ids.iter().find(is_equal).copied()
    }

    pub(super) fn insert(&mut self, hash: u64, id: ConfigId) {
        let ids = self.by_hash.entry(hash).or_default();
        // Room for four is what a vector begins with; two have one hash never.
        ids.reserve_exact(1);
        ids.push(id);
    }

    pub(super) fn remove(&mut self, hash: u64, id: ConfigId) {
        if let Some(ids) = self.by_hash.get_mut(&hash) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_hash.remove(&hash);
            }
        }
    }
}

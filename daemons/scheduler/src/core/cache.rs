//! Pairs that are forgotten after a while (aurora: `BiCache.java`).
//!
//! Each key has one value, and the keys of a value are found too. In memory alone: a successor starts without any.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Millis;

/// Upstream counts the lives of pairs in whole minutes and drops the rest.
const MINUTE: Millis = 60_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    keep: Millis,
    pairs: BTreeMap<K, Pair<V>>,
    keys: BTreeMap<V, BTreeSet<K>>,
    by_end: BTreeSet<(Millis, K)>,
    removed: Removed,
}

#[derive(Debug)]
struct Pair<V> {
    value: V,
    end: Millis,
}

/// How many pairs went, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// For whatever reason.
    pub(crate) all: u64,
    /// Because their time was over.
    pub(crate) expired: u64,
    /// Because somebody took them out.
    pub(crate) explicit: u64,
}

impl<K: Ord + Clone, V: Ord + Clone> Cache<K, V> {
    /// Keeps pairs for a span, rounded down to whole minutes.
    pub(crate) fn new(keep: Millis) -> Cache<K, V> {
        Cache {
            keep: keep / MINUTE * MINUTE,
            pairs: BTreeMap::new(),
            keys: BTreeMap::new(),
            by_end: BTreeSet::new(),
            removed: Removed::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn removed(&self) -> Removed {
        self.removed
    }

    /// Puts a pair in; its time begins anew when it was there.
    pub(crate) fn put(&mut self, now: Millis, key: K, value: V) {
        self.take(&key);
        let end = now.saturating_add(self.keep);
        self.by_end.insert((end, key.clone()));
        let keys = self.keys.entry(value.clone()).or_default();
        keys.insert(key.clone());
        self.pairs.insert(key, Pair { value, end });
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.pairs.get(key).map(|pair| &pair.value)
    }

    pub(crate) fn has_value(&self, value: &V) -> bool {
        self.keys.contains_key(value)
    }

    /// The keys of a value, in order.
    pub(crate) fn keys_of(&self, value: &V) -> impl Iterator<Item = &K> {
        self.keys.get(value).into_iter().flatten()
    }

    /// Takes a pair out, if the key has that value.
    pub(crate) fn remove(&mut self, key: &K, value: &V) {
        if self.get(key) == Some(value) {
            self.take(key);
            self.removed.explicit += 1;
        }
    }

    /// Forgets the pairs whose time is over.
    pub(crate) fn expire(&mut self, now: Millis) {
        while let Some((end, _)) = self.by_end.first()
            && *end <= now
            && let Some((_, key)) = self.by_end.pop_first()
        {
            self.take(&key);
            self.removed.expired += 1;
        }
    }

    fn take(&mut self, key: &K) {
        let Some(pair) = self.pairs.remove(key) else {
            return;
        };
        self.removed.all += 1;
        self.by_end.remove(&(pair.end, key.clone()));
        if let Some(keys) = self.keys.get_mut(&pair.value) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys.remove(&pair.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_both_ways_and_forgotten() {
        let mut cache = Cache::new(2 * MINUTE + 59_999);
        cache.put(0, "a", 1);
        cache.put(1_000, "b", 1);
        cache.put(2_000, "c", 2);
        assert_eq!(cache.keys_of(&1).collect::<Vec<_>>(), [&"a", &"b"]);
        // Another value takes the place of the first, and a new time begins.
        cache.put(60_000, "b", 2);
        assert_eq!((cache.get(&"b"), cache.len()), (Some(&2), 3));
        // Not the pair that is there.
        cache.remove(&"a", &2);
        cache.remove(&"c", &2);
        assert_eq!((cache.get(&"a"), cache.get(&"c")), (Some(&1), None));
        cache.expire(119_999);
        assert!(cache.has_value(&1));
        cache.expire(120_000);
        assert!(!cache.has_value(&1) && cache.has_value(&2));
        cache.expire(180_000);
        assert_eq!(cache.len(), 0);
        let removed = Removed {
            all: 4,
            expired: 2,
            explicit: 1,
        };
        assert_eq!(cache.removed(), removed);
    }
}

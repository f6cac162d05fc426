//! Where the record of each task is, by the task's UUID.
//!
//! An entry is 8 bytes: a part of the UUID, which is random and so its own hash, and a place in the task table. Who asks says
//! which record is meant, so nothing of the id is kept twice. Buckets hold [`LOAD`] entries on average and are split one at
//! a time (linear hashing): no insertion stalls for a rehash of everything, and a copy for readers shares all pages.

use uuid::Uuid;

use super::Slot;
use super::cow::{CowVec, bucket_at};

/// Entries per bucket, on average, at which another bucket is made.
const LOAD: usize = 8;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskIndex {
    buckets: CowVec<Vec<(u32, Slot)>>,
    len: usize,
}

/// 32 bits of a UUID in which both of its halves take part: neither alone differs for all tasks whose seeds have a half in
/// common. Version and variant are not among them.
fn hash_of(uuid: Uuid) -> u32 {
    let (high, low) = uuid.as_u64_pair();
    ((high >> 32) ^ low) as u32
}

impl TaskIndex {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The place of the task of this UUID that `is_meant`.
    pub(crate) fn find(&self, uuid: Uuid, is_meant: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = hash_of(uuid);
        let bucket = self
            .buckets
            .get(bucket_at(hash as usize, self.buckets.len())?)?;
        let fits = |entry: &&(u32, Slot)| entry.0 == hash && is_meant(entry.1);
        bucket.iter().find(fits).map(|(_, slot)| *slot)
    }

    /// Adds a task that is not there.
    pub(crate) fn insert(&mut self, uuid: Uuid, slot: Slot) {
        if self.len >= self.buckets.len() * LOAD {
            self.split();
        }
        let hash = hash_of(uuid);
        let at = bucket_at(hash as usize, self.buckets.len());
        if let Some(bucket) = at.and_then(|at| self.buckets.get_mut(at)) {
            bucket.push((hash, slot));
            self.len += 1;
        }
    }

    /// Takes out the entry of a task that is there.
    pub(crate) fn remove(&mut self, uuid: Uuid, slot: Slot) {
        let entry = (hash_of(uuid), slot);
        let at = bucket_at(entry.0 as usize, self.buckets.len());
        let Some(bucket) = at.and_then(|at| self.buckets.get_mut(at)) else {
            return;
        };
        if let Some(found) = bucket.iter().position(|other| *other == entry) {
            bucket.swap_remove(found);
            self.len -= 1;
        }
    }

    /// Adds a bucket and moves into it what belongs there.
    fn split(&mut self) {
        let count = self.buckets.len();
        self.buckets.push(Vec::new());
        let Some(source) = count.checked_ilog2().map(|bits| count - (1 << bits)) else {
            return;
        };
        let Some(entries) = self.buckets.get_mut(source) else {
            return;
        };
        let goes = |entry: &mut (u32, Slot)| bucket_at(entry.0 as usize, count + 1) != Some(source);
        let go: Vec<_> = entries.extract_if(.., goes).collect();
        if let Some(bucket) = self.buckets.get_mut(count) {
            *bucket = go;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::task_uuid;
    use super::*;

    #[test]
    fn every_task_is_found_until_it_is_taken_out() {
        let mut index = TaskIndex::default();
        assert_eq!(index.find(task_uuid(0, 1), |_| true), None);
        for n in 0..5_000 {
            index.insert(task_uuid(n, 1), n as Slot);
        }
        // Another task of the same UUID, which a caller tells apart.
        index.insert(task_uuid(7, 1), 9_999);
        let copy = index.clone();
        for n in (0..5_000).filter(|n| n % 3 == 0) {
            index.remove(task_uuid(n, 1), n as Slot);
        }
        for n in 0..5_000 {
            let slot = n as Slot;
            let found = |index: &TaskIndex| index.find(task_uuid(n, 1), |other| other == slot);
            assert_eq!(found(&index), (n % 3 != 0).then_some(slot), "{n}");
            assert_eq!(found(&copy), Some(slot));
        }
        assert_eq!(
            index.find(task_uuid(7, 1), |slot| slot > 5_000),
            Some(9_999)
        );
        assert_eq!((index.len(), copy.len()), (5_001 - 1_667, 5_001));
        for n in 0..5_000 {
            index.insert(task_uuid(0, n), 0);
        }
        let longest = index.buckets.iter().map(Vec::len).max();
        assert!(longest.unwrap_or(0) < 6 * LOAD, "{longest:?}");
    }
}

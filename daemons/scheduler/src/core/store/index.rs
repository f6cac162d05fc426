//! Where the records of tasks are, by something that the records themselves know: their UUIDs, their hosts.
//!
//! An entry is 8 bytes: a hash, and a place in the task table. Who asks says which record is meant, so no key is kept twice.
//! Buckets hold [`LOAD`] entries on average and are split one at a time (linear hashing): no insertion stalls for a rehash of
//! everything, and a copy for readers shares all pages. Entries of one hash stay in the order in which they came.

use std::hint::black_box;

use uuid::Uuid;

use super::Slot;
use super::cow::{CowVec, bucket_at, hash_of};

/// Entries per bucket, on average, at which another bucket is made.
const LOAD: usize = 8;

/// Entries by which a full bucket grows, and the part of it by which a large one does: doubling would leave a quarter of all
/// entries empty.
const STEP: usize = 4;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotIndex {
    buckets: CowVec<Vec<(u32, Slot)>>,
    len: usize,
}

/// 32 bits of a UUID, which is random and so its own hash, in which both of its halves take part: neither alone differs for
/// all tasks whose seeds have a half in common. Version and variant are not among them.
pub(super) fn hash_of_uuid(uuid: Uuid) -> u32 {
    let (high, low) = uuid.as_u64_pair();
    ((high >> 32) ^ low) as u32
}

/// The hash of a host's name.
pub(super) fn hash_of_host(name: &str) -> u32 {
    hash_of(name)
}

impl SlotIndex {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The places of a hash, in the order in which they came.
    pub(crate) fn slots(&self, hash: u32) -> impl DoubleEndedIterator<Item = Slot> {
        let fitting = self.bucket(hash).iter();
        let fitting = fitting.filter(move |entry| entry.0 == hash);
        fitting.map(|(_, slot)| *slot)
    }

    fn bucket(&self, hash: u32) -> &[(u32, Slot)] {
        let at = bucket_at(hash as usize, self.buckets.len());
        let bucket = at.and_then(|at| self.buckets.get(at));
        bucket.map_or(&[], |bucket| bucket)
    }

    /// Reads the buckets of hashes that will be asked for one by one. In a large index none is in the processor's cache;
    /// asked for together, the answers of the memory come together: all buckets' places first, then their entries.
    pub(crate) fn read_ahead(&self, hashes: impl Iterator<Item = u32>) {
        let hashes: Vec<u32> = hashes.collect();
        let buckets: Vec<&[(u32, Slot)]> = hashes.iter().map(|hash| self.bucket(*hash)).collect();
        for bucket in buckets {
            black_box((bucket.first().copied(), bucket.last().copied()));
        }
    }

    /// Adds a place that is not there.
    pub(crate) fn insert(&mut self, hash: u32, slot: Slot) {
        if self.len >= self.buckets.len() * LOAD {
            self.split();
        }
        let at = bucket_at(hash as usize, self.buckets.len());
        if let Some(bucket) = at.and_then(|at| self.buckets.get_mut(at)) {
            if bucket.len() == bucket.capacity() {
                bucket.reserve_exact(STEP.max(bucket.len() / STEP));
            }
            bucket.push((hash, slot));
            self.len += 1;
        }
    }

    /// Takes out a place that is there.
    pub(crate) fn remove(&mut self, hash: u32, slot: Slot) {
        let at = bucket_at(hash as usize, self.buckets.len());
        let Some(bucket) = at.and_then(|at| self.buckets.get_mut(at)) else {
            return;
        };
        if let Some(found) = bucket.iter().position(|other| *other == (hash, slot)) {
            bucket.remove(found);
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
        entries.shrink_to_fit();
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
        let hash = |n: i32| hash_of_uuid(task_uuid(n, 1));
        let mut index = SlotIndex::default();
        let found = |index: &SlotIndex, n: i32| {
            let mut slots = index.slots(hash(n));
            slots.find(|slot| *slot == n as Slot)
        };
        assert_eq!(found(&index, 0), None);
        for n in 0..5_000 {
            index.insert(hash(n), n as Slot);
        }
        let copy = index.clone();
        for n in (0..5_000).filter(|n| n % 3 == 0) {
            index.remove(hash(n), n as Slot);
        }
        for n in 0..5_000 {
            let slot = n as Slot;
            assert_eq!(found(&index, n), (n % 3 != 0).then_some(slot), "{n}");
            assert_eq!(found(&copy, n), Some(slot));
        }
        assert_eq!((index.len(), copy.len()), (5_000 - 1_667, 5_000));
        let longest = index.buckets.iter().map(Vec::len).max();
        assert!(longest.unwrap_or(0) < 6 * LOAD, "{longest:?}");
    }

    #[test]
    fn places_of_one_hash_keep_their_order_while_buckets_are_split() {
        let mut index = SlotIndex::default();
        let hosts = ["a", "b", "c"].map(hash_of_host);
        for slot in 0..300 {
            index.insert(hosts[slot as usize % 3], slot);
        }
        index.remove(hosts[1], 4);
        let of_b: Vec<Slot> = index.slots(hosts[1]).collect();
        let expected: Vec<Slot> = (0..300).filter(|n| n % 3 == 1 && *n != 4).collect();
        assert_eq!(of_b, expected);
    }
}

//! Containers whose copies are cheap: a copy shares all pages, and a page is copied when one of its owners writes.
//!
//! A view of the store is such a copy. Taking one costs one reference count; the first write after that costs one for every
//! 2,048 elements, and the first write to a page a copy of its 16 elements.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

const PAGE: usize = 16;
const CHUNK: usize = 128;

type Page<T> = Arc<[T; PAGE]>;

/// A vector of shared pages. Places of the last page that are not in use hold the type's default.
#[derive(Clone, Debug)]
pub(crate) struct CowVec<T> {
    chunks: Arc<Vec<Arc<Vec<Page<T>>>>>,
    len: usize,
}

impl<T> Default for CowVec<T> {
    fn default() -> Self {
        CowVec {
            chunks: Arc::default(),
            len: 0,
        }
    }
}

impl<T> CowVec<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        if at >= self.len {
            return None;
        }
        let page = self
            .chunks
            .get(at / (PAGE * CHUNK))?
            .get(at / PAGE % CHUNK)?;
        page.get(at % PAGE)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let pages = self.chunks.iter().flat_map(|chunk| chunk.iter());
        pages.flat_map(|page| page.iter()).take(self.len)
    }
}

impl<T: Clone + Default> CowVec<T> {
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        if at >= self.len {
            return None;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(chunks.get_mut(at / (PAGE * CHUNK))?);
        let page = Arc::make_mut(chunk.get_mut(at / PAGE % CHUNK)?);
        page.get_mut(at % PAGE)
    }

    pub(crate) fn push(&mut self, value: T) {
        let at = self.len;
        if at.is_multiple_of(PAGE) {
            let chunks = Arc::make_mut(&mut self.chunks);
            if at.is_multiple_of(PAGE * CHUNK) {
                chunks.push(Arc::default());
            }
            if let Some(chunk) = chunks.last_mut() {
                Arc::make_mut(chunk).push(Arc::new(std::array::from_fn(|_| T::default())));
            }
        }
        self.len += 1;
        if let Some(place) = self.get_mut(at) {
            *place = value;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let at = self.len.checked_sub(1)?;
        let value = self.get_mut(at).map(std::mem::take);
        self.len = at;
        if at.is_multiple_of(PAGE) {
            let chunks = Arc::make_mut(&mut self.chunks);
            if let Some(chunk) = chunks.last_mut() {
                Arc::make_mut(chunk).pop();
            }
            if at.is_multiple_of(PAGE * CHUNK) {
                chunks.pop();
            }
        }
        value
    }

    /// Takes an element out; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, at: usize) -> Option<T> {
        if at >= self.len {
            return None;
        }
        let last = self.pop()?;
        match self.get_mut(at) {
            Some(place) => Some(std::mem::replace(place, last)),
            None => Some(last),
        }
    }
}

/// Entries per bucket, on average, at which a [`CowMap`] grows.
const LOAD: usize = 2;

/// A hash map in memory alone, for keys that Mesos or the log's authors choose.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// A short hash for short keys: a multiplication for eight bytes, and a last round that spreads what they made. It is the
/// same in every process, and nobody but the log's authors chooses what goes through it in what order.
#[derive(Default)]
pub(crate) struct Mixer(u64);

/// Odd, and as many ones as zeros without a pattern: the fraction of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            self.write_u64(u64::from_le_bytes(eight));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let mut eight = [0; 8];
            eight[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(eight));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(GOLDEN);
    }

    fn finish(&self) -> u64 {
        let spread = (self.0 ^ (self.0 >> 32)).wrapping_mul(GOLDEN);
        spread ^ (spread >> 29)
    }
}

/// A hash map over [`CowVec`]. It grows by one bucket at a time (linear hashing), so no insertion stalls for a rehash of
/// everything. The hash has no random key: equal histories give equal maps.
///
/// An entry knows its key's hash: keys are mostly texts elsewhere in memory, and those of other entries need not be read.
#[derive(Clone, Debug)]
pub(crate) struct CowMap<K, V> {
    buckets: CowVec<Vec<Entry<K, V>>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Entry<K, V> {
    hash: u32,
    key: K,
    value: V,
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        CowMap {
            buckets: CowVec::default(),
            len: 0,
        }
    }
}

/// Which of so many buckets a hash belongs to when buckets are split one at a time (linear hashing); `None` without any.
pub(super) fn bucket_at(hash: usize, buckets: usize) -> Option<usize> {
    let low = 1 << buckets.checked_ilog2()?;
    let at = hash & (2 * low - 1);
    Some(if at < buckets { at } else { hash & (low - 1) })
}

/// As many bits as ever tell buckets apart.
pub(super) fn hash_of<Q: Hash + ?Sized>(key: &Q) -> u32 {
    let mut hasher = Mixer::default();
    key.hash(&mut hasher);
    hasher.finish() as u32
}

impl<K, V> CowMap<K, V> {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    /// All entries, in an order that has no meaning but is the same for equal histories.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.buckets.iter().flat_map(|bucket| bucket.iter());
        entries.map(|entry| (&entry.key, &entry.value))
    }

    fn bucket_of(&self, hash: u32) -> usize {
        bucket_at(hash as usize, self.buckets.len()).unwrap_or(0)
    }
}

impl<K: Hash + Eq, V> CowMap<K, V> {
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (at, found) = self.find(key)?;
        Some(&self.buckets.get(at)?.get(found)?.value)
    }

    /// A key's bucket and its place there. To look before a page is opened for writing keeps a miss from copying it.
    fn find<Q>(&self, key: &Q) -> Option<(usize, usize)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.len == 0 {
            return None;
        }
        let hash = hash_of(key);
        let at = self.bucket_of(hash);
        let is_meant = |entry: &Entry<K, V>| entry.hash == hash && entry.key.borrow() == key;
        Some((at, self.buckets.get(at)?.iter().position(is_meant)?))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> CowMap<K, V> {
    pub(crate) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (at, found) = self.find(key)?;
        let entry = self.buckets.get_mut(at)?.get_mut(found)?;
        Some(&mut entry.value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(place) = self.get_mut(&key) {
            return Some(std::mem::replace(place, value));
        }
        self.insert_new(key, value);
        None
    }

    /// Inserts what is not there yet; whether it was not.
    pub(crate) fn insert_new(&mut self, key: K, value: V) -> bool {
        if self.len >= self.buckets.len() * LOAD {
            self.split();
        }
        let hash = hash_of(&key);
        let at = self.bucket_of(hash);
        let is_same = |entry: &Entry<K, V>| entry.hash == hash && entry.key == key;
        let is_there = |bucket: &Vec<Entry<K, V>>| bucket.iter().any(is_same);
        if self.buckets.get(at).is_none_or(is_there) {
            return false;
        }
        if let Some(bucket) = self.buckets.get_mut(at) {
            // Most buckets hold about as many as the load says, and room for four is what a vector begins with.
            if bucket.is_empty() {
                bucket.reserve_exact(LOAD);
            }
            bucket.push(Entry { hash, key, value });
            self.len += 1;
        }
        true
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (at, found) = self.find(key)?;
        let bucket = self.buckets.get_mut(at)?;
        self.len -= 1;
        Some(bucket.remove(found).value)
    }

    /// Adds a bucket and moves into it what belongs there.
    fn split(&mut self) {
        let count = self.buckets.len();
        self.buckets.push(Vec::new());
        if count == 0 {
            return;
        }
        let source = count - (1 << count.ilog2());
        let Some(entries) = self.buckets.get_mut(source) else {
            return;
        };
        let goes =
            |entry: &mut Entry<K, V>| bucket_at(entry.hash as usize, count + 1) != Some(source);
        let go: Vec<_> = entries.extract_if(.., goes).collect();
        if let Some(bucket) = self.buckets.get_mut(count) {
            *bucket = go;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_copy_does_not_see_later_writes() {
        let mut numbers = CowVec::default();
        for n in 0..5000 {
            numbers.push(n);
        }
        let copy = numbers.clone();
        *numbers.get_mut(0).unwrap() = 77;
        assert_eq!(numbers.swap_remove(1), Some(1));
        assert_eq!(
            (numbers.len(), numbers.get(0), numbers.get(1)),
            (4999, Some(&77), Some(&4999))
        );
        assert_eq!(copy.len(), 5000);
        assert!(copy.iter().copied().eq(0..5000));
        assert_eq!(copy.get(5000), None);
    }

    #[test]
    fn a_vector_empties_and_fills_again() {
        let mut numbers = CowVec::default();
        for round in 0..3 {
            for n in 0..(PAGE * CHUNK + 1) {
                numbers.push(n + round);
            }
            for n in (0..(PAGE * CHUNK + 1)).rev() {
                assert_eq!(numbers.pop(), Some(n + round));
            }
            assert_eq!((numbers.len(), numbers.pop()), (0, None));
        }
    }

    proptest! {
        #[test]
        fn a_map_behaves_like_the_standard_one(steps in proptest::collection::vec((0u8..3, 0u16..300, 0u32..9), 0..600)) {
            let (mut ours, mut theirs) = (CowMap::default(), HashMap::new());
            let mut copies = Vec::new();
            for (what, key, value) in steps {
                match what {
                    0 | 1 => prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
                    _ => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                }
                if key == 7 {
                    copies.push((ours.clone(), theirs.clone()));
                }
            }
            copies.push((ours, theirs));
            for (ours, theirs) in copies {
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert_eq!(ours.iter().map(|(k, v)| (*k, *v)).collect::<HashMap<_, _>>(), theirs.clone());
                for (key, value) in &theirs {
                    prop_assert_eq!(ours.get(key), Some(value));
                }
            }
        }
    }
}

//! The tasks by their places.
//!
//! Which places are taken is a column of bits of its own, so that whoever goes through all tasks reads of the records only
//! what it asks them for: a million of them lie in 100 MB, their bits in 125 kB.

use std::sync::{Arc, LazyLock};

use uuid::Uuid;

use super::cow::CowVec;
use super::events::Events;
use super::{ConfigId, Slot, StoredConfig, Task};
use aurora_api::model::ScheduleStatus;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    places: CowVec<Task>,
    /// Bit n of word w stands for place 64 w + n.
    taken: CowVec<u64>,
}

/// What is in a place that no task has: no task is without events.
impl Default for Task {
    fn default() -> Task {
        static NOTHING: LazyLock<Arc<StoredConfig>> =
            LazyLock::new(|| Arc::new(StoredConfig::new(ConfigId::default(), Arc::default())));
        Task {
            uuid: Uuid::nil(),
            config: Arc::clone(&NOTHING),
            place: None,
            events: Events::none(),
            ports: Box::default(),
            past: None,
            instance: 0,
            status: ScheduleStatus::Init,
        }
    }
}

fn is_task(task: &Task) -> bool {
    !task.events.is_empty()
}

impl Table {
    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Task> {
        self.places.get(slot as usize).filter(|task| is_task(task))
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Task> {
        let place = self.places.get_mut(slot as usize);
        place.filter(|task| is_task(task))
    }

    /// Puts a task into a place that is free, or into the next that there will be.
    pub(super) fn put(&mut self, slot: Slot, task: Task) {
        match self.places.get_mut(slot as usize) {
            Some(place) => *place = task,
            None => self.places.push(task),
        }
        if self.taken.len() * 64 < self.places.len() {
            self.taken.push(0);
        }
        if let Some(word) = self.taken.get_mut(slot as usize / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Takes the task out of a place.
    pub(super) fn take(&mut self, slot: Slot) -> Option<Task> {
        let task = std::mem::take(self.get_mut(slot)?);
        if let Some(word) = self.taken.get_mut(slot as usize / 64) {
            *word &= !(1 << (slot % 64));
        }
        Some(task)
    }

    /// The tasks in the order of memory, with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Task)> {
        let slots = self.taken.iter().enumerate().flat_map(|(at, word)| {
            let first = at as Slot * 64;
            Bits(*word).map(move |bit| first + bit)
        });
        slots.filter_map(|slot| Some((slot, self.places.get(slot as usize)?)))
    }
}

/// The numbers of a word's bits that are set.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (bit < u64::BITS).then_some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::events::Notes;
    use super::*;

    #[test]
    fn tasks_are_where_they_were_put_until_they_are_taken() {
        let note = Notes::default().note(ScheduleStatus::Pending, None, &"s".into());
        let task = |instance| Task {
            instance,
            events: Events::new(Event::new(1, Arc::clone(&note))),
            ..Task::default()
        };
        let mut table = Table::default();
        for slot in 0..200 {
            table.put(slot, task(slot as i32));
        }
        let copy = table.clone();
        for slot in (0..200).filter(|slot| slot % 3 > 0) {
            let taken = table.take(slot).map(|task| task.instance);
            assert_eq!(taken, Some(slot as i32));
            assert_eq!((table.take(slot), table.get(slot)), (None, None));
        }
        table.put(64, task(1_000));
        let found: Vec<(Slot, i32)> = table.iter().map(|(at, task)| (at, task.instance)).collect();
        let mut expected: Vec<(Slot, i32)> = (0..200).step_by(3).map(|n| (n, n as i32)).collect();
        let at = expected.partition_point(|(slot, _)| *slot < 64);
        expected.insert(at, (64, 1_000));
        assert_eq!(found, expected);
        assert_eq!((table.len(), copy.iter().count()), (200, 200));
        assert!(table.get(200).is_none() && table.get_mut(63).is_some());
    }
}

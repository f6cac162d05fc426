//! What happened to a task, in 16 bytes an event.
//!
//! Most events say the same: a state, no message, this scheduler. What an event says is a [`Note`], kept once for all events
//! that say it; the event itself is a time and a reference. [`Notes`] finds the note that is there already. It holds a note
//! for as long as an event does, and a little longer: notes that nobody else holds are swept out when their number may have
//! doubled, so an addition costs constant time on average and memory stays within twice what is in use.
//!
//! Events are read like a slice ([`Events`]). They are stored without room to spare, since a task has four in most lives.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use aurora_api::model::{ScheduleStatus, TaskEvent};

use super::record::STATUSES;
use crate::core::config::Millis;

/// One event of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Millis,
    note: Arc<Note>,
}

/// What an event says beside its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// The state entered.
    pub status: ScheduleStatus,
    /// Why.
    pub message: Option<Arc<str>>,
    /// Host name of the scheduler that saw it.
    pub scheduler: Arc<str>,
}

impl Event {
    pub(crate) fn new(time: Millis, note: Arc<Note>) -> Event {
        Event { time, note }
    }

    /// The event in the API's form.
    pub(super) fn to_thrift(&self) -> TaskEvent {
        TaskEvent {
            timestamp: self.time,
            status: self.status,
            message: self.message.as_ref().map(|text| text.to_string()),
            scheduler: Some(self.scheduler.to_string()).filter(|name| !name.is_empty()),
        }
    }
}

impl Deref for Event {
    type Target = Note;

    fn deref(&self) -> &Note {
        &self.note
    }
}

/// A task's events, oldest first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events(Box<[Event]>);

impl Events {
    pub(crate) fn new(first: Event) -> Events {
        Events(Box::new([first]))
    }

    /// Those of a place that no task has.
    pub(super) fn none() -> Events {
        Events(Box::default())
    }

    /// `None` without any event.
    pub(crate) fn of(events: Vec<Event>) -> Option<Events> {
        (!events.is_empty()).then(|| Events(events.into()))
    }

    pub(crate) fn push(&mut self, event: Event) {
        let mut events = std::mem::take(&mut self.0).into_vec();
        events.reserve_exact(1);
        events.push(event);
        self.0 = events.into();
    }

    /// Takes the last events away until `keep` are left; one is left in any case.
    pub(crate) fn truncate(&mut self, keep: usize) {
        let mut events = std::mem::take(&mut self.0).into_vec();
        events.truncate(keep.max(1));
        self.0 = events.into();
    }
}

impl Deref for Events {
    type Target = [Event];

    fn deref(&self) -> &[Event] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The notes in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    known: HashSet<Arc<Note>>,
    /// How many notes are known when unused ones are looked for.
    sweep_at: usize,
    /// The latest notes without a message, by state: what most events say.
    silent: [Option<Arc<Note>>; STATUSES],
}

/// Fewer notes than this are not worth a sweep.
const LEAST_SWEPT: usize = 64;

impl Notes {
    pub(crate) fn note(
        &mut self,
        status: ScheduleStatus,
        message: Option<Arc<str>>,
        scheduler: &Arc<str>,
    ) -> Arc<Note> {
        if message.is_some() {
            return self.find(status, message, scheduler);
        }
        let silent = self.silent[status as usize].as_ref();
        if let Some(known) = silent.filter(|note| Arc::ptr_eq(&note.scheduler, scheduler)) {
            return Arc::clone(known);
        }
        let note = self.find(status, None, scheduler);
        self.silent[status as usize] = Some(Arc::clone(&note));
        note
    }

    fn find(
        &mut self,
        status: ScheduleStatus,
        message: Option<Arc<str>>,
        scheduler: &Arc<str>,
    ) -> Arc<Note> {
        let note = Note {
            status,
            message,
            scheduler: Arc::clone(scheduler),
        };
        if let Some(known) = self.known.get(&note) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at.max(LEAST_SWEPT) {
            self.known.retain(|note| Arc::strong_count(note) > 1);
            self.sweep_at = 2 * self.known.len();
        }
        let note = Arc::new(note);
        self.known.insert(Arc::clone(&note));
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_notes_are_one_and_unused_ones_go() {
        let mut notes = Notes::default();
        let scheduler: Arc<str> = "s".into();
        let mut say = |message: Option<String>| {
            let message = message.map(Arc::from);
            notes.note(ScheduleStatus::Failed, message, &scheduler)
        };
        let (silent, words) = (say(None), say(Some("exit 1".to_owned())));
        assert!(Arc::ptr_eq(&silent, &say(None)));
        assert!(Arc::ptr_eq(&words, &say(Some("exit 1".to_owned()))));
        assert_ne!(silent, words);
        for n in 0..1_000 {
            say(Some(format!("exit {n}")));
        }
        assert!(Arc::ptr_eq(&words, &say(Some("exit 1".to_owned()))));
        assert!(notes.known.len() <= LEAST_SWEPT, "{}", notes.known.len());
    }

    #[test]
    fn events_are_small_and_keep_their_order() {
        assert_eq!(size_of::<Event>(), 16);
        let mut notes = Notes::default();
        let mut event = |time, status| Event::new(time, notes.note(status, None, &"s".into()));
        let mut events = Events::new(event(1, ScheduleStatus::Pending));
        events.push(event(2, ScheduleStatus::Assigned));
        events.push(event(3, ScheduleStatus::Running));
        let times: Vec<Millis> = events.iter().map(|event| event.time).collect();
        assert_eq!(times, [1, 2, 3]);
        events.truncate(0);
        assert_eq!((events.len(), events[0].time), (1, 1));
    }
}

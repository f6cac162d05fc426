//! The newest changes, for feeds to follow.
//!
//! The engine appends what each durable entry changed; a feed reads from where it stands. Only the keys of what changed are
//! kept: a record is made from the newest durable state when it is sent, so a feed that is slow gets fewer, newer records
//! and never holds up anybody.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aurora_api::feed::Seq;
use aurora_api::model::{JobKey, JobUpdateKey};
use aurora_daemon::lifecycle::Shutdown;
use tokio::sync::{mpsc, watch};

use super::topic::Wanted;
use crate::core::store::TaskId;
use crate::core::{AuditRecord, Change, Changes, View, Zone};
use crate::recovery::RECENT_CHANGES;

/// What a change is about.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// A task, changed or gone.
    Task {
        id: TaskId,
        job: Arc<JobKey>,
        host: TaskHost,
    },
    /// A host.
    Host(Arc<str>),
    /// A role's quota.
    Quota(String),
    /// A cron job.
    Cron(Arc<JobKey>),
    /// An update, changed or gone.
    Update(Arc<JobUpdateKey>),
    /// What was asked for a host that is to be drained.
    Maintenance(Arc<str>),
    /// What somebody changed. There is nothing newer to tell of it than this.
    Audit(Arc<AuditRecord>),
}

/// Kinds of changes, to say when something last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Host,
    Quota,
    Cron,
    Update,
    Maintenance,
    Audit,
}

impl Key {
    fn kind(&self) -> Kind {
        match self {
            Key::Task { .. } => Kind::Task,
            Key::Host(_) => Kind::Host,
            Key::Quota(_) => Kind::Quota,
            Key::Cron(_) => Kind::Cron,
            Key::Update(_) => Kind::Update,
            Key::Maintenance(_) => Kind::Maintenance,
            Key::Audit(_) => Kind::Audit,
        }
    }
}

/// Where a changed task is.
#[derive(Clone, Debug)]
pub(crate) enum TaskHost {
    /// On no host yet, or it ended without ever being on one.
    Nowhere,
    /// On this host, or it was there.
    On(Arc<str>),
    /// The task is gone, and where it was is not known any more.
    Unknown,
}

/// What one log entry changed.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The position of its last change.
    end: Seq,
    at: Instant,
    keys: Vec<(u32, Key)>,
}

struct State {
    entries: VecDeque<Arc<Entry>>,
    keys: usize,
    /// Everything after this position is in `entries`.
    after: Seq,
    view: View,
    newest: Seq,
    /// Where each kind of change last happened.
    changed: [Seq; Kind::Audit as usize + 1],
}

/// Changes of topics on their way to a running feed.
pub(crate) type TopicSender = mpsc::Sender<Wanted>;

/// A running feed.
struct Running {
    principal: String,
    topics: TopicSender,
}

/// See the module.
pub(crate) struct Hub {
    state: RwLock<State>,
    position: watch::Sender<Seq>,
    closed: Shutdown,
    feeds: Mutex<HashMap<String, Running>>,
    lines: AtomicU64,
    /// The zone that schedules go by.
    zone: Zone,
}

/// What happened after a position.
pub(crate) struct Since {
    /// Position and key, in order.
    pub(crate) keys: Vec<(Seq, Key)>,
    /// The state after all of them.
    pub(crate) view: View,
    /// The position of that state.
    pub(crate) newest: Seq,
}

/// Why a feed cannot go on from a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is older than what is kept.
    TooOld { after: Seq },
    /// It is ahead of this log.
    Ahead { newest: Seq },
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lost::TooOld { after } => {
                let first = after.index + 1;
                write!(f, "changes are remembered from log index {first} on")
            }
            Lost::Ahead { newest } => write!(f, "this log ends at {newest}"),
        }
    }
}

/// The position of a whole entry with this many changes.
fn end_of(index: u64, changes: usize) -> Seq {
    Seq {
        index,
        ordinal: u32::try_from(changes.saturating_sub(1)).unwrap_or(u32::MAX),
    }
}

fn keys(changes: &Changes, before: Option<&View>, after: &View) -> Vec<(u32, Key)> {
    let host_of = |id: &TaskId| {
        let task = after
            .task(id)
            .or_else(|| before.and_then(|view| view.task(id)));
        match task {
            None => TaskHost::Unknown,
            Some(task) => match task.place() {
                None => TaskHost::Nowhere,
                Some(place) => TaskHost::On(place.host.clone()),
            },
        }
    };
    let mut keys = Vec::with_capacity(changes.len());
    for (ordinal, change) in changes.iter().enumerate() {
        let key = match change {
            Change::Task { id, job } | Change::TaskRemoved { id, job } => Key::Task {
                id: id.clone(),
                job: job.clone(),
                host: host_of(id),
            },
            Change::Host(host) => Key::Host(host.clone()),
            Change::Quota(role) => Key::Quota(role.clone()),
            Change::Cron(job) => Key::Cron(job.clone()),
            Change::Update(key) | Change::UpdateRemoved(key) => Key::Update(key.clone()),
            Change::Maintenance(host) => Key::Maintenance(host.clone()),
            Change::Audit(record) => Key::Audit(record.clone()),
            Change::FrameworkId => continue,
        };
        keys.push((u32::try_from(ordinal).unwrap_or(u32::MAX), key));
    }
    keys
}

impl Hub {
    /// A hub for a state that was recovered; `recent` is what the entries after the one at `recent_after` changed.
    pub(crate) fn new(view: View, recent: &[(u64, Changes)], recent_after: u64) -> Hub {
        let now = Instant::now();
        let entries: VecDeque<Arc<Entry>> = recent
            .iter()
            .map(|(index, changes)| {
                Arc::new(Entry {
                    end: end_of(*index, changes.len()),
                    at: now,
                    keys: keys(changes, None, &view),
                })
            })
            .collect();
        // How many changes that entry made is not known any more: whoever stands in the middle of it cannot go on.
        let after = match recent_after {
            0 => Seq::default(),
            index => Seq {
                index,
                ordinal: u32::MAX,
            },
        };
        let newest = entries.back().map_or(after, |entry| entry.end);
        Hub {
            state: RwLock::new(State {
                keys: entries.iter().map(|entry| entry.keys.len()).sum(),
                entries,
                after,
                view,
                newest,
                changed: [newest; Kind::Audit as usize + 1],
            }),
            position: watch::Sender::new(newest),
            closed: Shutdown::new(),
            feeds: Mutex::default(),
            lines: AtomicU64::new(0),
            zone: Zone::default(),
        }
    }

    /// With the zone that cron schedules go by.
    pub(crate) fn in_zone(self, zone: Zone) -> Hub {
        Hub { zone, ..self }
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Appends what a durable entry changed.
    pub(crate) fn publish(&self, index: u64, changes: &Changes, before: &View, after: &View) {
        let keys = keys(changes, Some(before), after);
        let newest = end_of(index, changes.len());
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for (_, key) in &keys {
            state.changed[key.kind() as usize] = newest;
        }
        state.keys += keys.len();
        state.entries.push_back(Arc::new(Entry {
            end: newest,
            at: Instant::now(),
            keys,
        }));
        while state.keys > RECENT_CHANGES && state.entries.len() > 1 {
            if let Some(old) = state.entries.pop_front() {
                state.keys -= old.keys.len();
                state.after = old.end;
            }
        }
        let old = std::mem::replace(&mut state.view, after.clone());
        state.newest = newest;
        drop(state);
        drop(old);
        self.position.send_replace(newest);
    }

    /// Ends all feeds.
    pub(crate) fn close(&self) {
        self.closed.trigger();
    }

    /// Returns when feeds have to end.
    pub(crate) async fn closed(&self) {
        self.closed.wait().await;
    }

    /// Follows the newest position.
    pub(crate) fn position(&self) -> watch::Receiver<Seq> {
        self.position.subscribe()
    }

    /// The newest state and its position.
    pub(crate) fn newest(&self) -> (View, Seq) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.view.clone(), state.newest)
    }

    /// Where one of these kinds of changes last happened.
    pub(crate) fn last_change(&self, kinds: &[Kind]) -> Seq {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let changed = kinds.iter().map(|kind| state.changed[*kind as usize]);
        changed.max().unwrap_or_default()
    }

    /// What changed after `from`.
    ///
    /// # Errors
    /// [`Lost`].
    pub(crate) fn since(&self, from: Seq) -> Result<Since, Lost> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if from.index > state.newest.index {
            return Err(Lost::Ahead {
                newest: state.newest,
            });
        }
        if from < state.after {
            return Err(Lost::TooOld { after: state.after });
        }
        let start = state
            .entries
            .partition_point(|entry| entry.end.index < from.index);
        let entries: Vec<Arc<Entry>> = state.entries.iter().skip(start).cloned().collect();
        let (view, newest) = (state.view.clone(), state.newest);
        drop(state);
        let mut keys = Vec::new();
        for entry in entries {
            for (ordinal, key) in &entry.keys {
                let seq = Seq {
                    index: entry.end.index,
                    ordinal: *ordinal,
                };
                if seq > from {
                    keys.push((seq, key.clone()));
                }
            }
        }
        Ok(Since { keys, view, newest })
    }

    /// What changed at `from` or shortly before it. Summaries are sent later than the changes they tell of; a feed that goes on
    /// from a position may have missed those.
    pub(crate) fn shortly_before(&self, from: Seq, span: Duration) -> Vec<(Seq, Key)> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let end = state
            .entries
            .partition_point(|entry| entry.end.index <= from.index);
        let Some(last) = end
            .checked_sub(1)
            .and_then(|place| state.entries.get(place))
        else {
            return Vec::new();
        };
        let mut keys = Vec::new();
        for entry in state.entries.iter().take(end).rev() {
            if last.at.duration_since(entry.at) > span {
                break;
            }
            for (ordinal, key) in &entry.keys {
                let seq = Seq {
                    index: entry.end.index,
                    ordinal: *ordinal,
                };
                if seq <= from {
                    keys.push((seq, key.clone()));
                }
            }
        }
        keys
    }

    /// Registers a running feed.
    ///
    /// # Errors
    /// [`Crowded`].
    pub(crate) fn register(
        &self,
        id: &str,
        principal: &str,
        topics: TopicSender,
    ) -> Result<(), Crowded> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if feeds.len() >= MAX_FEEDS {
            return Err(Crowded::All);
        }
        let own = feeds.values().filter(|feed| feed.principal == principal);
        if own.count() >= MAX_FEEDS_EACH {
            return Err(Crowded::Own);
        }
        let principal = principal.to_owned();
        feeds.insert(id.to_owned(), Running { principal, topics });
        Ok(())
    }

    /// Forgets a feed.
    pub(crate) fn unregister(&self, id: &str) {
        self.feeds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }

    /// Where the topics of a running feed are changed.
    pub(crate) fn feed(&self, id: &str) -> Option<TopicSender> {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.get(id).map(|feed| feed.topics.clone())
    }

    /// How many feeds run.
    pub(crate) fn feeds(&self) -> usize {
        self.feeds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Counts a line of a feed.
    pub(crate) fn count_line(&self) {
        self.lines.fetch_add(1, Ordering::Relaxed);
    }

    /// How many lines all feeds have made.
    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }
}

/// Why a feed is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Crowded {
    #[error("{MAX_FEEDS} feeds are open, which is the most")]
    All,
    #[error("you have {MAX_FEEDS_EACH} feeds open, which is the most")]
    Own,
}

/// The most feeds at a time.
pub(crate) const MAX_FEEDS: usize = 512;
/// The most feeds of one principal at a time.
pub(crate) const MAX_FEEDS_EACH: usize = 64;

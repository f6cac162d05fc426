//! The core under a lock, its clock, its streams, and the execution of its effects.
//!
//! Everything that happens goes through [`Shell::with`]: it calls the core, and before the lock is
//! released the effects are carried out in the order in which the core gave them. So the events to one
//! scheduler, agent or operator form one totally ordered stream, and what has to be durable is so before
//! anybody sees what rests on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aurora_daemon::lifecycle::Shutdown;
use aurora_mesos::message::{Format, Message};
use aurora_mesos::recordio;
use aurora_mesos::v1::{master, scheduler};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::core::{Effect, Master, StreamKey, Time};
use super::run::Timings;
use super::store::Store;

/// Events that may wait for one slow reader; one that falls further behind is disconnected. An implicit
/// reconciliation makes an event for each task at once.
const STREAM_CAPACITY: usize = 1 << 18;
/// Time between heartbeats to schedulers and operators.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Operators that may listen; the oldest is disconnected for a new one
/// (`mesos: max_operator_event_stream_subscribers`).
const MAX_OPERATORS: usize = 1000;

/// Who is at the other end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Scheduler,
    Agent,
    Operator,
}

/// The shell.
#[derive(Debug)]
pub(crate) struct Shell {
    inner: Mutex<Inner>,
    wake: Notify,
    shutdown: Shutdown,
    timings: Arc<Timings>,
}

#[derive(Debug)]
struct Inner {
    master: Master,
    clock: Clock,
    store: Store,
    streams: HashMap<StreamKey, Stream>,
    /// In order of arrival.
    operators: BTreeMap<StreamKey, ()>,
    next_key: StreamKey,
    /// The registry could not be written: nothing may go out any more.
    failed: bool,
    timings: Arc<Timings>,
}

#[derive(Debug)]
struct Stream {
    sender: mpsc::Sender<Bytes>,
    format: Format,
    /// Dropping it ends the stream's task.
    _alive: oneshot::Sender<()>,
}

/// Wall-clock time that never goes back.
#[derive(Debug)]
pub(crate) struct Clock {
    wall: i64,
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall: i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX),
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time(self.wall) + self.start.elapsed()
    }

    fn instant(&self, time: Time) -> Instant {
        let nanoseconds = u64::try_from(time.0.saturating_sub(self.wall)).unwrap_or(0);
        // A day is soon enough to look again.
        self.start
            + Duration::from_nanos(nanoseconds)
                .min(self.start.elapsed() + Duration::from_secs(86_400))
    }
}

impl Shell {
    pub(crate) fn new(
        master: Master,
        clock: Clock,
        store: Store,
        timings: Arc<Timings>,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let inner = Inner {
            timings: Arc::clone(&timings),
            master,
            clock,
            store,
            streams: HashMap::new(),
            operators: BTreeMap::new(),
            next_key: 1,
            failed: false,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            wake: Notify::new(),
            shutdown,
            timings,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in one request leaves the tables as consistent as any other point of the code does.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets something happen to the core, and carries out what follows.
    pub(crate) fn with<R>(&self, happen: impl FnOnce(&mut Master, Time) -> R) -> R {
        let mut inner = self.lock();
        let now = inner.clock.now();
        let result = happen(&mut inner.master, now);
        inner.carry_out(&self.shutdown);
        drop(inner);
        self.wake.notify_one();
        result
    }

    /// Looks at the core.
    pub(crate) fn view<R>(&self, look: impl FnOnce(&Master, Time) -> R) -> R {
        let inner = self.lock();
        let now = inner.clock.now();
        look(&inner.master, now)
    }

    /// Whether the registry could not be written.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// Opens a stream, and lets it happen to the core.
    pub(crate) fn open(
        self: &Arc<Self>,
        peer: Peer,
        format: Format,
        happen: impl FnOnce(&mut Master, Time, StreamKey),
    ) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(STREAM_CAPACITY);
        let (alive, gone) = oneshot::channel();
        let mut inner = self.lock();
        let key = inner.next_key;
        inner.next_key += 1;
        inner.streams.insert(
            key,
            Stream {
                sender: sender.clone(),
                format,
                _alive: alive,
            },
        );
        let now = inner.clock.now();
        if peer == Peer::Operator {
            inner.add_operator(key);
        }
        happen(&mut inner.master, now, key);
        inner.carry_out(&self.shutdown);
        drop(inner);
        self.wake.notify_one();
        tokio::spawn(Arc::clone(self).watch(peer, format, key, sender, gone));
        receiver
    }

    /// Sends heartbeats, and notices when the reader goes away.
    async fn watch(
        self: Arc<Self>,
        peer: Peer,
        format: Format,
        key: StreamKey,
        sender: mpsc::Sender<Bytes>,
        mut gone: oneshot::Receiver<()>,
    ) {
        let heartbeat = match peer {
            Peer::Scheduler => Some(record(
                format,
                &scheduler::Event {
                    kind: Some(scheduler::EventType::Heartbeat),
                    ..Default::default()
                },
            )),
            Peer::Operator => Some(record(
                format,
                &master::Event {
                    kind: Some(master::EventType::Heartbeat),
                    ..Default::default()
                },
            )),
            // Agents are pinged by the core, which counts the answers.
            Peer::Agent => None,
        };
        let mut beats = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                () = sender.closed() => break,
                _ = &mut gone => return,
                _ = beats.tick() => {
                    if let Some(heartbeat) = &heartbeat {
                        // A full stream is noticed with its next event.
                        sender.try_send(heartbeat.clone()).ok();
                    }
                }
            }
        }
        let mut inner = self.lock();
        inner.streams.remove(&key);
        let now = inner.clock.now();
        inner.disconnected(peer, now, key);
        inner.carry_out(&self.shutdown);
        drop(inner);
        self.wake.notify_one();
    }

    /// Calls the core whenever it wants to be called, until the daemon ends.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            let deadline = {
                let inner = self.lock();
                inner.clock.instant(inner.master.next_deadline())
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {
                    let start = Instant::now();
                    self.with(|master, now| master.tick(now));
                    self.timings.allocated_in(start.elapsed());
                }
                () = self.wake.notified() => {}
                () = self.shutdown.wait() => return,
            }
        }
    }
}

impl Inner {
    fn add_operator(&mut self, key: StreamKey) {
        if self.operators.len() >= MAX_OPERATORS
            && let Some((oldest, ())) = self.operators.pop_first()
        {
            self.streams.remove(&oldest);
        }
        let subscribed = master::Event {
            kind: Some(master::EventType::Subscribed),
            subscribed: Some(master::Subscribed {
                get_state: Some(super::views::get_state(&self.master)),
                heartbeat_interval_seconds: Some(HEARTBEAT.as_secs_f64()),
            }),
            ..Default::default()
        };
        let heartbeat = master::Event {
            kind: Some(master::EventType::Heartbeat),
            ..Default::default()
        };
        self.push_message(key, &subscribed);
        self.push_message(key, &heartbeat);
        self.operators.insert(key, ());
    }

    fn disconnected(&mut self, peer: Peer, now: Time, key: StreamKey) {
        match peer {
            Peer::Scheduler => self.master.framework_disconnected(now, key),
            Peer::Agent => self.master.agent_disconnected(now, key),
            Peer::Operator => {
                self.operators.remove(&key);
            }
        }
    }

    fn carry_out(&mut self, shutdown: &Shutdown) {
        for effect in self.master.take_effects() {
            if self.failed {
                return;
            }
            match effect {
                Effect::Persist(registry) => {
                    let start = Instant::now();
                    let written = self.store.write(&registry);
                    self.timings.stored_in(start.elapsed());
                    if let Err(error) = written {
                        // What follows rests on it; a write that failed once is not tried again.
                        tracing::error!(error = &error as &dyn std::error::Error, "ending");
                        self.failed = true;
                        self.streams.clear();
                        shutdown.trigger();
                    }
                }
                Effect::ToFramework(key, event) => self.push_message(key, &*event),
                Effect::ToAgent(key, event) => match serde_json::to_vec(&event) {
                    Ok(text) => self.push(key, recordio::encode(&text)),
                    Err(error) => {
                        tracing::error!(%error, "an event for an agent cannot be written")
                    }
                },
                Effect::Close(key) => {
                    self.streams.remove(&key);
                }
                Effect::ToOperators(event) => {
                    // Written once, however many listen.
                    let keys: Vec<_> = self.operators.keys().copied().collect();
                    let mut written: [Option<Bytes>; 2] = [None, None];
                    for key in keys {
                        let Some(format) = self.streams.get(&key).map(|stream| stream.format)
                        else {
                            continue;
                        };
                        let text = written[usize::from(format == Format::Protobuf)]
                            .get_or_insert_with(|| record(format, &*event))
                            .clone();
                        self.push(key, text);
                    }
                }
            }
        }
    }

    fn push_message<T: Message + serde::Serialize>(&mut self, key: StreamKey, message: &T) {
        if let Some(stream) = self.streams.get(&key) {
            let text = record(stream.format, message);
            self.push(key, text);
        }
    }

    /// A reader that is too slow loses its stream; its task then tells the core.
    fn push(&mut self, key: StreamKey, text: Bytes) {
        let Some(stream) = self.streams.get(&key) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = stream.sender.try_send(text) {
            tracing::warn!(key, "a reader is too slow; its stream ends");
            self.slow(key);
        }
    }

    fn slow(&mut self, key: StreamKey) {
        self.streams.remove(&key);
        let now = self.clock.now();
        for peer in [Peer::Scheduler, Peer::Agent, Peer::Operator] {
            self.disconnected(peer, now, key);
        }
    }
}

fn record<T: Message + serde::Serialize>(format: Format, message: &T) -> Bytes {
    recordio::encode(&format.encode(message))
}

//! How a decision becomes durable, and then visible.
//!
//! One task owns the core. It takes inputs as they come and lets the core decide; the ops of everything that arrives while a
//! log entry is being written make the next entry, so that one disk flush serves many. What rests on an entry (replies, calls
//! to Mesos, the view that readers get, feed events) leaves when that entry is durable, in order.

mod handle;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use aurora_api::model::Response;
use aurora_daemon::lifecycle::Shutdown;
use tokio::sync::{mpsc, oneshot, watch};

use crate::backups::Backups;
use crate::core::sla::CoordinatorCall;
use crate::core::{Changes, Config, Core, Effect, Input, MesosCall, Millis, Op, Step, View};
use crate::feed::Hub;
use crate::metrics::Metrics;
use crate::recovery::{Recovered, encode_entry, snapshot_of};
use crate::storage::{Committed, Disk, Log, Snapshot, StorageError, save_snapshot};
use crate::time::Time;
use crate::watch::Watch;

pub(crate) use handle::{Durable, Ending, Handle};
use handle::{Request, Views};

/// Why the engine ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The log failed; what was not acknowledged may or may not be in it.
    #[error("{0}")]
    Log(Arc<StorageError>),
    /// The log refused an entry.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state was replaced.
    #[error("the state was replaced by a backup; start the scheduler again to go on from it")]
    Restored,
    /// The log's thread is gone.
    #[error("the log's thread ended without a reason")]
    LogGone,
}

/// Ops, what they changed, and what rests on them.
#[derive(Default)]
struct Batch {
    /// How many writes are in it.
    writes: usize,
    ops: Vec<Op>,
    changes: Changes,
    effects: Vec<Effect>,
}

/// An entry on its way to the disk.
struct InFlight {
    index: u64,
    view: View,
    stamp: Millis,
    changes: Changes,
    effects: Vec<Effect>,
    handed_over: Instant,
}

/// Requests that may wait.
const QUEUE: usize = 1024;
/// Requests that are decided on before the loop looks at the log again.
const TAKE: usize = 32;
/// So many writes make an entry at the most. A write has at most [`crate::api::MAX_WRITE`] bytes, so that an entry stays
/// below what the log takes (256 MiB).
const MAX_WRITES: usize = 64;
/// So many ops wait for the entry under way before requests are left in the queue.
const MAX_BATCH: usize = 50_000;
/// A log of this size asks for a snapshot, whatever the clock says.
const SNAPSHOT_LOG_BYTES: u64 = 1 << 30;
/// Pause after a snapshot that failed.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(60);

/// What the engine needs besides the state.
pub(crate) struct Parts<L> {
    pub(crate) config: Config,
    pub(crate) log: L,
    pub(crate) disk: Arc<dyn Disk>,
    /// Milliseconds since 1970.
    pub(crate) clock: Box<dyn Fn() -> Millis + Send>,
    pub(crate) snapshot_interval: Duration,
    /// Bytes of the log, as the log tells.
    pub(crate) log_size: Arc<std::sync::Mutex<u64>>,
    pub(crate) calls: mpsc::Sender<MesosCall>,
    pub(crate) questions: mpsc::Sender<CoordinatorCall>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) watch: Watch,
    /// Where copies of snapshots go.
    pub(crate) backups: Option<Arc<Backups>>,
}

/// See the module.
pub(crate) struct Engine<L> {
    core: Core,
    parts: Parts<L>,
    committed: watch::Receiver<Committed>,
    requests: mpsc::Receiver<Request>,
    views: Views,
    replies: HashMap<u64, oneshot::Sender<Response>>,
    next_reply: u64,
    time: Time,
    /// Index up to which everything is durable and published.
    index: u64,
    open: Batch,
    /// The core has decided something since the last view was published.
    stepped: bool,
    in_flight: Option<InFlight>,
    snapshot: Snapshots,
    /// The state to leave behind.
    restore: Option<Restore>,
}

/// A state to leave behind, and who waits for that.
struct Restore {
    content: Vec<u8>,
    reply: oneshot::Sender<Result<(), String>>,
}

/// What goes on with snapshots.
struct Snapshots {
    due: tokio::time::Instant,
    running: bool,
    /// Index of the newest one; none is taken where nothing has changed.
    last: Option<u64>,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    done: mpsc::Receiver<Result<(u64, u64), StorageError>>,
    report: mpsc::Sender<Result<(u64, u64), StorageError>>,
}

/// The recovered parts that the engine goes on from, the log taken out.
pub(crate) struct Start {
    pub(crate) store: crate::core::Store,
    pub(crate) stamp: Millis,
    pub(crate) index: u64,
}

impl Start {
    /// Takes what the engine needs out of what was recovered.
    pub(crate) fn of(recovered: Recovered) -> (Start, crate::storage::Wal) {
        let start = Start {
            store: recovered.store,
            stamp: recovered.stamp,
            index: recovered.index,
        };
        (start, recovered.wal)
    }
}

impl<L: Log> Engine<L> {
    /// Takes over a state.
    pub(crate) fn new(start: Start, parts: Parts<L>) -> (Engine<L>, Handle) {
        let time = Time::new(start.stamp, (parts.clock)());
        let views = Views::new(Durable {
            view: start.store.view(),
            index: start.index,
            stamp: start.stamp,
        });
        let (core, step) = Core::recover(parts.config.clone(), start.store, time.shown());
        let (requests, receiver) = mpsc::channel(QUEUE);
        let handle = Handle {
            requests,
            views: views.clone(),
        };
        let (report, done) = mpsc::channel(1);
        let mut engine = Engine {
            core,
            committed: parts.log.committed(),
            requests: receiver,
            views,
            replies: HashMap::new(),
            next_reply: 1,
            time,
            index: start.index,
            open: Batch::default(),
            stepped: false,
            in_flight: None,
            snapshot: Snapshots {
                due: tokio::time::Instant::now() + parts.snapshot_interval,
                running: false,
                last: None,
                waiting: Vec::new(),
                done,
                report,
            },
            restore: None,
            parts,
        };
        engine.take(step);
        (engine, handle)
    }

    /// The scheduler's time.
    fn now(&mut self) -> Millis {
        self.time.now((self.parts.clock)())
    }

    fn take(&mut self, step: Step) {
        self.stepped = true;
        self.open.ops.extend(step.ops);
        self.open.changes.extend(step.changes);
        self.open.effects.extend(step.effects);
    }

    fn step(&mut self, input: Input) {
        let now = self.now();
        let step = self.core.step(now, input);
        self.take(step);
    }

    /// Runs until `shutdown`; what was accepted by then is made durable and answered.
    ///
    /// # Errors
    /// The log failed. Memory is ahead of the truth: the process has to end.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), EngineError> {
        let mut taken = Vec::with_capacity(TAKE);
        loop {
            self.flush()?;
            let wake = self.wake_at();
            let room = self.open.ops.len() < MAX_BATCH && self.open.writes < MAX_WRITES;
            tokio::select! {
                biased;
                changed = self.committed.changed() => {
                    changed.map_err(|_| EngineError::LogGone)?;
                    self.on_commit()?;
                }
                () = shutdown.wait() => break,
                Some(outcome) = self.snapshot.done.recv() => self.on_snapshot(outcome)?,
                () = tokio::time::sleep_until(wake), if room => self.step(Input::Timer),
                count = self.requests.recv_many(&mut taken, TAKE), if room => {
                    if count == 0 {
                        break;
                    }
                    for request in taken.drain(..) {
                        self.on_request(request);
                    }
                    if self.restore.is_some() {
                        break;
                    }
                }
                () = tokio::time::sleep_until(self.snapshot.due), if !self.snapshot.running => {
                    self.snapshot.due = tokio::time::Instant::now() + self.parts.snapshot_interval;
                    self.start_snapshot();
                }
            }
        }
        self.finish().await
    }

    async fn finish(mut self) -> Result<(), EngineError> {
        self.requests.close();
        self.flush()?;
        while self.in_flight.is_some() {
            self.committed
                .changed()
                .await
                .map_err(|_| EngineError::LogGone)?;
            self.on_commit()?;
            self.flush()?;
        }
        self.parts.log.close();
        match self.restore.take() {
            None => Ok(()),
            Some(restore) => self.leave_behind(restore).await,
        }
    }

    /// Leaves a state behind as the snapshot after everything that is in the log.
    async fn leave_behind(&mut self, restore: Restore) -> Result<(), EngineError> {
        while self.snapshot.running {
            // It has the same temporary name.
            let _ = self.snapshot.done.recv().await;
            self.snapshot.running = false;
        }
        let snapshot = Snapshot {
            index: self.index,
            term: self.parts.log.term(),
            stamp: self.time.shown(),
            content: restore.content,
        };
        let saved = save_snapshot(&*self.parts.disk, &snapshot);
        // Whoever asked may have gone away.
        let _ = restore
            .reply
            .send(saved.as_ref().map(drop).map_err(ToString::to_string));
        saved?;
        Err(EngineError::Restored)
    }

    /// When the core's deadline comes, on the clock of the runtime. At least a millisecond ahead, so that a deadline which
    /// the core does not move cannot keep the loop busy.
    fn wake_at(&mut self) -> tokio::time::Instant {
        let ahead = match self.core.next_deadline() {
            Some(deadline) => deadline.saturating_sub(self.now()).clamp(1, 60_000),
            None => 60_000,
        };
        tokio::time::Instant::now() + Duration::from_millis(ahead.unsigned_abs())
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Write { user, call, reply } => {
                self.open.writes += 1;
                let id = self.next_reply;
                self.next_reply += 1;
                self.replies.insert(id, reply);
                self.step(Input::Write {
                    id,
                    user,
                    call: *call,
                });
            }
            Request::Mesos(event) => self.step(Input::Mesos(event)),
            Request::Coordinator { id, answer } => self.step(Input::Coordinator { id, answer }),
            Request::Look(look) => look(&self.core),
            Request::Restore { content, reply } => {
                self.restore = Some(Restore { content, reply });
            }
            Request::Snapshot { reply } => {
                self.snapshot.waiting.push(reply);
                if !self.snapshot.running {
                    self.start_snapshot();
                }
            }
        }
    }

    /// Hands the open batch to the log, or lets its effects go when they rest on nothing new.
    fn flush(&mut self) -> Result<(), EngineError> {
        if self.in_flight.is_some() || !self.stepped {
            return Ok(());
        }
        self.stepped = false;
        let batch = std::mem::take(&mut self.open);
        if batch.ops.is_empty() {
            // Why tasks wait is not part of the durable state, but readers want it.
            self.views.publish(Durable {
                view: self.core.store().view(),
                index: self.index,
                stamp: self.time.shown(),
            });
            self.perform(batch.effects);
            return Ok(());
        }
        let payload = encode_entry(self.time.shown(), &batch.ops);
        self.parts.metrics.add("scheduler_log_entries_written", 1);
        self.parts.metrics.add(
            "scheduler_log_bytes_written",
            i64::try_from(payload.len()).unwrap_or(i64::MAX),
        );
        let index = self.parts.log.propose(payload)?;
        self.in_flight = Some(InFlight {
            index,
            view: self.core.store().view(),
            stamp: self.time.shown(),
            changes: batch.changes,
            effects: batch.effects,
            handed_over: Instant::now(),
        });
        Ok(())
    }

    fn on_commit(&mut self) -> Result<(), EngineError> {
        let committed = self.committed.borrow_and_update().clone();
        if let Some(failure) = committed.failure {
            return Err(EngineError::Log(failure));
        }
        let Some(entry) = self
            .in_flight
            .take_if(|entry| entry.index <= committed.index)
        else {
            return Ok(());
        };
        self.parts
            .metrics
            .timed("scheduler_log_native_append", entry.handed_over.elapsed());
        self.index = entry.index;
        let previous = self.views.current();
        // The view first: whoever has an answer finds what it says.
        self.views.publish(Durable {
            view: entry.view.clone(),
            index: entry.index,
            stamp: entry.stamp,
        });
        self.parts
            .hub
            .publish(entry.index, &entry.changes, &previous.view, &entry.view);
        self.parts
            .watch
            .committed(&entry.changes, &previous.view, &entry.view);
        self.perform(entry.effects);
        let size = *self
            .parts
            .log_size
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if size > SNAPSHOT_LOG_BYTES && !self.snapshot.running {
            self.start_snapshot();
        }
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { id, response } => {
                    if let Some(reply) = self.replies.remove(&id) {
                        // Whoever asked may have gone away; the change stands.
                        let _ = reply.send(*response);
                    }
                }
                Effect::AskCoordinator(call) => {
                    // There are never more than fit. When it is not asked, the core takes it for silence.
                    if self.parts.questions.try_send(call).is_err() {
                        tracing::warn!("a coordinator is not asked: the scheduler is ending");
                    }
                }
                Effect::Mesos(call) => {
                    // Mesos loses calls too: time-outs and reconciliation make up for it. Waiting here would hold up everything.
                    match self.parts.calls.try_send(call) {
                        // Closed: the process is ending.
                        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                        Err(mpsc::error::TrySendError::Full(_)) => {
                            self.parts.metrics.add("scheduler_mesos_calls_dropped", 1);
                            tracing::warn!("too many calls wait for the master; one is dropped");
                        }
                    }
                }
            }
        }
    }

    fn start_snapshot(&mut self) {
        let durable = self.views.current();
        if self.snapshot.last == Some(durable.index) {
            for waiting in self.snapshot.waiting.drain(..) {
                // Whoever asked may have gone away.
                let _ = waiting.send(Ok(()));
            }
            return;
        }
        self.snapshot.running = true;
        let (disk, report) = (self.parts.disk.clone(), self.snapshot.report.clone());
        let (term, backups) = (self.parts.log.term(), self.parts.backups.clone());
        tokio::task::spawn_blocking(move || {
            let snapshot = snapshot_of(&durable.view, durable.index, term, durable.stamp);
            let outcome =
                save_snapshot(&*disk, &snapshot).map(|unneeded| (snapshot.index, unneeded));
            if let (Some(backups), Ok(_)) = (backups, &outcome) {
                backups.after_snapshot(&snapshot, snapshot.stamp);
            }
            // The engine may have ended meanwhile; the snapshot is of use at the next start.
            let _ = report.blocking_send(outcome);
        });
    }

    fn on_snapshot(
        &mut self,
        outcome: Result<(u64, u64), StorageError>,
    ) -> Result<(), EngineError> {
        self.snapshot.running = false;
        let answer = match outcome {
            Ok((index, unneeded)) => {
                self.snapshot.last = Some(index);
                self.parts.metrics.add("scheduler_log_snapshots", 1);
                self.parts.log.release(unneeded)?;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the snapshot could not be saved; the log goes on growing");
                self.snapshot.due = tokio::time::Instant::now() + SNAPSHOT_RETRY;
                Err(error.to_string())
            }
        };
        for waiting in self.snapshot.waiting.drain(..) {
            // Whoever asked may have gone away.
            let _ = waiting.send(answer.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
pub(crate) mod tests;

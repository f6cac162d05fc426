//! The log as the engine sees it: entries go in, and it is told when they are durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{StorageError, Wal};

/// How far the log is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Committed {
    /// Everything up to this index is durable.
    pub(crate) index: u64,
    /// The log has failed; it takes nothing any more.
    pub(crate) failure: Option<Arc<StorageError>>,
}

/// Where entries go. One scheduler alone writes to its own disk ([`LocalLog`]); the trait is what a replicated log fills.
pub(crate) trait Log: Send {
    /// Hands over an entry; the index it will have. One entry is under way at a time: the next one is handed over when
    /// [`Log::committed`] has reached this one.
    fn propose(&mut self, payload: Vec<u8>) -> Result<u64, StorageError>;
    /// Follows what is durable.
    fn committed(&self) -> watch::Receiver<Committed>;
    /// Entries up to this index are not needed any more.
    fn release(&mut self, index: u64) -> Result<(), StorageError>;
    /// The term of what is proposed.
    fn term(&self) -> u64;
    /// Waits for what is under way and ends.
    fn close(&mut self);
}

enum Command {
    Append(Vec<u8>),
    Release(u64),
}

/// A log on the disk of this machine, with a thread of its own.
pub(crate) struct LocalLog {
    commands: Option<SyncSender<Command>>,
    committed: watch::Receiver<Committed>,
    size: Arc<Mutex<u64>>,
    next: u64,
    term: u64,
    thread: Option<thread::JoinHandle<()>>,
}

/// Pause between two steps of preparing the next segment, so that preparing takes a small part of the disk's time.
const PREPARE_PAUSE: Duration = Duration::from_millis(20);

impl LocalLog {
    /// Starts the writer.
    pub(crate) fn start(wal: Wal) -> Result<LocalLog, StorageError> {
        let (next, term) = (wal.next_index(), wal.term());
        let (sender, receiver) = sync_channel(16);
        let (committed, follower) = watch::channel(Committed {
            index: next - 1,
            failure: None,
        });
        let size = Arc::new(Mutex::new(wal.size()));
        let shared = size.clone();
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                if let Err(error) = run(wal, &receiver, &committed, &shared) {
                    committed.send_modify(|state| state.failure = Some(Arc::new(error)));
                }
            })
            .map_err(|source| StorageError::io("start", "the log's thread", source))?;
        Ok(LocalLog {
            commands: Some(sender),
            committed: follower,
            size,
            next,
            term,
            thread: Some(thread),
        })
    }

    /// Bytes of the log's segments; shared, so that it can be shown.
    pub(crate) fn size(&self) -> Arc<Mutex<u64>> {
        self.size.clone()
    }

    fn send(&self, command: Command) -> Result<(), StorageError> {
        self.commands
            .as_ref()
            .and_then(|commands| commands.send(command).ok())
            .ok_or(StorageError::Closed)
    }
}

fn run(
    mut wal: Wal,
    commands: &Receiver<Command>,
    committed: &watch::Sender<Committed>,
    size: &Mutex<u64>,
) -> Result<(), StorageError> {
    let mut preparing = true;
    let mut last_step = Instant::now();
    loop {
        // Preparing goes on under load as well; otherwise the next segment would have to be made while an entry waits for it.
        if preparing && last_step.elapsed() >= PREPARE_PAUSE {
            preparing = wal.prepare()?;
            last_step = Instant::now();
        }
        let received = if preparing {
            commands.recv_timeout(PREPARE_PAUSE)
        } else {
            commands.recv().map_err(RecvTimeoutError::from)
        };
        let command = match received {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        match command {
            Command::Append(payload) => {
                let index = wal.append(&payload)?;
                committed.send_modify(|state| state.index = index);
                // Rotation may have used the spare.
                preparing = true;
            }
            Command::Release(index) => wal.release(index)?,
        }
        *size.lock().unwrap_or_else(PoisonError::into_inner) = wal.size();
    }
}

impl Log for LocalLog {
    fn propose(&mut self, payload: Vec<u8>) -> Result<u64, StorageError> {
        self.send(Command::Append(payload))?;
        let index = self.next;
        self.next += 1;
        Ok(index)
    }
    fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.clone()
    }
    fn release(&mut self, index: u64) -> Result<(), StorageError> {
        self.send(Command::Release(index))
    }
    fn term(&self) -> u64 {
        self.term
    }
    fn close(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's thread panicked");
        }
    }
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        self.close();
    }
}

//! The durable log and its snapshots.
//!
//! The state of the scheduler is a snapshot and the log entries after it. [`open`] recovers both; [`Log`] appends. This
//! module knows nothing of what an entry holds.

mod disk;
mod lock;
mod log;
mod record;
mod snapshot;
mod wal;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(crate) mod sim;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use disk::{Disk, RealDisk};
pub(crate) use lock::DirectoryLock;
pub(crate) use log::{Committed, LocalLog, Log};
pub(crate) use record::Record;
pub(crate) use snapshot::{Snapshot, read as read_snapshot, write as write_snapshot};
pub(crate) use wal::{Wal, WalOptions};

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// The disk is full.
    #[error(
        "the disk is full: cannot {doing} {name}; nothing that was acknowledged is lost, free some space and start the scheduler again"
    )]
    Full {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        name: String,
    },
    /// The system refuses.
    #[error("cannot {doing} {name}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The directory cannot be used.
    #[error(
        "the state directory {path} cannot be written: {source}; give the scheduler's user write permission or choose another with --state-dir"
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another scheduler has the directory.
    #[error(
        "the state directory {path} is in use by {holder}; stop it or choose another with --state-dir"
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// A file is not what was written.
    #[error("{name} is damaged at byte {at}: {what}; restore the state directory from a copy")]
    Damaged {
        /// The file.
        name: String,
        /// Where.
        at: u64,
        /// How.
        what: String,
    },
    /// Part of the log is not there.
    #[error(
        "the log lacks entry {missing}; the next one found is {found}; restore the state directory from a copy"
    )]
    Gap {
        /// The first entry that is not there.
        missing: u64,
        /// What was found in its place.
        found: u64,
    },
    /// No usable snapshot, and no log from the beginning.
    #[error("no snapshot can be read ({0}); restore the state directory from a copy")]
    Snapshots(String),
    /// An entry of no or too many bytes.
    #[error("a log entry of {length} bytes cannot be written; the limit is {limit}")]
    TooLarge {
        /// Its length.
        length: u64,
        /// The most there may be.
        limit: u64,
    },
    /// The writer has ended.
    #[error("the log is closed")]
    Closed,
}

impl StorageError {
    pub(crate) fn io(doing: &'static str, name: impl Into<String>, source: io::Error) -> Self {
        let name = name.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StorageError::Full { doing, name }
            }
            _ => StorageError::Io {
                doing,
                name,
                source,
            },
        }
    }

    pub(crate) fn damaged(name: &str, at: u64, what: impl Into<String>) -> Self {
        StorageError::Damaged {
            name: name.to_owned(),
            at,
            what: what.into(),
        }
    }
}

/// Makes the state directory if need be, and takes it for this process.
pub(crate) fn claim(directory: &Path) -> Result<(DirectoryLock, Arc<dyn Disk>), StorageError> {
    let unusable = |source| StorageError::Directory {
        path: directory.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(unusable)?;
    let lock = match lock::take(directory) {
        Err(StorageError::Io { source, .. }) => return Err(unusable(source)),
        other => other?,
    };
    let disk = RealDisk::open(directory).map_err(unusable)?;
    Ok((lock, Arc::new(disk)))
}

/// Recovers: gives the newest good snapshot to `load`, then each entry after it to `replay`; the log goes on from there.
pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    options: WalOptions,
    load: impl FnOnce(&Snapshot) -> Result<(), StorageError>,
    replay: impl FnMut(Record) -> Result<(), StorageError>,
) -> Result<Wal, StorageError> {
    let (snapshot, damaged) = snapshot::load(&**disk)?;
    for name in &damaged {
        tracing::warn!(
            file = name,
            "this snapshot is damaged; an older one is used"
        );
    }
    let (after, term) = match &snapshot {
        Some(snapshot) => {
            load(snapshot)?;
            (snapshot.index, snapshot.term)
        }
        None => (0, 0),
    };
    match Wal::open(disk.clone(), options, after, term, replay) {
        Err(StorageError::Gap { .. }) if snapshot.is_none() && !damaged.is_empty() => {
            Err(StorageError::Snapshots(damaged.join(", ")))
        }
        other => other,
    }
}

/// Saves a snapshot; the index up to which the log is not needed any more.
pub(crate) fn save_snapshot(disk: &dyn Disk, snapshot: &Snapshot) -> Result<u64, StorageError> {
    snapshot::save(disk, snapshot)
}

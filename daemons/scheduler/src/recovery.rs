//! From the state directory to a running state: snapshot, log, core.

use std::cell::RefCell;
use std::sync::Arc;

use crate::core::store::{decode_snapshot, encode_snapshot};
use crate::core::{Changes, Millis, Op, Store, View, codec};
use crate::storage::{self, Disk, Snapshot, StorageError, Wal, WalOptions};

/// What was found.
pub(crate) struct Recovered {
    pub(crate) store: Store,
    pub(crate) wal: Wal,
    /// The scheduler's time at the newest entry.
    pub(crate) stamp: Millis,
    /// Index of the newest entry.
    pub(crate) index: u64,
    /// What the newest entries changed, oldest first, for feeds that go on where they were.
    pub(crate) recent: Vec<(u64, Changes)>,
    /// Index before the first of `recent`.
    pub(crate) recent_after: u64,
}

/// How many changes are kept for feeds.
pub(crate) const RECENT_CHANGES: usize = 65_536;

/// The bytes of a log entry: the scheduler's time, then the ops.
pub(crate) fn encode_entry(stamp: Millis, ops: &[Op]) -> Vec<u8> {
    let mut bytes = stamp.to_le_bytes().to_vec();
    bytes.extend_from_slice(&codec::encode_ops(ops));
    bytes
}

fn decode_entry(payload: &[u8]) -> Result<(Millis, Vec<Op>), String> {
    let (stamp, ops) = payload
        .split_first_chunk::<8>()
        .ok_or("the entry is too short")?;
    let ops = codec::decode_ops(ops).map_err(|error| error.to_string())?;
    Ok((i64::from_le_bytes(*stamp), ops))
}

/// A snapshot of a view that is durable at `index`.
pub(crate) fn snapshot_of(view: &View, index: u64, term: u64, stamp: Millis) -> Snapshot {
    Snapshot {
        index,
        term,
        stamp,
        content: encode_snapshot(view),
    }
}

#[derive(Default)]
struct Found {
    store: Store,
    stamp: Millis,
    recent: Vec<(u64, Changes)>,
    recent_count: usize,
    recent_after: u64,
}

/// Reads the state.
///
/// # Errors
/// The log or the snapshot cannot be read, or does not fit together.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    options: WalOptions,
) -> Result<Recovered, StorageError> {
    let found = RefCell::new(Found::default());
    let load = |snapshot: &Snapshot| {
        let mut found = found.borrow_mut();
        found.store = decode_snapshot(&snapshot.content).map_err(|error| {
            StorageError::damaged(
                &format!("snapshot {}", snapshot.index),
                0,
                error.to_string(),
            )
        })?;
        found.stamp = snapshot.stamp;
        found.recent_after = snapshot.index;
        Ok(())
    };
    let replay = |record: storage::Record| {
        let index = record.index;
        let damaged = |what: String| StorageError::damaged(&format!("log entry {index}"), 0, what);
        let (stamp, ops) = decode_entry(&record.payload).map_err(damaged)?;
        let mut found = found.borrow_mut();
        let mut changes = Changes::new();
        for op in &ops {
            let made = found
                .store
                .apply(op)
                .map_err(|error| damaged(error.to_string()))?;
            changes.extend(made);
        }
        found.stamp = found.stamp.max(stamp);
        found.recent_count += changes.len();
        found.recent.push((index, changes));
        if found.recent_count > 2 * RECENT_CHANGES {
            found.trim();
        }
        Ok(())
    };
    let wal = storage::open(disk, options, load, replay)?;
    let mut found = found.into_inner();
    found.trim();
    let index = wal.next_index() - 1;
    Ok(Recovered {
        store: found.store,
        wal,
        stamp: found.stamp,
        index,
        recent: found.recent,
        recent_after: found.recent_after,
    })
}

impl Found {
    fn trim(&mut self) {
        let mut excess = self.recent_count.saturating_sub(RECENT_CHANGES);
        let mut drop = 0;
        for (index, changes) in &self.recent {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(changes.len());
            self.recent_count -= changes.len();
            self.recent_after = *index;
            drop += 1;
        }
        self.recent.drain(..drop);
    }
}

//! Snapshots: the whole state at one position of the log, each in a file of its own.
//!
//! ```text
//! "AURSNAP1"  term u64  index u64  stamp i64  length u64  content  crc u32      little-endian; CRC32C of all before it
//! ```
//!
//! Written beside, made durable, then given its name: a snapshot under its name is whole, or the disk has damaged it.

use std::io;

use super::StorageError;
use super::disk::Disk;
use super::wal::number_of;

const MAGIC: &[u8; 8] = b"AURSNAP1";
const HEADER: usize = 40;
const TEMPORARY: &str = "snapshot.tmp";
/// Written and synced at a time: one large sync would hold up the log's own.
const STEP: usize = 1 << 20;
/// How many are kept: the newest, and the one before in case the newest cannot be read.
const KEPT: usize = 2;

/// Where a snapshot stands, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Index of the last entry in it.
    pub(crate) index: u64,
    /// Term of that entry.
    pub(crate) term: u64,
    /// The scheduler's time at that entry, milliseconds since 1970.
    pub(crate) stamp: i64,
    /// The encoded state.
    pub(crate) content: Vec<u8>,
}

fn name(index: u64) -> String {
    format!("snapshot-{index:020}")
}

fn error(doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> StorageError {
    let name = name.to_owned();
    move |source| StorageError::io(doing, name, source)
}

/// Positions of the snapshots that are there, newest first.
fn positions(disk: &dyn Disk) -> Result<Vec<u64>, StorageError> {
    let names = disk.list().map_err(error("list", "the state directory"))?;
    let mut found: Vec<u64> = names
        .iter()
        .filter_map(|name| number_of(name, "snapshot-"))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Saves a snapshot and removes those that are too old. The answer is the index up to which the log is not needed any more:
/// that of the oldest snapshot kept.
pub(crate) fn save(disk: &dyn Disk, snapshot: &Snapshot) -> Result<u64, StorageError> {
    write(disk, TEMPORARY, &name(snapshot.index), snapshot)?;
    prune(disk)
}

/// Writes a snapshot beside, and gives it its name when it is durable.
pub(crate) fn write(
    disk: &dyn Disk,
    temporary: &str,
    name: &str,
    snapshot: &Snapshot,
) -> Result<(), StorageError> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&snapshot.term.to_le_bytes());
    header.extend_from_slice(&snapshot.index.to_le_bytes());
    header.extend_from_slice(&snapshot.stamp.to_le_bytes());
    header.extend_from_slice(&(snapshot.content.len() as u64).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), &snapshot.content);
    let crc = crc.to_le_bytes();

    let mut file = disk.create(temporary).map_err(error("create", temporary))?;
    let mut offset = 0;
    let pieces = std::iter::once(&header[..])
        .chain(snapshot.content.chunks(STEP))
        .chain(std::iter::once(&crc[..]));
    for piece in pieces {
        file.write_at(offset, piece)
            .map_err(error("write", temporary))?;
        offset += piece.len() as u64;
        if piece.len() == STEP {
            file.sync().map_err(error("sync", temporary))?;
        }
    }
    file.sync().map_err(error("sync", temporary))?;
    disk.rename(temporary, name)
        .map_err(error("rename", temporary))?;
    disk.sync_directory()
        .map_err(error("sync", "the directory of snapshots"))
}

fn prune(disk: &dyn Disk) -> Result<u64, StorageError> {
    let found = positions(disk)?;
    let mut removed = false;
    for old in found.iter().skip(KEPT) {
        let old = name(*old);
        disk.remove(&old).map_err(error("remove", &old))?;
        removed = true;
    }
    if removed {
        disk.sync_directory()
            .map_err(error("sync", "the state directory"))?;
    }
    // With one snapshot alone the log is kept whole: should the disk damage that one, nothing is lost.
    Ok(match found.get(KEPT - 1) {
        Some(oldest) => *oldest,
        None => 0,
    })
}

/// The newest snapshot that can be read, and the names of those that cannot.
pub(crate) fn load(disk: &dyn Disk) -> Result<(Option<Snapshot>, Vec<String>), StorageError> {
    let mut damaged = Vec::new();
    for index in positions(disk)? {
        let name = name(index);
        match read(disk, &name)? {
            Some(snapshot) if snapshot.index == index => return Ok((Some(snapshot), damaged)),
            _ => damaged.push(name),
        }
    }
    Ok((None, damaged))
}

/// Reads a snapshot of any name; `None` when it is not whole.
pub(crate) fn read(disk: &dyn Disk, name: &str) -> Result<Option<Snapshot>, StorageError> {
    let file = disk.open(name).map_err(error("open", name))?;
    let size = file.len().map_err(error("read", name))?;
    let Ok(size) = usize::try_from(size) else {
        return Ok(None);
    };
    if size < HEADER + 4 {
        return Ok(None);
    }
    let mut bytes = vec![0; size];
    let got = file.read_at(0, &mut bytes).map_err(error("read", name))?;
    bytes.truncate(got);
    let word = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
    };
    let (Some(term), Some(index), Some(stamp), Some(length)) =
        (word(8), word(16), word(24), word(32))
    else {
        return Ok(None);
    };
    let whole = bytes.len() == size
        && bytes[..8] == *MAGIC
        && length == (size - HEADER - 4) as u64
        && bytes[size - 4..] == crc32c::crc32c(&bytes[..size - 4]).to_le_bytes();
    if !whole {
        return Ok(None);
    }
    bytes.truncate(size - 4);
    bytes.drain(..HEADER);
    Ok(Some(Snapshot {
        index,
        term,
        stamp: stamp as i64,
        content: bytes,
    }))
}

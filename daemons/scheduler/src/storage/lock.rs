//! One scheduler to a state directory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::StorageError;

/// Holds the directory until it is dropped. The kernel lets go when the process ends, however it ends, so that what a
/// crash leaves behind is no obstacle.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _lock: Flock<File>,
}

/// Takes the directory.
///
/// # Errors
/// [`StorageError::Held`] with the holder's process id when another process has it.
pub(crate) fn take(directory: &Path) -> Result<DirectoryLock, StorageError> {
    let path = directory.join("lock");
    let name = path.display().to_string();
    let failed = |source| StorageError::io("open", name.clone(), source);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    let mut holder = String::new();
    // An unreadable text only makes the message poorer.
    if file.read_to_string(&mut holder).is_err() {
        holder.clear();
    }
    let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, Errno::EWOULDBLOCK)) => {
            return Err(StorageError::Held {
                path: directory.to_owned(),
                holder: match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                },
            });
        }
        Err((_, error)) => return Err(failed(error.into())),
    };
    lock.set_len(0).map_err(failed)?;
    lock.seek(SeekFrom::Start(0)).map_err(failed)?;
    lock.write_all(format!("{}\n", std::process::id()).as_bytes())
        .map_err(failed)?;
    Ok(DirectoryLock { _lock: lock })
}

//! One supervisor for one state directory.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aurora_client::endpoints::process_start_time;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// Who holds a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// When that process started, in clock ticks after boot.
    pub start_time: u64,
    /// Since when it holds the lock, milliseconds since 1970.
    pub since_ms: i64,
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the cluster in {dir} is already run by process {}, since {} UTC; stop it with `aurora-local stop --state-dir {dir}`",
        holder.pid, utc(holder.since_ms)
    )]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// The file cannot be used.
    #[error("cannot lock {path}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The lock; released when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<fs::File>,
}

/// Takes the lock of a state directory.
///
/// # Errors
/// [`LockError::Held`] when another process has it.
pub fn take(path: &Path) -> Result<Lock, LockError> {
    let failed = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let mut file = exclusive(path, file)?;
    let pid = std::process::id();
    let holder = Holder {
        pid,
        start_time: process_start_time(pid).unwrap_or_default(),
        since_ms: now_ms(),
    };
    let text = serde_json::to_string(&holder).map_err(|error| failed(io::Error::other(error)))?;
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.set_len(0))
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(failed)?;
    Ok(Lock { _file: file })
}

/// Takes the exclusive lock. Whoever looks whether somebody holds it does so by a shared lock of a moment, so a lock whose
/// named holder is gone is tried again for a while.
fn exclusive(path: &Path, mut file: fs::File) -> Result<Flock<fs::File>, LockError> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => return Ok(file),
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                // Whoever has just taken it may not have said its name yet.
                let holder: Holder = match file
                    .seek(SeekFrom::Start(0))
                    .and_then(|_| file.read_to_string(&mut text))
                {
                    Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
                    Err(_) => Holder::default(),
                };
                let lives = process_start_time(holder.pid) == Some(holder.start_time);
                if lives || Instant::now() >= deadline {
                    return Err(LockError::Held {
                        dir: path.parent().unwrap_or(path).to_owned(),
                        holder,
                    });
                }
                pause();
                file
            }
            Err((_, error)) => {
                return Err(LockError::Io {
                    path: path.to_owned(),
                    source: error.into(),
                });
            }
        };
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "between two tries for a lock that cannot be waited for with a deadline"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Who holds the lock of a state directory; `None` when nobody does.
pub fn holder(path: &Path) -> Result<Option<Holder>, LockError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = fs::File::open(path).map_err(|source| LockError::Io {
        path: path.to_owned(),
        source,
    })?;
    // A shared lock says the same as an exclusive one, and leaves the text in the file alone.
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(None),
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            file.read_to_string(&mut text)
                .map_err(|source| LockError::Io {
                    path: path.to_owned(),
                    source,
                })?;
            Ok(Some(serde_json::from_str(&text).unwrap_or_default()))
        }
        Err((_, error)) => Err(LockError::Io {
            path: path.to_owned(),
            source: error.into(),
        }),
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// `YYYY-MM-DD HH:MM:SS` in UTC; the number itself when it is out of all bounds.
fn utc(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(
        |_| millis.to_string(),
        |time| time.strftime("%F %T").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        // date -u -d @SECONDS '+%F %T'
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_384_323, "2026-11-22 21:52:03"),
            (4_102_444_800, "2100-01-01 00:00:00"),
        ] {
            assert_eq!(utc(seconds * 1000), expected);
        }
    }

    #[test]
    fn a_second_one_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        let lock = take(&path).unwrap();
        let found = holder(&path).unwrap().unwrap();
        assert_eq!(found.pid, std::process::id());
        let error = take(&path).unwrap_err().to_string();
        let expected = format!("already run by process {}, since 20", std::process::id());
        assert!(error.contains(&expected), "{error}");
        drop(lock);
        assert_eq!(holder(&path).unwrap(), None);
        drop(take(&path).unwrap());
    }
}

//! `endpoints.json`: where the daemons of a local cluster listen, written by `aurora-local` and read by everything else.
//!
//! Format, version 1: one JSON object with the fields of [`Endpoints`], mode 0600, replaced atomically. It exists from the
//! moment when all daemons are ready until the cluster is stopped in order. After a crash it stays and is stale: the process
//! that it names is gone, or another process has its number; [`Endpoints::liveness`] tells.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The version of the format written here.
pub const VERSION: u32 = 1;

/// The file's name inside a state directory.
pub const FILE_NAME: &str = "endpoints.json";

const MAX_BYTES: u64 = 64 * 1024;

/// Where a local cluster's daemons listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// [`VERSION`].
    pub version: u32,
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's state directory, absolute.
    pub state_dir: PathBuf,
    /// Process id of the `aurora-local` that watches the daemons.
    pub pid: u32,
    /// When that process started: clock ticks after boot (`/proc/PID/stat`, field 22), so that a reused id is noticed.
    pub pid_start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`; ticks of another boot mean nothing.
    pub boot_id: String,
    /// When the cluster became ready, milliseconds since 1970.
    pub ready_ms: i64,
    /// Base URL of the scheduler, such as `http://127.0.0.1:4567`.
    pub scheduler: String,
    /// Base URL of the Mesos master.
    pub master: String,
    /// Base URL of the Mesos agent.
    pub agent: String,
    /// Base URL of the observer.
    pub observer: String,
    /// File with the secret that all of them demand, absolute, mode 0600.
    pub token_file: PathBuf,
}

/// Whether the cluster of an [`Endpoints`] can still be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Its `aurora-local` runs.
    Alive,
    /// It does not; the text says why, such as `process 123 has ended`.
    Stale(String),
}

/// Why endpoints could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not an endpoints file.
    #[error("{path} is not an endpoints file: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file is of another version.
    #[error(
        "{path} has version {found}, this program reads version {VERSION}; use programs of one release"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Endpoints {
    /// Where the agent keeps its sandboxes.
    pub fn agent_work_dir(&self) -> PathBuf {
        self.state_dir.join("agent")
    }

    /// Reads the file of a state directory; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there but cannot be used.
    pub fn read(state_dir: &Path) -> Result<Option<Endpoints>, EndpointsError> {
        let path = state_dir.join(FILE_NAME);
        let read = |source| EndpointsError::Read {
            path: path.clone(),
            source,
        };
        let malformed = |why: String| EndpointsError::Malformed {
            path: path.clone(),
            why,
        };
        match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(malformed(format!("it has {} bytes", found.len())));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(read(error)),
        }
        let text = fs::read_to_string(&path).map_err(read)?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(found) => return Err(EndpointsError::Version { path, found }),
            None => return Err(malformed("it has no version".to_owned())),
        }
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| malformed(error.to_string()))
    }

    /// Writes the file into its state directory, replacing the one there in one step.
    pub fn write(&self) -> Result<(), EndpointsError> {
        let path = self.state_dir.join(FILE_NAME);
        let write = |source| EndpointsError::Write {
            path: path.clone(),
            source,
        };
        let temporary = self.state_dir.join(format!(".{FILE_NAME}.new"));
        let text =
            serde_json::to_string_pretty(self).map_err(|error| write(io::Error::other(error)))?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(write)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(write)
    }

    /// Removes the file of a state directory; it is no error when there is none.
    pub fn remove(state_dir: &Path) -> Result<(), EndpointsError> {
        let path = state_dir.join(FILE_NAME);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(EndpointsError::Write { path, source }),
        }
    }

    /// Whether the `aurora-local` that wrote this still runs.
    pub fn liveness(&self) -> Liveness {
        if boot_id() != self.boot_id {
            return Liveness::Stale("the machine was restarted since".to_owned());
        }
        match process_start_time(self.pid) {
            None => Liveness::Stale(format!("process {} has ended", self.pid)),
            Some(start) if start != self.pid_start_time => Liveness::Stale(format!(
                "process {} is another one that started later",
                self.pid
            )),
            Some(_) => Liveness::Alive,
        }
    }
}

/// When a process started, in clock ticks after boot; `None` when there is no such process or only its zombie.
pub fn process_start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3, the start time field 22.
    fields.nth(18)?.parse().ok()
}

/// The id of this boot of the machine; empty where the kernel does not tell.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sample(state_dir: &Path) -> Endpoints {
        let pid = std::process::id();
        Endpoints {
            version: VERSION,
            cluster: "devcluster".into(),
            state_dir: state_dir.to_owned(),
            pid,
            pid_start_time: process_start_time(pid).unwrap(),
            boot_id: boot_id(),
            ready_ms: 1,
            scheduler: "http://127.0.0.1:1".into(),
            master: "http://127.0.0.1:2".into(),
            agent: "http://127.0.0.1:3".into(),
            observer: "http://127.0.0.1:4".into(),
            token_file: state_dir.join("token"),
        }
    }

    #[test]
    fn written_for_the_owner_alone_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Endpoints::read(dir.path()).unwrap(), None);
        let endpoints = sample(dir.path());
        endpoints.write().unwrap();
        assert_eq!(
            Endpoints::read(dir.path()).unwrap(),
            Some(endpoints.clone())
        );
        let mode = fs::metadata(dir.path().join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(endpoints.liveness(), Liveness::Alive);
        Endpoints::remove(dir.path()).unwrap();
        Endpoints::remove(dir.path()).unwrap();
        assert_eq!(Endpoints::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn another_process_or_boot_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        for (change, expected) in [
            (
                &(|e: &mut Endpoints| e.pid_start_time += 1) as &dyn Fn(&mut Endpoints),
                "another one",
            ),
            (&|e: &mut Endpoints| e.boot_id = "x".into(), "restarted"),
            (&|e: &mut Endpoints| e.pid = dead, "has ended"),
        ] {
            let mut endpoints = sample(dir.path());
            change(&mut endpoints);
            match endpoints.liveness() {
                Liveness::Stale(why) => assert!(why.contains(expected), "{why}"),
                Liveness::Alive => panic!("expected {expected}"),
            }
        }
    }

    #[test]
    fn a_file_that_is_no_endpoints_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for (text, expected) in [
            ("{", "is not an endpoints file"),
            ("{}", "it has no version"),
            ("{\"version\":7}", "has version 7"),
            ("{\"version\":1}", "missing field"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Endpoints::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}

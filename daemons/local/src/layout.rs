//! The state directory of a local cluster.
//!
//! ```text
//! lock            held by the supervisor (flock); says who holds it
//! endpoints.json  where the daemons listen, while they do
//! daemons.json    processes and ports of the last run
//! token           the secret that all daemons demand, mode 0600
//! master/ agent/ scheduler/   what each daemon keeps; sandboxes are below agent/
//! logs/           master.log, agent.log, scheduler.log, observer.log, local.log
//! ```

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Less room than this and the scheduler's log cannot be made.
const MIN_FREE: u64 = 256 * 1024 * 1024;

/// A log that is larger is put aside when its daemon is started.
const MAX_LOG: u64 = 16 * 1024 * 1024;

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It cannot be made or written.
    #[error(
        "the state directory {dir} cannot be used: {what}: {cause}; give another one with --state-dir"
    )]
    Unusable {
        /// The state directory.
        dir: PathBuf,
        /// What was tried.
        what: String,
        /// Why it failed.
        cause: io::Error,
    },
    /// The disk is full.
    #[error(
        "the disk of the state directory {dir} has {free} MiB free, a cluster needs {} MiB; make room or give another one with --state-dir",
        MIN_FREE / 1024 / 1024
    )]
    Full {
        /// The state directory.
        dir: PathBuf,
        /// MiB.
        free: u64,
    },
    /// There is no home directory to put it into.
    #[error(
        "there is no place for the cluster's state: HOME is not set; give one with --state-dir"
    )]
    NoPlace,
}

/// The paths of a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The directory itself, absolute.
    pub dir: PathBuf,
}

impl Layout {
    /// The layout of a directory, which need not be there.
    pub fn new(dir: &Path) -> Result<Layout, LayoutError> {
        let dir = std::path::absolute(dir).map_err(|cause| LayoutError::Unusable {
            dir: dir.to_owned(),
            what: "finding the working directory".to_owned(),
            cause,
        })?;
        Ok(Layout { dir })
    }

    /// The file that the supervisor locks.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The file with the secret.
    pub fn token(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// What a daemon keeps.
    pub fn work_dir(&self, daemon: &str) -> PathBuf {
        self.dir.join(daemon)
    }

    /// A daemon's log.
    pub fn log(&self, daemon: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{daemon}.log"))
    }

    /// The name of the cluster's control groups below each hierarchy. Two clusters on one machine must not share it: an
    /// agent takes containers that it does not know there for orphans.
    pub fn control_group(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        // FNV-1a: the same in every release, so that the next run finds the groups of this one.
        let hash = self
            .dir
            .as_os_str()
            .as_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("aurora-{hash:016x}")
    }

    /// Removes the cluster's control groups, which are empty once every task has ended; those that are not stay.
    pub fn remove_control_groups(&self) {
        let name = self.control_group();
        let mounted = Path::new("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(mounted).into_iter().flatten().flatten();
        let candidates = hierarchies
            .map(|entry| entry.path().join(&name))
            .chain([mounted.join(&name)]);
        for group in candidates {
            match fs::remove_dir(&group) {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => tracing::warn!(group = %group.display(), %error, "stays"),
            }
        }
    }

    /// Makes the directories and the secret.
    ///
    /// # Errors
    /// When the place cannot be written or has no room.
    pub fn prepare(&self) -> Result<(), LayoutError> {
        let root = nix::unistd::geteuid().is_root();
        // Tasks of other users have to get through to their sandboxes; only root has such tasks.
        let open = if root { 0o711 } else { 0o700 };
        self.make_dir(&self.dir, open)?;
        for (name, mode) in [
            ("logs", 0o700),
            ("master", 0o700),
            ("scheduler", 0o700),
            ("agent", open),
        ] {
            self.make_dir(&self.dir.join(name), mode)?;
        }
        let free = nix::sys::statvfs::statvfs(&self.dir)
            .map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()))
            .map_err(|error| self.unusable("asking for its free space", error.into()))?;
        if free < MIN_FREE {
            return Err(LayoutError::Full {
                dir: self.dir.clone(),
                free: free / 1024 / 1024,
            });
        }
        self.make_token()
    }

    /// What users other than root would meet on the way to their sandboxes, in one sentence.
    pub fn obstacle(&self) -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let closed = self.dir.ancestors().find(|dir| {
            fs::metadata(dir).is_ok_and(|found| found.permissions().mode() & 0o001 == 0)
        })?;
        let mode = fs::metadata(closed).ok()?.permissions().mode() & 0o777;
        Some(format!(
            "tasks of other users than root cannot reach their sandboxes: {} has mode {mode:o}; run `chmod o+x {}` or \
             give a --state-dir elsewhere",
            closed.display(),
            closed.display()
        ))
    }

    /// Opens a daemon's log for appending; a large one is put aside first, as `NAME.log.1`.
    pub fn open_log(&self, daemon: &str) -> Result<fs::File, LayoutError> {
        let path = self.log(daemon);
        if fs::metadata(&path).is_ok_and(|found| found.len() > MAX_LOG) {
            let aside = self.dir.join("logs").join(format!("{daemon}.log.1"));
            fs::rename(&path, aside)
                .map_err(|cause| self.unusable("putting a large log aside", cause))?;
        }
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(|cause| self.unusable(&format!("opening {}", path.display()), cause))
    }

    fn make_dir(&self, dir: &Path, mode: u32) -> Result<(), LayoutError> {
        let what = || format!("making {}", dir.display());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(dir)
            .map_err(|cause| self.unusable(&what(), cause))?;
        let found = fs::metadata(dir).map_err(|cause| self.unusable(&what(), cause))?;
        if found.uid() != nix::unistd::geteuid().as_raw() {
            let cause = io::Error::other(format!("it belongs to user id {}", found.uid()));
            return Err(self.unusable(&format!("taking {}", dir.display()), cause));
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(mode))
            .map_err(|cause| self.unusable(&what(), cause))
    }

    /// 32 random bytes in hexadecimal; an earlier one stays.
    fn make_token(&self) -> Result<(), LayoutError> {
        let path = self.token();
        let failed = |cause| self.unusable(&format!("writing {}", path.display()), cause);
        if fs::read_to_string(&path).is_ok_and(|text| text.trim().len() == 64) {
            let private = fs::Permissions::from_mode(0o600);
            return fs::set_permissions(&path, private).map_err(failed);
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        replace(&path, text.as_bytes()).map_err(failed)
    }

    fn unusable(&self, what: &str, cause: io::Error) -> LayoutError {
        LayoutError::Unusable {
            dir: self.dir.clone(),
            what: what.to_owned(),
            cause,
        }
    }
}

/// Replaces a file in one step; the new one has mode 0600.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// The last lines of a log, from byte `from` on.
pub(crate) fn tail(path: &Path, from: u64, lines: usize) -> String {
    const MOST: u64 = 16 * 1024;
    let read = || -> io::Result<String> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(MOST))))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = match read() {
        Ok(text) => text,
        Err(error) => return format!("(cannot read {}: {error})", path.display()),
    };
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn prepared_once_and_again() {
        let world = tempfile::tempdir().unwrap();
        let layout = Layout::new(&world.path().join("a/state")).unwrap();
        layout.prepare().unwrap();
        let token = fs::read_to_string(layout.token()).unwrap();
        assert_eq!(token.trim().len(), 64);
        assert_eq!(mode(&layout.token()), 0o600);
        assert_eq!(mode(&layout.dir.join("logs")), 0o700);
        layout.prepare().unwrap();
        assert_eq!(fs::read_to_string(layout.token()).unwrap(), token);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let world = tempfile::tempdir().unwrap();
        fs::write(world.path().join("file"), "").unwrap();
        let layout = Layout::new(&world.path().join("file/state")).unwrap();
        let error = layout.prepare().unwrap_err().to_string();
        assert!(error.contains("file/state cannot be used"), "{error}");
        assert!(error.contains("--state-dir"), "{error}");
    }

    #[test]
    fn the_closed_directory_on_the_way_is_named() {
        let world = tempfile::tempdir().unwrap();
        let layout = Layout::new(&world.path().join("state")).unwrap();
        layout.prepare().unwrap();
        fs::set_permissions(world.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let obstacle = layout.obstacle();
        if nix::unistd::geteuid().is_root() {
            let expected = format!("{} has mode 700", world.path().display());
            assert!(obstacle.unwrap().contains(&expected));
            fs::set_permissions(world.path(), fs::Permissions::from_mode(0o711)).unwrap();
        }
        assert_eq!(layout.obstacle(), None);
    }

    #[test]
    fn control_groups_are_of_one_cluster() {
        // FNV-1a of "a" in 64 bits, from its authors' test vectors.
        let layout = Layout {
            dir: PathBuf::from("a"),
        };
        assert_eq!(layout.control_group(), "aurora-af63dc4c8601ec8c");
    }

    #[test]
    fn tails() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("log");
        fs::write(&path, "1\n2\n3\n").unwrap();
        assert_eq!(tail(&path, 0, 2), "2\n3");
        assert_eq!(tail(&path, 4, 2), "3");
        assert!(tail(&world.path().join("none"), 0, 2).contains("cannot read"));
    }
}

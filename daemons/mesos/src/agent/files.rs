//! Reading sandboxes over HTTP: by virtual path or by the path on this host, and never anything outside a sandbox.
//!
//! A sandbox belongs to its task, which may put links into it. Files are therefore opened by the kernel's own rule "beneath
//! this directory" (openat2): a link or `..` that leads out of the sandbox is refused, whatever changes meanwhile.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use aurora_mesos::v1::{FileInfo, TimeInfo};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Group, Uid, User};

use super::paths::{Paths, is_valid_id};

/// Most bytes of one read: 16 pages (mesos: src/files/files.cpp).
pub(crate) const MAX_READ: usize = 16 * 4096;
/// Most entries of one listing.
const MAX_ENTRIES: usize = 100_000;

/// Why a file cannot be shown. `Missing` also stands for everything outside of sandboxes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("No such file or directory.")]
    Missing,
    #[error("Cannot read a directory.")]
    IsDirectory,
    #[error("Not a directory.")]
    IsFile,
    #[error("Failed to read the file: {0}")]
    Io(#[from] io::Error),
}

/// The sandboxes of one agent.
#[derive(Debug, Clone)]
pub(crate) struct Sandboxes {
    paths: Paths,
}

/// A place inside a sandbox.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    sandbox: PathBuf,
    inside: PathBuf,
}

impl Sandboxes {
    pub(crate) fn new(paths: Paths) -> Self {
        Self { paths }
    }

    /// Finds the sandbox that a path is in: `/frameworks/F/executors/E/runs/R[/...]`, or the same below
    /// `<work_dir>/slaves/<agent>`; `R` is a container or `latest`.
    fn locate(&self, agent: Option<&str>, path: &str) -> Option<Place> {
        let mut parts = Vec::new();
        for component in Path::new(path).components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str()?),
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => return None,
            }
        }
        let slaves = self.paths.slaves();
        let host: Vec<&str> = slaves
            .components()
            .filter_map(|c| match c {
                Component::Normal(part) => part.to_str(),
                _ => None,
            })
            .collect();
        let (agent, rest) = match parts.strip_prefix(host.as_slice()) {
            Some([agent, rest @ ..]) => (*agent, rest),
            Some([]) => return None,
            None => (agent?, parts.as_slice()),
        };
        let [
            "frameworks",
            framework,
            "executors",
            executor,
            "runs",
            run,
            inside @ ..,
        ] = rest
        else {
            return None;
        };
        if [agent, framework, executor, run]
            .into_iter()
            .any(|id| !is_valid_id(id))
        {
            return None;
        }
        let runs = self.paths.runs(agent, framework, executor);
        let container = if *run == "latest" {
            fs::read_link(runs.join("latest"))
                .ok()?
                .file_name()?
                .to_owned()
        } else {
            (*run).into()
        };
        Some(Place {
            sandbox: runs.join(container),
            inside: inside.iter().collect(),
        })
    }

    fn open(&self, agent: Option<&str>, path: &str) -> Result<OwnedFd, FileError> {
        let place = self.locate(agent, path).ok_or(FileError::Missing)?;
        // The directory itself is the agent's: a link in its place was not made by a task.
        let sandbox = nix::fcntl::open(
            &place.sandbox,
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(|_| FileError::Missing)?;
        let inside = if place.inside.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &place.inside
        };
        // Not blocking, because a task may have put a pipe there.
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(sandbox.as_fd(), inside, how).map_err(|error| match error {
            nix::Error::ENOENT
            | nix::Error::ENOTDIR
            | nix::Error::EXDEV
            | nix::Error::ELOOP
            | nix::Error::ENXIO => FileError::Missing,
            other => FileError::Io(other.into()),
        })
    }

    fn open_file(&self, agent: Option<&str>, path: &str) -> Result<File, FileError> {
        let file = File::from(self.open(agent, path)?);
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(FileError::IsDirectory);
        }
        // Reading a pipe or a device would take from the task, or never end.
        if kind.is_file() {
            Ok(file)
        } else {
            Err(FileError::Missing)
        }
    }

    /// Size of the whole file, and at most [`MAX_READ`] bytes from `offset`.
    pub(crate) fn read(
        &self,
        agent: Option<&str>,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<(u64, Vec<u8>), FileError> {
        let file = self.open_file(agent, path)?;
        let size = file.metadata()?.len();
        let mut data = vec![0; length.min(MAX_READ)];
        let mut filled = 0;
        while filled < data.len() {
            let read = file.read_at(&mut data[filled..], offset.saturating_add(filled as u64))?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        data.truncate(filled);
        Ok((size, data))
    }

    /// Opens a file to send all of it, with its size now.
    pub(crate) fn download(
        &self,
        agent: Option<&str>,
        path: &str,
    ) -> Result<(u64, File), FileError> {
        let file = self.open_file(agent, path)?;
        Ok((file.metadata()?.len(), file))
    }

    /// The entries of a directory, by name. Their paths are the given one with the name.
    pub(crate) fn list(&self, agent: Option<&str>, path: &str) -> Result<Vec<FileInfo>, FileError> {
        let directory = self.open(agent, path)?;
        // The directory that was opened, whatever its path has come to mean since.
        let entries =
            fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd())).map_err(|error| {
                if error.kind() == io::ErrorKind::NotADirectory {
                    FileError::IsFile
                } else {
                    FileError::Io(error)
                }
            })?;
        let mut infos = Vec::new();
        for entry in entries.flatten().take(MAX_ENTRIES) {
            // An entry may be gone by now.
            let Ok(stat) = entry.metadata() else { continue };
            infos.push(FileInfo {
                path: format!(
                    "{}/{}",
                    path.trim_end_matches('/'),
                    entry.file_name().to_string_lossy()
                ),
                nlink: i32::try_from(stat.nlink()).ok(),
                size: Some(stat.size()),
                mtime: Some(TimeInfo {
                    nanoseconds: stat
                        .mtime()
                        .saturating_mul(1_000_000_000)
                        .saturating_add(stat.mtime_nsec()),
                }),
                mode: Some(stat.mode()),
                uid: Some(user_name(stat.uid())),
                gid: Some(group_name(stat.gid())),
            });
        }
        infos.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(infos)
    }

    /// The space that a file takes, for the file's own metadata in tests and logs.
    #[cfg(test)]
    fn size(&self, agent: Option<&str>, path: &str) -> u64 {
        self.open_file(agent, path).map_or(0, |file| {
            file.metadata().map_or(0, |metadata| metadata.size())
        })
    }
}

fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name)
}

fn group_name(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid))
        .ok()
        .flatten()
        .map_or_else(|| gid.to_string(), |group| group.name)
}

/// `-rwxr-xr-x`, as `ls -l` writes it.
pub(crate) fn mode_text(mode: u32) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => 'd',
        libc::S_IFLNK => 'l',
        libc::S_IFIFO => 'p',
        libc::S_IFSOCK => 's',
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        _ => '-',
    };
    let mut text = String::from(kind);
    for shift in [6, 3, 0] {
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if mode >> shift & bit != 0 {
                letter
            } else {
                '-'
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct World {
        root: tempfile::TempDir,
        sandboxes: Sandboxes,
        sandbox: PathBuf,
    }

    fn world() -> World {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path().join("w"));
        let sandbox = paths.sandbox("S0", "F", "E", "C1");
        fs::create_dir_all(sandbox.join("sub")).unwrap();
        fs::write(sandbox.join("stdout"), "hello\n").unwrap();
        fs::write(sandbox.join("sub/deep"), "deep").unwrap();
        symlink("C1", paths.runs("S0", "F", "E").join("latest")).unwrap();
        fs::write(root.path().join("secret"), "s3cret").unwrap();
        World {
            sandboxes: Sandboxes::new(paths),
            sandbox,
            root,
        }
    }

    const LATEST: &str = "/frameworks/F/executors/E/runs/latest";

    #[test]
    fn the_same_file_has_several_paths() {
        let world = world();
        let host = world.sandbox.display();
        let host_latest = world.sandbox.parent().unwrap().join("latest/stdout");
        for path in [
            format!("{LATEST}/stdout"),
            "/frameworks/F/executors/E/runs/C1/stdout".to_owned(),
            format!("{host}/stdout"),
            host_latest.display().to_string(),
        ] {
            let (size, data) = world.sandboxes.read(Some("S0"), &path, 0, 100).unwrap();
            assert_eq!(
                (size, data.as_slice()),
                (6, b"hello\n".as_slice()),
                "{path}"
            );
        }
        assert_eq!(
            world
                .sandboxes
                .read(Some("S0"), &format!("{LATEST}/stdout"), 2, 3)
                .unwrap(),
            (6, b"llo".to_vec())
        );
        assert_eq!(
            world
                .sandboxes
                .read(Some("S0"), &format!("{LATEST}/stdout"), 99, 3)
                .unwrap(),
            (6, vec![])
        );
        assert_eq!(
            world
                .sandboxes
                .size(Some("S0"), &format!("{LATEST}/sub/deep")),
            4
        );
    }

    #[test]
    fn nothing_outside_of_a_sandbox_can_be_read() {
        let world = world();
        let secret = world.root.path().join("secret");
        symlink(&secret, world.sandbox.join("absolute")).unwrap();
        symlink(
            "../../../../../../../../../secret",
            world.sandbox.join("relative"),
        )
        .unwrap();
        symlink("/proc/self/environ", world.sandbox.join("magic")).unwrap();
        symlink("/", world.sandbox.join("root")).unwrap();
        symlink("sub/deep", world.sandbox.join("fine")).unwrap();
        for path in [
            format!("{LATEST}/absolute"),
            format!("{LATEST}/relative"),
            format!("{LATEST}/magic"),
            format!("{LATEST}/root/etc/passwd"),
            format!("{LATEST}/../../../../../../../secret"),
            secret.display().to_string(),
            "/etc/passwd".to_owned(),
            "/frameworks/F/executors/E/runs".to_owned(),
            "/frameworks/../executors/E/runs/latest/stdout".to_owned(),
            format!("{LATEST}/nothing"),
            String::new(),
        ] {
            let result = world.sandboxes.read(Some("S0"), &path, 0, 100);
            assert!(
                matches!(result, Err(FileError::Missing)),
                "{path}: {result:?}"
            );
        }
        assert_eq!(
            world
                .sandboxes
                .read(Some("S0"), &format!("{LATEST}/fine"), 0, 9)
                .unwrap()
                .1,
            b"deep"
        );
        assert!(matches!(
            world.sandboxes.read(Some("S0"), LATEST, 0, 9),
            Err(FileError::IsDirectory)
        ));
    }

    #[test]
    fn a_listing_names_what_is_there() {
        let world = world();
        let names: Vec<String> = world
            .sandboxes
            .list(Some("S0"), LATEST)
            .unwrap()
            .into_iter()
            .map(|info| info.path)
            .collect();
        assert_eq!(names, [format!("{LATEST}/stdout"), format!("{LATEST}/sub")]);
        assert!(matches!(
            world
                .sandboxes
                .list(Some("S0"), &format!("{LATEST}/stdout")),
            Err(FileError::IsFile)
        ));
        assert_eq!(mode_text(0o100_644), "-rw-r--r--");
        assert_eq!(mode_text(0o040_750), "drwxr-x---");
    }
}

//! What keeps a run apart from the machine, where this process may arrange it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::stat::{Mode, mkdirat};

/// The folder in the sandbox that is /tmp to the task.
const OWN_TMP: &str = ".tmp";

/// A file system that runs see instead of the machine's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageRoot {
    /// Where it is on this machine: a mount point that is nobody's to move.
    pub root: PathBuf,
    /// Where the sandbox is inside: working directory and home of runs.
    pub directory: PathBuf,
}

/// How runs are kept apart. Nothing of it is on by default; an executor that is root turns the first two on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Isolation {
    /// No program of the task may gain rights that its user does not have: setuid bits and file capabilities count for nothing.
    pub no_new_privileges: bool,
    /// A mount namespace for each run: mounts of the machine appear in it, its own appear nowhere else. A kernel that does not
    /// allow it is told of and goes without.
    pub own_mounts: bool,
    /// /tmp is a folder of the sandbox. Takes root, and a sandbox that is not itself in /tmp.
    pub own_tmp: bool,
    /// A process namespace for each run: it sees its own processes alone, and its end takes all of them along. Takes root.
    pub own_processes: bool,
}

impl Isolation {
    /// Whether the sandbox can be used with these settings.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn check(self, sandbox: &Path) -> Result<(), String> {
        if self.own_tmp && sandbox.starts_with("/tmp") {
            return Err(format!(
                "a task cannot have a /tmp of its own when its sandbox is in /tmp: {}",
                sandbox.display()
            ));
        }
        Ok(())
    }

    /// Arranges it for this process and those that it starts; a process namespace begins with its next child. To be called while it still has its rights, and has no threads.
    /// `owner` gets the folder for /tmp. `tell` is told what could not be had.
    pub(crate) fn enter(
        self,
        sandbox: &Path,
        in_image: bool,
        owner: Option<(u32, u32)>,
        tell: impl FnOnce(io::Error),
    ) -> io::Result<()> {
        let needs_mounts = self.own_tmp || self.own_processes || in_image;
        if self.own_mounts || needs_mounts {
            match separate_mounts() {
                Ok(()) => {}
                Err(error) if needs_mounts => return Err(error.into()),
                Err(error) => tell(error.into()),
            }
        }
        if self.own_tmp {
            mount_own_tmp(sandbox, owner)?;
        }
        if self.own_processes {
            unshare(CloneFlags::CLONE_NEWPID)?;
        }
        if self.no_new_privileges {
            prctl::set_no_new_privs()?;
        }
        Ok(())
    }
}

/// Moves this process into a mount namespace of its own: mounts of the machine appear in it, its own appear nowhere else.
///
/// # Errors
/// When the kernel does not allow it.
pub fn separate_mounts() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&Path> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
}

/// The way is walked by descriptors: the sandbox belongs to the task's user, who may have put a link in the folder's place.
fn mount_own_tmp(sandbox: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let sandbox = crate::host::open_dir(sandbox)?;
    match mkdirat(&sandbox, OWN_TMP, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let folder = File::from(openat(&sandbox, OWN_TMP, flags, Mode::empty())?);
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::fchown(&folder, Some(uid), Some(gid))?;
    }
    let source = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let none: Option<&Path> = None;
    Ok(mount(
        Some(source.as_str()),
        "/tmp",
        none,
        MsFlags::MS_BIND,
        none,
    )?)
}

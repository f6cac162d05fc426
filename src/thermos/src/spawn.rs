//! The few system calls between fork and exec, and descriptors handed across exec.
#![allow(
    unsafe_code,
    reason = "pre_exec hooks and descriptors inherited by number have no safe interface"
)]

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::Pid;

use crate::isolation::ImageRoot;
use crate::procs;
use crate::users::Account;

/// Starts `program` as a coordinator: leader of its own session, with the stream and the notification pipe open under the
/// numbers that stand in its arguments, and a pipe for its instructions as standard input.
pub(crate) fn coordinator(
    mut command: Command,
    process: &OsStr,
    stream: &File,
    notify: &io::PipeWriter,
) -> io::Result<Child> {
    let (stream, notify) = (stream.as_raw_fd(), notify.as_raw_fd());
    command
        .arg(process)
        .arg(stream.to_string())
        .arg(notify.to_string())
        .stdin(Stdio::piped());
    // SAFETY: the hook runs in the forked child and makes only async-signal-safe system calls on two integers that it
    // owns; it allocates nothing. The descriptors are open in the child, which is a copy of this process.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setsid().map_err(io::Error::from)?;
            keep_open(stream)?;
            keep_open(notify)
        });
    }
    command.spawn()
}

fn keep_open(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: borrowed for this one call, during which nothing in the single-threaded child can close it.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::empty()))
        .map(drop)
        .map_err(io::Error::from)
}

/// Takes over a descriptor that was inherited under this number, and keeps it from being inherited further.
pub(crate) fn adopt(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor <= 2 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: borrow_raw is used for a system call that fails cleanly on a number that is not open; only when it
    // succeeded, and only once, is ownership taken. The caller got the number from its parent for exactly this.
    unsafe {
        let borrowed = std::os::fd::BorrowedFd::borrow_raw(descriptor);
        fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(io::Error::from)?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Another descriptor of what is open as standard input (0), output (1) or error (2).
pub(crate) fn standard(number: RawFd) -> io::Result<OwnedFd> {
    if !(0..=2).contains(&number) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: std sees to it that these three are open when `main` starts, and nothing here closes them.
    unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()
}

/// Closes on exec what this process got open from its parent, apart from the three standard descriptors.
pub(crate) fn close_inherited_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(descriptor) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok())
        else {
            continue;
        };
        if descriptor <= 2 {
            continue;
        }
        // SAFETY: borrowed for one system call, which fails cleanly should the number not be open.
        let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
        fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(io::Error::from)?;
    }
    Ok(())
}

/// Has the command's process killed when its parent dies, and gives it back an empty signal mask and the default handling of
/// SIGINT: a coordinator blocks and ignores signals, and both would be inherited.
pub(crate) fn dies_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    // SAFETY: the hook makes only async-signal-safe system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            default_action(Signal::SIGINT).map_err(io::Error::from)?;
            SigSet::empty().thread_set_mask().map_err(io::Error::from)?;
            prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
            // It may have died before the line above.
            if nix::unistd::getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from(Errno::ESRCH))
            }
        });
    }
}

/// Ignores a signal in this process.
pub(crate) fn ignore(signal: Signal) -> Result<(), Errno> {
    let action = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler function is installed.
    unsafe { sigaction(signal, &action).map(drop) }
}

fn default_action(signal: Signal) -> Result<(), Errno> {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler function is installed.
    unsafe { sigaction(signal, &action).map(drop) }
}

/// Has the command enter an image's file system and become a user before it starts. Changing the root takes root, and a mount
/// namespace whose mounts do not spread; the command gets another one of its own, so that its parent keeps its root.
///
/// # Errors
/// When a path holds a zero byte.
pub fn becomes(
    command: &mut Command,
    image: Option<&ImageRoot>,
    account: Option<&Account>,
) -> io::Result<()> {
    let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let image = match image {
        Some(image) => Some((c_path(&image.root)?, c_path(&image.directory)?)),
        None => None,
    };
    let account = account.map(|account| {
        let groups: Vec<nix::unistd::Gid> =
            account.groups.iter().map(|&group| group.into()).collect();
        (account.uid, account.gid, groups)
    });
    // SAFETY: the hook makes only async-signal-safe system calls; paths and the list were allocated before the fork.
    unsafe {
        command.pre_exec(move || {
            if let Some((root, directory)) = &image {
                enter(root, directory).map_err(io::Error::from)?;
            }
            if let Some((uid, gid, groups)) = &account {
                nix::unistd::setgroups(groups).map_err(io::Error::from)?;
                nix::unistd::setgid((*gid).into()).map_err(io::Error::from)?;
                nix::unistd::setuid((*uid).into()).map_err(io::Error::from)?;
            }
            Ok(())
        });
    }
    Ok(())
}

/// Makes `root` the root of this process, and nothing of the machine's reachable.
fn enter(root: &CStr, directory: &CStr) -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    nix::unistd::chdir(root)?;
    // The old root lands on top of the new one, from where it is taken away.
    nix::unistd::pivot_root(c".", c".")?;
    umount2(c".", MntFlags::MNT_DETACH)?;
    nix::unistd::chdir(directory)
}

/// A descriptor of a process, readable once that has ended. Kernels before 5.3 have none.
pub(crate) fn process_descriptor(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers; what comes back is a descriptor of our own, closed on exec, or a negative number.
    let number = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let number = RawFd::try_from(number).map_err(io::Error::other)?;
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Waits until a child has ended, about that long at most. Where the kernel has no descriptors of processes it comes back after
/// a moment, for the caller to look again.
pub(crate) fn wait_for_end(child: Pid, longest: Duration) {
    let Ok(descriptor) = process_descriptor(child) else {
        return procs::pause(Duration::from_millis(1));
    };
    let longest = u16::try_from(longest.as_millis())
        .unwrap_or(u16::MAX)
        .max(1);
    let mut ended = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    // A signal or an error shortens the wait, which the caller sees by the child.
    let _ = poll(&mut ended, PollTimeout::from(longest));
}

/// Leaves a descriptor open in the command, under its number.
pub(crate) fn inherits(command: &mut Command, descriptor: BorrowedFd<'_>) {
    let number = descriptor.as_raw_fd();
    // SAFETY: one async-signal-safe system call on an integer; the child is a copy in which the descriptor is open.
    unsafe {
        command.pre_exec(move || keep_open(number));
    }
}

//! The first process of a run's process namespace: the program again, as `<program> init …`, between coordinator and bash.
//!
//! The kernel protects a namespace's first process from signals that it does not handle, so bash in its place would be deaf to
//! SIGTERM. This one hands signals on to bash, reaps what bash leaves behind, and ends with bash; the kernel then kills all else
//! in the namespace. How bash ended goes through a pipe, since a first process cannot die by a signal itself.
//!
//! On record is this process's number as the machine sees it: the numbers inside mean nothing outside.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::isolation::ImageRoot;
use crate::users::Account;
use crate::{coordinator, procs, spawn};

/// The first argument that makes a program the first process of a namespace.
pub(crate) const ARGUMENT: &str = "init";
/// What it is called in process listings.
const NAME: &str = "aurora-init";
/// Signals that it hands on.
const FORWARDED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// What it is told, as JSON in its second argument.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Orders {
    pub(crate) cmdline: String,
    pub(crate) account: Option<Account>,
    pub(crate) image: Option<ImageRoot>,
}

/// Starts it as `command` is set up otherwise: its directory, environment and outputs go on to bash. The caller is in a mount
/// namespace of its own and its next child starts a process namespace. Comes with the pipe for [`ended`].
pub(crate) fn start(mut command: Command, orders: &Orders) -> io::Result<(Child, io::PipeReader)> {
    let (reader, writer) = io::pipe()?;
    command
        .arg(writer.as_raw_fd().to_string())
        .arg(serde_json::to_string(orders)?);
    spawn::inherits(&mut command, writer.as_fd());
    Ok((command.spawn()?, reader))
}

/// The command that [`start`] takes.
pub(crate) fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    std::os::unix::process::CommandExt::arg0(&mut command, NAME);
    command.arg(ARGUMENT);
    command
}

/// How bash ended, if the first process lived to tell.
pub(crate) fn ended(pipe: &mut io::PipeReader) -> Option<ExitStatus> {
    let mut raw = [0; 4];
    io::Read::read_exact(pipe, &mut raw).ok()?;
    Some(ExitStatus::from_raw(i32::from_ne_bytes(raw)))
}

/// Runs as the first process. `arguments` are those after [`ARGUMENT`].
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr(), "{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let usage = || io::Error::other("this is started by a coordinator, not by hand");
    let pipe = arguments.next().and_then(|text| text.parse().ok());
    let mut status = File::from(spawn::adopt(pipe.ok_or_else(usage)?)?);
    spawn::close_inherited_on_exec()?;
    let orders: Orders = serde_json::from_str(&arguments.next().ok_or_else(usage)?)?;
    show_own_processes(orders.image.as_ref())?;
    let handled = SigSet::from_iter(FORWARDED.into_iter().chain([Signal::SIGCHLD]));
    handled.thread_block()?;
    let signals = SignalFd::with_flags(&handled, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

    let mut bash = Command::new("/bin/bash");
    bash.arg("-c").arg(&orders.cmdline);
    spawn::becomes(&mut bash, orders.image.as_ref(), orders.account.as_ref())?;
    spawn::dies_with_parent(&mut bash);
    let bash = bash.spawn()?;
    let bash = Pid::from_raw(i32::try_from(bash.id()).map_err(io::Error::other)?);
    if let Some(account) = &orders.account {
        coordinator::become_user(account)?;
    }
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let ended = attend(bash, &signals, &status)?;
    status.write_all(&ended.into_raw().to_ne_bytes())
}

/// Mounts a /proc of this namespace, in a mount namespace of its own: the coordinator needs the machine's.
fn show_own_processes(image: Option<&ImageRoot>) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let proc = image.map_or_else(|| "/proc".into(), |image| image.root.join("proc"));
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let none: Option<&Path> = None;
    Ok(mount(Some("proc"), &proc, Some("proc"), flags, none)?)
}

fn attend(bash: Pid, signals: &SignalFd, status: &File) -> io::Result<ExitStatus> {
    loop {
        let mut descriptors = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            // Without events: an error here is the end of the reader, the coordinator.
            PollFd::new(status.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut descriptors, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other?,
        };
        if descriptors[1].any().unwrap_or(true) {
            return Err(io::Error::other("the coordinator is gone"));
        }
        while let Some(info) = signals.read_signal()? {
            let signal = i32::try_from(info.ssi_signo).ok();
            match signal.and_then(|number| Signal::try_from(number).ok()) {
                None | Some(Signal::SIGCHLD) => {}
                Some(signal) => procs::signal(bash.as_raw(), signal),
            }
        }
        if let Some(ended) = coordinator::reap(bash)? {
            return Ok(ended);
        }
    }
}

//! The small process that stands over one run of one process.
//!
//! The runner starts itself anew as `<program> coordinator <process> <stream> <notify>`: the last two are numbers of
//! inherited descriptors, the locked coordinator stream and a pipe. What to do comes as JSON on standard input, and is sent
//! only after the run's FORKED record is in the stream. The coordinator writes RUNNING and the end of the run, and a byte
//! into the pipe after each; the end of the pipe tells the runner that the coordinator is gone.
//!
//! It leads the session that its process lives in, adopts what that process leaves behind, and when the runner dies (the
//! kernel sends it SIGTERM then) it kills all of it before it dies itself.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use aurora_api::thermos::{ProcessState, ProcessStatus, RunnerCkpt};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::checkpoint::Writer;
use crate::clock;
use crate::init;
use crate::isolation::{ImageRoot, Isolation};
use crate::logs::{self, Logging, RotatingFile};
use crate::plan::Seconds;
use crate::schema::Destination;
use crate::users::Account;
use crate::{memory, procs, spawn};

/// The first argument that makes a program a coordinator.
pub const ARGUMENT: &str = "coordinator";

/// What bash reads first, when it is in the sandbox.
const PROFILE: &str = ".thermos_profile";
/// The most that a runner may send as instructions, in bytes.
const MAX_INSTRUCTIONS: u64 = 16 << 20;
/// How much output is copied at a time.
const COPY_STEP: usize = 64 << 10;
/// How long a process may be silent before the buffer for its output is given back, in milliseconds.
const QUIET: u16 = 1000;
/// How long the last kill may take when the runner has died.
const LAST_KILL: Duration = Duration::from_secs(5);

/// What the runner tells a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Instructions {
    pub(crate) cmdline: String,
    /// The sequence number after FORKED's.
    pub(crate) seq: i64,
    /// The runner; if that is not the parent any more, there is nobody to work for.
    pub(crate) runner: i32,
    /// To change to; stay as one is when absent.
    pub(crate) account: Option<Account>,
    /// How it is kept apart.
    pub(crate) isolation: Isolation,
    /// The file system that it sees, if not the machine's.
    pub(crate) image: Option<ImageRoot>,
    /// Working directory.
    pub(crate) directory: PathBuf,
    /// Set on top of what is inherited or left out.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) preserve_environment: bool,
    pub(crate) logging: Logging,
    pub(crate) log_dir: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("usage: {ARGUMENT} PROCESS STREAM NOTIFY; this is started by the runner, not by hand")]
    Usage,
    #[error("{0}")]
    Doing(&'static str, #[source] io::Error),
    #[error("the instructions are not understood")]
    Instructions(#[source] serde_json::Error),
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::WriteError),
}

fn doing<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::Doing(what, error.into())
}

/// Runs as a coordinator. `arguments` are those after [`ARGUMENT`]. Call this first thing in `main`, before any thread.
#[must_use]
pub fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    match run(&name, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Its standard error is the runner's, which is the only place left for words.
            let mut text = format!("coordinator of {name}: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text.push('\n');
            // At once, since other coordinators write there too. Nobody is left to be told if this fails.
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(process: &str, mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut descriptor = || {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .ok_or(Failure::Usage)
    };
    let (stream, notify) = (descriptor()?, descriptor()?);
    // One number twice would be closed twice.
    if stream == notify {
        return Err(Failure::Usage);
    }
    let stream = spawn::adopt(stream).map_err(doing("taking over the stream"))?;
    let notify = spawn::adopt(notify).map_err(doing("taking over the notification pipe"))?;
    spawn::close_inherited_on_exec().map_err(doing("closing inherited descriptors"))?;
    spawn::ignore(Signal::SIGINT).map_err(doing("ignoring SIGINT"))?;
    prctl::set_child_subreaper(true).map_err(doing("becoming a subreaper"))?;
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGCHLD]);
    signals.thread_block().map_err(doing("blocking signals"))?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(doing("opening a signal descriptor"))?;

    // Not through std's own handles, whose buffers would stay for ever.
    let mut text = Vec::new();
    let instructions = spawn::standard(0).map_err(doing("taking over the instructions"))?;
    File::from(instructions)
        .take(MAX_INSTRUCTIONS)
        .read_to_end(&mut text)
        .map_err(doing("reading the instructions"))?;
    let orders: Instructions = serde_json::from_slice(&text).map_err(Failure::Instructions)?;
    drop(text);

    let owner = orders
        .account
        .as_ref()
        .map(|account| (account.uid, account.gid));
    let complain = |error: io::Error| {
        // Nobody is left to be told if this fails.
        let _ = writeln!(
            io::stderr(),
            "coordinator of {process}: no mount namespace of its own: {error}"
        );
    };
    orders
        .isolation
        .enter(&orders.directory, orders.image.is_some(), owner, complain)
        .map_err(doing("keeping the process apart"))?;
    let start_time = clock::now();
    // Log files are opened as the task's user, who owns their folder; the child needs this process's rights to enter its image
    // or to show its namespace's processes, and gives them up itself.
    let wiring =
        as_user(orders.account.as_ref(), || wire(&orders)).map_err(doing("opening the logs"))?;
    let started = start(&orders, wiring).map_err(doing("starting the process"))?;
    let report = Report {
        writer: Writer::from_file(
            PathBuf::from(format!("coordinator.{process}")),
            File::from(stream),
        ),
        notify: File::from(notify),
        process: process.to_owned(),
        seq: orders.seq,
    };
    let done = stand_over(started, orders, report, start_time, &signals);
    if done.is_err() {
        // The runner is dead, or somebody wants this coordinator gone, or it can do no more. Nobody will look after these.
        procs::kill_descendants(nix::unistd::getpid().as_raw(), LAST_KILL);
    }
    done
}

/// Puts a process that was started on record, and its end.
fn stand_over(
    mut started: Started,
    orders: Instructions,
    mut report: Report,
    start_time: Seconds,
    signals: &SignalFd,
) -> Result<(), Failure> {
    if let Some(account) = &orders.account {
        become_user(account).map_err(doing("changing to the task's user"))?;
    }
    // Changing the user clears this, so it comes after.
    prctl::set_pdeathsig(Signal::SIGTERM)
        .map_err(doing("asking for a word when the runner dies"))?;
    if nix::unistd::getppid().as_raw() != orders.runner {
        return Err(doing("starting")(io::Error::other("the runner died")));
    }
    // What they hold, a long command line say, is not needed any more.
    drop(orders);
    report.write(ProcessStatus {
        state: Some(ProcessState::Running),
        pid: Some(started.pid.as_raw()),
        start_time: Some(start_time.into()),
        ..ProcessStatus::default()
    })?;
    let status = attend(started.pid, signals, &mut started.outputs)
        .map_err(doing("attending to the process"))?
        .ok_or_else(|| io::Error::other("told to end; the process was killed"))
        .map_err(doing("attending to the process"))?;
    let told = started.init.as_mut().and_then(init::ended);
    let status = told.unwrap_or(status);
    let return_code = status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or(0));
    let state = match return_code {
        0 => ProcessState::Success,
        code if code < 0 => ProcessState::Killed,
        _ => ProcessState::Failed,
    };
    report.write(ProcessStatus {
        state: Some(state),
        return_code: Some(return_code),
        stop_time: Some(clock::now().into()),
        ..ProcessStatus::default()
    })
}

/// Becomes the account for good.
pub(crate) fn become_user(account: &Account) -> Result<(), Errno> {
    if nix::unistd::getuid().as_raw() == account.uid {
        return Ok(());
    }
    set_groups(account)?;
    nix::unistd::setgid(account.gid.into())?;
    nix::unistd::setuid(account.uid.into())
}

/// Does something with the rights of the account and no more.
fn as_user<T>(account: Option<&Account>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let own = (nix::unistd::geteuid(), nix::unistd::getegid());
    let Some(account) = account.filter(|account| own.0.as_raw() != account.uid) else {
        return act();
    };
    let own_groups = nix::unistd::getgroups()?;
    set_groups(account)?;
    nix::unistd::setegid(account.gid.into())?;
    nix::unistd::seteuid(account.uid.into())?;
    let done = act();
    nix::unistd::seteuid(own.0)?;
    nix::unistd::setegid(own.1)?;
    nix::unistd::setgroups(&own_groups)?;
    done
}

fn set_groups(account: &Account) -> Result<(), Errno> {
    let groups: Vec<nix::unistd::Gid> = account.groups.iter().map(|&group| group.into()).collect();
    nix::unistd::setgroups(&groups)
}

struct Report {
    writer: Writer,
    notify: File,
    process: String,
    seq: i64,
}

impl Report {
    fn write(&mut self, mut status: ProcessStatus) -> Result<(), Failure> {
        status.seq = Some(self.seq);
        status.process = Some(self.process.clone());
        self.seq += 1;
        self.writer.write(&RunnerCkpt::ProcessStatus(status))?;
        match self.notify.write_all(b".") {
            // The runner died; the signal that says so is on its way.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(doing("notifying the runner")),
        }
    }
}

/// One of the two outputs of the process, to be copied.
struct Output {
    /// `None` at its end.
    pipe: Option<io::PipeReader>,
    file: LogFile,
    console: Option<File>,
}

enum LogFile {
    Plain(File),
    Rotating(RotatingFile),
}

impl Output {
    /// Copies what is there; at the end of the pipe it is closed.
    fn copy(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        buffer.resize(COPY_STEP, 0);
        let read = match pipe.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => {
                self.pipe = None;
                return Err(error);
            }
        };
        if read == 0 {
            self.pipe = None;
            return Ok(());
        }
        let bytes = &buffer[..read];
        let mut result = match &mut self.file {
            LogFile::Plain(file) => file.write_all(bytes),
            LogFile::Rotating(file) => file.write(bytes),
        };
        if let Some(console) = &mut self.console {
            result = result.and(console.write_all(bytes));
        }
        result
    }
}

/// Where the process writes to.
struct Wiring {
    stdout: Stdio,
    stderr: Stdio,
    /// What has to be copied for it.
    outputs: Vec<Output>,
}

fn wire(orders: &Instructions) -> io::Result<Wiring> {
    let mut outputs = Vec::new();
    let mut wire = |name: &str, console: OwnedFd| -> io::Result<Stdio> {
        let path = orders.log_dir.join(name);
        let mut copied = |file: LogFile, console: Option<File>| -> io::Result<Stdio> {
            let (reader, writer) = io::pipe()?;
            outputs.push(Output {
                pipe: Some(reader),
                file,
                console,
            });
            Ok(writer.into())
        };
        let (both, rotate) = match (orders.logging.destination, orders.logging.rotate) {
            (Destination::None, _) => return Ok(Stdio::null()),
            (Destination::Console, _) => return Ok(console.into()),
            (Destination::File, None) => return Ok(logs::open_appending(&path)?.into()),
            (destination, rotate) => (destination == Destination::Both, rotate),
        };
        let file = match rotate {
            None => LogFile::Plain(logs::open_appending(&path)?),
            Some(policy) => LogFile::Rotating(RotatingFile::create(&path, policy)?),
        };
        copied(file, both.then(|| console.into()))
    };
    Ok(Wiring {
        stdout: wire("stdout", spawn::standard(1)?)?,
        stderr: wire("stderr", spawn::standard(2)?)?,
        outputs,
    })
}

/// A process that runs.
struct Started {
    pid: Pid,
    outputs: Vec<Output>,
    /// What the first process of its namespace tells, if it has one.
    init: Option<io::PipeReader>,
}

fn start(orders: &Instructions, wiring: Wiring) -> io::Result<Started> {
    let mut command = if orders.isolation.own_processes {
        init::command()
    } else {
        let mut bash = Command::new("/bin/bash");
        bash.arg("-c").arg(&orders.cmdline);
        bash
    };
    command
        .stdin(Stdio::null())
        .stdout(wiring.stdout)
        .stderr(wiring.stderr);
    if !orders.preserve_environment {
        command.env_clear();
    }
    command.envs(orders.environment.iter().map(|(name, value)| (name, value)));
    let home = orders
        .image
        .as_ref()
        .map_or(&orders.directory, |image| &image.directory);
    // Upstream looks when the process starts: an earlier process of the task may have written it.
    if orders.directory.join(PROFILE).exists() {
        command.env("BASH_ENV", home.join(PROFILE));
    }
    if orders.image.is_none() {
        command.current_dir(&orders.directory);
    }
    let (account, image) = (orders.account.clone(), orders.image.clone());
    let (child, init) = if orders.isolation.own_processes {
        let cmdline = orders.cmdline.clone();
        let orders = init::Orders {
            cmdline,
            account,
            image,
        };
        let (child, pipe) = init::start(command, &orders)?;
        (child, Some(pipe))
    } else {
        spawn::becomes(&mut command, image.as_ref(), account.as_ref())?;
        spawn::dies_with_parent(&mut command);
        (command.spawn()?, None)
    };
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Started {
        pid: Pid::from_raw(pid),
        outputs: wiring.outputs,
        init,
    })
}

/// Waits until the process has ended and its copied outputs are at their ends (a background child that keeps one open
/// delays that, as upstream). `None` when told to end.
fn attend(pid: Pid, signals: &SignalFd, outputs: &mut [Output]) -> io::Result<Option<ExitStatus>> {
    let mut status = None;
    let mut buffer = Vec::new();
    let mut complained = false;
    memory::give_back();
    loop {
        if let (Some(status), true) = (status, outputs.iter().all(|output| output.pipe.is_none())) {
            return Ok(Some(status));
        }
        let readable: Vec<bool> = {
            let mut descriptors = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            descriptors.extend(
                outputs
                    .iter()
                    .filter_map(|output| output.pipe.as_ref())
                    .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
            );
            // Only who has a buffer to give back looks at the clock, and that once.
            let patience = match buffer.is_empty() {
                true => PollTimeout::NONE,
                false => PollTimeout::from(QUIET),
            };
            match poll(&mut descriptors, patience) {
                Err(Errno::EINTR) => continue,
                Ok(0) => {
                    buffer = Vec::new();
                    memory::give_back();
                    continue;
                }
                other => other?,
            };
            descriptors
                .iter()
                .map(|descriptor| descriptor.any().unwrap_or(true))
                .collect()
        };
        if readable[0] {
            while let Some(signal) = signals.read_signal()? {
                if signal.ssi_signo == Signal::SIGTERM as u32 {
                    return Ok(None);
                }
            }
            if let Some(ended) = reap(pid)? {
                status = Some(ended);
            }
        }
        let mut position = 0;
        for output in outputs.iter_mut().filter(|output| output.pipe.is_some()) {
            position += 1;
            if !readable[position] {
                continue;
            }
            // A full disk must not stop the process: what cannot be written is lost, and later output is tried again.
            if let Err(error) = output.copy(&mut buffer)
                && !std::mem::replace(&mut complained, true)
            {
                // Nobody is left to be told if this fails.
                let _ = writeln!(
                    io::stderr(),
                    "cannot write the output of the process: {error}"
                );
            }
        }
    }
}

/// Reaps whatever has ended; the status of `pid` if it is among that.
pub(crate) fn reap(pid: Pid) -> io::Result<Option<ExitStatus>> {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(who, code)) if who == pid => {
                found = Some(ExitStatus::from_raw(code << 8))
            }
            Ok(WaitStatus::Signaled(who, signal, _)) if who == pid => {
                found = Some(ExitStatus::from_raw(signal as i32))
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(found),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

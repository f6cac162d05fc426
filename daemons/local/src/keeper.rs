//! Keeps one daemon running: starts it, waits for its ready line, starts it again when it crashes, ends it when asked.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aurora_client::endpoints::process_start_time;
use aurora_daemon::lifecycle::Shutdown;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::layout::{LayoutError, tail};
use crate::records::{Record, Records};
use crate::roles::{Role, Wiring};

const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// A daemon that lived for this long is started again at once.
const GOOD_LIFE: Duration = Duration::from_secs(30);

/// A ready line is short.
const MAX_READY_LINE: u64 = 4096;

/// How much of its log is shown when a daemon does not become ready.
const SHOWN_LINES: usize = 15;

/// Why a daemon did not become ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("cannot start {program}: {cause}")]
    Spawn { program: PathBuf, cause: io::Error },
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("the {name} {what}; the last lines of its log {log} are:\n{tail}")]
    NotReady {
        name: &'static str,
        what: String,
        log: PathBuf,
        tail: String,
    },
}

#[derive(Deserialize)]
struct ReadyLine {
    ready: Ready,
}

#[derive(Deserialize)]
struct Ready {
    address: SocketAddr,
}

/// A daemon that runs.
struct Running {
    child: Child,
    address: SocketAddr,
    since: Instant,
    /// The daemon ends when this is closed, in whatever way this process ends.
    _lifeline: OwnedFd,
}

/// Keeps one daemon.
pub(crate) struct Keeper {
    pub(crate) role: Role,
    pub(crate) program: PathBuf,
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) records: Arc<Records>,
    pub(crate) master: Option<SocketAddr>,
    pub(crate) shutdown: Shutdown,
}

impl Keeper {
    /// Runs until `shutdown`, and ends the daemon then. The address of the daemon, or why it has none, is sent once.
    pub(crate) async fn run(self, ready: oneshot::Sender<Result<SocketAddr, StartError>>) {
        let name = self.role.name();
        let port = self.records.port(name);
        let mut running = tokio::select! {
            started = self.start(port) => match started {
                Ok(running) => running,
                Err(error) => {
                    // The supervisor may have given up already.
                    let _ = ready.send(Err(error));
                    return;
                }
            },
            () = self.shutdown.wait() => return,
        };
        let port = running.address.port();
        self.record(&running, 0);
        let _ = ready.send(Ok(running.address));
        let mut backoff = FIRST_BACKOFF;
        let mut restarts = 0;
        loop {
            let status = tokio::select! {
                status = running.child.wait() => status,
                () = self.shutdown.wait() => {
                    self.stop(&mut running).await;
                    return;
                }
            };
            if running.since.elapsed() > GOOD_LIFE {
                backoff = FIRST_BACKOFF;
            }
            tracing::error!(
                daemon = name,
                status = shown(&status),
                "ended by itself; starting it again"
            );
            running = loop {
                tokio::select! {
                    () = tokio::time::sleep(backoff) => {}
                    () = self.shutdown.wait() => return,
                }
                backoff = (backoff * 2).min(LAST_BACKOFF);
                restarts += 1;
                tokio::select! {
                    started = self.start(port) => match started {
                        Ok(running) => break running,
                        Err(error) => tracing::error!(daemon = name, "{error}"),
                    },
                    () = self.shutdown.wait() => return,
                }
            };
            tracing::info!(daemon = name, address = %running.address, restarts, "runs again");
            self.record(&running, restarts);
        }
    }

    /// Starts the daemon and waits until it is ready. When this is dropped, the daemon is killed.
    async fn start(&self, port: u16) -> Result<Running, StartError> {
        let name = self.role.name();
        let log = self.wiring.layout.log(name);
        let errors = self.wiring.layout.open_log(name)?;
        let before = errors.metadata().map_or(0, |found| found.len());
        let spawn_error = |cause| StartError::Spawn {
            program: self.program.clone(),
            cause,
        };
        let (mut child, lifeline) = self.spawn(port, errors).map_err(spawn_error)?;
        let deadline = self.role.ready_deadline();
        let stdout = child.stdout.take();
        let line = match stdout {
            Some(stdout) => tokio::time::timeout(deadline, ready_line(stdout)).await,
            None => Ok(Err("has no standard output".to_owned())),
        };
        let what = match line {
            Ok(Ok(address)) => {
                return Ok(Running {
                    child,
                    address,
                    since: Instant::now(),
                    _lifeline: lifeline,
                });
            }
            Ok(Err(what)) => what,
            Err(_) => format!("did not become ready within {} s", deadline.as_secs()),
        };
        // It may be about to end by itself, and how says more than our signal would.
        let status = match tokio::time::timeout(Duration::from_secs(1), child.wait()).await {
            Ok(status) => format!(" ({})", shown(&status)),
            Err(_) => {
                child.start_kill().map_err(spawn_error)?;
                child.wait().await.map_err(spawn_error)?;
                String::new()
            }
        };
        Err(StartError::NotReady {
            name,
            what: format!("{what}{status}"),
            tail: tail(&log, before, SHOWN_LINES),
            log,
        })
    }

    fn spawn(&self, port: u16, errors: std::fs::File) -> io::Result<(Child, OwnedFd)> {
        let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let child = Command::new(&self.program)
            .args(self.wiring.arguments(self.role, port, self.master))
            .arg("--lifeline-fd")
            .arg(theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .current_dir(&self.wiring.layout.dir)
            // Ctrl-c is for the supervisor, which ends the daemons in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok((child, ours))
    }

    fn record(&self, running: &Running, restarts: u32) {
        let pid = running.child.id().unwrap_or_default();
        let record = Record {
            pid,
            start_time: process_start_time(pid).unwrap_or_default(),
            address: running.address.to_string(),
            restarts,
        };
        if let Err(error) = self.records.set(self.role.name(), record) {
            tracing::warn!(%error, "cannot write daemons.json");
        }
    }

    async fn stop(&self, running: &mut Running) {
        let name = self.role.name();
        if let Some(pid) = running.child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM)
        {
            tracing::warn!(daemon = name, %error, "cannot be told to end");
        }
        let deadline = self.role.stop_deadline();
        match tokio::time::timeout(deadline, running.child.wait()).await {
            Ok(Ok(status)) if status.success() => tracing::info!(daemon = name, "ended"),
            Ok(status) => tracing::warn!(daemon = name, status = shown(&status), "ended"),
            Err(_) => {
                tracing::warn!(
                    daemon = name,
                    "did not end within {} s; killed",
                    deadline.as_secs()
                );
                if let Err(error) = running.child.kill().await {
                    tracing::warn!(daemon = name, %error, "cannot be killed");
                }
            }
        }
    }
}

/// Reads the ready line; the fault otherwise, as the end of "the NAME …".
async fn ready_line(stdout: ChildStdout) -> Result<SocketAddr, String> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stdout.take(MAX_READY_LINE));
    reader
        .read_until(b'\n', &mut line)
        .await
        .map_err(|error| format!("has a broken standard output: {error}"))?;
    if line.is_empty() {
        return Err("ended before it was ready".to_owned());
    }
    serde_json::from_slice::<ReadyLine>(&line)
        .map(|line| line.ready.address)
        .map_err(|error| {
            let text = String::from_utf8_lossy(&line);
            format!("said {:?} instead of being ready: {error}", text.trim())
        })
}

fn shown(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

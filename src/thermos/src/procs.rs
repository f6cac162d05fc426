//! Processes of this machine, seen through /proc, and signals to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aurora_api::thermos::ProcessStatus;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process id as it stands in checkpoints.
pub type ProcessId = i32;

/// The children of a process, zombies included; empty when it is gone.
#[must_use]
pub fn children(pid: ProcessId) -> Vec<ProcessId> {
    let mut found = Vec::new();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return found;
    };
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => found.extend(
                text.split_whitespace()
                    .filter_map(|pid| pid.parse::<ProcessId>().ok()),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound && thread.path().exists() => {
                // A kernel without CONFIG_PROC_CHILDREN.
                return parents()
                    .into_iter()
                    .filter(|(_, parent)| *parent == pid)
                    .map(|(child, _)| child)
                    .collect();
            }
            Err(_) => {}
        }
    }
    found
}

/// Every descendant of a process, nearest first; the process itself is not among them.
#[must_use]
pub fn descendants(pid: ProcessId) -> Vec<ProcessId> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([pid]);
    let mut level = vec![pid];
    while !level.is_empty() {
        level = level
            .iter()
            .flat_map(|&parent| children(parent))
            .filter(|&child| seen.insert(child))
            .collect();
        found.extend_from_slice(&level);
    }
    found
}

fn parents() -> BTreeMap<ProcessId, ProcessId> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<ProcessId>().ok())
        .filter_map(|pid| Some((pid, stat_field(pid, PARENT)?.parse().ok()?)))
        .collect()
}

/// Positions in /proc/PID/stat, counted after the command's closing bracket.
const STATE: usize = 0;
const PARENT: usize = 1;
const START: usize = 19;
/// Ticks a second in /proc: USER_HZ, which is 100 wherever Linux shows it to programs.
const TICKS: f64 = 100.0;
/// How far the recorded start of a process may be from its real one, in seconds, as upstream.
const START_TOLERANCE: f64 = 10.0;

/// The parent of a process; `None` when it is gone.
#[must_use]
pub fn parent(pid: ProcessId) -> Option<ProcessId> {
    stat_field(pid, PARENT)?.parse().ok()
}

/// When a process was started, in seconds since 1970 by the clock of now.
fn started_at(pid: ProcessId) -> Option<f64> {
    let ticks: f64 = stat_field(pid, START)?.parse().ok()?;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + ticks / TICKS)
}

/// Whether the number on record still is the process that was recorded: started within some seconds of the recorded time (or,
/// should the clock have been set since, a child of the recorded coordinator) and run by the recorded user. Without a recorded
/// user, and with root as such, anybody will do. Numbers are used again, and records outlive machines
/// (aurora: `src/main/python/apache/thermos/core/helper.py`, `is_process_alive` and `this_is_really_our_pid`).
#[must_use]
pub fn is_recorded(run: &ProcessStatus, uid: Option<i32>) -> bool {
    let Some(pid) = run.pid.filter(|&pid| pid > 1) else {
        return false;
    };
    let as_recorded = match uid.and_then(|uid| u32::try_from(uid).ok()) {
        None | Some(0) => is_alive(pid),
        Some(uid) => real_uid(pid) == Some(uid),
    };
    let has_its_parent = || run.coordinator_pid.is_some() && parent(pid) == run.coordinator_pid;
    // Asked last, since the kernel counts all its interrupts for an answer.
    let in_time = || match (run.start_time, started_at(pid)) {
        (Some(recorded), Some(started)) => (recorded.0 - started).abs() <= START_TOLERANCE,
        _ => false,
    };
    as_recorded && (has_its_parent() || in_time())
}

fn real_uid(pid: ProcessId) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().next()?.parse().ok()
}

fn stat_field(pid: ProcessId, position: usize) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, after) = text.rsplit_once(')')?;
    after.split_whitespace().nth(position).map(str::to_owned)
}

/// Whether the process exists and is not merely waiting to be reaped.
#[must_use]
pub fn is_alive(pid: ProcessId) -> bool {
    stat_field(pid, STATE).is_some_and(|state| state != "Z" && state != "X")
}

/// Sends a signal to one process. One that is gone already is fine.
pub fn signal(pid: ProcessId, signal: Signal) {
    // 0 and -1 would mean "my group" and "everybody".
    if pid <= 1 {
        return;
    }
    report(kill(Pid::from_raw(pid), signal), pid, signal);
}

/// Sends a signal to a process group. One that has no members is fine.
pub fn signal_group(group: ProcessId, signal: Signal) {
    if group <= 1 {
        return;
    }
    report(kill(Pid::from_raw(-group), signal), -group, signal);
}

fn report(result: nix::Result<()>, pid: ProcessId, signal: Signal) {
    match result {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(pid, %signal, %error, "cannot send a signal"),
    }
}

/// Kills every descendant of `pid`, again and again until none is left that this process may kill, for at most `patience`.
/// A process that forks faster than it is killed loses in the end: each pass kills parents before they can reap.
pub fn kill_descendants(pid: ProcessId, patience: Duration) {
    let deadline = Instant::now() + patience;
    loop {
        let alive: Vec<ProcessId> = descendants(pid)
            .into_iter()
            .filter(|&child| is_alive(child))
            .collect();
        if alive.is_empty() {
            return;
        }
        for child in &alive {
            signal(*child, Signal::SIGKILL);
        }
        if Instant::now() >= deadline {
            tracing::error!(?alive, "processes outlive SIGKILL");
            return;
        }
        // Only to give the kernel a moment to tear them down: nothing signals the death of a grandchild.
        pause(Duration::from_millis(2));
    }
}

/// Children of this process that a runner in it must leave alone, such as health checks. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Exemptions(Arc<Mutex<BTreeSet<ProcessId>>>);

impl Exemptions {
    /// Leaves a child alone from now on. Call this before anything is awaited after its start.
    pub fn add(&self, pid: ProcessId) {
        self.list().insert(pid);
    }

    /// Forgets a child that has been reaped.
    pub fn remove(&self, pid: ProcessId) {
        self.list().remove(&pid);
    }

    /// Whether no child is left alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    pub(crate) fn contains(&self, pid: ProcessId) -> bool {
        self.list().contains(&pid)
    }

    fn list(&self) -> MutexGuard<'_, BTreeSet<ProcessId>> {
        // A panic elsewhere leaves a set of numbers, which cannot be half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits a moment without touching anything.
pub fn pause(time: Duration) {
    let millis = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
    // An early return by a signal only shortens the pause.
    let _ = poll(&mut [], PollTimeout::from(millis));
}

/// What a bounded command left behind.
#[derive(Debug)]
pub(crate) struct BoundedOutput {
    pub(crate) success: bool,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
}

/// Runs a command without input for at most `timeout` and keeps at most `limit` bytes of what it prints. A command that
/// takes longer or prints more is killed, and reported as an error.
pub(crate) fn run_bounded(
    mut command: Command,
    timeout: Duration,
    limit: usize,
) -> io::Result<BoundedOutput> {
    let deadline = Instant::now() + timeout;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let outcome = (|| {
        let Some(mut stdout) = child.stdout.take() else {
            return Err(io::Error::other("the child has no standard output"));
        };
        let mut text = Vec::new();
        let mut chunk = [0_u8; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
            match poll(
                &mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)],
                PollTimeout::from(millis),
            ) {
                Ok(0) | Err(Errno::EINTR) => continue,
                other => other?,
            };
            let read = stdout.read(&mut chunk)?;
            if read == 0 {
                return Ok(text);
            }
            text.extend_from_slice(&chunk[..read]);
            if text.len() > limit {
                return Err(io::Error::other(format!(
                    "the child prints more than {limit} bytes"
                )));
            }
        }
    })();
    if outcome.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let text = outcome?;
    Ok(BoundedOutput {
        success: status.success(),
        code: status.code(),
        stdout: String::from_utf8_lossy(&text).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_trusted_by_start_time_parent_and_user() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let own = nix::unistd::getuid().as_raw().cast_signed();
        let me = std::process::id().cast_signed();
        let (now, long_ago) = (crate::clock::now(), 1_000.0);
        for (start, coordinator, uid, expected) in [
            (now, None, Some(own), true),
            (now, None, None, true),
            (now, None, Some(0), true),
            (now, None, Some(own + 1), false),
            (long_ago, None, Some(own), false),
            (long_ago, Some(me), Some(own), true),
            (long_ago, Some(1), Some(own), false),
        ] {
            let run = ProcessStatus {
                pid: Some(pid),
                start_time: Some(start.into()),
                coordinator_pid: coordinator,
                ..ProcessStatus::default()
            };
            assert_eq!(is_recorded(&run, uid), expected, "{run:?} {uid:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = ProcessStatus {
            pid: Some(pid),
            start_time: Some(now.into()),
            ..ProcessStatus::default()
        };
        assert!(!is_recorded(&gone, None));
    }
}

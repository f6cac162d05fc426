//! Processes: found, watched and ended.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, arguments separated by blanks.
    pub command: String,
}

/// Whether a process is there and not a zombie.
pub fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()))
        .is_some_and(|rest| !rest.starts_with(['Z', 'X']))
}

/// Every living process that has `directory` in its command line, its environment, or as (part of) its working directory.
pub fn belonging_to(directory: &Path) -> Vec<Process> {
    let wanted = directory.as_os_str().as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if pid == std::process::id().cast_signed() || !is_alive(pid) {
            continue;
        }
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let command = read("cmdline");
        let place = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if holds(&command) || holds(&read("environ")) || holds(place.as_os_str().as_bytes()) {
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(Process {
                pid,
                command: command.trim().to_owned(),
            });
        }
    }
    found.sort();
    found
}

/// Sends a signal; a process that is gone already is none of the sender's business.
///
/// # Panics
/// When the process may not be signalled.
pub fn signal(pid: i32, signal: Signal) {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(nix::Error::ESRCH) => {}
        Err(error) => panic!("cannot send {signal} to process {pid}: {error}"),
    }
}

/// Ends every process that belongs to a directory, for as long as new ones appear.
pub fn end_all(directory: &Path) {
    for _ in 0..100 {
        let left = belonging_to(directory);
        if left.is_empty() {
            return;
        }
        for process in left {
            signal(process.pid, Signal::SIGKILL);
        }
    }
}

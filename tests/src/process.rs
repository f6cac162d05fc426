//! Processes: found, watched and ended.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, arguments separated by blanks.
    pub command: String,
    /// The id of its parent; 0 when it is not known.
    pub parent: i32,
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
                parent: parent(&read("stat")).unwrap_or(0),
            });
        }
    }
    found.sort();
    found
}

/// The second field behind the name, which may hold anything; see proc_pid_stat(5).
fn parent(stat: &[u8]) -> Option<i32> {
    let stat = String::from_utf8_lossy(stat);
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
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

/// Ends every process that belongs to a directory, for as long as new ones appear, and removes the control groups that a
/// cluster there had: what a test that failed, or that killed its cluster, leaves behind.
pub fn end_all(directory: &Path) {
    let mut groups = BTreeSet::new();
    for _ in 0..100 {
        let left = belonging_to(directory);
        if left.is_empty() {
            break;
        }
        for process in left {
            groups.extend(control_groups(process.pid));
            groups.extend(root_group(&process.command));
            signal(process.pid, Signal::SIGKILL);
        }
    }
    for group in groups {
        remove_control_group(&group);
    }
}

/// Ends, when dropped, whatever belongs to a directory.
pub struct Ended<'a>(pub &'a Path);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        end_all(self.0);
    }
}

/// Removes a control group and those in it from every hierarchy. A process that was killed leaves its group a moment later,
/// which is waited for; one that is still in use after that stays.
pub fn remove_control_group(name: &str) {
    let mounted = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(mounted).into_iter().flatten().flatten();
    let places = hierarchies.map(|entry| entry.path().join(name));
    let groups: Vec<PathBuf> = places.chain([mounted.join(name)]).collect();
    wait::holds_within(Duration::from_secs(10), || {
        groups.iter().for_each(|group| remove_group(group));
        !groups.iter().any(|group| group.exists())
    });
}

/// The names of control groups that an embedded cluster made and the process is in: `aurora-…`.
fn control_groups(pid: i32) -> Vec<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.rsplit_once(":/")?.1.split('/').next())
        .filter(|name| name.starts_with("aurora-"))
        .map(str::to_owned)
        .collect()
}

/// The name that an agent was told to make its control groups under. They are there before its first task is, and after its last.
fn root_group(command: &str) -> Option<String> {
    let mut words = command.split_whitespace();
    words.find(|word| *word == "--cgroups-root")?;
    words
        .next()
        .filter(|name| name.starts_with("aurora-"))
        .map(str::to_owned)
}

/// Removes a group and those in it; one that is not there, or still in use by a dying process, stays.
fn remove_group(group: &Path) {
    for inner in fs::read_dir(group).into_iter().flatten().flatten() {
        if inner.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&inner.path());
        }
    }
    drop(fs::remove_dir(group));
}

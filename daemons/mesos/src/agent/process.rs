//! Processes that outlive the agent: who they are, whether they still live, and how to end all of a tree.
//!
//! A pid alone names nothing after a restart, since the kernel hands it out again. A process is therefore known by its pid
//! together with its start time and the boot in which both were read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// One process, in the only form in which it may be written down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// Clock ticks between the boot and the start of the process (field 22 of `/proc/<pid>/stat`).
    pub(crate) start_time: u64,
    /// `/proc/sys/kernel/random/boot_id` at that time.
    pub(crate) boot_id: String,
}

/// What `/proc/<pid>/stat` tells about one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    pub(crate) threads: u64,
    pub(crate) start_time: u64,
    /// Resident pages.
    pub(crate) resident_pages: u64,
}

/// The identifier of this boot of the machine; empty when the kernel does not tell.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Reads one process; `None` when there is no such process.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in brackets and may itself hold spaces and brackets: the last one closes it.
fn parse_stat(text: &str) -> Option<Stat> {
    let rest = &text[text.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let unsigned = |field: usize| number(field).and_then(|value| u64::try_from(value).ok());
    let signed = |field: usize| number(field).and_then(|value| i32::try_from(value).ok());
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: signed(4)?,
        group: signed(5)?,
        session: signed(6)?,
        user_ticks: unsigned(14)?,
        system_ticks: unsigned(15)?,
        threads: unsigned(20)?,
        start_time: unsigned(22)?,
        resident_pages: unsigned(24).unwrap_or(0),
    })
}

impl Identity {
    /// The identity of a process that lives now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self {
            pid,
            start_time: stat(pid)?.start_time,
            boot_id: boot_id(),
        })
    }

    /// Whether the very same process is still there and not just a dead entry waiting for its parent.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && stat(self.pid).is_some_and(|now| {
                now.start_time == self.start_time && !matches!(now.state, 'Z' | 'X')
            })
    }
}

#[allow(
    unsafe_code,
    reason = "pidfd_open and pidfd_send_signal have no wrapper in nix or std, and tokio watches descriptors by an unsafe promise"
)]
mod pidfd {
    use super::{AsRawFd, FromRawFd, OwnedFd, io};

    pub(super) fn open(pid: i32) -> io::Result<OwnedFd> {
        // SAFETY: the system call takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made this descriptor (close-on-exec) for us and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    pub(super) fn watch(pidfd: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
        // SAFETY: an owned descriptor always answers with the same open descriptor until it is dropped with the AsyncFd.
        let watched = unsafe {
            tokio::io::unix::AsyncFd::register_with_interest(pidfd, tokio::io::Interest::READABLE)
        };
        watched.map_err(io::Error::from)
    }

    pub(super) fn send(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo is allowed and means the same as kill(2); the descriptor is open for as long as we borrow it.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                pidfd.as_raw_fd(),
                signal,
                no_info,
                0,
            )
        };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// Opens a handle to exactly this process. `None` when it is gone.
fn open_handle(identity: &Identity) -> io::Result<Option<OwnedFd>> {
    match pidfd::open(identity.pid) {
        // Looked at after opening: from now on the handle cannot come to mean another process.
        Ok(handle) => Ok(identity.is_alive().then_some(handle)),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until a process that need not be our child has ended. Its exit status cannot be known.
pub(crate) async fn wait_gone(identity: &Identity) -> io::Result<()> {
    let Some(handle) = open_handle(identity)? else {
        return Ok(());
    };
    let handle = pidfd::watch(handle)?;
    let _readable = handle.readable().await?;
    Ok(())
}

/// Sends a signal to exactly this process; a process that is gone is fine.
pub(crate) fn signal(identity: &Identity, signal: i32) -> io::Result<()> {
    let Some(handle) = open_handle(identity)? else {
        return Ok(());
    };
    match pidfd::send(&handle, signal) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}

/// Every process of the machine that can be read now.
pub(crate) fn all() -> BTreeMap<i32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

/// The processes that belong to a container without cgroups: the descendants of its leader and everything in its session,
/// also when the leader itself is gone (mesos: src/linux/... posix launcher, os::killtree).
pub(crate) fn members(processes: &BTreeMap<i32, Stat>, leader: i32) -> BTreeSet<i32> {
    let mut found: BTreeSet<i32> = processes
        .iter()
        .filter(|(pid, stat)| **pid == leader || stat.session == leader)
        .map(|(pid, _)| *pid)
        .collect();
    loop {
        let sessions: BTreeSet<i32> = found
            .iter()
            .filter_map(|pid| processes.get(pid))
            .map(|stat| stat.session)
            .filter(|s| found.contains(s))
            .collect();
        let more: Vec<i32> = processes
            .iter()
            .filter(|(pid, stat)| {
                !found.contains(pid)
                    && (found.contains(&stat.parent) || sessions.contains(&stat.session))
            })
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// The processes whose environment names this container's sandbox: also those that left the session and lost their parent.
/// The environment is what a program was started with; one that clears it is not found this way.
pub(crate) fn marked(processes: &BTreeMap<i32, Stat>, container: &str) -> BTreeSet<i32> {
    let mark = format!("/runs/{container}");
    let is_marked = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| {
            text.split(|byte| *byte == 0)
                // A pager that somebody started while in the sandbox is not the container's.
                .filter(|pair| !pair.starts_with(b"PWD=") && !pair.starts_with(b"OLDPWD="))
                .flat_map(|pair| pair.windows(mark.len()))
                .any(|window| window == mark.as_bytes())
        })
    };
    processes.keys().copied().filter(is_marked).collect()
}

/// Sends a signal to every living process of these and returns how many there were.
pub(crate) fn signal_each(
    processes: &BTreeMap<i32, Stat>,
    pids: &BTreeSet<i32>,
    signal: i32,
) -> usize {
    let boot_id = boot_id();
    let mut living = 0;
    for pid in pids {
        let Some(stat) = processes
            .get(pid)
            .filter(|stat| !matches!(stat.state, 'Z' | 'X'))
        else {
            continue;
        };
        living += 1;
        let identity = Identity {
            pid: *pid,
            start_time: stat.start_time,
            boot_id: boot_id.clone(),
        };
        if let Err(error) = self::signal(&identity, signal) {
            tracing::warn!(pid, signal, %error, "cannot signal a process of a container");
        }
    }
    living
}

/// Sends a signal to every living process of a tree and returns how many there were.
///
/// `leader` must be known to be the tree's own pid or session: a session id is not given away while the session has a
/// member, so members found through it are the tree's.
pub(crate) fn signal_tree(leader: i32, signal: i32) -> usize {
    let processes = all();
    let members = members(&processes, leader);
    signal_each(&processes, &members, signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_hold_anything() {
        let text = "4242 (we (ird) name) S 1 4240 4239 0 -1 4194560 11 22 33 44 55 66 77 88 20 0 3 0 987654 1000 250 1844";
        let stat = parse_stat(text).unwrap();
        assert_eq!(
            (stat.state, stat.parent, stat.group, stat.session),
            ('S', 1, 4240, 4239)
        );
        assert_eq!(
            (stat.user_ticks, stat.system_ticks, stat.threads),
            (55, 66, 3)
        );
        assert_eq!((stat.start_time, stat.resident_pages), (987_654, 250));
        assert!(parse_stat("1 (short) S 1").is_none());
    }

    #[test]
    fn a_tree_holds_descendants_and_sessions_but_no_stranger() {
        let process = |parent, session| Stat {
            state: 'S',
            parent,
            group: session,
            session,
            user_ticks: 0,
            system_ticks: 0,
            threads: 1,
            start_time: 1,
            resident_pages: 0,
        };
        let processes = BTreeMap::from([
            (1, process(0, 1)),
            (10, process(1, 10)),  // the leader
            (11, process(10, 10)), // its child
            (12, process(1, 10)),  // orphaned, but of its session
            (13, process(11, 13)), // a grandchild in a session of its own
            (14, process(1, 13)),  // orphaned from that session
            (20, process(1, 20)),
            (21, process(20, 20)),
        ]);
        assert_eq!(
            members(&processes, 10),
            BTreeSet::from([10, 11, 12, 13, 14])
        );
        let mut leaderless = processes.clone();
        leaderless.remove(&10);
        leaderless.insert(11, process(1, 10));
        assert_eq!(members(&leaderless, 10), BTreeSet::from([11, 12, 13, 14]));
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_seen_and_its_pid_is_not_confused() {
        let mut child = std::process::Command::new("sleep")
            .arg("300")
            .spawn()
            .unwrap();
        let identity = Identity::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(identity.is_alive());
        let other = Identity {
            start_time: identity.start_time + 1,
            ..identity.clone()
        };
        assert!(!other.is_alive());
        signal(&other, libc::SIGKILL).unwrap();
        assert!(
            identity.is_alive(),
            "a signal for another start time must not arrive"
        );
        let other_boot = Identity {
            boot_id: "another boot".into(),
            ..identity.clone()
        };
        assert!(!other_boot.is_alive());
        signal(&identity, libc::SIGKILL).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(10), wait_gone(&identity))
            .await
            .unwrap()
            .unwrap();
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }

    #[test]
    fn a_process_that_left_its_session_and_its_parent_is_found_by_its_mark() {
        let container = format!("mark-{}", std::process::id());
        let mut parent = std::process::Command::new("sh")
            .args(["-c", "setsid sleep 300 >/dev/null 2>&1 & wait $!"])
            .env("MESOS_DIRECTORY", format!("/w/runs/{container}"))
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let parent_pid = i32::try_from(parent.id()).unwrap();
        let orphan = loop {
            let processes = all();
            let found = marked(&processes, &container);
            let sleeper = found
                .iter()
                .find(|pid| **pid != parent_pid && processes[*pid].session == **pid);
            if let Some(pid) = sleeper {
                break *pid;
            }
            assert!(std::time::Instant::now() < deadline, "found only {found:?}");
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        };
        parent.kill().unwrap();
        parent.wait().unwrap();
        let processes = all();
        assert!(!members(&processes, parent_pid).contains(&orphan));
        let found = marked(&processes, &container);
        assert_eq!(found, BTreeSet::from([orphan]));
        assert_eq!(signal_each(&processes, &found, libc::SIGKILL), 1);
    }
}

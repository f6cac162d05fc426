//! `daemons.json`: processes and ports of the last run, so that a daemon keeps its port and nothing is left running twice.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use aurora_client::endpoints::{boot_id, process_start_time};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::layout::replace;

/// How daemons of an earlier run are ended, and how long each step may take: first they may notice that their supervisor is
/// gone.
const LEFTOVER_STEPS: [(Option<Signal>, Duration); 3] = [
    (None, Duration::from_secs(10)),
    (Some(Signal::SIGTERM), Duration::from_secs(2)),
    (Some(Signal::SIGKILL), Duration::from_secs(5)),
];

/// What is remembered of one daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
    pub(crate) address: String,
    /// How often it was started again in this run.
    pub(crate) restarts: u32,
}

impl Record {
    /// Whether this very process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.pid != 0 && process_start_time(self.pid) == Some(self.start_time)
    }

    fn port(&self) -> Option<u16> {
        self.address.rsplit_once(':')?.1.parse().ok()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    boot_id: String,
    daemons: BTreeMap<String, Record>,
}

/// The file and what is in it.
#[derive(Debug)]
pub(crate) struct Records {
    path: PathBuf,
    file: Mutex<File>,
}

impl Records {
    /// Reads what the last run left; a file that cannot be read counts as none.
    pub(crate) fn load(state_dir: &Path) -> Records {
        let path = state_dir.join("daemons.json");
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "starting without it");
                File::default()
            }),
            Err(_) => File::default(),
        };
        Records {
            path,
            file: Mutex::new(file),
        }
    }

    /// Every daemon that is remembered; those of another boot are not alive.
    pub(crate) fn all(&self) -> BTreeMap<String, Record> {
        let file = self.lock();
        let mut daemons = file.daemons.clone();
        if file.boot_id != boot_id() {
            for record in daemons.values_mut() {
                record.pid = 0;
            }
        }
        daemons
    }

    /// The port that a daemon had, if it is free; else 0.
    pub(crate) fn port(&self, daemon: &str) -> u16 {
        let port = self.lock().daemons.get(daemon).and_then(Record::port);
        port.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .unwrap_or(0)
    }

    /// Remembers a daemon that has become ready.
    pub(crate) fn set(&self, daemon: &str, record: Record) -> io::Result<()> {
        // Held until it is written: another keeper's record must neither be lost nor overwrite this one.
        let mut file = self.lock();
        file.boot_id = boot_id();
        file.daemons.insert(daemon.to_owned(), record);
        let text = serde_json::to_string_pretty(&*file).map_err(io::Error::other)?;
        replace(&self.path, text.as_bytes())
    }

    /// Waits until no daemon of an earlier run is left; those that do not end by themselves are ended.
    pub(crate) async fn clear_leftovers(&self) {
        self.clear_leftovers_by(&LEFTOVER_STEPS).await;
    }

    async fn clear_leftovers_by(&self, steps: &[(Option<Signal>, Duration)]) {
        for (signal, patience) in steps {
            if let Some(signal) = signal {
                self.signal_leftovers(*signal);
            }
            let until = Instant::now() + *patience;
            while Instant::now() < until {
                if self.leftovers().is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await; // poll
            }
        }
        for (name, record) in self.leftovers() {
            tracing::error!(daemon = name, pid = record.pid, "outlives every signal");
        }
    }

    fn leftovers(&self) -> Vec<(String, Record)> {
        let all = self.all().into_iter();
        all.filter(|(_, record)| record.is_alive()).collect()
    }

    fn signal_leftovers(&self, signal: Signal) {
        for (name, record) in self.leftovers() {
            tracing::warn!(daemon = name, pid = record.pid, %signal, "left from an earlier run");
            if let Ok(pid) = i32::try_from(record.pid)
                && let Err(error) = kill(Pid::from_raw(pid), signal)
            {
                tracing::warn!(daemon = name, %error, "could not be ended");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, File> {
        // What is in there is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_kept_while_they_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let records = Records::load(dir.path());
        assert_eq!(records.port("agent"), 0);
        let pid = std::process::id();
        let record = Record {
            pid,
            start_time: process_start_time(pid).unwrap(),
            address: address.to_string(),
            restarts: 0,
        };
        records.set("agent", record.clone()).unwrap();
        let again = Records::load(dir.path());
        assert!(again.all()["agent"].is_alive());
        assert_eq!(again.port("agent"), 0, "somebody listens there");
        drop(listener);
        // A child that another test forks at this moment has the listener until it executes its program.
        let deadline = Instant::now() + Duration::from_secs(10);
        while again.port("agent") != address.port() {
            assert!(Instant::now() < deadline, "{address} is never free");
            std::thread::yield_now();
        }
        let other = Record {
            start_time: record.start_time + 1,
            ..record
        };
        assert!(!other.is_alive());
    }
    /// One that nothing but SIGKILL ends is gone when the next run begins.
    #[tokio::test]
    async fn what_an_earlier_run_left_is_gone_afterwards() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "trap '' TERM; echo ready; exec sleep 600"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let pid = child.id();
        let dir = tempfile::tempdir().unwrap();
        let records = Records::load(dir.path());
        let record = Record {
            pid,
            start_time: process_start_time(pid).unwrap(),
            address: String::new(),
            restarts: 0,
        };
        records.set("agent", record).unwrap();
        // Nobody else reaps it.
        let reaped = std::thread::spawn(move || child.wait().unwrap());
        let short = Duration::from_millis(100);
        let steps = [
            (None, short),
            (Some(Signal::SIGTERM), short),
            (Some(Signal::SIGKILL), Duration::from_secs(60)),
        ];
        records.clear_leftovers_by(&steps).await;
        assert!(records.leftovers().is_empty());
        let status = reaped.join().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }
}

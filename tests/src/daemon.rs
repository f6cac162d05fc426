//! One daemon, started by hand.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{process, programs, wait};

/// A daemon that runs for as long as this value lives.
pub struct Daemon {
    child: Child,
    address: String,
    log: std::path::PathBuf,
    control_group: Option<String>,
}

impl Daemon {
    /// Starts an agent on a port of the kernel's choice whose executors end with it, under control groups of its own that are
    /// removed once it has ended.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn agent(arguments: &[&str], directory: &Path) -> Daemon {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let group = format!("aurora-test-{}-{number}", std::process::id());
        let own = [
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            "--stop-executors-on-shutdown",
            "--cgroups-root",
            &group,
        ];
        let arguments = [&own[..], arguments].concat();
        let mut agent = Daemon::start("aurora-mesos-agent", &arguments, directory);
        agent.control_group = Some(group);
        agent
    }

    /// Starts a program with these arguments and waits for its ready line; its log goes to a file in `directory`.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn start(program: &str, arguments: &[&str], directory: &Path) -> Daemon {
        let log = directory.join(format!("{program}.log"));
        let file = File::options()
            .append(true)
            .create(true)
            .open(&log)
            .expect("the test's directory can be written");
        let mut child = programs::command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let result = BufReader::new(output).read_line(&mut line).map(|_| line);
            // The test may have given up waiting.
            drop(sender.send(result));
        });
        let line = match receiver.recv_timeout(Duration::from_secs(30)) {
            Ok(Ok(line)) => line,
            other => panic!("{program} is not ready: {other:?}"),
        };
        let ready: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let Some(address) = ready["ready"]["address"].as_str() else {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("{program} is not ready: {line:?}\n{text}");
        };
        Daemon {
            address: address.to_owned(),
            child,
            log,
            control_group: None,
        }
    }

    /// Where it listens, `ip:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        process::signal(self.pid(), Signal::SIGTERM);
        wait::until("the daemon to end", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("still running".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.pid();
        // An agent ends its executors, and takes its control groups away; a test that has failed goes no further here.
        let ends = || self.child.try_wait().is_ok_and(|status| status.is_some());
        if self.control_group.is_some() && process::is_alive(pid) {
            process::signal(pid, Signal::SIGTERM);
            let ended = wait::holds_within(wait::PATIENCE, ends);
            assert!(
                ended || std::thread::panicking(),
                "the agent does not end\n{}",
                self.log()
            );
        }
        // It may have ended already; either way it is over after this.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(group) = &self.control_group {
            process::remove_control_group(group);
        }
    }
}

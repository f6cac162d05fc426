//! Real daemons in a scratch directory, ended with the test.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurora_tests::process;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon that prints its ready line; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Daemon {
    /// Starts `program` and waits for its ready line.
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("standard output is readable");
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{program} said {line:?}"));
        let address = ready["ready"]["address"].as_str().expect("an address");
        Self {
            child,
            address: address.parse().expect("an address"),
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it can be waited for");
    }

    /// Asks it to end, and says whether it ended well.
    pub(crate) fn terminate(&mut self) -> bool {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it was running");
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.success();
            }
            assert!(Instant::now() < end, "the daemon does not end");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended ones cannot be killed again.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A master and an agent with `cpus:2;mem:512;ports:[31000-31009]`.
pub(crate) struct Cluster {
    pub(crate) master: Daemon,
    pub(crate) agent: Daemon,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) token: Option<PathBuf>,
}

impl Cluster {
    pub(crate) fn start(token: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
            .expect("tasks of other users reach their sandboxes");
        let token = token.map(|secret| {
            let path = directory.path().join("token");
            std::fs::write(&path, secret).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
            path
        });
        let master = start_master(directory.path(), 0, token.as_deref());
        let agent = start_agent(directory.path(), master.address, token.as_deref());
        Self {
            master,
            agent,
            directory,
            token,
        }
    }

    /// Starts the master again on its old port.
    pub(crate) fn restart_master(&mut self) {
        let port = self.master.address.port();
        self.master.kill();
        self.master = start_master(self.directory.path(), port, self.token.as_deref());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Already ended ones cannot be killed again.
        self.agent.child.kill().ok();
        self.agent.child.wait().ok();
        process::remove_control_group(&control_group(self.directory.path()));
    }
}

/// The name of an agent's control groups.
fn control_group(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    format!("aurora-test-{}", name.trim_start_matches('.'))
}

fn start_master(directory: &Path, port: u16, token: Option<&Path>) -> Daemon {
    let work_dir = directory.join("master").display().to_string();
    let port = port.to_string();
    let mut arguments = vec![
        "--port",
        &port,
        "--work-dir",
        &work_dir,
        "--cluster",
        "test",
    ];
    let token = token.map(|path| path.display().to_string());
    if let Some(path) = &token {
        arguments.extend(["--token-file", path]);
    }
    Daemon::start(env!("CARGO_BIN_EXE_aurora-mesos-master"), &arguments)
}

fn start_agent(directory: &Path, master: SocketAddr, token: Option<&Path>) -> Daemon {
    let work_dir = directory.join("agent").display().to_string();
    let master = master.to_string();
    let group = control_group(directory);
    let mut arguments = vec![
        "--cgroups-root",
        &group,
        "--master",
        &master,
        "--port",
        "0",
        "--work-dir",
        &work_dir,
        "--hostname",
        "localhost",
        "--resources",
        "cpus:2;mem:512;ports:[31000-31009]",
        "--attributes",
        "rack:r1",
    ];
    let token = token.map(|path| path.display().to_string());
    if let Some(path) = &token {
        arguments.extend(["--token-file", path]);
    }
    Daemon::start(env!("CARGO_BIN_EXE_aurora-mesos-agent"), &arguments)
}

//! The real `aurora-local` with shell scripts in the place of the daemons: they say that they are ready, note what happens
//! to them, and end with their lifeline, as the real ones do.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aurora_client::endpoints::Endpoints;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const DAEMONS: [(&str, &str); 4] = [
    ("master", "aurora-mesos-master"),
    ("agent", "aurora-mesos-agent"),
    ("scheduler", "aurora-scheduler"),
    ("observer", "aurora-observer"),
];

const DEADLINE: Duration = Duration::from_secs(30);

/// An installation in a scratch directory; dropping it stops its cluster.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let world = World {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(world.path("bin")).unwrap();
        let listeners: Vec<TcpListener> = DAEMONS
            .iter()
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        for ((name, program), listener) in DAEMONS.iter().zip(&listeners) {
            let port = listener.local_addr().unwrap().port();
            world.script(program, &daemon(name, port, &world.path("events")));
        }
        world.script("aurora-executor", "exit 0");
        let original = Path::new(env!("CARGO_BIN_EXE_aurora-local"));
        let program = world.path("bin/aurora-local");
        if fs::hard_link(original, &program).is_err() {
            fs::copy(original, &program).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn script(&self, program: &str, body: &str) {
        let path = self.path("bin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(self.path("bin/aurora-local"));
        command
            .args([verb, "--cluster-name", "dev", "--state-dir"])
            .arg(self.path("state"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        command
    }

    fn output(&self, verb: &str) -> Output {
        self.command(verb).output().unwrap()
    }

    /// `run` in the foreground, ready.
    fn run(&self) -> (Child, Endpoints) {
        let mut child = self
            .command("run")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        (child, serde_json::from_str(&line).unwrap())
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.output("status").stdout).unwrap()
    }

    fn events(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("events")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The processes that run from here.
    fn processes(&self) -> Vec<String> {
        let here = self.path("bin").display().to_string();
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&here))
            .collect()
    }

    fn daemon_pid(&self, name: &str) -> u32 {
        let pid = self.status()["daemons"][name]["pid"].as_u64().unwrap();
        u32::try_from(pid).unwrap()
    }

    /// Waits until `condition` holds; the events are shown when it does not.
    #[track_caller]
    fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let give_up = Instant::now() + DEADLINE;
        while !condition() {
            assert!(
                Instant::now() < give_up,
                "{what}: {:?}\n{}",
                self.events(),
                self.status()
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever a failed test has left.
        let _ = self.output("stop");
    }
}

/// A daemon: notes its flags, its start and its end.
fn daemon(name: &str, port: u16, events: &Path) -> String {
    let events = events.display();
    format!(
        r#"echo "$*" > {events}.{name}
while [ $# -gt 0 ]; do
  case "$1" in --port) port=$2;; --lifeline-fd) fd=$2;; esac
  shift
done
echo "start {name} $port" >> {events}
[ "$port" = 0 ] && port={port}
trap 'echo "end {name}" >> {events}; exit 0' TERM
echo '{{"ready":{{"name":"{name}","address":"127.0.0.1:'$port'","pid":'$$'}}}}'
cat /proc/$$/fd/$fd > /dev/null &
wait $!
echo "orphan {name}" >> {events}"#
    )
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

#[test]
fn started_stopped_and_started_again() {
    let world = World::new();
    let output = world.output("start");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let endpoints: Endpoints = serde_json::from_str(&lines).unwrap();
    assert_eq!(
        Endpoints::read(&world.path("state")).unwrap(),
        Some(endpoints.clone())
    );
    assert_eq!(endpoints.cluster, "dev");

    // What the daemons were told.
    let flags = |name: &str| fs::read_to_string(world.path(&format!("events.{name}"))).unwrap();
    let state = world.path("state");
    let master = endpoints.master.strip_prefix("http://").unwrap();
    for (name, expected) in [
        (
            "master",
            format!("--cluster dev --work-dir {}/master", state.display()),
        ),
        (
            "agent",
            format!(
                "--master {master} --work-dir {}/agent --hostname localhost",
                state.display()
            ),
        ),
        (
            "agent",
            "--attributes host:localhost;rack:local --stop-executors-on-shutdown".to_owned(),
        ),
        (
            "scheduler",
            format!("--cluster-name dev --mesos-master {master}"),
        ),
        (
            "scheduler",
            format!(
                "--thermos-executor-path {}/bin/aurora-executor",
                world.dir.path().display()
            ),
        ),
        (
            "observer",
            format!("--mesos-root {}/agent", state.display()),
        ),
    ] {
        let flags = flags(name);
        assert!(flags.contains(&expected), "{name}: {flags}\n{expected}");
        assert!(
            flags.starts_with(&format!(
                "--ip 127.0.0.1 --port 0 --token-file {}/token ",
                state.display()
            )),
            "{flags}"
        );
    }

    // A second start finds the first.
    let again = world.output("start");
    assert_eq!(
        serde_json::from_slice::<Endpoints>(&again.stdout).unwrap(),
        endpoints
    );
    let run = world.output("run");
    assert_eq!(run.status.code(), Some(1));
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(
        stderr.contains(&format!(
            "already run by process {}, since 20",
            endpoints.pid
        )),
        "{stderr}"
    );

    let stopped = world.output("stop");
    assert!(
        stopped.status.success(),
        "{}",
        String::from_utf8_lossy(&stopped.stderr)
    );
    assert_eq!(
        world.events()[4..],
        ["end scheduler", "end agent", "end master", "end observer"]
    );
    assert_eq!(world.processes(), [""; 0]);
    assert_eq!(Endpoints::read(&world.path("state")).unwrap(), None);
    assert_eq!(world.status()["running"], false);

    // The ports are kept.
    let output = world.output("start");
    let later: Endpoints = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (later.scheduler, later.agent),
        (endpoints.scheduler, endpoints.agent)
    );
    assert_ne!(later.pid, endpoints.pid);
}

#[test]
fn a_daemon_that_crashes_is_started_again_on_its_port() {
    let world = World::new();
    let (mut supervisor, endpoints) = world.run();
    let first = world.daemon_pid("agent");
    signal(first, Signal::SIGKILL);
    world.eventually("another agent", || {
        let agent = &world.status()["daemons"]["agent"];
        agent["restarts"] == 1 && agent["alive"] == true
    });
    let port = endpoints.agent.rsplit(':').next().unwrap();
    assert_eq!(
        world.events().last().unwrap(),
        &format!("start agent {port}")
    );
    assert_eq!(
        Endpoints::read(&world.path("state")).unwrap(),
        Some(endpoints)
    );
    signal(supervisor.id(), Signal::SIGINT);
    assert_eq!(supervisor.wait().unwrap().code(), Some(0));
    assert_eq!(
        world
            .events()
            .iter()
            .filter(|event| event.starts_with("end"))
            .count(),
        4
    );
}

#[test]
fn when_the_supervisor_is_killed_its_daemons_end_and_the_next_one_starts() {
    let world = World::new();
    let (mut supervisor, endpoints) = world.run();
    signal(supervisor.id(), Signal::SIGKILL);
    supervisor.wait().unwrap();
    world.eventually("four orphans", || {
        world
            .events()
            .iter()
            .filter(|event| event.starts_with("orphan"))
            .count()
            == 4
    });
    assert_eq!(
        Endpoints::read(&world.path("state")).unwrap(),
        Some(endpoints.clone())
    );
    assert_eq!(
        aurora_client::local::attach(&world.path("state")).unwrap(),
        None
    );
    let (mut supervisor, later) = world.run();
    assert_eq!(later.scheduler, endpoints.scheduler);
    signal(supervisor.id(), Signal::SIGTERM);
    assert_eq!(supervisor.wait().unwrap().code(), Some(0));
}

#[test]
fn stopping_after_a_crash_starts_an_agent_to_end_the_tasks() {
    let world = World::new();
    let (mut supervisor, _) = world.run();
    signal(supervisor.id(), Signal::SIGKILL);
    supervisor.wait().unwrap();
    let stopped = world.output("stop");
    assert!(
        stopped.status.success(),
        "{}",
        String::from_utf8_lossy(&stopped.stderr)
    );
    let answer: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(answer["ended_tasks_left"], true, "{answer}");
    assert!(
        world.events().contains(&"end agent".to_owned()),
        "{:?}",
        world.events()
    );
    assert_eq!(world.processes(), [""; 0]);
    let stopped = world.output("stop");
    let answer: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(answer["ended_tasks_left"], false, "{answer}");
}

#[test]
fn a_daemon_that_does_not_start_is_shown_with_its_log() {
    let world = World::new();
    world.script(
        "aurora-scheduler",
        "echo 'the log is from the future' >&2; exit 3",
    );
    for verb in ["run", "start"] {
        let output = world.output(verb);
        assert_eq!(output.status.code(), Some(1), "{verb}");
        assert_eq!(output.stdout, b"");
        let stderr = String::from_utf8(output.stderr).unwrap();
        for expected in [
            "the scheduler ended before it was ready (exit status: 3)",
            "the log is from the future",
        ] {
            assert!(stderr.contains(expected), "{verb}: {stderr}");
        }
    }
    world.eventually("no process left", || world.processes().is_empty());
    assert_eq!(Endpoints::read(&world.path("state")).unwrap(), None);
}

#[test]
fn what_is_missing_is_named() {
    let world = World::new();
    fs::remove_file(world.path("bin/aurora-observer")).unwrap();
    let output = world.output("run");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("cannot find the program `aurora-observer`"),
        "{stderr}"
    );
    assert_eq!(world.events(), [""; 0]);

    let output = world
        .command("status")
        .args(["--cluster-name", "a/b"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let output = Command::new(world.path("bin/aurora-local"))
        .args(["run", "--state-dir", "/proc/aurora"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("the state directory /proc/aurora cannot be used"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn stopping_what_does_not_run() {
    let world = World::new();
    let output = world.output("stop");
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["stopped"], false);
    assert!(!world.path("state").exists());
}

#[test]
fn what_a_start_finds_amiss_is_said_to_who_asked() {
    let world = World::new();
    let said = |arguments: &[&str]| {
        let output = world.command("start").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        world.output("stop");
        String::from_utf8(output.stderr).unwrap()
    };
    let open = |mode| {
        fs::set_permissions(world.dir.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    open(0o755);
    assert_eq!(said(&[]), "");
    // There is no share/aurora/examples beside these programs.
    let told = said(&["--demo"]);
    assert!(
        told.starts_with("aurora-local: no example jobs are installed")
            && told.lines().count() == 1,
        "{told}"
    );
    if nix::unistd::geteuid().is_root() {
        open(0o700);
        let told = said(&[]);
        let place = world.dir.path().display();
        assert!(told.contains(&format!("run `chmod o+x {place}`")), "{told}");
    }
}

/// Between taking the lock and saying its name a start has none; a stop at that moment is meant for it.
#[test]
fn a_stop_waits_for_a_start_to_say_its_name() {
    let world = World::new();
    fs::create_dir(world.path("state")).unwrap();
    let file = fs::File::create(world.path("state/lock")).unwrap();
    let mut lock =
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
    let mut starting = Command::new("sleep").arg("300").spawn().unwrap();
    let pid = starting.id();
    let mut stop = world
        .command("stop")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It has found the lock taken by nobody when it has the file open for a second time.
    let lock_file = fs::canonicalize(world.path("state/lock")).unwrap();
    let looks = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", stop.id()));
        let mut targets = descriptors.into_iter().flatten().flatten();
        targets.any(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == lock_file))
    };
    let deadline = Instant::now() + DEADLINE;
    while !looks() {
        assert!(
            Instant::now() < deadline,
            "the stop does not look at the lock"
        );
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let name = serde_json::json!({
        "pid": pid,
        "start_time": aurora_client::endpoints::process_start_time(pid).unwrap(),
        "since_ms": 0,
    });
    std::io::Write::write_all(&mut *lock, name.to_string().as_bytes()).unwrap();
    assert!(!starting.wait().unwrap().success(), "ended by a signal");
    drop(lock);
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stop.stdout.take().unwrap(), &mut answer).unwrap();
    assert!(stop.wait().unwrap().success());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, serde_json::json!({"stopped": true, "pid": pid}));
}

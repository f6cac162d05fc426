//! Clients that other people wrote, against our daemons: pymesos on the Mesos API, Apache Thrift's library on Aurora's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aurora_tests::cluster::{Cluster, scratch};
use aurora_tests::daemon::Daemon;
use aurora_tests::skip::{is_root, skip};
use aurora_tests::{process, python};

fn token_file(directory: &Path) -> PathBuf {
    let path = directory.join("token");
    fs::write(&path, "s3cret\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn pymesos_runs_a_task_on_the_embedded_master_and_agent() {
    let python = match python::interpreter() {
        Ok(python) => python,
        Err(reason) => {
            return skip(
                "pymesos_runs_a_task_on_the_embedded_master_and_agent",
                &reason,
            );
        }
    };
    let directory = scratch();
    let token = token_file(directory.path()).display().to_string();
    let work = |name: &str| directory.path().join(name).display().to_string();
    let loopback = ["--ip", "127.0.0.1", "--port", "0", "--token-file", &token];
    let mut master = Daemon::start(
        "aurora-mesos-master",
        &[&loopback[..], &["--work-dir", &work("master")]].concat(),
        directory.path(),
    );
    let (agent_dir, address) = (work("agent"), master.address().to_owned());
    let agent_flags = [
        "--token-file",
        &token,
        "--work-dir",
        &agent_dir,
        "--master",
        &address,
        "--resources",
        "cpus:2;mem:1024;disk:1024;ports:[31000-31100]",
    ];
    let mut agent = Daemon::agent(&agent_flags, directory.path());

    let output = Command::new(python)
        .arg(python::script("run_task.py"))
        .args([&address, "s3cret", "echo the task ran in $PWD"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let context = format!(
        "{text}\n{}\nmaster: {}\nagent: {}",
        String::from_utf8_lossy(&output.stderr),
        master.log(),
        agent.log()
    );
    assert!(output.status.success(), "{context}");
    let states: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        states,
        ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED", "agent"],
        "{context}"
    );
    assert!(
        text.contains("TASK_FINISHED Command exited with status 0"),
        "{context}"
    );

    // What the task wrote is in its sandbox, at the path that tools know.
    let agent_id = text
        .lines()
        .find_map(|line| line.strip_prefix("agent "))
        .unwrap();
    let frameworks = directory
        .path()
        .join("agent/slaves")
        .join(agent_id)
        .join("frameworks");
    let framework = fs::read_dir(&frameworks)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let sandbox = fs::canonicalize(framework.join("executors/by-hand/runs/latest")).unwrap();
    let stdout = fs::read_to_string(sandbox.join("stdout")).unwrap();
    assert!(
        stdout.contains(&format!("the task ran in {}", sandbox.display())),
        "{stdout}"
    );

    assert!(agent.stop().success());
    assert!(master.stop().success());
    assert_eq!(process::belonging_to(directory.path()), []);
}

#[test]
fn a_pymesos_executor_runs_a_task() {
    let python = match python::interpreter() {
        Ok(python) => python,
        Err(reason) => return skip("a_pymesos_executor_runs_a_task", &reason),
    };
    let directory = scratch();
    let work = |name: &str| directory.path().join(name).display().to_string();
    let (master_dir, agent_dir) = (work("master"), work("agent"));
    let mut master = Daemon::start(
        "aurora-mesos-master",
        &[
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            "--work-dir",
            &master_dir,
        ],
        directory.path(),
    );
    // pymesos has executors send no secret, so there is none here.
    let agent_flags = ["--work-dir", &agent_dir, "--master", master.address()];
    let mut agent = Daemon::agent(&agent_flags, directory.path());
    let script = python::script("executor.py").display().to_string();
    let output = Command::new(&python)
        .arg(python::script("run_task.py"))
        .args([master.address(), "none", "--executor"])
        .arg(format!("exec {} {script}", python.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("agent "))
        .collect();
    // Messages and updates take different ways.
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "TASK_FINISHED told to end",
            "TASK_RUNNING given some data",
            "message dne"
        ],
        "{text}\n{}\nmaster: {}\nagent: {}",
        String::from_utf8_lossy(&output.stderr),
        master.log(),
        agent.log()
    );
    assert!(agent.stop().success());
    assert!(master.stop().success());
    assert_eq!(process::belonging_to(directory.path()), []);
}

#[test]
fn thrifts_own_library_creates_and_kills_a_job() {
    const NAME: &str = "thrifts_own_library_creates_and_kills_a_job";
    let python = match python::interpreter() {
        Ok(python) => python,
        Err(reason) => return skip(NAME, &reason),
    };
    let generated = tempfile::tempdir().unwrap();
    if let Err(reason) = python::generated_client(generated.path()) {
        return skip(NAME, &reason);
    }
    let cluster = Cluster::start();
    let role = if is_root() {
        "www-data".to_owned()
    } else {
        whoami()
    };
    for protocol in ["binary", "json"] {
        let output = Command::new(&python)
            .arg(python::script("create_job.py"))
            .arg(generated.path())
            .args([&cluster.url("scheduler"), &cluster.token(), protocol, &role])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            cluster.log()
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "without the secret: 401",
                &format!("created again: Job {role}/devel/from-thrift-{protocol} already exists"),
                "running: [0, 1]",
                "events: ['PENDING', 'ASSIGNED', 'STARTING', 'RUNNING']",
                "killing: ['Killed by anybody.\\nby the test']",
                "nothing left: No tasks to kill.",
            ]
        );
    }
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

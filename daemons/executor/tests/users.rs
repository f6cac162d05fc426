//! Whose processes run, and what happens when records cannot be written or a task will not end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aurora_api::model::{Container, DockerContainer};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use support::{Agent, assigned};

const HEALTHY: &str = "No health-check defined, task is assumed healthy.";

fn process(cmdline: &str) -> Value {
    json!([{"name": "p", "cmdline": cmdline, "min_duration": 0}])
}

/// Whether this test can run; says so when it cannot.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        aurora_tests::skip::skip(test, "not root");
    }
    root
}

#[tokio::test]
async fn in_docker_processes_run_as_the_containers_user() {
    let mut agent = Agent::start(&[]).await;
    let mut task = assigned(process("id -un; echo {{thermos.user}}"), json!({}));
    // A user that the image need not have.
    task.task.job.role = "no-such-user-here".into();
    task.task.container = Container::Docker(DockerContainer {
        image: Some("image".into()),
        parameters: vec![],
    });
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.expect("TASK_FINISHED", "Task finished.").await;
    let own = support::own_user();
    assert_eq!(
        agent.file(".logs/p/0/stdout").unwrap(),
        format!("{own}\n{own}\n")
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn without_root_the_executors_own_user_runs_the_task() {
    if !is_root("without_root_the_executors_own_user_runs_the_task") {
        return;
    }
    let mut agent = Agent::start_as(Some("nobody"), &[]).await;
    // The role of these tasks is root.
    let who = process("id -un; echo {{thermos.user}}");
    agent.launch(&assigned(who, json!({})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.expect("TASK_FINISHED", "Task finished.").await;
    assert_eq!(agent.file(".logs/p/0/stdout").unwrap(), "nobody\nnobody\n");
    let nobody = aurora_thermos::users::by_name("nobody").unwrap();
    assert_eq!(
        std::fs::metadata(agent.sandbox()).unwrap().uid(),
        nobody.uid
    );
    assert!(agent.exit().await.success());
}

/// A file system of a few pages, gone when this is dropped.
struct Tiny(PathBuf);

impl Tiny {
    fn new(path: &Path) -> Self {
        std::fs::create_dir(path).unwrap();
        let kind = Some("tmpfs");
        mount(kind, path, kind, MsFlags::empty(), Some("size=64k")).unwrap();
        Self(path.to_owned())
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

#[tokio::test]
async fn records_that_cannot_be_written_lose_the_task() {
    if !is_root("records_that_cannot_be_written_lose_the_task") {
        return;
    }
    let mut agent = Agent::start(&[]).await;
    let records = Tiny::new(&agent.dir.path().join("checkpoints"));
    // Once it may, it fails again and again, until its records have filled the last page of their stream.
    let task = json!([{
        "name": "p", "cmdline": "until [ -e go ]; do sleep 0.02; done; exit 1",
        "min_duration": 0, "max_failures": 0,
    }]);
    agent.launch(&assigned(task, json!({})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    let filler = std::fs::write(records.0.join("filler"), vec![1; 1 << 20]);
    assert!(filler.is_err(), "it is full now");
    std::fs::write(agent.sandbox().join("go"), "").unwrap();
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_LOST");
    let stream = records.0.join("checkpoints/task-1/runner");
    let expected = format!(
        "Runner died while task was active: cannot write the checkpoint stream {}: ",
        stream.display()
    );
    assert!(message.starts_with(&expected), "{message}");
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_task_that_will_not_end_is_ended_in_time() {
    let mut agent = Agent::start(&["--stop_timeout_in_secs=2"]).await;
    let stubborn = "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done";
    let task = assigned(
        process(stubborn),
        json!({"lifecycle": {"http": {"port": "none"}}}),
    );
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    let written = || agent.file("pid").unwrap_or_default().ends_with('\n');
    support::until("the trap", || format!("{:?}", agent.file("pid")), written).await;
    let pid: i32 = agent.file("pid").unwrap().trim().parse().unwrap();
    let asked = Instant::now();
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    let took = asked.elapsed();
    assert!(took > Duration::from_millis(1_400), "no patience: {took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(!aurora_thermos::procs::is_alive(pid));
    assert!(agent.exit().await.success());
}

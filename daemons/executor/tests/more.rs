//! Less common turns of a task's life: own instances, groups, snoozed checks, slow ends, isolation.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use aurora_api::model::{Container, DockerContainer};
use serde_json::{Value, json};
use support::{Agent, Web, assigned, own_user};

const HEALTHY: &str = "No health-check defined, task is assumed healthy.";

fn process(cmdline: &str) -> Value {
    json!([{"name": "p", "cmdline": cmdline, "min_duration": 0}])
}

#[tokio::test]
async fn an_instance_is_taken_as_it_is() {
    let mut agent = Agent::start(&[]).await;
    let mut task = assigned(process("true"), json!({}));
    let instance = json!({
        "instance": 9, "role": own_user(), "a_newer_key": {},
        "task": {"name": "t", "processes": [{"name": "p", "cmdline": "echo {{thermos.ports[http]}} {{thermos.task_id}}"}]},
    });
    task.task.executor_config.as_mut().unwrap().data = Some(instance.to_string());
    task.assigned_ports.insert("http".into(), 31_005);
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.expect("TASK_FINISHED", "Task finished.").await;
    assert_eq!(agent.file(".logs/p/0/stdout").unwrap(), "31005 task-1\n");
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn messages_are_passed_over_and_groups_refused() {
    let mut agent = Agent::start(&[]).await;
    agent.send(&json!({"type": "MESSAGE", "message": {"data": "eA=="}}));
    agent.send(
        &json!({"type": "LAUNCH_GROUP", "launch_group": {"task_group": {"tasks": [
            {"name": "n", "task_id": {"value": "group-1"}, "agent_id": {"value": "agent-1"}},
        ]}}}),
    );
    agent
        .expect("TASK_FAILED", "This executor does not run task groups.")
        .await;
    agent.launch(&assigned(process("exec sleep 1000"), json!({})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.send(&json!({"type": "MESSAGE", "message": {"data": "eA=="}}));
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_snoozed_check_is_a_success() {
    let web = Web::start(500, "").await;
    let mut agent = Agent::start(&[]).await;
    let check = json!({"health_check_config": {"initial_interval_secs": 0, "interval_secs": 0.05}, "lifecycle": {}});
    let mut task = assigned(process("exec sleep 1000"), check);
    task.assigned_ports.insert("health".into(), web.port.into());
    std::fs::create_dir(agent.sandbox()).unwrap();
    let snooze = agent.sandbox().join(".healthchecksnooze");
    std::fs::write(&snooze, "").unwrap();
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", "Task is healthy.").await;
    assert_eq!(*web.requests.lock().unwrap(), Vec::<String>::new());
    std::fs::remove_file(&snooze).unwrap();
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_FAILED");
    assert!(
        message.starts_with("Failed health check! Response differs"),
        "{message}"
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_task_that_ends_when_it_is_asked_is_not_waited_for() {
    let web = Web::start(200, "").await;
    let mut agent = Agent::start(&[]).await;
    let lifecycle =
        json!({"lifecycle": {"http": {"port": "stop", "graceful_shutdown_wait_secs": 60}}});
    let mut task = assigned(process("while ! [ -e go ]; do sleep 0.02; done"), lifecycle);
    task.assigned_ports.insert("stop".into(), web.port.into());
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    let asked = Instant::now();
    agent.kill("task-1");
    let seen = || web.requests.lock().unwrap().clone();
    support::until(
        "the request",
        || format!("{:?}", seen()),
        || !seen().is_empty(),
    )
    .await;
    std::fs::write(agent.sandbox().join("go"), "").unwrap();
    // It had not ended when it was told to, so the order is its reason.
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    assert_eq!(
        seen(),
        ["POST /quitquitquit"],
        "the second request was not needed"
    );
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "{:?}",
        asked.elapsed()
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn an_unknown_role_of_a_command_is_an_internal_error() {
    if !nix::unistd::geteuid().is_root() {
        return aurora_tests::skip::skip(
            "an_unknown_role_of_a_command_is_an_internal_error",
            "not root",
        );
    }
    let mut agent = Agent::start(&["--nosetuid"]).await;
    let check =
        json!({"health_check_config": {"health_checker": {"shell": {"shell_command": "true"}}}});
    let mut task = assigned(process("exec sleep 1000"), check.clone());
    task.task.job.role = "no-such-user-here".into();
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent
        .expect(
            "TASK_FAILED",
            "Internal error: user no-such-user-here does not exist on this machine",
        )
        .await;
    assert!(agent.exit().await.success());

    // Without a change of user the role's name means nothing.
    let mut agent = Agent::start(&["--nosetuid", "--nosetuid-health-checks"]).await;
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", "Task is healthy.").await;
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn tasks_of_a_root_executor_are_kept_apart() {
    if !nix::unistd::geteuid().is_root() {
        return aurora_tests::skip::skip("tasks_of_a_root_executor_are_kept_apart", "not root");
    }
    let own = std::fs::read_link("/proc/self/ns/mnt")
        .unwrap()
        .display()
        .to_string();
    for (flags, privileges) in [(&[][..], "1"), (&["--allow-new-privileges"][..], "0")] {
        let mut agent = Agent::start(flags).await;
        let look = "awk '/NoNewPrivs/ {print $2}' /proc/self/status; readlink /proc/self/ns/mnt";
        agent.launch(&assigned(process(look), json!({})));
        agent.expect("TASK_STARTING", "").await;
        agent.expect("TASK_RUNNING", HEALTHY).await;
        agent.expect("TASK_FINISHED", "Task finished.").await;
        let seen = agent.file(".logs/p/0/stdout").unwrap();
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[0], privileges, "{flags:?}");
        assert_ne!(lines[1], own, "{flags:?}");
        assert!(agent.exit().await.success());
    }
    // The scratch directories of these tests are in /tmp.
    let mut agent = Agent::start(&["--private-tmp"]).await;
    agent.launch(&assigned(process("true"), json!({})));
    agent.expect("TASK_STARTING", "").await;
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_FAILED");
    assert!(message.contains("when its sandbox is in /tmp"), "{message}");
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn an_executor_without_a_task_ends() {
    let begin = Instant::now();
    let agent = Agent::start(&[]).await;
    assert!(agent.exit().await.success());
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_command_runs_as_the_role_in_docker_too() {
    if !nix::unistd::geteuid().is_root() {
        return aurora_tests::skip::skip("a_command_runs_as_the_role_in_docker_too", "not root");
    }
    let place = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path(), open).unwrap();
    let docker = Container::Docker(DockerContainer {
        image: Some("image".into()),
        parameters: vec![],
    });
    for (name, container) in [("mesos", Container::default()), ("docker", docker)] {
        let file = place.path().join(name);
        let command = format!("(id -un; id -G) > {}", file.display());
        let mut agent = Agent::start(&[]).await;
        let mut task = assigned(
            process("exec sleep 1000"),
            json!({"health_check_config": {"health_checker": {"shell": {"shell_command": command}}}}),
        );
        task.task.job.role = "nobody".into();
        task.task.container = container;
        agent.launch(&task);
        agent.expect("TASK_STARTING", "").await;
        agent.expect("TASK_RUNNING", "Task is healthy.").await;
        let groups = std::process::Command::new("id")
            .args(["-G", "nobody"])
            .output();
        let groups = String::from_utf8(groups.unwrap().stdout).unwrap();
        let seen = std::fs::read_to_string(&file).unwrap();
        assert_eq!(seen, format!("nobody\n{groups}"), "{name}");
        agent.kill("task-1");
        agent
            .expect("TASK_KILLED", "Instructed to kill task.")
            .await;
        assert!(agent.exit().await.success());
    }
}

//! The executor against an agent: statuses, records, reconnection, what is left behind.

mod support;

use std::process::Command;
use std::time::Duration;

use aurora_thermos::paths::{Stage, list_tasks};
use aurora_thermos::{procs, state};
use serde_json::{Value, json};
use support::{Agent, TOKEN, Web, assigned, until};

fn process(name: &str, cmdline: &str) -> Value {
    json!({"name": name, "cmdline": cmdline, "min_duration": 0})
}

const HEALTHY: &str = "No health-check defined, task is assumed healthy.";

#[tokio::test]
async fn a_task_from_launch_to_end() {
    let mut agent = Agent::start(&[]).await;
    let command = "echo {{mesos.instance}} {{mesos.hostname}} {{thermos.task_id}} {{thermos.ports[http]}}; env > env";
    let mut task = assigned(json!([process("hello", command)]), json!({}));
    task.assigned_ports.insert("http".into(), 31_005);
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.expect("TASK_FINISHED", "Task finished.").await;

    assert_eq!(
        agent.file(".logs/hello/0/stdout").unwrap(),
        "4 host-1 task-1 31005\n"
    );
    assert!(!agent.file("env").unwrap().contains("MESOS"));
    let root = agent.dir.path().join("checkpoints");
    assert_eq!(list_tasks(&root, Stage::Active).unwrap(), []);
    assert_eq!(
        list_tasks(&root, Stage::Finished).unwrap()[0].task_id,
        "task-1"
    );
    let (record, fault) = state::read_stream(&root.join("checkpoints/task-1/runner")).unwrap();
    assert_eq!(fault, None);
    assert_eq!(record.task_state().to_string(), "SUCCESS");
    assert_eq!(record.header.unwrap().ports.unwrap()["http"], 31_005);
    assert_eq!(record.processes["hello"][0].return_code, Some(0));
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn failure_and_unreadable_tasks() {
    for (processes, more, message) in [
        (json!([process("p", "exit 1")]), json!({}), "Task failed."),
        (
            json!([process("p", "echo {{nothing}}")]),
            json!({}),
            "Could not deserialize Thermos task from AssignedTask: Got invalid task: Unexpected unbound refs: {{nothing}}. Make sure you are not nesting template variables.",
        ),
        (
            json!([process("p", "echo {{thermos.ports[x]}}")]),
            json!({}),
            "Task initialization failed: Invalid task: Failed to interpolate task, missing: {{thermos.ports[x]}}",
        ),
        (
            json!([]),
            json!({}),
            "Task initialization failed: task.processes is required",
        ),
        (
            json!([process("p", "sleep 1000")]),
            json!({"health_check_config": {"health_checker": {"shell": {"shell_command": "true"}}, "interval_secs": 0}}),
            "Internal error: the interval of health checks must be above zero",
        ),
    ] {
        let mut agent = Agent::start(&[]).await;
        agent.launch(&assigned(processes, more));
        agent.expect("TASK_STARTING", "").await;
        let (mut state, mut text, _) = agent.status().await;
        if state == "TASK_RUNNING" {
            (state, text, _) = agent.status().await;
        }
        assert_eq!((state.as_str(), text.as_str()), ("TASK_FAILED", message));
        assert!(agent.exit().await.success());
    }
    let mut agent = Agent::start(&[]).await;
    agent.launch_data("task-1", b"rubbish");
    agent
        .expect("TASK_FAILED", "Could not deserialize task.")
        .await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_role_without_a_user() {
    if !nix::unistd::getuid().is_root() {
        return;
    }
    let mut agent = Agent::start(&[]).await;
    let mut task = assigned(json!([process("p", "true")]), json!({}));
    task.task.job.role = "no-such-user-here".into();
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    let message = "Failed to initialize sandbox: Could not create sandbox because user does not exist: no-such-user-here";
    agent.expect("TASK_FAILED", message).await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn the_role_is_the_user() {
    if !nix::unistd::getuid().is_root() {
        return;
    }
    for (flags, expected) in [(&[][..], "nobody\n"), (&["--nosetuid"][..], "root\n")] {
        let mut agent = Agent::start(flags).await;
        let mut task = assigned(json!([process("p", "id -un")]), json!({}));
        task.task.job.role = "nobody".into();
        agent.launch(&task);
        agent.expect("TASK_STARTING", "").await;
        agent.expect("TASK_RUNNING", HEALTHY).await;
        agent.expect("TASK_FINISHED", "Task finished.").await;
        assert_eq!(
            agent.file(".logs/p/0/stdout").unwrap(),
            expected,
            "{flags:?}"
        );
        assert!(agent.exit().await.success());
    }
}

#[tokio::test]
async fn kill_shutdown_and_a_second_task() {
    let sleep = || json!([process("p", "echo $$ > pid; exec sleep 1000")]);
    for (event, message) in [
        ("KILL", "Instructed to kill task."),
        ("SHUTDOWN", "Told to shut down executor."),
    ] {
        let mut agent = Agent::start(&[]).await;
        agent.launch(&assigned(sleep(), json!({})));
        agent.expect("TASK_STARTING", "").await;
        agent.expect("TASK_RUNNING", HEALTHY).await;
        until("the process", String::new, || {
            agent.file("pid").is_some_and(|text| text.ends_with('\n'))
        })
        .await;
        agent.kill("another-task");
        let mut second = assigned(sleep(), json!({}));
        second.task_id = "task-2".into();
        agent.launch(&second);
        let (state, text, status) = agent.status().await;
        assert_eq!(
            (state.as_str(), text.as_str()),
            ("TASK_LOST", "Task already running on this executor: task-1")
        );
        assert_eq!(status["task_id"]["value"], "task-2");
        match event {
            "KILL" => {
                agent.kill("task-1");
                agent.kill("task-1");
            }
            _ => agent.send(&json!({"type": "SHUTDOWN"})),
        }
        agent.expect("TASK_KILLED", message).await;
        let pid = agent.file("pid").unwrap().trim().parse().unwrap();
        assert!(!procs::is_alive(pid));
        assert!(agent.exit().await.success());
    }
}

#[tokio::test]
async fn a_shutdown_ends_within_its_grace_period() {
    let mut agent = Agent::start(&[]).await;
    let stubborn = "trap '' TERM; echo up > up; while :; do sleep 0.1; done";
    agent.launch(&assigned(json!([process("p", stubborn)]), json!({})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    until("the trap", String::new, || agent.file("up").is_some()).await;
    let started = std::time::Instant::now();
    agent.send(&json!({"type": "SHUTDOWN"}));
    agent
        .expect("TASK_KILLED", "Told to shut down executor.")
        .await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn an_agent_that_was_away_hears_what_happened() {
    let mut agent = Agent::start(&[]).await;
    agent.launch(&assigned(
        json!([process("p", "while ! [ -e go ]; do sleep 0.02; done")]),
        json!({}),
    ));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.go_away();
    std::fs::write(agent.sandbox().join("go"), "").unwrap();
    let finished = agent.dir.path().join("checkpoints/tasks/finished/task-1");
    until(
        "the end of the task",
        || format!("{}", finished.display()),
        || finished.exists(),
    )
    .await;
    agent.come_back();
    let call = agent.call().await;
    assert_eq!(call.body["type"], "SUBSCRIBE");
    let updates = call.body["subscribe"]["unacknowledged_updates"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    // RUNNING may have been acknowledged before the agent went.
    let last = &updates.last().expect("an update")["status"];
    assert_eq!(
        (&last["state"], &last["message"]),
        (&json!("TASK_FINISHED"), &json!("Task finished."))
    );
    for update in &updates {
        agent.acknowledge(&update["status"]);
    }
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_killed_executor_leaves_no_process() {
    let mut agent = Agent::start(&[]).await;
    let command = "echo $$ > one; setsid bash -c 'echo $$ > two; exec sleep 1000' & sleep 1000 & echo $! > three; wait";
    agent.launch(&assigned(json!([process("p", command)]), json!({})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    let files = ["one", "two", "three"];
    until(
        "three processes",
        || format!("{:?}", files.map(|name| agent.file(name))),
        || {
            files
                .iter()
                .all(|name| agent.file(name).is_some_and(|text| text.ends_with('\n')))
        },
    )
    .await;
    let pids = files.map(|name| agent.file(name).unwrap().trim().parse::<i32>().unwrap());
    agent.child.kill().await.unwrap();
    until(
        "everybody's death",
        || format!("{pids:?}"),
        || !pids.iter().any(|&pid| procs::is_alive(pid)),
    )
    .await;
}

fn http_health(more: Value) -> Value {
    let mut config = json!({"initial_interval_secs": 0.05, "interval_secs": 0.05, "max_consecutive_failures": 1});
    for (key, value) in more.as_object().expect("an object") {
        config[key] = value.clone();
    }
    json!({"health_check_config": config, "lifecycle": {}})
}

#[tokio::test]
async fn health_over_http() {
    let web = Web::start(200, "OK\n").await;
    let mut agent = Agent::start(&[]).await;
    let mut task = assigned(
        json!([process("p", "exec sleep 1000")]),
        http_health(json!({})),
    );
    task.assigned_ports.insert("health".into(), web.port.into());
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", "Task is healthy.").await;
    assert_eq!(web.requests.lock().unwrap()[0], "GET /health");
    *web.answer.lock().unwrap() = (200, "a long and bad answer".into());
    agent
        .expect(
            "TASK_FAILED",
            "Failed health check! Response differs from expected response (expected \"ok\", got \"a long ...\")",
        )
        .await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_task_that_never_gets_healthy() {
    let web = Web::start(500, "ok").await;
    let mut agent = Agent::start(&[]).await;
    let mut task = assigned(
        json!([process("p", "exec sleep 1000")]),
        http_health(json!({})),
    );
    task.assigned_ports.insert("health".into(), web.port.into());
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    // Never RUNNING: an error page has no body that could be right.
    agent
        .expect("TASK_FAILED", "Failed health check! Response differs from expected response (expected \"ok\", got \"\")")
        .await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn health_by_command() {
    let mut agent = Agent::start(&[]).await;
    let check = json!({"health_checker": {"shell": {"shell_command": "[ -e healthy ] || { echo {{mesos.instance}}; exit 7; }"}}});
    let mut config = http_health(json!({"initial_interval_secs": 30.0}));
    config["health_check_config"]["health_checker"] = check["health_checker"].clone();
    agent.launch(&assigned(json!([process("p", "exec sleep 1000")]), config));
    agent.expect("TASK_STARTING", "").await;
    // Commands run in the executor's own folder, as upstream.
    std::fs::write(agent.dir.path().join("healthy"), "").unwrap();
    agent.expect("TASK_RUNNING", "Task is healthy.").await;
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    assert!(agent.exit().await.success());

    let mut agent = Agent::start(&[]).await;
    let mut config =
        http_health(json!({"initial_interval_secs": 0, "max_consecutive_failures": 0}));
    config["health_check_config"]["health_checker"] = check["health_checker"].clone();
    agent.launch(&assigned(json!([process("p", "exec sleep 1000")]), config));
    agent.expect("TASK_STARTING", "").await;
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_FAILED");
    assert_eq!(
        message,
        "Failed health check! Command '[ -e healthy ] || { echo 4; exit 7; }' returned non-zero exit status 7 with output '4\n'"
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_task_is_asked_to_end_first() {
    let web = Web::start(404, "").await;
    let mut agent = Agent::start(&[]).await;
    let lifecycle = json!({"lifecycle": {"http": {"port": "admin", "graceful_shutdown_wait_secs": 0, "shutdown_wait_secs": 0}}});
    let mut task = assigned(json!([process("p", "exec sleep 1000")]), lifecycle);
    task.assigned_ports.insert("admin".into(), web.port.into());
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    assert_eq!(
        *web.requests.lock().unwrap(),
        ["POST /quitquitquit", "POST /abortabortabort"]
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn a_full_disk_quota() {
    let mut agent = Agent::start(&[]).await;
    let mut more = json!({});
    let processes = json!([process("p", "exec sleep 1000")]);
    more["task"] = json!({"name": "t", "processes": processes, "resources": {"cpu": 1, "ram": 1, "disk": 4096}});
    let sandbox = agent.sandbox();
    std::fs::create_dir(&sandbox).unwrap();
    std::fs::write(sandbox.join("big"), vec![1_u8; 100_000]).unwrap();
    agent.launch(&assigned(processes, more));
    agent.expect("TASK_STARTING", "").await;
    let (mut state, mut message, _) = agent.status().await;
    if state == "TASK_RUNNING" {
        (state, message, _) = agent.status().await;
    }
    assert_eq!(state, "TASK_FAILED");
    assert!(
        message.starts_with("Disk limit exceeded.  Reserved 4096 bytes vs used "),
        "{message}"
    );
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn the_secret_stays_with_the_executor() {
    let mut agent = Agent::start(&["--preserve_env"]).await;
    agent.launch(&assigned(
        json!([process(
            "p",
            "cat /proc/$$/environ /proc/$PPID/environ | tr '\\0' '\\n'"
        )]),
        json!({}),
    ));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent.expect("TASK_FINISHED", "Task finished.").await;
    let seen = agent.file(".logs/p/0/stdout").unwrap();
    assert!(seen.contains("MESOS_EXECUTOR_ID=thermos-task-1"), "{seen}");
    assert!(!seen.contains(TOKEN), "{seen}");
    assert!(agent.exit().await.success());
}

#[test]
fn the_command_line() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_aurora-executor"))
            .args(arguments)
            .env_clear()
            .output()
            .unwrap()
    };
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("--nosetuid-health-checks")
    );
    let unknown = run(&["--what"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(unknown.stderr).unwrap(),
        "aurora-executor: unknown flag --what; --help lists the flags there are\n"
    );
    // One descriptor under two names would be closed twice.
    let twice = run(&["coordinator", "x", "9", "9"]);
    let said = String::from_utf8(twice.stderr).unwrap();
    assert!(
        twice.status.code() == Some(1) && said.contains("usage: coordinator"),
        "{said}"
    );
    let alone = run(&[]);
    assert_eq!(alone.status.code(), Some(1));
    assert!(
        String::from_utf8(alone.stderr).unwrap().contains("MESOS_"),
        "it names what is missing"
    );
}

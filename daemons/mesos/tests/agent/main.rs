//! The real agent program against a master that is played by the test.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, in its helpers too"
)]

mod docker;
mod fetch;
mod images;
mod registry;
mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use aurora_mesos::v1::{CommandUri, StatusReason, TaskState};
use aurora_tests::skip::{is_root, skip};
use http::StatusCode;

use world::{LIMIT, World, processes_with, task, wait_until_none};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_to_its_end_and_its_output_can_be_read() {
    let world = World::new().await;
    let mut agent = world.agent(&[]).await;
    let mut info = task("t1", "cat fetched; env; echo oops >&2");
    let source = world.directory.path().join("source");
    std::fs::write(&source, "fetched text\n").unwrap();
    if let Some(command) = &mut info.command {
        command.uris = vec![CommandUri {
            value: format!("file://{}", source.display()),
            output_file: Some("fetched".into()),
            ..CommandUri::default()
        }];
    }
    world.master.run(info);
    let finished = world.master.wait_for_state("t1", TaskState::Finished).await;
    assert_eq!(
        finished.message.as_deref(),
        Some("Command exited with status 0")
    );
    let states: Vec<TaskState> = world
        .master
        .state
        .lock()
        .unwrap()
        .updates
        .iter()
        .map(|update| update.state)
        .collect();
    assert_eq!(
        states,
        [TaskState::Starting, TaskState::Running, TaskState::Finished]
    );

    let latest = "/frameworks/F/executors/t1/runs/latest";
    let read = agent
        .json(&format!("/files/read?path={latest}/stdout&offset=0"))
        .await;
    let text = read["data"].as_str().unwrap();
    for line in [
        "fetched text\n",
        "MESOS_FRAMEWORK_ID=F\n",
        "MESOS_EXECUTOR_ID=t1\n",
        "MESOS_CHECKPOINT=1\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains("AUTHENTICATION_TOKEN"), "{text}");
    let listed = agent.json(&format!("/files/browse?path={latest}")).await;
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            format!("{latest}/fetched"),
            format!("{latest}/stderr"),
            format!("{latest}/stdout")
        ]
    );
    let (status, _) = agent
        .get(&format!(
            "/files/read?path={latest}/../../../../../../../../../etc/hostname&offset=0"
        ))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(agent.signal(nix::sys::signal::Signal::SIGTERM).success());
}

/// mesos: shares are 1024 a core, memory is limited to what the container has (executor and task together).
#[tokio::test(flavor = "multi_thread")]
async fn memory_and_cores_are_limited_and_too_much_memory_is_told() {
    let memory = Path::new("/sys/fs/cgroup/memory");
    if !nix::unistd::Uid::effective().is_root() || !memory.join("memory.limit_in_bytes").exists() {
        return;
    }
    let world = World::new().await;
    let _agent = world.agent(&[]).await;
    // What the container's own control groups say, and then more memory than there is.
    let show = "for kind in cpu memory; do \
                group=/sys/fs/cgroup/$kind$(grep -E \"[:,]$kind[:,]\" /proc/self/cgroup | cut -d: -f3); \
                cat $group/cpu.shares $group/memory.limit_in_bytes 2>/dev/null; done";
    let hog = "exec python3 -c 'b\"x\" * (400 << 20)'";
    let mut info = task("t1", &format!("{show}; {hog}"));
    info.resources[0].scalar = Some(aurora_mesos::v1::Scalar { value: 0.5 });
    world.master.run(info);
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    assert_eq!(failed.reason, Some(StatusReason::ContainerLimitationMemory));
    let stdout = world
        .work_dir()
        .join("slaves/S0/frameworks/F/executors/t1/runs/latest/stdout");
    let numbers: Vec<u64> = std::fs::read_to_string(stdout)
        .unwrap()
        .lines()
        // The executor says in the same file what it does.
        .filter_map(|line| line.parse().ok())
        .collect();
    // Half a core and a tenth for the executor; 64 MiB and 32 MiB for the executor.
    assert_eq!(numbers, [614, 96 << 20]);
}

/// The control group of a task's container, below each controller.
fn group_of(world: &World, task: &str) -> String {
    let runs = format!("slaves/S0/frameworks/F/executors/{task}/runs/latest");
    let run = std::fs::read_link(world.work_dir().join(runs)).unwrap();
    let container = run.file_name().unwrap().to_string_lossy();
    format!("aurora-test-{}/{container}", std::process::id())
}

/// A task that forks as often as it can has its limit of processes, and ends whole when it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_stays_within_its_container() {
    const NAME: &str = "a_fork_bomb_stays_within_its_container";
    let groups = Path::new("/sys/fs/cgroup/pids");
    if !is_root() || !groups.exists() {
        return skip(NAME, "no control group of processes to write");
    }
    let world = World::new().await;
    let _agent = world.agent(&["--cgroups-pids-max", "60"]).await;
    let bomb = "bomb_of_the_test() { bomb_of_the_test & bomb_of_the_test & sleep 1000; }";
    // A shell ends when it cannot fork: the task's own does so once, when there is room.
    let command = format!("{bomb}; bomb_of_the_test & exec sleep 1000");
    let mut info = task("t1", &command);
    info.resources[1].scalar = Some(aurora_mesos::v1::Scalar { value: 512.0 });
    world.master.run(info);
    world.master.wait_for_state("t1", TaskState::Running).await;
    let group = groups.join(group_of(&world, "t1"));
    let read = |file: &str| std::fs::read_to_string(group.join(file)).unwrap();
    let deadline = Instant::now() + LIMIT;
    // How many forks the kernel has refused.
    while read("pids.events").trim() == "max 0" {
        assert!(Instant::now() < deadline, "{} run", read("pids.current"));
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    let running: u64 = read("pids.current").trim().parse().unwrap();
    assert!((30..=60).contains(&running), "{running}");
    world.master.kill("t1");
    world.master.wait_for_state("t1", TaskState::Killed).await;
    wait_until_none("bomb_of_the_test").await;
}

/// mesos: --cgroups_enable_cfs, CPU_CFS_PERIOD of 100 ms.
#[tokio::test(flavor = "multi_thread")]
async fn hard_limits_by_the_numbers() {
    let groups = Path::new("/sys/fs/cgroup");
    if !is_root() || !groups.join("memory/memory.limit_in_bytes").exists() {
        return skip("hard_limits_by_the_numbers", "no control groups to write");
    }
    let world = World::new().await;
    let _agent = world
        .agent(&["--cgroups_enable_cfs", "true", "--cgroups-pids-max", "99"])
        .await;
    let mut info = task("t1", "while :; do sleep 0.05; done");
    info.resources[0].scalar = Some(aurora_mesos::v1::Scalar { value: 1.4 });
    info.limits = [(
        "mem".to_owned(),
        aurora_mesos::v1::Scalar {
            value: f64::INFINITY,
        },
    )]
    .into();
    world.master.run(info);
    world.master.wait_for_state("t1", TaskState::Running).await;
    let number = |kind: &str, file: &str| -> i64 {
        let path = groups.join(kind).join(group_of(&world, "t1")).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        text.trim().parse().unwrap()
    };
    // The command's executor has a tenth of a core and 32 MiB.
    let numbers = [
        ("cpu", "cpu.shares", 1536),
        ("cpu", "cpu.cfs_period_us", 100_000),
        ("cpu", "cpu.cfs_quota_us", 150_000),
        ("memory", "memory.soft_limit_in_bytes", 96 << 20),
        ("pids", "pids.max", 99),
    ];
    for (kind, file, expected) in numbers {
        assert_eq!(number(kind, file), expected, "{file}");
    }
    // The kernel's own word for no limit, a whole number of pages.
    assert!(number("memory", "memory.limit_in_bytes") > 1 << 62);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_does_not_ping_in_its_own_time_is_given_up() {
    let world = World::new().await;
    world.master.state.lock().unwrap().total_ping_timeout = Duration::from_millis(200);
    let _agent = world.agent(&[]).await;
    world
        .master
        .wait("second registration", |state| {
            (state.subscriptions.len() > 1).then_some(())
        })
        .await;
}

/// The body of each answer is larger than what sockets hold, and nobody reads it.
#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_nobody_takes_hold_up_nobody() {
    use tokio::io::AsyncWriteExt;
    let world = World::new().await;
    let agent = world.agent(&[]).await;
    let filled = "head -c 64M /dev/zero > big; echo here > small";
    world.master.run(task("t1", filled));
    world.master.wait_for_state("t1", TaskState::Finished).await;
    let run = "/frameworks/F/executors/t1/runs/latest";
    let mut stalled = Vec::new();
    // More than the threads that a runtime has for work that blocks.
    for _ in 0..600 {
        let mut stream = tokio::net::TcpStream::connect(&agent.address)
            .await
            .unwrap();
        let request =
            format!("GET /files/download?path={run}/big HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        stalled.push(stream);
    }
    let small = format!("/files/read?path={run}/small&offset=0");
    let read = tokio::time::timeout(LIMIT, agent.json(&small)).await;
    let read = read.expect("an answer");
    assert_eq!(read["data"], "here\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_survives_kill_9_of_the_agent_and_can_be_killed_by_the_next() {
    let world = World::new().await;
    let mut agent = world.agent(&[]).await;
    let marker = format!("survivor-{}", std::process::id());
    world.master.run(task(
        "t1",
        &format!(": {marker}; trap 'exit 7' TERM; while :; do sleep 0.05; done"),
    ));
    world.master.wait_for_state("t1", TaskState::Running).await;
    let before = processes_with(&marker);
    assert!(!before.is_empty());
    agent.signal(nix::sys::signal::Signal::SIGKILL);
    let agent = world.agent(&[]).await;
    assert_eq!(
        processes_with(&marker).keys().next(),
        before.keys().next(),
        "the same process lives on"
    );
    let subscription = world
        .master
        .state
        .lock()
        .unwrap()
        .subscriptions
        .last()
        .cloned()
        .unwrap();
    assert_eq!(
        subscription
            .agent_info
            .id
            .as_ref()
            .map(|id| id.value.as_str()),
        Some("S0")
    );
    let known: Vec<_> = subscription
        .tasks
        .iter()
        .map(|task| (task.task_id.value.as_str(), task.state))
        .collect();
    assert_eq!(known, [("t1", TaskState::Running)]);
    world.master.kill("t1");
    let killed = world.master.wait_for_state("t1", TaskState::Killed).await;
    assert_eq!(
        killed.message.as_deref(),
        Some("Command exited with status 7")
    );
    wait_until_none(&marker).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stop_ends_every_process_of_every_task() {
    let world = World::new().await;
    let mut agent = world.agent(&["--stop-executors-on-shutdown"]).await;
    let marker = format!("stopped-{}", std::process::id());
    // A child that ignores the signal, in a session of its own.
    world.master.run(task(
        "t1",
        &format!(
            "setsid sh -c ': {marker}; trap \"\" TERM; while :; do sleep 0.05; done' & sleep 300"
        ),
    ));
    world.master.wait_for_state("t1", TaskState::Running).await;
    assert!(agent.signal(nix::sys::signal::Signal::SIGTERM).success());
    wait_until_none(&marker).await;
    let sandbox = world
        .work_dir()
        .join("slaves/S0/frameworks/F/executors/t1/runs/latest/stdout");
    assert!(sandbox.exists());
    // Whether or not the last update got out in time, the next agent has told the end.
    let _agent = world.agent(&[]).await;
    world
        .master
        .wait("an end", |state| {
            state
                .updates
                .iter()
                .any(|update| update.state.is_terminal())
                .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_an_account_fails_the_task_by_name() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let world = World::new().await;
    let _agent = world.agent(&[]).await;
    let mut info = task("t1", "true");
    if let Some(command) = &mut info.command {
        command.user = Some("no-such-user-here".into());
    }
    world.master.run(info);
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    assert_eq!(failed.reason, Some(StatusReason::ContainerLaunchFailed));
    assert!(failed.message.unwrap().contains("'no-such-user-here'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_secret_files_need_it_and_each_executor_has_its_own() {
    let world = World::new().await;
    let token = world.directory.path().join("token");
    std::fs::write(&token, "the-cluster-secret\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let agent = world
        .agent(&["--token-file", token.to_str().unwrap()])
        .await;
    // The command executor gets through with the secret of its container, and keeps it from the command.
    world.master.run(task("t1", "env; sleep 300"));
    world.master.wait_for_state("t1", TaskState::Running).await;
    let stdout = "/files/read?path=/frameworks/F/executors/t1/runs/latest/stdout&offset=0";
    let read = r#"{"type":"READ_FILE","read_file":{"path":"/frameworks/F/executors/t1/runs/latest/stdout","offset":0}}"#;
    let subscribe = r#"{"type":"SUBSCRIBE","subscribe":{},"framework_id":{"value":"F"},"executor_id":{"value":"t1"}}"#;
    let (unauthorized, forbidden) = (StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN);
    let secret = Some("the-cluster-secret");
    let cases = [
        ("GET", stdout, None, "", unauthorized),
        ("GET", stdout, Some("wrong"), "", unauthorized),
        ("GET", stdout, secret, "", StatusCode::OK),
        ("POST", "/api/v1", None, read, unauthorized),
        ("POST", "/api/v1", secret, read, StatusCode::OK),
        (
            "POST",
            "/api/v1",
            None,
            r#"{"type":"GET_STATE"}"#,
            StatusCode::OK,
        ),
        ("POST", "/api/v1/executor", None, subscribe, unauthorized),
        ("POST", "/api/v1/executor", secret, subscribe, forbidden),
    ];
    for (method, path, token, body, status) in cases {
        let (got, text) = agent.ask(method, path, token, body).await;
        assert_eq!(got, status, "{method} {path} with {token:?}: {text}");
    }
    let (_, text) = agent.ask("GET", stdout, secret, "").await;
    assert!(
        text.contains("MESOS_EXECUTOR_ID=t1") && !text.contains("AUTHENTICATION_TOKEN"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_of_a_launch_leaves_nothing_unknown() {
    let world = World::new().await;
    let marker = format!("anytime-{}", std::process::id());
    let mut launched = Vec::new();
    for (round, pause) in [0, 3, 6, 10, 15, 25, 40, 80].into_iter().enumerate() {
        let mut agent = world.agent(&[]).await;
        for number in 0..3 {
            let id = format!("t-{round}-{number}");
            world
                .master
                .run(task(&id, &format!(": {marker} {id}.; exec sleep 300")));
            launched.push(id);
        }
        tokio::time::sleep(Duration::from_millis(pause)).await; // moment of the kill
        agent.signal(nix::sys::signal::Signal::SIGKILL);
    }
    let mut agent = world.agent(&["--stop-executors-on-shutdown"]).await;
    // What runs is known to the agent: it is in its registration, or its end was told.
    let known: Vec<String> = {
        let state = world.master.state.lock().unwrap();
        let tasks = state.subscriptions.last().unwrap().tasks.iter();
        tasks.map(|task| task.task_id.value.clone()).collect()
    };
    for id in &launched {
        let runs = !processes_with(&format!("{marker} {id}.")).is_empty();
        assert!(
            !runs || known.contains(id),
            "{id} runs unknown to the agent"
        );
    }
    assert!(agent.signal(nix::sys::signal::Signal::SIGTERM).success());
    wait_until_none(&marker).await;
    for controller in ["memory", "freezer", ""] {
        let group = Path::new("/sys/fs/cgroup")
            .join(controller)
            .join(format!("aurora-test-{}", std::process::id()));
        let left: Vec<_> = std::fs::read_dir(&group)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.path().is_dir())
            .collect();
        // Other tests of this program use the same root.
        let ours = left
            .iter()
            .filter(|entry| world.owns(&entry.file_name().to_string_lossy()));
        assert_eq!(ours.count(), 0, "groups left in {}", group.display());
    }
}

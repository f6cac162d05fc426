//! Records, definitions and files that are not as one would like them; and the program's flags.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aurora_api::thermos::{ProcessState, RunnerCkpt, RunnerHeader, TaskState, TaskStatus};
use aurora_daemon::lifecycle::Shutdown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Machine, TASK, append_to, get, get_until, page, start};

#[tokio::test]
async fn buckets_codes_and_bytes() {
    let machine = Machine::new();
    machine.launch();
    for (seq, state) in [
        ProcessState::Waiting,
        ProcessState::Forked,
        ProcessState::Lost,
    ]
    .into_iter()
    .enumerate()
    {
        machine.process("lost", seq as i64, state, None);
    }
    machine.process("fresh", 0, ProcessState::Waiting, None);
    for (seq, state) in [
        ProcessState::Waiting,
        ProcessState::Forked,
        ProcessState::Running,
    ]
    .into_iter()
    .enumerate()
    {
        machine.process("good", seq as i64, state, None);
    }
    machine.process("good", 3, ProcessState::Success, Some(0));
    let logs = machine.sandbox().join(".logs/hello/0");
    fs::write(logs.join("stderr"), b"\xff\xfeok").unwrap();
    fs::write(logs.join("stdout.1"), "older").unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
    assert_eq!(
        task["processes"],
        json!({"waiting": ["fresh", "lost"], "running": ["hello"], "success": ["good"], "failed": [], "killed": []})
    );
    let run = get(address, &format!("/j/process/{TASK}/good")).await;
    assert_eq!(
        (&run["state"], &run["stop_time"]),
        (&json!("SUCCESS"), &json!(1_700_000_008.0))
    );
    assert_eq!(run.get("return_code"), None, "0 is left out");
    assert_eq!(
        get(address, &format!("/logdata/{TASK}/hello/0/stderr?offset=0")).await,
        json!({"offset": 0, "length": 4, "data": "\u{fffd}\u{fffd}ok"})
    );
    // What was rotated is in the listing, and is no log.
    let listing = get(address, &format!("/ext/v1/browse/{TASK}/.logs/hello/0")).await;
    assert_eq!(listing["entries"][2]["name"], "stdout.1");
    assert_eq!(
        get(
            address,
            &format!("/logdata/{TASK}/hello/0/stdout.1?offset=0")
        )
        .await,
        json!({})
    );
    // Measured while nobody waits, and told with the next question.
    let path = format!("/j/task/{TASK}");
    get_until(address, &path, |tasks| {
        tasks[TASK]["resource_consumption"]["disk"].as_u64() > Some(0)
    })
    .await;
    // A record that does not fit: what came before it stands, and nothing after it counts.
    machine.append(&RunnerCkpt::RunnerHeader(RunnerHeader::default()));
    machine.append(&RunnerCkpt::TaskStatus(TaskStatus {
        state: Some(TaskState::Cleaning),
        timestamp_ms: Some(1_700_000_009_000),
        ..TaskStatus::default()
    }));
    assert_eq!(get(address, &path).await[TASK]["state"], "ACTIVE");
    shutdown.trigger();
}

#[tokio::test]
async fn a_task_that_nobody_attends_to_is_lost() {
    let machine = Machine::new();
    machine.launch();
    for (seq, state) in [
        ProcessState::Waiting,
        ProcessState::Forked,
        ProcessState::Running,
    ]
    .into_iter()
    .enumerate()
    {
        machine.process("gone", seq as i64, state, None);
    }
    let stream = machine.run().join("checkpoints/checkpoints").join(TASK);
    let lead = || {
        let runner = File::open(stream.join("runner")).unwrap();
        runner.lock().unwrap();
        runner
    };
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let check = async |state: &str, run: &str, buckets: Value, why: &str| {
        let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
        assert_eq!(task["state"], state, "{why}");
        let processes = ["waiting", "running"].map(|bucket| &task["processes"][bucket]);
        assert_eq!(json!(processes), buckets, "{why}");
        let shown = get(address, &format!("/j/process/{TASK}/gone")).await;
        assert_eq!(shown["state"], run, "{why}");
        assert_eq!(shown.get("used").is_some(), run == "RUNNING", "{why}");
        let list = get(address, "/j/task_ids/active").await;
        assert_eq!(list["tasks"][0]["state"], state, "{why}");
        let (_, html) = page(address, &format!("/process/{TASK}/gone")).await;
        assert!(html.contains(run), "{why}: {html}");
    };
    let both = json!([[], ["gone", "hello"]]);
    check(
        "ACTIVE",
        "RUNNING",
        both,
        "a process is there without a runner",
    )
    .await;
    machine.process("hello", 3, ProcessState::Success, Some(0));
    let runner = lead();
    let one = json!([[], ["gone"]]);
    check("ACTIVE", "RUNNING", one.clone(), "a runner leads").await;
    drop(runner);
    check("LOST", "LOST", json!([["gone"], []]), "nobody is there").await;
    let runner = lead();
    check("ACTIVE", "RUNNING", one, "a runner took it over").await;
    machine.finish_as(TaskState::Killed);
    drop(runner);
    let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
    assert_eq!(task["state"], "KILLED", "it has an end on record");
    shutdown.trigger();
}

#[tokio::test]
async fn tasks_that_are_not_whole_yet() {
    let machine = Machine::new();
    machine.launch();
    let root = machine
        .directory
        .path()
        .join("slaves/S0/frameworks/F0/executors/thermos-t2/runs/c0/checkpoints");
    let (file, stream) = (
        root.join("tasks/active/t2"),
        root.join("checkpoints/t2/runner"),
    );
    for path in [&file, &stream] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    fs::write(&file, "{").unwrap();
    append_to(
        &stream,
        &RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(TaskState::Active),
            timestamp_ms: Some(1),
            ..TaskStatus::default()
        }),
    );
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    assert_eq!(page(address, "/j/task/t2").await.0, 404, "no header yet");
    assert_eq!(get(address, "/j/task_ids").await["task_count"], 1);
    append_to(&stream, &RunnerCkpt::RunnerHeader(RunnerHeader::default()));
    let ids = |list: &Value| -> Vec<String> {
        let tasks = list["tasks"].as_array().unwrap().iter();
        tasks
            .map(|task| task["task_id"].as_str().unwrap().to_owned())
            .collect()
    };
    // It counts, and its row is left out for want of a definition.
    let list = get_until(address, "/j/task_ids", |list| list["task_count"] == 2).await;
    assert_eq!(ids(&list), [TASK]);
    fs::write(&file, r#"{"name": "two", "processes": []}"#).unwrap();
    let newer = SystemTime::now() + Duration::from_secs(60);
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(newer)
        .unwrap();
    let list = get_until(address, "/j/task_ids", |list| {
        list["tasks"].as_array().unwrap().len() == 2
    })
    .await;
    assert_eq!(ids(&list), ["t2", TASK], "newest first");
    // A header and no process yet: empty buckets.
    assert_eq!(
        get(address, "/j/task/t2").await["t2"]["processes"]["running"],
        json!([])
    );
    shutdown.trigger();
}

#[test]
fn command_lines_of_upstream() {
    let program = env!("CARGO_BIN_EXE_aurora-observer");
    let help = Command::new(program).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for default in [
        "[default: /var/lib/mesos]",
        "[default: 0.0.0.0]",
        "[default: 1338]",
        "[default: 20]",
        "[default: 60]",
    ] {
        assert!(help.contains(default), "{default}: {help}");
    }
    let place = tempfile::tempdir().unwrap();
    let mut observer = Command::new(program)
        .args(["--ip=127.0.0.1", "--port=0", "--polling_interval_secs=1"])
        .args([
            "--task_process_collection_interval_secs=2",
            "--disable_task_resource_collection",
        ])
        .args(["--task_disk_collection_interval_secs=3", "--mesos-root"])
        .arg(place.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(observer.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["ready"]["name"], "observer");
    kill(Pid::from_raw(observer.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(observer.wait().unwrap().success());
}

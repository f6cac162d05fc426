//! The observer over HTTP, on checkpoint streams and a sandbox written here.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aurora_api::binary;
use aurora_api::observer::TaskHistory;
use aurora_api::thermos::{
    ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader, TaskState, TaskStatus,
};
use aurora_api::wire::Double;
use aurora_daemon::guard::{Guard, Token};
use aurora_daemon::lifecycle::Shutdown;
use aurora_daemon::server::{Listener, Options, serve};
use aurora_observer::routes::{Observer, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TASK: &str = "www-data-devel-hello-0-1234";

struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        Machine {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn run(&self) -> PathBuf {
        let run = format!("slaves/S0/frameworks/F0/executors/thermos-{TASK}/runs/c0");
        self.directory.path().join(run)
    }

    fn sandbox(&self) -> PathBuf {
        self.run().join("sandbox")
    }

    /// A task that has been launched: its file, its stream's first two records, one running process (this one).
    fn launch(&self) {
        let root = self.run().join("checkpoints");
        fs::create_dir_all(root.join("tasks/active")).unwrap();
        fs::create_dir_all(root.join("checkpoints").join(TASK)).unwrap();
        fs::create_dir_all(self.sandbox().join(".logs/hello/0")).unwrap();
        fs::write(
            self.sandbox().join(".logs/hello/0/stdout"),
            "one <b>\ntwo\n",
        )
        .unwrap();
        fs::write(self.sandbox().join("file"), "content").unwrap();
        let task = json!({"name": "hello", "processes": [{"name": "hello", "cmdline": "serve {{thermos.ports[http]}}"}]});
        fs::write(root.join("tasks/active").join(TASK), task.to_string()).unwrap();
        self.append(&RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(TaskState::Active),
            timestamp_ms: Some(1_700_000_000_123),
            ..TaskStatus::default()
        }));
        self.append(&RunnerCkpt::RunnerHeader(RunnerHeader {
            task_id: Some(TASK.into()),
            launch_time_ms: Some(1_700_000_000_123),
            sandbox: Some(self.sandbox().display().to_string()),
            log_dir: Some(self.sandbox().join(".logs").display().to_string()),
            hostname: Some("h".into()),
            user: Some("www-data".into()),
            uid: Some(nix::unistd::getuid().as_raw().cast_signed()),
            ports: Some(BTreeMap::from([("http".into(), 31000)])),
        }));
        for (seq, state) in [
            ProcessState::Waiting,
            ProcessState::Forked,
            ProcessState::Running,
        ]
        .into_iter()
        .enumerate()
        {
            self.append(&RunnerCkpt::ProcessStatus(ProcessStatus {
                seq: Some(seq as i64),
                process: Some("hello".into()),
                state: Some(state),
                pid: (seq == 2).then(|| std::process::id().cast_signed()),
                start_time: (seq == 2).then_some(Double(1_700_000_001.5)),
                fork_time: (seq == 1).then_some(Double(1_700_000_001.25)),
                // The parent of a run; the recorded start is long ago.
                coordinator_pid: (seq == 1)
                    .then_some(std::os::unix::process::parent_id().cast_signed()),
                ..ProcessStatus::default()
            }));
        }
    }

    fn append(&self, record: &RunnerCkpt) {
        let path = self
            .run()
            .join("checkpoints/checkpoints")
            .join(TASK)
            .join("runner");
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        let body = binary::encode(record);
        file.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes())
            .unwrap();
        file.write_all(&body).unwrap();
    }

    fn finish(&self) {
        self.append(&RunnerCkpt::ProcessStatus(ProcessStatus {
            seq: Some(3),
            process: Some("hello".into()),
            state: Some(ProcessState::Failed),
            stop_time: Some(Double(1_700_000_009.0)),
            return_code: Some(7),
            ..ProcessStatus::default()
        }));
        self.append(&RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(TaskState::Failed),
            timestamp_ms: Some(1_700_000_010_000),
            ..TaskStatus::default()
        }));
        let tasks = self.run().join("checkpoints/tasks");
        fs::create_dir_all(tasks.join("finished")).unwrap();
        fs::rename(
            tasks.join("active").join(TASK),
            tasks.join("finished").join(TASK),
        )
        .unwrap();
    }
}

async fn start(root: &Path, shutdown: &Shutdown) -> SocketAddr {
    start_over(vec![root.to_owned()], shutdown).await.0
}

async fn start_over(mesos_roots: Vec<PathBuf>, shutdown: &Shutdown) -> (SocketAddr, Arc<Observer>) {
    let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
        .await
        .unwrap();
    let address = listener.address();
    let guard = Guard::new(Some(Token::new("s3cret")), address);
    let observer = Arc::new(Observer::new(
        guard,
        Settings {
            mesos_roots,
            disk_interval: Duration::from_secs(60),
            sample_interval: Duration::from_secs(20),
        },
    ));
    tokio::spawn(serve(
        listener,
        observer.clone(),
        Options::default(),
        shutdown.clone(),
    ));
    (address, observer)
}

async fn get_with(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

const SECRET: &str = "host: localhost\r\nauthorization: Bearer s3cret\r\n";

/// A page's status and text.
async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    get_with(address, path, SECRET).await
}

async fn get(address: SocketAddr, path: &str) -> Value {
    let headers = "host: localhost\r\nauthorization: Bearer s3cret\r\n";
    let (status, body) = get_with(address, path, headers).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Asks until the answer fits; the look at the file system may be a moment old.
async fn get_until(address: SocketAddr, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let wait = async {
        loop {
            last = get(address, path).await;
            if fits(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .is_ok();
    assert!(in_time, "{path}: {last}");
    last
}

#[tokio::test]
async fn a_task_is_shown_from_its_launch_to_its_end() {
    let machine = Machine::new();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    assert_eq!(
        get(address, "/j/task_id_count").await,
        json!({"active": 0, "finished": 0, "all": 0})
    );
    machine.launch();
    get_until(address, "/j/task_id_count", |count| count["active"] == 1).await;

    let list = get(address, "/j/task_ids/active").await;
    let row = &list["tasks"][0];
    assert_eq!(
        (
            &row["task_id"],
            &row["name"],
            &row["role"],
            &row["state"],
            &row["launch_timestamp"],
            &row["ports"]
        ),
        (
            &json!(TASK),
            &json!("hello"),
            &json!("www-data"),
            &json!("ACTIVE"),
            &json!(1_700_000_000),
            &json!({"http": 31000})
        )
    );
    assert!(row["ram"].as_u64().unwrap() > 0, "{row}");
    assert_eq!(
        (&list["type"], &list["num"], &list["task_count"]),
        (&json!("active"), &json!(20), &json!(1))
    );

    let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
    assert_eq!(task["processes"]["running"], json!(["hello"]));
    assert_eq!(task["task"]["processes"][0]["cmdline"], "serve 31000");
    assert_eq!(task["user"], "www-data");

    let run = get(address, &format!("/j/process/{TASK}/hello")).await;
    assert_eq!(
        (&run["state"], &run["process_run"], &run["start_time"]),
        (&json!("RUNNING"), &json!(0), &json!(1_700_000_001.5))
    );
    assert!(run["used"]["rss"].as_u64().unwrap() > 0);
    assert_eq!(
        get(address, &format!("/j/process/{TASK}/hello/-2")).await,
        json!({})
    );

    machine.finish();
    get_until(address, "/j/task_id_count", |count| {
        count["finished"] == 1 && count["active"] == 0
    })
    .await;
    let run = get(address, &format!("/j/processes?task_id={TASK},other")).await;
    assert_eq!(
        run,
        json!({TASK: {"hello": {"process_name": "hello", "process_run": 0, "state": "FAILED",
            "start_time": 1_700_000_001.5, "stop_time": 1_700_000_009.0, "return_code": 7}}})
    );
    let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
    assert_eq!(
        (&task["state"], &task["state_timestamp"]),
        (&json!("FAILED"), &json!(1_700_000_010))
    );
    assert_eq!(task["processes"]["failed"], json!(["hello"]));
    shutdown.trigger();
}

#[tokio::test]
async fn files_and_logs_are_read_in_pieces_and_only_with_the_secret() {
    let machine = Machine::new();
    machine.launch();
    std::os::unix::fs::symlink("/etc/passwd", machine.sandbox().join("leak")).unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;

    let log = format!("/logdata/{TASK}/hello/0/stdout");
    assert_eq!(get(address, &log).await, json!({"offset": 12, "length": 0}));
    assert_eq!(
        get(address, &format!("{log}?offset=0&length=8")).await,
        json!({"offset": 0, "length": 8, "data": "one &lt;b&gt;\n"})
    );
    assert_eq!(
        get(address, &format!("{log}?offset=8")).await,
        json!({"offset": 8, "length": 4, "data": "two\n"})
    );
    for nothing in [
        format!("/logdata/{TASK}/hello/1/stdout?offset=0"),
        format!("/logdata/{TASK}/hello/0/other?offset=0"),
        format!("/logdata/{TASK}/..%2F..%2Fetc/0/stdout?offset=0"),
        format!("{log}?offset=x"),
        format!("/filedata/{TASK}/leak?offset=0"),
        format!("/filedata/{TASK}/..%2F..%2F..%2Fetc/passwd?offset=0"),
        "/filedata/other/file?offset=0".to_owned(),
    ] {
        assert_eq!(get(address, &nothing).await, json!({}), "{nothing}");
    }
    let listing = get(address, &format!("/ext/v1/browse/{TASK}/")).await;
    let names: Vec<_> = listing["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, [".logs", "file", "leak"]);

    let with_secret = "host: localhost\r\nauthorization: Bearer s3cret\r\n";
    let (status, body) = get_with(address, &format!("/download/{TASK}/file"), with_secret).await;
    assert!(status == 200 && body.contains("content"), "{status} {body}");
    assert_eq!(
        get_with(address, &format!("/download/{TASK}/leak"), with_secret)
            .await
            .0,
        404
    );

    for path in [
        log.as_str(),
        "/filedata/x/y",
        "/download/x/y",
        "/ext/v1/browse/x",
    ] {
        assert_eq!(
            get_with(address, path, "host: localhost\r\n").await.0,
            401,
            "{path}"
        );
    }
    let foreign = "host: evil.example\r\nauthorization: Bearer s3cret\r\n";
    assert_eq!(get_with(address, "/j/task_ids", foreign).await.0, 403);
    shutdown.trigger();
}

#[tokio::test]
async fn odd_questions_and_tasks_that_are_over() {
    let machine = Machine::new();
    machine.launch();
    machine.finish();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    // First seen when it is over.
    assert_eq!(
        get(address, "/j/task_id_count").await,
        json!({"active": 0, "finished": 1, "all": 1})
    );
    let row = &get(address, "/j/task_ids/finished/-1/0").await;
    assert_eq!((&row["offset"], &row["num"]), (&json!(0), &json!(20)));
    let row = &row["tasks"][0];
    for zero in [
        "cpu", "ram", "user", "system", "rss", "vms", "threads", "disk",
    ] {
        assert_eq!(row[zero].as_f64(), Some(0.0), "{zero}");
    }
    assert_eq!(
        (&row["nice"], &row["status"]),
        (&Value::Null, &json!("None"))
    );
    let consumption = &get(address, &format!("/j/task/{TASK}")).await[TASK]["resource_consumption"];
    assert_eq!(consumption["disk"], json!(0));
    for (path, expected) in [
        ("/j/task".to_owned(), json!({})),
        ("/j/task?task_id=".to_owned(), json!({})),
        ("/j/task?task_id=other".to_owned(), json!({})),
        (format!("/j/process/{TASK}"), json!({})),
        (format!("/j/process/{TASK}/other"), json!({})),
        (format!("/j/process/{TASK}/hello/x"), json!({})),
        (
            "/ext/v1/history/other".to_owned(),
            json!({"interval_secs": 20, "samples": []}),
        ),
    ] {
        assert_eq!(get(address, &path).await, expected, "{path}");
    }
    for path in [
        "/j/task/other",
        "/j/task_ids/some",
        "/j/task_ids/all/x",
        "/j/task_ids/all/0/0/0",
        "/nothing",
        "/vars/none",
        "/task/other",
        "/main/some",
        "/assets/other",
    ] {
        assert_eq!(page(address, path).await.0, 404, "{path}");
    }
    assert_eq!(page(address, "/health").await, (200, "OK".into()));
    shutdown.trigger();
}

#[tokio::test]
async fn metrics_are_lines_values_and_an_object() {
    let machine = Machine::new();
    machine.launch();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let object = get(address, "/vars.json").await;
    assert_eq!(object["observer.tasks_active"], 1);
    let (_, lines) = page(address, "/vars").await;
    let names: Vec<&str> = lines
        .lines()
        .map(|line| line.split_once(' ').unwrap().0)
        .collect();
    assert!(
        names.is_sorted() && names.contains(&"sys.uptime"),
        "{lines}"
    );
    assert_eq!(
        page(address, "/vars/observer.tasks_finished").await,
        (200, "0".into())
    );
    assert!(
        page(address, "/threads").await.1.contains("http"),
        "the test's own thread"
    );
    shutdown.trigger();
}

#[tokio::test]
async fn only_what_has_changed_is_looked_at() {
    let (one, two) = (Machine::new(), tempfile::tempdir().unwrap());
    one.launch();
    let shutdown = Shutdown::new();
    let roots = vec![one.directory.path().to_owned(), two.path().to_owned()];
    let (address, _) = start_over(roots, &shutdown).await;
    let effort = async || {
        let vars = get(address, "/vars.json").await;
        (
            vars["observer.discovery_walks"].as_u64().unwrap(),
            vars["observer.run_looks"].as_u64().unwrap(),
        )
    };
    let first = effort().await;
    for _ in 0..20 {
        get(address, "/j/task_ids").await;
    }
    assert_eq!(effort().await, first, "nothing has changed");
    // A record more is one look more, and no walk.
    one.append(&RunnerCkpt::TaskStatus(TaskStatus {
        state: Some(TaskState::Cleaning),
        timestamp_ms: Some(1_700_000_005_000),
        ..TaskStatus::default()
    }));
    let row = &get(address, "/j/task_ids").await["tasks"][0];
    assert_eq!(row["state"], "CLEANING");
    assert_eq!(effort().await, (first.0, first.1 + 1));
    // Another agent's first task is found, however its directories come about.
    let other = two
        .path()
        .join("slaves/S1/frameworks/F1/executors/thermos-t2/runs/c1");
    fs::create_dir_all(&other).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["all"], 1);
    let parts = [
        ("tasks/active", "tasks/active/t2"),
        ("checkpoints/t2", "checkpoints/t2/runner"),
    ];
    let from = one.run().join("checkpoints");
    for (folder, file) in parts {
        fs::create_dir_all(other.join("checkpoints").join(folder)).unwrap();
        fs::copy(
            from.join(file.replace("t2", TASK)),
            other.join("checkpoints").join(file),
        )
        .unwrap();
    }
    assert_eq!(get(address, "/j/task_id_count").await["active"], 2);
    // What the agent removes is gone.
    fs::remove_dir_all(two.path().join("slaves")).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["all"], 1);
    shutdown.trigger();
}

#[tokio::test]
async fn a_task_lies_about_itself_at_most() {
    let machine = Machine::new();
    machine.launch();
    let honest = machine.run().join("checkpoints");
    // A second task claims to be the first, names other directories, and leaves a pipe and a link to wait at.
    let evil = machine
        .directory
        .path()
        .join("slaves/S0/frameworks/F0/executors/thermos-evil/runs/c0");
    let root = evil.join("checkpoints");
    fs::create_dir_all(root.join("tasks/active")).unwrap();
    fs::create_dir_all(root.join("checkpoints").join(TASK)).unwrap();
    fs::create_dir_all(root.join("checkpoints/evil")).unwrap();
    fs::copy(
        honest.join("tasks/active").join(TASK),
        root.join("tasks/active").join(TASK),
    )
    .unwrap();
    fs::write(root.join("checkpoints").join(TASK).join("runner"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("tasks/active/evil")).unwrap();
    nix::unistd::mkfifo(
        &root.join("checkpoints/evil/runner"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let answers = tokio::time::timeout(Duration::from_secs(10), get(address, "/j/task_ids"));
    let list = answers.await.expect("nobody waits for a pipe");
    assert_eq!(list["task_count"], 1);
    assert_eq!(list["tasks"][0]["name"], "hello");

    // It has a stream now, whose header names the first one's sandbox.
    fs::remove_file(root.join("tasks/active/evil")).unwrap();
    fs::remove_file(root.join("checkpoints/evil/runner")).unwrap();
    fs::copy(
        honest.join("checkpoints").join(TASK).join("runner"),
        root.join("checkpoints/evil/runner"),
    )
    .unwrap();
    fs::copy(
        honest.join("tasks/active").join(TASK),
        root.join("tasks/active/evil"),
    )
    .unwrap();
    get_until(address, "/j/task_id_count", |count| count["all"] == 2).await;
    assert_eq!(
        get(address, "/filedata/evil/file?offset=0").await,
        json!({})
    );
    assert_eq!(
        get(address, "/logdata/evil/hello/0/stdout?offset=0").await,
        json!({})
    );
    assert_eq!(page(address, "/browse/evil").await.0, 404);
    let (_, text) = page(address, &format!("/download/{TASK}/file")).await;
    assert!(
        text.ends_with("content"),
        "the first one is as it was: {text}"
    );
    shutdown.trigger();
}

#[tokio::test]
async fn downloads_have_ranges() {
    let machine = Machine::new();
    machine.launch();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let path = format!("/download/{TASK}/file");
    for (range, status, body) in [
        ("bytes=0-2", 206, "con"),
        ("bytes=-3", 206, "ent"),
        ("bytes=99-", 416, ""),
        ("nonsense", 200, "content"),
    ] {
        let headers = format!("{SECRET}range: {range}\r\n");
        assert_eq!(
            get_with(address, &path, &headers).await,
            (status, body.to_owned()),
            "{range}"
        );
    }
    shutdown.trigger();
}

#[tokio::test]
async fn histories_grow_sample_by_sample() {
    let machine = Machine::new();
    machine.launch();
    let shutdown = Shutdown::new();
    let roots = vec![machine.directory.path().to_owned()];
    let (address, observer) = start_over(roots, &shutdown).await;
    let (first, second) = (observer.clone(), observer);
    tokio::task::spawn_blocking(move || first.sample())
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || second.sample())
        .await
        .unwrap();
    let history: TaskHistory =
        serde_json::from_value(get(address, &format!("/ext/v1/history/{TASK}")).await).unwrap();
    assert_eq!((history.interval_secs, history.samples.len()), (20, 2));
    assert!(
        history
            .samples
            .iter()
            .all(|sample| sample.ram > 0 && sample.at_ms > 1_700_000_000_000)
    );
    shutdown.trigger();
}

#[tokio::test]
async fn pages_for_a_browser() {
    let machine = Machine::new();
    machine.launch();
    fs::write(machine.sandbox().join("<i>.txt"), "a\x1b[31m<script>\n").unwrap();
    let big: String = (0..9000).map(|line| format!("line {line}\n")).collect();
    fs::write(machine.sandbox().join("big"), &big).unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    for (path, wanted) in [
        (
            "/".to_owned(),
            vec![
                "active tasks 1...1 of 1",
                "finished tasks 0...0 of 0",
                "content=\"10\"",
                "hello",
            ],
        ),
        (
            "/main/all/0/20".to_owned(),
            vec!["all tasks 1...1 of 1", "11/14 22:13:20"],
        ),
        (
            format!("/task/{TASK}"),
            vec!["ACTIVE @ 11/14 22:13:20", "http://h:31000", "/process/"],
        ),
        (format!("/rawtask/{TASK}"), vec!["serve 31000"]),
        (
            format!("/process/{TASK}/hello"),
            vec!["serve 31000", "RUNNING", "/logs/"],
        ),
        (
            format!("/browse/{TASK}"),
            vec!["&lt;i&gt;.txt", "%3Ci%3E.txt", ".logs/", "drwx"],
        ),
        (format!("/browse/{TASK}/.logs"), vec!["..", "hello/"]),
        (
            format!("/file/{TASK}/%3Ci%3E.txt"),
            vec!["a\u{241b}[31m&lt;script&gt;", "WHOLE FILE"],
        ),
        (
            format!("/logs/{TASK}/hello/0/stdout?follow=1"),
            vec!["one &lt;b&gt;", "content=\"2\"", "stop following"],
        ),
        (
            format!("/file/{TASK}/big"),
            vec!["line 8999\n", "AT END OF FILE", "?end="],
        ),
        (
            format!("/file/{TASK}/big?end=100"),
            vec!["<pre>line 0\n", "AT BEGINNING OF FILE"],
        ),
    ] {
        let (status, text) = page(address, &path).await;
        assert_eq!(status, 200, "{path}: {text}");
        for part in wanted {
            assert!(text.contains(part), "{path} lacks {part:?}: {text}");
        }
        assert!(
            !text.contains("<script") && !text.contains('\x1b'),
            "{path}"
        );
    }
    assert!(
        page(address, "/assets/observer.css")
            .await
            .1
            .contains("body{")
    );
    assert_eq!(page(address, "/favicon.ico").await.0, 302);
    for path in ["browse", "file", "logs"] {
        let path = format!("/{path}/{TASK}/hello/0/stdout");
        assert_eq!(
            get_with(address, &path, "host: localhost\r\n").await.0,
            401,
            "{path}"
        );
    }
    shutdown.trigger();
}

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
use aurora_api::thermos::{
    ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader, TaskState, TaskStatus,
};
use aurora_api::wire::Double;
use aurora_daemon::guard::{Guard, Token};
use aurora_daemon::lifecycle::Shutdown;
use aurora_daemon::server::{Listener, Options, serve};
use aurora_observer::routes::Observer;
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
        let run = "slaves/S0/frameworks/F0/executors/thermos-x/runs/c0";
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
            uid: Some(33),
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
                coordinator_pid: (seq == 1).then_some(1),
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
    let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
        .await
        .unwrap();
    let address = listener.address();
    let guard = Guard::new(Some(Token::new("s3cret")), address);
    let observer = Observer::new(guard, root, Duration::from_secs(60));
    tokio::spawn(serve(
        listener,
        Arc::new(observer),
        Options::default(),
        shutdown.clone(),
    ));
    address
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

//! A machine with a task on it, written here, and an observer over it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test program uses a part of this")]

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
use aurora_observer::routes::{Observer, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const TASK: &str = "www-data-devel-hello-0-1234";

pub(crate) struct Machine {
    pub(crate) directory: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn run(&self) -> PathBuf {
        let run = format!("slaves/S0/frameworks/F0/executors/thermos-{TASK}/runs/c0");
        self.directory.path().join(run)
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        self.run().join("sandbox")
    }

    /// A task that has been launched: its file, its stream's first two records, one running process (this one).
    pub(crate) fn launch(&self) {
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

    pub(crate) fn append(&self, record: &RunnerCkpt) {
        let stream = self.run().join("checkpoints/checkpoints").join(TASK);
        append_to(&stream.join("runner"), record);
    }

    /// Appends a record of a process.
    pub(crate) fn process(&self, process: &str, seq: i64, state: ProcessState, code: Option<i32>) {
        self.append(&RunnerCkpt::ProcessStatus(ProcessStatus {
            seq: Some(seq),
            process: Some(process.to_owned()),
            state: Some(state),
            return_code: code,
            stop_time: code.map(|_| Double(1_700_000_008.0)),
            ..ProcessStatus::default()
        }));
    }

    pub(crate) fn finish(&self) {
        self.append(&RunnerCkpt::ProcessStatus(ProcessStatus {
            seq: Some(3),
            process: Some("hello".into()),
            state: Some(ProcessState::Failed),
            stop_time: Some(Double(1_700_000_009.0)),
            return_code: Some(7),
            ..ProcessStatus::default()
        }));
        self.finish_as(TaskState::Failed);
    }

    /// The task's end, its processes left as they are.
    pub(crate) fn finish_as(&self, state: TaskState) {
        self.append(&RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(state),
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

/// Appends a record to a stream.
pub(crate) fn append_to(path: &Path, record: &RunnerCkpt) {
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

pub(crate) async fn start(root: &Path, shutdown: &Shutdown) -> SocketAddr {
    start_over(vec![root.to_owned()], shutdown).await.0
}

pub(crate) async fn start_over(
    mesos_roots: Vec<PathBuf>,
    shutdown: &Shutdown,
) -> (SocketAddr, Arc<Observer>) {
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

pub(crate) async fn get_with(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

pub(crate) const SECRET: &str = "host: localhost\r\nauthorization: Bearer s3cret\r\n";

/// A page's status and text.
pub(crate) async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    get_with(address, path, SECRET).await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Value {
    let headers = "host: localhost\r\nauthorization: Bearer s3cret\r\n";
    let (status, body) = get_with(address, path, headers).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Asks until the answer fits; the look at the file system may be a moment old.
pub(crate) async fn get_until(
    address: SocketAddr,
    path: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
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

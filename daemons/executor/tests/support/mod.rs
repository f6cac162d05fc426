//! A small agent: the executor API over loopback, and the executor as its child.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aurora_api::model::{AssignedTask, ExecutorConfig, JobKey, TaskConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The secret of the executor's container.
pub(crate) const TOKEN: &str = "per-container-secret";

#[derive(Default)]
struct Shared {
    events: Option<mpsc::UnboundedSender<Bytes>>,
    /// Answer SUBSCRIBE with 503.
    away: bool,
    acknowledge: bool,
}

/// A call that the executor made.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

/// The agent, its executor, and the executor's folder.
pub(crate) struct Agent {
    shared: Arc<Mutex<Shared>>,
    calls: mpsc::UnboundedReceiver<Call>,
    pub(crate) child: Child,
    pub(crate) dir: tempfile::TempDir,
    _server: tokio::task::JoinHandle<()>,
}

fn record(event: &Value) -> Bytes {
    let text = event.to_string();
    Bytes::from(format!("{}\n{text}", text.len()))
}

impl Agent {
    /// Starts an agent and its executor with these flags, and waits for the subscription.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_as(None, flags).await
    }

    /// The same with an executor of another user, which takes root.
    pub(crate) async fn start_as(user: Option<&str>, flags: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_aurora-executor"));
        Self::start_program(program, user, flags).await
    }

    /// The same with the executor of another build.
    pub(crate) async fn start_program(program: &Path, user: Option<&str>, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        // A task's user has to be able to enter it.
        fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("chmod");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared {
            acknowledge: true,
            ..Shared::default()
        }));
        let (tell, calls) = mpsc::unbounded_channel();
        let server = tokio::spawn(serve(listener, Arc::clone(&shared), tell));
        let mut command = Command::new(program);
        if let Some(user) = user {
            let user = aurora_thermos::users::by_name(user).expect("an account");
            std::os::unix::fs::chown(dir.path(), Some(user.uid), Some(user.gid)).expect("chown");
            command.uid(user.uid).gid(user.gid);
        }
        let child = command
            .args(flags)
            .current_dir(dir.path())
            .env_clear()
            .envs([
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("MESOS_AGENT_ENDPOINT", &address.to_string()),
                ("MESOS_FRAMEWORK_ID", "framework-1"),
                ("MESOS_EXECUTOR_ID", "thermos-task-1"),
                (
                    "MESOS_DIRECTORY",
                    dir.path().to_str().expect("a path of text"),
                ),
                (
                    "MESOS_SANDBOX",
                    dir.path().to_str().expect("a path of text"),
                ),
                ("MESOS_CHECKPOINT", "1"),
                ("MESOS_RECOVERY_TIMEOUT", "15secs"),
                ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "50ms"),
                ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
                ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", TOKEN),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("starting the executor");
        let mut agent = Self {
            shared,
            calls,
            child,
            dir,
            _server: server,
        };
        let call = agent.call().await;
        assert_eq!(call.body["type"], "SUBSCRIBE");
        assert_eq!(call.body["framework_id"], json!({"value": "framework-1"}));
        assert_eq!(call.body["executor_id"], json!({"value": "thermos-task-1"}));
        assert_eq!(call.authorization, format!("Bearer {TOKEN}"));
        agent
    }

    /// The next call.
    pub(crate) async fn call(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv())
            .await
            .expect("a call in time")
            .expect("a call")
    }

    /// The next call, which must be an UPDATE: its state, its message, and the status itself.
    pub(crate) async fn status(&mut self) -> (String, String, Value) {
        let call = self.call().await;
        assert_eq!(call.body["type"], "UPDATE", "{call:?}");
        let status = call.body["update"]["status"].clone();
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
        (text("state"), text("message"), status.clone())
    }

    /// The next status must be this one.
    #[track_caller]
    pub(crate) fn expect<'a>(
        &'a mut self,
        state: &'a str,
        message: &'a str,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let (got_state, got_message, status) = self.status().await;
            assert_eq!(
                (got_state.as_str(), got_message.as_str()),
                (state, message),
                "at {caller}"
            );
            assert_eq!(status["source"], "SOURCE_EXECUTOR");
            assert_eq!(status["executor_id"], json!({"value": "thermos-task-1"}));
        }
    }

    pub(crate) fn send(&self, event: &Value) {
        let shared = self.shared.lock().expect("no panic");
        shared
            .events
            .as_ref()
            .expect("a subscription")
            .send(record(event))
            .expect("an open stream");
    }

    pub(crate) fn launch(&self, task: &AssignedTask) {
        self.launch_data(&task.task_id, &aurora_api::binary::encode(task));
    }

    pub(crate) fn launch_data(&self, task_id: &str, data: &[u8]) {
        self.send(&json!({"type": "LAUNCH", "launch": {"task": {
            "name": "role/prod/job", "task_id": {"value": task_id}, "agent_id": {"value": "agent-1"},
            "data": BASE64.encode(data),
        }}}));
    }

    pub(crate) fn kill(&self, task_id: &str) {
        self.send(&json!({"type": "KILL", "kill": {"task_id": {"value": task_id}}}));
    }

    /// Breaks the stream and refuses subscriptions until [`Agent::come_back`]; acknowledges nothing from here on.
    pub(crate) fn go_away(&self) {
        let mut shared = self.shared.lock().expect("no panic");
        shared.events = None;
        shared.away = true;
        shared.acknowledge = false;
    }

    pub(crate) fn come_back(&self) {
        self.shared.lock().expect("no panic").away = false;
    }

    pub(crate) fn acknowledge(&self, status: &Value) {
        self.send(&acknowledged(status));
    }

    /// A file in the task's sandbox.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join("sandbox").join(name)).ok()
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        self.dir.path().join("sandbox")
    }

    /// Waits for the executor to end.
    pub(crate) async fn exit(mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("an end in time")
            .expect("a status")
    }
}

fn acknowledged(status: &Value) -> Value {
    json!({"type": "ACKNOWLEDGED", "acknowledged": {"task_id": status["task_id"], "uuid": status["uuid"]}})
}

async fn serve(
    listener: TcpListener,
    shared: Arc<Mutex<Shared>>,
    calls: mpsc::UnboundedSender<Call>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        // As every agent does; else an event may wait for the acknowledgement of the one before it.
        stream.set_nodelay(true).expect("a connection");
        let (shared, calls) = (Arc::clone(&shared), calls.clone());
        let service = service_fn(move |request| {
            let (shared, calls) = (Arc::clone(&shared), calls.clone());
            async move { Ok::<_, Infallible>(answer(request, &shared, &calls).await) }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    shared: &Mutex<Shared>,
    calls: &mpsc::UnboundedSender<Call>,
) -> Response<Body> {
    assert_eq!(request.uri().path(), "/api/v1/executor");
    let header = request.headers().get("authorization");
    let authorization = header
        .map(|value| value.to_str().expect("text").to_owned())
        .unwrap_or_default();
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let empty = |status: u16| {
        Response::builder()
            .status(status)
            .body(Full::new(Bytes::new()).boxed())
            .expect("a response")
    };
    let mut shared = shared.lock().expect("no panic");
    if shared.away {
        return empty(503);
    }
    let kind = body["type"].as_str().expect("a type").to_owned();
    let status = body["update"]["status"].clone();
    // The test may be over.
    let _ = calls.send(Call {
        authorization,
        body,
    });
    if kind != "SUBSCRIBE" {
        if kind == "UPDATE"
            && shared.acknowledge
            && let Some(events) = &shared.events
        {
            let _ = events.send(record(&acknowledged(&status)));
        }
        return empty(202);
    }
    let (send, receive) = mpsc::unbounded_channel();
    let _ = send.send(record(&json!({"type": "SUBSCRIBED", "subscribed": {
        "executor_info": {"executor_id": {"value": "thermos-task-1"}, "framework_id": {"value": "framework-1"}},
        "framework_info": {"id": {"value": "framework-1"}, "user": "root", "name": "aurora"},
        "agent_info": {"id": {"value": "agent-1"}, "hostname": "host-1"},
        "container_id": {"value": "container-1"},
    }})));
    shared.events = Some(send);
    let records = stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|bytes| (bytes, receive))
    });
    let body = BodyExt::boxed(StreamBody::new(records.map(|bytes| Ok(Frame::data(bytes)))));
    Response::builder()
        .header("content-type", "application/json")
        .body(body)
        .expect("a response")
}

/// The name of the user that runs the tests.
pub(crate) fn own_user() -> String {
    aurora_thermos::users::by_uid(nix::unistd::getuid().as_raw())
        .expect("an account")
        .name
}

/// A task of the given processes and job keys, as the scheduler hands it out.
pub(crate) fn assigned(processes: Value, more: Value) -> AssignedTask {
    let mut job = json!({
        "name": "hello", "role": own_user(), "cluster": "devcluster", "environment": "prod",
        "task": {"name": "hello", "processes": processes, "resources": {"cpu": 0.1, "ram": 1_048_576, "disk": 104_857_600}},
        "a_key_of_a_newer_client": true,
    });
    for (key, value) in more.as_object().expect("an object") {
        job[key] = value.clone();
    }
    AssignedTask {
        task_id: "task-1".into(),
        slave_id: Some("agent-1".into()),
        slave_host: Some("host-1".into()),
        instance_id: 4,
        assigned_ports: BTreeMap::new(),
        task: TaskConfig {
            job: JobKey {
                role: own_user(),
                environment: "prod".into(),
                name: "hello".into(),
            },
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".into()),
                data: Some(job.to_string()),
            }),
            ..TaskConfig::default()
        },
    }
}

/// Waits for a condition with a deadline that says what was seen last.
pub(crate) async fn until(what: &str, last: impl Fn() -> String, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{what} did not happen; last: {}",
            last()
        );
        tokio::time::sleep(Duration::from_millis(10)).await; // poll
    }
}

/// Answers every request on a free port with the status and body that stand in the cell; counts requests by path.
pub(crate) struct Web {
    pub(crate) port: u16,
    pub(crate) answer: Arc<Mutex<(u16, String)>>,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    pub(crate) async fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(Mutex::new((status, body.to_owned())));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (cell, seen) = (Arc::clone(&answer), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (cell, seen) = (Arc::clone(&cell), Arc::clone(&seen));
                let service = service_fn(move |request: Request<Incoming>| {
                    let line = format!("{} {}", request.method(), request.uri());
                    seen.lock().expect("no panic").push(line);
                    let (status, body) = cell.lock().expect("no panic").clone();
                    let response = Response::builder()
                        .status(status)
                        .body(Full::new(Bytes::from(body)));
                    async move { Ok::<_, Infallible>(response.expect("a response")) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            port,
            answer,
            requests,
        }
    }
}

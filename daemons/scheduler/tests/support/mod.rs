//! A Mesos master that does what a test says, and the real scheduler over real HTTP.
#![allow(
    clippy::unwrap_used,
    reason = "this is test code; clippy sees that only inside test functions"
)]
#![allow(dead_code, reason = "each of the test programs uses a part of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurora_api::message::{self, Protocol};
use aurora_api::model::Response;
use aurora_api::service::Call;
use aurora_daemon::lifecycle::Shutdown;
use aurora_daemon::server::{self, Listener, Options, Service, serve};
use aurora_daemon::{guard, reply};
use aurora_mesos::v1::scheduler::{
    Call as MesosCall, CallType, Event, EventType, Offers, Subscribed, Update,
};
use aurora_mesos::v1::{
    AgentId, Offer, OfferId, Range, Ranges, Resource, Scalar, TaskId, TaskState, TaskStatus,
    ValueType,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition on a watched value; tells the last value when it does not come.
pub(crate) async fn until<T: Clone + std::fmt::Debug>(
    receiver: &mut watch::Receiver<T>,
    what: &str,
    condition: impl Fn(&T) -> bool,
) -> T {
    let waited = tokio::time::timeout(PATIENCE, receiver.wait_for(|value| condition(value)))
        .await
        .map(|value| value.map(|value| value.clone()));
    match waited {
        Ok(Ok(value)) => value,
        _ => panic!("{what} did not happen; last seen: {:?}", *receiver.borrow()),
    }
}

/// The master.
pub(crate) struct Master {
    pub(crate) address: SocketAddr,
    calls: watch::Sender<Vec<MesosCall>>,
    stream: Mutex<Option<mpsc::Sender<Bytes>>>,
    secrets: Mutex<Vec<Option<String>>>,
    /// Requests to other routes than a master has.
    foreign: watch::Sender<Vec<server::Request>>,
    shutdown: Shutdown,
}

struct Routes(Arc<Master>);

impl Service for Routes {
    async fn call(self: Arc<Self>, request: server::Request) -> server::Response {
        if request.path != "/api/v1/scheduler" {
            self.0.foreign.send_modify(|seen| seen.push(request));
            return reply::empty(StatusCode::ACCEPTED);
        }
        let call: MesosCall = match aurora_mesos::message::from_slice(&request.body) {
            Ok(call) => call,
            Err(error) => return reply::text(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let master = &self.0;
        master
            .secrets
            .lock()
            .unwrap()
            .push(guard::presented_secret(&request.headers));
        let subscribes = call.kind == Some(CallType::Subscribe);
        let response = if subscribes {
            let (sender, receiver) = mpsc::channel(64);
            *master.stream.lock().unwrap() = Some(sender);
            let mut response = reply::stream(StatusCode::OK, "application/json", receiver);
            response
                .headers_mut()
                .insert("mesos-stream-id", HeaderValue::from_static("s-1"));
            response
        } else {
            reply::empty(StatusCode::ACCEPTED)
        };
        if subscribes {
            let subscribed = Event {
                kind: Some(EventType::Subscribed),
                subscribed: Some(Subscribed {
                    framework_id: "framework-1".to_owned().into(),
                    heartbeat_interval_seconds: Some(15.0),
                    master_info: None,
                }),
                ..Event::default()
            };
            master.send(&subscribed).await;
        }
        // Last, so that whoever waits for a subscription sends nothing before its first event.
        master.calls.send_modify(|calls| calls.push(call));
        response
    }
}

impl Master {
    pub(crate) async fn start() -> Arc<Master> {
        let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
            .await
            .unwrap();
        let master = Arc::new(Master {
            address: listener.address(),
            calls: watch::Sender::new(Vec::new()),
            stream: Mutex::new(None),
            secrets: Mutex::default(),
            foreign: watch::Sender::new(Vec::new()),
            shutdown: Shutdown::new(),
        });
        tokio::spawn(serve(
            listener,
            Arc::new(Routes(master.clone())),
            Options::default(),
            master.shutdown.clone(),
        ));
        master
    }

    pub(crate) async fn send(&self, event: &Event) {
        let stream = self.stream.lock().unwrap().clone().expect("subscribed");
        let record = aurora_mesos::recordio::encode(&aurora_mesos::message::to_vec(event));
        stream.send(record).await.expect("the scheduler listens");
    }

    /// All calls of a kind so far, once there are at least `count`.
    pub(crate) async fn calls(&self, kind: CallType, count: usize) -> Vec<MesosCall> {
        let of_kind = |calls: &Vec<MesosCall>| -> Vec<MesosCall> {
            let wanted = calls.iter().filter(|call| call.kind == Some(kind));
            wanted.cloned().collect()
        };
        let what = format!("{count} calls of type {kind}");
        let mut receiver = self.calls.subscribe();
        of_kind(&until(&mut receiver, &what, |calls| of_kind(calls).len() >= count).await)
    }

    /// The first request to another route than a master has.
    pub(crate) async fn foreign(&self) -> server::Request {
        let mut receiver = self.foreign.subscribe();
        let seen = until(&mut receiver, "a foreign request", |seen| !seen.is_empty()).await;
        seen[0].clone()
    }

    /// The secrets that came with the calls.
    pub(crate) fn secrets(&self) -> Vec<Option<String>> {
        self.secrets.lock().unwrap().clone()
    }

    pub(crate) async fn offer(&self, id: &str) {
        self.send_offer(self.make_offer(id)).await;
    }

    /// An offer of all of a host.
    pub(crate) fn make_offer(&self, id: &str) -> Offer {
        let scalar = |name: &str, value: f64| Resource {
            name: name.to_owned(),
            kind: ValueType::Scalar,
            scalar: Some(Scalar { value }),
            ..Resource::default()
        };
        let ports = Resource {
            name: "ports".to_owned(),
            kind: ValueType::Ranges,
            ranges: Some(Ranges {
                range: vec![Range {
                    begin: 31000,
                    end: 31009,
                }],
            }),
            ..Resource::default()
        };
        Offer {
            id: OfferId {
                value: id.to_owned(),
            },
            framework_id: "framework-1".to_owned().into(),
            agent_id: AgentId {
                value: "agent-1".to_owned(),
            },
            hostname: "host-1".to_owned(),
            resources: vec![
                scalar("cpus", 4.0),
                scalar("mem", 2048.0),
                scalar("disk", 4096.0),
                ports,
            ],
            ..Offer::default()
        }
    }

    pub(crate) async fn send_offer(&self, offer: Offer) {
        self.send(&Event {
            kind: Some(EventType::Offers),
            offers: Some(Offers {
                offers: vec![offer],
            }),
            ..Event::default()
        })
        .await;
    }

    pub(crate) async fn update(&self, task: &TaskId, state: TaskState, uuid: &'static [u8]) {
        let status = TaskStatus {
            task_id: task.clone(),
            state,
            agent_id: Some(AgentId {
                value: "agent-1".to_owned(),
            }),
            uuid: Some(Bytes::from_static(uuid)),
            ..TaskStatus::default()
        };
        self.send(&Event {
            kind: Some(EventType::Update),
            update: Some(Update { status }),
            ..Event::default()
        })
        .await;
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// The scheduler's process.
pub(crate) struct Scheduler {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Scheduler {
    pub(crate) fn command(master: SocketAddr, state: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-scheduler"));
        command
            .args(["--ip=127.0.0.1", "-cluster_name=test"])
            .arg(format!("-mesos_master_address={master}"))
            .arg(format!("--state-dir={}", state.display()))
            .arg("-thermos_executor_path=/opt/aurora-executor")
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        command
    }

    pub(crate) async fn start(master: SocketAddr, state: &Path, extra: &[&str]) -> Scheduler {
        Scheduler::spawn(Scheduler::command(master, state).args(extra)).await
    }

    pub(crate) async fn spawn(command: &mut Command) -> Scheduler {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let line = tokio::time::timeout(PATIENCE, BufReader::new(stdout).lines().next_line())
            .await
            .expect("the scheduler says that it is ready")
            .unwrap()
            .expect("the scheduler runs");
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"]["name"], "scheduler");
        assert_eq!(ready["ready"]["pid"].as_u64(), child.id().map(u64::from));
        let address = ready["ready"]["address"].as_str().unwrap().parse().unwrap();
        Scheduler { child, address }
    }

    /// Waits for it to end by itself: whether it ended well, and what it said on standard error.
    pub(crate) async fn end(&mut self) -> (bool, String) {
        let mut stderr = self.child.stderr.take().unwrap();
        let mut text = String::new();
        let read = tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut text);
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the scheduler ends")
            .unwrap();
        (self.child.wait().await.unwrap().success(), text)
    }

    /// Waits for it to end by itself; whether it ended well.
    pub(crate) async fn wait(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the scheduler ends")
            .unwrap()
            .success()
    }

    /// kill -9.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; whether it ended well.
    pub(crate) async fn terminate(mut self) -> bool {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        )
        .unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the scheduler ends")
            .unwrap()
            .success()
    }

    /// One request.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let exchange = async {
            let response = sender.send_request(request).await.unwrap();
            let (head, body) = response.into_parts();
            Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.collect().await.unwrap().to_bytes(),
            }
        };
        let answer = tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("no answer to {method} {path}"));
        connection.abort();
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], Bytes::new()).await
    }

    /// Asks until the answer fits; that answer.
    pub(crate) async fn poll(
        &self,
        path: &str,
        fits: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let text = self
            .poll_text(path, |text| {
                serde_json::from_str(text).is_ok_and(|body| fits(&body))
            })
            .await;
        serde_json::from_str(&text).unwrap()
    }

    /// The same for answers that are not JSON.
    pub(crate) async fn poll_text(&self, path: &str, fits: impl Fn(&str) -> bool) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let body = self.get(path).await.text();
            if fits(&body) {
                return body;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{path} does not come to what is expected; last: {body}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    }

    /// A call of the service in TBinary.
    pub(crate) async fn call(&self, call: impl Into<Call>) -> Response {
        self.call_with(call, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        call: impl Into<Call>,
        headers: &[(&str, &str)],
    ) -> Response {
        let call = call.into();
        let binary = "application/vnd.apache.thrift.binary";
        let mut all = vec![("content-type", binary), ("accept", binary)];
        all.extend(headers);
        let body = message::encode_call(Protocol::Binary, 0, &call);
        let answer = self.request("POST", "/api", &all, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.headers["content-type"], binary);
        message::decode_reply(Protocol::Binary, &answer.body).unwrap()
    }

    /// Follows an endless answer, a line at a time.
    pub(crate) async fn follow(&self, path: &str) -> Lines {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::builder()
            .uri(path)
            .header("host", self.address.to_string())
            .body(Full::new(Bytes::new()))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        Lines {
            body: response.into_body(),
            buffer: Vec::new(),
            _sender: sender,
            connection,
        }
    }
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// The lines of an event feed.
pub(crate) struct Lines {
    body: hyper::body::Incoming,
    buffer: Vec<u8>,
    _sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<Result<(), hyper::Error>>,
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Lines {
    pub(crate) async fn next(&mut self) -> aurora_api::feed::Line {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line)));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("the feed says something")
                .expect("the feed goes on")
                .unwrap();
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Reads on until the feed ends.
    pub(crate) async fn end(&mut self) {
        let read = async { while let Some(Ok(_)) = self.body.frame().await {} };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the feed ends");
    }

    /// Lines up to the first that fits; that one.
    pub(crate) async fn find(
        &mut self,
        what: &str,
        fits: impl Fn(&aurora_api::feed::Line) -> bool,
    ) -> aurora_api::feed::Line {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while tokio::time::Instant::now() < deadline {
            let line = self.next().await;
            if fits(&line) {
                return line;
            }
            seen.push(line);
        }
        panic!("no {what} in the feed; it said {seen:?}");
    }
}

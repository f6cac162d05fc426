//! The clients against a scripted server: what they send, and what they make of every kind of trouble.

use std::time::Duration;

use aurora_mesos::client::executor::{
    ExecutorClient, ExecutorConfig, ExecutorEvent, ExecutorEvents,
};
use aurora_mesos::client::scheduler::{
    CallError, SchedulerClient, SchedulerConfig, SchedulerEvent, SchedulerEvents, masters,
};
use aurora_mesos::v1::scheduler::Call;
use aurora_mesos::v1::{FrameworkInfo, TaskState, TaskStatus};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request that has arrived, and the connection to answer it on.
struct Request {
    head: String,
    body: Value,
    stream: TcpStream,
}

impl Request {
    async fn answer(&mut self, text: &str) {
        self.stream
            .write_all(text.as_bytes())
            .await
            .expect("the client listens");
    }

    /// Opens a stream of records.
    async fn open(mut self) -> Records {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMesos-Stream-Id: s-1\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.answer(head).await;
        Records {
            stream: self.stream,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

struct Records {
    stream: TcpStream,
}

impl Records {
    /// Sends one record, cut in the middle into two chunks.
    async fn send(&mut self, event: Value) {
        let text = event.to_string();
        let framed = format!("{}\n{text}", text.len());
        let (a, b) = framed.split_at(framed.len() / 2);
        let chunks = format!("{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n", a.len(), b.len());
        self.stream
            .write_all(chunks.as_bytes())
            .await
            .expect("the client listens");
    }
}

/// A server whose requests come out one by one; keep-alive connections are served as well.
struct Server {
    address: String,
    requests: mpsc::Receiver<Request>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let (sender, requests) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(request) = read(stream).await {
                        // The test may be over.
                        sender.send(request).await.ok();
                    }
                });
            }
        });
        Self { address, requests }
    }

    async fn request(&mut self, kind: &str) -> Request {
        let request = timeout(PATIENCE, self.requests.recv()).await;
        let request = request
            .unwrap_or_else(|_| panic!("no {kind}"))
            .expect("the server runs");
        assert_eq!(request.body["type"], kind, "{}", request.body);
        request
    }
}

async fn read(mut stream: TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            let body = &bytes[end + 4..];
            if body.len() >= length.unwrap_or(0) {
                let body = serde_json::from_slice(body).expect("a JSON body");
                return Some(Request { head, body, stream });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn scheduler(servers: &[&Server]) -> (SchedulerClient, SchedulerEvents) {
    let info = FrameworkInfo {
        user: "u".into(),
        name: "n".into(),
        ..Default::default()
    };
    let addresses = servers.iter().map(|server| server.address.clone());
    let mut config = SchedulerConfig::new(masters(addresses), info);
    config.max_backoff = Duration::from_millis(100);
    config.timeout = Duration::from_secs(2);
    SchedulerClient::start(config)
}

async fn event(events: &mut SchedulerEvents) -> Option<SchedulerEvent> {
    timeout(PATIENCE, events.recv())
        .await
        .expect("an event in time")
}

fn subscribed(interval: f64) -> Value {
    json!({"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": "F"}, "heartbeat_interval_seconds": interval}})
}

#[tokio::test]
async fn a_scheduler_follows_redirections_and_subscribes_again_with_its_id() {
    let mut standby = Server::start().await;
    let mut leader = Server::start().await;
    let (client, mut events) = scheduler(&[&standby]);
    assert!(matches!(
        client.call(Call::revive()).await,
        Err(CallError::NotConnected)
    ));

    let mut request = standby.request("SUBSCRIBE").await;
    assert_eq!(request.body["framework_id"], Value::Null);
    assert_eq!(request.header("mesos-stream-id"), None);
    let location = format!("//{}/master/api/v1/scheduler", leader.address);
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    );
    request.answer(&redirect).await;
    let request = leader.request("SUBSCRIBE").await;
    assert!(
        request.head.starts_with("POST /api/v1/scheduler "),
        "{}",
        request.head
    );
    let mut records = request.open().await;
    records.send(subscribed(15.0)).await;
    records.send(json!({"type": "HEARTBEAT"})).await;
    records
        .send(json!({"type": "NEW_IN_A_LATER_VERSION"}))
        .await;
    records
        .send(json!({"type": "RESCIND", "rescind": {"offer_id": {"value": "O"}}}))
        .await;
    let Some(SchedulerEvent::Connected(connected)) = event(&mut events).await else {
        panic!("not connected")
    };
    assert_eq!(
        (connected.framework_id.value.as_str(), &connected.master),
        ("F", &leader.address)
    );
    assert_eq!(
        event(&mut events).await,
        Some(SchedulerEvent::Rescind("O".into()))
    );

    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call(Call::revive()).await }
    });
    let mut request = leader.request("REVIVE").await;
    assert_eq!(request.header("mesos-stream-id"), Some("s-1"));
    assert_eq!(request.body["framework_id"]["value"], "F");
    request
        .answer("HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(matches!(call.await, Ok(Ok(()))));
    drop(request);

    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call(Call::suppress()).await }
    });
    let mut request = leader.request("SUPPRESS").await;
    request
        .answer("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnope")
        .await;
    let refused = call.await.expect("no panic");
    assert!(
        matches!(&refused, Err(CallError::Refused { status: 403, text }) if text == "nope"),
        "{refused:?}"
    );
    drop(request);

    let call = tokio::spawn(async move { client.call(Call::suppress()).await });
    // Taken and not answered: nobody knows.
    drop(leader.request("SUPPRESS").await);
    assert!(matches!(call.await, Ok(Err(CallError::Unknown(_)))));

    drop(records);
    assert!(matches!(
        event(&mut events).await,
        Some(SchedulerEvent::Disconnected { .. })
    ));
    let request = standby.request("SUBSCRIBE").await;
    assert_eq!(request.body["framework_id"]["value"], "F");
    assert_eq!(
        request.body["subscribe"]["framework_info"]["id"]["value"],
        "F"
    );
}

#[tokio::test]
async fn a_scheduler_leaves_a_master_that_falls_silent() {
    let mut server = Server::start().await;
    let (_client, mut events) = scheduler(&[&server]);
    let mut records = server.request("SUBSCRIBE").await.open().await;
    // Five intervals of a hundredth of a second.
    records.send(subscribed(0.01)).await;
    assert!(matches!(
        event(&mut events).await,
        Some(SchedulerEvent::Connected(_))
    ));
    let lost = event(&mut events).await;
    let Some(SchedulerEvent::Disconnected { reason }) = lost else {
        panic!("{lost:?}")
    };
    assert!(reason.contains("a heartbeat"), "{reason}");
    server.request("SUBSCRIBE").await;
}

#[tokio::test]
async fn a_scheduler_that_is_refused_does_not_come_back() {
    let mut server = Server::start().await;
    let (_client, mut events) = scheduler(&[&server]);
    // No answer that makes sense is no refusal.
    let mut request = server.request("SUBSCRIBE").await;
    request
        .answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        .await;
    let mut records = server.request("SUBSCRIBE").await.open().await;
    records
        .send(json!({"type": "ERROR", "error": {"message": "Framework has been removed"}}))
        .await;
    let message = "Framework has been removed".to_owned();
    assert_eq!(
        event(&mut events).await,
        Some(SchedulerEvent::Error { message })
    );
    assert_eq!(event(&mut events).await, None);
}

fn executor(server: &Server, checkpoint: bool) -> (ExecutorClient, ExecutorEvents) {
    let variables = |name: &str| {
        Some(match name {
            "MESOS_AGENT_ENDPOINT" => server.address.clone(),
            "MESOS_FRAMEWORK_ID" => "F".into(),
            "MESOS_EXECUTOR_ID" => "E".into(),
            "MESOS_DIRECTORY" => "/sandbox".into(),
            "MESOS_CHECKPOINT" => if checkpoint { "1" } else { "0" }.into(),
            "MESOS_RECOVERY_TIMEOUT" => "1500ms".into(),
            "MESOS_SUBSCRIPTION_BACKOFF_MAX" => "20ms".into(),
            "MESOS_EXECUTOR_AUTHENTICATION_TOKEN" => "tok".into(),
            _ => return None,
        })
    };
    let config = ExecutorConfig::from_env(variables).expect("a complete environment");
    assert_eq!(config.shutdown_grace_period, Duration::from_secs(5));
    assert_eq!(config.sandbox.to_str(), Some("/sandbox"));
    ExecutorClient::start(config)
}

async fn heard(events: &mut ExecutorEvents) -> Option<ExecutorEvent> {
    timeout(PATIENCE, events.recv())
        .await
        .expect("an event in time")
}

fn executor_subscribed() -> Value {
    json!({"type": "SUBSCRIBED", "subscribed": {
        "executor_info": {"executor_id": {"value": "E"}},
        "framework_info": {"user": "u", "name": "n"},
        "agent_info": {"hostname": "h"},
    }})
}

fn launch(task: &str) -> Value {
    let task = json!({"name": "t", "task_id": {"value": task}, "agent_id": {"value": "A"}});
    json!({"type": "LAUNCH", "launch": {"task": task}})
}

fn running(task: &str) -> TaskStatus {
    TaskStatus {
        task_id: task.into(),
        state: TaskState::Running,
        ..Default::default()
    }
}

#[tokio::test]
async fn an_executor_names_what_is_not_acknowledged_when_it_comes_back() {
    let mut server = Server::start().await;
    let (client, mut events) = executor(&server, true);
    let request = server.request("SUBSCRIBE").await;
    assert_eq!(request.header("authorization"), Some("Bearer tok"));
    assert_eq!(request.body["subscribe"], json!({}));
    let mut records = request.open().await;
    records.send(executor_subscribed()).await;
    records.send(launch("one")).await;
    records.send(launch("two")).await;
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Subscribed(_))
    ));
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Launch(_))
    ));
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Launch(_))
    ));

    client.update(running("one")).await.expect("taken");
    let mut request = server.request("UPDATE").await;
    let first = request.body["update"]["status"].clone();
    assert_eq!(first["source"], "SOURCE_EXECUTOR");
    assert_eq!(first["executor_id"]["value"], "E");
    assert!(
        first["timestamp"].as_f64().is_some_and(|time| time > 1e9),
        "{first}"
    );
    request
        .answer("HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await;
    records
        .send(json!({"type": "ACKNOWLEDGED", "acknowledged": {"task_id": {"value": "one"}, "uuid": first["uuid"]}}))
        .await;
    let acknowledged = heard(&mut events).await;
    assert!(
        matches!(acknowledged, Some(ExecutorEvent::Acknowledged { .. })),
        "{acknowledged:?}"
    );
    assert!(client.acknowledged(PATIENCE).await);

    // The agent goes away; an update made meanwhile waits.
    drop((records, request));
    let away = heard(&mut events).await;
    assert!(
        matches!(away, Some(ExecutorEvent::Disconnected { .. })),
        "{away:?}"
    );
    client.update(running("two")).await.expect("taken");
    assert!(!client.acknowledged(Duration::from_millis(10)).await);
    // Until the update is in the list, another attempt is made.
    let body = loop {
        let request = server.request("SUBSCRIBE").await;
        let body = request.body.clone();
        if body["subscribe"]["unacknowledged_updates"].is_array() {
            let mut records = request.open().await;
            records.send(executor_subscribed()).await;
            let uuid = body["subscribe"]["unacknowledged_updates"][0]["status"]["uuid"].clone();
            let acknowledged = json!({"task_id": {"value": "two"}, "uuid": uuid});
            records
                .send(json!({"type": "ACKNOWLEDGED", "acknowledged": acknowledged}))
                .await;
            records.send(json!({"type": "SHUTDOWN"})).await;
            assert!(matches!(
                heard(&mut events).await,
                Some(ExecutorEvent::Subscribed(_))
            ));
            assert!(matches!(
                heard(&mut events).await,
                Some(ExecutorEvent::Acknowledged { .. })
            ));
            assert_eq!(heard(&mut events).await, Some(ExecutorEvent::Shutdown));
            break body;
        }
    };
    let lists = &body["subscribe"];
    assert_eq!(
        lists["unacknowledged_updates"].as_array().map(Vec::len),
        Some(1),
        "{lists}"
    );
    assert_eq!(
        lists["unacknowledged_updates"][0]["status"]["task_id"]["value"],
        "two"
    );
    assert_eq!(
        lists["unacknowledged_tasks"].as_array().map(Vec::len),
        Some(1),
        "{lists}"
    );
    assert_eq!(lists["unacknowledged_tasks"][0]["task_id"]["value"], "two");
    assert!(client.acknowledged(PATIENCE).await);
}

#[tokio::test]
async fn an_executor_gives_up_when_its_agent_stays_away() {
    let mut server = Server::start().await;
    let (client, mut events) = executor(&server, true);
    let mut records = server.request("SUBSCRIBE").await.open().await;
    records.send(executor_subscribed()).await;
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Subscribed(_))
    ));
    drop(records);
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Disconnected { .. })
    ));
    // Connections are accepted and dropped until the recovery time-out is over.
    let lost = loop {
        tokio::select! {
            request = server.requests.recv() => drop(request),
            event = heard(&mut events) => break event,
        }
    };
    assert!(matches!(lost, Some(ExecutorEvent::Lost { .. })), "{lost:?}");
    assert_eq!(heard(&mut events).await, None);
    assert!(client.update(running("t")).await.is_err());
}

#[tokio::test]
async fn an_executor_without_checkpoints_ends_with_its_agent() {
    let mut server = Server::start().await;
    let (_client, mut events) = executor(&server, false);
    let mut records = server.request("SUBSCRIBE").await.open().await;
    records.send(executor_subscribed()).await;
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Subscribed(_))
    ));
    drop(records);
    let lost = heard(&mut events).await;
    assert!(matches!(lost, Some(ExecutorEvent::Lost { .. })), "{lost:?}");
}

#[tokio::test]
async fn an_executor_waits_for_an_agent_that_has_not_set_up_its_routes() {
    // What an agent answers that has just been started again (mesos: src/executor/executor.cpp, `_send`).
    let mut server = Server::start().await;
    let (_client, mut events) = executor(&server, true);
    for answer in ["404 Not Found", "503 Service Unavailable"] {
        let mut request = server.request("SUBSCRIBE").await;
        let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        request.answer(&head).await;
    }
    let mut records = server.request("SUBSCRIBE").await.open().await;
    records.send(executor_subscribed()).await;
    let subscribed = heard(&mut events).await;
    assert!(
        matches!(subscribed, Some(ExecutorEvent::Subscribed(_))),
        "{subscribed:?}"
    );
}

#[tokio::test]
async fn an_executor_that_the_agent_does_not_know_ends() {
    let mut server = Server::start().await;
    let (_client, mut events) = executor(&server, true);
    let mut request = server.request("SUBSCRIBE").await;
    request
        .answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 25\r\n\r\nExecutor cannot be found.")
        .await;
    let lost = heard(&mut events).await;
    let Some(ExecutorEvent::Lost { reason }) = lost else {
        panic!("{lost:?}")
    };
    assert!(reason.contains("Executor cannot be found"), "{reason}");
}

/// No agent of Mesos sends it (mesos: `src/slave`); its executor library makes one of its own, and ends (`src/executor/executor.cpp`).
#[tokio::test]
async fn an_executor_that_is_told_of_an_error_ends() {
    let mut server = Server::start().await;
    let (_client, mut events) = executor(&server, true);
    let mut records = server.request("SUBSCRIBE").await.open().await;
    records.send(executor_subscribed()).await;
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Subscribed(_))
    ));
    records
        .send(json!({"type": "ERROR", "error": {"message": "no more"}}))
        .await;
    let lost = heard(&mut events).await;
    let Some(ExecutorEvent::Lost { reason }) = lost else {
        panic!("{lost:?}")
    };
    assert_eq!(reason, "no more");
    let more = heard(&mut events).await;
    assert!(more.is_none(), "{more:?}");
}

#[tokio::test]
async fn a_refused_update_is_told_and_not_repeated() {
    let mut server = Server::start().await;
    let (client, mut events) = executor(&server, true);
    let mut records = server.request("SUBSCRIBE").await.open().await;
    records.send(executor_subscribed()).await;
    assert!(matches!(
        heard(&mut events).await,
        Some(ExecutorEvent::Subscribed(_))
    ));
    client.update(running("t")).await.expect("taken");
    let mut request = server.request("UPDATE").await;
    request
        .answer("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbad")
        .await;
    let refused = heard(&mut events).await;
    let Some(ExecutorEvent::UpdateRefused { text, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(text, "bad");
    assert!(client.acknowledged(PATIENCE).await);
    client
        .message(Bytes::from_static(b"hi"))
        .await
        .expect("taken");
    drop(request);
    let request = server.request("MESSAGE").await;
    assert_eq!(request.body["message"]["data"], "aGk=");
}

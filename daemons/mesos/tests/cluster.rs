//! The scheduler client against the real master and agent.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aurora_mesos::client::Secret;
use aurora_mesos::client::operator::OperatorClient;
use aurora_mesos::client::scheduler::{
    CallError, Connected, SchedulerClient, SchedulerConfig, SchedulerEvent, SchedulerEvents,
    masters,
};
use aurora_mesos::resources::{Resources, parse};
use aurora_mesos::v1::agent;
use aurora_mesos::v1::master::{self, CallType};
use aurora_mesos::v1::scheduler::Call;
use aurora_mesos::v1::{
    CommandInfo, FrameworkInfo, Offer, OfferOperation, TaskInfo, TaskState, TaskStatus,
};
use tokio::time::timeout;

use support::{Cluster, PATIENCE};

fn framework() -> FrameworkInfo {
    let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
    FrameworkInfo {
        user,
        name: "test".into(),
        checkpoint: true,
        failover_timeout: 60.0,
        ..Default::default()
    }
}

fn start(cluster: &Cluster, secret: Option<&str>) -> (SchedulerClient, SchedulerEvents) {
    let mut config =
        SchedulerConfig::new(masters([cluster.master.address.to_string()]), framework());
    config.secret = secret.map(|secret| Secret::bearer(secret).expect("a header"));
    config.max_backoff = Duration::from_millis(200);
    SchedulerClient::start(config)
}

/// The first event that `pick` takes; the others are told when none comes in time.
async fn wait_for<T>(
    events: &mut SchedulerEvents,
    what: &str,
    mut pick: impl FnMut(SchedulerEvent) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let found = timeout(PATIENCE, async {
        loop {
            let event = events.recv().await?;
            seen.push(format!("{event:?}"));
            if let Some(found) = pick(event) {
                return Some(found);
            }
        }
    });
    match found.await {
        Ok(Some(found)) => found,
        outcome => panic!("no {what} ({}); saw {seen:#?}", outcome.is_err()),
    }
}

async fn connected(events: &mut SchedulerEvents) -> Connected {
    wait_for(events, "subscription", |event| match event {
        SchedulerEvent::Connected(connected) => Some(connected),
        _ => None,
    })
    .await
}

async fn offer(events: &mut SchedulerEvents) -> Offer {
    wait_for(events, "offer", |event| match event {
        SchedulerEvent::Offers(mut offers) => offers.pop(),
        _ => None,
    })
    .await
}

/// The task's next status that is not a repetition, acknowledged.
async fn status(
    client: &SchedulerClient,
    events: &mut SchedulerEvents,
    state: TaskState,
) -> TaskStatus {
    let status = wait_for(events, &state.to_string(), |event| match event {
        SchedulerEvent::Update(status) if status.state == state => Some(status),
        _ => None,
    })
    .await;
    if let Some(call) = Call::acknowledge(&status) {
        client.call(call).await.expect("acknowledged");
    }
    status
}

/// Waits until nothing runs on the agent any more, so that the test leaves no processes behind.
async fn idle(cluster: &Cluster) {
    let agent = OperatorClient::new(cluster.agent.address.to_string(), None, PATIENCE);
    let call = agent::Call {
        kind: Some(agent::CallType::GetContainers),
        ..Default::default()
    };
    let mut last = None;
    let empty = timeout(PATIENCE, async {
        loop {
            let answer = agent.agent(&call).await.expect("the agent answers");
            last = answer.get_containers;
            if last.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    });
    if empty.await.is_err() {
        panic!("still there: {last:?}");
    }
}

fn task(offer: &Offer, id: &str, command: &str) -> TaskInfo {
    TaskInfo {
        name: id.into(),
        task_id: id.into(),
        agent_id: offer.agent_id.clone(),
        resources: parse("cpus:0.5;mem:64;ports:[31004-31004]")
            .expect("valid")
            .to_refined(),
        command: Some(CommandInfo {
            value: Some(command.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn launch(client: &SchedulerClient, offer: &Offer, id: &str, command: &str) {
    let operation = OfferOperation::launch(vec![task(offer, id, command)]);
    client
        .call(Call::accept(vec![offer.id.clone()], vec![operation], 0.0))
        .await
        .expect("accepted");
}

#[tokio::test]
async fn tasks_run_end_and_are_killed() {
    let mut cluster = Cluster::start(None);
    let (client, mut events) = start(&cluster, None);
    connected(&mut events).await;
    let first = offer(&mut events).await;
    assert_eq!(
        Resources::of(&first.resources).to_string(),
        "cpus:2; mem:512; ports:[31000-31009]"
    );

    launch(&client, &first, "short", "exit 3").await;
    status(&client, &mut events, TaskState::Starting).await;
    status(&client, &mut events, TaskState::Running).await;
    let failed = status(&client, &mut events, TaskState::Failed).await;
    assert_eq!(
        failed.message.as_deref(),
        Some("Command exited with status 3")
    );

    let second = offer(&mut events).await;
    launch(&client, &second, "long", "sleep 300").await;
    status(&client, &mut events, TaskState::Starting).await;
    status(&client, &mut events, TaskState::Running).await;
    client
        .call(Call::kill("long".into(), None, None))
        .await
        .expect("accepted");
    let killed = status(&client, &mut events, TaskState::Killed).await;
    assert_eq!(killed.task_id.value, "long");

    idle(&cluster).await;
    client.call(Call::teardown()).await.expect("accepted");
    assert!(cluster.agent.terminate(), "the agent ends well");
    assert!(cluster.master.terminate(), "the master ends well");
}

#[tokio::test]
async fn a_task_survives_the_master_and_is_found_again() {
    let mut cluster = Cluster::start(None);
    let (client, mut events) = start(&cluster, None);
    let before = connected(&mut events).await;
    let first = offer(&mut events).await;
    launch(&client, &first, "t", "sleep 300").await;
    status(&client, &mut events, TaskState::Starting).await;
    status(&client, &mut events, TaskState::Running).await;

    cluster.restart_master();
    let after = connected(&mut events).await;
    assert_eq!(after.framework_id, before.framework_id);
    assert_ne!(
        after.master_info.map(|m| m.id),
        before.master_info.map(|m| m.id)
    );
    let next = offer(&mut events).await;
    assert_eq!(next.agent_id, first.agent_id, "the agent kept its id");
    assert_eq!(
        Resources::of(&next.resources).to_string(),
        "cpus:1.5; mem:448; ports:[31000-31003, 31005-31009]"
    );
    client
        .call(Call::reconcile(Vec::new()))
        .await
        .expect("accepted");
    status(&client, &mut events, TaskState::Running).await;
    client
        .call(Call::kill("t".into(), None, None))
        .await
        .expect("accepted");
    status(&client, &mut events, TaskState::Killed).await;
    idle(&cluster).await;
    client.call(Call::teardown()).await.expect("accepted");
}

#[tokio::test]
async fn a_second_scheduler_takes_over_and_the_first_one_gives_up() {
    let cluster = Cluster::start(None);
    let (first, mut events) = start(&cluster, None);
    let id = connected(&mut events).await.framework_id;
    let mut info = framework();
    info.id = Some(id);
    let config = SchedulerConfig::new(masters([cluster.master.address.to_string()]), info);
    let (_second, mut others) = SchedulerClient::start(config);
    connected(&mut others).await;
    let message = wait_for(&mut events, "error", |event| match event {
        SchedulerEvent::Error { message } => Some(message),
        _ => None,
    })
    .await;
    assert_eq!(message, "Framework failed over");
    assert_eq!(
        timeout(PATIENCE, events.recv()).await.expect("at once"),
        None
    );
    assert!(matches!(
        first.call(Call::revive()).await,
        Err(CallError::NotConnected)
    ));
}

/// Sends a request as given and reads the status line.
fn raw(cluster: &Cluster, head: &str, body: &str) -> String {
    raw_at(cluster.master.address, head, body)
}

fn raw_at(address: std::net::SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let request = format!(
        "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    // A stream has no end; its first bytes have the status.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn protobuf_goes_in_and_out() {
    let cluster = Cluster::start(None);
    let mut stream = TcpStream::connect(cluster.master.address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let head = "POST /api/v1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\
        content-type: application/x-protobuf\r\naccept: application/x-protobuf\r\n\r\n";
    // Field 1, type: GET_HEALTH is 1. The answer: the same type, and field 2 with field 1, healthy, set.
    stream
        .write_all(&[head.as_bytes(), b"\x08\x01"].concat())
        .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(
        answer.ends_with(b"\r\n\r\n\x08\x01\x12\x02\x08\x01"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_secret_guards_everything_that_writes_or_reads_files() {
    let cluster = Cluster::start(Some("hush"));
    let (client, mut events) = start(&cluster, Some("hush"));
    connected(&mut events).await;
    offer(&mut events).await;
    client.call(Call::revive()).await.expect("accepted");

    let json = "host: localhost\r\ncontent-type: application/json";
    let subscribe =
        r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}"#;
    let right = "authorization: Basic YW55Omh1c2g="; // any:hush
    let wrong = "authorization: Bearer loud";
    let teardown = r#"{"type":"TEARDOWN","teardown":{"framework_id":{"value":"x"}}}"#;
    let health = r#"{"type":"GET_HEALTH"}"#;
    let cases = [
        (
            format!("POST /api/v1/scheduler HTTP/1.1\r\n{json}"),
            subscribe,
            401,
        ),
        (
            format!("POST /api/v1/scheduler HTTP/1.1\r\n{json}\r\n{wrong}"),
            subscribe,
            401,
        ),
        (
            format!("POST /api/v1/scheduler HTTP/1.1\r\n{json}\r\n{right}"),
            subscribe,
            200,
        ),
        (format!("POST /api/v1 HTTP/1.1\r\n{json}"), teardown, 401),
        (
            format!("POST /api/v1 HTTP/1.1\r\n{json}\r\n{right}"),
            teardown,
            400,
        ),
        (format!("POST /api/v1 HTTP/1.1\r\n{json}"), health, 200),
        (
            format!("POST /api/v1 HTTP/1.1\r\n{json}"),
            r#"{"type":"READ_FILE","read_file":{"path":"/x","offset":0}}"#,
            401,
        ),
        (
            format!("POST /ext/v1/agent/subscribe HTTP/1.1\r\n{json}"),
            "{}",
            401,
        ),
        (
            format!("POST /ext/v1/agent/call HTTP/1.1\r\n{json}"),
            "{}",
            401,
        ),
        (
            "POST /master/teardown HTTP/1.1\r\nhost: localhost".into(),
            "frameworkId=x",
            401,
        ),
        (
            "POST /machine/down HTTP/1.1\r\nhost: localhost".into(),
            "[]",
            401,
        ),
        (
            "GET /files/read?path=/x HTTP/1.1\r\nhost: localhost".into(),
            "",
            401,
        ),
        ("GET /state HTTP/1.1\r\nhost: localhost".into(), "", 200),
        // A page from elsewhere in a browser on this machine.
        ("GET /state HTTP/1.1\r\nhost: evil.example".into(), "", 403),
        (
            "GET /state HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example".into(),
            "",
            403,
        ),
        (
            format!(
                "POST /api/v1/scheduler HTTP/1.1\r\n{json}\r\n{right}\r\norigin: http://evil.example"
            ),
            subscribe,
            403,
        ),
    ];
    for (head, body, status) in cases {
        assert_eq!(
            raw(&cluster, &head, body),
            format!("HTTP/1.1 {status}"),
            "{head} {body}"
        );
    }

    let operator = OperatorClient::new(
        cluster.master.address.to_string(),
        Some(Secret::bearer("hush").expect("a header")),
        PATIENCE,
    );
    let call = master::Call {
        kind: Some(CallType::GetAgents),
        ..Default::default()
    };
    let answer = operator.master(&call).await.expect("answered");
    let agents = answer.get_agents.expect("agents").agents;
    assert_eq!(agents.len(), 1);
    assert_eq!(
        Resources::of(&agents[0].offered_resources).scalar("cpus"),
        2000
    );
}

/// A call of the type that stands for all that a master or an agent does not know.
#[test]
fn calls_of_no_known_type_are_not_implemented() {
    let cluster = Cluster::start(None);
    let head = |path: &str, host: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json")
    };
    let (master, agent) = (cluster.master.address, cluster.agent.address);
    let executor = r#"{"type":"UNKNOWN","executor_id":{"value":"e"},"framework_id":{"value":"f"}}"#;
    let plain = r#"{"type":"UNKNOWN"}"#;
    for (address, path, body) in [
        (master, "/api/v1", plain),
        (agent, "/api/v1", plain),
        (agent, "/api/v1/executor", executor),
    ] {
        let answer = raw_at(address, &head(path, &address.to_string()), body);
        assert_eq!(answer, "HTTP/1.1 501", "{address} {path}");
    }
}

/// mesos: the paths of operators before there was a v1 API.
#[tokio::test]
async fn machines_go_down_and_up_over_the_old_paths() {
    let cluster = Cluster::start(None);
    let address = cluster.master.address;
    let post = |path: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}");
        raw_at(address, &head, body)
    };
    let operator = OperatorClient::new(address.to_string(), None, PATIENCE);
    let machines = async || {
        let call = master::Call {
            kind: Some(CallType::GetMaintenanceStatus),
            ..Default::default()
        };
        let answer = operator.master(&call).await.expect("answered");
        let status = answer.get_maintenance_status.expect("a status").status;
        let names = |ids: Vec<aurora_mesos::v1::MachineId>| -> Vec<String> {
            ids.into_iter().filter_map(|id| id.hostname).collect()
        };
        let draining = status.draining_machines.into_iter().map(|m| m.id).collect();
        (names(draining), names(status.down_machines))
    };
    let away = r#"[{"hostname": "away", "ip": "10.0.0.9"}]"#;
    let none: Vec<String> = Vec::new();
    let one = vec!["away".to_owned()];
    let schedule = format!(
        r#"{{"windows": [{{"machine_ids": {away}, "unavailability": {{"start": {{"nanoseconds": 1}}}}}}]}}"#
    );
    // Only what is scheduled goes down, and only what is down comes up.
    assert_eq!(post("/machine/down", away), "HTTP/1.1 400");
    assert_eq!(post("/machine/up", away), "HTTP/1.1 400");
    assert_eq!(post("/maintenance/schedule", &schedule), "HTTP/1.1 200");
    assert_eq!(machines().await, (one.clone(), none.clone()));
    assert_eq!(post("/machine/down", away), "HTTP/1.1 200");
    assert_eq!(machines().await, (none.clone(), one));
    assert_eq!(post("/machine/up", away), "HTTP/1.1 200");
    assert_eq!(machines().await, (none.clone(), none));
    for body in ["", "{}", "[{}]", "[3]"] {
        assert_eq!(post("/machine/down", body), "HTTP/1.1 400", "{body}");
    }
}

/// A listener to the master's events, as far as its first bytes.
fn listen(cluster: &Cluster) -> TcpStream {
    let address = cluster.master.address;
    let mut stream = TcpStream::connect(address).expect("the master listens");
    let call = r#"{"type":"SUBSCRIBE"}"#;
    let request = format!(
        "POST /api/v1 HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200");
    stream
}

/// mesos: max_operator_event_stream_subscribers, 1000.
#[test]
fn of_too_many_listeners_the_oldest_is_let_go() {
    let cluster = Cluster::start(None);
    let mut listeners: Vec<TcpStream> = (0..1000).map(|_| listen(&cluster)).collect();
    let second = listeners.swap_remove(1);
    let mut oldest = listeners.swap_remove(0);
    let _newest = listen(&cluster);
    // The end of the body; as long as the stream lasts, this does not come.
    let mut rest = Vec::new();
    let mut piece = [0; 4096];
    while !rest.ends_with(b"0\r\n\r\n") {
        let count = oldest.read(&mut piece).expect("the stream ends in time");
        if count == 0 {
            break;
        }
        rest.extend_from_slice(&piece[..count]);
    }
    // Everything that had been sent to the second is read; more does not come at once, and no end.
    second.set_nonblocking(true).expect("set");
    let end = loop {
        match (&second).read(&mut piece) {
            Ok(0) => break "closed".to_owned(),
            Ok(count) if piece[..count].ends_with(b"0\r\n\r\n") => break "ended".to_owned(),
            Ok(_) => {}
            Err(error) => break error.kind().to_string(),
        }
    };
    assert_eq!(end, std::io::ErrorKind::WouldBlock.to_string());
}

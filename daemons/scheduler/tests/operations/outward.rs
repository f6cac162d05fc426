//! What the scheduler says to Mesos, to browsers and to webhooks.

use aurora_api::model::ResponseCode;
use aurora_mesos::v1::TaskState;
use aurora_mesos::v1::scheduler::CallType;
use serde_json::{Value, json};

use super::support::{Master, Scheduler};
use super::{assert_code, create};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transitions_are_posted_where_the_webhook_says() {
    let hook = Master::start().await;
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let config = state.path().join("webhook.json");
    let text = json!({
        "headers": {"X-Team": "ops"},
        "targetURL": format!("http://{}/hook", hook.address),
        "timeoutMsec": 20_000,
        "statuses": ["PENDING"],
    });
    std::fs::write(&config, text.to_string()).unwrap();
    let flag = format!("-webhook_config={}", config.display());
    let scheduler = Scheduler::start(master.address, &state.path().join("s"), &[&flag]).await;
    assert_code(&scheduler.call(create("web", 2)).await, ResponseCode::Ok);
    // The receiver answers 202: it was told, and upstream counts everything but 200 as the user's error.
    scheduler
        .poll("/vars.json", |vars| {
            vars["webhooks_attempts"] == 2 && vars["webhooks_user_errors"] == 2
        })
        .await;
    let post = hook.foreign().await;
    assert_eq!(post.headers["x-team"], "ops");
    assert!(post.headers.contains_key("timestamp"));
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(body["oldState"], json!({"value": "INIT"}));
    assert_eq!(body["task"]["status"], "PENDING");
    let resources = &body["task"]["assignedTask"]["task"]["resources"];
    let resources = resources.as_array().unwrap();
    assert!(
        resources.contains(&json!({"setField": "RAM_MB", "value": 64})),
        "{resources:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registration_and_the_api_for_browsers_are_as_the_flags_say() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let flags = [
        "-framework_name=Other",
        "-executor_user=nobody",
        "-mesos_role=web",
        "-hostname=scheduler.example",
        "-serverset_endpoint_name=https",
        "-receive_revocable_resources=true",
        "-allow_gpu_resource",
        "-partition_aware",
        "true",
        "-framework_failover_timeout=2mins",
        "-enable_cors_for=http://ui.example",
    ];
    let scheduler = Scheduler::start(master.address, state.path(), &flags).await;
    let calls = master.calls(CallType::Subscribe, 1).await;
    let info = &calls[0].subscribe.as_ref().unwrap().framework_info;
    assert_eq!(
        (info.name.as_str(), info.user.as_str()),
        ("Other", "nobody")
    );
    assert_eq!(info.role.as_deref(), Some("web"));
    assert_eq!(info.hostname.as_deref(), Some("scheduler.example"));
    let port = scheduler.address.port();
    let address = format!("https://scheduler.example:{port}");
    assert_eq!(info.webui_url.as_deref(), Some(address.as_str()));
    assert_eq!(info.failover_timeout, 120.0);
    assert_eq!(info.capabilities.len(), 3);

    let origin = [("origin", "http://ui.example")];
    let call = r#"[1,"getTierConfigs",1,1,{}]"#;
    for (method, path, headers, status) in [
        ("OPTIONS", "/api", &origin[..], 200),
        ("POST", "/api", &origin, 200),
        ("POST", "/api", &[("origin", "http://evil.example")], 403),
        ("GET", "/quotas", &origin, 403),
    ] {
        let answer = scheduler.request(method, path, headers, call).await;
        assert_eq!(answer.status, status, "{method} {path} {headers:?}");
        let allowed = answer.headers.get("access-control-allow-origin");
        assert_eq!(allowed.is_some(), status == 200, "{method} {path}");
    }

    // What Mesos tells is counted, known tasks or not.
    use aurora_mesos::v1::scheduler::{Event, EventType, Failure, Update};
    use aurora_mesos::v1::{AgentId, StatusReason, StatusSource, TaskStatus};
    let agent = AgentId {
        value: "agent-9".to_owned(),
    };
    for (executor, status) in [(None, None), (Some("e1"), Some(1)), (Some("e2"), Some(0))] {
        let failure = Failure {
            agent_id: Some(agent.clone()),
            executor_id: executor.map(|id| id.to_owned().into()),
            status,
        };
        let event = Event {
            kind: Some(EventType::Failure),
            failure: Some(failure),
            ..Event::default()
        };
        master.send(&event).await;
    }
    let status = TaskStatus {
        task_id: "unknown".to_owned().into(),
        state: TaskState::Lost,
        source: Some(StatusSource::Master),
        reason: Some(StatusReason::Reconciliation),
        timestamp: Some(1.0),
        ..TaskStatus::default()
    };
    let event = Event {
        kind: Some(EventType::Update),
        update: Some(Update { status }),
        ..Event::default()
    };
    master.send(&event).await;
    let vars = scheduler
        .poll("/vars.json", |vars| vars["task_lost_SOURCE_MASTER"] == 1)
        .await;
    for (name, expected) in [
        ("slaves_lost", 1),
        ("scheduler_lost_executors", 1),
        ("mesos_scheduler_event_FAILURE", 3),
        ("task_exit_REASON_RECONCILIATION", 1),
        ("task_delivery_delay_SOURCE_MASTER_requests_events", 1),
    ] {
        assert_eq!(vars[name], expected, "{name}");
    }
}

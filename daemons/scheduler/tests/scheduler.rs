//! The real scheduler against a scripted master: from a job's creation to its end, across kill -9.

mod support;

use std::collections::BTreeSet;

use aurora_api::feed::Line;
use aurora_api::model::{
    ExecutorConfig, JobConfiguration, JobKey, Resource, Response, ResponseCode, Result as Payload,
    ScheduleStatus, ScheduledTask, TaskConfig, TaskQuery,
};
use aurora_api::service::arguments::{
    CreateJob, GetJobUpdateDiff, GetPendingReason, GetQuota, GetTasksStatus,
    GetTasksWithoutConfigs, GetTierConfigs, KillTasks, PopulateJobConfig, Snapshot,
};
use aurora_mesos::v1::TaskState;
use aurora_mesos::v1::scheduler::CallType;
use support::{Master, Scheduler};

fn job(name: &str, instances: i32) -> JobConfiguration {
    let key = JobKey::new("www-data", "devel", name);
    JobConfiguration {
        key: key.clone(),
        instance_count: instances,
        task_config: TaskConfig {
            job: key,
            is_service: true,
            max_task_failures: 1,
            resources: BTreeSet::from([
                Resource::NumCpus(0.5.into()),
                Resource::RamMb(64),
                Resource::DiskMb(64),
                Resource::NamedPort("http".to_owned()),
            ]),
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".to_owned()),
                data: Some("{\"task\": {}}".to_owned()),
            }),
            ..TaskConfig::default()
        },
        ..JobConfiguration::default()
    }
}

fn create(name: &str, instances: i32) -> CreateJob {
    CreateJob {
        description: Some(job(name, instances)),
    }
}

fn assert_ok(response: &Response) {
    assert_eq!(response.response_code, ResponseCode::Ok, "{response:?}");
    let info = response
        .server_info
        .as_ref()
        .expect("every answer says where it is from");
    assert_eq!(info.cluster_name, "test");
}

async fn tasks(scheduler: &Scheduler) -> Vec<ScheduledTask> {
    let query = TaskQuery {
        role: Some("www-data".to_owned()),
        ..TaskQuery::default()
    };
    let response = scheduler.call(GetTasksStatus { query: Some(query) }).await;
    assert_ok(&response);
    match response.result {
        Some(Payload::ScheduleStatusResult(result)) => {
            let mut tasks = result.tasks;
            tasks.sort();
            tasks
        }
        other => panic!("{other:?}"),
    }
}

/// Follows the feed until the job's only task is in a state.
async fn wait_for(scheduler: &Scheduler, name: &str, status: ScheduleStatus) {
    let mut feed = scheduler
        .follow(&format!("/ext/v1/events?topics=job/www-data/devel/{name}"))
        .await;
    let fits = |line: &Line| matches!(line, Line::Task(task) if task.status == status);
    feed.find(&format!("task in {status}"), fits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_launched_survives_kill_9_and_is_killed() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    let first = &master.calls(CallType::Subscribe, 1).await[0];
    let info = &first.subscribe.as_ref().unwrap().framework_info;
    assert_eq!(info.name, "Aurora");
    assert_eq!(info.failover_timeout, 1_814_400.0);
    assert!(info.checkpoint);
    assert_eq!(info.id, None);

    assert_ok(&scheduler.call(create("hello", 1)).await);
    let refused = scheduler.call(create("hello", 1)).await;
    assert_eq!(refused.response_code, ResponseCode::InvalidRequest);
    assert!(refused.server_info.is_some());
    let pending = tasks(&scheduler).await;
    assert_eq!(pending[0].status, ScheduleStatus::Pending);

    master.offer("offer-1").await;
    let accepted = master.calls(CallType::Accept, 1).await;
    let accept = accepted[0].accept.as_ref().unwrap();
    assert_eq!(accept.offer_ids[0].value, "offer-1");
    let launch = accept.operations[0].launch.as_ref().unwrap();
    let task = launch.task_infos[0].task_id.clone();
    assert_eq!(task.value, pending[0].assigned_task.task_id);
    assert_eq!(
        accepted[0].framework_id.as_ref().unwrap().value,
        "framework-1"
    );

    master
        .update(&task, TaskState::Starting, b"uuid-of-starting")
        .await;
    master
        .update(&task, TaskState::Running, b"uuid-of-running!")
        .await;
    let acknowledged = master.calls(CallType::Acknowledge, 2).await;
    let last = acknowledged[1].acknowledge.as_ref().unwrap();
    assert_eq!(last.uuid.as_ref(), b"uuid-of-running!");
    wait_for(&scheduler, "hello", ScheduleStatus::Running).await;
    let before = tasks(&scheduler).await;
    assert_eq!(before[0].status, ScheduleStatus::Running);
    assert_eq!(
        before[0].assigned_task.slave_host.as_deref(),
        Some("host-1")
    );
    assert_ok(&scheduler.call(Snapshot {}).await);
    assert_ok(&scheduler.call(create("after-the-snapshot", 2)).await);
    let before = tasks(&scheduler).await;
    assert_eq!(before.len(), 3);

    scheduler.kill().await;
    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    assert_eq!(tasks(&scheduler).await, before, "the state survives");
    let again = &master.calls(CallType::Subscribe, 2).await[1];
    let id = again.subscribe.as_ref().unwrap().framework_info.id.as_ref();
    assert_eq!(id.map(|id| id.value.as_str()), Some("framework-1"));

    let kill = KillTasks {
        job: Some(JobKey::new("www-data", "devel", "hello")),
        ..KillTasks::default()
    };
    assert_ok(&scheduler.call(kill).await);
    let kills = master.calls(CallType::Kill, 1).await;
    assert_eq!(kills[0].kill.as_ref().unwrap().task_id, task);
    master
        .update(&task, TaskState::Killed, b"uuid-of-killed!!")
        .await;
    wait_for(&scheduler, "hello", ScheduleStatus::Killed).await;
    assert!(scheduler.terminate().await, "SIGTERM ends it cleanly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_keeps_upstreams_transport() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    let tjson = r#"[1,"getTierConfigs",1,42,{}]"#;
    for (content_type, accept, status, answer_type) in [
        (None, None, 200, "application/vnd.apache.thrift.json"),
        (
            Some("application/x-thrift"),
            None,
            200,
            "application/vnd.apache.thrift.json",
        ),
        (
            Some("application/json"),
            Some("*/*"),
            200,
            "application/vnd.apache.thrift.json",
        ),
        (
            Some("application/vnd.apache.thrift.json; charset=utf-8"),
            Some("application/vnd.apache.thrift.binary"),
            200,
            "application/vnd.apache.thrift.binary",
        ),
        (
            Some("application/json; charset=utf-8"),
            None,
            415,
            "text/plain; charset=utf-8",
        ),
        // TJSON is not TBinary.
        (
            Some("application/vnd.apache.thrift.binary"),
            None,
            500,
            "text/plain; charset=utf-8",
        ),
    ] {
        let mut headers = Vec::new();
        headers.extend(content_type.map(|value| ("content-type", value)));
        headers.extend(accept.map(|value| ("accept", value)));
        let answer = scheduler.request("POST", "/api", &headers, tjson).await;
        assert_eq!(answer.status, status, "{content_type:?}: {}", answer.text());
        assert_eq!(
            answer.headers["content-type"], answer_type,
            "{content_type:?}"
        );
        if status == 415 {
            assert_eq!(
                answer.text(),
                "Unsupported Content-Type: application/json; charset=utf-8"
            );
        }
        if answer_type.ends_with("thrift.json") {
            let body = answer.json();
            assert_eq!(body[1], "getTierConfigs");
            assert_eq!(body[2], 2, "REPLY");
            assert_eq!(body[3], 42, "the sequence id comes back");
        }
    }
    let unknown = scheduler
        .request("POST", "/api", &[], r#"[1,"noSuch",1,3,{}]"#)
        .await;
    assert_eq!(unknown.status, 200);
    assert_eq!(unknown.json()[2], 3, "EXCEPTION");
    let get = scheduler.request("GET", "/api", &[], tjson).await;
    assert_eq!(get.status, 200);

    let packed = scheduler
        .request("POST", "/api", &[("accept-encoding", "gzip")], tjson)
        .await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let mut plain = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::GzDecoder::new(&packed.body[..]),
        &mut plain,
    )
    .unwrap();
    assert!(plain.starts_with(r#"[1,"getTierConfigs",2,42,"#), "{plain}");
    let foreign = scheduler
        .request("POST", "/api", &[("origin", "http://evil.example")], tjson)
        .await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_needs_the_secret_and_reading_does_not() {
    use std::os::unix::fs::PermissionsExt;
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let token = state.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let flag = format!("--token-file={}", token.display());
    let scheduler = Scheduler::start(master.address, &state.path().join("s"), &[&flag]).await;
    let call = create("hello", 1).into();
    let body = aurora_api::message::encode_call(aurora_api::message::Protocol::Json, 1, &call);
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer wrong"), 401),
        // `printf 'alice:s3cret' | base64`
        (Some("Basic YWxpY2U6czNjcmV0"), 200),
        (Some("Bearer s3cret"), 200),
    ] {
        let headers: Vec<_> = authorization
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        let answer = scheduler
            .request("POST", "/api", &headers, body.clone())
            .await;
        assert_eq!(answer.status, status, "{authorization:?}");
        if status == 401 {
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Basic "), "{challenge}");
        }
    }
    assert_eq!(tasks(&scheduler).await.len(), 1);
    let kill = KillTasks {
        job: Some(JobKey::new("www-data", "devel", "hello")),
        ..KillTasks::default()
    };
    let basic = [("authorization", "Basic YWxpY2U6czNjcmV0")];
    assert_ok(&scheduler.call_with(kill, &basic).await);
    master.calls(CallType::Subscribe, 1).await;
    assert!(
        master
            .secrets()
            .iter()
            .all(|secret| secret.as_deref() == Some("s3cret")),
        "the master hears the secret"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_answer_in_upstreams_form() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    assert_ok(&scheduler.call(create("hello", 3)).await);

    let query = TaskQuery {
        offset: Some(1),
        limit: Some(1),
        ..TaskQuery::default()
    };
    let page = scheduler
        .call(GetTasksWithoutConfigs { query: Some(query) })
        .await;
    let Some(Payload::ScheduleStatusResult(result)) = page.result else {
        panic!("{page:?}");
    };
    assert_eq!(result.tasks.len(), 1);
    let task = &result.tasks[0].assigned_task;
    assert_eq!(task.instance_id, 1);
    assert_eq!(task.task.executor_config.as_ref().unwrap().data, None);

    let reasons = scheduler
        .call(GetPendingReason {
            query: Some(TaskQuery::default()),
        })
        .await;
    let Some(Payload::GetPendingReasonResult(result)) = reasons.result else {
        panic!("{reasons:?}");
    };
    assert_eq!(result.reasons.len(), 3);
    let refused = scheduler
        .call(GetPendingReason {
            query: Some(TaskQuery {
                statuses: Some(BTreeSet::from([ScheduleStatus::Running])),
                ..TaskQuery::default()
            }),
        })
        .await;
    assert_eq!(refused.response_code, ResponseCode::InvalidRequest);

    let quota = scheduler
        .call(GetQuota {
            owner_role: Some("www-data".to_owned()),
        })
        .await;
    let Some(Payload::GetQuotaResult(result)) = quota.result else {
        panic!("{quota:?}");
    };
    let used = result.non_prod_shared_consumption.unwrap().resources;
    assert!(used.contains(&Resource::NumCpus(1.5.into())), "{used:?}");
    assert!(used.contains(&Resource::RamMb(192)), "{used:?}");
    let blank = scheduler.call(GetQuota { owner_role: None }).await;
    assert_eq!(blank.response_code, ResponseCode::Error);

    let populated = scheduler
        .call(PopulateJobConfig {
            description: Some(job("other", 1)),
        })
        .await;
    let Some(Payload::PopulateJobResult(result)) = populated.result else {
        panic!("{populated:?}");
    };
    assert_eq!(result.task_config.tier.as_deref(), Some("preemptible"));
    assert_eq!(
        result
            .task_config
            .task_links
            .get("http")
            .map(String::as_str),
        Some("http://%host%:%port:http%")
    );
    let refused = scheduler
        .call(PopulateJobConfig {
            description: Some(job("other", 0)),
        })
        .await;
    assert_eq!(
        refused.details[0].message.as_deref(),
        Some("Invalid configuration: Instance count must be positive.")
    );

    let mut changed = job("hello", 4);
    changed.task_config.priority = 7;
    let request = aurora_api::model::JobUpdateRequest {
        task_config: changed.task_config,
        instance_count: 2,
        ..Default::default()
    };
    let diff = scheduler
        .call(GetJobUpdateDiff {
            request: Some(request),
        })
        .await;
    let Some(Payload::GetJobUpdateDiffResult(diff)) = diff.result else {
        panic!("{diff:?}");
    };
    let instances = |groups: &BTreeSet<aurora_api::model::ConfigGroup>| -> Vec<(i32, i32)> {
        let ranges = groups.iter().flat_map(|group| &group.instances);
        ranges.map(|range| (range.first, range.last)).collect()
    };
    assert_eq!(instances(&diff.update), [(0, 1)]);
    assert_eq!(instances(&diff.remove), [(2, 2)]);
    assert!(diff.add.is_empty() && diff.unchanged.is_empty());

    let tiers = scheduler.call(GetTierConfigs {}).await;
    let Some(Payload::GetTierConfigResult(tiers)) = tiers.result else {
        panic!("{tiers:?}");
    };
    assert_eq!(tiers.default_tier_name, "preemptible");
    assert_eq!(tiers.tiers.len(), 3);

    let explained = scheduler
        .get(&format!("/ext/v1/explain/{}", task.task_id))
        .await;
    assert_eq!(explained.status, 200);
    assert_eq!(explained.json()["status"], "PENDING");
    assert_eq!(explained.json()["asks"]["cpus"], 0.5);
    let vars = scheduler.get("/vars.json").await.json();
    assert_eq!(vars["task_store_PENDING"], 3);
    let text = scheduler.get("/vars").await.text();
    let names: Vec<_> = text.lines().map(|line| line.split(' ').next()).collect();
    assert!(names.is_sorted(), "{text}");
    assert!(text.contains("\ntask_store_PENDING 3\n"), "{text}");
    assert_eq!(scheduler.get("/health").await.text(), "OK\n");

    let waiting = scheduler.get("/pendingtasks").await.json();
    assert_eq!(waiting[0]["name"], "www-data/devel/hello");
    assert_eq!(waiting[0]["taskIds"].as_array().unwrap().len(), 3);
    assert!(waiting[0]["penaltyMs"].is_number() && waiting[0]["reason"].is_string());
    // An offer that fits nothing is held.
    let mut offer = master.make_offer("too-small");
    for resource in &mut offer.resources {
        if resource.name == "cpus" {
            resource.scalar = Some(aurora_mesos::v1::Scalar { value: 0.25 });
        }
    }
    master.calls(CallType::Subscribe, 1).await;
    master.send_offer(offer).await;
    let held = scheduler
        .poll("/offers", |body| body[0]["id"]["value"] == "too-small")
        .await;
    assert_eq!(held[0]["hostname"], "host-1");
    assert_eq!(held[0]["agent_id"]["value"], "agent-1");
    // What is held is known at once, the host's record when it is durable.
    scheduler
        .poll_text("/agents", |page| {
            page.contains("<td>host-1</td><td>agent-1</td><td>NONE</td>")
        })
        .await;
    let why = scheduler
        .poll(&format!("/ext/v1/explain/{}", task.task_id), |body| {
            body["vetoes"]
                .as_array()
                .is_some_and(|vetoes| !vetoes.is_empty())
        })
        .await;
    let vetoes = why["vetoes"].to_string();
    assert!(vetoes.contains("cpu") || vetoes.contains("CPU"), "{vetoes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_goes_on_where_it_was_across_a_restart() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    let mut feed = scheduler
        .follow("/ext/v1/events?topics=role/www-data")
        .await;
    let Line::Hello(hello) = feed.next().await else {
        panic!("the first line is hello");
    };
    assert_eq!(hello.cluster, "test");
    assert_ok(&scheduler.call(create("one", 1)).await);
    let first = feed
        .find("task", |line| matches!(line, Line::Task(_)))
        .await;
    let Line::Task(first) = first else {
        unreachable!("it was looked for")
    };
    assert_eq!(first.status, ScheduleStatus::Pending);
    drop(feed);
    assert_ok(&scheduler.call(create("two", 1)).await);
    scheduler.kill().await;

    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    let path = format!("/ext/v1/events?topics=role/www-data&from={}", first.seq);
    let mut feed = scheduler.follow(&path).await;
    assert!(matches!(feed.next().await, Line::Hello(_)));
    let mut told = Vec::new();
    loop {
        match feed.next().await {
            Line::Reset { reason } => panic!("reset: {reason}"),
            Line::Snapshot(snapshot) => panic!("{snapshot:?}"),
            Line::Task(task) => {
                told.push(task.job.to_string());
                break;
            }
            _ => {}
        }
    }
    assert_eq!(told, ["www-data/devel/two"], "what it has is not repeated");
    let mut open_feed = feed;

    for (path, status) in [
        ("/ext/v1/events?topics=nonsense", 400),
        ("/ext/v1/events?from=12", 400),
        ("/ext/v1/nonsense", 404),
    ] {
        let answer = scheduler.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["error"]["message"].is_string(), "{path}");
    }
    let gone = scheduler
        .request(
            "POST",
            "/ext/v1/events/none/topics",
            &[],
            r#"{"topics":[]}"#,
        )
        .await;
    assert_eq!(gone.status, 404);

    let began = std::time::Instant::now();
    let (ended, ()) = tokio::join!(scheduler.terminate(), open_feed.end());
    assert!(ended);
    assert!(
        began.elapsed() < std::time::Duration::from_millis(1500),
        "an open feed does not hold up the end: {:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_whose_place_was_taken_ends_and_says_so() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut scheduler = Scheduler::spawn(
        Scheduler::command(master.address, state.path()).stderr(std::process::Stdio::piped()),
    )
    .await;
    master.calls(CallType::Subscribe, 1).await;
    let event = aurora_mesos::v1::scheduler::Event {
        kind: Some(aurora_mesos::v1::scheduler::EventType::Error),
        error: Some(aurora_mesos::v1::scheduler::Error {
            message: "Framework failed over".to_owned(),
        }),
        ..Default::default()
    };
    master.send(&event).await;
    let (success, text) = scheduler.end().await;
    assert!(!success);
    assert!(
        text.contains("the master ended the subscription: Framework failed over"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_directory_that_cannot_be_used_is_named() {
    let master = Master::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let inside = file.path().join("state");
    let output = Scheduler::command(master.address, &inside)
        .stderr(std::process::Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains(&format!(
            "the state directory {} cannot be written",
            inside.display()
        )),
        "{text}"
    );
    assert!(
        text.contains("--state-dir") && !text.contains("panicked"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_scheduler_on_the_same_state_is_refused() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let first = Scheduler::start(master.address, state.path(), &[]).await;
    let output = Scheduler::command(master.address, state.path())
        .stderr(std::process::Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "it never says that it is ready");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("is in use by process"), "{text}");
    assert!(first.terminate().await);
}

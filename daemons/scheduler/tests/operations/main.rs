//! What operators and tools ask the real scheduler beside the Thrift service, and the ways back from a bad day.

#![allow(
    clippy::unwrap_used,
    reason = "this is test code; clippy sees that only inside test functions"
)]

mod outward;
mod pages;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod users;

use std::collections::BTreeSet;

use aurora_api::feed::Line;
use aurora_api::model::{
    ExecutorConfig, JobConfiguration, JobKey, JobUpdateRequest, Resource, Response, ResponseCode,
    Result as Payload, TaskConfig, TaskQuery,
};
use aurora_api::service::Call;
use aurora_api::service::arguments::*;
use aurora_mesos::v1::TaskState;
use aurora_mesos::v1::scheduler::CallType;
use serde_json::json;
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

fn cron(name: &str) -> ScheduleCronJob {
    let mut job = job(name, 2);
    job.task_config.is_service = false;
    job.cron_schedule = Some("0 2 * * *".to_owned());
    ScheduleCronJob {
        description: Some(job),
    }
}

fn create(name: &str, instances: i32) -> CreateJob {
    CreateJob {
        description: Some(job(name, instances)),
    }
}

fn assert_code(response: &Response, code: ResponseCode) {
    assert_eq!(response.response_code, code, "{response:?}");
}

fn said(response: &Response) -> &str {
    let detail = response.details.first();
    detail
        .and_then(|detail| detail.message.as_deref())
        .unwrap_or("")
}

/// A scheduler with a running service, a cron job and a pending job.
struct Cluster {
    master: std::sync::Arc<Master>,
    state: tempfile::TempDir,
    scheduler: Scheduler,
}

impl Cluster {
    async fn start() -> Cluster {
        let master = Master::start().await;
        let state = tempfile::tempdir().unwrap();
        let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
        assert_code(&scheduler.call(create("web", 1)).await, ResponseCode::Ok);
        assert_code(&scheduler.call(cron("nightly")).await, ResponseCode::Ok);
        master.calls(CallType::Subscribe, 1).await;
        master.offer("offer-1").await;
        let accepted = master.calls(CallType::Accept, 1).await;
        let accept = accepted[0].accept.as_ref().unwrap();
        let launch = accept.operations[0].launch.as_ref().unwrap();
        let task = launch.task_infos[0].task_id.clone();
        master
            .update(&task, TaskState::Running, b"uuid-of-running!")
            .await;
        let mut large = create("large", 2);
        if let Some(job) = &mut large.description {
            job.task_config
                .resources
                .remove(&Resource::NumCpus(0.5.into()));
            job.task_config
                .resources
                .insert(Resource::NumCpus(64.0.into()));
        }
        assert_code(&scheduler.call(large).await, ResponseCode::Ok);
        scheduler
            .poll("/ext/v1/tasks?filter=status=RUNNING", |page| {
                page["shown"] == 1
            })
            .await;
        Cluster {
            master,
            state,
            scheduler,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_beats_packs_and_refuses_what_strangers_may_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let token = state.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let flag = format!("--token-file={}", token.display());
    let scheduler = Scheduler::start(master.address, &state.path().join("s"), &[&flag]).await;
    let mut feed = scheduler
        .follow("/ext/v1/events?topics=audit,updates")
        .await;
    let Line::Hello(hello) = feed.next().await else {
        panic!("the first line is hello");
    };
    assert_eq!((hello.version, hello.cluster.as_str()), (4, "test"));
    assert_eq!(hello.leader, scheduler.address.to_string());
    assert!(hello.server_time_ms > 1_700_000_000_000);
    assert!(hello.capabilities.contains(&"pages".to_owned()));
    assert_eq!(feed.next().await, Line::Denied("audit".to_owned()));
    assert_eq!(scheduler.get("/ext/v1/audit").await.status, 401);
    let secret = [("authorization", "Bearer s3cret")];
    let audit = scheduler.request("GET", "/ext/v1/audit", &secret, "").await;
    assert_eq!(audit.status, 200);
    // Nothing happens, and it says so.
    let beat = |line: &Line| matches!(line, Line::Heartbeat(_));
    let Line::Heartbeat(beat) = feed.find("heartbeat", beat).await else {
        unreachable!("it was looked for")
    };
    assert!(beat.seq >= hello.seq);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_know_of_cron_jobs() {
    let cluster = Cluster::start().await;
    let scheduler = &cluster.scheduler;
    let answer = |call: Call| async move { scheduler.call(call).await };

    let roles = answer(GetRoleSummary {}.into()).await;
    let Some(Payload::RoleSummaryResult(roles)) = roles.result else {
        panic!("{roles:?}");
    };
    let found: Vec<_> = roles
        .summaries
        .iter()
        .map(|role| (role.role.as_str(), role.job_count, role.cron_job_count))
        .collect();
    assert_eq!(found, [("www-data", 2, 1)]);

    let role = Some("www-data".to_owned());
    let summary = answer(GetJobSummary { role: role.clone() }.into()).await;
    let Some(Payload::JobSummaryResult(jobs)) = summary.result else {
        panic!("{summary:?}");
    };
    let found: BTreeSet<_> = jobs
        .summaries
        .iter()
        .map(|job| {
            let stats = (job.stats.active_task_count, job.stats.pending_task_count);
            let name = job.job.key.name.as_str();
            (
                name,
                job.job.instance_count,
                stats,
                job.next_cron_run_ms.is_some(),
            )
        })
        .collect();
    let expected = [
        ("large", 2, (0, 2), false),
        ("nightly", 2, (0, 0), true),
        ("web", 1, (1, 0), false),
    ];
    assert_eq!(found, expected.into());
    let none = answer(
        GetJobSummary {
            role: Some("nobody".to_owned()),
        }
        .into(),
    )
    .await;
    assert_eq!(
        none.result,
        Some(Payload::JobSummaryResult(Default::default()))
    );

    let listed = answer(GetJobs { owner_role: role }.into()).await;
    let Some(Payload::GetJobsResult(listed)) = listed.result else {
        panic!("{listed:?}");
    };
    let found: Vec<_> = listed
        .configs
        .iter()
        .map(|job| {
            (
                job.key.name.as_str(),
                job.instance_count,
                job.cron_schedule.as_deref(),
            )
        })
        .collect();
    let mut expected = vec![
        ("large", 2, None),
        ("nightly", 2, Some("0 2 * * *")),
        ("web", 1, None),
    ];
    let mut found_sorted = found.clone();
    found_sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found_sorted, expected);

    let quota = answer(
        GetQuota {
            owner_role: Some("nobody".to_owned()),
        }
        .into(),
    )
    .await;
    let Some(Payload::GetQuotaResult(quota)) = quota.result else {
        panic!("{quota:?}");
    };
    let zero = BTreeSet::from([
        Resource::NumCpus(0.0.into()),
        Resource::RamMb(0),
        Resource::DiskMb(0),
    ]);
    assert_eq!(quota.quota.resources, zero);

    let request = JobUpdateRequest {
        task_config: job("nightly", 2).task_config,
        instance_count: 2,
        ..Default::default()
    };
    let diff = answer(
        GetJobUpdateDiff {
            request: Some(request),
        }
        .into(),
    )
    .await;
    assert_code(&diff, ResponseCode::InvalidRequest);
    assert_eq!(said(&diff), "Cron jobs are not supported.");
    let hosts = TaskQuery {
        slave_hosts: Some(BTreeSet::from(["host-1".to_owned()])),
        ..TaskQuery::default()
    };
    let reasons = answer(GetPendingReason { query: Some(hosts) }.into()).await;
    assert_code(&reasons, ResponseCode::InvalidRequest);
    let again = answer(create("nightly", 1).into()).await;
    assert_code(&again, ResponseCode::InvalidRequest);

    let groups = GetConfigSummary {
        job: Some(job("large", 1).key),
    };
    let groups = answer(groups.into()).await;
    let Some(Payload::ConfigSummaryResult(groups)) = groups.result else {
        panic!("{groups:?}");
    };
    let ranges: Vec<_> = groups
        .summary
        .groups
        .iter()
        .flat_map(|group| &group.instances)
        .collect();
    assert_eq!(ranges.len(), 1);
    assert_eq!((ranges[0].first, ranges[0].last), (0, 1));
    let vars = scheduler.get("/vars.json").await.json();
    assert_eq!(vars["scheduler_thrift_workload_getJobs"], 3, "{vars:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_json_calls_are_answered_in_plain_json() {
    let cluster = Cluster::start().await;
    let scheduler = &cluster.scheduler;
    let ask = |path: &'static str, body: &'static str| async move {
        scheduler.request("POST", path, &[], body).await
    };
    let found = ask(
        "/apibeta/getTasksStatus",
        r#"{"query": {"jobName": "web"}}"#,
    )
    .await;
    assert_eq!(
        (found.status, found.headers["content-type"].as_bytes()),
        (200, &b"application/json"[..])
    );
    let found = found.json();
    assert_eq!(found["responseCode"], "OK");
    assert_eq!(found["serverInfo"]["clusterName"], "test");
    let task = &found["result"]["scheduleStatusResult"]["tasks"][0];
    assert_eq!(task["status"], "RUNNING");
    let resources = task["assignedTask"]["task"]["resources"]
        .as_array()
        .unwrap();
    assert!(
        resources.contains(&json!({"numCpus": 0.5})),
        "{resources:?}"
    );
    assert_eq!(ask("/apibeta/getTierConfigs", "").await.status, 200);
    let killed = ask(
        "/apibeta/killTasks",
        r#"{"job": {"role": "www-data", "environment": "devel", "name": "large"}}"#,
    )
    .await;
    assert_eq!(killed.json()["responseCode"], "OK");
    let unknown = ask("/apibeta/noSuch", "{}").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["responseCode"], "ERROR");
    assert_eq!(ask("/apibeta/getJobs", "[]").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_looked_at_changed_and_becomes_the_state() {
    let Cluster {
        master,
        state,
        mut scheduler,
    } = Cluster::start().await;
    let stage = |id: &str| StageRecovery {
        backup_id: Some(id.to_owned()),
    };
    let all = || Some(TaskQuery::default());
    let refused = scheduler.call(QueryRecovery { query: all() }).await;
    assert_code(&refused, ResponseCode::Error);
    assert_eq!(said(&refused), "No backup loaded.");
    let refused = scheduler.call(stage("none")).await;
    let path = state.path().join("backups/none");
    assert_eq!(
        said(&refused),
        format!("Backup {} does not exist.", path.display())
    );

    assert_code(&scheduler.call(PerformBackup {}).await, ResponseCode::Ok);
    let listed = scheduler.call(ListBackups {}).await;
    let Some(Payload::ListBackupsResult(listed)) = listed.result else {
        panic!("{listed:?}");
    };
    let name = listed.backups.first().unwrap();
    assert!(name.starts_with("scheduler-backup-"), "{name}");
    // What comes afterwards is not in it.
    assert_code(&scheduler.call(create("later", 1)).await, ResponseCode::Ok);
    assert_code(&scheduler.call(stage(name)).await, ResponseCode::Ok);
    let refused = scheduler.call(stage(name)).await;
    assert_eq!(said(&refused), "Another backup is already loaded.");
    assert_code(&scheduler.call(UnloadRecovery {}).await, ResponseCode::Ok);
    assert_code(&scheduler.call(stage(name)).await, ResponseCode::Ok);
    let large = TaskQuery {
        job_name: Some("large".to_owned()),
        ..TaskQuery::default()
    };
    let refused = scheduler.call(DeleteRecoveryTasks { query: None }).await;
    assert_code(&refused, ResponseCode::Error);
    let deleted = DeleteRecoveryTasks { query: Some(large) };
    assert_code(&scheduler.call(deleted).await, ResponseCode::Ok);
    let left = scheduler.call(QueryRecovery { query: all() }).await;
    let Some(Payload::QueryRecoveryResult(left)) = left.result else {
        panic!("{left:?}");
    };
    let names: Vec<&str> = left
        .tasks
        .iter()
        .map(|task| task.assigned_task.task.job.name.as_str())
        .collect();
    assert_eq!(names, ["web"]);
    assert_code(&scheduler.call(CommitRecovery {}).await, ResponseCode::Ok);
    assert!(!scheduler.wait().await, "a supervisor starts it again");

    let scheduler = Scheduler::start(master.address, state.path(), &[]).await;
    let page = scheduler.get("/ext/v1/jobs?columns=name").await.json();
    assert_eq!(page["rows"], json!([{"name": "nightly"}, {"name": "web"}]));
    let audit = scheduler.get("/ext/v1/audit").await.json();
    let last = audit["records"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["method"], "commitRecovery");
    // It goes on from there.
    assert_code(&scheduler.call(create("later", 1)).await, ResponseCode::Ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_the_service_is_served() {
    let cluster = Cluster::start().await;
    let mut left = Vec::new();
    for method in Call::METHODS {
        let path = format!("/apibeta/{method}");
        let answer = cluster.scheduler.request("POST", &path, &[], "").await;
        assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        if answer
            .text()
            .contains("is not supported by this scheduler yet")
        {
            left.push(*method);
        }
    }
    assert!(left.is_empty(), "{left:?}");
}

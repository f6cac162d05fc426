//! The workbench on an Apache Aurora scheduler: `/api` and nothing else.

use std::sync::Arc;
use std::time::Duration;

use aurora_api::model::{
    AssignedTask, JobConfiguration, JobKey, JobStats, JobSummary, JobSummaryResult, Result,
    ScheduleStatus, ScheduleStatusResult, ScheduledTask, TaskConfig, TaskEvent,
};
use aurora_api::service::Call;
use aurora_client::auth::Auth;
use aurora_client::directory::Target;
use aurora_client::netrc::Netrc;
use aurora_client::scheduler::Scheduler;
use aurora_tui_model::event::{Event, Seen, WatchWhat};
use aurora_tui_model::told::{Answer, Question};
use tokio::sync::mpsc;

use super::fake::NOW;
use super::scheduler::{Reply, Server, ok, thrift};
use super::{errand_of, exec, member};
use crate::args::Form;
use crate::cluster::Cluster;
use crate::crew::Crew;
use crate::headless::Errand;
use crate::observe;

fn key() -> JobKey {
    JobKey {
        role: "www".to_owned(),
        environment: "prod".to_owned(),
        name: "web".to_owned(),
    }
}

fn config() -> TaskConfig {
    TaskConfig {
        job: key(),
        is_service: true,
        ..TaskConfig::default()
    }
}

/// What Apache Aurora answers; it knows nothing under `/ext`.
pub(super) fn upstream() -> Server {
    let tasks = |call: &Call| match call {
        Call::GetJobSummary(_) => Result::JobSummaryResult(JobSummaryResult {
            summaries: [JobSummary {
                job: JobConfiguration {
                    key: key(),
                    task_config: config(),
                    cron_schedule: Some("*/5 * * * *".to_owned()),
                    ..JobConfiguration::default()
                },
                stats: JobStats {
                    active_task_count: 2,
                    pending_task_count: 1,
                    ..JobStats::default()
                },
                next_cron_run_ms: None,
            }]
            .into(),
        }),
        Call::GetTasksWithoutConfigs(asked) => {
            let limit = asked.query.as_ref().and_then(|query| query.limit);
            assert_eq!(limit, Some(20_000));
            Result::ScheduleStatusResult(ScheduleStatusResult {
                tasks: vec![ScheduledTask {
                    assigned_task: AssignedTask {
                        task_id: "t-1".to_owned(),
                        slave_host: Some("h-1".to_owned()),
                        task: config(),
                        instance_id: 4,
                        ..AssignedTask::default()
                    },
                    status: ScheduleStatus::Running,
                    task_events: vec![TaskEvent {
                        timestamp: NOW,
                        status: ScheduleStatus::Running,
                        message: Some("it runs".to_owned()),
                        ..TaskEvent::default()
                    }],
                    ..ScheduledTask::default()
                }],
            })
        }
        other => panic!("{other:?} is not a read of the workbench"),
    };
    Server::start(move |request| match request.target.as_str() {
        "/api" => thrift(request, &|call| ok(tasks(call))),
        _ => Reply::Full(404, Vec::new(), Vec::new()),
    })
}

pub(super) fn target(server: &Server) -> Target {
    Target {
        cluster: "devcluster".to_owned(),
        scheduler: server.url().parse().unwrap(),
        display: server.url().parse().unwrap(),
        auth: Auth::None,
        netrc: Netrc::default(),
        auth_help: String::new(),
        patience: Duration::from_secs(5),
        local: None,
        entry: None,
        moved: Default::default(),
    }
}

async fn shown(line: &str, form: Option<Form>) -> (u8, String, String) {
    let server = upstream();
    let target = target(&server);
    let errand = Errand {
        snapshot: form,
        ..exec(line)
    };
    let crew = Crew::new(member(Arc::new(Cluster::new(target)), NOW));
    errand_of(crew, errand).await
}

#[tokio::test]
async fn an_apache_aurora_scheduler_is_polled() {
    let (code, out, err) = shown("jobs", Some(Form::Json)).await;
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["link"], "polling");
    let row = &json["data"]["rows"][0];
    assert_eq!(
        (
            &row["job"],
            &row["running"],
            &row["waiting"],
            &row["changed"]
        ),
        (
            &"www/prod/web".into(),
            &2.into(),
            &1.into(),
            &serde_json::Value::Null
        )
    );
    let (code, out, err) = shown("instances www/prod/web", None).await;
    assert_eq!(code, 0, "{err}");
    for part in ["RUNNING", "h-1", "it runs"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (code, out, err) = shown("crons", None).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("*/5 * * * *"), "{out}");
    // What it cannot tell is said and not shown as empty.
    for view in ["hosts", "quotas", "updates", "audit"] {
        let (code, _, err) = shown(view, None).await;
        assert_eq!(code, 1, "{view}");
        assert!(err.contains("does not tell about"), "{view}: {err}");
    }
}

#[tokio::test]
async fn explanations_are_asked_for_by_task() {
    let server = Server::start(|request| match request.target.as_str() {
        "/ext/v1/explain/www-0%2Fx" => {
            Reply::Full(200, Vec::new(), br#"{"status":"PENDING"}"#.to_vec())
        }
        _ => Reply::Full(404, Vec::new(), Vec::new()),
    });
    let scheduler = Scheduler::new(&target(&server), "test");
    let answer = scheduler.explain("www-0/x").await.unwrap();
    assert_eq!(answer, Some(serde_json::json!({"status": "PENDING"})));
    assert_eq!(scheduler.explain("none").await.unwrap(), None);
}

#[tokio::test]
async fn of_one_host_only_its_offers_are_asked_for_and_told() {
    let server = Server::start(|request| match request.target.as_str() {
        // Who does not know the parameter tells of all hosts.
        "/offers?host=h1" => {
            let offers =
                br#"[{"id":{"value":"O1"},"hostname":"h1"},{"id":{"value":"O2"},"hostname":"h2"}]"#;
            Reply::Full(200, Vec::new(), offers.to_vec())
        }
        _ => Reply::Full(404, Vec::new(), Vec::new()),
    });
    let scheduler = Scheduler::new(&target(&server), "test");
    let (events, mut heard) = mpsc::channel(1);
    let question = WatchWhat::Ask(Question::OffersOf("h1".to_owned()));
    let asking = tokio::spawn(observe::ask(scheduler, 7, question, events));
    let Some(Event::Seen(7, Seen::Answer(Answer::Offers(offers)))) = heard.recv().await else {
        panic!("no offers");
    };
    let ids: Vec<&str> = offers.iter().map(|offer| offer.id.as_str()).collect();
    assert_eq!(ids, ["O1"]);
    asking.abort();
}

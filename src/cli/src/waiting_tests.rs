//! Waits that are given up, at a pace that tests can wait for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aurora_api::model::{
    DrainHostsResult, HostStatus, MaintenanceMode, MaintenanceStatusResult, Response, ResponseCode,
    Result as Answer, ScheduleStatus, ScheduleStatusResult, ScheduledTask, StartMaintenanceResult,
};
use aurora_api::service::Call;
use aurora_client::directory::Environment;

use crate::args;
use crate::context::{Context, Outcome, Program};
use crate::fake::{Server, ok, response};
use crate::pace::{Pace, Paces};

const QUICK: Pace = Pace {
    first: Duration::from_millis(1),
    last: Duration::from_millis(4),
    give_up: Some(Duration::from_millis(50)),
};

/// Runs a command line in this process; how it ends, and what was asked of the scheduler.
async fn run(
    program: Program,
    line: &str,
    scheduler: impl Fn(&Call) -> Response + Send + Sync + 'static,
) -> (Outcome, Vec<Call>) {
    let server = Server::scheduler(scheduler);
    let dir = tempfile::tempdir().unwrap();
    let clusters = format!(r#"[{{"name":"west","scheduler_uri":"{}"}}]"#, server.url());
    std::fs::write(dir.path().join("clusters.json"), clusters).unwrap();
    let words = line.split_whitespace().map(str::to_owned).collect();
    let outcome = match program {
        Program::Client => args::parse(crate::verbs::NOUNS, words),
        Program::Admin => args::commands::parse(crate::admin::COMMANDS, words),
    };
    let args::Outcome::Run(run, parsed) = outcome else {
        panic!("{line}");
    };
    let environment = Environment {
        config_root: Some(dir.path().to_owned()),
        ..Environment::default()
    };
    let mut context = Context::new(program, &parsed, environment);
    context.paces = Paces {
        kills: QUICK,
        updates: QUICK,
        drains: QUICK,
    };
    let outcome = run(&context).await;
    (outcome, server.calls())
}

/// A scheduler with three tasks that do not end.
fn stubborn(call: &Call) -> Response {
    match call {
        Call::KillTasks(_) => response(ResponseCode::Ok, &[]),
        Call::GetTasksWithoutConfigs(_) => {
            let tasks = (0..3).map(|id| {
                let mut task = ScheduledTask {
                    status: ScheduleStatus::Killing,
                    ..ScheduledTask::default()
                };
                task.assigned_task.instance_id = id;
                task
            });
            ok(Answer::ScheduleStatusResult(ScheduleStatusResult {
                tasks: tasks.collect(),
            }))
        }
        other => panic!("unexpected {}", other.method()),
    }
}

#[tokio::test]
async fn kills_that_take_too_long() {
    for (line, code, message, kills) in [
        ("job killall west/www/prod/hello --no-batching", 9, None, 1),
        (
            "job killall west/www/prod/hello",
            4,
            Some("Exceeded maximum number of errors while killing instances"),
            1,
        ),
        (
            "job killall west/www/prod/hello --max-total-failures 1",
            4,
            Some("Exceeded maximum number of errors while killing instances"),
            2,
        ),
        (
            "job killall west/www/prod/hello --max-total-failures 3",
            4,
            Some("Errors occurred while killing instances"),
            3,
        ),
    ] {
        let (outcome, calls) = run(Program::Client, line, stubborn).await;
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.code, error.message.as_deref()),
            (code, message),
            "{line}"
        );
        let asked = calls
            .iter()
            .filter(|call| matches!(call, Call::KillTasks(_)));
        assert_eq!(asked.count(), kills, "{line}");
    }
}

/// Reasons are worth asking for; without them the wait goes on.
#[tokio::test]
async fn waits_go_on_when_nobody_tells_why() {
    let asked = AtomicUsize::new(0);
    let scheduler = move |call: &Call| match call {
        Call::AddInstances(_) => response(ResponseCode::Ok, &[]),
        Call::GetPendingReason(_) => {
            asked.fetch_add(1, Ordering::SeqCst);
            response(ResponseCode::Error, &["no"])
        }
        Call::GetTasksWithoutConfigs(_) => ok(Answer::ScheduleStatusResult(ScheduleStatusResult {
            tasks: vec![ScheduledTask {
                status: match asked.load(Ordering::SeqCst) {
                    0..3 => ScheduleStatus::Pending,
                    _ => ScheduleStatus::Running,
                },
                ..ScheduledTask::default()
            }],
        })),
        other => panic!("unexpected {}", other.method()),
    };
    let line = "job add west/www/prod/hello/0 1 --wait-until RUNNING";
    let (outcome, calls) = run(Program::Client, line, scheduler).await;
    assert_eq!(outcome, Ok(()));
    let asked = |call: &&Call| matches!(call, Call::GetPendingReason(_));
    assert_eq!(calls.iter().filter(asked).count(), 3);
}

#[tokio::test]
async fn drains_that_take_too_long() {
    let scheduler = |call: &Call| {
        let statuses = |mode| {
            let host = "h1".to_owned();
            let mode = Some(mode);
            [HostStatus { host, mode }].into()
        };
        ok(match call {
            Call::StartMaintenance(_) => Answer::StartMaintenanceResult(StartMaintenanceResult {
                statuses: statuses(MaintenanceMode::Scheduled),
            }),
            Call::DrainHosts(_) => Answer::DrainHostsResult(DrainHostsResult {
                statuses: statuses(MaintenanceMode::Draining),
            }),
            Call::MaintenanceStatus(_) => {
                Answer::MaintenanceStatusResult(MaintenanceStatusResult {
                    statuses: statuses(MaintenanceMode::Draining),
                })
            }
            Call::GetTasksWithoutConfigs(_) => {
                Answer::ScheduleStatusResult(ScheduleStatusResult::default())
            }
            other => panic!("unexpected {}", other.method()),
        })
    };
    let dir = tempfile::tempdir().unwrap();
    let left = dir.path().join("left");
    let line = format!(
        "host_drain --hosts=h1 --unsafe_hosts_file={} west",
        left.display()
    );
    let (outcome, calls) = run(Program::Admin, &line, scheduler).await;
    assert_eq!(outcome, Ok(()));
    let looks = calls
        .iter()
        .filter(|call| matches!(call, Call::MaintenanceStatus(_)));
    assert!(looks.count() > 1, "{calls:?}");
    assert_eq!(std::fs::read_to_string(left).unwrap(), "h1\n");
}

//! The real programs against a scheduler that speaks real Thrift over HTTP: differences and cron. Expected texts were
//! written by hand from upstream's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Reply, Server, ok, response, thrift};
use support::updates::{changed, diff_result};
use support::*;

type Answer = aurora_api::model::Result;

fn populated() -> Response {
    ok(Answer::PopulateJobResult(PopulateJobResult {
        task_config: TaskConfig::default(),
    }))
}

const DIFF: [&str; 4] = ["job", "diff", "west/www/prod/hello", "job.aurora"];

#[test]
fn job_diff_shows_what_changes_in_each_group() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::PopulateJobConfig(_) => populated(),
        Call::GetJobUpdateDiff(arguments) => {
            let request = arguments.request.clone().unwrap();
            assert_eq!(request.task_config.job.name, "hello");
            diff_result()
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let expected = "\
This job update will:
add instances: [10], [12-14]
update instances: [11]
with diff:

LINE
<   \"priority\": 7,
---
>   \"priority\": 0,


not change instances: [0-9]
";
    let output = world.aurora(&DIFF);
    let stdout = String::from_utf8(output.stdout).unwrap();
    // Which line of the file it is depends on the fields that a task has.
    let expected = expected.replace("LINE", stdout.lines().nth(5).unwrap_or_default());
    assert_eq!(stdout, expected);
    assert_eq!(output.status.code(), Some(0));
    // Another program, with words of its own; it is given the scheduler's side first.
    let world = world.with_program(
        "viewer",
        "echo \"$1\"; grep priority $2 $3 | sed 's/.*://'; exit 1",
    );
    let output = world
        .command(env!("CARGO_BIN_EXE_aurora"), &DIFF)
        .env("DIFF_VIEWER", "viewer --side")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("with diff:\n\n--side\n 7,\n 0,\n\n\n"),
        "{stdout}"
    );
    for (viewer, expected) in [
        ("false-2", "Error running diff: oh"),
        ("nowhere", "Error running diff: nowhere: "),
    ] {
        let output = World::new(&server.url())
            .with_eval(&evaluated(None))
            .with_program("false-2", "echo oh >&2; exit 2")
            .command(env!("CARGO_BIN_EXE_aurora"), &DIFF)
            .env("DIFF_VIEWER", viewer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn job_diff_with_another_job() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::PopulateJobConfig(_) => populated(),
        Call::GetJobUpdateDiff(arguments) => {
            let request = arguments.request.clone().unwrap();
            assert_eq!(request.task_config.job, JobKey::new("www", "prod", "other"));
            diff_result()
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let command = [&DIFF[..], &["--from", "west/www/prod/other"]].concat();
    assert_eq!(world.aurora(&command).status.code(), Some(0));
    world.check(&[&DIFF[..], &["--from", "west/www"]].concat(), 2, "");
}

#[test]
fn job_diff_of_cron_jobs_takes_all_active_tasks() {
    let server = |running: bool| {
        Server::scheduler(move |call| match call {
            Call::GetTierConfigs(_) => tiers(),
            Call::PopulateJobConfig(_) => populated(),
            Call::GetTasksStatus(arguments) => {
                let query = arguments.query.clone().unwrap();
                assert_eq!(query.statuses.unwrap().len(), 10);
                let mut found = task(0, ScheduleStatus::Running);
                found.assigned_task.task = changed();
                tasks(if running { vec![found] } else { vec![] })
            }
            other => panic!("unexpected {}", other.method()),
        })
    };
    let running = server(true);
    let world = World::new(&running.url()).with_eval(&evaluated(Some("* * * * *")));
    let output = world.aurora(&DIFF);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("<   \"priority\": 7,\n---\n>   \"priority\": 0,\n"),
        "{stdout}"
    );
    let idle = server(false);
    let world = World::new(&idle.url()).with_eval(&evaluated(Some("* * * * *")));
    let stderr = world.check(&DIFF, 0, "");
    assert!(
        stderr.contains("No tasks found for job west/www/prod/hello\n"),
        "{stderr}"
    );
    let refusing = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        _ => response(ResponseCode::InvalidRequest, &["bad job"]),
    });
    let world = World::new(&refusing.url()).with_eval(&evaluated(None));
    let stderr = world.check(&DIFF, 3, "");
    assert!(
        stderr.contains("Error loading configuration\n\tbad job\n"),
        "{stderr}"
    );
}

#[test]
fn cron() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::ScheduleCronJob(arguments) => {
            let job = arguments.description.clone().unwrap();
            assert_eq!(job.cron_schedule.as_deref(), Some("*/5 * * * *"));
            response(ResponseCode::Ok, &[])
        }
        Call::DescheduleCronJob(_) | Call::StartCronJob(_) => response(ResponseCode::Ok, &[]),
        Call::GetJobs(arguments) => {
            assert_eq!(arguments.owner_role.as_deref(), Some("www"));
            let job = |name: &str, schedule: Option<&str>| JobConfiguration {
                key: JobKey::new("www", "prod", name),
                cron_schedule: schedule.map(str::to_owned),
                ..JobConfiguration::default()
            };
            let configs = [job("hello", Some("*/5 * * * *")), job("plain", None)];
            ok(Answer::GetJobsResult(GetJobsResult {
                configs: configs.into(),
            }))
        }
        Call::GetJobSummary(_) => {
            let job = JobConfiguration {
                key: JobKey::new("www", "prod", "hello"),
                ..JobConfiguration::default()
            };
            let summary = JobSummary {
                job,
                next_cron_run_ms: Some(1_234_567_890_000),
                ..JobSummary::default()
            };
            ok(Answer::JobSummaryResult(JobSummaryResult {
                summaries: [summary].into(),
            }))
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(Some("*/5 * * * *")));
    let key = "west/www/prod/hello";
    let scheduled = format!(
        "Cron job scheduled, status can be viewed at {}/scheduler/www/prod/hello\n",
        server.url()
    );
    world.check(&["cron", "schedule", key, "job.aurora"], 0, &scheduled);
    world.check(
        &["cron", "deschedule", key],
        0,
        "Cron descheduling succeeded.\n",
    );
    world.check(&["cron", "start", key], 0, "");
    let shown = "west/www/prod/hello\t */5 * * * *\n";
    let stderr = world.check(&["cron", "show", key], 0, shown);
    let next = " INFO] Next run at 2009-02-13T23:31:30 UTC\n";
    assert!(stderr.ends_with(next), "{stderr}");
    for missing in ["west/www/prod/plain", "west/www/prod/none"] {
        let stderr = world.check(&["cron", "show", missing], 6, "");
        let expected = format!("No cron entry found for job {missing}\n");
        assert!(stderr.contains(&expected), "{stderr}");
    }
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let stderr = world.check(&["cron", "schedule", key, "job.aurora"], 4, "");
    assert!(stderr.contains("\"aurora job create\" command"), "{stderr}");
    let refusing = Server::scheduler(|_| response(ResponseCode::InvalidRequest, &["no"]));
    let world = World::new(&refusing.url());
    for (verb, doing) in [("deschedule", "descheduling"), ("start", "starting")] {
        let stderr = world.check(&["cron", verb, key], 10, "");
        let expected = format!("Error {doing} cron job {key}:\n\tno\n");
        assert!(stderr.contains(&expected), "{stderr}");
    }
    world.check(&["cron", "show", key], 6, "");
}

/// Our scheduler's page of cron jobs has the next five times.
#[test]
fn cron_show_tells_the_next_runs() {
    let server = Server::start(|request| {
        if request.target.starts_with("/ext/v1/crons?") {
            let wanted = "filter=job%3D%22www%2Fprod%2Fhello%22&columns=next_runs_ms";
            assert!(request.target.ends_with(wanted), "{}", request.target);
            let rows = r#"{"rows": [{"next_runs_ms": "1234567890000 1234568190000"}]}"#;
            return Reply::Full(200, Vec::new(), rows.into());
        }
        thrift(request, &|_| {
            let job = JobConfiguration {
                key: JobKey::new("www", "prod", "hello"),
                cron_schedule: Some("*/5 * * * *".to_owned()),
                ..JobConfiguration::default()
            };
            ok(Answer::GetJobsResult(GetJobsResult {
                configs: [job].into(),
            }))
        })
    });
    let world = World::new(&server.url());
    let shown = "west/www/prod/hello\t */5 * * * *\n";
    let stderr = world.check(&["cron", "show", "west/www/prod/hello"], 0, shown);
    let next = " INFO] Next runs at 2009-02-13T23:31:30, 2009-02-13T23:36:30 UTC\n";
    assert!(stderr.ends_with(next), "{stderr}");
}

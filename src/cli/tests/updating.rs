//! The real programs against a scheduler that speaks real Thrift over HTTP: updates. Expected texts were
//! written by hand from upstream's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Server, ok, response};
use support::updates::{SUMMARY, diff_result};
use support::*;

type Answer = aurora_api::model::Result;

fn update_key() -> JobUpdateKey {
    JobUpdateKey {
        job: JobKey::new("www", "prod", "hello"),
        id: "u-1".into(),
    }
}

fn summary(status: JobUpdateStatus) -> JobUpdateSummary {
    JobUpdateSummary {
        user: Some("alice".into()),
        key: update_key(),
        state: Some(JobUpdateState {
            status,
            created_timestamp_ms: 1_234_567_890_999,
            last_modified_timestamp_ms: 1_234_567_900_000,
        }),
        ..JobUpdateSummary::default()
    }
}

fn summaries(update_summaries: Vec<JobUpdateSummary>) -> Response {
    ok(Answer::GetJobUpdateSummariesResult(
        GetJobUpdateSummariesResult { update_summaries },
    ))
}

fn started(metadata: BTreeSet<Metadata>) -> Answer {
    Answer::StartJobUpdateResult(StartJobUpdateResult {
        key: update_key(),
        update_summary: Some(JobUpdateSummary {
            metadata,
            ..summary(JobUpdateStatus::RollingForward)
        }),
    })
}

const START: [&str; 4] = ["update", "start", "west/www/prod/hello", "job.aurora"];

#[test]
fn update_start() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::GetJobUpdateDiff(arguments) => {
            let request = arguments.request.clone().unwrap();
            assert_eq!(
                (request.instance_count, request.settings.update_group_size),
                (2, 3)
            );
            assert!(request.metadata.is_empty());
            diff_result()
        }
        Call::StartJobUpdate(arguments) => {
            assert_eq!(arguments.message.as_deref(), Some(""));
            let request = arguments.request.clone().unwrap();
            let only = &request.settings.update_only_these_instances;
            let ranges = [(0, 2), (5, 5)].map(|(first, last)| Range { first, last });
            assert_eq!(*only, BTreeSet::from(ranges));
            let entry = request.metadata.first().unwrap();
            assert_eq!(entry.key, "org.apache.aurora.client.update_id");
            assert_eq!(entry.value.len(), 36);
            ok(started(BTreeSet::new()))
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let expected = format!(
        "{SUMMARY}Job update has started. View your update progress at {}/scheduler/www/prod/hello/update/u-1\n",
        server.url()
    );
    let command = [
        "update",
        "start",
        "west/www/prod/hello/0-2,5",
        "job.aurora",
        "-m",
        "",
    ];
    world.check(&command, 0, &expected);
}

#[test]
fn update_start_knows_its_own_update_again() {
    let server = |ours: bool| {
        Server::scheduler(move |call| match call {
            Call::GetTierConfigs(_) => tiers(),
            Call::GetJobUpdateDiff(_) => diff_result(),
            Call::StartJobUpdate(arguments) => {
                let mut metadata = arguments.request.clone().unwrap().metadata;
                if !ours {
                    metadata.clear();
                }
                Response {
                    result: Some(started(metadata)),
                    ..response(ResponseCode::InvalidRequest, &["an update is active"])
                }
            }
            other => panic!("unexpected {}", other.method()),
        })
    };
    let ours = server(true);
    let world = World::new(&ours.url()).with_eval(&evaluated(None));
    assert_eq!(world.aurora(&START).status.code(), Some(0));
    let foreign = server(false);
    let world = World::new(&foreign.url()).with_eval(&evaluated(None));
    let stderr = world.check(&START, 10, SUMMARY);
    assert!(
        stderr.contains("Failed to start update due to error:\n\tan update is active\n"),
        "{stderr}"
    );
}

#[test]
fn update_start_without_an_update() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::GetJobUpdateDiff(_) => diff_result(),
        _ => response(ResponseCode::Ok, &["Job is unchanged by proposed update."]),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let expected = format!("{SUMMARY}Job is unchanged by proposed update.\n");
    world.check(&START, 0, &expected);

    let world = World::new(&server.url()).with_eval(&evaluated(Some("* * * * *")));
    let stderr = world.check(&START, 4, "");
    assert!(stderr.contains("aurora cron schedule"), "{stderr}");

    let mut bad = evaluated(None);
    bad["job"]["update_error"] =
        serde_json::json!({"kind": "invalid", "message": "Batch size should be greater than 0"});
    let world = World::new(&server.url()).with_eval(&bad);
    let stderr = world.check(&START, 3, "");
    assert!(
        stderr.contains("Batch size should be greater than 0\n"),
        "{stderr}"
    );

    let refusing = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        _ => response(ResponseCode::InvalidRequest, &["no"]),
    });
    let world = World::new(&refusing.url()).with_eval(&evaluated(None));
    let stderr = world.check(&START, 4, "");
    let expected = "Error getting diff info from scheduler\n\tno\n";
    assert!(stderr.contains(expected), "{stderr}");
}

/// A scheduler with an update that comes to these statuses, one a question.
fn going_through(statuses: &'static [JobUpdateStatus]) -> Server {
    let at = AtomicUsize::new(0);
    Server::scheduler(move |call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::GetJobUpdateDiff(_) => diff_result(),
        Call::StartJobUpdate(_) => ok(started(BTreeSet::new())),
        Call::RollbackJobUpdate(_) => response(ResponseCode::Ok, &[]),
        Call::GetJobUpdateSummaries(arguments) => {
            let query = arguments.job_update_query.clone().unwrap();
            if query.key.is_none() {
                return summaries(vec![summary(JobUpdateStatus::RollingForward)]);
            }
            assert_eq!(query.key, Some(update_key()));
            let at = at.fetch_add(1, Ordering::SeqCst).min(statuses.len() - 1);
            summaries(vec![summary(statuses[at])])
        }
        other => panic!("unexpected {}", other.method()),
    })
}

#[test]
fn waits_end_with_the_update() {
    use JobUpdateStatus::*;
    let rollback = ["update", "rollback", "west/www/prod/hello", "--wait"];
    let wait = ["update", "wait", "west/www/prod/hello", "u-1"];
    let start = [&START[..], &["--wait"]].concat();
    for (command, statuses, code) in [
        (
            &wait[..],
            &[RollingForward, RollingForward, RolledForward][..],
            0,
        ),
        (&wait, &[RollingForward, RollingBack, RolledBack], 4),
        (&wait, &[Aborted], 20),
        (&start, &[RolledForward], 0),
        (&start, &[RolledBack], 4),
        (&rollback, &[RollingBack, RolledBack], 0),
        (&rollback, &[RolledForward], 4),
        (&rollback, &[Failed], 20),
    ] {
        let server = going_through(statuses);
        let world = World::new(&server.url()).with_eval(&evaluated(None));
        let output = world.aurora(command);
        assert_eq!(output.status.code(), Some(code), "{command:?} {statuses:?}");
        let mut seen = statuses.to_vec();
        seen.dedup();
        let lines: String = seen
            .iter()
            .map(|status| format!("Current state {status}\n"))
            .collect();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.ends_with(&lines), "{stdout}");
    }
}

#[test]
fn updates_are_paused_resumed_aborted_and_rolled_back() {
    for (verb, method, said) in [
        ("pause", "pauseJobUpdate", "Update has been paused.\n"),
        ("resume", "resumeJobUpdate", "Update has been resumed.\n"),
        ("abort", "abortJobUpdate", "Update has been aborted.\n"),
        (
            "rollback",
            "rollbackJobUpdate",
            "Update rollback has started.\n",
        ),
    ] {
        let server = Server::scheduler(|call| {
            let (key, message) = match call {
                Call::GetJobUpdateSummaries(arguments) => {
                    let query = arguments.job_update_query.clone().unwrap();
                    assert_eq!(query.job_key, Some(update_key().job));
                    assert_eq!(query.update_statuses.unwrap().len(), 6);
                    return summaries(vec![summary(JobUpdateStatus::RollingForward)]);
                }
                Call::PauseJobUpdate(arguments) => (&arguments.key, &arguments.message),
                Call::ResumeJobUpdate(arguments) => (&arguments.key, &arguments.message),
                Call::AbortJobUpdate(arguments) => (&arguments.key, &arguments.message),
                Call::RollbackJobUpdate(arguments) => (&arguments.key, &arguments.message),
                other => panic!("unexpected {}", other.method()),
            };
            assert_eq!(*key, Some(update_key()));
            match message.as_deref() {
                Some("why") => response(ResponseCode::Ok, &[]),
                _ => response(ResponseCode::Error, &["no"]),
            }
        });
        let world = World::new(&server.url());
        world.check(
            &["update", verb, "west/www/prod/hello", "-m", "why"],
            0,
            said,
        );
        assert_eq!(server.methods(), ["getJobUpdateSummaries", method]);
        let stderr = world.check(&["update", verb, "west/www/prod/hello"], 10, "");
        let expected = format!("Failed to {verb} update due to error:\n\tno\n");
        assert!(stderr.contains(&expected), "{stderr}");
    }
}

#[test]
fn there_must_be_one_active_update() {
    let none = Server::scheduler(|_| summaries(vec![]));
    let world = World::new(&none.url());
    for (command, expected) in [
        (
            &["update", "pause", "west/www/prod/hello"][..],
            "No active update found for this job.\n",
        ),
        (
            &["update", "info", "west/www/prod/hello"],
            "There is no active update for this job.\n",
        ),
        (
            &["update", "wait", "west/www/prod/hello"],
            "No active update found for this job.\n",
        ),
        (
            &["update", "wait", "west/www/prod/hello", "u"],
            "Job update not found.\n",
        ),
    ] {
        let stderr = world.check(command, 6, "");
        assert!(stderr.starts_with(expected), "{stderr}");
    }
    let two = Server::scheduler(|_| {
        let one = summary(JobUpdateStatus::RollingForward);
        summaries(vec![one.clone(), one])
    });
    let world = World::new(&two.url());
    let stderr = world.check(&["update", "abort", "west/www/prod/hello"], 10, "");
    assert!(
        stderr.contains("returned multiple active updates for this job.\n"),
        "{stderr}"
    );
}

#[test]
fn update_list() {
    let server = Server::scheduler(|call| match call {
        Call::GetJobUpdateSummaries(_) => {
            let mut other = summary(JobUpdateStatus::RollForwardAwaitingPulse);
            other.key.job.environment = "devel".into();
            other.user = None;
            summaries(vec![summary(JobUpdateStatus::RolledForward), other])
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let blanks = |text: &str, width: usize| format!("{text:width$}");
    let header = format!(
        "{} {} {} CREATED BY  {} {}\n",
        blanks("JOB", 47),
        blanks("UPDATE ID", 36),
        blanks("STATUS", 15),
        blanks("STARTED", 19),
        blanks("LAST MODIFIED", 19)
    );
    let row = |job: &str, status: &str, user: &str| {
        format!(
            "{} {} {} {} 2009-02-13T23:31:30 2009-02-13T23:31:40\n",
            blanks(job, 47),
            blanks("u-1", 36),
            blanks(status, 15),
            blanks(user, 11)
        )
    };
    let first = row("west/www/prod/hello", "ROLLED_FORWARD", "alice");
    let second = row(
        "west/www/devel/hello",
        "ROLL_FORWARD_AWAITING_PULSE",
        "None",
    );
    let all = format!("{header}{first}{second}");
    world.check(&["update", "list", "west"], 0, &all);
    // The environment is looked at here.
    let one = format!("{header}{first}");
    world.check(&["update", "list", "west/www/prod"], 0, &one);
    world.check(&["update", "list", "west/www/none"], 0, "");
    let json = world.aurora(&[
        "update",
        "list",
        "west/www/prod/hello",
        "--write-json",
        "--user",
        "bob",
        "--status",
        "paused",
        "--status",
        "FAILED",
    ]);
    let rows: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let expected = serde_json::json!({
        "job": "west/www/prod/hello", "id": "u-1", "user": "alice", "started": "2009-02-13T23:31:30",
        "last_modified": "2009-02-13T23:31:40", "status": "ROLLED_FORWARD",
    });
    assert_eq!(rows[0], expected);
    let queries: Vec<JobUpdateQuery> = server
        .calls()
        .into_iter()
        .map(|call| match call {
            Call::GetJobUpdateSummaries(arguments) => arguments.job_update_query.unwrap(),
            other => panic!("unexpected {}", other.method()),
        })
        .collect();
    assert_eq!(queries[0], JobUpdateQuery::default());
    assert_eq!(queries[1].role.as_deref(), Some("www"));
    assert_eq!(queries[1].job_key, None);
    assert_eq!(queries[3].role, None);
    assert_eq!(queries[3].job_key, Some(update_key().job));
    assert_eq!(queries[3].user.as_deref(), Some("bob"));
    assert_eq!(queries[3].update_statuses.as_ref().unwrap().len(), 3);
    let stderr = world.check(&["update", "list", "west", "--status", "some"], 2, "");
    assert!(
        stderr.contains("invalid choice: 'some' (choose from 'active', 'all'"),
        "{stderr}"
    );
    world.check(&["update", "list", "west/a/b/c/d"], 2, "");
}

fn details() -> JobUpdateDetails {
    let event = |status, timestamp_ms, message: Option<&str>| JobUpdateEvent {
        status,
        timestamp_ms,
        message: message.map(str::to_owned),
        ..JobUpdateEvent::default()
    };
    let metadata = ["b", "a"].map(|key| Metadata {
        key: key.into(),
        value: "1".into(),
    });
    JobUpdateDetails {
        update: JobUpdate {
            summary: JobUpdateSummary {
                metadata: metadata.into(),
                ..summary(JobUpdateStatus::RolledForward)
            },
            ..JobUpdate::default()
        },
        update_events: vec![
            event(
                JobUpdateStatus::RollingForward,
                1_234_567_890_999,
                Some("go"),
            ),
            event(JobUpdateStatus::RolledForward, 1_234_567_900_000, None),
        ],
        instance_events: vec![JobInstanceUpdateEvent {
            instance_id: 3,
            timestamp_ms: 1_234_567_895_000,
            action: JobUpdateAction::InstanceUpdated,
            ..JobInstanceUpdateEvent::default()
        }],
    }
}

#[test]
fn update_info() {
    let answer = |older: bool| {
        move |call: &Call| match call {
            Call::GetJobUpdateSummaries(_) => {
                summaries(vec![summary(JobUpdateStatus::RollingForward)])
            }
            Call::GetJobUpdateDetails(arguments) => {
                let found = if arguments.key == Some(update_key()) {
                    vec![details()]
                } else {
                    vec![]
                };
                ok(Answer::GetJobUpdateDetailsResult(if older {
                    GetJobUpdateDetailsResult {
                        details: found.into_iter().next(),
                        ..GetJobUpdateDetailsResult::default()
                    }
                } else {
                    GetJobUpdateDetailsResult {
                        details_list: found,
                        ..GetJobUpdateDetailsResult::default()
                    }
                }))
            }
            other => panic!("unexpected {}", other.method()),
        }
    };
    let expected = "\
Job: west/www/prod/hello, UpdateID: u-1
Started 2009-02-13T23:31:30, last activity: 2009-02-13T23:31:40
Current status: ROLLED_FORWARD
Update events:
  Status: ROLLING_FORWARD at 2009-02-13T23:31:30
      message: go
  Status: ROLLED_FORWARD at 2009-02-13T23:31:40
Instance events:
  Instance 3 at 2009-02-13T23:31:35: INSTANCE_UPDATED
Metadata:
  a: 1
  b: 1
";
    for older in [false, true] {
        let server = Server::scheduler(answer(older));
        let world = World::new(&server.url());
        world.check(&["update", "info", "west/www/prod/hello"], 0, expected);
        world.check(
            &["update", "info", "west/www/prod/hello", "u-1"],
            0,
            expected,
        );
        let stderr = world.check(&["update", "info", "west/www/prod/hello", "u-2"], 6, "");
        assert!(stderr.starts_with("There is no update for key"), "{stderr}");
        let output = world.aurora(&["update", "info", "west/www/prod/hello", "--write-json"]);
        let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = serde_json::json!({
            "updateId": "u-1", "job": "west/www/prod/hello", "started": 1_234_567_890_999_i64,
            "last_modified": "2009-02-13T23:31:40", "status": "ROLLED_FORWARD",
            "update_events": [
                {"status": "ROLLING_FORWARD", "timestampMs": 1_234_567_890_999_i64, "message": "go"},
                {"status": "ROLLED_FORWARD", "timestampMs": 1_234_567_900_000_i64},
            ],
            "instance_update_events": [
                {"instance": 3, "timestamp": 1_234_567_895_000_i64, "action": "INSTANCE_UPDATED"},
            ],
            "metadata": [{"a": "1"}, {"b": "1"}],
        });
        assert_eq!(info, expected);
    }
}

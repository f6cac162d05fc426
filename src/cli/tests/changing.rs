//! The real program against a scheduler that speaks real Thrift over HTTP: verbs that change something. Expected texts were written by hand from
//! upstream's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{self, Reply, Server, ok, response};
use support::*;

#[test]
fn create() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(arguments) => {
            assert_eq!(arguments.description.as_ref().unwrap().instance_count, 2);
            response(ResponseCode::Ok, &[])
        }
        Call::GetTasksWithoutConfigs(_) => tasks(vec![task(0, ScheduleStatus::Pending)]),
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let page = format!(
        "Job create succeeded: job url={}/scheduler/www/prod/hello\n",
        server.url()
    );
    let command = [
        "job",
        "create",
        "west/www/prod/hello",
        "job.aurora",
        "--bind",
        "a=b",
    ];
    world.check(&command, 0, &page);
    assert_eq!(
        server.methods(),
        ["getTierConfigs", "createJob", "getTasksWithoutConfigs"]
    );
    let asked: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.path("asked")).unwrap()).unwrap();
    assert_eq!(asked["path"], "job.aurora");
    assert_eq!(asked["user"], "alice");
    assert_eq!(asked["bindings"], serde_json::json!([["a", "b"]]));
    assert_eq!(asked["select"]["name"], "hello");
    assert_eq!(asked["tiers"]["default"], "preemptible");
}

#[test]
fn create_waits_until_running() {
    let polls = AtomicUsize::new(0);
    let server = Server::scheduler(move |call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(_) => response(ResponseCode::Ok, &[]),
        Call::GetTasksWithoutConfigs(_) => {
            let status = match polls.fetch_add(1, Ordering::SeqCst) {
                0 => ScheduleStatus::Pending,
                1 => ScheduleStatus::Starting,
                _ => ScheduleStatus::Running,
            };
            tasks(vec![task(0, status)])
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let command = [
        "job",
        "create",
        "west/www/prod/hello",
        "job.aurora",
        "--wait-until",
        "RUNNING",
    ];
    assert_eq!(world.aurora(&command).status.code(), Some(0));
    // Three polls and the look at the end.
    assert_eq!(server.methods()[2..], ["getTasksWithoutConfigs"; 4]);
}

/// The scheduler tells what is missing until it is asked, and then it is there.
#[test]
fn why_instances_stay_pending_is_told() {
    let placed = AtomicBool::new(false);
    let server = Server::scheduler(move |call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(_) => response(ResponseCode::Ok, &[]),
        Call::GetTasksWithoutConfigs(_) => {
            let status = match placed.load(Ordering::SeqCst) {
                false => ScheduleStatus::Pending,
                true => ScheduleStatus::Running,
            };
            let running = task(0, ScheduleStatus::Running);
            tasks(vec![running, task(1, status), task(2, status)])
        }
        Call::GetPendingReason(arguments) => {
            // Which of its tasks are pending the scheduler knows; it refuses to be told (aurora: ReadOnlySchedulerImpl.java).
            let query = arguments.query.as_ref().unwrap();
            assert_eq!(query.statuses, None);
            placed.store(true, Ordering::SeqCst);
            let reason = |id| PendingReason {
                task_id: format!("www-prod-hello-{id}"),
                reason: "Insufficient: CPU".into(),
            };
            ok(aurora_api::model::Result::GetPendingReasonResult(
                GetPendingReasonResult {
                    reasons: [reason(2), reason(1)].into(),
                },
            ))
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let create = [
        "job",
        "create",
        "west/www/prod/hello",
        "job.aurora",
        "--wait-until=RUNNING",
    ];
    let output = world.aurora(&create);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let told = " INFO] Instances [1, 2] are PENDING: Insufficient: CPU\n";
    assert_eq!(stderr.matches(told).count(), 1, "{stderr}");
}

#[test]
fn create_fails() {
    let create = ["job", "create", "west/www/prod/hello", "job.aurora"];
    let refusing = |code: ResponseCode| {
        Server::scheduler(move |call| match call {
            Call::GetTierConfigs(_) => tiers(),
            _ => response(code, &["no", "way"]),
        })
    };
    let server = refusing(ResponseCode::InvalidRequest);
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let stderr = world.check(&create, 4, "");
    assert!(
        stderr.contains("Job creation failed due to error:\n\tno, way\n"),
        "{stderr}"
    );

    let server = refusing(ResponseCode::JobUpdatingError);
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let stderr = world.check(&create, 4, "");
    assert!(
        stderr.contains(
            "\tError: job is locked by an active update.\n      Run 'aurora update abort'"
        ),
        "{stderr}"
    );

    let world = World::new(&server.url()).with_eval(&evaluated(Some("* * * * *")));
    let stderr = world.check(&create, 4, "");
    assert!(
        stderr.contains("Cron jobs may only be scheduled with \"aurora cron schedule\" command\n"),
        "{stderr}"
    );

    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(_) => response(ResponseCode::Ok, &[]),
        _ => tasks(vec![]),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let stderr = world.check(&create, 4, "");
    assert!(
        stderr.contains("Error occurred while creating job west/www/prod/hello\n"),
        "{stderr}"
    );
}

#[test]
fn what_is_wrong_with_a_job_file_is_said_with_file_and_line() {
    let server = Server::scheduler(|_| tiers());
    let answer = |kind: &str| {
        serde_json::json!({"errors": [{
            "kind": kind, "message": "name 'x' is not defined", "file": "job.aurora", "line": 7,
        }]})
    };
    let create = ["job", "create", "west/www/prod/hello", "job.aurora"];
    let world = World::new(&server.url()).with_eval(&answer("evaluation"));
    let stderr = world.check(&create, 3, "");
    let expected = "Error loading configuration: job.aurora:7: name 'x' is not defined\n";
    assert!(stderr.starts_with(expected), "{stderr}");
    let inspect = ["job", "inspect", "west/www/prod/hello", "job.aurora"];
    assert!(world.check(&inspect, 3, "").starts_with(expected));
    let stderr = world.check(&["config", "list", "job.aurora"], 4, "");
    let expected = "Error loading configuration file: job.aurora:7: name 'x' is not defined\n";
    assert!(stderr.starts_with(expected), "{stderr}");

    let world = World::new(&server.url()).with_eval(&answer("fatal"));
    assert!(world.check(&create, 1, "").starts_with("FATAL] "));

    let missing = ["job", "create", "west/www/prod/hello", "none.aurora"];
    let stderr = world.check(&missing, 3, "");
    assert!(
        stderr.starts_with("Error loading configuration: none.aurora: No such file"),
        "{stderr}"
    );
    let unknown = ["job", "create", "east/www/prod/hello", "job.aurora"];
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let stderr = world.check(&unknown, 3, "");
    assert!(
        stderr.starts_with(
            "Error loading configuration: Unknown cluster: east. Known clusters: west, zk\n"
        ),
        "{stderr}"
    );

    // Without the program that evaluates.
    let world = World::new(&server.url());
    std::fs::write(world.path("job.aurora"), "").unwrap();
    let stderr = world.check(&create, 3, "");
    assert!(
        stderr.contains("cannot find the program `aurora-eval`"),
        "{stderr}"
    );
}

#[test]
fn the_scheduler_refuses_or_is_gone() {
    // Tiers are open to everybody, writing is not.
    let server = Server::start(|request| match request.call() {
        Call::GetTierConfigs(_) => fake::thrift(request, &|_| tiers()),
        _ => Reply::Full(401, Vec::new(), Vec::new()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let create = ["job", "create", "west/www/prod/hello", "job.aurora"];
    let stderr = world.check(&create, 30, "");
    assert!(stderr.contains("~/.netrc"), "{stderr}");

    let server = Server::start(|request| match request.call() {
        Call::GetTierConfigs(_) => fake::thrift(request, &|_| tiers()),
        _ => Reply::Hangup,
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let stderr = world.check(&create, 7, "");
    assert!(
        stderr.contains(
            "Transport error communicating with scheduler during non-idempotent operation"
        ),
        "{stderr}"
    );
}

#[test]
fn kill_in_batches() {
    let (server, _) = cluster(&[0, 1, 2, 5]);
    let world = World::new(&server.url());
    let expected = "Successfully killed instances [0, 1]\nSuccessfully killed instances [5]\nJob kill succeeded\n";
    let command = [
        "job",
        "kill",
        "west/www/prod/hello/0-1,5,7",
        "--batch-size",
        "2",
        "-m",
        "bye",
    ];
    world.check(&command, 0, expected);
    let kills: Vec<_> = server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::KillTasks(arguments) => Some((arguments.instances, arguments.message)),
            _ => None,
        })
        .collect();
    let bye = Some("bye".to_owned());
    let expected = [
        (Some(BTreeSet::from([0, 1])), bye.clone()),
        (Some(BTreeSet::from([5])), bye),
    ];
    assert_eq!(kills, expected);
}

#[test]
fn kill_edges() {
    let (server, _) = cluster(&[0]);
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "kill", "west/www/prod/hello"], 6, "");
    let expected = "The instances list cannot be omitted in a kill command!; use killall to kill all instances\n";
    assert!(stderr.contains(expected), "{stderr}");
    let stderr = world.check(
        &["job", "kill", "--strict", "west/www/prod/hello/0,3-4"],
        6,
        "",
    );
    assert!(
        stderr.contains("Invalid instance parameter: [3, 4]\n"),
        "{stderr}"
    );
    // Instances that are not active are passed over.
    world.check(
        &["job", "kill", "west/www/prod/hello/3"],
        0,
        "Job kill succeeded\n",
    );
    world.check(
        &["job", "killall", "west/www/prod/hello"],
        0,
        "Successfully killed instances [0]\nJob killall succeeded\n",
    );
    let stderr = world.check(
        &["job", "killall", "west/www/prod/hello"],
        0,
        "Job killall succeeded\n",
    );
    assert!(
        stderr.contains("No tasks to kill found for job west/www/prod/hello\n"),
        "{stderr}"
    );
    world.check(
        &["job", "kill", "west/www/prod/hello/0", "--batch-size", "0"],
        2,
        "",
    );
}

#[test]
fn killall_at_once() {
    let (server, state) = cluster(&[0, 1, 2]);
    let world = World::new(&server.url());
    world.check(
        &["job", "killall", "--no-batching", "west/www/prod/hello"],
        0,
        "Job killall succeeded\n",
    );
    assert_eq!(server.methods(), ["killTasks", "getTasksWithoutConfigs"]);
    assert!(
        matches!(&server.calls()[0], Call::KillTasks(arguments) if arguments.instances.is_none())
    );
    assert!(
        state
            .lock()
            .unwrap()
            .iter()
            .all(|task| task.status == ScheduleStatus::Killed)
    );
}

#[test]
fn a_refused_kill_names_the_batch() {
    let server = Server::scheduler(|call| match call {
        Call::KillTasks(_) => response(ResponseCode::InvalidRequest, &["no"]),
        _ => tasks(vec![task(3, ScheduleStatus::Running)]),
    });
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "killall", "west/www/prod/hello"], 10, "");
    assert!(
        stderr.contains("Kill of instances [3] failed with error:\n\tno\n"),
        "{stderr}"
    );
    let stderr = world.check(
        &["job", "killall", "west/www/prod/hello", "--no-batching"],
        10,
        "",
    );
    assert!(stderr.contains("Command failure:\n\tno\n"), "{stderr}");
}

#[test]
fn sla_policies_are_warned_about() {
    let server = Server::scheduler(|call| match call {
        Call::GetTasksWithoutConfigs(_) => {
            let mut counted = task(0, ScheduleStatus::Running);
            counted.assigned_task.task.sla_policy =
                Some(SlaPolicy::CountSlaPolicy(CountSlaPolicy::default()));
            tasks(vec![counted])
        }
        Call::AddInstances(arguments) => {
            let key = arguments.key.clone().unwrap();
            assert_eq!((key.instance_id, arguments.count), (0, 3));
            response(ResponseCode::Ok, &[])
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let expected = "WARNING: Adding instances without updating SlaPolicy.\n";
    world.check(&["job", "add", "west/www/prod/hello/0", "3"], 0, expected);
    let stderr = world.check(&["job", "add", "west/www/prod/hello/1", "3"], 6, "");
    assert!(
        stderr.contains("Invalid instance parameter: [1]\n"),
        "{stderr}"
    );
    world.check(&["job", "add", "west/www/prod/hello/1", "x"], 2, "");
}

#[test]
fn restart() {
    let (server, state) = cluster(&[0, 1, 2]);
    let world = World::new(&server.url());
    let command = [
        "job",
        "restart",
        "west/www/prod/hello",
        "--batch-size",
        "2",
        "--watch-secs",
        "0",
        "--healthcheck",
        "0",
    ];
    let stderr = world.check(
        &command,
        0,
        "Job west/www/prod/hello restarted successfully\n",
    );
    let seen = stderr.matches(" INFO] Detected RUNNING instance ").count();
    assert_eq!(seen, 3, "{stderr}");
    let batches: Vec<_> = server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::RestartShards(arguments) => Some(arguments.shard_ids),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [BTreeSet::from([0, 1]), BTreeSet::from([2])]);
    assert!(
        state
            .lock()
            .unwrap()
            .iter()
            .all(|task| task.assigned_task.task_id.ends_with("-again"))
    );
    let stderr = world.check(
        &[
            "job",
            "restart",
            "west/www/prod/hello",
            "--max-total-failures",
            "-1",
        ],
        6,
        "",
    );
    assert!(
        stderr.contains("max_total_failures option must be >0, but you specified -1\n"),
        "{stderr}"
    );
}

#[test]
fn restart_of_nothing_and_refused() {
    let (server, _) = cluster(&[]);
    let world = World::new(&server.url());
    world.check(
        &["job", "restart", "west/www/prod/hello"],
        0,
        "Job west/www/prod/hello restarted successfully\n",
    );
    assert_eq!(server.methods(), ["getTasksWithoutConfigs"]);
    let server = Server::scheduler(|call| match call {
        Call::RestartShards(_) => response(ResponseCode::Error, &["no"]),
        _ => tasks(vec![task(0, ScheduleStatus::Running)]),
    });
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "restart", "west/www/prod/hello"], 10, "");
    assert!(
        stderr.contains("Error restarting job west/www/prod/hello:\n\tno\n"),
        "{stderr}"
    );
}

//! `aurora_admin` against a scheduler that speaks real Thrift over HTTP. Expected texts were written by hand from upstream's
//! program.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Server, ok, response};
use support::*;

type Answer = aurora_api::model::Result;

#[test]
fn the_frame() {
    let server = Server::scheduler(|_| response(ResponseCode::Ok, &["done", ""]));
    let world = World::new(&server.url());
    let stderr = world.check_admin(&["scheduler_snapshot", "west"], 0, "");
    let expected = " INFO] Response from scheduler: OK (message: done, Unknown error)\n";
    assert_eq!(stderr, expected);
    let quiet = [
        "scheduler_snapshot",
        "-q",
        "west",
        "--bypass-leader-redirect",
    ];
    assert_eq!(world.check_admin(&quiet, 0, ""), "");
    let headers: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.header("Bypass-Leader-Redirect").map(str::to_owned))
        .collect();
    assert_eq!(headers, [None, Some("true".to_owned())]);
    let agent = server.seen()[0].header("user-agent").unwrap().to_owned();
    assert!(agent.starts_with("Aurora Admin;"), "{agent}");

    let refusing = Server::scheduler(|_| response(ResponseCode::InvalidRequest, &["no"]));
    let world = World::new(&refusing.url());
    let stderr = world.check_admin(&["scheduler_snapshot", "west"], 1, "");
    assert_eq!(
        stderr,
        " INFO] Response from scheduler: INVALID_REQUEST (message: no)\n"
    );
    let stderr = world.check_admin(&["scheduler_snapshot", "east"], 1, "");
    assert_eq!(
        stderr,
        "FATAL] Unknown cluster: east. Known clusters: west, zk\n"
    );
    assert_eq!(
        world.check_admin(&["-q", "scheduler_snapshot", "east"], 1, ""),
        ""
    );
    let stderr = world.check_admin(&["scheduler_snapshot"], 1, "");
    assert!(
        stderr.starts_with("FATAL] usage: aurora_admin scheduler_snapshot"),
        "{stderr}"
    );
}

#[test]
fn clusters() {
    let world = World::new("http://sched.example:8081");
    let found = "Found leading scheduler at: http://sched.example:8081\n";
    world.check_admin(&["get_scheduler", "west"], 0, found);
    let json = "{\"name\":\"west\",\"scheduler_uri\":\"http://sched.example:8081\",\"slave_root\":\"/mesos\",\"slave_run_directory\":\"latest\"}\n";
    world.check_admin(&["get_cluster_config", "west"], 0, json);
    // It is not looked up, only shown.
    world.check_admin(
        &["get_cluster_config", "zk"],
        0,
        "{\"name\":\"zk\",\"zk\":\"z\"}\n",
    );
    let shell = "AURORA_CLUSTER_NAME=zk\nAURORA_CLUSTER_ZK=z\n";
    world.check_admin(&["get_cluster_config", "--sh", "zk"], 0, shell);
    let shell = "export AURORA_CLUSTER_NAME=zk\nexport AURORA_CLUSTER_ZK=z\n";
    world.check_admin(&["get_cluster_config", "--sh", "--export", "zk"], 0, shell);
    world.check_admin(&["get_cluster_config", "east"], 1, "");
}

#[test]
fn query() {
    let server = Server::scheduler(|call| match call {
        Call::GetTasksStatus(_) => tasks(vec![
            task(0, ScheduleStatus::Running),
            task(1, ScheduleStatus::Pending),
        ]),
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let expected = "www/hello/0 RUNNING\nwww/hello/1 PENDING\n";
    world.check_admin(&["query", "west", "www", "hello"], 0, expected);
    let command = [
        "query",
        "-l",
        "%taskId% on %slaveHost%",
        "--shards=0,3",
        "--states=RUNNING,FAILED",
        "--force",
        "west",
    ];
    let expected = "www-prod-hello-0 on host1\nwww-prod-hello-1 on host1\n";
    world.check_admin(&command, 0, expected);
    let queries: Vec<TaskQuery> = server
        .calls()
        .into_iter()
        .map(|call| match call {
            Call::GetTasksStatus(arguments) => arguments.query.unwrap(),
            other => panic!("unexpected {}", other.method()),
        })
        .collect();
    let expected = [
        TaskQuery {
            role: Some("www".into()),
            job_name: Some("hello".into()),
            instance_ids: Some(BTreeSet::new()),
            statuses: Some(BTreeSet::from([ScheduleStatus::Running])),
            ..TaskQuery::default()
        },
        TaskQuery {
            instance_ids: Some(BTreeSet::from([0, 3])),
            statuses: Some(BTreeSet::from([
                ScheduleStatus::Running,
                ScheduleStatus::Failed,
            ])),
            ..TaskQuery::default()
        },
    ];
    assert_eq!(queries, expected);
    for (arguments, expected) in [
        (
            &["west"][..],
            "--force is required for expensive queries (no role specified)",
        ),
        (
            &["west", "www"],
            "--force is required for expensive queries (no job specified)",
        ),
        // As scripts with an empty variable ask.
        (
            &["west", ""],
            "--force is required for expensive queries (no role specified)",
        ),
        (
            &["west", "www", ""],
            "--force is required for expensive queries (no job specified)",
        ),
        (
            &["west", "www", "hello", "--states", "FAILED"],
            "--force is required for expensive queries (states outside ACTIVE states)",
        ),
        (
            &["west", "www", "hello", "--states", "SOME"],
            "Unknown state 'SOME' specified.  Valid states are:\nPENDING,STARTING,",
        ),
        (
            &["west", "www", "hello", "--shards", "a"],
            "Invalid instance 'a'",
        ),
        (
            &["west", "www", "hello", "-l", "%x%"],
            "Unknown key in format string.",
        ),
    ] {
        let stderr = world.check_admin(&[&["query"], arguments].concat(), 1, "");
        assert!(stderr.contains(&format!("FATAL] {expected}")), "{stderr}");
    }
}

#[test]
fn prune_tasks() {
    let server = Server::scheduler(|call| match call {
        Call::PruneTasks(arguments) if arguments.query.as_ref().unwrap().limit == Some(3) => {
            let expected = TaskQuery {
                role: Some("www".into()),
                environment: Some("prod".into()),
                statuses: Some(BTreeSet::from([ScheduleStatus::Lost])),
                limit: Some(3),
                ..TaskQuery::default()
            };
            assert_eq!(arguments.query, Some(expected));
            response(ResponseCode::Ok, &[])
        }
        Call::PruneTasks(arguments) => {
            assert_eq!(arguments.query, Some(TaskQuery::default()));
            response(ResponseCode::Error, &["no"])
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let command = [
        "prune_tasks",
        "west",
        "--states=LOST",
        "--role=www",
        "--env=prod",
        "--limit=3",
    ];
    world.check_admin(&command, 0, "Tasks pruned.\n");
    let stderr = world.check_admin(&["prune_tasks", "west"], 1, "");
    assert_eq!(stderr, "FATAL] Failed to prune tasks: no\n");
    let stderr = world.check_admin(&["prune_tasks", "west", "--limit=2147483648"], 1, "");
    let expected = "FATAL] --limit is out of bounds: 2147483648 (at most 2147483647)\n";
    assert_eq!(stderr, expected);
}

#[test]
fn quotas() {
    let server = Server::scheduler(|call| match call {
        Call::GetQuota(_) => ok(Answer::GetQuotaResult(GetQuotaResult {
            quota: ResourceAggregate {
                resources: BTreeSet::from([
                    Resource::NumCpus(1.5.into()),
                    Resource::RamMb(100),
                    Resource::DiskMb(200),
                ]),
            },
            ..GetQuotaResult::default()
        })),
        Call::SetQuota(arguments) => {
            assert_eq!(arguments.owner_role.as_deref(), Some("www"));
            response(ResponseCode::Ok, &[])
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let stderr = world.check_admin(&["set_quota", "west", "www", "2", "1g", "10485760"], 0, "");
    assert!(
        stderr.contains("Setting quota for user:www cpu:2.000000 ram:1024 disk: 10\n"),
        "{stderr}"
    );
    let stderr = world.check_admin(
        &["increase_quota", "west", "www", "1.0", "10m", "50m"],
        0,
        "",
    );
    let expected = "Current quota for www:\n\tCPU\t1.5 core(s)\n\tRAM\t100 MB\n\tDisk\t200 MB\n";
    assert!(stderr.contains(expected), "{stderr}");
    let expected =
        "Attempting to update quota for www to\n\tCPU\t2.5\n\tRAM\t110 MB\n\tDisk\t250 MB\n";
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(server.methods(), ["setQuota", "getQuota", "setQuota"]);
    let set: Vec<_> = server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::SetQuota(arguments) => Some(arguments.quota.unwrap().resources),
            _ => None,
        })
        .collect();
    let resources = |cpus: f64, ram, disk| {
        BTreeSet::from([
            Resource::NumCpus(cpus.into()),
            Resource::RamMb(ram),
            Resource::DiskMb(disk),
        ])
    };
    assert_eq!(set, [resources(2.0, 1024, 10), resources(2.5, 110, 250)]);
    for (amounts, expected) in [
        (
            ["x", "1g", "1g"],
            "Invalid cpu `x': expected a number of cores",
        ),
        (
            ["1", "1x", "1g"],
            "Invalid data amount `1x': expected a number with k, m, g or t",
        ),
    ] {
        let command = [&["set_quota", "west", "www"][..], &amounts].concat();
        let stderr = world.check_admin(&command, 1, "");
        assert_eq!(stderr, format!("FATAL] {expected}\n"));
    }
}

#[test]
fn reconcile_tasks() {
    let server = Server::scheduler(|_| response(ResponseCode::Ok, &[]));
    let world = World::new(&server.url());
    for arguments in [
        &["west"][..],
        &["west", "--batch_size=7"],
        &["-t", "implicit", "west"],
    ] {
        world.check_admin(&[&["reconcile_tasks"], arguments].concat(), 0, "");
    }
    let asked: Vec<_> = server
        .calls()
        .into_iter()
        .map(|call| match call {
            Call::TriggerExplicitTaskReconciliation(arguments) => {
                Some(arguments.settings.unwrap().batch_size)
            }
            Call::TriggerImplicitTaskReconciliation(_) => None,
            other => panic!("unexpected {}", other.method()),
        })
        .collect();
    assert_eq!(asked, [Some(None), Some(Some(7)), None]);
}

#[test]
fn backups_and_recovery() {
    let server = Server::scheduler(|call| match call {
        Call::ListBackups(_) => ok(Answer::ListBackupsResult(ListBackupsResult {
            backups: BTreeSet::from(["b-2".to_owned(), "b-1".to_owned()]),
        })),
        Call::QueryRecovery(arguments) => {
            let query = arguments.query.clone().unwrap();
            assert_eq!(query.statuses.unwrap().len(), 10);
            ok(Answer::QueryRecoveryResult(QueryRecoveryResult {
                tasks: BTreeSet::from([task(0, ScheduleStatus::Running)]),
            }))
        }
        Call::StageRecovery(arguments) => {
            assert_eq!(arguments.backup_id.as_deref(), Some("b-1"));
            response(ResponseCode::Ok, &[])
        }
        Call::DeleteRecoveryTasks(arguments) => {
            let ids = arguments.query.clone().unwrap().task_ids.unwrap();
            assert_eq!(ids, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
            response(ResponseCode::Ok, &[])
        }
        _ => response(ResponseCode::Ok, &[]),
    });
    let world = World::new(&server.url());
    let listed = "2 available backups:\nb-1\nb-2\n";
    world.check_admin(&["scheduler_list_backups", "west"], 0, listed);
    let stderr = world.check_admin(&["scheduler_print_recovery_tasks", "west"], 0, "");
    let expected = " INFO] Role\tJob\tShard\tStatus\tTask ID\n INFO] www\thello\t0\tRUNNING\twww-prod-hello-0\n";
    assert!(stderr.ends_with(expected), "{stderr}");
    for arguments in [
        &["scheduler_backup_now", "west"][..],
        &["scheduler_stage_recovery", "west", "b-1"],
        &["scheduler_delete_recovery_tasks", "west", "a,b"],
        &["scheduler_commit_recovery", "west"],
        &["scheduler_unload_recovery", "west"],
        &["scheduler_snapshot", "west"],
    ] {
        world.check_admin(arguments, 0, "");
    }
    let expected = [
        "listBackups",
        "queryRecovery",
        "performBackup",
        "stageRecovery",
        "deleteRecoveryTasks",
        "commitRecovery",
        "unloadRecovery",
        "snapshot",
    ];
    assert_eq!(server.methods(), expected);
}

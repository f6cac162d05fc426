//! The real program against a scheduler that speaks real Thrift over HTTP: verbs that only read. Expected texts were written by hand from
//! upstream's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{self, Reply, Server, ok, response};
use support::*;

#[test]
fn status_as_text() {
    let server = Server::scheduler(|_| {
        let mut first = task(0, ScheduleStatus::Running);
        first
            .assigned_task
            .assigned_ports
            .insert("http".into(), 31000);
        first.failure_count = 2;
        first.assigned_task.task.metadata = BTreeSet::from([Metadata {
            key: "k".into(),
            value: "v".into(),
        }]);
        let mut pending = task(1, ScheduleStatus::Pending);
        pending.assigned_task.slave_host = None;
        pending.task_events.clear();
        tasks(vec![pending, task(0, ScheduleStatus::Failed), first])
    });
    let world = World::new(&server.url());
    let expected = "\
Active tasks (2):
\tTask role: www, env: prod, name: hello, instance: 0, status: RUNNING on host1
\t  CPU: 1.0 core(s), RAM: 128 MB, Disk: 64 MB, Port: http
\t  assigned ports: {'http': 31000}
\t  failure count: 2 (max 1)
\t  events:
\t   2009-02-13 23:31:30 PENDING: None
\t   2009-02-13 23:31:31 RUNNING: going on
\t  metadata:
\t\t  (key: 'k', value: 'v')
\tTask role: www, env: prod, name: hello, instance: 1, status: PENDING on None
\t  CPU: 1.0 core(s), RAM: 128 MB, Disk: 64 MB, Port: http
\t  events:
Inactive tasks (1):
\tTask role: www, env: prod, name: hello, instance: 0, status: FAILED on host1
\t  CPU: 1.0 core(s), RAM: 128 MB, Disk: 64 MB, Port: http
\t  events:
\t   2009-02-13 23:31:30 PENDING: None
\t   2009-02-13 23:31:31 FAILED: going on

";
    let stderr = world.check(&["job", "status", "west/www/prod/hello"], 0, expected);
    assert_eq!(stderr, " INFO] Checking status of west/www/prod/hello\n");
}

#[test]
fn status_as_json() {
    let server = Server::scheduler(|_| {
        tasks(vec![
            task(2, ScheduleStatus::Running),
            task(0, ScheduleStatus::Lost),
            task(1, ScheduleStatus::Running),
            task(3, ScheduleStatus::Pending),
            task(0, ScheduleStatus::Running),
        ])
    });
    let world = World::new(&server.url());
    let output = world.aurora(&["job", "status", "--write-json", "west/www/prod/hello"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("[\n  {\n    \"job\": \"west/www/prod/hello\",\n    \"active\": [\n"),
        "{text}"
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let active = &value[0]["active"][0];
    assert_eq!(active["status"], "RUNNING");
    let ids: Vec<_> = value[0]["active"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["assignedTask"]["instanceId"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    assert_eq!(active["assignedTask"]["task"]["isService"], true);
    assert_eq!(active["taskEvents"][0]["status"], "RUNNING");
    assert_eq!(value[0]["inactive"][0]["status"], "LOST");
}

#[test]
fn status_of_nothing() {
    let server = Server::scheduler(|_| tasks(vec![]));
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "status", "west/www/prod/hello"], 6, "");
    assert!(
        stderr.contains("\nFound no jobs matching west/www/prod/hello\n"),
        "{stderr}"
    );
    let json = "{\"jobspec\":\"west/www/prod/hello\",\"error\":\"No matching jobs found\"}\n";
    world.check(
        &["job", "status", "west/www/prod/hello", "--write"],
        0,
        json,
    );
}

#[test]
fn tries_that_failed_are_told() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |request| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Hangup,
        1 => fake::thrift(request, &|_| {
            response(ResponseCode::ErrorTransient, &["not", "ready"])
        }),
        _ => fake::thrift(request, &|_| tasks(vec![])),
    });
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "status", "west/www/prod/hello"], 6, "");
    let told: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix(" WARN] "))
        .collect();
    let [lost, unready] = told[..] else {
        panic!("{stderr}");
    };
    let is_lost = lost.starts_with("Transport error communicating with scheduler: ");
    assert!(is_lost && lost.ends_with(", retrying..."), "{lost}");
    assert_eq!(
        unready,
        "Connection error with scheduler: not, ready, reconnecting..."
    );
}

#[test]
fn list_matches_patterns_and_echoes_full_keys() {
    let server = Server::scheduler(|call| match call {
        Call::GetJobs(_) => jobs(&[
            ("www", "prod", "hello"),
            ("www", "devel", "hello"),
            ("www", "prod", "other"),
        ]),
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    world.check(
        &["job", "list", "west/www/prod"],
        0,
        "west/www/prod/hello\nwest/www/prod/other\n",
    );
    world.check(
        &["job", "list", "west/*/*/h?llo"],
        0,
        "west/www/devel/hello\nwest/www/prod/hello\n",
    );
    let roles: Vec<_> = server
        .calls()
        .into_iter()
        .map(|call| match call {
            Call::GetJobs(arguments) => arguments.owner_role,
            other => panic!("unexpected {}", other.method()),
        })
        .collect();
    assert_eq!(roles, [Some("www".to_owned()), None]);
    // Nobody is asked for a whole key, not even whether the cluster is there.
    world.check(
        &["job", "list", "nowhere/www/prod/hello"],
        0,
        "nowhere/www/prod/hello\n",
    );
    let stderr = world.check(&["job", "list", "west/www/prod/h?llo"], 6, "");
    assert!(stderr.starts_with("Invalid name 'h?llo'\n"), "{stderr}");
    let stderr = world.check(&["job", "list", "nowhere/www"], 3, "");
    assert!(
        stderr.contains("Unknown cluster: nowhere. Known clusters: west, zk\n"),
        "{stderr}"
    );
    let nowhere = world
        .command(env!("CARGO_BIN_EXE_aurora"), &["job", "list", "west/www"])
        .env("AURORA_CONFIG_ROOT", "/nowhere")
        .env("XDG_STATE_HOME", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(3));
    let stderr = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        stderr.contains("Unknown cluster: west. There are none: describe it in "),
        "{stderr}"
    );
    let stderr = world.check(&["job", "list", "zk/www"], 3, "");
    assert!(stderr.contains("no `scheduler_zk_path`"), "{stderr}");
    let stderr = world.check(&["job", "list", "a/b/c/d/e"], 2, "");
    assert!(stderr.contains("no more than 4 segments"), "{stderr}");
}

#[test]
fn netrc_is_used() {
    let server = Server::scheduler(|_| tasks(vec![task(0, ScheduleStatus::Running)]));
    let world = World::new(&server.url());
    std::fs::write(
        world.path(".netrc"),
        "machine 127.0.0.1 login Aladdin password opensesame",
    )
    .unwrap();
    assert_eq!(
        world
            .aurora(&["job", "status", "west/www/prod/hello"])
            .status
            .code(),
        Some(0)
    );
    // printf 'Aladdin:opensesame' | base64
    let seen = server.seen();
    assert_eq!(
        seen[0].header("authorization"),
        Some("Basic QWxhZGRpbjpvcGVuc2VzYW1l")
    );
    assert!(
        seen[0]
            .header("user-agent")
            .unwrap()
            .starts_with("Aurora V2;")
    );
}

#[test]
fn inspect() {
    let server = Server::scheduler(|_| tiers());
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let expected = "\
Job level information
  name:       'hello'
  role:       'www'
  contact:    'me@example.com'
  cluster:    'west'
  instances:  '2'
  constraints:
    'rack': 'limit:1'
  partition_policy:
    reschedule: True
    delay_secs: '0'
  service:    False
  production: True

Task level information
  name: 'hello'
  constraints:
  a < b

Process 'a':
  ephemeral
  cmdline:
    one
    two

Process 'b':
  daemon
  final
  cmdline:
    three

Resources: CPU: 0.5 core(s), RAM: 32 MB
Process order:
  a
  finally
  └─ b
";
    let command = ["job", "inspect", "west/www/prod/hello", "job.aurora"];
    world.check(&command, 0, expected);
    let output = world.aurora(&[
        "job",
        "inspect",
        "--write-json",
        "west/www/prod/hello",
        "job.aurora",
    ]);
    let job: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(job["contact"], "me@example.com");
    let output = world.aurora(&[
        "job",
        "inspect",
        "--raw",
        "--write-json",
        "west/www/prod/hello",
        "job.aurora",
    ]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("\"instanceCount\": 2")
    );
}

#[test]
fn config_list() {
    let jobs = serde_json::json!({"jobs": [{"key": "c/r/e/a"}, {"key": "c/r/e/{{b}}"}]});
    let world = World::new("http://127.0.0.1:1").with_eval(&jobs);
    world.check(
        &["config", "list", "job.aurora"],
        0,
        "jobs=[c/r/e/a, c/r/e/{{b}}]\n",
    );
    let world = World::new("http://127.0.0.1:1").with_eval(&serde_json::json!({}));
    world.check(&["config", "list", "job.aurora"], 0, "jobs=[]\n");
}

#[test]
fn config_check() {
    let world = World::new("nonsense: no cluster is needed");
    std::fs::write(world.path("clusters.json"), "[").unwrap();
    let jobs = serde_json::json!([{"key": "c/r/e/a"}, {"key": "c/r/e/b"}]);
    let warning = serde_json::json!({"kind": "warning", "message": "is old", "field": "jobs[1].x"});
    let world = world.with_eval(&serde_json::json!({"jobs": jobs, "warnings": [warning]}));
    let command = [
        "config",
        "check",
        "job.aurora",
        "other.aurora",
        "--bind",
        "a=b",
    ];
    let good = "job.aurora: 2 jobs, no errors\nother.aurora: 2 jobs, no errors\n";
    let stderr = world.check(&command, 0, good);
    let expected = "job.aurora: warning: is old (in jobs[1].x)\nother.aurora: warning: is old (in jobs[1].x)\n";
    assert_eq!(stderr, expected);
    let asked: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.path("asked")).unwrap()).unwrap();
    assert_eq!(asked["check"], true);
    assert_eq!(asked["bindings"], serde_json::json!([["a", "b"]]));
    assert_eq!(asked["tiers"], serde_json::Value::Null);

    let error = serde_json::json!({
        "kind": "invalid", "message": "no cmdline", "field": "jobs[0].task", "line": 7, "column": 3, "hint": "set it",
    });
    let answer = serde_json::json!({"jobs": jobs, "errors": [error], "warnings": [warning]});
    let world = world.with_eval(&answer);
    let stderr = world.check(&["config", "check", "job.aurora"], 3, "");
    let expected = "job.aurora:7:3: error: no cmdline (in jobs[0].task)\n  set it\njob.aurora: warning: is old";
    assert!(stderr.starts_with(expected), "{stderr}");
    let output = world.aurora(&["config", "check", "job.aurora", "--write-json"]);
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({"valid": false, "files": [{
        "path": "job.aurora", "valid": false, "jobs": ["c/r/e/a", "c/r/e/b"],
        "diagnostics": [
            {
                "severity": "error", "kind": "invalid", "message": "no cmdline", "file": "job.aurora", "line": 7,
                "column": 3, "field": "jobs[0].task", "hint": "set it",
            },
            {
                "severity": "warning", "kind": "warning", "message": "is old", "file": "job.aurora",
                "field": "jobs[1].x",
            },
        ],
    }]});
    assert_eq!(report, expected);
    // An editor's text comes on standard input.
    let stdin = std::fs::File::open(world.path("job.aurora")).unwrap();
    std::fs::write(world.path("job.aurora"), "jobs = [").unwrap();
    let output = world
        .command(env!("CARGO_BIN_EXE_aurora"), &["config", "check", "-"])
        .stdin(stdin)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let asked: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.path("asked")).unwrap()).unwrap();
    assert_eq!(
        (&asked["path"], &asked["source"]),
        (&"<stdin>".into(), &"jobs = [".into())
    );
    // A program that dies is a fault of the file that it was given.
    let world = world.with_program("aurora-eval", "echo oh >&2; exit 3");
    let stderr = world.check(&["config", "check", "job.aurora"], 3, "");
    assert!(
        stderr.starts_with("job.aurora: error: evaluating job.aurora ended with"),
        "{stderr}"
    );
}

#[test]
fn quota_get() {
    let aggregate = |cpus: f64, ram: i64| ResourceAggregate {
        resources: BTreeSet::from([Resource::RamMb(ram), Resource::NumCpus(cpus.into())]),
    };
    let server = Server::scheduler(move |call| match call {
        Call::GetQuota(arguments) => {
            assert_eq!(arguments.owner_role.as_deref(), Some("www"));
            ok(aurora_api::model::Result::GetQuotaResult(GetQuotaResult {
                quota: aggregate(4.0, 1024),
                prod_shared_consumption: Some(aggregate(1.5, 64)),
                prod_dedicated_consumption: Some(ResourceAggregate::default()),
                non_prod_dedicated_consumption: Some(aggregate(0.0, 0)),
                ..GetQuotaResult::default()
            }))
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let expected = "\
Allocated:
  CPU: 4.0 core(s)
  RAM: 1024 MB
Production shared pool resources consumed:
  CPU: 1.5 core(s)
  RAM: 64 MB
Non-production dedicated pool resources consumed:
  CPU: 0.0 core(s)
  RAM: 0 MB
";
    world.check(&["quota", "get", "west/www"], 0, expected);
    let output = world.aurora(&["quota", "get", "west/www", "--write-json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["quota"]["resources"][0]["numCpus"], 4.0);
}

#[test]
fn usage() {
    let world = World::new("http://127.0.0.1:1");
    for arguments in [
        &["job"][..],
        &["job", "nope"],
        &["job", "create", "west/a/b/c"],
    ] {
        let stderr = world.check(arguments, 2, "");
        assert!(stderr.starts_with("usage: aurora job"), "{stderr}");
    }
    let stderr = world.check(&["job", "killall", "west/a/b"], 2, "");
    assert!(stderr.contains("CLUSTER/ROLE/ENV/NAME"), "{stderr}");
    assert_eq!(
        world.check(&["--version"], 0, ""),
        concat!(env!("CARGO_PKG_VERSION"), "\n")
    );
    let output = world.aurora(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"usage: aurora"));
}

#[test]
fn interrupted() {
    let server = Server::start(|_| {
        Reply::Chunks(Box::new(|_| {
            loop {
                std::thread::park()
            }
        }))
    });
    let world = World::new(&server.url());
    world.aurora(&["--version"]);
    let mut child = Command::new(world.path("bin/aurora"))
        .args(["job", "status", "west/www/prod/hello"])
        .env_clear()
        .env("AURORA_CONFIG_ROOT", world.dir.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.seen().is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "no request within 20 s"
        );
        std::thread::yield_now();
    }
    let pid = i32::try_from(child.id()).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

//! The real program against a scheduler that speaks real Thrift over HTTP. Expected texts were written by hand from
//! upstream's client.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests of aurora-client"
)]
#[path = "../../client/src/fake.rs"]
mod fake;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aurora_api::binary;
use aurora_api::model::*;
use aurora_api::service::Call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fake::{Reply, Server, ok, response};

/// A scratch directory with a `clusters.json`, and the program in it.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(scheduler: &str) -> World {
        let dir = tempfile::tempdir().unwrap();
        let clusters = format!(
            r#"[{{"name":"west","scheduler_uri":"{scheduler}"}},{{"name":"zk","zk":"z"}}]"#
        );
        std::fs::write(dir.path().join("clusters.json"), clusters).unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        World { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a script that answers this in the place of `aurora-eval`, beside a copy of the program.
    fn with_eval(self, answer: &serde_json::Value) -> World {
        let script = format!(
            "#!/bin/sh\ncat > {}\ncat <<'END'\n{answer}\nEND\n",
            self.path("asked").display()
        );
        let path = self.path("bin/aurora-eval");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(self.path("job.aurora"), "").unwrap();
        self
    }

    fn aurora(&self, arguments: &[&str]) -> Output {
        let program = self.path("bin/aurora");
        if !program.exists() {
            // A hard link: the same program, other siblings.
            let original = Path::new(env!("CARGO_BIN_EXE_aurora"));
            if std::fs::hard_link(original, &program).is_err() {
                std::fs::copy(original, &program).unwrap();
            }
        }
        Command::new(program)
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("AURORA_CONFIG_ROOT", self.dir.path())
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("TZ", "UTC")
            .env("USER", "alice")
            .output()
            .unwrap()
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, stdout: &str) -> String {
        let output = self.aurora(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, stdout, "stderr: {stderr}");
        assert_eq!(output.status.code(), Some(code), "stderr: {stderr}");
        stderr
    }
}

fn task(instance: i32, status: ScheduleStatus) -> ScheduledTask {
    ScheduledTask {
        assigned_task: AssignedTask {
            task_id: format!("www-prod-hello-{instance}"),
            slave_host: Some("host1".into()),
            instance_id: instance,
            task: TaskConfig {
                job: JobKey::new("www", "prod", "hello"),
                is_service: true,
                max_task_failures: 1,
                resources: BTreeSet::from([
                    Resource::NumCpus(1.0.into()),
                    Resource::RamMb(128),
                    Resource::DiskMb(64),
                    Resource::NamedPort("http".into()),
                ]),
                ..TaskConfig::default()
            },
            ..AssignedTask::default()
        },
        status,
        task_events: vec![
            TaskEvent {
                // 2009-02-13 23:31:31.999 UTC
                timestamp: 1_234_567_891_999,
                status,
                message: Some("going on".into()),
                scheduler: None,
            },
            TaskEvent {
                timestamp: 1_234_567_890_000,
                status: ScheduleStatus::Pending,
                ..TaskEvent::default()
            },
        ],
        ..ScheduledTask::default()
    }
}

fn tasks(tasks: Vec<ScheduledTask>) -> Response {
    ok(aurora_api::model::Result::ScheduleStatusResult(
        ScheduleStatusResult { tasks },
    ))
}

fn jobs(keys: &[(&str, &str, &str)]) -> Response {
    let configs = keys
        .iter()
        .map(|(role, environment, name)| JobConfiguration {
            key: JobKey::new(role, environment, name),
            ..JobConfiguration::default()
        });
    ok(aurora_api::model::Result::GetJobsResult(GetJobsResult {
        configs: configs.collect(),
    }))
}

fn tiers() -> Response {
    ok(aurora_api::model::Result::GetTierConfigResult(
        GetTierConfigResult {
            default_tier_name: "preemptible".into(),
            ..GetTierConfigResult::default()
        },
    ))
}

/// What `aurora-eval` answers for a plain job.
fn evaluated(cron: Option<&str>) -> serde_json::Value {
    let configuration = JobConfiguration {
        key: JobKey::new("www", "prod", "hello"),
        cron_schedule: cron.map(str::to_owned),
        instance_count: 2,
        ..JobConfiguration::default()
    };
    serde_json::json!({"job": {
        "cluster": "west",
        "configuration": STANDARD.encode(binary::encode(&configuration)),
        "job": {
            "name": "hello", "role": "www", "cluster": "west", "instances": 2, "production": true,
            "contact": "me@example.com", "constraints": {"rack": "limit:1"},
            "partition_policy": {"reschedule": true, "delay_secs": 0},
            "task": {
                "name": "hello", "constraints": [{"order": ["a", "b"]}],
                "processes": [
                    {"name": "a", "cmdline": "one\ntwo", "daemon": false, "ephemeral": true, "final": false},
                    {"name": "b", "cmdline": "three", "daemon": true, "ephemeral": false, "final": true},
                ],
            },
        },
    }})
}

/// Tasks that run until they are killed.
fn cluster(instances: &[i32]) -> (Server, Arc<Mutex<Vec<ScheduledTask>>>) {
    let state: Vec<_> = instances
        .iter()
        .map(|id| task(*id, ScheduleStatus::Running))
        .collect();
    let state = Arc::new(Mutex::new(state));
    let shared = Arc::clone(&state);
    let server = Server::scheduler(move |call| {
        let mut known = shared.lock().unwrap();
        match call {
            Call::GetTasksWithoutConfigs(arguments) => {
                let query = arguments.query.clone().unwrap();
                assert_eq!(
                    query.job_keys,
                    Some(BTreeSet::from([JobKey::new("www", "prod", "hello")]))
                );
                tasks(
                    known
                        .iter()
                        .filter(|task| {
                            query
                                .statuses
                                .as_ref()
                                .is_none_or(|set| set.contains(&task.status))
                        })
                        .filter(|task| {
                            let id = task.assigned_task.instance_id;
                            query
                                .instance_ids
                                .as_ref()
                                .is_none_or(|set| set.contains(&id))
                        })
                        .cloned()
                        .collect(),
                )
            }
            Call::KillTasks(arguments) => {
                for task in known.iter_mut() {
                    let id = task.assigned_task.instance_id;
                    if arguments
                        .instances
                        .as_ref()
                        .is_none_or(|set| set.contains(&id))
                    {
                        task.status = ScheduleStatus::Killed;
                    }
                }
                response(ResponseCode::Ok, &[])
            }
            Call::RestartShards(arguments) => {
                for task in known.iter_mut() {
                    if arguments
                        .shard_ids
                        .contains(&task.assigned_task.instance_id)
                    {
                        task.assigned_task.task_id.push_str("-again");
                    }
                }
                response(ResponseCode::Ok, &[])
            }
            other => panic!("unexpected {}", other.method()),
        }
    });
    (server, state)
}

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
            task(1, ScheduleStatus::Running),
            task(0, ScheduleStatus::Lost),
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
    assert_eq!(active["assignedTask"]["instanceId"], 1);
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
    assert!(stderr.contains("Unknown cluster: nowhere\n"), "{stderr}");
    let stderr = world.check(&["job", "list", "zk/www"], 3, "");
    assert!(stderr.contains("ZooKeeper"), "{stderr}");
    let stderr = world.check(&["job", "list", "a/b/c/d/e"], 2, "");
    assert!(stderr.contains("no more than 4 segments"), "{stderr}");
}

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
        stderr.starts_with("Error loading configuration: Unknown cluster: east\n"),
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
    world.check(
        &command,
        0,
        "Job west/www/prod/hello restarted successfully\n",
    );
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

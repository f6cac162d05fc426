//! The program in a scratch directory, and what the scheduler answers it.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests of aurora-client"
)]
#[path = "../../../client/src/fake.rs"]
pub(crate) mod fake;

pub(crate) mod updates;

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
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(scheduler: &str) -> World {
        let dir = tempfile::tempdir().unwrap();
        let clusters = format!(
            r#"[{{"name":"west","scheduler_uri":"{scheduler}","slave_root":"/mesos","slave_run_directory":"latest"}},
                {{"name":"zk","zk":"z"}}]"#
        );
        std::fs::write(dir.path().join("clusters.json"), clusters).unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        World { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a script that answers this in the place of `aurora-eval`, beside a copy of the program.
    pub(crate) fn with_eval(self, answer: &serde_json::Value) -> World {
        let asked = self.path("asked");
        let asked = asked.display();
        let world = self.with_program(
            "aurora-eval",
            &format!("cat > {asked}\ncat <<'END'\n{answer}\nEND"),
        );
        std::fs::write(world.path("job.aurora"), "").unwrap();
        world
    }

    /// Puts a shell script beside the program and first on PATH.
    pub(crate) fn with_program(self, name: &str, script: &str) -> World {
        let path = self.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn aurora(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_aurora"), arguments)
            .output()
            .unwrap()
    }

    /// One of the programs, with an environment of its own.
    pub(crate) fn command(&self, original: &str, arguments: &[&str]) -> Command {
        let original = Path::new(original);
        let program = self.path("bin").join(original.file_name().unwrap());
        if !program.exists() {
            // A hard link: the same program, other siblings.
            if std::fs::hard_link(original, &program).is_err() {
                std::fs::copy(original, &program).unwrap();
            }
        }
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("AURORA_CONFIG_ROOT", self.dir.path())
            .env("HOME", self.dir.path())
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("TZ", "UTC")
            .env("USER", "alice");
        command
    }

    /// Runs `aurora_admin`; what it logs.
    #[track_caller]
    pub(crate) fn check_admin(&self, arguments: &[&str], code: i32, stdout: &str) -> String {
        let output = self
            .command(env!("CARGO_BIN_EXE_aurora_admin"), arguments)
            .output()
            .unwrap();
        compare(output, code, stdout)
    }

    #[track_caller]
    pub(crate) fn check(&self, arguments: &[&str], code: i32, stdout: &str) -> String {
        compare(self.aurora(arguments), code, stdout)
    }
}

#[track_caller]
fn compare(output: Output, code: i32, stdout: &str) -> String {
    let stderr = String::from_utf8(output.stderr).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, stdout, "stderr: {stderr}");
    assert_eq!(output.status.code(), Some(code), "stderr: {stderr}");
    stderr
}

pub(crate) fn task(instance: i32, status: ScheduleStatus) -> ScheduledTask {
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

pub(crate) fn tasks(tasks: Vec<ScheduledTask>) -> Response {
    ok(aurora_api::model::Result::ScheduleStatusResult(
        ScheduleStatusResult { tasks },
    ))
}

pub(crate) fn jobs(keys: &[(&str, &str, &str)]) -> Response {
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

pub(crate) fn tiers() -> Response {
    ok(aurora_api::model::Result::GetTierConfigResult(
        GetTierConfigResult {
            default_tier_name: "preemptible".into(),
            ..GetTierConfigResult::default()
        },
    ))
}

/// What `aurora-eval` answers for a plain job.
pub(crate) fn evaluated(cron: Option<&str>) -> serde_json::Value {
    let configuration = JobConfiguration {
        key: JobKey::new("www", "prod", "hello"),
        cron_schedule: cron.map(str::to_owned),
        instance_count: 2,
        task_config: TaskConfig {
            job: JobKey::new("www", "prod", "hello"),
            resources: BTreeSet::from([Resource::NumCpus(0.5.into()), Resource::RamMb(32)]),
            ..TaskConfig::default()
        },
        ..JobConfiguration::default()
    };
    let settings = JobUpdateSettings {
        update_group_size: 3,
        ..JobUpdateSettings::default()
    };
    serde_json::json!({"job": {
        "cluster": "west",
        "configuration": STANDARD.encode(binary::encode(&configuration)),
        "update_settings": STANDARD.encode(binary::encode(&settings)),
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
pub(crate) fn cluster(instances: &[i32]) -> (Server, Arc<Mutex<Vec<ScheduledTask>>>) {
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

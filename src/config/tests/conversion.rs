//! Jobs as the scheduler takes them. Expected values follow `aurora: src/main/python/apache/aurora/config/thrift.py`,
//! `config/__init__.py` and `client/api/updater_util.py`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the helpers are shared by several test programs"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::eval::{EvalRequest, JobSelector, Tier, Tiers};
use aurora_api::model::*;
use common::{answer, configuration, converted, file, selecting, text, update_settings};
use serde_json::{Value as Json, json};

fn data(configuration: &JobConfiguration) -> Json {
    let executor = configuration
        .task_config
        .executor_config
        .as_ref()
        .expect("an executor");
    assert_eq!(executor.name.as_deref(), Some("AuroraExecutor"));
    serde_json::from_str(executor.data.as_deref().expect("data")).expect("JSON")
}

fn ports(configuration: &JobConfiguration) -> Vec<String> {
    let named = configuration
        .task_config
        .resources
        .iter()
        .filter_map(|resource| match resource {
            Resource::NamedPort(name) => Some(name.clone()),
            _ => None,
        });
    named.collect()
}

#[test]
fn a_minimal_job_has_upstreams_defaults() {
    let found = converted(&file("", "", "echo {{mesos.instance}}"));
    let key = JobKey {
        role: "r".into(),
        environment: "e".into(),
        name: "n".into(),
    };
    let owner = Some(Identity {
        user: Some("someone".into()),
    });
    assert_eq!(
        (found.key.clone(), found.owner.clone(), found.instance_count),
        (key.clone(), owner.clone(), 1)
    );
    assert_eq!(found.cron_schedule, None);
    assert_eq!(
        found.cron_collision_policy,
        Some(CronCollisionPolicy::KillExisting)
    );
    let expected = TaskConfig {
        job: key,
        owner,
        production: Some(false),
        max_task_failures: 1,
        resources: BTreeSet::from([
            Resource::NumCpus(0.5.into()),
            Resource::RamMb(64),
            Resource::DiskMb(128),
        ]),
        container: Container::Mesos(MesosContainer::default()),
        executor_config: found.task_config.executor_config.clone(),
        ..default_task()
    };
    assert_eq!(found.task_config, expected);
    // The shape that upstream's executor reads, without update_config and instances.
    assert_eq!(
        data(&found),
        json!({
            "environment": "e", "role": "r", "cluster": "c", "name": "n", "service": false, "production": false,
            "priority": 0, "max_task_failures": 1, "enable_hooks": false, "metadata": [],
            "cron_collision_policy": "KILL_EXISTING",
            "executor_config": {"name": "AuroraExecutor", "data": ""},
            "health_check_config": {
                "health_checker": {"http": {"endpoint": "/health", "expected_response": "ok", "expected_response_code": 0}},
                "initial_interval_secs": 15.0, "interval_secs": 10.0, "timeout_secs": 1.0,
                "max_consecutive_failures": 0, "min_consecutive_successes": 1,
            },
            "lifecycle": {"http": {
                "port": "health", "graceful_shutdown_endpoint": "/quitquitquit", "shutdown_endpoint": "/abortabortabort",
                "graceful_shutdown_wait_secs": 5, "shutdown_wait_secs": 5,
            }},
            "task": {
                "name": "p", "finalization_wait": 30, "max_failures": 1, "max_concurrency": 0, "constraints": [],
                "resources": {"cpu": 0.5, "ram": 67_108_864, "disk": 134_217_728, "gpu": 0},
                "processes": [{
                    "name": "p", "cmdline": "echo {{mesos.instance}}", "daemon": false, "ephemeral": false,
                    "max_failures": 1, "min_duration": 5, "final": false,
                }],
            },
        })
    );
}

fn default_task() -> TaskConfig {
    TaskConfig {
        job: JobKey::default(),
        owner: None,
        is_service: false,
        priority: 0,
        max_task_failures: 0,
        production: None,
        tier: None,
        resources: BTreeSet::new(),
        constraints: BTreeSet::new(),
        mesos_fetcher_uris: BTreeSet::new(),
        task_links: BTreeMap::new(),
        contact_email: None,
        executor_config: None,
        metadata: BTreeSet::new(),
        partition_policy: None,
        sla_policy: None,
        container: Container::Mesos(MesosContainer::default()),
    }
}

/// Arguments of `Job`, and what they change in the task's configuration.
#[test]
fn fields_go_where_the_scheduler_looks() {
    type Check = fn(&JobConfiguration) -> bool;
    let cases: &[(&str, Check)] = &[
        ("service=True", |c| c.task_config.is_service),
        ("production='true', priority='7'", |c| {
            c.task_config.production == Some(true) && c.task_config.priority == 7
        }),
        ("max_task_failures=-1, contact='a@b'", |c| {
            c.task_config.max_task_failures == -1
                && c.task_config.contact_email.as_deref() == Some("a@b")
        }),
        ("tier='preemptible', instances=3", |c| {
            c.task_config.tier.as_deref() == Some("preemptible") && c.instance_count == 3
        }),
        (
            "cron_schedule='* * * * *', cron_collision_policy='cancel_new'",
            |c| {
                c.cron_schedule.as_deref() == Some("* * * * *")
                    && c.cron_collision_policy == Some(CronCollisionPolicy::CancelNew)
            },
        ),
        ("partition_policy=PartitionPolicy(delay_secs=30)", |c| {
            c.task_config.partition_policy
                == Some(PartitionPolicy {
                    reschedule: true,
                    delay_secs: Some(30),
                })
        }),
        ("metadata=[Metadata(key='k', value='v')]", |c| {
            c.task_config.metadata
                == BTreeSet::from([Metadata {
                    key: "k".into(),
                    value: "v".into(),
                }])
        }),
        ("constraints={'host': 'limit:2'}", |c| {
            demand(c) == TaskConstraint::Limit(LimitConstraint { limit: 2 })
        }),
        ("constraints={'rack': 'a,b, c'}", |c| {
            demand(c) == value(false, &["a", "b", " c"])
        }),
        ("constraints={'rack': '!a'}", |c| {
            demand(c) == value(true, &["a"])
        }),
        ("constraints={'{{x}}': '{{x}}'}, contact='{{x}}'", |_| true),
        (
            "sla_policy=CountSlaPolicy(count=2, duration_secs=60)",
            |c| {
                c.task_config.sla_policy
                    == Some(SlaPolicy::CountSlaPolicy(CountSlaPolicy {
                        count: 2,
                        duration_secs: 60,
                    }))
            },
        ),
        (
            "sla_policy=PercentageSlaPolicy(percentage=99.5, duration_secs=60)",
            |c| {
                c.task_config.sla_policy
                    == Some(SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
                        percentage: 99.5.into(),
                        duration_secs: 60,
                    }))
            },
        ),
        (
            "sla_policy=CoordinatorSlaPolicy(coordinator_url='http://x')",
            |c| {
                c.task_config.sla_policy
                    == Some(SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
                        coordinator_url: "http://x".into(),
                        status_key: "drain".into(),
                    }))
            },
        ),
        (
            "container=Docker(image='python:3', parameters=[Parameter(name='env', value='A=1')])",
            |c| {
                c.task_config.container
                    == Container::Docker(DockerContainer {
                        image: Some("python:3".into()),
                        parameters: vec![DockerParameter {
                            name: "env".into(),
                            value: "A=1".into(),
                        }],
                    })
            },
        ),
        (
            "container=Container(docker=Docker(image='i'))",
            |c| matches!(&c.task_config.container, Container::Docker(docker) if docker.image.as_deref() == Some("i")),
        ),
        (
            "container=Mesos(image=AppcImage(name='i', image_id='sha'), \
             volumes=[Volume(container_path='/c', host_path='/h', mode='RO')])",
            |c| {
                c.task_config.container
                    == Container::Mesos(MesosContainer {
                        image: Some(Image::Appc(AppcImage {
                            name: "i".into(),
                            image_id: "sha".into(),
                        })),
                        volumes: Some(vec![Volume {
                            container_path: "/c".into(),
                            host_path: "/h".into(),
                            mode: Some(Mode::Ro),
                        }]),
                    })
            },
        ),
        (
            "container=Mesos(image=DockerImage(name='i', tag='t'))",
            |c| {
                matches!(&c.task_config.container,
                Container::Mesos(MesosContainer { image: Some(Image::Docker(image)), .. }) if image.tag == "t")
            },
        ),
        (
            "executor_config=ExecutorConfig(name='other', data='{\"a\": 1}')",
            |c| {
                c.task_config.executor_config
                    == Some(ExecutorConfig {
                        name: Some("other".into()),
                        data: Some("{\"a\": 1}".into()),
                    })
            },
        ),
    ];
    for (arguments, check) in cases {
        let source = file(arguments, "", "true")
            .replace("jobs = [", "jobs = [j.bind(x='X') for j in [")
            + "]";
        let source = source.replace(")]\n]", ")]]\n");
        let found = converted(&source);
        assert!(check(&found), "{arguments}: {found:#?}");
    }
}

fn demand(configuration: &JobConfiguration) -> TaskConstraint {
    let mut constraints = configuration.task_config.constraints.iter();
    let found = constraints.next().expect("a constraint");
    found.constraint.clone().expect("a demand")
}

fn value(negated: bool, values: &[&str]) -> TaskConstraint {
    TaskConstraint::Value(ValueConstraint {
        negated,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    })
}

#[test]
fn memory_and_disk_are_whole_mebibytes_and_gpus_count() {
    let found = converted(&file(
        "",
        "resources=Resources(cpu=1, ram='1572864', disk=3*MB-1, gpu=2)",
        "true",
    ));
    let expected = BTreeSet::from([
        Resource::NumCpus(1.0.into()),
        Resource::RamMb(1),
        Resource::DiskMb(2),
        Resource::NumGpus(2),
    ]);
    assert_eq!(found.task_config.resources, expected);
}

/// Port map and references, and the ports that are asked for.
#[test]
fn ports_are_requested_where_they_are_used_or_announced() {
    for (job, cmdline, expected) in [
        ("", "true", vec![]),
        (
            "",
            "{{thermos.ports[http]}} {{thermos.ports[admin]}}",
            vec!["admin", "http"],
        ),
        ("announce=Announcer()", "true", vec!["http"]),
        (
            "announce=Announcer(portmap={'aurora': 'http'})",
            "true",
            vec!["http"],
        ),
        (
            "announce=Announcer(primary_port='web')",
            "true",
            vec!["web"],
        ),
        (
            "announce=Announcer(portmap={'http': 80}), constraints={'dedicated': 'a'}",
            "{{thermos.ports[http]}} {{thermos.ports[thrift]}}",
            vec!["thrift"],
        ),
        (
            "health_check_config=HealthCheckConfig(health_checker=HealthCheckerConfig(\
             shell=ShellHealthChecker(shell_command='{{thermos.ports[health]}}')))",
            "true",
            vec![],
        ),
    ] {
        let found = converted(&file(job, "", cmdline));
        assert_eq!(ports(&found), expected, "{job} {cmdline}");
    }
}

/// Each pass takes one `&` away, and three passes lie between the file and the executor's data.
#[test]
fn escapes_lose_three_levels() {
    for (cmdline, expected) in [
        ("{{&mesos.instance}}", "{{mesos.instance}}"),
        ("{{&&&&mesos.instance}}", "{{&mesos.instance}}"),
        ("{{&&&&&x}}", "{{&&x}}"),
    ] {
        let found = data(&converted(&file("", "", cmdline)));
        assert_eq!(found["task"]["processes"][0]["cmdline"], expected);
    }
    let refused = common::fault(&selecting(&file("", "", "{{&&&&x}}")));
    assert!(
        refused.message.contains("Unexpected unbound refs: {{x}}."),
        "{}",
        refused.message
    );
}

#[test]
fn the_same_job_always_gives_the_same_text() {
    let one = converted(&file(
        "announce=Announcer(portmap={'a': 'http', 'b': 'http'})",
        "",
        "true",
    ));
    let other = converted(&file(
        "announce=Announcer(portmap={'b': 'http', 'a': 'http'})",
        "",
        "true",
    ));
    assert_eq!(one.task_config, other.task_config);
}

#[test]
fn bindings_of_the_command_line_beat_the_file_and_aliases_beat_both() {
    let source = file(
        "",
        "",
        "{{who}} {{mesos.role}} {{profile.n}} {{mesos.cluster}}{{thermos.user}}",
    );
    let source = format!(
        "class P(Struct):\n  n = Integer\n{source}jobs = [jobs[0].bind(who='file', profile=P(n=1), mesos={{'role': 'x'}})]"
    );
    let mut request = selecting(&source);
    request.bindings = [
        ("who", "one"),
        ("who", "two"),
        ("profile.n", "5"),
        ("mesos.role", "y"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let found = data(&configuration(&answer(&request), &source));
    assert_eq!(found["task"]["processes"][0]["cmdline"], "two r 5 cr");
}

#[test]
fn tiers_fill_tier_or_production() {
    let tier = |name: &str, preemptible: bool, revocable: bool| Tier {
        name: name.to_owned(),
        settings: [("preemptible", preemptible), ("revocable", revocable)]
            .map(|(name, flag)| (name.to_owned(), flag.to_string()))
            .into(),
    };
    let tiers = Tiers {
        default: "preemptible".to_owned(),
        tiers: vec![
            tier("revocable", true, true),
            tier("preemptible", true, false),
            tier("preferred", false, false),
        ],
    };
    for (job, tier, production) in [
        ("", "preemptible", false),
        ("production=True", "preferred", true),
        ("tier='preferred'", "preferred", true),
        ("tier='revocable', production=True", "revocable", false),
        ("tier='unknown', production=True", "unknown", true),
    ] {
        let source = file(job, "", "true");
        let mut request = selecting(&source);
        request.tiers = Some(tiers.clone());
        let answer = answer(&request);
        let found = configuration(&answer, &source);
        assert_eq!(found.task_config.tier.as_deref(), Some(tier), "{job}");
        assert_eq!(found.task_config.production, Some(production), "{job}");
        assert_eq!(data(&found)["tier"], tier, "{job}");
        assert_eq!(
            answer.job.expect("a job").job["production"],
            production,
            "{job}"
        );
    }
}

#[test]
fn update_settings_follow_the_strategy() {
    let queue =
        |group_size| JobUpdateStrategy::QueueStrategy(QueueJobUpdateStrategy { group_size });
    let batch = |group_size, autopause_after_batch| {
        JobUpdateStrategy::BatchStrategy(BatchJobUpdateStrategy {
            group_size,
            autopause_after_batch,
        })
    };
    let base = JobUpdateSettings {
        update_group_size: 1,
        min_wait_in_instance_running_ms: 45_000,
        rollback_on_failure: true,
        sla_aware: Some(false),
        update_strategy: Some(queue(1)),
        ..JobUpdateSettings::default()
    };
    for (arguments, expected) in [
        ("", base.clone()),
        (
            "batch_size=3, watch_secs=2, max_per_shard_failures=4, max_total_failures=5, rollback_on_failure=False, \
             pulse_interval_secs=60, sla_aware=True",
            JobUpdateSettings {
                update_group_size: 3,
                max_per_instance_failures: 4,
                max_failed_instances: 5,
                min_wait_in_instance_running_ms: 2000,
                rollback_on_failure: false,
                block_if_no_pulses_after_ms: Some(60_000),
                sla_aware: Some(true),
                update_strategy: Some(queue(3)),
                ..base.clone()
            },
        ),
        (
            "batch_size=3, wait_for_batch_completion=True",
            JobUpdateSettings {
                update_group_size: 3,
                wait_for_batch_completion: true,
                update_strategy: Some(batch(3, false)),
                ..base.clone()
            },
        ),
        (
            "update_strategy=QueueUpdateStrategy(batch_size=4)",
            JobUpdateSettings {
                update_group_size: 4,
                update_strategy: Some(queue(4)),
                ..base.clone()
            },
        ),
        (
            "update_strategy=BatchUpdateStrategy(batch_size=4, autopause_after_batch=True)",
            JobUpdateSettings {
                update_group_size: 4,
                wait_for_batch_completion: true,
                update_strategy: Some(batch(4, true)),
                ..base.clone()
            },
        ),
        (
            "update_strategy=VariableBatchUpdateStrategy(batch_sizes=[1, 2, 3])",
            JobUpdateSettings {
                update_strategy: Some(JobUpdateStrategy::VarBatchStrategy(
                    VariableBatchJobUpdateStrategy {
                        group_sizes: vec![1, 2, 3],
                        autopause_after_batch: false,
                    },
                )),
                ..base.clone()
            },
        ),
    ] {
        let job = format!("instances=9, update_config=UpdateConfig({arguments})");
        assert_eq!(
            update_settings(&file(&job, "", "true")),
            Ok(expected),
            "{arguments}"
        );
    }
    for (arguments, message) in [
        ("batch_size=0", "Batch size should be greater than 0"),
        (
            "pulse_interval_secs=59",
            "Pulse interval seconds must be at least 60 seconds.",
        ),
        (
            "batch_size=2, update_strategy=QueueUpdateStrategy()",
            "Ambiguous update configuration. Cannot combine update strategy with batch size.",
        ),
        (
            "wait_for_batch_completion=True, update_strategy=QueueUpdateStrategy()",
            "Ambiguous update configuration. Cannot combine wait_batch_completion",
        ),
    ] {
        let job = format!("update_config=UpdateConfig({arguments})");
        let error = update_settings(&file(&job, "", "true")).expect_err(arguments);
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn json_files_load_with_every_kind_of_container() {
    for (container, docker) in [
        (r#"{"docker": {"image": "i"}}"#, true),
        (r#"{"image": "i"}"#, true),
        (r#"{"image": {"name": "i", "tag": "t"}}"#, false),
    ] {
        let source = format!(
            r#"{{"cluster": "c", "role": "r", "environment": "e", "name": "n", "container": {container},
                "task": {{"processes": [{{"name": "p", "cmdline": "true"}}],
                          "resources": {{"cpu": 1, "ram": 1048576, "disk": 1048576}}}}}}"#
        );
        let request = EvalRequest {
            read_json: true,
            ..selecting(&source)
        };
        let found = configuration(&answer(&request), &source);
        assert_eq!(
            matches!(found.task_config.container, Container::Docker(_)),
            docker,
            "{container}"
        );
        let listed = EvalRequest {
            read_json: true,
            ..text(&format!(r#"{{"jobs": [{source}]}}"#))
        };
        assert_eq!(answer(&listed).jobs.len(), 1);
    }
}

#[test]
fn the_examples_evaluate() {
    for (name, instances, service) in [
        ("hello", 2, true),
        ("pipeline", 1, true),
        ("batch", 3, false),
    ] {
        let file = match name {
            "hello" => "hello_world",
            "pipeline" => "ordered",
            other => other,
        };
        let path = format!(
            "{}/../../examples/{file}.aurora",
            env!("CARGO_MANIFEST_DIR")
        );
        let request = EvalRequest {
            path: path.clone(),
            user: "someone".to_owned(),
            select: Some(JobSelector {
                cluster: "devcluster".to_owned(),
                role: "www-data".to_owned(),
                environment: "devel".to_owned(),
                name: name.to_owned(),
            }),
            ..EvalRequest::default()
        };
        let found = configuration(&answer(&request), &path);
        assert_eq!(
            (found.instance_count, found.task_config.is_service),
            (instances, service)
        );
        assert!(found.task_config.resources.contains(&Resource::RamMb(16)));
        assert_eq!(ports(&found), Vec::<String>::new());
    }
}

//! The changing calls: what they refuse, in which words, and what they do.

use super::*;
use aurora_mesos::v1::TaskState;

fn create(world: &mut World, job: JobConfiguration) -> (ResponseCode, String) {
    world.answer(arguments::CreateJob {
        description: Some(job),
    })
}

fn quota(cpus: f64, ram_mb: i64, disk_mb: i64) -> ResourceAggregate {
    ResourceAggregate {
        resources: BTreeSet::from([
            Resource::NumCpus(Double(cpus)),
            Resource::RamMb(ram_mb),
            Resource::DiskMb(disk_mb),
        ]),
    }
}

fn set_quota(world: &mut World, role: &str, quota: ResourceAggregate) -> (ResponseCode, String) {
    world.answer(arguments::SetQuota {
        owner_role: Some(role.to_owned()),
        quota: Some(quota),
    })
}

fn preferred(name: &str, instances: i32) -> JobConfiguration {
    let mut job = job(name, instances);
    job.task_config.tier = Some("preferred".to_owned());
    job
}

/// What is refused, and with which words. The words are upstream's except where a comment says otherwise.
#[test]
fn jobs_that_are_refused() {
    type Spoil = fn(&mut JobConfiguration);
    let cases: &[(&str, Spoil)] = &[
        ("Job configuration must have taskConfig set.", |job| {
            job.task_config = TaskConfig::default()
        }),
        ("Instance count must be positive.", |job| {
            job.instance_count = 0
        }),
        ("Instance count must be positive.", |job| {
            job.instance_count = -1
        }),
        (
            "Instance count must be between 1 and 4000 inclusive.",
            |job| job.instance_count = 4001,
        ),
        (
            "Job key JobKey(role:www, environment:prod, name:a b) is invalid.",
            |job| job.key.name = "a b".to_owned(),
        ),
        (
            "Job key JobKey(role:, environment:prod, name:hello) is invalid.",
            |job| job.key.role.clear(),
        ),
        (
            r"Job environment production doesn't match: ^(prod|devel|test|staging\d*)$",
            |job| {
                job.key.environment = "production".to_owned();
            },
        ),
        ("Job user contains illegal characters: a/b", |job| {
            job.owner = Some(Identity {
                user: Some("a/b".to_owned()),
            });
        }),
        ("Tier contains illegal characters: a b", |job| {
            job.task_config.tier = Some("a b".to_owned())
        }),
        ("Invalid tier 'gold' in TaskConfig.", |job| {
            job.task_config.tier = Some("gold".to_owned())
        }),
        (
            "Job key JobKey(role:www, environment:prod, name:a/b) is invalid.",
            |job| {
                job.task_config.job.name = "a/b".to_owned();
            },
        ),
        // Ours: upstream stores the tasks under the second key without a word.
        (
            "Job key www/prod/hello does not match the task configuration's job key other/prod/hello.",
            |job| {
                job.task_config.job.role = "other".to_owned();
            },
        ),
        ("Configuration may not be null.", |job| {
            job.task_config.executor_config = None
        }),
        ("Executor name may not be left unset.", |job| {
            job.task_config.executor_config = Some(ExecutorConfig::default());
        }),
        ("Configuration for executor 'other' doesn't exist.", |job| {
            job.task_config.executor_config = Some(ExecutorConfig {
                name: Some("other".to_owned()),
                data: None,
            });
        }),
        ("A dedicated constraint must be of value type.", |job| {
            job.task_config.constraints.insert(limit("dedicated", 1));
        }),
        (
            "A dedicated constraint must have exactly one value",
            |job| {
                job.task_config
                    .constraints
                    .insert(value("dedicated", false, &["www/a", "www/b"]));
            },
        ),
        ("Only ads may use hosts dedicated for that role.", |job| {
            job.task_config
                .constraints
                .insert(value("dedicated", false, &["ads/web"]));
        }),
        (
            "This scheduler is not configured to allow the container type DOCKER",
            |job| {
                job.task_config.container = Container::Docker(DockerContainer {
                    image: Some("busybox".to_owned()),
                    parameters: vec![],
                });
            },
        ),
        ("A container must specify an image.", |job| {
            job.task_config.container = Container::Docker(DockerContainer::default());
        }),
        (
            "This scheduler is configured to disallow Docker parameters.",
            |job| {
                job.task_config.container = Container::Docker(DockerContainer {
                    image: Some("busybox".to_owned()),
                    parameters: vec![DockerParameter::default()],
                });
            },
        ),
        (
            "This scheduler is configured to require an executor for Docker-based tasks.",
            |job| {
                job.task_config.executor_config = None;
                job.task_config.container = Container::Docker(DockerContainer {
                    image: Some("busybox".to_owned()),
                    parameters: vec![],
                });
            },
        ),
        (
            "Multiple resource values are not supported for CPU, RAM",
            |job| {
                job.task_config
                    .resources
                    .extend([Resource::NumCpus(Double(2.0)), Resource::RamMb(1)]);
            },
        ),
        ("num_cpus must be greater than 0.0", |job| {
            job.task_config.resources = BTreeSet::from([Resource::RamMb(1), Resource::DiskMb(1)]);
        }),
        ("num_cpus must be greater than 0.0", |job| {
            let resources = [
                Resource::NumCpus(Double(f64::NAN)),
                Resource::RamMb(1),
                Resource::DiskMb(1),
            ];
            job.task_config.resources = BTreeSet::from(resources);
        }),
        ("ram_mb must be greater than 0.0", |job| {
            let resources = [
                Resource::NumCpus(Double(1.0)),
                Resource::RamMb(-5),
                Resource::DiskMb(1),
            ];
            job.task_config.resources = BTreeSet::from(resources);
        }),
        ("disk_mb must be greater than 0.0", |job| {
            let resources = [
                Resource::NumCpus(Double(1.0)),
                Resource::RamMb(1),
                Resource::DiskMb(0),
            ];
            job.task_config.resources = BTreeSet::from(resources);
        }),
        ("GPU resource support is disabled in this cluster.", |job| {
            job.task_config.resources.insert(Resource::NumGpus(1));
        }),
        (
            "Mesos Fetcher for individual jobs is disabled in this cluster.",
            |job| {
                job.task_config
                    .mesos_fetcher_uris
                    .insert(MesosFetcherURI::default());
            },
        ),
        (
            "This scheduler is configured to disallow container volumes.",
            |job| {
                job.task_config.container = Container::Mesos(MesosContainer {
                    image: None,
                    volumes: Some(vec![Volume::default()]),
                });
            },
        ),
        ("Tier 'preemptible' does not support SlaPolicy.", |job| {
            job.task_config.sla_policy = Some(SlaPolicy::CountSlaPolicy(CountSlaPolicy::default()));
        }),
        (
            "A service task may not be run on a cron schedule: www/prod/hello",
            |job| {
                job.cron_schedule = Some("* * * * *".to_owned());
            },
        ),
        (
            "Cron jobs may only be created/updated by calling scheduleCronJob.",
            |job| {
                job.cron_schedule = Some(String::new());
            },
        ),
        (
            "Role root is not allowed: its processes would run as root on the agents. \
          Start the scheduler with --allow-root-role to allow it.",
            |job| {
                job.key.role = "root".to_owned();
                job.task_config.job.role = "root".to_owned();
            },
        ),
    ];
    for (text, spoil) in cases {
        let mut world = World::registered(config());
        let mut bad = job("hello", 2);
        spoil(&mut bad);
        assert_eq!(
            create(&mut world, bad),
            (ResponseCode::InvalidRequest, (*text).to_owned())
        );
        assert!(world.core.store().read().jobs().next().is_none());
    }
    let mut world = World::registered(Config {
        allow_root_role: true,
        ..config()
    });
    let mut root = job("hello", 1);
    root.key.role = "root".to_owned();
    root.task_config.job.role = "root".to_owned();
    world.create(root);
}

#[test]
fn sla_policies_must_leave_room_for_one() {
    let count = |count, duration_secs| {
        SlaPolicy::CountSlaPolicy(CountSlaPolicy {
            count,
            duration_secs,
        })
    };
    let percentage = |percentage, duration_secs| {
        SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: Double(percentage),
            duration_secs,
        })
    };
    let cases = [
        (
            19,
            count(5, 60),
            Some("Job with fewer than 20 instances cannot have Percentage/Count SlaPolicy."),
        ),
        (20, count(19, 60), None),
        (
            20,
            count(20, 60),
            Some(
                "Current CountSlaPolicy: count=20 will not allow any instances to be killed. Must be less than instanceCount=20.",
            ),
        ),
        (
            20,
            count(1, 7201),
            Some(
                "CountSlaPolicy: durationSecs=7201 must be less than cluster-wide maximum of 7200 secs.",
            ),
        ),
        (20, percentage(95.0, 7200), None),
        (
            20,
            percentage(96.0, 60),
            Some(
                "Current PercentageSlaPolicy: percentage=96.000000 will not allow any instances to be killed. Must be less than 95.000000.",
            ),
        ),
        (
            1,
            SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy::default()),
            None,
        ),
    ];
    for (instances, policy, refusal) in cases {
        let mut job = preferred("hello", instances);
        job.task_config.sla_policy = Some(policy);
        let answer = validate::populate(&config(), job);
        assert_eq!(answer.err().as_deref(), refusal);
    }
}

#[test]
fn defaults_are_filled_in() {
    let mut bare = job("hello", 1);
    bare.task_config.production = Some(true);
    let ports = ["http", "health", "admin"].map(|name| Resource::NamedPort(name.to_owned()));
    bare.task_config.resources.extend(ports);
    let task = validate::populate(&config(), bare.clone())
        .unwrap()
        .task_config;
    assert_eq!(
        (task.tier.as_deref(), task.production),
        (Some("preemptible"), Some(false))
    );
    let links: Vec<_> = task
        .task_links
        .iter()
        .map(|(name, link)| (name.as_str(), link.as_str()))
        .collect();
    assert_eq!(
        links,
        [
            ("health", "http://%host%:%port:health%"),
            ("http", "http://%host%:%port:http%")
        ]
    );
    bare.task_config.tier = Some("preferred".to_owned());
    bare.task_config.production = None;
    bare.task_config.task_links = [("own".to_owned(), "link".to_owned())].into();
    let task = validate::populate(&config(), bare).unwrap().task_config;
    assert_eq!((task.production, task.task_links.len()), (Some(true), 1));

    let parameter = DockerParameter {
        name: "net".to_owned(),
        value: "host".to_owned(),
    };
    let docker = Config {
        allow_docker_containers: true,
        default_docker_parameters: vec![parameter.clone()],
        ..config()
    };
    let mut boxed = job("hello", 1);
    boxed.task_config.container = Container::Docker(DockerContainer {
        image: Some("busybox".to_owned()),
        parameters: vec![],
    });
    let task = validate::populate(&docker, boxed).unwrap().task_config;
    let Container::Docker(container) = task.container else {
        panic!("{task:?}");
    };
    assert_eq!(container.parameters, [parameter]);
}

#[test]
fn a_job_exists_while_it_is_active() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    assert_eq!(
        create(&mut world, job("hello", 1)),
        (
            ResponseCode::InvalidRequest,
            "Job www/prod/hello already exists".to_owned()
        )
    );
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        ..arguments::KillTasks::default()
    });
    world.status(&id, TaskState::Killed);
    world.create(job("hello", 1));
}

#[test]
fn some_instances_can_be_killed() {
    let mut world = World::registered(config());
    world.create(job("hello", 5));
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: Some(BTreeSet::from([1, 3, 77])),
        message: None,
    });
    assert_eq!(
        world.states("hello"),
        ["0 PENDING", "2 PENDING", "4 PENDING"]
    );
    let bad = arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "a b")),
        ..arguments::KillTasks::default()
    };
    assert_eq!(world.answer(bad).0, ResponseCode::Error);
}

#[test]
fn instances_are_added_above_the_greatest() {
    let mut world = World::registered(Config {
        max_tasks_per_job: 6,
        ..config()
    });
    world.create(job("hello", 3));
    let add = |instance_id, count| arguments::AddInstances {
        key: Some(InstanceKey {
            job_key: JobKey::new("www", "prod", "hello"),
            instance_id,
        }),
        count,
    };
    let invalid = |text: &str| (ResponseCode::InvalidRequest, text.to_owned());
    assert_eq!(
        world.answer(add(0, 0)),
        invalid("Instance count must be positive.")
    );
    assert_eq!(
        world.answer(add(9, 1)),
        invalid("No active task found for a given instance ID.")
    );
    assert_eq!(
        world.answer(add(0, 4)),
        invalid("Instance count must be between 1 and 6 inclusive.")
    );
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: Some(BTreeSet::from([1])),
        message: None,
    });
    assert_eq!(world.answer(add(2, 4)), (ResponseCode::Ok, String::new()));
    let expected = [0, 2, 3, 4, 5, 6].map(|instance| format!("{instance} PENDING"));
    assert_eq!(world.states("hello"), expected);
    assert_eq!(world.core.store().read().configs().count(), 1);
}

#[test]
fn quotas_limit_production() {
    let mut world = World::registered(config());
    let invalid = |text: &str| (ResponseCode::InvalidRequest, text.to_owned());
    assert_eq!(
        create(&mut world, preferred("hello", 2)),
        invalid(
            "Insufficient resource quota: CPU quota exceeded by 2.00 core(s); RAM quota exceeded by 2048.00 MB; \
             disk quota exceeded by 2048.00 MB"
        )
    );
    assert_eq!(
        set_quota(&mut world, "www", quota(2.5, 4096, 4096)).0,
        ResponseCode::Ok
    );
    world.create(preferred("hello", 2));
    assert_eq!(
        create(&mut world, preferred("more", 1)),
        invalid("Insufficient resource quota: CPU quota exceeded by 0.50 core(s)")
    );
    let add = arguments::AddInstances {
        key: Some(InstanceKey {
            job_key: JobKey::new("www", "prod", "hello"),
            instance_id: 0,
        }),
        count: 1,
    };
    assert_eq!(
        world.answer(add),
        invalid("Insufficient resource quota: CPU quota exceeded by 0.50 core(s)")
    );
    // Other tiers, and production on dedicated hosts, are not limited.
    world.create(job("batch", 100));
    let mut own = preferred("own", 50);
    own.task_config
        .constraints
        .insert(value("dedicated", false, &["www/db"]));
    world.create(own);

    let (code, text) = set_quota(&mut world, "www", quota(1.0, 4096, 4096));
    assert_eq!(code, ResponseCode::InvalidRequest);
    assert!(
        text.contains("is less then current prod reservation"),
        "{text}"
    );
    let (code, text) = set_quota(&mut world, "www", quota(5.0, -1, 4096));
    assert!(
        code == ResponseCode::InvalidRequest && text.starts_with("Negative values in: "),
        "{text}"
    );
    let short = ResourceAggregate {
        resources: BTreeSet::from([Resource::NumCpus(Double(1.0))]),
    };
    assert_eq!(set_quota(&mut world, "www", short).0, ResponseCode::Error);
    assert_eq!(
        set_quota(&mut world, " ", quota(1.0, 1, 1)).0,
        ResponseCode::Error
    );

    // What ends is given back.
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        ..arguments::KillTasks::default()
    });
    assert_eq!(
        world
            .core
            .store()
            .read()
            .usage("www", store::Pool::ProdShared),
        store::Usage::default()
    );
    assert_eq!(
        set_quota(&mut world, "www", quota(0.0, 0, 0)).0,
        ResponseCode::Ok
    );
}

#[test]
fn a_state_can_be_forced() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    let force = |id: &str, status| arguments::ForceTaskState {
        task_id: Some(id.to_owned()),
        status: Some(status),
    };
    let ok = (ResponseCode::Ok, String::new());
    assert_eq!(
        world.answer(force(&id, ScheduleStatus::Pending)),
        ok,
        "illegal, and not told"
    );
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Running);
    assert_eq!(world.answer(force(&id, ScheduleStatus::Lost)), ok);
    let task = world.core.store().read().task(&id).unwrap().clone();
    assert_eq!(
        history(&task).last().unwrap(),
        "LOST Transition forced by tester"
    );
    assert_eq!(
        world.answer(force(" ", ScheduleStatus::Lost)).0,
        ResponseCode::Error
    );
    assert_eq!(
        world.answer(arguments::ForceTaskState::default()).0,
        ResponseCode::Error
    );
}

#[test]
fn only_ended_tasks_are_pruned() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.create(job("waiting", 1));
    world.status(&id, TaskState::Failed);
    let prune = |query: TaskQuery| arguments::PruneTasks { query: Some(query) };
    let active = TaskQuery {
        statuses: Some(BTreeSet::from([
            ScheduleStatus::Failed,
            ScheduleStatus::Running,
        ])),
        ..TaskQuery::default()
    };
    assert_eq!(
        world.answer(prune(active)),
        (
            ResponseCode::Error,
            "Tasks in non-terminal state cannot be pruned.".to_owned()
        )
    );
    let ok = (ResponseCode::Ok, String::new());
    let nothing = TaskQuery {
        role: Some("nobody".to_owned()),
        ..TaskQuery::default()
    };
    assert_eq!(world.answer(prune(nothing)), ok);
    let none = TaskQuery {
        limit: Some(0),
        ..TaskQuery::default()
    };
    assert_eq!(world.answer(prune(none)), ok);
    assert_eq!(world.states("hello"), ["0 FAILED", "0 PENDING"]);
    let empty = TaskQuery {
        statuses: Some(BTreeSet::new()),
        ..TaskQuery::default()
    };
    assert_eq!(world.answer(prune(empty)), ok);
    assert_eq!(world.states("hello"), ["0 PENDING"]);
    assert_eq!(world.states("waiting"), ["0 PENDING"]);
}

#[test]
fn reconciliation_asks_in_batches() {
    let mut world = World::registered(config());
    world.create(job("hello", 3));
    for name in ["a", "b", "c"] {
        world.offer(&host(name));
    }
    world.pass(5_000);
    assert_eq!(
        world.states("hello"),
        vec!["0 ASSIGNED", "1 ASSIGNED", "2 ASSIGNED"]
    );
    let trigger = |batch_size| arguments::TriggerExplicitTaskReconciliation {
        settings: Some(ExplicitReconciliationSettings { batch_size }),
    };
    let sizes = |calls: &[MesosCall]| -> Vec<usize> {
        let sizes = calls.iter().filter_map(|call| match call {
            MesosCall::Reconcile { tasks } => Some(tasks.len()),
            _ => None,
        });
        sizes.collect()
    };
    assert_eq!(
        world.answer(trigger(Some(0))),
        (
            ResponseCode::InvalidRequest,
            "Batch size must be greater than zero.".to_owned()
        )
    );
    let (_, calls) = world.call(trigger(Some(2)));
    assert_eq!(sizes(&calls), [2]);
    assert_eq!(sizes(&world.pass(4_000)), Vec::<usize>::new());
    assert_eq!(sizes(&world.pass(1_000)), [1]);
    let (_, calls) = world.call(trigger(None));
    assert_eq!(sizes(&calls), [3]);
    let (_, calls) = world.call(arguments::TriggerImplicitTaskReconciliation {});
    assert_eq!(calls, [MesosCall::Reconcile { tasks: vec![] }]);
}

#[test]
fn reconciliation_runs_by_itself() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.pass(3 * 3_600_000 - 3_000);
    // Explicitly after 1, 61 and 121 minutes, implicitly after 31, 91 and 151; both once more at most by three hours.
    assert_eq!(world.core.counters()["reconciliation_explicit_runs"], 3);
    assert_eq!(world.core.counters()["reconciliation_implicit_runs"], 3);
    assert_eq!(
        world.core.store().read().task(&id).unwrap().status,
        ScheduleStatus::Running
    );
}

#[test]
fn what_is_not_there_says_so() {
    use aurora_api::service::{Access, arguments::*};
    let calls: Vec<Call> = vec![
        ScheduleCronJob::default().into(),
        DescheduleCronJob::default().into(),
        StartCronJob::default().into(),
        ReplaceCronTemplate::default().into(),
        StartJobUpdate::default().into(),
        PauseJobUpdate::default().into(),
        ResumeJobUpdate::default().into(),
        AbortJobUpdate::default().into(),
        RollbackJobUpdate::default().into(),
        PulseJobUpdate::default().into(),
        PerformBackup::default().into(),
        ListBackups::default().into(),
        StageRecovery::default().into(),
        QueryRecovery::default().into(),
        DeleteRecoveryTasks::default().into(),
        CommitRecovery::default().into(),
        UnloadRecovery::default().into(),
        StartMaintenance::default().into(),
        DrainHosts::default().into(),
        MaintenanceStatus::default().into(),
        EndMaintenance::default().into(),
        SlaDrainHosts::default().into(),
        Snapshot::default().into(),
    ];
    let names: Vec<&str> = calls.iter().map(Call::method).collect();
    assert_eq!(names, UNSUPPORTED);
    let mut world = World::registered(config());
    for call in calls {
        assert_ne!(call.access(), Access::Read);
        let text = format!("{} is not supported by this scheduler yet", call.method());
        assert_eq!(world.answer(call), (ResponseCode::InvalidRequest, text));
    }
    assert_eq!(
        world.answer(GetRoleSummary::default()).0,
        ResponseCode::Error
    );
}

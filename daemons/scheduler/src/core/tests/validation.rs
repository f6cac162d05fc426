//! What a job must look like, and what it gets by default.

use super::*;

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
        ("ram_mb must not be greater than 4294967296", |job| {
            let resources = [
                Resource::NumCpus(Double(1.0)),
                Resource::RamMb(i64::MAX),
                Resource::DiskMb(1),
            ];
            job.task_config.resources = BTreeSet::from(resources);
        }),
        ("num_cpus must not be greater than 1000000", |job| {
            let resources = [
                Resource::NumCpus(Double(1e300)),
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
        (
            20,
            count(-1, 60),
            Some("CountSlaPolicy: count=-1 must not be negative."),
        ),
        (
            20,
            percentage(95.0, -1),
            Some("PercentageSlaPolicy: durationSecs=-1 must not be negative."),
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

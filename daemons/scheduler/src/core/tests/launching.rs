//! What Mesos is told of executors and containers.

use super::*;

fn launched(config: Config, job: JobConfiguration) -> v1::TaskInfo {
    let mut world = World::registered(config);
    world.create(job);
    world.offer(&host("a"));
    let calls = world.pass(10);
    launches(&calls)[0].clone()
}

fn containers() -> Config {
    Config {
        allow_docker_containers: true,
        allow_docker_parameters: true,
        allow_container_volumes: true,
        enable_mesos_fetcher: true,
        require_docker_use_executor: false,
        ..config()
    }
}

fn command(info: &v1::TaskInfo) -> &v1::CommandInfo {
    info.executor.as_ref().unwrap().command.as_ref().unwrap()
}

#[test]
fn the_executors_command() {
    let info = launched(
        Config {
            home_in_sandbox: true,
            executor_resources: vec!["hdfs://ca.pem".to_owned()],
            ..containers()
        },
        {
            let mut job = job("hello", 1);
            job.task_config.mesos_fetcher_uris = [MesosFetcherURI {
                value: "http://pkg/1".to_owned(),
                extract: Some(true),
                cache: None,
                output_file: Some("one".to_owned()),
            }]
            .into();
            job
        },
    );
    let command = command(&info);
    assert_eq!(
        command.value.as_deref(),
        Some("export HOME=${MESOS_SANDBOX=.}; exec /opt/aurora/aurora-executor")
    );
    let uris: Vec<_> = command
        .uris
        .iter()
        .map(|uri| {
            (
                &*uri.value,
                uri.executable,
                uri.extract,
                uri.cache,
                uri.output_file.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        uris,
        [
            ("hdfs://ca.pem", Some(true), true, None, None),
            ("http://pkg/1", Some(false), true, Some(false), Some("one")),
        ]
    );
    let labels = &info
        .executor
        .as_ref()
        .unwrap()
        .labels
        .as_ref()
        .unwrap()
        .labels;
    let labels: Vec<_> = labels
        .iter()
        .map(|label| (&*label.key, label.value.as_deref()))
        .collect();
    assert_eq!(labels, [("source", Some("www.prod.hello.0"))]);
}

fn mount(host: &str, container: &str, mode: v1::VolumeMode) -> v1::Volume {
    v1::Volume {
        mode,
        host_path: Some(host.to_owned()),
        container_path: container.to_owned(),
        ..v1::Volume::default()
    }
}

#[test]
fn containers_with_an_image() {
    let global = mount("/etc/ssl", "/etc/ssl", v1::VolumeMode::Ro);
    let config = || Config {
        global_container_mounts: vec![global.clone()],
        ..containers()
    };
    let volume = Volume {
        container_path: "/data".to_owned(),
        host_path: "/srv".to_owned(),
        mode: Some(Mode::Rw),
    };
    let in_mesos = |image| {
        let mut job = job("hello", 1);
        job.task_config.container = Container::Mesos(MesosContainer {
            image,
            volumes: Some(vec![volume.clone()]),
        });
        job
    };
    let docker = Image::Docker(DockerImage {
        name: "web".to_owned(),
        tag: "7".to_owned(),
    });
    let appc = Image::Appc(AppcImage {
        name: "web".to_owned(),
        image_id: "sha".to_owned(),
    });
    for (image, is_docker) in [(docker, true), (appc, false)] {
        let info = launched(config(), in_mesos(Some(image)));
        assert!(info.container.is_none());
        let container = info.executor.unwrap().container.unwrap();
        assert_eq!(container.kind, v1::ContainerType::Mesos);
        assert!(container.mesos.is_some());
        let [first, second, third] = &container.volumes[..] else {
            panic!("{:?}", container.volumes);
        };
        assert_eq!(
            (first, second),
            (&global, &mount("/srv", "/data", v1::VolumeMode::Rw))
        );
        assert_eq!(
            (third.container_path.as_str(), third.mode),
            ("taskfs", v1::VolumeMode::Ro)
        );
        let image = third.image.as_ref().unwrap();
        if is_docker {
            assert_eq!(image.docker.as_ref().unwrap().name, "web:7");
        } else {
            let appc = image.appc.as_ref().unwrap();
            assert_eq!(
                (appc.name.as_str(), appc.id.as_deref()),
                ("web", Some("sha"))
            );
        }
    }
    // Without an image there is no container, and nothing is mounted.
    let info = launched(config(), in_mesos(None));
    assert!(info.executor.unwrap().container.is_none());
}

#[test]
fn docker_with_and_without_an_executor() {
    for with_executor in [true, false] {
        let mut job = job("hello", 1);
        job.task_config.container = Container::Docker(DockerContainer {
            image: Some("web:7".to_owned()),
            parameters: vec![DockerParameter {
                name: "network".to_owned(),
                value: "host".to_owned(),
            }],
        });
        if !with_executor {
            job.task_config.executor_config = None;
        }
        let global = mount("/etc/ssl", "/etc/ssl", v1::VolumeMode::Ro);
        let info = launched(
            Config {
                global_container_mounts: vec![global.clone()],
                ..containers()
            },
            job,
        );
        let container = match &info.executor {
            Some(executor) => executor.container.as_ref(),
            None => info.container.as_ref(),
        };
        let container = container.unwrap();
        let docker = container.docker.as_ref().unwrap();
        assert_eq!(
            (container.kind, docker.image.as_str()),
            (v1::ContainerType::Docker, "web:7")
        );
        assert_eq!(docker.parameters[0].key, "network");
        assert_eq!(info.executor.is_some(), with_executor);
        assert_eq!(container.volumes.len(), usize::from(with_executor));
        if with_executor {
            assert!(info.data.is_some() && info.command.is_none());
        } else {
            // The image's own command, and no share for an executor.
            assert!(!info.command.as_ref().unwrap().shell && info.data.is_none());
            assert!(info.resources.contains(&scalar("cpus", 1.0)));
        }
    }
}

#[test]
fn ports_are_told_for_discovery() {
    let mut hello = job("hello", 1);
    hello
        .task_config
        .resources
        .insert(Resource::NamedPort("http".to_owned()));
    let info = launched(
        Config {
            populate_discovery_info: true,
            cluster_name: "west".to_owned(),
            ..config()
        },
        hello,
    );
    let discovery = info.discovery.unwrap();
    assert_eq!(discovery.visibility, v1::Visibility::Cluster);
    assert_eq!(discovery.name.as_deref(), Some("hello.prod.www"));
    assert_eq!(discovery.environment.as_deref(), Some("prod"));
    assert_eq!(discovery.location.as_deref(), Some("west"));
    let port = &discovery.ports.unwrap().ports[0];
    assert_eq!(
        (port.name.as_deref(), port.protocol.as_deref()),
        (Some("http"), Some("TCP"))
    );
    assert!((31_000..=31_009).contains(&port.number));
}

#[test]
fn executors_of_the_operators_own() {
    let custom = config::CustomExecutor {
        info: v1::ExecutorInfo {
            name: Some("mine".to_owned()),
            command: Some(v1::CommandInfo {
                value: Some("./mine".to_owned()),
                uris: vec![v1::CommandUri {
                    value: "/dist/mine".to_owned(),
                    ..v1::CommandUri::default()
                }],
                ..v1::CommandInfo::default()
            }),
            resources: vec![scalar("cpus", 1.0), scalar("mem", 512.0)],
            ..v1::ExecutorInfo::default()
        },
        task_prefix: "mine-".to_owned(),
        volumes: Vec::new(),
    };
    let config = || Config {
        custom_executors: [("mine".to_owned(), custom.clone())].into(),
        ..config()
    };
    let hello = |name: &str| {
        let mut job = job("hello", 1);
        job.task_config.executor_config = Some(ExecutorConfig {
            name: Some(name.to_owned()),
            data: Some("{}".to_owned()),
        });
        job
    };
    let info = launched(config(), hello("mine"));
    let executor = info.executor.unwrap();
    assert!(
        executor
            .executor_id
            .value
            .starts_with("mine-www-prod-hello-0-")
    );
    assert_eq!(executor.name.as_deref(), Some("mine"));
    assert_eq!(executor.command.unwrap().value.as_deref(), Some("./mine"));
    assert_eq!(
        executor.resources,
        [scalar("cpus", 1.0), scalar("mem", 512.0)]
    );
    assert_eq!(executor.source.as_deref(), Some("www.prod.hello.0"));
    // Its share counts when an offer is looked for.
    let mut world = World::registered(config());
    world.create(hello("mine"));
    world.offer(&Host {
        cpus: 1.9,
        ..host("a")
    });
    world.pass(10);
    assert_eq!(
        reason(&world, "hello").as_deref(),
        Some("Insufficient: CPU")
    );
    let (code, text) = create(&mut world, hello("theirs"));
    assert_eq!(code, ResponseCode::InvalidRequest);
    assert!(
        text.contains("Configuration for executor 'theirs' doesn't exist."),
        "{text}"
    );
}

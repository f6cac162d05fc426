//! What Mesos is told of executors and containers.

use super::*;
use crate::core::blueprint::Blueprint;

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

/// Matching and cutting agree. Should they not, the offer goes back and the task waits for another.
#[test]
fn an_offer_that_turns_out_too_small_is_given_back() {
    let mut world = World::registered(config());
    world.offer(&host("a"));
    world.create(job("hello", 1));
    let task = world.active("hello", 0);
    let core = &mut world.core;
    let row = core.agents.find("agent-a").unwrap();
    let place = core.agents.at(row).offer.unwrap();
    let mut held = core.offers.remove(&mut core.agents, place).unwrap();
    held.lots.clear();
    let blueprint = Blueprint::new(&core.config, &task.config).into();
    assert!(!core.launch(&task.id(), &task.config, &blueprint, &mut held));
    let calls = calls(core.finish().effects);
    assert_eq!((declined(&calls), launches(&calls).len()), (vec!["O1"], 0));
    assert_eq!(core.counters()["assigner_launch_failures"], 1);
    assert_eq!(world.states("hello"), ["0 PENDING"]);
}

/// Of an executor's share, what the task has none of itself is not looked for and not taken.
#[test]
fn an_executors_share_is_of_the_kinds_that_the_task_asks_for() {
    let hungry = config::CustomExecutor {
        info: v1::ExecutorInfo {
            command: Some(v1::CommandInfo::default()),
            resources: vec![
                scalar("cpus", 1.0),
                scalar("mem", 512.0),
                scalar("gpus", 1.0),
                ports(31_000, 31_001),
            ],
            ..v1::ExecutorInfo::default()
        },
        task_prefix: String::new(),
        volumes: Vec::new(),
    };
    let config = Config {
        custom_executors: [("hungry".to_owned(), hungry)].into(),
        ..config()
    };
    let mut hello = job("hello", 1);
    hello.task_config.executor_config = Some(ExecutorConfig {
        name: Some("hungry".to_owned()),
        data: None,
    });
    // The host has no GPU.
    let executor = launched(config, hello).executor.unwrap();
    assert_eq!(
        executor.resources,
        [scalar("cpus", 1.0), scalar("mem", 512.0)]
    );
}

/// What the core asks of Mesos for a task from offer to end, call by call; a kill names the agent once there is one.
#[test]
fn calls_for_a_task_from_its_offer_to_its_end() {
    let mut world = World::registered(config());
    world.create(job("hello", 2));
    for name in ["a", "b"] {
        world.offer(&host(name));
    }
    let calls = world.pass(2_000);
    // One ACCEPT for each task, of one offer each.
    let accepted: Vec<(Vec<&str>, String)> = calls
        .iter()
        .map(|call| match call {
            MesosCall::Launch {
                offer_ids,
                task,
                refuse_seconds,
            } => {
                assert_eq!(*refuse_seconds, 5.0);
                let offers = offer_ids.iter().map(|id| id.value.as_str());
                (offers.collect(), task.info().task_id.value)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let [(first, one), (second, other)] = &accepted[..] else {
        panic!("{accepted:?}");
    };
    let mut used = [first, second].map(|offers| offers.join(" "));
    used.sort();
    assert_eq!(used, ["O1", "O2"]);
    assert_ne!(one, other);
    let agent = |id: &str| {
        let task = world.core.store().read().task(id).unwrap().clone();
        AgentId::from(&*task.place().unwrap().agent)
    };
    let agents = [agent(one), agent(other)];
    let status = |task: &str, agent: &AgentId, state| {
        MesosEvent::Status(vec![v1::TaskStatus {
            task_id: task.into(),
            state,
            agent_id: Some(agent.clone()),
            uuid: Some(bytes::Bytes::from_static(b"uuid")),
            ..v1::TaskStatus::default()
        }])
    };
    let acknowledged = |task: &str, agent: &AgentId| MesosCall::Acknowledge {
        agent_id: agent.clone(),
        task_id: task.into(),
        uuid: bytes::Bytes::from_static(b"uuid"),
    };
    // The change and its acknowledgement are of one step, whose effects wait for its ops.
    let running = status(one, &agents[0], v1::TaskState::Running);
    let step = world.core.step(world.now, Input::Mesos(running));
    assert!(
        matches!(
            &step.ops[..],
            [Op::SaveStatus {
                status: ScheduleStatus::Running,
                ..
            }]
        ),
        "{:?}",
        step.ops
    );
    assert_eq!(step.effects, [Effect::Mesos(acknowledged(one, &agents[0]))]);
    let (_, calls) = world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: None,
        message: None,
    });
    let mut expected =
        [(one, &agents[0]), (other, &agents[1])].map(|(task, agent)| MesosCall::Kill {
            task_id: task.as_str().into(),
            agent_id: Some(agent.clone()),
        });
    expected.sort_by_key(|call| format!("{call:?}"));
    let mut killed = calls;
    killed.sort_by_key(|call| format!("{call:?}"));
    assert_eq!(killed, expected);
    let end = status(one, &agents[0], v1::TaskState::Killed);
    assert_eq!(world.mesos(end), [acknowledged(one, &agents[0])]);
    // Nobody knows this one: its agent is known from the status alone.
    let stranger = status("stranger", &agents[1], v1::TaskState::Running);
    let kill = MesosCall::Kill {
        task_id: "stranger".into(),
        agent_id: Some(agents[1].clone()),
    };
    assert_eq!(
        world.mesos(stranger),
        [kill, acknowledged("stranger", &agents[1])]
    );
}

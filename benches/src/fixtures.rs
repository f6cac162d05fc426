//! Hosts, offers, tasks and clusters, of the shapes of Aurora's own suite (aurora: `Hosts.java`, `Offers.java`, `Tasks.java`).

use std::collections::BTreeSet;

use aurora_api::model::*;
use aurora_api::service::{Call, arguments};
use aurora_api::wire::Double;
use aurora_mesos::v1;
use aurora_scheduler::core::store::ConfigId;
use aurora_scheduler::core::{
    Config, Core, Effect, Input, Launch, MesosCall, MesosEvent, Millis, Op, Step, Store,
};

/// All chance comes from here.
pub(crate) const SEED: u64 = 1;

const START: Millis = 1_700_000_000_000;

/// What one host has.
pub(crate) const CPUS: f64 = 8.0;
const RAM_MB: f64 = 16.0 * 1024.0;
const DISK_MB: f64 = 256.0 * 1024.0;

/// Flags under which nothing but placement takes time.
pub(crate) fn flags() -> Config {
    Config {
        seed: SEED,
        hold_offers_forever: true,
        max_schedule_attempts_per_sec: 1e12,
        max_tasks_per_job: i32::MAX,
        allow_docker_containers: true,
        allow_docker_parameters: true,
        enable_mesos_fetcher: true,
        executor_path: "/opt/aurora/aurora-executor".to_owned(),
        // The executor's share would not leave room for what the tasks ask in the original's hosts.
        executor_cpus: 0.0,
        executor_ram_mb: 0,
        // What is assigned and never answered would be lost in the middle of a measurement.
        transient_task_state_timeout: i64::MAX / 4,
        preemption_delay: 0,
        preemption_slot_search_initial_delay: 3_600_000,
        preemption_slot_search_interval: 3_600_000,
        reconciliation_initial_delay: i64::MAX / 4,
        ..Config::default()
    }
}

/// A core with a clock and a cluster around it.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) now: Millis,
    offers: u64,
    writes: u64,
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        kind: v1::ValueType::Scalar,
        scalar: Some(v1::Scalar { value }),
        role: Some("*".to_owned()),
        ..v1::Resource::default()
    }
}

fn attribute(name: &str, value: String) -> v1::Attribute {
    v1::Attribute {
        name: name.to_owned(),
        kind: v1::ValueType::Text,
        text: Some(v1::Text { value }),
        ..v1::Attribute::default()
    }
}

/// A task of the original's suite: it fills three quarters of a host's cores.
pub(crate) fn job(role: &str, name: &str, tier: &str, instances: usize) -> JobConfiguration {
    let key = JobKey::new(role, "devel", name);
    let uri = |n: u32| MesosFetcherURI {
        value: format!("http://pkg/{n}"),
        extract: Some(false),
        cache: Some(false),
        output_file: None,
    };
    let parameter = |n: u32| DockerParameter {
        name: format!("p{n}"),
        value: format!("v{n}"),
    };
    JobConfiguration {
        key: key.clone(),
        owner: Some(Identity {
            user: Some("user".to_owned()),
        }),
        instance_count: i32::try_from(instances).expect("no benchmark has more"),
        task_config: TaskConfig {
            job: key,
            is_service: true,
            max_task_failures: -1,
            priority: 1,
            tier: Some(tier.to_owned()),
            contact_email: Some("user@example.org".to_owned()),
            task_links: [("http".to_owned(), "link".to_owned())].into(),
            metadata: [Metadata {
                key: "key".to_owned(),
                value: "value".to_owned(),
            }]
            .into(),
            mesos_fetcher_uris: [uri(1), uri(2)].into(),
            container: Container::Docker(DockerContainer {
                image: Some("image".to_owned()),
                parameters: vec![parameter(1), parameter(2)],
            }),
            partition_policy: Some(PartitionPolicy {
                reschedule: true,
                delay_secs: Some(5),
            }),
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".to_owned()),
                data: Some("data".to_owned()),
            }),
            resources: resources(6.0),
            ..TaskConfig::default()
        },
        ..JobConfiguration::default()
    }
}

/// So many cores, and memory and disk in the same proportion to a host as in the original's task.
pub(crate) fn resources(cpus: f64) -> BTreeSet<Resource> {
    let part = cpus / 6.0;
    [
        Resource::NumCpus(Double(cpus)),
        Resource::RamMb((part * 8.0 * 1024.0) as i64),
        Resource::DiskMb((part * 128.0 * 1024.0) as i64),
    ]
    .into()
}

/// So many hundredths of the instances are up for so many seconds.
pub(crate) fn percentage(percentage: f64, duration_secs: i64) -> SlaPolicy {
    SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
        percentage: Double(percentage),
        duration_secs,
    })
}

pub(crate) fn with(mut job: JobConfiguration, constraint: Constraint) -> JobConfiguration {
    job.task_config.constraints.insert(constraint);
    job
}

pub(crate) fn limit(name: &str, limit: i32) -> Constraint {
    Constraint {
        name: name.to_owned(),
        constraint: Some(TaskConstraint::Limit(LimitConstraint { limit })),
    }
}

pub(crate) fn value<T: ToString>(name: &str, values: impl IntoIterator<Item = T>) -> Constraint {
    let values = values.into_iter().map(|value| value.to_string());
    Constraint {
        name: name.to_owned(),
        constraint: Some(TaskConstraint::Value(ValueConstraint {
            negated: false,
            values: values.collect(),
        })),
    }
}

impl World {
    pub(crate) fn new() -> World {
        World::over(Core::new(flags()))
    }

    pub(crate) fn over(core: Core) -> World {
        let mut world = World {
            core,
            now: START,
            offers: 0,
            writes: 0,
        };
        world.subscribe();
        for role in ["jmh", "victim"] {
            let resources = [
                Resource::NumCpus(Double(1e9)),
                Resource::RamMb(1 << 50),
                Resource::DiskMb(1 << 50),
            ];
            world.write(arguments::SetQuota {
                owner_role: Some(role.to_owned()),
                quota: Some(ResourceAggregate {
                    resources: resources.into(),
                }),
            });
        }
        world
    }

    /// All offers are void after it.
    pub(crate) fn subscribe(&mut self) {
        self.mesos(MesosEvent::Registered {
            framework_id: "F".to_owned(),
            master: "m".to_owned(),
        });
    }

    pub(crate) fn step(&mut self, input: Input) -> Step {
        self.core.step(self.now, input)
    }

    pub(crate) fn mesos(&mut self, event: MesosEvent) -> Step {
        self.step(Input::Mesos(event))
    }

    pub(crate) fn write(&mut self, call: impl Into<Call>) -> Step {
        self.writes += 1;
        let step = self.step(Input::Write {
            id: self.writes,
            user: "user".to_owned(),
            call: call.into(),
        });
        if let Some(Effect::Reply { response, .. }) = step.effects.last() {
            assert_eq!(response.response_code, ResponseCode::Ok, "{response:?}");
        }
        step
    }

    pub(crate) fn create(&mut self, job: JobConfiguration) -> Step {
        self.write(arguments::CreateJob {
            description: Some(job),
        })
    }

    /// The offer of a host; racks have `rack_size` hosts.
    pub(crate) fn make_offer(&mut self, host: usize, rack_size: usize, cpus: f64) -> v1::Offer {
        self.offers += 1;
        let part = cpus / CPUS;
        v1::Offer {
            id: format!("O{}", self.offers).into(),
            framework_id: "F".into(),
            agent_id: format!("slave-{host}").into(),
            hostname: format!("host-{host}"),
            resources: vec![
                scalar("cpus", cpus),
                scalar("mem", RAM_MB * part),
                scalar("disk", DISK_MB * part),
                v1::Resource {
                    name: "ports".to_owned(),
                    kind: v1::ValueType::Ranges,
                    ranges: Some(v1::Ranges {
                        range: vec![v1::Range {
                            begin: 1,
                            end: 1023,
                        }],
                    }),
                    role: Some("*".to_owned()),
                    ..v1::Resource::default()
                },
            ],
            attributes: vec![
                attribute("host", format!("host-{host}")),
                attribute("rack", format!("rack-{}", host / rack_size)),
            ],
            ..v1::Offer::default()
        }
    }

    pub(crate) fn offer_hosts(&mut self, hosts: std::ops::Range<usize>) {
        for host in hosts {
            let offer = self.make_offer(host, 2, CPUS);
            self.mesos(MesosEvent::Offers(vec![offer]));
        }
    }

    /// Goes to the next deadline and decides.
    pub(crate) fn turn(&mut self) -> Step {
        if let Some(next) = self.core.next_deadline() {
            self.now = self.now.max(next);
        }
        self.step(Input::Timer)
    }

    /// Takes turns until so many tasks are launched or nothing more is; what was launched.
    pub(crate) fn launch(&mut self, wanted: usize) -> Vec<Launch> {
        let mut launched = Vec::with_capacity(wanted);
        let mut idle = 0;
        while launched.len() < wanted && idle < 3 {
            let before = launched.len();
            launched.extend(decided(self.turn()));
            idle = if launched.len() > before { 0 } else { idle + 1 };
        }
        launched
    }

    /// The same in the words that Mesos is told.
    pub(crate) fn place(&mut self, wanted: usize) -> Vec<v1::TaskInfo> {
        let launched = self.launch(wanted);
        launched.iter().map(Launch::info).collect()
    }

    /// Places a job and lets it run.
    pub(crate) fn run(&mut self, job: JobConfiguration) {
        let wanted = usize::try_from(job.instance_count).unwrap_or(0);
        if wanted == 0 {
            return;
        }
        self.create(job);
        for task in self.place(wanted) {
            self.status(
                &task.task_id.value,
                &task.agent_id.value,
                v1::TaskState::Running,
            );
        }
    }

    pub(crate) fn status(&mut self, task: &str, agent: &str, state: v1::TaskState) -> Step {
        self.mesos(MesosEvent::Status(vec![v1::TaskStatus {
            task_id: task.into(),
            agent_id: Some(agent.into()),
            state,
            uuid: Some(vec![0; 16].into()),
            ..v1::TaskStatus::default()
        }]))
    }

    /// Hosts of which a part runs production and a part preemptible tasks.
    pub(crate) fn filled(hosts: usize, production: f64, preemptible: f64) -> World {
        World::new().fill(hosts, production, preemptible)
    }

    /// The same of a world that has no hosts yet.
    pub(crate) fn fill(mut self, hosts: usize, production: f64, preemptible: f64) -> World {
        self.offer_hosts(0..hosts);
        let part = |part: f64| (part * hosts as f64).round() as usize;
        self.run(job("jmh", "benchmark", "preferred", part(production)));
        self.run(job("victim", "victim", "preemptible", part(preemptible)));
        self
    }
}

/// Puts pending tasks of a new configuration into a store.
pub(crate) fn insert(store: &mut Store, config: TaskConfig, first: i32, last: i32) {
    let id = ConfigId(store.read().task_count() as u64);
    let ops = [
        Op::AddConfig {
            id,
            config: config.into(),
        },
        Op::InsertTasks {
            config: id,
            instances: vec![Range { first, last }],
            seed: u128::from(id.0),
            time: 1,
        },
    ];
    for op in ops {
        store.apply(&op).expect("the ops are in order");
    }
}

/// The launches that a step decides on.
pub(crate) fn decided(step: Step) -> impl Iterator<Item = Launch> {
    step.effects.into_iter().filter_map(|effect| match effect {
        Effect::Mesos(MesosCall::Launch { task, .. }) => Some(*task),
        _ => None,
    })
}

/// The tasks that a step launches, in the words that Mesos is told.
pub(crate) fn launches(step: Step) -> impl Iterator<Item = v1::TaskInfo> {
    decided(step).map(|launch| launch.info())
}

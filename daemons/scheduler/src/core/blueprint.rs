//! What all launches of one configuration have in common, made once for all of them.
//!
//! A [`Launch`] refers to it and has what is the task's own: its id, its place, its resources and ports. The message is put
//! together where it leaves, so that deciding writes no text. The configuration that the executor gets is encoded here once;
//! [`Blueprint::data`] puts the other fields of upstream's `AssignedTask` around it.

use std::sync::Arc;

use aurora_api::binary;
use aurora_api::model::JobKey;
use aurora_mesos::v1::{
    CommandInfo, ContainerInfo, DiscoveryInfo, ExecutorInfo, Label, Labels, Port, Ports, TaskInfo,
    Visibility,
};

use super::config::Config;
use super::executor::{ExecutorTemplate, container_info, executor_template};
use super::lots::Lot;
use super::resources::Bag;
use super::store::{StoredConfig, TaskId};

/// See the module.
#[derive(Debug)]
pub(crate) struct Blueprint {
    /// What the task itself uses.
    pub(crate) need: Bag,
    /// What its executor uses beside it.
    pub(crate) overhead: Bag,
    pub(crate) revocable: bool,
    name: String,
    labels: Vec<Label>,
    /// The configuration as TBinary.
    encoded: Vec<u8>,
    /// `role.env.job.`, with which names of executors' sources begin.
    source: String,
    /// How others find it, its ports left out.
    discovery: Option<DiscoveryInfo>,
    runs: Runs,
}

/// What runs a task.
#[derive(Debug)]
enum Runs {
    Executor(Box<ExecutorTemplate>),
    /// The command of a Docker image: no executor.
    Image(Option<ContainerInfo>),
}

/// A task that Mesos is to launch.
#[derive(Clone)]
pub struct Launch {
    pub(crate) blueprint: Arc<Blueprint>,
    pub(crate) framework: Option<Arc<str>>,
    pub(crate) id: TaskId,
    pub(crate) instance: i32,
    pub(crate) agent: Arc<str>,
    pub(crate) host: Arc<str>,
    /// Ordered by name.
    pub(crate) ports: Box<[(Arc<str>, i32)]>,
    /// What is cut out of the offer for the task itself.
    pub(crate) own: Vec<Lot>,
    /// And for its executor.
    pub(crate) executor: Vec<Lot>,
}

impl Launch {
    /// What Mesos is told.
    pub fn info(&self) -> TaskInfo {
        self.blueprint.task_info(self)
    }
}

// A launch is what it says to Mesos.
impl PartialEq for Launch {
    fn eq(&self, other: &Launch) -> bool {
        self.info() == other.info()
    }
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info().fmt(f)
    }
}

fn label(key: &str, value: &str) -> Label {
    Label {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    }
}

fn labels(stored: &StoredConfig) -> Vec<Label> {
    let tier = stored.task.tier.iter();
    let tier = tier.map(|tier| label("org.apache.aurora.tier", tier));
    let metadata = stored.task.metadata.iter().map(|metadata| {
        let key = format!("org.apache.aurora.metadata.{}", metadata.key);
        label(&key, &metadata.value)
    });
    tier.chain(metadata).collect()
}

impl Blueprint {
    pub(crate) fn new(config: &Config, stored: &StoredConfig) -> Blueprint {
        let task = &stored.task;
        let need = Bag::of_task(&stored.amounts);
        let JobKey {
            role,
            environment,
            name,
        } = &task.job;
        let (overhead, runs) = match &task.executor_config {
            Some(executor) => (
                Bag::of_executor(config, executor, &need),
                Runs::Executor(Box::new(executor_template(config, executor, task))),
            ),
            None => (
                Bag::default(),
                Runs::Image(container_info(&task.container, &[])),
            ),
        };
        Blueprint {
            need,
            overhead,
            revocable: config.tier(task.tier.as_deref()).revocable,
            name: task.job.to_string(),
            labels: labels(stored),
            encoded: binary::encode(&*stored.task),
            source: format!("{role}.{environment}.{name}."),
            discovery: config
                .populate_discovery_info
                .then(|| discovery(config, &task.job)),
            runs,
        }
    }

    fn task_info(&self, launch: &Launch) -> TaskInfo {
        let id = &*launch.id;
        let mut info = TaskInfo {
            name: self.name.clone(),
            task_id: id.into(),
            agent_id: (&*launch.agent).into(),
            resources: launch.own.iter().map(Lot::to_resource).collect(),
            labels: Some(Labels {
                labels: self.labels.clone(),
            }),
            discovery: self.discovery.as_ref().map(|discovery| DiscoveryInfo {
                ports: Some(ports(launch)),
                ..discovery.clone()
            }),
            ..TaskInfo::default()
        };
        match &self.runs {
            Runs::Executor(template) => {
                // By this Mesos' own pages name the executor's source.
                let source = format!("{}{}", self.source, launch.instance);
                info.data = Some(self.data(launch).into());
                info.executor = Some(ExecutorInfo {
                    executor_id: format!("{}{id}", template.id_prefix).into(),
                    framework_id: launch.framework.as_deref().map(Into::into),
                    resources: launch.executor.iter().map(Lot::to_resource).collect(),
                    labels: Some(Labels {
                        labels: vec![label("source", &source)],
                    }),
                    source: Some(source),
                    ..template.info.clone()
                });
            }
            Runs::Image(container) => {
                info.container.clone_from(container);
                info.command = Some(CommandInfo {
                    shell: false,
                    ..CommandInfo::default()
                });
            }
        }
        info
    }

    /// An `AssignedTask` as TBinary: fields by id, each a type, the id and the value, and a zero at the end.
    fn data(&self, task: &Launch) -> Vec<u8> {
        const I32: u8 = 8;
        const TEXT: u8 = 11;
        const STRUCT: u8 = 12;
        const MAP: u8 = 13;
        let mut out = Vec::with_capacity(self.encoded.len() + 256);
        let field = |out: &mut Vec<u8>, kind: u8, id: u8| out.extend_from_slice(&[kind, 0, id]);
        let number = |out: &mut Vec<u8>, number: i32| out.extend_from_slice(&number.to_be_bytes());
        let text = |out: &mut Vec<u8>, text: &str| {
            number(out, i32::try_from(text.len()).unwrap_or(i32::MAX));
            out.extend_from_slice(text.as_bytes());
        };
        for (at, value) in [(1, &task.id), (2, &task.agent), (3, &task.host)] {
            field(&mut out, TEXT, at);
            text(&mut out, value);
        }
        field(&mut out, STRUCT, 4);
        out.extend_from_slice(&self.encoded);
        field(&mut out, MAP, 5);
        out.extend_from_slice(&[TEXT, I32]);
        number(
            &mut out,
            i32::try_from(task.ports.len()).unwrap_or(i32::MAX),
        );
        for (name, port) in &task.ports {
            text(&mut out, name);
            number(&mut out, *port);
        }
        field(&mut out, I32, 6);
        number(&mut out, task.instance);
        out.push(0);
        out
    }
}

fn discovery(config: &Config, job: &JobKey) -> DiscoveryInfo {
    DiscoveryInfo {
        visibility: Visibility::Cluster,
        name: Some(format!("{}.{}.{}", job.name, job.environment, job.role)),
        environment: Some(job.environment.clone()),
        location: Some(config.cluster_name.clone()),
        ..DiscoveryInfo::default()
    }
}

fn ports(launch: &Launch) -> Ports {
    let ports = launch.ports.iter().map(|(name, port)| Port {
        number: u32::try_from(*port).unwrap_or(0),
        name: Some(name.to_string()),
        protocol: Some("TCP".to_owned()),
        ..Port::default()
    });
    Ports {
        ports: ports.collect(),
    }
}

#[cfg(test)]
mod tests {
    use aurora_api::model::{Range, ScheduleStatus, TaskConfig};

    use super::*;
    use crate::core::store::{ConfigId, Store};
    use crate::core::{Change, Op};

    #[test]
    fn an_executor_gets_its_task_as_the_codec_writes_it() {
        let config = TaskConfig {
            job: JobKey::new("www", "prod", "hello"),
            tier: Some("preferred".to_owned()),
            priority: 7,
            ..TaskConfig::default()
        };
        let mut store = Store::default();
        let (id, all) = (ConfigId(1), vec![Range { first: 3, last: 4 }]);
        let add = Op::AddConfig {
            id,
            config: Arc::new(config),
        };
        let insert = Op::InsertTasks {
            config: id,
            instances: all,
            seed: 5,
            time: 1,
        };
        store.apply(&add).unwrap();
        let changes = store.apply(&insert).unwrap();
        for (change, ports) in changes
            .into_iter()
            .zip([&[][..], &[("http", 31_000), ("x", 1)]])
        {
            let Change::Task { id: task, .. } = change else {
                panic!("{change:?}");
            };
            let assign = Op::Assign {
                task: task.clone(),
                agent: "agent".into(),
                host: "host".into(),
                ports: ports
                    .iter()
                    .map(|(name, port)| ((*name).to_owned(), *port))
                    .collect(),
                time: 2,
            };
            store.apply(&assign).unwrap();
            let record = store.read().task(&task).unwrap();
            assert_eq!(record.status, ScheduleStatus::Assigned);
            let launch = Launch {
                blueprint: Arc::new(Blueprint::new(&Config::default(), &record.config)),
                framework: None,
                id: task.clone(),
                instance: record.instance,
                agent: "agent".into(),
                host: "host".into(),
                ports: record.ports.clone(),
                own: Vec::new(),
                executor: Vec::new(),
            };
            assert_eq!(
                launch.blueprint.data(&launch),
                binary::encode(&record.to_assigned())
            );
        }
    }
}

//! What all launches of one configuration have in common, made once for all of them.
//!
//! A launch copies this and adds what is the task's own: its id, its place, its resources and ports. The configuration that
//! the executor gets is encoded here once; [`Blueprint::data`] puts the other fields of upstream's `AssignedTask` around it.

use aurora_api::binary;
use aurora_api::model::JobKey;
use aurora_mesos::v1::{
    CommandInfo, ContainerInfo, DiscoveryInfo, ExecutorInfo, Label, Labels, Port, Ports, Resource,
    TaskInfo, Visibility,
};

use super::config::Config;
use super::executor::{ExecutorTemplate, container_info, executor_template};
use super::resources::Bag;
use super::store::{StoredConfig, Task};

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
    runs: Runs,
}

/// What runs a task.
#[derive(Debug)]
enum Runs {
    Executor(Box<ExecutorTemplate>),
    /// The command of a Docker image: no executor.
    Image(Option<ContainerInfo>),
}

/// Resources cut out of an offer for one task.
pub(crate) struct Cut {
    pub(crate) task: Vec<Resource>,
    pub(crate) executor: Vec<Resource>,
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
            runs,
        }
    }

    /// What Mesos is told of a task that has its place.
    pub(crate) fn task_info(
        &self,
        config: &Config,
        framework: Option<&str>,
        task: &Task,
        id: &str,
        cut: Cut,
    ) -> TaskInfo {
        let mut info = TaskInfo {
            name: self.name.clone(),
            task_id: id.into(),
            agent_id: task.agent().unwrap_or_default().into(),
            resources: cut.task,
            labels: Some(Labels {
                labels: self.labels.clone(),
            }),
            discovery: config
                .populate_discovery_info
                .then(|| discovery(config, task)),
            ..TaskInfo::default()
        };
        match &self.runs {
            Runs::Executor(template) => {
                // By this Mesos' own pages name the executor's source.
                let source = format!("{}{}", self.source, task.instance);
                info.data = Some(self.data(task, id).into());
                info.executor = Some(ExecutorInfo {
                    executor_id: format!("{}{id}", template.id_prefix).into(),
                    framework_id: framework.map(Into::into),
                    resources: cut.executor,
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
    fn data(&self, task: &Task, id: &str) -> Vec<u8> {
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
        for (at, value) in [(1, Some(id)), (2, task.agent()), (3, task.host())] {
            if let Some(value) = value {
                field(&mut out, TEXT, at);
                text(&mut out, value);
            }
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

fn discovery(config: &Config, task: &Task) -> DiscoveryInfo {
    let job = task.job();
    let ports = task.ports.iter().map(|(name, port)| Port {
        number: u32::try_from(*port).unwrap_or(0),
        name: Some(name.to_string()),
        protocol: Some("TCP".to_owned()),
        ..Port::default()
    });
    DiscoveryInfo {
        visibility: Visibility::Cluster,
        name: Some(format!("{}.{}.{}", job.name, job.environment, job.role)),
        environment: Some(job.environment.clone()),
        location: Some(config.cluster_name.clone()),
        ports: Some(Ports {
            ports: ports.collect(),
        }),
        ..DiscoveryInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
            let blueprint = Blueprint::new(&Config::default(), &record.config);
            assert_eq!(
                blueprint.data(record, &task),
                binary::encode(&record.to_assigned())
            );
        }
    }
}

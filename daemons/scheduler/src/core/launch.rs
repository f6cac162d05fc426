//! Launching a task on an offer: ports, resources, and what Mesos and the executor are told (aurora: `MesosTaskFactory.java`,
//! `TaskVars`, `ExecutorModule`).

use std::sync::Arc;

use aurora_api::binary;
use aurora_api::model::JobKey;
use aurora_mesos::v1::{
    CommandInfo, DiscoveryInfo, ExecutorInfo, Label, Labels, Port, Ports, Resource, TaskInfo,
    Visibility,
};

use super::config::Config;
use super::executor::{container_info, executor_info};
use super::offers::HeldOffer;
use super::op::Op;
use super::resources::{Bag, Carver};
use super::store::{StoredConfig, Task, TaskId};
use super::tasks::Entry;
use super::{Core, MesosCall};
use aurora_api::model::ScheduleStatus;

impl Core {
    /// Assigns a pending task to an offer, which is used up, and launches it. When the offer turns out not to have what it
    /// was chosen for it is declined, and the answer is `false`.
    pub(crate) fn launch(
        &mut self,
        id: &TaskId,
        stored: &Arc<StoredConfig>,
        held: &HeldOffer,
    ) -> bool {
        let tier = self.config.tier(stored.task.tier.as_deref());
        let need = Bag::of_task(&stored.amounts);
        let mut carver = Carver::new(
            &held.offer.resources,
            tier.revocable.then_some(&self.config),
        );
        let overhead = match &stored.task.executor_config {
            Some(executor) => Bag::of_executor(&self.config, executor, &need),
            None => Bag::default(),
        };
        let names = &stored.amounts.ports;
        let cut = carver.scalars(&need).and_then(|mut task| {
            let executor = carver.scalars(&overhead)?;
            let (ports, resources) = carver.ports(names.len(), &mut self.random)?;
            task.extend(resources);
            Some((task, executor, ports))
        });
        let Some((resources, executor_resources, ports)) = cut else {
            self.bump("assigner_launch_failures");
            self.decline(vec![held.offer.id.clone()]);
            return false;
        };
        self.apply(Op::Assign {
            task: Arc::clone(id),
            agent: Arc::clone(&held.agent),
            host: Arc::clone(&held.host),
            ports: names.iter().cloned().zip(ports).collect(),
            time: self.now,
        });
        let Some((slot, task)) = self.store.read().find(id) else {
            return false;
        };
        let framework = self.store.read().framework_id();
        let info = task_info(&self.config, framework, task, resources, executor_resources);
        let refuse_seconds = self.refuse_seconds();
        self.call_mesos(MesosCall::Launch {
            offer_ids: vec![held.offer.id.clone()],
            task: Box::new(info),
            refuse_seconds,
        });
        self.agents.came(&held.agent, &held.host, slot);
        let kept = &mut self.reservations.for_groups;
        kept.remove(&held.agent, &stored.id);
        self.entered(id, ScheduleStatus::Assigned, Entry::Transition);
        true
    }
}

fn label(key: &str, value: &str) -> Label {
    Label {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// `role.env.job.instance`, by which Mesos' own pages name an executor's source.
fn source(job: &JobKey, instance: i32) -> String {
    format!("{}.{}.{}.{instance}", job.role, job.environment, job.name)
}

fn task_info(
    config: &Config,
    framework: Option<&str>,
    task: &Task,
    resources: Vec<Resource>,
    executor_resources: Vec<Resource>,
) -> TaskInfo {
    let job = task.job();
    let mut labels = Vec::new();
    if let Some(tier) = &task.config.task.tier {
        labels.push(label("org.apache.aurora.tier", tier));
    }
    for metadata in &task.config.task.metadata {
        let key = format!("org.apache.aurora.metadata.{}", metadata.key);
        labels.push(label(&key, &metadata.value));
    }
    let mut info = TaskInfo {
        name: job.to_string(),
        task_id: (&*task.id()).into(),
        agent_id: task.agent().unwrap_or_default().into(),
        resources,
        labels: Some(Labels { labels }),
        discovery: config
            .populate_discovery_info
            .then(|| discovery(config, task)),
        ..TaskInfo::default()
    };
    match &task.config.task.executor_config {
        Some(executor) => {
            info.data = Some(binary::encode(&task.to_assigned()).into());
            let name = executor.name.as_deref().unwrap_or_default();
            info.executor = Some(ExecutorInfo {
                framework_id: framework.map(Into::into),
                resources: executor_resources,
                source: Some(source(job, task.instance)),
                labels: Some(Labels {
                    labels: vec![label("source", &source(job, task.instance))],
                }),
                ..executor_info(config, name, task)
            });
        }
        None => {
            // Only Docker tasks do without an executor: the image's own command runs.
            info.container = container_info(&task.config.task.container, &[]);
            info.command = Some(CommandInfo {
                shell: false,
                ..CommandInfo::default()
            });
        }
    }
    info
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

//! Launching a task on an offer: ports, resources, and what Mesos and the executor are told (aurora: `MesosTaskFactory.java`,
//! `TaskVars`, `ExecutorModule`).

use std::sync::Arc;

use aurora_api::binary;
use aurora_api::model::{Container, Image, JobKey, MesosContainer, Mode};
use aurora_mesos::v1::{
    CommandInfo, CommandUri, ContainerInfo, ContainerType, DiscoveryInfo, DockerInfo, ExecutorInfo,
    ImageAppc, ImageDocker, ImageType, Label, Labels, MesosInfo, Parameter, Port, Ports, Resource,
    TaskInfo, Visibility, Volume, VolumeMode,
};

use super::config::{AURORA_EXECUTOR_NAME, Config};
use super::offers::HeldOffer;
use super::op::Op;
use super::resources::{Bag, Carver};
use super::store::{StoredConfig, Task, TaskId};
use super::tasks::Entry;
use super::{Core, MesosCall};
use aurora_api::model::ScheduleStatus;

/// Where an image's file system is mounted (aurora: `apiConstants.TASK_FILESYSTEM_MOUNT_POINT`).
const TASK_FILESYSTEM: &str = "taskfs";

/// What the executor's id starts with.
const EXECUTOR_PREFIX: &str = "thermos-";

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
        let has_executor = stored.task.executor_config.is_some();
        let mut carver = Carver::new(
            &held.offer.resources,
            tier.revocable.then_some(&self.config),
        );
        let overhead = if has_executor {
            Bag::of_executor(&self.config, &need)
        } else {
            Bag::default()
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
        let Some(task) = self.store.read().task(id) else {
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
        self.agents.came(&held.agent, &held.host, id, stored);
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
        task_id: (&*task.id).into(),
        agent_id: task.agent.as_deref().unwrap_or_default().into(),
        resources,
        labels: Some(Labels { labels }),
        discovery: config
            .populate_discovery_info
            .then(|| discovery(config, task)),
        ..TaskInfo::default()
    };
    let has_executor = task.config.task.executor_config.is_some();
    let container = container_info(&task.config.task.container);
    if has_executor {
        info.data = Some(binary::encode(&task.to_assigned()).into());
        info.executor = Some(ExecutorInfo {
            executor_id: format!("{EXECUTOR_PREFIX}{}", task.id).into(),
            framework_id: framework.map(Into::into),
            command: Some(executor_command(config, task)),
            container,
            resources: executor_resources,
            name: Some(AURORA_EXECUTOR_NAME.to_owned()),
            source: Some(source(job, task.instance)),
            labels: Some(Labels {
                labels: vec![label("source", &source(job, task.instance))],
            }),
            ..ExecutorInfo::default()
        });
    } else {
        // Only Docker tasks do without an executor: the image's own command runs.
        info.container = container;
        info.command = Some(CommandInfo {
            shell: false,
            ..CommandInfo::default()
        });
    }
    info
}

/// The executor is on the agent already, at the same path as everywhere: nothing is fetched for it.
fn executor_command(config: &Config, task: &Task) -> CommandInfo {
    // The shell makes way for the executor, so that a task costs one process less.
    let start = if config.home_in_sandbox {
        "export HOME=${MESOS_SANDBOX=.}; exec "
    } else {
        "exec "
    };
    let flags = config.executor_flags.trim();
    let space = if flags.is_empty() { "" } else { " " };
    let uris = task
        .config
        .task
        .mesos_fetcher_uris
        .iter()
        .map(|uri| CommandUri {
            value: uri.value.clone(),
            executable: Some(false),
            extract: uri.extract.unwrap_or(false),
            cache: Some(uri.cache.unwrap_or(false)),
            output_file: uri.output_file.clone(),
        });
    CommandInfo {
        uris: uris.collect(),
        shell: true,
        value: Some(format!(
            "{start}{}{space}{flags}",
            quoted(&config.executor_path)
        )),
        ..CommandInfo::default()
    }
}

/// A word for a shell, in quotes when it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
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

fn container_info(container: &Container) -> Option<ContainerInfo> {
    match container {
        Container::Mesos(container) => mesos_container(container),
        Container::Docker(container) => Some(ContainerInfo {
            kind: ContainerType::Docker,
            docker: Some(DockerInfo {
                image: container.image.clone().unwrap_or_default(),
                parameters: container
                    .parameters
                    .iter()
                    .map(|parameter| Parameter {
                        key: parameter.name.clone(),
                        value: parameter.value.clone(),
                    })
                    .collect(),
                ..DockerInfo::default()
            }),
            ..ContainerInfo::default()
        }),
    }
}

/// Without an image there is no container of the task's own, and its volumes are not mounted either.
fn mesos_container(container: &MesosContainer) -> Option<ContainerInfo> {
    let image = match container.image.as_ref()? {
        Image::Docker(image) => aurora_mesos::v1::Image {
            kind: ImageType::Docker,
            docker: Some(ImageDocker {
                name: format!("{}:{}", image.name, image.tag),
                ..ImageDocker::default()
            }),
            ..Default::default()
        },
        Image::Appc(image) => aurora_mesos::v1::Image {
            kind: ImageType::Appc,
            appc: Some(ImageAppc {
                name: image.name.clone(),
                id: Some(image.image_id.clone()),
                ..ImageAppc::default()
            }),
            ..Default::default()
        },
    };
    let mut volumes: Vec<Volume> = container
        .volumes
        .iter()
        .flatten()
        .map(|volume| Volume {
            mode: match volume.mode {
                Some(Mode::Rw) => VolumeMode::Rw,
                Some(Mode::Ro) | None => VolumeMode::Ro,
            },
            container_path: volume.container_path.clone(),
            host_path: Some(volume.host_path.clone()),
            ..Volume::default()
        })
        .collect();
    volumes.push(Volume {
        mode: VolumeMode::Ro,
        container_path: TASK_FILESYSTEM.to_owned(),
        image: Some(image),
        ..Volume::default()
    });
    Some(ContainerInfo {
        kind: ContainerType::Mesos,
        volumes,
        mesos: Some(MesosInfo::default()),
        ..ContainerInfo::default()
    })
}

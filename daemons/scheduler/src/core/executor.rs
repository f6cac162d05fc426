//! The executor and the container of a task (aurora: `MesosTaskFactory.java`, `ExecutorModule.java`).

use aurora_api::model::{Container, ExecutorConfig, Image, MesosContainer, Mode, TaskConfig};
use aurora_mesos::v1::{
    CommandInfo, CommandUri, ContainerInfo, ContainerType, DockerInfo, ExecutorInfo, ImageAppc,
    ImageDocker, ImageType, MesosInfo, Parameter, Volume, VolumeMode,
};

use super::config::{AURORA_EXECUTOR_NAME, Config};

/// Where an image's file system is mounted (aurora: `apiConstants.TASK_FILESYSTEM_MOUNT_POINT`).
const TASK_FILESYSTEM: &str = "taskfs";

/// What the built-in executor's ids begin with.
const EXECUTOR_PREFIX: &str = "thermos-";

/// The executors of one configuration's tasks.
#[derive(Debug)]
pub(super) struct ExecutorTemplate {
    /// All but its id and what else is a task's own.
    pub(super) info: ExecutorInfo,
    /// What its id begins with, before the task's.
    pub(super) id_prefix: String,
}

/// How an executor is started and in which container.
pub(super) fn executor_template(
    config: &Config,
    executor: &ExecutorConfig,
    task: &TaskConfig,
) -> ExecutorTemplate {
    let name = executor.name.as_deref().unwrap_or_default();
    let custom = config.custom_executors.get(name);
    let (mut info, prefix, mounts) = match custom {
        Some(custom) => (
            custom.info.clone(),
            custom.task_prefix.as_str(),
            &custom.volumes,
        ),
        None => {
            let info = ExecutorInfo {
                command: Some(executor_command(config)),
                name: Some(AURORA_EXECUTOR_NAME.to_owned()),
                ..ExecutorInfo::default()
            };
            (info, EXECUTOR_PREFIX, &config.global_container_mounts)
        }
    };
    info.container = container_info(&task.container, mounts);
    if let Some(command) = &mut info.command {
        command.uris.extend(fetched(task));
    }
    ExecutorTemplate {
        info,
        id_prefix: prefix.to_owned(),
    }
}

/// What the job wants fetched into its sandboxes.
fn fetched(task: &TaskConfig) -> impl Iterator<Item = CommandUri> + '_ {
    let uris = task.mesos_fetcher_uris.iter();
    uris.map(|uri| CommandUri {
        value: uri.value.clone(),
        executable: Some(false),
        extract: uri.extract.unwrap_or(false),
        cache: Some(uri.cache.unwrap_or(false)),
        output_file: uri.output_file.clone(),
    })
}

/// The built-in executor is on the agent already, at the same path as everywhere: nothing is fetched for it but what the
/// operator wants beside it.
fn executor_command(config: &Config) -> CommandInfo {
    // The shell makes way for the executor, so that a task costs one process less.
    let start = if config.home_in_sandbox {
        "export HOME=${MESOS_SANDBOX=.}; exec "
    } else {
        "exec "
    };
    let flags = config.executor_flags.trim();
    let space = if flags.is_empty() { "" } else { " " };
    let uris = config.executor_resources.iter().map(|uri| CommandUri {
        value: uri.clone(),
        executable: Some(true),
        ..CommandUri::default()
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

/// The container of a task; `mounts` are those of its executor.
pub(super) fn container_info(container: &Container, mounts: &[Volume]) -> Option<ContainerInfo> {
    match container {
        Container::Mesos(container) => mesos_container(container, mounts),
        Container::Docker(container) => Some(ContainerInfo {
            kind: ContainerType::Docker,
            volumes: mounts.to_vec(),
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
fn mesos_container(container: &MesosContainer, mounts: &[Volume]) -> Option<ContainerInfo> {
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
    let of_task = container.volumes.iter().flatten().map(|volume| Volume {
        mode: match volume.mode {
            Some(Mode::Rw) => VolumeMode::Rw,
            Some(Mode::Ro) | None => VolumeMode::Ro,
        },
        container_path: volume.container_path.clone(),
        host_path: Some(volume.host_path.clone()),
        ..Volume::default()
    });
    let mut volumes: Vec<Volume> = mounts.iter().cloned().chain(of_task).collect();
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

//! What a task asks for: the executor that a mere command gets, and demands that this agent cannot meet.

use aurora_mesos::v1::{
    CommandInfo, ContainerInfo, ContainerType, ExecutorId, ExecutorInfo, Image, Resource, Scalar,
    TaskInfo, ValueType,
};

use super::{DockerLaunch, Executor};

/// What the built-in command executor itself may use (mesos: src/slave/constants.hpp).
const COMMAND_EXECUTOR_CPUS: f64 = 0.1;
const COMMAND_EXECUTOR_MEMORY: f64 = 32.0;
/// How much of a command its executor's name shows.
const SHOWN_COMMAND: usize = 12;
/// The hidden mode of the agent's program that is the command executor.
pub(crate) const COMMAND_EXECUTOR_SUBCOMMAND: &str = "command-executor";

/// The executor that a command task runs under: this program in another mode, with what the task says about its
/// surroundings (mesos: src/slave/slave.cpp, getExecutorInfo).
pub(super) fn command_executor(task: &TaskInfo, program: &str) -> ExecutorInfo {
    let command = task.command.clone().unwrap_or_default();
    let role = task
        .resources
        .iter()
        .find_map(|resource| resource.allocation_info.clone());
    let scalar = |name: &str, value: f64| Resource {
        name: name.to_owned(),
        kind: ValueType::Scalar,
        scalar: Some(Scalar { value }),
        allocation_info: role.clone(),
        ..Resource::default()
    };
    ExecutorInfo {
        executor_id: ExecutorId::from(task.task_id.value.clone()),
        name: Some(format!(
            "Command Executor (Task: {}) (Command: {})",
            task.task_id,
            shown(&command)
        )),
        source: Some(task.task_id.value.clone()),
        command: Some(CommandInfo {
            shell: false,
            value: Some(program.to_owned()),
            arguments: vec![program.to_owned(), COMMAND_EXECUTOR_SUBCOMMAND.to_owned()],
            uris: command.uris,
            environment: command.environment,
            user: command.user,
        }),
        container: task.container.clone(),
        resources: vec![
            scalar("cpus", COMMAND_EXECUTOR_CPUS),
            scalar("mem", COMMAND_EXECUTOR_MEMORY),
        ],
        discovery: task.discovery.clone(),
        labels: task.labels.clone(),
        ..ExecutorInfo::default()
    }
}

fn shown(command: &CommandInfo) -> String {
    let value = command.value.as_deref().unwrap_or_default();
    let (open, text, close) = if command.shell {
        ("sh -c '", value.to_owned(), "'")
    } else {
        (
            "[",
            std::iter::once(value)
                .chain(command.arguments.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(", "),
            "]",
        )
    };
    match text.char_indices().nth(SHOWN_COMMAND) {
        Some((end, _)) => format!("{open}{}...{close}", &text[..end]),
        None => format!("{open}{text}{close}"),
    }
}

fn is_docker(container: &ContainerInfo) -> bool {
    container.docker.is_some() || container.kind == ContainerType::Docker
}

/// The image that is a container's file system.
pub(super) fn image(container: &ContainerInfo) -> Option<&Image> {
    container.mesos.as_ref()?.image.as_ref()
}

/// What the Docker engine has to know for an executor, if it is one of the engine's.
pub(super) fn docker_launch(executor: &Executor) -> Option<DockerLaunch> {
    let container = executor.info.container.as_ref().filter(|c| is_docker(c))?;
    let ports = executor
        .allocated()
        .into_iter()
        .filter(|resource| resource.name == "ports")
        .flat_map(|resource| {
            resource
                .ranges
                .iter()
                .flat_map(|ranges| ranges.range.clone())
        })
        .collect();
    Some(DockerLaunch {
        container: container.clone(),
        ports,
    })
}

/// What a container asks for that this agent does not have. An unmet demand fails the launch instead of being left out.
/// `mounts`: whether the agent can mount volumes and images. `docker`: whether there is a Docker engine.
pub(super) fn unsupported(info: &ExecutorInfo, mounts: bool, docker: bool) -> Option<String> {
    let secret = info
        .command
        .iter()
        .flat_map(|command| &command.environment)
        .flat_map(|env| &env.variables)
        .find(|variable| {
            variable
                .secret
                .as_ref()
                .is_some_and(|secret| secret.value.is_none())
        });
    if let Some(variable) = secret {
        return Some(format!(
            "the environment variable '{}' refers to a secret store, and this agent has none",
            variable.name
        ));
    }
    let container = info.container.as_ref()?;
    let what = if is_docker(container) && !docker {
        "Docker containers"
    } else if is_docker(container) {
        // What cannot be done with the rest is found when the engine is told.
        return None;
    } else if !mounts && (!container.volumes.is_empty() || image(container).is_some()) {
        "volumes and images need an agent that is root; without root they"
    } else if container
        .volumes
        .iter()
        .any(|volume| volume.source.is_some())
    {
        "volumes of drivers, secrets and sandboxes"
    } else if container
        .network_infos
        .iter()
        .any(|network| network.name.is_some())
    {
        "container networks"
    } else if container.rlimit_info.is_some() {
        "resource limits by rlimit_info"
    } else if container.tty_info.is_some() {
        "terminals"
    } else {
        return None;
    };
    Some(format!("{what} are not supported by this agent"))
}

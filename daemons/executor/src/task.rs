//! One task from its launch to the moment its processes run: sandbox, templates, checks, announcement, runner
//! (aurora: `src/main/python/apache/aurora/executor/aurora_executor.py`). The module `attend` goes on from there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aurora_api::model::{AssignedTask, Container};
use aurora_mesos::client::executor::ExecutorClient;
use aurora_mesos::v1::{TaskId, TaskInfo, TaskState, TaskStatus};
use aurora_thermos::instance::{Checker, Instance};
use aurora_thermos::isolation::{ImageRoot, Isolation};
use aurora_thermos::plan::EXECUTOR_RUN_LIMIT;
use aurora_thermos::procs::Exemptions;
use aurora_thermos::users::{self, Account};
use aurora_thermos::{Settings, StartError, TaskRunner};
use aurora_zk::acl::Access;
use tokio::sync::watch;

use crate::announce::{self, Announcer};
use crate::attend::{Started, attend};
use crate::checks::Check;
use crate::flags::Flags;
use crate::health::Rules;
use crate::sandbox::Sandbox;
use crate::{Places, SECRET_VARIABLE, image, sandbox};

/// An order to end the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kill {
    /// Why, for the status.
    pub(crate) reason: &'static str,
    /// The executor will not live longer than this.
    pub(crate) within: Option<Duration>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) state: TaskState,
    pub(crate) message: String,
}

impl Ending {
    pub(crate) fn new(state: TaskState, message: impl Into<String>) -> Self {
        Self {
            state,
            message: message.into(),
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(TaskState::Failed, message)
    }
}

/// What surrounds a task.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) flags: Flags,
    /// What the announcer presents to ZooKeeper.
    pub(crate) access: Access,
    pub(crate) places: Places,
    pub(crate) client: ExecutorClient,
}

impl Context {
    /// Hands a status to the agent.
    pub(crate) async fn report(&self, task: &TaskId, state: TaskState, message: Option<&str>) {
        tracing::info!(task = %task, %state, reason = message, "status");
        let status = TaskStatus {
            task_id: task.clone(),
            state,
            message: message.map(str::to_owned),
            ..TaskStatus::default()
        };
        if let Err(error) = self.client.update(status).await {
            tracing::error!(task = %task, %state, %error, "nobody takes the status");
        }
    }
}

/// Runs a task and says how it ended. Reports STARTING and RUNNING itself, not the end.
pub(crate) async fn run(
    context: &Context,
    info: &TaskInfo,
    mut kill: watch::Receiver<Option<Kill>>,
) -> Ending {
    let data = info.data.clone().unwrap_or_default();
    let assigned: AssignedTask = match aurora_api::binary::decode(&data) {
        Ok(assigned) => assigned,
        Err(error) => {
            tracing::error!(%error, bytes = data.len(), "cannot read the assigned task");
            return Ending::failed("Could not deserialize task.");
        }
    };
    context
        .report(&info.task_id, TaskState::Starting, None)
        .await;
    let volumes = image::volumes(info);
    let started = match start(context, &assigned, &volumes, &kill) {
        Ok(started) => started,
        Err(ending) => return ending,
    };
    attend(context, &info.task_id, started, &mut kill).await
}

fn start(
    context: &Context,
    assigned: &AssignedTask,
    volumes: &[PathBuf],
    kill: &watch::Receiver<Option<Kill>>,
) -> Result<Started, Ending> {
    let flags = &context.flags;
    let job = &assigned.task.job;
    let is_docker = matches!(assigned.task.container, Container::Docker(_));
    // Only root can give things away; anybody else runs what it can as itself.
    let is_root = nix::unistd::geteuid().is_root();
    let owner = match &flags.execute_as_user {
        _ if flags.nosetuid || !is_root => None,
        Some(user) => Some(user.as_str()),
        None => Some(job.role.as_str()),
    };
    let Sandbox {
        path: sandbox,
        image,
    } = sandbox::create(sandbox::Plan {
        directory: &context.places.directory,
        mounted: &context.places.mounted,
        owner,
        container: &assigned.task.container,
        image: image::Options {
            mount_point: &flags.sandbox_mount_point,
            volumes,
            create_user: !flags.no_create_user,
        },
    })
    .map_err(|error| Ending::failed(format!("Failed to initialize sandbox: {error}")))?;

    let unreadable = |error: &dyn std::fmt::Display| {
        Ending::failed(format!(
            "Could not deserialize Thermos task from AssignedTask: {error}"
        ))
    };
    let data = assigned
        .task
        .executor_config
        .as_ref()
        .and_then(|config| config.data.as_deref())
        .unwrap_or_default();
    let hostname = assigned.slave_host.clone().unwrap_or_default();
    let instance = Instance::parse(data, assigned.instance_id, &hostname)
        .map_err(|error| unreadable(&error))?;
    let ports = instance.ports(&assigned.assigned_ports);

    if kill.borrow().is_some() {
        return Err(Ending::new(
            TaskState::Killed,
            "Task killed during initialization.",
        ));
    }
    let unstarted = |error: &dyn std::fmt::Display| {
        Ending::failed(format!("Task initialization failed: {error}"))
    };
    let user = owner.filter(|_| flags.execute_as_user.is_none() && !is_docker);
    let name = match user {
        Some(role) => role.to_owned(),
        None => own_name().map_err(|error| unstarted(&refusal(&error.into())))?,
    };
    let task = instance
        .task(&assigned.task_id, &ports, &name)
        .map_err(|error| unstarted(&error))?;
    let disk = task
        .resources
        .and_then(|resources| u64::try_from(resources.disk).ok())
        .filter(|&bytes| bytes > 0);
    // All that can be wrong beside the task comes before its processes: nothing has to be taken back.
    let exemptions = Exemptions::default();
    let health = prepare_health(
        context,
        &instance,
        assigned,
        &ports,
        image.as_ref(),
        &exemptions,
    )?;
    let announcer = prepare_announcer(context, &instance, assigned, &ports)?;
    let isolation = Isolation {
        no_new_privileges: is_root && !is_docker && !flags.allow_new_privileges,
        own_mounts: is_root && !is_docker,
        // An image has a /tmp of its own.
        own_tmp: flags.private_tmp && is_root && !is_docker && image.is_none(),
        own_processes: flags.pid_namespace && is_root && !is_docker,
    };
    isolation
        .check(&sandbox)
        .map_err(|reason| unstarted(&reason))?;
    let settings = Settings {
        task,
        task_id: assigned.task_id.clone(),
        checkpoint_root: context.places.mounted.join("checkpoints"),
        sandbox: sandbox.clone(),
        log_dir: None,
        hostname,
        ports: ports.clone(),
        user: user.map(str::to_owned),
        isolation,
        image,
        preserve_environment: flags.preserve_env,
        secrets: vec![SECRET_VARIABLE.to_owned()],
        logging: flags.logging,
        run_limit: EXECUTOR_RUN_LIMIT,
        program: PathBuf::from("/proc/self/exe"),
        exemptions,
    };
    let runner = TaskRunner::start(settings).map_err(|error| unstarted(&refusal(&error)))?;
    let lifecycle = instance.lifecycle.and_then(|lifecycle| {
        let port = ports.get(&lifecycle.port).copied()?;
        Some((lifecycle, port))
    });
    Ok(Started {
        runner,
        sandbox,
        lifecycle,
        health,
        announcer,
        disk,
    })
}

/// The name of the executor's own user.
fn own_name() -> Result<String, users::LookupError> {
    let own = users::by_uid(nix::unistd::getuid().as_raw())?;
    Ok(own.name)
}

/// Why the runner would not start, in upstream's words where it has some.
fn refusal(error: &StartError) -> String {
    match error {
        StartError::User(_) => "Task failed: Task started with unknown user.".to_owned(),
        error => chain(error),
    }
}

fn internal(error: &dyn std::fmt::Display) -> Ending {
    Ending::failed(format!("Internal error: {error}"))
}

fn prepare_announcer(
    context: &Context,
    instance: &Instance,
    assigned: &AssignedTask,
    ports: &BTreeMap<String, u16>,
) -> Result<Option<Announcer>, Ending> {
    let Context { flags, access, .. } = context;
    announce::plan(&flags.announcer, access, instance, assigned, ports)
        .and_then(|plan| plan.map(|plan| Announcer::start(plan, access)).transpose())
        .map_err(|reason| internal(&reason))
}

fn prepare_health(
    context: &Context,
    instance: &Instance,
    assigned: &AssignedTask,
    ports: &BTreeMap<String, u16>,
    image: Option<&ImageRoot>,
    exemptions: &Exemptions,
) -> Result<Option<(Rules, Check, Duration)>, Ending> {
    let config = &instance.health;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let timeout = seconds(config.timeout_secs);
    let check = match &config.checker {
        Checker::Shell { command } => {
            let role = &assigned.task.job.role;
            let run_as =
                if context.flags.nosetuid_health_checks || !nix::unistd::geteuid().is_root() {
                    None
                } else {
                    let user = users::by_name(role).map_err(|error| internal(&error))?;
                    Some(Account::of(&user))
                };
            let command = Instance::shell_command(
                command,
                &assigned.task_id,
                &assigned.assigned_ports,
                assigned.instance_id,
            )
            .map_err(|error| internal(&error))?;
            Check::Shell {
                command,
                run_as,
                image: image.cloned(),
                timeout,
                exemptions: exemptions.clone(),
            }
        }
        Checker::Http {
            endpoint,
            expected_response,
            expected_response_code,
        } => match ports.get("health") {
            None => return Ok(None),
            Some(&port) => Check::Http {
                port,
                endpoint: endpoint.clone(),
                expected_response: expected_response.clone(),
                expected_response_code: *expected_response_code,
                timeout,
            },
        },
    };
    let rules = Rules::new(config)
        .ok_or_else(|| internal(&"the interval of health checks must be above zero"))?;
    Ok(Some((rules, check, seconds(config.interval_secs))))
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::model::{ExecutorConfig, JobKey, TaskConfig};
    use aurora_mesos::client::executor::ExecutorConfig as ClientConfig;
    use aurora_thermos::users::LookupError;

    #[test]
    fn refusals_of_the_runner() {
        let who = "gone".to_owned();
        for (error, expected) in [
            (
                StartError::User(LookupError::Unknown { who }),
                "Task failed: Task started with unknown user.",
            ),
            (
                StartError::Io(std::io::Error::from(std::io::ErrorKind::OutOfMemory)),
                "cannot set up the runner: out of memory",
            ),
        ] {
            assert_eq!(refusal(&error), expected);
        }
    }

    #[tokio::test]
    async fn a_kill_during_the_start_ends_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap().to_owned();
        let config = ClientConfig::from_env(|name| {
            Some(match name {
                "MESOS_AGENT_ENDPOINT" => "127.0.0.1:1".to_owned(),
                "MESOS_FRAMEWORK_ID" => "f".to_owned(),
                "MESOS_EXECUTOR_ID" => "e".to_owned(),
                "MESOS_SANDBOX" | "MESOS_DIRECTORY" => folder.clone(),
                _ => return None,
            })
        })
        .unwrap();
        let (client, _events) = ExecutorClient::start(config);
        let context = Context {
            flags: Flags {
                nosetuid: true,
                ..Flags::default()
            },
            access: Access::default(),
            places: Places {
                directory: dir.path().to_owned(),
                mounted: dir.path().to_owned(),
            },
            client,
        };
        let data = r#"{"name": "j", "role": "r", "cluster": "c", "environment": "e",
            "task": {"name": "t", "processes": [{"name": "p", "cmdline": "sleep 1000"}]}}"#;
        let assigned = AssignedTask {
            task_id: "t-1".into(),
            task: TaskConfig {
                job: JobKey {
                    role: "r".into(),
                    environment: "e".into(),
                    name: "j".into(),
                },
                executor_config: Some(ExecutorConfig {
                    name: None,
                    data: Some(data.to_owned()),
                }),
                ..TaskConfig::default()
            },
            ..AssignedTask::default()
        };
        let (order, kill) = watch::channel(None);
        order.send_replace(Some(Kill {
            reason: "Instructed to kill task.",
            within: None,
        }));
        let ending = start(&context, &assigned, &[], &kill).err();
        let expected = Ending::new(TaskState::Killed, "Task killed during initialization.");
        assert_eq!(ending, Some(expected));
        assert!(
            !dir.path().join("checkpoints").exists(),
            "nothing has begun"
        );
    }
}

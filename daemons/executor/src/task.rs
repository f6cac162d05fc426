//! One task from its launch to its last status: sandbox, runner, health, disk, shutdown
//! (aurora: `src/main/python/apache/aurora/executor/aurora_executor.py`, `.../executor/status_manager.py`,
//! `.../executor/http_lifecycle.py`).

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use aurora_api::model::{AssignedTask, Container};
use aurora_api::thermos::TaskState as RunState;
use aurora_mesos::client::executor::ExecutorClient;
use aurora_mesos::v1::{TaskId, TaskInfo, TaskState, TaskStatus};
use aurora_thermos::core::{CoreError, Turn};
use aurora_thermos::instance::{Checker, HttpLifecycle, Instance};
use aurora_thermos::plan::EXECUTOR_RUN_LIMIT;
use aurora_thermos::{Settings, StartError, TaskRunner, users};
use http::Method;
use tokio::sync::watch;

use crate::checks::{Check, RunAs};
use crate::flags::Flags;
use crate::health::{self, Health, Rules};
use crate::wake::Wake;
use crate::{Places, SECRET_VARIABLE, disk, local, sandbox};

/// How long a task may take to end once it was told to, as upstream.
const KILL_WAIT: Duration = Duration::from_secs(60);
/// The time for one POST of the lifecycle, unless the environment says otherwise.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Its variable.
const SIGNAL_TIMEOUT_VARIABLE: &str = "AURORA_HTTP_SIGNALER_TIMEOUT_SECS";

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
    fn new(state: TaskState, message: impl Into<String>) -> Self {
        Self {
            state,
            message: message.into(),
        }
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(TaskState::Failed, message)
    }
}

/// What surrounds a task.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) flags: Flags,
    pub(crate) places: Places,
    pub(crate) client: ExecutorClient,
}

impl Context {
    /// Hands a status to the agent.
    pub(crate) async fn report(&self, task: &TaskId, state: TaskState, message: Option<&str>) {
        tracing::info!(task = %task, %state, message, "status");
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
    let started = match start(context, &assigned, &kill) {
        Ok(started) => started,
        Err(ending) => return ending,
    };
    attend(context, &info.task_id, started, &mut kill).await
}

/// A task whose processes run.
struct Started {
    runner: TaskRunner,
    sandbox: PathBuf,
    lifecycle: Option<(HttpLifecycle, u16)>,
    health: Option<(Rules, Check, Duration)>,
    disk: Option<u64>,
}

fn start(
    context: &Context,
    assigned: &AssignedTask,
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
    let sandbox = sandbox::create(sandbox::Plan {
        directory: &context.places.directory,
        mounted: &context.places.mounted,
        owner,
        container: &assigned.task.container,
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
    let task = instance
        .task(&assigned.task_id, &ports, user.unwrap_or(&job.role))
        .map_err(|error| unstarted(&error))?;
    let disk = task
        .resources
        .and_then(|resources| u64::try_from(resources.disk).ok())
        .filter(|&bytes| bytes > 0);
    let settings = Settings {
        task,
        task_id: assigned.task_id.clone(),
        checkpoint_root: context.places.mounted.join("checkpoints"),
        sandbox: sandbox.clone(),
        log_dir: None,
        hostname,
        ports: ports.clone(),
        user: user.map(str::to_owned),
        preserve_environment: flags.preserve_env,
        secrets: vec![SECRET_VARIABLE.to_owned()],
        logging: flags.logging,
        run_limit: EXECUTOR_RUN_LIMIT,
        program: PathBuf::from("/proc/self/exe"),
    };
    let mut runner = TaskRunner::start(settings).map_err(|error| match error {
        StartError::User(_) => unstarted(&"Task failed: Task started with unknown user."),
        error => unstarted(&chain(&error)),
    })?;
    let health = prepare_health(context, &instance, assigned, &ports, &mut runner)?;
    if instance.announce.is_some() {
        tracing::info!("the job has an announcement, but this executor announces nothing");
    }
    let lifecycle = instance.lifecycle.and_then(|lifecycle| {
        let port = ports.get(&lifecycle.port).copied()?;
        Some((lifecycle, port))
    });
    Ok(Started {
        runner,
        sandbox,
        lifecycle,
        health,
        disk,
    })
}

fn prepare_health(
    context: &Context,
    instance: &Instance,
    assigned: &AssignedTask,
    ports: &BTreeMap<String, u16>,
    runner: &mut TaskRunner,
) -> Result<Option<(Rules, Check, Duration)>, Ending> {
    let config = &instance.health;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let timeout = seconds(config.timeout_secs);
    let internal =
        |error: &dyn std::fmt::Display| Ending::failed(format!("Internal error: {error}"));
    let check = match &config.checker {
        Checker::Shell { command } => {
            let role = &assigned.task.job.role;
            let run_as =
                if context.flags.nosetuid_health_checks || !nix::unistd::geteuid().is_root() {
                    None
                } else {
                    let user = users::by_name(role).map_err(|error| internal(&error))?;
                    let groups = users::supplementary_groups(&user);
                    Some(RunAs {
                        uid: user.uid,
                        gid: user.gid,
                        groups,
                    })
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
                timeout,
                exemptions: runner.exemptions(),
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

/// Something that goes on beside the task.
type Side<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

async fn attend(
    context: &Context,
    task: &TaskId,
    started: Started,
    kill: &mut watch::Receiver<Option<Kill>>,
) -> Ending {
    let Started {
        mut runner,
        sandbox,
        lifecycle,
        health,
        disk,
    } = started;
    let wake = match Wake::new(&mut runner) {
        Ok(wake) => wake,
        Err(error) => {
            return Ending::failed(format!("Internal error: cannot watch the runner: {error}"));
        }
    };
    let no_check = health.is_none();
    let (tell, mut healthy) = watch::channel(if no_check {
        Health::Running
    } else {
        Health::Starting
    });
    let mut checking: Side<'_, ()> = match health {
        Some((rules, check, interval)) => {
            Box::pin(health::watch(rules, check, interval, sandbox.clone(), tell))
        }
        None => Box::pin(std::future::pending()),
    };
    let mut filling: Side<'_, u64> = match disk {
        Some(reserved) => Box::pin(disk::exceeds(sandbox, reserved)),
        None => Box::pin(std::future::pending()),
    };
    let mut overflow = None;
    let mut running = false;
    // Upstream asks, in this order, for whatever is terminal: the runner, the kill switch, health, resources.
    let trigger = loop {
        let wait = match runner.turn() {
            Ok(Turn::Over(state)) => return own_end(state),
            Ok(Turn::Wait(wait)) => wait,
            Err(error) => return give_up(runner, &error),
        };
        if kill.borrow().is_some() {
            break Ending::new(TaskState::Killed, "");
        }
        if let Health::Unhealthy(reason) = &*healthy.borrow() {
            break Ending::failed(format!("Failed health check! {reason}"));
        }
        if let (Some(used), Some(reserved)) = (overflow, disk) {
            break Ending::failed(format!(
                "Disk limit exceeded.  Reserved {reserved} bytes vs used {used} bytes."
            ));
        }
        if !running && *healthy.borrow() == Health::Running {
            running = true;
            let reason = if no_check {
                "No health-check defined, task is assumed healthy."
            } else {
                "Task is healthy."
            };
            context.report(task, TaskState::Running, Some(reason)).await;
        }
        tokio::select! {
            () = wake.wait(wait) => {}
            // The sender lives as long as this; if it did not, there would be nobody to obey.
            Ok(()) = kill.changed() => {}
            Ok(()) = healthy.changed() => {}
            () = &mut checking => checking = Box::pin(std::future::pending()),
            used = &mut filling => {
                overflow = Some(used);
                filling = Box::pin(std::future::pending());
            }
        }
    };
    // Checks stop before the task does.
    drop(checking);
    drop(filling);
    let order = kill.borrow().clone();
    let limit = order
        .as_ref()
        .and_then(|order| order.within)
        .map_or(context.flags.stop_timeout, |within| {
            within.min(context.flags.stop_timeout)
        });
    if let Err(error) = stop(&mut runner, &wake, lifecycle.as_ref(), limit).await {
        tracing::error!(error = chain(&error), "the task's end is not on record");
        runner.abandon();
    }
    match order {
        Some(order) if trigger.state == TaskState::Killed => {
            Ending::new(TaskState::Killed, order.reason)
        }
        _ => trigger,
    }
}

/// Asks the task to end over HTTP if it can be asked, and then kills it.
async fn stop(
    runner: &mut TaskRunner,
    wake: &Wake,
    lifecycle: Option<&(HttpLifecycle, u16)>,
    limit: Duration,
) -> Result<(), CoreError> {
    let deadline = Instant::now() + limit;
    let left = || deadline.saturating_duration_since(Instant::now());
    if let Some((lifecycle, port)) = lifecycle {
        let timeout = signal_timeout();
        for (endpoint, wait) in &lifecycle.escalation {
            // Half of what is left stays for the signals.
            let patience = Duration::from_secs(*wait).min(left() / 2);
            match local::request(Method::POST, *port, endpoint, timeout.min(left() / 2)).await {
                Ok(answer) => {
                    tracing::info!(endpoint, status = answer.status, "asked the task to end");
                    if drive(runner, wake, Instant::now() + patience).await? {
                        return Ok(());
                    }
                }
                Err(reason) => tracing::info!(endpoint, reason, "the task cannot be asked to end"),
            }
        }
    }
    // SIGTERM, the final processes, and SIGKILL have to fit into this.
    runner.kill(KILL_WAIT.min(left().mul_f64(0.8)))?;
    if !drive(runner, wake, deadline).await? {
        tracing::error!("Task did not stop within deadline.");
        runner.abandon();
    }
    Ok(())
}

/// Lets the task run until it is over, at most until `deadline`; whether it is over.
async fn drive(runner: &mut TaskRunner, wake: &Wake, deadline: Instant) -> Result<bool, CoreError> {
    loop {
        match runner.turn()? {
            Turn::Over(_) => return Ok(true),
            Turn::Wait(wait) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(false);
                }
                wake.wait(wait.min(left)).await;
            }
        }
    }
}

fn signal_timeout() -> Duration {
    std::env::var(SIGNAL_TIMEOUT_VARIABLE)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(SIGNAL_TIMEOUT)
}

/// The state and words for a task that ended by itself.
fn own_end(state: RunState) -> Ending {
    match state {
        RunState::Success => Ending::new(TaskState::Finished, "Task finished."),
        RunState::Failed => Ending::failed("Task failed."),
        RunState::Killed => Ending::new(TaskState::Killed, "Task killed."),
        RunState::Lost => Ending::new(TaskState::Lost, "Task lost."),
        RunState::Active | RunState::Cleaning | RunState::Finalizing => {
            Ending::new(TaskState::Lost, "Thermos failed with internal error.")
        }
    }
}

fn give_up(mut runner: TaskRunner, error: &CoreError) -> Ending {
    let error = chain(error);
    tracing::error!(error, "the task cannot go on");
    runner.abandon();
    Ending::new(
        TaskState::Lost,
        format!("Runner died while task was active: {error}"),
    )
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

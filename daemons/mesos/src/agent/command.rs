//! `aurora-mesos-agent command-executor`: the executor of tasks that are a mere command.
//!
//! A v1 executor like any other, in a process of its own (mesos: src/launcher/executor.cpp): TASK_STARTING, TASK_RUNNING,
//! the terminal state with how the command ended. A KILL is SIGTERM to the command's process tree and SIGKILL after the
//! grace period of the call, of the task, or 3 s.
//!
//! This program stays outside when its task belongs into a Docker container or an image; its argument says so then (mesos:
//! src/docker/executor.cpp).

mod body;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use aurora_mesos::client::executor::{
    ExecutorClient, ExecutorConfig, ExecutorEvent, ExecutorEvents,
};
use aurora_mesos::v1::{
    ContainerStatus, FrameworkCapabilityType, KillPolicy, StatusReason, TaskId, TaskInfo,
    TaskState, TaskStatus,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::body::{Body, Exit};
use super::checks::{self, CheckResult, Place};
use super::docker::Order;
use super::launch_helper::LaunchSpec;

/// The hidden subcommand of the agent's program.
pub(crate) use super::core::COMMAND_EXECUTOR_SUBCOMMAND as SUBCOMMAND;

/// Between SIGTERM and SIGKILL when neither the call nor the task says (mesos: src/slave/constants.hpp).
const DEFAULT_GRACE: Duration = Duration::from_secs(3);
/// How long the last update may wait for the agent.
const LAST_UPDATE: Duration = Duration::from_secs(60);

/// Where a task belongs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Surroundings {
    /// Where this program is.
    Machine,
    /// A container of the engine.
    Docker(Order),
    /// An image that is mounted. The program is the task's, and the variables are the image's.
    Image(LaunchSpec),
}

/// Runs the executor to the end of its task.
pub(super) fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("starting: {error}")),
    };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

/// Standard output and error are this program's log in the sandbox; on a full disk a line is lost, and nothing else.
fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "command executor: {message}");
    ExitCode::FAILURE
}

fn say(message: &str) {
    let _ = writeln!(std::io::stdout(), "{message}");
}

async fn run() -> Result<(), String> {
    let surroundings = match std::env::args().nth(2) {
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| format!("reading where the task belongs: {error}"))?,
        None => Surroundings::Machine,
    };
    let config = ExecutorConfig::from_env(|name| std::env::var(name).ok())
        .map_err(|error| error.to_string())?;
    let (client, mut events) = ExecutorClient::start(config);
    let mut kills_are_announced = false;
    while let Some(event) = events.recv().await {
        match event {
            ExecutorEvent::Subscribed(subscribed) => {
                kills_are_announced = subscribed
                    .framework_info
                    .has(FrameworkCapabilityType::TaskKillingState);
            }
            ExecutorEvent::Launch(task) => {
                return run_task(
                    &client,
                    &mut events,
                    task,
                    surroundings,
                    kills_are_announced,
                )
                .await;
            }
            ExecutorEvent::Shutdown => return Ok(()),
            ExecutorEvent::Lost { reason } => return Err(reason),
            ExecutorEvent::LaunchGroup(_)
            | ExecutorEvent::Kill { .. }
            | ExecutorEvent::Acknowledged { .. }
            | ExecutorEvent::UpdateRefused { .. }
            | ExecutorEvent::Message(_)
            | ExecutorEvent::Disconnected { .. } => {}
        }
    }
    Ok(())
}

/// Why the command is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Killed,
    Unhealthy,
    Completion,
}

struct Task<'a> {
    client: &'a ExecutorClient,
    info: TaskInfo,
    body: Body,
    /// What the engine says of a container once it runs; nothing for a process, and later.
    starting: Option<oneshot::Receiver<Value>>,
    surroundings: Surroundings,
    checks: mpsc::Receiver<CheckResult>,
    ending: Option<Ending>,
    kill_at: Option<Instant>,
    kills_are_announced: bool,
}

async fn run_task(
    client: &ExecutorClient,
    events: &mut ExecutorEvents,
    info: TaskInfo,
    surroundings: Surroundings,
    kills_are_announced: bool,
) -> Result<(), String> {
    let starting = TaskStatus {
        check_status: checks::initial_status(&info),
        ..status_of(&info.task_id, TaskState::Starting)
    };
    update(client, starting).await?;
    let started = match &surroundings {
        Surroundings::Docker(order) => {
            let (body, starting) = Body::container(&info, order.clone());
            Ok((body, Some(starting)))
        }
        Surroundings::Machine => Body::process(&info, None).map(|body| (body, None)),
        Surroundings::Image(spec) => Body::process(&info, Some(spec)).map(|body| (body, None)),
    };
    let (body, starting) = match started {
        Ok(started) => started,
        Err(message) => {
            let failed = TaskStatus {
                message: Some(message),
                check_status: checks::initial_status(&info),
                ..status_of(&info.task_id, TaskState::Failed)
            };
            update(client, failed).await?;
            client.acknowledged(LAST_UPDATE).await;
            return Ok(());
        }
    };
    let limit = info
        .max_completion_time
        .as_ref()
        .map(|limit| Instant::now() + limit.to_std());
    let mut task = Task {
        client,
        info,
        body,
        starting,
        surroundings,
        checks: mpsc::channel(1).1,
        ending: None,
        kill_at: None,
        kills_are_announced,
    };
    if let Body::Process { pid, .. } = task.body {
        say(&format!("Forked command at {pid}"));
        task.on_running(None).await?;
    }
    let exit = task.supervise(events, limit).await?;
    // What the command has left behind goes with it.
    task.body.kill();
    let last = task.last_status(&exit);
    say(last.message.as_deref().unwrap_or_default());
    update(client, last).await?;
    client.acknowledged(LAST_UPDATE).await;
    Ok(())
}

/// What comes of a start, once; never for what has started already.
async fn started(starting: &mut Option<oneshot::Receiver<Value>>) -> Option<Value> {
    match starting {
        Some(receiver) => {
            let value = receiver.await.ok();
            *starting = None;
            value
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn update(client: &ExecutorClient, status: TaskStatus) -> Result<(), String> {
    client
        .update(status)
        .await
        .map_err(|error| error.to_string())
}

fn status_of(task: &TaskId, state: TaskState) -> TaskStatus {
    TaskStatus {
        task_id: task.clone(),
        state,
        ..TaskStatus::default()
    }
}

impl Task<'_> {
    /// Until the command has ended.
    async fn supervise(
        &mut self,
        events: &mut ExecutorEvents,
        limit: Option<Instant>,
    ) -> Result<Exit, String> {
        loop {
            let kill_at = self.kill_at;
            tokio::select! {
                // A short life has a beginning all the same.
                biased;
                container = started(&mut self.starting) => {
                    if self.ending.is_none() && container.is_some() {
                        self.on_running(container).await?;
                    }
                }
                exit = self.body.wait() => return exit,
                event = events.recv() => match event {
                    Some(event) => self.on_event(event).await?,
                    // The agent is lost for good, and with it everybody who could be told.
                    None => self.begin(Ending::Killed, Duration::ZERO).await?,
                },
                Some(result) = self.checks.recv() => self.on_check(result).await?,
                () = sleep_until(limit), if self.ending.is_none() => {
                    self.begin(Ending::Completion, self.grace(None)).await?;
                }
                () = sleep_until(kill_at), if kill_at.is_some() => {
                    self.kill_at = None;
                    self.body.kill();
                }
            }
        }
    }

    /// The command runs; in a container, as the engine describes it.
    async fn on_running(&mut self, container: Option<Value>) -> Result<(), String> {
        let network = container
            .as_ref()
            .and_then(|container| body::network(&self.info, container));
        let place = Place::new(self.surroundings.clone(), network.as_ref());
        let container_status = network.map(|network| ContainerStatus {
            network_infos: vec![network],
            ..ContainerStatus::default()
        });
        let running = TaskStatus {
            check_status: checks::initial_status(&self.info),
            data: container.map(|container| Bytes::from(container.to_string())),
            container_status,
            ..status_of(&self.info.task_id, TaskState::Running)
        };
        update(self.client, running).await?;
        self.checks = checks::start(&self.info, place);
        Ok(())
    }

    async fn on_event(&mut self, event: ExecutorEvent) -> Result<(), String> {
        match event {
            ExecutorEvent::Kill {
                task_id,
                kill_policy,
            } if task_id == self.info.task_id => {
                let grace = self.grace(kill_policy.as_ref());
                self.begin(Ending::Killed, grace).await
            }
            ExecutorEvent::Shutdown => {
                let grace = self.grace(None);
                self.begin(Ending::Killed, grace).await
            }
            ExecutorEvent::Lost { .. } => self.begin(Ending::Killed, Duration::ZERO).await,
            ExecutorEvent::Kill { .. }
            | ExecutorEvent::Subscribed(_)
            | ExecutorEvent::Launch(_)
            | ExecutorEvent::LaunchGroup(_)
            | ExecutorEvent::Acknowledged { .. }
            | ExecutorEvent::UpdateRefused { .. }
            | ExecutorEvent::Message(_)
            | ExecutorEvent::Disconnected { .. } => Ok(()),
        }
    }

    fn grace(&self, call: Option<&KillPolicy>) -> Duration {
        let of = |policy: &KillPolicy| policy.grace_period.as_ref().map(|grace| grace.to_std());
        call.and_then(of)
            .or_else(|| self.info.kill_policy.as_ref().and_then(of))
            .unwrap_or(DEFAULT_GRACE)
    }

    /// Asks the command to end and sets the time of its killing. A later request may bring that forward.
    async fn begin(&mut self, ending: Ending, grace: Duration) -> Result<(), String> {
        let at = Instant::now() + grace;
        if self.ending.is_some() {
            self.kill_at = self.kill_at.map(|known| known.min(at));
            return Ok(());
        }
        self.ending = Some(ending);
        self.kill_at = Some(at);
        if self.kills_are_announced && ending != Ending::Completion {
            update(
                self.client,
                status_of(&self.info.task_id, TaskState::Killing),
            )
            .await?;
        }
        self.body.terminate();
        Ok(())
    }

    async fn on_check(&mut self, result: CheckResult) -> Result<(), String> {
        if self.ending.is_some() {
            return Ok(());
        }
        let running = status_of(&self.info.task_id, TaskState::Running);
        match result {
            CheckResult::Check(check) => {
                let status = TaskStatus {
                    check_status: Some(check),
                    reason: Some(StatusReason::TaskCheckStatusUpdated),
                    ..running
                };
                update(self.client, status).await
            }
            CheckResult::Health { healthy, kill } => {
                let status = TaskStatus {
                    healthy: Some(healthy),
                    reason: Some(StatusReason::TaskHealthCheckStatusUpdated),
                    ..running
                };
                update(self.client, status).await?;
                if kill {
                    let grace = self.grace(None);
                    self.begin(Ending::Unhealthy, grace).await?;
                }
                Ok(())
            }
        }
    }

    fn last_status(&self, exit: &Exit) -> TaskStatus {
        let message = exit.to_string();
        let base = TaskStatus {
            message: Some(message),
            ..TaskStatus::default()
        };
        let status = match self.ending {
            Some(Ending::Killed) => TaskStatus {
                state: TaskState::Killed,
                ..base
            },
            Some(Ending::Unhealthy) => TaskStatus {
                state: TaskState::Killed,
                healthy: Some(false),
                ..base
            },
            Some(Ending::Completion) => TaskStatus {
                state: TaskState::Failed,
                reason: Some(StatusReason::MaxCompletionTimeReached),
                ..base
            },
            None if exit.is_success() => TaskStatus {
                state: TaskState::Finished,
                ..base
            },
            None => TaskStatus {
                state: TaskState::Failed,
                ..base
            },
        };
        TaskStatus {
            task_id: self.info.task_id.clone(),
            ..status
        }
    }
}

//! The Mesos executor of Aurora tasks: one process per task, on one thread.
//!
//! It takes a LAUNCH from the agent, runs the task with [`aurora_thermos`] inside this very process, reports STARTING,
//! RUNNING and one terminal status, and ends when the agent has taken that over. A KILL or SHUTDOWN ends the task through
//! its HTTP lifecycle, SIGTERM, final processes and SIGKILL. An agent that goes away is waited for; the client of
//! [`aurora_mesos`] keeps what it was not told yet.
//!
//! The same program is the coordinator of each process run ([`aurora_thermos::coordinator`]), which is why `main` looks at
//! its first argument before anything else.
//!
//! A job that wants it is announced in ZooKeeper by the module [`announce`]. A task in a file system image gets it from the agent as a folder, see `image`.
//! Start reading at [`main`]; the task's life is in the
//! modules `task` and `attend`.

pub mod announce;
mod attend;
mod checks;
mod disk;
pub mod flags;
mod health;
mod image;
mod local;
mod log;
mod sandbox;
mod task;
mod wake;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aurora_mesos::client::executor::{
    ExecutorClient, ExecutorConfig, ExecutorEvent, ExecutorEvents,
};
use aurora_mesos::v1::{TaskId, TaskInfo, TaskState};
use aurora_zk::acl::Access;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::flags::{Command, Flags};
use crate::task::{Context, Ending, Kill};

/// Holds the secret for the agent; no child may see it.
pub(crate) const SECRET_VARIABLE: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";
/// How long after its subscription an executor waits for a task.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connected agent may take to acknowledge the last status. It never does for a task that it does not know.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a shutdown's grace period the task gets; the rest is for the last status.
const GRACE_SHARE: f64 = 0.8;

/// Where an executor works.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// `MESOS_DIRECTORY`: the agent's path of the executor's folder.
    pub(crate) directory: PathBuf,
    /// `MESOS_SANDBOX`: the same folder as this process sees it.
    pub(crate) mounted: PathBuf,
}

/// Runs the program with the arguments after its name.
#[must_use]
pub fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let first = arguments.next();
    if let Some(code) = aurora_thermos::part(first.as_deref(), &mut arguments) {
        return code;
    }
    let flags = match flags::parse(first.into_iter().chain(arguments)) {
        Ok(Command::Run(flags)) => flags,
        Ok(Command::Help) => return print(&flags::help()),
        Ok(Command::Version) => {
            return print(&format!("aurora-executor {}\n", env!("CARGO_PKG_VERSION")));
        }
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    // Before anything is reported: a fault in the file ends the executor, as upstream.
    let access = match announce::access(&flags.announcer) {
        Ok(access) => access,
        Err(reason) => {
            complain(&reason);
            return ExitCode::FAILURE;
        }
    };
    // Fails only when there is a subscriber already, and this is the only one.
    let _ = tracing::subscriber::set_global_default(log::Lines);
    match serve(flags, access) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = task::chain(&error), "giving up");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "aurora-executor: {text}");
}

/// Why the executor could not do its work.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("this is not the environment of an executor")]
    Environment(#[from] aurora_mesos::client::executor::EnvironmentError),
    #[error("MESOS_DIRECTORY is not set; is this started by a Mesos agent?")]
    Directory,
    #[error("cannot set up the event loop")]
    Runtime(#[source] std::io::Error),
}

/// Not part of [`main`]'s frame, which the coordinators have on their stacks as well.
#[inline(never)]
fn serve(flags: Flags, access: Access) -> Result<(), ServeError> {
    let config = ExecutorConfig::from_env(|name| std::env::var(name).ok())?;
    let directory = std::env::var_os("MESOS_DIRECTORY")
        .map(PathBuf::from)
        .ok_or(ServeError::Directory)?;
    let places = Places {
        mounted: config.sandbox.clone(),
        directory,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let terminate = signal(SignalKind::terminate()).map_err(ServeError::Runtime)?;
        let grace = config.shutdown_grace_period;
        let patience = if config.checkpoint {
            config.recovery_timeout
        } else {
            Duration::ZERO
        };
        let (client, events) = ExecutorClient::start(config);
        Executor {
            context: Context {
                flags,
                access,
                places,
                client,
            },
            events,
            terminate,
            grace,
            patience,
            kill: watch::Sender::new(None),
            connected: false,
            lost: false,
        }
        .run()
        .await;
        Ok(())
    })
}

struct Executor {
    context: Context,
    events: ExecutorEvents,
    terminate: Signal,
    /// How long a SHUTDOWN may take.
    grace: Duration,
    /// How long the agent may be away before the last status is given up.
    patience: Duration,
    kill: watch::Sender<Option<Kill>>,
    connected: bool,
    /// The agent will not be heard of again.
    lost: bool,
}

impl Executor {
    async fn run(mut self) {
        let Some(info) = self.wait_for_launch().await else {
            return;
        };
        let ending = self.run_task(&info).await;
        let Ending { state, message } = ending;
        self.context
            .report(&info.task_id, state, Some(&message))
            .await;
        self.wait_for_acknowledgement(&info.task_id).await;
    }

    async fn wait_for_launch(&mut self) -> Option<TaskInfo> {
        let mut deadline = None;
        loop {
            let timeout = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = self.events.recv() => event,
                () = timeout => {
                    tracing::error!("no task within {LAUNCH_TIMEOUT:?} of the subscription");
                    return None;
                }
                _ = self.terminate.recv() => return None,
            };
            match event {
                Some(ExecutorEvent::Subscribed(_)) => {
                    self.connected = true;
                    deadline = Some(Instant::now() + LAUNCH_TIMEOUT);
                }
                Some(ExecutorEvent::Disconnected { .. }) => {
                    self.connected = false;
                    deadline = None;
                }
                Some(ExecutorEvent::Launch(info)) => return Some(info),
                Some(ExecutorEvent::LaunchGroup(tasks)) => self.refuse_group(tasks).await,
                Some(ExecutorEvent::Kill { task_id, .. }) => {
                    tracing::error!(task = %task_id, "Was asked to kill task but no task running!");
                }
                Some(ExecutorEvent::Lost { reason }) => {
                    tracing::error!(reason, "the agent is lost");
                    return None;
                }
                Some(ExecutorEvent::Shutdown) | None => return None,
                Some(
                    ExecutorEvent::Acknowledged { .. }
                    | ExecutorEvent::UpdateRefused { .. }
                    | ExecutorEvent::Message(_),
                ) => {}
            }
        }
    }

    async fn run_task(&mut self, info: &TaskInfo) -> Ending {
        let context = self.context.clone();
        let running = task::run(&context, info, self.kill.subscribe());
        tokio::pin!(running);
        loop {
            tokio::select! {
                ending = &mut running => return ending,
                event = self.events.recv(), if !self.lost => self.hear(event, info).await,
                _ = self.terminate.recv() => self.order_kill("Told to shut down executor.", None),
            }
        }
    }

    async fn hear(&mut self, event: Option<ExecutorEvent>, info: &TaskInfo) {
        match event {
            Some(ExecutorEvent::Subscribed(_)) => self.connected = true,
            Some(ExecutorEvent::Disconnected { reason }) => {
                self.connected = false;
                tracing::warn!(reason, "the agent is away; the task goes on");
            }
            Some(ExecutorEvent::Launch(other)) => {
                // An agent that recovers sends what was not acknowledged; the task that runs is not launched again.
                if other.task_id != info.task_id {
                    self.refuse_second(&other.task_id, &info.task_id).await;
                }
            }
            Some(ExecutorEvent::LaunchGroup(tasks)) => self.refuse_group(tasks).await,
            Some(ExecutorEvent::Kill { task_id, .. }) => {
                if task_id == info.task_id {
                    self.order_kill("Instructed to kill task.", None);
                } else {
                    tracing::error!(task = %task_id, "Asked to kill a task other than what we are running!");
                }
            }
            Some(ExecutorEvent::Shutdown) => {
                self.order_kill(
                    "Told to shut down executor.",
                    Some(self.grace.mul_f64(GRACE_SHARE)),
                );
            }
            Some(ExecutorEvent::Lost { reason }) => {
                tracing::error!(reason, "the agent is lost; ending the task");
                self.lost = true;
                self.order_kill("Told to shut down executor.", None);
            }
            None => self.lost = true,
            Some(
                ExecutorEvent::Acknowledged { .. }
                | ExecutorEvent::UpdateRefused { .. }
                | ExecutorEvent::Message(_),
            ) => {}
        }
    }

    /// The first order counts.
    fn order_kill(&self, reason: &'static str, within: Option<Duration>) {
        self.kill.send_if_modified(|kill| {
            if kill.is_some() {
                return false;
            }
            tracing::info!(reason, "ending the task");
            *kill = Some(Kill { reason, within });
            true
        });
    }

    async fn refuse_second(&self, other: &TaskId, own: &TaskId) {
        let message = format!("Task already running on this executor: {own}");
        self.context
            .report(other, TaskState::Lost, Some(&message))
            .await;
    }

    async fn refuse_group(&self, tasks: Vec<TaskInfo>) {
        for task in tasks {
            self.context
                .report(
                    &task.task_id,
                    TaskState::Failed,
                    Some("This executor does not run task groups."),
                )
                .await;
        }
    }

    /// Waits until the agent has the last status: a connected one for a minute, one that is away for as long as it may be.
    async fn wait_for_acknowledgement(&mut self, own: &TaskId) {
        let client = self.context.client.clone();
        let acknowledged = client.acknowledged(ACKNOWLEDGE_TIMEOUT + self.patience);
        tokio::pin!(acknowledged);
        let mut deadline = Instant::now()
            + if self.connected {
                ACKNOWLEDGE_TIMEOUT
            } else {
                self.patience
            };
        while !self.lost {
            tokio::select! {
                taken = &mut acknowledged => {
                    if !taken {
                        tracing::warn!("the agent did not acknowledge the last status");
                    }
                    return;
                }
                () = tokio::time::sleep_until(deadline) => {
                    tracing::warn!("the agent did not acknowledge the last status in time");
                    return;
                }
                _ = self.terminate.recv() => return,
                event = self.events.recv() => match event {
                    Some(ExecutorEvent::Subscribed(_)) => {
                        self.connected = true;
                        deadline = Instant::now() + ACKNOWLEDGE_TIMEOUT;
                    }
                    Some(ExecutorEvent::Disconnected { .. }) => {
                        self.connected = false;
                        deadline = Instant::now() + self.patience;
                    }
                    Some(ExecutorEvent::Launch(other)) if other.task_id != *own => {
                        self.refuse_second(&other.task_id, own).await;
                    }
                    Some(ExecutorEvent::Lost { .. }) | None => self.lost = true,
                    Some(
                        ExecutorEvent::Launch(_)
                        | ExecutorEvent::LaunchGroup(_)
                        | ExecutorEvent::Kill { .. }
                        | ExecutorEvent::Shutdown
                        | ExecutorEvent::Acknowledged { .. }
                        | ExecutorEvent::UpdateRefused { .. }
                        | ExecutorEvent::Message(_),
                    ) => {}
                },
            }
        }
    }
}

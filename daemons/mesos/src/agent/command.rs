//! `aurora-mesos-agent command-executor`: the executor of tasks that are a mere command.
//!
//! A v1 executor like any other, in a process of its own (mesos: src/launcher/executor.cpp): TASK_STARTING, TASK_RUNNING,
//! the terminal state with how the command ended. A KILL is SIGTERM to the command's process tree and SIGKILL after the
//! grace period of the call, of the task, or 3 s.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use aurora_mesos::client::executor::{
    ExecutorClient, ExecutorConfig, ExecutorEvent, ExecutorEvents,
};
use aurora_mesos::v1::{
    FrameworkCapabilityType, KillPolicy, StatusReason, TaskId, TaskInfo, TaskState, TaskStatus,
};
use nix::sys::signal::Signal;
use tokio::process::Child;
use tokio::time::Instant;

use super::checks::{self, CheckResult};
use super::process;

/// The hidden subcommand of the agent's program.
pub(crate) use super::core::COMMAND_EXECUTOR_SUBCOMMAND as SUBCOMMAND;

/// Between SIGTERM and SIGKILL when neither the call nor the task says (mesos: src/slave/constants.hpp).
const DEFAULT_GRACE: Duration = Duration::from_secs(3);
/// How long the last update may wait for the agent.
const LAST_UPDATE: Duration = Duration::from_secs(60);
/// Not passed on to the command.
const TOKEN_VARIABLE: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

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
                return run_task(&client, &mut events, task, kills_are_announced).await;
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
    child: Child,
    pid: i32,
    ending: Option<Ending>,
    kill_at: Option<Instant>,
    kills_are_announced: bool,
}

async fn run_task(
    client: &ExecutorClient,
    events: &mut ExecutorEvents,
    info: TaskInfo,
    kills_are_announced: bool,
) -> Result<(), String> {
    let check_status = checks::initial_status(&info);
    let status = |state| TaskStatus {
        check_status: check_status.clone(),
        ..status_of(&info.task_id, state)
    };
    update(client, status(TaskState::Starting)).await?;
    let child = match spawn(&info) {
        Ok(child) => child,
        Err(message) => {
            let failed = TaskStatus {
                message: Some(message),
                ..status(TaskState::Failed)
            };
            update(client, failed).await?;
            client.acknowledged(LAST_UPDATE).await;
            return Ok(());
        }
    };
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else {
        return Err("the command has no process".to_owned());
    };
    say(&format!("Forked command at {pid}"));
    update(client, status(TaskState::Running)).await?;
    let mut checks = checks::start(&info);
    let limit = info
        .max_completion_time
        .as_ref()
        .map(|limit| Instant::now() + limit.to_std());
    let mut task = Task {
        client,
        info,
        child,
        pid,
        ending: None,
        kill_at: None,
        kills_are_announced,
    };
    let exit = loop {
        let kill_at = task.kill_at;
        tokio::select! {
            exit = task.child.wait() => break exit,
            event = events.recv() => match event {
                Some(event) => task.on_event(event).await?,
                // The agent is lost for good, and with it everybody who could be told.
                None => task.begin(Ending::Killed, Duration::ZERO).await?,
            },
            Some(result) = checks.recv() => task.on_check(result).await?,
            () = sleep_until(limit), if task.ending.is_none() => task.begin(Ending::Completion, task.grace(None)).await?,
            () = sleep_until(kill_at), if kill_at.is_some() => {
                task.kill_at = None;
                process::signal_tree(task.pid, libc::SIGKILL);
            }
        }
    };
    drop(checks);
    // What the command has left behind goes with it.
    process::signal_tree(task.pid, libc::SIGKILL);
    let exit = exit.map_err(|error| format!("waiting for the command: {error}"))?;
    let last = task.last_status(exit);
    say(last.message.as_deref().unwrap_or_default());
    update(client, last).await?;
    client.acknowledged(LAST_UPDATE).await;
    Ok(())
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

fn spawn(info: &TaskInfo) -> Result<Child, String> {
    let command = info.command.clone().unwrap_or_default();
    let value = command.value.unwrap_or_default();
    let mut process = if command.shell {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.arg0("sh").args(["-c", &value]);
        shell
    } else {
        let mut program = std::process::Command::new(&value);
        if let Some((first, rest)) = command.arguments.split_first() {
            program.arg0(first).args(rest);
        }
        program
    };
    process.env_remove(TOKEN_VARIABLE);
    let variables: BTreeMap<String, String> = command
        .environment
        .iter()
        .flat_map(|environment| &environment.variables)
        .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
        .collect();
    process.envs(variables).stdin(Stdio::null());
    // A group of its own, so that a signal for the command alone can be told from one for the executor.
    process.process_group(0);
    tokio::process::Command::from(process)
        .spawn()
        .map_err(|error| format!("Failed to launch the command '{value}': {error}"))
}

impl Task<'_> {
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
        process::signal_tree(self.pid, libc::SIGTERM);
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

    fn last_status(&self, exit: ExitStatus) -> TaskStatus {
        let message = describe(exit);
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
            None if exit.success() => TaskStatus {
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

/// `Command exited with status 3`, `Command terminated with signal Killed` (mesos: stout's WSTRINGIFY).
fn describe(exit: ExitStatus) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("Command exited with status {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal)
                .ok()
                .and_then(signal_name)
                .map_or_else(|| signal.to_string(), str::to_owned);
            let core = if exit.core_dumped() {
                " (core dumped)"
            } else {
                ""
            };
            format!("Command terminated with signal {name}{core}")
        }
        (None, None) => "Command ended in an unknown way".to_owned(),
    }
}

/// The name that strsignal gives.
fn signal_name(signal: Signal) -> Option<&'static str> {
    Some(match signal {
        Signal::SIGHUP => "Hangup",
        Signal::SIGINT => "Interrupt",
        Signal::SIGQUIT => "Quit",
        Signal::SIGILL => "Illegal instruction",
        Signal::SIGTRAP => "Trace/breakpoint trap",
        Signal::SIGABRT => "Aborted",
        Signal::SIGBUS => "Bus error",
        Signal::SIGFPE => "Floating point exception",
        Signal::SIGKILL => "Killed",
        Signal::SIGUSR1 => "User defined signal 1",
        Signal::SIGSEGV => "Segmentation fault",
        Signal::SIGUSR2 => "User defined signal 2",
        Signal::SIGPIPE => "Broken pipe",
        Signal::SIGALRM => "Alarm clock",
        Signal::SIGTERM => "Terminated",
        Signal::SIGXCPU => "CPU time limit exceeded",
        Signal::SIGXFSZ => "File size limit exceeded",
        Signal::SIGSYS => "Bad system call",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_described_as_mesos_does() {
        // Raw wait statuses: the exit code in the second byte, or the signal in the lowest seven bits.
        let cases = [
            (0, "Command exited with status 0"),
            (3 << 8, "Command exited with status 3"),
            (9, "Command terminated with signal Killed"),
            (15, "Command terminated with signal Terminated"),
            (
                11 | 0x80,
                "Command terminated with signal Segmentation fault (core dumped)",
            ),
        ];
        for (raw, text) in cases {
            assert_eq!(describe(ExitStatus::from_raw(raw)), text);
        }
    }
}

//! Checks and health checks of command tasks (mesos: src/checks/checker_process.cpp, health_checker.cpp).

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aurora_mesos::v1::{
    CheckInfo, CheckStatusCommand, CheckStatusHttp, CheckStatusInfo, CheckStatusTcp, CheckType,
    CommandInfo, HealthCheck, HealthCheckType, TaskInfo,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// Something that the scheduler is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CheckResult {
    /// The result of the check has changed.
    Check(CheckStatusInfo),
    /// Health has changed, or a failure was counted; `kill` when there were too many.
    Health { healthy: bool, kill: bool },
}

/// The status that a task with a check carries before its first result: the type and an empty result.
pub(crate) fn initial_status(task: &TaskInfo) -> Option<CheckStatusInfo> {
    let kind = task.check.as_ref()?.kind?;
    Some(result_of(kind, &Outcome::default()))
}

#[derive(Debug, Default)]
struct Outcome {
    exit_code: Option<i32>,
    status_code: Option<u32>,
    succeeded: Option<bool>,
}

fn result_of(kind: CheckType, outcome: &Outcome) -> CheckStatusInfo {
    let mut status = CheckStatusInfo {
        kind: Some(kind),
        ..CheckStatusInfo::default()
    };
    match kind {
        CheckType::Command => {
            status.command = Some(CheckStatusCommand {
                exit_code: outcome.exit_code,
            })
        }
        CheckType::Http => {
            status.http = Some(CheckStatusHttp {
                status_code: outcome.status_code,
            })
        }
        CheckType::Tcp => {
            status.tcp = Some(CheckStatusTcp {
                succeeded: outcome.succeeded,
            })
        }
        CheckType::Unknown => {}
    }
    status
}

/// Starts the checks of a task. They end when the receiver is dropped.
pub(crate) fn start(task: &TaskInfo) -> mpsc::Receiver<CheckResult> {
    let (results, receiver) = mpsc::channel(16);
    if let Some(check) = task.check.clone() {
        tokio::spawn(run_check(check, results.clone()));
    }
    if let Some(check) = task.health_check.clone() {
        tokio::spawn(run_health_check(check, results));
    }
    receiver
}

/// Seconds of a check's settings as a duration; nonsense is no time at all.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

async fn run_check(check: CheckInfo, results: mpsc::Sender<CheckResult>) {
    let Some(kind) = check.kind else { return };
    sleep(seconds(check.delay_seconds)).await;
    let limit = limit_of(check.timeout_seconds);
    let mut last = None;
    loop {
        let outcome = timeout(limit, async {
            match kind {
                CheckType::Command => {
                    let exit = match &check.command {
                        Some(command) => run_command(&command.command).await,
                        None => None,
                    };
                    Outcome {
                        exit_code: exit.and_then(|exit| exit.code()),
                        ..Outcome::default()
                    }
                }
                CheckType::Http => {
                    let (port, path) = check
                        .http
                        .as_ref()
                        .map_or((0, None), |http| (http.port, http.path.as_deref()));
                    Outcome {
                        status_code: http_status("http", port, path).await,
                        ..Outcome::default()
                    }
                }
                CheckType::Tcp => {
                    let port = check.tcp.as_ref().map_or(0, |tcp| tcp.port);
                    Outcome {
                        succeeded: Some(connects(port).await),
                        ..Outcome::default()
                    }
                }
                CheckType::Unknown => Outcome::default(),
            }
        })
        .await
        .unwrap_or_default();
        let result = result_of(kind, &outcome);
        if last.as_ref() != Some(&result) {
            last = Some(result.clone());
            if results.send(CheckResult::Check(result)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = results.closed() => return,
            () = sleep(seconds(check.interval_seconds)) => {}
        }
    }
}

/// No time-out is written as zero.
fn limit_of(timeout_seconds: f64) -> Duration {
    if timeout_seconds > 0.0 {
        seconds(timeout_seconds)
    } else {
        Duration::from_secs(u64::from(u32::MAX))
    }
}

async fn run_health_check(check: HealthCheck, results: mpsc::Sender<CheckResult>) {
    let grace_until = Instant::now() + seconds(check.grace_period_seconds);
    sleep(seconds(check.delay_seconds)).await;
    let (mut failures, mut was_healthy) = (0_u32, None);
    loop {
        let healthy = timeout(limit_of(check.timeout_seconds), is_healthy(&check))
            .await
            .unwrap_or(false);
        // Failures of a task that is still starting do not count, until it was healthy once.
        let in_grace = was_healthy.is_none() && Instant::now() < grace_until;
        if healthy {
            failures = 0;
            if was_healthy != Some(true) {
                was_healthy = Some(true);
                if results
                    .send(CheckResult::Health {
                        healthy: true,
                        kill: false,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        } else if !in_grace {
            failures += 1;
            was_healthy = Some(false);
            let kill = failures >= check.consecutive_failures;
            if results
                .send(CheckResult::Health {
                    healthy: false,
                    kill,
                })
                .await
                .is_err()
                || kill
            {
                return;
            }
        }
        tokio::select! {
            () = results.closed() => return,
            () = sleep(seconds(check.interval_seconds)) => {}
        }
    }
}

async fn is_healthy(check: &HealthCheck) -> bool {
    match check.kind {
        Some(HealthCheckType::Command) => match &check.command {
            Some(command) => run_command(command)
                .await
                .is_some_and(|exit| exit.success()),
            None => false,
        },
        Some(HealthCheckType::Http) => {
            let Some(http) = &check.http else {
                return false;
            };
            let status = http_status(
                http.scheme.as_deref().unwrap_or("http"),
                http.port,
                http.path.as_deref(),
            )
            .await;
            status.is_some_and(|status| {
                if http.statuses.is_empty() {
                    (200..400).contains(&status)
                } else {
                    http.statuses.contains(&status)
                }
            })
        }
        Some(HealthCheckType::Tcp) => connects(check.tcp.as_ref().map_or(0, |tcp| tcp.port)).await,
        Some(HealthCheckType::Unknown) | None => false,
    }
}

async fn run_command(command: &CommandInfo) -> Option<ExitStatus> {
    let value = command.value.clone()?;
    let mut process = if command.shell {
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell.args(["-c", &value]);
        shell
    } else {
        let mut program = tokio::process::Command::new(&value);
        program.args(command.arguments.iter().skip(1));
        program
    };
    process
        .env_remove("MESOS_EXECUTOR_AUTHENTICATION_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for variable in command
        .environment
        .iter()
        .flat_map(|environment| &environment.variables)
    {
        process.env(
            &variable.name,
            variable.value.as_deref().unwrap_or_default(),
        );
    }
    process.status().await.ok()
}

async fn connects(port: u32) -> bool {
    match u16::try_from(port) {
        Ok(port) => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
        Err(_) => false,
    }
}

async fn http_status(scheme: &str, port: u32, path: Option<&str>) -> Option<u32> {
    // A second installation is refused, which is as good: there is one provider in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build().ok()?;
    let url = format!("{scheme}://127.0.0.1:{port}{}", path.unwrap_or("/"));
    let response = client.get(url).send().await.ok()?;
    Some(u32::from(response.status().as_u16()))
}

//! Checks and health checks of command tasks (mesos: src/checks/checker_process.cpp, health_checker.cpp).

use std::process::Stdio;
use std::time::Duration;

use aurora_mesos::v1::{
    CheckInfo, CheckStatusCommand, CheckStatusHttp, CheckStatusInfo, CheckStatusTcp, CheckType,
    CommandInfo, HealthCheck, HealthCheckType, NetworkInfo, TaskInfo,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::command::Surroundings;
use super::docker::Engine;
use super::launch_helper::{self, LaunchSpec};

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

/// Where a task is checked.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where commands run.
    surroundings: Surroundings,
    /// Ports are tried at this address.
    address: String,
}

impl Place {
    /// `network` is there when the task's is not the machine's.
    pub(crate) fn new(surroundings: Surroundings, network: Option<&NetworkInfo>) -> Self {
        let own = network
            .and_then(|network| network.ip_addresses.first())
            .and_then(|address| address.ip_address.clone());
        Self {
            surroundings,
            address: own.unwrap_or_else(|| "127.0.0.1".to_owned()),
        }
    }
}

/// Starts the checks of a task. They end when the receiver is dropped.
pub(crate) fn start(task: &TaskInfo, place: Place) -> mpsc::Receiver<CheckResult> {
    let (results, receiver) = mpsc::channel(16);
    if let Some(check) = task.check.clone() {
        tokio::spawn(run_check(check, place.clone(), results.clone()));
    }
    if let Some(check) = task.health_check.clone() {
        tokio::spawn(run_health_check(check, place, results));
    }
    receiver
}

/// Seconds of a check's settings as a duration; nonsense is no time at all.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

async fn run_check(check: CheckInfo, place: Place, results: mpsc::Sender<CheckResult>) {
    let Some(kind) = check.kind else { return };
    sleep(seconds(check.delay_seconds)).await;
    let limit = limit_of(check.timeout_seconds);
    let mut last = None;
    loop {
        let outcome = timeout(limit, async {
            match kind {
                CheckType::Command => {
                    let exit_code = match &check.command {
                        Some(command) => run_command(&command.command, &place).await,
                        None => None,
                    };
                    Outcome {
                        exit_code,
                        ..Outcome::default()
                    }
                }
                CheckType::Http => {
                    let (port, path) = check
                        .http
                        .as_ref()
                        .map_or((0, None), |http| (http.port, http.path.as_deref()));
                    Outcome {
                        status_code: http_status("http", &place, port, path).await,
                        ..Outcome::default()
                    }
                }
                CheckType::Tcp => {
                    let port = check.tcp.as_ref().map_or(0, |tcp| tcp.port);
                    Outcome {
                        succeeded: Some(connects(&place, port).await),
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

async fn run_health_check(check: HealthCheck, place: Place, results: mpsc::Sender<CheckResult>) {
    let grace_until = Instant::now() + seconds(check.grace_period_seconds);
    sleep(seconds(check.delay_seconds)).await;
    let (mut failures, mut was_healthy) = (0_u32, None);
    loop {
        let healthy = timeout(limit_of(check.timeout_seconds), is_healthy(&check, &place))
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

async fn is_healthy(check: &HealthCheck, place: &Place) -> bool {
    match check.kind {
        Some(HealthCheckType::Command) => match &check.command {
            Some(command) => run_command(command, place).await == Some(0),
            None => false,
        },
        Some(HealthCheckType::Http) => {
            let Some(http) = &check.http else {
                return false;
            };
            let status = http_status(
                http.scheme.as_deref().unwrap_or("http"),
                place,
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
        Some(HealthCheckType::Tcp) => {
            connects(place, check.tcp.as_ref().map_or(0, |tcp| tcp.port)).await
        }
        Some(HealthCheckType::Unknown) | None => false,
    }
}

/// Its exit code; `None` when it could not be run or was killed by a signal.
async fn run_command(command: &CommandInfo, place: &Place) -> Option<i32> {
    let value = command.value.clone()?;
    let words = if command.shell {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), value]
    } else {
        let rest = command.arguments.iter().skip(1).cloned();
        std::iter::once(value).chain(rest).collect()
    };
    let environment = command.environment.iter();
    let variables: Vec<(String, String)> = environment
        .flat_map(|environment| &environment.variables)
        .map(|variable| {
            let value = variable.value.clone().unwrap_or_default();
            (variable.name.clone(), value)
        })
        .collect();
    let process = match &place.surroundings {
        Surroundings::Docker(order) => {
            let engine = Engine::new(&order.socket);
            let code = engine.execute(&order.name, &words, &variables).await;
            return i32::try_from(code.ok()?).ok();
        }
        Surroundings::Image(spec) => {
            let spec = LaunchSpec {
                program: words.first()?.clone(),
                arguments: words,
                ..spec.clone()
            };
            launch_helper::command_inside(&spec, variables).ok()?
        }
        Surroundings::Machine => {
            let (program, arguments) = words.split_first()?;
            let mut process = std::process::Command::new(program);
            process.args(arguments).envs(variables);
            process
        }
    };
    let mut process = tokio::process::Command::from(process);
    process
        .env_remove(launch_helper::TOKEN_VARIABLE)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    process.status().await.ok()?.code()
}

async fn connects(place: &Place, port: u32) -> bool {
    match u16::try_from(port) {
        Ok(port) => TcpStream::connect((place.address.as_str(), port))
            .await
            .is_ok(),
        Err(_) => false,
    }
}

async fn http_status(scheme: &str, place: &Place, port: u32, path: Option<&str>) -> Option<u32> {
    // A second installation is refused, which is as good: there is one provider in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build().ok()?;
    let url = format!("{scheme}://{}:{port}{}", place.address, path.unwrap_or("/"));
    let response = client.get(url).send().await.ok()?;
    Some(u32::from(response.status().as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    use aurora_mesos::message::from_slice;

    /// A server that answers so many requests with these statuses, and is gone.
    fn serve(statuses: &'static [u16]) -> u16 {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for status in statuses {
                let (mut stream, _) = server.accept().unwrap();
                let mut request = [0; 1024];
                let count = stream.read(&mut request).unwrap();
                let asked = String::from_utf8_lossy(&request[..count]).into_owned();
                // One that only connects says nothing.
                assert!(
                    asked.is_empty() || asked.starts_with("GET /well HTTP/1.1"),
                    "{asked}"
                );
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                // Nobody may listen any more.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }

    /// The results of a task's checks, until `count` have come.
    async fn results(fields: &str, count: usize) -> Vec<CheckResult> {
        let text = format!(
            r#"{{"name": "t", "task_id": {{"value": "t"}}, "agent_id": {{"value": "S"}}, {fields}}}"#
        );
        let task: TaskInfo = from_slice(text.as_bytes()).unwrap();
        let place = Place::new(Surroundings::Machine, None);
        let mut receiver = start(&task, place);
        let mut seen = Vec::new();
        while seen.len() < count {
            let result = timeout(Duration::from_secs(60), receiver.recv()).await;
            seen.push(result.unwrap().unwrap());
        }
        seen
    }

    const QUICK: &str = r#""delay_seconds": 0, "interval_seconds": 0.02, "timeout_seconds": 30, "grace_period_seconds": 0"#;

    #[tokio::test]
    async fn health_over_http_and_tcp() {
        let health = |healthy, kill| CheckResult::Health { healthy, kill };
        let http = serve(&[200, 302, 500, 404, 299]);
        let fields = format!(
            r#""health_check": {{"type": "HTTP", "http": {{"port": {http}, "path": "/well"}}, "consecutive_failures": 2, {QUICK}}}"#
        );
        // Redirections are taken for well, and not followed where they lead.
        assert_eq!(
            results(&fields, 3).await,
            [
                health(true, false),
                health(false, false),
                health(false, true)
            ]
        );
        let chosen = serve(&[500, 200, 200]);
        let fields = format!(
            r#""health_check": {{"type": "HTTP", "http": {{"port": {chosen}, "path": "/well", "statuses": [500]}}, "consecutive_failures": 2, {QUICK}}}"#
        );
        assert_eq!(
            results(&fields, 3).await,
            [
                health(true, false),
                health(false, false),
                health(false, true)
            ]
        );
        let tcp = serve(&[0, 0]);
        let fields = format!(
            r#""health_check": {{"type": "TCP", "tcp": {{"port": {tcp}}}, "consecutive_failures": 1, {QUICK}}}"#
        );
        assert_eq!(
            results(&fields, 2).await,
            [health(true, false), health(false, true)]
        );
    }

    #[tokio::test]
    async fn checks_over_http_and_tcp() {
        let code = |result: &CheckResult| match result {
            CheckResult::Check(status) => status.http.as_ref().and_then(|http| http.status_code),
            CheckResult::Health { .. } => None,
        };
        let http = serve(&[200, 200, 503]);
        let fields = format!(
            r#""check": {{"type": "HTTP", "http": {{"port": {http}, "path": "/well"}}, {QUICK}}}"#
        );
        // What stays the same is not told again.
        let codes: Vec<Option<u32>> = results(&fields, 3).await.iter().map(code).collect();
        assert_eq!(codes, [Some(200), Some(503), None]);
        let connected = |result: &CheckResult| match result {
            CheckResult::Check(status) => status.tcp.as_ref().and_then(|tcp| tcp.succeeded),
            CheckResult::Health { .. } => None,
        };
        let tcp = serve(&[0]);
        let fields = format!(r#""check": {{"type": "TCP", "tcp": {{"port": {tcp}}}, {QUICK}}}"#);
        let seen: Vec<Option<bool>> = results(&fields, 2).await.iter().map(connected).collect();
        assert_eq!(seen, [Some(true), Some(false)]);
    }
}

//! A task whose processes run: what is asked of it meanwhile, what ends it, and how it is ended
//! (aurora: `src/main/python/apache/aurora/executor/status_manager.py`, `.../executor/http_lifecycle.py`).

use std::future::{Future, pending};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use aurora_api::thermos::TaskState as RunState;
use aurora_mesos::v1::{TaskId, TaskState};
use aurora_thermos::TaskRunner;
use aurora_thermos::core::{CoreError, Turn};
use aurora_thermos::instance::HttpLifecycle;
use http::Method;
use tokio::sync::watch;

use crate::announce::Announcer;
use crate::checks::Check;
use crate::health::{self, Health, Rules};
use crate::task::{Context, Ending, Kill, chain};
use crate::wake::Wake;
use crate::{disk, local};

/// How long a task may take to end once it was told to, as upstream.
const KILL_WAIT: Duration = Duration::from_secs(60);
/// What the endpoints of the lifecycle leave for SIGTERM, the final processes and SIGKILL; half of it all when there is less
/// than twice that.
const FOR_SIGNALS: Duration = Duration::from_secs(10);
/// The time for one POST of the lifecycle, unless the environment says otherwise.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Its variable.
const SIGNAL_TIMEOUT_VARIABLE: &str = "AURORA_HTTP_SIGNALER_TIMEOUT_SECS";

/// A task whose processes run.
pub(crate) struct Started {
    pub(crate) runner: TaskRunner,
    pub(crate) sandbox: PathBuf,
    pub(crate) lifecycle: Option<(HttpLifecycle, u16)>,
    pub(crate) health: Option<(Rules, Check, Duration)>,
    pub(crate) announcer: Option<Announcer>,
    /// Bytes that the sandbox may use.
    pub(crate) disk: Option<u64>,
}

/// Something that goes on beside the task.
type Side<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Why the task is not left to itself any more.
enum Outcome {
    /// It has ended.
    Over(RunState),
    /// Its records cannot be written.
    Broken(CoreError),
    /// It has to be ended; with the status for that.
    Trigger(Ending),
}

/// Stays with the task until it has ended, and says how. Reports RUNNING itself.
pub(crate) async fn attend(
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
        announcer,
        disk,
    } = started;
    let wake = match Wake::new(&mut runner) {
        Ok(wake) => wake,
        Err(error) => {
            let ending =
                Ending::failed(format!("Internal error: cannot watch the runner: {error}"));
            if let Err(error) = runner.lose().and_then(|()| runner.turn().map(drop)) {
                tracing::error!(error = chain(&error), "the task's end is not on record");
            }
            return ending;
        }
    };
    let checks = Checks {
        sandbox,
        health,
        announcer: announcer.as_ref(),
        disk,
    };
    let outcome = watch_over(context, task, &mut runner, &wake, checks, kill).await;
    // Nobody is to be sent to a task that is about to end.
    if let Some(announcer) = announcer {
        announcer.withdraw().await;
    }
    let trigger = match outcome {
        Outcome::Over(state) => return own_end(state),
        Outcome::Broken(error) => return give_up(runner, &error),
        Outcome::Trigger(ending) => ending,
    };
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

/// What may find that the task has to end.
struct Checks<'a> {
    sandbox: PathBuf,
    health: Option<(Rules, Check, Duration)>,
    announcer: Option<&'a Announcer>,
    disk: Option<u64>,
}

/// What has been noticed about a task beside its own end.
struct Noticed<'a> {
    is_killed: bool,
    health: &'a Health,
    /// Bytes in use and bytes reserved.
    overflow: Option<(u64, u64)>,
    unannounced: bool,
}

impl Noticed<'_> {
    /// Why the task has to end, if it has: the kill switch, health, resources, the announcer, in upstream's order.
    fn trigger(&self) -> Option<Ending> {
        if self.is_killed {
            return Some(Ending::new(TaskState::Killed, ""));
        }
        if let Health::Unhealthy(reason) = self.health {
            return Some(Ending::failed(format!("Failed health check! {reason}")));
        }
        if let Some((used, reserved)) = self.overflow {
            return Some(Ending::failed(format!(
                "Disk limit exceeded.  Reserved {reserved} bytes vs used {used} bytes."
            )));
        }
        self.unannounced
            .then(|| Ending::failed("Creating Announcer Serverset timed out."))
    }
}

/// Lets the task run until something is the matter. All checks have stopped when this comes back.
async fn watch_over(
    context: &Context,
    task: &TaskId,
    runner: &mut TaskRunner,
    wake: &Wake,
    checks: Checks<'_>,
    kill: &mut watch::Receiver<Option<Kill>>,
) -> Outcome {
    let Checks {
        sandbox,
        health,
        announcer,
        disk,
    } = checks;
    let (beginning, reason) = match health {
        None => (
            Health::Running,
            "No health-check defined, task is assumed healthy.",
        ),
        Some(_) => (Health::Starting, "Task is healthy."),
    };
    let (tell, mut healthy) = watch::channel(beginning);
    let mut checking: Side<'_, ()> = match health {
        Some((rules, check, interval)) => {
            Box::pin(health::watch(rules, check, interval, sandbox.clone(), tell))
        }
        None => Box::pin(pending()),
    };
    let mut filling: Side<'_, u64> = match disk {
        Some(reserved) => Box::pin(disk::exceeds(sandbox, reserved)),
        None => Box::pin(pending()),
    };
    let mut announcing: Side<'_, ()> = match announcer {
        Some(announcer) => Box::pin(announcer.keep()),
        None => Box::pin(pending()),
    };
    let (mut overflow, mut unannounced, mut running) = (None, false, false);
    // The runner's own end comes first, as upstream; the others in the order of `Noticed::trigger`.
    loop {
        let wait = match runner.turn() {
            Ok(Turn::Over(state)) => return Outcome::Over(state),
            Ok(Turn::Wait(wait)) => wait,
            Err(error) => return Outcome::Broken(error),
        };
        let state = healthy.borrow().clone();
        let noticed = Noticed {
            is_killed: kill.borrow().is_some(),
            health: &state,
            overflow: overflow.zip(disk),
            unannounced,
        };
        if let Some(ending) = noticed.trigger() {
            return Outcome::Trigger(ending);
        }
        if !running && state == Health::Running {
            running = true;
            context.report(task, TaskState::Running, Some(reason)).await;
        }
        tokio::select! {
            () = wake.wait(wait) => {}
            // The sender lives as long as this; if it did not, there would be nobody to obey.
            Ok(()) = kill.changed() => {}
            Ok(()) = healthy.changed() => {}
            () = &mut checking => checking = Box::pin(pending()),
            used = &mut filling => {
                overflow = Some(used);
                filling = Box::pin(pending());
            }
            () = &mut announcing => {
                unannounced = true;
                announcing = Box::pin(pending());
            }
        }
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
        let timeout = signal_timeout(std::env::var(SIGNAL_TIMEOUT_VARIABLE).ok().as_deref());
        for (endpoint, wait) in &lifecycle.escalation {
            match local::request(Method::POST, *port, endpoint, timeout.min(left() / 2)).await {
                Ok(answer) => {
                    tracing::info!(endpoint, status = answer.status, "asked the task to end");
                    let patience = Duration::from_secs(*wait).min(before_signals(left()));
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

/// How much of the time that is left an endpoint may have.
fn before_signals(left: Duration) -> Duration {
    left - FOR_SIGNALS.min(left / 2)
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

fn signal_timeout(seconds: Option<&str>) -> Duration {
    seconds
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_a_post() {
        for (text, expected) in [
            (None, 1_000),
            (Some("2.5"), 2_500),
            (Some("0.2"), 200),
            (Some("-1"), 1_000),
            (Some("soon"), 1_000),
        ] {
            assert_eq!(
                signal_timeout(text),
                Duration::from_millis(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn endpoints_have_all_but_the_last_seconds() {
        for (left, expected) in [(120, 110), (30, 20), (20, 10), (10, 5), (4, 2), (0, 0)] {
            let [left, expected] = [left, expected].map(Duration::from_secs);
            assert_eq!(before_signals(left), expected, "{left:?}");
        }
    }

    #[test]
    fn what_is_terminal_is_asked_in_upstreams_order() {
        let unhealthy = Health::Unhealthy("bad".to_owned());
        for (is_killed, health, overflow, unannounced, expected) in [
            (
                true,
                &unhealthy,
                Some((2, 1)),
                true,
                Some((TaskState::Killed, "")),
            ),
            (
                false,
                &unhealthy,
                Some((2, 1)),
                true,
                Some((TaskState::Failed, "Failed health check! bad")),
            ),
            (
                false,
                &Health::Running,
                Some((2, 1)),
                true,
                Some((
                    TaskState::Failed,
                    "Disk limit exceeded.  Reserved 1 bytes vs used 2 bytes.",
                )),
            ),
            (
                false,
                &Health::Starting,
                None,
                true,
                Some((TaskState::Failed, "Creating Announcer Serverset timed out.")),
            ),
            (false, &Health::Running, None, false, None),
        ] {
            let noticed = Noticed {
                is_killed,
                health,
                overflow,
                unannounced,
            };
            let expected = expected.map(|(state, message)| Ending::new(state, message));
            assert_eq!(noticed.trigger(), expected);
        }
    }

    #[test]
    fn the_runners_own_ends() {
        for (end, state, message) in [
            (RunState::Success, TaskState::Finished, "Task finished."),
            (RunState::Failed, TaskState::Failed, "Task failed."),
            (RunState::Killed, TaskState::Killed, "Task killed."),
            (RunState::Lost, TaskState::Lost, "Task lost."),
        ] {
            assert_eq!(own_end(end), Ending::new(state, message));
        }
    }
}

//! When a task is healthy: the counting, pure; and the loop that feeds it
//! (aurora: `src/main/python/apache/aurora/executor/common/health_checker.py`).

use std::path::PathBuf;
use std::time::Duration;

use aurora_thermos::instance::HealthCheck;
use tokio::sync::watch;

use crate::checks::Check;
use crate::wake::pause;

/// What the checks say about the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// Not yet healthy.
    Starting,
    /// Healthy enough.
    Running,
    /// Never again; with the reason.
    Unhealthy(String),
}

/// Counts the outcomes of checks.
#[derive(Debug)]
pub(crate) struct Rules {
    forgiving: u64,
    limit: u64,
    max_failures: u64,
    min_successes: u64,
    attempts: u64,
    failures: u64,
    successes: u64,
    health: Health,
}

impl Rules {
    /// `None` when the interval is zero or less, which upstream cannot divide by.
    pub(crate) fn new(check: &HealthCheck) -> Option<Self> {
        if check.interval_secs.is_nan() || check.interval_secs <= 0.0 {
            return None;
        }
        // Counted in attempts: time would drift by the length of the checks.
        let forgiving = (check.initial_interval_secs / check.interval_secs)
            .ceil()
            .min(1e15) as u64;
        let (max_failures, min_successes) = (
            u64::from(check.max_consecutive_failures),
            u64::from(check.min_consecutive_successes),
        );
        Some(Self {
            forgiving,
            limit: forgiving + max_failures + min_successes,
            max_failures,
            min_successes,
            attempts: 0,
            failures: 0,
            successes: 0,
            health: Health::Starting,
        })
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// To be asked before each check: a task that was not found healthy within its attempts never will be.
    pub(crate) fn before(&mut self) {
        if self.health == Health::Starting && self.attempts > self.limit {
            self.health =
                Health::Unhealthy("Not enough successful health checks in time.".to_owned());
        }
    }

    /// Takes the outcome of a check.
    pub(crate) fn after(&mut self, outcome: Result<(), String>) {
        if matches!(self.health, Health::Unhealthy(_)) {
            return;
        }
        if self.attempts <= self.limit {
            self.attempts += 1;
        }
        let Err(reason) = outcome else {
            self.successes += 1;
            self.failures = 0;
            if self.health == Health::Starting && self.successes >= self.min_successes {
                self.health = Health::Running;
            }
            return;
        };
        self.successes = 0;
        if self.attempts <= self.forgiving {
            return;
        }
        self.failures += 1;
        let left = self.limit.saturating_sub(self.attempts);
        let hopeless = self.health == Health::Starting && left > 1 && self.min_successes > left;
        if hopeless || self.failures > self.max_failures {
            self.health = Health::Unhealthy(reason);
        }
    }
}

/// Checks until the task is unhealthy. Drop the future to stop.
pub(crate) async fn watch(
    mut rules: Rules,
    check: Check,
    interval: Duration,
    sandbox: PathBuf,
    health: watch::Sender<Health>,
) {
    let snooze = sandbox.join(".healthchecksnooze");
    loop {
        rules.before();
        if *rules.health() == Health::Starting || *rules.health() == Health::Running {
            let outcome = if snooze.is_file() {
                tracing::info!(file = %snooze.display(), "health checks are snoozed");
                Ok(())
            } else {
                check.perform().await
            };
            if let Err(reason) = &outcome {
                tracing::warn!(reason, "health check failed");
            }
            rules.after(outcome);
        }
        health.send_if_modified(|known| {
            let changed = known != rules.health();
            known.clone_from(rules.health());
            changed
        });
        if matches!(rules.health(), Health::Unhealthy(_)) {
            return;
        }
        pause(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_thermos::instance::Checker;

    fn config(initial: f64, interval: f64, max_failures: u32, min_successes: u32) -> HealthCheck {
        HealthCheck {
            checker: Checker::Shell {
                command: String::new(),
            },
            initial_interval_secs: initial,
            interval_secs: interval,
            max_consecutive_failures: max_failures,
            min_consecutive_successes: min_successes,
            timeout_secs: 1.0,
        }
    }

    /// Plays outcomes (`+` success, `-` failure) and writes down the state after each: `s`tarting, `r`unning, `u`nhealthy,
    /// or `t` for out of time.
    fn play(check: &HealthCheck, outcomes: &str) -> String {
        let mut rules = Rules::new(check).unwrap();
        outcomes
            .chars()
            .map(|outcome| {
                rules.before();
                if !matches!(rules.health(), Health::Unhealthy(_)) {
                    rules.after(if outcome == '+' {
                        Ok(())
                    } else {
                        Err("bad".to_owned())
                    });
                }
                match rules.health() {
                    Health::Starting => 's',
                    Health::Running => 'r',
                    Health::Unhealthy(reason) if reason == "bad" => 'u',
                    Health::Unhealthy(_) => 't',
                }
            })
            .collect()
    }

    #[test]
    fn sequences() {
        for (check, outcomes, expected, why) in [
            (
                config(15.0, 10.0, 0, 1),
                "+",
                "r",
                "the first success runs, before the initial interval is over",
            ),
            (
                config(15.0, 10.0, 0, 1),
                "--+",
                "ssr",
                "ceil(1.5) failures are forgiven",
            ),
            (config(15.0, 10.0, 0, 1), "---", "ssu", "the next is not"),
            (
                config(15.0, 10.0, 0, 1),
                "+-+",
                "rrr",
                "forgiven even when already running",
            ),
            (
                config(0.0, 10.0, 0, 1),
                "-",
                "u",
                "no initial interval: the first failure is fatal",
            ),
            (
                config(20.0, 10.0, 4, 1),
                "------+-----",
                "ssssssrrrrru",
                "2 ignored, 4 tolerated, a success; the 5th in a row is fatal",
            ),
            (
                config(0.0, 10.0, 2, 1),
                "+--+---",
                "rrrrrru",
                "a success resets the failures",
            ),
            (config(0.0, 10.0, 0, 2), "++", "sr", "two in a row"),
            (
                config(20.0, 10.0, 0, 2),
                "+-++",
                "sssr",
                "a failure resets the successes",
            ),
            (
                config(10.0, 10.0, 3, 3),
                "++-++-+++",
                "sssssssst",
                "flapping runs out of attempts",
            ),
        ] {
            assert_eq!(play(&check, outcomes), expected, "{why}: {outcomes}");
        }
    }

    #[test]
    fn a_task_without_hope_fails_at_once() {
        // Ten attempts; after eight of them without a streak three more successes cannot fit into two.
        let check = config(10.0, 10.0, 6, 3);
        let outcome = play(&check, "-+-+-+--");
        assert_eq!(outcome, "sssssssu");
    }

    #[test]
    fn an_interval_of_zero_is_refused() {
        assert!(Rules::new(&config(15.0, 0.0, 0, 1)).is_none());
        assert!(Rules::new(&config(15.0, f64::NAN, 0, 1)).is_none());
    }
}

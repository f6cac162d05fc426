//! Which process may run when: dependencies, failure limits, restarts. Pure; times are handed in.
//!
//! One plan holds the ordinary processes of a task, another the `final` ones
//! (aurora: `src/main/python/apache/thermos/common/planner.py`).
//!
//! ```text
//!                .----------------- daemon --------------------.
//!                v                                             |
//!           [runnable] --(min_duration since the last end)--> [running] --success--> [finished]
//!                ^                                             |  |
//!                `---- failure below the limit, lost, killed --'  `--failure at the limit--> [failed]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::schema::Process;

/// Runs of one process (successes, failures and losses together) after which it is failed for good.
pub const EXECUTOR_RUN_LIMIT: u32 = 100;

/// A moment, in seconds since 1970, as it stands in checkpoints.
pub type Seconds = f64;

/// Why the constraints of a task make no schedule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// A constraint names an unknown process, or mixes ordinary and final ones.
    #[error("Invalid process dependencies!")]
    Dependencies,
    /// Nothing may wait for a process that never finishes.
    #[error("Process {process} may not depend upon daemon process {daemon}")]
    DependsOnDaemon {
        /// The one that waits.
        process: String,
        /// The one that it waits for.
        daemon: String,
    },
    /// An ephemeral process may be cut short, so nothing that counts may wait for it.
    #[error("Non-ephemeral process {process} may not depend upon ephemeral process {ephemeral}")]
    DependsOnEphemeral {
        /// The one that waits.
        process: String,
        /// The one that it waits for.
        ephemeral: String,
    },
    /// The constraints go round in a circle.
    #[error("Cycles detected in the task schedule!")]
    Cycle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Idle,
    Running,
    Finished,
    Failed,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    daemon: bool,
    ephemeral: bool,
    max_failures: i64,
    min_duration: f64,
    waits_for: BTreeSet<usize>,
    standing: Standing,
    last_end: Option<Seconds>,
    failures: u32,
    runs: u32,
}

/// The plan of the ordinary or of the final processes of one task.
#[derive(Debug, Clone)]
pub struct Plan {
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
    run_limit: u32,
}

impl Plan {
    /// Builds the plan of `processes` (all of one kind) under `orders`, the task's constraints: each a list of names that
    /// run one after the other. A constraint that names only processes of the other plan is passed over.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(
        processes: &[&Process],
        orders: &[Vec<String>],
        run_limit: u32,
    ) -> Result<Self, PlanError> {
        let by_name: BTreeMap<String, usize> = processes
            .iter()
            .enumerate()
            .map(|(index, process)| (process.name.clone(), index))
            .collect();
        let mut entries: Vec<Entry> = processes
            .iter()
            .map(|process| Entry {
                name: process.name.clone(),
                daemon: process.daemon,
                ephemeral: process.ephemeral,
                max_failures: process.max_failures,
                min_duration: process.min_duration as f64,
                waits_for: BTreeSet::new(),
                standing: Standing::Idle,
                last_end: None,
                failures: 0,
                runs: 0,
            })
            .collect();
        for order in orders {
            let known: Vec<usize> = order
                .iter()
                .filter_map(|name| by_name.get(name).copied())
                .collect();
            if known.is_empty() {
                // Upstream takes an empty constraint for one that is both inside and outside, and refuses it; here it
                // orders nothing.
                continue;
            }
            if known.len() != order.len() {
                return Err(PlanError::Dependencies);
            }
            for pair in known.windows(2) {
                let (before, after) = (pair[0], pair[1]);
                if entries[before].daemon {
                    return Err(PlanError::DependsOnDaemon {
                        process: entries[after].name.clone(),
                        daemon: entries[before].name.clone(),
                    });
                }
                if entries[before].ephemeral && !entries[after].ephemeral {
                    return Err(PlanError::DependsOnEphemeral {
                        process: entries[after].name.clone(),
                        ephemeral: entries[before].name.clone(),
                    });
                }
                entries[after].waits_for.insert(before);
            }
        }
        let plan = Self {
            entries,
            by_name,
            run_limit,
        };
        if plan.has_cycle() {
            return Err(PlanError::Cycle);
        }
        Ok(plan)
    }

    fn has_cycle(&self) -> bool {
        let mut placed = vec![false; self.entries.len()];
        loop {
            let next: Vec<usize> = (0..self.entries.len())
                .filter(|&index| {
                    !placed[index]
                        && self.entries[index]
                            .waits_for
                            .iter()
                            .all(|&before| placed[before])
                })
                .collect();
            if next.is_empty() {
                return placed.contains(&false);
            }
            for index in next {
                placed[index] = true;
            }
        }
    }

    /// Whether the process belongs to this plan.
    #[must_use]
    pub fn contains(&self, process: &str) -> bool {
        self.by_name.contains_key(process)
    }

    /// Processes that have a run in progress.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        self.in_standing(Standing::Running)
    }

    /// Processes that have failed for good.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        self.in_standing(Standing::Failed)
    }

    /// Processes that are done.
    pub fn finished(&self) -> impl Iterator<Item = &str> {
        self.in_standing(Standing::Finished)
    }

    fn in_standing(&self, standing: Standing) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(move |entry| entry.standing == standing)
            .map(|entry| entry.name.as_str())
    }

    /// Those that nothing but their `min_duration` may hold back.
    fn ready(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| {
            entry.standing == Standing::Idle
                && entry
                    .waits_for
                    .iter()
                    .all(|&before| self.entries[before].standing == Standing::Finished)
        })
    }

    /// Processes to start now, in the order in which the task lists them.
    #[must_use]
    pub fn runnable_at(&self, now: Seconds) -> Vec<String> {
        self.ready()
            .filter(|entry| entry.wait(now) <= 0.0)
            .map(|entry| entry.name.clone())
            .collect()
    }

    /// How long until a process becomes runnable by the clock alone: zero when one is, `None` when none ever will be.
    #[must_use]
    pub fn min_wait(&self, now: Seconds) -> Option<Duration> {
        self.ready()
            .map(|entry| entry.wait(now).max(0.0))
            .min_by(f64::total_cmp)
            .map(|wait| Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX))
    }

    /// Every process is finished, failed or ephemeral.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.entries.iter().all(|entry| {
            entry.ephemeral || matches!(entry.standing, Standing::Finished | Standing::Failed)
        })
    }

    /// Nothing runs, nothing will run, and yet the plan is not complete.
    #[must_use]
    pub fn is_deadlocked(&self) -> bool {
        !self.is_complete() && self.running().next().is_none() && self.ready().next().is_none()
    }

    /// A run of the process has begun.
    pub fn set_running(&mut self, process: &str) {
        if let Some(entry) = self.entry(process) {
            entry.standing = Standing::Running;
        }
    }

    /// A run ended with success.
    pub fn add_success(&mut self, process: &str, now: Seconds) {
        let limit = self.run_limit;
        let Some(entry) = self.entry(process) else {
            return;
        };
        entry.standing = match entry.end(now, limit) {
            End::Exhausted => Standing::Failed,
            End::Counted if entry.daemon => Standing::Idle,
            End::Counted => Standing::Finished,
        };
    }

    /// A run ended with a non-zero exit status, or could not be started.
    pub fn add_failure(&mut self, process: &str, now: Seconds) {
        let limit = self.run_limit;
        let Some(entry) = self.entry(process) else {
            return;
        };
        entry.failures += 1;
        let tolerated = entry.max_failures == 0 || i64::from(entry.failures) < entry.max_failures;
        entry.standing = match entry.end(now, limit) {
            End::Exhausted => Standing::Failed,
            End::Counted if tolerated => Standing::Idle,
            End::Counted if entry.ephemeral => Standing::Finished,
            End::Counted => Standing::Failed,
        };
    }

    /// A run was killed by a signal or lost: no failure, but it counts as a run.
    pub fn add_loss(&mut self, process: &str, now: Seconds) {
        let limit = self.run_limit;
        let Some(entry) = self.entry(process) else {
            return;
        };
        entry.standing = match entry.end(now, limit) {
            End::Exhausted => Standing::Failed,
            End::Counted => Standing::Idle,
        };
    }

    fn entry(&mut self, process: &str) -> Option<&mut Entry> {
        self.by_name
            .get(process)
            .map(|&index| &mut self.entries[index])
    }
}

enum End {
    Counted,
    Exhausted,
}

impl Entry {
    fn wait(&self, now: Seconds) -> f64 {
        match self.last_end {
            // A clock that was set back must not hold a process up for longer than its own min_duration.
            Some(end) => self.min_duration - (now - end).max(0.0),
            None => 0.0,
        }
    }

    fn end(&mut self, now: Seconds, run_limit: u32) -> End {
        self.last_end = Some(now);
        self.runs += 1;
        if self.runs >= run_limit {
            End::Exhausted
        } else {
            End::Counted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str) -> Process {
        Process {
            name: name.into(),
            cmdline: String::new(),
            max_failures: 1,
            daemon: false,
            ephemeral: false,
            min_duration: 5,
            is_final: false,
            logger: None,
        }
    }

    fn plan(processes: &[Process], orders: &[&[&str]]) -> Result<Plan, PlanError> {
        let orders: Vec<Vec<String>> = orders
            .iter()
            .map(|order| order.iter().map(|name| (*name).to_owned()).collect())
            .collect();
        Plan::new(&processes.iter().collect::<Vec<_>>(), &orders, 100)
    }

    /// Plays a script of `name event` at second 0, 10, 20, …; returns the standing of each process after it, and the end.
    fn play(mut plan: Plan, script: &str) -> String {
        for (step, line) in script
            .split(',')
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .enumerate()
        {
            let now = step as f64 * 10.0;
            let (name, event) = line.split_once(' ').unwrap();
            if event == "lost" || event == "ok" || event == "fail" {
                plan.set_running(name);
            }
            match event {
                "run" => plan.set_running(name),
                "ok" => plan.add_success(name, now),
                "fail" => plan.add_failure(name, now),
                "lost" => plan.add_loss(name, now),
                other => panic!("{other}"),
            }
        }
        let join = |names: Vec<&str>| names.join("+");
        let runnable = plan.runnable_at(1e9);
        let mut text = format!(
            "runnable {} running {} finished {} failed {}",
            runnable.join("+"),
            join(plan.running().collect()),
            join(plan.finished().collect()),
            join(plan.failed().collect())
        );
        if plan.is_complete() {
            text.push_str(" complete");
        }
        if plan.is_deadlocked() {
            text.push_str(" deadlocked");
        }
        text
    }

    #[test]
    fn scripts() {
        let daemon = Process {
            daemon: true,
            max_failures: 2,
            ..process("d")
        };
        let ephemeral = Process {
            ephemeral: true,
            ..process("e")
        };
        let stubborn = Process {
            max_failures: 0,
            ..process("s")
        };
        let patient = Process {
            max_failures: 2,
            ..process("p")
        };
        let chain: &[&[&str]] = &[&["a", "b", "c"]];
        let abc = [process("a"), process("b"), process("c")];
        for (processes, orders, script, expected) in [
            (&abc[..], chain, "", "runnable a running  finished  failed "),
            (
                &abc,
                chain,
                "a run",
                "runnable  running a finished  failed ",
            ),
            (
                &abc,
                chain,
                "a ok",
                "runnable b running  finished a failed ",
            ),
            (
                &abc,
                chain,
                "a ok, b fail",
                "runnable  running  finished a failed b deadlocked",
            ),
            (
                &abc,
                chain,
                "a ok, b lost",
                "runnable b running  finished a failed ",
            ),
            (
                &abc,
                chain,
                "a ok, b ok, c ok",
                "runnable  running  finished a+b+c failed  complete",
            ),
            (
                &abc,
                &[],
                "b ok",
                "runnable a+c running  finished b failed ",
            ),
            (
                &abc,
                &[],
                "a fail, b fail, c ok",
                "runnable  running  finished c failed a+b complete",
            ),
            (
                std::slice::from_ref(&daemon),
                &[],
                "d ok, d ok, d ok",
                "runnable d running  finished  failed ",
            ),
            (
                std::slice::from_ref(&daemon),
                &[],
                "d fail, d ok, d fail",
                "runnable  running  finished  failed d complete",
            ),
            (
                std::slice::from_ref(&stubborn),
                &[],
                "s fail, s fail, s fail",
                "runnable s running  finished  failed ",
            ),
            (
                std::slice::from_ref(&patient),
                &[],
                "p fail, p lost",
                "runnable p running  finished  failed ",
            ),
            (
                std::slice::from_ref(&ephemeral),
                &[],
                "",
                "runnable e running  finished  failed  complete",
            ),
            (
                std::slice::from_ref(&ephemeral),
                &[],
                "e fail",
                "runnable  running  finished e failed  complete",
            ),
        ] {
            assert_eq!(
                play(plan(processes, orders).unwrap(), script),
                expected,
                "{script:?}"
            );
        }
    }

    #[test]
    fn constraints_that_are_refused() {
        let daemon = Process {
            daemon: true,
            ..process("d")
        };
        let ephemeral = Process {
            ephemeral: true,
            ..process("e")
        };
        let all = [process("a"), process("b"), daemon, ephemeral];
        for (orders, expected) in [
            (&[&["a", "b"][..], &["b", "a"]][..], Some(PlanError::Cycle)),
            (&[&["a", "a"]], Some(PlanError::Cycle)),
            (&[&["a", "x"]], Some(PlanError::Dependencies)),
            (
                &[&["d", "a"]],
                Some(PlanError::DependsOnDaemon {
                    process: "a".into(),
                    daemon: "d".into(),
                }),
            ),
            (
                &[&["e", "a"]],
                Some(PlanError::DependsOnEphemeral {
                    process: "a".into(),
                    ephemeral: "e".into(),
                }),
            ),
            (&[&["a", "d"]], None),
            (&[&["a", "e"]], None),
            (&[&["x", "y"]], None),
            (&[&[]], None),
        ] {
            assert_eq!(plan(&all, orders).err(), expected, "{orders:?}");
        }
    }

    #[test]
    fn min_duration_counts_from_the_end() {
        let mut plan = plan(
            &[Process {
                max_failures: 0,
                ..process("p")
            }],
            &[],
        )
        .unwrap();
        assert_eq!(plan.min_wait(100.0), Some(Duration::ZERO));
        plan.set_running("p");
        assert_eq!(plan.min_wait(100.0), None);
        plan.add_failure("p", 200.0);
        assert_eq!(plan.runnable_at(204.0), Vec::<String>::new());
        assert_eq!(plan.min_wait(202.0), Some(Duration::from_secs(3)));
        assert_eq!(plan.runnable_at(205.0), ["p"]);
        // A clock that goes backwards holds nobody up for longer.
        assert_eq!(plan.min_wait(50.0), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_hundred_runs_are_enough() {
        let mut plan = plan(
            &[Process {
                daemon: true,
                max_failures: 0,
                ..process("p")
            }],
            &[],
        )
        .unwrap();
        for run in 1..=100 {
            assert_eq!(plan.failed().count(), 0, "before run {run}");
            plan.set_running("p");
            match run % 3 {
                0 => plan.add_success("p", 0.0),
                1 => plan.add_failure("p", 0.0),
                _ => plan.add_loss("p", 0.0),
            }
        }
        assert_eq!(plan.failed().collect::<Vec<_>>(), ["p"]);
    }
}

//! Decides what a task does next. Knows no files, no clock and no signals: those are behind [`Machine`], and times are
//! handed in (aurora: `src/main/python/apache/thermos/core/runner.py`).
//!
//! ```text
//!  ACTIVE      run the ordinary plan         until it is complete, unhealthy or deadlocked; or a kill
//!     |
//!  CLEANING    SIGTERM to what still runs    until nothing lives; its time being up leads straight to the end
//!     |
//!  FINALIZING  SIGKILL, then the final plan  until that is complete or deadlocked, or the time is up
//!     |
//!  SUCCESS, FAILED, KILLED, LOST             SIGKILL to whatever is left
//! ```

mod machine;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use aurora_api::thermos::{
    ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader, TaskState, TaskStatus,
};

pub use self::machine::{Launch, Machine, Sweep};
use crate::checkpoint::WriteError;
use crate::clock::Moment;
use crate::plan::{Plan, Seconds};
use crate::schema::{Kind, Task};
use crate::state::{RunnerState, StateError, is_run_over, is_task_over};

/// A run that was forked and has not reported in for this long is lost.
pub const LOST_AFTER: Seconds = 60.0;
/// The longest time between two looks at a task that is ending, should something go unheard. An active one waits for events and
/// for what is due, however long that takes.
const ENDING_LOOK: Duration = Duration::from_secs(1);
/// How long background processes that left their session get between SIGTERM and SIGKILL, at most. Upstream leaves them to
/// the container.
const STRAY_GRACE: Seconds = 5.0;

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// Its checkpoints cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The core made a step that its own state machine refuses: a defect.
    #[error("internal error in the task's state machine: {0}")]
    State(#[from] StateError),
}

/// What to do after [`Core::turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Call again when something happened, and after this time at the latest; [`Duration::MAX`] when nothing is due.
    Wait(Duration),
    /// The task has ended.
    Over(TaskState),
}

/// A task being run.
#[derive(Debug)]
pub struct Core<M> {
    machine: M,
    task: Task,
    state: RunnerState,
    ordinary: Plan,
    finals: Plan,
    identity: Identity,
    forced: Option<TaskState>,
    /// Replaces the finalization wait after a kill. Like all times that are waited for, by the steady clock.
    deadline: Option<Seconds>,
    finalization_start: Option<Seconds>,
    /// When the latest run of each process was forked.
    forked: BTreeMap<String, Seconds>,
}

/// Who the runner is, for task records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The runner's process id.
    pub pid: i32,
    /// The user that it runs as.
    pub uid: i32,
}

impl<M: Machine> Core<M> {
    /// A new task, with nothing on record.
    ///
    /// # Errors
    /// [`crate::plan::PlanError`] when the task's constraints make no schedule.
    pub fn new(
        task: Task,
        run_limit: u32,
        identity: Identity,
        machine: M,
    ) -> Result<Self, crate::plan::PlanError> {
        Ok(Self {
            ordinary: task.plan(Kind::Ordinary, run_limit)?,
            finals: task.plan(Kind::Final, run_limit)?,
            machine,
            task,
            state: RunnerState::default(),
            identity,
            forced: None,
            deadline: None,
            finalization_start: None,
            forked: BTreeMap::new(),
        })
    }

    /// What is on record.
    #[must_use]
    pub fn state(&self) -> &RunnerState {
        &self.state
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The machine.
    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Puts the task on record: ACTIVE, the task file, the header, in upstream's order.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn start(&mut self, header: RunnerHeader, now: Moment) -> Result<(), CoreError> {
        self.set_task_state(TaskState::Active, now)?;
        self.machine.publish_task()?;
        self.commit(&RunnerCkpt::RunnerHeader(header))
    }

    /// Takes a record that a coordinator wrote. A record that was seen before, or that does not fit, changes nothing: the
    /// coordinator runs as the task's user, so what it writes is not to be trusted with more than its own process.
    ///
    /// # Errors
    /// [`CoreError::Write`].
    pub fn observe(
        &mut self,
        process: &str,
        update: ProcessStatus,
        now: Moment,
    ) -> Result<(), CoreError> {
        let fits = update.process.as_deref() == Some(process)
            && matches!(
                update.state,
                Some(
                    ProcessState::Forked
                        | ProcessState::Running
                        | ProcessState::Success
                        | ProcessState::Failed
                        | ProcessState::Killed
                )
            );
        if !fits {
            tracing::warn!(
                process,
                ?update,
                "ignoring a record that a coordinator does not write"
            );
            return Ok(());
        }
        if update
            .seq
            .is_some_and(|seq| seq <= self.state.sequence(process))
        {
            return Ok(());
        }
        match self.set_run_state(update, now) {
            Err(CoreError::State(error)) => {
                tracing::warn!(process, %error, "ignoring a coordinator's record");
                Ok(())
            }
            other => other,
        }
    }

    /// The coordinator of the process's current run is gone.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn coordinator_gone(&mut self, process: &str, now: Moment) -> Result<(), CoreError> {
        self.take_unread(process, now)?;
        if self
            .state
            .run_state(process)
            .is_some_and(|state| !is_run_over(state))
        {
            tracing::warn!(
                process,
                "the coordinator is gone without a word; the run is lost"
            );
            self.lose_run(process, now)?;
        }
        Ok(())
    }

    /// Ends the task as KILLED within `wait`. A second call changes nothing.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn kill(&mut self, wait: Duration, now: Moment) -> Result<(), CoreError> {
        self.force(TaskState::Killed, wait, now)
    }

    /// Ends the task as LOST, at once.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn lose(&mut self, now: Moment) -> Result<(), CoreError> {
        self.force(TaskState::Lost, Duration::ZERO, now)
    }

    fn force(&mut self, end: TaskState, wait: Duration, now: Moment) -> Result<(), CoreError> {
        if self.state.is_over() || self.forced.is_some() {
            return Ok(());
        }
        self.deadline = Some(now.steady + wait.as_secs_f64());
        self.forced = Some(end);
        // Upstream's runner retakes control of the stream for this, which repeats the current state.
        let current = self.state.task_state();
        self.set_task_state(current, now)?;
        match current {
            TaskState::Active => self.clean(now),
            TaskState::Cleaning => {
                self.terminate_ordinary();
                Ok(())
            }
            TaskState::Finalizing
            | TaskState::Success
            | TaskState::Failed
            | TaskState::Killed
            | TaskState::Lost => Ok(()),
        }
    }

    /// Does what there is to do now.
    ///
    /// # Errors
    /// [`CoreError`]: the task cannot go on, and everything that it started should be killed.
    pub fn turn(&mut self, now: Moment) -> Result<Turn, CoreError> {
        loop {
            let wait = match self.state.task_state() {
                TaskState::Active => self.turn_active(now)?,
                TaskState::Cleaning => self.turn_cleaning(now)?,
                TaskState::Finalizing => self.turn_finalizing(now)?,
                over @ (TaskState::Success
                | TaskState::Failed
                | TaskState::Killed
                | TaskState::Lost) => {
                    return Ok(Turn::Over(over));
                }
            };
            if let Some(wait) = wait {
                return Ok(Turn::Wait(wait));
            }
        }
    }

    /// `None` says that the state has changed.
    fn turn_active(&mut self, now: Moment) -> Result<Option<Duration>, CoreError> {
        let wait = self.run_plan(Kind::Ordinary, now)?;
        if self.ordinary.is_complete() || !self.is_healthy() {
            self.clean(now)?;
            return Ok(None);
        }
        Ok(Some(wait.unwrap_or(Duration::MAX)))
    }

    fn turn_cleaning(&mut self, now: Moment) -> Result<Option<Duration>, CoreError> {
        let left = self.finalization_left(now);
        if left.is_zero() {
            let end = self.end_state();
            self.end(end, now)?;
            return Ok(None);
        }
        let strays_may_stay = self
            .finalization_start
            .is_some_and(|start| now.steady - start < STRAY_GRACE)
            && self.machine.has_strays();
        if self.has_live_runs() || strays_may_stay {
            return Ok(Some(left.min(ENDING_LOOK)));
        }
        self.set_task_state(TaskState::Finalizing, now)?;
        self.kill_runs(now)?;
        Ok(None)
    }

    fn turn_finalizing(&mut self, now: Moment) -> Result<Option<Duration>, CoreError> {
        let left = self.finalization_left(now);
        let mut wait = None;
        if !left.is_zero() {
            wait = self.run_plan(Kind::Final, now)?;
        }
        if left.is_zero() || self.finals.is_complete() || self.finals.is_deadlocked() {
            let end = self.end_state();
            self.end(end, now)?;
            return Ok(None);
        }
        Ok(Some(
            wait.map_or(ENDING_LOOK, |wait| wait.min(ENDING_LOOK))
                .min(left),
        ))
    }

    /// Starts what the plan allows. Returns how long until it allows more by the clock alone.
    fn run_plan(&mut self, kind: Kind, now: Moment) -> Result<Option<Duration>, CoreError> {
        for process in self.unheard_of(kind) {
            if self.time_to_report(&process, now).is_zero() {
                tracing::warn!(process, "the run was forked but never came up; it is lost");
                self.lose_run(&process, now)?;
            }
        }
        let limit = usize::try_from(self.task.max_concurrency).unwrap_or(0);
        for process in self.plan(kind).runnable_at(now.steady) {
            if limit > 0 && self.plan(kind).running().count() >= limit {
                break;
            }
            self.launch(&process, now)?;
        }
        let at_limit = limit > 0 && self.plan(kind).running().count() >= limit;
        let next_start = if at_limit {
            None
        } else {
            self.plan(kind).min_wait(now.steady)
        };
        let unheard_of = self.unheard_of(kind).into_iter();
        let overdue = unheard_of.map(|process| self.time_to_report(&process, now));
        Ok(overdue.chain(next_start).min())
    }

    /// Processes whose run was forked and has not reported in.
    fn unheard_of(&self, kind: Kind) -> Vec<String> {
        let running = self.plan(kind).running();
        running
            .filter(|process| self.state.run_state(process) == Some(ProcessState::Forked))
            .map(str::to_owned)
            .collect()
    }

    /// How long such a run has left until it is lost.
    fn time_to_report(&self, process: &str, now: Moment) -> Duration {
        let forked = self.forked.get(process).copied().unwrap_or(now.steady);
        Duration::try_from_secs_f64(forked + LOST_AFTER - now.steady).unwrap_or(Duration::ZERO)
    }

    fn launch(&mut self, name: &str, now: Moment) -> Result<(), CoreError> {
        let waiting = ProcessStatus {
            seq: Some(self.state.sequence(name) + 1),
            process: Some(name.to_owned()),
            state: Some(ProcessState::Waiting),
            ..ProcessStatus::default()
        };
        self.set_run_state(waiting, now)?;
        let Some(process) = self.task.process(name) else {
            return Ok(());
        };
        let run = self
            .state
            .processes
            .get(name)
            .map_or(0, |runs| runs.len().saturating_sub(1));
        let seq = self.state.sequence(name) + 1;
        match self.machine.launch(Launch {
            process,
            run,
            seq,
            now: now.wall,
        }) {
            Ok(forked) => self.set_run_state(forked, now),
            Err(reason) => {
                tracing::error!(process = name, reason, "cannot launch the process");
                let failed = ProcessStatus {
                    seq: Some(seq),
                    process: Some(name.to_owned()),
                    state: Some(ProcessState::Failed),
                    ..ProcessStatus::default()
                };
                self.set_run_state(failed, now)
            }
        }
    }

    /// Applies a run's transition, puts it on record, and follows it up.
    fn set_run_state(&mut self, update: ProcessStatus, now: Moment) -> Result<(), CoreError> {
        let (Some(name), Some(state)) = (update.process.clone(), update.state) else {
            return Ok(());
        };
        let (return_code, pid) = (update.return_code, update.pid);
        self.commit(&RunnerCkpt::ProcessStatus(update))?;
        match state {
            ProcessState::Waiting => {}
            ProcessState::Forked => {
                self.plan_of(&name).set_running(&name);
                self.forked.insert(name, now.steady);
            }
            ProcessState::Running => {
                // The SIGTERM of CLEANING could not reach a run that had no process yet.
                let late =
                    self.state.task_state() == TaskState::Cleaning && self.ordinary.contains(&name);
                if let (true, Some(pid)) = (late, pid) {
                    self.machine.terminate(&name, pid);
                }
            }
            ProcessState::Success => {
                tracing::info!(process = name, "finished");
                self.machine.sweep(&name, Sweep::Group);
                self.plan_of(&name).add_success(&name, now.steady);
            }
            ProcessState::Failed => {
                tracing::info!(process = name, return_code, "failed");
                self.machine.sweep(&name, Sweep::Group);
                let plan = self.plan_of(&name);
                // A run that could not be started has not been running yet.
                plan.set_running(&name);
                plan.add_failure(&name, now.steady);
            }
            ProcessState::Killed | ProcessState::Lost => {
                tracing::info!(process = name, %state, return_code, "ended");
                self.machine.sweep(&name, Sweep::Group);
                self.plan_of(&name).add_loss(&name, now.steady);
            }
        }
        Ok(())
    }

    fn lose_run(&mut self, process: &str, now: Moment) -> Result<(), CoreError> {
        self.machine.sweep(process, Sweep::Everything);
        let lost = ProcessStatus {
            seq: Some(self.state.sequence(process) + 1),
            process: Some(process.to_owned()),
            state: Some(ProcessState::Lost),
            ..ProcessStatus::default()
        };
        self.set_run_state(lost, now)
    }

    fn take_unread(&mut self, process: &str, now: Moment) -> Result<(), CoreError> {
        for update in self.machine.drain(process) {
            self.observe(process, update, now)?;
        }
        Ok(())
    }

    /// SIGKILL to every run: one that lived becomes KILLED, one that did not LOST.
    fn kill_runs(&mut self, now: Moment) -> Result<(), CoreError> {
        let processes: Vec<String> = self.state.processes.keys().cloned().collect();
        for process in processes {
            self.take_unread(&process, now)?;
            let Some(state) = self
                .state
                .run_state(&process)
                .filter(|&state| !is_run_over(state))
            else {
                continue;
            };
            let was_alive = self.machine.sweep(&process, Sweep::Everything);
            if state == ProcessState::Waiting {
                continue;
            }
            let mut update = ProcessStatus {
                seq: Some(self.state.sequence(&process) + 1),
                process: Some(process),
                state: Some(ProcessState::Lost),
                ..ProcessStatus::default()
            };
            if was_alive {
                update.state = Some(ProcessState::Killed);
                update.stop_time = Some(now.wall.into());
                update.return_code = Some(-1);
            }
            self.set_run_state(update, now)?;
        }
        Ok(())
    }

    fn clean(&mut self, now: Moment) -> Result<(), CoreError> {
        self.set_task_state(TaskState::Cleaning, now)?;
        self.terminate_ordinary();
        Ok(())
    }

    fn terminate_ordinary(&mut self) {
        self.machine.terminate_strays();
        for process in self.ordinary.running() {
            let Some(run) = self.state.latest(process) else {
                continue;
            };
            if let (Some(ProcessState::Running), Some(pid)) = (run.state, run.pid) {
                self.machine.terminate(process, pid);
            }
        }
    }

    fn end(&mut self, end: TaskState, now: Moment) -> Result<(), CoreError> {
        self.set_task_state(end, now)?;
        self.kill_runs(now)?;
        self.machine.kill_strays();
        self.machine.finish_task();
        Ok(())
    }

    fn set_task_state(&mut self, state: TaskState, now: Moment) -> Result<(), CoreError> {
        tracing::info!(%state, "task");
        self.commit(&RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(state),
            timestamp_ms: Some((now.wall * 1000.0) as i64),
            runner_pid: Some(self.identity.pid),
            runner_uid: Some(self.identity.uid),
        }))?;
        if state == TaskState::Cleaning {
            self.finalization_start = Some(now.steady);
        }
        debug_assert!(
            !is_task_over(state) || self.state.is_over(),
            "a terminal state is on record"
        );
        Ok(())
    }

    fn commit(&mut self, record: &RunnerCkpt) -> Result<(), CoreError> {
        self.state.apply(record)?;
        Ok(self.machine.record(record)?)
    }

    /// Neither deadlocked nor over the limit of failed processes.
    fn is_healthy(&self) -> bool {
        let under_limit = self.task.max_failures == 0
            || i64::try_from(self.ordinary.failed().count()).unwrap_or(i64::MAX)
                < self.task.max_failures;
        under_limit && !self.ordinary.is_deadlocked()
    }

    fn end_state(&self) -> TaskState {
        match self.forced {
            Some(state) => state,
            None if self.is_healthy() => TaskState::Success,
            None => TaskState::Failed,
        }
    }

    fn finalization_left(&self, now: Moment) -> Duration {
        let deadline = match (self.deadline, self.finalization_start) {
            (Some(deadline), _) => deadline,
            (None, Some(start)) => start + self.task.finalization_wait as f64,
            (None, None) => return Duration::MAX,
        };
        Duration::try_from_secs_f64(deadline - now.steady).unwrap_or(Duration::ZERO)
    }

    fn has_live_runs(&self) -> bool {
        self.state.processes.keys().any(|process| {
            self.state
                .run_state(process)
                .is_some_and(|state| !is_run_over(state))
                && self.machine.is_live(process)
        })
    }

    fn plan(&self, kind: Kind) -> &Plan {
        match kind {
            Kind::Ordinary => &self.ordinary,
            Kind::Final => &self.finals,
        }
    }

    fn plan_of(&mut self, process: &str) -> &mut Plan {
        if self.finals.contains(process) {
            &mut self.finals
        } else {
            &mut self.ordinary
        }
    }
}

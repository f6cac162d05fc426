//! What a checkpoint stream adds up to: the state machines of a task and of its process runs
//! (aurora: `src/main/python/apache/thermos/common/ckpt.py`).
//!
//! ```text
//! process run:  none -> WAITING -> FORKED -> RUNNING -> SUCCESS
//!                          |          |         |-----> FAILED
//!                          |          |---------+-----> KILLED, LOST
//!                          `--------------------------> FAILED      (could not be started)
//! task:         ACTIVE -> CLEANING -> FINALIZING -> SUCCESS, FAILED, KILLED, LOST
//!                 CLEANING -> terminal as well, when its time is up
//! ```

use std::collections::BTreeMap;

use aurora_api::thermos::{
    ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader, TaskState, TaskStatus,
};

/// A record that does not fit what came before it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// A second header.
    #[error("the stream has a second header; one task cannot be bound twice")]
    SecondHeader,
    /// A process record whose sequence number is not the successor of the last one.
    #[error("process {process}: sequence number {got} follows {last}")]
    OutOfOrder {
        /// The process.
        process: String,
        /// The last sequence number applied, -1 before the first.
        last: i64,
        /// The one found.
        got: i64,
    },
    /// A transition that the process state machine does not have.
    #[error("process {process}: {to} cannot follow {from}")]
    Transition {
        /// The process.
        process: String,
        /// The state of the current run, or `none`.
        from: String,
        /// The state asked for.
        to: String,
    },
    /// A field that this kind of record must have is missing.
    #[error("a {record} record lacks its {field}")]
    Missing {
        /// The kind of record.
        record: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// Everything on record about one task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunnerState {
    /// Where and as whom it runs; absent until the second record of a stream.
    pub header: Option<RunnerHeader>,
    /// Every task status, oldest first. Re-attachments and kills repeat the current one.
    pub statuses: Vec<TaskStatus>,
    /// The runs of each process, oldest first, each merged from its records.
    pub processes: BTreeMap<String, Vec<ProcessStatus>>,
}

/// Whether a process run has ended.
#[must_use]
pub fn is_run_over(state: ProcessState) -> bool {
    match state {
        ProcessState::Waiting | ProcessState::Forked | ProcessState::Running => false,
        ProcessState::Success
        | ProcessState::Killed
        | ProcessState::Failed
        | ProcessState::Lost => true,
    }
}

/// Whether a task has ended.
#[must_use]
pub fn is_task_over(state: TaskState) -> bool {
    match state {
        TaskState::Active | TaskState::Cleaning | TaskState::Finalizing => false,
        TaskState::Success | TaskState::Failed | TaskState::Killed | TaskState::Lost => true,
    }
}

impl RunnerState {
    /// The task's current state; ACTIVE before the first record, as upstream has it.
    #[must_use]
    pub fn task_state(&self) -> TaskState {
        self.statuses
            .last()
            .and_then(|status| status.state)
            .unwrap_or(TaskState::Active)
    }

    /// Whether a terminal task state is on record.
    #[must_use]
    pub fn is_over(&self) -> bool {
        is_task_over(self.task_state())
    }

    /// The newest run of a process.
    #[must_use]
    pub fn latest(&self, process: &str) -> Option<&ProcessStatus> {
        self.processes.get(process).and_then(|runs| runs.last())
    }

    /// The state of the newest run of a process.
    #[must_use]
    pub fn run_state(&self, process: &str) -> Option<ProcessState> {
        self.latest(process).and_then(|run| run.state)
    }

    /// The highest sequence number of a process, -1 when it has no record.
    #[must_use]
    pub fn sequence(&self, process: &str) -> i64 {
        self.latest(process).and_then(|run| run.seq).unwrap_or(-1)
    }

    /// When the task came into its current state, in milliseconds since 1970: repeated records of one state do not count.
    #[must_use]
    pub fn state_since_ms(&self) -> Option<i64> {
        let last = self.statuses.last()?;
        self.statuses
            .iter()
            .rev()
            .take_while(|status| status.state == last.state)
            .last()
            .and_then(|status| status.timestamp_ms)
    }

    /// When the task's first status was written, in milliseconds since 1970.
    #[must_use]
    pub fn launched_ms(&self) -> Option<i64> {
        self.statuses.first().and_then(|status| status.timestamp_ms)
    }

    /// Applies the next record of a stream. On an error nothing has changed.
    ///
    /// # Errors
    /// [`StateError`] when the record does not fit.
    pub fn apply(&mut self, record: &RunnerCkpt) -> Result<(), StateError> {
        match record {
            RunnerCkpt::RunnerHeader(header) => {
                if self.header.is_some() {
                    return Err(StateError::SecondHeader);
                }
                self.header = Some(header.clone());
                Ok(())
            }
            RunnerCkpt::TaskStatus(status) => {
                if status.state.is_none() {
                    return Err(StateError::Missing {
                        record: "task status",
                        field: "state",
                    });
                }
                self.statuses.push(status.clone());
                Ok(())
            }
            RunnerCkpt::ProcessStatus(status) => self.apply_process(status),
        }
    }

    /// Like [`RunnerState::apply`], but a process record at or below the process's sequence number (read a second time) is
    /// skipped. Says whether the record was applied.
    ///
    /// # Errors
    /// As for [`RunnerState::apply`].
    pub fn apply_new(&mut self, record: &RunnerCkpt) -> Result<bool, StateError> {
        if let RunnerCkpt::ProcessStatus(status) = record
            && let (Some(process), Some(seq)) = (&status.process, status.seq)
            && seq <= self.sequence(process)
        {
            return Ok(false);
        }
        self.apply(record).map(|()| true)
    }

    fn apply_process(&mut self, update: &ProcessStatus) -> Result<(), StateError> {
        const RECORD: &str = "process status";
        let missing = |field| StateError::Missing {
            record: RECORD,
            field,
        };
        let process = update.process.as_ref().ok_or(missing("process"))?;
        let state = update.state.ok_or(missing("state"))?;
        let seq = update.seq.ok_or(missing("seq"))?;

        let last = self.sequence(process);
        let first = !self.processes.contains_key(process);
        // Upstream starts a process at whatever number comes first; its own streams start at 0.
        if !first && seq != last + 1 {
            return Err(StateError::OutOfOrder {
                process: process.clone(),
                last,
                got: seq,
            });
        }
        let current = self.run_state(process);
        let legal = match state {
            ProcessState::Waiting => current.is_none_or(is_run_over),
            ProcessState::Forked => current == Some(ProcessState::Waiting),
            ProcessState::Running => current == Some(ProcessState::Forked),
            ProcessState::Success => current == Some(ProcessState::Running),
            ProcessState::Failed => {
                matches!(current, Some(ProcessState::Waiting | ProcessState::Running))
            }
            ProcessState::Killed | ProcessState::Lost => {
                matches!(current, Some(ProcessState::Forked | ProcessState::Running))
            }
        };
        if !legal {
            return Err(StateError::Transition {
                process: process.clone(),
                from: current.map_or_else(|| "none".to_owned(), |state| state.to_string()),
                to: state.to_string(),
            });
        }
        let runs = self.processes.entry(process.clone()).or_default();
        if state == ProcessState::Waiting {
            runs.push(ProcessStatus {
                process: Some(process.clone()),
                ..ProcessStatus::default()
            });
        }
        let Some(run) = runs.last_mut() else {
            return Err(missing("run"));
        };
        run.seq = Some(seq);
        run.state = Some(state);
        match state {
            ProcessState::Waiting | ProcessState::Lost => {}
            ProcessState::Forked => {
                run.fork_time = update.fork_time;
                run.coordinator_pid = update.coordinator_pid;
            }
            ProcessState::Running => {
                run.start_time = update.start_time;
                run.pid = update.pid;
            }
            // A run that could not be started has neither field.
            ProcessState::Success | ProcessState::Killed | ProcessState::Failed => {
                run.stop_time = update.stop_time;
                run.return_code = update.return_code;
            }
        }
        Ok(())
    }
}

/// Reads a whole runner stream. A damaged record or one that does not fit ends the reading: what came before is returned
/// together with the reason, since it is still true.
///
/// # Errors
/// [`crate::checkpoint::ReadError`] when not even the file can be read.
pub fn read_stream(
    path: &std::path::Path,
) -> Result<(RunnerState, Option<String>), crate::checkpoint::ReadError> {
    let mut reader = crate::checkpoint::Reader::new(path);
    let mut state = RunnerState::default();
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                if let Err(error) = state.apply(&record) {
                    return Ok((state, Some(error.to_string())));
                }
            }
            Ok(None) => return Ok((state, None)),
            Err(error @ crate::checkpoint::ReadError::Io { .. }) if reader.offset() == 0 => {
                return Err(error);
            }
            Err(error) => return Ok((state, Some(error.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(seq: i64, state: ProcessState) -> RunnerCkpt {
        RunnerCkpt::ProcessStatus(ProcessStatus {
            seq: Some(seq),
            process: Some("p".into()),
            state: Some(state),
            coordinator_pid: Some(10),
            fork_time: Some(1.0.into()),
            start_time: Some(2.0.into()),
            pid: Some(11),
            stop_time: Some(3.0.into()),
            return_code: Some(7),
        })
    }

    /// Brings a process from none into the given state.
    fn at(state: Option<ProcessState>) -> RunnerState {
        use ProcessState::{Failed, Forked, Killed, Lost, Running, Success, Waiting};
        let path: &[ProcessState] = match state {
            None => &[],
            Some(Waiting) => &[Waiting],
            Some(Forked) => &[Waiting, Forked],
            Some(Running) => &[Waiting, Forked, Running],
            Some(Success) => &[Waiting, Forked, Running, Success],
            Some(Failed) => &[Waiting, Forked, Running, Failed],
            Some(Killed) => &[Waiting, Forked, Running, Killed],
            Some(Lost) => &[Waiting, Forked, Running, Lost],
        };
        let mut reached = RunnerState::default();
        for (seq, state) in path.iter().enumerate() {
            reached.apply(&update(seq as i64, *state)).unwrap();
        }
        reached
    }

    #[test]
    fn transitions() {
        use ProcessState::{Failed, Forked, Killed, Lost, Running, Success, Waiting};
        const ALL: [ProcessState; 7] = [Waiting, Forked, Running, Success, Killed, Failed, Lost];
        let legal: &[(Option<ProcessState>, &[ProcessState])] = &[
            (None, &[Waiting]),
            (Some(Waiting), &[Forked, Failed]),
            (Some(Forked), &[Running, Killed, Lost]),
            (Some(Running), &[Success, Killed, Failed, Lost]),
            (Some(Success), &[Waiting]),
            (Some(Killed), &[Waiting]),
            (Some(Failed), &[Waiting]),
            (Some(Lost), &[Waiting]),
        ];
        for (from, allowed) in legal {
            for to in ALL {
                let mut state = at(*from);
                let before = state.clone();
                let outcome = state.apply(&update(state.sequence("p") + 1, to));
                assert_eq!(
                    outcome.is_ok(),
                    allowed.contains(&to),
                    "{from:?} to {to}: {outcome:?}"
                );
                if outcome.is_err() {
                    assert_eq!(state, before, "{from:?} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_run_keeps_the_fields_of_each_transition() {
        let run = at(Some(ProcessState::Failed)).latest("p").cloned().unwrap();
        assert_eq!(
            run,
            ProcessStatus {
                seq: Some(3),
                process: Some("p".into()),
                state: Some(ProcessState::Failed),
                coordinator_pid: Some(10),
                fork_time: Some(1.0.into()),
                start_time: Some(2.0.into()),
                pid: Some(11),
                // Upstream's replay loses these two.
                stop_time: Some(3.0.into()),
                return_code: Some(7),
            }
        );
        let lost = at(Some(ProcessState::Lost)).latest("p").cloned().unwrap();
        assert_eq!((lost.stop_time, lost.return_code), (None, None));
    }

    #[test]
    fn sequence_numbers_go_on_over_runs() {
        let mut state = at(Some(ProcessState::Success));
        for (seq, expected) in [
            (
                3,
                Err(StateError::OutOfOrder {
                    process: "p".into(),
                    last: 3,
                    got: 3,
                }),
            ),
            (
                5,
                Err(StateError::OutOfOrder {
                    process: "p".into(),
                    last: 3,
                    got: 5,
                }),
            ),
            (4, Ok(())),
        ] {
            assert_eq!(state.apply(&update(seq, ProcessState::Waiting)), expected);
        }
        assert_eq!(state.processes["p"].len(), 2);
        assert_eq!(
            state.apply_new(&update(2, ProcessState::Running)),
            Ok(false)
        );
        assert_eq!(state.apply_new(&update(5, ProcessState::Forked)), Ok(true));
    }

    #[test]
    fn task_states() {
        let status = |state, ms| {
            RunnerCkpt::TaskStatus(TaskStatus {
                state: Some(state),
                timestamp_ms: Some(ms),
                ..TaskStatus::default()
            })
        };
        let mut state = RunnerState::default();
        assert_eq!(
            (state.task_state(), state.state_since_ms()),
            (TaskState::Active, None)
        );
        for (next, ms) in [
            (TaskState::Active, 5),
            (TaskState::Active, 7),
            (TaskState::Cleaning, 9),
            (TaskState::Cleaning, 11),
        ] {
            state.apply(&status(next, ms)).unwrap();
        }
        assert_eq!(
            (state.launched_ms(), state.state_since_ms(), state.is_over()),
            (Some(5), Some(9), false)
        );
        state
            .apply(&RunnerCkpt::RunnerHeader(RunnerHeader::default()))
            .unwrap();
        assert_eq!(
            state.apply(&RunnerCkpt::RunnerHeader(RunnerHeader::default())),
            Err(StateError::SecondHeader)
        );
    }
}

//! Ending a task whose runner is somewhere else, or is no more
//! (aurora: `src/main/python/apache/thermos/core/helper.py`, `TaskRunnerHelper.kill` with force).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use aurora_api::thermos::{ProcessState, ProcessStatus, RunnerCkpt, TaskState, TaskStatus};
use nix::sys::signal::Signal;

use crate::checkpoint::{ReadError, Reader, WriteError, Writer};
use crate::clock;
use crate::paths::TaskPaths;
use crate::procs::{self, ProcessId};
use crate::state::{self, RunnerState, is_run_over};

/// How long a killed runner may take to let go of its stream.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the processes of a task may take to die.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Why a task cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Its stream cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its stream cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A process holds the lead that is not the recorded runner.
    #[error(
        "somebody leads the task who is not its recorded runner ({recorded:?}); it is left alone"
    )]
    Stranger {
        /// The runner's number on record.
        recorded: Option<ProcessId>,
    },
    /// This very process is the runner.
    #[error("this process runs the task itself")]
    Oneself,
    /// The runner was killed, and the lead is still taken.
    #[error("runner {runner} was killed {RELEASE_PATIENCE:?} ago and still holds the stream")]
    Held {
        /// The runner.
        runner: ProcessId,
    },
    /// The task file cannot be moved to the finished ones.
    #[error("the task is ended, but its file cannot be moved to the finished ones")]
    Move(#[source] io::Error),
}

/// Kills a task without its final processes: SIGKILL to its runner, then to whatever its records name and still is what they
/// name; and writes down how it ended. Of a task that has ended already, or of which there is no record, only the file is moved
/// to the finished ones.
///
/// # Errors
/// [`TakeoverError`].
pub fn kill(paths: &TaskPaths) -> Result<(), TakeoverError> {
    let stream = paths.runner();
    let known = match state::read_stream(&stream) {
        Ok((known, _)) => known,
        Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return finish(paths);
        }
        Err(error) => return Err(error.into()),
    };
    if known.is_over() {
        return finish(paths);
    }
    // Looked at before the runner dies, for they may die with it.
    let alive = alive_runs(&known);
    let mut writer = take_the_lead(&stream, runner(&known))?;
    writer.mend(&mut Reader::new(&stream))?;
    // It may have written on until it died.
    let (mut state, _) = state::read_stream(&stream)?;
    if state.is_over() || state.header.is_none() {
        return finish(paths);
    }
    let uid = header_uid(&state);
    for run in latest_runs(&state) {
        kill_run(run, uid);
    }
    let now = clock::now();
    let current = state.task_state();
    let mut record = |state: &mut RunnerState, record: RunnerCkpt| {
        // A stream that was read to its end takes what follows by its own rules.
        if let Err(error) = state.apply(&record) {
            tracing::warn!(%error, "a record does not fit and is left out");
            return Ok(());
        }
        writer.write(&record)
    };
    record(&mut state, task_status(current, now))?;
    let unfinished: Vec<ProcessStatus> = latest_runs(&state)
        .filter(|run| !run.state.is_some_and(is_run_over))
        .cloned()
        .collect();
    for run in unfinished {
        let name = run.process.clone().unwrap_or_default();
        let was_alive = alive.contains(&name);
        let end = ProcessStatus {
            seq: Some(state.sequence(&name) + 1),
            process: Some(name),
            state: Some(match was_alive {
                true => ProcessState::Killed,
                false => ProcessState::Lost,
            }),
            stop_time: was_alive.then(|| now.into()),
            return_code: was_alive.then_some(-9),
            ..ProcessStatus::default()
        };
        // WAITING runs have nothing to end.
        if run.state != Some(ProcessState::Waiting) {
            record(&mut state, RunnerCkpt::ProcessStatus(end))?;
        }
    }
    record(&mut state, task_status(TaskState::Killed, now))?;
    finish(paths)
}

/// Moves the task's file, which somebody else may have done.
fn finish(paths: &TaskPaths) -> Result<(), TakeoverError> {
    match paths.finish() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TakeoverError::Move(error)),
        _ => Ok(()),
    }
}

fn header_uid(state: &RunnerState) -> Option<i32> {
    state.header.as_ref().and_then(|header| header.uid)
}

fn runner(state: &RunnerState) -> Option<ProcessId> {
    state.statuses.last().and_then(|status| status.runner_pid)
}

fn latest_runs(state: &RunnerState) -> impl Iterator<Item = &ProcessStatus> {
    state.processes.values().filter_map(|runs| runs.last())
}

/// The processes whose latest run lives.
fn alive_runs(state: &RunnerState) -> Vec<String> {
    let uid = header_uid(state);
    latest_runs(state)
        .filter(|run| run.state == Some(ProcessState::Running) && procs::is_recorded(run, uid))
        .filter_map(|run| run.process.clone())
        .collect()
}

/// Locks the stream; whoever holds it and is the recorded runner is killed for that.
fn take_the_lead(stream: &Path, recorded: Option<ProcessId>) -> Result<Writer, TakeoverError> {
    match Writer::lock(stream) {
        Err(WriteError::Locked { .. }) => {}
        other => return Ok(other?),
    }
    let Some(runner) = recorded.filter(|&pid| holds(pid, stream)) else {
        return Err(TakeoverError::Stranger { recorded });
    };
    if runner == nix::unistd::getpid().as_raw() {
        return Err(TakeoverError::Oneself);
    }
    procs::signal(runner, Signal::SIGKILL);
    let deadline = Instant::now() + RELEASE_PATIENCE;
    loop {
        match Writer::lock(stream) {
            Err(WriteError::Locked { .. }) if Instant::now() < deadline => {
                procs::pause(Duration::from_millis(10));
            }
            Err(WriteError::Locked { .. }) => return Err(TakeoverError::Held { runner }),
            other => return Ok(other?),
        }
    }
}

/// Whether the process has the stream open: its number alone may be somebody else's by now.
fn holds(pid: ProcessId, stream: &Path) -> bool {
    let Ok(wanted) = fs::metadata(stream) else {
        return false;
    };
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::metadata(descriptor.path()).ok())
        .any(|file| (file.dev(), file.ino()) == (wanted.dev(), wanted.ino()))
}

/// SIGKILL to a run's process, its descendants and its session, as far as the numbers still mean them.
fn kill_run(run: &ProcessStatus, uid: Option<i32>) {
    if run.state != Some(ProcessState::Running) || !procs::is_recorded(run, uid) {
        return;
    }
    let Some(pid) = run.pid else { return };
    let coordinator = run
        .coordinator_pid
        .filter(|&coordinator| procs::parent(pid) == Some(coordinator));
    let below = procs::descendants(pid);
    for pid in coordinator.into_iter().chain([pid]).chain(below) {
        procs::signal(pid, Signal::SIGKILL);
    }
    if let Some(coordinator) = coordinator {
        procs::signal_group(coordinator, Signal::SIGKILL);
    }
    let deadline = Instant::now() + KILL_PATIENCE;
    while procs::is_alive(pid) && Instant::now() < deadline {
        procs::pause(Duration::from_millis(2));
    }
}

fn task_status(state: TaskState, now: f64) -> RunnerCkpt {
    RunnerCkpt::TaskStatus(TaskStatus {
        state: Some(state),
        timestamp_ms: Some((now * 1000.0) as i64),
        runner_pid: Some(nix::unistd::getpid().as_raw()),
        runner_uid: i32::try_from(nix::unistd::getuid().as_raw()).ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Stage;
    use aurora_api::thermos::RunnerHeader;

    /// Tasks whose runner died before or after all that it had to say, but did not move their file.
    #[test]
    fn what_has_ended_or_never_begun_leaves_the_active_ones() {
        let dir = tempfile::tempdir().unwrap();
        let status = |state| task_status(state, 1.0);
        let header = || RunnerCkpt::RunnerHeader(RunnerHeader::default());
        for (name, records) in [
            ("no-stream", None),
            ("empty-stream", Some(vec![])),
            ("no-header", Some(vec![status(TaskState::Active)])),
            (
                "ended",
                Some(vec![
                    status(TaskState::Active),
                    header(),
                    status(TaskState::Success),
                ]),
            ),
        ] {
            let paths = TaskPaths::new(dir.path(), name).unwrap();
            let active = paths.task(Stage::Active);
            fs::create_dir_all(active.parent().unwrap()).unwrap();
            fs::write(&active, "{}").unwrap();
            if let Some(records) = &records {
                let mut writer = Writer::lock(paths.runner()).unwrap();
                for record in records {
                    writer.write(record).unwrap();
                }
            }
            let before = fs::read(paths.runner()).ok();
            kill(&paths).unwrap();
            assert!(!active.exists(), "{name}");
            assert!(paths.task(Stage::Finished).exists(), "{name}");
            assert_eq!(fs::read(paths.runner()).ok(), before, "{name}");
        }
    }

    #[test]
    fn who_is_led_by_a_stranger_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let paths = TaskPaths::new(dir.path(), "t").unwrap();
        let _leader = Writer::lock(paths.runner()).unwrap();
        let refused = kill(&paths).unwrap_err();
        assert!(
            matches!(refused, TakeoverError::Stranger { recorded: None }),
            "{refused}"
        );
    }
}

//! What the core needs of the world.

use aurora_api::thermos::{ProcessStatus, RunnerCkpt};

use crate::checkpoint::WriteError;
use crate::plan::Seconds;
use crate::procs::ProcessId;
use crate::schema::Process;

/// A run to be started.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The process.
    pub process: &'a Process,
    /// Number of the run, from 0.
    pub run: usize,
    /// Sequence number for the run's FORKED record.
    pub seq: i64,
    /// Now, for the record.
    pub now: Seconds,
}

/// How much of a process to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Its session's process group: what a process that ended left in the background.
    Group,
    /// That, its coordinator, and every descendant wherever it went.
    Everything,
}

/// What the core needs of a machine.
pub trait Machine {
    /// Appends to the runner's stream.
    ///
    /// # Errors
    /// When the stream cannot be written; the task cannot go on then.
    fn record(&mut self, record: &RunnerCkpt) -> Result<(), WriteError>;
    /// Puts the task file among the active ones.
    ///
    /// # Errors
    /// When it cannot be written.
    fn publish_task(&mut self) -> Result<(), WriteError>;
    /// Moves the task file to the finished ones.
    fn finish_task(&mut self);
    /// Starts a run and returns its FORKED record, or says why it cannot be started.
    ///
    /// # Errors
    /// The reason, for the log.
    fn launch(&mut self, launch: Launch<'_>) -> Result<ProcessStatus, String>;
    /// Records that the coordinators of a process have written and nobody has read yet.
    fn drain(&mut self, process: &str) -> Vec<ProcessStatus>;
    /// Whether the coordinator of the process's current run lives.
    fn is_live(&self, process: &str) -> bool;
    /// SIGTERM to the run's first process and to the orphans of the run.
    fn terminate(&mut self, process: &str, pid: ProcessId);
    /// SIGTERM to what was started by a process, left its session, and outlived it.
    fn terminate_strays(&mut self);
    /// Whether such processes live.
    fn has_strays(&self) -> bool;
    /// SIGKILL to the same, and to everything else below the runner.
    fn kill_strays(&mut self);
    /// SIGKILL to a process's run; whether anything of it was alive.
    fn sweep(&mut self, process: &str, sweep: Sweep) -> bool;
}

//! Runs the processes of one task on one machine, and keeps the records that upstream's tools read.
//!
//! # Who owns what
//! The *runner* ([`TaskRunner`]) lives inside the executor process, on its one thread. For each run of each process it
//! starts a *coordinator*: the same program again, as a process of its own ([`coordinator`]), leader of a new session.
//! The coordinator starts `/bin/bash -c <cmdline>` and writes down what becomes of it.
//!
//! ```text
//! executor = runner (subreaper)
//!   `-- coordinator (session leader, subreaper, told by the kernel when the runner dies)
//!         `-- bash -c … (killed by the kernel when the coordinator dies)
//!               `-- …
//! ```
//!
//! # No orphans
//! What was started is found again or is dead, whoever is killed at whatever point:
//! * *A process ends:* its session's group is killed; what left the session is adopted by the runner, gets SIGTERM when the
//!   task ends and SIGKILL after that.
//! * *A coordinator is killed:* the kernel kills bash; the runner sees the end of the coordinator's pipe, kills the group and
//!   every descendant, records the run as LOST and starts it again.
//! * *The executor is killed:* the kernel sends every coordinator SIGTERM, which kills its descendants (it adopts what they
//!   leave behind) and then ends. Upstream's runner and coordinators survive their executor here, and are only ended when
//!   the agent destroys the container; a runner started anew can take them over. An executor is never started anew for a
//!   task, so ours ends them at once.
//! * *Executor and coordinator are killed together:* bash dies with the coordinator. Its descendants are left to the agent,
//!   which destroys the container's cgroup; without cgroups they are in the session whose id the stream holds as
//!   `coordinator_pid`.
//! * *The agent is restarted:* none of this cares; the executor is not its child any more and reconnects.
//!
//! Rejected: coordinators as plain forks without exec (unsafe beside any thread, and each carries the executor's heap), the
//! runner as a process of its own (upstream's way: one more process per task, and a second supervisor to lose), and process
//! namespaces for everybody (they need root; where they are asked for, the module `init` stands between coordinator and bash).
//!
//! # Where to start reading
//! [`core`] decides, [`plan`] says which process may run, [`state`] holds what is on record; all three are pure.
//! [`host`](Settings), [`coordinator`] and [`runner`] do. [`checkpoint`], [`paths`] and [`state`] are for readers of the
//! records, such as the observer. [`instance`] turns an executor's data into a task.

pub mod checkpoint;
pub mod clock;
pub mod coordinator;
pub mod core;
pub mod disk;
mod host;
mod init;
pub mod instance;
pub mod isolation;
pub mod logs;
mod memory;
pub mod paths;
mod place;
pub mod plan;
pub mod procs;
pub mod runner;
pub mod schema;
pub mod spawn;
pub mod state;
pub mod takeover;
pub mod users;

/// Plays the part that a program's first argument names, if it names one: a coordinator, or the first process of a namespace.
/// `arguments` are the others. Call this first thing in `main`, before any thread.
#[must_use]
pub fn part(
    first: Option<&str>,
    arguments: impl Iterator<Item = String>,
) -> Option<std::process::ExitCode> {
    match first {
        Some(coordinator::ARGUMENT) => Some(coordinator::main(arguments)),
        Some(init::ARGUMENT) => Some(init::main(arguments)),
        _ => None,
    }
}

pub use runner::{Settings, StartError, TaskRunner};

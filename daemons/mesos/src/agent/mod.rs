//! The agent: runs executors and their tasks on one machine, and tells the master what becomes of them.
//!
//! ```text
//!   registration --+                 +---- containerizer (sandbox, fetcher, launch helper, cgroups)
//!   http (APIs) ---+---- shell ------+---- checkpoint (meta/)
//!                        |  ^        +---- event streams of executors
//!                 events v  | effects
//!                      core::Agent
//! ```
//!
//! `core` decides and does no input or output. `shell` owns it on one task, carries out its effects in order and turns
//! everything that happens into its events. A kill of the agent at any moment loses nothing that was promised: records are
//! on disk before anything rests on them, and executors live on and are adopted by the next agent (`process` says how
//! they are recognised, `launch_helper` how none is ever started unseen).
//!
//! The program has hidden modes, each a process of its own: the launch helper, the fetcher and the command executor.

mod cgroup;
mod checkpoint;
mod checks;
mod command;
mod container;
mod containerizer;
mod core;
mod detect;
mod docker;
mod durable;
mod duration;
mod environment;
mod fetch_plan;
mod fetcher;
mod file_routes;
mod files;
mod flags;
mod gc;
mod http;
mod images;
mod launch_helper;
mod operator;
mod outgoing;
mod paths;
mod process;
mod registration;
mod run;
mod sandbox;
mod shell;
mod statistics;
mod updates;
mod usage;
mod users;

pub use flags::AgentFlags;
pub use run::run;

use std::process::ExitCode;

/// Runs one of the program's hidden modes when `mode` (the first argument) names one.
pub fn hidden_mode(mode: &str) -> Option<ExitCode> {
    match mode {
        launch_helper::SUBCOMMAND => Some(launch_helper::main()),
        launch_helper::INSIDE => Some(launch_helper::inside()),
        docker::SUBCOMMAND => Some(docker::main()),
        images::SUBCOMMAND => Some(images::unpack_main()),
        images::PULL => Some(images::pull_main()),
        fetcher::SUBCOMMAND => Some(fetcher::main()),
        command::SUBCOMMAND => Some(command::main()),
        _ => None,
    }
}

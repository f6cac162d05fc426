//! Finding a cluster and talking to it: what `aurora`, the workbench and `aurora-local` share.
//!
//! Start with [`directory::Directory`], which turns a cluster's name into a [`directory::Target`] (an address and a secret).
//! With a target, [`scheduler::Scheduler`] makes Thrift calls, [`feed::Feed`] follows the event feed and
//! [`observer::Observer`] reads tasks' processes, logs and files. [`job_file`] loads a job from its file, evaluated in a process of its own ([`eval`]);
//! [`local`] starts and stops an embedded cluster.
//!
//! This crate prints nothing, never ends the process, and knows neither Python nor a terminal.
//!
//! ```no_run
//! use aurora_api::service::arguments::GetTierConfigs;
//! use aurora_client::{directory::{Directory, Environment}, scheduler::{Retry, Scheduler}};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = Directory::load(Environment::of_process())?;
//! let target = directory.find("devcluster")?;
//! let scheduler = Scheduler::new(&target, "My Program;1.0");
//! let tiers: aurora_api::model::GetTierConfigResult =
//!     scheduler.ask(GetTierConfigs::default(), Retry::Safe).await?;
//! println!("{}", tiers.default_tier_name);
//! # Ok(())
//! # }
//! ```

pub mod auth;
mod authorities;
pub mod bindings;
pub mod clusters;
pub mod directory;
pub mod endpoints;
pub mod eval;
mod extensions;
#[cfg(test)]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests of aurora-cli"
)]
mod fake;
#[cfg(test)]
mod fake_zookeeper;
pub mod feed;
pub mod http;
pub mod job_file;
pub mod leader;
pub mod local;
pub mod netrc;
pub mod observer;
mod place;
pub mod programs;
pub mod results;
pub mod scheduler;
mod stream;

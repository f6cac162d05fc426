//! The Aurora scheduler: a pure core that decides, in a thin shell that logs, talks and serves.
//!
//! Start with [`core`] for what is decided, `engine` for how a decision becomes durable and visible, [`server`] for how the
//! parts are put together. The program is `aurora-scheduler`.

mod api;
mod backups;
mod coordinator;
pub mod core;
pub mod delayed;
mod discovery;
mod engine;
mod feed;
pub mod flags;
mod http;
mod mesos;
mod metrics;
mod recovery;
mod security;
pub mod server;
mod storage;
mod time;
mod watch;
mod webhook;

pub use api::read::read;

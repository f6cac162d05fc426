//! The master: frameworks, agents, offers and tasks of one small cluster behind the Mesos v1 APIs.
//!
//! ```text
//!   http (routes) -- scheduler_api, operator_api, legacy, link_api
//!        |                      calls
//!      shell: one lock, the clock, the streams, the registry's file
//!        |  methods(now)  ^ effects, in order
//!      core::Master
//! ```

mod contender;
mod core;
mod gzip;
mod http;
mod legacy;
mod link_api;
mod metrics;
mod negotiate;
mod operator_api;
mod run;
mod scheduler_api;
mod shell;
mod store;
mod views;

pub use run::{MasterFlags, run};

//! The embedded cluster: a master and an agent that unmodified Mesos v1 schedulers, executors and
//! dashboards cannot tell from a small Apache Mesos 1.x.
//!
//! * [`link`]: what the two say to each other.
//! * [`master`]: frameworks, offers, tasks; the scheduler and operator APIs. Its core decides and does no
//!   input or output, the rest is its HTTP shell.
//! * `agent`: sandboxes, fetcher, executors, status update streams; the executor API.

pub mod agent;
mod jsonp;
pub mod link;
mod logging_level;
pub mod master;

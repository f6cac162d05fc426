//! What jobs promise, and how well the cluster does.
//!
//! [`policy`] decides whether an instance may be taken down, [`coordinator`] asks a job's own coordinator about it,
//! [`tracker`] keeps the figures that both rest on, a task's event at a time, and [`report`] makes upstream's metrics of them.

/// Upstream's counters of coordinators and drains.
pub(crate) const COUNTERS: &[&str] = &[
    "missing_maintenance_request",
    "scheduler_inverse_offers",
    "sla_coordinator_attempts",
    "sla_coordinator_errors",
    "sla_coordinator_lock_starvation",
    "sla_coordinator_success",
    "sla_coordinator_user_errors",
];

mod coordinator;
mod platform;
mod policy;
mod report;
mod tracker;

pub use coordinator::{CoordinatorAnswer, CoordinatorCall};
pub use report::Report;

pub(crate) use coordinator::{Coordinators, Purpose};
pub(crate) use policy::{Permission, duration, needed};
pub(crate) use tracker::Tracker;

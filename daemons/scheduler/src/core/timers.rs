//! Deadlines.
//!
//! A deadline is never taken back: whoever it wakes looks whether it still means something.

use std::collections::BTreeMap;

use aurora_api::model::{JobKey, ScheduleStatus};

use super::config::Millis;
use super::store::{ConfigId, TaskId};

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A task group's turn.
    Group(ConfigId),
    /// The next permit for groups whose turn came too early.
    Permit,
    /// A throttled task becomes pending.
    Throttled(TaskId),
    /// A state that should have passed by now; with the time of the task's last event when it was entered.
    Transient(TaskId, ScheduleStatus, Millis),
    /// Another kill; with the wait before this one.
    KillRetry(TaskId, Millis),
    /// An agent was away too long; with the time of the task's last event.
    Partitioned(TaskId, Millis),
    /// An offer was held long enough; by its sequence number.
    Offer(u64),
    /// A job's oldest ended task was kept long enough.
    Prune(JobKey),
    /// A minute of a cron job's schedule.
    Cron(JobKey, Millis),
    /// Whether the earlier run of a cron job is gone; with the wait before this look.
    CronFollowUp(JobKey, Millis),
    /// An instance of an update may have been running for long enough.
    UpdateLook(JobKey, i32),
    /// Another try to kill a task that an update waits for; with the updater's generation and the wait before.
    UpdateKill(JobKey, TaskId, u64, Millis),
    /// The next batch of such tries.
    UpdateKills,
    /// Old updates.
    UpdateHistory,
    /// Draining hosts.
    MaintenancePoll,
    /// A coordinator should have answered; with the question's id.
    Coordinator(u64),
    /// Explicit reconciliation.
    Explicit,
    /// The next batch of an explicit reconciliation.
    ExplicitBatch,
    /// Implicit reconciliation.
    Implicit,
    /// The next search for room that preemption could make.
    SlotSearch,
    /// The rest of such a search.
    SlotSearchGoesOn,
}

/// Deadlines by time; equal times in the order in which they were set.
///
/// Most are either due soon or, like the time-outs of launches, later than all others: a tree takes both at its ends, and
/// what lies between is not touched.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeMap<(Millis, u64), Timer>,
    count: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Millis, timer: Timer) {
        self.count += 1;
        self.set.insert((at, self.count), timer);
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.set.first_key_value().map(|((at, _), _)| *at)
    }

    /// The earliest deadline that has come.
    pub(crate) fn due(&mut self, now: Millis) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.set.pop_first().map(|(_, timer)| timer)
    }
}

//! Counters that are there from the beginning: whoever watches one can tell nothing from nothing yet.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{cron, schedule, sla, tasks, updates, writes};

/// Of offers, of looking for room and of the life of tasks. Those that are about one job, one reason or one pair of statuses
/// come with their first event, as upstream's do.
const OTHERS: &[&str] = &[
    "assigner_launch_failures",
    "offer_accept_races",
    "offer_cancel_failures",
    "offers_rescinded",
    "preemptor_missing_attributes",
    "preemptor_slot_search_attempts_for_non_prod",
    "preemptor_slot_search_attempts_for_prod",
    "preemptor_slot_search_failed_for_non_prod",
    "preemptor_slot_search_failed_for_prod",
    "preemptor_slot_search_successful_for_non_prod",
    "preemptor_slot_search_successful_for_prod",
    "preemptor_slot_validation_failed",
    "preemptor_slot_validation_successful",
    "preemptor_task_processor_runs",
    "preemptor_tasks_preempted_non_prod",
    "preemptor_tasks_preempted_prod",
    "preemptor_unmatched_tasks",
    "reconciliation_explicit_runs",
    "reconciliation_implicit_runs",
    "schedule_attempts_blocks",
    "schedule_attempts_fired",
    "schedule_attempts_no_match",
    "scheduler_illegal_task_state_transitions",
    "task_kill_retries",
    "tasks_pruned",
    "timed_out_tasks",
    "veto_evaluated_offers",
];

/// All of them, at zero.
pub(super) fn from_zero() -> BTreeMap<Cow<'static, str>, u64> {
    let lists = [
        OTHERS,
        cron::COUNTERS,
        sla::COUNTERS,
        updates::COUNTERS,
        writes::COUNTERS,
        &tasks::THROTTLE,
        &schedule::PENALTY,
    ];
    let names = lists.into_iter().flatten();
    names.map(|name| (Cow::Borrowed(*name), 0)).collect()
}

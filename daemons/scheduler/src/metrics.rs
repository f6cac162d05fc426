//! Counters and gauges under upstream's names, for `/vars`, `/vars.json` and `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All that is counted. Names are upstream's (aurora: `docs/reference/observability.md`) where upstream has the counter.
#[derive(Debug)]
pub(crate) struct Metrics {
    values: Mutex<BTreeMap<String, i64>>,
    started: Instant,
}

/// How many names are kept; some hold the name of a job, and jobs come and go. Later ones are not counted.
const MAX_NAMES: usize = 100_000;

/// Counters of upstream's that are there from the beginning.
const FROM_ZERO: [&str; 21] = [
    "mesos_scheduler_event_ERROR",
    "mesos_scheduler_event_FAILURE",
    "mesos_scheduler_event_INVERSE_OFFERS",
    "mesos_scheduler_event_MESSAGE",
    "mesos_scheduler_event_OFFERS",
    "mesos_scheduler_event_RESCIND",
    "mesos_scheduler_event_RESCIND_INVERSE_OFFER",
    "mesos_scheduler_event_SUBSCRIBED",
    "mesos_scheduler_event_UPDATE",
    "scheduler_backup_failed",
    "scheduler_backup_success",
    "scheduler_framework_disconnects",
    "scheduler_framework_message",
    "scheduler_framework_reregisters",
    "scheduler_log_bytes_written",
    "scheduler_log_entries_written",
    "scheduler_log_snapshots",
    "scheduler_lost_executors",
    "scheduler_resource_offers",
    "scheduler_status_update",
    "slaves_lost",
];

impl Default for Metrics {
    fn default() -> Self {
        let zeros = FROM_ZERO.map(|name| (name.to_owned(), 0));
        Metrics {
            values: Mutex::new(zeros.into()),
            started: Instant::now(),
        }
    }
}

impl Metrics {
    fn values(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        // A counter is whole at any moment; a panic elsewhere does not spoil it.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to a counter.
    pub(crate) fn add(&self, name: &str, amount: i64) {
        let mut values = self.values();
        let is_full = values.len() >= MAX_NAMES;
        match values.get_mut(name) {
            Some(value) => *value = value.saturating_add(amount),
            None if is_full => {}
            None => {
                values.insert(name.to_owned(), amount);
            }
        }
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, name: &str, value: i64) {
        self.values().insert(name.to_owned(), value);
    }

    /// Counts an event that took time: `NAME_events` and `NAME_nanos_total`.
    pub(crate) fn timed(&self, name: &str, took: Duration) {
        let nanos = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
        self.add(&format!("{name}_events"), 1);
        self.add(&format!("{name}_nanos_total"), nanos);
    }

    /// Everything, by name.
    pub(crate) fn all(&self) -> BTreeMap<String, i64> {
        let mut all = self.values().clone();
        let uptime = self.started.elapsed().as_secs();
        all.insert(
            "jvm_uptime_secs".to_owned(),
            i64::try_from(uptime).unwrap_or(i64::MAX),
        );
        all
    }
}

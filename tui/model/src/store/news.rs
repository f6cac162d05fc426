//! What changed on the cluster, one line for each change of a record.

use std::collections::BTreeMap;

use aurora_api::feed::{AuditRecord, HostRecord, JobRecord, QuotaRecord, UpdateRecord};
use aurora_api::model::ScheduleStatus;

/// So many are kept, the newest ones.
pub(super) const MOST_NEWS: usize = 2_000;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Counts them.
    pub number: u64,
    /// When it was heard, by the server's clock.
    pub time_ms: i64,
    /// `job`, `host`, `update`, `quota` or `call`.
    pub kind: &'static str,
    /// What changed.
    pub object: String,
    /// How.
    pub what: String,
    /// Whether somebody should look at it.
    pub problem: bool,
}

/// What a record tells beyond the one before it: kind, object, words, whether it is a problem.
pub(super) type Said = (&'static str, String, String, bool);

/// Counts that are not the same: `RUNNING 3 -> 2`.
fn counts(
    before: &BTreeMap<ScheduleStatus, u32>,
    after: &BTreeMap<ScheduleStatus, u32>,
) -> Vec<String> {
    let all = ScheduleStatus::ALL.iter();
    all.filter_map(|status| {
        let of = |counts: &BTreeMap<ScheduleStatus, u32>| counts.get(status).copied().unwrap_or(0);
        let (before, after) = (of(before), of(after));
        (before != after).then(|| format!("{status} {before} -> {after}"))
    })
    .collect()
}

pub(super) fn of_job(before: Option<&JobRecord>, after: &JobRecord) -> Option<Said> {
    let object = after.job.to_string();
    let Some(before) = before else {
        return Some(("job", object, "is new".to_owned(), false));
    };
    let mut parts = counts(&before.states, &after.states);
    if before.cron_schedule != after.cron_schedule {
        let schedule = after.cron_schedule.as_deref();
        parts.push(
            schedule.map_or("no schedule any more".to_owned(), |schedule| {
                format!("schedule {schedule}")
            }),
        );
    }
    if let Some(run) = &after.cron_last
        && before.cron_last.as_ref().map(|run| run.minute_ms) != Some(run.minute_ms)
    {
        parts.push(format!("cron run {}", run.outcome));
    }
    let status = |record: &JobRecord| record.update.as_ref().map(|update| update.status);
    if status(before) != status(after) {
        parts.push(
            status(after).map_or("no update goes on any more".to_owned(), |status| {
                format!("update {status}")
            }),
        );
    }
    let failed = |record: &JobRecord| {
        let bad = [ScheduleStatus::Failed, ScheduleStatus::Lost];
        let counts = bad.iter().map(|status| record.states.get(status).copied());
        counts.map(Option::unwrap_or_default).sum::<u32>()
    };
    let problem = failed(after) > failed(before);
    (!parts.is_empty()).then(|| ("job", object, parts.join(", "), problem))
}

pub(super) fn of_host(before: Option<&HostRecord>, after: &HostRecord) -> Option<Said> {
    let what = match before {
        None => "is new".to_owned(),
        Some(before) if before.mode != after.mode => {
            format!("{} -> {}", before.mode, after.mode)
        }
        Some(before) if before.agent_id != after.agent_id => "has another agent".to_owned(),
        Some(_) => return None,
    };
    Some(("host", after.host.clone(), what, false))
}

pub(super) fn of_quota(before: Option<&QuotaRecord>, after: &QuotaRecord) -> Option<Said> {
    let amounts = |quota: &QuotaRecord| (quota.cpus, quota.ram_mb, quota.disk_mb);
    if before.map(amounts) == Some(amounts(after)) {
        return None;
    }
    let (cpus, ram, disk) = amounts(after);
    let what = format!("{cpus} cpus, {ram} MiB of ram, {disk} MiB of disk");
    Some(("quota", after.role.clone(), what, false))
}

pub(super) fn of_update(before: Option<&UpdateRecord>, after: &UpdateRecord) -> Option<Said> {
    if before.map(|update| update.status) == Some(after.status) {
        return None;
    }
    let message = after
        .message
        .as_ref()
        .map_or_else(String::new, |message| format!(": {message}"));
    let what = format!("{} {}{message}", after.id, after.status);
    let problem = before.is_some_and(|before| before.status.is_active())
        && !matches!(
            after.status,
            aurora_api::model::JobUpdateStatus::RolledForward
        )
        && !after.status.is_active();
    Some(("update", after.job.to_string(), what, problem))
}

pub(super) fn of_call(record: &AuditRecord) -> Said {
    let what = format!("{} by {} {}", record.method, record.user, record.detail);
    let what = what.trim_end().to_owned();
    ("call", record.target.clone(), what, false)
}

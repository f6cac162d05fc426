//! `aurora update …` (aurora: `cli/update.py`).

pub(crate) mod change;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod start;
pub(crate) mod wait;

use std::collections::BTreeSet;

use aurora_api::model::{
    GetJobUpdateSummariesResult, JobUpdateKey, JobUpdateQuery, JobUpdateStatus, JobUpdateSummary,
};
use aurora_api::service::arguments::GetJobUpdateSummaries;

use crate::context::{Context, FAILURE, Outcome};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;

/// What `--status` takes: groups of statuses, then each status.
pub(crate) const STATUSES: &[&str] = &[
    "active",
    "all",
    "blocked",
    "failed",
    "inactive",
    "paused",
    "succeeded",
    "ROLLING_FORWARD",
    "ROLLING_BACK",
    "ROLL_FORWARD_PAUSED",
    "ROLL_BACK_PAUSED",
    "ROLLED_FORWARD",
    "ROLLED_BACK",
    "ABORTED",
    "ERROR",
    "FAILED",
    "ROLL_FORWARD_AWAITING_PULSE",
    "ROLL_BACK_AWAITING_PULSE",
];

/// Whether a status is in the group of this name, or has this name.
fn in_group(status: JobUpdateStatus, group: &str) -> bool {
    use JobUpdateStatus::*;
    match group {
        "active" => status.is_active(),
        "all" => true,
        "blocked" => matches!(status, RollForwardAwaitingPulse | RollBackAwaitingPulse),
        "failed" => matches!(status, Error | Failed | RolledBack),
        "inactive" => !status.is_active(),
        "paused" => matches!(status, RollForwardPaused | RollBackPaused),
        "succeeded" => status == RolledForward,
        name => status.name() == name,
    }
}

/// The statuses of these groups.
fn statuses(groups: &[&str]) -> BTreeSet<JobUpdateStatus> {
    JobUpdateStatus::ALL
        .iter()
        .copied()
        .filter(|status| groups.iter().any(|group| in_group(*status, group)))
        .collect()
}

async fn summaries(
    context: &Context<'_>,
    cluster: &str,
    query: JobUpdateQuery,
) -> Outcome<Vec<JobUpdateSummary>> {
    let call = GetJobUpdateSummaries {
        job_update_query: Some(query),
    };
    let found: GetJobUpdateSummariesResult = context
        .ask(cluster, call, ExitCode::ApiError, FAILURE)
        .await?;
    Ok(found.update_summaries)
}

/// The job's active update, when there is one.
async fn active_update(context: &Context<'_>, key: &FullKey) -> Outcome<Option<JobUpdateKey>> {
    let query = JobUpdateQuery {
        job_key: Some(key.job.clone()),
        update_statuses: Some(statuses(&["active"])),
        ..JobUpdateQuery::default()
    };
    let mut found = summaries(context, &key.cluster, query).await?;
    match (found.pop(), found.is_empty()) {
        (only, true) => Ok(only.map(|summary| summary.key)),
        (_, false) => Err(CommandError::new(
            ExitCode::ApiError,
            "The scheduler returned multiple active updates for this job.",
        )),
    }
}

/// `2009-02-13T23:31:30`: UTC, whole seconds.
fn format_time(millis: i64) -> String {
    let seconds = millis.div_euclid(1000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar: years of 400 begin on 1 March, so that
/// the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_status_can_be_asked_for() {
        for status in JobUpdateStatus::ALL {
            assert!(STATUSES.contains(&status.name()), "{status}");
        }
        for (group, count) in [
            ("active", 6),
            ("all", 11),
            ("blocked", 2),
            ("failed", 3),
            ("inactive", 5),
            ("paused", 2),
            ("succeeded", 1),
            ("ABORTED", 1),
        ] {
            assert_eq!(statuses(&[group]).len(), count, "{group}");
        }
        assert_eq!(statuses(&["paused", "succeeded"]).len(), 3);
    }

    #[test]
    fn times_of_updates_are_utc() {
        // date -u -d @SECONDS +%FT%T
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00"),
            (1_234_567_890_999, "2009-02-13T23:31:30"),
            (951_782_400_000, "2000-02-29T00:00:00"),
            (4_107_542_399_000, "2100-02-28T23:59:59"),
            (4_107_542_400_000, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(format_time(millis), expected);
        }
    }
}

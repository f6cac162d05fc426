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

/// What is said where an active update is needed.
const NO_ACTIVE: &str = "No active update found for this job.";

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
}

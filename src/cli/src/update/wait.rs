//! `aurora update wait`, and the waits of `update start` and `update rollback`.

use std::collections::BTreeMap;

use aurora_api::model::{
    GetJobUpdateDetailsResult, JobUpdateAction, JobUpdateDetails, JobUpdateKey, JobUpdateQuery,
    JobUpdateStatus, Range,
};
use aurora_api::service::arguments::GetJobUpdateDetails;

use super::summaries;
use crate::context::{Context, FAILURE, Outcome, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;
use crate::progress::Progress;

/// Where an update should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// At the new configuration.
    Forward,
    /// At the old one.
    Back,
}

impl Aim {
    fn outcome(self, status: JobUpdateStatus) -> Outcome {
        let (wanted, opposite) = match self {
            Aim::Forward => (JobUpdateStatus::RolledForward, JobUpdateStatus::RolledBack),
            Aim::Back => (JobUpdateStatus::RolledBack, JobUpdateStatus::RolledForward),
        };
        if status == wanted {
            Ok(())
        } else if status == opposite {
            Err(CommandError::printed(ExitCode::CommandFailure))
        } else {
            Err(CommandError::printed(ExitCode::UnknownError))
        }
    }
}

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    let update = match context.options.optional(1) {
        Some(id) => JobUpdateKey {
            job: key.job.clone(),
            id: id.to_owned(),
        },
        None => super::active_update(context, &key)
            .await?
            .ok_or_else(|| CommandError::new(ExitCode::InvalidParameter, super::NO_ACTIVE))?,
    };
    wait_for(context, &key.cluster, &update, Aim::Forward).await
}

fn not_found() -> CommandError {
    CommandError::new(ExitCode::InvalidParameter, "Job update not found.")
}

/// Prints each status that the update comes to, until it has ended.
pub(super) async fn wait_for(
    context: &Context<'_>,
    cluster: &str,
    update: &JobUpdateKey,
    aim: Aim,
) -> Outcome {
    let mut progress = Progress::new();
    let mut printed = None;
    let mut wait = context.paces.updates.start();
    loop {
        let query = JobUpdateQuery {
            key: Some(update.clone()),
            ..JobUpdateQuery::default()
        };
        let mut found = summaries(context, cluster, query).await?;
        let (Some(summary), true) = (found.pop(), found.is_empty()) else {
            return Err(if found.is_empty() {
                not_found()
            } else {
                CommandError::new(ExitCode::ApiError, "Scheduler returned multiple updates.")
            });
        };
        let status = summary
            .state
            .map_or_else(Default::default, |state| state.status);
        if printed != Some(status) {
            printed = Some(status);
            progress.clear();
            print_out(&format!("Current state {status}"))?;
            wait = context.paces.updates.start();
        }
        if !status.is_active() {
            return aim.outcome(status);
        }
        if progress.is_live()
            && let Some(details) = details(context, cluster, update).await?
        {
            progress.show(&progress_line(status, &details));
        }
        wait.go_on().await;
    }
}

/// An update with its events; `None` when the scheduler does not know it.
pub(super) async fn details(
    context: &Context<'_>,
    cluster: &str,
    update: &JobUpdateKey,
) -> Outcome<Option<JobUpdateDetails>> {
    let call = GetJobUpdateDetails {
        key: Some(update.clone()),
        query: Some(JobUpdateQuery {
            key: Some(update.clone()),
            ..JobUpdateQuery::default()
        }),
    };
    let found: GetJobUpdateDetailsResult = context
        .ask(cluster, call, ExitCode::ApiError, FAILURE)
        .await?;
    // Schedulers before 0.19 know the single one alone.
    Ok(found.details_list.into_iter().next().or(found.details))
}

/// `ROLLING_FORWARD: 3 of 10 instances done, 1 failed, 2 at work`.
fn progress_line(status: JobUpdateStatus, details: &JobUpdateDetails) -> String {
    use JobUpdateAction::*;
    let mut last = BTreeMap::new();
    for event in &details.instance_events {
        last.insert(event.instance_id, event.action);
    }
    let count = |wanted: &[JobUpdateAction]| {
        last.values()
            .filter(|action| wanted.contains(action))
            .count()
    };
    let done = match status {
        JobUpdateStatus::RollingBack
        | JobUpdateStatus::RollBackPaused
        | JobUpdateStatus::RollBackAwaitingPulse => count(&[InstanceRolledBack]),
        _ => count(&[InstanceUpdated]),
    };
    let failed = count(&[InstanceUpdateFailed, InstanceRollbackFailed]);
    let working = count(&[InstanceUpdating, InstanceRollingBack]);
    let total = touched(details);
    format!("{status}: {done} of {total} instances done, {failed} failed, {working} at work")
}

/// How many instances the update has to look at: those before, those after, each once.
fn touched(details: &JobUpdateDetails) -> i64 {
    let instructions = &details.update.instructions;
    let states = instructions
        .initial_state
        .iter()
        .chain(&instructions.desired_state);
    let mut ranges: Vec<&Range> = states.flat_map(|state| &state.instances).collect();
    ranges.sort_by_key(|range| range.first);
    let mut count = 0;
    // The first id that is not counted yet.
    let mut next = i64::MIN;
    for range in ranges {
        let after = i64::from(range.last) + 1;
        count += (after - next.max(i64::from(range.first))).max(0);
        next = next.max(after);
    }
    count
}

#[cfg(test)]
mod tests {
    use aurora_api::model::{InstanceTaskConfig, JobInstanceUpdateEvent};

    use super::*;

    #[test]
    fn progress_counts_the_last_action_of_each_instance() {
        use JobUpdateAction::*;
        let mut details = JobUpdateDetails::default();
        let state = |first, last| InstanceTaskConfig {
            instances: [Range { first, last }].into(),
            ..InstanceTaskConfig::default()
        };
        // 0 to 4, whoever names them how often, and 8.
        let before = [state(0, 2), state(1, 1), state(8, 8)];
        details.update.instructions.initial_state = before.into();
        details.update.instructions.desired_state = Some(state(0, 4));
        for (instance_id, action) in [
            (0, InstanceUpdating),
            (0, InstanceUpdated),
            (1, InstanceUpdating),
            (2, InstanceUpdating),
            (2, InstanceUpdateFailed),
        ] {
            details.instance_events.push(JobInstanceUpdateEvent {
                instance_id,
                action,
                ..JobInstanceUpdateEvent::default()
            });
        }
        assert_eq!(
            progress_line(JobUpdateStatus::RollingForward, &details),
            "ROLLING_FORWARD: 1 of 6 instances done, 1 failed, 1 at work"
        );
    }
}

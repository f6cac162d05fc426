//! The scheduler's backups, and the one that is staged.

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::job_key::JobPath;
use aurora_api::model::{ListBackupsResult, ScheduledTask, TaskQuery};
use aurora_api::service::arguments::{ListBackups, QueryRecovery};
use aurora_client::http::describe;
use aurora_client::scheduler::{CallError, Retry, Scheduler};
use aurora_tui_model::told::{Answer, Backups};

/// Ids of tasks by their jobs.
type ByJob = BTreeMap<String, BTreeSet<String>>;

/// The backups that there are, and what the staged one has.
pub(super) async fn backups(scheduler: &Scheduler) -> Result<Option<Answer>, String> {
    let listed: ListBackupsResult = scheduler
        .ask(ListBackups::default(), Retry::Safe)
        .await
        .map_err(|error| describe(&error))?;
    let query = QueryRecovery {
        query: Some(TaskQuery::default()),
    };
    // One by one, since a backup may have a million of them.
    let into = |jobs: &mut ByJob, task: ScheduledTask| {
        let assigned = task.assigned_task;
        let job = JobPath(assigned.task.job).to_string();
        jobs.entry(job).or_default().insert(assigned.task_id);
    };
    let staged = match scheduler.ask_each(query, Retry::Safe, into).await {
        Ok(staged) => Some(staged),
        // That is how it says that none is staged; who may list backups may look into them.
        Err(CallError::Answer { .. }) => None,
        Err(error) => return Err(describe(&error)),
    };
    Ok(Some(Answer::Backups(Backups {
        names: listed.backups,
        staged,
    })))
}

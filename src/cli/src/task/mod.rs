//! `aurora task …` (aurora: `cli/task.py`, `api/command_runner.py`).

pub(crate) mod run;
mod sandbox;
pub(crate) mod scp;
pub(crate) mod ssh;

use std::collections::BTreeSet;
use std::process::ExitStatus;

use aurora_api::model::{AssignedTask, ScheduleStatus, ScheduleStatusResult, TaskQuery};
use aurora_api::service::arguments::GetTasksStatus;
use tokio::process::Command;

use crate::context::{Context, Outcome, job_query};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;

/// The live tasks of a job, or of some of its instances.
async fn live_tasks(
    context: &Context<'_>,
    key: &FullKey,
    instances: Option<&BTreeSet<i32>>,
    what: &str,
) -> Outcome<Vec<AssignedTask>> {
    let live = ScheduleStatus::ALL.iter().filter(|status| status.is_live());
    let call = GetTasksStatus {
        query: Some(TaskQuery {
            statuses: Some(live.copied().collect()),
            instance_ids: instances.cloned(),
            ..job_query(key)
        }),
    };
    let found: ScheduleStatusResult = context
        .ask(&key.cluster, call, ExitCode::ApiError, what)
        .await?;
    Ok(found
        .tasks
        .into_iter()
        .map(|task| task.assigned_task)
        .collect())
}

/// The words of an option such as `--ssh-options`.
fn words<'a>(context: &'a Context<'_>, long: &str) -> impl Iterator<Item = &'a str> {
    context
        .options
        .text(long)
        .unwrap_or_default()
        .split_whitespace()
}

/// `USER@HOST`.
fn address(user: &str, task: &AssignedTask) -> String {
    format!("{user}@{}", task.slave_host.as_deref().unwrap_or_default())
}

fn cannot_run(command: &Command, error: &std::io::Error) -> CommandError {
    let program = command.as_std().get_program().to_string_lossy();
    CommandError::new(
        ExitCode::CommandFailure,
        format!("Cannot run {program}: {error}"),
    )
}

/// Ends as the program has ended.
fn ended(status: ExitStatus) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(CommandError::ended(code)),
        // As a shell shows it.
        (None, signal) => Err(CommandError::ended(128 + signal.unwrap_or(0))),
    }
}

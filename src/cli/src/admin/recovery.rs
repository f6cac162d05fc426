//! `aurora_admin scheduler_…`: snapshots, backups and their recovery.

use aurora_api::model::{ListBackupsResult, QueryRecoveryResult, TaskQuery};
use aurora_api::service::Call;
use aurora_api::service::arguments::{
    CommitRecovery, DeleteRecoveryTasks, ListBackups, PerformBackup, QueryRecovery, Snapshot,
    StageRecovery, UnloadRecovery,
};
use aurora_client::scheduler::Retry;

use super::{ask, call};
use crate::context::{Context, Outcome, active_states, print_out};

pub(super) async fn snapshot(context: &Context<'_>) -> Outcome {
    write(context, Snapshot::default()).await
}

pub(super) async fn backup_now(context: &Context<'_>) -> Outcome {
    write(context, PerformBackup::default()).await
}

pub(super) async fn list_backups(context: &Context<'_>) -> Outcome {
    let found: ListBackupsResult = ask(context, ListBackups::default(), Retry::Safe).await?;
    print_out(&format!("{} available backups:", found.backups.len()))?;
    found
        .backups
        .iter()
        .try_for_each(|backup| print_out(backup))
}

pub(super) async fn stage(context: &Context<'_>) -> Outcome {
    let backup_id = Some(context.options.positional(1).to_owned());
    write(context, StageRecovery { backup_id }).await
}

pub(super) async fn print_tasks(context: &Context<'_>) -> Outcome {
    let question = QueryRecovery {
        query: Some(TaskQuery {
            statuses: Some(active_states()),
            ..TaskQuery::default()
        }),
    };
    let found: QueryRecoveryResult = ask(context, question, Retry::Safe).await?;
    tracing::info!("Role\tJob\tShard\tStatus\tTask ID");
    for task in found.tasks {
        let assigned = &task.assigned_task;
        tracing::info!(
            "{}\t{}\t{}\t{}\t{}",
            assigned.task.job.role,
            assigned.task.job.name,
            assigned.instance_id,
            task.status,
            assigned.task_id
        );
    }
    Ok(())
}

pub(super) async fn delete_tasks(context: &Context<'_>) -> Outcome {
    let ids = context.options.positional(1).split(',').map(str::to_owned);
    let query = TaskQuery {
        task_ids: Some(ids.collect()),
        ..TaskQuery::default()
    };
    write(context, DeleteRecoveryTasks { query: Some(query) }).await
}

pub(super) async fn commit(context: &Context<'_>) -> Outcome {
    write(context, CommitRecovery::default()).await
}

pub(super) async fn unload(context: &Context<'_>) -> Outcome {
    write(context, UnloadRecovery::default()).await
}

async fn write(context: &Context<'_>, what: impl Into<Call>) -> Outcome {
    call(context, what, Retry::Never).await.map(|_| ())
}

//! `aurora update pause | resume | abort | rollback`: they act on the job's one active update.

use aurora_api::model::JobUpdateKey;
use aurora_api::service::Call;
use aurora_api::service::arguments::{
    AbortJobUpdate, PauseJobUpdate, ResumeJobUpdate, RollbackJobUpdate,
};
use aurora_client::scheduler::Retry;

use super::wait::{Aim, wait_for};
use super::{NO_ACTIVE, active_update};
use crate::context::{Context, Outcome, check, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;

pub(crate) async fn pause(context: &Context<'_>) -> Outcome {
    let call = |key, message| PauseJobUpdate { key, message }.into();
    change(context, call, "pause", "Update has been paused.")
        .await
        .map(|_| ())
}

pub(crate) async fn resume(context: &Context<'_>) -> Outcome {
    let call = |key, message| ResumeJobUpdate { key, message }.into();
    change(context, call, "resume", "Update has been resumed.")
        .await
        .map(|_| ())
}

pub(crate) async fn abort(context: &Context<'_>) -> Outcome {
    let call = |key, message| AbortJobUpdate { key, message }.into();
    change(context, call, "abort", "Update has been aborted.")
        .await
        .map(|_| ())
}

pub(crate) async fn rollback(context: &Context<'_>) -> Outcome {
    let call = |key, message| RollbackJobUpdate { key, message }.into();
    let (cluster, update) =
        change(context, call, "rollback", "Update rollback has started.").await?;
    if context.options.flag("wait") {
        return wait_for(context, &cluster, &update, Aim::Back).await;
    }
    Ok(())
}

async fn change(
    context: &Context<'_>,
    call: impl FnOnce(Option<JobUpdateKey>, Option<String>) -> Call,
    doing: &str,
    done: &str,
) -> Outcome<(String, JobUpdateKey)> {
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    let Some(update) = active_update(context, &key).await? else {
        return Err(CommandError::new(ExitCode::InvalidParameter, NO_ACTIVE));
    };
    let message = context.options.text("message").map(str::to_owned);
    let response = context
        .scheduler(&key.cluster)?
        .call(call(Some(update.clone()), message), Retry::Never)
        .await?;
    let what = format!("Failed to {doing} update due to error:");
    check(&response, ExitCode::ApiError, &what)?;
    print_out(done)?;
    Ok((key.cluster, update))
}

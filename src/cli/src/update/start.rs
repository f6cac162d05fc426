//! `aurora update start`.

use std::collections::BTreeSet;

use aurora_api::model::{
    JobUpdateKey, JobUpdateRequest, Metadata, Response, ResponseCode, StartJobUpdateResult,
};
use aurora_api::service::arguments::StartJobUpdate;
use aurora_client::results::FromResult;
use aurora_client::scheduler::{Retry, combine_messages};

use super::wait::{Aim, wait_for};
use crate::context::{Context, Outcome, check, print_out};
use crate::diff::{self, show_update_diff};
use crate::exit::{CommandError, ExitCode};
use crate::keys::InstanceSpec;

/// The metadata by which an update is known again when the answer to its start was lost.
const CLIENT_UPDATE_ID: &str = "org.apache.aurora.client.update_id";

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let spec = context.positional(0, "instance_spec", InstanceSpec::parse)?;
    let key = &spec.key;
    let job = context.load_job(key, context.options.positional(1)).await?;
    if job.is_cron() {
        return Err(CommandError::new(
            ExitCode::CommandFailure,
            "Cron jobs may only be updated with \"aurora cron schedule\" command",
        ));
    }
    let request = diff::update_request(&job, spec.instances.as_ref())?;
    show_update_diff(context, &key.cluster, request.clone(), None).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let request = JobUpdateRequest {
        metadata: BTreeSet::from([Metadata {
            key: CLIENT_UPDATE_ID.to_owned(),
            value: id.clone(),
        }]),
        ..request
    };
    tracing::info!("Starting update for: {}", key.job.name);
    let call = StartJobUpdate {
        request: Some(request),
        message: context.options.text("message").map(str::to_owned),
    };
    let scheduler = context.scheduler(&key.cluster)?;
    // Doing it twice does no harm: the second answer names the update that the first has started.
    let response = scheduler.call(call, Retry::Safe).await?;
    if !is_ours(&response, &id) {
        let what = "Failed to start update due to error:";
        check(&response, ExitCode::ApiError, what)?;
    }
    let messages = combine_messages(&response);
    let Some(started) = response.result.and_then(StartJobUpdateResult::from_result) else {
        // Nothing to do.
        return print_out(&messages);
    };
    let JobUpdateKey { job, id } = &started.key;
    let page = scheduler.page(&[&job.role, &job.environment, &job.name, "update", id]);
    print_out(&format!(
        "Job update has started. View your update progress at {page}"
    ))?;
    if context.options.flag("open-browser") {
        crate::browser::open(&page);
    }
    if context.options.flag("wait") {
        return wait_for(context, &key.cluster, &started.key, Aim::Forward).await;
    }
    Ok(())
}

/// Whether a refusal names, as the update that is in progress, the one that was just asked for.
fn is_ours(response: &Response, id: &str) -> bool {
    let Some(aurora_api::model::Result::StartJobUpdateResult(result)) = &response.result else {
        return false;
    };
    let mut ids = result
        .update_summary
        .iter()
        .flat_map(|summary| &summary.metadata)
        .filter(|entry| entry.key == CLIENT_UPDATE_ID);
    response.response_code == ResponseCode::InvalidRequest
        && ids.next().is_some_and(|entry| entry.value == id)
        && ids.next().is_none()
}

//! `aurora job add`.

use std::collections::BTreeSet;

use aurora_api::model::InstanceKey;
use aurora_api::service::arguments::AddInstances;
use aurora_client::scheduler::Retry;

use super::wait_as_asked;
use crate::context::{Context, FAILURE, Outcome, check};
use crate::exit::ExitCode;
use crate::keys::parse_task_instance;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let (key, instance) = context.positional(0, "task_instance", parse_task_instance)?;
    let count: i32 = context.positional(1, "instance_count", |text| {
        text.parse()
            .map_err(|_| format!("invalid int value: '{text}'"))
    })?;
    let active = context
        .active_instances_or_raise(&key, &BTreeSet::from([instance]))
        .await?;
    let first = active.last().copied().unwrap_or(instance).saturating_add(1);
    context.warn_of_sla(&key, "Adding").await?;
    tracing::info!(
        "Adding {count} instances to {key} using the task config of instance {instance}"
    );
    let call = AddInstances {
        key: Some(InstanceKey {
            job_key: key.job.clone(),
            instance_id: instance,
        }),
        count,
    };
    let response = context
        .scheduler(&key.cluster)?
        .call(call, Retry::Never)
        .await?;
    check(&response, ExitCode::ApiError, FAILURE)?;
    let added: BTreeSet<i32> = (first..first.saturating_add(count)).collect();
    wait_as_asked(context, &key, Some(&added)).await?;
    context.maybe_open_page(&key)
}

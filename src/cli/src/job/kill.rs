//! `aurora job kill` and `aurora job killall`.

use std::collections::BTreeSet;

use aurora_api::model::Response;
use aurora_api::service::arguments::KillTasks;
use aurora_client::scheduler::Retry;

use crate::context::{Context, FAILURE, Outcome, check, instances_of, print_err, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::{FullKey, InstanceSpec, id_list};
use crate::monitor::{Goal, wait_until};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let spec = context.positional(0, "instance_spec", InstanceSpec::parse)?;
    let Some(instances) = &spec.instances else {
        return Err(CommandError::new(
            ExitCode::InvalidParameter,
            "The instances list cannot be omitted in a kill command!; use killall to kill all instances",
        ));
    };
    context.warn_of_sla(&spec.key, "Killing").await?;
    if context.options.flag("strict") {
        context
            .active_instances_or_raise(&spec.key, instances)
            .await?;
    }
    kill(context, &spec.key, Some(instances)).await?;
    context.maybe_open_page(&spec.key)?;
    print_out("Job kill succeeded")
}

pub(crate) async fn run_all(context: &Context<'_>) -> Outcome {
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    kill(context, &key, None).await?;
    context.maybe_open_page(&key)?;
    print_out("Job killall succeeded")
}

async fn kill(context: &Context<'_>, key: &FullKey, instances: Option<&BTreeSet<i32>>) -> Outcome {
    context.scheduler(&key.cluster)?;
    context.check_config_option(key).await?;
    if !context.options.flag("no-batching") {
        return kill_in_batches(context, key, instances).await;
    }
    let response = kill_once(context, key, instances).await?;
    check(&response, ExitCode::ApiError, FAILURE)?;
    if killed_in_time(context, key, instances).await? {
        return Ok(());
    }
    Err(CommandError::printed(ExitCode::Timeout))
}

async fn kill_in_batches(
    context: &Context<'_>,
    key: &FullKey,
    wanted: Option<&BTreeSet<i32>>,
) -> Outcome {
    let active = instances_of(&context.active_tasks(key).await?);
    if active.is_empty() {
        // Upstream says so and goes on to report success.
        print_err(&format!("No tasks to kill found for job {key}"));
        return Ok(());
    }
    let ids: Vec<i32> = match wanted {
        Some(wanted) => active.intersection(wanted).copied().collect(),
        None => active.into_iter().collect(),
    };
    let tolerated = context.options.integer("max-total-failures");
    let mut errors = 0;
    for batch in ids.chunks(context.options.positive("batch-size")) {
        let shown = id_list(batch.iter().copied());
        let batch: BTreeSet<i32> = batch.iter().copied().collect();
        let response = kill_once(context, key, Some(&batch)).await?;
        // Most likely it would fail in the same way again.
        let what = format!("Kill of instances {shown} failed with error:");
        check(&response, ExitCode::ApiError, &what)?;
        if killed_in_time(context, key, Some(&batch)).await? {
            print_out(&format!("Successfully killed instances {shown}"))?;
            continue;
        }
        errors += 1;
        if errors > tolerated {
            return Err(CommandError::new(
                ExitCode::CommandFailure,
                "Exceeded maximum number of errors while killing instances",
            ));
        }
    }
    if errors > 0 {
        return Err(CommandError::new(
            ExitCode::CommandFailure,
            "Errors occurred while killing instances",
        ));
    }
    Ok(())
}

async fn kill_once(
    context: &Context<'_>,
    key: &FullKey,
    instances: Option<&BTreeSet<i32>>,
) -> Outcome<Response> {
    tracing::info!("Killing tasks for job: {key}");
    if let Some(ids) = instances {
        tracing::info!("Instances to be killed: {}", id_list(ids.iter().copied()));
    }
    let call = KillTasks {
        job: Some(key.job.clone()),
        instances: instances.cloned(),
        message: context.options.text("message").map(str::to_owned),
    };
    Ok(context
        .scheduler(&key.cluster)?
        .call(call, Retry::Never)
        .await?)
}

async fn killed_in_time(
    context: &Context<'_>,
    key: &FullKey,
    instances: Option<&BTreeSet<i32>>,
) -> Outcome<bool> {
    let scheduler = context.scheduler(&key.cluster)?;
    let pace = context.paces.kills;
    let done = wait_until(&scheduler, key, instances, Goal::KILLED, pace).await?;
    if !done {
        let shown = match instances {
            Some(ids) => id_list(ids.iter().copied()),
            None => "None".to_owned(),
        };
        print_err(&format!("Instances {shown} were not killed in time"));
    }
    Ok(done)
}

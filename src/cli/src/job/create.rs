//! `aurora job create`.

use aurora_api::service::arguments::CreateJob;
use aurora_client::scheduler::Retry;

use super::wait_as_asked;
use crate::context::{Context, Outcome, check, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    let job = context
        .load_job(&key, context.options.positional(1))
        .await?;
    if job.is_cron() {
        return Err(CommandError::new(
            ExitCode::CommandFailure,
            "Cron jobs may only be scheduled with \"aurora cron schedule\" command",
        ));
    }
    tracing::info!("Creating job {}", key.job.name);
    let call = CreateJob {
        description: Some(job.configuration),
    };
    let scheduler = context.scheduler(&key.cluster)?;
    let response = scheduler.call(call, Retry::Never).await?;
    let what = "Job creation failed due to error:";
    check(&response, ExitCode::CommandFailure, what)?;
    context.maybe_open_page(&key)?;
    wait_as_asked(context, &key, None).await?;
    // The scheduler's word is not taken for it.
    let created = match context.all_tasks(&key).await {
        Ok(tasks) => !tasks.is_empty(),
        // The scheduler answered, and what it said is printed.
        Err(CommandError { message: None, .. }) => false,
        Err(error) => return Err(error),
    };
    if created {
        let page = context.job_page(&key)?;
        return print_out(&format!("Job create succeeded: job url={page}"));
    }
    Err(CommandError::new(
        ExitCode::CommandFailure,
        format!("Error occurred while creating job {key}"),
    ))
}

//! `aurora cron …` (aurora: `cli/cron.py`).

use aurora_api::model::{GetJobsResult, JobSummaryResult};
use aurora_api::service::Call;
use aurora_api::service::arguments::{
    DescheduleCronJob, GetJobSummary, GetJobs, ScheduleCronJob, StartCronJob,
};
use aurora_client::results::FromResult;
use aurora_client::scheduler::Retry;

use crate::context::{Context, Outcome, check, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;
use crate::times;

pub(crate) async fn schedule(context: &Context<'_>) -> Outcome {
    let key = key(context)?;
    let job = context
        .load_job(&key, context.options.positional(1))
        .await?;
    if !job.is_cron() {
        return Err(CommandError::new(
            ExitCode::CommandFailure,
            "Non-cron jobs may only be created with \"aurora job create\" command",
        ));
    }
    tracing::info!("Registering job {} with cron", key.job.name);
    let call = ScheduleCronJob {
        description: Some(job.configuration),
    };
    write(context, &key, call, "scheduling").await?;
    let page = context.job_page(&key)?;
    print_out(&format!(
        "Cron job scheduled, status can be viewed at {page}"
    ))
}

pub(crate) async fn deschedule(context: &Context<'_>) -> Outcome {
    let key = key(context)?;
    tracing::info!("Removing cron schedule for job {key}");
    let call = DescheduleCronJob {
        job: Some(key.job.clone()),
    };
    write(context, &key, call, "descheduling").await?;
    print_out("Cron descheduling succeeded.")
}

pub(crate) async fn start(context: &Context<'_>) -> Outcome {
    let key = key(context)?;
    context.check_config_option(&key).await?;
    tracing::info!("Starting cron job: {key}");
    let call = StartCronJob {
        job: Some(key.job.clone()),
    };
    write(context, &key, call, "starting").await?;
    context.maybe_open_page(&key)
}

pub(crate) async fn show(context: &Context<'_>) -> Outcome {
    let key = key(context)?;
    tracing::info!("Retrieving jobs for role {}", key.job.role);
    let call = GetJobs {
        owner_role: Some(key.job.role.clone()),
    };
    let what = format!("Error getting cron status for {key} from server");
    let found: GetJobsResult = context
        .ask(&key.cluster, call, ExitCode::InvalidParameter, &what)
        .await?;
    let job = found.configs.into_iter().find(|job| job.key == key.job);
    match job.and_then(|job| job.cron_schedule) {
        Some(schedule) if !schedule.is_empty() => {
            log_next_runs(context, &key).await?;
            print_out(&format!("{key}\t {schedule}"))
        }
        _ => Err(CommandError::new(
            ExitCode::InvalidParameter,
            format!("No cron entry found for job {key}"),
        )),
    }
}

/// When it runs next, beside the one line that scripts read; nothing where the scheduler does not tell.
async fn log_next_runs(context: &Context<'_>, key: &FullKey) -> Outcome {
    let runs = next_runs(context, key).await?;
    if runs.is_empty() {
        return log_next_run(context, key).await;
    }
    tracing::info!("Next runs at {} UTC", runs.join(", "));
    Ok(())
}

/// The next five times; none of a scheduler that has no pages, as Apache Aurora.
async fn next_runs(context: &Context<'_>, key: &FullKey) -> Result<Vec<String>, CommandError> {
    #[derive(serde::Deserialize)]
    struct Page {
        rows: Vec<Row>,
    }
    #[derive(serde::Deserialize)]
    struct Row {
        #[serde(default)]
        next_runs_ms: String,
    }
    let filter = format!("job=\"{}\"", key.job);
    let query = [("filter", filter.as_str()), ("columns", "next_runs_ms")];
    let scheduler = context.scheduler(&key.cluster)?;
    // Whatever another scheduler says there is no page of crons.
    let page: Option<Page> = scheduler
        .get(&["ext", "v1", "crons"], &query)
        .await
        .ok()
        .flatten();
    let row = page.and_then(|page| page.rows.into_iter().next());
    let runs = row.map(|row| row.next_runs_ms).unwrap_or_default();
    let times = runs.split(' ').filter_map(|run| run.parse().ok());
    Ok(times.map(times::utc).collect())
}

/// The next time alone.
async fn log_next_run(context: &Context<'_>, key: &FullKey) -> Outcome {
    let call = GetJobSummary {
        role: Some(key.job.role.clone()),
    };
    let response = context
        .scheduler(&key.cluster)?
        .call(call, Retry::Safe)
        .await?;
    let found = response.result.and_then(JobSummaryResult::from_result);
    let next = found
        .into_iter()
        .flat_map(|found| found.summaries)
        .find(|summary| summary.job.key == key.job)
        .and_then(|summary| summary.next_cron_run_ms);
    if let Some(next) = next {
        tracing::info!("Next run at {} UTC", times::utc(next));
    }
    Ok(())
}

fn key(context: &Context<'_>) -> Outcome<FullKey> {
    context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)
}

async fn write(
    context: &Context<'_>,
    key: &FullKey,
    call: impl Into<Call>,
    doing: &str,
) -> Outcome {
    let response = context
        .scheduler(&key.cluster)?
        .call(call, Retry::Never)
        .await?;
    let what = format!("Error {doing} cron job {key}:");
    check(&response, ExitCode::ApiError, &what)
}

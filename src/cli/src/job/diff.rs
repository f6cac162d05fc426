//! `aurora job diff`.

use aurora_api::model::{PopulateJobResult, ScheduleStatusResult, TaskConfig, TaskQuery};
use aurora_api::service::arguments::{GetTasksStatus, PopulateJobConfig};

use crate::context::{Context, Outcome, active_states, job_query, print_err};
use crate::diff::{diff_tasks, show_update_diff, update_request};
use crate::exit::ExitCode;
use crate::keys::{FullKey, InstanceSpec};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let spec = context.positional(0, "instance_spec", InstanceSpec::parse)?;
    // Checked once already, when the arguments were read.
    let other = options.text("from").map(FullKey::parse);
    let other = other.and_then(Result::ok).unwrap_or(spec.key.clone());
    let job = context.load_job(&spec.key, options.positional(1)).await?;
    let call = PopulateJobConfig {
        description: Some(job.configuration.clone()),
    };
    let what = "Error loading configuration";
    let populated: PopulateJobResult = context
        .ask(&other.cluster, call, ExitCode::InvalidConfiguration, what)
        .await?;
    let local = populated.task_config;
    if job.is_cron() {
        return diff_with_active(context, &other, &local, job.configuration.instance_count).await;
    }
    let mut request = update_request(&job, spec.instances.as_ref())?;
    request.task_config.job = other.job;
    show_update_diff(context, &other.cluster, request, Some(&local)).await
}

/// The scheduler compares no cron jobs: all tasks that are active now, beside as many as the file asks for.
async fn diff_with_active(
    context: &Context<'_>,
    key: &FullKey,
    local: &TaskConfig,
    count: i32,
) -> Outcome {
    let call = GetTasksStatus {
        query: Some(TaskQuery {
            statuses: Some(active_states()),
            ..job_query(key)
        }),
    };
    let what = "Could not find job to diff against";
    let found: ScheduleStatusResult = context
        .ask(&key.cluster, call, ExitCode::InvalidParameter, what)
        .await?;
    if found.tasks.is_empty() {
        print_err(&format!("No tasks found for job {key}"));
        return Ok(());
    }
    let remote: Vec<&TaskConfig> = found
        .tasks
        .iter()
        .map(|task| &task.assigned_task.task)
        .collect();
    let count = usize::try_from(count).unwrap_or(0);
    diff_tasks(&remote, &vec![local; count]).await
}

//! `aurora job restart`: the client drives it (aurora: `api/restarter.py`).

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use aurora_api::model::{Response, ResponseCode, ScheduleStatus, ScheduleStatusResult, TaskQuery};
use aurora_api::service::arguments::{GetTasksWithoutConfigs, RestartShards};
use aurora_client::scheduler::{Retry, Scheduler, combine_messages, take};
use tokio::time::Instant;

use super::watcher::{Threshold, Watcher};
use crate::context::{Context, Outcome, active_states, check, instances_of, job_query, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::{FullKey, InstanceSpec, id_list};
use crate::progress::Progress;

struct Settings {
    batch_size: usize,
    watch: Duration,
    interval: Duration,
    per_instance: i64,
    total: i64,
}

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let spec = context.positional(0, "instance_spec", InstanceSpec::parse)?;
    let total = options.integer("max-total-failures");
    if total < 0 {
        return Err(CommandError::new(
            ExitCode::InvalidParameter,
            format!("max_total_failures option must be >0, but you specified {total}"),
        ));
    }
    let settings = Settings {
        batch_size: options.positive("batch-size"),
        watch: seconds(options.integer("watch-secs")),
        interval: seconds(options.integer("healthcheck-interval-seconds")),
        per_instance: options.integer("max-per-instance-failures"),
        total,
    };
    if let (Some(instances), true) = (&spec.instances, options.flag("strict")) {
        context
            .active_instances_or_raise(&spec.key, instances)
            .await?;
    }
    let scheduler = context.scheduler(&spec.key.cluster)?;
    context.check_config_option(&spec.key).await?;
    let response = restart(&scheduler, &spec.key, spec.instances.as_ref(), &settings).await?;
    let what = format!("Error restarting job {}:", spec.key);
    check(&response, ExitCode::ApiError, &what)?;
    print_out(&format!("Job {} restarted successfully", spec.key))?;
    context.maybe_open_page(&spec.key)
}

/// Negative numbers wait for nothing.
fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}

/// The answer to the last call made.
async fn restart(
    scheduler: &Scheduler,
    key: &FullKey,
    instances: Option<&BTreeSet<i32>>,
    settings: &Settings,
) -> Outcome<Response> {
    let call = GetTasksWithoutConfigs {
        query: Some(TaskQuery {
            statuses: Some(active_states()),
            ..job_query(key)
        }),
    };
    let status = scheduler.call(call, Retry::Safe).await?;
    if status.response_code != ResponseCode::Ok {
        return Ok(status);
    }
    let mut waiting: VecDeque<i32> = match instances {
        Some(ids) => ids.iter().copied().collect(),
        None => {
            let active: ScheduleStatusResult = take("getTasksWithoutConfigs", status.clone())?;
            instances_of(&active.tasks).into_iter().collect()
        }
    };
    if waiting.is_empty() {
        tracing::info!("No instances specified, and no active instances found in job {key}");
        tracing::info!("Nothing to do.");
        return Ok(status);
    }
    tracing::info!(
        "Performing rolling restart of job {key} (instances: {})",
        id_list(waiting.iter().copied())
    );
    let mut threshold = Threshold::new(settings.per_instance, settings.total);
    let mut last = status;
    while !waiting.is_empty() && !threshold.is_reached() {
        let size = settings.batch_size.min(waiting.len());
        let batch: Vec<i32> = waiting.drain(..size).collect();
        tracing::info!("Restarting instances: {}", id_list(batch.iter().copied()));
        let call = RestartShards {
            job: Some(key.job.clone()),
            shard_ids: batch.iter().copied().collect(),
        };
        last = scheduler.call(call, Retry::Safe).await?;
        if last.response_code != ResponseCode::Ok {
            tracing::error!("Error restarting instances: {}", combine_messages(&last));
            return Ok(last);
        }
        let failed = watch(scheduler, key, &batch, waiting.len(), settings).await?;
        threshold.add(&failed);
        waiting.extend(failed);
    }
    if threshold.is_reached() {
        // Upstream reports success all the same.
        threshold.log();
        tracing::info!("Restart failures threshold reached. Aborting");
    } else {
        tracing::info!("All instances were restarted successfully");
    }
    Ok(last)
}

/// Watches until every instance of the batch is finished, `left` more waiting for their turn; those that failed.
async fn watch(
    scheduler: &Scheduler,
    key: &FullKey,
    batch: &[i32],
    left: usize,
    settings: &Settings,
) -> Outcome<Vec<i32>> {
    let ids = id_list(batch.iter().copied());
    tracing::info!("Watching instances: {ids}");
    let began = Instant::now();
    let mut progress = Progress::new();
    let mut watcher = Watcher::new(batch.iter().copied(), settings.watch);
    loop {
        let call = GetTasksWithoutConfigs {
            query: Some(TaskQuery {
                statuses: Some(BTreeSet::from([ScheduleStatus::Running])),
                instance_ids: Some(batch.iter().copied().collect()),
                ..job_query(key)
            }),
        };
        let response = scheduler.call(call, Retry::Safe).await?;
        let running = match response.response_code {
            ResponseCode::Ok => {
                let result: ScheduleStatusResult = take("getTasksWithoutConfigs", response)?;
                result.tasks
            }
            // Upstream takes such an answer for an empty one.
            _ => Vec::new(),
        };
        if let Some(failed) = watcher.look(began.elapsed(), &running) {
            return Ok(failed);
        }
        progress.show(&format!(
            "instances restarting: {ids} ({} s), {} of {} RUNNING, {left} to go",
            began.elapsed().as_secs(),
            running.len(),
            batch.len(),
        ));
        // Not less than a tenth of a second, whatever was asked for.
        tokio::time::sleep(settings.interval.max(Duration::from_millis(100))).await;
    }
}

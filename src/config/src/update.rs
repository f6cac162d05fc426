//! A job's update settings (aurora: `client/api/updater_util.py`).

use std::collections::BTreeSet;

use aurora_api::model::{
    BatchJobUpdateStrategy, JobUpdateSettings, JobUpdateStrategy, QueueJobUpdateStrategy,
    VariableBatchJobUpdateStrategy,
};

use crate::fault::{Checked, allowing, invalid};
use crate::job::Node;

const MIN_PULSE_INTERVAL_SECS: i32 = 60;

/// The settings of `job.update_config`, for all instances.
pub(crate) fn settings(job: &Node) -> Checked<JobUpdateSettings> {
    let update = job.need("update_config")?;
    let batch_size = update.need("batch_size")?.i32()?;
    let watch_secs = update.need("watch_secs")?.i32()?;
    let pulse = match update.field("pulse_interval_secs")? {
        Some(pulse) => Some(pulse.i32()?),
        None => None,
    };
    let wait = update.need("wait_for_batch_completion")?.boolean()?;
    let strategy = update.field("update_strategy")?;
    let wrong = |field: &str, message: &str| plain(&update.at(field), message);
    if batch_size <= 0 {
        let fault = wrong("batch_size", "Batch size should be greater than 0");
        return Err(allowing(fault, "1 or more"));
    }
    if watch_secs < 0 {
        let fault = wrong(
            "watch_secs",
            "Watch seconds should be greater than or equal to 0",
        );
        return Err(allowing(fault, "0 or more"));
    }
    if pulse.is_some_and(|pulse| pulse < MIN_PULSE_INTERVAL_SECS) {
        let least = MIN_PULSE_INTERVAL_SECS;
        let message = format!("Pulse interval seconds must be at least {least} seconds.");
        let fault = wrong("pulse_interval_secs", &message);
        return Err(allowing(fault, &format!("{least} or more")));
    }
    if wait && strategy.is_some() {
        return Err(wrong(
            "update_strategy",
            "Ambiguous update configuration. Cannot combine wait_batch_completion with an explicit update strategy.",
        ));
    }
    if batch_size > 1 && strategy.is_some() {
        return Err(wrong(
            "update_strategy",
            "Ambiguous update configuration. Cannot combine update strategy with batch size. \
             Please set batch size inside of update strategy instead.",
        ));
    }
    let (strategy, group_size, wait) = match strategy {
        Some(strategy) => explicit(&strategy.unwrap()?)?,
        None if wait => (
            JobUpdateStrategy::BatchStrategy(BatchJobUpdateStrategy {
                group_size: batch_size,
                autopause_after_batch: false,
            }),
            batch_size,
            true,
        ),
        None => (
            JobUpdateStrategy::QueueStrategy(QueueJobUpdateStrategy {
                group_size: batch_size,
            }),
            batch_size,
            false,
        ),
    };
    let millis = |seconds: i32, field: &str| {
        seconds.checked_mul(1000).ok_or_else(|| {
            plain(
                &update.at(field),
                &format!(
                    "{field} of {seconds} is more than {} seconds",
                    i32::MAX / 1000
                ),
            )
        })
    };
    Ok(JobUpdateSettings {
        update_group_size: group_size,
        max_per_instance_failures: update.need("max_per_shard_failures")?.i32()?,
        max_failed_instances: update.need("max_total_failures")?.i32()?,
        min_wait_in_instance_running_ms: millis(watch_secs, "watch_secs")?,
        rollback_on_failure: update.need("rollback_on_failure")?.boolean()?,
        update_only_these_instances: BTreeSet::new(),
        wait_for_batch_completion: wait,
        block_if_no_pulses_after_ms: match pulse {
            Some(pulse) => Some(millis(pulse, "pulse_interval_secs")?),
            None => None,
        },
        sla_aware: Some(update.need("sla_aware")?.boolean()?),
        update_strategy: Some(strategy),
    })
}

/// The strategy, the group size that old schedulers look at, and whether they wait for a batch. Upstream's client crashes on
/// an explicit queue or batch strategy; these are the values that it was meant to send.
fn explicit(strategy: &Node) -> Checked<(JobUpdateStrategy, i32, bool)> {
    let autopause = || match strategy.field("autopause_after_batch")? {
        Some(flag) => flag.boolean(),
        None => Ok(false),
    };
    match strategy.kind() {
        "QueueUpdateStrategy" => {
            let group_size = positive(&strategy.need("batch_size")?)?;
            let queue = QueueJobUpdateStrategy { group_size };
            Ok((JobUpdateStrategy::QueueStrategy(queue), group_size, false))
        }
        "BatchUpdateStrategy" => {
            let group_size = positive(&strategy.need("batch_size")?)?;
            let batch = BatchJobUpdateStrategy {
                group_size,
                autopause_after_batch: autopause()?,
            };
            Ok((JobUpdateStrategy::BatchStrategy(batch), group_size, true))
        }
        _ => {
            let sizes = strategy.need("batch_sizes")?;
            let group_sizes = sizes
                .elements()?
                .iter()
                .map(positive)
                .collect::<Checked<Vec<i32>>>()?;
            let Some(first) = group_sizes.first().copied() else {
                return Err(invalid(
                    &sizes.path,
                    "batch_sizes must name at least one size",
                ));
            };
            let variable = VariableBatchJobUpdateStrategy {
                group_sizes,
                autopause_after_batch: autopause()?,
            };
            Ok((JobUpdateStrategy::VarBatchStrategy(variable), first, false))
        }
    }
}

fn positive(node: &Node) -> Checked<i32> {
    let size = node.i32()?;
    if size <= 0 {
        let fault = plain(&node.path, "Batch size should be greater than 0");
        return Err(allowing(fault, "1 or more"));
    }
    Ok(size)
}

fn plain(field: &str, message: &str) -> Box<aurora_api::eval::Diagnostic> {
    crate::fault::at(
        field,
        crate::fault::fault(aurora_api::eval::DiagnosticKind::Invalid, message),
    )
}

//! The calls that start and steer updates (aurora: `SchedulerThriftInterface.java`).

use std::sync::Arc;

use aurora_api::model::{
    self, BatchJobUpdateStrategy, JobUpdate, JobUpdateKey, JobUpdatePulseStatus, JobUpdateRequest,
    JobUpdateSettings, JobUpdateStatus, JobUpdateStrategy, JobUpdateSummary, PulseJobUpdateResult,
    QueueJobUpdateStrategy, StartJobUpdateResult,
};
use aurora_api::service::arguments::{
    AbortJobUpdate, PauseJobUpdate, PulseJobUpdate, ResumeJobUpdate, RollbackJobUpdate,
    StartJobUpdate,
};

use super::difference::Difference;
use super::status::{Command, Direction, after};
use crate::core::op::Op;
use crate::core::store::Update;
use crate::core::writes::{Answer, Refusal, Said, done, fault, invalid, told, valid_key};
use crate::core::{Core, quota, validate};

/// Characters of a message.
const MAX_MESSAGE: usize = 1024;

impl Core {
    pub(crate) fn start_job_update(&mut self, user: &str, call: StartJobUpdate) -> Answer {
        let message = checked_message(call.message)?;
        let mut request = call.request.ok_or_else(|| fault("request is missing"))?;
        self.check_settings(&mut request)?;
        let desired =
            validate::populate_task(&self.config, request.task_config, request.instance_count)
                .map_err(invalid)?;
        let job = desired.job.clone();
        let view = self.store.read();
        if view.cron(&job).is_some() {
            return Err(invalid(
                "Cron jobs may only be created/updated by calling scheduleCronJob.",
            ));
        }
        self.check_instance_count(i64::from(request.instance_count))?;
        let settings = request.settings;
        let scope = &settings.update_only_these_instances;
        let difference = Difference::new(view, &desired, request.instance_count, scope);
        if !difference.irrelevant.is_empty() {
            return Err(invalid(format!(
                "The update request attempted to update specific instances, but some are irrelevant to the update and \
                 current job state: {:?}",
                difference.irrelevant
            )));
        }
        if difference.is_empty() {
            return Ok(Said {
                message: Some("Job is unchanged by proposed update.".to_owned()),
                result: None,
            });
        }
        let seed = self.random.seed();
        let key = JobUpdateKey {
            job,
            id: uuid::Builder::from_random_bytes(seed.to_be_bytes())
                .into_uuid()
                .to_string(),
        };
        let is_coordinated = settings.block_if_no_pulses_after_ms.unwrap_or(0) > 0;
        let update = Arc::new(JobUpdate {
            summary: JobUpdateSummary {
                user: Some(user.to_owned()),
                state: None,
                key: key.clone(),
                metadata: request.metadata,
            },
            instructions: difference.instructions(desired, settings),
        });
        let view = self.store.read();
        if let Some(shortage) = quota::exceeded_by_update(view, &update) {
            return Err(shortage.into());
        }
        if let Some(other) = view.active_update(&key.job) {
            return Err(in_progress(other));
        }
        self.count(
            "thrift_workload_startJobUpdate",
            u64::from(request.instance_count.unsigned_abs()),
        );
        self.apply(Op::SaveUpdate { update });
        self.expect_pulses(&key, 0);
        let first = if is_coordinated {
            JobUpdateStatus::RollForwardAwaitingPulse
        } else {
            JobUpdateStatus::RollingForward
        };
        self.record_status(&key, first, Some(user), message);
        self.status_entered(&key, first);
        let update = self.store.read().update(&key);
        told(begun(
            &key,
            update.map(|update| update.update.summary.clone()),
        ))
    }

    /// Checks what an update is to keep to, and fills in the strategy that old settings mean.
    fn check_settings(&self, request: &mut JobUpdateRequest) -> Result<(), Refusal> {
        if !request.task_config.is_service {
            return Err(invalid("Updates are not supported for non-service tasks."));
        }
        let settings = &mut request.settings;
        let total = group_total(settings)?;
        let refuse = |condition: bool, text: &str| match condition {
            true => Err(invalid(text)),
            false => Ok(()),
        };
        refuse(total <= 0, "Update results in no instance being modified.")?;
        let (each, all) = (
            settings.max_per_instance_failures,
            settings.max_failed_instances,
        );
        refuse(each < 0, "maxPerInstanceFailures must be non-negative.")?;
        refuse(all < 0, "maxFailedInstances must be non-negative.")?;
        let possible = i64::from(each) * i64::from(request.instance_count);
        refuse(
            possible > i64::from(self.config.max_update_instance_failures),
            "Your update allows too many failures to occur, consider decreasing the per-instance failures or \
             maxFailedInstances.",
        )?;
        refuse(
            settings.min_wait_in_instance_running_ms < 0,
            "minWaitInInstanceRunningMs must be non-negative.",
        )?;
        refuse(
            settings.block_if_no_pulses_after_ms.unwrap_or(0) < 0,
            "blockIfNoPulsesAfterMs must be positive.",
        )?;
        refuse(
            settings.sla_aware == Some(true) && request.task_config.sla_policy.is_none(),
            "slaAware is true, but no task slaPolicy is specified.",
        )
    }

    pub(crate) fn pause_job_update(&mut self, user: &str, call: PauseJobUpdate) -> Answer {
        self.steer(user, call.key, call.message, |_| Command::Pause)
    }

    pub(crate) fn resume_job_update(&mut self, user: &str, call: ResumeJobUpdate) -> Answer {
        self.steer(user, call.key, call.message, |blocked| Command::Resume {
            blocked,
        })
    }

    pub(crate) fn abort_job_update(&mut self, user: &str, call: AbortJobUpdate) -> Answer {
        self.steer(user, call.key, call.message, |_| Command::Abort)
    }

    pub(crate) fn rollback_job_update(&mut self, user: &str, call: RollbackJobUpdate) -> Answer {
        self.steer(user, call.key, call.message, |_| Command::Rollback)
    }

    /// Carries out a command, which may depend on whether a pulse is overdue.
    fn steer(
        &mut self,
        user: &str,
        key: Option<JobUpdateKey>,
        message: Option<String>,
        command: impl FnOnce(bool) -> Command,
    ) -> Answer {
        let message = checked_message(message)?;
        let key = valid_update(key)?;
        let status = self.store.read().update(&key).and_then(Update::status);
        let status = status
            .ok_or_else(|| invalid(format!("Update does not exist {} of {}", key.id, key.job)))?;
        let to = after(command(self.is_blocked(&key)), status)
            .map_err(|to| invalid(format!("Cannot transition update from {status} to {to}")))?;
        self.change_update(&key, to, Some(user), message)
            .map_err(invalid)?;
        done()
    }

    pub(crate) fn pulse_job_update(&mut self, call: PulseJobUpdate) -> Answer {
        let key = valid_update(call.key)?;
        if key.id.trim().is_empty() {
            return Err(fault("The update's id cannot be blank."));
        }
        let now = self.now;
        let status = match self.updates.pulses.get_mut(&key) {
            Some(pulse) => {
                pulse.last = now;
                JobUpdatePulseStatus::Ok
            }
            None => JobUpdatePulseStatus::Finished,
        };
        let update = self.store.read().update(&key);
        if status == JobUpdatePulseStatus::Ok
            && let Some(at) = update.and_then(Update::status)
            && let Some(direction) = Direction::of(at)
            && at == direction.awaiting_pulse()
        {
            self.go_to(&key, direction.rolling(), None, None);
        }
        told(model::Result::PulseJobUpdateResult(PulseJobUpdateResult {
            status,
        }))
    }
}

/// Fills in the strategy that old settings mean; the sum of the sizes of its groups.
fn group_total(settings: &mut JobUpdateSettings) -> Result<i64, Refusal> {
    let group_size = settings.update_group_size;
    let old = match settings.wait_for_batch_completion {
        true => JobUpdateStrategy::BatchStrategy(BatchJobUpdateStrategy {
            group_size,
            autopause_after_batch: false,
        }),
        false => JobUpdateStrategy::QueueStrategy(QueueJobUpdateStrategy { group_size }),
    };
    Ok(match settings.update_strategy.get_or_insert(old) {
        JobUpdateStrategy::QueueStrategy(queue) => i64::from(queue.group_size),
        JobUpdateStrategy::BatchStrategy(batch) => i64::from(batch.group_size),
        JobUpdateStrategy::VarBatchStrategy(batches) => {
            if batches.group_sizes.iter().any(|size| *size <= 0) {
                return Err(invalid("All update group sizes must be positive."));
            }
            batches.group_sizes.iter().copied().map(i64::from).sum()
        }
    })
}

fn valid_update(key: Option<JobUpdateKey>) -> Result<JobUpdateKey, Refusal> {
    let key = key.ok_or_else(|| fault("key is missing"))?;
    valid_key(Some(key.job.clone()))?;
    Ok(key)
}

fn checked_message(message: Option<String>) -> Result<Option<String>, Refusal> {
    if message
        .as_ref()
        .is_some_and(|text| text.chars().count() > MAX_MESSAGE)
    {
        return Err(fault(format!(
            "Message must be at most {MAX_MESSAGE} characters long."
        )));
    }
    Ok(message)
}

fn begun(key: &JobUpdateKey, update_summary: Option<JobUpdateSummary>) -> model::Result {
    model::Result::StartJobUpdateResult(StartJobUpdateResult {
        key: key.clone(),
        update_summary,
    })
}

/// The refusal carries the update that is in the way: a client whose answer got lost finds its own there.
fn in_progress(other: &Update) -> Refusal {
    let refusal = invalid(
        "An active update already exists for this job, please terminate it before starting another. Active updates are \
         those in states [ROLLING_FORWARD, ROLLING_BACK, ROLL_FORWARD_PAUSED, ROLL_BACK_PAUSED, \
         ROLL_FORWARD_AWAITING_PULSE, ROLL_BACK_AWAITING_PULSE]",
    );
    let summary = JobUpdateSummary {
        state: other.state(),
        ..other.update.summary.clone()
    };
    refusal.with(begun(other.key(), Some(summary)))
}

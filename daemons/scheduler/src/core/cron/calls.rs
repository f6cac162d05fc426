//! The calls that change cron jobs (aurora: `SchedulerThriftInterface.createOrUpdateCronTemplate` and those below it).

use std::sync::Arc;

use aurora_api::model::{CronCollisionPolicy, JobConfiguration};
use aurora_api::service::arguments::{
    DescheduleCronJob, ReplaceCronTemplate, ScheduleCronJob, StartCronJob,
};

use super::{MINUTE, Schedule, next_fire_time};
use crate::core::op::{CronOutcome, Op};
use crate::core::writes::{Answer, Refusal, done, fault, invalid, noted, valid_key};
use crate::core::{Core, quota, validate};

impl Core {
    pub(crate) fn schedule_cron_job(&mut self, call: ScheduleCronJob) -> Answer {
        let job = call
            .description
            .ok_or_else(|| fault("description is missing"))?;
        let job = self.checked_cron(job)?;
        if self.store.read().cron(&job.key).is_none() && self.has_active(&job.key) {
            return Err(invalid(format!("Job {} already exists", job.key)));
        }
        self.save_cron(job)
    }

    pub(crate) fn replace_cron_template(&mut self, call: ReplaceCronTemplate) -> Answer {
        let job = call.config.ok_or_else(|| fault("config is missing"))?;
        let job = self.checked_cron(job)?;
        if self.store.read().cron(&job.key).is_none() {
            return Err(invalid(format!("No cron job found for {}.", job.key)));
        }
        self.save_cron(job)
    }

    fn checked_cron(&self, job: JobConfiguration) -> Result<JobConfiguration, Refusal> {
        valid_key(Some(job.key.clone()))?;
        let job = validate::populate(&self.config, job).map_err(invalid)?;
        let Some(text) = &job.cron_schedule else {
            return Err(invalid(format!("Job {} has no cron schedule", job.key)));
        };
        self.check_not_updating(&job.key)?;
        self.check_instance_count(i64::from(job.instance_count))?;
        if let Some(shortage) = quota::exceeded_by_cron(self.store.read(), &job) {
            return Err(shortage.into());
        }
        if text.is_empty() {
            return Err(invalid("Job has an empty cron schedule."));
        }
        let schedule = Schedule::parse(text)
            .map_err(|error| invalid(format!("Invalid cron schedule: {text} ({error})")))?;
        if next_fire_time(&schedule, &self.config.cron_timezone, self.now).is_none() {
            return Err(invalid(format!(
                "Invalid cron schedule: {text} (it never comes round)"
            )));
        }
        if job.cron_collision_policy == Some(CronCollisionPolicy::RunOverlap) {
            return Err(invalid(
                "The RUN_OVERLAP collision policy has been removed (AURORA-38).",
            ));
        }
        Ok(job)
    }

    /// Saves a template. A run that waits for an earlier one to go still follows, as it was.
    fn save_cron(&mut self, job: JobConfiguration) -> Answer {
        let key = job.key.clone();
        let count = u64::from(job.instance_count.unsigned_abs());
        self.count("thrift_workload_createOrUpdateCronTemplate", count);
        self.apply(Op::SaveCron { job: Arc::new(job) });
        let outcome = match self.crons.replacing.contains_key(&key) {
            true => CronOutcome::Replacing,
            false => CronOutcome::Scheduled,
        };
        self.decide(&key, self.now - self.now.rem_euclid(MINUTE), outcome);
        self.arm_cron(&key, self.now);
        done()
    }

    /// Tasks that run go on; a run that waits for an earlier one to go does not follow any more.
    pub(crate) fn deschedule_cron_job(&mut self, call: DescheduleCronJob) -> Answer {
        let key = valid_key(call.job)?;
        self.check_not_updating(&key)?;
        if self.store.read().cron(&key).is_none() {
            return noted(format!("Job {key} is not scheduled with cron"));
        }
        self.crons.armed.remove(&key);
        self.crons.replacing.remove(&key);
        self.apply(Op::RemoveCron { key });
        done()
    }

    pub(crate) fn start_cron_job(&mut self, call: StartCronJob) -> Answer {
        let key = valid_key(call.job)?;
        let Some(cron) = self.store.read().cron(&key) else {
            return Err(invalid(format!(
                "Failed to start cron job - No cron job found for {key}."
            )));
        };
        let last = cron.last.map_or(self.now, |last| last.minute);
        // Whoever takes over has to know that a run is to follow; no minute of the schedule is decided by this.
        if self.run_cron(&key) == CronOutcome::Replacing {
            self.decide(&key, last, CronOutcome::Replacing);
        }
        done()
    }
}

//! Starting cron jobs and taking their schedules away.

use aurora_api::job_key::JobPath;

use super::{Planned, Wish};
use crate::actions::Action;
use crate::store::Store;

/// A cron job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// The job.
    pub job: JobPath,
    /// Its schedule.
    pub schedule: String,
    /// When one of its tasks last changed.
    pub changed_ms: i64,
    /// How many active instances it has.
    pub active: u32,
}

impl Cron {
    pub(super) fn resolve(store: &Store, action: Action, job: &JobPath) -> Result<Cron, String> {
        let record = store.jobs.get(job);
        match record.and_then(|record| Some((record.cron_schedule.clone()?, record))) {
            Some((schedule, record)) => Ok(Cron {
                job: job.clone(),
                schedule,
                changed_ms: record.changed_ms,
                active: record.active,
            }),
            None => Err(format!(
                "cannot {} {job}: it has no cron schedule",
                action.name()
            )),
        }
    }
}

impl Planned for Cron {
    fn wish(&self) -> Wish {
        Wish::Cron(self.job.clone())
    }

    fn object(&self) -> String {
        self.job.to_string()
    }

    fn job(&self) -> Option<&JobPath> {
        Some(&self.job)
    }

    fn consequence(&self, action: Action) -> Vec<String> {
        let schedule = &self.schedule;
        vec![match action {
            Action::CronStart => format!(
                "The job is launched now, beside its schedule `{schedule}` and by its collision policy."
            ),
            _ => format!("The schedule `{schedule}` is taken away; tasks that run go on."),
        }]
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        let words = action.name().replace('-', " ");
        format!("aurora {words} {cluster}/{}", self.job)
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let record = store.jobs.get(&self.job);
        let now = record.and_then(|job| job.cron_schedule.as_ref());
        (now != Some(&self.schedule)).then(|| "the schedule has changed".to_owned())
    }

    fn missing(&self, action: Action, store: &Store) -> Option<String> {
        let record = store.jobs.get(&self.job);
        let done = match action {
            Action::CronStart => record.is_some_and(|record| {
                record.changed_ms > self.changed_ms || record.active > self.active
            }),
            _ => record.is_none_or(|record| record.cron_schedule.is_none()),
        };
        (!done).then(|| "nothing of it is seen".to_owned())
    }
}

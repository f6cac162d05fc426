//! Cron jobs: what a schedule means, and what happens when its time comes (aurora: `AuroraCronJob.java`,
//! `CronJobManagerImpl.java`).
//!
//! Each minute of a schedule is decided once, and the decision is in the log together with what it did: whoever takes over
//! goes on with the minute after. A minute for which nobody was there is recorded as missed, unless it is so short a while ago
//! that it is made up for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use aurora_api::model::{CronCollisionPolicy, JobConfiguration, JobKey, Range, ScheduleStatus};

use super::Core;
use super::config::Millis;
use super::op::{CronOutcome, Op};
use super::timers::Timer;

mod calls;
mod grammar;
mod zone;

pub use grammar::{Schedule, ScheduleError};
pub use zone::{UnknownZone, Zone, next_fire_time, next_fire_times};

const MINUTE: Millis = 60_000;

/// Of a row of minutes that were missed so many are recorded, the newest.
const MISSED_KEPT: usize = 100;

/// Where the search for them begins, before the present: the first of these that reaches far enough.
const LOOK_BACK: [Millis; 5] = [
    2 * 60 * MINUTE,
    5 * 24 * 60 * MINUTE,
    32 * 24 * 60 * MINUTE,
    366 * 24 * 60 * MINUTE,
    Millis::MAX,
];

/// Upstream's counters of cron jobs, and ours of minutes that were missed.
pub(crate) const COUNTERS: &[&str] = &[
    "cron_job_collisions",
    "cron_job_concurrent_runs",
    "cron_job_launch_failures",
    "cron_job_misfires",
    "cron_job_missed",
    "cron_job_parse_failures",
    "cron_job_triggers",
];

/// The message of tasks that make way for the next run.
const KILLED_BY_CRON: &str = "Killed by cronScheduler";

/// Cron jobs as they wait for their time.
#[derive(Debug, Default)]
pub(crate) struct Crons {
    armed: BTreeMap<JobKey, Armed>,
    /// Jobs whose earlier run is being killed, with what runs next.
    replacing: BTreeMap<JobKey, Arc<JobConfiguration>>,
}

#[derive(Debug)]
struct Armed {
    schedule: Schedule,
    next: Millis,
}

impl Crons {
    /// How many wait for their time.
    pub(crate) fn len(&self) -> usize {
        self.armed.len()
    }
}

/// The next times at which a job runs by its schedule, `count` at the most; none without a schedule.
pub fn next_runs(job: &JobConfiguration, zone: &Zone, now: Millis, count: usize) -> Vec<Millis> {
    let text = job.cron_schedule.as_deref().unwrap_or_default();
    let schedule = Schedule::parse(text).ok();
    schedule.map_or(Vec::new(), |schedule| {
        next_fire_times(&schedule, zone, now, count)
    })
}

/// The next of them.
pub fn next_run(job: &JobConfiguration, zone: &Zone, now: Millis) -> Option<Millis> {
    next_runs(job, zone, now, 1).pop()
}

impl Core {
    /// Goes on where an earlier scheduler stopped: with the minutes after the last that was decided, and with the runs that
    /// wait for earlier ones to go. Those run as the template is now: what it was when they were due is not kept.
    pub(crate) fn recover_crons(&mut self) {
        let crons: Vec<_> = self.store.read().crons().cloned().collect();
        for cron in crons {
            let key = cron.job.key.clone();
            let last = cron.last.map_or(self.now, |last| last.minute);
            self.arm_cron(&key, last);
            if cron
                .last
                .is_some_and(|last| last.outcome == CronOutcome::Replacing)
            {
                self.follow_up(key, cron.job);
            }
        }
    }

    /// Sets the deadline of the first minute after a time.
    fn arm_cron(&mut self, key: &JobKey, after: Millis) {
        self.crons.armed.remove(key);
        let Some(cron) = self.store.read().cron(key) else {
            return;
        };
        let text = cron.job.cron_schedule.as_deref().unwrap_or_default();
        let Ok(schedule) = Schedule::parse(text) else {
            self.bump("cron_job_parse_failures");
            return;
        };
        // Every schedule that is accepted has a next time.
        if let Some(next) = next_fire_time(&schedule, &self.config.cron_timezone, after) {
            self.timers.set(next, Timer::Cron(key.clone(), next));
            self.crons
                .armed
                .insert(key.clone(), Armed { schedule, next });
        }
    }

    /// A minute has come, unless the schedule was changed since the deadline was set.
    pub(crate) fn cron_due(&mut self, key: &JobKey, minute: Millis) {
        let Some(armed) = self
            .crons
            .armed
            .get(key)
            .filter(|armed| armed.next == minute)
        else {
            return;
        };
        let schedule = armed.schedule;
        // Being slow is not being away.
        let patience = match minute >= self.began {
            true => self.config.cron_catch_up.max(MINUTE),
            false => self.config.cron_catch_up,
        };
        let oldest = self.now.saturating_sub(patience);
        let last = if minute < oldest {
            self.miss(key, &schedule, minute, oldest)
        } else {
            let outcome = self.run_cron(key);
            self.decide(key, minute, outcome);
            minute
        };
        self.arm_cron(key, last);
    }

    /// Records the minutes of a schedule from `minute` to before `end`, for which nobody was there; the last of them.
    fn miss(&mut self, key: &JobKey, schedule: &Schedule, minute: Millis, end: Millis) -> Millis {
        let missed = self.newest_runs(schedule, minute, end);
        self.count("cron_job_missed", missed.len() as u64);
        tracing::warn!(
            job = key.to_string(),
            minutes = missed.len(),
            "a cron job was not run: no scheduler was there at its time"
        );
        for minute in &missed {
            self.decide(key, *minute, CronOutcome::Missed);
        }
        let last = missed.back().copied().unwrap_or(minute);
        // An earlier run may still have to follow, also when somebody else takes over.
        if self.crons.replacing.contains_key(key) {
            self.decide(key, last, CronOutcome::Replacing);
        }
        last
    }

    fn decide(&mut self, key: &JobKey, minute: Millis, outcome: CronOutcome) {
        if self.store.read().cron(key).is_some() {
            self.apply(Op::CronDecided {
                key: key.clone(),
                minute,
                outcome,
            });
        }
    }

    /// The newest times of a schedule before a time, in order, where `minute` is the first that counts.
    fn newest_runs(&self, schedule: &Schedule, minute: Millis, end: Millis) -> VecDeque<Millis> {
        let zone = &self.config.cron_timezone;
        let mut runs = VecDeque::new();
        for span in LOOK_BACK {
            let start = end.saturating_sub(span).max(minute);
            let first = match start == minute {
                true => Some(minute),
                false => next_fire_time(schedule, zone, start),
            };
            runs.clear();
            let all = std::iter::successors(first, |last| next_fire_time(schedule, zone, *last));
            for run in all.take_while(|run| *run < end) {
                runs.push_back(run);
                if runs.len() > MISSED_KEPT {
                    runs.pop_front();
                }
            }
            if runs.len() == MISSED_KEPT || start == minute {
                break;
            }
        }
        runs
    }

    /// Runs a job, now, as its policy has it.
    fn run_cron(&mut self, key: &JobKey) -> CronOutcome {
        let Some(job) = self
            .store
            .read()
            .cron(key)
            .map(|cron| Arc::clone(&cron.job))
        else {
            self.bump("cron_job_misfires");
            return CronOutcome::Skipped;
        };
        if self.crons.replacing.contains_key(key) {
            self.bump("cron_job_concurrent_runs");
            return CronOutcome::Replacing;
        }
        self.bump("cron_job_triggers");
        if !self.has_active(key) {
            self.launch_cron(&job);
            return CronOutcome::Launched;
        }
        self.bump("cron_job_collisions");
        match job.cron_collision_policy {
            Some(CronCollisionPolicy::CancelNew | CronCollisionPolicy::RunOverlap) => {
                CronOutcome::Skipped
            }
            Some(CronCollisionPolicy::KillExisting) | None => self.replace_run(&job),
        }
    }

    fn replace_run(&mut self, job: &Arc<JobConfiguration>) -> CronOutcome {
        for id in self.active_ids(&job.key, |_| true) {
            let message = Some(KILLED_BY_CRON.to_owned());
            self.change_state(&id, None, ScheduleStatus::Killing, message);
        }
        // Tasks that had no place yet are gone at once.
        if !self.has_active(&job.key) {
            self.launch_cron(job);
            return CronOutcome::Launched;
        }
        self.follow_up(job.key.clone(), Arc::clone(job));
        CronOutcome::Replacing
    }

    /// Lets a run follow when the earlier one is gone.
    fn follow_up(&mut self, key: JobKey, job: Arc<JobConfiguration>) {
        self.crons.replacing.insert(key.clone(), job);
        self.look_again_at_cron(key, 0);
    }

    fn look_again_at_cron(&mut self, key: JobKey, waited: Millis) {
        let (initial, max) = (
            self.config.cron_start_initial_backoff,
            self.config.cron_start_max_backoff,
        );
        let wait = self.random.backoff(waited, initial, max).max(1);
        let at = self.now.saturating_add(wait);
        self.timers.set(at, Timer::CronFollowUp(key, wait));
    }

    /// Looks whether an earlier run is gone; `waited` is the wait before this look.
    pub(crate) fn cron_follow_up_due(&mut self, key: JobKey, waited: Millis) {
        if !self.crons.replacing.contains_key(&key) {
            return;
        }
        if self.has_active(&key) {
            self.look_again_at_cron(key, waited);
        } else if let Some(job) = self.crons.replacing.remove(&key) {
            self.launch_cron(&job);
            if let Some(last) = self.store.read().cron(&key).and_then(|cron| cron.last) {
                self.decide(&key, last.minute, CronOutcome::Launched);
            }
        }
    }

    fn has_active(&self, key: &JobKey) -> bool {
        let job = self.store.read().job(key);
        job.is_some_and(|job| job.active_count() > 0)
    }

    fn launch_cron(&mut self, job: &JobConfiguration) {
        let instances = Range {
            first: 0,
            last: job.instance_count - 1,
        };
        self.insert_tasks(job.task_config.clone(), instances);
    }
}

//! An Apache Aurora scheduler has no event feed: it is asked again and again, and what it answers is told as lines of a feed
//! of version 0. What it cannot tell (hosts, quotas, updates, when a job last changed) stays untold.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aurora_api::feed::{
    ConfigRecord, Event as TaskEvent, Hello, JobRecord, Line, Seq, Snapshot, SnapshotPart,
    TaskRecord,
};
use aurora_api::job_key::JobPath;
use aurora_api::model::{JobSummary, ScheduleStatus, ScheduledTask, TaskConfig, TaskQuery};
use aurora_api::service::arguments::{GetJobSummary, GetTasksWithoutConfigs};
use aurora_api::simple;
use aurora_client::http::describe;
use aurora_client::scheduler::{CallError, Retry, Scheduler};
use aurora_tui_model::event::{Event, LinkEvent};
use aurora_tui_model::store::{MOST_POLLED, SUMMARY};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::data::{Events, now_ms, report};

/// At most this often is the scheduler asked.
const PERIOD: Duration = Duration::from_secs(5);
/// Of our time, at most one part in so many is spent with its answering.
const SHARE: u32 = 4;

/// Asks until nobody listens.
pub(crate) async fn follow(
    scheduler: Scheduler,
    mut topics: watch::Receiver<BTreeSet<String>>,
    events: Events,
) {
    let mut poll = Poll {
        configs: HashSet::new(),
        scheduler,
    };
    if !report(&events, Event::Feed(now_ms(), poll.hello())).await {
        return;
    }
    loop {
        let begun = Instant::now();
        let wanted = topics.borrow_and_update().clone();
        let told = match poll.ask(&wanted).await {
            Ok(lines) => {
                let mut listening = true;
                for line in lines {
                    listening = listening && report(&events, Event::Feed(now_ms(), line)).await;
                }
                listening
            }
            Err(error) => {
                let why = describe(&error);
                let link = match error {
                    CallError::Auth { .. } => LinkEvent::Refused(why),
                    _ => LinkEvent::Lost(why),
                };
                report(&events, Event::Link(now_ms(), link)).await
            }
        };
        if !told {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause(begun.elapsed())) => {}
            changed = topics.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// How long is waited after an answer that took so long.
fn pause(took: Duration) -> Duration {
    PERIOD.max(took * SHARE)
}

struct Poll {
    scheduler: Scheduler,
    /// Ids of configurations that were told.
    configs: HashSet<String>,
}

impl Poll {
    fn hello(&self) -> Line {
        let url = self.scheduler.url();
        let port = url.port_or_known_default().unwrap_or(80);
        Line::Hello(Hello {
            feed: String::new(),
            seq: Seq::default(),
            cluster: self.scheduler.cluster().to_owned(),
            leader: format!("{}:{port}", url.host_str().unwrap_or_default()),
            // It does not tell its clock.
            server_time_ms: now_ms(),
            version: 0,
            capabilities: Vec::new(),
        })
    }

    async fn ask(&mut self, topics: &BTreeSet<String>) -> Result<Vec<Line>, CallError> {
        let each = |jobs: &mut Vec<Line>, summary: JobSummary| jobs.push(job(summary));
        let asked = GetJobSummary { role: None };
        let jobs = self.scheduler.ask_each(asked, Retry::Safe, each).await?;
        let mut lines = whole(SUMMARY, jobs);
        for topic in topics {
            let job = topic
                .strip_prefix("job/")
                .and_then(|job| job.parse::<JobPath>().ok());
            if let Some(job) = job {
                lines.extend(whole(topic, self.tasks(job).await?));
            }
        }
        Ok(lines)
    }

    async fn tasks(&mut self, job: JobPath) -> Result<Vec<Line>, CallError> {
        let query = TaskQuery {
            job_keys: Some([job.0].into()),
            limit: Some(MOST_POLLED.into()),
            ..TaskQuery::default()
        };
        let each = |tasks: &mut Tasks, found: ScheduledTask| {
            let (id, config) = config(&found.assigned_task.task);
            tasks.configs.entry(id.clone()).or_insert(config);
            tasks.lines.push(task(found, id));
        };
        let asked = GetTasksWithoutConfigs { query: Some(query) };
        let tasks = self.scheduler.ask_each(asked, Retry::Safe, each).await?;
        let known = &mut self.configs;
        let new = tasks.configs.into_iter();
        let new = new.filter_map(|(id, config)| known.insert(id).then_some(config));
        Ok(new.chain(tasks.lines).collect())
    }
}

/// Tasks, and what they are configured as.
#[derive(Default)]
struct Tasks {
    configs: HashMap<String, Line>,
    lines: Vec<Line>,
}

fn whole(topic: &str, mut lines: Vec<Line>) -> Vec<Line> {
    let mark = |part| {
        Line::Snapshot(Snapshot {
            topic: topic.to_owned(),
            seq: Seq::default(),
            part,
        })
    };
    // In place: they may be many.
    lines.insert(0, mark(SnapshotPart::Begin));
    lines.push(mark(SnapshotPart::End));
    lines
}

fn job(summary: JobSummary) -> Line {
    let stats = summary.stats;
    let count = |count: i32| u32::try_from(count).unwrap_or(0);
    // Its counts are coarse: assigned and starting tasks are among the active ones.
    let states = [
        (ScheduleStatus::Running, count(stats.active_task_count)),
        (ScheduleStatus::Pending, count(stats.pending_task_count)),
        (ScheduleStatus::Finished, count(stats.finished_task_count)),
        (ScheduleStatus::Failed, count(stats.failed_task_count)),
    ];
    Line::Job(JobRecord {
        seq: Seq::default(),
        job: JobPath(summary.job.key),
        states: states.into_iter().filter(|(_, count)| *count > 0).collect(),
        active: count(stats.active_task_count) + count(stats.pending_task_count),
        service: summary.job.task_config.is_service,
        tier: summary.job.task_config.tier.unwrap_or_default(),
        cron_schedule: summary
            .job
            .cron_schedule
            .filter(|schedule| !schedule.is_empty()),
        cron_last: None,
        update: None,
        changed_ms: 0,
    })
}

/// A configuration under an id that is made from it.
fn config(config: &TaskConfig) -> (String, Line) {
    let config = simple::to_json(config);
    let mut hasher = DefaultHasher::new();
    config.to_string().hash(&mut hasher);
    let id = format!("{:016x}", hasher.finish());
    let record = ConfigRecord {
        id: id.clone(),
        config,
    };
    (id, Line::Config(record))
}

fn task(found: ScheduledTask, config: String) -> Line {
    let assigned = found.assigned_task;
    let events = found.task_events.into_iter().map(|event| TaskEvent {
        time_ms: event.timestamp,
        status: event.status,
        message: event.message,
    });
    Line::Task(TaskRecord {
        seq: Seq::default(),
        task_id: assigned.task_id,
        job: JobPath(assigned.task.job),
        instance: assigned.instance_id,
        status: found.status,
        host: assigned.slave_host,
        agent_id: assigned.slave_id,
        ports: assigned.assigned_ports,
        failure_count: found.failure_count,
        ancestor: found.ancestor_id,
        config,
        events: events.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_slows_down_with_the_scheduler() {
        // Of our time, at most a fifth is spent with the answering of a slow one.
        for (took, paused) in [
            (0, 5_000),
            (200, 5_000),
            (1_250, 5_000),
            (2_000, 8_000),
            (30_000, 120_000),
        ] {
            let paused = Duration::from_millis(paused);
            assert_eq!(pause(Duration::from_millis(took)), paused, "{took}");
        }
    }
}

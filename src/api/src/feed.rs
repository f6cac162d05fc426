//! The event feed: one JSON object a line on `GET /ext/v1/events`, from the scheduler to everything that watches it.
//!
//! Version 4. A line is an object with one key that says what it is: `{"task": {…}}`. Readers pass over keys they do not
//! know. The feed starts with `hello`, then for each topic `snapshot` (begin), the topic's records, `snapshot` (end), and
//! from then on changes in log order. Only durable changes are sent.
//!
//! Topics: `summary` (always: jobs, hosts, quotas in brief), `job/ROLE/ENV/NAME`, `role/ROLE` and `host/HOST` (tasks),
//! `updates`, `maintenance`, `audit`. `job/ROLE/ENV/NAME/INSTANCES` tells some instances of a job, at most
//! [`MOST_INSTANCES`]: they are written as in `0-2:5`, in order and in as few ranges as there are.
//!
//! A reader that asks with `summary=N` is not told the tables of the summary that have more than N rows when it begins;
//! [`Counts`] says which, and how many rows there are. It reads those as pages ([`PageOf`]). A feed that goes on from a
//! position is told everything: whoever was not told a table begins anew. With `tasks=N` the tasks of a job that has more
//! than N of them are not told under `job/ROLE/ENV/NAME` but [`Counted`], and read as pages too; so are those of a job that
//! comes to have more.
//!
//! Version 1 had neither the last three topics nor [`JobRecord::update`] and [`JobRecord::cron_last`]; version 2 not
//! [`Counts`]; version 3 neither [`Counted`] nor topics of some instances.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job_key::JobPath;
use crate::model::{JobUpdateAction, JobUpdateStatus, MaintenanceMode, ScheduleStatus};

/// The version of the lines described here; it is in [`Hello`].
pub const VERSION: u32 = 4;

/// A topic is about so many instances of a job at most.
pub const MOST_INSTANCES: usize = 10_000;

/// Where in the log a change stands: the entry's index and the change's place inside the entry. Text form `12345.2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq {
    /// Index of the log entry.
    pub index: u64,
    /// Place inside the entry, from 0.
    pub ordinal: u32,
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.ordinal)
    }
}

/// A text that is not a [`Seq`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position in the event feed; expected INDEX.ORDINAL, for example 12345.2")]
pub struct ParseSeqError(String);

impl FromStr for Seq {
    type Err = ParseSeqError;
    fn from_str(text: &str) -> Result<Seq, ParseSeqError> {
        let parse = || {
            let (index, ordinal) = text.split_once('.')?;
            Some(Seq {
                index: index.parse().ok()?,
                ordinal: ordinal.parse().ok()?,
            })
        };
        parse().ok_or_else(|| ParseSeqError(text.to_owned()))
    }
}

impl Serialize for Seq {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Seq, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Hello(Hello),
    /// The place asked for is not there any more (or of another log): snapshots follow.
    Reset {
        /// Why, in words.
        reason: String,
    },
    /// How large the tables of the summary are: before its snapshot, and when that changes.
    Counts(Counts),
    /// A topic's snapshot begins or ends.
    Snapshot(Snapshot),
    /// A job has too many tasks to be told: in the place of its records.
    Counted(Counted),
    /// A job's counts: topic `summary`.
    Job(JobRecord),
    /// A job without tasks any more: topic `summary`.
    JobRemoved(JobRemoved),
    /// A host: topic `summary`.
    Host(HostRecord),
    /// A role's quota: topic `summary`.
    Quota(QuotaRecord),
    /// A configuration, once per feed before its first use.
    Config(ConfigRecord),
    /// A task as it is now: topics `job/…`, `host/…`, `role/…`.
    Task(TaskRecord),
    /// A task that the scheduler has forgotten.
    TaskRemoved(TaskRemoved),
    /// An update as it is now: topic `updates`.
    Update(UpdateRecord),
    /// An update that the scheduler has forgotten: topic `updates`.
    UpdateRemoved(UpdateRemoved),
    /// A host's place in maintenance: topic `maintenance`.
    Maintenance(MaintenanceRecord),
    /// Somebody changed something: topic `audit`.
    Audit(AuditRecord),
    /// A topic that may not be read.
    Denied(String),
    /// Nothing happened for a while.
    Heartbeat(Heartbeat),
}

/// The first line of a feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// This feed's id, for `POST /ext/v1/events/ID/topics`.
    pub feed: String,
    /// The last committed position.
    pub seq: Seq,
    /// The cluster's name.
    pub cluster: String,
    /// Host and port of the leader.
    pub leader: String,
    /// The server's clock in milliseconds since 1970; ages are measured with it.
    pub server_time_ms: i64,
    /// The feed's version, [`VERSION`].
    pub version: u32,
    /// What this server offers beyond the feed.
    pub capabilities: Vec<String>,
}

/// How large the tables of the summary are, whether they are told or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// The position at which it was counted.
    pub seq: Seq,
    /// The tables by name: `jobs`, `hosts`, `quotas`.
    pub tables: BTreeMap<String, TableSize>,
    /// Job updates that go on or wait.
    pub updating: u64,
}

/// A job's tasks are counted instead of told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The job's topic.
    pub topic: String,
    /// The position at which they were counted.
    pub seq: Seq,
    /// How many they are, ended ones included.
    pub tasks: u64,
}

/// How large a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    /// Its rows.
    pub rows: u64,
    /// Whether this feed tells them; otherwise they are read as pages.
    pub told: bool,
}

/// A page of a table: `GET /ext/v1/TABLE?columns=record`, with the rows as records of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageOf<T> {
    /// The position at which it was made.
    pub seq: Seq,
    /// The table has not changed since the position that was named; nothing else is told then.
    #[serde(default)]
    pub unchanged: bool,
    /// Rows of the table.
    #[serde(default)]
    pub total: u64,
    /// Those that pass the filter.
    #[serde(default)]
    pub shown: u64,
    /// How many of those stand before the first one of the page.
    #[serde(default)]
    pub offset: u64,
    /// The rows in order.
    #[serde(default = "Vec::new")]
    pub rows: Vec<PageRow<T>>,
    /// The place of the first row, when there are rows before it.
    #[serde(default)]
    pub prev: Option<String>,
    /// The place of the last row, when there are rows behind it.
    #[serde(default)]
    pub next: Option<String>,
}

/// A row of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageRow<T> {
    /// The row.
    pub record: T,
}

/// Marks a topic's snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The topic.
    pub topic: String,
    /// The position at which it was taken.
    pub seq: Seq,
    /// Whether this line begins or ends it.
    pub part: SnapshotPart,
}

/// Which end of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotPart {
    /// Records follow; what was known of the topic before is void.
    Begin,
    /// The topic is whole; changes follow.
    End,
}

/// A job in brief.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Position of the newest change in it.
    pub seq: Seq,
    /// `role/environment/name`.
    pub job: JobPath,
    /// How many tasks are in each state, terminal ones included; states without tasks are absent.
    pub states: BTreeMap<ScheduleStatus, u32>,
    /// Instances that are active.
    pub active: u32,
    /// Whether instances are restarted when they end.
    pub service: bool,
    /// The tier.
    pub tier: String,
    /// The schedule, for a cron job.
    pub cron_schedule: Option<String>,
    /// What came of the latest minute of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_last: Option<CronRun>,
    /// The job's active update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<ActiveUpdate>,
    /// Time of the newest event of any task, milliseconds since 1970.
    pub changed_ms: i64,
}

/// A minute of a cron job's schedule that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CronRun {
    /// The minute, as the time of its first millisecond.
    pub minute_ms: i64,
    /// `launched`, `skipped`, `replacing`, `missed` or `scheduled`.
    pub outcome: String,
    /// The five minutes at which the job runs next, likewise.
    #[serde(default)]
    pub next_ms: Vec<i64>,
}

/// An update that goes on or waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveUpdate {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: JobUpdateStatus,
}

/// A job is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRemoved {
    /// Position.
    pub seq: Seq,
    /// The job.
    pub job: JobPath,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Position.
    pub seq: Seq,
    /// Host name.
    pub host: String,
    /// Agent id.
    pub agent_id: String,
    /// Its place in maintenance.
    pub mode: MaintenanceMode,
    /// Attributes.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Tasks assigned to it that have not ended.
    pub tasks: u32,
}

/// A role's quota.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaRecord {
    /// Position.
    pub seq: Seq,
    /// The role.
    pub role: String,
    /// Cores.
    pub cpus: f64,
    /// MiB.
    pub ram_mb: i64,
    /// MiB.
    pub disk_mb: i64,
}

/// A role, as pages tell it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleRecord {
    /// The role.
    pub role: String,
    /// Its jobs.
    pub jobs: u32,
    /// Active tasks of all of them.
    pub active: u32,
    /// Jobs at which somebody should look.
    pub problems: u32,
    /// Its quota, when it has one.
    pub quota: Option<QuotaRecord>,
    /// Time of the newest event, milliseconds since 1970; 0: none.
    pub changed_ms: i64,
}

/// A configuration under its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigRecord {
    /// The id that task records use; equal configurations have equal ids.
    pub id: String,
    /// The TaskConfig in plain JSON ([`crate::simple`]).
    pub config: serde_json::Value,
}

/// A task as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Position of its newest change.
    pub seq: Seq,
    /// Task id.
    pub task_id: String,
    /// The job.
    pub job: JobPath,
    /// Instance id.
    pub instance: i32,
    /// State.
    pub status: ScheduleStatus,
    /// Host, once assigned.
    pub host: Option<String>,
    /// Agent id, once assigned.
    pub agent_id: Option<String>,
    /// Ports by name.
    pub ports: BTreeMap<String, i32>,
    /// Failures so far.
    pub failure_count: i32,
    /// The task that this one replaced.
    pub ancestor: Option<String>,
    /// Id of its configuration.
    pub config: String,
    /// All its events, oldest first.
    pub events: Vec<Event>,
}

/// One event of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The state entered.
    pub status: ScheduleStatus,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A task is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRemoved {
    /// Position.
    pub seq: Seq,
    /// Task id.
    pub task_id: String,
    /// The job.
    pub job: JobPath,
}

/// An update as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// Position of its newest change.
    pub seq: Seq,
    /// The job.
    pub job: JobPath,
    /// Its id.
    pub id: String,
    /// Who started it.
    pub user: Option<String>,
    /// Its status.
    pub status: JobUpdateStatus,
    /// When it began, milliseconds since 1970.
    pub created_ms: i64,
    /// When something last happened in it.
    pub changed_ms: i64,
    /// How many instances it is about.
    pub instances: u32,
    /// How many instances stand where, by the latest that was done to each.
    pub actions: BTreeMap<JobUpdateAction, u32>,
    /// The message of the latest change of its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An update is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateRemoved {
    /// Position.
    pub seq: Seq,
    /// The job.
    pub job: JobPath,
    /// Its id.
    pub id: String,
}

/// A host's place in maintenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceRecord {
    /// Position.
    pub seq: Seq,
    /// Host name.
    pub host: String,
    /// Its mode; `NONE` when maintenance is over.
    pub mode: MaintenanceMode,
    /// Tasks assigned to it that have not ended.
    pub tasks: u32,
    /// What was asked when it is drained as the jobs' SLA policies allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<DrainRequest>,
}

/// What was asked for a host that is drained as the jobs' SLA policies allow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrainRequest {
    /// When, milliseconds since 1970.
    pub created_ms: i64,
    /// After so many seconds tasks are killed whatever their policies say.
    pub timeout_secs: i64,
    /// The policy for tasks without one, in plain JSON ([`crate::simple`]).
    pub default_policy: Option<serde_json::Value>,
}

/// A call that changed something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Position; in a snapshot that of the snapshot.
    pub seq: Seq,
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// The caller.
    pub user: String,
    /// The call's wire name.
    pub method: String,
    /// The job, role, hosts, update or task that it was about.
    pub target: String,
    /// What it asked for beyond its target, in words.
    pub detail: String,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The last committed position.
    pub seq: Seq,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand: what readers of version 4 rely on. A change of it is a new version.
    const GOLDEN: &str = include_str!("../tests/data/feed-v4.ndjson");

    #[test]
    fn lines_are_read_and_written_as_in_the_golden_file() {
        let mut kinds = std::collections::BTreeSet::new();
        for text in GOLDEN.lines() {
            let line: Line = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            kinds.extend(value.as_object().unwrap().keys().cloned());
        }
        assert_eq!(
            kinds.len(),
            18,
            "every kind of line is in the file: {kinds:?}"
        );
    }

    #[test]
    fn a_line_of_version_1_is_still_read() {
        let old = r#"{"job":{"seq":"7.0","job":"www/prod/web","states":{"RUNNING":2},"active":2,"service":true,"tier":"preferred","cron_schedule":null,"changed_ms":5}}"#;
        let Line::Job(job) = serde_json::from_str(old).unwrap() else {
            panic!("{old}");
        };
        assert_eq!((job.update, job.cron_last), (None, None));
    }
}

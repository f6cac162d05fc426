//! The event feed: one JSON object a line on `GET /ext/v1/events`, from the scheduler to everything that watches it.
//!
//! Version 1. A line is an object with one key that says what it is: `{"task": {…}}`. Readers pass over keys they do not
//! know. The feed starts with `hello`, then for each topic `snapshot` (begin), the topic's records, `snapshot` (end), and
//! from then on changes in log order. Only durable changes are sent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job_key::JobPath;
use crate::model::{MaintenanceMode, ScheduleStatus};

/// The version of the lines described here; it is in [`Hello`].
pub const VERSION: u32 = 1;

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
    /// A topic's snapshot begins or ends.
    Snapshot(Snapshot),
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
    /// Time of the newest event of any task, milliseconds since 1970.
    pub changed_ms: i64,
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

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The last committed position.
    pub seq: Seq,
}

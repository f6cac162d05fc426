//! Changes of the state, as the log holds them. The state is what the ops made of an empty store, and nothing else.

use std::sync::Arc;

use aurora_api::model::{
    HostAttributes, HostMaintenanceRequest, JobConfiguration, JobInstanceUpdateEvent, JobKey,
    JobUpdate, JobUpdateAction, JobUpdateEvent, JobUpdateKey, Range, ResourceAggregate,
    ScheduleStatus, TaskConfig,
};

use super::config::Millis;
use super::store::{ConfigId, TaskId};

/// What came of a minute at which a cron job was to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronOutcome {
    /// Its tasks were inserted.
    Launched,
    /// An earlier run was still there and the policy keeps it.
    Skipped,
    /// An earlier run is being killed; the tasks follow when it is gone.
    Replacing,
    /// No scheduler was there to decide.
    Missed,
    /// None: the job was scheduled, or its schedule changed, in this minute. Earlier ones are not owed.
    Scheduled,
}

/// Who changed what, for those who ask later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub time: Millis,
    /// The caller; `UNSECURE` when nobody was asked.
    pub user: String,
    /// The call's wire name.
    pub method: String,
    /// The job, role, host, update or task that it was about, as people write it.
    pub target: String,
    /// What the call asked for beyond its target, in words; empty when the method says it all.
    pub detail: String,
}

/// What an update did to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceAct {
    /// The instance.
    pub instance: i32,
    /// What it did.
    pub action: JobUpdateAction,
    /// Why, when there is more to say than what.
    pub message: Option<String>,
}

/// One change. The order of fields and variants is not the encoding; see [`super::codec`].
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The master gave this framework id.
    SaveFrameworkId {
        /// The id.
        id: String,
    },
    /// From here on task events carry this name as their scheduler.
    SaveScheduler {
        /// Host name of the leading scheduler.
        host: String,
    },
    /// A configuration that tasks of later ops refer to. It is gone again when its last task is.
    AddConfig {
        /// Its id; never used before.
        id: ConfigId,
        /// The configuration, filled with defaults.
        config: Arc<TaskConfig>,
    },
    /// New pending tasks of one configuration. Task ids follow from the seed, so that the op's size does not depend on how
    /// many there are.
    InsertTasks {
        /// Their configuration.
        config: ConfigId,
        /// Their instances; ranges do not overlap.
        instances: Vec<Range>,
        /// Makes the task ids; see [`super::store::task_id`].
        seed: u128,
        /// When, for their PENDING event.
        time: Millis,
    },
    /// A new task in the place of one that ended: same instance and configuration, failure count copied.
    InsertReplacement {
        /// The task that ended.
        ancestor: TaskId,
        /// Makes the new task's id.
        seed: u128,
        /// PENDING, or THROTTLED for a flapping task.
        status: ScheduleStatus,
        /// The first event's message.
        message: String,
        /// When.
        time: Millis,
    },
    /// A task entered a state.
    SaveStatus {
        /// The task.
        task: TaskId,
        /// The state.
        status: ScheduleStatus,
        /// The event's message.
        message: Option<String>,
        /// When.
        time: Millis,
    },
    /// A task failed once more.
    CountFailure {
        /// The task.
        task: TaskId,
    },
    /// A pending task got its place; it is ASSIGNED.
    Assign {
        /// The task.
        task: TaskId,
        /// Agent id.
        agent: Arc<str>,
        /// Host name.
        host: Arc<str>,
        /// Ports by name.
        ports: Vec<(String, i32)>,
        /// When.
        time: Millis,
    },
    /// Tasks are forgotten.
    RemoveTasks {
        /// Their ids.
        tasks: Vec<TaskId>,
    },
    /// A role's quota.
    SaveQuota {
        /// The role.
        role: String,
        /// Its quota.
        quota: ResourceAggregate,
    },
    /// What an agent said about its host, and the host's maintenance mode.
    SaveHost {
        /// All of it.
        attributes: Arc<HostAttributes>,
    },
    /// A cron job's template, new or in the place of an earlier one.
    SaveCron {
        /// The template; its key is the job's.
        job: Arc<JobConfiguration>,
    },
    /// A cron job is forgotten. Its tasks stay.
    RemoveCron {
        /// The job.
        key: JobKey,
    },
    /// A minute of a cron job's schedule was decided, once and for all.
    CronDecided {
        /// The job.
        key: JobKey,
        /// The minute, as the time of its first millisecond.
        minute: Millis,
        /// What came of it.
        outcome: CronOutcome,
    },
    /// A new update. Its status comes with the first [`Op::UpdateEvent`].
    SaveUpdate {
        /// The update; `summary.state` is unset, since it follows from the events.
        update: Arc<JobUpdate>,
    },
    /// An update's status changed.
    UpdateEvent {
        /// The update.
        key: JobUpdateKey,
        /// The change.
        event: JobUpdateEvent,
    },
    /// An update did something to instances, and took tasks down for that.
    UpdateInstances {
        /// The update.
        key: JobUpdateKey,
        /// What it did, in order.
        acts: Vec<InstanceAct>,
        /// The tasks that are KILLING now.
        kills: Vec<TaskId>,
        /// The message of their events.
        message: Option<String>,
        /// When all of it.
        time: Millis,
    },
    /// A task ended, and a pending one of another configuration is in its place.
    Supersede {
        /// The task that ended.
        task: TaskId,
        /// The state in which it ended.
        status: ScheduleStatus,
        /// The message of its last event.
        message: Option<String>,
        /// The new task's configuration; the instance is the old one's.
        config: ConfigId,
        /// Makes the new task's id.
        seed: u128,
        /// When, for both.
        time: Millis,
    },
    /// Updates are forgotten.
    RemoveUpdates {
        /// Their keys.
        keys: Vec<JobUpdateKey>,
    },
    /// A host is to be drained; an earlier request for it is void.
    SaveMaintenance {
        /// What was asked.
        request: HostMaintenanceRequest,
    },
    /// A host's request to be drained is void.
    RemoveMaintenance {
        /// The host.
        host: String,
    },
    /// Somebody changed something.
    Audit {
        /// Who and what.
        record: Arc<AuditRecord>,
    },
}

impl Op {
    /// One thing that an update did to one instance.
    pub fn instance_event(key: JobUpdateKey, event: JobInstanceUpdateEvent) -> Op {
        let act = InstanceAct {
            instance: event.instance_id,
            action: event.action,
            message: event.message,
        };
        Op::UpdateInstances {
            key,
            acts: vec![act],
            kills: Vec::new(),
            message: None,
            time: event.timestamp_ms,
        }
    }
}

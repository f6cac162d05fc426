//! Changes of the state, as the log holds them. The state is what the ops made of an empty store, and nothing else.

use std::sync::Arc;

use aurora_api::model::{HostAttributes, Range, ResourceAggregate, ScheduleStatus, TaskConfig};

use super::config::Millis;
use super::store::{ConfigId, TaskId};

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
        attributes: HostAttributes,
    },
}

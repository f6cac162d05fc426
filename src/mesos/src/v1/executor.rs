//! Calls and events of the executor API (`mesos.v1.executor`).

use super::{
    AgentInfo, ContainerId, ExecutorId, ExecutorInfo, FrameworkId, FrameworkInfo, KillPolicy,
    TaskGroupInfo, TaskId, TaskInfo, TaskStatus,
};
use crate::message::{enumeration, message};
use bytes::Bytes;

message! {
    /// An event from the agent to an executor.
    Event = "mesos.v1.executor.Event" {
        1 kind "type": optional EventType,
        2 subscribed: optional Subscribed,
        3 acknowledged: optional Acknowledged,
        4 launch: optional Launch,
        8 launch_group: optional LaunchGroup,
        5 kill: optional Kill,
        6 message: optional EventMessage,
        7 error: optional Error,
    }
}

enumeration! {
    /// `mesos.v1.executor.Event.Type`.
    EventType {
        Unknown "UNKNOWN" = 0,
        Subscribed "SUBSCRIBED" = 1,
        Launch "LAUNCH" = 2,
        LaunchGroup "LAUNCH_GROUP" = 8,
        Kill "KILL" = 3,
        Acknowledged "ACKNOWLEDGED" = 4,
        Message "MESSAGE" = 5,
        Error "ERROR" = 6,
        Shutdown "SHUTDOWN" = 7,
        Heartbeat "HEARTBEAT" = 9,
    }
}

message! {
    /// The subscription stands.
    Subscribed = "mesos.v1.executor.Event.Subscribed" {
        1 executor_info: required ExecutorInfo,
        2 framework_info: required FrameworkInfo,
        3 agent_info: required AgentInfo,
        4 container_id: optional ContainerId,
    }
}

message! {
    /// A task to run.
    Launch = "mesos.v1.executor.Event.Launch" {
        1 task: required TaskInfo,
    }
}

message! {
    /// `mesos.v1.executor.Event.LaunchGroup`.
    LaunchGroup = "mesos.v1.executor.Event.LaunchGroup" {
        1 task_group: required TaskGroupInfo,
    }
}

message! {
    /// A task to kill.
    Kill = "mesos.v1.executor.Event.Kill" {
        1 task_id: required TaskId,
        2 kill_policy: optional KillPolicy,
    }
}

message! {
    /// The agent has taken over a status update.
    Acknowledged = "mesos.v1.executor.Event.Acknowledged" {
        1 task_id: required TaskId,
        2 uuid: required Bytes,
    }
}

message! {
    /// `mesos.v1.executor.Event.Message`.
    EventMessage = "mesos.v1.executor.Event.Message" {
        1 data: required Bytes,
    }
}

message! {
    /// `mesos.v1.executor.Event.Error`.
    Error = "mesos.v1.executor.Event.Error" {
        1 message: required String,
    }
}

message! {
    /// A call of an executor to its agent.
    Call = "mesos.v1.executor.Call" {
        1 executor_id: required ExecutorId,
        2 framework_id: required FrameworkId,
        3 kind "type": optional CallType,
        4 subscribe: optional Subscribe,
        5 update: optional Update,
        6 message: optional CallMessage,
    }
}

enumeration! {
    /// `mesos.v1.executor.Call.Type`.
    CallType {
        Unknown "UNKNOWN" = 0,
        Subscribe "SUBSCRIBE" = 1,
        Update "UPDATE" = 2,
        Message "MESSAGE" = 3,
        Heartbeat "HEARTBEAT" = 4,
    }
}

message! {
    /// Opens the event stream; names what the agent has not acknowledged.
    Subscribe = "mesos.v1.executor.Call.Subscribe" {
        1 unacknowledged_tasks: repeated TaskInfo,
        2 unacknowledged_updates: repeated Update,
    }
}

message! {
    /// A new status of a task.
    Update = "mesos.v1.executor.Call.Update" {
        1 status: required TaskStatus,
    }
}

message! {
    /// `mesos.v1.executor.Call.Message`.
    CallMessage = "mesos.v1.executor.Call.Message" {
        2 data: required Bytes,
    }
}

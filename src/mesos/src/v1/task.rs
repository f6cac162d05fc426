//! Tasks and their statuses.

use super::{
    AgentId, CheckInfo, CheckType, CommandInfo, ContainerInfo, ContainerStatus, DiscoveryInfo,
    DurationInfo, ExecutorId, ExecutorInfo, FrameworkId, HealthCheck, KillPolicy, Labels, Resource,
    Scalar, TaskId, TimeInfo,
};
use crate::message::{enumeration, message};
use bytes::Bytes;

message! {
    /// A task to launch.
    TaskInfo = "mesos.v1.TaskInfo" {
        1 name: required String,
        2 task_id: required TaskId,
        3 agent_id: required AgentId,
        4 resources: repeated Resource,
        5 executor: optional ExecutorInfo,
        7 command: optional CommandInfo,
        9 container: optional ContainerInfo,
        8 health_check: optional HealthCheck,
        13 check: optional CheckInfo,
        12 kill_policy: optional KillPolicy,
        6 data: optional Bytes,
        10 labels: optional Labels,
        11 discovery: optional DiscoveryInfo,
        14 max_completion_time: optional DurationInfo,
        15 limits: map Scalar,
    }
}

message! {
    /// Tasks that are launched together.
    TaskGroupInfo = "mesos.v1.TaskGroupInfo" {
        1 tasks: repeated TaskInfo,
    }
}

message! {
    /// A task as the state answers and operator events show it.
    Task = "mesos.v1.Task" {
        1 name: required String,
        2 task_id: required TaskId,
        3 framework_id: required FrameworkId,
        4 executor_id: optional ExecutorId,
        5 agent_id: required AgentId,
        6 state: required TaskState,
        7 resources: repeated Resource,
        8 statuses: repeated TaskStatus,
        9 status_update_state: optional TaskState,
        10 status_update_uuid: optional Bytes,
        11 labels: optional Labels,
        12 discovery: optional DiscoveryInfo,
        13 container: optional ContainerInfo,
        15 health_check: optional HealthCheck,
        16 kill_policy: optional KillPolicy,
        14 user: optional String,
        17 limits: map Scalar,
    }
}

enumeration! {
    /// The states of a task. The numbers are not in order of life: zero is TASK_STARTING.
    TaskState {
        Staging "TASK_STAGING" = 6,
        Starting "TASK_STARTING" = 0,
        Running "TASK_RUNNING" = 1,
        Killing "TASK_KILLING" = 8,
        Finished "TASK_FINISHED" = 2,
        Failed "TASK_FAILED" = 3,
        Killed "TASK_KILLED" = 4,
        Error "TASK_ERROR" = 7,
        Lost "TASK_LOST" = 5,
        Dropped "TASK_DROPPED" = 9,
        Unreachable "TASK_UNREACHABLE" = 10,
        Gone "TASK_GONE" = 11,
        GoneByOperator "TASK_GONE_BY_OPERATOR" = 12,
        Unknown "TASK_UNKNOWN" = 13,
    }
}

message! {
    /// `mesos.v1.TaskResourceLimitation`.
    TaskResourceLimitation = "mesos.v1.TaskResourceLimitation" {
        1 resources: repeated Resource,
    }
}

message! {
    /// The last result of a check.
    CheckStatusInfo = "mesos.v1.CheckStatusInfo" {
        1 kind "type": optional CheckType,
        2 command: optional CheckStatusCommand,
        3 http: optional CheckStatusHttp,
        4 tcp: optional CheckStatusTcp,
    }
}

message! {
    /// `mesos.v1.CheckStatusInfo.Command`.
    CheckStatusCommand = "mesos.v1.CheckStatusInfo.Command" {
        1 exit_code: optional i32,
    }
}

message! {
    /// `mesos.v1.CheckStatusInfo.Http`.
    CheckStatusHttp = "mesos.v1.CheckStatusInfo.Http" {
        1 status_code: optional u32,
    }
}

message! {
    /// `mesos.v1.CheckStatusInfo.Tcp`.
    CheckStatusTcp = "mesos.v1.CheckStatusInfo.Tcp" {
        1 succeeded: optional bool,
    }
}

message! {
    /// One status of a task; with a uuid it must be acknowledged.
    TaskStatus = "mesos.v1.TaskStatus" {
        1 task_id: required TaskId,
        2 state: required TaskState,
        4 message: optional String,
        9 source: optional StatusSource,
        10 reason: optional StatusReason,
        3 data: optional Bytes,
        5 agent_id: optional AgentId,
        7 executor_id: optional ExecutorId,
        6 timestamp: optional f64,
        11 uuid: optional Bytes,
        8 healthy: optional bool,
        15 check_status: optional CheckStatusInfo,
        12 labels: optional Labels,
        13 container_status: optional ContainerStatus,
        14 unreachable_time: optional TimeInfo,
        16 limitation: optional TaskResourceLimitation,
    }
}

enumeration! {
    /// Who made a status.
    StatusSource {
        Master "SOURCE_MASTER" = 0,
        Agent "SOURCE_AGENT" = 1,
        Executor "SOURCE_EXECUTOR" = 2,
    }
}

enumeration! {
    /// Why a task has its state.
    StatusReason {
        CommandExecutorFailed "REASON_COMMAND_EXECUTOR_FAILED" = 0,
        ContainerLaunchFailed "REASON_CONTAINER_LAUNCH_FAILED" = 21,
        ContainerLimitation "REASON_CONTAINER_LIMITATION" = 19,
        ContainerLimitationDisk "REASON_CONTAINER_LIMITATION_DISK" = 20,
        ContainerLimitationMemory "REASON_CONTAINER_LIMITATION_MEMORY" = 8,
        ContainerPreempted "REASON_CONTAINER_PREEMPTED" = 17,
        ContainerUpdateFailed "REASON_CONTAINER_UPDATE_FAILED" = 22,
        MaxCompletionTimeReached "REASON_MAX_COMPLETION_TIME_REACHED" = 33,
        ExecutorRegistrationTimeout "REASON_EXECUTOR_REGISTRATION_TIMEOUT" = 23,
        ExecutorReregistrationTimeout "REASON_EXECUTOR_REREGISTRATION_TIMEOUT" = 24,
        ExecutorTerminated "REASON_EXECUTOR_TERMINATED" = 1,
        ExecutorUnregistered "REASON_EXECUTOR_UNREGISTERED" = 2,
        FrameworkRemoved "REASON_FRAMEWORK_REMOVED" = 3,
        GcError "REASON_GC_ERROR" = 4,
        InvalidFrameworkid "REASON_INVALID_FRAMEWORKID" = 5,
        InvalidOffers "REASON_INVALID_OFFERS" = 6,
        IoSwitchboardExited "REASON_IO_SWITCHBOARD_EXITED" = 27,
        MasterDisconnected "REASON_MASTER_DISCONNECTED" = 7,
        Reconciliation "REASON_RECONCILIATION" = 9,
        ResourcesUnknown "REASON_RESOURCES_UNKNOWN" = 18,
        AgentDisconnected "REASON_AGENT_DISCONNECTED" = 10,
        AgentDraining "REASON_AGENT_DRAINING" = 34,
        AgentRemoved "REASON_AGENT_REMOVED" = 11,
        AgentRemovedByOperator "REASON_AGENT_REMOVED_BY_OPERATOR" = 31,
        AgentReregistered "REASON_AGENT_REREGISTERED" = 32,
        AgentRestarted "REASON_AGENT_RESTARTED" = 12,
        AgentUnknown "REASON_AGENT_UNKNOWN" = 13,
        TaskKilledDuringLaunch "REASON_TASK_KILLED_DURING_LAUNCH" = 30,
        TaskCheckStatusUpdated "REASON_TASK_CHECK_STATUS_UPDATED" = 28,
        TaskHealthCheckStatusUpdated "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED" = 29,
        TaskGroupInvalid "REASON_TASK_GROUP_INVALID" = 25,
        TaskGroupUnauthorized "REASON_TASK_GROUP_UNAUTHORIZED" = 26,
        TaskInvalid "REASON_TASK_INVALID" = 14,
        TaskUnauthorized "REASON_TASK_UNAUTHORIZED" = 15,
        TaskUnknown "REASON_TASK_UNKNOWN" = 16,
    }
}

//! Calls, answers and events of the master's operator API (`mesos.v1.master`).

use super::{
    AgentCapability, AgentId, AgentInfo, DrainInfo, DurationInfo, ExecutorInfo, FileInfo, Flag,
    FrameworkId, FrameworkInfo, InverseOffer, MachineId, MasterInfo, Metric, Offer,
    ProtobufDuration, Resource, Role, Task, TaskState, TaskStatus, TimeInfo, VersionInfo,
    WeightInfo,
};
use crate::message::{enumeration, message};
use bytes::Bytes;

message! {
    /// A call of an operator to the master.
    Call = "mesos.v1.master.Call" {
        1 kind "type": optional CallType,
        2 get_metrics: optional GetMetricsCall,
        3 set_logging_level: optional SetLoggingLevel,
        4 list_files: optional ListFilesCall,
        5 read_file: optional ReadFileCall,
        11 update_maintenance_schedule: optional UpdateMaintenanceSchedule,
        12 start_maintenance: optional StartMaintenance,
        13 stop_maintenance: optional StopMaintenance,
        21 drain_agent: optional DrainAgent,
        22 deactivate_agent: optional DeactivateAgent,
        23 reactivate_agent: optional ReactivateAgent,
        16 teardown: optional Teardown,
        17 mark_agent_gone: optional MarkAgentGone,
    }
}

enumeration! {
    /// `mesos.v1.master.Call.Type`.
    CallType {
        Unknown "UNKNOWN" = 0,
        GetHealth "GET_HEALTH" = 1,
        GetFlags "GET_FLAGS" = 2,
        GetVersion "GET_VERSION" = 3,
        GetMetrics "GET_METRICS" = 4,
        GetLoggingLevel "GET_LOGGING_LEVEL" = 5,
        SetLoggingLevel "SET_LOGGING_LEVEL" = 6,
        ListFiles "LIST_FILES" = 7,
        ReadFile "READ_FILE" = 8,
        GetState "GET_STATE" = 9,
        GetAgents "GET_AGENTS" = 10,
        GetFrameworks "GET_FRAMEWORKS" = 11,
        GetExecutors "GET_EXECUTORS" = 12,
        GetOperations "GET_OPERATIONS" = 33,
        GetTasks "GET_TASKS" = 13,
        GetRoles "GET_ROLES" = 14,
        GetWeights "GET_WEIGHTS" = 15,
        UpdateWeights "UPDATE_WEIGHTS" = 16,
        GetMaster "GET_MASTER" = 17,
        Subscribe "SUBSCRIBE" = 18,
        ReserveResources "RESERVE_RESOURCES" = 19,
        UnreserveResources "UNRESERVE_RESOURCES" = 20,
        CreateVolumes "CREATE_VOLUMES" = 21,
        DestroyVolumes "DESTROY_VOLUMES" = 22,
        GrowVolume "GROW_VOLUME" = 34,
        ShrinkVolume "SHRINK_VOLUME" = 35,
        GetMaintenanceStatus "GET_MAINTENANCE_STATUS" = 23,
        GetMaintenanceSchedule "GET_MAINTENANCE_SCHEDULE" = 24,
        UpdateMaintenanceSchedule "UPDATE_MAINTENANCE_SCHEDULE" = 25,
        StartMaintenance "START_MAINTENANCE" = 26,
        StopMaintenance "STOP_MAINTENANCE" = 27,
        DrainAgent "DRAIN_AGENT" = 37,
        DeactivateAgent "DEACTIVATE_AGENT" = 38,
        ReactivateAgent "REACTIVATE_AGENT" = 39,
        GetQuota "GET_QUOTA" = 28,
        UpdateQuota "UPDATE_QUOTA" = 36,
        SetQuota "SET_QUOTA" = 29,
        RemoveQuota "REMOVE_QUOTA" = 30,
        Teardown "TEARDOWN" = 31,
        MarkAgentGone "MARK_AGENT_GONE" = 32,
    }
}

message! {
    /// `mesos.v1.master.Call.GetMetrics`.
    GetMetricsCall = "mesos.v1.master.Call.GetMetrics" {
        1 timeout: optional DurationInfo,
    }
}

message! {
    /// `mesos.v1.master.Call.SetLoggingLevel`.
    SetLoggingLevel = "mesos.v1.master.Call.SetLoggingLevel" {
        1 level: required u32,
        2 duration: required DurationInfo,
    }
}

message! {
    /// `mesos.v1.master.Call.ListFiles`.
    ListFilesCall = "mesos.v1.master.Call.ListFiles" {
        1 path: required String,
    }
}

message! {
    /// `mesos.v1.master.Call.ReadFile`.
    ReadFileCall = "mesos.v1.master.Call.ReadFile" {
        1 path: required String,
        2 offset: required u64,
        3 length: optional u64,
    }
}

message! {
    /// `mesos.v1.master.Call.UpdateMaintenanceSchedule`.
    UpdateMaintenanceSchedule = "mesos.v1.master.Call.UpdateMaintenanceSchedule" {
        1 schedule: required super::maintenance::Schedule,
    }
}

message! {
    /// `mesos.v1.master.Call.StartMaintenance`.
    StartMaintenance = "mesos.v1.master.Call.StartMaintenance" {
        1 machines: repeated MachineId,
    }
}

message! {
    /// `mesos.v1.master.Call.StopMaintenance`.
    StopMaintenance = "mesos.v1.master.Call.StopMaintenance" {
        1 machines: repeated MachineId,
    }
}

message! {
    /// `mesos.v1.master.Call.DrainAgent`.
    DrainAgent = "mesos.v1.master.Call.DrainAgent" {
        1 agent_id: required AgentId,
        2 max_grace_period: optional ProtobufDuration,
        3 mark_gone: default bool = false,
    }
}

message! {
    /// `mesos.v1.master.Call.DeactivateAgent`.
    DeactivateAgent = "mesos.v1.master.Call.DeactivateAgent" {
        1 agent_id: required AgentId,
    }
}

message! {
    /// `mesos.v1.master.Call.ReactivateAgent`.
    ReactivateAgent = "mesos.v1.master.Call.ReactivateAgent" {
        1 agent_id: required AgentId,
    }
}

message! {
    /// `mesos.v1.master.Call.Teardown`.
    Teardown = "mesos.v1.master.Call.Teardown" {
        1 framework_id: required FrameworkId,
    }
}

message! {
    /// `mesos.v1.master.Call.MarkAgentGone`.
    MarkAgentGone = "mesos.v1.master.Call.MarkAgentGone" {
        1 agent_id: required AgentId,
    }
}

message! {
    /// An answer of the master to an operator.
    Response = "mesos.v1.master.Response" {
        1 kind "type": optional ResponseType,
        2 get_health: optional GetHealth,
        3 get_flags: optional GetFlags,
        4 get_version: optional GetVersion,
        5 get_metrics: optional GetMetrics,
        6 get_logging_level: optional GetLoggingLevel,
        7 list_files: optional ListFiles,
        8 read_file: optional ReadFile,
        9 get_state: optional GetState,
        10 get_agents: optional GetAgents,
        11 get_frameworks: optional GetFrameworks,
        12 get_executors: optional GetExecutors,
        20 get_operations: optional GetOperations,
        13 get_tasks: optional GetTasks,
        14 get_roles: optional GetRoles,
        15 get_weights: optional GetWeights,
        16 get_master: optional GetMaster,
        17 get_maintenance_status: optional GetMaintenanceStatus,
        18 get_maintenance_schedule: optional GetMaintenanceSchedule,
        19 get_quota: optional GetQuota,
    }
}

enumeration! {
    /// `mesos.v1.master.Response.Type`.
    ResponseType {
        Unknown "UNKNOWN" = 0,
        GetHealth "GET_HEALTH" = 1,
        GetFlags "GET_FLAGS" = 2,
        GetVersion "GET_VERSION" = 3,
        GetMetrics "GET_METRICS" = 4,
        GetLoggingLevel "GET_LOGGING_LEVEL" = 5,
        ListFiles "LIST_FILES" = 6,
        ReadFile "READ_FILE" = 7,
        GetState "GET_STATE" = 8,
        GetAgents "GET_AGENTS" = 9,
        GetFrameworks "GET_FRAMEWORKS" = 10,
        GetExecutors "GET_EXECUTORS" = 11,
        GetOperations "GET_OPERATIONS" = 19,
        GetTasks "GET_TASKS" = 12,
        GetRoles "GET_ROLES" = 13,
        GetWeights "GET_WEIGHTS" = 14,
        GetMaster "GET_MASTER" = 15,
        GetMaintenanceStatus "GET_MAINTENANCE_STATUS" = 16,
        GetMaintenanceSchedule "GET_MAINTENANCE_SCHEDULE" = 17,
        GetQuota "GET_QUOTA" = 18,
    }
}

message! {
    /// `mesos.v1.master.Response.GetHealth`.
    GetHealth = "mesos.v1.master.Response.GetHealth" {
        1 healthy: required bool,
    }
}

message! {
    /// `mesos.v1.master.Response.GetFlags`.
    GetFlags = "mesos.v1.master.Response.GetFlags" {
        1 flags: repeated Flag,
    }
}

message! {
    /// `mesos.v1.master.Response.GetVersion`.
    GetVersion = "mesos.v1.master.Response.GetVersion" {
        1 version_info: required VersionInfo,
    }
}

message! {
    /// `mesos.v1.master.Response.GetMetrics`.
    GetMetrics = "mesos.v1.master.Response.GetMetrics" {
        1 metrics: repeated Metric,
    }
}

message! {
    /// `mesos.v1.master.Response.GetLoggingLevel`.
    GetLoggingLevel = "mesos.v1.master.Response.GetLoggingLevel" {
        1 level: required u32,
    }
}

message! {
    /// `mesos.v1.master.Response.ListFiles`.
    ListFiles = "mesos.v1.master.Response.ListFiles" {
        1 file_infos: repeated FileInfo,
    }
}

message! {
    /// `mesos.v1.master.Response.ReadFile`.
    ReadFile = "mesos.v1.master.Response.ReadFile" {
        1 size: required u64,
        2 data: required Bytes,
    }
}

message! {
    /// `mesos.v1.master.Response.GetState`.
    GetState = "mesos.v1.master.Response.GetState" {
        1 get_tasks: optional GetTasks,
        2 get_executors: optional GetExecutors,
        3 get_frameworks: optional GetFrameworks,
        4 get_agents: optional GetAgents,
    }
}

message! {
    /// `mesos.v1.master.Response.GetAgents`.
    GetAgents = "mesos.v1.master.Response.GetAgents" {
        1 agents: listed Agent,
        2 recovered_agents: listed AgentInfo,
    }
}

message! {
    /// `mesos.v1.master.Response.GetAgents.Agent`.
    Agent = "mesos.v1.master.Response.GetAgents.Agent" {
        1 agent_info: required AgentInfo,
        2 active: required bool,
        12 deactivated: optional bool,
        3 version: required String,
        4 pid: optional String,
        5 registered_time: optional TimeInfo,
        6 reregistered_time: optional TimeInfo,
        7 total_resources: repeated Resource,
        8 allocated_resources: repeated Resource,
        9 offered_resources: repeated Resource,
        10 capabilities: repeated AgentCapability,
        13 drain_info: optional DrainInfo,
        14 estimated_drain_start_time: optional TimeInfo,
    }
}

message! {
    /// `mesos.v1.master.Response.GetFrameworks`.
    GetFrameworks = "mesos.v1.master.Response.GetFrameworks" {
        1 frameworks: listed Framework,
        2 completed_frameworks: listed Framework,
        3 recovered_frameworks: repeated FrameworkInfo,
    }
}

message! {
    /// `mesos.v1.master.Response.GetFrameworks.Framework`.
    Framework = "mesos.v1.master.Response.GetFrameworks.Framework" {
        1 framework_info: required FrameworkInfo,
        2 active: required bool,
        3 connected: required bool,
        11 recovered: required bool,
        4 registered_time: optional TimeInfo,
        5 reregistered_time: optional TimeInfo,
        6 unregistered_time: optional TimeInfo,
        7 offers: repeated Offer,
        8 inverse_offers: repeated InverseOffer,
        9 allocated_resources: repeated Resource,
        10 offered_resources: repeated Resource,
        12 offer_constraints: optional super::scheduler::OfferConstraints,
    }
}

message! {
    /// `mesos.v1.master.Response.GetExecutors`.
    GetExecutors = "mesos.v1.master.Response.GetExecutors" {
        1 executors: listed Executor,
        2 orphan_executors: repeated Executor,
    }
}

message! {
    /// `mesos.v1.master.Response.GetExecutors.Executor`.
    Executor = "mesos.v1.master.Response.GetExecutors.Executor" {
        1 executor_info: required ExecutorInfo,
        2 agent_id: required AgentId,
    }
}

message! {
    /// `mesos.v1.master.Response.GetOperations`.
    GetOperations = "mesos.v1.master.Response.GetOperations" {
    }
}

message! {
    /// `mesos.v1.master.Response.GetTasks`.
    GetTasks = "mesos.v1.master.Response.GetTasks" {
        1 pending_tasks: repeated Task,
        2 tasks: listed Task,
        5 unreachable_tasks: listed Task,
        3 completed_tasks: listed Task,
        4 orphan_tasks: repeated Task,
    }
}

message! {
    /// `mesos.v1.master.Response.GetRoles`.
    GetRoles = "mesos.v1.master.Response.GetRoles" {
        1 roles: repeated Role,
    }
}

message! {
    /// `mesos.v1.master.Response.GetWeights`.
    GetWeights = "mesos.v1.master.Response.GetWeights" {
        1 weight_infos: repeated WeightInfo,
    }
}

message! {
    /// `mesos.v1.master.Response.GetMaster`.
    GetMaster = "mesos.v1.master.Response.GetMaster" {
        1 master_info: optional MasterInfo,
        2 start_time: optional f64,
        3 elected_time: optional f64,
    }
}

message! {
    /// `mesos.v1.master.Response.GetMaintenanceStatus`.
    GetMaintenanceStatus = "mesos.v1.master.Response.GetMaintenanceStatus" {
        1 status: required super::maintenance::ClusterStatus,
    }
}

message! {
    /// `mesos.v1.master.Response.GetMaintenanceSchedule`.
    GetMaintenanceSchedule = "mesos.v1.master.Response.GetMaintenanceSchedule" {
        1 schedule: required super::maintenance::Schedule,
    }
}

message! {
    /// `mesos.v1.master.Response.GetQuota`.
    GetQuota = "mesos.v1.master.Response.GetQuota" {
        1 status: required super::quota::QuotaStatus,
    }
}

message! {
    /// An event of the operator stream.
    Event = "mesos.v1.master.Event" {
        1 kind "type": optional EventType,
        2 subscribed: optional Subscribed,
        3 task_added: optional TaskAdded,
        4 task_updated: optional TaskUpdated,
        5 agent_added: optional AgentAdded,
        6 agent_removed: optional AgentRemoved,
        7 framework_added: optional FrameworkAdded,
        8 framework_updated: optional FrameworkUpdated,
        9 framework_removed: optional FrameworkRemoved,
    }
}

enumeration! {
    /// `mesos.v1.master.Event.Type`.
    EventType {
        Unknown "UNKNOWN" = 0,
        Subscribed "SUBSCRIBED" = 1,
        TaskAdded "TASK_ADDED" = 2,
        TaskUpdated "TASK_UPDATED" = 3,
        AgentAdded "AGENT_ADDED" = 4,
        AgentRemoved "AGENT_REMOVED" = 5,
        FrameworkAdded "FRAMEWORK_ADDED" = 6,
        FrameworkUpdated "FRAMEWORK_UPDATED" = 7,
        FrameworkRemoved "FRAMEWORK_REMOVED" = 8,
        Heartbeat "HEARTBEAT" = 9,
    }
}

message! {
    /// `mesos.v1.master.Event.Subscribed`.
    Subscribed = "mesos.v1.master.Event.Subscribed" {
        1 get_state: optional GetState,
        2 heartbeat_interval_seconds: optional f64,
    }
}

message! {
    /// `mesos.v1.master.Event.TaskAdded`.
    TaskAdded = "mesos.v1.master.Event.TaskAdded" {
        1 task: required Task,
    }
}

message! {
    /// `mesos.v1.master.Event.TaskUpdated`.
    TaskUpdated = "mesos.v1.master.Event.TaskUpdated" {
        1 framework_id: required FrameworkId,
        2 status: required TaskStatus,
        3 state: required TaskState,
    }
}

message! {
    /// `mesos.v1.master.Event.FrameworkAdded`.
    FrameworkAdded = "mesos.v1.master.Event.FrameworkAdded" {
        1 framework: required Framework,
    }
}

message! {
    /// `mesos.v1.master.Event.FrameworkUpdated`.
    FrameworkUpdated = "mesos.v1.master.Event.FrameworkUpdated" {
        1 framework: required Framework,
    }
}

message! {
    /// `mesos.v1.master.Event.FrameworkRemoved`.
    FrameworkRemoved = "mesos.v1.master.Event.FrameworkRemoved" {
        1 framework_info: required FrameworkInfo,
    }
}

message! {
    /// `mesos.v1.master.Event.AgentAdded`.
    AgentAdded = "mesos.v1.master.Event.AgentAdded" {
        1 agent: required Agent,
    }
}

message! {
    /// `mesos.v1.master.Event.AgentRemoved`.
    AgentRemoved = "mesos.v1.master.Event.AgentRemoved" {
        1 agent_id: required AgentId,
    }
}

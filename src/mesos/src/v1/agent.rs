//! Calls and answers of the agent's operator API (`mesos.v1.agent`).

use super::{
    AgentInfo, ContainerId, ContainerStatus, DrainConfig, DurationInfo, ExecutorId, ExecutorInfo,
    FileInfo, Flag, FrameworkId, FrameworkInfo, Image, Metric, ResourceStatistics, Task, TimeInfo,
    VersionInfo,
};
use crate::message::{enumeration, message};
use bytes::Bytes;

message! {
    /// A call of an operator to an agent.
    Call = "mesos.v1.agent.Call" {
        1 kind "type": optional CallType,
        2 get_metrics: optional GetMetricsCall,
        3 set_logging_level: optional SetLoggingLevel,
        4 list_files: optional ListFilesCall,
        5 read_file: optional ReadFileCall,
        20 get_containers: optional GetContainersCall,
        21 prune_images: optional PruneImages,
    }
}

enumeration! {
    /// `mesos.v1.agent.Call.Type`.
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
        GetContainers "GET_CONTAINERS" = 10,
        GetFrameworks "GET_FRAMEWORKS" = 11,
        GetExecutors "GET_EXECUTORS" = 12,
        GetOperations "GET_OPERATIONS" = 31,
        GetTasks "GET_TASKS" = 13,
        GetAgent "GET_AGENT" = 20,
        GetResourceProviders "GET_RESOURCE_PROVIDERS" = 26,
        LaunchNestedContainer "LAUNCH_NESTED_CONTAINER" = 14,
        WaitNestedContainer "WAIT_NESTED_CONTAINER" = 15,
        KillNestedContainer "KILL_NESTED_CONTAINER" = 16,
        RemoveNestedContainer "REMOVE_NESTED_CONTAINER" = 21,
        LaunchNestedContainerSession "LAUNCH_NESTED_CONTAINER_SESSION" = 17,
        AttachContainerInput "ATTACH_CONTAINER_INPUT" = 18,
        AttachContainerOutput "ATTACH_CONTAINER_OUTPUT" = 19,
        LaunchContainer "LAUNCH_CONTAINER" = 22,
        WaitContainer "WAIT_CONTAINER" = 23,
        KillContainer "KILL_CONTAINER" = 24,
        RemoveContainer "REMOVE_CONTAINER" = 25,
        AddResourceProviderConfig "ADD_RESOURCE_PROVIDER_CONFIG" = 27,
        UpdateResourceProviderConfig "UPDATE_RESOURCE_PROVIDER_CONFIG" = 28,
        RemoveResourceProviderConfig "REMOVE_RESOURCE_PROVIDER_CONFIG" = 29,
        MarkResourceProviderGone "MARK_RESOURCE_PROVIDER_GONE" = 32,
        PruneImages "PRUNE_IMAGES" = 30,
    }
}

message! {
    /// `mesos.v1.agent.Call.GetMetrics`.
    GetMetricsCall = "mesos.v1.agent.Call.GetMetrics" {
        1 timeout: optional DurationInfo,
    }
}

message! {
    /// `mesos.v1.agent.Call.SetLoggingLevel`.
    SetLoggingLevel = "mesos.v1.agent.Call.SetLoggingLevel" {
        1 level: required u32,
        2 duration: required DurationInfo,
    }
}

message! {
    /// `mesos.v1.agent.Call.ListFiles`.
    ListFilesCall = "mesos.v1.agent.Call.ListFiles" {
        1 path: required String,
    }
}

message! {
    /// `mesos.v1.agent.Call.ReadFile`.
    ReadFileCall = "mesos.v1.agent.Call.ReadFile" {
        1 path: required String,
        2 offset: required u64,
        3 length: optional u64,
    }
}

message! {
    /// `mesos.v1.agent.Call.GetContainers`.
    GetContainersCall = "mesos.v1.agent.Call.GetContainers" {
        1 show_nested: optional bool,
        2 show_standalone: optional bool,
    }
}

message! {
    /// `mesos.v1.agent.Call.PruneImages`.
    PruneImages = "mesos.v1.agent.Call.PruneImages" {
        1 excluded_images: repeated Image,
    }
}

message! {
    /// An answer of an agent to an operator.
    Response = "mesos.v1.agent.Response" {
        1 kind "type": optional ResponseType,
        2 get_health: optional GetHealth,
        3 get_flags: optional GetFlags,
        4 get_version: optional GetVersion,
        5 get_metrics: optional GetMetrics,
        6 get_logging_level: optional GetLoggingLevel,
        7 list_files: optional ListFiles,
        8 read_file: optional ReadFile,
        9 get_state: optional GetState,
        10 get_containers: optional GetContainers,
        11 get_frameworks: optional GetFrameworks,
        12 get_executors: optional GetExecutors,
        18 get_operations: optional GetOperations,
        13 get_tasks: optional GetTasks,
        15 get_agent: optional GetAgent,
    }
}

enumeration! {
    /// `mesos.v1.agent.Response.Type`.
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
        GetContainers "GET_CONTAINERS" = 9,
        GetFrameworks "GET_FRAMEWORKS" = 10,
        GetExecutors "GET_EXECUTORS" = 11,
        GetOperations "GET_OPERATIONS" = 17,
        GetTasks "GET_TASKS" = 12,
        GetAgent "GET_AGENT" = 14,
        GetResourceProviders "GET_RESOURCE_PROVIDERS" = 16,
        WaitNestedContainer "WAIT_NESTED_CONTAINER" = 13,
        WaitContainer "WAIT_CONTAINER" = 15,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetHealth`.
    GetHealth = "mesos.v1.agent.Response.GetHealth" {
        1 healthy: required bool,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetFlags`.
    GetFlags = "mesos.v1.agent.Response.GetFlags" {
        1 flags: repeated Flag,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetVersion`.
    GetVersion = "mesos.v1.agent.Response.GetVersion" {
        1 version_info: required VersionInfo,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetMetrics`.
    GetMetrics = "mesos.v1.agent.Response.GetMetrics" {
        1 metrics: repeated Metric,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetLoggingLevel`.
    GetLoggingLevel = "mesos.v1.agent.Response.GetLoggingLevel" {
        1 level: required u32,
    }
}

message! {
    /// `mesos.v1.agent.Response.ListFiles`.
    ListFiles = "mesos.v1.agent.Response.ListFiles" {
        1 file_infos: repeated FileInfo,
    }
}

message! {
    /// `mesos.v1.agent.Response.ReadFile`.
    ReadFile = "mesos.v1.agent.Response.ReadFile" {
        1 size: required u64,
        2 data: required Bytes,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetState`.
    GetState = "mesos.v1.agent.Response.GetState" {
        1 get_tasks: optional GetTasks,
        2 get_executors: optional GetExecutors,
        3 get_frameworks: optional GetFrameworks,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetContainers`.
    GetContainers = "mesos.v1.agent.Response.GetContainers" {
        1 containers: repeated Container,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetContainers.Container`.
    Container = "mesos.v1.agent.Response.GetContainers.Container" {
        1 framework_id: optional FrameworkId,
        2 executor_id: optional ExecutorId,
        3 executor_name: optional String,
        4 container_id: required ContainerId,
        5 container_status: optional ContainerStatus,
        6 resource_statistics: optional ResourceStatistics,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetFrameworks`.
    GetFrameworks = "mesos.v1.agent.Response.GetFrameworks" {
        1 frameworks: listed Framework,
        2 completed_frameworks: listed Framework,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetFrameworks.Framework`.
    Framework = "mesos.v1.agent.Response.GetFrameworks.Framework" {
        1 framework_info: required FrameworkInfo,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetExecutors`.
    GetExecutors = "mesos.v1.agent.Response.GetExecutors" {
        1 executors: listed Executor,
        2 completed_executors: listed Executor,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetExecutors.Executor`.
    Executor = "mesos.v1.agent.Response.GetExecutors.Executor" {
        1 executor_info: required ExecutorInfo,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetOperations`.
    GetOperations = "mesos.v1.agent.Response.GetOperations" {
    }
}

message! {
    /// `mesos.v1.agent.Response.GetTasks`.
    GetTasks = "mesos.v1.agent.Response.GetTasks" {
        1 pending_tasks: listed Task,
        2 queued_tasks: listed Task,
        3 launched_tasks: listed Task,
        4 terminated_tasks: listed Task,
        5 completed_tasks: listed Task,
    }
}

message! {
    /// `mesos.v1.agent.Response.GetAgent`.
    GetAgent = "mesos.v1.agent.Response.GetAgent" {
        1 agent_info: optional AgentInfo,
        2 drain_config: optional DrainConfig,
        3 estimated_drain_start_time: optional TimeInfo,
    }
}

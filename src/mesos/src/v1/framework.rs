//! Frameworks, masters, agents and fault domains.

use super::{
    Address, AgentId, Attribute, DurationInfo, FrameworkId, Labels, Resource, Scalar, TimeInfo,
};
use crate::message::{enumeration, message};

message! {
    /// What a framework says about itself when it subscribes.
    FrameworkInfo = "mesos.v1.FrameworkInfo" {
        1 user: required String,
        2 name: required String,
        3 id: optional FrameworkId,
        4 failover_timeout: default f64 = 0.0,
        5 checkpoint: default bool = false,
        6 role: optional String,
        12 roles: repeated String,
        7 hostname: optional String,
        8 principal: optional String,
        9 webui_url: optional String,
        10 capabilities: repeated FrameworkCapability,
        11 labels: optional Labels,
        13 offer_filters: map OfferFilters,
    }
}

message! {
    /// One optional ability of a framework.
    FrameworkCapability = "mesos.v1.FrameworkInfo.Capability" {
        1 kind "type": optional FrameworkCapabilityType,
    }
}

enumeration! {
    /// The optional abilities of a framework.
    FrameworkCapabilityType {
        Unknown "UNKNOWN" = 0,
        RevocableResources "REVOCABLE_RESOURCES" = 1,
        TaskKillingState "TASK_KILLING_STATE" = 2,
        GpuResources "GPU_RESOURCES" = 3,
        SharedResources "SHARED_RESOURCES" = 4,
        PartitionAware "PARTITION_AWARE" = 5,
        MultiRole "MULTI_ROLE" = 6,
        ReservationRefinement "RESERVATION_REFINEMENT" = 7,
        RegionAware "REGION_AWARE" = 8,
    }
}

message! {
    /// `mesos.v1.DomainInfo`.
    DomainInfo = "mesos.v1.DomainInfo" {
        1 fault_domain: optional FaultDomain,
    }
}

message! {
    /// `mesos.v1.DomainInfo.FaultDomain`.
    FaultDomain = "mesos.v1.DomainInfo.FaultDomain" {
        1 region: required RegionInfo,
        2 zone: required ZoneInfo,
    }
}

message! {
    /// `mesos.v1.DomainInfo.FaultDomain.RegionInfo`.
    RegionInfo = "mesos.v1.DomainInfo.FaultDomain.RegionInfo" {
        1 name: required String,
    }
}

message! {
    /// `mesos.v1.DomainInfo.FaultDomain.ZoneInfo`.
    ZoneInfo = "mesos.v1.DomainInfo.FaultDomain.ZoneInfo" {
        1 name: required String,
    }
}

message! {
    /// Where the leading master is; also the data of its ZooKeeper node.
    MasterInfo = "mesos.v1.MasterInfo" {
        1 id: required String,
        2 ip: required u32,
        3 port: required u32,
        4 pid: optional String,
        5 hostname: optional String,
        6 version: optional String,
        7 address: optional Address,
        8 domain: optional DomainInfo,
        9 capabilities: repeated MasterCapability,
    }
}

message! {
    /// `mesos.v1.MasterInfo.Capability`.
    MasterCapability = "mesos.v1.MasterInfo.Capability" {
        1 kind "type": optional MasterCapabilityType,
    }
}

enumeration! {
    /// `mesos.v1.MasterInfo.Capability.Type`.
    MasterCapabilityType {
        Unknown "UNKNOWN" = 0,
        AgentUpdate "AGENT_UPDATE" = 1,
        AgentDraining "AGENT_DRAINING" = 2,
        QuotaV2 "QUOTA_V2" = 3,
    }
}

message! {
    /// An agent as it registered: host, port, resources and attributes.
    AgentInfo = "mesos.v1.AgentInfo" {
        1 hostname: required String,
        8 port: default i32 = 5051,
        3 resources: repeated Resource,
        5 attributes: repeated Attribute,
        6 id: optional AgentId,
        10 domain: optional DomainInfo,
    }
}

message! {
    /// `mesos.v1.AgentInfo.Capability`.
    AgentCapability = "mesos.v1.AgentInfo.Capability" {
        1 kind "type": optional AgentCapabilityType,
    }
}

enumeration! {
    /// `mesos.v1.AgentInfo.Capability.Type`.
    AgentCapabilityType {
        Unknown "UNKNOWN" = 0,
        MultiRole "MULTI_ROLE" = 1,
        HierarchicalRole "HIERARCHICAL_ROLE" = 2,
        ReservationRefinement "RESERVATION_REFINEMENT" = 3,
        ResourceProvider "RESOURCE_PROVIDER" = 4,
        ResizeVolume "RESIZE_VOLUME" = 5,
        AgentOperationFeedback "AGENT_OPERATION_FEEDBACK" = 6,
        AgentDraining "AGENT_DRAINING" = 7,
        TaskResourceLimits "TASK_RESOURCE_LIMITS" = 8,
    }
}

message! {
    /// Per-role filters of the offers that a framework wants.
    OfferFilters = "mesos.v1.OfferFilters" {
        1 min_allocatable_resources: optional MinAllocatableResources,
    }
}

message! {
    /// `mesos.v1.OfferFilters.ResourceQuantities`.
    ResourceQuantities = "mesos.v1.OfferFilters.ResourceQuantities" {
        1 quantities: map Scalar,
    }
}

message! {
    /// `mesos.v1.OfferFilters.MinAllocatableResources`.
    MinAllocatableResources = "mesos.v1.OfferFilters.MinAllocatableResources" {
        1 quantities: repeated ResourceQuantities,
    }
}

message! {
    /// `mesos.v1.Request`.
    Request = "mesos.v1.Request" {
        1 agent_id: optional AgentId,
        2 resources: repeated Resource,
    }
}

message! {
    /// How long refused resources stay away.
    Filters = "mesos.v1.Filters" {
        1 refuse_seconds: default f64 = 5.0,
    }
}

message! {
    /// The weight of a role in fair sharing.
    WeightInfo = "mesos.v1.WeightInfo" {
        1 weight: required f64,
        2 role: optional String,
    }
}

message! {
    /// Version and build of a daemon.
    VersionInfo = "mesos.v1.VersionInfo" {
        1 version: required String,
        2 build_date: optional String,
        3 build_time: optional f64,
        4 build_user: optional String,
        5 git_sha: optional String,
        6 git_branch: optional String,
        7 git_tag: optional String,
    }
}

message! {
    /// A command-line flag of a daemon.
    Flag = "mesos.v1.Flag" {
        1 name: required String,
        2 value: optional String,
    }
}

message! {
    /// A role in use, with its frameworks and resources.
    Role = "mesos.v1.Role" {
        1 name: required String,
        2 weight: required f64,
        3 frameworks: repeated FrameworkId,
        4 resources: repeated Resource,
    }
}

message! {
    /// One metric.
    Metric = "mesos.v1.Metric" {
        1 name: required String,
        2 value: optional f64,
    }
}

message! {
    /// An entry of a directory listing.
    FileInfo = "mesos.v1.FileInfo" {
        1 path: required String,
        2 nlink: optional i32,
        3 size: optional u64,
        4 mtime: optional TimeInfo,
        5 mode: optional u32,
        6 uid: optional String,
        7 gid: optional String,
    }
}

enumeration! {
    /// How far a drain is.
    DrainState {
        Unknown "UNKNOWN" = 0,
        Draining "DRAINING" = 1,
        Drained "DRAINED" = 2,
    }
}

message! {
    /// How an agent is drained.
    DrainConfig = "mesos.v1.DrainConfig" {
        1 max_grace_period: optional DurationInfo,
        2 mark_gone: default bool = false,
    }
}

message! {
    /// State and configuration of a drain.
    DrainInfo = "mesos.v1.DrainInfo" {
        1 state: required DrainState,
        2 config: required DrainConfig,
    }
}

//! Offers, inverse offers and the operations on them.

use super::{
    AgentId, AllocationInfo, Attribute, DiskSourceType, DomainInfo, ExecutorId, ExecutorInfo,
    FrameworkId, OfferId, OperationId, Resource, ResourceProviderId, Scalar, TaskGroupInfo,
    TaskInfo, Unavailability, Url, UuidInfo,
};
use crate::message::{enumeration, message};

message! {
    /// Resources of one agent, offered to one framework in one role.
    Offer = "mesos.v1.Offer" {
        1 id: required OfferId,
        2 framework_id: required FrameworkId,
        3 agent_id: required AgentId,
        4 hostname: required String,
        8 url: optional Url,
        11 domain: optional DomainInfo,
        5 resources: repeated Resource,
        7 attributes: repeated Attribute,
        6 executor_ids: repeated ExecutorId,
        9 unavailability: optional Unavailability,
        10 allocation_info: optional AllocationInfo,
    }
}

message! {
    /// One operation of an ACCEPT call.
    OfferOperation = "mesos.v1.Offer.Operation" {
        1 kind "type": optional OfferOperationType,
        12 id: optional OperationId,
        2 launch: optional LaunchOperation,
        7 launch_group: optional LaunchGroupOperation,
        3 reserve: optional ReserveOperation,
        4 unreserve: optional UnreserveOperation,
        5 create: optional CreateOperation,
        6 destroy: optional DestroyOperation,
        13 grow_volume: optional GrowVolumeOperation,
        14 shrink_volume: optional ShrinkVolumeOperation,
        15 create_disk: optional CreateDiskOperation,
        16 destroy_disk: optional DestroyDiskOperation,
    }
}

enumeration! {
    /// `mesos.v1.Offer.Operation.Type`.
    OfferOperationType {
        Unknown "UNKNOWN" = 0,
        Launch "LAUNCH" = 1,
        LaunchGroup "LAUNCH_GROUP" = 6,
        Reserve "RESERVE" = 2,
        Unreserve "UNRESERVE" = 3,
        Create "CREATE" = 4,
        Destroy "DESTROY" = 5,
        GrowVolume "GROW_VOLUME" = 11,
        ShrinkVolume "SHRINK_VOLUME" = 12,
        CreateDisk "CREATE_DISK" = 13,
        DestroyDisk "DESTROY_DISK" = 14,
    }
}

message! {
    /// Launches tasks.
    LaunchOperation = "mesos.v1.Offer.Operation.Launch" {
        1 task_infos: repeated TaskInfo,
    }
}

message! {
    /// Launches a group of tasks on one executor, all or nothing.
    LaunchGroupOperation = "mesos.v1.Offer.Operation.LaunchGroup" {
        1 executor: required ExecutorInfo,
        2 task_group: required TaskGroupInfo,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.Reserve`.
    ReserveOperation = "mesos.v1.Offer.Operation.Reserve" {
        2 source: repeated Resource,
        1 resources: repeated Resource,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.Unreserve`.
    UnreserveOperation = "mesos.v1.Offer.Operation.Unreserve" {
        1 resources: repeated Resource,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.Create`.
    CreateOperation = "mesos.v1.Offer.Operation.Create" {
        1 volumes: repeated Resource,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.Destroy`.
    DestroyOperation = "mesos.v1.Offer.Operation.Destroy" {
        1 volumes: repeated Resource,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.GrowVolume`.
    GrowVolumeOperation = "mesos.v1.Offer.Operation.GrowVolume" {
        1 volume: required Resource,
        2 addition: required Resource,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.ShrinkVolume`.
    ShrinkVolumeOperation = "mesos.v1.Offer.Operation.ShrinkVolume" {
        1 volume: required Resource,
        2 subtract: required Scalar,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.CreateDisk`.
    CreateDiskOperation = "mesos.v1.Offer.Operation.CreateDisk" {
        1 source: required Resource,
        2 target_type: required DiskSourceType,
        3 target_profile: optional String,
    }
}

message! {
    /// `mesos.v1.Offer.Operation.DestroyDisk`.
    DestroyDiskOperation = "mesos.v1.Offer.Operation.DestroyDisk" {
        1 source: required Resource,
    }
}

message! {
    /// Asks a framework to give up resources before planned unavailability.
    InverseOffer = "mesos.v1.InverseOffer" {
        1 id: required OfferId,
        2 url: optional Url,
        3 framework_id: required FrameworkId,
        4 agent_id: optional AgentId,
        5 unavailability: required Unavailability,
        6 resources: repeated Resource,
    }
}

enumeration! {
    /// `mesos.v1.OperationState`.
    OperationState {
        Unsupported "OPERATION_UNSUPPORTED" = 0,
        Pending "OPERATION_PENDING" = 1,
        Finished "OPERATION_FINISHED" = 2,
        Failed "OPERATION_FAILED" = 3,
        Error "OPERATION_ERROR" = 4,
        Dropped "OPERATION_DROPPED" = 5,
        Unreachable "OPERATION_UNREACHABLE" = 6,
        GoneByOperator "OPERATION_GONE_BY_OPERATOR" = 7,
        Recovering "OPERATION_RECOVERING" = 8,
        Unknown "OPERATION_UNKNOWN" = 9,
    }
}

message! {
    /// The state of an operation on reservations or volumes.
    OperationStatus = "mesos.v1.OperationStatus" {
        1 operation_id: optional OperationId,
        2 state: required OperationState,
        3 message: optional String,
        4 converted_resources: repeated Resource,
        5 uuid: optional UuidInfo,
        6 agent_id: optional AgentId,
        7 resource_provider_id: optional ResourceProviderId,
    }
}

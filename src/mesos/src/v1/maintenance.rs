//! Maintenance schedules and status (`mesos.v1.maintenance`, `mesos.v1.allocator`).

use super::{FrameworkId, MachineId, TimeInfo, Unavailability};
use crate::message::{enumeration, message};

message! {
    /// `mesos.v1.maintenance.Window`.
    Window = "mesos.v1.maintenance.Window" {
        1 machine_ids: repeated MachineId,
        2 unavailability: required Unavailability,
    }
}

message! {
    /// `mesos.v1.maintenance.Schedule`.
    Schedule = "mesos.v1.maintenance.Schedule" {
        1 windows: repeated Window,
    }
}

message! {
    /// `mesos.v1.maintenance.ClusterStatus`.
    ClusterStatus = "mesos.v1.maintenance.ClusterStatus" {
        1 draining_machines: repeated ClusterStatusDrainingMachine,
        2 down_machines: repeated MachineId,
    }
}

message! {
    /// `mesos.v1.maintenance.ClusterStatus.DrainingMachine`.
    ClusterStatusDrainingMachine = "mesos.v1.maintenance.ClusterStatus.DrainingMachine" {
        1 id: required MachineId,
        2 statuses: repeated InverseOfferStatus,
    }
}

message! {
    /// `mesos.v1.allocator.InverseOfferStatus`.
    InverseOfferStatus = "mesos.v1.allocator.InverseOfferStatus" {
        1 status: required InverseOfferAnswer,
        2 framework_id: required FrameworkId,
        3 timestamp: required TimeInfo,
    }
}

enumeration! {
    /// `mesos.v1.allocator.InverseOfferStatus.Status`.
    InverseOfferAnswer {
        Unknown "UNKNOWN" = 1,
        Accept "ACCEPT" = 2,
        Decline "DECLINE" = 3,
    }
}

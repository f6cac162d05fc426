//! Resources, attributes and their values.

use super::{Labels, ResourceProviderId, Volume};
use crate::message::{enumeration, message};

message! {
    /// `mesos.v1.Value`.
    Value = "mesos.v1.Value" {
        1 kind "type": required ValueType,
        2 scalar: optional Scalar,
        3 ranges: optional Ranges,
        4 set: optional Set,
        5 text: optional Text,
    }
}

enumeration! {
    /// `mesos.v1.Value.Type`.
    ValueType {
        Scalar "SCALAR" = 0,
        Ranges "RANGES" = 1,
        Set "SET" = 2,
        Text "TEXT" = 3,
    }
}

message! {
    /// A number with three meaningful decimal digits.
    Scalar = "mesos.v1.Value.Scalar" {
        1 value: required f64,
    }
}

message! {
    /// An inclusive range of integers.
    Range = "mesos.v1.Value.Range" {
        1 begin: required u64,
        2 end: required u64,
    }
}

message! {
    /// A list of inclusive ranges.
    Ranges = "mesos.v1.Value.Ranges" {
        1 range: repeated Range,
    }
}

message! {
    /// A set of strings.
    Set = "mesos.v1.Value.Set" {
        1 item: repeated String,
    }
}

message! {
    /// A text.
    Text = "mesos.v1.Value.Text" {
        1 value: required String,
    }
}

message! {
    /// A named property of an agent.
    Attribute = "mesos.v1.Attribute" {
        1 name: required String,
        2 kind "type": required ValueType,
        3 scalar: optional Scalar,
        4 ranges: optional Ranges,
        6 set: optional Set,
        5 text: optional Text,
    }
}

message! {
    /// A named amount of something on an agent, with its role, reservation and allocation.
    Resource = "mesos.v1.Resource" {
        12 provider_id: optional ResourceProviderId,
        1 name: required String,
        2 kind "type": required ValueType,
        3 scalar: optional Scalar,
        4 ranges: optional Ranges,
        5 set: optional Set,
        6 role: optional String,
        11 allocation_info: optional AllocationInfo,
        8 reservation: optional ReservationInfo,
        13 reservations: repeated ReservationInfo,
        7 disk: optional DiskInfo,
        9 revocable: optional RevocableInfo,
        10 shared: optional SharedInfo,
    }
}

message! {
    /// The role that a resource is allocated to.
    AllocationInfo = "mesos.v1.Resource.AllocationInfo" {
        1 role: optional String,
    }
}

message! {
    /// One level of a reservation.
    ReservationInfo = "mesos.v1.Resource.ReservationInfo" {
        4 kind "type": optional ReservationType,
        3 role: optional String,
        1 principal: optional String,
        2 labels: optional Labels,
    }
}

enumeration! {
    /// `mesos.v1.Resource.ReservationInfo.Type`.
    ReservationType {
        Unknown "UNKNOWN" = 0,
        Static "STATIC" = 1,
        Dynamic "DYNAMIC" = 2,
    }
}

message! {
    /// Where a disk resource comes from and what volume it is.
    DiskInfo = "mesos.v1.Resource.DiskInfo" {
        1 persistence: optional DiskPersistence,
        2 volume: optional Volume,
        3 source: optional DiskSource,
    }
}

message! {
    /// `mesos.v1.Resource.DiskInfo.Persistence`.
    DiskPersistence = "mesos.v1.Resource.DiskInfo.Persistence" {
        1 id: required String,
        2 principal: optional String,
    }
}

message! {
    /// `mesos.v1.Resource.DiskInfo.Source`.
    DiskSource = "mesos.v1.Resource.DiskInfo.Source" {
        1 kind "type": required DiskSourceType,
        2 path: optional DiskSourcePath,
        3 mount: optional DiskSourceMount,
        7 vendor: optional String,
        4 id: optional String,
        5 metadata: optional Labels,
        6 profile: optional String,
    }
}

enumeration! {
    /// `mesos.v1.Resource.DiskInfo.Source.Type`.
    DiskSourceType {
        Unknown "UNKNOWN" = 0,
        Path "PATH" = 1,
        Mount "MOUNT" = 2,
        Block "BLOCK" = 3,
        Raw "RAW" = 4,
    }
}

message! {
    /// `mesos.v1.Resource.DiskInfo.Source.Path`.
    DiskSourcePath = "mesos.v1.Resource.DiskInfo.Source.Path" {
        1 root: optional String,
    }
}

message! {
    /// `mesos.v1.Resource.DiskInfo.Source.Mount`.
    DiskSourceMount = "mesos.v1.Resource.DiskInfo.Source.Mount" {
        1 root: optional String,
    }
}

message! {
    /// Marks a resource that may be taken away at any time.
    RevocableInfo = "mesos.v1.Resource.RevocableInfo" {
    }
}

message! {
    /// Marks a volume that several tasks may use.
    SharedInfo = "mesos.v1.Resource.SharedInfo" {
    }
}

message! {
    /// What a container uses at one moment; CPU figures are cumulative.
    ResourceStatistics = "mesos.v1.ResourceStatistics" {
        1 timestamp: required f64,
        30 processes: optional u32,
        31 threads: optional u32,
        2 cpus_user_time_secs: optional f64,
        3 cpus_system_time_secs: optional f64,
        4 cpus_limit: optional f64,
        45 cpus_soft_limit: optional f64,
        7 cpus_nr_periods: optional u32,
        8 cpus_nr_throttled: optional u32,
        9 cpus_throttled_time_secs: optional f64,
        36 mem_total_bytes: optional u64,
        37 mem_total_memsw_bytes: optional u64,
        6 mem_limit_bytes: optional u64,
        38 mem_soft_limit_bytes: optional u64,
        10 mem_file_bytes: optional u64,
        11 mem_anon_bytes: optional u64,
        39 mem_cache_bytes: optional u64,
        5 mem_rss_bytes: optional u64,
        12 mem_mapped_file_bytes: optional u64,
        40 mem_swap_bytes: optional u64,
        41 mem_unevictable_bytes: optional u64,
        26 disk_limit_bytes: optional u64,
        27 disk_used_bytes: optional u64,
    }
}

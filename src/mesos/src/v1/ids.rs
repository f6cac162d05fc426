//! Identifiers, times and addresses.

use super::Parameter;
use crate::message::message;
use bytes::Bytes;

message! {
    /// Identifies a framework; assigned by the master at the first SUBSCRIBE and kept for ever.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    FrameworkId = "mesos.v1.FrameworkID" {
        1 value: required String,
    }
}

message! {
    /// Identifies one offer or inverse offer.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    OfferId = "mesos.v1.OfferID" {
        1 value: required String,
    }
}

message! {
    /// Identifies an agent; assigned by the master at registration.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    AgentId = "mesos.v1.AgentID" {
        1 value: required String,
    }
}

message! {
    /// Identifies a task within its framework; chosen by the scheduler, never to be used twice.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    TaskId = "mesos.v1.TaskID" {
        1 value: required String,
    }
}

message! {
    /// Identifies an executor within its framework and agent.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    ExecutorId = "mesos.v1.ExecutorID" {
        1 value: required String,
    }
}

message! {
    /// Identifies a container; a nested one names its parent.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    ContainerId = "mesos.v1.ContainerID" {
        1 value: required String,
        2 parent: boxed ContainerId,
    }
}

message! {
    /// Identifies a resource provider.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    ResourceProviderId = "mesos.v1.ResourceProviderID" {
        1 value: required String,
    }
}

message! {
    /// Identifies an operation for which the scheduler wants feedback.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    OperationId = "mesos.v1.OperationID" {
        1 value: required String,
    }
}

message! {
    /// A point in time, nanoseconds since the Unix epoch.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    TimeInfo = "mesos.v1.TimeInfo" {
        1 nanoseconds: required i64,
    }
}

message! {
    /// A span of time in nanoseconds.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    DurationInfo = "mesos.v1.DurationInfo" {
        1 nanoseconds: required i64,
    }
}

message! {
    /// Host name, IP and port of a daemon.
    Address = "mesos.v1.Address" {
        1 hostname: optional String,
        2 ip: optional String,
        3 port: required i32,
    }
}

message! {
    /// A URL in parts, as offers name their agent.
    Url = "mesos.v1.URL" {
        1 scheme: required String,
        2 address: required Address,
        3 path: optional String,
        4 query: repeated Parameter,
        5 fragment: optional String,
    }
}

message! {
    /// When a machine is planned to be unavailable.
    Unavailability = "mesos.v1.Unavailability" {
        1 start: required TimeInfo,
        2 duration: optional DurationInfo,
    }
}

message! {
    /// A machine of the maintenance schedule: host name, IP, or both.
    #[derive(Eq, Hash, PartialOrd, Ord)]
    MachineId = "mesos.v1.MachineID" {
        1 hostname: optional String,
        2 ip: optional String,
    }
}

message! {
    /// Sixteen raw bytes of a UUID.
    UuidInfo = "mesos.v1.UUID" {
        1 value: required Bytes,
    }
}

message! {
    /// A span of time as the well-known protobuf type; only DRAIN_AGENT uses it.
    ProtobufDuration = "google.protobuf.Duration" {
        1 seconds: optional i64,
        2 nanos: optional i32,
    }
}

/// Makes a message with one `value` field convertible from and to text.
macro_rules! text_ids {
    ($($name:ident)*) => {$(
        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self { value: value.to_owned() }
            }
        }
        impl From<String> for $name {
            fn from(value: String) -> Self {
                Self { value }
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.value
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.value)
            }
        }
    )*};
}

text_ids!(FrameworkId OfferId AgentId TaskId ExecutorId ResourceProviderId OperationId);

impl From<String> for ContainerId {
    fn from(value: String) -> Self {
        Self {
            value,
            parent: None,
        }
    }
}

/// The text form: nested ids are joined with dots, outermost first.
impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = &self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(&self.value)
    }
}

impl From<std::time::Duration> for DurationInfo {
    /// Durations beyond 292 years become the longest one there is.
    fn from(value: std::time::Duration) -> Self {
        Self {
            nanoseconds: i64::try_from(value.as_nanos()).unwrap_or(i64::MAX),
        }
    }
}

impl DurationInfo {
    /// The span as a standard duration; a negative one is zero.
    pub fn to_std(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.nanoseconds).unwrap_or(0))
    }
}

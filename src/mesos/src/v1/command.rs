//! Commands, executors, checks and secrets.

use super::{ContainerInfo, DurationInfo, ExecutorId, FrameworkId, NetworkProtocol, Resource};
use crate::message::{enumeration, message};
use bytes::Bytes;

message! {
    /// A general check of a task; performed by the executor.
    CheckInfo = "mesos.v1.CheckInfo" {
        1 kind "type": optional CheckType,
        2 command: optional CheckCommand,
        3 http: optional CheckHttp,
        7 tcp: optional CheckTcp,
        4 delay_seconds: default f64 = 15.0,
        5 interval_seconds: default f64 = 10.0,
        6 timeout_seconds: default f64 = 20.0,
    }
}

enumeration! {
    /// `mesos.v1.CheckInfo.Type`.
    CheckType {
        Unknown "UNKNOWN" = 0,
        Command "COMMAND" = 1,
        Http "HTTP" = 2,
        Tcp "TCP" = 3,
    }
}

message! {
    /// `mesos.v1.CheckInfo.Command`.
    CheckCommand = "mesos.v1.CheckInfo.Command" {
        1 command: required CommandInfo,
    }
}

message! {
    /// `mesos.v1.CheckInfo.Http`.
    CheckHttp = "mesos.v1.CheckInfo.Http" {
        1 port: required u32,
        2 path: optional String,
    }
}

message! {
    /// `mesos.v1.CheckInfo.Tcp`.
    CheckTcp = "mesos.v1.CheckInfo.Tcp" {
        1 port: required u32,
    }
}

message! {
    /// A health check of a task; performed by the executor.
    HealthCheck = "mesos.v1.HealthCheck" {
        2 delay_seconds: default f64 = 15.0,
        3 interval_seconds: default f64 = 10.0,
        4 timeout_seconds: default f64 = 20.0,
        5 consecutive_failures: default u32 = 3,
        6 grace_period_seconds: default f64 = 10.0,
        8 kind "type": optional HealthCheckType,
        7 command: optional CommandInfo,
        1 http: optional HttpCheckInfo,
        9 tcp: optional TcpCheckInfo,
    }
}

enumeration! {
    /// `mesos.v1.HealthCheck.Type`.
    HealthCheckType {
        Unknown "UNKNOWN" = 0,
        Command "COMMAND" = 1,
        Http "HTTP" = 2,
        Tcp "TCP" = 3,
    }
}

message! {
    /// `mesos.v1.HealthCheck.HTTPCheckInfo`.
    HttpCheckInfo = "mesos.v1.HealthCheck.HTTPCheckInfo" {
        5 protocol: default NetworkProtocol = NetworkProtocol::Ipv4,
        3 scheme: optional String,
        1 port: required u32,
        2 path: optional String,
        4 statuses: repeated u32,
    }
}

message! {
    /// `mesos.v1.HealthCheck.TCPCheckInfo`.
    TcpCheckInfo = "mesos.v1.HealthCheck.TCPCheckInfo" {
        2 protocol: default NetworkProtocol = NetworkProtocol::Ipv4,
        1 port: required u32,
    }
}

message! {
    /// How a task is to be killed.
    KillPolicy = "mesos.v1.KillPolicy" {
        1 grace_period: optional DurationInfo,
    }
}

message! {
    /// What to run: a shell line, or a program with its arguments.
    CommandInfo = "mesos.v1.CommandInfo" {
        1 uris: repeated CommandUri,
        2 environment: optional Environment,
        6 shell: default bool = true,
        3 value: optional String,
        7 arguments: repeated String,
        5 user: optional String,
    }
}

message! {
    /// A file fetched into the sandbox before the command runs.
    CommandUri = "mesos.v1.CommandInfo.URI" {
        1 value: required String,
        2 executable: optional bool,
        3 extract: default bool = true,
        4 cache: optional bool,
        5 output_file: optional String,
    }
}

message! {
    /// An executor: the program that runs tasks of one framework on an agent.
    ExecutorInfo = "mesos.v1.ExecutorInfo" {
        15 kind "type": optional ExecutorType,
        1 executor_id: required ExecutorId,
        8 framework_id: optional FrameworkId,
        7 command: optional CommandInfo,
        11 container: optional ContainerInfo,
        5 resources: repeated Resource,
        9 name: optional String,
        10 source: optional String,
        4 data: optional Bytes,
        12 discovery: optional DiscoveryInfo,
        13 shutdown_grace_period: optional DurationInfo,
        14 labels: optional Labels,
    }
}

enumeration! {
    /// `mesos.v1.ExecutorInfo.Type`.
    ExecutorType {
        Unknown "UNKNOWN" = 0,
        Default "DEFAULT" = 1,
        Custom "CUSTOM" = 2,
    }
}

message! {
    /// Environment variables of a command.
    Environment = "mesos.v1.Environment" {
        1 variables: repeated EnvironmentVariable,
    }
}

message! {
    /// One environment variable.
    EnvironmentVariable = "mesos.v1.Environment.Variable" {
        1 name: required String,
        3 kind "type": default EnvironmentVariableType = EnvironmentVariableType::Value,
        2 value: optional String,
        4 secret: optional Secret,
    }
}

enumeration! {
    /// `mesos.v1.Environment.Variable.Type`.
    EnvironmentVariableType {
        Unknown "UNKNOWN" = 0,
        Value "VALUE" = 1,
        Secret "SECRET" = 2,
    }
}

message! {
    /// A key with a value.
    Parameter = "mesos.v1.Parameter" {
        1 key: required String,
        2 value: required String,
    }
}

message! {
    /// `mesos.v1.Parameters`.
    Parameters = "mesos.v1.Parameters" {
        1 parameter: repeated Parameter,
    }
}

message! {
    /// `mesos.v1.Credential`.
    Credential = "mesos.v1.Credential" {
        1 principal: required String,
        2 secret: optional String,
    }
}

message! {
    /// A secret by value or by reference.
    Secret = "mesos.v1.Secret" {
        1 kind "type": optional SecretType,
        2 reference: optional SecretReference,
        3 value: optional SecretValue,
    }
}

enumeration! {
    /// `mesos.v1.Secret.Type`.
    SecretType {
        Unknown "UNKNOWN" = 0,
        Reference "REFERENCE" = 1,
        Value "VALUE" = 2,
    }
}

message! {
    /// `mesos.v1.Secret.Reference`.
    SecretReference = "mesos.v1.Secret.Reference" {
        1 name: required String,
        2 key: optional String,
    }
}

message! {
    /// `mesos.v1.Secret.Value`.
    SecretValue = "mesos.v1.Secret.Value" {
        1 data: required Bytes,
    }
}

message! {
    /// A list of labels.
    Labels = "mesos.v1.Labels" {
        1 labels: repeated Label,
    }
}

message! {
    /// A key with an optional value; keys may repeat.
    Label = "mesos.v1.Label" {
        1 key: required String,
        2 value: optional String,
    }
}

message! {
    /// A named port of a task.
    Port = "mesos.v1.Port" {
        1 number: required u32,
        2 name: optional String,
        3 protocol: optional String,
        4 visibility: optional Visibility,
        5 labels: optional Labels,
    }
}

message! {
    /// A list of named ports.
    Ports = "mesos.v1.Ports" {
        1 ports: repeated Port,
    }
}

message! {
    /// How others may find a task; Mesos only publishes it.
    DiscoveryInfo = "mesos.v1.DiscoveryInfo" {
        1 visibility: required Visibility,
        2 name: optional String,
        3 environment: optional String,
        4 location: optional String,
        5 version: optional String,
        6 ports: optional Ports,
        7 labels: optional Labels,
    }
}

enumeration! {
    /// `mesos.v1.DiscoveryInfo.Visibility`.
    Visibility {
        Framework "FRAMEWORK" = 0,
        Cluster "CLUSTER" = 1,
        External "EXTERNAL" = 2,
    }
}

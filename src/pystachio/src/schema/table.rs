//! The schema as data: one line a field.

/// A field's type.
#[derive(Debug)]
pub enum Kind {
    /// `String`
    String,
    /// `Integer`
    Integer,
    /// `Float`
    Float,
    /// `Boolean`
    Boolean,
    /// A type of this table.
    Named(&'static str),
    /// `List(element)`
    List(&'static Kind),
    /// `Map(key, value)`
    Map(&'static Kind, &'static Kind),
    /// `Choice([...])` of types of this table.
    Choice(&'static [&'static str]),
}

/// Whether a field has to be given.
#[derive(Debug)]
pub enum Need {
    /// It may stay empty.
    Optional,
    /// A check fails without it.
    Required,
    /// It holds this JSON when nothing is given.
    Default(&'static str),
}

use Kind::{Boolean, Choice, Float, Integer, List, Map, Named, String};
use Need::{Default, Optional, Required};

/// Name, values.
pub const ENUMS: &[(&str, &[&str])] = &[
    ("LoggerDestination", &["file", "console", "both", "none"]),
    ("LoggerMode", &["standard", "rotate"]),
    ("Mode", &["RO", "RW"]),
];

/// Name, type, JSON of the values that job files find ready-made.
pub const VALUES: &[(&str, &str, &str)] = &[
    (
        "DefaultHealthChecker",
        "HealthCheckerConfig",
        r#"{"http": {}}"#,
    ),
    ("DisableLifecycle", "LifecycleConfig", "{}"),
    (
        "DefaultLifecycleConfig",
        "LifecycleConfig",
        r#"{"http": {}}"#,
    ),
    ("Service", "Job", r#"{"service": true}"#),
];

/// A field: name, type, need.
pub type FieldRow = (&'static str, Kind, Need);

/// Name, fields in the order of declaration.
#[rustfmt::skip]
pub const STRUCTS: &[(&str, &[FieldRow])] = &[
    ("ThermosContext", &[
        ("ports", Map(&String, &Integer), Optional),
        ("task_id", String, Optional),
        ("user", String, Optional),
    ]),
    ("Resources", &[
        ("cpu", Float, Required),
        ("ram", Integer, Required),
        ("disk", Integer, Required),
        ("gpu", Integer, Default("0")),
    ]),
    ("Constraint", &[
        ("order", List(&String), Optional),
    ]),
    ("RotatePolicy", &[
        ("log_size", Integer, Default("104857600")),
        ("backups", Integer, Default("5")),
    ]),
    ("Logger", &[
        ("destination", Named("LoggerDestination"), Default(r#""file""#)),
        ("mode", Named("LoggerMode"), Default(r#""standard""#)),
        ("rotate", Named("RotatePolicy"), Optional),
    ]),
    ("Process", &[
        ("cmdline", String, Required),
        ("name", String, Required),
        ("resources", Named("Resources"), Optional),
        ("max_failures", Integer, Default("1")),
        ("daemon", Boolean, Default("false")),
        ("ephemeral", Boolean, Default("false")),
        ("min_duration", Integer, Default("5")),
        ("final", Boolean, Default("false")),
        ("logger", Named("Logger"), Optional),
    ]),
    ("Task", &[
        ("name", String, Default(r#""{{processes[0].name}}""#)),
        ("processes", List(&Named("Process")), Optional),
        ("constraints", List(&Named("Constraint")), Default("[]")),
        ("resources", Named("Resources"), Optional),
        ("max_failures", Integer, Default("1")),
        ("max_concurrency", Integer, Default("0")),
        ("finalization_wait", Integer, Default("30")),
        ("user", String, Optional),
    ]),
    ("MesosContext", &[
        ("instance", Integer, Required),
        ("hostname", String, Required),
    ]),
    ("QueueUpdateStrategy", &[
        ("batch_size", Integer, Default("1")),
    ]),
    ("BatchUpdateStrategy", &[
        ("batch_size", Integer, Default("1")),
        ("autopause_after_batch", Boolean, Default("false")),
    ]),
    ("VariableBatchUpdateStrategy", &[
        ("batch_sizes", List(&Integer), Required),
        ("autopause_after_batch", Boolean, Default("false")),
    ]),
    ("UpdateConfig", &[
        ("batch_size", Integer, Default("1")),
        ("watch_secs", Integer, Default("45")),
        ("max_per_shard_failures", Integer, Default("0")),
        ("max_total_failures", Integer, Default("0")),
        ("rollback_on_failure", Boolean, Default("true")),
        ("wait_for_batch_completion", Boolean, Default("false")),
        ("pulse_interval_secs", Integer, Optional),
        ("sla_aware", Boolean, Default("false")),
        ("update_strategy", Choice(&["QueueUpdateStrategy", "BatchUpdateStrategy", "VariableBatchUpdateStrategy"]), Optional),
    ]),
    ("HttpHealthChecker", &[
        ("endpoint", String, Default(r#""/health""#)),
        ("expected_response", String, Default(r#""ok""#)),
        ("expected_response_code", Integer, Default("0")),
    ]),
    ("ShellHealthChecker", &[
        ("shell_command", String, Required),
    ]),
    ("HealthCheckerConfig", &[
        ("http", Named("HttpHealthChecker"), Optional),
        ("shell", Named("ShellHealthChecker"), Optional),
    ]),
    ("HealthCheckConfig", &[
        ("health_checker", Named("HealthCheckerConfig"), Default(r#"{"http": {}}"#)),
        ("initial_interval_secs", Float, Default("15.0")),
        ("interval_secs", Float, Default("10.0")),
        ("max_consecutive_failures", Integer, Default("0")),
        ("min_consecutive_successes", Integer, Default("1")),
        ("timeout_secs", Float, Default("1.0")),
    ]),
    ("HttpLifecycleConfig", &[
        ("port", String, Default(r#""health""#)),
        ("graceful_shutdown_endpoint", String, Default(r#""/quitquitquit""#)),
        ("shutdown_endpoint", String, Default(r#""/abortabortabort""#)),
        ("graceful_shutdown_wait_secs", Integer, Default("5")),
        ("shutdown_wait_secs", Integer, Default("5")),
    ]),
    ("LifecycleConfig", &[
        ("http", Named("HttpLifecycleConfig"), Optional),
    ]),
    ("Announcer", &[
        ("primary_port", String, Default(r#""http""#)),
        ("portmap", Map(&String, &String), Default(r#"{"aurora": "{{primary_port}}"}"#)),
        ("zk_path", String, Optional),
    ]),
    ("MesosTaskInstance", &[
        ("task", Named("Task"), Required),
        ("instance", Integer, Required),
        ("role", String, Required),
        ("announce", Named("Announcer"), Optional),
        ("environment", String, Required),
        ("health_check_config", Named("HealthCheckConfig"), Default("{}")),
        ("lifecycle", Named("LifecycleConfig"), Optional),
    ]),
    ("Parameter", &[
        ("name", String, Required),
        ("value", String, Required),
    ]),
    ("Docker", &[
        ("image", String, Required),
        ("parameters", List(&Named("Parameter")), Default("[]")),
    ]),
    ("AppcImage", &[
        ("name", String, Required),
        ("image_id", String, Required),
    ]),
    ("DockerImage", &[
        ("name", String, Required),
        ("tag", String, Required),
    ]),
    ("Volume", &[
        ("container_path", String, Required),
        ("host_path", String, Required),
        ("mode", Named("Mode"), Required),
    ]),
    ("Mesos", &[
        ("image", Choice(&["AppcImage", "DockerImage"]), Optional),
        ("volumes", List(&Named("Volume")), Default("[]")),
    ]),
    ("Container", &[
        ("docker", Named("Docker"), Optional),
    ]),
    ("PartitionPolicy", &[
        ("reschedule", Boolean, Default("true")),
        ("delay_secs", Integer, Default("0")),
    ]),
    ("Metadata", &[
        ("key", String, Required),
        ("value", String, Required),
    ]),
    ("ExecutorConfig", &[
        ("name", String, Default(r#""AuroraExecutor""#)),
        ("data", String, Default(r#""""#)),
    ]),
    ("PercentageSlaPolicy", &[
        ("percentage", Float, Required),
        ("duration_secs", Integer, Required),
    ]),
    ("CountSlaPolicy", &[
        ("count", Integer, Required),
        ("duration_secs", Integer, Required),
    ]),
    ("CoordinatorSlaPolicy", &[
        ("coordinator_url", String, Required),
        ("status_key", String, Default(r#""drain""#)),
    ]),
    ("MesosJob", &[
        ("name", String, Default(r#""{{task.name}}""#)),
        ("role", String, Required),
        ("contact", String, Optional),
        ("cluster", String, Required),
        ("environment", String, Required),
        ("instances", Integer, Default("1")),
        ("task", Named("Task"), Required),
        ("announce", Named("Announcer"), Optional),
        ("tier", String, Optional),
        ("cron_schedule", String, Optional),
        ("cron_collision_policy", String, Default(r#""KILL_EXISTING""#)),
        ("update_config", Named("UpdateConfig"), Default("{}")),
        ("constraints", Map(&String, &String), Optional),
        ("metadata", List(&Named("Metadata")), Default("[]")),
        ("service", Boolean, Default("false")),
        ("max_task_failures", Integer, Default("1")),
        ("production", Boolean, Default("false")),
        ("priority", Integer, Default("0")),
        ("health_check_config", Named("HealthCheckConfig"), Default("{}")),
        ("lifecycle", Named("LifecycleConfig"), Default(r#"{"http": {}}"#)),
        ("task_links", Map(&String, &String), Optional),
        ("executor_config", Named("ExecutorConfig"), Default("{}")),
        ("enable_hooks", Boolean, Default("false")),
        ("partition_policy", Named("PartitionPolicy"), Optional),
        ("sla_policy", Choice(&["CoordinatorSlaPolicy", "CountSlaPolicy", "PercentageSlaPolicy"]), Optional),
        ("container", Choice(&["Container", "Docker", "Mesos"]), Optional),
    ]),
];

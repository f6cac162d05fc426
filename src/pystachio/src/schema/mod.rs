//! Aurora's schema over the types: what a process, a task and a job are made of.
//!
//! The table in [`table`] is the schema of Aurora 0.22 (`aurora: src/main/python/apache/aurora/config/schema/base.py`,
//! `apache/thermos/config/schema_base.py`) with fields in the order of their declaration, which is the order of checks.
//!
//! ```
//! use pystachio::{Value, schema};
//!
//! let text = r#"{"name": "hello", "processes": [{"name": "p", "cmdline": "echo {{mesos.instance}}"}], "later": 1}"#;
//! let task = Value::json_loads(schema::get("Task"), text, false)?;
//! assert_eq!(task.unbound()?.len(), 1);
//! # Ok::<(), pystachio::Error>(())
//! ```

pub mod table;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::error::Error;
use crate::json::from_json;
use crate::types::{Field, Type};
use crate::value::Value;
use table::{Kind, Need, STRUCTS};

/// The name of the executor that runs Thermos tasks; jobs with another name carry their own executor data.
pub const AURORA_EXECUTOR_NAME: &str = "AuroraExecutor";

struct Schema {
    types: Vec<(&'static str, Type)>,
    by_name: HashMap<&'static str, Type>,
}

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| build().expect("the schema table is a constant that a test builds"));

/// A type of the schema by its name, such as `Job`, `MesosJob` (the same), `Task` or `Process`.
///
/// # Panics
/// When there is no such type: the names are those of the table, not input.
pub fn get(name: &str) -> &'static Type {
    SCHEMA
        .by_name
        .get(name)
        .expect("a name from the schema table")
}

/// Every type with the name that job files know it by, in the order of definition.
pub fn types() -> &'static [(&'static str, Type)] {
    &SCHEMA.types
}

/// The values that job files find under a name: templates and defaults.
///
/// # Errors
/// Never, for the table as it is.
pub fn values() -> Result<Vec<(&'static str, Value)>, Error> {
    table::VALUES
        .iter()
        .map(|(name, kind, json)| Ok((*name, Value::json_loads(get(kind), json, true)?)))
        .collect()
}

fn build() -> Result<Schema, Error> {
    let mut schema = Schema {
        types: Vec::new(),
        by_name: HashMap::new(),
    };
    for (name, values) in table::ENUMS {
        // The auto-made name, as upstream's `Enum('RO', 'RW')` has it.
        add(&mut schema, name, Type::enumeration(None, values));
    }
    for (name, fields) in STRUCTS {
        let fields = fields
            .iter()
            .map(|(field, kind, need)| {
                let kind = resolve(&schema, kind)?;
                let field_type = match need {
                    Need::Optional => Field::optional(kind),
                    Need::Required => Field::required(kind),
                    Need::Default(json) => {
                        let document: serde_json::Value =
                            serde_json::from_str(json).map_err(|error| {
                                Error::new(crate::ErrorKind::Value, error.to_string())
                            })?;
                        Field::with_default(kind, from_json(&document))?
                    }
                };
                Ok((Arc::from(*field), field_type))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let kind = Type::structure(name, fields)?;
        add(&mut schema, name, kind);
    }
    let job = schema.by_name["MesosJob"].clone();
    add(&mut schema, "Job", job);
    Ok(schema)
}

fn add(schema: &mut Schema, name: &'static str, kind: Type) {
    schema.types.push((name, kind.clone()));
    schema.by_name.insert(name, kind);
}

fn resolve(schema: &Schema, kind: &Kind) -> Result<Type, Error> {
    Ok(match kind {
        Kind::String => Type::string(),
        Kind::Integer => Type::integer(),
        Kind::Float => Type::float(),
        Kind::Boolean => Type::boolean(),
        Kind::Named(name) => match schema.by_name.get(name) {
            Some(kind) => kind.clone(),
            None => {
                return Err(Error::new(
                    crate::ErrorKind::Type,
                    format!("{name} is used before it is defined"),
                ));
            }
        },
        Kind::List(element) => Type::list(&resolve(schema, element)?)?,
        Kind::Map(key, value) => Type::map(&resolve(schema, key)?, &resolve(schema, value)?)?,
        Kind::Choice(names) => {
            let alternatives = names
                .iter()
                .map(|name| resolve(schema, &Kind::Named(name)))
                .collect::<Result<Vec<_>, Error>>()?;
            Type::choice(None, &alternatives, true)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::KeyOrder;

    /// Defaults as upstream's documentation and `base.py` state them.
    #[test]
    fn defaults_are_upstreams() {
        for (name, expected) in [
            (
                "UpdateConfig",
                r#"{"batch_size": 1, "watch_secs": 45, "max_per_shard_failures": 0, "max_total_failures": 0, "rollback_on_failure": true, "wait_for_batch_completion": false, "sla_aware": false}"#,
            ),
            (
                "HealthCheckConfig",
                r#"{"health_checker": {"http": {"endpoint": "/health", "expected_response": "ok", "expected_response_code": 0}}, "initial_interval_secs": 15.0, "interval_secs": 10.0, "max_consecutive_failures": 0, "min_consecutive_successes": 1, "timeout_secs": 1.0}"#,
            ),
            (
                "HttpLifecycleConfig",
                r#"{"port": "health", "graceful_shutdown_endpoint": "/quitquitquit", "shutdown_endpoint": "/abortabortabort", "graceful_shutdown_wait_secs": 5, "shutdown_wait_secs": 5}"#,
            ),
            ("LifecycleConfig", "{}"),
            ("RotatePolicy", r#"{"log_size": 104857600, "backups": 5}"#),
            ("Logger", r#"{"destination": "file", "mode": "standard"}"#),
            (
                "Process",
                r#"{"max_failures": 1, "daemon": false, "ephemeral": false, "min_duration": 5, "final": false}"#,
            ),
            (
                "PartitionPolicy",
                r#"{"reschedule": true, "delay_secs": 0}"#,
            ),
            (
                "ExecutorConfig",
                r#"{"name": "AuroraExecutor", "data": ""}"#,
            ),
            ("CoordinatorSlaPolicy", r#"{"status_key": "drain"}"#),
            ("Resources", r#"{"gpu": 0}"#),
        ] {
            let value = Value::structure(get(name), Vec::new(), Vec::new()).expect(name);
            assert_eq!(
                value.json_dumps(KeyOrder::Declared).expect(name),
                expected,
                "{name}"
            );
        }
        let announcer = Value::json_loads(get("Announcer"), "{}", true).expect("empty");
        let text = announcer.json_dumps(KeyOrder::Declared).expect("defaults");
        assert_eq!(
            text,
            r#"{"primary_port": "http", "portmap": {"aurora": "http"}}"#
        );
    }

    #[test]
    fn a_job_takes_its_name_from_the_first_process_and_says_what_is_missing() {
        let text = r#"{"role": "r", "environment": "e",
            "task": {"processes": [{"name": "p", "cmdline": "x"}], "resources": {"cpu": 1, "ram": 1, "disk": 1}}}"#;
        let job = Value::json_loads(get("Job"), text, true).expect("a job");
        assert_eq!(
            job.interpolated_field("name")
                .expect("a name")
                .expect("set")
                .text(),
            Ok("p".to_owned())
        );
        let check = job.check().expect("a check");
        assert_eq!(
            (check.message(), check.path.as_str()),
            ("MesosJob[cluster] is required.", "cluster")
        );
        assert_eq!(job.type_of().name(), "MesosJob");
    }

    #[test]
    fn choices_of_the_schema_go_on_to_the_alternative_that_knows_the_keys() {
        for (json, name) in [
            (r#"{"image": "python:2.7"}"#, "Docker"),
            (r#"{"docker": {"image": "x"}}"#, "Container"),
            (
                r#"{"image": {"name": "i", "tag": "t"}, "volumes": []}"#,
                "Mesos",
            ),
        ] {
            let text = format!(r#"{{"container": {json}}}"#);
            let job = Value::json_loads(get("Job"), &text, true).expect(json);
            let container = job.scoped_field("container").expect("set");
            assert_eq!(
                container.unwrap().expect(json).type_of().name(),
                name,
                "{json}"
            );
        }
    }

    #[test]
    fn the_templates_are_there() {
        let values = values().expect("the table's values");
        let service = values
            .iter()
            .find(|(name, _)| *name == "Service")
            .expect("Service");
        let field = service
            .1
            .interpolated_field("service")
            .expect("reads")
            .expect("set");
        assert_eq!(field.text(), Ok("True".to_owned()));
    }
}

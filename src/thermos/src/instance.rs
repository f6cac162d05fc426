//! From an executor's data (the JSON of a job) to the task that is run: templates, ports, health checks, lifecycle
//! (aurora: `src/main/python/apache/aurora/executor/common/task_info.py`, `.../config/schema/base.py`).

use std::collections::{BTreeMap, BTreeSet};

use pystachio::text::{Bindings, interpolate};
use serde_json::Value;

use crate::place::Place;
use crate::schema::{SchemaError, Task};

/// Why executor data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// There is none.
    #[error("Task did not have a thermos config!")]
    Empty,
    /// It is not JSON.
    #[error("Could not deserialize thermos config: {0}")]
    Json(#[from] serde_json::Error),
    /// It does not follow the schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A template is malformed.
    #[error("{path}: {reason}")]
    Template {
        /// Where, for example `task.processes[0].cmdline`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Templates that nothing binds.
    #[error(
        "Got invalid task: Unexpected unbound refs: {}. Make sure you are not nesting template variables.",
        names.join(" ")
    )]
    Unbound {
        /// They, with their braces.
        names: Vec<String>,
    },
    /// Templates of the task that neither ports nor the rest of the context bind.
    #[error("Invalid task: Failed to interpolate task, missing: {}", names.join(", "))]
    Missing {
        /// They, with their braces.
        names: Vec<String>,
    },
}

/// How the health of a task is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// What is done.
    pub checker: Checker,
    /// Seconds during which failures do not count.
    pub initial_interval_secs: f64,
    /// Seconds between checks.
    pub interval_secs: f64,
    /// Failures in a row that are tolerated.
    pub max_consecutive_failures: u32,
    /// Successes in a row that make a task run.
    pub min_consecutive_successes: u32,
    /// Seconds that one check may take.
    pub timeout_secs: f64,
}

/// What a health check does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checker {
    /// GET on the port named `health`, if the task has one.
    Http {
        /// The path.
        endpoint: String,
        /// What the body must be, whatever its case; anything when empty.
        expected_response: String,
        /// What the status must be; any when 0.
        expected_response_code: i64,
    },
    /// A command, its templates not bound yet.
    Shell {
        /// For `/bin/bash -c`.
        command: String,
    },
}

/// How a task is asked over HTTP to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLifecycle {
    /// Name of the port.
    pub port: String,
    /// The endpoints, in order, and the seconds to wait after each.
    pub escalation: [(String, u64); 2],
}

/// How a task is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// Name of the port that stands for the service.
    pub primary_port: String,
    /// Ports by other names: numbers or names.
    pub portmap: BTreeMap<String, String>,
    /// A path of its own in ZooKeeper.
    pub zk_path: Option<String>,
}

/// One instance of a job as it stands on its machine. The ports and the id of the task are not bound yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    task: Value,
    /// The role, which is the user to run as.
    pub role: Option<String>,
    /// How health is checked.
    pub health: HealthCheck,
    /// How it is ended.
    pub lifecycle: Option<HttpLifecycle>,
    /// How it is announced, if it is.
    pub announce: Option<Announce>,
}

impl Instance {
    /// Reads the data of an executor for the instance with this number on the machine of this name. A `MesosTaskInstance`
    /// (recognised by its `instance`) is taken as it is.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub fn parse(data: &str, number: i32, hostname: &str) -> Result<Self, InstanceError> {
        if data.is_empty() {
            return Err(InstanceError::Empty);
        }
        let mut job: Value = serde_json::from_str(data)?;
        let is_job = job.get("instance").is_none();
        let mut unbound = BTreeSet::new();
        let mut bindings = Bindings::default();
        if is_job && data.contains(OPENING) {
            bind(&mut bindings, "mesos.instance", &number.to_string())?;
            bind(&mut bindings, "mesos.hostname", hostname)?;
        }
        for key in [
            "task",
            "role",
            "health_check_config",
            "lifecycle",
            "announce",
            "environment",
        ] {
            if let Some(part) = job.get_mut(key) {
                fill(part, key, &bindings, &mut unbound)?;
            }
        }
        let names: Vec<String> = unbound
            .into_iter()
            .filter(|name| !is_bound_later(name))
            .collect();
        if !names.is_empty() {
            return Err(InstanceError::Unbound { names });
        }
        let at = Place::new("job", &job);
        let instance = Self {
            role: at.get("role").map(|role| role.text()).transpose()?,
            health: HealthCheck::read(at.get("health_check_config").as_ref())?,
            lifecycle: match at.get("lifecycle") {
                None if !is_job => None,
                lifecycle => HttpLifecycle::read(lifecycle.as_ref())?,
            },
            announce: at
                .get("announce")
                .map(|announce| Announce::read(&announce))
                .transpose()?,
            task: at.required("task")?.value().clone(),
        };
        Ok(instance)
    }

    /// A task that belongs to no job, its references bound by address.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub fn of_task(
        mut task: Value,
        references: &[(String, String)],
    ) -> Result<Self, InstanceError> {
        let mut bindings = Bindings::default();
        for (address, value) in references {
            bind(&mut bindings, address, value)?;
        }
        // What stays unbound may be bound by the task's own id and ports; if not, it is named then.
        fill(&mut task, "task", &bindings, &mut BTreeSet::new())?;
        Ok(Self {
            task,
            role: None,
            health: HealthCheck::read(None)?,
            lifecycle: None,
            announce: None,
        })
    }

    /// The ports of the task by every name that it has for them: the port map of its announcement, overlaid by the ports that
    /// the scheduler assigned. Names that lead to no number are left out, with a warning.
    #[must_use]
    pub fn ports(&self, assigned: &BTreeMap<String, i32>) -> BTreeMap<String, u16> {
        let mut map: BTreeMap<&str, String> = BTreeMap::new();
        if let Some(announce) = &self.announce {
            map.extend(
                announce
                    .portmap
                    .iter()
                    .map(|(name, target)| (name.as_str(), target.clone())),
            );
        }
        map.extend(
            assigned
                .iter()
                .map(|(name, port)| (name.as_str(), port.to_string())),
        );
        let mut resolved = BTreeMap::new();
        for &name in map.keys() {
            let mut target = name;
            // A chain longer than the map goes in a circle.
            for _ in 0..map.len() {
                let Some(next) = map.get(target) else { break };
                target = next;
            }
            match target.trim().parse::<u16>() {
                Ok(port) => {
                    resolved.insert(name.to_owned(), port);
                }
                Err(_) => tracing::warn!(name, target, "the task has an unmapped port"),
            }
        }
        resolved
    }

    /// The task with everything bound, checked.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub fn task(
        &self,
        task_id: &str,
        ports: &BTreeMap<String, u16>,
        user: &str,
    ) -> Result<Task, InstanceError> {
        let mut task = self.task.clone();
        let mut bindings = Bindings::default();
        if has_templates(&task) {
            bind(&mut bindings, "thermos.task_id", task_id)?;
            bind(&mut bindings, "thermos.user", user)?;
            for (name, port) in ports {
                bind(
                    &mut bindings,
                    &format!("thermos.ports[{name}]"),
                    &port.to_string(),
                )?;
            }
        }
        let mut unbound = BTreeSet::new();
        fill(&mut task, "task", &bindings, &mut unbound)?;
        if !unbound.is_empty() {
            return Err(InstanceError::Missing {
                names: unbound.into_iter().collect(),
            });
        }
        Ok(Task::from_json(&task)?)
    }

    /// A health check's command with its templates bound: only assigned ports have names there.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub fn shell_command(
        command: &str,
        task_id: &str,
        assigned: &BTreeMap<String, i32>,
        number: i32,
    ) -> Result<String, InstanceError> {
        const PATH: &str = "health_check_config.health_checker.shell.shell_command";
        if !command.contains(OPENING) {
            return Ok(command.to_owned());
        }
        let mut bindings = Bindings::default();
        bind(&mut bindings, "thermos.task_id", task_id)?;
        bind(&mut bindings, "mesos.instance", &number.to_string())?;
        for (name, port) in assigned {
            bind(
                &mut bindings,
                &format!("thermos.ports[{name}]"),
                &port.to_string(),
            )?;
        }
        interpolate(command, &bindings)
            .map(|(text, _)| text)
            .map_err(|error| InstanceError::Template {
                path: PATH.to_owned(),
                reason: error.to_string(),
            })
    }
}

/// What a template begins with. Nothing is bound for a task without one: that keeps the machinery of references out of the
/// memory of most executors.
const OPENING: &str = "{{";

/// Whether a reference, with its braces, is one to what a task knows of itself when it starts.
fn is_bound_later(name: &str) -> bool {
    matches!(name, "{{thermos.task_id}}" | "{{thermos.user}}")
        || name.starts_with("{{thermos.ports[")
}

fn has_templates(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains(OPENING),
        Value::Array(list) => list.iter().any(has_templates),
        Value::Object(members) => members.values().any(has_templates),
    }
}

fn bind(bindings: &mut Bindings, address: &str, value: &str) -> Result<(), InstanceError> {
    bindings
        .insert(address, value)
        .map_err(|error| InstanceError::Template {
            path: address.to_owned(),
            reason: error.to_string(),
        })
}

/// Fills in the templates of every text inside `value`; what stays unbound is added to `unbound`, with braces.
fn fill(
    value: &mut Value,
    path: &str,
    bindings: &Bindings,
    unbound: &mut BTreeSet<String>,
) -> Result<(), InstanceError> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => {
            if !text.contains(OPENING) {
                return Ok(());
            }
            let (filled, left) =
                interpolate(text, bindings).map_err(|error| InstanceError::Template {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })?;
            unbound.extend(left.iter().map(ToString::to_string));
            *text = filled;
            Ok(())
        }
        Value::Array(list) => {
            for (index, element) in list.iter_mut().enumerate() {
                fill(element, &format!("{path}[{index}]"), bindings, unbound)?;
            }
            Ok(())
        }
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                fill(member, &format!("{path}.{key}"), bindings, unbound)?;
            }
            Ok(())
        }
    }
}

impl HealthCheck {
    fn read(given: Option<&Place<'_>>) -> Result<Self, InstanceError> {
        let empty = Value::Null;
        let nothing = Place::new("health_check_config", &empty);
        let at = given.unwrap_or(&nothing);
        let checkers = at.get("health_checker");
        let shell = checkers.as_ref().and_then(|checkers| checkers.get("shell"));
        let http = checkers.as_ref().and_then(|checkers| checkers.get("http"));
        let checker = match shell {
            Some(shell) => Checker::Shell {
                command: shell.required("shell_command")?.text()?,
            },
            None => {
                let http = http.unwrap_or(nothing.clone());
                Checker::Http {
                    endpoint: http.text_or("endpoint", "/health")?,
                    expected_response: http.text_or("expected_response", "ok")?,
                    expected_response_code: http.integer_or("expected_response_code", 0)?,
                }
            }
        };
        let count = |key, default| -> Result<u32, SchemaError> {
            Ok(u32::try_from(at.integer_or(key, default)?.max(0)).unwrap_or(u32::MAX))
        };
        let check = Self {
            checker,
            initial_interval_secs: at.number_or("initial_interval_secs", 15.0)?.max(0.0),
            interval_secs: at.number_or("interval_secs", 10.0)?,
            max_consecutive_failures: count("max_consecutive_failures", 0)?,
            min_consecutive_successes: count("min_consecutive_successes", 1)?,
            timeout_secs: at.number_or("timeout_secs", 1.0)?.max(0.0),
        };
        Ok(check)
    }
}

impl HttpLifecycle {
    fn read(given: Option<&Place<'_>>) -> Result<Option<Self>, InstanceError> {
        let empty = Value::Null;
        let nothing = Place::new("lifecycle.http", &empty);
        let http = match given {
            // A job that does not say has the default, which is this with its defaults.
            None => nothing,
            Some(lifecycle) => match lifecycle.get("http") {
                Some(http) => http,
                None => return Ok(None),
            },
        };
        Ok(Some(Self {
            port: http.text_or("port", "health")?,
            escalation: [
                (
                    http.text_or("graceful_shutdown_endpoint", "/quitquitquit")?,
                    http.seconds_or("graceful_shutdown_wait_secs", 5)?,
                ),
                (
                    http.text_or("shutdown_endpoint", "/abortabortabort")?,
                    http.seconds_or("shutdown_wait_secs", 5)?,
                ),
            ],
        }))
    }
}

impl Announce {
    fn read(at: &Place<'_>) -> Result<Self, SchemaError> {
        let primary_port = at.text_or("primary_port", "http")?;
        let portmap = match at.get("portmap") {
            None => BTreeMap::from([("aurora".to_owned(), primary_port.clone())]),
            Some(map) => {
                let members = map
                    .value()
                    .as_object()
                    .ok_or_else(|| map.wrong("a map of ports"))?;
                members
                    .keys()
                    .map(|name| Ok((name.clone(), map.required(name)?.text()?)))
                    .collect::<Result<_, SchemaError>>()?
            }
        };
        Ok(Self {
            primary_port,
            portmap,
            zk_path: at.get("zk_path").map(|path| path.text()).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests;

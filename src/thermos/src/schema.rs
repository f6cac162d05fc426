//! The task schema, as far as a machine has to know it
//! (aurora: `src/main/python/apache/thermos/config/schema_base.py`, `.../aurora/config/schema/base.py`).
//!
//! Read from JSON in which every template is already bound. Unknown keys are ignored: data from a newer client has to work
//! in an older executor. Numbers and booleans may be texts, as templates leave them.

use serde_json::{Map, Value, json};

use crate::place::Place;

/// What is wrong with a task.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    /// A value is missing.
    #[error("{path} is required")]
    Required {
        /// Where, for example `task.processes[0].name`.
        path: String,
    },
    /// A value is of the wrong kind.
    #[error("{path} should be {wanted}, found {found}")]
    Kind {
        /// Where.
        path: String,
        /// What belongs there.
        wanted: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// A process name that could not name a folder.
    #[error(
        "invalid process name {name:?}: it must not be empty, start with a dot, or hold a slash"
    )]
    ProcessName {
        /// The name.
        name: String,
    },
    /// Two processes of one name.
    #[error("process {name} is defined twice")]
    DuplicateProcess {
        /// The name.
        name: String,
    },
    /// The constraints make no schedule.
    #[error("Task has invalid plan: {0}")]
    Plan(#[from] crate::plan::PlanError),
}

/// Where the output of a process goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// Files in the log folder.
    File,
    /// The executor's own output.
    Console,
    /// Both of them.
    Both,
    /// Nowhere.
    None,
}

/// How log files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogMode {
    /// One file, appended to by the process itself.
    Standard,
    /// Files of a limited size.
    Rotate,
}

/// When to start a new log file, and how many old ones to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RotatePolicy {
    /// Bytes.
    pub log_size: i64,
    /// Old files kept.
    pub backups: i64,
}

impl Default for RotatePolicy {
    fn default() -> Self {
        Self {
            log_size: 100 << 20,
            backups: 5,
        }
    }
}

/// The logging of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logger {
    /// Where output goes.
    pub destination: Destination,
    /// How files are kept.
    pub mode: LogMode,
    /// Limits in rotate mode; [`RotatePolicy::default`] when absent.
    pub rotate: Option<RotatePolicy>,
}

/// One process of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name, unique in the task.
    pub name: String,
    /// What `/bin/bash -c` runs.
    pub cmdline: String,
    /// Failed runs before the process is failed; 0 is unlimited.
    pub max_failures: i64,
    /// Run again after success.
    pub daemon: bool,
    /// Of no account for the completion of the task.
    pub ephemeral: bool,
    /// Seconds between the end of a run and the start of the next.
    pub min_duration: u64,
    /// Part of the finalizing plan.
    pub is_final: bool,
    /// Own logging; the executor's defaults when absent.
    pub logger: Option<Logger>,
}

/// What a task reserves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resources {
    /// Cores.
    pub cpu: f64,
    /// Bytes.
    pub ram: i64,
    /// Bytes.
    pub disk: i64,
    /// Devices.
    pub gpu: i64,
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Its processes, in the order of the configuration.
    pub processes: Vec<Process>,
    /// Orders of processes, by name.
    pub constraints: Vec<Vec<String>>,
    /// What it reserves; upstream's command line tool allows none.
    pub resources: Option<Resources>,
    /// Failed processes that fail the task; 0 is unlimited.
    pub max_failures: i64,
    /// Processes that run at once; 0 is unlimited.
    pub max_concurrency: i64,
    /// Seconds for the end of the task.
    pub finalization_wait: u64,
}

impl Task {
    /// Reads a task and checks it: names, types, both plans.
    ///
    /// # Errors
    /// [`SchemaError`], naming the place.
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let at = Place::new("task", value);
        let mut processes = Vec::new();
        for process in at.required("processes")?.list()? {
            processes.push(Process::read(&process)?);
        }
        if processes.is_empty() {
            return Err(SchemaError::Required {
                path: "task.processes".to_owned(),
            });
        }
        for (index, process) in processes.iter().enumerate() {
            if processes[..index]
                .iter()
                .any(|other| other.name == process.name)
            {
                return Err(SchemaError::DuplicateProcess {
                    name: process.name.clone(),
                });
            }
        }
        let mut constraints = Vec::new();
        if let Some(list) = at.get("constraints") {
            for constraint in list.list()? {
                let Some(order) = constraint.get("order") else {
                    continue;
                };
                constraints.push(
                    order
                        .list()?
                        .iter()
                        .map(Place::text)
                        .collect::<Result<_, _>>()?,
                );
            }
        }
        let task = Self {
            name: match at.get("name") {
                Some(name) => name.text()?,
                None => processes[0].name.clone(),
            },
            constraints,
            resources: at
                .get("resources")
                .map(|resources| Resources::read(&resources))
                .transpose()?,
            max_failures: at.integer_or("max_failures", 1)?,
            max_concurrency: at.integer_or("max_concurrency", 0)?,
            finalization_wait: at.seconds_or("finalization_wait", 30)?,
            processes,
        };
        task.plan(Kind::Ordinary, 1)?;
        task.plan(Kind::Final, 1)?;
        Ok(task)
    }

    /// The plan of the ordinary or the final processes.
    ///
    /// # Errors
    /// [`crate::plan::PlanError`]; not after [`Task::from_json`] has accepted the task.
    pub fn plan(
        &self,
        kind: Kind,
        run_limit: u32,
    ) -> Result<crate::plan::Plan, crate::plan::PlanError> {
        let members: Vec<&Process> = self
            .processes
            .iter()
            .filter(|process| process.is_final == (kind == Kind::Final))
            .collect();
        crate::plan::Plan::new(&members, &self.constraints, run_limit)
    }

    /// The process of that name.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// The task as upstream writes it into its task file: defaults included, what is not set left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut task = Map::new();
        task.insert(
            "processes".to_owned(),
            self.processes.iter().map(Process::to_json).collect(),
        );
        task.insert("name".to_owned(), json!(self.name));
        task.insert(
            "finalization_wait".to_owned(),
            json!(self.finalization_wait),
        );
        task.insert("max_failures".to_owned(), json!(self.max_failures));
        task.insert("max_concurrency".to_owned(), json!(self.max_concurrency));
        if let Some(resources) = self.resources {
            task.insert(
                "resources".to_owned(),
                json!({"gpu": resources.gpu, "disk": resources.disk, "ram": resources.ram, "cpu": resources.cpu}),
            );
        }
        task.insert(
            "constraints".to_owned(),
            self.constraints
                .iter()
                .map(|order| json!({ "order": order }))
                .collect(),
        );
        Value::Object(task)
    }
}

/// The two plans of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Processes that do the work.
    Ordinary,
    /// Processes marked `final`, run at the end.
    Final,
}

impl Process {
    fn read(at: &Place<'_>) -> Result<Self, SchemaError> {
        let name = at.required("name")?.text()?;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(SchemaError::ProcessName { name });
        }
        let command = at.required("cmdline")?;
        let cmdline = command.text()?;
        if cmdline.contains('\0') {
            return Err(command.wrong("a command without NUL bytes"));
        }
        Ok(Self {
            name,
            cmdline,
            max_failures: at.integer_or("max_failures", 1)?,
            daemon: at.boolean_or("daemon", false)?,
            ephemeral: at.boolean_or("ephemeral", false)?,
            min_duration: at.seconds_or("min_duration", 5)?,
            is_final: at.boolean_or("final", false)?,
            logger: at
                .get("logger")
                .map(|logger| Logger::read(&logger))
                .transpose()?,
        })
    }

    fn to_json(&self) -> Value {
        let mut process = Map::new();
        process.insert("daemon".to_owned(), json!(self.daemon));
        process.insert("name".to_owned(), json!(self.name));
        process.insert("ephemeral".to_owned(), json!(self.ephemeral));
        process.insert("max_failures".to_owned(), json!(self.max_failures));
        process.insert("min_duration".to_owned(), json!(self.min_duration));
        process.insert("cmdline".to_owned(), json!(self.cmdline));
        process.insert("final".to_owned(), json!(self.is_final));
        if let Some(logger) = &self.logger {
            let mut log = Map::new();
            log.insert("destination".to_owned(), json!(logger.destination));
            log.insert("mode".to_owned(), json!(logger.mode));
            if let Some(rotate) = &logger.rotate {
                log.insert("rotate".to_owned(), json!(rotate));
            }
            process.insert("logger".to_owned(), Value::Object(log));
        }
        Value::Object(process)
    }
}

impl Logger {
    fn read(at: &Place<'_>) -> Result<Self, SchemaError> {
        let destination = match at.get("destination") {
            None => Destination::File,
            Some(given) => parse_destination(&given.text()?)
                .ok_or_else(|| given.wrong("file, console, both or none"))?,
        };
        let mode = match at.get("mode") {
            None => LogMode::Standard,
            Some(given) => {
                parse_mode(&given.text()?).ok_or_else(|| given.wrong("standard or rotate"))?
            }
        };
        let default = RotatePolicy::default();
        let rotate = match at.get("rotate") {
            None => None,
            Some(rotate) => {
                let policy = RotatePolicy {
                    log_size: rotate.integer_or("log_size", default.log_size)?,
                    backups: rotate.integer_or("backups", default.backups)?,
                };
                if policy.log_size <= 0 || policy.backups <= 0 {
                    return Err(rotate.wrong("a log_size and a number of backups above zero"));
                }
                Some(policy)
            }
        };
        Ok(Self {
            destination,
            mode,
            rotate,
        })
    }
}

/// The destination of that name.
#[must_use]
pub fn parse_destination(text: &str) -> Option<Destination> {
    match text {
        "file" => Some(Destination::File),
        "console" => Some(Destination::Console),
        "both" => Some(Destination::Both),
        "none" => Some(Destination::None),
        _ => None,
    }
}

/// The log mode of that name.
#[must_use]
pub fn parse_mode(text: &str) -> Option<LogMode> {
    match text {
        "standard" => Some(LogMode::Standard),
        "rotate" => Some(LogMode::Rotate),
        _ => None,
    }
}

impl Resources {
    fn read(at: &Place<'_>) -> Result<Self, SchemaError> {
        Ok(Self {
            cpu: at.number_or("cpu", 0.0)?,
            ram: at.integer_or("ram", 0)?,
            disk: at.integer_or("disk", 0)?,
            gpu: at.integer_or("gpu", 0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(value: &Value) -> Result<Task, SchemaError> {
        Task::from_json(value)
    }

    #[test]
    fn defaults_and_unknown_keys() {
        let parsed =
            task(&json!({"processes": [{"name": "p", "cmdline": "true", "new_key": {"a": 1}}], "other": []})).unwrap();
        assert_eq!(
            parsed,
            Task {
                name: "p".into(),
                processes: vec![Process {
                    name: "p".into(),
                    cmdline: "true".into(),
                    max_failures: 1,
                    daemon: false,
                    ephemeral: false,
                    min_duration: 5,
                    is_final: false,
                    logger: None,
                }],
                constraints: vec![],
                resources: None,
                max_failures: 1,
                max_concurrency: 0,
                finalization_wait: 30,
            }
        );
    }

    #[test]
    fn texts_stand_for_numbers_and_booleans() {
        let parsed = task(&json!({
            "processes": [{"name": "p", "cmdline": "true", "max_failures": "3", "daemon": "True", "min_duration": 2.9}],
            "max_failures": "0",
        }))
        .unwrap();
        let process = &parsed.processes[0];
        assert_eq!(
            (process.max_failures, process.daemon, process.min_duration),
            (3, true, 2)
        );
        assert_eq!(parsed.max_failures, 0);
    }

    #[test]
    fn what_is_refused() {
        let process = |name: &str| json!({"name": name, "cmdline": "true"});
        for (value, expected) in [
            (json!({}), "task.processes is required"),
            (json!({"processes": []}), "task.processes is required"),
            (
                json!({"processes": [{"name": "p"}]}),
                "task.processes[0].cmdline is required",
            ),
            (
                json!({"processes": [process(".p")]}),
                "invalid process name \".p\"",
            ),
            (
                json!({"processes": [process("a/b")]}),
                "invalid process name \"a/b\"",
            ),
            (
                json!({"processes": [process("")]}),
                "invalid process name \"\"",
            ),
            (
                json!({"processes": [process("p"), process("p")]}),
                "process p is defined twice",
            ),
            (
                json!({"processes": [{"name": "p", "cmdline": "x", "daemon": "no"}]}),
                "task.processes[0].daemon should be true or false, found \"no\"",
            ),
            (
                json!({"processes": [process("a"), process("b")], "constraints": [{"order": ["a", "b"]}, {"order": ["b", "a"]}]}),
                "Task has invalid plan: Cycles detected in the task schedule!",
            ),
            (
                json!({"processes": [process("a"), {"name": "f", "cmdline": "x", "final": true}], "constraints": [{"order": ["a", "f"]}]}),
                "Task has invalid plan: Invalid process dependencies!",
            ),
            (
                json!({"processes": [{"name": "p", "cmdline": "x", "logger": {"mode": "rotate", "rotate": {"log_size": 0}}}]}),
                "above zero",
            ),
        ] {
            let message = task(&value).unwrap_err().to_string();
            assert!(message.contains(expected), "{value}: {message}");
        }
    }

    #[test]
    fn json_round_trip() {
        let text = json!({
            "name": "n", "max_failures": 2, "max_concurrency": 1, "finalization_wait": 10,
            "resources": {"cpu": 0.5, "ram": 1, "disk": 2},
            "constraints": [{"order": ["a", "b"]}],
            "processes": [
                {"name": "a", "cmdline": "x", "logger": {"destination": "both", "mode": "rotate", "rotate": {"log_size": 5, "backups": 2}}},
                {"name": "b", "cmdline": "y", "ephemeral": true, "max_failures": 0},
            ],
        });
        let parsed = task(&text).unwrap();
        assert_eq!(task(&parsed.to_json()).unwrap(), parsed);
    }
}

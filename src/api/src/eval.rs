//! What `aurora-eval` is asked and what it answers: one JSON object each way.
//!
//! The program evaluates a job file in a process of its own, so that Python is in no client; whoever runs it writes an
//! [`EvalRequest`] to its standard input and reads an [`EvalAnswer`] from its standard output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalRequest {
    /// The file; relative paths are relative to the child's working directory.
    pub path: String,
    /// The file's text, when it does not come from `path` (standard input, say); `path` is then only its name.
    #[serde(default)]
    pub source: Option<String>,
    /// `--bind name=value`, in order.
    #[serde(default)]
    pub bindings: Vec<(String, String)>,
    /// Whether the file is JSON (`--read-json`).
    #[serde(default)]
    pub read_json: bool,
    /// The job to load; absent: only list the jobs.
    #[serde(default)]
    pub select: Option<JobSelector>,
    /// Whether to load every job, not one: whatever is wrong with any of them is in the answer's errors, and no job is.
    #[serde(default)]
    pub check: bool,
    /// The scheduler's tiers, for filling `tier` and `production`; absent: they stay as the file has them.
    #[serde(default)]
    pub tiers: Option<Tiers>,
    /// Whether the file is one of the `thermos` command: `export(task)` is there, and what it is given is in the answer's
    /// tasks.
    #[serde(default)]
    pub thermos: bool,
    /// Whether `/` between integers floors, as it did in Python 2; otherwise a division with a remainder is a warning.
    #[serde(default)]
    pub python2_division: bool,
    /// Login name of the caller: the job's owner.
    #[serde(default)]
    pub user: String,
    /// Limits; zero or absent means the default.
    #[serde(default)]
    pub limits: Limits,
}

/// Which job of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobSelector {
    /// Cluster.
    pub cluster: String,
    /// Role.
    pub role: String,
    /// Environment.
    pub environment: String,
    /// Name.
    pub name: String,
}

/// The scheduler's tiers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tiers {
    /// Name of the default tier.
    pub default: String,
    /// Settings by tier, in the scheduler's order.
    pub tiers: Vec<Tier>,
}

/// One tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// Name.
    pub name: String,
    /// `preemptible` and `revocable` as the texts `true` or `false`.
    pub settings: BTreeMap<String, String>,
}

/// What an evaluation may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time in seconds; default 30.
    #[serde(default)]
    pub cpu_secs: u64,
    /// Address space in MiB; default 2048.
    #[serde(default)]
    pub memory_mb: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalAnswer {
    /// Every job of the file, in its order.
    #[serde(default)]
    pub jobs: Vec<ListedJob>,
    /// The selected job.
    #[serde(default)]
    pub job: Option<LoadedJob>,
    /// Things to tell the user; the evaluation went on.
    #[serde(default)]
    pub warnings: Vec<Diagnostic>,
    /// Why there is no job, when there is none.
    #[serde(default)]
    pub errors: Vec<Diagnostic>,
    /// The tasks that a file of the `thermos` command exports, as JSON with their defaults.
    #[serde(default)]
    pub tasks: Vec<serde_json::Value>,
    /// Addresses of references in the selected job that neither the file, nor the request, nor the executor binds, such as
    /// `docker.image[library/python][3]`: whoever can bind them asks again with further bindings.
    #[serde(default)]
    pub unbound: Vec<String>,
    /// What the file printed. Filled by whoever runs the program, from its standard error.
    #[serde(default)]
    pub printed: String,
}

/// A job of the file by its key; parts that are not set are texts as upstream shows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListedJob {
    /// `cluster/role/environment/name`.
    pub key: String,
}

/// A job ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadedJob {
    /// The cluster that the job names.
    pub cluster: String,
    /// JobConfiguration in TBinary, base64.
    pub configuration: String,
    /// JobUpdateSettings in TBinary, base64; absent when the settings are bad (then `update_error` says why).
    #[serde(default)]
    pub update_settings: Option<String>,
    /// What is wrong with the update settings.
    #[serde(default)]
    pub update_error: Option<Diagnostic>,
    /// The Job as JSON with its defaults (`inspect --write-json`).
    pub job: serde_json::Value,
    /// Whether `enable_hooks` is set.
    #[serde(default)]
    pub enable_hooks: bool,
}

/// Something to tell the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What kind of fault.
    pub kind: DiagnosticKind,
    /// What is wrong, in one line or several.
    pub message: String,
    /// The file, as named in the request or reached by `include`.
    #[serde(default)]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default)]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default)]
    pub column: Option<u32>,
    /// The field at fault, such as `jobs[2].task.processes[0].cmdline`.
    #[serde(default)]
    pub field: Option<String>,
    /// What stands there.
    #[serde(default)]
    pub found: Option<String>,
    /// What may stand there.
    #[serde(default)]
    pub allowed: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
}

/// Kinds of faults; the client turns them into exit codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiagnosticKind {
    /// The file cannot be read.
    NotFound,
    /// The file's Python is wrong or raised.
    #[default]
    Evaluation,
    /// No job of the file matches, or several do.
    Selection,
    /// A job is not valid.
    Invalid,
    /// Fatal in upstream's validators (exit code 1 there).
    Fatal,
    /// A limit on time, memory or depth was met.
    Limit,
    /// Works, but should be changed.
    Warning,
}

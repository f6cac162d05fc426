//! What was done from this workbench: one line of JSON for each step, in a file that only grows.

use serde::{Deserialize, Serialize};

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970 by this machine's clock.
    pub time_ms: i64,
    /// The change that it belongs to; unique together with `process`.
    pub change: u64,
    /// Process id of the workbench.
    pub process: u32,
    /// Who.
    pub who: String,
    /// Cluster.
    pub cluster: String,
    /// `kill` or `restart`.
    pub action: String,
    /// The job.
    pub job: String,
    /// Instances in brief: `0-2,5`.
    pub instances: String,
    /// Why, as the user said.
    pub reason: String,
    /// `sent`, `confirmed`, `refused`, `no effect`, `not yet`, `unknown`.
    pub outcome: String,
    /// What the cluster answered, or what is missing.
    pub detail: String,
    /// The same as a command line.
    pub cli: String,
}

//! What our observer tells beyond upstream's routes.

use serde::{Deserialize, Serialize};

/// `GET /ext/v1/history/TASK`: what the task used, a sample an interval, for at most an hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskHistory {
    /// Seconds between two samples.
    pub interval_secs: u64,
    /// Oldest first. Empty for a task that has ended, or that has not been sampled yet.
    pub samples: Vec<TaskSample>,
}

/// What a task used at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSample {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Cores, over the time since the sample before.
    pub cpu: f64,
    /// Resident bytes.
    pub ram: u64,
    /// Bytes of the sandbox, as of its last measurement.
    pub disk: u64,
}

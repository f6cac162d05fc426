//! What a drain of hosts would do: request and answer of `POST /ext/v1/drain-plan`. Asking changes nothing.

use serde::{Deserialize, Serialize};

use crate::job_key::JobPath;
use crate::model::MaintenanceMode;

/// So many hosts may be asked about at once.
pub const MAX_HOSTS: usize = 1_000;

/// What is to be drained, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainPlanRequest {
    /// Host names, [`MAX_HOSTS`] at the most.
    pub hosts: Vec<String>,
    /// The promise that is kept to jobs without a policy of their own; absent: none, as `drainHosts` does.
    #[serde(default)]
    pub default_policy: Option<DefaultPolicy>,
    /// Seconds after which what is left is forced.
    #[serde(default)]
    pub timeout_secs: i64,
}

/// A policy for jobs that have none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultPolicy {
    /// Hundredths of the active instances that have to be running.
    Percentage {
        /// From 0 to 100.
        percentage: f64,
        /// For how long they have to be running, seconds.
        duration_secs: i64,
    },
    /// How many instances have to be running.
    Count {
        /// How many.
        count: i64,
        /// For how long they have to be running, seconds.
        duration_secs: i64,
    },
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrainPlan {
    /// The scheduler's clock when it was asked, milliseconds since 1970.
    pub time_ms: i64,
    /// The hosts, in the order in which to drain them: those that nothing holds up first, then those with fewer tasks.
    pub hosts: Vec<PlannedHost>,
    /// The jobs that lose instances, by key.
    pub jobs: Vec<PlannedJob>,
    /// About how long it takes, seconds: the longest of the jobs. Absent where only a coordinator knows.
    pub estimate_secs: Option<i64>,
}

/// A host of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedHost {
    /// Its name.
    pub host: String,
    /// Its mode now; absent for a host that never offered, which the drain passes over.
    pub mode: Option<MaintenanceMode>,
    /// Tasks on it that have not ended.
    pub tasks: u32,
    /// The jobs on it that hold the drain up.
    pub held_up_by: Vec<JobPath>,
}

/// A job of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// Its key.
    pub job: JobPath,
    /// Whether it is production.
    pub production: bool,
    /// Its instances on the hosts.
    pub lost: Vec<i32>,
    /// Its active instances.
    pub active: u32,
    /// The policy that holds for it.
    pub policy: PlannedPolicy,
    /// Instances that have been running for as long as the policy demands, now.
    pub running_before: u32,
    /// The same if all were lost at once.
    pub running_after: u32,
    /// How many have to be running; absent where no policy by count or percentage holds.
    pub running_needed: Option<u32>,
    /// How many may be taken down at once, now.
    pub at_once: u32,
    /// How many of the replacements find room elsewhere, now.
    pub fits: u32,
    /// Why the others find none, each reason in words; empty where all find room. It holds nothing up by itself: what a
    /// policy lets go goes, and its replacement waits.
    #[serde(default)]
    pub no_room: Vec<String>,
    /// What holds the drain up, in words.
    pub blockers: Vec<String>,
    /// About how long it takes, seconds; absent where only a coordinator knows.
    pub estimate_secs: Option<i64>,
}

/// Which policy holds for a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedPolicy {
    /// None: its instances go at once. The reason in words.
    None(String),
    /// Its own, in words.
    Own(String),
    /// The request's, in words.
    Default(String),
}

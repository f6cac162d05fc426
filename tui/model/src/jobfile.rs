//! What a job file asks for, as the cluster would take it.

use std::collections::BTreeSet;

use aurora_api::job_key::JobPath;
use serde::{Deserialize, Serialize};

use crate::told::{Amounts, Strategy};

/// What a job of a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Purpose {
    /// A job that is not there yet.
    Create,
    /// An update of a job.
    Update,
    /// A cron job's schedule and what it runs.
    Schedule,
}

/// A job of a job file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileJob {
    /// The file on this machine, as typed.
    pub path: String,
    /// The job.
    pub job: JobPath,
    /// The instances that are updated; none: all of them.
    pub only: Option<BTreeSet<i32>>,
    /// What it is read for.
    pub purpose: Purpose,
}

/// What becomes of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fate {
    /// They are new.
    Added,
    /// They get another configuration.
    Changed,
    /// They go.
    Removed,
    /// They stay as they are.
    Kept,
}

/// Instances of one fate that have one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What becomes of them.
    pub fate: Fate,
    /// They in brief: `0-2,5`.
    pub instances: String,
    /// How many they are.
    pub count: usize,
    /// How their configuration changes: lines that begin with `+`, `-` or a blank.
    pub lines: Vec<String>,
}

/// What of a role's quota the job takes before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// As it is.
    pub before: Amounts,
    /// As the file asks for.
    pub after: Amounts,
}

/// A job of a file beside what the cluster has of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FromFile {
    /// What is sent: a JobConfiguration in TBinary, base64.
    pub configuration: String,
    /// For an update: its JobUpdateSettings in TBinary, base64.
    pub settings: Option<String>,
    /// When it runs, for a cron job.
    pub schedule: Option<String>,
    /// How many instances the file asks for.
    pub instances: u32,
    /// For an update: how it groups its instances.
    pub strategy: Option<Strategy>,
    /// For an update: its limits, in words.
    pub limits: Vec<String>,
    /// For an update: for how long an instance runs until it is taken for good, in milliseconds.
    pub wait_ms: i64,
    /// What the evaluation warned of.
    pub warnings: Vec<String>,
    /// What becomes of the job's instances.
    pub groups: Vec<Group>,
    /// What it takes of the role's quota.
    pub charge: Charge,
}

impl FromFile {
    /// Whether the cluster has all of it already.
    pub fn is_there(&self) -> bool {
        self.groups.iter().all(|group| group.fate == Fate::Kept)
    }

    /// How many instances become something else.
    pub fn touched(&self) -> usize {
        let groups = self.groups.iter();
        let touched = groups.filter(|group| group.fate != Fate::Kept);
        touched.map(|group| group.count).sum()
    }
}

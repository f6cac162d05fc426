//! Changing the cluster: resolve → plan → confirm → send → verify → journal.

use aurora_api::instances;
use aurora_api::job_key::JobPath;
use serde::{Deserialize, Serialize};

use crate::store::Store;

/// How long a change may take until it is reported as not (yet) verified, in milliseconds.
pub const VERIFY_MS: i64 = 60_000;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Instances end for good.
    Kill,
    /// Instances end and are started again.
    Restart,
}

impl Action {
    /// Its command.
    pub fn name(self) -> &'static str {
        match self {
            Action::Kill => "kill",
            Action::Restart => "restart",
        }
    }
}

/// One instance and the task that it had when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The instance.
    pub instance: i32,
    /// Its task.
    pub task: String,
}

/// What has to be typed for a yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The key `y`.
    Yes,
    /// This text and enter.
    Type(String),
}

/// A change, before anybody said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub action: Action,
    /// Cluster.
    pub cluster: String,
    /// Job.
    pub job: JobPath,
    /// On what: frozen when the question is asked.
    pub targets: Vec<Target>,
    /// How many active instances the job has.
    pub active: usize,
    /// Why, as the user said.
    pub reason: String,
}

impl Plan {
    /// Resolves instances (all active ones, when none are named) to a list.
    pub fn resolve(
        store: &Store,
        cluster: &str,
        action: Action,
        job: &JobPath,
        instances: Option<&[i32]>,
        reason: &str,
    ) -> Result<Plan, String> {
        let known = store.instances(job);
        let active: Vec<Target> = known
            .values()
            .filter(|task| task.status.is_active())
            .map(|task| Target {
                instance: task.instance,
                task: task.task_id.clone(),
            })
            .collect();
        let targets = match instances {
            None => active.clone(),
            Some(wanted) => {
                let missing: Vec<i32> = wanted
                    .iter()
                    .copied()
                    .filter(|instance| !active.iter().any(|target| target.instance == *instance))
                    .collect();
                if !missing.is_empty() {
                    return Err(format!(
                        "cannot {} {job}/{}: not active; only active instances can be changed",
                        action.name(),
                        instances::text(missing)
                    ));
                }
                active
                    .iter()
                    .filter(|target| wanted.contains(&target.instance))
                    .cloned()
                    .collect()
            }
        };
        if targets.is_empty() {
            return Err(format!(
                "cannot {} {job}: it has no active instance",
                action.name()
            ));
        }
        Ok(Plan {
            action,
            cluster: cluster.to_owned(),
            job: job.clone(),
            targets,
            active: active.len(),
            reason: reason.to_owned(),
        })
    }

    /// Instances in brief.
    pub fn instances(&self) -> String {
        instances::text(self.targets.iter().map(|target| target.instance))
    }

    /// Whether the job is a production one.
    pub fn is_production(&self) -> bool {
        self.job.0.environment == "prod"
    }

    /// What a yes takes: one instance outside of production a key, anything else a text.
    pub fn guard(&self) -> Guard {
        if self.is_production() {
            Guard::Type(self.job.0.name.clone())
        } else if self.targets.len() == 1 {
            Guard::Yes
        } else {
            Guard::Type(self.targets.len().to_string())
        }
    }

    /// What will happen, in sentences.
    pub fn consequence(&self) -> Vec<String> {
        let (count, active) = (self.targets.len(), self.active);
        let rest = active - count;
        match self.action {
            Action::Kill if rest == 0 => vec![
                match active {
                    1 => {
                        "The only active instance ends, and the scheduler does not start it again."
                            .to_owned()
                    }
                    _ => format!(
                        "All {active} active instances end, and the scheduler does not start them again."
                    ),
                },
                "The job is gone from the cluster until it is created anew.".to_owned(),
            ],
            Action::Kill => vec![
                format!(
                    "{count} of {active} active instances end, and the scheduler does not start them again."
                ),
                match rest {
                    1 => "One stays; `aurora job add` brings the number back.".to_owned(),
                    rest => format!("{rest} stay; `aurora job add` brings the number back."),
                },
            ],
            Action::Restart => vec![
                format!(
                    "{count} of {active} active instances end and start again with the same configuration, at once."
                ),
                format!("Until the new ones run, {rest} of {active} serve."),
            ],
        }
    }

    /// The same as a command line for another terminal.
    pub fn cli(&self) -> String {
        let key = format!("{}/{}", self.cluster, self.job);
        match self.action {
            Action::Kill if self.targets.len() == self.active => {
                format!("aurora job killall {key}")
            }
            Action::Kill => format!("aurora job kill {key}/{}", self.instances()),
            Action::Restart if self.targets.len() == self.active => {
                format!("aurora job restart {key}")
            }
            Action::Restart => format!("aurora job restart {key}/{}", self.instances()),
        }
    }

    /// What has changed underneath since the plan was made, if anything.
    pub fn drift(&self, store: &Store) -> Option<String> {
        let known = store.instances(&self.job);
        let changed: Vec<i32> = self
            .targets
            .iter()
            .filter(|target| {
                !known
                    .get(&target.instance)
                    .is_some_and(|task| task.task_id == target.task && task.status.is_active())
            })
            .map(|target| target.instance)
            .collect();
        (!changed.is_empty()).then(|| {
            format!(
                "instances {} are not what they were when this was asked",
                instances::text(changed)
            )
        })
    }
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// On its way.
    Sent,
    /// The scheduler took it; what follows is read from the cluster.
    Accepted,
    /// Read back and seen.
    Confirmed,
    /// Accepted, but after [`VERIFY_MS`] not everything has happened.
    NotYet(String),
    /// The scheduler said no.
    Refused(String),
    /// The scheduler said yes and had nothing to do.
    NoEffect(String),
    /// No answer came: it may have happened or not.
    Unknown(String),
}

impl Progress {
    /// The word for it, as in the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Progress::Sent => "sent",
            Progress::Accepted => "accepted",
            Progress::Confirmed => "confirmed",
            Progress::NotYet(_) => "not yet",
            Progress::Refused(_) => "refused",
            Progress::NoEffect(_) => "no effect",
            Progress::Unknown(_) => "unknown",
        }
    }

    /// What else there is to say.
    pub fn detail(&self) -> &str {
        match self {
            Progress::Sent | Progress::Accepted | Progress::Confirmed => "",
            Progress::NotYet(text)
            | Progress::Refused(text)
            | Progress::NoEffect(text)
            | Progress::Unknown(text) => text,
        }
    }

    /// Whether nothing more is awaited.
    pub fn is_over(&self) -> bool {
        !matches!(self, Progress::Sent | Progress::Accepted)
    }
}

/// A change that somebody said yes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number in this workbench.
    pub id: u64,
    /// What was asked.
    pub plan: Plan,
    /// How far it is.
    pub progress: Progress,
    /// When it was sent, by our clock.
    pub sent_ms: i64,
}

impl Change {
    /// Reads back from what the feed tells: which instances are not there yet.
    pub fn missing(&self, store: &Store) -> Vec<i32> {
        self.plan
            .targets
            .iter()
            .filter(|target| {
                let ended = store
                    .tasks
                    .get(&target.task)
                    .is_none_or(|task| task.status.is_terminal());
                let done = match self.plan.action {
                    Action::Kill => ended,
                    Action::Restart => {
                        ended
                            && store
                                .current(&self.plan.job, target.instance)
                                .is_some_and(|task| {
                                    task.task_id != target.task
                                        && task.status == aurora_api::model::ScheduleStatus::Running
                                })
                    }
                };
                !done
            })
            .map(|target| target.instance)
            .collect()
    }

    /// One sentence on it.
    pub fn describe(&self) -> String {
        let what = format!(
            "{} {}/{}",
            self.plan.action.name(),
            self.plan.job,
            self.plan.instances()
        );
        match self.progress.detail() {
            "" => format!("{what}: {}", self.progress.word()),
            detail => format!("{what}: {}: {detail}", self.progress.word()),
        }
    }
}

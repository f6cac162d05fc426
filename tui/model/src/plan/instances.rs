//! Killing and restarting instances of a job.

use aurora_api::instances;
use aurora_api::job_key::JobPath;
use aurora_api::model::ScheduleStatus;

use super::{Planned, Wish};
use crate::actions::Action;
use crate::store::{Store, instances_topic};

/// One instance and the task that it had when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The instance.
    pub instance: i32,
    /// Its task.
    pub task: String,
}

/// Instances of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// The job.
    pub job: JobPath,
    /// They.
    pub targets: Vec<Target>,
    /// How many active instances the job has; none: that is not known here.
    pub active: Option<usize>,
}

impl Instances {
    /// The active ones among those that are wanted; none wanted: all of them.
    pub(super) fn resolve(
        store: &Store,
        action: Action,
        job: &JobPath,
        wanted: Option<&[i32]>,
    ) -> Result<Instances, String> {
        let name = action.name();
        let has_all = store.has_all(job);
        match (store.counted(job), wanted) {
            (Some(tasks), None) => {
                return Err(format!(
                    "cannot {name} all of {job}: it has {tasks} tasks, which are not all held here; name or mark instances, or use `aurora job {}`",
                    match action {
                        Action::Restart => "restart",
                        _ => "killall",
                    }
                ));
            }
            (Some(_), Some(wanted)) if instances_topic(job, wanted).is_none() => {
                return Err(format!(
                    "cannot {name} {job}: {} instances are named, more than are followed at a time; do it in parts",
                    wanted.len()
                ));
            }
            _ => {}
        }
        let known = store.instances(job);
        let mut targets: Vec<Target> = known
            .values()
            .filter(|task| task.status.is_active())
            .map(|task| Target {
                instance: task.instance,
                task: task.task_id.clone(),
            })
            .collect();
        let active = match has_all {
            true => Some(targets.len()),
            false => store.jobs.get(job).map(|job| job.active as usize),
        };
        if let Some(wanted) = wanted {
            let missing: Vec<i32> = wanted
                .iter()
                .copied()
                .filter(|instance| !targets.iter().any(|target| target.instance == *instance))
                .collect();
            if !missing.is_empty() {
                return Err(format!(
                    "cannot {name} {job}/{}: not active; only active instances can be changed",
                    instances::text(missing)
                ));
            }
            targets.retain(|target| wanted.contains(&target.instance));
        }
        if targets.is_empty() {
            return Err(format!("cannot {name} {job}: it has no active instance"));
        }
        Ok(Instances {
            job: job.clone(),
            targets,
            active,
        })
    }

    fn text(&self) -> String {
        instances::text(self.targets.iter().map(|target| target.instance))
    }

    /// Those of which this is true, in brief; nothing when there are none.
    fn those(&self, is: impl Fn(&Target) -> bool) -> Option<String> {
        let found: Vec<i32> = self
            .targets
            .iter()
            .filter(|target| is(target))
            .map(|target| target.instance)
            .collect();
        (!found.is_empty()).then(|| instances::text(found))
    }

    fn is_done(&self, action: Action, store: &Store, target: &Target) -> bool {
        let ended = store
            .tasks
            .get(&target.task)
            .is_none_or(|task| task.status.is_terminal());
        let renewed = || {
            store
                .current(&self.job, target.instance)
                .is_some_and(|task| {
                    task.task_id != target.task && task.status == ScheduleStatus::Running
                })
        };
        ended && (action != Action::Restart || renewed())
    }
}

impl Planned for Instances {
    fn wish(&self) -> Wish {
        let wanted = self.targets.iter().map(|target| target.instance).collect();
        Wish::Instances(self.job.clone(), Some(wanted))
    }

    fn object(&self) -> String {
        self.job.to_string()
    }

    fn instances(&self) -> String {
        self.text()
    }

    fn job(&self) -> Option<&JobPath> {
        Some(&self.job)
    }

    fn count(&self) -> usize {
        self.targets.len()
    }

    fn consequence(&self, action: Action) -> Vec<String> {
        let count = self.targets.len();
        let Some(active) = self.active else {
            let again = match action {
                Action::Restart => "and start again with the same configuration, at once",
                _ => "and the scheduler does not start them again",
            };
            return vec![
                format!("{count} instance(s) end, {again}."),
                "How many others the job has is not known here.".to_owned(),
            ];
        };
        let rest = active.saturating_sub(count);
        match action {
            Action::Restart => vec![
                format!(
                    "{count} of {active} active instances end and start again with the same configuration, at once."
                ),
                format!("Until the new ones run, {rest} of {active} serve."),
            ],
            _ if rest == 0 => vec![
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
            _ => vec![
                format!(
                    "{count} of {active} active instances end, and the scheduler does not start them again."
                ),
                match rest {
                    1 => "One stays; `aurora job add` brings the number back.".to_owned(),
                    rest => format!("{rest} stay; `aurora job add` brings the number back."),
                },
            ],
        }
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        let key = format!("{cluster}/{}", self.job);
        let whole = self.active == Some(self.targets.len());
        match (action, whole) {
            (Action::Restart, true) => format!("aurora job restart {key}"),
            (Action::Restart, false) => format!("aurora job restart {key}/{}", self.text()),
            (_, true) => format!("aurora job killall {key}"),
            (_, false) => format!("aurora job kill {key}/{}", self.text()),
        }
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let known = store.instances(&self.job);
        let changed = self.those(|target| {
            !known
                .get(&target.instance)
                .is_some_and(|task| task.task_id == target.task && task.status.is_active())
        })?;
        Some(format!(
            "instances {changed} are not what they were when this was asked"
        ))
    }

    fn missing(&self, action: Action, store: &Store) -> Option<String> {
        let missing = self.those(|target| !self.is_done(action, store, target))?;
        Some(format!("instances {missing} are not where they should be"))
    }
}

//! What is done to single tasks: forcing a state, forgetting ended ones.

use aurora_api::job_key::JobPath;
use aurora_api::model::ScheduleStatus;

use super::{Planned, Wish, own_cli};
use crate::actions::Action;
use crate::store::Store;

/// A task that is to be taken for something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Forced {
    /// Its job.
    pub job: JobPath,
    /// Its id.
    pub task: String,
    /// Its instance.
    pub instance: i32,
    /// Its status now.
    pub before: ScheduleStatus,
    /// Its status then.
    pub after: ScheduleStatus,
}

impl Forced {
    pub(super) fn resolve(
        store: &Store,
        job: &JobPath,
        id: &str,
        after: ScheduleStatus,
    ) -> Result<Forced, String> {
        let task = store
            .tasks
            .get(id)
            .ok_or_else(|| format!("the task {id} is gone"))?;
        if task.status == after {
            return Err(format!("the task {id} is {after} already"));
        }
        Ok(Forced {
            job: job.clone(),
            task: id.to_owned(),
            instance: task.instance,
            before: task.status,
            after,
        })
    }
}

impl Planned for Forced {
    fn wish(&self) -> Wish {
        Wish::Force(self.job.clone(), self.task.clone(), self.after)
    }

    fn object(&self) -> String {
        self.job.to_string()
    }

    fn instances(&self) -> String {
        self.instance.to_string()
    }

    fn job(&self) -> Option<&JobPath> {
        Some(&self.job)
    }

    fn always_typed(&self, _action: Action) -> Option<String> {
        Some(self.after.name().to_owned())
    }

    fn consequence(&self, _action: Action) -> Vec<String> {
        vec![
            format!(
                "The scheduler takes the task {} for {}; it is {} now.",
                self.task, self.after, self.before
            ),
            "Neither the agent nor the executor is asked, and what follows from that state is done."
                .to_owned(),
        ]
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        own_cli(action, cluster, &format!("{} {}", self.task, self.after))
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let now = store.tasks.get(&self.task).map(|task| task.status);
        (now != Some(self.before)).then(|| "the task has another state now".to_owned())
    }

    /// The scheduler answers OK whatever becomes of it, so the task alone tells.
    fn missing(&self, _action: Action, store: &Store) -> Option<String> {
        let task = store.tasks.get(&self.task)?;
        let mut steps = task.events.iter();
        let was = task.status == self.after || steps.any(|event| event.status == self.after);
        (!was).then(|| format!("the task is {}", task.status))
    }
}

/// Ended tasks of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The job.
    pub job: JobPath,
    /// Ids of the tasks.
    pub tasks: Vec<String>,
}

impl Ended {
    pub(super) fn resolve(store: &Store, job: &JobPath) -> Result<Ended, String> {
        if let Some(tasks) = store.counted(job) {
            return Err(format!(
                "cannot prune {job}: it has {tasks} tasks, which are not all held here; `aurora_admin prune_tasks` does it"
            ));
        }
        let ended = store.tasks_of(job).filter(|task| task.status.is_terminal());
        let mut tasks: Vec<String> = ended.map(|task| task.task_id.clone()).collect();
        tasks.sort();
        match tasks.is_empty() {
            true => Err(format!("cannot prune {job}: it has no ended task")),
            false => Ok(Ended {
                job: job.clone(),
                tasks,
            }),
        }
    }
}

impl Planned for Ended {
    fn wish(&self) -> Wish {
        Wish::Prune(self.job.clone())
    }

    fn object(&self) -> String {
        self.job.to_string()
    }

    fn job(&self) -> Option<&JobPath> {
        Some(&self.job)
    }

    fn count(&self) -> usize {
        self.tasks.len()
    }

    fn consequence(&self, _action: Action) -> Vec<String> {
        vec![
            format!("The scheduler forgets {} ended task(s).", self.tasks.len()),
            "Their events, and the way from here to their files, are gone for good.".to_owned(),
        ]
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        own_cli(action, cluster, &self.job.to_string())
    }

    /// Those that ended meanwhile stay.
    fn drift(&self, _store: &Store) -> Option<String> {
        None
    }

    fn missing(&self, _action: Action, store: &Store) -> Option<String> {
        let left = self.tasks.iter().filter(|id| store.tasks.contains_key(*id));
        match left.count() {
            0 => None,
            left => Some(format!("{left} task(s) are still known")),
        }
    }
}

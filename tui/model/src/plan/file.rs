//! What a job file asks for: a new job, an update, a cron job's schedule.

use std::collections::BTreeSet;

use aurora_api::instances;
use aurora_api::job_key::JobPath;

use super::quota::current;
use super::{Planned, Wish};
use crate::actions::Action;
use crate::jobfile::{Fate, FileJob, FromFile, Purpose};
use crate::store::Store;
use crate::text;
use crate::told::{Amounts, Answer, Question, Strategy};
use crate::views::{bytes, cores};

/// A job as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOfFile {
    /// Which.
    pub aim: FileJob,
    /// What the file asks for, beside what the cluster has.
    pub found: Box<FromFile>,
    /// Updates of the job that were known before.
    known: BTreeSet<String>,
    /// How many tasks the job had, ended ones included.
    tasks: u32,
    /// What the role's quota comes to: amounts that count then, and the quota; none: nothing of it counts, or it is not known.
    quota: Option<(Amounts, Amounts)>,
}

impl JobOfFile {
    pub(super) fn resolve(
        store: &Store,
        action: Action,
        aim: &FileJob,
    ) -> Result<JobOfFile, String> {
        let job = &aim.job;
        let cannot = |why: String| format!("cannot {} {job}: {why}", action.name());
        let found = match store.answers.get(&Question::JobFile(aim.clone())) {
            Some(Answer::JobFile(found)) => found.clone(),
            Some(Answer::None(why)) => return Err(cannot(why.clone())),
            _ => return Err(cannot("the file was not read".to_owned())),
        };
        against(store, aim, &found).map_or(Ok(()), |why| Err(cannot(why)))?;
        let of_job = store.updates.values().filter(|update| update.job == *job);
        Ok(JobOfFile {
            known: of_job.map(|update| update.id.clone()).collect(),
            tasks: tasks(store, job),
            quota: quota(store, aim, &found),
            aim: aim.clone(),
            found,
        })
    }

    /// The update that it has led to.
    pub(crate) fn update<'a>(&self, store: &'a Store) -> Option<&'a str> {
        let updates = store.updates.values();
        let mut of_job = updates.filter(|update| update.job == self.aim.job);
        let new = of_job.find(|update| !self.known.contains(&update.id));
        new.map(|update| update.id.as_str())
    }
}

/// How many tasks a job has, ended ones included.
fn tasks(store: &Store, job: &JobPath) -> u32 {
    let tasks = store.counted(job);
    let tasks = tasks.unwrap_or_else(|| store.tasks_of(job).count() as u64);
    u32::try_from(tasks).unwrap_or(u32::MAX)
}

/// What speaks against it on the cluster as it is.
fn against(store: &Store, aim: &FileJob, found: &FromFile) -> Option<String> {
    let mut updates = store.updates.values();
    let going_on = updates.find(|update| update.job == aim.job && update.status.is_active());
    let active = match store.counted(&aim.job) {
        Some(_) => store
            .jobs
            .get(&aim.job)
            .map_or(0, |job| job.active as usize),
        None => {
            let tasks = store.tasks_of(&aim.job);
            tasks.filter(|task| task.status.is_active()).count()
        }
    };
    match (aim.purpose, &found.schedule) {
        (Purpose::Create | Purpose::Update, Some(_)) => {
            Some("the file gives it a cron schedule; `cron-schedule` takes it".to_owned())
        }
        (Purpose::Schedule, None) => Some("the file gives it no cron schedule".to_owned()),
        (Purpose::Create, None) => (active > 0)
            .then(|| format!("it has {active} active instance(s); `update-start` changes them")),
        (Purpose::Update, None) if going_on.is_some() => {
            going_on.map(|update| format!("its update {} goes on", update.id))
        }
        (Purpose::Update | Purpose::Schedule, _) => found
            .is_there()
            .then(|| "the cluster has it as the file says".to_owned()),
    }
}

/// What counts against the quota when the change is made, as the scheduler sums it up (aurora:
/// `src/main/java/org/apache/aurora/scheduler/quota/QuotaManager.java`): an update takes the larger of what was and what
/// will be.
fn quota(store: &Store, aim: &FileJob, found: &FromFile) -> Option<(Amounts, Amounts)> {
    let (before, after) = (found.charge.before, found.charge.after);
    if after == Amounts::default() {
        return None;
    }
    let role = &aim.job.0.role;
    let used = store.answers.quotas()?;
    let used = used.get(role).copied().unwrap_or_default().counted;
    let sum = |used: f64, before: f64, after: f64| match aim.purpose {
        Purpose::Update => used - before + before.max(after),
        Purpose::Create | Purpose::Schedule => used - before + after,
    };
    let then = Amounts {
        cpus: sum(used.cpus, before.cpus, after.cpus),
        ram: sum(used.ram, before.ram, after.ram),
        disk: sum(used.disk, before.disk, after.disk),
    };
    Some((then, current(store, role).unwrap_or_default()))
}

/// The amounts of a quota with their names and how they are written.
type Written = (&'static str, f64, f64, fn(f64) -> String);

fn written(then: Amounts, limit: Amounts) -> [Written; 3] {
    [
        ("cpus", then.cpus, limit.cpus, cores),
        ("ram", then.ram, limit.ram, bytes),
        ("disk", then.disk, limit.disk, bytes),
    ]
}

impl JobOfFile {
    fn of_quota(&self) -> Option<String> {
        let (then, limit) = self.quota?;
        let amounts = written(then, limit);
        let show = |(name, then, limit, shown): &Written| {
            format!("{} of {} {name}", shown(*then), shown(*limit))
        };
        let over: Vec<String> = amounts
            .iter()
            // Sums of decimal fractions of cores are not exact.
            .filter(|(_, then, limit, _)| *then > limit + 1e-6)
            .map(show)
            .collect();
        let role = &self.aim.job.0.role;
        Some(match over.is_empty() {
            true => {
                let all: Vec<String> = amounts.iter().map(show).collect();
                format!("Of {role}'s quota {} are used then.", all.join(", "))
            }
            false => format!(
                "{role}'s QUOTA IS EXCEEDED: {} would be used. The scheduler refuses that.",
                over.join(", ")
            ),
        })
    }

    fn of_strategy(&self) -> Option<String> {
        let count = self.found.touched();
        let (way, rounds) = match self.found.strategy.as_ref()? {
            Strategy::Queue(size) => (
                format!("on {size} instance(s) at a time"),
                count.div_ceil((*size).max(1)),
            ),
            Strategy::Batches { sizes, pauses } => {
                let shown: Vec<String> = sizes.iter().map(ToString::to_string).collect();
                let pauses = match pauses {
                    true => ", and pauses after each",
                    false => "",
                };
                (
                    format!("in batches of {}{pauses}", shown.join(", ")),
                    batches(sizes, count),
                )
            }
        };
        let rounds = i64::try_from(rounds).unwrap_or(i64::MAX);
        let least = match self.found.wait_ms.saturating_mul(rounds) {
            0 => String::new(),
            least => format!("; that takes {} at least", text::age(least)),
        };
        Some(format!("It works {way}{least}."))
    }
}

/// How many batches of these sizes so many instances make; the last size repeats.
fn batches(sizes: &[usize], count: usize) -> usize {
    let (mut left, mut made, mut size) = (count, 0, 1);
    let mut sizes = sizes.iter();
    while left > 0 {
        size = sizes.next().copied().unwrap_or(size).max(1);
        left = left.saturating_sub(size);
        made += 1;
    }
    made
}

impl Planned for JobOfFile {
    fn wish(&self) -> Wish {
        Wish::File(self.aim.clone())
    }

    fn object(&self) -> String {
        self.aim.job.to_string()
    }

    fn instances(&self) -> String {
        let only = self.aim.only.iter().flatten().copied();
        instances::text(only)
    }

    fn job(&self) -> Option<&JobPath> {
        Some(&self.aim.job)
    }

    fn count(&self) -> usize {
        match self.aim.purpose {
            Purpose::Update => self.found.touched(),
            Purpose::Create | Purpose::Schedule => 1,
        }
    }

    fn consequence(&self, _action: Action) -> Vec<String> {
        let found = &self.found;
        let mut out = Vec::new();
        match (self.aim.purpose, &found.schedule) {
            (Purpose::Create, _) => out.push(format!(
                "The job is created with {} instance(s).",
                found.instances
            )),
            (Purpose::Schedule, Some(schedule)) => out.push(format!(
                "It runs by `{schedule}` with {} instance(s); what runs now goes on.",
                found.instances
            )),
            (Purpose::Update, _) | (Purpose::Schedule, None) => {
                out.extend(found.groups.iter().map(|group| {
                    let what = match group.fate {
                        Fate::Added => "are added",
                        Fate::Changed => "are changed",
                        Fate::Removed => "are removed",
                        Fate::Kept => "stay as they are",
                    };
                    format!("Instances {} {what}.", group.instances)
                }));
                out.extend(self.of_strategy());
                out.extend((!found.limits.is_empty()).then(|| {
                    let limits = found.limits.join("; ");
                    format!("It {limits}.")
                }));
            }
        }
        out.extend(self.of_quota());
        let warnings = found.warnings.iter();
        out.extend(warnings.map(|warning| format!("The file: {warning}")));
        out
    }

    fn details(&self) -> Vec<String> {
        let changed = self
            .found
            .groups
            .iter()
            .filter(|group| !group.lines.is_empty());
        let several = changed.clone().count() > 1;
        changed
            .flat_map(|group| {
                let head = several.then(|| format!("{}:", group.instances));
                head.into_iter().chain(group.lines.iter().cloned())
            })
            .collect()
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        let words = match action {
            Action::JobCreate => "job create",
            Action::CronSchedule => "cron schedule",
            _ => "update start",
        };
        let only = match self.instances().as_str() {
            "" => String::new(),
            only => format!("/{only}"),
        };
        let path = text::shell_word(&self.aim.path);
        format!("aurora {words} {cluster}/{}{only} {path}", self.aim.job)
    }

    fn drift(&self, store: &Store) -> Option<String> {
        match store.answers.get(&Question::JobFile(self.aim.clone())) {
            Some(Answer::JobFile(now)) if now.groups != self.found.groups => {
                Some("the job on the cluster has changed".to_owned())
            }
            _ => against(store, &self.aim, &self.found),
        }
    }

    fn missing(&self, _action: Action, store: &Store) -> Option<String> {
        let done = match self.aim.purpose {
            Purpose::Update => self.update(store).is_some(),
            // The scheduler is asked for the difference again.
            Purpose::Schedule => matches!(
                store.answers.get(&Question::JobFile(self.aim.clone())),
                Some(Answer::JobFile(now)) if now.is_there()
            ),
            // Short ones may have ended by now.
            Purpose::Create => {
                tasks(store, &self.aim.job) >= self.tasks.saturating_add(self.found.instances)
            }
        };
        (!done).then(|| "nothing of it is seen".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_by_their_sizes() {
        for (sizes, count, made) in [
            (vec![3], 7, 3),
            (vec![1, 2], 7, 4),
            (vec![50], 7, 1),
            (vec![1], 0, 0),
            (vec![0], 2, 2),
        ] {
            assert_eq!(batches(&sizes, count), made, "{sizes:?}");
        }
    }
}

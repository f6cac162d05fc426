//! Topics of the feed that tell tasks: those of a job, of some of its instances, of a host.

use std::collections::BTreeSet;

use aurora_api::feed::{MOST_INSTANCES, TaskRecord};
use aurora_api::instances;
use aurora_api::job_key::JobPath;

/// The topic of a host's tasks.
pub fn host_topic(host: &str) -> String {
    format!("host/{host}")
}

/// The topic of a job's tasks.
pub fn job_topic(job: &JobPath) -> String {
    format!("job/{job}")
}

/// A topic of instances is no longer than this: it stands in an address when a feed begins.
const LONGEST: usize = 4_096;

/// The topic of the tasks of some instances of a job; none when they are too many for one.
pub fn instances_topic(job: &JobPath, wanted: &[i32]) -> Option<String> {
    let text = instances::text(wanted.iter().copied()).replace(',', ":");
    let fits = (1..=MOST_INSTANCES).contains(&wanted.len()) && text.len() <= LONGEST;
    fits.then(|| format!("job/{job}/{text}"))
}

/// Which tasks a topic tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tells {
    /// None.
    #[default]
    Nothing,
    /// Those of a job.
    Job(JobPath),
    /// Those of some of its instances.
    Instances(JobPath, BTreeSet<i32>),
    /// Those of a host.
    Host(String),
}

impl Tells {
    /// What a topic tells.
    pub fn of(topic: &str) -> Tells {
        match topic.split_once('/') {
            Some(("host", host)) => Tells::Host(host.to_owned()),
            Some(("job", name)) => match name.parse() {
                Ok(job) => Tells::Job(job),
                Err(_) => of_instances(name).unwrap_or_default(),
            },
            _ => Tells::Nothing,
        }
    }

    /// Whether a task is among them.
    pub fn has(&self, task: &TaskRecord) -> bool {
        match self {
            Tells::Nothing => false,
            Tells::Job(job) => task.job == *job,
            Tells::Instances(job, wanted) => task.job == *job && wanted.contains(&task.instance),
            Tells::Host(host) => task.host.as_ref() == Some(host),
        }
    }
}

fn of_instances(name: &str) -> Option<Tells> {
    let (job, wanted) = name.rsplit_once('/')?;
    let wanted = instances::parse(&wanted.replace(':', ","), MOST_INSTANCES)?;
    Some(Tells::Instances(job.parse().ok()?, wanted))
}

/// The instance in a task's id (aurora: `TaskIdGenerator.java`); `None` where it is spelled otherwise.
pub fn instance_in(id: &str, job: &JobPath) -> Option<i32> {
    let key = &job.0;
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c,
        _ => '-',
    };
    let prefix = format!("{}-{}-{}-", key.role, key.environment, key.name);
    let prefix: String = prefix.chars().map(plain).collect();
    let (instance, _) = id.strip_prefix(&prefix)?.split_once('-')?;
    instance.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_say_which_tasks_they_tell() {
        let job: JobPath = "w/prod/a.b".parse().unwrap();
        let some = Tells::Instances(job.clone(), [0, 1, 5].into());
        for (topic, expected) in [
            ("summary", Tells::Nothing),
            ("job/w/prod", Tells::Nothing),
            ("job/w/prod/a.b/x", Tells::Nothing),
            ("job/w/prod/a.b", Tells::Job(job.clone())),
            ("job/w/prod/a.b/0-1:5", some),
            ("host/h/1", Tells::Host("h/1".to_owned())),
        ] {
            assert_eq!(Tells::of(topic), expected, "{topic}");
        }
        let even: Vec<i32> = (0..2_000).map(|at| 2 * at).collect();
        let most: Vec<i32> = (0..10_001).collect();
        for (wanted, expected) in [
            (&[5, 1, 0][..], Some("job/w/prod/a.b/0-1:5")),
            (&[], None),
            (&even, None),
            (&most[1..], Some("job/w/prod/a.b/1-10000")),
            (&most, None),
        ] {
            let topic = instances_topic(&job, wanted);
            assert_eq!(topic.as_deref(), expected, "{} instances", wanted.len());
        }
        for (id, expected) in [
            ("w-prod-a-b-17-0b1e", Some(17)),
            ("w-prod-a.b-17-0b1e", None),
            ("w-prod-a-b-17", None),
            ("t", None),
        ] {
            assert_eq!(instance_in(id, &job), expected, "{id}");
        }
    }
}

//! What becomes of jobs' uptime when hosts go down (aurora: `api/sla.py`, `DomainUpTimeSlaVector`).

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::{JobKey, ScheduledTask, TaskQuery};
use aurora_client::scheduler::Scheduler;

use super::uptime::Uptimes;
use super::{live_tasks, now_seconds};
use crate::context::Outcome;

/// How hosts are put into groups that go down together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// Each alone.
    ByHost,
    /// All at once.
    None,
}

impl Grouping {
    /// The names that [`Grouping::parse`] takes.
    pub(crate) const NAMES: [&str; 2] = ["by_host", "none"];

    pub(crate) fn parse(text: &str) -> Result<Grouping, String> {
        match text {
            "by_host" => Ok(Grouping::ByHost),
            "none" => Ok(Grouping::None),
            _ => Err(format!(
                "Unknown grouping function {text}. Must be one of: {}",
                Grouping::NAMES.join(", ")
            )),
        }
    }

    /// The groups, by their key.
    pub(crate) fn group<'a>(
        self,
        hosts: impl IntoIterator<Item = &'a String>,
    ) -> Vec<BTreeSet<String>> {
        let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for host in hosts {
            let key = match self {
                Grouping::ByHost => host.as_str(),
                Grouping::None => "_all_hosts_",
            };
            groups.entry(key).or_default().insert(host.clone());
        }
        groups.into_values().collect()
    }
}

/// What a job has to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    /// This many percent of its tasks …
    pub(crate) percentage: f64,
    /// … have been up for at least so many seconds.
    pub(crate) duration: u64,
}

/// A job on a host that may go down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SafeJob {
    pub(crate) job: JobKey,
    pub(crate) predicted: f64,
    pub(crate) duration: u64,
}

/// A job on a host that was asked about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProbedJob {
    pub(crate) job: JobKey,
    pub(crate) predicted: f64,
    pub(crate) safe: bool,
    /// Seconds until it will be safe; `None` when waiting does not help.
    pub(crate) safe_in: Option<f64>,
}

/// Jobs by host, for one group of hosts.
pub(crate) type Group<T> = BTreeMap<String, Vec<T>>;

/// The production jobs of a cluster, or those that touch some hosts, and where their tasks run.
pub(crate) struct Domain {
    tasks: BTreeMap<JobKey, Vec<ScheduledTask>>,
    jobs_by_host: BTreeMap<String, BTreeSet<JobKey>>,
    hosts_by_job: BTreeMap<JobKey, BTreeSet<String>>,
    /// The hosts that the question is about, when not all.
    filter: Option<Vec<String>>,
    now: f64,
}

impl Domain {
    /// Asks the scheduler. Jobs of fewer tasks than `minimum` do not count.
    pub(crate) async fn query(
        scheduler: &Scheduler,
        minimum: usize,
        hosts: Option<Vec<String>>,
    ) -> Outcome<Domain> {
        let jobs = match &hosts {
            None => None,
            Some(hosts) => {
                let query = TaskQuery {
                    slave_hosts: Some(hosts.iter().cloned().collect()),
                    ..TaskQuery::default()
                };
                let tasks = live_tasks(scheduler, query).await?;
                let jobs: BTreeSet<JobKey> = tasks
                    .into_iter()
                    .map(|task| task.assigned_task.task.job)
                    .collect();
                Some(jobs)
            }
        };
        let tasks = match jobs {
            // No job on these hosts: the whole cluster is of no interest.
            Some(jobs) if jobs.is_empty() => Vec::new(),
            jobs => {
                let query = TaskQuery {
                    job_keys: jobs,
                    ..TaskQuery::default()
                };
                live_tasks(scheduler, query).await?
            }
        };
        Ok(Domain::new(tasks, minimum, hosts, now_seconds()))
    }

    fn new(
        all: Vec<ScheduledTask>,
        minimum: usize,
        filter: Option<Vec<String>>,
        now: f64,
    ) -> Domain {
        let mut tasks: BTreeMap<JobKey, Vec<ScheduledTask>> = BTreeMap::new();
        for task in all {
            if task.assigned_task.task.production == Some(true) {
                let job = task.assigned_task.task.job.clone();
                tasks.entry(job).or_default().push(task);
            }
        }
        tasks.retain(|_, tasks| tasks.len() >= minimum);
        let mut jobs_by_host: BTreeMap<String, BTreeSet<JobKey>> = BTreeMap::new();
        let mut hosts_by_job: BTreeMap<JobKey, BTreeSet<String>> = BTreeMap::new();
        for (job, tasks) in &tasks {
            for host in tasks
                .iter()
                .filter_map(|task| task.assigned_task.slave_host.as_ref())
            {
                jobs_by_host
                    .entry(host.clone())
                    .or_default()
                    .insert(job.clone());
                hosts_by_job
                    .entry(job.clone())
                    .or_default()
                    .insert(host.clone());
            }
        }
        Domain {
            tasks,
            jobs_by_host,
            hosts_by_job,
            filter,
            now,
        }
    }

    /// The groups of hosts that may go down without a job falling below its limit: `overrides` has those of single jobs.
    pub(crate) fn safe_hosts(
        &self,
        limit: Limit,
        overrides: &BTreeMap<JobKey, Limit>,
        grouping: Grouping,
    ) -> Vec<Group<SafeJob>> {
        let asked = |host: &String| {
            self.filter
                .as_ref()
                .is_none_or(|filter| filter.contains(host))
        };
        let mut safe = Vec::new();
        for hosts in grouping.group(self.jobs_by_host.keys()) {
            let mut group: Group<SafeJob> = BTreeMap::new();
            let jobs = self.jobs_on(hosts.iter().filter(|host| asked(host)));
            let all_safe = jobs.into_iter().all(|job| {
                let Limit {
                    percentage,
                    duration,
                } = *overrides.get(job).unwrap_or(&limit);
                let (predicted, _) = self.without(job, &hosts, duration);
                for host in self.hosts_of(job).intersection(&hosts) {
                    group.entry(host.clone()).or_default().push(SafeJob {
                        job: job.clone(),
                        predicted,
                        duration,
                    });
                }
                predicted >= percentage
            });
            if all_safe && !group.is_empty() {
                safe.push(group);
            }
        }
        safe
    }

    /// What becomes of the jobs on the hosts that were asked about, group by group.
    pub(crate) fn probe(&self, limit: Limit, grouping: Grouping) -> Vec<Group<ProbedJob>> {
        let mut probed = Vec::new();
        for hosts in grouping.group(self.filter.iter().flatten()) {
            let mut group: Group<ProbedJob> = BTreeMap::new();
            for job in self.jobs_on(&hosts) {
                let (predicted, left) = self.without(job, &hosts, limit.duration);
                let safe = predicted >= limit.percentage;
                let safe_in = if safe {
                    Some(0.0)
                } else {
                    let total = self.tasks.get(job).map_or(0, Vec::len);
                    left.wait_for(limit.percentage, limit.duration as f64, total)
                };
                for host in self.hosts_of(job).intersection(&hosts) {
                    group.entry(host.clone()).or_default().push(ProbedJob {
                        job: job.clone(),
                        predicted,
                        safe,
                        safe_in,
                    });
                }
            }
            if !group.is_empty() {
                probed.push(group);
            }
        }
        probed
    }

    fn jobs_on<'a>(&self, hosts: impl IntoIterator<Item = &'a String>) -> BTreeSet<&JobKey> {
        hosts
            .into_iter()
            .filter_map(|host| self.jobs_by_host.get(host))
            .flatten()
            .collect()
    }

    fn hosts_of(&self, job: &JobKey) -> &BTreeSet<String> {
        const NONE: &BTreeSet<String> = &BTreeSet::new();
        self.hosts_by_job.get(job).unwrap_or(NONE)
    }

    /// How many percent of the job's tasks would have been up for `duration` if these hosts were gone, and the uptimes that
    /// would be left.
    fn without(&self, job: &JobKey, hosts: &BTreeSet<String>, duration: u64) -> (f64, Uptimes) {
        let tasks = self.tasks.get(job).map_or(&[][..], Vec::as_slice);
        let left = tasks.iter().filter(|task| {
            let host = task.assigned_task.slave_host.as_ref();
            host.is_none_or(|host| !hosts.contains(host))
        });
        let left = Uptimes::new(left, self.now);
        (left.up_count(duration as f64, tasks.len()), left)
    }
}

#[cfg(test)]
mod tests {
    use super::super::uptime::tests::running;
    use super::*;

    fn job(name: &str) -> JobKey {
        JobKey::new("www", "prod", name)
    }

    /// Instances on hosts, up since so many seconds, at 10,000.
    fn tasks(name: &str, production: bool, places: &[(&str, i64)]) -> Vec<ScheduledTask> {
        let mut found = Vec::new();
        for (id, (host, up)) in places.iter().enumerate() {
            let mut task = running(id as i32, 10_000 - up);
            task.assigned_task.slave_host = Some((*host).to_owned());
            task.assigned_task.task.job = job(name);
            task.assigned_task.task.production = Some(production);
            found.push(task);
        }
        found
    }

    /// Job a has two tasks on each of h1 and h2, one of them young; b one on each of h1 and h3. c is not production.
    fn domain(minimum: usize, filter: Option<&[&str]>) -> Domain {
        let mut all = tasks(
            "a",
            true,
            &[("h1", 900), ("h1", 900), ("h2", 900), ("h2", 100)],
        );
        all.extend(tasks("b", true, &[("h1", 900), ("h3", 900)]));
        all.extend(tasks("c", false, &[("h4", 900), ("h4", 900)]));
        let filter = filter.map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect());
        Domain::new(all, minimum, filter, 10_000.0)
    }

    const HALF: Limit = Limit {
        percentage: 50.0,
        duration: 600,
    };

    fn safe(domain: &Domain, overrides: &BTreeMap<JobKey, Limit>, grouping: Grouping) -> String {
        let groups = domain.safe_hosts(HALF, overrides, grouping);
        let hosts: Vec<String> = groups
            .iter()
            .map(|group| group.keys().cloned().collect::<Vec<_>>().join("+"))
            .collect();
        hosts.join(" ")
    }

    #[test]
    fn safe_hosts_by_hand() {
        let none = BTreeMap::new();
        // Without h1, a has 1 of 4 long enough; without h2 2 of 4; without h3, b has 1 of 2.
        assert_eq!(safe(&domain(2, None), &none, Grouping::ByHost), "h2 h3");
        assert_eq!(safe(&domain(2, None), &none, Grouping::None), "");
        // Smaller jobs do not count, and a host without others is not named.
        assert_eq!(safe(&domain(3, None), &none, Grouping::ByHost), "h2");
        assert_eq!(
            safe(&domain(2, Some(&["h3"])), &none, Grouping::ByHost),
            "h3"
        );
        let strict = Limit {
            percentage: 51.0,
            duration: 600,
        };
        let overrides = BTreeMap::from([(job("b"), strict)]);
        assert_eq!(safe(&domain(2, None), &overrides, Grouping::ByHost), "h2");
    }

    #[test]
    fn probes_by_hand() {
        let domain = domain(2, Some(&["h1", "h3"]));
        let groups = domain.probe(HALF, Grouping::ByHost);
        let shown: Vec<(&str, &str, f64, bool, Option<f64>)> = groups
            .iter()
            .flatten()
            .flat_map(|(host, jobs)| jobs.iter().map(move |job| (host, job)))
            .map(|(host, p)| (&**host, &*p.job.name, p.predicted, p.safe, p.safe_in))
            .collect();
        let expected = [
            // Two of four are left: the younger of them needs 500 s more.
            ("h1", "a", 25.0, false, Some(500.0)),
            ("h1", "b", 50.0, true, Some(0.0)),
            ("h3", "b", 50.0, true, Some(0.0)),
        ];
        assert_eq!(shown, expected);
        // Together they take both tasks of b: no waiting helps.
        let groups = domain.probe(HALF, Grouping::None);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0]["h3"][0].safe_in, None);
    }
}

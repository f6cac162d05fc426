//! What is known of a cluster: the records of its event feed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aurora_api::feed::{
    AuditRecord, Counts, HostRecord, JobRecord, Line, MaintenanceRecord, QuotaRecord, RoleRecord,
    Seq, SnapshotPart, TableSize, TaskRecord, UpdateRecord,
};
use aurora_api::job_key::JobPath;

use crate::pages::Records;
use crate::told::Answers;

mod log;
mod news;
mod topic;

use log::JobLog;
use news::MOST_NEWS;
pub use news::News;
pub use topic::{Tells, host_topic, instance_in, instances_topic, job_topic};

/// The topic that is always followed.
pub const SUMMARY: &str = "summary";

/// The topic of updates.
pub const UPDATES: &str = "updates";
/// The topic of hosts in maintenance.
pub const MAINTENANCE: &str = "maintenance";
/// The topic of who changed what.
pub const AUDIT: &str = "audit";
/// Of a job on a scheduler without a feed no more tasks are asked for: they would all come again with every answer.
pub const MOST_POLLED: u16 = 20_000;
/// So many records of who changed what are kept, the newest ones.
const MOST_AUDIT: usize = 5_000;

/// How much of a topic is here.
#[derive(Clone, Debug, Default, PartialEq)]
struct Topic {
    whole: bool,
    denied: bool,
    /// How many tasks a job has that are too many to be told.
    counted: Option<u64>,
    tells: Tells,
    /// Keys seen in the snapshot that is coming in.
    seen: Option<BTreeSet<String>>,
}

/// A cluster as its feed tells it.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The cluster's own name, once it said hello.
    pub cluster: Option<String>,
    /// The leader's address.
    pub leader: Option<String>,
    /// The newest position heard.
    pub seq: Seq,
    /// Server's clock minus ours, in milliseconds.
    pub clock_offset_ms: i64,
    /// Jobs.
    pub jobs: BTreeMap<JobPath, JobRecord>,
    /// Hosts by name.
    pub hosts: BTreeMap<String, HostRecord>,
    /// Quotas by role.
    pub quotas: BTreeMap<String, QuotaRecord>,
    /// Roles, as far as pages told them.
    pub roles: BTreeMap<String, RoleRecord>,
    /// Tasks by id.
    pub tasks: BTreeMap<String, TaskRecord>,
    /// Updates by job and id.
    pub updates: BTreeMap<(JobPath, String), UpdateRecord>,
    /// Hosts that are or were in maintenance.
    pub maintenance: BTreeMap<String, MaintenanceRecord>,
    /// Who changed what, oldest first.
    pub audit: VecDeque<AuditRecord>,
    /// What changed since this workbench looks, oldest first.
    pub news: VecDeque<News>,
    /// What was asked beside the feed.
    pub answers: Answers,
    /// How large the tables of the summary are, where the scheduler tells.
    pub counts: Option<Counts>,
    /// The feed's version, once it said hello.
    pub version: Option<u32>,
    /// Which jobs have changed.
    pub(crate) job_log: JobLog,
    configs: BTreeMap<String, serde_json::Value>,
    topics: BTreeMap<String, Topic>,
}

impl Store {
    /// Takes in one line of the feed. `at_ms` is our clock when it came.
    pub fn apply(&mut self, line: Line, at_ms: i64) {
        match line {
            Line::Hello(hello) => {
                self.clock_offset_ms = hello.server_time_ms - at_ms;
                self.cluster = Some(hello.cluster);
                self.leader = Some(hello.leader);
                self.version = Some(hello.version);
                self.seq = hello.seq;
            }
            Line::Reset { .. } => {
                // Another log may give an old id to another configuration; snapshots bring them all again.
                self.configs.clear();
                for topic in self.topics.values_mut() {
                    topic.whole = false;
                }
            }
            Line::Snapshot(snapshot) => {
                let topic = self.topics.entry(snapshot.topic.clone()).or_default();
                match snapshot.part {
                    SnapshotPart::Begin => {
                        topic.seen = Some(BTreeSet::new());
                        topic.tells = Tells::of(&snapshot.topic);
                        // Its records have no names by which they could be told apart from old ones.
                        if snapshot.topic == AUDIT {
                            self.audit.clear();
                        }
                    }
                    SnapshotPart::End => {
                        topic.whole = true;
                        topic.denied = false;
                        if let Some(seen) = topic.seen.take() {
                            topic.counted = None;
                            self.keep_only(&snapshot.topic, &seen);
                        }
                    }
                }
            }
            Line::Job(job) => {
                self.heard(job.seq);
                let said = news::of_job(self.jobs.get(&job.job), &job);
                self.tell(said, at_ms);
                self.see(SUMMARY, format!("job {}", job.job));
                // A scheduler that is polled tells all of them again and again.
                if self.jobs.get(&job.job) != Some(&job) {
                    self.job_log.note(&job.job);
                    self.jobs.insert(job.job.clone(), job);
                }
            }
            Line::JobRemoved(removed) => {
                self.heard(removed.seq);
                let object = removed.job.to_string();
                self.tell(Some(("job", object, "is gone".to_owned(), false)), at_ms);
                self.job_log.note(&removed.job);
                self.jobs.remove(&removed.job);
            }
            Line::Host(host) => {
                self.heard(host.seq);
                let said = news::of_host(self.hosts.get(&host.host), &host);
                self.tell(said, at_ms);
                self.see(SUMMARY, format!("host {}", host.host));
                self.hosts.insert(host.host.clone(), host);
            }
            Line::Quota(quota) => {
                self.heard(quota.seq);
                let said = news::of_quota(self.quotas.get(&quota.role), &quota);
                self.tell(said, at_ms);
                self.see(SUMMARY, format!("quota {}", quota.role));
                self.quotas.insert(quota.role.clone(), quota);
            }
            Line::Config(config) => {
                self.configs.insert(config.id, config.config);
            }
            Line::Task(task) => {
                self.heard(task.seq);
                for topic in self.topics.values_mut() {
                    if topic.tells.has(&task)
                        && let Some(seen) = &mut topic.seen
                    {
                        seen.insert(task.task_id.clone());
                    }
                }
                self.tasks.insert(task.task_id.clone(), task);
            }
            Line::TaskRemoved(removed) => {
                self.heard(removed.seq);
                self.tasks.remove(&removed.task_id);
            }
            Line::Update(update) => {
                self.heard(update.seq);
                let said = news::of_update(self.update(&update.job, &update.id), &update);
                self.tell_of(UPDATES, said, at_ms);
                self.see(UPDATES, format!("{} {}", update.job, update.id));
                self.updates
                    .insert((update.job.clone(), update.id.clone()), update);
            }
            Line::UpdateRemoved(removed) => {
                self.heard(removed.seq);
                self.updates.remove(&(removed.job, removed.id));
            }
            Line::Maintenance(record) => {
                self.heard(record.seq);
                self.see(MAINTENANCE, record.host.clone());
                // Of hosts that are read as pages the feed tells nothing else.
                if let Some(host) = self.hosts.get_mut(&record.host) {
                    (host.mode, host.tasks) = (record.mode, record.tasks);
                }
                self.maintenance.insert(record.host.clone(), record);
            }
            Line::Audit(record) => {
                self.heard(record.seq);
                let said = news::of_call(&record);
                self.tell_of(AUDIT, Some(said), at_ms);
                self.audit.push_back(record);
                if self.audit.len() > MOST_AUDIT {
                    self.audit.pop_front();
                }
            }
            Line::Denied(topic) => {
                self.topics.entry(topic).or_default().denied = true;
            }
            Line::Heartbeat(heartbeat) => self.heard(heartbeat.seq),
            Line::Counts(counts) => self.counts = Some(counts),
            Line::Counted(counted) => {
                self.heard(counted.seq);
                let topic = self.topics.entry(counted.topic.clone()).or_default();
                topic.seen = None;
                // What was told of it is told no longer; what pages told later stays.
                if topic.counted.replace(counted.tasks).is_none() {
                    topic.tells = Tells::of(&counted.topic);
                    self.drop_untold();
                }
            }
        }
    }

    fn tell(&mut self, said: Option<news::Said>, at_ms: i64) {
        self.tell_of(SUMMARY, said, at_ms);
    }

    /// Keeps what is new. What a snapshot brings was there before.
    fn tell_of(&mut self, topic: &str, said: Option<news::Said>, at_ms: i64) {
        let Some((kind, object, what, problem)) = said.filter(|_| self.is_whole(topic)) else {
            return;
        };
        let number = self.news.back().map_or(0, |news| news.number) + 1;
        self.news.push_back(News {
            number,
            time_ms: at_ms + self.clock_offset_ms,
            kind,
            object,
            what,
            problem,
        });
        if self.news.len() > MOST_NEWS {
            self.news.pop_front();
        }
    }

    fn heard(&mut self, seq: Seq) {
        self.seq = self.seq.max(seq);
    }

    fn see(&mut self, topic: &str, key: String) {
        if let Some(seen) = self
            .topics
            .get_mut(topic)
            .and_then(|topic| topic.seen.as_mut())
        {
            seen.insert(key);
        }
    }

    fn keep_only(&mut self, topic: &str, seen: &BTreeSet<String>) {
        if topic == SUMMARY {
            if !self.is_paged("jobs") {
                let log = &mut self.job_log;
                self.jobs.retain(|job, _| {
                    let stays = seen.contains(&format!("job {job}"));
                    if !stays {
                        log.note(job);
                    }
                    stays
                });
            }
            if !self.is_paged("hosts") {
                self.hosts
                    .retain(|host, _| seen.contains(&format!("host {host}")));
            }
            self.quotas
                .retain(|role, _| seen.contains(&format!("quota {role}")));
        } else if topic == UPDATES {
            self.updates
                .retain(|(job, id), _| seen.contains(&format!("{job} {id}")));
        } else if topic == MAINTENANCE {
            self.maintenance.retain(|host, _| seen.contains(host));
        } else {
            let tells = Tells::of(topic);
            self.tasks
                .retain(|id, task| !tells.has(task) || seen.contains(id));
        }
    }

    /// Forgets tasks of which no topic tells.
    fn drop_untold(&mut self) {
        let topics = &self.topics;
        self.tasks.retain(|_, task| is_told(topics, task));
    }

    /// Forgets what belongs to topics that are not followed any more.
    pub fn follow(&mut self, topics: &BTreeSet<String>) {
        self.topics.retain(|name, topic| {
            let stays = name == SUMMARY || topics.contains(name);
            topic.whole &= stays;
            // Which jobs are large is worth knowing when one comes back.
            stays || topic.counted.is_some()
        });
        let told: Vec<Tells> = topics.iter().map(|topic| Tells::of(topic)).collect();
        self.tasks
            .retain(|_, task| told.iter().any(|tells| tells.has(task)));
        if !topics.contains(UPDATES) {
            self.updates.clear();
        }
        if !topics.contains(MAINTENANCE) {
            self.maintenance.clear();
        }
        if !topics.contains(AUDIT) {
            self.audit.clear();
        }
        let used: BTreeSet<&String> = self.tasks.values().map(|task| &task.config).collect();
        // A configuration is sent once per feed; what is dropped here comes again only with a new feed, so they are
        // kept until there are many more than are in use.
        if self.configs.len() > 1000 + 2 * used.len() {
            let used: BTreeSet<String> = used.into_iter().cloned().collect();
            self.configs.retain(|id, _| used.contains(id));
        }
    }

    /// Takes in records that a page told; gives back the rows' identities.
    pub(crate) fn keep(&mut self, records: Records) -> Vec<String> {
        match records {
            Records::Jobs(records) => records
                .into_iter()
                .map(|record| {
                    let id = record.job.to_string();
                    self.jobs.insert(record.job.clone(), record);
                    id
                })
                .collect(),
            Records::Hosts(records) => records
                .into_iter()
                .map(|record| {
                    let id = record.host.clone();
                    self.hosts.insert(id.clone(), record);
                    id
                })
                .collect(),
            Records::Tasks(records) => records
                .into_iter()
                .map(|record| {
                    let id = record.instance.to_string();
                    // The feed may have told something newer since.
                    let known = self.tasks.get(&record.task_id);
                    if known.is_none_or(|known| known.seq <= record.seq) {
                        self.tasks.insert(record.task_id.clone(), record);
                    }
                    id
                })
                .collect(),
            Records::Roles(records) => records
                .into_iter()
                .map(|record| {
                    let id = record.role.clone();
                    self.roles.insert(id.clone(), record);
                    id
                })
                .collect(),
        }
    }

    /// Whether a table of the summary is too large to be told, so that only pages of it are here.
    pub fn is_paged(&self, table: &str) -> bool {
        self.size(table).is_some_and(|size| !size.told)
    }

    /// How large a table of the summary is, where the scheduler tells.
    pub fn size(&self, table: &str) -> Option<TableSize> {
        self.counts.as_ref()?.tables.get(table).copied()
    }

    /// How many tasks a job has that are too many to be told, so that only pages of them are here.
    pub fn counted(&self, job: &JobPath) -> Option<u64> {
        self.topics.get(&job_topic(job))?.counted
    }

    /// Whether all tasks of a job are here.
    pub fn has_all(&self, job: &JobPath) -> bool {
        self.is_whole(&job_topic(job)) && self.counted(job).is_none()
    }

    /// The topic that tells of some instances of a job: the job's own when all of it is here, or the feed has no other.
    pub fn topic_of(&self, job: &JobPath, wanted: &[i32]) -> String {
        let has_others = self.version.is_some_and(|version| version >= 4);
        let narrow = (has_others && !self.has_all(job))
            .then(|| instances_topic(job, wanted))
            .flatten();
        narrow.unwrap_or_else(|| job_topic(job))
    }

    /// Forgets tasks that pages told and that are not of these instances, by job and number, when there are many.
    pub(crate) fn prune_tasks(&mut self, most: usize, needed: &BTreeSet<String>) {
        let topics = &self.topics;
        if self.tasks.len() > most && topics.values().any(|topic| topic.counted.is_some()) {
            self.tasks.retain(|_, task| {
                needed.contains(&format!("{}/{}", task.job, task.instance)) || is_told(topics, task)
            });
        }
    }

    /// Whether a topic's snapshot is complete.
    pub fn is_whole(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.whole)
    }

    /// Whether a topic may not be read.
    pub fn is_denied(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.denied)
    }

    /// Tasks of a job, any order.
    pub fn tasks_of<'a, 'j>(
        &'a self,
        job: &'j JobPath,
    ) -> impl Iterator<Item = &'a TaskRecord> + use<'a, 'j> {
        self.tasks.values().filter(move |task| task.job == *job)
    }

    /// The task that stands for an instance: the active one, else the one that changed last.
    pub fn current(&self, job: &JobPath, instance: i32) -> Option<&TaskRecord> {
        self.tasks_of(job)
            .filter(|task| task.instance == instance)
            .max_by_key(|task| rank(task))
    }

    /// One task for each instance of a job, by instance.
    pub fn instances(&self, job: &JobPath) -> BTreeMap<i32, &TaskRecord> {
        let mut out: BTreeMap<i32, &TaskRecord> = BTreeMap::new();
        for task in self.tasks_of(job) {
            out.entry(task.instance)
                .and_modify(|known| {
                    if rank(task) > rank(known) {
                        *known = task;
                    }
                })
                .or_insert(task);
        }
        out
    }

    /// An update.
    pub fn update(&self, job: &JobPath, id: &str) -> Option<&UpdateRecord> {
        self.updates.get(&(job.clone(), id.to_owned()))
    }

    /// A task's configuration.
    pub fn config(&self, task: &TaskRecord) -> Option<&serde_json::Value> {
        self.configs.get(&task.config)
    }
}

/// Whether one of these topics tells a task.
fn is_told(topics: &BTreeMap<String, Topic>, task: &TaskRecord) -> bool {
    let mut told = topics.values().filter(|topic| topic.counted.is_none());
    told.any(|topic| topic.tells.has(task))
}

fn rank(task: &TaskRecord) -> (bool, i64, Seq, &str) {
    (
        task.status.is_active(),
        changed_ms(task),
        task.seq,
        &task.task_id,
    )
}

/// Time of a task's newest event; 0 without events.
pub fn changed_ms(task: &TaskRecord) -> i64 {
    task.events.last().map_or(0, |event| event.time_ms)
}

//! One feed: what a client has been told, and what it is told next.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aurora_api::feed::{Counted, Counts, Heartbeat, Hello, Line, Seq, Snapshot, SnapshotPart};
use aurora_api::model::{JobKey, JobUpdateKey};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Bounds;
use super::hub::{Hub, Key, Lost, TaskHost};
use super::outlet::{Gone, Outlet};
use super::render;
use super::topic::{Topic, Wanted};
use crate::core::store::{ConfigId, Job, Task, TaskId, instance_of};
use crate::core::{AuditRecord, View};

/// Time between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Least time between two lines about one job, host or update.
const SUMMARY_PAUSE: Duration = Duration::from_millis(250);
/// Least time between two lines about the sizes of tables.
const COUNTS_PAUSE: Duration = Duration::from_secs(1);
/// How far back summaries are repeated when a feed goes on: more than they can be late.
const SUMMARY_SLACK: Duration = Duration::from_secs(2);

/// What is told at once.
enum Told {
    Task(TaskId, Arc<JobKey>),
    Quota(String),
    Audit(Arc<AuditRecord>),
}

/// What is told in a while, with the position of its newest change.
#[derive(Default)]
struct Pending {
    jobs: BTreeMap<Arc<JobKey>, Seq>,
    hosts: BTreeMap<Arc<str>, Seq>,
    updates: BTreeMap<Arc<JobUpdateKey>, Seq>,
    maintenance: BTreeMap<Arc<str>, Seq>,
}

fn note<K: Ord + Clone>(pending: &mut BTreeMap<K, Seq>, key: &K, seq: Seq) {
    let known = pending.entry(key.clone()).or_insert(seq);
    *known = (*known).max(seq);
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.jobs.is_empty()
            && self.hosts.is_empty()
            && self.updates.is_empty()
            && self.maintenance.is_empty()
    }

    fn note(&mut self, seq: Seq, key: &Key) {
        match key {
            Key::Task { job, host, .. } => {
                note(&mut self.jobs, job, seq);
                if let TaskHost::On(host) = host {
                    note(&mut self.hosts, host, seq);
                }
            }
            Key::Host(host) => {
                note(&mut self.hosts, host, seq);
                note(&mut self.maintenance, host, seq);
            }
            Key::Maintenance(host) => note(&mut self.maintenance, host, seq),
            Key::Cron(job) => note(&mut self.jobs, job, seq),
            Key::Update(key) => {
                note(&mut self.updates, key, seq);
                note(&mut self.jobs, &Arc::new(key.job.clone()), seq);
            }
            Key::Quota(_) | Key::Audit(_) => {}
        }
    }
}

pub(super) struct Follower {
    hub: Arc<Hub>,
    out: Outlet,
    topics: BTreeSet<Topic>,
    bounds: Bounds,
    /// Topics of jobs whose tasks are not told.
    counted: BTreeSet<Topic>,
    /// How large the tables were when that was last told, and which are left out.
    counts: Counts,
    counted_at: Instant,
    /// Topics that the client is yet to be refused.
    denied: BTreeSet<Topic>,
    /// Everything up to here has been sent, except what is pending.
    cursor: Seq,
    configs: HashSet<ConfigId>,
    pending: Pending,
    summary_at: Instant,
}

impl Follower {
    pub(super) fn new(hub: Arc<Hub>, out: Outlet, wanted: Wanted, bounds: Bounds) -> Follower {
        Follower {
            hub,
            out,
            bounds,
            counted: BTreeSet::new(),
            counts: render::counts(Seq::default(), &View::default()),
            counted_at: Instant::now(),
            topics: wanted.topics,
            denied: wanted.denied,
            cursor: Seq::default(),
            configs: HashSet::new(),
            pending: Pending::default(),
            summary_at: Instant::now(),
        }
    }

    /// Tells the client everything until it goes away.
    pub(super) async fn run(
        mut self,
        hello: Hello,
        from: Option<Seq>,
        mut changes: mpsc::Receiver<Wanted>,
    ) -> Result<(), Gone> {
        let mut position = self.hub.position();
        self.line(&Line::Hello(hello)).await?;
        self.refuse().await?;
        self.start(from).await?;
        self.out.flush().await?;
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            let is_pending = !self.pending.is_empty();
            let summary_due = self.summary_at + SUMMARY_PAUSE;
            let (gone, hub) = (self.out.closed(), self.hub.clone());
            tokio::select! {
                changed = position.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    position.borrow_and_update();
                    self.catch_up().await?;
                }
                () = sleep_until(summary_due), if is_pending => self.catch_up().await?,
                wanted = changes.recv() => match wanted {
                    None => return Ok(()),
                    Some(wanted) => self.change_topics(wanted).await?,
                },
                () = sleep_until(heartbeat) => {
                    heartbeat = Instant::now() + HEARTBEAT;
                    self.catch_up().await?;
                    self.send_summary().await?;
                    let (view, _) = self.hub.newest();
                    self.recount(&view).await?;
                    self.line(&Line::Heartbeat(Heartbeat { seq: self.cursor })).await?;
                }
                () = gone => return Ok(()),
                () = hub.closed() => return Ok(()),
            }
            self.out.flush().await?;
        }
    }

    async fn start(&mut self, from: Option<Seq>) -> Result<(), Gone> {
        let Some(from) = from else {
            self.snapshots().await?;
            return Ok(());
        };
        match self.hub.since(from) {
            Ok(since) => {
                self.cursor = from;
                self.counts = render::counts(since.newest, &since.view);
                self.line(&Line::Counts(self.counts.clone())).await?;
                for (seq, key) in self.hub.shortly_before(from, SUMMARY_SLACK) {
                    self.pending.note(seq, &key);
                }
                self.advance().await?;
                self.send_summary().await
            }
            Err(lost) => self.reset(&lost).await.map(drop),
        }
    }

    async fn reset(&mut self, lost: &Lost) -> Result<View, Gone> {
        self.line(&Line::Reset {
            reason: lost.to_string(),
        })
        .await?;
        self.snapshots().await
    }

    /// Says which topics may not be read.
    async fn refuse(&mut self) -> Result<(), Gone> {
        for topic in std::mem::take(&mut self.denied) {
            self.line(&Line::Denied(topic.to_string())).await?;
        }
        Ok(())
    }

    /// Whole snapshots of all topics, at the newest position.
    async fn snapshots(&mut self) -> Result<View, Gone> {
        let (view, seq) = self.hub.newest();
        self.pending = Pending::default();
        self.counts = render::counts(seq, &view);
        if let Some(bound) = self.bounds.rows {
            for table in self.counts.tables.values_mut() {
                table.told = usize::try_from(table.rows).is_ok_and(|rows| rows <= bound);
            }
        }
        self.line(&Line::Counts(self.counts.clone())).await?;
        for topic in self.topics.clone() {
            self.snapshot(&topic, &view, seq).await?;
        }
        self.cursor = seq;
        Ok(view)
    }

    /// Everything after the cursor, then summaries when they are due.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        self.advance().await?;
        if self.summary_at + SUMMARY_PAUSE <= Instant::now() {
            self.send_summary().await?;
        }
        Ok(())
    }

    /// Lines for everything after the cursor; what summaries have to tell is noted. The answer is the state at the new cursor.
    async fn advance(&mut self) -> Result<View, Gone> {
        let since = match self.hub.since(self.cursor) {
            Ok(since) => since,
            Err(lost) => return self.reset(&lost).await,
        };
        for topic in self.grown(&since.view) {
            self.snapshot(&topic, &since.view, self.cursor).await?;
        }
        // Of several changes of one thing the last counts: a record tells all of it.
        let mut tasks: BTreeMap<TaskId, (Seq, Arc<JobKey>)> = BTreeMap::new();
        let mut quotas: BTreeMap<String, Seq> = BTreeMap::new();
        let mut ordered: Vec<(Seq, Told)> = Vec::new();
        for (seq, key) in since.keys {
            self.pending.note(seq, &key);
            match key {
                Key::Task { id, job, host } => {
                    if self.wants(&since.view, &id, &job, &host) {
                        tasks.insert(id, (seq, job));
                    }
                }
                Key::Quota(role) if self.tells(render::QUOTAS) => {
                    quotas.insert(role, seq);
                }
                Key::Audit(record) if self.topics.contains(&Topic::Audit) => {
                    ordered.push((seq, Told::Audit(record)));
                }
                Key::Audit(_)
                | Key::Quota(_)
                | Key::Host(_)
                | Key::Cron(_)
                | Key::Update(_)
                | Key::Maintenance(_) => {}
            }
        }
        // In the order of the log: a client that breaks off in between goes on from the last line it has.
        let view = &since.view;
        let tasks = tasks.into_iter();
        ordered.extend(tasks.map(|(id, (seq, job))| (seq, Told::Task(id, job))));
        let quotas = quotas.into_iter();
        ordered.extend(quotas.map(|(role, seq)| (seq, Told::Quota(role))));
        ordered.sort_by_key(|(seq, _)| *seq);
        for (seq, told) in ordered {
            match told {
                Told::Task(id, job) => match view.task(&id) {
                    Some(task) => self.task(seq, task).await?,
                    None => self.line(&render::task_removed(seq, &id, &job)).await?,
                },
                Told::Quota(role) => self.line(&render::quota(seq, &role, view)).await?,
                Told::Audit(record) => {
                    let record = render::audit(seq, &record);
                    self.line(&Line::Audit(record)).await?;
                }
            }
        }
        self.cursor = since.newest;
        Ok(since.view)
    }

    /// Pending summaries, from the newest state. The cursor is at that state or behind it; what lies between is told again when
    /// the cursor passes it.
    async fn send_summary(&mut self) -> Result<(), Gone> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (view, _) = self.hub.newest();
        let mut pending = std::mem::take(&mut self.pending);
        let mut lines: Vec<(Seq, Line)> = Vec::new();
        if self.counted_at + COUNTS_PAUSE <= Instant::now() {
            self.recount(&view).await?;
        }
        let jobs = pending.jobs.into_iter();
        for (key, seq) in jobs.filter(|_| self.tells(render::JOBS)) {
            lines.push((seq, render::job(seq, &key, &view, self.hub.zone())));
        }
        for (name, seq) in pending.hosts {
            if self.tells(render::HOSTS)
                && let Some(record) = render::host(seq, &name, &view)
            {
                lines.push((seq, Line::Host(record)));
            }
            // Whoever watches a drain wants to see the host get empty.
            if render::is_in_maintenance(&name, &view) {
                note(&mut pending.maintenance, &name, seq);
            }
        }
        if self.topics.contains(&Topic::Updates) {
            let updates = pending.updates.into_iter();
            lines.extend(updates.map(|(key, seq)| (seq, render::update(seq, &key, &view))));
        }
        if self.topics.contains(&Topic::Maintenance) {
            let hosts = pending.maintenance.into_iter();
            lines.extend(hosts.map(|(host, seq)| (seq, render::maintenance(seq, &host, &view))));
        }
        lines.sort_by_key(|(seq, _)| *seq);
        for (_, line) in lines {
            self.line(&line).await?;
        }
        self.summary_at = Instant::now();
        Ok(())
    }

    async fn change_topics(&mut self, wanted: Wanted) -> Result<(), Gone> {
        // The old topics are told up to the position at which the new ones begin.
        let view = self.advance().await?;
        let seq = self.cursor;
        let new: Vec<Topic> = wanted.topics.difference(&self.topics).cloned().collect();
        self.topics = wanted.topics;
        self.denied = wanted.denied;
        let topics = &self.topics;
        self.counted.retain(|topic| topics.contains(topic));
        self.refuse().await?;
        for topic in &new {
            self.snapshot(topic, &view, seq).await?;
        }
        Ok(())
    }

    /// Whether a job has more tasks than are told.
    fn is_too_large(&self, job: &JobKey, view: &View) -> bool {
        let most = self.bounds.tasks.unwrap_or(usize::MAX);
        view.job(job).is_some_and(|job| job.task_count() > most)
    }

    /// Topics of jobs that were told and have become too large.
    fn grown(&self, view: &View) -> Vec<Topic> {
        let told = self.topics.difference(&self.counted);
        let grown = told.filter(|topic| match topic {
            Topic::Job(key) => self.is_too_large(key, view),
            _ => false,
        });
        grown.cloned().collect()
    }

    fn wants(&self, view: &View, id: &TaskId, job: &JobKey, host: &TaskHost) -> bool {
        self.topics.iter().any(|topic| match topic {
            Topic::Summary | Topic::Updates | Topic::Maintenance | Topic::Audit => false,
            Topic::Job(key) => key == job && !self.counted.contains(topic),
            Topic::Instances(key, wanted) => {
                let known = || view.task(id).map(|task| task.instance);
                let instance = instance_of(id, job).or_else(known);
                // As of a host.
                key == job && instance.is_none_or(|instance| wanted.contains(&instance))
            }
            Topic::Role(role) => *role == job.role,
            Topic::Host(name) => match host {
                TaskHost::Nowhere => false,
                TaskHost::On(host) => **host == **name,
                // Better once too often that a task is gone than never.
                TaskHost::Unknown => true,
            },
        })
    }

    async fn snapshot(&mut self, topic: &Topic, view: &View, seq: Seq) -> Result<(), Gone> {
        let mark = |part| {
            Line::Snapshot(Snapshot {
                topic: topic.to_string(),
                seq,
                part,
            })
        };
        self.line(&mark(SnapshotPart::Begin)).await?;
        match topic {
            Topic::Summary => self.summary(view, seq).await?,
            Topic::Job(key) if self.is_too_large(key, view) => {
                self.counted.insert(topic.clone());
                let tasks = view.job(key).map_or(0, Job::task_count);
                self.line(&Line::Counted(Counted {
                    topic: topic.to_string(),
                    seq,
                    tasks: tasks as u64,
                }))
                .await?;
            }
            Topic::Job(key) => {
                self.counted.remove(topic);
                if let Some(job) = view.job(key) {
                    for task in view.tasks_of_job(job) {
                        self.task(seq, task).await?;
                    }
                }
            }
            Topic::Instances(key, wanted) => {
                let active = wanted.iter();
                let active = active.filter_map(|instance| view.active_task(key, *instance));
                let ended = view.job(key).into_iter();
                let ended = ended.flat_map(|job| view.ended_tasks(job));
                let ended = ended.filter(|task| wanted.contains(&task.instance));
                for task in active.chain(ended) {
                    self.task(seq, task).await?;
                }
            }
            Topic::Role(role) => {
                for job in view.jobs_of_role(role) {
                    for task in view.tasks_of_job(job) {
                        self.task(seq, task).await?;
                    }
                }
            }
            Topic::Host(host) => {
                for task in view.tasks_on_host(host) {
                    self.task(seq, task).await?;
                }
            }
            Topic::Updates => {
                for update in view.updates() {
                    if let Some(record) = render::update_record(seq, update) {
                        self.line(&Line::Update(record)).await?;
                    }
                }
            }
            Topic::Maintenance => {
                let asked = view.maintenance_requests().map(|request| &request.host);
                let hosts = view.hosts().map(|host| &host.attributes.host).chain(asked);
                let hosts: BTreeSet<&String> = hosts
                    .filter(|host| render::is_in_maintenance(host, view))
                    .collect();
                for host in hosts {
                    self.line(&render::maintenance(seq, host, view)).await?;
                }
            }
            Topic::Audit => {
                for record in view.audit() {
                    let record = render::audit(seq, record);
                    self.line(&Line::Audit(record)).await?;
                }
            }
        }
        self.line(&mark(SnapshotPart::End)).await
    }

    /// Whether a table of the summary is told.
    fn tells(&self, table: &str) -> bool {
        let size = self.counts.tables.get(table);
        size.is_none_or(|size| size.told)
    }

    /// Says how large the tables are, if that changed. Which are told stays as it is.
    async fn recount(&mut self, view: &View) -> Result<(), Gone> {
        self.counted_at = Instant::now();
        let mut counts = render::counts(self.cursor, view);
        for (name, table) in &mut counts.tables {
            table.told = self.tells(name);
        }
        if (counts.updating, &counts.tables) != (self.counts.updating, &self.counts.tables) {
            self.counts = counts;
            self.line(&Line::Counts(self.counts.clone())).await?;
        }
        Ok(())
    }

    /// All jobs, hosts and quotas in brief, as far as they are told.
    async fn summary(&mut self, view: &View, seq: Seq) -> Result<(), Gone> {
        let told = [render::JOBS, render::HOSTS, render::QUOTAS].map(|table| self.tells(table));
        for key in render::job_keys(view).filter(|_| told[0]) {
            if let Some(record) = render::job_record(seq, key, view, self.hub.zone()) {
                self.line(&Line::Job(record)).await?;
            }
        }
        for host in view.hosts().filter(|_| told[1]) {
            if let Some(record) = render::host(seq, &host.attributes.host, view) {
                self.line(&Line::Host(record)).await?;
            }
        }
        for role in view.quotas().keys().filter(|_| told[2]) {
            self.line(&render::quota(seq, role, view)).await?;
        }
        Ok(())
    }

    async fn task(&mut self, seq: Seq, task: &Task) -> Result<(), Gone> {
        if self.configs.insert(task.config.id) {
            self.line(&render::config(&task.config)).await?;
        }
        self.line(&render::task(seq, task)).await
    }

    async fn line(&mut self, line: &Line) -> Result<(), Gone> {
        self.hub.count_line();
        self.out.line(line).await
    }
}

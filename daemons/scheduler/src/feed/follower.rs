//! One feed: what a client has been told, and what it is told next.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aurora_api::feed::{Heartbeat, Hello, Line, Seq, Snapshot, SnapshotPart};
use aurora_api::model::JobKey;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::hub::{Hub, Key, Lost, TaskHost};
use super::render;
use super::topic::Topic;
use crate::core::View;
use crate::core::store::{ConfigId, Task, TaskId};

/// Bytes of one piece that is handed to the connection.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the connection: with [`PIECE`], 4 MiB.
pub(super) const PIECES: usize = 64;
/// A client that takes nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(30);
/// Time between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Least time between two lines about one job.
const SUMMARY_PAUSE: Duration = Duration::from_millis(250);
/// How far back summaries are repeated when a feed goes on: more than they can be late.
const SUMMARY_SLACK: Duration = Duration::from_secs(2);

/// The client is gone, or takes nothing.
pub(super) struct Gone;

/// What is told at once.
enum Told {
    Task(TaskId, Arc<JobKey>),
    Quota(String),
}

pub(super) struct Follower {
    pub(super) hub: Arc<Hub>,
    pub(super) out: mpsc::Sender<Bytes>,
    pub(super) topics: BTreeSet<Topic>,
    buffer: Vec<u8>,
    /// Everything up to here has been sent, except pending summaries.
    cursor: Seq,
    configs: HashSet<ConfigId>,
    jobs: BTreeMap<Arc<JobKey>, Seq>,
    hosts: BTreeMap<Arc<str>, Seq>,
    summary_at: Instant,
}

impl Follower {
    pub(super) fn new(
        hub: Arc<Hub>,
        out: mpsc::Sender<Bytes>,
        topics: BTreeSet<Topic>,
    ) -> Follower {
        Follower {
            hub,
            out,
            topics,
            buffer: Vec::new(),
            cursor: Seq::default(),
            configs: HashSet::new(),
            jobs: BTreeMap::new(),
            hosts: BTreeMap::new(),
            summary_at: Instant::now(),
        }
    }

    /// Tells the client everything until it goes away.
    pub(super) async fn run(
        mut self,
        hello: Hello,
        from: Option<Seq>,
        mut changes: mpsc::Receiver<BTreeSet<Topic>>,
    ) -> Result<(), Gone> {
        let mut position = self.hub.position();
        self.line(&Line::Hello(hello)).await?;
        self.start(from).await?;
        self.flush().await?;
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            let pending = !self.jobs.is_empty() || !self.hosts.is_empty();
            let summary_due = self.summary_at + SUMMARY_PAUSE;
            let (out, hub) = (self.out.clone(), self.hub.clone());
            tokio::select! {
                changed = position.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    position.borrow_and_update();
                    self.catch_up().await?;
                }
                () = sleep_until(summary_due), if pending => self.catch_up().await?,
                wanted = changes.recv() => match wanted {
                    None => return Ok(()),
                    Some(wanted) => self.change_topics(wanted).await?,
                },
                () = sleep_until(heartbeat) => {
                    heartbeat = Instant::now() + HEARTBEAT;
                    self.catch_up().await?;
                    self.send_summary().await?;
                    self.line(&Line::Heartbeat(Heartbeat { seq: self.cursor })).await?;
                }
                () = out.closed() => return Ok(()),
                () = hub.closed() => return Ok(()),
            }
            self.flush().await?;
        }
    }

    async fn start(&mut self, from: Option<Seq>) -> Result<(), Gone> {
        let Some(from) = from else {
            self.snapshots().await?;
            return Ok(());
        };
        match self.hub.since(from) {
            Ok(_) => {
                self.cursor = from;
                for (seq, key) in self.hub.shortly_before(from, SUMMARY_SLACK) {
                    self.note_summary(seq, &key);
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

    /// Whole snapshots of all topics, at the newest position.
    async fn snapshots(&mut self) -> Result<View, Gone> {
        let (view, seq) = self.hub.newest();
        self.jobs.clear();
        self.hosts.clear();
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

    /// Task lines for everything after the cursor; what summaries have to tell is noted. The answer is the state at the new
    /// cursor.
    async fn advance(&mut self) -> Result<View, Gone> {
        let since = match self.hub.since(self.cursor) {
            Ok(since) => since,
            Err(lost) => return self.reset(&lost).await,
        };
        // Of several changes of one thing the last counts: a record tells all of it.
        let mut tasks: BTreeMap<TaskId, (Seq, Arc<JobKey>)> = BTreeMap::new();
        let mut quotas: BTreeMap<String, Seq> = BTreeMap::new();
        for (seq, key) in since.keys {
            self.note_summary(seq, &key);
            match key {
                Key::Task { id, job, host } => {
                    if self.wants(&job, &host) {
                        tasks.insert(id, (seq, job));
                    }
                }
                Key::Quota(role) => {
                    quotas.insert(role, seq);
                }
                Key::Host(_) => {}
            }
        }
        // In the order of the log: a client that breaks off in between goes on from the last line it has.
        let view = &since.view;
        let mut ordered: Vec<(Seq, Told)> = tasks
            .into_iter()
            .map(|(id, (seq, job))| (seq, Told::Task(id, job)))
            .chain(
                quotas
                    .into_iter()
                    .map(|(role, seq)| (seq, Told::Quota(role))),
            )
            .collect();
        ordered.sort_by_key(|(seq, _)| *seq);
        for (seq, told) in ordered {
            match told {
                Told::Task(id, job) => match view.task(&id) {
                    Some(task) => self.task(seq, task).await?,
                    None => self.line(&render::task_removed(seq, &id, &job)).await?,
                },
                Told::Quota(role) => self.line(&render::quota(seq, &role, view)).await?,
            }
        }
        self.cursor = since.newest;
        Ok(since.view)
    }

    fn note_summary(&mut self, seq: Seq, key: &Key) {
        let newer = |known: &mut Seq| *known = (*known).max(seq);
        match key {
            Key::Task { job, host, .. } => {
                self.jobs
                    .entry(job.clone())
                    .and_modify(newer)
                    .or_insert(seq);
                if let TaskHost::On(host) = host {
                    self.hosts
                        .entry(host.clone())
                        .and_modify(newer)
                        .or_insert(seq);
                }
            }
            Key::Host(host) => {
                self.hosts
                    .entry(host.clone())
                    .and_modify(newer)
                    .or_insert(seq);
            }
            Key::Quota(_) => {}
        }
    }

    /// Pending summaries, from the newest state. The cursor is at that state or behind it; what lies between is told again when
    /// the cursor passes it.
    async fn send_summary(&mut self) -> Result<(), Gone> {
        if self.jobs.is_empty() && self.hosts.is_empty() {
            return Ok(());
        }
        let (view, _) = self.hub.newest();
        let mut lines: Vec<(Seq, Line)> = Vec::new();
        for (key, seq) in std::mem::take(&mut self.jobs) {
            lines.push((seq, render::job(seq, &key, &view)));
        }
        for (name, seq) in std::mem::take(&mut self.hosts) {
            if let Some(record) = render::host(seq, &name, &view) {
                lines.push((seq, Line::Host(record)));
            }
        }
        lines.sort_by_key(|(seq, _)| *seq);
        for (_, line) in lines {
            self.line(&line).await?;
        }
        self.summary_at = Instant::now();
        Ok(())
    }

    async fn change_topics(&mut self, wanted: BTreeSet<Topic>) -> Result<(), Gone> {
        // The old topics are told up to the position at which the new ones begin.
        let view = self.advance().await?;
        let seq = self.cursor;
        let new: Vec<Topic> = wanted.difference(&self.topics).cloned().collect();
        self.topics = wanted;
        for topic in &new {
            self.snapshot(topic, &view, seq).await?;
        }
        Ok(())
    }

    fn wants(&self, job: &JobKey, host: &TaskHost) -> bool {
        self.topics.iter().any(|topic| match topic {
            Topic::Summary => false,
            Topic::Job(key) => key == job,
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
            Topic::Summary => {
                for job in view.jobs() {
                    self.line(&Line::Job(render::job_record(seq, job, view)))
                        .await?;
                }
                for host in view.hosts() {
                    if let Some(record) = render::host(seq, &host.attributes.host, view) {
                        self.line(&Line::Host(record)).await?;
                    }
                }
                for role in view.quotas().keys() {
                    self.line(&render::quota(seq, role, view)).await?;
                }
            }
            Topic::Job(key) => {
                if let Some(job) = view.job(key) {
                    for task in view.tasks_of_job(job) {
                        self.task(seq, task).await?;
                    }
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
        }
        self.line(&mark(SnapshotPart::End)).await
    }

    async fn task(&mut self, seq: Seq, task: &Task) -> Result<(), Gone> {
        if self.configs.insert(task.config.id) {
            self.line(&render::config(&task.config)).await?;
        }
        self.line(&render::task(seq, task)).await
    }

    async fn line(&mut self, line: &Line) -> Result<(), Gone> {
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            // Records have texts for keys; nothing in them cannot be written.
            tracing::error!(%error, "a line of the event feed cannot be written");
            return Err(Gone);
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        match timeout(STALLED, self.out.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

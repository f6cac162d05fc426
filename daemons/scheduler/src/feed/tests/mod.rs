//! Whatever a client does (break off in the middle, go on later, change its topics, read slowly), it ends up with what the
//! scheduler has: no gap, no repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurora_api::feed::{Line, SnapshotPart, TaskRecord};
use aurora_api::model::{HostAttributes, Range, ScheduleStatus, TaskConfig};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::topic::Topic;
use super::*;
use crate::core::store::ConfigId;
use crate::core::{Changes, Op, Store, View};
use crate::engine::tests::job;

const JOBS: [&str; 3] = ["x", "y", "z"];

/// A store that changes at random, and the hub that tells of it.
struct World {
    store: Store,
    hub: Arc<Hub>,
    random: StdRng,
    index: u64,
    seed: u128,
}

impl World {
    fn new(seed: u64) -> World {
        let store = Store::default();
        World {
            hub: Arc::new(Hub::new(store.view(), &[], 0)),
            store,
            random: StdRng::seed_from_u64(seed),
            index: 0,
            seed: 1,
        }
    }

    /// One log entry of some changes.
    fn change(&mut self) {
        let before = self.store.view();
        let mut changes = Changes::new();
        for _ in 0..self.random.random_range(1..5) {
            for op in self.op() {
                changes.extend(self.store.apply(&op).unwrap());
            }
        }
        self.publish(&before, &changes);
    }

    fn publish(&mut self, before: &View, changes: &Changes) {
        self.index += 1;
        self.hub
            .publish(self.index, changes, before, &self.store.view());
    }

    fn tasks(&self) -> Vec<crate::core::store::Task> {
        let view = self.store.view();
        let all = aurora_api::model::TaskQuery::default();
        view.tasks(&all).cloned().collect()
    }

    fn op(&mut self) -> Vec<Op> {
        let time = i64::try_from(self.index).unwrap() * 1000;
        let tasks = self.tasks();
        let task = tasks.choose(&mut self.random);
        match (self.random.random_range(0..10), task) {
            (0..=2, _) | (_, None) => self.insert(),
            (3..=6, Some(task)) if task.status.is_active() => {
                let status = *[
                    ScheduleStatus::Starting,
                    ScheduleStatus::Running,
                    ScheduleStatus::Finished,
                    ScheduleStatus::Failed,
                ]
                .choose(&mut self.random)
                .unwrap();
                vec![Op::SaveStatus {
                    task: task.id(),
                    status,
                    message: None,
                    time,
                }]
            }
            (7, Some(task)) if task.status == ScheduleStatus::Pending => vec![Op::Assign {
                task: task.id(),
                agent: "agent".into(),
                host: ["h1", "h2"]
                    .choose(&mut self.random)
                    .copied()
                    .unwrap()
                    .into(),
                ports: Vec::new(),
                time,
            }],
            (8, Some(task)) if task.status.is_terminal() => vec![Op::RemoveTasks {
                tasks: vec![task.id()],
            }],
            (9, _) => vec![Op::SaveHost {
                attributes: HostAttributes {
                    host: "h1".to_owned(),
                    ..HostAttributes::default()
                }
                .into(),
            }],
            _ => Vec::new(),
        }
    }

    /// A task of a random job, unless all its instances are taken.
    fn insert(&mut self) -> Vec<Op> {
        let name = JOBS.choose(&mut self.random).copied().unwrap();
        let config: TaskConfig = job(name, 1).task_config;
        let view = self.store.view();
        let Some(instance) = (0..6).find(|i| view.active_task(&config.job, *i).is_none()) else {
            return Vec::new();
        };
        self.insert_of(config, instance)
    }

    /// A task of this configuration.
    fn insert_of(&mut self, config: TaskConfig, instance: i32) -> Vec<Op> {
        let mut ops = Vec::new();
        let id = self.store.config_id(&config).unwrap_or_else(|| {
            let id: ConfigId = self.store.next_config_id();
            ops.push(Op::AddConfig {
                id,
                config: Arc::new(config),
            });
            id
        });
        self.seed += 1;
        ops.push(Op::InsertTasks {
            config: id,
            instances: vec![Range {
                first: instance,
                last: instance,
            }],
            seed: self.seed,
            time: 1,
        });
        ops
    }
}

/// What a client knows.
#[derive(Default)]
struct Client {
    feed: String,
    tasks: BTreeMap<String, TaskRecord>,
    configs: BTreeSet<String>,
    last: Option<Seq>,
    whole: BTreeSet<String>,
    /// Snapshots still to come: a topic that was dropped and taken again begins with another one, and the end of the first
    /// does not make it whole.
    awaited: BTreeMap<String, usize>,
    /// The tasks of the snapshot that is coming in. They count at its end: topics overlap, and half a snapshot of one must
    /// not void what is known through another.
    snapshot: Option<Vec<TaskRecord>>,
    resets: usize,
}

fn covers(topic: &Topic, task: &TaskRecord) -> bool {
    match topic {
        Topic::Summary | Topic::Updates | Topic::Maintenance | Topic::Audit => false,
        Topic::Job(key) => task.job.0 == *key,
        Topic::Instances(key, wanted) => task.job.0 == *key && wanted.contains(&task.instance),
        Topic::Role(role) => task.job.0.role == *role,
        Topic::Host(host) => task.host.as_ref() == Some(host),
    }
}

impl Client {
    fn hear(&mut self, line: Line) {
        let mut seen = |seq: Seq| self.last = self.last.max(Some(seq));
        match line {
            Line::Hello(hello) => {
                self.feed = hello.feed;
                self.configs.clear();
            }
            Line::Reset { .. } => {
                self.resets += 1;
                self.last = None;
                self.whole.clear();
            }
            Line::Snapshot(snapshot) => match snapshot.part {
                SnapshotPart::Begin => {
                    self.whole.remove(&snapshot.topic);
                    self.snapshot = Some(Vec::new());
                }
                SnapshotPart::End => {
                    seen(snapshot.seq);
                    let topic = parse_all([&*snapshot.topic]).unwrap().pop_last().unwrap();
                    self.tasks.retain(|_, task| !covers(&topic, task));
                    for task in self.snapshot.take().unwrap() {
                        self.tasks.insert(task.task_id.clone(), task);
                    }
                    let awaited = self.awaited.get_mut(&snapshot.topic).unwrap();
                    *awaited -= 1;
                    if *awaited == 0 {
                        self.whole.insert(snapshot.topic);
                    }
                }
            },
            Line::Task(task) => {
                assert!(self.configs.contains(&task.config), "config before use");
                if let Some(snapshot) = &mut self.snapshot {
                    snapshot.push(task);
                    return;
                }
                seen(task.seq);
                let known = self.tasks.get(&task.task_id);
                assert!(
                    known.is_none_or(|known| known.seq < task.seq),
                    "repeated: {known:?} then {task:?}"
                );
                self.tasks.insert(task.task_id.clone(), task);
            }
            Line::TaskRemoved(removed) => {
                seen(removed.seq);
                self.tasks.remove(&removed.task_id);
            }
            Line::Config(config) => {
                assert!(self.configs.insert(config.id), "a config is sent once");
            }
            Line::Job(record) => {
                if self.snapshot.is_none() {
                    seen(record.seq);
                }
            }
            Line::JobRemoved(record) => seen(record.seq),
            Line::Host(record) => {
                if self.snapshot.is_none() {
                    seen(record.seq);
                }
            }
            Line::Quota(record) => seen(record.seq),
            Line::Heartbeat(heartbeat) => seen(heartbeat.seq),
            Line::Counts(_) => {}
            Line::Counted(counted) => panic!("{counted:?} though all is asked for"),
            Line::Update(record) => seen(record.seq),
            Line::UpdateRemoved(record) => seen(record.seq),
            Line::Maintenance(record) => seen(record.seq),
            Line::Audit(record) => seen(record.seq),
            Line::Denied(topic) => panic!("{topic} is denied"),
        }
    }

    /// Topics whose snapshots will come.
    fn expect(&mut self, topics: &BTreeSet<Topic>) {
        for topic in topics {
            *self.awaited.entry(topic.to_string()).or_default() += 1;
        }
    }

    /// From where it can go on: only when it has all topics whole.
    fn resume(&self, topics: &BTreeSet<Topic>) -> Option<Seq> {
        let whole = topics
            .iter()
            .all(|topic| self.whole.contains(&topic.to_string()));
        self.last.filter(|_| whole)
    }
}

fn lines(piece: &Bytes) -> Vec<Line> {
    piece
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn greeting() -> Greeting {
    Greeting {
        cluster: "c".to_owned(),
        leader: "l:1".to_owned(),
        server_time_ms: 0,
    }
}

fn subscription(topics: BTreeSet<Topic>, from: Option<Seq>) -> Subscription {
    Subscription {
        bounds: Bounds::default(),
        wanted: Wanted::of(topics, true),
        from,
        principal: "test".to_owned(),
        encoding: Encoding::Plain,
    }
}

fn follow(hub: &Arc<Hub>, topics: BTreeSet<Topic>, from: Option<Seq>) -> mpsc::Receiver<Bytes> {
    open(hub, greeting(), subscription(topics, from)).unwrap()
}

async fn next(pieces: &mut mpsc::Receiver<Bytes>) -> Bytes {
    tokio::time::timeout(Duration::from_secs(20), pieces.recv())
        .await
        .expect("the feed says something")
        .expect("the feed goes on")
}

fn some_topics(random: &mut StdRng) -> BTreeSet<Topic> {
    let all = [
        "job/www-data/devel/x",
        "job/www-data/devel/y",
        "job/www-data/devel/x/0:2-3",
        "job/www-data/devel/z/1",
        "role/www-data",
        "host/h1",
    ];
    parse_all(all.into_iter().filter(|_| random.random_bool(0.5))).unwrap()
}

async fn scenario(seed: u64) {
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    let mut world = World::new(seed);
    let mut random = StdRng::seed_from_u64(seed ^ 0xfeed);
    for _ in 0..random.random_range(0..20) {
        world.change();
    }
    let mut client = Client::default();
    let mut topics = some_topics(&mut random);
    let mut pieces = follow(&world.hub, topics.clone(), None);
    client.expect(&topics);
    for _ in 0..40 {
        match random.random_range(0..10) {
            0..=4 => world.change(),
            5..=6 => tokio::task::yield_now().await,
            7 => {
                if let Ok(piece) = pieces.try_recv() {
                    lines(&piece).into_iter().for_each(|line| client.hear(line));
                }
            }
            8 => {
                // Breaks off in the middle of what it gets, and comes back.
                if let Ok(piece) = pieces.try_recv() {
                    let lines = lines(&piece);
                    let heard = random.random_range(0..=lines.len());
                    lines
                        .into_iter()
                        .take(heard)
                        .for_each(|line| client.hear(line));
                }
                drop(pieces);
                client.snapshot = None;
                client.feed.clear();
                let from = client.resume(&topics);
                client.awaited.clear();
                if from.is_none() {
                    client.whole.clear();
                    client.expect(&topics);
                }
                pieces = follow(&world.hub, topics.clone(), from);
            }
            _ => {
                // The feed's id is known once it has said hello.
                let Some(feed) = world.hub.feed(&client.feed) else {
                    continue;
                };
                let wanted = some_topics(&mut random);
                if feed.try_send(Wanted::of(wanted.clone(), true)).is_ok() {
                    client.expect(&wanted.difference(&topics).cloned().collect());
                    client
                        .whole
                        .retain(|topic| wanted.iter().any(|wanted| wanted.to_string() == *topic));
                    topics = wanted;
                    // Its changes reach the feed before anything else happens, as an answered request does.
                    while feed.capacity() < feed.max_capacity() {
                        if let Ok(piece) = pieces.try_recv() {
                            lines(&piece).into_iter().for_each(|line| client.hear(line));
                        }
                        tokio::task::yield_now().await;
                        assert!(std::time::Instant::now() < patience, "seed {seed}");
                    }
                }
            }
        }
    }
    // The end: a change of the quota, which every feed tells, comes last.
    let before = world.store.view();
    let op = Op::SaveQuota {
        role: format!("end{seed}"),
        quota: aurora_api::model::ResourceAggregate::default(),
    };
    let changes = world.store.apply(&op).unwrap();
    world.publish(&before, &changes);
    let target = world.hub.newest().1;
    let caught_up = |client: &Client| client.resume(&topics).is_some_and(|seq| seq >= target);
    while !caught_up(&client) {
        let piece = next(&mut pieces).await;
        lines(&piece).into_iter().for_each(|line| client.hear(line));
    }
    assert_eq!(client.resets, 0, "seed {seed}");
    let view = world.store.view();
    let expected: BTreeMap<String, TaskRecord> = world
        .tasks()
        .iter()
        .map(|task| match render::task(Seq::default(), task) {
            Line::Task(record) => (record.task_id.clone(), record),
            other => panic!("{other:?}"),
        })
        .filter(|(_, task)| topics.iter().any(|topic| covers(topic, task)))
        .collect();
    let mut found = client.tasks.clone();
    found.retain(|_, task| topics.iter().any(|topic| covers(topic, task)));
    for task in found.values_mut() {
        task.seq = Seq::default();
    }
    assert_eq!(found, expected, "seed {seed}, topics {topics:?}");
    drop(view);
}

#[tokio::test(flavor = "current_thread")]
async fn no_gap_and_no_repeat_whatever_the_client_does() {
    for seed in 0..400 {
        scenario(seed).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_too_old_or_of_another_log_is_reset() {
    let mut world = World::new(7);
    for _ in 0..5 {
        world.change();
    }
    let ahead = Seq {
        index: 6,
        ordinal: 0,
    };
    let hub = world.hub.clone();
    let mut pieces = follow(&hub, parse_all([]).unwrap(), Some(ahead));
    let heard = lines(&next(&mut pieces).await);
    assert!(matches!(heard[0], Line::Hello(_)), "{heard:?}");
    assert!(
        matches!(&heard[1], Line::Reset { reason } if reason.contains("this log ends at 5.")),
        "{heard:?}"
    );
    assert!(matches!(heard[2], Line::Counts(_)), "{heard:?}");
    assert!(matches!(heard[3], Line::Snapshot(_)), "{heard:?}");

    // After a restart that remembers from entry 5 on.
    let changes = Changes::new();
    let hub = Arc::new(Hub::new(world.store.view(), &[(5, changes)], 4));
    // Of entry 4 it is not known any more whether 4.0 was its last change.
    for (from, reset) in [(3, true), (4, true), (5, false)] {
        let from = Seq {
            index: from,
            ordinal: 0,
        };
        let mut pieces = follow(&hub, parse_all([]).unwrap(), Some(from));
        let mut heard = lines(&next(&mut pieces).await);
        if heard.len() == 1 && reset {
            heard.extend(lines(&next(&mut pieces).await));
        }
        let found = heard.iter().any(|line| matches!(line, Line::Reset { .. }));
        assert_eq!(found, reset, "from {from}: {heard:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_feed_begins_once_after_a_restart_from_a_snapshot_alone() {
    let mut world = World::new(7);
    world.change();
    // Everything is in the snapshot at entry 1; nothing is remembered of it.
    let before = world.store.view();
    world.hub = Arc::new(Hub::new(before.clone(), &[], 1));
    let mut pieces = follow(&world.hub, parse_all([]).unwrap(), None);
    let heard = lines(&next(&mut pieces).await);
    assert!(matches!(heard.last(), Some(Line::Snapshot(_))), "{heard:?}");
    let op = Op::SaveQuota {
        role: "r".to_owned(),
        quota: aurora_api::model::ResourceAggregate::default(),
    };
    let changes = world.store.apply(&op).unwrap();
    world.publish(&before, &changes);
    let heard = lines(&next(&mut pieces).await);
    assert!(
        matches!(&heard[..], [Line::Quota(quota)] if quota.seq.index == 2),
        "{heard:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn counts_of_a_job_are_told_at_most_four_times_a_second() {
    let mut world = World::new(3);
    let mut pieces = follow(&world.hub, parse_all([]).unwrap(), None);
    let began = std::time::Instant::now();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    while began.elapsed() < Duration::from_millis(1200) {
        world.change();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        while let Ok(piece) = pieces.try_recv() {
            for line in lines(&piece) {
                if let Line::Job(record) = line {
                    *told.entry(record.job.to_string()).or_default() += 1;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await; // moment between two changes
    }
    assert!(!told.is_empty());
    for (job, times) in told {
        assert!(times <= 6, "{job} was told {times} times in 1.2 s");
    }
}

mod topics;

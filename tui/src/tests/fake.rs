//! A cluster without a network, and what is on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aurora_api::feed::{
    self, ConfigRecord, Hello, HostRecord, JobRecord, Line, QuotaRecord, Seq, Snapshot,
    SnapshotPart, TaskRecord,
};
use aurora_api::model::{JobUpdateAction, JobUpdateStatus, MaintenanceMode, ScheduleStatus};
use aurora_api::observer::{TaskHistory, TaskSample};
use aurora_tui_model::actions::{Action, Progress, Subject};
use aurora_tui_model::event::{
    Call, Event, FileEntry, FileKind, Process, Seen, TaskInfo, Usage, Watch, WatchWhat,
};
use aurora_tui_model::jobfile::{Charge, Fate, FromFile, Group};
use aurora_tui_model::store::Tells;
use aurora_tui_model::told::{
    Amounts, Answer, Backups, InstanceStep, Offer, Question, QuotaUse, Section, Strategy,
    UpdateInfo, UpdateStep,
};
use tokio::sync::watch;

use crate::data::{Events, Job, Source, report};

/// 2026-01-02 03:04:05 UTC: `date -u -d @1767323045`.
pub(crate) const NOW: i64 = 1_767_323_045_000;

pub(super) fn seq(index: u64) -> Seq {
    Seq { index, ordinal: 0 }
}

pub(super) fn mark(topic: &str, part: SnapshotPart) -> Line {
    Line::Snapshot(Snapshot {
        topic: topic.to_owned(),
        seq: seq(5),
        part,
    })
}

pub(super) fn job(key: &str, states: &[(ScheduleStatus, u32)], age_ms: i64) -> Line {
    Line::Job(JobRecord {
        seq: seq(5),
        job: key.parse().unwrap(),
        states: states.iter().copied().collect(),
        active: states
            .iter()
            .filter(|(status, _)| status.is_active())
            .map(|(_, count)| count)
            .sum(),
        service: true,
        tier: "preemptible".to_owned(),
        cron_schedule: key.contains("report").then(|| "* * * * *".to_owned()),
        cron_last: None,
        update: None,
        changed_ms: NOW - age_ms,
    })
}

pub(super) fn task(instance: i32, generation: &str, status: ScheduleStatus) -> Line {
    let event = |age_ms: i64, status: ScheduleStatus, message: Option<&str>| feed::Event {
        time_ms: NOW - age_ms,
        status,
        message: message.map(str::to_owned),
    };
    Line::Task(TaskRecord {
        seq: seq(6),
        task_id: format!("www-data-devel-hello-{instance}-{generation}"),
        job: "www-data/devel/hello".parse().unwrap(),
        instance,
        status,
        host: (status != ScheduleStatus::Pending).then(|| "host-1.example".to_owned()),
        agent_id: None,
        ports: [("http".to_owned(), 31_000 + instance)].into(),
        failure_count: instance,
        ancestor: None,
        config: "c1".to_owned(),
        events: vec![
            event(95_000, ScheduleStatus::Pending, None),
            event(
                30_000 + i64::from(instance) * 1000,
                status,
                (instance == 1).then_some("bad\u{1b}[31m \u{202e}message"),
            ),
        ],
    })
}

pub(super) fn summary() -> Vec<Line> {
    let host = |name: &str, mode| {
        Line::Host(HostRecord {
            seq: seq(5),
            host: name.to_owned(),
            agent_id: "S0".to_owned(),
            mode,
            attributes: BTreeMap::from([("rack".to_owned(), vec!["r1".to_owned()])]),
            tasks: 3,
        })
    };
    vec![
        Line::Hello(Hello {
            feed: "f".to_owned(),
            seq: seq(5),
            cluster: "devcluster".to_owned(),
            leader: "leader.example:8081".to_owned(),
            server_time_ms: NOW,
            version: feed::VERSION,
            capabilities: Vec::new(),
        }),
        mark("summary", SnapshotPart::Begin),
        job(
            "www-data/devel/hello",
            &[(ScheduleStatus::Running, 2), (ScheduleStatus::Failed, 1)],
            31_000,
        ),
        job(
            "www-data/prod/a-service-with-quite-a-long-name",
            &[(ScheduleStatus::Pending, 4), (ScheduleStatus::Running, 96)],
            7_200_000,
        ),
        job(
            "ops/devel/report",
            &[(ScheduleStatus::Finished, 12)],
            400_000_000,
        ),
        host("host-1.example", MaintenanceMode::None),
        host("host-2.example", MaintenanceMode::Draining),
        Line::Quota(QuotaRecord {
            seq: seq(5),
            role: "www-data".to_owned(),
            cpus: 10.5,
            ram_mb: 2048,
            disk_mb: 10_240,
        }),
        mark("summary", SnapshotPart::End),
    ]
}

pub(super) fn hello_tasks() -> Vec<Line> {
    vec![
        mark("job/www-data/devel/hello", SnapshotPart::Begin),
        Line::Config(ConfigRecord {
            id: "c1".to_owned(),
            config: serde_json::json!({"resources": [{"numCpus": 0.5}, {"ramMb": 64}, {"diskMb": 128}, {"namedPort": "http"}]}),
        }),
        task(0, "a", ScheduleStatus::Running),
        task(1, "a", ScheduleStatus::Failed),
        task(2, "a", ScheduleStatus::Running),
        mark("job/www-data/devel/hello", SnapshotPart::End),
    ]
}

/// The same of some instances.
fn hello_some(topic: &str) -> Vec<Line> {
    let mut lines = hello_tasks();
    let tells = Tells::of(topic);
    lines.retain(|line| match line {
        Line::Task(task) => tells.has(task),
        _ => true,
    });
    for line in &mut lines {
        if let Line::Snapshot(mark) = line {
            topic.clone_into(&mut mark.topic);
        }
    }
    lines
}

pub(super) fn task_info() -> TaskInfo {
    TaskInfo {
        state: "ACTIVE".to_owned(),
        used: Usage {
            cpu: 0.25,
            ram: 20 << 20,
        },
        processes: vec![
            Process {
                name: "setup".to_owned(),
                state: "SUCCESS".to_owned(),
                start_ms: Some(NOW - 29_000),
                stop_ms: Some(NOW - 28_000),
                cmdline: "mkdir data".to_owned(),
                ..Process::default()
            },
            Process {
                name: "main".to_owned(),
                state: "RUNNING".to_owned(),
                run: 1,
                start_ms: Some(NOW - 27_000),
                used: Some(Usage {
                    cpu: 0.25,
                    ram: 20 << 20,
                }),
                cmdline: "./server --port 31000".to_owned(),
                ..Process::default()
            },
        ],
    }
}

/// A cluster that answers at once.
pub(crate) struct Fake {
    pub(crate) calls: Mutex<Vec<Call>>,
    answer: Progress,
    /// Whether changes have their effect.
    obeys: bool,
    feed: Mutex<Option<Events>>,
}

impl Fake {
    pub(crate) fn new(answer: Progress, obeys: bool) -> Arc<Fake> {
        Arc::new(Fake {
            calls: Mutex::new(Vec::new()),
            answer,
            obeys,
            feed: Mutex::new(None),
        })
    }
}

impl Source for Fake {
    fn follow(&self, mut topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job {
        *self.feed.lock().unwrap() = Some(events.clone());
        Box::pin(async move {
            for line in summary() {
                report(&events, Event::Feed(NOW, line)).await;
            }
            let mut sent = BTreeSet::new();
            loop {
                let wanted = topics.borrow_and_update().clone();
                for topic in wanted.difference(&sent) {
                    let lines = match topic.as_str() {
                        "job/www-data/devel/hello" => hello_tasks(),
                        some if some.starts_with("job/www-data/devel/hello/") => hello_some(some),
                        "summary" => Vec::new(),
                        other => vec![
                            mark(other, SnapshotPart::Begin),
                            mark(other, SnapshotPart::End),
                        ],
                    };
                    for line in lines {
                        report(&events, Event::Feed(NOW, line)).await;
                    }
                }
                sent = wanted;
                if topics.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    fn watch(&self, generation: u64, watch: Watch, events: Events) -> Job {
        Box::pin(async move {
            let seen = match watch.what {
                WatchWhat::Task => Seen::Task(task_info()),
                WatchWhat::Directory(_) => Seen::Directory(vec![
                    FileEntry {
                        name: "b.txt".to_owned(),
                        kind: FileKind::File,
                        size: 1536,
                        modified_ms: NOW,
                        permissions: "rw-r--r--".to_owned(),
                    },
                    FileEntry {
                        name: "data".to_owned(),
                        kind: FileKind::Directory,
                        size: 4096,
                        modified_ms: NOW,
                        permissions: "rwxr-xr-x".to_owned(),
                    },
                ]),
                WatchWhat::Ask(question) => Seen::Answer(answer(question)),
                WatchWhat::Page(_) => Seen::Absent("There are no pages.".to_owned()),
                WatchWhat::History => Seen::History(history()),
                WatchWhat::File { path, .. } => Seen::Bytes {
                    offset: 0,
                    next: 10,
                    bytes: format!("content of {path}\n").into_bytes(),
                },
                WatchWhat::Log { stream, .. } => Seen::Bytes {
                    offset: 0,
                    next: 10,
                    bytes: format!(
                        "{} plain\n\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jrest\n",
                        stream.name()
                    )
                    .into_bytes(),
                },
            };
            report(&events, Event::Seen(generation, seen)).await;
        })
    }

    fn send(&self, call: Call, events: Events) -> Job {
        self.calls.lock().unwrap().push(call.clone());
        let answer = self.answer.clone();
        let obeys = self.obeys;
        Box::pin(async move {
            report(&events, Event::Answer(call.id, answer)).await;
            let Subject::Instances(instances) = call.subject else {
                return;
            };
            for instance in instances.targets.into_iter().map(|target| target.instance) {
                if obeys {
                    report(
                        &events,
                        Event::Feed(NOW, task(instance, "a", ScheduleStatus::Killed)),
                    )
                    .await;
                    if call.action == Action::Restart {
                        report(
                            &events,
                            Event::Feed(NOW, task(instance, "b", ScheduleStatus::Running)),
                        )
                        .await;
                    }
                }
            }
        })
    }

    fn launch(&self, _events: Events) -> Job {
        Box::pin(async {})
    }

    fn suggest(&self, _events: Events) -> Job {
        Box::pin(async {})
    }
}

/// What the scheduler answers when it is asked beside its feed.
fn answer(question: Question) -> Answer {
    match question {
        Question::Why(_) => Answer::Why(serde_json::json!({})),
        Question::Update(..) => Answer::Update(Box::new(update_info())),
        Question::Quotas => Answer::Quotas(BTreeMap::from([(
            "www-data".to_owned(),
            QuotaUse {
                counted: Amounts {
                    cpus: 8.0,
                    ram: 512.0 * 1024.0 * 1024.0,
                    disk: 10240.0 * 1024.0 * 1024.0,
                },
                other: Amounts {
                    cpus: 1.5,
                    ram: 64.0 * 1024.0 * 1024.0,
                    disk: 0.0,
                },
            },
        )])),
        Question::Offers => Answer::Offers(Vec::new()),
        Question::OffersOf(host) => Answer::Offers(vec![Offer {
            id: "O17".to_owned(),
            host,
            amounts: Amounts {
                cpus: 2.5,
                ram: 3.0 * 1024.0 * 1024.0 * 1024.0,
                disk: 10240.0 * 1024.0 * 1024.0,
            },
            ports: 100,
            revocable: false,
        }]),
        Question::Backups => Answer::Backups(Backups {
            names: ["scheduler-backup-2026-01-02-03-00".to_owned()].into(),
            staged: None,
        }),
        Question::Config(..) => Answer::Sheet(vec![Section {
            title: "instances 0-2".to_owned(),
            lines: [
                "{",
                "  \"isService\": true,",
                "  \"maxTaskFailures\": 1",
                "}",
            ]
            .map(str::to_owned)
            .to_vec(),
        }]),
        Question::Diff(..) => Answer::Sheet(vec![Section {
            title: "instances 0-1 changed from - to +".to_owned(),
            lines: [
                "  {",
                "-   \"isService\": true,",
                "+   \"isService\": false,",
                "...",
            ]
            .map(str::to_owned)
            .to_vec(),
        }]),
        Question::Vars => Answer::Vars(BTreeMap::from([
            ("jvm_uptime_secs".to_owned(), 12.0),
            ("task_store_RUNNING".to_owned(), 98.0),
        ])),
        Question::Drain(_) => Answer::None("The scheduler does not tell.".to_owned()),
        Question::JobFile(_) => Answer::JobFile(Box::new(of_file())),
        Question::Paths(_) | Question::JobsOf(_) => Answer::Words(Vec::new()),
    }
}

/// A job file that changes the first two instances of three.
fn of_file() -> FromFile {
    let group = |fate, instances: &str, count, lines: &[&str]| Group {
        fate,
        instances: instances.to_owned(),
        count,
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    FromFile {
        configuration: String::new(),
        settings: Some(String::new()),
        schedule: None,
        instances: 3,
        strategy: Some(Strategy::Queue(1)),
        limits: vec!["fails after 1 instance(s) failed more than 0 time(s)".to_owned()],
        wait_ms: 45_000,
        warnings: Vec::new(),
        groups: vec![
            group(
                Fate::Changed,
                "0-1",
                2,
                &[
                    "    \"cmdline\": \"",
                    "- ./server --old",
                    "+ ./server --new",
                    "  \",",
                ],
            ),
            group(Fate::Kept, "2", 1, &[]),
        ],
        charge: Charge::default(),
    }
}

fn history() -> TaskHistory {
    let sample = |at: i64| TaskSample {
        at_ms: NOW - 10_000 * (7 - at),
        cpu: 0.125 * at as f64,
        ram: (4 << 20) * at.unsigned_abs(),
        disk: 0,
    };
    TaskHistory {
        interval_secs: 10,
        samples: (0..8).map(sample).collect(),
    }
}

/// An update of seven instances in batches of three, the second batch going on.
fn update_info() -> UpdateInfo {
    use JobUpdateAction::*;
    let step = |instance: i32, age_ms: i64, action| InstanceStep {
        instance,
        time_ms: NOW - age_ms,
        action,
        message: (action == InstanceUpdateFailed).then(|| "Failed its health check.".to_owned()),
    };
    UpdateInfo {
        status: JobUpdateStatus::RollingForward,
        user: Some("ann".to_owned()),
        created_ms: NOW - 120_000,
        changed_ms: NOW - 15_000,
        before: vec![0, 1, 2, 3, 4, 5],
        after: vec![0, 1, 2, 3, 4, 5, 6],
        strategy: Strategy::Batches {
            sizes: vec![3],
            pauses: true,
        },
        limits: vec![
            "fails after 2 instance(s) failed more than 0 time(s)".to_owned(),
            "then rolls back".to_owned(),
        ],
        steps: vec![
            UpdateStep {
                time_ms: NOW - 120_000,
                status: JobUpdateStatus::RollingForward,
                user: Some("ann".to_owned()),
                message: Some("new colours".to_owned()),
            },
            UpdateStep {
                time_ms: NOW - 60_000,
                status: JobUpdateStatus::RollForwardPaused,
                user: None,
                message: Some("batch 1 is done".to_owned()),
            },
            UpdateStep {
                time_ms: NOW - 15_000,
                status: JobUpdateStatus::RollingForward,
                user: Some("bob".to_owned()),
                message: None,
            },
        ],
        instances: vec![
            step(6, 115_000, InstanceUpdating),
            step(0, 115_000, InstanceUpdating),
            step(1, 115_000, InstanceUpdating),
            step(6, 90_000, InstanceUpdated),
            step(0, 80_000, InstanceUpdated),
            step(1, 70_000, InstanceUpdateFailed),
            step(2, 14_000, InstanceUpdating),
            step(3, 13_000, InstanceUpdating),
        ],
    }
}

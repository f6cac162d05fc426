//! What a workbench keeps in memory over three days, in a process of its own so that nothing else is measured.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use aurora_api::feed::{
    Event as TaskEvent, Heartbeat, Hello, JobRecord, Line, Seq, Snapshot, SnapshotPart, TaskRecord,
};
use aurora_api::model::ScheduleStatus;
use aurora_tui_model::event::{Effect, Event, Process, Seen, TaskInfo, WatchWhat};
use aurora_tui_model::screen::screen;
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::update::{settle, update};

const BEGIN: i64 = 1_767_323_045_000;
const HOUR: i64 = 3_600;
/// Seconds between two moments.
const STEP: i64 = 4;
const JOB: &str = "www-data/prod/web";

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn seq(index: i64) -> Seq {
    Seq {
        index: u64::try_from(index).unwrap(),
        ordinal: 0,
    }
}

fn mark(topic: &str, part: SnapshotPart) -> Line {
    Line::Snapshot(Snapshot {
        topic: topic.to_owned(),
        seq: seq(1),
        part,
    })
}

fn job(second: i64) -> Line {
    Line::Job(JobRecord {
        seq: seq(second),
        job: JOB.parse().unwrap(),
        states: [(ScheduleStatus::Running, 1)].into(),
        active: 1,
        service: true,
        tier: "preemptible".to_owned(),
        cron_schedule: None,
        cron_last: None,
        update: None,
        changed_ms: BEGIN + second * 1000,
    })
}

fn task(second: i64) -> Line {
    Line::Task(TaskRecord {
        seq: seq(second),
        task_id: "t".to_owned(),
        job: JOB.parse().unwrap(),
        instance: 0,
        status: ScheduleStatus::Running,
        host: Some("h".to_owned()),
        agent_id: None,
        ports: BTreeMap::new(),
        failure_count: 0,
        ancestor: None,
        config: "c".to_owned(),
        events: vec![TaskEvent {
            time_ms: BEGIN + second * 1000,
            status: ScheduleStatus::Running,
            message: None,
        }],
    })
}

struct Session {
    state: State,
    log: Option<u64>,
    written: u64,
}

impl Session {
    fn take(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in update(&mut self.state, event) {
                if let Effect::Start(generation, watch) = effect {
                    match watch.what {
                        WatchWhat::Task => events.push(Event::Seen(generation, processes())),
                        WatchWhat::Log { .. } => self.log = Some(generation),
                        _ => {}
                    }
                }
            }
        }
    }

    /// A moment: the clock, a change of the job and of its task, twenty lines of output, a frame.
    fn second(&mut self, second: i64) {
        let now_ms = BEGIN + second * 1000;
        self.take(Event::Tick(now_ms));
        for line in [job(second), task(second)] {
            self.take(Event::Feed(now_ms, line));
        }
        let beat = Line::Heartbeat(Heartbeat { seq: seq(second) });
        self.take(Event::Feed(now_ms, beat));
        if let Some(generation) = self.log {
            let bytes: Vec<u8> = (0..20)
                .flat_map(|line| format!("line {line} of second {second}, INFO\n").into_bytes())
                .collect();
            let offset = self.written;
            self.written += bytes.len() as u64;
            let next = self.written;
            self.take(Event::Seen(
                generation,
                Seen::Bytes {
                    offset,
                    next,
                    bytes,
                },
            ));
        }
        if second % 60 == 0 {
            settle(&mut self.state);
            assert!(screen(&self.state).crumb.is_some());
        }
        // Somebody looks around, and back in time.
        if second % HOUR == 0 {
            self.take(Event::Run("earlier 5m; jobs; moment now".to_owned()));
            let run = format!("instances {JOB}; logs {JOB}/0; filter INFO; merge");
            self.take(Event::Run(run));
        }
    }
}

fn processes() -> Seen {
    Seen::Task(TaskInfo {
        processes: vec![Process {
            name: "main".to_owned(),
            state: "RUNNING".to_owned(),
            ..Process::default()
        }],
        ..TaskInfo::default()
    })
}

#[test]
fn memory_does_not_grow_over_three_days() {
    let setup = Setup {
        cluster: "c".to_owned(),
        ..Setup::default()
    };
    let mut session = Session {
        state: State::new(setup, (120, 40), BEGIN),
        log: None,
        written: 0,
    };
    for line in [
        Line::Hello(Hello {
            feed: "f".to_owned(),
            seq: seq(1),
            cluster: "c".to_owned(),
            leader: "l:1".to_owned(),
            server_time_ms: BEGIN,
            version: 2,
            capabilities: Vec::new(),
        }),
        mark("summary", SnapshotPart::Begin),
        job(0),
        mark("summary", SnapshotPart::End),
        mark(&format!("job/{JOB}"), SnapshotPart::Begin),
        task(0),
        mark(&format!("job/{JOB}"), SnapshotPart::End),
    ] {
        session.take(Event::Feed(BEGIN, line));
    }
    let mut resident_at = Vec::new();
    for second in (1..=72 * HOUR / STEP).map(|at| at * STEP) {
        session.second(second);
        if second % (12 * HOUR) == 0 {
            resident_at.push(resident());
        }
    }
    assert!(session.written > 32 << 20, "the log has to have been read");
    let (after_twelve, last) = (resident_at[0], resident_at[5]);
    assert!(
        last < after_twelve + 2048,
        "KiB every twelve hours: {resident_at:?}"
    );
    assert!(last < 96 << 10, "KiB every twelve hours: {resident_at:?}");
}

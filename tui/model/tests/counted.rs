//! What a workbench keeps of a job of 200,000 instances, in a process of its own so that nothing else is measured.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use aurora_api::feed::{
    Counted, Event as TaskEvent, Hello, Line, Seq, Snapshot, SnapshotPart, TaskRecord,
};
use aurora_api::model::ScheduleStatus;
use aurora_tui_model::event::{Effect, Event, Seen, WatchWhat};
use aurora_tui_model::pages::{Anchor, Page, Query, ROWS, Records};
use aurora_tui_model::screen::screen;
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::update::{settle, update};

const BEGIN: i64 = 1_767_323_045_000;
const TASKS: usize = 200_000;
const JOB: &str = "www-data/prod/web";

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn task(instance: usize) -> TaskRecord {
    let event = |time_ms| TaskEvent {
        time_ms: BEGIN + time_ms,
        status: ScheduleStatus::Running,
        message: Some("Initialized sandbox.".to_owned()),
    };
    TaskRecord {
        seq: Seq::default(),
        task_id: format!("www-data-prod-web-{instance}-3c1fd1b8-6e3c-4e2c-9b8e-6f6f6d1f2a3b"),
        job: JOB.parse().unwrap(),
        instance: i32::try_from(instance).unwrap(),
        status: ScheduleStatus::Running,
        host: Some(format!("host-{instance}.example.org")),
        agent_id: Some("a1".to_owned()),
        ports: BTreeMap::new(),
        failure_count: 0,
        ancestor: None,
        config: "c".to_owned(),
        events: (0..4).map(event).collect(),
    }
}

/// The rows that are asked for, as the scheduler gives them; a cursor is the number of a row.
fn page(query: &Query) -> Page {
    let begin = match &query.anchor {
        Anchor::Start => 0,
        Anchor::End => TASKS - ROWS,
        Anchor::Cursor(at) | Anchor::Row(at) => {
            (at.parse::<usize>().unwrap() + 1).saturating_sub(ROWS / 2)
        }
        Anchor::After(at) => at.parse::<usize>().unwrap() + 1,
    };
    let end = (begin + ROWS).min(TASKS);
    Page {
        records: Records::Tasks((begin..end).map(task).collect()),
        total: TASKS,
        shown: TASKS,
        offset: begin,
        prev: (begin > 0).then(|| begin.to_string()),
        next: (end < TASKS).then(|| (end - 1).to_string()),
    }
}

fn take(state: &mut State, event: Event) {
    let mut events = vec![event];
    while let Some(event) = events.pop() {
        for effect in update(state, event) {
            if let Effect::Start(generation, watch) = effect
                && let WatchWhat::Page(query) = &watch.what
            {
                events.push(Event::Seen(generation, Seen::Page(page(query))));
            }
        }
        settle(state);
    }
}

fn whole(topic: &str, told: Vec<Line>) -> Vec<Line> {
    let mark = |part| {
        Line::Snapshot(Snapshot {
            topic: topic.to_owned(),
            seq: Seq::default(),
            part,
        })
    };
    let begin = [mark(SnapshotPart::Begin)];
    let end = [mark(SnapshotPart::End)];
    begin.into_iter().chain(told).chain(end).collect()
}

#[test]
fn a_job_of_many_instances_takes_little_memory() {
    let setup = Setup {
        cluster: "c".to_owned(),
        ..Setup::default()
    };
    let mut state = State::new(setup, (120, 40), BEGIN);
    let hello = Line::Hello(Hello {
        feed: "f".to_owned(),
        seq: Seq::default(),
        cluster: "c".to_owned(),
        leader: "l:1".to_owned(),
        server_time_ms: BEGIN,
        version: aurora_api::feed::VERSION,
        capabilities: Vec::new(),
    });
    let topic = format!("job/{JOB}");
    let counted = Line::Counted(Counted {
        topic: topic.clone(),
        seq: Seq::default(),
        tasks: TASKS as u64,
    });
    take(&mut state, Event::Run(format!("instances {JOB}")));
    let lines = [
        vec![hello],
        whole("summary", Vec::new()),
        whole(&topic, vec![counted]),
    ];
    for line in lines.into_iter().flatten() {
        take(&mut state, Event::Feed(BEGIN, line));
    }
    // Every window that keys lead through, a tenth of the way from both ends; marks on the way.
    for (to, step) in [("first", "page-down"), ("last", "page-up")] {
        take(&mut state, Event::Run(to.to_owned()));
        for _ in 0..TASKS / 10 / 35 {
            take(&mut state, Event::Run(format!("mark; {step}")));
            assert!(screen(&state).crumb.is_some());
        }
    }
    let at: usize = state.view.selected.clone().unwrap().parse().unwrap();
    assert!(
        (150_000..190_000).contains(&at),
        "{at}: the keys have to lead through windows"
    );
    assert!(state.view.marks.len() > 1_000, "{}", state.view.marks.len());
    let (held, resident) = (state.store.tasks.len(), resident());
    assert!(held <= 9 * ROWS, "{held} tasks are held");
    assert!(resident < 64 << 10, "{resident} KiB");
}

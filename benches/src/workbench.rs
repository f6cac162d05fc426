//! V2: frames of the workbench on tables of many rows, without a terminal.

use std::time::Instant;

use aurora_api::feed::{JobRecord, Line, Seq, Snapshot, SnapshotPart};
use aurora_api::model::ScheduleStatus;
use aurora_tui::Frames;
use aurora_tui_model::event::Event;
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::update::update;

use crate::measure::{Figure, Suite};

const NOW: i64 = 1_767_323_045_000;

fn seq(index: u64) -> Seq {
    Seq { index, ordinal: 0 }
}

fn job(at: usize, running: u32) -> Line {
    Line::Job(JobRecord {
        seq: seq(1),
        job: format!("role-{}/prod/job-{at:07}", at % 100)
            .parse()
            .expect("the name is a good one"),
        states: [(ScheduleStatus::Running, running)].into(),
        active: running,
        service: true,
        tier: "preferred".to_owned(),
        cron_schedule: None,
        cron_last: None,
        update: None,
        changed_ms: NOW - i64::try_from(at).unwrap_or(0) * 1000,
    })
}

/// A workbench of 200 columns and 50 rows with a table of so many jobs.
fn workbench(rows: usize) -> State {
    let mut state = State::new(Setup::default(), (200, 50), NOW);
    let mark = |part| {
        Line::Snapshot(Snapshot {
            topic: "summary".to_owned(),
            seq: seq(1),
            part,
        })
    };
    let jobs = (0..rows).map(|at| job(at, 10));
    for line in std::iter::once(mark(SnapshotPart::Begin))
        .chain(jobs)
        .chain([mark(SnapshotPart::End)])
    {
        update(&mut state, Event::Feed(NOW, line));
    }
    state
}

/// What is done before each frame, by its turn.
type Step = fn(usize) -> Event;

const STEPS: &[(&str, usize, Step)] = &[
    ("a line down", 400, |_| Event::Run("down".to_owned())),
    ("a page down", 400, |_| Event::Run("page-down".to_owned())),
    ("to the end and back", 400, |turn| {
        Event::Run(
            if turn.is_multiple_of(2) {
                "last"
            } else {
                "first"
            }
            .to_owned(),
        )
    }),
    ("a second later", 400, |turn| {
        Event::Tick(NOW + i64::try_from(turn).unwrap_or(0) * 1000)
    }),
    ("another order", 10, |_| Event::Run("reverse".to_owned())),
    ("a letter of a filter", 10, |turn| {
        Event::Run(format!("filter job-{}", turn % 10))
    }),
    ("one job changed", 10, |turn| {
        Event::Feed(NOW, job(0, u32::try_from(turn).unwrap_or(0)))
    }),
];

pub(crate) fn frames(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, samples, step) in STEPS {
        for rows in suite.sizes(&[1_000, 10_000, 100_000, 1_000_000]) {
            let mut state = workbench(*rows);
            let mut frames = Frames::default();
            let mut draw = |state: &mut State| {
                frames.draw(state).expect("memory takes what is written");
            };
            draw(&mut state);
            let mut figure =
                Figure::new("V2", format!("{what}, of {rows} rows"), "frame").sized(*rows);
            for turn in 1..=suite.samples(*samples) {
                let event = step(turn);
                let start = Instant::now();
                update(&mut state, event);
                draw(&mut state);
                figure.sample(start.elapsed(), 1);
            }
            figures.push(figure);
        }
    }
    figures
}

//! V3 and V5: a feed that goes on while a table and a log are open.

use std::time::Instant;

use aurora_api::feed::{Event as TaskEvent, Heartbeat, Line, Snapshot, SnapshotPart, TaskRecord};
use aurora_api::model::ScheduleStatus;
use aurora_tui_model::event::{Event, Seen, TaskInfo};

use super::{Bench, NOW, beginning, job, mark, name, resident, seq};
use crate::measure::{Figure, Suite};

const JOBS: usize = 1_000;
const FRAMES_A_SECOND: usize = 30;

/// A virtual second, of which thirty frames are drawn; every job changes in turn.
fn second(bench: &mut Bench, at: usize, rate: usize) -> usize {
    let now_ms = NOW + i64::try_from(at).unwrap_or(0) * 1000;
    let mut written = 0;
    for frame in 0..FRAMES_A_SECOND {
        let changes = rate * at + rate * frame / FRAMES_A_SECOND
            ..rate * at + rate * (frame + 1) / FRAMES_A_SECOND;
        for change in changes {
            let running = u32::try_from(change / JOBS % 90 + 10).unwrap_or(10);
            bench.take(Event::Feed(now_ms, job(change % JOBS, running)));
        }
        written += bench.draw();
    }
    bench.take(Event::Tick(now_ms));
    written
}

/// V3: what changes cost, by how many there are in a second.
pub(crate) fn changes(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for rate in suite.sizes(&[100, 1_000, 10_000]) {
        for (place, line) in [("on the screen", "jobs"), ("off the screen", "journal")] {
            let mut bench = Bench::new(JOBS, 0);
            bench.run(line);
            let what = format!("{rate} changes a second, {place}");
            let mut busy = Figure::new("V3", what.clone(), "second of a feed");
            let mut written = 0;
            let seconds = suite.samples(10);
            for at in 0..seconds {
                let start = Instant::now();
                written += second(&mut bench, at, *rate);
                busy.sample(start.elapsed(), 1);
            }
            let bytes = written as f64 / (rate * seconds) as f64;
            figures.push(busy);
            figures.push(Figure::new("V3", format!("{what}, written"), "change").bytes(bytes));
        }
    }
    figures
}

fn task(at: i64) -> Line {
    Line::Task(TaskRecord {
        seq: seq(1),
        task_id: "t".to_owned(),
        job: name(0).parse().expect("the name is a good one"),
        instance: 0,
        status: ScheduleStatus::Running,
        host: Some("h".to_owned()),
        agent_id: None,
        ports: [].into(),
        failure_count: 0,
        ancestor: None,
        config: "c".to_owned(),
        events: vec![TaskEvent {
            time_ms: NOW + at * 1000,
            status: ScheduleStatus::Running,
            message: None,
        }],
    })
}

/// Opens the output of the first job's task.
pub(super) fn open_log(bench: &mut Bench) {
    let topic = format!("job/{}", name(0));
    bench.run(&format!("instances {}", name(0)));
    for line in [
        mark(&topic, SnapshotPart::Begin),
        task(0),
        mark(&topic, SnapshotPart::End),
    ] {
        bench.take(Event::Feed(NOW, line));
    }
    bench.run(&format!("logs {}/0", name(0)));
    let watches: Vec<u64> = bench.state.watches.keys().copied().collect();
    for generation in watches {
        let info = TaskInfo {
            processes: vec![aurora_tui_model::event::Process {
                name: "main".to_owned(),
                state: "RUNNING".to_owned(),
                ..Default::default()
            }],
            ..TaskInfo::default()
        };
        bench.take(Event::Seen(generation, Seen::Task(info)));
    }
}

/// Tells more output.
pub(super) fn output(bench: &mut Bench, offset: u64, bytes: Vec<u8>) -> u64 {
    let next = offset + bytes.len() as u64;
    let generation = bench.log.expect("a log is open");
    let seen = Seen::Bytes {
        offset,
        next,
        bytes,
    };
    bench.take(Event::Seen(generation, seen));
    next
}

/// V5: memory over 72 virtual hours of changes, output, signs of life, and a new connection every hour.
pub(crate) fn soak(suite: &Suite) -> Vec<Figure> {
    const HOUR: usize = 3_600;
    const RATE: usize = 10;
    let hours = if suite.smoke { 1 } else { 72 };
    let mut bench = Bench::new(JOBS, JOBS);
    open_log(&mut bench);
    let (mut offset, mut samples) = (0, Vec::new());
    let mut figure = Figure::new("V5", format!("{hours} virtual hours"), "virtual hour");
    for hour in 0..hours {
        let start = Instant::now();
        for at in hour * HOUR..(hour + 1) * HOUR {
            let now_ms = NOW + i64::try_from(at).unwrap_or(0) * 1000;
            for change in at * RATE..(at + 1) * RATE {
                let running = u32::try_from(change % 90 + 10).unwrap_or(10);
                bench.take(Event::Feed(now_ms, job(change % JOBS, running)));
            }
            let line = format!("line of second {at}: INFO all is well with what is done here\n");
            offset = output(&mut bench, offset, line.repeat(5).into_bytes());
            if at.is_multiple_of(5) {
                let seq = seq(at as u64 + 2);
                bench.take(Event::Feed(now_ms, Line::Heartbeat(Heartbeat { seq })));
                bench.take(Event::Tick(now_ms));
                bench.draw();
            }
        }
        figure.sample(start.elapsed(), 1);
        for line in beginning(JOBS, JOBS) {
            let now_ms = NOW + i64::try_from((hour + 1) * HOUR).unwrap_or(0) * 1000;
            let line = match line {
                Line::Hello(hello) => Line::Hello(aurora_api::feed::Hello {
                    server_time_ms: now_ms,
                    ..hello
                }),
                Line::Snapshot(end) => Line::Snapshot(Snapshot { ..end }),
                other => other,
            };
            bench.take(Event::Feed(now_ms, line));
        }
        samples.push(resident("self"));
    }
    // The first twelve hours fill what is bounded: the past hour, the log, the news.
    let settled = &samples[samples.len() / 6..];
    let what = format!("{hours} virtual hours, growth after a sixth of them");
    let growth = Figure::new("V5", what, "virtual hour").bytes(slope(settled));
    let what = format!("{hours} virtual hours, resident at the end");
    let last = samples.last().copied().unwrap_or(f64::NAN);
    let held = Figure::new("V5", what, "process").bytes(last);
    vec![figure, growth, held]
}

/// The slope of a line through evenly spaced samples, by least squares.
fn slope(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let (x, y) = ((count - 1.0) / 2.0, samples.iter().sum::<f64>() / count);
    let points = samples.iter().enumerate();
    let (over, under) = points.fold((0.0, 0.0), |(over, under), (at, sample)| {
        let dx = at as f64 - x;
        (over + dx * (sample - y), under + dx * dx)
    });
    if under > 0.0 { over / under } else { 0.0 }
}

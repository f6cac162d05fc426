//! V: the workbench without a network. What a scheduler or an observer would tell is told from here; what a terminal would
//! be sent is counted.

mod feed;
mod frames;
mod idle;
mod load;
mod logs;
mod polled;
mod start;

use aurora_api::feed::{Counts, Hello, HostRecord, JobRecord, Line, Seq, Snapshot, SnapshotPart};
use aurora_api::feed::{TableSize, VERSION};
use aurora_api::model::{MaintenanceMode, ScheduleStatus};
use aurora_tui::Frames;
use aurora_tui_model::event::{Effect, Event, Seen, Stream, WatchWhat};
use aurora_tui_model::pages::{self, Anchor, Page, Query, Records};
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::update::update;

pub(crate) use feed::{changes, soak};
pub(crate) use frames::frames;
pub(crate) use idle::{idle, storm};
pub(crate) use load::{CHILD, child, load};
pub(crate) use logs::logs;
pub(crate) use polled::polled;
pub(crate) use start::start;

const NOW: i64 = 1_767_323_045_000;

fn seq(index: u64) -> Seq {
    Seq { index, ordinal: 0 }
}

fn name(at: usize) -> String {
    format!("role-{:02}/prod/job-{at:07}", at / 10_000)
}

fn record(at: usize, running: u32) -> JobRecord {
    JobRecord {
        seq: seq(1),
        job: name(at).parse().expect("the name is a good one"),
        states: [(ScheduleStatus::Running, running)].into(),
        active: running,
        service: true,
        tier: "preferred".to_owned(),
        cron_schedule: None,
        cron_last: None,
        update: None,
        changed_ms: NOW - 86_400_000 - i64::try_from(at).unwrap_or(0) * 1000,
    }
}

/// What is asked of the jobs first.
fn first_page() -> Query {
    Query {
        table: "jobs".to_owned(),
        filter: String::new(),
        sort: "job".to_owned(),
        anchor: Anchor::Start,
    }
}

fn job(at: usize, running: u32) -> Line {
    Line::Job(record(at, running))
}

fn host(at: usize) -> Line {
    Line::Host(HostRecord {
        seq: seq(1),
        host: format!("host-{at:05}.example"),
        agent_id: format!("agent-{at:05}"),
        mode: MaintenanceMode::None,
        attributes: [("rack".to_owned(), vec![format!("rack-{:03}", at / 40)])].into(),
        tasks: 100,
    })
}

fn mark(topic: &str, part: SnapshotPart) -> Line {
    Line::Snapshot(Snapshot {
        topic: topic.to_owned(),
        seq: seq(1),
        part,
    })
}

/// What a feed begins with, for a reader that takes tables of up to [`pages::BOUND`] rows.
fn beginning(jobs: usize, hosts: usize) -> impl Iterator<Item = Line> {
    let size = |rows: usize| TableSize {
        rows: rows as u64,
        told: rows <= pages::BOUND,
    };
    let tables = [("jobs", jobs), ("hosts", hosts)];
    let told = |rows: usize| if rows <= pages::BOUND { rows } else { 0 };
    let head = [
        Line::Hello(Hello {
            feed: "f".to_owned(),
            seq: seq(1),
            cluster: "c".to_owned(),
            leader: "l:1".to_owned(),
            server_time_ms: NOW,
            version: VERSION,
            capabilities: Vec::new(),
        }),
        Line::Counts(Counts {
            seq: seq(1),
            tables: tables
                .map(|(name, rows)| (name.to_owned(), size(rows)))
                .into(),
            updating: 0,
        }),
        mark("summary", SnapshotPart::Begin),
    ];
    let jobs = (0..told(jobs)).map(|at| job(at, 10));
    let hosts = (0..told(hosts)).map(host);
    let end = [mark("summary", SnapshotPart::End)];
    head.into_iter().chain(jobs).chain(hosts).chain(end)
}

/// What a scheduler answers to a page of so many jobs. How it finds them is not measured here.
fn page(query: &Query, rows: usize) -> Page {
    let is_down = query.sort.starts_with('-');
    let shown = if query.filter.is_empty() {
        rows
    } else {
        rows / 2
    };
    let at = |place: usize| if is_down { shown - 1 - place } else { place };
    let around = |number: usize| (at(number) + 1).saturating_sub(pages::LEAD);
    let begin = match &query.anchor {
        Anchor::Start => 0,
        Anchor::End => shown.saturating_sub(pages::ROWS),
        Anchor::Cursor(number) => around(number.parse().unwrap_or(0)),
        Anchor::After(number) => at(number.parse().unwrap_or(0)) + 1,
        Anchor::Row(id) => around(id[id.len() - 7..].parse().unwrap_or(0).min(shown - 1)),
    };
    let end = (begin + pages::ROWS).min(shown);
    let records = (begin..end).map(|place| record(at(place), 10));
    Page {
        records: Records::Jobs(records.collect()),
        total: rows,
        shown,
        offset: begin,
        prev: (begin > 0).then(|| at(begin).to_string()),
        next: (end < shown).then(|| at(end - 1).to_string()),
    }
}

/// A workbench of 200 columns and 50 rows, and who answers it.
struct Bench {
    state: State,
    frames: Frames,
    jobs: usize,
    /// Pages that were asked for.
    asked: Vec<(u64, Query)>,
    /// The watch of a log's standard output, once there is one.
    log: Option<u64>,
}

impl Bench {
    fn new(jobs: usize, hosts: usize) -> Bench {
        let mut bench = Bench::empty(jobs);
        for line in beginning(jobs, hosts) {
            bench.take(Event::Feed(NOW, line));
        }
        bench.serve();
        bench
    }

    fn empty(jobs: usize) -> Bench {
        Bench {
            state: State::new(Setup::default(), (200, 50), NOW),
            frames: Frames::default(),
            jobs,
            asked: Vec::new(),
            log: None,
        }
    }

    fn take(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            let Effect::Start(generation, watch) = effect else {
                continue;
            };
            match watch.what {
                WatchWhat::Page(query) => self.asked.push((generation, query)),
                WatchWhat::Log {
                    stream: Stream::Stdout,
                    ..
                } => self.log = Some(generation),
                _ => {}
            }
        }
    }

    /// Answers what was asked for. Says whether anything was.
    fn serve(&mut self) -> bool {
        let asked = std::mem::take(&mut self.asked);
        for (generation, query) in &asked {
            let page = page(query, self.jobs);
            self.take(Event::Seen(*generation, Seen::Page(page)));
        }
        !asked.is_empty()
    }

    /// How many bytes a terminal is sent.
    fn draw(&mut self) -> usize {
        let drawn = self.frames.draw(&mut self.state);
        drawn.expect("memory takes what is written")
    }

    fn run(&mut self, line: &str) {
        self.take(Event::Run(line.to_owned()));
    }
}

/// What a process has in memory, in bytes; `self` is this one.
fn resident(process: &str) -> f64 {
    memory(process, "VmRSS:")
}

/// A figure of a process's memory by its name in `/proc/PID/status`, in bytes.
fn memory(process: &str, what: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

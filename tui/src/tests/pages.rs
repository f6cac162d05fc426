//! A cluster of a million jobs: what is fetched, what is held, where keys lead. Rows are made when they are asked for.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aurora_api::feed::{Counts, Hello, Line, SnapshotPart, TableSize};
use aurora_api::model::ScheduleStatus;
use aurora_tui_model::event::Event;
use aurora_tui_model::pages::ROWS;
use aurora_tui_model::screen::snapshot;
use aurora_tui_model::state::State;

use super::exec;
use super::fake::{NOW, job, mark, seq};
use super::link::Bench;
use super::polling::target;
use super::scheduler::{Reply, Request, Server};
use crate::args::Form;
use crate::cluster::Cluster;
use crate::crew::Crew;
use crate::headless::{self, Errand};
use crate::tests::member;

const JOBS: usize = 1_000_000;

/// The server's side: what it has sent, and whether it is in trouble.
#[derive(Default)]
struct Side {
    sent: AtomicUsize,
    /// Pages of the jobs that were asked for.
    pages: AtomicUsize,
    is_broken: AtomicBool,
    /// The page from which on it is in trouble; 0: none.
    breaks_at: AtomicUsize,
}

fn id(at: usize) -> String {
    format!("www/prod/job-{at:07}")
}

/// How the feed of a scheduler with pages begins.
pub(super) fn hello() -> Line {
    Line::Hello(Hello {
        feed: "f".to_owned(),
        seq: seq(5),
        cluster: "devcluster".to_owned(),
        leader: "h:1".to_owned(),
        server_time_ms: NOW,
        version: aurora_api::feed::VERSION,
        capabilities: vec!["pages".to_owned()],
    })
}

fn feed() -> Vec<String> {
    let tables = [
        ("jobs", JOBS, false),
        ("hosts", 0, true),
        ("quotas", 0, true),
    ];
    let size = |(name, rows, told): (&str, usize, bool)| {
        let rows = rows as u64;
        (name.to_owned(), TableSize { rows, told })
    };
    let lines = [
        hello(),
        Line::Counts(Counts {
            seq: seq(5),
            tables: tables.map(size).into(),
            updating: 3,
        }),
        mark("summary", SnapshotPart::Begin),
        mark("summary", SnapshotPart::End),
    ];
    let lines = lines
        .iter()
        .map(|line| serde_json::to_string(line).unwrap());
    lines.collect()
}

/// A page of the jobs that begin with what is in quotes.
fn page(request: &Request) -> String {
    page_of(request, JOBS, |at| {
        let Line::Job(record) = job(&id(at), &[(ScheduleStatus::Running, 1)], 0) else {
            unreachable!()
        };
        serde_json::json!(record)
    })
}

/// A page of numbered rows; a cursor is the number of one.
pub(super) fn page_of(
    request: &Request,
    count: usize,
    record: impl Fn(usize) -> serde_json::Value,
) -> String {
    let url = reqwest::Url::parse(&format!("http://h{}", request.target)).unwrap();
    let asked = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if asked("unless").is_some() {
        return r#"{"seq":"5.0","unchanged":true}"#.to_owned();
    }
    let filter = asked("filter").unwrap_or_default();
    let prefix = filter.trim_matches('"').trim_start_matches("job-");
    let width = 10_usize.pow(u32::try_from(7 - prefix.len()).unwrap());
    let first = prefix.parse::<usize>().unwrap_or(0) * width;
    let all: Range<usize> = first..(first + width).min(count);
    let is_descending = asked("sort").is_some_and(|sort| sort.starts_with('-'));
    let at = |place: usize| match is_descending {
        true => all.end - 1 - place,
        false => all.start + place,
    };
    let place_of = |number: usize| match is_descending {
        true => all.end - 1 - number,
        false => number.saturating_sub(all.start),
    };
    let limit: usize = asked("limit").unwrap().parse().unwrap();
    let lead: usize = asked("lead").map_or(0, |lead| lead.parse().unwrap());
    let named = asked("around").map(|id| id.trim_start_matches("www/prod/job-").to_owned());
    let begin = match (asked("cursor").or(named), asked("from")) {
        (Some(number), _) => (place_of(number.parse().unwrap()) + 1).saturating_sub(lead),
        (None, Some(_)) => all.len().saturating_sub(limit),
        (None, None) => 0,
    };
    let end = (begin + limit).min(all.len());
    let rows = (begin..end).map(|place| serde_json::json!({ "record": record(at(place)) }));
    let cursor = |place: usize| format!("{:07}", at(place));
    serde_json::json!({
        "seq": "5.0",
        "total": count,
        "shown": all.len(),
        "offset": begin,
        "rows": rows.collect::<Vec<_>>(),
        "prev": (begin > 0).then(|| cursor(begin)),
        "next": (end < all.len()).then(|| cursor(end - 1)),
    })
    .to_string()
}

fn million(side: &Arc<Side>) -> Server {
    let side = side.clone();
    Server::start(move |request| {
        if request.target.starts_with("/ext/v1/jobs") {
            let is_new = usize::from(!request.target.contains("unless="));
            let at = side.pages.fetch_add(is_new, Ordering::SeqCst) + is_new;
            let breaks_at = side.breaks_at.load(Ordering::SeqCst);
            if side.is_broken.load(Ordering::SeqCst) || (1..=at).contains(&breaks_at) {
                return Reply::Full(500, Vec::new(), b"the disk is full".to_vec());
            }
            let body = page(request);
            side.sent.fetch_add(body.len(), Ordering::SeqCst);
            return Reply::Full(200, Vec::new(), body.into_bytes());
        }
        if !request.target.starts_with("/ext/v1/events") {
            return Reply::Full(404, Vec::new(), Vec::new());
        }
        assert!(
            request.target.contains("summary=5000"),
            "{}",
            request.target
        );
        let side = side.clone();
        Reply::Chunks(Box::new(move |write| {
            for line in feed() {
                side.sent.fetch_add(line.len(), Ordering::SeqCst);
                write(&format!("{line}\n"));
            }
            // Open for as long as the test goes on.
            std::thread::park();
        }))
    })
}

fn selected(state: &State) -> String {
    state.view.selected.clone().unwrap_or_default()
}

pub(super) fn data(state: &State) -> serde_json::Value {
    snapshot(state)["data"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_jobs_are_looked_through_by_pages() {
    let side = Arc::new(Side::default());
    let server = million(&side);
    let mut bench = Bench::on(&server.url(), &server);
    let run = |line: &str| Event::Run(line.to_owned());
    let there = |state: &State| state.waiting_for().is_none();

    bench.until("rows", there).await;
    let sent = side.sent.load(Ordering::SeqCst);
    assert!(sent < 1_000_000, "{sent} bytes before the first rows");
    let table = data(&bench.state);
    assert_eq!(
        (&table["total"], &table["offset"]),
        (&JOBS.into(), &0.into())
    );
    assert_eq!(selected(&bench.state), id(0));
    assert_eq!(bench.state.store.jobs.len(), ROWS);

    // To the last row, and up beyond what came with it; what was marked stays marked.
    bench.take(run("last"));
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("these rows of the jobs")
    );
    bench.until("the end", there).await;
    assert_eq!(selected(&bench.state), id(JOBS - 1));
    assert_eq!(data(&bench.state)["offset"], JOBS - ROWS);
    bench.take(run("mark"));
    for step in 1..1_500 {
        bench.take(run("up"));
        bench.until("the rows above", there).await;
        assert_eq!(selected(&bench.state), id(JOBS - 1 - step));
    }
    assert!(bench.state.view.marks.contains(&id(JOBS - 1)));
    let held = bench.state.store.jobs.len();
    assert!(held <= 9 * ROWS, "{held} jobs are held");

    // Another order: what is selected stays so, wherever it is then.
    let here = selected(&bench.state);
    bench.take(run("sort -job"));
    bench.until("the other order", there).await;
    assert_eq!(selected(&bench.state), here);
    assert_eq!(data(&bench.state)["rows"][0]["job"], id(JOBS - 1 - 1_300));
    bench.take(run("first"));
    bench.until("the first row", there).await;
    assert_eq!(selected(&bench.state), id(JOBS - 1));

    // The scheduler filters; rows of before stay until it has, and are called what they are.
    bench.take(run("filter \"job-09999\""));
    assert!(bench.state.waiting_for().is_some());
    assert!(!data(&bench.state)["rows"].as_array().unwrap().is_empty());
    bench.until("the filtered rows", there).await;
    let table = data(&bench.state);
    assert_eq!(
        (&table["shown"], &table["total"]),
        (&100.into(), &JOBS.into())
    );
    assert_eq!(table["rows"].as_array().unwrap().len(), 100);

    // A server in trouble: what is here stays, and is said to be old.
    side.is_broken.store(true, Ordering::SeqCst);
    bench
        .until("trouble", |state| state.view.trouble.is_some())
        .await;
    let why = bench.state.view.trouble.clone().unwrap();
    assert!(why.contains("500"), "{why}");
    assert_eq!(data(&bench.state)["rows"].as_array().unwrap().len(), 100);
    side.is_broken.store(false, Ordering::SeqCst);
    bench
        .until("rows again", |state| state.view.trouble.is_none())
        .await;
}

/// What was written, and how many pages were asked for when the first row was.
struct Sink {
    side: Arc<Side>,
    text: String,
    first_row_at: Option<usize>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.push_str(std::str::from_utf8(bytes).unwrap());
        if self.first_row_at.is_none() && self.text.contains("/job-") {
            self.first_row_at = Some(self.side.pages.load(Ordering::SeqCst));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_paged_table_has_all_its_rows() {
    let filtered = "jobs \"job-0999\"";
    for (name, line, form, sized, breaks_at, code, rows) in [
        ("data", filtered, Form::Json, false, 0, 0, 0..1_000),
        (
            "data of several pages",
            "jobs \"job-099\"",
            Form::Json,
            false,
            0,
            0,
            0..10_000,
        ),
        (
            "lines",
            "jobs \"job-099\"",
            Form::Text,
            false,
            0,
            0,
            0..10_000,
        ),
        ("a frame", "jobs \"job-099\"", Form::Text, true, 0, 0, 0..20),
        (
            "trouble on the way",
            "jobs \"job-099\"",
            Form::Json,
            false,
            5,
            3,
            0..1_400,
        ),
    ] {
        let side = Arc::new(Side::default());
        side.breaks_at.store(breaks_at, Ordering::SeqCst);
        let server = million(&side);
        let crew = Crew::new(member(Arc::new(Cluster::new(target(&server))), NOW));
        let given = Errand {
            snapshot: Some(form),
            sized,
            timeout: Duration::from_secs(if code == 0 { 20 } else { 2 }),
            ..exec(line)
        };
        let mut sink = Sink {
            side,
            text: String::new(),
            first_row_at: None,
        };
        let mut err = Vec::new();
        let got = headless::run(crew, given, &mut sink, &mut err)
            .await
            .unwrap();
        let err = String::from_utf8(err).unwrap();
        assert_eq!(got, code, "{name}: {err}");
        // Windows as a screen has them, before the filter and behind it, and the first one that is written.
        assert!(
            sink.first_row_at.unwrap() <= 3,
            "{name}: {:?}",
            sink.first_row_at
        );
        let first: usize = if line == filtered { 999_000 } else { 990_000 };
        let expected: Vec<String> = rows.map(|at| id(first + at)).collect();
        let found: Vec<String> = match form {
            Form::Json => {
                let json: serde_json::Value = serde_json::from_str(&sink.text).unwrap();
                assert_eq!(json["view"], "jobs");
                assert_eq!(json["data"]["total"], JOBS, "{name}");
                let rows = json["data"]["rows"].as_array().unwrap().iter();
                rows.map(|row| row["job"].as_str().unwrap().to_owned())
                    .collect()
            }
            _ => {
                let lines = sink.text.lines();
                assert!(lines.clone().all(|line| line.trim_end() == line), "{name}");
                let jobs = lines.filter_map(|line| line.find("www/").map(|at| &line[at..]));
                jobs.map(|job| job.split(' ').next().unwrap().to_owned())
                    .collect()
            }
        };
        assert_eq!(found, expected, "{name}");
        assert_eq!(
            err.contains("rows are missing after the first 1400"),
            code != 0,
            "{name}: {err}"
        );
    }
}

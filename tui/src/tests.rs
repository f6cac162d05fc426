//! Whole frames and errands on a cluster without a network.
//!
//! A frame is written as its text and, beside it, a grid of letters for its styles, with a list of what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurora_api::feed::{
    self, ConfigRecord, Hello, HostRecord, JobRecord, Line, QuotaRecord, Seq, Snapshot,
    SnapshotPart, TaskRecord,
};
use aurora_api::model::{MaintenanceMode, ScheduleStatus};
use aurora_tui_model::actions::{Action, Progress};
use aurora_tui_model::event::{
    Call, Event, FileEntry, FileKind, Process, Seen, TaskInfo, Usage, Watch, WatchWhat,
};
use aurora_tui_model::keymap::Keymap;
use aurora_tui_model::screen;
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::theme::{Depth, Theme};
use aurora_tui_model::update::{settle, update};
use ratatui::buffer::Buffer;
use tokio::sync::{mpsc, watch};

use crate::args::Form;
use crate::data::{BUFFER, Data, Events, Job, Source, report};
use crate::headless::{self, Errand};
use crate::paint::{Look, paint};
use crate::recorder::Recorder;

/// 2026-01-02 03:04:05 UTC: `date -u -d @1767323045`.
const NOW: i64 = 1_767_323_045_000;

fn seq(index: u64) -> Seq {
    Seq { index, ordinal: 0 }
}

fn mark(topic: &str, part: SnapshotPart) -> Line {
    Line::Snapshot(Snapshot {
        topic: topic.to_owned(),
        seq: seq(5),
        part,
    })
}

fn job(key: &str, states: &[(ScheduleStatus, u32)], age_ms: i64) -> Line {
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
        changed_ms: NOW - age_ms,
    })
}

fn task(instance: i32, generation: &str, status: ScheduleStatus) -> Line {
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

fn summary() -> Vec<Line> {
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

fn hello_tasks() -> Vec<Line> {
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

fn task_info() -> TaskInfo {
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
struct Fake {
    calls: Mutex<Vec<Call>>,
    answer: Progress,
    /// Whether changes have their effect.
    obeys: bool,
    feed: Mutex<Option<Events>>,
}

impl Fake {
    fn new(answer: Progress, obeys: bool) -> Arc<Fake> {
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
                WatchWhat::File(path) => Seen::Bytes {
                    offset: 0,
                    bytes: format!("content of {path}\n").into_bytes(),
                },
                WatchWhat::Log { stream, .. } => Seen::Bytes {
                    offset: 0,
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
            for instance in call.instances {
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

fn setup() -> Setup {
    Setup {
        cluster: "devcluster".to_owned(),
        user: "ann".to_owned(),
        process: 1,
        keymap: Keymap::built_in(),
        ..Setup::default()
    }
}

fn look(theme: &str, depth: Depth) -> Look {
    Look {
        theme: Theme::built_in(theme).unwrap().0,
        depth,
        unicode: false,
    }
}

/// A workbench that has gone somewhere, all watches answered.
fn at(size: (u16, u16), lines: &str, keys: &str) -> State {
    let mut state = State::new(setup(), size, NOW);
    let mut events: std::collections::VecDeque<Event> = [Event::Tick(NOW)].into();
    events.extend(summary().into_iter().map(|line| Event::Feed(NOW, line)));
    let runs = aurora_tui_model::command::split(lines)
        .into_iter()
        .map(Event::Run);
    let pressed = aurora_tui_model::key::parse_sequence(keys)
        .unwrap_or_default()
        .into_iter()
        .map(Event::Key);
    let mut later: std::collections::VecDeque<Event> = runs.chain(pressed).collect();
    let source = Fake::new(Progress::Accepted, true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    while let Some(event) = events.pop_front().or_else(|| later.pop_front()) {
        for effect in update(&mut state, event) {
            match effect {
                aurora_tui_model::event::Effect::Topics(topics)
                    if topics.contains("job/www-data/devel/hello") =>
                {
                    events.extend(hello_tasks().into_iter().map(|line| Event::Feed(NOW, line)));
                }
                aurora_tui_model::event::Effect::Start(generation, watch) => {
                    let (sender, mut heard) = mpsc::channel(8);
                    runtime.block_on(source.watch(generation, watch, sender));
                    events.extend(std::iter::from_fn(|| heard.try_recv().ok()));
                }
                _ => {}
            }
        }
        settle(&mut state);
    }
    state
}

/// Text and styles of a frame, line by line.
fn dump(frame: &Buffer, styles: bool) -> String {
    let mut out = String::new();
    let mut known: Vec<String> = Vec::new();
    let text = crate::output::as_text(frame);
    let mut grid = Vec::new();
    for row in 0..frame.area.height {
        let mut letters = String::new();
        for column in 0..frame.area.width {
            let cell = &frame[(column, row)];
            let style = format!("{:?} on {:?} {:?}", cell.fg, cell.bg, cell.modifier);
            let at = known
                .iter()
                .position(|other| *other == style)
                .unwrap_or_else(|| {
                    known.push(style);
                    known.len() - 1
                });
            letters.push(char::from(b'a' + u8::try_from(at).unwrap()));
        }
        grid.push(letters);
    }
    for line in text.lines() {
        out.push_str(&format!("|{line}\n"));
    }
    if styles {
        for letters in grid {
            out.push_str(&format!("#{letters}\n"));
        }
        for (at, style) in known.iter().enumerate() {
            out.push_str(&format!(
                "{} = {style}\n",
                char::from(b'a' + u8::try_from(at).unwrap())
            ));
        }
    }
    out
}

fn frame(state: &State, look: &Look) -> Buffer {
    paint(state, &screen::screen(state), look).0
}

#[test]
fn frames() {
    for (name, lines, keys) in [
        ("jobs", "jobs", ""),
        ("jobs_filtered", "jobs failed>0", ""),
        ("instances", "instances www-data/devel/hello", ""),
        (
            "task",
            "instances www-data/devel/hello; task www-data/devel/hello/0",
            "",
        ),
        (
            "logs",
            "instances www-data/devel/hello; logs www-data/devel/hello/0",
            "",
        ),
        (
            "sandbox",
            "instances www-data/devel/hello; sandbox www-data/devel/hello/0",
            "",
        ),
        ("hosts", "hosts", ""),
        ("help", "help", ""),
        (
            "confirm",
            "instances www-data/devel/hello; kill www-data/devel/hello/0",
            "",
        ),
        ("prompt_error", "jobs", ": n o p e enter"),
    ] {
        for size in [(80, 24), (120, 40), (40, 10)] {
            let state = at(size, lines, keys);
            // Styles are the same at every size.
            let styles = size.0 == 80;
            let dumped = dump(&frame(&state, &look("dark", Depth::Indexed)), styles);
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), dumped);
        }
    }
}

#[test]
fn frames_in_few_colours() {
    let state = at((80, 24), "jobs", "");
    insta::assert_snapshot!(
        "jobs_16",
        dump(&frame(&state, &look("16-dark", Depth::Sixteen)), true)
    );
    insta::assert_snapshot!(
        "jobs_mono",
        dump(&frame(&state, &look("mono", Depth::None)), true)
    );
}

#[test]
fn without_colours_no_colour_is_written() {
    for theme in ["dark", "light", "16-dark", "16-light", "mono"] {
        let state = at(
            (80, 24),
            "instances www-data/devel/hello; logs www-data/devel/hello/0",
            "",
        );
        let mut bytes = Vec::new();
        crate::output::Output::new()
            .show(frame(&state, &look(theme, Depth::None)), None, &mut bytes)
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let codes = text
            .split('\u{1b}')
            .filter_map(|part| part.strip_prefix('[')?.split_once('m'));
        for (codes, _) in codes.filter(|(codes, _)| {
            codes
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b';')
        }) {
            for code in codes.split(';').filter_map(|code| code.parse::<u8>().ok()) {
                assert!(code < 30, "{theme}: colour {code} in {codes}");
            }
        }
    }
}

#[test]
fn a_second_that_changes_no_age_writes_nothing() {
    let mut state = at((80, 24), "jobs failed<1", "");
    let mut output = crate::output::Output::new();
    let look = look("dark", Depth::True);
    let mut bytes = Vec::new();
    output.show(frame(&state, &look), None, &mut bytes).unwrap();
    update(&mut state, Event::Tick(NOW + 1000));
    settle(&mut state);
    assert_eq!(
        output.show(frame(&state, &look), None, &mut bytes).unwrap(),
        0
    );
}

async fn errand(source: Arc<Fake>, errand: Errand) -> (u8, String, String) {
    let (events, heard) = mpsc::channel(BUFFER);
    let data = Data::new(source, Recorder::new(None), events);
    let state = State::new(setup(), (80, 24), NOW);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = headless::run(
        state,
        data,
        heard,
        &look("mono", Depth::None),
        errand,
        &mut out,
        &mut err,
    )
    .await
    .unwrap();
    (
        code,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

fn exec(line: &str) -> Errand {
    Errand {
        exec: Some(line.to_owned()),
        open: None,
        snapshot: None,
        yes: false,
        confirm: None,
        timeout: Duration::from_secs(5),
    }
}

#[tokio::test(start_paused = true)]
async fn errands_end_with_honest_codes() {
    let accepted = || Fake::new(Progress::Accepted, true);
    for (name, source, given, code, calls, said) in [
        (
            "show",
            accepted(),
            exec("instances www-data/devel/hello status=FAILED"),
            0,
            0,
            "",
        ),
        (
            "bad line",
            accepted(),
            exec("jobs; nope"),
            2,
            0,
            "no command `nope`",
        ),
        (
            "no such job",
            accepted(),
            exec("kill www-data/devel/none"),
            1,
            0,
            "there is no job",
        ),
        (
            "unasked",
            accepted(),
            exec("kill www-data/devel/hello/0"),
            1,
            0,
            "--yes says yes",
        ),
        (
            "yes",
            accepted(),
            Errand {
                yes: true,
                ..exec("kill www-data/devel/hello/0")
            },
            0,
            1,
            "confirmed",
        ),
        (
            "restart",
            accepted(),
            Errand {
                yes: true,
                ..exec("restart www-data/devel/hello/0")
            },
            0,
            1,
            "confirmed",
        ),
        (
            "yes is not enough for two",
            accepted(),
            Errand {
                yes: true,
                ..exec("kill www-data/devel/hello/0,2")
            },
            1,
            0,
            "--confirm 2",
        ),
        (
            "typed",
            accepted(),
            Errand {
                confirm: Some("2".to_owned()),
                ..exec("kill www-data/devel/hello/0,2")
            },
            0,
            1,
            "confirmed",
        ),
        (
            "refused",
            Fake::new(Progress::Refused("not permitted".to_owned()), false),
            Errand {
                yes: true,
                ..exec("kill www-data/devel/hello/0")
            },
            1,
            1,
            "not permitted",
        ),
        (
            "not seen",
            Fake::new(Progress::Accepted, false),
            Errand {
                yes: true,
                ..exec("kill www-data/devel/hello/0")
            },
            4,
            1,
            "accepted",
        ),
        (
            "unknown",
            Fake::new(Progress::Unknown("no answer".to_owned()), false),
            Errand {
                yes: true,
                ..exec("kill www-data/devel/hello/0")
            },
            4,
            1,
            "no answer",
        ),
    ] {
        let (got, _, err) = errand(source.clone(), given).await;
        assert_eq!(got, code, "{name}: {err}");
        assert_eq!(source.calls.lock().unwrap().len(), calls, "{name}");
        assert!(err.contains(said), "{name}: {err}");
    }
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_data() {
    let source = Fake::new(Progress::Accepted, true);
    let open = Errand {
        exec: None,
        open: Some("aurora://devcluster/instances/www-data/devel/hello?sort=-instance".to_owned()),
        snapshot: Some(Form::Json),
        ..exec("")
    };
    let (code, out, _) = errand(source, open).await;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &json["version"], &json["data"]["rows"][0]["instance"]),
        (0, &1.into(), &2.into())
    );
    assert_eq!(json["data"]["rows"][1]["status"], "FAILED");
    assert_eq!(
        json["address"],
        "aurora://devcluster/instances/www-data/devel/hello?sort=-instance"
    );
    assert!(!out.contains('\u{1b}'));
}

#[tokio::test(start_paused = true)]
async fn logs_are_read_before_they_are_shown() {
    let (code, out, err) = errand(
        Fake::new(Progress::Accepted, true),
        exec("instances www-data/devel/hello; logs www-data/devel/hello/0 main"),
    )
    .await;
    assert_eq!(code, 0, "{err}");
    for part in ["stdout plain", "stderr plain", "red rest"] {
        assert!(out.contains(part), "{out}");
    }
}

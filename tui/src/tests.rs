//! Whole frames and errands on a cluster without a network.
//!
//! A frame is written as its text and, beside it, a grid of letters for its styles, with a list of what they mean.

mod clusters;
mod fake;
mod instances;
mod link;
mod pages;
mod panes;
mod panic;
mod polling;
mod pty;
#[path = "../../src/client/src/fake.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the client's tests")]
mod scheduler;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use aurora_api::feed::{Line, SnapshotPart};
use aurora_tui_model::actions::Progress;
use aurora_tui_model::event::Event;
use aurora_tui_model::keymap::Keymap;
use aurora_tui_model::screen;
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::theme::{Depth, Theme};
use aurora_tui_model::update::{settle, update};
use ratatui::buffer::Buffer;
use tokio::sync::mpsc;

use crate::args::Form;
use crate::crew::{Crew, Member};
use crate::data::{BUFFER, Data, Source};
use crate::headless::{self, Errand};
use crate::paint::{Look, paint};
use crate::recorder::Recorder;

pub(crate) use fake::{Fake, NOW};
use fake::{hello_tasks, mark, summary};

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
                aurora_tui_model::event::Effect::Topics(topics)
                    if topics.contains("host/host-1.example") =>
                {
                    let whole = [SnapshotPart::Begin, SnapshotPart::End];
                    let [begin, end] = whole.map(|part| mark("host/host-1.example", part));
                    let tasks = hello_tasks().into_iter();
                    let tasks = tasks.filter(|line| matches!(line, Line::Task(_)));
                    let lines = [begin].into_iter().chain(tasks).chain([end]);
                    events.extend(lines.map(|line| Event::Feed(NOW, line)));
                }
                aurora_tui_model::event::Effect::Topics(topics) if topics.contains("updates") => {
                    let whole = [SnapshotPart::Begin, SnapshotPart::End];
                    let lines = whole.map(|part| Event::Feed(NOW, mark("updates", part)));
                    events.extend(lines);
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
        ("timeline", "timeline www-data/devel/hello", ""),
        ("config", "config www-data/devel/hello", ""),
        ("diff", "diff www-data/devel/hello u-1", ""),
        ("hosts", "hosts", ""),
        ("host", "host host-1.example", ""),
        (
            "update",
            "instances www-data/devel/hello; update www-data/devel/hello u-1",
            "j",
        ),
        ("quotas", "quotas", ""),
        ("metrics", "metrics", ""),
        ("drain", "hosts; host-drain host-1.example", ""),
        (
            "update_start",
            "jobs; update-start jobs/hello.aurora www-data/devel/hello",
            "",
        ),
        ("file_form", "jobs", "a U"),
        ("quota_form", "quotas", "enter"),
        ("help", "help", ""),
        ("settings", "settings", ""),
        ("clusters", "clusters", ""),
        ("backups", "backups", ""),
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

/// What a workbench on a cluster is made of.
pub(crate) fn member(source: Arc<dyn Source>, now_ms: i64) -> Member {
    let (events, heard) = mpsc::channel(BUFFER);
    Member {
        state: State::new(setup(), (80, 24), now_ms),
        data: Data::new(source, Recorder::new(None), events),
        heard,
        look: look("mono", Depth::None),
        loaded: None,
        state_dir: None,
    }
}

async fn errand_of(crew: Crew, errand: Errand) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = headless::run(crew, errand, &mut out, &mut err).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code.unwrap(), text(out), text(err))
}

async fn errand(source: Arc<Fake>, errand: Errand) -> (u8, String, String) {
    errand_of(Crew::new(member(source, NOW)), errand).await
}

fn exec(line: &str) -> Errand {
    Errand {
        exec: Some(line.to_owned()),
        script: None,
        follow: false,
        open: None,
        snapshot: None,
        sized: false,
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
            "no such job to show",
            accepted(),
            exec("instances www-data/devel/none"),
            1,
            0,
            "There is no job www-data/devel/none on",
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
async fn an_errand_gives_its_reason_where_one_is_required() {
    for (line, code, calls) in [
        ("kill www-data/devel/hello/0", 1, 0),
        ("kill www-data/devel/hello/0 reason=disk", 0, 1),
    ] {
        let source = Fake::new(Progress::Accepted, true);
        let mut first = member(source.clone(), NOW);
        first.state.setup.rules.reason = true;
        let given = Errand {
            yes: true,
            ..exec(line)
        };
        let (got, _, err) = errand_of(Crew::new(first), given).await;
        assert_eq!(got, code, "{line}: {err}");
        assert_eq!(source.calls.lock().unwrap().len(), calls, "{line}");
        assert_eq!(err.contains("takes a reason"), code == 1, "{line}: {err}");
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
        exec("logs www-data/devel/hello/0 main"),
    )
    .await;
    assert_eq!(code, 0, "{err}");
    for part in ["stdout plain", "stderr plain", "red rest"] {
        assert!(out.contains(part), "{out}");
    }
}

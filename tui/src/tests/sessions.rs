//! The whole workbench in one process: keys on a recorded session, screens read as a person would.
//!
//! `data/session-1.jsonl` is of a real cluster: somebody looked at a task, its output and its files, then restarted an instance
//! whose successors failed twice and were held back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aurora_tui_model::event::{Effect, Event};
use aurora_tui_model::key::parse_sequence;
use tokio::time::Instant;

use super::*;
use crate::replay::Replay;
use crate::tape::{self, Piece, Tape};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/data/session-1.jsonl")
}

/// A workbench on a recorded session, driven by keys.
struct Session {
    state: State,
    data: Data,
    heard: mpsc::Receiver<Event>,
    copied: Vec<String>,
}

impl Session {
    fn open(speed: f64) -> Session {
        let replay = Replay::open(&golden(), speed).unwrap();
        let setup = Setup {
            cluster: replay.cluster().to_owned(),
            read_only: true,
            ..setup()
        };
        let now_ms = replay.now_ms();
        let (events, heard) = mpsc::channel(BUFFER);
        let mut session = Session {
            state: State::new(setup, (100, 30), now_ms),
            data: Data::new(Arc::new(replay), Recorder::new(None), events),
            heard,
            copied: Vec::new(),
        };
        session.take(Event::Tick(now_ms));
        session
    }

    fn take(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            if let Effect::Copy(text) = &effect {
                self.copied.push(text.clone());
            }
            self.data.carry_out(effect);
        }
        settle(&mut self.state);
    }

    fn keys(&mut self, keys: &str) {
        for key in parse_sequence(keys).unwrap() {
            self.take(Event::Key(key));
        }
    }

    fn screen(&self) -> String {
        crate::output::as_text(&frame(&self.state, &look("mono", Depth::None)))
    }

    /// Waits until all these texts are on the screen; virtual time passes at once when nothing can happen.
    async fn shows(&mut self, wanted: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !wanted.iter().all(|text| self.screen().contains(text)) {
            assert!(
                Instant::now() < deadline,
                "{wanted:?} is not on the screen:\n{}",
                self.screen()
            );
            let pause = tokio::time::sleep(Duration::from_millis(100)); // poll
            tokio::select! {
                Some(event) = self.heard.recv() => self.take(event),
                () = pause => {
                    let now_ms = self.data.now_ms();
                    self.take(Event::Tick(now_ms));
                }
            }
        }
    }
}

/// Output with levels, a structured line, a stack and a hostile line.
const OUTPUT: &str = "2026-01-02 03:02:00 INFO begun\n\
2026-01-02 03:03:00 DEBUG details\n\
2026-01-02 03:03:30 WARN slow\n\
{\"time\":\"2026-01-02T03:03:40Z\",\"level\":\"error\",\"msg\":\"refused\",\"peer\":\"10.0.0.7\"}\n\
2026-01-02 03:04:00 ERROR broken\n    at frame 1\n    at frame 2\n\
2026-01-02 03:04:02 INFO \u{1b}[32mcoloured\u{1b}[0m \u{1b}]0;evil\u{7}by itself\n";

#[test]
fn frames_of_output() {
    for (name, lines, keys) in [
        (
            "output_fields",
            "instances www-data/devel/hello; logs www-data/devel/hello/0; fields; histogram",
            "",
        ),
        (
            "output_search",
            "instances www-data/devel/hello; logs www-data/devel/hello/0",
            "z c / b r o k e n enter",
        ),
        (
            "tails",
            "instances www-data/devel/hello; tails; histogram",
            "",
        ),
    ] {
        let mut state = at((80, 24), lines, keys);
        let watches: Vec<(u64, aurora_tui_model::event::Watch)> = state
            .watches
            .iter()
            .map(|(generation, watch)| (*generation, watch.clone()))
            .collect();
        for (generation, watch) in watches {
            use aurora_tui_model::event::{Seen, Stream, WatchWhat};
            if matches!(
                &watch.what,
                WatchWhat::Log {
                    stream: Stream::Stdout,
                    ..
                }
            ) && watch.task.contains("-0-")
            {
                let bytes = OUTPUT.as_bytes().to_vec();
                let seen = Seen::Bytes {
                    offset: 10,
                    next: 10 + bytes.len() as u64,
                    bytes,
                };
                update(&mut state, Event::Seen(generation, seen));
            }
        }
        settle(&mut state);
        insta::assert_snapshot!(
            name,
            dump(&frame(&state, &look("dark", Depth::Indexed)), true)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn keys_on_a_recorded_session_lead_through_all_of_it() {
    let mut session = Session::open(1.0);
    session
        .shows(&["devcluster", "LOCKED", "www-data/devel/hello", "2"])
        .await;
    session.keys("/ h e l l o enter enter");
    session
        .shows(&["jobs > www-data/devel/hello", "RUNNING", "localhost"])
        .await;
    session.keys("enter");
    session.shows(&["PROCESS", "hello", "RUNNING"]).await;
    session.keys("l");
    session
        .shows(&["hello number 20 from instance 0", "stdout run 0"])
        .await;
    session.keys("esc f");
    session.shows(&[".logs", "rwxr-xr-x"]).await;
    // What nobody looked at then is not there now, and it is said.
    session.keys("enter");
    session
        .shows(&["This was not looked at when the session was recorded."])
        .await;
    session.keys("g j");
    session.shows(&["www-data/devel/pipeline"]).await;
    session.keys(": i n s t a n c e s space w w w - d a t a / d e v e l / h e l l o enter");
    session
        .shows(&["THROTTLED", "the recorded session ends here"])
        .await;
    // Back to before the restart, and the link of that moment.
    session.keys("<");
    session.shows(&["REPLAY"]).await;
    session.keys("y l");
    assert!(
        session.copied[0]
            .starts_with("aurora://devcluster/instances/www-data/devel/hello?at=2026-"),
        "{:?}",
        session.copied
    );
    // A record is not changed.
    session.keys("g . a");
    session.shows(&["read-only"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_golden_session_is_read_by_every_later_version() {
    let (head, pieces) = tape::read(&golden()).unwrap();
    assert_eq!(
        (head.session, head.cluster.as_str()),
        (tape::VERSION, "devcluster")
    );
    let count =
        |wanted: fn(&Piece) -> bool| pieces.iter().filter(|(_, piece)| wanted(piece)).count();
    assert_eq!(count(|piece| matches!(piece, Piece::Start(..))), 6);
    assert_eq!(count(|piece| matches!(piece, Piece::Seen(..))), 6);
    assert!(count(|piece| matches!(piece, Piece::Feed(_))) >= 20);
    // Written again it is the same, value by value.
    let written: Vec<serde_json::Value> = pieces
        .iter()
        .map(|piece| serde_json::to_value(piece).unwrap())
        .collect();
    let text = std::fs::read_to_string(golden()).unwrap();
    let stored: Vec<serde_json::Value> = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(written, stored);
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_replayed_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.jsonl");
    let lines = "instances www-data/devel/hello; logs www-data/devel/hello/0";
    let run = async |first: Member| {
        let (code, out, err) = errand_of(Crew::new(first), exec(lines)).await;
        assert_eq!(code, 0, "{err}");
        out
    };
    let source = Fake::new(Progress::Accepted, true);
    let now_ms = source.now_ms();
    let tape = Tape::create(&path, "devcluster", now_ms).unwrap();
    let mut first = member(source, now_ms);
    first.data = first.data.recording(Some(tape));
    let told = run(first).await;
    let replay = Replay::open(&path, 0.0).unwrap();
    let now_ms = replay.now_ms();
    let replayed = run(member(Arc::new(replay), now_ms)).await;
    // The line at the top tells how long ago something was heard.
    let rest = |text: &str| text.lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(rest(&replayed), rest(&told));
    assert!(replayed.contains("stdout plain"));
}

#[tokio::test(start_paused = true)]
async fn scripts_stop_at_the_first_failure_and_say_where() {
    for (name, text, json, code, answers, said) in [
        (
            "all well",
            "# a remark\njobs\n\ninstances www-data/devel/hello; hosts\n",
            true,
            0,
            3,
            "",
        ),
        ("wrong", "jobs\n  nope\n", true, 2, 0, "line 2: `nope`"),
        (
            "fails",
            "jobs\nkill www-data/devel/none\nhosts\n",
            true,
            1,
            2,
            "stopped at line 2: kill www-data/devel/none",
        ),
        (
            "asks",
            "kill www-data/devel/hello/0\nhosts",
            true,
            1,
            1,
            "--yes says yes",
        ),
        ("quiet", "jobs\nhosts\n", false, 0, 0, ""),
        ("empty", "", false, 0, 0, ""),
    ] {
        let given = Errand {
            exec: None,
            script: Some(text.to_owned()),
            snapshot: json.then_some(Form::Json),
            ..exec("")
        };
        let (got, out, err) = errand(Fake::new(Progress::Accepted, true), given).await;
        assert_eq!(
            (got, out.lines().count()),
            (code, answers),
            "{name}: {out} {err}"
        );
        assert!(err.contains(said), "{name}: {err}");
        if let Some(last) = out.lines().last() {
            let last: serde_json::Value = serde_json::from_str(last).unwrap();
            assert_eq!(
                (&last["version"], &last["code"]),
                (&1.into(), &code.into()),
                "{name}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_confirms_and_tells_what_became_of_it() {
    let given = Errand {
        exec: None,
        script: Some("kill www-data/devel/hello/0 reason=x\n".to_owned()),
        snapshot: Some(Form::Json),
        yes: true,
        ..exec("")
    };
    let (code, out, err) = errand(Fake::new(Progress::Accepted, true), given).await;
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["code"]), (0, &0.into()), "{err}");
    assert!(
        answer["changes"][0].as_str().unwrap().contains("confirmed"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_view_is_followed_as_rows_and_lines() {
    for (lines, json, wanted) in [
        (
            "instances www-data/devel/hello",
            true,
            r#"{"version":1,"op":"row","row":{"id":"0","instance":0,"#,
        ),
        ("instances www-data/devel/hello", false, "0\tRUNNING\t"),
        (
            "logs www-data/devel/hello/0 main",
            true,
            r#"{"version":1,"op":"line","source":"stdout","line":{"time":null,"#,
        ),
        (
            "logs www-data/devel/hello/0 main",
            false,
            "stderr | stderr plain\n",
        ),
        (
            "tails www-data/devel/hello",
            false,
            "2/stdout | stdout plain\n",
        ),
    ] {
        // It goes on for ever; what was written by the time of the limit is looked at.
        let out = std::sync::Mutex::new(Vec::new());
        struct Shared<'a>(&'a std::sync::Mutex<Vec<u8>>);
        impl std::io::Write for Shared<'_> {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let source = Fake::new(Progress::Accepted, true);
        let given = Errand {
            follow: true,
            snapshot: json.then_some(Form::Json),
            ..exec(&format!("instances www-data/devel/hello; {lines}"))
        };
        let crew = Crew::new(member(source, NOW));
        let (mut shared, mut err) = (Shared(&out), Vec::new());
        let run = headless::run(crew, given, &mut shared, &mut err);
        assert!(
            tokio::time::timeout(Duration::from_secs(20), run)
                .await
                .is_err(),
            "it goes on"
        );
        let told = String::from_utf8(out.into_inner().unwrap()).unwrap();
        assert!(told.contains(wanted), "{lines}: {told}");
        // Time alone changes nothing: every row and line came once.
        let mut seen: Vec<&str> = told.lines().collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "{lines}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_saved_to_a_new_file_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.log");
    let line = format!(
        "logs www-data/devel/hello/0 main; filter stdout; save {} plain",
        path.display()
    );
    let (code, _, err) = errand(Fake::new(Progress::Accepted, true), exec(&line)).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "stdout plain\n");
    let (code, _, err) = errand(Fake::new(Progress::Accepted, true), exec(&line)).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("cannot save") && err.contains("exists"),
        "{err}"
    );
}

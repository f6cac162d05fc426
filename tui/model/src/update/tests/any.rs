//! Whatever is typed and whatever comes, the screen is drawn.

use proptest::prelude::*;

use super::*;
use crate::command::COMMANDS;

#[derive(Clone, Debug)]
enum Act {
    Keys(&'static str),
    Command(usize, String),
    Output(Vec<u8>),
    Resize(u16, u16),
    Later(i64),
    Change(i32, ScheduleStatus),
    Lost,
}

fn act() -> impl Strategy<Value = Act> {
    let keys = prop::sample::select(vec![
        "j",
        "k",
        "g g",
        "G",
        "enter",
        "esc",
        "l",
        "L",
        "m",
        "H",
        "J",
        "e",
        "E",
        "n",
        "N",
        "c",
        "z",
        "<",
        ">",
        "{",
        "g .",
        "/ E R enter",
        "/ l e v e l > = w a r n enter",
        "space",
        "tab",
        "p",
        "s",
        "S",
        "a",
        "?",
        "ctrl-d",
        "pageup",
        "left",
        "right",
        "- ",
        "y l",
        "q n",
    ]);
    let words = prop::sample::select(vec![
        "",
        "w/devel/hello",
        "w/devel/hello/0",
        "w/devel/hello/0-9",
        "main",
        "14:05",
        "10m",
        "-1h",
        "now",
        "0",
        "older",
        "50%",
        "end",
        "level>=warn",
        "source=0/stdout",
        "re:.*",
        "@user=7",
        "x json",
        "lines",
        "aurora://dev/jobs",
        "aurora://dev/tails/w/devel/hello/all?at=2001-09-09T01%3A46%3A39Z",
        "\"",
        "-job",
        "1h",
    ]);
    let output = prop_oneof![
        Just(b"INFO one\nERROR two\n  at x\n{\"level\":\"warn\",\"msg\":\"m\"}\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    prop_oneof![
        4 => keys.prop_map(Act::Keys),
        4 => (0..COMMANDS.len(), words).prop_map(|(at, word)| Act::Command(at, word.to_owned())),
        3 => output.prop_map(Act::Output),
        1 => (0u16..200, 0u16..60).prop_map(|(columns, rows)| Act::Resize(columns, rows)),
        1 => (0i64..4_000_000).prop_map(Act::Later),
        1 => (0i32..12, prop::sample::select(vec![ScheduleStatus::Running, ScheduleStatus::Failed, ScheduleStatus::Pending]))
            .prop_map(|(instance, status)| Act::Change(instance, status)),
        1 => Just(Act::Lost),
    ]
}

fn perform(bench: &mut Bench, act: Act) {
    let now_ms = bench.state.now_ms;
    match act {
        Act::Keys(keys) => bench.keys(keys.trim()),
        Act::Command(at, word) => {
            bench.event(Event::Run(format!("{} {word}", COMMANDS[at].name)));
        }
        Act::Output(bytes) => {
            let watches: Vec<(u64, WatchWhat)> = bench
                .state
                .watches
                .iter()
                .map(|(generation, watch)| (*generation, watch.what.clone()))
                .collect();
            for (generation, what) in watches {
                let seen = match what {
                    WatchWhat::Task => Seen::Task(TaskInfo {
                        processes: vec![Process {
                            name: "main".to_owned(),
                            state: "RUNNING".to_owned(),
                            run: i64::from(bytes.first().copied().unwrap_or(0) % 3),
                            ..Process::default()
                        }],
                        ..TaskInfo::default()
                    }),
                    WatchWhat::Log { .. } | WatchWhat::File { .. } => match bytes.len() % 7 {
                        0 => Seen::Truncated,
                        1 => Seen::Missed(bytes.len() as u64),
                        2 => Seen::Rest(bytes.len() as u64),
                        _ => Seen::Bytes {
                            offset: 0,
                            next: bytes.len() as u64,
                            bytes: bytes.clone(),
                        },
                    },
                    _ => Seen::Trouble(String::from_utf8_lossy(&bytes).into_owned()),
                };
                bench.event(Event::Seen(generation, seen));
            }
        }
        Act::Resize(columns, rows) => bench.event(Event::Resize(columns, rows)),
        Act::Later(ms) => bench.event(Event::Tick(now_ms + ms)),
        Act::Change(instance, status) => {
            let line = task("w/devel/hello", instance, "a", status);
            bench.event(Event::Feed(now_ms, line));
        }
        Act::Lost => bench.event(Event::Link(
            now_ms,
            LinkEvent::Lost("why\u{1b}[31m".to_owned()),
        )),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_is_done_the_screen_is_drawn(acts in prop::collection::vec(act(), 1..40)) {
        let mut bench = Bench::with_jobs();
        bench.keys("enter");
        bench.hello_tasks();
        for act in acts {
            perform(&mut bench, act);
            let drawn = screen(&bench.state);
            for segment in &drawn.status {
                prop_assert!(segment.text.chars().all(crate::text::is_printable), "{segment:?}");
            }
            if let Body::Text(panes) = &drawn.body {
                for (line, _) in panes.iter().flat_map(|pane| &pane.lines) {
                    prop_assert!(line.text().chars().all(crate::text::is_printable), "{line:?}");
                }
            }
            snapshot(&bench.state);
        }
    }
}

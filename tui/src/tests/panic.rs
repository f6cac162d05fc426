//! Panics on a real terminal. The tests run themselves again there, as a workbench whose data layer is broken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_api::feed::{JobRemoved, Line, SnapshotPart};
use aurora_api::model::ScheduleStatus;
use aurora_tests::process::is_alive;
use aurora_tests::terminal::Terminal;
use aurora_tests::wait;
use aurora_tui_model::event::{Call, Event, Viewer, Watch};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::fake::{NOW, job, mark, seq, summary};
use super::member;
use crate::config::Env;
use crate::crew::Crew;
use crate::data::{Events, Job, Source, report};
use crate::shell::Program;

const NAME: &str = "tests::panic::a_panic_gives_the_terminal_back";
/// Where the log is, when the test is the workbench.
const LOG: &str = "TEST_IS_THE_WORKBENCH_WITH_LOG";

/// An empty cluster on which launching the examples is a bug.
struct Broken;

impl Source for Broken {
    fn follow(&self, _topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job {
        Box::pin(async move {
            for line in [SnapshotPart::Begin, SnapshotPart::End].map(|part| mark("summary", part)) {
                report(&events, Event::Feed(NOW, line)).await;
            }
        })
    }
    fn watch(&self, _generation: u64, _watch: Watch, _events: Events) -> Job {
        Box::pin(async {})
    }
    fn send(&self, _call: Call, _events: Events) -> Job {
        Box::pin(async {})
    }
    fn launch(&self, _events: Events) -> Job {
        panic!("broken on purpose")
    }
    fn suggest(&self, _events: Events) -> Job {
        // In a task of its own: that one ends, the screen stays.
        Box::pin(async { panic!("a job of the data layer") })
    }
}

fn be_the_workbench(log: &Path) {
    crate::terminal::restore_on_panic(Some(log));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let crew = Crew::new(member(Arc::new(Broken), NOW));
        crate::app::run(crew, Env::default(), Vec::new())
            .await
            .unwrap();
    });
}

#[test]
fn a_panic_gives_the_terminal_back() {
    if let Some(log) = std::env::var_os(LOG) {
        return be_the_workbench(&PathBuf::from(log));
    }
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "'{}' --exact {NAME} --nocapture; echo ended; stty -a; read done",
        program.display()
    );
    let mut terminal = Terminal::start(
        Path::new("/bin/sh"),
        &["-c", &script],
        &[
            ("TERM", "xterm-256color"),
            ("PATH", "/usr/bin:/bin"),
            (LOG, "/var/log/of-the-test.log"),
        ],
        100,
        40,
    );
    terminal.wait_for("launch the examples");
    assert!(terminal.is_alternate());
    terminal.keys("e");
    let screen = terminal.wait_until("the end and the terminal's settings", |screen| {
        screen.contains("ended") && screen.contains("icanon")
    });
    assert!(!terminal.is_alternate());
    for part in [
        "broken on purpose",
        "The log is in /var/log/of-the-test.log.",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    let settings: Vec<&str> = screen.split_whitespace().collect();
    for setting in ["icanon", "isig", "echo", "opost"] {
        assert!(settings.contains(&setting), "{setting} in\n{screen}");
    }
    assert!(!screen.contains("a job of the data layer"), "{screen}");
}

const IN_ANY_STATE: &str = "tests::panic::a_panic_in_any_state_gives_the_terminal_back";
/// What is broken, when the test is the workbench.
const BROKEN: &str = "TEST_IS_A_WORKBENCH_THAT_BREAKS";
/// The job that there is; its end is what the workbench does not survive.
const JOB: &str = "www/prod/web";

/// A cluster whose only job ends when this process is told to, which is a bug. Its leader has the name of the process.
struct Dying;

impl Source for Dying {
    fn follow(&self, _topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job {
        Box::pin(async move {
            let mut told = signal(SignalKind::user_defined1()).unwrap();
            let mut hello = summary().swap_remove(0);
            if let Line::Hello(hello) = &mut hello {
                hello.leader = format!("process-{}-", std::process::id());
            }
            let running = job(JOB, &[(ScheduleStatus::Running, 1)], 90_000_000);
            let [begin, end] = [SnapshotPart::Begin, SnapshotPart::End];
            for line in [hello, mark("summary", begin), running, mark("summary", end)] {
                report(&events, Event::Feed(NOW, line)).await;
            }
            told.recv().await;
            let removed = JobRemoved {
                seq: seq(7),
                job: JOB.parse().unwrap(),
            };
            report(&events, Event::Feed(NOW, Line::JobRemoved(removed))).await;
            std::future::pending().await
        })
    }
    fn watch(&self, _generation: u64, _watch: Watch, _events: Events) -> Job {
        Box::pin(async {})
    }
    fn send(&self, _call: Call, _events: Events) -> Job {
        Box::pin(async {})
    }
    fn launch(&self, _events: Events) -> Job {
        Box::pin(async {})
    }
    fn suggest(&self, _events: Events) -> Job {
        panic!("broken on purpose")
    }
}

/// A workbench that has lent the terminal to a pager when it breaks. A job of the data layer breaks before that.
async fn lend_and_break() {
    let mut told = signal(SignalKind::user_defined1()).unwrap();
    let mut signals = crate::app::Signals::install().unwrap();
    let mut terminal = crate::terminal::Terminal::take().unwrap();
    let pager = Program::viewing(Viewer::Pager, format!("process-{}-", std::process::id()));
    let program = async {
        let broken = tokio::spawn(async { panic!("a job of the data layer") });
        assert!(broken.await.is_err());
        tokio::select! {
            ended = pager.run() => ended,
            _ = told.recv() => panic!("broken on purpose"),
        }
    };
    let lent = crate::app::lend(&mut terminal, &mut signals, program);
    lent.await.unwrap();
}

fn be_broken(what: &str) {
    crate::terminal::restore_on_panic(None);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if what == "lent" {
            return lend_and_break().await;
        }
        let crew = Crew::new(member(Arc::new(Dying), NOW));
        let run = crate::app::run(crew, Env::default(), Vec::new());
        run.await.unwrap();
    });
}

/// The number behind a word on the screen.
fn process(screen: &str, word: &str) -> i32 {
    let rest = screen.split(word).nth(1).unwrap_or_default();
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    number
        .parse()
        .unwrap_or_else(|_| panic!("{word} in\n{screen}"))
}

/// What holds of the terminal's modes after these bytes: those that were set or reset, by the last time.
fn modes(bytes: &str) -> Vec<(&str, bool)> {
    ["1049", "25", "2004", "1000", "1006", "2026"]
        .into_iter()
        .filter_map(|mode| {
            let set = bytes.rfind(&format!("\x1b[?{mode}h"));
            let reset = bytes.rfind(&format!("\x1b[?{mode}l"));
            (set.is_some() || reset.is_some()).then_some((mode, set > reset))
        })
        .collect()
}

#[test]
fn a_panic_in_any_state_gives_the_terminal_back() {
    if let Ok(what) = std::env::var(BROKEN) {
        return be_broken(&what);
    }
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "'{}' --exact {IN_ANY_STATE} --nocapture; read go; echo ended; stty -a; read done",
        program.display()
    );
    // It changes the terminal as programs on the whole screen do, and cleans up nothing when it is killed.
    let pager = "/bin/sh -c 'stty raw -echo; printf \"\\033[?1049h\\033[?1000h\\033[?2004h\"; \
        cat \"$0\"; echo \" pager-$$-\"; read answer'";
    for (state, keys, shown) in [
        ("plain", "", JOB),
        ("the prompt open", ":kill www", ":kill www"),
        ("a filter typed", "/we", "/we"),
        ("the mouse taken", ":mouse\r", "mouse"),
        ("a dialog open", "a", "actions"),
        ("a storm of sizes", "", JOB),
        ("continued", "", JOB),
        ("lent", "", "pager-"),
    ] {
        let mut terminal = Terminal::start(
            Path::new("/bin/sh"),
            &["-c", &script],
            &[
                ("TERM", "xterm-256color"),
                ("PATH", "/usr/bin:/bin"),
                ("PAGER", pager),
                (BROKEN, state),
            ],
            100,
            40,
        );
        let workbench = process(&terminal.wait_for("process-"), "process-");
        terminal.keys(keys);
        let screen = terminal.wait_for(shown);
        let tell = |signal| aurora_tests::process::signal(workbench, signal);
        match state {
            "a storm of sizes" => {
                for turn in 0..100u16 {
                    terminal.resize(60 + turn % 40, 20 + turn % 20);
                    if turn == 50 {
                        tell(Signal::SIGUSR1);
                    }
                }
                terminal.resize(100, 40);
            }
            "continued" => {
                for signal in [Signal::SIGSTOP, Signal::SIGUSR1, Signal::SIGCONT] {
                    tell(signal);
                }
            }
            _ => tell(Signal::SIGUSR1),
        }
        wait::until("the workbench to end", || match is_alive(workbench) {
            true => Err("it goes on"),
            false => Ok(()),
        });
        // What comes now is written on a screen that keeps its size.
        terminal.keys("\r");
        let ended = terminal.wait_until("the end and the terminal's settings", |screen| {
            screen.contains("ended") && screen.contains("icanon")
        });
        let settings: Vec<&str> = ended.split_whitespace().collect();
        for setting in ["icanon", "isig", "echo", "opost"] {
            assert!(
                settings.contains(&setting),
                "{state}: {setting} in\n{ended}"
            );
        }
        // The cursor is shown; all else that was asked of the terminal is taken back.
        let bytes = terminal.recent();
        assert!(bytes.contains("broken on purpose"), "{state}:\n{bytes}");
        for (mode, is_set) in modes(&bytes) {
            assert_eq!(is_set, mode == "25", "{state}: mode {mode}");
        }
        assert!(
            bytes.contains("\x1b[?2026l"),
            "{state}: a frame that was cut off"
        );
        assert!(
            !bytes.contains("a job of the data layer"),
            "{state}:\n{ended}"
        );
        if state == "lent" {
            let pager = process(&screen, "pager-");
            wait::until("the pager to end", || match is_alive(pager) {
                true => Err("it goes on"),
                false => Ok(()),
            });
        }
    }
}

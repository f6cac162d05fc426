//! The loop on a real terminal. The test runs itself again there, as a workbench on a cluster without a network.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora_tests::terminal::Terminal;
use aurora_tests::wait;
use aurora_tui_model::actions::Progress;
use aurora_tui_model::event::{Call, Event, Watch};
use tokio::sync::watch;

use super::fake::{Fake, summary};
use super::member;
use crate::args::{Color, Glyphs};
use crate::config::{Env, Wanted};
use crate::crew::{Crew, Member};
use crate::data::{Events, Job, Source, now_ms, report};

/// What the workbench in the terminal does, when the test is it.
const ROLE: &str = "TEST_IS_A_WORKBENCH";

/// A cluster that tells what there is and is silent but for signs of life; or one that never answers.
struct Quiet {
    answers: bool,
}

impl Source for Quiet {
    fn follow(&self, _topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job {
        let answers = self.answers;
        Box::pin(async move {
            if !answers {
                return std::future::pending().await;
            }
            for line in summary() {
                report(&events, Event::Feed(now_ms(), line)).await;
            }
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await; // moment
                let heartbeat = aurora_api::feed::Heartbeat {
                    seq: super::fake::seq(9),
                };
                let line = aurora_api::feed::Line::Heartbeat(heartbeat);
                report(&events, Event::Feed(now_ms(), line)).await;
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
        Box::pin(async {})
    }
    fn suggest(&self, _events: Events) -> Job {
        Box::pin(async {})
    }
}

fn be_the_workbench(role: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let source: Arc<dyn Source> = match role {
            "reads" => Fake::new(Progress::Accepted, true),
            _ => Arc::new(Quiet {
                answers: role != "deaf",
            }),
        };
        let env = Env {
            term: "xterm-256color".to_owned(),
            asks: role == "asks",
            ..Env::default()
        };
        let wanted = Wanted {
            cluster: "devcluster".to_owned(),
            theme: None,
            color: Color::Auto,
            glyphs: Glyphs::Ascii,
        };
        let loaded = env.load(&wanted);
        let first = Member {
            look: loaded.look.clone(),
            loaded: Some((wanted, loaded)),
            ..member(source, now_ms())
        };
        crate::app::run(Crew::new(first), env, Vec::new())
            .await
            .unwrap();
    });
}

/// A terminal with a workbench in it; none when this process is that workbench, and has been it.
fn workbench(test: &str, role: &str) -> Option<Terminal> {
    if let Ok(role) = std::env::var(ROLE) {
        be_the_workbench(&role);
        return None;
    }
    let name = format!("tests::pty::{test}");
    Some(Terminal::start(
        &std::env::current_exe().unwrap(),
        &["--exact", &name, "--nocapture"],
        &[
            ("TERM", "xterm-256color"),
            ("PATH", "/usr/bin:/bin"),
            (ROLE, role),
        ],
        100,
        30,
    ))
}

/// Waits until nothing was written for a while.
fn settled(terminal: &Terminal) -> u64 {
    let mut last = (terminal.written(), Instant::now());
    wait::until("the terminal to be quiet", || {
        let now = terminal.written();
        if now != last.0 {
            last = (now, Instant::now());
        }
        if last.1.elapsed() > Duration::from_millis(500) {
            Ok(last.0)
        } else {
            Err(format!("{now} bytes so far"))
        }
    })
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let Some(mut terminal) = workbench("nothing_is_written_while_nothing_changes", "quiet") else {
        return;
    };
    terminal.wait_for("www-data/devel/hello");
    // Jobs changed half a minute ago, which ticks; quotas have no ages.
    terminal.keys("gq");
    terminal.wait_for("quotas");
    let before = settled(&terminal);
    let begun = Instant::now();
    // Signs of life come meanwhile, one each second.
    wait::until("three seconds to go by", || {
        if begun.elapsed() > Duration::from_secs(3) {
            Ok(())
        } else {
            Err(String::new())
        }
    });
    assert_eq!(terminal.written() - before, 0, "{}", terminal.text());
    // It is still there.
    terminal.keys("gh");
    terminal.wait_for("host-1.example");
}

#[test]
fn the_first_frame_needs_no_answer() {
    let begun = Instant::now();
    let Some(terminal) = workbench("the_first_frame_needs_no_answer", "deaf") else {
        return;
    };
    terminal.wait_for("connecting");
    // With a debug build, the start of the test program and a busy machine: far from the time-out of any answer.
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(
        terminal
            .text()
            .contains("Waiting for the cluster's summary"),
        "{}",
        terminal.text()
    );
}

#[test]
fn the_terminal_tells_light_from_dark() {
    let Some(mut terminal) = workbench("the_terminal_tells_light_from_dark", "asks") else {
        return;
    };
    terminal.wait_for("www-data/devel/hello");
    terminal.wait_for("NORMAL");
    let dark = terminal.background(90, 0);
    // What a light terminal answers to the question for its background.
    terminal.keys("\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\");
    wait::until("another background", || match terminal.background(90, 0) {
        light if light != dark => Ok(()),
        same => Err(same),
    });
    // No part of the answer was taken for keys.
    assert!(
        !terminal.text().contains("does nothing here"),
        "{}",
        terminal.text()
    );
    terminal.keys("gh");
    terminal.wait_for("host-1.example");
}

#[test]
fn a_storm_of_sizes_ends_in_the_last_one() {
    let Some(mut terminal) = workbench("a_storm_of_sizes_ends_in_the_last_one", "quiet") else {
        return;
    };
    terminal.wait_for("www-data/devel/hello");
    for turn in 0..200u16 {
        terminal.resize(40 + turn % 60, 10 + turn % 30);
    }
    terminal.resize(70, 12);
    terminal.keys(":help\r");
    // The first and the last row of twelve are where a workbench of that size paints them.
    terminal.wait_until("help at the last size", |screen| {
        let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
        lines.len() == 12
            && lines[0].starts_with(" devcluster live help > jobs")
            && lines[1].starts_with(" KEYS")
            && lines[11].contains("esc back")
            && lines.iter().all(|line| line.chars().count() <= 70)
    });
    assert!(Path::new("/proc").join(terminal.pid().to_string()).exists());
}

#[test]
fn a_storm_of_keys_loses_none() {
    let Some(mut terminal) = workbench("a_storm_of_keys_loses_none", "quiet") else {
        return;
    };
    terminal.wait_for("www-data/devel/hello");
    let typed: String = (0..1000)
        .map(|at| char::from(b'a' + (at % 26) as u8))
        .collect();
    terminal.keys(":");
    terminal.keys(&typed);
    let end = &typed[typed.len() - 60..];
    terminal.wait_for(end);
}

#[test]
fn a_pager_gets_the_terminal_and_gives_it_back_even_killed() {
    const NAME: &str = "tests::pty::a_pager_gets_the_terminal_and_gives_it_back_even_killed";
    if std::env::var(ROLE).is_ok() {
        return be_the_workbench("reads");
    }
    // It changes the terminal as programs on the whole screen do, and cleans up nothing when it is killed.
    let pager = "/bin/sh -c 'stty raw -echo; printf \"\\033[?1049h\\033[?1000h\"; \
        cat \"$0\"; echo; echo shown by $$.; read answer'";
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
            (ROLE, "reads"),
            ("PAGER", pager),
            ("VISUAL", "/bin/cat -n"),
        ],
        100,
        40,
    );
    terminal.wait_for("www-data/devel/hello");
    terminal.keys(":instances www-data/devel/hello\r");
    terminal.wait_for("RUNNING");
    terminal.keys(":logs www-data/devel/hello/0\r");
    terminal.wait_for("following");
    terminal.keys("P");
    let shown = terminal.wait_for("shown by");
    assert!(!shown.contains("following"), "{shown}");
    let pid = shown
        .split("shown by ")
        .nth(1)
        .and_then(|rest| rest.split('.').next());
    let pid: i32 = pid
        .and_then(|pid| pid.trim().parse().ok())
        .expect("its process id");
    aurora_tests::process::signal(pid, nix::sys::signal::Signal::SIGKILL);
    terminal.wait_for("the pager has ended: signal: 9");
    assert!(terminal.is_alternate());
    // Keys are ours again; a program that ends at once does no harm either.
    terminal.keys(":editor\r");
    terminal.wait_for("the editor has ended");
    terminal.keys(":quotas\r");
    terminal.wait_for("quotas");
    terminal.keys(":quit\r");
    let screen = terminal.wait_until("the end and the terminal's settings", |screen| {
        screen.contains("ended") && screen.contains("icanon")
    });
    let settings: Vec<&str> = screen.split_whitespace().collect();
    for setting in ["icanon", "isig", "echo", "opost"] {
        assert!(settings.contains(&setting), "{setting} in\n{screen}");
    }
    assert!(!terminal.is_alternate());
}

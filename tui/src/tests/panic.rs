//! A panic on a real terminal. The test runs itself again there, as a workbench whose data layer is broken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_api::feed::SnapshotPart;
use aurora_tests::terminal::Terminal;
use aurora_tui_model::event::{Call, Event, Watch};
use tokio::sync::watch;

use super::fake::{NOW, mark};
use super::member;
use crate::config::Env;
use crate::crew::Crew;
use crate::data::{Events, Job, Source, report};

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

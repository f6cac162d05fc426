//! E6: output that is copied.

use std::fs;
use std::path::Path;

use aurora_tests::figures::{Figures, rounded};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde_json::json;

use crate::support::{Agent, assigned};

/// A gigabyte in short and in long lines: appended by the process itself, through rotation, and to a console as well.
pub(crate) async fn copied(figures: &mut Figures, program: &Path) {
    let bytes: usize = if figures.smoke {
        50 << 20
    } else {
        1_000_000_000
    };
    for line in [100, 1_000_000] {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("all");
        let text = format!("{}\n", "x".repeat(line - 1));
        fs::write(&source, text.repeat(bytes / line)).unwrap();
        let size = fs::metadata(&source).unwrap().len();
        for (what, destination, mode) in [
            ("a plain file", "file", "standard"),
            ("rotation", "file", "rotate"),
            ("a plain file and a console", "both", "standard"),
            ("rotation and a console", "both", "rotate"),
        ] {
            let flags = [
                format!("--runner-logger-destination={destination}"),
                format!("--runner-logger-mode={mode}"),
                "--runner-rotate-log-size-mb=100".to_owned(),
                "--runner-rotate-log-backups=10".to_owned(),
            ];
            let before = children_seconds();
            let (seconds, kept) = copy(program, &source, &flags).await;
            figures.line(&json!({
                "id": "E6", "input": format!("{size} bytes in lines of {line} to {what}"), "unit": "MB/s",
                "value": rounded(size as f64 / 1e6 / seconds), "bytes_lost": size - kept,
                // The process itself, cat, included.
                "processor_seconds": rounded(children_seconds() - before),
            }));
        }
    }
}

/// How long the process took to get rid of the file, and how much of that is in its logs.
async fn copy(program: &Path, source: &Path, flags: &[String]) -> (f64, u64) {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut agent = Agent::start_program(program, None, &flags).await;
    let line = format!(
        "begin=$EPOCHREALTIME; cat {}; echo $begin $EPOCHREALTIME > times",
        source.display()
    );
    agent.launch(&assigned(
        json!([{"name": "p", "cmdline": line}]),
        json!({}),
    ));
    for _ in 0..3 {
        agent.status().await;
    }
    let times = agent.file("times").unwrap();
    let times: Vec<f64> = times
        .split_whitespace()
        .map(|time| time.parse().unwrap())
        .collect();
    let folder = agent.sandbox().join(".logs/p/0");
    let files = fs::read_dir(folder).unwrap().flatten();
    let kept = files.map(|entry| entry.metadata().unwrap().len()).sum();
    agent.exit().await;
    (times[1] - times[0], kept)
}

/// Processor time of children that have been waited for.
fn children_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

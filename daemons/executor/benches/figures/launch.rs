//! E2 and E3: launches and starts.

use std::path::Path;
use std::time::Instant;

use aurora_tests::figures::{Figures, rounded};
use serde_json::json;

use crate::now;
use crate::support::{Agent, assigned};

const FIRST_LINE: &str = "echo $EPOCHREALTIME > at";

/// E2: tasks of one process, an executor each, beside bash started by itself.
pub(crate) async fn tasks(figures: &mut Figures, program: &Path) {
    let count = if figures.smoke { 32 } else { 1000 };
    let bare = bare(figures, count);
    for wide in [1, 16] {
        let (mut to_exec, mut to_end) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        let lanes = (0..wide).map(|_| lane(program, count / wide));
        for (exec, end) in futures_util::future::join_all(lanes)
            .await
            .into_iter()
            .flatten()
        {
            to_exec.push(exec);
            to_end.push(end);
        }
        let rate = to_exec.len() as f64 / begin.elapsed().as_secs_f64();
        let what = |what: &str| format!("{what}, {wide} at a time");
        figures.spread(
            "E2",
            &what("launch to the first line of bash"),
            "ms",
            to_exec,
        );
        figures.spread(
            "E2",
            &what("the last status to the end of the executor"),
            "ms",
            to_end,
        );
        figures.line(&json!({
            "id": "E2", "input": what("tasks from the start of their executor to its end"), "unit": "1/s",
            "value": rounded(rate), "bare_bash": rounded(bare), "ratio": rounded(bare / rate),
        }));
    }
}

/// One task after the other: milliseconds from its launch to bash, and from its end to the executor's.
async fn lane(program: &Path, count: usize) -> Vec<(f64, f64)> {
    let mut times = Vec::new();
    for _ in 0..count {
        let mut agent = Agent::start_program(program, None, &[]).await;
        let task = assigned(json!([{"name": "p", "cmdline": FIRST_LINE}]), json!({}));
        let begin = now();
        agent.launch(&task);
        for _ in 0..3 {
            agent.status().await;
        }
        let at: f64 = agent.file("at").unwrap().trim().parse().unwrap();
        let over = Instant::now();
        agent.child.wait().await.unwrap();
        let ended = over.elapsed();
        times.push(((at - begin) * 1000.0, ended.as_secs_f64() * 1000.0));
    }
    times
}

/// bash with the same line and nothing else: how many a second.
fn bare(figures: &mut Figures, count: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut to_exec = Vec::new();
    let begun = Instant::now();
    for _ in 0..count {
        let begin = now();
        let mut bash = std::process::Command::new("/bin/bash");
        bash.args(["-c", FIRST_LINE]).current_dir(dir.path());
        assert!(bash.status().unwrap().success());
        let at = std::fs::read_to_string(dir.path().join("at")).unwrap();
        to_exec.push((at.trim().parse::<f64>().unwrap() - begin) * 1000.0);
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    figures.spread("E2", "bash without an executor", "ms", to_exec);
    rate
}

/// E3: from the start of the program to its SUBSCRIBE.
pub(crate) async fn starts(figures: &mut Figures, program: &Path) {
    for (what, is_cold) in [("warm", false), ("its file not in memory", true)] {
        let mut samples = Vec::new();
        for _ in 0..if figures.smoke { 3 } else { 50 } {
            if is_cold {
                forget(program);
            }
            let begin = Instant::now();
            let mut agent = Agent::start_program(program, None, &[]).await;
            samples.push(begin.elapsed().as_secs_f64() * 1000.0);
            agent.child.kill().await.unwrap();
        }
        figures.spread("E3", &format!("start to SUBSCRIBE, {what}"), "ms", samples);
    }
}

/// Takes a file that nobody runs out of the page cache.
fn forget(file: &Path) {
    let file = std::fs::File::open(file).unwrap();
    file.sync_all().unwrap();
    let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    nix::fcntl::posix_fadvise(&file, 0, 0, advice).unwrap();
}

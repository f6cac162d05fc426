//! Measures the executor against an agent that is played here: weight (E1), launch (E2), start (E3), idleness (E4), restarts and
//! recovery (E5), logs (E6), kill (E7). `cargo xtask bench E` builds the static executor and runs this.
//!
//! `--program=PATH` is the executor to measure, the build of this profile without one.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for the terminal, which ends where it cannot go on"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod idle;
mod launch;
mod logs;
mod restarts;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aurora_api::model::AssignedTask;
use aurora_tests::figures::{Figures, memory, rounded};
use aurora_thermos::procs;
use serde_json::{Value, json};
use support::{Agent, assigned, until};

const SLEEP: &str = "exec sleep 1000";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut figures = Figures::start("executor", "cargo xtask bench E");
    let program = figures
        .program
        .clone()
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_aurora-executor")));
    let size = std::fs::metadata(&program).unwrap().len();
    figures.line(&json!({"id": "size", "input": program, "unit": "bytes", "value": size}));
    if figures.wants("E1") {
        weights(&mut figures, &program).await;
    }
    if figures.wants("E2") {
        launch::tasks(&mut figures, &program).await;
    }
    if figures.wants("E3") {
        launch::starts(&mut figures, &program).await;
    }
    // Minutes of idleness, and seconds.
    if figures.wants("E4-idle") {
        idle::wakeups(&mut figures, &program).await;
    }
    if figures.wants("E4-ends") {
        idle::ends(&mut figures, &program).await;
    }
    if figures.wants("E5") {
        restarts::restarts(&mut figures, &program);
        restarts::recovery(&mut figures);
    }
    if figures.wants("E6") {
        logs::copied(&mut figures, &program).await;
    }
    if figures.wants("E7") {
        kills(&mut figures, &program).await;
    }
}

/// Starts an executor with a task and waits until its processes run.
async fn running(program: &Path, task: &AssignedTask, count: usize) -> Agent {
    let mut agent = Agent::start_program(program, None, &[]).await;
    agent.launch(task);
    agent.status().await;
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_RUNNING", "{message}");
    let pid = pid(&agent);
    let bash = || -> usize {
        let coordinators = procs::children(pid).into_iter();
        coordinators.map(|pid| procs::children(pid).len()).sum()
    };
    until(
        "the processes",
        || format!("{} run", bash()),
        || bash() >= count,
    )
    .await;
    agent
}

fn sleepers(count: usize) -> Value {
    let one = |number| json!({"name": format!("p{number}"), "cmdline": SLEEP});
    Value::Array((0..count).map(one).collect())
}

async fn end(mut agent: Agent) {
    agent.kill("task-1");
    agent.status().await;
    agent.exit().await;
}

fn pid(agent: &Agent) -> i32 {
    agent.child.id().unwrap().cast_signed()
}

/// Seconds since 1970, as bash tells them.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// E1.
async fn weights(figures: &mut Figures, program: &Path) {
    for &processes in figures.sizes(&[1, 3, 10]) {
        let mut growth = Vec::new();
        for &executors in figures.sizes(&[1, 10, 100, 500]) {
            growth.push((
                executors,
                weight(figures, program, executors, processes).await,
            ));
        }
        let what = format!("memory of executors of {processes} processes against their number");
        figures.growth("E1", &what, &growth);
    }
}

/// Proportional memory of all executors and coordinators, in KiB.
async fn weight(figures: &mut Figures, program: &Path, executors: usize, processes: usize) -> f64 {
    let mut agents = Vec::new();
    for _ in 0..executors {
        let task = assigned(sleepers(processes), json!({}));
        agents.push(running(program, &task, processes).await);
    }
    let pids: Vec<i32> = agents.iter().map(pid).collect();
    let coordinators: Vec<i32> = pids.iter().flat_map(|&pid| procs::children(pid)).collect();
    let sum = |pids: &[i32], field: &str| pids.iter().map(|&pid| memory(pid, field)).sum::<f64>();
    let count = |what: &str| {
        let entries = std::fs::read_dir(format!("/proc/{}/{what}", pids[0]));
        entries.unwrap().count()
    };
    let mut total = 0.0;
    for (what, pids) in [("executor", &pids), ("coordinator", &coordinators)] {
        let mean = |field: &str| rounded(sum(pids, field) / pids.len() as f64);
        total += sum(pids, "Pss:");
        figures.line(&json!({
            "id": "E1", "input": format!("{executors} executors of {processes} sleeping processes, each {what}"),
            "unit": "KiB", "rss": mean("Rss:"), "pss": mean("Pss:"), "private_dirty": mean("Private_Dirty:"),
        }));
    }
    figures.line(&json!({
        "id": "E1", "input": format!("{processes} processes, one executor"),
        "threads": count("task"), "descriptors": count("fd"),
    }));
    futures_util::future::join_all(agents.into_iter().map(end)).await;
    total
}

/// E7: trees of processes that ignore SIGTERM.
async fn kills(figures: &mut Figures, program: &Path) {
    let mut growth = Vec::new();
    for &size in figures.sizes(&[100, 300, 1000]) {
        let mut samples = Vec::new();
        for _ in 0..3 {
            samples.push(kill(program, size).await);
        }
        let what =
            format!("{size} processes that ignore SIGTERM, after their 1.6 s of grace; no orphans");
        growth.push((size, figures.spread("E7", &what, "ms", samples)));
    }
    figures.growth("E7", "time against the number of processes", &growth);
}

async fn kill(program: &Path, size: usize) -> f64 {
    let flags = ["--stop_timeout_in_secs=2"];
    let mut agent = Agent::start_program(program, None, &flags).await;
    let tree = format!(
        "trap '' TERM; for i in $(seq {size}); do (trap '' TERM; echo $BASHPID >> all; exec sleep 1000) & done; wait"
    );
    let process = json!([{"name": "p", "cmdline": tree}]);
    agent.launch(&assigned(
        process,
        json!({"lifecycle": {"http": {"port": "none"}}}),
    ));
    agent.status().await;
    agent.status().await;
    let all = || agent.file("all").unwrap_or_default();
    until(
        "the tree",
        || all().lines().count().to_string(),
        || all().lines().count() == size,
    )
    .await;
    let pids: Vec<i32> = all().lines().map(|pid| pid.parse().unwrap()).collect();
    let begin = Instant::now();
    agent.kill("task-1");
    agent.status().await;
    let took = begin.elapsed().as_secs_f64() * 1000.0 - 1600.0;
    let orphans = pids.iter().filter(|&&pid| procs::is_alive(pid)).count();
    assert_eq!(orphans, 0);
    agent.exit().await;
    took
}

//! Measures the executor against an agent that is played here: weight, start, launch, idleness, restarts, logs, kill. One JSON
//! line a figure. The first argument is the executor to measure, the build of this profile without one; the second how the ids of
//! what is wanted begin.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for the terminal, which ends where it cannot go on"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aurora_thermos::procs;
use serde_json::{Value, json};
use support::{Agent, assigned, until};

const SLEEP: &str = "exec sleep 1000";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo adds --bench.
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"));
    let program = words.next().map_or_else(
        || env!("CARGO_BIN_EXE_aurora-executor").into(),
        PathBuf::from,
    );
    let wanted = words.next().unwrap_or_default();
    let is_wanted = |id: &str| id.starts_with(&wanted);
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let size = fs::metadata(&program).unwrap().len();
    print(&json!({
        "id": "machine", "program": program, "bytes": size, "load": load.trim(),
        "cores": std::thread::available_parallelism().unwrap(),
    }));
    if is_wanted("E1") {
        for (executors, processes) in [(1, 1), (1, 3), (10, 1), (10, 3), (10, 10), (50, 3)] {
            weight(&program, executors, processes).await;
        }
    }
    if is_wanted("E2") {
        launch(&program).await;
    }
    if is_wanted("E3") {
        start(&program).await;
    }
    if is_wanted("E4") {
        idle(&program).await;
    }
    if is_wanted("E5") {
        restarts(&program).await;
    }
    if is_wanted("E6") {
        let short = "x".repeat(99);
        logs(&program, "lines of 100 bytes", &format!("yes {short}")).await;
        logs(&program, "one line", "yes | tr '\\n' y").await;
    }
    if is_wanted("E7") {
        kill(&program).await;
    }
}

fn print(line: &Value) {
    println!("{line}");
}

/// Median, 99th percentile and extremes.
fn spread(id: &str, what: &str, unit: &str, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    print(&json!({
        "id": id, "input": what, "unit": unit, "n": samples.len(), "median": round(at(0.5)),
        "p99": round(at(0.99)), "min": round(at(0.0)), "max": round(at(1.0)),
    }));
}

fn sleepers(count: usize) -> Value {
    let one = |number| json!({"name": format!("p{number}"), "cmdline": SLEEP});
    Value::Array((0..count).map(one).collect())
}

/// Starts an executor with a task and waits until its processes run.
async fn running(program: &Path, processes: Value) -> Agent {
    let count = processes.as_array().unwrap().len();
    let mut agent = Agent::start_program(program, None, &[]).await;
    agent.launch(&assigned(processes, json!({})));
    agent.status().await;
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_RUNNING", "{message}");
    let pid = pid(&agent);
    let bash = || -> usize {
        let coordinators = procs::children(pid);
        coordinators
            .iter()
            .map(|&pid| procs::children(pid).len())
            .sum()
    };
    until(
        "the processes",
        || format!("{} run", bash()),
        || bash() == count,
    )
    .await;
    agent
}

async fn end(mut agent: Agent) {
    agent.kill("task-1");
    agent.status().await;
    agent.exit().await;
}

fn pid(agent: &Agent) -> i32 {
    agent.child.id().unwrap().cast_signed()
}

/// A field of smaps_rollup in KiB.
fn memory(pid: i32, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// E1.
async fn weight(program: &Path, executors: usize, processes: usize) {
    let mut agents = Vec::new();
    for _ in 0..executors {
        agents.push(running(program, sleepers(processes)).await);
    }
    let pids: Vec<i32> = agents.iter().map(pid).collect();
    let coordinators: Vec<i32> = pids.iter().flat_map(|&pid| procs::children(pid)).collect();
    let mean = |pids: &[i32], field: &str| {
        let sum: f64 = pids.iter().map(|&pid| memory(pid, field)).sum();
        (sum / pids.len() as f64).round()
    };
    let count = |what: &str| {
        fs::read_dir(format!("/proc/{}/{what}", pids[0]))
            .unwrap()
            .count()
    };
    for (what, pids) in [("executor", &pids), ("coordinator", &coordinators)] {
        print(&json!({
            "id": "E1", "input": format!("{executors} executors of {processes} sleeping processes, each {what}"),
            "unit": "KiB", "rss": mean(pids, "Rss:"), "pss": mean(pids, "Pss:"),
            "private_dirty": mean(pids, "Private_Dirty:"),
        }));
    }
    print(&json!({
        "id": "E1", "input": format!("{processes} processes, one executor"),
        "threads": count("task"), "descriptors": count("fd"),
    }));
    for agent in agents {
        end(agent).await;
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

/// E2: from the launch to the first line of bash, beside bash started by itself.
async fn launch(program: &Path) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let mut agent = Agent::start_program(program, None, &[]).await;
        let line = "echo $EPOCHREALTIME > at";
        let begin = now();
        agent.launch(&assigned(
            json!([{"name": "p", "cmdline": line}]),
            json!({}),
        ));
        for _ in 0..3 {
            agent.status().await;
        }
        let at: f64 = agent.file("at").unwrap().trim().parse().unwrap();
        ours.push((at - begin) * 1000.0);
        let begin = now();
        let output = std::process::Command::new("/bin/bash")
            .args(["-c", "echo $EPOCHREALTIME"])
            .output()
            .unwrap();
        let at: f64 = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        bare.push((at - begin) * 1000.0);
        agent.exit().await;
    }
    spread("E2", "launch to the first line of bash, serial", "ms", ours);
    spread("E2", "bash without an executor", "ms", bare);
}

/// E3: from the start of the program to its SUBSCRIBE, the page cache warm.
async fn start(program: &Path) {
    let mut samples = Vec::new();
    for _ in 0..50 {
        let begin = Instant::now();
        let mut agent = Agent::start_program(program, None, &[]).await;
        samples.push(begin.elapsed().as_secs_f64() * 1000.0);
        agent.child.kill().await.unwrap();
    }
    spread("E3", "start to SUBSCRIBE, warm", "ms", samples);
}

/// How often a process has waited, and its processor time in ticks.
fn wakeups(pid: i32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = text
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after) = stat.rsplit_once(')').unwrap();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    (field.unwrap().trim().parse().unwrap(), ticks)
}

/// E4: a task that does nothing, and how soon its end is told.
async fn idle(program: &Path) {
    const TIME: Duration = Duration::from_secs(30);
    let agent = running(program, sleepers(3)).await;
    let pids: Vec<i32> = [pid(&agent)]
        .into_iter()
        .chain(procs::children(pid(&agent)))
        .collect();
    let sum = || {
        let each = pids.iter().map(|&pid| wakeups(pid));
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    // What the start still causes is not idleness.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = sum();
    tokio::time::sleep(TIME).await;
    let after = sum();
    print(&json!({
        "id": "E4", "input": "an executor and three coordinators for 30 s, no health check",
        "wakeups_per_second": (after.0 - before.0) as f64 / TIME.as_secs_f64(),
        "processor_ms": (after.1 - before.1) * 10,
    }));
    end(agent).await;
    let mut samples = Vec::new();
    for _ in 0..50 {
        let line = "sleep 0.05; echo $EPOCHREALTIME > at";
        let mut agent = running(program, json!([{"name": "p", "cmdline": line}])).await;
        agent.status().await;
        let at: f64 = agent.file("at").unwrap().trim().parse().unwrap();
        samples.push((now() - at) * 1000.0);
        agent.exit().await;
    }
    spread(
        "E4",
        "the last line of bash to its status at the agent",
        "ms",
        samples,
    );
}

/// E5: a daemon that ends at once, until its hundredth run.
async fn restarts(program: &Path) {
    let mut samples = Vec::new();
    for _ in 0..5 {
        let mut agent = Agent::start_program(program, None, &[]).await;
        let daemon = json!([{"name": "p", "cmdline": "exit 0", "daemon": true, "min_duration": 0}]);
        agent.launch(&assigned(daemon, json!({})));
        agent.status().await;
        agent.status().await;
        let begin = Instant::now();
        agent.status().await;
        samples.push(100.0 / begin.elapsed().as_secs_f64());
        let stream = agent
            .dir
            .path()
            .join("checkpoints/checkpoints/task-1/runner");
        let bytes = fs::metadata(stream).unwrap().len();
        agent.exit().await;
        print(
            &json!({"id": "E5", "input": "the runner's stream after 100 runs", "unit": "bytes", "value": bytes}),
        );
    }
    spread(
        "E5",
        "restarts of a process that ends at once",
        "1/s",
        samples,
    );
}

/// E6: output through rotation, ten files of 10 MiB, so that all of it is kept.
async fn logs(program: &Path, what: &str, source: &str) {
    const BYTES: usize = 100_000_000;
    let flags = [
        "--runner-logger-mode=rotate",
        "--runner-rotate-log-size-mb=10",
        "--runner-rotate-log-backups=20",
    ];
    let mut samples = Vec::new();
    for _ in 0..3 {
        let mut agent = Agent::start_program(program, None, &flags).await;
        let text = format!(
            "{source} | head -c {BYTES} > all; begin=$EPOCHREALTIME; cat all; \
             echo $begin $EPOCHREALTIME > times; rm all"
        );
        agent.launch(&assigned(
            json!([{"name": "p", "cmdline": text}]),
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
        samples.push(BYTES as f64 / 1e6 / (times[1] - times[0]));
        let folder = agent.sandbox().join(".logs/p/0");
        let kept: u64 = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.metadata().unwrap().len())
            .sum();
        assert_eq!(kept, BYTES as u64, "bytes lost");
        agent.exit().await;
    }
    spread(
        "E6",
        &format!("100 MB in {what} through rotation, none lost"),
        "MB/s",
        samples,
    );
}

/// E7: a tree of processes that ignore SIGTERM.
async fn kill(program: &Path) {
    let mut samples = Vec::new();
    for _ in 0..3 {
        let flags = ["--stop_timeout_in_secs=2"];
        let mut agent = Agent::start_program(program, None, &flags).await;
        let tree = "trap '' TERM; for i in $(seq 300); do (trap '' TERM; echo $BASHPID >> all; exec sleep 1000) & done; wait";
        let task = assigned(
            json!([{"name": "p", "cmdline": tree}]),
            json!({"lifecycle": {"http": {"port": "none"}}}),
        );
        agent.launch(&task);
        agent.status().await;
        agent.status().await;
        let all = || agent.file("all").unwrap_or_default();
        until(
            "the tree",
            || all().lines().count().to_string(),
            || all().lines().count() == 300,
        )
        .await;
        let pids: Vec<i32> = all().lines().map(|pid| pid.parse().unwrap()).collect();
        let begin = Instant::now();
        agent.kill("task-1");
        agent.status().await;
        samples.push(begin.elapsed().as_secs_f64() * 1000.0 - 1600.0);
        let orphans = pids.iter().filter(|&&pid| procs::is_alive(pid)).count();
        assert_eq!(orphans, 0);
        agent.exit().await;
    }
    spread(
        "E7",
        "300 processes that ignore SIGTERM, after their 1.6 s of grace; no orphans",
        "ms",
        samples,
    );
}

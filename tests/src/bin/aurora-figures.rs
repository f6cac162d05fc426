//! Measures an embedded cluster on this machine and prints one JSON line a figure: `cargo xtask figures`.
#![allow(clippy::print_stdout, reason = "the lines are what it is for")]

use std::fs;
use std::time::{Duration, Instant};

use aurora_tests::cluster::{Cluster, role};
use aurora_tests::terminal::Terminal;
use aurora_tests::{programs, wait};
use serde_json::{Value, json};

const PROGRAMS: &[&str] = &[
    "aurora",
    "aurora_admin",
    "aurora-tui",
    "aurora-eval",
    "aurora-local",
    "aurora-scheduler",
    "aurora-executor",
    "aurora-observer",
    "aurora-mesos-master",
    "aurora-mesos-agent",
];

fn job_file(role: &str, name: &str) -> String {
    format!(
        "main = Process(name = 'main', cmdline = 'exec sleep 1000')\n\
         task = Task(name = 'main', processes = [main], resources = Resources(cpu = 0.1, ram = 16*MB, disk = 16*MB),\n\
         \x20           finalization_wait = 1)\n\
         jobs = [Service(cluster = 'devcluster', role = '{role}', environment = 'devel', name = '{name}', task = task)]\n"
    )
}

/// The median and the spread (10th to 90th percentile) of samples in milliseconds.
fn times(id: &str, input: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let at = |percent: usize| samples[(samples.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    print(&json!({
        "id": id, "input": input, "samples": samples.len(), "unit": "ms",
        "p10": at(10).round(), "median": at(50).round(), "p90": at(90).round(),
    }));
}

fn print(line: &Value) {
    println!("{line}");
}

/// Resident and proportional memory of a process in KiB.
fn memory(pid: i32) -> (u64, u64) {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        rollup
            .lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(0)
    };
    (field("Rss:"), field("Pss:"))
}

fn named(cluster: &Cluster, name: &str) -> Vec<i32> {
    let all = cluster.processes().into_iter();
    all.filter(|process| {
        let program = process.command.split(' ').next().unwrap_or("");
        program.rsplit('/').next() == Some(name)
    })
    .map(|process| process.pid)
    .collect()
}

fn create(cluster: &Cluster, role: &str, name: &str) -> Duration {
    let file = cluster.job_file(&format!("{name}.aurora"), &job_file(role, name));
    let job = format!("devcluster/{role}/devel/{name}");
    let begin = Instant::now();
    cluster.aurora_ok(&["job", "create", "--wait-until", "RUNNING", &job, &file]);
    begin.elapsed()
}

fn main() {
    for program in PROGRAMS {
        let bytes = fs::metadata(programs::program(program)).map_or(0, |file| file.len());
        print(&json!({"id": "size", "input": program, "unit": "bytes", "value": bytes}));
    }
    let role = role();
    let mut first = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        let mut cluster = Cluster::start();
        create(&cluster, &role, "first");
        first.push(begin.elapsed());
        cluster.stop();
    }
    times(
        "start-to-running",
        "an empty state directory; aurora-local run, then job create --wait-until RUNNING",
        first,
    );

    let mut cluster = Cluster::start();
    let samples = (0..10)
        .map(|n| {
            let name = format!("job{n}");
            let took = create(&cluster, &role, &name);
            // A small machine holds few tasks at a time; the last four stay for what follows.
            if n < 6 {
                let job = format!("devcluster/{role}/devel/{name}");
                cluster.aurora_ok(&["job", "killall", "--no-batching", &job]);
            }
            took
        })
        .collect();
    times(
        "create-to-running",
        "aurora job create --wait-until RUNNING of one sleeping process",
        samples,
    );

    for (name, count) in [
        ("aurora-scheduler", 1),
        ("aurora-executor", 4),
        ("aurora-observer", 1),
        ("aurora-mesos-master", 1),
        ("aurora-mesos-agent", 1),
    ] {
        let pids = wait::until(name, || {
            let pids = named(&cluster, name);
            if pids.len() >= count {
                Ok(pids)
            } else {
                Err(format!("{pids:?}"))
            }
        });
        let sums = pids
            .iter()
            .map(|pid| memory(*pid))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let count = pids.len() as u64;
        print(
            &json!({"id": "memory", "input": name, "unit": "KiB", "processes": count, "rss": sums.0 / count, "pss": sums.1 / count}),
        );
    }
    let state = cluster.state().display().to_string();
    let home = cluster.directory().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let terminal = Terminal::start(
        &programs::program("aurora-tui"),
        &["--cluster", "devcluster"],
        &[
            ("TERM", "xterm-256color"),
            ("AURORA_STATE_DIR", &state),
            ("HOME", &home),
            ("PATH", &path),
            ("LANG", "C.UTF-8"),
        ],
        120,
        40,
    );
    terminal.wait_for("job9");
    let (rss, pss) = memory(terminal.pid());
    print(
        &json!({"id": "memory", "input": "aurora-tui", "unit": "KiB", "processes": 1, "rss": rss, "pss": pss}),
    );
    drop(terminal);
    cluster.stop();
}

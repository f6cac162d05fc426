//! Measures the observer over a machine of real processes whose records are written here: sampling (O1), pages (O2), files (O3),
//! followers (O4). `cargo xtask bench O` builds the observer and runs this; `--program=PATH` is the observer to measure.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for the terminal, which ends where it cannot go on"
)]

mod follow;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aurora_tests::figures::{Figures, memory, processor_seconds, rounded};
use aurora_thermos::procs;
use serde_json::{Value, json};

use crate::machine::{Cap, Machine, Watched};

fn main() {
    let mut figures = Figures::start("observer", "cargo xtask bench O");
    let program = figures
        .program
        .clone()
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_aurora-observer")));
    if figures.wants("O1") {
        sampling(&mut figures, &program);
    }
    if figures.wants("O2") {
        pages(&mut figures, &program);
    }
    if figures.wants("O3") {
        files(&mut figures, &program);
    }
    if figures.wants("O4") {
        follow::followers(&mut figures, &program);
    }
}

/// O1: what it costs that nobody, or somebody, looks; one of the sandboxes has a great many files.
fn sampling(figures: &mut Figures, program: &Path) {
    let (tasks, files, time) = match figures.smoke {
        true => (10, 1_000, 5),
        false => (100, 1_000_000, 125),
    };
    let machine = Machine::new(tasks, 3);
    let sandbox = machine.sandbox(0);
    for folder in 0..files / 1000 {
        let folder = sandbox.join(format!("many/{folder}"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..1000 {
            fs::File::create(folder.join(format!("{file}"))).unwrap();
        }
    }
    let sparse = fs::File::create(sandbox.join("sparse")).unwrap();
    sparse.set_len(30 << 30).unwrap();
    for (what, asking) in [("nobody asks", false), ("a page each 10 s", true)] {
        let observer = Watched::start(program, machine.root());
        // The first look is not sampling.
        observer.get("/j/task_id_count", "");
        let (reads, seconds) = (observer.reads(), processor_seconds(observer.pid()));
        let begin = Instant::now();
        let mut ages = Vec::new();
        while begin.elapsed() < Duration::from_secs(time) {
            procs::pause(Duration::from_secs(time.min(10)));
            if asking {
                observer.get("/main/all/0/100", "");
            }
            ages.push(observer.age_of_sample(&machine.id(0)));
        }
        let spent = begin.elapsed().as_secs_f64();
        let samples = (spent / 20.0).max(1.0);
        let used = processor_seconds(observer.pid()) - seconds;
        figures.line(&json!({
            "id": "O1", "input": format!("{tasks} tasks of 3 processes, a sandbox of {files} files and 30 GB sparse, {what}, {time} s"),
            "percent_of_a_core": rounded(used / spent * 100.0),
            "oldest_sample_s": rounded(ages.iter().copied().fold(0.0, f64::max)),
            "reads_and_writes_per_sample_and_task": rounded((observer.reads() - reads) as f64 / samples / tasks as f64),
            "rss_kib": memory(observer.pid(), "Rss:"),
        }));
    }
}

/// O2: pages of a machine with few and many tasks, the observer held to a fifth of a core.
fn pages(figures: &mut Figures, program: &Path) {
    let mut growth: Vec<Vec<(usize, f64)>> = vec![Vec::new(); 3];
    for &tasks in figures.sizes(&[8, 100, 1000]) {
        let machine = Machine::new(tasks, 3);
        let observer = Watched::start(program, machine.root());
        observer.get("/j/task_id_count", "");
        let cap = Cap::on(observer.pid(), 20);
        let held = if cap.is_some() {
            "20 % of a core"
        } else {
            "not held"
        };
        let task = format!("/task/{}", machine.id(0));
        for (kind, path) in ["/main", &task, "/j/task_ids"].into_iter().enumerate() {
            let count = if figures.smoke { 5 } else { 200 };
            let samples = (0..count).map(|_| {
                let begin = Instant::now();
                observer.get(path, "");
                begin.elapsed().as_secs_f64() * 1000.0
            });
            let what = path.replace(&machine.id(0), "ID");
            let what = format!("{what} of {tasks} tasks, {held}");
            let median = figures.spread("O2", &what, "ms", samples.collect());
            growth[kind].push((tasks, median));
        }
    }
    for (kind, points) in ["/main", "/task/ID", "/j/task_ids"].iter().zip(&growth) {
        figures.growth(
            "O2",
            &format!("time of {kind} against the number of tasks"),
            points,
        );
    }
}

/// O3: a folder of very many entries, a piece of a very large file, the end of a log.
fn files(figures: &mut Figures, program: &Path) {
    let machine = Machine::new(1, 1);
    let entries = if figures.smoke { 1_000 } else { 100_000 };
    let folder = machine.sandbox(0).join("folder");
    fs::create_dir(&folder).unwrap();
    for entry in 0..entries {
        fs::File::create(folder.join(format!("{entry}"))).unwrap();
    }
    let large = fs::File::create(machine.sandbox(0).join("large")).unwrap();
    large.set_len(10 << 30).unwrap();
    let line = format!("{}\n", "x".repeat(99));
    fs::write(machine.sandbox(0).join("log"), line.repeat(100_000)).unwrap();
    let observer = Watched::start(program, machine.root());
    let (id, piece) = (machine.id(0), 200 << 20);
    let range = format!(
        "range: bytes={}-{}\r\n",
        9_u64 << 30,
        (9_u64 << 30) + piece - 1
    );
    for (what, path, header) in [
        (
            format!("a folder of {entries} entries"),
            format!("/ext/v1/browse/{id}/folder"),
            "",
        ),
        (
            format!("the page of a folder of {entries} entries"),
            format!("/browse/{id}/folder"),
            "",
        ),
        (
            "200 MiB at 9 GiB of a file of 10 GiB".to_owned(),
            format!("/download/{id}/large"),
            range.as_str(),
        ),
        (
            "the last 1,000 lines of 100 bytes".to_owned(),
            format!("/filedata/{id}/log?offset=9900000&length=100000"),
            "",
        ),
    ] {
        let (mut first, mut rates, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..if figures.smoke { 2 } else { 10 } {
            let begin = Instant::now();
            let answer = observer.get(&path, header);
            first.push(answer.first_byte.as_secs_f64() * 1000.0);
            rates.push(answer.bytes as f64 / 1e6 / begin.elapsed().as_secs_f64());
            bytes = answer.bytes;
        }
        figures.spread("O3", &format!("{what}: first byte"), "ms", first);
        figures.spread("O3", &format!("{what}: all {bytes} bytes"), "MB/s", rates);
        let rss = memory(observer.pid(), "Rss:");
        figures.line(&json!({"id": "O3", "input": format!("{what}: the observer afterwards"), "unit": "KiB", "rss": rss}));
    }
}

/// The number at a key.
fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

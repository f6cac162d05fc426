//! What benchmarks of whole programs print: a JSON line a figure, on standard output and in a file of `docs/figures`.
#![allow(clippy::print_stdout, reason = "the lines are what a benchmark is for")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The figures of one run: `[--smoke] [--program=PATH] [ID]`, where the id is how those that are wanted begin.
pub struct Figures {
    /// The program to measure, when the command line names one.
    pub program: Option<PathBuf>,
    /// Only the smallest sizes.
    pub smoke: bool,
    wanted: String,
    file: File,
}

fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().trim().to_owned()
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default()
}

impl Figures {
    /// Takes the command line, and begins the file `docs/figures/DATE-NAME.jsonl`; a run of a part goes into `…-part.jsonl`.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn start(name: &str, command: &str) -> Self {
        let (mut program, mut smoke, mut wanted) = (None, false, String::new());
        for word in std::env::args().skip(1) {
            if let Some(path) = word.strip_prefix("--program=") {
                program = Some(PathBuf::from(path));
            } else if word == "--smoke" {
                smoke = true;
            } else if !word.starts_with("--") {
                // Cargo adds --bench.
                wanted = word;
            }
        }
        let whole = !smoke && wanted.len() <= 1;
        let part = if whole { "" } else { "-part" };
        let date = said("date", &["+%F"]);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/figures");
        let path = folder.join(format!("{date}-{name}{part}.jsonl"));
        let mut figures = Self {
            program,
            smoke,
            wanted,
            file: File::create(&path).expect("a file for the figures"),
        };
        figures.line(&json!({
            "id": "machine", "date": date, "command": command, "smoke": smoke,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "kernel": said("uname", &["-r"]), "rustc": said("rustc", &["--version"]),
            "commit": said("git", &["rev-parse", "--short", "HEAD"]), "load": load().trim(),
        }));
        figures
    }

    /// Whether the benchmark is wanted.
    #[must_use]
    pub fn wants(&self, id: &str) -> bool {
        id.starts_with(&self.wanted)
    }

    /// The sizes to measure, of which a smoke run takes the first.
    #[must_use]
    pub fn sizes<'a, T>(&self, sizes: &'a [T]) -> &'a [T] {
        if self.smoke { &sizes[..1] } else { sizes }
    }

    /// One line.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn line(&mut self, line: &Value) {
        println!("{line}");
        writeln!(self.file, "{line}").expect("writing a figure");
    }

    /// Median, 99th percentile and extremes of samples; gives the median back.
    ///
    /// # Panics
    /// When the file cannot be written, and without samples.
    pub fn spread(&mut self, id: &str, what: &str, unit: &str, mut samples: Vec<f64>) -> f64 {
        samples.sort_by(f64::total_cmp);
        let at =
            |share: f64| rounded(samples[((samples.len() - 1) as f64 * share).round() as usize]);
        self.line(&json!({
            "id": id, "input": what, "unit": unit, "n": samples.len(), "median": at(0.5),
            "p99": at(0.99), "min": at(0.0), "max": at(1.0), "load": load().trim(),
        }));
        at(0.5)
    }

    /// The slope of the logarithms of a figure against its size, by least squares; nothing for a single size.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn growth(&mut self, id: &str, what: &str, points: &[(usize, f64)]) {
        let logs: Vec<(f64, f64)> = points
            .iter()
            .map(|&(size, value)| ((size as f64).ln(), value.max(1e-9).ln()))
            .collect();
        let mean = |pick: fn(&(f64, f64)) -> f64| {
            logs.iter().map(pick).sum::<f64>() / logs.len().max(1) as f64
        };
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let over: f64 = logs.iter().map(|(px, py)| (px - x) * (py - y)).sum();
        let under: f64 = logs.iter().map(|(px, _)| (px - x).powi(2)).sum();
        if under > 0.0 {
            self.line(&json!({"id": id, "input": what, "growth_exponent": rounded(over / under)}));
        }
    }
}

/// To three places.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A field of `/proc/PID/smaps_rollup` in KiB, `Pss:` say; 0 when the process is gone.
#[must_use]
pub fn memory(pid: i32, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0.0)
}

/// Seconds that a process and those that it has waited for had a processor.
#[must_use]
pub fn processor_seconds(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields = after.split_whitespace().skip(11).take(4);
    // Ticks of a hundredth of a second: user, system, and both of the children.
    fields
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// How often the threads of a process have waited for something.
#[must_use]
pub fn waits(pid: i32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
        .filter_map(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line?.trim().parse::<u64>().ok()
        })
        .sum()
}

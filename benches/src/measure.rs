//! Samples, what is told of them, and where it is written.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What was asked for.
pub(crate) struct Suite {
    pub(crate) smoke: bool,
    pub(crate) wanted: String,
    /// The one size that is measured where there are several.
    pub(crate) size: Option<usize>,
}

impl Suite {
    /// The sizes to measure, of which a smoke run takes the first unless another was asked for.
    pub(crate) fn sizes<'a>(&self, sizes: &'a [usize]) -> &'a [usize] {
        match sizes.iter().position(|size| Some(*size) == self.size) {
            Some(only) => &sizes[only..=only],
            None if self.smoke => &sizes[..1],
            None => sizes,
        }
    }

    /// The cases to measure, of which a smoke run takes the first.
    pub(crate) fn axis<'a, T>(&self, cases: &'a [T]) -> &'a [T] {
        if self.smoke { &cases[..1] } else { cases }
    }

    /// How many samples are taken.
    pub(crate) fn samples(&self, full: usize) -> usize {
        if self.smoke { full.min(2) } else { full }
    }
}

/// One benchmark of one size.
pub(crate) struct Figure {
    id: &'static str,
    what: String,
    /// What the size axis is, if the benchmark has one.
    size: Option<usize>,
    /// What one item is.
    item: &'static str,
    /// Nanoseconds an item (bytes in a figure of memory), sorted.
    samples: Vec<f64>,
    unit: &'static str,
    published: Option<&'static str>,
}

impl Figure {
    pub(crate) fn new(id: &'static str, what: impl Into<String>, item: &'static str) -> Figure {
        Figure {
            id,
            what: what.into(),
            size: None,
            item,
            samples: Vec::new(),
            unit: "ns",
            published: None,
        }
    }

    /// On the size axis, whose exponent is printed.
    pub(crate) fn sized(mut self, size: usize) -> Figure {
        self.size = Some(size);
        self
    }

    /// In bytes.
    pub(crate) fn bytes(mut self, bytes: f64) -> Figure {
        self.unit = "bytes";
        self.samples.push(bytes);
        self
    }

    /// A number of its own.
    pub(crate) fn counted(mut self, number: f64) -> Figure {
        self.unit = "of them";
        let at = self.samples.partition_point(|other| *other < number);
        self.samples.insert(at, number);
        self
    }

    /// What Aurora's authors published, with its source.
    pub(crate) fn published(mut self, text: &'static str) -> Figure {
        self.published = Some(text);
        self
    }

    /// One sample: so many items in that time.
    pub(crate) fn sample(&mut self, took: Duration, items: usize) {
        let nanos = took.as_secs_f64() * 1e9 / items.max(1) as f64;
        let at = self.samples.partition_point(|other| *other < nanos);
        self.samples.insert(at, nanos);
    }

    /// Samples with what is made before each one, which is not timed.
    pub(crate) fn run<T>(
        mut self,
        samples: usize,
        items: usize,
        mut before: impl FnMut() -> T,
        mut timed: impl FnMut(T),
    ) -> Figure {
        // One operation to warm up.
        timed(before());
        for _ in 0..samples {
            let made = before();
            let start = Instant::now();
            timed(made);
            self.sample(start.elapsed(), items);
        }
        self
    }

    fn at(&self, percent: usize) -> f64 {
        let last = self.samples.len().saturating_sub(1);
        self.samples
            .get(last * percent / 100)
            .copied()
            .unwrap_or(0.0)
    }

    /// A line of the table.
    pub(crate) fn row(&self) -> String {
        let rate = if self.unit == "ns" && self.at(50) > 0.0 {
            format!("{:>12.0}/s", 1e9 / self.at(50))
        } else {
            " ".repeat(14)
        };
        format!(
            "{:<5} {:<58} {:>12.1} {}/{:<10} {rate}  p10 {:<10.1} p90 {:<10.1} | {}",
            self.id,
            self.what,
            self.at(50),
            self.unit,
            self.item,
            self.at(10),
            self.at(90),
            self.published.unwrap_or("-"),
        )
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "input": self.what,
            "size": self.size,
            "unit": format!("{} per {}", self.unit, self.item),
            "samples": self.samples.len(),
            "p10": self.at(10),
            "median": self.at(50),
            "p90": self.at(90),
            "p99": self.at(99),
            "max": self.at(100),
            "published, other machine": self.published,
        })
    }
}

/// The head of the table. What was published was measured elsewhere, so nothing is divided by it.
pub(crate) fn header() -> String {
    format!(
        "{:<5} {:<58} {:>12} {:<13} {:>14}  {:<14} {:<14} | published, other machine",
        "id", "input", "median", "unit/item", "rate", "10th of 100", "90th of 100",
    )
}

/// The slope of the logarithms of time per item against size, by least squares.
pub(crate) fn exponent(figures: &[Figure]) -> Option<f64> {
    let points: Vec<(f64, f64)> = figures
        .iter()
        .filter_map(|figure| Some(((figure.size? as f64).ln(), figure.at(50).max(1e-3).ln())))
        .collect();
    let count = points.len() as f64;
    let (x, y) = (
        points.iter().map(|(x, _)| x).sum::<f64>() / count,
        points.iter().map(|(_, y)| y).sum::<f64>() / count,
    );
    let over: f64 = points.iter().map(|(px, py)| (px - x) * (py - y)).sum();
    let under: f64 = points.iter().map(|(px, _)| (px - x).powi(2)).sum();
    (under > 0.0).then(|| over / under)
}

fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().trim().to_owned()
}

/// Writes the figures as lines of JSON; where to.
pub(crate) fn write(suite: &Suite, figures: &[Figure]) -> std::io::Result<String> {
    let date = said("date", &["+%F"]);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/figures");
    fs::create_dir_all(directory)?;
    // Part of the suite is not its result.
    let part = if suite.smoke || suite.size.is_some() || !suite.wanted.is_empty() {
        "-part"
    } else {
        ""
    };
    let path = format!("{directory}/{date}-benches{part}.jsonl");
    let mut file = fs::File::create(&path)?;
    let machine = json!({
        "id": "machine",
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": said("uname", &["-r"]),
        "rustc": said("rustc", &["--version"]),
        "commit": said("git", &["rev-parse", "--short", "HEAD"]),
        "date": date,
        "command": "cargo xtask bench",
        "load": said("cat", &["/proc/loadavg"]),
        "seed": crate::fixtures::SEED,
    });
    writeln!(file, "{machine}")?;
    for figure in figures {
        writeln!(file, "{}", figure.json())?;
    }
    Ok(path)
}

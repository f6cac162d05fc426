//! V1: what is fetched and held of clusters of different sizes.

use std::io::Write;
use std::process::{Command, ExitCode};

use aurora_api::feed::Line;
use aurora_tui_model::event::Event;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Bench, NOW, beginning, resident};
use crate::measure::{Figure, Suite};

/// The argument that makes this program a measuring child.
pub(crate) const CHILD: &str = "workbench-of-jobs";

const CLUSTERS: &[(&str, usize, usize)] = &[
    ("10,000 tasks: 100 jobs, 100 hosts", 100, 100),
    ("100,000 tasks: 1,000 jobs, 1,000 hosts", 1_000, 1_000),
    ("1,000,000 tasks: 10,000 jobs, 10,000 hosts", 10_000, 10_000),
    (
        "1,000,000 tasks: 1,000,000 jobs, 50,000 hosts",
        1_000_000,
        50_000,
    ),
];

/// Lines of the feed as text, read and shown by a process that has done nothing else.
pub(crate) fn load(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, jobs, hosts) in suite.axis(CLUSTERS) {
        let program = std::env::current_exe();
        let output = program.and_then(|program| {
            let sizes = format!("{jobs}/{hosts}");
            Command::new(program).args([CHILD, &sizes]).output()
        });
        let text = output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        );
        let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>());
        let mut number = || numbers.next().and_then(Result::ok).unwrap_or(f64::NAN);
        let (fetched, held) = (number(), number());
        let fetch = format!("{what}, fetched");
        figures.push(Figure::new("V1", fetch, "start").bytes(fetched));
        figures.push(Figure::new("V1", format!("{what}, resident"), "process").bytes(held));
    }
    figures
}

/// Reads a cluster's feed and shows it; prints how many bytes a compressed connection takes, and what is resident then.
pub(crate) fn child(sizes: &str) -> ExitCode {
    let sizes = sizes.split_once('/');
    let sizes = sizes.and_then(|(jobs, hosts)| Some((jobs.parse().ok()?, hosts.parse().ok()?)));
    let Some((jobs, hosts)) = sizes else {
        return ExitCode::FAILURE;
    };
    let mut bench = Bench::empty(jobs);
    let mut packed = GzEncoder::new(Counter(0), Compression::default());
    for line in beginning(jobs, hosts) {
        let Ok(text) = serde_json::to_string(&line) else {
            return ExitCode::FAILURE;
        };
        let line = serde_json::from_str::<Line>(&text);
        let (Ok(()), Ok(line)) = (writeln!(packed, "{text}"), line) else {
            return ExitCode::FAILURE;
        };
        bench.take(Event::Feed(NOW, line));
    }
    let mut fetched = packed.finish().map_or(0, |counter| counter.0);
    for (_, query) in &bench.asked {
        let page = serde_json::to_string(&super::page(query, jobs));
        fetched += page.map_or(0, |page| page.len());
    }
    bench.serve();
    bench.draw();
    println!("{fetched} {}", resident("self"));
    ExitCode::SUCCESS
}

/// Counts what is written.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! Upstream's SLA metrics of one window (aurora: `MetricCalculator.java`, `SlaAlgorithm.java`, `SlaGroup.java`).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aurora_api::model::JobKey;
use aurora_api::resources::Amounts;

use super::tracker::{AWAITED, Group, Tracker, Wait};
use crate::core::Config;
use crate::core::config::Millis;

/// Names of sizes, and the most that a task of each may ask for: cores, MiB of memory, MiB of disk.
const SIZES: [(&str, [f64; 3]); 5] = [
    ("small", [1.0, 1024.0, 4096.0]),
    ("medium", [4.0, 8192.0, 16_384.0]),
    ("large", [8.0, 16_384.0, 32_768.0]),
    ("xlarge", [16.0, 32_768.0, 65_536.0]),
    ("xxlarge", [f64::INFINITY; 3]),
];

const KINDS: [&str; 3] = ["cpu", "ram", "disk"];

/// Uptimes that are shown: this share of a job's instances has been up for longer.
const PERCENTILES: [(u64, &str); 5] = [
    (50, "job_uptime_50.00_sec"),
    (75, "job_uptime_75.00_sec"),
    (90, "job_uptime_90.00_sec"),
    (95, "job_uptime_95.00_sec"),
    (99, "job_uptime_99.00_sec"),
];

const MEDIANS: [&str; AWAITED.len()] = ["mtta_ms", "mtts_ms", "mttr_ms"];

/// The size of a task in each kind of resource, as places in [`SIZES`].
fn sizes_of(amounts: &Amounts) -> [usize; 3] {
    let asked = [amounts.cpus, amounts.ram_mb as f64, amounts.disk_mb as f64];
    std::array::from_fn(|kind| {
        let fits = |(_, most): &(&str, [f64; 3])| asked[kind] <= most[kind];
        SIZES.iter().position(fits).unwrap_or(SIZES.len() - 1)
    })
}

/// How many tasks there are of each kind and size.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes([[i64; SIZES.len()]; 3]);

impl Sizes {
    pub(super) fn change(&mut self, amounts: &Amounts, by: i64) {
        for (counts, size) in self.0.iter_mut().zip(sizes_of(amounts)) {
            counts[size] += by;
        }
    }

    /// A task has one size of each kind.
    pub(super) fn is_empty(&self) -> bool {
        self.0[0].iter().all(|count| *count == 0)
    }
}

/// What a metric is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Job(Arc<JobKey>),
    Cluster,
    /// Places in [`KINDS`] and [`SIZES`].
    Size(usize, usize),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Job(job) => write!(f, "sla_{job}_"),
            Scope::Cluster => f.write_str("sla_cluster_"),
            Scope::Size(kind, size) => write!(f, "sla_{}_{}_", KINDS[*kind], SIZES[*size].0),
        }
    }
}

#[derive(Debug)]
struct Figure {
    scope: Scope,
    stem: &'static str,
    production: bool,
    value: f64,
}

/// The metrics of one window.
#[derive(Debug, Default)]
pub struct Report(Vec<Figure>);

impl Report {
    /// Names and values.
    pub fn metrics(&self) -> impl Iterator<Item = (String, f64)> {
        self.0.iter().map(|figure| {
            let suffix = if figure.production { "" } else { "_nonprod" };
            let name = format!("{}{}{suffix}", figure.scope, figure.stem);
            (name, figure.value)
        })
    }

    /// The median time from PENDING to RUNNING of production, milliseconds; `None` when nothing came to run.
    pub(crate) fn median_to_running(&self) -> Option<f64> {
        let figure = self.0.iter().find(|figure| {
            figure.production && figure.scope == Scope::Cluster && figure.stem == MEDIANS[2]
        });
        figure
            .map(|figure| figure.value)
            .filter(|value| *value > 0.0)
    }

    pub(super) fn of(tracker: &Tracker, waits: &[Wait], end: Millis, config: &Config) -> Report {
        let mut report = Report::default();
        for (production, wanted) in [
            (true, config.sla_prod_metrics),
            (false, config.sla_non_prod_metrics),
        ] {
            let mut part = Part {
                report: &mut report,
                production,
            };
            if wanted.job_uptimes {
                part.job_uptimes(tracker, end);
            }
            if wanted.platform_uptime {
                part.platform_uptimes(tracker, end);
            }
            if wanted.medians {
                part.medians(tracker, waits);
            }
        }
        report
    }
}

/// The metrics of production, or of the rest.
struct Part<'a> {
    report: &'a mut Report,
    production: bool,
}

impl Part<'_> {
    fn put(&mut self, scope: Scope, stem: &'static str, value: f64) {
        self.report.0.push(Figure {
            scope,
            stem,
            production: self.production,
            value,
        });
    }

    fn job_uptimes(&mut self, tracker: &Tracker, end: Millis) {
        for (job, group) in tracker.services(self.production) {
            let uptimes = |place: usize| end - group.running[group.running.len() - 1 - place];
            for (percentile, stem) in PERCENTILES {
                let uptime = quantile(group.running.len(), 100 - percentile, uptimes);
                self.put(Scope::Job(Arc::clone(job)), stem, uptime / 1000.0);
            }
        }
    }

    fn platform_uptimes(&mut self, tracker: &Tracker, end: Millis) {
        let stem = "platform_uptime_percent";
        let (mut all_up, mut all_down, mut any) = (0, 0, false);
        for (job, group) in tracker.services(self.production) {
            let (up, down) = measured(group, end);
            self.put(Scope::Job(Arc::clone(job)), stem, share(up, down));
            all_up += up;
            all_down += down;
            any = true;
        }
        if any {
            self.put(Scope::Cluster, stem, share(all_up, all_down));
        }
    }

    fn medians(&mut self, tracker: &Tracker, waits: &[Wait]) {
        let mut spans: HashMap<Scope, [Vec<Millis>; AWAITED.len()]> = HashMap::new();
        for (job, _) in tracker.services(self.production) {
            spans.insert(Scope::Job(Arc::clone(job)), Default::default());
        }
        if !spans.is_empty() {
            spans.insert(Scope::Cluster, Default::default());
        }
        let sizes = &tracker.sizes[usize::from(self.production)];
        for (kind, counts) in sizes.0.iter().enumerate() {
            let there = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            spans.extend(there.map(|(size, _)| (Scope::Size(kind, size), Default::default())));
        }
        for wait in waits
            .iter()
            .filter(|wait| wait.production == self.production)
        {
            let sizes = sizes_of(&wait.config.amounts);
            let sizes = sizes
                .iter()
                .enumerate()
                .map(|(kind, size)| Scope::Size(kind, *size));
            let scopes = [Scope::Job(Arc::clone(&wait.job)), Scope::Cluster];
            for scope in scopes.into_iter().chain(sizes) {
                if let Some(spans) = spans.get_mut(&scope) {
                    spans[wait.awaited].push(wait.span);
                }
            }
        }
        for (scope, lists) in spans {
            for (stem, mut list) in MEDIANS.into_iter().zip(lists) {
                list.sort_unstable();
                let median = quantile(list.len(), 50, |place| list[place]);
                self.put(scope.clone(), stem, median);
            }
        }
    }
}

/// What a group's clocks ran in the window.
fn measured(group: &Group, end: Millis) -> (Millis, Millis) {
    let (up, down) = group.measured;
    (group.up.at(end) - up, group.down.at(end) - down)
}

/// Hundredths of the time that instances should have run in which they did.
fn share(up: Millis, down: Millis) -> f64 {
    match up + down {
        0 => 100.0,
        total => up as f64 * 100.0 / total as f64,
    }
}

/// The value below which `percent` hundredths of a sorted list are, between its elements on a straight line; 0 of an empty one
/// (aurora: `SlaUtil.percentile`).
fn quantile(len: usize, percent: u64, at: impl Fn(usize) -> Millis) -> f64 {
    let Some(last) = len.checked_sub(1) else {
        return 0.0;
    };
    let place = percent * last as u64;
    let (below, rest) = ((place / 100) as usize, place % 100);
    let low = at(below) as f64;
    let high = at((below + 1).min(last)) as f64;
    low + (high - low) * rest as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upstream's own examples (aurora: `SlaUtil.java`, `SlaUtilTest.java`).
    #[test]
    fn percentiles() {
        let list = [30, 60, 70, 90];
        for (percentile, expected) in [(50, 65.0), (75, 52.5), (90, 39.0), (99, 30.9)] {
            let value = quantile(list.len(), 100 - percentile, |place| list[place]);
            assert!((value - expected).abs() < 1e-9, "{percentile}: {value}");
        }
        assert_eq!(quantile(0, 50, |_| 1), 0.0);
        assert_eq!(quantile(1, 1, |_| 7), 7.0);
    }

    #[test]
    fn sizes() {
        for (cpus, ram_mb, disk_mb, expected) in [
            (0.1, 1, 1, ["small", "small", "small"]),
            (1.0, 1024, 4096, ["small", "small", "small"]),
            (1.01, 1025, 4097, ["medium", "medium", "medium"]),
            (4.0, 8192, 16_384, ["medium", "medium", "medium"]),
            (8.0, 16_384, 32_768, ["large", "large", "large"]),
            (16.0, 32_768, 65_536, ["xlarge", "xlarge", "xlarge"]),
            (16.5, 32_769, 65_537, ["xxlarge", "xxlarge", "xxlarge"]),
        ] {
            let amounts = Amounts {
                cpus,
                ram_mb,
                disk_mb,
                ..Amounts::default()
            };
            assert_eq!(sizes_of(&amounts).map(|size| SIZES[size].0), expected);
        }
    }

    #[test]
    fn names() {
        let job = Scope::Job(Arc::new(JobKey::new("www", "prod", "hello")));
        for (scope, expected) in [
            (job, "sla_www/prod/hello_"),
            (Scope::Cluster, "sla_cluster_"),
            (Scope::Size(1, 4), "sla_ram_xxlarge_"),
        ] {
            assert_eq!(scope.to_string(), expected);
        }
    }
}

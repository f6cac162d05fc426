//! Collecting old sandboxes, with the metadata that belongs to them.
//!
//! A sandbox of an ended executor stays for `gc_delay` after its last change, and for less when the disk fills up: of the
//! delay remains `1 - gc_disk_headroom - used fraction` (mesos: src/slave/gc.cpp and Slave::age).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::paths::{Paths, run as run_paths};
use super::shell::Handle;

/// How often sandboxes are looked at (mesos: --disk_watch_interval).
const INTERVAL: Duration = Duration::from_secs(60);
/// Part of the disk that collecting keeps free (mesos: --gc_disk_headroom).
const HEADROOM: f64 = 0.1;
/// Nothing younger is touched, however full the disk: what is being launched at this moment is not known as live yet.
const MIN_AGE: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub(crate) struct GcCounters {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) pending: AtomicU64,
    pub(crate) max_allowed_age_secs: AtomicU64,
}

/// How long a sandbox may stay when so much of the disk is used.
fn allowed_age(delay: Duration, used_fraction: f64) -> Duration {
    let age = delay.mul_f64((1.0 - HEADROOM - used_fraction).clamp(0.0, 1.0));
    age.max(MIN_AGE)
}

/// Collects for as long as the shell lives.
pub(crate) async fn run(shell: Handle, paths: Paths, delay: Duration, counters: Arc<GcCounters>) {
    let mut tick = tokio::time::interval(INTERVAL);
    let mut collector = Collector {
        paths,
        counters,
        seen: None,
    };
    loop {
        tick.tick().await;
        let Ok((live, recovering)) = shell
            .query(|agent| (agent.live_containers(), agent.is_recovering()))
            .await
        else {
            return;
        };
        if recovering {
            continue;
        }
        let round = tokio::task::spawn_blocking(move || {
            let used = used_fraction(collector.paths.work_dir());
            collector.round(&live, allowed_age(delay, used), Instant::now());
            collector
        });
        collector = match round.await {
            Ok(collector) => collector,
            Err(error) => {
                tracing::error!(%error, "old sandboxes are not collected any more");
                return;
            }
        };
    }
}

fn used_fraction(directory: &Path) -> f64 {
    match nix::sys::statvfs::statvfs(directory) {
        Ok(stat) if stat.blocks() > 0 => {
            1.0 - stat.blocks_available() as f64 / stat.blocks() as f64
        }
        Ok(_) | Err(_) => 0.0,
    }
}

fn subdirectories(directory: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
        .collect()
}

/// How long ago one of these paths was changed last, as far as they exist.
fn age_of(paths: &[&Path]) -> Duration {
    let now = SystemTime::now();
    let ages = paths.iter().filter_map(|path| {
        let modified = fs::symlink_metadata(path).ok()?.modified().ok()?;
        Some(now.duration_since(modified).unwrap_or_default())
    });
    ages.min().unwrap_or(Duration::MAX)
}

/// Removes old sandboxes, round after round.
struct Collector {
    paths: Paths,
    counters: Arc<GcCounters>,
    /// By container, when a run that has ended was seen first, and how old it was then; nothing before the first round. Only
    /// what an earlier agent left is as old as its files say: the clock that dates them may be set, and what ended a moment ago
    /// must not be years old by that.
    seen: Option<BTreeMap<String, (Instant, Duration)>>,
}

impl Collector {
    /// Removes the sandboxes that are older than `age` and whose container is not in `live`. The age of a sandbox counts from
    /// the end of its executor, which the sentinel marks, or from the last entry made in it.
    fn round(&mut self, live: &BTreeSet<String>, age: Duration, now: Instant) {
        let maximum = &self.counters.max_allowed_age_secs;
        maximum.store(age.as_secs(), Ordering::Relaxed);
        let known = self.seen.take();
        let mut seen = BTreeMap::new();
        let mut pending = 0;
        let paths = &self.paths;
        for (slave, agent) in subdirectories(&paths.slaves()) {
            for (framework_path, framework) in subdirectories(&slave.join("frameworks")) {
                for (executor_path, executor) in subdirectories(&framework_path.join("executors")) {
                    let runs = executor_path.join("runs");
                    for (run, container) in subdirectories(&runs) {
                        if live.contains(&container) {
                            continue;
                        }
                        let meta = paths.meta_run(&agent, &framework, &executor, &container);
                        let (first, before) = match &known {
                            None => (now, age_of(&[&run, &run_paths::sentinel(&meta)])),
                            Some(known) => known
                                .get(&container)
                                .copied()
                                .unwrap_or((now, Duration::ZERO)),
                        };
                        seen.insert(container, (first, before));
                        if before.saturating_add(now - first) < age {
                            pending += 1;
                            continue;
                        }
                        remove_run(&run, &meta, &self.counters);
                    }
                    let info = paths.executor_info(&agent, &framework, &executor);
                    if subdirectories(&runs).is_empty()
                        && age_of(&[&info, &runs]) >= age
                        && remove_emptied(&executor_path, &runs)
                    {
                        remove_quietly(&paths.meta_executor(&agent, &framework, &executor));
                    }
                }
                let info = paths.framework_info(&agent, &framework);
                let executors = framework_path.join("executors");
                if subdirectories(&executors).is_empty()
                    && age_of(&[&info, &executors]) >= age
                    && remove_emptied(&framework_path, &executors)
                {
                    remove_quietly(&paths.meta_framework(&agent, &framework));
                }
            }
        }
        self.counters.pending.store(pending, Ordering::Relaxed);
        self.seen = Some(seen);
    }
}

fn remove_run(run: &Path, meta: &Path, counters: &GcCounters) {
    match fs::remove_dir_all(run) {
        Ok(()) => {
            counters.succeeded.fetch_add(1, Ordering::Relaxed);
            tracing::info!(sandbox = %run.display(), "removed an old sandbox");
            remove_quietly(meta);
        }
        Err(error) => {
            counters.failed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(sandbox = %run.display(), %error, "cannot remove an old sandbox");
        }
    }
}

/// Removes a directory that holds nothing but an empty one (and its `latest` link); says whether it is gone. Something
/// that appears there meanwhile stays.
fn remove_emptied(outer: &Path, inner: &Path) -> bool {
    // What cannot be removed here keeps its directory, and that is seen below.
    let _ = fs::remove_file(inner.join("latest"));
    let _ = fs::remove_dir(inner);
    fs::remove_dir(outer).is_ok()
}

/// Removes metadata. It is not needed any more, and is tried again with the next sandbox of its executor.
fn remove_quietly(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::debug!(directory = %directory.display(), %error, "cannot remove what belonged to an old sandbox");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_the_disk_the_sooner() {
        let week = Duration::from_secs(7 * 86_400);
        // 604,800 seconds by what is free of nine tenths; two minutes at least, whatever was asked for.
        for (delay, used, want) in [
            (week, 0.0, 544_320.0),
            (week, 0.4, 302_400.0),
            (week, 0.9, 120.0),
            (week, 1.0, 120.0),
            (Duration::ZERO, 0.0, 120.0),
        ] {
            let got = allowed_age(delay, used).as_secs_f64();
            assert!((got - want).abs() < 1.0, "{delay:?} {used}: {got}");
        }
    }

    fn backdate(path: &Path, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn only_old_and_ended_sandboxes_go() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        for container in ["live", "ended", "long"] {
            let sandbox = paths.sandbox("S0", "F", "E", container);
            fs::create_dir_all(&sandbox).unwrap();
            let meta = paths.meta_run("S0", "F", "E", container);
            fs::create_dir_all(&meta).unwrap();
            fs::write(run_paths::sentinel(&meta), "").unwrap();
            backdate(&sandbox, 5000);
            if container != "long" {
                backdate(&run_paths::sentinel(&meta), 5000);
            }
        }
        let other = paths.sandbox("S0", "G", "E", "other");
        fs::create_dir_all(&other).unwrap();
        let live = BTreeSet::from(["live".to_owned()]);
        let counters = Arc::new(GcCounters::default());
        // An agent that has just been started.
        let round = |seconds| {
            let mut collector = Collector {
                paths: Paths::new(root.path()),
                counters: Arc::clone(&counters),
                seen: None,
            };
            collector.round(&live, Duration::from_secs(seconds), Instant::now());
        };
        let exists = |container: &str| {
            let sandbox = paths.sandbox("S0", "F", "E", container).exists();
            assert_eq!(
                sandbox,
                paths.meta_run("S0", "F", "E", container).exists(),
                "{container}"
            );
            sandbox
        };
        round(6000);
        assert!(exists("live") && exists("ended") && exists("long"));
        round(4000);
        // One that ran for long and ended a moment ago is as fresh as its end.
        assert!(exists("live") && !exists("ended") && exists("long"));
        assert_eq!(counters.succeeded.load(Ordering::Relaxed), 1);
        assert_eq!(counters.pending.load(Ordering::Relaxed), 2);
        for path in [
            &other,
            other.parent().unwrap(),
            &paths.framework("S0", "G").join("executors"),
        ] {
            backdate(path, 5000);
        }
        // Emptied directories are fresh for a while, because removing changes them.
        round(4000);
        assert!(!other.exists() && paths.framework("S0", "G").exists());
        round(0);
        assert!(!paths.framework("S0", "G").exists());
        assert!(exists("live"));
    }

    /// Whatever is done to the clock that dates files.
    #[test]
    fn a_clock_that_is_set_removes_nothing_early_and_keeps_nothing_for_ever() {
        const WEEK: u64 = 7 * 86_400;
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        let mut collector = Collector {
            paths: Paths::new(root.path()),
            counters: Arc::default(),
            seen: None,
        };
        let begun = Instant::now();
        let mut round = |seconds| {
            let age = Duration::from_secs(WEEK);
            collector.round(&BTreeSet::new(), age, begun + Duration::from_secs(seconds));
        };
        round(0);
        // Two that end now, one just before the clock is put forward by years, one before it is put back.
        let years = 10 * 365 * 86_400;
        let [before, after] = ["before", "after"].map(|container| {
            let sandbox = paths.sandbox("S0", "F", "E", container);
            fs::create_dir_all(&sandbox).unwrap();
            sandbox
        });
        backdate(&before, years);
        let future = SystemTime::now() + Duration::from_secs(years);
        fs::File::open(&after)
            .unwrap()
            .set_modified(future)
            .unwrap();
        for (at, stay) in [(60, true), (WEEK, true), (WEEK + 60, false)] {
            round(at);
            assert_eq!(
                (before.exists(), after.exists()),
                (stay, stay),
                "after {at} s"
            );
        }
    }
}

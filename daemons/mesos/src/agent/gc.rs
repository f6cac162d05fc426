//! Collecting old sandboxes, with the metadata that belongs to them.
//!
//! A sandbox of an ended executor stays for `gc_delay` after its last change, and for less when the disk fills up: of the
//! delay remains `1 - gc_disk_headroom - used fraction` (mesos: src/slave/gc.cpp and Slave::age).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::paths::Paths;
use super::shell::Handle;

/// How often sandboxes are looked at (mesos: --disk_watch_interval).
const INTERVAL: Duration = Duration::from_secs(60);
/// Part of the disk that collecting keeps free (mesos: --gc_disk_headroom).
const HEADROOM: f64 = 0.1;

#[derive(Debug, Default)]
pub(crate) struct GcCounters {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) pending: AtomicU64,
    pub(crate) max_allowed_age_secs: AtomicU64,
}

/// How long a sandbox may stay when so much of the disk is used.
fn allowed_age(delay: Duration, used_fraction: f64) -> Duration {
    delay.mul_f64((1.0 - HEADROOM - used_fraction).clamp(0.0, 1.0))
}

/// Collects for as long as the shell lives.
pub(crate) async fn run(shell: Handle, paths: Paths, delay: Duration, counters: Arc<GcCounters>) {
    let mut tick = tokio::time::interval(INTERVAL);
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
        let (paths, counters) = (paths.clone(), Arc::clone(&counters));
        let round = tokio::task::spawn_blocking(move || {
            let used = used_fraction(paths.work_dir());
            let age = allowed_age(delay, used);
            counters
                .max_allowed_age_secs
                .store(age.as_secs(), Ordering::Relaxed);
            collect(&paths, &live, age, &counters);
        });
        if let Err(error) = round.await {
            tracing::warn!(%error, "collecting old sandboxes broke off");
        }
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

/// Removes the sandboxes that are older than `age` and whose container is not in `live`.
fn collect(paths: &Paths, live: &BTreeSet<String>, age: Duration, counters: &GcCounters) {
    let now = SystemTime::now();
    let mut pending = 0;
    for (slave, agent) in subdirectories(&paths.slaves()) {
        for (framework_path, framework) in subdirectories(&slave.join("frameworks")) {
            for (executor_path, executor) in subdirectories(&framework_path.join("executors")) {
                for (run, container) in subdirectories(&executor_path.join("runs")) {
                    if live.contains(&container) {
                        continue;
                    }
                    let old = fs::metadata(&run)
                        .and_then(|metadata| metadata.modified())
                        .is_ok_and(|modified| {
                            now.duration_since(modified).unwrap_or_default() >= age
                        });
                    if !old {
                        pending += 1;
                        continue;
                    }
                    match fs::remove_dir_all(&run) {
                        Ok(()) => {
                            counters.succeeded.fetch_add(1, Ordering::Relaxed);
                            tracing::info!(sandbox = %run.display(), "removed an old sandbox");
                        }
                        Err(error) => {
                            counters.failed.fetch_add(1, Ordering::Relaxed);
                            tracing::warn!(sandbox = %run.display(), %error, "cannot remove an old sandbox");
                            continue;
                        }
                    }
                    remove_quietly(&paths.meta_run(&agent, &framework, &executor, &container));
                }
                if subdirectories(&executor_path.join("runs")).is_empty() {
                    remove_quietly(&executor_path);
                    remove_quietly(&paths.meta_executor(&agent, &framework, &executor));
                }
            }
            if subdirectories(&framework_path.join("executors")).is_empty() {
                remove_quietly(&framework_path);
                remove_quietly(&paths.meta_framework(&agent, &framework));
            }
        }
    }
    counters.pending.store(pending, Ordering::Relaxed);
}

fn remove_quietly(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::debug!(directory = %directory.display(), %error, "cannot remove what belonged to an old sandbox")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_the_disk_the_sooner() {
        let week = Duration::from_secs(7 * 86_400);
        for (used, want) in [(0.0, 0.9), (0.4, 0.5), (0.9, 0.0), (1.0, 0.0)] {
            let got = allowed_age(week, used).as_secs_f64();
            assert!(
                (got - week.as_secs_f64() * want).abs() < 1.0,
                "{used}: {got}"
            );
        }
    }

    #[test]
    fn only_old_and_ended_sandboxes_go() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        for container in ["live", "ended"] {
            fs::create_dir_all(paths.sandbox("S0", "F", "E", container)).unwrap();
            fs::create_dir_all(paths.meta_run("S0", "F", "E", container)).unwrap();
        }
        fs::create_dir_all(paths.sandbox("S0", "G", "E", "other")).unwrap();
        let live = BTreeSet::from(["live".to_owned()]);
        let counters = GcCounters::default();
        collect(&paths, &live, Duration::from_secs(3600), &counters);
        assert_eq!(counters.pending.load(Ordering::Relaxed), 2);
        collect(&paths, &live, Duration::ZERO, &counters);
        assert!(
            paths.sandbox("S0", "F", "E", "live").exists()
                && paths.meta_run("S0", "F", "E", "live").exists()
        );
        assert!(
            !paths.sandbox("S0", "F", "E", "ended").exists()
                && !paths.meta_run("S0", "F", "E", "ended").exists()
        );
        assert!(!paths.framework("S0", "G").exists());
        assert_eq!(counters.succeeded.load(Ordering::Relaxed), 2);
    }
}

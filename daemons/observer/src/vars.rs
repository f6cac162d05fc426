//! Metrics: `/vars`, `/vars/NAME`, `/vars.json`; and `/threads`.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aurora_daemon::reply;
use aurora_daemon::server::Response;
use aurora_thermos::paths::Stage;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::routes::Observer;

/// What is counted.
pub(crate) struct Counters {
    since: Instant,
    requests: AtomicU64,
    failures: AtomicU64,
}

impl Counters {
    pub(crate) fn new(since: Instant) -> Counters {
        Counters {
            since,
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// Upstream's media type for metrics.
const PLAIN: &str = "text/plain; charset=iso-8859-1";

impl Observer {
    /// Every metric by name, sorted.
    pub(crate) fn metrics(&self) -> Map<String, Value> {
        let (tasks, effort) = {
            let registry = self.registry();
            (registry.tasks(), registry.effort())
        };
        let active = tasks
            .iter()
            .filter(|task| task.stage == Stage::Active)
            .count();
        let system = nix::sys::utsname::uname();
        let uname = system.map_or_else(
            |error| error.to_string(),
            |name| {
                [
                    name.sysname(),
                    name.nodename(),
                    name.release(),
                    name.version(),
                    name.machine(),
                ]
                .map(|part| part.to_string_lossy().into_owned())
                .join(" ")
            },
        );
        let program = std::env::current_exe()
            .map_or_else(|error| error.to_string(), |path| path.display().to_string());
        let arguments: Vec<String> = std::env::args_os()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        let mut metrics = Map::new();
        for (name, value) in [
            ("build.version", json!(env!("CARGO_PKG_VERSION"))),
            ("observer.discovery_walks", json!(effort.walks)),
            (
                "observer.requests",
                json!(self.counters.requests.load(Ordering::Relaxed)),
            ),
            (
                "observer.requests_failed",
                json!(self.counters.failures.load(Ordering::Relaxed)),
            ),
            ("observer.run_looks", json!(effort.looks)),
            ("observer.tasks_active", json!(active)),
            ("observer.tasks_finished", json!(tasks.len() - active)),
            ("observer.watched_directories", json!(effort.watches)),
            ("sys.argv", json!(arguments)),
            ("sys.executable", json!(program)),
            ("sys.platform", json!(std::env::consts::OS)),
            ("sys.uname", json!(uname)),
            (
                "sys.uptime",
                json!(self.counters.since.elapsed().as_secs_f64()),
            ),
        ] {
            metrics.insert(name.to_owned(), value);
        }
        metrics
    }

    pub(crate) fn vars(&self) -> Response {
        let lines: String = self
            .metrics()
            .iter()
            .map(|(name, value)| format!("{name} {}\n", shown(value)))
            .collect();
        reply::bytes(StatusCode::OK, PLAIN, lines)
    }

    pub(crate) fn var(&self, name: &str) -> Response {
        match self.metrics().get(name) {
            Some(value) => reply::bytes(StatusCode::OK, PLAIN, shown(value)),
            None => reply::text(StatusCode::NOT_FOUND, "There is no metric of this name.\n"),
        }
    }

    /// The threads of this process: number, name, state.
    pub(crate) fn threads(&self) -> Response {
        let mut lines = String::new();
        for thread in fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten()
        {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            lines += &format!(
                "{} {} {}\n",
                thread.file_name().to_string_lossy(),
                field("Name:"),
                field("State:")
            );
        }
        reply::text(StatusCode::OK, lines)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

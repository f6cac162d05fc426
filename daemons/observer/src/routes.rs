//! The observer's routes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aurora_api::observer::TaskSample;
use aurora_daemon::guard::Guard;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response, Service};
use aurora_thermos::clock;
use aurora_thermos::paths::Stage;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::registry::{Registry, Task};
use crate::sample::{Disks, Histories, Sampler};
use crate::vars::Counters;

/// What upstream says when it does not know a task (yet).
pub(crate) const NO_TASK: &str = "Failed to find task ID.  Try again shortly.\n";

/// Where to look, and how often to measure.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The work directories of the agents of this machine.
    pub mesos_roots: Vec<PathBuf>,
    /// How old the size of a sandbox may be.
    pub disk_interval: Duration,
    /// Time between two samples of a task's history.
    pub sample_interval: Duration,
}

/// Answers the observer's requests.
pub struct Observer {
    guard: Guard,
    registry: Mutex<Registry>,
    pub(crate) sampler: Sampler,
    pub(crate) disks: Disks,
    histories: Histories,
    pub(crate) counters: Counters,
}

impl Observer {
    /// An observer that has not looked yet.
    pub fn new(guard: Guard, settings: Settings) -> Observer {
        Observer {
            guard,
            registry: Mutex::new(Registry::new(settings.mesos_roots)),
            sampler: Sampler::default(),
            disks: Disks::new(settings.disk_interval),
            histories: Histories::new(settings.sample_interval),
            counters: Counters::new(Instant::now()),
        }
    }

    /// Samples what runs, for the histories, once an interval and for ever.
    pub async fn sample_for_ever(self: Arc<Self>) {
        let mut tick = tokio::time::interval(self.histories.interval());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let observer = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || observer.sample()).await {
                tracing::error!(%error, "cannot sample the tasks");
            }
        }
    }

    /// Takes one sample of every task that runs. Reads `/proc`: not for an asynchronous thread.
    pub fn sample(&self) {
        let samples = self
            .tasks()
            .iter()
            .filter(|task| task.stage == Stage::Active)
            .map(|task| {
                let usage = self.usage(task);
                let sample = TaskSample {
                    at_ms: (clock::now() * 1000.0) as i64,
                    cpu: usage.cpu,
                    ram: usage.rss,
                    disk: self.disk(task),
                };
                (task.id.clone(), sample)
            })
            .collect();
        self.histories.add(samples);
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.refresh();
        registry
    }

    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.registry().tasks()
    }

    pub(crate) fn task(&self, id: &str) -> Option<Task> {
        self.registry().task(id)
    }

    /// Answers on a thread that may block on files.
    fn answer(&self, request: &Request) -> Response {
        if request.method != Method::GET && request.method != Method::HEAD {
            return reply::text(
                StatusCode::METHOD_NOT_ALLOWED,
                "The observer only answers GET.\n",
            );
        }
        let segments = request.segments();
        let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        // A path that ends in a slash names the same page.
        while segments.last().is_some_and(|last| last.is_empty()) {
            segments.pop();
        }
        let reads_files = matches!(
            segments.as_slice(),
            [
                "filedata" | "logdata" | "download" | "browse" | "file" | "logs",
                ..
            ] | ["ext", "v1", "browse", ..]
        );
        if reads_files && let Err(refusal) = self.guard.check_secret(&request.headers) {
            return refusal;
        }
        match segments.as_slice() {
            ["health"] => reply::text(StatusCode::OK, "OK"),
            ["vars"] => self.vars(),
            ["vars", name] => self.var(name),
            ["vars.json"] => ok(&Value::Object(self.metrics())),
            ["threads"] => self.threads(),
            ["j", "task_id_count"] => self.count(),
            ["j", "task_ids", rest @ ..] => self.list(rest),
            ["j", "task"] => self.by_ids(request, &Value::Null, Observer::describe),
            ["j", "task", id] => self.task_json(id),
            ["j", "process", _] => ok(&json!({})),
            ["j", "process", id, process, rest @ ..] => self.process(id, process, rest),
            ["j", "processes"] => self.by_ids(request, &json!({}), Observer::latest_runs),
            ["filedata", id, path @ ..] => self.file_data(id, path, request),
            ["logdata", id, process, run, kind] => self.log_data(id, process, run, kind, request),
            ["download", id, path @ ..] => self.download(id, path, request),
            ["ext", "v1", "browse", id, path @ ..] => self.browse(id, path),
            ["ext", "v1", "history", id] => ok(&self.histories.of(id)),
            page => self.page(page, request),
        }
    }
}

impl Service for Observer {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        if let Err(refusal) = self.guard.check_origin(&request.headers) {
            return refusal;
        }
        self.counters.request();
        let observer = self.clone();
        self.blocking(move || observer.answer(&request)).await
    }
}

impl Observer {
    /// Works on an answer on a thread that may block on files; what goes wrong there is an answer too.
    async fn blocking(&self, work: impl FnOnce() -> Response + Send + 'static) -> Response {
        match tokio::task::spawn_blocking(work).await {
            Ok(response) => response,
            Err(error) => {
                self.counters.failure();
                tracing::error!(%error, "a request failed");
                reply::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The request failed; see the log.\n",
                )
            }
        }
    }
}

/// An answer in JSON.
pub(crate) fn ok(value: &impl serde::Serialize) -> Response {
    reply::json(StatusCode::OK, value)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[tokio::test]
    async fn a_request_that_panics_is_an_answer() {
        let settings = Settings {
            mesos_roots: vec![],
            disk_interval: Duration::from_secs(60),
            sample_interval: Duration::from_secs(20),
        };
        let observer = Observer::new(
            Guard::new(None, SocketAddr::from(([127, 0, 0, 1], 1))),
            settings,
        );
        let failures = || observer.metrics()["observer.requests_failed"].clone();
        let before = failures();
        let answer = observer.blocking(|| panic!("on purpose")).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_ne!(failures(), before);
        let answer = observer
            .blocking(|| reply::text(StatusCode::OK, "fine"))
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

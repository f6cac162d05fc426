//! The agent's HTTP routes: the executor API, the operator API, and Mesos' older endpoints.
//!
//! Paths are found as libprocess finds them: `/slave(1)` in front may be left out, and of a longer path the longest part that
//! has a handler counts. Whatever reads files, and whatever is not a mere look, needs the agent's secret; the executor API
//! needs that of the executor's own container.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use aurora_daemon::guard::{Guard, presented_secret};
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response, Service};
use aurora_mesos::message::{self, DecodeError, Format};
use aurora_mesos::v1::{VersionInfo, executor as api_v1};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::containerizer::Containerizer;
use super::core::{ContainerView, Run, VERSION};
use super::files::Sandboxes;
use super::paths::Paths;
use super::shell::{CallReply, Ending, Handle};
use super::statistics;
use crate::jsonp::jsonp;
use crate::logging_level::LoggingLevel;

/// Everything that the routes need.
pub(crate) struct Routes {
    pub(crate) shell: Handle,
    pub(crate) guard: Guard,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) paths: Paths,
    pub(crate) containerizer: Containerizer,
    /// Flags as they are in force, for `/flags` and GET_FLAGS.
    pub(crate) flags: Vec<(String, String)>,
    pub(crate) gc: Arc<super::gc::GcCounters>,
    pub(crate) logging: LoggingLevel,
    pub(crate) started: SystemTime,
}

/// A handler that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Executor,
    Operator,
    State,
    Health,
    Version,
    Flags,
    Browse,
    Read,
    Download,
    DebugFiles,
    Statistics,
    Containers,
    Metrics,
    Help,
}

const ROUTES: [(&[&str], Route); 17] = [
    (&["api", "v1", "executor"], Route::Executor),
    (&["api", "v1"], Route::Operator),
    (&["state"], Route::State),
    (&["state.json"], Route::State),
    (&["health"], Route::Health),
    (&["version"], Route::Version),
    (&["flags"], Route::Flags),
    (&["files", "browse"], Route::Browse),
    (&["files", "read"], Route::Read),
    (&["files", "download"], Route::Download),
    (&["files", "debug"], Route::DebugFiles),
    (&["monitor", "statistics"], Route::Statistics),
    (&["monitor", "statistics.json"], Route::Statistics),
    (&["containers"], Route::Containers),
    (&["metrics", "snapshot"], Route::Metrics),
    (&["help"], Route::Help),
    (&[], Route::Help),
];

fn route(segments: &[String]) -> Option<Route> {
    let segments = match segments.first() {
        Some(first) if first == "slave(1)" => &segments[1..],
        _ => segments,
    };
    let fits = |path: &[&str]| {
        path.len() <= segments.len() && path.iter().zip(segments).all(|(a, b)| a == b)
    };
    ROUTES
        .iter()
        .filter(|(path, _)| fits(path) && (!path.is_empty() || segments.is_empty()))
        .max_by_key(|(path, _)| path.len())
        .map(|(_, route)| *route)
}

impl Service for Routes {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        if let Err(refusal) = self.guard.check_origin(&request.headers) {
            return refusal;
        }
        let Some(route) = route(&request.segments()) else {
            return reply::text(StatusCode::NOT_FOUND, "404 Not Found.");
        };
        let wants = match route {
            Route::Executor | Route::Operator => Method::POST,
            _ => Method::GET,
        };
        if request.method != wants && !(wants == Method::GET && request.method == Method::HEAD) {
            return wrong_method(&wants, &request.method);
        }
        let result = match route {
            Route::Executor => self.executor_call(&request).await,
            Route::Operator => self.operator_call(&request).await,
            Route::State => self.state(&request).await,
            Route::Health => Ok(reply::empty(StatusCode::OK)),
            Route::Version => Ok(jsonp(&request, &version())),
            Route::Flags => {
                let flags: serde_json::Map<String, Value> = self
                    .flags
                    .iter()
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect();
                Ok(jsonp(&request, &json!({ "flags": flags })))
            }
            Route::Browse | Route::Read | Route::Download | Route::DebugFiles => {
                match self.guard.check_secret(&request.headers) {
                    Ok(()) => self.file_route(route, &request).await,
                    Err(refusal) => Ok(refusal),
                }
            }
            Route::Statistics => self.monitor(&request).await,
            Route::Containers => self.containers(&request).await,
            Route::Metrics => self
                .metrics()
                .await
                .map(|metrics| jsonp(&request, &metrics)),
            Route::Help => Ok(reply::text(StatusCode::OK, help())),
        };
        result.unwrap_or_else(|Ending| {
            reply::text(StatusCode::SERVICE_UNAVAILABLE, "The agent is ending.")
        })
    }
}

fn help() -> String {
    let mut paths: Vec<String> = ROUTES
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, _)| format!("/{}\n", path.join("/")))
        .collect();
    paths.sort();
    format!("This is a Mesos agent. It answers at:\n{}", paths.concat())
}

pub(super) fn version() -> VersionInfo {
    VersionInfo {
        version: VERSION.to_owned(),
        ..VersionInfo::default()
    }
}

fn wrong_method(wants: &Method, was: &Method) -> Response {
    let text =
        format!("405 Method Not Allowed. Expecting one of {{ '{wants}' }}, but received '{was}'.");
    let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, text);
    if let Ok(allow) = HeaderValue::from_str(wants.as_str()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

pub(super) fn bad_request(text: impl Into<String>) -> Response {
    reply::text(StatusCode::BAD_REQUEST, text)
}

/// The checks in front of every call: media type of the body, then the body itself.
#[allow(
    clippy::result_large_err,
    reason = "the error is the answer, made once per refusal"
)]
pub(super) fn read_call<T: message::Message>(request: &Request) -> Result<T, Response> {
    let Some(content_type) = request.headers.get(CONTENT_TYPE) else {
        return Err(bad_request("Expecting 'Content-Type' to be present"));
    };
    let format = match content_type.as_bytes() {
        b"application/json" => Format::Json,
        b"application/x-protobuf" => Format::Protobuf,
        _ => {
            return Err(reply::text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Expecting 'Content-Type' of application/json or application/x-protobuf",
            ));
        }
    };
    format
        .decode(&request.body)
        .map_err(|error| match (format, error) {
            (Format::Protobuf, _) => bad_request("Failed to parse body into Call protobuf"),
            (Format::Json, DecodeError::Syntax(text)) => {
                bad_request(format!("Failed to parse body into JSON: {text}"))
            }
            (Format::Json, DecodeError::Convert(text)) => {
                bad_request(format!("Failed to convert JSON into Call protobuf: {text}"))
            }
        })
}

/// The form of the answer: JSON where that is acceptable, else protobuf, else 406.
#[allow(
    clippy::result_large_err,
    reason = "the error is the answer, made once per refusal"
)]
pub(super) fn accepted_format(headers: &HeaderMap) -> Result<Format, Response> {
    let Some(accept) = headers.get(ACCEPT) else {
        return Ok(Format::Json);
    };
    let accept = String::from_utf8_lossy(accept.as_bytes());
    let takes = |kinds: &[&str]| {
        accept
            .split(',')
            .any(|range| kinds.contains(&range.split(';').next().unwrap_or_default().trim()))
    };
    if takes(&["application/json", "application/*", "*/*"]) {
        Ok(Format::Json)
    } else if takes(&["application/x-protobuf"]) {
        Ok(Format::Protobuf)
    } else {
        Err(reply::text(
            StatusCode::NOT_ACCEPTABLE,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
        ))
    }
}

impl Routes {
    async fn executor_call(&self, request: &Request) -> Result<Response, Ending> {
        let call: api_v1::Call = match read_call(request) {
            Ok(call) => call,
            Err(refusal) => return Ok(refusal),
        };
        // Of interest only where there is an answer with a body.
        let format = match accepted_format(&request.headers) {
            Ok(format) => format,
            Err(refusal) if call.kind == Some(api_v1::CallType::Subscribe) => return Ok(refusal),
            Err(_) => Format::Json,
        };
        let secret = presented_secret(&request.headers);
        Ok(match self.shell.call(call, secret, format).await? {
            Ok(CallReply::Accepted) => reply::empty(StatusCode::ACCEPTED),
            Ok(CallReply::Stream(events)) => {
                reply::stream(StatusCode::OK, format.media_type(), events)
            }
            Err(refusal) => {
                let mut response = reply::text(refusal.status, refusal.text);
                if refusal.status == StatusCode::UNAUTHORIZED {
                    let realm = HeaderValue::from_static("Bearer realm=\"mesos-agent-executor\"");
                    response.headers_mut().insert(WWW_AUTHENTICATE, realm);
                }
                response
            }
        })
    }

    pub(super) fn sandbox_path(paths: &Paths, agent: Option<&str>, run: &Run) -> String {
        let sandbox = paths.sandbox(
            agent.unwrap_or_default(),
            run.framework.as_ref(),
            run.executor.as_ref(),
            &run.container,
        );
        sandbox.display().to_string()
    }

    async fn state(&self, request: &Request) -> Result<Response, Ending> {
        let paths = self.paths.clone();
        let mut state = self
            .shell
            .query(move |agent| {
                let id = agent.id().map(|id| id.value.clone());
                agent.legacy_state(|run| Self::sandbox_path(&paths, id.as_deref(), run))
            })
            .await?;
        let started = self
            .started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        state.insert("start_time".to_owned(), json!(started));
        let flags: serde_json::Map<String, Value> = self
            .flags
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        state.insert("flags".to_owned(), Value::Object(flags));
        Ok(jsonp(request, &state))
    }

    pub(super) async fn with_statistics(
        &self,
    ) -> Result<Vec<(ContainerView, aurora_mesos::v1::ResourceStatistics)>, Ending> {
        let views = self.shell.query(super::core::Agent::containers).await?;
        let cgroups = self.containerizer.cgroups().cloned();
        let read = tokio::task::spawn_blocking(move || {
            views
                .into_iter()
                .map(|view| {
                    let statistics = statistics::read(cgroups.as_ref(), &view);
                    (view, statistics)
                })
                .collect()
        });
        Ok(read.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read statistics");
            Vec::new()
        }))
    }

    async fn monitor(&self, request: &Request) -> Result<Response, Ending> {
        let shown: Value = self
            .with_statistics()
            .await?
            .into_iter()
            .map(|(view, statistics)| {
                json!({
                    "executor_id": view.run.executor.value,
                    "executor_name": view.executor_name,
                    "framework_id": view.run.framework.value,
                    "source": view.source,
                    "statistics": statistics,
                })
            })
            .collect();
        Ok(jsonp(request, &shown))
    }

    async fn containers(&self, request: &Request) -> Result<Response, Ending> {
        let shown: Value = self
            .with_statistics()
            .await?
            .into_iter()
            .map(|(view, statistics)| {
                json!({
                    "framework_id": view.run.framework.value,
                    "executor_id": view.run.executor.value,
                    "executor_name": view.executor_name,
                    "source": view.source,
                    "container_id": view.run.container,
                    "status": view.status,
                    "statistics": statistics,
                })
            })
            .collect();
        Ok(jsonp(request, &shown))
    }

    pub(super) async fn metrics(&self) -> Result<std::collections::BTreeMap<String, f64>, Ending> {
        let mut metrics = self.shell.query(super::core::Agent::metrics).await?;
        let fetches = self.containerizer.fetches();
        let mut set = |name: &str, value: f64| {
            metrics.insert(name.to_owned(), value);
        };
        set(
            "slave/uptime_secs",
            self.started.elapsed().unwrap_or_default().as_secs_f64(),
        );
        set(
            "slave/executor_directory_max_allowed_age_secs",
            self.gc.max_allowed_age_secs.load(Ordering::Relaxed) as f64,
        );
        set(
            "gc/path_removals_succeeded",
            self.gc.succeeded.load(Ordering::Relaxed) as f64,
        );
        set(
            "gc/path_removals_failed",
            self.gc.failed.load(Ordering::Relaxed) as f64,
        );
        set(
            "gc/path_removals_pending",
            self.gc.pending.load(Ordering::Relaxed) as f64,
        );
        set(
            "containerizer/mesos/container_destroy_errors",
            self.containerizer.destroy_errors() as f64,
        );
        set(
            "containerizer/fetcher/task_fetches_succeeded",
            fetches.succeeded.load(Ordering::Relaxed) as f64,
        );
        set(
            "containerizer/fetcher/task_fetches_failed",
            fetches.failed.load(Ordering::Relaxed) as f64,
        );
        // Nothing is cached.
        set("containerizer/fetcher/cache_size_total_bytes", 0.0);
        set("containerizer/fetcher/cache_size_used_bytes", 0.0);
        Ok(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_known_part_of_a_path_counts() {
        let cases = [
            ("/api/v1", Some(Route::Operator)),
            ("/api/v1/operator", Some(Route::Operator)),
            ("/slave(1)/api/v1", Some(Route::Operator)),
            ("/api/v1/executor", Some(Route::Executor)),
            ("/slave(1)/api/v1/executor", Some(Route::Executor)),
            ("/state", Some(Route::State)),
            ("/slave(1)/state", Some(Route::State)),
            ("/files/browse", Some(Route::Browse)),
            ("/monitor/statistics", Some(Route::Statistics)),
            ("/metrics/snapshot", Some(Route::Metrics)),
            ("/", Some(Route::Help)),
            ("/nonexistent", None),
            ("/api", None),
            ("/files", None),
        ];
        for (path, want) in cases {
            let segments: Vec<String> = path
                .split('/')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect();
            assert_eq!(route(&segments), want, "{path}");
        }
    }
}

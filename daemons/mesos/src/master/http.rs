//! Routes of the master.
//!
//! As in libprocess the first segment of a path names an actor and everything else goes to the default
//! actor, `master`; within an actor the longest known prefix of the path answers, so `/api/v1/operator`
//! is `/api/v1`.

use std::sync::Arc;

use aurora_daemon::guard::Guard;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response, Service};
use http::header::{HeaderValue, LOCATION};
use http::{Method, StatusCode};

use super::negotiate::{bad_request, expect_method, not_found};
use super::run::Info;
use super::shell::Shell;
use super::{gzip, legacy, link_api, metrics, operator_api, scheduler_api};
use crate::jsonp::jsonp;

/// The master's HTTP service.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) shell: Arc<Shell>,
    pub(crate) info: Info,
    pub(crate) guard: Guard,
}

impl Service for Api {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        match self.route(&request) {
            Ok(response) => gzip::compress(&request, response).await,
            Err(response) => *response,
        }
    }
}

/// What answers a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Scheduler,
    Operator,
    AgentSubscribe,
    AgentCall,
    Redirect,
    Health,
    Version,
    Flags,
    Metrics,
    Stats,
    State,
    StateSummary,
    Agents,
    Frameworks,
    Roles,
    Tasks,
    Teardown,
    MaintenanceSchedule,
    MaintenanceStatus,
    MachineDown,
    MachineUp,
    Files,
    FilesDebug,
}

const ACTORS: [&str; 6] = ["master", "files", "metrics", "version", "system", "ext"];

/// By actor and path within it.
const ROUTES: &[(&str, &str, Route)] = &[
    ("master", "api/v1/scheduler", Route::Scheduler),
    ("master", "api/v1", Route::Operator),
    ("master", "redirect", Route::Redirect),
    ("master", "health", Route::Health),
    ("master", "flags", Route::Flags),
    ("master", "state", Route::State),
    ("master", "state-summary", Route::StateSummary),
    ("master", "slaves", Route::Agents),
    ("master", "frameworks", Route::Frameworks),
    ("master", "roles", Route::Roles),
    ("master", "tasks", Route::Tasks),
    ("master", "teardown", Route::Teardown),
    ("master", "maintenance/schedule", Route::MaintenanceSchedule),
    ("master", "maintenance/status", Route::MaintenanceStatus),
    ("master", "machine/down", Route::MachineDown),
    ("master", "machine/up", Route::MachineUp),
    ("files", "browse", Route::Files),
    ("files", "read", Route::Files),
    ("files", "download", Route::Files),
    ("files", "debug", Route::FilesDebug),
    ("metrics", "snapshot", Route::Metrics),
    ("version", "", Route::Version),
    ("system", "stats.json", Route::Stats),
    ("ext", "v1/agent/subscribe", Route::AgentSubscribe),
    ("ext", "v1/agent/call", Route::AgentCall),
];

fn find(segments: &[String]) -> Option<Route> {
    let (actor, rest) = match segments.split_first() {
        Some((first, rest)) if ACTORS.contains(&first.as_str()) => (first.as_str(), rest),
        _ => ("master", segments),
    };
    (0..=rest.len()).rev().find_map(|length| {
        let path = rest[..length].join("/");
        ROUTES
            .iter()
            .find(|(owner, known, _)| *owner == actor && *known == path)
            .map(|(_, _, route)| *route)
    })
}

impl Api {
    fn route(&self, request: &Request) -> Result<Response, Box<Response>> {
        self.guard
            .check_origin(&request.headers)
            .map_err(Box::new)?;
        let Some(route) = find(&request.segments()) else {
            return Ok(not_found());
        };
        let secret = || self.guard.check_secret(&request.headers).map_err(Box::new);
        let get = || expect_method(request, &Method::GET);
        let shell = &self.shell;
        match route {
            Route::Scheduler => {
                secret()?;
                scheduler_api::handle(shell, request)
            }
            Route::Operator => operator_api::handle(shell, &self.info, &self.guard, request),
            Route::AgentSubscribe => {
                secret()?;
                link_api::subscribe(shell, request)
            }
            Route::AgentCall => {
                secret()?;
                link_api::call(shell, request)
            }
            Route::Redirect => Ok(self.redirect()),
            Route::Health => {
                get()?;
                Ok(reply::empty(StatusCode::OK))
            }
            Route::Version => {
                get()?;
                Ok(jsonp(request, &self.info.version))
            }
            Route::Flags => {
                get()?;
                Ok(jsonp(
                    request,
                    &serde_json::json!({"flags": legacy::flags(&self.info)}),
                ))
            }
            Route::Metrics => {
                get()?;
                let metrics = shell.view(|master, now| metrics::of(master, now, &self.info));
                let metrics: serde_json::Map<_, _> = metrics
                    .into_iter()
                    .map(|m| (m.name, m.value.into()))
                    .collect();
                Ok(jsonp(request, &metrics))
            }
            Route::Stats => {
                get()?;
                Ok(jsonp(request, &legacy::stats()))
            }
            Route::State
            | Route::StateSummary
            | Route::Agents
            | Route::Frameworks
            | Route::Roles
            | Route::Tasks
            | Route::MaintenanceStatus => {
                get()?;
                let answer = shell.view(|master, _| match route {
                    Route::State => Some(legacy::state(master, &self.info)),
                    Route::StateSummary => Some(legacy::summary(master, &self.info)),
                    Route::Agents => Some(legacy::agents(
                        master,
                        request.parameter("slave_id").as_deref(),
                    )),
                    Route::Frameworks => Some(legacy::frameworks(
                        master,
                        request.parameter("framework_id").as_deref(),
                    )),
                    Route::Roles => Some(legacy::roles(master)),
                    Route::Tasks => legacy::tasks(master, request),
                    _ => Some(aurora_mesos::message::to_value(
                        &master.maintenance_status(),
                    )),
                });
                Ok(match answer {
                    Some(answer) => jsonp(request, &answer),
                    None => {
                        bad_request("Failed to parse the query: 'limit' and 'offset' are numbers")
                    }
                })
            }
            Route::Teardown => {
                expect_method(request, &Method::POST)?;
                secret()?;
                legacy::teardown(shell, request)
            }
            Route::MaintenanceSchedule if request.method == Method::GET => {
                let schedule = shell.view(|master, _| master.registry.schedule.clone());
                Ok(jsonp(request, &schedule))
            }
            Route::MaintenanceSchedule | Route::MachineDown | Route::MachineUp => {
                expect_method(request, &Method::POST)?;
                secret()?;
                legacy::maintenance(
                    shell,
                    request,
                    match route {
                        Route::MachineDown => legacy::Maintenance::Down,
                        Route::MachineUp => legacy::Maintenance::Up,
                        _ => legacy::Maintenance::Schedule,
                    },
                )
            }
            // Nothing is attached: the master logs to standard error.
            Route::Files => {
                get()?;
                secret()?;
                Ok(match request.parameter("path") {
                    None => bad_request("Expecting 'path=value' in query.\n"),
                    Some(_) => not_found(),
                })
            }
            Route::FilesDebug => {
                get()?;
                secret()?;
                Ok(jsonp(request, &serde_json::json!({})))
            }
        }
    }

    /// This master always leads.
    fn redirect(&self) -> Response {
        let mut response = reply::empty(StatusCode::TEMPORARY_REDIRECT);
        let address = &self.info.master_info.address;
        let location = address.as_ref().and_then(|a| {
            HeaderValue::from_str(&format!("//{}:{}", a.hostname.as_deref()?, a.port)).ok()
        });
        if let Some(location) = location {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link;

    #[test]
    fn the_longest_prefix_answers() {
        let cases = [
            ("/api/v1", Some(Route::Operator)),
            ("/api/v1/", Some(Route::Operator)),
            ("/api/v1/operator", Some(Route::Operator)),
            ("/master/api/v1/operator/x", Some(Route::Operator)),
            ("/api/v1/scheduler", Some(Route::Scheduler)),
            ("/master/api/v1/scheduler", Some(Route::Scheduler)),
            ("/state", Some(Route::State)),
            ("/master/state.json", None),
            ("/version", Some(Route::Version)),
            ("/version/x", Some(Route::Version)),
            ("/metrics/snapshot", Some(Route::Metrics)),
            ("/api/v2", None),
            ("/nonexistent", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            let segments: Vec<String> = path
                .split('/')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect();
            assert_eq!(find(&segments), expected, "{path}");
        }
        assert_eq!(
            link::SUBSCRIBE_PATH.trim_start_matches('/'),
            "ext/v1/agent/subscribe"
        );
        assert_eq!(link::CALL_PATH.trim_start_matches('/'), "ext/v1/agent/call");
    }
}

//! The routes.

mod audit;
mod browse;
mod debug;
mod drain_plan;
mod explain;
mod feed;
mod mname;
mod ops;
mod pages;
mod utilization;
mod vars;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use aurora_api::model::JobKey;
use aurora_daemon::server::{Request, Response, Service};
use aurora_daemon::{html, reply, server};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue,
    LOCATION, VARY,
};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::watch;

use crate::api::{Api, transport};
use crate::core::Millis;
use crate::feed::Hub;
use crate::mesos::Registration;
use crate::security::Gate;

/// Everything that answers.
pub(crate) struct Routes {
    pub(crate) api: Api,
    pub(crate) gate: Gate,
    pub(crate) hub: Arc<Hub>,
    pub(crate) registration: watch::Receiver<Registration>,
    pub(crate) address: SocketAddr,
    pub(crate) clock: fn() -> Millis,
    /// The origin that browsers may call `/api` from.
    pub(crate) cors: Option<HeaderValue>,
    /// Bytes of the log.
    pub(crate) log_size: Arc<std::sync::Mutex<u64>>,
}

impl Service for Routes {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        let began = Instant::now();
        let for_browsers = request.path == "/api";
        let origin = match for_browsers {
            true => self.gate.guard.check_admitted(&request.headers),
            false => self.gate.guard.check_origin(&request.headers),
        };
        if let Err(refusal) = origin {
            return refusal;
        }
        let gzip = asks_for_gzip(&request.headers);
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let is_feed = segments == ["ext", "v1", "events"];
        let response = self.route(&segments, request).await;
        // A feed does its own, a piece at a time.
        let mut response = match gzip && !is_feed {
            true => compress(response).await,
            false => response,
        };
        if for_browsers && let Some(origin) = &self.cors {
            allow_origin(response.headers_mut(), origin);
        }
        let name = format!("http_{}_responses", response.status().as_u16());
        self.api.metrics.timed(&name, began.elapsed());
        response
    }
}

fn allow_origin(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("DELETE,GET,HEAD,OPTIONS,POST,PUT"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Accept,Content-Type,Origin,X-Requested-With"),
    );
}

impl Routes {
    async fn route(&self, path: &[&str], request: Request) -> Response {
        let method = request.method.clone();
        match path {
            ["api"] => match method {
                Method::OPTIONS => reply::empty(StatusCode::OK),
                Method::POST | Method::GET => self.api.answer(request, &self.gate).await,
                _ => not_allowed("GET, POST"),
            },
            ["apibeta"] => see_other("/apihelp/index.html"),
            ["apibeta", name] => match method {
                Method::POST => self.api.answer_beta(name, request, &self.gate).await,
                _ => not_allowed("POST"),
            },
            ["ext", "v1", rest @ ..] => self.extension(rest, request).await,
            ["mname", rest @ ..] => match method {
                Method::GET | Method::PUT | Method::POST | Method::DELETE => {
                    self.mname(rest, &request.query)
                }
                _ => not_allowed("GET, PUT, POST, DELETE"),
            },
            path => match method {
                Method::GET | Method::HEAD => self.look(path, &request).await,
                _ => nothing_here(path),
            },
        }
    }

    /// Routes of our own, below `/ext/v1`.
    async fn extension(&self, path: &[&str], request: Request) -> Response {
        let (reads, writes) = match request.method {
            Method::GET | Method::HEAD => (true, false),
            Method::POST => (false, true),
            _ => (false, false),
        };
        match path {
            ["events", id, "topics"] if writes => self.change_topics(id, &request).await,
            ["drain-plan"] if writes => self.drain_plan(&request.body).await,
            ["handover"] if writes => reply::error(
                StatusCode::CONFLICT,
                "single-scheduler",
                "This scheduler has no other to hand over to.",
                "Start it again to move it; its tasks run on meanwhile.",
            ),
            ["events", _, "topics"] | ["drain-plan"] | ["handover"] => not_allowed("POST"),
            [] if reads => self.capabilities(),
            ["events"] if reads => self.events(&request),
            ["explain", task] if reads => self.explain(task).await,
            ["audit"] if reads => self.audit(&request),
            [name] if reads => match self.page(name, None, &request).await {
                Some(page) => page,
                None => nothing_here(&["ext"]),
            },
            ["instances", role, environment, name] if reads => {
                let job = Some(JobKey::new(role, environment, name));
                match self.page("instances", job, &request).await {
                    Some(page) => page,
                    None => nothing_here(&["ext"]),
                }
            }
            _ => nothing_here(&["ext"]),
        }
    }

    /// What operators look at.
    async fn look(&self, path: &[&str], request: &Request) -> Response {
        match path {
            ["health"] => reply::text(StatusCode::OK, "OK\n"),
            ["leaderhealth"] => self.leader_health(),
            ["services"] => self.services(),
            ["vars"] => self.vars().await,
            ["vars.json"] => self.vars_json(request).await,
            ["metrics"] => self.metrics().await,
            [] => see_other("/scheduler"),
            ["scheduler", place @ ..] => self.browse(place),
            ["updates"] => self.browse_updates(),
            ["assets", "style.css"] => html::style(),
            ["agents" | "slaves"] => self.agents(),
            ["cron"] => self.cron(),
            ["maintenance"] => self.maintenance(),
            ["offers"] => self.offers(request).await,
            ["pendingtasks"] => self.pending_tasks().await,
            ["quotas"] => self.quotas(request),
            ["state"] => self.state(),
            ["structdump", what @ ..] => self.structdump(what),
            ["tiers"] => self.tiers(),
            ["utilization", what @ ..] => self.utilization(what),
            path => nothing_here(path),
        }
    }
}

fn nothing_here(path: &[&str]) -> server::Response {
    match path {
        ["ext", ..] => reply::error(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing here.",
            "GET /ext/v1 lists what this scheduler offers.",
        ),
        _ => reply::text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
    }
}

fn see_other(place: &'static str) -> server::Response {
    let mut response = reply::empty(StatusCode::SEE_OTHER);
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static(place));
    response
}

fn not_allowed(methods: &'static str) -> server::Response {
    let mut response = reply::text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("This route takes {methods}.\n"),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn asks_for_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(transport::wants_gzip)
}

/// The answer, gzip-encoded. Its body is in memory already.
async fn compress(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    };
    if bytes.is_empty() {
        return http::Response::from_parts(head, reply::whole(bytes));
    }
    let packed = tokio::task::spawn_blocking(move || pack(&bytes)).await;
    match packed {
        Ok(Ok(packed)) => {
            head.headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            head.headers
                .insert(VARY, HeaderValue::from_static("Accept-Encoding"));
            head.headers.remove(CONTENT_LENGTH);
            http::Response::from_parts(head, reply::whole(packed))
        }
        failed => {
            tracing::error!(?failed, "an answer could not be compressed");
            reply::empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn pack(bytes: &[u8]) -> std::io::Result<Bytes> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

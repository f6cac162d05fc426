//! The routes.

mod explain;
mod feed;
mod ops;
mod vars;

use std::net::SocketAddr;
use std::sync::Arc;

use aurora_daemon::guard::Guard;
use aurora_daemon::server::{Request, Response, Service};
use aurora_daemon::{reply, server};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::watch;

use crate::api::{Api, transport};
use crate::core::Millis;
use crate::feed::Hub;
use crate::mesos::Registration;

/// Everything that answers.
pub(crate) struct Routes {
    pub(crate) api: Api,
    pub(crate) guard: Guard,
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
        let for_browsers = request.path == "/api";
        if let Err(refusal) = self.check_origin(&request.headers, for_browsers) {
            return refusal;
        }
        let gzip = asks_for_gzip(&request.headers);
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut streams = false;
        let response = match (&request.method, &*segments) {
            (&Method::OPTIONS, ["api"]) => reply::empty(StatusCode::OK),
            (&Method::POST | &Method::GET, ["api"]) => self.api.answer(request, &self.guard).await,
            (_, ["api"]) => not_allowed("GET, POST"),
            (&Method::POST, ["ext", "v1", "events", id, "topics"]) => {
                self.change_topics(id, &request.body).await
            }
            (_, ["ext", "v1", "events", _, "topics"]) => not_allowed("POST"),
            (&Method::GET | &Method::HEAD, path) => match path {
                ["ext", "v1"] => self.capabilities(),
                ["ext", "v1", "events"] => {
                    streams = true;
                    self.events(&request)
                }
                ["ext", "v1", "explain", task] => self.explain(task),
                ["health"] => reply::text(StatusCode::OK, "OK\n"),
                ["leaderhealth"] => self.leader_health(),
                ["vars"] => self.vars().await,
                ["vars.json"] => self.vars_json(&request).await,
                ["metrics"] => self.metrics().await,
                ["agents" | "slaves"] => self.agents(),
                ["quotas"] => self.quotas(&request),
                ["tiers"] => self.tiers(),
                ["offers"] => self.offers().await,
                ["pendingtasks"] => self.pending_tasks().await,
                _ => nothing_here(path),
            },
            (_, path) => nothing_here(path),
        };
        let mut response = match gzip && !streams {
            true => compress(response).await,
            false => response,
        };
        if for_browsers && let Some(origin) = &self.cors {
            let headers = response.headers_mut();
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
        response
    }
}

impl Routes {
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    fn check_origin(&self, headers: &HeaderMap, for_browsers: bool) -> Result<(), Response> {
        let origin = headers.get(ORIGIN);
        let allowed = for_browsers
            && self
                .cors
                .as_ref()
                .is_some_and(|cors| cors == "*" || Some(cors) == origin);
        if !allowed {
            return self.guard.check_origin(headers);
        }
        let mut headers = headers.clone();
        headers.remove(ORIGIN);
        self.guard.check_origin(&headers)
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

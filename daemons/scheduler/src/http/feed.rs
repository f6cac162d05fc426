//! The routes of the event feed.

use aurora_api::feed::{Seq, VERSION};
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, HeaderValue, VARY};
use tokio::sync::mpsc;

use super::{Routes, asks_for_gzip};
use crate::feed::{self, Bounds, CAPABILITIES, Encoding, Greeting, Subscription, Wanted};
use crate::security::Caller;

/// Who asks for a feed.
pub(super) struct Principal {
    /// The name given with the secret, else the address.
    pub(super) name: String,
    /// Whether the secret was shown, or none is demanded.
    pub(super) is_trusted: bool,
}

impl Routes {
    /// `GET /ext/v1`: what is offered, with versions.
    pub(super) fn capabilities(&self) -> Response {
        let versions: serde_json::Map<String, serde_json::Value> = CAPABILITIES
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).into()))
            .collect();
        reply::json(
            StatusCode::OK,
            &serde_json::json!({
                "cluster": self.api.config.cluster_name,
                "version": VERSION,
                "capabilities": versions,
            }),
        )
    }

    /// `GET /ext/v1/events?from=N&topics=T,T…&summary=ROWS&tasks=TASKS`.
    pub(super) fn events(&self, request: &Request) -> Response {
        let list = request.parameter("topics").unwrap_or_default();
        let topics = match feed::parse_all(list.split(',').filter(|topic| !topic.is_empty())) {
            Ok(topics) => topics,
            Err(fault) => return bad_topics(&fault),
        };
        let from = match request.parameter("from").map(|text| text.parse::<Seq>()) {
            None => None,
            Some(Ok(seq)) => Some(seq),
            Some(Err(error)) => {
                return reply::error(
                    StatusCode::BAD_REQUEST,
                    "bad-position",
                    &error.to_string(),
                    "Leave `from` out to begin with snapshots.",
                );
            }
        };
        let bounds = match bounds(request) {
            Ok(bounds) => bounds,
            Err(refusal) => return *refusal,
        };
        let greeting = Greeting {
            cluster: self.api.config.cluster_name.clone(),
            leader: self.address.to_string(),
            server_time_ms: (self.clock)(),
        };
        let principal = self.principal(request);
        let encoding = match asks_for_gzip(&request.headers) {
            true => Encoding::Gzip,
            false => Encoding::Plain,
        };
        let subscription = Subscription {
            wanted: Wanted::of(topics, principal.is_trusted),
            from,
            bounds,
            principal: principal.name,
            encoding,
        };
        match feed::open(&self.hub, greeting, subscription) {
            Ok(pieces) => stream(pieces, encoding),
            Err(crowded) => reply::error(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-feeds",
                &crowded.to_string(),
                "Close some, or try again later.",
            ),
        }
    }

    /// Who sent a request.
    pub(super) fn principal(&self, request: &Request) -> Principal {
        let caller = self.gate.caller(&request.headers);
        let name = match &caller {
            Ok(caller @ (Caller::Trusted(_) | Caller::User(_))) => caller.name().to_owned(),
            Ok(Caller::Anybody) | Err(_) => request.peer.ip().to_string(),
        };
        Principal {
            name,
            is_trusted: caller.is_ok(),
        }
    }

    /// `POST /ext/v1/events/ID/topics` with `{"topics": [T, …]}`: replaces the topics of a running feed.
    pub(super) async fn change_topics(&self, id: &str, request: &Request) -> Response {
        #[derive(serde::Deserialize)]
        struct Body {
            topics: Vec<String>,
        }
        let body: Body = match serde_json::from_slice(&request.body) {
            Ok(body) => body,
            Err(error) => {
                return reply::error(
                    StatusCode::BAD_REQUEST,
                    "bad-request",
                    &format!("The body is not of the form {{\"topics\": [TOPIC, …]}}: {error}"),
                    "",
                );
            }
        };
        let topics = match feed::parse_all(body.topics.iter().map(String::as_str)) {
            Ok(topics) => topics,
            Err(fault) => return bad_topics(&fault),
        };
        let gone = || {
            reply::error(
                StatusCode::NOT_FOUND,
                "no-feed",
                "There is no feed of this id.",
                "The id is in the first line of the feed; it ends with the connection.",
            )
        };
        let Some(feed) = self.hub.feed(id) else {
            return gone();
        };
        let wanted = Wanted::of(topics, self.principal(request).is_trusted);
        match feed.send(wanted).await {
            Ok(()) => reply::json(StatusCode::OK, &serde_json::json!({})),
            Err(_) => gone(),
        }
    }
}

/// What is too much for who asks for a feed.
fn bounds(request: &Request) -> Result<Bounds, Box<Response>> {
    let number = |name: &str, code, message| match request.parameter(name).map(|text| text.parse())
    {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(Box::new(reply::error(
            StatusCode::BAD_REQUEST,
            code,
            message,
            "Leave it out to be told all of them.",
        ))),
    };
    Ok(Bounds {
        rows: number(
            "summary",
            "bad-summary",
            "`summary` is the number of rows up to which a table of the summary is told.",
        )?,
        tasks: number(
            "tasks",
            "bad-tasks",
            "`tasks` is the number of tasks up to which those of a job are told.",
        )?,
    })
}

fn stream(pieces: mpsc::Receiver<Bytes>, encoding: Encoding) -> Response {
    let mut response = reply::stream(StatusCode::OK, "application/x-ndjson", pieces);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if encoding == Encoding::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn bad_topics(fault: &str) -> Response {
    reply::error(
        StatusCode::BAD_REQUEST,
        "bad-topic",
        fault,
        "Topics are summary, job/ROLE/ENV/NAME[/INSTANCES], role/ROLE, host/HOST, updates, maintenance and audit.",
    )
}

//! The routes of the event feed.

use aurora_api::feed::{Seq, VERSION};
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use super::Routes;
use crate::feed::{self, CAPABILITIES, Greeting};

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

    /// `GET /ext/v1/events?from=N&topics=T,T…`.
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
        let greeting = Greeting {
            cluster: self.api.config.cluster_name.clone(),
            leader: self.address.to_string(),
            server_time_ms: (self.clock)(),
        };
        match feed::open(&self.hub, greeting, topics, from) {
            Some(pieces) => {
                let mut response = reply::stream(StatusCode::OK, "application/x-ndjson", pieces);
                response
                    .headers_mut()
                    .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            None => reply::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "too-many-feeds",
                "Too many feeds are open.",
                "Close some, or try again later.",
            ),
        }
    }

    /// `POST /ext/v1/events/ID/topics` with `{"topics": [T, …]}`: replaces the topics of a running feed.
    pub(super) async fn change_topics(&self, id: &str, body: &Bytes) -> Response {
        #[derive(serde::Deserialize)]
        struct Wanted {
            topics: Vec<String>,
        }
        let wanted: Wanted = match serde_json::from_slice(body) {
            Ok(wanted) => wanted,
            Err(error) => {
                return reply::error(
                    StatusCode::BAD_REQUEST,
                    "bad-request",
                    &format!("The body is not of the form {{\"topics\": [TOPIC, …]}}: {error}"),
                    "",
                );
            }
        };
        let topics = match feed::parse_all(wanted.topics.iter().map(String::as_str)) {
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
        match feed.send(topics).await {
            Ok(()) => reply::json(StatusCode::OK, &serde_json::json!({})),
            Err(_) => gone(),
        }
    }
}

fn bad_topics(fault: &str) -> Response {
    reply::error(
        StatusCode::BAD_REQUEST,
        "bad-topic",
        fault,
        "Topics are summary, job/ROLE/ENV/NAME, role/ROLE and host/HOST.",
    )
}

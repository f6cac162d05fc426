//! `Accept-Encoding: gzip` for whole answers; streams are never compressed.

use std::io::Write as _;

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

/// Compresses a body of known length when the client takes it.
pub(crate) async fn compress(request: &Request, response: Response) -> Response {
    let is_whole = response
        .body()
        .size_hint()
        .exact()
        .is_some_and(|length| length > 0);
    if !is_whole || !accepts_gzip(request) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    match deflate(&body) {
        Ok(compressed) => {
            head.headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(head, reply::whole(compressed))
        }
        Err(error) => {
            tracing::warn!(%error, "an answer cannot be compressed");
            Response::from_parts(head, reply::whole(body))
        }
    }
}

fn accepts_gzip(request: &Request) -> bool {
    request
        .headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                parts.next() == Some("gzip") && parts.all(|part| part != "q=0")
            })
        })
}

fn deflate(body: &Bytes) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

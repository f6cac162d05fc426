//! Answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use tokio::sync::mpsc;

/// The body of an answer: whole, or a stream.
pub type Body = BoxBody<Bytes, Infallible>;

/// A body that is known whole.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// An answer of this media type.
pub fn bytes(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Plain text.
pub fn text(status: StatusCode, body: impl Into<String>) -> Response<Body> {
    bytes(status, "text/plain; charset=utf-8", body.into())
}

/// JSON. A value that cannot be written (a map with keys that are not texts) is a fault of ours and answers 500.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(body) => bytes(status, "application/json", body),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot write the answer as JSON: {error}"),
        ),
    }
}

/// No body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// An error in the form of the `/ext/v1` routes: `{"error":{"code","message","hint"}}`.
pub fn error(status: StatusCode, code: &str, message: &str, hint: &str) -> Response<Body> {
    json(
        status,
        &serde_json::json!({"error": {"code": code, "message": message, "hint": hint}}),
    )
}

/// An answer that goes on for as long as the sender of `receiver` lives; each piece is flushed at once. When the client goes
/// away the receiver is dropped, and sending fails.
pub fn stream(
    status: StatusCode,
    media_type: &'static str,
    receiver: mpsc::Receiver<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Channel(receiver).boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

struct Channel(mpsc::Receiver<Bytes>);

impl HttpBody for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

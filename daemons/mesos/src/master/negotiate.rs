//! What the APIs demand of a request before they look at its content, and their error texts
//! (`mesos: src/master/http.cpp`).

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::{self, DecodeError, Message};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};

pub(crate) fn bad_request(text: impl Into<String>) -> Response {
    reply::text(StatusCode::BAD_REQUEST, text)
}

pub(crate) fn not_found() -> Response {
    reply::text(StatusCode::NOT_FOUND, "404 Not Found.")
}

pub(crate) fn not_implemented() -> Response {
    reply::text(StatusCode::NOT_IMPLEMENTED, "501 Not Implemented.")
}

pub(crate) fn accepted() -> Response {
    reply::empty(StatusCode::ACCEPTED)
}

/// 405 unless the method is this one.
pub(crate) fn expect_method(request: &Request, method: &Method) -> Result<(), Box<Response>> {
    if request.method == *method {
        return Ok(());
    }
    let text = format!(
        "405 Method Not Allowed. Expecting one of {{ '{method}' }}, but received '{}'.",
        request.method
    );
    let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, text);
    if let Ok(allow) = HeaderValue::from_str(method.as_str()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    Err(Box::new(response))
}

/// The call in the body. Content types are compared exactly, parameters and case included.
pub(crate) fn read_call<T: Message>(request: &Request) -> Result<T, Box<Response>> {
    let Some(content_type) = request.headers.get(CONTENT_TYPE) else {
        return Err(Box::new(bad_request(
            "Expecting 'Content-Type' to be present",
        )));
    };
    match content_type.as_bytes() {
        b"application/json" => message::from_slice(&request.body).map_err(|error| {
            Box::new(bad_request(match error {
                DecodeError::Syntax(text) => format!("Failed to parse body into JSON: {text}"),
                DecodeError::Convert(text) => {
                    format!("Failed to convert JSON into Call protobuf: {text}")
                }
            }))
        }),
        _ => Err(Box::new(reply::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Expecting 'Content-Type' of application/json or application/x-protobuf",
        ))),
    }
}

/// 406 unless JSON is acceptable; weights are not looked at.
pub(crate) fn expect_json_accepted(request: &Request) -> Result<(), Box<Response>> {
    let Some(accept) = request.headers.get(ACCEPT) else {
        return Ok(());
    };
    let accept = String::from_utf8_lossy(accept.as_bytes());
    let takes_json = accept
        .split(',')
        .filter_map(|range| range.split(';').next())
        .any(|range| matches!(range.trim(), "application/json" | "application/*" | "*/*"));
    if takes_json {
        Ok(())
    } else {
        Err(Box::new(reply::text(
            StatusCode::NOT_ACCEPTABLE,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
        )))
    }
}

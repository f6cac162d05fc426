//! What the APIs demand of a request before they look at its content, and their error texts
//! (`mesos: src/master/http.cpp`).

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::{DecodeError, Format, Message};
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
    let format = match content_type.as_bytes() {
        b"application/json" => Format::Json,
        b"application/x-protobuf" => Format::Protobuf,
        _ => {
            return Err(Box::new(reply::text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Expecting 'Content-Type' of application/json or application/x-protobuf",
            )));
        }
    };
    format.decode(&request.body).map_err(|error| {
        Box::new(bad_request(match (format, error) {
            (Format::Protobuf, _) => "Failed to parse body into Call protobuf".to_owned(),
            (Format::Json, DecodeError::Syntax(text)) => {
                format!("Failed to parse body into JSON: {text}")
            }
            (Format::Json, DecodeError::Convert(text)) => {
                format!("Failed to convert JSON into Call protobuf: {text}")
            }
        }))
    })
}

/// The form of the answer: JSON where acceptable, else protobuf, else 406. Weights are not looked at.
pub(crate) fn accepted_format(request: &Request) -> Result<Format, Box<Response>> {
    let Some(accept) = request.headers.get(ACCEPT) else {
        return Ok(Format::Json);
    };
    let accept = String::from_utf8_lossy(accept.as_bytes());
    let takes = |types: &[&str]| {
        let ranges = accept
            .split(',')
            .filter_map(|range| range.split(';').next());
        ranges
            .into_iter()
            .any(|range| types.contains(&range.trim()))
    };
    if takes(&["application/json", "application/*", "*/*"]) {
        Ok(Format::Json)
    } else if takes(&["application/x-protobuf"]) {
        Ok(Format::Protobuf)
    } else {
        Err(Box::new(reply::text(
            StatusCode::NOT_ACCEPTABLE,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
        )))
    }
}

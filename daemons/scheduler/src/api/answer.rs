//! Answers in upstream's conventions (aurora: `src/main/java/org/apache/aurora/scheduler/thrift/Responses.java`).

use aurora_api::model::{Response, ResponseCode, ResponseDetail, Result as Payload};

/// OK with a result.
pub(super) fn ok(result: Payload) -> Response {
    Response {
        response_code: ResponseCode::Ok,
        result: Some(result),
        ..Response::default()
    }
}

/// OK, and nothing else to say.
pub(super) fn done() -> Response {
    Response {
        response_code: ResponseCode::Ok,
        ..Response::default()
    }
}

/// An answer without a result.
pub(super) fn empty(code: ResponseCode, message: impl Into<String>) -> Response {
    Response {
        response_code: code,
        ..Response::default()
    }
    .with(message)
}

/// A request that cannot be served as it is.
pub(super) fn invalid(message: impl Into<String>) -> Response {
    empty(ResponseCode::InvalidRequest, message)
}

/// What upstream answers when an exception escapes.
pub(super) fn error(message: impl Into<String>) -> Response {
    empty(ResponseCode::Error, message)
}

/// Adds a message.
pub(super) trait WithMessage {
    fn with(self, message: impl Into<String>) -> Self;
}

impl WithMessage for Response {
    fn with(mut self, message: impl Into<String>) -> Self {
        self.details.push(ResponseDetail {
            message: Some(message.into()),
        });
        self
    }
}

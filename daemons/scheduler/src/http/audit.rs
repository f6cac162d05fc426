//! `GET /ext/v1/audit?from=MILLISECONDS`: who changed what. For those who may change something, as topic `audit` of the feed.

use aurora_api::feed::AuditRecord;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use http::StatusCode;
use serde_json::json;

use super::Routes;
use crate::feed::render;

impl Routes {
    pub(super) fn audit(&self, request: &Request) -> Response {
        if let Err(refusal) = self.gate.caller(&request.headers) {
            return refusal;
        }
        let from = match request.parameter("from").map(|text| text.parse::<i64>()) {
            None => i64::MIN,
            Some(Ok(from)) => from,
            Some(Err(_)) => {
                return reply::error(
                    StatusCode::BAD_REQUEST,
                    "bad-from",
                    "`from` is a time in milliseconds since 1970.",
                    "Leave it out to get all that is remembered.",
                );
            }
        };
        let (view, seq) = self.hub.newest();
        let records = view.audit().filter(|record| record.time >= from);
        let records: Vec<AuditRecord> = records.map(|record| render::audit(seq, record)).collect();
        reply::json(StatusCode::OK, &json!({"seq": seq, "records": records}))
    }
}

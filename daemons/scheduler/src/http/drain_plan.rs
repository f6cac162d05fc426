//! `POST /ext/v1/drain-plan`: what a drain would do. It changes nothing.

use aurora_api::drain_plan::{DrainPlanRequest, MAX_HOSTS};
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use bytes::Bytes;
use http::StatusCode;

use super::Routes;

impl Routes {
    pub(super) async fn drain_plan(&self, body: &Bytes) -> Response {
        let request: DrainPlanRequest = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => {
                return bad_request(&format!(
                    "The body is not of the form {{\"hosts\": [HOST, …]}}: {error}"
                ));
            }
        };
        if request.hosts.len() > MAX_HOSTS {
            return bad_request(&format!("There are more than {MAX_HOSTS} hosts."));
        }
        let now = (self.clock)();
        let plan = self
            .api
            .handle
            .look(move |core| core.drain_plan(&request, now));
        match plan.await {
            Ok(plan) => reply::json(StatusCode::OK, &plan),
            Err(ending) => reply::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "ending",
                &ending.to_string(),
                "Ask again.",
            ),
        }
    }
}

fn bad_request(message: &str) -> Response {
    reply::error(
        StatusCode::BAD_REQUEST,
        "bad-request",
        message,
        "default_policy and timeout_secs are the other keys.",
    )
}

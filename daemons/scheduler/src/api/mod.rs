//! The Thrift service over HTTP: `/api` (aurora: `src/main/java/org/apache/aurora/scheduler/http/api`, `…/thrift`).

mod answer;
mod beta;
pub(crate) mod read;
mod recovery;
pub(crate) mod transport;
mod updates;

use std::sync::Arc;
use std::time::Instant;

use aurora_api::message::{self, Protocol};
use aurora_api::model::{Response, ResponseCode, ServerInfo};
use aurora_api::service::{Access, Call};
use aurora_api::simple;
use aurora_daemon::reply;
use aurora_daemon::server;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};

pub(crate) use recovery::Recovery;

use crate::core::{Config, Millis};
use crate::engine::Handle;
use crate::metrics::Metrics;
use crate::security::{Gate, Refusal};

/// The most bytes of a call that changes something: far more than any job, and so little that a log entry of many such calls
/// stays below its limit.
pub(crate) const MAX_WRITE: usize = 2 << 20;

/// What the service needs.
pub(crate) struct Api {
    pub(crate) config: Arc<Config>,
    pub(crate) handle: Handle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) server_info: ServerInfo,
    pub(crate) recovery: Recovery,
    pub(crate) clock: fn() -> Millis,
}

/// How an answer is written.
#[derive(Clone, Copy)]
enum Form {
    /// In a Thrift protocol, with the request's sequence id.
    Thrift(Protocol, i32),
    /// In plain JSON.
    Plain,
}

impl Form {
    fn media_type(self) -> &'static str {
        match self {
            Form::Thrift(protocol, _) => protocol.media_type(),
            Form::Plain => "application/json",
        }
    }

    fn encode(self, method: &str, response: &Response) -> Vec<u8> {
        match self {
            Form::Thrift(protocol, sequence) => {
                message::encode_reply(protocol, method, sequence, response)
            }
            Form::Plain => simple::to_json(response).to_string().into_bytes(),
        }
    }
}

impl Api {
    /// Answers a request to `/api`.
    pub(crate) async fn answer(&self, request: server::Request, gate: &Gate) -> server::Response {
        let content_type = request.headers.get(CONTENT_TYPE);
        let text = content_type.map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let Some(protocol) = transport::request_protocol(text) else {
            let value = text.unwrap_or_default();
            return reply::text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("Unsupported Content-Type: {value}"),
            );
        };
        let accept = request.headers.get_all(ACCEPT).iter();
        let answer_protocol =
            transport::response_protocol(accept.map(|value| value.to_str().unwrap_or("")));
        let decoded = match message::decode_call(protocol, &request.body) {
            Ok(decoded) => decoded,
            Err(error) => {
                return reply::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("The request cannot be decoded: {error}\n"),
                );
            }
        };
        let (method, sequence) = (decoded.method, decoded.sequence);
        let Some(call) = decoded.call else {
            let body = message::encode_unknown_method(answer_protocol, &method, sequence);
            return reply::bytes(StatusCode::OK, answer_protocol.media_type(), body);
        };
        let form = Form::Thrift(answer_protocol, sequence);
        self.admit_and_perform(call, &request, gate, form).await
    }

    /// Answers a request to `/apibeta/METHOD`: arguments by name in plain JSON (aurora: `ApiBeta.java`).
    pub(crate) async fn answer_beta(
        &self,
        method: &str,
        request: server::Request,
        gate: &Gate,
    ) -> server::Response {
        match beta::call(method, &request.body) {
            Ok(call) => {
                self.admit_and_perform(call, &request, gate, Form::Plain)
                    .await
            }
            Err((status, text)) => {
                let mut response = answer::error(text);
                response.server_info = Some(self.server_info.clone());
                let body = Form::Plain.encode(method, &response);
                reply::bytes(status, Form::Plain.media_type(), body)
            }
        }
    }

    /// Performs a call if whoever sent the request may make it.
    async fn admit_and_perform(
        &self,
        call: Call,
        request: &server::Request,
        gate: &Gate,
        form: Form,
    ) -> server::Response {
        let user = match call.access() {
            Access::Read => match gate.check_reader(&request.headers) {
                Ok(()) => String::new(),
                Err(refusal) => return refusal,
            },
            Access::Job | Access::Admin => {
                let caller = match gate.caller(&request.headers) {
                    Ok(caller) => caller,
                    Err(refusal) => return refusal,
                };
                if request.body.len() > MAX_WRITE {
                    return reply::text(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        format!("A call that changes something may have {MAX_WRITE} bytes.\n"),
                    );
                }
                if let Err(refusal) = caller.may(&call) {
                    return self.refuse(&refusal, call.method(), form);
                }
                caller.name().to_owned()
            }
        };
        let began = Instant::now();
        let name = call.method();
        let body = self.perform(call, user, form).await;
        self.metrics
            .timed(&format!("scheduler_thrift_{name}"), began.elapsed());
        match body {
            Some(body) => reply::bytes(StatusCode::OK, form.media_type(), body),
            None => reply::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The answer could not be made; the scheduler's log says why.\n",
            ),
        }
    }

    /// Tells a user what they may not do; upstream does not say which server it is.
    fn refuse(&self, refusal: &Refusal, method: &str, form: Form) -> server::Response {
        self.metrics.add(refusal.counter(), 1);
        let response = match refusal {
            Refusal::NoJob => answer::invalid("Missing or invalid job key from request."),
            Refusal::Denied(text) => answer::empty(ResponseCode::AuthFailed, text.as_str()),
        };
        let body = form.encode(method, &response);
        reply::bytes(StatusCode::OK, form.media_type(), body)
    }

    /// Does what is asked and encodes the answer; `None` when a handler failed.
    async fn perform(&self, call: Call, user: String, form: Form) -> Option<Vec<u8>> {
        let method = call.method();
        let finish = {
            let (metrics, server_info) = (self.metrics.clone(), self.server_info.clone());
            move |mut response: Response| {
                let code = response.response_code;
                metrics.add(&format!("scheduler_thrift_response_{code}"), 1);
                response.server_info = Some(server_info);
                form.encode(method, &response)
            }
        };
        let response = match (call.access(), call) {
            (Access::Read, call) => {
                // A large answer takes a while; other requests go on meanwhile.
                let (config, durable) = (self.config.clone(), self.handle.durable());
                let (metrics, now) = (self.metrics.clone(), (self.clock)());
                let made = tokio::task::spawn_blocking(move || {
                    let response = read::read(&config, &durable.view, now, call)?;
                    let name = format!("scheduler_thrift_workload_{method}");
                    metrics.add(&name, read::workload(&response));
                    Some(finish(response))
                });
                return match made.await {
                    Ok(body) => body,
                    Err(error) => {
                        tracing::error!(method, %error, "a read failed");
                        None
                    }
                };
            }
            (_, Call::Snapshot(_)) => self.snapshot().await,
            (_, call) => match self.recovery.answer(&self.handle, &user, call).await {
                Ok(response) => response,
                // It is not about backups.
                Err(call) => match self.handle.write(user, *call).await {
                    Ok(response) => response,
                    Err(ending) => answer::empty(ResponseCode::ErrorTransient, ending.to_string()),
                },
            },
        };
        Some(finish(response))
    }

    async fn snapshot(&self) -> Response {
        match self.handle.snapshot().await {
            Ok(Ok(())) => answer::done(),
            Ok(Err(fault)) => answer::error(fault),
            Err(ending) => answer::empty(ResponseCode::ErrorTransient, ending.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;

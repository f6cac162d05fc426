//! Thrift calls to the scheduler, with upstream's rules for what is tried again
//! (aurora: `src/main/python/apache/aurora/client/api/scheduler_client.py`, `SchedulerProxy`).

use std::marker::PhantomData;
use std::time::Duration;

use aurora_api::elements::Elements;
use aurora_api::message::{self, Protocol};
use aurora_api::model::{Response, ResponseCode};
use aurora_api::service::Call;
use aurora_api::wire::{DecodeError, Wire};
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::Instant;

use crate::directory::Target;
use crate::http::{Http, HttpError, Outgoing, read_by};
use crate::place::{Address, Place};
use crate::results::FromResult;

/// The largest answer that is read: one million tasks are about this much.
const MAX_ANSWER: usize = 1024 * 1024 * 1024;

/// Upstream's `BYPASS_LEADER_REDIRECT_HEADER_NAME`; names of headers know no case.
const BYPASS_LEADER_REDIRECT: HeaderName = HeaderName::from_static("bypass-leader-redirect");

/// The pause between tries grows from here …
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// … to upstream's fixed one.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Whether a call may be sent again when it is not known what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Reads, and writes that do no harm twice.
    Safe,
    /// Everything else.
    Never,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The scheduler does not let us in (HTTP 401 or 403).
    #[error("{refusal}\n{help}")]
    Auth {
        /// What it said.
        refusal: HttpError,
        /// What to do about it.
        help: String,
    },
    /// The connection failed in a call that must not be made twice.
    #[error(
        "Transport error communicating with scheduler during non-idempotent operation: {0}, not retrying"
    )]
    NotRetriable(HttpError),
    /// All tries failed.
    #[error("Timed out attempting to issue {method} to {cluster}: {last}")]
    TimedOut {
        /// The method.
        method: &'static str,
        /// The cluster.
        cluster: String,
        /// What became of the last try.
        last: String,
    },
    /// The answer cannot be read.
    #[error("the scheduler's answer to {method} is not understood: {fault}")]
    Decode {
        /// The method.
        method: &'static str,
        /// What is wrong.
        fault: DecodeError,
    },
    /// The request or the answer does not work at all (no URL, no HTTP client, an answer beyond all bounds).
    #[error(transparent)]
    Http(HttpError),
    /// The scheduler carried the call out with another code than OK ([`Scheduler::ask`] only).
    #[error("{method}: {code}: {messages}")]
    Answer {
        /// The method.
        method: &'static str,
        /// The code.
        code: ResponseCode,
        /// Its messages, comma-joined.
        messages: String,
    },
    /// An OK answer without its result ([`Scheduler::ask`] only).
    #[error("the scheduler's answer to {method} lacks its {member}")]
    MissingResult {
        /// The method.
        method: &'static str,
        /// The member that should be there.
        member: &'static str,
    },
}

/// The messages of an answer, comma-joined (aurora: `combine_messages`).
pub fn combine_messages(response: &Response) -> String {
    let texts: Vec<&str> = response
        .details
        .iter()
        .map(|detail| match detail.message.as_deref() {
            None | Some("") => "Unknown error",
            Some(text) => text,
        })
        .collect();
    texts.join(", ")
}

/// One scheduler. Clones share connections.
#[derive(Clone, Debug)]
pub struct Scheduler {
    cluster: String,
    place: Place,
    auth_help: String,
    patience: Duration,
    bypass_leader_redirect: bool,
}

impl Scheduler {
    /// The scheduler of a cluster; nothing is sent yet.
    pub fn new(target: &Target, user_agent: &str) -> Scheduler {
        Scheduler {
            cluster: target.cluster.clone(),
            place: Place::of(target, user_agent),
            auth_help: target.auth_help.clone(),
            patience: target.patience,
            bypass_leader_redirect: false,
        }
    }

    /// Asks a scheduler that does not lead to answer itself, instead of naming the leader.
    pub fn bypassing_leader_redirect(self) -> Scheduler {
        Scheduler {
            bypass_leader_redirect: true,
            ..self
        }
    }

    /// The scheduler's own address. It changes when another one leads and this one does not answer any more.
    pub fn url(&self) -> Url {
        self.place.now().base
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The page of a role, an environment or a job: the parts after `/scheduler`.
    pub fn page(&self, parts: &[&str]) -> String {
        let display = self.place.now().display;
        let mut page = match display.join("scheduler") {
            Ok(url) => url.to_string(),
            Err(_) => format!("{display}/scheduler"),
        };
        for part in parts {
            page.push('/');
            page.push_str(part);
        }
        page
    }

    /// Makes a call and gives back the whole answer, whatever its code (but `ERROR_TRANSIENT` is tried again).
    pub async fn call(&self, call: impl Into<Call>, retry: Retry) -> Result<Response, CallError> {
        self.call_into(call.into(), retry, &mut Whole::default())
            .await
    }

    /// Makes a call whose answer goes where it is said, from its beginning with every try.
    async fn call_into(
        &self,
        call: Call,
        retry: Retry,
        intake: &mut dyn Intake,
    ) -> Result<Response, CallError> {
        let method = call.method();
        let body = Bytes::from(message::encode_call(Protocol::Binary, 0, &call));
        let give_up = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            // Whether the call may have gone through, and what happened.
            let (lost, failure) = match self.exchange(body.clone(), intake).await {
                Ok(answer) => {
                    let response = answer.map_err(|fault| CallError::Decode { method, fault })?;
                    if response.response_code != ResponseCode::ErrorTransient {
                        return Ok(response);
                    }
                    (false, combine_messages(&response))
                }
                Err(refusal @ HttpError::Refused { .. }) => {
                    return Err(CallError::Auth {
                        refusal,
                        help: self.auth_help.clone(),
                    });
                }
                // Nobody answered the connection in time: the call did not go through.
                Err(
                    error @ HttpError::Connect {
                        timed_out: true, ..
                    },
                ) => (false, error.to_string()),
                Err(
                    error @ (HttpError::Connect { .. }
                    | HttpError::Transport { .. }
                    | HttpError::Status { .. }),
                ) => match retry {
                    Retry::Safe => (true, error.to_string()),
                    Retry::Never => return Err(CallError::NotRetriable(error)),
                },
                Err(
                    error @ (HttpError::Untrusted { .. }
                    | HttpError::TooLarge { .. }
                    | HttpError::Malformed { .. }
                    | HttpError::Setup(_)),
                ) => return Err(CallError::Http(error)),
            };
            if Instant::now() + pause >= give_up {
                return Err(CallError::TimedOut {
                    method,
                    cluster: self.cluster.clone(),
                    last: failure,
                });
            }
            match lost {
                true => tracing::warn!(
                    "Transport error communicating with scheduler: {failure}, retrying..."
                ),
                false => {
                    tracing::warn!("Connection error with scheduler: {failure}, reconnecting...");
                }
            }
            tokio::time::sleep(pause).await;
            self.place.look_again().await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Makes a call and gives back its typed result; an answer that is not OK is an error.
    pub async fn ask<T: FromResult>(
        &self,
        call: impl Into<Call>,
        retry: Retry,
    ) -> Result<T, CallError> {
        let call = call.into();
        let method = call.method();
        let response = fine(method, self.call(call, retry).await?)?;
        take(method, response)
    }

    /// Makes a call whose result is one collection of structs, and takes these in one by one as they come: the answer is
    /// never held whole. What was taken in of a try that failed is dropped.
    pub async fn ask_each<T: Wire, S: Default + Send>(
        &self,
        call: impl Into<Call>,
        retry: Retry,
        fold: impl Fn(&mut S, T) + Send,
    ) -> Result<S, CallError> {
        let call = call.into();
        let method = call.method();
        let mut each = Each {
            elements: Elements::default(),
            taken: S::default(),
            fold,
            of: PhantomData,
        };
        fine(method, self.call_into(call, retry, &mut each).await?)?;
        Ok(each.taken)
    }

    /// Why a task is as it is (`GET /ext/v1/explain/TASK`), in JSON; `None` for a task that the scheduler does not know.
    ///
    /// # Errors
    /// Of the exchange; Apache Aurora has no such route and answers as for an unknown task.
    pub async fn explain(&self, task_id: &str) -> Result<Option<serde_json::Value>, HttpError> {
        self.get(&["ext", "v1", "explain", task_id], &[]).await
    }

    pub(crate) fn http(&self) -> Http {
        self.place.now().http
    }

    async fn exchange(
        &self,
        body: Bytes,
        intake: &mut dyn Intake,
    ) -> Result<Result<Response, DecodeError>, HttpError> {
        let Address { base, http, .. } = self.place.now();
        let url = base.join("api").map_err(|error| HttpError::Malformed {
            url: base.to_string(),
            why: error.to_string(),
        })?;
        let binary = HeaderValue::from_static("application/vnd.apache.thrift.binary");
        let mut headers = vec![(ACCEPT, binary.clone()), (CONTENT_TYPE, binary)];
        if self.bypass_leader_redirect {
            headers.push((BYPASS_LEADER_REDIRECT, HeaderValue::from_static("true")));
        }
        let request = Outgoing {
            method: Method::POST,
            url,
            headers,
            body,
        };
        let response = http.send(request).await?;
        intake.begin();
        // What is wrong with it is told when all of it was read, as the connection goes on.
        let mut fault = None;
        let mut take = |bytes: &[u8]| {
            if fault.is_none() {
                fault = intake.take(bytes).err();
            }
        };
        read_by(response, MAX_ANSWER, &mut take).await?;
        Ok(match fault {
            Some(fault) => Err(fault),
            None => intake.end(),
        })
    }
}

/// Where an answer goes.
trait Intake: Send {
    /// One begins.
    fn begin(&mut self);
    /// It goes on.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;
    /// It is complete.
    fn end(&mut self) -> Result<Response, DecodeError>;
}

/// It is read at its end.
#[derive(Default)]
struct Whole(Vec<u8>);

impl Intake for Whole {
    fn begin(&mut self) {
        self.0.clear();
    }
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    fn end(&mut self) -> Result<Response, DecodeError> {
        message::decode_reply(Protocol::Binary, &std::mem::take(&mut self.0))
    }
}

/// Its elements are taken in one by one.
struct Each<T, S, F> {
    elements: Elements,
    taken: S,
    fold: F,
    of: PhantomData<fn(T)>,
}

impl<T: Wire, S: Default + Send, F: Fn(&mut S, T) + Send> Intake for Each<T, S, F> {
    fn begin(&mut self) {
        (self.elements, self.taken) = Default::default();
    }
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let (taken, fold) = (&mut self.taken, &self.fold);
        self.elements.take(bytes, |element| fold(taken, element))
    }
    fn end(&mut self) -> Result<Response, DecodeError> {
        std::mem::take(&mut self.elements).end()
    }
}

/// An answer that is OK.
fn fine(method: &'static str, response: Response) -> Result<Response, CallError> {
    if response.response_code != ResponseCode::Ok {
        return Err(CallError::Answer {
            method,
            code: response.response_code,
            messages: combine_messages(&response),
        });
    }
    Ok(response)
}

/// The typed result of an OK answer to `method`.
///
/// # Errors
/// [`CallError::MissingResult`] when it is not there.
pub fn take<T: FromResult>(method: &'static str, response: Response) -> Result<T, CallError> {
    response
        .result
        .and_then(T::from_result)
        .ok_or(CallError::MissingResult {
            method,
            member: T::MEMBER,
        })
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;

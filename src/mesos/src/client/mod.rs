//! Clients for the scheduler, executor and operator APIs, on hyper's HTTP/1 client.
//!
//! They work on any tokio runtime, a current-thread one included, and put a time-out on everything.
//!
//! * [`SchedulerClient`](scheduler::SchedulerClient): keeps a subscription alive, gives a stream of events
//!   and sends calls.
//! * [`ExecutorClient`](executor::ExecutorClient): the same for executors, including what an executor owes
//!   its agent after a reconnection.
//! * [`OperatorClient`](operator::OperatorClient): questions and orders to a master or an agent.
//!
//! A scheduler in short:
//!
//! ```no_run
//! # use aurora_mesos::client::scheduler::{SchedulerClient, SchedulerConfig, SchedulerEvent, masters};
//! # use aurora_mesos::v1::{FrameworkInfo, scheduler::Call};
//! # async fn example(info: FrameworkInfo) {
//! let config = SchedulerConfig::new(masters(["127.0.0.1:5050"]), info);
//! let (client, mut events) = SchedulerClient::start(config);
//! while let Some(event) = events.recv().await {
//!     match event {
//!         SchedulerEvent::Connected(connected) => { /* store connected.framework_id, then reconcile */ }
//!         SchedulerEvent::Offers(offers) => {
//!             let ids = offers.into_iter().map(|offer| offer.id).collect();
//!             if let Err(error) = client.call(Call::decline(ids, 5.0)).await { /* see CallError */ }
//!         }
//!         SchedulerEvent::Update(status) => {
//!             if let Some(call) = Call::acknowledge(&status) { let _outcome = client.call(call).await; }
//!         }
//!         _ => {}
//!     }
//! }
//! # }
//! ```

mod backoff;
pub mod executor;
mod http;
pub mod operator;
pub mod scheduler;

use std::time::Duration;

use crate::message::DecodeError;
use crate::recordio::RecordError;

pub use self::http::Secret;

/// Why a conversation with a master or an agent failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// `host:port`.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Nothing came in time.
    #[error("{what} from {address} did not come within {limit:?}")]
    Timeout {
        /// `host:port`.
        address: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("the connection to {address} failed")]
    Http {
        /// `host:port`.
        address: String,
        /// What hyper said.
        #[source]
        source: hyper::Error,
    },
    /// The connection had been closed; nothing was sent.
    #[error("the connection to {address} had been closed")]
    NotSent {
        /// `host:port`.
        address: String,
        /// What hyper said.
        #[source]
        source: hyper::Error,
    },
    /// A header or path that cannot be sent.
    #[error("the request cannot be made")]
    Request(#[source] ::http::Error),
    /// An answer that says no.
    #[error("{address} answered {status}: {text}")]
    Status {
        /// `host:port`.
        address: String,
        /// The status code.
        status: u16,
        /// The body, one line.
        text: String,
    },
    /// An answer longer than allowed.
    #[error("the answer of {address} exceeds {limit} bytes")]
    TooLong {
        /// `host:port`.
        address: String,
        /// The limit.
        limit: usize,
    },
    /// A stream that is not RecordIO.
    #[error("the event stream of {address} is broken")]
    Stream {
        /// `host:port`.
        address: String,
        /// What was wrong.
        #[source]
        source: RecordError,
    },
    /// A body that is not the message expected.
    #[error("{address} sent something that is not {expected}")]
    Decode {
        /// `host:port`.
        address: String,
        /// What was expected.
        expected: &'static str,
        /// What was wrong.
        #[source]
        source: DecodeError,
    },
    /// A stream that was closed from the other side.
    #[error("{address} closed the event stream")]
    Closed {
        /// `host:port`.
        address: String,
    },
    /// 307 after 307.
    #[error("{address} redirected too often")]
    Redirects {
        /// The last `host:port`.
        address: String,
    },
}

/// The error and its sources in one line, for logs and reasons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

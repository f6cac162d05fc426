//! The operator's client: one question at a time, each on a connection of its own.

use std::time::Duration;

use super::ClientError;
use super::http::{Connection, Secret, expect_success, headers, read_body};
use crate::message::{self, Message};
use crate::v1::{agent, master};

const PATH: &str = "/api/v1";
/// State answers of large clusters.
const MAX_ANSWER: usize = 512 << 20;

/// Talks to one master or agent.
#[derive(Debug, Clone)]
pub struct OperatorClient {
    address: String,
    secret: Option<Secret>,
    timeout: Duration,
}

impl OperatorClient {
    /// A client for `host:port`; `timeout` is for connecting, for the answer and for its body, each.
    pub fn new(address: impl Into<String>, secret: Option<Secret>, timeout: Duration) -> Self {
        Self {
            address: address.into(),
            secret,
            timeout,
        }
    }

    /// Asks a master. Calls without an answer give an empty response.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal is [`ClientError::Status`].
    pub async fn master(&self, call: &master::Call) -> Result<master::Response, ClientError> {
        self.ask(message::to_vec(call), "a master's answer").await
    }

    /// Asks an agent. Calls without an answer give an empty response.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal is [`ClientError::Status`].
    pub async fn agent(&self, call: &agent::Call) -> Result<agent::Response, ClientError> {
        self.ask(message::to_vec(call), "an agent's answer").await
    }

    async fn ask<T: Message>(
        &self,
        body: Vec<u8>,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        let mut connection = Connection::open(&self.address, self.timeout).await?;
        let response = connection
            .post(PATH, headers(self.secret.as_ref()), body, self.timeout)
            .await?;
        let response = expect_success(&self.address, response, self.timeout).await?;
        let body = read_body(
            &self.address,
            response.into_body(),
            MAX_ANSWER,
            self.timeout,
        )
        .await?;
        if body.is_empty() {
            return Ok(T::default());
        }
        message::from_slice(&body).map_err(|source| ClientError::Decode {
            address: self.address.clone(),
            expected,
            source,
        })
    }
}

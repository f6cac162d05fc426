//! What a scheduler tells beside Thrift: JSON under its HTTP port. Apache Aurora has little of it.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::{HttpError, Outgoing, read_all};
use crate::scheduler::Scheduler;

/// Bytes of an answer that are taken.
const MAX_ANSWER: usize = 16 << 20;

impl Scheduler {
    /// Reads a JSON answer, such as that of `/vars.json` (`["vars.json"]`); `None` where there is nothing at this address.
    ///
    /// # Errors
    /// Of the exchange, or when the answer is not of this shape.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>, HttpError> {
        let mut url = self.address(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.exchange_json(Outgoing::get(url)).await
    }

    /// Sends JSON and reads the JSON answer; `None` where there is nothing at this address.
    ///
    /// # Errors
    /// As of [`Scheduler::get`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Option<T>, HttpError> {
        let url = self.address(path)?;
        let body = serde_json::to_vec(body).map_err(|error| HttpError::Malformed {
            url: url.to_string(),
            why: error.to_string(),
        })?;
        let json = HeaderValue::from_static("application/json");
        self.exchange_json(Outgoing {
            method: Method::POST,
            url,
            headers: vec![(CONTENT_TYPE, json)],
            body: Bytes::from(body),
        })
        .await
    }

    fn address(&self, path: &[&str]) -> Result<Url, HttpError> {
        let mut url = self.url();
        url.path_segments_mut()
            .map_err(|()| HttpError::Malformed {
                url: self.url().to_string(),
                why: "it cannot have a path".to_owned(),
            })?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    async fn exchange_json<T: DeserializeOwned>(
        &self,
        request: Outgoing,
    ) -> Result<Option<T>, HttpError> {
        let url = request.url.to_string();
        let response = match self.http().send(request).await {
            Err(HttpError::Status { status: 404, .. }) => return Ok(None),
            other => other?,
        };
        let body = read_all(response, MAX_ANSWER).await?;
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| HttpError::Malformed {
                url,
                why: error.to_string(),
            })
    }
}

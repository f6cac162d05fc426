//! A POST for each transition of a task (aurora: `Webhook.java`, `WebhookInfo.java`). Sent and forgotten: it never holds up
//! anything, and is not repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aurora_api::model::ScheduleStatus;
use aurora_api::simple;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::coordinator::connector;
use crate::core::store::Task;
use crate::metrics::Metrics;

/// Transitions that wait to be sent; beyond them transitions are dropped and counted as errors.
const QUEUE: usize = 10_000;
/// Requests under way at a time.
const AT_A_TIME: usize = 16;

/// The file of `-webhook_config`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    headers: BTreeMap<String, String>,
    #[serde(rename = "targetURL")]
    target_url: String,
    timeout_msec: u64,
    #[serde(default)]
    statuses: Option<Vec<String>>,
}

/// What the file says, checked.
#[derive(Clone, Debug)]
pub(crate) struct WebhookConfig {
    headers: HeaderMap,
    target: reqwest::Url,
    limit: Duration,
    /// `None` for all.
    statuses: Option<BTreeSet<ScheduleStatus>>,
}

impl WebhookConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn load(path: &Path) -> anyhow::Result<WebhookConfig> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read --webhook-config {}", path.display()))?;
        WebhookConfig::parse(&text)
            .with_context(|| format!("in --webhook-config {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<WebhookConfig> {
        let file: File = serde_json::from_str(text)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &file.headers {
            let context = || format!("`{name}` is not a header that can be sent");
            let value = HeaderValue::from_str(value).with_context(context)?;
            headers.insert(HeaderName::try_from(name).with_context(context)?, value);
        }
        let target = reqwest::Url::parse(&file.target_url)
            .with_context(|| format!("targetURL `{}` is not an address", file.target_url))?;
        let statuses = match file.statuses {
            Some(names) if !names.iter().any(|name| name == "*") => {
                let known = names.iter().map(|name| {
                    ScheduleStatus::from_name(name)
                        .with_context(|| format!("`{name}` is not a state of tasks"))
                });
                Some(known.collect::<anyhow::Result<BTreeSet<_>>>()?)
            }
            _ => None,
        };
        Ok(WebhookConfig {
            headers,
            target,
            limit: Duration::from_millis(file.timeout_msec),
            statuses,
        })
    }
}

/// What is counted, from zero.
const COUNTERS: [&str; 4] = [
    "webhooks_attempts",
    "webhooks_errors",
    "webhooks_success",
    "webhooks_user_errors",
];

/// Takes transitions; the sending is done elsewhere.
pub(crate) struct Webhook {
    statuses: Option<BTreeSet<ScheduleStatus>>,
    queue: mpsc::Sender<String>,
    metrics: Arc<Metrics>,
}

impl Webhook {
    /// Starts sending, until this is dropped.
    pub(crate) fn start(config: WebhookConfig, metrics: Arc<Metrics>) -> anyhow::Result<Webhook> {
        let client = connector().map_err(anyhow::Error::msg)?;
        for name in COUNTERS {
            metrics.add(name, 0);
        }
        let (queue, waiting) = mpsc::channel(QUEUE);
        let statuses = config.statuses.clone();
        tokio::spawn(send_all(config, client, waiting, metrics.clone()));
        Ok(Webhook {
            statuses,
            queue,
            metrics,
        })
    }

    /// Tells that a task went from one state to another.
    pub(crate) fn tell(&self, task: &Task, old: ScheduleStatus, new: ScheduleStatus) {
        let wanted = self.statuses.as_ref();
        if wanted.is_some_and(|wanted| !wanted.contains(&new)) {
            return;
        }
        let mut told = simple::to_json(&task.to_thrift());
        // It may have gone on since; the message is about this transition.
        told["status"] = json!(new);
        name_unions(&mut told);
        let body = json!({"task": told, "oldState": {"value": old}});
        if self.queue.try_send(body.to_string()).is_err() {
            self.metrics.add("webhooks_errors", 1);
        }
    }
}

async fn send_all(
    config: WebhookConfig,
    client: reqwest::Client,
    mut waiting: mpsc::Receiver<String>,
    metrics: Arc<Metrics>,
) {
    let mut sending = JoinSet::new();
    while let Some(body) = waiting.recv().await {
        if sending.len() >= AT_A_TIME {
            // How it went has been counted.
            let _ = sending.join_next().await;
        }
        while sending.try_join_next().is_some() {}
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let request = client
            .post(config.target.clone())
            .headers(config.headers.clone())
            .header("Timestamp", now.as_millis().to_string())
            .timeout(config.limit)
            .body(body);
        let metrics = metrics.clone();
        metrics.add("webhooks_attempts", 1);
        sending.spawn(async move {
            let counter = match request.send().await {
                Ok(answer) if answer.status().as_u16() == 200 => "webhooks_success",
                Ok(_) => "webhooks_user_errors",
                Err(error) => {
                    tracing::debug!(%error, "a webhook could not be called");
                    "webhooks_errors"
                }
            };
            metrics.add(counter, 1);
        });
    }
}

/// Fields that hold unions; upstream's receivers know them as `{"setField": "NUM_CPUS", "value": …}`.
const UNIONS: [&str; 5] = ["resources", "constraint", "container", "image", "slaPolicy"];

fn name_unions(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(name_unions),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                name_unions(value);
                if !UNIONS.contains(&name.as_str()) {
                    continue;
                }
                match value {
                    Value::Array(items) => items.iter_mut().for_each(name_union),
                    value => name_union(value),
                }
            }
        }
        _ => {}
    }
}

fn name_union(value: &mut Value) {
    let Value::Object(fields) = value else {
        return;
    };
    // Docker's container has an image that is a text, and is a struct inside of the union.
    if fields.len() != 1 {
        return;
    }
    if let Some((name, inner)) = std::mem::take(fields).into_iter().next() {
        *fields = Map::from_iter([
            ("setField".to_owned(), Value::String(constant(&name))),
            ("value".to_owned(), inner),
        ]);
    }
}

/// `numCpus` as `NUM_CPUS`.
fn constant(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_file_are_named() {
        for (text, expected) in [
            (r#"{"targetURL": "http://h/", "timeoutMsec": 5}"#, "headers"),
            (
                r#"{"headers": {}, "targetURL": "h", "timeoutMsec": 5}"#,
                "targetURL `h`",
            ),
            (
                r#"{"headers": {"a b": "c"}, "targetURL": "http://h/", "timeoutMsec": 5}"#,
                "`a b` is not a header",
            ),
            (
                r#"{"headers": {}, "targetURL": "http://h/", "timeoutMsec": 5, "statuses": ["UP"]}"#,
                "`UP` is not a state",
            ),
        ] {
            let error = format!("{:#}", WebhookConfig::parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        let all = r#"{"headers": {}, "targetURL": "http://h/", "timeoutMsec": 5, "statuses": ["LOST", "*"]}"#;
        assert_eq!(WebhookConfig::parse(all).unwrap().statuses, None);
    }

    #[test]
    fn unions_have_upstreams_form() {
        let mut value = json!({"task": {
            "resources": [{"numCpus": 0.5}, {"namedPort": "http"}],
            "constraints": [{"name": "host", "constraint": {"limit": {"limit": 1}}}],
            "container": {"mesos": {"image": {"docker": {"name": "a", "tag": "b"}}, "volumes": []}},
            "metadata": [],
        }});
        name_unions(&mut value);
        let expected = json!({"task": {
            "resources": [
                {"setField": "NUM_CPUS", "value": 0.5},
                {"setField": "NAMED_PORT", "value": "http"},
            ],
            "constraints": [
                {"name": "host", "constraint": {"setField": "LIMIT", "value": {"limit": 1}}},
            ],
            "container": {"setField": "MESOS", "value": {
                "image": {"setField": "DOCKER", "value": {"name": "a", "tag": "b"}},
                "volumes": [],
            }},
            "metadata": [],
        }});
        assert_eq!(value, expected);
    }
}

//! `aurora update info`.

use aurora_api::model::{JobUpdateDetails, JobUpdateKey};
use serde_json::{Map, Value, json};

use super::active_update;
use super::wait::details;
use crate::context::{Context, Outcome, print_json, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;
use crate::times;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let missing = |what: String| CommandError::new(ExitCode::InvalidParameter, what);
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    let update = match context.options.optional(1) {
        Some(id) => JobUpdateKey {
            job: key.job.clone(),
            id: id.to_owned(),
        },
        None => active_update(context, &key)
            .await?
            .ok_or_else(|| missing("There is no active update for this job.".to_owned()))?,
    };
    let details = details(context, &key.cluster, &update)
        .await?
        .ok_or_else(|| missing(format!("There is no update for key: {key} {}", update.id)))?;
    if context.options.flag("write-json") {
        return print_json(&render_json(&key, &details));
    }
    print_out(&render_text(&key, &details))
}

fn render_json(key: &FullKey, details: &JobUpdateDetails) -> Value {
    let summary = &details.update.summary;
    let state = summary.state.clone().unwrap_or_default();
    let update_events = details.update_events.iter().map(|event| {
        let mut shown = json!({"status": event.status.name(), "timestampMs": event.timestamp_ms});
        if let Some(message) = said(event.message.as_ref()) {
            shown["message"] = json!(message);
        }
        shown
    });
    let instance_events = details.instance_events.iter().map(|event| {
        json!({
            "instance": event.instance_id,
            "timestamp": event.timestamp_ms,
            "action": event.action.name(),
        })
    });
    let metadata = summary.metadata.iter().map(|entry| {
        let pair = Map::from_iter([(entry.key.clone(), json!(entry.value))]);
        Value::Object(pair)
    });
    json!({
        "updateId": summary.key.id,
        "job": key.to_string(),
        "started": state.created_timestamp_ms,
        "last_modified": times::utc(state.last_modified_timestamp_ms),
        "status": state.status.name(),
        "update_events": update_events.collect::<Vec<_>>(),
        "instance_update_events": instance_events.collect::<Vec<_>>(),
        "metadata": metadata.collect::<Vec<_>>(),
    })
}

fn render_text(key: &FullKey, details: &JobUpdateDetails) -> String {
    let summary = &details.update.summary;
    let state = summary.state.clone().unwrap_or_default();
    let mut lines = vec![
        format!("Job: {key}, UpdateID: {}", summary.key.id),
        format!(
            "Started {}, last activity: {}",
            times::utc(state.created_timestamp_ms),
            times::utc(state.last_modified_timestamp_ms)
        ),
        format!("Current status: {}", state.status),
    ];
    if !details.update_events.is_empty() {
        lines.push("Update events:".to_owned());
    }
    for event in &details.update_events {
        let at = times::utc(event.timestamp_ms);
        lines.push(format!("  Status: {} at {at}", event.status));
        if let Some(message) = said(event.message.as_ref()) {
            lines.push(format!("      message: {message}"));
        }
    }
    if !details.instance_events.is_empty() {
        lines.push("Instance events:".to_owned());
    }
    for event in &details.instance_events {
        let at = times::utc(event.timestamp_ms);
        lines.push(format!(
            "  Instance {} at {at}: {}",
            event.instance_id, event.action
        ));
    }
    lines.push("Metadata:".to_owned());
    for entry in &summary.metadata {
        lines.push(format!("  {}: {}", entry.key, entry.value));
    }
    lines.join("\n")
}

/// A message, unless it is empty.
fn said(message: Option<&String>) -> Option<&String> {
    message.filter(|message| !message.is_empty())
}

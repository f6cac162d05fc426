//! `aurora update list`.

use aurora_api::model::{JobUpdateQuery, JobUpdateSummary};
use serde_json::{Value, json};

use super::{statuses, summaries};
use crate::context::{Context, Outcome, print_json, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;
use crate::times;

/// `CLUSTER[/ROLE[/ENV[/JOB]]]`.
struct Filter {
    cluster: String,
    role: Option<String>,
    environment: Option<String>,
    job: Option<String>,
}

impl Filter {
    fn parse(text: &str) -> Result<Filter, String> {
        if text.is_empty() {
            return Err("Update filter must be non-empty".to_owned());
        }
        let mut parts = text.split('/').map(str::to_owned);
        let filter = Filter {
            cluster: parts.next().unwrap_or_default(),
            role: parts.next(),
            environment: parts.next(),
            job: parts.next(),
        };
        match parts.next() {
            None => Ok(filter),
            Some(_) => {
                Err("Update filter must be a path of the form CLUSTER/ROLE/ENV/JOB.".to_owned())
            }
        }
    }
}

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let filter = context.positional(0, "CLUSTER[/ROLE[/ENV[/JOB]]]", Filter::parse)?;
    let groups: Vec<&str> = context
        .options
        .all("status")
        .iter()
        .map(String::as_str)
        .collect();
    let mut query = JobUpdateQuery {
        user: context.options.text("user").map(str::to_owned),
        update_statuses: (!groups.is_empty()).then(|| statuses(&groups)),
        ..JobUpdateQuery::default()
    };
    match (&filter.role, &filter.environment, &filter.job) {
        (Some(role), Some(environment), Some(job)) => {
            let key = FullKey::new(&filter.cluster, role, environment, job)
                .map_err(|what| CommandError::new(ExitCode::InvalidParameter, what))?;
            query.job_key = Some(key.job);
        }
        (role, ..) => query.role.clone_from(role),
    }
    let mut found = summaries(context, &filter.cluster, query).await?;
    // The scheduler cannot be asked for an environment.
    if let Some(environment) = &filter.environment {
        found.retain(|summary| summary.key.job.environment == *environment);
    }
    if context.options.flag("write-json") {
        let rows: Vec<Value> = found
            .iter()
            .map(|summary| render_json(&filter.cluster, summary))
            .collect();
        return print_json(&rows);
    }
    if !found.is_empty() {
        print_out(&row([
            "JOB",
            "UPDATE ID",
            "STATUS",
            "CREATED BY",
            "STARTED",
            "LAST MODIFIED",
        ]))?;
    }
    for summary in &found {
        print_out(&render_text(&filter.cluster, summary))?;
    }
    Ok(())
}

fn row(columns: [&str; 6]) -> String {
    let [job, id, status, user, started, modified] = columns;
    format!("{job:47} {id:36} {status:15} {user:11} {started:19} {modified:19}")
}

fn render_text(cluster: &str, summary: &JobUpdateSummary) -> String {
    let state = summary.state.clone().unwrap_or_default();
    row([
        &format!("{cluster}/{}", summary.key.job),
        &summary.key.id,
        state.status.name(),
        summary.user.as_deref().unwrap_or("None"),
        &times::utc(state.created_timestamp_ms),
        &times::utc(state.last_modified_timestamp_ms),
    ])
}

fn render_json(cluster: &str, summary: &JobUpdateSummary) -> Value {
    let state = summary.state.clone().unwrap_or_default();
    json!({
        "job": format!("{cluster}/{}", summary.key.job),
        "id": summary.key.id,
        "user": summary.user,
        "started": times::utc(state.created_timestamp_ms),
        "last_modified": times::utc(state.last_modified_timestamp_ms),
        "status": state.status.name(),
    })
}

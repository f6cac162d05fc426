//! `aurora_admin host_activate`, `host_deactivate` and `host_status`, and what all host commands share
//! (aurora: `admin/maintenance.py`, `admin/host_maintenance.py`, `admin/admin_util.py`).

use std::collections::BTreeSet;
use std::io::Read;

use aurora_api::model::{
    EndMaintenanceResult, HostStatus, Hosts, MaintenanceMode, MaintenanceStatusResult,
    StartMaintenanceResult,
};
use aurora_api::service::arguments::{EndMaintenance, MaintenanceStatus, StartMaintenance};
use aurora_client::scheduler::Retry;

use super::{ask, fatal};
use crate::context::{Context, Outcome};
use crate::durations::Span;

pub(super) async fn activate(context: &Context<'_>) -> Outcome {
    let hosts = required(context)?;
    tracing::info!("Ending maintenance for: {}", shown(&hosts));
    let end = EndMaintenance {
        hosts: thrift(&hosts),
    };
    let _: EndMaintenanceResult = ask(context, end, Retry::Never).await?;
    for (host, mode) in modes(context, &hosts).await? {
        if mode != MaintenanceMode::None {
            tracing::warn!("{host} is DRAINING or in DRAINED");
        }
    }
    Ok(())
}

pub(super) async fn deactivate(context: &Context<'_>) -> Outcome {
    start_maintenance(context, &required(context)?)
        .await
        .map(|_| ())
}

pub(super) async fn status(context: &Context<'_>) -> Outcome {
    for (host, mode) in modes(context, &required(context)?).await? {
        tracing::info!("{host} is in state: {mode}");
    }
    Ok(())
}

/// Puts hosts into maintenance; those that the scheduler knows.
pub(super) async fn start_maintenance(
    context: &Context<'_>,
    hosts: &[String],
) -> Outcome<Vec<String>> {
    tracing::info!("Starting maintenance for: {}", shown(hosts));
    let start = StartMaintenance {
        hosts: thrift(hosts),
    };
    let started: StartMaintenanceResult = ask(context, start, Retry::Never).await?;
    let known: Vec<String> = started
        .statuses
        .into_iter()
        .map(|status| status.host)
        .collect();
    let unknown: Vec<String> = hosts
        .iter()
        .filter(|host| !known.contains(host))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        tracing::warn!(
            "Skipping maintenance for unknown hosts: {}",
            shown(&unknown)
        );
    }
    Ok(known)
}

/// The modes of hosts, as far as the scheduler knows them.
pub(super) async fn modes(
    context: &Context<'_>,
    hosts: &[String],
) -> Outcome<Vec<(String, MaintenanceMode)>> {
    tracing::info!("Maintenance status for: {}", shown(hosts));
    let question = MaintenanceStatus {
        hosts: thrift(hosts),
    };
    let found: MaintenanceStatusResult = ask(context, question, Retry::Safe).await?;
    let mode = |status: HostStatus| (status.host, status.mode.unwrap_or(MaintenanceMode::None));
    Ok(found.statuses.into_iter().map(mode).collect())
}

pub(super) fn thrift(hosts: &[String]) -> Option<Hosts> {
    Some(Hosts {
        host_names: hosts.iter().cloned().collect(),
    })
}

/// Hosts in a line of the log.
pub(super) fn shown<'a>(hosts: impl IntoIterator<Item = &'a String>) -> String {
    let hosts: Vec<&str> = hosts.into_iter().map(String::as_str).collect();
    hosts.join(", ")
}

/// The hosts that `--filename` or `--hosts` names.
pub(super) fn required(context: &Context<'_>) -> Outcome<Vec<String>> {
    let options = context.options;
    if options.given("filename").is_some() == options.given("hosts").is_some() {
        return Err(fatal("Please specify either --filename or --hosts"));
    }
    Ok(optional(context, "filename", "hosts")?.unwrap_or_default())
}

/// The hosts that a file or a list names, each once; `None` when neither is given.
pub(super) fn optional(
    context: &Context<'_>,
    file: &str,
    list: &str,
) -> Outcome<Option<Vec<String>>> {
    let options = context.options;
    let found = match (options.given(file), options.given(list)) {
        (Some(_), Some(_)) => {
            return Err(fatal(
                "Cannot specify both filename and list for the same option.",
            ));
        }
        (Some(path), None) => names(read(path)?.lines(), path)?,
        (None, Some(text)) => names(text.split(','), &format!("--{list}"))?,
        (None, None) => return Ok(None),
    };
    Ok(Some(found))
}

/// Host names, of which there must be one at least.
fn names<'a>(parts: impl Iterator<Item = &'a str>, place: &str) -> Outcome<Vec<String>> {
    let names: BTreeSet<&str> = parts
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Err(fatal(format!("No valid hosts found in {place}.")));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// A file that the user names: a line for each of a fleet's hosts or jobs, which is no more than this.
pub(super) fn read(path: &str) -> Outcome<String> {
    const MAX: u64 = 64 * 1024 * 1024;
    let unreadable = |why: String| fatal(format!("Cannot read {path}: {why}"));
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(MAX + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > MAX {
        return Err(unreadable(format!("it is larger than {MAX} bytes")));
    }
    Ok(text)
}

/// A percentage in (0, 100].
pub(super) fn parse_percentage(text: &str) -> Outcome<f64> {
    let value = text.trim().parse().ok();
    value
        .filter(|value| *value > 0.0 && *value <= 100.0)
        .ok_or_else(|| {
            fatal(format!(
                "Invalid percentage {text}. Must be within (0, 100]."
            ))
        })
}

pub(super) fn parse_duration(text: &str) -> Outcome<Span> {
    Span::parse(text).map_err(fatal)
}

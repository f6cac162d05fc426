//! `aurora_admin host_drain` and `sla_host_drain`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aurora_api::model::{DrainHostsResult, MaintenanceMode, PercentageSlaPolicy, SlaPolicy};
use aurora_api::service::arguments::{DrainHosts, SlaDrainHosts};
use aurora_client::scheduler::Retry;

use super::hosts::{
    modes, parse_duration, parse_percentage, required, shown, start_maintenance, thrift,
};
use super::sla::{grouping, rows, unsafe_hosts};
use super::{ask, fatal, scheduler};
use crate::context::{Context, Outcome, print_out};
use crate::pace::Pace;
use crate::progress::Progress;
use crate::sla::domain::{Domain, Grouping, Limit};

/// Jobs with fewer instances are drained without a look at their SLA.
const MIN_INSTANCES: usize = 20;

const DEFAULT: Limit = Limit {
    percentage: 95.0,
    duration: 30 * 60,
};

pub(super) async fn host_drain(context: &Context<'_>) -> Outcome {
    let hosts = required(context)?;
    let grouping = grouping(context)?;
    let limit = limit(context, &hosts)?;
    let script = script(context)?;
    let known = start_maintenance(context, &hosts).await?;
    let mut left = BTreeSet::new();
    for group in grouping.group(&known) {
        let refused = refused(context, &group, grouping, limit).await?;
        let drainable: Vec<String> = group.difference(&refused).cloned().collect();
        left.extend(refused);
        if drainable.is_empty() {
            continue;
        }
        let stragglers = drain(context, &drainable).await?;
        if let Some(script) = &script {
            for host in drainable.iter().filter(|host| !stragglers.contains(*host)) {
                run_script(script, host).await;
            }
        }
        left.extend(stragglers);
    }
    report(context, &left)
}

pub(super) async fn sla_host_drain(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let hosts = required(context)?;
    let percentage = parse_percentage(options.text("default_percentage").unwrap_or("95"))?;
    let duration = parse_duration(options.text("default_duration").unwrap_or("30m"))?;
    let timeout = parse_duration(options.text("force_drain_timeout").unwrap_or("7d"))?;
    tracing::info!(
        "Asking scheduler to drain tasks by SLA on: {}",
        shown(&hosts)
    );
    let call = SlaDrainHosts {
        hosts: thrift(&hosts),
        default_sla_policy: Some(SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: percentage.into(),
            duration_secs: seconds(duration.seconds),
        })),
        timeout_secs: seconds(timeout.seconds),
    };
    let _: DrainHostsResult = ask(context, call, Retry::Never).await?;
    if options.flag("wait") {
        wait_until_drained(context, &hosts, context.paces.drains.endless()).await?;
    }
    Ok(())
}

/// Spans fit into 63 bits: they were parsed so.
fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// The SLA that drains have to keep: all three overrides, or none.
fn limit(context: &Context<'_>, hosts: &[String]) -> Outcome<Limit> {
    let options = context.options;
    let (percentage, duration, reason) = match (
        options.given("override_percentage"),
        options.given("override_duration"),
        options.given("override_reason"),
    ) {
        (None, None, None) => return Ok(DEFAULT),
        (Some(percentage), Some(duration), Some(reason)) => (percentage, duration, reason),
        _ => {
            return Err(fatal(
                "All --override_* options are required when attempting to override default SLA values.",
            ));
        }
    };
    let percentage = parse_percentage(percentage)?;
    let duration = parse_duration(duration)?;
    tracing::warn!(
        "Default SLA values (percentage: 95, duration: 30 mins) are overridden for the following hosts: {}. \
         New percentage: {percentage:?}, duration: {duration}, override reason: {reason}",
        shown(hosts)
    );
    Ok(Limit {
        percentage,
        duration: duration.seconds,
    })
}

/// The hosts of a group that cannot be drained without a job falling below its SLA; says which jobs.
async fn refused(
    context: &Context<'_>,
    group: &BTreeSet<String>,
    grouping: Grouping,
    limit: Limit,
) -> Outcome<BTreeSet<String>> {
    tracing::info!("Beginning SLA check for {}", shown(group));
    let hosts = group.iter().cloned().collect();
    let domain = Domain::query(&scheduler(context)?, MIN_INSTANCES, Some(hosts)).await?;
    let probed = domain.probe(limit, grouping);
    if probed.len() > 1 {
        tracing::error!(
            "Illegal multiple groups detected in SLA results. Skipping hosts: {}",
            shown(group)
        );
        return Ok(group.clone());
    }
    for (job, row) in rows(context.options.positional(0), &probed) {
        if !job.safe {
            print_out(&row)?;
        }
    }
    let refused = unsafe_hosts(&probed);
    if refused.is_empty() {
        tracing::info!("All hosts passed SLA check.");
    } else {
        tracing::warn!(
            "Some hosts did not pass SLA check and will not be drained! Skipping hosts: {}",
            shown(&refused)
        );
    }
    Ok(refused)
}

/// Drains hosts; those that are not drained in time.
async fn drain(context: &Context<'_>, hosts: &[String]) -> Outcome<BTreeSet<String>> {
    tracing::info!("Draining tasks on: {}", shown(hosts));
    let call = DrainHosts {
        hosts: thrift(hosts),
    };
    let _: DrainHostsResult = ask(context, call, Retry::Never).await?;
    wait_until_drained(context, hosts, context.paces.drains).await
}

/// Waits for hosts to be DRAINED; those that are not when the time is over.
async fn wait_until_drained(
    context: &Context<'_>,
    hosts: &[String],
    pace: Pace,
) -> Outcome<BTreeSet<String>> {
    let mut wait = pace.start();
    let mut progress = Progress::new();
    let mut waiting = hosts.to_vec();
    tracing::info!("Waiting for hosts to be in DRAINED: {}", shown(hosts));
    loop {
        progress.clear();
        let mut found = modes(context, &waiting).await?;
        found.retain(|(_, mode)| *mode != MaintenanceMode::Drained);
        if found.is_empty() {
            return Ok(BTreeSet::new());
        }
        waiting = found.iter().map(|(host, _)| host.clone()).collect();
        progress.show(&format!(
            "hosts drained: {} of {} ({} s), waiting for {}",
            hosts.len() - waiting.len(),
            hosts.len(),
            wait.elapsed().as_secs(),
            shown(waiting.iter().take(5))
        ));
        if !wait.go_on().await {
            progress.clear();
            let lines: Vec<String> = found
                .iter()
                .map(|(host, mode)| format!("\tHost:{host}\tStatus:{mode}"))
                .collect();
            tracing::warn!(
                "Failed to move all hosts into DRAINED within {} s:\n{}",
                wait.elapsed().as_secs(),
                lines.join("\n")
            );
            return Ok(waiting.into_iter().collect());
        }
    }
}

fn script(context: &Context<'_>) -> Outcome<Option<PathBuf>> {
    let Some(path) = context.options.given("post_drain_script") else {
        return Ok(None);
    };
    if !Path::new(path).exists() {
        return Err(fatal(format!("No such file: {path}")));
    }
    // A link keeps its own name, by which a program may know what to do.
    let path = std::path::absolute(path);
    path.map(Some).map_err(|error| fatal(error.to_string()))
}

/// Runs the script for a drained host; how it ends does not matter.
async fn run_script(script: &Path, host: &str) {
    let ended = tokio::process::Command::new(script)
        .arg(host)
        .status()
        .await;
    match ended {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::warn!("{} {host}: {status}", script.display()),
        Err(error) => tracing::warn!("{} {host}: {error}", script.display()),
    }
}

/// Names the hosts that are not drained, and writes them into the file that was asked for.
fn report(context: &Context<'_>, left: &BTreeSet<String>) -> Outcome {
    if left.is_empty() {
        return Ok(());
    }
    tracing::info!(
        "The following hosts WERE NOT DRAINED due to failed SLA check or external failures:"
    );
    let lines: Vec<&str> = left.iter().map(String::as_str).collect();
    let text = lines.join("\n");
    print_out(&text)?;
    if let Some(path) = context.options.given("unsafe_hosts_file") {
        match std::fs::write(path, text + "\n") {
            Ok(()) => tracing::info!("Written unsafe host names into: {path}"),
            Err(error) => tracing::error!("Failed to write into the output file: {error}"),
        }
    }
    Ok(())
}

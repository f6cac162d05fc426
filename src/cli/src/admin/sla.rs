//! `aurora_admin sla_list_safe_domain` and `sla_probe_hosts`.

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::JobKey;

use super::hosts::{optional, parse_duration, parse_percentage, read, required};
use super::{fatal, scheduler};
use crate::context::{Context, Outcome, print_out};
use crate::keys::FullKey;
use crate::sla::domain::{Domain, Group, Grouping, Limit, ProbedJob};

pub(super) async fn list_safe_domain(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let limit = limit(context)?;
    let excluded = optional(context, "exclude_file", "exclude_hosts")?.unwrap_or_default();
    let included = optional(context, "include_file", "include_hosts")?;
    let overrides = overrides(context)?;
    let grouping = grouping(context)?;
    let domain = query(context, included).await?;
    let cluster = options.positional(0);
    for group in domain.safe_hosts(limit, &overrides, grouping) {
        for (host, jobs) in group {
            if excluded.contains(&host) {
                continue;
            }
            if !options.flag("list_jobs") {
                print_out(&host)?;
                continue;
            }
            for found in jobs {
                print_out(&format!(
                    "{host}\t{cluster}/{}\t{:.2}\t{}",
                    found.job, found.predicted, found.duration
                ))?;
            }
        }
    }
    Ok(())
}

pub(super) async fn probe_hosts(context: &Context<'_>) -> Outcome {
    let limit = limit(context)?;
    let hosts = required(context)?;
    let grouping = grouping(context)?;
    let domain = query(context, Some(hosts)).await?;
    let groups = domain.probe(limit, grouping);
    rows(context.options.positional(0), &groups)
        .iter()
        .try_for_each(|(_, row)| print_out(row))
}

/// The hosts of the groups in order, with a row for each of their jobs: `host job predicted safe wait`.
pub(super) fn rows<'a>(
    cluster: &str,
    groups: &'a [Group<ProbedJob>],
) -> Vec<(&'a ProbedJob, String)> {
    let mut rows = Vec::new();
    for (host, jobs) in groups.iter().flatten() {
        for probed in jobs {
            let safe = if probed.safe { "True" } else { "False" };
            let wait = match probed.safe_in {
                None => "n/a".to_owned(),
                Some(_) if probed.safe => "0".to_owned(),
                Some(seconds) => format!("{seconds:?}"),
            };
            rows.push((
                probed,
                format!(
                    "{host}\t{cluster}/{}\t{:.2}\t{safe}\t{wait}",
                    probed.job, probed.predicted
                ),
            ));
        }
    }
    rows
}

/// The hosts with a job that is not safe.
pub(super) fn unsafe_hosts(groups: &[Group<ProbedJob>]) -> BTreeSet<String> {
    let hosts = groups
        .iter()
        .flatten()
        .filter(|(_, jobs)| jobs.iter().any(|job| !job.safe));
    hosts.map(|(host, _)| host.clone()).collect()
}

async fn query(context: &Context<'_>, hosts: Option<Vec<String>>) -> Outcome<Domain> {
    let minimum = context.options.integer("min_job_instance_count");
    let minimum = usize::try_from(minimum).unwrap_or(0);
    Domain::query(&scheduler(context)?, minimum, hosts).await
}

/// The percentage and duration arguments.
fn limit(context: &Context<'_>) -> Outcome<Limit> {
    Ok(Limit {
        percentage: parse_percentage(context.options.positional(1))?,
        duration: parse_duration(context.options.positional(2))?.seconds,
    })
}

pub(super) fn grouping(context: &Context<'_>) -> Outcome<Grouping> {
    context
        .options
        .text("grouping")
        .map_or(Ok(Grouping::ByHost), |name| {
            Grouping::parse(name).map_err(fatal)
        })
}

/// The SLAs of single jobs, of the cluster in question.
fn overrides(context: &Context<'_>) -> Outcome<BTreeMap<JobKey, Limit>> {
    let mut found = BTreeMap::new();
    let Some(path) = context.options.given("override_file") else {
        return Ok(found);
    };
    for (at, line) in read(path)?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let (key, limit) = parse_override(line).map_err(|error| {
            let why = error.message.unwrap_or_default();
            fatal(format!("Invalid line in {path}:{}: {line}: {why}", at + 1))
        })?;
        if key.cluster == context.options.positional(0) {
            found.insert(key.job, limit);
        }
    }
    Ok(found)
}

/// `cluster/role/env/job percentage duration`.
fn parse_override(line: &str) -> Outcome<(FullKey, Limit)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [key, percentage, duration] = words[..] else {
        return Err(fatal("expected cluster/role/env/job percentage duration"));
    };
    let key = FullKey::parse(key).map_err(fatal)?;
    let limit = Limit {
        percentage: parse_percentage(percentage)?,
        duration: parse_duration(duration)?.seconds,
    };
    Ok((key, limit))
}

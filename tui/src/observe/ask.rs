//! What the scheduler is asked beside its feed.

use std::collections::BTreeMap;
use std::time::Duration;

use aurora_api::drain_plan::DrainPlanRequest;
use aurora_api::job_key::JobPath;
use aurora_api::model::{
    GetJobUpdateDetailsResult, JobUpdateDetails, JobUpdateKey, JobUpdateQuery, JobUpdateSettings,
    JobUpdateStrategy, Range,
};
use aurora_api::service::arguments::GetJobUpdateDetails;
use aurora_client::http::{HttpError, describe};
use aurora_client::scheduler::{Retry, Scheduler};
use aurora_tui_model::event::{Seen, WatchWhat};
use aurora_tui_model::text;
use aurora_tui_model::told::{
    Amounts, Answer, InstanceStep, Offer, Question, QuotaUse, Strategy, UpdateInfo, UpdateStep,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Look, backups, configs, page, poll};
use crate::data::Events;

/// Rows of a page, and how many pages are read at most.
const PAGE: &str = "1000";
const MAX_PAGES: usize = 20;
/// Instances of an update that are shown.
const MOST_INSTANCES: usize = 100_000;

struct Asked {
    scheduler: Scheduler,
    question: Question,
}

/// Asks the scheduler again and again until nobody listens.
pub(crate) async fn ask(scheduler: Scheduler, generation: u64, what: WatchWhat, events: Events) {
    let question = match what {
        WatchWhat::Ask(question) => question,
        WatchWhat::Page(query) => return page::keep(scheduler, generation, query, events).await,
        _ => return,
    };
    let period = Duration::from_secs(match question {
        Question::Update(..) => 1,
        Question::Why(_) => 2,
        Question::Quotas
        | Question::Config(..)
        | Question::Diff(..)
        | Question::Backups
        | Question::Vars
        | Question::Offers
        | Question::OffersOf(_) => 5,
        Question::Drain(_) => 10,
        // These are not the scheduler's to answer.
        Question::JobFile(_) | Question::Paths(_) | Question::JobsOf(_) => return,
    });
    let asked = Asked {
        scheduler,
        question,
    };
    poll(&asked, generation, &events, period).await;
}

impl Look for Asked {
    async fn look(&self) -> Result<Seen, String> {
        let scheduler = &self.scheduler;
        let found = match &self.question {
            Question::Update(job, id) => update(scheduler, job, id).await?,
            Question::Backups => backups::backups(scheduler).await?,
            Question::Config(job, task) => configs::config(scheduler, job, task.as_deref()).await?,
            Question::Diff(job, None) => configs::instances(scheduler, job).await?,
            Question::Diff(job, Some(id)) => configs::update(scheduler, job, id).await?,
            other => read(scheduler, other)
                .await
                .map_err(|error| describe(&error))?,
        };
        Ok(match found {
            Some(answer) => Seen::Answer(answer),
            None => Seen::Absent(format!(
                "The scheduler does not tell {}.",
                self.question
                    .describe()
                    .trim_start_matches("the scheduler's ")
            )),
        })
    }
}

/// What is told as JSON.
async fn read(scheduler: &Scheduler, question: &Question) -> Result<Option<Answer>, HttpError> {
    Ok(match question {
        Question::Why(task) => scheduler.explain(task).await?.map(Answer::Why),
        Question::Quotas => pages(scheduler, "quotas", QUOTA_COLUMNS)
            .await?
            .map(|rows| Answer::Quotas(rows.into_iter().map(quota).collect())),
        Question::Offers => offers(scheduler, None).await?,
        Question::OffersOf(host) => offers(scheduler, Some(host)).await?,
        Question::Vars => scheduler.get(&["vars.json"], &[]).await?.map(numbers),
        Question::Drain(hosts) => {
            let request = DrainPlanRequest {
                hosts: hosts.clone(),
                default_policy: None,
                timeout_secs: 0,
            };
            let plan = scheduler.post(&["ext", "v1", "drain-plan"], &request);
            plan.await?.map(Answer::Drain)
        }
        Question::Update(..)
        | Question::Config(..)
        | Question::Diff(..)
        | Question::Backups
        | Question::JobFile(_)
        | Question::Paths(_)
        | Question::JobsOf(_) => None,
    })
}

/// What hosts offer, or one of them. Who does not know the parameter tells of all.
async fn offers(scheduler: &Scheduler, host: Option<&str>) -> Result<Option<Answer>, HttpError> {
    let parameters: Vec<(&str, &str)> = host.map(|host| ("host", host)).into_iter().collect();
    let told: Option<Vec<Value>> = scheduler.get(&["offers"], &parameters).await?;
    Ok(told.map(|told| {
        let offers = told.iter().map(offer);
        let wanted = offers.filter(|offer| host.is_none_or(|host| offer.host == host));
        Answer::Offers(wanted.collect())
    }))
}

#[derive(Deserialize)]
struct Page<T> {
    rows: Vec<T>,
    next: Option<String>,
}

/// All rows of a page, as far as they are not too many.
async fn pages<T: DeserializeOwned>(
    scheduler: &Scheduler,
    name: &str,
    columns: &str,
) -> Result<Option<Vec<T>>, HttpError> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    for _ in 0..MAX_PAGES {
        let mut query = vec![("limit", PAGE), ("columns", columns)];
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let Some(page) = scheduler
            .get::<Page<T>>(&["ext", "v1", name], &query)
            .await?
        else {
            return Ok(None);
        };
        rows.extend(page.rows);
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(Some(rows))
}

const QUOTA_COLUMNS: &str = "role,used_cpus,used_ram,used_disk,other_cpus,other_ram,other_disk";

#[derive(Deserialize)]
struct QuotaRow {
    role: String,
    used_cpus: f64,
    used_ram: f64,
    used_disk: f64,
    other_cpus: f64,
    other_ram: f64,
    other_disk: f64,
}

fn quota(row: QuotaRow) -> (String, QuotaUse) {
    let amounts = |cpus, ram, disk| Amounts { cpus, ram, disk };
    let used = QuotaUse {
        counted: amounts(row.used_cpus, row.used_ram, row.used_disk),
        other: amounts(row.other_cpus, row.other_ram, row.other_disk),
    };
    (row.role, used)
}

/// An offer as Mesos has it (mesos: `include/mesos/mesos.proto`, Offer).
fn offer(told: &Value) -> Offer {
    const MIB: f64 = 1024.0 * 1024.0;
    let resources = told["resources"].as_array().into_iter().flatten();
    let mut out = Offer {
        id: told["id"]["value"].as_str().unwrap_or_default().to_owned(),
        host: told["hostname"].as_str().unwrap_or_default().to_owned(),
        ..Offer::default()
    };
    for resource in resources {
        let amount = resource["scalar"]["value"].as_f64().unwrap_or(0.0);
        out.revocable |= !resource["revocable"].is_null();
        match resource["name"].as_str() {
            Some("cpus") => out.amounts.cpus += amount,
            Some("mem") => out.amounts.ram += amount * MIB,
            Some("disk") => out.amounts.disk += amount * MIB,
            Some("ports") => {
                let ranges = resource["ranges"]["range"].as_array().into_iter().flatten();
                let sizes = ranges.filter_map(|range| {
                    let (begin, end) = (range["begin"].as_u64()?, range["end"].as_u64()?);
                    end.checked_sub(begin)?.checked_add(1)
                });
                out.ports = sizes.fold(out.ports, u64::saturating_add);
            }
            _ => {}
        }
    }
    out
}

/// The numbers among what is counted; Apache Aurora tells texts too.
fn numbers(vars: BTreeMap<String, serde_json::Value>) -> Answer {
    let numbers = vars.into_iter();
    Answer::Vars(
        numbers
            .filter_map(|(name, value)| Some((name, value.as_f64()?)))
            .collect(),
    )
}

async fn update(scheduler: &Scheduler, job: &JobPath, id: &str) -> Result<Option<Answer>, String> {
    let details = details(scheduler, job, id).await?;
    Ok(details
        .and_then(info)
        .map(|info| Answer::Update(Box::new(info))))
}

/// An update as the scheduler has it.
pub(super) async fn details(
    scheduler: &Scheduler,
    job: &JobPath,
    id: &str,
) -> Result<Option<JobUpdateDetails>, String> {
    let key = JobUpdateKey {
        job: job.0.clone(),
        id: id.to_owned(),
    };
    let query = JobUpdateQuery {
        key: Some(key),
        ..JobUpdateQuery::default()
    };
    let call = GetJobUpdateDetails {
        key: None,
        query: Some(query),
    };
    let found: GetJobUpdateDetailsResult = scheduler
        .ask(call, Retry::Safe)
        .await
        .map_err(|error| describe(&error))?;
    Ok(found.details_list.into_iter().next())
}

fn info(details: JobUpdateDetails) -> Option<UpdateInfo> {
    let JobUpdateDetails {
        update,
        update_events,
        instance_events,
    } = details;
    let state = update.summary.state?;
    let instructions = update.instructions;
    let steps = update_events.into_iter().map(|event| UpdateStep {
        time_ms: event.timestamp_ms,
        status: event.status,
        user: event.user,
        message: event.message,
    });
    let instances = instance_events.into_iter().map(|event| InstanceStep {
        instance: event.instance_id,
        time_ms: event.timestamp_ms,
        action: event.action,
        message: event.message,
    });
    Some(UpdateInfo {
        status: state.status,
        user: update.summary.user,
        created_ms: state.created_timestamp_ms,
        changed_ms: state.last_modified_timestamp_ms,
        before: instructions
            .initial_state
            .iter()
            .flat_map(|config| touched(&config.instances))
            .collect(),
        after: instructions
            .desired_state
            .iter()
            .flat_map(|config| touched(&config.instances))
            .collect(),
        strategy: strategy(&instructions.settings),
        limits: limits(&instructions.settings),
        steps: steps.collect(),
        instances: instances.collect(),
    })
}

/// The instances of these ranges.
pub(super) fn touched<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> Vec<i32> {
    let ranges = ranges.into_iter();
    ranges
        .flat_map(|range| range.first..=range.last)
        .take(MOST_INSTANCES)
        .collect()
}

pub(super) fn strategy(settings: &JobUpdateSettings) -> Strategy {
    let size = |size: i32| usize::try_from(size).unwrap_or(0);
    match &settings.update_strategy {
        Some(JobUpdateStrategy::QueueStrategy(queue)) => Strategy::Queue(size(queue.group_size)),
        Some(JobUpdateStrategy::BatchStrategy(batch)) => Strategy::Batches {
            sizes: vec![size(batch.group_size)],
            pauses: batch.autopause_after_batch,
        },
        Some(JobUpdateStrategy::VarBatchStrategy(batches)) => Strategy::Batches {
            sizes: batches.group_sizes.iter().copied().map(size).collect(),
            pauses: batches.autopause_after_batch,
        },
        // Before 0.22 there were two settings instead.
        None if settings.wait_for_batch_completion => Strategy::Batches {
            sizes: vec![size(settings.update_group_size)],
            pauses: false,
        },
        None => Strategy::Queue(size(settings.update_group_size)),
    }
}

pub(super) fn limits(settings: &JobUpdateSettings) -> Vec<String> {
    let mut out = vec![format!(
        "fails after {} instance(s) failed more than {} time(s)",
        i64::from(settings.max_failed_instances) + 1,
        settings.max_per_instance_failures
    )];
    let after = match settings.rollback_on_failure {
        true => "then rolls back",
        false => "then stays where it is",
    };
    out.push(after.to_owned());
    if settings.min_wait_in_instance_running_ms > 0 {
        let wait = text::age(i64::from(settings.min_wait_in_instance_running_ms));
        out.push(format!("an instance is done after running for {wait}"));
    }
    if let Some(pulse) = settings.block_if_no_pulses_after_ms.filter(|ms| *ms > 0) {
        let pulse = text::age(i64::from(pulse));
        out.push(format!("waits without a pulse every {pulse}"));
    }
    if settings.sla_aware == Some(true) {
        out.push("kills only what the job's SLA policy lets go".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn offers_are_summed_up() {
        let told = json!({
            "id": {"value": "O1"},
            "hostname": "h1",
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.5}},
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2.0}, "revocable": {}},
                {"name": "mem", "type": "SCALAR", "scalar": {"value": 512.0}},
                {"name": "disk", "type": "SCALAR", "scalar": {"value": 1.0}},
                {"name": "ports", "type": "RANGES", "ranges": {"range": [
                    {"begin": 31000, "end": 31009}, {"begin": 32000, "end": 32000},
                    {"begin": 9, "end": 1},
                ]}},
                {"name": "gpus", "type": "SCALAR", "scalar": {"value": 1.0}},
            ],
        });
        let expected = Offer {
            id: "O1".to_owned(),
            host: "h1".to_owned(),
            amounts: Amounts {
                cpus: 3.5,
                ram: 536_870_912.0,
                disk: 1_048_576.0,
            },
            ports: 11,
            revocable: true,
        };
        assert_eq!(offer(&told), expected);
        assert_eq!(offer(&json!([1])), Offer::default());
    }
}

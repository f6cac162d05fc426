//! The reading half of the service, from durable views (aurora: `ReadOnlySchedulerImpl.java`).

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::{
    ConfigSummary, ConfigSummaryResult, GetJobsResult, GetPendingReasonResult, GetQuotaResult,
    GetTierConfigResult, JobConfiguration, JobKey, JobStats, JobSummary, JobSummaryResult,
    PendingReason, PopulateJobResult, Resource, ResourceAggregate, Response, Result as Payload,
    RoleSummary, RoleSummaryResult, ScheduleStatus, ScheduleStatusResult, ScheduledTask,
    TaskConfig, TaskQuery, TierConfig,
};
use aurora_api::service::Call;

use super::answer::{error, invalid, ok};
use super::updates::{self, groups};
use crate::core::store::{Cron, Job, Pool, Task, Usage};
use crate::core::{Config, Millis, View, consumption, next_run, validate};

/// Answers a reading call from a state; `None` for a call that is not one.
pub fn read(config: &Config, view: &View, now: Millis, call: Call) -> Option<Response> {
    Some(match call {
        Call::GetRoleSummary(_) => role_summary(view),
        Call::GetJobSummary(arguments) => job_summary(config, view, now, arguments.role.as_deref()),
        Call::GetTasksStatus(arguments) => match arguments.query {
            Some(query) => tasks_answer(view, &query, |_| {}),
            None => missing("query"),
        },
        Call::GetTasksWithoutConfigs(arguments) => match arguments.query {
            Some(query) => tasks_answer(view, &query, without_data),
            None => missing("query"),
        },
        Call::GetPendingReason(arguments) => match arguments.query {
            Some(query) => pending_reason(view, query),
            None => missing("query"),
        },
        Call::GetConfigSummary(arguments) => match arguments.job {
            Some(job) => config_summary(view, job),
            None => missing("job"),
        },
        Call::GetJobs(arguments) => jobs(view, arguments.owner_role.as_deref()),
        Call::GetQuota(arguments) => quota(view, arguments.owner_role.as_deref()),
        Call::PopulateJobConfig(arguments) => match arguments.description {
            Some(description) => populate(config, description),
            None => missing("description"),
        },
        Call::GetJobUpdateSummaries(arguments) => match arguments.job_update_query {
            Some(query) => updates::summaries(view, &query),
            None => missing("jobUpdateQuery"),
        },
        Call::GetJobUpdateDetails(arguments) => {
            updates::details(view, arguments.key.as_ref(), arguments.query.as_ref())
        }
        Call::GetJobUpdateDiff(arguments) => match arguments.request {
            Some(request) => updates::difference(config, view, request),
            None => missing("request"),
        },
        Call::GetTierConfigs(_) => tiers(config),
        _ => return None,
    })
}

/// How much an answer tells, for the counters of workload (aurora: `ThriftWorkloadCounter.java`).
pub(crate) fn workload(response: &Response) -> i64 {
    let count = match &response.result {
        Some(Payload::RoleSummaryResult(result)) => result.summaries.len(),
        Some(Payload::JobSummaryResult(result)) => result.summaries.len(),
        Some(Payload::ScheduleStatusResult(result)) => result.tasks.len(),
        Some(Payload::GetPendingReasonResult(result)) => result.reasons.len(),
        Some(Payload::ConfigSummaryResult(result)) => result.summary.groups.len(),
        Some(Payload::GetJobsResult(result)) => result.configs.len(),
        Some(Payload::GetJobUpdateSummariesResult(result)) => result.update_summaries.len(),
        Some(Payload::GetJobUpdateDetailsResult(result)) => result.details_list.len(),
        Some(Payload::GetJobUpdateDiffResult(result)) => [
            &result.add,
            &result.remove,
            &result.update,
            &result.unchanged,
        ]
        .map(BTreeSet::len)
        .iter()
        .sum(),
        Some(Payload::GetTierConfigResult(result)) => result.tiers.len(),
        _ => 1,
    };
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Refuses a call that lacks an argument.
pub(super) fn missing(argument: &str) -> Response {
    error(format!("The argument {argument} is missing."))
}

fn role_summary(view: &View) -> Response {
    let mut roles: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (role, jobs) in view.roles().filter(|(_, jobs)| *jobs > 0) {
        roles.entry(role).or_default().0 = jobs;
    }
    for cron in view.crons() {
        roles.entry(&cron.job.key.role).or_default().1 += 1;
    }
    let summaries = roles.into_iter().map(|(role, (jobs, crons))| RoleSummary {
        role: role.to_owned(),
        job_count: count(jobs),
        cron_job_count: count(crons),
    });
    ok(Payload::RoleSummaryResult(RoleSummaryResult {
        summaries: summaries.collect(),
    }))
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn jobs_of<'a>(view: &'a View, role: Option<&'a str>) -> Box<dyn Iterator<Item = &'a Job> + 'a> {
    match role {
        Some(role) => Box::new(view.jobs_of_role(role)),
        None => Box::new(view.jobs()),
    }
}

/// The job as its tasks show it: the configuration of the active task with the newest event, of the newest that ended when
/// none is active.
fn synthesize(view: &View, job: &Job, instances: usize) -> Option<JobConfiguration> {
    let newest = |tasks: &mut dyn Iterator<Item = &Task>| -> Option<TaskConfig> {
        let task = tasks.max_by_key(|task| task.last_event_time())?;
        Some((*task.config.task).clone())
    };
    let task_config =
        newest(&mut view.active_tasks(job)).or_else(|| newest(&mut view.ended_tasks(job)))?;
    Some(JobConfiguration {
        key: (*job.key).clone(),
        owner: task_config.owner.clone(),
        instance_count: count(instances),
        task_config,
        ..JobConfiguration::default()
    })
}

fn stats(job: &Job) -> JobStats {
    use ScheduleStatus::*;
    let mut stats = JobStats::default();
    for status in ScheduleStatus::ALL {
        let bucket = match status {
            Init | Pending | Throttled => &mut stats.pending_task_count,
            Assigned | Starting | Restarting | Running | Killing | Draining | Partitioned
            | Preempting => &mut stats.active_task_count,
            Killed | Finished => &mut stats.finished_task_count,
            Lost | Failed => &mut stats.failed_task_count,
        };
        *bucket += i32::try_from(job.count(*status)).unwrap_or(i32::MAX);
    }
    stats
}

fn crons_of<'a>(view: &'a View, role: Option<&'a str>) -> Box<dyn Iterator<Item = &'a Cron> + 'a> {
    match role {
        Some(role) => Box::new(view.crons_of_role(role)),
        None => Box::new(view.crons()),
    }
}

/// Where a job has a schedule, its template speaks for it.
fn job_summary(config: &Config, view: &View, now: Millis, role: Option<&str>) -> Response {
    let of_tasks = jobs_of(view, role)
        .filter(|job| view.cron(&job.key).is_none())
        .filter_map(|job| {
            Some(JobSummary {
                job: synthesize(view, job, job.task_count())?,
                stats: stats(job),
                next_cron_run_ms: None,
            })
        });
    let scheduled = crons_of(view, role).map(|cron| JobSummary {
        job: (*cron.job).clone(),
        stats: view.job(&cron.job.key).map(stats).unwrap_or_default(),
        next_cron_run_ms: next_run(&cron.job, &config.cron_timezone, now),
    });
    let summaries = of_tasks.chain(scheduled).collect();
    ok(Payload::JobSummaryResult(JobSummaryResult { summaries }))
}

fn jobs(view: &View, role: Option<&str>) -> Response {
    let of_tasks = jobs_of(view, role)
        .filter(|job| job.active_count() > 0 && view.cron(&job.key).is_none())
        .filter_map(|job| synthesize(view, job, job.active_count()));
    let scheduled = crons_of(view, role).map(|cron| (*cron.job).clone());
    let configs = of_tasks.chain(scheduled).collect();
    ok(Payload::GetJobsResult(GetJobsResult { configs }))
}

/// The selected tasks in the order of job, instance and time, so that pages by offset and limit do not overlap.
fn selected<'a>(view: &'a View, query: &'a TaskQuery) -> Vec<&'a Task> {
    let positive = |value: Option<i32>| value.and_then(|value| usize::try_from(value).ok());
    let offset = positive(query.offset).unwrap_or(0);
    let limit = positive(query.limit).filter(|limit| *limit > 0);
    let mut tasks: Vec<&Task> = view.tasks(query).collect();
    if offset > 0 || limit.is_some() {
        tasks.sort_by_key(|task| {
            let started = task.events.first().map_or(0, |event| event.time);
            (task.job(), task.instance, started, task.uuid())
        });
    }
    tasks
        .into_iter()
        .skip(offset)
        .take(limit.unwrap_or(usize::MAX))
        .collect()
}

fn tasks_answer(view: &View, query: &TaskQuery, strip: impl Fn(&mut ScheduledTask)) -> Response {
    let tasks = selected(view, query)
        .into_iter()
        .map(|task| {
            let mut task = task.to_thrift();
            strip(&mut task);
            task
        })
        .collect();
    ok(Payload::ScheduleStatusResult(ScheduleStatusResult {
        tasks,
    }))
}

fn without_data(task: &mut ScheduledTask) {
    if let Some(executor) = &mut task.assigned_task.task.executor_config {
        executor.data = None;
    }
}

fn pending_reason(view: &View, mut query: TaskQuery) -> Response {
    let given = |present: bool, name: &str| {
        present.then(|| invalid(format!("{name} not supported in {query:?}")))
    };
    let hosts = query
        .slave_hosts
        .as_ref()
        .is_some_and(|set| !set.is_empty());
    let statuses = query.statuses.as_ref().is_some_and(|set| !set.is_empty());
    if let Some(refusal) = given(hosts, "SlaveHosts are").or_else(|| given(statuses, "Statuses is"))
    {
        return refusal;
    }
    query.statuses = Some(BTreeSet::from([ScheduleStatus::Pending]));
    let reasons = selected(view, &query)
        .into_iter()
        .map(|task| PendingReason {
            task_id: task.id().to_string(),
            reason: view
                .pending_reason(&task.id())
                .map(|reason| reason.to_string())
                .unwrap_or_default(),
        })
        .collect();
    ok(Payload::GetPendingReasonResult(GetPendingReasonResult {
        reasons,
    }))
}

fn active<'a>(view: &'a View, key: &JobKey) -> BTreeMap<i32, &'a TaskConfig> {
    let job = view.job(key);
    job.into_iter()
        .flat_map(|job| view.active_tasks(job))
        .map(|task| (task.instance, &*task.config.task))
        .collect()
}

fn config_summary(view: &View, key: JobKey) -> Response {
    if !key.is_valid() {
        return error(format!("Invalid job key {key}"));
    }
    let groups = groups(active(view, &key));
    ok(Payload::ConfigSummaryResult(ConfigSummaryResult {
        summary: ConfigSummary { key, groups },
    }))
}

fn aggregate(usage: &Usage) -> ResourceAggregate {
    ResourceAggregate {
        resources: BTreeSet::from([
            Resource::NumCpus(usage.cpus().into()),
            Resource::RamMb(usage.ram_mb),
            Resource::DiskMb(usage.disk_mb),
        ]),
    }
}

fn quota(view: &View, role: Option<&str>) -> Response {
    let Some(role) = role.filter(|role| !role.trim().is_empty()) else {
        return error("The role must not be blank.");
    };
    let consumption = |pool| Some(aggregate(&consumption(view, role, pool)));
    ok(Payload::GetQuotaResult(GetQuotaResult {
        quota: view
            .quota(role)
            .cloned()
            .unwrap_or_else(|| aggregate(&Usage::default())),
        prod_shared_consumption: consumption(Pool::ProdShared),
        non_prod_shared_consumption: consumption(Pool::NonProdShared),
        prod_dedicated_consumption: consumption(Pool::ProdDedicated),
        non_prod_dedicated_consumption: consumption(Pool::NonProdDedicated),
    }))
}

fn populate(config: &Config, description: JobConfiguration) -> Response {
    match validate::populate(config, description) {
        Ok(job) => ok(Payload::PopulateJobResult(PopulateJobResult {
            task_config: job.task_config,
        })),
        Err(fault) => invalid(format!("Invalid configuration: {fault}")),
    }
}

fn tiers(config: &Config) -> Response {
    let tiers = config
        .tiers
        .tiers
        .iter()
        .map(|(name, tier)| TierConfig {
            name: name.clone(),
            settings: BTreeMap::from([
                ("preemptible".to_owned(), tier.preemptible.to_string()),
                ("revocable".to_owned(), tier.revocable.to_string()),
            ]),
        })
        .collect();
    ok(Payload::GetTierConfigResult(GetTierConfigResult {
        default_tier_name: config.tiers.default.clone(),
        tiers,
    }))
}

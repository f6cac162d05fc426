//! Lines from records.

use std::collections::BTreeMap;

use aurora_api::feed::{
    ActiveUpdate, AuditRecord, ConfigRecord, Counts, CronRun, DrainRequest, Event, HostRecord,
    JobRecord, JobRemoved, Line, MaintenanceRecord, QuotaRecord, Seq, TableSize, TaskRecord,
    TaskRemoved, UpdateRecord, UpdateRemoved,
};
use aurora_api::job_key::JobPath;
use aurora_api::model::{
    JobKey, JobUpdateAction, JobUpdateKey, MaintenanceMode, Range, ScheduleStatus,
};
use aurora_api::resources::Amounts;
use aurora_api::simple;

use crate::core::store::{Cron, StoredConfig, Task, Update};
use crate::core::{self, CronOutcome, View, Zone, next_runs};

/// The tables of the summary, by the names under which pages of them are read.
pub(super) const JOBS: &str = "jobs";
pub(super) const HOSTS: &str = "hosts";
pub(super) const QUOTAS: &str = "quotas";

/// How large the tables of the summary are; all are told.
pub(super) fn counts(seq: Seq, view: &View) -> Counts {
    let idle = view
        .crons()
        .filter(|cron| view.job(&cron.job.key).is_none());
    let jobs = view.roles().map(|(_, jobs)| jobs).sum::<usize>() + idle.count();
    let sizes = [
        (JOBS, jobs),
        (HOSTS, view.hosts().count()),
        (QUOTAS, view.quotas().len()),
    ];
    let size = |rows: usize| TableSize {
        rows: rows as u64,
        told: true,
    };
    let tables = sizes.map(|(name, rows)| (name.to_owned(), size(rows)));
    Counts {
        seq,
        tables: tables.into(),
        updating: view.active_updates().count() as u64,
    }
}

/// Every job: it has tasks, a schedule, or both.
pub(crate) fn job_keys(view: &View) -> impl Iterator<Item = &JobKey> {
    let idle = view.crons().map(|cron| &cron.job.key);
    let idle = idle.filter(|key| view.job(key).is_none());
    view.jobs().map(|job| &*job.key).chain(idle)
}

/// A task as it is now.
pub(super) fn task(seq: Seq, task: &Task) -> Line {
    Line::Task(task_record(seq, task))
}

/// The same as a record.
pub(crate) fn task_record(seq: Seq, task: &Task) -> TaskRecord {
    TaskRecord {
        seq,
        task_id: task.id().to_string(),
        job: JobPath(task.job().clone()),
        instance: task.instance,
        status: task.status,
        host: task.host().map(str::to_owned),
        agent_id: task.agent().map(str::to_owned),
        ports: task
            .ports
            .iter()
            .map(|(name, port)| (name.to_string(), *port))
            .collect(),
        failure_count: task.failure_count(),
        ancestor: task.ancestor().as_deref().map(str::to_owned),
        config: task.config.id.0.to_string(),
        events: task
            .events
            .iter()
            .map(|event| Event {
                time_ms: event.time,
                status: event.status,
                message: event.message.as_deref().map(str::to_owned),
            })
            .collect(),
    }
}

/// A task that is gone.
pub(super) fn task_removed(seq: Seq, id: &str, job: &JobKey) -> Line {
    Line::TaskRemoved(TaskRemoved {
        seq,
        task_id: id.to_owned(),
        job: JobPath(job.clone()),
    })
}

/// A configuration.
pub(super) fn config(config: &StoredConfig) -> Line {
    Line::Config(ConfigRecord {
        id: config.id.0.to_string(),
        config: simple::to_json(&*config.task),
    })
}

/// A job as it is now, or that it is gone.
pub(super) fn job(seq: Seq, key: &JobKey, view: &View, zone: &Zone) -> Line {
    match job_record(seq, key, view, zone) {
        Some(record) => Line::Job(record),
        None => Line::JobRemoved(JobRemoved {
            seq,
            job: JobPath(key.clone()),
        }),
    }
}

/// A job in brief: it is there for as long as it has tasks or a schedule, which goes by a zone.
pub(crate) fn job_record(seq: Seq, key: &JobKey, view: &View, zone: &Zone) -> Option<JobRecord> {
    let (job, cron) = (view.job(key), view.cron(key));
    if job.is_none() && cron.is_none() {
        return None;
    }
    let counts = ScheduleStatus::ALL
        .iter()
        .map(|status| (*status, job.map_or(0, |job| job.count(*status))));
    let states: BTreeMap<ScheduleStatus, u32> = counts.filter(|(_, count)| *count > 0).collect();
    // An active task speaks for the job; without one its schedule, or the task that ended last.
    let active = job.and_then(|job| view.active_tasks(job).next());
    let ended = job.and_then(|job| view.ended_tasks(job).last());
    let config = active
        .map(|task| &*task.config.task)
        .or_else(|| cron.map(|cron| &cron.job.task_config))
        .or_else(|| ended.map(|task| &*task.config.task));
    let last = cron.and_then(|cron| cron.last);
    let update = view.active_update(key);
    let times = [
        job.map(|job| job.changed),
        last.map(|last| last.minute),
        update.map(Update::modified),
    ];
    Some(JobRecord {
        seq,
        job: JobPath(key.clone()),
        states,
        active: number(job.map_or(0, |job| job.active_count())),
        service: config.is_some_and(|config| config.is_service),
        tier: config
            .and_then(|config| config.tier.clone())
            .unwrap_or_default(),
        cron_schedule: cron.and_then(|cron| cron.job.cron_schedule.clone()),
        cron_last: cron.and_then(|cron| cron_run(cron, zone)),
        update: update.and_then(|update| {
            Some(ActiveUpdate {
                id: update.key().id.clone(),
                status: update.status()?,
            })
        }),
        changed_ms: times.into_iter().flatten().max().unwrap_or(0),
    })
}

/// Every minute is decided, so that those after the last one are yet to come.
fn cron_run(cron: &Cron, zone: &Zone) -> Option<CronRun> {
    let last = cron.last?;
    Some(CronRun {
        minute_ms: last.minute,
        outcome: outcome(last.outcome).to_owned(),
        next_ms: next_runs(&cron.job, zone, last.minute, 5),
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The word for what came of a minute of a schedule.
pub(crate) fn outcome(outcome: CronOutcome) -> &'static str {
    match outcome {
        CronOutcome::Launched => "launched",
        CronOutcome::Skipped => "skipped",
        CronOutcome::Replacing => "replacing",
        CronOutcome::Missed => "missed",
        CronOutcome::Scheduled => "scheduled",
    }
}

/// An update as it is now, or that it is gone.
pub(super) fn update(seq: Seq, key: &JobUpdateKey, view: &View) -> Line {
    match view.update(key).and_then(|found| update_record(seq, found)) {
        Some(record) => Line::Update(record),
        None => Line::UpdateRemoved(UpdateRemoved {
            seq,
            job: JobPath(key.job.clone()),
            id: key.id.clone(),
        }),
    }
}

/// An update in brief; `None` before its first event.
pub(super) fn update_record(seq: Seq, update: &Update) -> Option<UpdateRecord> {
    let mut latest: BTreeMap<i32, JobUpdateAction> = BTreeMap::new();
    for event in update.instance_events() {
        latest.insert(event.instance_id, event.action);
    }
    let mut actions: BTreeMap<JobUpdateAction, u32> = BTreeMap::new();
    for action in latest.into_values() {
        *actions.entry(action).or_default() += 1;
    }
    Some(UpdateRecord {
        seq,
        job: JobPath(update.job().clone()),
        id: update.key().id.clone(),
        user: update.update.summary.user.clone(),
        status: update.status()?,
        created_ms: update.created(),
        changed_ms: update.modified(),
        instances: number(instances_of(update)),
        actions,
        message: update.last_event().and_then(|event| event.message.clone()),
    })
}

/// How many instances an update is about: those of before and those of after.
pub(crate) fn instances_of(update: &Update) -> usize {
    let instructions = &update.update.instructions;
    let groups = instructions
        .initial_state
        .iter()
        .chain(&instructions.desired_state);
    let mut ranges: Vec<&Range> = groups.flat_map(|group| &group.instances).collect();
    ranges.sort_unstable();
    let (mut count, mut end) = (0, -1);
    for range in ranges {
        let (first, last) = (i64::from(range.first), i64::from(range.last));
        count += (last - first.max(end + 1) + 1).max(0);
        end = end.max(last);
    }
    usize::try_from(count).unwrap_or(0)
}

/// A host's place in maintenance.
pub(super) fn maintenance(seq: Seq, name: &str, view: &View) -> Line {
    let host = view.host(name);
    let mode = host.and_then(|host| host.attributes.mode);
    Line::Maintenance(MaintenanceRecord {
        seq,
        host: name.to_owned(),
        mode: mode.unwrap_or(MaintenanceMode::None),
        tasks: tasks_on(name, view),
        request: view.maintenance_request(name).map(|request| DrainRequest {
            created_ms: request.created_timestamp_ms,
            timeout_secs: request.timeout_secs,
            default_policy: request.default_sla_policy.as_ref().map(simple::to_json),
        }),
    })
}

/// Whether there is anything to tell of a host's maintenance.
pub(super) fn is_in_maintenance(name: &str, view: &View) -> bool {
    let mode = view.host(name).and_then(|host| host.attributes.mode);
    mode.is_some_and(|mode| mode != MaintenanceMode::None)
        || view.maintenance_request(name).is_some()
}

/// What somebody changed.
pub(crate) fn audit(seq: Seq, record: &core::AuditRecord) -> AuditRecord {
    AuditRecord {
        seq,
        time_ms: record.time,
        user: record.user.clone(),
        method: record.method.clone(),
        target: record.target.clone(),
        detail: record.detail.clone(),
    }
}

/// Tasks on a host that have not ended.
pub(crate) fn tasks_on(host: &str, view: &View) -> u32 {
    let tasks = view.tasks_on_host(host);
    number(tasks.filter(|task| task.status.is_agent_assigned()).count())
}

/// A host as it is now; `None` when it never offered.
pub(crate) fn host(seq: Seq, name: &str, view: &View) -> Option<HostRecord> {
    let attributes = &view.host(name)?.attributes;
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attribute in &attributes.attributes {
        named
            .entry(attribute.name.clone())
            .or_default()
            .extend(attribute.values.iter().cloned());
    }
    Some(HostRecord {
        seq,
        host: attributes.host.clone(),
        agent_id: attributes.slave_id.clone().unwrap_or_default(),
        mode: attributes.mode.unwrap_or(MaintenanceMode::None),
        attributes: named,
        tasks: tasks_on(name, view),
    })
}

/// A role's quota; zeroes when it has none.
pub(super) fn quota(seq: Seq, role: &str, view: &View) -> Line {
    Line::Quota(quota_record(seq, role, view))
}

/// The same as a record.
pub(crate) fn quota_record(seq: Seq, role: &str, view: &View) -> QuotaRecord {
    let amounts = view
        .quota(role)
        .map(|quota| Amounts::of(&quota.resources))
        .unwrap_or_default();
    QuotaRecord {
        seq,
        role: role.to_owned(),
        cpus: amounts.cpus,
        ram_mb: amounts.ram_mb,
        disk_mb: amounts.disk_mb,
    }
}

//! Lines from records.

use std::collections::BTreeMap;

use aurora_api::feed::{
    ConfigRecord, Event, HostRecord, JobRecord, JobRemoved, Line, QuotaRecord, Seq, TaskRecord,
    TaskRemoved,
};
use aurora_api::job_key::JobPath;
use aurora_api::model::{JobKey, MaintenanceMode, ScheduleStatus};
use aurora_api::resources::Amounts;
use aurora_api::simple;

use crate::core::View;
use crate::core::store::{Job, StoredConfig, Task};

/// A task as it is now.
pub(super) fn task(seq: Seq, task: &Task) -> Line {
    Line::Task(TaskRecord {
        seq,
        task_id: task.id.to_string(),
        job: JobPath(task.job().clone()),
        instance: task.instance,
        status: task.status,
        host: task.host.as_deref().map(str::to_owned),
        agent_id: task.agent.as_deref().map(str::to_owned),
        ports: task
            .ports
            .iter()
            .map(|(name, port)| (name.to_string(), *port))
            .collect(),
        failure_count: task.failure_count,
        ancestor: task.ancestor.as_deref().map(str::to_owned),
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
    })
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
pub(super) fn job(seq: Seq, key: &JobKey, view: &View) -> Line {
    match view.job(key) {
        Some(found) => Line::Job(job_record(seq, found, view)),
        None => Line::JobRemoved(JobRemoved {
            seq,
            job: JobPath(key.clone()),
        }),
    }
}

/// A job in brief.
pub(super) fn job_record(seq: Seq, job: &Job, view: &View) -> JobRecord {
    let states: BTreeMap<ScheduleStatus, u32> = ScheduleStatus::ALL
        .iter()
        .map(|status| (*status, job.count(*status)))
        .filter(|(_, count)| *count > 0)
        .collect();
    // An active task speaks for the job; without one, the task that ended last.
    let spokesman = view
        .active_tasks(job)
        .next()
        .or_else(|| view.ended_tasks(job).last());
    JobRecord {
        seq,
        job: JobPath((*job.key).clone()),
        states,
        active: u32::try_from(job.active_count()).unwrap_or(u32::MAX),
        service: spokesman.is_some_and(|task| task.config.task.is_service),
        tier: spokesman
            .and_then(|task| task.config.task.tier.clone())
            .unwrap_or_default(),
        cron_schedule: None,
        changed_ms: job.changed,
    }
}

/// A host as it is now; `None` when it never offered.
pub(super) fn host(seq: Seq, name: &str, view: &View) -> Option<HostRecord> {
    let attributes = &view.host(name)?.attributes;
    let tasks = view
        .tasks_on_host(name)
        .filter(|task| task.status.is_agent_assigned())
        .count();
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
        tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
    })
}

/// A role's quota; zeroes when it has none.
pub(super) fn quota(seq: Seq, role: &str, view: &View) -> Line {
    let amounts = view
        .quota(role)
        .map(|quota| Amounts::of(&quota.resources))
        .unwrap_or_default();
    Line::Quota(QuotaRecord {
        seq,
        role: role.to_owned(),
        cpus: amounts.cpus,
        ram_mb: amounts.ram_mb,
        disk_mb: amounts.disk_mb,
    })
}

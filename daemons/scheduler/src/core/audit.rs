//! Who changed what: one record for each call that changed the state.
//!
//! A call that was refused, changed nothing or only asked Mesos for news leaves none; neither does a pulse, of which a
//! coordinator sends thousands.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurora_api::instances;
use aurora_api::model::{Hosts, JobConfiguration, JobKey, JobUpdateKey, JobUpdateRequest};
use aurora_api::service::Call;

use super::Core;
use super::op::{AuditRecord, Op};

/// Bytes of a target or a detail that are kept.
const MAX_AUDIT_TEXT: usize = 1_000;

/// Target and detail of a call; see [`AuditRecord`].
type Subject = (String, String);

impl Core {
    /// Records a call that has just been carried out.
    pub(super) fn audit(&mut self, user: &str, method: &str, (target, detail): Subject) {
        let record = Arc::new(AuditRecord {
            time: self.now,
            user: user.to_owned(),
            method: method.to_owned(),
            target: shorten(target),
            detail: shorten(detail),
        });
        self.apply(Op::Audit { record });
    }
}

/// What a call is about; `None` for calls that leave no record.
pub(super) fn subject(call: &Call) -> Option<Subject> {
    Some(match call {
        Call::CreateJob(call) => template(&call.description),
        Call::ScheduleCronJob(call) => template(&call.description),
        Call::ReplaceCronTemplate(call) => template(&call.config),
        Call::DescheduleCronJob(call) => (name(&call.job), String::new()),
        Call::StartCronJob(call) => (name(&call.job), String::new()),
        Call::RestartShards(call) => (name(&call.job), which(Some(&call.shard_ids))),
        Call::KillTasks(call) => {
            let reason = with_message(which(call.instances.as_ref()), &call.message);
            (name(&call.job), reason)
        }
        Call::AddInstances(call) => {
            let key = call.key.as_ref();
            let like = key.map_or(0, |key| key.instance_id);
            (
                key.map(|key| key.job_key.to_string()).unwrap_or_default(),
                format!("{} more like instance {like}", call.count),
            )
        }
        Call::StartJobUpdate(call) => start(&call.request, &call.message),
        Call::PauseJobUpdate(call) => update(&call.key, &call.message),
        Call::ResumeJobUpdate(call) => update(&call.key, &call.message),
        Call::AbortJobUpdate(call) => update(&call.key, &call.message),
        Call::RollbackJobUpdate(call) => update(&call.key, &call.message),
        Call::SetQuota(call) => {
            let quota = call.quota.as_ref().map(aurora_api::simple::to_json);
            (
                call.owner_role.clone().unwrap_or_default(),
                quota.map(|quota| quota.to_string()).unwrap_or_default(),
            )
        }
        Call::ForceTaskState(call) => (
            call.task_id.clone().unwrap_or_default(),
            call.status
                .map(|status| format!("to {status}"))
                .unwrap_or_default(),
        ),
        Call::StartMaintenance(call) => hosts(&call.hosts),
        Call::DrainHosts(call) => hosts(&call.hosts),
        Call::SlaDrainHosts(call) => hosts(&call.hosts),
        Call::EndMaintenance(call) => hosts(&call.hosts),
        Call::PruneTasks(_) => ("tasks that ended".to_owned(), String::new()),
        Call::CommitRecovery(_) => ("the whole state".to_owned(), String::new()),
        _ => return None,
    })
}

fn name(job: &Option<JobKey>) -> String {
    job.as_ref().map(JobKey::to_string).unwrap_or_default()
}

fn template(job: &Option<JobConfiguration>) -> Subject {
    let Some(job) = job else {
        return Subject::default();
    };
    let schedule = job.cron_schedule.as_deref();
    let schedule = schedule.map(|schedule| format!(", {schedule}"));
    let detail = format!(
        "{} instances{}",
        job.instance_count,
        schedule.unwrap_or_default()
    );
    (job.key.to_string(), detail)
}

fn start(request: &Option<JobUpdateRequest>, message: &Option<String>) -> Subject {
    let Some(request) = request else {
        return Subject::default();
    };
    let detail = format!("{} instances", request.instance_count);
    (
        request.task_config.job.to_string(),
        with_message(detail, message),
    )
}

fn update(key: &Option<JobUpdateKey>, message: &Option<String>) -> Subject {
    let Some(key) = key else {
        return Subject::default();
    };
    (
        key.job.to_string(),
        with_message(format!("update {}", key.id), message),
    )
}

fn hosts(hosts: &Option<Hosts>) -> Subject {
    let names = hosts.iter().flat_map(|hosts| &hosts.host_names);
    let names: Vec<&str> = names.map(String::as_str).collect();
    (names.join(", "), String::new())
}

fn which(ids: Option<&BTreeSet<i32>>) -> String {
    match ids {
        Some(ids) if !ids.is_empty() => {
            format!("instances {}", instances::text(ids.iter().copied()))
        }
        _ => "all instances".to_owned(),
    }
}

fn with_message(detail: String, message: &Option<String>) -> String {
    match message.as_deref().filter(|message| !message.is_empty()) {
        Some(message) => format!("{detail}: {message}"),
        None => detail,
    }
}

/// A caller decides how long these texts would be; the log and every reader pay.
fn shorten(mut text: String) -> String {
    if text.len() > MAX_AUDIT_TEXT {
        text.truncate(text.floor_char_boundary(MAX_AUDIT_TEXT));
        text.push('…');
    }
    text
}

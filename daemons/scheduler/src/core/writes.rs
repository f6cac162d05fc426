//! The changing calls of the API (aurora: `SchedulerThriftInterface.java`).
//!
//! A handler gives back the answer's messages; changes are ops like everywhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurora_api::model::{
    self, JobKey, Range, Response, ResponseCode, ResponseDetail, ScheduleStatus, TaskConfig,
    TaskQuery,
};
use aurora_api::service::arguments::{
    AddInstances, CreateJob, ForceTaskState, KillTasks, PruneTasks, RestartShards, SetQuota,
    TriggerExplicitTaskReconciliation,
};
use aurora_api::service::{Access, Call};

use super::Core;
use super::audit;
use super::op::Op;
use super::quota::{self, QuotaFault, Shortage};
use super::store::{Change, Task, TaskId};
use super::tasks::{Entry, Outcome};
use super::validate;

/// How much the calls change (aurora: `SchedulerThriftInterface.java`).
pub(crate) const COUNTERS: &[&str] = &[
    "thrift_workload_addInstances",
    "thrift_workload_createJob",
    "thrift_workload_createOrUpdateCronTemplate",
    "thrift_workload_drainHosts",
    "thrift_workload_endMaintenance",
    "thrift_workload_killTasks",
    "thrift_workload_maintenanceStatus",
    "thrift_workload_pruneTasks",
    "thrift_workload_restartShards",
    "thrift_workload_slaDrainHosts",
    "thrift_workload_startJobUpdate",
    "thrift_workload_startMaintenance",
];

/// Why a call is refused.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    code: ResponseCode,
    text: String,
    /// More for people, behind the text that programs may know.
    more: Option<String>,
    /// What the answer tells all the same.
    result: Option<Box<model::Result>>,
}

impl Refusal {
    fn new(code: ResponseCode, text: impl Into<String>) -> Refusal {
        Refusal {
            code,
            text: text.into(),
            more: None,
            result: None,
        }
    }

    pub(super) fn with(self, result: model::Result) -> Refusal {
        Refusal {
            result: Some(Box::new(result)),
            ..self
        }
    }
}

impl From<Shortage> for Refusal {
    fn from(shortage: Shortage) -> Refusal {
        let text = format!("Insufficient resource quota: {}", shortage.clauses());
        Refusal {
            more: Some(shortage.sums()),
            ..invalid(text)
        }
    }
}

pub(super) fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(ResponseCode::InvalidRequest, text)
}

pub(super) fn fault(text: impl Into<String>) -> Refusal {
    Refusal::new(ResponseCode::Error, text)
}

/// What a call that went well says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) message: Option<String>,
    pub(crate) result: Option<model::Result>,
}

/// What becomes of a call.
pub(crate) type Answer = Result<Said, Refusal>;

/// It went well, and there is nothing to say about it.
pub(super) fn done() -> Answer {
    Ok(Said::default())
}

/// It went well, with a message.
pub(super) fn noted(message: impl Into<String>) -> Answer {
    Ok(Said {
        message: Some(message.into()),
        result: None,
    })
}

/// It went well, with a result.
pub(super) fn told(result: model::Result) -> Answer {
    Ok(Said {
        message: None,
        result: Some(result),
    })
}

fn response(code: ResponseCode, messages: impl IntoIterator<Item = String>) -> Response {
    Response {
        response_code: code,
        details: messages
            .into_iter()
            .map(|text| ResponseDetail {
                message: Some(text),
            })
            .collect(),
        ..Response::default()
    }
}

impl Core {
    /// Carries out a call.
    pub(crate) fn write(&mut self, user: &str, call: Call) -> Response {
        let (method, subject) = (call.method(), audit::subject(&call));
        let before = self.out.ops.len();
        match self.answer(user, call) {
            Ok(said) => {
                if let Some(subject) = subject.filter(|_| self.out.ops.len() > before) {
                    self.audit(user, method, subject);
                }
                Response {
                    result: said.result,
                    ..response(ResponseCode::Ok, said.message)
                }
            }
            Err(refusal) => Response {
                result: refusal.result.map(|result| *result),
                ..response(refusal.code, [refusal.text].into_iter().chain(refusal.more))
            },
        }
    }

    fn answer(&mut self, user: &str, call: Call) -> Answer {
        match call {
            Call::CreateJob(call) => self.create_job(call),
            Call::KillTasks(call) => self.kill_tasks(user, call),
            Call::RestartShards(call) => self.restart_shards(user, call),
            Call::AddInstances(call) => self.add_instances(call),
            Call::ScheduleCronJob(call) => self.schedule_cron_job(call),
            Call::ReplaceCronTemplate(call) => self.replace_cron_template(call),
            Call::DescheduleCronJob(call) => self.deschedule_cron_job(call),
            Call::StartCronJob(call) => self.start_cron_job(call),
            Call::StartJobUpdate(call) => self.start_job_update(user, call),
            Call::PauseJobUpdate(call) => self.pause_job_update(user, call),
            Call::ResumeJobUpdate(call) => self.resume_job_update(user, call),
            Call::AbortJobUpdate(call) => self.abort_job_update(user, call),
            Call::RollbackJobUpdate(call) => self.rollback_job_update(user, call),
            Call::PulseJobUpdate(call) => self.pulse_job_update(call),
            Call::StartMaintenance(call) => self.start_maintenance(call),
            Call::DrainHosts(call) => self.drain_hosts(call),
            Call::SlaDrainHosts(call) => self.sla_drain_hosts(call),
            Call::MaintenanceStatus(call) => self.maintenance_status(call),
            Call::EndMaintenance(call) => self.end_maintenance(call),
            Call::SetQuota(call) => self.set_quota(call),
            Call::ForceTaskState(call) => self.force_task_state(user, call),
            Call::PruneTasks(call) => self.prune_tasks(call),
            Call::TriggerExplicitTaskReconciliation(call) => self.trigger_explicit(call),
            Call::TriggerImplicitTaskReconciliation(_) => {
                self.reconcile_implicitly();
                done()
            }
            call if call.access() == Access::Read => {
                Err(fault(format!("{} does not change anything", call.method())))
            }
            call => Err(invalid(format!(
                "{} is not supported by this scheduler yet",
                call.method()
            ))),
        }
    }

    fn create_job(&mut self, call: CreateJob) -> Answer {
        let job = call
            .description
            .ok_or_else(|| fault("description is missing"))?;
        let job = validate::populate(&self.config, job).map_err(invalid)?;
        if job.cron_schedule.is_some() {
            return Err(invalid(
                "Cron jobs may only be created/updated by calling scheduleCronJob.",
            ));
        }
        self.check_not_updating(&job.key)?;
        let view = self.store.read();
        let is_active = view.job(&job.key).is_some_and(|job| job.active_count() > 0);
        if is_active || view.cron(&job.key).is_some() {
            return Err(invalid(format!("Job {} already exists", job.key)));
        }
        self.check_limits(
            &job.task_config,
            i64::from(job.instance_count),
            job.instance_count,
        )?;
        let all = Range {
            first: 0,
            last: job.instance_count - 1,
        };
        self.insert_tasks(job.task_config, all);
        let count = u64::from(job.instance_count.unsigned_abs());
        self.count("thrift_workload_createJob", count);
        done()
    }

    /// Refuses to change a job while an update of it is active.
    pub(super) fn check_not_updating(&self, job: &JobKey) -> Result<(), Refusal> {
        match self.store.read().active_update(job) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(
                ResponseCode::JobUpdatingError,
                "Job is currently updating",
            )),
        }
    }

    /// Whether a job may have `total` instances of which `added` are new.
    fn check_limits(&self, template: &TaskConfig, total: i64, added: i32) -> Result<(), Refusal> {
        self.check_instance_count(total)?;
        let role = &template.job.role;
        match quota::exceeded(self.store.read(), role, template, i64::from(added)) {
            Some(shortage) => Err(shortage.into()),
            None => Ok(()),
        }
    }

    /// Whether a job may have so many instances.
    pub(super) fn check_instance_count(&self, total: i64) -> Result<(), Refusal> {
        let max = self.config.max_tasks_per_job;
        if total < 1 || total > i64::from(max) {
            return Err(invalid(format!(
                "Instance count must be between 1 and {max} inclusive."
            )));
        }
        Ok(())
    }

    /// Inserts pending tasks for instances that have no active ones.
    pub(super) fn insert_tasks(&mut self, config: TaskConfig, instances: Range) {
        let id = match self.store.config_id(&config) {
            Some(id) => id,
            None => {
                let id = self.store.next_config_id();
                self.apply(Op::AddConfig {
                    id,
                    config: Arc::new(config),
                });
                id
            }
        };
        let seed = self.random.seed();
        let before = self.out.changes.len();
        self.apply(Op::InsertTasks {
            config: id,
            instances: vec![instances],
            seed,
            time: self.now,
        });
        let new: Vec<TaskId> = self.out.changes[before..]
            .iter()
            .filter_map(|change| match change {
                Change::Task { id, .. } => Some(Arc::clone(id)),
                _ => None,
            })
            .collect();
        for task in new {
            self.enqueue(id, &task, None, Entry::Transition);
        }
    }

    fn kill_tasks(&mut self, user: &str, call: KillTasks) -> Answer {
        let job = valid_key(call.job)?;
        self.check_not_updating(&job)?;
        let wanted = call.instances.filter(|instances| !instances.is_empty());
        let ids = self.active_ids(&job, |task| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&task.instance))
        });
        let suffix = call
            .message
            .map(|text| format!(".\n{text}"))
            .unwrap_or_default();
        let message = format!("Killed by {user}{suffix}");
        let mut killed = 0;
        for id in ids {
            if self.change_state(&id, None, ScheduleStatus::Killing, Some(message.clone()))
                == Outcome::Success
            {
                killed += 1;
            }
        }
        self.count("thrift_workload_killTasks", killed);
        if killed == 0 {
            return noted("No tasks to kill.");
        }
        done()
    }

    pub(super) fn active_ids(&self, job: &JobKey, wanted: impl Fn(&Task) -> bool) -> Vec<TaskId> {
        let view = self.store.read();
        let tasks = view
            .job(job)
            .into_iter()
            .flat_map(|job| view.active_tasks(job));
        tasks
            .filter(|task| wanted(task))
            .map(|task| task.id())
            .collect()
    }

    fn restart_shards(&mut self, user: &str, call: RestartShards) -> Answer {
        let job = valid_key(call.job)?;
        if call.shard_ids.is_empty() {
            return Err(fault("shardIds cannot be blank"));
        }
        self.check_not_updating(&job)?;
        let ids = self.active_ids(&job, |task| call.shard_ids.contains(&task.instance));
        if ids.len() != call.shard_ids.len() {
            return Err(invalid("Not all requested shards are active."));
        }
        for id in ids {
            self.change_state(
                &id,
                None,
                ScheduleStatus::Restarting,
                Some(format!("Restarted by {user}")),
            );
        }
        self.count("thrift_workload_restartShards", call.shard_ids.len() as u64);
        done()
    }

    fn add_instances(&mut self, call: AddInstances) -> Answer {
        let key = call.key.ok_or_else(|| fault("key is missing"))?;
        let job = valid_key(Some(key.job_key))?;
        if call.count <= 0 {
            return Err(invalid("Instance count must be positive."));
        }
        let view = self.store.read();
        if view.cron(&job).is_some() {
            return Err(invalid("Instances may not be added to cron jobs."));
        }
        self.check_not_updating(&job)?;
        let template = view.active_task(&job, key.instance_id);
        let template = template.map(|task| Arc::clone(&task.config));
        let template =
            template.ok_or_else(|| invalid("No active task found for a given instance ID."))?;
        let active: Vec<i32> = view
            .job(&job)
            .into_iter()
            .flat_map(|job| view.active_tasks(job))
            .map(|task| task.instance)
            .collect();
        let total = active.len() as i64 + i64::from(call.count);
        self.check_limits(&template.task, total, call.count)?;
        let last = active.iter().max().copied().unwrap_or(-1);
        let Some(end) = last.checked_add(call.count) else {
            return Err(invalid("There are no instance ids left."));
        };
        let new = Range {
            first: last + 1,
            last: end,
        };
        self.insert_tasks((*template.task).clone(), new);
        self.count("thrift_workload_addInstances", call.count as u64);
        done()
    }

    fn set_quota(&mut self, call: SetQuota) -> Answer {
        let role = call.owner_role.filter(|role| !role.trim().is_empty());
        let role = role.ok_or_else(|| fault("ownerRole cannot be blank"))?;
        let quota = call.quota.ok_or_else(|| fault("quota is missing"))?;
        quota::check(self.store.read(), &role, &quota).map_err(|wrong| match wrong {
            QuotaFault::Shape(text) => fault(text),
            QuotaFault::Value(text) => invalid(text),
        })?;
        self.apply(Op::SaveQuota { role, quota });
        done()
    }

    /// The state machine's verdict is not told: upstream drops it too.
    fn force_task_state(&mut self, user: &str, call: ForceTaskState) -> Answer {
        let id = call.task_id.filter(|id| !id.trim().is_empty());
        let id = id.ok_or_else(|| fault("taskId cannot be blank"))?;
        let status = call.status.ok_or_else(|| fault("status is missing"))?;
        self.change_state(
            &id,
            None,
            status,
            Some(format!("Transition forced by {user}")),
        );
        done()
    }

    fn prune_tasks(&mut self, call: PruneTasks) -> Answer {
        let mut query: TaskQuery = call.query.ok_or_else(|| fault("query is missing"))?;
        let statuses = query
            .statuses
            .take()
            .filter(|statuses| !statuses.is_empty());
        let statuses = match statuses {
            Some(statuses) if statuses.iter().any(|status| status.is_active()) => {
                return Err(fault("Tasks in non-terminal state cannot be pruned."));
            }
            Some(statuses) => statuses,
            None => ScheduleStatus::ALL
                .iter()
                .copied()
                .filter(|status| status.is_terminal())
                .collect::<BTreeSet<_>>(),
        };
        query.statuses = Some(statuses);
        let limit = query
            .limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
        let tasks: Vec<TaskId> = self
            .store
            .read()
            .tasks(&query)
            .take(limit)
            .map(|task| task.id())
            .collect();
        self.count("thrift_workload_pruneTasks", tasks.len() as u64);
        if !tasks.is_empty() {
            self.apply(Op::RemoveTasks { tasks });
        }
        done()
    }

    fn trigger_explicit(&mut self, call: TriggerExplicitTaskReconciliation) -> Answer {
        let settings = call.settings.ok_or_else(|| fault("settings is missing"))?;
        let size = match settings.batch_size {
            None => self.config.reconciliation_explicit_batch_size,
            Some(size) => usize::try_from(size).unwrap_or(0),
        };
        if size == 0 {
            return Err(invalid("Batch size must be greater than zero."));
        }
        self.reconcile_explicitly(size);
        done()
    }
}

pub(super) fn valid_key(key: Option<JobKey>) -> Result<JobKey, Refusal> {
    match key {
        Some(key) if key.is_valid() => Ok(key),
        Some(key) => Err(fault(format!("{key} is not a valid job key"))),
        None => Err(fault("job is missing")),
    }
}

//! The state: tables and their indexes, changed by ops alone.

use std::sync::Arc;

use aurora_api::model::{JobKey, JobUpdateKey, Range, ScheduleStatus, TaskConfig};
use uuid::Uuid;

use super::config::Millis;
use super::op::{AuditRecord, Op};
use configs::ConfigIndex;
use events::Notes;
use ids::task_uuid;
use index::hash_of_host;
use record::Past;

mod apply;
mod configs;
pub(crate) mod cow;
mod events;
mod ids;
mod index;
mod names;
mod record;
mod snapshot;
mod table;
mod tasks;
mod update;
mod view;

pub(crate) use cow::FastMap;
pub use events::{Event, Events, Note};
pub(crate) use ids::instance_of;
pub use ids::task_id;
pub(crate) use names::{NameId, Names, Trait, ValueId, values_in};
pub use record::{
    ConfigId, Cron, DEDICATED, Decided, Host, Job, Place, Pool, StoredConfig, Task, TaskId, Usage,
};
pub use snapshot::{SnapshotError, decode_snapshot, encode_snapshot};
pub use update::Update;
pub use view::View;

/// A place in the task table.
pub(crate) type Slot = u32;
/// A place in the job table.
pub(crate) type JobSlot = u32;

/// The state.
#[derive(Clone, Debug, Default)]
pub struct Store {
    view: View,
    notes: Notes,
    names: Names,
    free_tasks: Vec<Slot>,
    free_jobs: Vec<JobSlot>,
    config_users: FastMap<ConfigId, u32>,
    configs_by_value: ConfigIndex,
}

/// What an op changed, in order: what the event feed tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A task is new or changed.
    Task {
        /// Its id.
        id: TaskId,
        /// Its job.
        job: Arc<JobKey>,
    },
    /// A task is gone.
    TaskRemoved {
        /// Its id.
        id: TaskId,
        /// Its job; the job is gone with its last task.
        job: Arc<JobKey>,
    },
    /// A host's attributes or mode changed.
    Host(Arc<str>),
    /// A role's quota changed.
    Quota(String),
    /// The framework id is known.
    FrameworkId,
    /// A cron job is new, changed, decided about or gone.
    Cron(Arc<JobKey>),
    /// An update is new, or something happened in it.
    Update(Arc<JobUpdateKey>),
    /// An update is forgotten.
    UpdateRemoved(Arc<JobUpdateKey>),
    /// A host's request to be drained is new, changed or gone.
    Maintenance(Arc<str>),
    /// Somebody changed something.
    Audit(Arc<AuditRecord>),
}

/// Changes in order.
pub type Changes = Vec<Change>;

/// An op that does not fit the state: the log is not the one that made it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The task is not there.
    #[error("there is no task {0}")]
    NoTask(String),
    /// The configuration is not there.
    #[error("there is no configuration {}", .0.0)]
    NoConfig(ConfigId),
    /// A task or configuration of that id is there already.
    #[error("{0} is there already")]
    Duplicate(String),
    /// The instance has an active task already.
    #[error("instance {1} of {0} has an active task already")]
    InstanceTaken(JobKey, i32),
    /// The cron job is not there.
    #[error("there is no cron job {0}")]
    NoCron(JobKey),
    /// The update is not there.
    #[error("there is no update {0}")]
    NoUpdate(String),
    /// The host has no request to be drained.
    #[error("there is no request for maintenance of {0}")]
    NoMaintenance(String),
}

impl Store {
    /// A copy for readers; it does not see later changes. Costs a reference count for each table.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// The state, for reading.
    pub fn read(&self) -> &View {
        &self.view
    }

    /// Makes the change.
    ///
    /// # Errors
    /// The op does not fit the state; nothing or a part of it was done. Memory and log disagree: the process must end.
    pub fn apply(&mut self, op: &Op) -> Result<Changes, ApplyError> {
        let mut changes = Vec::new();
        self.apply_into(op, &mut changes)?;
        Ok(changes)
    }

    /// The numbers of hosts' attributes.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The id under which an equal configuration is stored.
    pub(crate) fn config_id(&self, config: &TaskConfig) -> Option<ConfigId> {
        self.config_of(self.configs_by_value.hash(config), config)
    }

    fn config_of(&self, hash: u64, config: &TaskConfig) -> Option<ConfigId> {
        let known = |id: &ConfigId| self.view.configs.get(id);
        self.configs_by_value.find(hash, config, known)
    }

    /// The id that the next new configuration gets.
    pub(crate) fn next_config_id(&self) -> ConfigId {
        ConfigId(self.view.next_config)
    }

    /// Says why tasks of a configuration wait. Not part of the durable state: it is found out again after a restart.
    pub(crate) fn set_reason(&mut self, config: ConfigId, reason: Option<Arc<str>>) {
        match reason {
            Some(reason) => self.view.reasons.insert(config, reason),
            None => self.view.reasons.remove(&config),
        };
    }

    pub(crate) fn apply_into(&mut self, op: &Op, changes: &mut Changes) -> Result<(), ApplyError> {
        match op {
            Op::SaveFrameworkId { id } => {
                self.view.framework_id = Some(id.as_str().into());
                changes.push(Change::FrameworkId);
            }
            Op::SaveScheduler { host } => self.view.scheduler = host.as_str().into(),
            Op::AddConfig { id, config } => self.add_config(*id, config)?,
            Op::InsertTasks {
                config,
                instances,
                seed,
                time,
            } => {
                self.insert_new(*config, instances, *seed, *time, changes)?;
            }
            Op::InsertReplacement {
                ancestor,
                seed,
                status,
                message,
                time,
            } => {
                let (_, old) = self.find(ancestor)?;
                let past = Past {
                    ancestor: Some(old.uuid),
                    failure_count: old.failure_count(),
                    times_partitioned: 0,
                };
                let (config, instance) = (Arc::clone(&old.config), old.instance);
                let event = self.event(*time, *status, Some(message));
                let uuid = task_uuid(instance, *seed);
                let mut task = Task::new(uuid, config, instance, event);
                task.past = Some(Box::new(past));
                self.insert(task, changes)?;
            }
            Op::SaveStatus {
                task,
                status,
                message,
                time,
            } => {
                let event = self.event(*time, *status, message.as_deref());
                self.change(task, event, changes, |_| {})?;
            }
            Op::CountFailure { task } => {
                let (slot, _) = self.find(task)?;
                if let Some(task) = self.view.tasks.get_mut(slot) {
                    let past = task.past.get_or_insert_default();
                    past.failure_count = past.failure_count.saturating_add(1);
                }
            }
            Op::Assign {
                task,
                agent,
                host,
                ports,
                time,
            } => {
                let mut bound: Vec<(Arc<str>, i32)> = ports
                    .iter()
                    .map(|(name, port)| (name.as_str().into(), *port))
                    .collect();
                bound.sort();
                let place = self.view.shared_place(agent, host);
                let host = hash_of_host(host);
                let event = self.event(*time, ScheduleStatus::Assigned, None);
                let slot = self.change(task, event, changes, |task| {
                    task.place = Some(place);
                    task.ports = bound.into();
                })?;
                self.view.host_tasks.insert(host, slot);
            }
            Op::RemoveTasks { tasks } => self.remove(tasks, changes)?,
            Op::SaveQuota { role, quota } => {
                Arc::make_mut(&mut self.view.quotas).insert(role.clone(), quota.clone());
                changes.push(Change::Quota(role.clone()));
            }
            Op::SaveHost { attributes } => {
                let host: Arc<str> = attributes.host.as_str().into();
                let record = Arc::new(Host {
                    name: Arc::clone(&host),
                    traits: self.names.traits(attributes),
                    attributes: Arc::clone(attributes),
                });
                self.view.hosts.insert(Arc::clone(&host), record);
                self.view.host_changes += 1;
                changes.push(Change::Host(host));
            }
            Op::SaveCron { job } => self.save_cron(job, changes),
            Op::RemoveCron { key } => self.remove_cron(key, changes)?,
            Op::CronDecided {
                key,
                minute,
                outcome,
            } => {
                let (minute, outcome) = (*minute, *outcome);
                self.decide_cron(key, Decided { minute, outcome }, changes)?;
            }
            Op::SaveUpdate { update } => {
                self.save_update(Update::new(Arc::clone(update)), changes)?;
            }
            Op::UpdateEvent { key, event } => {
                self.change_update(key, changes, |update| update.push(event.clone()))?;
            }
            Op::UpdateInstances {
                key,
                acts,
                kills,
                message,
                time,
            } => {
                self.change_update(key, changes, |update| update.did(acts, *time))?;
                for task in kills {
                    let event = self.event(*time, ScheduleStatus::Killing, message.as_deref());
                    self.change(task, event, changes, |_| {})?;
                }
            }
            Op::Supersede {
                task,
                status,
                message,
                config,
                seed,
                time,
            } => {
                let instance = self.find(task)?.1.instance;
                let event = self.event(*time, *status, message.as_deref());
                self.change(task, event, changes, |_| {})?;
                let place = Range {
                    first: instance,
                    last: instance,
                };
                self.insert_new(*config, &[place], *seed, *time, changes)?;
            }
            Op::RemoveUpdates { keys } => {
                for key in keys {
                    self.remove_update(key, changes)?;
                }
            }
            Op::SaveMaintenance { request } => self.save_maintenance(request, changes),
            Op::RemoveMaintenance { host } => self.remove_maintenance(host, changes)?,
            Op::Audit { record } => self.remember(record, changes),
        }
        Ok(())
    }

    fn event(&mut self, time: Millis, status: ScheduleStatus, message: Option<&str>) -> Event {
        let message = message.map(Arc::from);
        let note = self.notes.note(status, message, &self.view.scheduler);
        Event::new(time, note)
    }

    fn config(&self, id: ConfigId) -> Result<Arc<StoredConfig>, ApplyError> {
        let config = self.view.configs.get(&id).ok_or(ApplyError::NoConfig(id))?;
        Ok(Arc::clone(config))
    }

    fn find(&self, id: &str) -> Result<(Slot, &Task), ApplyError> {
        self.view
            .find(id)
            .ok_or_else(|| ApplyError::NoTask(id.to_owned()))
    }

    fn add_config(&mut self, id: ConfigId, config: &Arc<TaskConfig>) -> Result<(), ApplyError> {
        let hash = self.configs_by_value.hash(config);
        if self.view.configs.get(&id).is_some() || self.config_of(hash, config).is_some() {
            return Err(ApplyError::Duplicate(format!("configuration {}", id.0)));
        }
        self.view.next_config = self.view.next_config.max(id.0.saturating_add(1));
        let record = Arc::new(StoredConfig::new(id, Arc::clone(config)));
        self.view.configs.insert(id, record);
        self.configs_by_value.insert(hash, id);
        Ok(())
    }

    /// Lets an event change a task's state, with everything that hangs on it; the task's place in the table.
    fn change(
        &mut self,
        id: &TaskId,
        event: Event,
        changes: &mut Changes,
        before: impl FnOnce(&mut Task),
    ) -> Result<Slot, ApplyError> {
        let (slot, _) = self.find(id)?;
        let Some(task) = self.view.tasks.get_mut(slot) else {
            return Err(ApplyError::NoTask(id.to_string()));
        };
        let time = event.time;
        let old = task.status;
        before(task);
        task.enter(event);
        let (new, instance, config) = (task.status, task.instance, Arc::clone(&task.config));
        if old.is_active() != new.is_active() {
            let sign = if new.is_active() { 1 } else { -1 };
            self.view.charge_config(&config, sign);
        }
        let moved = old.is_agent_assigned() != new.is_agent_assigned();
        self.view.placements += u64::from(moved);
        let placements = self.view.placements;
        let job_slot = self.view.job_keys.get(&config.task.job).copied();
        if let Some(job) = job_slot.and_then(|slot| self.view.job_mut(slot)) {
            job.counts[old as usize] -= 1;
            job.counts[new as usize] += 1;
            if moved {
                job.placements = placements;
            }
            job.changed = job.changed.max(time);
            if old.is_active() != new.is_active() {
                job.take(old, instance, slot);
                job.put(new, instance, slot);
            }
            changes.push(Change::Task {
                id: Arc::clone(id),
                job: Arc::clone(&job.key),
            });
        }
        Ok(slot)
    }

    /// Sets a job's time of change, which a snapshot keeps because removed tasks take part in it.
    pub(crate) fn set_job_changed(&mut self, key: &JobKey, changed: Millis) {
        if let Some(slot) = self.view.job_keys.get(key).copied()
            && let Some(job) = self.view.job_mut(slot)
        {
            job.changed = changed;
        }
    }
}

impl Task {
    fn new(uuid: Uuid, config: Arc<StoredConfig>, instance: i32, event: Event) -> Task {
        Task {
            uuid,
            config,
            place: None,
            ports: Box::default(),
            past: None,
            instance,
            status: event.status,
            events: Events::new(event),
        }
    }

    /// Enters a state. A task that goes back and forth between a state and PARTITIONED keeps one pair of events, so that a
    /// flaky network does not grow the record without end (aurora: `StateManagerImpl`, `PARTITIONED`).
    fn enter(&mut self, event: Event) {
        self.status = event.status;
        if self.status == ScheduleStatus::Partitioned {
            let past = self.past.get_or_insert_default();
            past.times_partitioned = past.times_partitioned.saturating_add(1);
            if let [.., third, second, last] = &*self.events
                && second.status == ScheduleStatus::Partitioned
                && third.status == last.status
            {
                self.events.truncate(self.events.len() - 2);
            }
        }
        self.events.push(event);
    }
}

impl Job {
    /// The active task of an instance.
    pub(crate) fn active_slot(&self, instance: i32) -> Option<Slot> {
        let at = self
            .active
            .binary_search_by_key(&instance, |(instance, _)| *instance)
            .ok()?;
        Some(self.active[at].1)
    }

    fn put(&mut self, status: ScheduleStatus, instance: i32, slot: Slot) {
        if status.is_active() {
            let at = self
                .active
                .partition_point(|entry| *entry < (instance, slot));
            self.active.insert(at, (instance, slot));
        } else {
            self.terminal.push(slot);
        }
    }

    fn take(&mut self, status: ScheduleStatus, instance: i32, slot: Slot) {
        if status.is_active() {
            if let Ok(at) = self.active.binary_search(&(instance, slot)) {
                self.active.remove(at);
            }
        } else {
            self.terminal.retain(|other| *other != slot);
        }
    }
}

//! Tasks that come and go: the tables and every index that knows of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurora_api::model::{JobKey, Range, ScheduleStatus};

use super::cow::CowVec;
use super::ids::IdText;
use super::index::{hash_of_host, hash_of_uuid};
use super::record::{Role, STATUSES};
use super::{
    ApplyError, Change, Changes, ConfigId, Job, JobSlot, Slot, Store, StoredConfig, Task, TaskId,
    task_id, task_uuid,
};
use crate::core::config::Millis;

/// So many new tasks of a job each go to their place in its order; with more the order is made again.
const FEW: usize = 8;

/// For so many new tasks at a time the index is read ahead.
const AHEAD: usize = 16;

/// What tasks of one configuration that go leave to be done once for all of them.
#[derive(Default)]
struct Leaving {
    slots: Vec<Slot>,
    counts: [u32; STATUSES],
    active: u32,
}

impl Store {
    /// New pending tasks of one configuration. What concerns them all is done once.
    pub(super) fn insert_new(
        &mut self,
        config: ConfigId,
        instances: &[Range],
        seed: u128,
        time: Millis,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let config = self.config(config)?;
        let key = &config.task.job;
        let event = self.event(time, ScheduleStatus::Pending, None);
        let job_slot = self.job_slot(key);
        let all = || instances.iter().flat_map(|range| range.first..=range.last);
        let Some(job) = self.view.job_at(job_slot) else {
            return Ok(());
        };
        let job_key = Arc::clone(&job.key);
        if let Some(taken) = all().find(|instance| job.active_slot(*instance).is_some()) {
            return Err(self.taken(&task_id(key, taken, seed), key, taken));
        }
        let mut added: Vec<(i32, Slot)> = Vec::with_capacity(all().count());
        let mut ids = IdText::of(&config.id_prefix);
        changes.reserve(added.capacity());
        let mut ahead = all().map(|instance| hash_of_uuid(task_uuid(instance, seed)));
        for (at, instance) in all().enumerate() {
            if at % AHEAD == 0 {
                self.view.ids.read_ahead(ahead.by_ref().take(AHEAD));
            }
            let uuid = task_uuid(instance, seed);
            let task = Task::new(uuid, Arc::clone(&config), instance, event.clone());
            added.push((instance, self.place(task)?));
            changes.push(Change::Task {
                id: ids.with(instance, uuid),
                job: Arc::clone(&job_key),
            });
        }
        let count = added.len() as u32;
        *self.config_users.entry(config.id).or_default() += count;
        self.view.charge_config(&config, i64::from(count));
        if let Some(job) = self.view.job_mut(job_slot) {
            job.counts[ScheduleStatus::Pending as usize] += count;
            job.changed = job.changed.max(time);
            if added.len() <= FEW {
                for (instance, slot) in added {
                    job.put(ScheduleStatus::Pending, instance, slot);
                }
            } else {
                job.active.extend(added);
                // Runs that are in order each are merged by the stable sort, and not sorted anew.
                job.active.sort();
            }
        }
        Ok(())
    }

    /// Puts a task of whatever state into the tables.
    pub(crate) fn insert(&mut self, task: Task, changes: &mut Changes) -> Result<(), ApplyError> {
        let job_slot = self.job_slot(task.job());
        let (status, instance, time) = (task.status, task.instance, task.last_event_time());
        let job = self.view.job_at(job_slot);
        if status.is_active() && job.is_some_and(|job| job.active_slot(instance).is_some()) {
            return Err(self.taken(&task.id(), task.job(), instance));
        }
        let (id, config) = (task.id(), Arc::clone(&task.config));
        let host = task.host().map(hash_of_host);
        let slot = self.place(task)?;
        *self.config_users.entry(config.id).or_default() += 1;
        if let Some(host) = host {
            self.view.host_tasks.insert(host, slot);
        }
        if status.is_active() {
            self.view.charge_config(&config, 1);
        }
        if let Some(job) = self.view.job_mut(job_slot) {
            job.counts[status as usize] += 1;
            job.changed = job.changed.max(time);
            job.put(status, instance, slot);
            changes.push(Change::Task {
                id,
                job: Arc::clone(&job.key),
            });
        }
        Ok(())
    }

    /// Why a task cannot be active beside the one that its instance has: perhaps it is that one.
    fn taken(&self, id: &TaskId, job: &JobKey, instance: i32) -> ApplyError {
        match self.view.find(id) {
            Some(_) => ApplyError::Duplicate(format!("task {id}")),
            None => ApplyError::InstanceTaken(job.clone(), instance),
        }
    }

    /// Gives a task a place in the table.
    fn place(&mut self, task: Task) -> Result<Slot, ApplyError> {
        let slot = match self.free_tasks.last() {
            Some(slot) => *slot,
            None => self.view.tasks.len() as Slot,
        };
        let is_same = |slot| {
            let other = self.view.task_at(slot);
            other.is_some_and(|other| {
                (other.uuid, other.instance) == (task.uuid, task.instance)
                    && other.config.id_prefix == task.config.id_prefix
            })
        };
        let hash = hash_of_uuid(task.uuid);
        if self.view.ids.slots(hash).any(is_same) {
            return Err(ApplyError::Duplicate(format!("task {}", task.id())));
        }
        self.view.ids.insert(hash, slot);
        self.free_tasks.pop();
        self.view.tasks.put(slot, task);
        Ok(slot)
    }

    /// The job of a key, made if it is not there.
    fn job_slot(&mut self, key: &JobKey) -> JobSlot {
        if let Some(slot) = self.view.job_keys.get(key) {
            return *slot;
        }
        let slot = match self.free_jobs.pop() {
            Some(slot) => slot,
            None => {
                self.view.jobs.push(None);
                (self.view.jobs.len() - 1) as JobSlot
            }
        };
        let key = Arc::new(key.clone());
        if self.view.roles.get(key.role.as_str()).is_none() {
            let role = Role {
                jobs: CowVec::default(),
                usage: Default::default(),
            };
            self.view
                .roles
                .insert(key.role.as_str().into(), Arc::new(role));
        }
        let mut role_position = 0;
        if let Some(role) = self.view.roles.get_mut(key.role.as_str()) {
            let role = Arc::make_mut(role);
            role_position = role.jobs.len();
            role.jobs.push(slot);
        }
        self.view.job_keys.insert(Arc::clone(&key), slot);
        let job = Job {
            key,
            active: Vec::new(),
            terminal: Vec::new(),
            counts: [0; STATUSES],
            changed: 0,
            role_position,
            placements: 0,
        };
        if let Some(place) = self.view.jobs.get_mut(slot as usize) {
            *place = Some(Arc::new(job));
        }
        slot
    }

    /// Takes tasks out of the tables. What concerns all tasks of a configuration is done once.
    pub(super) fn remove(
        &mut self,
        ids: &[TaskId],
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let mut leaving: BTreeMap<ConfigId, (Arc<StoredConfig>, Arc<JobKey>, Leaving)> =
            BTreeMap::new();
        for id in ids {
            let missing = || ApplyError::NoTask(id.to_string());
            let (slot, _) = self.view.find(id).ok_or_else(missing)?;
            let task = self.view.tasks.take(slot).ok_or_else(missing)?;
            self.view.ids.remove(hash_of_uuid(task.uuid), slot);
            self.free_tasks.push(slot);
            if let Some(host) = task.host() {
                self.view.host_tasks.remove(hash_of_host(host), slot);
            }
            let entry = leaving.entry(task.config.id).or_insert_with(|| {
                let key = self.view.job(task.job()).map(|job| Arc::clone(&job.key));
                let key = key.unwrap_or_else(|| Arc::new(task.job().clone()));
                (Arc::clone(&task.config), key, Leaving::default())
            });
            changes.push(Change::TaskRemoved {
                id: Arc::clone(id),
                job: Arc::clone(&entry.1),
            });
            let of_config = &mut entry.2;
            of_config.slots.push(slot);
            of_config.counts[task.status as usize] += 1;
            of_config.active += u32::from(task.status.is_active());
        }
        for (config, key, mut of_config) in leaving.into_values() {
            self.view
                .charge_config(&config, -i64::from(of_config.active));
            self.release_config(&config, of_config.slots.len() as u32);
            let Some(job_slot) = self.view.job_keys.get(&*key).copied() else {
                continue;
            };
            self.view.placements += 1;
            let placements = self.view.placements;
            let Some(job) = self.view.job_mut(job_slot) else {
                continue;
            };
            of_config.slots.sort_unstable();
            let goes = |slot: &Slot| of_config.slots.binary_search(slot).is_ok();
            job.placements = placements;
            for (count, gone) in job.counts.iter_mut().zip(of_config.counts) {
                *count -= gone;
            }
            if of_config.active > 0 {
                job.active.retain(|(_, slot)| !goes(slot));
            }
            job.terminal.retain(|slot| !goes(slot));
            if job.task_count() == 0 {
                self.remove_job(job_slot);
            }
        }
        Ok(())
    }

    /// Some tasks of a configuration are gone.
    fn release_config(&mut self, config: &StoredConfig, tasks: u32) {
        let users = self.config_users.entry(config.id).or_default();
        *users = users.saturating_sub(tasks);
        if *users == 0 {
            self.config_users.remove(&config.id);
            self.view.configs.remove(&config.id);
            self.view.reasons.remove(&config.id);
            let hash = self.configs_by_value.hash(&config.task);
            self.configs_by_value.remove(hash, config.id);
        }
    }

    fn remove_job(&mut self, slot: JobSlot) {
        let Some(job) = self.view.jobs.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        self.free_jobs.push(slot);
        self.view.job_keys.remove(&*job.key);
        let Some(role) = self.view.roles.get_mut(job.key.role.as_str()) else {
            return;
        };
        let role = Arc::make_mut(role);
        role.jobs.swap_remove(job.role_position);
        let moved = role.jobs.get(job.role_position).copied();
        if role.jobs.len() == 0 {
            self.view.roles.remove(job.key.role.as_str());
        }
        if let Some(moved) = moved.and_then(|slot| self.view.job_mut(slot)) {
            moved.role_position = job.role_position;
        }
    }
}

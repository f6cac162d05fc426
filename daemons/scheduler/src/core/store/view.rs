//! The tables as readers see them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use aurora_api::model::{
    HostMaintenanceRequest, JobKey, JobUpdateKey, ResourceAggregate, ScheduleStatus, TaskQuery,
};

use super::cow::{CowMap, CowVec};
use super::ids::split;
use super::index::{SlotIndex, hash_of_host, hash_of_uuid};
use super::record::{Place, Role};
use super::table::Table;
use super::{ConfigId, Cron, Host, Job, JobSlot, Pool, Slot, StoredConfig, Task, Update, Usage};
use crate::core::op::AuditRecord;

/// The state at one moment. A clone shares all pages with the original.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub(super) tasks: Table,
    /// Tasks by UUID.
    pub(super) ids: SlotIndex,
    pub(super) jobs: CowVec<Option<Arc<Job>>>,
    pub(super) job_keys: CowMap<Arc<JobKey>, JobSlot>,
    pub(super) roles: CowMap<Arc<str>, Arc<Role>>,
    pub(super) hosts: CowMap<Arc<str>, Arc<Host>>,
    /// Tasks that were put on a host, by its name.
    pub(super) host_tasks: SlotIndex,
    pub(super) configs: CowMap<ConfigId, Arc<StoredConfig>>,
    pub(super) next_config: u64,
    pub(super) quotas: Arc<BTreeMap<String, ResourceAggregate>>,
    pub(super) crons: Arc<BTreeMap<Arc<JobKey>, Cron>>,
    /// A job's updates, oldest first.
    pub(super) updates: CowMap<Arc<JobKey>, Arc<Vec<Arc<Update>>>>,
    /// The jobs that have an active update.
    pub(super) updating: Arc<BTreeSet<Arc<JobKey>>>,
    pub(super) maintenance: Arc<BTreeMap<Arc<str>, Arc<HostMaintenanceRequest>>>,
    pub(super) audit: Arc<VecDeque<Arc<AuditRecord>>>,
    pub(super) framework_id: Option<Arc<str>>,
    pub(super) scheduler: Arc<str>,
    pub(super) reasons: CowMap<ConfigId, Arc<str>>,
    /// Counts tasks that come to agents or leave them.
    pub(super) placements: u64,
    /// Counts changes of hosts.
    pub(super) host_changes: u64,
}

impl View {
    /// How many tasks are stored.
    pub fn task_count(&self) -> usize {
        self.ids.len()
    }

    /// The task of this id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.find(id).map(|(_, task)| task)
    }

    /// The tasks that a query selects, in no particular order; offset and limit are not applied (aurora: `TaskStore`,
    /// `Query.java`).
    pub fn tasks<'a>(&'a self, query: &'a TaskQuery) -> Box<dyn Iterator<Item = &'a Task> + 'a> {
        let ids = query.task_ids.as_ref().filter(|ids| !ids.is_empty());
        if let Some(ids) = ids {
            let tasks = ids.iter().filter_map(|id| self.task(id));
            return Box::new(tasks.filter(|task| matches(query, task)));
        }
        let hosts = query.slave_hosts.as_ref().filter(|hosts| !hosts.is_empty());
        if let Some(hosts) = hosts {
            let tasks = hosts.iter().flat_map(|host| self.tasks_on_host(host));
            return Box::new(tasks.filter(|task| matches(query, task)));
        }
        if *query == TaskQuery::default() {
            return Box::new(self.slots().map(|(_, task)| task));
        }
        let jobs = self
            .jobs_of_query(query)
            .filter(|job| job_may_match(query, job));
        let instances = query.instance_ids.as_ref().filter(|ids| !ids.is_empty());
        if let Some(instances) = instances {
            let tasks = jobs.flat_map(|job| {
                let active = instances
                    .iter()
                    .filter_map(|instance| job.active_slot(*instance));
                let slots = active.chain(job.terminal.iter().copied());
                slots.filter_map(|slot| self.task_at(slot))
            });
            return Box::new(tasks.filter(|task| matches(query, task)));
        }
        Box::new(
            jobs.flat_map(|job| self.tasks_of_job(job))
                .filter(|task| matches(query, task)),
        )
    }

    fn jobs_of_query<'a>(&'a self, query: &'a TaskQuery) -> Box<dyn Iterator<Item = &'a Job> + 'a> {
        if let Some(keys) = query.job_keys.as_ref().filter(|keys| !keys.is_empty()) {
            return Box::new(keys.iter().filter_map(|key| self.job(key)));
        }
        let role = query.role.as_deref().filter(|role| !role.trim().is_empty());
        match (role, &query.environment, &query.job_name) {
            (Some(role), Some(environment), Some(name)) => {
                Box::new(self.job(&JobKey::new(role, environment, name)).into_iter())
            }
            (Some(role), _, _) => Box::new(self.jobs_of_role(role)),
            (None, _, _) => Box::new(self.jobs()),
        }
    }

    /// Every job that has tasks, ended ones included.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().flatten().map(|job| &**job)
    }

    /// The job of this key.
    pub fn job(&self, key: &JobKey) -> Option<&Job> {
        self.job_at(*self.job_keys.get(key)?)
    }

    /// The jobs of a role.
    pub fn jobs_of_role(&self, role: &str) -> impl Iterator<Item = &Job> {
        let slots = self
            .roles
            .get(role)
            .into_iter()
            .flat_map(|role| role.jobs.iter());
        slots.filter_map(|slot| self.job_at(*slot))
    }

    /// The roles that have jobs, with how many.
    pub fn roles(&self) -> impl Iterator<Item = (&str, usize)> {
        self.roles
            .iter()
            .map(|(name, role)| (&**name, role.jobs.len()))
    }

    /// A job's tasks: the active ones by instance, then those that ended.
    pub fn tasks_of_job<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a Task> {
        let slots = job
            .active
            .iter()
            .map(|(_, slot)| *slot)
            .chain(job.terminal.iter().copied());
        slots.filter_map(|slot| self.task_at(slot))
    }

    /// A job's active tasks by instance.
    pub fn active_tasks<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a Task> {
        job.active
            .iter()
            .filter_map(|(_, slot)| self.task_at(*slot))
    }

    /// A job's tasks that ended, in the order in which they did.
    pub fn ended_tasks<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a Task> {
        job.terminal.iter().filter_map(|slot| self.task_at(*slot))
    }

    /// The active task of one instance.
    pub fn active_task(&self, job: &JobKey, instance: i32) -> Option<&Task> {
        self.task_at(self.job(job)?.active_slot(instance)?)
    }

    /// Tasks that were put on a host, ended ones included, in the order in which they came.
    pub fn tasks_on_host(&self, host: &str) -> impl DoubleEndedIterator<Item = &Task> {
        let slots = self.host_tasks.slots(hash_of_host(host));
        let tasks = slots.filter_map(|slot| self.task_at(slot));
        tasks.filter(move |task| task.host() == Some(host))
    }

    /// Reads what [`View::tasks_on_host`] will read first of each of some hosts.
    pub(crate) fn read_ahead<'a>(&self, hosts: impl Iterator<Item = &'a str>) {
        self.host_tasks.read_ahead(hosts.map(hash_of_host));
    }

    /// Every host that ever offered.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().map(|(_, host)| &**host)
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.host_record(name).map(|host| &**host)
    }

    /// The host of this name, to be shared.
    pub(crate) fn host_record(&self, name: &str) -> Option<&Arc<Host>> {
        self.hosts.get(name)
    }

    /// A role's quota.
    pub fn quota(&self, role: &str) -> Option<&ResourceAggregate> {
        self.quotas.get(role)
    }

    /// All quotas.
    pub fn quotas(&self) -> &BTreeMap<String, ResourceAggregate> {
        &self.quotas
    }

    /// A cron job.
    pub fn cron(&self, key: &JobKey) -> Option<&Cron> {
        self.crons.get(key)
    }

    /// All cron jobs by key.
    pub fn crons(&self) -> impl Iterator<Item = &Cron> {
        self.crons.values()
    }

    /// The cron jobs of a role by key.
    pub fn crons_of_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Cron> {
        let from = self.crons.range(JobKey::new(role, "", "")..);
        from.map(|(_, cron)| cron)
            .take_while(move |cron| cron.job.key.role == role)
    }

    /// An update.
    pub fn update(&self, key: &JobUpdateKey) -> Option<&Update> {
        self.updates_of_job(&key.job)
            .find(|update| update.key().id == key.id)
    }

    /// A job's updates, oldest first.
    pub fn updates_of_job(&self, job: &JobKey) -> impl DoubleEndedIterator<Item = &Update> {
        let updates = self.updates.get(job).map_or(&[][..], |updates| updates);
        updates.iter().map(|update| &**update)
    }

    /// All updates, a job's ones oldest first.
    pub fn updates(&self) -> impl Iterator<Item = &Update> {
        let lists = self.updates.iter().flat_map(|(_, updates)| updates.iter());
        lists.map(|update| &**update)
    }

    /// The job's active update; there is at most one.
    pub fn active_update(&self, job: &JobKey) -> Option<&Update> {
        self.updates_of_job(job)
            .rev()
            .find(|update| update.is_active())
    }

    /// Every active update by job.
    pub fn active_updates(&self) -> impl Iterator<Item = &Update> {
        self.updating
            .iter()
            .filter_map(|job| self.active_update(job))
    }

    /// The active updates of a role by job.
    pub fn active_updates_of_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Update> {
        let from = self.updating.range(JobKey::new(role, "", "")..);
        from.take_while(move |job| job.role == role)
            .filter_map(|job| self.active_update(job))
    }

    /// What was asked for a host that is to be drained.
    pub fn maintenance_request(&self, host: &str) -> Option<&HostMaintenanceRequest> {
        self.maintenance.get(host).map(|request| &**request)
    }

    /// All requests for hosts to be drained, by host.
    pub fn maintenance_requests(&self) -> impl Iterator<Item = &HostMaintenanceRequest> {
        self.maintenance.values().map(|request| &**request)
    }

    /// The latest changes that somebody made, oldest first.
    pub fn audit(&self) -> impl DoubleEndedIterator<Item = &Arc<AuditRecord>> {
        self.audit.iter()
    }

    /// What a role's active tasks use in a pool.
    pub fn usage(&self, role: &str, pool: Pool) -> Usage {
        self.roles
            .get(role)
            .map_or(Usage::default(), |role| role.usage[pool as usize])
    }

    /// The framework id, once the master has given one.
    pub fn framework_id(&self) -> Option<&str> {
        self.framework_id.as_deref()
    }

    /// The framework id, to be shared.
    pub(crate) fn framework(&self) -> Option<Arc<str>> {
        self.framework_id.as_ref().map(Arc::clone)
    }

    /// The name that new task events carry as their scheduler.
    pub fn scheduler(&self) -> &str {
        &self.scheduler
    }

    /// A stored configuration.
    pub fn config(&self, id: ConfigId) -> Option<&Arc<StoredConfig>> {
        self.configs.get(&id)
    }

    /// All stored configurations.
    pub fn configs(&self) -> impl Iterator<Item = &Arc<StoredConfig>> {
        self.configs.iter().map(|(_, config)| config)
    }

    /// Why a pending task waits: the nearest fit's vetoes joined by commas; `None` when it was not tried yet.
    pub fn pending_reason(&self, task: &str) -> Option<Arc<str>> {
        let task = self.task(task)?;
        if task.status != ScheduleStatus::Pending {
            return None;
        }
        self.reasons.get(&task.config.id).map(Arc::clone)
    }

    /// A pair that changes whenever the job's tasks on agents, or any host, do. Not durable.
    pub(crate) fn placements(&self, job: &JobKey) -> (u64, u64) {
        let placements = self.job(job).map_or(0, |job| job.placements);
        (placements, self.host_changes)
    }

    pub(crate) fn find(&self, id: &str) -> Option<(Slot, &Task)> {
        let (head, uuid) = split(id)?;
        let is_meant = |slot: &Slot| {
            self.task_at(*slot)
                .is_some_and(|task| task.is_named(head, uuid))
        };
        let slot = self.ids.slots(hash_of_uuid(uuid)).find(is_meant)?;
        Some((slot, self.task_at(slot)?))
    }

    /// Every task with its place in the table, in the order of memory.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot, &Task)> {
        self.tasks.iter()
    }

    pub(crate) fn task_at(&self, slot: Slot) -> Option<&Task> {
        self.tasks.get(slot)
    }

    pub(super) fn job_at(&self, slot: JobSlot) -> Option<&Job> {
        self.jobs.get(slot as usize)?.as_deref()
    }

    pub(super) fn job_mut(&mut self, slot: JobSlot) -> Option<&mut Job> {
        self.jobs
            .get_mut(slot as usize)?
            .as_mut()
            .map(Arc::make_mut)
    }

    pub(super) fn charge_config(&mut self, config: &StoredConfig, times: i64) {
        if let Some(role) = self.roles.get_mut(config.task.job.role.as_str()) {
            let usage = &mut Arc::make_mut(role).usage[config.pool as usize];
            *usage = usage.plus(&config.usage, times);
        }
    }

    /// An agent and its host as another task there has them already: one record for all.
    pub(super) fn shared_place(&self, agent: &Arc<str>, host: &Arc<str>) -> Arc<Place> {
        let neighbour = self.tasks_on_host(host).next_back();
        let neighbour = neighbour.and_then(|task| task.place.as_ref());
        let place = Place {
            agent: Arc::clone(agent),
            host: Arc::clone(host),
        };
        match neighbour {
            Some(known) if **known == place => Arc::clone(known),
            _ => Arc::new(place),
        }
    }
}

/// Whether any of the job's tasks can be among the wanted: spares iterating jobs without a task in the wanted states.
fn job_may_match(query: &TaskQuery, job: &Job) -> bool {
    let role = query.role.as_deref().filter(|role| !role.trim().is_empty());
    role.is_none_or(|role| role == job.key.role)
        && query
            .environment
            .as_ref()
            .is_none_or(|name| *name == job.key.environment)
        && query
            .job_name
            .as_ref()
            .is_none_or(|name| *name == job.key.name)
        && query.statuses.as_ref().is_none_or(|wanted| {
            wanted.is_empty() || wanted.iter().any(|status| job.count(*status) > 0)
        })
}

fn matches(query: &TaskQuery, task: &Task) -> bool {
    fn holds<T: Ord>(
        set: &Option<std::collections::BTreeSet<T>>,
        has: impl FnOnce(&std::collections::BTreeSet<T>) -> bool,
    ) -> bool {
        set.as_ref().is_none_or(|set| set.is_empty() || has(set))
    }
    let job = task.job();
    let role = query.role.as_deref().filter(|role| !role.trim().is_empty());
    role.is_none_or(|role| role == job.role)
        && query
            .environment
            .as_ref()
            .is_none_or(|name| *name == job.environment)
        && query.job_name.as_ref().is_none_or(|name| *name == job.name)
        && holds(&query.statuses, |set| set.contains(&task.status))
        && holds(&query.instance_ids, |set| set.contains(&task.instance))
        && holds(&query.slave_hosts, |set| {
            task.host().is_some_and(|host| set.contains(host))
        })
        && holds(&query.task_ids, |set| set.contains(&*task.id()))
        && holds(&query.job_keys, |set| set.contains(job))
}

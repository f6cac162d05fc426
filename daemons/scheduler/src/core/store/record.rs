//! The records of the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aurora_api::model::{
    AssignedTask, HostAttributes, JobConfiguration, JobKey, Resource, ScheduleStatus,
    ScheduledTask, TaskConfig,
};
use aurora_api::resources::Amounts;
use uuid::Uuid;

use super::cow::CowVec;
use super::events::{Event, Events};
use super::ids::{IdParts, IdText, id_prefix, instance_in};
use super::{JobSlot, NameId, Slot, Trait};
use crate::core::config::Millis;
use crate::core::op::CronOutcome;

/// A task's id, as Mesos and the API know it.
pub type TaskId = Arc<str>;

/// Names a stored configuration; equal configurations have equal ids for as long as one of them is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigId(pub u64);

/// A task.
///
/// A million of these are kept, so that what is the same for many tasks is shared, and what few tasks have takes no room in
/// the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The part of its id that its configuration and instance do not tell.
    pub(super) uuid: Uuid,
    /// Its configuration, shared with the tasks that have the same.
    pub config: Arc<StoredConfig>,
    /// Where it is, once assigned; shared with its neighbours.
    pub(super) place: Option<Arc<Place>>,
    /// What happened to it.
    pub events: Events,
    /// Ports by name, sorted by name.
    pub ports: Box<[(Arc<str>, i32)]>,
    pub(super) past: Option<Box<Past>>,
    /// Instance of the job.
    pub instance: i32,
    /// State.
    pub status: ScheduleStatus,
}

/// Where tasks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Agent id.
    pub agent: Arc<str>,
    /// Host name.
    pub host: Arc<str>,
}

/// What a task has behind it, if all did not go well from the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Past {
    /// The UUID of the task that it replaced: same configuration, same instance.
    pub(super) ancestor: Option<Uuid>,
    pub(super) failure_count: i32,
    pub(super) times_partitioned: i32,
}

impl Task {
    /// Its id.
    pub fn id(&self) -> TaskId {
        IdText::of(&self.config.id_prefix).with(self.instance, self.uuid)
    }

    /// What tells its id from those of other tasks of its instance, in the same order.
    pub(crate) fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Compares ids without making them.
    pub(crate) fn cmp_ids(&self, other: &Task) -> std::cmp::Ordering {
        let parts = |task: &Task| IdParts::of(task.instance, task.uuid);
        let (own, others) = (parts(self), parts(other));
        let prefix = self.config.id_prefix.bytes();
        let other_prefix = other.config.id_prefix.bytes();
        prefix
            .chain(own.bytes())
            .cmp(other_prefix.chain(others.bytes()))
    }

    /// Whether its id is this before a UUID, and this UUID.
    pub(super) fn is_named(&self, head: &str, uuid: Uuid) -> bool {
        self.uuid == uuid && instance_in(head, &self.config.id_prefix) == Some(self.instance)
    }

    /// The id of the task that it replaced.
    pub fn ancestor(&self) -> Option<TaskId> {
        let uuid = self.past.as_ref()?.ancestor?;
        Some(IdText::of(&self.config.id_prefix).with(self.instance, uuid))
    }

    /// Failures so far, those of its ancestors included.
    pub fn failure_count(&self) -> i32 {
        self.past.as_ref().map_or(0, |past| past.failure_count)
    }

    /// How often its agent became unreachable.
    pub fn times_partitioned(&self) -> i32 {
        self.past.as_ref().map_or(0, |past| past.times_partitioned)
    }

    /// Where it is, once assigned.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// Agent id, once assigned.
    pub fn agent(&self) -> Option<&str> {
        self.place().map(|place| &*place.agent)
    }

    /// Host name, once assigned.
    pub fn host(&self) -> Option<&str> {
        self.place().map(|place| &*place.host)
    }

    /// The job.
    pub fn job(&self) -> &JobKey {
        &self.config.task.job
    }

    /// Time of the last event.
    pub fn last_event_time(&self) -> Millis {
        self.events.last().map_or(0, |event| event.time)
    }

    /// Where the task is and what it is, for the executor and the API.
    pub fn to_assigned(&self) -> AssignedTask {
        let ports = self.ports.iter();
        AssignedTask {
            task_id: self.id().to_string(),
            slave_id: self.agent().map(str::to_owned),
            slave_host: self.host().map(str::to_owned),
            task: (*self.config.task).clone(),
            assigned_ports: ports
                .map(|(name, port)| (name.to_string(), *port))
                .collect::<BTreeMap<_, _>>(),
            instance_id: self.instance,
        }
    }

    /// The record in the API's form.
    pub fn to_thrift(&self) -> ScheduledTask {
        ScheduledTask {
            assigned_task: self.to_assigned(),
            status: self.status,
            failure_count: self.failure_count(),
            times_partitioned: self.times_partitioned(),
            task_events: self.events.iter().map(Event::to_thrift).collect(),
            ancestor_id: self.ancestor().map(|id| id.to_string()),
        }
    }
}

/// The part of a quota that a task's resources are charged to (aurora: `QuotaManager.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Production tasks on shared hosts: the only pool with a limit.
    ProdShared,
    /// Production tasks on hosts dedicated to the role.
    ProdDedicated,
    /// Other tasks on shared hosts.
    NonProdShared,
    /// Other tasks on dedicated hosts.
    NonProdDedicated,
}

/// A sum of what quotas count. Cores are millionths, so that adding and taking away cannot drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Millionths of a core.
    pub micro_cpus: i64,
    /// MiB.
    pub ram_mb: i64,
    /// MiB.
    pub disk_mb: i64,
}

impl Usage {
    /// The sum of the cpus, memory and disk in a set.
    pub fn of(resources: &BTreeSet<Resource>) -> Usage {
        let amounts = Amounts::of(resources);
        Usage {
            micro_cpus: (amounts.cpus * 1e6).round() as i64,
            ram_mb: amounts.ram_mb,
            disk_mb: amounts.disk_mb,
        }
    }

    /// Cores.
    pub fn cpus(&self) -> f64 {
        self.micro_cpus as f64 / 1e6
    }

    /// The greater of both, of each resource.
    #[must_use]
    pub fn max(&self, other: &Usage) -> Usage {
        Usage {
            micro_cpus: self.micro_cpus.max(other.micro_cpus),
            ram_mb: self.ram_mb.max(other.ram_mb),
            disk_mb: self.disk_mb.max(other.disk_mb),
        }
    }

    /// This and `other`, `times` times.
    #[must_use]
    pub fn plus(&self, other: &Usage, times: i64) -> Usage {
        let add = |a: i64, b: i64| a.saturating_add(b.saturating_mul(times));
        Usage {
            micro_cpus: add(self.micro_cpus, other.micro_cpus),
            ram_mb: add(self.ram_mb, other.ram_mb),
            disk_mb: add(self.disk_mb, other.disk_mb),
        }
    }
}

/// A configuration as it is stored once for all its tasks, with what is derived from it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredConfig {
    /// Its id.
    pub id: ConfigId,
    /// The configuration.
    pub task: Arc<TaskConfig>,
    /// What one instance asks for, the executor's share not included.
    pub amounts: Amounts,
    /// The same as quotas count it.
    pub usage: Usage,
    /// The pool that it is charged to.
    pub pool: Pool,
    /// How the ids of its tasks begin.
    pub(super) id_prefix: Box<str>,
}

/// Name of the attribute and constraint that dedicate hosts to roles.
pub const DEDICATED: &str = "dedicated";

impl StoredConfig {
    pub(crate) fn new(id: ConfigId, task: Arc<TaskConfig>) -> StoredConfig {
        StoredConfig {
            id,
            amounts: task.amounts(),
            usage: Usage::of(&task.resources),
            pool: Pool::of(&task),
            id_prefix: id_prefix(&task.job),
            task,
        }
    }
}

impl Pool {
    /// The pool that a configuration's tasks are charged to.
    pub fn of(task: &TaskConfig) -> Pool {
        let dedicated = task
            .constraints
            .iter()
            .any(|constraint| constraint.name == DEDICATED);
        match (task.production == Some(true), dedicated) {
            (true, false) => Pool::ProdShared,
            (true, true) => Pool::ProdDedicated,
            (false, false) => Pool::NonProdShared,
            (false, true) => Pool::NonProdDedicated,
        }
    }
}

/// A job: every key under which tasks are stored.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its key.
    pub key: Arc<JobKey>,
    /// Active tasks by instance.
    pub(crate) active: Vec<(i32, Slot)>,
    /// Tasks that ended, oldest end first.
    pub(crate) terminal: Vec<Slot>,
    /// Tasks by status number.
    pub(crate) counts: [u32; STATUSES],
    /// Time of the newest change.
    pub changed: Millis,
    /// Place in its role's list.
    pub(crate) role_position: usize,
    /// Changes whenever one of its tasks comes to an agent or leaves one; unique in the store's life.
    pub(crate) placements: u64,
}

/// One more than the greatest status number.
pub(crate) const STATUSES: usize = 19;

impl Job {
    /// How many tasks are in a state.
    pub fn count(&self, status: ScheduleStatus) -> u32 {
        self.counts.get(status as usize).copied().unwrap_or(0)
    }

    /// How many tasks are active.
    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    /// How many tasks are stored.
    pub fn task_count(&self) -> usize {
        self.active.len() + self.terminal.len()
    }
}

/// A role: every role under which jobs are stored.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) jobs: CowVec<JobSlot>,
    /// What its active tasks use, by pool.
    pub(crate) usage: [Usage; 4],
}

/// A cron job.
#[derive(Clone, Debug, PartialEq)]
pub struct Cron {
    /// The template of its runs.
    pub job: Arc<JobConfiguration>,
    /// The latest minute of its schedule that was decided, with what came of it.
    pub last: Option<Decided>,
}

/// A minute of a cron job's schedule that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The time of its first millisecond.
    pub minute: Millis,
    /// What came of it.
    pub outcome: CronOutcome,
}

/// A host as its agent described it.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Attributes, mode and agent id.
    pub attributes: Arc<HostAttributes>,
    /// Its name, shared with those who name it.
    pub(crate) name: Arc<str>,
    /// The attributes in numbers.
    pub(crate) traits: Arc<[Trait]>,
}

impl Host {
    /// Whether it has an attribute.
    pub(crate) fn has(&self, name: NameId) -> bool {
        self.traits.iter().any(|(other, _)| *other == name)
    }
}

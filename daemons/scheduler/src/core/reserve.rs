//! Agents that are kept free for somebody (aurora: `UpdateAgentReserver.java`, `TaskSchedulerImpl.java`).
//!
//! Two kinds: an agent on which tasks were preempted is kept for the group in whose favor that happened, and the agent of a
//! task that an update kills is kept for the instance's next task. Both are forgotten after a while and by a restart.

use std::sync::Arc;

use aurora_api::model::JobKey;

use super::Core;
use super::cache::Cache;
use super::config::{Config, Millis};
use super::store::ConfigId;

/// An instance of a job.
type Instance = (JobKey, i32);

/// See the module.
#[derive(Debug)]
pub(crate) struct Reservations {
    /// Groups by the agent that is kept for them.
    pub(super) for_groups: Cache<Arc<str>, ConfigId>,
    /// Agents by the instance that they are kept for; an agent may be kept for several.
    pub(super) for_instances: Cache<Instance, Arc<str>>,
}

impl Reservations {
    pub(crate) fn new(config: &Config) -> Reservations {
        Reservations {
            for_groups: Cache::new(config.offer_reservation_duration),
            for_instances: Cache::new(config.update_affinity_reservation_hold_time),
        }
    }

    pub(crate) fn expire(&mut self, now: Millis) {
        self.for_groups.expire(now);
        self.for_instances.expire(now);
    }

    /// Whether tasks of a group, unless an agent is kept for their very instance, must leave this one alone.
    pub(crate) fn forbid(&self, agent: &Arc<str>, group: ConfigId) -> bool {
        let holder = self.for_groups.get(agent);
        holder.is_some_and(|holder| *holder != group) || self.for_instances.has_value(agent)
    }
}

impl Core {
    /// Keeps an agent for the next task of an instance. For an update that kills the instance's task in order to replace it:
    /// called with the agent of that task, before or after the kill, when the new configuration fits where the old one ran.
    /// Until the new task is placed or `update_affinity_reservation_hold_time` has passed, no other task is placed on the
    /// agent, and this one nowhere else. Does nothing without `enable_update_affinity`.
    pub(crate) fn reserve_agent(&mut self, job: &JobKey, instance: i32, agent: &Arc<str>) {
        if self.config.enable_update_affinity {
            let key = (job.clone(), instance);
            let cache = &mut self.reservations.for_instances;
            cache.put(self.now, key, Arc::clone(agent));
        }
    }

    /// The agent that is kept for an instance.
    pub(crate) fn reserved_agent(&self, job: &JobKey, instance: i32) -> Option<Arc<str>> {
        let cache = &self.reservations.for_instances;
        if cache.len() == 0 {
            return None;
        }
        cache.get(&(job.clone(), instance)).map(Arc::clone)
    }

    /// Ends [`Core::reserve_agent`].
    pub(crate) fn release_agent(&mut self, job: &JobKey, instance: i32) {
        if let Some(agent) = self.reserved_agent(job, instance) {
            let key = (job.clone(), instance);
            self.reservations.for_instances.remove(&key, &agent);
        }
    }
}

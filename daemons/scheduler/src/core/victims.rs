//! Which tasks of an agent would have to go so that another one fits (aurora: `PreemptionVictimFilter.java`,
//! `ClusterStateImpl.java`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Core;
use super::filter::{Request, Spread, Unused, dynamic_veto, host_veto};
use super::resources::Bag;
use super::store::{StoredConfig, TaskId};

/// The tasks on each agent.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    by_id: HashMap<Arc<str>, Agent>,
    /// Agents by their latest change: the search for room looks only at what changed since it last looked.
    by_change: BTreeMap<u64, Arc<str>>,
    changes: u64,
}

/// An agent that has tasks.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) host: Arc<str>,
    pub(crate) residents: Vec<Resident>,
    changed: u64,
}

/// A task on an agent.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) task: TaskId,
    config: Arc<StoredConfig>,
}

impl Agents {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, agent: &str) -> Option<&Agent> {
        self.by_id.get(agent)
    }

    /// The number of the latest change.
    pub(crate) fn last_change(&self) -> u64 {
        self.changes
    }

    /// The agents that changed after a change, in the order in which they did.
    pub(crate) fn changed_after(
        &self,
        change: u64,
    ) -> impl Iterator<Item = (u64, &Arc<str>, &Agent)> {
        let changed = self.by_change.range(change.saturating_add(1)..);
        changed.filter_map(|(change, id)| Some((*change, id, self.by_id.get(id)?)))
    }

    /// A task came to an agent.
    pub(crate) fn came(
        &mut self,
        agent: &Arc<str>,
        host: &Arc<str>,
        task: &TaskId,
        config: &Arc<StoredConfig>,
    ) {
        let place = self
            .by_id
            .entry(Arc::clone(agent))
            .or_insert_with(|| Agent {
                host: Arc::clone(host),
                residents: Vec::new(),
                changed: 0,
            });
        place.residents.push(Resident {
            task: Arc::clone(task),
            config: Arc::clone(config),
        });
        self.touch(agent);
    }

    /// A task left its agent. That alone makes no room that its offer does not show.
    pub(crate) fn left(&mut self, agent: &str, task: &str) {
        let Some(place) = self.by_id.get_mut(agent) else {
            return;
        };
        place.residents.retain(|resident| *resident.task != *task);
        if place.residents.is_empty()
            && let Some(gone) = self.by_id.remove(agent)
        {
            self.by_change.remove(&gone.changed);
        }
    }

    /// Something else changed on an agent: its offer, its host's attributes.
    pub(crate) fn touch(&mut self, agent: &str) {
        let Some((id, _)) = self.by_id.get_key_value(agent) else {
            return;
        };
        let id = Arc::clone(id);
        if let Some(place) = self.by_id.get_mut(agent) {
            self.changes += 1;
            self.by_change.remove(&place.changed);
            place.changed = self.changes;
            self.by_change.insert(self.changes, id);
        }
    }
}

/// Why no tasks of an agent can make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// Nothing is known of its host.
    UnknownHost,
    /// Too little may be taken away, or the host does not suit.
    Unsuitable,
}

impl Core {
    /// The tasks that have to go from an agent so that one of the request's fits: the largest first, as many as it takes.
    /// Free resources alone are not enough, that is what offers are for.
    pub(crate) fn victims<'a>(
        &self,
        request: &Request<'_>,
        agent: &str,
        host: &str,
        residents: impl Iterator<Item = &'a Resident>,
        spread: &mut Spread,
    ) -> Result<Vec<TaskId>, NoRoom> {
        let eligible = residents.filter(|resident| self.may_preempt(request, &resident.config));
        let mut eligible: Vec<(Bag, &TaskId)> = eligible
            .map(|resident| (self.gives_up(&resident.config), &resident.task))
            .collect();
        let offer = self.offers.of_agent(agent);
        let slack = offer.map_or(Bag::default(), |offer| offer.firm);
        let all = eligible.iter().fold(slack, |sum, (bag, _)| sum.plus(bag));
        if eligible.is_empty() || !all.covers(&request.need) {
            return Err(NoRoom::Unsuitable);
        }
        let view = self.store.read();
        let host = view.host(host).ok_or(NoRoom::UnknownHost)?;
        let unused = Unused {
            host: &host.attributes,
            has: &all,
            unavailable_from: offer.and_then(|offer| offer.unavailable_from),
        };
        let (config, now) = (&self.config, self.now);
        if host_veto(config, &unused, request, now).is_some()
            || dynamic_veto(config, &unused, request, view, spread, now).is_some()
        {
            return Err(NoRoom::Unsuitable);
        }
        eligible.sort_by(|(left, _), (right, _)| right.cmp(left));
        let mut has = slack;
        let mut victims = Vec::new();
        for (bag, task) in eligible {
            has = has.plus(&bag);
            victims.push(Arc::clone(task));
            if has.covers(&request.need) {
                break;
            }
        }
        Ok(victims)
    }

    /// Whether tasks of a configuration may have to go for the request's.
    fn may_preempt(&self, request: &Request<'_>, victim: &StoredConfig) -> bool {
        let tier = |config: &StoredConfig| self.config.tier(config.task.tier.as_deref());
        match (tier(request.config).preemptible, tier(victim).preemptible) {
            (false, true) => true,
            (true, false) => false,
            (false, false) | (true, true) => {
                let (task, victim) = (&request.config.task, &victim.task);
                task.job.role == victim.job.role && task.priority > victim.priority
            }
        }
    }

    /// What is there to be used when a task is gone. What it had on loan from Mesos is not.
    fn gives_up(&self, victim: &StoredConfig) -> Bag {
        let request = Request::new(&self.config, victim);
        if request.revocable {
            request.need.without_revocable(&self.config)
        } else {
            request.need
        }
    }
}

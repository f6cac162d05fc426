//! Which tasks of an agent would have to go so that another one fits (aurora: `PreemptionVictimFilter.java`,
//! `ClusterStateImpl.java`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Core;
use super::filter::{Request, Spread, Unused, dynamic_veto, host_veto};
use super::resources::Bag;
use super::store::{ConfigId, FastMap, Slot, StoredConfig, Task, TaskId};

/// The tasks on each agent.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    by_id: FastMap<Arc<str>, Agent>,
    /// Agents by their latest change: the search for room looks only at what changed since it last looked.
    by_change: BTreeMap<u64, Arc<str>>,
    changes: u64,
}

/// An agent that has tasks.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) host: Arc<str>,
    /// Places of its tasks in the task table. A task leaves its agent before it leaves the table.
    pub(crate) residents: Vec<Slot>,
    changed: u64,
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
    pub(crate) fn came(&mut self, agent: &Arc<str>, host: &Arc<str>, task: Slot) {
        let place = self
            .by_id
            .entry(Arc::clone(agent))
            .or_insert_with(|| Agent {
                host: Arc::clone(host),
                residents: Vec::new(),
                changed: 0,
            });
        place.residents.push(task);
        self.touch(agent);
    }

    /// A task left its agent. That alone makes no room that its offer does not show.
    pub(crate) fn left(&mut self, agent: &str, task: Slot) {
        let Some(place) = self.by_id.get_mut(agent) else {
            return;
        };
        place.residents.retain(|resident| *resident != task);
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

/// Looks for tasks that could make room for one request, on one agent after the other.
///
/// Most agents have no room to give, and that is found out without taking memory: what tasks of a configuration would give
/// up is worked out once.
pub(crate) struct Victims<'a> {
    request: &'a Request<'a>,
    spread: Spread,
    /// What a task of a configuration gives up; `None` when it may not be preempted.
    given_up: FastMap<ConfigId, Option<Bag>>,
}

impl<'a> Victims<'a> {
    pub(crate) fn new(core: &Core, request: &'a Request<'a>) -> Victims<'a> {
        let mut spread = Spread::default();
        spread.refresh(core.store.read(), &request.config.task.job);
        Victims {
            request,
            spread,
            given_up: FastMap::default(),
        }
    }

    /// The tasks that have to go from an agent so that one of the request's fits: the largest first, as many as it takes.
    /// Free resources alone are not enough, that is what offers are for.
    pub(crate) fn on(
        &mut self,
        core: &Core,
        id: &str,
        agent: &Agent,
        may_go: impl Fn(&Task) -> bool,
    ) -> Result<Vec<TaskId>, NoRoom> {
        let view = core.store.read();
        let offer = core.offers.of_agent(id);
        let slack = offer.map_or(Bag::default(), |offer| offer.firm);
        let residents = || {
            agent
                .residents
                .iter()
                .filter_map(|slot| view.task_at(*slot))
        };
        let (mut has, mut is_empty) = (slack, true);
        for task in residents().filter(|task| may_go(task)) {
            if let Some(bag) = self.given_up(core, &task.config) {
                has = has.plus(&bag);
                is_empty = false;
            }
        }
        if is_empty || !has.covers(&self.request.need) {
            return Err(NoRoom::Unsuitable);
        }
        let host = view.host(&agent.host).ok_or(NoRoom::UnknownHost)?;
        let unused = Unused {
            host: &host.attributes,
            has: &has,
            unavailable_from: offer.and_then(|offer| offer.unavailable_from),
        };
        if !self.suits(core, &unused) {
            return Err(NoRoom::Unsuitable);
        }
        let mut eligible: Vec<(Bag, &Task)> = residents()
            .filter(|task| may_go(task))
            .filter_map(|task| Some((self.given_up(core, &task.config)?, task)))
            .collect();
        eligible.sort_by(|(left, _), (right, _)| right.cmp(left));
        let mut has = slack;
        let mut victims = Vec::new();
        for (bag, task) in eligible {
            has = has.plus(&bag);
            victims.push(task.id());
            if has.covers(&self.request.need) {
                break;
            }
        }
        Ok(victims)
    }

    fn suits(&mut self, core: &Core, unused: &Unused<'_>) -> bool {
        let request = self.request;
        let (config, view, now) = (&core.config, core.store.read(), core.now);
        host_veto(config, unused, request, now).is_none()
            && dynamic_veto(config, unused, request, view, &mut self.spread, now).is_none()
    }

    fn given_up(&mut self, core: &Core, victim: &StoredConfig) -> Option<Bag> {
        let request = self.request;
        *self.given_up.entry(victim.id).or_insert_with(|| {
            core.may_preempt(request, victim)
                .then(|| core.gives_up(victim))
        })
    }
}

impl Core {
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

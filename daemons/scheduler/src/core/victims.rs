//! Which tasks of an agent would have to go so that another one fits (aurora: `PreemptionVictimFilter.java`,
//! `ClusterStateImpl.java`).

use super::Core;
use super::agents::Agent;
use super::filter::{Request, Spread, Unused, dynamic_veto, host_veto, needs};
use super::resources::Bag;
use super::store::{ConfigId, FastMap, StoredConfig, Task, TaskId};

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
    pub(super) request: &'a Request<'a>,
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
    /// Free resources alone are not enough, that is what offers are for. When some are `chosen`, no others are taken.
    pub(crate) fn on(
        &mut self,
        core: &Core,
        agent: &Agent,
        chosen: Option<&[TaskId]>,
    ) -> Result<Vec<TaskId>, NoRoom> {
        let view = core.store.read();
        let may_go = |task: &Task| chosen.is_none_or(|ids| ids.contains(&task.id()));
        let residents = || {
            let tasks = agent
                .residents
                .iter()
                .filter_map(|slot| view.task_at(*slot));
            tasks.filter(|task| may_go(task))
        };
        let offer = agent.offer.and_then(|place| core.offers.at(place));
        let slack = offer.map_or(Bag::default(), |offer| offer.class.firm);
        let (mut has, mut is_empty) = (slack, true);
        for task in residents() {
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
            host,
            has: &has,
            unavailable_from: offer.and_then(|offer| offer.class.unavailable_from),
        };
        if !self.suits(core, &unused) {
            return Err(NoRoom::Unsuitable);
        }
        let mut eligible: Vec<(Bag, &Task)> = residents()
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
        let (need, revocable) = needs(&self.config, victim);
        if revocable {
            need.without_revocable(&self.config)
        } else {
            need
        }
    }
}

//! Allocation: who is offered what, and what was refused.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurora_mesos::resources::{Resources, thousandths};
use aurora_mesos::v1::scheduler::{Event, EventType, Offers, Rescind};
use aurora_mesos::v1::{
    Address, AgentId, Filters, FrameworkCapabilityType, FrameworkId, Offer, OfferId, Url,
};

use super::Master;
use super::framework::event;
use super::state::{Agent, Filter, Framework, PendingOffer};
use super::tally::OfferFate;
use super::time::Time;

const DEFAULT_REFUSE_SECONDS: f64 = 5.0;
const MAX_REFUSE_SECONDS: f64 = 31_536_000.0;
/// The smallest offers unless a framework says otherwise, in thousandths: any of them is enough
/// (`mesos: min_allocatable_resources`).
const MIN_CPUS: i64 = 10;
const MIN_MEM: i64 = 32_000;

impl Master {
    /// One pass: everything free on each agent goes to the first role and framework in fair order that
    /// may have it and has not refused it.
    pub(crate) fn allocate(&mut self, now: Time) {
        self.counters.allocation_runs += 1;
        let mut agents: Vec<AgentId> = self
            .agents
            .values()
            .filter(|a| a.is_offerable())
            .map(|a| a.id.clone())
            .collect();
        for last in (1..agents.len()).rev() {
            let other = (self.random() % (last as u64 + 1)) as usize;
            agents.swap(last, other);
        }
        let mut made: BTreeMap<FrameworkId, Vec<OfferId>> = BTreeMap::new();
        for agent_id in agents {
            // A second offer of the same agent is possible: reserved resources go to their roles only.
            while let Some((framework, role, resources)) = self.next_offer_on(&agent_id) {
                let id = self.make_offer(now, &agent_id, framework.clone(), role, resources);
                made.entry(framework).or_default().push(id);
            }
        }
        for (framework, ids) in made {
            let offers = ids.iter().filter_map(|id| self.wire_offer(id)).collect();
            self.count_offers(&framework, OfferFate::Sent, ids.len());
            let event = Event {
                offers: Some(Offers { offers }),
                ..event(EventType::Offers)
            };
            self.send(&framework, event);
        }
    }

    fn next_offer_on(&self, agent_id: &AgentId) -> Option<(FrameworkId, String, Resources)> {
        let agent = self.agents.get(agent_id)?;
        let free = agent.free();
        if free.is_empty() {
            return None;
        }
        for role in self.roles_in_order() {
            for framework in self.frameworks_in_order(&role) {
                let candidate = free.allocatable_to(&role);
                let candidate = self.visible(framework, candidate);
                if self.may_have(framework, &role, agent, &candidate) {
                    return Some((framework.id.clone(), role, candidate));
                }
            }
        }
        None
    }

    /// Leaves out what a framework without the capability must not see.
    fn visible(&self, framework: &Framework, resources: Resources) -> Resources {
        let refined = framework.has(FrameworkCapabilityType::ReservationRefinement);
        let revocable = framework.has(FrameworkCapabilityType::RevocableResources);
        let shared = framework.has(FrameworkCapabilityType::SharedResources);
        resources.filtered(|resource| {
            (refined || resource.reservations.len() <= 1)
                && (revocable || resource.revocable.is_none())
                && (shared || resource.shared.is_none())
        })
    }

    fn may_have(
        &self,
        framework: &Framework,
        role: &str,
        agent: &Agent,
        candidate: &Resources,
    ) -> bool {
        !candidate.is_empty()
            && is_allocatable(framework, role, candidate)
            && (framework.has(FrameworkCapabilityType::GpuResources)
                || agent.total.scalar("gpus") == 0)
            && framework.constraints.allow(role, &agent.info)
            && !framework.filters.iter().any(|filter| {
                filter.role == role
                    && filter.agent_id == agent.id
                    && filter.resources.contains(candidate)
            })
    }

    fn active_roles(&self) -> BTreeSet<String> {
        let active = self
            .frameworks
            .values()
            .filter(|framework| framework.stream.is_some());
        active
            .flat_map(|framework| framework.info.effective_roles())
            .map(str::to_owned)
            .collect()
    }

    fn roles_in_order(&self) -> Vec<String> {
        let roles = self.active_roles();
        if roles.len() < 2 {
            return roles.into_iter().collect();
        }
        sorted(self.shares_of(roles))
    }

    /// The dominant share of each role that a framework is subscribed with.
    pub(crate) fn role_shares(&self) -> Vec<(f64, String)> {
        self.shares_of(self.active_roles())
    }

    fn shares_of(&self, roles: BTreeSet<String>) -> Vec<(f64, String)> {
        let total = self.cluster_total();
        let shares = roles.into_iter().map(|role| {
            let of_role = |resources: &Resources| {
                resources
                    .filtered(|r| {
                        r.allocation_info
                            .as_ref()
                            .and_then(|info| info.role.as_deref())
                            == Some(role.as_str())
                    })
                    .unreserved()
            };
            let mut allocated = Resources::default();
            for resources in self.agents.values().flat_map(|agent| agent.used.values()) {
                allocated.add(&of_role(resources));
            }
            for offer in self.offers.values() {
                allocated.add(&of_role(&offer.resources));
            }
            (dominant_share(&allocated, &total), role)
        });
        shares.collect()
    }

    fn frameworks_in_order(&self, role: &str) -> Vec<&Framework> {
        let eligible: Vec<&Framework> = self
            .frameworks
            .values()
            .filter(|framework| framework.stream.is_some())
            .filter(|framework| framework.info.effective_roles().contains(&role))
            .filter(|framework| !framework.suppressed.contains(role))
            .collect();
        if eligible.len() < 2 {
            return eligible;
        }
        let total = self.cluster_total();
        let shares = eligible.into_iter().map(|framework| {
            let mut allocated = Resources::default();
            for resources in self
                .agents
                .values()
                .filter_map(|agent| agent.used.get(&framework.id))
            {
                allocated.add(&resources.unreserved());
            }
            for offer in self
                .offers
                .values()
                .filter(|offer| offer.framework_id == framework.id)
            {
                allocated.add(&offer.resources.unreserved());
            }
            (dominant_share(&allocated, &total), framework.id.clone())
        });
        let ids = sorted(shares.collect());
        ids.iter()
            .filter_map(|id| self.frameworks.get(id))
            .collect()
    }

    fn make_offer(
        &mut self,
        now: Time,
        agent_id: &AgentId,
        framework_id: FrameworkId,
        role: String,
        resources: Resources,
    ) -> OfferId {
        let id = self.new_offer_id();
        if let Some(agent) = self.agents.get_mut(agent_id) {
            agent.offered_sum.add(&resources);
        }
        let resources = resources.allocated_to(&role);
        let offer = PendingOffer {
            id: id.clone(),
            framework_id,
            agent_id: agent_id.clone(),
            role,
            resources,
        };
        self.offers.insert(id.clone(), offer);
        if let Some(timeout) = self.config.offer_timeout {
            self.offer_deadlines.push_back((now + timeout, id.clone()));
        }
        id
    }

    pub(super) fn new_offer_id(&mut self) -> OfferId {
        let number = self.next_offer;
        self.next_offer += 1;
        OfferId::from(format!("{}-O{number}", self.id()))
    }

    /// The offer in the form that its framework understands.
    fn wire_offer(&self, id: &OfferId) -> Option<Offer> {
        let pending = self.offers.get(id)?;
        let framework = self.frameworks.get(&pending.framework_id)?;
        let mut offer = self.full_offer(pending)?;
        if !framework.has(FrameworkCapabilityType::ReservationRefinement) {
            offer.resources = pending.resources.to_unrefined();
        }
        if !framework.has(FrameworkCapabilityType::MultiRole) {
            offer.allocation_info = None;
            for resource in &mut offer.resources {
                resource.allocation_info = None;
            }
        }
        Some(offer)
    }

    /// The offer as operators see it: refined resources with their allocation.
    pub(crate) fn full_offer(&self, pending: &PendingOffer) -> Option<Offer> {
        let agent = self.agents.get(&pending.agent_id)?;
        let framework = self.frameworks.get(&pending.framework_id)?;
        let executor_ids = framework
            .executors
            .keys()
            .filter(|(agent, _)| *agent == pending.agent_id)
            .map(|(_, executor)| executor.clone())
            .collect();
        Some(Offer {
            id: pending.id.clone(),
            framework_id: pending.framework_id.clone(),
            agent_id: pending.agent_id.clone(),
            hostname: agent.info.hostname.clone(),
            url: Some(agent_url(agent)),
            domain: agent.info.domain.clone(),
            resources: pending.resources.to_refined(),
            attributes: agent.info.attributes.clone(),
            executor_ids,
            unavailability: self.unavailability(&agent.info.hostname, &agent.ip),
            allocation_info: Some(aurora_mesos::v1::AllocationInfo {
                role: Some(pending.role.clone()),
            }),
        })
    }

    /// Takes an offer out of the tables; its resources are free again unless something charges them.
    pub(super) fn remove_offer(&mut self, id: &OfferId) -> Option<PendingOffer> {
        let offer = self.offers.remove(id)?;
        if let Some(agent) = self.agents.get_mut(&offer.agent_id) {
            agent.offered_sum.subtract(&offer.resources.unallocated());
        }
        if self.config.offer_timeout.is_some() {
            self.offer_deadlines.retain(|(_, waiting)| waiting != id);
        }
        Some(offer)
    }

    /// Takes an offer back.
    pub(super) fn rescind(&mut self, id: &OfferId) {
        if let Some(offer) = self.remove_offer(id) {
            let rescind = Rescind {
                offer_id: id.clone(),
            };
            self.count_offers(&offer.framework_id, OfferFate::Rescinded, 1);
            self.send(
                &offer.framework_id,
                Event {
                    rescind: Some(rescind),
                    ..event(EventType::Rescind)
                },
            );
        }
    }

    pub(super) fn rescind_all(&mut self, agent_id: &AgentId) {
        let offers: Vec<OfferId> = self
            .offers
            .values()
            .filter(|offer| offer.agent_id == *agent_id)
            .map(|offer| offer.id.clone())
            .collect();
        for offer in offers {
            self.rescind(&offer);
        }
    }

    pub(super) fn expire_offers(&mut self, now: Time) {
        while let Some((deadline, id)) = self.offer_deadlines.front() {
            if *deadline > now {
                return;
            }
            let id = id.clone();
            self.offer_deadlines.pop_front();
            self.rescind(&id);
        }
    }

    /// DECLINE: unknown offers are passed over.
    pub(crate) fn decline(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        ids: &[OfferId],
        filters: Option<&Filters>,
    ) {
        for id in ids {
            if self
                .offers
                .get(id)
                .is_some_and(|offer| offer.framework_id == *framework)
                && let Some(offer) = self.remove_offer(id)
            {
                self.refuse(now, &offer, &offer.resources, filters);
                self.count_offers(framework, OfferFate::Declined, 1);
            }
        }
    }

    pub(super) fn count_offers(&mut self, id: &FrameworkId, fate: OfferFate, count: usize) {
        if let Some(framework) = self.frameworks.get_mut(id) {
            framework.tally.offers(fate, count);
        }
    }

    /// Keeps refused resources away for a while.
    pub(super) fn refuse(
        &mut self,
        now: Time,
        offer: &PendingOffer,
        resources: &Resources,
        filters: Option<&Filters>,
    ) {
        let Some(timeout) = refusal(filters) else {
            return;
        };
        let expires = now + timeout.max(self.config.allocation_interval);
        if let Some(framework) = self.frameworks.get_mut(&offer.framework_id)
            && !resources.is_empty()
        {
            framework.filters.push(Filter {
                role: offer.role.clone(),
                agent_id: offer.agent_id.clone(),
                resources: resources.unallocated(),
                expires,
            });
        }
    }
}

/// How long a refusal lasts; `None` for not at all.
pub(super) fn refusal(filters: Option<&Filters>) -> Option<Duration> {
    let seconds = filters.map_or(DEFAULT_REFUSE_SECONDS, |filters| filters.refuse_seconds);
    let seconds = if seconds.is_nan() || seconds < 0.0 {
        DEFAULT_REFUSE_SECONDS
    } else {
        seconds
    };
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_REFUSE_SECONDS)))
}

fn is_allocatable(framework: &Framework, role: &str, resources: &Resources) -> bool {
    let own = framework
        .info
        .offer_filters
        .get(role)
        .and_then(|filters| filters.min_allocatable_resources.as_ref());
    match own {
        Some(minimum) => {
            minimum.quantities.is_empty()
                || minimum.quantities.iter().any(|alternative| {
                    alternative
                        .quantities
                        .iter()
                        .all(|(name, scalar)| resources.scalar(name) >= thousandths(scalar.value))
                })
        }
        None => resources.scalar("cpus") >= MIN_CPUS || resources.scalar("mem") >= MIN_MEM,
    }
}

/// The largest part of any scalar of the cluster, and with equal parts the smaller name first.
fn dominant_share(allocated: &Resources, total: &Resources) -> f64 {
    total
        .names()
        .into_iter()
        .filter(|name| total.scalar(name) > 0)
        .map(|name| allocated.scalar(name) as f64 / total.scalar(name) as f64)
        .fold(0.0, f64::max)
}

fn sorted<T: Ord>(mut shares: Vec<(f64, T)>) -> Vec<T> {
    shares.sort_by(|a, b| {
        a.0.partial_cmp(&b.0)
            .unwrap_or(Ordering::Equal)
            .then_with(|| a.1.cmp(&b.1))
    });
    shares.into_iter().map(|(_, item)| item).collect()
}

/// Where an agent's API is.
pub(super) fn agent_url(agent: &Agent) -> Url {
    Url {
        scheme: "http".to_owned(),
        address: Address {
            hostname: Some(agent.info.hostname.clone()),
            ip: Some(agent.ip.clone()),
            port: agent.info.port,
        },
        path: Some("/slave(1)".to_owned()),
        ..Url::default()
    }
}

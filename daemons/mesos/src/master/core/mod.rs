//! The master's decisions: frameworks, agents, offers, tasks. No sockets, no files, no clock, no
//! randomness of its own.
//!
//! Every method that something can happen through takes the time, changes the tables and queues
//! [`Effect`]s, which the shell carries out in order. [`Master::next_deadline`] says when
//! [`Master::tick`] is due.
//!
//! ```text
//!   Framework: RECOVERED -> ACTIVE <-> DISCONNECTED -> removed    (framework.rs)
//!   Agent:     connected <-> disconnected -> unreachable | gone | removed   (agent.rs, drain.rs)
//!   Offer:     outstanding -> accepted | declined | rescinded    (offers.rs, accept.rs)
//!   Task:      staging at accept -> agent's latest state -> completed once the terminal update is acknowledged   (tasks.rs)
//! ```

mod accept;
mod agent;
mod constraints;
mod drain;
mod effect;
mod framework;
mod loss;
mod maintenance;
mod offers;
mod registry;
mod state;
mod tally;
mod tasks;
mod time;
mod validate;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aurora_mesos::resources::Resources;
use aurora_mesos::v1::maintenance::InverseOfferAnswer;
use aurora_mesos::v1::{
    AgentId, FrameworkId, MasterInfo, OfferId, StatusReason, StatusSource, TaskState, master,
    scheduler,
};

pub(crate) use drain::DrainError;
pub(crate) use effect::{Effect, StreamKey};
pub(crate) use framework::CallError;
pub(crate) use registry::Registry;
pub(crate) use state::{Agent, Framework, Stream as FrameworkStream, time_info};
pub(crate) use time::Time;

use state::{PendingInverseOffer, PendingOffer};

/// Completed frameworks that are remembered with their tasks (`mesos: max_completed_frameworks`).
const MAX_COMPLETED_FRAMEWORKS: usize = 50;

/// What can be set.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The master as it presents itself; `id` is new for each process.
    pub(crate) master_info: MasterInfo,
    /// Time between allocations (`--allocation_interval`).
    pub(crate) allocation_interval: Duration,
    /// How long an offer waits for an answer; `None` for ever (`--offer_timeout`).
    pub(crate) offer_timeout: Option<Duration>,
    /// Time between pings (`--agent_ping_timeout`).
    pub(crate) ping_interval: Duration,
    /// So many pings may stay unanswered (`--max_agent_ping_timeouts`).
    pub(crate) max_missed_pings: u32,
    /// How long a disconnected agent may take to come back (`--agent_reregister_timeout`).
    pub(crate) reregister_timeout: Duration,
    /// Seed of the order in which agents are offered.
    pub(crate) seed: u64,
}

impl Config {
    /// After so long an agent and its master take each other for lost.
    pub(super) fn total_ping_timeout(&self) -> Duration {
        self.ping_interval.saturating_mul(self.max_missed_pings)
    }
}

/// Counters for the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) tasks_ended: BTreeMap<TaskState, u64>,
    pub(crate) ends_by_reason: BTreeMap<(TaskState, StatusSource, StatusReason), u64>,
    pub(crate) valid_status_updates: u64,
    pub(crate) invalid_status_updates: u64,
    pub(crate) dropped_messages: u64,
    pub(crate) agent_registrations: u64,
    pub(crate) agent_reregistrations: u64,
    pub(crate) agent_removals: u64,
    pub(crate) allocation_runs: u64,
}

/// The master.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) started: Time,
    pub(crate) frameworks: BTreeMap<FrameworkId, Framework>,
    pub(crate) completed: VecDeque<Framework>,
    pub(crate) agents: BTreeMap<AgentId, Agent>,
    /// Agents of the registry that have not come back since the master started, and when they become
    /// unreachable.
    pub(crate) recovered: BTreeMap<AgentId, Time>,
    pub(crate) offers: BTreeMap<OfferId, PendingOffer>,
    offer_deadlines: VecDeque<(Time, OfferId)>,
    pub(crate) inverse_offers: BTreeMap<OfferId, PendingInverseOffer>,
    /// What frameworks answered to inverse offers.
    pub(crate) inverse_answers: BTreeMap<(AgentId, FrameworkId), (InverseOfferAnswer, Time)>,
    /// Inverse offers that are not repeated before a time.
    inverse_filters: BTreeMap<(AgentId, FrameworkId), Time>,
    pub(crate) counters: Counters,
    next_framework: u64,
    next_offer: u64,
    next_allocation: Time,
    random: u64,
    effects: Vec<Effect>,
}

impl Master {
    /// A master with what an earlier one kept.
    pub(crate) fn new(config: Config, registry: Registry, now: Time) -> Self {
        let deadline = now + config.reregister_timeout;
        let recovered = registry
            .agents
            .keys()
            .map(|id| (AgentId::from(id.as_str()), deadline))
            .collect();
        Self {
            random: config.seed | 1,
            next_allocation: now + config.allocation_interval,
            config,
            registry,
            started: now,
            frameworks: BTreeMap::new(),
            completed: VecDeque::new(),
            agents: BTreeMap::new(),
            recovered,
            offers: BTreeMap::new(),
            offer_deadlines: VecDeque::new(),
            inverse_offers: BTreeMap::new(),
            inverse_answers: BTreeMap::new(),
            inverse_filters: BTreeMap::new(),
            counters: Counters::default(),
            next_framework: 0,
            next_offer: 0,
            effects: Vec::new(),
        }
    }

    /// What has to be done, in order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When [`Master::tick`] is due at the latest.
    pub(crate) fn next_deadline(&self) -> Time {
        let frameworks = self.frameworks.values().filter_map(|f| f.failover_deadline);
        let pings = self
            .agents
            .values()
            .filter_map(|a| a.session.as_ref())
            .map(|s| s.next_ping);
        let unreachable = self.agents.values().filter_map(|a| a.unreachable_deadline);
        let recovered = self.recovered.values().copied();
        let offers = self.offer_deadlines.front().map(|(time, _)| *time);
        frameworks
            .chain(pings)
            .chain(unreachable)
            .chain(recovered)
            .chain(offers)
            .fold(self.next_allocation, Time::min)
    }

    /// Does everything that is due.
    pub(crate) fn tick(&mut self, now: Time) {
        self.expire_frameworks(now);
        self.ping_agents(now);
        self.expire_agents(now);
        self.expire_offers(now);
        if now >= self.next_allocation {
            self.next_allocation = now + self.config.allocation_interval;
            for framework in self.frameworks.values_mut() {
                framework.filters.retain(|filter| filter.expires > now);
            }
            self.allocate(now);
            self.make_inverse_offers(now);
        }
    }

    /// The name of this master process, the start of all ids that it gives.
    pub(crate) fn id(&self) -> &str {
        &self.config.master_info.id
    }

    /// All resources of all registered agents.
    pub(crate) fn cluster_total(&self) -> Resources {
        let mut total = Resources::default();
        for agent in self.agents.values() {
            total.add(&agent.total.unreserved());
        }
        total
    }

    fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn persist(&mut self) {
        let registry = Box::new(self.registry.clone());
        self.emit(Effect::Persist(registry));
    }

    /// Sends to a framework when it is connected; events for others are dropped, never kept.
    fn send(&mut self, framework: &FrameworkId, event: scheduler::Event) -> bool {
        let stream = self
            .frameworks
            .get(framework)
            .and_then(|framework| framework.stream.as_ref());
        match stream {
            Some(stream) => {
                let key = stream.key;
                self.emit(Effect::ToFramework(key, Box::new(event)));
                true
            }
            None => {
                self.counters.dropped_messages += 1;
                false
            }
        }
    }

    /// Sends to an agent when it is connected.
    fn send_agent(&mut self, agent: &AgentId, event: crate::link::Event) -> bool {
        match self
            .agents
            .get(agent)
            .and_then(|agent| agent.session.as_ref())
        {
            Some(session) => {
                let key = session.key;
                self.emit(Effect::ToAgent(key, Box::new(event)));
                true
            }
            None => false,
        }
    }

    fn tell_operators(&mut self, event: master::Event) {
        self.emit(Effect::ToOperators(Box::new(event)));
    }

    /// A small generator of our own (xorshift64*); the order of agents needs no better one.
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn complete_framework(&mut self, framework: Framework) {
        if self.completed.len() >= MAX_COMPLETED_FRAMEWORKS {
            self.completed.pop_front();
        }
        self.completed.push_back(framework);
    }
}

#[cfg(test)]
mod tests;

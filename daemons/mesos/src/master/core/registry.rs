//! What the master keeps over its own restarts.
//!
//! Frameworks and tasks are not kept: they come back with the agents' reports and the schedulers'
//! subscriptions. Kept are the agents (so that their tasks are not taken for unknown before they have
//! reported), their drains, those that are unreachable or gone for good, the removed framework ids (which
//! must never be used again) and the maintenance schedule.

use std::collections::{BTreeMap, VecDeque};

use aurora_mesos::v1::maintenance::Schedule;
use aurora_mesos::v1::{
    AgentId, AgentInfo, DrainConfig, DrainState, FrameworkId, MachineId, TimeInfo,
};
use serde::{Deserialize, Serialize};

/// Removed framework ids that are remembered; the oldest are forgotten first.
const MAX_REMOVED_FRAMEWORKS: usize = 10_000;
/// Unreachable and gone agents that are remembered, each.
const MAX_LOST_AGENTS: usize = 1_000;

/// The kept state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// Number of the next agent id, so that no id is ever given twice.
    #[serde(default)]
    pub(crate) next_agent: u64,
    /// Admitted agents.
    #[serde(default)]
    pub(crate) agents: BTreeMap<String, RegisteredAgent>,
    /// Agents that stopped answering, and since when.
    #[serde(default)]
    pub(crate) unreachable: BTreeMap<String, UnreachableAgent>,
    /// Agents that an operator declared gone, and when.
    #[serde(default)]
    pub(crate) gone: BTreeMap<String, TimeInfo>,
    /// Frameworks that can never come back.
    #[serde(default)]
    pub(crate) removed_frameworks: VecDeque<FrameworkId>,
    /// Planned unavailability.
    #[serde(default)]
    pub(crate) schedule: Schedule,
    /// Machines that are down for maintenance.
    #[serde(default)]
    pub(crate) down: Vec<MachineId>,
}

/// An admitted agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RegisteredAgent {
    pub(crate) info: AgentInfo,
    #[serde(default)]
    pub(crate) deactivated: bool,
    #[serde(default)]
    pub(crate) drain: Option<Drain>,
}

/// A drain in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drain {
    pub(crate) config: DrainConfig,
    pub(crate) state: DrainState,
    pub(crate) started: TimeInfo,
}

/// An agent that stopped answering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnreachableAgent {
    pub(crate) agent: RegisteredAgent,
    pub(crate) since: TimeInfo,
}

impl Registry {
    pub(crate) fn remove_framework(&mut self, id: &FrameworkId) {
        if self.removed_frameworks.len() >= MAX_REMOVED_FRAMEWORKS {
            self.removed_frameworks.pop_front();
        }
        self.removed_frameworks.push_back(id.clone());
    }

    pub(crate) fn is_removed(&self, id: &FrameworkId) -> bool {
        self.removed_frameworks.contains(id)
    }

    pub(crate) fn add_unreachable(&mut self, id: &AgentId, agent: UnreachableAgent) {
        self.unreachable.insert(id.value.clone(), agent);
        while self.unreachable.len() > MAX_LOST_AGENTS {
            let oldest = self
                .unreachable
                .iter()
                .min_by_key(|(_, agent)| agent.since.nanoseconds)
                .map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                self.unreachable.remove(&oldest);
            }
        }
    }

    pub(crate) fn add_gone(&mut self, id: &AgentId, when: TimeInfo) {
        self.gone.insert(id.value.clone(), when);
        while self.gone.len() > MAX_LOST_AGENTS {
            let oldest = self
                .gone
                .iter()
                .min_by_key(|(_, when)| when.nanoseconds)
                .map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                self.gone.remove(&oldest);
            }
        }
    }
}

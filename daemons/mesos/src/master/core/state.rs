//! The tables: frameworks, agents, offers, tasks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aurora_mesos::resources::Resources;
use aurora_mesos::v1::scheduler::OfferConstraints;
use aurora_mesos::v1::{
    AgentCapability, AgentId, AgentInfo, ExecutorId, ExecutorInfo, FrameworkCapabilityType,
    FrameworkId, FrameworkInfo, KillPolicy, OfferId, Task, TaskId, TaskState, TimeInfo,
    Unavailability,
};

use super::constraints::Constraints;
use super::effect::StreamKey;
use super::registry::Drain;
use super::tally::Tally;
use super::time::Time;

/// Completed tasks that a framework keeps (`mesos: max_completed_tasks_per_framework`).
const MAX_COMPLETED_TASKS: usize = 1000;

/// A framework that is not removed.
#[derive(Debug)]
pub(crate) struct Framework {
    /// With `id`.
    pub(crate) info: FrameworkInfo,
    pub(crate) id: FrameworkId,
    /// The subscription, while there is one.
    pub(crate) stream: Option<Stream>,
    /// Known from agents only.
    pub(crate) recovered: bool,
    pub(crate) suppressed: BTreeSet<String>,
    pub(crate) constraints: Constraints,
    pub(crate) constraints_info: OfferConstraints,
    pub(crate) filters: Vec<Filter>,
    /// Not terminal, or terminal and not acknowledged.
    pub(crate) tasks: BTreeMap<TaskId, TaskEntry>,
    pub(crate) unreachable_tasks: BTreeMap<TaskId, Task>,
    pub(crate) completed_tasks: VecDeque<Task>,
    pub(crate) executors: BTreeMap<(AgentId, ExecutorId), ExecutorInfo>,
    pub(crate) tally: Tally,
    pub(crate) registered: Time,
    pub(crate) reregistered: Option<Time>,
    /// When it is removed unless it subscribes again.
    pub(crate) failover_deadline: Option<Time>,
    pub(crate) unregistered: Option<Time>,
}

/// A scheduler's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) key: StreamKey,
    /// The `Mesos-Stream-Id`.
    pub(crate) id: String,
}

/// Refused resources of one agent that stay away for a while.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) role: String,
    pub(crate) agent_id: AgentId,
    pub(crate) resources: Resources,
    pub(crate) expires: Time,
}

/// A task and what only the master needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct TaskEntry {
    pub(crate) task: Task,
    /// A kill to repeat when the agent is back.
    pub(crate) kill_on_return: Option<Option<KillPolicy>>,
    /// Whether the status in `status_update_uuid` was forwarded by this master.
    pub(crate) forwarded: bool,
}

impl TaskEntry {
    pub(crate) fn new(task: Task) -> Self {
        Self {
            task,
            kill_on_return: None,
            forwarded: false,
        }
    }
}

impl Framework {
    pub(crate) fn new(id: FrameworkId, info: FrameworkInfo, now: Time) -> Self {
        Self {
            info: FrameworkInfo {
                id: Some(id.clone()),
                ..info
            },
            id,
            stream: None,
            recovered: false,
            suppressed: BTreeSet::new(),
            constraints: Constraints::default(),
            constraints_info: OfferConstraints::default(),
            filters: Vec::new(),
            tasks: BTreeMap::new(),
            unreachable_tasks: BTreeMap::new(),
            completed_tasks: VecDeque::new(),
            executors: BTreeMap::new(),
            tally: Tally::default(),
            registered: now,
            reregistered: None,
            failover_deadline: None,
            unregistered: None,
        }
    }

    pub(crate) fn has(&self, capability: FrameworkCapabilityType) -> bool {
        self.info.has(capability)
    }

    /// `state`, or TASK_LOST for a framework that does not know the newer ones.
    pub(crate) fn seen_state(&self, state: TaskState) -> TaskState {
        match state {
            TaskState::Dropped
            | TaskState::Unreachable
            | TaskState::Gone
            | TaskState::GoneByOperator
            | TaskState::Unknown
                if !self.has(FrameworkCapabilityType::PartitionAware) =>
            {
                TaskState::Lost
            }
            other => other,
        }
    }

    pub(crate) fn complete(&mut self, task: Task) {
        if self.completed_tasks.len() >= MAX_COMPLETED_TASKS {
            self.completed_tasks.pop_front();
        }
        self.completed_tasks.push_back(task);
    }
}

/// An offer that waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct PendingOffer {
    pub(crate) id: OfferId,
    pub(crate) framework_id: FrameworkId,
    pub(crate) agent_id: AgentId,
    pub(crate) role: String,
    /// Allocated to `role`.
    pub(crate) resources: Resources,
}

/// An inverse offer that waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct PendingInverseOffer {
    pub(crate) framework_id: FrameworkId,
    pub(crate) agent_id: AgentId,
    pub(crate) unavailability: Unavailability,
}

/// An agent that is registered, connected or not.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    /// With `id`, resources in refined form.
    pub(crate) info: AgentInfo,
    pub(crate) ip: String,
    pub(crate) version: String,
    pub(crate) capabilities: Vec<AgentCapability>,
    pub(crate) session: Option<Session>,
    pub(crate) deactivated: bool,
    pub(crate) drain: Option<Drain>,
    pub(crate) registered: Time,
    pub(crate) reregistered: Option<Time>,
    /// When it becomes unreachable, while it is disconnected.
    pub(crate) unreachable_deadline: Option<Time>,
    pub(crate) total: Resources,
    /// What tasks and executors of each framework use, allocated to their roles.
    pub(crate) used: BTreeMap<FrameworkId, Resources>,
    /// The sum of `used`, without allocations.
    pub(crate) used_sum: Resources,
    /// The sum of the offers, without allocations.
    pub(crate) offered_sum: Resources,
}

/// An agent's connection.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: StreamKey,
    /// What the agent repeats in every call.
    pub(crate) id: String,
    /// When the next ping is due.
    pub(crate) next_ping: Time,
    /// Pings without an answer.
    pub(crate) missed: u32,
}

impl Agent {
    /// What nobody has.
    pub(crate) fn free(&self) -> Resources {
        self.total.minus(&self.used_sum).minus(&self.offered_sum)
    }

    pub(crate) fn charge(&mut self, framework: &FrameworkId, resources: &Resources) {
        self.used
            .entry(framework.clone())
            .or_default()
            .add(resources);
        self.used_sum.add(&resources.unallocated());
    }

    pub(crate) fn release(&mut self, framework: &FrameworkId, resources: &Resources) {
        if let Some(used) = self.used.get_mut(framework) {
            used.subtract(resources);
            if used.is_empty() {
                self.used.remove(framework);
            }
        }
        self.used_sum.subtract(&resources.unallocated());
    }

    /// Whether it gets offers at all.
    pub(crate) fn is_offerable(&self) -> bool {
        self.session.is_some() && !self.deactivated
    }

    /// The actor that Mesos would run it as.
    pub(crate) fn pid(&self) -> String {
        format!("slave(1)@{}:{}", self.ip, self.info.port)
    }
}

/// A time in operator answers.
pub(crate) fn time_info(time: Option<Time>) -> Option<TimeInfo> {
    time.map(Time::info)
}

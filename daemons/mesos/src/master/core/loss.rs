//! Agents that are lost: pings, disconnection, unreachability, removal, and what becomes of their tasks.

use aurora_mesos::resources::Resources;
use aurora_mesos::v1::{
    AgentId, ExecutorId, FrameworkId, StatusReason, TaskId, TaskState, master, scheduler,
};

use super::Master;
use super::effect::{Effect, StreamKey};
use super::framework::event;
use super::registry::UnreachableAgent;
use super::state::TaskEntry;
use super::time::Time;
use crate::link;

/// Why tasks are lost with their agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss<'a> {
    pub(super) state: TaskState,
    pub(super) reason: StatusReason,
    pub(super) message: &'a str,
}

impl Master {
    /// An agent's stream ended.
    pub(crate) fn agent_disconnected(&mut self, now: Time, key: StreamKey) {
        let deadline = now + self.config.reregister_timeout;
        let agent = self.agents.values_mut().find(|agent| {
            agent
                .session
                .as_ref()
                .is_some_and(|session| session.key == key)
        });
        let Some(agent) = agent else { return };
        let id = agent.id.clone();
        agent.session = None;
        agent.unreachable_deadline = Some(deadline);
        tracing::warn!(agent = %id, "agent disconnected");
        self.rescind_all(&id);
        self.lose_without_checkpoint(now, &id);
    }

    /// Frameworks that do not checkpoint lose their tasks with the connection.
    fn lose_without_checkpoint(&mut self, now: Time, agent_id: &AgentId) {
        let frameworks: Vec<FrameworkId> = self
            .frameworks
            .values()
            .filter(|framework| !framework.info.checkpoint)
            .map(|framework| framework.id.clone())
            .collect();
        let loss = Loss {
            state: TaskState::Lost,
            reason: StatusReason::AgentDisconnected,
            message: "Agent disconnected and the framework does not checkpoint",
        };
        for framework in frameworks {
            self.lose_tasks(now, agent_id, &framework, loss, false);
            self.lose_executors(agent_id, &framework);
        }
    }

    pub(super) fn ping_agents(&mut self, now: Time) {
        let (interval, limit) = (self.config.ping_interval, self.config.max_missed_pings);
        let mut pings = Vec::new();
        let mut dead = Vec::new();
        for agent in self.agents.values_mut() {
            let Some(session) = agent
                .session
                .as_mut()
                .filter(|session| session.next_ping <= now)
            else {
                continue;
            };
            if session.missed >= limit {
                dead.push(agent.id.clone());
                continue;
            }
            session.missed += 1;
            session.next_ping = now + interval;
            pings.push(session.key);
        }
        for key in pings {
            self.emit(Effect::ToAgent(key, Box::new(link::Event::Ping)));
        }
        for agent in dead {
            self.mark_unreachable(now, &agent, "health check timed out");
        }
    }

    pub(super) fn expire_agents(&mut self, now: Time) {
        let late = self
            .agents
            .values()
            .filter(|a| a.unreachable_deadline.is_some_and(|d| d <= now));
        let late: Vec<AgentId> = late.map(|agent| agent.id.clone()).collect();
        for agent in late {
            self.mark_unreachable(now, &agent, "health check timed out");
        }
        let missing: Vec<AgentId> = self
            .recovered
            .iter()
            .filter(|(_, d)| **d <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in missing {
            self.recovered.remove(&id);
            if let Some(agent) = self.registry.agents.remove(&id.value) {
                tracing::warn!(agent = %id, "did not come back after the master's start");
                self.registry.add_unreachable(
                    &id,
                    UnreachableAgent {
                        agent,
                        since: now.info(),
                    },
                );
                self.persist();
            }
        }
    }

    /// The agent does not answer; its tasks may still run.
    pub(crate) fn mark_unreachable(&mut self, now: Time, agent_id: &AgentId, message: &str) {
        tracing::warn!(agent = %agent_id, "agent is unreachable");
        let Some(agent) = self.registry.agents.remove(&agent_id.value) else {
            return;
        };
        self.registry.add_unreachable(
            agent_id,
            UnreachableAgent {
                agent,
                since: now.info(),
            },
        );
        let loss = Loss {
            state: TaskState::Unreachable,
            reason: StatusReason::AgentRemoved,
            message,
        };
        self.lose_agent(now, agent_id, loss, true);
    }

    /// The agent is gone for good.
    pub(crate) fn remove_agent(&mut self, now: Time, agent_id: &AgentId, message: &str) {
        self.registry.agents.remove(&agent_id.value);
        let loss = Loss {
            state: TaskState::Lost,
            reason: StatusReason::AgentRemoved,
            message,
        };
        self.lose_agent(now, agent_id, loss, false);
        self.tell_operators(master::Event {
            kind: Some(master::EventType::AgentRemoved),
            agent_removed: Some(master::AgentRemoved {
                agent_id: agent_id.clone(),
            }),
            ..master::Event::default()
        });
    }

    pub(super) fn lose_agent(&mut self, now: Time, agent_id: &AgentId, loss: Loss<'_>, keep: bool) {
        self.counters.agent_removals += 1;
        self.persist();
        self.rescind_all(agent_id);
        let frameworks: Vec<FrameworkId> = self.frameworks.keys().cloned().collect();
        for framework in &frameworks {
            self.lose_tasks(now, agent_id, framework, loss, keep);
            self.lose_executors(agent_id, framework);
        }
        for framework in self.frameworks.values_mut() {
            framework
                .filters
                .retain(|filter| filter.agent_id != *agent_id);
        }
        if let Some(session) = self.agents.remove(agent_id).and_then(|agent| agent.session) {
            self.emit(Effect::Close(session.key));
        }
        self.recovered.remove(agent_id);
        self.inverse_offers
            .retain(|_, offer| offer.agent_id != *agent_id);
        self.inverse_answers
            .retain(|(agent, _), _| agent != agent_id);
        for framework in &frameworks {
            let failure = scheduler::Failure {
                agent_id: Some(agent_id.clone()),
                ..scheduler::Failure::default()
            };
            self.send(
                framework,
                scheduler::Event {
                    failure: Some(failure),
                    ..event(scheduler::EventType::Failure)
                },
            );
        }
    }

    /// Ends (or, with `keep`, puts aside) the tasks of a framework on an agent.
    fn lose_tasks(
        &mut self,
        now: Time,
        agent_id: &AgentId,
        id: &FrameworkId,
        loss: Loss<'_>,
        keep: bool,
    ) {
        let Some(framework) = self.frameworks.get(id) else {
            return;
        };
        let state = framework.seen_state(loss.state);
        let lost: Vec<TaskId> = framework
            .tasks
            .values()
            .filter(|entry| entry.task.agent_id == *agent_id)
            .map(|entry| entry.task.task_id.clone())
            .collect();
        for task_id in lost {
            let entry = self
                .frameworks
                .get_mut(id)
                .and_then(|f| f.tasks.remove(&task_id));
            let Some(TaskEntry { mut task, .. }) = entry else {
                continue;
            };
            if task.state.is_terminal() {
                if let Some(framework) = self.frameworks.get_mut(id) {
                    framework.complete(task);
                }
                continue;
            }
            let mut status = self.master_status(
                now,
                &task_id,
                Some(agent_id),
                state,
                loss.reason,
                loss.message,
            );
            if keep {
                status.unreachable_time = Some(now.info());
            }
            if let Some(agent) = self.agents.get_mut(agent_id) {
                agent.release(id, &Resources::of(&task.resources));
            }
            task.state = state;
            super::tasks::push_status(&mut task, &status);
            if !keep {
                self.count_end(id, state, &status);
            }
            if let Some(framework) = self.frameworks.get_mut(id) {
                if keep {
                    framework.unreachable_tasks.insert(task_id, task);
                } else {
                    framework.complete(task);
                }
            }
            self.tell_task_updated(id.clone(), status.clone(), state);
            self.send_update(id, status);
        }
    }

    fn lose_executors(&mut self, agent_id: &AgentId, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id) else {
            return;
        };
        let executors: Vec<ExecutorId> = framework
            .executors
            .keys()
            .filter(|(agent, _)| agent == agent_id)
            .map(|(_, executor)| executor.clone())
            .collect();
        for executor in executors {
            self.forget_executor(agent_id, id, &executor);
        }
    }
}

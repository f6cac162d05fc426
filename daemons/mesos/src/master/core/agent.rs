//! Agents: registration and return, pings, loss.

use aurora_mesos::resources::{Resources, refine};
use aurora_mesos::v1::{
    AgentId, ExecutorId, FrameworkId, FrameworkInfo, StatusReason, Task, TaskId, TaskState, master,
    scheduler,
};

use super::Master;
use super::effect::{Effect, StreamKey};
use super::framework::event;
use super::registry::{RegisteredAgent, UnreachableAgent};
use super::state::{Agent, Framework, Session, TaskEntry};
use super::time::Time;
use crate::link;

/// Why an agent is not admitted; it is told on its stream and has to exit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum SubscribeRefusal {
    #[error("Agent has been marked gone")]
    Gone,
    #[error("The machine is down for maintenance")]
    Down,
}

/// Why tasks are lost with their agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss<'a> {
    pub(super) state: TaskState,
    pub(super) reason: StatusReason,
    pub(super) message: &'a str,
}

impl Master {
    /// An agent opened its stream.
    pub(crate) fn agent_subscribed(
        &mut self,
        now: Time,
        key: StreamKey,
        session: String,
        subscribe: link::Subscribe,
    ) {
        if let Err(refusal) = self.admit(now, key, session, subscribe) {
            let message = refusal.to_string();
            tracing::warn!(%message, "agent refused");
            let shutdown = link::Event::Shutdown(link::Shutdown { message });
            self.emit(Effect::ToAgent(key, Box::new(shutdown)));
            self.emit(Effect::Close(key));
        }
    }

    fn admit(
        &mut self,
        now: Time,
        key: StreamKey,
        session: String,
        subscribe: link::Subscribe,
    ) -> Result<(), SubscribeRefusal> {
        let link::Subscribe {
            agent_info,
            ip,
            version,
            capabilities,
            drain_config,
            frameworks,
            executors,
            tasks,
        } = subscribe;
        if self.is_down(&agent_info.hostname, &ip) {
            return Err(SubscribeRefusal::Down);
        }
        let known_id = agent_info.id.clone().filter(|id| !id.value.is_empty());
        if known_id
            .as_ref()
            .is_some_and(|id| self.registry.gone.contains_key(&id.value))
        {
            return Err(SubscribeRefusal::Gone);
        }
        let id = match known_id {
            Some(id) => id,
            None => {
                let number = self.registry.next_agent;
                self.registry.next_agent += 1;
                AgentId::from(format!("{}-S{number}", self.id()))
            }
        };
        if let Some(old) = self
            .agents
            .get_mut(&id)
            .and_then(|agent| agent.session.take())
        {
            self.emit(Effect::Close(old.key));
        }
        let mut info = agent_info;
        info.id = Some(id.clone());
        for resource in &mut info.resources {
            *resource = refine(std::mem::take(resource));
        }
        let total = Resources::of(&info.resources);

        self.recovered.remove(&id);
        let unreachable = self.registry.unreachable.remove(&id.value);
        let was_unreachable = unreachable.is_some();
        let registered = self
            .registry
            .agents
            .get(&id.value)
            .cloned()
            .or(unreachable.map(|agent| agent.agent))
            .unwrap_or_default();
        let previous = self.agents.remove(&id);
        let is_new = previous.is_none() && registered.info.hostname.is_empty();
        let offers: Vec<_> = self
            .offers
            .values()
            .filter(|o| o.agent_id == id)
            .map(|o| o.id.clone())
            .collect();
        for offer in offers {
            self.rescind(&offer);
        }
        let changed = previous
            .as_ref()
            .is_some_and(|agent| agent.total != total || agent.info.attributes != info.attributes);
        if changed {
            for framework in self.frameworks.values_mut() {
                framework.filters.retain(|filter| filter.agent_id != id);
            }
        }
        let record = RegisteredAgent {
            info: info.clone(),
            ..registered
        };
        let agent = Agent {
            id: id.clone(),
            ip,
            version,
            capabilities,
            session: Some(Session {
                key,
                id: session.clone(),
                next_ping: now + self.config.ping_interval,
                missed: 0,
            }),
            deactivated: record.deactivated,
            drain: record.drain.clone(),
            registered: previous.as_ref().map_or(now, |agent| agent.registered),
            reregistered: (!is_new).then_some(now),
            unreachable_deadline: None,
            total,
            used: Default::default(),
            used_sum: Resources::default(),
            offered_sum: Resources::default(),
            info,
        };
        self.agents.insert(id.clone(), agent);
        if self.registry.agents.get(&id.value) != Some(&record) || was_unreachable {
            self.registry.agents.insert(id.value.clone(), record);
            self.persist();
        }
        if is_new {
            self.counters.agent_registrations += 1;
        } else {
            self.counters.agent_reregistrations += 1;
        }
        tracing::info!(agent = %id, is_new, tasks = tasks.len(), "agent registered");
        self.send_agent(
            &id,
            link::Event::Registered(link::Registered {
                agent_id: id.clone(),
                session,
                master_info: self.config.master_info.clone(),
            }),
        );
        self.recover_frameworks(now, &id, frameworks);
        // Those that are not reported ended while nobody listened; their tasks' updates will say so.
        for framework in self.frameworks.values_mut() {
            framework.executors.retain(|(agent, _), _| *agent != id);
        }
        for reported in executors {
            self.recover_executor(&id, reported);
        }
        self.recover_tasks(now, &id, tasks, was_unreachable);
        if previous.is_none() {
            self.tell_agent_added(&id);
        }
        self.resume_drain(now, &id, drain_config.as_ref());
        self.allocate(now);
        Ok(())
    }

    fn recover_frameworks(&mut self, now: Time, agent: &AgentId, frameworks: Vec<FrameworkInfo>) {
        for info in frameworks {
            let Some(id) = info.id.clone() else { continue };
            if self.registry.is_removed(&id) {
                self.send_agent(
                    agent,
                    link::Event::ShutdownFramework(link::ShutdownFramework { framework_id: id }),
                );
            } else if let Some(framework) = self.frameworks.get(&id) {
                if framework.info != info && !framework.recovered {
                    let event = link::FrameworkUpdated {
                        framework_info: framework.info.clone(),
                    };
                    self.send_agent(agent, link::Event::FrameworkUpdated(event));
                }
            } else {
                let mut framework = Framework::new(id.clone(), info, now);
                framework.recovered = true;
                self.frameworks.insert(id, framework);
            }
        }
    }

    fn recover_executor(&mut self, agent_id: &AgentId, reported: link::ReportedExecutor) {
        let Some(framework) = self.frameworks.get_mut(&reported.framework_id) else {
            return;
        };
        let info = reported.executor_info;
        let resources = Resources::of(&info.resources);
        let executor_id = info.executor_id.clone();
        framework
            .executors
            .insert((agent_id.clone(), executor_id), info);
        if let Some(agent) = self.agents.get_mut(agent_id) {
            agent.charge(&reported.framework_id, &resources);
        }
    }

    /// Makes the tables agree with what the agent says it runs.
    fn recover_tasks(
        &mut self,
        now: Time,
        agent_id: &AgentId,
        tasks: Vec<Task>,
        was_unreachable: bool,
    ) {
        let mut reported: std::collections::BTreeSet<(FrameworkId, TaskId)> = Default::default();
        for mut task in tasks {
            task.agent_id = agent_id.clone();
            let key = (task.framework_id.clone(), task.task_id.clone());
            let Some(framework) = self.frameworks.get_mut(&key.0) else {
                continue;
            };
            reported.insert(key.clone());
            framework.unreachable_tasks.remove(&key.1);
            let known = framework.tasks.remove(&key.1);
            let kill = known
                .as_ref()
                .and_then(|entry| entry.kill_on_return.clone());
            if let Some(known) = &known {
                // The agent keeps no history.
                if task.statuses.is_empty() {
                    task.statuses.clone_from(&known.task.statuses);
                }
            }
            let is_terminal = task.state.is_terminal();
            let resources = Resources::of(&task.resources);
            let is_new = known.is_none();
            framework
                .tasks
                .insert(key.1.clone(), TaskEntry::new(task.clone()));
            if let Some(agent) = self.agents.get_mut(agent_id)
                && !is_terminal
            {
                agent.charge(&key.0, &resources);
            }
            if is_new {
                self.tell_operators(master::Event {
                    kind: Some(master::EventType::TaskAdded),
                    task_added: Some(master::TaskAdded { task: task.clone() }),
                    ..master::Event::default()
                });
            }
            if was_unreachable {
                let status = self.master_status(
                    now,
                    &key.1,
                    Some(agent_id),
                    task.state,
                    StatusReason::AgentReregistered,
                    "Unreachable agent re-registered",
                );
                self.send_update(&key.0, status);
            }
            if let Some(kill_policy) = kill {
                let kill = link::KillTask {
                    framework_id: key.0,
                    task_id: key.1,
                    kill_policy,
                };
                self.send_agent(agent_id, link::Event::KillTask(kill));
            }
        }
        self.reconcile_missing(agent_id, &reported);
    }

    /// Tasks that should be on the agent and were not reported: the agent says what it knows of them.
    fn reconcile_missing(
        &mut self,
        agent_id: &AgentId,
        reported: &std::collections::BTreeSet<(FrameworkId, TaskId)>,
    ) {
        let mut questions = Vec::new();
        for framework in self.frameworks.values() {
            let missing: Vec<TaskId> = framework
                .tasks
                .values()
                .filter(|entry| entry.task.agent_id == *agent_id)
                .map(|entry| entry.task.task_id.clone())
                .filter(|task| !reported.contains(&(framework.id.clone(), task.clone())))
                .collect();
            for task in &missing {
                if let Some(entry) = framework.tasks.get(task)
                    && !entry.task.state.is_terminal()
                    && let Some(agent) = self.agents.get_mut(agent_id)
                {
                    agent.charge(&framework.id, &Resources::of(&entry.task.resources));
                }
            }
            if !missing.is_empty() {
                questions.push(link::Reconcile {
                    framework_info: framework.info.clone(),
                    task_ids: missing,
                });
            }
        }
        for question in questions {
            self.send_agent(agent_id, link::Event::Reconcile(question));
        }
    }

    /// The agent with this session, for a call.
    pub(crate) fn agent_of_session(&self, agent_id: &AgentId, session: &str) -> bool {
        self.agents
            .get(agent_id)
            .and_then(|agent| agent.session.as_ref())
            .is_some_and(|current| current.id == session)
    }

    /// A call of an agent, whose session was checked.
    pub(crate) fn agent_call(&mut self, now: Time, agent_id: &AgentId, call: link::Call) {
        match call {
            link::Call::Pong => {
                if let Some(session) = self
                    .agents
                    .get_mut(agent_id)
                    .and_then(|a| a.session.as_mut())
                {
                    session.missed = 0;
                }
            }
            link::Call::StatusUpdate(update) => self.status_update(now, agent_id, update),
            link::Call::ExecutorExited(exited) => self.executor_exited(agent_id, &exited),
            link::Call::ExecutorMessage(message) => {
                let event = scheduler::Event {
                    message: Some(message.message),
                    ..event(scheduler::EventType::Message)
                };
                self.send(&message.framework_id, event);
            }
            link::Call::Unregister(unregister) => {
                let host = self
                    .agents
                    .get(agent_id)
                    .map(|a| a.info.hostname.clone())
                    .unwrap_or_default();
                tracing::info!(agent = %agent_id, reason = unregister.reason, "agent unregisters");
                let message = format!("Agent {host} removed: the agent unregistered");
                self.remove_agent(now, agent_id, &message);
            }
        }
    }

    fn executor_exited(&mut self, agent_id: &AgentId, exited: &link::ExecutorExited) {
        if self.forget_executor(agent_id, &exited.framework_id, &exited.executor_id) {
            let failure = scheduler::Failure {
                agent_id: Some(agent_id.clone()),
                executor_id: Some(exited.executor_id.clone()),
                status: Some(exited.status),
            };
            self.send(
                &exited.framework_id,
                scheduler::Event {
                    failure: Some(failure),
                    ..event(scheduler::EventType::Failure)
                },
            );
        }
    }

    fn forget_executor(
        &mut self,
        agent_id: &AgentId,
        framework: &FrameworkId,
        executor: &ExecutorId,
    ) -> bool {
        let key = (agent_id.clone(), executor.clone());
        let removed = self
            .frameworks
            .get_mut(framework)
            .and_then(|f| f.executors.remove(&key));
        let Some(info) = removed else { return false };
        if let Some(agent) = self.agents.get_mut(agent_id) {
            agent.release(framework, &Resources::of(&info.resources));
        }
        true
    }

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
                self.counters.count_end(state);
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

    fn tell_agent_added(&mut self, id: &AgentId) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let agent = crate::master::views::agent(agent);
        self.tell_operators(master::Event {
            kind: Some(master::EventType::AgentAdded),
            agent_added: Some(master::AgentAdded { agent }),
            ..master::Event::default()
        });
    }
}

//! Agents: registration and return, pings, loss.

use aurora_mesos::resources::{Resources, refine};
use aurora_mesos::v1::{
    AgentId, ExecutorId, FrameworkId, FrameworkInfo, StatusReason, Task, TaskId, master, scheduler,
};

use super::Master;
use super::effect::{Effect, StreamKey};
use super::framework::event;
use super::registry::RegisteredAgent;
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
                total_ping_timeout_ms: self.config.total_ping_timeout().as_millis() as u64,
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
            let aside = framework.unreachable_tasks.remove(&key.1);
            let known = framework.tasks.remove(&key.1);
            let kill = known
                .as_ref()
                .and_then(|entry| entry.kill_on_return.clone());
            // The agent keeps no history.
            if let Some(earlier) = known.as_ref().map(|entry| &entry.task).or(aside.as_ref())
                && task.statuses.is_empty()
            {
                task.statuses.clone_from(&earlier.statuses);
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
                let message = "Unreachable agent re-registered";
                let reason = StatusReason::AgentReregistered;
                let status = self.task_status(now, &task, task.state, reason, message);
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

    /// Told also of an executor that the agent no longer named when it registered: it may have ended while there was no
    /// master to tell.
    fn executor_exited(&mut self, agent_id: &AgentId, exited: &link::ExecutorExited) {
        self.forget_executor(agent_id, &exited.framework_id, &exited.executor_id);
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

    pub(super) fn forget_executor(
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

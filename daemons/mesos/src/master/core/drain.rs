//! Draining, deactivation, and agents that are declared gone.

use aurora_mesos::v1::{
    AgentId, DrainConfig, DrainState, DurationInfo, KillPolicy, StatusReason, TaskState,
};

use super::Master;
use super::effect::Effect;
use super::loss::Loss;
use super::registry::{Drain, RegisteredAgent};
use super::time::Time;
use crate::link;

/// Why an order about an agent is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DrainError {
    /// 400, or 404 for MARK_AGENT_GONE.
    #[error("Unknown agent")]
    Unknown,
    /// 400
    #[error("Agent is not deactivated")]
    Active,
    /// 400
    #[error("Agent is still draining")]
    Draining,
}

impl Master {
    /// What the registry has of an agent, unreachable ones included.
    fn record(&mut self, id: &AgentId) -> Option<&mut RegisteredAgent> {
        match self.registry.agents.get_mut(&id.value) {
            Some(record) => Some(record),
            None => self
                .registry
                .unreachable
                .get_mut(&id.value)
                .map(|agent| &mut agent.agent),
        }
    }

    /// DRAIN_AGENT: no offers, and a kill for every task.
    ///
    /// # Errors
    /// [`DrainError::Unknown`]
    pub(crate) fn drain_agent(
        &mut self,
        now: Time,
        id: &AgentId,
        config: DrainConfig,
    ) -> Result<(), DrainError> {
        let drain = Drain {
            config: config.clone(),
            state: DrainState::Draining,
            started: now.info(),
        };
        let record = self.record(id).ok_or(DrainError::Unknown)?;
        record.deactivated = true;
        record.drain = Some(drain.clone());
        if let Some(agent) = self.agents.get_mut(id) {
            agent.deactivated = true;
            agent.drain = Some(drain);
        }
        self.persist();
        self.rescind_all(id);
        self.order_drain(id, &config);
        self.check_drained(now, id);
        Ok(())
    }

    fn order_drain(&mut self, id: &AgentId, config: &DrainConfig) {
        self.send_agent(
            id,
            link::Event::Drain(link::Drain {
                config: config.clone(),
            }),
        );
        let mut kills = Vec::new();
        for framework in self.frameworks.values() {
            for entry in framework
                .tasks
                .values()
                .filter(|entry| entry.task.agent_id == *id)
            {
                if !entry.task.state.is_terminal() {
                    kills.push(link::KillTask {
                        framework_id: framework.id.clone(),
                        task_id: entry.task.task_id.clone(),
                        kill_policy: capped(entry.task.kill_policy.as_ref(), config),
                    });
                }
            }
        }
        for kill in kills {
            self.send_agent(id, link::Event::KillTask(kill));
        }
    }

    /// An agent came back: its drain goes on, or it learns that there is none any more.
    pub(super) fn resume_drain(
        &mut self,
        now: Time,
        id: &AgentId,
        agent_has: Option<&DrainConfig>,
    ) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        match agent.drain.clone() {
            Some(drain) => {
                self.order_drain(id, &drain.config);
                self.check_drained(now, id);
            }
            None => {
                if agent_has.is_some() {
                    self.send_agent(id, link::Event::Reactivate);
                }
            }
        }
    }

    /// Ends a drain once nothing is left on the agent.
    pub(super) fn check_drained(&mut self, now: Time, id: &AgentId) {
        let is_draining = |drain: &Drain| drain.state == DrainState::Draining;
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let Some(drain) = agent.drain.clone().filter(is_draining) else {
            return;
        };
        let is_busy = self.frameworks.values().any(|framework| {
            framework
                .tasks
                .values()
                .any(|entry| entry.task.agent_id == *id)
        });
        if is_busy || agent.session.is_none() {
            return;
        }
        tracing::info!(agent = %id, "drained");
        let drained = Drain {
            state: DrainState::Drained,
            ..drain
        };
        if let Some(agent) = self.agents.get_mut(id) {
            agent.drain = Some(drained.clone());
        }
        if let Some(record) = self.record(id) {
            record.drain = Some(drained.clone());
        }
        self.persist();
        if drained.config.mark_gone
            && let Err(error) = self.mark_gone(now, id)
        {
            tracing::error!(agent = %id, %error, "drained agent cannot be marked gone");
        }
    }

    /// DEACTIVATE_AGENT: no offers.
    ///
    /// # Errors
    /// [`DrainError::Unknown`]
    pub(crate) fn deactivate_agent(&mut self, id: &AgentId) -> Result<(), DrainError> {
        self.record(id).ok_or(DrainError::Unknown)?.deactivated = true;
        if let Some(agent) = self.agents.get_mut(id) {
            agent.deactivated = true;
        }
        self.persist();
        self.rescind_all(id);
        Ok(())
    }

    /// REACTIVATE_AGENT: offers again; the end of a drain that is done.
    ///
    /// # Errors
    /// [`DrainError`]
    pub(crate) fn reactivate_agent(&mut self, now: Time, id: &AgentId) -> Result<(), DrainError> {
        let record = self.record(id).ok_or(DrainError::Unknown)?;
        if !record.deactivated {
            return Err(DrainError::Active);
        }
        if record
            .drain
            .as_ref()
            .is_some_and(|drain| drain.state == DrainState::Draining)
        {
            return Err(DrainError::Draining);
        }
        record.deactivated = false;
        record.drain = None;
        if let Some(agent) = self.agents.get_mut(id) {
            agent.deactivated = false;
            agent.drain = None;
        }
        self.persist();
        self.send_agent(id, link::Event::Reactivate);
        self.allocate(now);
        Ok(())
    }

    /// MARK_AGENT_GONE: its tasks are over, and it can never come back. Again is fine.
    ///
    /// # Errors
    /// [`DrainError::Unknown`]
    pub(crate) fn mark_gone(&mut self, now: Time, id: &AgentId) -> Result<(), DrainError> {
        if self.registry.gone.contains_key(&id.value) {
            return Ok(());
        }
        self.record(id).ok_or(DrainError::Unknown)?;
        tracing::info!(agent = %id, "marked gone");
        self.registry.agents.remove(&id.value);
        self.registry.unreachable.remove(&id.value);
        self.registry.add_gone(id, now.info());
        let message = "Agent has been marked gone";
        if let Some(session) = self.agents.get(id).and_then(|agent| agent.session.as_ref()) {
            let key = session.key;
            let shutdown = link::Event::Shutdown(link::Shutdown {
                message: message.to_owned(),
            });
            self.emit(Effect::ToAgent(key, Box::new(shutdown)));
        }
        let loss = Loss {
            state: TaskState::GoneByOperator,
            reason: StatusReason::AgentRemovedByOperator,
            message,
        };
        self.lose_unreachable(now, id, loss);
        self.lose_agent(now, id, loss, false);
        Ok(())
    }

    /// Tasks that were set aside when the agent became unreachable.
    fn lose_unreachable(&mut self, now: Time, id: &AgentId, loss: Loss<'_>) {
        let mut lost = Vec::new();
        for framework in self.frameworks.values_mut() {
            let state = framework.seen_state(loss.state);
            let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut framework.unreachable_tasks)
                .into_iter()
                .partition(|(_, task)| task.agent_id == *id);
            framework.unreachable_tasks = kept.into_iter().collect();
            for (task_id, mut task) in gone {
                task.state = state;
                framework.complete(task);
                lost.push((framework.id.clone(), task_id, state));
            }
        }
        for (framework, task_id, state) in lost {
            let status =
                self.master_status(now, &task_id, Some(id), state, loss.reason, loss.message);
            self.count_end(&framework, state, &status);
            self.tell_task_updated(framework.clone(), status.clone(), state);
            self.send_update(&framework, status);
        }
    }
}

/// The task's own policy within the drain's limit.
fn capped(policy: Option<&KillPolicy>, config: &DrainConfig) -> Option<KillPolicy> {
    let Some(limit) = &config.max_grace_period else {
        return policy.cloned();
    };
    let own = policy
        .and_then(|policy| policy.grace_period.as_ref())
        .map(|grace| grace.nanoseconds);
    let nanoseconds = own.map_or(limit.nanoseconds, |own| own.min(limit.nanoseconds));
    Some(KillPolicy {
        grace_period: Some(DurationInfo { nanoseconds }),
    })
}

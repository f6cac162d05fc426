//! Frameworks: subscription, takeover, disconnection, removal.

use std::collections::BTreeSet;
use std::time::Duration;

use aurora_mesos::v1::scheduler::{
    CallType, Error, Event, EventType, Subscribe, Subscribed, UpdateFramework,
};
use aurora_mesos::v1::{FrameworkId, FrameworkInfo, StatusReason, TaskState, master};

use super::constraints::Constraints;
use super::effect::{Effect, StreamKey};
use super::state::{Framework, Stream};
use super::time::Time;
use super::{Master, validate};
use crate::link;

/// Seconds between heartbeats, as subscriptions announce it.
const HEARTBEAT_SECONDS: f64 = 15.0;

/// Why a call does not reach its framework.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// 400
    #[error("Framework cannot be found")]
    Unknown,
    /// 403
    #[error("Framework is not subscribed")]
    NotSubscribed,
    /// 400
    #[error("All non-subscribe calls should include the 'Mesos-Stream-Id' header")]
    NoStreamId,
    /// 400
    #[error(
        "The stream ID '{given}' included in this request didn't match the stream ID currently associated with framework ID {framework}"
    )]
    StreamId {
        given: String,
        framework: FrameworkId,
    },
}

pub(super) fn event(kind: EventType) -> Event {
    Event {
        kind: Some(kind),
        ..Event::default()
    }
}

fn error_event(message: &str) -> Event {
    Event {
        error: Some(Error {
            message: message.to_owned(),
        }),
        ..event(EventType::Error)
    }
}

impl Master {
    /// Counts a call of a framework that is known.
    pub(crate) fn count_call(&mut self, id: &FrameworkId, kind: CallType) {
        if let Some(framework) = self.frameworks.get_mut(id) {
            framework.tally.call(kind);
        }
    }

    /// A scheduler opened a stream. Whatever the outcome, the answer goes out on it.
    pub(crate) fn subscribe(&mut self, now: Time, stream: Stream, subscribe: Subscribe) {
        let key = stream.key;
        if let Err(message) = self.try_subscribe(now, stream, subscribe) {
            tracing::info!(%message, "subscription refused");
            self.emit(Effect::ToFramework(key, Box::new(error_event(&message))));
            self.emit(Effect::Close(key));
        }
    }

    fn try_subscribe(
        &mut self,
        now: Time,
        stream: Stream,
        subscribe: Subscribe,
    ) -> Result<(), String> {
        let Subscribe {
            framework_info: info,
            suppressed_roles,
            offer_constraints,
        } = subscribe;
        validate::framework_info(&info)?;
        let id = info.id.clone().filter(|id| !id.value.is_empty());
        if let Some(id) = &id {
            validate::id(&id.value)?;
            if self.registry.is_removed(id) {
                return Err("Framework has been removed".to_owned());
            }
        }
        let suppressed = validate::suppressed_roles(&info, &suppressed_roles)?;
        let constraints_info = offer_constraints.unwrap_or_default();
        let constraints = Constraints::compile(&constraints_info, &info.effective_roles())?;
        let known = id.as_ref().and_then(|id| self.frameworks.get(id));
        if known.is_some_and(|known| !known.recovered && known.info.principal != info.principal) {
            return Err("Changing framework's principal is not allowed.".to_owned());
        }

        let id = match id {
            Some(id) => id,
            None => {
                let number = self.next_framework;
                self.next_framework += 1;
                FrameworkId::from(format!("{}-{number:04}", self.id()))
            }
        };
        let is_new = !self.frameworks.contains_key(&id);
        if is_new {
            let framework = Framework::new(id.clone(), info, now);
            self.frameworks.insert(id.clone(), framework);
        } else {
            self.take_over(now, &id, info);
        }
        let Some(framework) = self.frameworks.get_mut(&id) else {
            return Ok(());
        };
        framework.tally.call(CallType::Subscribe);
        framework.stream = Some(stream.clone());
        framework.suppressed = suppressed;
        framework.constraints = constraints;
        framework.constraints_info = constraints_info;
        tracing::info!(framework = %id, name = framework.info.name, is_new, "subscribed");

        let subscribed = Subscribed {
            framework_id: id.clone(),
            heartbeat_interval_seconds: Some(HEARTBEAT_SECONDS),
            master_info: Some(self.config.master_info.clone()),
        };
        self.send(
            &id,
            Event {
                subscribed: Some(subscribed),
                ..event(EventType::Subscribed)
            },
        );
        self.send(&id, event(EventType::Heartbeat));
        self.tell_about_framework(&id, is_new);
        self.allocate(now);
        Ok(())
    }

    /// A known framework subscribes again.
    fn take_over(&mut self, now: Time, id: &FrameworkId, info: FrameworkInfo) {
        // Its offers are void, and it knows that: no RESCIND.
        let offers: Vec<_> = self
            .offers
            .values()
            .filter(|o| o.framework_id == *id)
            .map(|o| o.id.clone())
            .collect();
        for offer in offers {
            self.remove_offer(&offer);
        }
        self.inverse_offers
            .retain(|_, offer| offer.framework_id != *id);
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        if let Some(old) = framework.stream.take() {
            self.effects.push(Effect::ToFramework(
                old.key,
                Box::new(error_event("Framework failed over")),
            ));
            self.effects.push(Effect::Close(old.key));
        }
        framework.failover_deadline = None;
        framework.reregistered = Some(now);
        let changed = if framework.recovered {
            framework.recovered = false;
            framework.registered = now;
            framework.info = FrameworkInfo {
                id: Some(id.clone()),
                ..info
            };
            true
        } else {
            let new = FrameworkInfo {
                id: Some(id.clone()),
                user: framework.info.user.clone(),
                checkpoint: framework.info.checkpoint,
                ..info
            };
            let changed = framework.info != new;
            framework.info = new;
            changed
        };
        if changed {
            self.tell_agents_about_framework(id);
        }
    }

    fn tell_about_framework(&mut self, id: &FrameworkId, is_new: bool) {
        let Some(framework) = self.frameworks.get(id) else {
            return;
        };
        let framework = crate::master::views::framework(self, framework);
        let event = if is_new {
            master::Event {
                kind: Some(master::EventType::FrameworkAdded),
                framework_added: Some(master::FrameworkAdded { framework }),
                ..master::Event::default()
            }
        } else {
            master::Event {
                kind: Some(master::EventType::FrameworkUpdated),
                framework_updated: Some(master::FrameworkUpdated { framework }),
                ..master::Event::default()
            }
        };
        self.tell_operators(event);
    }

    /// Agents that run something of the framework keep its description.
    fn tell_agents_about_framework(&mut self, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id) else {
            return;
        };
        let info = framework.info.clone();
        let mut agents: BTreeSet<_> = framework
            .tasks
            .values()
            .map(|t| t.task.agent_id.clone())
            .collect();
        agents.extend(framework.executors.keys().map(|(agent, _)| agent.clone()));
        for agent in agents {
            let event = link::FrameworkUpdated {
                framework_info: info.clone(),
            };
            self.send_agent(&agent, link::Event::FrameworkUpdated(event));
        }
    }

    /// Whether a call with this stream id may be carried out.
    pub(crate) fn check_call(
        &self,
        id: &FrameworkId,
        stream_id: Option<&str>,
    ) -> Result<(), CallError> {
        let framework = self.frameworks.get(id).ok_or(CallError::Unknown)?;
        let stream = framework.stream.as_ref().ok_or(CallError::NotSubscribed)?;
        let given = stream_id.ok_or(CallError::NoStreamId)?;
        if given == stream.id {
            Ok(())
        } else {
            Err(CallError::StreamId {
                given: given.to_owned(),
                framework: id.clone(),
            })
        }
    }

    /// A scheduler's stream ended.
    pub(crate) fn framework_disconnected(&mut self, now: Time, key: StreamKey) {
        let framework = self.frameworks.values_mut().find(|framework| {
            framework
                .stream
                .as_ref()
                .is_some_and(|stream| stream.key == key)
        });
        let Some(framework) = framework else { return };
        let id = framework.id.clone();
        let timeout = failover_timeout(&framework.info);
        tracing::info!(framework = %id, ?timeout, "disconnected");
        framework.stream = None;
        framework.filters.clear();
        framework.failover_deadline = Some(now + timeout);
        let offers: Vec<_> = self
            .offers
            .values()
            .filter(|o| o.framework_id == id)
            .map(|o| o.id.clone())
            .collect();
        for offer in offers {
            self.remove_offer(&offer);
        }
        self.inverse_offers
            .retain(|_, offer| offer.framework_id != id);
        self.expire_frameworks(now);
    }

    pub(super) fn expire_frameworks(&mut self, now: Time) {
        let expired: Vec<_> = self
            .frameworks
            .values()
            .filter(|framework| {
                framework
                    .failover_deadline
                    .is_some_and(|deadline| deadline <= now)
            })
            .map(|framework| framework.id.clone())
            .collect();
        for id in expired {
            tracing::info!(framework = %id, "did not come back in time");
            self.remove_framework(now, &id);
        }
    }

    /// Ends a framework for good; false when there is none with this id.
    pub(crate) fn remove_framework(&mut self, now: Time, id: &FrameworkId) -> bool {
        let Some(mut framework) = self.frameworks.remove(id) else {
            return false;
        };
        tracing::info!(framework = %id, name = framework.info.name, "removed");
        self.registry.remove_framework(id);
        self.persist();
        let offers: Vec<_> = self
            .offers
            .values()
            .filter(|o| o.framework_id == *id)
            .map(|o| o.id.clone())
            .collect();
        for offer in offers {
            self.remove_offer(&offer);
        }
        self.inverse_offers
            .retain(|_, offer| offer.framework_id != *id);
        self.inverse_answers
            .retain(|(_, framework), _| framework != id);

        let agents: Vec<_> = self.agents.keys().cloned().collect();
        for agent in agents {
            self.send_agent(
                &agent,
                link::Event::ShutdownFramework(link::ShutdownFramework {
                    framework_id: id.clone(),
                }),
            );
        }
        for agent in self.agents.values_mut() {
            if let Some(used) = agent.used.remove(id) {
                agent.used_sum.subtract(&used.unallocated());
            }
        }
        let tasks = std::mem::take(&mut framework.tasks)
            .into_values()
            .map(|entry| entry.task);
        let unreachable = std::mem::take(&mut framework.unreachable_tasks).into_values();
        let mut ended = Vec::new();
        for mut task in tasks.chain(unreachable) {
            if !task.state.is_terminal() {
                let status = self.master_status(
                    now,
                    &task.task_id,
                    Some(&task.agent_id),
                    TaskState::Killed,
                    StatusReason::FrameworkRemoved,
                    "Framework has been removed",
                );
                self.counters.count_end(TaskState::Killed, &status);
                task.state = TaskState::Killed;
                super::tasks::push_status(&mut task, &status);
                ended.push((id.clone(), status, TaskState::Killed));
            }
            framework.complete(task);
        }
        for (framework_id, status, state) in ended {
            self.tell_task_updated(framework_id, status, state);
        }
        framework.executors.clear();
        framework.failover_deadline = None;
        framework.unregistered = Some(now);
        framework.recovered = false;
        if let Some(stream) = framework.stream.take() {
            self.emit(Effect::Close(stream.key));
        }
        self.tell_operators(master::Event {
            kind: Some(master::EventType::FrameworkRemoved),
            framework_removed: Some(master::FrameworkRemoved {
                framework_info: framework.info.clone(),
            }),
            ..master::Event::default()
        });
        self.complete_framework(framework);
        let agents: Vec<_> = self.agents.keys().cloned().collect();
        for agent in agents {
            self.check_drained(now, &agent);
        }
        true
    }

    /// UPDATE_FRAMEWORK.
    ///
    /// # Errors
    /// The text of the 400.
    pub(crate) fn update_framework(
        &mut self,
        now: Time,
        id: &FrameworkId,
        update: UpdateFramework,
    ) -> Result<(), String> {
        let UpdateFramework {
            framework_info: info,
            suppressed_roles,
            offer_constraints,
        } = update;
        let Some(framework) = self.frameworks.get(id) else {
            return Err(CallError::Unknown.to_string());
        };
        validate::framework_info(&info)?;
        let old = &framework.info;
        if old.principal != info.principal {
            return Err("Changing framework's principal is not allowed.".to_owned());
        }
        if old.user != info.user {
            return Err("Updating 'FrameworkInfo.user' is unsupported".to_owned());
        }
        if old.checkpoint != info.checkpoint {
            return Err("Updating 'FrameworkInfo.checkpoint' is unsupported".to_owned());
        }
        let suppressed = validate::suppressed_roles(&info, &suppressed_roles)?;
        let constraints_info = offer_constraints.unwrap_or_default();
        let constraints = Constraints::compile(&constraints_info, &info.effective_roles())?;
        let changed = *old != info;
        let roles: Vec<String> = info
            .effective_roles()
            .into_iter()
            .map(str::to_owned)
            .collect();

        if let Some(framework) = self.frameworks.get_mut(id) {
            framework.info = info;
            framework.suppressed = suppressed;
            framework.constraints = constraints;
            framework.constraints_info = constraints_info;
            framework
                .filters
                .retain(|filter| roles.contains(&filter.role));
        }
        let void: Vec<_> = self
            .offers
            .values()
            .filter(|offer| offer.framework_id == *id && !roles.contains(&offer.role))
            .map(|offer| offer.id.clone())
            .collect();
        for offer in void {
            self.rescind(&offer);
        }
        if changed {
            self.tell_agents_about_framework(id);
        }
        self.tell_about_framework(id, false);
        self.allocate(now);
        Ok(())
    }

    /// REVIVE: of these roles, or of all.
    pub(crate) fn revive(&mut self, now: Time, id: &FrameworkId, roles: &[String]) {
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        if roles.is_empty() {
            framework.suppressed.clear();
            framework.filters.clear();
        } else {
            framework.suppressed.retain(|role| !roles.contains(role));
            framework
                .filters
                .retain(|filter| !roles.contains(&filter.role));
        }
        self.allocate(now);
    }

    /// SUPPRESS: of these roles, or of all.
    pub(crate) fn suppress(&mut self, id: &FrameworkId, roles: &[String]) {
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        let own = framework
            .info
            .effective_roles()
            .into_iter()
            .map(str::to_owned);
        let suppressed: Vec<String> = own
            .filter(|role| roles.is_empty() || roles.contains(role))
            .collect();
        framework.suppressed.extend(suppressed);
    }
}

/// Negative ones count as none.
fn failover_timeout(info: &FrameworkInfo) -> Duration {
    Duration::try_from_secs_f64(info.failover_timeout.max(0.0)).unwrap_or(Duration::MAX)
}

//! What comes from Mesos: subscription, offers, statuses (aurora: `MesosCallbackHandler.java`, `TaskStatusHandlerImpl.java`).

use std::sync::Arc;

use aurora_api::model::{HostAttributes, MaintenanceMode, ScheduleStatus};
use aurora_mesos::v1::{Attribute, Offer, StatusReason, TaskState, TaskStatus, ValueType};

use super::filter::host_attributes;
use super::offers::Added;
use super::op::Op;
use super::tasks::Outcome;
use super::timers::Timer;
use super::{Core, MesosCall, MesosEvent};

impl Core {
    pub(crate) fn mesos_event(&mut self, event: MesosEvent) {
        match event {
            MesosEvent::Registered {
                framework_id,
                master: _,
            } => self.registered(framework_id),
            MesosEvent::Disconnected => {
                self.registered = false;
                self.offers.clear();
                self.forget_candidates();
            }
            MesosEvent::Offers(offers) => {
                for offer in offers {
                    self.offered(offer);
                }
            }
            MesosEvent::Rescinded(id) => {
                self.bump("offers_rescinded");
                if !self.offers.rescind(&id) {
                    self.bump("offer_cancel_failures");
                }
            }
            MesosEvent::InverseOffers(offers) => {
                for offer in offers {
                    self.inverse_offered(offer);
                }
            }
            MesosEvent::Status(statuses) => {
                for status in statuses {
                    self.status(status);
                }
            }
            // An agent's offers are rescinded one by one and its tasks are reported, so nothing hangs on this alone.
            MesosEvent::Failure {
                agent_id: Some(agent),
                executor_id: None,
                status: _,
            } => {
                self.offers.remove_agent(&agent.value);
            }
            MesosEvent::Failure { .. } => {}
        }
    }

    fn registered(&mut self, framework_id: String) {
        // Offers of an earlier subscription are void, rescinded or not.
        self.offers.clear();
        self.forget_candidates();
        self.registered = true;
        let is_known = self.store.read().framework_id() == Some(framework_id.as_str());
        if !framework_id.is_empty() && !is_known {
            self.apply(Op::SaveFrameworkId { id: framework_id });
        }
        if !self.has_registered {
            self.has_registered = true;
            self.begin_reconciliations();
            self.begin_slot_searches();
        }
        self.catch_up_reconciling();
    }

    fn offered(&mut self, offer: Offer) {
        let known = self.store.read().host(&offer.hostname);
        let known = known.map(|host| Arc::clone(&host.attributes));
        let attributes = match known.filter(|known| is_described_by(known, &offer)) {
            Some(known) => {
                // What it offers may make the difference for a task that waits for room.
                self.agents.touch(&offer.agent_id.value);
                known
            }
            None => self.offered_host(&offer),
        };
        let id = offer.id.clone();
        match self
            .offers
            .add(&self.config, &mut self.random, offer, attributes)
        {
            Added::Held(sequence) => self.hold(sequence),
            Added::Twice(other) => self.decline(vec![other, id]),
            Added::Rescinded => {}
        }
    }

    /// The host as an offer describes it, saved if that is news.
    fn offered_host(&mut self, offer: &Offer) -> Arc<HostAttributes> {
        let known = self.store.read().host(&offer.hostname);
        let mode = known.and_then(|host| host.attributes.mode);
        let attributes = HostAttributes {
            host: offer.hostname.clone(),
            attributes: host_attributes(&offer.attributes),
            mode: Some(mode.unwrap_or(MaintenanceMode::None)),
            slave_id: Some(offer.agent_id.value.clone()),
        };
        if let Some(known) = known.filter(|host| *host.attributes == attributes) {
            let known = Arc::clone(&known.attributes);
            self.agents.touch(&offer.agent_id.value);
            return known;
        }
        self.save_host(attributes)
    }

    /// An offer is there to be used from now on.
    fn hold(&mut self, sequence: u64) {
        if !self.config.hold_offers_forever {
            let jitter = self.random.below(self.config.offer_hold_jitter_window);
            let hold = self.config.min_offer_hold_time.saturating_add(jitter);
            let at = self.now.saturating_add(hold);
            self.timers.set(at, Timer::Offer(sequence));
        }
        self.wake_groups(sequence);
    }

    /// Saves what is known of a host, its maintenance mode above all. The host's offer is looked at anew by everybody.
    pub(crate) fn save_host(&mut self, attributes: HostAttributes) -> Arc<HostAttributes> {
        let shared = Arc::new(attributes.clone());
        self.apply(Op::SaveHost { attributes });
        let saved = self.store.read().host(&shared.host);
        let saved = saved.map_or(shared, |host| Arc::clone(&host.attributes));
        if let Some(agent) = &saved.slave_id {
            self.agents.touch(agent);
            if let Some(sequence) = self.offers.renew(agent, &saved) {
                self.hold(sequence);
            }
        }
        saved
    }

    /// One status. It is acknowledged once what it changed is durable; what Mesos answers to a reconciliation has no uuid
    /// and is not acknowledged.
    fn status(&mut self, status: TaskStatus) {
        if status.reason == Some(StatusReason::AgentDraining) {
            self.drained_by_agent(&status.task_id.value);
        }
        let to = status_of(status.state);
        let outcome = self.change_state(&status.task_id.value, None, to, message_of(&status));
        if let Some(reason) = &status.reason {
            self.bump(format!("status_update_{reason}_{}", outcome.name()));
        }
        // An unknown task's agent is known from its status alone.
        let unknown = self.store.read().task(&status.task_id.value).is_none();
        if outcome == Outcome::IllegalAndKilled
            && unknown
            && let Some(super::Effect::Mesos(MesosCall::Kill { task_id, agent_id })) =
                self.out.effects.last_mut()
            && *task_id == status.task_id
        {
            agent_id.clone_from(&status.agent_id);
        }
        if let (Some(agent_id), Some(uuid)) = (status.agent_id, status.uuid)
            && !uuid.is_empty()
        {
            self.call_mesos(MesosCall::Acknowledge {
                agent_id,
                task_id: status.task_id,
                uuid,
            });
        }
    }
}

/// Whether an offer says of its host what is known already. `false` when that is not plain to see.
fn is_described_by(known: &HostAttributes, offer: &Offer) -> bool {
    let (known_ones, offered) = (&known.attributes, &offer.attributes);
    let is_known = |attribute: &Attribute| {
        let text = attribute.text.as_ref().map(|text| &text.value);
        let text = text.filter(|_| attribute.kind == ValueType::Text);
        let value = known_ones.iter().find(|known| known.name == attribute.name);
        let value = value.filter(|known| known.values.len() == 1);
        text.is_some() && value.and_then(|known| known.values.first()) == text
    };
    // Known names are unique: as many offered ones, among which each of them is, are unique too.
    known.slave_id.as_deref() == Some(&*offer.agent_id.value)
        && known.mode.is_some()
        && known_ones.len() == offered.len()
        && offered.iter().all(is_known)
        && known_ones
            .iter()
            .all(|known| offered.iter().any(|attribute| attribute.name == known.name))
}

fn status_of(state: TaskState) -> ScheduleStatus {
    match state {
        TaskState::Staging | TaskState::Starting => ScheduleStatus::Starting,
        TaskState::Running => ScheduleStatus::Running,
        TaskState::Finished => ScheduleStatus::Finished,
        TaskState::Failed => ScheduleStatus::Failed,
        TaskState::Killed | TaskState::Killing => ScheduleStatus::Killed,
        TaskState::Lost
        | TaskState::Error
        | TaskState::Dropped
        | TaskState::Gone
        | TaskState::GoneByOperator => ScheduleStatus::Lost,
        TaskState::Unreachable | TaskState::Unknown => ScheduleStatus::Partitioned,
    }
}

fn message_of(status: &TaskStatus) -> Option<String> {
    match (status.reason, &status.message) {
        // Mesos says nothing but that the executor is gone, in words that users take for the cause.
        (Some(StatusReason::ExecutorUnregistered), _) => None,
        (_, Some(message)) => Some(message.clone()),
        (Some(StatusReason::ContainerLimitationMemory), None) => {
            Some("Task used more memory than requested.".to_owned())
        }
        (Some(StatusReason::ContainerLimitationDisk), None) => {
            Some("Task used more disk than requested.".to_owned())
        }
        (_, None) => None,
    }
}

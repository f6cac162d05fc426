//! What comes from Mesos: subscription, offers, statuses (aurora: `MesosCallbackHandler.java`, `TaskStatusHandlerImpl.java`).

use std::sync::Arc;

use aurora_api::model::{HostAttributes, MaintenanceMode, ScheduleStatus};
use aurora_mesos::v1::{Offer, StatusReason, TaskState, TaskStatus};

use super::agents::Row;
use super::filter::host_attributes;
use super::offers::{Added, OrderKey};
use super::op::Op;
use super::store::Host;
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
                self.offers.clear(&mut self.agents);
                self.forget_candidates();
            }
            MesosEvent::Offers(offers) => {
                for offer in offers {
                    self.offered(offer);
                }
            }
            MesosEvent::Rescinded(id) => {
                self.bump("offers_rescinded");
                if !self.offers.rescind(&mut self.agents, &id) {
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
                let row = self.agents.find(&agent.value);
                if let Some(place) = row.and_then(|row| self.agents.at(row).offer) {
                    self.offers.remove(&mut self.agents, place);
                }
            }
            MesosEvent::Failure { .. } => {}
        }
    }

    fn registered(&mut self, framework_id: String) {
        // Offers of an earlier subscription are void, rescinded or not.
        self.offers.clear(&mut self.agents);
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
        let row = self.agents.row(&offer.agent_id.value);
        let host = match self.described(row, &offer) {
            Some(known) => {
                // What it offers may make the difference for a task that waits for room.
                self.agents.touch(row);
                known
            }
            None => self.offered_host(row, &offer),
        };
        let known = (&self.config, self.store.names());
        let (random, agents) = (&mut self.random, &mut self.agents);
        match self.offers.add(known, random, agents, row, (offer, host)) {
            Added::Held(key) => self.hold(key),
            Added::Twice(both) => self.decline(both.into()),
            Added::Rescinded => {}
        }
    }

    /// The host of an offer, when it describes it as the agent's last one did and nobody has changed it since.
    fn described(&self, row: Row, offer: &Offer) -> Option<Arc<Host>> {
        let agent = self.agents.at(row);
        let frame = agent.frame.as_deref()?;
        let known = agent.described.as_ref()?;
        frame.describes(offer).then(|| Arc::clone(known))
    }

    /// The host as an offer describes it, saved if that is news.
    fn offered_host(&mut self, row: Row, offer: &Offer) -> Arc<Host> {
        let known = self.store.read().host_record(&offer.hostname);
        let mode = known.and_then(|host| host.attributes.mode);
        let attributes = HostAttributes {
            host: offer.hostname.clone(),
            attributes: host_attributes(&offer.attributes),
            mode: Some(mode.unwrap_or(MaintenanceMode::None)),
            slave_id: Some(offer.agent_id.value.clone()),
        };
        let host = match known.filter(|host| *host.attributes == attributes) {
            Some(known) => {
                self.agents.touch(row);
                Arc::clone(known)
            }
            None => self.save_host(attributes),
        };
        self.agents.at_mut(row).described = Some(Arc::clone(&host));
        host
    }

    /// An offer is there to be used from now on.
    fn hold(&mut self, offer: OrderKey) {
        if !self.config.hold_offers_forever {
            let jitter = self.random.below(self.config.offer_hold_jitter_window);
            let hold = self.config.min_offer_hold_time.saturating_add(jitter);
            let at = self.now.saturating_add(hold);
            self.timers.set(at, Timer::Offer(offer.sequence));
        }
        self.wake_groups(offer);
    }

    /// Saves what is known of a host, its maintenance mode above all. The host's offer is looked at anew by everybody.
    pub(crate) fn save_host(&mut self, attributes: HostAttributes) -> Arc<Host> {
        let before = self.store.read().host(&attributes.host);
        let before = before.and_then(|host| host.attributes.slave_id.as_deref());
        if let Some(row) = before.and_then(|agent| self.agents.find(agent)) {
            self.agents.at_mut(row).described = None;
        }
        let attributes = Arc::new(attributes);
        self.apply(Op::SaveHost {
            attributes: Arc::clone(&attributes),
        });
        let saved = self.store.read().host_record(&attributes.host);
        let saved =
            Arc::clone(saved.expect("it was saved by the op above, which no state refuses"));
        let agent = attributes.slave_id.as_deref();
        if let Some(row) = agent.and_then(|agent| self.agents.find(agent)) {
            self.agents.touch(row);
            let names = self.store.names();
            if let Some(offer) = self.offers.renew(&mut self.agents, row, &saved, names) {
                self.hold(offer);
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

//! Planned maintenance of machines: schedule, inverse offers, machines that are down.

use aurora_mesos::v1::maintenance::{
    ClusterStatus, ClusterStatusDrainingMachine, InverseOfferAnswer, InverseOfferStatus, Schedule,
};
use aurora_mesos::v1::scheduler::{Event, EventType, InverseOffers, RescindInverseOffer};
use aurora_mesos::v1::{
    AgentId, Filters, FrameworkId, InverseOffer, MachineId, OfferId, Unavailability,
};

use super::Master;
use super::effect::Effect;
use super::framework::event;
use super::offers::{agent_url, refusal};
use super::state::PendingInverseOffer;
use super::time::Time;
use crate::link;

/// Host names are compared without regard to case, addresses exactly; both must agree when given.
fn is_machine(machine: &MachineId, hostname: &str, ip: &str) -> bool {
    machine
        .hostname
        .as_ref()
        .is_none_or(|name| name.eq_ignore_ascii_case(hostname))
        && machine.ip.as_ref().is_none_or(|address| address == ip)
}

fn same(a: &MachineId, b: &MachineId) -> bool {
    a.ip == b.ip
        && match (&a.hostname, &b.hostname) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
}

fn name(machine: &MachineId) -> String {
    String::from_utf8_lossy(&aurora_mesos::message::to_vec(machine)).into_owned()
}

impl Master {
    pub(super) fn is_down(&self, hostname: &str, ip: &str) -> bool {
        self.registry
            .down
            .iter()
            .any(|machine| is_machine(machine, hostname, ip))
    }

    /// When an agent's machine is planned to be away.
    pub(super) fn unavailability(&self, hostname: &str, ip: &str) -> Option<Unavailability> {
        let windows = self.registry.schedule.windows.iter();
        windows
            .filter(|window| {
                window
                    .machine_ids
                    .iter()
                    .any(|machine| is_machine(machine, hostname, ip))
            })
            .map(|window| window.unavailability.clone())
            .next()
    }

    /// UPDATE_MAINTENANCE_SCHEDULE: replaces the whole schedule.
    ///
    /// # Errors
    /// The text of the 400.
    pub(crate) fn update_schedule(&mut self, now: Time, schedule: Schedule) -> Result<(), String> {
        let mut seen: Vec<&MachineId> = Vec::new();
        for window in &schedule.windows {
            if window.machine_ids.is_empty() {
                return Err("List of machines in the maintenance window is empty".to_owned());
            }
            if window
                .unavailability
                .duration
                .as_ref()
                .is_some_and(|d| d.nanoseconds < 0)
            {
                return Err("Unavailability 'duration' is negative".to_owned());
            }
            for machine in &window.machine_ids {
                if machine.hostname.as_deref().unwrap_or_default().is_empty()
                    && machine.ip.as_deref().unwrap_or_default().is_empty()
                {
                    return Err("Both 'hostname' and 'ip' for a machine are empty".to_owned());
                }
                if seen.iter().any(|known| same(known, machine)) {
                    return Err(format!(
                        "Machine '{}' appears more than once in the schedule",
                        name(machine)
                    ));
                }
                seen.push(machine);
            }
        }
        for machine in &self.registry.down {
            if !seen.iter().any(|known| same(known, machine)) {
                return Err(format!(
                    "Machine '{}' is in DOWN mode and may not be removed from the maintenance schedule",
                    name(machine)
                ));
            }
        }
        let before: Vec<(AgentId, Option<Unavailability>)> = self.unavailabilities();
        self.registry.schedule = schedule;
        self.persist();
        for (id, old) in before {
            let new = self
                .agents
                .get(&id)
                .and_then(|a| self.unavailability(&a.info.hostname, &a.ip));
            if new == old {
                continue;
            }
            self.inverse_answers.retain(|(agent, _), _| *agent != id);
            self.inverse_filters.retain(|(agent, _), _| *agent != id);
            let void: Vec<OfferId> = self
                .inverse_offers
                .iter()
                .filter(|(_, offer)| offer.agent_id == id)
                .map(|(offer, _)| offer.clone())
                .collect();
            for offer in void {
                self.rescind_inverse(&offer);
            }
            self.rescind_all(&id);
        }
        self.allocate(now);
        self.make_inverse_offers(now);
        Ok(())
    }

    fn unavailabilities(&self) -> Vec<(AgentId, Option<Unavailability>)> {
        self.agents
            .values()
            .map(|agent| {
                (
                    agent.id.clone(),
                    self.unavailability(&agent.info.hostname, &agent.ip),
                )
            })
            .collect()
    }

    /// START_MAINTENANCE: machines of the schedule go down with their agents.
    ///
    /// # Errors
    /// The text of the 400.
    pub(crate) fn start_maintenance(
        &mut self,
        now: Time,
        machines: Vec<MachineId>,
    ) -> Result<(), String> {
        if machines.is_empty() {
            return Err("List of machines is empty".to_owned());
        }
        let scheduled = |machine: &MachineId| {
            self.registry
                .schedule
                .windows
                .iter()
                .any(|window| window.machine_ids.iter().any(|known| same(known, machine)))
        };
        for machine in &machines {
            if !scheduled(machine) {
                return Err(format!(
                    "Machine '{}' is not part of a maintenance schedule",
                    name(machine)
                ));
            }
            if self.registry.down.iter().any(|down| same(down, machine)) {
                return Err(format!(
                    "Machine '{}' is not in DRAINING mode and cannot be brought down",
                    name(machine)
                ));
            }
        }
        self.registry.down.extend(machines.iter().cloned());
        self.persist();
        let message = "Operator initiated 'Machine DOWN'";
        let down: Vec<(AgentId, String)> = self
            .agents
            .values()
            .filter(|agent| {
                machines
                    .iter()
                    .any(|m| is_machine(m, &agent.info.hostname, &agent.ip))
            })
            .map(|agent| (agent.id.clone(), agent.info.hostname.clone()))
            .collect();
        for (id, hostname) in down {
            if let Some(session) = self
                .agents
                .get(&id)
                .and_then(|agent| agent.session.as_ref())
            {
                let key = session.key;
                let shutdown = link::Event::Shutdown(link::Shutdown {
                    message: message.to_owned(),
                });
                self.emit(Effect::ToAgent(key, Box::new(shutdown)));
            }
            self.remove_agent(now, &id, &format!("Agent {hostname} removed: {message}"));
        }
        Ok(())
    }

    /// STOP_MAINTENANCE: machines come up and leave the schedule.
    ///
    /// # Errors
    /// The text of the 400.
    pub(crate) fn stop_maintenance(&mut self, machines: &[MachineId]) -> Result<(), String> {
        if machines.is_empty() {
            return Err("List of machines is empty".to_owned());
        }
        for machine in machines {
            if !self.registry.down.iter().any(|down| same(down, machine)) {
                return Err(format!(
                    "Machine '{}' is not in DOWN mode and cannot be brought up",
                    name(machine)
                ));
            }
        }
        let stays = |machine: &MachineId| !machines.iter().any(|up| same(up, machine));
        self.registry.down.retain(stays);
        for window in &mut self.registry.schedule.windows {
            window.machine_ids.retain(stays);
        }
        self.registry
            .schedule
            .windows
            .retain(|window| !window.machine_ids.is_empty());
        self.persist();
        Ok(())
    }

    /// What GET_MAINTENANCE_STATUS answers.
    pub(crate) fn maintenance_status(&self) -> ClusterStatus {
        let is_down =
            |machine: &&MachineId| self.registry.down.iter().any(|down| same(down, machine));
        let machines = self
            .registry
            .schedule
            .windows
            .iter()
            .flat_map(|window| &window.machine_ids);
        let draining_machines = machines
            .filter(|machine| !is_down(machine))
            .map(|machine| ClusterStatusDrainingMachine {
                id: machine.clone(),
                statuses: self.inverse_statuses(machine),
            })
            .collect();
        ClusterStatus {
            draining_machines,
            down_machines: self.registry.down.clone(),
        }
    }

    fn inverse_statuses(&self, machine: &MachineId) -> Vec<InverseOfferStatus> {
        self.inverse_answers
            .iter()
            .filter(|((agent, _), _)| {
                self.agents
                    .get(agent)
                    .is_some_and(|agent| is_machine(machine, &agent.info.hostname, &agent.ip))
            })
            .map(|((_, framework), (status, when))| InverseOfferStatus {
                status: *status,
                framework_id: framework.clone(),
                timestamp: when.info(),
            })
            .collect()
    }

    /// Asks frameworks with something on a machine of the schedule to leave it.
    pub(super) fn make_inverse_offers(&mut self, now: Time) {
        self.inverse_filters.retain(|_, until| *until > now);
        if self.registry.schedule.windows.is_empty() {
            return;
        }
        let mut wanted: Vec<(AgentId, FrameworkId, Unavailability)> = Vec::new();
        for agent in self.agents.values() {
            let Some(unavailability) = self.unavailability(&agent.info.hostname, &agent.ip) else {
                continue;
            };
            for framework in agent.used.keys() {
                let key = (agent.id.clone(), framework.clone());
                let is_connected = self
                    .frameworks
                    .get(framework)
                    .is_some_and(|f| f.stream.is_some());
                let is_pending = self
                    .inverse_offers
                    .values()
                    .any(|offer| offer.agent_id == key.0 && offer.framework_id == key.1);
                if is_connected && !is_pending && !self.inverse_filters.contains_key(&key) {
                    wanted.push((key.0, key.1, unavailability.clone()));
                }
            }
        }
        for (agent_id, framework_id, unavailability) in wanted {
            let id = self.new_offer_id();
            let pending = PendingInverseOffer {
                framework_id: framework_id.clone(),
                agent_id,
                unavailability,
            };
            let offer = self.wire_inverse(&id, &pending);
            self.inverse_offers.insert(id, pending);
            let inverse_offers = Some(InverseOffers {
                inverse_offers: vec![offer],
            });
            self.send(
                &framework_id,
                Event {
                    inverse_offers,
                    ..event(EventType::InverseOffers)
                },
            );
        }
    }

    fn wire_inverse(&self, id: &OfferId, pending: &PendingInverseOffer) -> InverseOffer {
        InverseOffer {
            id: id.clone(),
            url: self.agents.get(&pending.agent_id).map(agent_url),
            framework_id: pending.framework_id.clone(),
            agent_id: Some(pending.agent_id.clone()),
            unavailability: pending.unavailability.clone(),
            resources: Vec::new(),
        }
    }

    /// The inverse offers that wait for a framework's answer.
    pub(crate) fn inverse_offers_of(&self, framework: &FrameworkId) -> Vec<InverseOffer> {
        self.inverse_offers
            .iter()
            .filter(|(_, pending)| pending.framework_id == *framework)
            .map(|(id, pending)| self.wire_inverse(id, pending))
            .collect()
    }

    fn rescind_inverse(&mut self, id: &OfferId) {
        if let Some(offer) = self.inverse_offers.remove(id) {
            let rescind = RescindInverseOffer {
                inverse_offer_id: id.clone(),
            };
            self.send(
                &offer.framework_id,
                Event {
                    rescind_inverse_offer: Some(rescind),
                    ..event(EventType::RescindInverseOffer)
                },
            );
        }
    }

    /// ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS: recorded, nothing is killed.
    pub(crate) fn answer_inverse_offers(
        &mut self,
        now: Time,
        id: &FrameworkId,
        offers: &[OfferId],
        answer: InverseOfferAnswer,
        filters: Option<&Filters>,
    ) {
        for offer_id in offers {
            if self
                .inverse_offers
                .get(offer_id)
                .is_none_or(|offer| offer.framework_id != *id)
            {
                continue;
            }
            if let Some(offer) = self.inverse_offers.remove(offer_id) {
                let key = (offer.agent_id, id.clone());
                if let Some(pause) = refusal(filters) {
                    self.inverse_filters.insert(
                        key.clone(),
                        now + pause.max(self.config.allocation_interval),
                    );
                }
                self.inverse_answers.insert(key, (answer, now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_known_by_name_without_case_and_by_exact_address() {
        let machine = |hostname: Option<&str>, ip: Option<&str>| MachineId {
            hostname: hostname.map(str::to_owned),
            ip: ip.map(str::to_owned),
        };
        let table = [
            (machine(Some("Host-1"), None), true),
            (machine(None, Some("10.0.0.1")), true),
            (machine(Some("HOST-1"), Some("10.0.0.1")), true),
            (machine(Some("host-1"), Some("10.0.0.2")), false),
            (machine(Some("host-2"), Some("10.0.0.1")), false),
            (machine(None, Some("10.0.0.01")), false),
            (machine(Some("host-1."), None), false),
        ];
        for (machine, expected) in table {
            assert_eq!(
                is_machine(&machine, "host-1", "10.0.0.1"),
                expected,
                "{machine:?}"
            );
        }
        assert!(same(&machine(Some("A"), None), &machine(Some("a"), None)));
        assert!(!same(
            &machine(Some("a"), None),
            &machine(Some("a"), Some("10.0.0.1"))
        ));
    }
}

//! Launching a task on an offer: ports, resources, and what Mesos and the executor are told (aurora: `MesosTaskFactory.java`,
//! `TaskVars`, `ExecutorModule`).

use std::sync::Arc;

use aurora_api::model::ScheduleStatus;

use super::blueprint::{Blueprint, Launch};
use super::offers::HeldOffer;
use super::op::Op;
use super::resources::Carver;
use super::store::{StoredConfig, TaskId};
use super::tasks::Entry;
use super::{Core, MesosCall};

impl Core {
    /// Assigns a pending task to an offer, whose resources are used up, and launches it. When the offer turns out not to
    /// have what it was chosen for it is declined, and the answer is `false`.
    pub(crate) fn launch(
        &mut self,
        id: &TaskId,
        stored: &StoredConfig,
        blueprint: &Arc<Blueprint>,
        held: &mut HeldOffer,
    ) -> bool {
        let mut carver = Carver::new(std::mem::take(&mut held.lots), blueprint.revocable);
        let names = &stored.amounts.ports;
        let cut = carver.scalars(&blueprint.need).and_then(|mut own| {
            let executor = carver.scalars(&blueprint.overhead)?;
            let (ports, lots) = carver.ports(names.len(), &mut self.random)?;
            own.extend(lots);
            Some((own, executor, ports))
        });
        let Some((own, executor, ports)) = cut else {
            self.bump("assigner_launch_failures");
            self.decline(vec![(&*held.id).into()]);
            return false;
        };
        self.apply(Op::Assign {
            task: Arc::clone(id),
            agent: Arc::clone(&held.agent),
            host: Arc::clone(&held.host.name),
            ports: names.iter().cloned().zip(ports).collect(),
            time: self.now,
        });
        let view = self.store.read();
        let Some((slot, task)) = view.find(id) else {
            return false;
        };
        let launch = Launch {
            blueprint: Arc::clone(blueprint),
            framework: view.framework(),
            id: Arc::clone(id),
            instance: task.instance,
            agent: Arc::clone(&held.agent),
            host: Arc::clone(&held.host.name),
            ports: task.ports.clone(),
            own,
            executor,
        };
        let refuse_seconds = self.refuse_seconds();
        self.call_mesos(MesosCall::Launch {
            offer_ids: vec![(&*held.id).into()],
            task: Box::new(launch),
            refuse_seconds,
        });
        self.agents.came(held.row, &held.host.name, slot);
        let kept = &mut self.reservations.for_groups;
        kept.remove(&held.agent, &stored.id);
        self.entered(id, ScheduleStatus::Assigned, Entry::Transition);
        true
    }
}

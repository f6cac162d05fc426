//! Taking hosts out of use: modes, drains, and the requests that drains rest on (aurora: `MaintenanceController.java`).
//!
//! Modes go NONE, SCHEDULED, DRAINING, DRAINED. A drain moves a host's tasks elsewhere as their policies allow, looks again
//! every now and then, and forces what is left when the request's time is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurora_api::model::{
    self, DrainHostsResult, EndMaintenanceResult, HostMaintenanceRequest, HostStatus, Hosts,
    MaintenanceMode, MaintenanceStatusResult, PercentageSlaPolicy, ScheduleStatus, SlaPolicy,
    StartMaintenanceResult,
};
use aurora_api::service::arguments::{
    DrainHosts, EndMaintenance, MaintenanceStatus, SlaDrainHosts, StartMaintenance,
};
use aurora_api::wire::Double;
use aurora_mesos::v1::InverseOffer;

use super::config::Millis;
use super::op::Op;
use super::sla::{Permission, Purpose};
use super::store::{Task, TaskId, View};
use super::timers::Timer;
use super::writes::{Answer, Refusal, fault, told};
use super::{Core, MesosCall};

const DRAINING: &str = "Draining machine for maintenance.";

/// States that a drain ends; others have no place yet, or are ending already.
fn is_movable(task: &Task) -> bool {
    use ScheduleStatus::{Assigned, Partitioned, Running, Starting};
    matches!(task.status, Assigned | Starting | Running | Partitioned)
}

/// A host's tasks that have not ended.
pub(crate) fn active_on<'a>(view: &'a View, host: &'a str) -> impl Iterator<Item = &'a Task> {
    view.tasks_on_host(host)
        .filter(|task| task.status.is_active())
}

/// Milliseconds until a request's drain is forced.
pub(crate) fn time_left(request: &HostMaintenanceRequest, now: Millis) -> Millis {
    let end = request
        .timeout_secs
        .saturating_mul(1000)
        .saturating_add(request.created_timestamp_ms);
    end.saturating_sub(now)
}

/// For each task that a drain waits for, `maintenance_countdown_ms_INSTANCE` and the time until it is forced.
pub fn countdowns(view: &View, now: Millis) -> impl Iterator<Item = (String, Millis)> {
    view.maintenance_requests().flat_map(move |request| {
        let left = time_left(request, now);
        let waiting = active_on(view, &request.host).filter(|task| is_movable(task));
        waiting.map(move |task| {
            let name = format!("maintenance_countdown_ms_{}/{}", task.job(), task.instance);
            (name, left)
        })
    })
}

fn names(hosts: Option<Hosts>) -> Result<BTreeSet<String>, Refusal> {
    let hosts = hosts.ok_or_else(|| fault("hosts is missing"))?;
    Ok(hosts.host_names)
}

impl Core {
    pub(crate) fn start_maintenance(&mut self, call: StartMaintenance) -> Answer {
        let hosts = names(call.hosts)?;
        self.count("thrift_workload_startMaintenance", hosts.len() as u64);
        self.set_modes(&hosts, MaintenanceMode::Scheduled);
        let statuses = self.modes(&hosts);
        told(model::Result::StartMaintenanceResult(
            StartMaintenanceResult { statuses },
        ))
    }

    pub(crate) fn drain_hosts(&mut self, call: DrainHosts) -> Answer {
        let hosts = names(call.hosts)?;
        self.count("thrift_workload_drainHosts", hosts.len() as u64);
        for host in &hosts {
            self.request_drain(host, nothing_is_promised(), 0);
            let mode = match active_on(self.store.read(), host).next() {
                Some(_) => MaintenanceMode::Draining,
                None => MaintenanceMode::Drained,
            };
            self.set_mode(host, mode);
            self.drain_tasks(host);
        }
        let statuses = self.modes(&hosts);
        told(model::Result::DrainHostsResult(DrainHostsResult {
            statuses,
        }))
    }

    /// The tasks are looked at as soon as this is done.
    pub(crate) fn sla_drain_hosts(&mut self, call: SlaDrainHosts) -> Answer {
        let hosts = names(call.hosts)?;
        // Without one nothing would be promised to anybody, which is what `drainHosts` is for.
        let policy = call.default_sla_policy;
        let policy = policy.ok_or_else(|| fault("defaultSlaPolicy is missing"))?;
        self.count("thrift_workload_slaDrainHosts", hosts.len() as u64);
        for host in &hosts {
            self.request_drain(host, policy.clone(), call.timeout_secs);
        }
        self.set_modes(&hosts, MaintenanceMode::Draining);
        self.poll_by(self.now);
        let statuses = self.modes(&hosts);
        told(model::Result::DrainHostsResult(DrainHostsResult {
            statuses,
        }))
    }

    pub(crate) fn maintenance_status(&mut self, call: MaintenanceStatus) -> Answer {
        let hosts = names(call.hosts)?;
        self.count("thrift_workload_maintenanceStatus", hosts.len() as u64);
        let statuses = self.modes(&hosts);
        told(model::Result::MaintenanceStatusResult(
            MaintenanceStatusResult { statuses },
        ))
    }

    /// Tasks that are draining already go on doing so.
    pub(crate) fn end_maintenance(&mut self, call: EndMaintenance) -> Answer {
        let hosts = names(call.hosts)?;
        self.count("thrift_workload_endMaintenance", hosts.len() as u64);
        for host in &hosts {
            self.forget_request(host);
        }
        self.set_modes(&hosts, MaintenanceMode::None);
        let statuses = self.modes(&hosts);
        told(model::Result::EndMaintenanceResult(EndMaintenanceResult {
            statuses,
        }))
    }

    /// The modes of those hosts that ever offered.
    fn modes(&self, hosts: &BTreeSet<String>) -> BTreeSet<HostStatus> {
        let known = hosts.iter().filter_map(|name| self.store.read().host(name));
        let statuses = known.map(|host| HostStatus {
            host: host.attributes.host.clone(),
            mode: Some(host.attributes.mode.unwrap_or(MaintenanceMode::None)),
        });
        statuses.collect()
    }

    fn set_modes(&mut self, hosts: &BTreeSet<String>, mode: MaintenanceMode) {
        for host in hosts {
            self.set_mode(host, mode);
        }
    }

    fn set_mode(&mut self, host: &str, mode: MaintenanceMode) {
        let Some(host) = self.store.read().host(host) else {
            return;
        };
        if host.attributes.mode != Some(mode) {
            let mut attributes = (*host.attributes).clone();
            attributes.mode = Some(mode);
            self.save_host(attributes);
        }
        if mode == MaintenanceMode::Draining {
            self.poll_later();
        }
    }

    fn request_drain(&mut self, host: &str, policy: SlaPolicy, timeout_secs: i64) {
        let request = HostMaintenanceRequest {
            host: host.to_owned(),
            default_sla_policy: Some(policy),
            timeout_secs,
            created_timestamp_ms: self.now,
        };
        self.apply(Op::SaveMaintenance { request });
    }

    fn forget_request(&mut self, host: &str) {
        if self.store.read().maintenance_request(host).is_some() {
            let host = host.to_owned();
            self.apply(Op::RemoveMaintenance { host });
        }
    }

    /// Goes on with the drains that an earlier scheduler began.
    pub(crate) fn recover_maintenance(&mut self) {
        if !self.draining_hosts().is_empty() {
            self.poll_later();
        }
    }

    fn draining_hosts(&self) -> BTreeSet<String> {
        let hosts = self.store.read().hosts();
        let draining = hosts.filter(|host| host.attributes.mode == Some(MaintenanceMode::Draining));
        draining.map(|host| host.attributes.host.clone()).collect()
    }

    fn poll_later(&mut self) {
        let interval = self.config.host_maintenance_polling_interval.max(1);
        self.poll_by(self.now.saturating_add(interval));
    }

    /// Sees to it that draining hosts are looked at no later than a time.
    fn poll_by(&mut self, at: Millis) {
        if self.next_poll.is_none_or(|next| next > at) {
            self.next_poll = Some(at);
            self.timers.set(at, Timer::MaintenancePoll);
        }
    }

    /// Looks at all draining hosts, unless that was done since the deadline was set.
    pub(crate) fn maintenance_poll_due(&mut self) {
        if self.next_poll.is_none_or(|next| next > self.now) {
            return;
        }
        self.next_poll = None;
        for host in self.draining_hosts() {
            if active_on(self.store.read(), &host).next().is_some() {
                self.drain_tasks(&host);
                self.poll_later();
            } else {
                self.set_mode(&host, MaintenanceMode::Drained);
            }
        }
    }

    /// Moves a host's tasks, as far as they may go now. The order is random, so that none is always asked last.
    fn drain_tasks(&mut self, host: &str) {
        let movable = active_on(self.store.read(), host).filter(|task| is_movable(task));
        let mut tasks: Vec<TaskId> = movable.map(|task| task.id()).collect();
        while !tasks.is_empty() {
            let place = self.random.below(tasks.len() as i64) as usize;
            let id = tasks.swap_remove(place);
            self.drain_task(host, &id);
        }
    }

    fn drain_task(&mut self, host: &str, id: &TaskId) {
        let view = self.store.read();
        let Some(request) = view.maintenance_request(host) else {
            tracing::error!(host, "a host is draining without a request to do so");
            self.bump("missing_maintenance_request");
            return;
        };
        let left = time_left(request, self.now);
        let own = view
            .task(id)
            .and_then(|task| task.config.task.sla_policy.as_ref());
        let policy = own.or(request.default_sla_policy.as_ref()).cloned();
        let permission = match policy {
            Some(policy) if left >= 0 => self.check_sla(id, &policy, Purpose::Drain { left }),
            _ => Permission::Granted,
        };
        if permission == Permission::Granted {
            self.drain_permitted(id);
        }
    }

    /// A task may go. When a coordinator thought about it for so long that nobody wants it any more, it stays.
    pub(crate) fn drain_permitted(&mut self, id: &TaskId) {
        let view = self.store.read();
        let host = view
            .task(id)
            .filter(|task| is_movable(task))
            .and_then(|task| task.host());
        if host.is_some_and(|host| view.maintenance_request(host).is_some()) {
            self.change_state(
                id,
                None,
                ScheduleStatus::Draining,
                Some(DRAINING.to_owned()),
            );
        }
    }

    /// A task ended. When it was the last of a draining host, the host is drained.
    pub(crate) fn ended_on_host(&mut self, id: &TaskId) {
        let view = self.store.read();
        let Some(host) = view
            .task(id)
            .and_then(|task| Some(Arc::clone(&task.place()?.host)))
        else {
            return;
        };
        let is_draining = view
            .host(&host)
            .is_some_and(|host| host.attributes.mode == Some(MaintenanceMode::Draining));
        if is_draining && active_on(view, &host).next().is_none() {
            self.set_mode(&host, MaintenanceMode::Drained);
            self.forget_request(&host);
        }
    }

    /// Mesos wants a machine back. That is accepted always, and done when the time is near; Mesos asks again until then. The
    /// host's mode stays, since it is Mesos that keeps offers away.
    pub(crate) fn inverse_offered(&mut self, offer: InverseOffer) {
        self.bump("scheduler_inverse_offers");
        self.call_mesos(MesosCall::AcceptInverseOffers {
            offer_ids: vec![offer.id.clone()],
        });
        let start = offer.unavailability.start.nanoseconds / 1_000_000;
        if self.now <= start.saturating_sub(self.config.unavailability_threshold) {
            return;
        }
        let Some(host) = self.host_of(&offer) else {
            tracing::error!(
                offer = offer.id.value,
                "an inverse offer does not say for which host it is"
            );
            return;
        };
        if active_on(self.store.read(), &host).any(is_movable) {
            self.request_drain(&host, nothing_is_promised(), 0);
            self.drain_tasks(&host);
        }
    }

    fn host_of(&self, offer: &InverseOffer) -> Option<String> {
        let named = offer
            .url
            .as_ref()
            .and_then(|url| url.address.hostname.clone());
        named.or_else(|| {
            let agent = offer.agent_id.as_ref()?;
            let mut hosts = self.store.read().hosts().map(|host| &host.attributes);
            let host = hosts.find(|host| host.slave_id.as_deref() == Some(&agent.value));
            host.map(|host| host.host.clone())
        })
    }

    /// The agent itself is being drained by Mesos' operator and kills its tasks: they are replaced, and their history says
    /// why (mesos: `REASON_AGENT_DRAINING`).
    pub(crate) fn drained_by_agent(&mut self, id: &str) {
        if self.store.read().task(id).is_some_and(is_movable) {
            self.change_state(
                id,
                None,
                ScheduleStatus::Draining,
                Some(DRAINING.to_owned()),
            );
        }
    }
}

/// The policy of a drain that is not to wait for anything.
fn nothing_is_promised() -> SlaPolicy {
    SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
        percentage: Double(0.0),
        duration_secs: 0,
    })
}

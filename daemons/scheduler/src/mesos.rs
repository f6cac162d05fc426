//! Mesos in and out: events to the engine, calls to the master.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aurora_mesos::client::Secret;
use aurora_mesos::client::scheduler::{
    CallError, SchedulerClient, SchedulerConfig, SchedulerEvent, SchedulerEvents,
};
use aurora_mesos::v1::scheduler::{Call, ReconcileTask};
use aurora_mesos::v1::{
    FrameworkCapability, FrameworkCapabilityType, FrameworkId, FrameworkInfo, OfferId,
    OfferOperation, StatusReason, StatusSource, TaskInfo, TaskState, TaskStatus,
};
use tokio::sync::{mpsc, watch};

use crate::core::{MesosCall, MesosEvent};
use crate::engine::{Ending, Handle};
use crate::metrics::Metrics;

/// How this scheduler presents itself to Mesos.
#[derive(Clone, Debug)]
pub(crate) struct Framework {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) failover_timeout: Duration,
    pub(crate) role: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) hostname: String,
    pub(crate) webui_url: String,
    pub(crate) capabilities: Vec<FrameworkCapabilityType>,
}

impl Framework {
    /// The registration; `id` is the one that the log holds.
    pub(crate) fn info(&self, id: Option<&str>) -> FrameworkInfo {
        FrameworkInfo {
            user: self.user.clone(),
            name: self.name.clone(),
            id: id.map(|id| FrameworkId {
                value: id.to_owned(),
            }),
            failover_timeout: self.failover_timeout.as_secs_f64(),
            checkpoint: true,
            role: self.role.clone(),
            principal: self.principal.clone(),
            hostname: Some(self.hostname.clone()),
            webui_url: Some(self.webui_url.clone()),
            capabilities: self
                .capabilities
                .iter()
                .map(|kind| FrameworkCapability { kind: Some(*kind) })
                .collect(),
            ..FrameworkInfo::default()
        }
    }
}

/// Why the conversation with Mesos ended for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MesosEnd {
    /// The master refused the framework, or another scheduler took its place.
    #[error("the master ended the subscription: {0}")]
    Refused(String),
    /// The engine is ending.
    #[error("the scheduler is ending")]
    Ending,
}

/// Whether the subscription stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registration {
    /// `host:port` of the master while subscribed.
    pub(crate) master: Option<String>,
    /// Whether it ever stood since the start.
    pub(crate) ever: bool,
}

/// Connects, and goes on until Mesos or the engine ends it.
pub(crate) async fn run(
    masters: watch::Receiver<Vec<String>>,
    info: FrameworkInfo,
    secret: Option<Secret>,
    handle: Handle,
    calls: mpsc::Receiver<MesosCall>,
    metrics: std::sync::Arc<Metrics>,
    registration: watch::Sender<Registration>,
) -> MesosEnd {
    let mut config = SchedulerConfig::new(masters, info);
    config.secret = secret;
    let (client, events) = SchedulerClient::start(config);
    let speaking = speak(client, calls, &handle, &metrics);
    tokio::pin!(speaking);
    let end = tokio::select! {
        end = listen(events, &handle, &metrics, &registration) => end,
        end = &mut speaking => return end,
    };
    match end {
        // The engine is gone and gives no more calls; those that it gave still go out.
        MesosEnd::Ending => speaking.await,
        refused @ MesosEnd::Refused(_) => refused,
    }
}

async fn listen(
    mut events: SchedulerEvents,
    handle: &Handle,
    metrics: &Metrics,
    registration: &watch::Sender<Registration>,
) -> MesosEnd {
    loop {
        let Some(event) = events.recv().await else {
            return MesosEnd::Refused("the subscription ended".to_owned());
        };
        count(&event, metrics);
        let news = match event {
            SchedulerEvent::Connected(connected) => {
                tracing::info!(
                    master = connected.master,
                    framework = connected.framework_id.value,
                    "registered with Mesos"
                );
                metrics.set("framework_registered", 1);
                registration.send_modify(|state| {
                    if state.ever {
                        metrics.add("scheduler_framework_reregisters", 1);
                    }
                    state.ever = true;
                    state.master = Some(connected.master.clone());
                });
                MesosEvent::Registered {
                    framework_id: connected.framework_id.value,
                    master: connected.master,
                }
            }
            SchedulerEvent::Disconnected { reason } => {
                tracing::warn!(reason, "disconnected from Mesos");
                metrics.set("framework_registered", 0);
                metrics.add("scheduler_framework_disconnects", 1);
                registration.send_modify(|state| state.master = None);
                MesosEvent::Disconnected
            }
            SchedulerEvent::Offers(offers) => {
                metrics.add(
                    "scheduler_resource_offers",
                    i64::try_from(offers.len()).unwrap_or(i64::MAX),
                );
                MesosEvent::Offers(offers)
            }
            SchedulerEvent::Rescind(id) => MesosEvent::Rescinded(id),
            SchedulerEvent::Update(status) => {
                metrics.add("scheduler_status_update", 1);
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                count_status(&status, now.unwrap_or_default(), metrics);
                MesosEvent::Status(vec![status])
            }
            SchedulerEvent::Failure(failure) => {
                match (&failure.executor_id, failure.status) {
                    // Mesos tells of every executor that ends, of those that just had nothing left to do as well.
                    (Some(_), Some(0)) => {}
                    (Some(_), _) => metrics.add("scheduler_lost_executors", 1),
                    (None, _) => metrics.add("slaves_lost", 1),
                }
                MesosEvent::Failure {
                    agent_id: failure.agent_id,
                    executor_id: failure.executor_id,
                    status: failure.status,
                }
            }
            SchedulerEvent::Error { message } => return MesosEnd::Refused(message),
            SchedulerEvent::InverseOffers(offers) => MesosEvent::InverseOffers(offers),
            // Only counted, as upstream does.
            SchedulerEvent::Message(_) => {
                metrics.add("scheduler_framework_message", 1);
                continue;
            }
            SchedulerEvent::RescindInverseOffer(_) | SchedulerEvent::OperationStatus(_) => continue,
        };
        if handle.mesos(news).await.is_err() {
            return MesosEnd::Ending;
        }
    }
}

fn count(event: &SchedulerEvent, metrics: &Metrics) {
    let name = match event {
        SchedulerEvent::Connected(_) => "mesos_scheduler_event_SUBSCRIBED",
        SchedulerEvent::Disconnected { .. } => return,
        SchedulerEvent::Offers(_) => "mesos_scheduler_event_OFFERS",
        SchedulerEvent::InverseOffers(_) => "mesos_scheduler_event_INVERSE_OFFERS",
        SchedulerEvent::Rescind(_) => "mesos_scheduler_event_RESCIND",
        SchedulerEvent::RescindInverseOffer(_) => "mesos_scheduler_event_RESCIND_INVERSE_OFFER",
        SchedulerEvent::Update(_) => "mesos_scheduler_event_UPDATE",
        SchedulerEvent::OperationStatus(_) => "mesos_scheduler_event_UPDATE_OPERATION_STATUS",
        SchedulerEvent::Message(_) => "mesos_scheduler_event_MESSAGE",
        SchedulerEvent::Failure(_) => "mesos_scheduler_event_FAILURE",
        SchedulerEvent::Error { .. } => "mesos_scheduler_event_ERROR",
    };
    metrics.add(name, 1);
}

/// Whatever has a reason counts as an exit, and a delay is noted when there is one: clocks differ. (aurora:
/// `TaskStatusStats.java`)
fn count_status(status: &TaskStatus, now: Duration, metrics: &Metrics) {
    if let (Some(source), TaskState::Lost) = (status.source, status.state) {
        metrics.add(&format!("task_lost_{source}"), 1);
    }
    if let Some(reason) = status.reason {
        metrics.add(&format!("task_exit_{reason}"), 1);
    }
    let sent = status.timestamp;
    let sent = sent.and_then(|at| Duration::try_from_secs_f64(at).ok());
    let delay = sent.and_then(|sent| now.checked_sub(sent));
    if let (Some(source), Some(delay)) = (status.source, delay.filter(|delay| !delay.is_zero())) {
        let name = format!("task_delivery_delay_{source}_requests");
        metrics.add(&format!("{name}_events"), 1);
        let micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        metrics.add(&format!("{name}_micros_total"), micros);
    }
}

async fn speak(
    client: SchedulerClient,
    mut calls: mpsc::Receiver<MesosCall>,
    handle: &Handle,
    metrics: &Metrics,
) -> MesosEnd {
    while let Some(call) = calls.recv().await {
        let launched = match &call {
            MesosCall::Launch { task, .. } => Some(task.clone()),
            _ => None,
        };
        let (name, message) = translate(call);
        metrics.add(&format!("mesos_scheduler_call_{name}"), 1);
        let Err(error) = client.call(message).await else {
            continue;
        };
        metrics.add("scheduler_mesos_calls_failed", 1);
        match &error {
            CallError::NotConnected | CallError::Refused { .. } => {
                tracing::warn!(call = name, %error, "the master did not take a call");
                // A launch that the master has not taken never happens. (mesos: src/sched/sched.cpp answers in the same way.)
                if let Some(task) = launched
                    && let Err(Ending) = handle.mesos(not_launched(&task.info(), &error)).await
                {
                    return MesosEnd::Ending;
                }
            }
            // It may have arrived: time-outs and reconciliation find out.
            CallError::Unknown(_) => tracing::warn!(call = name, %error, "a call broke off"),
        }
    }
    MesosEnd::Ending
}

fn not_launched(task: &TaskInfo, error: &CallError) -> MesosEvent {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    MesosEvent::Status(vec![TaskStatus {
        task_id: task.task_id.clone(),
        state: TaskState::Lost,
        message: Some(format!("The launch did not reach the master: {error}")),
        source: Some(StatusSource::Master),
        reason: Some(StatusReason::MasterDisconnected),
        agent_id: Some(task.agent_id.clone()),
        timestamp: Some(now),
        ..TaskStatus::default()
    }])
}

fn translate(call: MesosCall) -> (&'static str, Call) {
    match call {
        MesosCall::Launch {
            offer_ids,
            task,
            refuse_seconds,
        } => {
            let operations = vec![OfferOperation::launch(vec![task.info()])];
            (
                "ACCEPT",
                Call::accept(offer_ids, operations, refuse_seconds),
            )
        }
        MesosCall::Decline {
            offer_ids,
            refuse_seconds,
        } => ("DECLINE", Call::decline(offer_ids, refuse_seconds)),
        MesosCall::AcceptInverseOffers { offer_ids } => {
            ("ACCEPT_INVERSE_OFFERS", accept_inverse_offers(offer_ids))
        }
        MesosCall::Kill { task_id, agent_id } => ("KILL", Call::kill(task_id, agent_id, None)),
        MesosCall::Acknowledge {
            agent_id,
            task_id,
            uuid,
        } => ("ACKNOWLEDGE", acknowledge(agent_id, task_id, uuid)),
        MesosCall::Reconcile { tasks } => {
            let tasks = tasks
                .into_iter()
                .map(|(task_id, agent_id)| ReconcileTask { task_id, agent_id })
                .collect();
            ("RECONCILE", Call::reconcile(tasks))
        }
        MesosCall::Revive => ("REVIVE", Call::revive()),
        MesosCall::Suppress => ("SUPPRESS", Call::suppress()),
    }
}

/// With the default filter: Mesos asks again when it has run out.
fn accept_inverse_offers(inverse_offer_ids: Vec<OfferId>) -> Call {
    use aurora_mesos::v1::scheduler::{AcceptInverseOffers, CallType};
    Call {
        kind: Some(CallType::AcceptInverseOffers),
        accept_inverse_offers: Some(AcceptInverseOffers {
            inverse_offer_ids,
            ..AcceptInverseOffers::default()
        }),
        ..Call::default()
    }
}

fn acknowledge(
    agent_id: aurora_mesos::v1::AgentId,
    task_id: aurora_mesos::v1::TaskId,
    uuid: bytes::Bytes,
) -> Call {
    use aurora_mesos::v1::scheduler::{Acknowledge, CallType};
    Call {
        kind: Some(CallType::Acknowledge),
        acknowledge: Some(Acknowledge {
            agent_id,
            task_id,
            uuid,
        }),
        ..Call::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statuses as in upstream's test (aurora: `TaskStatusStatsTest.java`).
    #[test]
    fn statuses_are_counted_by_source_and_reason() {
        use StatusReason::{AgentDisconnected, ContainerLimitationMemory, Reconciliation};
        let metrics = Metrics::default();
        let now = Duration::from_secs(1_000);
        let master = Some(StatusSource::Master);
        for (state, source, reason, sent) in [
            (
                TaskState::Lost,
                master,
                Some(AgentDisconnected),
                Some(999.0),
            ),
            (
                TaskState::Lost,
                master,
                Some(AgentDisconnected),
                Some(998.5),
            ),
            (
                TaskState::Failed,
                master,
                Some(ContainerLimitationMemory),
                Some(999.0),
            ),
            (TaskState::Running, master, Some(Reconciliation), None),
            (TaskState::Lost, None, None, Some(999.0)),
            // Just now, and later than now.
            (TaskState::Lost, master, None, Some(1_000.0)),
            (TaskState::Running, master, None, Some(1_001.0)),
        ] {
            let status = TaskStatus {
                state,
                source,
                reason,
                timestamp: sent,
                ..TaskStatus::default()
            };
            count_status(&status, now, &metrics);
        }
        let all = metrics.all();
        for (name, expected) in [
            ("task_lost_SOURCE_MASTER", 3),
            ("task_exit_REASON_AGENT_DISCONNECTED", 2),
            ("task_exit_REASON_CONTAINER_LIMITATION_MEMORY", 1),
            ("task_exit_REASON_RECONCILIATION", 1),
            ("task_delivery_delay_SOURCE_MASTER_requests_events", 3),
            (
                "task_delivery_delay_SOURCE_MASTER_requests_micros_total",
                3_500_000,
            ),
        ] {
            assert_eq!(all.get(name), Some(&expected), "{name}");
        }
    }
}

//! Tasks: status updates, acknowledgements, kills, reconciliation.

use aurora_mesos::resources::Resources;
use aurora_mesos::v1::scheduler::{
    Acknowledge, CallMessage, Event, EventType, Kill, Reconcile, ReconcileOperations,
    ReconcileTask, Shutdown, Update, UpdateOperationStatus,
};
use aurora_mesos::v1::{
    AgentId, FrameworkId, OperationState, OperationStatus, StatusReason, StatusSource, Task,
    TaskId, TaskState, TaskStatus, master,
};

use super::framework::event;
use super::time::Time;
use super::{Counters, Master};
use crate::link;

/// Statuses of one task that are kept; only repeated states come near it.
const MAX_STATUSES: usize = 100;

impl Counters {
    /// Counts the end of a task, and what the status that brought it says of it.
    pub(super) fn count_end(&mut self, state: TaskState, status: &TaskStatus) {
        *self.tasks_ended.entry(state).or_default() += 1;
        // The head of a queue may be an earlier status, whose reason is not the end's.
        if status.state == state
            && let (Some(source), Some(reason)) = (status.source, status.reason)
        {
            let by_reason = self.ends_by_reason.entry((state, source, reason));
            *by_reason.or_default() += 1;
        }
    }
}

/// Adds a status to a task's history, in place of one with the same state; `data` is not kept.
pub(super) fn push_status(task: &mut Task, status: &TaskStatus) {
    let mut status = status.clone();
    status.data = None;
    if task
        .statuses
        .last()
        .is_some_and(|last| last.state == status.state)
    {
        task.statuses.pop();
    }
    if task.statuses.len() >= MAX_STATUSES {
        task.statuses.remove(0);
    }
    task.statuses.push(status);
}

impl Master {
    /// Counts the end of a task that a framework had.
    pub(super) fn count_end(&mut self, id: &FrameworkId, state: TaskState, status: &TaskStatus) {
        self.counters.count_end(state, status);
        if let Some(framework) = self.frameworks.get_mut(id) {
            framework.tally.end(state);
        }
    }

    /// A status that the master makes itself: without uuid, not to be acknowledged.
    pub(super) fn master_status(
        &self,
        now: Time,
        task_id: &TaskId,
        agent_id: Option<&AgentId>,
        state: TaskState,
        reason: StatusReason,
        message: &str,
    ) -> TaskStatus {
        TaskStatus {
            task_id: task_id.clone(),
            state,
            message: Some(message.to_owned()),
            source: Some(StatusSource::Master),
            reason: Some(reason),
            agent_id: agent_id.cloned(),
            timestamp: Some(now.seconds()),
            ..TaskStatus::default()
        }
    }

    pub(super) fn send_update(&mut self, id: &FrameworkId, status: TaskStatus) -> bool {
        self.send(
            id,
            Event {
                update: Some(Update { status }),
                ..event(EventType::Update)
            },
        )
    }

    pub(super) fn tell_task_updated(
        &mut self,
        framework_id: FrameworkId,
        status: TaskStatus,
        state: TaskState,
    ) {
        self.tell_operators(master::Event {
            kind: Some(master::EventType::TaskUpdated),
            task_updated: Some(master::TaskUpdated {
                framework_id,
                status,
                state,
            }),
            ..master::Event::default()
        });
    }

    /// An agent sends the head of a task's queue.
    pub(super) fn status_update(
        &mut self,
        now: Time,
        agent_id: &AgentId,
        update: link::StatusUpdate,
    ) {
        let link::StatusUpdate {
            framework_id,
            status,
            latest_state,
        } = update;
        let Some(framework) = self.frameworks.get(&framework_id) else {
            self.counters.invalid_status_updates += 1;
            return;
        };
        self.counters.valid_status_updates += 1;
        let is_known = framework
            .tasks
            .get(&status.task_id)
            .is_some_and(|entry| entry.task.agent_id == *agent_id);
        let forwarded = self.send_update(&framework_id, status.clone());
        if !is_known {
            return;
        }
        let Some(entry) = self
            .frameworks
            .get_mut(&framework_id)
            .and_then(|f| f.tasks.get_mut(&status.task_id))
        else {
            return;
        };
        let task = &mut entry.task;
        let was_terminal = task.state.is_terminal();
        // Each state is told once, and every result of a check.
        let mut is_news = task.statuses.last().is_none_or(|previous| {
            previous.state != status.state
                || previous.healthy != status.healthy
                || previous.check_status != status.check_status
        });
        if !was_terminal && task.state != latest_state {
            task.state = latest_state;
            is_news = true;
        }
        let is_repetition =
            task.status_update_uuid.is_some() && task.status_update_uuid == status.uuid;
        if !is_repetition {
            push_status(task, &status);
        }
        task.status_update_state = Some(status.state);
        task.status_update_uuid.clone_from(&status.uuid);
        entry.forwarded = forwarded;
        let state = task.state;
        let freed = (!was_terminal && state.is_terminal()).then(|| Resources::of(&task.resources));
        if let Some(resources) = freed {
            self.count_end(&framework_id, state, &status);
            if let Some(agent) = self.agents.get_mut(agent_id) {
                agent.release(&framework_id, &resources);
            }
        }
        if status.uuid.is_none() && state.is_terminal() {
            // Nothing will be acknowledged, so nothing else would take it away.
            self.complete_task(now, &framework_id, &status.task_id);
        }
        if is_news {
            self.tell_task_updated(framework_id, status, state);
        }
    }

    fn complete_task(&mut self, now: Time, id: &FrameworkId, task_id: &TaskId) {
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        if let Some(entry) = framework.tasks.remove(task_id) {
            let agent = entry.task.agent_id.clone();
            framework.complete(entry.task);
            self.check_drained(now, &agent);
        }
    }

    /// ACKNOWLEDGE. Those for updates that this master has not forwarded are dropped: the agent sends
    /// them again.
    pub(crate) fn acknowledge(&mut self, now: Time, id: &FrameworkId, acknowledge: Acknowledge) {
        if self
            .agents
            .get(&acknowledge.agent_id)
            .is_none_or(|agent| agent.session.is_none())
        {
            return;
        }
        let entry = self
            .frameworks
            .get(id)
            .and_then(|f| f.tasks.get(&acknowledge.task_id));
        if let Some(entry) = entry {
            if !entry.forwarded {
                return;
            }
            let task = &entry.task;
            let ends = task.status_update_state.is_some_and(TaskState::is_terminal)
                && task.status_update_uuid.as_ref() == Some(&acknowledge.uuid);
            if ends {
                self.complete_task(now, id, &acknowledge.task_id);
            }
        }
        let agent_id = acknowledge.agent_id.clone();
        let event = link::StatusUpdateAcknowledgement {
            framework_id: id.clone(),
            acknowledge,
        };
        self.send_agent(&agent_id, link::Event::StatusUpdateAcknowledgement(event));
    }

    /// KILL.
    pub(crate) fn kill(&mut self, now: Time, id: &FrameworkId, kill: Kill) {
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        let Some(entry) = framework.tasks.get_mut(&kill.task_id) else {
            let question = ReconcileTask {
                task_id: kill.task_id,
                agent_id: kill.agent_id,
            };
            self.reconcile(
                now,
                id,
                &Reconcile {
                    tasks: vec![question],
                },
            );
            return;
        };
        let agent_id = entry.task.agent_id.clone();
        if kill.agent_id.is_some_and(|given| given != agent_id) {
            return;
        }
        let event = link::KillTask {
            framework_id: id.clone(),
            task_id: kill.task_id.clone(),
            kill_policy: kill.kill_policy.clone(),
        };
        if !self.send_agent(&agent_id, link::Event::KillTask(event))
            && let Some(entry) = self
                .frameworks
                .get_mut(id)
                .and_then(|f| f.tasks.get_mut(&kill.task_id))
        {
            entry.kill_on_return = Some(kill.kill_policy);
        }
    }

    /// SHUTDOWN of an executor.
    pub(crate) fn shutdown_executor(&mut self, id: &FrameworkId, shutdown: Shutdown) {
        let event = link::ShutdownExecutor {
            framework_id: id.clone(),
            executor_id: shutdown.executor_id,
        };
        self.send_agent(&shutdown.agent_id, link::Event::ShutdownExecutor(event));
    }

    /// MESSAGE to an executor.
    pub(crate) fn message(&mut self, id: &FrameworkId, message: CallMessage) {
        let agent_id = message.agent_id.clone();
        let event = link::FrameworkMessage {
            framework_id: id.clone(),
            message,
        };
        if !self.send_agent(&agent_id, link::Event::FrameworkMessage(event)) {
            self.counters.dropped_messages += 1;
        }
    }

    /// RECONCILE: of the tasks named, or of all.
    pub(crate) fn reconcile(&mut self, now: Time, id: &FrameworkId, reconcile: &Reconcile) {
        let Some(framework) = self.frameworks.get(id) else {
            return;
        };
        let statuses: Vec<TaskStatus> = if reconcile.tasks.is_empty() {
            framework
                .tasks
                .values()
                .map(|entry| self.known_status(now, &entry.task))
                .collect()
        } else {
            reconcile
                .tasks
                .iter()
                .filter_map(|task| self.answer(now, id, task))
                .collect()
        };
        for status in statuses {
            self.send_update(id, status);
        }
    }

    /// RECONCILE_OPERATIONS: this master has none, so all are unknown.
    pub(crate) fn reconcile_operations(
        &mut self,
        id: &FrameworkId,
        reconcile: ReconcileOperations,
    ) {
        for question in reconcile.operations {
            let status = OperationStatus {
                operation_id: Some(question.operation_id),
                state: OperationState::Unknown,
                message: Some("Reconciliation: Operation is unknown".to_owned()),
                agent_id: question.agent_id,
                resource_provider_id: question.resource_provider_id,
                ..OperationStatus::default()
            };
            let update_operation_status = Some(UpdateOperationStatus { status });
            let kind = EventType::UpdateOperationStatus;
            self.send(
                id,
                Event {
                    update_operation_status,
                    ..event(kind)
                },
            );
        }
    }

    /// The state of the last update that was sent, else the current one.
    fn known_status(&self, now: Time, task: &Task) -> TaskStatus {
        let state = task.status_update_state.unwrap_or(task.state);
        let message = "Reconciliation: Latest task state";
        self.task_status(now, task, state, StatusReason::Reconciliation, message)
    }

    /// A status of the master's with what is known of the task's health and container.
    pub(super) fn task_status(
        &self,
        now: Time,
        task: &Task,
        state: TaskState,
        reason: StatusReason,
        message: &str,
    ) -> TaskStatus {
        let last = task.statuses.last();
        let mut recent = task.statuses.iter().rev();
        TaskStatus {
            healthy: last.and_then(|status| status.healthy),
            check_status: last.and_then(|status| status.check_status.clone()),
            container_status: recent.find_map(|status| status.container_status.clone()),
            ..self.master_status(
                now,
                &task.task_id,
                Some(&task.agent_id),
                state,
                reason,
                message,
            )
        }
    }

    /// `None` while it cannot be known: the agent may still come back after the master's start.
    fn answer(&self, now: Time, id: &FrameworkId, question: &ReconcileTask) -> Option<TaskStatus> {
        let framework = self.frameworks.get(id)?;
        if let Some(entry) = framework.tasks.get(&question.task_id) {
            return Some(self.known_status(now, &entry.task));
        }
        let status = |state, agent: Option<&AgentId>, message| {
            self.master_status(
                now,
                &question.task_id,
                agent,
                framework.seen_state(state),
                StatusReason::Reconciliation,
                message,
            )
        };
        let unreachable = |agent: &AgentId| {
            let known = self.registry.unreachable.get(&agent.value)?;
            Some(TaskStatus {
                unreachable_time: Some(known.since.clone()),
                ..status(
                    TaskState::Unreachable,
                    Some(agent),
                    "Reconciliation: Task is unreachable",
                )
            })
        };
        if let Some(task) = framework.unreachable_tasks.get(&question.task_id) {
            return unreachable(&task.agent_id);
        }
        let Some(agent) = &question.agent_id else {
            let unknown = || status(TaskState::Unknown, None, "Reconciliation: Task is unknown");
            return self.recovered.is_empty().then(unknown);
        };
        if self.recovered.contains_key(agent) {
            None
        } else if self.agents.contains_key(agent) {
            Some(status(
                TaskState::Gone,
                Some(agent),
                "Reconciliation: Task is unknown to the agent",
            ))
        } else if self.registry.gone.contains_key(&agent.value) {
            Some(status(
                TaskState::GoneByOperator,
                Some(agent),
                "Reconciliation: Task is gone",
            ))
        } else {
            unreachable(agent).or_else(|| {
                Some(status(
                    TaskState::Unknown,
                    Some(agent),
                    "Reconciliation: Task is unknown",
                ))
            })
        }
    }
}

//! Status updates on their way from executors (and from the agent itself) to the master.

use aurora_mesos::v1::{
    ExecutorId, FrameworkId, FrameworkInfo, StatusReason, TaskId, TaskState, TaskStatus,
    executor as api_v1,
};
use bytes::Bytes;

use super::super::updates::{Acknowledged, Pending, Received, UpdateId};
use super::{
    Agent, Effect, ExecutorState, MAX_COMPLETED_EXECUTORS, MAX_COMPLETED_FRAMEWORKS, Now, Record,
    TaskKey, Termination,
};
use crate::link;

/// The 16 bytes of a status' uuid.
pub(crate) fn update_id(status: &TaskStatus) -> Option<UpdateId> {
    status.uuid.as_ref()?.as_ref().try_into().ok()
}

impl Agent {
    /// Takes a status update of a task that belongs (or once belonged) to `executor`.
    pub(super) fn take_update(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        executor_id: &ExecutorId,
        mut status: TaskStatus,
        effects: &mut Vec<Effect>,
    ) {
        let Some(id) = update_id(&status) else { return };
        if status
            .agent_id
            .as_ref()
            .is_some_and(|agent| Some(agent) != self.agent_id.as_ref())
        {
            tracing::warn!(framework = %framework_id, task = %status.task_id, "dropping an update that names another agent");
            return;
        }
        let Some(framework) = self.frameworks.get_mut(framework_id) else {
            return;
        };
        if framework.terminating {
            return;
        }
        status.agent_id = self.agent_id.clone();
        status.timestamp.get_or_insert(now.wall);
        let key: TaskKey = (framework_id.clone(), status.task_id.clone());
        let draining = self.drain.is_some();
        let known = framework
            .executors
            .get_mut(executor_id)
            .filter(|executor| executor.has_task(&status.task_id));
        let Some(executor) = known else {
            // Of a task that is settled or never was here: passed on, and never acknowledged to the executor.
            self.counters.valid_status_updates += 1;
            let pending = Pending {
                id,
                terminal: status.state.is_terminal(),
                update: status,
            };
            if self.streams.receive(now.at, &key, pending) == (Received::Accepted { forward: true })
            {
                self.forward_head(&key, effects);
            }
            return;
        };
        let mut container = executor.container_status(&self.settings.ip);
        if let Some(given) = status.container_status.take() {
            merge_container_status(&mut container, given);
        }
        status.container_status = Some(container);
        if draining && status.state == TaskState::Killed {
            status.reason = Some(StatusReason::AgentDraining);
        }
        let acknowledge = executor.connection.map(|connection| Effect::Event {
            connection,
            event: Box::new(api_v1::Event {
                kind: Some(api_v1::EventType::Acknowledged),
                acknowledged: Some(api_v1::Acknowledged {
                    task_id: status.task_id.clone(),
                    uuid: Bytes::copy_from_slice(&id),
                }),
                ..api_v1::Event::default()
            }),
        });
        let from_executor = status.source == Some(aurora_mesos::v1::StatusSource::Executor);
        let pending = Pending {
            id,
            terminal: status.state.is_terminal(),
            update: status.clone(),
        };
        let received = self.streams.receive(now.at, &key, pending);
        if let Received::Accepted { forward } = received {
            self.counters.valid_status_updates += 1;
            if executor.checkpoint {
                effects.push(Effect::Record(Record::Update {
                    run: executor.run(),
                    status: Box::new(status.clone()),
                }));
            }
            if executor.apply_status(&status) {
                self.counters.ended(status.state);
                if matches!(
                    executor.state,
                    ExecutorState::Registering | ExecutorState::Running
                ) {
                    let limits = executor.limits(&self.settings);
                    effects.push(Effect::Limit {
                        container: executor.container.clone(),
                        limits,
                    });
                }
            }
            effects.extend(acknowledge.filter(|_| from_executor));
            if forward {
                self.forward_head(&key, effects);
            }
        } else {
            effects.extend(acknowledge.filter(|_| from_executor));
        }
    }

    /// Makes a status of the agent's own and takes it like one of the executor's.
    pub(super) fn own_update(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        executor: &ExecutorId,
        task: TaskId,
        termination: &Termination,
        effects: &mut Vec<Effect>,
    ) {
        let Termination {
            state,
            reason,
            message,
            limitation,
        } = termination;
        let mut status = self.agent_status(now, task, *state, *reason, message);
        status.limitation = limitation.clone();
        status.executor_id = Some(executor.clone());
        self.take_update(now, framework, executor, status, effects);
    }

    /// Answers for a task that has no executor here.
    pub(super) fn answer_unknown_task(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        task: TaskId,
        (state, reason, message): (TaskState, StatusReason, &str),
        effects: &mut Vec<Effect>,
    ) {
        let status = self.agent_status(now, task.clone(), state, reason, message);
        let Some(id) = update_id(&status) else { return };
        let key = (framework.clone(), task);
        let pending = Pending {
            id,
            terminal: state.is_terminal(),
            update: status,
        };
        if self.streams.receive(now.at, &key, pending) == (Received::Accepted { forward: true }) {
            self.forward_head(&key, effects);
        }
    }

    /// Sends the head of a stream to the master.
    pub(super) fn forward_head(&mut self, key: &TaskKey, effects: &mut Vec<Effect>) {
        let Some(head) = self.streams.head(key) else {
            return;
        };
        let (framework, task) = key;
        let (id, status) = (head.id, head.update.clone());
        let owner = self.by_task(framework, task);
        let entry =
            owner.and_then(|executor| self.executor_mut(framework, &executor)?.task_mut(task));
        let latest_state = match entry {
            Some(entry) => {
                entry.status_update_state = Some(status.state);
                entry.status_update_uuid = Some(Bytes::copy_from_slice(&id));
                entry.state
            }
            None => status.state,
        };
        let call = link::Call::StatusUpdate(link::StatusUpdate {
            framework_id: framework.clone(),
            status,
            latest_state,
        });
        effects.push(Effect::Send(Box::new(call)));
    }

    /// The scheduler has acknowledged an update.
    pub(super) fn acknowledged(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        task_id: &TaskId,
        id: UpdateId,
        effects: &mut Vec<Effect>,
    ) {
        let key = (framework_id.clone(), task_id.clone());
        let result = self.streams.acknowledge(now.at, &key, &id);
        if result == Acknowledged::Ignored {
            tracing::debug!(framework = %framework_id, task = %task_id, "an acknowledgement of no waiting update");
            return;
        }
        let owner = self.by_task(framework_id, task_id);
        if let Some(executor) = owner
            .as_ref()
            .and_then(|owner| self.executor(framework_id, owner))
            && executor.checkpoint
        {
            let record = Record::Acknowledgement {
                run: executor.run(),
                task: task_id.clone(),
                id,
            };
            effects.push(Effect::Record(record));
        }
        match result {
            Acknowledged::Ignored => {}
            Acknowledged::Next { forward } => {
                if forward {
                    self.forward_head(&key, effects);
                } else if owner.is_none() {
                    // Nobody here remembers that task; nor need the stream.
                    self.streams.remove(&key);
                }
            }
            Acknowledged::Closed { discarded } => {
                if discarded > 0 {
                    tracing::warn!(task = %task_id, discarded, "updates after the terminal one were discarded");
                }
                if let Some(owner) = owner {
                    self.settle_task(framework_id, &owner, task_id, effects);
                }
            }
        }
    }

    fn settle_task(
        &mut self,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        task: &TaskId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(executor) = self.executor_mut(framework, executor_id) else {
            return;
        };
        if let Some(task) = executor.terminated.remove(task) {
            executor.complete(task);
        }
        self.remove_if_settled(framework, executor_id, effects);
    }

    /// Forgets an executor whose container is gone once nothing of it is owed to anybody, and its framework when that was
    /// the last one.
    pub(super) fn remove_if_settled(
        &mut self,
        framework_id: &FrameworkId,
        executor_id: &ExecutorId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else {
            return;
        };
        let done = framework
            .executors
            .get(executor_id)
            .is_some_and(|executor| {
                executor.state == ExecutorState::Terminated
                    && (executor.is_settled() || framework.terminating)
            });
        if !done {
            return;
        }
        if let Some(mut executor) = framework.executors.remove(executor_id) {
            effects.push(Effect::Record(Record::ExecutorDone {
                run: executor.run(),
            }));
            let (launched, terminated) = (
                std::mem::take(&mut executor.launched),
                std::mem::take(&mut executor.terminated),
            );
            for task in launched.into_values().chain(terminated.into_values()) {
                executor.complete(task);
            }
            framework.completed.push_back(executor);
            if framework.completed.len() > MAX_COMPLETED_EXECUTORS {
                framework.completed.pop_front();
            }
        }
        self.remove_framework_if_idle(framework_id, effects);
    }

    pub(super) fn remove_framework_if_idle(
        &mut self,
        framework_id: &FrameworkId,
        effects: &mut Vec<Effect>,
    ) {
        if !self
            .frameworks
            .get(framework_id)
            .is_some_and(|framework| framework.executors.is_empty())
        {
            return;
        }
        let Some(framework) = self.frameworks.remove(framework_id) else {
            return;
        };
        effects.push(Effect::Record(Record::FrameworkDone {
            framework: framework_id.clone(),
        }));
        self.completed_frameworks.push_back(framework);
        if self.completed_frameworks.len() > MAX_COMPLETED_FRAMEWORKS {
            self.completed_frameworks.pop_front();
        }
    }

    /// TASK_DROPPED for frameworks that know it, TASK_LOST for the others.
    pub(super) fn dropped_state(info: &FrameworkInfo) -> TaskState {
        if info.has(aurora_mesos::v1::FrameworkCapabilityType::PartitionAware) {
            TaskState::Dropped
        } else {
            TaskState::Lost
        }
    }
}

/// What the executor says about its container wins over what the agent knows, field by field.
fn merge_container_status(
    known: &mut aurora_mesos::v1::ContainerStatus,
    given: aurora_mesos::v1::ContainerStatus,
) {
    if !given.network_infos.is_empty() {
        known.network_infos = given.network_infos;
    }
    if given.cgroup_info.is_some() {
        known.cgroup_info = given.cgroup_info;
    }
}

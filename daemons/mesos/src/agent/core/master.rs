//! What the master says (mesos: src/slave/slave.cpp, runTask, killTask, shutdownFramework and their neighbours).

use aurora_mesos::v1::{
    ExecutorId, FrameworkId, FrameworkInfo, KillPolicy, StatusReason, TaskId, TaskInfo, TaskState,
    executor as api_v1,
};

use super::super::paths::is_valid_id;
use super::demand::{command_executor, docker_launch, image, unsupported};
use super::{Agent, Effect, Executor, ExecutorState, Framework, Launch, Now, Record, Termination};
use crate::link;

impl Agent {
    /// Takes an event of the master.
    pub(crate) fn on_master(&mut self, now: Now, event: link::Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            link::Event::Registered(registered) => self.registered(now, registered, &mut effects),
            link::Event::RunTask(run) => self.run_task(now, run, &mut effects),
            link::Event::KillTask(kill) => self.kill_task(now, kill, &mut effects),
            link::Event::StatusUpdateAcknowledgement(ack) => {
                let id = ack.acknowledge.uuid.as_ref().try_into();
                match id {
                    Ok(id) => self.acknowledged(
                        now,
                        &ack.framework_id,
                        &ack.acknowledge.task_id,
                        id,
                        &mut effects,
                    ),
                    Err(_) => {
                        tracing::warn!(task = %ack.acknowledge.task_id, "an acknowledgement without a proper uuid")
                    }
                }
            }
            link::Event::FrameworkMessage(message) => self.framework_message(message, &mut effects),
            link::Event::ShutdownExecutor(shutdown) => {
                self.shutdown_executor(
                    now,
                    &shutdown.framework_id,
                    &shutdown.executor_id,
                    None,
                    &mut effects,
                );
            }
            link::Event::ShutdownFramework(shutdown) => {
                self.shutdown_framework(now, &shutdown.framework_id, &mut effects)
            }
            link::Event::FrameworkUpdated(updated) => {
                self.framework_updated(updated.framework_info, &mut effects)
            }
            link::Event::Reconcile(reconcile) => self.reconcile(now, reconcile, &mut effects),
            link::Event::Drain(drain) => {
                self.drain = Some(drain.config.clone());
                effects.push(Effect::Record(Record::Drain(Some(drain.config))));
            }
            link::Event::Reactivate => {
                if self.drain.take().is_some() {
                    effects.push(Effect::Record(Record::Drain(None)));
                }
            }
            link::Event::Ping => effects.push(Effect::Send(Box::new(link::Call::Pong))),
            link::Event::Shutdown(shutdown) => {
                effects.extend(self.stop(now));
                effects.push(Effect::Leave {
                    message: shutdown.message,
                });
            }
        }
        effects
    }

    fn registered(&mut self, now: Now, registered: link::Registered, effects: &mut Vec<Effect>) {
        if self.agent_id.as_ref() != Some(&registered.agent_id) {
            self.agent_id = Some(registered.agent_id.clone());
            self.settings.info.id = Some(registered.agent_id);
            effects.push(Effect::Record(Record::Agent(self.settings.info.clone())));
        }
        self.master = Some(registered.master_info);
        for key in self.streams.resume(now.at) {
            self.forward_head(&key, effects);
        }
    }

    /// The connection to the master broke: updates wait for the next one.
    pub(crate) fn master_lost(&mut self) {
        self.master = None;
        self.streams.pause();
    }

    fn run_task(&mut self, now: Now, run: link::RunTask, effects: &mut Vec<Effect>) {
        let Some(framework_id) = run.framework_info.id.clone() else {
            tracing::warn!(task = %run.task.task_id, "a task without a framework id");
            return;
        };
        let task_id = run.task.task_id.clone();
        let executor_id = run.task.executor.as_ref().map_or_else(
            || ExecutorId::from(task_id.value.clone()),
            |e| e.executor_id.clone(),
        );
        let refuse = |agent: &mut Self, reason, message: &str, effects: &mut Vec<Effect>| {
            let state = Self::dropped_state(&run.framework_info);
            agent.answer_unknown_task(
                now,
                &framework_id,
                task_id.clone(),
                (state, reason, message),
                effects,
            );
        };
        if [
            framework_id.as_ref(),
            executor_id.as_ref(),
            task_id.as_ref(),
        ]
        .into_iter()
        .any(|id| !is_valid_id(id))
        {
            return refuse(
                self,
                StatusReason::TaskInvalid,
                "An identifier of the task cannot be a directory name",
                effects,
            );
        }
        if self.stopping {
            return refuse(
                self,
                StatusReason::AgentDisconnected,
                "The agent is shutting down",
                effects,
            );
        }
        if self
            .frameworks
            .get(&framework_id)
            .is_some_and(|framework| framework.terminating)
        {
            return refuse(
                self,
                StatusReason::FrameworkRemoved,
                "The framework is being removed from this agent",
                effects,
            );
        }
        if self.by_task(&framework_id, &task_id).is_some() {
            tracing::warn!(framework = %framework_id, task = %task_id, "ignoring a task that is here already");
            return;
        }
        match self
            .executor(&framework_id, &executor_id)
            .map(|executor| executor.state)
        {
            Some(ExecutorState::Terminating | ExecutorState::Terminated) => {
                return refuse(
                    self,
                    StatusReason::ExecutorTerminated,
                    "Executor is terminating or has terminated",
                    effects,
                );
            }
            None if !run.launch_executor => {
                return refuse(
                    self,
                    StatusReason::ExecutorTerminated,
                    "Executor has terminated",
                    effects,
                );
            }
            Some(ExecutorState::Registering | ExecutorState::Running) | None => {}
        }
        self.note_framework(run.framework_info.clone(), effects);
        let is_new = self.executor(&framework_id, &executor_id).is_none();
        if is_new {
            self.create_executor(now, &framework_id, &run, effects);
        }
        self.deliver_or_queue(&framework_id, &executor_id, run.task, is_new, effects);
        if is_new {
            self.launch(&framework_id, &executor_id, effects);
        }
    }

    /// Remembers a framework, or its new description.
    fn note_framework(&mut self, info: FrameworkInfo, effects: &mut Vec<Effect>) {
        let Some(id) = info.id.clone() else { return };
        match self.frameworks.get_mut(&id) {
            Some(known) if known.info == info => {}
            Some(known) => {
                known.info = info.clone();
                effects.push(Effect::Record(Record::Framework(info)));
            }
            None => {
                self.frameworks.insert(id, Framework::new(info.clone()));
                effects.push(Effect::Record(Record::Framework(info)));
            }
        }
    }

    fn create_executor(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        run: &link::RunTask,
        effects: &mut Vec<Effect>,
    ) {
        let command = run.task.executor.is_none();
        let mut info = match &run.task.executor {
            Some(info) => info.clone(),
            None => command_executor(&run.task, &self.settings.command_executor_program),
        };
        info.framework_id = Some(framework_id.clone());
        let container = self.new_container_id();
        let checkpoint = run.framework_info.checkpoint;
        let mut executor = Executor::new(
            framework_id.clone(),
            info.clone(),
            container.clone(),
            command,
            checkpoint,
        );
        executor.registration_deadline = Some(now.at + self.settings.executor_registration_timeout);
        executor.secret = self.settings.executor_secrets.then(|| self.new_secret());
        let secret = executor.secret.clone();
        let executor_id = info.executor_id.clone();
        effects.push(Effect::Record(Record::Executor {
            framework: framework_id.clone(),
            info: Box::new(info),
            container,
            command,
            secret,
        }));
        if let Some(framework) = self.frameworks.get_mut(framework_id) {
            framework.executors.insert(executor_id, executor);
        }
    }

    fn deliver_or_queue(
        &mut self,
        framework_id: &FrameworkId,
        executor_id: &ExecutorId,
        task: TaskInfo,
        is_new: bool,
        effects: &mut Vec<Effect>,
    ) {
        let settings = self.settings.clone();
        let Some(executor) = self.executor_mut(framework_id, executor_id) else {
            return;
        };
        if executor.checkpoint {
            effects.push(Effect::Record(Record::Task {
                run: executor.run(),
                task: Box::new(task.clone()),
            }));
        }
        if !task.limits.is_empty() {
            executor
                .task_limits
                .insert(task.task_id.clone(), task.limits.clone());
        }
        executor.queued.push(task);
        if is_new {
            return;
        }
        let limits = executor.limits(&settings);
        effects.push(Effect::Limit {
            container: executor.container.clone(),
            limits,
        });
        if executor.state == ExecutorState::Running && !executor.recovering {
            deliver_queue(executor, effects);
        }
    }

    fn launch(
        &mut self,
        framework_id: &FrameworkId,
        executor_id: &ExecutorId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(framework) = self.frameworks.get(framework_id) else {
            return;
        };
        let Some(executor) = framework.executors.get(executor_id) else {
            return;
        };
        let command = executor.info.command.clone().unwrap_or_default();
        let role = executor
            .allocated()
            .iter()
            .find_map(|resource| resource.allocation_info.as_ref()?.role.clone())
            .filter(|_| executor.command);
        let grace = executor
            .info
            .shutdown_grace_period
            .as_ref()
            .map(|grace| grace.to_std());
        effects.push(Effect::Launch(Box::new(Launch {
            run: executor.run(),
            user: command
                .user
                .clone()
                .unwrap_or_else(|| framework.info.user.clone()),
            checkpoint: executor.checkpoint,
            shutdown_grace_period: grace.unwrap_or(self.settings.executor_shutdown_grace_period),
            limits: executor.limits(&self.settings),
            secret: executor.secret.clone(),
            allocation_role: role,
            unsupported: unsupported(&executor.info, self.settings.volumes, self.settings.docker),
            task: executor
                .queued
                .first()
                .filter(|_| executor.command)
                .map(|task| task.command.clone().unwrap_or_default()),
            docker: docker_launch(executor),
            image: executor.info.container.as_ref().and_then(image).cloned(),
            volumes: executor
                .info
                .container
                .iter()
                .flat_map(|container| container.volumes.iter().cloned())
                .collect(),
            command,
        })));
    }

    fn kill_task(&mut self, now: Now, kill: link::KillTask, effects: &mut Vec<Effect>) {
        let link::KillTask {
            framework_id,
            task_id,
            kill_policy,
        } = kill;
        let framework = self.frameworks.get(&framework_id);
        if framework.is_some_and(|framework| framework.terminating) {
            return;
        }
        let Some(executor_id) = self.by_task(&framework_id, &task_id) else {
            let partition_aware = framework.is_some_and(Framework::is_partition_aware);
            let state = if partition_aware {
                TaskState::Dropped
            } else {
                TaskState::Lost
            };
            let answer = (
                state,
                StatusReason::ExecutorTerminated,
                "Cannot find executor",
            );
            return self.answer_unknown_task(now, &framework_id, task_id, answer, effects);
        };
        let Some(executor) = self.executor_mut(&framework_id, &executor_id) else {
            return;
        };
        if executor.queued.iter().any(|task| task.task_id == task_id) {
            return self.kill_queued(now, &framework_id, &executor_id, task_id, effects);
        }
        match executor.state {
            ExecutorState::Running => match executor.connection {
                Some(connection) => effects.push(kill_event(connection, task_id, kill_policy)),
                // Lost, like every event to an executor that is not connected.
                None => {
                    tracing::warn!(task = %task_id, "a kill for an executor that is not connected is lost")
                }
            },
            ExecutorState::Registering => {
                tracing::warn!(task = %task_id, "a kill for an executor that has not come back is lost")
            }
            ExecutorState::Terminating | ExecutorState::Terminated => {}
        }
    }

    /// A task that its executor has not seen is ended by the agent; an executor that is left without any work ends too.
    fn kill_queued(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        task: TaskId,
        effects: &mut Vec<Effect>,
    ) {
        self.undelivered_to_launched(framework, executor_id, Some(&task));
        let message = "Killed before delivery to the executor";
        let killed = Termination::new(
            TaskState::Killed,
            StatusReason::TaskKilledDuringLaunch,
            message,
        );
        self.own_update(now, framework, executor_id, task, &killed, effects);
        let idle = self
            .executor(framework, executor_id)
            .is_some_and(|executor| {
                executor.queued.is_empty()
                    && executor.launched.is_empty()
                    && executor.connection.is_none()
            });
        if idle {
            self.shutdown_executor(now, framework, executor_id, None, effects);
        }
    }

    /// Moves queued tasks (one, or all) among the launched, where a status can be applied to them.
    pub(super) fn undelivered_to_launched(
        &mut self,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        only: Option<&TaskId>,
    ) {
        let Some(executor) = self.executor_mut(framework, executor_id) else {
            return;
        };
        let (moved, kept): (Vec<TaskInfo>, Vec<TaskInfo>) = std::mem::take(&mut executor.queued)
            .into_iter()
            .partition(|task| only.is_none_or(|only| task.task_id == *only));
        executor.queued = kept;
        for info in moved {
            let task = executor.new_task(&info, TaskState::Staging);
            executor.launched.insert(info.task_id.clone(), task);
        }
    }

    fn framework_message(&mut self, message: link::FrameworkMessage, effects: &mut Vec<Effect>) {
        let executor_id = &message.message.executor_id;
        let Some(executor) = self.executor(&message.framework_id, executor_id) else {
            return;
        };
        let Some(connection) = executor
            .connection
            .filter(|_| executor.state == ExecutorState::Running)
        else {
            tracing::debug!(executor = %executor_id, "a message for an executor that is not connected is lost");
            return;
        };
        effects.push(Effect::Event {
            connection,
            event: Box::new(api_v1::Event {
                kind: Some(api_v1::EventType::Message),
                message: Some(api_v1::EventMessage {
                    data: message.message.data,
                }),
                ..api_v1::Event::default()
            }),
        });
    }

    /// Tells an executor to end, and makes sure of it after its grace period.
    pub(super) fn shutdown_executor(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        termination: Option<Termination>,
        effects: &mut Vec<Effect>,
    ) {
        let default_grace = self.settings.executor_shutdown_grace_period;
        let Some(executor) = self.executor_mut(framework, executor_id) else {
            return;
        };
        match executor.state {
            ExecutorState::Registering | ExecutorState::Running => {}
            ExecutorState::Terminating | ExecutorState::Terminated => return,
        }
        executor.state = ExecutorState::Terminating;
        executor.registration_deadline = None;
        executor.pending_termination = executor.pending_termination.take().or(termination);
        let grace = executor
            .info
            .shutdown_grace_period
            .as_ref()
            .map_or(default_grace, |grace| grace.to_std());
        match executor.connection {
            Some(connection) => {
                executor.shutdown_deadline = Some(now.at + grace);
                effects.push(Effect::Event {
                    connection,
                    event: Box::new(shutdown_event()),
                });
            }
            // Nobody is there to be told and to use the time.
            None if executor.recovering => effects.push(Effect::Destroy {
                container: executor.container.clone(),
            }),
            None => executor.shutdown_deadline = Some(now.at + grace),
        }
    }

    fn shutdown_framework(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else {
            return;
        };
        framework.terminating = true;
        self.streams
            .remove_where(|(framework, _)| framework == framework_id);
        let executors: Vec<ExecutorId> = framework.executors.keys().cloned().collect();
        for executor in executors {
            self.shutdown_executor(now, framework_id, &executor, None, effects);
            // Its container may be long gone and only acknowledgements, which never come now, kept it.
            self.remove_if_settled(framework_id, &executor, effects);
        }
    }

    fn framework_updated(&mut self, info: FrameworkInfo, effects: &mut Vec<Effect>) {
        if info
            .id
            .as_ref()
            .is_some_and(|id| self.frameworks.contains_key(id))
        {
            self.note_framework(info, effects);
        }
    }

    fn reconcile(&mut self, now: Now, reconcile: link::Reconcile, effects: &mut Vec<Effect>) {
        let Some(framework_id) = reconcile.framework_info.id.clone() else {
            return;
        };
        for task in reconcile.task_ids {
            let key = (framework_id.clone(), task.clone());
            if self.by_task(&framework_id, &task).is_some() || self.streams.is_pending(&key) {
                continue;
            }
            let state = Self::dropped_state(&reconcile.framework_info);
            let answer = (
                state,
                StatusReason::Reconciliation,
                "Task is unknown to the agent",
            );
            self.answer_unknown_task(now, &framework_id, task, answer, effects);
        }
    }
}

/// Sends everything that waits for an executor, in order.
pub(super) fn deliver_queue(executor: &mut Executor, effects: &mut Vec<Effect>) {
    let Some(connection) = executor.connection else {
        return;
    };
    for info in std::mem::take(&mut executor.queued) {
        let task = executor.new_task(&info, TaskState::Staging);
        executor.launched.insert(info.task_id.clone(), task);
        let event = api_v1::Event {
            kind: Some(api_v1::EventType::Launch),
            launch: Some(api_v1::Launch { task: info }),
            ..api_v1::Event::default()
        };
        effects.push(Effect::Event {
            connection,
            event: Box::new(event),
        });
    }
}

pub(super) fn shutdown_event() -> api_v1::Event {
    api_v1::Event {
        kind: Some(api_v1::EventType::Shutdown),
        ..api_v1::Event::default()
    }
}

fn kill_event(connection: u64, task_id: TaskId, kill_policy: Option<KillPolicy>) -> Effect {
    let event = api_v1::Event {
        kind: Some(api_v1::EventType::Kill),
        kill: Some(api_v1::Kill {
            task_id,
            kill_policy,
        }),
        ..api_v1::Event::default()
    };
    Effect::Event {
        connection,
        event: Box::new(event),
    }
}

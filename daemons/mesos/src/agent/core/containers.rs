//! What becomes of containers, and of the tasks in them.

use aurora_mesos::v1::{ExecutorId, FrameworkId, StatusReason, TaskId, TaskState};

use super::super::duration;
use super::{Agent, Effect, ExecutorState, Now, Termination};
use crate::link;

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ended {
    /// The raw wait status; `None` when it cannot be known (an executor of the last agent).
    pub(crate) status: Option<i32>,
    /// A reason of the container's own: it could not be started, or exceeded a limit.
    pub(crate) termination: Option<Termination>,
}

impl Agent {
    /// The container's process exists. Its program runs only later.
    pub(crate) fn container_forked(&mut self, container: &str, pid: i32) {
        let Some((framework, executor)) = self.by_container(container) else {
            return;
        };
        if let Some(executor) = self.executor_mut(&framework, &executor) {
            executor.pid = Some(pid);
        }
    }

    /// The container is gone with everything in it, or could not be made.
    pub(crate) fn container_ended(
        &mut self,
        now: Now,
        container: &str,
        ended: Ended,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some((framework_id, executor_id)) = self.by_container(container) else {
            return effects;
        };
        let default = Termination::new(
            TaskState::Failed,
            StatusReason::ExecutorTerminated,
            "Executor terminated",
        );
        let Some(executor) = self.executor_mut(&framework_id, &executor_id) else {
            return effects;
        };
        if executor.state == ExecutorState::Terminated {
            return effects;
        }
        let command = executor.command;
        executor.state = ExecutorState::Terminated;
        executor.connection = None;
        executor.recovering = false;
        executor.registration_deadline = None;
        executor.shutdown_deadline = None;
        let termination = executor
            .pending_termination
            .take()
            .or(ended.termination)
            .unwrap_or(default);
        if termination.reason == StatusReason::ContainerLaunchFailed {
            self.counters.container_launch_errors += 1;
        }
        self.end_tasks(now, &framework_id, &executor_id, &termination, &mut effects);
        // Nobody but this agent knows of an executor that it has made for a task (mesos: src/slave/slave.cpp,
        // executorTerminated).
        if !command {
            effects.push(Effect::Send(Box::new(link::Call::ExecutorExited(
                link::ExecutorExited {
                    framework_id: framework_id.clone(),
                    executor_id: executor_id.clone(),
                    status: ended.status.unwrap_or(-1),
                },
            ))));
        }
        self.remove_if_settled(&framework_id, &executor_id, &mut effects);
        effects
    }

    /// Gives every task of an executor that is not terminal the state that its end means.
    fn end_tasks(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        termination: &Termination,
        effects: &mut Vec<Effect>,
    ) {
        self.undelivered_to_launched(framework, executor_id, None);
        let Some(executor) = self.executor(framework, executor_id) else {
            return;
        };
        let tasks: Vec<TaskId> = executor.launched.keys().cloned().collect();
        for task in tasks {
            self.own_update(now, framework, executor_id, task, termination, effects);
        }
    }

    /// An executor has not subscribed in time.
    pub(super) fn registration_timed_out(
        &mut self,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        effects: &mut Vec<Effect>,
    ) {
        let timeout = self.settings.executor_registration_timeout;
        let Some(executor) = self.executor_mut(framework, executor_id) else {
            return;
        };
        if executor.state != ExecutorState::Registering {
            return;
        }
        executor.state = ExecutorState::Terminating;
        executor.pending_termination.get_or_insert_with(|| {
            let message = format!(
                "Executor did not register within {}",
                duration::format(timeout)
            );
            Termination::new(
                TaskState::Failed,
                StatusReason::ExecutorRegistrationTimeout,
                message,
            )
        });
        effects.push(Effect::Destroy {
            container: executor.container.clone(),
        });
    }

    /// The wait for the executors of the last agent is over: those that did not come back are ended.
    pub(super) fn end_recovery(&mut self, effects: &mut Vec<Effect>) {
        self.recovery_deadline = None;
        let timeout = duration::format(self.settings.executor_reregistration_timeout);
        for framework in self.frameworks.values_mut() {
            let state = if framework.is_partition_aware() {
                TaskState::Gone
            } else {
                TaskState::Lost
            };
            for executor in framework
                .executors
                .values_mut()
                .filter(|executor| executor.recovering)
            {
                executor.recovering = false;
                if executor.state == ExecutorState::Terminated {
                    continue;
                }
                executor.state = ExecutorState::Terminating;
                executor.pending_termination.get_or_insert_with(|| {
                    let message = format!("Executor did not reregister within {timeout}");
                    Termination::new(state, StatusReason::ExecutorReregistrationTimeout, message)
                });
                effects.push(Effect::Destroy {
                    container: executor.container.clone(),
                });
            }
        }
    }

    /// Ends recovery at once when nobody is waited for any more.
    pub(super) fn end_recovery_if_complete(&mut self) {
        if self.recovery_deadline.is_some() && !self.executors().any(|executor| executor.recovering)
        {
            self.recovery_deadline = None;
        }
    }
}

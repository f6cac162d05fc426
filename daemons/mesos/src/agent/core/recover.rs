//! Starting from what the last agent left on disk (mesos: src/slave/state.cpp and Slave::recover).

use aurora_mesos::v1::{
    DrainConfig, ExecutorInfo, FrameworkInfo, StatusReason, TaskInfo, TaskState, TaskStatus,
};

use super::super::updates::{Pending, UpdateId};
use super::containers::Ended;
use super::updates::update_id;
use super::{Agent, Effect, Executor, ExecutorState, Framework, Now, Termination};

/// A framework as found on disk.
#[derive(Debug, Clone)]
pub(crate) struct RecoveredFramework {
    pub(crate) info: FrameworkInfo,
    pub(crate) executors: Vec<RecoveredExecutor>,
}

/// An executor whose newest run is not finished.
#[derive(Debug, Clone)]
pub(crate) struct RecoveredExecutor {
    pub(crate) info: ExecutorInfo,
    pub(crate) container: String,
    pub(crate) command: bool,
    pub(crate) secret: Option<String>,
    pub(crate) run: RecoveredRun,
    pub(crate) tasks: Vec<RecoveredTask>,
}

/// What is left of a run's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveredRun {
    /// Its process lives.
    Alive { pid: i32 },
    /// Its process is gone.
    Gone,
    /// The agent ended before it had written a process down; none was ever let go.
    NeverStarted,
    /// The machine was started anew.
    Rebooted,
}

/// A task with its updates in the order of their arrival, and those of them that were acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct RecoveredTask {
    pub(crate) info: TaskInfo,
    pub(crate) updates: Vec<TaskStatus>,
    pub(crate) acknowledged: Vec<UpdateId>,
}

impl Agent {
    /// Takes over what the last agent left. Until [`Agent::is_recovering`] is over the agent should not speak to a master.
    pub(crate) fn recover(
        &mut self,
        now: Now,
        drain: Option<DrainConfig>,
        frameworks: Vec<RecoveredFramework>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.drain = drain;
        let mut ended = Vec::new();
        for recovered in frameworks {
            let Some(framework_id) = recovered.info.id.clone() else {
                continue;
            };
            let checkpoint = recovered.info.checkpoint;
            let partition_aware = recovered
                .info
                .has(aurora_mesos::v1::FrameworkCapabilityType::PartitionAware);
            let mut framework = Framework::new(recovered.info);
            // Nothing of a framework that does not checkpoint may outlive the agent; the master has told it already.
            framework.terminating = !checkpoint;
            for recovered in recovered.executors {
                let RecoveredExecutor {
                    info,
                    container,
                    command,
                    secret,
                    run,
                    tasks,
                } = recovered;
                let executor_id = info.executor_id.clone();
                let mut executor = Executor::new(
                    framework_id.clone(),
                    info,
                    container.clone(),
                    command,
                    checkpoint,
                );
                executor.secret = secret;
                for task in tasks {
                    self.recover_task(now, &mut executor, task);
                }
                match run {
                    RecoveredRun::Alive { pid } => {
                        executor.pid = Some(pid);
                        executor.recovering = checkpoint;
                        if !checkpoint {
                            executor.state = ExecutorState::Terminating;
                            effects.push(Effect::Destroy { container });
                        }
                    }
                    RecoveredRun::Gone => ended.push((container, None)),
                    RecoveredRun::Rebooted | RecoveredRun::NeverStarted => {
                        let state = if partition_aware {
                            TaskState::Gone
                        } else {
                            TaskState::Lost
                        };
                        let message = if run == RecoveredRun::Rebooted {
                            "The agent's host was restarted"
                        } else {
                            "The agent was restarted before it could launch the executor"
                        };
                        let lost = Termination::new(state, StatusReason::AgentRestarted, message);
                        ended.push((container, Some(lost)));
                    }
                }
                framework.executors.insert(executor_id, executor);
            }
            self.frameworks.insert(framework_id, framework);
        }
        for (container, termination) in ended {
            // Processes that the leader left behind go with the container.
            effects.push(Effect::Destroy {
                container: container.clone(),
            });
            effects.extend(self.container_ended(
                now,
                &container,
                Ended {
                    status: None,
                    termination,
                },
            ));
        }
        let idle: Vec<_> = self
            .frameworks
            .iter()
            .filter(|(_, f)| f.executors.is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        for framework in idle {
            self.remove_framework_if_idle(&framework, &mut effects);
        }
        if self.executors().any(|executor| executor.recovering) {
            self.recovery_deadline = Some(now.at + self.settings.executor_reregistration_timeout);
        }
        effects
    }

    /// Replays one task: its state follows from all updates, its stream holds those without an acknowledgement.
    fn recover_task(&mut self, now: Now, executor: &mut Executor, recovered: RecoveredTask) {
        let RecoveredTask {
            info,
            updates,
            acknowledged,
        } = recovered;
        let task_id = info.task_id.clone();
        let key = (executor.framework.clone(), task_id.clone());
        if !info.limits.is_empty() {
            executor
                .task_limits
                .insert(task_id.clone(), info.limits.clone());
        }
        let task = executor.new_task(&info, TaskState::Staging);
        executor.launched.insert(task_id.clone(), task);
        for status in updates {
            let Some(id) = update_id(&status) else {
                continue;
            };
            executor.apply_status(&status);
            let terminal = status.state.is_terminal();
            self.streams.receive(
                now.at,
                &key,
                Pending {
                    id,
                    terminal,
                    update: status,
                },
            );
        }
        for id in acknowledged {
            self.streams.acknowledge(now.at, &key, &id);
        }
        if let Some(task) = executor.terminated.get(&task_id)
            && task.state.is_terminal()
            && !self.streams.is_pending(&key)
            && let Some(task) = executor.terminated.remove(&task_id)
        {
            executor.complete(task);
        }
    }
}

/// What a record means for [`Agent::recover`]; used by the tests of recovery to keep a disk in memory.
#[cfg(test)]
pub(crate) fn replay(
    records: &[super::Record],
    alive: impl Fn(&str) -> RecoveredRun,
) -> (Option<DrainConfig>, Vec<RecoveredFramework>) {
    use super::Record;
    use std::collections::BTreeMap;
    let mut drain = None;
    let mut frameworks: BTreeMap<aurora_mesos::v1::FrameworkId, RecoveredFramework> =
        BTreeMap::new();
    let mut executors: BTreeMap<super::Run, RecoveredExecutor> = BTreeMap::new();
    for record in records {
        match record.clone() {
            Record::Agent(_) => {}
            Record::Drain(config) => drain = config,
            Record::Framework(info) => {
                let id = info.id.clone().unwrap();
                let new = RecoveredFramework {
                    info: info.clone(),
                    executors: vec![],
                };
                frameworks.entry(id).or_insert(new).info = info;
            }
            Record::Executor {
                framework,
                info,
                container,
                command,
                secret,
            } => {
                let run = super::Run {
                    framework,
                    executor: info.executor_id.clone(),
                    container: container.clone(),
                };
                let recovered = RecoveredExecutor {
                    info: *info,
                    run: alive(&container),
                    container,
                    command,
                    secret,
                    tasks: vec![],
                };
                executors.insert(run, recovered);
            }
            Record::Task { run, task } => {
                let task = RecoveredTask {
                    info: *task,
                    updates: vec![],
                    acknowledged: vec![],
                };
                executors.get_mut(&run).unwrap().tasks.push(task);
            }
            Record::Update { run, status } => {
                let executor = executors.get_mut(&run).unwrap();
                let task = executor
                    .tasks
                    .iter_mut()
                    .find(|task| task.info.task_id == status.task_id)
                    .unwrap();
                task.updates.push(*status);
            }
            Record::Acknowledgement { run, task, id } => {
                let executor = executors.get_mut(&run).unwrap();
                executor
                    .tasks
                    .iter_mut()
                    .find(|entry| entry.info.task_id == task)
                    .unwrap()
                    .acknowledged
                    .push(id);
            }
            Record::ExecutorDone { run } => {
                executors.remove(&run);
            }
            Record::FrameworkDone { framework } => {
                frameworks.remove(&framework);
            }
        }
    }
    for (run, executor) in executors {
        frameworks
            .get_mut(&run.framework)
            .unwrap()
            .executors
            .push(executor);
    }
    (drain, frameworks.into_values().collect())
}

//! One executor and its tasks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aurora_mesos::v1::{
    ContainerId, ContainerStatus, ExecutorInfo, FrameworkId, IpAddress, NetworkInfo,
    NetworkProtocol, Resource, Scalar, StatusReason, Task, TaskId, TaskInfo,
    TaskResourceLimitation, TaskState, TaskStatus,
};

use super::super::cgroup::Limits;
use super::{ConnectionId, MAX_COMPLETED_TASKS, Run, Settings};

const MEBIBYTE: f64 = 1_048_576.0;

/// Where an executor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutorState {
    /// Its container was asked for; it has not subscribed.
    Registering,
    /// It has subscribed. The connection may be broken at the moment.
    Running,
    /// It was told to end, or its container is being destroyed.
    Terminating,
    /// Its container is gone; updates of its tasks may still wait for acknowledgements.
    Terminated,
}

/// The state that an executor's remaining tasks get when it ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Termination {
    pub(crate) state: TaskState,
    pub(crate) reason: StatusReason,
    pub(crate) message: String,
    /// The resources that were exceeded.
    pub(crate) limitation: Option<TaskResourceLimitation>,
}

impl Termination {
    pub(crate) fn new(state: TaskState, reason: StatusReason, message: impl Into<String>) -> Self {
        Self {
            state,
            reason,
            message: message.into(),
            limitation: None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) framework: FrameworkId,
    pub(crate) info: ExecutorInfo,
    pub(crate) container: String,
    /// The built-in executor of a command task.
    pub(crate) command: bool,
    pub(crate) checkpoint: bool,
    pub(crate) state: ExecutorState,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) pid: Option<i32>,
    pub(crate) secret: Option<String>,
    /// Not yet delivered, in the order of their arrival.
    pub(crate) queued: Vec<TaskInfo>,
    /// Delivered and not terminal.
    pub(crate) launched: BTreeMap<TaskId, Task>,
    /// Terminal, with a terminal update that is not acknowledged.
    pub(crate) terminated: BTreeMap<TaskId, Task>,
    pub(crate) completed: VecDeque<Task>,
    /// What the agent itself will have done to the tasks when the container ends.
    pub(crate) pending_termination: Option<Termination>,
    pub(crate) registration_deadline: Option<Duration>,
    pub(crate) shutdown_deadline: Option<Duration>,
    /// Outlived the last agent and has not subscribed to this one.
    pub(crate) recovering: bool,
    /// Limits of live tasks, by task; only what differs from the requests.
    pub(crate) task_limits: BTreeMap<TaskId, BTreeMap<String, Scalar>>,
}

impl Executor {
    pub(crate) fn new(
        framework: FrameworkId,
        info: ExecutorInfo,
        container: String,
        command: bool,
        checkpoint: bool,
    ) -> Self {
        Self {
            framework,
            info,
            container,
            command,
            checkpoint,
            state: ExecutorState::Registering,
            connection: None,
            pid: None,
            secret: None,
            queued: Vec::new(),
            launched: BTreeMap::new(),
            terminated: BTreeMap::new(),
            completed: VecDeque::new(),
            pending_termination: None,
            registration_deadline: None,
            shutdown_deadline: None,
            recovering: false,
            task_limits: BTreeMap::new(),
        }
    }

    pub(crate) fn run(&self) -> Run {
        Run {
            framework: self.framework.clone(),
            executor: self.info.executor_id.clone(),
            container: self.container.clone(),
        }
    }

    /// Whether the agent still owes somebody something about this task.
    pub(crate) fn has_task(&self, task: &TaskId) -> bool {
        self.queued.iter().any(|queued| queued.task_id == *task)
            || self.launched.contains_key(task)
            || self.terminated.contains_key(task)
    }

    pub(crate) fn task_mut(&mut self, task: &TaskId) -> Option<&mut Task> {
        self.launched
            .get_mut(task)
            .or_else(|| self.terminated.get_mut(task))
    }

    /// Whether nothing of this executor is owed to anybody.
    pub(crate) fn is_settled(&self) -> bool {
        self.queued.is_empty() && self.launched.is_empty() && self.terminated.is_empty()
    }

    pub(crate) fn complete(&mut self, task: Task) {
        self.task_limits.remove(&task.task_id);
        self.completed.push_back(task);
        if self.completed.len() > MAX_COMPLETED_TASKS {
            self.completed.pop_front();
        }
    }

    /// Adds a status to a task and moves the task when that ended it. Returns whether it did.
    pub(crate) fn apply_status(&mut self, status: &TaskStatus) -> bool {
        let Some(task) = self.task_mut(&status.task_id) else {
            return false;
        };
        if task.state.is_terminal() {
            return false;
        }
        task.state = status.state;
        let shown = TaskStatus {
            data: None,
            ..status.clone()
        };
        match task.statuses.last_mut() {
            Some(last) if last.state == shown.state => *last = shown,
            Some(_) | None => task.statuses.push(shown),
        }
        if !status.state.is_terminal() {
            return false;
        }
        if let Some(task) = self.launched.remove(&status.task_id) {
            self.terminated.insert(status.task_id.clone(), task);
        }
        true
    }

    /// Executor plus all tasks that are not terminal.
    pub(crate) fn allocated(&self) -> Vec<&Resource> {
        self.info
            .resources
            .iter()
            .chain(self.queued.iter().flat_map(|task| &task.resources))
            .chain(self.launched.values().flat_map(|task| &task.resources))
            .collect()
    }

    /// The sum of one kind of scalar that is allocated now.
    pub(crate) fn scalar(&self, name: &str) -> f64 {
        sum(self.allocated(), name)
    }

    /// The weight of its processors: as soon as some are revocable all of them are of low priority.
    fn cpu_weight(&self) -> f64 {
        let mut allocated = self.allocated().into_iter();
        let is_low = allocated.any(|r| r.revocable.is_some() && r.name == "cpus");
        self.scalar("cpus") * if is_low { LOW_PRIORITY } else { 1.0 }
    }

    /// What the container may use now.
    pub(crate) fn limits(&self, settings: &Settings) -> Limits {
        let cpus = self.scalar("cpus");
        let memory = self.scalar("mem");
        let mut cpus_limit = 0.0;
        let mut memory_limit = sum(&self.info.resources, "mem");
        let (mut any_cpus, mut any_memory) = (false, false);
        let live = self
            .queued
            .iter()
            .map(|task| (&task.task_id, &task.resources))
            .chain(self.launched.iter().map(|(id, task)| (id, &task.resources)));
        for (id, resources) in live {
            let limit = |name: &str| {
                self.task_limits
                    .get(id)
                    .and_then(|limits| limits.get(name))
                    .map(|scalar| scalar.value)
            };
            any_cpus |= limit("cpus").is_some();
            any_memory |= limit("mem").is_some();
            cpus_limit += limit("cpus").unwrap_or_else(|| sum(resources, "cpus"));
            memory_limit += limit("mem").unwrap_or_else(|| sum(resources, "mem"));
        }
        cpus_limit += sum(&self.info.resources, "cpus");
        Limits {
            cpus: self.cpu_weight(),
            cpus_limit: if any_cpus {
                Some(cpus_limit)
            } else {
                settings.enable_cfs.then_some(cpus)
            },
            memory: to_bytes(memory),
            memory_limit: any_memory.then(|| to_bytes(memory_limit)),
            pids: settings.pids_max,
        }
    }

    /// What the agent adds to every status of a task of this executor.
    pub(crate) fn container_status(&self, agent_ip: &str) -> ContainerStatus {
        ContainerStatus {
            container_id: Some(ContainerId {
                value: self.container.clone(),
                parent: None,
            }),
            network_infos: vec![NetworkInfo {
                ip_addresses: vec![IpAddress {
                    protocol: NetworkProtocol::Ipv4,
                    ip_address: Some(agent_ip.to_owned()),
                }],
                ..NetworkInfo::default()
            }],
            executor_pid: self.pid.and_then(|pid| u32::try_from(pid).ok()),
            ..ContainerStatus::default()
        }
    }

    /// The task as the agent keeps and shows it.
    pub(crate) fn new_task(&self, info: &TaskInfo, state: TaskState) -> Task {
        let command_user = info
            .command
            .as_ref()
            .and_then(|command| command.user.clone());
        let executor_user = self
            .info
            .command
            .as_ref()
            .and_then(|command| command.user.clone());
        Task {
            name: info.name.clone(),
            task_id: info.task_id.clone(),
            framework_id: self.framework.clone(),
            executor_id: (!self.command).then(|| self.info.executor_id.clone()),
            agent_id: info.agent_id.clone(),
            state,
            resources: info.resources.clone(),
            labels: info.labels.clone(),
            discovery: info.discovery.clone(),
            container: info.container.clone(),
            health_check: info.health_check.clone(),
            kill_policy: info.kill_policy.clone(),
            user: command_user.or(executor_user),
            limits: info.limits.clone(),
            ..Task::default()
        }
    }
}

/// The sum of one kind of scalar; `mem` and `disk` are in MiB.
pub(crate) fn sum<'a>(resources: impl IntoIterator<Item = &'a Resource>, name: &str) -> f64 {
    let thousandths: f64 = resources
        .into_iter()
        .filter(|resource| resource.name == name)
        .filter_map(|resource| resource.scalar.as_ref())
        .map(|scalar| (scalar.value * 1000.0).round())
        .sum();
    thousandths / 1000.0
}

/// What a revocable processor weighs beside others (mesos: 10 shares instead of 1,024).
const LOW_PRIORITY: f64 = 10.0 / 1024.0;

/// MiB to bytes; infinity is the largest number.
pub(crate) fn to_bytes(mebibytes: f64) -> u64 {
    // A float beyond the range becomes the nearest end of it.
    (mebibytes.max(0.0) * MEBIBYTE) as u64
}

//! What an agent decides: events in, effects out. Nothing here reads a clock, a file or a socket.
//!
//! ```text
//!   master events ----\                       /---> records, to be durable before anything that follows them
//!   executor calls ----+--> Agent (this) ----+----> calls to the master, events to executors
//!   container events --+                      \---> containers to launch, limit and destroy
//!   time -------------/
//! ```
//!
//! Effects are carried out in their order: an acknowledgement to an executor follows the record of its update, a forwarded
//! terminal update follows the smaller limits of the container.

mod api;
mod containers;
mod demand;
mod executor;
mod master;
mod recover;
#[cfg(test)]
mod tests;
mod updates;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aurora_mesos::v1::{
    AgentId, AgentInfo, CommandInfo, ContainerInfo, DrainConfig, ExecutorId, ExecutorInfo,
    FrameworkCapabilityType, FrameworkId, FrameworkInfo, Image, MasterInfo, Range, StatusReason,
    StatusSource, TaskId, TaskInfo, TaskState, TaskStatus, Volume, executor as api_v1,
};
use bytes::Bytes;

use super::cgroup::Limits;
use super::updates::{Streams, UpdateId};
use crate::link;

pub(crate) use api::{CallAnswer, Refusal};
pub(crate) use containers::Ended;
pub(crate) use demand::COMMAND_EXECUTOR_SUBCOMMAND;
pub(crate) use executor::{Executor, ExecutorState, Termination};
pub(crate) use recover::{RecoveredExecutor, RecoveredFramework, RecoveredRun, RecoveredTask};
pub(crate) use view::{ContainerView, Counters, VERSION};

/// One event stream to an executor. A later subscription of the same executor has a larger number.
pub(crate) type ConnectionId = u64;

/// How many ended tasks of an executor, executors of a framework, and frameworks are kept for display.
const MAX_COMPLETED_TASKS: usize = 200;
const MAX_COMPLETED_EXECUTORS: usize = 150;
const MAX_COMPLETED_FRAMEWORKS: usize = 50;

/// The moment of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Now {
    /// Monotonic time since the agent started.
    pub(crate) at: Duration,
    /// Seconds since the Unix epoch, for timestamps.
    pub(crate) wall: f64,
}

/// What does not change while an agent runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) info: AgentInfo,
    pub(crate) ip: String,
    pub(crate) executor_registration_timeout: Duration,
    pub(crate) executor_reregistration_timeout: Duration,
    pub(crate) executor_shutdown_grace_period: Duration,
    /// The program whose hidden mode is the command executor.
    pub(crate) command_executor_program: String,
    /// Sets hard processor limits from requests (`--cgroups_enable_cfs`).
    pub(crate) enable_cfs: bool,
    pub(crate) pids_max: Option<u64>,
    /// Executors get a secret each.
    pub(crate) executor_secrets: bool,
    /// Volumes and images can be mounted.
    pub(crate) volumes: bool,
    /// There is a Docker engine.
    pub(crate) docker: bool,
}

/// Something that has to be on disk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Agent(AgentInfo),
    Drain(Option<DrainConfig>),
    Framework(FrameworkInfo),
    /// An executor and its newest container.
    Executor {
        framework: FrameworkId,
        info: Box<ExecutorInfo>,
        container: String,
        command: bool,
        secret: Option<String>,
    },
    Task {
        run: Run,
        task: Box<TaskInfo>,
    },
    Update {
        run: Run,
        status: Box<TaskStatus>,
    },
    Acknowledgement {
        run: Run,
        task: TaskId,
        id: UpdateId,
    },
    /// Nothing of this executor is owed to anybody any more.
    ExecutorDone {
        run: Run,
    },
    FrameworkDone {
        framework: FrameworkId,
    },
}

/// Names one run of an executor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) framework: FrameworkId,
    pub(crate) executor: ExecutorId,
    pub(crate) container: String,
}

/// A container to start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Launch {
    pub(crate) run: Run,
    pub(crate) user: String,
    pub(crate) command: CommandInfo,
    pub(crate) checkpoint: bool,
    pub(crate) shutdown_grace_period: Duration,
    pub(crate) limits: Limits,
    pub(crate) secret: Option<String>,
    /// Set for the built-in command executor, whose tasks are told their role.
    pub(crate) allocation_role: Option<String>,
    /// For the built-in command executor: what its task runs. It is that, and not the executor, that belongs into `docker` or
    /// `image`.
    pub(crate) task: Option<CommandInfo>,
    /// It runs in a container of the Docker engine.
    pub(crate) docker: Option<DockerLaunch>,
    /// The image that is its file system.
    pub(crate) image: Option<Image>,
    /// What is mounted for it.
    pub(crate) volumes: Vec<Volume>,
    /// A property of the task that this agent cannot provide; the launch fails with this text.
    pub(crate) unsupported: Option<String>,
}

/// What the Docker engine has to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DockerLaunch {
    pub(crate) container: ContainerInfo,
    /// The ports among the resources.
    pub(crate) ports: Vec<Range>,
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Record(Record),
    Send(Box<link::Call>),
    Event {
        connection: ConnectionId,
        event: Box<api_v1::Event>,
    },
    Close {
        connection: ConnectionId,
    },
    Launch(Box<Launch>),
    Limit {
        container: String,
        limits: Limits,
    },
    Destroy {
        container: String,
    },
    /// The master does not want this agent any more; end once nothing runs.
    Leave {
        message: String,
    },
}

/// Names one task's stream of updates.
pub(crate) type TaskKey = (FrameworkId, TaskId);

#[derive(Debug)]
pub(crate) struct Framework {
    pub(crate) info: FrameworkInfo,
    /// Removed by the master: its executors are being shut down and nothing of it is reported.
    pub(crate) terminating: bool,
    pub(crate) executors: BTreeMap<ExecutorId, Executor>,
    pub(crate) completed: VecDeque<Executor>,
}

impl Framework {
    fn new(info: FrameworkInfo) -> Self {
        Self {
            info,
            terminating: false,
            executors: BTreeMap::new(),
            completed: VecDeque::new(),
        }
    }

    fn is_partition_aware(&self) -> bool {
        self.info.has(FrameworkCapabilityType::PartitionAware)
    }
}

/// The state of one agent.
pub(crate) struct Agent {
    settings: Settings,
    agent_id: Option<AgentId>,
    pub(crate) frameworks: BTreeMap<FrameworkId, Framework>,
    pub(crate) completed_frameworks: VecDeque<Framework>,
    streams: Streams<TaskKey, TaskStatus>,
    drain: Option<DrainConfig>,
    master: Option<MasterInfo>,
    /// Until then executors that outlived the last agent may subscribe again; no master is contacted before.
    recovery_deadline: Option<Duration>,
    /// Every executor is to end, and no task is taken any more.
    stopping: bool,
    pub(crate) counters: Counters,
    /// Where identifiers come from.
    ids: Box<dyn FnMut() -> [u8; 16] + Send>,
}

impl Agent {
    /// An agent that has nothing.
    pub(crate) fn new(settings: Settings, ids: Box<dyn FnMut() -> [u8; 16] + Send>) -> Self {
        Self {
            agent_id: settings.info.id.clone(),
            settings,
            frameworks: BTreeMap::new(),
            completed_frameworks: VecDeque::new(),
            streams: Streams::new(),
            drain: None,
            master: None,
            recovery_deadline: None,
            stopping: false,
            counters: Counters::default(),
            ids,
        }
    }

    /// The identifier that the master gave; `None` before the first registration.
    pub(crate) fn id(&self) -> Option<&AgentId> {
        self.agent_id.as_ref()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the agent still waits for executors of its last life.
    pub(crate) fn is_recovering(&self) -> bool {
        self.recovery_deadline.is_some()
    }

    /// Whether a container is alive, being started, or being ended.
    pub(crate) fn has_containers(&self) -> bool {
        self.executors()
            .any(|executor| executor.state != ExecutorState::Terminated)
    }

    fn executors(&self) -> impl Iterator<Item = &Executor> {
        self.frameworks
            .values()
            .flat_map(|framework| framework.executors.values())
    }

    fn executor(&self, framework: &FrameworkId, executor: &ExecutorId) -> Option<&Executor> {
        self.frameworks.get(framework)?.executors.get(executor)
    }

    fn executor_mut(
        &mut self,
        framework: &FrameworkId,
        executor: &ExecutorId,
    ) -> Option<&mut Executor> {
        self.frameworks
            .get_mut(framework)?
            .executors
            .get_mut(executor)
    }

    /// The executor whose newest container this is.
    fn by_container(&self, container: &str) -> Option<(FrameworkId, ExecutorId)> {
        self.frameworks.iter().find_map(|(framework, entry)| {
            let (executor, _) = entry
                .executors
                .iter()
                .find(|(_, executor)| executor.container == container)?;
            Some((framework.clone(), executor.clone()))
        })
    }

    fn by_task(&self, framework: &FrameworkId, task: &TaskId) -> Option<ExecutorId> {
        let executors = &self.frameworks.get(framework)?.executors;
        executors
            .iter()
            .find(|(_, executor)| executor.has_task(task))
            .map(|(id, _)| id.clone())
    }

    fn new_container_id(&mut self) -> String {
        uuid::Builder::from_random_bytes((self.ids)())
            .into_uuid()
            .to_string()
    }

    fn new_update_id(&mut self) -> UpdateId {
        uuid::Builder::from_random_bytes((self.ids)())
            .into_uuid()
            .into_bytes()
    }

    fn new_secret(&mut self) -> String {
        use base64::Engine as _;
        let bytes: Vec<u8> = (0..2).flat_map(|_| (self.ids)()).collect();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A status that the agent itself makes.
    fn agent_status(
        &mut self,
        now: Now,
        task: TaskId,
        state: TaskState,
        reason: StatusReason,
        message: &str,
    ) -> TaskStatus {
        TaskStatus {
            task_id: task,
            state,
            message: Some(message.to_owned()),
            source: Some(StatusSource::Agent),
            reason: Some(reason),
            agent_id: self.agent_id.clone(),
            timestamp: Some(now.wall),
            uuid: Some(Bytes::copy_from_slice(&self.new_update_id())),
            ..TaskStatus::default()
        }
    }

    /// Carries out everything whose time has come.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in self.streams.due(now.at) {
            self.forward_head(&key, &mut effects);
        }
        let mut unregistered = Vec::new();
        let mut overdue = Vec::new();
        for (framework, entry) in &mut self.frameworks {
            for (id, executor) in &mut entry.executors {
                if executor
                    .registration_deadline
                    .is_some_and(|deadline| deadline <= now.at)
                {
                    executor.registration_deadline = None;
                    unregistered.push((framework.clone(), id.clone()));
                }
                if executor
                    .shutdown_deadline
                    .is_some_and(|deadline| deadline <= now.at)
                {
                    executor.shutdown_deadline = None;
                    overdue.push(executor.container.clone());
                }
            }
        }
        for (framework, executor) in unregistered {
            self.registration_timed_out(&framework, &executor, &mut effects);
        }
        effects.extend(
            overdue
                .into_iter()
                .map(|container| Effect::Destroy { container }),
        );
        if self
            .recovery_deadline
            .is_some_and(|deadline| deadline <= now.at)
        {
            self.end_recovery(&mut effects);
        }
        effects
    }

    /// When [`Self::tick`] next has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let executors = self
            .executors()
            .flat_map(|executor| [executor.registration_deadline, executor.shutdown_deadline])
            .flatten()
            .min();
        [
            self.streams.next_deadline(),
            executors,
            self.recovery_deadline,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Leaves the cluster for good: the master is told, and every executor ends.
    pub(crate) fn leave(&mut self, now: Now) -> Vec<Effect> {
        let unregister = link::Unregister {
            reason: "the agent unregistered".to_owned(),
        };
        let mut effects = vec![Effect::Send(Box::new(link::Call::Unregister(unregister)))];
        effects.extend(self.stop(now));
        effects
    }

    /// Shuts every executor down, for the end of the whole cluster. Nothing is launched afterwards.
    pub(crate) fn stop(&mut self, now: Now) -> Vec<Effect> {
        self.stopping = true;
        let mut effects = Vec::new();
        let all: Vec<(FrameworkId, ExecutorId)> = self
            .frameworks
            .iter()
            .flat_map(|(framework, entry)| {
                entry
                    .executors
                    .keys()
                    .map(|id| (framework.clone(), id.clone()))
            })
            .collect();
        for (framework, executor) in all {
            // What does not tell its own end by then is lost with the agent, and not a failure of the task.
            let message = "The agent is shutting down";
            let termination =
                Termination::new(TaskState::Lost, StatusReason::AgentRestarted, message);
            self.shutdown_executor(now, &framework, &executor, Some(termination), &mut effects);
        }
        effects
    }
}

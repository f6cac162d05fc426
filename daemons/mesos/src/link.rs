//! What master and agent say to each other: the private protocol between the two daemons of this crate.
//!
//! Apache Mesos uses libprocess messages here, which no third party speaks; so this protocol is ours and
//! both ends are always of the same version. It is HTTP/1.1 with JSON bodies:
//!
//! * `POST /ext/v1/agent/subscribe` with a [`Subscribe`]. Answer: 200 and a RecordIO stream (chunked) of
//!   [`Event`]s, the first of which is [`Event::Registered`], or [`Event::Shutdown`] when the agent is not
//!   wanted any more. The stream is the agent's life: when it breaks, the master counts the agent as
//!   disconnected and waits for it to subscribe again.
//! * `POST /ext/v1/agent/call` with a [`Request`]. Answer: 202; or 409 with a text when the session is not
//!   the current one (the agent has to subscribe again, and to send what was not accepted once more).
//!
//! With a secret configured both carry `Authorization: Bearer SECRET`.
//!
//! Order: events arrive in the order in which the master decided. The agent sends its calls one after the
//! other on one connection, so they arrive in order too. There is no order between the two directions.
//!
//! ```text
//!   agent                                                  master
//!     | -- subscribe(agent_info, tasks, executors) ---------> | admit, or recognise by agent_info.id
//!     | <----------------------- Registered(id, session) ---- |
//!     | <---- Ping / RunTask / KillTask / ... --------------- |
//!     | -- call(session, Pong / StatusUpdate / ...) --------> |
//! ```

use serde::{Deserialize, Serialize};

use aurora_mesos::v1::{
    AgentCapability, AgentId, AgentInfo, DrainConfig, ExecutorId, ExecutorInfo, FrameworkId,
    FrameworkInfo, KillPolicy, MasterInfo, Task, TaskId, TaskInfo, TaskState, TaskStatus,
    scheduler,
};

/// The path of the subscription.
pub const SUBSCRIBE_PATH: &str = "/ext/v1/agent/subscribe";
/// The path of all other calls.
pub const CALL_PATH: &str = "/ext/v1/agent/call";

/// Largest body of a subscription or a call, in bytes; larger ones are refused with 413. A subscription
/// after a restart names every live task of the agent.
pub const MAX_BODY: usize = 256 << 20;
/// Largest event, in bytes.
pub const MAX_EVENT: usize = 64 << 20;

/// An agent announces itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The agent. `id` is absent at the first registration ever; afterwards it is the id of
    /// [`Registered`], which the agent keeps in its work directory. `hostname`, `port`, `resources` and
    /// `attributes` are always set; resources are in the unreserved form (no `role`, no `reservations`)
    /// or with `reservations`.
    pub agent_info: AgentInfo,
    /// The address that others reach the agent's HTTP port at; becomes `pid` and the URL in offers. The
    /// port is `agent_info.port`.
    pub ip: String,
    /// The agent's version, digits and dots.
    pub version: String,
    /// What the agent can do.
    #[serde(default)]
    pub capabilities: Vec<AgentCapability>,
    /// The drain in force, as the agent has it on disk.
    #[serde(default)]
    pub drain_config: Option<DrainConfig>,
    /// The frameworks that have something in `tasks` or `executors`, as last told by the master.
    #[serde(default)]
    pub frameworks: Vec<FrameworkInfo>,
    /// Every custom executor whose exit has not been reported yet; command executors are not listed.
    #[serde(default)]
    pub executors: Vec<ReportedExecutor>,
    /// Every task that is not terminal, and every terminal one whose terminal update has not been
    /// acknowledged by the scheduler. `state` is the latest state, `status_update_state` and
    /// `status_update_uuid` are those of the oldest update that waits for an acknowledgement,
    /// `resources` are those of the [`Event::RunTask`]; `executor_id` is absent for command tasks.
    #[serde(default)]
    pub tasks: Vec<Task>,
}

/// An executor that runs on the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportedExecutor {
    /// Its framework.
    pub framework_id: FrameworkId,
    /// The executor as given in the task of [`Event::RunTask`].
    pub executor_info: ExecutorInfo,
}

/// From the master to an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// First event of every stream.
    Registered(Registered),
    /// A task to run.
    RunTask(RunTask),
    /// A task to kill. For a task that was not yet delivered to its executor the agent answers
    /// TASK_KILLED, for one that it does not know TASK_DROPPED (TASK_LOST without PARTITION_AWARE).
    KillTask(KillTask),
    /// The scheduler has acknowledged a status update: take it off the task's queue and send the next. An
    /// acknowledgement whose uuid is not that of the queue's head is ignored.
    StatusUpdateAcknowledgement(StatusUpdateAcknowledgement),
    /// Bytes for an executor; dropped when there is no such executor.
    FrameworkMessage(FrameworkMessage),
    /// SHUTDOWN for an executor, and its end after the grace period. Status updates go on.
    ShutdownExecutor(ShutdownExecutor),
    /// The framework is gone: shut all its executors down, forward none of its status updates any more,
    /// and forget its tasks.
    ShutdownFramework(ShutdownFramework),
    /// A framework subscribed again with a changed description; running executors keep the old one until
    /// they subscribe again, checkpoints get the new one.
    FrameworkUpdated(FrameworkUpdated),
    /// Tasks that the master believes to be on this agent but that the subscription did not name. For
    /// each one that the agent does not know it sends TASK_DROPPED (TASK_LOST without PARTITION_AWARE),
    /// source AGENT, reason REASON_RECONCILIATION, with a uuid.
    Reconcile(Reconcile),
    /// The agent is drained: remembered (also over restarts) and shown in GET_AGENT. The kills follow as
    /// [`Event::KillTask`]; terminal updates of tasks killed meanwhile get REASON_AGENT_DRAINING.
    Drain(Drain),
    /// The drain is over, or never was.
    Reactivate,
    /// Answer with [`Call::Pong`] at once. An agent that hears nothing for 75 s takes the connection as
    /// broken and subscribes again.
    Ping,
    /// The agent has to shut all executors down and to exit; the stream ends.
    Shutdown(Shutdown),
}

/// The agent is registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// The agent's id: the one it brought, or a new one that it has to keep.
    pub agent_id: AgentId,
    /// To be repeated in every [`Request`]. A new subscription ends the session of the old one.
    pub session: String,
    /// The master.
    pub master_info: MasterInfo,
    /// Milliseconds after which either side takes the other for lost: as many pings as may stay unanswered, times the
    /// wait for each (mesos: `MasterSlaveConnection.total_ping_timeout_seconds`).
    pub total_ping_timeout_ms: u64,
}

/// A task to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunTask {
    /// The framework, `id` set.
    pub framework_info: FrameworkInfo,
    /// The task; its resources and those of `executor` carry `allocation_info` and, when reserved,
    /// `reservations`, but never `role`. `executor` (with `framework_id` set) is the custom executor; absent
    /// for a command task, for which the agent uses its built-in command executor.
    pub task: TaskInfo,
    /// Whether the master believes that this task starts the executor. When false and the executor has
    /// ended meanwhile, the agent answers TASK_DROPPED (TASK_LOST), REASON_EXECUTOR_TERMINATED.
    pub launch_executor: bool,
}

/// A task to kill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KillTask {
    /// The framework.
    pub framework_id: FrameworkId,
    /// The task.
    pub task_id: TaskId,
    /// Overrides the task's own policy.
    #[serde(default)]
    pub kill_policy: Option<KillPolicy>,
}

/// A status update was acknowledged by the scheduler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusUpdateAcknowledgement {
    /// The framework.
    pub framework_id: FrameworkId,
    /// Agent, task and uuid.
    pub acknowledge: scheduler::Acknowledge,
}

/// Bytes from the scheduler to an executor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameworkMessage {
    /// The framework.
    pub framework_id: FrameworkId,
    /// Agent, executor and data.
    pub message: scheduler::CallMessage,
}

/// An executor to shut down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShutdownExecutor {
    /// The framework.
    pub framework_id: FrameworkId,
    /// The executor.
    pub executor_id: ExecutorId,
}

/// A framework to forget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShutdownFramework {
    /// The framework.
    pub framework_id: FrameworkId,
}

/// A framework that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameworkUpdated {
    /// The framework, `id` set.
    pub framework_info: FrameworkInfo,
}

/// Tasks to look for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reconcile {
    /// The framework, `id` set.
    pub framework_info: FrameworkInfo,
    /// The tasks.
    pub task_ids: Vec<TaskId>,
}

/// A drain to remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// Its configuration.
    pub config: DrainConfig,
}

/// The agent has to go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shutdown {
    /// Why.
    pub message: String,
}

/// One call from an agent to the master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The agent.
    pub agent_id: AgentId,
    /// The session of [`Registered`].
    pub session: String,
    /// What it says.
    pub call: Call,
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Call {
    /// The head of a task's queue of updates, or a retransmission of it.
    StatusUpdate(StatusUpdate),
    /// An executor has ended; also sent for command executors, for which the master makes no FAILURE.
    /// Sent after the terminal updates of the executor's tasks were queued.
    ExecutorExited(ExecutorExited),
    /// Bytes from an executor to the scheduler; dropped when the scheduler is not connected.
    ExecutorMessage(ExecutorMessage),
    /// Answer to [`Event::Ping`].
    Pong,
    /// The agent leaves for good; its tasks are lost. The master ends the stream.
    Unregister(Unregister),
}

/// A status update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusUpdate {
    /// The framework.
    pub framework_id: FrameworkId,
    /// The status; `agent_id`, `timestamp` and (unless it needs no acknowledgement) `uuid` are set.
    pub status: TaskStatus,
    /// The task's latest state, which may be ahead of `status` when updates queue; resources are freed by
    /// it.
    pub latest_state: TaskState,
}

/// An executor's end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutorExited {
    /// The framework.
    pub framework_id: FrameworkId,
    /// The executor.
    pub executor_id: ExecutorId,
    /// The raw wait status, -1 when unknown.
    pub status: i32,
}

/// Bytes from an executor to its scheduler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutorMessage {
    /// The framework.
    pub framework_id: FrameworkId,
    /// Agent, executor and data.
    pub message: scheduler::EventMessage,
}

/// The agent leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unregister {
    /// Why, for the log and the updates of its tasks.
    pub reason: String,
}

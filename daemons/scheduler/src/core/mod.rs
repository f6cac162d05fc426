//! The scheduler's decisions: no clock, no sockets, no files, no randomness but a seeded generator.
//!
//! [`Core::step`] takes what happened and the time, changes the state and gives back the [`Op`]s that changed it with the
//! [`Effect`]s that rest on them. Whoever drives it makes the ops durable before an effect leaves. Everything that waits is a
//! deadline ([`Core::next_deadline`]).
//!
//! Start with [`op`] for what the log holds, [`store`] for the state.

use aurora_api::model::Response;
use aurora_api::service::Call;
use aurora_mesos::v1::{AgentId, ExecutorId, Offer, OfferId, TaskId as MesosTaskId, TaskInfo, TaskStatus};

pub mod codec;
pub mod config;
pub mod op;
pub mod store;

pub use config::{Config, Millis};
pub use op::Op;
pub use store::{Change, Changes, Store, View};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A changing call, authenticated.
    Write {
        /// Names the reply.
        id: u64,
        /// The caller for audit messages; `UNSECURE` when nobody was asked.
        user: String,
        /// The call.
        call: Call,
    },
    /// News from Mesos.
    Mesos(MesosEvent),
    /// The deadline has come.
    Timer,
}

/// News from Mesos.
#[derive(Clone, Debug)]
pub enum MesosEvent {
    /// The subscription stands. All earlier offers are void.
    Registered {
        /// The framework's id.
        framework_id: String,
        /// The master, for the log.
        master: String,
    },
    /// The subscription is lost.
    Disconnected,
    /// New offers.
    Offers(Vec<Offer>),
    /// An offer is void.
    Rescinded(OfferId),
    /// Statuses of tasks.
    Status(Vec<TaskStatus>),
    /// An agent is gone, or an executor ended.
    Failure {
        /// The agent.
        agent_id: Option<AgentId>,
        /// The executor; an agent alone is gone as a whole.
        executor_id: Option<ExecutorId>,
        /// The executor's exit status.
        status: Option<i32>,
    },
}

/// What a step did and what is to be done.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Changes of the state, already applied in memory.
    pub ops: Vec<Op>,
    /// What the ops changed.
    pub changes: Changes,
    /// What may leave once the ops are durable, in order.
    pub effects: Vec<Effect>,
}

/// Something that the world can see.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The answer to a write.
    Reply {
        /// The write's id.
        id: u64,
        /// The answer; the server's description is not in it.
        response: Response,
    },
    /// A call to Mesos.
    Mesos(MesosCall),
}

/// A call to Mesos.
#[derive(Clone, Debug, PartialEq)]
pub enum MesosCall {
    /// ACCEPT with one LAUNCH.
    Launch {
        /// The offers.
        offer_ids: Vec<OfferId>,
        /// The task.
        task: Box<TaskInfo>,
        /// How long the rest of the offer is not wanted, in seconds.
        refuse_seconds: f64,
    },
    /// DECLINE.
    Decline {
        /// The offers.
        offer_ids: Vec<OfferId>,
        /// How long their resources are not wanted, in seconds.
        refuse_seconds: f64,
    },
    /// KILL.
    Kill {
        /// The task.
        task_id: MesosTaskId,
        /// Its agent, when known.
        agent_id: Option<AgentId>,
    },
    /// ACKNOWLEDGE.
    Acknowledge {
        /// The agent of the status.
        agent_id: AgentId,
        /// The task.
        task_id: MesosTaskId,
        /// The status' uuid.
        uuid: bytes::Bytes,
    },
    /// RECONCILE; without tasks Mesos tells all it knows.
    Reconcile {
        /// Tasks and their agents.
        tasks: Vec<(MesosTaskId, Option<AgentId>)>,
    },
    /// REVIVE.
    Revive,
    /// SUPPRESS.
    Suppress,
}

/// The deciding part of the scheduler.
#[derive(Debug)]
pub struct Core {
    config: Config,
    store: Store,
}

impl Core {
    /// A scheduler that has never run.
    pub fn new(config: Config) -> Core {
        Core {
            config,
            store: Store::default(),
        }
    }

    /// A scheduler that takes over the state of an earlier one. Timers start again as if every task had just entered its
    /// state, except where the state's own times count.
    pub fn recover(config: Config, store: Store, now: Millis) -> (Core, Step) {
        let mut core = Core { config, store };
        let step = core.step(now, Input::Timer);
        (core, step)
    }

    /// Decides. The ops are applied to the store before it returns.
    pub fn step(&mut self, now: Millis, input: Input) -> Step {
        let (_, _, _) = (now, input, &self.config);
        Step::default()
    }

    /// When the next [`Input::Timer`] is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        None
    }

    /// The state.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

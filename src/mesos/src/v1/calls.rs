//! Short ways to make the calls of a scheduler. The client fills the framework id in.

use super::scheduler::{
    Accept, Acknowledge, Call, CallMessage, CallType, Decline, Kill, Reconcile, ReconcileTask,
    Revive, Shutdown, Suppress,
};
use super::{
    AgentId, ExecutorId, Filters, KillPolicy, LaunchOperation, OfferId, OfferOperation,
    OfferOperationType, TaskId, TaskInfo, TaskStatus,
};

impl OfferOperation {
    /// LAUNCH of these tasks.
    pub fn launch(task_infos: Vec<TaskInfo>) -> Self {
        Self {
            kind: Some(OfferOperationType::Launch),
            launch: Some(LaunchOperation { task_infos }),
            ..Self::default()
        }
    }
}

impl Call {
    fn of(kind: CallType) -> Self {
        Self {
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// ACCEPT; what is left of the offers is refused for `refuse_seconds`.
    pub fn accept(
        offer_ids: Vec<OfferId>,
        operations: Vec<OfferOperation>,
        refuse_seconds: f64,
    ) -> Self {
        let accept = Accept {
            offer_ids,
            operations,
            filters: Some(Filters { refuse_seconds }),
        };
        Self {
            accept: Some(accept),
            ..Self::of(CallType::Accept)
        }
    }

    /// DECLINE for `refuse_seconds`.
    pub fn decline(offer_ids: Vec<OfferId>, refuse_seconds: f64) -> Self {
        let decline = Decline {
            offer_ids,
            filters: Some(Filters { refuse_seconds }),
        };
        Self {
            decline: Some(decline),
            ..Self::of(CallType::Decline)
        }
    }

    /// REVIVE of all roles.
    pub fn revive() -> Self {
        Self {
            revive: Some(Revive::default()),
            ..Self::of(CallType::Revive)
        }
    }

    /// SUPPRESS of all roles.
    pub fn suppress() -> Self {
        Self {
            suppress: Some(Suppress::default()),
            ..Self::of(CallType::Suppress)
        }
    }

    /// KILL; without an agent the master looks the task up.
    pub fn kill(
        task_id: TaskId,
        agent_id: Option<AgentId>,
        kill_policy: Option<KillPolicy>,
    ) -> Self {
        Self {
            kill: Some(Kill {
                task_id,
                agent_id,
                kill_policy,
            }),
            ..Self::of(CallType::Kill)
        }
    }

    /// SHUTDOWN of an executor.
    pub fn shutdown(executor_id: ExecutorId, agent_id: AgentId) -> Self {
        Self {
            shutdown: Some(Shutdown {
                executor_id,
                agent_id,
            }),
            ..Self::of(CallType::Shutdown)
        }
    }

    /// ACKNOWLEDGE; `None` for a status that must not be acknowledged.
    pub fn acknowledge(status: &TaskStatus) -> Option<Self> {
        let acknowledge = Acknowledge {
            agent_id: status.agent_id.clone()?,
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone()?,
        };
        Some(Self {
            acknowledge: Some(acknowledge),
            ..Self::of(CallType::Acknowledge)
        })
    }

    /// RECONCILE of these tasks; of all tasks when there are none.
    pub fn reconcile(tasks: Vec<ReconcileTask>) -> Self {
        Self {
            reconcile: Some(Reconcile { tasks }),
            ..Self::of(CallType::Reconcile)
        }
    }

    /// MESSAGE to an executor.
    pub fn message(agent_id: AgentId, executor_id: ExecutorId, data: bytes::Bytes) -> Self {
        let message = CallMessage {
            agent_id,
            executor_id,
            data,
        };
        Self {
            message: Some(message),
            ..Self::of(CallType::Message)
        }
    }

    /// TEARDOWN: everything of the framework ends, and its id can never be used again.
    pub fn teardown() -> Self {
        Self::of(CallType::Teardown)
    }
}

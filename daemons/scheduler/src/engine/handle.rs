//! How the rest of the scheduler talks to the engine, and what it sees of it.

use std::sync::{Arc, PoisonError, RwLock};

use aurora_api::model::Response;
use aurora_api::service::Call;
use tokio::sync::{mpsc, oneshot};

use crate::core::sla::CoordinatorAnswer;
use crate::core::{Core, MesosEvent, Millis, View};

/// The newest durable state.
pub(crate) struct Durable {
    pub(crate) view: View,
    /// Index of the last entry in it.
    pub(crate) index: u64,
    /// The scheduler's time at that entry.
    pub(crate) stamp: Millis,
}

/// Where readers find the newest durable state.
#[derive(Clone)]
pub(super) struct Views(Arc<RwLock<Arc<Durable>>>);

impl Views {
    pub(super) fn new(durable: Durable) -> Views {
        Views(Arc::new(RwLock::new(Arc::new(durable))))
    }

    /// The newest durable state.
    pub(super) fn current(&self) -> Arc<Durable> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn publish(&self, durable: Durable) {
        let durable = Arc::new(durable);
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *place, durable);
        drop(place);
        // Freeing pages takes time; readers must not wait for it.
        drop(old);
    }
}

/// What the engine is asked.
pub(super) enum Request {
    /// A changing call.
    Write {
        user: String,
        call: Box<Call>,
        reply: oneshot::Sender<Response>,
    },
    /// News from Mesos.
    Mesos(MesosEvent),
    /// What became of a question to a coordinator.
    Coordinator { id: u64, answer: CoordinatorAnswer },
    /// Takes a snapshot; answered when it is saved.
    Snapshot {
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// Ends, and leaves this state behind in the place of its own; answered when that is done.
    Restore {
        content: Vec<u8>,
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// Looks at what is not part of the durable state (offers, back-offs, counters).
    Look(Box<dyn FnOnce(&Core) + Send>),
}

/// Talks to the engine; cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) views: Views,
}

/// The engine is ending and takes nothing any more.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler is ending")]
pub(crate) struct Ending;

impl Handle {
    /// Makes a change; the answer comes when it is durable.
    pub(crate) async fn write(&self, user: String, call: Call) -> Result<Response, Ending> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Write {
            user,
            call: Box::new(call),
            reply,
        };
        self.requests.send(request).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }

    /// Hands over news from Mesos.
    pub(crate) async fn mesos(&self, event: MesosEvent) -> Result<(), Ending> {
        let request = Request::Mesos(event);
        self.requests.send(request).await.map_err(|_| Ending)
    }

    /// Hands over what became of a question to a coordinator.
    pub(crate) async fn coordinator(
        &self,
        id: u64,
        answer: CoordinatorAnswer,
    ) -> Result<(), Ending> {
        let request = Request::Coordinator { id, answer };
        self.requests.send(request).await.map_err(|_| Ending)
    }

    /// Takes a snapshot and waits until it is saved.
    pub(crate) async fn snapshot(&self) -> Result<Result<(), String>, Ending> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Snapshot { reply };
        self.requests.send(request).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }

    /// Makes `content`, the bytes of a snapshot, the state. The engine ends with [`EngineError::Restored`].
    pub(crate) async fn restore(&self, content: Vec<u8>) -> Result<Result<(), String>, Ending> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Restore { content, reply };
        self.requests.send(request).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }

    /// Looks at what is not part of the durable state. What is taken from there must not be mixed with answers that have to be
    /// durable.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Result<T, Ending> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Look(Box::new(move |core| {
            // Whoever asked may have gone away.
            let _ = reply.send(look(core));
        }));
        self.requests.send(request).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }

    /// The newest durable state.
    pub(crate) fn durable(&self) -> Arc<Durable> {
        self.views.current()
    }
}

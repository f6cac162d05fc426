//! What the recipes ask of a session. Narrow, so that another client crate would fit.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::acl::Acl;
use crate::error::{Error, Refusal};

/// A watch that was lost must not be waited for longer than this: every wait for a change ends by then, and the state is
/// read anew.
const SAFETY_POLL: Duration = Duration::from_secs(20);

/// How long a new node lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is deleted.
    Persistent,
    /// As long as the session, and with ten digits after its name.
    EphemeralSequential,
}

/// A node as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its data.
    pub data: Vec<u8>,
    /// The session that it lives with, 0 when none.
    pub owner: i64,
}

/// Where the connection to ZooKeeper stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No session: none yet, or the last one is not believed in any more, for this reason.
    Away(String),
    /// A session. Each has a number of its own, from 1; what an earlier one created is gone or will be.
    Held(u64),
    /// Closed for good.
    Closed,
}

/// Comes when what was read may have changed.
#[derive(Debug)]
pub struct Change {
    events: watch::Receiver<u64>,
    state: watch::Receiver<State>,
}

impl Change {
    /// To be made *before* the read that it watches over.
    pub(crate) fn new(events: watch::Receiver<u64>, mut state: watch::Receiver<State>) -> Self {
        state.mark_unchanged();
        Self { events, state }
    }

    /// Waits until a watch fired, the session changed, or a while has passed. Read again then: that also sets the watch anew.
    pub async fn wait(mut self) {
        tokio::select! {
            // A sender that is gone belonged to a session that is gone.
            _ = self.events.changed() => {}
            _ = self.state.changed() => {}
            () = tokio::time::sleep(SAFETY_POLL) => {}
        }
    }
}

/// A connection to ZooKeeper. Every call has a time limit; none is repeated.
pub trait Keeper: Clone + Send + Sync + 'static {
    /// Creates a node and says its name, which is longer than asked for when the node is sequential.
    fn create(
        &self,
        path: &str,
        data: Vec<u8>,
        acl: &[Acl],
        lifetime: Lifetime,
    ) -> impl Future<Output = Result<String, Error>> + Send;

    /// A node, `None` when there is none, and word of its next change.
    fn get(&self, path: &str)
    -> impl Future<Output = Result<(Option<Node>, Change), Error>> + Send;

    /// The names of a node's children, unsorted; `None` when there is no such node; and word of the next change.
    fn children(
        &self,
        path: &str,
    ) -> impl Future<Output = Result<(Option<Vec<String>>, Change), Error>> + Send;

    /// Whether there is a node, and word of the next change.
    fn exists(&self, path: &str) -> impl Future<Output = Result<(bool, Change), Error>> + Send;

    /// Replaces a node's data.
    fn set(&self, path: &str, data: Vec<u8>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes a node; one that is gone already is fine.
    fn delete(&self, path: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// The state, to be watched.
    fn state(&self) -> watch::Receiver<State>;

    /// Until when the session of this number may be believed in; `None` when it is not the current one.
    fn fence(&self, session: u64) -> Option<Instant>;

    /// Whether the session of this number may be believed in now.
    fn holds(&self, session: u64) -> bool {
        self.fence(session)
            .is_some_and(|until| Instant::now() < until)
    }

    /// Waits for a session and says its number; `None` when closed.
    fn held(&self) -> impl Future<Output = Option<u64>> + Send {
        let mut state = self.state();
        async move {
            let settled = state
                .wait_for(|state| !matches!(state, State::Away(_)))
                .await;
            match settled.as_deref() {
                Ok(State::Held(session)) => Some(*session),
                Ok(State::Away(_) | State::Closed) | Err(_) => None,
            }
        }
    }

    /// Creates a persistent node and its parents as far as they are missing, without data.
    fn ensure(&self, path: &str, acl: &[Acl]) -> impl Future<Output = Result<(), Error>> + Send {
        async move {
            if self.exists(path).await?.0 {
                return Ok(());
            }
            let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
            for end in ends.chain([path.len()]) {
                let made = self
                    .create(&path[..end], Vec::new(), acl, Lifetime::Persistent)
                    .await;
                // Somebody else's parent may be readable and no more.
                if let Err(error) = made
                    && !error.is(&Refusal::NodeExists)
                    && !self.exists(&path[..end]).await?.0
                {
                    return Err(error);
                }
            }
            Ok(())
        }
    }
}

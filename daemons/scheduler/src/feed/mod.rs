//! The event feed: what changes, told to whoever follows (`aurora_api::feed`).

mod follower;
mod hub;
mod render;
mod topic;

use std::collections::BTreeSet;
use std::sync::Arc;

use aurora_api::feed::{Hello, Seq, VERSION};
use bytes::Bytes;
use tokio::sync::mpsc;

use follower::Follower;
pub(crate) use hub::Hub;
pub(crate) use topic::{Topic, parse_all};

/// What a feed says of the server.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) cluster: String,
    pub(crate) leader: String,
    pub(crate) server_time_ms: i64,
}

/// What this scheduler offers under `/ext/v1`, with versions.
pub(crate) const CAPABILITIES: &[(&str, u32)] = &[("events", VERSION), ("explain", 1)];

/// Starts a feed; the pieces of its answer come out of the receiver. `None` when there are too many feeds.
pub(crate) fn open(
    hub: &Arc<Hub>,
    greeting: Greeting,
    topics: BTreeSet<Topic>,
    from: Option<Seq>,
) -> Option<mpsc::Receiver<Bytes>> {
    let id = uuid::Uuid::new_v4().to_string();
    let (changes, changes_receiver) = mpsc::channel(4);
    hub.register(&id, changes)?;
    let (out, pieces) = mpsc::channel(follower::PIECES);
    let (_, seq) = hub.newest();
    let hello = Hello {
        feed: id.clone(),
        seq,
        cluster: greeting.cluster,
        leader: greeting.leader,
        server_time_ms: greeting.server_time_ms,
        version: VERSION,
        capabilities: CAPABILITIES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
    };
    let follower = Follower::new(hub.clone(), out, topics);
    let hub = hub.clone();
    tokio::spawn(async move {
        if follower.run(hello, from, changes_receiver).await.is_err() {
            tracing::debug!(feed = id, "the client of an event feed is gone");
        }
        hub.unregister(&id);
    });
    Some(pieces)
}

#[cfg(test)]
mod tests;

//! The event feed: what changes, told to whoever follows (`aurora_api::feed`).

mod follower;
mod hub;
mod outlet;
pub(crate) mod render;
mod topic;

use std::sync::Arc;

use aurora_api::feed::{Hello, Seq, VERSION};
use bytes::Bytes;
use tokio::sync::mpsc;

use follower::Follower;
pub(crate) use hub::{Crowded, Hub, Kind};
pub(crate) use outlet::Encoding;
use outlet::Outlet;
pub(crate) use topic::{Wanted, parse_all};

/// What a feed says of the server.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) cluster: String,
    pub(crate) leader: String,
    pub(crate) server_time_ms: i64,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) wanted: Wanted,
    /// Where it goes on.
    pub(crate) from: Option<Seq>,
    pub(crate) bounds: Bounds,
    /// Who asks; feeds are limited for each.
    pub(crate) principal: String,
    pub(crate) encoding: Encoding,
}

/// What is too much to be told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// Tables of the summary with more rows are left out, where it begins with snapshots.
    pub(crate) rows: Option<usize>,
    /// Jobs with more tasks are counted.
    pub(crate) tasks: Option<usize>,
}

/// What this scheduler offers under `/ext/v1`, with versions.
pub(crate) const CAPABILITIES: &[(&str, u32)] = &[
    ("events", VERSION),
    ("pages", 3),
    ("explain", 2),
    ("audit", 1),
];

/// Starts a feed; the pieces of its answer come out of the receiver.
///
/// # Errors
/// [`Crowded`].
pub(crate) fn open(
    hub: &Arc<Hub>,
    greeting: Greeting,
    subscription: Subscription,
) -> Result<mpsc::Receiver<Bytes>, Crowded> {
    let id = uuid::Uuid::new_v4().to_string();
    let (changes, changes_receiver) = mpsc::channel(4);
    hub.register(&id, &subscription.principal, changes)?;
    let (outlet, pieces) = Outlet::new(subscription.encoding);
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
    let follower = Follower::new(
        hub.clone(),
        outlet,
        subscription.wanted,
        subscription.bounds,
    );
    let hub = hub.clone();
    let from = subscription.from;
    tokio::spawn(async move {
        if follower.run(hello, from, changes_receiver).await.is_err() {
            tracing::debug!(feed = id, "the client of an event feed is gone");
        }
        hub.unregister(&id);
    });
    Ok(pieces)
}

#[cfg(test)]
mod tests;

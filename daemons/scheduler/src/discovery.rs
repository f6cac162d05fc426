//! ZooKeeper: where the Mesos masters are, and where clients find this scheduler
//! (aurora: `ServiceDiscoveryModule`, `SchedulerLifecycle`; mesos: `src/master/detector`).
//!
//! ZooKeeper only publishes. A session that is lost takes the advertisement along and stops nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use aurora_mesos::client::scheduler;
use aurora_zk::address::Address;
use aurora_zk::masters::{Leader, follow};
use aurora_zk::members::{self, Announcement, Endpoint, Member, Standing};
use aurora_zk::{Config, Session};
use tokio::sync::watch;

use crate::flags::ServerSet;
use crate::mesos::Registration;

/// mesos: `--zk_session_timeout`.
const MASTERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Where masters may be, as it changes: the addresses given, or the leader that ZooKeeper names for a `zk://` address.
///
/// # Errors
/// The `zk://` address is none.
pub(crate) fn masters(addresses: &[String]) -> anyhow::Result<watch::Receiver<Vec<String>>> {
    if !addresses.iter().any(|address| address.contains("://")) {
        return Ok(scheduler::masters(addresses.iter().cloned()));
    }
    // The flag's commas separate masters elsewhere, and servers of the ensemble here.
    let address = Address::parse(&addresses.join(",")).context("in --mesos-master-address")?;
    let session = Session::start(Config {
        servers: address.servers,
        timeout: MASTERS_TIMEOUT,
        credentials: address.credential.into_iter().collect(),
    })?;
    let (leader, mut seen) = watch::channel(Leader::Unknown);
    let (found, masters) = watch::channel(Vec::new());
    tokio::spawn(async move { follow(&session, &address.path, &leader).await });
    tokio::spawn(async move {
        while seen.changed().await.is_ok() {
            let leader = seen.borrow_and_update().clone();
            let addresses = match leader {
                // What was known may still be true.
                Leader::Unknown => continue,
                Leader::None => Vec::new(),
                Leader::At(address) => vec![address],
            };
            tracing::info!(masters = ?addresses, "the leading Mesos master");
            if found.send(addresses).is_err() {
                return;
            }
        }
    });
    Ok(masters)
}

/// Tells where this scheduler serves, from its first registration with Mesos on, until the session that this gives back is
/// closed.
///
/// # Errors
/// The ensemble's servers are not given as they should be.
pub(crate) fn advertise(
    set: ServerSet,
    endpoint: Endpoint,
    name: String,
    mut registered: watch::Receiver<Registration>,
) -> anyhow::Result<Session> {
    let session = Session::start(set.session).context("in --zk-endpoints")?;
    let announcement = Announcement {
        path: set.path,
        acl: set.acl,
        member: Member::new(endpoint.clone(), BTreeMap::from([(name, endpoint)]), None),
    };
    let keeper = session.clone();
    tokio::spawn(async move {
        if registered.wait_for(|state| state.ever).await.is_ok() {
            let (standing, _) = watch::channel(Standing::Out(Instant::now()));
            members::keep(&keeper, &announcement, &standing).await;
        }
    });
    Ok(session)
}

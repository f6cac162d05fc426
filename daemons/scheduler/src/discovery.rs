//! ZooKeeper: where the Mesos masters are, and where clients find this scheduler
//! (aurora: `ServiceDiscoveryModule`, `SchedulerLifecycle`; mesos: `src/master/detector`).
//!
//! ZooKeeper only publishes. A session that is lost takes the advertisement along and stops nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use aurora_mesos::client::scheduler;
use aurora_zk::address::Address;
use aurora_zk::masters::{Leader, follow};
use aurora_zk::members::{self, Announcement, Endpoint, Member, Standing};
use aurora_zk::{Config, Keeper, Session, State};
use tokio::sync::watch;

use crate::flags::ServerSet;
use crate::mesos::Registration;
use crate::metrics::Metrics;

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
    metrics: Arc<Metrics>,
) -> anyhow::Result<Session> {
    let session = Session::start(set.session).context("in --zk-endpoints")?;
    tokio::spawn(count_states(session.state(), metrics));
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

/// Upstream's words for the state of a connection (aurora: `CuratorServiceDiscoveryModule.java`). Between sessions is LOST: a
/// session that may not be believed in any more is given up, so that none is SUSPENDED.
const STATES: [&str; 5] = ["CONNECTED", "LOST", "READ_ONLY", "RECONNECTED", "SUSPENDED"];

fn upstreams_word(state: &State, had_session: bool) -> Option<&'static str> {
    match state {
        State::Held(1) => Some("CONNECTED"),
        State::Held(_) => Some("RECONNECTED"),
        State::Away(_) | State::Closed => had_session.then_some("LOST"),
    }
}

/// Shows the state that the session is in, and counts how often it came into each.
async fn count_states(mut states: watch::Receiver<State>, metrics: Arc<Metrics>) {
    let gauge = |state: &str| format!("zk_connection_state_{state}");
    let counter = |state: &str| format!("{}_counter", gauge(state));
    for state in STATES {
        metrics.set(&gauge(state), 0);
        metrics.add(&counter(state), 0);
    }
    let mut current: Option<&str> = None;
    loop {
        let next = upstreams_word(&states.borrow_and_update(), current.is_some());
        if next != current {
            if let Some(state) = current {
                metrics.set(&gauge(state), 0);
            }
            if let Some(state) = next {
                metrics.set(&gauge(state), 1);
                metrics.add(&counter(state), 1);
            }
            current = next;
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn states_of_the_connection_are_shown_and_counted() {
        let away = || State::Away("gone".to_owned());
        let (sender, states) = watch::channel(away());
        let metrics = Arc::new(Metrics::default());
        let counting = tokio::spawn(count_states(states, Arc::clone(&metrics)));
        for (state, shown) in [
            (away(), None),
            (State::Held(1), Some("CONNECTED")),
            (away(), Some("LOST")),
            (State::Held(2), Some("RECONNECTED")),
            (away(), Some("LOST")),
        ] {
            sender.send_replace(state.clone());
            // One thread: the other task runs until it waits again.
            tokio::task::yield_now().await;
            let all = metrics.all();
            for name in STATES {
                let expected = i64::from(shown == Some(name));
                assert_eq!(
                    all[&format!("zk_connection_state_{name}")],
                    expected,
                    "{state:?}"
                );
            }
        }
        drop(sender);
        counting.await.unwrap();
        let all = metrics.all();
        let counts = STATES.map(|name| all[&format!("zk_connection_state_{name}_counter")]);
        assert_eq!(counts, [1, 2, 0, 1, 0]);
    }
}

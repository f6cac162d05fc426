//! Where a cluster's scheduler is. For a cluster that is found through ZooKeeper that changes with the leader: after a lost
//! connection it is looked for again (aurora: `scheduler_client.py`, `SchedulerProxy.invalidate`).

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use reqwest::Url;

use crate::clusters::Cluster;
use crate::directory::Target;
use crate::http::{Http, describe};
use crate::leader;
use crate::netrc::Netrc;

/// Where the scheduler of a cluster was found after its lookup. Clones share it, and so all calls and feeds of a
/// [`Target`]; whether it moved does not make it another target.
#[derive(Clone, Debug, Default)]
pub struct Moved(Arc<Mutex<Option<Url>>>);

impl PartialEq for Moved {
    fn eq(&self, _: &Moved) -> bool {
        true
    }
}

impl Moved {
    fn to(&self, base: Url) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(base);
    }

    fn latest(&self) -> Option<Url> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }
}

/// The place of a scheduler. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    now: RwLock<Address>,
    moved: Moved,
    /// The cluster's entry, when ZooKeeper says where the scheduler is.
    moving: Option<Cluster>,
    user_agent: String,
    netrc: Netrc,
}

/// An address, with what is shown there.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The scheduler's URL.
    pub(crate) base: Url,
    /// The URL that people see.
    pub(crate) display: Url,
    /// Connections, with the credentials for this host.
    pub(crate) http: Http,
}

impl Place {
    /// What the lookup of the cluster has found.
    pub(crate) fn of(target: &Target, user_agent: &str) -> Place {
        let address = Address {
            base: target.scheduler.clone(),
            display: target.display.clone(),
            http: Http::with_netrc(user_agent, target.auth.clone(), target.netrc.clone()),
        };
        let moving = target.entry.clone().filter(|entry| entry.zk.is_some());
        Place {
            shared: Arc::new(Shared {
                now: RwLock::new(address),
                moved: target.moved.clone(),
                moving,
                user_agent: user_agent.to_owned(),
                netrc: target.netrc.clone(),
            }),
        }
    }

    /// The address now.
    pub(crate) fn now(&self) -> Address {
        if let Some(latest) = self.shared.moved.latest() {
            self.shared.move_to(latest);
        }
        let now = self.shared.now.read();
        now.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks whether another scheduler leads; the address stays where nobody can tell.
    pub(crate) async fn look_again(&self) {
        let Some(cluster) = &self.shared.moving else {
            return;
        };
        match leader::look(cluster, 1).await {
            Ok(base) => self.shared.moved.to(base),
            Err(error) => tracing::debug!("no leader of {}: {}", cluster.name, describe(&error)),
        }
    }
}

impl Shared {
    fn move_to(&self, base: Url) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.base == base {
            return;
        }
        tracing::debug!(from = %now.base, to = %base, "another scheduler leads");
        // A proxy is shown whoever leads.
        if now.display == now.base {
            now.display = base.clone();
        }
        let auth = self.netrc.lookup(base.host_str().unwrap_or_default());
        now.http = Http::with_netrc(&self.user_agent, auth, self.netrc.clone());
        now.base = base;
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;

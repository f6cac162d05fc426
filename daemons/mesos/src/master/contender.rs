//! Telling where this master serves in ZooKeeper, where schedulers look for the leading one
//! (mesos: `src/master/contender/zookeeper.cpp`).
//!
//! The node says where to go and decides nothing: a master of this kind leads its own agents whoever else is there.

use std::time::Duration;

use anyhow::Context as _;
use aurora_mesos::v1::MasterInfo;
use aurora_zk::acl::Acl;
use aurora_zk::address::Address;
use aurora_zk::election::{Candidacy, Place};
use aurora_zk::{Config, Session, masters};
use tokio::sync::watch;

/// Where the masters of a cluster are told of.
#[derive(Debug, Clone)]
pub struct Ensemble(Address);

impl std::str::FromStr for Ensemble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = Address::parse(text).map_err(|error| error.to_string())?;
        // As Mesos: the top of the tree is everybody's.
        if address.path == "/" {
            return Err("it needs a path, such as /mesos, after the servers".to_owned());
        }
        Ok(Self(address))
    }
}

/// The address as operators may see it, without a password.
impl std::fmt::Display for Ensemble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Address { servers, path, .. } = &self.0;
        let credential = self.0.credential.as_ref().map_or("", |_| "…@");
        write!(f, "zk://{credential}{servers}{path}")
    }
}

/// Keeps a node that names this master among those of all masters until the session that this gives back is closed.
///
/// # Errors
/// The ensemble's servers are not given as they should be.
pub(crate) fn contend(
    ensemble: &Ensemble,
    timeout: Duration,
    info: &MasterInfo,
) -> anyhow::Result<Session> {
    let Ensemble(address) = ensemble.clone();
    let candidacy = Candidacy {
        path: address.path,
        prefix: masters::PREFIX.to_owned(),
        data: serde_json::to_vec(info).context("the master's description")?,
        acl: match &address.credential {
            Some(_) => Acl::read_by_all(),
            None => Acl::open(),
        },
    };
    let session = Session::start(Config {
        servers: address.servers,
        timeout,
        credentials: address.credential.into_iter().collect(),
    })
    .context("in --zk")?;
    let keeper = session.clone();
    let (place, seen) = watch::channel(Place::Out);
    tokio::spawn(async move { candidacy.stand(&keeper, &place).await });
    tokio::spawn(tell(seen));
    Ok(session)
}

/// Logs what becomes of the node.
async fn tell(mut place: watch::Receiver<Place>) {
    while place.changed().await.is_ok() {
        match &*place.borrow_and_update() {
            Place::Out => tracing::warn!("schedulers cannot find this master in ZooKeeper now"),
            Place::Queued {
                before: 0, node, ..
            } => {
                tracing::info!(node, "schedulers find this master in ZooKeeper");
            }
            Place::Queued { before, node, .. } => {
                tracing::warn!(node, before, "schedulers find another master in ZooKeeper");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ensembles() {
        for (text, expected) in [
            ("zk://a:1,b:2/mesos", Ok("zk://a:1,b:2/mesos")),
            ("zk://u:secret@a:1/mesos", Ok("zk://…@a:1/mesos")),
            ("zk://a:1", Err("needs a path")),
            ("zk://a:1/", Err("needs a path")),
            ("a:1/mesos", Err("does not begin")),
        ] {
            match (text.parse::<Ensemble>(), expected) {
                (Ok(ensemble), Ok(shown)) => assert_eq!(ensemble.to_string(), shown),
                (Err(error), Err(reason)) => assert!(error.contains(reason), "{text}: {error}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }
}

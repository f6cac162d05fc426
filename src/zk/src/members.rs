//! Server sets: the JSON of a member, and keeping one in place
//! (aurora: `src/main/python/apache/aurora/executor/common/announcer.py`, twitter.common.zookeeper.serverset).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::acl::Acl;
use crate::error::Error;
use crate::keeper::{Keeper, Lifetime};

/// What the names of members begin with; ten digits follow.
pub const PREFIX: &str = "member_";
/// The pause after a join that was refused, as upstream.
const REFUSED_PAUSE: Duration = Duration::from_secs(15);

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// 0 when the service has no port of the name that it should have.
    pub port: u16,
}

/// What a member's node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The service itself.
    #[serde(rename = "serviceEndpoint")]
    pub service: Endpoint,
    /// Its other ports, by name.
    #[serde(rename = "additionalEndpoints", default)]
    pub additional: BTreeMap<String, Endpoint>,
    /// `ALIVE`; readers ignore anything else.
    #[serde(default = "alive")]
    pub status: String,
    /// Number of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<i32>,
}

fn alive() -> String {
    "ALIVE".to_owned()
}

impl Member {
    /// A member that is alive.
    #[must_use]
    pub fn new(
        service: Endpoint,
        additional: BTreeMap<String, Endpoint>,
        shard: Option<i32>,
    ) -> Self {
        Self {
            service,
            additional,
            status: alive(),
            shard,
        }
    }

    /// The node's data.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers have a JSON form")
    }
}

/// A member to be kept in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The server set's node.
    pub path: String,
    /// For the member and the nodes above it that are missing.
    pub acl: Vec<Acl>,
    /// The member.
    pub member: Member,
}

/// Where an announcement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No member since then.
    Out(Instant),
    /// The member's node.
    In(String),
}

/// What an earlier session may have left behind.
enum Leftover {
    Nothing,
    /// This node.
    Known(String),
    /// A node of ours, if any: a create whose answer never came.
    Unknown,
}

/// Keeps the member in its server set, session after session, until the session is closed or this is dropped. Tells where it
/// stands. Withdraw by [`Session::close`](crate::Session::close), which takes the node along.
pub async fn keep<K: Keeper>(
    keeper: &K,
    announcement: &Announcement,
    standing: &watch::Sender<Standing>,
) {
    let data = announcement.member.to_json();
    let mut leftover = Leftover::Nothing;
    while let Some(session) = keeper.held().await {
        match join(keeper, announcement, &data, &mut leftover).await {
            Ok(node) => {
                tracing::info!(node, "announced");
                standing.send_replace(Standing::In(node.clone()));
                stay(keeper, session, &node).await;
                tracing::warn!(node, "not announced any more");
                standing.send_replace(Standing::Out(Instant::now()));
                leftover = Leftover::Known(node);
            }
            Err(error) => {
                tracing::warn!(path = announcement.path, %error, "cannot be announced");
                if matches!(error, Error::Unknown(_)) {
                    leftover = Leftover::Unknown;
                }
                pause(keeper, session, &error).await;
            }
        }
    }
}

/// A refusal is asked about again after a while; a session that was lost, when there is another.
async fn pause<K: Keeper>(keeper: &K, session: u64, error: &Error) {
    let mut state = keeper.state();
    let refused = matches!(error, Error::Refused { .. });
    if refused || keeper.holds(session) {
        tokio::select! {
            () = tokio::time::sleep(REFUSED_PAUSE) => {}
            // An answer either way is a reason to look again.
            _ = state.changed() => {}
        }
    }
}

async fn join<K: Keeper>(
    keeper: &K,
    announcement: &Announcement,
    data: &[u8],
    leftover: &mut Leftover,
) -> Result<String, Error> {
    let Announcement { path, acl, .. } = announcement;
    keeper.ensure(path, acl).await?;
    match leftover {
        Leftover::Nothing => {}
        // The session that it lived with may have a while to go.
        Leftover::Known(node) => keeper.delete(node).await?,
        Leftover::Unknown => remove_twins(keeper, path, data).await?,
    }
    *leftover = Leftover::Nothing;
    let name = format!("{path}/{PREFIX}");
    keeper
        .create(&name, data.to_vec(), acl, Lifetime::EphemeralSequential)
        .await
}

/// Removes members with the very same data: the same ports of the same host cannot be anybody else's.
async fn remove_twins<K: Keeper>(keeper: &K, path: &str, data: &[u8]) -> Result<(), Error> {
    for name in keeper.children(path).await?.0.unwrap_or_default() {
        let node = format!("{path}/{name}");
        if name.starts_with(PREFIX)
            && let (Some(found), _) = keeper.get(&node).await?
            && found.data == data
        {
            keeper.delete(&node).await?;
        }
    }
    Ok(())
}

/// Comes back when the session or the node is gone.
async fn stay<K: Keeper>(keeper: &K, session: u64, node: &str) {
    while keeper.holds(session) {
        match keeper.exists(node).await {
            Ok((true, change)) => change.wait().await,
            Ok((false, _)) => return,
            Err(error) => {
                tracing::debug!(node, %error, "cannot look after the announcement");
                return;
            }
        }
    }
}

/// The members of a server set by the names of their nodes; nodes that are no members, or not readable as such, are left out.
///
/// # Errors
/// [`Error`].
pub async fn list<K: Keeper>(keeper: &K, path: &str) -> Result<BTreeMap<String, Member>, Error> {
    let mut members = BTreeMap::new();
    for name in keeper.children(path).await?.0.unwrap_or_default() {
        if name.starts_with(PREFIX)
            && let (Some(node), _) = keeper.get(&format!("{path}/{name}")).await?
            && let Ok(member) = serde_json::from_slice(&node.data)
        {
            members.insert(name, member);
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_upstreams() {
        let endpoint = |port| Endpoint {
            host: "h1".into(),
            port,
        };
        let member = Member::new(
            endpoint(31_000),
            BTreeMap::from([("admin".into(), endpoint(31_001))]),
            Some(3),
        );
        let text = r#"{"serviceEndpoint":{"host":"h1","port":31000},"additionalEndpoints":{"admin":{"host":"h1","port":31001}},"status":"ALIVE","shard":3}"#;
        assert_eq!(String::from_utf8(member.to_json()).unwrap(), text);
        assert_eq!(serde_json::from_str::<Member>(text).unwrap(), member);
        // As the scheduler announces itself: no shard; and whatever a newer one adds.
        let other: Member = serde_json::from_str(
            r#"{"serviceEndpoint":{"host":"h1","port":1},"status":"ALIVE","extra":[1]}"#,
        )
        .unwrap();
        assert_eq!(other, Member::new(endpoint(1), BTreeMap::new(), None));
    }
}

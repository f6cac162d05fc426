//! A queue of candidates: the one whose node has the smallest number is first
//! (aurora: the leader-selector nodes of `discovery/CuratorSingletonService.java`).
//!
//! Being first is worth what the session is worth: [`Place::is_first`] asks the clock, too. It fences nothing; the
//! scheduler's log does.

use std::time::Duration;

use tokio::sync::watch;

use crate::acl::Acl;
use crate::error::Error;
use crate::keeper::{Change, Keeper, Lifetime};

/// A place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// None: no session, or the node is gone.
    Out,
    /// So many candidates are before this one; 0 is first. With the number of the session, and the node.
    Queued {
        /// Candidates before this one.
        before: usize,
        /// The session that the node lives with.
        session: u64,
        /// The node's name.
        node: String,
    },
}

/// Who stands, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidacy {
    /// The queue's node.
    pub path: String,
    /// What the candidates' names begin with, up to the ten digits; Curator's contain `-lock-`.
    pub prefix: String,
    /// The candidate's data: its host, say.
    pub data: Vec<u8>,
    /// For the candidate and missing nodes above it.
    pub acl: Vec<Acl>,
}

impl Candidacy {
    /// Stands for election, session after session, until the session is closed or this is dropped. Dropping it leaves the
    /// node to the session; close that, or [`Candidacy::step_back`].
    pub async fn stand<K: Keeper>(&self, keeper: &K, place: &watch::Sender<Place>) {
        while let Some(session) = keeper.held().await {
            if let Err(error) = self.stand_once(keeper, session, place).await {
                tracing::warn!(path = self.path, %error, "cannot stand for election");
            }
            place.send_replace(Place::Out);
            if keeper.holds(session) {
                let mut state = keeper.state();
                tokio::select! {
                    _ = state.changed() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        }
        place.send_replace(Place::Out);
    }

    async fn stand_once<K: Keeper>(
        &self,
        keeper: &K,
        session: u64,
        place: &watch::Sender<Place>,
    ) -> Result<(), Error> {
        keeper.ensure(&self.path, &self.acl).await?;
        let name = format!("{}/{}", self.path, self.prefix);
        let created = keeper
            .create(
                &name,
                self.data.clone(),
                &self.acl,
                Lifetime::EphemeralSequential,
            )
            .await?;
        let node = created.rsplit('/').next().unwrap_or_default().to_owned();
        loop {
            let Some((before, change)) = self.position(keeper, &node).await? else {
                return Ok(());
            };
            let now = Place::Queued {
                before,
                session,
                node: node.clone(),
            };
            place.send_if_modified(|known| {
                let is_news = *known != now;
                *known = now;
                is_news
            });
            change.wait().await;
            if !keeper.holds(session) {
                return Ok(());
            }
        }
    }

    /// How many are before `node`, and word of the next change; `None` when the node is gone.
    async fn position<K: Keeper>(
        &self,
        keeper: &K,
        node: &str,
    ) -> Result<Option<(usize, Change)>, Error> {
        let (children, change) = keeper.children(&self.path).await?;
        Ok(position(&children.unwrap_or_default(), node).map(|before| (before, change)))
    }

    /// Gives the place up, so that whoever is next moves up: [`Candidacy::stand`] then queues again at the end.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn step_back<K: Keeper>(&self, keeper: &K, place: &Place) -> Result<(), Error> {
        match place {
            Place::Out => Ok(()),
            Place::Queued { node, .. } => keeper.delete(&format!("{}/{node}", self.path)).await,
        }
    }
}

impl Place {
    /// Whether this candidate is first, as far as the clock lets it believe that.
    pub fn is_first<K: Keeper>(&self, keeper: &K) -> bool {
        matches!(self, Self::Queued { before: 0, session, .. } if keeper.holds(*session))
    }
}

/// How many candidates have a smaller number than `node`; `None` when it is not among them. Names without a number are no
/// candidates.
fn position(children: &[String], node: &str) -> Option<usize> {
    let number = |name: &str| name.get(name.len().checked_sub(10)?..)?.parse::<u64>().ok();
    let own = number(node)?;
    children.iter().any(|name| name == node).then(|| {
        children
            .iter()
            .filter_map(|name| number(name))
            .filter(|&other| other < own)
            .count()
    })
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn places_go_by_numbers_and_not_by_names() {
        let names = [
            "_c_ff-lock-0000000007",
            "_c_aa-lock-0000000009",
            "member",
            "_c_00-lock-0000000012",
        ]
        .map(str::to_owned);
        for (node, expected) in [
            ("_c_ff-lock-0000000007", Some(0)),
            ("_c_aa-lock-0000000009", Some(1)),
            ("_c_00-lock-0000000012", Some(2)),
            ("_c_11-lock-0000000008", None),
            ("member", None),
        ] {
            assert_eq!(position(&names, node), expected, "{node}");
        }
    }
}

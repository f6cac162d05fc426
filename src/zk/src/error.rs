//! What can go wrong with a request.

/// Why a request did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no session now, so nothing was sent.
    #[error("there is no ZooKeeper session at the moment")]
    Away,
    /// The session was lost, or the time was up, before an answer came: the request may have been carried out or not.
    #[error("ZooKeeper did not answer, and whether it did what it was asked is unknown: {0}")]
    Unknown(String),
    /// The server said no.
    #[error("ZooKeeper refuses {path}: {reason}")]
    Refused {
        /// The node.
        path: String,
        /// What it said.
        reason: Refusal,
    },
}

/// A server's refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node, or the parent of one to be created, is not there.
    #[error("there is no such node")]
    NoNode,
    /// The node to be created is there already.
    #[error("the node exists")]
    NodeExists,
    /// The node's ACL does not allow it to these credentials.
    #[error("its ACL does not allow it")]
    NoAuth,
    /// The ACL of the node to be created is not accepted.
    #[error("the ACL is not valid")]
    InvalidAcl,
    /// The node to be deleted has children.
    #[error("the node has children")]
    NotEmpty,
    /// Anything else, in the client's words.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Whether the server refused for this reason.
    #[must_use]
    pub fn is(&self, wanted: &Refusal) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == wanted)
    }
}

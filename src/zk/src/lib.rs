//! ZooKeeper sessions that can be trusted, and what Aurora keeps in ZooKeeper: server sets, candidates for a lead, masters.
//!
//! # Layers
//! ```text
//! members, election, masters     recipes, written against the trait Keeper
//! session                        one session after another: fence by time, time-outs, auth, watches
//! client                         zookeeper-async, and nothing else names it
//! ```
//!
//! The client crate is believed in nothing but carrying requests and answers. It goes on with a new session after an expiry
//! without a word, notices a dead peer only after the server has expired the session, forgets watches and credentials when it
//! reconnects, pairs answers with requests by their order, and can block itself for ever. So each session here has one client
//! object on a runtime of its own, and both are thrown away at the first doubt; a session is believed in for two thirds of its
//! time-out after the start of the last request that was answered, and no longer.
//!
//! Not here: who may be leader. The scheduler's log decides that; ZooKeeper only publishes it.
//!
//! The client crate logs every lost connection under its own target, `zookeeper_async`; programs filter that out.

pub mod acl;
pub mod address;
mod client;
pub mod election;
mod error;
mod keeper;
pub mod masters;
pub mod members;
mod session;

pub use error::{Error, Refusal};
pub use keeper::{Change, Keeper, Lifetime, Node, State};
pub use session::{Config, MIN_TIMEOUT, ServersError, Session};

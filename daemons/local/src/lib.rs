//! One embedded cluster on this machine: starts and watches a master, an agent, a scheduler and an observer.
//!
//! Start with [`supervisor`]: it holds a [`keeper`] for each daemon, which starts it, waits for its ready line and starts it
//! again when it crashes. [`layout`] is the state directory, [`lock`] keeps a second supervisor out, [`records`] remembers
//! ports and processes from one run to the next. The daemons end when this program does, by their lifelines; executors
//! live on and are found again. Clients find the cluster by `endpoints.json` ([`aurora_client::endpoints`]).
//!
//! This crate knows the daemons by their flags alone; what they do is their business.

pub mod commands;
mod demo;
pub mod flags;
mod keeper;
pub mod layout;
pub mod lock;
mod records;
mod roles;
mod supervisor;

//! What the end-to-end tests share: real programs, real processes, and waiting without luck.
//!
//! Every test has a directory, a cluster and ports of its own. [`wait::until`] polls a condition and reports the last state
//! it saw. When a [`cluster::Cluster`] is dropped, nothing of it is left running.

pub mod cluster;
pub mod daemon;
pub mod figures;
pub mod http;
pub mod process;
pub mod programs;
pub mod python;
pub mod skip;
pub mod terminal;
pub mod wait;
pub mod zookeeper;

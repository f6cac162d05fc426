//! Aurora's data model and Thrift service, with the protocols that carry them.
//!
//! Start with [`model`] for the types, [`service`] for the calls, [`message`] for requests and answers on the wire.
//! This crate knows nothing of HTTP, of Mesos, of files or clocks.

pub mod binary;
pub mod brief;
pub mod drain_plan;
pub mod elements;
pub mod eval;
pub mod feed;
pub mod instances;
pub mod job_key;
pub mod message;
pub mod model;
pub mod observer;
pub mod resources;
pub mod service;
pub mod simple;
mod simple_reader;
pub mod status;
pub mod storage;
mod tables;
pub mod thermos;
pub mod tjson;
pub mod wire;

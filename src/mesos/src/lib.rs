//! Mesos v1: the messages with their JSON dialect and protobuf, RecordIO framing, resource arithmetic, and clients
//! for the scheduler, executor and operator APIs.
//!
//! The crate knows the protocol and nothing of Aurora. Start reading at [`v1`] for the messages and at
//! [`message`] for how they are declared, read and written.

pub mod client;
pub mod duration;
pub mod message;
pub mod recordio;
pub mod resources;
pub mod v1;

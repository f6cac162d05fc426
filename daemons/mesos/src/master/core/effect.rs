//! What the core wants done, in this order.

use aurora_mesos::v1::{master, scheduler};

use super::registry::Registry;
use crate::link;

/// Names an event stream to a scheduler or an agent; given by the shell, never used twice.
pub(crate) type StreamKey = u64;

/// Something to do in the world.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Make this durable before anything that follows.
    Persist(Box<Registry>),
    /// An event to a scheduler.
    ToFramework(StreamKey, Box<scheduler::Event>),
    /// An event to an agent.
    ToAgent(StreamKey, Box<link::Event>),
    /// The end of a stream, after the events before it.
    Close(StreamKey),
    /// An event to all operators that subscribed.
    ToOperators(Box<master::Event>),
}

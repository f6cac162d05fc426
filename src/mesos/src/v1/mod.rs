//! The messages of Mesos v1: one line per field in a table, from which the Rust structs and the
//! JSON dialect are generated (see [`crate::message`]).
//!
//! Names follow Mesos with Rust's spelling (`FrameworkID` is [`FrameworkId`], `Offer.Operation` is
//! [`OfferOperation`], a field `type` is `kind`). The schema is that of Mesos 1.12, which every 1.x
//! release is a subset of (`mesos: include/mesos/v1/mesos.proto`). Left out are CSI, resource
//! providers, nested containers and the statistics that need kernel modules; like all unknown fields
//! they are skipped when read.

mod calls;
mod command;
mod container;
mod framework;
mod ids;
mod offer;
mod resource;
mod task;

pub mod agent;
pub mod executor;
pub mod maintenance;
pub mod master;
pub mod quota;
pub mod scheduler;

pub use command::*;
pub use container::*;
pub use framework::*;
pub use ids::*;
pub use offer::*;
pub use resource::*;
pub use task::*;

impl TaskState {
    /// Whether nothing can follow: FINISHED, FAILED, KILLED, ERROR, LOST, DROPPED, GONE,
    /// GONE_BY_OPERATOR. UNREACHABLE and UNKNOWN are not terminal.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Finished
            | Self::Failed
            | Self::Killed
            | Self::Error
            | Self::Lost
            | Self::Dropped
            | Self::Gone
            | Self::GoneByOperator => true,
            Self::Staging
            | Self::Starting
            | Self::Running
            | Self::Killing
            | Self::Unreachable
            | Self::Unknown => false,
        }
    }
}

impl FrameworkInfo {
    /// Whether the framework has this capability.
    pub fn has(&self, capability: FrameworkCapabilityType) -> bool {
        self.capabilities.iter().any(|c| c.kind == Some(capability))
    }

    /// The roles that the framework is in: `roles` for MULTI_ROLE frameworks, else `role` or `*`.
    pub fn effective_roles(&self) -> Vec<&str> {
        if self.has(FrameworkCapabilityType::MultiRole) {
            self.roles.iter().map(String::as_str).collect()
        } else {
            vec![self.role.as_deref().unwrap_or("*")]
        }
    }
}

//! The Aurora data model (aurora: `api/src/main/thrift/org/apache/aurora/gen/api.thrift`).

use crate::tables::{r#struct, union};

mod config;
mod constraints;
mod enums;
mod hosts;
mod jobs;
mod keys;
mod locks;
mod results;
mod tasks;
mod updates;

pub use config::*;
pub use constraints::*;
pub use enums::*;
pub use hosts::*;
pub use jobs::*;
pub use keys::*;
pub use locks::*;
pub use results::*;
pub use tasks::*;
pub use updates::*;

//! The clock of checkpoints.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::plan::Seconds;

/// Now, in seconds since 1970.
#[must_use]
pub fn now() -> Seconds {
    // A clock before 1970 is a broken one; zero is as good as any answer.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

//! The logging level that operators see: raised for a while, then zero again.
//!
//! It is Mesos' verbosity and has no counterpart in the logs of these daemons, whose filter is a flag; it is
//! kept so that tools that raise it around an experiment find it as they set it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct LoggingLevel {
    raised: Mutex<Option<(u32, Instant)>>,
}

impl LoggingLevel {
    pub(crate) fn level(&self) -> u32 {
        match *self.raised.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((level, until)) if Instant::now() < until => level,
            _ => 0,
        }
    }

    pub(crate) fn set(&self, level: u32, duration: Duration) {
        let until = Instant::now().checked_add(duration);
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) =
            until.map(|until| (level, until));
    }
}

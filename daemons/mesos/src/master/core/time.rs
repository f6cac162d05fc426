//! Time as the core gets it: never read here, always passed in.

use std::ops::Add;
use std::time::Duration;

use aurora_mesos::v1::TimeInfo;

/// Nanoseconds since the Unix epoch; the shell makes sure that it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) i64);

impl Time {
    /// In seconds, as statuses carry it.
    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// As a message.
    pub(crate) fn info(self) -> TimeInfo {
        TimeInfo {
            nanoseconds: self.0,
        }
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

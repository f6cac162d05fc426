//! The clock of checkpoints, and the one that waits are counted with.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::plan::Seconds;

/// Now, in seconds since 1970.
#[must_use]
pub fn now() -> Seconds {
    // A clock before 1970 is a broken one; zero is as good as any answer.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// A moment by two clocks: somebody may set the first, and no wait may become longer or shorter by that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Seconds since 1970, for the record.
    pub wall: Seconds,
    /// Seconds since some moment, never set.
    pub steady: Seconds,
}

impl Moment {
    /// Now; the steady clock counts from `begun`.
    #[must_use]
    pub fn now(begun: Instant) -> Self {
        Self {
            wall: now(),
            steady: begun.elapsed().as_secs_f64(),
        }
    }
}

/// A time in seconds since 1970 as people write it, in UTC; one out of all bounds is the last that has a name.
#[must_use]
pub fn civil(seconds: i64) -> DateTime {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    Offset::UTC.to_datetime(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        // date -u -d @N '+%Y %-m %-d %w %H:%M:%S'
        for (seconds, expected) in [
            (0, "1970 1 1 4 00:00:00"),
            (951_782_400, "2000 2 29 2 00:00:00"),
            (1_700_000_000, "2023 11 14 2 22:13:20"),
            (1_709_251_199, "2024 2 29 4 23:59:59"),
            (4_107_542_400, "2100 3 1 1 00:00:00"),
            (-1, "1969 12 31 3 23:59:59"),
        ] {
            let at = civil(seconds);
            let weekday = at.weekday().to_sunday_zero_offset();
            let (date, time) = ((at.year(), at.month(), at.day()), at.time());
            let shown = format!("{} {} {} {weekday} {time}", date.0, date.1, date.2);
            assert_eq!(shown, expected);
        }
    }
}

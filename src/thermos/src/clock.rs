//! The clock of checkpoints, and the one that waits are counted with.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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

/// A moment in UTC as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// Month, from 1.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// Day of the week, 0 for Sunday.
    pub weekday: i64,
    /// Hour.
    pub hour: i64,
    /// Minute.
    pub minute: i64,
    /// Second.
    pub second: i64,
}

/// A time in seconds since 1970, in UTC.
#[must_use]
pub fn civil(seconds: i64) -> Civil {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counted in eras of 400 years and in years that begin with March, so that the leap day is the last one.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let month_of_year = if month < 10 { month + 3 } else { month - 9 };
    Civil {
        year: era * 400 + year_of_era + i64::from(month_of_year <= 2),
        month: month_of_year,
        day: day_of_year - (153 * month + 2) / 5 + 1,
        weekday: (days + 4).rem_euclid(7),
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
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
            let shown = format!(
                "{} {} {} {} {:02}:{:02}:{:02}",
                at.year, at.month, at.day, at.weekday, at.hour, at.minute, at.second
            );
            assert_eq!(shown, expected);
        }
    }
}

//! When a schedule comes round in a time zone.
//!
//! A schedule is about what a clock on the wall shows. When the clock is put forward, what it does not show does not happen;
//! when it is put back, a schedule that names hours runs at the later of the two times that look alike (both as upstream's
//! Quartz has it), and one of every hour goes on in both.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::Schedule;
use crate::core::config::Millis;

/// A time zone with its rules, which are compiled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that no time zone has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`: use a name such as GMT, Europe/Berlin or GMT+05:30")]
pub struct UnknownZone(String);

const MINUTES_OF_DAY: i64 = 24 * 60;

/// How far ahead a schedule is looked for: leap days are eight years apart at the most, and some years' hour may fall into
/// the one that the clock leaves out.
const HORIZON_SECONDS: i64 = 40 * 366 * MINUTES_OF_DAY * 60;

impl Zone {
    /// The zone of a name of the IANA data base, or `GMT+H`, `GMT-HH:MM` and the like.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Zone, UnknownZone> {
        if matches!(name, "GMT" | "UTC") {
            return Ok(Zone::default());
        }
        if let Some(offset) = fixed(name) {
            return Ok(Zone(TimeZone::fixed(offset)));
        }
        let zone = TimeZoneDatabase::bundled().get(name);
        zone.map(Zone).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// Seconds that local clocks are ahead of Greenwich at a time, and the next change: when, and to what.
    fn offset(&self, seconds: i64) -> Option<(i64, Option<(i64, i64)>)> {
        let time = Timestamp::from_second(seconds).ok()?;
        let change = self.0.following(time).next();
        let change = change.map(|change| {
            let offset = i64::from(change.offset().seconds());
            (change.timestamp().as_second(), offset)
        });
        Some((i64::from(self.0.to_offset(time).seconds()), change))
    }
}

impl Default for Zone {
    fn default() -> Zone {
        Zone(TimeZone::UTC)
    }
}

/// `GMT+8`, `GMT+08:00`, `GMT-0330` (java: `TimeZone.getTimeZone`, custom ids).
fn fixed(name: &str) -> Option<Offset> {
    let rest = name.strip_prefix("GMT")?;
    let (sign, digits) = match rest.as_bytes().first()? {
        b'+' => (1, &rest[1..]),
        b'-' => (-1, &rest[1..]),
        _ => return None,
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) if minutes.len() == 2 => (hours, minutes),
        (None, 1 | 2) => (digits, "0"),
        (None, 3 | 4) => digits.split_at_checked(digits.len() - 2)?,
        _ => return None,
    };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<i32>().ok(),
        false => None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// The first time after `after` at which a schedule runs; `None` when it never does.
pub fn next_fire_time(schedule: &Schedule, zone: &Zone, after: Millis) -> Option<Millis> {
    let mut from = after.div_euclid(1000).checked_add(1)?;
    let horizon = from.checked_add(HORIZON_SECONDS)?;
    while from < horizon {
        let (offset, change) = zone.offset(from)?;
        let end = change.map_or(horizon, |(at, _)| at.min(horizon));
        // Clocks on the wall do nothing unusual from here to there.
        let (first, mut last) = (
            minute_not_before(from + offset),
            minute_not_before(end + offset),
        );
        if let Some((at, after)) = change
            && !schedule.is_hourly()
        {
            // What the clock shows again after it is put back is left to the second time.
            last = last.min(minute_not_before(at + after));
        }
        if let Some(minute) = next_minute(schedule, first, last) {
            return (minute * 60 - offset).checked_mul(1000);
        }
        from = end;
    }
    None
}

fn minute_not_before(seconds: i64) -> i64 {
    -(-seconds).div_euclid(60)
}

/// The first minute of a range at which a schedule runs; minutes count from the beginning of 1970 on the wall's clock.
fn next_minute(schedule: &Schedule, first: i64, last: i64) -> Option<i64> {
    let mut day = first.div_euclid(MINUTES_OF_DAY);
    let mut minute = u32::try_from(first.rem_euclid(MINUTES_OF_DAY)).ok()?;
    let mut date = Timestamp::from_second(day * MINUTES_OF_DAY * 60)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .date();
    while day * MINUTES_OF_DAY < last {
        if schedule.has_date(date)
            && let Some(minute) = schedule.next_in_day(minute)
        {
            let minute = day * MINUTES_OF_DAY + i64::from(minute);
            return (minute < last).then_some(minute);
        }
        minute = 0;
        day += 1;
        date = Date::tomorrow(date).ok()?;
    }
    None
}

/// The next times at which a schedule runs, `count` at the most.
pub fn next_fire_times(schedule: &Schedule, zone: &Zone, now: Millis, count: usize) -> Vec<Millis> {
    let first = next_fire_time(schedule, zone, now);
    std::iter::successors(first, |last| next_fire_time(schedule, zone, *last))
        .take(count)
        .collect()
}

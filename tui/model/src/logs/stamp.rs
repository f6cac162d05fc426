//! Times of log lines: the common ways to write them, read without knowing which one a program uses.
//!
//! Times without a zone are taken as UTC. Where the year or the day is missing it is the one that puts the time nearest
//! before now.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;
/// A date is looked for this far into a line; programs that write one write it at the beginning.
const FAR: usize = 64;
/// The common log format has its date behind names and addresses.
const FARTHER: usize = 256;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The time that a line gives itself, in milliseconds since 1970. `now_ms` is by the same clock, about when it came.
pub fn stamp(line: &str, now_ms: i64) -> Option<i64> {
    let bytes = line.as_bytes();
    let near = &bytes[..bytes.len().min(FARTHER)];
    let found = starts(near).find_map(|at| {
        let mut cursor = Cursor { bytes: near, at };
        let common_log = at > 0 && near[at - 1] == b'[';
        if at > FAR && !common_log {
            return None;
        }
        cursor.stamp(at == 0 || (at == 1 && common_log), common_log, now_ms)
    })?;
    // What claims to be of tomorrow is no time, or of a clock that cannot be trusted.
    (found <= now_ms.saturating_add(DAY)).then_some(found)
}

/// Where words begin.
fn starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len()).filter(|at| {
        bytes[*at].is_ascii_alphanumeric()
            && (*at == 0
                || matches!(
                    bytes[at - 1],
                    b' ' | b'[' | b'(' | b'"' | b'=' | b'<' | b'>'
                ))
    })
}

/// The day that puts a time nearest before now: `of(year)` or `of(day)` for this and the one before.
fn latest(now_ms: i64, this: Option<i64>, before: Option<i64>) -> Option<i64> {
    this.filter(|time| *time <= now_ms.saturating_add(DAY))
        .or(before)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| wanted.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.bytes.get(self.at..self.at + count)?;
        let mut value = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        self.at += count;
        Some(value)
    }

    fn month(&mut self) -> Option<i64> {
        let name = self.bytes.get(self.at..self.at + 3)?;
        let at = MONTHS.iter().position(|month| month.as_bytes() == name)?;
        self.at += 3;
        i64::try_from(at + 1).ok()
    }

    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.at;
        let found = read(self);
        if found.is_none() {
            self.at = before;
        }
        found
    }

    fn stamp(&mut self, first: bool, common_log: bool, now_ms: i64) -> Option<i64> {
        if let Some(time) = self.attempt(Cursor::iso) {
            return Some(time);
        }
        if common_log && let Some(time) = self.attempt(Cursor::common_log) {
            return Some(time);
        }
        if let Some(time) = self.attempt(|cursor| cursor.syslog(now_ms)) {
            return Some(time);
        }
        if !first {
            return None;
        }
        self.attempt(|cursor| cursor.glog(now_ms))
            .or_else(|| self.attempt(Cursor::epoch))
            .or_else(|| self.attempt(|cursor| cursor.time_of_day(now_ms)))
    }

    /// `2026-01-02T03:04:05.678Z`, `2026-01-02 03:04:05,678 +01:00`, `2026/01/02 03:04:05`.
    fn iso(&mut self) -> Option<i64> {
        let year = self.digits(4)?;
        let separator = self.take(b"-/")?;
        let month = self.digits(2)?;
        self.take(&[separator])?;
        let day = self.digits(2)?;
        self.take(b"T ")?;
        let clock = self.clock()?;
        Some(date(year, month, day)? + clock - self.zone())
    }

    /// `02/Jan/2026:03:04:05 +0000`.
    fn common_log(&mut self) -> Option<i64> {
        let day = self.digits(2)?;
        self.take(b"/")?;
        let month = self.month()?;
        self.take(b"/")?;
        let year = self.digits(4)?;
        self.take(b":")?;
        let clock = self.clock()?;
        Some(date(year, month, day)? + clock - self.zone())
    }

    /// `Jan  2 03:04:05`.
    fn syslog(&mut self, now_ms: i64) -> Option<i64> {
        let month = self.month()?;
        self.take(b" ")?;
        let day = match self.take(b" ") {
            Some(_) => self.digits(1)?,
            None => self.digits(2)?,
        };
        self.take(b" ")?;
        let clock = self.clock()?;
        self.in_year(month, day, clock, now_ms)
    }

    /// `I0102 03:04:05.678901`.
    fn glog(&mut self, now_ms: i64) -> Option<i64> {
        self.take(b"IWEFDV")?;
        let month = self.digits(2)?;
        let day = self.digits(2)?;
        self.take(b" ")?;
        let clock = self.clock()?;
        self.in_year(month, day, clock, now_ms)
    }

    fn in_year(&self, month: i64, day: i64, clock: i64, now_ms: i64) -> Option<i64> {
        let year = year_of(now_ms)?;
        let of = |year| date(year, month, day).map(|day| day + clock);
        latest(now_ms, of(year), of(year - 1))
    }

    /// `1767323045`, `1767323045.678` or `1767323045678`.
    fn epoch(&mut self) -> Option<i64> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.bytes[begin..self.at]).ok()?;
        let value: i64 = digits.parse().ok()?;
        let time = match digits.len() {
            10 => value * SECOND + self.fraction(b".").unwrap_or(0),
            13 => value,
            _ => return None,
        };
        let ends = self.peek().is_none_or(|byte| !byte.is_ascii_alphanumeric());
        ends.then_some(time)
    }

    /// `03:04:05.678`, of today or yesterday.
    fn time_of_day(&mut self, now_ms: i64) -> Option<i64> {
        let clock = self.clock()?;
        let today = now_ms.div_euclid(DAY) * DAY;
        // A minute of grace for clocks that differ.
        Some(match today + clock <= now_ms.saturating_add(60 * SECOND) {
            true => today + clock,
            false => today - DAY + clock,
        })
    }

    /// `03:04:05`, with a fraction or without, in milliseconds.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.take(b":")?;
        let minute = self.digits(2)?;
        self.take(b":")?;
        let second = self.digits(2)?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let fraction = self.attempt(|cursor| cursor.fraction(b".,")).unwrap_or(0);
        Some(((hour * 60 + minute) * 60 + second) * SECOND + fraction)
    }

    /// Milliseconds of a fraction; what is finer is read over.
    fn fraction(&mut self, separators: &[u8]) -> Option<i64> {
        self.take(separators)?;
        let mut value = 0;
        let mut scale = 100;
        let begin = self.at;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            value += i64::from(digit - b'0') * scale;
            scale /= 10;
            self.at += 1;
        }
        (self.at > begin).then_some(value)
    }

    /// `Z`, `+0100`, `+01:00`, with a blank before or without; nothing: UTC.
    fn zone(&mut self) -> i64 {
        self.attempt(|cursor| {
            let _ = cursor.take(b" ");
            let sign = match cursor.take(b"+-")? {
                b'-' => -1,
                _ => 1,
            };
            let hours = cursor.digits(2)?;
            let _ = cursor.take(b":");
            let minutes = cursor.digits(2)?;
            Some(sign * (hours * 60 + minutes) * 60 * SECOND)
        })
        .unwrap_or(0)
    }
}

/// The year (UTC) of a time.
fn year_of(milliseconds: i64) -> Option<i64> {
    let time = Timestamp::from_millisecond(milliseconds).ok()?;
    Some(i64::from(Offset::UTC.to_datetime(time).year()))
}

/// Midnight of a day; none when there is no such day.
fn date(year: i64, month: i64, day: i64) -> Option<i64> {
    let day = Date::new(
        year.try_into().ok()?,
        month.try_into().ok()?,
        day.try_into().ok()?,
    )
    .ok()
    .filter(|day| day.year() >= 1970)?;
    let midnight = Offset::UTC.to_timestamp(day.into()).ok()?;
    Some(midnight.as_millisecond())
}

/// A number that is a time when it stands in a field for one: seconds (with a fraction), milliseconds, micro- or nanoseconds.
pub(crate) fn of_number(value: f64) -> Option<i64> {
    let scale = match value {
        1e8..1e11 => 1e3,
        1e11..1e14 => 1.0,
        1e14..1e17 => 1e-3,
        1e17..1e20 => 1e-6,
        _ => return None,
    };
    // The ranges above keep it far inside of 64 bits.
    Some((value * scale) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `date -u -d '2026-01-02 03:04:05' +%s` prints 1767323045.
    const TIME: i64 = 1_767_323_045_000;

    #[test]
    fn common_forms() {
        let now = TIME + 3_600_000;
        for (line, expected) in [
            ("2026-01-02T03:04:05Z started", Some(0)),
            ("2026-01-02T03:04:05.678Z started", Some(678)),
            ("2026-01-02 03:04:05,678 INFO x", Some(678)),
            ("[2026-01-02 03:04:05] x", Some(0)),
            ("2026/01/02 03:04:05 [error] 7#7: x", Some(0)),
            ("2026-01-02T04:04:05+01:00 x", Some(0)),
            ("2026-01-02 02:04:05 -0100 x", Some(0)),
            ("I0102 03:04:05.678901  1234 file.cpp:12] x", Some(678)),
            ("Jan  2 03:04:05 host prog[1]: x", Some(0)),
            ("<34>Jan 02 03:04:05 host x", Some(0)),
            (
                "10.0.0.1 - ann [02/Jan/2026:03:04:05 +0000] \"GET /\" 200",
                Some(0),
            ),
            ("1767323045 x", Some(0)),
            ("1767323045.25 x", Some(250)),
            ("1767323045678 x", Some(678)),
            ("03:04:05.5 x", Some(500)),
            ("[03:04:05] x", Some(0)),
            ("time=\"2026-01-02T03:04:05Z\" level=info", Some(0)),
            ("worker-1 2026-01-02 03:04:05 x", Some(0)),
            ("no time here", None),
            ("17673230456 is no time", None),
            ("2026-13-02 03:04:05 x", None),
            ("25:04:05 x", None),
            ("2999-01-02T03:04:05Z", None),
            ("at 03:04:05 it was not at the beginning", None),
            ("", None),
            ("é2026-01-02", None),
        ] {
            assert_eq!(stamp(line, now), expected.map(|ms| TIME + ms), "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_of_the_latest_day() {
        // 2026-01-02 03:04:05 is now: 31 December and 04:00 are of before.
        assert_eq!(stamp("Dec 31 23:00:00 x", TIME), Some(1_767_222_000_000));
        assert_eq!(
            stamp("04:00:00 x", TIME),
            Some(TIME - 86_400_000 + 3_355_000)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), now in any::<i64>()) {
            let _ = stamp(&String::from_utf8_lossy(&bytes), now);
        }

        #[test]
        fn what_was_written_is_read(ms in 0i64..4_000_000_000_000) {
            let written = format!("{}.{:03} x", crate::text::utc(ms), ms % 1000);
            prop_assert_eq!(stamp(&written, ms), Some(ms));
        }
    }
}

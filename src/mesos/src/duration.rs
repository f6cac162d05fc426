//! Durations as Mesos writes them in flags and environment variables: `15mins`, `1500ms`, `5secs`.

use std::time::Duration;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("secs", 1_000_000_000),
    ("mins", 60_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("days", 86_400_000_000_000),
    ("weeks", 604_800_000_000_000),
];

/// Reads a number, which may have a fraction, directly followed by its unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(end);
    let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * *nanoseconds as f64 / 1e9).ok()
}

/// Writes a duration in the largest unit that is used for its size and divides it: `90secs`, `2mins`.
pub fn format_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let unit = UNITS.iter().rev().find(|(_, size)| {
        nanoseconds >= u128::from(*size) && nanoseconds.is_multiple_of(u128::from(*size))
    });
    match unit {
        Some((name, size)) => format!("{}{name}", nanoseconds / u128::from(*size)),
        None => "0ns".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_mesos() {
        let cases = [
            (5_000, "5secs"),
            (90_000, "90secs"),
            (120_000, "2mins"),
            (900_000, "15mins"),
            (1_500, "1500ms"),
            (604_800_000, "1weeks"),
            (0, "0ns"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(format_duration(Duration::from_millis(milliseconds)), text);
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds))
            );
        }
        assert_eq!(parse_duration("1.5mins"), Some(Duration::from_secs(90)));
        for bad in ["", "5", "secs", "5 secs x", "5min", "-1secs", "1e400secs"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}

//! Durations as Mesos writes them in flags and environment variables: `5secs`, `15mins`, `1weeks`.

use std::time::Duration;

/// Unit names with their length in nanoseconds, longest first (mesos: 3rdparty/stout/include/stout/duration.hpp).
const UNITS: [(&str, u128); 8] = [
    ("weeks", 604_800_000_000_000),
    ("days", 86_400_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("mins", 60_000_000_000),
    ("secs", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The text form: the largest unit that divides the duration without remainder.
pub(crate) fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0ns".to_owned();
    }
    UNITS
        .iter()
        .find(|(_, unit)| nanos.is_multiple_of(*unit))
        .map(|(name, unit)| format!("{}{name}", nanos / unit))
        .unwrap_or_else(|| format!("{nanos}ns"))
}

/// Reads the text form. The number may have a fraction; the unit follows it directly.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text
        .find(|character: char| !(character.is_ascii_digit() || character == '.'))
        .ok_or_else(|| format!("duration '{text}' has no unit: write for example 5secs"))?;
    let (number, unit) = text.split_at(split);
    let nanos = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, nanos)| *nanos)
        .ok_or_else(|| format!("duration '{text}': unknown unit '{unit}': use ns, us, ms, secs, mins, hrs, days or weeks"))?;
    let value: f64 = number
        .parse()
        .map_err(|_| format!("duration '{text}': '{number}' is not a number"))?;
    Duration::try_from_secs_f64(value * nanos as f64 / 1e9)
        .map_err(|_| format!("duration '{text}' is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms() {
        let cases = [
            (Duration::from_secs(5), "5secs"),
            (Duration::from_secs(90), "90secs"),
            (Duration::from_secs(120), "2mins"),
            (Duration::from_secs(900), "15mins"),
            (Duration::from_millis(1500), "1500ms"),
            (Duration::from_secs(7 * 86_400), "1weeks"),
            (Duration::from_secs(60), "1mins"),
        ];
        for (duration, text) in cases {
            assert_eq!(format(duration), text);
            assert_eq!(parse(text), Ok(duration));
        }
        assert_eq!(parse("1.5secs"), Ok(Duration::from_millis(1500)));
        for bad in ["", "5", "secs", "5parsecs", "-1secs", "1..5secs", "1e3secs"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

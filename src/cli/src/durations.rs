//! Durations as arguments: `1d2h3m4s`.

use std::fmt;

/// The units, largest first: letter, seconds, and upstream's name (twitter.common.quantity).
const UNITS: [(char, u64, &str); 4] = [
    ('d', 86_400, "days"),
    ('h', 3_600, "hrs"),
    ('m', 60, "mins"),
    ('s', 1, "secs"),
];

/// A duration that knows the smallest unit it was given in, and is shown in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) seconds: u64,
    unit: usize,
}

impl Span {
    /// `XdYhZmWs`: each field optional, in this order, whatever the case.
    pub(crate) fn parse(text: &str) -> Result<Span, String> {
        let bad = || format!("Invalid time `{text}': expected XdYhZmWs, such as 1d3h45m");
        let mut digits = String::new();
        let mut found: Option<Span> = None;
        for letter in text.trim().to_lowercase().chars() {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            let unit = UNITS.iter().position(|(name, ..)| *name == letter);
            let unit = unit
                .filter(|unit| found.is_none_or(|before| before.unit < *unit))
                .ok_or_else(bad)?;
            let number: u64 = digits.parse().map_err(|_| bad())?;
            digits.clear();
            let seconds = number
                .checked_mul(UNITS[unit].1)
                .and_then(|more| more.checked_add(found.map_or(0, |span| span.seconds)))
                .filter(|seconds| i64::try_from(*seconds).is_ok())
                .ok_or_else(bad)?;
            found = Some(Span { seconds, unit });
        }
        found.filter(|_| digits.is_empty()).ok_or_else(bad)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, seconds, name) = UNITS[self.unit];
        write!(f, "{} {name}", self.seconds / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds, shown) in [
            ("1m", 60, "1 mins"),
            ("90s", 90, "90 secs"),
            ("1h3m", 3_780, "63 mins"),
            ("1D2H", 93_600, "26 hrs"),
            ("7d", 604_800, "7 days"),
            ("1d2h3m4s", 93_784, "93784 secs"),
            ("0s", 0, "0 secs"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!((span.seconds, span.to_string().as_str()), (seconds, shown));
        }
        for bad in [
            "",
            "5",
            "h",
            "1m1h",
            "1m1m",
            "1.5h",
            "-1s",
            "1w",
            "1h 3m",
            "99999999999999999999d",
        ] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }
}

//! Integers of any size, as far as job descriptions need them: read, compared, written.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// An integer without a size limit. It is only ever stored, compared and written, so large ones are kept as digits.
#[derive(Clone, Debug)]
pub struct Int(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Small(i128),
    /// Beyond `i128`: digits without leading zeros.
    Large {
        negative: bool,
        digits: Arc<str>,
    },
}

impl Int {
    /// Reads a decimal as Python's `int(text)` does: blanks around it, a sign and single underscores between digits are
    /// allowed, and digits of any script count.
    pub fn parse(text: &str) -> Option<Int> {
        let trimmed = text.trim();
        let (negative, body) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let mut digits = String::with_capacity(body.len());
        let mut after_digit = false;
        for c in body.chars() {
            if c == '_' {
                if !after_digit {
                    return None;
                }
                after_digit = false;
            } else {
                digits.push(decimal_digit(c)?);
                after_digit = true;
            }
        }
        if !after_digit {
            return None;
        }
        Some(Int::from_digits(negative, &digits))
    }

    /// The integer part of a finite number.
    pub fn truncate(number: f64) -> Option<Int> {
        if !number.is_finite() {
            return None;
        }
        let text = format!("{:.0}", number.trunc().abs());
        Some(Int::from_digits(number < 0.0, &text))
    }

    fn from_digits(negative: bool, digits: &str) -> Int {
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Int(Repr::Small(0));
        }
        match digits.parse::<i128>() {
            Ok(number) => Int(Repr::Small(if negative { -number } else { number })),
            Err(_) => Int(Repr::Large {
                negative,
                digits: digits.into(),
            }),
        }
    }

    /// The number, when it fits.
    pub fn to_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Small(number) => i64::try_from(*number).ok(),
            Repr::Large { .. } => None,
        }
    }

    /// The number, when it fits.
    pub fn to_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Small(number) => u64::try_from(*number).ok(),
            Repr::Large { .. } => None,
        }
    }

    /// The nearest floating point number; infinite when there is none.
    pub fn to_f64(&self) -> f64 {
        // Every text that `Display` writes here is a decimal.
        self.to_string().parse().unwrap_or(f64::INFINITY)
    }
}

/// A decimal digit's ASCII form. Python takes those of every script; Unicode lays each script's ten out in one run.
fn decimal_digit(c: char) -> Option<char> {
    const ZEROS: &[u32] = &[
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
        0x0D66, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0xFF10,
    ];
    if c.is_ascii_digit() {
        return Some(c);
    }
    let code = u32::from(c);
    ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))
        .and_then(|zero| char::from_digit(code - zero, 10))
}

macro_rules! from_primitive {
    ($($t:ty),*) => {$(
        impl From<$t> for Int {
            fn from(number: $t) -> Int {
                Int(Repr::Small(i128::from(number)))
            }
        }
    )*};
}
from_primitive!(i32, u32, i64, u64);

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(number) => number.fmt(f),
            Repr::Large { negative, digits } => {
                f.write_str(if *negative { "-" } else { "" })?;
                f.write_str(digits)
            }
        }
    }
}

impl PartialEq for Int {
    fn eq(&self, other: &Int) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Int {}
impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Int) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Int {
    fn cmp(&self, other: &Int) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(a), Repr::Small(b)) => a.cmp(b),
            (Repr::Small(_), Repr::Large { negative, .. }) => {
                if *negative {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Repr::Large { .. }, Repr::Small(_)) => other.cmp(self).reverse(),
            (
                Repr::Large {
                    negative: a_negative,
                    digits: a,
                },
                Repr::Large {
                    negative: b_negative,
                    digits: b,
                },
            ) => match (a_negative, b_negative) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, false) => (a.len(), a).cmp(&(b.len(), b)),
                (true, true) => (b.len(), b).cmp(&(a.len(), a)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts are those of CPython's `int()`.
    #[test]
    fn reads_as_python_does() {
        let large = "123456789012345678901234567890123456789012345";
        for (text, expected) in [
            ("42", Some("42")),
            (" -7\n", Some("-7")),
            ("+007", Some("7")),
            ("1_000", Some("1000")),
            ("１２", Some("12")),
            (large, Some(large)),
            ("-0", Some("0")),
            ("", None),
            ("_1", None),
            ("1__0", None),
            ("1_", None),
            ("1.0", None),
            ("0x10", None),
            ("- 1", None),
        ] {
            assert_eq!(
                Int::parse(text).map(|n| n.to_string()).as_deref(),
                expected,
                "{text:?}"
            );
        }
        for (number, expected) in [
            (1.9, "1"),
            (-1.9, "-1"),
            (1e23, "99999999999999991611392"),
            (1e40, "10000000000000000303786028427003666890752"),
        ] {
            assert_eq!(
                Int::truncate(number).map(|n| n.to_string()).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn large_numbers_keep_their_order() {
        let texts = [
            "-99999999999999999999999999999999999999999",
            "-1",
            "0",
            "170141183460469231731687303715884105727",
            "170141183460469231731687303715884105728",
            "999999999999999999999999999999999999999999",
        ];
        let numbers: Vec<Int> = texts.iter().filter_map(|t| Int::parse(t)).collect();
        assert_eq!(numbers.len(), texts.len());
        assert!(numbers.is_sorted());
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

//! Which lines of a log are shown: a filter and times.

use std::cell::OnceCell;

use super::Line;
use super::fields::Record;
use super::severity::Severity;
use crate::filter::{self, Filter, FilterError, Subject, Value};

/// The fields of a line that a filter may compare; those of a structured line are attributes (`@user=7`).
pub const FIELDS: &[&str] = &["level", "source"];

/// Reads a filter for log lines: levels may be compared by name, as in `level>=warn`.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    let words: Vec<String> = filter::words(text)?
        .into_iter()
        .map(|(_, word)| level_as_number(&word).unwrap_or(word))
        .collect();
    Filter::parse(&words.join(" "), FIELDS)
}

/// `level>=warn` with the number that stands for the name.
fn level_as_number(word: &str) -> Option<String> {
    let (sign, plain) = match word.strip_prefix('!') {
        Some(plain) => ("!", plain),
        None => ("", word),
    };
    let rest = plain.strip_prefix("level")?;
    let name = rest.trim_start_matches(['<', '>', '=', '!']);
    let operator = &rest[..rest.len() - name.len()];
    let severity = Severity::named(name).filter(|_| !operator.is_empty())?;
    Some(format!("{sign}level{operator}{}", number(severity)))
}

fn number(severity: Severity) -> u32 {
    severity as u32
}

/// Times between which lines are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Not before this, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Not after this.
    pub until_ms: Option<i64>,
}

impl Window {
    /// Whether all times are inside.
    pub fn is_open(&self) -> bool {
        *self == Window::default()
    }

    /// Whether a time is inside.
    pub fn has(&self, time_ms: i64) -> bool {
        self.since_ms.is_none_or(|since| time_ms >= since)
            && self.until_ms.is_none_or(|until| time_ms <= until)
    }
}

/// Whether a filter matches a line; remarks always do.
pub fn matches(filter: &Filter, line: &Line, source: &str) -> bool {
    if filter.is_empty() || line.notice {
        return true;
    }
    filter.matches(&Looked {
        text: line.text(),
        level: line.severity.map_or(Value::None, |severity| {
            Value::Number(f64::from(number(severity)))
        }),
        source: Value::Text(source.to_owned()),
        attributes: OnceCell::new(),
    })
}

/// A line as a filter sees it.
struct Looked {
    text: String,
    level: Value,
    source: Value,
    attributes: OnceCell<Vec<(String, String)>>,
}

impl Subject for Looked {
    fn texts(&self) -> Vec<&str> {
        vec![&self.text]
    }

    fn field(&self, name: &str) -> Option<&Value> {
        match name {
            "level" => Some(&self.level),
            "source" => Some(&self.source),
            _ => None,
        }
    }

    fn attribute(&self, name: &str) -> Vec<&str> {
        let known = self.attributes.get_or_init(|| {
            Record::parse(&self.text).map_or_else(Vec::new, |record| record.pairs())
        });
        let found = known.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LogBuffer;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"INFO begun\nERROR first\n  at frame 1\nWARN slow\n{\"level\":\"error\",\"user\":7,\"msg\":\"second\"}\nplain ERRORS\n";

    fn found(text: &str) -> Vec<usize> {
        let mut buffer = LogBuffer::default();
        buffer.push(TEXT);
        let filter = parse(text).unwrap();
        (0..buffer.len())
            .filter(|at| matches(&filter, buffer.line(*at).unwrap(), "0/stdout"))
            .collect()
    }

    #[test]
    fn lines_are_found_by_level_words_and_fields() {
        for (text, expected) in [
            ("", vec![0, 1, 2, 3, 4, 5]),
            // What follows an error without a time or level of its own belongs to it.
            ("level>=error", vec![1, 2, 4, 5]),
            ("level=warning", vec![3]),
            ("level<warn", vec![0]),
            ("!level=error", vec![0, 3]),
            ("@user=7", vec![4]),
            ("\"ERROR\" !first", vec![5]),
            ("re:^[IW]", vec![0, 3]),
            ("source=1/stdout", vec![]),
            ("source=0/stdout \"slow\"", vec![3]),
            ("begun|slow", vec![0, 3]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
        assert!(parse("colour=red").is_err());
    }

    #[test]
    fn times_bound() {
        let window = Window {
            since_ms: Some(5),
            until_ms: Some(7),
        };
        let inside: Vec<i64> = (0..10).filter(|time| window.has(*time)).collect();
        assert_eq!(inside, [5, 6, 7]);
        assert!(Window::default().is_open() && !window.is_open());
    }

    proptest! {
        #[test]
        fn any_filter_meets_any_line(text in "[ -~]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut buffer = LogBuffer::default();
            buffer.push(&bytes);
            if let Ok(filter) = parse(&text) {
                for at in 0..buffer.len() {
                    matches(&filter, buffer.line(at).unwrap(), "s");
                }
            }
        }
    }
}

//! The filter grammar, shared by the workbench's tables and the scheduler's pages:
//! `hello !staging "exact" re:^www a|b failures>0 age<10m ram>=4GiB @rack=x`.
//!
//! Terms are ANDed. A word matches a row when one of its cells has the word's letters in order, each next to the last or
//! at the beginning of a part (`wph` finds `www-data/prod/hello`); case does not matter. `"…"` matches exactly as
//! written, `re:` a regular expression, `!` turns a term around, `a|b` takes either. `FIELD OP VALUE` compares a
//! column, with units (`KiB MiB GiB TiB`, `s m h d`, `k M`); `@NAME=VALUE` an attribute.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// What a cell holds, for comparing and sorting.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    None,
    /// Text.
    Text(String),
    /// A number, an amount of bytes, or milliseconds.
    Number(f64),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

#[derive(Clone, Debug)]
enum Pattern {
    Fuzzy(String),
    Exact(String),
    Regex(Box<Regex>),
}

#[derive(Clone, Debug)]
enum Kind {
    Any(Vec<Pattern>),
    Field(String, Op, String, Option<f64>),
    Attribute(String, Op, String),
}

#[derive(Clone, Debug)]
struct Term {
    negated: bool,
    kind: Kind,
}

/// A parsed filter; the default lets everything pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

/// A filter that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong and what to write.
    pub message: String,
}

/// What a filter looks at.
pub trait Subject {
    /// Texts that words may match.
    fn texts(&self) -> Vec<&str>;
    /// A field by name; `None` when there is no such field.
    fn field(&self, name: &str) -> Option<&Value>;
    /// Values of an attribute.
    fn attribute(&self, _name: &str) -> Vec<&str> {
        Vec::new()
    }
}

impl Subject for &str {
    fn texts(&self) -> Vec<&str> {
        vec![self]
    }
    fn field(&self, _name: &str) -> Option<&Value> {
        None
    }
}

const MAX_PATTERN: usize = 1 << 20;

impl Filter {
    /// Reads a filter. `fields` are the columns that may be compared; an unknown one is an error that names them.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str, fields: &[&str]) -> Result<Filter, FilterError> {
        let mut terms = Vec::new();
        for (column, word) in words(text)? {
            terms.push(term(&word, column, fields)?);
        }
        Ok(Filter { terms })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Names of the fields that it compares.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| match &term.kind {
            Kind::Field(name, ..) => Some(name.as_str()),
            Kind::Any(_) | Kind::Attribute(..) => None,
        })
    }

    /// Whether a row passes.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        self.terms.iter().all(|term| {
            let hit = match &term.kind {
                Kind::Any(patterns) => {
                    let texts = subject.texts();
                    patterns
                        .iter()
                        .any(|pattern| texts.iter().any(|text| pattern.matches(text)))
                }
                Kind::Field(name, op, text, number) => subject
                    .field(name)
                    .is_some_and(|value| compare(value, *op, text, *number)),
                Kind::Attribute(name, op, wanted) => {
                    let has = subject.attribute(name).iter().any(|value| value == wanted);
                    has == (*op == Op::Equal)
                }
            };
            hit != term.negated
        })
    }
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Fuzzy(word) => fuzzy(word, text),
            Pattern::Exact(part) => text.contains(part.as_str()),
            Pattern::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Letters in order, each next to the last or at the beginning of a part. `word` is in lower case.
fn fuzzy(word: &str, text: &str) -> bool {
    if !has_letters(word, text) {
        return false;
    }
    let haystack: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let needle: Vec<char> = word.chars().collect();
    let begins = |at: usize| at == 0 || !haystack[at - 1].is_alphanumeric();
    // reachable[i]: the needle so far can end at character i of the text.
    let mut reachable: Vec<bool> = (0..haystack.len())
        .map(|at| needle.first() == haystack.get(at))
        .collect();
    for letter in needle.iter().skip(1) {
        let mut seen = false;
        let mut next = vec![false; haystack.len()];
        for at in 0..haystack.len() {
            let adjacent = at > 0 && reachable[at - 1];
            next[at] = haystack[at] == *letter && (adjacent || (seen && begins(at)));
            seen |= reachable[at];
        }
        reachable = next;
    }
    needle.is_empty() || reachable.contains(&true)
}

/// Whether a text has a word's letters in order at all: most texts have not, and this takes no memory to see.
fn has_letters(word: &str, text: &str) -> bool {
    let mut wanted = word.chars().peekable();
    for c in text.chars().flat_map(char::to_lowercase) {
        wanted.next_if_eq(&c);
    }
    wanted.peek().is_none()
}

fn compare(value: &Value, op: Op, text: &str, number: Option<f64>) -> bool {
    use std::cmp::Ordering;
    let ordering = match (value, number) {
        (Value::Number(left), Some(right)) => left.partial_cmp(&right),
        (Value::Text(left), _) => Some(left.to_lowercase().cmp(&text.to_lowercase())),
        (Value::Number(_), None) | (Value::None, _) => None,
    };
    match (ordering, op) {
        (None, op) => op == Op::Unequal,
        (Some(ordering), Op::Equal) => ordering == Ordering::Equal,
        (Some(ordering), Op::Unequal) => ordering != Ordering::Equal,
        (Some(ordering), Op::Less) => ordering == Ordering::Less,
        (Some(ordering), Op::AtMost) => ordering != Ordering::Greater,
        (Some(ordering), Op::More) => ordering == Ordering::Greater,
        (Some(ordering), Op::AtLeast) => ordering != Ordering::Less,
    }
}

/// Splits at blanks outside of quotes; every word comes with its column.
///
/// # Errors
/// A quotation mark that is not closed.
pub fn words(text: &str) -> Result<Vec<(usize, String)>, FilterError> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut word = String::new();
    let mut start = 0;
    let mut quote_at = None;
    for (at, c) in text.chars().enumerate() {
        if word.is_empty() {
            start = at;
        }
        if c == '"' {
            quote_at = if quote_at.is_some() { None } else { Some(at) };
            word.push(c);
        } else if c.is_whitespace() && quote_at.is_none() {
            if !word.is_empty() {
                out.push((start + 1, std::mem::take(&mut word)));
            }
        } else {
            word.push(c);
        }
    }
    if let Some(at) = quote_at {
        return Err(FilterError {
            column: at + 1,
            message: "this quotation mark is not closed".to_owned(),
        });
    }
    if !word.is_empty() {
        out.push((start + 1, word));
    }
    Ok(out)
}

fn split_op(word: &str) -> Option<(&str, Op, &str)> {
    let at = word.find(['=', '<', '>', '!']).filter(|at| *at > 0)?;
    let (name, rest) = word.split_at(at);
    for (text, op) in [
        ("!=", Op::Unequal),
        ("<=", Op::AtMost),
        (">=", Op::AtLeast),
        ("=", Op::Equal),
        ("<", Op::Less),
        (">", Op::More),
    ] {
        if let Some(value) = rest.strip_prefix(text) {
            return Some((name, op, value));
        }
    }
    None
}

fn term(word: &str, column: usize, fields: &[&str]) -> Result<Term, FilterError> {
    let fault = |message: String| FilterError { column, message };
    let (negated, body) = match word.strip_prefix('!') {
        Some("") => {
            return Err(fault(
                "`!` needs something to turn around, such as !staging".to_owned(),
            ));
        }
        Some(body) => (true, body),
        None => (false, word),
    };
    if let Some(attribute) = body.strip_prefix('@') {
        let kind = match split_op(attribute) {
            Some((name, op @ (Op::Equal | Op::Unequal), value)) if !value.is_empty() => {
                Kind::Attribute(name.to_owned(), op, unquote(value).to_owned())
            }
            _ => {
                return Err(fault(
                    "an attribute is written @NAME=VALUE or @NAME!=VALUE".to_owned(),
                ));
            }
        };
        return Ok(Term { negated, kind });
    }
    let special = body.starts_with('"') || body.starts_with("re:");
    if !special && let Some((name, op, value)) = split_op(body) {
        let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(name)) else {
            return Err(fault(if fields.is_empty() {
                format!("there are no fields here; write \"{body}\" to look for the text")
            } else {
                format!(
                    "there is no field `{name}` here; fields are {}",
                    fields.join(", ")
                )
            }));
        };
        if value.is_empty() {
            return Err(fault(format!(
                "`{name}` is compared with nothing; write a value after it"
            )));
        }
        let value = unquote(value);
        return Ok(Term {
            negated,
            kind: Kind::Field((*field).to_owned(), op, value.to_owned(), quantity(value)),
        });
    }
    let mut patterns = Vec::new();
    let alternatives: Vec<&str> = if special {
        vec![body]
    } else {
        body.split('|').collect()
    };
    for alternative in alternatives {
        if alternative.is_empty() {
            return Err(fault(
                "`|` stands between two words, such as prod|test".to_owned(),
            ));
        }
        patterns.push(if let Some(source) = alternative.strip_prefix("re:") {
            let regex = RegexBuilder::new(unquote(source))
                .size_limit(MAX_PATTERN)
                .dfa_size_limit(MAX_PATTERN)
                .build()
                .map_err(|error| {
                    fault(format!(
                        "not a regular expression: {}",
                        last_line(&error.to_string())
                    ))
                })?;
            Pattern::Regex(Box::new(regex))
        } else if alternative.starts_with('"') {
            Pattern::Exact(unquote(alternative).to_owned())
        } else {
            Pattern::Fuzzy(alternative.to_lowercase())
        });
    }
    Ok(Term {
        negated,
        kind: Kind::Any(patterns),
    })
}

fn last_line(text: &str) -> &str {
    text.lines()
        .last()
        .unwrap_or(text)
        .trim_start_matches("error: ")
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text)
}

/// A number with an optional unit: bytes for KiB…, milliseconds for s m h d (`ms` too), thousands for k and M.
pub fn quantity(text: &str) -> Option<f64> {
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "KiB" | "kib" | "KB" => 1024.0,
        "MiB" | "mib" | "MB" => 1024.0 * 1024.0,
        "GiB" | "gib" | "GB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" | "tib" | "TB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Equal => "=",
            Op::Unequal => "!=",
            Op::Less => "<",
            Op::AtMost => "<=",
            Op::More => ">",
            Op::AtLeast => ">=",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Sample;
    const FIELDS: &[&str] = &["job", "failures", "ram", "age", "status"];

    impl Subject for Sample {
        fn texts(&self) -> Vec<&str> {
            vec!["www-data/prod/hello", "RUNNING"]
        }
        fn field(&self, name: &str) -> Option<&Value> {
            static VALUES: std::sync::OnceLock<[Value; 3]> = std::sync::OnceLock::new();
            let values = VALUES.get_or_init(|| {
                [
                    Value::Number(3.0),
                    Value::Number(4.0 * 1024.0 * 1024.0 * 1024.0),
                    Value::Text("RUNNING".to_owned()),
                ]
            });
            match name {
                "failures" => Some(&values[0]),
                "ram" => Some(&values[1]),
                "status" => Some(&values[2]),
                _ => Some(&Value::None),
            }
        }
        fn attribute(&self, name: &str) -> Vec<&str> {
            if name == "rack" {
                vec!["r1", "r2"]
            } else {
                vec![]
            }
        }
    }

    #[test]
    fn grammar_table() {
        for (text, expected) in [
            ("", true),
            ("hello", true),
            ("HELLO", true),
            ("wph", true),
            ("wdh", true),
            ("hlo", false),
            ("prod run", true),
            ("prod absent", false),
            ("!absent", true),
            ("!hello", false),
            ("absent|hello", true),
            ("\"prod/he\"", true),
            ("\"Prod\"", false),
            ("re:^www.*o$", true),
            ("re:^hello", false),
            ("failures>2", true),
            ("failures>3", false),
            ("failures>=3 failures<=3", true),
            ("failures!=3", false),
            ("ram>=4GiB", true),
            ("ram<4GiB", false),
            ("status=running", true),
            ("!status=running", false),
            ("age<1h", false),
            ("@rack=r2", true),
            ("@rack!=r2", false),
            ("@rack=r3", false),
            ("!@rack=r3", true),
        ] {
            let filter =
                Filter::parse(text, FIELDS).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(filter.matches(&Sample), expected, "{text}");
        }
    }

    #[test]
    fn faults_name_the_column() {
        for (text, column) in [
            ("a !", 3),
            ("ab \"open", 4),
            ("moon=1", 1),
            ("x re:(", 3),
            ("a|", 1),
            ("ok @rack", 4),
            ("ram>", 1),
        ] {
            let fault = Filter::parse(text, FIELDS).unwrap_err();
            assert_eq!(fault.column, column, "{text}: {fault}");
        }
    }

    #[test]
    fn quantities() {
        for (text, value) in [
            ("10", Some(10.0)),
            ("1.5k", Some(1500.0)),
            ("2KiB", Some(2048.0)),
            ("10m", Some(600_000.0)),
            ("250ms", Some(250.0)),
            ("x", None),
            ("3 m", None),
        ] {
            assert_eq!(quantity(text), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{0,40}", row in "\\PC{0,40}") {
            if let Ok(filter) = Filter::parse(&text, FIELDS) {
                filter.matches(&row.as_str());
            }
        }

        #[test]
        fn every_part_of_a_text_is_found_in_it(text in "[a-z]{1,20}", from in 0usize..20, len in 1usize..20) {
            let from = from.min(text.len() - 1);
            let to = (from + len).min(text.len());
            prop_assert!(fuzzy(&text[from..to], &text));
        }
    }
}

//! Structured log lines: JSON objects and logfmt, as fields by name.

use serde_json::Value as Json;

use super::severity::Severity;
use super::stamp;

/// The names under which programs write a line's time, level and words.
const TIMES: &[&str] = &["time", "ts", "timestamp", "@timestamp", "t", "datetime"];
const LEVELS: &[&str] = &["level", "lvl", "severity", "loglevel", "log.level"];
const MESSAGES: &[&str] = &["msg", "message", "event"];

/// A line whose fields have names, in the order of the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    fields: Vec<(String, Json)>,
}

impl Record {
    /// Reads a JSON object or a line of logfmt (two pairs at least); none: an ordinary line.
    pub fn parse(line: &str) -> Option<Record> {
        let line = line.trim();
        match line.starts_with('{') {
            true => json(line),
            false => logfmt(line),
        }
    }

    /// A field's value as text.
    pub fn get(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| show(value))
    }

    /// All fields with their values as text.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| (name.clone(), show(value)))
            .collect()
    }

    /// The time it gives itself.
    pub fn time_ms(&self, now_ms: i64) -> Option<i64> {
        match self.first(TIMES)? {
            Json::String(text) => stamp::stamp(text, now_ms),
            Json::Number(number) => stamp::of_number(number.as_f64()?),
            _ => None,
        }
    }

    /// The level it gives itself.
    pub fn severity(&self) -> Option<Severity> {
        match self.first(LEVELS)? {
            Json::String(text) => Severity::named(text),
            Json::Number(number) => Severity::of_number(number.as_f64()?),
            _ => None,
        }
    }

    /// The line for eyes: the level and the words, then the other fields; or the values of these fields alone.
    pub fn show(&self, chosen: &[String]) -> String {
        if !chosen.is_empty() {
            let values = chosen
                .iter()
                .map(|name| self.get(name).unwrap_or_else(|| "-".to_owned()));
            return values.collect::<Vec<_>>().join("  ");
        }
        let mut out = match self.severity() {
            Some(severity) => format!("{:<5} ", severity.name().to_uppercase()),
            None => String::new(),
        };
        if let Some(message) = self.first(MESSAGES) {
            out.push_str(&show(message));
        }
        for (name, value) in &self.fields {
            let known = [TIMES, LEVELS, MESSAGES];
            if !known.iter().any(|names| names.contains(&name.as_str())) {
                out.push_str(&format!(" {name}={}", show(value)));
            }
        }
        out.trim_end().to_owned()
    }

    fn first(&self, names: &[&str]) -> Option<&Json> {
        names.iter().find_map(|wanted| {
            let found = self.fields.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value)
        })
    }
}

fn show(value: &Json) -> String {
    match value {
        Json::String(text) => crate::text::clean(text),
        other => crate::text::clean(&other.to_string()),
    }
}

fn json(line: &str) -> Option<Record> {
    let fields: indexmap::IndexMap<String, Json> = serde_json::from_str(line).ok()?;
    (!fields.is_empty()).then(|| Record {
        fields: fields.into_iter().collect(),
    })
}

fn logfmt(line: &str) -> Option<Record> {
    let mut fields = Vec::new();
    let mut rest = line;
    while let Some((name, after)) = rest.split_once('=') {
        let named = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
        if !named {
            return None;
        }
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = after.find(' ').unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        fields.push((name.to_owned(), Json::String(value)));
        rest = next.trim_start();
    }
    (fields.len() >= 2 && rest.is_empty()).then_some(Record { fields })
}

/// What is up to the closing quotation mark, and what follows it.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => out.push(characters.next()?.1),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn structured_lines() {
        let now = 1_767_323_045_000;
        for (line, shown, time, severity) in [
            (
                r#"{"ts":1767323045.5,"level":"warn","msg":"slow","ms":120,"user":{"id":7}}"#,
                r#"WARN  slow ms=120 user={"id":7}"#,
                Some(now + 500),
                Some(Severity::Warn),
            ),
            (
                r#"{"time":1767323045000,"level":50,"msg":"gone"}"#,
                "ERROR gone",
                Some(now),
                Some(Severity::Error),
            ),
            (
                r#"time="2026-01-02T03:04:05Z" level=info msg="said \"hi\"" n=1"#,
                r#"INFO  said "hi" n=1"#,
                Some(now),
                Some(Severity::Info),
            ),
            (r#"{"a":"\u001b[31mred"}"#, "a= [31mred", None, None),
        ] {
            let record = Record::parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(record.show(&[]).trim_start(), shown, "{line}");
            assert_eq!(record.time_ms(now), time, "{line}");
            assert_eq!(record.severity(), severity, "{line}");
        }
        let record = Record::parse(r#"{"b":1,"msg":"x","a":"y"}"#).unwrap();
        let chosen = ["a", "none", "b"].map(str::to_owned);
        assert_eq!(record.show(&chosen), "y  -  1");
        for line in [
            "plain",
            "{",
            "{}",
            "[1]",
            "a=b",
            "x y=1 z=2",
            "a=\"open b=1",
            "url=http://x/?a=1 b c",
        ] {
            assert_eq!(Record::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in prop_oneof!["\\PC{0,80}", "[{}\":=\\\\a-c1, ]{0,60}"]) {
            if let Some(record) = Record::parse(&text) {
                prop_assert!(record.show(&[]).chars().all(crate::text::is_printable));
            }
        }
    }
}

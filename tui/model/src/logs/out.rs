//! Lines of output for the world outside: as text with colours, as objects.

use serde_json::{Value as Json, json};

use super::fields::Record;
use super::severity::Severity;
use super::{Line, Sgr};
use crate::text;

/// A line as an object: its time, level, text, and fields when it is structured.
pub fn json(line: &Line, source: Option<&str>) -> Json {
    let text = line.text();
    let mut out = json!({
        "time": line.stamped.then(|| text::utc(line.time_ms)),
        "time_ms": line.time_ms,
        "level": line.severity.map(Severity::name),
        "text": text,
    });
    if let Some(object) = out.as_object_mut() {
        if let Some(source) = source {
            object.insert("source".to_owned(), source.into());
        }
        if line.notice {
            object.insert("remark".to_owned(), true.into());
        }
        if let Some(record) = Record::parse(&text) {
            object.insert("fields".to_owned(), record.pairs().into_iter().collect());
        }
    }
    out
}

/// A line with its colours and weight, and no other escape sequence.
pub fn ansi(line: &Line) -> String {
    let mut out = String::new();
    for span in &line.spans {
        let codes = codes(span.sgr);
        match codes.is_empty() {
            true => out.push_str(&span.text),
            false => out.push_str(&format!("\u{1b}[{codes}m{}\u{1b}[0m", span.text)),
        }
    }
    out
}

fn codes(sgr: Sgr) -> String {
    let mut out: Vec<String> = Vec::new();
    out.extend(sgr.color.map(|color| (30 + color).to_string()));
    for (on, code) in [
        (sgr.bold, 1),
        (sgr.dim, 2),
        (sgr.underlined, 4),
        (sgr.reversed, 7),
    ] {
        if on {
            out.push(code.to_string());
        }
    }
    out.join(";")
}

//! JSON in and out.

use crate::error::{Error, ErrorKind};
use crate::number::Int;
use crate::pytext::float_text;
use crate::raw::Raw;
use crate::types::Type;
use crate::value::Value;

/// In which order the keys of objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// As the fields are declared and the maps were made.
    Declared,
    /// By name: the same data always gives the same text.
    Sorted,
}

/// Plain data as JSON text with the separators and ASCII escapes of Python's `json.dumps`.
///
/// # Errors
/// When the data holds something that JSON has no form for.
pub fn json_text(raw: &Raw, order: KeyOrder) -> Result<String, Error> {
    let mut out = String::new();
    write(&mut out, raw, order)?;
    Ok(out)
}

fn write(out: &mut String, raw: &Raw, order: KeyOrder) -> Result<(), Error> {
    match raw {
        Raw::None => out.push_str("null"),
        Raw::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Raw::Int(number) => out.push_str(&number.to_string()),
        Raw::Float(number) => out.push_str(&number_text(*number)),
        Raw::Text(text) => escape(out, text),
        Raw::List(items) | Raw::Tuple(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(out, item, order)?;
            }
            out.push(']');
        }
        Raw::Dict(pairs) => {
            let mut members: Vec<(String, &Raw)> = pairs
                .iter()
                .map(|(key, value)| Ok((key_text(key)?, value)))
                .collect::<Result<_, Error>>()?;
            if order == KeyOrder::Sorted {
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
            }
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                escape(out, &key);
                out.push_str(": ");
                write(out, value, order)?;
            }
            out.push('}');
        }
        Raw::Value(value) => write(out, &value.get()?, order)?,
        other => {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "Object of type {} is not JSON serializable",
                    other.type_name()
                ),
            ));
        }
    }
    Ok(())
}

fn number_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned()
    } else {
        float_text(number)
    }
}

/// Python writes keys that are numbers, booleans or null as texts.
fn key_text(key: &Raw) -> Result<String, Error> {
    Ok(match key {
        Raw::Text(text) => text.to_string(),
        Raw::Bool(flag) => if *flag { "true" } else { "false" }.to_owned(),
        Raw::Int(number) => number.to_string(),
        Raw::Float(number) => number_text(*number),
        Raw::None => "null".to_owned(),
        other => {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "keys must be str, int, float, bool or None, not {}",
                    other.type_name()
                ),
            ));
        }
    })
}

fn escape(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Plain data from a JSON document.
pub fn from_json(document: &serde_json::Value) -> Raw {
    match document {
        serde_json::Value::Null => Raw::None,
        serde_json::Value::Bool(flag) => Raw::Bool(*flag),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Raw::Int(number.into()),
            (None, Some(number)) => Raw::Int(Int::from(number)),
            (None, None) => Raw::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Raw::from(text.as_str()),
        serde_json::Value::Array(items) => Raw::List(items.iter().map(from_json).collect()),
        serde_json::Value::Object(members) => Raw::Dict(
            members
                .iter()
                .map(|(key, value)| (Raw::from(key.as_str()), from_json(value)))
                .collect(),
        ),
    }
}

/// Plain data as a JSON document. Integers beyond 64 bits and numbers that JSON does not have become texts.
///
/// # Errors
/// When the data holds something that JSON has no form for.
pub fn to_json(raw: &Raw) -> Result<serde_json::Value, Error> {
    use serde_json::Value as Json;
    Ok(match raw {
        Raw::None => Json::Null,
        Raw::Bool(flag) => Json::Bool(*flag),
        Raw::Int(number) => match (number.to_i64(), number.to_u64()) {
            (Some(number), _) => Json::from(number),
            (None, Some(number)) => Json::from(number),
            (None, None) => Json::String(number.to_string()),
        },
        Raw::Float(number) => serde_json::Number::from_f64(*number)
            .map_or_else(|| Json::String(float_text(*number)), Json::Number),
        Raw::Text(text) => Json::String(text.to_string()),
        Raw::List(items) | Raw::Tuple(items) => {
            Json::Array(items.iter().map(to_json).collect::<Result<_, _>>()?)
        }
        Raw::Dict(pairs) => {
            let mut members = serde_json::Map::new();
            for (key, value) in pairs {
                members.insert(key_text(key)?, to_json(value)?);
            }
            Json::Object(members)
        }
        Raw::Value(value) => to_json(&value.get()?)?,
        other => {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "Object of type {} is not JSON serializable",
                    other.type_name()
                ),
            ));
        }
    })
}

impl Value {
    /// The interpolated value as JSON text: defaults included, empty fields left out.
    ///
    /// # Errors
    /// When it cannot be interpolated.
    pub fn json_dumps(&self, order: KeyOrder) -> Result<String, Error> {
        json_text(&self.interpolate()?.0.get()?, order)
    }

    /// A value from JSON text; see [`Value::from_json`].
    ///
    /// # Errors
    /// When the text is no JSON, or does not fit.
    pub fn json_loads(kind: &Type, text: &str, strict: bool) -> Result<Value, Error> {
        let document = serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Value, error.to_string()))?;
        Value::from_json(kind, &document, strict)
    }
}

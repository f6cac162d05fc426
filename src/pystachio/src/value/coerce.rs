//! Reading a datum as a simple type, when it is interpolated.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::mustache;
use crate::number::Int;
use crate::pytext::parse_float;
use crate::raw::Raw;
use crate::types::{Type, TypeKind};

/// The datum as its type has it.
pub(super) fn coerce(kind: &Type, raw: &Raw) -> Result<Raw, Error> {
    let refused =
        || -> Result<Error, Error> { Ok(Error::coercion(&raw.to_text()?, kind.name(), None)) };
    let coerced = match kind.kind() {
        TypeKind::String => match raw {
            Raw::Text(_) => Some(raw.clone()),
            Raw::Int(_) | Raw::Float(_) | Raw::Bool(_) => Some(raw.to_text()?.into()),
            _ => None,
        },
        TypeKind::Integer => match raw {
            Raw::Text(text) => Int::parse(text),
            Raw::Int(number) => Some(number.clone()),
            Raw::Float(number) => Int::truncate(*number),
            Raw::Bool(flag) => Some(Int::from(u32::from(*flag))),
            _ => None,
        }
        .map(Raw::Int),
        TypeKind::Float => match raw {
            Raw::Text(text) => parse_float(text),
            Raw::Int(number) => Some(number.to_f64()).filter(|number| number.is_finite()),
            Raw::Float(number) => Some(*number),
            Raw::Bool(flag) => Some(f64::from(u8::from(*flag))),
            _ => None,
        }
        .map(Raw::Float),
        TypeKind::Boolean => match raw {
            Raw::Bool(flag) => Some(*flag),
            Raw::Text(text) => match text.to_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            Raw::Int(number) => Some(*number != Int::from(0)),
            Raw::Float(number) => Some(*number != 0.0),
            _ => None,
        }
        .map(Raw::Bool),
        TypeKind::Enum(values) => match raw {
            Raw::Text(text) if values.contains(text) => Some(raw.clone()),
            _ => {
                let text = raw.to_text()?;
                let detail = format!("{text} is not one of {}", values.join(", "));
                return Err(Error::coercion(&text, kind.name(), Some(&detail)));
            }
        },
        TypeKind::Choice { .. } | TypeKind::List(_) | TypeKind::Map(..) | TypeKind::Struct(_) => {
            None
        }
    };
    match coerced {
        Some(coerced) => Ok(coerced),
        None => Err(refused()?),
    }
}

/// What is wrong with an interpolated datum, if it is not what its type has: a reference is left in it.
pub(super) fn mismatch(kind: &Type, raw: &Raw) -> Option<String> {
    let (fits, what) = match kind.kind() {
        TypeKind::String => (matches!(raw, Raw::Text(_)), "a string"),
        TypeKind::Integer => (matches!(raw, Raw::Int(_)), "an integer"),
        TypeKind::Float => (matches!(raw, Raw::Float(_)), "a float"),
        TypeKind::Boolean => (matches!(raw, Raw::Bool(_)), "a boolean"),
        TypeKind::Enum(values) => {
            let fits = matches!(raw, Raw::Text(text) if values.contains(text));
            return (!fits).then(|| {
                format!(
                    "{} not in the enumeration ({})",
                    raw.shown(),
                    values.join(", ")
                )
            });
        }
        TypeKind::Choice { .. } | TypeKind::List(_) | TypeKind::Map(..) | TypeKind::Struct(_) => {
            return None;
        }
    };
    (!fits).then(|| format!("{} not {what}", raw.shown()))
}

/// An enumeration refuses a bad text at once, unless it still holds references.
pub(super) fn check_enum(kind: &Type, values: &[Arc<str>], raw: &Raw) -> Result<(), Error> {
    let text = match raw {
        Raw::Text(text) => text,
        _ => {
            coerce(&Type::string(), raw)?;
            return Err(only_accepts(kind, values));
        }
    };
    let (_, refs) = mustache::resolve(text, |_| Ok(None))?;
    if refs.is_empty() && !values.contains(text) {
        return Err(only_accepts(kind, values));
    }
    Ok(())
}

fn only_accepts(kind: &Type, values: &[Arc<str>]) -> Error {
    Error::new(
        ErrorKind::Value,
        format!(
            "{} only accepts the following values: {}",
            kind.name(),
            values.join(", ")
        ),
    )
}

//! Reading and writing the JSON dialect.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize as _, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{DecodeError, Enumeration, FieldType, Message, Wire};

/// Reads one message from a JSON body.
///
/// # Errors
/// [`DecodeError`] with the text that Mesos would answer.
pub fn from_slice<T: Message>(body: &[u8]) -> Result<T, DecodeError> {
    from_value(&parse(body)?)
}

/// Reads one message from a parsed document.
///
/// # Errors
/// [`DecodeError::Convert`] with the text that Mesos would answer.
pub fn from_value<T: Message>(value: &Value) -> Result<T, DecodeError> {
    let Value::Object(object) = value else {
        return Err(DecodeError::Convert("Expecting a JSON object".to_owned()));
    };
    let mut message = T::default();
    let mut reader = Reader::default();
    message
        .read_fields(object, &mut reader)
        .map_err(DecodeError::Convert)?;
    if reader.missing.is_empty() {
        Ok(message)
    } else {
        Err(DecodeError::Convert(format!(
            "Missing required fields: {}",
            reader.missing.join(", ")
        )))
    }
}

/// Writes a message as compact JSON.
pub fn to_vec<T: Message + Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages have text keys and write to memory")
}

/// Writes a message as a JSON document.
pub fn to_value<T: Message + Serialize>(message: &T) -> Value {
    serde_json::to_value(message).expect("messages have text keys")
}

fn parse(body: &[u8]) -> Result<Value, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value =
        Value::deserialize(&mut deserializer).map_err(|e| DecodeError::Syntax(e.to_string()))?;
    if deserializer.end().is_ok() {
        return Ok(value);
    }
    // Only now is the length of the document worth finding.
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let end = match documents.next() {
        Some(_) => documents.byte_offset(),
        None => 0,
    };
    let rest = String::from_utf8_lossy(body.get(end..).unwrap_or_default());
    Err(DecodeError::Syntax(format!(
        "Parsed JSON included non-whitespace trailing characters: {rest}"
    )))
}

/// Where the reader is, and which required fields it has missed.
#[derive(Debug, Default)]
pub struct Reader {
    path: Vec<(String, Option<usize>)>,
    missing: Vec<String>,
    /// Where the next missing field of the message being read goes: before those of its parts.
    insert_at: usize,
}

impl Reader {
    fn note_missing(&mut self, field: &str) {
        let mut path = String::new();
        for (name, index) in &self.path {
            path.push_str(name);
            if let Some(index) = index {
                path.push_str(&format!("[{index}]"));
            }
            path.push('.');
        }
        path.push_str(field);
        self.missing.insert(self.insert_at, path);
        self.insert_at += 1;
    }

    fn element<T: Wire>(
        &mut self,
        value: &Value,
        field: &str,
        index: Option<usize>,
    ) -> Result<Read<T>, String> {
        if !matches!(T::KIND, FieldType::Message(_)) {
            return T::read(value, field, self);
        }
        let outer = std::mem::replace(&mut self.insert_at, self.missing.len());
        self.path.push((field.to_owned(), index));
        let read = T::read(value, field, self);
        self.path.pop();
        self.insert_at = outer;
        read
    }

    /// Reads an enumeration by name.
    ///
    /// # Errors
    /// Anything but text.
    pub fn enumeration<T: Enumeration>(
        &mut self,
        value: &Value,
        field: &str,
    ) -> Result<Read<T>, String> {
        match value {
            Value::String(name) => Ok(T::from_name(name).map_or(Read::UnknownEnum, Read::Value)),
            other => Err(unexpected(other, field)),
        }
    }
}

/// What came of reading one value.
#[derive(Debug)]
pub enum Read<T> {
    /// The value.
    Value(T),
    /// A name that the enumeration does not have.
    UnknownEnum,
}

fn unexpected(value: &Value, field: &str) -> String {
    let what = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("Not expecting a JSON {what} for field '{field}'")
}

fn given<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

#[doc(hidden)]
pub fn read_required<T: Wire>(
    target: &mut T,
    object: &Map<String, Value>,
    field: &'static str,
    reader: &mut Reader,
) -> Result<(), String> {
    let Some(value) = given(object, field) else {
        reader.note_missing(field);
        return Ok(());
    };
    match reader.element(value, field, None)? {
        Read::Value(value) => *target = value,
        Read::UnknownEnum => {
            return Err(format!(
                "Failed to find enum for '{}'",
                value.as_str().unwrap_or_default()
            ));
        }
    }
    Ok(())
}

#[doc(hidden)]
pub fn read_default<T: Wire>(
    target: &mut T,
    object: &Map<String, Value>,
    field: &'static str,
    reader: &mut Reader,
) -> Result<(), String> {
    if let Some(value) = given(object, field)
        && let Read::Value(value) = reader.element(value, field, None)?
    {
        *target = value;
    }
    Ok(())
}

#[doc(hidden)]
pub fn read_optional<T: Wire>(
    target: &mut Option<T>,
    object: &Map<String, Value>,
    field: &'static str,
    reader: &mut Reader,
) -> Result<(), String> {
    if let Some(value) = given(object, field)
        && let Read::Value(value) = reader.element(value, field, None)?
    {
        *target = Some(value);
    }
    Ok(())
}

#[doc(hidden)]
pub fn read_boxed<T: Wire>(
    target: &mut Option<Box<T>>,
    object: &Map<String, Value>,
    field: &'static str,
    reader: &mut Reader,
) -> Result<(), String> {
    let mut plain = None;
    read_optional(&mut plain, object, field, reader)?;
    *target = plain.map(Box::new);
    Ok(())
}

#[doc(hidden)]
pub fn read_repeated<T: Wire>(
    target: &mut Vec<T>,
    object: &Map<String, Value>,
    field: &'static str,
    reader: &mut Reader,
) -> Result<(), String> {
    let Some(value) = given(object, field) else {
        return Ok(());
    };
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    for element in elements.iter().filter(|element| !element.is_null()) {
        if let Read::Value(value) = reader.element(element, field, Some(target.len()))? {
            target.push(value);
        }
    }
    Ok(())
}

#[doc(hidden)]
pub fn read_map<T: Wire>(
    target: &mut BTreeMap<String, T>,
    object: &Map<String, Value>,
    field: &'static str,
    reader: &mut Reader,
) -> Result<(), String> {
    let entries = match given(object, field) {
        None => return Ok(()),
        Some(Value::Object(entries)) => entries,
        Some(other) => return Err(unexpected(other, field)),
    };
    for (key, element) in entries.iter().filter(|(_, element)| !element.is_null()) {
        if let Read::Value(value) = reader.element(element, field, Some(target.len()))? {
            target.insert(key.clone(), value);
        }
    }
    Ok(())
}

impl<T: Message> Wire for T {
    const KIND: FieldType = FieldType::Message(|| T::FIELDS);

    fn read(value: &Value, field: &str, reader: &mut Reader) -> Result<Read<Self>, String> {
        let Value::Object(object) = value else {
            return Err(unexpected(value, field));
        };
        let mut message = T::default();
        message.read_fields(object, reader)?;
        Ok(Read::Value(message))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write_fields(&mut map)?;
        map.end()
    }
}

impl Wire for String {
    const KIND: FieldType = FieldType::String;

    fn read(value: &Value, field: &str, _: &mut Reader) -> Result<Read<Self>, String> {
        match value {
            Value::String(text) => Ok(Read::Value(text.clone())),
            other => Err(unexpected(other, field)),
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Wire for Bytes {
    const KIND: FieldType = FieldType::Bytes;

    fn read(value: &Value, field: &str, _: &mut Reader) -> Result<Read<Self>, String> {
        match value {
            Value::String(text) => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Read::Value(Bytes::from(bytes))),
                Err(error) => Err(format!(
                    "Failed to base64 decode bytes field '{field}': {error}"
                )),
            },
            other => Err(unexpected(other, field)),
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self))
    }
}

impl Wire for bool {
    const KIND: FieldType = FieldType::Bool;

    fn read(value: &Value, field: &str, _: &mut Reader) -> Result<Read<Self>, String> {
        match value {
            Value::Bool(value) => Ok(Read::Value(*value)),
            Value::String(text) => match text.as_str() {
                "true" => Ok(Read::Value(true)),
                "false" => Ok(Read::Value(false)),
                other => Err(format!(
                    "Failed to parse '{other}' as a JSON boolean for field '{field}'"
                )),
            },
            other => Err(unexpected(other, field)),
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }
}

impl Wire for f64 {
    const KIND: FieldType = FieldType::Double;

    fn read(value: &Value, field: &str, _: &mut Reader) -> Result<Read<Self>, String> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                text => text_number(text, field)?.as_f64(),
            },
            other => return Err(unexpected(other, field)),
        };
        number
            .map(Read::Value)
            .ok_or_else(|| out_of_range(value, field))
    }

    /// Infinity has no JSON number; it is written as the text that is read back as such.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == f64::INFINITY {
            serializer.serialize_str("Infinity")
        } else if *self == f64::NEG_INFINITY {
            serializer.serialize_str("-Infinity")
        } else {
            serializer.serialize_f64(*self)
        }
    }
}

fn text_number(text: &str, field: &str) -> Result<serde_json::Number, String> {
    text.parse()
        .map_err(|_| format!("Failed to parse '{text}' as a JSON number for field '{field}'"))
}

fn out_of_range(value: &Value, field: &str) -> String {
    format!("The JSON number {value} is out of range for field '{field}'")
}

macro_rules! integers {
    ($($ty:ident $kind:ident $write:ident;)*) => {$(
        impl Wire for $ty {
            const KIND: FieldType = FieldType::$kind;

            /// Fractions are cut off, as a cast does.
            fn read(value: &Value, field: &str, _: &mut Reader) -> Result<Read<Self>, String> {
                let number = match value {
                    Value::Number(number) => number.clone(),
                    Value::String(text) => text_number(text, field)?,
                    other => return Err(unexpected(other, field)),
                };
                let integer = if let Some(integer) = number.as_i64() {
                    $ty::try_from(integer).ok()
                } else if let Some(integer) = number.as_u64() {
                    $ty::try_from(integer).ok()
                } else {
                    number
                        .as_f64()
                        .map(f64::trunc)
                        .filter(|double| *double >= $ty::MIN as f64 && *double <= $ty::MAX as f64)
                        .map(|double| double as $ty)
                };
                integer.map(Read::Value).ok_or_else(|| out_of_range(value, field))
            }

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.$write(*self)
            }
        }
    )*};
}

integers! {
    i32 Int32 serialize_i32;
    i64 Int64 serialize_i64;
    u32 Uint32 serialize_u32;
    u64 Uint64 serialize_u64;
}

#[doc(hidden)]
pub struct AsJson<'a, T>(pub &'a T);

impl<T: Wire> Serialize for AsJson<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

#[doc(hidden)]
pub struct AsList<'a, T>(pub &'a [T]);

impl<T: Wire> Serialize for AsList<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for element in self.0 {
            list.serialize_element(&AsJson(element))?;
        }
        list.end()
    }
}

#[doc(hidden)]
pub struct AsMap<'a, T>(pub &'a BTreeMap<String, T>);

impl<T: Wire> Serialize for AsMap<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, &AsJson(value))?;
        }
        map.end()
    }
}

//! Protobuf bodies, by way of the JSON dialect: the field tables say how the one becomes the other.
//!
//! The schema is proto2: absent and default are different, unknown fields and unknown enum values are
//! skipped, repeated numbers are written one by one and read packed as well
//! (`mesos: include/mesos/v1/*.proto`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::{DecodeError, FieldInfo, FieldType, Label, Message, from_value, to_value};

/// Messages within messages; deeper ones are refused.
const MAX_DEPTH: usize = 100;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// Reads one message.
///
/// # Errors
/// [`DecodeError::Syntax`] for bytes that are not protobuf, [`DecodeError::Convert`] for a message
/// without its required fields.
pub fn from_slice<T: Message>(body: &[u8]) -> Result<T, DecodeError> {
    let fields = decode(T::FIELDS, body, 0)
        .ok_or_else(|| DecodeError::Syntax(format!("not a {}", T::NAME)))?;
    from_value(&Value::Object(fields))
}

/// Writes one message.
pub fn to_vec<T: Message + Serialize>(message: &T) -> Vec<u8> {
    let mut out = Vec::new();
    if let Value::Object(fields) = to_value(message) {
        encode(T::FIELDS, &fields, &mut out);
    }
    out
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// One value as it stands on the wire.
enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Of no type that Mesos uses.
    Other,
}

fn take_raw<'a>(bytes: &mut &'a [u8], wire: u64) -> Option<Raw<'a>> {
    Some(match wire {
        VARINT => Raw::Varint(take_varint(bytes)?),
        FIXED64 => Raw::Fixed64(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        BYTES => {
            let length = take_varint(bytes)?;
            Raw::Bytes(take(bytes, length)?)
        }
        FIXED32 => {
            take(bytes, 4)?;
            Raw::Other
        }
        _ => return None,
    })
}

fn decode(fields: &[FieldInfo], mut bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut object = Map::new();
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes)?;
        let raw = take_raw(&mut bytes, tag & 7)?;
        let Some(field) = fields
            .iter()
            .find(|field| u64::from(field.number) == tag >> 3)
        else {
            continue;
        };
        match field.label {
            Label::Required | Label::Optional => {
                if let Some(value) = decode_value(field.kind, &raw, depth)? {
                    object.insert(field.name.to_owned(), value);
                }
            }
            Label::Repeated => {
                let list = object
                    .entry(field.name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    match (&raw, is_number(field.kind)) {
                        (Raw::Bytes(packed), true) => unpack(field.kind, packed, list)?,
                        _ => list.extend(decode_value(field.kind, &raw, depth)?),
                    }
                }
            }
            Label::Map => {
                let Raw::Bytes(entry) = raw else { return None };
                let (key, value) = decode_entry(field.kind, entry, depth)?;
                let map = object
                    .entry(field.name)
                    .or_insert_with(|| Value::Object(Map::new()));
                if let (Value::Object(map), Some(value)) = (map, value) {
                    map.insert(key, value);
                }
            }
        }
    }
    Some(object)
}

fn is_number(kind: FieldType) -> bool {
    !matches!(
        kind,
        FieldType::String | FieldType::Bytes | FieldType::Message(_)
    )
}

fn unpack(kind: FieldType, mut packed: &[u8], list: &mut Vec<Value>) -> Option<()> {
    let wire = if matches!(kind, FieldType::Double) {
        FIXED64
    } else {
        VARINT
    };
    while !packed.is_empty() {
        let raw = take_raw(&mut packed, wire)?;
        list.extend(decode_value(kind, &raw, 0)?);
    }
    Some(())
}

fn decode_entry(
    kind: FieldType,
    mut entry: &[u8],
    depth: usize,
) -> Option<(String, Option<Value>)> {
    let (mut key, mut value) = (String::new(), None);
    while !entry.is_empty() {
        let tag = take_varint(&mut entry)?;
        let raw = take_raw(&mut entry, tag & 7)?;
        match (tag >> 3, &raw) {
            (1, Raw::Bytes(text)) => key = std::str::from_utf8(text).ok()?.to_owned(),
            (2, raw) => value = decode_value(kind, raw, depth)?,
            _ => {}
        }
    }
    Some((key, value))
}

/// The outer `None` is an error, the inner one an enum value that is not known.
fn decode_value(kind: FieldType, raw: &Raw<'_>, depth: usize) -> Option<Option<Value>> {
    Some(match (kind, raw) {
        (FieldType::Bool, Raw::Varint(value)) => Some(Value::Bool(*value != 0)),
        // Negative numbers are written as 64 bits.
        (FieldType::Int32, Raw::Varint(value)) => Some(Value::from(*value as i32)),
        (FieldType::Int64, Raw::Varint(value)) => Some(Value::from(*value as i64)),
        (FieldType::Uint32, Raw::Varint(value)) => Some(Value::from(*value as u32)),
        (FieldType::Uint64, Raw::Varint(value)) => Some(Value::from(*value)),
        (FieldType::Enum(table), Raw::Varint(value)) => {
            (table.name)(*value as i32).map(Value::from)
        }
        (FieldType::Double, Raw::Fixed64(bits)) => {
            let value = f64::from_bits(*bits);
            match Number::from_f64(value) {
                Some(number) => Some(Value::Number(number)),
                None if value == f64::INFINITY => Some(Value::from("Infinity")),
                None if value == f64::NEG_INFINITY => Some(Value::from("-Infinity")),
                None => return None,
            }
        }
        (FieldType::String, Raw::Bytes(text)) => Some(Value::from(std::str::from_utf8(text).ok()?)),
        (FieldType::Bytes, Raw::Bytes(bytes)) => Some(Value::from(STANDARD.encode(bytes))),
        (FieldType::Message(fields), Raw::Bytes(bytes)) => {
            Some(Value::Object(decode(fields(), bytes, depth + 1)?))
        }
        _ => return None,
    })
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | BYTES, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Only ever given what [`to_value`] wrote, so nothing is missing or of another type.
fn encode(fields: &[FieldInfo], object: &Map<String, Value>, out: &mut Vec<u8>) {
    for field in fields {
        match object.get(field.name) {
            None => {}
            Some(Value::Array(list)) => {
                for value in list {
                    encode_value(field.number, field.kind, value, out);
                }
            }
            Some(Value::Object(map)) if field.label == Label::Map => {
                for (key, value) in map {
                    let mut entry = Vec::new();
                    put_bytes(1, key.as_bytes(), &mut entry);
                    encode_value(2, field.kind, value, &mut entry);
                    put_bytes(field.number, &entry, out);
                }
            }
            Some(value) => encode_value(field.number, field.kind, value, out),
        }
    }
}

fn encode_value(number: u32, kind: FieldType, value: &Value, out: &mut Vec<u8>) {
    let varint = match (kind, value) {
        (FieldType::Bool, Value::Bool(value)) => Some(u64::from(*value)),
        (FieldType::Enum(table), Value::String(name)) => (table.number)(name).map(|n| n as u64),
        (FieldType::Int32 | FieldType::Int64, Value::Number(value)) => {
            value.as_i64().map(|n| n as u64)
        }
        (FieldType::Uint32 | FieldType::Uint64, Value::Number(value)) => value.as_u64(),
        _ => None,
    };
    if let Some(varint) = varint {
        put_varint(u64::from(number) << 3 | VARINT, out);
        put_varint(varint, out);
        return;
    }
    match (kind, value) {
        (FieldType::Double, value) => {
            let double = match value {
                Value::String(text) if text.starts_with('-') => f64::NEG_INFINITY,
                Value::String(_) => f64::INFINITY,
                other => other.as_f64().unwrap_or_default(),
            };
            put_varint(u64::from(number) << 3 | FIXED64, out);
            out.extend_from_slice(&double.to_le_bytes());
        }
        (FieldType::String, Value::String(text)) => put_bytes(number, text.as_bytes(), out),
        (FieldType::Bytes, Value::String(text)) => {
            put_bytes(number, &STANDARD.decode(text).unwrap_or_default(), out);
        }
        (FieldType::Message(fields), Value::Object(object)) => {
            let mut inner = Vec::new();
            encode(fields(), object, &mut inner);
            put_bytes(number, &inner, out);
        }
        _ => {}
    }
}

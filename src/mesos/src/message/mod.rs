//! The machinery behind the messages: field tables, and the JSON dialect of Mesos.
//!
//! A message is declared once, as a table of its fields in declaration order:
//!
//! ```text
//! message! {
//!     /// What to run.
//!     CommandInfo = "mesos.v1.CommandInfo" {
//!         1 uris: repeated CommandUri,
//!         6 shell: default bool = true,
//!         3 value: optional String,
//!     }
//! }
//! ```
//!
//! | kind | Rust type | JSON |
//! |---|---|---|
//! | `required T` | `T` | an error that names its path when absent |
//! | `optional T` | `Option<T>` | omitted when unset |
//! | `boxed T` | `Option<Box<T>>` | the same, for a message inside itself |
//! | `default T = v` | `T` | always written |
//! | `repeated T` | `Vec<T>` | omitted when empty |
//! | `listed T` | `Vec<T>` | always written; some operator answers do so |
//! | `map T` | `BTreeMap<String, T>` | an object; omitted when empty |
//!
//! The dialect is not that of proto3 (`mesos: 3rdparty/stout/include/stout/protobuf.hpp`): names stay
//! snake_case, 64-bit integers are numbers, `null` means unset, unknown keys are ignored, numbers and
//! booleans may be strings, one element may stand for a list, an unknown enum name is as good as none
//! unless the field is required, and all missing required fields are named in one error.
//!
//! Protobuf bodies are read and written by the same tables ([`proto`]).

mod json;
pub(crate) mod macros;
pub mod proto;

use std::fmt;

pub(crate) use macros::{enumeration, message};

#[doc(hidden)]
pub use json::{
    AsJson, AsList, AsMap, Read, read_boxed, read_default, read_map, read_optional, read_repeated,
    read_required,
};
pub use json::{Reader, from_slice, from_value, to_value, to_vec};

/// Why a body is not the message that it should be. The text of either variant is the one Mesos
/// answers with after its own prefix (`Failed to parse body into JSON: `, `Failed to convert JSON into
/// Call protobuf: `).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not one JSON document, or not protobuf.
    #[error("{0}")]
    Syntax(String),
    /// The document does not fit the message: a wrong type, a missing required field, bad base64.
    #[error("{0}")]
    Convert(String),
}

/// The two forms of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`
    Json,
    /// `application/x-protobuf`
    Protobuf,
}

impl Format {
    /// The media type in headers.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// [`DecodeError`]
    pub fn decode<T: Message>(self, body: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Json => from_slice(body),
            Self::Protobuf => proto::from_slice(body),
        }
    }

    /// Writes one message.
    pub fn encode<T: Message + serde::Serialize>(self, message: &T) -> Vec<u8> {
        match self {
            Self::Json => to_vec(message),
            Self::Protobuf => proto::to_vec(message),
        }
    }
}

/// How often a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Exactly once.
    Required,
    /// At most once.
    Optional,
    /// Any number of times.
    Repeated,
    /// As entries of key (1) and value (2).
    Map,
}

/// The two directions of an enumeration.
#[derive(Debug, Clone, Copy)]
pub struct EnumTable {
    /// The name of a number.
    pub name: fn(i32) -> Option<&'static str>,
    /// The number of a name.
    pub number: fn(&str) -> Option<i32>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum FieldType {
    /// `bool`
    Bool,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `double`
    Double,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// An enumeration.
    Enum(EnumTable),
    /// A message with these fields; a function, since messages may hold themselves.
    Message(fn() -> &'static [FieldInfo]),
}

/// One line of a message's table.
#[derive(Debug, Clone, Copy)]
pub struct FieldInfo {
    /// The protobuf field number.
    pub number: u32,
    /// The name on the wire.
    pub name: &'static str,
    /// How often it occurs.
    pub label: Label,
    /// What it holds.
    pub kind: FieldType,
}

/// A message of Mesos v1.
pub trait Message: Default + Clone + fmt::Debug + PartialEq {
    /// The full protobuf name.
    const NAME: &'static str;
    /// The fields in declaration order.
    const FIELDS: &'static [FieldInfo];

    /// Sets the fields that `object` has.
    ///
    /// # Errors
    /// The text of the first value of a wrong type. Missing required fields are collected in `reader`.
    fn read_fields(
        &mut self,
        object: &serde_json::Map<String, serde_json::Value>,
        reader: &mut Reader,
    ) -> Result<(), String>;

    /// Writes the fields that are set, and those with a default.
    ///
    /// # Errors
    /// Those of the serializer.
    fn write_fields<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

/// An enumeration of Mesos v1.
pub trait Enumeration: Copy + Default + fmt::Debug + PartialEq + 'static {
    /// The value with this name; names are case-sensitive.
    fn from_name(name: &str) -> Option<Self>;
    /// The name on the wire.
    fn name(self) -> &'static str;
    /// The value with this protobuf number.
    fn from_number(number: i32) -> Option<Self>;
    /// The protobuf number.
    fn number(self) -> i32;
}

/// A value that a field can hold one or several of.
pub trait Wire: Sized {
    /// Its protobuf type.
    const KIND: FieldType;

    /// Reads one value; `field` is the name for error texts.
    ///
    /// # Errors
    /// The text of what does not fit.
    fn read(
        value: &serde_json::Value,
        field: &str,
        reader: &mut Reader,
    ) -> Result<Read<Self>, String>;

    /// Writes the value.
    ///
    /// # Errors
    /// Those of the serializer.
    fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

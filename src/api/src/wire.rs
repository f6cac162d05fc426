//! What a Thrift value is, independent of the protocol that carries it.
//!
//! The model is written as tables: one line a field (`struct!`, `union!`, `enumeration!`, `service!` in `tables.rs`). The
//! macros make plain structs and the two functions of [`Wire`]; the protocols ([`crate::binary`], [`crate::tjson`], [`crate::simple`]) are
//! [`Writer`]s and [`Reader`]s. Why our own: the `thrift` crate's generated types wrap every field in `Option` and box their
//! protocols behind dynamic dispatch, `pilota` needs a build-time IDL compiler; the model here is four hundred lines of
//! tables, and a field is one line.
//!
//! Upstream's scheduler passes every struct through wrappers that make an unset collection empty and an unset number zero.
//! The types say the same: collections and numbers are plain unless the difference can be seen; what can be told apart when
//! unset (texts, enumerations, structs, unions) is an `Option`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};

/// The type tags of Thrift's protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// One byte, 0 or 1.
    Bool = 2,
    /// A signed byte.
    Byte = 3,
    /// IEEE 754 double.
    Double = 4,
    /// 16 bits.
    I16 = 6,
    /// 32 bits; enumerations travel as this.
    I32 = 8,
    /// 64 bits.
    I64 = 10,
    /// Text or bytes.
    String = 11,
    /// A struct or a union.
    Struct = 12,
    /// A map.
    Map = 13,
    /// A set.
    Set = 14,
    /// A list.
    List = 15,
}

impl Type {
    /// The type with this tag.
    pub fn from_tag(tag: u8) -> Option<Type> {
        Some(match tag {
            2 => Type::Bool,
            3 => Type::Byte,
            4 => Type::Double,
            6 => Type::I16,
            8 => Type::I32,
            10 => Type::I64,
            11 => Type::String,
            12 => Type::Struct,
            13 => Type::Map,
            14 => Type::Set,
            15 => Type::List,
            _ => return None,
        })
    }
}

/// How deep values may nest before decoding gives up. Upstream's deepest answer has eleven levels.
pub const MAX_DEPTH: usize = 64;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("input ends at byte {at} inside a value")]
    Truncated {
        /// Offset at which more was needed.
        at: usize,
    },
    /// The bytes are not of this protocol.
    #[error("at byte {at}: {what}")]
    Malformed {
        /// Offset of the fault.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A length or count is negative or larger than the input could hold.
    #[error("at byte {at}: a length of {length} is more than the input holds")]
    Length {
        /// Offset of the length.
        at: usize,
        /// The length that was claimed.
        length: i64,
    },
    /// Values nest deeper than [`MAX_DEPTH`].
    #[error("values nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// An enumeration's number, or a union's member, that this version does not know. Optional fields take it as unset.
    #[error("{name} has no member {value}")]
    UnknownValue {
        /// The enumeration or union.
        name: &'static str,
        /// The number, or -1 for a union without a member.
        value: i32,
    },
    /// The same in a place that cannot do without a value.
    #[error("field {field} of {name} has a value that is not known here")]
    UnknownRequired {
        /// The struct.
        name: &'static str,
        /// The field's wire name.
        field: &'static str,
    },
    /// A message of another kind than expected.
    #[error("expected a {expected} message, found type {found}")]
    MessageType {
        /// What was expected.
        expected: &'static str,
        /// The type number found.
        found: u8,
    },
    /// The other side refused with a Thrift exception.
    #[error("the server refused the call: {0}")]
    Application(String),
}

/// Takes a value apart into a protocol. Writing into memory cannot fail.
pub trait Writer {
    /// A struct begins.
    fn struct_begin(&mut self);
    /// A struct ends.
    fn struct_end(&mut self);
    /// A field begins.
    fn field_begin(&mut self, name: &'static str, kind: Type, id: i16);
    /// A field ends.
    fn field_end(&mut self);
    /// A list or set of `len` elements begins.
    fn sequence_begin(&mut self, kind: Type, element: Type, len: usize);
    /// A list or set ends.
    fn sequence_end(&mut self);
    /// A map of `len` pairs begins.
    fn map_begin(&mut self, key: Type, value: Type, len: usize);
    /// A map ends.
    fn map_end(&mut self);
    /// A boolean.
    fn bool(&mut self, value: bool);
    /// An integer of the given type.
    fn integer(&mut self, kind: Type, value: i64);
    /// A double.
    fn double(&mut self, value: f64);
    /// A text.
    fn text(&mut self, value: &str);
    /// Bytes.
    fn bytes(&mut self, value: &[u8]);
    /// An enumeration's value.
    fn enumeration(&mut self, value: i32, name: &'static str);
}

/// A field of a struct, or a member of a union, as a reader may need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its wire name.
    pub name: &'static str,
    /// Its id.
    pub id: i16,
    /// Its type.
    pub kind: Type,
}

/// Puts a value together from a protocol. A reader checks counts against the input before memory is taken.
pub trait Reader {
    /// A struct begins.
    fn struct_begin(&mut self) -> Result<(), DecodeError>;
    /// The next field's id and type, or `None` at the end of the struct (which is then read). `fields` are those that the
    /// caller knows, for protocols that have names instead of numbers.
    fn field_begin(&mut self, fields: &[Field]) -> Result<Option<(i16, Type)>, DecodeError>;
    /// A field ends.
    fn field_end(&mut self) -> Result<(), DecodeError>;
    /// A list or set begins: its element type and length. `expected` is what the caller takes, for protocols that do not say.
    fn sequence_begin(&mut self, expected: Option<Type>) -> Result<(Type, usize), DecodeError>;
    /// A list or set ends.
    fn sequence_end(&mut self) -> Result<(), DecodeError>;
    /// A map begins: key type, value type, length. An empty map may not say its types. `expected` as above.
    fn map_begin(
        &mut self,
        expected: Option<(Type, Type)>,
    ) -> Result<(Option<(Type, Type)>, usize), DecodeError>;
    /// A map ends.
    fn map_end(&mut self) -> Result<(), DecodeError>;
    /// A boolean.
    fn bool(&mut self) -> Result<bool, DecodeError>;
    /// An integer of the given type.
    fn integer(&mut self, kind: Type) -> Result<i64, DecodeError>;
    /// The number of an enumeration's value; `numbers` gives it for a name, for protocols that have names.
    fn enumeration(&mut self, _numbers: &dyn Fn(&str) -> Option<i32>) -> Result<i32, DecodeError> {
        i32::try_from(self.integer(Type::I32)?).map_err(|_| self.mismatch())
    }
    /// A double.
    fn double(&mut self) -> Result<f64, DecodeError>;
    /// A text.
    fn text(&mut self) -> Result<String, DecodeError>;
    /// Bytes.
    fn bytes(&mut self) -> Result<Vec<u8>, DecodeError>;
    /// Passes over a value.
    fn skip(&mut self, kind: Type) -> Result<(), DecodeError>;
    /// The fault for a value of an unexpected type at this place.
    fn mismatch(&self) -> DecodeError;
}

/// A value with a Thrift type.
pub trait Wire: Sized {
    /// Its type.
    const TYPE: Type;
    /// Writes the value.
    fn write<W: Writer>(&self, out: &mut W);
    /// Reads a value whose type has been seen to be [`Wire::TYPE`].
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError>;
    /// Whether a field with this value is written at all.
    fn is_set(&self) -> bool {
        true
    }
}

impl<T: Wire> Wire for Option<T> {
    const TYPE: Type = T::TYPE;
    fn write<W: Writer>(&self, out: &mut W) {
        if let Some(value) = self {
            value.write(out);
        }
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        match T::read(input) {
            Ok(value) => Ok(Some(value)),
            Err(DecodeError::UnknownValue { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
    fn is_set(&self) -> bool {
        self.is_some()
    }
}

impl Wire for bool {
    const TYPE: Type = Type::Bool;
    fn write<W: Writer>(&self, out: &mut W) {
        out.bool(*self);
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        input.bool()
    }
}

macro_rules! integers {
    ($($t:ty => $kind:ident),*) => {$(
        impl Wire for $t {
            const TYPE: Type = Type::$kind;
            fn write<W: Writer>(&self, out: &mut W) {
                out.integer(Type::$kind, i64::from(*self));
            }
            fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
                <$t>::try_from(input.integer(Type::$kind)?).map_err(|_| input.mismatch())
            }
        }
    )*};
}
integers!(i8 => Byte, i16 => I16, i32 => I32, i64 => I64);

impl Wire for String {
    const TYPE: Type = Type::String;
    fn write<W: Writer>(&self, out: &mut W) {
        out.text(self);
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        input.text()
    }
}

/// A double with a total order, so that structs holding one can be compared, hashed and kept in sets.
#[derive(Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Double(pub f64);

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Double {}
impl PartialOrd for Double {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Double {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Adding zero turns -0.0 into 0.0: the two are the same amount.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}
impl Hash for Double {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0 + 0.0).to_bits().hash(state);
    }
}
impl From<f64> for Double {
    fn from(value: f64) -> Self {
        Double(value)
    }
}

impl Wire for Double {
    const TYPE: Type = Type::Double;
    fn write<W: Writer>(&self, out: &mut W) {
        out.double(self.0);
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        Ok(Double(input.double()?))
    }
}

/// Bytes (Thrift's `binary`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(pub Vec<u8>);

impl Wire for Binary {
    const TYPE: Type = Type::String;
    fn write<W: Writer>(&self, out: &mut W) {
        out.bytes(&self.0);
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        Ok(Binary(input.bytes()?))
    }
}

/// Reads the elements of a list or set; elements with unknown values are passed over.
fn read_sequence<T: Wire, R: Reader>(
    input: &mut R,
    mut push: impl FnMut(T),
) -> Result<(), DecodeError> {
    let (kind, len) = input.sequence_begin(Some(T::TYPE))?;
    if len > 0 && kind != T::TYPE {
        return Err(input.mismatch());
    }
    for _ in 0..len {
        match T::read(input) {
            Ok(value) => push(value),
            Err(DecodeError::UnknownValue { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    input.sequence_end()
}

impl<T: Wire> Wire for Vec<T> {
    const TYPE: Type = Type::List;
    fn write<W: Writer>(&self, out: &mut W) {
        out.sequence_begin(Type::List, T::TYPE, self.len());
        for value in self {
            value.write(out);
        }
        out.sequence_end();
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        let mut values = Vec::new();
        read_sequence(input, |value| values.push(value))?;
        Ok(values)
    }
}

impl<T: Wire + Ord> Wire for BTreeSet<T> {
    const TYPE: Type = Type::Set;
    fn write<W: Writer>(&self, out: &mut W) {
        out.sequence_begin(Type::Set, T::TYPE, self.len());
        for value in self {
            value.write(out);
        }
        out.sequence_end();
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        let mut values = BTreeSet::new();
        read_sequence(input, |value| {
            values.insert(value);
        })?;
        Ok(values)
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    const TYPE: Type = Type::Map;
    fn write<W: Writer>(&self, out: &mut W) {
        out.map_begin(K::TYPE, V::TYPE, self.len());
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
        out.map_end();
    }
    fn read<R: Reader>(input: &mut R) -> Result<Self, DecodeError> {
        let (types, len) = input.map_begin(Some((K::TYPE, V::TYPE)))?;
        if len > 0 && types != Some((K::TYPE, V::TYPE)) {
            return Err(input.mismatch());
        }
        let mut values = BTreeMap::new();
        for _ in 0..len {
            let key = K::read(input)?;
            values.insert(key, V::read(input)?);
        }
        input.map_end()?;
        Ok(values)
    }
}

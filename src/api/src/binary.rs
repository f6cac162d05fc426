//! TBinary: Thrift's binary protocol, strict form.

use crate::wire::{DecodeError, Field, MAX_DEPTH, Reader, Type, Wire, Writer};

/// The bytes of a value.
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = BinaryWriter::default();
    value.write(&mut out);
    out.bytes
}

/// The value in these bytes. Bytes after it are not an error.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::read(&mut BinaryReader::new(bytes))
}

/// Writes TBinary.
#[derive(Default)]
pub(crate) struct BinaryWriter {
    pub(crate) bytes: Vec<u8>,
}

impl BinaryWriter {
    pub(crate) fn count(&mut self, len: usize) {
        // A count beyond i32 would need 2 GiB of elements; saturate so that a reader refuses instead of misreading.
        let len = i32::try_from(len).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&len.to_be_bytes());
    }
}

impl Writer for BinaryWriter {
    fn struct_begin(&mut self) {}
    fn struct_end(&mut self) {
        self.bytes.push(0);
    }
    fn field_begin(&mut self, _name: &'static str, kind: Type, id: i16) {
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(&id.to_be_bytes());
    }
    fn field_end(&mut self) {}
    fn sequence_begin(&mut self, _kind: Type, element: Type, len: usize) {
        self.bytes.push(element as u8);
        self.count(len);
    }
    fn sequence_end(&mut self) {}
    fn map_begin(&mut self, key: Type, value: Type, len: usize) {
        self.bytes.push(key as u8);
        self.bytes.push(value as u8);
        self.count(len);
    }
    fn map_end(&mut self) {}
    fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }
    fn integer(&mut self, kind: Type, value: i64) {
        let bytes = value.to_be_bytes();
        let width = match kind {
            Type::Byte => 1,
            Type::I16 => 2,
            Type::I32 => 4,
            _ => 8,
        };
        self.bytes.extend_from_slice(&bytes[8 - width..]);
    }
    fn double(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_bits().to_be_bytes());
    }
    fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }
    fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.bytes.extend_from_slice(value);
    }
    fn enumeration(&mut self, value: i32, _name: &'static str) {
        self.integer(Type::I32, i64::from(value));
    }
}

/// Reads TBinary from memory.
pub(crate) struct BinaryReader<'a> {
    input: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> BinaryReader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        BinaryReader {
            input,
            at: 0,
            depth: 0,
        }
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(len);
        let bytes = end.and_then(|end| self.input.get(self.at..end));
        let bytes = bytes.ok_or(DecodeError::Truncated {
            at: self.input.len(),
        })?;
        self.at += len;
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(self.integer(Type::I32)? as i32)
    }

    /// A count of things that take at least `width` bytes each.
    fn count(&mut self, width: usize) -> Result<usize, DecodeError> {
        let at = self.at;
        let length = self.i32()?;
        let left = (self.input.len() - self.at) / width;
        match usize::try_from(length) {
            Ok(len) if len <= left => Ok(len),
            _ => Err(DecodeError::Length {
                at,
                length: i64::from(length),
            }),
        }
    }

    fn kind(&mut self) -> Result<Type, DecodeError> {
        let at = self.at;
        Type::from_tag(self.byte()?).ok_or(DecodeError::Malformed {
            at,
            what: "unknown type tag",
        })
    }

    fn deeper(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        Ok(())
    }
}

/// The fewest bytes that a value of the type takes.
fn smallest(kind: Type) -> usize {
    match kind {
        Type::Bool | Type::Byte | Type::Struct => 1,
        Type::I16 => 2,
        Type::I32 | Type::String => 4,
        Type::Double | Type::I64 => 8,
        Type::Map => 6,
        Type::Set | Type::List => 5,
    }
}

impl Reader for BinaryReader<'_> {
    fn struct_begin(&mut self) -> Result<(), DecodeError> {
        self.deeper()
    }
    fn field_begin(&mut self, _fields: &[Field]) -> Result<Option<(i16, Type)>, DecodeError> {
        if self.input.get(self.at) == Some(&0) {
            self.at += 1;
            self.depth -= 1;
            return Ok(None);
        }
        let kind = self.kind()?;
        let id = self.integer(Type::I16)? as i16;
        Ok(Some((id, kind)))
    }
    fn field_end(&mut self) -> Result<(), DecodeError> {
        Ok(())
    }
    fn sequence_begin(&mut self, _expected: Option<Type>) -> Result<(Type, usize), DecodeError> {
        self.deeper()?;
        // Some libraries write an empty sequence with a zero tag.
        let tag = self.byte()?;
        match Type::from_tag(tag) {
            Some(kind) => Ok((kind, self.count(smallest(kind))?)),
            None => match self.i32()? {
                0 => Ok((Type::Bool, 0)),
                _ => Err(self.mismatch()),
            },
        }
    }
    fn sequence_end(&mut self) -> Result<(), DecodeError> {
        self.depth -= 1;
        Ok(())
    }
    fn map_begin(
        &mut self,
        _expected: Option<(Type, Type)>,
    ) -> Result<(Option<(Type, Type)>, usize), DecodeError> {
        self.deeper()?;
        let (key, value) = (self.byte()?, self.byte()?);
        match (Type::from_tag(key), Type::from_tag(value)) {
            (Some(key), Some(value)) => {
                let len = self.count(smallest(key) + smallest(value))?;
                Ok((Some((key, value)), len))
            }
            _ => match self.i32()? {
                0 => Ok((None, 0)),
                _ => Err(self.mismatch()),
            },
        }
    }
    fn map_end(&mut self) -> Result<(), DecodeError> {
        self.depth -= 1;
        Ok(())
    }
    fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.byte()? != 0)
    }
    fn integer(&mut self, kind: Type) -> Result<i64, DecodeError> {
        let width = match kind {
            Type::Byte => 1,
            Type::I16 => 2,
            Type::I32 => 4,
            _ => 8,
        };
        let bytes = self.take(width)?;
        let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
        let mut value = [fill; 8];
        value[8 - width..].copy_from_slice(bytes);
        Ok(i64::from_be_bytes(value))
    }
    fn double(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_bits(self.integer(Type::I64)? as u64))
    }
    fn text(&mut self) -> Result<String, DecodeError> {
        // Texts that are not UTF-8 come from clients with bugs; upstream's Java decodes them with replacement, too.
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }
    fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        let len = self.count(1)?;
        Ok(self.take(len)?.to_vec())
    }
    fn skip(&mut self, kind: Type) -> Result<(), DecodeError> {
        match kind {
            Type::Bool | Type::Byte => self.take(1).map(drop),
            Type::I16 => self.take(2).map(drop),
            Type::I32 => self.take(4).map(drop),
            Type::I64 | Type::Double => self.take(8).map(drop),
            Type::String => {
                let len = self.count(1)?;
                self.take(len).map(drop)
            }
            Type::Struct => {
                self.struct_begin()?;
                while let Some((_, kind)) = self.field_begin(&[])? {
                    self.skip(kind)?;
                }
                Ok(())
            }
            Type::Set | Type::List => {
                let (kind, len) = self.sequence_begin(None)?;
                for _ in 0..len {
                    self.skip(kind)?;
                }
                self.sequence_end()
            }
            Type::Map => {
                let (types, len) = self.map_begin(None)?;
                if let Some((key, value)) = types {
                    for _ in 0..len {
                        self.skip(key)?;
                        self.skip(value)?;
                    }
                }
                self.map_end()
            }
        }
    }
    fn mismatch(&self) -> DecodeError {
        DecodeError::Malformed {
            at: self.at,
            what: "a value of another type than the schema's",
        }
    }
}

//! TJSON: Thrift's JSON protocol, with field ids as keys and a type tag around every value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::wire::{DecodeError, Field, MAX_DEPTH, Reader, Type, Wire, Writer};

/// The bytes of a value.
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = TJsonWriter::default();
    value.write(&mut out);
    out.bytes
}

/// The value in these bytes.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::read(&mut TJsonReader::new(bytes))
}

fn tag(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "tf",
        Type::Byte => "i8",
        Type::I16 => "i16",
        Type::I32 => "i32",
        Type::I64 => "i64",
        Type::Double => "dbl",
        Type::String => "str",
        Type::Struct => "rec",
        Type::Map => "map",
        Type::Set => "set",
        Type::List => "lst",
    }
}

fn from_tag(tag: &str) -> Option<Type> {
    Some(match tag {
        "tf" => Type::Bool,
        "i8" => Type::Byte,
        "i16" => Type::I16,
        "i32" => Type::I32,
        "i64" => Type::I64,
        "dbl" => Type::Double,
        "str" => Type::String,
        "rec" => Type::Struct,
        "map" => Type::Map,
        "set" => Type::Set,
        "lst" => Type::List,
        _ => return None,
    })
}

/// Where the next value stands, and so what separates it from the last.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Inside `{"tag":` of a field: nothing before it.
    Field,
    /// An element of a list or of the message: a comma before it.
    Element,
    /// A map's key, quoted even when a number.
    Key { first: bool },
    /// A map's value.
    Value,
    /// A struct's fields.
    Struct { first: bool },
}

/// Writes a JSON string.
pub(crate) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if (c as u32) < 0x20 => {
                out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Writes TJSON.
#[derive(Default)]
pub(crate) struct TJsonWriter {
    pub(crate) bytes: Vec<u8>,
    places: Vec<Place>,
}

impl TJsonWriter {
    /// Starts the array of a message: everything after its first element is an element.
    pub(crate) fn message(&mut self, name: &str, kind: u8, sequence: i32) {
        self.bytes.extend_from_slice(b"[1,");
        quote(&mut self.bytes, name);
        self.bytes
            .extend_from_slice(format!(",{kind},{sequence}").as_bytes());
        self.places.push(Place::Element);
    }

    pub(crate) fn message_end(&mut self) {
        self.places.pop();
        self.bytes.push(b']');
    }

    /// Writes what separates the next value; says whether it has to be quoted.
    fn separate(&mut self) -> bool {
        match self.places.last_mut() {
            None | Some(Place::Field | Place::Struct { .. }) => false,
            Some(Place::Element) => {
                self.bytes.push(b',');
                false
            }
            Some(place @ Place::Key { .. }) => {
                if !matches!(place, Place::Key { first: true }) {
                    self.bytes.push(b',');
                }
                *place = Place::Value;
                true
            }
            Some(place @ Place::Value) => {
                *place = Place::Key { first: false };
                self.bytes.push(b':');
                false
            }
        }
    }
}

impl Writer for TJsonWriter {
    fn struct_begin(&mut self) {
        self.separate();
        self.bytes.push(b'{');
        self.places.push(Place::Struct { first: true });
    }
    fn struct_end(&mut self) {
        self.places.pop();
        self.bytes.push(b'}');
    }
    fn field_begin(&mut self, _name: &'static str, kind: Type, id: i16) {
        if let Some(Place::Struct { first }) = self.places.last_mut()
            && !std::mem::replace(first, false)
        {
            self.bytes.push(b',');
        }
        self.bytes
            .extend_from_slice(format!("\"{id}\":{{\"{}\":", tag(kind)).as_bytes());
        self.places.push(Place::Field);
    }
    fn field_end(&mut self) {
        self.places.pop();
        self.bytes.push(b'}');
    }
    fn sequence_begin(&mut self, _kind: Type, element: Type, len: usize) {
        self.separate();
        self.bytes
            .extend_from_slice(format!("[\"{}\",{len}", tag(element)).as_bytes());
        self.places.push(Place::Element);
    }
    fn sequence_end(&mut self) {
        self.places.pop();
        self.bytes.push(b']');
    }
    fn map_begin(&mut self, key: Type, value: Type, len: usize) {
        self.separate();
        self.bytes
            .extend_from_slice(format!("[\"{}\",\"{}\",{len},{{", tag(key), tag(value)).as_bytes());
        self.places.push(Place::Key { first: true });
    }
    fn map_end(&mut self) {
        self.places.pop();
        self.bytes.extend_from_slice(b"}]");
    }
    fn bool(&mut self, value: bool) {
        self.integer(Type::Bool, i64::from(value));
    }
    fn integer(&mut self, _kind: Type, value: i64) {
        let text = if self.separate() {
            format!("\"{value}\"")
        } else {
            value.to_string()
        };
        self.bytes.extend_from_slice(text.as_bytes());
    }
    fn double(&mut self, value: f64) {
        let quoted = self.separate() || !value.is_finite();
        let text = match value {
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            value => format!("{value:?}"),
        };
        let text = if quoted { format!("\"{text}\"") } else { text };
        self.bytes.extend_from_slice(text.as_bytes());
    }
    fn text(&mut self, value: &str) {
        self.separate();
        quote(&mut self.bytes, value);
    }
    fn bytes(&mut self, value: &[u8]) {
        self.separate();
        // Thrift writes base64 without padding.
        quote(&mut self.bytes, &STANDARD_NO_PAD.encode(value));
    }
    fn enumeration(&mut self, value: i32, _name: &'static str) {
        self.integer(Type::I32, i64::from(value));
    }
}

/// Reads TJSON from memory.
pub(crate) struct TJsonReader<'a> {
    input: &'a [u8],
    at: usize,
    places: Vec<Place>,
}

impl<'a> TJsonReader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        TJsonReader {
            input,
            at: 0,
            places: Vec::new(),
        }
    }

    fn fault(&self, what: &'static str) -> DecodeError {
        DecodeError::Malformed { at: self.at, what }
    }

    fn peek(&mut self) -> Result<u8, DecodeError> {
        while let Some(&byte) = self.input.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(DecodeError::Truncated { at: self.at })
    }

    fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.peek()? != byte {
            return Err(self.fault(match byte {
                b'{' => "expected '{'",
                b'}' => "expected '}'",
                b'[' => "expected '['",
                b']' => "expected ']'",
                b',' => "expected ','",
                b':' => "expected ':'",
                _ => "expected a quote",
            }));
        }
        self.at += 1;
        Ok(())
    }

    fn push(&mut self, place: Place) -> Result<(), DecodeError> {
        // Two places a level: the value itself and the field around it.
        if self.places.len() >= 2 * MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.places.push(place);
        Ok(())
    }

    fn separate(&mut self) -> Result<(), DecodeError> {
        match self.places.last().copied() {
            None | Some(Place::Field | Place::Struct { .. }) => Ok(()),
            Some(Place::Element) => self.expect(b','),
            Some(Place::Key { first }) => {
                if !first {
                    self.expect(b',')?;
                }
                self.replace(Place::Value);
                Ok(())
            }
            Some(Place::Value) => {
                self.replace(Place::Key { first: false });
                self.expect(b':')
            }
        }
    }

    fn replace(&mut self, place: Place) {
        if let Some(last) = self.places.last_mut() {
            *last = place;
        }
    }

    /// A JSON string, without what separates it.
    fn string(&mut self) -> Result<String, DecodeError> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            let byte = *self
                .input
                .get(self.at)
                .ok_or(DecodeError::Truncated { at: self.at })?;
            self.at += 1;
            match byte {
                b'"' => return Ok(String::from_utf8_lossy(&out).into_owned()),
                b'\\' => {
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                byte => out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let byte = *self
            .input
            .get(self.at)
            .ok_or(DecodeError::Truncated { at: self.at })?;
        self.at += 1;
        Ok(match byte {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(byte),
            b'u' => {
                let high = self.hex()?;
                if !(0xd800..0xdc00).contains(&high) {
                    return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if !self.input[self.at..].starts_with(b"\\u") {
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                self.at += 2;
                let low = self.hex()?;
                let code = 0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.fault("unknown escape in a string")),
        })
    }

    fn hex(&mut self) -> Result<u32, DecodeError> {
        let digits = self
            .input
            .get(self.at..self.at + 4)
            .ok_or(DecodeError::Truncated { at: self.at })?;
        let text = std::str::from_utf8(digits).map_err(|_| self.fault("bad \\u escape"))?;
        let code = u32::from_str_radix(text, 16).map_err(|_| self.fault("bad \\u escape"))?;
        self.at += 4;
        Ok(code)
    }

    /// A number's text, quoted (as a map's key, or a special double) or not.
    fn number(&mut self) -> Result<String, DecodeError> {
        if self.peek()? == b'"' {
            return self.string();
        }
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.input.get(self.at) {
            self.at += 1;
        }
        Ok(String::from_utf8_lossy(&self.input[start..self.at]).into_owned())
    }

    fn raw_integer(&mut self) -> Result<i64, DecodeError> {
        let text = self.number()?;
        text.parse()
            .map_err(|_| self.fault("expected a whole number"))
    }

    fn kind(&mut self) -> Result<Type, DecodeError> {
        let text = self.string()?;
        from_tag(&text).ok_or_else(|| self.fault("unknown type tag"))
    }

    fn len(&mut self) -> Result<usize, DecodeError> {
        let at = self.at;
        let length = self.raw_integer()?;
        match usize::try_from(length) {
            Ok(len) if len <= self.input.len() - self.at => Ok(len),
            _ => Err(DecodeError::Length { at, length }),
        }
    }

    /// Reads `[1,"name",type,sequence` of a message.
    pub(crate) fn message(&mut self) -> Result<(String, u8, i32), DecodeError> {
        self.expect(b'[')?;
        if self.raw_integer()? != 1 {
            return Err(self.fault("expected protocol version 1"));
        }
        self.expect(b',')?;
        let name = self.string()?;
        self.expect(b',')?;
        let kind = self.raw_integer()?;
        self.expect(b',')?;
        let sequence = self.raw_integer()?;
        self.push(Place::Element)?;
        let kind = u8::try_from(kind).map_err(|_| self.fault("unknown message type"))?;
        // Clients count calls in whatever width they like; only the low half is echoed.
        Ok((name, kind, sequence as i32))
    }
}

impl Reader for TJsonReader<'_> {
    fn struct_begin(&mut self) -> Result<(), DecodeError> {
        self.separate()?;
        self.expect(b'{')?;
        self.push(Place::Struct { first: true })
    }
    fn field_begin(&mut self, _fields: &[Field]) -> Result<Option<(i16, Type)>, DecodeError> {
        if self.peek()? == b'}' {
            self.at += 1;
            self.places.pop();
            return Ok(None);
        }
        if self.places.last() == Some(&Place::Struct { first: false }) {
            self.expect(b',')?;
        }
        self.replace(Place::Struct { first: false });
        let id = self.string()?;
        let id = id
            .parse()
            .map_err(|_| self.fault("expected a field id as key"))?;
        self.expect(b':')?;
        self.expect(b'{')?;
        let kind = self.kind()?;
        self.expect(b':')?;
        self.push(Place::Field)?;
        Ok(Some((id, kind)))
    }
    fn field_end(&mut self) -> Result<(), DecodeError> {
        self.places.pop();
        self.expect(b'}')
    }
    fn sequence_begin(&mut self, _expected: Option<Type>) -> Result<(Type, usize), DecodeError> {
        self.separate()?;
        self.expect(b'[')?;
        let kind = self.kind()?;
        self.expect(b',')?;
        let len = self.len()?;
        self.push(Place::Element)?;
        Ok((kind, len))
    }
    fn sequence_end(&mut self) -> Result<(), DecodeError> {
        self.places.pop();
        self.expect(b']')
    }
    fn map_begin(
        &mut self,
        _expected: Option<(Type, Type)>,
    ) -> Result<(Option<(Type, Type)>, usize), DecodeError> {
        self.separate()?;
        self.expect(b'[')?;
        let key = self.kind()?;
        self.expect(b',')?;
        let value = self.kind()?;
        self.expect(b',')?;
        let len = self.len()?;
        self.expect(b',')?;
        self.expect(b'{')?;
        self.push(Place::Key { first: true })?;
        Ok((Some((key, value)), len))
    }
    fn map_end(&mut self) -> Result<(), DecodeError> {
        self.places.pop();
        self.expect(b'}')?;
        self.expect(b']')
    }
    fn bool(&mut self) -> Result<bool, DecodeError> {
        self.separate()?;
        // Some libraries write the JSON literals.
        for (text, value) in [(&b"true"[..], true), (b"false", false)] {
            self.peek()?;
            if self.input[self.at..].starts_with(text) {
                self.at += text.len();
                return Ok(value);
            }
        }
        Ok(self.raw_integer()? != 0)
    }
    fn integer(&mut self, _kind: Type) -> Result<i64, DecodeError> {
        self.separate()?;
        self.raw_integer()
    }
    fn double(&mut self) -> Result<f64, DecodeError> {
        self.separate()?;
        let text = self.number()?;
        match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text.parse().map_err(|_| self.fault("expected a number")),
        }
    }
    fn text(&mut self) -> Result<String, DecodeError> {
        self.separate()?;
        self.string()
    }
    fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        self.separate()?;
        let text = self.string()?;
        STANDARD_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| self.fault("expected base64"))
    }
    fn skip(&mut self, kind: Type) -> Result<(), DecodeError> {
        match kind {
            Type::Bool => self.bool().map(drop),
            Type::Byte | Type::I16 | Type::I32 | Type::I64 => self.integer(kind).map(drop),
            Type::Double => self.double().map(drop),
            Type::String => self.text().map(drop),
            Type::Struct => {
                self.struct_begin()?;
                while let Some((_, kind)) = self.field_begin(&[])? {
                    self.skip(kind)?;
                    self.field_end()?;
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
        self.fault("a value of another type than the schema's")
    }
}

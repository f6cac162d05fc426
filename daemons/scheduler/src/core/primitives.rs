//! How ops and snapshots write and read numbers, texts and what is made of them.
//!
//! Integers are little-endian base-128 (signed ones zigzag), texts and nested Thrift values carry their length.

use std::sync::Arc;

use aurora_api::binary;
use aurora_api::model::ScheduleStatus;
use aurora_api::wire::Wire;

use super::codec::CodecError;

/// Writes primitives.
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
}

impl Out {
    pub(crate) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(crate) fn blob(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.blob(value.as_bytes());
    }

    pub(crate) fn thrift<T: Wire>(&mut self, value: &T) {
        self.blob(&binary::encode(value));
    }

    pub(crate) fn status(&mut self, value: ScheduleStatus) {
        // All numbers are below 128.
        self.byte(value as i32 as u8);
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Out, T)) {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                write(self, value);
            }
        }
    }
}

/// Reads primitives.
pub(crate) struct In<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> In<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> In<'a> {
        In { bytes, at: 0 }
    }

    pub(crate) fn fault(&self, what: &'static str) -> CodecError {
        CodecError::Malformed { at: self.at, what }
    }

    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.fault("more bytes than values"))
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        let byte = *self.bytes.get(self.at).ok_or(CodecError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("a number of more than 64 bits"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn int(&mut self) -> Result<i32, CodecError> {
        let value = self.signed()?;
        i32::try_from(value).map_err(|_| self.fault("a number of more than 32 bits"))
    }

    /// A count of things that take at least one byte each, so that a false count cannot ask for much memory.
    pub(crate) fn count(&mut self) -> Result<usize, CodecError> {
        let count = self.number()?;
        let left = self.bytes.len() - self.at;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= left)
            .ok_or(CodecError::Truncated)
    }

    pub(crate) fn blob(&mut self) -> Result<&'a [u8], CodecError> {
        let len = self.count()?;
        let blob = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(blob)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, CodecError> {
        let blob = self.blob()?;
        std::str::from_utf8(blob).map_err(|_| self.fault("a text that is not UTF-8"))
    }

    pub(crate) fn shared(&mut self) -> Result<Arc<str>, CodecError> {
        Ok(Arc::from(self.text()?))
    }

    pub(crate) fn thrift<T: Wire>(&mut self) -> Result<T, CodecError> {
        Ok(binary::decode(self.blob()?)?)
    }

    pub(crate) fn status(&mut self) -> Result<ScheduleStatus, CodecError> {
        let number = self.byte()?;
        ScheduleStatus::from_number(i32::from(number))
            .ok_or_else(|| self.fault("a task state that is not known"))
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut In<'a>) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.fault("an option that is neither there nor not")),
        }
    }
}

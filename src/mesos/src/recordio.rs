//! RecordIO: a decimal length, a line feed, then that many bytes; nothing between records.
//!
//! HTTP chunks have nothing to do with records: one may span several chunks, and a chunk may hold several.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest length that is read: 20 digits hold every `u64`.
const LENGTH_DIGITS: usize = 20;

/// Why a stream of records cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Something else than a number where a length belongs.
    #[error("not a record length: {0:?}")]
    Length(String),
    /// A record is longer than the reader allows.
    #[error("a record of {length} bytes exceeds the limit of {limit}")]
    TooLong {
        /// What was announced.
        length: u64,
        /// What is allowed.
        limit: usize,
    },
    /// The stream ended within a record.
    #[error("the stream ended within a record")]
    Truncated,
}

/// Frames one record.
pub fn encode(record: &[u8]) -> Bytes {
    let mut framed = Vec::with_capacity(record.len() + LENGTH_DIGITS + 1);
    framed.extend_from_slice(record.len().to_string().as_bytes());
    framed.push(b'\n');
    framed.extend_from_slice(record);
    framed.into()
}

/// Cuts a stream of bytes into records, however it was split on the way.
///
/// Empty lines before a length are skipped. After an error the stream is useless.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Of the record being collected, once its length was read.
    length: Option<usize>,
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses records longer than `limit` bytes before it takes memory for them.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            length: None,
            limit,
        }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole record, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`RecordError::Length`] and [`RecordError::TooLong`].
    pub fn next_record(&mut self) -> Result<Option<Bytes>, RecordError> {
        let length = match self.length {
            Some(length) => length,
            None => match self.read_length()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.length = None;
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// To be called at the end of the stream.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] when bytes of an unfinished record are left.
    pub fn finish(&self) -> Result<(), RecordError> {
        if self.length.is_none() && self.buffer.iter().all(|byte| *byte == b'\n') {
            Ok(())
        } else {
            Err(RecordError::Truncated)
        }
    }

    fn read_length(&mut self) -> Result<Option<usize>, RecordError> {
        let blank = self
            .buffer
            .iter()
            .take_while(|byte| **byte == b'\n')
            .count();
        self.buffer.advance(blank);
        let line = self
            .buffer
            .iter()
            .take(LENGTH_DIGITS + 1)
            .position(|byte| *byte == b'\n');
        let digits = &self.buffer[..line.unwrap_or(self.buffer.len().min(LENGTH_DIGITS + 1))];
        if digits.len() > LENGTH_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
            return Err(RecordError::Length(
                String::from_utf8_lossy(digits).into_owned(),
            ));
        }
        let Some(end) = line else { return Ok(None) };
        // Twenty digits can still be more than a u64 holds.
        let length = std::str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(|| RecordError::Length(String::from_utf8_lossy(digits).into_owned()))?;
        self.buffer.advance(end + 1);
        match usize::try_from(length) {
            Ok(length) if length <= self.limit => Ok(Some(length)),
            _ => Err(RecordError::TooLong {
                length,
                limit: self.limit,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(chunks: &[&[u8]], limit: usize) -> Result<Vec<Bytes>, RecordError> {
        let mut decoder = Decoder::new(limit);
        let mut records = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(record) = decoder.next_record()? {
                records.push(record);
            }
        }
        decoder.finish()?;
        Ok(records)
    }

    #[test]
    fn frames_count_bytes_not_characters() {
        assert_eq!(&encode("hé".as_bytes())[..], b"3\nh\xc3\xa9");
        assert_eq!(&encode(b"")[..], b"0\n");
    }

    #[test]
    fn odd_streams() {
        type Chunks<'a> = &'a [&'a [u8]];
        let cases: &[(Chunks<'_>, Result<Chunks<'_>, RecordError>)] = &[
            (&[b"3\nabc2\nde"], Ok(&[b"abc", b"de"])),
            (&[b"\n\n3", b"\n", b"ab", b"c\n"], Ok(&[b"abc"])),
            (&[b"0\n1\nx"], Ok(&[b"", b"x"])),
            (&[b"3\nab"], Err(RecordError::Truncated)),
            (&[b"3"], Err(RecordError::Truncated)),
            (&[b"x"], Err(RecordError::Length("x".into()))),
            (&[b"-1\n"], Err(RecordError::Length("-1".into()))),
            (&[b"3 \nabc"], Err(RecordError::Length("3 ".into()))),
            (
                &[b"11\n"],
                Err(RecordError::TooLong {
                    length: 11,
                    limit: 10,
                }),
            ),
            (
                &[b"99999999999999999999\n"],
                Err(RecordError::Length("99999999999999999999".into())),
            ),
            (
                &[b"000000000000000000000001\n"],
                Err(RecordError::Length("000000000000000000000".into())),
            ),
        ];
        for (chunks, expected) in cases {
            let expected: Result<Vec<Bytes>, RecordError> = expected
                .clone()
                .map(|records| records.iter().map(|r| Bytes::copy_from_slice(r)).collect());
            assert_eq!(decode(chunks, 10), expected, "{chunks:?}");
        }
    }

    proptest! {
        /// Whatever the records and wherever the stream is cut, the same records come out.
        #[test]
        fn any_split_gives_the_same_records(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1usize..12, 1..60),
        ) {
            let stream: Vec<u8> = records.iter().flat_map(|record| encode(record)).collect();
            let mut chunks = Vec::new();
            let mut rest = stream.as_slice();
            let mut sizes = cuts.iter().cycle();
            while !rest.is_empty() {
                let size = (*sizes.next().expect("a cycle of at least one")).min(rest.len());
                chunks.push(&rest[..size]);
                rest = &rest[size..];
            }
            let decoded = decode(&chunks, 40).expect("well-formed");
            prop_assert_eq!(decoded.iter().map(|r| r.to_vec()).collect::<Vec<_>>(), records);
        }

        /// Garbage is refused or waited for, and never makes the decoder panic.
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(50);
            decoder.push(&bytes);
            while let Ok(Some(record)) = decoder.next_record() {
                prop_assert!(record.len() <= 50);
            }
        }
    }
}

//! Lines out of chunks.

use std::io::{self, Write};

use flate2::write::GzDecoder;

/// Cuts a stream of chunks into lines of at most `limit` bytes.
pub(crate) struct Lines {
    rest: Vec<u8>,
    /// Where the next line begins in `rest`.
    start: usize,
    /// How much of `rest` has been searched for a line's end.
    seen: usize,
    limit: usize,
}

/// A line is longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl Lines {
    pub(crate) fn new(limit: usize) -> Lines {
        Lines {
            rest: Vec::new(),
            start: 0,
            seen: 0,
            limit,
        }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.rest.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.rest.extend_from_slice(chunk);
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        match self.rest[self.seen..]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            Some(at) => {
                let end = self.seen + at;
                let mut line = self.rest[self.start..end].to_vec();
                self.start = end + 1;
                self.seen = self.start;
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                Ok(Some(line))
            }
            None if self.rest.len() - self.start > self.limit => Err(LineTooLong),
            None => {
                self.seen = self.rest.len();
                Ok(None)
            }
        }
    }
}

/// How the chunks of a stream are encoded.
pub(crate) enum Encoding {
    /// As they are.
    Plain,
    /// By gzip, flushed after each piece.
    Gzip(Box<GzDecoder<Vec<u8>>>),
}

impl Encoding {
    /// Of a `Content-Encoding`.
    pub(crate) fn named(name: &[u8]) -> Encoding {
        match name {
            b"gzip" => Encoding::Gzip(Box::new(GzDecoder::new(Vec::new()))),
            _ => Encoding::Plain,
        }
    }

    /// Decodes a chunk.
    pub(crate) fn push(&mut self, chunk: &[u8], lines: &mut Lines) -> io::Result<()> {
        match self {
            Encoding::Plain => lines.push(chunk),
            Encoding::Gzip(decoder) => {
                // In small parts, so that what comes out of one is bounded.
                for part in chunk.chunks(4096) {
                    decoder.write_all(part)?;
                    decoder.flush()?;
                    lines.push(decoder.get_ref());
                    decoder.get_mut().clear();
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_across_chunks() {
        let mut lines = Lines::new(8);
        lines.push(b"ab");
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"c\r\n\nd");
        assert_eq!(lines.next(), Ok(Some(b"abc".to_vec())));
        assert_eq!(lines.next(), Ok(Some(Vec::new())));
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"12345678");
        assert_eq!(lines.next(), Err(LineTooLong));
    }
}

//! Lines out of chunks.

/// Cuts a stream of chunks into lines of at most `limit` bytes.
pub(crate) struct Lines {
    rest: Vec<u8>,
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
            seen: 0,
            limit,
        }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
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
                let mut line: Vec<u8> = self.rest.drain(..=end).collect();
                self.seen = 0;
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                Ok(Some(line))
            }
            None if self.rest.len() > self.limit => Err(LineTooLong),
            None => {
                self.seen = self.rest.len();
                Ok(None)
            }
        }
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

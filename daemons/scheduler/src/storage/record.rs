//! How records lie in a segment.
//!
//! ```text
//! segment:  "AURLOG01"  id u64  first-index u64  crc u32  0 u32      32 bytes, little-endian
//! record:   length u32  crc u32  term u64  index u64  payload
//! ```
//!
//! A record's checksum (CRC32C) covers the segment's id too, and each use of a segment has a new id: what an earlier use left
//! behind is never taken for a record. A length of zero with a checksum of zero is the end.

use std::io;

use super::disk::DiskFile;

pub(crate) const HEADER: u64 = 32;
pub(crate) const RECORD_HEADER: u64 = 24;
/// The largest payload. One transaction of 4,000 tasks is about a megabyte.
pub(crate) const MAX_PAYLOAD: u64 = 256 << 20;
const MAGIC: &[u8; 8] = b"AURLOG01";

/// What stands at the head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: u64,
    pub(crate) first: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<SegmentHeader> {
        let valid =
            bytes.get(..8)? == MAGIC && u32_at(bytes, 24)? == crc32c::crc32c(bytes.get(..24)?);
        valid.then_some(SegmentHeader {
            id: u64_at(bytes, 8)?,
            first: u64_at(bytes, 16)?,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) term: u64,
    pub(crate) index: u64,
    pub(crate) payload: Vec<u8>,
}

fn checksum(segment: u64, after_crc: &[&[u8]], length: u32) -> u32 {
    let mut crc = crc32c::crc32c(&segment.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &length.to_le_bytes());
    for part in after_crc {
        crc = crc32c::crc32c_append(crc, part);
    }
    crc
}

/// The bytes of a record in the segment of this id.
pub(crate) fn encode(segment: u64, term: u64, index: u64, payload: &[u8]) -> Vec<u8> {
    // `Wal::append` refuses more than MAX_PAYLOAD.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(RECORD_HEADER as usize + payload.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&term.to_le_bytes());
    bytes.extend_from_slice(&index.to_le_bytes());
    bytes.extend_from_slice(payload);
    let crc = checksum(segment, &[&bytes[8..]], length);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What is found at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole record; `end` is where the next one starts.
    Record { record: Record, end: u64 },
    /// Zeroes, or the end of the file.
    End,
    /// Something that is not a whole record.
    Broken,
}

/// Reads a segment through a window, so that a scan costs few calls.
pub(crate) struct Scanner<'a> {
    file: &'a dyn DiskFile,
    length: u64,
    segment: u64,
    window: Vec<u8>,
    start: u64,
}

const WINDOW: usize = 256 << 10;

impl<'a> Scanner<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, segment: u64) -> io::Result<Scanner<'a>> {
        Ok(Scanner {
            length: file.len()?,
            file,
            segment,
            window: Vec::new(),
            start: 0,
        })
    }

    /// `length` bytes at `at`, fewer at the file's end.
    fn bytes(&mut self, at: u64, length: u64) -> io::Result<&[u8]> {
        let end = (at + length).min(self.length);
        let at = at.min(end);
        if at < self.start || end > self.start + self.window.len() as u64 {
            let want = ((end - at) as usize).max(WINDOW);
            let want = want.min((self.length - at) as usize);
            self.window.resize(want, 0);
            let got = self.file.read_at(at, &mut self.window)?;
            self.window.truncate(got);
            self.start = at;
        }
        let from = (at - self.start) as usize;
        let to = ((end - self.start) as usize).min(self.window.len());
        Ok(&self.window[from.min(to)..to])
    }

    /// What stands at `at`.
    pub(crate) fn at(&mut self, at: u64) -> io::Result<Found> {
        let length = self.length;
        let segment = self.segment;
        let head = self.bytes(at, RECORD_HEADER)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(Found::End);
        }
        let (Some(payload), Some(crc), Some(term), Some(index)) = (
            u32_at(head, 0),
            u32_at(head, 4),
            u64_at(head, 8),
            u64_at(head, 16),
        ) else {
            return Ok(Found::Broken);
        };
        let end = at + RECORD_HEADER + u64::from(payload);
        if u64::from(payload) > MAX_PAYLOAD || end > length {
            return Ok(Found::Broken);
        }
        let whole = self.bytes(at, end - at)?;
        if whole.len() as u64 != end - at || checksum(segment, &[&whole[8..]], payload) != crc {
            return Ok(Found::Broken);
        }
        Ok(Found::Record {
            record: Record {
                term,
                index,
                payload: whole[RECORD_HEADER as usize..].to_vec(),
            },
            end,
        })
    }

    /// Whether a whole record of an index after `index` stands anywhere behind `at`: then what is broken at `at` is not the
    /// torn end of the log but damage inside it, since a record is written only when the one before is durable.
    pub(crate) fn later_record(&mut self, at: u64, index: u64) -> io::Result<Option<u64>> {
        let mut place = at + 1;
        while place + RECORD_HEADER <= self.length {
            let head = self.bytes(place, RECORD_HEADER)?;
            // The cheap test first: an index close behind the one that is missing.
            let plausible =
                u64_at(head, 16).is_some_and(|found| found > index && found - index <= 1 << 24);
            if plausible && let Found::Record { record, .. } = self.at(place)? {
                return Ok(Some(record.index));
            }
            place += 1;
        }
        Ok(None)
    }
}

//! The write-ahead log: records in segments of one directory.
//!
//! Segments are filled with zeroes ahead of use, in small steps, and used again after a snapshot: a flush then changes no
//! metadata of the file system. At most one record is not yet durable, so the end of the log is torn in one record at most.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::StorageError;
use super::disk::{Disk, DiskFile};
use super::record::{
    self, Found, HEADER, MAX_PAYLOAD, RECORD_HEADER, Record, Scanner, SegmentHeader,
};

/// Sizes.
#[derive(Clone, Debug)]
pub(crate) struct WalOptions {
    /// Bytes of the first segment of an empty log: small, since it is prepared while the scheduler starts.
    pub(crate) first_segment: u64,
    /// Bytes of the others.
    pub(crate) segment: u64,
    /// Bytes written at a time while a segment is prepared.
    pub(crate) step: usize,
    /// How many prepared segments are kept.
    pub(crate) spares: usize,
}

impl Default for WalOptions {
    fn default() -> Self {
        WalOptions {
            first_segment: 1 << 20,
            segment: 64 << 20,
            step: 512 << 10,
            spares: 1,
        }
    }
}

struct Segment {
    name: String,
    #[cfg(test)]
    first: u64,
    /// Index of its last record; `first - 1` when it has none.
    last: u64,
    size: u64,
}

struct Current {
    file: Box<dyn DiskFile>,
    id: u64,
    /// Where the next record goes.
    offset: u64,
}

struct Spare {
    name: String,
    size: u64,
}

struct Preparing {
    file: Box<dyn DiskFile>,
    number: u64,
    offset: u64,
    size: u64,
}

/// The log.
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    options: WalOptions,
    /// Oldest first; the last is the current one.
    segments: VecDeque<Segment>,
    current: Current,
    spares: Vec<Spare>,
    preparing: Option<Preparing>,
    next_id: u64,
    next_number: u64,
    next_index: u64,
    term: u64,
}

fn log_name(first: u64) -> String {
    format!("log-{first:020}")
}

fn spare_name(number: u64) -> String {
    format!("spare-{number:020}")
}

const PREPARING: &str = "preparing.tmp";

/// The number at the end of a name with this prefix.
pub(crate) fn number_of(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

fn io_error(doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> StorageError {
    let name = name.to_owned();
    move |source| StorageError::io(doing, name, source)
}

fn read_header(file: &dyn DiskFile) -> io::Result<(Option<SegmentHeader>, bool)> {
    let mut head = [0; HEADER as usize];
    let got = file.read_at(0, &mut head)?;
    let blank = got == head.len() && head.iter().all(|byte| *byte == 0);
    Ok((SegmentHeader::decode(&head[..got]), blank))
}

impl Wal {
    /// Opens the log and replays what follows `after` (the index that the snapshot in use stands at). Records come in order
    /// and without a gap. `newest_term` is the highest term known from elsewhere; the term of what is appended is one more
    /// than any seen.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        options: WalOptions,
        after: u64,
        newest_term: u64,
        mut replay: impl FnMut(Record) -> Result<(), StorageError>,
    ) -> Result<Wal, StorageError> {
        let mut logs = Vec::new();
        let mut spare_names = Vec::new();
        let mut removed = false;
        for name in disk
            .list()
            .map_err(io_error("list", "the state directory"))?
        {
            if let Some(first) = number_of(&name, "log-") {
                logs.push((first, name));
            } else if let Some(number) = number_of(&name, "spare-") {
                spare_names.push((number, name));
            } else if name == PREPARING {
                disk.remove(&name).map_err(io_error("remove", &name))?;
                removed = true;
            }
        }
        logs.sort_unstable();
        spare_names.sort_unstable();

        let mut next_id = 1;
        let mut next_number = spare_names.last().map_or(1, |(number, _)| number + 1);
        let mut spares = Vec::new();
        for (_, name) in spare_names {
            let file = disk.open(&name).map_err(io_error("open", &name))?;
            let (header, blank) = read_header(&*file).map_err(io_error("read", &name))?;
            let size = file.len().map_err(io_error("read", &name))?;
            if let Some(header) = header {
                next_id = next_id.max(header.id + 1);
            }
            // A header torn in the moment of reuse hides which ids the file has seen: such a file is not used again.
            if (header.is_some() || blank) && size >= options.segment {
                spares.push(Spare { name, size });
            } else {
                disk.remove(&name).map_err(io_error("remove", &name))?;
                removed = true;
            }
        }
        if removed {
            disk.sync_directory()
                .map_err(io_error("sync", "the state directory"))?;
        }

        let mut segments = VecDeque::new();
        let mut current = None;
        let mut term = newest_term;
        let mut previous_term = 0;
        let mut expected: Option<u64> = None;
        let count = logs.len();
        for (position, (first, name)) in logs.into_iter().enumerate() {
            let mut file = disk.open(&name).map_err(io_error("open", &name))?;
            let (header, _) = read_header(&*file).map_err(io_error("read", &name))?;
            let header = match header {
                Some(header) if header.first == first => header,
                _ => {
                    return Err(StorageError::damaged(
                        &name,
                        0,
                        "its header is not readable",
                    ));
                }
            };
            next_id = next_id.max(header.id + 1);
            let reached = *expected.get_or_insert(first);
            if first != reached {
                return Err(StorageError::Gap {
                    missing: reached,
                    found: first,
                });
            }
            if position == 0 && first > after + 1 {
                return Err(StorageError::Gap {
                    missing: after + 1,
                    found: first,
                });
            }
            let size = file.len().map_err(io_error("read", &name))?;
            let mut offset = HEADER;
            let mut next = first;
            let mut scanner = Scanner::new(&*file, header.id).map_err(io_error("read", &name))?;
            loop {
                match scanner.at(offset).map_err(io_error("read", &name))? {
                    Found::Record { record, end } => {
                        if record.index != next || record.term < previous_term {
                            return Err(StorageError::damaged(
                                &name,
                                offset,
                                "a record is out of order",
                            ));
                        }
                        previous_term = record.term;
                        term = term.max(record.term);
                        next += 1;
                        offset = end;
                        if record.index > after {
                            replay(record)?;
                        }
                    }
                    Found::End => break,
                    Found::Broken => {
                        let later = scanner
                            .later_record(offset, next)
                            .map_err(io_error("read", &name))?;
                        if later.is_some() {
                            return Err(StorageError::damaged(
                                &name,
                                offset,
                                "a record is damaged and others follow it",
                            ));
                        }
                        if position + 1 == count {
                            tracing::warn!(
                                file = name,
                                offset,
                                index = next,
                                "the log ends in a record that was being written when the scheduler stopped; it was not acknowledged and is dropped"
                            );
                        }
                        break;
                    }
                }
            }
            expected = Some(next);
            segments.push_back(Segment {
                name: name.clone(),
                #[cfg(test)]
                first,
                last: next - 1,
                size,
            });
            if position + 1 == count {
                // What was read may so far be in the system's memory only; nothing may rest on it before it is durable.
                file.sync().map_err(io_error("sync", &name))?;
                current = Some(Current {
                    file,
                    id: header.id,
                    offset,
                });
            }
        }

        let next_index = expected.unwrap_or(after + 1);
        if next_index <= after {
            return Err(StorageError::Gap {
                missing: next_index,
                found: after + 1,
            });
        }
        let current = match current {
            Some(current) => current,
            None => {
                let mut preparing = Preparing::start(&*disk, next_number, options.first_segment)?;
                next_number += 1;
                while !preparing.step(&*disk, options.step)? {}
                let spare = preparing.spare();
                let (segment, current) = enter(&*disk, &spare, next_id, next_index)?;
                next_id += 1;
                segments.push_back(segment);
                current
            }
        };
        Ok(Wal {
            disk,
            options,
            segments,
            current,
            spares,
            preparing: None,
            next_id,
            next_number,
            next_index,
            term: term + 1,
        })
    }

    /// The index that the next record gets.
    pub(crate) fn next_index(&self) -> u64 {
        self.next_index
    }

    /// The term of what is appended.
    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// Writes a record and makes it durable; its index.
    ///
    /// # Errors
    /// After an error nothing is known of the record, and the log must not be used any more.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<u64, StorageError> {
        let length = payload.len() as u64;
        if length == 0 || length > MAX_PAYLOAD {
            return Err(StorageError::TooLarge {
                length,
                limit: MAX_PAYLOAD,
            });
        }
        let needed = RECORD_HEADER + length;
        let size = self.segments.back().map_or(0, |segment| segment.size);
        if self.current.offset + needed > size {
            self.rotate(HEADER + needed)?;
        }
        let index = self.next_index;
        let bytes = record::encode(self.current.id, self.term, index, payload);
        let Some(segment) = self.segments.back_mut() else {
            return Err(StorageError::damaged("log", 0, "there is no segment"));
        };
        let file = &mut self.current.file;
        file.write_at(self.current.offset, &bytes)
            .map_err(io_error("write", &segment.name))?;
        file.sync().map_err(io_error("sync", &segment.name))?;
        self.current.offset += needed;
        segment.last = index;
        self.next_index += 1;
        Ok(index)
    }

    /// Does a little of the work for the next segment; whether there is more to do.
    pub(crate) fn prepare(&mut self) -> Result<bool, StorageError> {
        if let Some(mut preparing) = self.preparing.take() {
            if preparing.step(&*self.disk, self.options.step)? {
                self.spares.push(preparing.spare());
            } else {
                self.preparing = Some(preparing);
            }
            return Ok(true);
        }
        if self.spares.len() >= self.options.spares {
            return Ok(false);
        }
        self.preparing = Some(Preparing::start(
            &*self.disk,
            self.next_number,
            self.options.segment,
        )?);
        self.next_number += 1;
        Ok(true)
    }

    /// Goes on in a new segment that holds at least `needed` bytes.
    fn rotate(&mut self, needed: u64) -> Result<(), StorageError> {
        let spare = match self.spares.iter().position(|spare| spare.size >= needed) {
            Some(place) => self.spares.swap_remove(place),
            None => {
                let mut preparing = match self.preparing.take() {
                    Some(preparing) if preparing.size >= needed => preparing,
                    unfit => {
                        drop(unfit);
                        let number = self.next_number;
                        self.next_number += 1;
                        Preparing::start(&*self.disk, number, self.options.segment.max(needed))?
                    }
                };
                while !preparing.step(&*self.disk, self.options.step)? {}
                preparing.spare()
            }
        };
        let (segment, current) = enter(&*self.disk, &spare, self.next_id, self.next_index)?;
        self.next_id += 1;
        self.segments.push_back(segment);
        self.current = current;
        Ok(())
    }

    /// Gives up segments whose records all stand at `index` or before it.
    pub(crate) fn release(&mut self, index: u64) -> Result<(), StorageError> {
        let mut changed = false;
        while self.segments.len() > 1 && self.segments[0].last <= index {
            let Some(segment) = self.segments.pop_front() else {
                break;
            };
            let keep = segment.size == self.options.segment
                && self.spares.len() + usize::from(self.preparing.is_some())
                    < self.options.spares + 1;
            if keep {
                let name = spare_name(self.next_number);
                self.next_number += 1;
                self.disk
                    .rename(&segment.name, &name)
                    .map_err(io_error("rename", &segment.name))?;
                self.spares.push(Spare {
                    name,
                    size: segment.size,
                });
            } else {
                self.disk
                    .remove(&segment.name)
                    .map_err(io_error("remove", &segment.name))?;
            }
            // One at a time, so that what is left after a crash is always the newest part.
            self.disk
                .sync_directory()
                .map_err(io_error("sync", "the state directory"))?;
            changed = true;
        }
        if changed {
            tracing::debug!(
                index,
                segments = self.segments.len(),
                "old log segments given up"
            );
        }
        Ok(())
    }

    /// Bytes of all segments in use.
    pub(crate) fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// Index of the oldest record that is still there.
    #[cfg(test)]
    pub(crate) fn oldest(&self) -> u64 {
        self.segments.front().map_or(0, |segment| segment.first)
    }
}

/// Turns a spare into the segment that begins at `first`.
fn enter(
    disk: &dyn Disk,
    spare: &Spare,
    id: u64,
    first: u64,
) -> Result<(Segment, Current), StorageError> {
    let name = log_name(first);
    let mut file = disk
        .open(&spare.name)
        .map_err(io_error("open", &spare.name))?;
    let header = SegmentHeader { id, first };
    // The header is durable before the name is: a segment under its name is readable.
    file.write_at(0, &header.encode())
        .map_err(io_error("write", &spare.name))?;
    file.sync().map_err(io_error("sync", &spare.name))?;
    disk.rename(&spare.name, &name)
        .map_err(io_error("rename", &spare.name))?;
    disk.sync_directory()
        .map_err(io_error("sync", "the state directory"))?;
    let segment = Segment {
        name,
        #[cfg(test)]
        first,
        last: first - 1,
        size: spare.size,
    };
    let current = Current {
        file,
        id,
        offset: HEADER,
    };
    Ok((segment, current))
}

impl Preparing {
    fn start(disk: &dyn Disk, number: u64, size: u64) -> Result<Preparing, StorageError> {
        Ok(Preparing {
            file: disk
                .create(PREPARING)
                .map_err(io_error("create", PREPARING))?,
            number,
            offset: 0,
            size,
        })
    }

    /// Fills a little more with zeroes; true when the spare is there under its name.
    fn step(&mut self, disk: &dyn Disk, step: usize) -> Result<bool, StorageError> {
        let left = self.size - self.offset;
        let zeroes = vec![0; step.min(usize::try_from(left).unwrap_or(step))];
        self.file
            .write_at(self.offset, &zeroes)
            .map_err(io_error("write", PREPARING))?;
        // Small syncs: one large one would hold up the log's own for as long as it takes.
        self.file.sync().map_err(io_error("sync", PREPARING))?;
        self.offset += zeroes.len() as u64;
        if self.offset < self.size {
            return Ok(false);
        }
        let name = spare_name(self.number);
        disk.rename(PREPARING, &name)
            .map_err(io_error("rename", PREPARING))?;
        disk.sync_directory()
            .map_err(io_error("sync", "the state directory"))?;
        Ok(true)
    }

    fn spare(&self) -> Spare {
        Spare {
            name: spare_name(self.number),
            size: self.size,
        }
    }
}

//! Checkpoint streams: the file format shared with upstream's runner and observer
//! (aurora: `src/main/python/apache/thermos/common/ckpt.py`, twitter.common.recordio).
//!
//! A stream is a sequence of records, each a 4-byte big-endian length and that many bytes of a Thrift-binary
//! [`RunnerCkpt`]. A record is handed to the kernel in one write, without fsync: the stream has to outlive the process
//! that writes it, not the machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aurora_api::thermos::RunnerCkpt;

/// The longest record that is read or written, in bytes.
pub const MAX_RECORD: usize = 64 << 20;

/// How much is read from a stream at a time unless one record is longer.
const READ_STEP: usize = 32 << 10;

/// Why a stream cannot be read further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is missing or unreadable.
    #[error("cannot read the checkpoint stream {}", path.display())]
    Io {
        /// The stream.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A length above [`MAX_RECORD`]: not a checkpoint stream, or a damaged one.
    #[error("the record at byte {offset} of {} claims {length} bytes, more than the {MAX_RECORD} that a record may have", path.display())]
    TooLong {
        /// The stream.
        path: PathBuf,
        /// Where the record starts.
        offset: u64,
        /// The claimed length.
        length: u64,
    },
    /// The bytes of a whole record do not decode.
    #[error("the record at byte {offset} of {} is damaged: {reason}", path.display())]
    Damaged {
        /// The stream.
        path: PathBuf,
        /// Where the record starts.
        offset: u64,
        /// What the decoder said.
        reason: String,
    },
}

/// Reads a stream that may still be growing.
///
/// ```no_run
/// # use aurora_thermos::{checkpoint::Reader, state::RunnerState};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut reader = Reader::new("/root/checkpoints/task/runner");
/// let mut state = RunnerState::default();
/// while let Some(record) = reader.next()? {
///     state.apply(&record)?;
/// }
/// // Later: `reader.next()` goes on where the stream ended before.
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: Option<File>,
    /// Where the next record starts.
    offset: u64,
    /// Bytes of the file from `offset` on.
    buffer: Vec<u8>,
    /// How much of `buffer` is already consumed.
    consumed: usize,
}

impl Reader {
    /// A reader at the start of the stream. The file is opened at the first [`Reader::next`].
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::at(path, 0)
    }

    /// A reader that starts at `offset`, which must be where a record starts (see [`Reader::offset`]).
    #[must_use]
    pub fn at(path: impl Into<PathBuf>, offset: u64) -> Self {
        Self {
            path: path.into(),
            file: None,
            offset,
            buffer: Vec::new(),
            consumed: 0,
        }
    }

    /// A reader of a stream that was opened elsewhere; the path is for messages.
    #[must_use]
    pub fn of_file(path: impl Into<PathBuf>, file: File) -> Self {
        Self {
            file: Some(file),
            ..Self::new(path)
        }
    }

    /// The byte after the last record returned.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The stream's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a runner leads the stream (see [`Writer::lock`]); also when that cannot be told. A stream that nobody leads holds
    /// all that its last runner wrote. Asking takes the lock of a stream without a leader for a moment.
    #[must_use]
    pub fn is_led(&self) -> bool {
        let Some(file) = &self.file else { return true };
        let is_free = file.try_lock_shared().is_ok();
        if is_free && let Err(error) = file.unlock() {
            tracing::warn!(stream = %self.path.display(), %error, "cannot let go of a stream");
        }
        !is_free
    }

    /// The next whole record. `None` when the stream ends here, be it between records or inside one that is still being
    /// written (or was cut off): asking again later goes on from the same place.
    ///
    /// # Errors
    /// [`ReadError`]; the reader stays where it is, so that the same call reports the same damage.
    #[expect(
        clippy::should_implement_trait,
        reason = "not an iterator: it goes on after it has returned None"
    )]
    pub fn next(&mut self) -> Result<Option<RunnerCkpt>, ReadError> {
        if !self.have(4)? {
            return Ok(None);
        }
        let ahead = &self.buffer[self.consumed..];
        let length = u32::from_be_bytes([ahead[0], ahead[1], ahead[2], ahead[3]]) as usize;
        if length > MAX_RECORD {
            return Err(ReadError::TooLong {
                path: self.path.clone(),
                offset: self.offset,
                length: length as u64,
            });
        }
        if !self.have(4 + length)? {
            return Ok(None);
        }
        let body = &self.buffer[self.consumed + 4..self.consumed + 4 + length];
        let record = aurora_api::binary::decode(body).map_err(|error| ReadError::Damaged {
            path: self.path.clone(),
            offset: self.offset,
            reason: error.to_string(),
        })?;
        self.consumed += 4 + length;
        self.offset += 4 + length as u64;
        Ok(Some(record))
    }

    /// Makes `wanted` unconsumed bytes available, or drops the buffer and says that the file does not have them.
    fn have(&mut self, wanted: usize) -> Result<bool, ReadError> {
        let fault = |source| ReadError::Io {
            path: self.path.clone(),
            source,
        };
        if self.buffer.len() - self.consumed >= wanted {
            return Ok(true);
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path).map_err(fault)?),
        };
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        // The length is a claim by the file: memory is taken only for bytes that are there.
        let present = file
            .metadata()
            .map_err(fault)?
            .len()
            .saturating_sub(self.offset);
        if present < wanted as u64 {
            self.buffer = Vec::new();
            return Ok(false);
        }
        let target = wanted.max(READ_STEP.min(usize::try_from(present).unwrap_or(READ_STEP)));
        let mut filled = self.buffer.len();
        self.buffer.resize(target.max(filled), 0);
        while filled < self.buffer.len() {
            let read = match file.read_at(&mut self.buffer[filled..], self.offset + filled as u64) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(fault)?,
            };
            if read == 0 {
                break;
            }
            filled += read;
        }
        self.buffer.truncate(filled);
        if filled < wanted {
            self.buffer = Vec::new();
            return Ok(false);
        }
        Ok(true)
    }
}

/// Why a stream cannot be led or written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else holds the lock: another runner leads this task.
    #[error("the checkpoint stream {} is locked by another process", path.display())]
    Locked {
        /// The stream.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("cannot write the checkpoint stream {}", path.display())]
    Io {
        /// The stream.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The record is longer than [`MAX_RECORD`], for example because of a huge process name.
    #[error(
        "a checkpoint record of {length} bytes is longer than the {MAX_RECORD} that a record may have"
    )]
    TooLong {
        /// Its length.
        length: usize,
    },
}

/// Appends records to a stream that this process leads.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
}

impl Writer {
    /// Opens (creating it and its folder) and locks a stream for appending. The lock is `flock`: it lives as long as the
    /// open file, in whichever process that is.
    ///
    /// # Errors
    /// [`WriteError::Locked`] when another process leads the stream, [`WriteError::Io`] otherwise.
    pub fn lock(path: impl Into<PathBuf>) -> Result<Self, WriteError> {
        let path = path.into();
        Self::lock_called(&path, path.clone())
    }

    /// The same, called `path` in errors.
    pub(crate) fn lock_called(stream: &Path, path: PathBuf) -> Result<Self, WriteError> {
        let fault = |source| WriteError::Io {
            path: path.clone(),
            source,
        };
        if let Some(folder) = stream.parent() {
            std::fs::create_dir_all(folder).map_err(fault)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o644)
            .open(stream)
            .map_err(fault)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(WriteError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(WriteError::Io { path, source }),
        }
    }

    /// Takes over a stream that was opened and locked elsewhere.
    #[must_use]
    pub(crate) fn from_file(path: PathBuf, file: File) -> Self {
        Self { path, file }
    }

    /// The open file, to be handed to the process that goes on writing.
    #[must_use]
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// How long the stream is now, in bytes.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn len(&self) -> Result<u64, WriteError> {
        self.file
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(|source| self.fault(source))
    }

    /// Whether nothing was ever written.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn is_empty(&self) -> Result<bool, WriteError> {
        self.len().map(|length| length == 0)
    }

    /// Reads on to the end, and cuts off half a record there. A writer leaves one when it is killed while it writes, and
    /// readers would take what follows for the rest of it. A stream that is damaged otherwise stays as it is.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn mend(&mut self, reader: &mut Reader) -> Result<(), WriteError> {
        while let Ok(found) = reader.next() {
            if found.is_none() {
                return self.cut_to(reader.offset());
            }
        }
        Ok(())
    }

    fn cut_to(&mut self, end: u64) -> Result<(), WriteError> {
        let length = self.len()?;
        if length <= end {
            return Ok(());
        }
        tracing::info!(path = %self.path.display(), bytes = length - end, "cutting off half a checkpoint record");
        self.file.set_len(end).map_err(|source| self.fault(source))
    }

    /// Appends one record. After a failed write (a full disk) the stream is cut back to where it was, so that later
    /// records do not follow half of this one.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&mut self, record: &RunnerCkpt) -> Result<(), WriteError> {
        let body = aurora_api::binary::encode(record);
        if body.len() > MAX_RECORD {
            return Err(WriteError::TooLong { length: body.len() });
        }
        let mut framed = Vec::with_capacity(4 + body.len());
        framed.extend_from_slice(&(body.len() as u32).to_be_bytes());
        framed.extend_from_slice(&body);
        let before = self.len()?;
        self.file.write_all(&framed).map_err(|source| {
            if let Err(error) = self.file.set_len(before) {
                tracing::error!(path = %self.path.display(), %error, "cannot cut off half a checkpoint record");
            }
            self.fault(source)
        })
    }

    fn fault(&self, source: io::Error) -> WriteError {
        WriteError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::thermos::{ProcessState, ProcessStatus, TaskState, TaskStatus};

    /// A record that upstream's runner wrote.
    const UPSTREAM: &str =
        "00000025 0c0003 08000100000000 0a0002000001a204f62ed1 08000300003ff9 08000400000000 00 00";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn active() -> RunnerCkpt {
        RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(TaskState::Active),
            timestamp_ms: Some(1_795_379_572_433),
            runner_pid: Some(16_377),
            runner_uid: Some(0),
        })
    }

    fn waiting(seq: i64) -> RunnerCkpt {
        RunnerCkpt::ProcessStatus(ProcessStatus {
            seq: Some(seq),
            process: Some("p".into()),
            state: Some(ProcessState::Waiting),
            ..ProcessStatus::default()
        })
    }

    #[test]
    fn the_bytes_are_upstreams() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/runner");
        let mut writer = Writer::lock(&path).unwrap();
        assert!(writer.is_empty().unwrap());
        writer.write(&active()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes(UPSTREAM));
        let mut reader = Reader::new(&path);
        assert_eq!(reader.next().unwrap(), Some(active()));
        assert_eq!((reader.offset(), reader.next().unwrap()), (4 + 0x25, None));
    }

    #[test]
    fn headers_of_old_runners_are_read() {
        // RunnerCkpt.runner_header with task_id "t", launch_time_ms 1, sandbox "/s", hostname "h", user "u" and nothing else.
        let body = bytes(
            "0c0001 0b0001 00000001 74 0a0002 0000000000000001 0b0003 00000002 2f73 0b0004 00000001 68 \
             0b0005 00000001 75 00 00",
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        let mut stream = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        stream.extend(body);
        std::fs::write(&path, stream).unwrap();
        let Some(RunnerCkpt::RunnerHeader(header)) = Reader::new(&path).next().unwrap() else {
            panic!("no header");
        };
        assert_eq!(header.user.as_deref(), Some("u"));
        assert_eq!(header.sandbox.as_deref(), Some("/s"));
        assert_eq!(
            (header.uid, header.log_dir, header.ports),
            (None, None, None)
        );
    }

    #[test]
    fn a_growing_stream_is_read_as_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        let mut writer = Writer::lock(&path).unwrap();
        let mut reader = Reader::new(&path);
        for seq in 0..2_000 {
            writer.write(&waiting(seq)).unwrap();
            if seq % 7 == 0 {
                while reader.next().unwrap().is_some() {}
                assert_eq!(reader.offset(), writer.len().unwrap());
            }
        }
        let mut again = Reader::new(&path);
        for seq in 0..2_000 {
            assert_eq!(again.next().unwrap(), Some(waiting(seq)));
        }
        assert_eq!(again.next().unwrap(), None);
    }

    #[test]
    fn a_cut_off_tail_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        let record = bytes(UPSTREAM);
        for cut in 0..record.len() {
            let mut stream = record.clone();
            stream.extend_from_slice(&record[..cut]);
            std::fs::write(&path, &stream).unwrap();
            let mut reader = Reader::new(&path);
            assert_eq!(reader.next().unwrap(), Some(active()), "cut at {cut}");
            assert_eq!(reader.next().unwrap(), None, "cut at {cut}");
            stream.extend_from_slice(&record[cut..]);
            std::fs::write(&path, &stream).unwrap();
            assert_eq!(reader.next().unwrap(), Some(active()), "cut at {cut}");
        }
    }

    #[test]
    fn damage_is_reported_and_costs_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        let mut reader = Reader::new(&path);
        assert!(
            matches!(reader.next(), Err(ReadError::Io { .. })),
            "a missing file"
        );
        for (stream, expected) in [
            ("ffffffff 00", "claims 4294967295 bytes"),
            ("04000001 00", "claims 67108865 bytes"),
            ("00000002 0c00", "the record at byte 0"),
            ("00000001 00", "the record at byte 0"),
        ] {
            std::fs::write(&path, bytes(stream)).unwrap();
            let mut reader = Reader::new(&path);
            let error = reader.next().unwrap_err().to_string();
            assert!(error.contains(expected), "{stream}: {error}");
            assert_eq!(
                reader.next().unwrap_err().to_string(),
                error,
                "the same again"
            );
        }
        // A length that the file does not have is only a record to come.
        std::fs::write(&path, bytes("03ffffff 00")).unwrap();
        assert!(Reader::new(&path).next().unwrap().is_none());
    }

    #[test]
    fn half_a_record_is_cut_off_before_the_next_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        let record = bytes(UPSTREAM);
        for cut in 0..record.len() {
            std::fs::write(&path, [&record[..], &record[..cut]].concat()).unwrap();
            let mut writer = Writer::lock(&path).unwrap();
            writer.mend(&mut Reader::new(&path)).unwrap();
            writer.write(&active()).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), record.repeat(2), "at {cut}");
        }
        // What a reader cannot pass is not half a record: nothing of it is lost.
        let damaged = [&record[..], &bytes("00000001 00"), &record].concat();
        std::fs::write(&path, &damaged).unwrap();
        let mut writer = Writer::lock(&path).unwrap();
        writer.mend(&mut Reader::new(&path)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_upset_the_reader(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..200), records in 0..3_usize) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("runner");
            let mut stream = bytes(UPSTREAM).repeat(records);
            stream.extend_from_slice(&noise);
            std::fs::write(&path, &stream).unwrap();
            let mut reader = Reader::new(&path);
            for _ in 0..records {
                proptest::prop_assert_eq!(reader.next().unwrap(), Some(active()));
            }
            let mut state = crate::state::RunnerState::default();
            while let Ok(Some(record)) = reader.next() {
                // Whether it fits does not matter, only that it does no harm.
                let _ = state.apply(&record);
            }
            proptest::prop_assert!(reader.offset() <= stream.len() as u64);
        }
    }

    #[test]
    fn one_leads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        let first = Writer::lock(&path).unwrap();
        assert!(matches!(
            Writer::lock(&path),
            Err(WriteError::Locked { .. })
        ));
        drop(first);
        assert!(Writer::lock(&path).is_ok());
    }

    #[test]
    fn half_a_record_does_not_stay() {
        // /dev/full takes no byte; its length is zero before and after.
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut writer = Writer::from_file(PathBuf::from("/dev/full"), file);
        assert!(matches!(
            writer.write(&active()),
            Err(WriteError::Io { .. })
        ));
    }
}

//! Following a file or an output by its observer: its last part, and what is added.

use std::time::Duration;

use aurora_client::http::{HttpError, describe};
use aurora_client::observer::{Chunk, LogStream, Observer};
use aurora_tui_model::event::{Event, Seen, Start, WINDOW};

use super::{TROUBLE_PERIOD, seek};
use crate::data::{Events, now_ms, report};

const TAIL_PERIOD: Duration = Duration::from_millis(300);
const PIECE: i64 = 256 * 1024;
/// A file that gives nothing is looked at for having become shorter after this many empty reads.
const PROBE_EVERY: u32 = 5;
/// After this many full pieces in a row the end is looked for: the file may grow faster than it can be read.
const HURRY_EVERY: u32 = 16;
/// Who is farther behind than this goes on at the end, and says what was passed over.
const FARTHEST_BEHIND: u64 = 8 * WINDOW;
/// Events that may wait while more is read; each may hold a whole piece.
const MOST_WAITING: usize = 8;
const ROOM_PERIOD: Duration = Duration::from_millis(5);

/// Something that can be read in pieces, with the observer's conventions for offset and length.
pub(super) trait Read: Sync {
    fn read(
        &self,
        offset: i64,
        length: i64,
    ) -> impl Future<Output = Result<Option<Chunk>, HttpError>> + Send;
}

pub(super) struct Tailed {
    pub(super) observer: Observer,
    pub(super) task: String,
    pub(super) what: TailedWhat,
}

pub(super) enum TailedWhat {
    File(String),
    Log(String, i64, LogStream),
}

impl Read for Tailed {
    async fn read(&self, offset: i64, length: i64) -> Result<Option<Chunk>, HttpError> {
        match &self.what {
            TailedWhat::File(path) => {
                self.observer
                    .file_data(&self.task, path, offset, length)
                    .await
            }
            TailedWhat::Log(process, run, stream) => {
                self.observer
                    .log_data(&self.task, process, *run, *stream, offset, length)
                    .await
            }
        }
    }
}

/// Reads a file's last part and then what is added; or a window from a chosen place, and what is added when that is up to
/// the end.
pub(super) async fn tail(tailed: &impl Read, start: Start, generation: u64, events: &Events) {
    let mut window_end: Option<u64> = None;
    let mut offset: Option<u64> = None;
    let mut cut_first_line = false;
    let mut empty_reads = 0;
    let mut full_reads = 0;
    let mut in_trouble = false;
    loop {
        let hurry = full_reads >= HURRY_EVERY && window_end.is_none();
        if hurry {
            full_reads = 0;
        }
        if full_reads > 0 || hurry {
            room(events).await;
        }
        let step = next(tailed, offset, empty_reads >= PROBE_EVERY || hurry).await;
        let step = match (step, start) {
            (Ok(Step::Begin(size)), Start::Time(time) | Start::Before(time)) => {
                let found = seek::find(tailed, size, time, now_ms()).await;
                found.map(|begin| Step::Found(size, begin))
            }
            (step, _) => step,
        };
        let (seen, pause) = match step {
            Ok(Step::Absent) => (
                (!in_trouble).then(|| Seen::Absent("It is not there (yet).".to_owned())),
                Some(TAIL_PERIOD),
            ),
            Ok(Step::Begin(size) | Step::Found(size, _)) => {
                let begin = match (&step, start) {
                    (Ok(Step::Found(_, found)), Start::Before(_)) => found.saturating_sub(WINDOW),
                    (Ok(Step::Found(_, found)), _) => *found,
                    (_, Start::At(offset)) => offset.min(size),
                    _ => size.saturating_sub(WINDOW),
                };
                offset = Some(begin);
                // A chosen place is shown to the byte, so that windows side by side have everything.
                cut_first_line = matches!(start, Start::End | Start::Before(_)) && begin > 0;
                window_end = (start != Start::End && begin + WINDOW < size).then(|| begin + WINDOW);
                // An empty piece tells that the file is there.
                let nothing = Seen::Bytes {
                    offset: begin,
                    next: begin,
                    bytes: Vec::new(),
                };
                ((size == begin).then_some(nothing), None)
            }
            Ok(Step::Shrunk) => {
                offset = Some(0);
                empty_reads = 0;
                (Some(Seen::Truncated), None)
            }
            Ok(Step::Behind(end)) => {
                let from = offset.unwrap_or(0);
                offset = Some(end - WINDOW);
                cut_first_line = true;
                (Some(Seen::Missed(end - WINDOW - from)), None)
            }
            // It was only looked whether the file grows faster than it is read.
            Ok(Step::Nothing) if hurry => (None, None),
            Ok(Step::Nothing) => {
                empty_reads = if empty_reads >= PROBE_EVERY {
                    0
                } else {
                    empty_reads + 1
                };
                (None, Some(TAIL_PERIOD))
            }
            Ok(Step::More(mut chunk)) => {
                empty_reads = 0;
                let full = i64::try_from(chunk.length).is_ok_and(|length| length >= PIECE);
                if full {
                    leave_cut_character(tailed, &mut chunk).await;
                }
                offset = Some(chunk.offset.saturating_add(chunk.length));
                let mut bytes = chunk.data.into_bytes();
                let mut from = chunk.offset;
                if std::mem::take(&mut cut_first_line) {
                    let line = bytes
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(0, |at| at + 1);
                    bytes.drain(..line);
                    from += line as u64;
                }
                full_reads = if full { full_reads + 1 } else { 0 };
                (
                    Some(Seen::Bytes {
                        offset: from,
                        next: chunk.offset.saturating_add(chunk.length),
                        bytes,
                    }),
                    (!full).then_some(TAIL_PERIOD),
                )
            }
            Err(error) => (Some(Seen::Trouble(describe(&error))), Some(TROUBLE_PERIOD)),
        };
        if let Some(seen) = seen {
            in_trouble = matches!(seen, Seen::Trouble(_) | Seen::Absent(_));
            if !report(events, Event::Seen(generation, seen)).await {
                return;
            }
        }
        if window_end.is_some_and(|end| offset.is_some_and(|offset| offset >= end)) {
            match rest(tailed, offset.unwrap_or(0)).await {
                Some(rest) => {
                    report(events, Event::Seen(generation, Seen::Rest(rest))).await;
                    return;
                }
                // It cannot be told now: it is read on, which loses nothing.
                None => window_end = None,
            }
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

/// A character that a piece's end has cut in two is left for the next piece. Observers give text, in which its first part was
/// replaced: what begins shortly before the end is looked at.
async fn leave_cut_character(tailed: &impl Read, chunk: &mut Chunk) {
    const REPLACED: char = '\u{fffd}';
    if !chunk.data.ends_with(REPLACED) {
        return;
    }
    let end = chunk.offset.saturating_add(chunk.length);
    for before in 1..=3_u64 {
        let from = i64::try_from(end.saturating_sub(before)).unwrap_or(i64::MAX);
        let Ok(Some(looked)) = tailed.read(from, 4).await else {
            return;
        };
        let begins = looked.data.chars().next().filter(|c| *c != REPLACED);
        if begins.is_some_and(|c| c.len_utf8() as u64 > before) {
            chunk.data.pop();
            chunk.length -= before;
            return;
        }
    }
}

/// Waits until what was read before is taken in: what is read faster than it can be shown would only fill the memory.
async fn room(events: &Events) {
    while events.max_capacity() - events.capacity() > MOST_WAITING && !events.is_closed() {
        tokio::time::sleep(ROOM_PERIOD).await;
    }
}

/// How many bytes follow an offset.
async fn rest(tailed: &impl Read, offset: u64) -> Option<u64> {
    let end = tailed.read(-1, -1).await.ok()??;
    Some(end.offset.saturating_sub(offset)).filter(|rest| *rest > 0)
}

enum Step {
    Absent,
    /// It is of this size.
    Begin(u64),
    /// It is of this size, and what is wanted begins there.
    Found(u64, u64),
    /// Its end is this far, much farther than what was read.
    Behind(u64),
    Shrunk,
    Nothing,
    More(Chunk),
}

async fn next(tailed: &impl Read, offset: Option<u64>, probe: bool) -> Result<Step, HttpError> {
    if offset.is_none() || probe {
        return Ok(match (tailed.read(-1, -1).await?, offset) {
            (None, _) => Step::Absent,
            (Some(end), None) => Step::Begin(end.offset),
            (Some(end), Some(offset)) if end.offset < offset => Step::Shrunk,
            (Some(end), Some(offset)) if end.offset - offset > FARTHEST_BEHIND => {
                Step::Behind(end.offset)
            }
            (Some(_), Some(_)) => Step::Nothing,
        });
    }
    let from = i64::try_from(offset.unwrap_or(0)).unwrap_or(i64::MAX);
    Ok(match tailed.read(from, PIECE).await? {
        None => Step::Absent,
        Some(chunk) if chunk.length == 0 => Step::Nothing,
        Some(chunk) => Step::More(chunk),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// A file that changes as a script says, one step for each read.
    struct File {
        steps: Mutex<Vec<Vec<u8>>>,
    }

    impl Read for File {
        async fn read(&self, offset: i64, length: i64) -> Result<Option<Chunk>, HttpError> {
            Ok(self.piece(offset, length))
        }
    }

    impl File {
        fn piece(&self, offset: i64, length: i64) -> Option<Chunk> {
            let mut steps = self.steps.lock().unwrap();
            let content = if steps.len() > 1 {
                steps.remove(0)
            } else {
                steps[0].clone()
            };
            if offset < 0 {
                return Some(Chunk {
                    offset: content.len() as u64,
                    ..Chunk::default()
                });
            }
            let from = (offset as usize).min(content.len());
            let to = (from + length as usize).min(content.len());
            Some(Chunk {
                offset: offset as u64,
                length: (to - from) as u64,
                data: String::from_utf8_lossy(&content[from..to]).into_owned(),
            })
        }
    }

    async fn follow(steps: Vec<Vec<u8>>, wanted: usize) -> Vec<Seen> {
        follow_from(Start::End, steps, wanted).await
    }

    async fn follow_from(start: Start, steps: Vec<Vec<u8>>, wanted: usize) -> Vec<Seen> {
        let file = File {
            steps: Mutex::new(steps),
        };
        let (events, mut heard) = mpsc::channel(64);
        // A window that does not reach the end is read and that is all.
        let running = async {
            tail(&file, start, 7, &events).await;
            std::future::pending::<()>().await;
        };
        let listen = async {
            let mut out = Vec::new();
            while out.len() < wanted {
                match heard.recv().await {
                    Some(Event::Seen(7, seen)) => out.push(seen),
                    other => panic!("unexpected {other:?}"),
                }
            }
            out
        };
        // Virtual time: it passes at once when nothing can happen.
        tokio::select! {
            () = running => panic!("it ended by itself"),
            out = tokio::time::timeout(Duration::from_secs(60), listen) => out.expect("the pieces should have come"),
        }
    }

    fn bytes(offset: u64, text: &str) -> Seen {
        Seen::Bytes {
            offset,
            next: offset + text.len() as u64,
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_growing_file_is_followed() {
        let seen = follow(
            vec![
                b"a\n".to_vec(),
                b"a\n".to_vec(),
                b"a\n".to_vec(),
                b"a\nb\n".to_vec(),
            ],
            2,
        )
        .await;
        assert_eq!(seen, [bytes(0, "a\n"), bytes(2, "b\n")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_became_shorter_is_read_anew() {
        let mut steps = vec![b"long\n".to_vec(); 2];
        steps.extend(vec![b"x\n".to_vec()]);
        assert_eq!(
            follow(steps, 3).await,
            [bytes(0, "long\n"), Seen::Truncated, bytes(0, "x\n")]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_file_begins_with_a_whole_line() {
        let mut content = vec![b'x'; WINDOW as usize];
        content.extend(b"y\nlast\n");
        let seen = follow(vec![content], 4).await;
        let total: usize = seen
            .iter()
            .map(|seen| match seen {
                Seen::Bytes { bytes, .. } => bytes.len(),
                _ => 0,
            })
            .sum();
        assert!(total <= WINDOW as usize);
        let Some(Seen::Bytes { bytes, .. }) = seen.last() else {
            panic!("{seen:?}")
        };
        assert!(bytes.ends_with(b"last\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_from_any_place_says_what_follows() {
        let content: Vec<u8> = (0..3 * WINDOW)
            .map(|at| b'a' + (at / WINDOW) as u8)
            .collect();
        let begin = WINDOW / 2;
        let pieces = (WINDOW / PIECE as u64) as usize;
        let seen = follow_from(Start::At(begin), vec![content.clone()], pieces + 1).await;
        let mut read = Vec::new();
        for piece in &seen[..pieces] {
            let Seen::Bytes {
                offset,
                next,
                bytes,
            } = piece
            else {
                panic!("{piece:?}")
            };
            assert_eq!(*offset, begin + read.len() as u64);
            read.extend_from_slice(bytes);
            assert_eq!(*next, begin + read.len() as u64);
        }
        let (from, to) = (begin as usize, (begin + WINDOW) as usize);
        assert_eq!(read, content[from..to]);
        assert_eq!(seen[pieces], Seen::Rest(3 * WINDOW - begin - WINDOW));
        // Near the end it goes on with what is added.
        let seen = follow_from(
            Start::At(2),
            vec![
                b"a\nb\n".to_vec(),
                b"a\nb\n".to_vec(),
                b"a\nb\nc\n".to_vec(),
            ],
            2,
        )
        .await;
        assert_eq!(seen, [bytes(2, "b\n"), bytes(4, "c\n")]);
        assert_eq!(
            follow_from(Start::At(99), vec![b"x".to_vec()], 1).await,
            [bytes(1, "")]
        );
    }

    /// A file that grows by 4 MiB with each read, that is far faster than it is read.
    struct Flood {
        size: Mutex<u64>,
    }

    impl Read for Flood {
        async fn read(&self, offset: i64, length: i64) -> Result<Option<Chunk>, HttpError> {
            let mut size = self.size.lock().unwrap();
            *size += 4 << 20;
            let Ok(from) = u64::try_from(offset) else {
                return Ok(Some(Chunk {
                    offset: *size,
                    ..Chunk::default()
                }));
            };
            let length = u64::try_from(length)
                .unwrap()
                .min(size.saturating_sub(from));
            Ok(Some(Chunk {
                offset: from,
                length,
                data: "x\n".repeat(usize::try_from(length / 2).unwrap()),
            }))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_loses_nothing_silently() {
        let file = Flood {
            size: Mutex::new(0),
        };
        let (events, mut heard) = mpsc::channel(1);
        let listen = async {
            let (mut begin, mut read, mut missed, mut end) = (None, 0, 0, None);
            for _ in 0..200 {
                match heard.recv().await {
                    Some(Event::Seen(7, Seen::Bytes { offset, next, .. })) => {
                        // The first line of what comes after a gap may be cut: it belongs to the gap.
                        let expected = end.unwrap_or(offset);
                        assert!(
                            offset == expected || offset == expected + 2,
                            "{offset} {expected}"
                        );
                        begin = begin.or(Some(offset));
                        read += next - expected;
                        end = Some(next);
                    }
                    Some(Event::Seen(7, Seen::Missed(bytes))) => {
                        missed += bytes;
                        end = end.map(|end| end + bytes);
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
            (read, missed, end.zip(begin).map(|(end, begin)| end - begin))
        };
        let (read, missed, end) = tokio::select! {
            () = tail(&file, Start::End, 7, &events) => panic!("it ended by itself"),
            found = listen => found,
        };
        assert!(missed > 100 << 20, "{missed}");
        assert_eq!(
            Some(read + missed),
            end,
            "every byte was read or is said to be missing"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_falls_behind_is_waited_for() {
        let file = Flood {
            size: Mutex::new(0),
        };
        let (events, heard) = mpsc::channel(4096);
        let running = tail(&file, Start::End, 7, &events);
        assert!(
            tokio::time::timeout(Duration::from_secs(60), running)
                .await
                .is_err()
        );
        assert!(
            (1..=MOST_WAITING + 1).contains(&heard.len()),
            "{}",
            heard.len()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_sparse_file_of_ten_gigabytes_opens_with_its_last_part() {
        use std::os::unix::fs::FileExt;

        /// A file on the disk, and how many bytes of it were read.
        struct Sparse(std::fs::File, Mutex<u64>);

        impl Read for Sparse {
            async fn read(&self, offset: i64, length: i64) -> Result<Option<Chunk>, HttpError> {
                let size = self.0.metadata().unwrap().len();
                let Ok(from) = u64::try_from(offset) else {
                    return Ok(Some(Chunk {
                        offset: size,
                        ..Chunk::default()
                    }));
                };
                let mut bytes = vec![0; usize::try_from(length).unwrap()];
                let read = self.0.read_at(&mut bytes, from).unwrap();
                *self.1.lock().unwrap() += read as u64;
                Ok(Some(Chunk {
                    offset: from,
                    length: read as u64,
                    data: String::from_utf8_lossy(&bytes[..read]).into_owned(),
                }))
            }
        }

        let file = tempfile::tempfile().unwrap();
        file.set_len(10 << 30).unwrap();
        file.write_all_at(b"\nlast line\n", (10 << 30) - 11)
            .unwrap();
        let file = Sparse(file, Mutex::new(0));
        let (events, mut heard) = mpsc::channel(64);
        let listen = async {
            loop {
                if let Some(Event::Seen(_, Seen::Bytes { bytes, .. })) = heard.recv().await
                    && bytes.ends_with(b"last line\n")
                {
                    return;
                }
            }
        };
        tokio::select! {
            () = tail(&file, Start::End, 7, &events) => panic!("it ended by itself"),
            () = listen => {}
        }
        assert!(*file.1.lock().unwrap() <= WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn a_character_is_not_cut_between_two_pieces() {
        // Each of one to three bytes of a character before the edge, and a byte that is none at all.
        for (before, character) in [
            (1, "\u{e9}".as_bytes()),
            (1, "\u{20ac}".as_bytes()),
            (2, "\u{20ac}".as_bytes()),
            (3, "\u{1f600}".as_bytes()),
            (1, b"\xff\xff"),
        ] {
            let mut content = vec![b'a'; PIECE as usize - before];
            content.extend(character);
            content.extend(b"z\n");
            let length = content.len() as u64;
            let expected = String::from_utf8_lossy(&content).into_owned();
            let seen = follow(vec![content], 2).await;
            let mut read = Vec::new();
            let mut end = 0;
            for piece in seen {
                let Seen::Bytes {
                    offset,
                    next,
                    bytes,
                } = piece
                else {
                    panic!("{piece:?}")
                };
                assert_eq!(offset, end);
                (end, read) = (next, [read, bytes].concat());
            }
            assert_eq!(end, length);
            assert_eq!(String::from_utf8(read).unwrap(), expected, "{character:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_file_is_there() {
        assert_eq!(follow(vec![Vec::new()], 1).await, [bytes(0, "")]);
    }
}

//! Watching things through a host's observer: again and again, until stopped.

use std::time::Duration;

use aurora_client::http::{HttpError, describe};
use aurora_client::observer::{Chunk, EntryKind, LogStream, Observer};
use aurora_client::scheduler::Scheduler;
use aurora_tui_model::event::{
    Event, FileEntry, FileKind, Process, Seen, Start, Stream, TaskInfo, Usage, WINDOW, Watch,
    WatchWhat,
};

use crate::data::{Events, report};

const TASK_PERIOD: Duration = Duration::from_secs(1);
const WHY_PERIOD: Duration = Duration::from_secs(2);
const DIRECTORY_PERIOD: Duration = Duration::from_secs(2);
const TAIL_PERIOD: Duration = Duration::from_millis(300);
const TROUBLE_PERIOD: Duration = Duration::from_secs(1);
const PIECE: i64 = 256 * 1024;
/// A file that gives nothing is looked at for having become shorter after this many empty reads.
const PROBE_EVERY: u32 = 5;

/// Watches until nobody listens.
pub(crate) async fn watch(observer: Observer, generation: u64, watch: Watch, events: Events) {
    let Watch { task, what, .. } = watch;
    match what {
        // The scheduler explains, not an observer.
        WatchWhat::Why => {}
        WatchWhat::Task => {
            poll(
                &Looked {
                    task,
                    at: LookedAt::Task(observer),
                },
                generation,
                &events,
                TASK_PERIOD,
            )
            .await
        }
        WatchWhat::Directory(path) => {
            poll(
                &Looked {
                    task,
                    at: LookedAt::Directory(observer, path),
                },
                generation,
                &events,
                DIRECTORY_PERIOD,
            )
            .await;
        }
        WatchWhat::File { path, start } => {
            tail(
                &Tailed {
                    observer,
                    task,
                    what: TailedWhat::File(path),
                },
                start,
                generation,
                &events,
            )
            .await;
        }
        WatchWhat::Log {
            process,
            run,
            stream,
            start,
        } => {
            let stream = match stream {
                Stream::Stdout => LogStream::Stdout,
                Stream::Stderr => LogStream::Stderr,
            };
            tail(
                &Tailed {
                    observer,
                    task,
                    what: TailedWhat::Log(process, run, stream),
                },
                start,
                generation,
                &events,
            )
            .await;
        }
    }
}

/// Something of a task that is looked at as a whole.
struct Looked {
    task: String,
    at: LookedAt,
}

enum LookedAt {
    /// Its processes.
    Task(Observer),
    /// A directory of its sandbox.
    Directory(Observer, String),
    /// Why it is as it is.
    Why(Scheduler),
}

impl Looked {
    async fn look(&self) -> Result<Seen, HttpError> {
        match &self.at {
            LookedAt::Task(observer) => look_at_task(observer, &self.task).await,
            LookedAt::Directory(observer, path) => {
                look_at_directory(observer, &self.task, path).await
            }
            LookedAt::Why(scheduler) => Ok(match scheduler.explain(&self.task).await? {
                Some(answer) => Seen::Why(answer),
                None => Seen::Absent("The scheduler does not know this task.".to_owned()),
            }),
        }
    }
}

/// Asks the scheduler again and again why a task is as it is.
pub(crate) async fn explain(scheduler: Scheduler, generation: u64, task: String, events: Events) {
    let looked = Looked {
        task,
        at: LookedAt::Why(scheduler),
    };
    poll(&looked, generation, &events, WHY_PERIOD).await;
}

/// Something that can be read in pieces, with the observer's conventions for offset and length.
trait Read: Sync {
    fn read(
        &self,
        offset: i64,
        length: i64,
    ) -> impl Future<Output = Result<Option<Chunk>, HttpError>> + Send;
}

struct Tailed {
    observer: Observer,
    task: String,
    what: TailedWhat,
}

enum TailedWhat {
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

/// Looks again and again; what did not change is not reported again.
async fn poll(looked: &Looked, generation: u64, events: &Events, period: Duration) {
    let mut last = None;
    loop {
        let (seen, pause) = match looked.look().await {
            Ok(seen) => (seen, period),
            Err(error) => (Seen::Trouble(describe(&error)), TROUBLE_PERIOD),
        };
        if last.as_ref() != Some(&seen) {
            if !report(events, Event::Seen(generation, seen.clone())).await {
                return;
            }
            last = Some(seen);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Reads a file's last part and then what is added; or a window from a chosen place, and what is added when that is up to
/// the end.
async fn tail(tailed: &impl Read, start: Start, generation: u64, events: &Events) {
    let mut window_end: Option<u64> = None;
    let mut offset: Option<u64> = None;
    let mut cut_first_line = false;
    let mut empty_reads = 0;
    let mut in_trouble = false;
    loop {
        let step = next(tailed, offset, empty_reads >= PROBE_EVERY).await;
        let (seen, pause) = match step {
            Ok(Step::Absent) => (
                (!in_trouble).then(|| Seen::Absent("It is not there (yet).".to_owned())),
                Some(TAIL_PERIOD),
            ),
            Ok(Step::Begin(size)) => {
                let begin = match start {
                    Start::End => size.saturating_sub(WINDOW),
                    Start::At(offset) => offset.min(size),
                };
                offset = Some(begin);
                // A chosen place is shown to the byte, so that windows side by side have everything.
                cut_first_line = start == Start::End && begin > 0;
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
            Ok(Step::Nothing) => {
                empty_reads = if empty_reads >= PROBE_EVERY {
                    0
                } else {
                    empty_reads + 1
                };
                (None, Some(TAIL_PERIOD))
            }
            Ok(Step::More(chunk)) => {
                empty_reads = 0;
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
                let full = i64::try_from(chunk.length).is_ok_and(|length| length >= PIECE);
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

/// How many bytes follow an offset.
async fn rest(tailed: &impl Read, offset: u64) -> Option<u64> {
    let end = tailed.read(-1, -1).await.ok()??;
    Some(end.offset.saturating_sub(offset)).filter(|rest| *rest > 0)
}

enum Step {
    Absent,
    Begin(u64),
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

fn milliseconds(seconds: Option<f64>) -> Option<i64> {
    // Seconds since 1970 with fractions; the cast saturates.
    seconds.map(|seconds| (seconds * 1000.0) as i64)
}

async fn look_at_task(observer: &Observer, id: &str) -> Result<Seen, HttpError> {
    let Some(task) = observer.task(id).await? else {
        return Ok(Seen::Absent(
            "The host's observer does not know this task (yet).".to_owned(),
        ));
    };
    let runs = observer.processes(id).await?;
    let defined = task
        .task
        .get("processes")
        .and_then(serde_json::Value::as_array);
    let text = |value: &serde_json::Value, name: &str| {
        value
            .get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    // In the order of the definition; a process that is only in the records comes after them.
    let mut names: Vec<(String, String)> = defined
        .into_iter()
        .flatten()
        .map(|process| (text(process, "name"), text(process, "cmdline")))
        .collect();
    for name in runs.keys() {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name.clone(), String::new()));
        }
    }
    let processes = names
        .into_iter()
        .map(|(name, cmdline)| match runs.get(&name) {
            None => Process {
                name,
                cmdline,
                state: "WAITING".to_owned(),
                run: -1,
                ..Process::default()
            },
            Some(run) => Process {
                state: run.state.clone(),
                run: run.process_run,
                start_ms: milliseconds(run.start_time),
                stop_ms: milliseconds(run.stop_time),
                return_code: run.return_code,
                used: run.used.as_ref().map(|used| Usage {
                    cpu: used.cpu,
                    ram: used.ram,
                }),
                name,
                cmdline,
            },
        })
        .collect();
    Ok(Seen::Task(TaskInfo {
        state: task.state,
        used: Usage {
            cpu: task.resource_consumption.cpu,
            ram: task.resource_consumption.ram,
        },
        processes,
    }))
}

async fn look_at_directory(observer: &Observer, id: &str, path: &str) -> Result<Seen, HttpError> {
    let Some(listing) = observer.browse(id, path).await? else {
        return Ok(Seen::Absent("There is no such directory (yet).".to_owned()));
    };
    let entries = listing
        .entries
        .into_iter()
        .map(|entry| FileEntry {
            permissions: entry.mode.as_ref().map_or_else(String::new, permissions),
            kind: match entry.kind {
                EntryKind::Dir => FileKind::Directory,
                EntryKind::File => FileKind::File,
                EntryKind::Link => FileKind::Link,
                EntryKind::Other => FileKind::Other,
            },
            name: entry.name,
            size: entry.size,
            modified_ms: entry.mtime_ms,
        })
        .collect();
    Ok(Seen::Directory(entries))
}

/// Permission bits as `ls -l` writes them, from a number or an octal text.
fn permissions(mode: &serde_json::Value) -> String {
    let bits = mode.as_u64().or_else(|| {
        mode.as_str()
            .and_then(|text| u64::from_str_radix(text, 8).ok())
    });
    let Some(bits) = bits else {
        return mode.as_str().unwrap_or_default().to_owned();
    };
    (0..9)
        .rev()
        .zip("rwxrwxrwx".chars())
        .map(|(bit, letter)| if bits >> bit & 1 == 1 { letter } else { '-' })
        .collect()
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

    #[tokio::test(start_paused = true)]
    async fn an_empty_file_is_there() {
        assert_eq!(follow(vec![Vec::new()], 1).await, [bytes(0, "")]);
    }

    #[test]
    fn permission_bits() {
        for (mode, text) in [
            (serde_json::json!(0o100_644), "rw-r--r--"),
            (serde_json::json!("750"), "rwxr-x---"),
            (serde_json::json!("-rw-------"), "-rw-------"),
        ] {
            assert_eq!(permissions(&mode), text);
        }
    }
}

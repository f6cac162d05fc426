//! Files, logs and directories of sandboxes.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_thermos::paths::run_log_dir;
use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue,
    RANGE,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::html::escape_markup;
use crate::registry::Task;
use crate::routes::{NO_TASK, Observer, ok};
use crate::sandbox::{self, PathError, Place};
use crate::tasks::merge;

/// The most bytes of a file in one answer.
const MAX_CHUNK: u64 = 16 << 20;
/// How much of a download is read at a time; twice that is in memory.
const DOWNLOAD_PIECE: u64 = 256 << 10;
/// A download of which nothing is taken for so long is given up.
const STALL: Duration = Duration::from_secs(60);
/// The media type of downloads.
const BYTES: &str = "application/octet-stream";

impl Observer {
    pub(crate) fn file_data(&self, id: &str, path: &[&str], request: &Request) -> Response {
        let Some(task) = self.task(id) else {
            return ok(&json!({}));
        };
        let Some(root) = task.sandbox() else {
            return ok(&json!({}));
        };
        chunk(root, Path::new(&path.join("/")), request)
    }

    pub(crate) fn log_data(
        &self,
        id: &str,
        process: &str,
        run: &str,
        kind: &str,
        request: &Request,
    ) -> Response {
        let Some(task) = self.task(id) else {
            return ok(&json!({}));
        };
        match log_place(&task, process, run, kind) {
            Some((logs, below)) => chunk(logs, &below, request),
            None => ok(&json!({})),
        }
    }

    /// `/download/ID/PATH`, all of it or the range asked for.
    pub(crate) fn download(&self, id: &str, path: &[&str], request: &Request) -> Response {
        let missing = |reason: &str| reply::text(StatusCode::NOT_FOUND, format!("{reason}\n"));
        let Some(task) = self.task(id) else {
            return reply::text(StatusCode::NOT_FOUND, NO_TASK);
        };
        let Some(root) = task.sandbox() else {
            return missing("The task has no sandbox.");
        };
        let opened = sandbox::open_file(root, Path::new(&path.join("/")))
            .and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return missing(&error.to_string()),
        };
        let wanted = request
            .headers
            .get(RANGE)
            .and_then(|value| value.to_str().ok());
        let (status, span) = match range(wanted, size) {
            Wanted::Whole => (StatusCode::OK, 0..size),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Nothing => {
                let mut refusal = reply::empty(StatusCode::RANGE_NOT_SATISFIABLE);
                set(&mut refusal, CONTENT_RANGE, &format!("bytes */{size}"));
                return refusal;
            }
        };
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let length = span.end - span.start;
        if status == StatusCode::PARTIAL_CONTENT {
            let text = format!("bytes {}-{}/{size}", span.start, span.end.saturating_sub(1));
            let mut response = reply::stream(status, BYTES, receiver);
            set(&mut response, CONTENT_RANGE, &text);
            return downloading(response, file, span, length, sender);
        }
        downloading(
            reply::stream(status, BYTES, receiver),
            file,
            span,
            length,
            sender,
        )
    }

    pub(crate) fn browse(&self, id: &str, path: &[&str]) -> Response {
        let refuse = |code: &str, message: &str| {
            reply::error(
                StatusCode::NOT_FOUND,
                code,
                message,
                "list the parent directory, or try again shortly",
            )
        };
        let Some(task) = self.task(id) else {
            return refuse("no-task", "there is no such task on this machine");
        };
        let Some(root) = task.sandbox() else {
            return refuse("no-sandbox", "the task has no sandbox");
        };
        let path = path.join("/");
        match sandbox::list(root, Path::new(&path)) {
            Ok((entries, more)) => ok(&json!({"path": path, "entries": entries, "more": more})),
            Err(error @ PathError::Outside) => refuse("outside", &error.to_string()),
            Err(error) => refuse("no-directory", &error.to_string()),
        }
    }
}

/// Where a log of a run is: below the task's directory of logs. Only the two outputs are logs.
pub(crate) fn log_place<'a>(
    task: &'a Task,
    process: &str,
    run: &str,
    kind: &str,
) -> Option<(Place<'a>, std::path::PathBuf)> {
    let run: usize = run.parse().ok()?;
    matches!(kind, "stdout" | "stderr").then_some(())?;
    let below = run_log_dir(Path::new(""), process, run).ok()?.join(kind);
    Some((task.logs()?, below))
}

/// Sends a piece of a file after the other. The length is announced, so a client notices when the file became shorter.
fn downloading(
    mut response: Response,
    file: File,
    span: Range<u64>,
    length: u64,
    sender: mpsc::Sender<Bytes>,
) -> Response {
    tokio::spawn(async move {
        if let Err(reason) = send(file, span, &sender, STALL).await {
            tracing::warn!(reason, "a download broke off");
        }
    });
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    set(&mut response, ACCEPT_RANGES, "bytes");
    set(&mut response, CONTENT_DISPOSITION, "attachment");
    response
}

/// Reads and sends while somebody takes it, at least a piece in each `stall`. A thread is borrowed for each piece and not for
/// the whole, because there are fewer threads than clients that may be slow.
async fn send(
    file: File,
    mut span: Range<u64>,
    sender: &mpsc::Sender<Bytes>,
    stall: Duration,
) -> Result<(), String> {
    let file = Arc::new(file);
    while !span.is_empty() {
        let room = match tokio::time::timeout(stall, sender.reserve()).await {
            Ok(Ok(room)) => room,
            Ok(Err(_gone)) => return Ok(()),
            Err(_) => return Err(format!("nothing was taken for {stall:?}")),
        };
        let (file, start) = (file.clone(), span.start);
        let limit = DOWNLOAD_PIECE.min(span.end - start);
        let read = tokio::task::spawn_blocking(move || {
            sandbox::read_chunk(&file, Some(start), Some(limit), limit)
        });
        let piece = read
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        if piece.bytes.is_empty() {
            return Ok(());
        }
        span.start += piece.bytes.len() as u64;
        room.send(piece.bytes.into());
    }
    Ok(())
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    /// A range that the file does not have.
    Nothing,
}

/// Reads a `Range`: one of bytes. Several ranges, and anything else, are answered with the whole, as RFC 9110 allows.
fn range(header: Option<&str>, size: u64) -> Wanted {
    let Some(text) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = text.split_once('-') else {
        return Wanted::Whole;
    };
    let part = match (first.trim(), last.trim()) {
        ("", last) => match last.parse::<u64>() {
            Ok(count) => size.saturating_sub(count)..size,
            Err(_) => return Wanted::Whole,
        },
        (first, "") => match first.parse::<u64>() {
            Ok(first) => first..size,
            Err(_) => return Wanted::Whole,
        },
        (first, last) => match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => first..size.min(last.saturating_add(1)),
            _ => return Wanted::Whole,
        },
    };
    if part.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(part)
    }
}

/// Answers with a piece of a file: `{"offset","length","data"}`, or `{}` when there is none to be had.
fn chunk(root: Place<'_>, below: &Path, request: &Request) -> Response {
    // -1, the default, is the end of the file for the offset and as much as there is for the length; 0 is a number.
    let number = |name: &str| match request.parameter(name).as_deref() {
        None | Some("") => Some(-1),
        Some(text) => text.parse::<i64>().ok(),
    };
    let piece = || {
        let (offset, length) = (number("offset")?, number("length")?);
        let file = sandbox::open_file(root, below).ok()?;
        let limit = |value: i64| u64::try_from(value).ok();
        let piece = sandbox::read_chunk(&file, limit(offset), limit(length), MAX_CHUNK).ok()?;
        let mut answer = json!({"offset": piece.offset, "length": piece.bytes.len()});
        if !piece.bytes.is_empty() {
            merge(
                &mut answer,
                json!({"data": escape_markup(&String::from_utf8_lossy(&piece.bytes))}),
            );
        }
        Some(answer)
    };
    ok(&piece().unwrap_or_else(|| json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_download_is_given_up_when_nothing_is_taken_for_long() {
        assert_eq!(STALL, Duration::from_secs(60));
        let size = 3 * DOWNLOAD_PIECE;
        let file = || {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            file
        };
        let stall = Duration::from_millis(20);
        // There is room for one piece, which nobody takes.
        let (sender, receiver) = mpsc::channel(1);
        let given_up = send(file(), 0..size, &sender, stall).await;
        assert_eq!(given_up, Err("nothing was taken for 20ms".to_owned()));
        drop(receiver);
        // Nor is anybody waited for who has gone.
        let gone = send(file(), 0..size, &sender, Duration::MAX).await;
        assert_eq!(gone, Ok(()));
    }

    #[test]
    fn ranges() {
        for (header, expected) in [
            (None, Wanted::Whole),
            (Some("bytes=0-0"), Wanted::Part(0..1)),
            (Some("bytes=2-5"), Wanted::Part(2..6)),
            (Some("bytes=2-99"), Wanted::Part(2..10)),
            (Some("bytes=7-"), Wanted::Part(7..10)),
            (Some("bytes=-3"), Wanted::Part(7..10)),
            (Some("bytes=-99"), Wanted::Part(0..10)),
            (Some("bytes=10-"), Wanted::Nothing),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=10-18446744073709551615"), Wanted::Nothing),
            (Some("bytes=5-2"), Wanted::Whole),
            (Some("bytes=0-1,4-5"), Wanted::Whole),
            (Some("lines=0-1"), Wanted::Whole),
        ] {
            assert_eq!(range(header, 10), expected, "{header:?}");
        }
    }
}

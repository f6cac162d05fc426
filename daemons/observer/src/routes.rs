//! The observer's routes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurora_api::thermos::{ProcessState, ProcessStatus};
use aurora_daemon::guard::Guard;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response, Service};
use aurora_thermos::paths::{Stage, run_log_dir};
use aurora_thermos::state::is_run_over;
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::registry::{Registry, Task};
use crate::sample::{Disks, Sampler, Usage};
use crate::sandbox::{self, PathError, Place};

/// The most bytes of a file in one answer.
const MAX_CHUNK: u64 = 16 << 20;
/// How much of a download is in memory at a time.
const DOWNLOAD_PIECE: u64 = 256 << 10;
/// Rows of a list unless the request says otherwise.
const DEFAULT_ROWS: usize = 20;

/// Answers the observer's requests.
pub struct Observer {
    guard: Guard,
    registry: Mutex<Registry>,
    sampler: Sampler,
    disks: Disks,
}

impl Observer {
    /// An observer over an agent's work directory; sandboxes are measured once per `disk_interval`.
    pub fn new(guard: Guard, mesos_root: &Path, disk_interval: Duration) -> Observer {
        Observer {
            guard,
            registry: Mutex::new(Registry::new(mesos_root)),
            sampler: Sampler::default(),
            disks: Disks::new(disk_interval),
        }
    }

    fn tasks(&self) -> Vec<Task> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.refresh();
        registry.tasks()
    }

    fn task(&self, id: &str) -> Option<Task> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.refresh();
        registry.task(id)
    }

    /// Answers on a thread that may block on files.
    fn answer(&self, request: &Request) -> Response {
        if request.method != Method::GET && request.method != Method::HEAD {
            return reply::text(
                StatusCode::METHOD_NOT_ALLOWED,
                "The observer only answers GET.\n",
            );
        }
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let reads_files = matches!(
            segments.as_slice(),
            ["filedata" | "logdata" | "download", ..] | ["ext", "v1", "browse", ..]
        );
        if reads_files && let Err(refusal) = self.guard.check_secret(&request.headers) {
            return refusal;
        }
        match segments.as_slice() {
            ["health"] => reply::text(StatusCode::OK, "OK"),
            ["j", "task_id_count"] => self.count(),
            ["j", "task_ids", rest @ ..] => self.list(rest),
            ["j", "task"] => self.by_ids(request, |observer, task| observer.describe(task)),
            ["j", "task", id] => self.task_json(id),
            ["j", "process", _] => ok(&json!({})),
            ["j", "process", id, process, rest @ ..] => self.process(id, process, rest),
            ["j", "processes"] => self.by_ids(request, |observer, task| observer.latest_runs(task)),
            ["filedata", id, path @ ..] => self.file_data(id, path, request),
            ["logdata", id, process, run, kind] => self.log_data(id, process, run, kind, request),
            ["download", id, path @ ..] => self.download(id, path),
            ["ext", "v1", "browse", id, path @ ..] => self.browse(id, path),
            _ => reply::text(StatusCode::NOT_FOUND, "There is nothing at this path.\n"),
        }
    }

    fn count(&self) -> Response {
        let tasks = self.tasks();
        let active = tasks
            .iter()
            .filter(|task| task.stage == Stage::Active)
            .count();
        ok(&json!({"active": active, "finished": tasks.len() - active, "all": tasks.len()}))
    }

    /// `/j/task_ids[/WHICH[/OFFSET[/NUM]]]`.
    fn list(&self, rest: &[&str]) -> Response {
        let which = rest.first().copied().unwrap_or("all");
        let stage = match which {
            "all" => None,
            "active" => Some(Stage::Active),
            "finished" => Some(Stage::Finished),
            _ => {
                return reply::text(
                    StatusCode::NOT_FOUND,
                    "Tasks are all, active or finished.\n",
                );
            }
        };
        let number = |at: usize| {
            rest.get(at)
                .map_or(Some(0), |text| text.parse::<i64>().ok())
        };
        let (Some(offset), Some(rows)) = (number(1), number(2)) else {
            return reply::text(
                StatusCode::NOT_FOUND,
                "Offset and number are whole numbers.\n",
            );
        };
        let tasks: Vec<Task> = self
            .tasks()
            .into_iter()
            .filter(|task| stage.is_none_or(|stage| task.stage == stage))
            .collect();
        let begin = list_offset(offset, tasks.len());
        let rows = match usize::try_from(rows) {
            Ok(1..) => rows as usize,
            _ => DEFAULT_ROWS,
        };
        let shown: Vec<Value> = tasks
            .iter()
            .skip(begin)
            .take(rows)
            .filter_map(|task| self.row(task))
            .collect();
        ok(&json!({
            "tasks": shown,
            "type": which,
            "offset": begin,
            "num": rows,
            "task_count": tasks.len(),
        }))
    }

    fn row(&self, task: &Task) -> Option<Value> {
        let header = task.header()?;
        let definition = task.definition.as_deref()?;
        let mut row = json!({
            "task_id": task.id,
            "name": definition.get("name"),
            "role": header.user,
            "launch_timestamp": seconds(task.state.launched_ms()),
            "state": task.state.task_state().name(),
            "state_timestamp": seconds(task.state.state_since_ms()),
            "ports": header.ports.clone().unwrap_or_default(),
            "disk": self.disk(task),
        });
        merge(&mut row, self.usage(task).to_json());
        Some(row)
    }

    fn disk(&self, task: &Task) -> u64 {
        match (task.stage, task.sandbox()) {
            (Stage::Active, Some(sandbox)) => self.disks.used(sandbox.directory),
            _ => 0,
        }
    }

    /// What the running processes of a task use together.
    fn usage(&self, task: &Task) -> Usage {
        let mut usage = Usage::default();
        if task.stage == Stage::Active {
            for run in task.state.processes.values().filter_map(|runs| runs.last()) {
                if let (Some(ProcessState::Running), Some(pid)) = (run.state, run.pid) {
                    usage.add(&self.sampler.sample(pid));
                }
            }
        }
        usage
    }

    fn task_json(&self, id: &str) -> Response {
        match self.task(id) {
            Some(task) => {
                let described = self.describe(&task);
                ok(&json!({ id: described }))
            }
            None => reply::text(
                StatusCode::NOT_FOUND,
                "Failed to find task ID.  Try again shortly.\n",
            ),
        }
    }

    fn describe(&self, task: &Task) -> Value {
        let mut buckets: Map<String, Value> = ["waiting", "running", "success", "failed", "killed"]
            .into_iter()
            .map(|bucket| (bucket.to_owned(), json!([])))
            .collect();
        for (name, runs) in &task.state.processes {
            let bucket = match runs.last().and_then(|run| run.state) {
                Some(ProcessState::Forked | ProcessState::Running) => "running",
                Some(ProcessState::Success) => "success",
                Some(ProcessState::Failed) => "failed",
                Some(ProcessState::Killed) => "killed",
                Some(ProcessState::Waiting | ProcessState::Lost) | None => "waiting",
            };
            if let Some(Value::Array(names)) = buckets.get_mut(bucket) {
                names.push(json!(name));
            }
        }
        let mut consumption = self.usage(task).to_json();
        merge(&mut consumption, json!({"disk": self.disk(task)}));
        let header = task.header();
        json!({
            "task_id": task.id,
            "name": task.definition.as_deref().and_then(|task| task.get("name")),
            "user": header.and_then(|header| header.user.clone()),
            "launch_timestamp": seconds(task.state.launched_ms()),
            "state": task.state.task_state().name(),
            "state_timestamp": seconds(task.state.state_since_ms()),
            "ports": header.and_then(|header| header.ports.clone()).unwrap_or_default(),
            "resource_consumption": consumption,
            "processes": buckets,
            "task": task.definition.as_deref(),
        })
    }

    /// `?task_id=a,b`: a map by id of what `tell` says of each known task.
    fn by_ids(&self, request: &Request, tell: impl Fn(&Observer, &Task) -> Value) -> Response {
        let ids = request.parameter("task_id").unwrap_or_default();
        let mut answer = Map::new();
        for id in ids.split(',').filter(|id| !id.is_empty()) {
            if let Some(task) = self.task(id) {
                answer.insert(id.to_owned(), tell(self, &task));
            }
        }
        ok(&Value::Object(answer))
    }

    fn latest_runs(&self, task: &Task) -> Value {
        task.state
            .processes
            .iter()
            .filter_map(|(name, runs)| {
                let last = runs.last()?;
                Some((name.clone(), self.run(name, runs.len() - 1, last)))
            })
            .collect::<Map<_, _>>()
            .into()
    }

    /// `/j/process/ID/PROCESS[/RUN]`; negative runs count from the end.
    fn process(&self, id: &str, process: &str, rest: &[&str]) -> Response {
        let run = match rest {
            [] => Some(-1),
            [run] => run.parse::<i64>().ok(),
            _ => None,
        };
        let found = self.task(id).and_then(|task| {
            let runs = task.state.processes.get(process)?;
            let count = i64::try_from(runs.len()).ok()?;
            let run = run?;
            let index = if run < 0 { count + run } else { run };
            let index = usize::try_from(index).ok()?;
            Some(self.run(process, index, runs.get(index)?))
        });
        ok(&found.unwrap_or_else(|| json!({})))
    }

    fn run(&self, name: &str, index: usize, status: &ProcessStatus) -> Value {
        let mut run = Map::new();
        run.insert("process_name".to_owned(), json!(name));
        run.insert("process_run".to_owned(), json!(index));
        let state = status.state.unwrap_or_default();
        run.insert("state".to_owned(), json!(state.name()));
        if let Some(start) = status.start_time {
            run.insert("start_time".to_owned(), json!(start.0));
        }
        if is_run_over(state) {
            if let Some(stop) = status.stop_time {
                run.insert("stop_time".to_owned(), json!(stop.0));
            }
            if let Some(code) = status.return_code.filter(|code| *code != 0) {
                run.insert("return_code".to_owned(), json!(code));
            }
        }
        if let (ProcessState::Running, Some(pid)) = (state, status.pid) {
            run.insert("used".to_owned(), self.sampler.sample(pid).to_json());
        }
        Value::Object(run)
    }

    fn file_data(&self, id: &str, path: &[&str], request: &Request) -> Response {
        let Some(task) = self.task(id) else {
            return ok(&json!({}));
        };
        let Some(root) = task.sandbox() else {
            return ok(&json!({}));
        };
        chunk(root, Path::new(&path.join("/")), request)
    }

    fn log_data(
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
        let place = || {
            let run: usize = run.parse().ok()?;
            matches!(kind, "stdout" | "stderr").then_some(())?;
            let below = run_log_dir(Path::new(""), process, run).ok()?.join(kind);
            Some((task.logs()?, below))
        };
        match place() {
            Some((logs, below)) => chunk(logs, &below, request),
            None => ok(&json!({})),
        }
    }

    fn download(&self, id: &str, path: &[&str]) -> Response {
        let missing = |reason: &str| reply::text(StatusCode::NOT_FOUND, format!("{reason}\n"));
        let Some(task) = self.task(id) else {
            return missing("Failed to find task ID.  Try again shortly.");
        };
        let Some(root) = task.sandbox() else {
            return missing("The task has no sandbox.");
        };
        let file = match sandbox::open_file(root, Path::new(&path.join("/"))) {
            Ok(file) => file,
            Err(error) => return missing(&error.to_string()),
        };
        let (sender, receiver) = mpsc::channel::<Bytes>(4);
        tokio::task::spawn_blocking(move || {
            let mut offset = 0;
            // A read that fails half way ends the answer early; its chunked coding shows the client no end marker problem,
            // so the fault is logged.
            loop {
                match sandbox::read_chunk(&file, Some(offset), Some(DOWNLOAD_PIECE), DOWNLOAD_PIECE)
                {
                    Ok(piece) if piece.bytes.is_empty() => break,
                    Ok(piece) => {
                        offset += piece.bytes.len() as u64;
                        if sender.blocking_send(piece.bytes.into()).is_err() {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a download broke off");
                        break;
                    }
                }
            }
        });
        let mut response = reply::stream(StatusCode::OK, "application/octet-stream", receiver);
        response
            .headers_mut()
            .insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        response
    }

    fn browse(&self, id: &str, path: &[&str]) -> Response {
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

impl Service for Observer {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        if let Err(refusal) = self.guard.check_origin(&request.headers) {
            return refusal;
        }
        match tokio::task::spawn_blocking(move || self.answer(&request)).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, "a request failed");
                reply::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The request failed; see the log.\n",
                )
            }
        }
    }
}

fn ok(value: &Value) -> Response {
    reply::json(StatusCode::OK, value)
}

fn seconds(ms: Option<i64>) -> i64 {
    ms.unwrap_or(0) / 1000
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// Where a list begins: a negative offset is taken modulo the count when in range, otherwise it is 0.
fn list_offset(offset: i64, count: usize) -> usize {
    let count_signed = i64::try_from(count).unwrap_or(i64::MAX);
    let from = if (-count_signed..0).contains(&offset) {
        offset + count_signed
    } else {
        offset
    };
    usize::try_from(from).unwrap_or(0)
}

/// Answers with a piece of a file: `{"offset","length","data"}`, or `{}` when there is none to be had.
fn chunk(root: Place<'_>, below: &Path, request: &Request) -> Response {
    // -1, the default, is the end of the file for the offset and as much as there is for the length; 0 is a number.
    let number = |name: &str| match request.parameter(name) {
        None => Some(-1),
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
                json!({"data": escape(&String::from_utf8_lossy(&piece.bytes))}),
            );
        }
        Some(answer)
    };
    ok(&piece().unwrap_or_else(|| json!({})))
}

/// What HTML would take for markup, as upstream escapes it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_lists() {
        for (offset, count, begin) in [
            (0, 5, 0),
            (3, 5, 3),
            (9, 5, 9),
            (-1, 5, 4),
            (-5, 5, 0),
            (-6, 5, 0),
            (-1, 0, 0),
        ] {
            assert_eq!(list_offset(offset, count), begin, "{offset} of {count}");
        }
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; \"c\"");
    }
}

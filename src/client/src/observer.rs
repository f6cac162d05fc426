//! Reading an observer: tasks, processes, logs, files and directories of one host.
//!
//! The JSON is upstream's (aurora: `src/main/python/apache/thermos/observer/http`); directories are listed by our own route.

use std::collections::BTreeMap;

use aurora_api::observer::TaskHistory;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::auth::Auth;
use crate::http::{Http, HttpError, Outgoing, read_all};

/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Which tasks to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// Those whose processes may run.
    Active,
    /// Those that have ended.
    Finished,
}

impl Which {
    const fn name(self) -> &'static str {
        match self {
            Which::All => "all",
            Which::Active => "active",
            Which::Finished => "finished",
        }
    }
}

/// A page of tasks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct TaskPage {
    /// The tasks, newest first.
    pub tasks: Vec<TaskRow>,
    /// How many there are of this type.
    pub task_count: u64,
}

/// A task in a list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct TaskRow {
    /// Its id.
    pub task_id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The user that it runs as.
    #[serde(default)]
    pub role: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub launch_timestamp: f64,
    /// Its state, such as `ACTIVE`.
    #[serde(default)]
    pub state: String,
    /// Since when, in seconds since 1970.
    #[serde(default)]
    pub state_timestamp: f64,
    /// Ports by name.
    #[serde(default)]
    pub ports: BTreeMap<String, u16>,
    /// What it uses.
    #[serde(flatten)]
    pub usage: Usage,
    /// Bytes in its sandbox; -1 when that is not known.
    #[serde(default)]
    pub disk: i64,
}

/// What processes use.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Usage {
    /// Cores.
    #[serde(default)]
    pub cpu: f64,
    /// Bytes of resident memory.
    #[serde(default)]
    pub ram: u64,
    /// Seconds in user mode.
    #[serde(default)]
    pub user: f64,
    /// Seconds in the kernel.
    #[serde(default)]
    pub system: f64,
    /// Bytes of resident memory.
    #[serde(default)]
    pub rss: u64,
    /// Bytes of address space.
    #[serde(default)]
    pub vms: u64,
    /// Threads.
    #[serde(default)]
    pub threads: u64,
}

/// One task.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Task {
    /// Its id.
    pub task_id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The user that it runs as.
    #[serde(default)]
    pub user: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub launch_timestamp: f64,
    /// Its state.
    #[serde(default)]
    pub state: String,
    /// Since when, in seconds since 1970.
    #[serde(default)]
    pub state_timestamp: f64,
    /// Ports by name.
    #[serde(default)]
    pub ports: BTreeMap<String, u16>,
    /// What it uses.
    #[serde(default)]
    pub resource_consumption: Usage,
    /// Names of its processes by what they do: `waiting`, `running`, `success`, `failed`, `killed`.
    #[serde(default)]
    pub processes: BTreeMap<String, Vec<String>>,
    /// Its definition as JSON.
    #[serde(default)]
    pub task: serde_json::Value,
}

/// One run of a process.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ProcessRun {
    /// Its process.
    pub process_name: String,
    /// Which run, from 0.
    pub process_run: i64,
    /// Its state, such as `RUNNING`.
    pub state: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub start_time: Option<f64>,
    /// Seconds since 1970.
    #[serde(default)]
    pub stop_time: Option<f64>,
    /// Only when it is not zero; negative for signals.
    #[serde(default)]
    pub return_code: Option<i64>,
    /// What it uses, while it runs.
    #[serde(default)]
    pub used: Option<Usage>,
}

/// A part of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// Where it begins. For a probe with offset -1: the file's size.
    pub offset: u64,
    /// How many bytes of the file it covers. Go on at `offset + length`; `data` may have another length.
    pub length: u64,
    /// The text, with bytes that are not UTF-8 replaced.
    pub data: String,
}

#[derive(Deserialize)]
struct RawChunk {
    offset: Option<u64>,
    length: Option<u64>,
    #[serde(default)]
    data: String,
}

/// Which of a process's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogStream {
    const fn name(self) -> &'static str {
        match self {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        }
    }
}

/// A directory of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Listing {
    /// The directory, relative to the sandbox.
    pub path: String,
    /// What is in it, sorted by name.
    pub entries: Vec<Entry>,
}

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Last change, milliseconds since 1970.
    #[serde(default)]
    pub mtime_ms: i64,
    /// Permission bits.
    #[serde(default)]
    pub mode: Option<serde_json::Value>,
    /// Its owner.
    #[serde(default)]
    pub owner: Option<String>,
}

/// Kinds of directory entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// Something else.
    #[serde(other)]
    Other,
}

/// One observer. Clones share connections.
#[derive(Clone, Debug)]
pub struct Observer {
    base: Url,
    http: Http,
}

impl Observer {
    /// The observer at `base`, such as `http://127.0.0.1:1338`.
    ///
    /// # Errors
    /// When `base` is not a URL.
    pub fn new(base: &str, user_agent: &str, auth: Auth) -> Result<Observer, HttpError> {
        let base = Url::parse(base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| HttpError::Malformed {
                url: base.to_owned(),
                why: "it is not an http or https URL".to_owned(),
            })?;
        Ok(Observer {
            base,
            http: Http::new(user_agent, auth),
        })
    }

    /// `count` tasks from `offset` on, newest first.
    pub async fn tasks(
        &self,
        which: Which,
        offset: u64,
        count: u64,
    ) -> Result<TaskPage, HttpError> {
        let (offset, count) = (offset.to_string(), count.to_string());
        self.get(&["j", "task_ids", which.name(), &offset, &count], &[])
            .await
    }

    /// One task; `None` when the observer does not know it (yet).
    pub async fn task(&self, task_id: &str) -> Result<Option<Task>, HttpError> {
        let answer = self
            .get::<BTreeMap<String, Task>>(&["j", "task", task_id], &[])
            .await;
        Ok(found(answer)?.and_then(|mut tasks| tasks.remove(task_id)))
    }

    /// A run of a process, the latest unless said; `None` when there is no such process or run.
    pub async fn process(
        &self,
        task_id: &str,
        process: &str,
        run: Option<i64>,
    ) -> Result<Option<ProcessRun>, HttpError> {
        let run = run.map(|run| run.to_string());
        let mut path = vec!["j", "process", task_id, process];
        path.extend(run.as_deref());
        let answer = found(self.get::<serde_json::Value>(&path, &[]).await)?;
        optional(self.base.as_str(), answer)
    }

    /// The latest runs of all processes of a task, by name.
    pub async fn processes(
        &self,
        task_id: &str,
    ) -> Result<BTreeMap<String, ProcessRun>, HttpError> {
        let answer = self
            .get::<BTreeMap<String, BTreeMap<String, ProcessRun>>>(
                &["j", "processes"],
                &[("task_id", task_id)],
            )
            .await;
        Ok(found(answer)?
            .and_then(|mut tasks| tasks.remove(task_id))
            .unwrap_or_default())
    }

    /// A part of a file in the sandbox. Offset -1 asks for the file's size; length -1 for all to the end. `None` when there
    /// is no such file.
    pub async fn file_data(
        &self,
        task_id: &str,
        path: &str,
        offset: i64,
        length: i64,
    ) -> Result<Option<Chunk>, HttpError> {
        let mut parts = vec!["filedata", task_id];
        parts.extend(path.split('/').filter(|part| !part.is_empty()));
        self.chunk(&parts, offset, length).await
    }

    /// A part of a process's log, as [`Observer::file_data`].
    pub async fn log_data(
        &self,
        task_id: &str,
        process: &str,
        run: i64,
        stream: LogStream,
        offset: i64,
        length: i64,
    ) -> Result<Option<Chunk>, HttpError> {
        let run = run.to_string();
        self.chunk(
            &["logdata", task_id, process, &run, stream.name()],
            offset,
            length,
        )
        .await
    }

    /// A directory of the sandbox (`""` is the sandbox itself); `None` when there is none.
    pub async fn browse(&self, task_id: &str, path: &str) -> Result<Option<Listing>, HttpError> {
        let mut parts = vec!["ext", "v1", "browse", task_id];
        parts.extend(path.split('/').filter(|part| !part.is_empty()));
        found(self.get(&parts, &[]).await)
    }

    /// What a task used over the last hour; `None` when the observer does not tell (upstream's has no such route).
    pub async fn history(&self, task_id: &str) -> Result<Option<TaskHistory>, HttpError> {
        found(self.get(&["ext", "v1", "history", task_id], &[]).await)
    }

    async fn chunk(
        &self,
        parts: &[&str],
        offset: i64,
        length: i64,
    ) -> Result<Option<Chunk>, HttpError> {
        let (offset, length) = (offset.to_string(), length.to_string());
        let answer = found(
            self.get::<serde_json::Value>(parts, &[("offset", &offset), ("length", &length)])
                .await,
        )?;
        let raw: Option<RawChunk> = optional(self.base.as_str(), answer)?;
        Ok(raw.and_then(|raw| {
            Some(Chunk {
                offset: raw.offset?,
                length: raw.length.unwrap_or(0),
                data: unescape(&raw.data),
            })
        }))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        parts: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, HttpError> {
        let malformed = |url: &Url, why: String| HttpError::Malformed {
            url: url.to_string(),
            why,
        };
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| malformed(&self.base, "it is not a base URL".to_owned()))?
            .pop_if_empty()
            .extend(parts);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let response = self.http.send(Outgoing::get(url.clone())).await?;
        let body = read_all(response, MAX_ANSWER).await?;
        serde_json::from_slice(&body).map_err(|error| malformed(&url, error.to_string()))
    }
}

/// 404 says that the thing is not there.
fn found<T>(answer: Result<T, HttpError>) -> Result<Option<T>, HttpError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(HttpError::Status { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `{}` says that the thing is not there.
fn optional<T: DeserializeOwned>(
    url: &str,
    answer: Option<serde_json::Value>,
) -> Result<Option<T>, HttpError> {
    match answer {
        None => Ok(None),
        Some(serde_json::Value::Object(fields)) if fields.is_empty() => Ok(None),
        Some(value) => {
            serde_json::from_value(value)
                .map(Some)
                .map_err(|error| HttpError::Malformed {
                    url: url.to_owned(),
                    why: error.to_string(),
                })
        }
    }
}

/// The observer escapes `&`, `<` and `>` for browsers.
fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
#[path = "observer_tests.rs"]
mod tests;

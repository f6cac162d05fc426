//! Which tasks there are, and what their checkpoint streams add up to.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aurora_api::thermos::RunnerHeader;
use aurora_thermos::checkpoint::{ReadError, Reader};
use aurora_thermos::paths::{self, Stage, TaskPaths};
use aurora_thermos::state::RunnerState;
use pystachio::text::{self, Bindings};
use serde_json::Value;

use crate::sandbox::Place;

/// Within this time a second request sees what the first one found, so that many watchers cost one look.
const FRESH: Duration = Duration::from_millis(200);

/// The largest task file that is read, in bytes.
const MAX_TASK_FILE: u64 = 16 << 20;

/// One task of the machine.
#[derive(Debug)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// The directory that the agent made for its run.
    pub run: PathBuf,
    /// Whether its task file is among the active or the finished ones.
    pub stage: Stage,
    /// When the task file was last touched: about the start of active tasks, the end of finished ones.
    pub modified: SystemTime,
    /// What its stream adds up to. The header is there: tasks without one are not shown.
    pub state: Arc<RunnerState>,
    /// The task as JSON with its references filled in, absent when its file cannot be read.
    pub definition: Option<Arc<Value>>,
}

impl Task {
    /// Where and as whom it runs.
    pub fn header(&self) -> Option<&RunnerHeader> {
        self.state.header.as_ref()
    }

    /// The sandbox, when the header names one.
    pub fn sandbox(&self) -> Option<Place<'_>> {
        self.place(self.header()?.sandbox.as_deref()?)
    }

    /// The directory of logs, when the header names one.
    pub fn logs(&self) -> Option<Place<'_>> {
        self.place(self.header()?.log_dir.as_deref()?)
    }

    fn place<'a>(&'a self, directory: &'a str) -> Option<Place<'a>> {
        Some(Place {
            run: &self.run,
            directory: Path::new(directory),
        })
    }
}

struct Known {
    paths: TaskPaths,
    stage: Stage,
    modified: SystemTime,
    /// `None` once the task has finished and its stream was read to the end.
    reader: Option<Reader>,
    state: Arc<RunnerState>,
    definition: Option<Arc<Value>>,
}

/// The tasks under one agent's work directory.
pub struct Registry {
    mesos_root: PathBuf,
    looked: Option<Instant>,
    tasks: HashMap<String, Known>,
}

impl Registry {
    /// Tasks under an agent's work directory; nothing is read yet.
    pub fn new(mesos_root: impl Into<PathBuf>) -> Registry {
        Registry {
            mesos_root: mesos_root.into(),
            looked: None,
            tasks: HashMap::new(),
        }
    }

    /// Looks again, unless that was done a moment ago. Reads files: not for an asynchronous thread.
    pub fn refresh(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let mut seen = HashMap::new();
        for root in paths::find_roots(&self.mesos_root) {
            // A task file moves from active to finished; looked at in this order it is never missed.
            for stage in [Stage::Active, Stage::Finished] {
                match paths::list_tasks(&root, stage) {
                    Ok(found) => {
                        for task in found {
                            if let Ok(paths) = TaskPaths::new(&root, &task.task_id) {
                                seen.insert(task.task_id, (paths, stage, task.modified));
                            }
                        }
                    }
                    Err(error) => {
                        tracing::warn!(root = %root.display(), %error, "cannot list tasks");
                    }
                }
            }
        }
        self.tasks.retain(|id, _| seen.contains_key(id));
        for (id, (paths, stage, modified)) in seen {
            let known = self.tasks.entry(id).or_insert_with(|| Known {
                reader: Some(Reader::new(paths.runner())),
                paths,
                stage,
                modified,
                state: Arc::default(),
                definition: None,
            });
            known.stage = stage;
            known.modified = modified;
            known.read();
        }
        self.looked = Some(Instant::now());
    }

    /// Every task whose header is known, newest task file first.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<Task> = self
            .tasks
            .iter()
            .filter(|(_, known)| known.state.header.is_some())
            .map(|(id, known)| known.task(id))
            .collect();
        tasks.sort_by(|a, b| (b.modified, &a.id).cmp(&(a.modified, &b.id)));
        tasks
    }

    /// One task.
    pub fn task(&self, id: &str) -> Option<Task> {
        let known = self.tasks.get(id)?;
        known.state.header.is_some().then(|| known.task(id))
    }
}

impl Known {
    fn task(&self, id: &str) -> Task {
        Task {
            id: id.to_owned(),
            // By its name, not by `..`: the user may have put a link in the checkpoints' place.
            run: self
                .paths
                .root()
                .parent()
                .unwrap_or(Path::new("/nonexistent"))
                .to_owned(),
            stage: self.stage,
            modified: self.modified,
            state: self.state.clone(),
            definition: self.definition.clone(),
        }
    }

    /// Reads what the stream has gained.
    fn read(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        loop {
            match reader.next() {
                Ok(Some(record)) => {
                    if let Err(error) = Arc::make_mut(&mut self.state).apply(&record) {
                        tracing::warn!(stream = %reader.path().display(), %error, "a record does not fit; the stream is read no further");
                        self.reader = None;
                        break;
                    }
                }
                Ok(None) => {
                    if self.stage == Stage::Finished && self.state.is_over() {
                        self.reader = None;
                    }
                    break;
                }
                // The runner writes the task file before the stream has a name that can be opened.
                Err(ReadError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read a checkpoint stream");
                    self.reader = None;
                    break;
                }
            }
        }
        if self.definition.is_none()
            && let Some(header) = &self.state.header
        {
            let path = self.paths.task(self.stage);
            match read_definition(&path, header) {
                Ok(definition) => self.definition = Some(Arc::new(definition)),
                Err(reason) => {
                    tracing::debug!(path = %path.display(), reason, "cannot read a task file")
                }
            }
        }
    }
}

fn read_definition(path: &Path, header: &RunnerHeader) -> Result<Value, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_TASK_FILE {
        return Err(format!("it has {size} bytes, more than {MAX_TASK_FILE}"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let mut definition: Value =
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let bindings = bindings(header).map_err(|error| error.to_string())?;
    fill(&mut definition, &bindings);
    Ok(definition)
}

fn bindings(header: &RunnerHeader) -> Result<Bindings, pystachio::Error> {
    let mut bindings = Bindings::default();
    if let Some(id) = &header.task_id {
        bindings.insert("thermos.task_id", id.as_str())?;
    }
    if let Some(user) = &header.user {
        bindings.insert("thermos.user", user.as_str())?;
    }
    for (name, port) in header.ports.iter().flatten() {
        bindings.insert(&format!("thermos.ports[{name}]"), port.to_string())?;
    }
    Ok(bindings)
}

/// Fills references in every text; one that is no reference at all stays as it is.
fn fill(value: &mut Value, bindings: &Bindings) {
    match value {
        Value::String(text) => {
            if let Ok((filled, _)) = text::interpolate(text, bindings) {
                *text = filled;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, bindings)),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill(value, bindings)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

//! Which tasks there are, and what their checkpoint streams add up to.
//!
//! The agent made the directories down to a run, and nobody else can change those. What lies in a run belongs to the task's
//! user, who may put anything there. So what is found in the run of the executor `thermos-X` is believed to be about task X
//! alone, is opened without following links and without waiting for pipes, and names directories inside that run at the most
//! ([`crate::sandbox`]): a task can lie about itself, and about nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aurora_api::thermos::{ProcessState, ProcessStatus, RunnerHeader, TaskState};
use aurora_thermos::checkpoint::Reader;
use aurora_thermos::paths::{Stage, TaskPaths, find_runs, list_tasks};
use aurora_thermos::procs;
use aurora_thermos::state::RunnerState;
use pystachio::text::{self, Bindings};
use serde_json::Value;

use crate::sandbox::{Place, open_beneath};
use crate::watches::{Subject, Watches};

/// Where a directory could not be watched, a second request within this time sees what the first one found.
const FRESH: Duration = Duration::from_millis(200);
/// The largest task file that is read, in bytes.
const MAX_TASK_FILE: u64 = 16 << 20;
/// Tasks of one run that are looked at, when its executor is not of the kind that has one.
const MAX_TASKS_OF_A_RUN: usize = 64;
/// What the names of our executors begin with.
const EXECUTOR: &str = "thermos-";

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
    /// Whether it has no end on record, and nobody who could write one.
    pub lost: bool,
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

    /// The process of a run that is running, when it still is the one on record.
    pub fn process(&self, run: &ProcessStatus) -> Option<i32> {
        process(&self.state, run)
    }

    /// Its state: that on record, or LOST.
    pub fn task_state(&self) -> TaskState {
        match self.lost {
            true => TaskState::Lost,
            false => self.state.task_state(),
        }
    }

    /// The state of one of its runs: those under way are lost with it.
    pub fn run_state(&self, run: &ProcessStatus) -> ProcessState {
        match run.state.unwrap_or_default() {
            ProcessState::Forked | ProcessState::Running if self.lost => ProcessState::Lost,
            recorded => recorded,
        }
    }

    fn place<'a>(&'a self, directory: &'a str) -> Option<Place<'a>> {
        Some(Place {
            run: &self.run,
            directory: Path::new(directory),
        })
    }
}

/// The process of a run that is running, when it still is the one on record.
fn process(state: &RunnerState, run: &ProcessStatus) -> Option<i32> {
    let uid = state.header.as_ref()?.uid;
    (run.state == Some(ProcessState::Running) && procs::is_recorded(run, uid))
        .then_some(run.pid)
        .flatten()
}

struct Known {
    run: PathBuf,
    stage: Stage,
    modified: SystemTime,
    stream: Stream,
    state: Arc<RunnerState>,
    lost: bool,
    definition: Option<Arc<Value>>,
}

enum Stream {
    /// Not there yet, when it was last looked for.
    Awaited,
    Open(Reader),
    /// Read to its end, or to where it makes no sense any more.
    Done,
}

/// What looking has cost, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Walks over the agents' directories.
    pub walks: u64,
    /// Looks at a run.
    pub looks: u64,
    /// Directories watched now.
    pub watches: usize,
}

/// The tasks under the work directories of one or several agents.
pub struct Registry {
    roots: Vec<PathBuf>,
    watches: Watches,
    looked: Option<Instant>,
    runs: BTreeSet<PathBuf>,
    /// A root was not there when it was last looked for.
    is_waiting: bool,
    tasks: HashMap<String, Known>,
    effort: Effort,
}

impl Registry {
    /// Tasks under agents' work directories; nothing is read yet.
    pub fn new(roots: Vec<PathBuf>) -> Registry {
        Registry {
            roots,
            watches: Watches::new(),
            looked: None,
            runs: BTreeSet::new(),
            is_waiting: false,
            tasks: HashMap::new(),
            effort: Effort::default(),
        }
    }

    /// Looks at what has changed. Reads files: not for an asynchronous thread.
    pub fn refresh(&mut self) {
        let news = self.watches.news();
        let blind = !self.watches.is_complete();
        if blind && self.looked.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let everything = self.looked.is_none() || blind || news.everything;
        let mut dirty = news.runs;
        if everything || news.tree || self.is_waiting {
            let found = self.walk();
            for gone in self.runs.difference(&found) {
                self.watches.forget(gone);
                self.tasks.retain(|_, known| known.run != *gone);
            }
            dirty.extend(found.difference(&self.runs).cloned());
            self.runs = found;
        }
        if everything {
            dirty.clone_from(&self.runs);
        }
        for run in dirty {
            if self.runs.contains(&run) {
                self.look(&run);
            }
        }
        // A runner that is killed leaves no trace in its files.
        self.tasks.values_mut().for_each(Known::settle);
        self.looked = Some(Instant::now());
    }

    /// The runs of all agents, each directory on the way to them watched.
    fn walk(&mut self) -> BTreeSet<PathBuf> {
        self.effort.walks += 1;
        // Asked before they are watched, so that one that comes meanwhile is seen by this walk or by the next.
        self.is_waiting = !self.roots.iter().all(|root| root.is_dir());
        let watches = &mut self.watches;
        self.roots
            .iter()
            .flat_map(|root| find_runs(root, |folder| watches.add(folder, &Subject::Tree)))
            .collect()
    }

    fn look(&mut self, run: &Path) {
        self.effort.looks += 1;
        let subject = Subject::Run(run.to_owned());
        let checkpoints = run.join("checkpoints");
        for folder in [
            run.to_owned(),
            checkpoints.clone(),
            checkpoints.join("tasks"),
            checkpoints.join("tasks").join(Stage::Active.folder()),
            checkpoints.join("tasks").join(Stage::Finished.folder()),
            checkpoints.join("checkpoints"),
        ] {
            self.watches.add(&folder, &subject);
        }
        let mut found = BTreeMap::new();
        for id in ids(run, &checkpoints) {
            let Ok(paths) = TaskPaths::new("checkpoints", &id) else {
                continue;
            };
            self.watches
                .add(&run.join(paths.checkpoint_dir()), &subject);
            // A task file moves from active to finished; looked at in this order it is never missed.
            for stage in [Stage::Active, Stage::Finished] {
                let modified = open_beneath(run, &paths.task(stage))
                    .and_then(|file| file.metadata()?.modified());
                if let Ok(modified) = modified {
                    found.insert(id.clone(), (paths.clone(), stage, modified));
                }
            }
        }
        self.tasks
            .retain(|id, known| known.run != run || found.contains_key(id));
        for (id, (paths, stage, modified)) in found {
            // An executor that was started anew has another run; the newer one counts.
            let older = self
                .tasks
                .get(&id)
                .is_some_and(|known| known.run != run && known.modified > modified);
            if older {
                continue;
            }
            let known = self
                .tasks
                .entry(id)
                .and_modify(|known| {
                    if known.run != run {
                        *known = Known::new(run, stage, modified);
                    }
                })
                .or_insert_with(|| Known::new(run, stage, modified));
            known.stage = stage;
            known.modified = modified;
            known.read(&paths);
        }
        // What is over changes no more, until the agent removes it with the run.
        let mut here = self.tasks.values().filter(|known| known.run == run);
        if here.clone().next().is_some() && here.all(Known::is_over) {
            self.watches.forget(run);
        }
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

    /// What looking has cost so far.
    pub fn effort(&self) -> Effort {
        Effort {
            watches: self.watches.count(),
            ..self.effort
        }
    }
}

/// The tasks that the run may be about: the one that its executor is named for, or what the run says when the executor is
/// another one.
fn ids(run: &Path, checkpoints: &Path) -> BTreeSet<String> {
    let executor = run
        .parent()
        .and_then(Path::parent)
        .and_then(Path::file_name);
    let named = executor
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix(EXECUTOR));
    if let Some(id) = named {
        return BTreeSet::from([id.to_owned()]);
    }
    let mut ids = BTreeSet::new();
    for stage in [Stage::Active, Stage::Finished] {
        match list_tasks(checkpoints, stage) {
            Ok(tasks) => ids.extend(tasks.into_iter().map(|task| task.task_id)),
            Err(error) => {
                tracing::warn!(run = %run.display(), %error, "cannot list the tasks of a run");
            }
        }
    }
    ids.into_iter().take(MAX_TASKS_OF_A_RUN).collect()
}

impl Known {
    fn new(run: &Path, stage: Stage, modified: SystemTime) -> Known {
        Known {
            run: run.to_owned(),
            stage,
            modified,
            stream: Stream::Awaited,
            state: Arc::default(),
            lost: false,
            definition: None,
        }
    }

    fn task(&self, id: &str) -> Task {
        Task {
            id: id.to_owned(),
            run: self.run.clone(),
            stage: self.stage,
            modified: self.modified,
            state: self.state.clone(),
            lost: self.lost,
            definition: self.definition.clone(),
        }
    }

    fn is_over(&self) -> bool {
        self.stage == Stage::Finished && matches!(self.stream, Stream::Done)
    }

    fn read_stream(&mut self) {
        if let Stream::Open(reader) = &mut self.stream
            && read_on(reader, &mut self.state, self.stage)
        {
            self.stream = Stream::Done;
        }
    }

    /// Finds out whether a task without an end on record is lost: nobody leads its stream, and none of its processes is there.
    /// Those of our executor die with it; upstream's outlive it, and another runner may take them over.
    fn settle(&mut self) {
        self.lost = false;
        if matches!(&self.stream, Stream::Open(reader) if !reader.is_led()) {
            self.read_stream();
            let state = &self.state;
            let mut runs = state.processes.values().filter_map(|runs| runs.last());
            self.lost = !state.is_over() && !runs.any(|run| process(state, run).is_some());
        }
    }

    /// Reads what the stream has gained, and the definition if that is still missing.
    fn read(&mut self, paths: &TaskPaths) {
        if let Stream::Awaited = self.stream {
            match open_beneath(&self.run, &paths.runner()) {
                Ok(file) => {
                    let path = self.run.join(paths.runner());
                    self.stream = Stream::Open(Reader::of_file(path, file));
                }
                // The runner writes the task file before the stream has its header.
                Err(error) => {
                    tracing::debug!(task = paths.task_id(), %error, "cannot open the stream yet");
                }
            }
        }
        self.read_stream();
        if self.definition.is_none()
            && let Some(header) = &self.state.header
        {
            let path = paths.task(self.stage);
            let read = open_beneath(&self.run, &path)
                .map_err(|error| error.to_string())
                .and_then(|file| read_definition(file, header));
            match read {
                Ok(definition) => self.definition = Some(Arc::new(definition)),
                Err(reason) => {
                    tracing::debug!(path = %path.display(), reason, "cannot read a task file");
                }
            }
        }
    }
}

/// Reads to the end of what is there; whether nothing more is to be read, ever.
fn read_on(reader: &mut Reader, state: &mut Arc<RunnerState>, stage: Stage) -> bool {
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                if let Err(error) = Arc::make_mut(state).apply(&record) {
                    tracing::warn!(stream = %reader.path().display(), %error, "a record does not fit; the stream is read no further");
                    return true;
                }
            }
            Ok(None) => return stage == Stage::Finished && state.is_over(),
            Err(error) => {
                tracing::warn!(%error, "cannot read a checkpoint stream");
                return true;
            }
        }
    }
}

fn read_definition(file: File, header: &RunnerHeader) -> Result<Value, String> {
    let mut bytes = Vec::new();
    file.take(MAX_TASK_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_TASK_FILE {
        return Err(format!("it has more than {MAX_TASK_FILE} bytes"));
    }
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

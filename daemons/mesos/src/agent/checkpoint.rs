//! The agent's memory on disk, below `meta/`: written before anything rests on it, read by the next agent.
//!
//! The names are Mesos'; the contents are ours: JSON documents, and for `task.updates` one JSON line for each update or
//! acknowledgement. Documents are replaced by renaming a complete, flushed file; a line that was not written whole (the
//! machine died) is cut off when the file is read.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use aurora_mesos::v1::{AgentInfo, DrainConfig, ExecutorInfo, FrameworkInfo, TaskInfo, TaskStatus};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::core::{
    Record, RecoveredExecutor, RecoveredFramework, RecoveredRun, RecoveredTask, Run,
};
use super::paths::{Paths, run as run_paths};
use super::process::{self, Identity};

/// A checkpoint that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("cannot {action} {path}: the agent's checkpoints must be writable")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is damaged; remove it to have the agent register anew")]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io {
        action,
        path,
        source,
    }
}

/// `executor.info`.
#[derive(Debug, Serialize, Deserialize)]
struct StoredExecutor {
    info: ExecutorInfo,
    container: String,
    command: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// One line of `task.updates`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
enum UpdateLine {
    Update { status: Box<TaskStatus> },
    Ack { uuid: String },
}

/// What the last agent left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) info: Option<AgentInfo>,
    pub(crate) drain: Option<DrainConfig>,
    pub(crate) frameworks: Vec<RecoveredFramework>,
    /// The processes of unfinished runs, living or not, by container.
    pub(crate) processes: Vec<(String, Identity)>,
}

/// Writes and reads checkpoints. Every method blocks.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    paths: Paths,
}

impl Store {
    /// Opens the store of a work directory, creating `meta/` for the agent's user alone.
    pub(crate) fn open(paths: Paths) -> Result<Self, CheckpointError> {
        let meta = paths.meta();
        fs::create_dir_all(&meta).map_err(failed("create", &meta))?;
        fs::set_permissions(&meta, Permissions::from_mode(0o700))
            .map_err(failed("set the mode of", &meta))?;
        Ok(Self { paths })
    }

    /// Writes a record down. It is on disk when this returns. Nothing can be written before the agent has an id, and
    /// nothing needs to be.
    pub(crate) fn write(
        &self,
        agent: Option<&str>,
        record: &Record,
    ) -> Result<(), CheckpointError> {
        let Some(agent) = agent else { return Ok(()) };
        let meta_run = |run: &Run| {
            self.paths.meta_run(
                agent,
                run.framework.as_ref(),
                run.executor.as_ref(),
                &run.container,
            )
        };
        match record {
            Record::Agent(info) => {
                write_json(&self.paths.slave_info(agent), info)?;
                self.point_latest(agent)
            }
            Record::Drain(Some(config)) => write_json(&self.paths.drain_config(agent), config),
            Record::Drain(None) => remove(&self.paths.drain_config(agent)),
            Record::Framework(info) => {
                let id = info.id.as_ref().map_or("", |id| id.value.as_str());
                write_json(&self.paths.framework_info(agent, id), info)
            }
            Record::Executor {
                framework,
                info,
                container,
                command,
                secret,
            } => {
                let run = self.paths.meta_run(
                    agent,
                    framework.as_ref(),
                    info.executor_id.as_ref(),
                    container,
                );
                write_file(&run_paths::http_marker(&run), b"")?;
                let stored = StoredExecutor {
                    info: (**info).clone(),
                    container: container.clone(),
                    command: *command,
                    secret: secret.clone(),
                };
                write_json(
                    &self
                        .paths
                        .executor_info(agent, framework.as_ref(), info.executor_id.as_ref()),
                    &stored,
                )
            }
            Record::Task { run, task } => write_json(
                &run_paths::task_info(&meta_run(run), task.task_id.as_ref()),
                task,
            ),
            Record::Update { run, status } => {
                let path = run_paths::task_updates(&meta_run(run), status.task_id.as_ref());
                append(
                    &path,
                    &UpdateLine::Update {
                        status: status.clone(),
                    },
                )
            }
            Record::Acknowledgement { run, task, id } => {
                let path = run_paths::task_updates(&meta_run(run), task.as_ref());
                append(
                    &path,
                    &UpdateLine::Ack {
                        uuid: STANDARD.encode(id),
                    },
                )
            }
            Record::ExecutorDone { run } => write_file(&run_paths::sentinel(&meta_run(run)), b""),
            // Its executors have their sentinels; the directories go with the sandboxes.
            Record::FrameworkDone { .. } => Ok(()),
        }
    }

    /// Writes down which process a container is. Durable when this returns.
    pub(crate) fn write_process(
        &self,
        agent: &str,
        run: &Run,
        identity: &Identity,
    ) -> Result<(), CheckpointError> {
        let meta = self.paths.meta_run(
            agent,
            run.framework.as_ref(),
            run.executor.as_ref(),
            &run.container,
        );
        write_json(&run_paths::forked_pid(&meta), identity)
    }

    fn point_latest(&self, agent: &str) -> Result<(), CheckpointError> {
        for slaves in [self.paths.meta_slaves(), self.paths.slaves()] {
            fs::create_dir_all(&slaves).map_err(failed("create", &slaves))?;
            let temporary = slaves.join(".latest.new");
            remove(&temporary)?;
            symlink(agent, &temporary).map_err(failed("create", &temporary))?;
            let latest = slaves.join("latest");
            fs::rename(&temporary, &latest).map_err(failed("replace", &latest))?;
            sync_directory(&slaves)?;
        }
        Ok(())
    }

    /// Forgets which agent this work directory belongs to: the next one registers anew (mesos: Slave::finalize).
    pub(crate) fn forget_agent(&self) -> Result<(), CheckpointError> {
        remove(&self.paths.meta_latest_slave())
    }

    /// Reads everything, and notes the current boot. A damaged `slave.info` is an error, since registering anew would give
    /// up every task; what else is damaged is left out with a warning.
    pub(crate) fn load(&self) -> Result<Recovered, CheckpointError> {
        let boot = process::boot_id();
        let rebooted =
            fs::read_to_string(self.paths.boot_id()).is_ok_and(|last| last.trim() != boot);
        let mut recovered = Recovered::default();
        if let Ok(latest) = fs::read_link(self.paths.meta_latest_slave())
            && let Some(agent) = latest.file_name().and_then(|name| name.to_str())
        {
            recovered.info = read_json(&self.paths.slave_info(agent))?;
            if recovered.info.is_some() {
                recovered.drain = lenient(read_json(&self.paths.drain_config(agent)));
                for framework in names(&self.paths.meta_frameworks(agent)) {
                    self.load_framework(agent, &framework, rebooted, &mut recovered);
                }
            }
        }
        write_file(&self.paths.boot_id(), boot.as_bytes())?;
        Ok(recovered)
    }

    fn load_framework(
        &self,
        agent: &str,
        framework: &str,
        rebooted: bool,
        recovered: &mut Recovered,
    ) {
        let Some(info) = lenient(read_json::<FrameworkInfo>(
            &self.paths.framework_info(agent, framework),
        )) else {
            return;
        };
        let mut executors = Vec::new();
        for executor in names(
            &self
                .paths
                .meta_framework(agent, framework)
                .join("executors"),
        ) {
            let Some(stored) = lenient(read_json::<StoredExecutor>(
                &self.paths.executor_info(agent, framework, &executor),
            )) else {
                continue;
            };
            let run = self
                .paths
                .meta_run(agent, framework, &executor, &stored.container);
            if run_paths::sentinel(&run).exists() {
                continue;
            }
            let identity: Option<Identity> = lenient(read_json(&run_paths::forked_pid(&run)));
            let state = match &identity {
                Some(identity) if identity.is_alive() => RecoveredRun::Alive { pid: identity.pid },
                Some(_) | None if rebooted => RecoveredRun::Rebooted,
                Some(_) => RecoveredRun::Gone,
                None => RecoveredRun::NeverStarted,
            };
            recovered
                .processes
                .extend(identity.map(|identity| (stored.container.clone(), identity)));
            let tasks = names(&run_paths::tasks(&run))
                .iter()
                .filter_map(|task| load_task(&run, task))
                .collect();
            executors.push(RecoveredExecutor {
                info: stored.info,
                container: stored.container,
                command: stored.command,
                secret: stored.secret,
                run: state,
                tasks,
            });
        }
        if !executors.is_empty() {
            recovered
                .frameworks
                .push(RecoveredFramework { info, executors });
        }
    }
}

fn load_task(run: &Path, task: &str) -> Option<RecoveredTask> {
    let info = lenient(read_json::<TaskInfo>(&run_paths::task_info(run, task)))?;
    let path = run_paths::task_updates(run, task);
    let lines = match load_updates(&path) {
        Ok(lines) => lines,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the updates of a task cannot be read");
            Vec::new()
        }
    };
    let (mut updates, mut acknowledged) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            UpdateLine::Update { status } => updates.push(*status),
            UpdateLine::Ack { uuid } => {
                acknowledged.extend(
                    STANDARD
                        .decode(uuid)
                        .ok()
                        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()),
                );
            }
        }
    }
    Some(RecoveredTask {
        info,
        updates,
        acknowledged,
    })
}

/// Reads the lines of `task.updates` and cuts the file after the last whole one, so that what is appended next starts a line
/// of its own.
fn load_updates(path: &Path) -> io::Result<Vec<UpdateLine>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let (mut lines, mut good, mut line) = (Vec::new(), 0_u64, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(lines);
        }
        match serde_json::from_slice(&line) {
            Ok(parsed) if line.ends_with(b"\n") => lines.push(parsed),
            Ok(_) | Err(_) => {
                tracing::warn!(path = %path.display(), offset = good, "cutting off a line that was not written whole");
                let file = OpenOptions::new().write(true).open(path)?;
                file.set_len(good)?;
                file.sync_all()?;
                return Ok(lines);
            }
        }
        good += read as u64;
    }
}

fn lenient<T>(result: Result<Option<T>, CheckpointError>) -> Option<T> {
    result.unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "leaving out a checkpoint"
        );
        None
    })
}

/// The names of the directories in `directory`; none when it is not there.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CheckpointError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| CheckpointError::Damaged {
                    path: path.to_owned(),
                    source,
                })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CheckpointError> {
    let bytes = serde_json::to_vec(value).map_err(|source| CheckpointError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    write_file(path, &bytes)
}

/// Replaces a file as a whole: readers and a crash find the old one or the new one.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    create_directories(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary).map_err(failed("create", &temporary))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_directory(parent)
}

fn append(path: &Path, line: &UpdateLine) -> Result<(), CheckpointError> {
    let mut bytes = serde_json::to_vec(line).map_err(|source| CheckpointError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    let parent = path.parent().unwrap_or(Path::new("/"));
    let is_new = !path.exists();
    if is_new {
        create_directories(parent)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed("open", path))?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_data())
        .map_err(failed("write", path))?;
    if is_new {
        sync_directory(parent)
    } else {
        Ok(())
    }
}

/// Creates missing directories, each of them durably known to its parent.
fn create_directories(directory: &Path) -> Result<(), CheckpointError> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    create_directories(parent)?;
    match fs::create_dir(directory) {
        Ok(()) => sync_directory(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("create", directory)(error)),
    }
}

fn sync_directory(directory: &Path) -> Result<(), CheckpointError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(failed("flush", directory))
}

fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

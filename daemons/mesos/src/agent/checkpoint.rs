//! The agent's memory on disk, below `meta/`: written before anything rests on it, read by the next agent.
//!
//! The names are Mesos'; the contents are ours: JSON documents, and for `task.updates` one JSON line for each update or
//! acknowledgement. Documents are replaced by renaming a complete, flushed file; a line that was not written whole (the
//! machine died) is cut off when the file is read.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use aurora_mesos::v1::{AgentInfo, DrainConfig, ExecutorInfo, FrameworkInfo, TaskInfo, TaskStatus};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::core::{
    Record, RecoveredExecutor, RecoveredFramework, RecoveredRun, RecoveredTask, Run,
};
use super::durable::{
    CheckpointError, append, failed, names, read_json, remove, sync_directory, write_file,
    write_json,
};
use super::paths::{Paths, run as run_paths};
use super::process::{self, Identity};

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

    /// The link stands among the checkpoints alone: what lies below `slaves` is found by patterns such as
    /// `slaves/*/frameworks/*/executors/TASK/runs/latest`, which must match once (mesos: `paths::createSlaveDirectory`).
    fn point_latest(&self, agent: &str) -> Result<(), CheckpointError> {
        let (slaves, latest) = (self.paths.meta_slaves(), self.paths.meta_latest_slave());
        for directory in [&slaves, &self.paths.slaves()] {
            fs::create_dir_all(directory).map_err(failed("create", directory))?;
        }
        let temporary = slaves.join(".latest.new");
        remove(&temporary)?;
        symlink(agent, &temporary).map_err(failed("create", &temporary))?;
        fs::rename(&temporary, &latest).map_err(failed("replace", &latest))?;
        sync_directory(&slaves)
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

#[cfg(test)]
mod tests {
    use aurora_mesos::v1::TaskState;
    use bytes::Bytes;

    use super::*;

    struct World {
        _root: tempfile::TempDir,
        store: Store,
        run: Run,
    }

    fn status(state: TaskState, id: u8) -> Box<TaskStatus> {
        let uuid = Some(Bytes::copy_from_slice(&[id; 16]));
        Box::new(TaskStatus {
            task_id: "t".into(),
            state,
            uuid,
            ..TaskStatus::default()
        })
    }

    fn world() -> World {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(Paths::new(root.path())).unwrap();
        let run = Run {
            framework: "F".into(),
            executor: "E".into(),
            container: "C".into(),
        };
        let info = AgentInfo {
            hostname: "h".into(),
            id: Some("S0".into()),
            ..AgentInfo::default()
        };
        let framework = FrameworkInfo {
            id: Some("F".into()),
            ..FrameworkInfo::default()
        };
        let executor = ExecutorInfo {
            executor_id: "E".into(),
            ..ExecutorInfo::default()
        };
        let task = TaskInfo {
            task_id: "t".into(),
            ..TaskInfo::default()
        };
        for record in [
            Record::Agent(info),
            Record::Framework(framework),
            Record::Executor {
                framework: "F".into(),
                info: Box::new(executor),
                container: "C".into(),
                command: false,
                secret: Some("s".into()),
            },
            Record::Task {
                run: run.clone(),
                task: Box::new(task),
            },
            Record::Update {
                run: run.clone(),
                status: status(TaskState::Starting, 1),
            },
            Record::Update {
                run: run.clone(),
                status: status(TaskState::Running, 2),
            },
            Record::Acknowledgement {
                run: run.clone(),
                task: "t".into(),
                id: [1; 16],
            },
        ] {
            store.write(Some("S0"), &record).unwrap();
        }
        World {
            _root: root,
            store,
            run,
        }
    }

    /// The states of the task's updates, and how many were acknowledged.
    fn loaded(world: &World) -> (Vec<TaskState>, usize) {
        let recovered = world.store.load().unwrap();
        let task = &recovered.frameworks[0].executors[0].tasks[0];
        (
            task.updates.iter().map(|update| update.state).collect(),
            task.acknowledged.len(),
        )
    }

    /// As mesos has it: `aurora task ssh` finds a sandbox by a pattern below `slaves`, which a link would match again.
    #[test]
    fn the_latest_agent_is_linked_among_the_checkpoints_alone() {
        let world = world();
        let paths = &world.store.paths;
        let latest = fs::read_link(paths.meta_latest_slave()).unwrap();
        assert_eq!(latest, Path::new("S0"));
        let below = fs::read_dir(paths.slaves()).unwrap();
        let names: Vec<_> = below.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name == "latest"), "{names:?}");
    }

    #[test]
    fn what_was_written_is_read_again() {
        let world = world();
        let recovered = world.store.load().unwrap();
        assert_eq!(recovered.info.unwrap().id, Some("S0".into()));
        let executor = &recovered.frameworks[0].executors[0];
        assert_eq!(
            (executor.container.as_str(), executor.secret.as_deref()),
            ("C", Some("s"))
        );
        assert_eq!(executor.run, RecoveredRun::NeverStarted);
        assert_eq!(
            loaded(&world),
            (vec![TaskState::Starting, TaskState::Running], 1)
        );

        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        world.store.write_process("S0", &world.run, &own).unwrap();
        let run = || world.store.load().unwrap().frameworks[0].executors[0].run;
        assert_eq!(run(), RecoveredRun::Alive { pid: own.pid });
        let earlier = Identity {
            start_time: own.start_time - 1,
            ..own
        };
        world
            .store
            .write_process("S0", &world.run, &earlier)
            .unwrap();
        assert_eq!(run(), RecoveredRun::Gone);
        fs::write(world.store.paths.boot_id(), "another boot").unwrap();
        assert_eq!(run(), RecoveredRun::Rebooted);

        let done = Record::ExecutorDone {
            run: world.run.clone(),
        };
        world.store.write(Some("S0"), &done).unwrap();
        assert!(world.store.load().unwrap().frameworks.is_empty());
        world.store.forget_agent().unwrap();
        assert!(world.store.load().unwrap().info.is_none());
    }

    /// The machine dies while a line is written: every length of what got to the disk.
    #[test]
    fn a_torn_line_is_cut_off_and_the_next_one_is_whole() {
        let world = world();
        let meta = world.store.paths.meta_run("S0", "F", "E", "C");
        let path = run_paths::task_updates(&meta, "t");
        let whole = fs::read(&path).unwrap();
        let last = whole[..whole.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        for length in last..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(loaded(&world).1, 0, "{length}");
            let again = Record::Acknowledgement {
                run: world.run.clone(),
                task: "t".into(),
                id: [1; 16],
            };
            world.store.write(Some("S0"), &again).unwrap();
            assert_eq!(
                loaded(&world),
                (vec![TaskState::Starting, TaskState::Running], 1),
                "{length}"
            );
        }
    }

    #[test]
    fn a_damaged_agent_is_an_error_and_a_damaged_task_is_left_out() {
        let world = world();
        let meta = world.store.paths.meta_run("S0", "F", "E", "C");
        fs::write(run_paths::task_info(&meta, "t"), "{").unwrap();
        assert!(
            world.store.load().unwrap().frameworks[0].executors[0]
                .tasks
                .is_empty()
        );
        fs::write(world.store.paths.slave_info("S0"), "{").unwrap();
        let error = world.store.load().unwrap_err().to_string();
        assert!(error.contains("slave.info is damaged"), "{error}");
    }
}

//! Runs one task on this machine: [`Core`] with real files, coordinators and signals.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aurora_api::thermos::{RunnerHeader, TaskState};
use nix::sys::prctl;

use crate::checkpoint::{WriteError, Writer};
use crate::clock::Moment;
use crate::core::{Core, CoreError, Identity, Turn};
use crate::host::{Host, Surroundings};
use crate::isolation::{ImageRoot, Isolation};
use crate::logs::LogDefaults;
use crate::paths::{BadName, TaskPaths};
use crate::plan::PlanError;
use crate::procs::Exemptions;
use crate::schema::Task;
use crate::state::RunnerState;
use crate::users::{self, Account, LookupError};

/// What is needed to run a task.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The task, every template bound.
    pub task: Task,
    /// Its id.
    pub task_id: String,
    /// Where its records go.
    pub checkpoint_root: PathBuf,
    /// Its working directory; exists, and belongs to the user.
    pub sandbox: PathBuf,
    /// Where its logs go; `<sandbox>/.logs` when absent.
    pub log_dir: Option<PathBuf>,
    /// This machine's name, for the header.
    pub hostname: String,
    /// Its ports by name, for the header.
    pub ports: BTreeMap<String, u16>,
    /// The user to run as, which takes root; this process's own user when absent.
    pub user: Option<String>,
    /// How runs are kept apart from the machine.
    pub isolation: Isolation,
    /// The file system that runs see, if not the machine's; takes root.
    pub image: Option<ImageRoot>,
    /// Whether runs see this process's environment.
    pub preserve_environment: bool,
    /// Variables that runs do not see even then.
    pub secrets: Vec<String>,
    /// Logging of processes without a logger of their own.
    pub logging: LogDefaults,
    /// Runs of one process after which it is failed: [`crate::plan::EXECUTOR_RUN_LIMIT`], or `u32::MAX`.
    pub run_limit: u32,
    /// The program that calls [`crate::coordinator::main`]; `/proc/self/exe` for this one.
    pub program: PathBuf,
    /// Children of this process that the runner leaves alone.
    pub exemptions: Exemptions,
}

/// Why a task cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The user does not exist, or cannot be looked up.
    #[error(transparent)]
    User(#[from] LookupError),
    /// Only root may run as somebody else.
    #[error("task specifies user as {wanted}, but {current} does not have setuid permission!")]
    NotRoot {
        /// The task's user.
        wanted: String,
        /// This process's user.
        current: String,
    },
    /// The task id cannot name files.
    #[error(transparent)]
    TaskId(#[from] BadName),
    /// The constraints make no schedule.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Another runner has been here: its stream is not empty.
    #[error("task {task_id} is on record already, in state {state}")]
    OnRecord {
        /// The task.
        task_id: String,
        /// What its stream says.
        state: TaskState,
    },
    /// The records cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The records of an earlier runner cannot be read.
    #[error(transparent)]
    Read(#[from] crate::checkpoint::ReadError),
    /// Something that the kernel should not refuse.
    #[error("cannot set up the runner")]
    Io(#[from] io::Error),
    /// See [`CoreError`].
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// A task that runs on this machine.
///
/// One thread owns it, makes its coordinators, and must outlive it: the kernel ends them when *that thread* dies. Everything
/// that this process starts otherwise has to be [exempted](Settings::exemptions), since the runner adopts, reaps and at the end
/// kills every other child of the process.
///
/// ```text
/// let mut runner = TaskRunner::start(settings)?;
/// loop {
///     match runner.turn()? {
///         Turn::Over(state) => break,
///         Turn::Wait(longest) => /* wait until runner.wake_fd() is readable, or that long */,
///     }
/// }
/// ```
#[derive(Debug)]
pub struct TaskRunner {
    core: Core<Host>,
    /// What waits are counted from.
    begun: Instant,
}

impl TaskRunner {
    /// Takes the lead of the task and puts it on record. Nothing runs before the first [`TaskRunner::turn`].
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        // For its check of the id, and for errors: nothing is on disk yet.
        let called = TaskPaths::new(&settings.checkpoint_root, &settings.task_id)?;
        let own_uid = nix::unistd::getuid().as_raw();
        let user = match &settings.user {
            Some(name) => users::by_name(name)?,
            None => users::by_uid(own_uid)?,
        };
        if user.uid != own_uid && own_uid != 0 {
            return Err(StartError::NotRoot {
                wanted: user.name,
                current: users::by_uid(own_uid)?.name,
            });
        }
        let account = (user.uid != own_uid).then(|| Account::of(&user));
        prctl::set_child_subreaper(true).map_err(io::Error::from)?;

        // The folder above may belong to the task's user, who could put something else in the place of this one. What is
        // inside is this process's own.
        std::fs::create_dir_all(&settings.checkpoint_root)?;
        let root = crate::host::open_dir(&settings.checkpoint_root)?;
        let anchor = format!("/proc/self/fd/{}", root.as_raw_fd());
        let paths = TaskPaths::new(anchor, &settings.task_id)?;
        let writer = Writer::lock_called(&paths.runner(), called.runner())?;
        if !writer.is_empty()? {
            let (state, _) = crate::state::read_stream(&paths.runner())?;
            return Err(StartError::OnRecord {
                task_id: settings.task_id,
                state: state.task_state(),
            });
        }
        let log_dir = settings
            .log_dir
            .unwrap_or_else(|| settings.sandbox.join(".logs"));
        let begun = Instant::now();
        let now = Moment::now(begun);
        let header = RunnerHeader {
            task_id: Some(settings.task_id),
            launch_time_ms: Some((now.wall * 1000.0) as i64),
            sandbox: Some(settings.sandbox.to_string_lossy().into_owned()),
            log_dir: Some(log_dir.to_string_lossy().into_owned()),
            hostname: Some(settings.hostname),
            user: Some(user.name.clone()),
            uid: i32::try_from(user.uid).ok(),
            ports: Some(
                settings
                    .ports
                    .into_iter()
                    .map(|(name, port)| (name, i64::from(port)))
                    .collect(),
            ),
        };
        let around = Surroundings {
            program: settings.program,
            sandbox: settings.sandbox,
            log_dir,
            user,
            account,
            isolation: settings.isolation,
            image: settings.image,
            logging: settings.logging,
            preserve_environment: settings.preserve_environment,
            secrets: settings.secrets,
            search_path: std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned()),
        };
        let task_json = settings.task.to_json().to_string().into_bytes();
        let host = Host::new(root, paths, task_json, writer, around, settings.exemptions)?;
        let identity = Identity {
            pid: nix::unistd::getpid().as_raw(),
            uid: i32::try_from(own_uid).unwrap_or(i32::MAX),
        };
        let mut core = Core::new(settings.task, settings.run_limit, identity, host)?;
        core.start(header, now)?;
        Ok(Self { core, begun })
    }

    /// Readable when [`TaskRunner::turn`] has something to do before its time. The descriptor stays the same.
    #[must_use]
    pub fn wake_fd(&mut self) -> BorrowedFd<'_> {
        self.core.machine().wake_fd()
    }

    /// Does what there is to do now. Does not block, except for moments while it kills.
    ///
    /// # Errors
    /// [`CoreError`]: the records cannot be written. Call [`TaskRunner::abandon`] then.
    pub fn turn(&mut self) -> Result<Turn, CoreError> {
        let now = self.now();
        for news in self.core.machine().collect() {
            for update in crate::core::Machine::drain(self.core.machine(), &news.process) {
                self.core.observe(&news.process, update, now)?;
            }
            if news.gone {
                self.core.coordinator_gone(&news.process, now)?;
            }
        }
        self.core.machine().reap_strays();
        let turn = self.core.turn(now)?;
        // What the turn swept has left its children to this process. One that has ended since may be what the turn waits for.
        let reaped = self.core.machine().reap_strays();
        Ok(match turn {
            Turn::Wait(_) if reaped => Turn::Wait(Duration::ZERO),
            turn => turn,
        })
    }

    /// Ends the task as KILLED, with SIGTERM, final processes and SIGKILL, within `wait`.
    ///
    /// # Errors
    /// As for [`TaskRunner::turn`].
    pub fn kill(&mut self, wait: Duration) -> Result<(), CoreError> {
        self.core.kill(wait, self.now())
    }

    /// Ends the task as LOST, with SIGKILL.
    ///
    /// # Errors
    /// As for [`TaskRunner::turn`].
    pub fn lose(&mut self) -> Result<(), CoreError> {
        self.core.lose(self.now())
    }

    /// SIGKILL to everything that the task started, without a record.
    pub fn abandon(&mut self) {
        self.core.machine().abandon();
    }

    fn now(&self) -> Moment {
        Moment::now(self.begun)
    }

    /// What is on record.
    #[must_use]
    pub fn state(&self) -> &RunnerState {
        self.core.state()
    }
}

impl Drop for TaskRunner {
    fn drop(&mut self) {
        if !self.core.state().is_over() {
            self.abandon();
        }
    }
}

/// The search path of runs when this process has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

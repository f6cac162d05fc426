//! The real [`Machine`]: checkpoint files, coordinators, signals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aurora_api::thermos::{ProcessState, ProcessStatus, RunnerCkpt};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open, openat};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::checkpoint::{Reader, WriteError, Writer};
use crate::coordinator::{self, Instructions};
use crate::core::{Launch, Machine, Sweep};
use crate::isolation::{ImageRoot, Isolation};
use crate::logs::{self, LogDefaults};
use crate::paths::{self, Stage, TaskPaths};
use crate::procs::{self, Exemptions, ProcessId};
use crate::spawn;
use crate::users::{Account, User};

/// What coordinators are called in process listings.
const COORDINATOR_NAME: &str = "aurora-coordinator";
/// How long a killed coordinator may take to be reaped before it is left for later.
const REAP_PATIENCE: Duration = Duration::from_secs(2);
/// How long strays are killed for at the end of a task.
const STRAY_PATIENCE: Duration = Duration::from_secs(5);

/// How and where runs are started.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) program: PathBuf,
    pub(crate) sandbox: PathBuf,
    pub(crate) log_dir: PathBuf,
    pub(crate) user: User,
    /// To change to; `None` when runs keep the runner's own user.
    pub(crate) account: Option<Account>,
    pub(crate) isolation: Isolation,
    pub(crate) image: Option<ImageRoot>,
    pub(crate) logging: LogDefaults,
    pub(crate) preserve_environment: bool,
    /// Variables that no run may see.
    pub(crate) secrets: Vec<String>,
    pub(crate) search_path: String,
}

/// A run in progress.
#[derive(Debug)]
struct Live {
    coordinator: Pid,
    notify: io::PipeReader,
}

/// What has happened to a process.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) process: String,
    /// Its coordinator is gone.
    pub(crate) gone: bool,
}

#[derive(Debug)]
pub(crate) struct Host {
    /// Keeps the number in `paths` meaning what it means.
    _root: OwnedFd,
    paths: TaskPaths,
    task_json: Vec<u8>,
    writer: Writer,
    around: Surroundings,
    sandbox_dir: OwnedFd,
    epoll: Epoll,
    live: BTreeMap<String, Live>,
    readers: BTreeMap<String, Reader>,
    /// Descriptors of strays, so that their ends are heard of.
    watched: BTreeMap<ProcessId, OwnedFd>,
    exempt: Exemptions,
}

impl Host {
    pub(crate) fn new(
        root: OwnedFd,
        paths: TaskPaths,
        task_json: Vec<u8>,
        writer: Writer,
        around: Surroundings,
        exempt: Exemptions,
    ) -> io::Result<Self> {
        Ok(Self {
            sandbox_dir: open_dir(&around.sandbox)?,
            _root: root,
            paths,
            task_json,
            writer,
            around,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            live: BTreeMap::new(),
            readers: BTreeMap::new(),
            watched: BTreeMap::new(),
            exempt,
        })
    }

    /// Readable while there is something to collect.
    pub(crate) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Which processes have something new in their streams, or lost their coordinators.
    pub(crate) fn collect(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        // Only to settle the descriptor's readiness: the pipes themselves are asked below.
        let mut events = [EpollEvent::empty(); 16];
        if let Err(error) = self.epoll.wait(&mut events, EpollTimeout::ZERO)
            && error != Errno::EINTR
        {
            tracing::warn!(%error, "cannot settle the coordinators' pipes");
        }
        for (process, live) in &mut self.live {
            let mut written = false;
            let mut gone = false;
            let mut bytes = [0_u8; 64];
            loop {
                match live.notify.read(&mut bytes) {
                    Ok(0) => gone = true,
                    Ok(_) => {
                        written = true;
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        tracing::error!(process, %error, "cannot hear the coordinator any more");
                        gone = true;
                    }
                }
                break;
            }
            if written || gone {
                news.push(News {
                    process: process.clone(),
                    gone,
                });
            }
        }
        news
    }

    /// Reaps children that were adopted from ended runs, and sees to it that the ends of the others are heard of. Says whether it
    /// reaped any, of whose ends nothing will be heard then.
    pub(crate) fn reap_strays(&mut self) -> bool {
        let mut reaped = false;
        let strays = self.strays();
        // Closing a descriptor takes it off the event loop.
        self.watched.retain(|pid, _| strays.contains(pid));
        for pid in strays {
            match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => self.watch_stray(pid),
                Ok(_) => {
                    reaped = true;
                    self.watched.remove(&pid);
                }
                Err(Errno::ECHILD) => {
                    self.watched.remove(&pid);
                }
                Err(Errno::EINTR) => {}
                Err(error) => tracing::warn!(pid, %error, "cannot reap a child"),
            }
        }
        reaped
    }

    fn watch_stray(&mut self, pid: ProcessId) {
        if self.watched.contains_key(&pid) {
            return;
        }
        // A child that is not reaped keeps its number, so the descriptor is that child's.
        let watched = spawn::process_descriptor(Pid::from_raw(pid)).and_then(|descriptor| {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
            self.epoll.add(descriptor.as_fd(), event)?;
            Ok(descriptor)
        });
        match watched {
            Ok(descriptor) => {
                self.watched.insert(pid, descriptor);
            }
            // It is looked at now and then while the task ends.
            Err(error) => tracing::debug!(pid, %error, "cannot watch a process"),
        }
    }

    /// Children of this process, zombies included, that are neither coordinators nor somebody else's.
    fn strays(&self) -> Vec<ProcessId> {
        let coordinators: BTreeSet<ProcessId> = self
            .live
            .values()
            .map(|live| live.coordinator.as_raw())
            .collect();
        procs::children(nix::unistd::getpid().as_raw())
            .into_iter()
            .filter(|pid| !coordinators.contains(pid) && !self.exempt.contains(*pid))
            .collect()
    }

    /// Kills everything that was started, without a record.
    pub(crate) fn abandon(&mut self) {
        let processes: Vec<String> = self.live.keys().cloned().collect();
        for process in processes {
            self.sweep(&process, Sweep::Everything);
        }
        self.kill_strays();
    }

    fn try_launch(&mut self, launch: Launch<'_>) -> Result<ProcessStatus, LaunchError> {
        let name = &launch.process.name;
        let path = self.paths.coordinator(name)?;
        let mut stream = Writer::lock(&path)?;
        if let Some(earlier) = self.readers.get_mut(name) {
            stream.mend(earlier)?;
        }
        let start = stream.len()?;
        let log_dir = paths::run_log_dir(&self.around.log_dir, name, launch.run)?;
        self.make_log_dir(&log_dir)
            .map_err(|source| LaunchError::Io {
                doing: format!("creating the log folder {}", log_dir.display()),
                source,
            })?;

        let (hear, notify) = io::pipe().map_err(LaunchError::io("opening a pipe"))?;
        fcntl(hear.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .map_err(io::Error::from)
            .map_err(LaunchError::io("setting up a pipe"))?;
        let mut command = Command::new(&self.around.program);
        // Its name in process listings, where the path of the program would say nothing.
        command.arg0(COORDINATOR_NAME).arg(coordinator::ARGUMENT);
        if self.around.preserve_environment {
            for secret in &self.around.secrets {
                command.env_remove(secret);
            }
        } else {
            command.env_clear();
        }
        let mut child = spawn::coordinator(command, name.as_ref(), stream.file(), &notify)
            .map_err(|source| LaunchError::Io {
                doing: format!("starting {}", self.around.program.display()),
                source,
            })?;
        drop(notify);
        let coordinator = Pid::from_raw(child.id() as i32);
        let forked = ProcessStatus {
            seq: Some(launch.seq),
            process: Some(name.clone()),
            state: Some(ProcessState::Forked),
            fork_time: Some(launch.now.into()),
            coordinator_pid: Some(coordinator.as_raw()),
            ..ProcessStatus::default()
        };
        let orders = Instructions {
            cmdline: launch.process.cmdline.clone(),
            seq: launch.seq + 1,
            runner: nix::unistd::getpid().as_raw(),
            account: self.around.account.clone(),
            isolation: self.around.isolation,
            image: self.around.image.clone(),
            directory: self.around.sandbox.clone(),
            environment: self.environment(),
            preserve_environment: self.around.preserve_environment,
            logging: logs::effective(launch.process, &self.around.logging),
            log_dir,
        };
        let sent = (|| -> Result<(), LaunchError> {
            stream.write(&RunnerCkpt::ProcessStatus(forked.clone()))?;
            let text = serde_json::to_vec(&orders)
                .map_err(|error| LaunchError::io("writing down the instructions")(error.into()))?;
            let mut pipe = child.stdin.take().ok_or_else(|| {
                LaunchError::io("reaching the coordinator")(io::Error::from(
                    io::ErrorKind::BrokenPipe,
                ))
            })?;
            pipe.write_all(&text)
                .map_err(LaunchError::io("instructing the coordinator"))?;
            self.epoll
                .add(hear.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))
                .map_err(io::Error::from)
                .map_err(LaunchError::io("watching the coordinator"))
        })();
        if let Err(error) = sent {
            procs::signal(coordinator.as_raw(), Signal::SIGKILL);
            reap(coordinator);
            return Err(error);
        }
        // Earlier runs are all on record: what is read from here on is this run's.
        self.readers.insert(name.clone(), Reader::at(path, start));
        self.live.insert(
            name.clone(),
            Live {
                coordinator,
                notify: hear,
            },
        );
        Ok(forked)
    }

    /// Makes the run's log folder and whatever of the way to it is missing, for the task's user.
    ///
    /// The way leads through folders that belong to that user while this process may be root, so it is walked from the
    /// sandbox's own descriptor, and no symbolic link is followed: one to /etc must not get a folder made there.
    fn make_log_dir(&self, log_dir: &Path) -> io::Result<()> {
        let (mut folder, way) = match log_dir.strip_prefix(&self.around.sandbox) {
            Ok(way) => (self.sandbox_dir.try_clone()?, way),
            Err(_) => {
                // Outside of the sandbox, where the task's user owns nothing.
                fs::create_dir_all(&self.around.log_dir)?;
                let way = log_dir
                    .strip_prefix(&self.around.log_dir)
                    .map_err(io::Error::other)?;
                (open_dir(&self.around.log_dir)?, way)
            }
        };
        for name in way.components() {
            let Component::Normal(name) = name else {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            };
            let made = match mkdirat(&folder, name, Mode::from_bits_truncate(0o755)) {
                Ok(()) => true,
                Err(Errno::EEXIST) => false,
                Err(error) => return Err(error.into()),
            };
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            folder = openat(&folder, name, flags, Mode::empty())?;
            if let (true, Some(account)) = (made, &self.around.account) {
                std::os::unix::fs::fchown(&folder, Some(account.uid), Some(account.gid))?;
            }
        }
        Ok(())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let name = &self.around.user.name;
        let image = self.around.image.as_ref();
        let home = image.map_or(&self.around.sandbox, |image| &image.directory);
        [
            ("HOME", home.to_string_lossy().as_ref()),
            ("LOGNAME", name),
            ("USER", name),
            ("PATH", &self.around.search_path),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}

#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error(transparent)]
    Name(#[from] paths::BadName),
    #[error(transparent)]
    Stream(#[from] WriteError),
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
}

impl LaunchError {
    fn io(doing: &str) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.to_owned();
        move |source| Self::Io { doing, source }
    }
}

impl Machine for Host {
    fn record(&mut self, record: &RunnerCkpt) -> Result<(), WriteError> {
        self.writer.write(record)
    }

    fn publish_task(&mut self) -> Result<(), WriteError> {
        let target = self.paths.task(Stage::Active);
        let fault = |source| WriteError::Io {
            path: target.clone(),
            source,
        };
        // Written beside and renamed: the folder of active tasks never shows half a file.
        let draft = self.paths.checkpoint_dir().join("task.json");
        for folder in [Stage::Active, Stage::Finished] {
            if let Some(folder) = self.paths.task(folder).parent() {
                fs::create_dir_all(folder).map_err(fault)?;
            }
        }
        fs::write(&draft, &self.task_json).map_err(fault)?;
        fs::rename(&draft, &target).map_err(fault)
    }

    fn finish_task(&mut self) {
        if let Err(error) = self.paths.finish() {
            tracing::error!(task = self.paths.task_id(), %error, "cannot move the task file to the finished ones");
        }
    }

    fn launch(&mut self, launch: Launch<'_>) -> Result<ProcessStatus, String> {
        self.try_launch(launch).map_err(|error| error.to_string())
    }

    fn drain(&mut self, process: &str) -> Vec<ProcessStatus> {
        let Some(reader) = self.readers.get_mut(process) else {
            return Vec::new();
        };
        let mut records = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(RunnerCkpt::ProcessStatus(status))) => records.push(status),
                Ok(Some(other)) => {
                    tracing::warn!(process, ?other, "ignoring a record that is not a process's")
                }
                Ok(None) => return records,
                Err(error) => {
                    tracing::error!(process, %error, "cannot read what the coordinator wrote");
                    return records;
                }
            }
        }
    }

    fn is_live(&self, process: &str) -> bool {
        self.live
            .get(process)
            .is_some_and(|live| procs::is_alive(live.coordinator.as_raw()))
    }

    fn terminate(&mut self, process: &str, pid: ProcessId) {
        let Some(live) = self.live.get(process) else {
            return;
        };
        let children = procs::children(live.coordinator.as_raw());
        // The number comes from a file that the task's user can write to: it has to be the coordinator's child. The
        // coordinator starts nothing else, so its other children are orphans of the run.
        if children.contains(&pid) {
            for child in children {
                procs::signal(child, Signal::SIGTERM);
            }
        }
    }

    fn terminate_strays(&mut self) {
        for pid in self.strays() {
            if procs::is_alive(pid) {
                tracing::info!(pid, "ending a process that left its session");
                procs::signal(pid, Signal::SIGTERM);
            }
        }
    }

    fn has_strays(&self) -> bool {
        self.strays().into_iter().any(procs::is_alive)
    }

    fn kill_strays(&mut self) {
        let deadline = Instant::now() + STRAY_PATIENCE;
        loop {
            // Killing one hands its children to this process, so they are the strays of the next pass.
            let alive: Vec<ProcessId> = self
                .strays()
                .into_iter()
                .filter(|&pid| procs::is_alive(pid))
                .collect();
            for &pid in &alive {
                for below in procs::descendants(pid) {
                    procs::signal(below, Signal::SIGKILL);
                }
                procs::signal(pid, Signal::SIGKILL);
            }
            self.reap_strays();
            if alive.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                tracing::error!(?alive, "processes outlive SIGKILL");
                return;
            }
            procs::pause(Duration::from_millis(2));
        }
    }

    fn sweep(&mut self, process: &str, sweep: Sweep) -> bool {
        let Some(live) = self.live.remove(process) else {
            return false;
        };
        // The coordinator is this process's child and not reaped yet, so neither its number nor its group's can belong to
        // anybody else.
        let coordinator = live.coordinator.as_raw();
        let mut alive = procs::is_alive(coordinator);
        let below = match sweep {
            Sweep::Group => Vec::new(),
            Sweep::Everything => procs::descendants(coordinator),
        };
        alive |= below.iter().any(|&pid| procs::is_alive(pid));
        procs::signal_group(coordinator, Signal::SIGKILL);
        procs::signal(coordinator, Signal::SIGKILL);
        for pid in below {
            procs::signal(pid, Signal::SIGKILL);
        }
        reap(live.coordinator);
        alive
    }
}

/// A descriptor of a folder, which stays that folder whatever becomes of its name.
pub(crate) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// Reaps a child that was killed.
fn reap(pid: Pid) {
    let deadline = Instant::now() + REAP_PATIENCE;
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() < deadline => {
                spawn::wait_for_end(pid, deadline.saturating_duration_since(Instant::now()));
            }
            Ok(WaitStatus::StillAlive) => {
                tracing::error!(%pid, "a coordinator outlives SIGKILL");
                return;
            }
            Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

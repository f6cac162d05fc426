//! Containers: from a launch to the end of the last process.
//!
//! Each container has one task here, which owns its life: prepare, spawn the [`launch_helper`], write the process down,
//! fetch, let it go, wait, and clean up whatever happened. A request to destroy ends any of these steps.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurora_mesos::v1::{CommandInfo, Resource, Scalar, StatusReason, TaskResourceLimitation, TaskState, ValueType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

use super::cgroup::{Cgroups, Limits};
use super::checkpoint::Store;
use super::core::{Ended, Launch, Termination};
use super::fetch_plan::Uri;
use super::fetcher::{self, FetchSpec};
use super::launch_helper::{self, LaunchSpec};
use super::process::{self, Identity};
use super::sandbox;
use super::users::{self, Account};

/// How often out-of-memory counters are read.
const OOM_INTERVAL: Duration = Duration::from_secs(1);
/// Longest text of a helper or fetcher that is kept.
const MAX_MESSAGE: u64 = 16 << 10;
/// How long cleaning up waits for killed processes when there are no cgroups.
const KILL_DEADLINE: Duration = Duration::from_secs(30);

/// What happens to containers.
#[derive(Debug)]
pub(crate) enum ContainerEvent {
    Forked { container: String, pid: i32 },
    Ended { container: String, ended: Ended },
}

/// What a container is made of.
#[derive(Debug)]
pub(crate) struct ContainerConfig {
    /// This program, for its hidden modes.
    pub(crate) program: PathBuf,
    pub(crate) work_dir: PathBuf,
    pub(crate) cgroups: Option<Cgroups>,
    /// Tasks run as their own user; needs root.
    pub(crate) switch_user: bool,
    pub(crate) fetcher_stall_timeout: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct FetchCounters {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
}

struct Handle {
    destroy: watch::Sender<bool>,
}

/// Starts, watches and ends containers.
#[derive(Clone)]
pub(crate) struct Containerizer {
    inner: Arc<Inner>,
}

struct Inner {
    config: ContainerConfig,
    store: Store,
    events: mpsc::Sender<ContainerEvent>,
    containers: Mutex<HashMap<String, Handle>>,
    fetches: FetchCounters,
    destroy_errors: AtomicU64,
}

/// A launch that went wrong, as the status of its tasks tells it.
fn launch_failed(message: &str) -> Ended {
    let message = format!("Failed to launch container: {message}");
    Ended { status: None, termination: Some(Termination::new(TaskState::Failed, StatusReason::ContainerLaunchFailed, message)) }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Containerizer {
    pub(crate) fn new(config: ContainerConfig, store: Store, events: mpsc::Sender<ContainerEvent>) -> Self {
        let inner = Inner { config, store, events, containers: Mutex::default(), fetches: FetchCounters::default(), destroy_errors: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn cgroups(&self) -> Option<&Cgroups> {
        self.inner.config.cgroups.as_ref()
    }

    pub(crate) fn fetches(&self) -> &FetchCounters {
        &self.inner.fetches
    }

    /// How many containers could not be cleaned up.
    pub(crate) fn destroy_errors(&self) -> u64 {
        self.inner.destroy_errors.load(Ordering::Relaxed)
    }

    /// Starts a container. Its end comes as an event, also when it never came to be.
    pub(crate) fn launch(&self, agent: String, launch: Launch, sandbox: PathBuf, environment: Vec<(String, String)>) {
        let (destroy, destroyed) = watch::channel(false);
        let container = launch.run.container.clone();
        self.register(container.clone(), destroy);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let ended = Life { inner: &inner, launch, sandbox, environment, agent, destroyed }.run().await;
            inner.finish(container, ended).await;
        });
    }

    /// Watches a container of the last agent.
    pub(crate) fn adopt(&self, container: String, identity: Identity) {
        let (destroy, mut destroyed) = watch::channel(false);
        self.register(container.clone(), destroy);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let gone = async {
                if let Err(error) = process::wait_gone(&identity).await {
                    tracing::warn!(%error, pid = identity.pid, "cannot wait for a process; looking at it every second");
                    let mut tick = tokio::time::interval(OOM_INTERVAL);
                    while identity.is_alive() {
                        tick.tick().await;
                    }
                }
            };
            let termination = inner.watch(&container, &mut destroyed, gone).await;
            let termination = inner.clean_up(&container, Some(&identity)).await.or(termination);
            inner.finish(container, Ended { status: None, termination }).await;
        });
    }

    fn register(&self, container: String, destroy: watch::Sender<bool>) {
        self.inner.handles().insert(container, Handle { destroy });
    }

    /// Ends a container. What is left of one that nobody watches is cleaned up too: its processes are `identity`'s session.
    pub(crate) fn destroy(&self, container: &str, identity: Option<Identity>) {
        if let Some(handle) = self.inner.handles().get(container) {
            handle.destroy.send_replace(true);
            return;
        }
        let inner = Arc::clone(&self.inner);
        let container = container.to_owned();
        tokio::spawn(async move {
            inner.clean_up(&container, identity.as_ref()).await;
        });
    }

    /// Changes what a container may use.
    pub(crate) fn limit(&self, container: &str, limits: &Limits) {
        if let Some(cgroups) = self.cgroups()
            && cgroups.exists(container)
            && let Err(error) = cgroups.update(container, limits)
        {
            tracing::warn!(container, error = chain(&error), "cannot change the limits of a container");
        }
    }

    /// How many containers are being looked after.
    pub(crate) fn count(&self) -> usize {
        self.inner.handles().len()
    }
}

impl Inner {
    fn handles(&self) -> std::sync::MutexGuard<'_, HashMap<String, Handle>> {
        // Nothing panics while the lock is held.
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn finish(&self, container: String, ended: Ended) {
        self.handles().remove(&container);
        // The receiver is gone only when the agent is about to end.
        let _ = self.events.send(ContainerEvent::Ended { container, ended }).await;
    }

    /// Waits until the main process ends, the container is to be destroyed, or memory runs out.
    async fn watch<F: Future>(
        &self,
        container: &str,
        destroyed: &mut watch::Receiver<bool>,
        gone: F,
    ) -> Option<Termination> {
        let mut tick = tokio::time::interval(OOM_INTERVAL);
        tokio::pin!(gone);
        loop {
            tokio::select! {
                _ = &mut gone => return None,
                _ = destroyed.wait_for(|destroyed| *destroyed) => return None,
                _ = tick.tick() => {
                    if let Some(termination) = self.out_of_memory(container) {
                        return Some(termination);
                    }
                }
            }
        }
    }

    fn out_of_memory(&self, container: &str) -> Option<Termination> {
        let event = self.config.cgroups.as_ref()?.out_of_memory(container)?;
        let mebibytes = |bytes: u64| bytes >> 20;
        let message = format!(
            "Memory limit exceeded: Requested: {}MB Maximum Used: {}MB",
            mebibytes(event.limit),
            mebibytes(event.peak)
        );
        let memory = Resource {
            name: "mem".to_owned(),
            kind: ValueType::Scalar,
            scalar: Some(Scalar { value: mebibytes(event.peak) as f64 }),
            ..Resource::default()
        };
        let mut termination = Termination::new(TaskState::Failed, StatusReason::ContainerLimitationMemory, message);
        termination.limitation = Some(TaskResourceLimitation { resources: vec![memory] });
        Some(termination)
    }

    /// Kills everything in a container and removes its groups. Returns an out-of-memory event that shows only now.
    async fn clean_up(&self, container: &str, identity: Option<&Identity>) -> Option<Termination> {
        let termination = self.out_of_memory(container);
        let (cgroups, name, identity) = (self.config.cgroups.clone(), container.to_owned(), identity.cloned());
        let result = tokio::task::spawn_blocking(move || destroy_all(cgroups.as_ref(), &name, identity.as_ref())).await;
        match result {
            Ok(Ok(())) => {}
            Ok(Err(message)) => {
                self.destroy_errors.fetch_add(1, Ordering::Relaxed);
                tracing::error!(container, message, "a container cannot be cleaned up");
            }
            Err(error) => tracing::error!(container, %error, "cleaning up a container broke off"),
        }
        termination
    }
}

/// Ends every process of a container: by its cgroups where there are any, and by its session and process tree.
fn destroy_all(cgroups: Option<&Cgroups>, container: &str, identity: Option<&Identity>) -> Result<(), String> {
    if let Some(cgroups) = cgroups.filter(|cgroups| cgroups.exists(container)) {
        return cgroups.destroy(container).map_err(|error| chain(&error));
    }
    let Some(identity) = identity.filter(|identity| identity.boot_id == process::boot_id()) else { return Ok(()) };
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        // A pid is not given away while a session of that number has members: with another start time there is none left.
        if process::stat(identity.pid).is_some_and(|now| now.start_time != identity.start_time) {
            return Ok(());
        }
        let living = process::signal_tree(identity.pid, libc::SIGKILL);
        if living == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("{living} processes are still there {} s after SIGKILL", KILL_DEADLINE.as_secs()));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The life of one container.
struct Life<'a> {
    inner: &'a Inner,
    launch: Launch,
    sandbox: PathBuf,
    environment: Vec<(String, String)>,
    agent: String,
    destroyed: watch::Receiver<bool>,
}

struct Spawned {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    identity: Identity,
}

impl Life<'_> {
    async fn run(mut self) -> Ended {
        let container = self.launch.run.container.clone();
        let (account, procs) = match self.prepare().await {
            Ok(prepared) => prepared,
            Err(message) => {
                self.inner.clean_up(&container, None).await;
                return launch_failed(&message);
            }
        };
        let mut spawned = match self.spawn(account.clone(), procs).await {
            Ok(spawned) => spawned,
            Err(message) => {
                self.inner.clean_up(&container, None).await;
                return launch_failed(&message);
            }
        };
        let mut destroyed = self.destroyed.clone();
        let start = tokio::select! {
            started = self.start(account, &mut spawned.stdin, &mut spawned.stdout) => Some(started),
            _ = destroyed.wait_for(|destroyed| *destroyed) => None,
        };
        let Spawned { mut child, stdin, identity, .. } = spawned;
        // For the program the pipe has no meaning any more; for a helper that still waits it is the end.
        drop(stdin);
        let mut termination = None;
        match start {
            Some(Ok(())) => {
                termination = self.inner.watch(&container, &mut self.destroyed, child.wait()).await;
            }
            Some(Err(message)) => termination = launch_failed(&message).termination,
            None => {}
        }
        let late = self.inner.clean_up(&container, Some(&identity)).await;
        let status = match child.wait().await {
            Ok(status) => Some(std::os::unix::process::ExitStatusExt::into_raw(status)),
            Err(error) => {
                tracing::warn!(%error, container, "cannot tell how a container ended");
                None
            }
        };
        Ended { status, termination: termination.or(late) }
    }

    /// Finds the user, makes the sandbox and the cgroups.
    async fn prepare(&self) -> Result<(Option<Account>, Vec<PathBuf>), String> {
        if let Some(what) = &self.launch.unsupported {
            return Err(what.clone());
        }
        let config = &self.inner.config;
        let (work_dir, sandbox, user) = (config.work_dir.clone(), self.sandbox.clone(), self.launch.user.clone());
        let (cgroups, limits) = (config.cgroups.clone(), self.launch.limits);
        let (switch_user, container) = (config.switch_user, self.launch.run.container.clone());
        tokio::task::spawn_blocking(move || {
            let account = if switch_user { Some(users::find(&user).map_err(|error| chain(&error))?) } else { None };
            sandbox::create(&work_dir, &sandbox, account.as_ref()).map_err(|error| chain(&error))?;
            if let Some(account) = &account {
                users::check_reachable(account, &sandbox).map_err(|error| chain(&error))?;
            }
            let mut procs = Vec::new();
            if let Some(cgroups) = cgroups {
                procs = cgroups.create(&container).map_err(|error| chain(&error))?;
                cgroups.update(&container, &limits).map_err(|error| chain(&error))?;
            }
            Ok((account, procs))
        })
        .await
        .map_err(|error| error.to_string())?
    }

    /// Starts the helper and writes its process down.
    async fn spawn(&self, account: Option<Account>, cgroup_procs: Vec<PathBuf>) -> Result<Spawned, String> {
        let (program, arguments) = command_line(&self.launch.command)?;
        let spec = LaunchSpec {
            program,
            arguments,
            environment: self.environment.clone(),
            sandbox: self.sandbox.clone(),
            account,
            cgroup_procs,
        };
        let mut child = helper(&self.inner.config.program, launch_helper::SUBCOMMAND)
            .spawn()
            .map_err(|error| format!("starting {}: {error}", self.inner.config.program.display()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.id().and_then(|pid| i32::try_from(pid).ok()));
        let (Some(mut stdin), Some(stdout), Some(pid)) = pipes else {
            return Err("the launch helper ended at once".to_owned());
        };
        let mut line = serde_json::to_vec(&spec).map_err(|error| error.to_string())?;
        line.push(b'\n');
        stdin.write_all(&line).await.map_err(|error| format!("talking to the launch helper: {error}"))?;
        let identity = Identity::of(pid).ok_or("the launch helper ended at once")?;
        let (store, agent, run, stored) =
            (self.inner.store.clone(), self.agent.clone(), self.launch.run.clone(), identity.clone());
        let written = tokio::task::spawn_blocking(move || store.write_process(&agent, &run, &stored)).await;
        written.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
        let event = ContainerEvent::Forked { container: self.launch.run.container.clone(), pid };
        // The receiver is gone only when the agent is about to end.
        let _ = self.inner.events.send(event).await;
        Ok(Spawned { child, stdin, stdout, identity })
    }

    /// Fetches, and lets the program run.
    async fn start(
        &self,
        account: Option<Account>,
        stdin: &mut ChildStdin,
        stdout: &mut ChildStdout,
    ) -> Result<(), String> {
        self.fetch(account).await?;
        stdin
            .write_all(launch_helper::GO.as_bytes())
            .await
            .map_err(|error| format!("talking to the launch helper: {error}"))?;
        let mut message = String::new();
        stdout.take(MAX_MESSAGE).read_to_string(&mut message).await.map_err(|error| format!("reading from the launch helper: {error}"))?;
        if message.is_empty() { Ok(()) } else { Err(message) }
    }

    async fn fetch(&self, account: Option<Account>) -> Result<(), String> {
        let uris: Vec<Uri> = self
            .launch
            .command
            .uris
            .iter()
            .map(|uri| Uri {
                value: uri.value.clone(),
                executable: uri.executable.unwrap_or(false),
                extract: uri.extract,
                output_file: uri.output_file.clone(),
            })
            .collect();
        if uris.is_empty() {
            return Ok(());
        }
        let spec = FetchSpec {
            sandbox: self.sandbox.clone(),
            account,
            uris,
            stall_timeout: self.inner.config.fetcher_stall_timeout,
        };
        let result = run_fetcher(&self.inner.config.program, &spec).await;
        let counter = if result.is_ok() { &self.inner.fetches.succeeded } else { &self.inner.fetches.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }
}

async fn run_fetcher(program: &Path, spec: &FetchSpec) -> Result<(), String> {
    let failed = |error: io::Error| format!("running the fetcher: {error}");
    // Killed when the launch is given up, which drops this future.
    let mut child = helper(program, fetcher::SUBCOMMAND).kill_on_drop(true).spawn().map_err(failed)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the fetcher ended at once".to_owned());
    };
    let mut line = serde_json::to_vec(spec).map_err(|error| error.to_string())?;
    line.push(b'\n');
    stdin.write_all(&line).await.map_err(failed)?;
    let mut message = String::new();
    stdout.take(MAX_MESSAGE).read_to_string(&mut message).await.map_err(failed)?;
    let status = child.wait().await.map_err(failed)?;
    drop(stdin);
    if status.success() {
        Ok(())
    } else if message.is_empty() {
        Err(format!("the fetcher ended with {status}"))
    } else {
        Err(message)
    }
}

/// One of the hidden modes of this program, with nothing of the agent's surroundings.
fn helper(program: &Path, mode: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(mode).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    // Name services and certificates are looked up by these.
    for name in ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "RUST_BACKTRACE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Program and arguments: a shell line runs under `/bin/sh -c`; otherwise the arguments are the whole argv.
fn command_line(command: &CommandInfo) -> Result<(String, Vec<String>), String> {
    let value = command.value.clone().filter(|value| !value.is_empty());
    match (command.shell, value) {
        (true, Some(value)) => Ok(("/bin/sh".to_owned(), vec!["sh".to_owned(), "-c".to_owned(), value])),
        (false, Some(value)) => Ok((value, command.arguments.clone())),
        (_, None) => Err("the command has no value: there is nothing to run".to_owned()),
    }
}

//! The life of one container: prepare, spawn the helper, write the process down, fetch, let it go, wait.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use super::command::{self, Surroundings};
use super::containerizer::{ContainerEvent, Inner, chain, launch_failed};
use super::core::{Ended, Launch};
use super::docker::{self, Wanted};
use super::fetch_plan::Uri;
use super::fetcher::{self, FetchSpec};
use super::images::{self, Provided};
use super::launch_helper::{self, InRoot, LaunchSpec};
use super::process::Identity;
use super::sandbox;
use super::users::{self, Account};

/// Longest text of a helper or fetcher that is kept.
const MAX_MESSAGE: u64 = 16 << 10;

/// The life of one container.
pub(super) struct Life<'a> {
    pub(super) inner: &'a Inner,
    pub(super) launch: Launch,
    pub(super) sandbox: PathBuf,
    pub(super) environment: Vec<(String, String)>,
    pub(super) agent: String,
    pub(super) destroyed: watch::Receiver<bool>,
}

/// What a container needs before it has a process.
struct Prepared {
    account: Option<Account>,
    procs: Vec<PathBuf>,
    provided: Provided,
    /// For a container of the Docker engine.
    docker: Option<docker::Order>,
}

struct Spawned {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    identity: Identity,
}

impl Life<'_> {
    pub(super) async fn run(mut self) -> Ended {
        let container = self.launch.run.container.clone();
        let prepared = match self.prepare().await {
            Ok(prepared) => prepared,
            Err(message) => {
                self.inner.clean_up(&container, None).await;
                return launch_failed(&message);
            }
        };
        let (account, procs) = (prepared.account.clone(), prepared.procs.clone());
        let mut spawned = match self.spawn(prepared).await {
            Ok(spawned) => spawned,
            Err(message) => {
                self.inner.clean_up(&container, None).await;
                return launch_failed(&message);
            }
        };
        let mut destroyed = self.destroyed.clone();
        let start = tokio::select! {
            started = self.start(account, procs, &mut spawned.stdin, &mut spawned.stdout) => Some(started),
            _ = destroyed.wait_for(|destroyed| *destroyed) => None,
        };
        let Spawned {
            mut child,
            stdin,
            identity,
            ..
        } = spawned;
        // For the program the pipe has no meaning any more; for a helper that still waits it is the end.
        drop(stdin);
        let mut termination = None;
        match start {
            Some(Ok(())) => {
                termination = self
                    .inner
                    .watch(&container, &mut self.destroyed, child.wait())
                    .await;
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
        Ended {
            status,
            termination: termination.or(late),
        }
    }

    /// Finds the user, makes the sandbox and the cgroups, unpacks images.
    async fn prepare(&self) -> Result<Prepared, String> {
        if let Some(what) = &self.launch.unsupported {
            return Err(what.clone());
        }
        let config = &self.inner.config;
        let (work_dir, sandbox, user) = (
            config.work_dir.clone(),
            self.sandbox.clone(),
            self.launch.user.clone(),
        );
        let (cgroups, limits) = (config.cgroups.clone(), self.launch.limits);
        let (switch_user, container) = (config.switch_user, self.launch.run.container.clone());
        let (images, engine, launch) = (
            config.images.clone(),
            config.docker.clone(),
            self.launch.clone(),
        );
        tokio::task::spawn_blocking(move || {
            let account = if switch_user {
                Some(users::find(&user).map_err(|error| chain(&error))?)
            } else {
                None
            };
            sandbox::create(&work_dir, &sandbox, account.as_ref())
                .map_err(|error| chain(&error))?;
            if let Some(account) = &account {
                users::check_reachable(account, &sandbox).map_err(|error| chain(&error))?;
            }
            let mut procs = Vec::new();
            if let Some(cgroups) = cgroups {
                procs = cgroups.create(&container).map_err(|error| chain(&error))?;
                cgroups
                    .update(&container, &limits)
                    .map_err(|error| chain(&error))?;
            }
            let order = launch.docker.as_ref().map(|docker| {
                let wanted = Wanted {
                    container: &docker.container,
                    command: launch.task.as_ref().unwrap_or(&launch.command),
                    ports: &docker.ports,
                    sandbox: &sandbox,
                    limits: &limits,
                };
                engine.prepare(&container, wanted)
            });
            let docker = order.transpose()?;
            let provided = match images.filter(|_| docker.is_none()) {
                Some(images) => {
                    images.provide(&container, launch.image.as_ref(), &launch.volumes)?
                }
                None => Provided::default(),
            };
            Ok(Prepared {
                account,
                procs,
                provided,
                docker,
            })
        })
        .await
        .map_err(|error| error.to_string())?
    }

    /// Starts the helper and writes its process down.
    async fn spawn(&self, prepared: Prepared) -> Result<Spawned, String> {
        let spec = self.spec(prepared)?;
        let mut child = helper(&self.inner.config.program, launch_helper::SUBCOMMAND)
            .spawn()
            .map_err(|error| {
                format!("starting {}: {error}", self.inner.config.program.display())
            })?;
        let pipes = (
            child.stdin.take(),
            child.stdout.take(),
            child.id().and_then(|pid| i32::try_from(pid).ok()),
        );
        let (Some(mut stdin), Some(stdout), Some(pid)) = pipes else {
            return Err("the launch helper ended at once".to_owned());
        };
        let mut line = serde_json::to_vec(&spec).map_err(|error| error.to_string())?;
        line.push(b'\n');
        stdin
            .write_all(&line)
            .await
            .map_err(|error| format!("talking to the launch helper: {error}"))?;
        let identity = Identity::of(pid).ok_or("the launch helper ended at once")?;
        let (store, agent, run, stored) = (
            self.inner.store.clone(),
            self.agent.clone(),
            self.launch.run.clone(),
            identity.clone(),
        );
        let written =
            tokio::task::spawn_blocking(move || store.write_process(&agent, &run, &stored)).await;
        written
            .map_err(|error| error.to_string())?
            .map_err(|error| chain(&error))?;
        let event = ContainerEvent::Forked {
            container: self.launch.run.container.clone(),
            pid,
        };
        // The receiver is gone only when the agent is about to end.
        let _ = self.inner.events.send(event).await;
        Ok(Spawned {
            child,
            stdin,
            stdout,
            identity,
        })
    }

    /// What the helper is to become.
    fn spec(&self, prepared: Prepared) -> Result<LaunchSpec, String> {
        let Prepared {
            account,
            procs,
            provided,
            docker,
        } = prepared;
        let config = provided.root.as_ref().map(|root| &root.config);
        let in_root = provided.root.as_ref().map(|root| InRoot {
            path: root.path.clone(),
            directory: working_directory(&root.config),
        });
        let plain = LaunchSpec {
            program: String::new(),
            arguments: Vec::new(),
            environment: self.environment.clone(),
            sandbox: self.sandbox.clone(),
            account,
            cgroup_procs: procs,
            mounts: provided.mounts,
            root: None,
        };
        match (&self.launch.task, docker, config) {
            // The engine's client stays who the agent is; the container has a user of its own.
            (None, Some(order), _) => self.in_other_mode(plain, docker::SUBCOMMAND, &order),
            (Some(_), Some(order), _) => {
                self.in_other_mode(plain, command::SUBCOMMAND, &Surroundings::Docker(order))
            }
            // The executor stays outside, and root, since only root can go inside.
            (Some(task), None, Some(config)) => {
                let (program, arguments) = images::run_line(task, Some(config))?;
                let inside = LaunchSpec {
                    program,
                    arguments,
                    environment: images::environment(config, []),
                    mounts: images::Mounts::default(),
                    cgroup_procs: Vec::new(),
                    root: in_root,
                    ..plain.clone()
                };
                self.in_other_mode(plain, command::SUBCOMMAND, &Surroundings::Image(inside))
            }
            (None, None, Some(config)) => {
                let (program, arguments) = images::run_line(&self.launch.command, Some(config))?;
                let mut environment = images::environment(config, plain.environment);
                environment.retain(|(name, _)| name != "MESOS_SANDBOX");
                environment.push(("MESOS_SANDBOX".to_owned(), images::SANDBOX.to_owned()));
                Ok(LaunchSpec {
                    program,
                    arguments,
                    environment,
                    root: in_root,
                    ..plain
                })
            }
            (_, None, None) => {
                let (program, arguments) = images::run_line(&self.launch.command, None)?;
                Ok(LaunchSpec {
                    program,
                    arguments,
                    ..plain
                })
            }
        }
    }

    /// This program in another mode, with what that is told, as the user that the agent is.
    fn in_other_mode(
        &self,
        spec: LaunchSpec,
        mode: &str,
        told: &impl serde::Serialize,
    ) -> Result<LaunchSpec, String> {
        let told = serde_json::to_string(told).map_err(|error| error.to_string())?;
        let program = self.inner.config.program.display().to_string();
        Ok(LaunchSpec {
            arguments: vec![program.clone(), mode.to_owned(), told],
            program,
            account: None,
            ..spec
        })
    }

    /// Fetches, and lets the program run.
    async fn start(
        &self,
        account: Option<Account>,
        cgroup_procs: Vec<PathBuf>,
        stdin: &mut ChildStdin,
        stdout: &mut ChildStdout,
    ) -> Result<(), String> {
        self.fetch(account, cgroup_procs).await?;
        stdin
            .write_all(launch_helper::GO.as_bytes())
            .await
            .map_err(|error| format!("talking to the launch helper: {error}"))?;
        let mut message = String::new();
        stdout
            .take(MAX_MESSAGE)
            .read_to_string(&mut message)
            .await
            .map_err(|error| format!("reading from the launch helper: {error}"))?;
        if message.is_empty() {
            Ok(())
        } else {
            Err(message)
        }
    }

    async fn fetch(
        &self,
        account: Option<Account>,
        cgroup_procs: Vec<PathBuf>,
    ) -> Result<(), String> {
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
            cgroup_procs,
            uris,
            stall_timeout: self.inner.config.fetcher_stall_timeout,
            max_bytes: self.inner.config.fetcher_max_bytes,
        };
        let result = run_fetcher(&self.inner.config.program, &spec).await;
        let counter = if result.is_ok() {
            &self.inner.fetches.succeeded
        } else {
            &self.inner.fetches.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }
}

async fn run_fetcher(program: &Path, spec: &FetchSpec) -> Result<(), String> {
    let failed = |error: io::Error| format!("running the fetcher: {error}");
    // Killed when the launch is given up, which drops this future.
    let mut child = helper(program, fetcher::SUBCOMMAND)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the fetcher ended at once".to_owned());
    };
    let mut line = serde_json::to_vec(spec).map_err(|error| error.to_string())?;
    line.push(b'\n');
    stdin.write_all(&line).await.map_err(failed)?;
    let mut message = String::new();
    stdout
        .take(MAX_MESSAGE)
        .read_to_string(&mut message)
        .await
        .map_err(failed)?;
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
    command
        .arg(mode)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    for name in launch_helper::KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Where an image's programs begin, if it says so.
fn working_directory(config: &images::RunConfig) -> Option<PathBuf> {
    let directory = config.working_dir.clone();
    directory
        .filter(|directory| !directory.is_empty())
        .map(PathBuf::from)
}

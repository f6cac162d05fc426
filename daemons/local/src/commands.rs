//! `run`, `start`, `stop` and `status`.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aurora_client::directory::Environment;
use aurora_client::endpoints::{Endpoints, boot_id, process_start_time};
use aurora_daemon::flags::DaemonFlags;
use aurora_daemon::lifecycle::Shutdown;
use aurora_daemon::logging;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::demo;
use crate::flags::{ClusterFlags, Flags, RunFlags, StateFlags, Verb};
use crate::layout::{Layout, LayoutError, tail};
use crate::lock::{self, LockError};
use crate::records::Records;
use crate::supervisor::Supervisor;

/// How long `start` waits: the slowest daemon's deadline and some.
const START_DEADLINE: Duration = Duration::from_secs(150);

/// How long `stop` waits: every daemon's deadline and some.
const STOP_DEADLINE: Duration = Duration::from_secs(150);

/// A name becomes a part of paths and of job keys.
fn check_name(name: &str) -> anyhow::Result<()> {
    let good = !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !good {
        bail!(
            "`{name}` is not a good cluster name; use up to 64 letters, digits, `_`, `-` and `.`"
        );
    }
    Ok(())
}

fn layout(flags: &StateFlags) -> anyhow::Result<Layout> {
    check_name(&flags.cluster_name)?;
    let dir: PathBuf = match &flags.state_dir {
        Some(dir) => dir.clone(),
        None => Environment::of_process()
            .state_dir(&flags.cluster_name)
            .ok_or(LayoutError::NoPlace)?,
    };
    Ok(Layout::new(&dir)?)
}

/// Does what the flags say.
pub async fn run(flags: Flags) -> anyhow::Result<()> {
    match flags.verb {
        Verb::Run(flags) => run_here(flags).await,
        Verb::Start(flags) => start(&flags).await,
        Verb::Stop(flags) => stop(&flags).await,
        Verb::Status(flags) => status(&flags),
    }
}

fn print_line(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value)?;
    writeln!(std::io::stdout(), "{line}").context("writing to standard output")
}

async fn run_here(flags: RunFlags) -> anyhow::Result<()> {
    if flags.detached {
        nix::unistd::setsid().context("leaving the terminal's session")?;
    }
    logging::init(&flags.daemon)?;
    let layout = layout(&flags.cluster.state)?;
    layout.prepare()?;
    let _lock = lock::take(&layout.lock())?;
    let shutdown = Shutdown::install(flags.daemon.lifeline_fd).context("preparing for signals")?;
    end_with_terminal(&shutdown)?;
    if let Some(obstacle) = layout.obstacle() {
        tracing::warn!("{obstacle}");
    }
    if !nix::unistd::geteuid().is_root() {
        tracing::info!("not root: every task runs as this user, whatever its role");
    }
    let mut supervisor = Supervisor::new(layout, flags.cluster.clone())?;
    let started = tokio::select! {
        started = supervisor.start() => started,
        () = shutdown.wait() => Err(anyhow!("told to end before the cluster was ready")),
    };
    let outcome = match started {
        Ok(endpoints) => {
            tracing::info!(scheduler = endpoints.scheduler, "the cluster is ready");
            print_line(&endpoints)?;
            if flags.cluster.demo {
                tokio::select! {
                    () = demo::create(&endpoints) => {}
                    () = shutdown.wait() => {}
                }
            }
            shutdown.wait().await;
            tracing::info!("stopping the cluster");
            Ok(())
        }
        Err(error) => Err(error),
    };
    supervisor.stop().await;
    outcome
}

/// A terminal that is closed ends the cluster as ctrl-c does.
fn end_with_terminal(shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("preparing for signals")?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        if hangup.recv().await.is_some() {
            tracing::info!("the terminal is gone");
            shutdown.trigger();
        }
    });
    Ok(())
}

async fn start(flags: &ClusterFlags) -> anyhow::Result<()> {
    let layout = layout(&flags.state)?;
    layout.prepare()?;
    if lock::holder(&layout.lock())?.is_some() {
        return wait_for_other(&layout, flags).await;
    }
    let lacking = flags.demo.then(demo::lacking).flatten();
    for warning in layout.obstacle().into_iter().chain(lacking) {
        // It is in the log, too; a closed standard error is no reason not to start.
        let _ = writeln!(std::io::stderr(), "aurora-local: {warning}");
    }
    let log = layout.log("local");
    let errors = layout.open_log("local")?;
    let before = errors.metadata().map_or(0, |found| found.len());
    let program = std::env::current_exe().context("finding this program")?;
    let mut child = tokio::process::Command::new(&program)
        .args(["run", "--detached", "--state-dir"])
        .arg(&layout.dir)
        .args(flags.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .current_dir("/")
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout.take(64 * 1024));
        match tokio::time::timeout(START_DEADLINE, reader.read_line(&mut line)).await {
            Ok(read) => read.context("reading the cluster's addresses")?,
            Err(_) => {
                child.start_kill().context("ending the start")?;
                bail!(
                    "the cluster did not become ready within {} s; its log {} ends with:\n{}",
                    START_DEADLINE.as_secs(),
                    log.display(),
                    tail(&log, before, 15)
                );
            }
        };
    }
    if line.is_empty() {
        let status = child.wait().await.context("waiting for the cluster")?;
        // Another one may have been faster.
        if lock::holder(&layout.lock())?.is_some() {
            return wait_for_other(&layout, flags).await;
        }
        bail!(
            "the cluster was not started ({status}); its log {} says:\n{}",
            log.display(),
            tail(&log, before, 25)
        );
    }
    let endpoints: Endpoints =
        serde_json::from_str(&line).context("understanding the cluster's addresses")?;
    print_line(&endpoints)
}

/// Somebody runs or starts the cluster already: waits until it is ready and says where.
async fn wait_for_other(layout: &Layout, flags: &ClusterFlags) -> anyhow::Result<()> {
    let give_up = Instant::now() + START_DEADLINE;
    loop {
        if let Some(endpoints) = aurora_client::local::attach(&layout.dir)? {
            if endpoints.cluster != flags.state.cluster_name {
                bail!(
                    "the cluster in {} is named `{}`, not `{}`",
                    layout.dir.display(),
                    endpoints.cluster,
                    flags.state.cluster_name
                );
            }
            if flags.demo {
                logging::init(&DaemonFlags::default())?;
                demo::create(&endpoints).await;
            }
            return print_line(&endpoints);
        }
        let holder = lock::holder(&layout.lock())?;
        if holder.is_none() || Instant::now() > give_up {
            bail!(
                "another start of the cluster in {} did not succeed; its log is {}",
                layout.dir.display(),
                layout.log("local").display()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn stop(flags: &StateFlags) -> anyhow::Result<()> {
    let layout = layout(flags)?;
    if lock::holder(&layout.lock())?.is_none() {
        let tasks = stop_leftovers(&layout, flags).await?;
        return print_line(
            &json!({"stopped": false, "reason": "not running", "ended_tasks_left": tasks}),
        );
    }
    let give_up = Instant::now() + STOP_DEADLINE;
    let mut told: Option<u32> = None;
    loop {
        let holder = match lock::take(&layout.lock()) {
            Ok(_lock) => return print_line(&json!({"stopped": true, "pid": told})),
            Err(LockError::Held { holder, .. }) => holder,
            Err(error) => return Err(error.into()),
        };
        // A supervisor that has just taken the lock says its name a moment later.
        let lives = process_start_time(holder.pid) == Some(holder.start_time);
        if lives && told != Some(holder.pid) {
            let pid = i32::try_from(holder.pid).context("the lock names no process")?;
            kill(Pid::from_raw(pid), Signal::SIGTERM)
                .with_context(|| format!("cannot stop process {pid}"))?;
            told = Some(holder.pid);
        }
        if Instant::now() >= give_up {
            let seconds = STOP_DEADLINE.as_secs();
            match told {
                Some(pid) => {
                    bail!("process {pid} was told to stop but still runs after {seconds} s")
                }
                None => bail!(
                    "a process holds {} and has not said its name for {seconds} s; `fuser {}` finds it",
                    layout.lock().display(),
                    layout.lock().display()
                ),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ends what a killed supervisor has left: tasks go on without it, and only an agent can end them. Says whether there may
/// have been any.
async fn stop_leftovers(layout: &Layout, flags: &StateFlags) -> anyhow::Result<bool> {
    // Only an end out of order leaves this file; after a restart of the machine nothing is left to end.
    let left = Endpoints::read(&layout.dir)?.filter(|left| left.boot_id == boot_id());
    let Some(left) = left else {
        Endpoints::remove(&layout.dir)?;
        return Ok(false);
    };
    logging::init(&DaemonFlags {
        log_level: "warn".to_owned(),
        ..DaemonFlags::default()
    })?;
    let _lock = lock::take(&layout.lock())?;
    let state = StateFlags {
        cluster_name: left.cluster,
        ..flags.clone()
    };
    let mut supervisor = Supervisor::new(layout.clone(), ClusterFlags::plain(state))?;
    let started = supervisor.start().await;
    supervisor.stop().await;
    started.context("starting the cluster once more, to end the tasks that a crash has left")?;
    Ok(true)
}

/// `{"running","cluster","state_dir","pid","since_ms","endpoints","daemons":{NAME:{"pid","address","alive","restarts"}}}`.
fn status(flags: &StateFlags) -> anyhow::Result<()> {
    let layout = layout(flags)?;
    let holder = lock::holder(&layout.lock())?;
    let endpoints = aurora_client::local::attach(&layout.dir)?;
    let daemons: serde_json::Map<String, serde_json::Value> = Records::load(&layout.dir)
        .all()
        .into_iter()
        .map(|(name, record)| {
            let alive = record.is_alive();
            let shown = json!({
                "pid": record.pid, "address": record.address, "alive": alive, "restarts": record.restarts,
            });
            (name, shown)
        })
        .collect();
    let cluster = endpoints
        .as_ref()
        .map_or(&flags.cluster_name, |endpoints| &endpoints.cluster);
    print_line(&json!({
        "running": holder.is_some(),
        "ready": endpoints.is_some(),
        "cluster": cluster,
        "state_dir": layout.dir,
        "pid": holder.as_ref().map(|holder| holder.pid),
        "since_ms": holder.as_ref().map(|holder| holder.since_ms),
        "endpoints": endpoints,
        "daemons": daemons,
    }))
}

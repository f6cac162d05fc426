//! Putting an agent together, and taking it apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use aurora_daemon::guard::{Guard, Token};
use aurora_daemon::lifecycle::{self, Shutdown};
use aurora_daemon::server::{self, Listener};
use aurora_mesos::resources;
use aurora_mesos::v1::{AgentInfo, Resource, RevocableInfo};
use nix::fcntl::{Flock, FlockArg};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::cgroup::Cgroups;
use super::checkpoint::Store;
use super::containerizer::{ContainerConfig, Containerizer};
use super::core::{Agent, Settings};
use super::docker::Docker;
use super::durable::CheckpointError;
use super::files::Sandboxes;
use super::flags::AgentFlags;
use super::http::Routes;
use super::images::{DockerConfig, Images, ImagesConfig, Registry};
use super::paths::Paths;
use super::registration::{self, Master};
use super::shell::{Finished, Handle, Input, Shell, ShellConfig};
use super::{detect, gc, sandbox, users};
use crate::logging_level::LoggingLevel;

/// Container events that may wait for the shell.
const CONTAINER_EVENTS: usize = 1024;
/// Largest body of a call: a resubscribing executor sends its tasks and updates.
const MAX_BODY: usize = 64 << 20;
/// How long a control group may be without a process before the next agent removes it.
const EMPTY_GROUP_AGE: Duration = Duration::from_secs(600);
/// How long ending all executors may take beyond their grace period before the agent ends anyway.
const STOP_MARGIN: Duration = Duration::from_secs(60);

/// Runs an agent until it is told to end.
///
/// # Errors
/// When it cannot start, or a checkpoint cannot be written.
pub async fn run(flags: AgentFlags) -> anyhow::Result<()> {
    let shutdown = Shutdown::install(flags.daemon.lifeline_fd).context("preparing for signals")?;
    let token = flags
        .daemon
        .token_file
        .as_deref()
        .map(Token::load)
        .transpose()
        .context("reading --token-file")?;
    let work_dir = absolute(&flags.work_dir)?;
    let paths = Paths::new(&work_dir);
    sandbox::create_parents(&work_dir, &paths.slaves()).context("preparing --work-dir")?;
    let _lock = lock(&paths)?;
    let store = Store::open(paths.clone()).context("opening the checkpoints")?;
    let recovered = store.load().context("reading the checkpoints")?;
    let last_port = recovered
        .info
        .as_ref()
        .and_then(|info| u16::try_from(info.port).ok());
    let listener = listen(&flags, last_port).await?;
    let address = listener.address();

    let resources_text = flags
        .resources
        .clone()
        .unwrap_or_else(|| detect::resources(&work_dir));
    let info = AgentInfo {
        hostname: flags.hostname.clone().map_or_else(own_hostname, Ok)?,
        port: i32::from(address.port()),
        resources: offered(&resources_text, &flags.oversubscribed_resources)?,
        attributes: resources::parse_attributes(&flags.attributes)
            .context("reading --attributes")?,
        id: recovered.info.as_ref().and_then(|info| info.id.clone()),
        domain: None,
    };
    let program = std::env::current_exe().context("finding this program")?;
    let is_root = nix::unistd::Uid::effective().is_root();
    let settings = Settings {
        info,
        ip: flags.ip.to_string(),
        executor_registration_timeout: flags.executor_registration_timeout,
        executor_reregistration_timeout: flags.executor_reregistration_timeout,
        executor_shutdown_grace_period: flags.executor_shutdown_grace_period,
        command_executor_program: program.display().to_string(),
        enable_cfs: flags.cgroups_enable_cfs,
        pids_max: flags.cgroups_pids_max,
        executor_secrets: token.is_some(),
        volumes: is_root,
        docker: flags.docker_socket.exists(),
    };
    if flags.switch_user && !is_root {
        tracing::info!(
            user = users::current_name(),
            "without root, every task runs as the agent's own user"
        );
    }
    let (container_sender, container_events) = mpsc::channel(CONTAINER_EVENTS);
    let containerizer = Containerizer::new(
        ContainerConfig {
            docker: Docker {
                socket: flags.docker_socket.clone(),
                containers: containers(&work_dir),
            },
            images: if is_root {
                Some(images(&flags, &program, &work_dir)?)
            } else {
                None
            },
            program,
            work_dir: work_dir.clone(),
            cgroups: cgroups(&flags),
            switch_user: flags.switch_user && is_root,
            fetcher_stall_timeout: flags.fetcher_stall_timeout,
            fetcher_max_bytes: flags.fetcher_max_size.saturating_mul(1 << 20),
        },
        store.clone(),
        container_sender,
    );
    let agent = Agent::new(settings, Box::new(rand::random));
    let shell_config = ShellConfig {
        paths: paths.clone(),
        recovery_timeout: flags.recovery_timeout,
        executor_environment: executor_environment(
            flags.executor_environment_variables.as_deref(),
        )?,
    };
    let (mut shell, handle) = Shell::new(
        agent,
        store.clone(),
        containerizer.clone(),
        container_events,
        shell_config,
    );
    shell.recover(recovered).context("recovering")?;
    let shell = tokio::spawn(shell.run());

    let counters = Arc::new(gc::GcCounters::default());
    let routes = Routes {
        shell: handle.clone(),
        guard: Guard::new(token.clone(), address),
        sandboxes: Sandboxes::new(paths.clone()),
        paths: paths.clone(),
        containerizer,
        flags: flags.shown(&resources_text),
        gc: Arc::clone(&counters),
        logging: LoggingLevel::default(),
        started: SystemTime::now(),
    };
    // The server outlives the request to end: executors still have to say how their tasks ended.
    let serving = Shutdown::new();
    let options = server::Options {
        max_body: MAX_BODY,
        guard: Some(Guard::new(token.clone(), address)),
        ..server::Options::default()
    };
    let server = tokio::spawn(server::serve(
        listener,
        Arc::new(routes),
        options,
        serving.clone(),
    ));
    lifecycle::announce_ready("agent", address).context("announcing that the agent is ready")?;
    let registration = tokio::spawn(register_when_recovered(
        Master {
            address: flags.master.clone(),
            token,
        },
        handle.clone(),
    ));
    let collector = tokio::spawn(gc::run(handle.clone(), paths, flags.gc_delay, counters));

    let result = wait(shell, &handle, &shutdown, &flags).await;
    registration.abort();
    collector.abort();
    serving.trigger();
    server.await.context("ending the server")?;
    if let Some(Finished::Left(message)) = result? {
        tracing::warn!(
            message,
            "left the cluster; the next agent of this work directory will be a new one"
        );
        store.forget_agent().context("forgetting the agent's id")?;
    }
    Ok(())
}

/// The shell's task, with how it ended.
type ShellTask = tokio::task::JoinHandle<Result<Finished, CheckpointError>>;

/// Waits for the end, whoever asks for it: a signal, the master, or SIGUSR1 to leave the cluster for good. `None` when
/// executors live on.
async fn wait(
    mut shell: ShellTask,
    handle: &Handle,
    shutdown: &Shutdown,
    flags: &AgentFlags,
) -> anyhow::Result<Option<Finished>> {
    let mut leave = signal(SignalKind::user_defined1()).context("preparing for SIGUSR1")?;
    let input = tokio::select! {
        finished = &mut shell => return report(finished),
        _ = leave.recv() => Input::Leave,
        () = shutdown.wait() => Input::StopExecutors,
    };
    let stays = matches!(input, Input::StopExecutors)
        && (!flags.stop_executors_on_shutdown || shutdown.is_orphaned());
    if stays {
        // Everything that was promised is on disk.
        shell.abort();
        return Ok(None);
    }
    tracing::info!("ending every executor");
    if handle.send(input).await.is_err() {
        return report(shell.await);
    }
    let limit = flags.executor_shutdown_grace_period + STOP_MARGIN;
    match tokio::time::timeout(limit, &mut shell).await {
        Ok(finished) => report(finished),
        Err(_) => {
            shell.abort();
            bail!(
                "some executors have not ended within {} s; the next agent will find them",
                limit.as_secs()
            )
        }
    }
}

fn report(
    finished: Result<Result<Finished, CheckpointError>, tokio::task::JoinError>,
) -> anyhow::Result<Option<Finished>> {
    let finished = finished.context("the agent's core broke off")?;
    finished
        .context("writing a checkpoint; executors live on")
        .map(Some)
}

/// Registers once the executors of the last agent had their time to come back.
async fn register_when_recovered(master: Master, handle: Handle) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        match handle.query(Agent::is_recovering).await {
            Ok(true) => {
                tick.tick().await;
            }
            Ok(false) => break,
            Err(_) => return,
        }
    }
    registration::run(master, handle).await;
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(path)
        .with_context(|| format!("creating --work-dir {}", path.display()))?;
    path.canonicalize()
        .with_context(|| format!("finding --work-dir {}", path.display()))
}

/// Two agents in one work directory would each adopt the other's executors.
fn lock(paths: &Paths) -> anyhow::Result<Flock<std::fs::File>> {
    let path = paths.work_dir().join("agent.lock");
    let file =
        std::fs::File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        anyhow::anyhow!(
            "another agent uses the work directory {}; give each its own",
            paths.work_dir().display()
        )
    })
}

/// Opens the port. When the flags leave it open, the port of the last life is tried first, since executors that outlived it
/// come back there.
async fn listen(flags: &AgentFlags, last_port: Option<u16>) -> anyhow::Result<Listener> {
    if flags.port == 0
        && let Some(port) = last_port
    {
        match Listener::bind(flags.ip, port).await {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                tracing::warn!(port, %error, "the last port is not free; executors of the last agent cannot come back")
            }
        }
    }
    Listener::bind(flags.ip, flags.port)
        .await
        .context("opening the agent's port")
}

fn own_hostname() -> anyhow::Result<String> {
    let name =
        nix::unistd::gethostname().context("finding this host's name; give it with --hostname")?;
    Ok(name.to_string_lossy().into_owned())
}

/// What there is, and what is given away a second time as revocable.
fn offered(own: &str, oversubscribed: &str) -> anyhow::Result<Vec<Resource>> {
    let mut offered = resources::parse(own)
        .context("reading --resources")?
        .to_refined();
    let more = resources::parse(oversubscribed).context("reading --oversubscribed-resources")?;
    offered.extend(more.to_refined().into_iter().map(|resource| Resource {
        revocable: Some(RevocableInfo {}),
        ..resource
    }));
    Ok(offered)
}

fn cgroups(flags: &AgentFlags) -> Option<Cgroups> {
    if !flags.cgroups {
        return None;
    }
    match Cgroups::detect(&flags.cgroups_root) {
        Ok(cgroups) => {
            let swept = cgroups.sweep(EMPTY_GROUP_AGE);
            tracing::info!(swept, "limits by {}", cgroups.describe());
            Some(cgroups)
        }
        Err(reason) => {
            tracing::warn!(reason, "containers have no limits of memory and processors");
            None
        }
    }
}

/// Where layers and marks of containers are.
fn containers(work_dir: &Path) -> PathBuf {
    work_dir.join("provisioner/containers")
}

fn images(flags: &AgentFlags, program: &Path, work_dir: &Path) -> anyhow::Result<Images> {
    let store = flags.docker_store_dir.clone();
    let source = flags.docker_registry.clone();
    let is_url = |source: &String| source.starts_with("http://") || source.starts_with("https://");
    let url = source.clone().filter(is_url);
    let registry = match url {
        Some(url) => Some(Registry {
            url,
            config: match &flags.docker_config {
                Some(value) => DockerConfig::read(value)?,
                None => DockerConfig::default(),
            },
            stall_timeout: flags.fetcher_stall_timeout,
        }),
        None => None,
    };
    Ok(Images::new(ImagesConfig {
        program: program.to_owned(),
        archives: source.filter(|_| registry.is_none()).map(PathBuf::from),
        registry,
        appc: flags.appc_store_dir.clone(),
        store: store.unwrap_or_else(|| work_dir.join("store/docker")),
        containers: containers(work_dir),
        max_bytes: flags.max_image_size.saturating_mul(1 << 20),
    }))
}

fn executor_environment(text: Option<&str>) -> anyhow::Result<Vec<(String, String)>> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let variables: std::collections::BTreeMap<String, String> = serde_json::from_str(text)
        .context("reading --executor_environment_variables: a JSON object of texts is expected")?;
    Ok(variables.into_iter().collect())
}

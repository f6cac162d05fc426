//! The parts put together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aurora_api::model::ServerInfo;
use aurora_daemon::guard::{Guard, Token};
use aurora_daemon::lifecycle::{self, Shutdown};
use aurora_daemon::server::{Listener, Options, serve};
use aurora_mesos::client::Secret;
use aurora_mesos::v1::FrameworkCapabilityType;
use aurora_zk::members::Endpoint;
use http::HeaderValue;
use tokio::sync::{mpsc, oneshot, watch};

use crate::api::{Api, Recovery};
use crate::backups::Backups;
use crate::coordinator;
use crate::core::{Config, Millis};
use crate::discovery;
use crate::engine::{Engine, EngineError, Parts, Start};
use crate::feed::Hub;
use crate::flags::Flags;
use crate::http::Routes;
use crate::mesos::{self, Framework, MesosEnd, Registration};
use crate::metrics::Metrics;
use crate::recovery::recover;
use crate::security::{self, Gate};
use crate::storage::{LocalLog, WalOptions, claim};
use crate::watch::Watch;
use crate::webhook::{Webhook, WebhookConfig};

/// Calls to Mesos that may wait. More than a burst of launches can make; beyond it calls are dropped, which Mesos might do too.
const CALLS: usize = 1 << 16;

/// How long the last calls to Mesos may take.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Milliseconds since 1970 on this machine's clock.
fn clock() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Runs the scheduler until `shutdown`.
///
/// # Errors
/// It could not start, or cannot go on; the message says what to do.
pub async fn run(flags: Flags, shutdown: Shutdown) -> anyhow::Result<()> {
    flags.log();
    let token = match &flags.daemon.token_file {
        Some(path) => Some(Token::load(path)?),
        None => None,
    };
    let credentials = flags.credentials.credentials()?;
    let secret = match (&credentials, &token) {
        (Some(credentials), _) => Some(credentials.secret.clone()),
        (None, Some(token)) => Some(
            Secret::bearer(token.reveal()).context("the secret in --token-file cannot be sent")?,
        ),
        (None, None) => None,
    };
    let cors = match &flags.enable_cors_for {
        Some(origin) => Some(
            HeaderValue::from_str(origin).context("--enable-cors-for is not a header's value")?,
        ),
        None => None,
    };
    let server_set = flags.zookeeper.server_set()?;
    let masters = discovery::masters(&flags.mesos_master)?;
    let listener = Listener::bind(flags.ip, flags.port).await?;
    let address = listener.address();
    let hostname = hostname(&flags, address);
    let config = flags
        .decisions
        .to_config(&flags.cluster_name, &hostname, rand::random())?;

    let (lock, disk) = claim(&flags.state_dir)?;
    let recovering = disk.clone();
    let mut recovered =
        tokio::task::spawn_blocking(move || recover(&recovering, WalOptions::default()))
            .await
            .context("reading the state failed")??;
    let index = recovered.index;
    let view = recovered.store.view();
    tracing::info!(
        tasks = view.task_count(),
        index,
        directory = %flags.state_dir.display(),
        "state recovered"
    );
    let framework_id = view.framework_id().map(str::to_owned);
    let recent = std::mem::take(&mut recovered.recent);
    let hub = Hub::new(view, &recent, recovered.recent_after);
    let hub = Arc::new(hub.in_zone(config.cron_timezone.clone()));
    let metrics = Arc::new(Metrics::default());

    let (start, wal) = Start::of(recovered);
    let log = LocalLog::start(wal)?;
    let log_size = log.size();
    let (calls, calls_receiver) = mpsc::channel(CALLS);
    let (questions, questions_receiver) =
        mpsc::channel(config.max_parallel_coordinated_maintenance.max(1));
    let backups = backups(&flags, &metrics)?;
    let parts = Parts {
        config: config.clone(),
        log,
        disk,
        clock: Box::new(clock),
        snapshot_interval: span(flags.dlog_snapshot_interval),
        log_size: log_size.clone(),
        calls,
        questions,
        hub: hub.clone(),
        metrics: metrics.clone(),
        watch: Watch::new(metrics.clone(), webhook(&flags, &metrics)?),
        backups: Some(backups.clone()),
    };
    let (engine, handle) = Engine::new(start, parts);
    // The engine ends after everything that feeds it, so that what was accepted is still made durable and answered.
    let engine_shutdown = Shutdown::new();
    let mut engine_end = spawn_engine(engine, engine_shutdown.clone())?;

    let (registration, registered) = watch::channel(Registration::default());
    let guard = Guard::new(token, address).admitting(cors.clone());
    for name in security::COUNTERS {
        metrics.add(name, 0);
    }
    let routes = Arc::new(Routes {
        api: Api {
            config: Arc::new(config.clone()),
            handle: handle.clone(),
            metrics: metrics.clone(),
            server_info: ServerInfo {
                cluster_name: flags.cluster_name.clone(),
                stats_url_prefix: flags.viz_job_url_prefix.clone(),
            },
            recovery: Recovery::new(backups, clock),
            clock,
        },
        gate: Gate {
            guard: guard.clone(),
            realm: flags.security.realm()?,
        },
        hub: hub.clone(),
        registration: registered.clone(),
        address,
        clock,
        cors,
        log_size,
    });
    let server_shutdown = Shutdown::new();
    let options = Options {
        guard: Some(guard),
        ..Options::default()
    };
    let mut server = tokio::spawn(serve(listener, routes, options, server_shutdown.clone()));
    let principal = flags.credentials.announced(credentials.as_ref());
    let framework = framework(&flags, &config, &hostname, address, principal)?;
    let info = framework.info(framework_id.as_deref());
    let coordinators = tokio::spawn(coordinator::run(
        questions_receiver,
        span(config.sla_coordinator_timeout),
        handle.clone(),
    ));
    let mut mesos = tokio::spawn(mesos::run(
        masters,
        info,
        secret,
        handle,
        calls_receiver,
        metrics.clone(),
        registration,
    ));
    let advertised = match server_set {
        Some(set) => {
            let endpoint = Endpoint {
                host: hostname.clone(),
                port: address.port(),
            };
            let name = flags.zookeeper.serverset_endpoint_name.clone();
            Some(discovery::advertise(
                set,
                endpoint,
                name,
                registered.clone(),
                metrics,
            )?)
        }
        None => None,
    };
    lifecycle::announce_ready("scheduler", address).context("cannot say that it is ready")?;

    let mut engine_ended = None;
    let outcome = tokio::select! {
        () = shutdown.wait() => Ok(()),
        end = &mut engine_end => {
            engine_ended = Some(end.ok());
            Ok(())
        }
        end = &mut mesos => match end {
            // The engine went first; its outcome below says why.
            Ok(MesosEnd::Ending) => Ok(()),
            Ok(end @ MesosEnd::Refused(_)) => Err(anyhow::Error::new(end)),
            Err(error) => Err(error).context("the conversation with Mesos failed"),
        },
        () = late(registered, span(flags.max_registration_delay)) => Err(anyhow::anyhow!(
            "Mesos did not register this scheduler within --max-registration-delay"
        )),
        _ = &mut server => Err(anyhow::anyhow!("the HTTP server ended")),
    };
    // Clients are told first, so that they do not come to a closed door.
    if let Some(session) = advertised {
        session.close().await;
    }
    hub.close();
    server_shutdown.trigger();
    if !server.is_finished() {
        // Answers under way wait for the engine, which still runs; it ends after them.
        let _ = server
            .await
            .inspect_err(|error| tracing::error!(%error, "the HTTP server failed"));
    }
    engine_shutdown.trigger();
    let ended = match engine_ended {
        Some(ended) => ended,
        None => engine_end.await.ok(),
    };
    let outcome = outcome.and(engine_outcome(ended));
    // Last, so that calls to Mesos that rest on what was accepted still go out.
    if !mesos.is_finished() && tokio::time::timeout(LAST_CALLS, &mut mesos).await.is_err() {
        mesos.abort();
    }
    // What it asked for is asked again by the next scheduler.
    coordinators.abort();
    drop(lock);
    outcome
}

fn backups(flags: &Flags, metrics: &Arc<Metrics>) -> anyhow::Result<Arc<Backups>> {
    let directory = match &flags.backups.backup_dir {
        Some(directory) => directory.clone(),
        None => flags.state_dir.join("backups"),
    };
    let (interval, keep) = (
        flags.backups.backup_interval,
        flags.backups.max_saved_backups,
    );
    let backups = Backups::new(&directory, interval, keep, clock(), metrics.clone())?;
    Ok(Arc::new(backups))
}

fn webhook(flags: &Flags, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Webhook>> {
    let Some(path) = &flags.webhook_config else {
        return Ok(None);
    };
    let config = WebhookConfig::load(path)?;
    Webhook::start(config, metrics.clone()).map(Some)
}

fn span(millis: i64) -> Duration {
    Duration::from_millis(millis.max(0).unsigned_abs())
}

fn engine_outcome(end: Option<Result<(), EngineError>>) -> anyhow::Result<()> {
    match end {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(error).context("the scheduler cannot go on"),
        None => Err(anyhow::anyhow!(
            "the scheduler's engine panicked; its log is intact"
        )),
    }
}

/// The engine has a thread of its own: a decision never waits for a request to be served.
fn spawn_engine(
    engine: Engine<LocalLog>,
    shutdown: Shutdown,
) -> anyhow::Result<oneshot::Receiver<Result<(), EngineError>>> {
    let (sender, receiver) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the engine's runtime")?;
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let end = runtime.block_on(engine.run(shutdown));
            // Nobody waits when the process is ending for another reason.
            let _ = sender.send(end);
        })
        .context("cannot start the engine's thread")?;
    Ok(receiver)
}

/// Returns when registration is overdue; never for a limit of zero.
async fn late(mut registered: watch::Receiver<Registration>, limit: Duration) {
    if !limit.is_zero() {
        let in_time = tokio::time::timeout(limit, registered.wait_for(|state| state.ever)).await;
        if !matches!(in_time, Ok(Ok(_))) {
            return;
        }
    }
    std::future::pending().await
}

fn hostname(flags: &Flags, address: SocketAddr) -> String {
    if let Some(name) = &flags.hostname {
        return name.clone();
    }
    if !address.ip().is_unspecified() {
        return address.ip().to_string();
    }
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

fn framework(
    flags: &Flags,
    config: &Config,
    hostname: &str,
    address: SocketAddr,
    principal: Option<String>,
) -> anyhow::Result<Framework> {
    let user = match &flags.executor_user {
        Some(user) => user.clone(),
        None => nix::unistd::User::from_uid(nix::unistd::getuid())
            .context("cannot find out who runs this program")?
            .map_or_else(|| "root".to_owned(), |user| user.name),
    };
    let mut capabilities = Vec::new();
    for (wanted, capability) in [
        (
            flags.receive_revocable_resources,
            FrameworkCapabilityType::RevocableResources,
        ),
        (
            config.allow_gpu_resource,
            FrameworkCapabilityType::GpuResources,
        ),
        (
            config.partition_aware,
            FrameworkCapabilityType::PartitionAware,
        ),
    ] {
        if wanted {
            capabilities.push(capability);
        }
    }
    Ok(Framework {
        name: flags.framework_name.clone(),
        user,
        failover_timeout: span(flags.framework_failover_timeout),
        role: flags.mesos_role.clone(),
        principal,
        hostname: hostname.to_owned(),
        webui_url: format!(
            "{}://{hostname}:{}",
            flags.zookeeper.serverset_endpoint_name,
            address.port()
        ),
        capabilities,
    })
}

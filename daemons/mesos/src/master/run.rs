//! Flags of the master, and its life from start to end.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use aurora_daemon::flags::DaemonFlags;
use aurora_daemon::guard::{Guard, Token};
use aurora_daemon::lifecycle::{self, Shutdown};
use aurora_daemon::{logging, server};
use aurora_mesos::duration::{format_duration, parse_duration};
use aurora_mesos::v1::{
    Address, Flag, MasterCapability, MasterCapabilityType, MasterInfo, VersionInfo,
};
use uuid::Uuid;

use super::contender::{Ensemble, contend};
use super::core::{Config, Master};
use super::http::Api;
use super::shell::{Clock, Shell};
use super::store::Store;
use crate::link;
use crate::logging_level::LoggingLevel;

/// The version of Mesos whose APIs are spoken here. Clients split it at the dots and want numbers.
const MESOS_VERSION: &str = "1.11.0";

/// Flags of `aurora-mesos-master`. Those that Mesos has keep their names; `_` and `-` are the same.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "aurora-mesos-master",
    version,
    about = "A Mesos-v1-compatible master for one machine"
)]
pub struct MasterFlags {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub ip: IpAddr,
    /// Port to listen on; 0 lets the kernel choose.
    #[arg(long, default_value_t = 5050)]
    pub port: u16,
    /// Host name that clients are told; by default the address.
    #[arg(long)]
    pub hostname: Option<String>,
    /// Name of the cluster, shown by dashboards.
    #[arg(long)]
    pub cluster: Option<String>,
    /// Directory for what survives a restart; made when missing.
    #[arg(long, alias = "work_dir", value_name = "DIR")]
    pub work_dir: PathBuf,
    /// Time between allocations.
    #[arg(long, alias = "allocation_interval", default_value = "1secs", value_parser = duration)]
    pub allocation_interval: Duration,
    /// How long an offer waits for an answer before it is taken back; by default for ever.
    #[arg(long, alias = "offer_timeout", value_parser = duration)]
    pub offer_timeout: Option<Duration>,
    /// Time between pings to an agent.
    #[arg(long, alias = "agent_ping_timeout", default_value = "15secs", value_parser = duration)]
    pub agent_ping_timeout: Duration,
    /// Pings in a row that an agent may miss before it counts as unreachable.
    #[arg(long, alias = "max_agent_ping_timeouts", default_value_t = 5)]
    pub max_agent_ping_timeouts: u32,
    /// How long a disconnected agent may take to come back before it counts as unreachable.
    #[arg(long, alias = "agent_reregister_timeout", default_value = "10mins", value_parser = duration)]
    pub agent_reregister_timeout: Duration,
    /// Where schedulers that look in ZooKeeper find this master: zk://[user:password@]host:port,…/path.
    #[arg(long, value_name = "ADDRESS")]
    pub zk: Option<Ensemble>,
    /// How long ZooKeeper keeps the node of a master that fell silent.
    #[arg(long, alias = "zk_session_timeout", default_value = "10secs", value_parser = duration)]
    pub zk_session_timeout: Duration,
    /// Flags that all daemons have.
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| {
        format!(
            "'{text}' is not a duration; write a number and a unit, such as 5secs, 1500ms or 2mins"
        )
    })
}

impl MasterFlags {
    /// As GET_FLAGS shows them.
    fn shown(&self, port: u16) -> Vec<Flag> {
        let mut flags = vec![
            (
                "agent_ping_timeout",
                format_duration(self.agent_ping_timeout),
            ),
            (
                "agent_reregister_timeout",
                format_duration(self.agent_reregister_timeout),
            ),
            (
                "allocation_interval",
                format_duration(self.allocation_interval),
            ),
            (
                "authenticate_http_frameworks",
                self.daemon.token_file.is_some().to_string(),
            ),
            ("ip", self.ip.to_string()),
            (
                "max_agent_ping_timeouts",
                self.max_agent_ping_timeouts.to_string(),
            ),
            ("port", port.to_string()),
            ("work_dir", self.work_dir.display().to_string()),
            (
                "zk_session_timeout",
                format_duration(self.zk_session_timeout),
            ),
        ];
        flags.extend(self.zk.as_ref().map(|zk| ("zk", zk.to_string())));
        flags.extend(self.cluster.clone().map(|cluster| ("cluster", cluster)));
        flags.extend(self.hostname.clone().map(|hostname| ("hostname", hostname)));
        flags.extend(
            self.offer_timeout
                .map(|timeout| ("offer_timeout", format_duration(timeout))),
        );
        flags.sort();
        flags
            .into_iter()
            .map(|(name, value)| Flag {
                name: name.to_owned(),
                value: Some(value),
            })
            .collect()
    }
}

/// What does not change while the master runs, and what the shell measures.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) master_info: MasterInfo,
    pub(crate) cluster: Option<String>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) version: VersionInfo,
    pub(crate) logging: LoggingLevel,
    pub(crate) timings: Arc<Timings>,
}

/// How long the last allocation and the last write of the registry took, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    allocation: AtomicU64,
    store: AtomicU64,
}

impl Timings {
    pub(crate) fn allocated_in(&self, time: Duration) {
        self.allocation.store(micros(time), Ordering::Relaxed);
    }

    pub(crate) fn stored_in(&self, time: Duration) {
        self.store.store(micros(time), Ordering::Relaxed);
    }

    pub(crate) fn allocation_ms(&self) -> f64 {
        self.allocation.load(Ordering::Relaxed) as f64 / 1000.0
    }

    pub(crate) fn store_ms(&self) -> f64 {
        self.store.load(Ordering::Relaxed) as f64 / 1000.0
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn version() -> VersionInfo {
    VersionInfo {
        version: MESOS_VERSION.to_owned(),
        build_date: Some(format!("aurora-mesos-master {}", env!("CARGO_PKG_VERSION"))),
        build_time: Some(0.0),
        build_user: Some("aurora".to_owned()),
        ..VersionInfo::default()
    }
}

fn master_info(flags: &MasterFlags, port: u16) -> MasterInfo {
    // Mesos reads the four bytes of the address, in network order, as a native integer.
    let ip = match flags.ip {
        IpAddr::V4(ip) => u32::from_le_bytes(ip.octets()),
        IpAddr::V6(_) => u32::from_le_bytes(Ipv4Addr::UNSPECIFIED.octets()),
    };
    let hostname = flags
        .hostname
        .clone()
        .unwrap_or_else(|| flags.ip.to_string());
    let capability = |kind| MasterCapability { kind: Some(kind) };
    MasterInfo {
        id: Uuid::new_v4().to_string(),
        ip,
        port: port.into(),
        pid: Some(format!("master@{}:{port}", flags.ip)),
        hostname: Some(hostname.clone()),
        version: Some(MESOS_VERSION.to_owned()),
        address: Some(Address {
            hostname: Some(hostname),
            ip: Some(flags.ip.to_string()),
            port: port.into(),
        }),
        capabilities: vec![
            capability(MasterCapabilityType::AgentUpdate),
            capability(MasterCapabilityType::AgentDraining),
            capability(MasterCapabilityType::QuotaV2),
        ],
        ..MasterInfo::default()
    }
}

/// Runs a master until it is told to end.
///
/// # Errors
/// What keeps it from starting, or a registry that could not be written.
pub async fn run(flags: MasterFlags) -> anyhow::Result<()> {
    logging::init(&flags.daemon)?;
    let token = match &flags.daemon.token_file {
        Some(path) => Some(Token::load(path).context("the cluster's secret")?),
        None => None,
    };
    let shutdown = Shutdown::install(flags.daemon.lifeline_fd).context("signals")?;
    let (store, registry) = Store::open(&flags.work_dir).context("the master's work directory")?;
    let listener = server::Listener::bind(flags.ip, flags.port).await?;
    let address = listener.address();

    let master_info = master_info(&flags, address.port());
    let contention = match &flags.zk {
        Some(zk) => Some(contend(zk, flags.zk_session_timeout, &master_info)?),
        None => None,
    };
    let clock = Clock::start();
    let config = Config {
        master_info: master_info.clone(),
        allocation_interval: flags.allocation_interval.max(Duration::from_millis(10)),
        offer_timeout: flags.offer_timeout,
        ping_interval: flags.agent_ping_timeout.max(Duration::from_millis(100)),
        max_missed_pings: flags.max_agent_ping_timeouts,
        reregister_timeout: flags.agent_reregister_timeout,
        seed: rand::random(),
    };
    let master = Master::new(config, registry, clock.now());
    let timings = Arc::<Timings>::default();
    let shell = Shell::new(master, clock, store, Arc::clone(&timings), shutdown.clone());
    let timer = tokio::spawn(Arc::clone(&shell).keep_time());
    let guard = Guard::new(token, address);
    let api = Api {
        info: Info {
            master_info,
            cluster: flags.cluster.clone(),
            flags: flags.shown(address.port()),
            version: version(),
            logging: LoggingLevel::default(),
            timings,
        },
        guard: guard.clone(),
        shell: Arc::clone(&shell),
    };
    lifecycle::announce_ready("master", address)?;
    tracing::info!(%address, "the master serves");
    let options = server::Options {
        max_body: link::MAX_BODY,
        guard: Some(guard),
        ..server::Options::default()
    };
    server::serve(listener, Arc::new(api), options, shutdown).await;
    if let Some(session) = contention {
        // Schedulers are not to be sent here any more.
        session.close().await;
    }
    timer.await.context("the master's timer")?;
    anyhow::ensure!(
        !shell.has_failed(),
        "the registry could not be written; see the log"
    );
    Ok(())
}

//! The flags of `aurora-mesos-agent`. Names and defaults are Mesos' where it has the flag; both spellings of a name (with
//! dashes or underscores) are taken.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use aurora_daemon::flags::DaemonFlags;

use super::duration;

/// Runs tasks for the embedded master: sandboxes, executors, status updates.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "aurora-mesos-agent", version, about)]
pub struct AgentFlags {
    /// The master, as HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    pub master: String,

    /// Address to listen on; executors are told to find the agent there.
    #[arg(long, default_value = "127.0.0.1")]
    pub ip: IpAddr,

    /// Port to listen on; 0 takes a free one. An agent that is to find its executors again after a restart needs a fixed
    /// port, or takes the one of its last life when this is 0.
    #[arg(long, default_value_t = 5051)]
    pub port: u16,

    /// Directory for sandboxes and checkpoints. Every user whose tasks run here has to be able to reach it.
    #[arg(long, alias = "work_dir", value_name = "DIR")]
    pub work_dir: PathBuf,

    /// Name of this host in offers; the machine's own name when absent.
    #[arg(long)]
    pub hostname: Option<String>,

    /// Resources to offer, like "cpus:4;mem:2048;disk:4096;ports:[31000-32000]"; found out when absent.
    #[arg(long)]
    pub resources: Option<String>,

    /// Resources to offer beyond those as revocable ones, like "cpus:2;mem:1024": what Mesos' fixed resource estimator would
    /// report.
    #[arg(long, value_name = "RESOURCES", default_value = "")]
    pub oversubscribed_resources: String,

    /// Attributes of this host, like "rack:r1;zone:a".
    #[arg(long, default_value = "")]
    pub attributes: String,

    /// How long an executor may take to subscribe, fetching included.
    #[arg(long, alias = "executor_registration_timeout", default_value = "1mins", value_parser = duration::parse)]
    pub executor_registration_timeout: Duration,

    /// How long executors may take to subscribe again after the agent was restarted.
    #[arg(long, alias = "executor_reregistration_timeout", default_value = "2secs", value_parser = duration::parse)]
    pub executor_reregistration_timeout: Duration,

    /// How long an executor may take to end after it was told to.
    #[arg(long, alias = "executor_shutdown_grace_period", default_value = "5secs", value_parser = duration::parse)]
    pub executor_shutdown_grace_period: Duration,

    /// How long executors wait for the agent to come back before they give up.
    #[arg(long, alias = "recovery_timeout", default_value = "15mins", value_parser = duration::parse)]
    pub recovery_timeout: Duration,

    /// How long sandboxes of ended executors stay; less when the disk fills up.
    #[arg(long, alias = "gc_delay", default_value = "1weeks", value_parser = duration::parse)]
    pub gc_delay: Duration,

    /// How long a download may bring nothing before it has failed.
    #[arg(long, alias = "fetcher_stall_timeout", default_value = "1mins", value_parser = duration::parse)]
    pub fetcher_stall_timeout: Duration,

    /// Most MiB that the URIs of one command may bring; more fails the launch.
    #[arg(
        long,
        alias = "fetcher_max_size",
        value_name = "MIB",
        default_value_t = 16_384
    )]
    pub fetcher_max_size: u64,

    /// Runs tasks as the user that they name; needs root. Without root tasks always run as the agent's user.
    #[arg(long, alias = "switch_user", default_value_t = true, action = clap::ArgAction::Set)]
    pub switch_user: bool,

    /// Variables for every executor, as a JSON object.
    #[arg(long, alias = "executor_environment_variables", value_name = "JSON")]
    pub executor_environment_variables: Option<String>,

    /// The Docker engine's socket; executors in Docker containers need it.
    #[arg(
        long,
        alias = "docker_socket",
        value_name = "PATH",
        default_value = "/var/run/docker.sock"
    )]
    pub docker_socket: PathBuf,

    /// Where images come from: a folder of archives, NAME:TAG.tar, as `docker save` or OCI tools write them, or NAME:TAG, an OCI
    /// layout; or a registry, as https://HOST[:PORT] or http://HOST[:PORT]. Images and volumes take root.
    #[arg(long, alias = "docker_registry", value_name = "DIR|URL")]
    pub docker_registry: Option<String>,

    /// Passwords of registries, as `docker login` keeps them: a file, or its JSON.
    #[arg(long, alias = "docker_config", value_name = "FILE|JSON")]
    pub docker_config: Option<String>,

    /// Where unpacked images are kept; below --work-dir when absent.
    #[arg(long, alias = "docker_store_dir", value_name = "DIR")]
    pub docker_store_dir: Option<PathBuf>,

    /// Most MiB of files in all layers of an image; a larger one is not unpacked.
    #[arg(
        long,
        alias = "max_image_size",
        value_name = "MIB",
        default_value_t = 32_768
    )]
    pub max_image_size: u64,

    /// Store of AppC images: images/ID/manifest and images/ID/rootfs.
    #[arg(long, alias = "appc_store_dir", value_name = "DIR")]
    pub appc_store_dir: Option<PathBuf>,

    /// Path of the agent's control groups below each hierarchy.
    #[arg(long, alias = "cgroups_root", default_value = "mesos")]
    pub cgroups_root: String,

    /// Limits memory and processor time by control groups where they can be written.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub cgroups: bool,

    /// Makes processor requests hard limits.
    #[arg(long, alias = "cgroups_enable_cfs", default_value_t = false, action = clap::ArgAction::Set)]
    pub cgroups_enable_cfs: bool,

    /// Most processes and threads of one container; no limit when absent.
    #[arg(long, value_name = "COUNT")]
    pub cgroups_pids_max: Option<u64>,

    /// Ends every executor when the agent is told to end. Otherwise executors live on for the next agent.
    #[arg(long)]
    pub stop_executors_on_shutdown: bool,

    #[allow(
        missing_docs,
        reason = "clap would show it as the help of the whole program"
    )]
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

impl AgentFlags {
    /// Names and values as Mesos shows them.
    pub(crate) fn shown(&self, resources: &str) -> Vec<(String, String)> {
        let mut flags = Vec::new();
        let mut set = |name: &str, value: String| flags.push((name.to_owned(), value));
        set("attributes", self.attributes.clone());
        set("cgroups_enable_cfs", self.cgroups_enable_cfs.to_string());
        set("cgroups_root", self.cgroups_root.clone());
        set(
            "executor_registration_timeout",
            duration::format(self.executor_registration_timeout),
        );
        set(
            "executor_reregistration_timeout",
            duration::format(self.executor_reregistration_timeout),
        );
        set(
            "executor_shutdown_grace_period",
            duration::format(self.executor_shutdown_grace_period),
        );
        set(
            "fetcher_stall_timeout",
            duration::format(self.fetcher_stall_timeout),
        );
        set("gc_delay", duration::format(self.gc_delay));
        set("http_command_executor", "true".to_owned());
        set("ip", self.ip.to_string());
        set("master", self.master.clone());
        set("recovery_timeout", duration::format(self.recovery_timeout));
        set("resources", resources.to_owned());
        set("switch_user", self.switch_user.to_string());
        set("work_dir", self.work_dir.display().to_string());
        flags
    }
}

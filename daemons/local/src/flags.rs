//! The flags of `aurora-local`.

use std::path::PathBuf;

use aurora_daemon::flags::DaemonFlags;
use clap::{Args, Parser, Subcommand};

const DEFAULT_HOSTNAME: &str = "localhost";

/// An Aurora cluster on this machine: scheduler, Mesos-compatible master and agent, observer.
#[derive(Debug, Clone, Parser)]
#[command(name = "aurora-local", version, about)]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Runs the cluster until it is told to end (ctrl-c, SIGTERM). Prints one line of JSON with every address when it is
    /// ready.
    Run(RunFlags),
    /// Starts the cluster in the background, or finds the one that runs, and prints its addresses when it is ready.
    Start(ClusterFlags),
    /// Stops the cluster and its tasks.
    Stop(StateFlags),
    /// Says what runs, as JSON.
    Status(StateFlags),
}

/// Which cluster.
#[derive(Debug, Clone, Args)]
pub struct StateFlags {
    /// Name of the cluster.
    #[arg(
        long,
        alias = "cluster",
        value_name = "NAME",
        default_value = "devcluster"
    )]
    pub cluster_name: String,

    /// Where the cluster keeps everything [default: $AURORA_STATE_DIR, else $XDG_STATE_HOME/aurora/NAME, else for root
    /// /var/lib/aurora/NAME, else ~/.local/state/aurora/NAME].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// How to start a cluster.
#[derive(Debug, Clone, Args)]
pub struct ClusterFlags {
    /// Which one.
    #[command(flatten)]
    pub state: StateFlags,

    /// Creates the example jobs when the cluster is ready, unless they are there.
    #[arg(long)]
    pub demo: bool,

    /// Name of this host in offers.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_HOSTNAME)]
    pub hostname: String,

    /// What the agent offers, such as "cpus:4;mem:2048;disk:4096;ports:[31000-32000]" [default: what the machine has].
    #[arg(long, value_name = "RESOURCES")]
    pub resources: Option<String>,

    /// Attributes of the agent [default: "host:HOSTNAME;rack:local"].
    #[arg(long, value_name = "ATTRIBUTES")]
    pub attributes: Option<String>,

    /// Lets jobs run as root.
    #[arg(long)]
    pub allow_root_role: bool,

    /// A flag for the scheduler, such as --scheduler-flag=-flapping_task_threshold=0secs; may be given several times.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub scheduler_flag: Vec<String>,
}

/// How to run a cluster.
#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    /// Which one, and how.
    #[command(flatten)]
    pub cluster: ClusterFlags,

    /// Leaves the terminal's session (used by `start`).
    #[arg(long, hide = true)]
    pub detached: bool,

    #[allow(
        missing_docs,
        reason = "clap would show it as the help of the whole program"
    )]
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

impl ClusterFlags {
    /// The flags of a cluster that nothing is said about but its place.
    pub(crate) fn plain(state: StateFlags) -> ClusterFlags {
        ClusterFlags {
            state,
            demo: false,
            hostname: DEFAULT_HOSTNAME.to_owned(),
            resources: None,
            attributes: None,
            allow_root_role: false,
            scheduler_flag: Vec::new(),
        }
    }

    /// Whether one of the flags for the scheduler is this, in any of the forms that the scheduler takes.
    pub(crate) fn sets(&self, name: &str) -> bool {
        let mut own = self.scheduler_flag.iter();
        own.any(|flag| {
            let given = flag.split('=').next().unwrap_or_default();
            given.trim_start_matches('-').replace('_', "-") == name
        })
    }

    /// The same as arguments, for a `run` of its own.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--cluster-name".to_owned(),
            self.state.cluster_name.clone(),
            "--hostname".to_owned(),
            self.hostname.clone(),
        ];
        for (name, value) in [
            ("--resources", &self.resources),
            ("--attributes", &self.attributes),
        ] {
            if let Some(value) = value {
                arguments.extend([name.to_owned(), value.clone()]);
            }
        }
        for (name, given) in [
            ("--demo", self.demo),
            ("--allow-root-role", self.allow_root_role),
        ] {
            if given {
                arguments.push(name.to_owned());
            }
        }
        let own = self.scheduler_flag.iter();
        arguments.extend(own.map(|flag| format!("--scheduler-flag={flag}")));
        arguments
    }
}

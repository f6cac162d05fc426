//! The scheduler's flags. Names are upstream's where upstream has the flag; `-name=value` and underscores are understood.

mod backups;
mod decisions;
mod executors;
mod parse;
mod zookeeper;

use std::net::IpAddr;
use std::path::PathBuf;

use aurora_daemon::flags::DaemonFlags;
use clap::Parser;

pub use backups::BackupFlags;
pub use decisions::DecisionFlags;
use parse::duration;
pub(crate) use zookeeper::ServerSet;
pub use zookeeper::ZooKeeperFlags;

/// Schedules jobs on Apache Mesos.
#[derive(Clone, Debug, Parser)]
#[command(name = "aurora-scheduler", version, about)]
pub struct Flags {
    /// Name of the cluster, as clients know it.
    #[arg(long, value_name = "NAME")]
    pub cluster_name: String,

    /// Address of the HTTP server.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub ip: IpAddr,

    /// Port of the HTTP server; 0 lets the system choose.
    #[arg(long, alias = "http-port", value_name = "PORT", default_value_t = 0)]
    pub port: u16,

    /// The name under which others reach this scheduler [default: the address, or this machine's name when it is 0.0.0.0].
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,

    /// The Mesos master, as HOST:PORT; several are separated by commas. Or zk://[USER:PASSWORD@]HOST:PORT,…/PATH, where
    /// ZooKeeper names the leading one.
    #[arg(
        long,
        alias = "mesos-master-address",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        required = true
    )]
    pub mesos_master: Vec<String>,

    /// Directory of the log and the snapshots. It is made if it is not there.
    #[arg(long, alias = "native-log-file-path", value_name = "DIR")]
    pub state_dir: PathBuf,

    /// How long after a snapshot the next one is taken.
    #[arg(long, value_name = "TIME", default_value = "1hrs", value_parser = duration)]
    pub dlog_snapshot_interval: i64,

    /// Name of the framework.
    #[arg(long, value_name = "NAME", default_value = "Aurora")]
    pub framework_name: String,

    /// The user in the framework's registration [default: the user who runs this program]. Upstream's default is root.
    #[arg(long, value_name = "USER")]
    pub executor_user: Option<String>,

    /// How long Mesos keeps the tasks while no scheduler is registered.
    #[arg(long, value_name = "TIME", default_value = "21days", value_parser = duration)]
    pub framework_failover_timeout: i64,

    /// Mesos role of the framework [default: `*`].
    #[arg(long, value_name = "ROLE")]
    pub mesos_role: Option<String>,

    /// Asks Mesos for revocable resources too.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub receive_revocable_resources: bool,

    /// The scheduler ends when Mesos has not registered it in this time after the start; 0secs waits for ever.
    #[arg(long, value_name = "TIME", default_value = "0secs", value_parser = duration)]
    pub max_registration_delay: i64,

    /// What the job pages' address begins with.
    #[arg(long, value_name = "URL", default_value = "")]
    pub viz_job_url_prefix: String,

    /// The origin that browsers may call the API from.
    #[arg(long, value_name = "ORIGIN")]
    pub enable_cors_for: Option<String>,

    /// Where clients find this scheduler.
    #[command(flatten)]
    pub zookeeper: ZooKeeperFlags,

    /// Copies of the state.
    #[command(flatten)]
    pub backups: BackupFlags,

    /// What decisions depend on.
    #[command(flatten)]
    pub decisions: DecisionFlags,

    /// What all daemons have.
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

impl Flags {
    /// Reads the command line; ends the program with a message when it is wrong or asks for help.
    pub fn from_command_line() -> Flags {
        Flags::parse_from(parse::normalize(std::env::args_os()))
    }

    /// Reads these arguments, the program's name first.
    ///
    /// # Errors
    /// The message for the user.
    pub fn try_from_arguments<I>(arguments: I) -> Result<Flags, clap::Error>
    where
        I: IntoIterator,
        I::Item: Into<std::ffi::OsString>,
    {
        Flags::try_parse_from(parse::normalize(arguments.into_iter().map(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_command_line_is_understood() {
        let flags = Flags::try_from_arguments([
            "aurora-scheduler",
            "-cluster_name=devcluster",
            "-http_port=8081",
            "-mesos_master_address=10.0.0.1:5050",
            "-native_log_file_path=/var/db/aurora",
            "-thermos_executor_path=/usr/bin/aurora-executor",
            "-thermos_executor_ram=64MB",
            "-max_tasks_per_job=10",
            "-partition_aware=true",
            "-enable_revocable_cpus=false",
            "-flapping_task_threshold=1mins",
            "-allowed_container_types=MESOS,DOCKER",
            "-default_docker_parameters=network=host,ulimit=nofile=1",
            "-offer_order=CPU,MEMORY",
        ])
        .unwrap();
        assert_eq!(flags.port, 8081);
        assert_eq!(flags.state_dir, PathBuf::from("/var/db/aurora"));
        assert_eq!(flags.mesos_master, ["10.0.0.1:5050"]);
        assert_eq!(flags.framework_failover_timeout, 1_814_400_000);
        let config = flags.decisions.to_config("devcluster", "h", 1).unwrap();
        assert_eq!(config.executor_path, "/usr/bin/aurora-executor");
        assert_eq!(config.executor_ram_mb, 64);
        assert_eq!(config.max_tasks_per_job, 10);
        assert!(config.partition_aware && !config.enable_revocable_cpus);
        assert_eq!(config.flapping_task_threshold, 60_000);
        assert!(config.allow_docker_containers && config.allow_mesos_containers);
        let parameters: Vec<_> = config
            .default_docker_parameters
            .iter()
            .map(|parameter| (&*parameter.name, &*parameter.value))
            .collect();
        assert_eq!(parameters, [("network", "host"), ("ulimit", "nofile=1")]);
        assert_eq!(config.offer_order.len(), 2);
    }

    /// Flags, and the node of the server set or what is wrong with them.
    #[test]
    fn a_server_set_needs_an_ensemble_and_a_path() {
        for (arguments, expected) in [
            (&[][..], Ok(None)),
            (
                &[
                    "-zk_endpoints=a:2181,b:2181",
                    "-serverset_path=/aurora/scheduler",
                ],
                Ok(Some("/aurora/scheduler")),
            ),
            (
                &[
                    "-zk_endpoints=a:2181",
                    "-zk_chroot_path=/x/",
                    "-serverset_path=/s",
                ],
                Ok(Some("/x/s")),
            ),
            (&["-zk_endpoints=a:2181"], Err("--serverset-path")),
            (&["-serverset_path=/s"], Err("--zk-endpoints")),
            (
                &["-zk_endpoints=a:2181", "-serverset_path=s"],
                Err("`s`, which is not a path"),
            ),
            (
                &[
                    "-zk_endpoints=a:2181",
                    "-serverset_path=/s",
                    "-zk_digest_credentials=secret",
                ],
                Err("not of the form USER:PASSWORD"),
            ),
        ] {
            let needed = [
                "s",
                "--cluster-name=c",
                "--mesos-master=zk://a:2181,b:2181/mesos",
                "--thermos-executor-path=/e",
                "--state-dir=/s",
            ];
            let set = Flags::try_from_arguments(needed.iter().chain(arguments))
                .map_err(|error| error.to_string())
                .and_then(|flags| {
                    flags
                        .zookeeper
                        .server_set()
                        .map_err(|error| error.to_string())
                });
            match (set, expected) {
                (Ok(set), Ok(path)) => assert_eq!(set.map(|set| set.path).as_deref(), path),
                (Err(text), Err(words)) => {
                    assert!(text.contains(words) && !text.contains("secret"), "{text}");
                }
                (set, expected) => panic!("{arguments:?}: {set:?}, {expected:?}"),
            }
        }
    }

    /// Flags, and the cores and MiB of each executor.
    #[test]
    fn an_executors_share_is_upstreams_unless_told_otherwise() {
        for (arguments, cpus, ram_mb) in [
            (&[][..], 0.25, 128),
            (&["--executor-overhead=upstream"], 0.25, 128),
            (&["--executor-overhead=lean"], 0.01, 32),
            (
                &["--executor-overhead=lean", "-thermos_executor_cpu=0.5"],
                0.5,
                32,
            ),
        ] {
            let needed = [
                "s",
                "--cluster-name=c",
                "--mesos-master=m:1",
                "--thermos-executor-path=/e",
                "--state-dir=/s",
            ];
            let flags = Flags::try_from_arguments(needed.iter().chain(arguments)).unwrap();
            let config = flags.decisions.to_config("c", "h", 1).unwrap();
            assert_eq!(
                (config.executor_cpus, config.executor_ram_mb),
                (cpus, ram_mb),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn without_flags_the_decisions_are_upstreams_defaults() {
        let flags = Flags::try_from_arguments([
            "aurora-scheduler",
            "--cluster-name=c",
            "--mesos-master=h:1",
            "--state-dir=/s",
            "--thermos-executor-path=/e",
        ])
        .unwrap();
        let made = flags.decisions.to_config("c", "h", 0).unwrap();
        let default = crate::core::Config {
            cluster_name: "c".to_owned(),
            hostname: "h".to_owned(),
            executor_path: "/e".to_owned(),
            ..crate::core::Config::default()
        };
        assert_eq!(format!("{made:?}"), format!("{default:?}"));
    }

    #[test]
    fn faults_are_named() {
        let base = [
            "aurora-scheduler",
            "--cluster-name=c",
            "--mesos-master=h:1",
            "--state-dir=/s",
            "--thermos-executor-path=/e",
        ];
        for (extra, expected) in [
            ("-no_such_flag=1", "no-such-flag"),
            ("-first_schedule_delay=5", "is not a span of time"),
            ("-allowed_container_types=APPC", "APPC"),
            ("-partition_aware=maybe", "maybe"),
        ] {
            let error = Flags::try_from_arguments(base.iter().copied().chain([extra])).unwrap_err();
            assert!(error.to_string().contains(expected), "{extra}: {error}");
        }
        let flags =
            Flags::try_from_arguments(base.iter().copied().chain(["-allowed_job_environments=("]))
                .unwrap();
        let error = flags
            .decisions
            .to_config("c", "h", 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains("allowed-job-environments"), "{error}");
    }
}

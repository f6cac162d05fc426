//! The scheduler's flags. Names are upstream's where upstream has the flag; `-name=value` and underscores are understood.

mod backups;
mod credentials;
mod decisions;
mod executors;
mod ignored;
mod parse;
mod properties;
mod security;
#[cfg(test)]
mod table;
mod tiers;
mod zookeeper;

use std::any::TypeId;
use std::net::IpAddr;
use std::path::PathBuf;

use aurora_daemon::flags::DaemonFlags;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

pub use backups::BackupFlags;
pub use credentials::CredentialFlags;
pub use decisions::DecisionFlags;
use ignored::Ignored;
use parse::duration;
pub use security::SecurityFlags;
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

    /// JSON file that says where each transition of a task is told: headers, targetURL, timeoutMsec, statuses.
    #[arg(long, value_name = "FILE")]
    pub webhook_config: Option<PathBuf>,

    /// Where clients find this scheduler.
    #[command(flatten)]
    pub zookeeper: ZooKeeperFlags,

    /// How the framework shows Mesos who it is.
    #[command(flatten)]
    pub credentials: CredentialFlags,

    /// Users and what they may do.
    #[command(flatten)]
    pub security: SecurityFlags,

    /// Copies of the state.
    #[command(flatten)]
    pub backups: BackupFlags,

    /// What decisions depend on.
    #[command(flatten)]
    pub decisions: DecisionFlags,

    /// What all daemons have.
    #[command(flatten)]
    pub daemon: DaemonFlags,

    /// Flags that were given and have no effect.
    #[arg(skip)]
    ignored: Vec<&'static str>,

    /// Every flag with its value, for the log.
    #[arg(skip)]
    values: Vec<(String, String)>,
}

impl Flags {
    /// Reads the command line; ends the program with a message when it is wrong or asks for help.
    pub fn from_command_line() -> Flags {
        Flags::try_from_arguments(std::env::args_os()).unwrap_or_else(|error| error.exit())
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
        let mut command = Flags::command();
        let is_bool = |name: &str| {
            let flag = command
                .get_arguments()
                .find(|flag| flag.get_long() == Some(name));
            flag.is_some_and(|flag| flag.get_value_parser().type_id() == TypeId::of::<bool>())
                || Ignored::named(name).is_some_and(Ignored::is_bool)
        };
        let arguments = parse::normalize(arguments.into_iter().map(Into::into), &is_bool);
        let (arguments, ignored) = ignored::take(arguments)
            .map_err(|fault| command.error(ErrorKind::InvalidValue, fault))?;
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut flags = Flags::from_arg_matches(&matches)?;
        flags.ignored = ignored.iter().map(|flag| flag.name).collect();
        flags.values = values(&command, &matches);
        Ok(flags)
    }

    /// Writes every flag with its value into the log, and warns of those that have no effect.
    pub(crate) fn log(&self) {
        for (name, value) in &self.values {
            tracing::info!("flag --{name}={value}");
        }
        for flag in self.ignored.iter().filter_map(|name| Ignored::named(name)) {
            tracing::warn!("--{} has no effect because {}", flag.name, flag.because);
        }
    }
}

/// Every flag with the value that it has, by name; secrets are not among them.
fn values(command: &clap::Command, matches: &clap::ArgMatches) -> Vec<(String, String)> {
    let flags = command.get_arguments().filter_map(|flag| {
        let name = flag.get_long()?;
        let values = matches.try_get_raw(flag.get_id().as_str()).ok()??;
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        let shown = match name {
            "zk-digest-credentials" => "(secret)".to_owned(),
            _ => values.join(","),
        };
        Some((name.to_owned(), shown))
    });
    let mut values: Vec<(String, String)> = flags.collect();
    values.sort();
    values
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

    const NEEDED: [&str; 5] = [
        "s",
        "--cluster-name=c",
        "--mesos-master=h:1",
        "--state-dir=/s",
        "--thermos-executor-path=/e",
    ];

    /// Every flag of upstream's scheduler (aurora: `docs/reference/scheduler-configuration.md`).
    const UPSTREAM: &str = "
        cluster_name serverset_path serverset_endpoint_name viz_job_url_prefix hostname http_port ip enable_cors_for
        max_registration_delay max_leading_duration max_status_update_batch_size max_task_event_batch_size
        async_worker_threads tier_config webhook_config thrift_method_interceptor_modules max_tasks_per_job
        max_update_instance_failures allowed_container_types allow_docker_parameters default_docker_parameters
        require_docker_use_executor enable_mesos_fetcher allow_container_volumes allowed_job_environments
        allow_gpu_resource enable_revocable_cpus enable_revocable_ram custom_executor_config thermos_executor_path
        thermos_executor_resources thermos_executor_flags thermos_home_in_sandbox thermos_executor_cpu
        thermos_executor_ram global_container_mounts populate_discovery_info mesos_master_address mesos_driver
        framework_authentication_file framework_announce_principal framework_failover_timeout framework_name
        executor_user receive_revocable_resources partition_aware mesos_role hold_offers_forever min_offer_hold_time
        offer_hold_jitter_window offer_filter_duration unavailability_threshold offer_order offer_set_module
        offer_static_ban_cache_max_size task_assigner_modules max_schedule_attempts_per_sec first_schedule_delay
        initial_schedule_penalty max_schedule_penalty flapping_task_threshold initial_flapping_task_delay
        max_flapping_task_delay max_reschedule_task_delay_on_startup offer_reservation_duration
        scheduling_max_batch_size max_tasks_per_schedule_attempt enable_preemptor preemption_delay
        preemption_slot_hold_time preemption_slot_search_initial_delay preemption_slot_search_interval
        preemption_reservation_max_batch_size preemption_slot_finder_modules transient_task_state_timeout
        initial_task_kill_retry_interval reconciliation_initial_delay reconciliation_explicit_interval
        reconciliation_implicit_interval reconciliation_schedule_spread reconciliation_explicit_batch_size
        reconciliation_explicit_batch_interval history_prune_threshold history_max_per_job_threshold
        history_min_retention_threshold job_update_history_per_job_threshold job_update_history_pruning_interval
        job_update_history_pruning_threshold enable_update_affinity update_affinity_reservation_hold_time
        sla_aware_action_max_batch_size sla_aware_kill_retry_min_delay sla_aware_kill_retry_max_delay
        sla_stat_refresh_interval sla_prod_metrics sla_non_prod_metrics sla_coordinator_timeout
        max_parallel_coordinated_maintenance min_required_instances_for_sla_check max_sla_duration_secs
        sla_aware_kill_non_prod host_maintenance_polling_interval cron_scheduler_num_threads cron_timezone
        cron_start_initial_backoff cron_start_max_backoff cron_scheduling_max_batch_size native_log_quorum_size
        native_log_file_path native_log_zk_group_path native_log_election_timeout native_log_election_retries
        native_log_read_timeout native_log_write_timeout dlog_max_entry_size dlog_snapshot_interval backup_dir
        backup_interval max_saved_backups zk_endpoints zk_chroot_path zk_session_timeout zk_connection_timeout
        zk_digest_credentials zk_in_proc http_authentication_mechanism shiro_realm_modules shiro_ini_path
        shiro_credentials_matcher shiro_after_auth_filter kerberos_server_keytab kerberos_server_principal
        kerberos_debug stat_sampling_interval stat_retention_period async_task_stat_update_interval
        async_slot_stat_update_interval
    ";

    #[test]
    fn every_flag_of_upstream_acts_or_is_said_to_have_no_effect() {
        let command = Flags::command();
        for name in UPSTREAM
            .split_whitespace()
            .map(|name| name.replace('_', "-"))
        {
            let acts = command.get_arguments().any(|flag| {
                let aliases = flag.get_all_aliases().unwrap_or_default();
                flag.get_long() == Some(&name) || aliases.contains(&name.as_str())
            });
            let is_ignored = Ignored::named(&name).is_some();
            assert!(
                acts != is_ignored,
                "--{name}: acts {acts}, ignored {is_ignored}"
            );
        }
        for flag in ignored::IGNORED {
            let name = flag.name.replace('-', "_");
            assert!(
                UPSTREAM.split_whitespace().any(|known| known == name),
                "{name}"
            );
        }
    }

    #[test]
    fn flags_without_effect_are_checked_and_told() {
        let given = [
            "-max_leading_duration=1days",
            "-async_worker_threads",
            "8",
            "-kerberos_debug",
        ];
        let flags = Flags::try_from_arguments(NEEDED.iter().chain(&given)).unwrap();
        assert_eq!(
            flags.ignored,
            [
                "max-leading-duration",
                "async-worker-threads",
                "kerberos-debug"
            ]
        );
        for (given, expected) in [
            ("-max_leading_duration=soon", "is not a span of time"),
            ("-async_worker_threads=many", "a whole number"),
            ("-dlog_max_entry_size=512", "is not an amount of data"),
            ("-http_authentication_mechanism=BASIC", "--shiro-ini-path"),
            ("-http_authentication_mechanism=NEGOTIATE", "no Kerberos"),
            ("-zk_in_proc=true", "there is no ZooKeeper inside"),
            ("-mesos_driver=V9", "V1_DRIVER"),
        ] {
            let error = Flags::try_from_arguments(NEEDED.iter().chain(&[given])).unwrap_err();
            assert!(error.to_string().contains(expected), "{given}: {error}");
        }
    }

    #[test]
    fn all_flags_have_values_for_the_log_and_secrets_are_not_among_them() {
        let given = [
            "-zk_digest_credentials=u:hunter2",
            "-offer_order=CPU,RANDOM",
        ];
        let flags = Flags::try_from_arguments(NEEDED.iter().chain(&given)).unwrap();
        let value = |name: &str| {
            let found = flags.values.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        for (name, expected) in [
            ("cluster-name", "c"),
            ("offer-order", "CPU,RANDOM"),
            ("preemption-delay", "3mins"),
            ("zk-digest-credentials", "(secret)"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
    }

    /// `AURORA_WRITE_DOCS=1` writes the page anew.
    #[test]
    fn the_manual_has_the_flags() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scheduler-flags.md");
        if std::env::var_os("AURORA_WRITE_DOCS").is_some() {
            std::fs::write(path, table::page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == table::page(),
            "docs/scheduler-flags.md is not what the program says; run this test with AURORA_WRITE_DOCS=1"
        );
    }
}

//! The flags that decisions depend on.

use std::path::PathBuf;

use anyhow::{Context, bail};
use aurora_api::model::DockerParameter;
use aurora_mesos::v1::Volume;

use super::executors::{custom_executors, mount};
use super::parse::{duration, megabytes, sla_metrics};
use super::tiers::tiers;
use crate::core::Config;
use crate::core::config::{NamePattern, OfferOrder, SlaMetrics, Tiers};
use crate::core::cron::Zone;

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum ContainerType {
    /// The Mesos containerizer.
    Mesos,
    /// The Docker engine.
    Docker,
}

/// A criterion of the order of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Order {
    /// Cores that are not revocable.
    Cpu,
    /// Memory that is not revocable.
    Memory,
    /// Disk.
    Disk,
    /// Revocable cores.
    RevocableCpu,
    /// By lot.
    Random,
}

/// What is set aside for the executor of each task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Overhead {
    /// 0.25 cores and 128 MiB, what Thermos is given: tasks that were sized with it keep the slack they lean on.
    Upstream,
    /// 0.01 cores and 32 MiB, what this executor needs.
    Lean,
}

impl Overhead {
    /// Cores and MiB.
    fn share(self) -> (f64, i64) {
        match self {
            Overhead::Upstream => (0.25, 128),
            Overhead::Lean => (0.01, 32),
        }
    }
}

/// The flags that decisions depend on; defaults are upstream's.
#[derive(Clone, Debug, clap::Args)]
pub struct DecisionFlags {
    /// JSON file of the tiers [default: preferred, preemptible (the default tier), revocable].
    #[arg(long, value_name = "FILE")]
    pub tier_config: Option<PathBuf>,

    /// Lets jobs run in the role `root`. Upstream always does.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_root_role: bool,

    /// The most instances of a job.
    #[arg(long, value_name = "N", default_value = "4000")]
    pub max_tasks_per_job: i32,

    /// What names of environments must match, as a whole.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "^(prod|devel|test|staging\\d*)$"
    )]
    pub allowed_job_environments: String,

    /// Kinds of containers that jobs may ask for, separated by commas.
    #[arg(
        long,
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "MESOS"
    )]
    pub allowed_container_types: Vec<ContainerType>,

    /// Lets jobs pass parameters to the Docker command line.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_docker_parameters: bool,

    /// Parameters of Docker containers that give none, as NAME=VALUE separated by commas.
    #[arg(long, value_name = "LIST", default_value = "")]
    pub default_docker_parameters: String,

    /// Demands an executor of Docker containers too.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub require_docker_use_executor: bool,

    /// Lets jobs name files for the Mesos fetcher.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_mesos_fetcher: bool,

    /// Lets jobs mount host paths into containers.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_container_volumes: bool,

    /// Lets jobs ask for GPUs.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_gpu_resource: bool,

    /// The fewest instances of a job with an SLA policy of its own.
    #[arg(long, value_name = "N", default_value = "20")]
    pub min_required_instances_for_sla_check: i32,

    /// The longest time that an SLA policy may demand.
    #[arg(long, value_name = "TIME", default_value = "2hrs", value_parser = duration)]
    pub max_sla_duration_secs: i64,

    /// Lets jobs that are not production have an SLA policy.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub sla_aware_kill_non_prod: bool,

    /// How often SLA metrics are computed, and over what time.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub sla_stat_refresh_interval: i64,

    /// SLA metrics of production services, separated by commas: JOB_UPTIMES, PLATFORM_UPTIME, MEDIANS.
    #[arg(long, value_name = "LIST", default_value = "JOB_UPTIMES,PLATFORM_UPTIME,MEDIANS", value_parser = sla_metrics)]
    pub sla_prod_metrics: SlaMetrics,

    /// The same for other services.
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true, value_parser = sla_metrics)]
    pub sla_non_prod_metrics: SlaMetrics,

    /// How long a coordinator may take to answer.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub sla_coordinator_timeout: i64,

    /// How many coordinators are asked at the same time.
    #[arg(long, value_name = "N", default_value = "10")]
    pub max_parallel_coordinated_maintenance: usize,

    /// How often draining hosts are looked at.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub host_maintenance_polling_interval: i64,

    /// The time zone of cron schedules.
    #[arg(long, value_name = "NAME", default_value = "GMT", value_parser = Zone::named)]
    pub cron_timezone: Zone,

    /// The wait before looking whether the earlier run of a cron job is gone; it doubles from look to look.
    #[arg(long, value_name = "TIME", default_value = "5secs", value_parser = duration)]
    pub cron_start_initial_backoff: i64,

    /// The longest of those waits.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub cron_start_max_backoff: i64,

    /// How late a cron job may be run when no scheduler was there at its minute.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub cron_catch_up: i64,

    /// Runs tasks of revocable tiers on revocable cores.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_revocable_cpus: bool,

    /// Runs tasks of revocable tiers in revocable memory.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_revocable_ram: bool,

    /// Path of the executor on the agents.
    #[arg(long, value_name = "PATH")]
    pub thermos_executor_path: String,

    /// Flags for the executor.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub thermos_executor_flags: String,

    /// Makes the sandbox the processes' HOME.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub thermos_home_in_sandbox: bool,

    /// What is set aside for the executor of each task: what upstream's needs, or what this one needs.
    #[arg(long, value_enum, default_value_t = Overhead::Upstream)]
    pub executor_overhead: Overhead,

    /// Cores for the executor of each task [default: 0.25, or 0.01 with --executor-overhead=lean].
    #[arg(long, value_name = "N")]
    pub thermos_executor_cpu: Option<f64>,

    /// Memory for the executor of each task [default: 128MB, or 32MB with --executor-overhead=lean].
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub thermos_executor_ram: Option<i64>,

    /// Files that the Mesos fetcher puts into each sandbox for the executor, separated by commas.
    #[arg(long, value_name = "URIS", value_delimiter = ',')]
    pub thermos_executor_resources: Vec<String>,

    /// JSON file of executors besides the built-in one.
    #[arg(long, value_name = "FILE")]
    pub custom_executor_config: Option<PathBuf>,

    /// What is mounted into every container with an image, as HOST:CONTAINER:MODE separated by commas.
    #[arg(long, value_name = "MOUNTS", value_delimiter = ',', value_parser = mount)]
    pub global_container_mounts: Vec<Volume>,

    /// Tells Mesos the tasks' ports for service discovery.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub populate_discovery_info: bool,

    /// Never gives an offer back unused.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub hold_offers_forever: bool,

    /// How long an offer is held at least.
    #[arg(long, value_name = "TIME", default_value = "5mins", value_parser = duration)]
    pub min_offer_hold_time: i64,

    /// How much longer at most, chosen by lot.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub offer_hold_jitter_window: i64,

    /// How long Mesos keeps what was declined to itself.
    #[arg(long, value_name = "TIME", default_value = "5secs", value_parser = duration)]
    pub offer_filter_duration: i64,

    /// Hosts that maintenance begins on within this time are used last.
    #[arg(long, value_name = "TIME", default_value = "6mins", value_parser = duration)]
    pub unavailability_threshold: i64,

    /// In which order offers are tried: CPU, MEMORY, DISK, REVOCABLE_CPU or RANDOM, the first deciding.
    #[arg(
        long,
        value_name = "ORDERS",
        value_delimiter = ',',
        default_value = "RANDOM"
    )]
    pub offer_order: Vec<Order>,

    /// How many groups of tasks are tried a second.
    #[arg(long, value_name = "N", default_value = "40")]
    pub max_schedule_attempts_per_sec: f64,

    /// How many tasks of a group are placed at a time.
    #[arg(long, value_name = "N", default_value = "5")]
    pub max_tasks_per_schedule_attempt: usize,

    /// How long a new task waits before it is first tried.
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = duration)]
    pub first_schedule_delay: i64,

    /// How long a group waits after its first failure to be placed.
    #[arg(long, value_name = "TIME", default_value = "1secs", value_parser = duration)]
    pub initial_schedule_penalty: i64,

    /// The longest such wait.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub max_schedule_penalty: i64,

    /// A task that ran for less than this is flapping.
    #[arg(long, value_name = "TIME", default_value = "5mins", value_parser = duration)]
    pub flapping_task_threshold: i64,

    /// How long a flapping task's first replacement waits.
    #[arg(long, value_name = "TIME", default_value = "30secs", value_parser = duration)]
    pub initial_flapping_task_delay: i64,

    /// The longest such wait.
    #[arg(long, value_name = "TIME", default_value = "5mins", value_parser = duration)]
    pub max_flapping_task_delay: i64,

    /// Over how much time waiting tasks are spread after a restart of the scheduler.
    #[arg(long, value_name = "TIME", default_value = "30secs", value_parser = duration)]
    pub max_reschedule_task_delay_on_startup: i64,

    /// Lets tasks make room for others that have waited long enough.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_preemptor: bool,

    /// How long a task waits at least before others make room for it.
    #[arg(long, value_name = "TIME", default_value = "3mins", value_parser = duration)]
    pub preemption_delay: i64,

    /// How long it is remembered where room could be made.
    #[arg(long, value_name = "TIME", default_value = "5mins", value_parser = duration)]
    pub preemption_slot_hold_time: i64,

    /// How long after registration it is first looked for where room could be made.
    #[arg(long, value_name = "TIME", default_value = "3mins", value_parser = duration)]
    pub preemption_slot_search_initial_delay: i64,

    /// How often it is looked for where room could be made.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub preemption_slot_search_interval: i64,

    /// For how many tasks of a group room is looked for before it is another group's turn.
    #[arg(long, value_name = "N", default_value = "5")]
    pub preemption_reservation_max_batch_size: usize,

    /// How long an agent is kept for the tasks that room was made for.
    #[arg(long, value_name = "TIME", default_value = "3mins", value_parser = duration)]
    pub offer_reservation_duration: i64,

    /// The most failures that an update may allow: those of an instance, times the instances.
    #[arg(long, value_name = "N", default_value = "20000")]
    pub max_update_instance_failures: i32,

    /// For how many instances updates ask in one go whether they may take them down.
    #[arg(long, value_name = "N", default_value = "300")]
    pub sla_aware_action_max_batch_size: usize,

    /// How soon an update asks again whether it may take an instance down, at first.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub sla_aware_kill_retry_min_delay: i64,

    /// How long an update waits at the most before it asks again.
    #[arg(long, value_name = "TIME", default_value = "5mins", value_parser = duration)]
    pub sla_aware_kill_retry_max_delay: i64,

    /// How often old updates are looked for.
    #[arg(long, value_name = "TIME", default_value = "15mins", value_parser = duration)]
    pub job_update_history_pruning_interval: i64,

    /// Updates that are over are forgotten when they began so long ago.
    #[arg(long, value_name = "TIME", default_value = "30days", value_parser = duration)]
    pub job_update_history_pruning_threshold: i64,

    /// So many updates of a job that are over are kept, the newest.
    #[arg(long, value_name = "N", default_value = "10")]
    pub job_update_history_per_job_threshold: usize,

    /// Lets the instances of an update stay where they are, where the new configuration fits.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_update_affinity: bool,

    /// How long an agent is kept for an instance that is being updated.
    #[arg(long, value_name = "TIME", default_value = "3mins", value_parser = duration)]
    pub update_affinity_reservation_hold_time: i64,

    /// Tells Mesos that lost agents may come back with their tasks.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub partition_aware: bool,

    /// How long a task may take from one state to the next before it counts as lost.
    #[arg(long, value_name = "TIME", default_value = "5mins", value_parser = duration)]
    pub transient_task_state_timeout: i64,

    /// How long after a kill it is sent again, at first.
    #[arg(long, value_name = "TIME", default_value = "15secs", value_parser = duration)]
    pub initial_task_kill_retry_interval: i64,

    /// How long after registration Mesos is first asked for all states.
    #[arg(long, value_name = "TIME", default_value = "1mins", value_parser = duration)]
    pub reconciliation_initial_delay: i64,

    /// How often Mesos is asked about the known tasks.
    #[arg(long, value_name = "TIME", default_value = "60mins", value_parser = duration)]
    pub reconciliation_explicit_interval: i64,

    /// How often Mesos is asked about all its tasks.
    #[arg(long, value_name = "TIME", default_value = "60mins", value_parser = duration)]
    pub reconciliation_implicit_interval: i64,

    /// How long after the explicit the implicit question first comes.
    #[arg(long, value_name = "TIME", default_value = "30mins", value_parser = duration)]
    pub reconciliation_schedule_spread: i64,

    /// How many tasks are asked about at a time.
    #[arg(long, value_name = "N", default_value = "1000")]
    pub reconciliation_explicit_batch_size: usize,

    /// How long after one batch the next is sent.
    #[arg(long, value_name = "TIME", default_value = "5secs", value_parser = duration)]
    pub reconciliation_explicit_batch_interval: i64,

    /// How long ended tasks are kept at most.
    #[arg(long, value_name = "TIME", default_value = "2days", value_parser = duration)]
    pub history_prune_threshold: i64,

    /// How many ended tasks a job keeps at most.
    #[arg(long, value_name = "N", default_value = "100")]
    pub history_max_per_job_threshold: usize,

    /// How long an ended task is kept at least.
    #[arg(long, value_name = "TIME", default_value = "1hrs", value_parser = duration)]
    pub history_min_retention_threshold: i64,
}

impl DecisionFlags {
    /// What the core is told.
    ///
    /// # Errors
    /// A value that cannot be used, with the flag's name.
    pub fn to_config(
        &self,
        cluster_name: &str,
        hostname: &str,
        seed: u64,
    ) -> anyhow::Result<Config> {
        let environments = NamePattern::new(&self.allowed_job_environments)
            .context("--allowed-job-environments is not a regular expression")?;
        let tiers = match &self.tier_config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read --tier-config {}", path.display()))?;
                tiers(&text).with_context(|| format!("in --tier-config {}", path.display()))?
            }
            None => Tiers::default(),
        };
        let executors = match &self.custom_executor_config {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| {
                    format!("cannot read --custom-executor-config {}", path.display())
                })?;
                custom_executors(&text)
                    .with_context(|| format!("in --custom-executor-config {}", path.display()))?
            }
            None => std::collections::BTreeMap::new(),
        };
        let allows = |kind| self.allowed_container_types.contains(&kind);
        let (overhead_cpus, overhead_ram_mb) = self.executor_overhead.share();
        Ok(Config {
            sla_stat_refresh_interval: self.sla_stat_refresh_interval,
            sla_prod_metrics: self.sla_prod_metrics,
            sla_non_prod_metrics: self.sla_non_prod_metrics,
            sla_coordinator_timeout: self.sla_coordinator_timeout,
            max_parallel_coordinated_maintenance: self.max_parallel_coordinated_maintenance,
            host_maintenance_polling_interval: self.host_maintenance_polling_interval,
            cron_timezone: self.cron_timezone.clone(),
            cron_start_initial_backoff: self.cron_start_initial_backoff,
            cron_start_max_backoff: self.cron_start_max_backoff,
            cron_catch_up: self.cron_catch_up,
            cluster_name: cluster_name.to_owned(),
            hostname: hostname.to_owned(),
            seed,
            tiers,
            allowed_job_environments: environments,
            allow_mesos_containers: allows(ContainerType::Mesos),
            allow_docker_containers: allows(ContainerType::Docker),
            default_docker_parameters: docker_parameters(&self.default_docker_parameters)?,
            offer_order: self
                .offer_order
                .iter()
                .map(|order| order.criterion())
                .collect(),
            max_sla_duration_secs: self.max_sla_duration_secs / 1000,
            executor_path: self.thermos_executor_path.clone(),
            executor_flags: self.thermos_executor_flags.clone(),
            home_in_sandbox: self.thermos_home_in_sandbox,
            executor_resources: self.thermos_executor_resources.clone(),
            custom_executors: executors,
            global_container_mounts: self.global_container_mounts.clone(),
            executor_cpus: self.thermos_executor_cpu.unwrap_or(overhead_cpus),
            executor_ram_mb: self.thermos_executor_ram.unwrap_or(overhead_ram_mb),
            allow_root_role: self.allow_root_role,
            max_tasks_per_job: self.max_tasks_per_job,
            allow_docker_parameters: self.allow_docker_parameters,
            require_docker_use_executor: self.require_docker_use_executor,
            enable_mesos_fetcher: self.enable_mesos_fetcher,
            allow_container_volumes: self.allow_container_volumes,
            allow_gpu_resource: self.allow_gpu_resource,
            min_required_instances_for_sla_check: self.min_required_instances_for_sla_check,
            sla_aware_kill_non_prod: self.sla_aware_kill_non_prod,
            enable_revocable_cpus: self.enable_revocable_cpus,
            enable_revocable_ram: self.enable_revocable_ram,
            populate_discovery_info: self.populate_discovery_info,
            hold_offers_forever: self.hold_offers_forever,
            min_offer_hold_time: self.min_offer_hold_time,
            offer_hold_jitter_window: self.offer_hold_jitter_window,
            offer_filter_duration: self.offer_filter_duration,
            unavailability_threshold: self.unavailability_threshold,
            max_schedule_attempts_per_sec: self.max_schedule_attempts_per_sec,
            max_tasks_per_schedule_attempt: self.max_tasks_per_schedule_attempt,
            first_schedule_delay: self.first_schedule_delay,
            initial_schedule_penalty: self.initial_schedule_penalty,
            max_schedule_penalty: self.max_schedule_penalty,
            flapping_task_threshold: self.flapping_task_threshold,
            initial_flapping_task_delay: self.initial_flapping_task_delay,
            max_flapping_task_delay: self.max_flapping_task_delay,
            max_reschedule_task_delay_on_startup: self.max_reschedule_task_delay_on_startup,
            enable_preemptor: self.enable_preemptor,
            preemption_delay: self.preemption_delay,
            preemption_slot_hold_time: self.preemption_slot_hold_time,
            preemption_slot_search_initial_delay: self.preemption_slot_search_initial_delay,
            preemption_slot_search_interval: self.preemption_slot_search_interval,
            preemption_reservation_max_batch_size: self.preemption_reservation_max_batch_size,
            offer_reservation_duration: self.offer_reservation_duration,
            max_update_instance_failures: self.max_update_instance_failures,
            sla_aware_action_max_batch_size: self.sla_aware_action_max_batch_size,
            sla_aware_kill_retry_min_delay: self.sla_aware_kill_retry_min_delay,
            sla_aware_kill_retry_max_delay: self.sla_aware_kill_retry_max_delay,
            job_update_history_pruning_interval: self.job_update_history_pruning_interval,
            job_update_history_pruning_threshold: self.job_update_history_pruning_threshold,
            job_update_history_per_job_threshold: self.job_update_history_per_job_threshold,
            enable_update_affinity: self.enable_update_affinity,
            update_affinity_reservation_hold_time: self.update_affinity_reservation_hold_time,
            partition_aware: self.partition_aware,
            transient_task_state_timeout: self.transient_task_state_timeout,
            initial_task_kill_retry_interval: self.initial_task_kill_retry_interval,
            reconciliation_initial_delay: self.reconciliation_initial_delay,
            reconciliation_explicit_interval: self.reconciliation_explicit_interval,
            reconciliation_implicit_interval: self.reconciliation_implicit_interval,
            reconciliation_schedule_spread: self.reconciliation_schedule_spread,
            reconciliation_explicit_batch_size: self.reconciliation_explicit_batch_size,
            reconciliation_explicit_batch_interval: self.reconciliation_explicit_batch_interval,
            history_prune_threshold: self.history_prune_threshold,
            history_max_per_job_threshold: self.history_max_per_job_threshold,
            history_min_retention_threshold: self.history_min_retention_threshold,
        })
    }
}

impl Order {
    fn criterion(self) -> OfferOrder {
        match self {
            Order::Cpu => OfferOrder::Cpu,
            Order::Memory => OfferOrder::Memory,
            Order::Disk => OfferOrder::Disk,
            Order::RevocableCpu => OfferOrder::RevocableCpu,
            Order::Random => OfferOrder::Random,
        }
    }
}

fn docker_parameters(text: &str) -> anyhow::Result<Vec<DockerParameter>> {
    let mut parameters = Vec::new();
    for pair in text
        .split(',')
        .filter(|pair| !pair.is_empty() && *pair != "''")
    {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("--default-docker-parameters: `{pair}` is not of the form NAME=VALUE");
        };
        parameters.push(DockerParameter {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    Ok(parameters)
}

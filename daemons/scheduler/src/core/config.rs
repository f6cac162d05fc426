//! Everything that decisions depend on besides the state: the scheduler's flags, with upstream's defaults.

use std::collections::BTreeMap;

use aurora_api::model::DockerParameter;
use aurora_mesos::v1::{ExecutorInfo, Volume};
use regex::Regex;

use super::cron::Zone;

/// Milliseconds since 1970, or a span of milliseconds.
pub type Millis = i64;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// The name of the built-in executor (aurora: `apiConstants.AURORA_EXECUTOR_NAME`).
pub const AURORA_EXECUTOR_NAME: &str = "AuroraExecutor";

/// A tier's two properties (aurora: `TierInfo.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its tasks may make room for others.
    pub preemptible: bool,
    /// Its tasks run on resources that Mesos may take back.
    pub revocable: bool,
}

impl Tier {
    /// Whether the tier counts as production: neither preemptible nor revocable.
    pub const fn is_production(self) -> bool {
        !self.preemptible && !self.revocable
    }
}

/// The tiers by name, and the one of tasks that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers {
    /// Name of the default tier; it is one of `tiers`.
    pub default: String,
    /// The tiers.
    pub tiers: BTreeMap<String, Tier>,
}

impl Default for Tiers {
    /// Upstream's built-in file (aurora: `src/main/resources/org/apache/aurora/scheduler/tiers.json`).
    fn default() -> Self {
        let tier = |preemptible, revocable| Tier {
            preemptible,
            revocable,
        };
        Tiers {
            default: "preemptible".to_owned(),
            tiers: BTreeMap::from([
                ("preferred".to_owned(), tier(false, false)),
                ("preemptible".to_owned(), tier(true, false)),
                ("revocable".to_owned(), tier(true, true)),
            ]),
        }
    }
}

/// An executor besides the built-in one (aurora: `ExecutorConfig.java`).
#[derive(Clone, Debug)]
pub struct CustomExecutor {
    /// Name, command, and what each instance takes. Its id is replaced by one for each task.
    pub info: ExecutorInfo,
    /// What the ids of its instances begin with.
    pub task_prefix: String,
    /// What is mounted into its containers with an image.
    pub volumes: Vec<Volume>,
}

/// One criterion of the order in which offers are tried; amounts ascend, so that small remainders are used up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferOrder {
    /// By cores that are not revocable.
    Cpu,
    /// By memory that is not revocable.
    Memory,
    /// By disk.
    Disk,
    /// By revocable cores; offers without any come last.
    RevocableCpu,
    /// Arbitrary, but the same for as long as an offer is held.
    Random,
}

/// Kinds of SLA metrics (aurora: `MetricCalculator.MetricCategory`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlaMetrics {
    /// JOB_UPTIMES.
    pub job_uptimes: bool,
    /// PLATFORM_UPTIME.
    pub platform_uptime: bool,
    /// MEDIANS.
    pub medians: bool,
}

/// A regular expression that has to match the whole of a name, as Java's `matches` does.
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    regex: Regex,
}

impl NamePattern {
    /// Compiles the pattern.
    ///
    /// # Errors
    /// It is not a regular expression.
    pub fn new(text: &str) -> Result<NamePattern, regex::Error> {
        let regex = Regex::new(&format!("^(?:{text})$"))?;
        Ok(NamePattern {
            text: text.to_owned(),
            regex,
        })
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        // `$` also matches before a final line feed in other dialects, not in this one.
        self.regex.is_match(name)
    }
}

impl std::fmt::Display for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The flags that decisions depend on. Names are upstream's; spans are milliseconds.
#[derive(Clone, Debug)]
pub struct Config {
    /// `-cluster_name`.
    pub cluster_name: String,
    /// `-hostname`: this scheduler's name in task events.
    pub hostname: String,
    /// Where the random generator starts. A running scheduler takes it from the operating system.
    pub seed: u64,
    /// The tiers (`-tier_config`).
    pub tiers: Tiers,
    /// Whether jobs may run as `root` (`-allow-root-role`); ours, upstream always allows it.
    pub allow_root_role: bool,

    /// `-max_tasks_per_job`.
    pub max_tasks_per_job: i32,
    /// `-allowed_job_environments`; matched against the whole name.
    pub allowed_job_environments: NamePattern,
    /// `-allowed_container_types` holds MESOS.
    pub allow_mesos_containers: bool,
    /// `-allowed_container_types` holds DOCKER.
    pub allow_docker_containers: bool,
    /// `-allow_docker_parameters`.
    pub allow_docker_parameters: bool,
    /// `-default_docker_parameters`.
    pub default_docker_parameters: Vec<DockerParameter>,
    /// `-require_docker_use_executor`.
    pub require_docker_use_executor: bool,
    /// `-enable_mesos_fetcher`.
    pub enable_mesos_fetcher: bool,
    /// `-allow_container_volumes`.
    pub allow_container_volumes: bool,
    /// `-allow_gpu_resource`.
    pub allow_gpu_resource: bool,
    /// `-min_required_instances_for_sla_check`.
    pub min_required_instances_for_sla_check: i32,
    /// `-max_sla_duration_secs`, in seconds.
    pub max_sla_duration_secs: i64,
    /// `-sla_aware_kill_non_prod`.
    pub sla_aware_kill_non_prod: bool,

    /// `-enable_revocable_cpus`.
    pub enable_revocable_cpus: bool,
    /// `-enable_revocable_ram`.
    pub enable_revocable_ram: bool,
    /// `-thermos_executor_path`: the executor's absolute path on the agents.
    pub executor_path: String,
    /// `-thermos_executor_flags`.
    pub executor_flags: String,
    /// `-thermos_home_in_sandbox`.
    pub home_in_sandbox: bool,
    /// `-thermos_executor_cpu`, cores.
    pub executor_cpus: f64,
    /// `-thermos_executor_ram`, MiB.
    pub executor_ram_mb: i64,
    /// `-thermos_executor_resources`: files that are fetched into the sandbox for the executor.
    pub executor_resources: Vec<String>,
    /// `-custom_executor_config`: the executors besides the built-in one, by name.
    pub custom_executors: BTreeMap<String, CustomExecutor>,
    /// `-global_container_mounts`: what the built-in executor's containers with an image get mounted.
    pub global_container_mounts: Vec<Volume>,
    /// `-populate_discovery_info`.
    pub populate_discovery_info: bool,

    /// `-hold_offers_forever`.
    pub hold_offers_forever: bool,
    /// `-min_offer_hold_time`.
    pub min_offer_hold_time: Millis,
    /// `-offer_hold_jitter_window`.
    pub offer_hold_jitter_window: Millis,
    /// `-offer_filter_duration`.
    pub offer_filter_duration: Millis,
    /// `-unavailability_threshold`.
    pub unavailability_threshold: Millis,
    /// `-offer_order`.
    pub offer_order: Vec<OfferOrder>,

    /// `-max_schedule_attempts_per_sec`.
    pub max_schedule_attempts_per_sec: f64,
    /// `-max_tasks_per_schedule_attempt`.
    pub max_tasks_per_schedule_attempt: usize,
    /// `-first_schedule_delay`.
    pub first_schedule_delay: Millis,
    /// `-initial_schedule_penalty`.
    pub initial_schedule_penalty: Millis,
    /// `-max_schedule_penalty`.
    pub max_schedule_penalty: Millis,
    /// `-flapping_task_threshold`.
    pub flapping_task_threshold: Millis,
    /// `-initial_flapping_task_delay`.
    pub initial_flapping_task_delay: Millis,
    /// `-max_flapping_task_delay`.
    pub max_flapping_task_delay: Millis,
    /// `-max_reschedule_task_delay_on_startup`.
    pub max_reschedule_task_delay_on_startup: Millis,

    /// `-enable_preemptor`.
    pub enable_preemptor: bool,
    /// `-preemption_delay`: how long a task waits at least before others make room for it.
    pub preemption_delay: Millis,
    /// `-preemption_slot_hold_time`.
    pub preemption_slot_hold_time: Millis,
    /// `-preemption_slot_search_initial_delay`.
    pub preemption_slot_search_initial_delay: Millis,
    /// `-preemption_slot_search_interval`.
    pub preemption_slot_search_interval: Millis,
    /// `-preemption_reservation_max_batch_size`.
    pub preemption_reservation_max_batch_size: usize,
    /// `-offer_reservation_duration`: how long an agent is kept for the group that tasks were preempted for.
    pub offer_reservation_duration: Millis,
    /// `-max_update_instance_failures`.
    pub max_update_instance_failures: i32,
    /// `-sla_aware_action_max_batch_size`: how many kills ask their policies in one step.
    pub sla_aware_action_max_batch_size: usize,
    /// `-sla_aware_kill_retry_min_delay`.
    pub sla_aware_kill_retry_min_delay: Millis,
    /// `-sla_aware_kill_retry_max_delay`.
    pub sla_aware_kill_retry_max_delay: Millis,
    /// `-job_update_history_pruning_interval`.
    pub job_update_history_pruning_interval: Millis,
    /// `-job_update_history_pruning_threshold`.
    pub job_update_history_pruning_threshold: Millis,
    /// `-job_update_history_per_job_threshold`.
    pub job_update_history_per_job_threshold: usize,
    /// `-enable_update_affinity`.
    pub enable_update_affinity: bool,
    /// `-update_affinity_reservation_hold_time`.
    pub update_affinity_reservation_hold_time: Millis,

    /// `-sla_stat_refresh_interval`.
    pub sla_stat_refresh_interval: Millis,
    /// `-sla_prod_metrics`.
    pub sla_prod_metrics: SlaMetrics,
    /// `-sla_non_prod_metrics`.
    pub sla_non_prod_metrics: SlaMetrics,
    /// `-sla_coordinator_timeout`.
    pub sla_coordinator_timeout: Millis,
    /// `-max_parallel_coordinated_maintenance`: how many coordinators are asked at the same time.
    pub max_parallel_coordinated_maintenance: usize,
    /// `-host_maintenance_polling_interval`.
    pub host_maintenance_polling_interval: Millis,
    /// `-cron_timezone`.
    pub cron_timezone: Zone,
    /// `-cron_start_initial_backoff`.
    pub cron_start_initial_backoff: Millis,
    /// `-cron_start_max_backoff`.
    pub cron_start_max_backoff: Millis,
    /// `--cron-catch-up`: how old a minute may be that nobody was there to decide, and that is run all the same; ours.
    pub cron_catch_up: Millis,

    /// `-partition_aware`.
    pub partition_aware: bool,
    /// `-transient_task_state_timeout`.
    pub transient_task_state_timeout: Millis,
    /// `-initial_task_kill_retry_interval`.
    pub initial_task_kill_retry_interval: Millis,
    /// `-reconciliation_initial_delay`.
    pub reconciliation_initial_delay: Millis,
    /// `-reconciliation_explicit_interval`.
    pub reconciliation_explicit_interval: Millis,
    /// `-reconciliation_implicit_interval`.
    pub reconciliation_implicit_interval: Millis,
    /// `-reconciliation_schedule_spread`.
    pub reconciliation_schedule_spread: Millis,
    /// `-reconciliation_explicit_batch_size`.
    pub reconciliation_explicit_batch_size: usize,
    /// `-reconciliation_explicit_batch_interval`.
    pub reconciliation_explicit_batch_interval: Millis,

    /// `-history_prune_threshold`.
    pub history_prune_threshold: Millis,
    /// `-history_max_per_job_threshold`.
    pub history_max_per_job_threshold: usize,
    /// `-history_min_retention_threshold`.
    pub history_min_retention_threshold: Millis,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            cluster_name: "devcluster".to_owned(),
            hostname: "localhost".to_owned(),
            seed: 0,
            tiers: Tiers::default(),
            allow_root_role: false,
            max_tasks_per_job: 4000,
            allowed_job_environments: NamePattern::new(r"^(prod|devel|test|staging\d*)$")
                .expect("the default pattern is well-formed"),
            allow_mesos_containers: true,
            allow_docker_containers: false,
            allow_docker_parameters: false,
            default_docker_parameters: Vec::new(),
            require_docker_use_executor: true,
            enable_mesos_fetcher: false,
            allow_container_volumes: false,
            allow_gpu_resource: false,
            min_required_instances_for_sla_check: 20,
            max_sla_duration_secs: 7200,
            sla_aware_kill_non_prod: false,
            enable_revocable_cpus: true,
            enable_revocable_ram: false,
            executor_path: String::new(),
            executor_flags: String::new(),
            home_in_sandbox: false,
            executor_resources: Vec::new(),
            custom_executors: BTreeMap::new(),
            global_container_mounts: Vec::new(),
            executor_cpus: 0.25,
            executor_ram_mb: 128,
            populate_discovery_info: false,
            hold_offers_forever: false,
            min_offer_hold_time: 5 * MINUTE,
            offer_hold_jitter_window: MINUTE,
            offer_filter_duration: 5 * SECOND,
            unavailability_threshold: 6 * MINUTE,
            offer_order: vec![OfferOrder::Random],
            max_schedule_attempts_per_sec: 40.0,
            max_tasks_per_schedule_attempt: 5,
            first_schedule_delay: 1,
            initial_schedule_penalty: SECOND,
            max_schedule_penalty: MINUTE,
            flapping_task_threshold: 5 * MINUTE,
            initial_flapping_task_delay: 30 * SECOND,
            max_flapping_task_delay: 5 * MINUTE,
            max_reschedule_task_delay_on_startup: 30 * SECOND,
            enable_preemptor: true,
            preemption_delay: 3 * MINUTE,
            preemption_slot_hold_time: 5 * MINUTE,
            preemption_slot_search_initial_delay: 3 * MINUTE,
            preemption_slot_search_interval: MINUTE,
            preemption_reservation_max_batch_size: 5,
            offer_reservation_duration: 3 * MINUTE,
            max_update_instance_failures: 20_000,
            sla_aware_action_max_batch_size: 300,
            sla_aware_kill_retry_min_delay: MINUTE,
            sla_aware_kill_retry_max_delay: 5 * MINUTE,
            job_update_history_pruning_interval: 15 * MINUTE,
            job_update_history_pruning_threshold: 30 * 24 * 60 * MINUTE,
            job_update_history_per_job_threshold: 10,
            enable_update_affinity: false,
            update_affinity_reservation_hold_time: 3 * MINUTE,
            sla_stat_refresh_interval: MINUTE,
            sla_prod_metrics: SlaMetrics {
                job_uptimes: true,
                platform_uptime: true,
                medians: true,
            },
            sla_non_prod_metrics: SlaMetrics::default(),
            sla_coordinator_timeout: MINUTE,
            max_parallel_coordinated_maintenance: 10,
            host_maintenance_polling_interval: MINUTE,
            cron_timezone: Zone::default(),
            cron_start_initial_backoff: 5 * SECOND,
            cron_start_max_backoff: MINUTE,
            cron_catch_up: MINUTE,
            partition_aware: false,
            transient_task_state_timeout: 5 * MINUTE,
            initial_task_kill_retry_interval: 15 * SECOND,
            reconciliation_initial_delay: MINUTE,
            reconciliation_explicit_interval: HOUR,
            reconciliation_implicit_interval: HOUR,
            reconciliation_schedule_spread: 30 * MINUTE,
            reconciliation_explicit_batch_size: 1000,
            reconciliation_explicit_batch_interval: 5 * SECOND,
            history_prune_threshold: 48 * HOUR,
            history_max_per_job_threshold: 100,
            history_min_retention_threshold: HOUR,
        }
    }
}

impl Config {
    /// The tier of a stored task. Tiers of stored tasks were checked when they were accepted; one that has been removed from
    /// the file since then counts as preemptible, which promises it the least.
    pub(crate) fn tier(&self, name: Option<&str>) -> Tier {
        let name = name.unwrap_or(&self.tiers.default);
        self.tiers.tiers.get(name).copied().unwrap_or(Tier {
            preemptible: true,
            revocable: false,
        })
    }
}

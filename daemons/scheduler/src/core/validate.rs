//! What a job must look like to be accepted, and the defaults that it gets (aurora: `ConfigurationManager.java`).
//!
//! The texts are upstream's: clients show them, and tests of clients compare them.

use std::collections::BTreeMap;

use aurora_api::job_key::is_good_identifier;
use aurora_api::model::{
    Container, JobConfiguration, JobKey, Resource, SlaPolicy, TaskConfig, TaskConstraint,
};

use super::config::{AURORA_EXECUTOR_NAME, Config};
use super::store::DEDICATED;

/// Checks a job and fills its defaults.
///
/// # Errors
/// The text for the user.
pub fn populate(config: &Config, mut job: JobConfiguration) -> Result<JobConfiguration, String> {
    if job.task_config == TaskConfig::default() {
        return Err("Job configuration must have taskConfig set.".to_owned());
    }
    if job.instance_count <= 0 {
        return Err("Instance count must be positive.".to_owned());
    }
    check_key(&job.key)?;
    if !config
        .allowed_job_environments
        .matches(&job.key.environment)
    {
        return Err(format!(
            "Job environment {} doesn't match: {}",
            job.key.environment, config.allowed_job_environments
        ));
    }
    if let Some(owner) = &job.owner {
        let user = owner.user.as_deref().unwrap_or("null");
        if !is_good_identifier(user) {
            return Err(format!("Job user contains illegal characters: {user}"));
        }
    }
    job.task_config = populate_task(config, job.task_config, job.instance_count)?;
    // Tasks are stored under the configuration's key while callers are authorized for the job's.
    if job.key != job.task_config.job {
        return Err(format!(
            "Job key {} does not match the task configuration's job key {}.",
            job.key, job.task_config.job
        ));
    }
    let scheduled = job
        .cron_schedule
        .as_deref()
        .is_some_and(|schedule| !schedule.is_empty());
    if scheduled && job.task_config.is_service {
        return Err(format!(
            "A service task may not be run on a cron schedule: {}",
            job.key
        ));
    }
    Ok(job)
}

/// Checks one task configuration for a job of `instances` instances and fills its defaults.
///
/// # Errors
/// The text for the user.
pub fn populate_task(
    config: &Config,
    mut task: TaskConfig,
    instances: i32,
) -> Result<TaskConfig, String> {
    if let Some(tier) = &task.tier
        && !is_good_identifier(tier)
    {
        return Err(format!("Tier contains illegal characters: {tier}"));
    }
    let name = task
        .tier
        .get_or_insert_with(|| config.tiers.default.clone());
    let Some(tier) = config.tiers.tiers.get(name) else {
        return Err(format!("Invalid tier '{name}' in TaskConfig."));
    };
    // What the client says is not asked: quotas rest on it.
    task.production = Some(tier.is_production());
    check_key(&task.job)?;
    check_role(config, &task.job)?;
    check_executor(config, &task)?;
    check_dedicated(&task)?;
    check_container(config, &mut task)?;
    check_resources(config, &task)?;
    if !config.enable_mesos_fetcher && !task.mesos_fetcher_uris.is_empty() {
        return Err("Mesos Fetcher for individual jobs is disabled in this cluster.".to_owned());
    }
    if let Container::Mesos(container) = &task.container
        && !config.allow_container_volumes
        && container
            .volumes
            .as_ref()
            .is_some_and(|volumes| !volumes.is_empty())
    {
        return Err("This scheduler is configured to disallow container volumes.".to_owned());
    }
    check_sla(config, &task, instances)?;
    if task.task_links.is_empty() {
        task.task_links = default_links(&task);
    }
    Ok(task)
}

fn check_key(key: &JobKey) -> Result<(), String> {
    if key.is_valid() {
        return Ok(());
    }
    Err(format!(
        "Job key JobKey(role:{}, environment:{}, name:{}) is invalid.",
        key.role, key.environment, key.name
    ))
}

fn check_role(config: &Config, key: &JobKey) -> Result<(), String> {
    if key.role != "root" || config.allow_root_role {
        return Ok(());
    }
    Err(
        "Role root is not allowed: its processes would run as root on the agents. \
         Start the scheduler with --allow-root-role to allow it."
            .to_owned(),
    )
}

fn check_executor(config: &Config, task: &TaskConfig) -> Result<(), String> {
    let Some(executor) = &task.executor_config else {
        return match task.container {
            Container::Docker(_) => Ok(()),
            Container::Mesos(_) => Err("Configuration may not be null.".to_owned()),
        };
    };
    match executor.name.as_deref() {
        None => Err("Executor name may not be left unset.".to_owned()),
        Some(AURORA_EXECUTOR_NAME) => Ok(()),
        Some(name) if config.custom_executors.contains_key(name) => Ok(()),
        Some(name) => Err(format!(
            "Configuration for executor '{name}' doesn't exist."
        )),
    }
}

fn check_dedicated(task: &TaskConfig) -> Result<(), String> {
    let Some(dedicated) = task
        .constraints
        .iter()
        .find(|constraint| constraint.name == DEDICATED)
    else {
        return Ok(());
    };
    let Some(TaskConstraint::Value(value)) = &dedicated.constraint else {
        return Err("A dedicated constraint must be of value type.".to_owned());
    };
    let mut values = value.values.iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("A dedicated constraint must have exactly one value".to_owned());
    };
    let role = value.split('/').next().unwrap_or_default();
    if role != "*" && role != task.job.role {
        return Err(format!(
            "Only {role} may use hosts dedicated for that role."
        ));
    }
    Ok(())
}

fn check_container(config: &Config, task: &mut TaskConfig) -> Result<(), String> {
    let (allowed, name) = match &mut task.container {
        Container::Mesos(_) => (config.allow_mesos_containers, "MESOS"),
        Container::Docker(container) => {
            if container.image.is_none() {
                return Err("A container must specify an image.".to_owned());
            }
            if container.parameters.is_empty() {
                container
                    .parameters
                    .clone_from(&config.default_docker_parameters);
            } else if !config.allow_docker_parameters {
                return Err(
                    "This scheduler is configured to disallow Docker parameters.".to_owned(),
                );
            }
            if config.require_docker_use_executor && task.executor_config.is_none() {
                return Err(
                    "This scheduler is configured to require an executor for Docker-based tasks."
                        .to_owned(),
                );
            }
            (config.allow_docker_containers, "DOCKER")
        }
    };
    if allowed {
        Ok(())
    } else {
        Err(format!(
            "This scheduler is not configured to allow the container type {name}"
        ))
    }
}

/// More than any machine has, and so little that sums over all tasks of a cluster cannot overflow.
const LARGEST_MB: i64 = 1 << 32;
/// The same for cores.
const LARGEST_CPUS: f64 = 1e6;

fn check_resources(config: &Config, task: &TaskConfig) -> Result<(), String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for resource in &task.resources {
        let name = match resource {
            Resource::NumCpus(_) => "CPU",
            Resource::RamMb(_) => "RAM",
            Resource::DiskMb(_) => "disk",
            Resource::NumGpus(_) => "GPU",
            Resource::NamedPort(_) => continue,
        };
        *counts.entry(name).or_default() += 1;
    }
    let several: Vec<&str> = counts
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(name, _)| *name)
        .collect();
    if !several.is_empty() {
        return Err(format!(
            "Multiple resource values are not supported for {}",
            several.join(", ")
        ));
    }
    let amounts = task.amounts();
    let positive = [
        // A number that is none is not greater than zero.
        (amounts.cpus.is_finite() && amounts.cpus > 0.0, "num_cpus"),
        (amounts.ram_mb > 0, "ram_mb"),
        (amounts.disk_mb > 0, "disk_mb"),
    ];
    for (positive, label) in positive {
        if !positive {
            return Err(format!("{label} must be greater than 0.0"));
        }
    }
    let largest = [
        (amounts.cpus <= LARGEST_CPUS, "num_cpus", LARGEST_CPUS),
        (amounts.ram_mb <= LARGEST_MB, "ram_mb", LARGEST_MB as f64),
        (amounts.disk_mb <= LARGEST_MB, "disk_mb", LARGEST_MB as f64),
    ];
    for (fits, label, largest) in largest {
        if !fits {
            return Err(format!("{label} must not be greater than {largest}"));
        }
    }
    if !config.allow_gpu_resource && counts.contains_key("GPU") {
        return Err("GPU resource support is disabled in this cluster.".to_owned());
    }
    Ok(())
}

fn check_sla(config: &Config, task: &TaskConfig, instances: i32) -> Result<(), String> {
    let Some(policy) = &task.sla_policy else {
        return Ok(());
    };
    let tier = task.tier.as_deref();
    if !config.sla_aware_kill_non_prod && !config.tier(tier).is_production() {
        return Err(format!(
            "Tier '{}' does not support SlaPolicy.",
            tier.unwrap_or_default()
        ));
    }
    let too_few = instances < config.min_required_instances_for_sla_check;
    if too_few && !matches!(policy, SlaPolicy::CoordinatorSlaPolicy(_)) {
        return Err(format!(
            "Job with fewer than {} instances cannot have Percentage/Count SlaPolicy.",
            config.min_required_instances_for_sla_check
        ));
    }
    let count = f64::from(instances);
    let (name, seconds) = match policy {
        SlaPolicy::CoordinatorSlaPolicy(_) => return Ok(()),
        SlaPolicy::CountSlaPolicy(policy) => {
            if policy.count < 0 {
                return Err(format!(
                    "CountSlaPolicy: count={} must not be negative.",
                    policy.count
                ));
            }
            if i64::from(instances).saturating_sub(policy.count) < 1 {
                return Err(format!(
                    "Current CountSlaPolicy: count={} will not allow any instances to be killed. Must be less than instanceCount={instances}.",
                    policy.count
                ));
            }
            ("CountSlaPolicy", policy.duration_secs)
        }
        SlaPolicy::PercentageSlaPolicy(policy) => {
            let percentage = policy.percentage.0;
            // Not a number is refused too, and so is a share below nothing.
            if !(percentage >= 0.0 && count - count * (percentage / 100.0) >= 1.0) {
                return Err(format!(
                    "Current PercentageSlaPolicy: percentage={percentage:.6} will not allow any instances to be killed. Must be less than {:.6}.",
                    (count - 1.0) / count * 100.0
                ));
            }
            ("PercentageSlaPolicy", policy.duration_secs)
        }
    };
    if seconds < 0 {
        return Err(format!(
            "{name}: durationSecs={seconds} must not be negative."
        ));
    }
    if seconds > config.max_sla_duration_secs {
        return Err(format!(
            "{name}: durationSecs={seconds} must be less than cluster-wide maximum of {} secs.",
            config.max_sla_duration_secs
        ));
    }
    Ok(())
}

fn default_links(task: &TaskConfig) -> BTreeMap<String, String> {
    let ports = task.resources.iter().filter_map(|resource| match resource {
        Resource::NamedPort(name) => Some(name.as_str()),
        _ => None,
    });
    let known = ports.filter(|name| matches!(*name, "health" | "http"));
    known
        .map(|name| (name.to_owned(), format!("http://%host%:%port:{name}%")))
        .collect()
}

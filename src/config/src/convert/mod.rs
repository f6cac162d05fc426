//! A job of the schema as the scheduler takes it (aurora: `config/thrift.py`).

mod parts;

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::{
    CronCollisionPolicy, ExecutorConfig, Identity, JobConfiguration, JobKey, Metadata,
    PartitionPolicy, Resource, TaskConfig,
};
use pystachio::{Environment, KeyOrder, Raw, Ref, Value, schema};

use crate::fault::{Checked, allowing, at, invalid, of_value};
use crate::job::Node;
use crate::plan::{self, PlannedProcess};
use crate::ports;

const MEGABYTE: i64 = 1 << 20;

/// Converts a job whose bindings are all made. `ports` are the names to request.
pub(crate) fn convert(
    job: &Value,
    user: &str,
    ports: &BTreeSet<String>,
) -> Checked<JobConfiguration> {
    // The first of the passes that each take a level of escapes away, as upstream's client makes them.
    let (job, _) = job
        .bind_environment(Environment::default())
        .interpolate()
        .map_err(|error| of_value("", &error))?;
    let job = Node::root(job);
    let owner = Some(Identity {
        user: Some(user.to_owned()),
    });
    let key = JobKey {
        role: identifier(&job, "role")?,
        environment: identifier(&job, "environment")?,
        name: identifier(&job, "name")?,
    };
    let task = job.need("task")?;
    let config = TaskConfig {
        job: key.clone(),
        owner: owner.clone(),
        production: Some(job.need("production")?.boolean()?),
        is_service: job.need("service")?.boolean()?,
        max_task_failures: job.need("max_task_failures")?.i32()?,
        priority: job.need("priority")?.i32()?,
        contact_email: optional_text(&job, "contact")?,
        tier: optional_text(&job, "tier")?,
        partition_policy: partition_policy(&job)?,
        sla_policy: parts::sla_policy(&job)?,
        metadata: metadata(&job)?,
        resources: resources(&task, ports)?,
        constraints: parts::constraints(&job)?,
        container: parts::container(&job)?,
        task_links: BTreeMap::new(),
        mesos_fetcher_uris: BTreeSet::new(),
        executor_config: None,
    };
    let (underlying, unbound) = job
        .value
        .interpolate()
        .map_err(|error| of_value("", &error))?;
    check_evaluates(&underlying)?;
    check_bound(&underlying, &unbound)?;
    let executor_config = Some(executor(&job, &underlying)?);
    Ok(JobConfiguration {
        key,
        owner,
        cron_schedule: optional_text(&job, "cron_schedule")?,
        cron_collision_policy: Some(cron_policy(&job)?),
        task_config: TaskConfig {
            executor_config,
            ..config
        },
        instance_count: job.need("instances")?.i32()?,
    })
}

fn identifier(job: &Node, field: &str) -> Checked<String> {
    let text = job.need(field)?.text()?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || !text.chars().all(good) {
        let fault = invalid(field, format!("Invalid {field} '{text}'"));
        return Err(allowing(fault, "letters, digits, _, - and ."));
    }
    Ok(text)
}

fn optional_text(job: &Node, field: &str) -> Checked<Option<String>> {
    match job.field(field)? {
        Some(node) => node.text().map(Some),
        None => Ok(None),
    }
}

fn partition_policy(job: &Node) -> Checked<Option<PartitionPolicy>> {
    let Some(policy) = job.field("partition_policy")? else {
        return Ok(None);
    };
    Ok(Some(PartitionPolicy {
        reschedule: policy.need("reschedule")?.boolean()?,
        delay_secs: Some(policy.need("delay_secs")?.i64()?),
    }))
}

fn metadata(job: &Node) -> Checked<BTreeSet<Metadata>> {
    let Some(metadata) = job.field("metadata")? else {
        return Ok(BTreeSet::new());
    };
    metadata
        .elements()?
        .iter()
        .map(|entry| {
            Ok(Metadata {
                key: entry.need("key")?.text()?,
                value: entry.need("value")?.text()?,
            })
        })
        .collect()
}

fn resources(task: &Node, ports: &BTreeSet<String>) -> Checked<BTreeSet<Resource>> {
    let Some(resources) = task.field("resources")? else {
        return Err(invalid("task.resources", "Task must specify resources!"));
    };
    let (ram, disk) = (
        resources.need("ram")?.i64()?,
        resources.need("disk")?.i64()?,
    );
    if ram == 0 || disk == 0 {
        return Err(invalid(
            &resources.path,
            format!("Must specify ram and disk resources, got ram:{ram} disk:{disk}"),
        ));
    }
    let cpus = resources.need("cpu")?.f64()?;
    let (ram_mb, disk_mb) = (ram.div_euclid(MEGABYTE), disk.div_euclid(MEGABYTE));
    if cpus <= 0.0 || ram_mb <= 0 || disk_mb <= 0 {
        return Err(invalid(
            &resources.path,
            format!(
                "Task has invalid resources.  cpu/ramMb/diskMb must all be positive: \
                 cpu:{} ramMb:{ram_mb} diskMb:{disk_mb}",
                pystachio::float_text(cpus)
            ),
        ));
    }
    let mut wanted = BTreeSet::from([
        Resource::NumCpus(cpus.into()),
        Resource::RamMb(ram_mb),
        Resource::DiskMb(disk_mb),
    ]);
    wanted.extend(ports.iter().cloned().map(Resource::NamedPort));
    let gpus = match resources.field("gpu")? {
        Some(gpu) => gpu.i64()?,
        None => 0,
    };
    if gpus != 0 {
        wanted.insert(Resource::NumGpus(gpus));
    }
    Ok(wanted)
}

fn cron_policy(job: &Node) -> Checked<CronCollisionPolicy> {
    let policy = job.need("cron_collision_policy")?;
    let text = policy.text()?;
    CronCollisionPolicy::from_name(&text.to_uppercase()).ok_or_else(|| {
        let message = format!("Invalid CronCollisionPolicy type: {text}");
        allowing(
            invalid(&policy.path, message),
            "KILL_EXISTING, CANCEL_NEW; schedulers refuse RUN_OVERLAP",
        )
    })
}

/// The task must make sense once instance and ports are known.
fn check_evaluates(underlying: &Value) -> Checked<()> {
    let mesos = Raw::Dict(vec![(
        "mesos".into(),
        Raw::Dict(vec![
            ("instance".into(), Raw::from(31337_i64)),
            ("hostname".into(), "".into()),
        ]),
    )]);
    let checked = underlying
        .bind(vec![mesos])
        .map_err(|error| of_value("", &error))?;
    let job = Node::root(checked);
    let known = ports::names(
        &underlying.unbound().map_err(|error| of_value("", &error))?,
        "",
    )?;
    check_task(&job.need("task")?, known)?;
    let check = job.value.check().map_err(|error| of_value("", &error))?;
    if check.is_ok() {
        return Ok(());
    }
    let mut found = invalid("", format!("Job not fully specified: {}", check.message()));
    found.field = Some(check.path).filter(|path| !path.is_empty());
    Err(found)
}

fn check_task(task: &Node, known: BTreeSet<String>) -> Checked<()> {
    let wrong = |path: &str, what: String| Err(invalid(path, format!("Task is invalid: {what}")));
    let mut processes = Vec::new();
    let listed = match task.field("processes")? {
        Some(processes) => processes.elements()?,
        None => Vec::new(),
    };
    for process in &listed {
        let name = process.need("name")?.text()?;
        if !is_process_name(&name) {
            return wrong(
                &process.at("name"),
                format!("Task has invalid process: Invalid process name: {name}"),
            );
        }
        processes.push(PlannedProcess {
            name,
            ..PlannedProcess::default()
        });
    }
    let check = task
        .value
        .check()
        .map_err(|error| of_value(&task.path, &error))?;
    if !check.is_ok() {
        let path = if check.path.is_empty() {
            task.path.clone()
        } else {
            format!("{}.{}", task.path, check.path)
        };
        return wrong(
            &path,
            format!("Failed to fully evaluate task: {}", check.message()),
        );
    }
    for (planned, process) in processes.iter_mut().zip(&listed) {
        planned.is_daemon = process.need("daemon")?.boolean()?;
        planned.is_ephemeral = process.need("ephemeral")?.boolean()?;
        planned.is_final = process.need("final")?.boolean()?;
    }
    let mut orders = Vec::new();
    if let Some(constraints) = task.field("constraints")? {
        for constraint in constraints.elements()? {
            let mut order = Vec::new();
            if let Some(names) = constraint.field("order")? {
                for name in names.elements()? {
                    order.push(name.text()?);
                }
            }
            orders.push(order);
        }
    }
    if let Err(message) = plan::check(&processes, &orders) {
        return wrong(
            &task.at("constraints"),
            format!("Task has invalid plan: {message}"),
        );
    }
    check_thermos_refs(task, known)
}

/// Every reference must be known once the runner's are. Of ports only those are whose name stands in the file: nobody could
/// ask for the port of `{{thermos.ports[p{{mesos.instance}}]}}` before the instance is known.
fn check_thermos_refs(task: &Node, known: BTreeSet<String>) -> Checked<()> {
    ports::names(&task.unbound()?, &task.path)?;
    let numbers = known
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            (
                Raw::from(name),
                Raw::from(30000 + i64::try_from(index).unwrap_or(0)),
            )
        })
        .collect();
    let thermos = Value::structure(
        schema::get("ThermosContext"),
        vec![Raw::Dict(vec![
            ("task_id".into(), "dummy_task_id".into()),
            ("user".into(), "dummy_user".into()),
            ("ports".into(), Raw::Dict(numbers)),
        ])],
        Vec::new(),
    );
    let (filled, left) = thermos
        .and_then(|thermos| {
            task.value
                .bind(vec![Raw::Dict(vec![("thermos".into(), thermos.into())])])
        })
        .and_then(|task| task.interpolate())
        .and_then(|(task, _)| task.interpolate())
        .map_err(|error| of_value(&task.path, &error))?;
    if left.is_empty() {
        return Ok(());
    }
    let mut found = invalid(
        &first_use(&filled, &left),
        format!(
            "Task is invalid: Unexpected unbound refs: {}. Make sure you are not nesting template variables.",
            list(&left)
        ),
    );
    found = at(&task.path, found);
    found.hint = Some(how_to_bind(&left));
    Err(found)
}

fn list(refs: &[Ref]) -> String {
    let shown: Vec<String> = refs.iter().map(Ref::to_string).collect();
    shown.join(" ")
}

/// At least one character, no slash, no dot in front: it becomes a file name.
fn is_process_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains('/') && !name.contains('\0')
}

/// Whether only the executor can fill a reference.
fn is_deferred(reference: &Ref) -> bool {
    let address = reference.address();
    matches!(
        address.as_str(),
        "thermos.task_id" | "mesos.instance" | "mesos.hostname"
    ) || address.starts_with("thermos.ports[")
        || address.starts_with("thermos.ports.")
}

/// The addresses in a job that have to be bound before it can be converted; none when they cannot be listed.
pub(crate) fn to_be_bound(job: &Value) -> Vec<String> {
    let unbound = job.unbound().unwrap_or_default();
    let left = unbound.iter().filter(|reference| !is_deferred(reference));
    left.map(Ref::address).collect()
}

fn check_bound(job: &Value, unbound: &[Ref]) -> Checked<()> {
    let mut left: Vec<Ref> = Vec::new();
    for reference in unbound {
        if !is_deferred(reference) && !left.contains(reference) {
            left.push(reference.clone());
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let mut found = invalid(
        &first_use(job, &left),
        format!("Config contains unbound variables: {}", list(&left)),
    );
    found.hint = Some(how_to_bind(&left));
    Err(allowing(found, "references that are bound"))
}

/// The field in which the first of these references stands.
fn first_use(value: &Value, left: &[Ref]) -> String {
    left.first()
        .and_then(|reference| value.path_of_text(&reference.to_string()))
        .unwrap_or_default()
}

fn how_to_bind(left: &[Ref]) -> String {
    let address = left.first().map(Ref::address).unwrap_or_default();
    if address.starts_with("docker.image[") {
        return format!(
            "the registry was not asked for it; name the image by its digest, or give --bind {address}=IMAGE"
        );
    }
    format!("bind it in the file, or with --bind {address}=VALUE")
}

fn executor(job: &Node, underlying: &Value) -> Checked<ExecutorConfig> {
    let executor = job.need("executor_config")?;
    let name = executor.need("name")?.text()?;
    let data = if name == schema::AURORA_EXECUTOR_NAME {
        // What may differ between equal instances stays out, so that an unchanged job is an unchanged task.
        let cleared = vec![
            ("update_config".into(), Raw::Empty),
            ("instances".into(), Raw::Empty),
        ];
        // Sorted keys: the scheduler compares this text, and the same job must always give the same one.
        underlying
            .replace(cleared)
            .and_then(|job| job.json_dumps(KeyOrder::Sorted))
            .map_err(|error| of_value("", &error))?
    } else {
        executor.need("data")?.text()?
    };
    Ok(ExecutorConfig {
        name: Some(name),
        data: Some(data),
    })
}

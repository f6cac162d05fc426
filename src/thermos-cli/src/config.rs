//! Tasks of configuration files: job files by way of `aurora-eval`, and JSON.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aurora_api::eval::{EvalAnswer, EvalRequest, JobSelector};
use aurora_client::eval;
use aurora_thermos::instance::{Instance, InstanceError};
use aurora_thermos::schema::Task;
use aurora_thermos::users;
use clap::Args;
use serde_json::Value;

/// How long an evaluation may take.
const EVAL_PATIENCE: Duration = Duration::from_secs(60);
/// What the name of a port's reference begins with.
const PORT: &str = "{{thermos.ports[";

/// Which task, and what is bound in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArgs {
    /// A job file, or JSON.
    pub(crate) config: PathBuf,
    /// The task's name, when the file has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    /// The file is the JSON of a task or a job.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) bound: Bound,
}

/// What is bound by hand.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bound {
    /// A port by name; repeat for others.
    #[arg(short = 'P', long = "port", value_name = "NAME:PORT", value_parser = port)]
    pub(crate) ports: Vec<(String, u16)>,
    /// A reference of the configuration; repeat for others.
    #[arg(short = 'E', long = "environment", value_name = "NAME=VALUE", value_parser = binding)]
    pub(crate) bindings: Vec<(String, String)>,
}

impl Bound {
    pub(crate) fn ports(&self) -> BTreeMap<String, u16> {
        self.ports.iter().cloned().collect()
    }
}

fn port(text: &str) -> Result<(String, u16), String> {
    text.split_once(':')
        .and_then(|(name, port)| Some((name.to_owned(), port.parse().ok()?)))
        .ok_or_else(|| "a port is given as NAME:PORT".to_owned())
}

fn binding(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a reference is bound as NAME=VALUE".to_owned())
}

/// A task that is not bound yet.
pub(crate) struct Loaded {
    pub(crate) name: String,
    instance: Instance,
}

impl Loaded {
    pub(crate) fn of_task(task: Value, bindings: &[(String, String)]) -> anyhow::Result<Self> {
        Ok(Self {
            name: name(&task),
            instance: Instance::of_task(task, bindings)?,
        })
    }

    /// The task with its ports and its id.
    pub(crate) fn bind(
        &self,
        task_id: &str,
        ports: &BTreeMap<String, u16>,
        user: &str,
    ) -> anyhow::Result<Task> {
        match self.instance.task(task_id, ports, user) {
            Err(InstanceError::Missing { names })
                if names.iter().all(|name| name.starts_with(PORT)) =>
            {
                let ports: Vec<&str> = names
                    .iter()
                    .map(|name| name.trim_start_matches(PORT).trim_end_matches("]}}"))
                    .collect();
                bail!("ERROR!  Unbound ports: {}", ports.join(" "))
            }
            other => Ok(other?),
        }
    }
}

fn name(task: &Value) -> String {
    let own = task["name"].as_str();
    own.or_else(|| task["processes"][0]["name"].as_str())
        .unwrap_or("task")
        .to_owned()
}

/// Reads the file and picks its task.
pub(crate) fn load(args: &ConfigArgs) -> anyhow::Result<Loaded> {
    let bindings = &args.bound.bindings;
    let tasks = if args.json {
        vec![json_task(&args.config, bindings)?]
    } else {
        job_tasks(&args.config, bindings)?
    };
    pick(tasks, args.task.as_deref())
}

fn pick(tasks: Vec<Loaded>, wanted: Option<&str>) -> anyhow::Result<Loaded> {
    match wanted {
        Some(name) => tasks
            .into_iter()
            .find(|task| task.name == name)
            .ok_or_else(|| anyhow!("Could not find task {name}!")),
        None if tasks.len() > 1 => bail!(
            "Multiple tasks in config but no task name specified! There are: {}",
            tasks
                .iter()
                .map(|task| task.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ),
        None => tasks.into_iter().next().context("No tasks specified!"),
    }
}

fn json_task(path: &Path, bindings: &[(String, String)]) -> anyhow::Result<Loaded> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut value: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    let task = match value.get_mut("task") {
        Some(task) => task.take(),
        None => value,
    };
    Loaded::of_task(task, bindings)
}

/// The tasks that a file exports, and those of its jobs, as instance 0 on this machine.
fn job_tasks(path: &Path, bindings: &[(String, String)]) -> anyhow::Result<Vec<Loaded>> {
    let request = EvalRequest {
        path: path.display().to_string(),
        bindings: bindings.to_vec(),
        thermos: true,
        user: users::by_uid(nix::unistd::getuid().as_raw())
            .map(|user| user.name)
            .unwrap_or_default(),
        ..EvalRequest::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let evaluate = |request: &EvalRequest| -> anyhow::Result<EvalAnswer> {
        let answer = runtime.block_on(eval::evaluate(request, EVAL_PATIENCE))?;
        match answer.errors.first() {
            Some(error) => bail!("{}", aurora_client::job_file::render(error)),
            None => Ok(answer),
        }
    };
    let host = nix::unistd::gethostname()
        .context("cannot tell this machine's name")?
        .to_string_lossy()
        .into_owned();
    let answer = evaluate(&request)?;
    let mut tasks = Vec::new();
    for exported in answer.tasks {
        tasks.push(Loaded::of_task(exported, bindings)?);
    }
    for listed in answer.jobs {
        let [cluster, role, environment, job] = listed.key.splitn(4, '/').collect::<Vec<_>>()[..]
        else {
            bail!("{} is no job key", listed.key);
        };
        let select = JobSelector {
            cluster: cluster.to_owned(),
            role: role.to_owned(),
            environment: environment.to_owned(),
            name: job.to_owned(),
        };
        let answer = evaluate(&EvalRequest {
            select: Some(select),
            ..request.clone()
        })?;
        let job = answer
            .job
            .with_context(|| format!("{} cannot be loaded", listed.key))?;
        tasks.push(Loaded {
            name: name(&job.job["task"]),
            instance: Instance::parse(&job.job.to_string(), 0, &host)?,
        });
    }
    Ok(tasks)
}

/// `thermos inspect`.
pub(crate) fn inspect(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let loaded = load(args)?;
    let user = users::by_uid(nix::unistd::getuid().as_raw())?;
    let task = loaded.bind("inspected", &args.bound.ports(), &user.name)?;
    writeln!(std::io::stdout(), "{:#}", task.to_json())?;
    Ok(ExitCode::SUCCESS)
}

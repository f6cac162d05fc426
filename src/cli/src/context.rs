//! What the verbs share: clusters, output, loading a job, common queries (aurora: `cli/context.py`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::result::Result;

use aurora_api::binary;
use aurora_api::eval::{Diagnostic, DiagnosticKind, EvalRequest, JobSelector, Tier, Tiers};
use aurora_api::model::*;
use aurora_api::service::arguments;
use aurora_client::directory::{Directory, Environment};
use aurora_client::eval::{self, DEADLINE};
use aurora_client::scheduler::{Retry, Scheduler, combine_messages, take};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::args::Parsed;
use crate::exit::{CommandError, ExitCode};
use crate::glob;
use crate::keys::{FullKey, Wildcard, id_list, parse_binding};

/// The result of a verb.
pub(crate) type Outcome<T = ()> = Result<T, CommandError>;

const USER_AGENT: &str = concat!("Aurora V2;", env!("CARGO_PKG_VERSION"));

const UPDATING_HINT: &str = "Error: job is locked by an active update.\n      \
     Run 'aurora update abort' or wait for the active update to finish.";

/// Prints a line on standard error.
pub(crate) fn print_err(text: &str) {
    // Nobody reads standard error any more: there is no other place to say so.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a line on standard output.
pub(crate) fn print_out(text: &str) -> Outcome {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => Ok(()),
        // `aurora … | head` is not worth a message.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(CommandError::printed(ExitCode::Crash))
        }
        Err(error) => Err(CommandError::new(
            ExitCode::Crash,
            format!("cannot write to standard output: {error}"),
        )),
    }
}

/// A job loaded from its file.
pub(crate) struct LoadedJob {
    pub(crate) configuration: JobConfiguration,
    /// The Job with its defaults.
    pub(crate) json: serde_json::Value,
}

/// One run of `aurora`.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a Parsed,
    directory: Directory,
    schedulers: RefCell<BTreeMap<String, Scheduler>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(options: &'a Parsed) -> Outcome<Context<'a>> {
        Ok(Context {
            options,
            directory: Directory::load(Environment::of_process())?,
            schedulers: RefCell::default(),
        })
    }

    /// The scheduler of a cluster; one for the whole run.
    pub(crate) fn scheduler(&self, cluster: &str) -> Outcome<Scheduler> {
        if let Some(scheduler) = self.schedulers.borrow().get(cluster) {
            return Ok(scheduler.clone());
        }
        let scheduler = Scheduler::new(&self.directory.find(cluster)?, USER_AGENT);
        self.schedulers
            .borrow_mut()
            .insert(cluster.to_owned(), scheduler.clone());
        Ok(scheduler)
    }

    /// The page of a job.
    pub(crate) fn job_page(&self, key: &FullKey) -> Outcome<String> {
        let JobKey {
            role,
            environment,
            name,
        } = &key.job;
        Ok(self
            .scheduler(&key.cluster)?
            .page(&[role, environment, name]))
    }

    /// Opens the job's page when `--open-browser` asks for it.
    pub(crate) fn maybe_open_page(&self, key: &FullKey) -> Outcome {
        if self.options.flag("open-browser") {
            crate::browser::open(&self.job_page(key)?);
        }
        Ok(())
    }

    /// Parses a positional argument; a bad one is a usage error.
    pub(crate) fn positional<T>(
        &self,
        at: usize,
        shown: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Outcome<T> {
        parse(self.options.positional(at))
            .map_err(|what| CommandError::new(ExitCode::Usage, self.options.fault(shown, &what)))
    }

    /// An integer option that must be positive.
    pub(crate) fn positive(&self, long: &str) -> Outcome<usize> {
        let value = self.options.integer(long);
        usize::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .ok_or_else(|| {
                let what = format!("must be greater than 0, but got {value}");
                CommandError::new(
                    ExitCode::Usage,
                    self.options.fault(&format!("--{long}"), &what),
                )
            })
    }

    fn bindings(&self) -> Outcome<Vec<(String, String)>> {
        self.options
            .all("bind")
            .iter()
            .map(|text| {
                parse_binding(text).map_err(|what| {
                    CommandError::new(ExitCode::Usage, self.options.fault("--bind", &what))
                })
            })
            .collect()
    }

    pub(crate) fn eval_request(&self, path: &str) -> Outcome<EvalRequest> {
        Ok(EvalRequest {
            path: path.to_owned(),
            bindings: self.bindings()?,
            read_json: self.options.flag("read-json"),
            user: login_name(),
            ..EvalRequest::default()
        })
    }

    /// Loads a job from a file. Whatever goes wrong has exit code 3, but fatal validation errors have 1.
    pub(crate) async fn load_job(&self, key: &FullKey, path: &str) -> Outcome<LoadedJob> {
        let wrap = |what: String| {
            CommandError::new(
                ExitCode::InvalidConfiguration,
                format!("Error loading configuration: {what}"),
            )
        };
        let mut request = self.eval_request(path)?;
        if let Err(error) = std::fs::File::open(path) {
            return Err(wrap(format!("{path}: {error}")));
        }
        request.select = Some(JobSelector {
            cluster: key.cluster.clone(),
            role: key.job.role.clone(),
            environment: key.job.environment.clone(),
            name: key.job.name.clone(),
        });
        let tiers = match self.tiers(&key.cluster).await {
            Ok(tiers) => tiers,
            Err(error) => {
                // What is wrong with the file comes first.
                load(&request).await?;
                let text = error.message.unwrap_or_default();
                return Err(wrap(text));
            }
        };
        request.tiers = Some(tiers);
        let job = load(&request).await?;
        let bytes = STANDARD
            .decode(&job.configuration)
            .map_err(|error| wrap(format!("aurora-eval's answer is not understood: {error}")))?;
        let configuration = binary::decode(&bytes)
            .map_err(|error| wrap(format!("aurora-eval's answer is not understood: {error}")))?;
        Ok(LoadedJob {
            configuration,
            json: job.job,
        })
    }

    /// Checks the file of `--config`, whose job nothing is taken from.
    pub(crate) async fn check_config_option(&self, key: &FullKey) -> Outcome {
        match self.options.text("config") {
            Some(path) => self.load_job(key, path).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn tiers(&self, cluster: &str) -> Outcome<Tiers> {
        let scheduler = self.scheduler(cluster)?;
        let response = scheduler
            .call(arguments::GetTierConfigs::default(), Retry::Safe)
            .await?;
        if response.response_code != ResponseCode::Ok {
            let text = "Error getting tier configurations.";
            print_err(text);
            print_err(&format!("\t{}", combine_messages(&response)));
            return Err(CommandError::new(ExitCode::ApiError, text));
        }
        let result: GetTierConfigResult = take("getTierConfigs", response)?;
        Ok(Tiers {
            default: result.default_tier_name,
            tiers: result
                .tiers
                .into_iter()
                .map(|tier| Tier {
                    name: tier.name,
                    settings: tier.settings,
                })
                .collect(),
        })
    }

    /// The tasks of a job that are active.
    pub(crate) async fn active_tasks(&self, key: &FullKey) -> Outcome<Vec<ScheduledTask>> {
        let query = TaskQuery {
            statuses: Some(active_states()),
            ..job_query(key)
        };
        let tasks = self
            .tasks(&key.cluster, query, ExitCode::InvalidParameter)
            .await?;
        Ok(tasks)
    }

    /// All tasks of a job that the scheduler remembers.
    pub(crate) async fn all_tasks(&self, key: &FullKey) -> Outcome<Vec<ScheduledTask>> {
        tracing::info!("Checking status of {key}");
        self.tasks(&key.cluster, job_query(key), ExitCode::InvalidParameter)
            .await
    }

    async fn tasks(
        &self,
        cluster: &str,
        query: TaskQuery,
        code: ExitCode,
    ) -> Outcome<Vec<ScheduledTask>> {
        let call = arguments::GetTasksWithoutConfigs { query: Some(query) };
        let response = self.scheduler(cluster)?.call(call, Retry::Safe).await?;
        check(&response, code, "Command failure:")?;
        let result: ScheduleStatusResult = take("getTasksWithoutConfigs", response)?;
        Ok(result.tasks)
    }

    /// The active instances; all of `wanted` must be among them.
    pub(crate) async fn active_instances_or_raise(
        &self,
        key: &FullKey,
        wanted: &BTreeSet<i32>,
    ) -> Outcome<BTreeSet<i32>> {
        let active = instances_of(&self.active_tasks(key).await?);
        let unknown: Vec<i32> = wanted.difference(&active).copied().collect();
        if unknown.is_empty() {
            return Ok(active);
        }
        Err(CommandError::new(
            ExitCode::InvalidParameter,
            format!("Invalid instance parameter: {}", id_list(unknown)),
        ))
    }

    /// Warns when the job's SLA policy counts instances.
    pub(crate) async fn warn_of_sla(&self, key: &FullKey, doing: &str) -> Outcome {
        let counts = self.active_tasks(key).await?.iter().any(|task| {
            matches!(
                task.assigned_task.task.sla_policy,
                Some(SlaPolicy::PercentageSlaPolicy(_) | SlaPolicy::CountSlaPolicy(_))
            )
        });
        if counts {
            print_out(&format!(
                "WARNING: {doing} instances without updating SlaPolicy."
            ))?;
        }
        Ok(())
    }

    /// The jobs that a key with wildcards names; a key without is not looked up.
    pub(crate) async fn jobs_matching(&self, key: &Wildcard) -> Outcome<Vec<FullKey>> {
        if key.is_one_job() {
            let one = FullKey::new(&key.cluster, &key.role, &key.environment, &key.name)
                .map_err(|what| CommandError::new(ExitCode::InvalidParameter, what))?;
            return Ok(vec![one]);
        }
        let clusters = if key.cluster == "*" {
            self.directory.names()
        } else {
            vec![key.cluster.clone()]
        };
        let owner_role = (!key.role.contains('*')).then(|| key.role.clone());
        let mut jobs = Vec::new();
        for cluster in clusters {
            tracing::info!(
                "Retrieving jobs for role {}",
                owner_role.as_deref().unwrap_or("None")
            );
            let call = arguments::GetJobs {
                owner_role: owner_role.clone(),
            };
            let response = self.scheduler(&cluster)?.call(call, Retry::Safe).await?;
            check(&response, ExitCode::CommandFailure, "Command failure:")?;
            let result: GetJobsResult = take("getJobs", response)?;
            jobs.extend(result.configs.into_iter().map(|config| FullKey {
                cluster: cluster.clone(),
                job: config.key,
            }));
        }
        jobs.retain(|found| {
            glob::matches(&key.role, &found.job.role)
                && glob::matches(&key.environment, &found.job.environment)
                && glob::matches(&key.name, &found.job.name)
        });
        Ok(jobs)
    }
}

/// Prints what an answer that is not OK says, and ends the command with `code`; logs the messages of an OK one.
pub(crate) fn check(response: &Response, code: ExitCode, what: &str) -> Outcome {
    let messages = combine_messages(response);
    if response.response_code == ResponseCode::Ok {
        if !messages.is_empty() {
            tracing::info!("{messages}");
        }
        return Ok(());
    }
    print_err(what);
    print_err(&format!("\t{messages}"));
    if response.response_code == ResponseCode::JobUpdatingError {
        print_err(&format!("\t{UPDATING_HINT}"));
    }
    Err(CommandError::printed(code))
}

/// The query for all tasks of a job.
pub(crate) fn job_query(key: &FullKey) -> TaskQuery {
    TaskQuery {
        job_keys: Some(BTreeSet::from([key.job.clone()])),
        ..TaskQuery::default()
    }
}

/// The states in which a task counts as an instance.
pub(crate) fn active_states() -> BTreeSet<ScheduleStatus> {
    ScheduleStatus::ALL
        .iter()
        .copied()
        .filter(|status| status.is_active())
        .collect()
}

/// The instances that these tasks are.
pub(crate) fn instances_of(tasks: &[ScheduledTask]) -> BTreeSet<i32> {
    tasks
        .iter()
        .map(|task| task.assigned_task.instance_id)
        .collect()
}

async fn load(request: &EvalRequest) -> Outcome<aurora_api::eval::LoadedJob> {
    let invalid = |what: String| {
        CommandError::new(
            ExitCode::InvalidConfiguration,
            format!("Error loading configuration: {what}"),
        )
    };
    let answer = eval::evaluate(request, DEADLINE)
        .await
        .map_err(|error| invalid(error.to_string()))?;
    for warning in &answer.warnings {
        tracing::warn!("{}", render(warning));
    }
    if let Some(fatal) = answer
        .errors
        .iter()
        .find(|error| error.kind == DiagnosticKind::Fatal)
    {
        return Err(CommandError::new(
            ExitCode::Crash,
            format!("FATAL] {}", render(fatal)),
        ));
    }
    if !answer.errors.is_empty() {
        return Err(invalid(render_all(&answer.errors)));
    }
    answer
        .job
        .ok_or_else(|| invalid("aurora-eval gave neither a job nor an error".to_owned()))
}

/// All diagnostics, one after the other.
pub(crate) fn render_all(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(render).collect();
    lines.join("\n")
}

/// `file:line:column: message`, then the field and what to do about it.
fn render(diagnostic: &Diagnostic) -> String {
    let mut text = String::new();
    if let Some(file) = &diagnostic.file
        && (diagnostic.line.is_some() || !diagnostic.message.contains(file))
    {
        text.push_str(file);
        for number in [diagnostic.line, diagnostic.column].into_iter().flatten() {
            text.push_str(&format!(":{number}"));
        }
        text.push_str(": ");
    }
    text.push_str(&diagnostic.message);
    if let Some(field) = &diagnostic.field
        && !diagnostic.message.contains(field)
    {
        text.push_str(&format!(" (in {field})"));
    }
    if let Some(hint) = &diagnostic.hint {
        text.push_str(&format!("\n  {hint}"));
    }
    text
}

/// The caller's login name, as Python's `getpass.getuser` finds it.
fn login_name() -> String {
    ["LOGNAME", "USER", "LNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .or_else(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??;
            Some(user.name)
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_name_the_place() {
        let mut diagnostic = Diagnostic {
            kind: DiagnosticKind::Evaluation,
            message: "name 'x' is not defined".into(),
            file: Some("hello.aurora".into()),
            line: Some(12),
            ..Diagnostic::default()
        };
        assert_eq!(
            render(&diagnostic),
            "hello.aurora:12: name 'x' is not defined"
        );
        diagnostic.column = Some(3);
        diagnostic.field = Some("jobs[0]".into());
        diagnostic.hint = Some("define x".into());
        assert_eq!(
            render(&diagnostic),
            "hello.aurora:12:3: name 'x' is not defined (in jobs[0])\n  define x"
        );
    }

    #[test]
    fn active_states_are_upstreams() {
        let names: Vec<&str> = active_states().into_iter().map(|s| s.name()).collect();
        assert_eq!(names.len(), 10);
        assert!(!names.contains(&"INIT") && names.contains(&"THROTTLED"));
    }
}

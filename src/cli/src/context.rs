//! What the verbs share: clusters, output, common queries (aurora: `cli/context.py`).

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::result::Result;

use aurora_api::model::*;
use aurora_api::service::{Call, arguments};
use aurora_client::directory::{Directory, Environment, LookupError, Target};
use aurora_client::results::FromResult;
use aurora_client::scheduler::{Retry, Scheduler, combine_messages, take};

use crate::args::Parsed;
use crate::exit::{CommandError, ExitCode};
use crate::glob;
use crate::keys::{FullKey, Wildcard, id_list};
use crate::pace::Paces;

/// The result of a verb.
pub(crate) type Outcome<T = ()> = Result<T, CommandError>;

/// Which program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `aurora`.
    Client,
    /// `aurora_admin`.
    Admin,
}

impl Program {
    const fn user_agent(self) -> &'static str {
        match self {
            Program::Client => concat!("Aurora V2;", env!("CARGO_PKG_VERSION")),
            Program::Admin => concat!("Aurora Admin;", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// What is said before the scheduler's words unless the verb has its own.
pub(crate) const FAILURE: &str = "Command failure:";

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

/// Prints a value as JSON, indented by two.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        CommandError::new(ExitCode::Crash, format!("cannot write JSON: {error}"))
    })?;
    print_out(&text)
}

/// One run of a program.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a Parsed,
    pub(crate) paces: Paces,
    program: Program,
    environment: Environment,
    directory: OnceCell<Directory>,
    schedulers: RefCell<BTreeMap<String, Scheduler>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        program: Program,
        options: &'a Parsed,
        environment: Environment,
    ) -> Context<'a> {
        Context {
            options,
            paces: Paces::default(),
            program,
            environment,
            directory: OnceCell::new(),
            schedulers: RefCell::default(),
        }
    }

    /// The clusters that there are; a command that needs none does not read their files.
    pub(crate) fn directory(&self) -> Outcome<&Directory> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory);
        }
        let directory = Directory::load(self.environment.clone())?;
        Ok(self.directory.get_or_init(|| directory))
    }

    /// What requests name themselves.
    pub(crate) fn user_agent(&self) -> &'static str {
        self.program.user_agent()
    }

    /// Where a cluster is; for an unknown one, which there are.
    pub(crate) fn find(&self, cluster: &str) -> Outcome<Target> {
        let directory = self.directory()?;
        directory.find(cluster).map_err(|error| {
            let unknown = matches!(error, LookupError::Unknown { .. });
            let mut error = CommandError::from(error);
            if let (true, Some(text)) = (unknown, &mut error.message) {
                text.push_str(&known(directory));
            }
            error
        })
    }

    /// The scheduler of a cluster; one for the whole run.
    pub(crate) fn scheduler(&self, cluster: &str) -> Outcome<Scheduler> {
        if let Some(scheduler) = self.schedulers.borrow().get(cluster) {
            return Ok(scheduler.clone());
        }
        let target = self.find(cluster)?;
        let mut scheduler = Scheduler::new(&target, self.user_agent());
        if self.options.flag("bypass-leader-redirect") {
            scheduler = scheduler.bypassing_leader_redirect();
        }
        self.schedulers
            .borrow_mut()
            .insert(cluster.to_owned(), scheduler.clone());
        Ok(scheduler)
    }

    /// Asks for something: a refusal ends the command with `code`, after `what` and the scheduler's words are printed.
    pub(crate) async fn ask<T: FromResult>(
        &self,
        cluster: &str,
        call: impl Into<Call>,
        code: ExitCode,
        what: &str,
    ) -> Outcome<T> {
        let call = call.into();
        let method = call.method();
        let response = self.scheduler(cluster)?.call(call, Retry::Safe).await?;
        check(&response, code, what)?;
        Ok(take(method, response)?)
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
        let result: ScheduleStatusResult = self.ask(cluster, call, code, FAILURE).await?;
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
            self.directory()?.names()
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
            let result: GetJobsResult = self
                .ask(&cluster, call, ExitCode::CommandFailure, FAILURE)
                .await?;
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

/// What to say to somebody who names an unknown cluster.
fn known(directory: &Directory) -> String {
    match &directory.names()[..] {
        [] => ". There are none: describe it in ~/.aurora/clusters.json, or start a local one with aurora-local".to_owned(),
        names => format!(". Known clusters: {}", names.join(", ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_states_are_upstreams() {
        let names: Vec<&str> = active_states().into_iter().map(|s| s.name()).collect();
        assert_eq!(names.len(), 10);
        assert!(!names.contains(&"INIT") && names.contains(&"THROTTLED"));
    }
}

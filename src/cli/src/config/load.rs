//! Loading a job from its file (aurora: `cli/context.py`, `get_job_config`).

use aurora_api::eval::{DiagnosticKind, EvalAnswer, EvalRequest, JobSelector, Limits, Tiers};
use aurora_client::job_file::{self, JobFile, render, render_all};
use aurora_client::scheduler::CallError;

use crate::context::{Context, Outcome, print_err};
use crate::exit::{CommandError, ExitCode};
use crate::keys::{FullKey, parse_binding};

fn invalid(what: impl std::fmt::Display) -> CommandError {
    CommandError::new(
        ExitCode::InvalidConfiguration,
        format!("Error loading configuration: {what}"),
    )
}

impl Context<'_> {
    /// What to evaluate, by the options that every verb with a job file has.
    pub(super) fn eval_request(&self, path: &str) -> EvalRequest {
        // Checked once already, when the arguments were read.
        let bindings = self.options.all("bind").iter();
        let bindings = bindings.filter_map(|text| parse_binding(text).ok());
        EvalRequest {
            path: path.to_owned(),
            bindings: bindings.collect(),
            read_json: self.options.flag("read-json"),
            python2_division: self.options.flag("python2-division"),
            user: login_name(),
            limits: Limits {
                cpu_secs: self.options.positive("eval-secs") as u64,
                memory_mb: self.options.positive("eval-memory") as u64,
            },
            ..EvalRequest::default()
        }
    }

    /// Loads a job from a file. Whatever goes wrong has exit code 3, but fatal validation errors have 1.
    pub(crate) async fn load_job(&self, key: &FullKey, path: &str) -> Outcome<JobFile> {
        let mut request = self.eval_request(path);
        if let Err(error) = std::fs::File::open(path) {
            return Err(invalid(format!("{path}: {error}")));
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
                self.load(key, &mut request).await?;
                let text = error.message.unwrap_or_default();
                return Err(invalid(text));
            }
        };
        request.tiers = Some(tiers);
        let job = self.load(key, &mut request).await?;
        JobFile::of(job).map_err(invalid)
    }

    /// Evaluates a request, and tells what there is to tell of it.
    async fn load(
        &self,
        key: &FullKey,
        request: &mut EvalRequest,
    ) -> Outcome<aurora_api::eval::LoadedJob> {
        let cluster = self.directory()?.described(&key.cluster);
        let answer = job_file::evaluate(request, cluster, self.user_agent());
        let answer = answer.await.map_err(invalid)?;
        show_printed(&answer);
        for warning in &answer.warnings {
            tracing::warn!("{}", render(warning));
        }
        if let Some(fatal) = answer.errors.first()
            && fatal.kind == DiagnosticKind::Fatal
        {
            let text = format!("FATAL] {}", render_all(&answer.errors));
            return Err(CommandError::new(ExitCode::Crash, text));
        }
        if !answer.errors.is_empty() {
            return Err(invalid(render_all(&answer.errors)));
        }
        answer
            .job
            .ok_or_else(|| invalid("aurora-eval gave neither a job nor an error"))
    }

    /// Checks the file of `--config`, whose job nothing is taken from.
    pub(crate) async fn check_config_option(&self, key: &FullKey) -> Outcome {
        match self.options.text("config") {
            Some(path) => self.load_job(key, path).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn tiers(&self, cluster: &str) -> Outcome<Tiers> {
        match job_file::tiers(&self.scheduler(cluster)?).await {
            Err(CallError::Answer { messages, .. }) => {
                let text = "Error getting tier configurations.";
                print_err(text);
                print_err(&format!("\t{messages}"));
                Err(CommandError::new(ExitCode::ApiError, text))
            }
            other => Ok(other?),
        }
    }
}

/// What the file printed, on standard error: standard output is the command's own.
pub(super) fn show_printed(answer: &EvalAnswer) {
    let printed = answer.printed.trim_end();
    if !printed.is_empty() {
        print_err(printed);
    }
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

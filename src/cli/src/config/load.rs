//! Loading a job from its file (aurora: `cli/context.py`, `get_job_config`).

use std::time::Duration;

use aurora_api::binary;
use aurora_api::eval::{DiagnosticKind, EvalAnswer, EvalRequest, JobSelector, Limits, Tier, Tiers};
use aurora_api::model::{GetTierConfigResult, JobConfiguration, JobUpdateSettings, ResponseCode};
use aurora_api::service::arguments;
use aurora_api::wire::Wire;
use aurora_client::bindings::Helpers;
use aurora_client::eval::{self, DEADLINE};
use aurora_client::scheduler::{Retry, combine_messages, take};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::diagnostics::{render, render_all, show_printed};
use crate::context::{Context, Outcome, print_err};
use crate::exit::{CommandError, ExitCode};
use crate::keys::{FullKey, parse_binding};

/// A job loaded from its file.
pub(crate) struct LoadedJob {
    pub(crate) configuration: JobConfiguration,
    /// How it is updated; what is wrong with that, otherwise.
    pub(crate) update_settings: Result<JobUpdateSettings, String>,
    /// The Job with its defaults.
    pub(crate) json: serde_json::Value,
}

impl LoadedJob {
    /// Whether it runs by a schedule.
    pub(crate) fn is_cron(&self) -> bool {
        self.configuration.cron_schedule.is_some()
    }
}

fn invalid(what: impl std::fmt::Display) -> CommandError {
    CommandError::new(
        ExitCode::InvalidConfiguration,
        format!("Error loading configuration: {what}"),
    )
}

impl Context<'_> {
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

    /// What to evaluate, by the options that every verb with a job file has.
    pub(super) fn eval_request(&self, path: &str) -> Outcome<EvalRequest> {
        Ok(EvalRequest {
            path: path.to_owned(),
            bindings: self.bindings()?,
            read_json: self.options.flag("read-json"),
            python2_division: self.options.flag("python2-division"),
            user: login_name(),
            limits: Limits {
                cpu_secs: self.limit("eval-secs")?,
                memory_mb: self.limit("eval-memory")?,
            },
            ..EvalRequest::default()
        })
    }

    fn limit(&self, option: &str) -> Outcome<u64> {
        let given = self.options.integer(option);
        u64::try_from(given)
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| {
                let what = format!("{given} is not greater than 0");
                let option = format!("--{option}");
                CommandError::new(ExitCode::Usage, self.options.fault(&option, &what))
            })
    }

    /// Loads a job from a file. Whatever goes wrong has exit code 3, but fatal validation errors have 1.
    pub(crate) async fn load_job(&self, key: &FullKey, path: &str) -> Outcome<LoadedJob> {
        let mut request = self.eval_request(path)?;
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
        let update_settings = match (job.update_settings, job.update_error) {
            (Some(settings), None) => Ok(decode(&settings)?),
            (_, Some(error)) => Err(render(&error)),
            (None, None) => Err("aurora-eval gave no update settings".to_owned()),
        };
        Ok(LoadedJob {
            configuration: decode(&job.configuration)?,
            update_settings,
            json: job.job,
        })
    }

    /// Evaluates a request; references that are left to bind are bound by the cluster's helpers, and the file is evaluated
    /// again with their values.
    async fn load(
        &self,
        key: &FullKey,
        request: &mut EvalRequest,
    ) -> Outcome<aurora_api::eval::LoadedJob> {
        let mut answer = evaluate(request).await?;
        if !answer.unbound.is_empty() {
            let cluster = self.directory()?.described(&key.cluster);
            let helpers = Helpers::of_cluster(cluster, self.user_agent()).map_err(invalid)?;
            let bound = helpers.bind(&key.to_string(), &answer.unbound).await;
            let bound = bound.map_err(invalid)?;
            if !bound.is_empty() {
                request.bindings.extend(bound);
                answer = evaluate(request).await?;
            }
        }
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
}

/// How long to wait for an answer: somewhat longer than the evaluation may take by its own limits.
pub(super) fn patience(request: &EvalRequest) -> Duration {
    DEADLINE.max(Duration::from_secs(request.limits.cpu_secs) + DEADLINE / 2)
}

async fn evaluate(request: &EvalRequest) -> Outcome<EvalAnswer> {
    let answer = eval::evaluate(request, patience(request)).await;
    answer.map_err(invalid)
}

/// A Thrift value in base64.
fn decode<T: Wire + Default>(text: &str) -> Outcome<T> {
    let bytes = STANDARD.decode(text).map_err(not_understood)?;
    binary::decode(&bytes).map_err(not_understood)
}

fn not_understood(error: impl std::fmt::Display) -> CommandError {
    invalid(format!("aurora-eval's answer is not understood: {error}"))
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

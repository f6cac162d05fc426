//! Jobs from their files: evaluated in a process of their own with the cluster's tiers, their references bound by the
//! cluster's helpers (aurora: `cli/context.py`, `get_job_config`).

mod diagnostics;

use std::collections::BTreeSet;
use std::time::Duration;

use aurora_api::eval::{EvalAnswer, EvalRequest, LoadedJob, Tier, Tiers};
use aurora_api::model::{
    GetTierConfigResult, JobConfiguration, JobUpdateRequest, JobUpdateSettings, TaskConfig,
};
use aurora_api::service::arguments::GetTierConfigs;
use aurora_api::wire::{DecodeError, Wire};
use aurora_api::{binary, instances, simple};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::bindings::{BindingError, Helpers};
use crate::clusters::Cluster;
use crate::eval::{self, DEADLINE, EvalError};
use crate::scheduler::{CallError, Retry, Scheduler};

pub use diagnostics::{render, render_all, render_as};

/// Why a file gives no answer. Faults of the file are in the answer, not here.
#[derive(Debug, thiserror::Error)]
pub enum JobFileError {
    /// The evaluation failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A reference has no value.
    #[error(transparent)]
    Binding(#[from] BindingError),
}

/// What the evaluation gave is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Not base64.
    #[error("aurora-eval's answer is not understood: {0}")]
    Text(#[from] base64::DecodeError),
    /// Not the value that it should be.
    #[error("aurora-eval's answer is not understood: {0}")]
    Value(#[from] DecodeError),
}

/// A job loaded from its file.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFile {
    /// What is sent.
    pub configuration: JobConfiguration,
    /// How it is updated; what is wrong with that, otherwise.
    pub update_settings: Result<JobUpdateSettings, String>,
    /// The Job with its defaults.
    pub json: Value,
}

impl JobFile {
    /// The job of an answer.
    ///
    /// # Errors
    /// When the answer's texts are not Thrift values in base64.
    pub fn of(job: LoadedJob) -> Result<JobFile, AnswerError> {
        let update_settings = match (job.update_settings, job.update_error) {
            (Some(settings), None) => Ok(decode(&settings)?),
            (_, Some(error)) => Err(render(&error)),
            (None, None) => Err("aurora-eval gave no update settings".to_owned()),
        };
        Ok(JobFile {
            configuration: decode(&job.configuration)?,
            update_settings,
            json: job.job,
        })
    }

    /// Whether it runs by a schedule.
    pub fn is_cron(&self) -> bool {
        self.configuration.cron_schedule.is_some()
    }

    /// The update of the job to what its file says, of some instances or all.
    ///
    /// # Errors
    /// What is wrong with the update settings.
    pub fn update_request(&self, only: Option<&BTreeSet<i32>>) -> Result<JobUpdateRequest, String> {
        let settings = self.update_settings.clone()?;
        let only = only.into_iter().flatten().copied();
        Ok(JobUpdateRequest {
            task_config: self.configuration.task_config.clone(),
            instance_count: self.configuration.instance_count,
            settings: JobUpdateSettings {
                update_only_these_instances: instances::ranges(only).into_iter().collect(),
                ..settings
            },
            ..JobUpdateRequest::default()
        })
    }
}

/// A Thrift value in base64.
fn decode<T: Wire + Default>(text: &str) -> Result<T, AnswerError> {
    Ok(binary::decode(&STANDARD.decode(text)?)?)
}

/// How long to wait for an answer: somewhat longer than the evaluation may take by its own limits.
pub fn patience(request: &EvalRequest) -> Duration {
    DEADLINE.max(Duration::from_secs(request.limits.cpu_secs) + DEADLINE / 2)
}

/// Evaluates a request; references that are left to bind are bound by the helpers that the cluster's entry names, and the
/// file is evaluated again with their values, which stay in the request.
///
/// # Errors
/// When there is no answer, or a helper has no value for a reference that is its.
pub async fn evaluate(
    request: &mut EvalRequest,
    cluster: Option<&Cluster>,
    user_agent: &str,
) -> Result<EvalAnswer, JobFileError> {
    let answer = eval::evaluate(request, patience(request)).await?;
    let Some(job) = request
        .select
        .as_ref()
        .filter(|_| !answer.unbound.is_empty())
    else {
        return Ok(answer);
    };
    let job = [&job.cluster, &job.role, &job.environment, &job.name];
    let job = job.map(String::as_str).join("/");
    let helpers = Helpers::of_cluster(cluster, user_agent)?;
    let bound = helpers.bind(&job, &answer.unbound).await?;
    if bound.is_empty() {
        return Ok(answer);
    }
    request.bindings.extend(bound);
    Ok(eval::evaluate(request, patience(request)).await?)
}

/// The scheduler's tiers.
///
/// # Errors
/// Of the call.
pub async fn tiers(scheduler: &Scheduler) -> Result<Tiers, CallError> {
    let found: GetTierConfigResult = scheduler
        .ask(GetTierConfigs::default(), Retry::Safe)
        .await?;
    Ok(Tiers {
        default: found.default_tier_name,
        tiers: found
            .tiers
            .into_iter()
            .map(|tier| Tier {
                name: tier.name,
                settings: tier.settings,
            })
            .collect(),
    })
}

/// A task as indented JSON with sorted keys. The executor's data comes after it, with its lines as lines, so that a changed
/// command shows as the lines that changed.
pub fn task_text(task: &TaskConfig) -> String {
    let mut value = simple::to_json(task);
    value.sort_all_objects();
    let data = value
        .pointer_mut("/executorConfig/data")
        .map(Value::take)
        .and_then(|data| data.as_str().map(pretty_data));
    let mut text = format!("{value:#}");
    if let Some(data) = data {
        text.push_str("\nexecutor data:\n");
        text.push_str(&data);
    }
    text
}

fn pretty_data(data: &str) -> String {
    match serde_json::from_str::<Value>(data) {
        Ok(mut value) => {
            value.sort_all_objects();
            format!("{value:#}").replace("\\n", "\n")
        }
        Err(_) => data.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aurora_api::model::ExecutorConfig;

    use super::*;

    #[test]
    fn commands_are_shown_line_by_line() {
        let task = TaskConfig {
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".into()),
                data: Some(r#"{"b":{"y":1},"a":"one\ntwo"}"#.into()),
            }),
            ..TaskConfig::default()
        };
        let text = task_text(&task);
        let (task, data) = text.split_once("\nexecutor data:\n").unwrap();
        assert!(task.contains("\n  \"isService\": false,\n"), "{task}");
        assert!(task.contains("\"data\": null"), "{task}");
        let expected = "{\n  \"a\": \"one\ntwo\",\n  \"b\": {\n    \"y\": 1\n  }\n}";
        assert_eq!(data, expected);
    }
}

//! What the agent tells an executor through its environment.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::Secret;
use crate::duration::parse_duration;
use crate::v1::{ExecutorId, FrameworkId};

/// Longer than any executor lives, and short enough to be added to any time.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What an executor needs to know; the agent gives it in the environment.
#[derive(Debug, Clone)]
pub struct ExecutorConfig {
    /// `ip:port` of the agent (`MESOS_AGENT_ENDPOINT`).
    pub agent: String,
    /// `MESOS_FRAMEWORK_ID`
    pub framework_id: FrameworkId,
    /// `MESOS_EXECUTOR_ID`
    pub executor_id: ExecutorId,
    /// The sandbox as the executor sees it (`MESOS_SANDBOX`, else `MESOS_DIRECTORY`).
    pub sandbox: PathBuf,
    /// `MESOS_CHECKPOINT` is `1`: the executor survives an agent's restart.
    pub checkpoint: bool,
    /// How long the agent may be away (`MESOS_RECOVERY_TIMEOUT`, default 15 min).
    pub recovery_timeout: Duration,
    /// Longest pause between attempts to subscribe (`MESOS_SUBSCRIPTION_BACKOFF_MAX`, default 2 s).
    pub backoff_max: Duration,
    /// How long a SHUTDOWN may take (`MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD`, default 5 s).
    pub shutdown_grace_period: Duration,
    /// `MESOS_EXECUTOR_AUTHENTICATION_TOKEN`; do not pass the variable on to children.
    pub secret: Option<Secret>,
    /// For connecting, and for the answer to a call. Default 10 s.
    pub timeout: Duration,
}

/// Why the environment is not that of an executor.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable is missing.
    #[error("{0} is not set; is this started by a Mesos agent?")]
    Missing(&'static str),
    /// A variable has a value that cannot be.
    #[error("{name} is '{value}', which is not {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it is; empty when it is secret.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl ExecutorConfig {
    /// Reads the environment through `lookup`.
    ///
    /// # Errors
    /// [`EnvironmentError`]
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let required = |name: &'static str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or(EnvironmentError::Missing(name))
        };
        let duration = |name: &'static str, default: Duration| match lookup(name) {
            None => Ok(default),
            Some(value) => match parse_duration(&value) {
                Some(duration) => Ok(duration.min(FOR_EVER)),
                None => Err(EnvironmentError::Invalid {
                    name,
                    value,
                    expected: "a duration such as 15mins",
                }),
            },
        };
        let secret = match lookup("MESOS_EXECUTOR_AUTHENTICATION_TOKEN") {
            None => None,
            Some(token) => Some(
                Secret::bearer(&token).map_err(|_| EnvironmentError::Invalid {
                    name: "MESOS_EXECUTOR_AUTHENTICATION_TOKEN",
                    value: String::new(),
                    expected: "usable in a header",
                })?,
            ),
        };
        let sandbox = match lookup("MESOS_SANDBOX") {
            Some(sandbox) => sandbox,
            None => required("MESOS_DIRECTORY")?,
        };
        Ok(Self {
            agent: required("MESOS_AGENT_ENDPOINT")?,
            framework_id: required("MESOS_FRAMEWORK_ID")?.into(),
            executor_id: required("MESOS_EXECUTOR_ID")?.into(),
            sandbox: sandbox.into(),
            checkpoint: lookup("MESOS_CHECKPOINT").as_deref() == Some("1"),
            recovery_timeout: duration("MESOS_RECOVERY_TIMEOUT", Duration::from_secs(15 * 60))?,
            backoff_max: duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", Duration::from_secs(2))?,
            shutdown_grace_period: duration(
                "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
                Duration::from_secs(5),
            )?,
            secret,
            timeout: Duration::from_secs(10),
        })
    }
}

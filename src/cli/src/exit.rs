//! Exit codes, and which failure has which.

use aurora_client::clusters::ClustersError;
use aurora_client::directory::LookupError;
use aurora_client::http::describe;
use aurora_client::leader::LeaderError;
use aurora_client::scheduler::CallError;

/// Exit codes of `aurora` (aurora: `cli/__init__.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ExitCode {
    /// What upstream's client ends with on an exception of its own, and on fatal validation errors.
    Crash = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The job file, the cluster's entry or the update settings are wrong.
    InvalidConfiguration = 3,
    /// The command failed.
    CommandFailure = 4,
    /// An instance, or the job, is not there.
    InvalidParameter = 6,
    /// The connection failed.
    NetworkError = 7,
    /// It took too long.
    Timeout = 9,
    /// The scheduler answered something else than OK.
    ApiError = 10,
    /// A query's answer is not understood.
    UnknownError = 20,
    /// The scheduler does not let us in.
    AuthError = 30,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// The exit code: an [`ExitCode`], or that of a program that was run.
    pub code: i32,
    /// What to print on standard error, unless it is there already.
    pub message: Option<String>,
}

impl CommandError {
    /// An error to be printed.
    pub fn new(code: ExitCode, message: impl Into<String>) -> CommandError {
        CommandError {
            code: code as i32,
            message: Some(message.into()),
        }
    }

    /// An error that was printed already.
    pub fn printed(code: ExitCode) -> CommandError {
        CommandError {
            code: code as i32,
            message: None,
        }
    }

    /// Ends as a program that was run has ended; nothing is printed.
    pub(crate) fn ended(code: i32) -> CommandError {
        CommandError {
            code,
            message: None,
        }
    }
}

impl From<LookupError> for CommandError {
    fn from(error: LookupError) -> CommandError {
        let code = match &error {
            LookupError::Unknown { .. }
            | LookupError::Endpoints(_)
            | LookupError::Leader {
                cause: LeaderError::NoPath | LeaderError::Servers(_),
                ..
            }
            | LookupError::NoAddress { .. }
            | LookupError::BadUrl { .. } => ExitCode::InvalidConfiguration,
            LookupError::Clusters(_) => ExitCode::Crash,
            LookupError::Stale { .. } => ExitCode::NetworkError,
            LookupError::Leader {
                cause: LeaderError::Silent(_) | LeaderError::Nobody { .. },
                ..
            } => ExitCode::Timeout,
            // Upstream's code for whatever else goes wrong while the leader is looked up.
            LookupError::Leader { .. } | LookupError::Secret { .. } => ExitCode::AuthError,
        };
        CommandError::new(code, describe(&error))
    }
}

impl From<ClustersError> for CommandError {
    fn from(error: ClustersError) -> CommandError {
        CommandError::new(ExitCode::Crash, describe(&error))
    }
}

impl From<CallError> for CommandError {
    fn from(error: CallError) -> CommandError {
        let code = match &error {
            CallError::Auth { .. } => ExitCode::AuthError,
            CallError::NotRetriable(_) | CallError::Http(_) => ExitCode::NetworkError,
            CallError::TimedOut { .. } => ExitCode::Timeout,
            CallError::Decode { method, .. } => {
                let text = format!("Fatal error running command: {}", describe(&error));
                // Upstream turns the internal errors of task queries alone into this code.
                let query = matches!(*method, "getTasksStatus" | "getTasksWithoutConfigs");
                let code = if query {
                    ExitCode::UnknownError
                } else {
                    ExitCode::Crash
                };
                return CommandError::new(code, text);
            }
            CallError::MissingResult { .. } => ExitCode::Crash,
            CallError::Answer { .. } => ExitCode::ApiError,
        };
        CommandError::new(code, describe(&error))
    }
}

#[cfg(test)]
mod tests {
    use aurora_client::http::HttpError;

    use super::*;

    #[test]
    fn exit_codes_of_calls() {
        let lost = || HttpError::Transport {
            url: "u".into(),
            cause: "c".into(),
        };
        let timed_out = CallError::TimedOut {
            method: "getJobs",
            cluster: "west".into(),
            last: "refused".into(),
        };
        let auth = CallError::Auth {
            refusal: lost(),
            help: "h".into(),
        };
        let missing = CallError::MissingResult {
            method: "getJobs",
            member: "getJobsResult",
        };
        for (error, code) in [
            (timed_out, 9),
            (auth, 30),
            (CallError::NotRetriable(lost()), 7),
            (missing, 1),
        ] {
            assert_eq!(CommandError::from(error).code, code);
        }
    }
}

//! Structured logs on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::flags::{DaemonFlags, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not understood.
    #[error(
        "--log-level `{filter}` is not understood; use a level such as `info` or directives such as `info,hyper=warn`"
    )]
    Filter {
        /// The filter given.
        filter: String,
        /// What the parser says.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else logs already.
    #[error("logging is set up twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to standard error in the format asked for.
pub fn init(flags: &DaemonFlags) -> Result<(), LoggingError> {
    let level = if flags.log_level.is_empty() {
        "info"
    } else {
        &flags.log_level
    };
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|source| LoggingError::Filter {
            filter: level.to_owned(),
            source,
        })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written, to a file on a full disk say, is lost; complaining about it on the same stream would
        // end the daemon with a panic.
        .log_internal_errors(false)
        .with_ansi(false);
    match flags.log_format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().finish().try_init(),
    }
    .map_err(LoggingError::Twice)
}

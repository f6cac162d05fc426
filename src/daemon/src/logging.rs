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
    let filter = filter(level)?;
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

/// What is logged at a level, or by directives.
///
/// The ZooKeeper client tells the password of its session at INFO, with which whoever reads the log could take the session
/// over and with it the leadership: it is heard from WARN on, whatever the level.
fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let unknown = |source| LoggingError::Filter {
        filter: level.to_owned(),
        source,
    };
    let filter = EnvFilter::builder().parse(level).map_err(unknown)?;
    let quiet = "zookeeper_async=warn".parse().map_err(unknown)?;
    Ok(filter.add_directive(quiet))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn sessions_of_zookeeper_are_not_told() {
        for level in ["info", "trace", "warn,zookeeper_async=trace"] {
            let subscriber = tracing_subscriber::registry().with(filter(level).unwrap());
            tracing::subscriber::with_default(subscriber, || {
                assert!(
                    !tracing::enabled!(target: "zookeeper_async::io", tracing::Level::INFO),
                    "{level}"
                );
                assert!(
                    tracing::enabled!(target: "zookeeper_async::io", tracing::Level::WARN),
                    "{level}"
                );
                assert!(
                    tracing::enabled!(target: "aurora_zk", tracing::Level::WARN),
                    "{level}"
                );
            });
        }
        assert!(filter("info,hyper=loud").is_err());
    }
}

//! Flags that all daemons have.

use std::path::PathBuf;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Flags that all daemons have; put them into a daemon's own flags with `#[command(flatten)]`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DaemonFlags {
    /// File holding the secret that writing and file-reading routes demand (as Bearer token, or as the password of Basic
    /// authentication with any user name). The file must not be readable by others. Without it nothing is demanded.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Ends the daemon cleanly when this inherited pipe reaches its end, so that it does not outlive whoever started it.
    #[arg(long, value_name = "FD")]
    pub lifeline_fd: Option<i32>,

    /// What is logged: a level (error, warn, info, debug, trace) or directives such as `info,aurora_scheduler=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log_level: String,

    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

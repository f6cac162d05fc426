//! The flags of backups.

use std::path::PathBuf;

use super::parse::duration;

/// Copies of the state for the day on which it is lost.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupFlags {
    /// Directory of the backups [default: `backups` in the state directory]. It is made if it is not there; better on another
    /// disk.
    #[arg(long, value_name = "DIR")]
    pub backup_dir: Option<PathBuf>,

    /// A snapshot that is taken so long after the latest backup makes another.
    #[arg(long, value_name = "TIME", default_value = "1hrs", value_parser = duration)]
    pub backup_interval: i64,

    /// How many backups are kept; the oldest go.
    #[arg(long, value_name = "N", default_value = "48")]
    pub max_saved_backups: usize,
}

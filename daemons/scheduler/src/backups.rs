//! Copies of the whole state in a directory of their own, for the day on which the state is lost (aurora:
//! `StorageBackup.java`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::core::Millis;
use crate::engine::Durable;
use crate::metrics::Metrics;
use crate::recovery::snapshot_of;
use crate::storage::{Disk, RealDisk, Snapshot, StorageError, read_snapshot, write_snapshot};

const PREFIX: &str = "scheduler-backup-";
/// A backup has this name until it is whole.
const TEMPORARY: &str = "temp_scheduler-backup";

/// Makes, lists and reads backups.
pub(crate) struct Backups {
    directory: PathBuf,
    disk: RealDisk,
    interval: Millis,
    /// How many are kept; the oldest go.
    keep: usize,
    /// When the latest was made, or the process began. Held while one is made: there is one temporary name.
    latest: Mutex<Millis>,
    metrics: Arc<Metrics>,
}

impl Backups {
    /// Backups in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn new(
        directory: &Path,
        interval: Millis,
        keep: usize,
        now: Millis,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Backups> {
        let context = || {
            let path = directory.display();
            format!(
                "the directory of backups {path} cannot be used; choose another with --backup-dir"
            )
        };
        std::fs::create_dir_all(directory).with_context(context)?;
        let disk = RealDisk::open(directory).with_context(context)?;
        // Better now than at the first backup.
        disk.create(TEMPORARY).with_context(context)?;
        disk.remove(TEMPORARY).with_context(context)?;
        Ok(Backups {
            directory: directory.to_owned(),
            disk,
            interval,
            keep,
            latest: Mutex::new(now),
            metrics,
        })
    }

    /// Makes one of the newest durable state.
    pub(crate) fn save(&self, durable: &Durable, now: Millis) -> Result<(), StorageError> {
        let snapshot = snapshot_of(&durable.view, durable.index, 0, durable.stamp);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = now;
        self.write(&snapshot, now)
    }

    /// Makes one of a snapshot that was just taken, if the latest is old enough. A failure is counted and told, and that is
    /// all: the state itself is safe.
    pub(crate) fn after_snapshot(&self, snapshot: &Snapshot, now: Millis) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(*latest) < self.interval {
            return;
        }
        *latest = now;
        if let Err(error) = self.write(snapshot, now) {
            tracing::error!(%error, "the backup could not be made");
        }
    }

    fn write(&self, snapshot: &Snapshot, now: Millis) -> Result<(), StorageError> {
        let written =
            write_snapshot(&self.disk, TEMPORARY, &name(now), snapshot).and_then(|()| self.prune());
        let counter = match &written {
            Ok(()) => "scheduler_backup_success",
            Err(_) => "scheduler_backup_failed",
        };
        self.metrics.add(counter, 1);
        written
    }

    fn prune(&self) -> Result<(), StorageError> {
        let names = self.list()?;
        let ours: Vec<&String> = names
            .iter()
            .filter(|name| name.starts_with(PREFIX))
            .collect();
        let excess = ours.len().saturating_sub(self.keep.max(1));
        for name in &ours[..excess] {
            self.disk
                .remove(name)
                .map_err(|source| StorageError::io("remove", name.as_str(), source))?;
        }
        Ok(())
    }

    /// Every file of the directory.
    pub(crate) fn list(&self) -> Result<BTreeSet<String>, StorageError> {
        let names = self.disk.list();
        let names = names.map_err(|source| {
            StorageError::io("list", self.directory.display().to_string(), source)
        })?;
        Ok(names.into_iter().collect())
    }

    /// Where a backup is or would be.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The state in a backup; `None` when there is no such backup.
    pub(crate) fn load(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        // Only names that are there are opened: nothing outside of the directory can be named.
        if !self.list()?.contains(name) {
            return Ok(None);
        }
        match read_snapshot(&self.disk, name)? {
            Some(snapshot) => Ok(Some(snapshot.content)),
            None => Err(StorageError::damaged(name, 0, "it is not a whole backup")),
        }
    }
}

/// The name of a backup made at a time: a second one in the same minute takes the place of the first. The time is UTC.
fn name(now: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    format!("{PREFIX}{}", time.strftime("%Y-%m-%d-%H-%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(content: &[u8]) -> Snapshot {
        Snapshot {
            index: 7,
            term: 0,
            stamp: 5,
            content: content.to_vec(),
        }
    }

    #[test]
    fn backups_are_due_named_kept_and_read() {
        let directory = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::default());
        const HOUR: Millis = 3_600_000;
        // 2026-11-23 01:02 UTC
        let start = 1_795_395_720_000;
        let path = directory.path().join("new/backups");
        let backups = Backups::new(&path, HOUR, 2, start, metrics.clone()).unwrap();
        for (after, content, expected) in [
            (HOUR - 1, &b"a"[..], &[][..]),
            (HOUR, b"b", &["scheduler-backup-2026-11-23-02-02"][..]),
            (HOUR + 60_000, b"c", &["scheduler-backup-2026-11-23-02-02"]),
            (
                2 * HOUR,
                b"d",
                &[
                    "scheduler-backup-2026-11-23-02-02",
                    "scheduler-backup-2026-11-23-03-02",
                ],
            ),
            (
                3 * HOUR,
                b"e",
                &[
                    "scheduler-backup-2026-11-23-03-02",
                    "scheduler-backup-2026-11-23-04-02",
                ],
            ),
        ] {
            backups.after_snapshot(&snapshot(content), start + after);
            let found: Vec<String> = backups.list().unwrap().into_iter().collect();
            assert_eq!(found, expected, "after {after} ms");
        }
        assert_eq!(metrics.all()["scheduler_backup_success"], 3);
        let read = backups.load("scheduler-backup-2026-11-23-04-02").unwrap();
        assert_eq!(read.as_deref(), Some(&b"e"[..]));
        assert_eq!(backups.load("../new").unwrap(), None);
        std::fs::write(path.join("scheduler-backup-x"), "half a backup").unwrap();
        assert!(backups.load("scheduler-backup-x").is_err());
    }
}

//! Where a task's records lie under a checkpoint root, and where such roots are found on an agent
//! (aurora: `src/main/python/apache/thermos/common/path.py`, `.../executor/common/path_detector.py`).
//!
//! ```text
//! <root>/tasks/active/<task id>          the task as JSON; renamed to
//! <root>/tasks/finished/<task id>        this at the end
//! <root>/checkpoints/<task id>/runner    the runner's stream, locked by whoever leads the task
//! <root>/checkpoints/<task id>/coordinator.<process>   one stream per process, all its runs
//! <log dir>/<process>/<run>/{stdout,stderr}
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A task id or process name that cannot name a file of its own.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{name:?} cannot be used as a file name: it is empty, `.` or `..`, or holds `/` or a NUL byte"
)]
pub struct BadName {
    /// The offending text.
    pub name: String,
}

/// Whether `name` is one ordinary path component.
fn check_component(name: &str) -> Result<(), BadName> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// Which of the two task folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// `tasks/active`: the task has not ended, or its executor died before it could say so.
    Active,
    /// `tasks/finished`: a terminal state is on record.
    Finished,
}

impl Stage {
    /// The folder's name.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Finished => "finished",
        }
    }
}

/// The files of one task under one checkpoint root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskPaths {
    root: PathBuf,
    task_id: String,
}

impl TaskPaths {
    /// Names the files of `task_id` under `root`. Nothing is created or looked at.
    ///
    /// # Errors
    /// [`BadName`] when the id is not one path component.
    pub fn new(root: impl Into<PathBuf>, task_id: &str) -> Result<Self, BadName> {
        check_component(task_id)?;
        Ok(Self {
            root: root.into(),
            task_id: task_id.to_owned(),
        })
    }

    /// The checkpoint root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The task id.
    #[must_use]
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The task's JSON file in the given folder.
    #[must_use]
    pub fn task(&self, stage: Stage) -> PathBuf {
        self.root
            .join("tasks")
            .join(stage.folder())
            .join(&self.task_id)
    }

    /// The folder of the task's streams.
    #[must_use]
    pub fn checkpoint_dir(&self) -> PathBuf {
        self.root.join("checkpoints").join(&self.task_id)
    }

    /// The runner's stream.
    #[must_use]
    pub fn runner(&self) -> PathBuf {
        self.checkpoint_dir().join("runner")
    }

    /// The stream of one process.
    ///
    /// # Errors
    /// [`BadName`] when the process name is not one path component.
    pub fn coordinator(&self, process: &str) -> Result<PathBuf, BadName> {
        check_component(process)?;
        Ok(self.checkpoint_dir().join(format!("coordinator.{process}")))
    }

    /// Moves the task's file to the finished ones, where it is as new as the task's end.
    ///
    /// # Errors
    /// When it cannot be moved; of the kind `NotFound` when it is not among the active ones.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let finished = self.task(Stage::Finished);
        if let Some(folder) = finished.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(self.task(Stage::Active), &finished)?;
        let file = fs::File::options().write(true).open(&finished)?;
        file.set_modified(SystemTime::now())
    }
}

/// The folder that holds `stdout` and `stderr` of one run (0, 1, …) of a process.
///
/// # Errors
/// [`BadName`] when the process name is not one path component.
pub fn run_log_dir(log_dir: &Path, process: &str, run: usize) -> Result<PathBuf, BadName> {
    check_component(process)?;
    Ok(log_dir.join(process).join(run.to_string()))
}

/// A task found in one of the task folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTask {
    /// The task id.
    pub task_id: String,
    /// When its file was last touched: about the start for active tasks, the end for finished ones.
    pub modified: SystemTime,
}

/// The tasks in one folder of a checkpoint root, in no particular order. A missing folder is an empty one; entries that
/// vanish while they are looked at (a task that just finished) are left out.
///
/// # Errors
/// Any other I/O error while reading the folder.
pub fn list_tasks(root: &Path, stage: Stage) -> io::Result<Vec<FoundTask>> {
    let folder = root.join("tasks").join(stage.folder());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        let Ok(task_id) = entry.file_name().into_string() else {
            continue;
        };
        found.push(FoundTask {
            task_id,
            modified: metadata.modified()?,
        });
    }
    Ok(found)
}

/// Every run of an agent's work directory: `<mesos root>/slaves/*/frameworks/*/executors/*/runs/*`, symbolic links left out
/// (so the agent's `latest` is passed over). Sorted. Folders that cannot be read are skipped: sandboxes come and go while one
/// looks. `on_the_way` sees each folder that may hold more of them, before it is read.
pub fn find_runs(mesos_root: &Path, mut on_the_way: impl FnMut(&Path)) -> Vec<PathBuf> {
    let mut level = vec![mesos_root.to_owned()];
    for fixed in ["slaves", "frameworks", "executors", "runs"] {
        let mut next = Vec::new();
        for parent in level {
            let folder = parent.join(fixed);
            on_the_way(&parent);
            on_the_way(&folder);
            next.extend(real_subfolders(&folder));
        }
        level = next;
    }
    level.sort();
    level
}

/// The checkpoint roots of the runs that have one, see [`find_runs`].
#[must_use]
pub fn find_roots(mesos_root: &Path) -> Vec<PathBuf> {
    find_runs(mesos_root, |_| {})
        .into_iter()
        .map(|run| run.join("checkpoints"))
        .filter(|path| path.is_dir())
        .collect()
}

/// The folders directly inside `parent`, symbolic links left out; empty when it cannot be read.
fn real_subfolders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_upstream() {
        let paths = TaskPaths::new("/r", "t-1").unwrap();
        assert_eq!(paths.task(Stage::Active), Path::new("/r/tasks/active/t-1"));
        assert_eq!(
            paths.task(Stage::Finished),
            Path::new("/r/tasks/finished/t-1")
        );
        assert_eq!(paths.runner(), Path::new("/r/checkpoints/t-1/runner"));
        assert_eq!(
            paths.coordinator("a b").unwrap(),
            Path::new("/r/checkpoints/t-1/coordinator.a b")
        );
        assert_eq!(
            run_log_dir(Path::new("/s/.logs"), "p", 3).unwrap(),
            Path::new("/s/.logs/p/3")
        );
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["", ".", "..", "a/b", "/", "a\0b"] {
            assert!(TaskPaths::new("/r", name).is_err(), "{name:?}");
            assert!(run_log_dir(Path::new("/s"), name, 0).is_err(), "{name:?}");
        }
    }

    #[test]
    fn roots_are_found_and_latest_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("slaves/s/frameworks/f/executors/e/runs");
        fs::create_dir_all(runs.join("c1/checkpoints")).unwrap();
        fs::create_dir_all(runs.join("c2")).unwrap();
        std::os::unix::fs::symlink(runs.join("c1"), runs.join("latest")).unwrap();
        assert_eq!(find_roots(dir.path()), vec![runs.join("c1/checkpoints")]);
        assert_eq!(
            find_roots(&dir.path().join("absent")),
            Vec::<PathBuf>::new()
        );
    }

    #[test]
    fn tasks_are_listed_per_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(list_tasks(dir.path(), Stage::Active).unwrap(), vec![]);
        fs::create_dir_all(dir.path().join("tasks/active")).unwrap();
        fs::write(dir.path().join("tasks/active/t"), "{}").unwrap();
        let tasks = list_tasks(dir.path(), Stage::Active).unwrap();
        assert_eq!(
            tasks
                .iter()
                .map(|task| task.task_id.as_str())
                .collect::<Vec<_>>(),
            ["t"]
        );
        assert_eq!(list_tasks(dir.path(), Stage::Finished).unwrap(), vec![]);
    }
}

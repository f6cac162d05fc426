//! The layout of an agent's work directory.
//!
//! Tools parse these paths (dashboards, sandbox browsers, log shippers), so they are Mesos' own, byte for byte
//! (mesos: src/slave/paths.cpp). Only the contents of the files below `meta` are ours.

use std::path::{Path, PathBuf};

/// Longest identifier that Mesos accepts, in bytes.
const MAX_ID_BYTES: usize = 255;

/// Whether an identifier may become a directory name.
///
/// The master refuses such identifiers before a task gets here; the agent looks again, because a path that leaves the
/// work directory would be written as root.
pub(crate) fn is_valid_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID_BYTES
        && id != "."
        && id != ".."
        && !id
            .chars()
            .any(|character| character.is_control() || character == '/' || character == '\\')
}

/// The paths below one work directory.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    work_dir: PathBuf,
}

impl Paths {
    /// The layout below `work_dir`, which should be absolute: sandbox paths are shown to executors and users.
    pub(crate) fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            work_dir: work_dir.into(),
        }
    }

    pub(crate) fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// `slaves`: the sandboxes, one folder for each agent id that this work directory ever had.
    pub(crate) fn slaves(&self) -> PathBuf {
        self.work_dir.join("slaves")
    }

    pub(crate) fn slave(&self, agent: &str) -> PathBuf {
        self.slaves().join(agent)
    }

    pub(crate) fn framework(&self, agent: &str, framework: &str) -> PathBuf {
        self.slave(agent).join("frameworks").join(framework)
    }

    pub(crate) fn executor(&self, agent: &str, framework: &str, executor: &str) -> PathBuf {
        self.framework(agent, framework)
            .join("executors")
            .join(executor)
    }

    pub(crate) fn runs(&self, agent: &str, framework: &str, executor: &str) -> PathBuf {
        self.executor(agent, framework, executor).join("runs")
    }

    /// The sandbox of one container.
    pub(crate) fn sandbox(
        &self,
        agent: &str,
        framework: &str,
        executor: &str,
        container: &str,
    ) -> PathBuf {
        self.runs(agent, framework, executor).join(container)
    }

    /// The virtual path of an executor's newest sandbox, which the files endpoints resolve.
    pub(crate) fn virtual_sandbox(framework: &str, executor: &str) -> String {
        format!("/frameworks/{framework}/executors/{executor}/runs/latest")
    }

    /// `meta`: what the agent needs to find its executors again.
    pub(crate) fn meta(&self) -> PathBuf {
        self.work_dir.join("meta")
    }

    pub(crate) fn boot_id(&self) -> PathBuf {
        self.meta().join("boot_id")
    }

    pub(crate) fn meta_slaves(&self) -> PathBuf {
        self.meta().join("slaves")
    }

    /// `meta/slaves/latest`, a link to the current agent id.
    pub(crate) fn meta_latest_slave(&self) -> PathBuf {
        self.meta_slaves().join("latest")
    }

    pub(crate) fn meta_slave(&self, agent: &str) -> PathBuf {
        self.meta_slaves().join(agent)
    }

    pub(crate) fn slave_info(&self, agent: &str) -> PathBuf {
        self.meta_slave(agent).join("slave.info")
    }

    pub(crate) fn drain_config(&self, agent: &str) -> PathBuf {
        self.meta_slave(agent).join("drain.config")
    }

    pub(crate) fn meta_frameworks(&self, agent: &str) -> PathBuf {
        self.meta_slave(agent).join("frameworks")
    }

    pub(crate) fn meta_framework(&self, agent: &str, framework: &str) -> PathBuf {
        self.meta_frameworks(agent).join(framework)
    }

    pub(crate) fn framework_info(&self, agent: &str, framework: &str) -> PathBuf {
        self.meta_framework(agent, framework).join("framework.info")
    }

    pub(crate) fn meta_executor(&self, agent: &str, framework: &str, executor: &str) -> PathBuf {
        self.meta_framework(agent, framework)
            .join("executors")
            .join(executor)
    }

    pub(crate) fn executor_info(&self, agent: &str, framework: &str, executor: &str) -> PathBuf {
        self.meta_executor(agent, framework, executor)
            .join("executor.info")
    }

    pub(crate) fn meta_runs(&self, agent: &str, framework: &str, executor: &str) -> PathBuf {
        self.meta_executor(agent, framework, executor).join("runs")
    }

    pub(crate) fn meta_run(
        &self,
        agent: &str,
        framework: &str,
        executor: &str,
        container: &str,
    ) -> PathBuf {
        self.meta_runs(agent, framework, executor).join(container)
    }
}

/// The names of the files in `meta/.../runs/<container>`.
pub(crate) mod run {
    use std::path::{Path, PathBuf};

    /// Written when the executor is gone and every one of its updates was acknowledged.
    pub(crate) fn sentinel(run: &Path) -> PathBuf {
        run.join("executor.sentinel")
    }

    /// Marks an executor that speaks the HTTP API.
    pub(crate) fn http_marker(run: &Path) -> PathBuf {
        run.join("http.marker")
    }

    /// Which process the container is: pid, start time and boot.
    pub(crate) fn forked_pid(run: &Path) -> PathBuf {
        run.join("pids").join("forked.pid")
    }

    pub(crate) fn tasks(run: &Path) -> PathBuf {
        run.join("tasks")
    }

    pub(crate) fn task_info(run: &Path, task: &str) -> PathBuf {
        tasks(run).join(task).join("task.info")
    }

    pub(crate) fn task_updates(run: &Path, task: &str) -> PathBuf {
        tasks(run).join(task).join("task.updates")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_mesos() {
        let paths = Paths::new("/w");
        let run = paths.meta_run("S0", "F", "E", "C");
        let cases: Vec<(PathBuf, &str)> = vec![
            (
                paths.sandbox("S0", "F", "E", "C"),
                "/w/slaves/S0/frameworks/F/executors/E/runs/C",
            ),
            (paths.boot_id(), "/w/meta/boot_id"),
            (paths.meta_latest_slave(), "/w/meta/slaves/latest"),
            (paths.slave_info("S0"), "/w/meta/slaves/S0/slave.info"),
            (paths.drain_config("S0"), "/w/meta/slaves/S0/drain.config"),
            (
                paths.framework_info("S0", "F"),
                "/w/meta/slaves/S0/frameworks/F/framework.info",
            ),
            (
                paths.executor_info("S0", "F", "E"),
                "/w/meta/slaves/S0/frameworks/F/executors/E/executor.info",
            ),
            (
                run::sentinel(&run),
                "/w/meta/slaves/S0/frameworks/F/executors/E/runs/C/executor.sentinel",
            ),
            (
                run::http_marker(&run),
                "/w/meta/slaves/S0/frameworks/F/executors/E/runs/C/http.marker",
            ),
            (
                run::forked_pid(&run),
                "/w/meta/slaves/S0/frameworks/F/executors/E/runs/C/pids/forked.pid",
            ),
            (
                run::task_info(&run, "t"),
                "/w/meta/slaves/S0/frameworks/F/executors/E/runs/C/tasks/t/task.info",
            ),
            (
                run::task_updates(&run, "t"),
                "/w/meta/slaves/S0/frameworks/F/executors/E/runs/C/tasks/t/task.updates",
            ),
        ];
        for (got, want) in cases {
            assert_eq!(got, Path::new(want));
        }
        assert_eq!(
            Paths::virtual_sandbox("F", "E"),
            "/frameworks/F/executors/E/runs/latest"
        );
    }

    #[test]
    fn identifiers_that_would_leave_the_directory_are_refused() {
        let long = "x".repeat(256);
        for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", "a\0b", long.as_str()] {
            assert!(!is_valid_id(bad), "{bad:?}");
        }
        for good in [
            "a",
            "...",
            "thermos-www-data-prod-hello-0",
            "a b",
            "x@y",
            &long[..255],
        ] {
            assert!(is_valid_id(good), "{good:?}");
        }
    }
}

//! Limits and membership of containers, by Linux control groups of either version.
//!
//! The cgroups-rs crate creates the groups and sets limits. Membership, killing, out-of-memory counters and statistics are
//! read and written here: the crate's kill works on version 2 alone, its out-of-memory counters read zero there, and neither
//! walks groups that the container itself made below its own.
//!
//! Without a writable cgroup file system the agent goes on without limits; [`Cgroups::detect`] says so once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::hierarchies::{self, V1, V2};
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, Controllers, Hierarchy, MaxValue};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The smallest memory limit that the agent sets (mesos: cgroups/constants.hpp, MIN_MEMORY).
pub(crate) const MIN_MEMORY_BYTES: u64 = 32 << 20;
pub(crate) const CFS_PERIOD_US: u64 = 100_000;
pub(crate) const MIN_CFS_QUOTA_US: i64 = 1000;
/// Name of the group that holds a container's processes under version 2, where inner groups may not hold any.
const LEAF: &str = "leaf";
/// How long destroying waits for the killed processes to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(30);

/// A failed operation on a container's groups.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CgroupError {
    #[error("cannot {action} the cgroup of container {container}")]
    Crate {
        action: &'static str,
        container: String,
        #[source]
        source: cgroups_rs::fs::error::Error,
    },
    #[error("cannot {action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{count} processes of container {container} are still there {seconds} s after SIGKILL")]
    StillAlive {
        container: String,
        count: usize,
        seconds: u64,
    },
}

/// What a container may use. Amounts are executor plus all of its live tasks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Limits {
    /// Share of the processors while there is competition.
    pub(crate) cpus: f64,
    /// Hard processor limit; `None` sets none.
    pub(crate) cpus_limit: Option<f64>,
    /// Guaranteed memory in bytes.
    pub(crate) memory: u64,
    /// Hard memory limit in bytes; `None` is the guaranteed amount.
    pub(crate) memory_limit: Option<u64>,
    /// Most processes and threads at a time.
    pub(crate) pids: Option<u64>,
}

/// An out-of-memory event of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfMemory {
    pub(crate) limit: u64,
    pub(crate) peak: u64,
}

/// The control groups of one agent: `<hierarchy>/<root>/<container>`.
#[derive(Debug, Clone)]
pub(crate) struct Cgroups {
    root: String,
    pub(super) version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Mount points of the controllers in use, by name.
    V1(Vec<(&'static str, PathBuf)>),
    V2(PathBuf),
}

const V1_CONTROLLERS: [(&str, Controllers); 5] = [
    ("memory", Controllers::Mem),
    ("cpu", Controllers::Cpu),
    ("cpuacct", Controllers::CpuAcct),
    ("pids", Controllers::Pids),
    ("freezer", Controllers::Freezer),
];
const V2_CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

impl Cgroups {
    /// Finds a cgroup file system that this process may create `root` in. The error says why there is none.
    pub(crate) fn detect(root: &str) -> Result<Self, String> {
        if root.is_empty()
            || root
                .split('/')
                .any(|part| part.is_empty() || part == "." || part == "..")
        {
            return Err(format!("--cgroups_root '{root}' is not a relative path"));
        }
        let version = if hierarchies::is_cgroup2_unified_mode() {
            let mount = PathBuf::from(hierarchies::UNIFIED_MOUNTPOINT);
            let available =
                fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
            if let Some(missing) = V2_CONTROLLERS
                .iter()
                .find(|name| !available.split_whitespace().any(|one| one == **name))
            {
                return Err(format!(
                    "the unified cgroup hierarchy lacks the controller '{missing}'"
                ));
            }
            Version::V2(mount)
        } else {
            let mounts = V1::new();
            let found: Vec<(&'static str, PathBuf)> = V1_CONTROLLERS
                .iter()
                .filter_map(|(name, controller)| {
                    Some((*name, mounts.get_mount_point(controller.clone())?.0))
                })
                .collect();
            for needed in ["memory", "cpu", "freezer"] {
                if !found.iter().any(|(name, _)| *name == needed) {
                    return Err(format!(
                        "no cgroup hierarchy with the controller '{needed}' is mounted"
                    ));
                }
            }
            Version::V1(found)
        };
        let cgroups = Self {
            root: root.to_owned(),
            version,
        };
        for directory in cgroups.directories_of(root) {
            fs::create_dir_all(&directory)
                .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
            let probe = directory.join(format!("probe-{}", std::process::id()));
            fs::create_dir(&probe)
                .and_then(|()| fs::remove_dir(&probe))
                .map_err(|error| {
                    format!("cannot create groups in {}: {error}", directory.display())
                })?;
        }
        Ok(cgroups)
    }

    /// Removes the groups below the root that have been empty for long: their executors ended while no agent was there. Other
    /// agents of this machine may use the same root; a group with processes cannot be removed, and a new one is left alone.
    pub(crate) fn sweep(&self, age: Duration) -> usize {
        let is_old = |group: &Path| {
            let created = fs::metadata(group).and_then(|metadata| metadata.modified());
            created.is_ok_and(|created| created.elapsed().unwrap_or_default() >= age)
        };
        self.directories_of(&self.root)
            .iter()
            .flat_map(|root| groups_below(root))
            .filter(|group| is_old(group) && processes_below(group).is_empty())
            .filter(|group| remove_below(group).is_ok())
            .count()
    }

    /// One line for the log.
    pub(crate) fn describe(&self) -> String {
        match &self.version {
            Version::V1(found) => {
                let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
                format!(
                    "cgroups version 1 ({}) below '{}'",
                    names.join(", "),
                    self.root
                )
            }
            Version::V2(_) => format!("cgroups version 2 below '{}'", self.root),
        }
    }

    fn hierarchy(&self) -> Box<dyn Hierarchy> {
        match self.version {
            Version::V1(_) => Box::new(V1::new()),
            Version::V2(_) => Box::new(V2::new()),
        }
    }

    pub(super) fn path(&self, container: &str) -> String {
        format!("{}/{container}", self.root)
    }

    fn directories_of(&self, path: &str) -> Vec<PathBuf> {
        match &self.version {
            Version::V1(found) => {
                // Controllers mounted together share one directory.
                let unique: BTreeSet<PathBuf> =
                    found.iter().map(|(_, mount)| mount.join(path)).collect();
                unique.into_iter().collect()
            }
            Version::V2(mount) => vec![mount.join(path)],
        }
    }

    fn directories(&self, container: &str) -> Vec<PathBuf> {
        self.directories_of(&self.path(container))
    }

    pub(super) fn controller_directory(
        &self,
        controller: &str,
        container: &str,
    ) -> Option<PathBuf> {
        match &self.version {
            Version::V1(found) => {
                let (_, mount) = found.iter().find(|(name, _)| *name == controller)?;
                Some(mount.join(self.path(container)))
            }
            Version::V2(mount) => Some(mount.join(self.path(container))),
        }
    }

    fn load(&self, container: &str) -> Cgroup {
        let controllers = match &self.version {
            Version::V1(found) => found.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Version::V2(_) => V2_CONTROLLERS
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        };
        Cgroup::load_with_specified_controllers(self.hierarchy(), self.path(container), controllers)
    }

    /// Creates the groups of a container and returns the `cgroup.procs` files that its first process enters.
    pub(crate) fn create(&self, container: &str) -> Result<Vec<PathBuf>, CgroupError> {
        self.load(container)
            .create()
            .map_err(|source| CgroupError::Crate {
                action: "create",
                container: container.to_owned(),
                source,
            })?;
        match &self.version {
            Version::V1(_) => Ok(self
                .directories(container)
                .iter()
                .map(|dir| dir.join("cgroup.procs"))
                .collect()),
            Version::V2(mount) => {
                let leaf = mount.join(self.path(container)).join(LEAF);
                fs::create_dir_all(&leaf).map_err(|source| CgroupError::File {
                    action: "create",
                    path: leaf.clone(),
                    source,
                })?;
                Ok(vec![leaf.join("cgroup.procs")])
            }
        }
    }

    /// Sets or changes the limits. The hard memory limit is only ever raised: lowering it under a running container would
    /// have the kernel kill what was allowed a moment ago (mesos: cgroups memory subsystem).
    pub(crate) fn update(&self, container: &str, limits: &Limits) -> Result<(), CgroupError> {
        let group = self.load(container);
        let failed = |action| {
            let container = container.to_owned();
            move |source| CgroupError::Crate {
                action,
                container,
                source,
            }
        };
        if let Some(cpu) = group.controller_of::<CpuController>() {
            let share = match self.version {
                Version::V1(_) => (1024.0 * limits.cpus).max(2.0),
                Version::V2(_) => (100.0 * limits.cpus).clamp(1.0, 10_000.0),
            };
            cpu.set_shares(share as u64)
                .map_err(failed("set the cpu share of"))?;
            if let Some(cpus) = limits.cpus_limit {
                let quota = if cpus.is_finite() {
                    ((CFS_PERIOD_US as f64 * cpus) as i64).max(MIN_CFS_QUOTA_US)
                } else {
                    -1
                };
                cpu.set_cfs_quota_and_period(Some(quota), Some(CFS_PERIOD_US))
                    .map_err(failed("set the cpu limit of"))?;
            }
        }
        if let Some(memory) = group.controller_of::<MemController>() {
            let soft = limits.memory.max(MIN_MEMORY_BYTES);
            memory
                .set_soft_limit(bytes(soft))
                .map_err(failed("set the memory guarantee of"))?;
            let hard = limits.memory_limit.unwrap_or(soft).max(soft);
            if self
                .memory_limit(container)
                .is_none_or(|current| hard > current || current >= UNLIMITED)
            {
                memory
                    .set_limit(bytes(hard))
                    .map_err(failed("set the memory limit of"))?;
            }
        }
        if let (Some(pids), Some(most)) = (group.controller_of::<PidController>(), limits.pids) {
            pids.set_pid_max(MaxValue::Value(bytes(most)))
                .map_err(failed("set the process limit of"))?;
        }
        Ok(())
    }

    pub(super) fn memory_limit(&self, container: &str) -> Option<u64> {
        let directory = self.controller_directory("memory", container)?;
        match self.version {
            Version::V1(_) => read_number(&directory.join("memory.limit_in_bytes")),
            // "max" is no number: unlimited.
            Version::V2(_) => Some(read_number(&directory.join("memory.max")).unwrap_or(u64::MAX)),
        }
    }

    /// The out-of-memory event of a container, if the kernel has killed one of its processes for its limit.
    pub(crate) fn out_of_memory(&self, container: &str) -> Option<OutOfMemory> {
        let directory = self.controller_directory("memory", container)?;
        let (events, peak) = match self.version {
            Version::V1(_) => ("memory.oom_control", "memory.max_usage_in_bytes"),
            Version::V2(_) => ("memory.events", "memory.peak"),
        };
        let kills = keyed_number(
            &fs::read_to_string(directory.join(events)).ok()?,
            "oom_kill",
        )?;
        (kills > 0).then(|| OutOfMemory {
            limit: self.memory_limit(container).unwrap_or(0),
            peak: read_number(&directory.join(peak)).unwrap_or(0),
        })
    }

    /// Whether the container has groups at all.
    pub(crate) fn exists(&self, container: &str) -> bool {
        self.directories(container)
            .iter()
            .any(|directory| directory.exists())
    }

    /// Every process in the container's groups and in the groups below them.
    pub(crate) fn processes(&self, container: &str) -> BTreeSet<i32> {
        self.directories(container)
            .iter()
            .flat_map(|directory| processes_below(directory))
            .collect()
    }

    /// Sends a signal to every process of the container and returns how many there were.
    pub(crate) fn signal_all(&self, container: &str, signal: Signal) -> usize {
        let pids = self.processes(container);
        for pid in &pids {
            match kill(Pid::from_raw(*pid), signal) {
                Ok(()) | Err(nix::Error::ESRCH) => {}
                Err(error) => {
                    tracing::warn!(container, pid, %signal, %error, "cannot signal a process of a container")
                }
            }
        }
        pids.len()
    }

    /// Kills every process of the container, waits until none is left, and removes its groups. Blocks; a container without
    /// groups is fine.
    pub(crate) fn destroy(&self, container: &str) -> Result<(), CgroupError> {
        let deadline = Instant::now() + KILL_DEADLINE;
        let mut pause = Duration::from_millis(1);
        loop {
            let left = self.kill_once(container);
            if left == 0 {
                break;
            }
            if Instant::now() >= deadline {
                return Err(CgroupError::StillAlive {
                    container: container.to_owned(),
                    count: left,
                    seconds: KILL_DEADLINE.as_secs(),
                });
            }
            park(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        // A group counts as busy for a moment after its last process is gone.
        loop {
            let result = self
                .directories(container)
                .iter()
                .try_for_each(|directory| remove_below(directory));
            match result {
                Ok(()) => return Ok(()),
                Err(CgroupError::File { ref source, .. })
                    if source.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline =>
                {
                    park(Duration::from_millis(5));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Freezes, kills and thaws, so that nothing can fork away between reading the list and the signals; returns how many
    /// processes were there.
    fn kill_once(&self, container: &str) -> usize {
        match &self.version {
            Version::V2(mount) => {
                let group = mount.join(self.path(container));
                // Kernels before 5.14 have no such file; the signals below do the work there.
                if fs::write(group.join("cgroup.kill"), "1").is_ok() {
                    return self.processes(container).len();
                }
                let frozen = fs::write(group.join("cgroup.freeze"), "1").is_ok();
                let count = self.signal_all(container, Signal::SIGKILL);
                if frozen && let Err(error) = fs::write(group.join("cgroup.freeze"), "0") {
                    tracing::warn!(container, %error, "cannot thaw a container");
                }
                count
            }
            Version::V1(_) => {
                let state = self
                    .controller_directory("freezer", container)
                    .map(|dir| dir.join("freezer.state"));
                let frozen = state
                    .as_ref()
                    .is_some_and(|state| fs::write(state, "FROZEN").is_ok());
                let count = self.signal_all(container, Signal::SIGKILL);
                // SIGKILL to a frozen process of version 1 takes effect only after the thaw.
                if let Some(state) = state.filter(|_| frozen)
                    && let Err(error) = fs::write(&state, "THAWED")
                {
                    tracing::warn!(container, %error, "cannot thaw a container");
                }
                count
            }
        }
    }
}

/// Above this a version 1 limit means that none was set.
pub(super) const UNLIMITED: u64 = 1 << 62;

fn bytes(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Waits a moment on a thread that may block.
fn park(pause: Duration) {
    std::thread::park_timeout(pause);
}

pub(super) fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Finds `key value` among the lines of a statistics file.
pub(super) fn keyed_number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.split_once(' ')
            .filter(|(name, _)| *name == key)?
            .1
            .trim()
            .parse()
            .ok()
    })
}

fn groups_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn processes_below(directory: &Path) -> Vec<i32> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = text
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect();
    for below in groups_below(directory) {
        pids.extend(processes_below(&below));
    }
    pids
}

fn remove_below(directory: &Path) -> Result<(), CgroupError> {
    for below in groups_below(directory) {
        remove_below(&below)?;
    }
    match fs::remove_dir(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(CgroupError::File {
            action: "remove the cgroup",
            path: directory.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;

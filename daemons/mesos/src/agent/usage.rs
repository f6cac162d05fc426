//! What a container uses, as its control groups tell.

use std::fs;

use super::cgroup::{Cgroups, UNLIMITED, Version, keyed_number, read_number};

/// Readings of one container; `None` where the controller is missing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_user_seconds: Option<f64>,
    pub(crate) cpu_system_seconds: Option<f64>,
    pub(crate) memory_total: Option<u64>,
    pub(crate) memory_rss: Option<u64>,
    pub(crate) memory_cache: Option<u64>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) nr_periods: Option<u64>,
    pub(crate) nr_throttled: Option<u64>,
    pub(crate) throttled_seconds: Option<f64>,
    pub(crate) processes: u64,
}

impl Cgroups {
    /// Reads what the container uses.
    pub(crate) fn usage(&self, container: &str) -> Usage {
        let mut usage = Usage {
            processes: self.processes(container).len() as u64,
            ..Usage::default()
        };
        match self.version {
            Version::V1(_) => {
                if let Some(directory) = self.controller_directory("cpuacct", container) {
                    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
                        .ok()
                        .flatten()
                        .unwrap_or(100) as f64;
                    let text =
                        fs::read_to_string(directory.join("cpuacct.stat")).unwrap_or_default();
                    usage.cpu_user_seconds =
                        keyed_number(&text, "user").map(|value| value as f64 / ticks);
                    usage.cpu_system_seconds =
                        keyed_number(&text, "system").map(|value| value as f64 / ticks);
                }
                if let Some(directory) = self.controller_directory("cpu", container) {
                    let text = fs::read_to_string(directory.join("cpu.stat")).unwrap_or_default();
                    usage.nr_periods = keyed_number(&text, "nr_periods");
                    usage.nr_throttled = keyed_number(&text, "nr_throttled");
                    usage.throttled_seconds =
                        keyed_number(&text, "throttled_time").map(|nanos| nanos as f64 / 1e9);
                }
                if let Some(directory) = self.controller_directory("memory", container) {
                    let text =
                        fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
                    usage.memory_rss = keyed_number(&text, "total_rss");
                    usage.memory_cache = keyed_number(&text, "total_cache");
                    usage.memory_total = read_number(&directory.join("memory.usage_in_bytes"));
                }
            }
            Version::V2(ref mount) => {
                let directory = mount.join(self.path(container));
                let text = fs::read_to_string(directory.join("cpu.stat")).unwrap_or_default();
                let seconds =
                    |key: &str| keyed_number(&text, key).map(|micros| micros as f64 / 1e6);
                usage.cpu_user_seconds = seconds("user_usec");
                usage.cpu_system_seconds = seconds("system_usec");
                usage.throttled_seconds = seconds("throttled_usec");
                usage.nr_periods = keyed_number(&text, "nr_periods");
                usage.nr_throttled = keyed_number(&text, "nr_throttled");
                let text = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
                usage.memory_rss = keyed_number(&text, "anon");
                usage.memory_cache = keyed_number(&text, "file");
                usage.memory_total = read_number(&directory.join("memory.current"));
            }
        }
        usage.memory_limit = self
            .memory_limit(container)
            .filter(|limit| *limit < UNLIMITED);
        usage
    }
}

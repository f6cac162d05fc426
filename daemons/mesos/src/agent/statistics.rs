//! What containers use, from their cgroups or, without these, from their processes.

use std::time::{SystemTime, UNIX_EPOCH};

use aurora_mesos::v1::ResourceStatistics;

use super::cgroup::Cgroups;
use super::core::ContainerView;
use super::process;
use super::usage::Usage;

/// The least memory that the agent guarantees and limits to.
const MIN_MEMORY: u64 = 32 << 20;

/// Reads the statistics of one container. Blocks for a moment.
pub(crate) fn read(cgroups: Option<&Cgroups>, container: &ContainerView) -> ResourceStatistics {
    let limits = &container.limits;
    let soft = limits.memory.max(MIN_MEMORY);
    let tree = container.pid.map(tree).unwrap_or_default();
    let usage = cgroups
        .filter(|cgroups| cgroups.exists(&container.run.container))
        .map(|c| c.usage(&container.run.container));
    let small = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let by_cgroup = usage.unwrap_or_default();
    ResourceStatistics {
        timestamp: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64(),
        processes: small(Some(if usage.is_some() {
            by_cgroup.processes
        } else {
            tree.processes
        })),
        threads: small(Some(tree.threads)),
        cpus_user_time_secs: by_cgroup.cpu_user_seconds.or(tree.usage.cpu_user_seconds),
        cpus_system_time_secs: by_cgroup
            .cpu_system_seconds
            .or(tree.usage.cpu_system_seconds),
        cpus_limit: limits.cpus_limit.filter(|limit| limit.is_finite()),
        cpus_soft_limit: Some(limits.cpus),
        cpus_nr_periods: small(by_cgroup.nr_periods),
        cpus_nr_throttled: small(by_cgroup.nr_throttled),
        cpus_throttled_time_secs: by_cgroup.throttled_seconds,
        mem_total_bytes: by_cgroup.memory_total.or(tree.usage.memory_rss),
        mem_limit_bytes: Some(
            by_cgroup
                .memory_limit
                .unwrap_or_else(|| limits.memory_limit.unwrap_or(soft).max(soft)),
        ),
        mem_soft_limit_bytes: Some(soft),
        mem_cache_bytes: by_cgroup.memory_cache,
        mem_rss_bytes: by_cgroup.memory_rss.or(tree.usage.memory_rss),
        ..ResourceStatistics::default()
    }
}

#[derive(Debug, Default)]
struct Tree {
    usage: Usage,
    processes: u64,
    threads: u64,
}

fn tree(leader: i32) -> Tree {
    let processes = process::all();
    let sysconf = |variable| {
        nix::unistd::sysconf(variable)
            .ok()
            .flatten()
            .and_then(|value| u64::try_from(value).ok())
    };
    let ticks = sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap_or(100) as f64;
    let page = sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap_or(4096);
    let (mut user, mut system, mut pages) = (0, 0, 0);
    let mut tree = Tree::default();
    for stat in process::members(&processes, leader)
        .iter()
        .filter_map(|pid| processes.get(pid))
    {
        user += stat.user_ticks;
        system += stat.system_ticks;
        pages += stat.resident_pages;
        tree.processes += 1;
        tree.threads += stat.threads;
    }
    tree.usage.cpu_user_seconds = Some(user as f64 / ticks);
    tree.usage.cpu_system_seconds = Some(system as f64 / ticks);
    tree.usage.memory_rss = Some(pages * page);
    tree
}

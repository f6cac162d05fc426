//! What a machine has, when the flags do not say (mesos: src/slave/containerizer/containerizer.cpp).

use std::path::Path;

const GIBIBYTE: u64 = 1 << 30;
const MEBIBYTE: u64 = 1 << 20;

/// The resources of this machine in the text form of `--resources`.
pub(crate) fn resources(work_dir: &Path) -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = usable(total_memory().unwrap_or(2 * GIBIBYTE), GIBIBYTE) / MEBIBYTE;
    let disk = usable(total_disk(work_dir).unwrap_or(10 * GIBIBYTE), 5 * GIBIBYTE) / MEBIBYTE;
    format!("cpus:{cpus};mem:{memory};disk:{disk};ports:[31000-32000]")
}

/// All but `reserve`, or half when there is less than twice that.
fn usable(total: u64, reserve: u64) -> u64 {
    if total > 2 * reserve {
        total - reserve
    } else {
        total / 2
    }
}

fn total_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}

fn total_disk(directory: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(directory).ok()?;
    Some(stat.blocks() * stat.fragment_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_machines_keep_half() {
        for (total, want) in [(8, 7), (2, 1), (1, 0)] {
            assert_eq!(usable(total * GIBIBYTE, GIBIBYTE) / GIBIBYTE, want);
        }
        assert_eq!(usable(100 * GIBIBYTE, 5 * GIBIBYTE) / GIBIBYTE, 95);
        assert_eq!(usable(8 * GIBIBYTE, 5 * GIBIBYTE) / GIBIBYTE, 4);
    }
}

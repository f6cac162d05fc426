//! What a look at a sandbox's size may cost: nothing while nothing changes, and never much of the time.

use std::path::Path;
use std::time::Duration;

/// Looks at a sandbox take at most one part in so many of the time: one of a million files is looked at less often.
const RESTRAINT: u32 = 100;
/// How often a file system that has as much free as before is taken for unchanged, until it is looked at all the same.
const TRUST: u32 = 9;

/// What is known of when a sandbox has to be gone through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Restraint {
    known: Option<Free>,
    trusted: u32,
}

/// What is free on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Free {
    blocks: u64,
    files: u64,
}

impl Free {
    /// `None` when the file system does not tell.
    fn of(path: &Path) -> Option<Self> {
        let told = nix::sys::statvfs::statvfs(path).ok()?;
        Some(Self {
            blocks: told.blocks_free(),
            files: told.files_free(),
        })
    }
}

impl Restraint {
    /// Whether the sandbox has to be gone through. As long as nothing changes on the whole file system, nothing does in the
    /// sandbox; or all but nothing. To be asked before each look, and a yes to be followed.
    pub fn must_look(&mut self, sandbox: &Path) -> bool {
        let seen = Free::of(sandbox);
        if seen.is_some() && seen == self.known && self.trusted < TRUST {
            self.trusted += 1;
            return false;
        }
        *self = Self {
            known: seen,
            trusted: 0,
        };
        true
    }

    /// How long to wait after a look that took so long, at least `interval`.
    #[must_use]
    pub fn wait(interval: Duration, took: Duration) -> Duration {
        interval.max(took * RESTRAINT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_tells_what_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let mut restraint = Restraint::default();
        assert!(restraint.must_look(dir.path()), "the first time");
        // Others may work on the same file system, but nobody frees this much meanwhile.
        let file = std::fs::File::create(dir.path().join("file")).unwrap();
        let flags = nix::fcntl::FallocateFlags::empty();
        nix::fcntl::fallocate(&file, flags, 0, 64 << 20).unwrap();
        assert!(restraint.must_look(dir.path()));
        // What tells nothing is looked at each time.
        let nowhere = dir.path().join("absent");
        assert!(restraint.must_look(&nowhere) && restraint.must_look(&nowhere));
    }

    #[test]
    fn nothing_changes_on_a_still_file_system() {
        // Nobody writes to the kernel's own.
        let still = Path::new("/proc/self/fd");
        let mut restraint = Restraint::default();
        let looks: Vec<bool> = (0..21).map(|_| restraint.must_look(still)).collect();
        let expected: Vec<bool> = (0..21).map(|at| at % 10 == 0).collect();
        assert_eq!(looks, expected);
    }

    #[test]
    fn long_looks_are_rare() {
        let seconds = Duration::from_secs;
        for (took, expected) in [(0, 60), (1, 100), (2, 200), (60, 6000)] {
            assert_eq!(
                Restraint::wait(seconds(60), seconds(took)),
                seconds(expected)
            );
        }
    }
}

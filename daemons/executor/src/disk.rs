//! How much disk a sandbox uses (aurora: `src/main/python/apache/thermos/monitoring/disk.py`).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aurora_thermos::disk::Restraint;

use crate::wake::pause;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(60);
/// Entries looked at before others get a turn.
const SLICE: usize = 128;

/// The blocks of regular files below `root`, in bytes; a symbolic link counts with the length of its target's name, folders
/// count nothing. What cannot be read, or vanishes meanwhile, is left out. Lets other tasks run now and then.
pub(crate) async fn usage(root: &Path) -> u64 {
    let mut total = 0;
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen % SLICE == 0 {
                tokio::task::yield_now().await;
            }
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let kind = metadata.file_type();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_symlink() {
                total += metadata.len();
            } else if kind.is_file() {
                total += metadata.blocks() * 512;
            }
        }
    }
    total
}

/// Comes back when the sandbox uses more than `reserved` bytes, with how much it uses. Looks once a minute, and goes through the
/// sandbox only when its file system has changed.
pub(crate) async fn exceeds(sandbox: PathBuf, reserved: u64) -> u64 {
    exceeds_every(INTERVAL, sandbox, reserved).await
}

async fn exceeds_every(interval: Duration, sandbox: PathBuf, reserved: u64) -> u64 {
    let mut restraint = Restraint::default();
    loop {
        let begun = Instant::now();
        if restraint.must_look(&sandbox) {
            let used = usage(&sandbox).await;
            if used > reserved {
                return used;
            }
        }
        pause(Restraint::wait(interval, begun.elapsed())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inner")).unwrap();
        fs::write(dir.path().join("inner/file"), vec![1; 10_000]).unwrap();
        fs::File::open(dir.path().join("inner/file"))
            .unwrap()
            .sync_all()
            .unwrap();
        std::os::unix::fs::symlink("/usr/share", dir.path().join("link")).unwrap();
        let blocks = fs::metadata(dir.path().join("inner/file"))
            .unwrap()
            .blocks()
            * 512;
        assert!(blocks >= 10_000);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        assert_eq!(
            runtime.block_on(usage(dir.path())),
            blocks + "/usr/share".len() as u64
        );
        assert_eq!(
            runtime.block_on(exceeds(dir.path().to_owned(), 9_999)),
            blocks + 10
        );
    }

    #[tokio::test]
    async fn a_sandbox_is_looked_at_again() {
        assert_eq!(INTERVAL, Duration::from_secs(60));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let looking = exceeds_every(Duration::from_millis(5), path, 4096);
        tokio::pin!(looking);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), &mut looking)
                .await
                .is_err(),
            "it is empty"
        );
        std::os::unix::fs::symlink("x".repeat(4000), dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink("x".repeat(97), dir.path().join("b")).unwrap();
        let found = tokio::time::timeout(Duration::from_secs(10), looking).await;
        assert_eq!(found, Ok(4097));
    }
}

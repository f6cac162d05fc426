//! Tests that cannot run on this machine.

use std::path::PathBuf;

/// Notes that a test is skipped, and why, for whoever counts; the test returns after it.
#[allow(
    clippy::print_stderr,
    reason = "for whoever reads the output of the tests"
)]
pub fn skip(test: &str, reason: &str) {
    eprintln!("skipped {test}: {reason}");
    if let Some(directory) = std::env::var_os("AURORA_SKIPS") {
        let note = PathBuf::from(directory).join(test);
        if let Err(error) = std::fs::write(&note, reason) {
            panic!("cannot note a skipped test in {}: {error}", note.display());
        }
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

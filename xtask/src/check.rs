//! `cargo xtask check`.

use crate::{Outcome, arrows, cargo, conformance, sources};

/// Formatting, lints with warnings as errors, arrows, sources, conformance.
pub(crate) fn run() -> Outcome {
    let faults: Vec<String> = [arrows::faults(), sources::faults(), conformance::faults()].concat();
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    crate::run(
        cargo().args(["fmt", "--all", "--check"]),
        "cargo fmt --check",
    )?;
    crate::run(
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
        "cargo clippy",
    )?;
    println!("check: formatting, lints, arrows, sources and conformance are in order");
    Ok(())
}

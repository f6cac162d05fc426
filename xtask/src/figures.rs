//! `cargo xtask figures`: measures the release programs on this machine.

use crate::{Outcome, cargo};

/// Builds the release programs, the executor as a static one, and measures them; one JSON line a figure.
pub(crate) fn run() -> Outcome {
    crate::run(cargo().args(["build", "--release"]), "the build")?;
    static_executor()?;
    crate::run(
        cargo().args([
            "run",
            "--release",
            "--quiet",
            "--package",
            "aurora-tests",
            "--bin",
            "aurora-figures",
        ]),
        "the measurement",
    )
}

/// Measures the scheduler's core.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
    crate::run(
        cargo()
            .args([
                "run",
                "--release",
                "--quiet",
                "--package",
                "aurora-benches",
                "--",
            ])
            .args(arguments),
        "the measurement",
    )
}

/// Links the executor without shared libraries, so that it runs in any image and starts without a loader.
pub(crate) fn static_executor() -> Outcome {
    crate::run(
        cargo().args([
            "rustc",
            "--release",
            "--package",
            "aurora-executor",
            "--bin",
            "aurora-executor",
            "--",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "relocation-model=static",
        ]),
        "the build of a static executor",
    )
}

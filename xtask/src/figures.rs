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
    )?;
    executor()
}

/// Measures the static executor. What measures need not be fast: it waits for kernel and executor.
fn executor() -> Outcome {
    crate::run(
        cargo()
            .args(["bench", "--profile", "dev", "--quiet"])
            .args(["--package", "aurora-executor", "--bench", "figures", "--"])
            .arg(crate::target().join("release/aurora-executor")),
        "the measurement of the executor",
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

/// Builds the executor small (see the profile of its name in Cargo.toml) and without shared libraries, so that it runs in any
/// image and starts without a loader, and puts it beside the release programs.
pub(crate) fn static_executor() -> Outcome {
    crate::run(
        cargo().args([
            "rustc",
            "--profile",
            "executor",
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
    )?;
    let built = crate::target().join("executor/aurora-executor");
    let release = crate::target().join("release");
    // Renamed, since tasks may be running the one that is there.
    let draft = release.join(".aurora-executor.new");
    std::fs::copy(&built, &draft)
        .and_then(|_| std::fs::rename(&draft, release.join("aurora-executor")))
        .map_err(|error| {
            format!(
                "cannot put {} into {}: {error}",
                built.display(),
                release.display()
            )
        })
}

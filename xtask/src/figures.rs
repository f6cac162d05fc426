//! `cargo xtask figures`: measures the release programs on this machine; `cargo xtask bench` their parts.

use std::path::{Path, PathBuf};

use crate::{Outcome, cargo};

/// Builds the release programs, the executor as a static one, and measures a cluster of them; one JSON line a figure.
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

/// Measures what the arguments ask for: the executor (E…), the observer (O…), the scheduler's core and the workbench (all other
/// ids); everything without an id.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
    let id = arguments.iter().find(|word| !word.starts_with("--"));
    let kind = id.and_then(|id| id.chars().next());
    if matches!(kind, None | Some('V')) {
        // Its start is measured with the program itself.
        let build = ["build", "--release", "--package", "aurora-tui"];
        crate::run(cargo().args(build), "the build of the workbench")?;
    }
    if !matches!(kind, Some('E' | 'O')) {
        core(arguments)?;
    }
    if matches!(kind, None | Some('E')) {
        // Not the copy beside the release programs: building the benchmark puts a dynamic one in its place.
        let built = static_executor()?;
        program("aurora-executor", &built, arguments)?;
    }
    if matches!(kind, None | Some('O')) {
        let build = ["build", "--release", "--package", "aurora-observer"];
        crate::run(cargo().args(build), "the build of the observer")?;
        let built = crate::target().join("release/aurora-observer");
        program("aurora-observer", &built, arguments)?;
    }
    Ok(())
}

/// Runs the benchmarks of a program's own package against a build of it.
fn program(name: &str, built: &Path, arguments: &[String]) -> Outcome {
    crate::run(
        cargo()
            .args(["bench", "--profile", "release", "--quiet"])
            .args(["--package", name, "--bench", "figures", "--"])
            .arg(format!("--program={}", built.display()))
            .args(arguments),
        "the measurement",
    )
}

fn core(arguments: &[String]) -> Outcome {
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
/// image and starts without a loader, and puts it beside the release programs. Says where it was built.
pub(crate) fn static_executor() -> Result<PathBuf, String> {
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
        })?;
    Ok(built)
}

//! `cargo xtask local`: build, then hand over to the workbench.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Outcome, cargo};

/// Builds every program and becomes `aurora-tui --local`; `--release` builds the optimised programs.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let release = arguments.iter().any(|argument| argument == "--release");
    let profile = if release { "release" } else { "debug" };
    let mut build = cargo();
    build.arg("build");
    if release {
        build.arg("--release");
    }
    eprintln!("building (the first time takes a while: the interpreter for job files is large)…");
    crate::run(&mut build, "the build")?;
    if release {
        crate::figures::static_executor()?;
    }
    let program = crate::target().join(profile).join("aurora-tui");
    let passed = arguments.iter().filter(|argument| *argument != "--release");
    // Ctrl-c, ctrl-z and the terminal belong to the workbench alone from here on.
    let error = Command::new(&program).arg("--local").args(passed).exec();
    Err(format!("cannot run {}: {error}", program.display()))
}

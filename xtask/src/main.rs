//! The tasks of this workspace: `cargo xtask local | test | check | figures | bench`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal"
)]

mod arrows;
mod check;
mod conformance;
mod figures;
mod local;
mod packages;
mod sources;
mod test;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask COMMAND

  local [ARGS…]   build everything, start an embedded cluster and open the workbench on it
                  --headless, --demo, --release and all other flags of `aurora-tui --local`
  test [--all]    build and run every test; as root, install the Debian packages that tests need
                  --all: a skipped test is a failure
  check           formatting, lints, dependency arrows and the rules for sources
  figures         build the release programs and measure them on this machine
  bench [ID]      measure scheduler, workbench, executor (E) and observer (O), or the benchmarks whose id begins so
                  --smoke: the smallest sizes
";

/// A task's outcome: the message says what went wrong and what to do.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_str() {
        "local" => local::run(&rest),
        "test" => test::run(&rest),
        "check" => check::run(),
        "figures" => figures::run(),
        "bench" => figures::bench(&rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's directory.
fn root() -> PathBuf {
    // xtask lives one level below the workspace.
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// The cargo that runs this.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end; `what` names it in the message when it fails.
fn run(command: &mut Command, what: &str) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed ({status})")),
        Err(error) => Err(format!("cannot run {what}: {error}")),
    }
}

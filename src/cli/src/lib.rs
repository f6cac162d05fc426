//! The command lines `aurora` (aurora: `src/main/python/apache/aurora/client/cli`) and `aurora_admin`
//! (aurora: `src/main/python/apache/aurora/admin`).
//!
//! [`run`] and [`run_admin`] are the whole programs. [`args`] parses as upstream's argparse does, from the tables of
//! [`verbs`] and [`admin`]; a verb is one function over a [`context::Context`]. Texts and exit codes are upstream's,
//! because scripts read them.

mod admin;
mod args;
mod browser;
mod config;
mod context;
mod cron;
mod diff;
mod durations;
mod events;
mod exit;
#[cfg(test)]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests of aurora-client"
)]
#[path = "../../client/src/fake.rs"]
mod fake;
mod glob;
mod job;
mod keys;
mod logging;
#[cfg(test)]
mod manual;
mod monitor;
mod options;
mod pace;
mod pending;
mod progress;
mod quota;
mod resources;
mod sla;
mod task;
mod times;
mod update;
mod verbs;
#[cfg(test)]
mod waiting_tests;

pub use exit::{CommandError, ExitCode};

use std::io::Write;

use aurora_client::directory::Environment;
use context::{Context, Program};
use logging::Verbosity;

/// Runs `aurora` with these arguments (without the program's name) and returns its exit code.
pub fn run(arguments: Vec<String>) -> i32 {
    start(Program::Client, args::parse(verbs::NOUNS, arguments))
}

/// Runs `aurora_admin` with these arguments (without the program's name) and returns its exit code.
pub fn run_admin(arguments: Vec<String>) -> i32 {
    let outcome = args::commands::parse(admin::COMMANDS, arguments);
    start(Program::Admin, outcome)
}

fn start(program: Program, outcome: args::Outcome) -> i32 {
    let (run, parsed) = match outcome {
        args::Outcome::Run(run, parsed) => (run, parsed),
        args::Outcome::Show(text) => {
            // Nobody reads: nothing to show.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return 0;
        }
        args::Outcome::Version => {
            context::print_err(env!("CARGO_PKG_VERSION"));
            return 0;
        }
        args::Outcome::Fault(text, code) => {
            context::print_err(text.trim_end());
            return code as i32;
        }
    };
    let verbosity = match (parsed.flag("quiet"), parsed.flag("verbose")) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    logging::init(verbosity);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            context::print_err(&format!("cannot start: {error}"));
            return ExitCode::Crash as i32;
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            biased;
            code = execute(program, run, &parsed) => code,
            interrupted = tokio::signal::ctrl_c() => {
                if let Err(error) = interrupted {
                    tracing::error!("cannot listen for signals: {error}");
                }
                tracing::error!("Command interrupted by user");
                ExitCode::Interrupted as i32
            }
        }
    });
    // A name lookup that hangs must not hold up the end.
    runtime.shutdown_background();
    code
}

async fn execute(program: Program, run: args::Run, parsed: &args::Parsed) -> i32 {
    let environment = Environment::of_process();
    match run(&Context::new(program, parsed, environment)).await {
        Ok(()) => 0,
        Err(error) => report(program, parsed, &error),
    }
}

/// Says why a command ended early; its exit code.
fn report(program: Program, parsed: &args::Parsed, error: &CommandError) -> i32 {
    match program {
        Program::Client => {
            if let Some(text) = &error.message {
                context::print_err(text);
            }
            tracing::info!("Command terminated with error code {}", error.code);
            error.code
        }
        // Upstream's has one exit code, and its last words are a line of the log.
        Program::Admin => {
            if let Some(text) = error.message.as_ref().filter(|_| !parsed.flag("quiet")) {
                context::print_err(&format!("FATAL] {text}"));
            }
            ExitCode::Crash as i32
        }
    }
}

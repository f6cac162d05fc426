//! `aurora`, the command-line client (aurora: `src/main/python/apache/aurora/client/cli`).
//!
//! [`run`] is the whole program. [`args`] parses as upstream's argparse does, from the tables of [`verbs`]; a verb is one
//! function over a [`context::Context`]. Texts and exit codes are upstream's, because scripts read them.

mod args;
mod browser;
mod config_list;
mod context;
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
mod localtime;
mod logging;
mod monitor;
mod quota;
mod resources;
mod verbs;

pub use exit::{CommandError, ExitCode};

use std::io::Write;

/// Runs `aurora` with these arguments (without the program's name) and returns its exit code.
pub fn run(arguments: Vec<String>) -> i32 {
    let parsed = match args::parse(verbs::NOUNS, arguments) {
        args::Outcome::Run(parsed) => parsed,
        args::Outcome::Show(text) => {
            // Nobody reads: nothing to show.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return 0;
        }
        args::Outcome::Version => {
            context::print_err(env!("CARGO_PKG_VERSION"));
            return 0;
        }
        args::Outcome::Usage(text) => {
            context::print_err(text.trim_end());
            return ExitCode::Usage as i32;
        }
    };
    logging::init(parsed.flag("verbose"));
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
            code = execute(&parsed) => code,
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

async fn execute(parsed: &args::Parsed) -> i32 {
    match verbs::dispatch(parsed).await {
        Ok(()) => 0,
        Err(error) => {
            if let Some(text) = &error.message {
                context::print_err(text);
            }
            let code = error.code as i32;
            tracing::info!("Command terminated with error code {code}");
            code
        }
    }
}

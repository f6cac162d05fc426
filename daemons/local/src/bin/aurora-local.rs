//! `aurora-local`: an Aurora cluster on this machine.

use std::io::Write;
use std::process::ExitCode;

use aurora_local::{commands, flags::Flags};
use clap::Parser;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(flags)),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start the runtime")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads standard error any more: there is no other place to say so.
            let _ = writeln!(std::io::stderr(), "aurora-local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

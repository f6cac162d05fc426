//! `aurora-mesos-agent`: the agent of the embedded cluster.

use std::process::ExitCode;

use anyhow::Context as _;
use aurora_mesosd::agent::{self, AgentFlags};
use clap::Parser as _;

fn main() -> ExitCode {
    // The hidden modes come first: they neither take flags nor want threads.
    let mode = std::env::args().nth(1);
    if let Some(code) = mode.as_deref().and_then(agent::hidden_mode) {
        return code;
    }
    match start(AgentFlags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn start(flags: AgentFlags) -> anyhow::Result<()> {
    aurora_daemon::logging::init(&flags.daemon)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(agent::run(flags))
}

#[allow(clippy::print_stderr, reason = "logging may be what has failed")]
fn report(error: &anyhow::Error) {
    eprintln!("aurora-mesos-agent: {error:#}");
}

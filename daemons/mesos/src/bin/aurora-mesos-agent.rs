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

/// Logging may be what has failed, and so may standard error: on a full disk there is nobody left to tell.
fn report(error: &anyhow::Error) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "aurora-mesos-agent: {error:#}");
}

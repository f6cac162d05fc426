//! `aurora-mesos-agent docker-run`: stands for the Docker container of an executor as long as that lives.

use std::io::{self, Write as _};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Attended, Order, attend};

/// The hidden subcommand of the agent's program.
pub(crate) const SUBCOMMAND: &str = "docker-run";

/// Runs a container to its end. The order is the argument after the subcommand, and this process's environment the container's.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => Err(format!("starting: {error}")),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            // Standard error is the log in the sandbox; a line that cannot be written is lost.
            let _ = writeln!(io::stderr(), "docker: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<u8, String> {
    let text = std::env::args().nth(2).ok_or("there is no order")?;
    let order: Order =
        serde_json::from_str(&text).map_err(|error| format!("reading the order: {error}"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let (sender, signals) = mpsc::channel(1);
    tokio::spawn(async move {
        while terminate.recv().await.is_some() && sender.send("SIGTERM").await.is_ok() {}
    });
    let code = attend(Attended {
        order,
        environment: std::env::vars().collect(),
        signals,
        started: None,
    })
    .await?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

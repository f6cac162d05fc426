//! `aurora-observer`: shows the tasks of one machine over HTTP.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aurora_daemon::flags::DaemonFlags;
use aurora_daemon::guard::{Guard, Token};
use aurora_daemon::lifecycle::{self, Shutdown};
use aurora_daemon::server::{self, Listener, Options};
use aurora_observer::routes::Observer;
use clap::Parser;

/// Shows the tasks of one machine: their processes, resources, files and logs, over HTTP.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// The agent's work directory.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mesos")]
    mesos_root: PathBuf,

    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0")]
    ip: IpAddr,

    /// Port to listen on; 0 lets the kernel choose.
    #[arg(long, default_value_t = 1338)]
    port: u16,

    /// How old the size of a sandbox may be, in seconds.
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    task_disk_collection_interval_secs: u64,

    #[command(flatten)]
    daemon: DaemonFlags,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Err(error) = aurora_daemon::logging::init(&flags.daemon) {
        return fail(&error.into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = runtime
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(flags)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    use std::io::Write;
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "aurora-observer: {error:#}");
    ExitCode::FAILURE
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let shutdown =
        Shutdown::install(flags.daemon.lifeline_fd).context("cannot watch for the end")?;
    let token = flags
        .daemon
        .token_file
        .as_deref()
        .map(Token::load)
        .transpose()?;
    let listener = Listener::bind(flags.ip, flags.port).await?;
    let address = listener.address();
    let guard = Guard::new(token, address);
    let observer = Observer::new(
        guard.clone(),
        &flags.mesos_root,
        Duration::from_secs(flags.task_disk_collection_interval_secs),
    );
    tracing::info!(%address, mesos_root = %flags.mesos_root.display(), "serving");
    lifecycle::announce_ready("observer", address).context("cannot print the ready line")?;
    let options = Options {
        guard: Some(guard),
        ..Options::default()
    };
    server::serve(listener, Arc::new(observer), options, shutdown).await;
    tracing::info!("ended");
    Ok(())
}

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
use aurora_observer::routes::{Observer, Settings};
use clap::Parser;

/// Shows the tasks of one machine: their processes, resources, files and logs, over HTTP.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// An agent's work directory; give it once for each agent of this machine.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mesos")]
    mesos_root: Vec<PathBuf>,

    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0")]
    ip: IpAddr,

    /// Port to listen on; 0 lets the kernel choose.
    #[arg(long, default_value_t = 1338)]
    port: u16,

    /// How old the size of a sandbox may be, in seconds.
    #[arg(
        long,
        alias = "task_disk_collection_interval_secs",
        value_name = "SECS",
        default_value_t = 60
    )]
    task_disk_collection_interval_secs: u64,

    /// Time between two samples of what a task uses, in seconds; an hour of them is kept.
    #[arg(long, alias = "task_process_collection_interval_secs", value_name = "SECS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    task_process_collection_interval_secs: u64,

    /// Sample nothing: there are no histories, and processes are measured when somebody asks.
    #[arg(long, alias = "disable_task_resource_collection")]
    disable_task_resource_collection: bool,

    /// Read for compatibility and without effect: the kernel tells what has changed.
    #[arg(
        long,
        alias = "polling_interval_secs",
        value_name = "SECS",
        hide = true
    )]
    polling_interval_secs: Option<u64>,

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
    let roots = flags.mesos_root.clone();
    tracing::info!(%address, ?roots, "serving");
    if flags.polling_interval_secs.is_some() {
        tracing::info!("--polling_interval_secs has no effect: changes are heard of at once");
    }
    let observer = Arc::new(Observer::new(
        guard.clone(),
        Settings {
            mesos_roots: roots,
            disk_interval: Duration::from_secs(flags.task_disk_collection_interval_secs),
            sample_interval: Duration::from_secs(flags.task_process_collection_interval_secs),
        },
    ));
    let sampling = (!flags.disable_task_resource_collection)
        .then(|| tokio::spawn(observer.clone().sample_for_ever()));
    lifecycle::announce_ready("observer", address).context("cannot print the ready line")?;
    let options = Options {
        guard: Some(guard),
        ..Options::default()
    };
    server::serve(listener, observer, options, shutdown).await;
    if let Some(sampling) = sampling {
        sampling.abort();
    }
    tracing::info!("ended");
    Ok(())
}

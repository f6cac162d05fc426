//! The program.

use std::process::ExitCode;

use aurora_daemon::lifecycle::Shutdown;
use aurora_daemon::logging;
use aurora_scheduler::flags::Flags;

fn main() -> ExitCode {
    let flags = Flags::from_command_line();
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may be the thing that failed; standard error is where it goes as well.
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> anyhow::Result<()> {
    logging::init(&flags.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::install(flags.daemon.lifeline_fd)?;
        aurora_scheduler::server::run(flags, shutdown).await
    });
    // Feeds and long answers must not hold up the end.
    runtime.shutdown_background();
    outcome
}

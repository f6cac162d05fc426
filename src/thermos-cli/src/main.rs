//! `thermos`: runs tasks on this machine without a cluster, and looks at those that run or ran on it
//! (aurora: `src/main/python/apache/thermos/cli`).
//!
//! The program is also the coordinator of the runs that it starts, which is why its first argument is looked at before
//! anything else.

mod config;
mod look;
mod run;
mod tail;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Runs tasks on this machine without a cluster, and looks at those that run or ran on it.
#[derive(Debug, Parser)]
#[command(name = "thermos", version)]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Command,
}

/// Where records of tasks are looked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    /// A checkpoint root, beside /var/run/thermos; tasks are run under it.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// An agent's work directory, beside /var/lib/mesos.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) mesos_root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a task of a configuration file.
    Run(run::RunArgs),
    /// Run a command line as a task.
    Simplerun(run::SimplerunArgs),
    /// Show the evaluated task of a configuration file.
    Inspect(config::ConfigArgs),
    /// Show tasks of this machine.
    Status(look::StatusArgs),
    /// Show the log of a task's process, and follow it while it runs.
    Tail(tail::TailArgs),
    /// Kill tasks by regular expressions, without their final processes.
    Kill(look::KillArgs),
    /// Show what a checkpoint stream of a runner says.
    Read(look::ReadArgs),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    let first = arguments.next();
    if let Some(code) = aurora_thermos::part(first.as_deref(), arguments) {
        return code;
    }
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let done = match cli.command {
        Command::Run(args) => run::run(&cli.places, &args),
        Command::Simplerun(args) => run::simplerun(&cli.places, &args),
        Command::Inspect(args) => config::inspect(&args),
        Command::Status(args) => look::status(&cli.places, &args),
        Command::Tail(args) => tail::tail(&cli.places, &args),
        Command::Kill(args) => look::kill(&cli.places, &args),
        Command::Read(args) => look::read(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "thermos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads the output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

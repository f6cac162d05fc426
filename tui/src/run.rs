//! From the command line to a running workbench.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aurora_client::directory::Environment;
use aurora_client::local;
use aurora_client::programs;
use aurora_tui_model::desk::Of;
use aurora_tui_model::event::Event;
use aurora_tui_model::place::Link;
use clap::Parser;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::{self, Ending};
use crate::args::{Args, Local};
use crate::config::Env;
use crate::crew::Crew;
use crate::headless::{self, Errand, FAILED, NO_TERMINAL};
use crate::open::{Fault, LOCAL_NAME, Opening, local_dir, usage};
use crate::recorder::Recorder;
use crate::{about, plain, terminal, tools};

/// The program: reads the command line, runs, and says how to exit.
pub fn run() -> ExitCode {
    let args = Args::parse();
    match start(args) {
        Ok(code) => ExitCode::from(code),
        Err(Fault(code, error)) => {
            // Standard error may be closed; the exit code tells then.
            let _ = writeln!(std::io::stderr(), "aurora-tui: {error:#}");
            ExitCode::from(code)
        }
    }
}

fn start(args: Args) -> Result<u8, Fault> {
    let env = surroundings(&args)?;
    if let Some(tool) = &args.tool {
        return Ok(tools::run(tool, &env, &mut std::io::stdout().lock())?);
    }
    log_to(args.log.as_deref())?;
    terminal::restore_on_panic(args.log.as_deref());
    let mut environment = Environment::of_process();
    if let Some(dir) = &args.state_dir {
        let dir = std::path::absolute(dir).context("--state-dir")?;
        environment.state_dir = Some(dir);
    }
    if args.check || args.info {
        let mut out = std::io::stdout().lock();
        return Ok(match args.check {
            true => about::check(&env, environment, &mut out)?,
            false => about::info(&args, &env, environment, &mut out)?,
        });
    }
    let link: Option<Link> = args
        .open
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(usage)?;
    if args.headless {
        return Err(run_in_foreground(&args, &environment));
    }
    let screenless =
        args.exec.is_some() || args.script.is_some() || args.snapshot.is_some() || args.follow;
    if !screenless && (args.yes || args.confirm.is_some()) {
        return Err(usage(anyhow!(
            "--yes and --confirm answer questions of --exec and --script"
        )));
    }
    if !screenless
        && !args.plain
        && args.local != Some(Local::Stop)
        && let Some(sentence) = terminal::missing(&env.term)
    {
        return Err(Fault(
            NO_TERMINAL,
            anyhow!(sentence.trim_start_matches("aurora-tui ").to_owned()),
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    let code = runtime.block_on(work(args, env, environment, link, screenless));
    // Reads that hang must not keep the program.
    runtime.shutdown_background();
    code
}

/// What the process finds around it, and what the command line says otherwise.
fn surroundings(args: &Args) -> anyhow::Result<Env> {
    let mut env = Env::of_process();
    if let Some(dir) = &args.config {
        env.config_dir = Some(std::path::absolute(dir).context("--config")?);
    }
    // A theme that was chosen needs no answer.
    env.asks = !args.no_query && args.theme.is_none();
    Ok(env)
}

async fn work(
    args: Args,
    env: Env,
    environment: Environment,
    link: Option<Link>,
    screenless: bool,
) -> Result<u8, Fault> {
    let names = names(&args, link.as_ref())?;
    if args.local == Some(Local::Stop) {
        let dir = local_dir(&environment, names.first().map(String::as_str))?;
        let said = local::stop(&dir)
            .await
            .context("cannot stop the local cluster")?;
        writeln!(std::io::stdout(), "{}", said.trim_end()).context("standard output")?;
        return Ok(headless::DONE);
    }
    let journal = Recorder::new(env.journal()).read().map_or_else(
        |error| Event::Fault(format!("the journal cannot be read: {error}")),
        Event::Journal,
    );
    let args = Arc::new(args);
    let opening = Opening::new(args.clone(), env.clone(), environment);
    let crew = opening.crew(&names).await?;
    if screenless {
        let errand = Errand {
            exec: args.exec.clone(),
            script: args.script.as_deref().map(script).transpose()?,
            follow: args.follow,
            open: args.open.clone(),
            snapshot: args.snapshot,
            sized: args.size.is_some(),
            yes: args.yes,
            confirm: args.confirm.clone(),
            timeout: Duration::from_secs(args.timeout),
        };
        let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
        return match headless::run(crew, errand, &mut out, &mut err).await {
            // Whoever read our output has enough.
            Err(error) if is_broken_pipe(&error) => Ok(headless::DONE),
            other => Ok(other?),
        };
    }
    if args.plain {
        return talk(crew, &args, journal).await;
    }
    let open = args.open.iter();
    let first = std::iter::once(journal)
        .chain(open.map(|link| Event::Run(format!("open {link}"))))
        .collect();
    if let Ending::Quit { stop: Some(dir) } = app::run(crew, env, first).await? {
        stop_local(&dir).await?;
    }
    Ok(headless::DONE)
}

/// A conversation in lines.
async fn talk(mut crew: Crew, args: &Args, journal: Event) -> Result<u8, Fault> {
    drop(crew.take(Of::Outside, journal));
    let mut out = std::io::stdout();
    let timeout = Duration::from_secs(args.timeout);
    let talk = plain::run(crew, timeout, args.open.clone(), plain::typed(), &mut out);
    match talk.await.map_err(anyhow::Error::from) {
        Err(error) if is_broken_pipe(&error) => {}
        Err(error) => return Err(error.into()),
        Ok((crew, stop)) => {
            if let Some(dir) = crew.state_dir().filter(|_| stop) {
                stop_local(&dir).await?;
            }
        }
    }
    Ok(headless::DONE)
}

async fn stop_local(dir: &std::path::Path) -> anyhow::Result<()> {
    // The screen is given back by now.
    let _ = writeln!(
        std::io::stderr(),
        "stopping the local cluster in {}",
        dir.display()
    );
    local::stop(dir)
        .await
        .context("cannot stop the local cluster")?;
    Ok(())
}

/// The clusters that were asked for, the one to begin with first.
fn names(args: &Args, link: Option<&Link>) -> Result<Vec<String>, Fault> {
    let mut names = args.cluster.clone();
    match link {
        Some(link) if names.is_empty() => names.push(link.cluster.clone()),
        Some(link) if !names.contains(&link.cluster) => {
            return Err(usage(anyhow!(
                "--cluster and --open name different clusters"
            )));
        }
        _ => {}
    }
    if names.len() > 1 && (args.record.is_some() || args.replay.is_some()) {
        return Err(usage(anyhow!("a recorded session is of one cluster")));
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// The text of a script; `-` is standard input.
fn script(path: &std::path::Path) -> Result<String, Fault> {
    /// A longer one is a mistake.
    const MOST: u64 = 1 << 20;
    let name = path.display();
    let reader: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => {
            let file = std::fs::File::open(path);
            Box::new(
                file.map_err(|error| usage(anyhow!("cannot read the script {name}: {error}")))?,
            )
        }
    };
    let mut text = String::new();
    reader
        .take(MOST + 1)
        .read_to_string(&mut text)
        .map_err(|error| usage(anyhow!("cannot read the script {name}: {error}")))?;
    match text.len() as u64 > MOST {
        true => Err(usage(anyhow!("the script {name} has more than 1 MiB"))),
        false => Ok(text),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn log_to(path: Option<&std::path::Path>) -> anyhow::Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open the log {}", path.display()))?;
    // The ZooKeeper client tells the password of its session at INFO.
    let told = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("zookeeper_async", LevelFilter::WARN);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file));
    tracing_subscriber::registry()
        .with(told)
        .with(lines)
        .try_init()
        .map_err(|error| anyhow!("cannot log: {error}"))
}

/// Becomes `aurora-local run`. Comes back only when that fails.
fn run_in_foreground(args: &Args, environment: &Environment) -> Fault {
    let attempt = || -> anyhow::Result<std::io::Error> {
        if args.local == Some(Local::Stop) {
            bail!("--headless runs the local cluster; it does not go with `--local stop`");
        }
        let program = programs::find("aurora-local")?;
        let mut command = Command::new(program);
        command.arg("run").arg("--state-dir").arg(local_dir(
            environment,
            args.cluster.first().map(String::as_str),
        )?);
        command
            .arg("--cluster-name")
            .arg(args.cluster.first().map_or(LOCAL_NAME, String::as_str));
        if args.demo {
            command.arg("--demo");
        }
        Ok(command.exec())
    };
    match attempt() {
        Ok(error) => Fault(FAILED, anyhow!(error).context("cannot run aurora-local")),
        Err(error) => Fault(FAILED, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_what_the_environment_says() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[global]\nZ = \"quit\"\n";
        std::fs::write(dir.path().join("keymap.toml"), text).unwrap();
        let own = dir.path().to_str().unwrap();
        for (flags, asks, has_keys) in [
            (vec![], true, false),
            (vec!["--no-query"], false, false),
            (vec!["--theme", "dark"], false, false),
            (vec!["--config", own], true, true),
            (vec!["--config", own, "--no-query"], false, true),
        ] {
            let args = Args::parse_from(std::iter::once("aurora-tui").chain(flags.clone()));
            let env = surroundings(&args).unwrap();
            assert_eq!(env.asks, asks, "{flags:?}");
            let bindings = env.keymap(None).0;
            let bindings = bindings.bindings("jobs");
            let mut keys = bindings.iter().map(|(keys, _, _)| keys);
            let found = keys.any(|keys| aurora_tui_model::key::show_sequence(keys) == "Z");
            assert_eq!(found, has_keys, "{flags:?}");
        }
    }

    #[test]
    fn clusters_are_named_by_flags_and_links() {
        for (flags, link, expected) in [
            (vec![], None, Some("")),
            (
                vec!["--cluster", "a", "--cluster", "b", "--cluster", "a"],
                None,
                Some("a b"),
            ),
            (vec![], Some("aurora://c/jobs"), Some("c")),
            (
                vec!["--cluster", "a", "--cluster", "b"],
                Some("aurora://b/jobs"),
                Some("a b"),
            ),
            (vec!["--cluster", "a"], Some("aurora://b/jobs"), None),
            (vec!["--cluster", "a", "--record", "f"], None, Some("a")),
            (
                vec!["--cluster", "a", "--cluster", "b", "--record", "f"],
                None,
                None,
            ),
        ] {
            let args = Args::parse_from(std::iter::once("aurora-tui").chain(flags.clone()));
            let link: Option<Link> = link.map(|link| link.parse().unwrap());
            let found = names(&args, link.as_ref())
                .ok()
                .map(|names| names.join(" "));
            assert_eq!(found.as_deref(), expected, "{flags:?}");
        }
    }
}

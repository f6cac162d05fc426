//! From the command line to a running workbench.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aurora_client::directory::{Directory, Environment, Target, local_target};
use aurora_client::local::{self, StartOptions};
use aurora_client::programs;
use aurora_tui_model::event::Event;
use aurora_tui_model::place::Link;
use aurora_tui_model::state::{Setup, State};
use aurora_tui_model::update::rounds_found;
use clap::Parser;
use tokio::sync::mpsc;

use crate::app::{self, Ending};
use crate::args::{Args, Local};
use crate::cluster::Cluster;
use crate::config::{self, Env, Wanted};
use crate::data::{BUFFER, Data, Source};
use crate::headless::{self, Errand, FAILED, NO_TERMINAL, USAGE};
use crate::paint::Look;
use crate::recorder::Recorder;
use crate::replay::Replay;
use crate::tape::Tape;
use crate::{about, terminal, tools};

/// The local cluster's name when nothing else is said.
const LOCAL_NAME: &str = "devcluster";

/// A fault with its exit code.
struct Fault(u8, anyhow::Error);

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault(FAILED, error)
    }
}

fn usage(error: impl Into<anyhow::Error>) -> Fault {
    Fault(USAGE, error.into())
}

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
    let mut env = Env::of_process();
    if let Some(dir) = &args.config {
        env.config_dir = Some(std::path::absolute(dir).context("--config")?);
    }
    env.asks = !args.no_query && args.theme.is_none();
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

async fn work(
    args: Args,
    env: Env,
    environment: Environment,
    link: Option<Link>,
    screenless: bool,
) -> Result<u8, Fault> {
    let name = args
        .cluster
        .clone()
        .or_else(|| link.as_ref().map(|link| link.cluster.clone()));
    if let Some(link) = &link
        && args
            .cluster
            .as_ref()
            .is_some_and(|cluster| *cluster != link.cluster)
    {
        return Err(usage(anyhow!(
            "--cluster and --open name different clusters"
        )));
    }
    if args.local == Some(Local::Stop) {
        let dir = local_dir(&environment, name.as_deref())?;
        let said = local::stop(&dir)
            .await
            .context("cannot stop the local cluster")?;
        writeln!(std::io::stdout(), "{}", said.trim_end()).context("standard output")?;
        return Ok(headless::DONE);
    }
    let Connected {
        cluster,
        source,
        state_dir,
    } = connect(&args, environment.clone(), name.as_deref()).await?;
    let wanted = Wanted {
        cluster: cluster.clone(),
        theme: args.theme.clone(),
        color: args.color,
        glyphs: args.glyphs,
    };
    let config::Loaded {
        look,
        keymap,
        rules,
        mut warnings,
        ..
    } = env.load(&wanted);
    let keeper = env.keeper(&cluster);
    let kept = keeper.read();
    warnings.extend(kept.warnings);
    let setup = Setup {
        cluster: cluster.clone(),
        user: config::user(),
        process: std::process::id(),
        read_only: args.read_only || args.replay.is_some(),
        local: state_dir.is_some(),
        rules,
        facts: facts(&env, &look),
        clusters: clusters(environment),
        keymap,
        warnings,
    };
    let recorder = Recorder::new(env.journal());
    let journal = recorder.read().map_or_else(
        |error| Event::Fault(format!("the journal cannot be read: {error}")),
        Event::Journal,
    );
    let (events, heard) = mpsc::channel(BUFFER);
    let now_ms = source.now_ms();
    let tape = args.record.as_deref();
    let tape = tape.map(|path| Tape::create(path, &cluster, now_ms));
    let data = Data::new(source, recorder, events)
        .keeping(keeper)
        .recording(tape.transpose().map_err(usage)?);
    let mut state = State::new(setup, args.size, now_ms);
    state.layouts = kept.layouts;
    state.bookmarks = kept.bookmarks;
    state.mouse = args.mouse;
    if let Some(rounds) = &kept.rounds {
        rounds_found(&mut state, rounds);
    }
    if screenless {
        let errand = Errand {
            exec: args.exec,
            script: args.script.as_deref().map(script).transpose()?,
            follow: args.follow,
            open: args.open,
            snapshot: args.snapshot,
            yes: args.yes,
            confirm: args.confirm,
            timeout: Duration::from_secs(args.timeout),
        };
        let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
        return match headless::run(state, data, heard, &look, errand, &mut out, &mut err).await {
            // Whoever read our output has enough.
            Err(error) if is_broken_pipe(&error) => Ok(headless::DONE),
            other => Ok(other?),
        };
    }
    let first = std::iter::once(journal)
        .chain(args.open.map(|link| Event::Run(format!("open {link}"))))
        .collect();
    let ending = app::run(state, data, heard, look, env, Some(&wanted), first).await?;
    if ending == (Ending::Quit { stop_cluster: true })
        && let Some(dir) = state_dir
    {
        // The screen is given back by now.
        let _ = writeln!(
            std::io::stderr(),
            "stopping the local cluster in {}",
            dir.display()
        );
        local::stop(&dir)
            .await
            .context("cannot stop the local cluster")?;
    }
    Ok(headless::DONE)
}

/// What a workbench runs on.
struct Connected {
    cluster: String,
    source: Arc<dyn Source>,
    /// The state directory of a local cluster.
    state_dir: Option<PathBuf>,
}

/// Finds the cluster, starts a local one, or opens a recorded session.
async fn connect(
    args: &Args,
    environment: Environment,
    name: Option<&str>,
) -> Result<Connected, Fault> {
    if let Some(path) = &args.replay {
        let replay = Replay::open(path, args.speed).map_err(usage)?;
        return Ok(Connected {
            cluster: replay.cluster().to_owned(),
            source: Arc::new(replay),
            state_dir: None,
        });
    }
    let target = match args.local {
        Some(_) => attach_or_start(args, &environment, name).await?,
        None => find(environment, name)?,
    };
    Ok(Connected {
        cluster: target.cluster.clone(),
        state_dir: target.local.as_ref().map(|local| local.state_dir.clone()),
        source: Arc::new(Cluster::new(target)),
    })
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
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .try_init()
        .map_err(|error| anyhow!("cannot log: {error}"))
}

fn local_dir(environment: &Environment, name: Option<&str>) -> anyhow::Result<PathBuf> {
    environment
        .state_dir(name.unwrap_or(LOCAL_NAME))
        .context("there is no home directory for the local cluster's state; give --state-dir DIR")
}

async fn attach_or_start(
    args: &Args,
    environment: &Environment,
    name: Option<&str>,
) -> anyhow::Result<Target> {
    let state_dir = local_dir(environment, name)?;
    if let Some(endpoints) =
        local::attach(&state_dir).context("cannot look for the local cluster")?
    {
        return Ok(local_target(endpoints)?);
    }
    // Progress is for a person; it may go nowhere.
    let _ = writeln!(
        std::io::stderr(),
        "starting a local cluster in {}",
        state_dir.display()
    );
    let options = StartOptions {
        cluster: name.unwrap_or(LOCAL_NAME).to_owned(),
        state_dir,
        demo: args.demo,
    };
    let endpoints = local::start_detached(&options)
        .await
        .context("cannot start the local cluster")?;
    Ok(local_target(endpoints)?)
}

/// Becomes `aurora-local run`. Comes back only when that fails.
fn run_in_foreground(args: &Args, environment: &Environment) -> Fault {
    let attempt = || -> anyhow::Result<std::io::Error> {
        if args.local == Some(Local::Stop) {
            bail!("--headless runs the local cluster; it does not go with `--local stop`");
        }
        let program = programs::find("aurora-local")?;
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--state-dir")
            .arg(local_dir(environment, args.cluster.as_deref())?);
        command
            .arg("--cluster-name")
            .arg(args.cluster.as_deref().unwrap_or(LOCAL_NAME));
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

/// How things look and where files are, by name.
fn facts(env: &Env, look: &Look) -> Vec<(String, String)> {
    let dir = |dir: &Option<PathBuf>| {
        let shown = dir.as_ref().map(|dir| dir.display().to_string());
        shown.unwrap_or_else(|| "none: there is no home directory".to_owned())
    };
    let glyphs = if look.unicode { "unicode" } else { "ascii" };
    let facts = [
        ("theme", look.theme.name.clone()),
        ("colours", format!("{:?}", look.depth).to_lowercase()),
        ("glyphs", glyphs.to_owned()),
        ("configuration", dir(&env.config_dir)),
        ("state", dir(&env.state_dir)),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The clusters that are configured, and where their schedulers are.
fn clusters(environment: Environment) -> Vec<(String, String)> {
    // What is wrong with the configuration was said when this cluster was looked for.
    let Ok(directory) = Directory::load(environment) else {
        return Vec::new();
    };
    let place = |name: &str| match directory.described(name) {
        None => "on this machine".to_owned(),
        Some(entry) => match (&entry.scheduler_uri, &entry.zk) {
            (Some(uri), _) => uri.clone(),
            (None, Some(zk)) => format!("by ZooKeeper at {zk}"),
            (None, None) => "its entry names no scheduler".to_owned(),
        },
    };
    let names = directory.names().into_iter();
    names.map(|name| (name.clone(), place(&name))).collect()
}

/// The cluster by its name, or the only one there is.
fn find(environment: Environment, name: Option<&str>) -> Result<Target, Fault> {
    let places = looked_for(&environment);
    let directory = Directory::load(environment).map_err(usage)?;
    let names = directory.names();
    let name = match (name, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, []) => {
            return Err(usage(anyhow!(
                "no cluster is configured. Looked for:\n{places}\n\
                 `aurora-tui --local` starts a cluster on this machine and shows it."
            )));
        }
        (None, several) => {
            return Err(usage(anyhow!(
                "which cluster? --cluster takes one of {}",
                several.join(", ")
            )));
        }
    };
    directory.find(name).map_err(|error| match names.is_empty() {
        true => usage(anyhow!("{error}. Looked for:\n{places}\n`aurora-tui --local` starts a cluster on this machine.")),
        false => usage(anyhow!("{error}; known are {}", names.join(", "))),
    })
}

/// Every file in which a cluster could be described, a line each.
fn looked_for(environment: &Environment) -> String {
    let root = environment
        .config_root
        .clone()
        .unwrap_or_else(|| PathBuf::from("/etc/aurora"));
    let home = environment.home.as_ref().map(|home| home.join(".aurora"));
    let described = [Some(root), home]
        .into_iter()
        .flatten()
        .map(|dir| dir.join("clusters.json"));
    let local = match &environment.state_dir {
        Some(dir) => Some(dir.join("endpoints.json")),
        None => environment
            .state_root()
            .map(|dir| dir.join("*/endpoints.json")),
    };
    let lines: Vec<String> = described
        .chain(local)
        .map(|path| format!("  {}", path.display()))
        .collect();
    lines.join("\n")
}

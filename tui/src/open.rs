//! Opening clusters: from a name to what works for it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use aurora_client::directory::{Directory, Environment, Target, local_target};
use aurora_client::local::{self, StartOptions};
use aurora_tui_model::state::{Level, Notice, Setup, State};
use aurora_tui_model::text;
use aurora_tui_model::update::rounds_found;
use tokio::sync::mpsc;

use crate::args::{Args, SIZE};
use crate::cluster::Cluster;
use crate::config::{self, Env, Wanted};
use crate::crew::{Crew, Member};
use crate::data::{BUFFER, Data, Source};
use crate::headless::{FAILED, USAGE};
use crate::paint::Look;
use crate::recorder::Recorder;
use crate::replay::Replay;
use crate::tape::Tape;

/// The local cluster's name when nothing else is said.
pub(crate) const LOCAL_NAME: &str = "devcluster";

/// A fault with its exit code.
pub(crate) struct Fault(pub(crate) u8, pub(crate) anyhow::Error);

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault(FAILED, error)
    }
}

pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Fault {
    Fault(USAGE, error.into())
}

/// What all clusters of a workbench are opened by.
#[derive(Clone)]
pub(crate) struct Opening {
    args: Arc<Args>,
    env: Env,
    environment: Environment,
}

impl Opening {
    pub(crate) fn new(args: Arc<Args>, env: Env, environment: Environment) -> Opening {
        Opening {
            args,
            env,
            environment,
        }
    }

    /// A workbench on these clusters, the first one on the screen; none named: on the only one there is.
    pub(crate) async fn crew(&self, names: &[String]) -> Result<Crew, Fault> {
        let first = names.first().map(String::as_str);
        let connected = connect(&self.args, self.environment.clone(), first).await?;
        let mut crew = Crew::new(self.member(connected)?);
        for name in names.iter().skip(1) {
            let target = find(self.environment.clone(), Some(name))?;
            crew.add(self.member(Connected::to(target))?);
        }
        // A recorded session is of one cluster.
        if self.args.record.is_some() || self.args.replay.is_some() {
            return Ok(crew);
        }
        let opening = self.clone();
        Ok(crew.opening(Box::new(move |name| {
            let target = find(opening.environment.clone(), Some(name));
            let member = target.and_then(|target| opening.member(Connected::to(target)));
            member.map_err(|Fault(_, error)| format!("{error:#}"))
        })))
    }

    fn member(&self, connected: Connected) -> Result<Member, Fault> {
        let Opening {
            args,
            env,
            environment,
        } = self;
        let Connected {
            cluster,
            source,
            state_dir,
            said,
        } = connected;
        let wanted = Wanted {
            cluster: cluster.clone(),
            theme: args.theme.clone(),
            color: args.color,
            glyphs: args.glyphs,
        };
        let loaded = env.load(&wanted);
        let keeper = env.keeper(&cluster);
        let kept = keeper.read();
        let mut warnings = loaded.warnings.clone();
        warnings.extend(kept.warnings);
        let setup = Setup {
            cluster: cluster.clone(),
            user: config::user(),
            process: std::process::id(),
            read_only: args.read_only || args.replay.is_some(),
            local: state_dir.is_some(),
            rules: loaded.rules.clone(),
            facts: facts(env, &loaded.look, &said),
            clusters: clusters(environment.clone()),
            keymap: loaded.keymap.clone(),
            warnings,
        };
        let (events, heard) = mpsc::channel(BUFFER);
        let now_ms = source.now_ms();
        let tape = args.record.as_deref();
        let tape = tape.map(|path| Tape::create(path, &cluster, now_ms));
        let data = Data::new(source, Recorder::new(env.journal()), events)
            .keeping(keeper)
            .recording(tape.transpose().map_err(usage)?);
        let mut state = State::new(setup, args.size.unwrap_or(SIZE), now_ms);
        state.layouts = kept.layouts;
        state.bookmarks = kept.bookmarks;
        state.mouse = args.mouse;
        state.notice = (!said.is_empty()).then(|| Notice {
            level: Level::Warn,
            text: text::clean(&said.join("; ")),
        });
        if let Some(rounds) = &kept.rounds {
            // Claimed for a moment, in order to learn whether somebody else has them.
            let owner = data.rounds_owner();
            rounds_found(&mut state, rounds, owner.as_deref());
        }
        Ok(Member {
            state,
            data,
            heard,
            look: loaded.look.clone(),
            loaded: Some((wanted, loaded)),
            state_dir,
        })
    }
}

/// What a workbench runs on.
struct Connected {
    cluster: String,
    source: Arc<dyn Source>,
    /// The state directory of a local cluster.
    state_dir: Option<PathBuf>,
    /// What was said at its start, a sentence each.
    said: Vec<String>,
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
            said: Vec::new(),
        });
    }
    match args.local {
        Some(_) => attach_or_start(args, &environment, name)
            .await
            .map_err(Fault::from),
        None => Ok(Connected::to(find(environment, name)?)),
    }
}

impl Connected {
    fn to(target: Target) -> Connected {
        Connected {
            cluster: target.cluster.clone(),
            state_dir: target.local.as_ref().map(|local| local.state_dir.clone()),
            source: Arc::new(Cluster::new(target)),
            said: Vec::new(),
        }
    }
}

pub(crate) fn local_dir(environment: &Environment, name: Option<&str>) -> anyhow::Result<PathBuf> {
    environment
        .state_dir(name.unwrap_or(LOCAL_NAME))
        .context("there is no home directory for the local cluster's state; give --state-dir DIR")
}

async fn attach_or_start(
    args: &Args,
    environment: &Environment,
    name: Option<&str>,
) -> anyhow::Result<Connected> {
    let state_dir = local_dir(environment, name)?;
    if let Some(endpoints) =
        local::attach(&state_dir).context("cannot look for the local cluster")?
    {
        return Ok(Connected::to(local_target(endpoints)?));
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
    let started = local::start_detached(&options)
        .await
        .context("cannot start the local cluster")?;
    for sentence in &started.said {
        let _ = writeln!(std::io::stderr(), "aurora-tui: {sentence}");
    }
    Ok(Connected {
        said: started.said,
        ..Connected::to(local_target(started.endpoints)?)
    })
}

/// How things look and where files are, by name.
fn facts(env: &Env, look: &Look, said: &[String]) -> Vec<(String, String)> {
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
    let said = said.iter().map(|said| ("said at the start", said.clone()));
    let all = facts.into_iter().chain(said);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
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

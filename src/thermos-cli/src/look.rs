//! Tasks of this machine: finding them, showing them, killing them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use aurora_api::thermos::{ProcessStatus, RunnerHeader};
use aurora_thermos::checkpoint::Reader;
use aurora_thermos::paths::{Stage, TaskPaths, find_roots, list_tasks};
use aurora_thermos::state::{self, RunnerState};
use aurora_thermos::{clock, takeover, users};
use clap::{Args, ValueEnum};
use regex::Regex;

use crate::Places;

/// Where tasks are recorded that no agent has started.
pub(crate) const DEFAULT_ROOT: &str = "/var/run/thermos";
/// Where an agent works.
const DEFAULT_MESOS_ROOT: &str = "/var/lib/mesos";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Active,
    Finished,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Regular expressions that ids begin with; all tasks without any.
    patterns: Vec<String>,
    /// How much to show, from 0 to 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    verbosity: u8,
    /// Tasks of this kind alone.
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Regular expressions that ids begin with.
    patterns: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// The stream: <root>/checkpoints/<task id>/runner.
    file: PathBuf,
    /// Show the records one by one, as they are.
    #[arg(long)]
    simple: bool,
}

impl Places {
    /// Every checkpoint root: those that are given, the usual ones, and those of the agents' runs.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let mut roots = vec![PathBuf::from(DEFAULT_ROOT)];
        roots.extend(self.root.clone());
        let agents = [
            Some(PathBuf::from(DEFAULT_MESOS_ROOT)),
            self.mesos_root.clone(),
        ];
        for agent in agents.into_iter().flatten() {
            roots.extend(find_roots(&agent));
        }
        let mut seen = BTreeSet::new();
        roots.retain(|root| seen.insert(root.clone()));
        roots
    }

    /// The tasks of one stage whose ids match, by root and id.
    fn tasks(&self, stage: Stage, patterns: &[Regex]) -> Vec<TaskPaths> {
        let mut found = Vec::new();
        for root in self.roots() {
            let Ok(tasks) = list_tasks(&root, stage) else {
                continue;
            };
            let mut ids: Vec<String> = tasks.into_iter().map(|task| task.task_id).collect();
            ids.sort();
            found.extend(
                ids.iter()
                    .filter(|id| patterns.iter().any(|pattern| pattern.is_match(id)))
                    .filter_map(|id| TaskPaths::new(&root, id).ok()),
            );
        }
        found
    }
}

/// Expressions that match at the beginning, as Python's `match`.
fn compile(patterns: &[String]) -> anyhow::Result<Vec<Regex>> {
    patterns
        .iter()
        .map(|pattern| {
            Regex::new(&format!("^(?:{pattern})"))
                .with_context(|| format!("cannot use {pattern:?}"))
        })
        .collect()
}

pub(crate) fn status(places: &Places, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let patterns = match args.patterns.as_slice() {
        [] => vec![Regex::new("").context("an empty expression")?],
        given => compile(given)?,
    };
    let mut out = io::stdout().lock();
    let mut found = false;
    for (only, stage, title) in [
        (Only::Active, Stage::Active, "Active tasks:"),
        (Only::Finished, Stage::Finished, "Finished tasks:"),
    ] {
        if args.only.is_some_and(|wanted| wanted != only) {
            continue;
        }
        let tasks = places.tasks(stage, &patterns);
        if tasks.is_empty() {
            continue;
        }
        found = true;
        writeln!(out, "{title}")?;
        for task in tasks {
            show(&mut out, &task, args.verbosity)?;
        }
        writeln!(out)?;
    }
    if found {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "No tasks found.")?;
    Ok(ExitCode::FAILURE)
}

fn show(out: &mut impl Write, task: &TaskPaths, verbosity: u8) -> anyhow::Result<()> {
    let stream = task.runner();
    let owner = fs::metadata(&stream).map_or_else(
        |_| "unknown".to_owned(),
        |metadata| {
            let uid = metadata.uid();
            users::by_uid(uid).map_or_else(|_| format!("uid:{uid}"), |user| user.name)
        },
    );
    write!(
        out,
        "  {:<20} [owner: {owner:>8}]",
        printable(task.task_id())
    )?;
    if verbosity == 0 {
        return Ok(writeln!(out)?);
    }
    let state = state::read_stream(&stream).ok().map(|(state, _)| state);
    let Some((header, state)) = state
        .as_ref()
        .and_then(|state| Some((state.header.as_ref()?, state)))
    else {
        return Ok(writeln!(
            out,
            " - checkpoint stream CORRUPT or outdated format"
        )?);
    };
    let launched = header.launch_time_ms.map_or(0, |ms| ms / 1000);
    writeln!(
        out,
        "  state: {:>8} start: {:>25}",
        state.task_state().name(),
        asctime(launched)
    )?;
    if verbosity > 1 {
        let user = printable(header.user.as_deref().unwrap_or("None"));
        writeln!(out, "    user: {user} ports: {}", ports(header, " -> "))?;
        let sandbox = printable(header.sandbox.as_deref().unwrap_or("None"));
        writeln!(out, "    sandbox: {sandbox}")?;
    }
    if verbosity > 2 {
        writeln!(out, "    process table:")?;
        for (process, runs) in &state.processes {
            let Some(last) = runs.last() else { continue };
            writeln!(
                out,
                "      - {} runs: {} last: {}",
                printable(process),
                runs.len(),
                run_facts(last)
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn ports(header: &RunnerHeader, arrow: &str) -> String {
    let ports: Vec<String> = header
        .ports
        .iter()
        .flatten()
        .map(|(name, port)| format!("{}{arrow}{port}", printable(name)))
        .collect();
    if ports.is_empty() {
        "None".to_owned()
    } else {
        ports.join(" ")
    }
}

fn run_facts(run: &ProcessStatus) -> String {
    let or_none = |value: Option<i32>| value.map_or("None".to_owned(), |value| value.to_string());
    format!(
        "pid={}, rc={}, finish:{}, state:{}",
        or_none(run.pid),
        run.return_code
            .map(|code| code.to_string())
            .unwrap_or_default(),
        run.stop_time
            .map_or("None".to_owned(), |time| asctime(time.0 as i64)),
        run.state.map_or("Unknown", |state| state.name())
    )
}

/// Records may be a task's own work: what could address a terminal is made visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

/// `Tue Nov 14 22:13:20 2023`, in UTC.
fn asctime(seconds: i64) -> String {
    clock::civil(seconds)
        .strftime("%a %b %e %H:%M:%S %Y")
        .to_string()
}

pub(crate) fn kill(places: &Places, args: &KillArgs) -> anyhow::Result<ExitCode> {
    if args.patterns.is_empty() {
        writeln!(io::stderr(), "Must specify tasks!")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    let tasks = places.tasks(Stage::Active, &compile(&args.patterns)?);
    if tasks.is_empty() {
        writeln!(out, "No active tasks matched.")?;
    }
    let mut code = ExitCode::SUCCESS;
    for task in tasks {
        write!(out, "Killing {}...", printable(task.task_id()))?;
        out.flush()?;
        match takeover::kill(&task) {
            Ok(()) => writeln!(out, "done.")?,
            Err(error) => {
                writeln!(out, "failed: {:#}", anyhow::Error::from(error))?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

pub(crate) fn read(args: &ReadArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if args.simple {
        let mut reader = Reader::new(&args.file);
        while let Some(record) = reader.next()? {
            // Derived, and so with every control character escaped.
            writeln!(out, "CKPT: {record:?}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (state, fault) = state::read_stream(&args.file)?;
    if let Some(fault) = fault {
        let file: &Path = &args.file;
        writeln!(out, "Failed to recover from {}: {fault}", file.display())?;
    }
    replayed(&mut out, &state)?;
    Ok(ExitCode::SUCCESS)
}

fn replayed(out: &mut impl Write, state: &RunnerState) -> anyhow::Result<()> {
    let Some(header) = &state.header else {
        return Ok(writeln!(
            out,
            "Checkpoint stream CORRUPT or outdated format"
        )?);
    };
    let shown = |text: &Option<String>| printable(text.as_deref().unwrap_or("None"));
    writeln!(out, "Recovered Task Header:")?;
    writeln!(out, "  id:      {}", shown(&header.task_id))?;
    writeln!(out, "  user:    {}", shown(&header.user))?;
    writeln!(out, "  host:    {}", shown(&header.hostname))?;
    writeln!(out, "  sandbox: {}", shown(&header.sandbox))?;
    if header.ports.as_ref().is_some_and(|ports| !ports.is_empty()) {
        writeln!(out, "  ports:   {}", ports(header, "->"))?;
    }
    writeln!(out, "Recovered Task States:")?;
    for status in &state.statuses {
        writeln!(
            out,
            "  {} [pid: {}] => {}",
            asctime(status.timestamp_ms.unwrap_or(0) / 1000),
            status.runner_pid.unwrap_or(0),
            status.state.map_or("Unknown", |state| state.name())
        )?;
    }
    writeln!(out, "Recovered Processes:")?;
    for (process, runs) in &state.processes {
        writeln!(out, "  {}   runs: {}", printable(process), runs.len())?;
        for (number, run) in runs.iter().enumerate().rev() {
            writeln!(out, "    {number:2}: {}", run_facts(run))?;
        }
    }
    Ok(())
}

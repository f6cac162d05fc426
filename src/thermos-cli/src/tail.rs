//! The log of a process: its end, and what is added while it runs.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aurora_api::thermos::ProcessState;
use aurora_thermos::paths::{TaskPaths, run_log_dir};
use aurora_thermos::procs;
use aurora_thermos::state::{self, RunnerState};
use clap::Args;

use crate::Places;
use crate::look::printable;

/// How many lines of the end are shown first, as upstream; and how much of them at most, in bytes.
const LINES: usize = 10;
const BACK: u64 = 16 << 10;
/// Between two looks at a growing log.
const LOOK: Duration = Duration::from_millis(200);
/// Between two looks at the run, as upstream.
const CHECK: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The task's id.
    task: String,
    /// The process, when the task has several.
    process: Option<String>,
    /// Show its errors instead of its output.
    #[arg(long)]
    stderr: bool,
}

/// A run whose log is shown.
struct Chosen {
    paths: TaskPaths,
    process: String,
    run: usize,
    log: PathBuf,
}

pub(crate) fn tail(places: &Places, args: &TailArgs) -> anyhow::Result<ExitCode> {
    let chosen = match choose(places, args) {
        Ok(chosen) => chosen,
        Err(reason) => {
            writeln!(io::stderr(), "ERROR: {reason}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut out = io::stdout().lock();
    let active = is_active(&chosen);
    let kind = if active { "active" } else { "terminal" };
    writeln!(
        out,
        "Tail of {kind} log {}",
        printable(&chosen.log.display().to_string())
    )?;
    let mut log = File::open(&chosen.log)?;
    seek_last_lines(&mut log)?;
    copy(&mut log, &mut out)?;
    let mut check = Instant::now() + CHECK;
    let mut goes_on = active;
    while goes_on {
        out.flush()?;
        procs::pause(LOOK);
        // Asked before the last copy, so that the last words are not missed.
        if Instant::now() >= check {
            check = Instant::now() + CHECK;
            goes_on = is_active(&chosen);
        }
        follow(&mut log, &chosen.log, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes to where the last lines begin.
fn seek_last_lines(log: &mut File) -> io::Result<()> {
    let from = log.metadata()?.len().saturating_sub(BACK);
    log.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    log.take(BACK).read_to_end(&mut end)?;
    // What ends the last line begins none.
    let lines = end.strip_suffix(b"\n").unwrap_or(&end);
    let mut ends = (0..lines.len()).rev().filter(|&at| lines[at] == b'\n');
    let begin = ends.nth(LINES - 1).map_or(0, |before| before + 1);
    log.seek(SeekFrom::Start(from + begin as u64)).map(drop)
}

/// Copies what was added; a log that was moved aside since is read to its end, and then the one in its place.
fn follow(log: &mut File, path: &Path, out: &mut impl Write) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    copy(log, out)?;
    let (old, now) = (log.metadata()?, std::fs::metadata(path));
    if let Ok(now) = now
        && (now.dev(), now.ino()) != (old.dev(), old.ino())
    {
        *log = File::open(path)?;
        copy(log, out)?;
    } else if old.len() < log.stream_position()? {
        log.rewind()?;
    }
    Ok(())
}

fn copy(log: &mut File, out: &mut impl Write) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        match log.read(&mut bytes)? {
            0 => return Ok(()),
            count => out.write_all(&bytes[..count])?,
        }
    }
}

fn choose(places: &Places, args: &TailArgs) -> Result<Chosen, String> {
    let found = places.roots().into_iter().find_map(|root| {
        let paths = TaskPaths::new(root, &args.task).ok()?;
        let (state, _) = state::read_stream(&paths.runner()).ok()?;
        Some((paths, state))
    });
    let (paths, state) = found.ok_or("Could not find task.")?;
    let header = state.header.as_ref().ok_or("Could not find task.")?;
    let wanted = |name: &&String| args.process.as_ref().is_none_or(|wanted| wanted == *name);
    let mut names = state.processes.keys().filter(wanted);
    let process = match (names.next(), names.next()) {
        (None, _) => return Err("No processes found.".to_owned()),
        (Some(_), Some(_)) => return Err("More than one process matches query.".to_owned()),
        (Some(name), None) => name.clone(),
    };
    let run = state.processes[&process].len().saturating_sub(1);
    let log_dir = header.log_dir.as_deref().ok_or("The task has no logs.")?;
    let folder =
        run_log_dir(Path::new(log_dir), &process, run).map_err(|error| error.to_string())?;
    Ok(Chosen {
        log: folder.join(if args.stderr { "stderr" } else { "stdout" }),
        paths,
        process,
        run,
    })
}

/// Whether the run goes on.
fn is_active(chosen: &Chosen) -> bool {
    let state = state::read_stream(&chosen.paths.runner()).map(|(state, _)| state);
    state.is_ok_and(|state: RunnerState| {
        let runs = state.processes.get(&chosen.process);
        !state.is_over()
            && runs.is_some_and(|runs| {
                runs.len() == chosen.run + 1
                    && matches!(
                        runs.last().and_then(|run| run.state),
                        Some(ProcessState::Forked | ProcessState::Running)
                    )
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_are_shown_first() {
        let numbers = |from, to| (from..=to).map(|n| format!("{n}\n")).collect::<String>();
        let long = "x".repeat(20 << 10);
        for (text, expected) in [
            ("", ""),
            ("one", "one"),
            (&numbers(1, 10), &*numbers(1, 10)),
            (&numbers(1, 12), &numbers(3, 12)),
            (
                &format!("{}last", numbers(1, 12)),
                &format!("{}last", numbers(4, 12)),
            ),
            ("\n\n\n", "\n\n\n"),
            (&long, &long[..16 << 10]),
        ] {
            let mut log = tempfile::tempfile().unwrap();
            log.write_all(text.as_bytes()).unwrap();
            seek_last_lines(&mut log).unwrap();
            let mut shown = String::new();
            log.read_to_string(&mut shown).unwrap();
            assert_eq!(shown, expected);
        }
    }
}

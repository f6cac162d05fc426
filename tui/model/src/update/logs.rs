//! Output of processes: what is read for it, what comes in, and its commands.

use crate::event::{Process, Seen, Start, TaskInfo, Watch, WatchWhat};
use crate::logs::Line;
use crate::logs::pane::{Labels, Logs, MOST_TAILS, Pane, Shape, Tail, Target};
use crate::moment::moment;
use crate::place::Place;
use crate::state::{Detail, Level, State, View};
use crate::{screen, text};

use super::{movement, notice};

/// Brings the tails of several instances in line with the tasks that run them now.
pub(super) fn follow_instances(state: &mut State) {
    let Place::Tails(job, wanted, _) = &state.view.place else {
        return;
    };
    let mut tasks: Vec<(i32, String)> = state
        .store
        .instances(job)
        .into_iter()
        .filter(|(instance, task)| {
            task.host.is_some() && (wanted.is_empty() || wanted.contains(instance))
        })
        .map(|(instance, task)| (instance, task.task_id.clone()))
        .collect();
    // Of a job whose tasks are counted not even all hosts are known.
    let active = state.store.jobs.get(job).map_or(0, |job| job.active);
    let known = match state.store.counted(job) {
        Some(_) if wanted.is_empty() => usize::try_from(active).unwrap_or(usize::MAX),
        Some(_) => wanted.len(),
        None => tasks.len(),
    };
    let left_out = known.saturating_sub(MOST_TAILS);
    tasks.truncate(MOST_TAILS);
    if let Detail::Logs(logs) = &mut state.view.detail {
        logs.left_out = left_out;
        logs.set_tasks(&tasks);
    }
}

/// What has to be read for the outputs on the screen.
pub(super) fn watches(state: &State, logs: &Logs) -> Vec<Watch> {
    let mut out: Vec<Watch> = Vec::new();
    for tail in &logs.tails {
        let task = state.store.tasks.get(&tail.task);
        let Some(host) = task.and_then(|task| task.host.clone()) else {
            continue;
        };
        let watch = |what| Watch {
            host: Some(host.clone()),
            task: tail.task.clone(),
            what,
        };
        let whole = watch(WatchWhat::Task);
        if !out.contains(&whole) {
            out.push(whole);
        }
        if let (Some(process), Some(run)) = (&tail.process, tail.run) {
            out.push(watch(WatchWhat::Log {
                process: process.clone(),
                run,
                stream: tail.stream,
                start: tail.pane.start,
            }));
        }
    }
    out
}

/// Learns from a host which process and run of a task there is to read.
pub(super) fn seen_task(logs: &mut Logs, task: &str, info: &TaskInfo) {
    for tail in logs.tails.iter_mut().filter(|tail| tail.task == task) {
        tail.known = true;
        if tail.process.is_none() {
            let most = matters_most(&info.processes).map(|process| process.name.clone());
            tail.process = logs.process.clone().or(most);
        }
        let newest = info
            .processes
            .iter()
            .find(|process| Some(&process.name) == tail.process.as_ref())
            .map(|process| process.run)
            .filter(|run| *run >= 0);
        tail.newest = newest;
        if logs.run.is_some() || newest.is_none() || tail.run == newest {
            tail.run = logs.run.or(tail.run);
            continue;
        }
        if let (Some(_), Some(run)) = (tail.run, newest) {
            tail.pane.start = Start::End;
            tail.pane.buffer.notice(&format!("run {run} begins"));
        }
        tail.run = newest;
    }
}

/// The process whose output one most likely wants: one that failed while none runs, else the running one that started
/// last, else the one that ended last.
fn matters_most(processes: &[Process]) -> Option<&Process> {
    let started = processes.iter().filter(|process| process.run >= 0);
    started.max_by_key(|process| {
        let weight = match process.state.as_str() {
            "RUNNING" | "FORKED" => 2,
            "FAILED" | "LOST" => 1,
            _ => 0,
        };
        (weight, process.start_ms)
    })
}

/// Takes in what was found of an output or a file.
pub(super) fn seen_text(state: &mut State, watch: &Watch, seen: Seen) {
    let filter = state.view.filter.filter.clone();
    let now_ms = state.server_now_ms();
    let rows = screen::pane_rows(state);
    // What came may be what the others have moved to.
    state.layout.instant = None;
    match (&mut state.view.detail, &watch.what) {
        (Detail::File(pane), WatchWhat::File { .. }) => {
            pane.take(seen, now_ms, &filter);
            reach(pane, rows);
        }
        (Detail::Logs(logs), WatchWhat::Log { stream, .. }) => {
            let found = |tail: &Tail| tail.task == watch.task && tail.stream == *stream;
            if let Some(at) = logs.tails.iter().position(found) {
                logs.tails[at].pane.take(seen, now_ms, &filter);
                logs.gather(at, &filter);
                let pane = match &mut logs.merged {
                    Some(merged) => Some(&mut **merged),
                    None => logs.tails.get_mut(at).map(|tail| &mut tail.pane),
                };
                if let Some(pane) = pane {
                    reach(pane, rows);
                }
            }
        }
        _ => {}
    }
}

/// Shows the time that was asked for, once there are lines of it.
fn reach(pane: &mut Pane, rows: usize) {
    match pane.target {
        // More may come before it.
        Some(Target::Before(time_ms)) => pane.show_until(time_ms - 1),
        Some(Target::From(time_ms)) => {
            let found = pane.show_time(time_ms, rows);
            pane.target = pane.target.filter(|_| !found);
            pane.paused |= found;
        }
        None => {}
    }
}

fn logs_mut(state: &mut State) -> Result<&mut Logs, String> {
    match &mut state.view.detail {
        Detail::Logs(logs) => Ok(logs),
        _ => Err("this is not a process's output".to_owned()),
    }
}

/// After what passes was changed: every pane is sifted anew.
pub(super) fn sift(state: &mut State) {
    let filter = state.view.filter.filter.clone();
    match &mut state.view.detail {
        Detail::Logs(logs) => {
            let names = match logs.merged {
                Some(_) => logs.names(),
                None => Vec::new(),
            };
            for pane in logs.panes_mut() {
                pane.sift(0, &filter, &names);
            }
        }
        Detail::File(pane) => pane.sift(0, &filter, &[]),
        _ => {}
    }
}

pub(super) fn next_pane(state: &mut State) -> Result<(), String> {
    let logs = logs_mut(state).map_err(|_| "there is one pane here")?;
    if logs.panes() < 2 {
        return Err("there is one pane here".to_owned());
    }
    logs.focus = (logs.focus + 1) % logs.panes();
    Ok(())
}

pub(super) fn zoom(state: &mut State) -> Result<(), String> {
    let logs = logs_mut(state).map_err(|_| "there is one pane here")?;
    logs.zoomed = !logs.zoomed;
    Ok(())
}

pub(super) fn merge(state: &mut State) -> Result<(), String> {
    let filter = state.view.filter.filter.clone();
    let logs = logs_mut(state)?;
    let merged = logs.merged.is_none();
    logs.set_merged(merged, &filter);
    let said = match merged {
        true => "one pane, by time; a line without a time stays with the one before it",
        false => "side by side",
    };
    notice(state, Level::Info, said);
    Ok(())
}

/// Instances of a job as one log: those named, else the marked ones, else all.
pub(super) fn tails(
    state: &State,
    word: Option<&str>,
    process: Option<&str>,
) -> Result<Place, String> {
    let (job, instances) = match word {
        Some(word) => match crate::command::target(word, &state.setup.cluster)? {
            crate::command::Target::Job(job, instances) => (job, instances.unwrap_or_default()),
            crate::command::Target::Task(_) => {
                return Err(format!(
                    "`{word}` is not a job; write ROLE/ENVIRONMENT/NAME[/INSTANCES]"
                ));
            }
        },
        None => {
            let marked = match &state.view.place {
                Place::Instances(_) => state.view.marks.iter(),
                _ => Default::default(),
            };
            let marked = marked.filter_map(|id| id.parse().ok()).collect();
            (super::find::selected_job(state)?, marked)
        }
    };
    Ok(Place::Tails(job, instances, process.map(str::to_owned)))
}

/// The time of the line on the screen, which `+5m` counts from.
fn here_ms(state: &State) -> i64 {
    let pane = state.view.pane();
    let line = pane.and_then(|pane| pane.buffer.line(pane.last_visible()?));
    line.map_or_else(|| state.server_now_ms(), |line| line.time_ms)
}

/// Shows a time: scrolls to it, or reads that part of the file.
pub(super) fn at(state: &mut State, word: &str) -> Result<(), String> {
    let time_ms = moment(word, state.server_now_ms(), here_ms(state))?;
    let rows = screen::pane_rows(state);
    let is_sheet = state.view.place.is_sheet();
    let pane = state
        .view
        .pane_mut()
        .filter(|_| !is_sheet)
        .ok_or("only output and files have times to go to")?;
    let is_read = pane.skipped == 0 || pane.first_time().is_some_and(|first| first <= time_ms);
    if is_read && pane.show_time(time_ms, rows) {
        pane.paused = true;
        return Ok(());
    }
    if is_read && pane.rest == 0 {
        return Err(format!(
            "there is no line of {} or later",
            text::utc(time_ms)
        ));
    }
    read_at(state, time_ms);
    notice(
        state,
        Level::Info,
        &format!("looking for {}", text::utc(time_ms)),
    );
    Ok(())
}

/// Reads the outputs on the screen from a time on.
fn read_at(state: &mut State, time_ms: i64) {
    let start = Start::Time(time_ms);
    let pane = match &mut state.view.detail {
        Detail::Logs(logs) if logs.merged.is_some() => {
            let starts = vec![start; logs.tails.len()];
            return turn_merged(logs, &starts, Some(Target::From(time_ms)));
        }
        Detail::Logs(logs) => logs.pane_mut(),
        Detail::File(pane) => Some(&mut **pane),
        _ => None,
    };
    if let Some(pane) = pane {
        pane.turn_to(start, true);
        pane.target = Some(Target::From(time_ms));
    }
}

/// Reads each merged output from another place, and shows a time of it once it was read. What is read from there already stays.
pub(super) fn turn_merged(logs: &mut Logs, starts: &[Start], target: Option<Target>) {
    let to_the_end = starts.iter().all(|start| *start == Start::End);
    let tails = logs.tails.iter_mut().zip(starts);
    let stays: Vec<bool> = tails
        .map(|(tail, start)| {
            let stays = tail.pane.start == *start && tail.pane.read;
            if !stays {
                tail.pane.turn_to(*start, !to_the_end);
            }
            stays
        })
        .collect();
    let Some(merged) = &mut logs.merged else {
        return;
    };
    let mut lines: Vec<Line> = merged.buffer.take_finished().into();
    lines.retain(|line| stays.get(usize::from(line.source)) == Some(&true));
    **merged = Pane {
        read: !lines.is_empty(),
        paused: !to_the_end,
        target,
        left: merged.left,
        search: merged.search,
        window: merged.window,
        ..Pane::default()
    };
    merged.buffer.put_back(lines);
    if !to_the_end {
        merged.up = merged.buffer.shown();
    }
}

/// Where what was read of merged outputs ends and they go on, the part before or after it is read of all of them. Says
/// whether it is.
pub(super) fn turn_page(state: &mut State, by: isize) -> bool {
    let rows = screen::pane_rows(state);
    let Detail::Logs(logs) = &mut state.view.detail else {
        return false;
    };
    let Some(merged) = &logs.merged else {
        return false;
    };
    let at_top = merged.up >= merged.buffer.shown().saturating_sub(rows);
    let all = |start| Some((None, vec![start; logs.tails.len()]));
    let part = |above| {
        let part = logs.next_part(above);
        let target = if above { Target::Before } else { Target::From };
        part.map(|(bound, starts)| (Some(target(bound)), starts))
    };
    let found = match by {
        isize::MIN if merged.skipped > 0 => all(Start::At(0)),
        isize::MAX if merged.rest > 0 => all(Start::End),
        isize::MIN | isize::MAX => None,
        ..=-1 if at_top && merged.skipped > 0 => part(true),
        1.. if merged.up == 0 && merged.rest > 0 => part(false),
        _ => None,
    };
    let Some((target, starts)) = found else {
        return false;
    };
    turn_merged(logs, &starts, target);
    true
}

/// Bounds the times that are shown; without a word the bound goes.
pub(super) fn bound(state: &mut State, word: Option<&str>, since: bool) -> Result<(), String> {
    let time = word
        .map(|word| moment(word, state.server_now_ms(), here_ms(state)))
        .transpose()?;
    let panes = match &mut state.view.detail {
        Detail::Logs(logs) => logs.panes_mut(),
        Detail::File(pane) if !state.view.place.is_sheet() => vec![&mut **pane],
        _ => return Err("only output and files have times".to_owned()),
    };
    let mut beyond = false;
    for pane in panes {
        match since {
            true => pane.window.since_ms = time,
            false => pane.window.until_ms = time,
        }
        (pane.up, pane.paused, pane.unseen) = (0, false, 0);
        let first = pane.first_time();
        beyond |=
            pane.skipped > 0 && time.is_some_and(|time| first.is_some_and(|first| time < first));
    }
    match time {
        // What is asked for was not read yet.
        Some(time_ms) if beyond && since => read_at(state, time_ms),
        _ => sift(state),
    }
    Ok(())
}

/// Shows another run of the processes.
pub(super) fn other_run(state: &mut State, word: &str) -> Result<(), String> {
    let logs = logs_mut(state)?;
    let newest = logs.tails.iter().filter_map(|tail| tail.newest).max();
    let newest = newest.ok_or("no run is known yet")?;
    let now = logs.run.unwrap_or(newest);
    let wanted = match word {
        "newest" => newest,
        "older" => now - 1,
        "newer" => now + 1,
        number => number.parse().map_err(|_| {
            format!("`{number}` is not a run; write a number, older, newer or newest")
        })?,
    };
    if wanted < 0 || wanted > newest {
        return Err(format!("there are runs 0 to {newest}"));
    }
    // The newest is followed when yet another begins.
    logs.run = Some(wanted).filter(|wanted| *wanted < newest);
    for tail in &mut logs.tails {
        let run = logs.run.or(tail.newest);
        if tail.run != run {
            tail.run = run;
            tail.pane = Pane {
                window: tail.pane.window,
                search: tail.pane.search,
                ..Pane::default()
            };
        }
    }
    if let Some(merged) = &mut logs.merged {
        **merged = Pane {
            window: merged.window,
            search: merged.search,
            ..Pane::default()
        };
    }
    Ok(())
}

pub(super) fn fields(state: &mut State, names: &[String]) -> Result<(), String> {
    let logs = logs_mut(state)?;
    logs.shape = match (&logs.shape, names.is_empty()) {
        (Shape::Fields(_), true) => Shape::Raw,
        _ => Shape::Fields(names.to_vec()),
    };
    let said = match logs.shape {
        Shape::Raw => "structured lines as they were written",
        Shape::Fields(_) => "structured lines by their fields",
    };
    notice(state, Level::Info, said);
    Ok(())
}

pub(super) fn labels(state: &mut State) -> Result<(), String> {
    let logs = logs_mut(state)?;
    logs.labels = match logs.labels {
        Labels::Full => Labels::Short,
        Labels::Short => Labels::None,
        Labels::None => Labels::Full,
    };
    Ok(())
}

pub(super) fn histogram(state: &mut State) -> Result<(), String> {
    let logs = logs_mut(state)?;
    logs.strip = !logs.strip;
    Ok(())
}

/// The process that comes after the one on the screen.
pub(super) fn next_process(state: &mut State) -> Result<(), String> {
    let Place::Logs(task, _) = state.view.place.clone() else {
        return Err("this is not one task's output".to_owned());
    };
    let names: Vec<String> = state
        .view
        .task
        .iter()
        .flat_map(|info| info.processes.iter().map(|process| process.name.clone()))
        .collect();
    let logs = logs_mut(state)?;
    let process = logs.tails.first().and_then(|tail| tail.process.clone());
    let at = names.iter().position(|name| Some(name) == process.as_ref());
    let next = names
        .get(at.map_or(0, |at| (at + 1) % names.len().max(1)))
        .cloned();
    let next = next
        .filter(|_| names.len() > 1)
        .ok_or("there is no other process")?;
    let before = std::mem::take(logs);
    // The same view with another process, not one more step to go back.
    state.view = View::new(Place::Logs(task, Some(next)));
    if let Detail::Logs(logs) = &mut state.view.detail {
        logs.focus = before.focus;
        logs.zoomed = before.zoomed;
        logs.shape = before.shape;
        logs.strip = before.strip;
        logs.merged = before.merged.map(|_| Box::default());
    }
    Ok(())
}

/// Keeps the scroll position inside of what is shown.
pub(super) fn settle(state: &mut State) {
    let rows = movement::page(state).unsigned_abs();
    if let Some(pane) = state.view.pane_mut() {
        pane.up = pane.up.min(pane.buffer.shown().saturating_sub(rows));
    }
    let body = screen::body_rows(state);
    if let Detail::Logs(logs) = &mut state.view.detail
        && logs.merged.is_none()
    {
        let chrome = 1 + usize::from(logs.strip);
        for (at, rows) in logs.layout(body) {
            let pane = &mut logs.tails[at].pane;
            let most = pane
                .buffer
                .shown()
                .saturating_sub(rows.saturating_sub(chrome));
            pane.up = pane.up.min(most);
        }
    }
}

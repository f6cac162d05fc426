//! What is followed and watched: exactly what is on the screen.

use std::collections::BTreeSet;

use crate::event::{Effect, Process, Seen, Start, Stream, Watch, WatchWhat};
use crate::place::Place;
use crate::state::{Detail, Pane, State};
use crate::store::SUMMARY;

/// Starts and stops so that exactly what is needed is followed.
pub(super) fn reconcile(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut topics: BTreeSet<String> = [SUMMARY.to_owned()].into();
    topics.extend(state.view.place.topic().filter(|_| state.is_told()));
    topics.extend(state.awaiting.as_ref().map(|request| request.wish.topic()));
    topics.extend(
        state
            .changes
            .iter()
            .filter(|change| !change.progress.is_over())
            .map(|change| change.plan.request().wish.topic()),
    );
    if let crate::state::Mode::Confirm(plan, ..) = &state.mode {
        topics.insert(plan.request().wish.topic());
    }
    if topics != state.topics {
        state.store.follow(&topics);
        state.touch();
        state.topics = topics.clone();
        effects.push(Effect::Topics(topics));
    }
    let wanted = wanted(state);
    let unwanted: Vec<u64> = state
        .watches
        .iter()
        .filter(|(_, watch)| !wanted.contains(watch))
        .map(|(generation, _)| *generation)
        .collect();
    for generation in unwanted {
        state.watches.remove(&generation);
        effects.push(Effect::Stop(generation));
    }
    for watch in wanted {
        if !state.watches.values().any(|running| *running == watch) {
            let generation = state.next_id;
            state.next_id += 1;
            state.watches.insert(generation, watch.clone());
            effects.push(Effect::Start(generation, watch));
        }
    }
    effects
}

fn wanted(state: &State) -> Vec<Watch> {
    let Some(place) = state.view.place.task() else {
        return Vec::new();
    };
    if let Place::Why(_) = state.view.place {
        return match state.is_told() {
            true => vec![Watch {
                host: None,
                task: place.task.clone(),
                what: WatchWhat::Why,
            }],
            false => Vec::new(),
        };
    }
    let Some(host) = state
        .store
        .tasks
        .get(&place.task)
        .and_then(|task| task.host.clone())
    else {
        return Vec::new();
    };
    let watch = |what: WatchWhat| Watch {
        host: Some(host.clone()),
        task: place.task.clone(),
        what,
    };
    match (&state.view.place, &state.view.detail) {
        (Place::Task(_), _) => vec![watch(WatchWhat::Task)],
        (Place::Sandbox(_, path), _) => vec![watch(WatchWhat::Directory(path.clone()))],
        (Place::File(_, path), Detail::File(pane)) => vec![watch(WatchWhat::File {
            path: path.clone(),
            start: pane.start,
        })],
        (Place::Logs(..), Detail::Logs(logs)) => {
            let mut out = vec![watch(WatchWhat::Task)];
            if let (Some(process), Some(run)) = (&logs.process, logs.run) {
                for (stream, pane) in [Stream::Stdout, Stream::Stderr]
                    .into_iter()
                    .zip(&logs.panes)
                {
                    out.push(watch(WatchWhat::Log {
                        process: process.clone(),
                        run,
                        stream,
                        start: pane.start,
                    }));
                }
            }
            out
        }
        _ => Vec::new(),
    }
}

/// Takes in what a watch found; finds of watches that were stopped are dropped.
pub(super) fn seen(state: &mut State, generation: u64, seen: Seen) {
    let Some(watch) = state.watches.get(&generation).cloned() else {
        return;
    };
    match (&watch.what, seen) {
        (WatchWhat::Task, Seen::Task(info)) => {
            state.view.trouble = None;
            if let Detail::Logs(logs) = &mut state.view.detail {
                if logs.process.is_none() {
                    logs.process =
                        matters_most(&info.processes).map(|process| process.name.clone());
                }
                let run = info
                    .processes
                    .iter()
                    .find(|process| Some(&process.name) == logs.process.as_ref())
                    .map(|process| process.run)
                    .filter(|run| *run >= 0);
                if run.is_some() && logs.run != run {
                    if let (Some(_), Some(run)) = (logs.run, run) {
                        for pane in &mut logs.panes {
                            pane.start = Start::End;
                            pane.buffer.notice(&format!("run {run} begins"));
                        }
                    }
                    logs.run = run;
                }
            }
            state.view.task = Some(info);
        }
        (WatchWhat::Task, Seen::Absent(why) | Seen::Trouble(why)) => {
            state.view.trouble = Some(crate::text::clean(&why));
        }
        (WatchWhat::Why, Seen::Why(answer)) => {
            state.view.trouble = None;
            state.view.detail = Detail::Why(Some(answer));
        }
        (WatchWhat::Why, Seen::Absent(why) | Seen::Trouble(why)) => {
            state.view.trouble = Some(crate::text::clean(&why));
        }
        (WatchWhat::Directory(_), found) => match found {
            Seen::Directory(entries) => {
                state.view.trouble = None;
                state.view.detail = Detail::Directory(Some(entries));
            }
            Seen::Absent(why) | Seen::Trouble(why) => {
                state.view.trouble = Some(crate::text::clean(&why))
            }
            Seen::Task(_) | Seen::Why(_) | Seen::Bytes { .. } | Seen::Rest(_) | Seen::Truncated => {
            }
        },
        (WatchWhat::File { .. }, found) => {
            let filter = state.view.filter.filter.clone();
            if let Detail::File(pane) = &mut state.view.detail {
                into_pane(pane, found, &filter);
            }
        }
        (WatchWhat::Log { stream, .. }, found) => {
            let filter = state.view.filter.filter.clone();
            if let Some(pane) = state.log_pane(*stream) {
                into_pane(pane, found, &filter);
            }
        }
        (WatchWhat::Task | WatchWhat::Why, _) => {}
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

fn into_pane(pane: &mut Pane, seen: Seen, filter: &crate::filter::Filter) {
    match seen {
        Seen::Bytes {
            offset,
            next,
            bytes,
        } => {
            pane.trouble = None;
            pane.next = next;
            pane.rest = 0;
            if !pane.read {
                pane.read = true;
                pane.skipped = offset;
            }
            let before = pane.buffer.written();
            pane.buffer.push(&bytes);
            let new = usize::try_from(pane.buffer.written() - before).unwrap_or(usize::MAX);
            if pane.paused {
                pane.unseen += new as u64;
                let first = pane.buffer.len().saturating_sub(new);
                let shown = (first..pane.buffer.len())
                    .filter(|at| pane.search || crate::screen::line_matches(pane, *at, filter))
                    .count();
                pane.up += shown;
            }
        }
        Seen::Rest(bytes) => pane.rest = bytes,
        Seen::Truncated => {
            (pane.next, pane.skipped) = (0, 0);
            pane.buffer
                .notice("the file became shorter; from its new beginning:");
        }
        Seen::Absent(why) | Seen::Trouble(why) => pane.trouble = Some(crate::text::clean(&why)),
        Seen::Task(_) | Seen::Why(_) | Seen::Directory(_) => {}
    }
}

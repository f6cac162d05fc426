//! What each command does.

use crate::actions::Action;
use crate::command::{self, Command, Target, Verb, Weight, target};
use crate::event::{Effect, Viewer};
use crate::layout::Split;
use crate::place::Place;
use crate::state::{Detail, Input, Level, Mode, State};
use crate::table::Sort;
use crate::{screen, views};

use super::find::{
    find_config, find_diff, find_task, find_timeline, find_update, newest, selected_host,
    selected_id, selected_job,
};
use super::movement::{page, step, turn_to};
use super::{
    change, go, into, lines, logs, notice, panes, past, roam, rounds, seek, set_filter, together,
};

/// Runs command lines; a fault is shown and ends the run.
pub(super) fn lines(state: &mut State, text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = command::split(text).into_iter();
    while let Some(line) = rest.next() {
        let parsed = command::parse(&line);
        if let Some(instance) = parsed.as_ref().ok().and_then(|it| seek::needed(state, it)) {
            let lines: Vec<String> = [line].into_iter().chain(rest).collect();
            seek::begin(state, instance, lines.join(";"));
            break;
        }
        let outcome = parsed
            .map_err(|fault| fault.to_string())
            .and_then(|command| {
                let outcome = refused(state, &command)
                    .map_or_else(|| run(state, &command), |why| Err(why.to_owned()));
                if !command.spec.verb.only_moves() {
                    state.touch();
                }
                outcome
            });
        match outcome {
            Ok(mut more) => {
                // What follows is for the other cluster, never for this one.
                if let Some(Effect::Cluster { then, .. }) = more.last_mut() {
                    let lines: Vec<String> = then.take().into_iter().chain(rest).collect();
                    *then = (!lines.is_empty()).then(|| lines.join(";"));
                    effects.extend(more);
                    break;
                }
                effects.extend(more);
            }
            Err(fault) => {
                notice(state, Level::Bad, &fault);
                break;
            }
        }
    }
    effects
}

/// Why a command is not for the moment that is looked at.
fn refused(state: &State, command: &Command) -> Option<&'static str> {
    let changes = command.spec.weight == Weight::Changes
        || matches!(
            command.spec.verb,
            Verb::Actions | Verb::Examples | Verb::RoundsResume | Verb::Shell
        );
    (changes && state.looking.is_some())
        .then_some("nothing is changed while looking back; `moment now` returns")
}

fn run(state: &mut State, command: &Command) -> Result<Vec<Effect>, String> {
    let word = |at: usize| command.words.get(at).map(String::as_str);
    match command.spec.verb {
        Verb::List => {
            let place = Place::named(command.spec.name);
            list(state, place.ok_or("there is no such view")?, command)?;
        }
        Verb::Update => {
            let place = find_update(state, word(0), word(1))?;
            list(state, place, command)?;
        }
        Verb::Host => {
            let host = match word(0) {
                Some(host) => host.to_owned(),
                None => selected_host(state)?,
            };
            list(state, Place::Host(host), command)?;
        }
        Verb::Cluster => return Ok(vec![cluster(word(0).unwrap_or_default())]),
        Verb::Related => roam::related(state, &command.words)?,
        Verb::Bookmark => return Ok(roam::bookmark(state, word(0))),
        Verb::Forget => return roam::forget(state, word(0)),
        Verb::Forward => roam::forward(state)?,
        Verb::MarkRange => roam::mark_range(state)?,
        Verb::SplitRight => panes::split(state, Split::Right)?,
        Verb::SplitDown => panes::split(state, Split::Down)?,
        Verb::Focus => panes::move_focus(state, word(0).unwrap_or_default())?,
        Verb::Resize => panes::resize(state, word(0).unwrap_or_default())?,
        Verb::Close => panes::close(state)?,
        Verb::Pin => panes::pin(state),
        Verb::LinkPane => panes::link(state)?,
        Verb::TabNew => panes::new_tab(state)?,
        Verb::TabNext => return panes::turn_tabs(state, true),
        Verb::TabPrevious => return panes::turn_tabs(state, false),
        Verb::Tab => {
            let number = match word(0) {
                Some("last") => Some(state.layout.tabs.len()),
                word => word.and_then(|word| word.parse().ok()),
            };
            panes::show_tab(state, number.unwrap_or(0))?;
        }
        Verb::Layout => panes::arrange(state, word(0).unwrap_or_default())?,
        Verb::LayoutSave => return panes::save(state, word(0).unwrap_or_default()),
        Verb::Help => {
            let view = match &state.view.place {
                Place::Help(view) => view.clone(),
                place => place.view().to_owned(),
            };
            list(state, Place::Help(view), command)?;
        }
        Verb::Instances => {
            let job = match word(0) {
                Some(word) => match target(word, &state.setup.cluster)? {
                    Target::Job(job, _) => job,
                    Target::Task(_) => {
                        return Err(format!(
                            "`{word}` is not a job; write ROLE/ENVIRONMENT/NAME"
                        ));
                    }
                },
                None => selected_job(state)?,
            };
            list(state, Place::Instances(job), command)?;
        }
        Verb::Task => {
            let task = find_task(state, word(0))?;
            go(state, Place::Task(task));
        }
        Verb::Why => {
            let task = find_task(state, word(0))?;
            list(state, Place::Why(task), command)?;
        }
        Verb::Timeline => {
            let place = find_timeline(state, word(0))?;
            list(state, place, command)?;
        }
        Verb::Config => {
            let place = find_config(state, word(0))?;
            go(state, place);
        }
        Verb::Diff => {
            let place = find_diff(state, word(0), word(1))?;
            go(state, place);
        }
        Verb::Sandbox => {
            let task = find_task(state, word(0))?;
            let path = word(1).unwrap_or_default().trim_matches('/').to_owned();
            go(state, Place::Sandbox(task, path));
        }
        Verb::File => {
            let task = find_task(state, word(0))?;
            let path = word(1).unwrap_or_default().trim_matches('/').to_owned();
            go(state, Place::File(task, path));
        }
        Verb::Logs => {
            let task = find_task(state, word(0))?;
            let process = word(1)
                .map(str::to_owned)
                .or_else(|| match &state.view.place {
                    Place::Task(_) if word(0).is_none() => selected_id(state).ok(),
                    _ => None,
                });
            go(state, Place::Logs(task, process));
        }
        Verb::Open => return into::open(state, word(0).unwrap_or_default()),
        Verb::Down => step(state, 1),
        Verb::Up => step(state, -1),
        Verb::First => step(state, isize::MIN),
        Verb::Last => step(state, isize::MAX),
        Verb::PageDown => step(state, page(state)),
        Verb::PageUp => step(state, -page(state)),
        Verb::HalfPageDown => step(state, (page(state) / 2).max(1)),
        Verb::HalfPageUp => step(state, -(page(state) / 2).max(1)),
        Verb::ScrollLeft | Verb::ScrollRight => {
            if let Some(pane) = state.view.pane_mut() {
                pane.left = match command.spec.verb {
                    Verb::ScrollLeft => pane.left.saturating_sub(16),
                    _ => (pane.left + 16).min(crate::logs::MAX_LINE),
                };
            }
        }
        Verb::Enter => return into::enter(state),
        Verb::Back => roam::back(state)?,
        Verb::Previous => match state.previous.clone() {
            Some(place) => go(state, place),
            None => return Err("there is no view before this one".to_owned()),
        },
        Verb::Earlier => past::step(state, word(0), true)?,
        Verb::Later => past::step(state, word(0), false)?,
        Verb::Moment => past::to(state, word(0).unwrap_or_default())?,
        Verb::Tails => {
            let place = logs::tails(state, word(0), word(1))?;
            go(state, place);
        }
        Verb::Merge => logs::merge(state)?,
        Verb::Together => together::toggle(state),
        Verb::At => logs::at(state, word(0).unwrap_or_default())?,
        Verb::Since => logs::bound(state, word(0), true)?,
        Verb::Until => logs::bound(state, word(0), false)?,
        Verb::Run => logs::other_run(state, word(0).unwrap_or_default())?,
        Verb::Fields => logs::fields(state, &command.words)?,
        Verb::Labels => logs::labels(state)?,
        Verb::Histogram => logs::histogram(state)?,
        Verb::NextProblem => lines::problem(state, true)?,
        Verb::PreviousProblem => lines::problem(state, false)?,
        Verb::Save => {
            let form = word(1).unwrap_or("plain");
            return lines::save(state, word(0).unwrap_or_default(), form);
        }
        Verb::Pager => return lines::view(state, Viewer::Pager),
        Verb::Editor => return lines::view(state, Viewer::Editor),
        Verb::NextPane => logs::next_pane(state).or_else(|_| panes::move_focus(state, "next"))?,
        Verb::Zoom => panes::zoom(state).or_else(|_| logs::zoom(state))?,
        Verb::Newest => {
            let task = newest(state)?;
            go(state, Place::Task(task));
        }
        Verb::NextProcess => logs::next_process(state)?,
        Verb::Prompt => state.mode = Mode::Prompt(Input::default()),
        Verb::Filter => {
            if command.filter.is_empty() {
                let text = state.view.filter.text.clone();
                state.mode = Mode::Filter(Input::of(&text), text);
            } else {
                set_filter(state, &command.filter)?;
            }
        }
        Verb::Convert => {
            let pane = state
                .view
                .pane_mut()
                .ok_or("only output and files are searched; tables are filtered")?;
            let search = !pane.search;
            let panes = match &mut state.view.detail {
                Detail::Logs(logs) => logs.panes_mut(),
                Detail::File(pane) => vec![&mut **pane],
                Detail::None | Detail::Directory(_) => Vec::new(),
            };
            for pane in panes {
                (pane.search, pane.up, pane.paused) = (search, 0, false);
            }
            logs::sift(state);
            let text = if search {
                "searching: n and N go from match to match"
            } else {
                "showing only what matches"
            };
            notice(state, Level::Info, text);
        }
        Verb::SearchNext => lines::search(state, true)?,
        Verb::SearchPrevious => lines::search(state, false)?,
        Verb::Sort => sort(state, word(0).unwrap_or_default())?,
        Verb::NextSort => next_sort(state)?,
        Verb::Reverse => {
            let table = views::table(state).ok_or("text has no order to turn around")?;
            let sort = views::sort(state, &table).ok_or("this view has one order")?;
            state.view.sort = Some(Sort {
                descending: !sort.descending,
                ..sort
            });
        }
        Verb::Problems => state.view.problems = !state.view.problems,
        Verb::Offset => turn_to(state, word(0).unwrap_or_default())?,
        Verb::Follow => {
            let pane = state
                .view
                .pane_mut()
                .ok_or("there is nothing to follow here")?;
            pane.target = None;
            pane.paused = !pane.paused;
            pane.unseen = 0;
            pane.up = 0;
        }
        Verb::Mark => {
            let id = selected_id(state)?;
            state.view.anchor = Some(id.clone());
            if !state.view.marks.remove(&id) {
                state.view.marks.insert(id);
            }
            step(state, 1);
        }
        Verb::Unmark => state.view.marks.clear(),
        Verb::Copy => {
            let text = copied(state, word(0).unwrap_or_default())?;
            notice(state, Level::Info, &copied_notice(&text));
            return Ok(vec![Effect::Copy(text)]);
        }
        Verb::Actions => {
            if state.setup.read_only {
                return Err("this workbench is read-only (--read-only)".to_owned());
            }
            if change::menu(state).is_empty() {
                return Err("there is nothing here to change".to_owned());
            }
            state.mode = Mode::Menu(0);
        }
        Verb::Change => {
            let action = Action::named(command.spec.name)
                .ok_or_else(|| format!("`{}` changes nothing", command.spec.name))?;
            let reason = command.reason.as_deref().unwrap_or_default();
            change::ask(state, action, &command.words, reason)?;
        }
        Verb::RoundsStop => return rounds::stop(state),
        Verb::RoundsResume | Verb::RoundsForget if state.setup.read_only => {
            return Err("this workbench is read-only (--read-only)".to_owned());
        }
        Verb::RoundsResume => return rounds::go_on(state),
        Verb::RoundsForget => return rounds::forget(state),
        Verb::Shell => return into::shell(state, word(0)),
        Verb::Examples => {
            if state.setup.read_only {
                return Err(
                    "cannot launch the examples: this workbench is read-only (--read-only)"
                        .to_owned(),
                );
            }
            if !screen::is_empty_cluster(state) {
                return Err("the examples are for an empty cluster; this one has jobs".to_owned());
            }
            if state.launching {
                return Err("the examples are being launched".to_owned());
            }
            state.launching = true;
            notice(state, Level::Info, "launching the examples");
            return Ok(vec![Effect::Launch]);
        }
        Verb::Mouse => {
            state.mouse = !state.mouse;
            let text = match state.mouse {
                true => "the mouse selects rows and panes; views of text leave it to the terminal",
                false => "the mouse is left to the terminal",
            };
            notice(state, Level::Info, text);
        }
        Verb::Redraw => return Ok(vec![Effect::Redraw]),
        Verb::Suspend => return Ok(vec![Effect::Suspend]),
        Verb::Cancel => {
            if state.cancelled {
                return Ok(quit(state));
            }
            state.cancelled = true;
            (state.awaiting, state.sought) = (None, None);
            notice(state, Level::Info, "once more to quit");
        }
        Verb::Quit if panes::close(state).is_ok() => {}
        Verb::Quit => return Ok(quit(state)),
    }
    Ok(Vec::new())
}

fn quit(state: &mut State) -> Vec<Effect> {
    if state.setup.local {
        state.mode = Mode::Leave(false);
        Vec::new()
    } else {
        vec![Effect::Quit {
            stop_cluster: false,
        }]
    }
}

fn list(state: &mut State, place: Place, command: &Command) -> Result<(), String> {
    let least = place.since_version();
    if state.store.version.is_some_and(|version| version < least) {
        return Err(format!(
            "this scheduler's event feed does not tell about {}",
            place.view()
        ));
    }
    go(state, place);
    if !command.filter.is_empty() {
        set_filter(state, &command.filter)?;
    }
    if let Some(text) = &command.sort {
        sort(state, text)?;
    }
    Ok(())
}

pub(super) fn cluster(name: &str) -> Effect {
    Effect::Cluster {
        name: name.to_owned(),
        then: None,
    }
}

pub(super) fn sort(state: &mut State, text: &str) -> Result<(), String> {
    let table = views::table(state).ok_or("text has no columns to sort by")?;
    state.view.sort = Some(Sort::parse(text, &table.columns)?);
    Ok(())
}

fn next_sort(state: &mut State) -> Result<(), String> {
    let table = views::table(state).ok_or("text has no columns to sort by")?;
    let names = table.names();
    let now = views::sort(state, &table)
        .and_then(|sort| names.iter().position(|name| *name == sort.column));
    let next = now.map_or(0, |at| (at + 1) % names.len().max(1));
    if let Some(name) = names.get(next) {
        state.view.sort = Some(Sort {
            column: (*name).to_owned(),
            descending: false,
        });
        notice(state, Level::Info, &format!("sorted by {name}"));
    }
    Ok(())
}

/// What was copied, or how much when it is more than a line.
fn copied_notice(text: &str) -> String {
    match text.lines().count() {
        0 | 1 => format!("copied: {text}"),
        lines => format!("copied {lines} lines"),
    }
}

fn copied(state: &State, what: &str) -> Result<String, String> {
    let cluster = &state.setup.cluster;
    match what {
        "link" => Ok(state.link_here().to_string()),
        "screen" => Ok(panes::link_of_screen(state).to_string()),
        "line" => lines::copied(state, false),
        "lines" => lines::copied(state, true),
        "name" => match state.view.place.task() {
            Some(task) if !matches!(state.view.place, Place::Sandbox(..)) => Ok(task.task.clone()),
            _ => match (&state.view.place, selected_id(state)?) {
                (Place::Instances(job), instance) => Ok(format!("{cluster}/{job}/{instance}")),
                (Place::Jobs, job) => Ok(format!("{cluster}/{job}")),
                (_, id) => Ok(id),
            },
        },
        "row" => {
            let table = views::table(state).ok_or("there are no rows here")?;
            let at = views::selected(state, &table).ok_or("there is nothing here to select")?;
            let now_ms = state.server_now_ms();
            let cells = table.rows[at].cells.iter();
            let cells: Vec<_> = cells.map(|cell| cell.shown(now_ms)).collect();
            Ok(cells.join("\t"))
        }
        "cli" if screen::is_empty_cluster(state) => state
            .create_line
            .clone()
            .ok_or_else(|| "the line is not known yet".to_owned()),
        "cli" => Ok(format!(
            "aurora job status {cluster}/{}",
            selected_job(state)?
        )),
        other => Err(format!(
            "cannot copy `{other}`; copy takes name, link, screen, row, cli, line or lines"
        )),
    }
}

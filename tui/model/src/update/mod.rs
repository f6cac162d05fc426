//! How events change the state: a plain function, without input, output or clocks.

mod change;
mod complete;
mod find;
mod forms;
mod into;
mod keys;
mod lines;
mod logs;
mod meant;
mod mouse;
mod movement;
mod panes;
mod past;
mod roam;
mod rounds;
mod run;
mod seek;
mod sheet;
mod tell;
mod together;
mod watch;

use aurora_api::feed::Line;

use crate::event::{Effect, Event, Launch, LinkEvent, Seen};
use crate::keymap::Keymap;
use crate::place::Place;
use crate::rules::Rules;
use crate::state::{Detail, FilterBox, Level, LinkState, Mode, Notice, Pane, State, View};
use crate::theme::Warning;
use crate::{pages, screen, text, views};

/// How many views `back` remembers.
const HISTORY: usize = 50;

/// Takes in an event and says what is to be done.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    if let Event::Feed(at_ms, line) = &event {
        state.past.line(*at_ms, line);
    }
    let mut effects = match event {
        Event::Key(_) | Event::Paste(_) | Event::Mouse(..) | Event::Resize(..) | Event::Run(_) => {
            take(state, event)
        }
        event => past::with_live(state, |state| take(state, event)),
    };
    panes::follow(state);
    together::follow(state);
    effects.extend(past::with_live(state, watch::reconcile));
    effects
}

fn take(state: &mut State, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    if changes_data(&event) {
        state.touch();
    }
    match event {
        Event::Key(key) => effects.extend(keys::key(state, key)),
        Event::Paste(text) => keys::paste(state, &text),
        Event::Mouse(what, x, y) => mouse::mouse(state, what, x, y),
        Event::Resize(columns, rows) => {
            state.size = (columns, rows);
        }
        Event::Tick(now_ms) => {
            state.now_ms = now_ms;
            effects.extend(change::expire(state));
        }
        Event::Feed(at_ms, line) => {
            state.now_ms = state.now_ms.max(at_ms);
            state.heard_ms = at_ms;
            state.link = LinkState::Live;
            note_leader(state, &line, at_ms);
            let newest = tell::newest(state);
            state.store.apply(line, at_ms);
            effects.extend(tell::heard(state, newest));
            effects.extend(change::verify(state));
            change::resume(state);
            effects.extend(seek::resume(state));
        }
        Event::Link(at_ms, link) => {
            state.now_ms = state.now_ms.max(at_ms);
            state.link = match (link, &state.link) {
                (LinkEvent::Refused(why), LinkState::Unauthorised(since, _)) => {
                    LinkState::Unauthorised(*since, text::clean(&why))
                }
                (LinkEvent::Refused(why), _) => LinkState::Unauthorised(at_ms, text::clean(&why)),
                (LinkEvent::Connecting, _) => LinkState::Connecting,
                // Since when it is down is the first of several reports.
                (LinkEvent::Lost(why), LinkState::Down(since, _)) => {
                    LinkState::Down(*since, text::clean(&why))
                }
                (LinkEvent::Lost(why), _) => LinkState::Down(at_ms, text::clean(&why)),
            };
        }
        Event::Seen(generation, seen) => {
            let answered = matches!(seen, Seen::Answer(_) | Seen::Absent(_) | Seen::Trouble(_));
            watch::seen(state, generation, seen);
            if answered {
                effects.extend(change::verify(state));
                change::resume(state);
            }
        }
        Event::Answer(id, progress) => effects.extend(change::answer(state, id, progress)),
        Event::Journal(entries) => state.journal = entries,
        Event::Executed { host, outcome } => {
            effects.extend(rounds::after_command(state, &host, outcome));
        }
        Event::Claimed(outcome) => effects.extend(rounds::claimed(state, outcome)),
        Event::Notice(text) => notice(state, Level::Info, &text),
        Event::Fault(text) => notice(state, Level::Bad, &text),
        Event::Launch(launch) => {
            state.launching = matches!(launch, Launch::Progress(_));
            match launch {
                Launch::Progress(text) => notice(state, Level::Info, &text),
                Launch::Done(text) => notice(state, Level::Good, &text),
                Launch::Failed(text) => notice(state, Level::Bad, &text),
            }
        }
        Event::Saved(outcome) => {
            state.saving = state.saving.saturating_sub(1);
            match outcome {
                Ok(text) => notice(state, Level::Good, &text),
                Err(text) => notice(state, Level::Bad, &text),
            }
        }
        Event::Suggestion(line) => state.create_line = Some(line),
        Event::Run(line) => effects.extend(run::lines(state, &line)),
    }
    if !state.suggested && screen::is_empty_cluster(state) {
        state.suggested = true;
        effects.push(Effect::Suggest);
    }
    effects
}

/// Another leader than before is told for a while.
fn note_leader(state: &mut State, line: &Line, at_ms: i64) {
    if let Line::Hello(hello) = line
        && state
            .store
            .leader
            .as_ref()
            .is_some_and(|known| *known != hello.leader)
    {
        state.redirected_ms = Some(at_ms);
    }
    if state
        .redirected_ms
        .is_some_and(|since| at_ms - since > screen::REDIRECTED_MS)
    {
        state.redirected_ms = None;
    }
}

/// Whether an event may change what tables are made of. Commands say themselves whether they do.
fn changes_data(event: &Event) -> bool {
    !matches!(
        event,
        Event::Feed(_, Line::Heartbeat(_))
            | Event::Key(_)
            | Event::Paste(_)
            | Event::Mouse(..)
            | Event::Resize(..)
            | Event::Tick(_)
            | Event::Run(_)
    )
}

/// Takes another key map into use, as its files have changed.
pub fn configure(state: &mut State, keymap: Keymap, rules: Rules, warnings: Vec<Warning>) {
    let text = match warnings.len() {
        0 => "keys and colours were read anew".to_owned(),
        count => format!("keys and colours were read anew, with {count} fault(s)"),
    };
    state.setup.keymap = keymap;
    state.setup.rules = rules;
    state.setup.warnings = warnings;
    state.pressed.clear();
    state.touch();
    notice(state, Level::Info, &text);
}

/// Brings selection and scroll position in line with the rows; call it before drawing.
pub fn settle(state: &mut State) {
    panes::settle(state, settle_view);
}

fn settle_view(state: &mut State) {
    let Some(table) = views::table(state) else {
        logs::settle(state);
        return;
    };
    let rows = screen::table_rows(state);
    match views::selected(state, &table) {
        Some(at) => {
            state.view.index = at;
            if state.view.selected.is_none() {
                state.view.selected = Some(table.rows[at].id.clone());
            }
            let last_top = table.rows.len().saturating_sub(rows);
            let top = state.view.top.min(at).max((at + 1).saturating_sub(rows));
            state.view.top = top.min(last_top);
        }
        None => state.view.top = 0,
    }
}

pub use rounds::found as rounds_found;

pub(crate) use change::menu;
pub(crate) use seek::Sought;
pub(crate) use tell::Followed;

pub(crate) fn notice(state: &mut State, level: Level, message: &str) {
    state.notice = Some(Notice {
        level,
        text: text::clean(message),
    });
}

/// Goes to a view; the one left can be gone back to.
fn go(state: &mut State, place: Place) {
    if state.view.place == place {
        return;
    }
    panes::make_way(state);
    state.forward.clear();
    let mut left = std::mem::replace(&mut state.view, View::new(place));
    state.previous = Some(left.place.clone());
    // Output is read anew on return: it has gone on meanwhile, and it is what takes memory.
    forget_text(&mut left);
    state.back.push(left);
    if state.back.len() > HISTORY {
        state.back.remove(0);
    }
    state.mode = Mode::Normal;
}

fn forget_text(view: &mut View) {
    match &mut view.detail {
        Detail::Logs(logs) => {
            logs.forget();
        }
        Detail::File(pane) => {
            **pane = Pane {
                search: pane.search,
                ..Pane::default()
            };
        }
        Detail::Directory(_) | Detail::None => {}
    }
    pages::leave(view);
    view.trouble = None;
}

/// Sets the filter of the view; a faulty one is marked, and the last good one goes on working.
fn set_filter(state: &mut State, text: &str) -> Result<(), String> {
    let parsed = match views::table(state) {
        Some(table) => crate::filter::Filter::parse(text, &table.names()),
        None => crate::logs::sieve::parse(text),
    };
    match parsed {
        Ok(filter) => {
            state.view.filter = FilterBox {
                text: text.trim().to_owned(),
                filter,
                error: None,
            };
            if let Some(pane) = state.view.pane_mut() {
                pane.up = 0;
                pane.paused = false;
                pane.unseen = 0;
            }
            logs::sift(state);
            if state.view.place.is_sheet() {
                sheet::find_first(state);
            }
            Ok(())
        }
        Err(fault) => {
            state.view.filter.error = Some(fault.to_string());
            Err(fault.to_string())
        }
    }
}

#[cfg(test)]
mod tests;

//! Going about in lines of output and files, and taking them elsewhere.

use crate::event::{Effect, Viewer};
use crate::logs::pane::Pane;
use crate::logs::severity::Severity;
use crate::logs::{Line, out};
use crate::screen;
use crate::state::{Detail, Level, State};

use super::notice;

/// Lines that are copied at once; a terminal's clipboard takes some 100 KB.
const MOST_COPIED: usize = 500;

/// Goes to the next or previous line of a warning or worse that begins one.
pub(super) fn problem(state: &mut State, forward: bool) -> Result<(), String> {
    let rows = screen::pane_rows(state);
    let pane = state.view.pane_mut().ok_or("only output has levels")?;
    let here = pane.last_visible().unwrap_or(0);
    let grave = |at: &usize| {
        let line = pane.buffer.line(*at);
        line.is_some_and(|line| line.severity >= Some(Severity::Warn) && !continues(pane, *at))
    };
    // What is in the middle of the screen was found before.
    let middle = pane.shown().skip(pane.up).nth(rows / 2).unwrap_or(here);
    let found = match forward {
        true => pane
            .shown()
            .take_while(|at| *at > middle)
            .filter(grave)
            .last(),
        false => pane.shown().filter(|at| *at < middle).find(grave),
    };
    let at = found.ok_or("there is no further warning or error in what was read")?;
    pane.show_line(at, rows);
    Ok(())
}

/// Whether a line belongs to the one before, as the frames of a stack do.
fn continues(pane: &Pane, at: usize) -> bool {
    let (line, before) = (
        pane.buffer.line(at),
        at.checked_sub(1).and_then(|at| pane.buffer.line(at)),
    );
    match (line, before) {
        (Some(line), Some(before)) => {
            !line.stamped && line.severity == before.severity && line.source == before.source
        }
        _ => false,
    }
}

/// Takes the place of a pane's search: where `n` and `N` lead.
pub(super) fn search(state: &mut State, forward: bool) -> Result<(), String> {
    let rows = screen::pane_rows(state);
    let filter = state.view.filter.filter.clone();
    if filter.is_empty() {
        return Err("nothing to look for; / takes what to find".to_owned());
    }
    let names = names(state);
    let key = state
        .setup
        .keymap
        .keys_for(state.view.place.view(), "convert")
        .unwrap_or_default();
    let pane = state
        .view
        .pane_mut()
        .ok_or("tables are filtered, not searched")?;
    if !pane.search {
        return Err(format!(
            "only matching lines are shown; {key} shows all and searches"
        ));
    }
    let bottom = pane.last_visible().unwrap_or(0);
    let found = |at: &usize| screen::line_matches(pane, *at, &filter, &names);
    let at = match forward {
        true => pane
            .shown()
            .take_while(|at| *at > bottom)
            .filter(found)
            .last(),
        false => pane.shown().filter(|at| *at < bottom).find(found),
    };
    let at = at.ok_or("no further match")?;
    let below = pane.shown().take_while(|other| *other > at).count();
    pane.up = below.min(pane.buffer.shown().saturating_sub(rows));
    pane.paused = pane.up > 0;
    Ok(())
}

/// Names of the sources of merged lines; none where lines are of one source.
fn names(state: &State) -> Vec<String> {
    match &state.view.detail {
        Detail::Logs(logs) if logs.merged.is_some() => logs.names(),
        _ => Vec::new(),
    }
}

/// Lines for the clipboard: the last on the screen, or all on it.
pub(super) fn copied(state: &State, all: bool) -> Result<String, String> {
    let pane = state.view.pane().ok_or("there are no lines here")?;
    let rows = match all {
        true => screen::pane_rows(state).min(MOST_COPIED),
        false => 1,
    };
    let mut places: Vec<usize> = pane.shown().skip(pane.up).take(rows).collect();
    places.reverse();
    let lines = places.iter().filter_map(|at| pane.buffer.line(*at));
    let lines: Vec<String> = lines.map(Line::text).collect();
    match lines.is_empty() {
        true => Err("there are no lines here".to_owned()),
        false => Ok(lines.join("\n")),
    }
}

/// What is shown of the lines that were read, in one of the forms in which they are saved, and how many they are.
fn shown(state: &State, form: &str) -> Result<(String, usize), String> {
    let names = names(state);
    let pane = state
        .view
        .pane()
        .ok_or("only output and files have lines")?;
    let mut places: Vec<usize> = pane.shown().collect();
    places.reverse();
    let lines = places.iter().filter_map(|at| pane.buffer.line(*at));
    let written = |line: &Line| -> Result<String, String> {
        let source = names.get(usize::from(line.source));
        let label = source.map_or_else(String::new, |source| format!("{source} | "));
        Ok(match form {
            "plain" => format!("{label}{}\n", line.text()),
            "ansi" => format!("{label}{}\n", out::ansi(line)),
            "json" => format!("{}\n", out::json(line, source.map(String::as_str))),
            other => {
                return Err(format!(
                    "cannot save as `{other}`; write plain, ansi or json"
                ));
            }
        })
    };
    let text = lines.map(written).collect::<Result<String, _>>()?;
    Ok((text, places.len()))
}

/// Writes the lines to a new file.
pub(super) fn save(state: &mut State, path: &str, form: &str) -> Result<Vec<Effect>, String> {
    let (text, count) = shown(state, form)?;
    state.saving += 1;
    notice(state, Level::Info, &format!("saving {count} lines"));
    Ok(vec![Effect::Save {
        path: path.to_owned(),
        text,
    }])
}

/// Gives the lines to a program of the user.
pub(super) fn view(state: &State, with: Viewer) -> Result<Vec<Effect>, String> {
    let form = match with {
        Viewer::Pager => "ansi",
        Viewer::Editor => "plain",
    };
    let (text, _) = shown(state, form)?;
    Ok(vec![Effect::View { with, text }])
}

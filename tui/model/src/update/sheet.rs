//! Views that are a text which the scheduler is asked for: configurations, and how they differ.

use crate::logs::{Line, LogBuffer, MAX_LINE, Sgr, Span};
use crate::place::Place;
use crate::screen;
use crate::state::{Detail, State};
use crate::text;
use crate::told::{Answer, Section};

use super::lines;

/// Colours of a line by its first character; of the name of a member.
const ADDED: u8 = 2;
const REMOVED: u8 = 1;
const MEMBER: u8 = 6;

/// Puts the answer that is here into the pane of the view on the screen; what was scrolled out above stays above.
pub(super) fn fill(state: &mut State) {
    let question = match state.view.place.is_sheet() {
        true => state.view.place.questions().into_iter().next(),
        false => None,
    };
    let Some(Answer::Sheet(sections)) =
        question.and_then(|question| state.store.answers.get(&question))
    else {
        return;
    };
    let is_diff = matches!(state.view.place, Place::Diff(..));
    let found = lines_of(sections, is_diff);
    let Detail::File(pane) = &mut state.view.detail else {
        return;
    };
    let above = pane.buffer.shown().saturating_sub(pane.up);
    let first = !std::mem::replace(&mut pane.read, true);
    pane.buffer = LogBuffer::default();
    pane.buffer.put_back(found);
    pane.sift(0, &state.view.filter.filter, &[]);
    let shown = pane.buffer.shown();
    pane.up = match first {
        true => shown,
        false => shown.saturating_sub(above),
    };
}

/// The same for a view that was not filled yet.
pub(super) fn begin(state: &mut State) {
    if state.view.pane().is_some_and(|pane| !pane.read) {
        fill(state);
    }
}

/// After another filter: what is above stays, or the first match comes.
pub(super) fn find_first(state: &mut State) {
    let rows = screen::pane_rows(state);
    let filter = state.view.filter.filter.clone();
    let Some(pane) = state.view.pane_mut() else {
        return;
    };
    pane.up = pane.buffer.shown().saturating_sub(rows);
    let matches = |at: usize| screen::line_matches(pane, at, &filter, &[]);
    let is_seen = pane.shown().skip(pane.up).take(rows).any(matches);
    if pane.search && !filter.is_empty() && !is_seen {
        // Where nothing matches one stays at the beginning.
        lines::search(state, true).ok();
    }
}

fn lines_of(sections: &[Section], is_diff: bool) -> Vec<Line> {
    let mut out = Vec::new();
    for section in sections {
        if !out.is_empty() {
            out.push(Line::default());
        }
        out.push(Line {
            spans: vec![title(&section.title)],
            ..Line::default()
        });
        out.extend(section.lines.iter().map(|line| {
            let kept: String = line.chars().take(MAX_LINE).collect();
            let kept = text::clean(&kept);
            Line {
                spans: match is_diff {
                    true => vec![signed(&kept)],
                    false => members(&kept),
                },
                cut: line.chars().count().saturating_sub(MAX_LINE),
                ..Line::default()
            }
        }));
    }
    out
}

fn title(text: &str) -> Span {
    Span {
        text: format!("# {}", text::clean(text)),
        sgr: Sgr {
            bold: true,
            ..Sgr::default()
        },
    }
}

/// A line of a difference.
fn signed(line: &str) -> Span {
    span(
        line,
        match line.chars().next() {
            Some('+') => Some(ADDED),
            Some('-') => Some(REMOVED),
            _ => None,
        },
    )
}

/// A line of JSON, the name of its member apart.
fn members(line: &str) -> Vec<Span> {
    let blank = line.len() - line.trim_start().len();
    let name = line[blank..].strip_prefix('"').and_then(|rest| {
        let end = rest.find("\": ")?;
        Some(blank + end + 2)
    });
    match name {
        Some(end) => vec![span(&line[..end], Some(MEMBER)), span(&line[end..], None)],
        None => vec![span(line, None)],
    }
}

fn span(text: &str, color: Option<u8>) -> Span {
    Span {
        text: text.to_owned(),
        sgr: Sgr {
            color,
            ..Sgr::default()
        },
    }
}

//! Moving: the selection in tables, the lines in texts, and where texts are read.

use crate::event::{Start, WINDOW};
use crate::pages;
use crate::screen;
use crate::state::{Detail, Pane, State};
use crate::{text, views};

use super::logs;

pub(super) fn page(state: &State) -> isize {
    let rows = match state.view.pane() {
        Some(_) => screen::pane_rows(state),
        None => screen::table_rows(state),
    };
    isize::try_from(rows.max(1)).unwrap_or(1)
}

/// Moves the selection, or scrolls text: `isize::MIN` to the beginning, `isize::MAX` to the end.
pub(super) fn step(state: &mut State, by: isize) {
    if logs::turn_page(state, by) {
        return;
    }
    let merged = matches!(&state.view.detail, Detail::Logs(logs) if logs.merged.is_some());
    if state.view.pane().is_some() {
        let rows = screen::pane_rows(state);
        let shown = state.view.pane().map_or(0, |pane| pane.buffer.shown());
        if let Some(pane) = state.view.pane_mut() {
            let most = shown.saturating_sub(rows);
            if shown > 0 {
                pane.target = None;
            }
            if !merged && turn_page(pane, by, most) {
                return;
            }
            pane.up = match by {
                isize::MIN => most,
                isize::MAX => 0,
                by => pane.up.saturating_add_signed(by.saturating_neg()).min(most),
            };
            // Leaving the end pauses; only the explicit way to the end goes on following.
            if by == isize::MAX {
                pane.paused = false;
                pane.unseen = 0;
            } else if pane.up > 0 {
                pane.paused = true;
            }
        }
        return;
    }
    if matches!(by, isize::MIN | isize::MAX) && pages::leap(state, by == isize::MAX) {
        return;
    }
    let Some(table) = views::table(state) else {
        return;
    };
    let Some(at) = views::selected(state, &table) else {
        return;
    };
    let at = match by {
        isize::MIN => 0,
        isize::MAX => table.rows.len() - 1,
        by => at.saturating_add_signed(by).min(table.rows.len() - 1),
    };
    state.view.index = at;
    state.view.selected = Some(table.rows[at].id.clone());
}

/// Where what was read ends and the file goes on, the part before or after it is read instead. Says whether it was.
fn turn_page(pane: &mut Pane, by: isize, most: usize) -> bool {
    let (start, at_beginning) = match by {
        isize::MIN if pane.skipped > 0 => (Start::At(0), true),
        isize::MAX if pane.rest > 0 => (Start::End, false),
        ..=-1 if pane.up >= most && pane.skipped > 0 => {
            (Start::At(pane.skipped.saturating_sub(WINDOW)), false)
        }
        1.. if pane.up == 0 && pane.rest > 0 => (Start::At(pane.next), true),
        _ => return false,
    };
    pane.turn_to(start, at_beginning);
    true
}

/// Reads a file or log from `BYTES` (with k, M or G), from `N%` of it, or its end.
pub(super) fn turn_to(state: &mut State, text: &str) -> Result<(), String> {
    let merged = matches!(&state.view.detail, Detail::Logs(logs) if logs.merged.is_some());
    let pane = state
        .view
        .pane_mut()
        .filter(|_| !merged)
        .ok_or("only files and single outputs are read from an offset; `at` takes a time")?;
    let start = match text.strip_suffix('%') {
        _ if text == "end" => Start::End,
        Some(share) => {
            let share: u64 = share
                .parse()
                .ok()
                .filter(|share| *share <= 100)
                .ok_or_else(|| format!("`{text}`: a share is from 0% to 100%"))?;
            Start::At(pane.size() / 100 * share)
        }
        None => Start::At(text::parse_bytes(text).ok_or_else(|| {
            format!(
                "`{text}` is not an offset; write bytes such as 4096, 20k, 3M, 2G, or 50%, or end"
            )
        })?),
    };
    pane.turn_to(start, start != Start::End);
    Ok(())
}

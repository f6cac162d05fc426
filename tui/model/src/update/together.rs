//! Panes of output and files that scroll together: moving in one brings the others to the same instant.

use crate::event::Start;
use crate::layout::Instant;
use crate::logs::pane::{Logs, Pane};
use crate::state::{Detail, Level, State};

use super::{logs, notice, panes};

/// What was not read is read from so long before the instant on, so that the next steps back are read already.
const BEFORE_MS: i64 = 60_000;

/// Panes scroll together from now on, or each by itself.
pub(super) fn toggle(state: &mut State) {
    let together = !state.layout.together;
    (state.layout.together, state.layout.instant) = (together, None);
    let text = match together {
        true => "panes of output scroll together, by time",
        false => "each pane scrolls by itself",
    };
    notice(state, Level::Info, text);
}

/// Which pane has the keys: its frame, and its place among the outputs there.
fn here(state: &State) -> (u32, usize) {
    let focus = match &state.view.detail {
        Detail::Logs(logs) => logs.focus,
        _ => 0,
    };
    (state.layout.focus(), focus)
}

/// The instant that the pane with the keys shows; none when it has no lines.
fn instant(state: &State) -> Option<Instant> {
    let pane = state.view.pane()?;
    if !pane.paused && pane.rest == 0 {
        return Some(Instant::End);
    }
    let line = pane.buffer.line(pane.last_visible()?)?;
    Some(Instant::At(line.time_ms))
}

/// Brings all panes on the screen to the instant of the one with the keys, when that has moved.
pub(super) fn follow(state: &mut State) {
    if !state.layout.together {
        return;
    }
    let here = here(state);
    let Some(instant) = instant(state) else {
        return;
    };
    let now = Some((here, instant));
    let before = std::mem::replace(&mut state.layout.instant, now);
    // Who turns to another pane has not moved yet.
    if before == now || before.is_some_and(|(pane, _)| pane != here) {
        return;
    }
    panes::each(state, |state| {
        let home = state.layout.focus() == here.0;
        match &mut state.view.detail {
            Detail::Logs(logs) => bring_all(logs, home.then_some(here.1), instant),
            Detail::File(pane) if !home => bring(pane, instant),
            _ => {}
        }
    });
}

/// Brings all outputs of a view to an instant but the one that has the keys.
fn bring_all(logs: &mut Logs, but: Option<usize>, instant: Instant) {
    let Some(merged) = &mut logs.merged else {
        let tails = logs.tails.iter_mut().enumerate();
        for (_, tail) in tails.filter(|(at, _)| Some(*at) != but) {
            bring(&mut tail.pane, instant);
        }
        return;
    };
    if but.is_some() {
        return;
    }
    if let Some(start) = unread(merged, instant) {
        let starts = vec![start; logs.tails.len()];
        logs::turn_merged(logs, &starts, None);
    }
    if let Some(merged) = &mut logs.merged {
        show(merged, instant);
    }
}

fn bring(pane: &mut Pane, instant: Instant) {
    if let Some(start) = unread(pane, instant) {
        pane.turn_to(start, instant != Instant::End);
    }
    show(pane, instant);
}

fn show(pane: &mut Pane, instant: Instant) {
    match instant {
        Instant::End => (pane.up, pane.paused, pane.unseen) = (0, false, 0),
        Instant::At(time_ms) => pane.show_until(time_ms),
    }
}

/// Where a pane is to be read from when it has not read the instant.
fn unread(pane: &Pane, instant: Instant) -> Option<Start> {
    let time_ms = match instant {
        Instant::End => return (pane.rest > 0).then_some(Start::End),
        Instant::At(time_ms) => time_ms,
    };
    let is_before = pane.skipped > 0 && pane.first_time().is_none_or(|first| time_ms < first);
    let is_after = pane.rest > 0 && pane.last_time().is_none_or(|last| last < time_ms);
    let start = Start::Time(time_ms - BEFORE_MS);
    (pane.read && (is_before || is_after) && pane.start != start).then_some(start)
}

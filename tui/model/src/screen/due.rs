//! When a frame next changes through time alone.

use super::{Body, STALE_MS, Screen, body_rows};
use crate::state::{LinkState, Mode, State};
use crate::table::{Row, Table};
use crate::{text, views};

/// Nothing is looked after for longer than this: files of the configuration may have changed.
const LONGEST_MS: i64 = 10_000;

/// In how many milliseconds something on the screen changes though nothing happens: an age, a sign of life that does not
/// come, a change under way. At least 1, at most ten seconds.
pub fn due_ms(state: &State, screen: &Screen) -> i64 {
    let second = 1000 - state.now_ms.rem_euclid(1000);
    let is_waiting = state
        .changes
        .iter()
        .any(|change| !change.progress.is_over())
        || state.awaiting.is_some()
        || state.launching
        || !matches!(state.mode, Mode::Normal)
        || state.peers.iter().any(|peer| peer.changes > 0)
        || views::is_timed(state);
    let link = match &state.link {
        LinkState::Live => {
            let silent = state.now_ms - state.heard_ms;
            match silent > STALE_MS {
                true => text::age_changes_in(silent),
                false if state.redirected_ms.is_some() => second,
                false => STALE_MS - silent + 1,
            }
        }
        LinkState::Down(since, _) | LinkState::Unauthorised(since, _) => {
            text::age_changes_in(state.now_ms - since)
        }
        _ => LONGEST_MS,
    };
    let bodies = screen.panes.iter().map(|pane| &pane.body);
    let bodies = bodies.chain([&screen.body]);
    let ages = bodies.filter_map(|body| of_body(state, body)).min();
    let due = link.min(ages.unwrap_or(LONGEST_MS));
    let looking = state.looking.as_ref();
    let ago = looking.map(|looking| text::age_changes_in(state.now_ms - looking.at_ms));
    let due = due.min(ago.unwrap_or(LONGEST_MS));
    let due = if is_waiting { due.min(second) } else { due };
    due.clamp(1, LONGEST_MS)
}

fn of_body(state: &State, body: &Body) -> Option<i64> {
    let seen = body_rows(state);
    let table = |view: &super::TableView| {
        let rows = view.table.rows.iter().skip(view.top).take(seen);
        of_rows(state, rows.map(|row| &**row))
    };
    let whole = |table: &Table| of_rows(state, table.rows.iter().map(|row| &**row));
    match body {
        Body::Table(view) | Body::Host(_, view, _) => table(view),
        // What their fields tell the age of is among the events too.
        Body::Task(_, processes, events) => table(processes).into_iter().chain(whole(events)).min(),
        Body::Update(_, _, instances, steps) => {
            table(instances).into_iter().chain(whole(steps)).min()
        }
        Body::Text(_) | Body::Words(_) => None,
    }
}

fn of_rows<'a>(state: &State, rows: impl Iterator<Item = &'a Row>) -> Option<i64> {
    let now_ms = state.server_now_ms();
    let ages = rows.flat_map(|row| row.cells.iter().filter_map(|cell| cell.since_ms));
    ages.map(|since| text::age_changes_in(now_ms - since)).min()
}

//! The mouse: wheel, rows, panes. Views of text leave it to the terminal, so that text can be selected there.

use crate::event::Mouse;
use crate::layout::Area;
use crate::screen;
use crate::state::{Mode, State};
use crate::views;

use super::{movement, panes};

/// Rows that a turn of the wheel moves.
const WHEEL: isize = 3;

/// Takes in what was done with the mouse at a column and row.
pub(super) fn mouse(state: &mut State, what: Mouse, x: u16, y: u16) {
    if !matches!(state.mode, Mode::Normal) {
        return;
    }
    let areas = state.layout.areas(screen::panes_area(state));
    let is_in = |area: &Area| {
        (area.x..area.x + area.width).contains(&x) && (area.y..area.y + area.height).contains(&y)
    };
    let first = match areas.iter().find(|(_, area)| is_in(area)) {
        Some((id, area)) => {
            panes::focus(state, *id);
            area.y + 1
        }
        None => state
            .size
            .1
            .saturating_sub(1 + u16::try_from(screen::body_rows(state)).unwrap_or(0)),
    };
    match what {
        Mouse::WheelUp => movement::step(state, -WHEEL),
        Mouse::WheelDown => movement::step(state, WHEEL),
        Mouse::Click => select(state, first, y),
    }
}

/// Selects the row of a table at a line of the screen.
fn select(state: &mut State, first: u16, y: u16) {
    // The header comes first; some bodies have more above their table, and below it.
    let (above, rows) = screen::table_span(state);
    let Some(at) = usize::from(y).checked_sub(usize::from(first) + above + 1) else {
        return;
    };
    if at >= rows {
        return;
    }
    let at = state.view.top + at;
    let row = views::table(state).and_then(|table| table.rows.get(at).cloned());
    if let Some(row) = row {
        state.view.index = at;
        state.view.selected = Some(row.id.clone());
    }
}

//! Several panes beside each other.

use aurora_tui_model::screen::FrameView;
use aurora_tui_model::text;
use aurora_tui_model::theme::Scope;
use ratatui::layout::Rect;

use super::{Canvas, GAP, body};

/// A pane: its title, its body, and the line at its left.
pub(super) fn pane(canvas: &mut Canvas<'_>, pane: &FrameView) {
    let area = Rect::new(pane.area.x, pane.area.y, pane.area.width, pane.area.height);
    let area = area.intersection(canvas.buffer.area);
    if area.is_empty() {
        return;
    }
    let scope = if pane.focused {
        Scope::BorderFocus
    } else {
        Scope::Border
    };
    let border = canvas.style(scope);
    let line = canvas.line().repeat(usize::from(area.width));
    canvas.put(area.x, area.y, area.right(), &line, border);
    let (path, counter) = &pane.title;
    let room = usize::from(area.width).saturating_sub(text::width(counter) + 2 * GAP + 1);
    // Which one has the keys must be seen without colours too.
    let sign = if pane.focused { "> " } else { "" };
    let title = format!("{sign}{} ", text::fit_end(path, room.max(8)));
    canvas.put(area.x, area.y, area.right(), &title, border);
    let start = usize::from(area.right()).saturating_sub(text::width(counter) + 1);
    let start = u16::try_from(start).unwrap_or(area.x).max(area.x);
    canvas.put(
        start,
        area.y,
        area.right(),
        &format!(" {counter}"),
        canvas.style(Scope::Dim),
    );
    let inner = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    body(canvas, inner, &pane.body);
    if let Some(left) = area.x.checked_sub(1) {
        let sign = if canvas.look.unicode { "\u{2502}" } else { "|" };
        let style = canvas.style(Scope::Border);
        for row in area.y..area.bottom() {
            canvas.put(left, row, area.x, sign, style);
        }
    }
}

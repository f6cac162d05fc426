//! Pages of one object: labelled values, a table, and what happened below it.

use aurora_tui_model::screen::{
    GridLine, TableView, above_rows, host_split, task_split, update_split,
};
use aurora_tui_model::table::{Cell, Table};
use aurora_tui_model::theme::Scope;
use ratatui::layout::Rect;

use super::{Canvas, beside_marks, cells, has_glyph, header, table, widths};

/// Where values begin.
const VALUES: u16 = 12;

/// A table below what is known of its object.
pub(super) fn table_below(canvas: &mut Canvas<'_>, area: Rect, view: &TableView) {
    let rows = above_rows(usize::from(area.height), view.above.len());
    let area = fields(canvas, area, &view.above, rows);
    table(canvas, area, view);
}

/// A task: its fields, its processes, its events.
pub(super) fn task(
    canvas: &mut Canvas<'_>,
    area: Rect,
    values: &[(&'static str, Cell)],
    processes: &TableView,
    happened: &Table,
) {
    let rows = usize::from(area.height);
    let (field_rows, process_rows) = task_split(rows, values.len(), processes.table.total);
    let area = fields(canvas, area, values, field_rows);
    let area = part(canvas, area, process_rows, processes);
    events(canvas, area, happened);
}

/// A host: its fields, its tasks, its offers.
pub(super) fn host(
    canvas: &mut Canvas<'_>,
    area: Rect,
    values: &[(&'static str, Cell)],
    tasks: &TableView,
    offers: &Table,
) {
    let (field_rows, rows) = host_split(usize::from(area.height), values.len(), offers.total);
    let area = fields(canvas, area, values, field_rows);
    let area = part(canvas, area, rows, tasks);
    events(canvas, area, offers);
}

/// An update: its fields, the grid of its instances, the same as a table, its events.
pub(super) fn update(
    canvas: &mut Canvas<'_>,
    area: Rect,
    values: &[(&'static str, Cell)],
    lines: &[GridLine],
    instances: &TableView,
    happened: &Table,
) {
    let (field_rows, grid_rows, rows) =
        update_split(usize::from(area.height), values.len(), lines.len());
    let area = fields(canvas, area, values, field_rows);
    let area = grid(canvas, area, lines, grid_rows);
    let area = part(canvas, area, rows, instances);
    events(canvas, area, happened);
}

/// What is left of an area below so many rows.
fn below(area: Rect, rows: usize) -> Rect {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

fn fields(
    canvas: &mut Canvas<'_>,
    area: Rect,
    values: &[(&'static str, Cell)],
    rows: usize,
) -> Rect {
    for (y, (label, cell)) in (area.y..).zip(values.iter().take(rows)) {
        canvas.put(1, y, area.right(), label, canvas.style(Scope::Label));
        let glyph = canvas.look.theme.glyph(cell.scope);
        let shown = if has_glyph(cell) {
            format!("{glyph} {}", cell.text)
        } else {
            cell.shown(canvas.now_ms).into_owned()
        };
        let style = canvas.style(cell.scope);
        canvas.put(VALUES, y, area.right(), &shown, style);
    }
    below(area, values.len().min(rows))
}

fn grid(canvas: &mut Canvas<'_>, area: Rect, lines: &[GridLine], rows: usize) -> Rect {
    // The line of the selected object is always among those that are shown.
    let selected = lines
        .iter()
        .position(|line| line.cells.iter().any(|cell| cell.selected));
    let first = selected.map_or(0, |at| (at + 1).saturating_sub(rows));
    for (y, line) in (area.y..).zip(lines.iter().skip(first).take(rows)) {
        canvas.put(1, y, area.right(), &line.label, canvas.style(Scope::Label));
        let mut x = VALUES;
        for cell in &line.cells {
            let glyph = canvas.look.theme.glyph(cell.scope);
            let style = canvas.style(match cell.selected {
                true => Scope::Selection,
                false => cell.scope,
            });
            let shown = format!("{glyph}{}", cell.text);
            x = canvas.put(x, y, area.right(), &shown, style) + 1;
        }
    }
    below(area, lines.len().min(rows))
}

fn part(canvas: &mut Canvas<'_>, area: Rect, rows: usize, view: &TableView) -> Rect {
    let rest = below(area, rows);
    let shown = Rect {
        height: area.height - rest.height,
        ..area
    };
    table(canvas, shown, view);
    rest
}

fn events(canvas: &mut Canvas<'_>, area: Rect, events: &Table) {
    if area.height == 0 {
        return;
    }
    let inner = beside_marks(area);
    let shown = usize::from(inner.height - 1).min(events.rows.len());
    let widths = widths(events, 0..shown, usize::from(inner.width), canvas.now_ms);
    header(canvas, inner, events, &widths, None);
    for (row, event) in (inner.y + 1..inner.bottom()).zip(&events.rows) {
        cells(
            canvas,
            Rect { y: row, ..inner },
            events,
            &widths,
            &event.cells,
            None,
        );
    }
}

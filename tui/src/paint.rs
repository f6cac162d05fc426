//! A frame's data to cells.

mod dialog;
mod lines;
mod page;
mod panes;

use std::borrow::Cow;

use aurora_tui_model::chart;
use aurora_tui_model::screen::{Body, Bottom, Screen, Segment, TableView};
use aurora_tui_model::state::State;
use aurora_tui_model::table::{Cell, Table};
use aurora_tui_model::text;
use aurora_tui_model::theme::{Color, Depth, Scope, Style, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{self, Modifier};

/// How things look on this terminal.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) theme: Theme,
    pub(crate) depth: Depth,
    /// Whether lines are drawn with box characters rather than ASCII.
    pub(crate) unicode: bool,
}

const GAP: usize = 2;
/// A terminal with fewer columns or rows is told what is needed.
const LEAST: (u16, u16) = (16, 4);
/// A column may be narrowed to this many columns before columns are left out.
const NARROWEST: usize = 12;
/// Columns of words where there is no room at all.
const FEWEST: usize = 6;
/// A column that always stays is kept up to this wide.
const WIDEST_KEY: usize = 40;

struct Canvas<'a> {
    buffer: Buffer,
    look: &'a Look,
    /// The server's clock.
    now_ms: i64,
}

impl Canvas<'_> {
    fn style(&self, scope: Scope) -> style::Style {
        let under = self.look.theme.style(Scope::Ui, self.look.depth);
        let over = self.look.theme.style(scope, self.look.depth);
        convert(Style {
            fg: over.fg.or(under.fg),
            bg: over.bg.or(under.bg),
            emphasis: over.emphasis,
        })
    }

    /// Writes a text, cut at the end of the area; returns the next column.
    fn put(&mut self, x: u16, y: u16, end: u16, text: &str, style: style::Style) -> u16 {
        if y >= self.buffer.area.height || x >= end {
            return x;
        }
        let text = match self.look.unicode {
            true => Cow::Borrowed(text),
            false => chart::plain(text),
        };
        self.buffer
            .set_stringn(x, y, text, usize::from(end - x), style)
            .0
    }

    fn fill(&mut self, y: u16, style: style::Style) {
        let width = self.buffer.area.width;
        if y < self.buffer.area.height {
            self.buffer.set_style(Rect::new(0, y, width, 1), style);
        }
    }

    fn line(&self) -> &'static str {
        if self.look.unicode { "─" } else { "-" }
    }
}

fn convert(from: Style) -> style::Style {
    let mut out = style::Style::default();
    let color = |color: Color| match color {
        Color::Default => style::Color::Reset,
        Color::Rgb(r, g, b) => style::Color::Rgb(r, g, b),
        Color::Indexed(index) | Color::Ansi(index) => style::Color::Indexed(index),
    };
    if let Some(fg) = from.fg {
        out = out.fg(color(fg));
    }
    if let Some(bg) = from.bg {
        out = out.bg(color(bg));
    }
    for (on, modifier) in [
        (from.emphasis.bold, Modifier::BOLD),
        (from.emphasis.dim, Modifier::DIM),
        (from.emphasis.italic, Modifier::ITALIC),
        (from.emphasis.underlined, Modifier::UNDERLINED),
        (from.emphasis.reversed, Modifier::REVERSED),
    ] {
        if on {
            out = out.add_modifier(modifier);
        }
    }
    out
}

/// Draws a frame; also where the cursor stands, in dialogs and prompts.
pub(crate) fn paint(state: &State, screen: &Screen, look: &Look) -> (Buffer, Option<(u16, u16)>) {
    let (width, height) = state.size;
    let mut canvas = Canvas {
        buffer: Buffer::empty(Rect::new(0, 0, width, height)),
        look,
        now_ms: state.server_now_ms(),
    };
    let mut cursor = None;
    if width == 0 || height == 0 {
        return (canvas.buffer, None);
    }
    let paper = canvas.style(Scope::Ui);
    canvas.buffer.set_style(canvas.buffer.area, paper);
    if width < LEAST.0 || height < LEAST.1 {
        let said = format!("needs {}x{}", LEAST.0, LEAST.1);
        canvas.put(0, 0, width, &said, canvas.style(Scope::Warn));
        return (canvas.buffer, None);
    }
    let mut y = 0;
    canvas.fill(y, canvas.style(Scope::Status));
    let mut x = 0;
    for segment in &screen.status {
        x = canvas.put(x, y, width, &segment.text, canvas.style(segment.scope));
    }
    y += 1;
    if let Some((path, counter)) = &screen.crumb {
        let room = usize::from(width).saturating_sub(text::width(counter) + GAP);
        canvas.put(
            0,
            y,
            width,
            &text::fit_end(path, room.max(10)),
            canvas.style(Scope::Crumb),
        );
        let start = width.saturating_sub(u16::try_from(text::width(counter)).unwrap_or(width));
        canvas.put(start, y, width, counter, canvas.style(Scope::Dim));
        y += 1;
    }
    let end = height.saturating_sub(1);
    if y < end {
        let area = Rect::new(0, y, width, end - y);
        if screen.panes.is_empty() {
            body(&mut canvas, area, &screen.body);
        }
        for pane in &screen.panes {
            panes::pane(&mut canvas, pane);
        }
    }
    match &screen.bottom {
        Bottom::Nothing => {}
        Bottom::Words(words) => {
            segments(&mut canvas, 0, height - 1, width, words);
        }
        Bottom::Input(sign, text, at, error) => {
            let style = canvas.style(Scope::Prompt);
            let x = canvas.put(0, height - 1, width, &sign.to_string(), style);
            cursor = Some((
                field(&mut canvas, x, height - 1, width, text, *at),
                height - 1,
            ));
            if let Some(error) = error {
                let x = (x + u16::try_from(text::width(text)).unwrap_or(0) + 2).min(width);
                canvas.put(
                    x,
                    height - 1,
                    width,
                    error,
                    canvas.style(Scope::PromptError),
                );
            }
        }
    }
    if let Some(dialog) = &screen.dialog {
        cursor = dialog::draw_dialog(&mut canvas, dialog);
    }
    (canvas.buffer, cursor)
}

fn body(canvas: &mut Canvas<'_>, area: Rect, body: &Body) {
    match body {
        Body::Table(view) => page::table_below(canvas, area, view),
        Body::Task(fields, processes, events) => {
            page::task(canvas, area, fields, processes, events);
        }
        Body::Host(fields, tasks, offers) => page::host(canvas, area, fields, tasks, offers),
        Body::Update(fields, grid, instances, steps) => {
            page::update(canvas, area, fields, grid, instances, steps);
        }
        Body::Text(panes) => lines::texts(canvas, area, panes),
        Body::Words(lines) => {
            for (row, line) in (area.y..area.bottom()).zip(lines) {
                segments(canvas, area.x + 1, row, area.right(), line);
            }
        }
    }
}

fn segments(canvas: &mut Canvas<'_>, mut x: u16, y: u16, end: u16, line: &[Segment]) -> u16 {
    for segment in line {
        x = canvas.put(x, y, end, &segment.text, canvas.style(segment.scope));
    }
    x
}

/// A text field; its beginning goes out of sight when the cursor would. Returns the cursor's column.
fn field(canvas: &mut Canvas<'_>, x: u16, y: u16, end: u16, typed: &str, at: usize) -> u16 {
    let room = usize::from(end.saturating_sub(x).saturating_sub(1)).max(1);
    let before: String = typed.chars().take(at).collect();
    let after: String = typed.chars().skip(at).collect();
    let before = text::fit_end(&before, room);
    let style = canvas.style(Scope::Prompt);
    let column = canvas.put(x, y, end, &before, style);
    canvas.put(column, y, end, &after, style);
    column.min(end.saturating_sub(1))
}

/// How wide each column is drawn; 0: left out.
fn widths(view: &Table, rows: std::ops::Range<usize>, room: usize, now_ms: i64) -> Vec<usize> {
    let natural: Vec<usize> = view
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            view.rows[rows.clone()]
                .iter()
                .filter_map(|row| row.cells.get(at))
                .map(|cell| text::width(&cell.shown(now_ms)) + usize::from(has_glyph(cell)) * 2)
                // One more for the sign of the order.
                .chain([text::width(column.name) + 1])
                .max()
                .unwrap_or(0)
        })
        .collect();
    // What must not go is not narrowed much either.
    let least = |at: usize| {
        natural[at].min(match &view.columns[at] {
            column if column.whole => usize::MAX,
            column if column.spare == 0 => WIDEST_KEY,
            _ => NARROWEST,
        })
    };
    let mut shown: Vec<usize> = (0..natural.len()).collect();
    loop {
        let gaps = shown.len().saturating_sub(1) * GAP;
        let needed: usize = shown.iter().map(|at| least(*at)).sum();
        let spare = shown
            .iter()
            .copied()
            .filter(|at| view.columns[*at].spare > 0);
        match spare.max_by_key(|at| view.columns[*at].spare) {
            Some(at) if needed + gaps > room => shown.retain(|other| *other != at),
            _ => break,
        }
    }
    let mut out = vec![0; natural.len()];
    for at in &shown {
        out[*at] = natural[*at];
    }
    let gaps = shown.len().saturating_sub(1) * GAP;
    let mut excess = (out.iter().sum::<usize>() + gaps).saturating_sub(room);
    // The widest gives first: down to the least; where even that is too much, what may be cut down to a few columns; at last
    // everything down to one.
    let few = |at: usize| match view.columns[at].whole {
        true => natural[at],
        false => natural[at].min(FEWEST),
    };
    let floors: [&dyn Fn(usize) -> usize; 3] = [&least, &few, &|_| 1];
    for floor in floors {
        while excess > 0 {
            let givers = shown.iter().copied().filter(|at| out[*at] > floor(*at));
            let Some(widest) = givers.max_by_key(|at| out[*at]) else {
                break;
            };
            out[widest] -= 1;
            excess -= 1;
        }
    }
    out
}

fn has_glyph(cell: &Cell) -> bool {
    cell.scope.name().starts_with("state.")
        && cell
            .text
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_uppercase())
}

fn cells(
    canvas: &mut Canvas<'_>,
    area: Rect,
    view: &Table,
    widths: &[usize],
    row: &[Cell],
    over: Option<style::Style>,
) {
    let (y, end) = (area.y, area.right());
    let mut x = area.x;
    let mut first = true;
    for ((column, cell), width) in view.columns.iter().zip(row).zip(widths) {
        if *width == 0 {
            continue;
        }
        if !first {
            x = x.saturating_add(u16::try_from(GAP).unwrap_or(2));
        }
        first = false;
        let glyph = canvas.look.theme.glyph(cell.scope);
        let shown = if has_glyph(cell) {
            format!("{glyph} {}", cell.text)
        } else {
            cell.shown(canvas.now_ms).into_owned()
        };
        let shown = match column.name {
            // Of keys and paths the end tells more.
            "job" | "task" => text::fit_end(&shown, *width),
            _ => text::fit(&shown, *width),
        };
        let pad = width.saturating_sub(text::width(&shown));
        let start = if column.right {
            x + u16::try_from(pad).unwrap_or(0)
        } else {
            x
        };
        let style = over.unwrap_or_else(|| canvas.style(cell.scope));
        canvas.put(start, y, end, &shown, style);
        x = x.saturating_add(u16::try_from(*width).unwrap_or(u16::MAX));
    }
}

fn header(
    canvas: &mut Canvas<'_>,
    area: Rect,
    view: &Table,
    widths: &[usize],
    sort: Option<(&str, bool)>,
) {
    let style = canvas.style(Scope::Header);
    let titles: Vec<Cell> = view
        .columns
        .iter()
        .map(|column| {
            let sign = match sort {
                Some((name, descending)) if name == column.name => {
                    if descending {
                        "v"
                    } else {
                        "^"
                    }
                }
                _ => "",
            };
            Cell::text(&format!("{}{sign}", column.name.to_uppercase()))
        })
        .collect();
    cells(
        canvas,
        Rect { y: area.y, ..area },
        view,
        widths,
        &titles,
        Some(style),
    );
}

/// What is left of an area beside the column for marks.
fn beside_marks(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(1),
        ..area
    }
}

fn table(canvas: &mut Canvas<'_>, area: Rect, view: &TableView) {
    if area.height == 0 {
        return;
    }
    let inner = beside_marks(area);
    let rows = usize::from(area.height - 1);
    let top = view.top.min(view.table.rows.len());
    let bottom = (top + rows).min(view.table.rows.len());
    let widths = widths(
        &view.table,
        top..bottom,
        usize::from(inner.width),
        canvas.now_ms,
    );
    let sort = view
        .sort
        .as_ref()
        .map(|sort| (sort.column.as_str(), sort.descending));
    header(canvas, inner, &view.table, &widths, sort);
    if view.table.rows.is_empty() {
        canvas.put(
            inner.x,
            area.y + 1,
            area.right().min(canvas.buffer.area.width),
            &view.empty,
            canvas.style(Scope::Dim),
        );
    }
    for (y, at) in (area.y + 1..area.bottom()).zip(top..bottom) {
        let selected = view.selected == Some(at);
        let over = selected.then(|| canvas.style(Scope::Selection));
        if let Some(style) = over {
            canvas.fill(y, style);
        }
        if view.marked.contains(&at) {
            let glyph = canvas.look.theme.glyph(Scope::Mark).to_owned();
            let style = over.unwrap_or_else(|| canvas.style(Scope::Mark));
            canvas.put(area.x, y, area.right(), &glyph, style);
        } else if selected {
            // The selection must be seen without colours too.
            canvas.put(area.x, y, area.right(), ">", over.unwrap_or_default());
        }
        cells(
            canvas,
            Rect { y, ..inner },
            &view.table,
            &widths,
            &view.table.rows[at].cells,
            over,
        );
    }
}

#[cfg(test)]
mod tests {
    use aurora_tui_model::table::{Column, Row};

    use super::*;

    #[test]
    fn times_and_numbers_are_drawn_whole_or_not_at_all() {
        let columns = vec![
            Column::text("name", 0),
            Column::whole("last", 2),
            Column::number("count", 1),
            Column::text("message", 3),
        ];
        let cells = [
            "a name of 20 letters",
            "2026-11-23 18:14:00",
            "1234567890123",
            "a message of twenty-six...",
        ];
        let table = Table::new(
            columns,
            vec![Row {
                id: "1".to_owned(),
                cells: cells.map(Cell::text).to_vec(),
                ..Row::default()
            }],
        );
        for (room, expected) in [
            (100, [20, 19, 13, 26]),
            // Words give.
            (76, [20, 19, 13, 18]),
            // The most spare go.
            (69, [20, 19, 13, 0]),
            (50, [20, 0, 13, 0]),
            (20, [20, 0, 0, 0]),
            // What must not go is cut where there is no other way: words first.
            (10, [10, 0, 0, 0]),
        ] {
            assert_eq!(widths(&table, 0..1, room, 0), expected, "{room}");
        }
        let mut always = table;
        for column in &mut always.columns {
            column.spare = 0;
        }
        // Words are cut first, times last.
        for (room, expected) in [
            (60, [11, 19, 13, 11]),
            (50, [6, 19, 13, 6]),
            (44, [6, 13, 13, 6]),
        ] {
            assert_eq!(widths(&always, 0..1, room, 0), expected, "{room}");
        }
    }
}

//! Panes of text to cells.

use aurora_tui_model::logs::severity::Severity;
use aurora_tui_model::logs::strip::Strip;
use aurora_tui_model::logs::{Line, Span};
use aurora_tui_model::screen::TextView;
use aurora_tui_model::theme::Scope;
use ratatui::layout::Rect;
use ratatui::style::{self, Modifier};

use super::Canvas;

/// Columns of a strip by height, from nothing.
const UNICODE_HEIGHTS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_HEIGHTS: [&str; 6] = [" ", ".", ":", "+", "*", "#"];

/// Draws panes one below the other.
pub(super) fn texts(canvas: &mut Canvas<'_>, area: Rect, panes: &[TextView]) {
    let mut y = area.y;
    for pane in panes {
        let left = area.bottom().saturating_sub(y);
        let height = u16::try_from(pane.rows).unwrap_or(left).min(left);
        if height > 0 {
            text_pane(canvas, Rect { y, height, ..area }, pane);
        }
        y += height;
    }
}

fn text_pane(canvas: &mut Canvas<'_>, area: Rect, pane: &TextView) {
    title(canvas, area, pane);
    let mut top = area.y + 1;
    if let Some(counts) = &pane.strip {
        strip(canvas, Rect { y: top, ..area }, counts);
        top += 1;
    }
    if pane.lines.is_empty() {
        let style = canvas.style(Scope::Dim);
        if top < area.bottom() {
            canvas.put(area.x + 1, top, area.right(), &pane.empty, style);
        }
    }
    for (y, (log, found)) in (top..area.bottom()).zip(&pane.lines) {
        line(canvas, Rect { y, ..area }, log, *found, pane.left);
    }
}

fn title(canvas: &mut Canvas<'_>, area: Rect, pane: &TextView) {
    let border = canvas.style(if pane.focused {
        Scope::BorderFocus
    } else {
        Scope::Border
    });
    let (y, end) = (area.y, area.right());
    let rule = canvas.line();
    let sign = if pane.focused { ">" } else { rule };
    let title = format!("{rule}{sign} {} ", pane.title);
    let mut x = canvas.put(area.x, y, end, &title, border);
    if !pane.remarks.is_empty() {
        let style = canvas.style(Scope::Dim);
        x = canvas.put(x, y, end, &format!("({}) ", pane.remarks), style);
    }
    let rest = usize::from(end.saturating_sub(x));
    canvas.put(x, y, end, &rule.repeat(rest), border);
}

fn strip(canvas: &mut Canvas<'_>, area: Rect, strip: &Strip) {
    let glyphs: &[&str] = match canvas.look.unicode {
        true => &UNICODE_HEIGHTS,
        false => &ASCII_HEIGHTS,
    };
    let mut x = area.x;
    for (column, height) in strip.columns.iter().zip(strip.heights(glyphs.len() - 1)) {
        let scope = column.gravest.map_or(Scope::None, Severity::scope);
        let style = canvas.style(scope);
        x = canvas.put(x, area.y, area.right(), glyphs[height], style);
    }
}

fn line(canvas: &mut Canvas<'_>, area: Rect, log: &Line, found: bool, left: usize) {
    let (y, end) = (area.y, area.right());
    if log.notice {
        let style = canvas.style(Scope::LogNotice);
        canvas.put(area.x, y, end, &format!("-- {} --", log.text()), style);
        return;
    }
    let mut skip = left;
    let mut x = area.x;
    for span in &log.spans {
        let shown: String = span.text.chars().skip(skip).collect();
        skip = skip.saturating_sub(span.text.chars().count());
        let style = span_style(canvas, span, log.severity, found);
        x = canvas.put(x, y, end, &shown, style);
    }
    if log.cut > 0 {
        let style = canvas.style(Scope::Dim);
        canvas.put(
            x,
            y,
            end,
            &format!(" [{} characters not kept]", log.cut),
            style,
        );
    }
}

/// What a program coloured itself stays so; other text has the look of its level.
fn span_style(
    canvas: &Canvas<'_>,
    span: &Span,
    severity: Option<Severity>,
    found: bool,
) -> style::Style {
    let level = severity.map_or(Scope::None, Severity::scope);
    let mut style = canvas.style(span.sgr.color.map_or(level, Scope::ansi));
    for (on, modifier) in [
        (span.sgr.bold, Modifier::BOLD),
        (span.sgr.dim, Modifier::DIM),
        (span.sgr.underlined, Modifier::UNDERLINED),
        (span.sgr.reversed, Modifier::REVERSED),
    ] {
        if on {
            style = style.add_modifier(modifier);
        }
    }
    if found {
        style = style.patch(canvas.style(Scope::Match));
    }
    style
}

//! Boxes over the middle of a frame.

use aurora_tui_model::screen::{Dialog, Segment};
use aurora_tui_model::text;
use aurora_tui_model::theme::Scope;

use super::{Canvas, field, segments};

/// Draws a box; where the cursor stands in its text field.
pub(super) fn draw_dialog(canvas: &mut Canvas<'_>, dialog: &Dialog) -> Option<(u16, u16)> {
    let (width, height) = (canvas.buffer.area.width, canvas.buffer.area.height);
    let length = |line: &[Segment]| {
        line.iter()
            .map(|segment| text::width(&segment.text))
            .sum::<usize>()
    };
    // Lines that do not fit are wrapped rather than cut: what is asked must be read whole.
    let room = usize::from(width).saturating_sub(4).max(8);
    let mut lines: Vec<Vec<Segment>> = Vec::new();
    for line in &dialog.lines {
        lines.extend(wrap(line, room));
    }
    let inner = lines
        .iter()
        .map(|line| length(line))
        .chain([text::width(&dialog.title.text) + 4])
        .max()
        .unwrap_or(0)
        .max(if dialog.input.is_some() { 40 } else { 0 })
        .min(room);
    let box_width = u16::try_from(inner + 4).unwrap_or(width).min(width);
    // The end matters most when there is no room: it holds what to answer.
    let most = usize::from(height.saturating_sub(2));
    if lines.len() > most {
        let gone = lines.len() - most;
        lines.drain(..gone);
    }
    let box_height = u16::try_from(lines.len() + 2).unwrap_or(height).min(height);
    let (left, top) = ((width - box_width) / 2, (height - box_height) / 2);
    let style = canvas.style(Scope::Dialog);
    let border = canvas.style(Scope::BorderFocus);
    let (corners, across, down) = if canvas.look.unicode {
        (["┌", "┐", "└", "┘"], "─", "│")
    } else {
        (["+"; 4], "-", "|")
    };
    let right = left + box_width;
    let middle = usize::from(box_width.saturating_sub(2));
    for row in top..top + box_height {
        canvas.put(left, row, right, &" ".repeat(usize::from(box_width)), style);
        canvas.put(left, row, right, down, border);
        canvas.put(right.saturating_sub(1), row, right, down, border);
    }
    canvas.put(
        left,
        top,
        right,
        &format!("{}{}{}", corners[0], across.repeat(middle), corners[1]),
        border,
    );
    let bottom = top + box_height - 1;
    canvas.put(
        left,
        bottom,
        right,
        &format!("{}{}{}", corners[2], across.repeat(middle), corners[3]),
        border,
    );
    canvas.put(
        left + 2,
        top,
        right.saturating_sub(2),
        &format!(" {} ", dialog.title.text),
        canvas.style(dialog.title.scope),
    );
    let mut end = (left + 2, top + 1);
    for (row, line) in (top + 1..bottom).zip(&lines) {
        let x = segments(canvas, left + 2, row, right.saturating_sub(1), line);
        end = (x, row);
    }
    let (typed, at) = dialog.input.as_ref()?;
    Some((
        field(canvas, end.0, end.1, right.saturating_sub(1), typed, *at),
        end.1,
    ))
}

/// Breaks a line at blanks; what follows is indented like a field's value.
fn wrap(line: &[Segment], room: usize) -> Vec<Vec<Segment>> {
    let mut out: Vec<Vec<Segment>> = vec![Vec::new()];
    let mut used = 0;
    for segment in line {
        let pieces = segment.text.split_inclusive(' ');
        for piece in pieces {
            let wide = text::width(piece);
            if used > 0 && used + text::width(piece.trim_end()) > room {
                out.push(vec![Segment {
                    text: "  ".to_owned(),
                    scope: Scope::None,
                }]);
                used = 2;
            }
            // A blank at the end of a full line is not needed.
            let left = room.saturating_sub(used).max(1);
            let piece = match text::width(piece) > left {
                true => text::fit(piece.trim_end(), left),
                false => piece.to_owned(),
            };
            match out.last_mut().and_then(|line| line.last_mut()) {
                Some(last) if last.scope == segment.scope => last.text.push_str(&piece),
                _ => {
                    if let Some(line) = out.last_mut() {
                        line.push(Segment {
                            text: piece,
                            scope: segment.scope,
                        });
                    }
                }
            }
            used += wide;
        }
    }
    out
}

//! Frames to bytes: only cells that changed are written, and nothing at all when none did.
//!
//! The sequences are written here rather than by crossterm, because the colour depth is decided in one place (ours) and
//! the sixteen colours must go out as `30`–`37` and `90`–`97`, which every terminal knows.

use std::io::{self, Write};

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::synchronised::{BEGIN, END};

/// What is on the terminal, as far as we wrote it.
pub(crate) struct Output {
    shown: Option<Buffer>,
    cursor: Option<(u16, u16)>,
    /// Whether the terminal is told where a frame begins and ends.
    pub(crate) synchronised: bool,
}

impl Output {
    pub(crate) fn new() -> Output {
        Output {
            shown: None,
            cursor: None,
            synchronised: false,
        }
    }

    /// Forgets what is shown: the next frame is written whole.
    pub(crate) fn invalidate(&mut self) {
        self.shown = None;
    }

    /// Writes what differs from the last frame. Returns how many bytes that were.
    pub(crate) fn show(
        &mut self,
        frame: Buffer,
        cursor: Option<(u16, u16)>,
        out: &mut impl Write,
    ) -> io::Result<usize> {
        let mut bytes: Vec<u8> = Vec::new();
        let whole = self
            .shown
            .as_ref()
            .is_none_or(|shown| shown.area != frame.area);
        let blank;
        let before = match (&self.shown, whole) {
            (Some(shown), false) => shown,
            _ => {
                bytes.extend(b"\x1b[?25l\x1b[0m\x1b[2J");
                blank = Buffer::empty(Rect::new(0, 0, frame.area.width, frame.area.height));
                &blank
            }
        };
        let changes = before.diff(&frame);
        if !changes.is_empty() && self.cursor.is_some() && !whole {
            bytes.extend(b"\x1b[?25l");
        }
        write_cells(&mut bytes, &changes);
        let cursor_moved = whole || cursor != self.cursor || !changes.is_empty();
        if cursor_moved && let Some((column, row)) = cursor {
            bytes.extend(format!("\x1b[{};{}H\x1b[?25h", row + 1, column + 1).as_bytes());
        } else if cursor_moved && self.cursor.is_some() && cursor.is_none() {
            bytes.extend(b"\x1b[?25l");
        }
        self.cursor = cursor;
        self.shown = Some(frame);
        if !bytes.is_empty() {
            if self.synchronised {
                bytes.splice(0..0, BEGIN.iter().copied());
                bytes.extend(END);
            }
            out.write_all(&bytes)?;
            out.flush()?;
        }
        Ok(bytes.len())
    }
}

fn write_cells(bytes: &mut Vec<u8>, changes: &[(u16, u16, &Cell)]) {
    let mut style: Option<(Color, Color, Modifier)> = None;
    let mut next = None;
    for (column, row, cell) in changes {
        if next != Some((*column, *row)) {
            bytes.extend(format!("\x1b[{};{}H", row + 1, column + 1).as_bytes());
        }
        let wanted = (cell.fg, cell.bg, cell.modifier);
        if style != Some(wanted) {
            bytes.extend(sgr(wanted).as_bytes());
            style = Some(wanted);
        }
        bytes.extend(cell.symbol().as_bytes());
        let wide = u16::try_from(aurora_tui_model::text::width(cell.symbol()).max(1)).unwrap_or(1);
        next = Some((column + wide, *row));
    }
    if style.is_some() {
        bytes.extend(b"\x1b[0m");
    }
}

/// The sequence that selects a style from nothing.
pub(crate) fn sgr((fg, bg, modifier): (Color, Color, Modifier)) -> String {
    let mut out = "\x1b[0".to_owned();
    for (bit, code) in [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::REVERSED, 7),
    ] {
        if modifier.contains(bit) {
            out.push_str(&format!(";{code}"));
        }
    }
    for (color, base) in [(fg, 30u16), (bg, 40u16)] {
        match color {
            Color::Rgb(r, g, b) => out.push_str(&format!(";{};2;{r};{g};{b}", base + 8)),
            Color::Indexed(index @ 0..8) => out.push_str(&format!(";{}", base + u16::from(index))),
            Color::Indexed(index @ 8..16) => {
                out.push_str(&format!(";{}", base + 52 + u16::from(index)))
            }
            Color::Indexed(index) => out.push_str(&format!(";{};5;{index}", base + 8)),
            // Frames use the three kinds above; anything else is the terminal's own.
            _ => {}
        }
    }
    out.push('m');
    out
}

/// A frame as lines of text without styles, blanks at the ends cut.
pub(crate) fn as_text(frame: &Buffer) -> String {
    let mut out = String::new();
    for row in 0..frame.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for column in 0..frame.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = frame[(column, row)].symbol();
            skip = aurora_tui_model::text::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn frame(text: &str) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 2));
        buffer.set_string(0, 0, text, Style::default());
        buffer
    }

    #[test]
    fn frames_are_whole_where_the_terminal_knows_how() {
        for (synchronised, begins, ends) in [(false, false, false), (true, true, true)] {
            let mut output = Output::new();
            output.synchronised = synchronised;
            let mut bytes = Vec::new();
            output.show(frame("hello"), None, &mut bytes).unwrap();
            assert_eq!(bytes.starts_with(BEGIN), begins);
            assert_eq!(bytes.ends_with(END), ends);
            bytes.clear();
            assert_eq!(output.show(frame("hello"), None, &mut bytes).unwrap(), 0);
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn what_does_not_change_writes_nothing() {
        let mut output = Output::new();
        let mut terminal = vt100::Parser::new(2, 20, 0);
        let mut bytes = Vec::new();
        assert!(output.show(frame("hello"), None, &mut bytes).unwrap() > 0);
        terminal.process(&bytes);
        assert_eq!(terminal.screen().contents().trim(), "hello");
        bytes.clear();
        assert_eq!(output.show(frame("hello"), None, &mut bytes).unwrap(), 0);
        assert!(bytes.is_empty());
        output
            .show(frame("help"), Some((4, 0)), &mut bytes)
            .unwrap();
        terminal.process(&bytes);
        assert_eq!(terminal.screen().contents().trim(), "help");
        assert_eq!(terminal.screen().cursor_position(), (0, 4));
        assert!(!terminal.screen().hide_cursor());
        bytes.clear();
        assert_eq!(
            output
                .show(frame("help"), Some((4, 0)), &mut bytes)
                .unwrap(),
            0
        );
        output.show(frame("help"), None, &mut bytes).unwrap();
        terminal.process(&bytes);
        assert!(terminal.screen().hide_cursor());
    }

    #[test]
    fn wide_characters_and_colours_arrive() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 2));
        buffer.set_string(
            0,
            0,
            "日本x",
            Style::default()
                .fg(Color::Indexed(9))
                .bg(Color::Rgb(1, 2, 3)),
        );
        buffer.set_string(
            0,
            1,
            "y",
            Style::default()
                .fg(Color::Indexed(200))
                .add_modifier(Modifier::BOLD),
        );
        let mut bytes = Vec::new();
        Output::new().show(buffer, None, &mut bytes).unwrap();
        let mut terminal = vt100::Parser::new(2, 20, 0);
        terminal.process(&bytes);
        let screen = terminal.screen();
        assert_eq!(screen.contents(), "日本x\ny");
        assert_eq!(screen.cell(0, 4).unwrap().fgcolor(), vt100::Color::Idx(9));
        assert_eq!(
            screen.cell(0, 4).unwrap().bgcolor(),
            vt100::Color::Rgb(1, 2, 3)
        );
        assert_eq!(screen.cell(1, 0).unwrap().fgcolor(), vt100::Color::Idx(200));
        assert!(screen.cell(1, 0).unwrap().bold());
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains(";91"),
            "bright red must be the classic sequence: {text:?}"
        );
    }
}

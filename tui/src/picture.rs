//! A frame as a file for eyes elsewhere: text with escape sequences, and SVG.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::output::sgr;

/// Pixels of a character.
const WIDTH: usize = 9;
const HEIGHT: usize = 18;
const PAPER_DARK: &str = "#14171c";
const INK_DARK: &str = "#d0d0d0";
/// The sixteen colours of a terminal.
const SIXTEEN: [&str; 16] = [
    "#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5",
    "#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
];

/// A run of cells of one look in a row.
struct Run {
    column: u16,
    width: usize,
    text: String,
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

fn runs(frame: &Buffer, row: u16) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    let mut column = 0;
    while column < frame.area.width {
        let cell: &Cell = &frame[(column, row)];
        let wide = aurora_tui_model::text::width(cell.symbol()).max(1);
        let same = out
            .last_mut()
            .filter(|run| (run.fg, run.bg, run.modifier) == (cell.fg, cell.bg, cell.modifier));
        match same {
            Some(run) => {
                run.text.push_str(cell.symbol());
                run.width += wide;
            }
            None => out.push(Run {
                column,
                width: wide,
                text: cell.symbol().to_owned(),
                fg: cell.fg,
                bg: cell.bg,
                modifier: cell.modifier,
            }),
        }
        column += u16::try_from(wide).unwrap_or(1);
    }
    out
}

/// Lines with escape sequences for looks and nothing else.
pub(crate) fn ansi(frame: &Buffer) -> String {
    let mut out = String::new();
    for row in 0..frame.area.height {
        for run in runs(frame, row) {
            out.push_str(&sgr((run.fg, run.bg, run.modifier)));
            out.push_str(&run.text);
        }
        out.push_str("\u{1b}[0m\n");
    }
    out
}

/// A drawing that a browser shows as the terminal would.
pub(crate) fn svg(frame: &Buffer, light: bool) -> String {
    let (ink, paper) = match light {
        true => (PAPER_DARK, "#ffffff"),
        false => (INK_DARK, PAPER_DARK),
    };
    let (width, height) = (
        usize::from(frame.area.width) * WIDTH,
        usize::from(frame.area.height) * HEIGHT,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace\" font-size=\"15\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"{paper}\"/>\n"
    );
    for row in 0..frame.area.height {
        for run in runs(frame, row) {
            // Writing to a String cannot fail.
            let _ = draw(&mut out, row, &run, ink, paper);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, row: u16, run: &Run, ink: &str, paper: &str) -> std::fmt::Result {
    let (x, y) = (usize::from(run.column) * WIDTH, usize::from(row) * HEIGHT);
    let width = run.width * WIDTH;
    let (mut fg, mut bg) = (hex(run.fg, ink), hex(run.bg, paper));
    if run.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if bg != paper {
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{bg}\"/>"
        )?;
    }
    if run.text.trim().is_empty() {
        return Ok(());
    }
    let mut looks = String::new();
    for (modifier, look) in [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        (Modifier::DIM, " opacity=\"0.6\""),
    ] {
        if run.modifier.contains(modifier) {
            looks.push_str(look);
        }
    }
    writeln!(
        out,
        "<text x=\"{x}\" y=\"{}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" fill=\"{fg}\"{looks}>{}</text>",
        y + 13,
        escaped(&run.text)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn hex(color: Color, own: &str) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(index @ 0..16) => SIXTEEN[usize::from(index)].to_owned(),
        // The cube of six steps, then greys, as xterm has them.
        Color::Indexed(index @ 16..232) => {
            let step = |value: u8| if value == 0 { 0 } else { 55 + value * 40 };
            let at = index - 16;
            format!(
                "#{:02x}{:02x}{:02x}",
                step(at / 36),
                step(at / 6 % 6),
                step(at % 6)
            )
        }
        Color::Indexed(index) => {
            let grey = 8 + (index - 232) * 10;
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
        // Frames use the kinds above; anything else is the terminal's own.
        _ => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn frames_become_drawings_and_text() {
        let mut frame = Buffer::empty(Rect::new(0, 0, 6, 2));
        let red = Style::new()
            .fg(Color::Rgb(255, 0, 16))
            .add_modifier(Modifier::BOLD);
        frame.set_string(0, 0, "<日>", red);
        frame.set_string(0, 1, "ok", Style::new().bg(Color::Indexed(231)));
        let drawing = svg(&frame, false);
        for part in [
            "viewBox=\"0 0 54 36\"",
            "textLength=\"36\"",
            "fill=\"#ff0010\" font-weight=\"bold\">&lt;日&gt;</text>",
            "<rect x=\"0\" y=\"18\" width=\"18\" height=\"18\" fill=\"#ffffff\"/>",
        ] {
            assert!(drawing.contains(part), "{part} is missing in {drawing}");
        }
        let mut terminal = vt100::Parser::new(2, 6, 0);
        terminal.process(ansi(&frame).replace('\n', "\r\n").trim_end().as_bytes());
        let screen = terminal.screen();
        let lines: Vec<String> = screen
            .rows(0, 6)
            .map(|row| row.trim_end().to_owned())
            .collect();
        assert_eq!(lines, ["<日>", "ok"]);
        assert!(screen.cell(0, 0).unwrap().bold());
        assert_eq!(screen.cell(1, 1).unwrap().bgcolor(), vt100::Color::Idx(231));
    }
}

//! All rows of a table without a screen. Of a large table only a window is here at a time: its rows are written as they come,
//! and then the next ones are asked for, so that no more of them is held than on a screen.

use std::io::{self, Write};

use aurora_tui_model::pages;
use aurora_tui_model::screen::{self, Body};
use aurora_tui_model::state::State;
use aurora_tui_model::table::{Cell, Table};
use aurora_tui_model::text;
use serde_json::{Map, Value as Json};

use crate::headless::Runner;
use crate::plain::{joined, named};

/// Blanks between two columns.
const GAP: &str = "  ";

pub(crate) type Out<'a> = &'a mut (dyn Write + Send);

/// How rows are written.
pub(crate) enum Form {
    /// Lines of columns, under the names of these; as wide as the first rows need.
    Lines(Vec<usize>),
    /// The view's data as JSON, a row a line.
    Objects {
        /// Whether a row was written.
        any: bool,
        /// What follows the rows.
        end: String,
    },
}

/// Whether the view is a table, of which text has all rows rather than those of a frame.
pub(crate) fn is_table(state: &State) -> bool {
    matches!(screen::screen(state).body, Body::Table(view) if !view.table.rows.is_empty())
}

impl Form {
    pub(crate) fn lines() -> Form {
        Form::Lines(Vec::new())
    }

    pub(crate) fn objects() -> Form {
        Form::Objects {
            any: false,
            end: String::new(),
        }
    }

    fn begin(&mut self, state: &State, table: &Table, out: Out<'_>) -> io::Result<()> {
        match self {
            Form::Lines(widths) => {
                let shown = screen::screen(state);
                writeln!(out, "{}", joined(&shown.status).trim())?;
                if let Some((place, count)) = &shown.crumb {
                    writeln!(out, "{place}: {count}")?;
                }
                if let Body::Table(view) = &shown.body {
                    named(out, &view.above)?;
                }
                let titles: Vec<String> = table
                    .names()
                    .iter()
                    .map(|name| name.to_uppercase())
                    .collect();
                *widths = titles.iter().map(|title| text::width(title)).collect();
                let now_ms = state.server_now_ms();
                for row in &table.rows {
                    for (width, cell) in widths.iter_mut().zip(&row.cells) {
                        *width = text::width(&cell.shown(now_ms)).max(*width);
                    }
                }
                let titles: Vec<Cell> = titles.iter().map(|title| Cell::text(title)).collect();
                line(table, &titles, widths, now_ms, out)
            }
            Form::Objects { end, .. } => {
                let mut snapshot = screen::snapshot(state);
                let data = snapshot["data"].take();
                let (Json::Object(mut members), Json::Object(mut data)) = (snapshot, data) else {
                    return Ok(());
                };
                members.remove("data");
                data.retain(|name, _| name != "rows" && name != "offset");
                let (head, data) = (opened(&members)?, opened(&data)?);
                "]}}\n".clone_into(end);
                write!(out, "{head}\"data\":{data}\"rows\":[")
            }
        }
    }

    fn rows(&mut self, table: &Table, now_ms: i64, out: Out<'_>) -> io::Result<()> {
        match self {
            Form::Lines(widths) => {
                let mut rows = table.rows.iter();
                rows.try_for_each(|row| line(table, &row.cells, widths, now_ms, out))
            }
            Form::Objects { any, .. } => {
                let Json::Array(rows) = table.to_json(now_ms)["rows"].take() else {
                    return Ok(());
                };
                for row in rows {
                    let sign = if *any { "," } else { "" };
                    write!(out, "{sign}\n{row}")?;
                    *any = true;
                }
                Ok(())
            }
        }
    }

    fn end(&self, out: Out<'_>) -> io::Result<()> {
        if let Form::Objects { end, .. } = self {
            write!(out, "{end}")?;
        }
        out.flush()
    }
}

/// An object to which a member is still added.
fn opened(members: &Map<String, Json>) -> io::Result<String> {
    let mut text = serde_json::to_string(members)?;
    text.pop();
    text.push_str(if members.is_empty() { "" } else { "," });
    Ok(text)
}

/// A line of cells under each other, without blanks at its end. What is wider than its column is written all the same.
fn line(
    table: &Table,
    cells: &[Cell],
    widths: &[usize],
    now_ms: i64,
    out: Out<'_>,
) -> io::Result<()> {
    let mut line = String::new();
    for ((column, cell), width) in table.columns.iter().zip(cells).zip(widths) {
        let shown = cell.shown(now_ms);
        let blanks = " ".repeat(width.saturating_sub(text::width(&shown)));
        match column.right {
            true => line.extend([&blanks, &*shown, GAP]),
            false => line.extend([&*shown, &blanks, GAP]),
        }
    }
    writeln!(out, "{}", line.trim_end())
}

/// Writes all rows of the table on the screen. The error says what is missing of them, after those that came.
pub(crate) async fn write(
    runner: &mut Runner,
    mut form: Form,
    out: Out<'_>,
) -> io::Result<Result<(), String>> {
    pages::walk(runner.crew.state_mut());
    let (mut begun, mut written) = (false, 0);
    let outcome = loop {
        runner.renew();
        if let Err(why) = runner.rows().await {
            break Err(why);
        }
        let state = runner.state();
        let Body::Table(view) = screen::screen(state).body else {
            break Err("the table is gone".to_owned());
        };
        if !std::mem::replace(&mut begun, true) {
            form.begin(state, &view.table, out)?;
        }
        form.rows(&view.table, state.server_now_ms(), out)?;
        written += view.table.rows.len();
        if !pages::walk_on(runner.crew.state_mut()) {
            break Ok(());
        }
    };
    if begun {
        form.end(out)?;
    }
    Ok(outcome.map_err(|why| format!("rows are missing after the first {written}: {why}")))
}

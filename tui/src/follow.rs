//! A live stream of a view, without a screen: every row that changes, every line of output.

use std::collections::BTreeMap;
use std::io::Write;

use aurora_tui_model::logs::{Line, LogBuffer, out};
use aurora_tui_model::screen::{self, Body, TableView};
use aurora_tui_model::state::{Detail, State};
use serde_json::{Value as Json, json};

/// What was told so far.
pub(crate) struct Follower {
    json: bool,
    /// Rows by identity, as they were told; ages in them are of the beginning, so that time alone changes none.
    rows: BTreeMap<String, Json>,
    begin_ms: i64,
    /// Finished lines that were told, by task and output.
    lines: BTreeMap<String, u64>,
}

impl Follower {
    pub(crate) fn new(state: &State, json: bool) -> Follower {
        Follower {
            json,
            rows: BTreeMap::new(),
            begin_ms: state.server_now_ms(),
            lines: BTreeMap::new(),
        }
    }

    /// Tells what is new.
    pub(crate) fn tell(&mut self, state: &State, to: &mut dyn Write) -> std::io::Result<()> {
        match &state.view.detail {
            Detail::Logs(logs) => {
                for tail in &logs.tails {
                    let key = format!("{} {}", tail.task, tail.stream.name());
                    self.buffer(&key, &tail.name(), &tail.pane.buffer, to)?;
                }
            }
            Detail::File(pane) => self.buffer("file", "file", &pane.buffer, to)?,
            Detail::None | Detail::Directory(_) => match screen::screen(state).body {
                Body::Table(view)
                | Body::Task(_, view, _)
                | Body::Host(_, view, _)
                | Body::Update(_, _, view, _) => {
                    self.table(state, &view, to)?;
                }
                Body::Text(_) | Body::Words(_) => {}
            },
        }
        to.flush()
    }

    fn buffer(
        &mut self,
        key: &str,
        source: &str,
        buffer: &LogBuffer,
        to: &mut dyn Write,
    ) -> std::io::Result<()> {
        let told = self.lines.get(key).copied().unwrap_or(0);
        if told < buffer.dropped() {
            let missed = buffer.dropped() - told;
            let line = match self.json {
                true => json!({"version": 1, "op": "missed", "source": source, "lines": missed})
                    .to_string(),
                false => format!("-- {source}: {missed} lines missed --"),
            };
            writeln!(to, "{line}")?;
        }
        for number in told.max(buffer.dropped())..buffer.finished() {
            let at = usize::try_from(number - buffer.dropped()).unwrap_or(usize::MAX);
            if let Some(line) = buffer.line(at).filter(|line| line.shown) {
                self.line(source, line, to)?;
            }
        }
        self.lines.insert(key.to_owned(), buffer.finished());
        Ok(())
    }

    fn line(&self, source: &str, line: &Line, to: &mut dyn Write) -> std::io::Result<()> {
        if !self.json {
            return writeln!(to, "{source} | {}", line.text());
        }
        let line = out::json(line, None);
        let told = json!({"version": 1, "op": "line", "source": source, "line": line});
        writeln!(to, "{told}")
    }

    fn table(
        &mut self,
        state: &State,
        view: &TableView,
        to: &mut dyn Write,
    ) -> std::io::Result<()> {
        let rows = |now_ms: i64| match view.table.to_json(now_ms)["rows"].take() {
            Json::Array(rows) => rows,
            _ => Vec::new(),
        };
        let mut before = std::mem::take(&mut self.rows);
        let told = rows(self.begin_ms)
            .into_iter()
            .zip(rows(state.server_now_ms()));
        for (row, (same, shown)) in view.table.rows.iter().zip(told) {
            if before.remove(&row.id).as_ref() != Some(&same) {
                let line = match self.json {
                    true => json!({"version": 1, "op": "row", "row": shown}).to_string(),
                    false => cells(view, state, &row.id),
                };
                writeln!(to, "{line}")?;
            }
            self.rows.insert(row.id.clone(), same);
        }
        for id in before.into_keys() {
            let line = match self.json {
                true => json!({"version": 1, "op": "gone", "id": id}).to_string(),
                false => format!("-- {id} is gone --"),
            };
            writeln!(to, "{line}")?;
        }
        Ok(())
    }
}

/// A row's cells, a tab between them.
fn cells(view: &TableView, state: &State, id: &str) -> String {
    let now_ms = state.server_now_ms();
    let row = view.table.rows.iter().find(|row| row.id == id);
    let cells = row.into_iter().flat_map(|row| &row.cells);
    let cells: Vec<_> = cells.map(|cell| cell.shown(now_ms)).collect();
    cells.join("\t")
}

//! `--plain`: a conversation in lines, for screen readers, poor links and terminals that cannot be drawn on.
//!
//! A line is a command, as at the prompt; an empty one shows the view again. Views are told row by row, each value with its
//! column's name. Questions are told whole, and the line after them is the answer.

use std::io::{BufRead, Write};
use std::time::Duration;

use aurora_tui_model::event::Event;
use aurora_tui_model::form::Form;
use aurora_tui_model::key::{Code, Key};
use aurora_tui_model::screen::{self, Body, Bottom, Segment, TableView};
use aurora_tui_model::state::{Input, Mode};
use aurora_tui_model::table::{Cell, Table};
use aurora_tui_model::text;
use tokio::sync::mpsc;

use crate::crew::Crew;
use crate::headless::Runner;

/// Rows that are told at once; a filter makes them fewer.
const MOST_ROWS: usize = 200;

type Out<'a> = &'a mut (dyn Write + Send);

/// Lines of standard input. The thread ends with them, or with the program.
pub(crate) fn typed() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Talk<'a> {
    runner: Runner,
    lines: mpsc::Receiver<String>,
    out: Out<'a>,
    /// What was told last of what goes on.
    told: String,
}

/// Talks until the lines end or somebody quits. Gives back the crew, and whether a local cluster is to be stopped.
pub(crate) async fn run(
    crew: Crew,
    timeout: Duration,
    open: Option<String>,
    lines: mpsc::Receiver<String>,
    out: Out<'_>,
) -> std::io::Result<(Crew, bool)> {
    let mut talk = Talk {
        runner: Runner::new(crew, timeout),
        lines,
        out,
        told: String::new(),
    };
    let first = open.map_or_else(String::new, |link| format!("open {link}"));
    talk.line(&first).await?;
    while talk.runner.quit.is_none() {
        let cluster = text::clean(&talk.runner.state().setup.cluster);
        match talk.ask(&format!("{cluster}> ")).await? {
            Some(line) => talk.line(line.trim()).await?,
            None => {
                talk.outcomes().await?;
                break;
            }
        }
    }
    let stop = talk.runner.quit == Some(true);
    Ok((talk.runner.crew, stop))
}

impl Talk<'_> {
    /// The next line that is typed; what happens meanwhile goes on and is told.
    async fn ask(&mut self, what: &str) -> std::io::Result<Option<String>> {
        write!(self.out, "{what}")?;
        self.out.flush()?;
        loop {
            self.runner.renew();
            tokio::select! {
                line = self.lines.recv() => return Ok(line),
                _ = self.runner.step() => {}
            }
            if self.news()? {
                write!(self.out, "{what}")?;
                self.out.flush()?;
            }
        }
    }

    /// Waits for what becomes of changes under way: nobody is asked for more, but who wrote the lines may read on.
    async fn outcomes(&mut self) -> std::io::Result<()> {
        self.runner.renew();
        let is_open = |runner: &Runner| {
            let mut changes = runner.state().changes.iter();
            changes.any(|change| !change.progress.is_over())
        };
        while is_open(&self.runner) && self.runner.step().await {
            self.news()?;
        }
        self.news()?;
        Ok(())
    }

    /// Tells news that were not told yet; whether there were any.
    fn news(&mut self) -> std::io::Result<bool> {
        let notice = self.runner.state().notice.as_ref();
        let notice = notice.map_or_else(String::new, |notice| notice.text.clone());
        let is_new = !notice.is_empty() && notice != self.told;
        if is_new {
            writeln!(self.out, "{notice}")?;
        }
        self.told = notice;
        Ok(is_new)
    }

    /// Runs a line, asks what it asks, and tells what is to be seen then.
    async fn line(&mut self, line: &str) -> std::io::Result<()> {
        self.runner.crew.state_mut().notice = None;
        self.told.clear();
        let place = self.runner.state().view.place.clone();
        if !line.is_empty() {
            self.runner.take(Event::Run(line.to_owned()));
        }
        self.runner.renew();
        while self.runner.state().awaiting.is_some() && self.runner.step().await {}
        let asked = self.questions().await?;
        if self.runner.quit.is_some() {
            return Ok(());
        }
        self.runner.renew();
        if let Err(waiting) = self.runner.settled().await {
            writeln!(self.out, "{waiting}")?;
        }
        self.runner.crew.settle();
        let failed = self.news()?;
        let stays = self.runner.state().view.place == place;
        match (asked || failed) && stays {
            true => Ok(()),
            false => self.view(),
        }
    }

    /// Puts the questions that have come up, one after the other; whether there were any.
    async fn questions(&mut self) -> std::io::Result<bool> {
        let mut any = false;
        loop {
            let answer = match &self.runner.state().mode {
                Mode::Normal => return Ok(any),
                Mode::Form(form) => {
                    let form = form.clone();
                    self.form(*form).await?;
                    any = true;
                    continue;
                }
                // These take keys of a screen; lines do the same.
                Mode::Prompt(_) | Mode::Filter(..) => None,
                Mode::Confirm(..) | Mode::Menu(_) | Mode::Leave(_) => {
                    self.dialog()?;
                    self.ask("answer: ").await?
                }
            };
            any = true;
            self.answer(answer);
        }
    }

    /// Types an answer; nothing, and an empty one, is a no.
    fn answer(&mut self, answer: Option<String>) {
        let answer = answer.filter(|answer| !answer.trim().is_empty());
        let key = |code| Event::Key(Key::plain(code));
        let Some(answer) = answer else {
            return self.runner.take(key(Code::Esc));
        };
        for c in answer.trim().chars() {
            self.runner.take(key(Code::Char(c)));
        }
        if matches!(self.runner.state().mode, Mode::Confirm(..)) {
            self.runner.take(key(Code::Enter));
        }
    }

    /// Asks for each field, and runs the command that they make.
    async fn form(&mut self, mut form: Form) -> std::io::Result<()> {
        // What was said instead of a form is a command, as anywhere.
        self.answer(None);
        self.runner.crew.state_mut().notice = None;
        writeln!(self.out, "{}", text::clean(&form.title))?;
        for at in 0..form.fields.len() {
            let field = &form.fields[at];
            let (Ok(remark) | Err(remark)) = field.remark();
            let now = &field.input.text;
            let question = format!("{} [{now}] ({remark}): ", field.label);
            let Some(typed) = self.ask(&text::clean(&question)).await? else {
                return Ok(());
            };
            if !typed.trim().is_empty() {
                form.fields[at].input = Input::of(typed.trim());
            }
        }
        match form.command() {
            Ok(line) => {
                self.runner.take(Event::Run(line));
                self.runner.renew();
                while self.runner.state().awaiting.is_some() && self.runner.step().await {}
            }
            Err(fault) => writeln!(self.out, "{fault}")?,
        }
        Ok(())
    }

    fn dialog(&mut self) -> std::io::Result<()> {
        let shown = screen::screen(self.runner.state());
        let Some(dialog) = shown.dialog else {
            return Ok(());
        };
        writeln!(self.out, "{}", dialog.title.text)?;
        for line in dialog.lines {
            writeln!(self.out, "  {}", joined(&line).trim_end())?;
        }
        Ok(())
    }

    fn view(&mut self) -> std::io::Result<()> {
        let state = self.runner.state();
        let now_ms = state.server_now_ms();
        let shown = screen::screen(state);
        writeln!(self.out, "{}", joined(&shown.status).trim())?;
        if let Some((place, count)) = &shown.crumb {
            writeln!(self.out, "{place}: {count}")?;
        }
        match shown.body {
            Body::Table(view) => {
                named(self.out, &view.above)?;
                table(self.out, &view, now_ms)
            }
            Body::Task(fields, view, below) | Body::Host(fields, view, below) => {
                named(self.out, &fields)?;
                table(self.out, &view, now_ms)?;
                rows(self.out, &below, None, now_ms)
            }
            Body::Update(fields, _, instances, steps) => {
                named(self.out, &fields)?;
                table(self.out, &instances, now_ms)?;
                rows(self.out, &steps, None, now_ms)
            }
            Body::Text(panes) => {
                for pane in panes {
                    writeln!(self.out, "{} {}", pane.title, pane.remarks)?;
                    for (line, _) in &pane.lines {
                        writeln!(self.out, "{}", line.text())?;
                    }
                }
                Ok(())
            }
            Body::Words(lines) => lines
                .iter()
                .try_for_each(|line| writeln!(self.out, "{}", joined(line))),
        }?;
        match shown.bottom {
            // What is wrong with the configuration is to be known here too.
            Bottom::Words(words) if !state.setup.warnings.is_empty() => {
                writeln!(self.out, "{}", joined(&words))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn joined(line: &[Segment]) -> String {
    line.iter().map(|segment| segment.text.as_str()).collect()
}

/// Labelled values, a line each.
pub(crate) fn named(out: Out<'_>, fields: &[(&'static str, Cell)]) -> std::io::Result<()> {
    for (name, cell) in fields {
        writeln!(out, "{name}: {}", cell.text)?;
    }
    Ok(())
}

fn table(out: Out<'_>, view: &TableView, now_ms: i64) -> std::io::Result<()> {
    if view.table.rows.is_empty() && !view.empty.is_empty() {
        return writeln!(out, "{}", view.empty);
    }
    rows(out, &view.table, view.selected, now_ms)
}

/// Rows, each value with its column's name; what is empty is left out.
fn rows(out: Out<'_>, table: &Table, selected: Option<usize>, now_ms: i64) -> std::io::Result<()> {
    let names = table.names();
    for (at, row) in table.rows.iter().take(MOST_ROWS).enumerate() {
        let values = names.iter().zip(&row.cells);
        let values = values.filter_map(|(name, cell)| match cell.shown(now_ms).trim() {
            "" => None,
            value => Some(format!("{name} {value}")),
        });
        let values: Vec<String> = values.collect();
        let sign = match selected == Some(at) {
            true => "selected: ",
            false => "",
        };
        writeln!(out, "{sign}{}", values.join(", "))?;
    }
    // Of a large table not all rows are here.
    let told = table.rows.len().min(MOST_ROWS);
    match table.shown.saturating_sub(told) {
        0 => Ok(()),
        more => writeln!(out, "{more} more; a filter shows fewer"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aurora_tui_model::actions::Progress;
    use aurora_tui_model::table::{Column, Row};

    use super::*;
    use crate::tests::{Fake, NOW, member};

    /// What is said to these lines.
    async fn talk(source: Arc<Fake>, required: bool, lines: &[&str]) -> String {
        let (sender, receiver) = mpsc::channel(lines.len().max(1));
        for line in lines {
            sender.send((*line).to_owned()).await.unwrap();
        }
        drop(sender);
        let mut first = member(source, NOW);
        first.state.setup.rules.reason = required;
        let mut out = Vec::new();
        let ended = run(
            Crew::new(first),
            Duration::from_secs(5),
            None,
            receiver,
            &mut out,
        );
        ended.await.unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_that_are_not_told_are_counted() {
        for (here, shown, said) in [
            (3, 3, None),
            (201, 201, Some("1 more;")),
            (3, 1_000_000, Some("999997 more;")),
            (400, 1_000_000, Some("999800 more;")),
        ] {
            let row = Row {
                cells: vec![Cell::text("x")],
                ..Row::default()
            };
            let mut table = Table::new(vec![Column::text("name", 0)], vec![row; here]);
            table.shown = shown;
            let mut out = Vec::new();
            rows(&mut out, &table, None, NOW).unwrap();
            let told = String::from_utf8(out).unwrap();
            let last = told.lines().last().filter(|line| line.contains("more"));
            assert_eq!(last.is_some(), said.is_some(), "{here} of {shown}");
            assert!(
                last.is_none_or(|last| last.starts_with(said.unwrap())),
                "{last:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn views_and_questions_are_told_in_lines() {
        let kill = "kill www-data/devel/hello/0";
        for (name, required, lines, calls, expected) in [
            (
                "rows with their columns",
                false,
                vec!["jobs ops"],
                0,
                vec![
                    "selected: job ops/devel/report, state SCHEDULED",
                    "devcluster> ",
                ],
            ),
            (
                "a yes",
                false,
                vec![kill, "y"],
                1,
                vec!["1 of 2 active instances end", "answer: ", "confirmed"],
            ),
            (
                "a no",
                false,
                vec![kill, ""],
                0,
                vec!["nothing was changed"],
            ),
            ("the end is a no", false, vec![kill], 0, vec!["answer: "]),
            (
                "a reason and then a yes",
                true,
                vec![kill, "old disk", "y"],
                1,
                vec!["why?", "reason    old disk", "confirmed"],
            ),
            (
                "a form field by field",
                false,
                vec!["quota-set www-data", "12", "", "20GiB", "n"],
                0,
                vec!["cpus [10.5]", "10.5 now, 12 then", "nothing was changed"],
            ),
            ("a fault", false, vec!["moon"], 0, vec!["no command `moon`"]),
            (
                "an end",
                false,
                vec!["quit", kill, "y"],
                0,
                vec!["devcluster> "],
            ),
        ] {
            let source = Fake::new(Progress::Accepted, true);
            let said = talk(source.clone(), required, &lines).await;
            assert_eq!(source.calls.lock().unwrap().len(), calls, "{name}: {said}");
            for part in expected {
                assert!(said.contains(part), "{name}: no {part:?} in\n{said}");
            }
            assert!(!said.contains('\u{1b}'), "{name}");
        }
    }
}

//! Panes of text: a file, outputs side by side, or several outputs merged by time.

use super::sieve::{self, Window};
use super::{Line, LogBuffer};
use crate::event::{Seen, Start, Stream, WINDOW};
use crate::filter::Filter;
use crate::text;

/// Instances whose output is read at once; each takes two requests to a host every moment.
pub(crate) const MOST_TAILS: usize = 8;

/// A place in time that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The first line of this time or later.
    From(i64),
    /// The last line before this time.
    Before(i64),
}

/// A pane of text lines.
#[derive(Clone, Debug, Default)]
pub struct Pane {
    /// The lines.
    pub buffer: LogBuffer,
    /// Where reading begins.
    pub start: Start,
    /// Bytes of the file before the first one that was read.
    pub skipped: u64,
    /// Where the next byte to read stands in the file.
    pub next: u64,
    /// Bytes of the file that follow and are not read.
    pub rest: u64,
    /// Whether anything was read yet.
    pub read: bool,
    /// How far above the end the last visible line is, in visible lines; 0 follows.
    pub up: usize,
    /// Whether it stays at the end.
    pub paused: bool,
    /// Lines that came since it was paused.
    pub unseen: u64,
    /// Bytes that were passed over because they came faster than they could be read.
    pub missed: u64,
    /// Columns that are scrolled out at the left.
    pub left: usize,
    /// Whether the filter searches (with context) rather than hides.
    pub search: bool,
    /// Times between which lines are shown.
    pub window: Window,
    /// What to show once it was read.
    pub target: Option<Target>,
    /// Why there is nothing, or nothing new.
    pub trouble: Option<String>,
}

impl Pane {
    /// Reads another part of the file. What was read is forgotten; the new part is shown from its beginning, or at its
    /// end.
    pub(crate) fn turn_to(&mut self, start: Start, at_beginning: bool) {
        if self.start == start && self.read {
            self.up = if at_beginning { self.buffer.shown() } else { 0 };
            self.paused = at_beginning;
            self.unseen = 0;
            return;
        }
        *self = Pane {
            start,
            paused: at_beginning,
            left: self.left,
            search: self.search,
            window: self.window,
            ..Pane::default()
        };
    }

    /// The file's size, as far as is known.
    pub(crate) fn size(&self) -> u64 {
        self.next + self.rest
    }

    /// Whether a line is shown under a filter.
    fn passes(&self, line: &Line, filter: &Filter, source: &str) -> bool {
        self.window.has(line.time_ms) && (self.search || sieve::matches(filter, line, source))
    }

    /// Decides anew what is shown of the lines from a number on. `names` are the sources'.
    pub(crate) fn sift(&mut self, from: u64, filter: &Filter, names: &[String]) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.sift(from, |line| self.passes(line, filter, name(names, line)));
        self.buffer = buffer;
    }

    /// The places of the shown lines in the buffer, from the end backwards.
    pub(crate) fn shown(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (0..self.buffer.len())
            .rev()
            .filter(|at| self.buffer.line(*at).is_some_and(|line| line.shown))
    }

    /// The place of the last line on the screen.
    pub(crate) fn last_visible(&self) -> Option<usize> {
        self.shown().nth(self.up)
    }

    /// Scrolls so that the line at this place is in the middle of so many rows.
    pub(crate) fn show_line(&mut self, at: usize, rows: usize) {
        let below = self.shown().take_while(|other| *other > at).count();
        let most = self.buffer.shown().saturating_sub(rows);
        self.up = below.saturating_sub(rows / 2).min(most);
        self.paused = self.up > 0;
    }

    /// Scrolls to the first line of this time or later. False when all that is shown is older.
    pub(crate) fn show_time(&mut self, time_ms: i64, rows: usize) -> bool {
        let found = self
            .shown()
            .take_while(|at| {
                let line = self.buffer.line(*at);
                line.is_some_and(|line| line.time_ms >= time_ms)
            })
            .last();
        if let Some(at) = found {
            self.show_line(at, rows);
        }
        found.is_some()
    }

    /// Scrolls so that the last visible line is the last one up to this time.
    pub(crate) fn show_until(&mut self, time_ms: i64) {
        let later = self.shown().take_while(|at| {
            let line = self.buffer.line(*at);
            line.is_some_and(|line| line.time_ms > time_ms)
        });
        self.up = later.count();
        self.paused = true;
    }

    /// The time of its last line.
    pub(crate) fn last_time(&self) -> Option<i64> {
        let last = self.buffer.len().checked_sub(1)?;
        self.buffer.line(last).map(|line| line.time_ms)
    }

    /// The first time in it that the file gives itself.
    pub(crate) fn first_time(&self) -> Option<i64> {
        (0..self.buffer.len())
            .filter_map(|at| self.buffer.line(at))
            .find(|line| line.stamped)
            .map(|line| line.time_ms)
    }

    /// Takes in what a watch found of the file.
    pub(crate) fn take(&mut self, seen: Seen, now_ms: i64, filter: &Filter) {
        self.buffer.set_clock(now_ms);
        let before = (self.buffer.finished(), self.buffer.written());
        match seen {
            Seen::Bytes {
                offset,
                next,
                bytes,
            } => {
                self.trouble = None;
                self.next = next;
                self.rest = 0;
                if !self.read {
                    self.read = true;
                    self.skipped = offset;
                }
                self.buffer.push(&bytes);
                self.came(before, filter);
            }
            Seen::Rest(bytes) => self.rest = bytes,
            Seen::Missed(bytes) => {
                self.missed += bytes;
                let remark = format!("{} came too fast and were passed over", text::bytes(bytes));
                self.buffer.notice(&remark);
                self.came(before, filter);
            }
            Seen::Truncated => {
                (self.next, self.skipped) = (0, 0);
                self.buffer
                    .notice("the file became shorter; from its new beginning:");
                self.came(before, filter);
            }
            Seen::Absent(why) | Seen::Trouble(why) => self.trouble = Some(text::clean(&why)),
            Seen::Task(_)
            | Seen::Answer(_)
            | Seen::Page(_)
            | Seen::History(_)
            | Seen::Directory(_) => {}
        }
    }

    /// After lines were added at the end; how many were finished and written before.
    fn came(&mut self, before: (u64, u64), filter: &Filter) {
        self.sift(before.0, filter, &[]);
        if !self.paused {
            return;
        }
        let new = usize::try_from(self.buffer.written() - before.1).unwrap_or(usize::MAX);
        self.unseen += new as u64;
        let length = self.buffer.len();
        self.up += (length.saturating_sub(new)..length)
            .filter(|at| self.buffer.line(*at).is_some_and(|line| line.shown))
            .count();
    }

    /// Puts lines of another pane in by their times.
    pub(crate) fn merge(
        &mut self,
        lines: impl IntoIterator<Item = Line>,
        filter: &Filter,
        names: &[String],
    ) {
        for mut line in lines {
            line.shown = self.passes(&line, filter, name(names, &line));
            let shown = line.shown;
            let behind = self.buffer.merge(line);
            if self.paused {
                self.unseen += 1;
                if shown && behind <= self.behind_view() {
                    self.up += 1;
                }
            }
        }
    }

    /// How many lines of the buffer are behind the last visible one.
    fn behind_view(&self) -> usize {
        let length = self.buffer.len();
        self.last_visible().map_or(0, |at| length - 1 - at)
    }
}

fn name<'a>(names: &'a [String], line: &Line) -> &'a str {
    names
        .get(usize::from(line.source))
        .map_or("", String::as_str)
}

/// One output that is read.
#[derive(Clone, Debug)]
pub struct Tail {
    /// The task's id.
    pub task: String,
    /// Its instance, when several are shown.
    pub instance: Option<i32>,
    /// Which output.
    pub stream: Stream,
    /// The process, once known.
    pub process: Option<String>,
    /// Its run, once known.
    pub run: Option<i64>,
    /// How many runs there were, once known.
    pub newest: Option<i64>,
    /// Whether the host has told of the task.
    pub known: bool,
    /// The lines; while all are merged only the unfinished one.
    pub pane: Pane,
}

impl Tail {
    fn new(task: &str, instance: Option<i32>, stream: Stream) -> Tail {
        Tail {
            task: task.to_owned(),
            instance,
            stream,
            process: None,
            run: None,
            newest: None,
            known: false,
            pane: Pane::default(),
        }
    }

    /// Its name among others, as `source=` in a filter takes it: `stdout`, or `3/stdout` for instance 3.
    pub fn name(&self) -> String {
        match self.instance {
            Some(instance) => format!("{instance}/{}", self.stream.name()),
            None => self.stream.name().to_owned(),
        }
    }

    /// Whether what can be known of it is.
    pub(crate) fn is_ready(&self) -> bool {
        self.pane.read || self.pane.trouble.is_some() || (self.known && self.run.is_none())
    }
}

/// How structured lines are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// As they were written.
    #[default]
    Raw,
    /// Level and words, then the other fields; or the values of these fields alone.
    Fields(Vec<String>),
}

/// How merged lines name their source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Labels {
    /// In full.
    #[default]
    Full,
    /// By instance, and `!` for stderr.
    Short,
    /// Not at all.
    None,
}

/// Outputs of processes: one task's two, or those of several tasks.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// The process that is wanted; none: the one of each task that matters most.
    pub process: Option<String>,
    /// The run that is wanted; none: the newest.
    pub run: Option<i64>,
    /// What is read.
    pub tails: Vec<Tail>,
    /// Instances that are wanted and not read, because there are too many.
    pub left_out: usize,
    /// All of them by time, when they are shown as one.
    pub merged: Option<Box<Pane>>,
    /// Which pane has the keys.
    pub focus: usize,
    /// Whether it is alone.
    pub zoomed: bool,
    /// How structured lines are shown.
    pub shape: Shape,
    /// How merged lines name their source.
    pub labels: Labels,
    /// Whether the strip of lines over time is shown.
    pub strip: bool,
}

impl Logs {
    /// Both outputs of a task.
    pub(crate) fn of_task(task: &str, process: Option<String>) -> Logs {
        Logs {
            process,
            tails: [Stream::Stdout, Stream::Stderr]
                .map(|stream| Tail::new(task, None, stream))
                .into(),
            ..Logs::default()
        }
    }

    /// Reads these tasks (by instance) and no others. A task that replaces another goes on in its panes, which say so.
    pub(crate) fn set_tasks(&mut self, wanted: &[(i32, String)]) {
        self.tails.retain(|tail| {
            wanted
                .iter()
                .any(|(instance, _)| tail.instance == Some(*instance))
        });
        for (instance, task) in wanted {
            for stream in [Stream::Stdout, Stream::Stderr] {
                let found = self
                    .tails
                    .iter_mut()
                    .find(|tail| tail.instance == Some(*instance) && tail.stream == stream);
                match found {
                    Some(tail) if tail.task == *task => {}
                    Some(tail) => {
                        tail.pane.buffer.notice(&format!("now of task {task}"));
                        tail.pane.start = Start::End;
                        (tail.process, tail.run, tail.known) = (None, None, false);
                        tail.task = task.clone();
                    }
                    None => self.tails.push(Tail::new(task, Some(*instance), stream)),
                }
            }
        }
        self.tails.sort_by_key(|tail| (tail.instance, tail.stream));
        self.focus = self.focus.min(self.tails.len().saturating_sub(1));
    }

    /// Forgets all lines; they are read anew.
    pub(crate) fn forget(&mut self) {
        for tail in &mut self.tails {
            tail.run = None;
            tail.known = false;
            tail.pane = Pane::default();
        }
        if let Some(merged) = &mut self.merged {
            **merged = Pane::default();
        }
    }

    /// Names of the sources in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tails.iter().map(Tail::name).collect()
    }

    /// Shows all as one pane, or side by side again.
    pub(crate) fn set_merged(&mut self, merged: bool, filter: &Filter) {
        let (window, search) = self
            .pane()
            .map(|pane| (pane.window, pane.search))
            .unwrap_or_default();
        if merged && self.merged.is_none() {
            self.merged = Some(Box::new(Pane {
                window,
                search,
                ..Pane::default()
            }));
            for at in 0..self.tails.len() {
                self.gather(at, filter);
            }
        } else if let Some(mut pane) = self.merged.take_if(|_| !merged) {
            let mut lines = vec![Vec::new(); self.tails.len()];
            for line in pane.buffer.take_finished() {
                if let Some(own) = lines.get_mut(usize::from(line.source)) {
                    own.push(line);
                }
            }
            for (tail, lines) in self.tails.iter_mut().zip(lines) {
                tail.pane.window = window;
                tail.pane.search = pane.search;
                tail.pane.buffer.put_back(lines);
                tail.pane.sift(0, filter, &[]);
            }
        }
    }

    /// Brings the finished lines of a tail into the merged pane.
    pub(crate) fn gather(&mut self, at: usize, filter: &Filter) {
        let names = self.names();
        let (Some(merged), Some(tail)) = (&mut self.merged, self.tails.get_mut(at)) else {
            return;
        };
        let mut lines = tail.pane.buffer.take_finished();
        for line in &mut lines {
            line.source = u16::try_from(at).unwrap_or(u16::MAX);
        }
        merged.read |= tail.pane.read;
        merged.merge(lines, filter, &names);
        merged.skipped = self.tails.iter().map(|tail| tail.pane.skipped).sum();
        merged.rest = self.tails.iter().map(|tail| tail.pane.rest).sum();
        merged.missed = self.tails.iter().map(|tail| tail.pane.missed).sum();
    }

    /// Where each output is read for the lines above (or below) what was read of all of them, and from which time on
    /// something is missing there; none when nothing is.
    pub(crate) fn next_part(&self, above: bool) -> Option<(i64, Vec<Start>)> {
        let missing = |tail: &Tail| match above {
            true => tail.pane.skipped > 0,
            false => tail.pane.rest > 0,
        };
        // Lines have left the tails, so that the merged ones tell the times.
        let lines = || {
            let buffer = self.merged.as_ref().map(|merged| &merged.buffer);
            buffer.into_iter().flat_map(LogBuffer::iter)
        };
        let edge = |at: usize| {
            let of = |line: &&Line| usize::from(line.source) == at && !line.notice;
            match above {
                true => lines().find(of),
                false => lines().rfind(of),
            }
            .map(|line| line.time_ms)
        };
        let tails = self.tails.iter().enumerate();
        let edges: Vec<Option<i64>> = tails
            .map(|(at, tail)| edge(at).filter(|_| missing(tail)))
            .collect();
        let known = edges.iter().flatten().copied();
        let bound = if above { known.max() } else { known.min() }?;
        let tails = self.tails.iter().zip(edges);
        let starts = tails.map(|(tail, edge)| match (edge == Some(bound), above) {
            // By its place, so that a part full of the same time is left too.
            (true, true) => Start::At(tail.pane.skipped.saturating_sub(WINDOW)),
            (true, false) => Start::At(tail.pane.next),
            (false, true) => Start::Before(bound),
            (false, false) => Start::Time(bound),
        });
        Some((bound, starts.collect()))
    }

    /// The pane that has the keys.
    pub fn pane(&self) -> Option<&Pane> {
        match &self.merged {
            Some(merged) => Some(merged),
            None => self.tails.get(self.focus).map(|tail| &tail.pane),
        }
    }

    /// The same to change.
    pub fn pane_mut(&mut self) -> Option<&mut Pane> {
        match &mut self.merged {
            Some(merged) => Some(merged),
            None => self.tails.get_mut(self.focus).map(|tail| &mut tail.pane),
        }
    }

    /// All panes that show lines.
    pub(crate) fn panes_mut(&mut self) -> Vec<&mut Pane> {
        match &mut self.merged {
            Some(merged) => vec![merged],
            None => self.tails.iter_mut().map(|tail| &mut tail.pane).collect(),
        }
    }

    /// How many panes there are.
    pub(crate) fn panes(&self) -> usize {
        match self.merged {
            Some(_) => 1,
            None => self.tails.len(),
        }
    }

    /// Which panes are on a screen of so many rows, and how many rows each has, its title included.
    pub(crate) fn layout(&self, rows: usize) -> Vec<(usize, usize)> {
        /// A pane with fewer rows tells too little.
        const LEAST: usize = 4;
        let count = self.panes();
        if count == 0 {
            return Vec::new();
        }
        if self.zoomed || self.merged.is_some() {
            return vec![(self.focus.min(count - 1), rows)];
        }
        // Two always share the screen.
        let fit = (rows / LEAST).max(2).min(count);
        let first = (self.focus + 1).saturating_sub(fit).min(count - fit);
        let each = rows / fit;
        (0..fit)
            .map(|at| {
                let height = if at + 1 == fit {
                    rows - each * at
                } else {
                    each
                };
                (first + at, height)
            })
            .collect()
    }
}

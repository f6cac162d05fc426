//! A program's output as lines that are safe to show: bytes come in as they were written, in any pieces.
//!
//! Every escape sequence goes except colours and weight (SGR), which become scopes of the theme. Lines are capped,
//! invalid UTF-8 is replaced, tabs are expanded, a lone carriage return begins the line anew. Memory is bounded; what was
//! dropped is counted.

pub mod fields;
pub mod out;
pub mod pane;
pub mod severity;
pub mod sieve;
pub mod stamp;
pub mod strip;

use std::collections::VecDeque;

use crate::text::is_printable;
use severity::Severity;

/// The longest line kept, in characters; what is beyond is counted.
pub const MAX_LINE: usize = 4096;
/// Characters kept in one buffer.
pub const MAX_CHARACTERS: usize = 4 << 20;
/// Lines kept in one buffer.
pub const MAX_LINES: usize = 100_000;
/// How long an escape sequence's text may be before it is given up.
const MAX_ESCAPE: usize = 4096;

/// What SGR says about a piece of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sgr {
    /// Colour 0 to 7; brighter ones and the 256 are brought down to them.
    pub color: Option<u8>,
    /// Bold.
    pub bold: bool,
    /// Dim.
    pub dim: bool,
    /// Underlined.
    pub underlined: bool,
    /// Reversed.
    pub reversed: bool,
}

/// A piece of a line in one style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Printable text.
    pub text: String,
    /// Its style.
    pub sgr: Sgr,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its pieces.
    pub spans: Vec<Span>,
    /// Characters beyond [`MAX_LINE`] that are not kept.
    pub cut: usize,
    /// A remark of the workbench, not output.
    pub notice: bool,
    /// Its time, milliseconds since 1970; of the line before it when it has none, of its coming when there is none before.
    pub time_ms: i64,
    /// Whether that is its own.
    pub stamped: bool,
    /// Its level; a line with neither time nor level has that of the line before it.
    pub severity: Option<Severity>,
    /// Which of several merged outputs it is of.
    pub source: u16,
    /// Whether the pane's filter and times let it pass.
    pub shown: bool,
}

impl Line {
    /// The text without styles.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// Finds the time and the level in its text.
    fn classify(&mut self, now_ms: i64, before: (Option<i64>, Option<Severity>)) {
        let text = self.text();
        let record = text
            .starts_with('{')
            .then(|| fields::Record::parse(&text))
            .flatten();
        let (own, level) = match record {
            Some(record) => (record.time_ms(now_ms), record.severity()),
            None => (stamp::stamp(&text, now_ms), severity::severity(&text)),
        };
        self.stamped = own.is_some();
        self.time_ms = own.or(before.0).unwrap_or(now_ms);
        self.severity = match (own, level) {
            (None, None) => before.1,
            (_, level) => level,
        };
    }

    fn characters(&self) -> usize {
        self.spans.iter().map(|span| span.text.len()).sum::<usize>() + 1
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Escape {
    #[default]
    Text,
    /// After ESC.
    Start,
    /// After ESC and an intermediate byte: one more final byte follows.
    Intermediate,
    /// Inside CSI; parameters so far.
    Csi(String),
    /// Inside OSC, DCS, SOS, PM or APC; whether the last was ESC, and how long it is.
    String(bool, usize),
}

/// A bounded buffer of lines that grows at its end.
#[derive(Clone, Debug, Default)]
pub struct LogBuffer {
    lines: VecDeque<Line>,
    characters: usize,
    dropped: u64,
    open: Line,
    open_columns: usize,
    begun: bool,
    carriage_return: bool,
    sgr: Sgr,
    escape: Escape,
    partial: Vec<u8>,
    now_ms: i64,
    last: (Option<i64>, Option<Severity>),
    timed: bool,
    shown: usize,
}

impl LogBuffer {
    /// Says what time it is, for lines without a time, a day or a year.
    pub fn set_clock(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// Adds bytes as a program wrote them. Returns how many lines were finished.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let before = self.finished();
        let mut input = std::mem::take(&mut self.partial);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.valid(text);
                    break;
                }
                Err(fault) => {
                    let (valid, bad) = rest.split_at(fault.valid_up_to());
                    self.valid(&String::from_utf8_lossy(valid));
                    match fault.error_len() {
                        Some(length) => {
                            self.character('\u{fffd}');
                            rest = &bad[length..];
                        }
                        None => {
                            self.partial = bad.to_vec();
                            break;
                        }
                    }
                }
            }
        }
        usize::try_from(self.finished() - before).unwrap_or(usize::MAX)
    }

    /// Adds a remark as a line of its own.
    pub fn notice(&mut self, text: &str) {
        if self.begun {
            self.end_line();
        }
        self.keep(Line {
            spans: vec![Span {
                text: crate::text::clean(text),
                sgr: Sgr::default(),
            }],
            notice: true,
            time_ms: self.last.0.unwrap_or(self.now_ms),
            ..Line::default()
        });
    }

    /// Takes all finished lines out, to merge them elsewhere.
    pub fn take_finished(&mut self) -> VecDeque<Line> {
        self.shown = 0;
        self.characters = 0;
        self.dropped += self.lines.len() as u64;
        std::mem::take(&mut self.lines)
    }

    /// Puts lines that were taken out before the present ones.
    pub fn put_back(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.characters += line.characters();
            self.shown += usize::from(line.shown);
            self.dropped = self.dropped.saturating_sub(1);
            self.lines.push_front(line);
        }
        self.trim();
    }

    /// Puts a line of another buffer in by its time, behind those of its own source. Returns how many lines follow it.
    pub fn merge(&mut self, line: Line) -> usize {
        let before = self
            .lines
            .iter()
            .rposition(|other| other.source == line.source || other.time_ms <= line.time_ms);
        let at = before.map_or(0, |at| at + 1);
        let behind = self.lines.len() - at;
        self.characters += line.characters();
        self.shown += usize::from(line.shown);
        self.lines.insert(at, line);
        self.trim();
        behind
    }

    /// Decides anew which lines are shown: the finished ones from a number on ([`LogBuffer::finished`]).
    pub fn sift(&mut self, from: u64, mut passes: impl FnMut(&Line) -> bool) {
        let from = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        for line in self.lines.iter_mut().skip(from) {
            self.shown -= usize::from(line.shown);
            line.shown = passes(line);
            self.shown += usize::from(line.shown);
        }
        self.open.shown = self.begun && passes(&self.open);
    }

    /// How many lines are shown.
    pub fn shown(&self) -> usize {
        self.shown + usize::from(self.open.shown)
    }

    /// How many lines there are, the unfinished one included.
    pub fn len(&self) -> usize {
        self.lines.len() + usize::from(self.begun)
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A line by its place in the buffer.
    pub fn line(&self, index: usize) -> Option<&Line> {
        match self.lines.get(index) {
            Some(line) => Some(line),
            None if index == self.lines.len() && self.begun => Some(&self.open),
            None => None,
        }
    }

    /// The finished lines, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    /// How many lines fell off the beginning.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many lines were ever finished.
    pub fn finished(&self) -> u64 {
        self.dropped + self.lines.len() as u64
    }

    /// How many lines there ever were, the unfinished one included.
    pub fn written(&self) -> u64 {
        self.dropped + self.len() as u64
    }

    /// Runs of ordinary characters at once, everything else one by one.
    fn valid(&mut self, mut text: &str) {
        while let Some(c) = text.chars().next() {
            let ordinary = match (&self.escape, self.carriage_return) {
                (Escape::Text, false) => text
                    .bytes()
                    .take_while(|byte| (b' '..=b'~').contains(byte))
                    .count(),
                _ => 0,
            };
            let taken = match ordinary {
                0 => {
                    self.character(c);
                    c.len_utf8()
                }
                run => {
                    self.ordinary(&text[..run]);
                    run
                }
            };
            text = &text[taken..];
        }
    }

    fn ordinary(&mut self, text: &str) {
        self.begun = true;
        let room = MAX_LINE.saturating_sub(self.open_columns);
        let (kept, cut) = text.split_at(room.min(text.len()));
        self.open.cut += cut.len();
        if kept.is_empty() {
            return;
        }
        self.open_columns += kept.len();
        match self.open.spans.last_mut() {
            Some(span) if span.sgr == self.sgr => span.text.push_str(kept),
            _ => self.open.spans.push(Span {
                text: kept.to_owned(),
                sgr: self.sgr,
            }),
        }
    }

    fn character(&mut self, c: char) {
        match std::mem::take(&mut self.escape) {
            Escape::Text => self.text(c),
            Escape::Start => {
                self.escape = match c {
                    '[' => Escape::Csi(String::new()),
                    ']' | 'P' | 'X' | '^' | '_' => Escape::String(false, 0),
                    ' '..='/' => Escape::Intermediate,
                    '\u{1b}' => Escape::Start,
                    '\n' => {
                        self.text(c);
                        Escape::Text
                    }
                    _ => Escape::Text,
                };
            }
            Escape::Intermediate => {
                if (' '..='/').contains(&c) {
                    self.escape = Escape::Intermediate;
                }
            }
            Escape::Csi(mut parameters) => match c {
                '\u{20}'..='\u{3f}' if parameters.len() < MAX_ESCAPE => {
                    parameters.push(c);
                    self.escape = Escape::Csi(parameters);
                }
                'm' => self.select(&parameters),
                '\u{1b}' => self.escape = Escape::Start,
                '\n' => self.text(c),
                _ => {}
            },
            Escape::String(after_escape, length) => match c {
                '\u{7}' | '\u{9c}' => {}
                '\\' if after_escape => {}
                // A line's end inside is a forgotten terminator rather than a command of a program.
                '\n' => self.text(c),
                _ if length >= MAX_ESCAPE => {}
                _ => self.escape = Escape::String(c == '\u{1b}', length + 1),
            },
        }
    }

    fn text(&mut self, c: char) {
        if self.carriage_return && c != '\n' {
            self.carriage_return = false;
            self.open = Line::default();
            self.open_columns = 0;
        }
        match c {
            '\n' => {
                self.carriage_return = false;
                self.end_line();
            }
            '\r' => self.carriage_return = true,
            '\u{1b}' => self.escape = Escape::Start,
            '\u{9b}' => self.escape = Escape::Csi(String::new()),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => self.escape = Escape::String(false, 0),
            '\t' => {
                for _ in 0..8 - self.open_columns % 8 {
                    self.put(' ');
                }
            }
            c if is_printable(c) => self.put(c),
            _ => {}
        }
    }

    fn put(&mut self, c: char) {
        self.begun = true;
        if self.open_columns >= MAX_LINE {
            self.open.cut += 1;
            return;
        }
        self.open_columns += 1;
        match self.open.spans.last_mut() {
            Some(span) if span.sgr == self.sgr => span.text.push(c),
            _ => self.open.spans.push(Span {
                text: c.to_string(),
                sgr: self.sgr,
            }),
        }
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.open);
        self.open_columns = 0;
        self.begun = false;
        line.classify(self.now_ms, self.last);
        if line.stamped && !std::mem::replace(&mut self.timed, true) {
            // What stands before the first time came before it, whenever it was read.
            for before in &mut self.lines {
                before.time_ms = before.time_ms.min(line.time_ms);
            }
        }
        self.last = (Some(line.time_ms), line.severity);
        self.keep(line);
    }

    fn keep(&mut self, mut line: Line) {
        line.shown = true;
        self.shown += 1;
        self.characters += line.characters();
        self.lines.push_back(line);
        self.trim();
    }

    fn trim(&mut self) {
        while self.characters > MAX_CHARACTERS || self.lines.len() > MAX_LINES {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.characters -= oldest.characters();
            self.shown -= usize::from(oldest.shown);
            self.dropped += 1;
        }
    }

    fn select(&mut self, parameters: &str) {
        // Private sequences end in m as well; they are not SGR.
        if parameters.starts_with(['<', '=', '>', '?']) {
            return;
        }
        let mut numbers = parameters.split([';', ':']).map(|number| {
            if number.is_empty() {
                Some(0)
            } else {
                number.parse::<u16>().ok()
            }
        });
        while let Some(number) = numbers.next() {
            match number {
                Some(0) => self.sgr = Sgr::default(),
                Some(1) => self.sgr.bold = true,
                Some(2) => self.sgr.dim = true,
                Some(4) => self.sgr.underlined = true,
                Some(7) => self.sgr.reversed = true,
                Some(22) => (self.sgr.bold, self.sgr.dim) = (false, false),
                Some(24) => self.sgr.underlined = false,
                Some(27) => self.sgr.reversed = false,
                Some(color @ 30..=37) => self.sgr.color = u8::try_from(color - 30).ok(),
                Some(color @ 90..=97) => self.sgr.color = u8::try_from(color - 90).ok(),
                Some(39) => self.sgr.color = None,
                // 38;5;N and 38;2;R;G;B: the first eight and their bright twins have names here, others keep the
                // text readable by having none. Backgrounds (48) are consumed and dropped.
                Some(extended @ (38 | 48)) => {
                    let color = match numbers.next() {
                        Some(Some(5)) => numbers.next().flatten().filter(|index| *index < 16),
                        Some(Some(2)) => {
                            numbers.by_ref().take(3).for_each(drop);
                            None
                        }
                        _ => None,
                    };
                    if extended == 38 {
                        self.sgr.color = color.and_then(|index| u8::try_from(index % 8).ok());
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;

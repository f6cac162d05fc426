//! Themes: scopes with a documented meaning, mapped to colours by TOML files.
//!
//! Widgets ask for a [`Scope`], never for a colour. A scope that a theme does not set takes its parent's style
//! (`state.failed` → `state`), then the default. Faults in a file are [`Warning`]s with a line; the rest is used.

mod contrast;
mod read;

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

/// A fault in a theme or key map file that does not keep the rest from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: String,
    /// Line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text
        .bytes()
        .take(at.min(text.len()))
        .filter(|byte| *byte == b'\n')
        .count()
}

macro_rules! scopes {
    ($($variant:ident = $name:literal, $glyph:literal, $doc:literal;)*) => {
        /// A place or a meaning on the screen that can have a style.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $(#[doc = $doc] $variant,)*
            /// Plain text without a scope of its own.
            #[default]
            None,
        }
        impl Scope {
            /// Every scope that a theme may set, with what it is for.
            pub const ALL: &'static [(Scope, &'static str, &'static str)] = &[$((Scope::$variant, $name, $doc),)*];

            /// The name in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Scope::$variant => $name,)* Scope::None => "" }
            }

            /// The sign shown beside a state when the theme sets none.
            fn default_glyph(self) -> &'static str {
                match self { $(Scope::$variant => $glyph,)* Scope::None => "" }
            }

            /// The scope with this name.
            pub fn named(name: &str) -> Option<Scope> {
                match name { $($name => Some(Scope::$variant),)* _ => None }
            }
        }
    };
}

scopes! {
    Ui = "ui", "", "everything that nothing else is said about";
    Dim = "ui.dim", "", "text of lesser weight: units, hints, old data";
    Label = "ui.label", "", "names of fields";
    Border = "ui.border", "", "lines between panes";
    BorderFocus = "ui.border.focus", "", "the line above the pane that has the keys";
    Header = "ui.header", "", "column titles of a table";
    Selection = "ui.selection", "", "the selected row";
    Mark = "ui.mark", "*", "marked rows";
    Status = "ui.status", "", "the line at the top";
    StatusMode = "ui.status.mode", "", "the mode's name in the line at the top";
    Banner = "ui.banner", "", "what a cluster is told from others by, at the top";
    Crumb = "ui.crumb", "", "where one is";
    Prompt = "ui.prompt", "", "the line in which one types";
    PromptError = "ui.prompt.error", "", "what is wrong with what was typed";
    Hint = "ui.hint", "", "the line at the bottom";
    HintKey = "ui.hint.key", "", "keys in hints and help";
    Match = "ui.match", "", "what a search found";
    Dialog = "ui.dialog", "", "a question before something happens";
    DialogDanger = "ui.dialog.danger", "", "the title of a question before something is changed on the cluster";
    Info = "notice.info", "", "news";
    Good = "notice.good", "", "a change that was verified";
    Warn = "notice.warn", "", "something to look at";
    Bad = "notice.bad", "", "something failed";
    LinkLive = "link.live", "", "connected";
    LinkStale = "link.stale", "", "connected, but nothing was heard for a while";
    LinkDown = "link.down", "", "not connected";
    State = "state", " ", "a task's or job's state";
    StateWaiting = "state.waiting", "~", "PENDING, THROTTLED, INIT";
    StateStarting = "state.starting", ">", "ASSIGNED, STARTING";
    StateRunning = "state.running", "+", "RUNNING";
    StateChanging = "state.changing", "!", "KILLING, RESTARTING, PREEMPTING, DRAINING, PARTITIONED";
    StateEnded = "state.ended", "-", "FINISHED, KILLED";
    StateFailed = "state.failed", "x", "FAILED, LOST";
    LogNotice = "log.notice", "", "remarks of the workbench between log lines";
    Ansi0 = "ansi.black", "", "black in a program's output";
    Ansi1 = "ansi.red", "", "red in a program's output";
    Ansi2 = "ansi.green", "", "green in a program's output";
    Ansi3 = "ansi.yellow", "", "yellow in a program's output";
    Ansi4 = "ansi.blue", "", "blue in a program's output";
    Ansi5 = "ansi.magenta", "", "magenta in a program's output";
    Ansi6 = "ansi.cyan", "", "cyan in a program's output";
    Ansi7 = "ansi.white", "", "white in a program's output";
}

impl Scope {
    /// The scope of a colour number of SGR, 0 to 7.
    pub fn ansi(number: u8) -> Scope {
        match number {
            0 => Scope::Ansi0,
            1 => Scope::Ansi1,
            2 => Scope::Ansi2,
            3 => Scope::Ansi3,
            4 => Scope::Ansi4,
            5 => Scope::Ansi5,
            6 => Scope::Ansi6,
            _ => Scope::Ansi7,
        }
    }
}

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 256 of xterm.
    Indexed,
    /// The 16 named ones.
    Sixteen,
    /// None; only bold, underlined and reversed.
    None,
}

/// A colour for a terminal of a known depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Color {
    /// The terminal's own foreground or background.
    Default,
    /// Red, green, blue.
    Rgb(u8, u8, u8),
    /// One of the 256.
    Indexed(u8),
    /// One of the 16: 0 black … 7 white, 8 dark grey … 15 bright white.
    Ansi(u8),
}

const ANSI_NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "dark-gray",
    "light-red",
    "light-green",
    "light-yellow",
    "light-blue",
    "light-magenta",
    "light-cyan",
    "light-white",
];

/// The 16 colours as xterm shows them; used to find the nearest.
const ANSI_RGB: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    square(a.0, b.0) + square(a.1, b.1) + square(a.2, b.2)
}

fn indexed_rgb(index: u8) -> (u8, u8, u8) {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match index {
        0..=15 => ANSI_RGB[usize::from(index)],
        16..=231 => {
            let cube = usize::from(index - 16);
            (STEPS[cube / 36], STEPS[cube / 6 % 6], STEPS[cube % 6])
        }
        _ => {
            let grey = 8 + (index - 232) * 10;
            (grey, grey, grey)
        }
    }
}

fn nearest(
    rgb: (u8, u8, u8),
    among: impl Iterator<Item = u8>,
    of: impl Fn(u8) -> (u8, u8, u8),
) -> u8 {
    among
        .min_by_key(|index| distance(rgb, of(*index)))
        .unwrap_or(0)
}

/// A colour as a theme names it: one value for each depth that it gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Choice {
    rgb: Option<(u8, u8, u8)>,
    indexed: Option<u8>,
    ansi: Option<u8>,
    default: bool,
}

impl Choice {
    fn at(self, depth: Depth) -> Option<Color> {
        if depth == Depth::None {
            return None;
        }
        if self.default {
            return Some(Color::Default);
        }
        let indexed = || {
            self.indexed
                .or_else(|| self.rgb.map(|rgb| nearest(rgb, 16..=255, indexed_rgb)))
        };
        let ansi = || {
            self.ansi.or_else(|| {
                let rgb = self.rgb.or_else(|| self.indexed.map(indexed_rgb))?;
                Some(nearest(rgb, 0..16, indexed_rgb))
            })
        };
        match depth {
            Depth::None => None,
            Depth::True => self
                .rgb
                .map(|(r, g, b)| Color::Rgb(r, g, b))
                .or_else(|| indexed().map(Color::Indexed))
                .or_else(|| ansi().map(Color::Ansi)),
            Depth::Indexed => indexed()
                .map(Color::Indexed)
                .or_else(|| ansi().map(Color::Ansi)),
            Depth::Sixteen => ansi().map(Color::Ansi),
        }
    }
}

/// What makes text stand out without colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Emphasis {
    /// Bold.
    pub bold: bool,
    /// Dim.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underlined: bool,
    /// Foreground and background exchanged.
    pub reversed: bool,
}

impl Emphasis {
    /// Either's.
    pub fn or(self, other: Emphasis) -> Emphasis {
        Emphasis {
            bold: self.bold || other.bold,
            dim: self.dim || other.dim,
            italic: self.italic || other.italic,
            underlined: self.underlined || other.underlined,
            reversed: self.reversed || other.reversed,
        }
    }
}

/// A style for a terminal of a known depth; what is not set stays as it is underneath.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Style {
    /// Foreground.
    pub fg: Option<Color>,
    /// Background.
    pub bg: Option<Color>,
    /// Emphasis.
    pub emphasis: Emphasis,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    fg: Option<Choice>,
    bg: Option<Choice>,
    emphasis: Option<Emphasis>,
    glyph: Option<String>,
}

/// A theme, ready for every depth.
#[derive(Clone, Debug, Default)]
pub struct Theme {
    /// Its name.
    pub name: String,
    palette: BTreeMap<String, Choice>,
    entries: BTreeMap<Scope, Entry>,
}

/// The themes that are compiled in, by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("16-dark", include_str!("../../../themes/16-dark.toml")),
    ("16-light", include_str!("../../../themes/16-light.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
    (
        "high-contrast",
        include_str!("../../../themes/high-contrast.toml"),
    ),
    ("cvd-dark", include_str!("../../../themes/cvd-dark.toml")),
    ("cvd-light", include_str!("../../../themes/cvd-light.toml")),
];

/// The background that a shipped theme is made for, when it does not bring its own.
pub fn is_for_light(name: &str) -> bool {
    name.ends_with("light")
}

const MOST_ANCESTORS: usize = 4;

impl Theme {
    /// A theme that is compiled in.
    pub fn built_in(name: &str) -> Option<(Theme, Vec<Warning>)> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Theme::load(name, text))
    }

    /// Reads a theme file. `inherits` names a theme that is compiled in; names of the own palette come before those of its
    /// palette in its scopes too. Faults come back beside what could be used.
    pub fn load(name: &str, text: &str) -> (Theme, Vec<Warning>) {
        Theme::parse(&format!("{name}.toml"), name, text)
    }

    /// Reads a theme file that faults are to name by its path.
    pub fn parse(file: &str, name: &str, text: &str) -> (Theme, Vec<Warning>) {
        let mut reading = Reading {
            file,
            text,
            warnings: Vec::new(),
        };
        let theme = reading.theme(name, &BTreeMap::new(), MOST_ANCESTORS);
        (theme, reading.warnings)
    }

    /// The style of a scope on a terminal of this depth.
    pub fn style(&self, scope: Scope, depth: Depth) -> Style {
        if scope == Scope::None {
            return Style::default();
        }
        let (mut fg, mut bg, mut emphasis) = (None, None, None);
        let mut name = scope.name();
        loop {
            if let Some(entry) = Scope::named(name).and_then(|scope| self.entries.get(&scope)) {
                fg = fg.or(entry.fg);
                bg = bg.or(entry.bg);
                emphasis = emphasis.or(entry.emphasis);
            }
            match name.rfind('.') {
                Some(dot) => name = &name[..dot],
                None => break,
            }
        }
        let mut emphasis = emphasis.unwrap_or_default();
        // Where there are no colours, what a background would tell must be told by reversal.
        emphasis.reversed |=
            depth == Depth::None && matches!(scope, Scope::Selection | Scope::Status);
        Style {
            fg: fg.and_then(|choice| choice.at(depth)),
            bg: bg.and_then(|choice| choice.at(depth)),
            emphasis,
        }
    }

    /// The sign beside a state.
    pub fn glyph(&self, scope: Scope) -> &str {
        self.entries
            .get(&scope)
            .and_then(|entry| entry.glyph.as_deref())
            .unwrap_or(scope.default_glyph())
    }
}

/// A file that is being read.
struct Reading<'a> {
    file: &'a str,
    text: &'a str,
    warnings: Vec<Warning>,
}

impl Reading<'_> {
    fn warn(&mut self, at: usize, message: String) {
        self.warnings.push(Warning {
            file: self.file.to_owned(),
            line: line_of(self.text, at),
            message,
        });
    }

    /// The theme, with these colours before those of its own palette.
    fn theme(&mut self, name: &str, over: &BTreeMap<String, Choice>, ancestors: usize) -> Theme {
        let mut theme = Theme {
            name: name.to_owned(),
            ..Theme::default()
        };
        let document = match DeTable::parse(self.text) {
            Ok(document) => document,
            Err(fault) => {
                let at = fault.span().map_or(0, |span| span.start);
                self.warn(at, format!("not TOML: {}", fault.message()));
                return theme;
            }
        };
        let document = document.get_ref();
        let base = document.get("inherits").and_then(|base| {
            let found = self.base(base.get_ref().as_str().unwrap_or_default(), ancestors);
            if found.is_none() {
                let message = format!(
                    "there is no theme `{}` to inherit from; known are {}",
                    base.get_ref().as_str().unwrap_or_default(),
                    known_themes()
                );
                self.warn(base.span().start, message);
            }
            found
        });
        if let Some((base_name, base_text)) = base {
            theme.palette = inherited(base_name, base_text, &BTreeMap::new(), ancestors).palette;
        }
        let mut own = BTreeMap::new();
        if let Some(palette) = document
            .get("palette")
            .and_then(|palette| palette.get_ref().as_table())
        {
            for (key, value) in palette.iter() {
                match read::choice(value.get_ref(), &theme.palette) {
                    Ok(choice) => {
                        own.insert(key.get_ref().to_string(), choice);
                        theme.palette.insert(key.get_ref().to_string(), choice);
                    }
                    Err(message) => self.warn(value.span().start, message),
                }
            }
        }
        own.extend(over.iter().map(|(name, choice)| (name.clone(), *choice)));
        theme
            .palette
            .extend(over.iter().map(|(name, choice)| (name.clone(), *choice)));
        if let Some((base_name, base_text)) = base {
            theme.entries = inherited(base_name, base_text, &own, ancestors).entries;
        }
        for (key, value) in document.iter() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("inherits", _) | ("palette", DeValue::Table(_)) => {}
                ("scope", DeValue::Table(scopes)) => self.scopes(&mut theme, scopes),
                (other, _) => self.warn(
                    key.span().start,
                    format!(
                        "`{other}` is not known here; a theme has inherits, [palette] and [scope]"
                    ),
                ),
            }
        }
        theme
    }

    fn base(&self, name: &str, ancestors: usize) -> Option<(&'static str, &'static str)> {
        BUILT_IN
            .iter()
            .find(|(known, text)| *known == name && ancestors > 0 && *text != self.text)
            .copied()
    }

    fn scopes(&mut self, theme: &mut Theme, scopes: &DeTable<'_>) {
        for (key, value) in scopes.iter() {
            let Some(scope) = Scope::named(key.get_ref()) else {
                let message = format!(
                    "there is no scope `{}`; `aurora-tui theme docs` lists them",
                    key.get_ref()
                );
                self.warn(key.span().start, message);
                continue;
            };
            let mut entry = theme.entries.remove(&scope).unwrap_or_default();
            let at = value.span().start;
            for (at, message) in read::read_entry(value.get_ref(), at, &theme.palette, &mut entry) {
                self.warn(at, message);
            }
            theme.entries.insert(scope, entry);
        }
    }
}

/// A theme that is compiled in, as a base; it has no faults (a test holds that).
fn inherited(
    name: &'static str,
    text: &'static str,
    over: &BTreeMap<String, Choice>,
    ancestors: usize,
) -> Theme {
    let mut reading = Reading {
        file: name,
        text,
        warnings: Vec::new(),
    };
    reading.theme(name, over, ancestors - 1)
}

/// Names of the themes that are compiled in.
pub fn known_themes() -> String {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;

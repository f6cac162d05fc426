//! Keys and their one notation: `a`, `G`, `ctrl-x`, `alt-enter`, `shift-f5`, `space`, `-`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A printable character; capitals are characters of their own, not `shift`.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tabulator; back-tab is `shift-tab`.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// A function key, 1 to 24.
    F(u8),
}

const NAMES: &[(Code, &str)] = &[
    (Code::Char(' '), "space"),
    (Code::Enter, "enter"),
    (Code::Esc, "esc"),
    (Code::Tab, "tab"),
    (Code::Backspace, "backspace"),
    (Code::Delete, "delete"),
    (Code::Insert, "insert"),
    (Code::Up, "up"),
    (Code::Down, "down"),
    (Code::Left, "left"),
    (Code::Right, "right"),
    (Code::Home, "home"),
    (Code::End, "end"),
    (Code::PageUp, "pageup"),
    (Code::PageDown, "pagedown"),
];

/// One press of a key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// With control.
    pub ctrl: bool,
    /// With alt.
    pub alt: bool,
    /// With shift, for keys that are not characters.
    pub shift: bool,
}

impl Key {
    /// A key without modifiers.
    pub const fn plain(code: Code) -> Key {
        Key {
            code,
            ctrl: false,
            alt: false,
            shift: false,
        }
    }

    /// The character that this key types into a text field, if it does.
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Why this key should not be bound, if there is a reason: terminals send the same bytes for another key, or a
    /// multiplexer or the terminal's flow control takes it first.
    pub fn trouble(self) -> Option<&'static str> {
        if !self.ctrl {
            return None;
        }
        match self.code {
            Code::Char('h') => Some("terminals send the same byte for backspace"),
            Code::Char('i') => Some("terminals send the same byte for tab"),
            Code::Char('m') => Some("terminals send the same byte for enter"),
            Code::Char('[') => Some("terminals send the same byte for esc"),
            Code::Char('a' | 'b') => Some("terminal multiplexers take it as their prefix"),
            Code::Char('s' | 'q') => Some("terminals take it for flow control"),
            Code::Char(' ') => Some("not every terminal sends it"),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (on, name) in [
            (self.ctrl, "ctrl-"),
            (self.alt, "alt-"),
            (self.shift, "shift-"),
        ] {
            if on {
                f.write_str(name)?;
            }
        }
        match self.code {
            Code::F(number) => write!(f, "f{number}"),
            code => match (NAMES.iter().find(|(known, _)| *known == code), code) {
                (Some((_, name)), _) => f.write_str(name),
                (None, Code::Char(c)) => write!(f, "{c}"),
                (None, other) => write!(f, "{other:?}"),
            },
        }
    }
}

/// A text that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    /// Nothing known by this name.
    #[error(
        "`{0}` is not a key; keys are written a, G, ctrl-x, alt-enter, shift-f5, space, esc, pageup"
    )]
    Unknown(String),
    /// Shift with a character.
    #[error("`{0}`: write the character that shift produces instead, such as G for shift-g")]
    ShiftedCharacter(String),
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Key, ParseKeyError> {
        let mut key = Key::plain(Code::Esc);
        let mut rest = text;
        loop {
            if let Some(tail) = rest.strip_prefix("ctrl-").filter(|tail| !tail.is_empty()) {
                key.ctrl = true;
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("alt-").filter(|tail| !tail.is_empty()) {
                key.alt = true;
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("shift-").filter(|tail| !tail.is_empty()) {
                key.shift = true;
                rest = tail;
            } else {
                break;
            }
        }
        let unknown = || ParseKeyError::Unknown(text.to_owned());
        let mut characters = rest.chars();
        key.code = match (characters.next(), characters.next()) {
            (Some(' '), None) | (None, _) => return Err(unknown()),
            (Some(only), None) if !only.is_control() => Code::Char(only),
            _ => {
                let named = NAMES.iter().find(|(_, name)| *name == rest);
                let function = || {
                    rest.strip_prefix('f')?
                        .parse()
                        .ok()
                        .filter(|number| (1..=24).contains(number))
                        .map(Code::F)
                };
                named
                    .map(|(code, _)| *code)
                    .or_else(function)
                    .ok_or_else(unknown)?
            }
        };
        if key.shift && matches!(key.code, Code::Char(c) if c != ' ') {
            return Err(ParseKeyError::ShiftedCharacter(text.to_owned()));
        }
        Ok(key)
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Keys pressed one after another, written with blanks between: `g j`.
pub fn parse_sequence(text: &str) -> Result<Vec<Key>, ParseKeyError> {
    let keys: Vec<Key> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(ParseKeyError::Unknown(text.to_owned()));
    }
    Ok(keys)
}

/// The text of a sequence of keys.
pub fn show_sequence(keys: &[Key]) -> String {
    let texts: Vec<String> = keys.iter().map(Key::to_string).collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation_round_trips() {
        for text in [
            "a",
            "G",
            "-",
            "ctrl-x",
            "alt-enter",
            "shift-f5",
            "space",
            "ctrl--",
            "ctrl-alt-k",
            "f12",
            "é",
            "pageup",
            "shift-tab",
            "[",
            "ctrl-alt-shift-up",
        ] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        assert_eq!(
            show_sequence(&parse_sequence("g  ctrl-w space").unwrap()),
            "g ctrl-w space"
        );
    }

    #[test]
    fn what_is_not_a_key() {
        for text in [
            "",
            "ctrl-",
            "foo",
            "f0",
            "f25",
            "shift-a",
            "ctrl-shift-x",
            "\u{7}",
            "Enter",
        ] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
        assert!(parse_sequence("  ").is_err());
    }

    #[test]
    fn keys_that_do_not_arrive() {
        for text in [
            "ctrl-h",
            "ctrl-i",
            "ctrl-m",
            "ctrl-[",
            "ctrl-a",
            "ctrl-b",
            "ctrl-s",
            "ctrl-q",
            "ctrl-space",
        ] {
            assert!(text.parse::<Key>().unwrap().trouble().is_some(), "{text}");
        }
        for text in ["h", "ctrl-d", "ctrl-u", "ctrl-w", "alt-a"] {
            assert!(text.parse::<Key>().unwrap().trouble().is_none(), "{text}");
        }
    }
}

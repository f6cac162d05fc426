//! Telling somebody who looks elsewhere: when, and how. Off unless `tui.toml` says otherwise.

use std::collections::BTreeSet;

use toml::de::DeValue;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// An update has ended that is on the screen or was started from here.
    Update,
    /// A task of a job has failed or was lost.
    Failure,
    /// It is known what became of a change that was made from here.
    Change,
}

/// How it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// The terminal's bell.
    #[default]
    Bell,
    /// OSC 9: a notification of the desktop, by iTerm2, kitty, WezTerm, foot, Windows Terminal and others.
    Osc9,
    /// OSC 777: the same by rxvt-unicode, foot, Ghostty and others.
    Osc777,
    /// A command of this machine with the text as its last argument; multiplexers swallow sequences.
    Command(String),
}

/// What stands under `[notify]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// On which occasions.
    pub when: BTreeSet<Occasion>,
    /// How.
    pub how: How,
}

const WHEN: &str = "it takes occasions: \"update\", \"failure\" and \"change\"";
const HOW: &str = "it is \"bell\", \"osc9\" or \"osc777\"; `command` takes a command";

impl Notify {
    /// Takes in a value of the file.
    pub(crate) fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), String> {
        match (key, value) {
            ("when", DeValue::Array(names)) => {
                let names = names.iter().map(|name| match name.get_ref().as_str() {
                    Some("update") => Ok(Occasion::Update),
                    Some("failure") => Ok(Occasion::Failure),
                    Some("change") => Ok(Occasion::Change),
                    _ => Err(WHEN.to_owned()),
                });
                self.when = names.collect::<Result<_, _>>()?;
            }
            ("how", DeValue::String(name)) => {
                self.how = match name.as_ref() {
                    "bell" => How::Bell,
                    "osc9" => How::Osc9,
                    "osc777" => How::Osc777,
                    _ => return Err(HOW.to_owned()),
                };
            }
            ("command", DeValue::String(command)) => {
                self.how = How::Command(command.to_string());
            }
            ("when", _) => return Err(WHEN.to_owned()),
            ("how", _) => return Err(HOW.to_owned()),
            ("command", _) => return Err("it is a text".to_owned()),
            (other, _) => {
                return Err(format!(
                    "`{other}` is not known here; known are when, how and command"
                ));
            }
        }
        Ok(())
    }
}

//! One line on the terminal that says how far a wait has come.

use std::io::{IsTerminal, Write};

/// A line on standard error, rewritten as it changes; nothing when that is no terminal.
pub(crate) struct Progress {
    live: bool,
    shown: String,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            live: std::io::stderr().is_terminal(),
            shown: String::new(),
        }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Shows this text in the place of the one before.
    pub(crate) fn show(&mut self, text: &str) {
        if self.live && self.shown != text {
            write(&format!("\r\x1b[K{text}"));
            self.shown = text.to_owned();
        }
    }

    /// Takes the line away, so that another line can be printed.
    pub(crate) fn clear(&mut self) {
        if !self.shown.is_empty() {
            write("\r\x1b[K");
            self.shown.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn write(text: &str) {
    let mut err = std::io::stderr();
    // A line for people to look at: when it cannot be shown, nobody looks.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

//! One line on the terminal that says how far a wait has come.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes a line away.
const AWAY: &str = "\r\x1b[K";

/// Whether a line stands on the terminal now.
static STANDS: AtomicBool = AtomicBool::new(false);

/// What to write before a line of the log, so that it does not come behind a line of ours.
pub(crate) fn away() -> &'static str {
    if STANDS.swap(false, Ordering::Relaxed) {
        AWAY
    } else {
        ""
    }
}

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
        let stands = STANDS.swap(self.live, Ordering::Relaxed);
        if self.live && (self.shown != text || !stands) {
            write(&format!("{AWAY}{text}"));
            self.shown = text.to_owned();
        }
    }

    /// Takes the line away, so that another line can be printed.
    pub(crate) fn clear(&mut self) {
        let stands = away();
        if !stands.is_empty() {
            write(stands);
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

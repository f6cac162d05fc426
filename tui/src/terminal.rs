//! The terminal's life: raw mode, alternate screen, suspension, and giving it back whatever happens.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use aurora_tui_model::notify::How;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcsetpgrp};

/// Who has the terminal at this moment; the panic hook asks.
static HOLDER: AtomicU8 = AtomicU8::new(NOBODY);
/// It was not taken yet, or was given back for good.
const NOBODY: u8 = 0;
/// We draw on it.
const US: u8 = 1;
/// A program that we started, or the shell that stopped us.
const ANOTHER: u8 = 2;
/// Its settings before it was taken.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Alternate screen, no cursor, bracketed paste.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h";
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// The end of a frame comes first: one that was cut off would hold back all that follows.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[?25h\x1b[?1049l";

/// The longest text that is put on the clipboard: terminals drop longer sequences silently.
const MAX_COPY: usize = 74_000;

/// Why there can be no screen, in one sentence that says what to do; none when there can.
pub(crate) fn missing(term: &str) -> Option<String> {
    let instead =
        "use --snapshot text, --snapshot json or --exec 'COMMAND' to work without a screen";
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Some(format!(
            "aurora-tui needs a terminal on standard input and output: run it in one, or {instead}."
        ));
    }
    if term.is_empty() || term == "dumb" {
        return Some(format!(
            "aurora-tui cannot draw on this terminal (TERM is `{term}`): set TERM to what it is, such as xterm-256color, or {instead}."
        ));
    }
    None
}

/// The terminal, taken. Dropping it gives it back.
pub(crate) struct Terminal {
    out: io::Stdout,
}

impl Terminal {
    pub(crate) fn take() -> io::Result<Terminal> {
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(io::stdin()).ok();
        let mut terminal = Terminal { out: io::stdout() };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Takes the terminal (again).
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        HOLDER.store(US, Ordering::SeqCst);
        self.out.write_all(ENTER)?;
        self.out.flush()
    }

    /// Takes it back from a program that had it, however that has left it: a program that was killed cleans up nothing.
    pub(crate) fn take_back(&mut self) -> io::Result<()> {
        reclaim()?;
        self.enter()
    }

    /// Gives it to another program, to be taken again.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        let left = release(&mut self.out);
        HOLDER.store(ANOTHER, Ordering::SeqCst);
        left
    }

    /// Takes the mouse (buttons and wheel, SGR coordinates), or leaves it.
    pub(crate) fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.out.write_all(if on { MOUSE_ON } else { MOUSE_OFF })?;
        self.out.flush()
    }

    /// Asks the terminal something; it answers as keys do, or never.
    pub(crate) fn ask(&mut self, question: &[u8]) -> io::Result<()> {
        self.out.write_all(question)?;
        self.out.flush()
    }

    /// Stops this process until the shell continues it. The terminal must have been left.
    pub(crate) fn stop() -> io::Result<()> {
        // Not SIGTSTP: tokio has a handler for it, which would swallow it.
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGSTOP)
            .map_err(io::Error::from)
    }

    /// Puts a text on the clipboard by OSC 52, through tmux and screen too.
    pub(crate) fn copy(&mut self, text: &str, term: &str, in_tmux: bool) -> Result<(), String> {
        let sequence = clipboard(text, term, in_tmux)?;
        self.out
            .write_all(sequence.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(|error| format!("cannot copy: {error}"))
    }
}

impl Terminal {
    /// Tells somebody who looks elsewhere, through tmux too.
    pub(crate) fn notify(&mut self, how: &How, text: &str, in_tmux: bool) -> io::Result<()> {
        self.out
            .write_all(notification(how, text, in_tmux).as_bytes())?;
        self.out.flush()
    }
}

/// What a terminal is sent for a notification. The text has no control characters.
fn notification(how: &How, text: &str, in_tmux: bool) -> String {
    let plain = match how {
        How::Osc9 => format!("\x1b]9;{text}\x07"),
        // The parts are separated by semicolons.
        How::Osc777 => format!("\x1b]777;notify;Aurora;{}\x07", text.replace(';', ",")),
        How::Bell | How::Command(_) => return "\x07".to_owned(),
    };
    match in_tmux {
        true => through_tmux(&plain),
        false => plain,
    }
}

fn through_tmux(sequence: &str) -> String {
    format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody is left to tell, and the terminal may be gone already.
        let _ = release(&mut self.out);
    }
}

/// Brings the terminal to the foreground and to the settings that it had before it was taken.
fn reclaim() -> io::Result<()> {
    // Who is not in the foreground would be stopped for setting the terminal.
    let mut quiet = SigSet::empty();
    quiet.add(Signal::SIGTTOU);
    let before = quiet.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    // Where another session has it there is nothing to take back; the settings fail below then.
    let _ = tcsetpgrp(io::stdin(), getpgrp());
    let settings = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let set = settings.as_ref().map_or(Ok(()), |settings| {
        tcsetattr(io::stdin(), SetArg::TCSANOW, settings)
    });
    before.thread_set_mask()?;
    Ok(set?)
}

/// Gives the terminal back as it was. Whoever has it meanwhile may have changed it too.
fn release(out: &mut impl Write) -> io::Result<()> {
    let cooked = match HOLDER.swap(NOBODY, Ordering::SeqCst) {
        US => disable_raw_mode(),
        ANOTHER => reclaim(),
        _ => return Ok(()),
    };
    out.write_all(LEAVE).and_then(|()| out.flush()).and(cooked)
}

/// Gives the terminal back before a panic is reported, and says where the log is. To be called on the thread that draws.
pub(crate) fn restore_on_panic(log: Option<&Path>) {
    let log = log.map(Path::to_owned);
    let report = std::panic::take_hook();
    let drawing = std::thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        // A panic in a job of the data layer ends that job only; the log has it, and whatever is on the terminal stays.
        if std::thread::current().id() != drawing && HOLDER.load(Ordering::SeqCst) != NOBODY {
            tracing::error!("{panic}");
            return;
        }
        // The report follows in any case.
        let _ = release(&mut io::stdout());
        report(panic);
        if let Some(log) = &log {
            let note = format!("The log is in {}.\n", log.display());
            let _ = io::stderr().write_all(note.as_bytes());
        }
    }));
}

fn clipboard(text: &str, term: &str, in_tmux: bool) -> Result<String, String> {
    let encoded = STANDARD.encode(text);
    if encoded.len() > MAX_COPY {
        return Err(format!(
            "{} bytes are too many for the terminal's clipboard",
            text.len()
        ));
    }
    let plain = format!("\x1b]52;c;{encoded}\x07");
    Ok(if in_tmux {
        through_tmux(&plain)
    } else if term.starts_with("screen") {
        format!("\x1bP{plain}\x1b\\")
    } else {
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_reach_the_terminal() {
        for (how, in_tmux, expected) in [
            (How::Bell, false, "\x07"),
            (How::Bell, true, "\x07"),
            (How::Osc9, false, "\x1b]9;a;b\x07"),
            (How::Osc9, true, "\x1bPtmux;\x1b\x1b]9;a;b\x07\x1b\\"),
            (How::Osc777, false, "\x1b]777;notify;Aurora;a,b\x07"),
        ] {
            assert_eq!(notification(&how, "a;b", in_tmux), expected, "{how:?}");
        }
    }

    #[test]
    fn clipboard_sequences() {
        // `printf hello | base64` prints aGVsbG8=.
        assert_eq!(
            clipboard("hello", "xterm", false).unwrap(),
            "\x1b]52;c;aGVsbG8=\x07"
        );
        assert_eq!(
            clipboard("hello", "tmux", true).unwrap(),
            "\x1bPtmux;\x1b\x1b]52;c;aGVsbG8=\x07\x1b\\"
        );
        assert_eq!(
            clipboard("hello", "screen", false).unwrap(),
            "\x1bP\x1b]52;c;aGVsbG8=\x07\x1b\\"
        );
        assert!(clipboard(&"x".repeat(MAX_COPY), "xterm", false).is_err());
    }
}

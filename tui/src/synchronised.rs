//! Whether the terminal shows frames whole (synchronised output, private mode 2026).
//!
//! It is asked once, after the first frame and before keys are read: crossterm knows no such answer and would hold back the
//! keys that follow it. The question for the terminal's kind (DA1) comes after it, as every terminal answers that. Whoever has
//! not answered after a moment is taken for one that does not; an answer that comes late ends with that of DA1, which
//! crossterm does know, and is dropped by it.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;

pub(crate) const ASK: &[u8] = b"\x1b[?2026$p\x1b[c";
/// Begin and end of a frame.
pub(crate) const BEGIN: &[u8] = b"\x1b[?2026h";
pub(crate) const END: &[u8] = b"\x1b[?2026l";
/// For so long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes that are read at most.
const MOST: usize = 4096;

/// What came from the terminal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether it knows the mode.
    pub(crate) knows: bool,
    /// Whether it has answered the last question.
    pub(crate) complete: bool,
    /// What was typed meanwhile, as far as it is text.
    pub(crate) typed: String,
}

/// Listens for the answer.
pub(crate) fn listen() -> io::Result<Heard> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut heard = Heard::default();
    let input = io::stdin();
    while !heard.complete && bytes.len() < MOST {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let left = PollTimeout::from(u8::try_from(left.as_millis()).unwrap_or(u8::MAX));
        let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, left)? == 0 {
            break;
        }
        // Not by way of standard input's own buffer, which nobody else reads.
        let mut piece = [0; 256];
        match read(&input, &mut piece)? {
            0 => break,
            count => bytes.extend(&piece[..count]),
        }
        heard = understand(&bytes);
    }
    Ok(heard)
}

fn understand(bytes: &[u8]) -> Heard {
    let text = String::from_utf8_lossy(bytes);
    let mut heard = Heard::default();
    let mut rest: &str = &text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let Some(sequence) = after.strip_prefix('[').filter(|_| c == '\u{1b}') else {
            heard.typed.extend((!c.is_control()).then_some(c));
            rest = after;
            continue;
        };
        let end = sequence.find(|c| ('@'..='~').contains(&c));
        let Some(end) = end else {
            break;
        };
        match &sequence[..=end] {
            // 1: set, 2: not set, 3: for ever; 0 is not known, 4 is never.
            "?2026;1$y" | "?2026;2$y" | "?2026;3$y" => heard.knows = true,
            kind if kind.starts_with('?') && kind.ends_with('c') => heard.complete = true,
            _ => {}
        }
        rest = &sequence[end + 1..];
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_about_whole_frames() {
        let heard = |knows, complete, typed: &str| Heard {
            knows,
            complete,
            typed: typed.to_owned(),
        };
        for (bytes, expected) in [
            ("\x1b[?2026;2$y\x1b[?62;22c", heard(true, true, "")),
            ("\x1b[?2026;1$y\x1b[?6c", heard(true, true, "")),
            ("\x1b[?2026;0$y\x1b[?6c", heard(false, true, "")),
            ("\x1b[?2026;4$y\x1b[?6c", heard(false, true, "")),
            ("\x1b[?6c", heard(false, true, "")),
            // Typed before, between and after; a key that is a sequence is lost.
            ("g\x1b[?2026;2$yh\x1b[A\x1b[?6cj", heard(true, true, "ghj")),
            ("\x1b[?2026;2$y\x1b[?6", heard(true, false, "")),
            ("\x1b", heard(false, false, "")),
            ("", heard(false, false, "")),
        ] {
            assert_eq!(understand(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}

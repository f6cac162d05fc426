//! What the terminal answers to a question about itself, told apart from keys.
//!
//! There is one question: its background (OSC 11). Nothing waits for the answer; one that comes late, or not at all, changes
//! nothing. crossterm knows no such answer and tells its bytes as keys, which are taken out of the stream here.

use std::time::{Duration, Instant};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};

/// Asks for the background's colour.
pub(crate) const ASK: &[u8] = b"\x1b]11;?\x07";
/// An answer that begins later than this is taken for keys.
const DEADLINE: Duration = Duration::from_secs(2);
/// The longest answer.
const LONGEST: usize = 64;

/// What an event is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sifted {
    /// Not an answer.
    Other(Input),
    /// A part of one, or one that says nothing.
    Part,
    /// The background is light, or not.
    Light(bool),
}

/// Looks for the answer.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    asked: Option<Instant>,
    collected: Option<String>,
}

impl Replies {
    /// The question was asked.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// Takes a part of the answer out of the stream.
    pub(crate) fn sift(&mut self, event: Input, now: Instant) -> Sifted {
        let Input::Key(key) = &event else {
            return Sifted::Other(event);
        };
        let Some(collected) = &mut self.collected else {
            let is_open = self.asked.is_some_and(|asked| now - asked < DEADLINE);
            if is_open && is(key, ']', KeyModifiers::ALT) {
                self.collected = Some(String::new());
                self.asked = None;
                return Sifted::Part;
            }
            return Sifted::Other(event);
        };
        let ends = is(key, 'g', KeyModifiers::CONTROL) || is(key, '\\', KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if !ends && collected.len() < LONGEST => {
                collected.push(c);
                return Sifted::Part;
            }
            _ => {}
        }
        let light = is_light(collected);
        self.collected = None;
        light.map_or(Sifted::Part, Sifted::Light)
    }
}

fn is(key: &KeyEvent, c: char, modifiers: KeyModifiers) -> bool {
    key.code == KeyCode::Char(c) && key.modifiers.contains(modifiers)
}

/// Reads `11;rgb:RRRR/GGGG/BBBB`, with one to four digits each.
fn is_light(text: &str) -> Option<bool> {
    let channels = text.strip_prefix("11;rgb:")?;
    let shares: Vec<f64> = channels
        .split('/')
        .map(|digits| {
            let most = 16u32.checked_pow(u32::try_from(digits.len()).ok()?)? - 1;
            let value = u32::from_str_radix(digits, 16).ok()?;
            (1..=4)
                .contains(&digits.len())
                .then(|| f64::from(value) / f64::from(most))
        })
        .collect::<Option<_>>()?;
    match shares[..] {
        // The brightness that eyes see (ITU-R BT.709).
        [red, green, blue] => Some(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backgrounds() {
        for (text, light) in [
            ("11;rgb:ffff/ffff/ffff", Some(true)),
            ("11;rgb:0000/0000/0000", Some(false)),
            ("11;rgb:fd/f6/e3", Some(true)),
            ("11;rgb:00/2b/36", Some(false)),
            // Blue is dark for eyes, green is not.
            ("11;rgb:0/0/f", Some(false)),
            ("11;rgb:0/f/0", Some(true)),
            ("11;rgb:ffff/ffff", None),
            ("11;rgb:fffff/0/0", None),
            ("11;rgb:x/0/0", None),
            ("11;rgb://", None),
            ("10;rgb:0/0/0", None),
        ] {
            assert_eq!(is_light(text), light, "{text}");
        }
    }

    #[test]
    fn answers_are_taken_out_of_the_keys() {
        let key = |c: char, modifiers| Input::Key(KeyEvent::new(KeyCode::Char(c), modifiers));
        let (none, alt, ctrl) = (KeyModifiers::NONE, KeyModifiers::ALT, KeyModifiers::CONTROL);
        let now = Instant::now();
        for (end, late, found) in [
            (key('g', ctrl), Duration::ZERO, Some(Sifted::Light(true))),
            (key('\\', alt), Duration::ZERO, Some(Sifted::Light(true))),
            (key('g', ctrl), Duration::from_secs(3), None),
        ] {
            let mut replies = Replies::default();
            assert_eq!(
                replies.sift(key('j', none), now),
                Sifted::Other(key('j', none))
            );
            replies.asked(now);
            let now = now + late;
            let first = replies.sift(key(']', alt), now);
            if found.is_none() {
                assert_eq!(first, Sifted::Other(key(']', alt)));
                continue;
            }
            assert_eq!(first, Sifted::Part);
            for c in "11;rgb:ffff/ffff/ffff".chars() {
                assert_eq!(replies.sift(key(c, none), now), Sifted::Part);
            }
            assert_eq!(Some(replies.sift(end, now)), found);
            // What follows are keys again.
            assert_eq!(
                replies.sift(key('j', none), now),
                Sifted::Other(key('j', none))
            );
        }
    }
}

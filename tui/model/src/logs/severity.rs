//! How grave a log line is, by the words with which programs say so.

use crate::theme::Scope;

/// How grave; later is graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Details of details.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// What goes on.
    Info,
    /// To look at.
    Warn,
    /// A failure.
    Error,
    /// The end.
    Fatal,
}

/// How far into a line a level is looked for.
const FAR: usize = 120;

const NAMES: &[(&str, Severity)] = &[
    ("trace", Severity::Trace),
    ("verbose", Severity::Trace),
    ("debug", Severity::Debug),
    ("dbg", Severity::Debug),
    ("info", Severity::Info),
    ("notice", Severity::Info),
    ("warn", Severity::Warn),
    ("warning", Severity::Warn),
    ("error", Severity::Error),
    ("err", Severity::Error),
    ("severe", Severity::Error),
    ("fatal", Severity::Fatal),
    ("critical", Severity::Fatal),
    ("crit", Severity::Fatal),
    ("alert", Severity::Fatal),
    ("emerg", Severity::Fatal),
    ("panic", Severity::Fatal),
];

impl Severity {
    /// All, from the least.
    pub const ALL: [Severity; 6] = [
        Severity::Trace,
        Severity::Debug,
        Severity::Info,
        Severity::Warn,
        Severity::Error,
        Severity::Fatal,
    ];

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Trace => "trace",
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }

    /// By its name or one of the other words for it.
    pub fn named(name: &str) -> Option<Severity> {
        let found = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, severity)| *severity)
    }

    /// How it looks.
    pub fn scope(self) -> Scope {
        match self {
            Severity::Trace | Severity::Debug => Scope::Dim,
            Severity::Info => Scope::None,
            Severity::Warn => Scope::Warn,
            Severity::Error | Severity::Fatal => Scope::Bad,
        }
    }

    /// By the numbers of bunyan and pino: 10 for trace, 60 for fatal.
    pub(crate) fn of_number(value: f64) -> Option<Severity> {
        // Truncation is meant: 35 is above info and below warn.
        let at = (value / 10.0) as usize;
        (10.0..70.0)
            .contains(&value)
            .then(|| Severity::ALL.get(at - 1).copied())
            .flatten()
    }
}

/// The level that a line gives itself: a word in capitals, one in brackets, one before a colon, `level=…`, or the letter with
/// which glog begins.
pub fn severity(line: &str) -> Option<Severity> {
    let bytes = &line.as_bytes()[..line.len().min(FAR)];
    if let Some(found) = glog(bytes) {
        return Some(found);
    }
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let length = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let word = &bytes[at..at + length];
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let after = bytes.get(at + length).copied();
        if is_said(word, before, after)
            && let Some(found) = std::str::from_utf8(word).ok().and_then(Severity::named)
        {
            return Some(found);
        }
        at += length;
    }
    None
}

/// Whether a word says a level rather than being part of a sentence.
fn is_said(word: &[u8], before: Option<u8>, after: Option<u8>) -> bool {
    let capitals = word.iter().all(u8::is_ascii_uppercase);
    let bracketed = matches!(before, Some(b'[' | b'<' | b'(' | b'|'))
        && matches!(after, Some(b']' | b'>' | b')' | b'|'));
    let assigned = matches!(before, Some(b'='))
        || (matches!(before, Some(b'"')) && matches!(after, Some(b'"')));
    let titled = matches!(before, None | Some(b' ')) && after == Some(b':');
    capitals || bracketed || assigned || titled
}

fn glog(bytes: &[u8]) -> Option<Severity> {
    let (letter, rest) = bytes.split_first()?;
    let dated = rest.len() > 5 && rest[..4].iter().all(u8::is_ascii_digit) && rest[4] == b' ';
    match letter {
        b'I' if dated => Some(Severity::Info),
        b'W' if dated => Some(Severity::Warn),
        b'E' if dated => Some(Severity::Error),
        b'F' if dated => Some(Severity::Fatal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_recognised() {
        for (line, expected) in [
            ("2026-01-02 03:04:05 ERROR x", Some(Severity::Error)),
            ("2026/01/02 03:04:05 [error] 7#7: x", Some(Severity::Error)),
            ("W0102 03:04:05.678901 12 f.cpp:1] x", Some(Severity::Warn)),
            ("level=warning msg=x", Some(Severity::Warn)),
            (
                "{\"level\":\"debug\",\"msg\":\"an ERROR\"}",
                Some(Severity::Debug),
            ),
            ("[INFO] x", Some(Severity::Info)),
            ("error: could not compile", Some(Severity::Error)),
            ("thread main | WARN | x", Some(Severity::Warn)),
            ("java.util SEVERE: x", Some(Severity::Error)),
            ("CRITICAL x", Some(Severity::Fatal)),
            ("TRACE x", Some(Severity::Trace)),
            ("no error was found", None),
            ("information for ERRORS", None),
            ("MY_ERROR_CODE", None),
            ("W0102", None),
            ("", None),
        ] {
            assert_eq!(severity(line), expected, "{line}");
        }
        for (number, expected) in [
            (30.0, Some(Severity::Info)),
            (60.0, Some(Severity::Fatal)),
            (9.0, None),
            (70.0, None),
        ] {
            assert_eq!(Severity::of_number(number), expected);
        }
    }
}

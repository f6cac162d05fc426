//! `~/.netrc`: the password of a host.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::Auth;

/// A netrc file has a handful of lines; more than this is something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where the file is: `$NETRC`, else `~/.netrc`, else `~/_netrc`.
pub(crate) fn candidates(netrc: Option<&Path>, home: Option<&Path>) -> Vec<PathBuf> {
    match (netrc, home) {
        (Some(path), _) => vec![path.to_owned()],
        (None, Some(home)) => vec![home.join(".netrc"), home.join("_netrc")],
        (None, None) => Vec::new(),
    }
}

/// The passwords of one user; hosts are looked up as they are met, so that a redirect to another host shows that host's
/// own. The passwords never show in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Netrc(Option<Arc<str>>);

impl Netrc {
    /// Reads the first file that exists. A file that cannot be read counts as absent, as in upstream's HTTP library; the
    /// log says so.
    pub(crate) fn load(files: &[PathBuf]) -> Netrc {
        for file in files {
            match std::fs::metadata(file) {
                Ok(found) if found.len() > MAX_BYTES => {
                    tracing::warn!(file = %file.display(), "passed over: larger than 1 MiB");
                    continue;
                }
                Ok(_) => {}
                Err(_) => continue,
            }
            match std::fs::read_to_string(file) {
                Ok(text) => return Netrc(Some(text.into())),
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "passed over: cannot be read");
                }
            }
        }
        Netrc::default()
    }

    /// The credentials for `host`.
    pub fn lookup(&self, host: &str) -> Auth {
        self.0
            .as_deref()
            .map_or(Auth::None, |text| find(text, host))
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Netrc(…)"
        } else {
            "Netrc"
        })
    }
}

fn find(text: &str, host: &str) -> Auth {
    let mut default = Auth::None;
    let mut words = Words { rest: text }.peekable();
    while let Some(word) = words.next() {
        let is_default = word == "default";
        let matches = match word {
            "machine" => words
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(host)),
            "default" => false,
            _ => continue,
        };
        let (mut user, mut password) = (None, None);
        while let Some(key) = words.peek() {
            match *key {
                "login" | "user" => {
                    words.next();
                    user = words.next();
                }
                "password" => {
                    words.next();
                    password = words.next();
                }
                "account" => {
                    words.next();
                    words.next();
                }
                _ => break,
            }
        }
        let (Some(user), Some(password)) = (user, password) else {
            continue;
        };
        let found = Auth::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        if matches {
            return found;
        }
        if is_default {
            default = found;
        }
    }
    default
}

/// Words between blanks, with comments and macro definitions left out.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                return None;
            }
            if self.rest.starts_with('#') {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            let end = self
                .rest
                .find(char::is_whitespace)
                .unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            if word == "macdef" {
                // A macro goes on to the next empty line.
                self.rest = rest.split_once("\n\n").map_or("", |(_, rest)| rest);
                continue;
            }
            self.rest = rest;
            return Some(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_host_else_the_default() {
        let text = "# comment\nmachine a.example login u1 password p1\n\
                    machine b.example\n  login u2\n  account x\n  password p2\n\
                    macdef init\nmachine c.example login no password no\n\n\
                    default login anonymous password me@\n";
        for (host, user, password) in [
            ("a.example", "u1", "p1"),
            ("B.example", "u2", "p2"),
            ("c.example", "anonymous", "me@"),
        ] {
            let expected = Auth::Basic {
                user: user.into(),
                password: password.into(),
            };
            assert_eq!(find(text, host), expected, "{host}");
        }
        assert_eq!(find("machine a login u", "a"), Auth::None);
    }

    #[test]
    fn the_first_file_that_exists_decides() {
        let dir = tempfile::tempdir().unwrap();
        let files = candidates(None, Some(dir.path()));
        assert_eq!(Netrc::load(&files).lookup("h"), Auth::None);
        std::fs::write(dir.path().join("_netrc"), "machine h login a password b").unwrap();
        let found = Netrc::load(&files);
        assert_ne!(found.lookup("h"), Auth::None);
        assert_eq!(format!("{found:?}"), "Netrc(…)");
        std::fs::write(dir.path().join(".netrc"), "").unwrap();
        assert_eq!(Netrc::load(&files).lookup("h"), Auth::None);
    }
}

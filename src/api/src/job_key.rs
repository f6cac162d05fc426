//! Job keys as text, and what makes a good identifier.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::JobKey;

/// The longest identifier that the scheduler takes (aurora: `UserTaskLauncher`, `SanitizedConfiguration`).
pub const MAX_IDENTIFIER_LENGTH: usize = 255;

/// Whether `text` may be a role, environment or job name: ASCII letters, digits, `_`, `-`, `.`; one to 255 of them
/// (aurora: `GOOD_IDENTIFIER_PATTERN`).
pub fn is_good_identifier(text: &str) -> bool {
    (1..=MAX_IDENTIFIER_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

impl JobKey {
    /// A key of these parts.
    pub fn new(role: &str, environment: &str, name: &str) -> JobKey {
        JobKey {
            role: role.to_owned(),
            environment: environment.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether all three parts are good identifiers.
    pub fn is_valid(&self) -> bool {
        [&self.role, &self.environment, &self.name]
            .into_iter()
            .all(|part| is_good_identifier(part))
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.role, self.environment, self.name)
    }
}

/// A job key that travels as the text `role/environment/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobPath(pub JobKey);

/// A text that is not a job key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job key; expected ROLE/ENVIRONMENT/NAME")]
pub struct ParseJobPathError(String);

impl fmt::Display for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobPath {
    type Err = ParseJobPathError;
    fn from_str(text: &str) -> Result<JobPath, ParseJobPathError> {
        let fault = || ParseJobPathError(text.to_owned());
        let mut parts = text.split('/');
        let (Some(role), Some(environment), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(fault());
        };
        let key = JobKey::new(role, environment, name);
        if key.is_valid() {
            Ok(JobPath(key))
        } else {
            Err(fault())
        }
    }
}

impl Serialize for JobPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<JobPath, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for good in ["www-data", "a", "a.b_c-9", "0", &"x".repeat(255)] {
            assert!(is_good_identifier(good), "{good:?}");
        }
        for bad in ["", "a b", "a/b", "é", "a\n", "a*", &"x".repeat(256)] {
            assert!(!is_good_identifier(bad), "{bad:?}");
        }
    }

    #[test]
    fn keys_as_text() {
        let path: JobPath = "www-data/devel/hello".parse().unwrap();
        assert_eq!(path.0, JobKey::new("www-data", "devel", "hello"));
        assert_eq!(path.to_string(), "www-data/devel/hello");
        for bad in ["", "a/b", "a/b/c/d", "a//c", "a/b/c "] {
            assert!(bad.parse::<JobPath>().is_err(), "{bad:?}");
        }
    }
}

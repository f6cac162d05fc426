//! Users and groups without the C library's name service, which a static binary cannot load.
//!
//! The local files are read here; whoever is not in them is looked up by the system's own `getent`, as a child, so LDAP
//! and the like work where the machine has them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::procs::{self, BoundedOutput};

/// How long `getent` or `id` may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);
/// How much they may print, in bytes.
const LOOKUP_OUTPUT: usize = 256 << 10;

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home folder.
    pub home: PathBuf,
}

/// The numbers that a process takes on to run as somebody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

impl Account {
    /// Those of a user of this machine; see [`supplementary_groups`].
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self {
            uid: user.uid,
            gid: user.gid,
            groups: supplementary_groups(user),
        }
    }
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// There is no such account.
    #[error("user {who} does not exist on this machine")]
    Unknown {
        /// Name or number.
        who: String,
    },
    /// The lookup itself failed.
    #[error("cannot look up user {who}")]
    Failed {
        /// Name or number.
        who: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// The account of that name.
///
/// # Errors
/// [`LookupError`].
pub fn by_name(name: &str) -> Result<User, LookupError> {
    let valid =
        !name.is_empty() && !name.starts_with('-') && !name.contains([':', '\n', '\0', '/']);
    if !valid {
        return Err(LookupError::Unknown {
            who: name.to_owned(),
        });
    }
    // getent answers for a number as well, where a name was meant.
    lookup(name, |user| user.name == name)
}

/// The account of that number.
///
/// # Errors
/// [`LookupError`].
pub fn by_uid(uid: u32) -> Result<User, LookupError> {
    lookup(&uid.to_string(), |user| user.uid == uid)
}

fn lookup(key: &str, wanted: impl Fn(&User) -> bool) -> Result<User, LookupError> {
    let failed = |source| LookupError::Failed {
        who: key.to_owned(),
        source,
    };
    match fs::read_to_string("/etc/passwd") {
        Ok(text) => {
            if let Some(user) = text.lines().filter_map(parse_passwd).find(&wanted) {
                return Ok(user);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut command = Command::new("getent");
    command.args(["passwd", key]);
    match procs::run_bounded(command, LOOKUP_TIMEOUT, LOOKUP_OUTPUT) {
        Ok(BoundedOutput {
            success: true,
            stdout,
            ..
        }) => stdout
            .lines()
            .filter_map(parse_passwd)
            .find(&wanted)
            .ok_or_else(|| LookupError::Unknown {
                who: key.to_owned(),
            }),
        // 2 is getent's word for "no such entry". A machine without getent has nothing but its files.
        Ok(BoundedOutput { code: Some(2), .. }) => Err(LookupError::Unknown {
            who: key.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LookupError::Unknown {
            who: key.to_owned(),
        }),
        Ok(BoundedOutput { code, .. }) => Err(failed(io::Error::other(format!(
            "getent passwd {key} ended with status {code:?}"
        )))),
        Err(error) => Err(failed(error)),
    }
}

fn parse_passwd(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields.nth(1)?;
    Some(User {
        name: name.to_owned(),
        uid,
        gid,
        home: PathBuf::from(home),
    })
}

/// The groups that name `user` as a member, its primary group left out. An account that is not in the local passwd file is
/// asked for with `id -G`, which goes through the name service.
#[must_use]
pub fn supplementary_groups(user: &User) -> Vec<u32> {
    let mut groups = BTreeSet::new();
    if let Ok(text) = fs::read_to_string("/etc/group") {
        groups.extend(
            text.lines()
                .filter_map(|line| group_with_member(line, &user.name)),
        );
    }
    let local = fs::read_to_string("/etc/passwd").is_ok_and(|text| {
        text.lines()
            .filter_map(parse_passwd)
            .any(|local| local.name == user.name)
    });
    if !local {
        let mut command = Command::new("id");
        command.args(["-G", "--", &user.name]);
        match procs::run_bounded(command, LOOKUP_TIMEOUT, LOOKUP_OUTPUT) {
            Ok(output) if output.success => {
                groups.extend(
                    output
                        .stdout
                        .split_whitespace()
                        .filter_map(|id| id.parse::<u32>().ok()),
                );
            }
            Ok(output) => {
                tracing::warn!(user = %user.name, code = ?output.code, "id -G does not know the user's groups")
            }
            Err(error) => {
                tracing::warn!(user = %user.name, %error, "cannot ask id -G for the user's groups")
            }
        }
    }
    groups.remove(&user.gid);
    groups.into_iter().collect()
}

fn group_with_member(line: &str, user: &str) -> Option<u32> {
    let mut fields = line.split(':');
    let gid = fields.nth(2)?.parse().ok()?;
    fields
        .next()?
        .split(',')
        .any(|member| member == user)
        .then_some(gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines() {
        assert_eq!(
            parse_passwd("www:x:1000:1001:A,B:/home/www:/bin/sh"),
            Some(User {
                name: "www".into(),
                uid: 1000,
                gid: 1001,
                home: "/home/www".into()
            })
        );
        for line in ["", "#comment", "+::::::", "a:x:b:1:c:/:/bin/sh", "a:x:1"] {
            assert_eq!(parse_passwd(line), None, "{line:?}");
        }
    }

    #[test]
    fn group_lines() {
        assert_eq!(group_with_member("adm:x:4:syslog,www", "www"), Some(4));
        assert_eq!(group_with_member("adm:x:4:syslog,wwwx", "www"), None);
        assert_eq!(group_with_member("adm:x:4:", ""), Some(4));
        assert_eq!(group_with_member("broken", "www"), None);
    }

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        assert_eq!(by_name("root").unwrap().uid, 0);
        assert_eq!(by_uid(0).unwrap().name, "root");
        for name in ["", "no-such-user-here", "-x", "0", "a:b"] {
            assert!(
                matches!(by_name(name), Err(LookupError::Unknown { .. })),
                "{name:?}"
            );
        }
    }
}

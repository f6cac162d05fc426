//! Users, their passwords and permissions, from a file of Apache Shiro's form (aurora: `IniShiroRealmModule.java`,
//! `ShiroIniConverter.java`).
//!
//! Two sections: `[users]` with `NAME = PASSWORD, ROLE, …`, and `[roles]` with `ROLE = PERMISSION, …`, where a permission with
//! commas stands in double quotes. Lines that begin with `#` or `;` are passed over.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aurora_daemon::guard::Token;

use super::permission::Permission;

/// The most bytes of such a file.
const MAX_FILE: u64 = 4 << 20;

/// A user of a [`Realm`].
#[derive(Debug)]
pub(crate) struct User {
    pub(super) name: String,
    password: Token,
    permissions: Vec<Permission>,
}

impl User {
    /// Whether they have the permission with these words.
    pub(super) fn is_permitted(&self, wanted: &[&str]) -> bool {
        self.permissions
            .iter()
            .any(|permission| permission.implies(wanted))
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Realm {
    users: BTreeMap<String, User>,
}

/// Why there is no realm.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RealmError {
    /// The file cannot be read.
    #[error("cannot read the users in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is too large to be one.
    #[error("{0} has more than {MAX_FILE} bytes; it should name users and roles only")]
    Large(PathBuf),
    /// What is written in the file is not understood.
    #[error("{path}, line {line}: {fault}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong, and what should be there.
        fault: String,
    },
    /// It has no sections.
    #[error("No sections present in {0}. Allowed sections are: roles,users")]
    Empty(PathBuf),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Users,
    Roles,
}

impl Realm {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there, or not what it should be.
    pub(crate) fn load(path: &Path) -> Result<Realm, RealmError> {
        let read = |source| RealmError::Read {
            path: path.to_owned(),
            source,
        };
        let about = fs::metadata(path).map_err(read)?;
        if about.len() > MAX_FILE {
            return Err(RealmError::Large(path.to_owned()));
        }
        if about.permissions().mode() & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                "other users of this machine can read the passwords in this file; run chmod 600"
            );
        }
        let text = fs::read_to_string(path).map_err(read)?;
        match Realm::parse(&text) {
            Ok(Some(realm)) => Ok(realm),
            Ok(None) => Err(RealmError::Empty(path.to_owned())),
            Err((line, fault)) => Err(RealmError::Line {
                path: path.to_owned(),
                line,
                fault,
            }),
        }
    }

    /// `None` when there are no sections; a fault comes with its line.
    fn parse(text: &str) -> Result<Option<Realm>, (usize, String)> {
        let mut section = None;
        let mut users: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        let mut roles: BTreeMap<String, Vec<Permission>> = BTreeMap::new();
        for (number, line) in lines(text) {
            let fault = |text: String| (number, text);
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                section = Some(match name.trim() {
                    "users" => Section::Users,
                    "roles" => Section::Roles,
                    other => return Err(fault(format!("Extra sections present: [{other}]"))),
                });
                continue;
            }
            let (name, value) = pair(&line)
                .ok_or_else(|| fault(format!("`{line}` is not of the form NAME = VALUE")))?;
            let mut values = values(value).into_iter();
            match section {
                None => return Err(fault("a line before [users] or [roles]".to_owned())),
                Some(Section::Users) => {
                    let password = values.next().unwrap_or_default();
                    let roles = values.filter(|role| !role.is_empty()).collect();
                    users.insert(name.to_owned(), (password, roles));
                }
                Some(Section::Roles) => {
                    let parse = |text: String| {
                        Permission::parse(&text)
                            .ok_or_else(|| fault(format!("`{text}` is not a permission")))
                    };
                    let permissions = values.map(parse).collect::<Result<_, _>>()?;
                    roles.insert(name.to_owned(), permissions);
                }
            }
        }
        let user = |(name, (password, of)): (String, (String, Vec<String>))| {
            let permissions = of.iter().filter_map(|role| roles.get(role)).flatten();
            let user = User {
                name: name.clone(),
                password: Token::new(password),
                permissions: permissions.cloned().collect(),
            };
            (name, user)
        };
        let users = users.into_iter().map(user).collect();
        Ok(section.map(|_| Realm { users }))
    }

    /// The user with this name and password.
    pub(super) fn user(&self, name: &str, password: &str) -> Option<&User> {
        let user = self.users.get(name)?;
        user.password.matches(password).then_some(user)
    }
}

/// Lines with their numbers, without comments; a backslash at the end of one joins the next.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, raw) in text.lines().enumerate() {
        let line = raw.trim();
        let is_comment = line.is_empty() || line.starts_with('#') || line.starts_with(';');
        if is_comment && !goes_on {
            continue;
        }
        let (line, more) = match line.strip_suffix('\\') {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, begun)) => begun.push_str(line),
            None => lines.push((number + 1, line.to_owned())),
        }
        goes_on = more;
    }
    lines
}

/// Name and value: between them space, a colon or an equals sign.
fn pair(line: &str) -> Option<(&str, &str)> {
    let is_separator = |c: char| c.is_whitespace() || c == '=' || c == ':';
    let end = line.find(is_separator)?;
    let (name, rest) = line.split_at(end);
    let value = rest.trim_start_matches(is_separator).trim();
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}

/// Values between commas; those in double quotes may have some.
fn values(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => values.push(String::new()),
            c => {
                if let Some(value) = values.last_mut() {
                    value.push(c);
                }
            }
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of aurora's `docs/operations/security.md`, and what Shiro's own manual says of the form.
    #[test]
    fn users_and_roles() {
        let text = "\
            ; comment\n# another\n\n[users]\nsally = apple, admin\njim = 123456, accounting\nbecky: letmein, webapp , none\n\
            larry = 654321,\\\n   accounting\nsteve = \"pass,word\"\n\n[roles]\nadmin = *\n\
            accounting = thrift.AuroraAdmin:setQuota\n\
            webapp = \"thrift.AuroraSchedulerManager:createJob,killTasks:webapp\", thrift.AuroraAdmin:startMaintenance\n";
        let realm = Realm::parse(text).unwrap().unwrap();
        let kill = &[
            "thrift.AuroraSchedulerManager",
            "killTasks",
            "webapp",
            "prod",
            "x",
        ][..];
        let restart = &[
            "thrift.AuroraSchedulerManager",
            "restartShards",
            "webapp",
            "prod",
            "x",
        ][..];
        let quota = &["thrift.AuroraAdmin", "setQuota"][..];
        for (name, password, expected) in [
            ("sally", "apple", Some([true, true, true])),
            ("sally", "Apple", None),
            ("sally", "", None),
            ("jim", "123456", Some([false, false, true])),
            ("larry", "654321", Some([false, false, true])),
            ("becky", "letmein", Some([true, false, false])),
            ("steve", "pass,word", Some([false, false, false])),
            ("nobody", "apple", None),
        ] {
            let user = realm.user(name, password);
            let shown = user.map(|user| [kill, restart, quota].map(|call| user.is_permitted(call)));
            assert_eq!(shown, expected, "{name} {password}");
        }
    }

    #[test]
    fn files_that_are_refused() {
        for (text, line, expected) in [
            ("[main]\n", 1, "Extra sections present: [main]"),
            (
                "[users]\na = b\n[urls]\n",
                3,
                "Extra sections present: [urls]",
            ),
            ("a = b\n[users]\n", 1, "before [users]"),
            ("[users]\nsally\n", 2, "NAME = VALUE"),
            ("[roles]\nadmin = a::b\n", 2, "is not a permission"),
        ] {
            let (at, fault) = Realm::parse(text).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(fault.contains(expected), "{fault}");
        }
        assert!(Realm::parse("# nothing\n").unwrap().is_none());
    }
}

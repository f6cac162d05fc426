//! Accounts: who a task runs as, and whether that account can reach its sandbox.

use std::ffi::CString;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getgrouplist};

/// The identity that a container's process takes on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Every group of the account, the primary one included.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: PathBuf,
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(
        "user '{0}' has no account on this host: create it, or run the agent without --switch_user"
    )]
    Unknown(String),
    #[error("the account of user '{name}' cannot be read")]
    Lookup {
        name: String,
        #[source]
        source: nix::Error,
    },
}

/// Finds an account by its name. Asks the system's name services, so it may block.
pub(crate) fn find(name: &str) -> Result<Account, AccountError> {
    let lookup = |source| AccountError::Lookup {
        name: name.to_owned(),
        source,
    };
    let c_name = CString::new(name).map_err(|_| AccountError::Unknown(name.to_owned()))?;
    let user = User::from_name(name)
        .map_err(lookup)?
        .ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
    let groups = getgrouplist(&c_name, user.gid).map_err(lookup)?;
    Ok(Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        home: user.dir,
    })
}

/// The name of the account that the agent runs as, or its number when it has no name.
pub(crate) fn current_name() -> String {
    let uid = Uid::effective();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}

/// A directory on the way to a sandbox that an account cannot enter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReachError {
    #[error(
        "user '{user}' cannot reach the sandbox {sandbox}: directory {directory} (mode {mode:04o}, owner {owner}:{group}) \
         does not let it pass; grant search permission on that directory (chmod o+x), or choose a --work_dir that every \
         user can reach"
    )]
    Barred {
        user: String,
        sandbox: PathBuf,
        directory: PathBuf,
        mode: u32,
        owner: u32,
        group: u32,
    },
    #[error("directory {directory} on the way to the sandbox cannot be examined")]
    Examine {
        directory: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Checks that `account` may search every directory from the root to `sandbox`.
///
/// Only the permission bits are looked at, as the kernel does without access control lists: the owner's bits count for the
/// owner alone, the group's for a member, the rest for everybody else.
pub(crate) fn check_reachable(account: &Account, sandbox: &Path) -> Result<(), ReachError> {
    if account.uid == 0 {
        return Ok(());
    }
    let mut directories: Vec<&Path> = sandbox.ancestors().collect();
    directories.reverse();
    for directory in directories {
        let metadata = std::fs::metadata(directory).map_err(|source| ReachError::Examine {
            directory: directory.to_owned(),
            source,
        })?;
        if !may_search(account, &metadata) {
            return Err(ReachError::Barred {
                user: account.name.clone(),
                sandbox: sandbox.to_owned(),
                directory: directory.to_owned(),
                mode: metadata.permissions().mode() & 0o7777,
                owner: metadata.uid(),
                group: metadata.gid(),
            });
        }
    }
    Ok(())
}

fn may_search(account: &Account, metadata: &Metadata) -> bool {
    let mode = metadata.permissions().mode();
    if metadata.uid() == account.uid {
        mode & 0o100 != 0
    } else if metadata.gid() == account.gid || account.groups.contains(&metadata.gid()) {
        mode & 0o010 != 0
    } else {
        mode & 0o001 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, gid: u32) -> Account {
        Account {
            name: "someone".into(),
            uid,
            gid,
            groups: vec![gid],
            home: "/".into(),
        }
    }

    #[test]
    fn the_directory_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (own_uid, own_gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        let barred = root.path().join("a/barred");
        let sandbox = barred.join("sandbox");
        std::fs::create_dir_all(&sandbox).unwrap();
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let with = |mode: u32, account: &Account| {
            std::fs::set_permissions(&barred, PermissionsExt::from_mode(mode)).unwrap();
            let result = check_reachable(account, &sandbox);
            std::fs::set_permissions(&barred, PermissionsExt::from_mode(0o755)).unwrap();
            match result {
                Ok(()) => None,
                Err(ReachError::Barred { directory, .. }) => Some(directory),
                Err(other) => panic!("{other}"),
            }
        };
        let stranger = account(own_uid + 4242, own_gid + 4242);
        let member = account(own_uid + 4242, own_gid);
        assert_eq!(with(0o755, &stranger), None);
        assert_eq!(with(0o750, &stranger), Some(barred.clone()));
        assert_eq!(with(0o750, &member), None);
        // The group's bits bar a member even when everybody else may pass.
        assert_eq!(with(0o701, &member), Some(barred.clone()));
        assert_eq!(with(0o701, &stranger), None);
        assert_eq!(with(0o000, &account(0, 0)), None);
    }

    #[test]
    fn an_unknown_user_is_named() {
        let error = find("no-such-user-here").unwrap_err();
        assert!(error.to_string().contains("'no-such-user-here'"), "{error}");
        assert_eq!(find("root").unwrap().uid, 0);
    }
}

//! `zk://user:password@host:port,host:port/path`.

use crate::acl::Credential;

/// An ensemble and a node in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `host:port,host:port`.
    pub servers: String,
    /// The node, beginning with `/`; `/` when the address names none.
    pub path: String,
    /// For the scheme `digest`, when the address has a user.
    pub credential: Option<Credential>,
}

/// Not an address of that form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not of the form zk://[user:password@]host:port,…/path: {reason}")]
pub struct AddressError {
    /// The text, without a password.
    text: String,
    reason: &'static str,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason| AddressError {
            text: match text.rsplit_once('@') {
                Some((_, rest)) => format!("zk://…@{rest}"),
                None => text.to_owned(),
            },
            reason,
        };
        let rest = text
            .strip_prefix("zk://")
            .ok_or_else(|| wrong("it does not begin with zk://"))?;
        let (credential, rest) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((user, rest)) if user.contains(':') => (
                Some(Credential {
                    scheme: "digest".to_owned(),
                    credential: user.to_owned(),
                }),
                rest,
            ),
            Some(_) => return Err(wrong("the user has no password")),
        };
        let (servers, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        check_servers(servers).map_err(wrong)?;
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        Ok(Self {
            servers: servers.to_owned(),
            path: path.to_owned(),
            credential,
        })
    }
}

/// Whether the text names servers as `host:port,host:port`.
pub(crate) fn check_servers(servers: &str) -> Result<(), &'static str> {
    for server in servers.split(',') {
        let Some((host, port)) = server.trim().rsplit_once(':') else {
            return Err("a server has no port");
        };
        if host.is_empty() {
            return Err("a server has no name");
        }
        if port.parse::<u16>().is_err() {
            return Err("a port is not a number");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, servers, path, credential) in [
            ("zk://a:2181/mesos", "a:2181", "/mesos", None),
            ("zk://a:1,b:2/x/y/", "a:1,b:2", "/x/y", None),
            ("zk://a:1", "a:1", "/", None),
            ("zk://u:p@ss@a:1/m", "a:1", "/m", Some("u:p@ss")),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.servers.as_str(), address.path.as_str()),
                (servers, path)
            );
            assert_eq!(
                address.credential.map(|it| it.credential).as_deref(),
                credential
            );
        }
        for (text, reason) in [
            ("a:2181/mesos", "does not begin"),
            ("zk://a/mesos", "no port"),
            ("zk://:1/mesos", "no name"),
            ("zk://a:x/mesos", "not a number"),
            ("zk://u@a:1/mesos", "no password"),
            ("zk:///mesos", "no port"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let error = Address::parse("zk://u:secret@a/m").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}

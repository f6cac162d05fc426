//! The flags of how the framework shows Mesos who it is.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use aurora_mesos::client::Secret;

use super::properties;

const PRINCIPAL: &str = "aurora_authentication_principal";
const SECRET: &str = "aurora_authentication_secret";

/// How the framework shows Mesos who it is.
#[derive(Clone, Debug, clap::Args)]
pub struct CredentialFlags {
    /// Java properties file with aurora_authentication_principal and aurora_authentication_secret, which the master is shown
    /// (HTTP basic authentication); without it the secret of --token-file is.
    #[arg(long, value_name = "FILE")]
    pub framework_authentication_file: Option<PathBuf>,

    /// Whether the framework's registration names the principal of --framework-authentication-file, as Mesos' ACLs want it.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub framework_announce_principal: bool,
}

/// What a framework shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) principal: String,
    pub(crate) secret: Secret,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.principal)
    }
}

impl CredentialFlags {
    /// What the master is shown; `None` without a file.
    ///
    /// # Errors
    /// The file cannot be read, or lacks a property.
    pub(crate) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let path = self.framework_authentication_file.as_deref();
        let read = |path: &Path| {
            let text = std::fs::read_to_string(path)?;
            read(&text)
        };
        let found = path.map(|path| {
            read(path)
                .with_context(|| format!("--framework-authentication-file {}", path.display()))
        });
        found.transpose()
    }

    /// The principal to be named in the registration.
    pub(crate) fn announced(&self, credentials: Option<&Credentials>) -> Option<String> {
        let named = credentials.filter(|_| self.framework_announce_principal);
        named.map(|credentials| credentials.principal.clone())
    }
}

fn read(text: &str) -> anyhow::Result<Credentials> {
    let mut found = properties::parse(text).map_err(anyhow::Error::msg)?;
    let mut take = |name: &str| match found.remove(name) {
        Some(value) => Ok(value),
        None => bail!("the key {name} is missing"),
    };
    let (principal, secret) = (take(PRINCIPAL)?, take(SECRET)?);
    if principal.is_empty() || principal.contains(':') {
        bail!("{PRINCIPAL} is empty or has a colon, which HTTP basic authentication cannot send");
    }
    Ok(Credentials {
        secret: Secret::basic(&principal, &secret),
        principal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_from_a_properties_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        let given = |text: &str, announce: bool| {
            std::fs::write(&path, text).unwrap();
            let flags = CredentialFlags {
                framework_authentication_file: Some(path.clone()),
                framework_announce_principal: announce,
            };
            let credentials = flags.credentials()?;
            let announced = flags.announced(credentials.as_ref());
            anyhow::Ok((credentials, announced))
        };
        let (credentials, announced) = given(
            "# of this fleet\naurora_authentication_principal=aurora\naurora_authentication_secret = s3cret\n",
            true,
        )
        .unwrap();
        let credentials = credentials.unwrap();
        assert_eq!(announced.as_deref(), Some("aurora"));
        assert_eq!(credentials.secret, Secret::basic("aurora", "s3cret"));
        assert!(!format!("{credentials:?}").contains("s3cret"));
        let both = "aurora_authentication_principal=a\naurora_authentication_secret=b";
        assert_eq!(given(both, false).unwrap().1, None, "named only when asked");
        for (text, words) in [
            (
                "aurora_authentication_principal=a",
                "the key aurora_authentication_secret is missing",
            ),
            (
                "aurora_authentication_secret=b",
                "the key aurora_authentication_principal is missing",
            ),
            (
                "aurora_authentication_principal=a\\:b\naurora_authentication_secret=c",
                "has a colon",
            ),
        ] {
            let fault = format!("{:#}", given(text, true).unwrap_err());
            assert!(
                fault.contains(words) && fault.contains("credentials"),
                "{fault}"
            );
        }
        let none = CredentialFlags {
            framework_authentication_file: None,
            framework_announce_principal: true,
        };
        assert_eq!(none.credentials().unwrap(), None);
    }
}

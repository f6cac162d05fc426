//! Who may do what with a node, and who one is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

/// What may be done; all of it `false` unless said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// Read data and list children.
    pub read: bool,
    /// Replace data.
    pub write: bool,
    /// Create children.
    pub create: bool,
    /// Delete children.
    pub delete: bool,
    /// Change the ACL.
    pub admin: bool,
}

impl Permissions {
    /// Everything.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        create: true,
        delete: true,
        admin: true,
    };
    /// Reading and nothing else.
    pub const READ: Self = Self {
        read: true,
        write: false,
        create: false,
        delete: false,
        admin: false,
    };
}

/// One line of a node's access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// `world`, `auth`, `digest`, `ip`, …
    pub scheme: String,
    /// Whom, as the scheme writes it.
    pub id: String,
    /// What they may do.
    pub permissions: Permissions,
}

impl Acl {
    /// Anybody may do anything.
    #[must_use]
    pub fn open() -> Vec<Self> {
        vec![Self {
            scheme: "world".to_owned(),
            id: "anyone".to_owned(),
            permissions: Permissions::ALL,
        }]
    }

    /// Anybody may read, the session that creates the node may do anything.
    #[must_use]
    pub fn read_by_all() -> Vec<Self> {
        vec![
            Self {
                scheme: "world".to_owned(),
                id: "anyone".to_owned(),
                permissions: Permissions::READ,
            },
            Self {
                scheme: "auth".to_owned(),
                id: String::new(),
                permissions: Permissions::ALL,
            },
        ]
    }
}

/// A secret that a session presents.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// `digest`, for example.
    pub scheme: String,
    /// `user:password` for `digest`.
    pub credential: String,
}

// Not derived: passwords do not belong into logs.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}, …)", self.scheme)
    }
}

/// The id that the scheme `digest` has in access lists for `user:password`: the user and the hash of both.
#[must_use]
pub fn digest_id(user: &str, password: &str) -> String {
    let hash = sha1_smol::Sha1::from(format!("{user}:{password}")).digest();
    format!("{user}:{}", BASE64.encode(hash.bytes()))
}

/// What a session presents and which access list its nodes get
/// (aurora: `src/main/python/apache/aurora/executor/common/announcer_zkauth_schema.py`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Presented when a session begins.
    pub credentials: Vec<Credential>,
    /// For new nodes; [`Acl::open`] when empty.
    pub acl: Vec<Acl>,
}

/// Why an access file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Not the JSON that it should be.
    #[error("not a file of ZooKeeper credentials: {0}")]
    Json(#[from] serde_json::Error),
    /// A digest needs both.
    #[error("a digest credential has the form <user>:<password>")]
    Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessFile {
    #[serde(default)]
    auth: Vec<Credential>,
    #[serde(default)]
    acl: Vec<AccessLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessLine {
    scheme: String,
    credential: String,
    permissions: Permissions,
}

impl Access {
    /// Reads the file's text: `{"auth":[{"scheme","credential"}],"acl":[{"scheme","credential","permissions":{…}}]}`.
    ///
    /// # Errors
    /// [`AccessError`]; unknown keys are errors too, since a misspelt permission would open or close a node.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let file: AccessFile = serde_json::from_str(text)?;
        let acl = file.acl.into_iter().map(AccessLine::into_acl);
        Ok(Self {
            credentials: file.auth,
            acl: acl.collect::<Result<_, _>>()?,
        })
    }

    /// The list for new nodes.
    #[must_use]
    pub fn acl(&self) -> Vec<Acl> {
        if self.acl.is_empty() {
            Acl::open()
        } else {
            self.acl.clone()
        }
    }
}

impl AccessLine {
    fn into_acl(self) -> Result<Acl, AccessError> {
        let id = if self.scheme == "digest" {
            match self.credential.split_once(':') {
                Some((user, password)) if !password.contains(':') => digest_id(user, password),
                _ => return Err(AccessError::Digest),
            }
        } else {
            self.credential
        };
        Ok(Acl {
            scheme: self.scheme,
            id,
            permissions: self.permissions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_zookeepers() {
        // From ZooKeeper's own documentation of the super user: DigestAuthenticationProvider.generateDigest("super:superpw").
        assert_eq!(
            digest_id("super", "superpw"),
            "super:g9oN2HttPfn8MMWJZ2r45Np/LIA="
        );
    }

    #[test]
    fn access_files() {
        let access = Access::parse(
            r#"{"auth":[{"scheme":"digest","credential":"u:p"}],
                "acl":[{"scheme":"digest","credential":"super:superpw","permissions":{"read":true,"admin":true}},
                       {"scheme":"ip","credential":"10.0.0.1","permissions":{}}]}"#,
        )
        .unwrap();
        assert_eq!(access.credentials[0].credential, "u:p");
        assert!(!format!("{access:?}").contains("u:p"), "no secrets in logs");
        assert_eq!(
            access.acl(),
            [
                Acl {
                    scheme: "digest".into(),
                    id: "super:g9oN2HttPfn8MMWJZ2r45Np/LIA=".into(),
                    permissions: Permissions {
                        admin: true,
                        ..Permissions::READ
                    },
                },
                Acl {
                    scheme: "ip".into(),
                    id: "10.0.0.1".into(),
                    permissions: Permissions::default(),
                },
            ]
        );
        assert_eq!(Access::parse("{}").unwrap().acl(), Acl::open());
        for (text, expected) in [
            ("", "not a file of ZooKeeper credentials"),
            (r#"{"auht":[]}"#, "unknown field `auht`"),
            (
                r#"{"acl":[{"scheme":"ip","credential":"x"}]}"#,
                "missing field `permissions`",
            ),
            (
                r#"{"acl":[{"scheme":"digest","credential":"x","permissions":{}}]}"#,
                "<user>:<password>",
            ),
            (
                r#"{"acl":[{"scheme":"digest","credential":"a:b:c","permissions":{}}]}"#,
                "<user>:<password>",
            ),
        ] {
            let error = Access::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

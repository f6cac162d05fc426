//! Names of images in registries, and what is known of the registries (mesos: `src/docker/spec.cpp`,
//! `src/slave/containerizer/mesos/provisioner/docker/registry_puller.cpp`).

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layer::Digest;

/// Docker's own registry, by the name that people give it and by its address.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// Longest name that is taken, as Docker's.
const MAX_NAME: usize = 255;

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// `https://HOST[:PORT]`
    pub(super) base: String,
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) reference: String,
}

impl Place {
    /// Where the image `name` is; `default` is the registry of names that tell none. The error is a sentence.
    pub(super) fn parse(default: &str, name: &str) -> Result<Self, String> {
        let refused = || format!("{name:?} is no name of an image in a registry");
        let (path, reference) = match name.split_once('@') {
            Some((path, digest)) => {
                Digest::parse(digest).map_err(|_| refused())?;
                (untagged(path).0, digest)
            }
            None => {
                let (path, tag) = untagged(name);
                (path, tag.unwrap_or("latest"))
            }
        };
        let default = default.trim_end_matches('/');
        let (mut base, mut repository) = match path.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
                let is_default = default
                    .split_once("://")
                    .is_some_and(|(_, own)| own == host);
                let base = if is_default {
                    default.to_owned()
                } else {
                    format!("https://{host}")
                };
                (base, rest.to_owned())
            }
            _ => (default.to_owned(), path.to_owned()),
        };
        if host(&base) == DOCKER.0 {
            base = format!("https://{}", DOCKER.1);
        }
        if host(&base) == DOCKER.1 && !repository.contains('/') {
            repository = format!("library/{repository}");
        }
        let is_plain = |text: &str, others: &[u8]| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        let is_good = repository.len() <= MAX_NAME
            && repository.split('/').all(|part| {
                is_plain(part, b"._-") && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            })
            && is_plain(reference, b"._-:")
            && is_plain(host(&base), b".-:[]")
            && !host(&base).starts_with(['.', '-', ':']);
        if is_good {
            Ok(Self {
                base,
                repository,
                reference: reference.to_owned(),
            })
        } else {
            Err(refused())
        }
    }

    pub(super) fn host(&self) -> &str {
        host(&self.base)
    }

    /// The address of a manifest or a blob.
    pub(super) fn url(&self, kind: &str, reference: &str) -> String {
        format!("{}/v2/{}/{kind}/{reference}", self.base, self.repository)
    }
}

fn host(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, host)| host)
}

/// A colon before the last part is a port's.
fn untagged(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    }
}

/// Secrets of registries, as `docker login` keeps them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct DockerConfig {
    #[serde(default)]
    auths: HashMap<String, Auth>,
}

#[derive(Debug, Clone, Deserialize)]
struct Auth {
    /// `USER:PASSWORD` in base64.
    #[serde(default)]
    auth: Option<String>,
}

impl DockerConfig {
    /// Reads `--docker_config`: a file, or the text itself.
    pub(crate) fn read(value: &str) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let text = if value.trim_start().starts_with('{') {
            value.to_owned()
        } else {
            std::fs::read_to_string(Path::new(value))
                .with_context(|| format!("reading --docker_config {value}"))?
        };
        serde_json::from_str(&text).context("reading --docker_config")
    }

    /// What to say to a registry, after `Basic `.
    pub(super) fn of(&self, place: &Place) -> Option<&str> {
        let wanted = match place.host() {
            host if host == DOCKER.1 => "index.docker.io",
            host => host,
        };
        let found = self.auths.iter().find(|(name, _)| {
            let name = host(name);
            name.split('/').next().unwrap_or(name) == wanted
        });
        found.and_then(|(_, auth)| auth.auth.as_deref())
    }
}

/// What a registry asks for with a status of 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token from this address, with these parameters.
    Bearer {
        realm: String,
        query: Vec<(String, String)>,
    },
}

impl Challenge {
    /// Reads `WWW-Authenticate`.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut query) = (None, Vec::new());
        let mut rest = rest;
        // Texts are quoted, and may hold commas.
        while let Some((name, tail)) = rest.split_once("=\"") {
            let (value, tail) = tail.split_once('"')?;
            match name.trim_matches([',', ' ']) {
                "realm" => realm = Some(value.to_owned()),
                "error" => {}
                name => query.push((name.to_owned(), value.to_owned())),
            }
            rest = tail;
        }
        Some(Self::Bearer {
            realm: realm?,
            query,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_in_registries() {
        let hex = "a".repeat(64);
        let digest = format!("sha256:{hex}");
        let with_digest = format!("web@{digest}");
        let tagged = format!("r.example/a/web:1@{digest}");
        let (own, hub) = ("http://127.0.0.1:5000", "https://registry-1.docker.io/");
        for (default, name, expected) in [
            (own, "web", Some((own, "web", "latest"))),
            (own, "a/web:1.0", Some((own, "a/web", "1.0"))),
            (own, "127.0.0.1:5000/web:1", Some((own, "web", "1"))),
            (
                own,
                "r.example:5/web",
                Some(("https://r.example:5", "web", "latest")),
            ),
            (
                own,
                "localhost/web:1",
                Some(("https://localhost", "web", "1")),
            ),
            (own, &with_digest, Some((own, "web", digest.as_str()))),
            (
                own,
                &tagged,
                Some(("https://r.example", "a/web", digest.as_str())),
            ),
            (
                own,
                "docker.io/web",
                Some(("https://registry-1.docker.io", "library/web", "latest")),
            ),
            (
                hub,
                "web:1",
                Some(("https://registry-1.docker.io", "library/web", "1")),
            ),
            (
                hub,
                "a/web",
                Some(("https://registry-1.docker.io", "a/web", "latest")),
            ),
            (own, "", None),
            (own, "../web", None),
            (own, "a/../web", None),
            (own, "web:", None),
            (own, "web?x=1", None),
            (own, "web@sha256:00", None),
            (own, "evil.example/#/web", None),
            (own, "a@b.example/web", None),
        ] {
            let expected = expected.map(|(base, repository, reference)| Place {
                base: base.to_owned(),
                repository: repository.to_owned(),
                reference: reference.to_owned(),
            });
            assert_eq!(Place::parse(default, name).ok(), expected, "{name}");
        }
    }

    #[test]
    fn secrets_and_challenges_of_registries() {
        let text = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHVi"},
            "r.example:5": {"auth": "b3du"}, "none.example": {}}}"#;
        let config = DockerConfig::read(text).unwrap();
        for (name, expected) in [
            ("docker.io/web", Some("aHVi")),
            ("r.example:5/web", Some("b3du")),
            ("r.example/web", None),
            ("none.example/web", None),
        ] {
            let place = Place::parse("https://x.example", name).unwrap();
            assert_eq!(config.of(&place), expected, "{name}");
        }
        DockerConfig::read("/nonexistent").unwrap_err();
        DockerConfig::read("{").unwrap_err();

        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (header, expected) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a.example/token\",service=\"s\",scope=\"repository:a/web:pull,push\"",
                Some(Challenge::Bearer {
                    realm: "https://a.example/token".to_owned(),
                    query: vec![
                        pair("service", "s"),
                        pair("scope", "repository:a/web:pull,push"),
                    ],
                }),
            ),
            ("Bearer service=\"s\"", None),
            ("Bearer realm=\"x", None),
            ("Negotiate", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }
}

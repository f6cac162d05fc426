//! A Docker registry, as far as naming an image by its digest needs one
//! (aurora: `src/main/python/apache/aurora/client/docker/docker_client.py`).

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, Url};

use crate::auth::Auth;
use crate::http::{Http, HttpError, Outgoing};

/// The registry of images whose cluster names none; such images have no registry in their name.
pub const DEFAULT: &str = "https://registry-1.docker.io";

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: &str = "Docker-Content-Digest";

/// The largest answer with a token.
const MAX_TOKEN_ANSWER: usize = 1024 * 1024;

/// Why an image has no digest.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry's address is no URL.
    #[error("{url} is no address of a registry: {why}")]
    Address {
        /// The address.
        url: String,
        /// Why.
        why: String,
    },
    /// The exchange failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It wants something that cannot be given: a password, say.
    #[error("{url} asks for {scheme} authentication, which is not supported; only Bearer is")]
    Scheme {
        /// Where.
        url: String,
        /// What it wants.
        scheme: String,
    },
    /// A token was not enough.
    #[error("{url} refuses the token that it asked for: private images are not supported")]
    Private {
        /// Where.
        url: String,
    },
    /// There is no such image, or no such registry.
    #[error("{url} answered {status}")]
    Status {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer lacks something.
    #[error("{url} answered without {what}")]
    Lacks {
        /// Where.
        url: String,
        /// What.
        what: &'static str,
    },
}

/// A registry.
#[derive(Clone, Debug)]
pub struct Registry {
    base: String,
    http: Http,
}

impl Registry {
    /// The registry at an address such as `https://registry.example.org:5000`.
    pub fn new(base: &str, user_agent: &str) -> Registry {
        Registry {
            base: base.trim_end_matches('/').to_owned(),
            http: Http::new(user_agent, Auth::None),
        }
    }

    /// `name@digest` of an image by its tag, with the registry in front unless it is the default one.
    ///
    /// # Errors
    /// When the registry cannot be asked, wants a password, or has no such image.
    pub async fn resolve(&self, name: &str, tag: &str) -> Result<String, RegistryError> {
        let root = self.url("/v2/")?;
        self.head(&root).await?;
        let manifest = self.url(&format!("/v2/{name}/manifests/{tag}"))?;
        let answer = self.head(&manifest).await?;
        let digest = answer
            .headers()
            .get(DIGEST)
            .and_then(|digest| digest.to_str().ok())
            .ok_or_else(|| RegistryError::Lacks {
                url: manifest.to_string(),
                what: DIGEST,
            })?;
        if self.base == DEFAULT {
            return Ok(format!("{name}@{digest}"));
        }
        let host = root.host_str().unwrap_or_default();
        let port = root
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        Ok(format!("{host}{port}/{name}@{digest}"))
    }

    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let text = format!("{}{path}", self.base);
        Url::parse(&text).map_err(|error| RegistryError::Address {
            why: error.to_string(),
            url: text,
        })
    }

    /// Asks without a token first, then with the one that the registry tells where to get.
    async fn head(&self, url: &Url) -> Result<Response, RegistryError> {
        let mut answer = self.ask(url, None).await?;
        if answer.status().as_u16() == 401 {
            let token = self.token(url, &answer).await?;
            answer = self.ask(url, Some(&token)).await?;
        }
        match answer.status().as_u16() {
            200 => Ok(answer),
            401 => Err(RegistryError::Private {
                url: url.to_string(),
            }),
            status => Err(RegistryError::Status {
                url: url.to_string(),
                status,
            }),
        }
    }

    async fn ask(&self, url: &Url, token: Option<&str>) -> Result<Response, RegistryError> {
        let mut request = Outgoing::get(url.clone());
        request.method = Method::HEAD;
        request.headers = vec![(ACCEPT, HeaderValue::from_static(MANIFEST))];
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| RegistryError::Lacks {
                url: url.to_string(),
                what: "a token that a header can hold",
            })?;
            value.set_sensitive(true);
            request.headers.push((AUTHORIZATION, value));
        }
        Ok(self.http.send_once(&request, url).await?)
    }

    /// The token that a challenge leads to.
    async fn token(&self, url: &Url, refused: &Response) -> Result<String, RegistryError> {
        let lacks = |what| RegistryError::Lacks {
            url: url.to_string(),
            what,
        };
        let challenge = refused.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| lacks("a challenge"))?;
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(RegistryError::Scheme {
                url: url.to_string(),
                scheme: scheme.to_owned(),
            });
        }
        let mut pairs = pairs(parameters);
        let realm = pairs.iter().position(|(key, _)| key == "realm");
        let realm = pairs.remove(realm.ok_or_else(|| lacks("a realm"))?).1;
        pairs.retain(|(key, _)| key != "error");
        let from =
            Url::parse_with_params(&realm, &pairs).map_err(|error| RegistryError::Address {
                url: realm.clone(),
                why: error.to_string(),
            })?;
        let answer = self.http.send(Outgoing::get(from.clone())).await?;
        let body = crate::http::read_all(answer, MAX_TOKEN_ANSWER).await?;
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| HttpError::Malformed {
                url: from.to_string(),
                why: error.to_string(),
            })?;
        let token = ["token", "access_token"]
            .iter()
            .find_map(|key| answer[*key].as_str());
        token.map(str::to_owned).ok_or_else(|| lacks("a token"))
    }
}

/// The `key="value"` pairs of a challenge.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_owned();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key, value.trim().to_owned()));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        for (text, expected) in [
            (
                r#"realm="https://a/t",service="s",scope="repository:x:pull,push""#,
                own(&[
                    ("realm", "https://a/t"),
                    ("service", "s"),
                    ("scope", "repository:x:pull,push"),
                ]),
            ),
            ("realm=x, error=y", own(&[("realm", "x"), ("error", "y")])),
            ("", own(&[])),
            ("realm=\"open", own(&[("realm", "open")])),
        ] {
            assert_eq!(pairs(text), expected, "{text}");
        }
    }
}

//! Who may ask what: the secret, and the names under which a daemon answers.
//!
//! A page in a browser on the same machine can send requests to loopback addresses; a foreign `Host` (a name rebound to
//! 127.0.0.1) or a foreign `Origin` gives it away. The secret keeps other users of the machine out.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::reply::{self, Body};

/// A secret shared by the programs of one cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the secret in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can read the file.
    #[error("the secret in {path} can be read by others (mode {mode:o}); run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is nothing in it.
    #[error("the secret in {path} is empty; put a random text of one line there")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// A secret given directly.
    pub fn new(secret: impl Into<String>) -> Token {
        Token(secret.into())
    }

    /// Reads a secret from its file, which nobody else may read.
    pub fn load(path: &Path) -> Result<Token, TokenError> {
        let read = |source| TokenError::Read {
            path: path.to_owned(),
            source,
        };
        let mode = fs::metadata(path).map_err(read)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let text = fs::read_to_string(path).map_err(read)?;
        match text.trim() {
            "" => Err(TokenError::Empty {
                path: path.to_owned(),
            }),
            secret => Ok(Token(secret.to_owned())),
        }
    }

    /// The secret itself, for sending it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `secret` is this one, in time that depends on its length alone.
    pub fn matches(&self, secret: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), secret.as_bytes());
        ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .fold(0, |difference, (a, b)| difference | (a ^ b))
                == 0
    }
}

/// The secret in an `Authorization` header: the token of `Bearer`, the password of `Basic`.
pub fn presented_secret(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        return decoded
            .split_once(':')
            .map(|(_, password)| password.to_owned());
    }
    None
}

/// Stands in front of a daemon's routes.
#[derive(Clone, Debug)]
pub struct Guard {
    token: Option<Token>,
    address: SocketAddr,
    admitted: Option<HeaderValue>,
}

impl Guard {
    /// A guard for a daemon that listens on `address`.
    pub fn new(token: Option<Token>, address: SocketAddr) -> Guard {
        Guard {
            token,
            address,
            admitted: None,
        }
    }

    /// Admits pages of an origin, or of all with `*`, where routes ask for that ([`Guard::check_admitted`]).
    pub fn admitting(self, origin: Option<HeaderValue>) -> Guard {
        Guard {
            admitted: origin,
            ..self
        }
    }

    /// As [`Guard::check_origin`], but pages of the admitted origin pass.
    ///
    /// # Errors
    /// The answer to give instead.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    pub fn check_admitted(&self, headers: &HeaderMap) -> Result<(), Response<Body>> {
        let origin = headers.get(ORIGIN);
        let admitted = self.admitted.as_ref();
        if !admitted.is_some_and(|admitted| admitted == "*" || Some(admitted) == origin) {
            return self.check_origin(headers);
        }
        let mut headers = headers.clone();
        headers.remove(ORIGIN);
        self.check_origin(&headers)
    }

    /// The secret, if there is one.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Refuses a foreign `Host` (403) when the daemon listens on a loopback address, and a foreign `Origin` always.
    ///
    /// # Errors
    /// The answer to give instead.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Response<Body>> {
        let host = headers.get(HOST).map(HeaderValue::to_str);
        let host = match host {
            None => None,
            Some(Ok(host)) => Some(host),
            Some(Err(_)) => return Err(forbidden("The Host header is not text.")),
        };
        if let Some(host) = host
            && self.address.ip().is_loopback()
            && !is_loopback_name(host_name(host))
        {
            return Err(forbidden(
                "This daemon answers to loopback names only; the Host header names another.",
            ));
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let ours = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"))
                .is_some_and(|(_, authority)| Some(authority) == host);
            if !ours {
                return Err(forbidden("Requests from other origins are refused."));
            }
        }
        Ok(())
    }

    /// Demands the secret (401 without it or with a wrong one).
    ///
    /// # Errors
    /// The answer to give instead.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    pub fn check_secret(&self, headers: &HeaderMap) -> Result<(), Response<Body>> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        match presented_secret(headers) {
            Some(secret) if token.matches(&secret) => Ok(()),
            _ => {
                let mut response = reply::text(
                    StatusCode::UNAUTHORIZED,
                    "The cluster's secret is required here: send it as a Bearer token or as a Basic password.\n",
                );
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"aurora\""),
                );
                Err(response)
            }
        }
    }
}

fn forbidden(text: &str) -> Response<Body> {
    reply::text(StatusCode::FORBIDDEN, format!("{text}\n"))
}

/// The host of `host:port`, brackets of IPv6 removed.
fn host_name(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.split(':').next().unwrap_or(authority)
}

fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn foreign_hosts_and_origins_are_refused_on_loopback() {
        let guard = Guard::new(None, "127.0.0.1:80".parse().unwrap());
        for (allowed, pairs) in [
            (true, &[][..]),
            (true, &[("host", "127.0.0.1:80")][..]),
            (true, &[("host", "localhost:80")]),
            (true, &[("host", "[::1]:80")]),
            (true, &[("host", "127.9.9.9")]),
            (false, &[("host", "evil.example:80")]),
            (false, &[("host", "localhost.evil.example")]),
            (false, &[("host", "10.0.0.1:80")]),
            (
                true,
                &[("host", "localhost:80"), ("origin", "http://localhost:80")],
            ),
            (
                false,
                &[("host", "localhost:80"), ("origin", "http://evil.example")],
            ),
            (false, &[("host", "localhost:80"), ("origin", "null")]),
        ] {
            let verdict = guard.check_origin(&headers(pairs));
            assert_eq!(verdict.is_ok(), allowed, "{pairs:?}");
        }
        let public = Guard::new(None, "10.0.0.1:80".parse().unwrap());
        assert!(
            public
                .check_origin(&headers(&[("host", "scheduler.example")]))
                .is_ok()
        );
        let foreign = headers(&[
            ("host", "scheduler.example"),
            ("origin", "http://evil.example"),
        ]);
        assert!(public.check_origin(&foreign).is_err());
    }

    #[test]
    fn the_secret_is_taken_as_bearer_or_basic() {
        let guard = Guard::new(Some(Token::new("s3cret")), "127.0.0.1:80".parse().unwrap());
        // `printf 'any:s3cret' | base64`, `printf 'any:wrong' | base64`
        for (allowed, value) in [
            (true, "Bearer s3cret"),
            (true, "bearer s3cret"),
            (true, "Basic YW55OnMzY3JldA=="),
            (false, "Basic YW55Ondyb25n"),
            (false, "Bearer s3cre"),
            (false, "Bearer s3crets"),
            (false, "s3cret"),
            (false, "Basic !!!"),
        ] {
            let verdict = guard.check_secret(&headers(&[("authorization", value)]));
            assert_eq!(verdict.is_ok(), allowed, "{value}");
        }
        let refusal = guard.check_secret(&HeaderMap::new()).unwrap_err();
        assert_eq!(refusal.status(), 401);
        assert_eq!(
            refusal.headers()["www-authenticate"],
            "Basic realm=\"aurora\""
        );
    }

    #[test]
    fn a_secret_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "abc\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Token::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("mode 644") && error.contains("chmod 600"),
            "{error}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Token::load(&path).unwrap().reveal(), "abc");
    }
}

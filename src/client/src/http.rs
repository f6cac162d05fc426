//! One HTTP exchange: the client behind it, the credentials, the leader's redirect, and how much of an answer is read.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};

use crate::auth::Auth;
use crate::authorities::{self, HINT};
use crate::netrc::Netrc;

/// How long a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent while it answers.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

const MAX_REDIRECTS: usize = 5;
const MAX_ERROR_BODY: usize = 4096;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request did not reach the server: whatever it asks for has not happened.
    #[error("could not connect to {url}: {cause}")]
    Connect {
        /// Where to.
        url: String,
        /// Why.
        cause: String,
        /// Whether nobody answered in time (else the connection was refused).
        timed_out: bool,
    },
    /// No secure connection could be agreed on: a certificate that nobody we know signed, say. Trying again does not help.
    #[error("no secure connection to {url}: {cause} ({HINT})")]
    Untrusted {
        /// Where to.
        url: String,
        /// Why.
        cause: String,
    },
    /// The request may have reached the server; whether it was carried out is unknown.
    #[error("lost the connection to {url}: {cause}")]
    Transport {
        /// Where to.
        url: String,
        /// Why.
        cause: String,
    },
    /// 401 or 403.
    #[error("{url} answered {status}{}", Excerpt(body))]
    Refused {
        /// Where to.
        url: String,
        /// 401 or 403.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// Another status than success.
    #[error("{url} answered {status}{}", Excerpt(body))]
    Status {
        /// Where to.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// The answer is larger than this call allows.
    #[error("the answer of {url} is larger than {limit} bytes")]
    TooLarge {
        /// Where to.
        url: String,
        /// How much is allowed.
        limit: usize,
    },
    /// The answer is not what this call answers.
    #[error("the answer of {url} is not understood: {why}")]
    Malformed {
        /// Where to.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client cannot be made (for https: no usable root certificates, say).
    #[error("cannot set up HTTP: {0}")]
    Setup(String),
}

struct Excerpt<'a>(&'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.trim() {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}

/// An error with all its causes, each said once.
pub fn describe(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = cause.source();
    }
    text
}

/// A server and what to show it. Clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    user_agent: String,
    auth: Auth,
    netrc: Netrc,
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
}

/// One request.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Outgoing {
    pub(crate) fn get(url: Url) -> Outgoing {
        Outgoing {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

impl Http {
    /// Requests that show `auth` and name themselves `user_agent`.
    pub fn new(user_agent: &str, auth: Auth) -> Http {
        Http::with_netrc(user_agent, auth, Netrc::default())
    }

    /// The same; a host that a redirect leads to is shown what `netrc` has for it.
    pub fn with_netrc(user_agent: &str, auth: Auth, netrc: Netrc) -> Http {
        Http {
            shared: Arc::new(Shared {
                user_agent: user_agent.to_owned(),
                auth,
                netrc,
                plain: OnceLock::new(),
                secure: OnceLock::new(),
            }),
        }
    }

    /// Sends a request and follows the redirects with which a scheduler names its leader. Returns success only.
    pub(crate) async fn send(&self, request: Outgoing) -> Result<reqwest::Response, HttpError> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&request, &url).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let next = redirect(&url, status, response.headers());
            let shown = url.to_string();
            match next {
                Some(next) => {
                    tracing::debug!(from = %url, to = %next, "redirected");
                    url = next;
                }
                None => return Err(status_error(shown, response).await),
            }
        }
        Err(HttpError::Malformed {
            url: request.url.to_string(),
            why: format!("more than {MAX_REDIRECTS} redirects"),
        })
    }

    /// Sends a request once and returns the answer, whatever its status.
    pub(crate) async fn send_once(
        &self,
        request: &Outgoing,
        url: &Url,
    ) -> Result<reqwest::Response, HttpError> {
        let mut headers: HeaderMap = request.headers.iter().cloned().collect();
        if let Some(value) = self.shared.shown(&request.url, url).header() {
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                HttpError::Setup("the secret holds characters that a header cannot".to_owned())
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let sent = self
            .client(url)?
            .request(request.method.clone(), url.clone())
            .headers(headers)
            .body(request.body.clone())
            .send()
            .await;
        sent.map_err(|error| transport_error(url.as_str(), &error))
    }

    /// Building a client for https reads the root certificates, which takes longer than most calls; a loopback cluster
    /// never pays for it.
    fn client(&self, url: &Url) -> Result<reqwest::Client, HttpError> {
        let shared = &*self.shared;
        let secure = url.scheme() == "https";
        let slot = if secure {
            &shared.secure
        } else {
            &shared.plain
        };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(&shared.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .tcp_nodelay(true);
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        let provider = rustls::crypto::ring::default_provider();
        if secure {
            // An error means that a provider is installed already, which is as good.
            let _ = provider.install_default();
            if let Some(authorities) = authorities::named()? {
                builder = builder.tls_certs_only(authorities);
            }
        } else {
            let tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| HttpError::Setup(error.to_string()))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(tls);
        }
        let client = builder
            .build()
            .map_err(|error| HttpError::Setup(format!("{} ({HINT})", describe(&error))))?;
        Ok(slot.get_or_init(|| client).clone())
    }
}

impl Shared {
    /// Credentials go to the server they are for; across a redirect they stay on the same host, or on loopback, another host
    /// gets its own, and none go from https to http.
    fn shown(&self, first: &Url, now: &Url) -> Auth {
        let same_host =
            first.host_str() == now.host_str() || (is_loopback(first) && is_loopback(now));
        let downgraded = first.scheme() == "https" && now.scheme() != "https";
        match (downgraded, same_host) {
            (true, _) => Auth::None,
            (false, true) => self.auth.clone(),
            (false, false) => self.netrc.lookup(now.host_str().unwrap_or_default()),
        }
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn redirect(url: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let next = url.join(location).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

async fn status_error(url: String, mut response: reqwest::Response) -> HttpError {
    let status = response.status().as_u16();
    let mut start = Vec::new();
    // An answer that breaks off is shown as far as it came.
    while let Ok(Some(chunk)) = response.chunk().await {
        start.extend_from_slice(&chunk);
        if start.len() >= MAX_ERROR_BODY {
            start.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    let body = String::from_utf8_lossy(&start).trim().to_owned();
    match status {
        401 | 403 => HttpError::Refused { url, status, body },
        _ => HttpError::Status { url, status, body },
    }
}

pub(crate) fn transport_error(url: &str, error: &reqwest::Error) -> HttpError {
    let url = url.to_owned();
    // The URL is said once, by us.
    let cause = match error.source() {
        Some(source) => describe(source),
        None => error.to_string(),
    };
    if error.is_connect() && is_of_tls(error) {
        HttpError::Untrusted { url, cause }
    } else if error.is_connect() {
        HttpError::Connect {
            url,
            cause,
            timed_out: error.is_timeout(),
        }
    } else {
        HttpError::Transport { url, cause }
    }
}

/// Whether a connection failed by what TLS said: it is the one layer below that calls data invalid.
fn is_of_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let mut failure = error.downcast_ref::<std::io::Error>();
        while let Some(error) = failure {
            if error.kind() == std::io::ErrorKind::InvalidData {
                return true;
            }
            // One that wraps another does not name it as its source.
            failure = error.get_ref().and_then(|inner| inner.downcast_ref());
        }
        cause = error.source();
    }
    false
}

/// Reads an answer of at most `limit` bytes.
pub(crate) async fn read_all(
    response: reqwest::Response,
    limit: usize,
) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    read_by(response, limit, &mut |bytes| body.extend_from_slice(bytes)).await?;
    Ok(body.freeze())
}

/// Reads an answer of at most `limit` bytes, and hands it on as it comes.
pub(crate) async fn read_by(
    mut response: reqwest::Response,
    limit: usize,
    take: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(), HttpError> {
    let url = response.url().to_string();
    let too_large = || HttpError::TooLarge {
        url: url.clone(),
        limit,
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut length = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if length + chunk.len() > limit => return Err(too_large()),
            Ok(Some(chunk)) => {
                length += chunk.len();
                take(&chunk);
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(transport_error(&url, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn credentials_stay_with_their_host() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("netrc");
        std::fs::write(&file, "machine b login u password own").unwrap();
        let http = Http::with_netrc("t", Auth::Bearer("given".into()), Netrc::load(&[file]));
        // printf 'u:own' | base64
        let (given, own) = (Some("Bearer given"), Some("Basic dTpvd24="));
        for (first, now, expected) in [
            ("http://a:1/api", "http://a:2/api", given),
            ("http://a:1/api", "http://b:1/api", own),
            ("http://a:1/api", "http://c:1/api", None),
            ("http://127.0.0.1:1/", "http://localhost:2/", given),
            ("http://[::1]:1/", "http://127.0.0.1:2/", given),
            ("https://a/", "http://a/", None),
            ("https://a/", "http://b/", None),
            ("https://a/", "https://b/", own),
            ("http://a/", "https://a/", given),
        ] {
            let shown = http.shared.shown(&url(first), &url(now)).header();
            assert_eq!(shown.as_deref(), expected, "{first} {now}");
        }
    }

    #[test]
    fn a_client_for_https_can_be_made() {
        let http = Http::new("test", Auth::None);
        http.client(&url("https://example.com/")).unwrap();
        http.client(&url("http://127.0.0.1:1/")).unwrap();
    }

    #[tokio::test]
    async fn a_refused_connection_says_so() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let http = Http::new("test", Auth::None);
        let request = Outgoing::get(url(&format!("http://127.0.0.1:{port}/api")));
        let error = http.send(request).await.unwrap_err();
        assert!(
            matches!(
                &error,
                HttpError::Connect {
                    timed_out: false,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("refused"), "{error}");
    }
}

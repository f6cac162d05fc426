//! One request to a port of this machine, for health checks and for asking a task to end.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest body that is read. What is compared is a word or two.
const MAX_BODY: usize = 1 << 20;
/// As urllib.
const MAX_REDIRECTS: usize = 10;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends an empty request and reads the answer, all within `timeout`. Errors read like upstream's.
pub(crate) async fn request(
    method: Method,
    port: u16,
    endpoint: &str,
    timeout: Duration,
) -> Result<Answer, String> {
    let failed =
        |reason: String| format!("Failed to signal http://localhost:{port}{endpoint}: {reason}");
    match tokio::time::timeout(timeout, exchange(method, port, endpoint)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let mut reason = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                reason = format!("{reason}: {cause}");
                source = cause.source();
            }
            Err(failed(reason))
        }
        Err(_) => Err(failed(format!("no answer within {timeout:?}"))),
    }
}

/// Follows redirects as urllib does: GET all the way after the first, and not for ever. Only to this machine, though: a task
/// must not send its executor, which may be root on another network, anywhere else.
async fn exchange(method: Method, port: u16, endpoint: &str) -> Result<Answer, Fault> {
    let (mut method, mut port, mut endpoint) = (method, port, endpoint.to_owned());
    for _ in 0..=MAX_REDIRECTS {
        let (answer, location) = once(&method, port, &endpoint).await?;
        let follows = match answer.status {
            301..=303 => true,
            307 => method == Method::GET,
            _ => false,
        };
        match location.filter(|_| follows) {
            Some(location) => (port, endpoint) = target(&location, port, &endpoint)?,
            None => return Ok(answer),
        }
        method = Method::GET;
    }
    Err("redirected too often".into())
}

/// The port and path of a redirect.
fn target(location: &str, port: u16, endpoint: &str) -> Result<(u16, String), Fault> {
    let elsewhere = || format!("redirected to {location:?}, which is not on this machine");
    if location.starts_with('/') && !location.starts_with("//") {
        return Ok((port, location.to_owned()));
    }
    let Ok(uri) = location.parse::<http::Uri>() else {
        return Err(elsewhere().into());
    };
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some("localhost" | "127.0.0.1" | "[::1]")) => {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            Ok((uri.port_u16().unwrap_or(80), path.to_owned()))
        }
        // Relative to the folder of what was asked for.
        (None, _) if !location.contains(':') && !location.starts_with('/') => {
            let folder = endpoint.rfind('/').map_or("/", |end| &endpoint[..=end]);
            Ok((port, format!("{folder}{location}")))
        }
        _ => Err(elsewhere().into()),
    }
}

/// One request, and where the answer points to.
async fn once(
    method: &Method,
    port: u16,
    endpoint: &str,
) -> Result<(Answer, Option<String>), Fault> {
    let stream = match TcpStream::connect(("127.0.0.1", port)).await {
        // localhost is both; a task may listen on one of them alone.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            TcpStream::connect(("::1", port)).await.map_err(|_| error)?
        }
        other => other?,
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(method)
        .uri(endpoint)
        .header(HOST, format!("localhost:{port}"));
    if *method == Method::POST {
        // As urllib sends an empty form.
        request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(CONTENT_LENGTH, "0");
    }
    let request = request.body(Full::<Bytes>::default())?;
    let talk = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_BODY)
            .collect()
            .await?
            .to_bytes();
        // What an error page says is of no interest, as upstream.
        let body = if status.is_success() {
            body.to_vec()
        } else {
            Vec::new()
        };
        let status = status.as_u16();
        Ok((Answer { status, body }, location))
    };
    tokio::pin!(connection);
    tokio::pin!(talk);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        // The connection may be done before the answer has been picked up.
        ended = &mut connection => {
            ended?;
            talk.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_who_answers_is_upstreams_words() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        drop(taken);
        let error = request(Method::GET, port, "/health", Duration::from_secs(5))
            .await
            .unwrap_err();
        let expected = format!("Failed to signal http://localhost:{port}/health: ");
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn redirects_stay_on_this_machine() {
        for (location, expected) in [
            ("/other?x=1", Some((7, "/other?x=1"))),
            ("other", Some((7, "/deep/other"))),
            ("http://localhost:8/x", Some((8, "/x"))),
            ("http://127.0.0.1", Some((80, "/"))),
            ("http://10.0.0.1/x", None),
            ("https://localhost/x", None),
            ("//evil.example/x", None),
            ("file:///etc/passwd", None),
        ] {
            let found = target(location, 7, "/deep/health").ok();
            let expected = expected.map(|(port, path)| (port, path.to_owned()));
            assert_eq!(found, expected, "{location}");
        }
    }
}

//! One request to a port of this machine, for health checks and for asking a task to end.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest body that is read. What is compared is a word or two.
const MAX_BODY: usize = 1 << 20;

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

async fn exchange(
    method: Method,
    port: u16,
    endpoint: &str,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
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
        .method(&method)
        .uri(endpoint)
        .header(HOST, format!("localhost:{port}"));
    if method == Method::POST {
        // As urllib sends an empty form.
        request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(CONTENT_LENGTH, "0");
    }
    let request = request.body(Full::<Bytes>::default())?;
    let talk = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BODY)
            .collect()
            .await?
            .to_bytes();
        // What an error page says is of no interest, as upstream.
        let body = if status < 400 {
            body.to_vec()
        } else {
            Vec::new()
        };
        Ok(Answer { status, body })
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

//! One HTTP/1.1 connection, and RecordIO streams on it.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ClientError;
use crate::recordio::Decoder;

/// The largest refusal that is read; the rest of a longer one is not of interest.
const REFUSAL_LIMIT: usize = 64 << 10;

/// A secret for the `Authorization` header; never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(HeaderValue);

impl Secret {
    /// Sent as `Bearer` token.
    ///
    /// # Errors
    /// When the token holds characters that no header may have.
    pub fn bearer(token: &str) -> Result<Self, http::Error> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// A principal and its secret, sent by HTTP basic authentication (mesos: `docs/authentication.md`). A colon ends the
    /// principal, so it must have none.
    pub fn basic(principal: &str, secret: &str) -> Self {
        let text = STANDARD.encode(format!("{principal}:{secret}"));
        let mut value =
            HeaderValue::try_from(format!("Basic {text}")).expect("base64 is plain characters");
        value.set_sensitive(true);
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A keep-alive connection for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(address: &str, limit: Duration) -> Result<Self, ClientError> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = match timeout(limit, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => {
                return Err(ClientError::Connect {
                    address: address.to_owned(),
                    source,
                });
            }
            Err(_) => return Err(timed_out(address, "a connection", limit)),
        };
        let (sender, connection) =
            handshake(TokioIo::new(stream))
                .await
                .map_err(|source| ClientError::Http {
                    address: address.to_owned(),
                    source,
                })?;
        // Ends by itself when the sender and the body of the last answer are dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(Self {
            address: address.to_owned(),
            sender,
        })
    }

    /// Posts JSON and waits for the head of the answer.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(ClientError::Request)?;
        request.headers_mut().extend(headers);
        let address = || self.address.clone();
        match timeout(limit, self.sender.ready()).await {
            Ok(Ok(())) => {}
            Ok(Err(source)) => {
                return Err(ClientError::NotSent {
                    address: address(),
                    source,
                });
            }
            Err(_) => return Err(timed_out(&self.address, "a free connection", limit)),
        }
        match timeout(limit, self.sender.try_send_request(request)).await {
            Ok(Ok(response)) => Ok(response),
            // hyper gives the request back when none of it has left.
            Ok(Err(mut error)) => Err(match error.take_message() {
                Some(_) => ClientError::NotSent {
                    address: address(),
                    source: error.into_error(),
                },
                None => ClientError::Http {
                    address: address(),
                    source: error.into_error(),
                },
            }),
            Err(_) => Err(timed_out(&self.address, "an answer", limit)),
        }
    }
}

/// Posts on the connection kept from last time, or on a new one; a kept one may turn out to have been
/// closed meanwhile. The connection to keep comes back with the answer.
pub(crate) async fn post_kept(
    kept: Option<Connection>,
    address: &str,
    path: &str,
    headers: HeaderMap,
    body: Vec<u8>,
    limit: Duration,
) -> Result<(Response<Incoming>, Connection), ClientError> {
    if let Some(mut connection) = kept.filter(|connection| !connection.sender.is_closed()) {
        match connection
            .post(path, headers.clone(), body.clone(), limit)
            .await
        {
            Ok(response) => return Ok((response, connection)),
            Err(ClientError::NotSent { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    let mut connection = Connection::open(address, limit).await?;
    let response = connection.post(path, headers, body, limit).await?;
    Ok((response, connection))
}

pub(crate) fn timed_out(address: &str, what: &'static str, limit: Duration) -> ClientError {
    ClientError::Timeout {
        address: address.to_owned(),
        what,
        limit,
    }
}

/// Headers with the secret, when there is one.
pub(crate) fn headers(secret: Option<&Secret>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(secret) = secret {
        headers.insert(AUTHORIZATION, secret.0.clone());
    }
    headers
}

/// Reads a whole body.
pub(crate) async fn read_body(
    address: &str,
    body: Incoming,
    size: usize,
    limit: Duration,
) -> Result<Bytes, ClientError> {
    match timeout(limit, Limited::new(body, size).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => match error.downcast::<hyper::Error>() {
            Ok(source) => Err(ClientError::Http {
                address: address.to_owned(),
                source: *source,
            }),
            Err(_) => Err(ClientError::TooLong {
                address: address.to_owned(),
                limit: size,
            }),
        },
        Err(_) => Err(timed_out(address, "the body of an answer", limit)),
    }
}

/// Turns everything but 2xx into an error with the text of the body.
pub(crate) async fn expect_success(
    address: &str,
    response: Response<Incoming>,
    limit: Duration,
) -> Result<Response<Incoming>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let text = match read_body(address, response.into_body(), REFUSAL_LIMIT, limit).await {
        Ok(body) => String::from_utf8_lossy(&body).trim().to_owned(),
        Err(error) => format!("({error})"),
    };
    Err(ClientError::Status {
        address: address.to_owned(),
        status,
        text,
    })
}

/// The authority that a redirection names: `//host:port/path`, `http://host:port/path` or `host:port`.
pub(crate) fn redirection(response: &Response<Incoming>) -> Option<String> {
    if response.status() != StatusCode::TEMPORARY_REDIRECT {
        return None;
    }
    authority(response.headers().get(LOCATION)?.to_str().ok()?)
}

fn authority(location: &str) -> Option<String> {
    let rest = match location.split_once("//") {
        Some((_, rest)) => rest,
        None => location,
    };
    let authority = rest.split('/').next()?;
    authority.contains(':').then(|| authority.to_owned())
}

/// The records of an answer's body.
#[derive(Debug)]
pub(crate) struct RecordStream {
    address: String,
    body: Incoming,
    decoder: Decoder,
}

impl RecordStream {
    pub(crate) fn new(address: &str, body: Incoming, limit: usize) -> Self {
        Self {
            address: address.to_owned(),
            body,
            decoder: Decoder::new(limit),
        }
    }

    /// The next record. Cancel-safe: what has arrived stays in the decoder.
    ///
    /// `silence` is how long no byte at all may come.
    pub(crate) async fn next(&mut self, silence: Duration) -> Result<Bytes, ClientError> {
        loop {
            let record = self
                .decoder
                .next_record()
                .map_err(|source| ClientError::Stream {
                    address: self.address.clone(),
                    source,
                })?;
            if let Some(record) = record {
                return Ok(record);
            }
            match timeout(silence, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.decoder.push(data);
                    }
                }
                Ok(Some(Err(source))) => {
                    return Err(ClientError::Http {
                        address: self.address.clone(),
                        source,
                    });
                }
                Ok(None) => {
                    return Err(match self.decoder.finish() {
                        Ok(()) => ClientError::Closed {
                            address: self.address.clone(),
                        },
                        Err(source) => ClientError::Stream {
                            address: self.address.clone(),
                            source,
                        },
                    });
                }
                Err(_) => return Err(timed_out(&self.address, "a heartbeat", silence)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_come_in_three_forms() {
        let cases = [
            (
                "//10.0.0.2:5050/master/api/v1/scheduler",
                Some("10.0.0.2:5050"),
            ),
            ("http://m1:5050/x", Some("m1:5050")),
            ("m1:5050", Some("m1:5050")),
            ("//m1:5050", Some("m1:5050")),
            ("/elsewhere", None),
            ("", None),
        ];
        for (location, expected) in cases {
            assert_eq!(authority(location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::bearer("hush\n").expect("a valid header");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.0.as_bytes(), b"Bearer hush");
        // RFC 7617, section 2.
        let secret = Secret::basic("Aladdin", "open sesame");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.0.as_bytes(), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}

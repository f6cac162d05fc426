//! The HTTP/1.1 server of the daemons.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::budget::Budget;
use crate::guard::Guard;
use crate::holder::{self, Holder};
use crate::lifecycle::Shutdown;
use crate::reply::{self, Body};

/// An answer.
pub type Response = http::Response<Body>;

/// A request with its whole body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, percent signs not decoded.
    pub path: String,
    /// What follows the question mark, as sent.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`Options::max_body`] bytes.
    pub body: Bytes,
    /// Who asks.
    pub peer: SocketAddr,
}

impl Request {
    /// The first value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_component(key) == name).then(|| decode_component(value))
        })
    }

    /// The path's segments, decoded; empty ones (doubled or trailing slashes) are left out. A decoded segment may hold any
    /// character, a slash included.
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| decode_percent(segment, false))
            .collect()
    }
}

fn decode_component(text: &str) -> String {
    decode_percent(text, true)
}

/// Decodes `%41`, and `+` as a blank where forms do; what is not a code stays as it is.
fn decode_percent(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (code, bytes[at]) {
            (Some(code), _) => {
                out.push(code);
                at += 3;
                continue;
            }
            (None, b'+') if plus_is_blank => out.push(b' '),
            (None, byte) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn call(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send;
}

/// Why a port could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("{address} is taken{}; stop it or choose another port", held_by(.holder))]
    Taken {
        /// The address asked for.
        address: SocketAddr,
        /// Who listens, if that can be seen.
        holder: Option<Holder>,
    },
    /// The system refuses.
    #[error("cannot listen on {address}")]
    Refused {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn held_by(holder: &Option<Holder>) -> String {
    match holder {
        Some(holder) => format!(" by process {} ({})", holder.pid, holder.name),
        None => " by a process of another user".to_owned(),
    }
}

/// A port that is open and not yet served.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Opens a port; 0 lets the kernel choose.
    pub async fn bind(ip: IpAddr, port: u16) -> Result<Listener, BindError> {
        let address = SocketAddr::new(ip, port);
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken {
                address,
                holder: holder::of(address),
            },
            _ => BindError::Refused { address, source },
        };
        let inner = TcpListener::bind(address).await.map_err(refused)?;
        let address = inner.local_addr().map_err(refused)?;
        Ok(Listener { inner, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest request body in bytes; larger ones are answered 413.
    pub max_body: usize,
    /// The most bytes of request bodies in memory at a time, of those who present the secret; requests wait for room. Others
    /// share a quarter of it, so that they cannot keep anybody out.
    pub max_bodies: usize,
    /// The most connections at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long requests under way may take once the daemon ends.
    pub grace: Duration,
    /// Asked before a body is read: a foreign request is refused, and one without the secret may only have
    /// [`STRANGERS_BODY`] bytes, so that nobody who may do nothing can fill the memory.
    pub guard: Option<Guard>,
}

/// The largest body of a request that does not present the daemon's secret, in bytes.
pub const STRANGERS_BODY: usize = 4 << 20;

/// How long a client may take to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

impl Default for Options {
    fn default() -> Self {
        Options {
            max_body: 16 << 20,
            max_bodies: 256 << 20,
            max_connections: 4096,
            grace: Duration::from_secs(2),
            guard: None,
        }
    }
}

/// How long a client may take to send a request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until `shutdown`, then lets requests under way end within the grace period.
pub async fn serve<S: Service>(
    listener: Listener,
    service: Arc<S>,
    options: Options,
    shutdown: Shutdown,
) {
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let bounds = Arc::new(Bounds {
        max_body: options.max_body,
        bodies: Budget::new(options.max_bodies.max(options.max_body)),
        strangers: Budget::new((options.max_bodies / 4).max(STRANGERS_BODY)),
        guard: options.guard,
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.wait() => break,
            accepted = accept(&listener.inner, &slots) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (stream, peer, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: the connection stays in the backlog; others have to end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (service, shutdown) = (service.clone(), shutdown.clone());
        let bounds = bounds.clone();
        connections.spawn(async move {
            connection(stream, peer, service, bounds, shutdown).await;
            drop(slot);
        });
    }
    let ended = tokio::time::timeout(options.grace, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    if ended.is_err() {
        connections.shutdown().await;
    }
}

/// What a request may bring.
struct Bounds {
    max_body: usize,
    bodies: Budget,
    strangers: Budget,
    guard: Option<Guard>,
}

impl Bounds {
    /// The largest body that a request with these headers may have, and what it is charged to.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    fn of(&self, headers: &HeaderMap) -> Result<(usize, &Budget), Response> {
        let Some(guard) = &self.guard else {
            return Ok((self.max_body, &self.bodies));
        };
        // The routes look again: not all of them are for pages of other origins.
        guard.check_admitted(headers)?;
        Ok(match guard.check_secret(headers) {
            Ok(()) => (self.max_body, &self.bodies),
            Err(_) => (self.max_body.min(STRANGERS_BODY), &self.strangers),
        })
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

async fn connection<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    service: Arc<S>,
    bounds: Arc<Bounds>,
    shutdown: Shutdown,
) {
    // Small answers and events must not wait for more; failing to say so costs latency only.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let handler = service_fn(move |request| {
        let (service, bounds) = (service.clone(), bounds.clone());
        async move { Ok::<_, Infallible>(answer(request, peer, service, &bounds).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), handler);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn answer<S: Service>(
    request: http::Request<Incoming>,
    peer: SocketAddr,
    service: Arc<S>,
    bounds: &Bounds,
) -> Response {
    let (head, body) = request.into_parts();
    let (max_body, budget) = match bounds.of(&head.headers) {
        Ok(bounds) => bounds,
        Err(refusal) => return refusal,
    };
    let too_large = || {
        reply::text(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request is larger than {max_body} bytes.\n"),
        )
    };
    // A body of unknown length may become as large as it may be.
    let announced = body.size_hint().upper();
    let announced = announced.map_or(max_body, |size| usize::try_from(size).unwrap_or(usize::MAX));
    if announced > max_body {
        return too_large();
    }
    // Held until the request is answered: what was made from the body is about as large.
    let room = tokio::time::timeout(BODY_TIMEOUT, budget.take(announced));
    let Ok(_room) = room.await else {
        return reply::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many large requests are being answered; try again.\n",
        );
    };
    let body = Limited::new(body, max_body).collect();
    let Ok(body) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
        return reply::text(
            StatusCode::REQUEST_TIMEOUT,
            "The request's body took too long.\n",
        );
    };
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return too_large(),
        Err(error) => {
            return reply::text(
                StatusCode::BAD_REQUEST,
                format!("The request's body broke off: {error}\n"),
            );
        }
    };
    service
        .call(Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            peer,
        })
        .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Echo;
    impl Service for Echo {
        async fn call(self: Arc<Self>, request: Request) -> Response {
            let text = format!(
                "{} {:?} {:?} {}",
                request.method,
                request.segments(),
                request.parameter("q"),
                request.body.len()
            );
            reply::text(StatusCode::OK, text)
        }
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn requests_are_answered_and_bounded_and_the_end_is_clean() {
        let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
            .await
            .unwrap();
        let address = listener.address();
        let shutdown = Shutdown::new();
        let options = Options {
            max_body: 4,
            ..Options::default()
        };
        let server = tokio::spawn(serve(listener, Arc::new(Echo), options, shutdown.clone()));

        let answer = exchange(
            address,
            "POST /a%2Fb//c/?x=1&q=a+%62 HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n\r\nabcd",
        )
        .await;
        assert!(
            answer.ends_with("POST [\"a/b\", \"c\"] Some(\"a b\") 4"),
            "{answer}"
        );
        let answer = exchange(
            address,
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nabcde",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

        shutdown.trigger();
        tokio::time::timeout(Duration::from_secs(10), server)
            .await
            .expect("the server ends when told to")
            .unwrap();
    }

    #[tokio::test]
    async fn a_stranger_may_send_little_and_a_foreign_page_nothing() {
        let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
            .await
            .unwrap();
        let address = listener.address();
        let token = crate::guard::Token::new("s3cret");
        let options = Options {
            max_body: 2 * STRANGERS_BODY,
            guard: Some(Guard::new(Some(token), address)),
            ..Options::default()
        };
        let shutdown = Shutdown::new();
        tokio::spawn(serve(listener, Arc::new(Echo), options, shutdown.clone()));
        let length = STRANGERS_BODY + 1;
        for (head, status) in [
            (
                format!("host: localhost\r\ncontent-length: {length}"),
                "413",
            ),
            (
                format!(
                    "host: localhost\r\nauthorization: Bearer s3cret\r\ncontent-length: {length}"
                ),
                "200",
            ),
            ("host: evil.example\r\ncontent-length: 0".to_owned(), "403"),
        ] {
            let body = if head.ends_with(": 0") {
                String::new()
            } else {
                "x".repeat(length)
            };
            let request = format!("POST / HTTP/1.1\r\nconnection: close\r\n{head}\r\n\r\n{body}");
            let mut stream = TcpStream::connect(address).await.unwrap();
            // A refusal may close the connection before all is sent.
            drop(stream.write_all(request.as_bytes()).await);
            let mut answer = vec![0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer[9..], status.as_bytes(), "{head}");
        }
        shutdown.trigger();
    }

    /// Keeps the requests of strangers until it is told to go on.
    struct Slow {
        go_on: Shutdown,
        kept: tokio::sync::watch::Sender<usize>,
    }
    impl Service for Slow {
        async fn call(self: Arc<Self>, request: Request) -> Response {
            if request.headers.get("authorization").is_none() {
                self.kept.send_modify(|kept| *kept += 1);
                self.go_on.wait().await;
            }
            reply::text(StatusCode::OK, request.body.len().to_string())
        }
    }

    #[tokio::test]
    async fn bodies_wait_for_room_and_strangers_do_not_take_it() {
        const SIZE: usize = 1 << 20;
        let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
            .await
            .unwrap();
        let address = listener.address();
        let token = crate::guard::Token::new("s3cret");
        let options = Options {
            max_body: STRANGERS_BODY,
            // Room for four bodies; those without the secret have as much of their own.
            max_bodies: STRANGERS_BODY,
            guard: Some(Guard::new(Some(token), address)),
            ..Options::default()
        };
        let service = Arc::new(Slow {
            go_on: Shutdown::new(),
            kept: tokio::sync::watch::Sender::new(0),
        });
        let shutdown = Shutdown::new();
        tokio::spawn(serve(listener, service.clone(), options, shutdown.clone()));
        // Sends a body to its end; the server has taken it in when there is room for it.
        let send = |secret: &'static str| async move {
            let head = format!(
                "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{secret}content-length: {SIZE}\r\n\r\n"
            );
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; SIZE]).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let mut strangers = JoinSet::new();
        for _ in 0..6 {
            strangers.spawn(send(""));
        }
        let patience = Duration::from_secs(20);
        let mut kept = service.kept.subscribe();
        tokio::time::timeout(patience, kept.wait_for(|kept| *kept == 4))
            .await
            .expect("four have room")
            .unwrap();
        let friend = send("authorization: Bearer s3cret\r\n");
        let answer = tokio::time::timeout(patience, friend)
            .await
            .expect("there is room for those with the secret");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(*kept.borrow(), 4, "the others wait for room");
        service.go_on.trigger();
        while let Some(answer) = tokio::time::timeout(patience, strangers.join_next())
            .await
            .expect("there is room when others are done")
        {
            assert!(answer.unwrap().ends_with(&SIZE.to_string()));
        }
        shutdown.trigger();
    }

    #[tokio::test]
    async fn a_taken_port_names_its_holder() {
        let first = Listener::bind("127.0.0.1".parse().unwrap(), 0)
            .await
            .unwrap();
        let port = first.address().port();
        let error = Listener::bind("127.0.0.1".parse().unwrap(), port)
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&format!(
                "127.0.0.1:{port} is taken by process {}",
                std::process::id()
            )),
            "{text}"
        );
    }
}

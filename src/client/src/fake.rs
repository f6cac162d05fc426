//! A server for tests: HTTP/1.1 on a loopback port, one thread a connection, real Thrift on `/api`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aurora_api::message::{Protocol, decode_call, encode_reply, encode_unknown_method};
use aurora_api::model::{Response, ResponseCode, ResponseDetail};
use aurora_api::service::Call;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn call(&self) -> Call {
        decode_call(Protocol::Binary, &self.body)
            .unwrap()
            .call
            .unwrap()
    }
}

/// Sends a chunk; false when nobody reads any more.
pub type Sink<'a> = &'a mut dyn FnMut(&str) -> bool;

/// What to do with a request.
pub enum Reply {
    /// Answer at once: status, headers, body.
    Full(u16, Vec<(String, String)>, Vec<u8>),
    /// Answer 200 in chunks; the connection ends when the function returns.
    Chunks(Box<dyn FnOnce(Sink<'_>) + Send>),
    /// Close the connection without an answer.
    Hangup,
}

/// A server until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        Server::start_over(|stream| stream, handler)
    }

    /// The same over what `wrap` makes of each connection.
    pub fn start_over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (seen_too, ended_too) = (Arc::clone(&seen), Arc::clone(&ended));
        let shared = Arc::new((wrap, handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended_too.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, seen) = (Arc::clone(&shared), Arc::clone(&seen_too));
                if let Ok(stream) = stream {
                    std::thread::spawn(move || {
                        let (wrap, handler) = &*shared;
                        connection(wrap(stream), handler, &seen);
                    });
                }
            }
        });
        Server {
            address,
            seen,
            ended,
        }
    }

    /// A scheduler that answers calls by `handler`.
    pub fn scheduler(handler: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Server {
        Server::start(move |request| thrift(request, &handler))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The calls made, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.seen().iter().map(Request::call).collect()
    }

    pub fn methods(&self) -> Vec<&'static str> {
        self.calls().iter().map(Call::method).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers a Thrift call; elsewhere there is nothing.
pub fn thrift(request: &Request, handler: &dyn Fn(&Call) -> Response) -> Reply {
    if !request.target.contains("api") {
        return Reply::Full(404, Vec::new(), Vec::new());
    }
    let decoded = decode_call(Protocol::Binary, &request.body).unwrap();
    let body = match &decoded.call {
        Some(call) => {
            let response = handler(call);
            encode_reply(Protocol::Binary, call.method(), decoded.sequence, &response)
        }
        None => encode_unknown_method(Protocol::Binary, &decoded.method, decoded.sequence),
    };
    Reply::Full(200, Vec::new(), body)
}

/// A response with this code and these messages.
pub fn response(code: ResponseCode, messages: &[&str]) -> Response {
    Response {
        response_code: code,
        details: messages
            .iter()
            .map(|text| ResponseDetail {
                message: Some((*text).to_owned()),
            })
            .collect(),
        ..Response::default()
    }
}

/// An OK response with this result.
pub fn ok(result: aurora_api::model::Result) -> Response {
    Response {
        result: Some(result),
        ..response(ResponseCode::Ok, &[])
    }
}

fn connection<S: Read + Write>(
    stream: S,
    handler: &dyn Fn(&Request) -> Reply,
    seen: &Mutex<Vec<Request>>,
) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let out = reader.get_mut();
        seen.lock().unwrap().push(request.clone());
        match handler(&request) {
            Reply::Hangup => return,
            Reply::Full(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                // In one piece: two would wait for each other's acknowledgement.
                let mut bytes = head.into_bytes();
                bytes.extend_from_slice(&body);
                if out.write_all(&bytes).is_err() {
                    return;
                }
            }
            Reply::Chunks(run) => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let mut write = |text: &str| out.write_all(text.as_bytes()).is_ok();
                if write(head) {
                    run(&mut |text| write(&format!("{:x}\r\n{text}\r\n", text.len())));
                }
                return;
            }
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

//! A request, byte for byte, so that a test decides about every header.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head as sent.
    pub head: String,
    /// The body; chunks are joined.
    pub body: String,
}

/// Sends a request to `http://host:port…`; `headers` holds whole lines without their ends.
pub fn request(
    method: &str,
    url: &str,
    headers: &[String],
    body: &str,
) -> Result<Answer, std::io::Error> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let path = if path.is_empty() { "/" } else { path };
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|line| line.to_lowercase().starts_with("host:"))
    {
        text.push_str(&format!("host: {authority}\r\n"));
    }
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(&format!(
        "connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    stream.write_all(text.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let answer = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.get(9..12).and_then(|code| code.parse().ok());
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    Ok(Answer {
        status: status.ok_or_else(|| std::io::Error::other(format!("not HTTP: {head:?}")))?,
        body: if chunked {
            join_chunks(body)
        } else {
            body.to_owned()
        },
        head: head.to_owned(),
    })
}

/// A GET with the cluster's secret.
pub fn get(url: &str, token: &str) -> Result<Answer, std::io::Error> {
    request("GET", url, &[format!("authorization: Bearer {token}")], "")
}

fn join_chunks(mut body: &str) -> String {
    let mut joined = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        joined.push_str(rest.get(..size).unwrap_or(rest));
        body = rest.get(size..).map_or("", str::trim_start);
    }
    joined
}

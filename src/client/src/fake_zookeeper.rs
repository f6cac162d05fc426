//! ZooKeeper for tests: sessions, and one server set whose only member can be changed
//! (zookeeper: `zookeeper-jute/src/main/resources/zookeeper.jute`).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the one node below the server set holds.
pub(crate) type Member = Arc<Mutex<String>>;

const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const GET_CHILDREN: i32 = 8;
const PING: i32 = 11;
const CLOSE: i32 = -11;

/// All of a node's times, versions and lengths.
const STAT: [u8; 68] = [0; 68];

/// A member that serves at this URL's host and port.
pub(crate) fn serving(url: &str) -> String {
    let (host, port) = url.trim_start_matches("http://").split_once(':').unwrap();
    let endpoint = format!(r#"{{"host":"{host}","port":{port}}}"#);
    format!(
        r#"{{"serviceEndpoint":{endpoint},"additionalEndpoints":{{"http":{endpoint}}},"status":"ALIVE"}}"#
    )
}

/// Serves until the test's process ends.
pub(crate) fn start(member: &Member) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let member = Arc::clone(member);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let member = Arc::clone(&member);
            // A connection that breaks off is over.
            std::thread::spawn(move || drop(session(stream, &member)));
        }
    });
    address
}

fn session(mut stream: TcpStream, member: &Mutex<String>) -> std::io::Result<()> {
    let connect = packet(&mut stream)?;
    let timeout = &connect[12..16];
    // Protocol version, time-out, session, password.
    let answer = [&[0; 4], timeout, &[0, 0, 0, 0, 0, 0, 0, 1], &text(&[0; 16])].concat();
    stream.write_all(&text(&answer))?;
    loop {
        let request = packet(&mut stream)?;
        let number = |at: usize| i32::from_be_bytes(request[at..at + 4].try_into().unwrap());
        let data = member.lock().unwrap().clone();
        let body = match number(4) {
            EXISTS => STAT.to_vec(),
            GET_CHILDREN => [&[0, 0, 0, 1], &text(b"member_0000000000")[..]].concat(),
            GET_DATA => [&text(data.as_bytes())[..], &STAT].concat(),
            PING | CLOSE => Vec::new(),
            other => panic!("unexpected operation {other}"),
        };
        // The request's number, a transaction's, no error.
        let answer = [&request[..4], &[0; 8], &[0; 4], &body].concat();
        stream.write_all(&text(&answer))?;
        if number(4) == CLOSE {
            return Ok(());
        }
    }
}

/// Bytes after their count.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut packet)?;
    Ok(packet)
}

//! V7: from the start of the program to its first frame, and to its first data.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora_api::feed::{JobRecord, PageOf, PageRow};
use aurora_tui_model::pages::Records;

use super::{beginning, first_page, memory, page, seq};
use crate::measure::{Figure, Suite};

/// The program beside this one, in a terminal of `script`.
pub(crate) fn start(suite: &Suite) -> Vec<Figure> {
    let Some(program) = program() else {
        return Vec::new();
    };
    let mut figures = Vec::new();
    for (what, answers, word) in [
        ("a dead server, first frame", false, "connecting"),
        (
            "1,000,000 jobs on 50,000 hosts, first frame",
            true,
            "connecting",
        ),
        (
            "1,000,000 jobs on 50,000 hosts, first data",
            true,
            "job-0000000",
        ),
    ] {
        let mut figure = Figure::new("V7", what, "start");
        let mut held = f64::NAN;
        for _ in 0..suite.samples(10) {
            match once(&program, answers, word) {
                Ok((took, bytes)) => {
                    figure.sample(took, 1);
                    held = bytes;
                }
                Err(error) => println!("V7    {what}: {error}"),
            }
        }
        figures.push(figure);
        let what = format!("{what}, resident");
        figures.push(Figure::new("V7", what, "process").bytes(held));
    }
    figures
}

/// A directory that is removed with what is in it.
pub(super) struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        // What is left of it is in the directory for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that ends with us.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The workbench beside this program.
pub(super) fn program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let program = program.map(|program| program.with_file_name("aurora-tui"));
    let program = program.filter(|program| program.exists());
    if program.is_none() {
        println!("V     needs aurora-tui beside this program: cargo build --release -p aurora-tui");
    }
    program
}

/// Answers on a connection.
pub(super) type Serve = Box<dyn Fn(TcpStream) + Send + Sync>;

/// A workbench in a terminal of `script`, on a scheduler that answers like this; and what it draws.
pub(super) fn run(
    program: &Path,
    serve: Serve,
    arguments: &str,
) -> std::io::Result<(Running, ChildStdout, Home)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let name = format!("aurora-benches-{}-{}", std::process::id(), address.port());
    let home = Home(std::env::temp_dir().join(name));
    std::fs::create_dir_all(home.0.join(".aurora"))?;
    let clusters = serde_json::json!([{"name": "c", "scheduler_uri": format!("http://{address}")}]);
    std::fs::write(home.0.join(".aurora/clusters.json"), clusters.to_string())?;
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    let line = format!(
        "stty cols 200 rows 50; exec {} --cluster c {arguments}",
        program.display()
    );
    let mut running = Running(
        Command::new("script")
            .args(["-qfec", &line, "/dev/null"])
            .env_clear()
            .env("HOME", &home.0)
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let screen = running.0.stdout.take();
    let screen = screen.ok_or_else(|| std::io::Error::other("no output"))?;
    Ok((running, screen, home))
}

/// How long it took until a word was on the screen, and what the program had in memory then.
fn once(program: &Path, answers: bool, word: &str) -> std::io::Result<(Duration, f64)> {
    let serve: Serve = if answers {
        Box::new(serve)
    } else {
        Box::new(hear)
    };
    let begun = Instant::now();
    let (running, mut screen, _home) = run(program, serve, "")?;
    let (mut seen, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        let count = screen.read(&mut piece)?;
        seen.extend_from_slice(&piece[..count]);
        let is_there = seen.windows(word.len()).any(|part| part == word.as_bytes());
        if is_there {
            let took = begun.elapsed();
            return Ok((took, of_child(&running, "VmRSS:")));
        }
        if count == 0 || begun.elapsed() > Duration::from_secs(30) {
            let said = String::from_utf8_lossy(&seen).into_owned();
            return Err(std::io::Error::other(format!("no `{word}`: {said}")));
        }
    }
}

/// What the workbench has in memory, in bytes: `VmRSS:` now, `VmHWM:` at most so far.
pub(super) fn of_child(running: &Running, what: &str) -> f64 {
    let parent = running.0.id();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    let child = children.split_whitespace().next().unwrap_or("self");
    memory(child, what)
}

/// Never answers.
fn hear(mut stream: TcpStream) {
    // Until the workbench ends.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// A feed that stays open, the first page of the jobs, and nothing else.
fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1..) => head.extend_from_slice(&byte),
            _ => return,
        }
    }
    let mut body = Vec::new();
    if head.starts_with(b"GET /ext/v1/jobs") {
        // A record is plain data and memory takes it.
        let _ = serde_json::to_writer(&mut body, &first_rows());
    } else if head.starts_with(b"GET /ext/v1/events") {
        for line in beginning(1_000_000, 50_000) {
            let _ = serde_json::to_writer(&mut body, &line);
            body.push(b'\n');
        }
    } else {
        // Whoever asks may be gone.
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    let is_feed = head.starts_with(b"GET /ext/v1/events");
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n";
    // Whoever asks may be gone.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&body));
    if is_feed {
        // Until the workbench ends.
        let _ = stream.read(&mut byte);
    }
}

/// The first page of the jobs.
fn first_rows() -> PageOf<JobRecord> {
    let page = page(&first_page(), 1_000_000);
    let records = match page.records {
        Records::Jobs(records) => records,
        Records::Hosts(_) | Records::Roles(_) | Records::Tasks(_) => Vec::new(),
    };
    PageOf {
        seq: seq(1),
        unchanged: false,
        total: page.total as u64,
        shown: page.shown as u64,
        offset: 0,
        rows: records
            .into_iter()
            .map(|record| PageRow { record })
            .collect(),
        prev: page.prev,
        next: page.next,
    }
}

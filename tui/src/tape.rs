//! Recorded sessions: what a workbench was told, with times, a JSON value a line.
//!
//! The first line is a [`Head`], every other one a pair of our clock (milliseconds since 1970) and a [`Piece`]. Keys are not
//! in it: it holds what the cluster said, not what a person typed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use aurora_api::feed::Line;
use aurora_tui_model::event::{Event, LinkEvent, Seen, Watch};
use serde::{Deserialize, Serialize};

/// The version of the format.
pub(crate) const VERSION: u32 = 1;
/// A recording ends at this size.
const MOST_BYTES: u64 = 1 << 30;
/// Pieces that wait for the disk; more are left out, and counted.
const WAITING: usize = 4096;
/// The longest line that is read.
const LONGEST_LINE: u64 = 64 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// [`VERSION`].
    pub(crate) session: u32,
    /// The cluster, as the user names it.
    pub(crate) cluster: String,
    /// Our clock when it began.
    pub(crate) begin_ms: i64,
}

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Piece {
    /// A line of the event feed.
    Feed(Line),
    /// Its connection.
    Link(LinkEvent),
    /// From now on this is watched.
    Start(u64, Watch),
    /// What a watch found.
    Seen(u64, Seen),
    /// So many pieces are missing: they came faster than they could be written.
    Lost(u64),
}

/// Writes a session on a thread of its own: nothing waits for the disk.
pub(crate) struct Tape {
    sender: Option<SyncSender<(i64, Piece)>>,
    writer: Option<JoinHandle<io::Result<()>>>,
    lost: u64,
}

impl Tape {
    /// Begins a new file, readable for its owner alone.
    pub(crate) fn create(path: &Path, cluster: &str, begin_ms: i64) -> anyhow::Result<Tape> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot record to {}", path.display()))?;
        let head = Head {
            session: VERSION,
            cluster: cluster.to_owned(),
            begin_ms,
        };
        let (sender, receiver) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || write(file, &head, &receiver))
            .context("cannot start to record")?;
        Ok(Tape {
            sender: Some(sender),
            writer: Some(writer),
            lost: 0,
        })
    }

    /// Keeps an event, when it is one that a session is made of.
    pub(crate) fn event(&mut self, at_ms: i64, event: &Event) {
        match event {
            Event::Feed(at_ms, line) => self.keep(*at_ms, Piece::Feed(line.clone())),
            Event::Link(at_ms, link) => self.keep(*at_ms, Piece::Link(link.clone())),
            Event::Seen(generation, seen) => {
                self.keep(at_ms, Piece::Seen(*generation, seen.clone()))
            }
            _ => {}
        }
    }

    /// Keeps that something is watched from now on.
    pub(crate) fn start(&mut self, at_ms: i64, generation: u64, watch: &Watch) {
        self.keep(at_ms, Piece::Start(generation, watch.clone()));
    }

    fn keep(&mut self, at_ms: i64, piece: Piece) {
        let Some(sender) = &self.sender else {
            return;
        };
        if self.lost > 0 && sender.try_send((at_ms, Piece::Lost(self.lost))).is_ok() {
            self.lost = 0;
        }
        match sender.try_send((at_ms, piece)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost += 1,
            // It failed or is full; `fault` tells.
            Err(TrySendError::Disconnected(_)) => self.sender = None,
        }
    }

    /// Why nothing is recorded any more, once.
    pub(crate) fn fault(&mut self) -> Option<String> {
        if self.sender.is_some() {
            return None;
        }
        let ended = self.writer.take()?.join();
        Some(match ended {
            Ok(Err(error)) => format!("recording ended: {error}"),
            Ok(Ok(())) | Err(_) => "recording ended".to_owned(),
        })
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            // Whoever quits has no screen for a fault any more.
            drop(writer.join());
        }
    }
}

fn write(file: File, head: &Head, pieces: &Receiver<(i64, Piece)>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let mut written = line(&mut out, head)?;
    while let Ok(piece) = pieces.recv() {
        written += line(&mut out, &piece)?;
        while let Ok(piece) = pieces.try_recv() {
            written += line(&mut out, &piece)?;
        }
        out.flush()?;
        if written > MOST_BYTES {
            return Err(io::Error::other(format!(
                "the file has {} MiB",
                written >> 20
            )));
        }
    }
    out.flush()
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<u64> {
    let mut text = serde_json::to_vec(value).map_err(io::Error::other)?;
    text.push(b'\n');
    out.write_all(&text)?;
    Ok(text.len() as u64)
}

/// Reads a recorded session. A last line that was torn by a crash is left out.
pub(crate) fn read(path: &Path) -> anyhow::Result<(Head, Vec<(i64, Piece)>)> {
    let what = || format!("cannot replay {}", path.display());
    let file = File::open(path).with_context(what)?;
    let mut reader = BufReader::new(file.take(MOST_BYTES + LONGEST_LINE));
    let mut text = String::new();
    reader.read_line(&mut text).with_context(what)?;
    let head: Head = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a recorded session", path.display()))?;
    if head.session != VERSION {
        bail!(
            "{} is a session of version {}; this program reads version {VERSION}",
            path.display(),
            head.session
        );
    }
    let mut pieces = Vec::new();
    for number in 2.. {
        text.clear();
        if reader.read_line(&mut text).with_context(what)? == 0 {
            break;
        }
        match serde_json::from_str(&text) {
            Ok(piece) => pieces.push(piece),
            Err(_) if !text.ends_with('\n') => break,
            Err(fault) => bail!("{}, line {number}: {fault}", path.display()),
        }
    }
    Ok((head, pieces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::feed::{Heartbeat, Seq};

    fn beat(index: u64) -> Line {
        Line::Heartbeat(Heartbeat {
            seq: Seq { index, ordinal: 0 },
        })
    }

    #[test]
    fn what_is_recorded_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.jsonl");
        let mut tape = Tape::create(&path, "c", 7).unwrap();
        tape.event(8, &Event::Feed(9, beat(1)));
        tape.event(10, &Event::Run("typed reason=secret".to_owned()));
        tape.event(
            11,
            &Event::Seen(
                3,
                Seen::Bytes {
                    offset: 0,
                    next: 3,
                    bytes: "ü\n".as_bytes().to_vec(),
                },
            ),
        );
        drop(tape);
        let (head, pieces) = read(&path).unwrap();
        assert_eq!((head.cluster.as_str(), head.begin_ms), ("c", 7));
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0], (9, Piece::Feed(beat(1))));
        assert!(
            matches!(&pieces[1], (11, Piece::Seen(3, Seen::Bytes { bytes, .. })) if bytes == "ü\n".as_bytes())
        );
        // A file that exists is not overwritten, and a torn end is left out.
        assert!(Tape::create(&path, "c", 7).is_err());
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"[12,{\"fe");
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap().1.len(), 2);
    }

    #[test]
    fn what_is_no_session_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let head = "{\"session\":1,\"cluster\":\"c\",\"begin_ms\":1}\n";
        for (text, said) in [
            ("", "is not a recorded session"),
            ("{}\n", "is not a recorded session"),
            (
                "{\"session\":9,\"cluster\":\"c\",\"begin_ms\":1}\n",
                "version 9",
            ),
            (&format!("{head}[1,{{\"moon\":1}}]\n"), "line 2"),
        ] {
            std::fs::write(&path, text).unwrap();
            let fault = format!("{:#}", read(&path).unwrap_err());
            assert!(fault.contains(said), "{text}: {fault}");
        }
    }

    #[test]
    fn a_full_disk_ends_the_recording_and_is_said_once() {
        let mut tape = Tape {
            sender: None,
            writer: Some(std::thread::spawn(|| {
                Err(io::Error::other("no space left"))
            })),
            lost: 0,
        };
        assert_eq!(
            tape.fault().as_deref(),
            Some("recording ended: no space left")
        );
        assert_eq!(tape.fault(), None);
    }
}

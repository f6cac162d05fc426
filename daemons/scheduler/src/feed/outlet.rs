//! Where a feed's lines go: in pieces, encoded as the client asked, never more than it takes.

use std::io::Write;
use std::time::Duration;

use aurora_api::feed::Line;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bytes of one piece that is handed to the connection.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the connection: with [`PIECE`], 4 MiB.
const PIECES: usize = 64;
/// A client that takes nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(30);

/// How the lines are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Plain,
    /// gzip, flushed with each piece.
    Gzip,
}

/// The client is gone, or takes nothing.
pub(super) struct Gone;

pub(super) struct Outlet {
    out: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Outlet {
    /// An outlet, and where its pieces come out.
    pub(super) fn new(encoding: Encoding) -> (Outlet, mpsc::Receiver<Bytes>) {
        let (out, pieces) = mpsc::channel(PIECES);
        let gzip = match encoding {
            Encoding::Plain => None,
            Encoding::Gzip => Some(GzEncoder::new(Vec::new(), Compression::fast())),
        };
        let outlet = Outlet {
            out,
            buffer: Vec::new(),
            gzip,
        };
        (outlet, pieces)
    }

    /// Returns when the client is gone.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + use<> {
        let out = self.out.clone();
        async move { out.closed().await }
    }

    pub(super) async fn line(&mut self, line: &Line) -> Result<(), Gone> {
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            // Records have texts for keys; nothing in them cannot be written.
            tracing::error!(%error, "a line of the event feed cannot be written");
            return Err(Gone);
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what is there, so that the client can read all of it.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let plain = std::mem::take(&mut self.buffer);
        let piece = match &mut self.gzip {
            None => plain,
            Some(encoder) => {
                let packed = encoder.write_all(&plain).and_then(|()| encoder.flush());
                // Writing into memory cannot fail.
                packed.map_err(|_| Gone)?;
                std::mem::take(encoder.get_mut())
            }
        };
        match timeout(STALLED, self.out.send(piece.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

//! A layer of an image: what is in its archive, uncompressed, and held against the digests that its image gives.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};

use super::archive::ArchiveError;

/// The only algorithm that images are summed up by.
const ALGORITHM: &str = "sha256:";
/// What may follow the end of a layer's tar file: that is filled up to a whole record.
const MAX_REST: u64 = 16 << 20;

/// A digest as images write it, `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest(String);

impl Digest {
    pub(super) fn parse(text: &str) -> Result<Self, ArchiveError> {
        let hex = text.strip_prefix(ALGORITHM).unwrap_or_default();
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(hex.to_ascii_lowercase()))
        } else {
            Err(ArchiveError::Digest(text.to_owned()))
        }
    }

    /// The digits alone.
    pub(super) fn hex(&self) -> &str {
        &self.0
    }

    /// What `bytes` sum up to.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.add(bytes);
        sum.digest()
    }

    /// Whether this is what `bytes` sum up to.
    pub(super) fn check(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut sum = Sum::default();
        sum.add(bytes);
        sum.check(name, self)
    }
}

/// A digest in the making.
#[derive(Clone, Default)]
pub(super) struct Sum(Sha256);

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn check(self, name: &str, expected: &Digest) -> Result<(), ArchiveError> {
        let found = self.digest();
        if found == *expected {
            return Ok(());
        }
        Err(ArchiveError::Changed {
            name: name.to_owned(),
            expected: expected.0.clone(),
            found: found.0,
        })
    }

    fn digest(self) -> Digest {
        let mut hex = String::with_capacity(64);
        for byte in self.0.finalize() {
            // A text takes everything.
            let _ = write!(hex, "{byte:02x}");
        }
        Digest(hex)
    }
}

/// Sums up what is read through it. Clones are one reader.
#[derive(Clone)]
struct Summed(Rc<RefCell<(Box<dyn Read>, Sum)>>);

impl Summed {
    fn new(reader: impl Read + 'static) -> Self {
        Self(Rc::new(RefCell::new((Box::new(reader), Sum::default()))))
    }

    /// Reads the rest, and compares.
    fn check(mut self, name: &str, expected: &Digest) -> Result<(), ArchiveError> {
        io::copy(&mut self, &mut io::sink())?;
        let sum = self.0.borrow().1.clone();
        sum.check(name, expected)
    }
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.0.borrow_mut();
        let count = inner.0.read(buffer)?;
        inner.1.add(&buffer[..count]);
        Ok(count)
    }
}

/// The digests of a layer; an absent one is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Digests {
    /// As it lies in the archive.
    pub(super) packed: Option<Digest>,
    /// Uncompressed.
    pub(super) plain: Option<Digest>,
}

/// A layer that is read once, as the tar file that it is.
pub(super) struct Layer {
    name: String,
    digests: Digests,
    packed: Summed,
    plain: Summed,
}

impl Layer {
    pub(super) fn open(
        name: &str,
        packed: impl Read + 'static,
        digests: Digests,
    ) -> Result<Self, ArchiveError> {
        let packed = Summed::new(packed);
        let plain = Summed::new(uncompressed(packed.clone())?);
        Ok(Self {
            name: name.to_owned(),
            digests,
            packed,
            plain,
        })
    }

    /// What was read has to be what the image says. To be called after the last read.
    pub(super) fn finish(self) -> Result<(), ArchiveError> {
        let Self {
            name,
            digests,
            packed,
            mut plain,
        } = self;
        if io::copy(&mut plain.by_ref().take(MAX_REST), &mut io::sink())? == MAX_REST {
            return Err(ArchiveError::Rest(name));
        }
        if let Some(digest) = &digests.plain {
            plain.check(&format!("{name}, uncompressed,"), digest)?;
        }
        match &digests.packed {
            Some(digest) => packed.check(&name, digest),
            None => Ok(()),
        }
    }
}

impl Read for Layer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.plain.read(buffer)
    }
}

/// Compression is told by a layer's first bytes, whatever its name says.
fn uncompressed(layer: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut layer = BufReader::with_capacity(64 << 10, layer);
    Ok(match layer.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(layer)),
        // A frame, or one that is skipped.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(Zstd::new(layer))
        }
        _ => Box::new(layer),
    })
}

/// Frames of zstd, one after the other.
struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            frame: FrameDecoder::new(),
            is_inside: false,
        }
    }

    fn next_frame(&mut self) -> io::Result<()> {
        match self.frame.init(&mut self.source) {
            Ok(()) => self.is_inside = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let mut skipped = self.source.by_ref().take(length.into());
                io::copy(&mut skipped, &mut io::sink())?;
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_inside {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.next_frame()?;
                continue;
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.frame.decode_blocks(&mut self.source, one);
                decoded.map_err(io::Error::other)?;
            }
            match self.frame.read(buffer)? {
                0 => self.is_inside = false,
                count => return Ok(count),
            }
        }
    }
}

//! `aurora-mesos-agent unpack-image`: applies the layers of an image, one over the other, to an empty folder.
//!
//! It is a process of its own because it makes that folder its root before it writes anything: whatever links an image holds,
//! nothing outside is reached. What the image says about its programs goes to standard output, as JSON.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use nix::sys::resource::Resource;
use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::archive::{Archive, ArchiveError};
use super::layer::Layer;
use crate::agent::containerizer::chain;

/// The hidden subcommand of the agent's program.
pub(crate) const SUBCOMMAND: &str = "unpack-image";
/// Longest order that is read.
const MAX_ORDER: u64 = 1 << 20;
/// Most memory that unpacking may take, whatever an archive makes of its headers and windows.
const MAX_MEMORY: u64 = 2 << 30;
/// A name that begins so hides what lower layers have under the rest of it.
const WHITEOUT: &[u8] = b".wh.";
/// Hides everything that lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What to unpack, and where to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) archive: PathBuf,
    pub(super) reference: String,
    pub(super) rootfs: PathBuf,
    pub(super) bounds: Bounds,
}

/// How large an image may become.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Bounds {
    /// Bytes of all files of all layers.
    pub(super) bytes: u64,
    /// Files, folders and links of all layers.
    pub(super) entries: u64,
}

/// Why an image is not unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("the order is not understood")]
    Order(#[from] serde_json::Error),
    #[error("{path}")]
    Archive { path: PathBuf, source: ArchiveError },
    #[error("{0}")]
    Io(String, #[source] io::Error),
    #[error("layer {number}")]
    Layer { number: usize, source: ArchiveError },
    #[error("{0} leaves the image")]
    Leaves(String),
    #[error("it is larger than {0} bytes, the most that an image may have")]
    TooLarge(u64),
    #[error("it has more than {0} files, the most that an image may have")]
    TooMany(u64),
}

/// Runs it: the order comes as JSON on standard input, and what went wrong goes to standard error.
pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code says the rest.
            let _ = writeln!(io::stderr(), "{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), UnpackError> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |error: io::Error| UnpackError::Io(doing, error)
    };
    let mut text = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_ORDER)
        .read_to_end(&mut text)
        .map_err(failed("reading the order"))?;
    let order: Order = serde_json::from_slice(&text)?;
    let unreadable = |source| UnpackError::Archive {
        path: order.archive.clone(),
        source,
    };
    let archive = Archive::open(&order.archive).map_err(unreadable)?;
    let contents = archive.image(&order.reference).map_err(unreadable)?;
    nix::sys::resource::setrlimit(Resource::RLIMIT_AS, MAX_MEMORY, MAX_MEMORY)
        .map_err(io::Error::from)
        .map_err(failed("bounding the memory"))?;
    std::env::set_current_dir(&order.rootfs).map_err(failed("entering the root"))?;
    nix::unistd::chroot(".")
        .map_err(io::Error::from)
        .map_err(failed("making the folder the root"))?;
    let mut budget = Budget::new(order.bounds);
    for (number, layer) in contents.layers.into_iter().enumerate() {
        apply(number, layer, Path::new("/"), &mut budget)?;
    }
    serde_json::to_writer(io::stdout().lock(), &contents.config)?;
    Ok(())
}

/// What an image has used of its bounds.
#[derive(Debug)]
pub(super) struct Budget {
    bounds: Bounds,
    used: Bounds,
}

impl Budget {
    pub(super) fn new(bounds: Bounds) -> Self {
        let used = Bounds {
            bytes: 0,
            entries: 0,
        };
        Self { bounds, used }
    }

    /// For one more entry of this size. To be called before anything of it is written: a sparse file is larger than what is in
    /// the archive.
    fn take(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.used.entries += 1;
        self.used.bytes = self.used.bytes.saturating_add(bytes);
        if self.used.entries > self.bounds.entries {
            return Err(UnpackError::TooMany(self.bounds.entries));
        }
        if self.used.bytes > self.bounds.bytes {
            return Err(UnpackError::TooLarge(self.bounds.bytes));
        }
        Ok(())
    }
}

/// Applies a layer to what lies below `root`.
pub(super) fn apply(
    number: usize,
    mut layer: Layer,
    root: &Path,
    budget: &mut Budget,
) -> Result<(), UnpackError> {
    let failed = |error: io::Error| UnpackError::Io(format!("layer {number}"), error);
    let mut archive = tar::Archive::new(&mut layer);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    archive.set_preserve_mtime(true);
    let mut written = HashSet::new();
    for entry in archive.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        budget.take(entry.size())?;
        let name = entry.path().map_err(failed)?.into_owned();
        let path = inside(&name).ok_or_else(|| UnpackError::Leaves(name.display().to_string()))?;
        put(entry, path, root, &mut written).map_err(failed)?;
    }
    layer
        .finish()
        .map_err(|source| UnpackError::Layer { number, source })
}

/// Puts one member of a layer to its place.
fn put(
    mut entry: tar::Entry<'_, impl Read>,
    path: PathBuf,
    root: &Path,
    written: &mut HashSet<PathBuf>,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    if name == OPAQUE {
        let folder = path.parent().unwrap_or(Path::new(""));
        return hide_all(&root.join(folder), folder, written);
    }
    if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        let hidden = path.with_file_name(OsStr::from_bytes(hidden));
        return if written.contains(&hidden) {
            Ok(())
        } else {
            remove(&root.join(hidden))
        };
    }
    let kind = entry.header().entry_type();
    // Devices come from the machine, where its owner wants them.
    if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) {
        return Ok(());
    }
    let target = root.join(&path);
    let replaces =
        fs::symlink_metadata(&target).is_ok_and(|there| !(there.is_dir() && kind.is_dir()));
    if replaces {
        remove(&target)?;
    }
    entry.unpack_in(root)?;
    written.extend(path.ancestors().map(Path::to_owned));
    Ok(())
}

/// The path below the root; `None` for one that leads out of it.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut name = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => name.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(name)
}

/// Removes from a folder what this layer has not written.
fn hide_all(folder: &Path, name: &Path, written: &HashSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = name.join(entry.file_name());
        if !written.contains(&name) {
            remove(&entry.path())?;
        } else if entry.file_type()?.is_dir() {
            hide_all(&entry.path(), &name, written)?;
        }
    }
    Ok(())
}

/// Removes a file, a link or a folder with all that is in it; one that is not there is fine.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

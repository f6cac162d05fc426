//! Files that survive a crash: replaced as a whole, or extended by whole lines, and flushed before anything rests on them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A checkpoint that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("cannot {action} {path}: the agent's checkpoints must be writable")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is damaged; remove it to have the agent register anew")]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io {
        action,
        path,
        source,
    }
}

/// The names of the directories in `directory`; none when it is not there.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CheckpointError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| CheckpointError::Damaged {
                    path: path.to_owned(),
                    source,
                })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CheckpointError> {
    let bytes = serde_json::to_vec(value).map_err(|source| CheckpointError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    write_file(path, &bytes)
}

/// Replaces a file as a whole: readers and a crash find the old one or the new one.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    create_directories(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary).map_err(failed("create", &temporary))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_directory(parent)
}

pub(super) fn append(path: &Path, line: &impl Serialize) -> Result<(), CheckpointError> {
    let mut bytes = serde_json::to_vec(line).map_err(|source| CheckpointError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    let parent = path.parent().unwrap_or(Path::new("/"));
    let is_new = !path.exists();
    if is_new {
        create_directories(parent)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed("open", path))?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_data())
        .map_err(failed("write", path))?;
    if is_new {
        sync_directory(parent)
    } else {
        Ok(())
    }
}

/// Creates missing directories, each of them durably known to its parent.
pub(super) fn create_directories(directory: &Path) -> Result<(), CheckpointError> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    create_directories(parent)?;
    match fs::create_dir(directory) {
        Ok(()) => sync_directory(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("create", directory)(error)),
    }
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), CheckpointError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(failed("flush", directory))
}

pub(super) fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

//! Mounts of a container, made by its launch helper in a mount namespace that nobody else sees.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(super) source: Source,
    /// An absolute path of this machine, or one below the sandbox.
    pub(super) target: PathBuf,
    pub(super) read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    /// A file or folder of the machine.
    Host(PathBuf),
    /// An image, with a layer of the container's own over it.
    Layers {
        lower: PathBuf,
        upper: PathBuf,
        work: PathBuf,
    },
}

/// Where a volume goes. A path below the sandbox stays there.
pub(super) fn target(container_path: &str) -> Result<PathBuf, String> {
    let path = Path::new(container_path);
    let leaves = path
        .components()
        .any(|part| matches!(part, Component::ParentDir | Component::Prefix(_)));
    if container_path.is_empty() || leaves || path == Path::new("/") {
        return Err(format!("a volume cannot be mounted at {container_path:?}"));
    }
    Ok(path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect())
}

/// Gives this process a mount namespace with these mounts. To be called as root, before threads are started. The error is a
/// sentence.
pub(crate) fn perform(sandbox: &Path, mounts: &[Mount]) -> Result<(), String> {
    if mounts.is_empty() {
        return Ok(());
    }
    let none: Option<&Path> = None;
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, slave, none))
        .map_err(|error| format!("making a mount namespace: {error}"))?;
    for wanted in mounts {
        wanted
            .perform(sandbox)
            .map_err(|error| format!("mounting at {}: {error}", wanted.target.display()))?;
    }
    Ok(())
}

impl Mount {
    fn perform(&self, sandbox: &Path) -> io::Result<()> {
        let is_file = matches!(&self.source, Source::Host(path) if !path.is_dir());
        let target = if self.target.is_absolute() {
            self.target.clone()
        } else {
            prepare(sandbox, &self.target, is_file)?
        };
        let none: Option<&Path> = None;
        match &self.source {
            Source::Host(path) => {
                let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
                mount(Some(path), &target, none, bind, none)?;
            }
            Source::Layers { lower, upper, work } => {
                let options = overlay_options(lower, upper, work)?;
                let kind = Some("overlay");
                mount(
                    kind,
                    &target,
                    kind,
                    MsFlags::empty(),
                    Some(options.as_str()),
                )?;
            }
        }
        if self.read_only {
            let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(none, &target, none, again, none)?;
        }
        Ok(())
    }
}

/// Options are separated by commas, layers by colons; neither can be told from one in a path.
fn overlay_options(lower: &Path, upper: &Path, work: &Path) -> io::Result<String> {
    let mut texts = Vec::new();
    for path in [lower, upper, work] {
        match path.to_str() {
            Some(text) if !text.contains([',', ':', '\\']) => texts.push(text),
            _ => {
                return Err(io::Error::other(format!(
                    "{} cannot be a layer: its name has a comma, colon or backslash",
                    path.display()
                )));
            }
        }
    }
    Ok(format!(
        "lowerdir={},upperdir={},workdir={}",
        texts[0], texts[1], texts[2]
    ))
}

/// Makes the mount point below the sandbox. What was fetched belongs to the task's user and may hold links; none is followed.
/// Nobody else is at work in the sandbox yet, so what was looked at stays as it is.
fn prepare(sandbox: &Path, target: &Path, is_file: bool) -> io::Result<PathBuf> {
    let mut path = sandbox.to_owned();
    let mut parts = target.components().peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        let makes_file = is_file && parts.peek().is_none();
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() || there.is_file() != makes_file => {
                let wanted = if makes_file { "file" } else { "folder" };
                return Err(io::Error::other(format!(
                    "{} is no {wanted}",
                    path.display()
                )));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && makes_file => {
                fs::File::create_new(&path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&path)?,
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

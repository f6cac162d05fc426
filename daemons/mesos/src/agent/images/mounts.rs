//! Mounts of a container, made by its launch helper in a mount namespace that nobody else sees.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

/// Where the sandbox is in a file system from an image (mesos: `--sandbox_directory`).
pub(crate) const SANDBOX: &str = "/mnt/mesos/sandbox";
/// Folders of the machine that every program expects.
const OF_THE_MACHINE: [&str; 3] = ["/proc", "/sys", "/dev"];
/// What names other machines.
const RESOLVER_FILES: [&str; 3] = ["etc/resolv.conf", "etc/hosts", "etc/hostname"];

/// Everything that a container gets mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mounts {
    /// The file system that it has instead of the machine's.
    pub(super) root: Option<Root>,
    pub(super) volumes: Vec<Mount>,
}

/// A file system from an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    pub(super) layers: Layers,
    pub(super) path: PathBuf,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(super) source: Source,
    /// An absolute path of the container, or one below the sandbox.
    pub(super) target: PathBuf,
    pub(super) read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    /// A file or folder of the machine.
    Host(PathBuf),
    Image(Layers),
}

/// Images, with a layer of the container's own over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layers {
    /// Lowest first.
    pub(super) images: Vec<PathBuf>,
    pub(super) upper: PathBuf,
    pub(super) work: PathBuf,
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
pub(crate) fn perform(sandbox: &Path, mounts: &Mounts) -> Result<(), String> {
    if *mounts == Mounts::default() {
        return Ok(());
    }
    separate().map_err(|error| format!("making a mount namespace: {error}"))?;
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("mounting at {path}: {error}")
    };
    let root = mounts.root.as_ref();
    if let Some(root) = root {
        root.layers.mount(&root.path).map_err(failed(&root.path))?;
    }
    for volume in &mounts.volumes {
        let base = root.map(|root| root.path.as_path());
        volume
            .perform(sandbox, base)
            .map_err(failed(&volume.target))?;
    }
    if let Some(root) = root {
        root.furnish(sandbox).map_err(failed(&root.path))?;
    }
    Ok(())
}

/// Makes a file system that was mounted here the root of this process.
pub(crate) fn enter(root: &Path) -> io::Result<()> {
    separate()?;
    std::env::set_current_dir(root)?;
    // The old root goes on top of the new one, and away.
    nix::unistd::pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")
}

fn separate() -> io::Result<()> {
    let none: Option<&Path> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    Ok(mount(none, "/", none, slave, none)?)
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    let none: Option<&Path> = None;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(mount(Some(source), target, none, flags, none)?)
}

impl Root {
    /// The machine's devices and processes, its names of other machines, and the sandbox with what is mounted there.
    fn furnish(&self, sandbox: &Path) -> io::Result<()> {
        for folder in OF_THE_MACHINE.map(Path::new) {
            bind(folder, &prepare(&self.path, folder, false)?)?;
        }
        for name in RESOLVER_FILES {
            let text = match fs::read(Path::new("/").join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text?,
            };
            prepare(&self.path, Path::new("etc"), false)?;
            let target = self.path.join(name);
            // A link, say, gives way to a file.
            match fs::remove_file(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::write(&target, text)?,
            }
        }
        bind(sandbox, &prepare(&self.path, Path::new(SANDBOX), false)?)
    }
}

impl Layers {
    fn mount(&self, target: &Path) -> io::Result<()> {
        let kind = Some("overlay");
        let options = self.options()?;
        let flags = MsFlags::empty();
        Ok(mount(kind, target, kind, flags, Some(options.as_str()))?)
    }

    /// Options are separated by commas, layers by colons; neither can be told from one in a path.
    fn options(&self) -> io::Result<String> {
        let text = |path: &PathBuf| match path.to_str() {
            Some(text) if !text.contains([',', ':', '\\']) => Ok(text.to_owned()),
            _ => Err(io::Error::other(format!(
                "{} cannot be a layer: its name has a comma, colon or backslash",
                path.display()
            ))),
        };
        // The kernel wants the highest first.
        let lower: Vec<String> = self
            .images
            .iter()
            .rev()
            .map(text)
            .collect::<io::Result<_>>()?;
        Ok(format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.join(":"),
            text(&self.upper)?,
            text(&self.work)?
        ))
    }
}

impl Mount {
    fn perform(&self, sandbox: &Path, root: Option<&Path>) -> io::Result<()> {
        let is_file = matches!(&self.source, Source::Host(path) if !path.is_dir());
        let target = match root {
            _ if self.target.is_relative() => prepare(sandbox, &self.target, is_file)?,
            Some(root) => prepare(root, &self.target, is_file)?,
            None => self.target.clone(),
        };
        match &self.source {
            Source::Host(path) => bind(path, &target)?,
            Source::Image(layers) => layers.mount(&target)?,
        }
        if self.read_only {
            let none: Option<&Path> = None;
            let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(none, &target, none, again, none)?;
        }
        Ok(())
    }
}

/// Makes the mount point below the sandbox or an image. What was fetched belongs to the task's user and may hold links, and so
/// may an image; none is followed. Nobody else is at work there yet, so what was looked at stays as it is.
fn prepare(base: &Path, target: &Path, is_file: bool) -> io::Result<PathBuf> {
    let mut path = base.to_owned();
    let mut parts = target
        .components()
        .filter(|part| *part != Component::RootDir)
        .peekable();
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

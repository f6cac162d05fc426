//! The file system of a task in an image (aurora: `FileSystemImageSandbox` of
//! `src/main/python/apache/aurora/executor/common/sandbox.py`).
//!
//! The agent mounts the image into the executor's folder. Here it gets the task's user, the machine's devices and processes,
//! the executor's volumes and the sandbox; runs and health checks then make it their root. Mounts are made in a mount namespace
//! of this process, and are gone with it and its runs.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use aurora_mesos::v1::TaskInfo;
use aurora_thermos::isolation::{ImageRoot, separate_mounts};
use aurora_thermos::users::User;
use nix::mount::{MsFlags, mount};

use crate::sandbox::TASK_FILESYSTEM;

/// Folders of the machine that every program expects.
const OF_THE_MACHINE: [&str; 3] = ["/proc", "/sys", "/dev"];
/// What names other machines; copied where the image has a folder for it.
const RESOLVER_FILES: [&str; 3] = ["etc/resolv.conf", "etc/hosts", "etc/hostname"];
/// `groupadd` and `useradd` end so when the number or the name is taken.
const TAKEN: [i32; 2] = [4, 9];

/// How an image is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    /// Where the sandbox is inside.
    pub(crate) mount_point: &'a Path,
    /// What else of the executor's container is shown inside, at the same place.
    pub(crate) volumes: &'a [PathBuf],
    /// Whether the image gets the task's user and group.
    pub(crate) create_user: bool,
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// The agent has not mounted it.
    #[error("the task's file system {} is not there: does the agent mount images?", .0.display())]
    Absent(PathBuf),
    /// Mounts take root.
    #[error("a task in an image needs an executor that is root")]
    NotRoot,
    /// Its users do not fit.
    #[error("Failed to create {what} in sandbox for task image: {reason}")]
    Account {
        /// User or group.
        what: &'static str,
        /// What the tool says, or what the image has instead.
        reason: String,
    },
    /// The kernel refused.
    #[error("cannot set up the task's file system: {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The volumes of the executor's container, the image left out.
pub(crate) fn volumes(task: &TaskInfo) -> Vec<PathBuf> {
    let executor = task.executor.as_ref();
    let container = executor.and_then(|executor| executor.container.as_ref());
    let volumes = container.or(task.container.as_ref());
    volumes
        .iter()
        .flat_map(|container| &container.volumes)
        .filter(|volume| volume.container_path != TASK_FILESYSTEM)
        .map(|volume| PathBuf::from(&volume.container_path))
        .collect()
}

/// Makes the image at `root` ready for runs.
///
/// # Errors
/// [`ImageError`].
pub(crate) fn set_up(
    root: PathBuf,
    sandbox: &Path,
    user: Option<&User>,
    options: &Options<'_>,
) -> Result<ImageRoot, ImageError> {
    if !root.is_dir() {
        return Err(ImageError::Absent(root));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(ImageError::NotRoot);
    }
    if let Some(user) = user.filter(|user| options.create_user && user.uid != 0) {
        create_account(&root, user)?;
    }
    let failed = |doing: &str, path: &Path| {
        let doing = format!("{doing} {}", path.display());
        move |source| ImageError::Io { doing, source }
    };
    separate_mounts()
        .map_err(io::Error::from)
        .map_err(failed("making a mount namespace for", &root))?;
    // A root has to be a mount point; where the agent has mounted the image, this is one more on top.
    bind(&root, &root).map_err(failed("mounting", &root))?;
    for path in OF_THE_MACHINE.iter().map(Path::new) {
        show(&root, path, path).map_err(failed("mounting", path))?;
    }
    for path in options.volumes {
        // Relative ones are below the executor's folder, which is where this process is.
        let source = sandbox.parent().unwrap_or(sandbox).join(path);
        show(&root, &source, path).map_err(failed("mounting", path))?;
    }
    show(&root, sandbox, options.mount_point).map_err(failed("mounting", sandbox))?;
    for name in RESOLVER_FILES {
        copy(&root, name).map_err(failed("copying", Path::new(name)))?;
    }
    Ok(ImageRoot {
        root,
        directory: options.mount_point.to_owned(),
    })
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    let none: Option<&Path> = None;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(mount(Some(source), target, none, flags, none)?)
}

/// Mounts a file or folder into the image; the way to it is made where it is missing.
fn show(root: &Path, source: &Path, inside: &Path) -> io::Result<()> {
    let target = resolve(root, inside, source.is_file())?;
    bind(source, &target)
}

/// The path inside the image, with every folder on the way, and without any link: one to /etc would be the machine's.
fn resolve(root: &Path, inside: &Path, is_file: bool) -> io::Result<PathBuf> {
    let mut path = root.to_owned();
    let mut parts = inside
        .components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .peekable();
    while let Some(part) = parts.next() {
        if !matches!(part, Component::Normal(_)) {
            return Err(io::Error::other("the path leads out of the image"));
        }
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => {
                let name = path.display();
                return Err(io::Error::other(format!("{name} is a link in the image")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if is_file && parts.peek().is_none() {
                    fs::File::create_new(&path)?;
                } else {
                    fs::create_dir(&path)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

/// Copies a file of the machine over the image's own. What is no plain file there, a link say, is replaced.
fn copy(root: &Path, name: &str) -> io::Result<()> {
    let text = match fs::read(Path::new("/").join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let folder = resolve(root, Path::new("etc"), false)?;
    let target = folder.join(Path::new(name).file_name().unwrap_or_default());
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&target)?;
    io::Write::write_all(&mut file, &text)
}

/// Gives the image the task's group and user; ones that it has already must be the same.
fn create_account(root: &Path, user: &User) -> Result<(), ImageError> {
    let group = group_name(user.gid);
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let fs = root.display().to_string();
    if add("group", &["groupadd", "-R", &fs, "-g", &gid, &group])? {
        let found = inside(root, "group", &["getent", "group", &group])?;
        let mut fields = found.split(':');
        if fields.next() != Some(&group) || fields.nth(1) != Some(&gid) {
            let reason = format!(
                "Group id result {found} from image does not match name {group} and id {gid}"
            );
            return Err(account("group", reason));
        }
    }
    let name = &user.name;
    if add(
        "user",
        &["useradd", "-R", &fs, "-u", &uid, "-g", &gid, name],
    )? {
        let found = inside(root, "user", &["id", name])?;
        let expected = format!("uid={uid}({name}) gid={gid}({group}) groups=");
        if !found.starts_with(&expected) {
            let reason = format!(
                "User group result {found} from task image does not start with expected prefix {expected}"
            );
            return Err(account("user", reason));
        }
    }
    Ok(())
}

fn account(what: &'static str, reason: String) -> ImageError {
    ImageError::Account { what, reason }
}

/// Whether the image has it already.
fn add(what: &'static str, line: &[&str]) -> Result<bool, ImageError> {
    let output = run(what, line)?;
    match output.status.code() {
        Some(0) => Ok(false),
        Some(code) if TAKEN.contains(&code) => Ok(true),
        _ => Err(account(what, said(&output))),
    }
}

/// What a command of the image itself prints.
fn inside(root: &Path, what: &'static str, line: &[&str]) -> Result<String, ImageError> {
    let fs = root.display().to_string();
    let output = run(what, &[&["chroot", &fs], line].concat())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(account(what, said(&output)))
    }
}

fn run(what: &'static str, line: &[&str]) -> Result<std::process::Output, ImageError> {
    let (program, arguments) = line.split_first().unwrap_or((&"", &[]));
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| account(what, format!("{program}: {error}")))
}

fn said(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    format!("{} ({})", text.trim(), output.status)
}

/// The group's name on this machine; its number where it has none.
fn group_name(gid: u32) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| gid.to_string())
}

//! Files of a sandbox, and of nothing else.
//!
//! A task owns its sandbox and may put links, pipes and devices there, and change them while they are looked at. A path is
//! resolved once, links included, must lie below the sandbox by components, and the sandbox below the run's directory, which
//! the agent made; it is then opened from that directory's descriptor without following anything (aurora: `thermos/observer/task_observer.py`, `valid_path`; upstream compares
//! texts, so that `/x/sandbox2` passes for `/x/sandbox`).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use serde_json::{Value, json};

/// Why a path of a sandbox cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// It leads out of the sandbox.
    #[error("the path leads out of the sandbox")]
    Outside,
    /// It is not there, or not readable.
    #[error("cannot open it: {0}")]
    Io(#[from] io::Error),
    /// A directory where a file is wanted, a pipe, a device.
    #[error("it is not a regular file")]
    NotRegular,
}

/// The most entries of a directory that are listed.
pub const MAX_ENTRIES: usize = 10_000;

/// Where a task's files are.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The directory that the agent made for the run. The agent owns what it lies in, so nobody else can put another in its
    /// place; everything below it, the sandbox itself included, is in the hands of the task's user.
    pub run: &'a Path,
    /// The sandbox, or the directory of logs, as the checkpoint has it.
    pub directory: &'a Path,
}

/// The run's directory, and the path below it that `relative` to the place resolves to, links included.
fn resolve(place: Place<'_>, relative: &Path) -> Result<(PathBuf, PathBuf), PathError> {
    let sandbox = place.directory;
    let mut joined = sandbox.to_owned();
    for component in relative.components() {
        match component {
            Component::Normal(name) => joined.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir => joined.push(".."),
            Component::Prefix(_) => return Err(PathError::Outside),
        }
    }
    let run = fs::canonicalize(place.run)?;
    let root = fs::canonicalize(sandbox)?;
    let target = fs::canonicalize(&joined)?;
    // The sandbox may have become a link to somewhere else.
    if !root.starts_with(&run) || !target.starts_with(&root) {
        return Err(PathError::Outside);
    }
    let below = target.strip_prefix(&run).map_err(|_| PathError::Outside)?;
    Ok((run.clone(), below.to_owned()))
}

fn open(place: Place<'_>, relative: &Path, flags: OFlag) -> Result<File, PathError> {
    // What was resolved a moment ago holds no links; one that appears since is refused by the kernel.
    let (root, below) = resolve(place, relative)?;
    descend(&File::open(root)?, &below, flags).map_err(|errno| match errno {
        nix::Error::ELOOP | nix::Error::EXDEV => PathError::Outside,
        other => PathError::Io(other.into()),
    })
}

/// Opens what is at `below`, following no link and leaving `root` by no way; waits for no pipe.
fn descend(root: &File, below: &Path, flags: OFlag) -> nix::Result<File> {
    let below: &Path = if below.as_os_str().is_empty() {
        Path::new(".")
    } else {
        below
    };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .mode(Mode::empty())
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(root, below, how).map(File::from)
}

/// Opens a regular file at `below` in a run's directory, where no link may be on the way.
pub fn open_beneath(run: &Path, below: &Path) -> io::Result<File> {
    let file = descend(&File::open(run)?, below, OFlag::empty())?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::from(io::ErrorKind::InvalidInput))
    }
}

/// The blocks of regular files in a place, in bytes; links count the length of their text, directories nothing. What cannot
/// be read, or vanishes meanwhile, is left out. Directories are opened without following links, so it counts no others.
pub fn usage(place: Place<'_>) -> u64 {
    let Ok(root) = open(place, Path::new(""), OFlag::O_DIRECTORY) else {
        return 0;
    };
    let mut bytes = 0;
    let mut ahead = vec![PathBuf::new()];
    while let Some(folder) = ahead.pop() {
        let Ok(mut directory) =
            descend(&root, &folder, OFlag::O_DIRECTORY).and_then(|file| Dir::from_fd(file.into()))
        else {
            continue;
        };
        let mut names = Vec::new();
        for entry in directory.iter().flatten() {
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name.to_owned());
            }
        }
        for name in names {
            let Ok(stat) = fstatat(&directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
                SFlag::S_IFDIR => ahead.push(folder.join(OsStr::from_bytes(name.to_bytes()))),
                SFlag::S_IFLNK => bytes += size,
                SFlag::S_IFREG => bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
                _ => {}
            }
        }
    }
    bytes
}

/// Opens a regular file of the sandbox.
pub fn open_file(place: Place<'_>, relative: &Path) -> Result<File, PathError> {
    let file = open(place, relative, OFlag::empty())?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(PathError::NotRegular)
    }
}

/// A piece of a file: where it begins, how many bytes it has, and the bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of the first byte, or the file's size when the end was asked for.
    pub offset: u64,
    /// The bytes, at most the limit asked for.
    pub bytes: Vec<u8>,
}

/// Reads from `offset` (absent: the end) up to `length` bytes (absent: to the end), at most `limit`.
pub fn read_chunk(
    file: &File,
    offset: Option<u64>,
    length: Option<u64>,
    limit: u64,
) -> io::Result<Chunk> {
    let size = file.metadata()?.len();
    let Some(offset) = offset else {
        return Ok(Chunk {
            offset: size,
            bytes: Vec::new(),
        });
    };
    let left = size.saturating_sub(offset);
    let wanted = length.unwrap_or(left).min(left).min(limit);
    let mut bytes = vec![0; usize::try_from(wanted).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        // The file may shrink while it is read.
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(Chunk { offset, bytes })
}

/// The entries of a directory of the sandbox, sorted by name: `{"name","kind","size","mtime_ms","mode","links","owner","group","target"}`,
/// the last of them for links alone.
/// At most [`MAX_ENTRIES`]; the flag says whether there are more.
pub fn list(place: Place<'_>, relative: &Path) -> Result<(Vec<Value>, bool), PathError> {
    let directory = open(place, relative, OFlag::O_DIRECTORY)?;
    let mut directory = Dir::from_fd(directory.into()).map_err(io::Error::from)?;
    let mut names = Vec::new();
    let mut more = false;
    for entry in directory.iter() {
        let entry = entry.map_err(io::Error::from)?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if names.len() == MAX_ENTRIES {
            more = true;
            break;
        }
        names.push(name.to_vec());
    }
    names.sort();
    let mut entries = Vec::with_capacity(names.len());
    let mut people = People::default();
    for name in names {
        let name = OsStr::from_bytes(&name);
        // An entry that vanished since is not listed.
        if let Ok(stat) = fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            let target = readlinkat(&directory, name).ok();
            let name = name.to_string_lossy();
            entries.push(describe(&name, &stat, target.as_deref(), &mut people));
        }
    }
    Ok((entries, more))
}

fn describe(name: &str, stat: &FileStat, target: Option<&OsStr>, people: &mut People) -> Value {
    let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => "file",
        SFlag::S_IFDIR => "dir",
        SFlag::S_IFLNK => "link",
        _ => "other",
    };
    json!({
        "name": name,
        "kind": kind,
        "size": stat.st_size,
        "mtime_ms": stat.st_mtime * 1000 + stat.st_mtime_nsec / 1_000_000,
        "mode": stat.st_mode & 0o7777,
        "links": stat.st_nlink,
        "owner": people.owner(stat.st_uid),
        "group": people.group(stat.st_gid),
        "target": target.map(OsStr::to_string_lossy),
    })
}

/// Names of users and groups as /etc/passwd and /etc/group have them, else the numbers; each looked up once.
#[derive(Default)]
struct People {
    owners: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl People {
    fn owner(&mut self, uid: u32) -> &str {
        self.owners.entry(uid).or_insert_with(|| {
            let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
            user.map_or_else(|| uid.to_string(), |user| user.name)
        })
    }

    fn group(&mut self, gid: u32) -> &str {
        self.groups.entry(gid).or_insert_with(|| {
            let group = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
            group.map_or_else(|| gid.to_string(), |group| group.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = dir.path().join("sandbox");
        let sibling = dir.path().join("sandbox2");
        fs::create_dir_all(sandbox.join("sub")).unwrap();
        fs::create_dir(&sibling).unwrap();
        fs::write(sandbox.join("sub/file"), "in").unwrap();
        fs::write(sibling.join("file"), "out").unwrap();
        symlink("/etc/passwd", sandbox.join("absolute")).unwrap();
        symlink("../sandbox2/file", sandbox.join("relative")).unwrap();
        symlink("sub/file", sandbox.join("inner")).unwrap();
        symlink("..", sandbox.join("up")).unwrap();
        nix::unistd::mkfifo(&sandbox.join("pipe"), Mode::S_IRWXU).unwrap();

        let place = Place {
            run: dir.path(),
            directory: &sandbox,
        };
        for (path, allowed) in [
            ("sub/file", true),
            ("/sub/file", true),
            ("./sub/../sub/file", true),
            ("inner", true),
            ("absolute", false),
            ("relative", false),
            ("up/sandbox2/file", false),
            ("../sandbox2/file", false),
            ("../../../../../etc/passwd", false),
            ("sub", false),
            ("pipe", false),
            ("nothing", false),
        ] {
            let opened = open_file(place, Path::new(path));
            assert_eq!(opened.is_ok(), allowed, "{path}: {opened:?}");
        }
        assert!(matches!(
            open_file(place, Path::new("relative")),
            Err(PathError::Outside)
        ));
        let (entries, more) = list(place, Path::new("")).unwrap();
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| {
                format!(
                    "{} {}",
                    entry["name"].as_str().unwrap(),
                    entry["kind"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "absolute link",
                "inner link",
                "pipe other",
                "relative link",
                "sub dir",
                "up link"
            ]
        );
        assert_eq!(
            (&entries[1]["target"], &entries[4]["target"]),
            (&json!("sub/file"), &Value::Null)
        );
        assert!(!more);
        assert!(list(place, Path::new("up")).is_err());
        let blocks = std::os::unix::fs::MetadataExt::blocks(
            &fs::metadata(sandbox.join("sub/file")).unwrap(),
        );
        let texts = ["/etc/passwd", "../sandbox2/file", "sub/file", ".."].map(str::len);
        assert_eq!(
            usage(place),
            blocks * 512 + texts.iter().sum::<usize>() as u64
        );

        // The task's user puts a link in the sandbox's place.
        fs::rename(&sandbox, dir.path().join("moved")).unwrap();
        symlink("/", &sandbox).unwrap();
        let etc = Path::new("etc/passwd");
        assert!(matches!(open_file(place, etc), Err(PathError::Outside)));
        assert!(list(place, Path::new("etc")).is_err());
        assert_eq!(usage(place), 0, "nobody else's files are measured");
        assert!(open_beneath(dir.path(), Path::new("moved/sub/file")).is_ok());
        for path in [
            "moved/inner",
            "moved/pipe",
            "sandbox/etc/passwd",
            "../x",
            "/etc/passwd",
        ] {
            assert!(open_beneath(dir.path(), Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn chunks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "0123456789").unwrap();
        let file = File::open(&path).unwrap();
        for (offset, length, limit, at, text) in [
            (None, None, 100, 10, ""),
            (Some(0), None, 100, 0, "0123456789"),
            (Some(0), Some(3), 100, 0, "012"),
            (Some(8), Some(100), 100, 8, "89"),
            (Some(10), None, 100, 10, ""),
            (Some(99), Some(5), 100, 99, ""),
            (Some(2), None, 4, 2, "2345"),
        ] {
            let chunk = read_chunk(&file, offset, length, limit).unwrap();
            assert_eq!(
                (chunk.offset, chunk.bytes.as_slice()),
                (at, text.as_bytes())
            );
        }
    }
}

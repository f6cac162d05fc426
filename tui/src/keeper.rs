//! What the user keeps in files: layouts in the configuration directory, bookmarks beside the journal.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aurora_tui_model::event::Keepsake;
use aurora_tui_model::layout::{BUILT_IN, Saved};
use aurora_tui_model::theme::Warning;

/// No file of these is larger.
const LARGEST: u64 = 1 << 20;

/// Where they are; none: nothing is kept beyond this run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeper {
    pub(crate) layouts: Option<PathBuf>,
    pub(crate) bookmarks: Option<PathBuf>,
    /// Maintenance in rounds that is not over.
    pub(crate) rounds: Option<PathBuf>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// Layouts by name, shipped ones among them.
    pub(crate) layouts: BTreeMap<String, String>,
    /// Links by name.
    pub(crate) bookmarks: BTreeMap<String, String>,
    /// Maintenance in rounds, as it was kept.
    pub(crate) rounds: Option<String>,
    /// What is wrong with the files.
    pub(crate) warnings: Vec<Warning>,
}

/// Maintenance in rounds is this workbench's to go on with, until it is dropped. The system gives it up for a workbench that
/// dies.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The lock; none where nothing is kept.
    _lock: Option<File>,
}

impl Keeper {
    /// Claims maintenance in rounds; the error says who has it, or why it cannot be claimed.
    pub(crate) fn claim(&self) -> Result<Claim, String> {
        let Some(path) = &self.rounds else {
            return Ok(Claim { _lock: None });
        };
        let path = path.with_extension("lock");
        let cannot = |error: io::Error| format!("{} cannot be locked: {error}", path.display());
        let mut lock = open_lock(&path).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Without its words it is another workbench all the same.
                let read = lock.take(200).read_to_string(&mut owner);
                let owner = match read {
                    Ok(_) => owner.trim(),
                    Err(_) => "",
                };
                return Err(format!("they go on in another workbench {owner}"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        let user = crate::config::user();
        let owner = format!("(process {} of {user})", std::process::id());
        lock.set_len(0).map_err(cannot)?;
        lock.write_all(owner.as_bytes()).map_err(cannot)?;
        Ok(Claim { _lock: Some(lock) })
    }

    /// Maintenance in rounds as it is kept.
    pub(crate) fn rounds(&self) -> io::Result<Option<String>> {
        match self.rounds.as_deref().map(text_of) {
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// Everything that is kept.
    pub(crate) fn read(&self) -> Kept {
        let mut warnings = Vec::new();
        let mut layouts: BTreeMap<String, String> = BUILT_IN
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        for path in self.layouts.iter().flat_map(|directory| files(directory)) {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let text = text_of(&path).map_err(|error| error.to_string());
            match text.and_then(|text| Saved::parse(&text).map(|_| text)) {
                Ok(text) => drop(layouts.insert(name.to_owned(), text)),
                Err(fault) => warnings.push(warning(&path, &fault)),
            }
        }
        let mut bookmarks = BTreeMap::new();
        if let Some(path) = &self.bookmarks {
            match text_of(path) {
                Ok(text) => match toml::from_str(&text) {
                    Ok(read) => bookmarks = read,
                    Err(fault) => warnings.push(warning(path, &fault.to_string())),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => warnings.push(warning(path, &error.to_string())),
            }
        }
        let rounds = self.rounds().unwrap_or_else(|error| {
            let path = self.rounds.as_deref().unwrap_or(Path::new(""));
            warnings.push(warning(path, &error.to_string()));
            None
        });
        Kept {
            rounds,
            layouts,
            bookmarks,
            warnings,
        }
    }

    /// Writes one of them. A file is whole or as it was.
    pub(crate) fn keep(&self, what: &Keepsake) -> io::Result<()> {
        match what {
            Keepsake::Layout(name, text) => match &self.layouts {
                Some(directory) => write(&directory.join(format!("{name}.toml")), text),
                None => Ok(()),
            },
            Keepsake::Rounds(rounds) => match (&self.rounds, rounds) {
                (Some(path), Some(text)) => write(path, text),
                (Some(path), None) => match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                },
                (None, _) => Ok(()),
            },
            Keepsake::Bookmarks(bookmarks) => match &self.bookmarks {
                Some(path) => write(path, &toml::to_string(bookmarks).map_err(io::Error::other)?),
                None => Ok(()),
            },
        }
    }
}

fn warning(path: &Path, fault: &str) -> Warning {
    Warning {
        file: path.display().to_string(),
        line: 0,
        message: fault.lines().last().unwrap_or(fault).to_owned(),
    }
}

/// Files with the ending `.toml`, by name; none where there is no directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    paths
}

fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("the file is too large"));
    }
    fs::read_to_string(path)
}

fn directory_of(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent() else {
        return Err(io::Error::other("there is no directory for it"));
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

fn open_lock(path: &Path) -> io::Result<File> {
    directory_of(path)?;
    // What another workbench has written into it stays until the lock is ours.
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    directory_of(path)?;
    // Another workbench may write at the same time.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_of_one_workbench_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper {
            rounds: Some(dir.path().join("state/rounds-west.json")),
            ..Keeper::default()
        };
        let claim = keeper.claim().unwrap();
        let why = keeper.claim().unwrap_err();
        let owner = format!("another workbench (process {}", std::process::id());
        assert!(why.contains(&owner), "{why}");
        // Another cluster has its own.
        let other = Keeper {
            rounds: Some(dir.path().join("state/rounds-east.json")),
            ..Keeper::default()
        };
        assert!(other.claim().is_ok());
        drop(claim);
        assert!(keeper.claim().is_ok());
        // A workbench that keeps nothing has nobody to share with.
        let none = Keeper::default();
        let (_first, second) = (none.claim().unwrap(), none.claim());
        assert!(second.is_ok());
    }

    #[test]
    fn what_is_kept_is_read_back_and_faults_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper {
            layouts: Some(dir.path().join("config/layouts")),
            bookmarks: Some(dir.path().join("state/bookmarks.toml")),
            rounds: Some(dir.path().join("state/rounds-west.json")),
        };
        let kept = keeper.read();
        assert_eq!(
            (kept.layouts.len(), kept.warnings.len()),
            (BUILT_IN.len(), 0)
        );
        let text = "[[tab]]\nopen = \"hosts?filter=%40rack%3Dr1\"\n".to_owned();
        keeper
            .keep(&Keepsake::Layout("mine".to_owned(), text.clone()))
            .unwrap();
        let links = BTreeMap::from([("hello \"x\"".to_owned(), "aurora://c/jobs".to_owned())]);
        keeper.keep(&Keepsake::Bookmarks(links.clone())).unwrap();
        fs::write(
            dir.path().join("config/layouts/bad.toml"),
            "[[tab]]\nopn = \"hosts\"\n",
        )
        .unwrap();
        let kept = keeper.read();
        assert_eq!(
            (kept.layouts.get("mine"), kept.bookmarks),
            (Some(&text), links)
        );
        assert_eq!(kept.warnings.len(), 1, "{:?}", kept.warnings);
        assert!(kept.warnings[0].file.ends_with("bad.toml"));
        // Nothing is left beside them.
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }
}

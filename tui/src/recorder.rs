//! The journal's file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use aurora_tui_model::journal::Entry;

/// How much of an old journal is read for the view.
const TAIL: u64 = 1 << 20;

/// Appends to the journal; the file is opened with the first entry.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Recorder {
    /// A journal at this path, or none at all.
    pub(crate) fn new(path: Option<PathBuf>) -> Recorder {
        Recorder { path, file: None }
    }

    /// Appends one line and has it on the disk before it returns.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                if let Some(directory) = path.parent() {
                    fs::DirBuilder::new()
                        .recursive(true)
                        .mode(0o700)
                        .create(directory)?;
                }
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path)?;
                self.file.insert(file)
            }
        };
        let mut line = serde_json::to_vec(entry).map_err(io::Error::other)?;
        line.push(b'\n');
        // One write, so that two workbenches do not mix their lines.
        file.write_all(&line)?;
        file.sync_data()
    }

    /// The newest entries, oldest first. Lines that are not entries (of another version, or torn) are passed over.
    pub(crate) fn read(&self) -> io::Result<Vec<Entry>> {
        let Some(path) = &self.path else {
            return Ok(Vec::new());
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(change: u64) -> Entry {
        Entry {
            time_ms: 1,
            change,
            process: 2,
            who: "me".to_owned(),
            cluster: "c".to_owned(),
            action: "kill".to_owned(),
            job: "r/devel/j".to_owned(),
            instances: "0".to_owned(),
            reason: String::new(),
            outcome: "sent".to_owned(),
            detail: String::new(),
            cli: "aurora job kill c/r/devel/j/0".to_owned(),
        }
    }

    #[test]
    fn entries_are_appended_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/journal.jsonl");
        let mut first = Recorder::new(Some(path.clone()));
        first.append(&entry(1)).unwrap();
        let mut second = Recorder::new(Some(path.clone()));
        second.append(&entry(2)).unwrap();
        let mut text = fs::read(&path).unwrap();
        text.extend(b"{torn");
        fs::write(&path, text).unwrap();
        assert_eq!(second.read().unwrap(), [entry(1), entry(2)]);
        assert_eq!(
            Recorder::new(Some(dir.path().join("none"))).read().unwrap(),
            []
        );
        let shared = dir.path().join("file");
        fs::write(&shared, "").unwrap();
        assert!(
            Recorder::new(Some(shared.join("journal")))
                .append(&entry(3))
                .is_err()
        );
    }
}

//! Where the output of a process goes: which logger counts, and log files that rotate
//! (aurora: `src/main/python/apache/thermos/core/process.py`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::schema::{Destination, LogMode, Logger, Process, RotatePolicy};

/// What applies to processes without a logger of their own: the executor's `--runner-*` flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogDefaults {
    /// Where output goes; files when absent.
    pub destination: Option<Destination>,
    /// How files are kept; standard when absent.
    pub mode: Option<LogMode>,
    /// Size of a rotated file in MiB; 100 when absent.
    pub rotate_size_mib: Option<u32>,
    /// Old files kept; 5 when absent.
    pub rotate_backups: Option<u32>,
}

/// The logging that one run uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Logging {
    /// Where output goes.
    pub destination: Destination,
    /// Limits of the files; `None` in standard mode.
    pub rotate: Option<RotatePolicy>,
}

/// The logging of `process`: its own logger, or else the defaults; the two are never mixed.
#[must_use]
pub fn effective(process: &Process, defaults: &LogDefaults) -> Logging {
    let builtin = RotatePolicy::default();
    match process.logger {
        Some(Logger {
            destination,
            mode,
            rotate,
        }) => Logging {
            destination,
            rotate: (mode == LogMode::Rotate).then(|| rotate.unwrap_or(builtin)),
        },
        None => Logging {
            destination: defaults.destination.unwrap_or(Destination::File),
            rotate: (defaults.mode == Some(LogMode::Rotate)).then(|| RotatePolicy {
                log_size: defaults
                    .rotate_size_mib
                    .map_or(builtin.log_size, |mib| i64::from(mib) << 20),
                backups: defaults.rotate_backups.map_or(builtin.backups, i64::from),
            }),
        },
    }
}

/// Opens a log file for the process itself to append to.
pub(crate) fn open_appending(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(named(path))
}

/// Which file an error is about.
fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A log file that is moved aside when it is full: `stdout` becomes `stdout.1`, that `stdout.2`, and so on.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
    backups: i64,
}

impl RotatingFile {
    /// Starts an empty file: like upstream, rotate mode does not append.
    pub(crate) fn create(path: &Path, policy: RotatePolicy) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: File::create(path).map_err(named(path))?,
            written: 0,
            limit: u64::try_from(policy.log_size).unwrap_or(0).max(1),
            backups: policy.backups.max(1),
        })
    }

    /// Writes all of `bytes`, and then moves the file aside if it has reached the limit; so a file may exceed the limit by
    /// one write.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        if self.written >= self.limit {
            self.rotate()
        } else {
            Ok(())
        }
    }

    fn numbered(&self, number: i64) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.backups).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename_if_there(&self.path, &self.numbered(1))?;
        self.file = File::create(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

/// The task's user may have deleted any of its logs.
fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(logger: Option<Logger>) -> Process {
        Process {
            name: "p".into(),
            cmdline: String::new(),
            max_failures: 1,
            daemon: false,
            ephemeral: false,
            min_duration: 5,
            is_final: false,
            logger,
        }
    }

    #[test]
    fn the_own_logger_shuts_the_flags_out() {
        let flags = LogDefaults {
            destination: Some(Destination::Console),
            mode: Some(LogMode::Rotate),
            rotate_size_mib: Some(7),
            rotate_backups: None,
        };
        let own = Logger {
            destination: Destination::File,
            mode: LogMode::Rotate,
            rotate: None,
        };
        let mib = 1 << 20;
        for (logger, defaults, expected) in [
            (
                None,
                LogDefaults::default(),
                Logging {
                    destination: Destination::File,
                    rotate: None,
                },
            ),
            (
                None,
                flags,
                Logging {
                    destination: Destination::Console,
                    rotate: Some(RotatePolicy {
                        log_size: 7 * mib,
                        backups: 5,
                    }),
                },
            ),
            (
                Some(own),
                flags,
                Logging {
                    destination: Destination::File,
                    rotate: Some(RotatePolicy {
                        log_size: 100 * mib,
                        backups: 5,
                    }),
                },
            ),
        ] {
            assert_eq!(effective(&process(logger), &defaults), expected);
        }
    }

    #[test]
    fn rotation_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        fs::write(&path, "from an earlier run").unwrap();
        let mut log = RotatingFile::create(
            &path,
            RotatePolicy {
                log_size: 4,
                backups: 2,
            },
        )
        .unwrap();
        for text in ["aaaa", "bbbb", "cc", "ccdd", "e"] {
            log.write(text.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).ok();
        assert_eq!(read("stdout").as_deref(), Some("e"));
        assert_eq!(read("stdout.1").as_deref(), Some("ccccdd"));
        assert_eq!(read("stdout.2").as_deref(), Some("bbbb"));
        assert_eq!(read("stdout.3"), None);

        // A log that its user deleted leaves a gap, and that is all.
        fs::remove_file(&path).unwrap();
        log.write(b"lost").unwrap();
        log.write(b"f").unwrap();
        assert_eq!(read("stdout").as_deref(), Some("f"));
        assert_eq!(read("stdout.1"), None);
        assert_eq!(read("stdout.2").as_deref(), Some("ccccdd"));
    }
}

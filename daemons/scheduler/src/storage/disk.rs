//! Files of one directory, as the log and the snapshots need them.
//!
//! Everything that must survive goes through this trait, so that a simulation can stop it at every write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A directory of files. Names are plain, without slashes.
pub(crate) trait Disk: Send + Sync {
    /// The names in the directory, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Makes an empty file; one of that name is replaced.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Renames; a file of the new name is replaced. Durable after [`Disk::sync_directory`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_directory`].
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file.
pub(crate) trait DiskFile: Send {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads until the buffer is full or the file ends; how much was read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes`. Durable after [`DiskFile::sync`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes content and length durable. After an error nothing is known of what was written: it is never repeated.
    fn sync(&mut self) -> io::Result<()>;
}

/// A real directory.
pub(crate) struct RealDisk {
    path: PathBuf,
    directory: File,
}

impl RealDisk {
    /// The directory at `path`, which exists.
    pub(crate) fn open(path: &Path) -> io::Result<RealDisk> {
        Ok(RealDisk {
            path: path.to_owned(),
            directory: File::open(path)?,
        })
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not text is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        Ok(Box::new(RealFile(file)))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path.join(name))?;
        Ok(Box::new(RealFile(file)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn sync(&mut self) -> io::Result<()> {
        // Segments are written in full before they are used, so their length does not change; fdatasync writes a changed
        // length all the same.
        self.0.sync_data()
    }
}

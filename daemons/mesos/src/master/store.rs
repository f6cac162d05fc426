//! The registry on disk: one JSON file, replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::core::Registry;

/// Why the registry cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file system refuses.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What is there is not a registry.
    #[error("{} is not a registry of this master; move it away to start without", path.display())]
    Format {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// Where the registry is kept.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
}

impl Store {
    /// Opens the store in `directory`, which is made when missing, and reads what is there.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Registry), StoreError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io {
                action,
                path,
                source,
            }
        };
        fs::create_dir_all(directory).map_err(io("create", directory))?;
        let path = directory.join("registry.json");
        let registry = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| StoreError::Format {
                path: path.clone(),
                source,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Registry::default(),
            Err(error) => return Err(io("read", &path)(error)),
        };
        Ok((Self { path }, registry))
    }

    /// Replaces the file; when this returns, the registry survives a power failure.
    pub(crate) fn write(&self, registry: &Registry) -> Result<(), StoreError> {
        let io = |action| {
            let path = self.path.clone();
            move |source| StoreError::Io {
                action,
                path,
                source,
            }
        };
        let text = serde_json::to_vec_pretty(registry).map_err(|source| StoreError::Format {
            path: self.path.clone(),
            source,
        })?;
        let temporary = self.path.with_extension("json.new");
        let mut file = File::create(&temporary).map_err(io("create"))?;
        file.write_all(&text).map_err(io("write"))?;
        file.sync_all().map_err(io("flush"))?;
        fs::rename(&temporary, &self.path).map_err(io("replace"))?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)
                .and_then(|d| d.sync_all())
                .map_err(io("flush the directory of"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let directory = scratch.path().join("made");
        let (store, mut registry) = Store::open(&directory).expect("opens");
        assert_eq!(registry, Registry::default());
        registry.next_agent = 7;
        registry.removed_frameworks.push_back("f".into());
        registry.agents.insert("a".into(), Default::default());
        store.write(&registry).expect("writes");
        assert_eq!(Store::open(&directory).expect("opens").1, registry);

        fs::write(directory.join("registry.json"), "{").expect("writes");
        let error = Store::open(&directory).expect_err("refused").to_string();
        assert!(error.contains("registry.json is not a registry"), "{error}");
    }
}

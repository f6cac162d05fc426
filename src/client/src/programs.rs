//! Finding the other programs of this installation.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where packages put programs that users do not start themselves.
pub const LIBRARY_DIR: &str = "/usr/lib/aurora";

/// A program is nowhere to be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot find the program `{name}`: it is not beside this one ({beside}), not in {LIBRARY_DIR} and not on PATH; \
     install it beside this program"
)]
pub struct MissingProgram {
    /// The program.
    pub name: String,
    /// The directory of this program.
    pub beside: String,
}

/// The path of a program: beside this executable, else in [`LIBRARY_DIR`], else on `PATH`.
pub fn find(name: &str) -> Result<PathBuf, MissingProgram> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(name, beside.as_deref(), &path)
}

fn find_in(name: &str, beside: Option<&Path>, path: &OsStr) -> Result<PathBuf, MissingProgram> {
    beside
        .map(Path::to_owned)
        .into_iter()
        .chain([PathBuf::from(LIBRARY_DIR)])
        .chain(std::env::split_paths(path))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| MissingProgram {
            name: name.to_owned(),
            beside: beside.map_or_else(|| "unknown".to_owned(), |dir| dir.display().to_string()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_comes_before_path() {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let error = find_in("prog", Some(near.path()), OsStr::new("")).unwrap_err();
        let place = near.path().to_str().unwrap();
        for part in ["`prog`", place, "install it beside this program"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        std::fs::write(far.path().join("prog"), "").unwrap();
        let found = find_in("prog", Some(near.path()), far.path().as_os_str()).unwrap();
        assert_eq!(found, far.path().join("prog"));
        std::fs::write(near.path().join("prog"), "").unwrap();
        let found = find_in("prog", Some(near.path()), far.path().as_os_str()).unwrap();
        assert_eq!(found, near.path().join("prog"));
    }
}

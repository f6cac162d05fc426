//! Creating the directory that an executor runs in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::users::Account;

/// Mode of a sandbox: private to its owner and the owner's group (mesos: src/slave/paths.cpp, createSandboxDirectory).
const SANDBOX_MODE: u32 = 0o750;
/// Mode of the directories above: everybody may pass, so that a task's own user can.
const PARENT_MODE: u32 = 0o755;

/// A step of creating a sandbox that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub(crate) struct SandboxError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError {
        action,
        path,
        source,
    }
}

/// Creates `runs/<container>` with its parents below `work_dir`, points `runs/latest` at it, and gives it to `owner` when
/// the agent may change owners.
pub(crate) fn create(
    work_dir: &Path,
    sandbox: &Path,
    owner: Option<&Account>,
) -> Result<(), SandboxError> {
    let runs = sandbox.parent().unwrap_or(work_dir);
    create_parents(work_dir, runs)?;
    match fs::create_dir(sandbox) {
        Ok(()) => {}
        // A retried launch of the same container.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("create the sandbox", sandbox)(error)),
    }
    fs::set_permissions(sandbox, Permissions::from_mode(SANDBOX_MODE))
        .map_err(failed("set the mode of", sandbox))?;
    if let Some(owner) = owner {
        std::os::unix::fs::chown(sandbox, Some(owner.uid), Some(owner.gid))
            .map_err(failed("change the owner of", sandbox))?;
    }
    point_latest(runs, sandbox)
}

/// Creates the missing directories from `base` to `directory`, each searchable by everybody whatever the umask is.
pub(crate) fn create_parents(base: &Path, directory: &Path) -> Result<(), SandboxError> {
    fs::create_dir_all(base).map_err(failed("create", base))?;
    let Ok(relative) = directory.strip_prefix(base) else {
        return fs::create_dir_all(directory).map_err(failed("create", directory));
    };
    let mut current = base.to_owned();
    for component in relative.components() {
        current.push(component);
        match fs::create_dir(&current) {
            Ok(()) => fs::set_permissions(&current, Permissions::from_mode(PARENT_MODE))
                .map_err(failed("set the mode of", &current))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create", &current)(error)),
        }
    }
    Ok(())
}

/// Makes `latest` beside `target` a link to it, in one step: a reader sees the old run or the new one.
fn point_latest(runs: &Path, target: &Path) -> Result<(), SandboxError> {
    let Some(name) = target.file_name() else {
        return Ok(());
    };
    let temporary = runs.join(".latest.new");
    match fs::remove_file(&temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("remove", &temporary)(error)),
    }
    symlink(name, &temporary).map_err(failed("create the link", &temporary))?;
    let latest = runs.join("latest");
    fs::rename(&temporary, &latest).map_err(failed("replace the link", &latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandboxes_are_private_and_their_parents_are_not() {
        let root = tempfile::tempdir().unwrap();
        let runs = root.path().join("slaves/S0/frameworks/F/executors/E/runs");
        for container in ["C1", "C2", "C2"] {
            create(root.path(), &runs.join(container), None).unwrap();
            assert_eq!(
                fs::read_link(runs.join("latest")).unwrap(),
                Path::new(container)
            );
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&runs.join("C1")), 0o750);
        for parent in [
            runs.as_path(),
            &root.path().join("slaves"),
            &root.path().join("slaves/S0/frameworks/F"),
        ] {
            assert_eq!(mode(parent), 0o755, "{}", parent.display());
        }
        let mut names: Vec<_> = fs::read_dir(&runs)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["C1", "C2", "latest"]);
    }
}

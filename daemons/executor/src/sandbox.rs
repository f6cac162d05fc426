//! The directory that a task runs in (aurora: `src/main/python/apache/aurora/executor/common/sandbox.py`).

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use aurora_api::model::Container;
use aurora_thermos::users::{self, LookupError};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    /// Nobody to give it to.
    #[error("Could not create sandbox because user does not exist: {0}")]
    NoUser(String),
    /// The user cannot be looked up.
    #[error("Could not create sandbox: {0}")]
    Lookup(String),
    /// The kernel refused.
    #[error("Could not create sandbox: {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// An image needs the Mesos containerizer.
    #[error("this executor cannot run a task in a file system image")]
    Image,
}

/// Where and for whom to make one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// `MESOS_DIRECTORY`.
    pub(crate) directory: &'a Path,
    /// `MESOS_SANDBOX`.
    pub(crate) mounted: &'a Path,
    /// Who gets it; nobody when absent.
    pub(crate) owner: Option<&'a str>,
    /// How the task is contained.
    pub(crate) container: &'a Container,
}

/// Makes the sandbox and says where it is. One that is there already is used.
///
/// # Errors
/// [`SandboxError`].
pub(crate) fn create(plan: Plan<'_>) -> Result<PathBuf, SandboxError> {
    let sandbox = plan.directory.join("sandbox");
    match plan.container {
        Container::Docker(_) => {
            // Inside the container the agent's path does not exist, but the records name it.
            if plan.directory != plan.mounted && !plan.directory.exists() {
                if let Some(parent) = plan.directory.parent() {
                    fs::create_dir_all(parent).map_err(failed("creating", parent))?;
                }
                symlink(plan.mounted, plan.directory).map_err(failed("linking", plan.directory))?;
            }
            set_mode(plan.mounted, 0o755)?;
            fs::create_dir_all(&sandbox).map_err(failed("creating", &sandbox))?;
        }
        Container::Mesos(mesos) => {
            if mesos.image.is_some() {
                return Err(SandboxError::Image);
            }
            fs::create_dir_all(&sandbox).map_err(failed("creating", &sandbox))?;
            if let Some(owner) = plan.owner {
                let user = users::by_name(owner).map_err(|error| match error {
                    LookupError::Unknown { who } => SandboxError::NoUser(who),
                    LookupError::Failed { .. } => SandboxError::Lookup(error.to_string()),
                })?;
                for path in [plan.directory, &sandbox] {
                    chown(path, Some(user.uid), Some(user.gid))
                        .map_err(failed("giving away", path))?;
                }
                set_mode(&sandbox, 0o700)?;
            }
        }
    }
    Ok(sandbox)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), SandboxError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(failed("changing the mode of", path))
}

fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError {
    let doing = format!("{doing} {}", path.display());
    move |source| SandboxError::Io { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::model::{DockerContainer, DockerImage, Image, MesosContainer};
    use std::os::unix::fs::MetadataExt as _;

    fn mesos(image: Option<Image>) -> Container {
        Container::Mesos(MesosContainer {
            image,
            volumes: None,
        })
    }

    #[test]
    fn a_directory_for_its_user() {
        if !nix::unistd::getuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let nobody = users::by_name("nobody").unwrap();
        let plan = Plan {
            directory: dir.path(),
            mounted: dir.path(),
            owner: Some("nobody"),
            container: &mesos(None),
        };
        let sandbox = create(plan).unwrap();
        assert_eq!(sandbox, dir.path().join("sandbox"));
        let metadata = fs::metadata(&sandbox).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o777),
            (nobody.uid, nobody.gid, 0o700)
        );
        assert_eq!(fs::metadata(dir.path()).unwrap().uid(), nobody.uid);
    }

    #[test]
    fn what_cannot_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let plan = |owner, container: Container| {
            create(Plan {
                directory: dir.path(),
                mounted: dir.path(),
                owner,
                container: &container,
            })
        };
        assert_eq!(
            plan(Some("no-such-user-here"), mesos(None))
                .unwrap_err()
                .to_string(),
            "Could not create sandbox because user does not exist: no-such-user-here"
        );
        let image = Image::Docker(DockerImage {
            name: "n".into(),
            tag: "t".into(),
        });
        assert!(matches!(
            plan(None, mesos(Some(image))),
            Err(SandboxError::Image)
        ));
    }

    #[test]
    fn docker_links_the_agents_path() {
        let dir = tempfile::tempdir().unwrap();
        let mounted = dir.path().join("mnt");
        fs::create_dir(&mounted).unwrap();
        let directory = dir.path().join("agent/runs/c");
        let container = Container::Docker(DockerContainer {
            image: Some("i".into()),
            parameters: vec![],
        });
        let sandbox = create(Plan {
            directory: &directory,
            mounted: &mounted,
            owner: Some("nobody"),
            container: &container,
        })
        .unwrap();
        assert_eq!(sandbox, directory.join("sandbox"));
        assert!(mounted.join("sandbox").is_dir());
        assert_eq!(fs::metadata(&mounted).unwrap().mode() & 0o777, 0o755);
    }
}

//! The directory that a task runs in (aurora: `src/main/python/apache/aurora/executor/common/sandbox.py`).

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use aurora_api::model::Container;
use aurora_thermos::isolation::ImageRoot;
use aurora_thermos::users::{self, LookupError};

use crate::image::{self, ImageError};

/// Where the agent mounts a task's image (aurora: `apiConstants.TASK_FILESYSTEM_MOUNT_POINT`).
pub(crate) const TASK_FILESYSTEM: &str = "taskfs";

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
    /// The task's file system cannot be set up.
    #[error(transparent)]
    Image(#[from] ImageError),
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
    /// How an image is set up.
    pub(crate) image: image::Options<'a>,
}

/// Where a task works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// Its folder on this machine.
    pub(crate) path: PathBuf,
    /// The file system that it sees, if not the machine's.
    pub(crate) image: Option<ImageRoot>,
}

/// Makes the sandbox and says where it is. One that is there already is used.
///
/// # Errors
/// [`SandboxError`].
pub(crate) fn create(plan: Plan<'_>) -> Result<Sandbox, SandboxError> {
    let sandbox = plan.directory.join("sandbox");
    let mut image = None;
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
            let user = plan.owner.map(users::by_name).transpose();
            let user = user.map_err(|error| match error {
                LookupError::Unknown { who } => SandboxError::NoUser(who),
                LookupError::Failed { .. } => SandboxError::Lookup(error.to_string()),
            })?;
            fs::create_dir_all(&sandbox).map_err(failed("creating", &sandbox))?;
            if let Some(user) = &user {
                for path in [plan.directory, &sandbox] {
                    chown(path, Some(user.uid), Some(user.gid))
                        .map_err(failed("giving away", path))?;
                }
                set_mode(&sandbox, 0o700)?;
            }
            if mesos.image.is_some() {
                let root = plan.directory.join(TASK_FILESYSTEM);
                image = Some(image::set_up(root, &sandbox, user.as_ref(), &plan.image)?);
            }
        }
    }
    Ok(Sandbox {
        path: sandbox,
        image,
    })
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

    fn options() -> image::Options<'static> {
        image::Options {
            mount_point: Path::new("/mnt/mesos/sandbox"),
            volumes: &[],
            create_user: true,
        }
    }

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
            image: options(),
        };
        let sandbox = create(plan).unwrap().path;
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
                image: options(),
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
        let nothing_mounted = plan(None, mesos(Some(image))).unwrap_err().to_string();
        assert!(
            nothing_mounted.contains("taskfs is not there"),
            "{nothing_mounted}"
        );
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
            image: options(),
        })
        .unwrap()
        .path;
        assert_eq!(sandbox, directory.join("sandbox"));
        assert!(mounted.join("sandbox").is_dir());
        assert_eq!(fs::metadata(&mounted).unwrap().mode() & 0o777, 0o755);
    }
}

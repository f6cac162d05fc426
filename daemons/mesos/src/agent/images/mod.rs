//! File systems from images, and volumes: what containers get mounted.
//!
//! ```text
//! DIR/NAME:TAG.tar  ---- unpack (a process of its own, inside the target) ---->  store/images/KEY/rootfs
//!                                                                                      | lower
//! provisioner/containers/CONTAINER/{image, upper, work} ------------------------> overlay at SANDBOX/<container_path>
//! ```
//!
//! An image is flattened once, with its layers' whiteouts applied, and stays as it is; each container writes into a layer of its
//! own. The file `image` of a container is its reference to the store, on disk before the mount: what no such file names can be
//! pruned. Mounts are made by the launch helper in the container's own mount namespace (`mounts`), so they are gone with its
//! last process, whoever is killed.
//!
//! Nothing is pulled: archives lie on this machine, where the operator put them (mesos: the local puller of
//! `src/slave/containerizer/mesos/provisioner/docker/local_puller.cpp`), and are trusted like the operator.

mod archive;
mod mounts;
mod unpack;

pub(crate) use mounts::{Mount, perform};
pub(crate) use unpack::{SUBCOMMAND, main as unpack_main};

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use aurora_mesos::v1::{Image, Volume, VolumeMode};

use self::mounts::Source;
use self::unpack::Order;

/// Where images come from and go to.
#[derive(Debug, Clone)]
pub(crate) struct ImagesConfig {
    /// This program, for its hidden mode.
    pub(crate) program: PathBuf,
    /// Docker and OCI archives: `NAME:TAG.tar`, or a folder `NAME:TAG` with an OCI layout.
    pub(crate) archives: Option<PathBuf>,
    /// Unpacked AppC images: `images/ID/{manifest,rootfs}`.
    pub(crate) appc: Option<PathBuf>,
    pub(crate) store: PathBuf,
    /// Layers of containers.
    pub(crate) containers: PathBuf,
}

/// Unpacks images and says what to mount. Clones share one store.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    config: ImagesConfig,
    /// One image is unpacked, or the store pruned, at a time.
    busy: Arc<Mutex<()>>,
}

/// An image that can be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ready {
    key: String,
    rootfs: PathBuf,
}

impl Images {
    pub(crate) fn new(config: ImagesConfig) -> Self {
        Self {
            config,
            busy: Arc::default(),
        }
    }

    /// What a container gets mounted; unpacks what is not there yet, which may take a while. The error is a sentence.
    pub(crate) fn provide(
        &self,
        container: &str,
        volumes: &[Volume],
    ) -> Result<Vec<Mount>, String> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mounts = Vec::new();
        for (number, volume) in volumes.iter().enumerate() {
            let target = mounts::target(&volume.container_path)?;
            let source = match (&volume.image, &volume.host_path) {
                (Some(image), _) => self.layers(container, number, &self.ready(image)?)?,
                (None, Some(host)) if host.starts_with('/') => Source::Host(PathBuf::from(host)),
                _ => {
                    return Err(format!(
                        "the volume at {} has neither an image nor an absolute host path",
                        volume.container_path
                    ));
                }
            };
            mounts.push(Mount {
                // A container writes into a layer of its own, whatever the mode; executors set their images up (as Mesos).
                read_only: volume.mode == VolumeMode::Ro && matches!(source, Source::Host(_)),
                source,
                target,
            });
        }
        Ok(mounts)
    }

    /// Removes what a container that has ended wrote into its images.
    pub(crate) fn release(&self, container: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.config.containers.join(container)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes images that no container uses and that are not among `excluded`; says how many.
    pub(crate) fn prune(&self, excluded: &[Image]) -> io::Result<usize> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept: BTreeSet<String> = excluded
            .iter()
            .filter_map(|image| self.docker(image).ok().map(|(_, key)| key))
            .collect();
        for container in entries(&self.config.containers)? {
            for layers in entries(&container)? {
                match fs::read_to_string(layers.join("image")) {
                    Ok(key) => drop(kept.insert(key)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let mut pruned = 0;
        for image in entries(&self.config.store.join("images"))? {
            let name = image.file_name().unwrap_or_default().to_string_lossy();
            if !kept.contains(name.as_ref()) {
                fs::remove_dir_all(&image)?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    /// Finds an image, and unpacks it unless that was done.
    fn ready(&self, image: &Image) -> Result<Ready, String> {
        if let Some(appc) = &image.appc {
            return self.appc(&appc.name, appc.id.as_deref());
        }
        let (archive, key) = self.docker(image)?;
        let folder = self.config.store.join("images").join(&key);
        let rootfs = folder.join("rootfs");
        if rootfs.is_dir() {
            return Ok(Ready { key, rootfs });
        }
        let staging = self.config.store.join("staging");
        let made = (|| {
            // What an earlier attempt left.
            if staging.exists() {
                fs::remove_dir_all(&staging)?;
            }
            fs::create_dir_all(staging.join("rootfs"))?;
            fs::create_dir_all(self.config.store.join("images"))
        })();
        made.map_err(|error| format!("preparing {}: {error}", staging.display()))?;
        let order = Order {
            archive,
            reference: reference(image),
            rootfs: staging.join("rootfs"),
        };
        self.unpack(&order)?;
        fs::rename(&staging, &folder)
            .map_err(|error| format!("putting the image into {}: {error}", folder.display()))?;
        Ok(Ready { key, rootfs })
    }

    /// The archive of a Docker image, and the name of what it becomes in the store: a replaced archive is another image.
    fn docker(&self, image: &Image) -> Result<(PathBuf, String), String> {
        let name = reference(image);
        let Some(folder) = &self.config.archives else {
            return Err(format!(
                "the image {name} cannot be had: this agent has no --docker_registry, a folder of archives"
            ));
        };
        let is_safe = !name.is_empty()
            && name
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..");
        if !is_safe {
            return Err(format!("{name:?} is no name of an image"));
        }
        let archive = [folder.join(format!("{name}.tar")), folder.join(&name)]
            .into_iter()
            .find(|path| path.exists())
            .ok_or_else(|| {
                format!(
                    "there is no image {name}.tar and no folder {name} in {}",
                    folder.display()
                )
            })?;
        let stamp = if archive.is_dir() {
            archive.join("index.json")
        } else {
            archive.clone()
        };
        let stamp = fs::metadata(&stamp)
            .map_err(|error| format!("looking at {}: {error}", stamp.display()))?;
        let plain = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let key = format!(
            "{plain}-{:x}-{:x}{:08x}",
            stamp.size(),
            stamp.mtime(),
            stamp.mtime_nsec()
        );
        Ok((archive, key))
    }

    /// An AppC image is used as it lies in its store.
    fn appc(&self, name: &str, id: Option<&str>) -> Result<Ready, String> {
        let Some(store) = &self.config.appc else {
            return Err(format!(
                "the image {name} cannot be had: this agent has no --appc_store_dir"
            ));
        };
        let images = store.join("images");
        let found = entries(&images)
            .map_err(|error| format!("reading {}: {error}", images.display()))?
            .into_iter()
            .filter(|folder| id.is_none_or(|id| folder.file_name().is_some_and(|name| name == id)))
            .find(|folder| appc_name(&folder.join("manifest")).as_deref() == Some(name))
            .ok_or_else(|| {
                let id = id.unwrap_or("any id");
                format!(
                    "there is no AppC image {name} ({id}) in {}",
                    images.display()
                )
            })?;
        let folder = found.file_name().unwrap_or_default().to_string_lossy();
        Ok(Ready {
            key: format!("appc-{folder}"),
            rootfs: found.join("rootfs"),
        })
    }

    fn unpack(&self, order: &Order) -> Result<(), String> {
        let failed = |error: io::Error| format!("unpacking {}: {error}", order.reference);
        let mut child = Command::new(&self.config.program)
            .arg(SUBCOMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let line = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&line).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("unpacking {}: {}", order.reference, said.trim()))
    }

    /// Makes a container's own layer over an image, and with it the reference that keeps the image.
    fn layers(&self, container: &str, number: usize, image: &Ready) -> Result<Source, String> {
        let folder = self
            .config
            .containers
            .join(container)
            .join(number.to_string());
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        let made = (|| {
            fs::create_dir_all(&upper)?;
            fs::create_dir_all(&work)?;
            let mut file = fs::File::create(folder.join("image"))?;
            file.write_all(image.key.as_bytes())?;
            file.sync_all()
        })();
        made.map_err(|error| format!("preparing {}: {error}", folder.display()))?;
        Ok(Source::Layers {
            lower: image.rootfs.clone(),
            upper,
            work,
        })
    }
}

/// `NAME:TAG`, with `latest` for a tag that is not there.
fn reference(image: &Image) -> String {
    let name = image
        .docker
        .as_ref()
        .map(|docker| docker.name.as_str())
        .unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) || name.is_empty() {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

fn appc_name(manifest: &Path) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
    Some(manifest.get("name")?.as_str()?.to_owned())
}

/// What lies in a folder; nothing when it is not there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;

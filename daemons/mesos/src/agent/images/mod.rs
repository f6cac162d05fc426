//! File systems from images, and volumes: what containers get mounted.
//!
//! ```text
//! DIR/NAME:TAG.tar  ---- unpack (a process of its own, inside the target) ---->  store/images/KEY/{rootfs, config.json}
//!                                                                                      | lower
//! provisioner/containers/CONTAINER/N/{image, upper, work} ----------------------> overlay at SANDBOX/<container_path>, or
//!                                                                                 at .../CONTAINER/root/fs, the root itself
//! ```
//!
//! An image is flattened once, with its layers' whiteouts applied, and stays as it is; each container writes into a layer of its
//! own. The file `image` of a container is its reference to the store, on disk before the mount: what no such file names can be
//! pruned. Mounts are made by the launch helper in the container's own mount namespace (`mounts`), so they are gone with its
//! last process, whoever is killed.
//!
//! Archives lie on this machine, where the operator put them, or are pulled from a registry (mesos: the pullers of
//! `src/slave/containerizer/mesos/provisioner/docker/`). What they hold has to be what their digests say, and is
//! bounded.

mod appc;
mod archive;
mod layer;
mod mounts;
mod pull;
mod registry;
mod runtime;
mod unpack;

pub(crate) use archive::RunConfig;
pub(crate) use mounts::{Mounts, SANDBOX, enter, perform};
pub(crate) use pull::{SUBCOMMAND as PULL, main as pull_main};
pub(crate) use registry::DockerConfig;
pub(crate) use runtime::{environment, run_line};
pub(crate) use unpack::{SUBCOMMAND, main as unpack_main};

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurora_mesos::v1::{Image, ImageAppc, Volume, VolumeMode};

use self::mounts::{Layers, Mount, Root, Source};
use self::registry::Place;
use self::unpack::{Bounds, Order};
use crate::agent::launch_helper;

/// Most files, folders and links in all layers of an image.
const MAX_ENTRIES: u64 = 2_000_000;
/// The configuration of an image in the store.
const CONFIG: &str = "config.json";

/// Where images come from and go to.
#[derive(Debug, Clone)]
pub(crate) struct ImagesConfig {
    /// This program, for its hidden mode.
    pub(crate) program: PathBuf,
    /// Docker and OCI archives: `NAME:TAG.tar`, or a folder `NAME:TAG` with an OCI layout.
    pub(crate) archives: Option<PathBuf>,
    /// Where images are pulled from instead.
    pub(crate) registry: Option<Registry>,
    /// Unpacked AppC images: `images/ID/{manifest,rootfs}`.
    pub(crate) appc: Option<PathBuf>,
    pub(crate) store: PathBuf,
    /// Layers of containers.
    pub(crate) containers: PathBuf,
    /// Most bytes of all files in all layers of an image.
    pub(crate) max_bytes: u64,
}

/// A registry of images.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    /// `https://HOST[:PORT]`, for names that tell no host.
    pub(crate) url: String,
    pub(crate) config: DockerConfig,
    pub(crate) stall_timeout: Duration,
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
    /// Lowest first.
    folders: Vec<PathBuf>,
    config: RunConfig,
}

/// What a container was given.
#[derive(Debug, Default)]
pub(crate) struct Provided {
    pub(crate) mounts: Mounts,
    /// Its file system, where that is an image's.
    pub(crate) root: Option<ProvidedRoot>,
}

/// A file system from an image: where it will be mounted, and what the image says about the programs in it.
#[derive(Debug)]
pub(crate) struct ProvidedRoot {
    pub(crate) path: PathBuf,
    pub(crate) config: RunConfig,
}

impl Images {
    pub(crate) fn new(config: ImagesConfig) -> Self {
        Self {
            config,
            busy: Arc::default(),
        }
    }

    /// What a container gets mounted, `root` in the place of the machine's file system; unpacks what is not there yet, which may
    /// take a while. The error is a sentence.
    pub(crate) fn provide(
        &self,
        container: &str,
        root: Option<&Image>,
        volumes: &[Volume],
    ) -> Result<Provided, String> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut provided = Provided::default();
        for (number, volume) in volumes.iter().enumerate() {
            let target = mounts::target(&volume.container_path)?;
            let name = number.to_string();
            let source = match (&volume.image, &volume.host_path) {
                (Some(image), _) => {
                    Source::Image(self.layers(container, &name, &self.ready(image)?)?)
                }
                (None, Some(host)) if host.starts_with('/') => Source::Host(PathBuf::from(host)),
                _ => {
                    return Err(format!(
                        "the volume at {} has neither an image nor an absolute host path",
                        volume.container_path
                    ));
                }
            };
            provided.mounts.volumes.push(Mount {
                // A container writes into a layer of its own, whatever the mode; executors set their images up (as Mesos).
                read_only: volume.mode == VolumeMode::Ro && matches!(source, Source::Host(_)),
                source,
                target,
            });
        }
        if let Some(image) = root {
            let image = self.ready(image)?;
            let layers = self.layers(container, "root", &image)?;
            let path = self.config.containers.join(container).join("root/fs");
            fs::create_dir_all(&path)
                .map_err(|error| format!("creating {}: {error}", path.display()))?;
            provided.root = Some(ProvidedRoot {
                path: path.clone(),
                config: image.config,
            });
            provided.mounts.root = Some(Root { layers, path });
        }
        Ok(provided)
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
            .filter_map(|image| match &self.config.registry {
                Some(_) => fs::read_to_string(self.known(&reference(image))).ok(),
                None => self.docker(image).ok().map(|(_, key)| key),
            })
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

    /// Finds an image, and brings it into the store unless that was done.
    fn ready(&self, image: &Image) -> Result<Ready, String> {
        let ready = self.find(image);
        let staging = self.config.store.join("staging");
        if ready.is_err()
            && let Err(error) = fs::remove_dir_all(&staging)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot remove {}", staging.display());
        }
        ready
    }

    fn find(&self, image: &Image) -> Result<Ready, String> {
        if let Some(appc) = &image.appc {
            return self.appc(appc);
        }
        if let Some(registry) = &self.config.registry {
            return self.pulled(registry, image);
        }
        let (archive, key) = self.docker(image)?;
        match self.stored(&key)? {
            Some(ready) => Ok(ready),
            None => {
                let staging = self.stage()?;
                self.store(&staging, key, archive, reference(image))
            }
        }
    }

    /// What the store has under a name.
    fn stored(&self, key: &str) -> Result<Option<Ready>, String> {
        let folder = self.config.store.join("images").join(key);
        let rootfs = folder.join("rootfs");
        if !rootfs.is_dir() {
            return Ok(None);
        }
        Ok(Some(Ready {
            key: key.to_owned(),
            folders: vec![rootfs],
            config: read_config(&folder.join(CONFIG))?,
        }))
    }

    /// An empty folder for what is on its way into the store.
    fn stage(&self) -> Result<PathBuf, String> {
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
        Ok(staging)
    }

    /// Unpacks an archive, and puts what becomes of it into the store.
    fn store(
        &self,
        staging: &Path,
        key: String,
        archive: PathBuf,
        reference: String,
    ) -> Result<Ready, String> {
        let order = Order {
            archive,
            reference,
            rootfs: staging.join("rootfs"),
            bounds: Bounds {
                bytes: self.config.max_bytes,
                entries: MAX_ENTRIES,
            },
        };
        let text = self.helped(unpack::SUBCOMMAND, &order, "unpacking", &order.reference)?;
        let config = serde_json::from_slice(&text)
            .map_err(|error| format!("unpacking {}: {error}", order.reference))?;
        let folder = self.config.store.join("images").join(&key);
        fs::write(staging.join(CONFIG), text)
            .and_then(|()| match fs::remove_dir_all(pull::layout(staging)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
            .and_then(|()| fs::rename(staging, &folder))
            .map_err(|error| format!("putting the image into {}: {error}", folder.display()))?;
        Ok(Ready {
            key,
            folders: vec![folder.join("rootfs")],
            config,
        })
    }

    /// An image of a registry: what was brought under its name before, unless the image says that it is to be asked again.
    fn pulled(&self, registry: &Registry, image: &Image) -> Result<Ready, String> {
        let name = reference(image);
        let place = Place::parse(&registry.url, &name)?;
        let known = self.known(&name);
        if image.cached
            && let Ok(key) = fs::read_to_string(&known)
            && let Some(ready) = self.stored(&key)?
        {
            return Ok(ready);
        }
        let staging = self.stage()?;
        let layout = pull::layout(&staging);
        let order = pull::Order {
            basic: registry.config.of(&place).map(str::to_owned),
            place,
            layout: layout.clone(),
            max_bytes: self.config.max_bytes,
            stall_timeout: registry.stall_timeout,
        };
        let digest = self.helped(pull::SUBCOMMAND, &order, "pulling", &name)?;
        // One image under several names is there once.
        let key = format!("sha256-{}", String::from_utf8_lossy(&digest).trim());
        let ready = match self.stored(&key)? {
            Some(ready) => ready,
            None => self.store(&staging, key, layout, name)?,
        };
        let noted = known
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&known, &ready.key));
        noted.map_err(|error| format!("noting {}: {error}", known.display()))?;
        Ok(ready)
    }

    /// The file that says what an image of a registry is in the store.
    fn known(&self, name: &str) -> PathBuf {
        let name = layer::Digest::of(name.as_bytes());
        self.config.store.join("references").join(name.hex())
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
    fn appc(&self, image: &ImageAppc) -> Result<Ready, String> {
        let Some(store) = &self.config.appc else {
            return Err(format!(
                "the image {} cannot be had: this agent has no --appc_store_dir",
                image.name
            ));
        };
        let found = appc::find(&store.join("images"), image)?;
        Ok(Ready {
            key: found.key,
            folders: found.folders,
            config: found.config,
        })
    }

    /// Has another mode of this program do something with an image; what it says.
    fn helped(
        &self,
        mode: &str,
        order: &impl serde::Serialize,
        doing: &str,
        name: &str,
    ) -> Result<Vec<u8>, String> {
        let failed = |error: io::Error| format!("{doing} {name}: {error}");
        let kept = launch_helper::KEPT_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(&self.config.program)
            .arg(mode)
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let line = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&line).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{doing} {name}: {}", said.trim()))
    }

    /// Makes a container's own layer over an image, and with it the reference that keeps the image.
    fn layers(&self, container: &str, name: &str, image: &Ready) -> Result<Layers, String> {
        let folder = self.config.containers.join(container).join(name);
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        let made = (|| {
            fs::create_dir_all(&upper)?;
            fs::create_dir_all(&work)?;
            let mut file = fs::File::create(folder.join("image"))?;
            file.write_all(image.key.as_bytes())?;
            file.sync_all()
        })();
        made.map_err(|error| format!("preparing {}: {error}", folder.display()))?;
        Ok(Layers {
            images: image.folders.clone(),
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

/// What an image of the store says about its programs; nothing for one of an agent that did not keep it.
fn read_config(path: &Path) -> Result<RunConfig, String> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RunConfig::default()),
        text => text.map_err(|error| error.to_string()),
    };
    text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
        .map_err(|error| format!("reading {}: {error}", path.display()))
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

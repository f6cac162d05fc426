//! What is in an archive of an image: `docker save`'s format, or an OCI layout, in a tar file or a folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layer::{Digest, Digests, Layer};

/// Longest manifest that is read.
const MAX_JSON: u64 = 16 << 20;
/// Most files in an archive; an image has a few for each layer.
const MAX_MEMBERS: usize = 10_000;
/// How deep indexes may lie in indexes, and links in links.
pub(super) const MAX_DEPTH: usize = 8;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("cannot read it")]
    Io(#[from] io::Error),
    #[error("{0} is not in the archive")]
    Absent(String),
    #[error("{name} is not understood")]
    Json {
        name: String,
        source: serde_json::Error,
    },
    #[error("it holds more than {MAX_MEMBERS} files")]
    TooMany,
    #[error("it holds neither manifest.json nor index.json: it is no image of Docker or OCI")]
    NoImage,
    #[error("it holds no image {0}")]
    NoSuchImage(String),
    #[error("a digest is not sha256: and 64 hexadecimal digits: {0}")]
    Digest(String),
    #[error("{name} is not what the image says: its SHA-256 is {found} instead of {expected}")]
    Changed {
        name: String,
        expected: String,
        found: String,
    },
    #[error("{0} goes on after the end of its tar file")]
    Rest(String),
    #[error("it has {layers} layers, and its configuration tells the digests of {digests}")]
    Layers { layers: usize, digests: usize },
}

/// An image, ready to be unpacked.
pub(super) struct Contents {
    /// Lowest first. All are open.
    pub(super) layers: Vec<Layer>,
    pub(super) config: RunConfig,
}

/// What an image says about the programs that run in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RunConfig {
    pub(crate) env: Option<Vec<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
}

#[derive(Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    config: Option<RunConfig>,
    #[serde(default)]
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Configuration {
    /// The digests of the uncompressed layers; none when the configuration has none at all.
    fn plain(&self, layers: usize) -> Result<Vec<Option<Digest>>, ArchiveError> {
        match &self.rootfs {
            None => Ok(vec![None; layers]),
            Some(rootfs) if rootfs.diff_ids.len() != layers => Err(ArchiveError::Layers {
                layers,
                digests: rootfs.diff_ids.len(),
            }),
            Some(rootfs) => {
                let digests = rootfs.diff_ids.iter();
                digests.map(|text| Digest::parse(text).map(Some)).collect()
            }
        }
    }
}

/// An archive, its members by name.
pub(super) enum Archive {
    Tar {
        path: PathBuf,
        members: HashMap<PathBuf, Member>,
    },
    Folder(PathBuf),
}

/// Where a member of a tar file is.
pub(super) enum Member {
    File { start: u64, size: u64 },
    Link(PathBuf),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    #[serde(default)]
    config: Option<String>,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OciManifest {
    #[serde(default)]
    pub(super) config: Option<Descriptor>,
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let mut members = HashMap::new();
        let mut tar = tar::Archive::new(File::open(path)?);
        for entry in tar.entries_with_seek()? {
            let entry = entry?;
            let name = plain(&entry.path()?);
            let member = match entry.link_name()? {
                Some(target) if entry.header().entry_type().is_symlink() => {
                    let folder = name.parent().unwrap_or(Path::new("")).to_owned();
                    Member::Link(plain(&folder.join(target)))
                }
                Some(target) => Member::Link(plain(&target)),
                None => Member::File {
                    start: entry.raw_file_position(),
                    size: entry.size(),
                },
            };
            members.insert(name, member);
            if members.len() > MAX_MEMBERS {
                return Err(ArchiveError::TooMany);
            }
        }
        Ok(Self::Tar {
            path: path.to_owned(),
            members,
        })
    }

    /// The image of that name. What is read here was held against its digest; layers are when they are finished.
    pub(super) fn image(&self, reference: &str) -> Result<Contents, ArchiveError> {
        if self.has("manifest.json") {
            self.docker(reference)
        } else if self.has("index.json") {
            self.oci(reference)
        } else {
            Err(ArchiveError::NoImage)
        }
    }

    fn docker(&self, reference: &str) -> Result<Contents, ArchiveError> {
        let mut images: Vec<DockerManifest> = self.json("manifest.json", None)?;
        let named = images.iter().position(|image| {
            let mut tags = image.repo_tags.iter().flatten();
            tags.any(|tag| same_name(tag, reference))
        });
        // An archive of a single image may have been made under another name.
        let position = named.or((images.len() == 1).then_some(0));
        let position = position.ok_or_else(|| ArchiveError::NoSuchImage(reference.to_owned()))?;
        let image = images.swap_remove(position);
        let config = match &image.config {
            Some(name) => self.json(name, named_digest(name).as_ref())?,
            None => Configuration::default(),
        };
        let plain = config.plain(image.layers.len())?;
        let layers = image.layers.into_iter().zip(plain).map(|(name, plain)| {
            let packed = None;
            (name, Digests { packed, plain })
        });
        self.contents(layers.collect(), config)
    }

    fn oci(&self, reference: &str) -> Result<Contents, ArchiveError> {
        let mut manifest: OciManifest = self.json("index.json", None)?;
        let tag = reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        for depth in 0..MAX_DEPTH {
            if manifest.manifests.is_empty() {
                return self.oci_layers(manifest);
            }
            let named = |entry: &&Descriptor| {
                let name = entry.annotations.get("org.opencontainers.image.ref.name");
                name.is_some_and(|name| name == tag || same_name(name, reference))
            };
            let entries = &manifest.manifests;
            let chosen = entries
                .iter()
                .find(|entry| depth == 0 && named(entry))
                .or_else(|| entries.iter().find(|entry| is_ours(entry)))
                .or_else(|| entries.first().filter(|_| entries.len() == 1))
                .ok_or_else(|| ArchiveError::NoSuchImage(reference.to_owned()))?;
            manifest = self.blob(chosen)?;
        }
        Err(ArchiveError::NoSuchImage(reference.to_owned()))
    }

    fn oci_layers(&self, manifest: OciManifest) -> Result<Contents, ArchiveError> {
        let config: Configuration = match &manifest.config {
            Some(descriptor) => self.blob(descriptor)?,
            None => Configuration::default(),
        };
        let plain = config.plain(manifest.layers.len())?;
        let layers = manifest.layers.iter().zip(plain).map(|(layer, plain)| {
            let packed = Digest::parse(&layer.digest)?;
            let name = blob(&packed);
            let packed = Some(packed);
            Ok((name, Digests { packed, plain }))
        });
        self.contents(layers.collect::<Result<_, ArchiveError>>()?, config)
    }

    fn contents(
        &self,
        layers: Vec<(String, Digests)>,
        config: Configuration,
    ) -> Result<Contents, ArchiveError> {
        let layers = layers
            .into_iter()
            .map(|(name, digests)| Layer::open(&name, self.member(&name)?, digests));
        Ok(Contents {
            layers: layers.collect::<Result<_, _>>()?,
            config: config.config.unwrap_or_default(),
        })
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Tar { members, .. } => members.contains_key(Path::new(name)),
            Self::Folder(folder) => folder.join(name).is_file(),
        }
    }

    fn blob<T: for<'a> Deserialize<'a>>(&self, descriptor: &Descriptor) -> Result<T, ArchiveError> {
        let digest = Digest::parse(&descriptor.digest)?;
        self.json(&blob(&digest), Some(&digest))
    }

    fn json<T: for<'a> Deserialize<'a>>(
        &self,
        name: &str,
        digest: Option<&Digest>,
    ) -> Result<T, ArchiveError> {
        let mut text = Vec::new();
        self.member(name)?.take(MAX_JSON).read_to_end(&mut text)?;
        if let Some(digest) = digest {
            digest.check(name, &text)?;
        }
        serde_json::from_slice(&text).map_err(|source| ArchiveError::Json {
            name: name.to_owned(),
            source,
        })
    }

    fn member(&self, name: &str) -> Result<io::Take<File>, ArchiveError> {
        let absent = || ArchiveError::Absent(name.to_owned());
        match self {
            Self::Folder(folder) => {
                let path = folder.join(plain(Path::new(name)));
                let file = File::open(path).map_err(|_| absent())?;
                Ok(file.take(u64::MAX))
            }
            Self::Tar { path, members } => {
                let mut name = plain(Path::new(name));
                for _ in 0..MAX_DEPTH {
                    match members.get(&name).ok_or_else(absent)? {
                        Member::Link(target) => name.clone_from(target),
                        Member::File { start, size } => {
                            let mut file = File::open(path)?;
                            file.seek(SeekFrom::Start(*start))?;
                            return Ok(file.take(*size));
                        }
                    }
                }
                Err(absent())
            }
        }
    }
}

/// The name of a member as it is looked up: without dots, and never above its start.
fn plain(path: &Path) -> PathBuf {
    let mut name = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::Normal(part) => name.push(part),
            std::path::Component::ParentDir => drop(name.pop()),
            _ => {}
        }
    }
    name
}

/// Where a layout keeps what has this digest.
pub(super) fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Docker names a configuration by its digest, `HEX.json` or as a layout does.
fn named_digest(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let hex = last.strip_suffix(".json").unwrap_or(last);
    Digest::parse(&format!("sha256:{hex}")).ok()
}

/// Docker writes the names of its own registry short.
fn same_name(one: &str, other: &str) -> bool {
    let short = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name).to_owned()
    };
    short(one) == short(other)
}

pub(super) fn is_ours(entry: &Descriptor) -> bool {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let platform = entry.platform.as_ref();
    platform.is_some_and(|platform| {
        platform.os == std::env::consts::OS && platform.architecture == architecture
    })
}

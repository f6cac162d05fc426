//! What is in an archive of an image: `docker save`'s format, or an OCI layout, in a tar file or a folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

/// Longest manifest that is read.
const MAX_JSON: u64 = 16 << 20;
/// Most files in an archive; an image has a few for each layer.
const MAX_MEMBERS: usize = 10_000;
/// How deep indexes may lie in indexes, and links in links.
const MAX_DEPTH: usize = 8;

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
    #[error("a digest is not of the form algorithm:hex: {0}")]
    Digest(String),
    #[error("a layer is compressed with zstd, which is not supported")]
    Zstd,
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
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciManifest {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
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

    /// The layers of the image of that name, lowest first, each the contents of a tar file. All are open when this returns.
    pub(super) fn layers(&self, reference: &str) -> Result<Vec<Box<dyn Read>>, ArchiveError> {
        let names = if self.has("manifest.json") {
            self.docker_layers(reference)?
        } else if self.has("index.json") {
            self.oci_layers(reference)?
        } else {
            return Err(ArchiveError::NoImage);
        };
        names
            .iter()
            .map(|name| uncompressed(self.member(name)?))
            .collect()
    }

    fn docker_layers(&self, reference: &str) -> Result<Vec<String>, ArchiveError> {
        let mut images: Vec<DockerManifest> = self.json("manifest.json")?;
        let named = images.iter().position(|image| {
            let mut tags = image.repo_tags.iter().flatten();
            tags.any(|tag| same_name(tag, reference))
        });
        // An archive of a single image may have been made under another name.
        let position = named.or((images.len() == 1).then_some(0));
        let position = position.ok_or_else(|| ArchiveError::NoSuchImage(reference.to_owned()))?;
        Ok(images.swap_remove(position).layers)
    }

    fn oci_layers(&self, reference: &str) -> Result<Vec<String>, ArchiveError> {
        let mut manifest: OciManifest = self.json("index.json")?;
        let tag = reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        for depth in 0..MAX_DEPTH {
            if manifest.manifests.is_empty() {
                return manifest.layers.iter().map(blob).collect();
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
            manifest = self.json(&blob(chosen)?)?;
        }
        Err(ArchiveError::NoSuchImage(reference.to_owned()))
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Tar { members, .. } => members.contains_key(Path::new(name)),
            Self::Folder(folder) => folder.join(name).is_file(),
        }
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<T, ArchiveError> {
        let mut text = Vec::new();
        self.member(name)?.take(MAX_JSON).read_to_end(&mut text)?;
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
fn blob(descriptor: &Descriptor) -> Result<String, ArchiveError> {
    let digest = &descriptor.digest;
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric());
    match digest.split_once(':') {
        Some((algorithm, hex)) if is_plain(algorithm) && is_plain(hex) => {
            Ok(format!("blobs/{algorithm}/{hex}"))
        }
        _ => Err(ArchiveError::Digest(digest.clone())),
    }
}

/// Docker writes the names of its own registry short.
fn same_name(one: &str, other: &str) -> bool {
    let short = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name).to_owned()
    };
    short(one) == short(other)
}

fn is_ours(entry: &Descriptor) -> bool {
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

/// Compression is told by a layer's first bytes, whatever its name says.
fn uncompressed(layer: impl Read + 'static) -> Result<Box<dyn Read>, ArchiveError> {
    let mut layer = BufReader::with_capacity(64 << 10, layer);
    match layer.fill_buf()? {
        [0x1f, 0x8b, ..] => Ok(Box::new(GzDecoder::new(layer))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Err(ArchiveError::Zstd),
        _ => Ok(Box::new(layer)),
    }
}

//! Images of the AppC format in a store of the operator's (mesos: `src/slave/containerizer/mesos/provisioner/appc/`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aurora_mesos::v1::ImageAppc;
use serde::Deserialize;

use super::archive::RunConfig;
use super::entries;

/// Most images that one is made of.
const MAX_IMAGES: usize = 16;
/// Longest manifest that is read.
const MAX_MANIFEST: u64 = 1 << 20;

/// An image with everything that it depends on.
pub(super) struct Found {
    /// Names the image among those of the store.
    pub(super) key: String,
    /// Lowest first.
    pub(super) folders: Vec<PathBuf>,
    pub(super) config: RunConfig,
}

#[derive(Deserialize)]
struct Manifest {
    name: String,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    app: Option<App>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    image_name: String,
    #[serde(default, rename = "imageID")]
    image_id: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct App {
    #[serde(default)]
    exec: Vec<String>,
    #[serde(default)]
    environment: Vec<Label>,
    #[serde(default)]
    working_directory: Option<String>,
}

/// What an image has to be.
struct Wanted {
    name: String,
    id: Option<String>,
    labels: BTreeMap<String, String>,
}

impl From<&ImageAppc> for Wanted {
    fn from(image: &ImageAppc) -> Self {
        let labels = image.labels.iter().flat_map(|labels| &labels.labels);
        Self {
            name: image.name.clone(),
            id: image.id.clone(),
            labels: labels
                .map(|label| (label.key.clone(), label.value.clone().unwrap_or_default()))
                .collect(),
        }
    }
}

impl From<&Dependency> for Wanted {
    fn from(dependency: &Dependency) -> Self {
        let labels = dependency.labels.iter();
        Self {
            name: dependency.image_name.clone(),
            id: dependency.image_id.clone(),
            labels: labels
                .map(|label| (label.name.clone(), label.value.clone()))
                .collect(),
        }
    }
}

impl Wanted {
    fn is(&self, folder: &Path, manifest: &Manifest) -> bool {
        let id = folder.file_name().unwrap_or_default();
        manifest.name == self.name
            && self.id.as_ref().is_none_or(|wanted| id == wanted.as_str())
            && self.labels.iter().all(|(name, value)| {
                let mut labels = manifest.labels.iter();
                labels.any(|label| label.name == *name && label.value == *value)
            })
    }

    fn find(&self, images: &Path) -> Result<(PathBuf, Manifest), String> {
        entries(images)
            .map_err(|error| format!("reading {}: {error}", images.display()))?
            .into_iter()
            .filter_map(|folder| Some((read(&folder.join("manifest"))?, folder)))
            .find(|(manifest, folder)| self.is(folder, manifest))
            .map(|(manifest, folder)| (folder, manifest))
            .ok_or_else(|| {
                let id = self.id.as_deref().unwrap_or("any id");
                let labels: String = self
                    .labels
                    .iter()
                    .map(|(name, value)| format!(", {name}={value}"))
                    .collect();
                let (name, images) = (&self.name, images.display());
                format!("there is no AppC image {name} ({id}{labels}) in {images}")
            })
    }
}

/// What is no manifest is no image.
fn read(path: &Path) -> Option<Manifest> {
    let mut text = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(MAX_MANIFEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Finds an image and what it depends on: a dependency lies below whatever asks for it, and of several the first lowest. The
/// error is a sentence.
pub(super) fn find(images: &Path, image: &ImageAppc) -> Result<Found, String> {
    let (folder, manifest) = Wanted::from(image).find(images)?;
    let id = folder.file_name().unwrap_or_default().to_string_lossy();
    let key = format!("appc-{id}");
    let config = config(&manifest);
    let mut folders = Vec::new();
    let mut path = Vec::new();
    collect(images, folder, &manifest, &mut path, &mut folders)?;
    Ok(Found {
        key,
        folders: folders.iter().map(|image| image.join("rootfs")).collect(),
        config,
    })
}

/// `path` leads from the image that is wanted to this one's dependant.
fn collect(
    images: &Path,
    folder: PathBuf,
    manifest: &Manifest,
    path: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> Result<(), String> {
    let name = &manifest.name;
    if path.contains(&folder) {
        return Err(format!("the AppC image {name} depends on itself"));
    }
    if folders.contains(&folder) {
        return Ok(());
    }
    path.push(folder);
    for dependency in &manifest.dependencies {
        let (folder, found) = Wanted::from(dependency)
            .find(images)
            .map_err(|error| format!("{name} depends on an image: {error}"))?;
        collect(images, folder, &found, path, folders)?;
    }
    folders.extend(path.pop());
    if folders.len() > MAX_IMAGES {
        return Err(format!("{name} depends on more than {MAX_IMAGES} images"));
    }
    Ok(())
}

fn config(manifest: &Manifest) -> RunConfig {
    let Some(app) = &manifest.app else {
        return RunConfig::default();
    };
    let variables = app.environment.iter();
    RunConfig {
        env: Some(
            variables
                .map(|variable| format!("{}={}", variable.name, variable.value))
                .collect(),
        ),
        entrypoint: Some(app.exec.clone()),
        cmd: None,
        working_dir: app.working_directory.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_mesos::v1::Labels;

    #[test]
    fn appc_images_with_their_labels_and_dependencies() {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("images");
        let put = |id: &str, manifest: &str| {
            fs::create_dir_all(images.join(id).join("rootfs")).unwrap();
            fs::write(images.join(id).join("manifest"), manifest).unwrap();
        };
        let label = |name: &str, value: &str| format!(r#"{{"name":"{name}","value":"{value}"}}"#);
        put("sha512-base", r#"{"name": "base"}"#);
        put(
            "sha512-libs",
            r#"{"name": "libs", "dependencies": [{"imageName": "base"}]}"#,
        );
        for version in ["1", "2"] {
            let labels = [label("version", version), label("os", "linux")].join(",");
            let manifest = format!(
                r#"{{"name": "web", "labels": [{labels}],
                "dependencies": [{{"imageName": "base"}}, {{"imageName": "libs", "imageID": "sha512-libs"}}],
                "app": {{"exec": ["/bin/web", "-v"], "workingDirectory": "/srv", "environment": [{}]}}}}"#,
                label("A", version)
            );
            put(&format!("sha512-web{version}"), &manifest);
        }
        put(
            "sha512-loop",
            r#"{"name": "loop", "dependencies": [{"imageName": "loop"}]}"#,
        );
        put(
            "sha512-lost",
            r#"{"name": "lost", "dependencies": [{"imageName": "nobody"}]}"#,
        );
        put("sha512-odd", "no manifest");
        let image = |name: &str, labels: &[(&str, &str)]| ImageAppc {
            name: name.to_owned(),
            labels: Some(Labels {
                labels: labels
                    .iter()
                    .map(|(key, value)| aurora_mesos::v1::Label {
                        key: (*key).to_owned(),
                        value: Some((*value).to_owned()),
                    })
                    .collect(),
            }),
            ..ImageAppc::default()
        };
        let found = find(&images, &image("web", &[("version", "2")])).unwrap();
        let of = |id: &str| images.join(id).join("rootfs");
        assert_eq!(
            found.folders,
            [of("sha512-base"), of("sha512-libs"), of("sha512-web2")]
        );
        assert_eq!(
            (found.key.as_str(), found.config),
            (
                "appc-sha512-web2",
                RunConfig {
                    env: Some(vec!["A=2".to_owned()]),
                    entrypoint: Some(vec!["/bin/web".to_owned(), "-v".to_owned()]),
                    cmd: None,
                    working_dir: Some("/srv".to_owned()),
                }
            )
        );
        for (image, words) in [
            (
                image("web", &[("version", "3")]),
                "no AppC image web (any id, version=3)",
            ),
            (image("loop", &[]), "loop depends on itself"),
            (
                image("lost", &[]),
                "lost depends on an image: there is no AppC image nobody",
            ),
        ] {
            let error = find(&images, &image).err().unwrap();
            assert!(error.contains(words), "{error}");
        }
    }
}

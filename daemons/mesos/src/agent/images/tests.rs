use std::collections::BTreeMap;
use std::io::Cursor;

use aurora_mesos::v1::{ImageAppc, ImageDocker, ImageType};
use tar::{Builder, EntryType, Header};

use super::*;

/// One member of a layer.
enum Part<'a> {
    File(&'a str, &'a str),
    Folder(&'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Device(&'a str),
}
use Part::{Device, File, Folder, Hard, Link};

fn layer(parts: &[Part<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let own = (
        nix::unistd::getuid().as_raw(),
        nix::unistd::getgid().as_raw(),
    );
    for part in parts {
        let (name, kind, data, target) = match part {
            File(name, data) => (*name, EntryType::Regular, *data, None),
            Folder(name) => (*name, EntryType::Directory, "", None),
            Link(name, target) => (*name, EntryType::Symlink, "", Some(*target)),
            Hard(name, target) => (*name, EntryType::Link, "", Some(*target)),
            Device(name) => (*name, EntryType::Char, "", None),
        };
        let mut header = Header::new_ustar();
        // Written by hand: the builder refuses what a hostile archive holds.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(data.len() as u64);
        header.set_uid(own.0.into());
        header.set_gid(own.1.into());
        if let Some(target) = target {
            header.set_link_name(target).unwrap();
        }
        header.set_cksum();
        builder.append(&header, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Everything below a folder: contents of files, targets of links, nothing for folders.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder).unwrap() {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let shown = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                folders.push(path);
                "/".to_owned()
            } else {
                fs::read_to_string(&path).unwrap()
            };
            found.insert(name, shown);
        }
    }
    found
}

#[test]
fn layers_are_applied_one_over_the_other() {
    for (what, lower, upper, expected) in [
        (
            "a file is replaced and another hidden",
            &[
                File("a", "1"),
                File("b", "1"),
                Folder("d"),
                File("d/x", "1"),
            ][..],
            &[
                File("a", "2"),
                File(".wh.b", ""),
                File("d/.wh.x", ""),
                File("d/y", "2"),
            ][..],
            &[("a", "2"), ("d", "/"), ("d/y", "2")][..],
        ),
        (
            "an opaque folder keeps what its own layer has, before or after",
            &[
                Folder("d"),
                File("d/old", "1"),
                Folder("d/in"),
                File("d/in/old", "1"),
            ],
            &[
                Folder("d"),
                Folder("d/in"),
                File("d/in/new", "2"),
                File("d/.wh..wh..opq", ""),
                File("d/new", "2"),
            ],
            &[("d", "/"), ("d/in", "/"), ("d/in/new", "2"), ("d/new", "2")],
        ),
        (
            "a folder takes the place of a link, a file that of a folder",
            &[
                Folder("real"),
                Link("l", "real"),
                Folder("d"),
                File("d/x", "1"),
            ],
            &[Folder("l"), File("l/own", "2"), File("d", "now a file")],
            &[
                ("d", "now a file"),
                ("l", "/"),
                ("l/own", "2"),
                ("real", "/"),
            ],
        ),
        (
            "what is hidden and written anew in one layer stays",
            &[File("a", "1")],
            &[File("a", "2"), File(".wh.a", "")],
            &[("a", "2")],
        ),
        (
            "links of both kinds, and no devices",
            &[
                File("a", "1"),
                Hard("h", "a"),
                Link("s", "/etc/passwd"),
                Device("null"),
            ],
            &[File("./b", "2")],
            &[("a", "1"), ("b", "2"), ("h", "1"), ("s", "-> /etc/passwd")],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for parts in [lower, upper] {
            unpack::apply(Cursor::new(layer(parts)), dir.path()).unwrap();
        }
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|(name, shown)| ((*name).to_owned(), (*shown).to_owned()))
            .collect();
        assert_eq!(tree(dir.path()), expected, "{what}");
    }
}

#[test]
fn a_layer_does_not_leave_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    for parts in [
        &[File("../evil", "x")][..],
        &[File("a/../../evil", "x")],
        &[File("../.wh.root", "")],
        &[Hard("h", "../../../../../../etc/passwd")],
    ] {
        assert!(unpack::apply(Cursor::new(layer(parts)), &root).is_err());
    }
    unpack::apply(Cursor::new(layer(&[File("/rooted", "x")])), &root).unwrap();
    assert_eq!(tree(dir.path()).len(), 2, "{:?}", tree(dir.path()));
}

fn config(dir: &Path) -> ImagesConfig {
    ImagesConfig {
        program: PathBuf::from("/nonexistent"),
        archives: Some(dir.join("archives")),
        appc: Some(dir.join("appc")),
        store: dir.join("store"),
        containers: dir.join("containers"),
    }
}

fn docker(name: &str) -> Image {
    Image {
        kind: ImageType::Docker,
        docker: Some(ImageDocker {
            name: name.to_owned(),
            ..ImageDocker::default()
        }),
        ..Image::default()
    }
}

/// A tar file of these members, with the layers that are named after their text.
fn archive(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut builder = Builder::new(fs::File::create(path).unwrap());
    for (name, data) in members {
        let mut header = Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, data.as_slice())
            .unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn layers_of_every_kind_of_archive() {
    let dir = tempfile::tempdir().unwrap();
    let text = |text: &str| text.as_bytes().to_vec();
    let zipped = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let saved = dir.path().join("saved.tar");
    let manifest = r#"[{"Config":"c.json","RepoTags":["other:1"],"Layers":["b/layer.tar"]},
        {"RepoTags":["web:1.0"],"Layers":["a/layer.tar","./b/layer.tar"]}]"#;
    archive(
        &saved,
        &[
            ("a/layer.tar", text("first")),
            ("b/layer.tar", zipped("second")),
            ("manifest.json", text(manifest)),
        ],
    );
    let index = r#"{"manifests":[
        {"digest":"sha256:00","annotations":{"org.opencontainers.image.ref.name":"old"}},
        {"digest":"sha256:11","annotations":{"org.opencontainers.image.ref.name":"1.0"}}]}"#;
    let inner = format!(
        r#"{{"manifests":[{{"digest":"sha256:00","platform":{{"os":"plan9","architecture":"x"}}}},
        {{"digest":"sha256:22","platform":{{"os":"linux","architecture":"{}"}}}}]}}"#,
        if cfg!(target_arch = "x86_64") {
            "amd64"
        } else {
            "arm64"
        }
    );
    let layers = r#"{"layers":[{"digest":"sha256:aa"},{"digest":"sha256:bb"}]}"#;
    let layout = [
        ("index.json", text(index)),
        ("blobs/sha256/11", text(&inner)),
        ("blobs/sha256/22", text(layers)),
        ("blobs/sha256/aa", text("first")),
        ("blobs/sha256/bb", zipped("second")),
    ];
    let (oci, folder) = (dir.path().join("oci.tar"), dir.path().join("oci"));
    archive(&oci, &layout);
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    for (name, data) in &layout {
        fs::write(folder.join(name), data).unwrap();
    }
    let read = |path: &Path, reference: &str| -> Result<Vec<String>, String> {
        let open = archive::Archive::open(path).map_err(|error| error.to_string())?;
        let layers = open.layers(reference).map_err(|error| error.to_string())?;
        layers
            .into_iter()
            .map(|layer| io::read_to_string(layer).map_err(|error| error.to_string()))
            .collect()
    };
    for path in [&saved, &oci, &folder] {
        assert_eq!(
            read(path, "docker.io/library/web:1.0"),
            Ok(vec!["first".to_owned(), "second".to_owned()]),
            "{}",
            path.display()
        );
        assert!(read(path, "web:none").is_err(), "{}", path.display());
    }
    let odd = dir.path().join("odd.tar");
    archive(&odd, &[("x", text("y"))]);
    assert!(
        read(&odd, "x")
            .unwrap_err()
            .contains("no image of Docker or OCI")
    );
    let escape = r#"[{"Layers":["../../../../../../../../etc/passwd"]}]"#;
    fs::write(folder.join("manifest.json"), escape).unwrap();
    assert!(
        read(&folder, "x")
            .unwrap_err()
            .contains("is not in the archive")
    );
}

#[test]
fn images_that_cannot_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let images = Images::new(config(dir.path()));
    let volume = |image: Option<Image>, path: &str| Volume {
        image,
        container_path: path.to_owned(),
        host_path: Some("relative".to_owned()),
        ..Volume::default()
    };
    for (wanted, words) in [
        (
            volume(Some(docker("web")), "taskfs"),
            "there is no image web:latest.tar",
        ),
        (
            volume(Some(docker("../web:1")), "taskfs"),
            "is no name of an image",
        ),
        (volume(Some(docker("")), "taskfs"), "is no name of an image"),
        (
            volume(None, "x"),
            "neither an image nor an absolute host path",
        ),
        (volume(Some(docker("web")), "../x"), "cannot be mounted at"),
        (volume(Some(docker("web")), "/"), "cannot be mounted at"),
    ] {
        let error = images.provide("c", &[wanted]).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_no_container_uses_is_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let images = Images::new(config(dir.path()));
    fs::create_dir_all(dir.path().join("archives")).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(dir.path().join(format!("archives/{name}:1.tar")), name).unwrap();
        let (_, key) = images.docker(&docker(&format!("{name}:1"))).unwrap();
        fs::create_dir_all(dir.path().join("store/images").join(key).join("rootfs")).unwrap();
    }
    let volume = Volume {
        image: Some(docker("a:1")),
        container_path: "taskfs".to_owned(),
        ..Volume::default()
    };
    // An AppC image lies in the operator's own store.
    let appc = dir.path().join("appc/images/sha512-1");
    fs::create_dir_all(appc.join("rootfs")).unwrap();
    fs::write(appc.join("manifest"), r#"{"name": "example.com/x"}"#).unwrap();
    let of_appc = Volume {
        image: Some(Image {
            kind: ImageType::Appc,
            appc: Some(ImageAppc {
                name: "example.com/x".to_owned(),
                id: Some("sha512-1".to_owned()),
                ..ImageAppc::default()
            }),
            ..Image::default()
        }),
        container_path: "other".to_owned(),
        ..Volume::default()
    };
    let mounts = images.provide("container-1", &[volume, of_appc]).unwrap();
    assert!(!mounts[0].read_only, "a layer of its own can be written");
    assert!(
        matches!(&mounts[1].source, Source::Layers { lower, .. } if *lower == appc.join("rootfs"))
    );
    let left = || entries(&dir.path().join("store/images")).unwrap().len();
    assert_eq!(images.prune(&[docker("b:1")]).unwrap(), 1);
    assert_eq!(left(), 2, "one is used, one is excluded");
    images.release("container-1").unwrap();
    images.release("container-1").unwrap();
    assert_eq!(images.prune(&[]).unwrap(), 2);
    assert_eq!(left(), 0);
    assert!(appc.join("rootfs").is_dir(), "not ours to remove");
}

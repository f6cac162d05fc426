use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use aurora_mesos::v1::{ImageDocker, ImageType};
use tar::{Builder, EntryType, Header};

use super::layer::{Digest, Digests, Layer};
use super::unpack::Budget;
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

const WIDE: Bounds = Bounds {
    bytes: 1 << 20,
    entries: 100,
};

fn apply(layer: Vec<u8>, root: &Path, bounds: Bounds) -> Result<(), String> {
    let opened = Layer::open("layer", Cursor::new(layer), Digests::default()).unwrap();
    unpack::apply(0, opened, root, &mut Budget::new(bounds))
        .map_err(|error| crate::agent::containerizer::chain(&error))
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
            apply(layer(parts), dir.path(), WIDE).unwrap();
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
        apply(layer(parts), &root, WIDE).unwrap_err();
    }
    apply(layer(&[File("/rooted", "x")]), &root, WIDE).unwrap();
    assert_eq!(tree(dir.path()).len(), 2, "{:?}", tree(dir.path()));
    // A folder that was a link before, in the same layer or a lower one.
    fs::create_dir(dir.path().join("outside")).unwrap();
    let outside = dir.path().join("outside").display().to_string();
    apply(layer(&[Link("l", &outside)]), &root, WIDE).unwrap();
    for parts in [
        &[File("l/evil", "x")][..],
        &[Link("m", &outside), File("m/evil", "x")],
        &[Link("m", "../outside"), Folder("m/evil")],
    ] {
        apply(layer(parts), &root, WIDE).unwrap_err();
    }
    assert!(entries(Path::new(&outside)).unwrap().is_empty());
}

/// A sparse file of 1 TiB, as GNU tar writes it: the map says that all of it is a hole.
fn sparse() -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    header.set_mode(0o644);
    {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..4].copy_from_slice(b"hole");
        gnu.realsize.copy_from_slice(b"20000000000\0");
        gnu.sparse[0].offset.copy_from_slice(b"20000000000\0");
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    }
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn an_image_has_bounds() {
    let bounds = Bounds {
        bytes: 10,
        entries: 3,
    };
    let mut long = layer(&[File("a", "1")]);
    long.resize(17 << 20, 0);
    for (what, layer, refusal) in [
        (
            "as much as there may be",
            layer(&[File("a", "12345"), File("b", "12345"), Folder("c")]),
            None,
        ),
        (
            "a byte more",
            layer(&[File("a", "123456"), File("b", "12345")]),
            Some("it is larger than 10 bytes, the most that an image may have"),
        ),
        (
            "a file more",
            layer(&[Folder("a"), Folder("b"), Folder("c"), Folder("d")]),
            Some("it has more than 3 files, the most that an image may have"),
        ),
        (
            "a hole",
            sparse(),
            Some("it is larger than 10 bytes, the most that an image may have"),
        ),
        (
            "much after the end",
            long,
            Some("layer 0: layer goes on after the end of its tar file"),
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let applied = apply(layer, dir.path(), bounds);
        assert_eq!(applied.err().as_deref(), refusal, "{what}");
    }
    // The bounds are the whole image's.
    let dir = tempfile::tempdir().unwrap();
    let mut budget = Budget::new(bounds);
    let mut apply = |parts: &[Part<'_>]| {
        let opened = Layer::open("layer", Cursor::new(layer(parts)), Digests::default());
        unpack::apply(0, opened.unwrap(), dir.path(), &mut budget).is_ok()
    };
    assert!(apply(&[Folder("a"), Folder("b")]));
    assert!(!apply(&[Folder("a"), Folder("b")]));
}

#[test]
fn what_is_not_as_its_digest_says_is_refused() {
    // printf 'first' | sha256sum; printf 'first' | gzip -n | sha256sum is not that.
    let first = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    let digest = |hex: &str| Digest::parse(&format!("sha256:{hex}")).ok();
    let zeros = "0".repeat(64);
    for (packed, plain, words) in [
        (digest(first), digest(first), None),
        (None, None, None),
        (
            digest(&zeros),
            digest(first),
            Some("layer is not what the image says: its SHA-256 is a7937b64"),
        ),
        (
            digest(first),
            digest(&zeros),
            Some("layer, uncompressed, is not what the image says"),
        ),
    ] {
        let digests = Digests { packed, plain };
        let mut layer = Layer::open("layer", Cursor::new(b"first"), digests).unwrap();
        // What is left unread counts as well.
        layer.read_exact(&mut [0; 2]).unwrap();
        let finished = layer.finish().map_err(|error| error.to_string());
        match words {
            None => finished.unwrap(),
            Some(words) => {
                let error = finished.unwrap_err();
                assert!(error.contains(words), "{error}");
            }
        }
    }
    for text in ["sha512:00", "sha256:../../x", "", "00"] {
        Digest::parse(text).unwrap_err();
    }
}

/// What `printf first | zstd`, the same of `second`, and a frame that is skipped (of three bytes) hold.
const ZSTD: &[&[u8]] = &[
    b"\x28\xb5\x2f\xfd\x04\x58\x29\x00\x00first\x5a\x8f\xbe\xe4",
    b"\x51\x2a\x4d\x18\x03\x00\x00\x00abc",
    b"\x28\xb5\x2f\xfd\x04\x58\x31\x00\x00second\x37\x00\x5e\x4d",
];

#[test]
fn layers_are_uncompressed_whole() {
    let zipped = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let read = |bytes: Vec<u8>| {
        let layer = Layer::open("layer", Cursor::new(bytes), Digests::default()).unwrap();
        io::read_to_string(layer)
    };
    let parts = [zipped("first"), zipped("second")].concat();
    assert_eq!(read(parts).unwrap(), "firstsecond");
    assert_eq!(read(ZSTD.concat()).unwrap(), "firstsecond");
    assert_eq!(read([ZSTD[1], ZSTD[0]].concat()).unwrap(), "first");
    assert_eq!(read(Vec::new()).unwrap(), "");
    let torn = &ZSTD[0][..12];
    read(torn.to_vec()).unwrap_err();
}

fn config(dir: &Path) -> ImagesConfig {
    ImagesConfig {
        program: PathBuf::from("/nonexistent"),
        archives: Some(dir.join("archives")),
        registry: None,
        appc: Some(dir.join("appc")),
        store: dir.join("store"),
        containers: dir.join("containers"),
        max_bytes: WIDE.bytes,
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
    // Digests are of the uncompressed layers.
    let config = |env: &str| {
        let ids = [sum(b"first"), sum(b"second")];
        format!(
            r#"{{"config":{{"Env":["A={env}"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}","sha256:{}"]}}}}"#,
            ids[0], ids[1]
        )
    };
    let manifest = r#"[{"Config":"c.json","RepoTags":["other:1"],"Layers":["b/layer.tar"]},
        {"Config":"d.json","RepoTags":["web:1.0"],"Layers":["a/layer.tar","./b/layer.tar"]}]"#;
    archive(
        &saved,
        &[
            ("a/layer.tar", text("first")),
            ("b/layer.tar", zipped("second")),
            ("d.json", text(&config("1"))),
            ("manifest.json", text(manifest)),
        ],
    );
    let mut layout: Vec<(String, Vec<u8>)> = Vec::new();
    let mut blob = |data: Vec<u8>| {
        let hex = sum(&data);
        layout.push((format!("blobs/sha256/{hex}"), data));
        format!(r#""digest":"sha256:{hex}""#)
    };
    let (first, second) = (blob(text("first")), blob(zipped("second")));
    let image_config = blob(text(&config("1")));
    let layers = format!(r#"{{"config":{{{image_config}}},"layers":[{{{first}}},{{{second}}}]}}"#);
    let layers = blob(text(&layers));
    let ours = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    };
    let inner = blob(text(&format!(
        r#"{{"manifests":[{{{first},"platform":{{"os":"plan9","architecture":"x"}}}},
        {{{layers},"platform":{{"os":"linux","architecture":"{ours}"}}}}]}}"#
    )));
    let name = "org.opencontainers.image.ref.name";
    let index = format!(
        r#"{{"manifests":[{{{first},"annotations":{{"{name}":"old"}}}},{{{inner},"annotations":{{"{name}":"1.0"}}}}]}}"#
    );
    layout.push(("index.json".to_owned(), text(&index)));
    let (oci, folder) = (dir.path().join("oci.tar"), dir.path().join("oci"));
    let members: Vec<(&str, Vec<u8>)> = layout
        .iter()
        .map(|(name, data)| (name.as_str(), data.clone()))
        .collect();
    archive(&oci, &members);
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    for (name, data) in &layout {
        fs::write(folder.join(name), data).unwrap();
    }
    for path in [&saved, &oci, &folder] {
        assert_eq!(
            read_image(path, "docker.io/library/web:1.0"),
            Ok((
                "A=1".to_owned(),
                vec!["first".to_owned(), "second".to_owned()]
            )),
            "{}",
            path.display()
        );
        assert!(read_image(path, "web:none").is_err(), "{}", path.display());
    }
    // Whatever is changed shows: a layer, the configuration, a manifest.
    for (place, (name, _)) in layout.iter().enumerate().take(5) {
        let mut changed: Vec<(&str, Vec<u8>)> = members.clone();
        changed[place].1.push(b' ');
        archive(&oci, &changed);
        let error = read_image(&oci, "web:1.0").unwrap_err();
        // Behind what is compressed nothing may follow at all.
        let is_told = error.contains("is not what the image says") || place == 1;
        assert!(is_told, "{name}: {error}");
    }
    let odd = dir.path().join("odd.tar");
    archive(&odd, &[("x", text("y"))]);
    let error = read_image(&odd, "x").unwrap_err();
    assert!(error.contains("no image of Docker or OCI"), "{error}");
    let fewer = r#"[{"Config":"d.json","Layers":["a/layer.tar"]}]"#;
    let config = config("1");
    let members = [("d.json", text(&config)), ("manifest.json", text(fewer))];
    archive(&odd, &members);
    let error = read_image(&odd, "x").unwrap_err();
    assert!(
        error.contains("1 layers, and its configuration tells the digests of 2"),
        "{error}"
    );
    let escape = r#"[{"Layers":["../../../../../../../../etc/passwd"]}]"#;
    fs::write(folder.join("manifest.json"), escape).unwrap();
    let error = read_image(&folder, "x").unwrap_err();
    assert!(error.contains("is not in the archive"), "{error}");
}

fn sum(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let sum = sha2::Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first variable of an image, and its layers.
fn read_image(path: &Path, reference: &str) -> Result<(String, Vec<String>), String> {
    let open = archive::Archive::open(path).map_err(|error| error.to_string())?;
    let contents = open.image(reference).map_err(|error| error.to_string())?;
    let mut layers = Vec::new();
    for mut layer in contents.layers {
        let mut text = String::new();
        layer
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        layer.finish().map_err(|error| error.to_string())?;
        layers.push(text);
    }
    let env = contents.config.env.unwrap_or_default();
    Ok((env.first().cloned().unwrap_or_default(), layers))
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
        let error = images.provide("c", None, &[wanted]).unwrap_err();
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
    let provided = images
        .provide("container-1", None, &[volume, of_appc])
        .unwrap();
    let mounts = provided.mounts.volumes;
    assert!(!mounts[0].read_only, "a layer of its own can be written");
    assert!(
        matches!(&mounts[1].source, Source::Image(layers) if layers.images == [appc.join("rootfs")])
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

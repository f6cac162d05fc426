//! Images and volumes in real containers; as root only.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aurora_mesos::v1::{
    ContainerInfo, ContainerType, Image, ImageDocker, ImageType, TaskState, Volume, VolumeMode,
};
use aurora_tests::skip::{is_root, skip};
use http::StatusCode;

use crate::world::{LIMIT, World, processes_with, task, wait_until_none};

fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, data: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    builder.append_data(&mut header, name, data).unwrap();
}

/// An image as `docker save` writes it. Its second layer goes through a link of the first one, which leads to `outside`.
fn image(outside: &Path) -> Vec<u8> {
    let mut first = tar::Builder::new(Vec::new());
    add(&mut first, "etc/motd", b"of the image\n");
    add(&mut first, "etc/gone", b"");
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_uid(0);
    link.set_gid(0);
    link.set_mtime(1);
    first.append_link(&mut link, "out", outside).unwrap();
    let mut second = tar::Builder::new(Vec::new());
    add(&mut second, "etc/.wh.gone", b"");
    let inside = outside.strip_prefix("/").unwrap();
    add(&mut second, &format!("{}/made", inside.display()), b"");
    add(&mut second, "out/evil", b"evil");
    let mut saved = tar::Builder::new(Vec::new());
    add(&mut saved, "1/layer.tar", &first.into_inner().unwrap());
    add(&mut saved, "2/layer.tar", &second.into_inner().unwrap());
    let manifest = br#"[{"RepoTags":["web:1"],"Layers":["1/layer.tar","2/layer.tar"]}]"#;
    add(&mut saved, "manifest.json", manifest);
    saved.into_inner().unwrap()
}

fn volume(container_path: &str, host: Option<&Path>, mode: VolumeMode) -> Volume {
    let docker = ImageDocker {
        name: "web:1".into(),
        ..ImageDocker::default()
    };
    Volume {
        container_path: container_path.into(),
        host_path: host.map(|path| path.display().to_string()),
        image: host.is_none().then(|| Image {
            kind: ImageType::Docker,
            docker: Some(docker),
            ..Image::default()
        }),
        mode,
        ..Volume::default()
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

async fn until_empty(folder: &Path) {
    let deadline = Instant::now() + LIMIT;
    while !entries(folder).is_empty() {
        let left = entries(folder);
        assert!(Instant::now() < deadline, "{}: {left:?}", folder.display());
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_volumes_are_mounted_and_leave_nothing() {
    if !is_root() {
        return skip(
            "images_and_volumes_are_mounted_and_leave_nothing",
            "mounts take root",
        );
    }
    let world = World::new().await;
    let place = |name: &str| world.directory.path().join(name);
    for folder in ["archives", "outside", "data", "writable"] {
        fs::create_dir(place(folder)).unwrap();
    }
    fs::write(place("data/file"), "of the machine\n").unwrap();
    fs::write(place("archives/web:1.tar"), image(&place("outside"))).unwrap();
    let registry = place("archives").display().to_string();
    let flags = ["--docker_registry", registry.as_str()];
    let mut agent = world.agent(&flags).await;

    let marker = format!("imaged-{}", std::process::id());
    let command = format!(
        ": {marker}; cat taskfs/etc/motd; ls taskfs/etc; echo mine > taskfs/new; cat taskfs/new data/file; \
         (echo no > data/no) 2> refused || echo refused; echo yes > writable/yes; touch done; \
         while :; do sleep 0.05; done"
    );
    let mut info = task("t1", &command);
    info.container = Some(ContainerInfo {
        volumes: vec![
            volume("taskfs", None, VolumeMode::Ro),
            volume("data", Some(&place("data")), VolumeMode::Ro),
            volume("writable", Some(&place("writable")), VolumeMode::Rw),
        ],
        kind: ContainerType::Mesos,
        ..ContainerInfo::default()
    });
    world.master.run(info);
    world.master.wait_for_state("t1", TaskState::Running).await;
    let latest = "/frameworks/F/executors/t1/runs/latest";
    let deadline = Instant::now() + LIMIT;
    while agent
        .get(&format!("/files/read?path={latest}/done"))
        .await
        .0
        != StatusCode::OK
    {
        assert!(Instant::now() < deadline, "the task has not begun");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    let read = agent
        .json(&format!("/files/read?path={latest}/stdout&offset=0"))
        .await;
    let said = read["data"].as_str().unwrap();
    // The command's executor writes lines of its own in between.
    let lines = ["of the image", "motd", "mine", "of the machine", "refused"];
    let seen: Vec<&str> = said.lines().filter(|line| lines.contains(line)).collect();
    assert_eq!(seen, lines, "{said}");
    assert!(!said.contains("gone"), "{said}");
    assert_eq!(fs::read_to_string(place("writable/yes")).unwrap(), "yes\n");
    assert_eq!(entries(&place("outside")), Vec::<String>::new());
    // Nobody outside sees a mount, and the image stays as it was.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let own = world.directory.path().display().to_string();
    assert!(!mounts.contains(&own), "{mounts}");
    let images = world.work_dir().join("store/docker/images");
    let key = entries(&images).remove(0);
    assert!(!images.join(&key).join("rootfs/new").exists());
    assert!(!images.join(&key).join("rootfs/etc/gone").exists());

    let prune = r#"{"type": "PRUNE_IMAGES", "prune_images": {"excluded_images": []}}"#;
    assert_eq!(
        agent.ask("POST", "/api/v1", None, prune).await.0,
        StatusCode::OK
    );
    assert_eq!(entries(&images), [key], "it is used");

    // Everybody is killed; the next agent finds the remains.
    agent.signal(nix::sys::signal::Signal::SIGKILL);
    for pid in processes_with(&marker).keys() {
        let pid = nix::unistd::Pid::from_raw(*pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    wait_until_none(&marker).await;
    let agent = world.agent(&flags).await;
    until_empty(&world.work_dir().join("provisioner/containers")).await;
    assert_eq!(
        agent.ask("POST", "/api/v1", None, prune).await.0,
        StatusCode::OK
    );
    assert_eq!(entries(&images), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_fails_the_launch() {
    if !is_root() {
        return skip(
            "an_image_that_is_not_there_fails_the_launch",
            "mounts take root",
        );
    }
    let world = World::new().await;
    let agent = world.agent(&[]).await;
    let mut info = task("t1", "true");
    info.container = Some(ContainerInfo {
        volumes: vec![volume("taskfs", None, VolumeMode::Ro)],
        kind: ContainerType::Mesos,
        ..ContainerInfo::default()
    });
    world.master.run(info);
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    let message = failed.message.unwrap_or_default();
    assert!(message.contains("no --docker_registry"), "{message}");
    drop(agent);
}

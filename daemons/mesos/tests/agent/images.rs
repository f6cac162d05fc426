//! Images and volumes in real containers; as root only.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use aurora_mesos::v1::{
    CommandInfo, ContainerInfo, ContainerType, Environment, EnvironmentVariable, ExecutorInfo,
    HealthCheck, HealthCheckType, Image, ImageDocker, ImageType, MesosInfo, TaskState, Volume,
    VolumeMode,
};
use aurora_tests::programs::copy_into_root;
use aurora_tests::skip::{is_root, skip};
use http::StatusCode;

use crate::world::{LIMIT, State, World, processes_with, task, wait_until_none};

pub(crate) fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, data: &[u8]) {
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

/// An image with a shell, and with words of its own about what runs in it.
fn system(folder: &Path) -> Vec<u8> {
    copy_into_root(&["/bin/sh", "/bin/cat", "/bin/ls", "/usr/bin/id"], folder);
    fs::create_dir_all(folder.join("srv")).unwrap();
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.join("srv"), everybody).unwrap();
    fs::create_dir_all(folder.join("etc")).unwrap();
    fs::write(folder.join("etc/motd"), "of the image\n").unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.join("etc/resolv.conf")).unwrap();
    let mut layer = tar::Builder::new(Vec::new());
    layer.follow_symlinks(false);
    layer.append_dir_all("", folder).unwrap();
    let config = br#"{"config": {"Env": ["PATH=/bin:/usr/bin", "OF=image"], "WorkingDir": "/srv",
        "Entrypoint": ["/bin/cat"], "Cmd": ["/etc/motd"]}}"#;
    let manifest = br#"[{"Config": "c.json", "RepoTags": ["web:1"], "Layers": ["1/layer.tar"]}]"#;
    let mut saved = tar::Builder::new(Vec::new());
    add(&mut saved, "1/layer.tar", &layer.into_inner().unwrap());
    add(&mut saved, "c.json", config);
    add(&mut saved, "manifest.json", manifest);
    saved.into_inner().unwrap()
}

fn in_image(volumes: Vec<Volume>) -> ContainerInfo {
    ContainerInfo {
        kind: ContainerType::Mesos,
        mesos: Some(MesosInfo {
            image: volume("unused", None, VolumeMode::Ro).image,
        }),
        volumes,
        ..ContainerInfo::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_as_the_root_of_commands_and_executors() {
    let test = "an_image_as_the_root_of_commands_and_executors";
    if !is_root() {
        return skip(test, "mounts take root");
    }
    let world = World::new().await;
    let place = |name: &str| world.directory.path().join(name);
    fs::create_dir(place("archives")).unwrap();
    fs::create_dir(place("data")).unwrap();
    fs::write(place("data/file"), "of the machine\n").unwrap();
    fs::write(place("archives/web:1.tar"), system(&place("system"))).unwrap();
    let registry = place("archives").display().to_string();
    let _agent = world.agent(&["--docker_registry", &registry]).await;
    let volumes = || {
        vec![
            volume("/mnt/data", Some(&place("data")), VolumeMode::Ro),
            volume("beside", Some(&place("data")), VolumeMode::Ro),
        ]
    };
    let show = "pwd; cat /etc/motd /mnt/data/file $MESOS_SANDBOX/beside/file; echo $OF $MINE; id -u; \
                ls -d /work /home /root 2>/dev/null; echo mine > /srv/mine; echo made > $MESOS_SANDBOX/made";

    // A command: its executor stays outside.
    let mut shell = task("shell", show);
    shell.container = Some(in_image(volumes()));
    shell.health_check = Some(HealthCheck {
        kind: Some(HealthCheckType::Command),
        command: Some(CommandInfo {
            value: Some("test -e /srv/mine".into()),
            ..CommandInfo::default()
        }),
        delay_seconds: 0.0,
        interval_seconds: 0.1,
        consecutive_failures: 100,
        ..HealthCheck::default()
    });
    let command = shell.command.as_mut().unwrap();
    command.value = Some(format!(
        "{show}; until test -e $MESOS_SANDBOX/go; do :; done"
    ));
    command.user = Some("nobody".into());
    command.environment = Some(Environment {
        variables: vec![EnvironmentVariable {
            name: "MINE".into(),
            value: Some("own".into()),
            ..EnvironmentVariable::default()
        }],
    });
    world.master.run(shell);
    let healthy = |state: &State| {
        let mut updates = state.updates.iter();
        updates
            .any(|update| update.healthy == Some(true))
            .then_some(())
    };
    world.master.wait("a healthy task", healthy).await;
    let sandbox = |id: &str| {
        let path = format!("slaves/S0/frameworks/F/executors/{id}/runs/latest");
        world.work_dir().join(path)
    };
    fs::write(sandbox("shell").join("go"), "").unwrap();
    world
        .master
        .wait_for_state("shell", TaskState::Finished)
        .await;

    // One without words, which is what the image says.
    let mut plain = task("plain", "");
    plain.container = Some(in_image(vec![]));
    plain.command = Some(CommandInfo {
        shell: false,
        ..CommandInfo::default()
    });
    world.master.run(plain);
    world
        .master
        .wait_for_state("plain", TaskState::Finished)
        .await;

    // An executor of one's own.
    let mut own = task("own", "");
    own.command = None;
    own.executor = Some(ExecutorInfo {
        executor_id: "own".into(),
        framework_id: Some("F".into()),
        command: Some(CommandInfo {
            value: Some(format!("{show}; exit 9")),
            ..CommandInfo::default()
        }),
        container: Some(in_image(volumes())),
        ..ExecutorInfo::default()
    });
    world.master.run(own);
    let exited = |state: &State| {
        let mut exited = state.exited.iter();
        exited
            .find(|exited| exited.executor_id.value == "own")
            .cloned()
    };
    assert_eq!(world.master.wait("exit", exited).await.status, 9 << 8);

    let machine = "of the image\nof the machine\nof the machine\n";
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid;
    for (id, expected) in [
        ("shell", format!("/srv\n{machine}image own\n{nobody}\n")),
        ("plain", "of the image\n".to_owned()),
        ("own", format!("/srv\n{machine}image\n0\n")),
    ] {
        let said = fs::read_to_string(sandbox(id).join("stdout")).unwrap();
        // The command's executor writes lines of its own before and after.
        let said: String = said
            .lines()
            .filter(|line| !line.starts_with("Forked") && !line.starts_with("Command"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(said, expected, "{id}");
    }
    for id in ["shell", "own"] {
        let made = fs::read_to_string(sandbox(id).join("made")).unwrap();
        assert_eq!(made, "made\n", "{id}");
    }
    until_empty(&world.work_dir().join("provisioner/containers")).await;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let own = world.directory.path().display().to_string();
    assert!(!mounts.contains(&own), "{mounts}");
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

pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

pub(crate) async fn until_empty(folder: &Path) {
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

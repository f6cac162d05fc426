//! What a command's URIs bring, and whether they may.

use std::time::{Duration, Instant};

use aurora_mesos::v1::{CommandUri, StatusReason, TaskState};
use aurora_tests::skip::{is_root, skip};

use crate::world::{LIMIT, World, processes_with, task};

/// The archives are made by the programs whose formats they have.
#[tokio::test(flavor = "multi_thread")]
async fn archives_are_unpacked_by_their_names() {
    let world = World::new().await;
    let agent = world.agent(&[]).await;
    let directory = world.directory.path();
    let make = |line: &str| {
        let made = std::process::Command::new("sh")
            .args(["-ec", line])
            .current_dir(directory)
            .status();
        assert!(made.unwrap().success(), "{line}");
    };
    let kinds = ["tar", "tgz", "tar.bz2", "txz", "zip"];
    for kind in kinds {
        make(&format!("echo from {kind} > in-{kind}"));
        match kind {
            "zip" => make("python3 -m zipfile -c a.zip in-zip"),
            kind => make(&format!("tar -caf a.{kind} in-{kind}")),
        }
    }
    make("echo from gz | gzip > in-gz.gz; mkfifo pipe; chmod 666 pipe");
    let fetch = |id: &str, files: &[String]| {
        let mut info = task(id, "cat in-*");
        let uris = files.iter().map(|file| CommandUri {
            value: directory.join(file).display().to_string(),
            ..CommandUri::default()
        });
        info.command.as_mut().unwrap().uris = uris.collect();
        world.master.run(info);
    };
    let mut archives: Vec<String> = kinds.iter().map(|kind| format!("a.{kind}")).collect();
    archives.push("in-gz.gz".to_owned());
    fetch("t1", &archives);
    world.master.wait_for_state("t1", TaskState::Finished).await;
    let stdout = "/files/read?path=/frameworks/F/executors/t1/runs/latest/stdout&offset=0";
    let text = agent.json(stdout).await["data"].to_string();
    for kind in kinds.iter().chain(&["gz"]) {
        assert!(
            text.contains(&format!("from {kind}\\n")),
            "{kind} in {text}"
        );
    }
    // A pipe that nobody writes to would be waited for until the launch is given up.
    fetch("t2", &["pipe".to_owned()]);
    let failed = world.master.wait_for_state("t2", TaskState::Failed).await;
    let message = failed.message.unwrap();
    assert!(message.ends_with("pipe is not a regular file"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_gets_no_file_that_its_user_may_not_read() {
    if !is_root() {
        return skip(
            "a_task_gets_no_file_that_its_user_may_not_read",
            "tasks have users of their own under root alone",
        );
    }
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let _agent = world.agent(&[]).await;
    for (id, user, mode, state) in [
        ("root", "root", 0o600, TaskState::Finished),
        ("other", "nobody", 0o644, TaskState::Finished),
        ("secret", "nobody", 0o600, TaskState::Failed),
    ] {
        let source = world.directory.path().join(id);
        std::fs::write(&source, "text\n").unwrap();
        std::fs::set_permissions(&source, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut info = task(id, &format!("test $(stat -c %U {id}) = {user}"));
        let command = info.command.as_mut().unwrap();
        command.user = Some(user.into());
        command.uris = vec![CommandUri {
            value: source.display().to_string(),
            ..CommandUri::default()
        }];
        world.master.run(info);
        let ended = world.master.wait_for_state(id, state).await;
        let message = ended.message.unwrap();
        let denied = message.contains("Permission denied");
        assert_eq!(denied, state == TaskState::Failed, "{id}: {message}");
    }
}

/// The server takes the request and answers nothing.
#[tokio::test(flavor = "multi_thread")]
async fn fetching_counts_as_a_part_of_an_executors_start() {
    let world = World::new().await;
    let flags = ["--executor_registration_timeout", "1secs"];
    let _agent = world.agent(&flags).await;
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut info = task("t1", "true");
    info.command.as_mut().unwrap().uris = vec![CommandUri {
        value: format!("http://{}/file", server.local_addr().unwrap()),
        ..CommandUri::default()
    }];
    world.master.run(info);
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    assert_eq!(
        failed.reason,
        Some(StatusReason::ExecutorRegistrationTimeout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_has_bounds() {
    let world = World::new().await;
    let _agent = world.agent(&["--fetcher_max_size", "1"]).await;
    let directory = world.directory.path();
    let made = std::process::Command::new("sh")
        .arg("-ec")
        .arg(
            "truncate -s 700K a b; truncate -s 3M large; tar -czf in.tgz large; gzip -k large; \
             python3 -m zipfile -c in.zip large; for i in 1 2 3; do truncate -s 700K m$i; done; \
             tar -czf many.tgz m1 m2 m3",
        )
        .current_dir(directory)
        .status();
    assert!(made.unwrap().success());
    let bound = "larger than the 1048576 bytes that may be fetched";
    for (id, files, words) in [
        ("fits", &["a"][..], None),
        ("large", &["large"], Some(bound)),
        ("sum", &["a", "b"], Some(bound)),
        ("tgz", &["in.tgz"], Some("extracting")),
        ("many", &["many.tgz"], Some("extracting")),
        ("gz", &["large.gz"], Some("File too large")),
        ("zip", &["in.zip"], Some("unpacking with 'unzip' failed")),
    ] {
        let mut info = task(id, "true");
        let uris = files.iter().map(|file| CommandUri {
            value: directory.join(file).display().to_string(),
            ..CommandUri::default()
        });
        info.command.as_mut().unwrap().uris = uris.collect();
        world.master.run(info);
        let Some(words) = words else {
            world.master.wait_for_state(id, TaskState::Finished).await;
            continue;
        };
        let failed = world.master.wait_for_state(id, TaskState::Failed).await;
        assert_eq!(failed.reason, Some(StatusReason::ContainerLaunchFailed));
        let message = failed.message.unwrap();
        assert!(message.contains(words), "{id}: {message}");
    }
}

/// A server of one answer each: whole, broken off, and not found.
#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_whole_or_fail_the_launch() {
    let world = World::new().await;
    let _agent = world.agent(&["--fetcher-stall-timeout", "1secs"]).await;
    let whole = "x".repeat(100_000);
    for (id, answer, outcome) in [
        (
            "whole",
            format!("200 OK\r\nContent-Length: 100000\r\n\r\n{whole}"),
            None,
        ),
        (
            "short",
            format!("200 OK\r\nContent-Length: 200000\r\n\r\n{whole}"),
            Some("body"),
        ),
        (
            "missing",
            "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            Some("404 Not Found, expected 200 OK"),
        ),
    ] {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let mut info = task(id, "test $(wc -c < file) = 100000");
        info.command.as_mut().unwrap().uris = vec![CommandUri {
            value: format!("http://{address}/file"),
            ..CommandUri::default()
        }];
        world.master.run(info);
        let served = tokio::task::spawn_blocking(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream
                .write_all(format!("HTTP/1.1 {answer}").as_bytes())
                .unwrap();
            // Open until the other end has enough of it.
            let _ = stream.read(&mut request);
        });
        let state = if outcome.is_some() {
            TaskState::Failed
        } else {
            TaskState::Finished
        };
        let status = world.master.wait_for_state(id, state).await;
        if let Some(words) = outcome {
            let message = status.message.unwrap();
            assert!(
                message.contains("Failed to fetch") && message.contains(words),
                "{id}: {message}"
            );
        }
        served.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_during_a_fetch_leaves_no_process() {
    let world = World::new().await;
    let mut agent = world.agent(&[]).await;
    // Accepts and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut info = task("t1", "true");
    if let Some(command) = &mut info.command {
        let value = format!("http://{}/file", silent.local_addr().unwrap());
        command.uris = vec![CommandUri {
            value,
            ..CommandUri::default()
        }];
    }
    world.master.run(info);
    let (_connection, _) = tokio::time::timeout(LIMIT, silent.accept())
        .await
        .unwrap()
        .unwrap();
    let program = env!("CARGO_BIN_EXE_aurora-mesos-agent");
    let ours = |mode: &str| -> Vec<i32> {
        let children = processes_with(&format!("{program} {mode}"));
        let parent = format!("PPid:\t{}\n", agent.child.id());
        let of_agent = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/status"))
                .is_ok_and(|text| text.contains(&parent))
        };
        children.into_keys().filter(of_agent).collect()
    };
    let mut started = ours("launch-container");
    started.extend(ours("fetch"));
    assert_eq!(started.len(), 2, "a helper that waits and a fetcher");
    agent.signal(nix::sys::signal::Signal::SIGKILL);
    let deadline = Instant::now() + LIMIT;
    while started.iter().any(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }) {
        assert!(Instant::now() < deadline, "{started:?} are still there");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    // The next agent tells how the task ended.
    let _agent = world.agent(&[]).await;
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    assert_eq!(failed.reason, Some(StatusReason::ExecutorTerminated));
}

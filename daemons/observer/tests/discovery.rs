//! What the observer looks at, whom it believes, its histories, metrics and pages.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::time::Duration;

use aurora_api::observer::TaskHistory;
use aurora_api::thermos::{RunnerCkpt, TaskState, TaskStatus};
use aurora_daemon::lifecycle::Shutdown;
use serde_json::json;
use support::{Machine, TASK, get, get_until, get_with, page, start, start_over};

#[tokio::test]
async fn metrics_are_lines_values_and_an_object() {
    let machine = Machine::new();
    machine.launch();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let object = get(address, "/vars.json").await;
    assert_eq!(object["observer.tasks_active"], 1);
    let (_, lines) = page(address, "/vars").await;
    let names: Vec<&str> = lines
        .lines()
        .map(|line| line.split_once(' ').unwrap().0)
        .collect();
    assert!(
        names.is_sorted() && names.contains(&"sys.uptime"),
        "{lines}"
    );
    assert_eq!(
        page(address, "/vars/observer.tasks_finished").await,
        (200, "0".into())
    );
    let (_, threads) = page(address, "/threads").await;
    let main = format!("{} ", std::process::id());
    assert!(
        threads.lines().any(|line| line.starts_with(&main)),
        "{threads}"
    );
    shutdown.trigger();
}

#[tokio::test]
async fn only_what_has_changed_is_looked_at() {
    let (one, two) = (Machine::new(), tempfile::tempdir().unwrap());
    one.launch();
    let shutdown = Shutdown::new();
    let roots = vec![one.directory.path().to_owned(), two.path().to_owned()];
    let (address, _) = start_over(roots, &shutdown).await;
    let effort = async || {
        let vars = get(address, "/vars.json").await;
        (
            vars["observer.discovery_walks"].as_u64().unwrap(),
            vars["observer.run_looks"].as_u64().unwrap(),
        )
    };
    let first = effort().await;
    for _ in 0..20 {
        get(address, "/j/task_ids").await;
    }
    assert_eq!(effort().await, first, "nothing has changed");
    // A record more is one look more, and no walk.
    one.append(&RunnerCkpt::TaskStatus(TaskStatus {
        state: Some(TaskState::Cleaning),
        timestamp_ms: Some(1_700_000_005_000),
        ..TaskStatus::default()
    }));
    let row = &get(address, "/j/task_ids").await["tasks"][0];
    assert_eq!(row["state"], "CLEANING");
    assert_eq!(effort().await, (first.0, first.1 + 1));
    // Another agent's first task is found, however its directories come about.
    let other = two
        .path()
        .join("slaves/S1/frameworks/F1/executors/thermos-t2/runs/c1");
    fs::create_dir_all(&other).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["all"], 1);
    let parts = [
        ("tasks/active", "tasks/active/t2"),
        ("checkpoints/t2", "checkpoints/t2/runner"),
    ];
    let from = one.run().join("checkpoints");
    for (folder, file) in parts {
        fs::create_dir_all(other.join("checkpoints").join(folder)).unwrap();
        fs::copy(
            from.join(file.replace("t2", TASK)),
            other.join("checkpoints").join(file),
        )
        .unwrap();
    }
    assert_eq!(get(address, "/j/task_id_count").await["active"], 2);
    // What the agent removes is gone.
    fs::remove_dir_all(two.path().join("slaves")).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["all"], 1);
    shutdown.trigger();
}

#[tokio::test]
async fn an_agents_directory_may_come_later() {
    // Apache Mesos' agent makes its work directory when it starts, and the observer may have been started before.
    let (machine, place) = (Machine::new(), tempfile::tempdir().unwrap());
    machine.launch();
    let root = place.path().join("mesos/agent");
    let shutdown = Shutdown::new();
    let (address, _) = start_over(vec![root.clone()], &shutdown).await;
    assert_eq!(get(address, "/j/task_id_count").await["all"], 0);
    fs::create_dir(place.path().join("mesos")).unwrap();
    fs::rename(machine.directory.path(), &root).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["active"], 1);
    // The agent's directory is thrown away, and another one takes its place.
    let aside = place.path().join("aside");
    fs::rename(&root, &aside).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["all"], 0);
    fs::rename(&aside, &root).unwrap();
    assert_eq!(get(address, "/j/task_id_count").await["active"], 1);
    shutdown.trigger();
}

#[tokio::test]
async fn a_task_lies_about_itself_at_most() {
    let machine = Machine::new();
    machine.launch();
    let honest = machine.run().join("checkpoints");
    // A second task claims to be the first, names other directories, and leaves a pipe and a link to wait at.
    let evil = machine
        .directory
        .path()
        .join("slaves/S0/frameworks/F0/executors/thermos-evil/runs/c0");
    let root = evil.join("checkpoints");
    fs::create_dir_all(root.join("tasks/active")).unwrap();
    fs::create_dir_all(root.join("checkpoints").join(TASK)).unwrap();
    fs::create_dir_all(root.join("checkpoints/evil")).unwrap();
    fs::copy(
        honest.join("tasks/active").join(TASK),
        root.join("tasks/active").join(TASK),
    )
    .unwrap();
    fs::write(root.join("checkpoints").join(TASK).join("runner"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("tasks/active/evil")).unwrap();
    nix::unistd::mkfifo(
        &root.join("checkpoints/evil/runner"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let answers = tokio::time::timeout(Duration::from_secs(10), get(address, "/j/task_ids"));
    let list = answers.await.expect("nobody waits for a pipe");
    assert_eq!(list["task_count"], 1);
    assert_eq!(list["tasks"][0]["name"], "hello");

    // It has a stream now, whose header names the first one's sandbox.
    fs::remove_file(root.join("tasks/active/evil")).unwrap();
    fs::remove_file(root.join("checkpoints/evil/runner")).unwrap();
    fs::copy(
        honest.join("checkpoints").join(TASK).join("runner"),
        root.join("checkpoints/evil/runner"),
    )
    .unwrap();
    fs::copy(
        honest.join("tasks/active").join(TASK),
        root.join("tasks/active/evil"),
    )
    .unwrap();
    get_until(address, "/j/task_id_count", |count| count["all"] == 2).await;
    assert_eq!(
        get(address, "/filedata/evil/file?offset=0").await,
        json!({})
    );
    assert_eq!(
        get(address, "/logdata/evil/hello/0/stdout?offset=0").await,
        json!({})
    );
    assert_eq!(page(address, "/browse/evil").await.0, 404);
    let (_, text) = page(address, &format!("/download/{TASK}/file")).await;
    assert!(
        text.ends_with("content"),
        "the first one is as it was: {text}"
    );
    shutdown.trigger();
}

#[tokio::test]
async fn histories_grow_sample_by_sample() {
    let machine = Machine::new();
    machine.launch();
    let shutdown = Shutdown::new();
    let roots = vec![machine.directory.path().to_owned()];
    let (address, observer) = start_over(roots, &shutdown).await;
    let (first, second) = (observer.clone(), observer);
    tokio::task::spawn_blocking(move || first.sample())
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || second.sample())
        .await
        .unwrap();
    let history: TaskHistory =
        serde_json::from_value(get(address, &format!("/ext/v1/history/{TASK}")).await).unwrap();
    assert_eq!((history.interval_secs, history.samples.len()), (20, 2));
    assert!(
        history
            .samples
            .iter()
            .all(|sample| sample.ram > 0 && sample.at_ms > 1_700_000_000_000)
    );
    shutdown.trigger();
}

#[tokio::test]
async fn pages_for_a_browser() {
    let machine = Machine::new();
    machine.launch();
    fs::write(machine.sandbox().join("<i>.txt"), "a\x1b[31m<script>\n").unwrap();
    let big: String = (0..9000).map(|line| format!("line {line}\n")).collect();
    fs::write(machine.sandbox().join("big"), &big).unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    for (path, wanted) in [
        (
            "/".to_owned(),
            vec![
                "active tasks 1...1 of 1",
                "finished tasks 0...0 of 0",
                "content=\"10\"",
                "hello",
            ],
        ),
        (
            "/main/all/0/20".to_owned(),
            vec!["all tasks 1...1 of 1", "11/14 22:13:20"],
        ),
        (
            format!("/task/{TASK}"),
            vec!["ACTIVE @ 11/14 22:13:20", "http://h:31000", "/process/"],
        ),
        (format!("/rawtask/{TASK}"), vec!["serve 31000"]),
        (
            format!("/process/{TASK}/hello"),
            vec!["serve 31000", "RUNNING", "/logs/"],
        ),
        (
            format!("/browse/{TASK}"),
            vec!["&lt;i&gt;.txt", "%3Ci%3E.txt", ".logs/", "drwx"],
        ),
        (format!("/browse/{TASK}/.logs"), vec!["..", "hello/"]),
        (
            format!("/file/{TASK}/%3Ci%3E.txt"),
            vec!["a\u{241b}[31m&lt;script&gt;", "WHOLE FILE"],
        ),
        (
            format!("/logs/{TASK}/hello/0/stdout?follow=1"),
            vec!["one &lt;b&gt;", "content=\"2\"", "stop following"],
        ),
        (
            format!("/file/{TASK}/big"),
            vec!["line 8999\n", "AT END OF FILE", "?end="],
        ),
        (
            format!("/file/{TASK}/big?end=100"),
            vec!["<pre>line 0\n", "AT BEGINNING OF FILE"],
        ),
    ] {
        let (status, text) = page(address, &path).await;
        assert_eq!(status, 200, "{path}: {text}");
        for part in wanted {
            assert!(text.contains(part), "{path} lacks {part:?}: {text}");
        }
        assert!(
            !text.contains("<script") && !text.contains('\x1b'),
            "{path}"
        );
    }
    assert!(page(address, "/assets/style.css").await.1.contains("body{"));
    assert_eq!(page(address, "/favicon.ico").await.0, 302);
    for path in ["browse", "file", "logs"] {
        let path = format!("/{path}/{TASK}/hello/0/stdout");
        assert_eq!(
            get_with(address, &path, "host: localhost\r\n").await.0,
            401,
            "{path}"
        );
    }
    shutdown.trigger();
}

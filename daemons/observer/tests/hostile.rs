//! A sandbox whose owner means no good: names, and links that move while they are looked at.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aurora_daemon::lifecycle::Shutdown;
use support::{Machine, TASK, get, get_until, page, start};

#[tokio::test]
async fn hostile_names_are_names() {
    let machine = Machine::new();
    machine.launch();
    let odd = machine.sandbox().join("odd");
    fs::create_dir(&odd).unwrap();
    // Two of them are not text; the one with a slash in disguise is a name like the others.
    let names: &[&[u8]] = &[
        b"<script>alert(1)<",
        b"\x1b[2J",
        b"a\nb",
        b"%2e%2e%2f",
        b"..%2fetc",
        b"-rf",
        b"\xff\xfe",
        b"a\"b'c&d",
        "\u{202e}txt".as_bytes(),
    ];
    for name in names {
        fs::write(odd.join(std::ffi::OsStr::from_bytes(name)), "content").unwrap();
    }
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let (status, text) = page(address, &format!("/browse/{TASK}/odd")).await;
    assert_eq!(status, 200);
    for wrong in ["<script>alert", "\x1b", "a\"b'c&d"] {
        assert!(!text.contains(wrong), "{wrong:?}: {text}");
    }
    let listing = get(address, &format!("/ext/v1/browse/{TASK}/odd")).await;
    assert_eq!(listing["entries"].as_array().unwrap().len(), names.len());
    // Each that is text can be read under its name.
    for name in names
        .iter()
        .filter(|name| std::str::from_utf8(name).is_ok())
    {
        let escaped: String = name.iter().map(|byte| format!("%{byte:02x}")).collect();
        let piece = get(address, &format!("/filedata/{TASK}/odd/{escaped}?offset=0")).await;
        assert_eq!(piece["data"], "content", "{escaped}");
    }
    for outside in [
        "/filedata/TASK/%2e%2e/checkpoints/tasks/active/TASK",
        "/filedata/TASK/odd/..%2f..%2f..%2fcheckpoints%2ftasks%2factive%2fTASK",
        "/filedata/TASK/%2fetc%2fpasswd",
        "/filedata/TASK//etc/passwd",
        "/filedata/TASK/odd%00",
    ] {
        let path = outside.replace("TASK", TASK);
        let (_, text) = page(address, &format!("{path}?offset=0")).await;
        assert!(
            !text.contains("root:") && !text.contains("processes"),
            "{path}: {text}"
        );
    }
    shutdown.trigger();
}

/// What is looked at becomes a link to a secret, and a file again, all the time. Only the file is ever shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_move_show_nothing() {
    let machine = Machine::new();
    machine.launch();
    let sandbox = machine.sandbox();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "SECRET").unwrap();
    fs::create_dir(sandbox.join("folder")).unwrap();
    fs::write(sandbox.join("folder/file"), "content").unwrap();
    symlink(outside.path(), sandbox.join("link")).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let turning = {
        let (over, sandbox) = (over.clone(), sandbox.clone());
        std::thread::spawn(move || {
            let mut turns = 0;
            // Folder and link change places in one step of the kernel's.
            let exchange = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
            while !over.load(Ordering::Relaxed) {
                nix::fcntl::renameat2(
                    nix::fcntl::AT_FDCWD,
                    &sandbox.join("folder"),
                    nix::fcntl::AT_FDCWD,
                    &sandbox.join("link"),
                    exchange,
                )
                .unwrap();
                turns += 1;
            }
            turns
        })
    };
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let (mut seen, mut refused) = (0, 0);
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        for path in [
            format!("/filedata/{TASK}/folder/file?offset=0"),
            format!("/download/{TASK}/folder/file"),
            format!("/ext/v1/browse/{TASK}/folder"),
        ] {
            let (status, text) = page(address, &path).await;
            assert!(!text.contains("SECRET"), "{path}: {text}");
            assert!(matches!(status, 200 | 403 | 404), "{path}: {status} {text}");
            match text.contains("content") {
                true => seen += 1,
                false => refused += 1,
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    let turns = turning.join().unwrap();
    // Else nothing was tried.
    assert!(
        seen > 0 && refused > 0 && turns > 100,
        "{seen} {refused} {turns}"
    );
    shutdown.trigger();
}

#[tokio::test]
async fn ids_with_blanks_are_shown() {
    let machine = Machine::new();
    machine.launch();
    let executors = machine
        .directory
        .path()
        .join("slaves/S0/frameworks/F0/executors");
    fs::rename(
        executors.join(format!("thermos-{TASK}")),
        executors.join("thermos-a b"),
    )
    .unwrap();
    let root = executors.join("thermos-a b/runs/c0/checkpoints");
    fs::rename(
        root.join("tasks/active").join(TASK),
        root.join("tasks/active/a b"),
    )
    .unwrap();
    fs::rename(
        root.join("checkpoints").join(TASK),
        root.join("checkpoints/a b"),
    )
    .unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let list = get_until(address, "/j/task_ids", |list| list["task_count"] == 1).await;
    assert_eq!(list["tasks"][0]["task_id"], "a b");
    assert_eq!(
        get(address, "/j/task/a%20b").await["a b"]["state"],
        "ACTIVE"
    );
    shutdown.trigger();
}

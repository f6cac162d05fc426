//! The observer's JSON, files and logs, on checkpoint streams and a sandbox written here.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use aurora_daemon::lifecycle::Shutdown;
use serde_json::{Value, json};
use support::{Machine, SECRET, TASK, get, get_until, get_with, page, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_task_is_shown_from_its_launch_to_its_end() {
    let machine = Machine::new();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    assert_eq!(
        get(address, "/j/task_id_count").await,
        json!({"active": 0, "finished": 0, "all": 0})
    );
    machine.launch();
    get_until(address, "/j/task_id_count", |count| count["active"] == 1).await;

    let list = get(address, "/j/task_ids/active").await;
    let row = &list["tasks"][0];
    assert_eq!(
        (
            &row["task_id"],
            &row["name"],
            &row["role"],
            &row["state"],
            &row["launch_timestamp"],
            &row["ports"]
        ),
        (
            &json!(TASK),
            &json!("hello"),
            &json!("www-data"),
            &json!("ACTIVE"),
            &json!(1_700_000_000),
            &json!({"http": 31000})
        )
    );
    assert!(row["ram"].as_u64().unwrap() > 0, "{row}");
    assert_eq!(
        (&list["type"], &list["num"], &list["task_count"]),
        (&json!("active"), &json!(20), &json!(1))
    );

    let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
    assert_eq!(task["processes"]["running"], json!(["hello"]));
    assert_eq!(task["task"]["processes"][0]["cmdline"], "serve 31000");
    assert_eq!(task["user"], "www-data");

    let run = get(address, &format!("/j/process/{TASK}/hello")).await;
    assert_eq!(
        (&run["state"], &run["process_run"], &run["start_time"]),
        (&json!("RUNNING"), &json!(0), &json!(1_700_000_001.5))
    );
    assert!(run["used"]["rss"].as_u64().unwrap() > 0);
    assert_eq!(
        get(address, &format!("/j/process/{TASK}/hello/-2")).await,
        json!({})
    );

    machine.finish();
    get_until(address, "/j/task_id_count", |count| {
        count["finished"] == 1 && count["active"] == 0
    })
    .await;
    let run = get(address, &format!("/j/processes?task_id={TASK},other")).await;
    assert_eq!(
        run,
        json!({TASK: {"hello": {"process_name": "hello", "process_run": 0, "state": "FAILED",
            "start_time": 1_700_000_001.5, "stop_time": 1_700_000_009.0, "return_code": 7}}, "other": {}})
    );
    let task = &get(address, &format!("/j/task/{TASK}")).await[TASK];
    assert_eq!(
        (&task["state"], &task["state_timestamp"]),
        (&json!("FAILED"), &json!(1_700_000_010))
    );
    assert_eq!(task["processes"]["failed"], json!(["hello"]));
    shutdown.trigger();
}

#[tokio::test]
async fn files_and_logs_are_read_in_pieces_and_only_with_the_secret() {
    let machine = Machine::new();
    machine.launch();
    std::os::unix::fs::symlink("/etc/passwd", machine.sandbox().join("leak")).unwrap();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;

    let log = format!("/logdata/{TASK}/hello/0/stdout");
    assert_eq!(get(address, &log).await, json!({"offset": 12, "length": 0}));
    assert_eq!(
        get(address, &format!("{log}?offset=&length=")).await,
        json!({"offset": 12, "length": 0})
    );
    assert_eq!(
        get(address, &format!("{log}?offset=0&length=8")).await,
        json!({"offset": 0, "length": 8, "data": "one &lt;b&gt;\n"})
    );
    assert_eq!(
        get(address, &format!("{log}?offset=8")).await,
        json!({"offset": 8, "length": 4, "data": "two\n"})
    );
    for nothing in [
        format!("/logdata/{TASK}/hello/1/stdout?offset=0"),
        format!("/logdata/{TASK}/hello/0/other?offset=0"),
        format!("/logdata/{TASK}/..%2F..%2Fetc/0/stdout?offset=0"),
        format!("{log}?offset=x"),
        format!("/filedata/{TASK}/leak?offset=0"),
        format!("/filedata/{TASK}/..%2F..%2F..%2Fetc/passwd?offset=0"),
        "/filedata/other/file?offset=0".to_owned(),
    ] {
        assert_eq!(get(address, &nothing).await, json!({}), "{nothing}");
    }
    let listing = get(address, &format!("/ext/v1/browse/{TASK}/")).await;
    let names: Vec<_> = listing["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, [".logs", "file", "leak"]);

    let with_secret = "host: localhost\r\nauthorization: Bearer s3cret\r\n";
    let (status, body) = get_with(address, &format!("/download/{TASK}/file"), with_secret).await;
    assert!(status == 200 && body.contains("content"), "{status} {body}");
    assert_eq!(
        get_with(address, &format!("/download/{TASK}/leak"), with_secret)
            .await
            .0,
        404
    );

    for path in [
        log.as_str(),
        "/filedata/x/y",
        "/download/x/y",
        "/ext/v1/browse/x",
    ] {
        assert_eq!(
            get_with(address, path, "host: localhost\r\n").await.0,
            401,
            "{path}"
        );
    }
    let foreign = "host: evil.example\r\nauthorization: Bearer s3cret\r\n";
    assert_eq!(get_with(address, "/j/task_ids", foreign).await.0, 403);
    shutdown.trigger();
}

#[tokio::test]
async fn odd_questions_and_tasks_that_are_over() {
    let machine = Machine::new();
    machine.launch();
    machine.finish();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    // First seen when it is over.
    assert_eq!(
        get(address, "/j/task_id_count").await,
        json!({"active": 0, "finished": 1, "all": 1})
    );
    let row = &get(address, "/j/task_ids/finished/-1/0").await;
    assert_eq!((&row["offset"], &row["num"]), (&json!(0), &json!(20)));
    let row = &row["tasks"][0];
    for zero in [
        "cpu", "ram", "user", "system", "rss", "vms", "threads", "disk",
    ] {
        assert_eq!(row[zero].as_f64(), Some(0.0), "{zero}");
    }
    assert_eq!(
        (&row["nice"], &row["status"]),
        (&Value::Null, &json!("None"))
    );
    let consumption = &get(address, &format!("/j/task/{TASK}")).await[TASK]["resource_consumption"];
    assert_eq!(consumption["disk"], json!(0));
    for (path, expected) in [
        ("/j/task".to_owned(), json!({})),
        ("/j/task?task_id=".to_owned(), json!({})),
        ("/j/task?task_id=other".to_owned(), json!({})),
        (format!("/j/process/{TASK}"), json!({})),
        (format!("/j/process/{TASK}/other"), json!({})),
        (format!("/j/process/{TASK}/hello/x"), json!({})),
        (
            "/ext/v1/history/other".to_owned(),
            json!({"interval_secs": 20, "samples": []}),
        ),
    ] {
        assert_eq!(get(address, &path).await, expected, "{path}");
    }
    for path in [
        "/j/task/other",
        "/j/task_ids/some",
        "/j/task_ids/all/x",
        "/j/task_ids/all/0/0/0",
        "/nothing",
        "/vars/none",
        "/task/other",
        "/main/some",
        "/assets/other",
    ] {
        assert_eq!(page(address, path).await.0, 404, "{path}");
    }
    assert_eq!(page(address, "/health").await, (200, "OK".into()));
    shutdown.trigger();
}

#[tokio::test]
async fn downloads_have_ranges() {
    let machine = Machine::new();
    machine.launch();
    let shutdown = Shutdown::new();
    let address = start(machine.directory.path(), &shutdown).await;
    let path = format!("/download/{TASK}/file");
    for (range, status, body) in [
        ("bytes=0-2", 206, "con"),
        ("bytes=-3", 206, "ent"),
        ("bytes=99-", 416, ""),
        ("nonsense", 200, "content"),
    ] {
        let headers = format!("{SECRET}range: {range}\r\n");
        assert_eq!(
            get_with(address, &path, &headers).await,
            (status, body.to_owned()),
            "{range}"
        );
    }
    shutdown.trigger();
}

#[test]
fn a_download_that_nobody_takes_holds_nobody_up() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // The one thread that may block on files.
    runtime.max_blocking_threads(1).enable_all();
    runtime.build().unwrap().block_on(async {
        let machine = Machine::new();
        machine.launch();
        let large = std::fs::File::create(machine.sandbox().join("large")).unwrap();
        // More than the sockets in between hold.
        large.set_len(256 << 20).unwrap();
        let shutdown = Shutdown::new();
        let address = start(machine.directory.path(), &shutdown).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /download/{TASK}/large HTTP/1.1\r\n{SECRET}\r\n");
        slow.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        slow.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        let others = tokio::time::timeout(Duration::from_secs(10), page(address, "/health"));
        assert_eq!(others.await.expect("an answer"), (200, "OK".into()));
        shutdown.trigger();
    });
}

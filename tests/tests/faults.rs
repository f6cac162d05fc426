//! A machine that misbehaves: a disk that fills up, a clock that is set back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write;
use std::path::Path;

use aurora_tests::cluster::{Cluster, role, scratch};
use aurora_tests::{http, skip, wait};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

fn sleeper(role: &str, name: &str) -> String {
    format!(
        "task = Task(name = 'main', processes = [Process(name = 'main', cmdline = 'exec sleep 1000')],\n\
         \x20           resources = Resources(cpu = 0.1, ram = 16*MB, disk = 16*MB), finalization_wait = 1)\n\
         jobs = [Service(cluster = 'devcluster', role = '{role}', environment = 'devel', name = '{name}', task = task)]\n"
    )
}

/// From here on this thread and what it starts see a small disk at the path, and nobody else does: it goes with the last of
/// them, whatever becomes of the test.
fn small_disk(path: &Path) {
    fs::create_dir(path).unwrap();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(
        none,
        path,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=300m,mode=755"),
    )
    .unwrap();
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_promised() {
    if !skip::is_root() {
        return skip::skip(
            "a_disk_that_fills_up_loses_nothing_that_was_promised",
            "only root can mount a small disk",
        );
    }
    let directory = scratch();
    small_disk(&directory.path().join("state"));
    let mut cluster = Cluster::start_in(directory);
    let role = role();
    let before = format!("devcluster/{role}/devel/before");
    let file = cluster.job_file("before.aurora", &sleeper(&role, "before"));
    cluster.aurora_ok(&["job", "create", &before, &file]);
    cluster.wait_for_states(&before, &["RUNNING"]);

    let filler = cluster.state().join("filler");
    let mut full = fs::File::create(&filler).unwrap();
    let piece = vec![0; 1 << 16];
    let error = std::iter::repeat_with(|| full.write_all(&piece))
        .find_map(Result::err)
        .unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);

    // Changes go on until the log has used up the room that it set aside. Then the scheduler ends, and says why.
    let kept: Vec<usize> = (0..)
        .map_while(|number| set_quota(&cluster, number).ok())
        .collect();
    assert!(kept.len() < 300, "more than the disk holds");
    wait::until("the scheduler to say why it ended", || {
        let log = fs::read_to_string(cluster.state().join("logs/scheduler.log")).unwrap();
        let words = "the disk is full";
        if log.contains(words) {
            Ok(())
        } else {
            Err(cluster.log())
        }
    });

    // Whatever is written to its logs, the supervisor tries to start it, and nothing panics.
    let endings = fs::read_to_string(cluster.directory().join("supervisor.log")).unwrap();
    assert!(!endings.contains("exit status: 101"), "{endings}");
    drop(full);
    fs::remove_file(&filler).unwrap();
    wait::until("the scheduler to serve again", || {
        let answer = cluster.get("scheduler", "/quotas").map(drop);
        answer.map_err(|error| format!("{error}\n{}", cluster.log()))
    });
    let quotas = cluster.get("scheduler", "/quotas").unwrap();
    for number in &kept {
        assert!(
            quotas.get(role_of_a_megabyte(*number)).is_some(),
            "quota {number} was promised and is gone"
        );
    }
    let more = kept.len() + 1;
    wait::until("a change to be taken", || set_quota(&cluster, more));
    cluster.wait_for_states(&before, &["RUNNING"]);
    assert!(cluster.stop().success());
}

fn role_of_a_megabyte(number: usize) -> String {
    format!("{number}{}", "r".repeat(1_000_000))
}

/// Through the API, in TJSON as Apache Thrift writes it.
fn set_quota(cluster: &Cluster, number: usize) -> Result<usize, String> {
    let role = role_of_a_megabyte(number);
    let quota = r#"{"4":{"set":["rec",3,{"1":{"dbl":1}},{"2":{"i64":1}},{"3":{"i64":1}}]}}"#;
    let call = format!(r#"[1,"setQuota",1,1,{{"1":{{"str":"{role}"}},"2":{{"rec":{quota}}}}}]"#);
    let headers = [
        format!("authorization: Bearer {}", cluster.token()),
        "content-type: application/x-thrift".to_owned(),
    ];
    let url = format!("{}/api", cluster.url("scheduler"));
    let answer = http::request("POST", &url, &headers, &call).map_err(|error| error.to_string())?;
    // Response.responseCode: OK is 1.
    let taken = answer.status == 200 && answer.body.contains(r#""1":{"i32":1}"#);
    if taken { Ok(number) } else { Err(answer.body) }
}

/// By libfaketime, for the cluster's daemons alone; monotonic clocks go on as they are.
#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let test = "a_clock_that_was_set_back_stops_nothing";
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let Some(library) = libraries
        .map(|entry| entry.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists())
    else {
        return skip::skip(test, "the Debian package faketime is not installed");
    };
    let mut cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/clock");
    let file = cluster.job_file("clock.aurora", &sleeper(&role, "clock"));
    cluster.aurora_ok(&["job", "create", &job, &file]);
    cluster.wait_for_states(&job, &["RUNNING"]);
    assert!(cluster.stop().success());

    let preload = format!("LD_PRELOAD={}", library.display());
    cluster.restart_under(&["env", &preload, "FAKETIME=-1d", "DONT_FAKE_MONOTONIC=1"]);
    let log = fs::read_to_string(cluster.state().join("logs/scheduler.log")).unwrap();
    assert!(
        log.contains("this machine's clock is behind the newest entry of the log"),
        "{log}"
    );
    let times = wait::until("the service to be back", || {
        let (active, inactive) = cluster.status(&job);
        let times: Vec<i64> = inactive.iter().chain(&active).flat_map(times).collect();
        let is_back = inactive.len() == 1 && active.iter().any(|task| task["status"] == "RUNNING");
        is_back
            .then_some(times)
            .ok_or_else(|| format!("{active:?} {inactive:?}\n{}", cluster.log()))
    });
    assert!(times.is_sorted(), "{times:?}");
    assert!(cluster.stop().success());
}

fn times(task: &Value) -> Vec<i64> {
    let events = task["taskEvents"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["timestamp"].as_i64().unwrap())
        .collect()
}

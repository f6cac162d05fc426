//! The executor's announcement on a real ZooKeeper, read by kazoo.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use aurora_api::model::AssignedTask;
use aurora_tests::python;
use aurora_tests::skip::skip;
use aurora_tests::zookeeper::ZooKeeper;
use aurora_zk::acl::Access;
use aurora_zk::members::{self, Member};
use aurora_zk::{Config, Keeper as _, Lifetime, MIN_TIMEOUT, Refusal, Session};
use serde_json::{Value, json};
use support::{Agent, PATIENCE, Web, assigned, own_user};

const HEALTHY: &str = "No health-check defined, task is assumed healthy.";

fn task(more: Value) -> AssignedTask {
    let process = json!([{"name": "p", "cmdline": "exec sleep 1000", "min_duration": 0}]);
    let mut task = assigned(process, more);
    task.assigned_ports.insert("http".into(), 31_005);
    task
}

fn reader(server: &ZooKeeper) -> Session {
    Session::start(Config {
        servers: server.address(),
        timeout: MIN_TIMEOUT,
        credentials: vec![],
    })
    .unwrap()
}

/// The members at `path`, once there are as many as wanted.
async fn members(reader: &Session, path: &str, wanted: usize) -> Vec<(String, Member)> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        reader.held().await.unwrap();
        let found = members::list(reader, path).await;
        if let Ok(found) = &found
            && found.len() == wanted
        {
            return found.clone().into_iter().collect();
        }
        assert!(tokio::time::Instant::now() < deadline, "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
}

#[tokio::test]
async fn a_task_is_announced_until_just_before_it_is_asked_to_end() {
    const NAME: &str = "a_task_is_announced_until_just_before_it_is_asked_to_end";
    let (mut server, python) = match (ZooKeeper::start(), python::interpreter()) {
        (Ok(server), Ok(python)) => (server, python),
        (Err(reason), _) | (_, Err(reason)) => return skip(NAME, &reason),
    };
    let web = Web::start(200, "").await;
    let ensemble = format!("--announcer-ensemble={}", server.address());
    let mut agent = Agent::start(&[&ensemble, "--announcer-hostname=h9"]).await;
    let mut task = task(json!({
        "announce": {"primary_port": "http", "portmap": {"admin": "http", "fixed": 81}},
        "lifecycle": {"http": {"port": "stop", "graceful_shutdown_wait_secs": 2, "shutdown_wait_secs": 0}},
    }));
    task.assigned_ports.insert("stop".into(), web.port.into());
    agent.launch(&task);
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    let path = format!("/aurora/{}/prod/hello", own_user());
    let reader = reader(&server);
    let found = members(&reader, &path, 1).await;
    let script = "import json, sys\nfrom kazoo.client import KazooClient\nc = KazooClient(hosts=sys.argv[1]); c.start(timeout=20)\n\
        for n in c.get_children(sys.argv[2]):\n\
        \x20   m = json.loads(c.get(sys.argv[2] + '/' + n)[0]); s = m['serviceEndpoint']\n\
        \x20   print(n, s['host'], s['port'], m['status'], m['shard'], *sorted('%s=%d' % (k, e['port']) for k, e in m['additionalEndpoints'].items()))\n\
        c.stop()\n";
    let output = Command::new(python)
        .args(["-c", script, &server.address(), &path])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "member_0000000000 h9 31005 ALIVE 4 admin=31005 fixed=81 http=31005 stop={}\n",
            web.port
        ),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    // ZooKeeper dies and comes back: there is another node, and one only.
    server.kill();
    server.run_again();
    let mut again = members(&reader, &path, 1).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while again[0].0 == found[0].0 {
        assert!(tokio::time::Instant::now() < deadline, "still {again:?}");
        again = members(&reader, &path, 1).await;
    }

    agent.kill("task-1");
    support::until(
        "the request to end",
        || "no request".to_owned(),
        || !web.requests.lock().unwrap().is_empty(),
    )
    .await;
    assert_eq!(members::list(&reader, &path).await.unwrap().len(), 0);
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    assert!(agent.exit().await.success());
}

#[tokio::test]
async fn credentials_and_access_lists_of_the_file() {
    let server = match ZooKeeper::start() {
        Ok(server) => server,
        Err(reason) => return skip("credentials_and_access_lists_of_the_file", &reason),
    };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("zk.json");
    std::fs::write(
        &file,
        r#"{"auth":[{"scheme":"digest","credential":"aurora:secret"}],
            "acl":[{"scheme":"world","credential":"anyone","permissions":{"read":true}},
                   {"scheme":"digest","credential":"aurora:secret","permissions":{"read":true,"write":true,"create":true,"delete":true,"admin":true}}]}"#,
    )
    .unwrap();
    let ensemble = format!("--announcer-ensemble={}", server.address());
    let access = format!("--announcer-zookeeper-auth-config={}", file.display());
    let mut agent = Agent::start(&[
        &ensemble,
        &access,
        "--announcer-allow-custom-serverset-path",
    ])
    .await;
    agent.launch(&task(json!({"announce": {"zk_path": "/my/own"}})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    let reader = reader(&server);
    let found = members(&reader, "/my/own", 1).await;
    let node = format!("/my/own/{}", found[0].0);
    let refused = reader.delete(&node).await.unwrap_err();
    assert!(refused.is(&Refusal::NoAuth), "{refused}");
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
    members(&reader, "/my/own", 0).await;

    std::fs::write(&file, "{").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_aurora-executor"))
        .arg(&access)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&access), "{said}");
}

#[tokio::test]
async fn a_join_that_was_refused_is_tried_again() {
    const NAME: &str = "a_join_that_was_refused_is_tried_again";
    let server = match ZooKeeper::start() {
        Ok(server) => server,
        Err(reason) => return skip(NAME, &reason),
    };
    let text = r#"{"auth":[{"scheme":"digest","credential":"owner:secret"}],
        "acl":[{"scheme":"world","credential":"anyone","permissions":{"read":true}},
               {"scheme":"digest","credential":"owner:secret","permissions":{"create":true,"delete":true}}]}"#;
    let access = Access::parse(text).unwrap();
    let owner = Session::start(Config {
        servers: server.address(),
        timeout: MIN_TIMEOUT,
        credentials: access.credentials.clone(),
    })
    .unwrap();
    owner.held().await.unwrap();
    owner
        .create("/guarded", vec![], &access.acl(), Lifetime::Persistent)
        .await
        .unwrap();

    let ensemble = format!("--announcer-ensemble={}", server.address());
    let mut agent = Agent::start(&[&ensemble, "--announcer-allow-custom-serverset-path"]).await;
    agent.launch(&task(json!({"announce": {"zk_path": "/guarded/own"}})));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    // A join that is not refused takes moments.
    let reader = reader(&server);
    reader.held().await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let found = members::list(&reader, "/guarded/own").await;
        assert!(found.as_ref().map_or(true, BTreeMap::is_empty), "{found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
    owner.delete("/guarded").await.unwrap();
    members(&reader, "/guarded/own", 1).await;
    agent.kill("task-1");
    agent
        .expect("TASK_KILLED", "Instructed to kill task.")
        .await;
}

#[tokio::test]
async fn tasks_that_cannot_be_announced() {
    // Nobody listens at a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let ensemble = format!("--announcer-ensemble=127.0.0.1:{port}");
    let mut agent = Agent::start(&[&ensemble]).await;
    agent.launch(&task(json!({
        "announce": {}, "lifecycle": {},
        "health_check_config": {"initial_interval_secs": 0.1, "interval_secs": 0.1, "max_consecutive_failures": 1},
    })));
    agent.expect("TASK_STARTING", "").await;
    agent.expect("TASK_RUNNING", HEALTHY).await;
    agent
        .expect("TASK_FAILED", "Creating Announcer Serverset timed out.")
        .await;
    assert!(agent.exit().await.success());

    let mut agent = Agent::start(&[&ensemble]).await;
    agent.launch(&task(json!({"announce": {"zk_path": "/my/own"}})));
    agent.expect("TASK_STARTING", "").await;
    let (state, message, _) = agent.status().await;
    assert_eq!(state, "TASK_FAILED");
    assert!(
        message.contains("--announcer-allow-custom-serverset-path"),
        "{message}"
    );
    // Nothing was started, so nothing is on record.
    assert!(!agent.dir.path().join("checkpoints").exists());
    assert!(agent.exit().await.success());
}

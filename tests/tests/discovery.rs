//! ZooKeeper between the parts: a real one, with kazoo in the place of Mesos and of other readers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use aurora_tests::cluster::{Cluster, scratch};
use aurora_tests::daemon::Daemon;
use aurora_tests::zookeeper::ZooKeeper;
use aurora_tests::{http, programs, python, skip, wait};
use serde_json::{Value, json};

/// Runs a few lines of Python with kazoo's client as `c`; what they print.
fn kazoo(zookeeper: &ZooKeeper, lines: &str) -> String {
    let script = format!(
        "from kazoo.client import KazooClient\nc = KazooClient(hosts='{}'); c.start(timeout=20)\n{lines}\nc.stop()\n",
        zookeeper.address()
    );
    let output = Command::new(python::interpreter().unwrap())
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn members(zookeeper: &ZooKeeper) -> String {
    let list = "p = '/aurora/scheduler'\n\
                print('\\n'.join(n + ' ' + c.get(p + '/' + n)[0].decode() for n in sorted(c.get_children(p))) if c.exists(p) else '')";
    kazoo(zookeeper, list).trim().to_owned()
}

/// A scheduler that looks for its master in ZooKeeper, and tells there where it serves itself.
fn scheduler(zookeeper: &ZooKeeper, directory: &Path, more: &[&str]) -> Daemon {
    let masters = format!("-mesos_master_address=zk://{}/mesos", zookeeper.address());
    let servers = format!("-zk_endpoints={}", zookeeper.address());
    let state = directory.join("elsewhere").display().to_string();
    let flags = [
        "--cluster-name",
        "elsewhere",
        "--ip",
        "127.0.0.1",
        "--thermos-executor-path",
        "/no/executor",
        &masters,
        &servers,
        "-serverset_path=/aurora/scheduler",
        "-zk_session_timeout=5secs",
        "--state-dir",
        &state,
    ];
    Daemon::start("aurora-scheduler", &[&flags[..], more].concat(), directory)
}

/// The scheduler's member, which is there from its first registration with a master on.
fn first_member(zookeeper: &ZooKeeper, scheduler: &Daemon) -> String {
    wait::until("the scheduler's member", || {
        Some(members(zookeeper))
            .filter(|members| !members.is_empty())
            .ok_or_else(|| scheduler.log())
    })
}

/// How many transactions ZooKeeper has carried out (the counter in its last zxid).
fn transactions(zookeeper: &ZooKeeper) -> u64 {
    let mut stream = TcpStream::connect(zookeeper.address()).unwrap();
    stream.write_all(b"srvr").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let zxid = answer
        .lines()
        .find_map(|line| line.strip_prefix("Zxid: 0x"))
        .unwrap_or_else(|| panic!("no zxid in {answer}"));
    u64::from_str_radix(zxid, 16).unwrap()
}

/// A master tells where it serves as one of Mesos does: kazoo reads it, pymesos' scheduler and ours find it.
#[test]
fn an_embedded_master_is_found_through_zookeeper() {
    const NAME: &str = "an_embedded_master_is_found_through_zookeeper";
    let (zookeeper, python) = match ZooKeeper::start()
        .and_then(|server| python::interpreter().map(|python| (server, python)))
    {
        Ok(both) => both,
        Err(reason) => return skip::skip(NAME, &reason),
    };
    let directory = scratch();
    let work = |name: &str| directory.path().join(name).display().to_string();
    let (master_dir, agent_dir) = (work("master"), work("agent"));
    let zk = format!("zk://{}/mesos", zookeeper.address());
    let master_flags = [
        "--ip",
        "127.0.0.1",
        "--port",
        "0",
        "--work-dir",
        &master_dir,
        "--zk",
        &zk,
    ];
    let mut master = Daemon::start("aurora-mesos-master", &master_flags, directory.path());
    let address = master.address().to_owned();
    let agent_flags = ["--work-dir", &agent_dir, "--master", &address];
    let mut agent = Daemon::agent(&agent_flags, directory.path());

    let nodes = || {
        let list = "print(*[n + ' ' + c.get('/mesos/' + n)[0].decode() for n in c.get_children('/mesos')] if c.exists('/mesos') else [])";
        kazoo(&zookeeper, list).trim().to_owned()
    };
    let node = wait::until("the master's node", || {
        Some(nodes())
            .filter(|nodes| !nodes.is_empty())
            .ok_or_else(|| master.log())
    });
    let (name, data) = node.split_once(' ').unwrap();
    assert_eq!(name, "json.info_0000000000");
    let info: Value = serde_json::from_str(data).unwrap();
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let state = http::get(&format!("http://{address}/state"), "").unwrap();
    let state: Value = serde_json::from_str(&state.body).unwrap();
    // 127.0.0.1 in network order, read as a number by a machine with the other order.
    assert_eq!(
        (&info["ip"], &info["port"], &info["id"], &info["pid"]),
        (
            &json!(16_777_343),
            &json!(port),
            &state["id"],
            &json!(format!("master@{address}"))
        )
    );
    assert_eq!(
        info["address"],
        json!({"hostname": "127.0.0.1", "ip": "127.0.0.1", "port": port})
    );

    let output = Command::new(python)
        .arg(python::script("run_task.py"))
        .args([&zk, "none", "true"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("TASK_FINISHED"), "{text}{errors}");
    let mut scheduler = scheduler(&zookeeper, directory.path(), &[]);
    first_member(&zookeeper, &scheduler);

    assert!(scheduler.stop().success());
    assert!(agent.stop().success());
    assert!(master.stop().success());
    // By its end, and not by the end of its session's time.
    assert_eq!(nodes(), "");
}

/// A scheduler finds its master by `zk://`, tells where it serves, is found by the client, and is gone with its end.
#[test]
fn masters_and_schedulers_are_found_through_zookeeper() {
    const NAME: &str = "masters_and_schedulers_are_found_through_zookeeper";
    let zookeeper =
        match ZooKeeper::start().and_then(|server| python::interpreter().map(|_| server)) {
            Ok(zookeeper) => zookeeper,
            Err(reason) => return skip::skip(NAME, &reason),
        };
    let cluster = Cluster::start();
    let master = cluster.url("master");
    let port = master.rsplit(':').next().unwrap();
    // As a master of Mesos writes it; the smallest number leads, and other nodes are no masters.
    kazoo(
        &zookeeper,
        &format!(
            "import json\nc.create('/mesos/log_replicas', makepath=True)\n\
             c.create('/mesos/json.info_', json.dumps({{'address': {{'ip': '127.0.0.1', 'port': {port}}}, 'port': {port}}}).encode(), sequence=True)"
        ),
    );
    let token = cluster.state().join("token").display().to_string();
    let mut scheduler = scheduler(&zookeeper, cluster.directory(), &["--token-file", &token]);
    let port: u16 = scheduler
        .address()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();

    let member = first_member(&zookeeper, &scheduler);
    let (node, data) = member.split_once(' ').unwrap();
    assert_eq!(node, "member_0000000000");
    let endpoint = json!({"host": "127.0.0.1", "port": port});
    assert_eq!(
        serde_json::from_str::<Value>(data).unwrap(),
        json!({"serviceEndpoint": endpoint, "additionalEndpoints": {"http": endpoint}, "status": "ALIVE"})
    );

    let config = cluster.directory().join("config");
    fs::create_dir(&config).unwrap();
    let (host, zk_port) = zookeeper
        .address()
        .split_once(':')
        .map(|(host, port)| (host.to_owned(), port.parse::<u16>().unwrap()))
        .unwrap();
    let entry = json!([{"name": "elsewhere", "zk": host, "zk_port": zk_port, "scheduler_zk_path": "/aurora/scheduler", "proxy_url": "http://proxy.example"}]);
    fs::write(config.join("clusters.json"), entry.to_string()).unwrap();
    let aurora = |arguments: &[&str]| {
        let mut command = programs::command("aurora");
        let output = command
            .args(arguments)
            .env("AURORA_CONFIG_ROOT", &config)
            .env("HOME", cluster.directory())
            .output()
            .unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), text)
    };
    let (code, text) = aurora(&["quota", "get", "elsewhere/www-data"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Allocated:"), "{text}");

    let file = config.join("hello.aurora");
    fs::write(
        &file,
        "jobs = [Service(cluster='elsewhere', role='www-data', environment='devel', name='hello',\n\
         task=SimpleTask('hello', 'sleep 60'))]\n",
    )
    .unwrap();
    let secret = fs::read_to_string(cluster.state().join("token")).unwrap();
    let netrc = format!("machine 127.0.0.1 login any password {}", secret.trim());
    fs::write(cluster.directory().join(".netrc"), netrc).unwrap();
    let before = transactions(&zookeeper);
    let (code, text) = aurora(&[
        "job",
        "create",
        "elsewhere/www-data/devel/hello",
        file.to_str().unwrap(),
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("http://proxy.example/scheduler/www-data/devel/hello"),
        "{text}"
    );
    // A session that was opened and closed: the leader was looked up once for all calls of this run.
    assert_eq!(transactions(&zookeeper) - before, 2, "{text}");

    assert!(scheduler.stop().success());
    // By the end of its process, not by the end of its session's time.
    assert_eq!(members(&zookeeper), "");
    let (code, text) = aurora(&["quota", "get", "elsewhere/www-data"]);
    assert!(
        code != Some(0) && text.contains("No schedulers detected in elsewhere!"),
        "{text}"
    );
}

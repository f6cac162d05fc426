//! Executors in Docker containers: against an engine that this test plays, and against a real one where there is one.

use std::convert::Infallible;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aurora_mesos::v1::{
    CommandInfo, ContainerInfo, ContainerType, DockerInfo, DockerNetwork, DockerPortMapping,
    DurationInfo, Environment, EnvironmentVariable, ExecutorInfo, HealthCheck, HealthCheckType,
    KillPolicy, NetworkInfo, Range, Ranges, Resource, TaskInfo, TaskState, ValueType, Volume,
    VolumeMode,
};
use aurora_tests::skip::{is_root, skip};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use crate::world::{LIMIT, State, World, task};

fn docker_task(id: &str, command: &str) -> TaskInfo {
    TaskInfo {
        command: None,
        executor: Some(ExecutorInfo {
            executor_id: id.into(),
            framework_id: Some("F".into()),
            command: Some(CommandInfo {
                value: Some(command.into()),
                ..CommandInfo::default()
            }),
            container: Some(ContainerInfo {
                kind: ContainerType::Docker,
                docker: Some(DockerInfo {
                    image: "web:1".into(),
                    ..DockerInfo::default()
                }),
                ..ContainerInfo::default()
            }),
            ..ExecutorInfo::default()
        }),
        ..task(id, "")
    }
}

/// An engine that has no image until it is told to pull one, and whose containers do nothing but wait.
#[derive(Default)]
struct Played {
    calls: Vec<String>,
    created: Value,
    pulled: bool,
}

fn inspected() -> Value {
    json!({"NetworkSettings": {"IPAddress": "", "Networks": {"blue": {"IPAddress": "10.98.0.2"}}}})
}

async fn until_killed(played: &Mutex<Played>) {
    let is_killed = || {
        let played = played.lock().unwrap();
        played.calls.iter().any(|call| call.contains("SIGKILL"))
    };
    while !is_killed() {
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
}

/// Answers one call; a container ends by SIGKILL alone when `is_endless`.
async fn answer(
    request: Request<Incoming>,
    played: &Mutex<Played>,
    is_endless: bool,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path().trim_start_matches("/v1.30").to_owned();
    let action = path.rsplit('/').next().unwrap_or_default().to_owned();
    let pulled = {
        let mut played = played.lock().unwrap();
        let query = parts.uri.query().filter(|_| action == "kill");
        let query = query.map(|query| format!(" {query}")).unwrap_or_default();
        played
            .calls
            .push(format!("{} {action}{query}", parts.method));
        match action.as_str() {
            "create" if path.starts_with("/images") => played.pulled = true,
            "create" => played.created = serde_json::from_slice(&body).unwrap(),
            _ => {}
        }
        played.pulled
    };
    let (status, text) = match action.as_str() {
        "create" if !pulled => (404, json!({"message": "No such image"}).to_string()),
        "create" => (201, json!({"Id": "c0ffee"}).to_string()),
        "logs" => (
            200,
            "\u{1}\0\0\0\0\0\0\u{4}out\n\u{2}\0\0\0\0\0\0\u{4}err\n".to_owned(),
        ),
        "json" if path.starts_with("/exec") => (200, json!({"ExitCode": 0}).to_string()),
        "json" => (200, inspected().to_string()),
        "exec" => (201, json!({"Id": "e1"}).to_string()),
        "wait" if is_endless => {
            until_killed(played).await;
            (200, json!({"StatusCode": 137}).to_string())
        }
        "wait" => (200, json!({"StatusCode": 7}).to_string()),
        _ => (204, String::new()),
    };
    Response::builder()
        .status(status)
        .body(Full::new(Bytes::from(text)))
        .unwrap()
}

fn play(socket: &Path, is_endless: bool) -> Arc<Mutex<Played>> {
    let listener = UnixListener::bind(socket).unwrap();
    let played = Arc::new(Mutex::new(Played::default()));
    let shared = Arc::clone(&played);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(answer(request, &shared, is_endless).await) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    played
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_container_from_its_image_to_its_exit_code() {
    let world = World::new().await;
    let socket = world.directory.path().join("docker.sock");
    let played = play(&socket, false);
    let path = socket.display().to_string();
    let agent = world.agent(&["--docker_socket", &path]).await;
    world.master.run(docker_task("t1", "exec serve"));
    let exited = world
        .master
        .wait("exit", |state| state.exited.first().cloned())
        .await;
    assert_eq!(exited.status, 7 << 8, "as wait(2) tells it");
    let calls = played.lock().unwrap().calls.clone();
    let mut first: Vec<&str> = calls.iter().map(String::as_str).take(6).collect();
    // The outputs are asked for beside the end.
    first[4..].sort_unstable();
    assert_eq!(
        first,
        [
            "POST create",
            "POST create",
            "POST create",
            "POST start",
            "GET logs",
            "POST wait"
        ]
    );
    let removed = calls.iter().any(|call| call.starts_with("DELETE mesos-"));
    assert!(removed, "{calls:?}");
    let created = played.lock().unwrap().created.clone();
    assert_eq!(created["Image"], "web:1");
    assert_eq!(created["Cmd"], json!(["-c", "exec serve"]));
    let variables = created["Env"].to_string();
    for variable in [
        "MESOS_SANDBOX=/mnt/mesos/sandbox",
        "MESOS_EXECUTOR_ID=t1",
        "MESOS_DIRECTORY=",
    ] {
        assert!(variables.contains(variable), "{variable}: {variables}");
    }
    let latest = "/frameworks/F/executors/t1/runs/latest";
    for (name, expected) in [("stdout", "out\n"), ("stderr", "err\n")] {
        let read = agent
            .json(&format!("/files/read?path={latest}/{name}&offset=0"))
            .await;
        assert_eq!(read["data"], expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_container_whose_client_was_killed_is_removed() {
    let world = World::new().await;
    let socket = world.directory.path().join("docker.sock");
    let played = play(&socket, true);
    let path = socket.display().to_string();
    // The executor never subscribes, so its container is destroyed.
    let flags = [
        "--docker_socket",
        path.as_str(),
        "--executor_registration_timeout",
        "1secs",
    ];
    let agent = world.agent(&flags).await;
    world.master.run(docker_task("t1", "exec serve"));
    world.master.wait_for_state("t1", TaskState::Failed).await;
    let deadline = Instant::now() + LIMIT;
    loop {
        let calls = played.lock().unwrap().calls.clone();
        if calls.iter().any(|call| call.starts_with("DELETE mesos-")) {
            break;
        }
        assert!(Instant::now() < deadline, "{calls:?}");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    drop(agent);
}

/// A mere command, with its own network and a health check.
fn bare(id: &str, command: &str) -> TaskInfo {
    let mut info = task(id, command);
    info.container = Some(ContainerInfo {
        kind: ContainerType::Docker,
        docker: Some(DockerInfo {
            image: "web:1".into(),
            network: DockerNetwork::User,
            ..DockerInfo::default()
        }),
        network_infos: vec![NetworkInfo {
            name: Some("blue".into()),
            ..NetworkInfo::default()
        }],
        ..ContainerInfo::default()
    });
    info
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_command_in_a_docker_container() {
    let world = World::new().await;
    let socket = world.directory.path().join("docker.sock");
    let played = play(&socket, false);
    let path = socket.display().to_string();
    let _agent = world.agent(&["--docker_socket", &path]).await;
    let mut info = bare("t1", "exec serve");
    let command = info.command.as_mut().unwrap();
    command.environment = Some(Environment {
        variables: vec![EnvironmentVariable {
            name: "MINE".into(),
            value: Some("1".into()),
            ..EnvironmentVariable::default()
        }],
    });
    world.master.run(info);
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    assert_eq!(
        failed.message.as_deref(),
        Some("Container exited with status 7")
    );
    let running = world.master.wait_for_state("t1", TaskState::Running).await;
    assert_eq!(
        serde_json::from_slice::<Value>(&running.data.unwrap()).unwrap(),
        inspected()
    );
    let network = &running.container_status.unwrap().network_infos[0];
    assert_eq!(
        (
            network.name.as_deref(),
            network.ip_addresses[0].ip_address.as_deref()
        ),
        (Some("blue"), Some("10.98.0.2"))
    );
    let created = played.lock().unwrap().created.clone();
    assert_eq!(created["Cmd"], json!(["-c", "exec serve"]));
    assert_eq!(created["HostConfig"]["NetworkMode"], "blue");
    // The command's alone, and nothing of its executor's.
    let variables = created["Env"].as_array().unwrap();
    let name = variables[1].as_str().unwrap();
    assert!(name.starts_with("MESOS_CONTAINER_NAME=mesos-"), "{name}");
    let rest: Vec<&Value> = variables.iter().filter(|own| *own != name).collect();
    assert_eq!(rest, ["MESOS_SANDBOX=/mnt/mesos/sandbox", "MINE=1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_command_is_checked_and_killed_in_its_container() {
    let world = World::new().await;
    let socket = world.directory.path().join("docker.sock");
    let played = play(&socket, true);
    let path = socket.display().to_string();
    let _agent = world.agent(&["--docker_socket", &path]).await;
    let mut info = bare("t1", "exec serve");
    info.health_check = Some(HealthCheck {
        kind: Some(HealthCheckType::Command),
        command: Some(CommandInfo {
            value: Some("is-well".into()),
            ..CommandInfo::default()
        }),
        delay_seconds: 0.0,
        ..HealthCheck::default()
    });
    info.kill_policy = Some(KillPolicy {
        grace_period: Some(DurationInfo {
            nanoseconds: 50_000_000,
        }),
    });
    world.master.run(info);
    let healthy = |state: &State| {
        let mut updates = state.updates.iter();
        updates
            .any(|update| update.healthy == Some(true))
            .then_some(())
    };
    world.master.wait("a healthy task", healthy).await;
    world.master.kill("t1");
    let killed = world.master.wait_for_state("t1", TaskState::Killed).await;
    assert_eq!(
        killed.message.as_deref(),
        Some("Container exited with status 137")
    );
    let calls = played.lock().unwrap().calls.clone();
    let signals: Vec<&String> = calls.iter().filter(|call| call.contains("kill")).collect();
    assert_eq!(
        signals,
        ["POST kill signal=SIGTERM", "POST kill signal=SIGKILL"]
    );
    assert!(calls.iter().any(|call| call == "POST exec"), "{calls:?}");
}

/// A real engine with data of its own, ended when this is dropped.
struct Real {
    engine: std::process::Child,
    folder: tempfile::TempDir,
}

impl Real {
    /// `None`, with a word, where there is none. It has a network of its own, in which `network` is docker's bridge.
    async fn start(test: &str, network: &str) -> Option<Self> {
        let program = Path::new("/usr/sbin/dockerd");
        if !is_root() {
            skip(test, "an engine takes root");
            return None;
        }
        if !program.exists() {
            skip(test, "no /usr/sbin/dockerd: package docker.io");
            return None;
        }
        if Command::new("ip").arg("-V").output().is_err() {
            skip(test, "no ip: package iproute2");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().to_owned();
        let at = |name: &str| own.join(name).display().to_string();
        let engine = Command::new("unshare")
            .args(["--net", "sh", "-ec", "ip link set lo up; exec \"$@\"", "sh"])
            .arg(program)
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args([
                "--pidfile",
                &at("pid"),
                "-H",
                &format!("unix://{}", at("docker.sock")),
            ])
            .args(["--iptables=false", "--ip6tables=false", network])
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let real = Self { engine, folder };
        let deadline = Instant::now() + LIMIT;
        while !real.docker(&["version"]).status.success() {
            let log = fs::read_to_string(at("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{log}");
            tokio::time::sleep(Duration::from_millis(100)).await; // poll
        }
        Some(real)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Gives it the image `web:1`.
    fn import(&self) {
        let root = self.folder.path().join("root");
        aurora_tests::programs::copy_into_root(&["/bin/sh", "/bin/cat", "/bin/sleep"], &root);
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/motd"), "of the image\n").unwrap();
        let archive = self.folder.path().join("root.tar");
        let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
        builder.append_dir_all("", &root).unwrap();
        builder.finish().unwrap();
        let archive = archive.display().to_string();
        let imported = self.docker(&["import", &archive, "web:1"]);
        assert!(imported.status.success(), "{imported:?}");
    }

    /// What a server in its network answers to a request; nothing while there is none.
    fn ask(&self, port: u16) -> String {
        let network = fs::File::open(format!("/proc/{}/ns/net", self.engine.id())).unwrap();
        let asked = std::thread::spawn(move || {
            // For this thread alone.
            nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let mut said = String::new();
            if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) {
                // A server that is not there yet breaks off.
                let _ = stream.write_all(b"GET /made HTTP/1.0\r\n\r\n");
                let _ = stream.read_to_string(&mut said);
            }
            said
        });
        asked.join().unwrap()
    }

    fn docker(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("/usr/bin/docker")
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments)
            .output()
            .unwrap()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.engine.id().cast_signed());
        // It takes its containers along; one that has ended already cannot be told to.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.engine.wait();
        // It leaves this one, for containers in its host's network.
        let netns = self.folder.path().join("exec/netns/default");
        let _ = nix::mount::umount2(&netns, nix::mount::MntFlags::MNT_DETACH);
        for group in fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            // Refused where somebody else's engine has containers.
            let _ = fs::remove_dir(group.path().join("docker"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_engine_runs_an_executor() {
    let Some(real) = Real::start("a_real_engine_runs_an_executor", "--bridge=none").await else {
        return;
    };
    real.import();
    let world = World::new().await;
    let path = real.socket().display().to_string();
    let agent = world.agent(&["--docker_socket", &path]).await;
    let command = "cat /etc/motd; echo oops >&2; echo mine > $MESOS_SANDBOX/made; exit 9";
    world.master.run(docker_task("t1", command));
    let exited = world
        .master
        .wait("exit", |state| state.exited.first().cloned())
        .await;
    let latest = "/frameworks/F/executors/t1/runs/latest";
    let mut said = Vec::new();
    for name in ["stdout", "stderr", "made"] {
        let path = format!("/files/read?path={latest}/{name}&offset=0");
        said.push(agent.json(&path).await["data"].clone());
    }
    assert_eq!(said, ["of the image\n", "oops\n", "mine\n"]);
    assert_eq!(exited.status, 9 << 8);
    let left = real.docker(&["ps", "-aq"]);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_engine_maps_ports_of_a_bare_command() {
    let test = "a_real_engine_maps_ports_of_a_bare_command";
    let Some(real) = Real::start(test, "--bip=10.98.0.1/24").await else {
        return;
    };
    real.import();
    let world = World::new().await;
    let path = real.socket().display().to_string();
    let _agent = world.agent(&["--docker_socket", &path]).await;
    let serve = "echo served > made; exec /usr/bin/python3 -m http.server 8000";
    let mut info = task("t1", &format!("cd $MESOS_SANDBOX; {serve}"));
    // The machine's Python, which needs no more than this.
    let volumes = ["/usr", "/lib", "/lib64"].map(|path| Volume {
        container_path: path.into(),
        host_path: Some(path.into()),
        mode: VolumeMode::Ro,
        ..Volume::default()
    });
    info.container = Some(ContainerInfo {
        kind: ContainerType::Docker,
        volumes: volumes.to_vec(),
        docker: Some(DockerInfo {
            image: "web:1".into(),
            network: DockerNetwork::Bridge,
            port_mappings: vec![DockerPortMapping {
                host_port: 31005,
                container_port: 8000,
                protocol: None,
            }],
            ..DockerInfo::default()
        }),
        ..ContainerInfo::default()
    });
    info.resources.push(Resource {
        name: "ports".into(),
        kind: ValueType::Ranges,
        ranges: Some(Ranges {
            range: vec![Range {
                begin: 31005,
                end: 31005,
            }],
        }),
        ..Resource::default()
    });
    world.master.run(info);
    let running = world.master.wait_for_state("t1", TaskState::Running).await;
    let network = &running.container_status.unwrap().network_infos[0];
    let address = network.ip_addresses[0].ip_address.as_deref().unwrap();
    assert!(address.starts_with("10.98.0."), "{address}");
    let deadline = Instant::now() + LIMIT;
    loop {
        let said = real.ask(31005);
        if said.ends_with("served\n") {
            break;
        }
        assert!(Instant::now() < deadline, "{said}");
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
    world.master.kill("t1");
    let killed = world.master.wait_for_state("t1", TaskState::Killed).await;
    let message = killed.message.unwrap_or_default();
    // Python as the first process of a container has no handler for SIGTERM: it is killed after the grace period.
    assert_eq!(message, "Container exited with status 137");
    let left = real.docker(&["ps", "-aq"]);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

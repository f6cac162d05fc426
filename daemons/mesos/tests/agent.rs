//! The real agent program against a master that is played by the test.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, in its helpers too"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aurora_daemon::lifecycle::Shutdown;
use aurora_daemon::reply;
use aurora_daemon::server::{Listener, Options, Request, Response, Service, serve};
use aurora_mesos::recordio;
use aurora_mesos::v1::{
    CommandInfo, CommandUri, FrameworkInfo, MasterInfo, Resource, Scalar, StatusReason, TaskInfo,
    TaskState, TaskStatus, ValueType, scheduler,
};
use aurora_mesosd::link;
use bytes::Bytes;
use http::StatusCode;
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(60);

/// A master that acknowledges every update and remembers everything.
#[derive(Default)]
struct Master {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: u32,
    events: Option<mpsc::Sender<Bytes>>,
    subscriptions: Vec<link::Subscribe>,
    updates: Vec<TaskStatus>,
    exited: Vec<link::ExecutorExited>,
}

impl Master {
    fn send(&self, event: &link::Event) {
        let record = recordio::encode(&serde_json::to_vec(event).unwrap());
        let events = self
            .state
            .lock()
            .unwrap()
            .events
            .clone()
            .expect("an agent is registered");
        events.try_send(record).unwrap();
    }

    /// Waits until `look` finds something.
    async fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = look(&self.state.lock().unwrap()) {
                return found;
            }
            if Instant::now() >= deadline {
                let state = self.state.lock().unwrap();
                let updates: Vec<_> = state
                    .updates
                    .iter()
                    .map(|u| (&u.task_id.value, u.state, &u.message))
                    .collect();
                panic!(
                    "no {what}; subscriptions {}, updates {updates:?}",
                    state.subscriptions.len()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    }

    async fn wait_for_state(&self, task: &str, state: TaskState) -> TaskStatus {
        self.wait(&format!("{task} {state}"), |seen| {
            seen.updates
                .iter()
                .find(|update| update.task_id.value == task && update.state == state)
                .cloned()
        })
        .await
    }

    fn run(&self, task: TaskInfo) {
        let framework_info = FrameworkInfo {
            user: "root".into(),
            name: "test".into(),
            id: Some("F".into()),
            checkpoint: true,
            ..FrameworkInfo::default()
        };
        self.send(&link::Event::RunTask(link::RunTask {
            framework_info,
            task,
            launch_executor: true,
        }));
    }
}

impl Service for Master {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        let mut state = self.state.lock().unwrap();
        if request.path == link::SUBSCRIBE_PATH {
            let subscribe: link::Subscribe = serde_json::from_slice(&request.body).unwrap();
            state.sessions += 1;
            let registered = link::Event::Registered(link::Registered {
                agent_id: subscribe
                    .agent_info
                    .id
                    .clone()
                    .unwrap_or_else(|| "S0".into()),
                session: state.sessions.to_string(),
                master_info: MasterInfo::default(),
            });
            let (events, stream) = mpsc::channel(64);
            events
                .try_send(recordio::encode(&serde_json::to_vec(&registered).unwrap()))
                .unwrap();
            state.events = Some(events);
            state.subscriptions.push(subscribe);
            return reply::stream(StatusCode::OK, "application/json", stream);
        }
        let request: link::Request = serde_json::from_slice(&request.body).unwrap();
        match request.call {
            link::Call::StatusUpdate(update) => {
                let acknowledge =
                    link::Event::StatusUpdateAcknowledgement(link::StatusUpdateAcknowledgement {
                        framework_id: update.framework_id,
                        acknowledge: scheduler::Acknowledge {
                            agent_id: request.agent_id,
                            task_id: update.status.task_id.clone(),
                            uuid: update.status.uuid.clone().unwrap(),
                        },
                    });
                state.updates.push(update.status);
                let record = recordio::encode(&serde_json::to_vec(&acknowledge).unwrap());
                state.events.as_ref().unwrap().try_send(record).unwrap();
            }
            link::Call::ExecutorExited(exited) => state.exited.push(exited),
            link::Call::ExecutorMessage(_) | link::Call::Pong | link::Call::Unregister(_) => {}
        }
        reply::empty(StatusCode::ACCEPTED)
    }
}

struct Agent {
    child: Child,
    address: String,
}

struct World {
    master: Arc<Master>,
    master_address: String,
    directory: tempfile::TempDir,
    server: Shutdown,
}

impl World {
    async fn new() -> Self {
        let listener = Listener::bind("127.0.0.1".parse().unwrap(), 0)
            .await
            .unwrap();
        let master_address = listener.address().to_string();
        let (master, server) = (Arc::new(Master::default()), Shutdown::new());
        tokio::spawn(serve(
            listener,
            Arc::clone(&master),
            Options::default(),
            server.clone(),
        ));
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            directory.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        Self {
            master,
            master_address,
            directory,
            server,
        }
    }

    fn work_dir(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// Whether a container was made by this world's agents.
    fn owns(&self, container: &str) -> bool {
        let frameworks = self.work_dir().join("slaves/S0/frameworks/F/executors");
        std::fs::read_dir(frameworks)
            .into_iter()
            .flatten()
            .flatten()
            .any(|executor| executor.path().join("runs").join(container).exists())
    }

    /// Starts an agent and waits until it is registered.
    async fn agent(&self, flags: &[&str]) -> Agent {
        let known = self.master.state.lock().unwrap().subscriptions.len();
        let mut child = Command::new(env!("CARGO_BIN_EXE_aurora-mesos-agent"))
            .args([
                "--master",
                &self.master_address,
                "--port",
                "0",
                "--hostname",
                "localhost",
            ])
            .args([
                "--resources",
                "cpus:4;mem:2048;disk:4096;ports:[31000-32000]",
            ])
            .args([
                "--cgroups_root",
                &format!("aurora-test-{}", std::process::id()),
            ])
            .arg("--work-dir")
            .arg(self.work_dir())
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"]["name"], "agent");
        let address = ready["ready"]["address"].as_str().unwrap().to_owned();
        self.master
            .wait("registration", |state| {
                (state.subscriptions.len() > known).then_some(())
            })
            .await;
        Agent { child, address }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.trigger();
        // Agents were killed, so what they ran lives on: it is known by the sandbox in its environment.
        let work_dir = self.work_dir().display().to_string();
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = processes_of(&work_dir);
            for pid in &left {
                // It may be gone by now.
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(*pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
            if left.is_empty() || Instant::now() >= deadline {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        for group in test_groups() {
            for container in std::fs::read_dir(&group).into_iter().flatten().flatten() {
                if self.owns(&container.file_name().to_string_lossy()) {
                    let _ = std::fs::remove_dir(container.path().join("leaf"));
                    let _ = std::fs::remove_dir(container.path());
                }
            }
            // Refused while another test of this program has containers; the last one succeeds.
            let _ = std::fs::remove_dir(group);
        }
    }
}

/// The control groups of this program's agents, one for each controller.
fn test_groups() -> Vec<PathBuf> {
    ["memory", "cpu", "cpuacct", "pids", "freezer", ""]
        .iter()
        .map(|controller| {
            Path::new("/sys/fs/cgroup")
                .join(controller)
                .join(format!("aurora-test-{}", std::process::id()))
        })
        .filter(|group| group.is_dir())
        .collect()
}

/// The living processes whose environment names `text`.
fn processes_of(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(text) {
            found.push(pid);
        }
    }
    found
}

impl Agent {
    fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    fn signal(&mut self, signal: nix::sys::signal::Signal) -> std::process::ExitStatus {
        nix::sys::signal::kill(self.pid(), signal).unwrap();
        self.child.wait().unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask("GET", path, None, "").await
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (StatusCode, String) {
        let stream = tokio::net::TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request
            .body(http_body_util::Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn task(id: &str, command: &str) -> TaskInfo {
    let scalar = |name: &str, value| Resource {
        name: name.into(),
        kind: ValueType::Scalar,
        scalar: Some(Scalar { value }),
        ..Resource::default()
    };
    TaskInfo {
        name: "t".into(),
        task_id: id.into(),
        agent_id: "S0".into(),
        resources: vec![scalar("cpus", 0.1), scalar("mem", 64.0)],
        command: Some(CommandInfo {
            value: Some(command.into()),
            ..CommandInfo::default()
        }),
        ..TaskInfo::default()
    }
}

/// The processes whose command line holds `text`, by pid.
fn processes_with(text: &str) -> BTreeMap<i32, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.insert(pid, line);
        }
    }
    found
}

async fn wait_until_none(text: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = processes_with(text);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_to_its_end_and_its_output_can_be_read() {
    let world = World::new().await;
    let mut agent = world.agent(&[]).await;
    let mut info = task("t1", "cat fetched; env; echo oops >&2");
    let source = world.directory.path().join("source");
    std::fs::write(&source, "fetched text\n").unwrap();
    if let Some(command) = &mut info.command {
        command.uris = vec![CommandUri {
            value: format!("file://{}", source.display()),
            output_file: Some("fetched".into()),
            ..CommandUri::default()
        }];
    }
    world.master.run(info);
    let finished = world.master.wait_for_state("t1", TaskState::Finished).await;
    assert_eq!(
        finished.message.as_deref(),
        Some("Command exited with status 0")
    );
    let states: Vec<TaskState> = world
        .master
        .state
        .lock()
        .unwrap()
        .updates
        .iter()
        .map(|update| update.state)
        .collect();
    assert_eq!(
        states,
        [TaskState::Starting, TaskState::Running, TaskState::Finished]
    );
    let exited = world
        .master
        .wait("exit", |state| state.exited.first().cloned())
        .await;
    assert_eq!(
        (exited.executor_id.value.as_str(), exited.status),
        ("t1", 0)
    );

    let latest = "/frameworks/F/executors/t1/runs/latest";
    let read = agent
        .json(&format!("/files/read?path={latest}/stdout&offset=0"))
        .await;
    let text = read["data"].as_str().unwrap();
    for line in [
        "fetched text\n",
        "MESOS_FRAMEWORK_ID=F\n",
        "MESOS_EXECUTOR_ID=t1\n",
        "MESOS_CHECKPOINT=1\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains("AUTHENTICATION_TOKEN"), "{text}");
    let listed = agent.json(&format!("/files/browse?path={latest}")).await;
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            format!("{latest}/fetched"),
            format!("{latest}/stderr"),
            format!("{latest}/stdout")
        ]
    );
    let (status, _) = agent
        .get(&format!(
            "/files/read?path={latest}/../../../../../../../../../etc/hostname&offset=0"
        ))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(agent.signal(nix::sys::signal::Signal::SIGTERM).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_survives_kill_9_of_the_agent_and_can_be_killed_by_the_next() {
    let world = World::new().await;
    let mut agent = world.agent(&[]).await;
    let marker = format!("survivor-{}", std::process::id());
    world.master.run(task(
        "t1",
        &format!(": {marker}; trap 'exit 7' TERM; while :; do sleep 0.05; done"),
    ));
    world.master.wait_for_state("t1", TaskState::Running).await;
    let before = processes_with(&marker);
    assert!(!before.is_empty());
    agent.signal(nix::sys::signal::Signal::SIGKILL);
    let agent = world.agent(&[]).await;
    assert_eq!(
        processes_with(&marker).keys().next(),
        before.keys().next(),
        "the same process lives on"
    );
    let subscription = world
        .master
        .state
        .lock()
        .unwrap()
        .subscriptions
        .last()
        .cloned()
        .unwrap();
    assert_eq!(
        subscription
            .agent_info
            .id
            .as_ref()
            .map(|id| id.value.as_str()),
        Some("S0")
    );
    let known: Vec<_> = subscription
        .tasks
        .iter()
        .map(|task| (task.task_id.value.as_str(), task.state))
        .collect();
    assert_eq!(known, [("t1", TaskState::Running)]);
    let kill = link::KillTask {
        framework_id: "F".into(),
        task_id: "t1".into(),
        kill_policy: None,
    };
    world.master.send(&link::Event::KillTask(kill));
    let killed = world.master.wait_for_state("t1", TaskState::Killed).await;
    assert_eq!(
        killed.message.as_deref(),
        Some("Command exited with status 7")
    );
    wait_until_none(&marker).await;
    drop(agent);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stop_ends_every_process_of_every_task() {
    let world = World::new().await;
    let mut agent = world.agent(&["--stop-executors-on-shutdown"]).await;
    let marker = format!("stopped-{}", std::process::id());
    // A child that ignores the signal, in a session of its own.
    world.master.run(task(
        "t1",
        &format!(
            "setsid sh -c ': {marker}; trap \"\" TERM; while :; do sleep 0.05; done' & sleep 300"
        ),
    ));
    world.master.wait_for_state("t1", TaskState::Running).await;
    assert!(agent.signal(nix::sys::signal::Signal::SIGTERM).success());
    wait_until_none(&marker).await;
    let sandbox = world
        .work_dir()
        .join("slaves/S0/frameworks/F/executors/t1/runs/latest/stdout");
    assert!(sandbox.exists());
    // Whether or not the last update got out in time, the next agent has told the end.
    let _agent = world.agent(&[]).await;
    world
        .master
        .wait("an end", |state| {
            state
                .updates
                .iter()
                .any(|update| update.state.is_terminal())
                .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_an_account_fails_the_task_by_name() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let world = World::new().await;
    let _agent = world.agent(&[]).await;
    let mut info = task("t1", "true");
    if let Some(command) = &mut info.command {
        command.user = Some("no-such-user-here".into());
    }
    world.master.run(info);
    let failed = world.master.wait_for_state("t1", TaskState::Failed).await;
    assert_eq!(failed.reason, Some(StatusReason::ContainerLaunchFailed));
    assert!(failed.message.unwrap().contains("'no-such-user-here'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_secret_files_need_it_and_each_executor_has_its_own() {
    let world = World::new().await;
    let token = world.directory.path().join("token");
    std::fs::write(&token, "the-cluster-secret\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let agent = world
        .agent(&["--token-file", token.to_str().unwrap()])
        .await;
    // The command executor gets through with the secret of its container, and keeps it from the command.
    world.master.run(task("t1", "env; sleep 300"));
    world.master.wait_for_state("t1", TaskState::Running).await;
    let stdout = "/files/read?path=/frameworks/F/executors/t1/runs/latest/stdout&offset=0";
    let read = r#"{"type":"READ_FILE","read_file":{"path":"/frameworks/F/executors/t1/runs/latest/stdout","offset":0}}"#;
    let subscribe = r#"{"type":"SUBSCRIBE","subscribe":{},"framework_id":{"value":"F"},"executor_id":{"value":"t1"}}"#;
    let (unauthorized, forbidden) = (StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN);
    let secret = Some("the-cluster-secret");
    let cases = [
        ("GET", stdout, None, "", unauthorized),
        ("GET", stdout, Some("wrong"), "", unauthorized),
        ("GET", stdout, secret, "", StatusCode::OK),
        ("POST", "/api/v1", None, read, unauthorized),
        ("POST", "/api/v1", secret, read, StatusCode::OK),
        (
            "POST",
            "/api/v1",
            None,
            r#"{"type":"GET_STATE"}"#,
            StatusCode::OK,
        ),
        ("POST", "/api/v1/executor", None, subscribe, unauthorized),
        ("POST", "/api/v1/executor", secret, subscribe, forbidden),
    ];
    for (method, path, token, body, status) in cases {
        let (got, text) = agent.ask(method, path, token, body).await;
        assert_eq!(got, status, "{method} {path} with {token:?}: {text}");
    }
    let (_, text) = agent.ask("GET", stdout, secret, "").await;
    assert!(
        text.contains("MESOS_EXECUTOR_ID=t1") && !text.contains("AUTHENTICATION_TOKEN"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_of_a_launch_leaves_nothing_unknown() {
    let world = World::new().await;
    let marker = format!("anytime-{}", std::process::id());
    let mut launched = Vec::new();
    for (round, pause) in [0, 3, 6, 10, 15, 25, 40, 80].into_iter().enumerate() {
        let mut agent = world.agent(&[]).await;
        for number in 0..3 {
            let id = format!("t-{round}-{number}");
            world
                .master
                .run(task(&id, &format!(": {marker} {id}.; exec sleep 300")));
            launched.push(id);
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        agent.signal(nix::sys::signal::Signal::SIGKILL);
    }
    let mut agent = world.agent(&["--stop-executors-on-shutdown"]).await;
    // What runs is known to the agent: it is in its registration, or its end was told.
    let known: Vec<String> = {
        let state = world.master.state.lock().unwrap();
        let tasks = state.subscriptions.last().unwrap().tasks.iter();
        tasks.map(|task| task.task_id.value.clone()).collect()
    };
    for id in &launched {
        let runs = !processes_with(&format!("{marker} {id}.")).is_empty();
        assert!(
            !runs || known.contains(id),
            "{id} runs unknown to the agent"
        );
    }
    assert!(agent.signal(nix::sys::signal::Signal::SIGTERM).success());
    wait_until_none(&marker).await;
    for controller in ["memory", "freezer", ""] {
        let group = Path::new("/sys/fs/cgroup")
            .join(controller)
            .join(format!("aurora-test-{}", std::process::id()));
        let left: Vec<_> = std::fs::read_dir(&group)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.path().is_dir())
            .collect();
        // Other tests of this program use the same root.
        let ours = left
            .iter()
            .filter(|entry| world.owns(&entry.file_name().to_string_lossy()));
        assert_eq!(ours.count(), 0, "groups left in {}", group.display());
    }
}

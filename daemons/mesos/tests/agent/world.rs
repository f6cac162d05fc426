//! A world for the agent: a master that is played by the test, a work directory, and clients.

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
    CommandInfo, FrameworkInfo, MasterInfo, Resource, Scalar, TaskInfo, TaskState, TaskStatus,
    ValueType, scheduler,
};
use aurora_mesosd::link;
use bytes::Bytes;
use http::StatusCode;
use tokio::sync::mpsc;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A master that acknowledges every update and remembers everything.
#[derive(Default)]
pub(crate) struct Master {
    pub(crate) state: Mutex<State>,
}

pub(crate) struct State {
    /// What agents are told about the pings, of which this master sends none.
    pub(crate) total_ping_timeout: Duration,
    pub(crate) sessions: u32,
    pub(crate) events: Option<mpsc::Sender<Bytes>>,
    pub(crate) subscriptions: Vec<link::Subscribe>,
    pub(crate) updates: Vec<TaskStatus>,
    pub(crate) exited: Vec<link::ExecutorExited>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            total_ping_timeout: 2 * LIMIT,
            sessions: 0,
            events: None,
            subscriptions: Vec::new(),
            updates: Vec::new(),
            exited: Vec::new(),
        }
    }
}

impl Master {
    pub(crate) fn send(&self, event: &link::Event) {
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
    pub(crate) async fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
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

    pub(crate) async fn wait_for_state(&self, task: &str, state: TaskState) -> TaskStatus {
        self.wait(&format!("{task} {state}"), |seen| {
            seen.updates
                .iter()
                .find(|update| update.task_id.value == task && update.state == state)
                .cloned()
        })
        .await
    }

    /// Has a task killed, by its own policy.
    pub(crate) fn kill(&self, task: &str) {
        self.send(&link::Event::KillTask(link::KillTask {
            framework_id: "F".into(),
            task_id: task.into(),
            kill_policy: None,
        }));
    }

    pub(crate) fn run(&self, task: TaskInfo) {
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
                total_ping_timeout_ms: state.total_ping_timeout.as_millis() as u64,
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

pub(crate) struct Agent {
    pub(crate) child: Child,
    pub(crate) address: String,
}

pub(crate) struct World {
    pub(crate) master: Arc<Master>,
    pub(crate) master_address: String,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) server: Shutdown,
}

impl World {
    pub(crate) async fn new() -> Self {
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

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// Whether a container was made by this world's agents.
    pub(crate) fn owns(&self, container: &str) -> bool {
        let frameworks = self.work_dir().join("slaves/S0/frameworks/F/executors");
        std::fs::read_dir(frameworks)
            .into_iter()
            .flatten()
            .flatten()
            .any(|executor| executor.path().join("runs").join(container).exists())
    }

    /// Starts an agent and waits until it is registered.
    pub(crate) async fn agent(&self, flags: &[&str]) -> Agent {
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
pub(crate) fn test_groups() -> Vec<PathBuf> {
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
pub(crate) fn processes_of(text: &str) -> Vec<i32> {
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
    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn signal(&mut self, signal: nix::sys::signal::Signal) -> std::process::ExitStatus {
        nix::sys::signal::kill(self.pid(), signal).unwrap();
        self.child.wait().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask("GET", path, None, "").await
    }

    pub(crate) async fn ask(
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

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
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

pub(crate) fn task(id: &str, command: &str) -> TaskInfo {
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
pub(crate) fn processes_with(text: &str) -> BTreeMap<i32, String> {
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

pub(crate) async fn wait_until_none(text: &str) {
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

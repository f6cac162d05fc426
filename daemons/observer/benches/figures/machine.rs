//! A machine with tasks, and an observer over it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurora_api::thermos::{
    ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader, TaskState, TaskStatus,
};
use aurora_thermos::checkpoint::Writer;
use aurora_thermos::clock;
use serde_json::{Value, json};

use crate::number;

/// Tasks of sleeping processes, on record as running.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
    sleeping: Vec<Child>,
}

impl Machine {
    pub(crate) fn new(tasks: usize, processes: usize) -> Machine {
        let mut machine = Machine {
            directory: tempfile::tempdir().unwrap(),
            sleeping: Vec::new(),
        };
        for task in 0..tasks {
            machine.launch(task, processes);
        }
        machine
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn id(&self, task: usize) -> String {
        format!("role-prod-job-{task}-12345678")
    }

    fn run(&self, task: usize) -> PathBuf {
        let run = format!(
            "slaves/S0/frameworks/F0/executors/thermos-{}/runs/c0",
            self.id(task)
        );
        self.root().join(run)
    }

    pub(crate) fn sandbox(&self, task: usize) -> PathBuf {
        self.run(task).join("sandbox")
    }

    pub(crate) fn log(&self, task: usize) -> PathBuf {
        self.sandbox(task).join(".logs/p0/0/stdout")
    }

    fn launch(&mut self, task: usize, processes: usize) {
        let (root, id) = (self.run(task).join("checkpoints"), self.id(task));
        let names: Vec<String> = (0..processes).map(|number| format!("p{number}")).collect();
        fs::create_dir_all(root.join("tasks/active")).unwrap();
        fs::create_dir_all(root.join("checkpoints").join(&id)).unwrap();
        for name in &names {
            fs::create_dir_all(self.sandbox(task).join(format!(".logs/{name}/0"))).unwrap();
        }
        let process = |name: &String| json!({"name": name, "cmdline": "exec sleep 1000"});
        let definition =
            json!({"name": "job", "processes": names.iter().map(process).collect::<Vec<_>>()});
        fs::write(root.join("tasks/active").join(&id), definition.to_string()).unwrap();
        let mut stream = Writer::lock(root.join("checkpoints").join(&id).join("runner")).unwrap();
        let mut record = |record: RunnerCkpt| stream.write(&record).unwrap();
        let now = clock::now();
        record(RunnerCkpt::TaskStatus(TaskStatus {
            state: Some(TaskState::Active),
            timestamp_ms: Some((now * 1000.0) as i64),
            ..TaskStatus::default()
        }));
        record(RunnerCkpt::RunnerHeader(RunnerHeader {
            task_id: Some(id),
            launch_time_ms: Some((now * 1000.0) as i64),
            sandbox: Some(self.sandbox(task).display().to_string()),
            log_dir: Some(self.sandbox(task).join(".logs").display().to_string()),
            hostname: Some("h".into()),
            user: Some("role".into()),
            uid: Some(nix::unistd::getuid().as_raw().cast_signed()),
            ports: Some(BTreeMap::from([("http".into(), 31_000)])),
        }));
        for name in names {
            let child = Command::new("sleep").arg("1000").spawn().unwrap();
            let pid = child.id().cast_signed();
            self.sleeping.push(child);
            for (seq, state) in [
                ProcessState::Waiting,
                ProcessState::Forked,
                ProcessState::Running,
            ]
            .into_iter()
            .enumerate()
            {
                record(RunnerCkpt::ProcessStatus(ProcessStatus {
                    seq: Some(seq as i64),
                    process: Some(name.clone()),
                    state: Some(state),
                    pid: (seq == 2).then_some(pid),
                    start_time: (seq == 2).then(|| now.into()),
                    fork_time: (seq == 1).then(|| now.into()),
                    coordinator_pid: (seq == 1).then(|| std::process::id().cast_signed()),
                    ..ProcessStatus::default()
                }));
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.sleeping {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// An observer that is measured.
pub(crate) struct Watched {
    child: Child,
    pub(crate) address: String,
}

/// What came of a request.
pub(crate) struct Answer {
    pub(crate) first_byte: Duration,
    /// Of the body.
    pub(crate) bytes: usize,
    pub(crate) body: Vec<u8>,
}

impl Watched {
    pub(crate) fn start(program: &Path, root: &Path) -> Watched {
        let mut child = Command::new(program)
            .args(["--ip", "127.0.0.1", "--port", "0", "--mesos-root"])
            .arg(root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["ready"]["address"].as_str().unwrap().to_owned();
        Watched { child, address }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        get(&self.address, path, headers)
    }

    /// Read and write calls so far.
    pub(crate) fn reads(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/io", self.pid())).unwrap();
        let calls = text.lines().filter_map(|line| line.strip_prefix("sysc"));
        calls
            .map(|line| line[3..].trim().parse::<u64>().unwrap())
            .sum()
    }

    /// Seconds since the last sample of a task's history.
    pub(crate) fn age_of_sample(&self, id: &str) -> f64 {
        let body = self.get(&format!("/ext/v1/history/{id}"), "").body;
        let history: Value = serde_json::from_slice(&body).unwrap();
        let samples = history["samples"].as_array().unwrap();
        let last = samples.last().map(|sample| number(sample, "at_ms"));
        last.map_or(f64::NAN, |at| clock::now() - at / 1000.0)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Asks for a page, which must be there.
pub(crate) fn get(address: &str, path: &str, headers: &str) -> Answer {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut body = vec![0; 1 << 16];
    let mut filled = stream.read(&mut body).unwrap();
    let first_byte = begin.elapsed();
    let end = loop {
        let end = body[..filled]
            .windows(4)
            .position(|part| part == b"\r\n\r\n");
        if let Some(end) = end {
            break end + 4;
        }
        filled += stream.read(&mut body[filled..]).unwrap();
    };
    assert!(
        body.starts_with(b"HTTP/1.1 20"),
        "{path}: {:?}",
        String::from_utf8_lossy(&body[..end])
    );
    body.truncate(filled);
    body.drain(..end);
    let mut bytes = body.len();
    // The beginning is enough of a very long one.
    let mut piece = vec![0; 1 << 20];
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            count => {
                bytes += count;
                if body.len() < 32 << 20 {
                    body.extend_from_slice(&piece[..count]);
                }
            }
        }
    }
    Answer {
        first_byte,
        bytes,
        body,
    }
}

/// A control group that holds a process to a share of a core.
pub(crate) struct Cap(PathBuf);

impl Cap {
    /// `None` where this machine has no such group, or no leave to make one.
    pub(crate) fn on(pid: i32, percent: u32) -> Option<Cap> {
        let (one, two) = ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup");
        let is_first = Path::new(one).join("cpu.cfs_quota_us").exists();
        let group = Path::new(if is_first { one } else { two });
        let cap = Cap(group.join(format!("aurora-bench-{pid}")));
        fs::create_dir(&cap.0).ok()?;
        let quota = percent * 1000;
        let limited = match is_first {
            true => fs::write(cap.0.join("cpu.cfs_quota_us"), quota.to_string()),
            false => fs::write(cap.0.join("cpu.max"), format!("{quota} 100000")),
        };
        limited
            .and_then(|()| fs::write(cap.0.join("cgroup.procs"), pid.to_string()))
            .ok()
            .map(|()| cap)
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        // Out of the group first; one that still has members stays.
        if let Ok(members) = fs::read_to_string(self.0.join("cgroup.procs")) {
            for pid in members.lines() {
                let _ = fs::write(self.0.with_file_name("cgroup.procs"), pid);
            }
        }
        let _ = fs::remove_dir(&self.0);
    }
}

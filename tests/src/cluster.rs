//! An embedded cluster of the real programs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{process, programs, wait};

/// A directory of a test that the users of tasks can reach.
///
/// # Panics
/// When it cannot be made.
pub fn scratch() -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("aurora-test-")
        .tempdir()
        .expect("a directory for the test");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
        .expect("the test's own directory can be opened to others");
    directory
}

/// A cluster that runs for as long as this value lives.
pub struct Cluster {
    directory: TempDir,
    flags: Vec<String>,
    supervisor: Child,
    endpoints: Value,
}

impl Cluster {
    /// Starts a cluster named `devcluster` on a state directory of its own.
    ///
    /// # Panics
    /// When it is not ready in time; the supervisor's log is in the message.
    pub fn start() -> Cluster {
        Cluster::start_in(scratch())
    }

    /// The same with flags of `aurora-local run`, which later starts have as well.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn start_with(flags: &[&str]) -> Cluster {
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        Cluster::start_as(scratch(), flags.collect())
    }

    /// The same in a directory that was prepared.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn start_in(directory: TempDir) -> Cluster {
        Cluster::start_as(directory, Vec::new())
    }

    fn start_as(directory: TempDir, flags: Vec<String>) -> Cluster {
        let (supervisor, endpoints) = launch(directory.path(), &flags, &[]);
        Cluster {
            directory,
            flags,
            supervisor,
            endpoints,
        }
    }

    /// Starts the cluster again on its state, after [`Cluster::stop`] or [`Cluster::kill`].
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn restart(&mut self) {
        self.restart_under(&[]);
    }

    /// The same, started by a program that runs the command line which follows its own.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub fn restart_under(&mut self, wrapper: &[&str]) {
        let (supervisor, endpoints) = launch(self.directory.path(), &self.flags, wrapper);
        self.supervisor = supervisor;
        self.endpoints = endpoints;
    }

    /// The test's directory; the state is in `state` below it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The line that the supervisor printed once all was ready.
    pub fn endpoints(&self) -> &Value {
        &self.endpoints
    }

    /// The base URL of a part: scheduler, master, agent, observer.
    ///
    /// # Panics
    /// When the supervisor's line does not have it.
    pub fn url(&self, part: &str) -> String {
        let url = self.endpoints[part].as_str();
        url.unwrap_or_else(|| panic!("no {part} in {}", self.endpoints))
            .to_owned()
    }

    /// The cluster's secret.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn token(&self) -> String {
        let path = self.state().join("token");
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .trim()
            .to_owned()
    }

    /// The supervisor's process id.
    pub fn pid(&self) -> i32 {
        self.supervisor.id().cast_signed()
    }

    /// A command of this installation that finds this cluster.
    pub fn command(&self, program: &str) -> Command {
        let mut command = programs::command(program);
        command
            .env("AURORA_STATE_DIR", self.state())
            .env(
                "AURORA_CONFIG_ROOT",
                self.directory.path().join("no-config"),
            )
            .env("HOME", self.directory.path())
            .env("TZ", "UTC")
            .current_dir(programs::workspace());
        command
    }

    /// Runs `aurora` to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn aurora(&self, arguments: &[&str]) -> Output {
        self.command("aurora")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("aurora can be run")
    }

    /// Runs `aurora`, which has to succeed; its standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn aurora_ok(&self, arguments: &[&str]) -> String {
        let output = self.aurora(arguments);
        assert!(
            output.status.success(),
            "aurora {arguments:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The tasks of a job as `job status --write-json` shows them: `(active, inactive)`.
    ///
    /// # Panics
    /// When the output is not what it should be.
    pub fn status(&self, job: &str) -> (Vec<Value>, Vec<Value>) {
        let text = self.aurora_ok(&["job", "status", "--write-json", job]);
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let tasks = |key: &str| answer[0][key].as_array().cloned().unwrap_or_default();
        (tasks("active"), tasks("inactive"))
    }

    /// Waits until the job's active tasks, by instance, are in these states.
    pub fn wait_for_states(&self, job: &str, wanted: &[&str]) {
        wait::until(&format!("{job} to be {wanted:?}"), || {
            let (active, inactive) = self.status(job);
            let states: Vec<&str> = active
                .iter()
                .filter_map(|task| task["status"].as_str())
                .collect();
            if states == wanted {
                Ok(())
            } else {
                let last: Vec<String> = inactive.iter().map(last_event).collect();
                Err(format!(
                    "active {states:?}, inactive {last:?}\n{}",
                    self.log()
                ))
            }
        });
    }

    /// What the supervisor and the daemons logged.
    pub fn log(&self) -> String {
        log(self.directory.path())
    }

    /// Asks the supervisor to stop everything, and waits for it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        process::signal(self.pid(), Signal::SIGTERM);
        self.wait_for_end()
    }

    /// Waits for the supervisor to end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let directory = self.directory.path().to_owned();
        let supervisor = &mut self.supervisor;
        wait::until("the supervisor to end", || match supervisor.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(format!(
                "still running: {:?}\n{}",
                process::belonging_to(&directory),
                log(&directory)
            )),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Processes of this cluster, its tasks included.
    pub fn processes(&self) -> Vec<process::Process> {
        process::belonging_to(self.directory.path())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        process::end_all(self.directory.path());
        // Already reaped, or about to be; either way it is over.
        drop(self.supervisor.wait());
    }
}

/// The last event of a task, for messages.
pub fn last_event(task: &Value) -> String {
    let events = task["taskEvents"].as_array();
    let last = events.and_then(|events| events.last()).cloned();
    last.unwrap_or_default().to_string()
}

fn launch(directory: &Path, flags: &[String], wrapper: &[&str]) -> (Child, Value) {
    let log_file = File::options()
        .append(true)
        .create(true)
        .open(directory.join("supervisor.log"))
        .expect("the test's directory can be written");
    let mut supervisor = programs::command_under(wrapper, "aurora-local")
        .args(["run", "--cluster-name", "devcluster", "--state-dir"])
        .arg(directory.join("state"))
        .args(flags)
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .spawn()
        .expect("aurora-local can be run");
    let output = supervisor.stdout.take().expect("standard output is piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let result = BufReader::new(output).read_line(&mut line).map(|_| line);
        // The test may have given up waiting.
        drop(sender.send(result));
    });
    let line = match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(Ok(line)) if !line.is_empty() => line,
        other => {
            let text = log(directory);
            process::end_all(directory);
            panic!("the cluster is not ready: {other:?}\n{text}");
        }
    };
    let endpoints = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (supervisor, endpoints)
}

/// The ends of all logs of a cluster.
fn log(directory: &Path) -> String {
    let mut paths = vec![directory.join("supervisor.log")];
    if let Ok(entries) = fs::read_dir(directory.join("state/logs")) {
        paths.extend(entries.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let content = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = content.lines().collect();
        let tail = &lines[lines.len().saturating_sub(25)..];
        text.push_str(&format!("--- {}\n{}\n", path.display(), tail.join("\n")));
    }
    text
}

impl Cluster {
    /// A GET at a part of the cluster, with the secret; JSON.
    ///
    /// # Errors
    /// Whatever is not a JSON answer with status 200.
    pub fn get(&self, part: &str, path: &str) -> Result<Value, String> {
        let url = format!("{}{path}", self.url(part));
        let answer = crate::http::get(&url, &self.token()).map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{path}: {} {}", answer.status, answer.body));
        }
        serde_json::from_str(&answer.body)
            .map_err(|error| format!("{path}: {error}: {}", answer.body))
    }

    /// Writes a job file of one job into the test's directory; its path. `job` is `ROLE/ENV/NAME` of the cluster.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn job_file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("the test's directory can be written");
        path.display().to_string()
    }
}

/// The role that tests run tasks as: an account that every Debian has, or the invoking user where that is not root.
pub fn role() -> String {
    if crate::skip::is_root() {
        return "www-data".to_owned();
    }
    nix::unistd::User::from_uid(nix::unistd::geteuid())
        .ok()
        .flatten()
        .map_or_else(|| "nobody".to_owned(), |user| user.name)
}

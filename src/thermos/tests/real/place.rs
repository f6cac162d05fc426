//! Where scenarios run, and what they look at.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aurora_api::thermos::{ProcessState, RunnerCkpt, TaskState};
use aurora_thermos::checkpoint::Reader;
use aurora_thermos::core::Turn;
use aurora_thermos::isolation::Isolation;
use aurora_thermos::logs::LogDefaults;
use aurora_thermos::paths::TaskPaths;
use aurora_thermos::procs::Exemptions;
use aurora_thermos::schema::Task;
use aurora_thermos::{Settings, TaskRunner};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

pub(crate) fn nap() {
    poll(&mut [], PollTimeout::from(10_u8)).expect("poll");
}

/// Waits for a condition; panics with what `last` says when it does not come.
pub(crate) fn until(
    what: &str,
    limit: Duration,
    last: impl Fn() -> String,
    mut condition: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{what} did not happen; last: {}",
            last()
        );
        nap();
    }
}

/// A scratch directory with a sandbox and a checkpoint root.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    /// One that exists already.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, _dir: None }
    }

    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        // Others have to be able to enter it.
        fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("chmod");
        let place = Self {
            root: dir.path().to_owned(),
            _dir: Some(dir),
        };
        fs::create_dir(place.sandbox()).expect("a sandbox");
        place
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        self.root.join("sandbox")
    }

    pub(crate) fn paths(&self) -> TaskPaths {
        TaskPaths::new(self.checkpoints(), "task-1").expect("a good id")
    }

    pub(crate) fn settings(&self, task: Value) -> Settings {
        Settings {
            task: Task::from_json(&task).expect("a valid task"),
            task_id: "task-1".into(),
            checkpoint_root: self.checkpoints(),
            sandbox: self.sandbox(),
            log_dir: None,
            hostname: "host-1".into(),
            ports: BTreeMap::from([("http".to_owned(), 31_000)]),
            user: None,
            isolation: Isolation::default(),
            image: None,
            preserve_environment: false,
            secrets: vec!["A_SECRET".into()],
            logging: LogDefaults::default(),
            run_limit: 100,
            program: PathBuf::from("/proc/self/exe"),
            exemptions: Exemptions::default(),
        }
    }

    pub(crate) fn run(&self, task: Value) -> Run {
        self.run_as(task, None)
    }

    pub(crate) fn run_as(&self, task: Value, user: Option<String>) -> Run {
        let settings = Settings {
            user,
            ..self.settings(task)
        };
        Run {
            runner: TaskRunner::start(settings).expect("starting the task"),
            paths: self.paths(),
        }
    }

    pub(crate) fn finish(&self, task: Value) -> Run {
        let mut run = self.run(task);
        run.until_over(Duration::from_secs(30));
        run
    }

    pub(crate) fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.sandbox().join(name)).ok()
    }

    pub(crate) fn pid(&self, name: &str) -> i32 {
        until(
            "a process id in a file",
            Duration::from_secs(10),
            || format!("{name}: {:?}", self.file(name)),
            || {
                self.file(name)
                    .is_some_and(|text| text.trim().parse::<i32>().is_ok())
            },
        );
        self.file(name)
            .and_then(|text| text.trim().parse().ok())
            .expect("a number")
    }

    pub(crate) fn log(&self, process: &str, run: usize, which: &str) -> String {
        self.file(&format!(".logs/{process}/{run}/{which}"))
            .expect("a log file")
    }
}

pub(crate) struct Run {
    pub(crate) runner: TaskRunner,
    pub(crate) paths: TaskPaths,
}

impl Run {
    pub(crate) fn turn(&mut self) -> Turn {
        self.runner.turn().expect("a turn")
    }

    /// Waits for news, for at most `longest`.
    pub(crate) fn wait(&mut self, longest: Duration) {
        let millis = u16::try_from(longest.as_millis())
            .unwrap_or(u16::MAX)
            .max(1);
        let wake = self.runner.wake_fd();
        poll(
            &mut [PollFd::new(wake, PollFlags::POLLIN)],
            PollTimeout::from(millis),
        )
        .expect("poll");
    }

    pub(crate) fn until_over(&mut self, limit: Duration) -> TaskState {
        let deadline = Instant::now() + limit;
        loop {
            match self.turn() {
                Turn::Over(state) => return state,
                Turn::Wait(longest) => {
                    assert!(
                        Instant::now() < deadline,
                        "the task goes on: {:?}",
                        self.runner.state()
                    );
                    self.wait(longest);
                }
            }
        }
    }

    /// Turns until the newest run of the process is in the given state.
    pub(crate) fn until_run(&mut self, process: &str, state: ProcessState, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.turn();
            let runs = self.runner.state().processes.get(process);
            if runs.is_some_and(|runs| {
                runs.len() == count && runs.last().is_some_and(|run| run.state == Some(state))
            }) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{process} did not come to {state}: {:?}",
                self.runner.state()
            );
            self.wait(Duration::from_millis(50));
        }
    }

    /// Like [`Run::until_run`], for a file in the sandbox.
    pub(crate) fn until_file(&mut self, place: &Place, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while place.file(name).is_none_or(|text| text.trim().is_empty()) {
            assert!(
                Instant::now() < deadline,
                "{name} was not written: {:?}",
                self.runner.state()
            );
            self.turn();
            self.wait(Duration::from_millis(20));
        }
    }

    /// The same for a checkpoint root that was moved.
    pub(crate) fn record_in(&self, root: &std::path::Path) -> Record {
        read(&TaskPaths::new(root, "task-1").expect("a good id"))
    }

    /// The stream as text: task states, and each process's transitions.
    pub(crate) fn record(&self) -> Record {
        read(&self.paths)
    }
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) task: String,
    pub(crate) processes: BTreeMap<String, String>,
}

impl Record {
    #[track_caller]
    pub(crate) fn check(&self, task: &str, processes: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = processes
            .iter()
            .map(|(name, runs)| ((*name).to_owned(), (*runs).to_owned()))
            .collect();
        assert_eq!(
            *self,
            Record {
                task: task.to_owned(),
                processes: expected
            }
        );
    }
}

pub(crate) fn read(paths: &TaskPaths) -> Record {
    let mut reader = Reader::new(paths.runner());
    let mut record = Record::default();
    let add = |line: &mut String, word: String| {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    };
    while let Some(next) = reader.next().expect("a readable stream") {
        match next {
            RunnerCkpt::RunnerHeader(_) => add(&mut record.task, "header".into()),
            RunnerCkpt::TaskStatus(status) => {
                add(&mut record.task, status.state.expect("a state").to_string())
            }
            RunnerCkpt::ProcessStatus(status) => {
                let state = status.state.expect("a state");
                let word = status
                    .return_code
                    .map_or(state.to_string(), |code| format!("{state}({code})"));
                add(
                    record
                        .processes
                        .entry(status.process.expect("a name"))
                        .or_default(),
                    word,
                );
            }
        }
    }
    record
}

/// A process of the schema with sensible test settings.
pub(crate) fn process(name: &str, cmdline: &str) -> Value {
    json!({"name": name, "cmdline": cmdline, "min_duration": 0})
}

pub(crate) fn with(mut value: Value, more: Value) -> Value {
    for (key, extra) in more.as_object().expect("an object") {
        value[key] = extra.clone();
    }
    value
}

pub(crate) fn is_root() -> bool {
    nix::unistd::getuid().is_root()
}

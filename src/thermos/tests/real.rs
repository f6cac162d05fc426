//! Tasks of real processes: what ends up on record, and what is left running (nothing).
//!
//! This program is its own test driver. `real` runs every scenario (or those whose names contain the given text), each as a
//! child `real scenario NAME` with a deadline, because a runner adopts and kills whatever its process has for children.
//! `real coordinator …` is what runners start.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use aurora_api::thermos::{ProcessState, RunnerCkpt, TaskState};
use aurora_thermos::checkpoint::Reader;
use aurora_thermos::core::Turn;
use aurora_thermos::logs::LogDefaults;
use aurora_thermos::paths::{Stage, TaskPaths};
use aurora_thermos::schema::Task;
use aurora_thermos::{Settings, TaskRunner, procs};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// How long one scenario may take.
const DEADLINE: Duration = Duration::from_secs(40);

type Scenario = fn(&Place);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    match first.as_deref() {
        Some(aurora_thermos::coordinator::ARGUMENT) => return aurora_thermos::coordinator::main(arguments),
        Some("scenario") => {
            let name = arguments.next().expect("a scenario's name");
            let (_, run) = SCENARIOS.iter().find(|(known, _)| *known == name).expect("a known scenario");
            run(&Place::new());
            return ExitCode::SUCCESS;
        }
        Some("sleeper") => {
            // A runner to be killed: runs the task given as JSON in the place given.
            let place = Place { root: PathBuf::from(arguments.next().expect("a place")), _dir: None };
            let task: Value = serde_json::from_str(&arguments.next().expect("a task")).expect("JSON");
            let mut run = place.run(task);
            run.until_over(Duration::from_secs(3600));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let filter = first.filter(|text| !text.starts_with('-')).unwrap_or_default();
    let mut failed = 0;
    let chosen: Vec<_> = SCENARIOS.iter().filter(|(name, _)| name.contains(&filter)).collect();
    for batch in chosen.chunks(4) {
        let children: Vec<_> = batch.iter().map(|(name, _)| (name, Instant::now(), scenario(name))).collect();
        for (name, started, child) in children {
            let passed = wait_for(child, started + DEADLINE);
            println!("scenario {name} ... {} ({:.1?})", if passed { "ok" } else { "FAILED" }, started.elapsed());
            failed += usize::from(!passed);
        }
    }
    println!("{} scenarios, {failed} failed", chosen.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn scenario(name: &str) -> Child {
    Command::new(std::env::current_exe().expect("own path"))
        .args(["scenario", name])
        .stdin(Stdio::null())
        .spawn()
        .expect("starting a scenario")
}

fn wait_for(mut child: Child, deadline: Instant) -> bool {
    loop {
        if let Some(status) = child.try_wait().expect("waiting for a scenario") {
            return status.success();
        }
        if Instant::now() > deadline {
            println!("out of time");
            child.kill().expect("killing a scenario");
            child.wait().expect("reaping a scenario");
            return false;
        }
        nap();
    }
}

fn nap() {
    poll(&mut [], PollTimeout::from(10_u8)).expect("poll");
}

/// Waits for a condition; panics with what `last` says when it does not come.
fn until(what: &str, limit: Duration, last: impl Fn() -> String, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen; last: {}", last());
        nap();
    }
}

/// A scratch directory with a sandbox and a checkpoint root.
struct Place {
    root: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        // Others have to be able to enter it.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
        let place = Self { root: dir.path().to_owned(), _dir: Some(dir) };
        fs::create_dir(place.sandbox()).expect("a sandbox");
        place
    }

    fn sandbox(&self) -> PathBuf {
        self.root.join("sandbox")
    }

    fn paths(&self) -> TaskPaths {
        TaskPaths::new(&self.root, "task-1").expect("a good id")
    }

    fn settings(&self, task: Value) -> Settings {
        Settings {
            task: Task::from_json(&task).expect("a valid task"),
            task_id: "task-1".into(),
            checkpoint_root: self.root.clone(),
            sandbox: self.sandbox(),
            log_dir: None,
            hostname: "host-1".into(),
            ports: BTreeMap::from([("http".to_owned(), 31_000)]),
            user: None,
            preserve_environment: false,
            secrets: vec!["A_SECRET".into()],
            logging: LogDefaults::default(),
            run_limit: 100,
            program: PathBuf::from("/proc/self/exe"),
        }
    }

    fn run(&self, task: Value) -> Run {
        Run { runner: TaskRunner::start(self.settings(task)).expect("starting the task"), paths: self.paths() }
    }

    fn finish(&self, task: Value) -> Run {
        let mut run = self.run(task);
        run.until_over(Duration::from_secs(30));
        run
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.sandbox().join(name)).ok()
    }

    fn pid(&self, name: &str) -> i32 {
        until(
            "a process id in a file",
            Duration::from_secs(10),
            || format!("{name}: {:?}", self.file(name)),
            || self.file(name).is_some_and(|text| text.trim().parse::<i32>().is_ok()),
        );
        self.file(name).and_then(|text| text.trim().parse().ok()).expect("a number")
    }

    fn log(&self, process: &str, run: usize, which: &str) -> String {
        self.file(&format!(".logs/{process}/{run}/{which}")).expect("a log file")
    }
}

struct Run {
    runner: TaskRunner,
    paths: TaskPaths,
}

impl Run {
    fn turn(&mut self) -> Turn {
        self.runner.turn().expect("a turn")
    }

    /// Waits for news, for at most `longest`.
    fn wait(&mut self, longest: Duration) {
        let millis = u16::try_from(longest.as_millis()).unwrap_or(u16::MAX).max(1);
        let wake = self.runner.wake_fd();
        poll(&mut [PollFd::new(wake, PollFlags::POLLIN)], PollTimeout::from(millis)).expect("poll");
    }

    fn until_over(&mut self, limit: Duration) -> TaskState {
        let deadline = Instant::now() + limit;
        loop {
            match self.turn() {
                Turn::Over(state) => return state,
                Turn::Wait(longest) => {
                    assert!(Instant::now() < deadline, "the task goes on: {:?}", self.runner.state());
                    self.wait(longest);
                }
            }
        }
    }

    /// Turns until the newest run of the process is in the given state.
    fn until_run(&mut self, process: &str, state: ProcessState, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.turn();
            let runs = self.runner.state().processes.get(process);
            if runs.is_some_and(|runs| runs.len() == count && runs.last().is_some_and(|run| run.state == Some(state))) {
                return;
            }
            assert!(Instant::now() < deadline, "{process} did not come to {state}: {:?}", self.runner.state());
            self.wait(Duration::from_millis(50));
        }
    }

    /// Like [`Run::until_run`], for a file in the sandbox.
    fn until_file(&mut self, place: &Place, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while place.file(name).is_none_or(|text| text.trim().is_empty()) {
            assert!(Instant::now() < deadline, "{name} was not written: {:?}", self.runner.state());
            self.turn();
            self.wait(Duration::from_millis(20));
        }
    }

    /// The stream as text: task states, and each process's transitions.
    fn record(&self) -> Record {
        read(&self.paths)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Record {
    task: String,
    processes: BTreeMap<String, String>,
}

impl Record {
    #[track_caller]
    fn check(&self, task: &str, processes: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> =
            processes.iter().map(|(name, runs)| ((*name).to_owned(), (*runs).to_owned())).collect();
        assert_eq!(*self, Record { task: task.to_owned(), processes: expected });
    }
}

fn read(paths: &TaskPaths) -> Record {
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
            RunnerCkpt::TaskStatus(status) => add(&mut record.task, status.state.expect("a state").to_string()),
            RunnerCkpt::ProcessStatus(status) => {
                let state = status.state.expect("a state");
                let word = status.return_code.map_or(state.to_string(), |code| format!("{state}({code})"));
                add(record.processes.entry(status.process.expect("a name")).or_default(), word);
            }
        }
    }
    record
}

/// A process of the schema with sensible test settings.
fn process(name: &str, cmdline: &str) -> Value {
    json!({"name": name, "cmdline": cmdline, "min_duration": 0})
}

fn with(mut value: Value, more: Value) -> Value {
    for (key, extra) in more.as_object().expect("an object") {
        value[key] = extra.clone();
    }
    value
}

fn is_root() -> bool {
    nix::unistd::getuid().is_root()
}

const SUCCESS: &str = "WAITING FORKED RUNNING SUCCESS(0)";
const ENDED: &str = "ACTIVE header CLEANING FINALIZING SUCCESS";

const SCENARIOS: &[(&str, Scenario)] = &[
    ("one_process", |place| {
        let run = place.finish(json!({"processes": [process("hello", "echo out; echo err >&2; pwd")]}));
        run.record().check(ENDED, &[("hello", SUCCESS)]);
        assert_eq!(place.log("hello", 0, "stdout"), format!("out\n{}\n", place.sandbox().display()));
        assert_eq!(place.log("hello", 0, "stderr"), "err\n");
        assert!(!place.paths().task(Stage::Active).exists());
        let task: Value = serde_json::from_slice(&fs::read(place.paths().task(Stage::Finished)).unwrap()).unwrap();
        assert_eq!(task["processes"][0]["name"], "hello");
        let header = run.runner.state().header.clone().unwrap();
        assert_eq!(header.sandbox.unwrap(), place.sandbox().to_str().unwrap());
        assert_eq!(header.log_dir.unwrap(), place.sandbox().join(".logs").to_str().unwrap());
        assert_eq!((header.hostname.unwrap().as_str(), header.ports.unwrap()["http"]), ("host-1", 31_000));
        assert_eq!(header.uid.unwrap(), nix::unistd::getuid().as_raw() as i32);
        // Its coordinator wrote FORKED's successors into its own stream, which begins with the runner's FORKED.
        let mut own = Reader::new(place.paths().coordinator("hello").unwrap());
        let mut states = vec![];
        while let Some(RunnerCkpt::ProcessStatus(status)) = own.next().unwrap() {
            states.push((status.seq.unwrap(), status.state.unwrap()));
        }
        assert_eq!(states, [(1, ProcessState::Forked), (2, ProcessState::Running), (3, ProcessState::Success)]);
    }),
    ("exit_status", |place| {
        let run = place.finish(json!({"processes": [process("p", "exit 3")]}));
        run.record().check("ACTIVE header CLEANING FINALIZING FAILED", &[("p", "WAITING FORKED RUNNING FAILED(3)")]);
    }),
    ("a_signal_is_a_loss_and_not_a_failure", |place| {
        let run = place.finish(json!({"processes": [process("p", "[ -e again ] || { touch again; kill -9 $$; }")]}));
        run.record().check(ENDED, &[("p", "WAITING FORKED RUNNING KILLED(-9) WAITING FORKED RUNNING SUCCESS(0)")]);
    }),
    ("a_signal_seen_by_bash_is_a_failure", |place| {
        let run = place.finish(json!({"processes": [process("p", "bash -c 'kill -9 $$'; exit $?")]}));
        run.record().check("ACTIVE header CLEANING FINALIZING FAILED", &[("p", "WAITING FORKED RUNNING FAILED(137)")]);
    }),
    ("order", |place| {
        let run = place.finish(json!({
            "processes": [process("b", "echo b >> order"), process("a", "echo a >> order")],
            "constraints": [{"order": ["a", "b"]}],
        }));
        run.record().check(ENDED, &[("a", SUCCESS), ("b", SUCCESS)]);
        assert_eq!(place.file("order").unwrap(), "a\nb\n");
    }),
    ("a_failed_predecessor_is_a_deadlock", |place| {
        let run = place.finish(json!({
            "processes": [process("a", "exit 1"), process("b", "true")],
            "constraints": [{"order": ["a", "b"]}], "max_failures": 2,
        }));
        run.record().check("ACTIVE header CLEANING FINALIZING FAILED", &[("a", "WAITING FORKED RUNNING FAILED(1)")]);
    }),
    ("all_may_fail_without_a_limit", |place| {
        let run = place.finish(json!({"processes": [process("a", "exit 1"), process("b", "exit 2")], "max_failures": 0}));
        run.record().check(
            ENDED,
            &[("a", "WAITING FORKED RUNNING FAILED(1)"), ("b", "WAITING FORKED RUNNING FAILED(2)")],
        );
    }),
    ("retries", |place| {
        let again = with(process("p", "echo x >> runs; [ $(wc -l < runs) = 3 ]"), json!({"max_failures": 3}));
        let run = place.finish(json!({"processes": [again]}));
        let failed = "WAITING FORKED RUNNING FAILED(1)";
        run.record().check(ENDED, &[("p", &format!("{failed} {failed} {SUCCESS}"))]);
        assert!(place.sandbox().join(".logs/p/2/stdout").exists());
    }),
    ("a_daemon_ends_by_its_failures", |place| {
        let daemon = with(process("p", "[ ! -e x ] && touch x"), json!({"daemon": true}));
        let run = place.finish(json!({"processes": [daemon], "max_failures": 0}));
        run.record().check(ENDED, &[("p", &format!("{SUCCESS} WAITING FORKED RUNNING FAILED(1)"))]);
    }),
    ("ephemerals_are_ended_with_the_task", |place| {
        let side = with(process("side", "touch up; exec sleep 1000"), json!({"ephemeral": true}));
        let run = place.finish(json!({
            "processes": [side, process("main", "while ! [ -e up ]; do sleep 0.02; done")],
        }));
        run.record().check(ENDED, &[("side", "WAITING FORKED RUNNING KILLED(-15)"), ("main", SUCCESS)]);
    }),
    ("ephemerals_alone_are_complete_at_once", |place| {
        let side = with(process("side", "exec sleep 1000"), json!({"ephemeral": true}));
        let run = place.finish(json!({"processes": [side]}));
        run.record().check(ENDED, &[("side", "WAITING FORKED RUNNING KILLED(-15)")]);
    }),
    ("finalizers", |place| {
        let run = place.finish(json!({
            "processes": [
                process("main", "echo main >> order"),
                with(process("one", "echo one >> order; exit 1"), json!({"final": true})),
                with(process("two", "echo two >> order"), json!({"final": true})),
            ],
            "constraints": [{"order": ["one", "two"]}],
        }));
        run.record().check(ENDED, &[("main", SUCCESS), ("one", "WAITING FORKED RUNNING FAILED(1)")]);
        assert_eq!(place.file("order").unwrap(), "main\none\n");
    }),
    ("min_duration_counts_from_the_end", |place| {
        let again = json!({"name": "p", "cmdline": "[ -e x ] || { touch x; exit 1; }", "min_duration": 2, "max_failures": 2});
        let run = place.finish(json!({"processes": [again]}));
        let runs = &run.runner.state().processes["p"];
        let gap = runs[1].fork_time.unwrap().0 - runs[0].stop_time.unwrap().0;
        assert!((1.9..4.0).contains(&gap), "{gap}");
    }),
    ("concurrency", |place| {
        let run = place.finish(json!({
            "processes": [process("a", "sleep 0.2"), process("b", "sleep 0.2"), process("c", "sleep 0.2")],
            "max_concurrency": 1,
        }));
        let mut spans: Vec<(f64, f64)> = run
            .runner
            .state()
            .processes
            .values()
            .map(|runs| (runs[0].fork_time.unwrap().0, runs[0].stop_time.unwrap().0))
            .collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(spans.len(), 3);
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
    }),
    ("kill", |place| {
        let mut run = place.run(json!({
            "processes": [
                process("main", "exec sleep 1000"),
                with(process("last", "touch last"), json!({"final": true})),
            ],
        }));
        run.until_run("main", ProcessState::Running, 1);
        run.runner.kill(Duration::from_secs(60)).unwrap();
        run.runner.kill(Duration::from_secs(60)).unwrap();
        assert_eq!(run.until_over(Duration::from_secs(20)), TaskState::Killed);
        run.record().check(
            "ACTIVE header ACTIVE CLEANING FINALIZING KILLED",
            &[("main", "WAITING FORKED RUNNING KILLED(-15)"), ("last", SUCCESS)],
        );
        assert!(place.file("last").is_some());
    }),
    ("who_ignores_sigterm_is_killed_at_the_deadline", |place| {
        let mut run = place.run(json!({
            "processes": [
                process("main", "trap '' TERM; touch up; while true; do sleep 0.1; done"),
                with(process("last", "touch last"), json!({"final": true})),
            ],
        }));
        run.until_run("main", ProcessState::Running, 1);
        until("the trap", Duration::from_secs(10), String::new, || place.sandbox().join("up").exists());
        run.runner.kill(Duration::from_secs(1)).unwrap();
        assert_eq!(run.until_over(Duration::from_secs(20)), TaskState::Killed);
        run.record().check(
            "ACTIVE header ACTIVE CLEANING KILLED",
            &[("main", "WAITING FORKED RUNNING KILLED(-1)")],
        );
        assert!(place.file("last").is_none());
    }),
    ("lose", |place| {
        let mut run = place.run(json!({"processes": [process("main", "exec sleep 1000")]}));
        run.until_run("main", ProcessState::Running, 1);
        run.runner.lose().unwrap();
        assert_eq!(run.until_over(Duration::from_secs(20)), TaskState::Lost);
        assert!(run.record().task == "ACTIVE header ACTIVE CLEANING LOST", "{:?}", run.record());
    }),
    ("background_children_die_with_their_process", |place| {
        let run = place.finish(json!({"processes": [process("p", "sleep 1000 & echo $! > bg")]}));
        run.record().check(ENDED, &[("p", SUCCESS)]);
        let pid = place.pid("bg");
        until("the child's death", Duration::from_secs(5), || format!("{pid} lives"), || !procs::is_alive(pid));
    }),
    ("who_leaves_the_session_dies_with_the_task", |place| {
        let mut run = place.run(json!({
            "processes": [
                process("p", "setsid bash -c 'echo $$ > far; exec sleep 1000' & while ! [ -s far ]; do sleep 0.02; done"),
                process("q", "while ! [ -e go ]; do sleep 0.02; done"),
            ],
        }));
        run.until_run("p", ProcessState::Success, 1);
        let pid = place.pid("far");
        assert!(procs::is_alive(pid), "it outlives its process, as upstream");
        fs::write(place.sandbox().join("go"), "").unwrap();
        run.until_over(Duration::from_secs(20));
        assert!(!procs::is_alive(pid));
        run.record().check(ENDED, &[("p", SUCCESS), ("q", SUCCESS)]);
    }),
    ("a_killed_coordinator_loses_the_run", |place| {
        let mut run = place.run(json!({
            "processes": [process("p", "[ -e x ] && exit; echo $$ > x; sleep 1000 & echo $! > y; wait")],
        }));
        run.until_run("p", ProcessState::Running, 1);
        run.until_file(place, "y");
        let (bash, below) = (place.pid("x"), place.pid("y"));
        let coordinator = run.runner.state().latest("p").unwrap().coordinator_pid.unwrap();
        kill(Pid::from_raw(coordinator), Signal::SIGKILL).unwrap();
        run.until_over(Duration::from_secs(20));
        run.record().check(ENDED, &[("p", &format!("WAITING FORKED RUNNING LOST {SUCCESS}"))]);
        assert!(!procs::is_alive(bash) && !procs::is_alive(below));
    }),
    ("a_killed_runner_takes_everything_along", |place| {
        let task = json!({"processes": [process(
            "p",
            "echo $$ > x; setsid bash -c 'echo $$ > far; exec sleep 1000' & (sleep 1000 & echo $! > y); wait"
        )]});
        let mut runner = Command::new(std::env::current_exe().unwrap())
            .args(["sleeper", place.root.to_str().unwrap(), &task.to_string()])
            .spawn()
            .unwrap();
        let pids = [place.pid("x"), place.pid("y"), place.pid("far")];
        assert!(pids.iter().all(|&pid| procs::is_alive(pid)));
        runner.kill().unwrap();
        runner.wait().unwrap();
        until("everybody's death", Duration::from_secs(10), || format!("{pids:?}"), || {
            pids.iter().all(|&pid| !procs::is_alive(pid))
        });
        // The record stays as it was: whoever reads it sees a task that never said how it ended.
        let record = read(&place.paths());
        assert_eq!(record.task, "ACTIVE header");
    }),
    ("runner_and_coordinator_killed_together_leave_no_process", |place| {
        let task = json!({"processes": [process("p", "echo $$ > x; exec sleep 1000")]});
        let mut runner = Command::new(std::env::current_exe().unwrap())
            .args(["sleeper", place.root.to_str().unwrap(), &task.to_string()])
            .spawn()
            .unwrap();
        let pid = place.pid("x");
        let coordinator = *procs::children(runner.id() as i32).first().expect("a coordinator");
        kill(Pid::from_raw(coordinator), Signal::SIGSTOP).unwrap();
        runner.kill().unwrap();
        kill(Pid::from_raw(coordinator), Signal::SIGKILL).unwrap();
        runner.wait().unwrap();
        until("the process's death", Duration::from_secs(10), || format!("{pid} lives"), || !procs::is_alive(pid));
    }),
    ("environment", |place| {
        fs::write(place.sandbox().join(".thermos_profile"), "export FROM_PROFILE=1\n").unwrap();
        place.finish(json!({"processes": [process("p", "cat /proc/$$/environ | tr '\\0' '\\n' | sort; echo $FROM_PROFILE")]}));
        let user = aurora_thermos::users::by_uid(nix::unistd::getuid().as_raw()).unwrap().name;
        let sandbox = place.sandbox().display().to_string();
        let expected = format!(
            "BASH_ENV={sandbox}/.thermos_profile\nHOME={sandbox}\nLOGNAME={user}\nPATH={}\nUSER={user}\n1\n",
            std::env::var("PATH").unwrap()
        );
        assert_eq!(place.log("p", 0, "stdout"), expected);
    }),
    ("a_profile_written_by_an_earlier_process", |place| {
        place.finish(json!({
            "processes": [
                process("setup", "echo 'export NAME=value' > .thermos_profile"),
                process("read", "echo $NAME"),
            ],
            "constraints": [{"order": ["setup", "read"]}],
        }));
        assert_eq!(place.log("read", 0, "stdout"), "value\n");
    }),
    ("descriptors_are_not_inherited", |place| {
        place.finish(json!({"processes": [process("p", "exec ls /proc/self/fd")]}));
        // The fourth is the folder that ls reads.
        assert_eq!(place.log("p", 0, "stdout"), "0\n1\n2\n3\n");
    }),
    ("another_user", |place| {
        if !is_root() {
            println!("not root: nothing to see");
            return;
        }
        let user = aurora_thermos::users::by_name("nobody").unwrap();
        std::os::unix::fs::chown(place.sandbox(), Some(user.uid), Some(user.gid)).unwrap();
        let mut settings = place.settings(json!({"processes": [process("p", "id -u; id -g; id -G; touch mine")]}));
        settings.user = Some("nobody".into());
        let mut run = Run { runner: TaskRunner::start(settings).unwrap(), paths: place.paths() };
        run.until_over(Duration::from_secs(20));
        run.record().check(ENDED, &[("p", SUCCESS)]);
        assert_eq!(place.log("p", 0, "stdout"), format!("{}\n{}\n{}\n", user.uid, user.gid, user.gid));
        for file in ["mine", ".logs/p/0", ".logs/p/0/stdout"] {
            let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(place.sandbox().join(file)).unwrap());
            assert_eq!(owner, user.uid, "{file}");
        }
        assert_eq!(run.runner.state().header.clone().unwrap().uid, Some(user.uid as i32));
    }),
    ("an_unknown_user", |place| {
        let mut settings = place.settings(json!({"processes": [process("p", "true")]}));
        settings.user = Some("no-such-user-here".into());
        let error = TaskRunner::start(settings).unwrap_err();
        assert_eq!(error.to_string(), "user no-such-user-here does not exist on this machine");
        assert!(!place.paths().task(Stage::Active).exists());
    }),
    ("a_run_that_cannot_be_launched_has_failed", |place| {
        fs::write(place.sandbox().join(".logs"), "in the way").unwrap();
        let run = place.finish(json!({"processes": [process("p", "true")]}));
        run.record().check("ACTIVE header CLEANING FINALIZING FAILED", &[("p", "WAITING FAILED")]);
    }),
    ("rotated_logs", |place| {
        let rotating = with(
            process("p", "for i in 1 2 3; do printf '%05d' $i; sleep 0.2; done; echo e >&2"),
            json!({"logger": {"mode": "rotate", "rotate": {"log_size": 5, "backups": 2}}}),
        );
        let run = place.finish(json!({"processes": [rotating]}));
        run.record().check(ENDED, &[("p", SUCCESS)]);
        let stdout = |number| place.file(&format!(".logs/p/0/stdout{number}"));
        assert_eq!(
            [stdout(""), stdout(".1"), stdout(".2"), stdout(".3")].map(|text| text.unwrap_or("absent".into())),
            ["", "00003", "00002", "absent"]
        );
        assert_eq!(place.log("p", 0, "stderr"), "e\n");
    }),
    ("no_logs", |place| {
        let silent = with(process("p", "echo x"), json!({"logger": {"destination": "none"}}));
        place.finish(json!({"processes": [silent]}));
        assert!(place.file(".logs/p/0/stdout").is_none());
    }),
    ("a_locked_or_used_stream_is_left_alone", |place| {
        let task = json!({"processes": [process("p", "true")]});
        let mut run = place.run(task.clone());
        let error = TaskRunner::start(place.settings(task.clone())).unwrap_err();
        assert!(error.to_string().contains("is locked by another process"), "{error}");
        run.until_over(Duration::from_secs(20));
        drop(run);
        let error = TaskRunner::start(place.settings(task)).unwrap_err();
        assert_eq!(error.to_string(), "task task-1 is on record already, in state SUCCESS");
    }),
    ("a_dropped_runner_leaves_nothing", |place| {
        let mut run = place.run(json!({"processes": [process("p", "echo $$ > x; exec sleep 1000")]}));
        run.until_run("p", ProcessState::Running, 1);
        let pid = place.pid("x");
        drop(run);
        assert!(!procs::is_alive(pid));
    }),
    ("a_tree_that_ignores_sigterm_is_killed_whole", |place| {
        let mut run = place.run(json!({"processes": [process(
            "p",
            "trap '' TERM; for i in $(seq 20); do setsid bash -c 'trap \"\" TERM; echo $$ >> all; while :; do sleep 1; done' & done; wait"
        )]}));
        run.until_run("p", ProcessState::Running, 1);
        until("the tree", Duration::from_secs(20), || format!("{:?}", place.file("all")), || {
            place.file("all").is_some_and(|text| text.lines().count() == 20)
        });
        run.runner.lose().unwrap();
        run.until_over(Duration::from_secs(20));
        for line in place.file("all").unwrap().lines() {
            assert!(!procs::is_alive(line.parse().unwrap()), "{line} lives");
        }
    }),
];


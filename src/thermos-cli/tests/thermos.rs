//! The command on real tasks in a root of their own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use aurora_tests::{process, python, skip, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Root {
        Root(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thermos"));
        command
            .arg(verb)
            .arg("--root")
            .arg(self.path())
            .args(arguments)
            .env("TMPDIR", self.path())
            .stdin(Stdio::null());
        command
    }

    fn thermos(&self, verb: &str, arguments: &[&str]) -> Output {
        self.command(verb, arguments).output().unwrap()
    }

    /// What it prints, and whether it ended well.
    fn say(&self, verb: &str, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.thermos(verb, arguments);
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        (text, output.status.code())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn stream(&self, id: &str) -> PathBuf {
        self.path().join("checkpoints").join(id).join("runner")
    }

    /// Starts a task whose process sleeps, and waits until it runs.
    fn sleeper(&self, id: &str) -> Child {
        let config = self.file(
            &format!("{id}.json"),
            r#"{"processes":[{"name":"p","cmdline":"echo up; exec sleep 1000"},{"name":"last","cmdline":"echo end","final":true}]}"#,
        );
        let sandbox = self
            .path()
            .join(format!("sandbox-{id}"))
            .display()
            .to_string();
        let arguments = ["--json", "--task_id", id, "--sandbox", &sandbox, &config];
        let child = self.command("run", &arguments).spawn().unwrap();
        wait::until("the process", || match self.read(id) {
            text if text.contains("state:RUNNING") => Ok(()),
            text => Err(text),
        });
        child
    }

    fn read(&self, id: &str) -> String {
        let stream = self.stream(id).display().to_string();
        self.say("read", &[&stream]).0
    }

    /// The states of a stream, without times and numbers.
    fn states(&self, id: &str) -> Vec<String> {
        let text = self.read(id);
        let words = text.lines().filter_map(|line| {
            let word = line
                .split("=> ")
                .nth(1)
                .or_else(|| line.split("state:").nth(1))?;
            Some(word.to_owned())
        });
        words.collect()
    }
}

#[test]
fn a_simple_task_from_run_to_read() {
    let root = Root::new();
    let (text, code) = root.say(
        "simplerun",
        &[
            "--task_id",
            "t-1",
            "--name",
            "say",
            "-P",
            "http:8080",
            "-E",
            "who=you",
            "--",
            "echo {{who}} {{thermos.ports[http]}} {{thermos.task_id}}",
        ],
    );
    assert_eq!(
        (text.as_str(), code),
        (
            "Running command: 'echo {{who}} {{thermos.ports[http]}} {{thermos.task_id}}'\nTask t-1 ended: SUCCESS\n",
            Some(0)
        )
    );
    let (text, code) = root.say("status", &["t-1", "--verbosity", "3"]);
    assert_eq!(code, Some(0));
    for part in [
        "Finished tasks:\n  t-1                  [owner: ",
        "state:  SUCCESS start: ",
        "ports: http -> 8080",
        "- say runs: 1 last: pid=",
        "rc=0, finish:",
        "state:SUCCESS",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (text, _) = root.say("tail", &["t-1"]);
    assert!(
        text.starts_with("Tail of terminal log ")
            && text.ends_with("/say/0/stdout\nyou 8080 t-1\n"),
        "{text}"
    );
    assert_eq!(
        root.states("t-1"),
        ["ACTIVE", "CLEANING", "FINALIZING", "SUCCESS", "SUCCESS"]
    );
    let stream = root.stream("t-1").display().to_string();
    let (text, _) = root.say("read", &["--simple", &stream]);
    assert_eq!(text.lines().count(), 4 + 1 + 4, "{text}");
    assert!(
        text.lines().all(|line| line.starts_with("CKPT: ")),
        "{text}"
    );
    // The same id is taken.
    let (text, code) = root.say("simplerun", &["--task_id", "t-1", "true"]);
    assert!(
        code == Some(1) && text.contains("on record already"),
        "{text}"
    );
    for (verb, arguments, wanted) in [
        ("status", &["t-2"][..], "No tasks found.\n"),
        ("status", &["t-1", "--only", "active"], "No tasks found.\n"),
        ("tail", &["t-2"], "ERROR: Could not find task.\n"),
        ("tail", &["t-1", "other"], "ERROR: No processes found.\n"),
    ] {
        assert_eq!(
            root.say(verb, arguments),
            (wanted.to_owned(), Some(1)),
            "{verb} {arguments:?}"
        );
    }
    for (arguments, wanted) in [
        (&["t-1"][..], "No active tasks matched.\n"),
        (&[], "Must specify tasks!\n"),
    ] {
        assert_eq!(root.say("kill", arguments), (wanted.to_owned(), Some(0)));
    }
    let help = Command::new(env!("CARGO_BIN_EXE_thermos"))
        .args(["help", "run"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.status.success() && text.contains("--task_id"),
        "{text}"
    );
}

/// What reads and writes these streams elsewhere does it by Apache Thrift's library.
#[test]
fn thrifts_own_library_reads_and_writes_streams() {
    const NAME: &str = "thrifts_own_library_reads_and_writes_streams";
    let root = Root::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let generated = root.path().join("generated");
    fs::create_dir(&generated).unwrap();
    let idl = data.join("checkpoint.thrift");
    let python = match python::generated(&idl, &generated).and_then(|()| python::interpreter()) {
        Ok(python) => python,
        Err(reason) => return skip::skip(NAME, &reason),
    };
    let foreign = |verb: &str, stream: &Path| {
        let mut command = Command::new(&python);
        let output = command
            .arg(data.join("streams.py"))
            .args([&generated, Path::new(verb), stream])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };

    let arguments = [
        "--task_id",
        "t-1",
        "--name",
        "say",
        "-P",
        "http:8080",
        "exit 3",
    ];
    assert_eq!(root.say("simplerun", &arguments).1, Some(0));
    let status = "timestamp_ms runner_pid runner_uid";
    let expected = [
        format!("task_status state=ACTIVE {status}"),
        "runner_header task_id=t-1 launch_time_ms sandbox hostname user ports={'http': 8080} log_dir uid".into(),
        "process_status seq=0 process=say state=WAITING".into(),
        "process_status seq=1 process=say state=FORKED coordinator_pid fork_time".into(),
        "process_status seq=2 process=say state=RUNNING start_time pid".into(),
        "process_status seq=3 process=say state=FAILED stop_time return_code=3".into(),
        format!("task_status state=CLEANING {status}"),
        format!("task_status state=FINALIZING {status}"),
        format!("task_status state=FAILED {status}"),
    ];
    let text = foreign("read", &root.stream("t-1"));
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);

    fs::create_dir_all(root.stream("w-1").parent().unwrap()).unwrap();
    foreign("write", &root.stream("w-1"));
    let text = root.read("w-1");
    assert_eq!(
        root.states("w-1"),
        ["ACTIVE", "CLEANING", "FINALIZING", "FAILED", "FAILED"]
    );
    for part in ["nobody", "http", "rc=7"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_killed_task_has_no_final_processes() {
    let root = Root::new();
    let mut runner = root.sleeper("k-1");
    let pids: Vec<i32> = process::belonging_to(root.path())
        .iter()
        .map(|found| found.pid)
        .collect();
    assert!(
        root.say("status", &["k-"])
            .0
            .starts_with("Active tasks:\n  k-1 ")
    );
    assert_eq!(
        root.say("kill", &["k-.*"]),
        ("Killing k-1...done.\n".into(), Some(0))
    );
    assert!(!runner.wait().unwrap().success());
    assert_eq!(root.states("k-1"), ["ACTIVE", "ACTIVE", "KILLED", "KILLED"]);
    let text = root.read("k-1");
    assert!(
        text.contains("rc=-9, finish:") && !text.contains("last"),
        "{text}"
    );
    assert!(root.path().join("tasks/finished/k-1").exists());
    assert!(!root.path().join("tasks/active/k-1").exists());
    wait::until("everybody's death", || {
        match pids.iter().find(|&&pid| process::is_alive(pid)) {
            None => Ok(()),
            Some(pid) => Err(format!("{pid} lives")),
        }
    });

    // A runner that died by itself leaves a run that was lost.
    let mut runner = root.sleeper("k-2");
    runner.kill().unwrap();
    runner.wait().unwrap();
    wait::until("the death of the run", || {
        match process::belonging_to(root.path()) {
            found if found.is_empty() => Ok(()),
            found => Err(format!("{found:?}")),
        }
    });
    // It may have died while it wrote: a length, and less than that.
    let stream = fs::OpenOptions::new().append(true).open(root.stream("k-2"));
    stream.unwrap().write_all(&[0, 0, 0, 40, 12]).unwrap();
    assert_eq!(
        root.say("kill", &["k-2"]),
        ("Killing k-2...done.\n".into(), Some(0))
    );
    assert_eq!(root.states("k-2"), ["ACTIVE", "ACTIVE", "KILLED", "LOST"]);
}

#[test]
fn an_interrupted_task_has_its_final_processes() {
    let root = Root::new();
    let mut runner = root.sleeper("i-1");
    kill(Pid::from_raw(runner.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(runner.wait().unwrap().success());
    assert_eq!(
        root.states("i-1"),
        [
            "ACTIVE",
            "ACTIVE",
            "CLEANING",
            "FINALIZING",
            "KILLED",
            "SUCCESS",
            "KILLED"
        ]
    );
}

#[test]
fn a_running_log_is_followed_to_its_end() {
    let root = Root::new();
    let (text, code) = root.say(
        "simplerun",
        &[
            "--daemon",
            "--task_id",
            "f-1",
            "while ! [ -e go ]; do sleep 0.02; done; echo last",
        ],
    );
    assert!(
        code == Some(0) && text.ends_with("Daemonizing and starting runner.\n"),
        "{text}"
    );
    wait::until("the run", || match root.read("f-1") {
        text if text.contains("state:RUNNING") => Ok(()),
        text => Err(text),
    });
    let tail = root
        .command("tail", &["f-1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sandbox = root.read("f-1");
    let sandbox = sandbox
        .lines()
        .find_map(|line| line.strip_prefix("  sandbox: "))
        .unwrap();
    fs::write(Path::new(sandbox).join("go"), "").unwrap();
    let output = tail.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("/stdout\nlast\n"), "{text}");
}

#[test]
fn configurations() {
    let root = Root::new();
    let two = root.file(
        "two.json",
        r#"{"task":{"name":"web","processes":[{"name":"p","cmdline":"serve {{thermos.ports[http]}} {{thermos.ports[admin]}} {{x}}"}]}}"#,
    );
    let (text, code) = root.say("inspect", &["--json", "-E", "x=y", &two]);
    assert_eq!(
        (text.as_str(), code),
        ("thermos: ERROR!  Unbound ports: admin http\n", Some(1))
    );
    let (text, code) = root.say(
        "inspect",
        &["--json", "-E", "x=y", "-P", "http:1", "-P", "admin:2", &two],
    );
    assert!(
        code == Some(0) && text.contains("\"serve 1 2 y\""),
        "{text}"
    );
    let (text, code) = root.say(
        "inspect",
        &["--json", "-P", "http:1", "-P", "admin:2", &two],
    );
    assert!(code == Some(1) && text.contains("{{x}}"), "{text}");
    let (text, code) = root.say("inspect", &["--json", "--task", "other", &two]);
    assert!(
        code == Some(1) && text.contains("Could not find task other!"),
        "{text}"
    );
}

/// Whether this test can run; says so when it cannot.
fn evaluates(test: &str) -> bool {
    let eval = Path::new(env!("CARGO_BIN_EXE_thermos")).with_file_name("aurora-eval");
    if !eval.exists() {
        skip::skip(test, "aurora-eval is not built beside thermos");
    }
    eval.exists()
}

/// The configurations of upstream's `test_common.py`, and one with a fault in it.
#[test]
fn tasks_that_a_file_exports() {
    if !evaluates("tasks_that_a_file_exports") {
        return;
    }
    let root = Root::new();
    let task = "proc = Process(name='process', cmdline='echo hello world')\ntask = Task(name='task', processes=[proc])\n";
    let one = root.file("one.thermos", &format!("{task}export(task)\n"));
    let two = root.file(
        "two.thermos",
        &format!("{task}export(task(name='task1'))\nexport(task(name='task2'))\n"),
    );
    let none = root.file("none.thermos", "");
    let bad = root.file("bad.thermos", "x = 1\nTask(name = nobody)\n");
    for (arguments, code, expected) in [
        (vec![&*one], 0, "\"name\": \"task\""),
        (vec!["--task", "task2", &two], 0, "\"name\": \"task2\""),
        (
            vec!["--task", "unknown", &one],
            1,
            "thermos: Could not find task unknown!",
        ),
        (
            vec![&two],
            1,
            "thermos: Multiple tasks in config but no task name specified! There are: task1, task2",
        ),
        (vec![&none], 1, "thermos: No tasks specified!"),
        (vec![&bad], 1, &format!("thermos: {bad}:2:")),
    ] {
        let (text, ended) = root.say("inspect", &arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let (text, _) = root.say("run", &[&bad]);
    assert!(text.contains("name 'nobody' is not defined"), "{text}");
}

#[test]
fn a_job_file_is_run() {
    if !evaluates("a_job_file_is_run") {
        return;
    }
    let root = Root::new();
    let config = root.file(
        "hello.aurora",
        "def job(name):\n  return Service(cluster='c', role='r', environment='prod', name=name, task=SequentialTask(name=name,\n\
        \x20   processes=[Process(name='p', cmdline='echo %s {{mesos.instance}}' % name)],\n\
        \x20   resources=Resources(cpu=1, ram=1*MB, disk=1*MB)))\n\
        jobs = [job('one'), job('two')]\n",
    );
    let (text, code) = root.say("inspect", &[&config]);
    assert!(
        code == Some(1) && text.contains("Multiple tasks in config"),
        "{text}"
    );
    let sandbox = root.path().join("sandbox").display().to_string();
    let (text, code) = root.say(
        "run",
        &[
            "--task",
            "two",
            "--task_id",
            "r-1",
            "--sandbox",
            &sandbox,
            &config,
        ],
    );
    assert_eq!(
        (text.as_str(), code),
        ("Task r-1 ended: SUCCESS\n", Some(0))
    );
    let (text, _) = root.say("tail", &["r-1"]);
    assert!(text.ends_with("two 0\n"), "{text}");
}

#[test]
fn ids_are_made_up_and_agents_roots_are_discovered() {
    let root = Root::new();
    let (text, code) = root.say("simplerun", &["--name", "say", "--", "true"]);
    assert_eq!(code, Some(0), "{text}");
    let names: Vec<String> = fs::read_dir(root.path().join("tasks/finished"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // say-YYYYMMDD-HHMMSS.micros
    let shape: String = names[0]
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert!(shape.starts_with("say-99999999-999999.9"), "{names:?}");

    let agent = Root::new();
    let run = "slaves/S/frameworks/F/executors/E/runs/R";
    fs::create_dir_all(agent.path().join(run)).unwrap();
    let checkpoints = agent.path().join(run).join("checkpoints");
    fs::rename(root.path(), checkpoints).unwrap();
    fs::create_dir(root.path()).unwrap();
    let mesos = agent.path().display().to_string();
    let (text, code) = root.say("status", &["--mesos-root", &mesos]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&names[0]), "{text}");
}

#[test]
fn what_a_task_calls_itself_cannot_address_the_terminal() {
    let root = Root::new();
    let config = root.file(
        "odd.json",
        r#"{"processes":[{"name":"a\u001b[2Jb","cmdline":"echo '\u001b]0;x\u0007'"}]}"#,
    );
    let sandbox = root.path().join("sandbox").display().to_string();
    let arguments = ["--json", "--task_id", "odd", "--sandbox", &sandbox, &config];
    assert_eq!(root.say("run", &arguments).1, Some(0));
    let stream = root.stream("odd").display().to_string();
    for (verb, arguments) in [
        ("status", &["--verbosity", "3"][..]),
        ("read", &[stream.as_str()][..]),
        ("read", &["--simple", stream.as_str()][..]),
    ] {
        let (text, code) = root.say(verb, arguments);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("a\\u{1b}[2Jb"), "{verb}: {text}");
        assert!(!text.contains('\u{1b}'), "{verb}: {text:?}");
    }
}

#[test]
fn times_are_in_utc_wherever_one_is() {
    let root = Root::new();
    let (text, code) = root.say("simplerun", &["--task_id=t", "true"]);
    assert_eq!(code, Some(0), "{text}");
    let stream = root.stream("t").display().to_string();
    let seen = |zone: &str| {
        let mut read = root.command("read", &[&stream]);
        let output = read.env("TZ", zone).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(seen("Asia/Tokyo"), seen("America/New_York"));
    let hour = Command::new("date")
        .args(["-u", "+%a %b %e %H:"])
        .output()
        .unwrap();
    // Unless the hour has just ended.
    let minute = Command::new("date").args(["-u", "+%M%S"]).output().unwrap();
    let minute: u32 = String::from_utf8(minute.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let hour = String::from_utf8(hour.stdout).unwrap();
    let text = seen("Asia/Tokyo");
    assert!(minute < 10 || text.contains(hour.trim()), "{hour}: {text}");
}

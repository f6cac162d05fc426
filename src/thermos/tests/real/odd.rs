//! Scenarios of outputs, refusals and idle tasks.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use aurora_api::thermos::{ProcessState, TaskState};
use aurora_thermos::core::Turn;
use aurora_thermos::{StartError, TaskRunner, procs};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use serde_json::{Value, json};

use super::place::{Place, is_root, process, until, with};
use super::scenarios::Scenario;

/// Runs the task to its end in a process whose output can be read: consoles and complaints are the runner's own.
fn as_child(place: &Place, task: &Value) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg("sleeper")
        .arg(&place.root)
        .arg(task.to_string());
    command.stdin(Stdio::null()).output().unwrap()
}

/// All of them, by name.
pub(crate) const ODD: &[(&str, Scenario)] = &[
    ("a_standard_log_is_appended_to", |place| {
        let folder = place.sandbox().join(".logs/p/0");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("stdout"), "before\n").unwrap();
        place.finish(json!({"processes": [process("p", "echo after")]}));
        assert_eq!(place.log("p", 0, "stdout"), "before\nafter\n");
    }),
    ("no_byte_is_lost_at_rotation", |place| {
        let counting = |name: &str, backups: usize| {
            let rotate = json!({"log_size": 100_000, "backups": backups});
            let logger = json!({"mode": "rotate", "rotate": rotate});
            with(
                process(name, "seq 1 100000; seq 1 9 >&2"),
                json!({"logger": logger}),
            )
        };
        place.finish(json!({"processes": [counting("all", 20), counting("few", 2)]}));
        let numbers = |upto: usize| {
            (1..=upto)
                .map(|number| format!("{number}\n"))
                .collect::<String>()
        };
        let whole = numbers(100_000);
        for (name, is_whole) in [("all", true), ("few", false)] {
            // Oldest first.
            let kept: Vec<String> = (1..=20)
                .rev()
                .filter_map(|number| place.file(&format!(".logs/{name}/0/stdout.{number}")))
                .chain([place.log(name, 0, "stdout")])
                .collect();
            let text = kept.concat();
            assert!(
                whole.ends_with(&text),
                "{name}: a gap, or the end is missing"
            );
            assert_eq!(text == whole, is_whole, "{name}");
            // What was read at once goes into one file, at most 64 KiB beyond its size.
            let longest = kept.iter().map(String::len).max();
            assert!(longest < Some(100_000 + (64 << 10)), "{name}: {longest:?}");
            assert_eq!(place.log(name, 0, "stderr"), numbers(9));
        }
        assert_eq!(place.file(".logs/few/0/stdout.3"), None);
    }),
    ("console_and_both", |place| {
        let logged = |name: &str, destination: &str| {
            let cmdline = format!("echo {name} out; echo {name} err >&2");
            with(
                process(name, &cmdline),
                json!({"logger": {"destination": destination}}),
            )
        };
        let task = json!({
            "processes": [logged("c", "console"), logged("b", "both")],
            "constraints": [{"order": ["c", "b"]}],
        });
        let output = as_child(place, &task);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "c out\nb out\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "c err\nb err\n");
        assert_eq!(place.file(".logs/c/0/stdout"), None);
        assert_eq!(place.log("b", 0, "stdout"), "b out\n");
        assert_eq!(place.log("b", 0, "stderr"), "b err\n");
    }),
    ("a_log_that_cannot_be_opened_is_named", |place| {
        let rotating = json!({"logger": {"mode": "rotate"}});
        let task =
            json!({"processes": [process("a", "true"), with(process("r", "true"), rotating)]});
        let logs = ["a", "r"].map(|name| place.sandbox().join(".logs").join(name).join("0/stdout"));
        for log in &logs {
            fs::create_dir_all(log).unwrap();
        }
        let output = as_child(place, &task);
        let said = String::from_utf8_lossy(&output.stderr);
        for (name, log) in ["a", "r"].iter().zip(&logs) {
            let expected = format!(
                "coordinator of {name}: opening the logs: {}: Is a directory (os error 21)\n",
                log.display()
            );
            assert!(said.contains(&expected), "{said}");
        }
    }),
    ("another_user_without_root_is_refused", |place| {
        if is_root() {
            // This process is the scenario's own.
            let nobody = aurora_thermos::users::by_name("nobody").unwrap();
            nix::unistd::setgid(nobody.gid.into()).unwrap();
            nix::unistd::setuid(nobody.uid.into()).unwrap();
        }
        let settings = aurora_thermos::Settings {
            user: Some("root".into()),
            ..place.settings(json!({"processes": [process("p", "true")]}))
        };
        match TaskRunner::start(settings) {
            Err(StartError::NotRoot { wanted, .. }) => assert_eq!(wanted, "root"),
            other => panic!("{other:?}"),
        }
        assert!(!place.checkpoints().exists(), "something is on record");
    }),
    ("the_end_of_a_stray_is_heard_of", |place| {
        let stray = "trap 'sleep 0.2; exit' TERM; echo > up; while :; do sleep 0.05; done";
        let line = format!("setsid bash -c \"{stray}\" & until [ -e up ]; do sleep 0.01; done");
        let run = place.finish(json!({"processes": [process("p", &line)]}));
        let statuses = &run.runner.state().statuses;
        let at = |state| {
            let status = statuses.iter().find(|status| status.state == Some(state));
            status.unwrap().timestamp_ms.unwrap()
        };
        // Well before the second after which an ending task is looked at again.
        let took = at(TaskState::Success) - at(TaskState::Cleaning);
        assert!((200..1000).contains(&took), "{took} ms");
    }),
    (
        "the_mask_and_the_limits_of_the_executor_are_the_tasks",
        |place| {
            umask(Mode::from_bits_truncate(0o027));
            setrlimit(Resource::RLIMIT_NOFILE, 300, 400).unwrap();
            setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
            let look = "umask; ulimit -Sn; ulimit -Hn; ulimit -Hc; touch file; stat -c %a file";
            place.finish(json!({"processes": [process("p", look)]}));
            assert_eq!(place.log("p", 0, "stdout"), "0027\n300\n400\n0\n640\n");
        },
    ),
    (
        "a_process_finds_no_signal_ignored_and_nothing_to_read",
        |place| {
            // bash blocks signals of its own; what it executes has those of before.
            let look = "readlink /proc/$$/fd/0; exec sed -n 's/^SigIgn:\\t//p; s/^SigBlk:\\t//p' /proc/self/status";
            place.finish(json!({"processes": [process("p", look)]}));
            let seen = place.log("p", 0, "stdout");
            let [input, blocked, ignored] = seen.lines().collect::<Vec<_>>()[..] else {
                panic!("{seen}");
            };
            assert_eq!((blocked, input), ("0000000000000000", "/dev/null"));
            // Coordinators ignore SIGINT, and Rust's programs SIGPIPE.
            let ignored = u64::from_str_radix(ignored, 16).unwrap();
            for signal in [Signal::SIGINT, Signal::SIGPIPE] {
                assert_eq!(ignored & 1 << (signal as u32 - 1), 0, "{signal}");
            }
        },
    ),
    ("orphans_of_a_running_process_are_told_to_end", |place| {
        let orphan =
            r#"trap "echo bye > bye; exit" TERM; echo $$ > far; while :; do sleep 0.05; done"#;
        let line = format!("(setsid bash -c '{orphan}' &); exec sleep 1000");
        let mut run = place.run(json!({"processes": [process("p", &line)]}));
        run.until_run("p", ProcessState::Running, 1);
        run.until_file(place, "far");
        run.runner.kill(Duration::from_secs(60)).unwrap();
        assert_eq!(run.until_over(Duration::from_secs(30)), TaskState::Killed);
        assert_eq!(place.file("bye").as_deref(), Some("bye\n"));
    }),
    ("an_idle_task_wakes_nobody", |place| {
        let mut run = place.run(json!({"processes": [process("p", "exec sleep 1000")]}));
        run.until_run("p", ProcessState::Running, 1);
        assert_eq!(run.turn(), Turn::Wait(Duration::MAX));
        let coordinator = procs::children(std::process::id().cast_signed())[0];
        let waits = || status(coordinator, "voluntary_ctxt_switches:");
        // It may still be on its way to its wait.
        until(
            "two seconds without a wake-up",
            Duration::from_secs(20),
            || format!("{} so far", waits()),
            || {
                let before = waits();
                procs::pause(Duration::from_secs(2));
                waits() == before
            },
        );
        run.runner.lose().unwrap();
        run.until_over(Duration::from_secs(10));
    }),
    ("a_coordinator_keeps_little_memory", |place| {
        // The second has had a buffer for its output, and given it back.
        let rotating = with(
            process("q", "head -c 1000000 /dev/zero; exec sleep 1000"),
            json!({"logger": {"mode": "rotate"}}),
        );
        let mut run = place.run(json!({"processes": [process("p", "exec sleep 1000"), rotating]}));
        run.until_run("p", ProcessState::Running, 1);
        run.until_run("q", ProcessState::Running, 1);
        let coordinators = procs::children(std::process::id().cast_signed());
        assert_eq!(coordinators.len(), 2);
        let weights = || coordinators.iter().map(|&pid| heap_and_stack(pid));
        until(
            "memory given back",
            Duration::from_secs(10),
            || format!("{:?} KiB", weights().collect::<Vec<_>>()),
            || weights().all(|kib| kib <= 40),
        );
        run.runner.lose().unwrap();
        run.until_over(Duration::from_secs(10));
    }),
];

/// A number in /proc/PID/status.
fn status(pid: i32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap().trim().parse().unwrap()
}

/// KiB that are in memory of a process's heap and stack.
fn heap_and_stack(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    ["[heap]", "[stack]"]
        .iter()
        .map(|name| {
            let (_, after) = text.split_once(name).unwrap();
            let line = after.lines().find_map(|line| line.strip_prefix("Rss:"));
            let kib = line.unwrap().trim().trim_end_matches(" kB");
            kib.parse::<u64>().unwrap()
        })
        .sum()
}

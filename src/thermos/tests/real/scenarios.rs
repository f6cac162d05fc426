//! The scenarios: small tasks and what becomes of them.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use aurora_api::thermos::{ProcessState, RunnerCkpt, TaskState};
use aurora_thermos::checkpoint::Reader;
use aurora_thermos::paths::Stage;
use aurora_thermos::{TaskRunner, procs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::place::{Place, is_root, process, read, until, with};

/// What is done in a place of its own, in a process of its own.
pub(crate) type Scenario = fn(&Place);

pub(crate) const SUCCESS: &str = "WAITING FORKED RUNNING SUCCESS(0)";
pub(crate) const ENDED: &str = "ACTIVE header CLEANING FINALIZING SUCCESS";

/// All of them, by name.
pub(crate) const SCENARIOS: &[(&str, Scenario)] = &[
    ("one_process", |place| {
        let run =
            place.finish(json!({"processes": [process("hello", "echo out; echo err >&2; pwd")]}));
        run.record().check(ENDED, &[("hello", SUCCESS)]);
        assert_eq!(
            place.log("hello", 0, "stdout"),
            format!("out\n{}\n", place.sandbox().display())
        );
        assert_eq!(place.log("hello", 0, "stderr"), "err\n");
        assert!(!place.paths().task(Stage::Active).exists());
        let task: Value =
            serde_json::from_slice(&fs::read(place.paths().task(Stage::Finished)).unwrap())
                .unwrap();
        assert_eq!(task["processes"][0]["name"], "hello");
        let header = run.runner.state().header.clone().unwrap();
        assert_eq!(header.sandbox.unwrap(), place.sandbox().to_str().unwrap());
        assert_eq!(
            header.log_dir.unwrap(),
            place.sandbox().join(".logs").to_str().unwrap()
        );
        assert_eq!(
            (
                header.hostname.unwrap().as_str(),
                header.ports.unwrap()["http"]
            ),
            ("host-1", 31_000)
        );
        assert_eq!(header.uid.unwrap(), nix::unistd::getuid().as_raw() as i32);
        // Its coordinator wrote FORKED's successors into its own stream, which begins with the runner's FORKED.
        let mut own = Reader::new(place.paths().coordinator("hello").unwrap());
        let mut states = vec![];
        while let Some(RunnerCkpt::ProcessStatus(status)) = own.next().unwrap() {
            states.push((status.seq.unwrap(), status.state.unwrap()));
        }
        assert_eq!(
            states,
            [
                (1, ProcessState::Forked),
                (2, ProcessState::Running),
                (3, ProcessState::Success)
            ]
        );
    }),
    ("exit_status", |place| {
        let run = place.finish(json!({"processes": [process("p", "exit 3")]}));
        run.record().check(
            "ACTIVE header CLEANING FINALIZING FAILED",
            &[("p", "WAITING FORKED RUNNING FAILED(3)")],
        );
    }),
    ("a_signal_is_a_loss_and_not_a_failure", |place| {
        let run = place.finish(
            json!({"processes": [process("p", "[ -e again ] || { touch again; kill -9 $$; }")]}),
        );
        run.record().check(
            ENDED,
            &[(
                "p",
                "WAITING FORKED RUNNING KILLED(-9) WAITING FORKED RUNNING SUCCESS(0)",
            )],
        );
    }),
    ("a_signal_seen_by_bash_is_a_failure", |place| {
        let run =
            place.finish(json!({"processes": [process("p", "bash -c 'kill -9 $$'; exit $?")]}));
        run.record().check(
            "ACTIVE header CLEANING FINALIZING FAILED",
            &[("p", "WAITING FORKED RUNNING FAILED(137)")],
        );
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
        run.record().check(
            "ACTIVE header CLEANING FINALIZING FAILED",
            &[("a", "WAITING FORKED RUNNING FAILED(1)")],
        );
    }),
    ("all_may_fail_without_a_limit", |place| {
        let run = place.finish(json!({"processes": [process("a", "exit 1"), process("b", "exit 2")], "max_failures": 0}));
        run.record().check(
            ENDED,
            &[
                ("a", "WAITING FORKED RUNNING FAILED(1)"),
                ("b", "WAITING FORKED RUNNING FAILED(2)"),
            ],
        );
    }),
    ("retries", |place| {
        let again = with(
            process("p", "echo x >> runs; [ $(wc -l < runs) = 3 ]"),
            json!({"max_failures": 3}),
        );
        let run = place.finish(json!({"processes": [again]}));
        let failed = "WAITING FORKED RUNNING FAILED(1)";
        run.record()
            .check(ENDED, &[("p", &format!("{failed} {failed} {SUCCESS}"))]);
        assert!(place.sandbox().join(".logs/p/2/stdout").exists());
    }),
    ("a_daemon_ends_by_its_failures", |place| {
        let daemon = with(
            process("p", "[ ! -e x ] && touch x"),
            json!({"daemon": true}),
        );
        let run = place.finish(json!({"processes": [daemon], "max_failures": 0}));
        run.record().check(
            ENDED,
            &[("p", &format!("{SUCCESS} WAITING FORKED RUNNING FAILED(1)"))],
        );
    }),
    ("a_hundred_runs_are_enough", |place| {
        let daemon = with(
            process("p", "true"),
            json!({"daemon": true, "max_failures": 0}),
        );
        let run = place.finish(json!({"processes": [daemon]}));
        run.record().check(
            "ACTIVE header CLEANING FINALIZING FAILED",
            &[("p", &vec![SUCCESS; 100].join(" "))],
        );
    }),
    ("ephemerals_are_ended_with_the_task", |place| {
        let side = with(
            process("side", "touch up; exec sleep 1000"),
            json!({"ephemeral": true}),
        );
        let run = place.finish(json!({
            "processes": [side, process("main", "while ! [ -e up ]; do sleep 0.02; done")],
        }));
        run.record().check(
            ENDED,
            &[
                ("side", "WAITING FORKED RUNNING KILLED(-15)"),
                ("main", SUCCESS),
            ],
        );
    }),
    ("ephemerals_alone_are_complete_at_once", |place| {
        let side = with(
            process("side", "exec sleep 1000"),
            json!({"ephemeral": true}),
        );
        let run = place.finish(json!({"processes": [side]}));
        run.record()
            .check(ENDED, &[("side", "WAITING FORKED RUNNING KILLED(-15)")]);
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
        run.record().check(
            ENDED,
            &[
                ("main", SUCCESS),
                ("one", "WAITING FORKED RUNNING FAILED(1)"),
            ],
        );
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
        assert!(
            spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{spans:?}"
        );
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
            &[
                ("main", "WAITING FORKED RUNNING KILLED(-15)"),
                ("last", SUCCESS),
            ],
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
        until("the trap", Duration::from_secs(10), String::new, || {
            place.sandbox().join("up").exists()
        });
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
        assert!(
            run.record().task == "ACTIVE header ACTIVE CLEANING LOST",
            "{:?}",
            run.record()
        );
    }),
    ("background_children_die_with_their_process", |place| {
        let mut run = place.run(json!({
            "processes": [
                process("p", "sleep 1000 & echo $! > bg"),
                process("q", "while ! [ -e go ]; do sleep 0.02; done"),
            ],
        }));
        run.until_run("p", ProcessState::Success, 1);
        let pid = place.pid("bg");
        until(
            "the child's death, while the task goes on",
            Duration::from_secs(5),
            || format!("{pid} lives"),
            || !procs::is_alive(pid),
        );
        fs::write(place.sandbox().join("go"), "").unwrap();
        run.until_over(Duration::from_secs(20));
        run.record().check(ENDED, &[("p", SUCCESS), ("q", SUCCESS)]);
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
        let coordinator = run
            .runner
            .state()
            .latest("p")
            .unwrap()
            .coordinator_pid
            .unwrap();
        // As if it had been about to write down an end: a length, and less than that.
        let stream = place.paths().coordinator("p").unwrap();
        let mut half = fs::OpenOptions::new().append(true).open(&stream).unwrap();
        half.write_all(&[0, 0, 0, 40, 12, 0, 2]).unwrap();
        kill(Pid::from_raw(coordinator), Signal::SIGKILL).unwrap();
        run.until_over(Duration::from_secs(20));
        run.record().check(
            ENDED,
            &[("p", &format!("WAITING FORKED RUNNING LOST {SUCCESS}"))],
        );
        assert!(!procs::is_alive(bash) && !procs::is_alive(below));
        let mut own = Reader::new(stream);
        let records = std::iter::from_fn(|| own.next().unwrap()).count();
        assert_eq!(records, 2 + 3, "both runs can be read");
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
        until(
            "everybody's death",
            Duration::from_secs(10),
            || format!("{pids:?}"),
            || pids.iter().all(|&pid| !procs::is_alive(pid)),
        );
        // The record stays as it was: whoever reads it sees a task that never said how it ended.
        let record = read(&place.paths());
        assert_eq!(record.task, "ACTIVE header");
    }),
    (
        "runner_and_coordinator_killed_together_leave_no_process",
        |place| {
            let task = json!({"processes": [process("p", "echo $$ > x; exec sleep 1000")]});
            let mut runner = Command::new(std::env::current_exe().unwrap())
                .args(["sleeper", place.root.to_str().unwrap(), &task.to_string()])
                .spawn()
                .unwrap();
            let pid = place.pid("x");
            let coordinator = *procs::children(runner.id() as i32)
                .first()
                .expect("a coordinator");
            kill(Pid::from_raw(coordinator), Signal::SIGSTOP).unwrap();
            runner.kill().unwrap();
            kill(Pid::from_raw(coordinator), Signal::SIGKILL).unwrap();
            runner.wait().unwrap();
            until(
                "the process's death",
                Duration::from_secs(10),
                || format!("{pid} lives"),
                || !procs::is_alive(pid),
            );
        },
    ),
    ("environment", |place| {
        fs::write(
            place.sandbox().join(".thermos_profile"),
            "export FROM_PROFILE=1\n",
        )
        .unwrap();
        place.finish(json!({"processes": [process("p", "cat /proc/$$/environ | tr '\\0' '\\n' | sort; echo $FROM_PROFILE")]}));
        let user = aurora_thermos::users::by_uid(nix::unistd::getuid().as_raw())
            .unwrap()
            .name;
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
        let task = json!({"processes": [process("p", "id -u; id -g; id -G; touch mine")]});
        let mut run = place.run_as(task, Some("nobody".into()));
        run.until_over(Duration::from_secs(20));
        run.record().check(ENDED, &[("p", SUCCESS)]);
        assert_eq!(
            place.log("p", 0, "stdout"),
            format!("{}\n{}\n{}\n", user.uid, user.gid, user.gid)
        );
        for file in ["mine", ".logs/p/0", ".logs/p/0/stdout"] {
            let owner = std::os::unix::fs::MetadataExt::uid(
                &fs::metadata(place.sandbox().join(file)).unwrap(),
            );
            assert_eq!(owner, user.uid, "{file}");
        }
        assert_eq!(
            run.runner.state().header.clone().unwrap().uid,
            Some(user.uid as i32)
        );
    }),
    ("folders_that_the_user_moved_are_not_followed", |place| {
        let outside = place.root.join("outside");
        fs::create_dir(&outside).unwrap();
        let swap = format!(
            "mv .logs logs && ln -s {0} .logs && mv ../checkpoints ../moved && ln -s {0} ../checkpoints",
            outside.display()
        );
        let run = place.finish(json!({
            "processes": [process("a", &swap), process("b", "true")],
            "constraints": [{"order": ["a", "b"]}], "max_failures": 0,
        }));
        run.record_in(&place.root.join("moved")).check(
            "ACTIVE header CLEANING FINALIZING SUCCESS",
            &[("a", SUCCESS), ("b", "WAITING FAILED")],
        );
        assert_eq!(
            fs::read_dir(&outside).unwrap().count(),
            0,
            "nothing was made out there"
        );
    }),
    ("an_unknown_user", |place| {
        let mut settings = place.settings(json!({"processes": [process("p", "true")]}));
        settings.user = Some("no-such-user-here".into());
        let error = TaskRunner::start(settings).unwrap_err();
        assert_eq!(
            error.to_string(),
            "user no-such-user-here does not exist on this machine"
        );
        assert!(!place.paths().task(Stage::Active).exists());
    }),
    ("a_run_that_cannot_be_launched_has_failed", |place| {
        fs::write(place.sandbox().join(".logs"), "in the way").unwrap();
        let run = place.finish(json!({"processes": [process("p", "true")]}));
        run.record().check(
            "ACTIVE header CLEANING FINALIZING FAILED",
            &[("p", "WAITING FAILED")],
        );
    }),
    ("rotated_logs", |place| {
        let rotating = with(
            process(
                "p",
                "for i in 1 2 3; do printf '%05d' $i; sleep 0.2; done; echo e >&2",
            ),
            json!({"logger": {"mode": "rotate", "rotate": {"log_size": 5, "backups": 2}}}),
        );
        let run = place.finish(json!({"processes": [rotating]}));
        run.record().check(ENDED, &[("p", SUCCESS)]);
        let stdout = |number| place.file(&format!(".logs/p/0/stdout{number}"));
        assert_eq!(
            [stdout(""), stdout(".1"), stdout(".2"), stdout(".3")]
                .map(|text| text.unwrap_or("absent".into())),
            ["", "00003", "00002", "absent"]
        );
        assert_eq!(place.log("p", 0, "stderr"), "e\n");
    }),
    ("no_logs", |place| {
        let silent = with(
            process("p", "echo x"),
            json!({"logger": {"destination": "none"}}),
        );
        place.finish(json!({"processes": [silent]}));
        assert!(place.file(".logs/p/0/stdout").is_none());
    }),
    ("a_locked_or_used_stream_is_left_alone", |place| {
        let task = json!({"processes": [process("p", "true")]});
        let mut run = place.run(task.clone());
        let error = TaskRunner::start(place.settings(task.clone())).unwrap_err();
        let expected = format!(
            "{} is locked by another process",
            place.paths().runner().display()
        );
        assert!(error.to_string().contains(&expected), "{error}");
        run.until_over(Duration::from_secs(20));
        drop(run);
        let error = TaskRunner::start(place.settings(task)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "task task-1 is on record already, in state SUCCESS"
        );
    }),
    ("a_dropped_runner_leaves_nothing", |place| {
        let mut run =
            place.run(json!({"processes": [process("p", "echo $$ > x; exec sleep 1000")]}));
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
        until(
            "the tree",
            Duration::from_secs(20),
            || format!("{:?}", place.file("all")),
            || {
                place
                    .file("all")
                    .is_some_and(|text| text.lines().count() == 20)
            },
        );
        run.runner.lose().unwrap();
        run.until_over(Duration::from_secs(20));
        for line in place.file("all").unwrap().lines() {
            assert!(!procs::is_alive(line.parse().unwrap()), "{line} lives");
        }
    }),
];

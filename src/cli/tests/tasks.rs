//! The real program with programs in the place of ssh and scp, and the SLA verbs. Expected texts were written by hand from
//! upstream's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Server, response};
use support::*;

/// Answers as a scheduler with live tasks 0 to 2 on host0 to host2.
fn live_tasks(call: &Call) -> Response {
    let query = match call {
        Call::GetTasksStatus(arguments) => arguments.query.clone().unwrap(),
        other => panic!("unexpected {}", other.method()),
    };
    assert_eq!(query.statuses.unwrap().len(), 6);
    let job = JobKey::new("www", "prod", "hello");
    assert_eq!(query.job_keys, Some(BTreeSet::from([job])));
    let asked = |id: &i32| {
        query
            .instance_ids
            .as_ref()
            .is_none_or(|ids| ids.contains(id))
    };
    let found = (0..3).filter(asked).map(|id| {
        let mut task = task(id, ScheduleStatus::Running);
        task.assigned_task.slave_host = Some(format!("host{id}"));
        task.assigned_task.assigned_ports = [("http".to_owned(), 31_000 + id)].into();
        task
    });
    tasks(found.collect())
}

/// Prints each of its arguments in brackets.
const ECHO: &str = "printf '[%s]' \"$@\"; echo";

const SANDBOX: &str = "/mesos/slaves/*/frameworks/*/executors/thermos-www-prod-hello";

#[test]
fn task_run() {
    let server = Server::scheduler(live_tasks);
    let world = World::new(&server.url()).with_program("ssh", ECHO);
    let expected = format!(
        "host0:  [-n][-q][www@host0][cd {SANDBOX}-0/runs/latest/sandbox;echo 0 31000]\n\
         host1:  [-n][-q][www@host1][cd {SANDBOX}-1/runs/latest/sandbox;echo 1 31001]\n\
         host2:  [-n][-q][www@host2][cd {SANDBOX}-2/runs/latest/sandbox;echo 2 31002]\n"
    );
    let command = [
        "task",
        "run",
        "west/www/prod/hello",
        "echo {{mesos.instance}} {{thermos.ports[http]}}",
    ];
    world.check(&command, 0, &expected);
    let expected = format!("host2:  [-n][-q][-o][A=b][me@host2][cd {SANDBOX}-2/runs/latest;ls]\n");
    world.check(
        &[
            "task",
            "run",
            "west/www/prod/hello/2",
            "ls",
            "--executor-sandbox",
            "-l",
            "me",
            "--ssh-options",
            "-o A=b",
        ],
        0,
        &expected,
    );
}

#[test]
fn task_run_takes_both_outputs_and_any_end() {
    let server = Server::scheduler(live_tasks);
    let world =
        World::new(&server.url()).with_program("ssh", "echo one; echo two >&2; echo three; exit 9");
    let expected = "host1:  one\nhost1:  two\nhost1:  three\n";
    let command = ["task", "run", "west/www/prod/hello/1", "ls"];
    let stderr = world.check(&command, 0, expected);
    let warned = " WARN] ssh to host1 for instance 1: exit status: 9\n";
    assert!(stderr.contains(warned), "{stderr}");
    // With four threads all three run at the same time: each waits for the others.
    let world = World::new(&server.url()).with_program(
        "ssh",
        "touch \"$3\"; n=0\nwhile [ $(ls -d www@* | wc -l) -lt 3 ]; do n=$((n+1)); [ $n -gt 4000 ] && exit; done\necho met",
    );
    let output = world.aurora(&["task", "run", "-t", "4", "west/www/prod/hello", "ls"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.matches("met").count(), 3, "{stdout}");
}

#[test]
fn task_run_fails() {
    let refusing = Server::scheduler(|_| response(ResponseCode::Error, &["no"]));
    let world = World::new(&refusing.url());
    let stderr = world.check(&["task", "run", "west/www/prod/hello", "ls"], 10, "");
    let expected = "Error: could not retrieve task information for run command:\n\tno\n";
    assert!(stderr.contains(expected), "{stderr}");
    world.check(&["task", "run", "east/www/prod/hello", "ls"], 3, "");
    std::fs::write(
        world.path("clusters.json"),
        r#"[{"name":"west","scheduler_uri":"http://127.0.0.1:1","slave_root":"/mesos"}]"#,
    )
    .unwrap();
    let stderr = world.check(&["task", "run", "west/www/prod/hello", "ls"], 3, "");
    assert!(stderr.contains("lacks slave_run_directory"), "{stderr}");
}

#[test]
fn task_ssh() {
    let server = Server::scheduler(live_tasks);
    let world = World::new(&server.url()).with_program("ssh", &format!("{ECHO}; exit 7"));
    let expected = format!("[-t][www@host0][cd {SANDBOX}-0/runs/latest/sandbox;bash]\n");
    let plain = ["task", "ssh", "west/www/prod/hello"];
    world.check(&plain, 7, &expected);
    // As scripts with empty variables call it.
    let empty = ["--ssh-user=", "--ssh-options=", "-c", "", "-p", ""];
    world.check(&[&plain[..], &empty].concat(), 7, &expected);
    let expected = format!(
        "[-t][-v][-A][-L][80:host2:31002][-L][81:host2:31002][me@host2][cd {SANDBOX}-2/runs/latest/sandbox;id {{{{x}}}}]\n"
    );
    world.check(
        &[
            "task",
            "ssh",
            "west/www/prod/hello/2",
            "-L",
            "80:http",
            "-L81:http",
            "--ssh-user=me",
            "--ssh-options=-v -A",
            "-c",
            "id {{x}}",
            "-p",
            "pid",
        ],
        7,
        &expected,
    );
    let pid = std::fs::read_to_string(world.path("pid")).unwrap();
    assert!(pid.parse::<u32>().is_ok(), "{pid}");
    for (arguments, expected) in [
        (
            &["west/www/prod/hello", "-c", "ls"][..],
            "INSTANCE must be specified when --command option is given",
        ),
        (
            &["west/www/prod/hello/9"],
            "Job west/www/prod/hello not found: no live task of instances [9]\n",
        ),
        (
            &["west/www/prod/hello/0", "-L", "x:http"],
            "Could not parse tunnel: x:http.  Must be of form PORT:NAME",
        ),
        (
            &["west/www/prod/hello/0", "-L", "80:ftp"],
            "Task www-prod-hello-0 has no port named ftp",
        ),
    ] {
        let stderr = world.check(&[&["task", "ssh"], arguments].concat(), 6, "");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

/// ssh that tells its version.
fn versioned(version: &str) -> String {
    format!("test \"$*\" = -V && echo 'OpenSSH_{version}, OpenSSL 1.1.1' >&2")
}

#[test]
fn scp_expands_patterns_whatever_it_speaks() {
    let server = Server::scheduler(live_tasks);
    let mut world = World::new(&server.url()).with_program("scp", ECHO);
    let sandbox = format!("www@host0:{SANDBOX}-0/runs/latest/sandbox/x");
    for (version, operand, expected) in [
        (
            "9.0p1",
            "west/www/prod/hello/0:x",
            format!("[-O][-C][here][{sandbox}]\n"),
        ),
        (
            "8.9p1",
            "west/www/prod/hello/0:x",
            format!("[-C][here][{sandbox}]\n"),
        ),
        (
            "9.0p1",
            "west/www/prod/hello/0:/x",
            "[-C][here][www@host0:/x]\n".to_owned(),
        ),
    ] {
        world = world.with_program("ssh", &versioned(version));
        let command = ["task", "scp", "here", operand, "--scp-options=-C"];
        world.check(&command, 0, &expected);
    }
}

#[test]
fn task_scp() {
    let server = Server::scheduler(live_tasks);
    let world = World::new(&server.url())
        .with_program("scp", &format!("{ECHO}; exit 3"))
        .with_program("ssh", &versioned("8.4p1"));
    let command = |operands: &[&'static str]| [&["task", "scp"], operands].concat();
    let expected = format!(
        "[-r][-C][here][www@host1:{SANDBOX}-1/runs/latest/sandbox/../x][www@host2:/etc/x]\n"
    );
    let operands = command(&[
        "here",
        "west/www/prod/hello/1:a/../../x",
        "west/www/prod/hello/2:/etc//x",
        "--scp-options",
        "-r -C",
    ]);
    world.check(&operands, 3, &expected);
    let expected = format!("[here][www@host0:{SANDBOX}-0/runs/latest/.]\n");
    let operands = command(&["here", "west/www/prod/hello/0:", "--executor-sandbox"]);
    world.check(&operands, 3, &expected);
    for (operand, expected) in [
        (
            "west/www/prod/hello/0:~/x",
            "does not support tilde expansion for path: ~/x",
        ),
        (
            "west/www/prod/hello/9:x",
            "Job or instance west/www/prod/hello/9 not found",
        ),
        (
            "west/www/prod/hello:x",
            "is not in the form CLUSTER/ROLE/ENV/NAME/INSTANCE",
        ),
    ] {
        let stderr = world.check(&command(&["here", operand]), 6, "");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn a_signal_ends_with_the_code_that_shells_have() {
    let server = Server::scheduler(live_tasks);
    let world = World::new(&server.url()).with_program("ssh", "kill -TERM $$");
    world.check(&["task", "ssh", "west/www/prod/hello/0"], 128 + 15, "");
}

#[test]
fn a_program_that_is_missing_is_named() {
    let server = Server::scheduler(live_tasks);
    let world = World::new(&server.url());
    let output = world
        .command(
            env!("CARGO_BIN_EXE_aurora"),
            &["task", "ssh", "west/www/prod/hello/0"],
        )
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("Cannot run ssh: "), "{stderr}");
}

/// Tasks 0 to 3 that have been RUNNING for one minute, one hour, one day; the last never was.
fn aged(call: &Call) -> Response {
    let query = match call {
        Call::GetTasksWithoutConfigs(arguments) => arguments.query.clone().unwrap(),
        other => panic!("unexpected {}", other.method()),
    };
    assert_eq!(query.statuses.unwrap().len(), 6);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis() as i64;
    let mut found: Vec<_> = (0..4).map(|id| task(id, ScheduleStatus::Running)).collect();
    for (task, seconds) in found.iter_mut().zip([60, 3_600, 86_400]) {
        task.task_events = vec![TaskEvent {
            timestamp: now - seconds * 1000,
            status: ScheduleStatus::Running,
            ..TaskEvent::default()
        }];
    }
    found[3].task_events.clear();
    tasks(found)
}

#[test]
fn sla_get_task_up_count() {
    let server = Server::scheduler(aged);
    let world = World::new(&server.url());
    let expected = "\
1 mins\t- 100.00 %
10 mins\t- 66.67 %
1 hrs\t- 66.67 %
12 hrs\t- 33.33 %
7 days\t- 0.00 %
";
    let command = ["sla", "get-task-up-count", "west/www/prod/hello"];
    world.check(&command, 0, expected);
    let command = [&command[..], &["--durations", "1d2h,90s,1h3m"]].concat();
    let expected = "90 secs\t- 66.67 %\n63 mins\t- 33.33 %\n26 hrs\t- 0.00 %\n";
    world.check(&command, 0, expected);
    let command = [
        "sla",
        "get-task-up-count",
        "west/www/prod/hello",
        "--durations",
        "5",
    ];
    let stderr = world.check(&command, 2, "");
    assert!(
        stderr.contains("argument --durations: Invalid time"),
        "{stderr}"
    );
}

#[test]
fn sla_get_job_uptime() {
    let server = Server::scheduler(aged);
    let world = World::new(&server.url());
    let command = ["sla", "get-job-uptime", "west/www/prod/hello"];
    let output = world.aurora(&command);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 9);
    // The clock goes on while the test runs.
    let seconds = |line: &str| -> f64 {
        let text = line.split(['\t', ' ']).nth(3).unwrap();
        assert!(text.contains('.'), "{line}");
        text.parse().unwrap()
    };
    for (at, name, least) in [
        (0, "99.0", 60.0),
        (6, "50.0", 3_600.0),
        (8, "10.0", 86_400.0),
    ] {
        assert!(
            lines[at].starts_with(&format!("{name} percentile\t- ")),
            "{}",
            lines[at]
        );
        let found = seconds(lines[at]);
        assert!((least..least + 30.0).contains(&found), "{}", lines[at]);
    }
    for bad in ["0", "100", "x"] {
        let stderr = world.check(&[&command[..], &["--percentiles", bad]].concat(), 2, "");
        assert!(
            stderr.contains("Must be between 0.0 and 100.0 exclusive."),
            "{stderr}"
        );
    }
    let command = [&command[..], &["--percentiles", "0.5,95.5"]].concat();
    let refusing = Server::scheduler(|_| response(ResponseCode::Error, &["no"]));
    let expected = "95.5 percentile\t- 0 seconds\n0.5 percentile\t- 0 seconds\n";
    let stderr = World::new(&refusing.url()).check(&command, 0, expected);
    assert_eq!(
        stderr,
        " INFO] Response from scheduler: ERROR (message: no)\n"
    );
}

//! Requests recorded against Apache Mesos, sent to the embedded master and agent (`tests/wire`).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use aurora_tests::cluster::scratch;
use aurora_tests::daemon::Daemon;
use aurora_tests::{process, programs};

/// The agent that the cases expect.
const AGENT: [&str; 8] = [
    "--hostname",
    "localhost",
    "--resources",
    "cpus:4;mem:2048;disk:4096;ports:[31000-32000]",
    "--attributes",
    "rack:r1;zone:a;weight:2.5",
    "--executor-registration-timeout",
    "5secs",
];

/// Cases of a file that are known not to pass, with the reason: `FILE CASE reason`. A reason that begins with `timing:` is of a
/// case that passes or not by what happens first, on Apache Mesos as well.
fn open_cases(file: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(programs::workspace().join("tests/wire/open.txt")).unwrap();
    text.lines()
        .filter_map(|line| {
            let (named, rest) = line.split_once(' ')?;
            let (case, reason) = rest.split_once(' ')?;
            (named == file).then(|| (case.to_owned(), reason.to_owned()))
        })
        .collect()
}

/// Runs a file, or what flags leave of it: the cases that passed, those that failed, and all that was printed.
fn run(file: &str, urls: &[String], flags: &[&str]) -> (Vec<String>, Vec<String>, String) {
    let cases = programs::workspace().join("tests/wire");
    let mut command = Command::new("python3");
    command
        .arg(cases.join("run.py"))
        .args(urls)
        .arg("--cases")
        .arg(cases.join(file))
        .args(flags);
    let output = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let verdicts = |word: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix(word)?.trim().split(' ').next())
            .map(str::to_owned)
            .collect()
    };
    (verdicts("PASS "), verdicts("FAIL "), text)
}

/// A case passes over events that it does not wait for, so an allocation at the wrong moment can take the offer that it wants
/// next. Such a case is run once more, alone; one that fails twice has failed.
fn failing_again(
    file: &str,
    urls: &[String],
    flags: &[&str],
    failed: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let passes = |case: &str| {
        let alone = format!("^{case}$");
        let (passed, _, _) = run(file, urls, &[flags, &["-k", &alone]].concat());
        passed == [case]
    };
    failed.into_iter().filter(|case| !passes(case)).collect()
}

/// Runs a file, or what flags leave of it, against a master and an agent of its own.
fn check(file: &str, flags: &[&str]) {
    let directory = scratch();
    let work = |name: &str| directory.path().join(name).display().to_string();
    let master_dir = work("master");
    let master = Daemon::start(
        "aurora-mesos-master",
        &[
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            "--work-dir",
            &master_dir,
        ],
        directory.path(),
    );
    let agent_dir = work("agent");
    let place = ["--master", master.address(), "--work-dir", &agent_dir];
    let agent = Daemon::agent(&[&place[..], &AGENT[..]].concat(), directory.path());
    let urls = [
        format!("http://{}", master.address()),
        format!("http://{}", agent.address()),
    ];
    let (passed, failed, text) = run(file, &urls, flags);
    assert!(!passed.is_empty(), "{text}");
    let open = open_cases(file);
    let failed = failed.into_iter().filter(|case| !open.contains_key(case));
    let unexpected = failing_again(file, &urls, &[], failed);
    let outdated: Vec<_> = passed
        .iter()
        .filter(|case| {
            open.get(*case)
                .is_some_and(|reason| !reason.starts_with("timing:"))
        })
        .collect();
    assert!(
        unexpected.is_empty() && outdated.is_empty(),
        "{file}: failed: {unexpected:?}; pass, so remove them from open.txt: {outdated:?}\n{text}\nmaster: {}\nagent: {}",
        tail(&master.log()),
        tail(&agent.log())
    );
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

macro_rules! files {
    ($($test:ident: $file:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check($file, &[]);
            }
        )*
    };
}

files! {
    wire_http: "http.json",
    wire_json: "json.json",
    wire_subscribe: "subscribe.json",
    wire_offers: "offers.json",
    wire_tasks: "tasks.json",
    wire_executor: "executor.json",
    wire_operator: "operator.json",
    wire_maintenance: "maintenance.json",
}

/// Of task groups and of operations on resources there is no more than this.
#[test]
fn wire_operations() {
    check("group.json", &["-k", "^group-stale-offer$"]);
    check(
        "reserve.json",
        &["-k", "^reserve-(stale-offer|reconcile-operations)$"],
    );
}

/// Agents and masters that are killed, paused and started again: by `tests/wire/control.py`, which the cases call.
#[test]
fn wire_recovery() {
    let directory = scratch();
    let text = |path: &Path| path.display().to_string();
    let place = text(directory.path());
    let program = |name: &str, work: &str, flags: &[&str]| -> Vec<String> {
        let work = text(&directory.path().join(work));
        [
            &text(&programs::program(name)),
            "--ip",
            "127.0.0.1",
            "--port",
            "{port}",
            "--work-dir",
            &work,
        ]
        .into_iter()
        .chain(flags.iter().copied())
        .map(str::to_owned)
        .collect()
    };
    let master = program(
        "aurora-mesos-master",
        "master",
        &[
            "--agent-ping-timeout",
            "1secs",
            "--max-agent-ping-timeouts",
            "3",
        ],
    );
    let group = format!("aurora-test-{}-recovery", std::process::id());
    let agent = [
        &AGENT[..],
        &["--master", "{master}", "--cgroups-root", &group],
    ]
    .concat();
    let agent = program("aurora-mesos-agent", "agent", &agent);
    let commands = serde_json::json!({"master": master, "agent": agent}).to_string();
    fs::write(directory.path().join("commands.json"), commands).unwrap();
    let _end = process::Ended(directory.path());

    let control = programs::workspace().join("tests/wire/control.py");
    let started = Command::new("python3")
        .arg(&control)
        .args([&place, "start"])
        .output()
        .unwrap();
    assert!(
        started.status.success(),
        "{}",
        String::from_utf8_lossy(&started.stderr)
    );
    let urls: Vec<String> = String::from_utf8(started.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let control = format!("python3 {} {place}", control.display());
    let flags = ["--control", &control, "--has", "control,fast", "--strict"];
    let (passed, failed, text) = run("recovery.json", &urls, &flags);
    assert_eq!(passed.len() + failed.len(), 15, "{text}");
    let failed = failing_again("recovery.json", &urls, &flags, failed);
    assert!(failed.is_empty(), "failed: {failed:?}\n{text}");
}

//! Requests recorded against Apache Mesos, sent to the embedded master and agent (`tests/wire`).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use aurora_tests::cluster::scratch;
use aurora_tests::daemon::Daemon;
use aurora_tests::programs;

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

fn check(file: &str) {
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
    let agent = Daemon::start(
        "aurora-mesos-agent",
        &[
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            "--master",
            master.address(),
            "--work-dir",
            &agent_dir,
            "--hostname",
            "localhost",
            "--resources",
            "cpus:4;mem:2048;disk:4096;ports:[31000-32000]",
            "--attributes",
            "rack:r1;zone:a;weight:2.5",
            "--executor-registration-timeout",
            "5secs",
            "--stop-executors-on-shutdown",
        ],
        directory.path(),
    );
    let cases = programs::workspace().join("tests/wire");
    let output = Command::new("python3")
        .arg(cases.join("run.py"))
        .args([
            format!("http://{}", master.address()),
            format!("http://{}", agent.address()),
        ])
        .arg("--cases")
        .arg(cases.join(file))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let verdicts = |word: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix(word)?.trim().split(' ').next())
            .map(str::to_owned)
            .collect()
    };
    let (passed, failed) = (verdicts("PASS "), verdicts("FAIL "));
    assert!(
        !passed.is_empty(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let open = open_cases(file);
    let unexpected: Vec<_> = failed
        .iter()
        .filter(|case| !open.contains_key(*case))
        .collect();
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
                check($file);
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

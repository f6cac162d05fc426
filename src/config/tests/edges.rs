//! Corners of job files where upstream does something of its own.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the helpers are shared by several test programs"
)]

mod common;

use aurora_api::eval::{DiagnosticKind, EvalRequest};
use common::{answer, configuration, converted, fault, file, selecting};
use serde_json::Value as Json;

fn task_data(source: &str) -> Json {
    let job = converted(source);
    let executor = job.task_config.executor_config.expect("an executor");
    let data: Json = serde_json::from_str(&executor.data.expect("data")).expect("JSON");
    data["task"].clone()
}

/// Whoever binds nearer to the text wins, but the command line comes before what the file binds on the job.
#[test]
fn a_binding_inside_a_process_beats_the_command_line() {
    let source = file(
        "",
        "processes=[p(name='a').bind(x='process'), p(name='b')]",
        "echo {{x}}",
    ) + "jobs = [jobs[0].bind(x='job')]\n";
    let request = EvalRequest {
        bindings: vec![("x".to_owned(), "line".to_owned())],
        ..selecting(&source)
    };
    let job = configuration(&answer(&request), &source);
    let executor = job.task_config.executor_config.expect("an executor");
    let data: Json = serde_json::from_str(&executor.data.expect("data")).expect("JSON");
    let command = |index: usize| data["task"]["processes"][index]["cmdline"].clone();
    assert_eq!(
        (command(0), command(1)),
        ("echo process".into(), "echo line".into())
    );
}

/// A number that is not known yet is neither too large nor negative; what is left unbound is told instead.
#[test]
fn values_with_references_are_not_compared() {
    for job in [
        "instances='{{later}}', update_config=UpdateConfig(max_total_failures=100)",
        "update_config=UpdateConfig(max_total_failures='{{later}}')",
        "update_config=UpdateConfig(watch_secs='{{later}}')",
        "health_check_config=HealthCheckConfig(interval_secs='-{{later}}')",
    ] {
        let found = fault(&selecting(&file(job, "", "true")));
        assert_eq!(found.kind, DiagnosticKind::Invalid, "{job}: {found:?}");
        assert!(found.message.contains("{{later}}"), "{job}: {found:?}");
    }
    let mut bound = selecting(&file(
        "instances='{{later}}', update_config=UpdateConfig(max_total_failures=100)",
        "",
        "true",
    ));
    bound.bindings = vec![("later".to_owned(), "100".to_owned())];
    assert_eq!(fault(&bound).kind, DiagnosticKind::Fatal);
    bound.bindings = vec![("later".to_owned(), "101".to_owned())];
    assert_eq!(answer(&bound).errors, []);
}

#[test]
fn a_negative_watch_time_of_an_update_is_fatal() {
    let job = "update_config=UpdateConfig(watch_secs=-3)";
    let found = fault(&selecting(&file(job, "", "true")));
    assert_eq!(found.kind, DiagnosticKind::Fatal);
    assert_eq!(
        found.message,
        "Invalid value (-3) specified for watch_secs. Value cannot be less than 0."
    );
}

/// The data of the executor has lost three ampersands, what `inspect --write-json` shows has lost one.
#[test]
fn inspect_shows_one_level_of_escapes_less() {
    let source = file("", "", "echo {{&&&&&x}}");
    let found = answer(&selecting(&source));
    let shown = found.job.as_ref().expect("a job").job["task"]["processes"][0]["cmdline"].clone();
    assert_eq!(shown, "echo {{&&&&x}}");
    let data = task_data(&source)["processes"][0]["cmdline"].clone();
    assert_eq!(data, "echo {{&&x}}");
}

#[test]
fn any_number_of_max_failures_is_taken() {
    for number in [0, 1, 100, 101, 1_000_000] {
        let task = task_data(&file(
            "",
            &format!("processes=[p(max_failures={number})]"),
            "true",
        ));
        assert_eq!(task["processes"][0]["max_failures"], number);
    }
}

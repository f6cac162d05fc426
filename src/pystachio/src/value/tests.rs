//! Values as their users see them.

use super::*;
use crate::error::ErrorKind;
use crate::schema;

/// What an executor does with a job's text: newer fields are passed over, what the agent knows is bound, the rest is told.
#[test]
fn an_executor_can_fill_in_a_task() {
    let text = r#"{"name": "t", "added_later": {"x": 1}, "processes": [
        {"name": "p", "cmdline": "{{thermos.ports[http]}} {{mesos.instance}} {{thermos.task_id}} {{other}}"}]}"#;
    let task = Value::json_loads(schema::get("Task"), text, false).expect("a task");
    let mut known = Environment::default();
    for (address, value) in [
        ("thermos.ports[http]", "31000"),
        ("mesos.instance", "3"),
        ("thermos.task_id", "id"),
    ] {
        known.insert(address, value).expect("an address");
    }
    let (task, unbound) = task
        .bind_environment(known)
        .interpolate()
        .expect("a filled task");
    let left: Vec<String> = unbound.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["{{other}}"]);
    let plain = task.get().expect("data");
    let process = &plain
        .member("processes")
        .and_then(Raw::items)
        .expect("processes")[0];
    let cmdline = process.member("cmdline").and_then(Raw::as_str);
    assert_eq!(cmdline, Some("31000 3 id {{other}}"));
}

/// Each value is found through the one before; upstream exhausts Python's stack at some depth.
#[test]
fn long_chains_of_values_end_on_an_ordinary_stack() {
    let chain = |length: usize| {
        (0..length).try_fold(Value::new(&Type::string(), "end".into())?, |value, _| {
            let binding = Raw::Dict(vec![("x".into(), value.into())]);
            Value::new(&Type::string(), "{{x}}".into())?.bind(vec![binding])
        })
    };
    assert_eq!(
        chain(40).and_then(|value| value.text()),
        Ok("end".to_owned())
    );
    let error = chain(1000)
        .and_then(|value| value.text())
        .expect_err("a long chain");
    assert_eq!(error.kind, ErrorKind::Recursion);
    // The depth is counted again from nothing afterwards.
    assert_eq!(
        chain(40).and_then(|value| value.text()),
        Ok("end".to_owned())
    );
}

#[test]
fn faults_name_the_field() {
    let task = schema::get("Task");
    let text = r#"{"processes": [{"name": "a"}, {"name": "b", "max_failures": "many"}]}"#;
    let value = Value::json_loads(task, text, true).expect("late faults only");
    let error = value.interpolate().expect_err("not a number");
    assert_eq!(error.message, "Cannot coerce 'many' to Integer");
    assert_eq!(error.path, "processes[1].max_failures");
    let error =
        Value::json_loads(task, r#"{"resources": {"cpus": 1}}"#, true).expect_err("no such field");
    assert_eq!(
        (error.kind, error.path.as_str()),
        (ErrorKind::Attribute, "resources")
    );
}

/// A check stops at the first of the faults that are found together.
#[test]
fn independent_faults_are_found_together() {
    let text = r#"{"name": "t", "max_failures": "few", "resources": {"cpu": "x", "ram": 1},
        "processes": [{"name": "a", "cmdline": "{{ bad }}"}, {"name": "b", "max_failures": "many"}]}"#;
    let task = Value::json_loads(schema::get("Task"), text, true).expect("late faults only");
    let shown: Vec<(String, String)> = task
        .findings(usize::MAX)
        .into_iter()
        .map(|finding| match finding {
            Finding::Failed(check) => (check.path.clone(), check.message().to_owned()),
            Finding::Broken(error) => (error.path, error.message),
        })
        .collect();
    let number = |path: &str, words: &str, text: &str, kind: &str| {
        let cause = format!("Unable to interpolate: Cannot coerce '{text}' to {kind}");
        (path.to_owned(), format!("{words} failed: {cause}"))
    };
    let found: Vec<&str> = shown.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        found,
        [
            "processes[0].cmdline",
            "processes[1].cmdline",
            "processes[1].max_failures",
            "resources.cpu",
            "resources.disk",
            "max_failures",
        ]
    );
    assert_eq!(
        shown[4].1,
        "Task[resources] failed: Resources[disk] is required."
    );
    assert_eq!(
        shown[5],
        number("max_failures", "Task[max_failures]", "few", "Integer")
    );
    let error = task.check().expect_err("the first is no mere failure");
    assert_eq!(error.path, "processes[0].cmdline");
}

use super::*;
use serde_json::json;

fn job(more: Value) -> String {
    let mut job = json!({
        "name": "hello", "role": "www", "cluster": "c", "environment": "prod",
        "task": {"name": "hello", "processes": [{"name": "p", "cmdline":
            "run {{mesos.instance}} on {{mesos.hostname}} at {{thermos.ports[http]}} as {{thermos.task_id}}"}]},
    });
    for (key, value) in more.as_object().unwrap() {
        job[key] = value.clone();
    }
    job.to_string()
}

#[test]
fn templates_are_bound_in_two_steps() {
    let instance = Instance::parse(&job(json!({})), 7, "h1").unwrap();
    let ports = instance.ports(&BTreeMap::from([("http".to_owned(), 31_001)]));
    let task = instance.task("t-1", &ports, "www").unwrap();
    assert_eq!(task.processes[0].cmdline, "run 7 on h1 at 31001 as t-1");
}

#[test]
fn what_is_not_bound_is_named() {
    let instance = Instance::parse(&job(json!({})), 7, "h1").unwrap();
    let error = instance.task("t-1", &BTreeMap::new(), "www").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid task: Failed to interpolate task, missing: {{thermos.ports[http]}}"
    );
    for odd in ["{{profile.x}}", "{{thermos.user_id}}", "{{thermos.ports}}"] {
        let task = json!({"task": {"processes": [{"name": "p", "cmdline": odd}]}});
        let check =
            json!({"health_check_config": {"health_checker": {"shell": {"shell_command": odd}}}});
        for place in [task, check] {
            let error = Instance::parse(&job(place), 0, "h").unwrap_err();
            let expected = format!(
                "Got invalid task: Unexpected unbound refs: {odd}. Make sure you are not nesting template variables."
            );
            assert_eq!(error.to_string(), expected);
        }
    }
    assert!(
        Instance::parse("", 0, "h")
            .unwrap_err()
            .to_string()
            .contains("did not have a thermos config")
    );
    assert!(
        Instance::parse("{", 0, "h")
            .unwrap_err()
            .to_string()
            .starts_with("Could not deserialize thermos config")
    );
    let odd = json!({"task": {"processes": [{"name": "p", "cmdline": "{{ spaced }}"}]}});
    let error = Instance::parse(&job(odd), 0, "h").unwrap_err().to_string();
    assert!(error.starts_with("task.processes[0].cmdline: "), "{error}");
}

#[test]
fn ports_have_aliases() {
    let ports = |announce: Value, assigned: &[(&str, i32)]| {
        let instance = Instance::parse(&job(json!({ "announce": announce })), 0, "h").unwrap();
        let assigned = assigned
            .iter()
            .map(|(name, port)| ((*name).to_owned(), *port))
            .collect();
        instance
            .ports(&assigned)
            .into_iter()
            .map(|(name, port)| format!("{name}={port}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (announce, assigned, expected) in [
        (json!({}), &[("http", 80)][..], "aurora=80 http=80"),
        (
            json!({"primary_port": "thrift"}),
            &[("thrift", 9)][..],
            "aurora=9 thrift=9",
        ),
        (
            json!({"portmap": {"admin": "http", "static": "8080", "number": 81}}),
            &[("http", 80)][..],
            "admin=80 http=80 number=81 static=8080",
        ),
        (json!({"portmap": {"http": "http"}}), &[][..], ""),
        (
            json!({"portmap": {"http": "7"}}),
            &[("http", 80)][..],
            "http=80",
        ),
        (json!({"portmap": {"a": "b", "b": "c"}}), &[][..], ""),
    ] {
        assert_eq!(ports(announce.clone(), assigned), expected, "{announce}");
    }
}

#[test]
fn health_and_lifecycle_defaults() {
    let instance = Instance::parse(&job(json!({})), 0, "h").unwrap();
    assert_eq!(
        instance.health,
        HealthCheck {
            checker: Checker::Http {
                endpoint: "/health".into(),
                expected_response: "ok".into(),
                expected_response_code: 0
            },
            initial_interval_secs: 15.0,
            interval_secs: 10.0,
            max_consecutive_failures: 0,
            min_consecutive_successes: 1,
            timeout_secs: 1.0,
        }
    );
    let lifecycle = instance.lifecycle.unwrap();
    assert_eq!(lifecycle.port, "health");
    assert_eq!(
        lifecycle.escalation,
        [
            ("/quitquitquit".to_owned(), 5),
            ("/abortabortabort".to_owned(), 5)
        ]
    );
    let none = Instance::parse(&job(json!({"lifecycle": {}})), 0, "h").unwrap();
    assert_eq!(none.lifecycle, None);
    // The default is one of jobs.
    let instance = |more: Value| {
        let mut data = json!({"instance": 1, "role": "www", "task": {"processes": []}});
        data["lifecycle"] = more;
        Instance::parse(&data.to_string(), 0, "h")
            .unwrap()
            .lifecycle
    };
    assert_eq!(instance(Value::Null), None);
    let said = json!({"http": {"port": "http"}});
    assert_eq!(instance(said).unwrap().port, "http");
}

#[test]
fn a_shell_check_wins_and_sees_assigned_ports() {
    let both = json!({"health_check_config": {"health_checker": {
        "http": {"endpoint": "/x"}, "shell": {"shell_command": "check {{thermos.ports[http]}} {{mesos.instance}}"}}}});
    let instance = Instance::parse(&job(both), 3, "h").unwrap();
    let Checker::Shell { command } = &instance.health.checker else {
        panic!("{:?}", instance.health)
    };
    let bound = Instance::shell_command(command, "t", &BTreeMap::from([("http".to_owned(), 5)]), 3)
        .unwrap();
    assert_eq!(bound, "check 5 3");
}

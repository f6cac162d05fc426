//! What the program does with job files around their evaluation: flags, helpers, diagnostics.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use aurora_api::model::ResponseCode;
use aurora_api::service::Call;
use serde_json::{Value, json};
use support::World;
use support::fake::{Reply, Server, response};
use support::{evaluated, tiers};

const INSPECT: [&str; 4] = ["job", "inspect", "west/www/prod/hello", "job.aurora"];

fn scheduler() -> Server {
    Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        _ => response(ResponseCode::Error, &["unexpected"]),
    })
}

fn with_file(world: World) -> World {
    std::fs::write(world.path("job.aurora"), "").unwrap();
    world
}

/// The last request that `aurora-eval` got.
fn asked(world: &World) -> Value {
    serde_json::from_str(&std::fs::read_to_string(world.path("asked")).unwrap()).unwrap()
}

#[test]
fn flags_reach_the_evaluation_and_what_it_prints_is_shown() {
    let server = scheduler();
    let world = World::new(&server.url());
    let file = world.path("asked");
    let script = format!(
        "cat > {}\necho 'said by the file' >&2\necho '{{\"jobs\": [{{\"key\": \"c/r/e/n\"}}]}}'",
        file.display()
    );
    let world = with_file(world.with_program("aurora-eval", &script));
    let stderr = world.check(&["config", "list", "job.aurora"], 0, "jobs=[c/r/e/n]\n");
    assert_eq!(stderr, "said by the file\n");
    let request = asked(&world);
    assert_eq!(request["python2_division"], false);
    assert_eq!(
        request["limits"],
        json!({"cpu_secs": 30, "memory_mb": 2048})
    );
    let raised = [
        "config",
        "list",
        "--python2-division",
        "--eval-secs=90",
        "--eval-memory=512",
        "job.aurora",
    ];
    world.check(&raised, 0, "jobs=[c/r/e/n]\n");
    let request = asked(&world);
    assert_eq!(request["python2_division"], true);
    assert_eq!(request["limits"], json!({"cpu_secs": 90, "memory_mb": 512}));
    let none = ["config", "list", "--eval-secs=0", "job.aurora"];
    let stderr = world.check(&none, 2, "");
    assert!(
        stderr.contains("--eval-secs: must be greater than 0, but got 0"),
        "{stderr}"
    );
}

/// A job whose image is named by its tag is evaluated again with what the cluster's registry calls it.
#[test]
fn images_are_bound_by_the_clusters_registry() {
    let server = scheduler();
    let registry = Server::start(|request| {
        let digest = ("Docker-Content-Digest".to_owned(), "sha256:abc".to_owned());
        let known = matches!(request.target.as_str(), "/v2/" | "/v2/web/manifests/latest");
        Reply::Full(if known { 200 } else { 404 }, vec![digest], Vec::new())
    });
    let address = "docker.image[web][latest]";
    let unbound =
        json!({"unbound": [address], "errors": [{"kind": "invalid", "message": "unbound"}]});
    let world = World::new(&server.url());
    let clusters = json!([{
        "name": "west",
        "scheduler_uri": server.url(),
        "docker_registry": registry.url(),
        "binding_helpers": {"package": world.path("bin").join("packages")},
    }]);
    std::fs::write(world.path("clusters.json"), clusters.to_string()).unwrap();
    let eval = |unbound: &Value| {
        format!(
            "cat > {0}\nif grep -q sha256:abc {0}; then cat <<'END'\n{1}\nEND\nelse cat <<'END'\n{unbound}\nEND\nfi",
            world.path("asked").display(),
            evaluated(None)
        )
    };
    let script = eval(&unbound);
    let world = with_file(world.with_program("aurora-eval", &script));
    let output = world.aurora(&INSPECT);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let bound = format!("{}/web@sha256:abc", registry.address);
    assert_eq!(asked(&world)["bindings"], json!([[address, bound]]));
    // A registry that does not know the image, and a helper that fails.
    for (address, part) in [
        (
            "docker.image[other][1]",
            "/v2/other/manifests/1 answered 404",
        ),
        ("package[www][hello][live]", "cannot be run"),
    ] {
        let unbound =
            json!({"unbound": [address], "errors": [{"kind": "invalid", "message": "unbound"}]});
        let script = format!("cat >/dev/null; cat <<'END'\n{unbound}\nEND");
        std::fs::write(
            world.path("bin").join("aurora-eval"),
            format!("#!/bin/sh\n{script}\n"),
        )
        .unwrap();
        let stderr = world.check(&INSPECT, 3, "");
        let start = format!("Error loading configuration: {{{{{address}}}}}: ");
        assert!(
            stderr.starts_with(&start) && stderr.contains(part),
            "{stderr}"
        );
    }
}

#[test]
fn checks_tell_everything_to_people_and_to_programs() {
    let error = json!({
        "kind": "invalid",
        "message": "Cannot coerce 'high' to Integer",
        "file": "job.aurora", "line": 7, "column": 3,
        "field": "jobs[2].priority",
        "found": "'high'", "allowed": "a whole number", "hint": "write a number",
    });
    let warning = json!({
        "kind": "warning", "message": "7 / 2 has a remainder",
        "file": "job.aurora", "line": 2, "column": 8,
    });
    let answer = json!({"jobs": [{"key": "c/r/e/n"}], "errors": [error], "warnings": [warning]});
    // No cluster is needed, and none is asked.
    let world = World::new("http://127.0.0.1:1").with_eval(&answer);
    let stderr = world.check(&["config", "check", "job.aurora"], 3, "");
    assert_eq!(
        stderr,
        "job.aurora:7:3: error: Cannot coerce 'high' to Integer (in jobs[2].priority)\n  \
         allowed: a whole number\n  write a number\n\
         job.aurora:2:8: warning: 7 / 2 has a remainder\n \
         INFO] Command terminated with error code 3\n"
    );
    assert_eq!(asked(&world)["check"], true);
    let output = world.aurora(&["config", "check", "--write-json", "job.aurora"]);
    assert_eq!(output.status.code(), Some(3));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut expected = answer["errors"][0].clone();
    expected["severity"] = json!("error");
    assert_eq!(told["valid"], false);
    let file = &told["files"][0];
    assert_eq!(file["path"], "job.aurora");
    assert_eq!(file["jobs"], json!(["c/r/e/n"]));
    assert_eq!(file["diagnostics"][0], expected);
    assert_eq!(file["diagnostics"][1]["severity"], "warning");
    assert_eq!(file["diagnostics"][1]["line"], 2);
}

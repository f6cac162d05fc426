//! Corners of the verbs, each a line of the conformance table: the real program against a scheduler that speaks real Thrift
//! over HTTP.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Reply, Server, response};
use support::*;

const KEY: &str = "west/www/prod/hello";

#[test]
fn errors_end_with_their_code_in_the_log() {
    let server = Server::scheduler(|_| tasks(vec![]));
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "status", KEY], 6, "");
    assert!(
        stderr.ends_with(" INFO] Command terminated with error code 6\n"),
        "{stderr}"
    );
}

#[test]
fn verbose_shows_more() {
    let leader = Server::scheduler(|_| tasks(vec![task(0, ScheduleStatus::Running)]));
    let to = format!("{}/api", leader.url());
    let standby =
        Server::start(move |_| Reply::Full(307, vec![("Location".into(), to.clone())], Vec::new()));
    let world = World::new(&standby.url());
    for (option, expected) in [(None, false), (Some("-v"), true)] {
        let command: Vec<&str> = ["job", "status", KEY].into_iter().chain(option).collect();
        let output = world.aurora(&command);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.contains("DEBUG] redirected"), expected, "{stderr}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn answers_that_are_not_understood() {
    let garbage = Server::start(|_| Reply::Full(200, Vec::new(), b"<html>".to_vec()));
    let world = World::new(&garbage.url());
    let stderr = world.check(&["quota", "get", "west/www"], 1, "");
    assert!(stderr.contains("Fatal error running command: "), "{stderr}");
    // Queries of tasks alone have a code of their own.
    world.check(&["job", "status", KEY], 20, "");
    world.check(&["task", "ssh", KEY], 20, "");
    let empty = Server::scheduler(|_| response(ResponseCode::Ok, &[]));
    let world = World::new(&empty.url());
    let stderr = world.check(&["quota", "get", "west/www"], 1, "");
    assert!(stderr.contains("lacks its getQuotaResult"), "{stderr}");
}

#[test]
fn a_star_means_every_cluster() {
    let (one, two) = (
        Server::scheduler(|_| jobs(&[("www", "prod", "a")])),
        Server::scheduler(|_| jobs(&[("www", "prod", "b")])),
    );
    let world = World::new(&one.url());
    let clusters = format!(
        r#"[{{"name":"west","scheduler_uri":"{}","extra":{{"x":1}},"auth_mechanism":"SECRET"}},
            {{"name":"east","scheduler_uri":"{}"}}]"#,
        one.url(),
        two.url()
    );
    std::fs::write(world.path("clusters.json"), clusters).unwrap();
    world.check(
        &["job", "list", "*"],
        0,
        "east/www/prod/b\nwest/www/prod/a\n",
    );
    // A cluster is no pattern otherwise.
    world.check(&["job", "list", "we*"], 3, "");
    // Keys that nobody knows stay in the entry.
    let output = world
        .command(
            env!("CARGO_BIN_EXE_aurora_admin"),
            &["get_cluster_config", "--sh", "west"],
        )
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("AURORA_CLUSTER_EXTRA_X=1\n"), "{stdout}");
}

#[test]
fn a_refused_list_is_a_failed_command() {
    let server = Server::scheduler(|_| response(ResponseCode::Error, &["no"]));
    let world = World::new(&server.url());
    let stderr = world.check(&["job", "list", "west"], 4, "");
    assert!(stderr.contains("Command failure:\n\tno\n"), "{stderr}");
}

#[test]
fn an_unknown_mechanism_shows_nothing_and_says_so_when_refused() {
    let server = Server::start(|request| {
        assert_eq!(request.header("authorization"), None);
        Reply::Full(401, Vec::new(), Vec::new())
    });
    let world = World::new(&server.url());
    let clusters = format!(
        r#"[{{"name":"west","scheduler_uri":"{}","auth_mechanism":"SECRET"}}]"#,
        server.url()
    );
    std::fs::write(world.path("clusters.json"), clusters).unwrap();
    let stderr = world.check(&["job", "status", KEY], 30, "");
    assert!(
        stderr.contains("The authentication mechanism `SECRET`"),
        "{stderr}"
    );
    // While a job file is loaded, whatever fails is a matter of the configuration; the file's own faults come first.
    let world = world.with_eval(&evaluated(None));
    let create = ["job", "create", KEY, "job.aurora"];
    let stderr = world.check(&create, 3, "");
    assert!(
        stderr.contains("Error loading configuration: http"),
        "{stderr}"
    );
    let fault = serde_json::json!({"errors": [{"kind": "evaluation", "message": "it is wrong"}]});
    let stderr = world.with_eval(&fault).check(&create, 3, "");
    assert!(
        stderr.starts_with("Error loading configuration: it is wrong\n"),
        "{stderr}"
    );
}

#[test]
fn netrc_may_be_elsewhere() {
    let server = Server::scheduler(|_| tasks(vec![task(0, ScheduleStatus::Running)]));
    let world = World::new(&server.url());
    std::fs::write(world.path("secrets"), "default login a password b").unwrap();
    let output = world
        .command(env!("CARGO_BIN_EXE_aurora"), &["job", "status", KEY])
        .env("NETRC", world.path("secrets"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    // printf a:b | base64
    assert_eq!(server.seen()[0].header("authorization"), Some("Basic YTpi"));
}

#[test]
fn create_waits_until_finished() {
    let polls = AtomicUsize::new(0);
    let server = Server::scheduler(move |call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(_) => response(ResponseCode::Ok, &[]),
        Call::GetTasksWithoutConfigs(_) => {
            let status = match polls.fetch_add(1, Ordering::SeqCst) {
                0 => ScheduleStatus::Running,
                _ => ScheduleStatus::Failed,
            };
            tasks(vec![task(0, status)])
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let command = [
        "job",
        "create",
        KEY,
        "job.aurora",
        "--wait-until",
        "FINISHED",
    ];
    assert_eq!(world.aurora(&command).status.code(), Some(0));
    assert_eq!(server.methods()[2..], ["getTasksWithoutConfigs"; 3]);
}

#[test]
fn nothing_found_ends_a_wait() {
    let server = Server::scheduler(|call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(_) => response(ResponseCode::Ok, &[]),
        _ => tasks(vec![]),
    });
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let command = [
        "job",
        "create",
        KEY,
        "job.aurora",
        "--wait-until",
        "RUNNING",
    ];
    let stderr = world.check(&command, 4, "");
    assert!(
        stderr.contains("Error occurred while creating job"),
        "{stderr}"
    );
    assert_eq!(server.methods()[2..], ["getTasksWithoutConfigs"; 2]);
}

#[test]
fn add_waits_for_the_new_instances() {
    let server = Server::scheduler(|call| match call {
        Call::GetTasksWithoutConfigs(arguments) => {
            let query = arguments.query.clone().unwrap();
            if let Some(ids) = query.instance_ids {
                assert_eq!(ids, BTreeSet::from([5, 6]));
            }
            tasks(vec![
                task(2, ScheduleStatus::Running),
                task(4, ScheduleStatus::Running),
            ])
        }
        Call::AddInstances(_) => response(ResponseCode::Ok, &[]),
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    // The file of --config is not even read.
    let key = "west/www/prod/hello/2";
    let command = [
        "job",
        "add",
        key,
        "2",
        "--wait-until",
        "RUNNING",
        "--config",
        "none.aurora",
    ];
    world.check(&command, 0, "");
    assert_eq!(server.methods().len(), 4);
}

#[test]
fn kills_of_counted_jobs_are_warned_about() {
    let (server, state) = cluster(&[0]);
    state.lock().unwrap()[0].assigned_task.task.sla_policy = Some(SlaPolicy::PercentageSlaPolicy(
        PercentageSlaPolicy::default(),
    ));
    let world = World::new(&server.url());
    let expected = "\
WARNING: Killing instances without updating SlaPolicy.
Successfully killed instances [0]
Job kill succeeded
";
    world.check(&["job", "kill", "west/www/prod/hello/0"], 0, expected);
}

#[test]
fn killall_goes_one_by_one() {
    let (server, _) = cluster(&[0, 3]);
    let world = World::new(&server.url());
    let expected = "\
Successfully killed instances [0]
Successfully killed instances [3]
Job killall succeeded
";
    world.check(&["job", "killall", KEY], 0, expected);
}

#[test]
fn several_jobs_have_their_status_one_after_the_other() {
    let server = Server::scheduler(|call| match call {
        Call::GetJobs(_) => jobs(&[
            ("www", "prod", "a"),
            ("www", "prod", "b"),
            ("www", "prod", "c"),
        ]),
        Call::GetTasksWithoutConfigs(arguments) => {
            let key = arguments
                .query
                .clone()
                .unwrap()
                .job_keys
                .unwrap()
                .pop_first()
                .unwrap();
            let mut found = task(0, ScheduleStatus::Running);
            found.task_events.clear();
            found.assigned_task.task.job = key.clone();
            // b has ended so long ago that nothing is left.
            tasks(if key.name == "b" { vec![] } else { vec![found] })
        }
        other => panic!("unexpected {}", other.method()),
    });
    let world = World::new(&server.url());
    let of = |name: &str| {
        format!(
            "Active tasks (1):\n\tTask role: www, env: prod, name: {name}, instance: 0, status: RUNNING on host1\n\
             \t  CPU: 1.0 core(s), RAM: 128 MB, Disk: 64 MB, Port: http\n\t  events:\nInactive tasks (0):\n"
        )
    };
    let expected = format!("{}{}\n", of("a"), of("c"));
    world.check(&["job", "status", "west/www"], 0, &expected);
}

#[test]
fn inspect_shows_cron() {
    let server = Server::scheduler(|_| tiers());
    let mut answer = evaluated(Some("*/5 * * * *"));
    answer["job"]["job"]["cron_schedule"] = "*/5 * * * *".into();
    answer["job"]["job"]["cron_collision_policy"] = "CANCEL_NEW".into();
    let world = World::new(&server.url()).with_eval(&answer);
    let output = world.aurora(&["job", "inspect", KEY, "job.aurora"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let expected =
        "  instances:  '2'\n  cron:\n    schedule: '*/5 * * * *'\n    policy:   'CANCEL_NEW'\n";
    assert!(stdout.contains(expected), "{stdout}");
}

/// A scheduler whose only task is another one each time that somebody looks: no restart ever holds.
fn flapping(instances: &'static [i32]) -> Server {
    let looks = AtomicUsize::new(0);
    Server::scheduler(move |call| match call {
        Call::RestartShards(_) => response(ResponseCode::Ok, &[]),
        Call::GetTasksWithoutConfigs(arguments) => {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            let asked = arguments.query.clone().unwrap().instance_ids;
            let found = instances
                .iter()
                .filter(|id| asked.as_ref().is_none_or(|ids| ids.contains(*id)));
            tasks(
                found
                    .map(|id| {
                        let mut found = task(*id, ScheduleStatus::Running);
                        // Instance 1 alone is steady.
                        if *id != 1 {
                            found.assigned_task.task_id = format!("look-{look}");
                        }
                        found
                    })
                    .collect(),
            )
        }
        other => panic!("unexpected {}", other.method()),
    })
}

#[test]
fn failed_restarts_come_again_at_the_end() {
    let server = flapping(&[0, 1]);
    let world = World::new(&server.url());
    let command = [
        "job",
        "restart",
        KEY,
        "--force",
        "--watch-secs",
        "0",
        "--healthcheck",
        "0",
        "--max-per-instance-failures",
        "1",
    ];
    // Too many failures end the restart, and are success all the same.
    let stderr = world.check(
        &command,
        0,
        "Job west/www/prod/hello restarted successfully\n",
    );
    let expected = "\
ERROR] 1 failed instances observed, maximum allowed is 0
ERROR] 2 instance failures for instance 0, maximum allowed is 1
 INFO] Restart failures threshold reached. Aborting
";
    assert!(stderr.ends_with(expected), "{stderr}");
    let batches: Vec<_> = server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::RestartShards(arguments) => arguments.shard_ids.first().copied(),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [0, 1, 0]);
}

#[test]
fn a_restart_is_asked_for_again_when_the_connection_breaks() {
    let (inner, _) = cluster(&[0]);
    let tries = AtomicUsize::new(0);
    let address = inner.address;
    let server = Server::start(move |request| {
        let call = request.call();
        if matches!(call, Call::RestartShards(_)) && tries.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::Hangup;
        }
        let to = format!("http://{address}/api");
        Reply::Full(307, vec![("Location".into(), to)], Vec::new())
    });
    let world = World::new(&server.url());
    let command = [
        "job",
        "restart",
        KEY,
        "--watch-secs",
        "0",
        "--healthcheck",
        "0",
    ];
    world.check(
        &command,
        0,
        "Job west/www/prod/hello restarted successfully\n",
    );
    let asked = server
        .methods()
        .iter()
        .filter(|method| **method == "restartShards")
        .count();
    assert_eq!(asked, 2);
}

/// The text of a file once it is there.
fn wait_for(path: &std::path::Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            found => assert!(Instant::now() < deadline, "no line within 20 s: {found:?}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn pages_open_in_a_browser() {
    let (server, _) = cluster(&[0]);
    let url = server.url();
    for (command, page) in [
        (&["job", "open", "west"][..], "/scheduler"),
        (
            &["job", "open", "west/www/prod/hello"],
            "/scheduler/www/prod/hello",
        ),
        (
            &["job", "killall", KEY, "--open-browser"],
            "/scheduler/www/prod/hello",
        ),
        (
            &["job", "restart", KEY, "--open-browser"],
            "/scheduler/www/prod/hello",
        ),
    ] {
        let world = World::new(&url).with_program("browser", "echo \"$@\" > opened");
        let output = world
            .command(env!("CARGO_BIN_EXE_aurora"), command)
            .env("BROWSER", "nowhere:browser --new %s")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert_eq!(
            wait_for(&world.path("opened")),
            format!("--new {url}{page}\n")
        );
    }
    let world = World::new(&url);
    for (key, why) in [
        ("west//prod", "'west//prod' lacks its role"),
        ("west/www/prod/a/0", "no more than 4 segments"),
    ] {
        let stderr = world.check(&["job", "open", key], 2, "");
        assert!(stderr.contains(why), "{stderr}");
    }
}

#[test]
fn events_are_lines_of_json() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => {
            assert_eq!(request.header("authorization"), None);
            Reply::Chunks(Box::new(|send| {
                for line in [
                    r#"{"hello":{"feed":"f","seq":"1.0","cluster":"west","leader":"l:1","server_time_ms":1,"version":1,"capabilities":[]}}"#,
                    r#"{"reset":{"reason":"new"}}"#,
                ] {
                    send(&format!("{line}\n"));
                }
                loop {
                    std::thread::park();
                }
            }))
        }
        _ => Reply::Full(404, Vec::new(), Vec::new()),
    });
    let world = World::new(&server.url());
    let mut child = world
        .command(
            env!("CARGO_BIN_EXE_aurora"),
            &["events", "follow", "west", "--topic", "role/www"],
        )
        .stdout(std::fs::File::create(world.path("out")).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let lines = loop {
        let text = std::fs::read_to_string(world.path("out")).unwrap();
        if text.lines().count() == 2 {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}\n{:?}", server.seen());
        std::thread::yield_now();
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let lines: Vec<_> = lines.lines().map(read).collect();
    assert_eq!(lines[0]["hello"]["cluster"], "west");
    assert_eq!(lines[1], serde_json::json!({"reset": {"reason": "new"}}));
    let target = &server.seen()[0].target;
    assert!(target.contains("role%2Fwww"), "{target}");
    let none = Server::start(|_| Reply::Full(404, Vec::new(), Vec::new()));
    let world = World::new(&none.url());
    let stderr = world.check(&["events", "follow", "west"], 4, "");
    assert!(
        stderr.contains("The scheduler of cluster west has no event feed\n"),
        "{stderr}"
    );
}

#[test]
fn proxies_are_taken_from_the_environment() {
    let proxy = Server::scheduler(|_| tasks(vec![task(0, ScheduleStatus::Running)]));
    let world = World::new("http://scheduler.example:8081");
    let output = world
        .command(env!("CARGO_BIN_EXE_aurora"), &["job", "status", KEY])
        .env("http_proxy", proxy.url())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // A proxy is asked for the whole address (RFC 9112, section 3.2.2).
    let asked = &proxy.seen()[0];
    assert_eq!(asked.target, "http://scheduler.example:8081/api");
}

#[test]
fn a_cluster_where_nobody_can_be_asked_who_leads_is_given_up() {
    // Nobody listens there: the port was the kernel's choice a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let world = World::new("http://unused");
    let clusters = format!(
        r#"[{{"name":"west","zk":"127.0.0.1","zk_port":{port},"scheduler_zk_path":"/aurora/scheduler"}}]"#
    );
    std::fs::write(world.path("clusters.json"), clusters).unwrap();
    let begun = Instant::now();
    let stderr = world.check(&["job", "status", KEY], 9, "");
    // Five tries, a second between each and the next.
    assert!(
        begun.elapsed() >= Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    assert!(stderr.contains("ZooKeeper"), "{stderr}");
}

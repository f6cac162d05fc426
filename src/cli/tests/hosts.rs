//! `aurora_admin host_…` and `sla_…` against a scheduler that speaks real Thrift over HTTP. Expected texts were written by hand from upstream's
//! program.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Server, ok};
use support::*;

type Answer = aurora_api::model::Result;

/// A scheduler with hosts h1 to h3. Production job `big` has 20 tasks on h1 and h2 that have been up for a day; a drained host
/// is DRAINED at the second look. h2 holds so many of them that it cannot go down.
fn hosts() -> Server {
    let modes: Mutex<Vec<(String, MaintenanceMode)>> = Mutex::new(
        ["h1", "h2", "h3"]
            .map(|host| (host.to_owned(), MaintenanceMode::None))
            .to_vec(),
    );
    Server::scheduler(move |call| {
        let mut modes = modes.lock().unwrap();
        let mut set = |hosts: &Option<Hosts>, change: fn(MaintenanceMode) -> MaintenanceMode| {
            let named = hosts.clone().unwrap().host_names;
            let mut statuses = BTreeSet::new();
            for (host, mode) in modes.iter_mut().filter(|(host, _)| named.contains(host)) {
                let before = *mode;
                *mode = change(before);
                // The answer to a question is how it was.
                let mode = Some(if before == MaintenanceMode::Draining {
                    before
                } else {
                    *mode
                });
                let host = host.clone();
                statuses.insert(HostStatus { host, mode });
            }
            statuses
        };
        ok(match call {
            Call::StartMaintenance(arguments) => {
                let statuses = set(&arguments.hosts, |_| MaintenanceMode::Scheduled);
                Answer::StartMaintenanceResult(StartMaintenanceResult { statuses })
            }
            Call::DrainHosts(arguments) => {
                let statuses = set(&arguments.hosts, |_| MaintenanceMode::Draining);
                Answer::DrainHostsResult(DrainHostsResult { statuses })
            }
            Call::SlaDrainHosts(arguments) => {
                let statuses = set(&arguments.hosts, |_| MaintenanceMode::Draining);
                Answer::DrainHostsResult(DrainHostsResult { statuses })
            }
            Call::EndMaintenance(arguments) => {
                let statuses = set(&arguments.hosts, |_| MaintenanceMode::None);
                Answer::EndMaintenanceResult(EndMaintenanceResult { statuses })
            }
            Call::MaintenanceStatus(arguments) => {
                let statuses = set(&arguments.hosts, |mode| match mode {
                    MaintenanceMode::Draining => MaintenanceMode::Drained,
                    mode => mode,
                });
                Answer::MaintenanceStatusResult(MaintenanceStatusResult { statuses })
            }
            Call::GetTasksWithoutConfigs(arguments) => {
                let query = arguments.query.clone().unwrap();
                return tasks(big_job(query.slave_hosts.as_ref()));
            }
            other => panic!("unexpected {}", other.method()),
        })
    })
}

fn big_job(hosts: Option<&BTreeSet<String>>) -> Vec<ScheduledTask> {
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis() as i64;
    let all = (0..20).map(|id| {
        let mut task = task(id, ScheduleStatus::Running);
        // One on h1, the rest on h2.
        let host = if id == 0 { "h1" } else { "h2" };
        task.assigned_task.slave_host = Some(host.to_owned());
        task.assigned_task.task.job.name = "big".into();
        task.assigned_task.task.production = Some(true);
        task.task_events = vec![TaskEvent {
            timestamp: now - 86_400_000,
            status: ScheduleStatus::Running,
            ..TaskEvent::default()
        }];
        task
    });
    let on_host = |task: &ScheduledTask| {
        let host = task.assigned_task.slave_host.as_ref().unwrap();
        hosts.is_none_or(|hosts| hosts.contains(host))
    };
    all.filter(on_host).collect()
}

#[test]
fn hosts_go_into_maintenance_and_come_out() {
    let server = hosts();
    let world = World::new(&server.url());
    let stderr = world.check_admin(&["host_deactivate", "--hosts=h1, h2,h9", "west"], 0, "");
    assert!(
        stderr.contains(" WARN] Skipping maintenance for unknown hosts: h9\n"),
        "{stderr}"
    );
    std::fs::write(world.path("hosts"), "h1\n\n h3 \n").unwrap();
    let stderr = world.check_admin(&["host_status", "--filename=hosts", "west"], 0, "");
    // The last line is what scripts look at.
    let expected = " INFO] h1 is in state: SCHEDULED\n INFO] h3 is in state: NONE\n";
    assert!(stderr.ends_with(expected), "{stderr}");
    let stderr = world.check_admin(&["host_activate", "--hosts=h1", "west"], 0, "");
    assert!(!stderr.contains("DRAINED"), "{stderr}");
    let stderr = world.check_admin(&["host_status", "--hosts=h1", "west"], 0, "");
    assert!(
        stderr.ends_with(" INFO] h1 is in state: NONE\n"),
        "{stderr}"
    );
}

#[test]
fn host_drain_skips_what_is_unsafe() {
    let server = hosts();
    let script = "echo \"$(basename \"$0\") $1\" >> drained";
    let world = World::new(&server.url()).with_program("after", script);
    std::os::unix::fs::symlink("after", world.path("bin/link")).unwrap();
    let command = [
        "host_drain",
        "--hosts=h1,h2,h3,h9",
        "--post_drain_script=bin/link",
        "--unsafe_hosts_file=left",
        "west",
    ];
    let stdout = "h2\twest/www/prod/big\t5.00\tFalse\tn/a\nh2\n";
    let stderr = world.check_admin(&command, 0, stdout);
    for expected in [
        "Skipping maintenance for unknown hosts: h9\n",
        "Beginning SLA check for h1\n",
        "All hosts passed SLA check.\n",
        "Some hosts did not pass SLA check and will not be drained! Skipping hosts: h2\n",
        "Written unsafe host names into: left\n",
    ] {
        assert!(stderr.contains(expected), "{stderr}");
    }
    let read = |name: &str| std::fs::read_to_string(world.path(name)).unwrap();
    assert_eq!(read("drained"), "link h1\nlink h3\n");
    assert_eq!(read("left"), "h2\n");
    let drained: Vec<_> = server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::DrainHosts(arguments) => Some(arguments.hosts.unwrap().host_names),
            _ => None,
        })
        .collect();
    let one = |host: &str| BTreeSet::from([host.to_owned()]);
    assert_eq!(drained, [one("h1"), one("h3")]);
}

#[test]
fn host_drain_in_one_group() {
    let server = hosts();
    let world = World::new(&server.url());
    // Together h1 and h2 take the whole job; h3 has nothing of it.
    let stdout = "h1\twest/www/prod/big\t0.00\tFalse\tn/a\nh2\twest/www/prod/big\t0.00\tFalse\tn/a\nh1\nh2\n";
    let command = ["host_drain", "--hosts=h1,h2,h3", "--grouping=none", "west"];
    world.check_admin(&command, 0, stdout);
    let stderr = world.check_admin(
        &["host_drain", "--hosts=h1", "--grouping=by_rack", "west"],
        1,
        "",
    );
    assert!(
        stderr.contains("Unknown grouping function by_rack. Must be one of: by_host, none"),
        "{stderr}"
    );
}

#[test]
fn host_drain_with_other_limits() {
    let server = hosts();
    let world = World::new(&server.url());
    let command = [
        "host_drain",
        "--hosts=h2",
        "--override_percentage=5",
        "--override_duration=10m",
        "--override_reason=ticket 7",
        "west",
    ];
    let stderr = world.check_admin(&command, 0, "");
    let expected = "New percentage: 5.0, duration: 10 mins, override reason: ticket 7\n";
    assert!(stderr.contains(expected), "{stderr}");
    let stderr = world.check_admin(&command[..5], 1, "");
    assert!(
        stderr.contains("usage: aurora_admin host_drain"),
        "{stderr}"
    );
    let some = [
        "host_drain",
        "--hosts=h2",
        "--override_percentage=5",
        "west",
    ];
    let stderr = world.check_admin(&some, 1, "");
    assert!(
        stderr.starts_with("FATAL] All --override_* options are required"),
        "{stderr}"
    );
    let script = [
        "host_drain",
        "--hosts=h2",
        "--post_drain_script=none",
        "west",
    ];
    let stderr = world.check_admin(&script, 1, "");
    assert_eq!(stderr, "FATAL] No such file: none\n");
}

#[test]
fn hosts_have_to_be_named() {
    let server = hosts();
    let world = World::new(&server.url());
    std::fs::write(world.path("empty"), "\n \n").unwrap();
    let limit = ["west", "95", "1h"];
    for (command, arguments, expected) in [
        (
            "host_status",
            &["west"][..],
            "Please specify either --filename or --hosts",
        ),
        (
            "host_status",
            &["west", "--hosts=h1", "--filename=empty"],
            "Please specify either --filename or --hosts",
        ),
        (
            "host_status",
            &["west", "--hosts=,"],
            "No valid hosts found in --hosts.",
        ),
        (
            "host_status",
            &["west", "--filename=empty"],
            "No valid hosts found in empty.",
        ),
        (
            "host_status",
            &["west", "--filename=none"],
            "Cannot read none: No such file or directory (os error 2)",
        ),
        // Of nothing to look at there is nothing to say.
        (
            "sla_list_safe_domain",
            &[&limit[..], &["--include_file=empty"]].concat(),
            "No valid hosts found in empty.",
        ),
    ] {
        let stderr = world.check_admin(&[&[command], arguments].concat(), 1, "");
        assert_eq!(stderr, format!("FATAL] {expected}\n"));
    }
    assert!(server.calls().is_empty());
}

#[test]
fn sla_host_drain() {
    let server = hosts();
    let world = World::new(&server.url());
    world.check_admin(&["sla_host_drain", "--hosts=h1", "west"], 0, "");
    let command = [
        "sla_host_drain",
        "--hosts=h1,h2",
        "--default_percentage=50.5",
        "--default_duration=1h",
        "--force_drain_timeout=0s",
        "--wait",
        "west",
    ];
    world.check_admin(&command, 0, "");
    let asked: Vec<_> = server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::SlaDrainHosts(arguments) => Some((
                arguments.hosts.unwrap().host_names.len(),
                arguments.default_sla_policy.unwrap(),
                arguments.timeout_secs,
            )),
            _ => None,
        })
        .collect();
    let policy = |percentage: f64, duration_secs| {
        SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: percentage.into(),
            duration_secs,
        })
    };
    let expected = [(1, policy(95.0, 1800), 604_800), (2, policy(50.5, 3600), 0)];
    assert_eq!(asked, expected);
    // Without --wait nobody asks; with it, until the second answer.
    let questions = server
        .methods()
        .iter()
        .filter(|method| **method == "maintenanceStatus")
        .count();
    assert_eq!(questions, 2);
    let stderr = world.check_admin(
        &[
            "sla_host_drain",
            "--hosts=h1",
            "--default_percentage=0",
            "west",
        ],
        1,
        "",
    );
    assert_eq!(
        stderr,
        "FATAL] Invalid percentage 0. Must be within (0, 100].\n"
    );
}

#[test]
fn sla_probe_hosts() {
    let server = hosts();
    let world = World::new(&server.url());
    let expected =
        "h1\twest/www/prod/big\t95.00\tTrue\t0\nh2\twest/www/prod/big\t5.00\tFalse\tn/a\n";
    world.check_admin(
        &["sla_probe_hosts", "--hosts=h1,h2,h3", "west", "95", "1h"],
        0,
        expected,
    );
    // Too small a job does not count; too young a one becomes safe in time.
    let small = [
        "sla_probe_hosts",
        "--hosts=h1",
        "--min_job_instance_count=21",
        "west",
        "95",
        "1h",
    ];
    world.check_admin(&small, 0, "");
    let output = world
        .command(
            env!("CARGO_BIN_EXE_aurora_admin"),
            &["sla_probe_hosts", "--hosts=h1", "west", "95", "2d"],
        )
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let start = "h1\twest/www/prod/big\t0.00\tFalse\t";
    let seconds: f64 = stdout.strip_prefix(start).unwrap().trim().parse().unwrap();
    assert!((86_370.0..=86_400.0).contains(&seconds), "{stdout}");
    world.check_admin(&["sla_probe_hosts", "--hosts=h1", "west", "95", "5"], 1, "");
}

#[test]
fn sla_list_safe_domain() {
    let server = hosts();
    let world = World::new(&server.url());
    world.check_admin(&["sla_list_safe_domain", "west", "95", "1h"], 0, "h1\n");
    let listed = "h1\twest/www/prod/big\t95.00\t3600\n";
    world.check_admin(
        &["sla_list_safe_domain", "-l", "west", "95", "1h"],
        0,
        listed,
    );
    world.check_admin(&["sla_list_safe_domain", "west", "96", "1h"], 0, "");
    world.check_admin(
        &["sla_list_safe_domain", "-xh1,h7", "west", "95", "1h"],
        0,
        "",
    );
    world.check_admin(
        &[
            "sla_list_safe_domain",
            "--include_hosts=h2",
            "west",
            "5",
            "1h",
        ],
        0,
        "h2\n",
    );
    std::fs::write(
        world.path("jobs"),
        "\nwest/www/prod/big 5 2h\neast/www/prod/big 100 2h\n",
    )
    .unwrap();
    let command = [
        "sla_list_safe_domain",
        "-o",
        "jobs",
        "-l",
        "west",
        "95",
        "1h",
    ];
    let listed = "h1\twest/www/prod/big\t95.00\t7200\nh2\twest/www/prod/big\t5.00\t7200\n";
    world.check_admin(&command, 0, listed);
    for (line, why) in [
        (
            "west/www/prod/big 5",
            "expected cluster/role/env/job percentage duration",
        ),
        (
            "west/www/prod/big 0 5m",
            "Invalid percentage 0. Must be within (0, 100].",
        ),
        (
            "west/www/prod/big 5 5",
            "Invalid time `5': expected XdYhZmWs, such as 1d3h45m",
        ),
    ] {
        std::fs::write(world.path("jobs"), format!("\n{line}\n")).unwrap();
        let stderr = world.check_admin(&command, 1, "");
        let expected = format!("FATAL] Invalid line in jobs:2: {line}: {why}\n");
        assert_eq!(stderr, expected);
    }
    let both = [
        "sla_list_safe_domain",
        "-xh1",
        "-Xhosts",
        "west",
        "95",
        "1h",
    ];
    let stderr = world.check_admin(&both, 1, "");
    assert_eq!(
        stderr,
        "FATAL] Cannot specify both filename and list for the same option.\n"
    );
}

//! Whatever is killed, at whatever moment: the cluster comes back, nothing is lost, nothing is left over.
//!
//! The moments and victims come from a seed; `AURORA_CRASH_SEED=n` repeats one, `AURORA_CRASH_SEEDS=n` sets how many are run.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aurora_tests::cluster::{Cluster, role};
use aurora_tests::process::{self, Process};
use aurora_tests::wait;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

const INSTANCES: usize = 2;

/// Who is killed in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Scheduler,
    Agent,
    Master,
    Observer,
    Executor,
    UserProcess,
    Supervisor,
    Everything,
}

const VICTIMS: [Victim; 8] = [
    Victim::Scheduler,
    Victim::Agent,
    Victim::Master,
    Victim::Observer,
    Victim::Executor,
    Victim::UserProcess,
    Victim::Supervisor,
    Victim::Everything,
];

fn is_named(process: &Process, word: &str) -> bool {
    let program = process.command.split(' ').next().unwrap_or("");
    program.rsplit('/').next() == Some(word)
}

/// An executor; those who watch a process for it are its children and the same program.
fn executor(cluster: &Cluster) -> Option<i32> {
    let all = cluster.processes();
    let all: Vec<&Process> = all
        .iter()
        .filter(|process| is_named(process, "aurora-executor"))
        .collect();
    let is_watcher = |one: &Process| all.iter().any(|other| other.pid == one.parent);
    let executor = all.iter().find(|process| !is_watcher(process));
    executor.map(|process| process.pid)
}

fn pids(cluster: &Cluster, victim: Victim) -> Vec<i32> {
    let named = |word: &str| -> Vec<i32> {
        cluster
            .processes()
            .into_iter()
            .filter(|process| is_named(process, word))
            .map(|process| process.pid)
            .collect()
    };
    match victim {
        Victim::Scheduler => named("aurora-scheduler"),
        Victim::Agent => named("aurora-mesos-agent"),
        Victim::Master => named("aurora-mesos-master"),
        Victim::Observer => named("aurora-observer"),
        Victim::Executor => executor(cluster).into_iter().collect(),
        Victim::UserProcess => named("sleep").into_iter().take(1).collect(),
        Victim::Supervisor => vec![cluster.pid()],
        Victim::Everything => cluster
            .processes()
            .into_iter()
            .map(|process| process.pid)
            .collect(),
    }
}

fn job_file(role: &str) -> String {
    format!(
        "main = Process(name = 'main', cmdline = 'exec sleep 100000', min_duration = 0, max_failures = 0)\n\
         task = Task(name = 'main', processes = [main], resources = Resources(cpu = 0.1, ram = 16*MB, disk = 16*MB),\n\
         \x20           finalization_wait = 1)\n\
         jobs = [Service(cluster = 'devcluster', role = '{role}', environment = 'devel', name = 'steady', task = task,\n\
         \x20               instances = {INSTANCES})]\n"
    )
}

/// The user's processes that run, and the tasks that the scheduler shows: one process per RUNNING task and no other.
fn settled(cluster: &Cluster, job: &str) -> Result<BTreeMap<i64, String>, String> {
    let output = cluster.aurora(&["job", "status", "--write-json", job]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text).map_err(|error| {
        format!(
            "{error}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    let active = answer[0]["active"].as_array().cloned().unwrap_or_default();
    let running: BTreeMap<i64, String> = active
        .iter()
        .filter(|task| task["status"] == "RUNNING")
        .map(|task| {
            let assigned = &task["assignedTask"];
            (
                assigned["instanceId"].as_i64().unwrap(),
                assigned["taskId"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let sleepers: Vec<String> = cluster
        .processes()
        .into_iter()
        .filter(|process| process.command == "sleep 100000")
        .map(|process| process.pid.to_string())
        .collect();
    if running.len() == INSTANCES && active.len() == INSTANCES && sleepers.len() == INSTANCES {
        Ok(running)
    } else {
        let states: Vec<&Value> = active.iter().map(|task| &task["status"]).collect();
        Err(format!("states {states:?}, user processes {sleepers:?}"))
    }
}

/// The tasks that the observer shows as active.
fn observed(cluster: &Cluster) -> Result<BTreeSet<String>, String> {
    let list = cluster.get("observer", "/j/task_ids/active/0/100")?;
    let tasks = list["tasks"].as_array().into_iter().flatten();
    Ok(tasks
        .filter_map(|task| Some(task["task_id"].as_str()?.to_owned()))
        .collect())
}

/// One round: settle, kill somebody at a moment of the seed's choice, and see what must follow.
fn round(seed: u64, cluster: &mut Cluster, job: &str, random: &mut StdRng) {
    let wait_settled = |cluster: &Cluster, what: &str| {
        wait::until_within(
            &format!("seed {seed}: {what}"),
            Duration::from_secs(120),
            || settled(cluster, job).map_err(|last| format!("{last}\n{}", cluster.log())),
        )
    };
    let before = wait_settled(cluster, "all instances to run");
    let victim = VICTIMS[random.random_range(0..VICTIMS.len())];
    // The moment is measured in looks at the cluster, which keeps it busy meanwhile.
    let moment = Instant::now() + Duration::from_millis(random.random_range(0..300));
    while Instant::now() < moment {
        drop(cluster.aurora(&["job", "status", job]));
    }
    for pid in pids(cluster, victim) {
        process::signal(pid, Signal::SIGKILL);
    }
    match victim {
        Victim::Supervisor => {
            cluster.wait_for_end();
            // Its daemons end because their lifelines do; what runs for the user goes on.
            wait::until(&format!("seed {seed}: the daemons to end"), || {
                let daemons = [
                    Victim::Scheduler,
                    Victim::Agent,
                    Victim::Master,
                    Victim::Observer,
                ];
                let left = daemons
                    .iter()
                    .flat_map(|daemon| pids(cluster, *daemon))
                    .collect::<Vec<_>>();
                if left.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{left:?}"))
                }
            });
            cluster.restart();
        }
        Victim::Everything => {
            process::end_all(cluster.directory());
            cluster.wait_for_end();
            cluster.restart();
        }
        _ => {}
    }
    let what = format!("all instances to run after the end of {victim:?}");
    let after = match victim {
        // Its task is RUNNING until the scheduler hears of it.
        Victim::Executor => wait::until_within(
            &format!("seed {seed}: {what}"),
            Duration::from_secs(120),
            || match settled(cluster, job)? {
                after if after == before => Err(format!("{before:?} as before")),
                after => Ok(after),
            },
        ),
        _ => wait_settled(cluster, &what),
    };
    let running: BTreeSet<String> = after.values().cloned().collect();
    wait::until(
        &format!("seed {seed}: the observer to show what runs after the end of {victim:?}"),
        // What an executor could not put an end to on record is shown as well, until its sandbox is removed.
        || match observed(cluster) {
            Ok(shown) if shown.is_superset(&running) => Ok(()),
            shown => Err(format!("{shown:?} and not {running:?}")),
        },
    );
    match victim {
        // Tasks do not notice the end of those who watch them.
        Victim::Scheduler
        | Victim::Master
        | Victim::Observer
        | Victim::Agent
        | Victim::Supervisor => {
            assert_eq!(
                before,
                after,
                "seed {seed}: tasks were replaced after the end of {victim:?}\n{}",
                cluster.log()
            );
        }
        // One instance was lost at most, and has a new task.
        Victim::Executor => {
            let kept = before
                .values()
                .filter(|id| after.values().any(|new| new == *id))
                .count();
            assert_eq!(kept, INSTANCES - 1, "seed {seed}: {before:?} {after:?}");
        }
        // The process is started again inside its task.
        Victim::UserProcess => assert_eq!(before, after, "seed {seed}"),
        Victim::Everything => {
            assert!(
                before
                    .values()
                    .all(|id| !after.values().any(|new| new == id)),
                "seed {seed}: {before:?} {after:?}"
            );
        }
    }
}

#[test]
fn whatever_is_killed_the_job_goes_on() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds: Vec<u64> = match number("AURORA_CRASH_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("AURORA_CRASH_SEEDS").unwrap_or(20)).collect(),
    };
    let role = role();
    let job = format!("devcluster/{role}/devel/steady");
    // Tasks that are killed again and again would be held back for longer and longer.
    let mut cluster = Cluster::start_with(&["--scheduler-flag=-flapping_task_threshold=0secs"]);
    let file = cluster.job_file("steady.aurora", &job_file(&role));
    cluster.aurora_ok(&["job", "create", &job, &file]);
    for seed in seeds {
        round(seed, &mut cluster, &job, &mut StdRng::seed_from_u64(seed));
    }
    cluster.aurora_ok(&["job", "killall", "--no-batching", &job]);
    assert!(cluster.stop().success());
    assert_eq!(cluster.processes(), []);
}

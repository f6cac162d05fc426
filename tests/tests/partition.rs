//! An agent that nobody hears for a time: what becomes of its tasks is what their jobs say.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Stdio;

use aurora_tests::cluster::{role, scratch};
use aurora_tests::daemon::Daemon;
use aurora_tests::{process, programs, wait};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Jobs with each kind of policy (aurora: `src/test/sh/org/apache/aurora/e2e/partition_aware.aurora`).
const POLICIES: [(&str, &str); 3] = [
    ("moves", ""),
    (
        "stays",
        ", partition_policy = PartitionPolicy(reschedule = False)",
    ),
    (
        "waits",
        ", partition_policy = PartitionPolicy(delay_secs = 86400)",
    ),
];

/// A master that misses an agent after two seconds, one agent, and a scheduler.
struct Fleet {
    // In this order they end.
    scheduler: Daemon,
    agent: Daemon,
    _master: Daemon,
    directory: TempDir,
}

impl Fleet {
    fn start() -> Fleet {
        let directory = scratch();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (masters, agents, state) = (path("master"), path("agent"), path("scheduler"));
        let master = [
            "--ip=127.0.0.1",
            "--port=0",
            "--work-dir",
            &masters,
            "--agent-ping-timeout=1secs",
            "--max-agent-ping-timeouts=2",
        ];
        let master = Daemon::start("aurora-mesos-master", &master, directory.path());
        let agent = [
            "--work-dir",
            &agents,
            "--master",
            master.address(),
            "--resources=cpus:4;mem:2048;disk:4096;ports:[31000-32000]",
        ];
        let agent = Daemon::agent(&agent, directory.path());
        let executor = programs::program("aurora-executor").display().to_string();
        let scheduler = [
            "--ip=127.0.0.1",
            "--port=0",
            "--cluster-name=torn",
            "--partition-aware=true",
            "--executor-overhead=lean",
            "--mesos-master",
            master.address(),
            "--state-dir",
            &state,
            "--thermos-executor-path",
            &executor,
        ];
        let scheduler = Daemon::start("aurora-scheduler", &scheduler, directory.path());
        let uri = format!("http://{}", scheduler.address());
        let clusters = json!([{ "name": "torn", "scheduler_uri": uri }]);
        fs::write(directory.path().join("clusters.json"), clusters.to_string()).unwrap();
        Fleet {
            scheduler,
            agent,
            _master: master,
            directory,
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = programs::command(program)
            .args(arguments)
            .env("AURORA_CONFIG_ROOT", self.directory.path())
            .env("HOME", self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The states of the active tasks of all three jobs, which have one instance each.
    fn states(&self, role: &str) -> Vec<String> {
        let state = |(name, _): &(&str, &str)| {
            let job = format!("torn/{role}/test/{name}");
            let text = self.run("aurora", &["job", "status", "--write-json", &job]);
            let jobs: Value = serde_json::from_str(&text).unwrap();
            let states = jobs[0]["active"].as_array().unwrap().iter();
            let states = states.map(|task| task["status"].as_str().unwrap());
            states.collect::<Vec<_>>().join(" ")
        };
        POLICIES.iter().map(state).collect()
    }

    fn wait_for(&self, role: &str, wanted: [&str; 3]) {
        wait::until(&format!("the tasks to be {wanted:?}"), || {
            let states = self.states(role);
            let ends = || format!("{states:?}\n{}", self.scheduler.log());
            (states == wanted).then_some(()).ok_or_else(ends)
        });
    }
}

#[test]
fn tasks_of_an_agent_that_is_cut_off_do_as_their_jobs_say() {
    let (fleet, role) = (Fleet::start(), role());
    let jobs: Vec<String> = POLICIES
        .iter()
        .map(|(name, policy)| {
            format!(
                "Service(cluster = 'torn', environment = 'test', role = '{role}', name = '{name}', task = task{policy})"
            )
        })
        .collect();
    let text = format!(
        "main = Process(name = 'main', cmdline = 'exec sleep 1000')\n\
         task = Task(processes = [main], resources = Resources(cpu = 0.05, ram = 16*MB, disk = 16*MB), finalization_wait = 1)\n\
         jobs = [{}]\n",
        jobs.join(",\n")
    );
    let file = fleet.directory.path().join("jobs.aurora");
    fs::write(&file, text).unwrap();
    for (name, _) in POLICIES {
        let job = format!("torn/{role}/test/{name}");
        fleet.run(
            "aurora",
            &["job", "create", &job, &file.display().to_string()],
        );
    }
    fleet.wait_for(&role, ["RUNNING"; 3]);

    process::signal(fleet.agent.pid(), Signal::SIGSTOP);
    fleet.wait_for(&role, ["PENDING", "PARTITIONED", "PARTITIONED"]);

    process::signal(fleet.agent.pid(), Signal::SIGCONT);
    wait::until("the agent's tasks to be heard of again", || {
        // What an agent that comes back runs is told to who asks (aurora: test_partition_awareness).
        fleet.run("aurora_admin", &["reconcile_tasks", "torn"]);
        let states = fleet.states(&role);
        let all = states == ["RUNNING"; 3];
        all.then_some(()).ok_or_else(|| format!("{states:?}"))
    });
    for (name, _) in POLICIES {
        let job = format!("torn/{role}/test/{name}");
        fleet.run("aurora", &["job", "killall", &job]);
    }
}

//! Job updates by the programs that a user runs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aurora_tests::cluster::{Cluster, role};
use aurora_tests::{process, wait};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A service whose version is in its command line.
fn service(role: &str, command: &str, instances: u32, watch_secs: u32) -> String {
    format!(
        "main = Process(name = 'main', cmdline = '{command}')\n\
         task = Task(name = 'main', processes = [main], resources = Resources(cpu = 0.05, ram = 16*MB, disk = 16*MB),\n\
         \x20           finalization_wait = 1)\n\
         jobs = [Service(cluster = 'devcluster', role = '{role}', environment = 'devel', name = 'web', task = task,\n\
         \x20               instances = {instances}, update_config = UpdateConfig(batch_size = 1, watch_secs = {watch_secs}))]\n"
    )
}

struct Stage {
    cluster: Cluster,
    role: String,
    job: String,
}

impl Stage {
    fn new() -> Stage {
        let role = role();
        let job = format!("devcluster/{role}/devel/web");
        Stage {
            cluster: Cluster::start(),
            role,
            job,
        }
    }

    fn file(&self, command: &str, instances: u32, watch_secs: u32) -> String {
        let command = command.replace("sleep 100", "exec sleep 100");
        let text = service(&self.role, &command, instances, watch_secs);
        self.cluster.job_file("web.aurora", &text)
    }

    /// Starts an update and waits for its end; the exit code.
    fn update(&self, command: &str, instances: u32, watch_secs: u32) -> Option<i32> {
        let file = self.file(command, instances, watch_secs);
        let output = self
            .cluster
            .aurora(&["update", "start", "--wait", &self.job, &file]);
        output.status.code()
    }

    /// The statuses of the job's updates, newest first.
    fn statuses(&self) -> Vec<String> {
        let text = self
            .cluster
            .aurora_ok(&["update", "list", "--write-json", &self.job]);
        let updates: Value = serde_json::from_str(&text).unwrap();
        let statuses = updates.as_array().unwrap().iter();
        statuses
            .map(|update| update["status"].as_str().unwrap().to_owned())
            .collect()
    }

    fn wait_for(&self, wanted: &str) {
        wait::until(&format!("the update to be {wanted}"), || {
            let statuses = self.statuses();
            match statuses.first() {
                Some(status) if status == wanted => Ok(()),
                _ => Err(format!("{statuses:?}\n{}", self.cluster.log())),
            }
        });
    }

    fn scheduler(&self) -> Option<i32> {
        let all = self.cluster.processes();
        let mut all = all.iter();
        let scheduler = all.find(|process| process.command.contains("/aurora-scheduler "));
        scheduler.map(|process| process.pid)
    }

    /// `aurora update info` has the statuses in their order, and an end for each instance.
    fn tells_its_story(&self) {
        let text = self
            .cluster
            .aurora_ok(&["update", "list", "--write-json", &self.job]);
        let updates: Value = serde_json::from_str(&text).unwrap();
        let id = updates[0]["id"].as_str().unwrap();
        let info = self.cluster.aurora_ok(&["update", "info", &self.job, id]);
        let statuses = [
            "ROLLING_FORWARD",
            "ROLL_FORWARD_PAUSED",
            "ROLLING_FORWARD",
            "ROLLED_FORWARD",
        ];
        let (_, mut rest) = info.split_once("Update events:").expect("events are told");
        for status in statuses {
            let place = rest.find(status);
            rest = &rest[place.unwrap_or_else(|| panic!("no {status} in {rest}")) + status.len()..];
        }
        let ends = info.matches("INSTANCE_UPDATED").count();
        assert_eq!(ends, 3, "{info}");
        assert!(info.contains("Current status: ROLLED_FORWARD"), "{info}");
    }

    /// What the tasks' processes are.
    fn commands(&self) -> Vec<String> {
        let all = self.cluster.processes().into_iter();
        let mut commands: Vec<String> = all
            .map(|process| process.command)
            .filter(|command| command.starts_with("sleep 100"))
            .collect();
        commands.sort();
        commands
    }

    /// Waits until the tasks' processes are these; one that was just told to end may take a moment.
    fn wait_for_commands(&self, wanted: &[&str]) {
        wait::until(&format!("the processes to be {wanted:?}"), || {
            let commands = self.commands();
            if commands == wanted {
                Ok(())
            } else {
                Err(format!("{commands:?}"))
            }
        });
    }
}

const V1: &str = "sleep 1001";
const V2: &str = "sleep 1002";

/// The shapes of upstream's end-to-end script: instances come, change and go.
#[test]
fn updates_add_change_and_remove() {
    let mut stage = Stage::new();
    assert_eq!(stage.update(V1, 2, 1), Some(0), "made by an update");
    stage.wait_for_commands(&[V1, V1]);
    assert_eq!(stage.update(V1, 3, 1), Some(0), "only more");
    stage.wait_for_commands(&[V1, V1, V1]);
    assert_eq!(stage.update(V2, 3, 1), Some(0), "all of them");
    stage.wait_for_commands(&[V2, V2, V2]);
    assert_eq!(stage.update(V2, 1, 1), Some(0), "only fewer");
    stage.wait_for_commands(&[V2]);
    assert_eq!(stage.statuses(), ["ROLLED_FORWARD"; 4]);
    let again = stage.file(V2, 1, 1);
    let same = stage
        .cluster
        .aurora(&["update", "start", &stage.job, &again]);
    let text =
        String::from_utf8_lossy(&same.stderr).into_owned() + &String::from_utf8_lossy(&same.stdout);
    assert!(
        text.contains("Job is unchanged by proposed update."),
        "{text}"
    );
    assert!(stage.cluster.stop().success());
}

/// aurora: `EXIT_COMMAND_FAILURE`, 4, for an update that did not end as it should.
#[test]
fn a_version_that_fails_is_rolled_back() {
    let mut stage = Stage::new();
    assert_eq!(stage.update(V1, 2, 1), Some(0));
    assert_eq!(stage.update("sleep 0.2; exit 3", 2, 10), Some(4));
    assert_eq!(stage.statuses(), ["ROLLED_BACK", "ROLLED_FORWARD"]);
    stage.wait_for_commands(&[V1, V1]);
    assert!(stage.cluster.stop().success());
}

/// Nothing is watched but what the health check says, as in upstream's script. (aurora:
/// `src/test/sh/org/apache/aurora/e2e/http/http_example_bad_healthcheck.aurora`)
#[test]
fn a_version_whose_health_check_fails_is_rolled_back() {
    let mut stage = Stage::new();
    let with_check = |command: &str, check: &str| {
        let health = format!(
            "health_check_config = HealthCheckConfig(health_checker = HealthCheckerConfig(\
             shell = ShellHealthChecker(shell_command = '{check}')), initial_interval_secs = 2, interval_secs = 0.2),\n"
        );
        let text = service(&stage.role, command, 2, 0);
        let text = text.replace("jobs = [Service(", &format!("jobs = [Service({health}"));
        let file = stage.cluster.job_file("checked.aurora", &text);
        let update = ["update", "start", "--wait", &stage.job, &file];
        stage.cluster.aurora(&update).status.code()
    };
    assert_eq!(with_check("exec sleep 1001", "true"), Some(0));
    assert_eq!(with_check("exec sleep 1002", "exit 3"), Some(4));
    assert_eq!(stage.statuses(), ["ROLLED_BACK", "ROLLED_FORWARD"]);
    stage.wait_for_commands(&[V1, V1]);
    let tasks = stage
        .cluster
        .aurora_ok(&["job", "status", "--write-json", &stage.job]);
    assert!(tasks.contains("Failed health check!"), "{tasks}");
    assert!(stage.cluster.stop().success());
}

#[test]
fn a_paused_update_outlives_its_scheduler_and_goes_on() {
    let mut stage = Stage::new();
    assert_eq!(stage.update(V1, 3, 1), Some(0));
    // Long enough to be caught in the middle.
    let file = stage.file(V2, 3, 6);
    stage
        .cluster
        .aurora_ok(&["update", "start", &stage.job, &file]);
    stage.wait_for_commands(&[V1, V1, V2]);
    stage.cluster.aurora_ok(&["update", "pause", &stage.job]);
    stage.wait_for("ROLL_FORWARD_PAUSED");
    let first = stage.scheduler().expect("a scheduler runs");
    process::signal(first, Signal::SIGKILL);
    wait::until("another scheduler", || match stage.scheduler() {
        Some(pid) if pid != first => Ok(()),
        other => Err(format!("{other:?}\n{}", stage.cluster.log())),
    });
    stage.wait_for("ROLL_FORWARD_PAUSED");
    assert_eq!(stage.commands(), [V1, V1, V2], "it stands still");
    stage.cluster.aurora_ok(&["update", "resume", &stage.job]);
    stage.wait_for("ROLLED_FORWARD");
    stage.wait_for_commands(&[V2, V2, V2]);
    stage.tells_its_story();
    assert!(stage.cluster.stop().success());
}

//! Maintenance and cron jobs with the programs that operators run: a master, agents that can be emptied, a scheduler.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurora_tests::cluster::{role, scratch};
use aurora_tests::daemon::Daemon;
use aurora_tests::{http, process, programs, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A master and a scheduler, and agents as they are added. Promises count for jobs of two instances here, and draining hosts
/// are looked at every second.
struct Fleet {
    scheduler: Daemon,
    agents: Vec<Daemon>,
    master: Daemon,
    directory: TempDir,
    role: String,
}

impl Fleet {
    fn start() -> Fleet {
        let directory = scratch();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let loopback = ["--ip", "127.0.0.1", "--port", "0"];
        let master = Daemon::start(
            "aurora-mesos-master",
            &[&loopback[..], &["--work-dir", &path("master")]].concat(),
            directory.path(),
        );
        let executor = programs::program("aurora-executor").display().to_string();
        let flags = [
            "--cluster-name",
            "devcluster",
            "--mesos-master",
            master.address(),
            "--state-dir",
            &path("scheduler"),
            "--thermos-executor-path",
            &executor,
            "--min-required-instances-for-sla-check=2",
            "--host-maintenance-polling-interval=1secs",
            "--cron-start-initial-backoff=1secs",
            // What a launch leaves of an offer comes back sooner than after five seconds.
            "--offer-filter-duration=1secs",
        ];
        let scheduler = Daemon::start(
            "aurora-scheduler",
            &[&loopback[..], &flags[..]].concat(),
            directory.path(),
        );
        let clusters = json!([{
            "name": "devcluster",
            "scheduler_uri": format!("http://{}", scheduler.address()),
            "auth_mechanism": "UNAUTHENTICATED",
            "slave_root": path("agents"),
            "slave_run_directory": "latest",
        }]);
        std::fs::write(directory.path().join("clusters.json"), clusters.to_string()).unwrap();
        Fleet {
            scheduler,
            agents: Vec::new(),
            master,
            role: role(),
            directory,
        }
    }

    /// Adds an agent with the host name `name` and room for ten tasks of the tests.
    fn add_agent(&mut self, name: &str) {
        let work = self.directory.path().join(name).display().to_string();
        let (host, master) = (format!("host:{name}"), self.master.address().to_owned());
        let flags = [
            "--master",
            &master,
            "--work-dir",
            &work,
            "--hostname",
            name,
            "--attributes",
            &host,
            "--resources",
            "cpus:20;mem:8192;disk:8192;ports:[31000-31100]",
        ];
        let agent = Daemon::agent(&flags, self.directory.path());
        self.agents.push(agent);
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command: Command = programs::command(program);
        command
            .env("AURORA_CONFIG_ROOT", self.directory.path())
            .env("HOME", self.directory.path())
            .env("TZ", "UTC")
            .args(arguments)
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    fn ok(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}\n{text}{error}\n{}",
            output.status,
            self.scheduler.log()
        );
        text
    }

    /// Writes a job file; `rest` holds the job's other fields.
    fn job_file(&self, kind: &str, name: &str, rest: &str) -> (String, String) {
        let text = format!(
            "main = Process(name = 'main', cmdline = 'exec sleep 1000')\n\
             task = Task(name = 'main', processes = [main], finalization_wait = 1,\n\
             \x20           resources = Resources(cpu = 0.1, ram = 16*MB, disk = 16*MB))\n\
             jobs = [{kind}(cluster = 'devcluster', role = '{}', environment = 'devel', name = '{name}', task = task,\n\
             \x20               tier = 'preferred', {rest})]\n",
            self.role
        );
        let path = self.directory.path().join(format!("{name}.aurora"));
        std::fs::write(&path, text).unwrap();
        let job = format!("devcluster/{}/devel/{name}", self.role);
        (job, path.display().to_string())
    }

    /// Every active task of a job, as `INSTANCE STATUS HOST`.
    fn active(&self, job: &str) -> Vec<String> {
        let text = self.ok("aurora", &["job", "status", "--write-json", job]);
        let answer: Value = serde_json::from_str(&text).unwrap();
        let tasks = answer[0]["active"].as_array().cloned().unwrap_or_default();
        let mut shown: Vec<String> = tasks
            .iter()
            .map(|task| {
                let assigned = &task["assignedTask"];
                format!(
                    "{} {} {}",
                    assigned["instanceId"],
                    task["status"].as_str().unwrap_or("?"),
                    assigned["slaveHost"].as_str().unwrap_or("-")
                )
            })
            .collect();
        shown.sort();
        shown
    }

    fn wait_for(&self, job: &str, wanted: &[&str]) {
        wait::until(&format!("{job} to be {wanted:?}"), || {
            let shown = self.active(job);
            match shown == wanted {
                true => Ok(()),
                false => Err(format!("{shown:?}\n{}", self.scheduler.log())),
            }
        });
    }

    fn ext(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.scheduler.address());
        let headers = ["content-type: application/json".to_owned()];
        let answer = http::request("POST", &url, &headers, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    fn mode(&self, host: &str) -> String {
        let url = format!("http://{}/maintenance", self.scheduler.address());
        let answer = http::get(&url, "").unwrap();
        let modes: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
        let listed = |mode: &str| {
            modes[mode]
                .as_array()
                .is_some_and(|hosts| hosts.iter().any(|name| name == host))
        };
        match () {
            () if modes["DRAINING"].get(host).is_some() => "DRAINING".to_owned(),
            () if listed("DRAINED") => "DRAINED".to_owned(),
            () if listed("SCHEDULED") => "SCHEDULED".to_owned(),
            () => format!("NONE of {}", answer.body),
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Executors outlive the scheduler and are ended with their agents.
        for agent in &mut self.agents {
            agent.stop();
        }
        process::end_all(self.directory.path());
    }
}

/// A coordinator that agrees to everything and remembers what it was asked.
struct Coordinator {
    url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    /// The most questions that were open at the same time.
    most: Arc<AtomicUsize>,
}

impl Coordinator {
    fn start() -> Coordinator {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/allow", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let coordinator = Coordinator {
            url,
            asked: Arc::clone(&asked),
            most: Arc::clone(&most),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, open, most) =
                    (Arc::clone(&asked), Arc::clone(&open), Arc::clone(&most));
                std::thread::spawn(move || {
                    // Connections that are kept open bring one question after the other.
                    let mut stream = stream;
                    while let Some(question) = read_question(&mut stream) {
                        most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        asked.lock().unwrap().push(question);
                        let body = r#"{"drain": true}"#;
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        open.fetch_sub(1, Ordering::SeqCst);
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        coordinator
    }
}

/// The request line and the body.
fn read_question(stream: &mut TcpStream) -> Option<(String, Value)> {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lengths = head.lines().filter_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length:")
                    .map(str::to_owned)
            });
            let length: usize = lengths.next_back()?.trim().parse().ok()?;
            if body.len() >= length {
                return Some((
                    head.lines().next()?.to_owned(),
                    serde_json::from_str(body).ok()?,
                ));
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}

/// How many of a job's instances run.
fn running(active: &[String]) -> usize {
    active
        .iter()
        .filter(|task| task.contains(" RUNNING "))
        .count()
}

#[test]
fn drains_keep_promises_of_all_three_kinds() {
    let mut fleet = Fleet::start();
    fleet.add_agent("agent-a");
    fleet.ok(
        "aurora_admin",
        &["set_quota", "devcluster", &fleet.role, "10", "10GB", "10GB"],
    );
    let coordinator = Coordinator::start();
    let jobs = [
        (
            "counted",
            3,
            "CountSlaPolicy(count = 2, duration_secs = 1)".to_owned(),
        ),
        (
            "share",
            3,
            "PercentageSlaPolicy(percentage = 60, duration_secs = 1)".to_owned(),
        ),
        (
            "asking",
            2,
            format!(
                "CoordinatorSlaPolicy(coordinator_url = '{}')",
                coordinator.url
            ),
        ),
    ];
    let mut names = Vec::new();
    for (name, instances, policy) in &jobs {
        let rest = format!("instances = {instances}, sla_policy = {policy}");
        let (job, file) = fleet.job_file("Service", name, &rest);
        fleet.ok("aurora", &["job", "create", &job, &file]);
        let there: Vec<String> = (0..*instances)
            .map(|instance| format!("{instance} RUNNING agent-a"))
            .collect();
        fleet.wait_for(&job, &there.iter().map(String::as_str).collect::<Vec<_>>());
        names.push((job, *instances));
    }

    // Nothing has moved when the plan says what will.
    let request = json!({"hosts": ["agent-a"], "timeout_secs": 3600});
    let plan = fleet.ext("/ext/v1/drain-plan", &request);
    assert_eq!(plan["hosts"][0]["tasks"], 8, "{plan}");
    let planned = |plan: &Value, name: &str| -> Value {
        let jobs = plan["jobs"].as_array().unwrap();
        jobs.iter()
            .find(|job| job["job"].as_str().unwrap().ends_with(name))
            .unwrap()
            .clone()
    };
    assert_eq!(
        planned(&plan, "counted")["fits"],
        0,
        "there is no other host: {plan}"
    );
    fleet.add_agent("agent-b");
    let plan = wait::until("room on the other agent", || {
        let plan = fleet.ext("/ext/v1/drain-plan", &request);
        match planned(&plan, "counted")["fits"] == 3 && planned(&plan, "counted")["at_once"] == 1 {
            true => Ok(plan),
            false => Err(plan.to_string()),
        }
    });
    assert_eq!(planned(&plan, "counted")["running_needed"], 2, "{plan}");
    assert_eq!(planned(&plan, "share")["lost"], json!([0, 1, 2]), "{plan}");
    assert_eq!(fleet.active(&names[0].0).len(), 3);

    fleet.ok(
        "aurora_admin",
        &["sla_host_drain", "--hosts=agent-a", "devcluster"],
    );
    let mut fewest = [usize::MAX; 2];
    wait::until_within("agent-a to be drained", Duration::from_secs(180), || {
        for (fewest, (job, _)) in fewest.iter_mut().zip(&names) {
            *fewest = (*fewest).min(running(&fleet.active(job)));
        }
        match fleet.mode("agent-a").as_str() {
            "DRAINED" => Ok(()),
            mode => Err(format!("{mode}\n{}", fleet.scheduler.log())),
        }
    });
    assert_eq!(fewest, [2, 2], "one went at a time, and one did go");
    for (job, instances) in &names {
        let there: Vec<String> = (0..*instances)
            .map(|instance| format!("{instance} RUNNING agent-b"))
            .collect();
        fleet.wait_for(job, &there.iter().map(String::as_str).collect::<Vec<_>>());
    }

    let asked = coordinator.asked.lock().unwrap().clone();
    assert_eq!(coordinator.most.load(Ordering::SeqCst), 1);
    assert_eq!(asked.len(), 2, "{asked:?}");
    for (line, body) in &asked {
        let task = body["task"].as_str().unwrap();
        assert!(
            task.starts_with(&format!("devcluster/{}/devel/asking/", fleet.role)),
            "{body}"
        );
        assert_eq!(
            *line,
            format!("POST /allow?task={} HTTP/1.1", task.replace('/', "%2F"))
        );
        assert_eq!(body["taskConfig"]["assignedTask"]["slaveHost"], "agent-a");
        let left: i64 = body["forceMaintenanceCountdownMs"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(left > 6 * 24 * 3600 * 1000, "{left}");
    }
    let vars = http::get(&format!("http://{}/vars", fleet.scheduler.address()), "")
        .unwrap()
        .body;
    assert!(vars.contains("sla_coordinator_success 2"), "{vars}");

    fleet.ok(
        "aurora_admin",
        &["host_activate", "--hosts=agent-a", "devcluster"],
    );
    assert!(
        fleet.mode("agent-a").starts_with("NONE"),
        "{}",
        fleet.mode("agent-a")
    );
}

#[test]
fn a_drain_empties_a_machine_and_mesos_can_ask_for_one() {
    let mut fleet = Fleet::start();
    fleet.add_agent("agent-a");
    fleet.ok(
        "aurora_admin",
        &["set_quota", "devcluster", &fleet.role, "10", "10GB", "10GB"],
    );
    let (job, file) = fleet.job_file("Service", "plain", "instances = 2");
    fleet.ok("aurora", &["job", "create", &job, &file]);
    fleet.wait_for(&job, &["0 RUNNING agent-a", "1 RUNNING agent-a"]);
    fleet.ok(
        "aurora_admin",
        &["host_deactivate", "--hosts=agent-a", "devcluster"],
    );
    assert_eq!(fleet.mode("agent-a"), "SCHEDULED");
    fleet.add_agent("agent-b");
    fleet.ok(
        "aurora_admin",
        &["host_drain", "--hosts=agent-a", "devcluster"],
    );
    assert_eq!(fleet.mode("agent-a"), "DRAINED");
    fleet.wait_for(&job, &["0 RUNNING agent-b", "1 RUNNING agent-b"]);
    fleet.ok(
        "aurora_admin",
        &["host_activate", "--hosts=agent-a", "devcluster"],
    );

    // Mesos wants the other machine back, now.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let schedule = json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [{
        "machine_ids": [{"hostname": "agent-b"}],
        "unavailability": {"start": {"nanoseconds": i64::try_from(now.as_nanos()).unwrap()}},
    }]}}});
    let url = format!("http://{}/api/v1", fleet.master.address());
    let headers = [
        "content-type: application/json".to_owned(),
        "accept: application/json".to_owned(),
    ];
    let answer = http::request("POST", &url, &headers, &schedule.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    fleet.wait_for(&job, &["0 RUNNING agent-a", "1 RUNNING agent-a"]);
}

#[test]
fn cron_jobs_fire_collide_and_end() {
    let mut fleet = Fleet::start();
    fleet.add_agent("agent-a");
    fleet.ok(
        "aurora_admin",
        &["set_quota", "devcluster", &fleet.role, "10", "10GB", "10GB"],
    );
    let rest = "cron_schedule = '* * * * *', cron_collision_policy = 'KILL_EXISTING'";
    let (every, file) = fleet.job_file("Job", "every-minute", rest);
    fleet.ok("aurora", &["cron", "schedule", &every, &file]);
    let rest = "cron_schedule = '0 0 1 1 *', cron_collision_policy = 'CANCEL_NEW'";
    let (yearly, file) = fleet.job_file("Job", "yearly", rest);
    fleet.ok("aurora", &["cron", "schedule", &yearly, &file]);

    let id = |job: &str| -> Option<String> {
        let text = fleet.ok("aurora", &["job", "status", "--write-json", job]);
        let answer: Value = serde_json::from_str(&text).unwrap();
        let task = &answer[0]["active"][0];
        let is_running = task["status"] == "RUNNING";
        task["assignedTask"]["taskId"]
            .as_str()
            .filter(|_| is_running)
            .map(str::to_owned)
    };
    let another = |job: &str, than: Option<&str>| -> String {
        wait::until_within(
            &format!("another run of {job}"),
            Duration::from_secs(100),
            || match id(job) {
                Some(id) if Some(id.as_str()) != than => Ok(id),
                other => Err(format!("{other:?}\n{}", fleet.scheduler.log())),
            },
        )
    };
    fleet.ok("aurora", &["cron", "start", &yearly]);
    let kept = another(&yearly, None);
    fleet.ok("aurora", &["cron", "start", &yearly]);
    // Its minute comes by itself; the next run, by hand, takes its place.
    let first = another(&every, None);
    fleet.ok("aurora", &["cron", "start", &every]);
    let second = another(&every, Some(&first));
    assert_eq!(id(&yearly), Some(kept), "the policy keeps the earlier run");

    fleet.ok("aurora", &["cron", "deschedule", &every]);
    let shown = fleet.run("aurora", &["cron", "start", &every]);
    assert!(!shown.status.success());
    assert_ne!(first, second);
    let vars = http::get(&format!("http://{}/vars", fleet.scheduler.address()), "")
        .unwrap()
        .body;
    assert!(
        vars.lines().any(|line| line == "cron_jobs_loaded 1"),
        "{vars}"
    );
}

//! A job from its file to its end, by the programs that a user runs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use aurora_tests::cluster::{Cluster, role};
use aurora_tests::{http, process, wait};
use serde_json::Value;

/// A service that says who it is and then sleeps.
fn service(role: &str, name: &str, instances: u32) -> String {
    format!(
        "main = Process(name = 'main', cmdline = 'echo instance {{{{mesos.instance}}}} is up; echo to stderr >&2; exec sleep 1000')\n\
         task = Task(name = 'main', processes = [main], resources = Resources(cpu = 0.1, ram = 16*MB, disk = 16*MB),\n\
         \x20           finalization_wait = 1)\n\
         jobs = [Service(cluster = 'devcluster', role = '{role}', environment = 'devel', name = '{name}', task = task,\n\
         \x20               instances = {instances})]\n"
    )
}

fn task_ids(tasks: &[Value]) -> Vec<String> {
    tasks
        .iter()
        .map(|task| task["assignedTask"]["taskId"].as_str().unwrap().to_owned())
        .collect()
}

/// Reads a log of a task's process until it holds a line.
fn wait_for_log(cluster: &Cluster, task: &str, file: &str, line: &str) {
    wait::until(&format!("`{line}` in {file} of {task}"), || {
        let chunk = cluster.get(
            "observer",
            &format!("/logdata/{task}/main/0/{file}?offset=0"),
        )?;
        match chunk["data"].as_str() {
            Some(data) if data.lines().any(|l| l == line) => Ok(()),
            _ => Err(chunk.to_string()),
        }
    });
}

#[test]
fn a_service_is_created_seen_and_killed() {
    let mut cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/hello");
    let file = cluster.job_file("hello.aurora", &service(&role, "hello", 2));

    let created = cluster.aurora_ok(&["job", "create", &job, &file]);
    assert!(
        created.contains("Job create succeeded: job url="),
        "{created}"
    );
    cluster.wait_for_states(&job, &["RUNNING", "RUNNING"]);
    let listed = cluster.aurora_ok(&["job", "list", &format!("devcluster/{role}/devel/*")]);
    assert_eq!(listed, format!("{job}\n"));

    let (active, _) = cluster.status(&job);
    for (instance, id) in task_ids(&active).iter().enumerate() {
        wait_for_log(
            &cluster,
            id,
            "stdout",
            &format!("instance {instance} is up"),
        );
        wait_for_log(&cluster, id, "stderr", "to stderr");
    }
    let sleepers = || {
        let all = cluster.processes();
        all.into_iter()
            .filter(|process| process.command == "sleep 1000")
            .count()
    };
    assert_eq!(sleepers(), 2);

    let killed = cluster.aurora_ok(&["job", "kill", &format!("{job}/0")]);
    assert!(
        killed.contains("Successfully killed instances [0]"),
        "{killed}"
    );
    cluster.wait_for_states(&job, &["RUNNING"]);
    cluster.aurora_ok(&["job", "killall", "--no-batching", &job]);
    let (active, inactive) = cluster.status(&job);
    let states: Vec<&str> = inactive
        .iter()
        .map(|task| task["status"].as_str().unwrap())
        .collect();
    assert_eq!((active.len(), states), (0, vec!["KILLED", "KILLED"]));
    wait::until("the processes to be gone", || match sleepers() {
        0 => Ok(()),
        left => Err(left.to_string()),
    });

    assert!(cluster.stop().success());
    assert_eq!(cluster.processes(), []);
}

#[test]
fn state_survives_a_stop_and_services_come_back() {
    let mut cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/again");
    let file = cluster.job_file("again.aurora", &service(&role, "again", 1));
    cluster.aurora_ok(&["job", "create", &job, &file]);
    cluster.wait_for_states(&job, &["RUNNING"]);
    let (before, _) = cluster.status(&job);

    assert!(cluster.stop().success());
    assert_eq!(cluster.processes(), []);
    // The clients say that the cluster is not there instead of following a stale file.
    let refused = cluster.aurora(&["job", "status", &job]);
    assert!(!refused.status.success());

    cluster.restart();
    wait::until("another task in its place", || {
        let (active, inactive) = cluster.status(&job);
        let running = active.len() == 1 && active[0]["status"] == "RUNNING";
        if running
            && task_ids(&active) != task_ids(&before)
            && task_ids(&inactive).contains(&task_ids(&before)[0])
        {
            Ok(())
        } else {
            Err(format!("{active:?} {inactive:?}\n{}", cluster.log()))
        }
    });
    assert!(cluster.stop().success());
    assert_eq!(cluster.processes(), []);
}

#[test]
fn a_second_cluster_on_the_same_state_is_refused() {
    let mut cluster = Cluster::start();
    let output = cluster
        .command("aurora-local")
        .args(["run", "--cluster-name", "devcluster", "--state-dir"])
        .arg(cluster.state())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.contains(&cluster.pid().to_string()),
        "the holder's pid in: {text}"
    );
    assert!(cluster.stop().success());
}

#[test]
fn an_error_in_a_job_file_names_file_and_line() {
    let cluster = Cluster::start();
    let file = cluster.job_file(
        "broken.aurora",
        "good = 1\nalso_good = 2\nbad = no_such_name\njobs = []\n",
    );
    let output = cluster.aurora(&["job", "create", "devcluster/www-data/devel/x", &file]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("broken.aurora:3:"), "{text}");
    assert!(text.contains("no_such_name"), "{text}");
}

#[test]
fn strangers_get_nothing() {
    let cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/secret");
    let file = cluster.job_file("secret.aurora", &service(&role, "secret", 1));
    cluster.aurora_ok(&["job", "create", &job, &file]);
    cluster.wait_for_states(&job, &["RUNNING"]);
    let (active, _) = cluster.status(&job);
    let task = &task_ids(&active)[0];

    // Without the secret, or with a wrong one: nothing is written, no file is read.
    let kill = format!(
        r#"[1,"killTasks",1,1,{{"4":{{"rec":{{"1":{{"str":"{role}"}},"2":{{"str":"devel"}},"3":{{"str":"secret"}}}}}}}}]"#
    );
    let subscribe =
        r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"x"}}}"#;
    let json = "content-type: application/json".to_owned();
    let wrong = "authorization: Bearer 0000".to_owned();
    for headers in [vec![json.clone()], vec![json.clone(), wrong]] {
        for (method, url, body) in [
            (
                "POST",
                format!("{}/api", cluster.url("scheduler")),
                kill.as_str(),
            ),
            (
                "POST",
                format!("{}/api/v1/scheduler", cluster.url("master")),
                subscribe,
            ),
            (
                "POST",
                format!("{}/api/v1", cluster.url("agent")),
                r#"{"type":"READ_FILE","read_file":{"path":"/etc/passwd","offset":0}}"#,
            ),
            (
                "GET",
                format!("{}/files/browse?path=/", cluster.url("agent")),
                "",
            ),
            (
                "GET",
                format!("{}/logdata/{task}/main/0/stdout", cluster.url("observer")),
                "",
            ),
            (
                "GET",
                format!(
                    "{}/download/{task}/.logs/main/0/stdout",
                    cluster.url("observer")
                ),
                "",
            ),
        ] {
            let answer = http::request(method, &url, &headers, body).unwrap();
            assert_eq!(answer.status, 401, "{method} {url}: {}", answer.body);
        }
    }
    // A foreign Host or Origin, even with the secret.
    let token = format!("authorization: Bearer {}", cluster.token());
    for strange in ["host: evil.example", "origin: http://evil.example"] {
        for (part, path) in [
            ("scheduler", "/vars"),
            ("master", "/version"),
            ("agent", "/version"),
            ("observer", "/j/task_ids"),
        ] {
            let url = format!("{}{path}", cluster.url(part));
            let answer =
                http::request("GET", &url, &[token.clone(), strange.to_owned()], "").unwrap();
            assert_eq!(answer.status, 403, "{strange} {url}");
        }
    }
    cluster.wait_for_states(&job, &["RUNNING"]);

    // The files that hold the secret are closed to other users.
    use std::os::unix::fs::PermissionsExt;
    for name in ["token", "endpoints.json"] {
        let mode = fs::metadata(cluster.state().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    assert!(process::is_alive(cluster.pid()));
}

#[test]
fn another_user_gets_nothing() {
    use std::os::unix::process::CommandExt;
    if !aurora_tests::skip::is_root() {
        return aurora_tests::skip::skip(
            "another_user_gets_nothing",
            "needs root to become another user",
        );
    }
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/mine");
    let file = cluster.job_file("mine.aurora", &service(&role, "mine", 1));
    cluster.aurora_ok(&["job", "create", &job, &file]);
    cluster.wait_for_states(&job, &["RUNNING"]);
    // The programs may lie below a directory that only root can enter; a copy is where everybody can.
    let program = cluster.directory().join("aurora");
    fs::copy(aurora_tests::programs::program("aurora"), &program).unwrap();

    for name in ["token", "endpoints.json"] {
        let path = cluster.state().join(name);
        let mut command = std::process::Command::new("/bin/cat");
        let output = command
            .arg(&path)
            .uid(nobody.uid.as_raw())
            .gid(nobody.gid.as_raw())
            .output()
            .unwrap();
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{}",
            path.display()
        );
    }
    let mut command = std::process::Command::new(&program);
    let output = command
        .args(["job", "killall", "--no-batching", &job])
        .env_clear()
        .env("AURORA_STATE_DIR", cluster.state())
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(nobody.uid.as_raw())
        .gid(nobody.gid.as_raw())
        .output()
        .unwrap();
    assert!(
        !output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    cluster.wait_for_states(&job, &["RUNNING"]);

    // Nor can another user look into what the daemons were given.
    for process in cluster.processes() {
        assert!(
            !process.command.contains(&cluster.token()),
            "the secret is in an argument of {}",
            process.pid
        );
    }
}

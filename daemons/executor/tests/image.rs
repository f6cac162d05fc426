//! Tasks in a file system image, which the agent has mounted into the executor's folder.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::Path;

use aurora_api::model::{Container, DockerImage, Image, MesosContainer};
use serde_json::{Value, json};
use support::{Agent, assigned};

fn process(cmdline: &str) -> Value {
    json!([{"name": "p", "cmdline": cmdline, "min_duration": 0}])
}

fn container() -> Container {
    let image = Image::Docker(DockerImage {
        name: "web".into(),
        tag: "1".into(),
    });
    Container::Mesos(MesosContainer {
        image: Some(image),
        volumes: None,
    })
}

/// Whether this test can run; says so when it cannot.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        aurora_tests::skip::skip(test, "not root");
    }
    root
}

/// A root of bash, cat, ls and what they need, with these accounts.
fn make_root(root: &Path, passwd: &str, group: &str) {
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    fs::write(root.join("etc/group"), group).unwrap();
    aurora_tests::programs::copy_into_root(&["/bin/bash", "/bin/cat", "/bin/ls"], root);
}

#[tokio::test]
async fn a_task_sees_its_image_and_its_checks_do() {
    if !is_root("a_task_sees_its_image_and_its_checks_do") {
        return;
    }
    for flags in [&[][..], &["--pid-namespace"]] {
        let mut agent = Agent::start(flags).await;
        let root = agent.dir.path().join("taskfs");
        make_root(&root, "root:x:0:0::/:/bin/bash\n", "root:x:0:\n");
        fs::write(root.join("etc/hosts"), "of the image\n").unwrap();
        fs::write(root.join("healthy"), "").unwrap();
        let cmdline = "pwd; echo $HOME; ls /; [ -c /dev/null ] && echo devices; \
                       cat /etc/hosts > hosts; exec 2> /dev/null; while :; do read -t 0.05 x < <(:); done";
        let check = "[ -e /healthy ] && [ ! -e /usr/share/doc ]";
        let config = json!({"health_check_config": {
            "health_checker": {"shell": {"shell_command": check}},
            "initial_interval_secs": 0, "interval_secs": 0.05,
        }});
        let mut task = assigned(process(cmdline), config);
        task.task.container = container();
        agent.launch(&task);
        agent.expect("TASK_STARTING", "").await;
        agent.expect("TASK_RUNNING", "Task is healthy.").await;
        let hosts = || agent.file("hosts").unwrap_or_default();
        support::until("the task's file", hosts, || !hosts().is_empty()).await;
        let own = fs::read_to_string("/etc/hosts").unwrap();
        assert_eq!(hosts(), own, "the machine's names");
        let said = agent.file(".logs/p/0/stdout").unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], ["/mnt/mesos/sandbox", "/mnt/mesos/sandbox"]);
        assert!(
            lines.contains(&"healthy") && lines.contains(&"devices"),
            "{said}"
        );
        assert!(!lines.contains(&"home"), "the machine's root: {said}");
        // Nobody else sees a mount.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let folder = agent.dir.path().display().to_string();
        assert!(!mounts.contains(&folder), "{mounts}");
        fs::remove_file(root.join("healthy")).unwrap();
        let (state, message, _) = agent.status().await;
        assert_eq!(state, "TASK_FAILED");
        assert!(
            message.starts_with("Failed health check! Command"),
            "{message}"
        );
        assert!(agent.exit().await.success());
    }
}

#[tokio::test]
async fn accounts_of_an_image() {
    if !is_root("accounts_of_an_image") {
        return;
    }
    let nobody = aurora_thermos::users::by_name("nobody").unwrap();
    let (uid, gid) = (nobody.uid, nobody.gid);
    let root = "root:x:0:0::/:/bin/bash\n";
    for (flags, passwd, group, expected) in [
        // Made where they are missing.
        (
            &[][..],
            root.to_owned(),
            "root:x:0:\n".to_owned(),
            Ok("nobody"),
        ),
        // Left out where that is wanted.
        (
            &["--no-create-user"],
            root.to_owned(),
            "root:x:0:\n".to_owned(),
            Ok(""),
        ),
        // The name is taken by another number, which only the image's own getent could tell, and it has none.
        (
            &[],
            format!("{root}nobody:x:{uid}:{gid}::/:/bin/bash\n"),
            "root:x:0:\nnogroup:x:7:\n".to_owned(),
            Err("Failed to create group in sandbox for task image: "),
        ),
    ] {
        let mut agent = Agent::start(flags).await;
        let taskfs = agent.dir.path().join("taskfs");
        make_root(&taskfs, &passwd, &group);
        let cmdline = "while IFS=: read -r name x number rest; do [ $number = $UID ] && echo $name; done < /etc/passwd";
        let mut task = assigned(process(cmdline), json!({}));
        task.task.job.role = "nobody".into();
        task.task.container = container();
        agent.launch(&task);
        agent.expect("TASK_STARTING", "").await;
        match expected {
            Err(words) => {
                let (state, message, _) = agent.status().await;
                assert_eq!(state, "TASK_FAILED");
                let begin = format!("Failed to initialize sandbox: {words}");
                assert!(message.starts_with(&begin), "{message}");
            }
            Ok(name) => {
                let (state, message, _) = agent.status().await;
                assert_eq!(state, "TASK_RUNNING", "{message}");
                agent.status().await;
                let said = agent.file(".logs/p/0/stdout").unwrap();
                assert_eq!(said.trim(), name, "{flags:?}");
            }
        }
        assert!(agent.exit().await.success());
    }
}

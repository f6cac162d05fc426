//! Scenarios of outputs, refusals and idle tasks.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aurora_api::thermos::ProcessState;
use aurora_thermos::{StartError, TaskRunner};
use serde_json::json;

use super::place::{is_root, process, with};
use super::scenarios::Scenario;

/// All of them, by name.
pub(crate) const ODD: &[(&str, Scenario)] = &[
    ("a_standard_log_is_appended_to", |place| {
        let folder = place.sandbox().join(".logs/p/0");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("stdout"), "before\n").unwrap();
        place.finish(json!({"processes": [process("p", "echo after")]}));
        assert_eq!(place.log("p", 0, "stdout"), "before\nafter\n");
    }),
    ("console_and_both", |place| {
        let logged = |name: &str, destination: &str| {
            let cmdline = format!("echo {name} out; echo {name} err >&2");
            with(
                process(name, &cmdline),
                json!({"logger": {"destination": destination}}),
            )
        };
        let task = json!({
            "processes": [logged("c", "console"), logged("b", "both")],
            "constraints": [{"order": ["c", "b"]}],
        });
        // The console is the runner's own output, so the runner has to be a child.
        let output = Command::new(std::env::current_exe().unwrap())
            .arg("sleeper")
            .arg(&place.root)
            .arg(task.to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "c out\nb out\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "c err\nb err\n");
        assert_eq!(place.file(".logs/c/0/stdout"), None);
        assert_eq!(place.log("b", 0, "stdout"), "b out\n");
        assert_eq!(place.log("b", 0, "stderr"), "b err\n");
    }),
    ("another_user_without_root_is_refused", |place| {
        if is_root() {
            // This process is the scenario's own.
            let nobody = aurora_thermos::users::by_name("nobody").unwrap();
            nix::unistd::setgid(nobody.gid.into()).unwrap();
            nix::unistd::setuid(nobody.uid.into()).unwrap();
        }
        let settings = aurora_thermos::Settings {
            user: Some("root".into()),
            ..place.settings(json!({"processes": [process("p", "true")]}))
        };
        match TaskRunner::start(settings) {
            Err(StartError::NotRoot { wanted, .. }) => assert_eq!(wanted, "root"),
            other => panic!("{other:?}"),
        }
        assert!(!place.checkpoints().exists(), "something is on record");
    }),
    ("an_idle_stream_is_touched", |place| {
        let mut run = place.run(json!({"processes": [process("p", "exec sleep 1000")]}));
        run.until_run("p", ProcessState::Running, 1);
        let stream = fs::File::options()
            .append(true)
            .open(place.paths().runner())
            .unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        stream.set_modified(long_ago).unwrap();
        let begun = std::time::Instant::now();
        while stream.metadata().unwrap().modified().unwrap() == long_ago {
            assert!(
                begun.elapsed() < Duration::from_secs(25),
                "nobody touched it"
            );
            run.turn();
            run.wait(Duration::from_millis(100));
        }
        run.runner.lose().unwrap();
        run.until_over(Duration::from_secs(10));
    }),
];

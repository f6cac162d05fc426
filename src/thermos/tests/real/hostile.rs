//! Scenarios of tasks, machines and moments that mean no good.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aurora_thermos::isolation::Isolation;
use aurora_thermos::{TaskRunner, procs, users};
use nix::mount::{MsFlags, mount, umount};
use serde_json::json;

use super::place::{Place, Run, is_root, nap, process, until, with};
use super::scenarios::{ENDED, SUCCESS, Scenario};

/// All of them, by name.
pub(crate) const HOSTILE: &[(&str, Scenario)] = &[
    ("names_that_mean_no_good", |place| {
        let names = [
            "-rf",
            "a b",
            "$(touch x)",
            "x;y",
            "'\"",
            "new\nline",
            "*",
            "ünï",
        ];
        let processes: Vec<_> = names.iter().map(|name| process(name, "echo ok")).collect();
        let run = place.finish(json!({"processes": processes}));
        let expected: Vec<_> = names.iter().map(|name| (*name, SUCCESS)).collect();
        run.record().check(ENDED, &expected);
        for name in names {
            assert_eq!(place.log(name, 0, "stdout"), "ok\n", "{name}");
        }
        assert!(place.file("x").is_none(), "names are no commands");
    }),
    (
        "a_daemon_an_ephemeral_and_a_final_process_come_to_an_end",
        |place| {
            let run = place.finish(json!({
                "processes": [
                    with(process("daemon", "[ ! -e x ] && touch x"), json!({"daemon": true})),
                    with(process("side", "exec sleep 1000"), json!({"ephemeral": true})),
                    with(process("last", "touch last"), json!({"final": true})),
                ],
                "max_failures": 0,
            }));
            run.record().check(
                ENDED,
                &[
                    (
                        "daemon",
                        &format!("{SUCCESS} WAITING FORKED RUNNING FAILED(1)"),
                    ),
                    ("side", "WAITING FORKED RUNNING KILLED(-15)"),
                    ("last", SUCCESS),
                ],
            );
        },
    ),
    (
        "a_child_that_keeps_a_copied_output_open_delays_the_end",
        |place| {
            let rotating = json!({"logger": {"mode": "rotate"}});
            let run = place.finish(json!({"processes": [
                with(process("p", "sleep 0.7 & echo now"), rotating),
            ]}));
            let took = &run.runner.state().processes["p"][0];
            let took = took.stop_time.unwrap().0 - took.start_time.unwrap().0;
            assert!((0.6..10.0).contains(&took), "{took}");
        },
    ),
    ("a_runner_killed_at_any_moment_leaves_nobody", |place| {
        let task = json!({"processes": [
            process("a", "sleep 1000 & setsid sleep 1000 & exec sleep 1000"),
            with(process("b", "true"), json!({"daemon": true})),
        ]});
        for millis in [0_u32, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96] {
            // Each with records of its own, for a stream is led once.
            let here = Place::at(place.root.join(millis.to_string()));
            fs::create_dir_all(here.sandbox()).unwrap();
            let mut runner = Command::new(std::env::current_exe().unwrap())
                .args(["sleeper", here.root.to_str().unwrap(), &task.to_string()])
                .spawn()
                .unwrap();
            procs::pause(Duration::from_millis(millis.into()));
            runner.kill().unwrap();
            runner.wait().unwrap();
            until(
                &format!("everybody's death, killed after {millis} ms"),
                Duration::from_secs(10),
                || format!("{:?}", working_in(&here.root)),
                || working_in(&here.root).is_empty(),
            );
        }
    }),
    ("a_fork_bomb_is_killed", |place| {
        let Some(mut run) = as_nobody(
            place,
            "ulimit -u 150; f() { f & f & wait; }; touch up; f; sleep 1000",
            Isolation::default(),
        ) else {
            return;
        };
        run.until_file(place, "started");
        until("the bomb", Duration::from_secs(10), String::new, || {
            working_in(&place.root).len() > 20
        });
        run.runner.kill(Duration::from_secs(1)).unwrap();
        run.until_over(Duration::from_secs(30));
        until(
            "everybody's death",
            Duration::from_secs(10),
            || format!("{:?}", working_in(&place.root)),
            || working_in(&place.root).is_empty(),
        );
    }),
    ("a_full_disk_loses_output_and_no_more", |place| {
        if !is_root() {
            return println!("not root: nothing to see");
        }
        let sandbox = place.sandbox();
        mount(
            Some("tmpfs"),
            &sandbox,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=128k"),
        )
        .unwrap();
        let big = "head -c 1000000 /dev/zero; echo end >&2";
        let rotating = json!({"logger": {"mode": "rotate"}});
        let run = place.finish(json!({"processes": [with(process("p", big), rotating)]}));
        run.record().check(ENDED, &[("p", SUCCESS)]);
        let kept = fs::metadata(sandbox.join(".logs/p/0/stdout"))
            .unwrap()
            .len();
        assert!((1..=128 << 10).contains(&kept), "{kept}");
        drop(run);
        umount(&sandbox).unwrap();
    }),
    ("a_run_is_kept_apart", |place| {
        let all = Isolation {
            no_new_privileges: true,
            own_mounts: true,
            own_tmp: true,
            own_processes: false,
        };
        let look = "grep NoNewPrivs /proc/self/status; readlink /proc/self/ns/mnt; echo x > /tmp/mine; ls /tmp; echo > \"$EXE\"";
        let own = fs::read_link("/proc/self/ns/mnt").unwrap();
        // /tmp cannot be a folder of what lies in it.
        assert!(all.check(&place.sandbox()).is_err());
        let elsewhere = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let here = Place::at(elsewhere.path().to_owned());
        fs::create_dir(here.sandbox()).unwrap();
        let program = std::env::current_exe().unwrap();
        let look = look.replace("$EXE", program.to_str().unwrap());
        let Some(mut run) = as_nobody(&here, &look, all) else {
            return;
        };
        run.until_over(Duration::from_secs(20));
        let seen = here.log("p", 0, "stdout");
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!((lines[0], lines[2]), ("NoNewPrivs:\t1", "mine"), "{seen}");
        assert_ne!(Path::new(lines[1]), own, "{seen}");
        assert_eq!(here.file(".tmp/mine").as_deref(), Some("x\n"));
        let refused = here.log("p", 0, "stderr");
        // What lies below the machine's /tmp is not to be seen at all.
        let reasons: &[&str] = match program.starts_with("/tmp") {
            true => &["No such file or directory"],
            false => &["Permission denied", "Text file busy"],
        };
        assert!(
            reasons.iter().any(|reason| refused.contains(reason)),
            "the program itself cannot be written: {refused}"
        );
    }),
    ("users_of_a_directory_service", |place| {
        let tools = place.root.join("bin");
        fs::create_dir(&tools).unwrap();
        for (name, script) in [
            (
                "getent",
                "[ \"$1 $2\" = 'passwd ldapuser' ] && echo 'ldapuser:*:70001:70002::/home/l:/bin/sh' || exit 2",
            ),
            (
                "id",
                "[ \"$*\" = '-G -- ldapuser' ] && echo '70002 70003 70004'",
            ),
        ] {
            let path = tools.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (name, expected) in [
            (
                "ldapuser",
                "uid: 70001, gid: 70002, home: \"/home/l\" }) Ok([70003, 70004])",
            ),
            ("nobody-knows", "Err(Unknown"),
        ] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["lookup", name])
                .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains(expected), "{name}: {text}");
        }
        if !is_root() {
            return println!("not root: nobody can become such a user");
        }
        chown(place.sandbox(), Some(70_001), Some(70_002)).unwrap();
        // Not the one of the tools, which the task finds first as well.
        let who =
            "/usr/bin/id -u; /usr/bin/id -g; /usr/bin/id -G; echo $USER; pwd; stat -c %u .logs/p/0";
        let task = json!({"processes": [process("p", who)]});
        let runner = Command::new(std::env::current_exe().unwrap())
            .args([
                "sleeper",
                place.root.to_str().unwrap(),
                &task.to_string(),
                "ldapuser",
            ])
            .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
            .status();
        assert!(runner.unwrap().success());
        let sandbox = place.sandbox();
        assert_eq!(
            place.log("p", 0, "stdout"),
            format!(
                "70001\n70002\n70002 70003 70004\nldapuser\n{}\n70001\n",
                sandbox.display()
            )
        );
    }),
];

/// A task of one process as another user; `None`, with a word, without root.
pub(crate) fn as_nobody(place: &Place, cmdline: &str, isolation: Isolation) -> Option<Run> {
    if !is_root() {
        println!("not root: nothing to see");
        return None;
    }
    let user = users::by_name("nobody").unwrap();
    chown(place.sandbox(), Some(user.uid), Some(user.gid)).unwrap();
    let cmdline = format!("echo x > started; {cmdline}");
    let mut settings =
        place.settings(json!({"processes": [process("p", &cmdline)], "max_failures": 0}));
    settings.user = Some("nobody".into());
    settings.isolation = isolation;
    Some(Run {
        runner: TaskRunner::start(settings).unwrap(),
        paths: place.paths(),
    })
}

/// Living processes whose working directory lies in `root`.
pub(crate) fn working_in(root: &Path) -> Vec<i32> {
    nap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid: &i32| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(root))
                && procs::is_alive(pid)
        })
        .collect()
}

//! Scenarios of runs that see processes or a file system of their own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aurora_api::thermos::ProcessState;
use aurora_thermos::isolation::{ImageRoot, Isolation, separate_mounts};
use aurora_thermos::{TaskRunner, procs};
use nix::mount::{MsFlags, mount};
use serde_json::json;

use super::hostile::{as_nobody, working_in};
use super::place::{Place, Run, is_root, process, until};
use super::scenarios::Scenario;

const OWN_PROCESSES: Isolation = Isolation {
    no_new_privileges: true,
    own_mounts: true,
    own_tmp: false,
    own_processes: true,
};

/// All of them, by name.
pub(crate) const APART: &[(&str, Scenario)] = &[
    ("a_process_namespace", |place| {
        let cmdline = "trap 'echo bye > bye; exit 7' TERM; set -- /proc/[0-9]*; echo $#; \
                       setsid sleep 1000 & echo $$ > inside; sleep 1000 & wait";
        let Some(mut run) = as_nobody(place, cmdline, OWN_PROCESSES) else {
            return;
        };
        run.until_file(place, "inside");
        run.until_run("p", ProcessState::Running, 1);
        // The first process is the init; bash comes next, and sees nobody else yet.
        assert_eq!(place.pid("inside"), 2);
        assert_eq!(place.log("p", 0, "stdout"), "2\n");
        let recorded = run.runner.state().processes["p"][0].clone();
        let pid = recorded.pid.unwrap();
        let name = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(name.starts_with("aurora-init\0"), "{name}");
        let nobody = aurora_thermos::users::by_name("nobody").unwrap().uid;
        assert!(procs::is_recorded(&recorded, Some(nobody.cast_signed())));
        run.runner.kill(Duration::from_secs(20)).unwrap();
        run.until_over(Duration::from_secs(30));
        let runs = &run.record().processes["p"];
        assert_eq!(runs, "WAITING FORKED RUNNING FAILED(7)");
        assert_eq!(place.file("bye").as_deref(), Some("bye\n"));
        assert_eq!(working_in(&place.root), Vec::<i32>::new());
    }),
    ("ends_in_a_process_namespace", |place| {
        for (index, (cmdline, expected)) in [
            ("exit 3", "FAILED(3)"),
            ("true", "SUCCESS(0)"),
            ("sleep 1000 & kill -9 $$", "KILLED(-9)"),
            ("(sleep 0.1; echo late > late) & exit 0", "SUCCESS(0)"),
        ]
        .into_iter()
        .enumerate()
        {
            let here = Place::at(place.root.join(index.to_string()));
            fs::create_dir_all(here.sandbox()).unwrap();
            let Some(mut run) = as_nobody(&here, cmdline, OWN_PROCESSES) else {
                return;
            };
            while !run.record().processes.contains_key("p")
                || run.record().processes["p"].split(' ').count() < 4
            {
                run.turn();
                run.wait(Duration::from_millis(20));
            }
            let runs = run.record().processes["p"].clone();
            assert_eq!(runs.split(' ').nth(3), Some(expected), "{cmdline}");
            assert_eq!(here.file("late"), None, "its children went with it");
        }
    }),
    ("a_killed_coordinator_takes_its_namespace_along", |place| {
        let cmdline = "setsid sleep 1000 & exec sleep 1000";
        let Some(mut run) = as_nobody(place, cmdline, OWN_PROCESSES) else {
            return;
        };
        run.until_file(place, "started");
        run.until_run("p", ProcessState::Running, 1);
        let coordinator = run.runner.state().processes["p"][0]
            .coordinator_pid
            .unwrap();
        procs::signal(coordinator, nix::sys::signal::Signal::SIGKILL);
        // Without the runner's help: it is not given a turn.
        until(
            "everybody's death",
            Duration::from_secs(10),
            || format!("{:?}", working_in(&place.root)),
            || working_in(&place.root).is_empty(),
        );
    }),
    ("a_run_in_an_image", |place| {
        for isolation in [Isolation::default(), OWN_PROCESSES] {
            in_image(place, isolation);
        }
    }),
];

/// A task whose file system holds bash, cat and what they need, and its sandbox at another place.
fn in_image(place: &Place, isolation: Isolation) {
    if !is_root() {
        return println!("not root: nothing to see");
    }
    let here = Place::at(place.root.join(format!("{}", isolation.own_processes)));
    fs::create_dir_all(here.sandbox()).unwrap();
    let root = here.root.join("taskfs");
    for folder in ["proc", "tmp", "mnt/box", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/release"), "of the image\n").unwrap();
    symlink("/etc/hostname", root.join("outside")).unwrap();
    for program in ["/bin/bash", "/bin/cat"] {
        copy_with_libraries(program, &root);
    }
    // Gone with this process, and seen by nobody else.
    separate_mounts().unwrap();
    let none: Option<&Path> = None;
    let bind = MsFlags::MS_BIND;
    mount(Some(&root), &root, none, bind, none).unwrap();
    mount(
        Some(&here.sandbox()),
        &root.join("mnt/box"),
        none,
        bind,
        none,
    )
    .unwrap();
    let cmdline = "cat /etc/release; pwd; echo $HOME; cat /outside; echo written > file; [ -e /usr/share ] || echo apart";
    let mut settings = here.settings(json!({"processes": [process("p", cmdline)]}));
    settings.isolation = isolation;
    settings.image = Some(ImageRoot {
        root: root.clone(),
        directory: PathBuf::from("/mnt/box"),
    });
    let mut run = Run {
        runner: TaskRunner::start(settings).unwrap(),
        paths: here.paths(),
    };
    run.until_over(Duration::from_secs(20));
    let (out, err) = (here.log("p", 0, "stdout"), here.log("p", 0, "stderr"));
    assert_eq!(
        out, "of the image\n/mnt/box\n/mnt/box\napart\n",
        "{isolation:?}: {err}"
    );
    assert!(err.contains("/outside: No such file"), "{err}");
    assert_eq!(here.file("file").as_deref(), Some("written\n"));
}

fn copy_with_libraries(program: &str, root: &Path) {
    let listing = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(listing.stdout).unwrap();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain([program]) {
        let target = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

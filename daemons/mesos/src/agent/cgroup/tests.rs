//! Against the control groups of this machine, where they can be written.

use super::*;

#[test]
fn statistics_are_found_by_their_whole_name() {
    let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!(keyed_number(text, "oom_kill"), Some(3));
    assert_eq!(keyed_number(text, "oom"), None);
    assert_eq!(
        keyed_number("anon 4096\nanon_thp 8192\n", "anon"),
        Some(4096)
    );
}

#[test]
fn roots_that_leave_the_hierarchy_are_refused() {
    for bad in ["", "/mesos", "../x", "a/../b"] {
        assert!(Cgroups::detect(bad).is_err(), "{bad}");
    }
}

/// Runs where cgroups can be written; elsewhere there is nothing to try.
#[test]
fn everything_in_a_container_is_killed_and_its_groups_are_removed() {
    let root = format!("aurora-kill-{}", std::process::id());
    let Ok(cgroups) = Cgroups::detect(&root) else {
        return;
    };
    let container = format!("c-{}", std::process::id());
    let procs = cgroups.create(&container).unwrap();
    let limits = Limits {
        cpus: 0.5,
        cpus_limit: Some(1.0),
        memory: 64 << 20,
        memory_limit: None,
        pids: Some(50),
    };
    cgroups.update(&container, &limits).unwrap();
    let enter: Vec<String> = procs
        .iter()
        .map(|path| format!("echo 0 > {}", path.display()))
        .collect();
    // The child in a session of its own would escape a kill by session.
    let script = format!("{}; setsid sleep 300 & sleep 300", enter.join("; "));
    let mut child = std::process::Command::new("bash")
        .args(["-c", &script])
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while cgroups.processes(&container).len() < 3 {
        assert!(
            Instant::now() < deadline,
            "the container has {:?}",
            cgroups.processes(&container)
        );
        park(Duration::from_millis(10));
    }
    assert_eq!(cgroups.out_of_memory(&container), None);
    cgroups.destroy(&container).unwrap();
    assert!(!cgroups.exists(&container));
    child.wait().unwrap();
    for directory in cgroups.directories_of(&root) {
        fs::remove_dir(directory).unwrap();
    }
}

/// The numbers that the kernel gives back, in MiB, for a container whose tasks come and go
/// (mesos: `src/slave/containerizer/mesos/isolators/cgroups/subsystems/memory.cpp`).
#[test]
fn memory_is_raised_and_never_lowered() {
    const NAME: &str = "memory_is_raised_and_never_lowered";
    let root = format!("aurora-memory-{}", std::process::id());
    let cgroups = match Cgroups::detect(&root) {
        Ok(cgroups) if matches!(cgroups.version, Version::V1(_)) => cgroups,
        Ok(_) | Err(_) => {
            return aurora_tests::skip::skip(NAME, "no control groups of version 1 to write");
        }
    };
    cgroups.create("c").unwrap();
    let memory = cgroups.controller_directory("memory", "c").unwrap();
    for (asked, limit, soft, hard, why) in [
        (64, None, 64, 64, "the limit is what was asked for"),
        (96, None, 96, 96, "both are raised"),
        (64, None, 64, 96, "the guarantee follows, the limit stays"),
        (1, None, 32, 96, "32 MiB are the least"),
        (64, Some(128), 64, 128, "a limit of its own"),
        (64, Some(80), 64, 128, "which is not lowered either"),
        (160, Some(128), 160, 160, "nor below the guarantee"),
    ] {
        let limits = Limits {
            cpus: 0.5,
            cpus_limit: None,
            memory: asked << 20,
            memory_limit: limit.map(|limit: u64| limit << 20),
            pids: None,
        };
        cgroups.update("c", &limits).unwrap();
        let number = |file: &str| {
            let text = fs::read_to_string(memory.join(file)).unwrap();
            text.trim().parse::<u64>().unwrap() >> 20
        };
        let numbers = ["memory.soft_limit_in_bytes", "memory.limit_in_bytes"].map(number);
        assert_eq!(numbers, [soft, hard], "{why}");
    }
    cgroups.destroy("c").unwrap();
    for directory in cgroups.directories_of(&root) {
        fs::remove_dir(directory).unwrap();
    }
}

#[test]
fn only_old_and_empty_groups_are_swept_away() {
    let root = format!("aurora-sweep-{}", std::process::id());
    let Ok(cgroups) = Cgroups::detect(&root) else {
        return;
    };
    let procs = cgroups.create("busy").unwrap();
    cgroups.create("empty").unwrap();
    let enter: Vec<String> = procs
        .iter()
        .map(|path| format!("echo 0 > {}", path.display()))
        .collect();
    let script = format!("{}; exec sleep 300", enter.join("; "));
    let mut child = std::process::Command::new("bash")
        .args(["-c", &script])
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // The last group it enters is the last of the list.
    let entered = || {
        procs
            .iter()
            .all(|path| !fs::read_to_string(path).unwrap_or_default().is_empty())
    };
    while !entered() {
        assert!(
            Instant::now() < deadline,
            "the process has not entered {procs:?}"
        );
        park(Duration::from_millis(5));
    }
    assert_eq!(cgroups.sweep(Duration::from_secs(3600)), 0);
    assert!(cgroups.exists("empty"));
    assert!(cgroups.sweep(Duration::ZERO) > 0);
    assert!(!cgroups.exists("empty") && cgroups.exists("busy"));
    cgroups.destroy("busy").unwrap();
    child.wait().unwrap();
    for directory in cgroups.directories_of(&root) {
        fs::remove_dir(directory).unwrap();
    }
}

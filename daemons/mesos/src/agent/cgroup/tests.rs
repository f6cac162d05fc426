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
    assert_eq!(cgroups.usage(&container).memory_limit, Some(64 << 20));
    // Raised, then not lowered.
    cgroups
        .update(
            &container,
            &Limits {
                memory: 96 << 20,
                ..limits
            },
        )
        .unwrap();
    cgroups.update(&container, &limits).unwrap();
    assert_eq!(cgroups.usage(&container).memory_limit, Some(96 << 20));
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

//! The workbench in a real pseudo-terminal, on a real cluster.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use aurora_tests::cluster::{Cluster, role, scratch};
use aurora_tests::skip::{is_root, skip};
use aurora_tests::terminal::Terminal;
use aurora_tests::{process, programs, wait};
use nix::sys::signal::Signal;

const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";

/// Soon: a change in the cluster is to be on the screen within a second; machines that run other tests get more.
const SOON: Duration = Duration::from_secs(5);

fn job_file(role: &str) -> String {
    format!(
        "main = Process(name = 'main', cmdline = '''\n\
         echo {{{{thermos.ports[http]}}}} > port\n\
         echo instance {{{{mesos.instance}}}} is up\n\
         echo to stderr >&2\n\
         exec sleep 1000''')\n\
         task = Task(name = 'main', processes = [main], resources = Resources(cpu = 0.1, ram = 16*MB, disk = 16*MB),\n\
         \x20           finalization_wait = 1)\n\
         jobs = [Service(cluster = 'devcluster', role = '{role}', environment = 'devel', name = 'watched', task = task,\n\
         \x20               instances = 2)]\n"
    )
}

fn workbench(cluster: &Cluster, arguments: &[&str], columns: u16, rows: u16) -> Terminal {
    workbench_in(
        cluster.directory(),
        &[&["--cluster", "devcluster"], arguments].concat(),
        columns,
        rows,
    )
}

/// On a cluster whose state is, or will be, in `state` of a directory.
fn workbench_in(directory: &Path, arguments: &[&str], columns: u16, rows: u16) -> Terminal {
    let state = directory.join("state").display().to_string();
    let home = directory.display().to_string();
    let path = std::env::var("PATH").unwrap();
    Terminal::start(
        &programs::program("aurora-tui"),
        arguments,
        &[
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("AURORA_STATE_DIR", &state),
            ("AURORA_CONFIG_ROOT", &home),
            ("XDG_STATE_HOME", &home),
            ("HOME", &home),
            ("PATH", &path),
        ],
        columns,
        rows,
    )
}

/// The screen with what differs from run to run replaced: ages, clock times, addresses, task ids, ports, sizes of memory.
fn steady(screen: &str, role: &str) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .ok()
        .flatten();
    let user = format!("  {}  ", user.map_or_else(String::new, |user| user.name));
    let mut steady = String::new();
    for line in screen.lines() {
        // The first line names who looks.
        let line = &line.replace(&user, "  root  ");
        let mut words = Vec::new();
        for word in line.split(' ') {
            let is_age = word.len() <= 4
                && word.ends_with(['s', 'm'])
                && word[..word.len() - 1].bytes().all(|b| b.is_ascii_digit())
                && word.len() > 1;
            let is_clock = word.len() == 8 && word.split(':').count() == 3;
            let is_address = word.starts_with("127.0.0.1:");
            let is_id =
                word.starts_with('~') || word.starts_with(&format!("{role}-devel-watched-"));
            let is_port = word
                .strip_prefix("http:")
                .is_some_and(|port| port.parse::<u16>().is_ok());
            words.push(match () {
                () if is_age => "AGE".to_owned(),
                () if is_clock => "HH:MM:SS".to_owned(),
                () if is_address => "ADDRESS".to_owned(),
                () if is_id => "ID".to_owned(),
                () if is_port => "http:PORT".to_owned(),
                () => word.to_owned(),
            });
        }
        // Columns move with the width of what was replaced.
        let text: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        steady.push_str(&text.join(" ").replace(role, "ROLE"));
        steady.push('\n');
    }
    steady.trim_end().to_owned()
}

#[test]
fn from_the_jobs_to_a_line_of_a_log_and_back() {
    let mut cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/watched");

    // An empty cluster says what to do.
    let mut terminal = workbench(&cluster, &[], 80, 24);
    terminal.wait_for("aurora job create");

    // What happens in another terminal is on the screen soon.
    let file = cluster.job_file("watched.aurora", &job_file(&role));
    cluster.aurora_ok(&["job", "create", "--wait-until", "RUNNING", &job, &file]);
    wait::until_within("the job on the screen", SOON, || {
        let screen = terminal.text();
        let line = screen
            .lines()
            .find(|line| line.contains("devel/watched"))
            .unwrap_or("");
        if line.contains("RUNNING") {
            Ok(())
        } else {
            Err(screen)
        }
    });
    cluster.wait_for_states(&job, &["RUNNING", "RUNNING"]);
    let jobs = terminal.wait_until("two running", |screen| {
        screen
            .lines()
            .any(|line| line.contains("devel/watched") && line.matches(" 2").count() >= 2)
    });
    insta::assert_snapshot!("jobs", steady(&jobs, &role));

    // Into the job, its first instance, its sandbox, a file.
    terminal.keys(ENTER);
    let instances = terminal.wait_until("the instances", |screen| {
        screen.contains("INSTANCE") && screen.matches("RUNNING").count() == 2
    });
    insta::assert_snapshot!("instances", steady(&instances, &role));
    terminal.keys(ENTER);
    let task = terminal.wait_until("the task", |screen| {
        screen.contains("PENDING") && screen.contains("main") && screen.contains("http")
    });
    for wanted in ["RUNNING", "ASSIGNED", "STARTING", "0.1 cpus", "16.0 MiB"] {
        assert!(task.contains(wanted), "{wanted} in\n{task}");
    }
    terminal.keys("f");
    terminal.wait_until("the sandbox", |screen| {
        screen.contains(".logs") && screen.lines().any(|line| line.contains("port "))
    });
    terminal.keys("G");
    terminal.wait_until("the last file chosen", |screen| {
        screen.lines().any(|line| line.starts_with(">port"))
    });
    terminal.keys(ENTER);
    terminal.wait_until("the file's content", |screen| {
        screen
            .lines()
            .any(|line| line.trim().parse::<u16>().is_ok_and(|port| port >= 31000))
    });

    // Back to the instances, and to the logs side by side.
    for _ in 0..3 {
        terminal.keys("h");
    }
    terminal.wait_for("INSTANCE");
    terminal.keys("l");
    terminal.wait_until("a place inside", |screen| {
        screen.contains("EVENT") || screen.contains("stdout")
    });
    if !terminal.text().contains("stdout") {
        terminal.keys("l");
    }
    let logs = terminal.wait_until("both logs", |screen| {
        screen.contains("instance 0 is up") && screen.contains("to stderr")
    });
    insta::assert_snapshot!("logs", steady(&logs, &role));

    // Help is made from the keys of the place; the prompt takes commands.
    terminal.keys("?");
    terminal.wait_for("MEANING");
    terminal.keys(ESCAPE);
    // Escape and a key at once would be that key with alt.
    terminal.wait_until("help to be gone", |screen| !screen.contains("MEANING"));
    terminal.keys(":jobs");
    terminal.keys(ENTER);
    terminal.wait_for("devel/watched");

    // A filter hides rows and says so.
    terminal.keys("/nothing-like-it");
    terminal.wait_until("no job shown", |screen| !screen.contains("devel/watched"));
    terminal.keys(ESCAPE);
    terminal.wait_for("devel/watched");

    // It works on small screens and does not mind being resized.
    for (columns, rows) in [(40, 10), (200, 50), (20, 5), (80, 24)] {
        terminal.resize(columns, rows);
    }
    terminal.wait_for("devel/watched");

    // The scheduler is killed: the data stays on the screen, and goes on living when the scheduler is back.
    for process in cluster.processes() {
        if process.command.contains("aurora-scheduler") {
            process::signal(process.pid, Signal::SIGKILL);
        }
    }
    terminal.wait_until("the link to be other than live", |screen| {
        screen.contains("devel/watched") && !screen.lines().next().unwrap_or("").contains("live")
    });
    terminal.wait_until("the link to be live again", |screen| {
        screen.contains("devel/watched") && screen.lines().next().unwrap_or("").contains("live")
    });

    // A kill shows what it would do, and does nothing when refused.
    terminal.keys("a");
    terminal.wait_for("kill");
    terminal.keys("K");
    let question = terminal.wait_for("aurora job killall");
    for wanted in ["devcluster", "watched", "0-1"] {
        assert!(question.contains(wanted), "{wanted} in\n{question}");
    }
    insta::assert_snapshot!("kill", steady(&question, &role));
    terminal.keys(ESCAPE);
    terminal.wait_until("the question to be gone", |screen| {
        !screen.contains("aurora job killall")
    });
    cluster.wait_for_states(&job, &["RUNNING", "RUNNING"]);

    // Confirmed, it is done and verified.
    terminal.keys("a");
    terminal.wait_for("kill");
    terminal.keys("K");
    terminal.wait_for("aurora job killall");
    terminal.keys("2");
    terminal.keys(ENTER);
    cluster.wait_for_states(&job, &[]);
    terminal.wait_until("the job to have ended", |screen| {
        screen
            .lines()
            .any(|line| line.contains("devel/watched") && line.contains("ENDED"))
    });

    // Quitting leaves the cluster alone and the terminal as it was.
    assert!(terminal.is_alternate());
    terminal.keys(":q");
    terminal.keys(ENTER);
    wait::until("the end, or the question about the cluster", || {
        if !terminal.is_alternate() || terminal.text().contains("leave") {
            Ok(())
        } else {
            Err(terminal.text())
        }
    });
    if terminal.is_alternate() {
        terminal.keys(ENTER);
    }
    assert_eq!(terminal.wait_for_end(), 0);
    assert!(!terminal.is_alternate());
    assert!(process::is_alive(cluster.pid()));
    assert!(cluster.stop().success());
}

#[test]
fn suspended_and_resumed_in_a_shell() {
    let cluster = Cluster::start();
    let state = cluster.state().display().to_string();
    let home = cluster.directory().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Terminal::start(
        "/bin/bash".as_ref(),
        &["--norc", "-i"],
        &[
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("PS1", "ready> "),
            ("AURORA_STATE_DIR", &state),
            ("AURORA_CONFIG_ROOT", &home),
            ("XDG_STATE_HOME", &home),
            ("HOME", &home),
            ("PATH", &path),
        ],
        80,
        24,
    );
    shell.wait_for("ready>");
    let program = programs::program("aurora-tui").display().to_string();
    shell.keys(&format!("{program} --cluster devcluster\r"));
    shell.wait_for("aurora job create");
    assert!(shell.is_alternate());
    shell.keys("\x1a");
    shell.wait_for("Stopped");
    assert!(!shell.is_alternate());
    shell.keys("fg\r");
    shell.wait_until("the workbench again", |screen| {
        screen.contains("aurora job create") && screen.contains("live")
    });
    assert!(shell.is_alternate());
    assert!(process::is_alive(cluster.pid()));
}

#[test]
fn without_a_screen_it_shows_and_refuses_honestly() {
    let cluster = Cluster::start();
    let role = role();
    let job = format!("devcluster/{role}/devel/watched");
    let file = cluster.job_file("watched.aurora", &job_file(&role));
    cluster.aurora_ok(&["job", "create", &job, &file]);
    cluster.wait_for_states(&job, &["RUNNING", "RUNNING"]);
    let tui = |arguments: &[&str]| {
        let mut command = cluster.command("aurora-tui");
        command
            .env("XDG_STATE_HOME", cluster.directory())
            .env("TERM", "xterm")
            .args(["--cluster", "devcluster"]);
        let output = command.args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };

    let (code, frame, errors) = tui(&["--snapshot", "text", "--size", "80x24"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        frame.contains("devel/watched") && !frame.contains('\x1b'),
        "{frame}"
    );
    assert!(
        frame.lines().all(|line| line.chars().count() <= 80),
        "{frame}"
    );

    let (code, data, errors) = tui(&["--snapshot", "json"]);
    assert_eq!(code, Some(0), "{errors}");
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert!(data["version"].is_number(), "{data}");
    assert!(data.to_string().contains("devel/watched"), "{data}");

    let (code, _, errors) = tui(&["--exec", "no-such-command"]);
    assert!(code == Some(2) || code == Some(1), "{code:?} {errors}");
    assert!(errors.contains("no-such-command"), "{errors}");

    // Without a terminal it says so in a sentence instead of drawing.
    let (code, output, errors) = tui(&[]);
    assert_eq!((code, output.as_str()), (Some(5), ""), "{errors}");
    assert!(errors.contains("terminal"), "{errors}");
}

#[test]
fn what_the_start_of_a_cluster_finds_amiss_is_on_the_screen() {
    if !is_root() {
        return skip(
            "what_the_start_of_a_cluster_finds_amiss_is_on_the_screen",
            "only root has tasks of other users",
        );
    }
    let directory = scratch();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let _end = process::Ended(directory.path());
    let mut terminal = workbench_in(directory.path(), &["--local"], 120, 30);
    terminal.wait_for("tasks of other users than root cannot reach their sandboxes");
    terminal.keys("q");
    terminal.wait_for("stop");
    terminal.keys("s");
    assert_eq!(terminal.wait_for_end(), 0);
    assert_eq!(process::belonging_to(directory.path()), []);
}

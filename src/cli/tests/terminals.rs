//! What waits show on a terminal.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_api::model::*;
use aurora_api::service::Call;
use support::fake::{Server, response};
use support::*;

const KEY: &str = "west/www/prod/hello";

/// Runs a command whose standard error is a terminal; what that gets.
fn on_terminal(world: &World, arguments: &[&str]) -> String {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = world.command(env!("CARGO_BIN_EXE_aurora"), arguments);
    command.stdout(Stdio::null()).stderr(terminal.slave);
    let mut child = command.spawn().unwrap();
    // It holds the other side.
    drop(command);
    let mut shown = Vec::new();
    let mut master = std::fs::File::from(terminal.master);
    let mut buffer = [0; 1024];
    // A terminal whose other side is closed fails with EIO.
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..count]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}

/// Two instances that start at once, and a third that runs when it was looked at twice.
fn slow() -> Server {
    let looks = AtomicUsize::new(0);
    Server::scheduler(move |call| match call {
        Call::GetTierConfigs(_) => tiers(),
        Call::CreateJob(_) | Call::RestartShards(_) => response(ResponseCode::Ok, &[]),
        Call::GetTasksWithoutConfigs(_) => {
            let last = match looks.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => ScheduleStatus::Pending,
                _ => ScheduleStatus::Running,
            };
            let running = ScheduleStatus::Running;
            tasks(vec![task(0, running), task(1, running), task(2, last)])
        }
        other => panic!("unexpected {}", other.method()),
    })
}

#[test]
fn waits_say_how_far_they_are() {
    let server = slow();
    let world = World::new(&server.url()).with_eval(&evaluated(None));
    let create = ["job", "create", KEY, "job.aurora", "--wait-until=RUNNING"];
    let shown = on_terminal(&world, &create);
    let line = "\r\x1b[Kinstances RUNNING: 2 of 3 (0 s), waiting for [2]";
    assert!(shown.contains(line), "{shown:?}");
    // It is gone before the log goes on.
    let end = "\r\x1b[K INFO] Checking status of west/www/prod/hello\r\n";
    assert!(shown.ends_with(end), "{shown:?}");
}

#[test]
fn the_log_takes_the_line_of_a_restart_away() {
    let server = slow();
    let world = World::new(&server.url());
    let restart = [
        "job",
        "restart",
        "west/www/prod/hello/2",
        "--watch-secs=0",
        "--healthcheck-interval-seconds=0",
    ];
    let shown = on_terminal(&world, &restart);
    let line = "\r\x1b[Kinstances restarting: [2] (0 s), ";
    assert!(shown.contains(line), "{shown:?}");
    let log = "\r\x1b[K INFO] Instance 2 has been up and healthy";
    assert!(shown.contains(log), "{shown:?}");
}

//! Tasks of real processes: what ends up on record, and what is left running (nothing).
//!
//! This program is its own test driver. `real` runs every scenario (or those whose names contain the given text), each as a
//! child `real scenario NAME` with a deadline, because a runner adopts and kills whatever its process has for children.
//! `real coordinator …` is what runners start.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program without the usual harness, so lints do not take it for one"
)]

mod apart;
mod hostile;
mod odd;
mod place;
mod scenarios;

use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::apart::APART;
use self::hostile::HOSTILE;
use self::odd::ODD;
use self::place::{Place, nap};
use self::scenarios::{SCENARIOS, Scenario};

/// How long one scenario may take.
const DEADLINE: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if let Some(code) = aurora_thermos::part(first.as_deref(), &mut arguments) {
        return code;
    }
    match first.as_deref() {
        Some("scenario") => {
            let name = arguments.next().expect("a scenario's name");
            let (_, run) = all()
                .find(|(known, _)| *known == name)
                .expect("a known scenario");
            run(&Place::new());
            return ExitCode::SUCCESS;
        }
        Some("lookup") => {
            let name = arguments.next().expect("a name");
            let user = aurora_thermos::users::by_name(&name);
            let groups = user
                .as_ref()
                .map(aurora_thermos::users::supplementary_groups);
            println!("{user:?} {groups:?}");
            return ExitCode::SUCCESS;
        }
        Some("sleeper") => {
            // A runner to be killed: runs the task given as JSON in the place given, as the user given if there is one.
            let place = Place::at(PathBuf::from(arguments.next().expect("a place")));
            let task: Value =
                serde_json::from_str(&arguments.next().expect("a task")).expect("JSON");
            let mut run = place.run_as(task, arguments.next());
            run.until_over(Duration::from_secs(3600));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let filter = first
        .filter(|text| !text.starts_with('-'))
        .unwrap_or_default();
    let mut failed = 0;
    let chosen: Vec<_> = all().filter(|(name, _)| name.contains(&filter)).collect();
    for batch in chosen.chunks(4) {
        let children: Vec<_> = batch
            .iter()
            .map(|(name, _)| (name, Instant::now(), scenario(name)))
            .collect();
        for (name, started, child) in children {
            let passed = wait_for(child, started + DEADLINE);
            println!(
                "scenario {name} ... {} ({:.1?})",
                if passed { "ok" } else { "FAILED" },
                started.elapsed()
            );
            failed += usize::from(!passed);
        }
    }
    println!("{} scenarios, {failed} failed", chosen.len());
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn all() -> impl Iterator<Item = &'static (&'static str, Scenario)> {
    SCENARIOS.iter().chain(HOSTILE).chain(ODD).chain(APART)
}

fn scenario(name: &str) -> Child {
    Command::new(std::env::current_exe().expect("own path"))
        .args(["scenario", name])
        .stdin(Stdio::null())
        .spawn()
        .expect("starting a scenario")
}

fn wait_for(mut child: Child, deadline: Instant) -> bool {
    loop {
        if let Some(status) = child.try_wait().expect("waiting for a scenario") {
            return status.success();
        }
        if Instant::now() > deadline {
            println!("out of time");
            child.kill().expect("killing a scenario");
            child.wait().expect("reaping a scenario");
            return false;
        }
        nap();
    }
}

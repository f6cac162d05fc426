//! M1: the memory of running tasks.

use std::process::{Command, ExitCode};

use crate::measure::{Figure, Suite};
use running::{TASKS_PER_JOB, running};

#[path = "../../daemons/scheduler/tests/support/running.rs"]
mod running;

/// The argument that makes this program a measuring child.
pub(crate) const CHILD: &str = "memory-of-tasks";

pub(crate) fn per_task(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for tasks in suite.sizes(&[100_000, 1_000_000]) {
        let bytes = std::env::current_exe()
            .and_then(|program| {
                Command::new(program)
                    .args([CHILD, &tasks.to_string()])
                    .output()
            })
            .ok()
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .and_then(|text| text.trim().parse::<f64>().ok())
            .unwrap_or(f64::NAN);
        let what = format!("{tasks} running tasks, resident");
        figures.push(Figure::new("M1", what, "task").bytes(bytes / *tasks as f64));
    }
    figures
}

fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0)
}

/// Makes a core with so many running tasks and prints by how many bytes this process grew.
pub(crate) fn child(tasks: &str) -> ExitCode {
    let Ok(tasks) = tasks.parse::<usize>() else {
        return ExitCode::FAILURE;
    };
    let before = resident();
    let core = running(tasks / TASKS_PER_JOB);
    let after = resident();
    let (Some(before), Some(after)) = (before, after) else {
        return ExitCode::FAILURE;
    };
    println!("{}", after - before);
    if core.store().read().task_count() == tasks {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

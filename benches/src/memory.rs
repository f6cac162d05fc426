//! M1: the memory of running tasks.

use std::process::{Command, ExitCode};

use aurora_api::model::ScheduleStatus;
use aurora_scheduler::core::{Core, Op, Store};

use crate::fixtures::{World, flags, job};
use crate::measure::{Figure, Suite};

/// The argument that makes this program a measuring child.
pub(crate) const CHILD: &str = "memory-of-tasks";

const TASKS_PER_JOB: usize = 1_000;
const TASKS_PER_HOST: usize = 200;

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
    let core = running(tasks);
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

fn running(tasks: usize) -> Core {
    let mut store = Store::default();
    let mut placed = 0;
    for n in 0..tasks / TASKS_PER_JOB {
        let mut world = World::new();
        let name = format!("service-{n}");
        for op in world
            .create(job("jmh", &name, "preemptible", TASKS_PER_JOB))
            .ops
        {
            let op = match op {
                Op::AddConfig { config, .. } => Op::AddConfig {
                    id: aurora_scheduler::core::store::ConfigId(n as u64 + 1),
                    config,
                },
                Op::InsertTasks {
                    instances,
                    seed,
                    time,
                    ..
                } => Op::InsertTasks {
                    config: aurora_scheduler::core::store::ConfigId(n as u64 + 1),
                    instances,
                    // Every world begins with the same seed.
                    seed: seed ^ n as u128,
                    time,
                },
                other => other,
            };
            store.apply(&op).expect("the ops come from a store");
        }
        let view = store.read();
        let ids: Vec<_> = view
            .jobs()
            .filter(|job| job.key.name == name)
            .flat_map(|job| view.tasks_of_job(job))
            .map(|task| task.id())
            .collect();
        for task in ids {
            let host = placed / TASKS_PER_HOST;
            placed += 1;
            let status = |status| Op::SaveStatus {
                task: task.clone(),
                status,
                message: None,
                time: 3,
            };
            let ops = [
                Op::Assign {
                    task: task.clone(),
                    agent: format!("agent-{host}").into(),
                    host: format!("host-{host}").into(),
                    ports: Vec::new(),
                    time: 2,
                },
                status(ScheduleStatus::Starting),
                status(ScheduleStatus::Running),
            ];
            for op in ops {
                store.apply(&op).expect("the task is there");
            }
        }
    }
    Core::recover(flags(), store, 4).0
}

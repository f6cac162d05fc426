//! A core with running tasks, for those who measure what a task costs in memory.

use aurora_api::model::{JobKey, Range, ScheduleStatus, TaskConfig};
use aurora_scheduler::core::store::ConfigId;
use aurora_scheduler::core::{Change, Config, Core, Op, Store};

/// How many tasks a job has.
pub(crate) const TASKS_PER_JOB: usize = 1_000;

const TASKS_PER_HOST: usize = 100;

/// A core that took over so many jobs, all of whose tasks run.
pub(crate) fn running(jobs: usize) -> Core {
    let mut store = Store::default();
    for number in 0..jobs {
        run_job(&mut store, number);
    }
    Core::recover(Config::default(), store, 4).0
}

/// A job of running tasks, spread over hosts.
fn run_job(store: &mut Store, number: usize) {
    let id = ConfigId(number as u64);
    let config = TaskConfig {
        job: JobKey::new("www-data", "prod", &format!("service-{number}")),
        is_service: true,
        ..TaskConfig::default()
    };
    let insert = Op::InsertTasks {
        config: id,
        instances: vec![Range {
            first: 0,
            last: TASKS_PER_JOB as i32 - 1,
        }],
        seed: number as u128,
        time: 1,
    };
    let add = Op::AddConfig {
        id,
        config: config.into(),
    };
    store.apply(&add).expect("the ops are in order");
    let inserted = store.apply(&insert).expect("the ops are in order");
    for (at, change) in inserted.into_iter().enumerate() {
        let Change::Task { id: task, .. } = change else {
            continue;
        };
        let host = (number * TASKS_PER_JOB + at) / TASKS_PER_HOST;
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
            store.apply(&op).expect("the ops are in order");
        }
    }
}

//! SN1 and SN2: the whole state as bytes, and back.

use std::hint::black_box;

use aurora_api::model::*;
use aurora_scheduler::core::store::{ConfigId, decode_snapshot, encode_snapshot};
use aurora_scheduler::core::{Op, Store};

use crate::fixtures::job;
use crate::measure::{Figure, Suite};

/// How many instances an update of these benchmarks has, each with an event.
const INSTANCES: i32 = 10_000;

fn fat(name: &str) -> TaskConfig {
    let mut task = job("jmh", name, "preferred", 1).task_config;
    task.executor_config = Some(ExecutorConfig {
        name: Some("AuroraExecutor".to_owned()),
        data: Some("x".repeat(10_000)),
    });
    task
}

/// A state with so many updates.
fn updating(updates: usize) -> Store {
    let mut store = Store::default();
    let mut apply = |op: Op| drop(store.apply(&op).expect("the ops are in order"));
    for n in 0..updates {
        let task = fat(&format!("job-{n}"));
        let key = JobUpdateKey {
            job: task.job.clone(),
            id: format!("u{n}"),
        };
        let all = Range {
            first: 0,
            last: INSTANCES - 1,
        };
        let update = JobUpdate {
            summary: JobUpdateSummary {
                key: key.clone(),
                ..JobUpdateSummary::default()
            },
            instructions: JobUpdateInstructions {
                desired_state: Some(InstanceTaskConfig {
                    task,
                    instances: [all].into(),
                }),
                ..JobUpdateInstructions::default()
            },
        };
        apply(Op::SaveUpdate {
            update: update.into(),
        });
        for instance_id in 0..INSTANCES {
            let event = JobInstanceUpdateEvent {
                instance_id,
                timestamp_ms: 1,
                action: JobUpdateAction::InstanceUpdated,
                ..JobInstanceUpdateEvent::default()
            };
            apply(Op::instance_event(key.clone(), event));
        }
    }
    store
}

/// Restores states with updates into empty stores, all records read and indexed.
pub(crate) fn restore(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for updates in suite.sizes(&[1, 5, 10]) {
        let bytes = encode_snapshot(updating(*updates).read());
        let what = format!("{updates} updates of {INSTANCES} instances, restored");
        figures.push(Figure::new("SN1", what, "byte").sized(*updates).run(
            suite.samples(10),
            bytes.len(),
            || {},
            |()| drop(black_box(decode_snapshot(&bytes).expect("it is one"))),
        ));
    }
    for tasks in suite.sizes(&[10_000, 100_000, 1_000_000]) {
        let bytes = encode_snapshot(pending(*tasks).read());
        let what = format!("{tasks} tasks, restored");
        figures.push(Figure::new("SN1", what, "task").run(
            suite.samples(5),
            *tasks,
            || {},
            |()| drop(black_box(decode_snapshot(&bytes).expect("it is one"))),
        ));
    }
    figures
}

fn pending(tasks: usize) -> Store {
    let mut store = Store::default();
    let per_job = 1_000;
    for n in 0..tasks / per_job {
        let id = ConfigId(n as u64 + 1);
        let ops = [
            Op::AddConfig {
                id,
                config: fat(&format!("job-{n}")).into(),
            },
            Op::InsertTasks {
                config: id,
                instances: vec![Range {
                    first: 0,
                    last: per_job as i32 - 1,
                }],
                seed: n as u128,
                time: 1,
            },
        ];
        for op in ops {
            store.apply(&op).expect("the ops are in order");
        }
    }
    store
}

/// Takes snapshots. The scheduler stands still for the view alone; the bytes are made beside it.
pub(crate) fn take(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for tasks in suite.sizes(&[10_000, 100_000, 1_000_000]) {
        let store = pending(*tasks);
        let stall = Figure::new("SN2", format!("a view of {tasks} tasks"), "stall");
        figures.push(stall.run(
            suite.samples(50),
            1,
            || {},
            |()| drop(black_box(store.view())),
        ));
        let view = store.view();
        let taken = Figure::new("SN2", format!("{tasks} tasks, made into bytes"), "task");
        figures.push(taken.sized(*tasks).run(
            suite.samples(5),
            *tasks,
            || {},
            |()| drop(black_box(encode_snapshot(&view))),
        ));
        let size = encode_snapshot(&view).len() as f64 / *tasks as f64;
        let what = format!("{tasks} tasks, size");
        figures.push(Figure::new("SN2", what, "task").bytes(size));
    }
    figures
}

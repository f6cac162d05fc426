//! ST1 to ST4: changing the states of many tasks.

use std::time::{Duration, Instant};

use aurora_api::model::ScheduleStatus;
use aurora_api::service::arguments;
use aurora_mesos::v1::{TaskState, TaskStatus};
use aurora_scheduler::core::codec::encode_ops;
use aurora_scheduler::core::{Core, Op, Store};
use aurora_scheduler::delayed::deliver;

use crate::fixtures::{World, flags, job};
use crate::measure::{Figure, Suite};
use crate::placement::query;

const SIZES: [usize; 3] = [1_000, 10_000, 50_000];

/// A job of so many instances in one transaction.
pub(crate) fn insert(suite: &Suite) -> Vec<Figure> {
    let published = [
        "7.303 inserts of 1,000 a second (4bc524614, 2016)",
        "0.726 inserts of 10,000 a second (4bc524614, 2016)",
        "0.124 inserts of 50,000 a second (4bc524614, 2016)",
    ];
    let mut figures = Vec::new();
    for (count, published) in suite.sizes(&SIZES).iter().zip(published) {
        let mut world = World::new();
        let mut jobs = 0;
        let mut bytes = 0;
        let figure = Figure::new("ST1", format!("insert {count} pending tasks"), "task")
            .sized(*count)
            .published(published)
            .run(
                suite.samples(10),
                *count,
                || {
                    jobs += 1;
                    job("jmh", &format!("job-{jobs}"), "preemptible", *count)
                },
                |job| bytes = encode_ops(&world.create(job).ops).len(),
            );
        let size = Figure::new("ST1", format!("log of {count} pending tasks"), "insert");
        figures.extend([figure, size.bytes(bytes as f64)]);
    }
    figures
}

/// Ended tasks of a job that are forgotten in one transaction.
pub(crate) fn delete(suite: &Suite) -> Vec<Figure> {
    let published = [
        "14.52 deletes of 1,000 a second (4bc524614, 2016)",
        "1.290 deletes of 10,000 a second (4bc524614, 2016)",
        "0.254 deletes of 50,000 a second (4bc524614, 2016)",
    ];
    let mut figures = Vec::new();
    for (count, published) in suite.sizes(&SIZES).iter().zip(published) {
        let store = ended(*count);
        let figure = Figure::new("ST2", format!("delete {count} ended tasks"), "task")
            .sized(*count)
            .published(published)
            .run(
                suite.samples(10),
                *count,
                || World::over(Core::recover(flags(), ended_copy(&store), 0).0),
                |mut world| {
                    let query = Some(query("old"));
                    world.write(arguments::PruneTasks { query });
                    assert_eq!(world.core.store().read().task_count(), 0);
                    // Giving the memory back is not the scheduler's doing.
                    std::mem::forget(world);
                },
            );
        figures.push(figure);
    }
    figures
}

/// The ops that make a job of ended tasks.
fn ended(count: usize) -> Vec<Op> {
    let mut world = World::new();
    let mut ops = world.create(job("jmh", "old", "preemptible", count)).ops;
    let view = world.core.store().read();
    let ids: Vec<_> = view
        .jobs()
        .flat_map(|job| view.tasks_of_job(job))
        .map(|task| task.id())
        .collect();
    for task in ids {
        ops.push(Op::SaveStatus {
            task,
            status: ScheduleStatus::Finished,
            message: None,
            time: i64::MAX / 8,
        });
    }
    ops
}

fn ended_copy(ops: &[Op]) -> Store {
    let mut store = Store::default();
    for op in ops {
        store.apply(op).expect("the ops come from a store");
    }
    store
}

/// Tasks that start, and the news that they run.
fn starting(count: usize) -> (Store, Vec<TaskStatus>) {
    let mut world = World::new();
    let mut ops = world.create(job("jmh", "many", "preferred", count)).ops;
    let view = world.core.store().read();
    let jobs = view.jobs().flat_map(|job| view.tasks_of_job(job));
    let ids: Vec<_> = jobs.map(|task| task.id()).collect();
    let mut statuses = Vec::with_capacity(count);
    for (host, task) in ids.into_iter().enumerate() {
        let agent = format!("slave-{host}");
        statuses.push(TaskStatus {
            task_id: (&*task).into(),
            agent_id: Some(agent.as_str().into()),
            state: TaskState::Running,
            uuid: Some(vec![0; 16].into()),
            ..TaskStatus::default()
        });
        ops.push(Op::Assign {
            task: task.clone(),
            agent: agent.into(),
            host: format!("host-{host}").into(),
            ports: Vec::new(),
            time: 2,
        });
        ops.push(Op::SaveStatus {
            task,
            status: ScheduleStatus::Starting,
            message: None,
            time: 3,
        });
    }
    (ended_copy(&ops), statuses)
}

/// Tasks come to RUNNING while the log takes its time for each entry: as many statuses a second, and entries, as that.
pub(crate) fn statuses(suite: &Suite) -> Vec<Figure> {
    let count = 1_000;
    let mut figures = Vec::new();
    for millis in suite.axis(&[5, 25, 100]) {
        let delay = Duration::from_millis(*millis);
        let what = format!("{count} statuses, {millis} ms an entry");
        let mut figure = Figure::new("ST3", what.as_str(), "status");
        let mut entries = Figure::new("ST3", format!("{what}: entries"), "run");
        for _ in 0..suite.samples(10) {
            let (store, statuses) = starting(count);
            let delivered = deliver(flags(), store, statuses, delay).expect("the engine runs");
            figure.sample(delivered.took, count);
            entries = entries.counted(delivered.entries as f64);
        }
        figures.extend([figure, entries]);
    }
    figures
}

/// Running tasks of which some fail and come back, throttled, with their history thinned out.
pub(crate) fn churn(suite: &Suite) -> Vec<Figure> {
    let count = if suite.smoke { 2_000 } else { 100_000 };
    let mut world = World::new();
    let mut running = Vec::with_capacity(count);
    let per_job = 1_000;
    for n in 0..count / per_job {
        world.offer_hosts(n * per_job..(n + 1) * per_job);
        let mut service = job("jmh", &format!("service-{n}"), "preemptible", per_job);
        service.task_config.max_task_failures = -1;
        world.create(service);
        running.extend(world.place(per_job));
    }
    for task in &running {
        world.status(
            &task.task_id.value,
            &task.agent_id.value,
            TaskState::Running,
        );
    }
    let mut figure = Figure::new(
        "ST4",
        format!("{count} running, 1% fail a second"),
        "failure",
    );
    let mut at = 0;
    for _ in 0..suite.samples(30) {
        world.now += 1_000;
        let failing: Vec<_> = (0..count / 100)
            .map(|n| running[(at + n) % running.len()].clone())
            .collect();
        at += failing.len();
        let start = Instant::now();
        for task in &failing {
            world.status(&task.task_id.value, &task.agent_id.value, TaskState::Failed);
        }
        figure.sample(start.elapsed(), failing.len());
    }
    vec![figure]
}

//! A1 and A2: the answers that grow with the cluster.

use aurora_api::message::{Protocol, encode_reply};
use aurora_api::model::{ResponseCode, ScheduleStatus, TaskQuery};
use aurora_api::service::{Call, arguments};
use aurora_scheduler::core::store::Task;
use aurora_scheduler::core::{Config, Op, Store, View};
use aurora_scheduler::read;

use crate::fixtures::{flags, insert, job};
use crate::measure::{Figure, Suite};

/// Roles, jobs of each of them in each of five environments, running and ended instances of each job
/// (aurora: `ThriftApiBenchmarks.java`).
#[derive(Clone, Copy)]
struct Shape {
    roles: usize,
    jobs: usize,
    running: usize,
    dead: usize,
}

const PLAIN: Shape = Shape {
    roles: 1,
    jobs: 1,
    running: 100,
    dead: 100,
};

/// One axis at a time.
fn shapes() -> Vec<(&'static str, usize, Shape)> {
    let mut shapes = Vec::new();
    for roles in [1, 10, 100, 500] {
        shapes.push(("roles", roles, Shape { roles, ..PLAIN }));
    }
    for jobs in [1, 10, 100, 500] {
        shapes.push(("jobs", jobs, Shape { jobs, ..PLAIN }));
    }
    for running in [1, 10, 100, 1_000, 10_000] {
        shapes.push(("instances", running, Shape { running, ..PLAIN }));
    }
    shapes
}

fn cluster(shape: Shape) -> View {
    let mut store = Store::default();
    for role in 0..shape.roles {
        for environment in ["prod", "devel", "test", "staging0", "staging1"] {
            for n in 0..shape.jobs {
                let (role, name) = (format!("role-{role}"), format!("job-{n}"));
                let mut config = job(&role, &name, "preemptible", 1).task_config;
                config.job.environment = environment.to_owned();
                let last = i32::try_from(shape.running + shape.dead - 1).unwrap_or(0);
                insert(&mut store, config, 0, last);
            }
        }
    }
    let view = store.view();
    let is_dead = |task: &&Task| usize::try_from(task.instance).is_ok_and(|n| n >= shape.running);
    let tasks = view.jobs().flat_map(|job| view.tasks_of_job(job));
    for task in tasks.filter(is_dead) {
        let end = Op::SaveStatus {
            task: task.id(),
            status: ScheduleStatus::Finished,
            message: None,
            time: 2,
        };
        store.apply(&end).expect("the task is there");
    }
    store.view()
}

/// An answer to a call, made and written in a protocol.
fn answered(config: &Config, view: &View, call: &Call, protocol: Protocol) -> usize {
    let answer = read(config, view, 0, call.clone()).expect("a reading call");
    assert_eq!(answer.response_code, ResponseCode::Ok);
    encode_reply(protocol, call.method(), 1, &answer).len()
}

pub(crate) fn roles(suite: &Suite) -> Vec<Figure> {
    let (config, call): (Config, Call) = (flags(), arguments::GetRoleSummary {}.into());
    let shapes = shapes();
    let figures = suite.axis(&shapes).iter().map(|(axis, size, shape)| {
        let view = cluster(*shape);
        let (item, items) = match *axis {
            "roles" => ("role", *size),
            _ => ("answer", 1),
        };
        let figure = Figure::new("A1", format!("role summary, {size} {axis}"), item);
        // Along the axis that the answer grows with.
        let figure = match item {
            "role" => figure.sized(items),
            _ => figure,
        };
        figure.run(
            suite.samples(20),
            items,
            || {},
            |()| {
                answered(&config, &view, &call, Protocol::Json);
            },
        )
    });
    figures.collect()
}

pub(crate) fn all_tasks(suite: &Suite) -> Vec<Figure> {
    let config = flags();
    let call: Call = arguments::GetTasksStatus {
        query: Some(TaskQuery::default()),
    }
    .into();
    let shapes = shapes();
    let mut figures = Vec::new();
    for (axis, size, shape) in suite.axis(&shapes) {
        let view = cluster(*shape);
        let tasks = shape.roles * 5 * shape.jobs * (shape.running + shape.dead);
        for (name, protocol) in [("binary", Protocol::Binary), ("TJSON", Protocol::Json)] {
            let what = format!("all {tasks} tasks, {size} {axis}, {name}");
            let mut bytes = 0;
            let figure = Figure::new("A2", what.clone(), "task").sized(tasks).run(
                suite.samples(3),
                tasks,
                || {},
                |()| bytes = answered(&config, &view, &call, protocol),
            );
            let weight = Figure::new("A2", what, "task").bytes(bytes as f64 / tasks as f64);
            figures.extend([figure, weight]);
        }
    }
    figures
}

//! T1 to T3: reading the tasks.

use std::hint::black_box;

use aurora_api::model::{ScheduleStatus, TaskQuery};
use aurora_scheduler::core::View;

use crate::fixtures::{World, job};
use crate::measure::{Figure, Suite};
use crate::placement::query;

fn pending(tasks: usize) -> View {
    let mut world = World::new();
    world.create(job("jmh", "benchmark", "preemptible", tasks));
    world.core.store().view()
}

pub(crate) fn fetch_all(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for count in suite.sizes(&[10_000, 50_000, 100_000, 1_000_000]) {
        let view = pending(*count);
        let all = TaskQuery::default();
        let figure = Figure::new("T1", format!("count all of {count} tasks"), "task").sized(*count);
        figures.push(figure.run(
            suite.samples(20),
            *count,
            || {},
            |()| assert_eq!(view.tasks(&all).count(), *count),
        ));
        let handle = Figure::new("T1", format!("a view of {count} tasks"), "view");
        figures.push(handle.run(
            suite.samples(20),
            1,
            || {},
            |()| drop(black_box(view.clone())),
        ));
    }
    figures
}

pub(crate) fn one_instance(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for count in suite.sizes(&[10_000, 100_000, 1_000_000]) {
        let view = pending(*count);
        let one = TaskQuery {
            instance_ids: Some([0].into()),
            ..query("benchmark")
        };
        let figure = Figure::new("T2", format!("instance 0 of {count}"), "query").sized(*count);
        figures.push(figure.run(
            suite.samples(20),
            1,
            || {},
            |()| assert_eq!(view.tasks(&one).count(), 1),
        ));
    }
    figures
}

/// Different questions to many jobs.
pub(crate) fn shapes(suite: &Suite) -> Vec<Figure> {
    let jobs = if suite.smoke { 100 } else { 2_000 };
    let mut world = World::new();
    for n in 0..jobs {
        world.create(job("jmh", &format!("job-{n}"), "preemptible", 500));
    }
    let view = world.core.store().view();
    let ids = view.jobs().flat_map(|job| view.tasks_of_job(job)).take(100);
    let ids = ids.map(|task| task.id().to_string()).collect();
    let cases: Vec<(&str, TaskQuery)> = vec![
        ("one job", query("job-7")),
        (
            "one job, RUNNING",
            TaskQuery {
                statuses: Some([ScheduleStatus::Running].into()),
                ..query("job-7")
            },
        ),
        (
            "RUNNING, of which there are none",
            TaskQuery {
                statuses: Some([ScheduleStatus::Running].into()),
                ..TaskQuery::default()
            },
        ),
        (
            "a hundred ids",
            TaskQuery {
                task_ids: Some(ids),
                ..TaskQuery::default()
            },
        ),
        (
            "a host",
            TaskQuery {
                slave_hosts: Some(["host-1".to_owned()].into()),
                ..TaskQuery::default()
            },
        ),
        (
            "an environment that nobody has",
            TaskQuery {
                environment: Some("prod".to_owned()),
                ..TaskQuery::default()
            },
        ),
    ];
    let cases = cases.into_iter().map(|(name, query)| {
        let what = format!("{jobs} jobs of 500: {name}");
        Figure::new("T3", what, "query").run(
            suite.samples(20),
            1,
            || {},
            |()| {
                black_box(view.tasks(&query).count());
            },
        )
    });
    cases.collect()
}

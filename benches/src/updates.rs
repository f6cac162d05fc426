//! U1 to U5: updates as they are read, and as they roll.

use std::hint::black_box;

use aurora_api::message::{Protocol, encode_reply};
use aurora_api::model::*;
use aurora_api::service::arguments;
use aurora_scheduler::core::{Op, Store, View};
use aurora_scheduler::read;

use crate::cluster::Cluster;
use crate::fixtures::{World, flags, insert, job, percentage};
use crate::measure::{Figure, Suite};

/// What an update of these benchmarks has.
#[derive(Clone, Copy)]
struct Shape {
    events: usize,
    overrides: i32,
    metadata: usize,
}

const PLAIN: Shape = Shape {
    events: 5_000,
    overrides: 1,
    metadata: 10,
};

fn key() -> JobUpdateKey {
    JobUpdateKey {
        job: job("jmh", "benchmark", "preferred", 1).key,
        id: "u1".to_owned(),
    }
}

/// A state with one update.
fn updated(shape: Shape) -> View {
    let mut task = job("jmh", "benchmark", "preferred", 1).task_config;
    task.executor_config = Some(ExecutorConfig {
        name: Some("AuroraExecutor".to_owned()),
        data: Some("x".repeat(10_000)),
    });
    let metadata = (0..shape.metadata).map(|n| Metadata {
        key: format!("key-{n}"),
        value: format!("value-{n}"),
    });
    // Two apart, so that they do not become one range.
    let overrides = (0..shape.overrides).map(|n| Range {
        first: 2 * n,
        last: 2 * n,
    });
    let update = JobUpdate {
        summary: JobUpdateSummary {
            key: key(),
            user: Some("user".to_owned()),
            state: None,
            metadata: metadata.collect(),
        },
        instructions: JobUpdateInstructions {
            desired_state: Some(InstanceTaskConfig {
                task,
                instances: [Range { first: 0, last: 99 }].into(),
            }),
            settings: JobUpdateSettings {
                update_group_size: 1,
                update_only_these_instances: overrides.collect(),
                ..JobUpdateSettings::default()
            },
            ..JobUpdateInstructions::default()
        },
    };
    let mut store = Store::default();
    let mut apply = |op: Op| drop(store.apply(&op).expect("the ops are in order"));
    apply(Op::SaveUpdate {
        update: update.into(),
    });
    apply(Op::UpdateEvent {
        key: key(),
        event: JobUpdateEvent {
            status: JobUpdateStatus::RollingForward,
            timestamp_ms: 1,
            ..JobUpdateEvent::default()
        },
    });
    for n in 0..shape.events {
        let event = JobInstanceUpdateEvent {
            instance_id: i32::try_from(n).unwrap_or(0),
            timestamp_ms: 2,
            action: JobUpdateAction::InstanceUpdating,
            message: None,
        };
        apply(Op::instance_event(key(), event));
    }
    store.view()
}

/// All details of the update as the service answers them, along an axis of `size`, and the way to the record alone.
fn fetched(suite: &Suite, id: &'static str, what: &str, size: usize, shape: Shape) -> Vec<Figure> {
    let (view, config) = (updated(shape), flags());
    let handle = Figure::new(id, format!("the record, {what}"), "fetch");
    let handle = handle.run(
        suite.samples(20),
        1,
        || {},
        |()| {
            black_box(view.update(&key()));
        },
    );
    let whole = Figure::new(id, format!("details, {what}"), "fetch").sized(size);
    let whole = whole.run(
        suite.samples(20),
        1,
        || {
            let query = JobUpdateQuery::default();
            arguments::GetJobUpdateDetails {
                key: None,
                query: Some(query),
            }
        },
        |call| {
            let answer = read(&config, &view, 0, call.into()).expect("a reading call");
            assert_eq!(answer.response_code, ResponseCode::Ok);
            let bytes = encode_reply(Protocol::Binary, "getJobUpdateDetails", 1, &answer);
            black_box(bytes);
        },
    );
    vec![whole, handle]
}

pub(crate) fn events(suite: &Suite) -> Vec<Figure> {
    let sizes = suite.sizes(&[1_000, 5_000, 10_000]).iter();
    let figures = sizes.flat_map(|events| {
        let shape = Shape {
            events: *events,
            ..PLAIN
        };
        fetched(suite, "U1", &format!("{events} events"), *events, shape)
    });
    figures.collect()
}

pub(crate) fn overrides(suite: &Suite) -> Vec<Figure> {
    let sizes = suite.sizes(&[1, 10, 100, 1_000]).iter();
    let figures = sizes.flat_map(|overrides| {
        let shape = Shape {
            overrides: i32::try_from(*overrides).unwrap_or(1),
            ..PLAIN
        };
        let what = format!("5000 events, {overrides} overrides");
        fetched(suite, "U2", &what, *overrides, shape)
    });
    figures.collect()
}

pub(crate) fn metadata(suite: &Suite) -> Vec<Figure> {
    let sizes = suite.sizes(&[10, 100, 1_000, 10_000]).iter();
    let figures = sizes.flat_map(|metadata| {
        let shape = Shape {
            metadata: *metadata,
            ..PLAIN
        };
        let what = format!("5000 events, {metadata} metadata");
        fetched(suite, "U3", &what, *metadata, shape)
    });
    figures.collect()
}

fn strategies(count: usize) -> [(&'static str, JobUpdateStrategy); 3] {
    let size = |part: usize| i32::try_from((count / part).max(1)).unwrap_or(1);
    [
        (
            "queue",
            JobUpdateStrategy::QueueStrategy(QueueJobUpdateStrategy {
                group_size: size(20),
            }),
        ),
        (
            "batch",
            JobUpdateStrategy::BatchStrategy(BatchJobUpdateStrategy {
                group_size: size(20),
                autopause_after_batch: false,
            }),
        ),
        (
            "variable batch",
            JobUpdateStrategy::VarBatchStrategy(VariableBatchJobUpdateStrategy {
                group_sizes: vec![1, size(50), size(20), size(10)],
                autopause_after_batch: false,
            }),
        ),
    ]
}

/// Whole updates of a job that fills its hosts, on a cluster that does at once what it is told.
pub(crate) fn whole(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for count in suite.sizes(&[10, 1_000, 4_000]) {
        for (name, strategy) in strategies(*count) {
            // Smaller jobs may not have such a policy.
            for sla_aware in [false, true].into_iter().take(1 + count / 20) {
                let kind = if sla_aware { ", SLA-aware" } else { "" };
                let what = format!("update of {count}, {name}{kind}");
                figures.extend(roll(&what, *count, strategy.clone(), sla_aware));
            }
        }
    }
    figures
}

fn roll(what: &str, count: usize, strategy: JobUpdateStrategy, sla_aware: bool) -> [Figure; 4] {
    let mut cluster = Cluster::new(count + count / 10, World::new());
    let mut service = job("jmh", "benchmark", "preferred", count);
    service.task_config.sla_policy = sla_aware.then(|| percentage(80.0, 0));
    let job = service.key.clone();
    cluster.write(arguments::CreateJob {
        description: Some(service.clone()),
    });
    cluster.until(|core| {
        let job = core.store().read().job(&job);
        job.is_some_and(|job| job.count(ScheduleStatus::Running) as usize == count)
    });
    service.task_config.priority += 1;
    cluster.spent = Default::default();
    cluster.write(arguments::StartJobUpdate {
        request: Some(JobUpdateRequest {
            task_config: service.task_config,
            instance_count: service.instance_count,
            settings: JobUpdateSettings {
                update_strategy: Some(strategy),
                sla_aware: Some(sla_aware),
                ..JobUpdateSettings::default()
            },
            metadata: Default::default(),
        }),
        message: None,
    });
    cluster.until(|core| core.store().read().active_update(&job).is_none());
    let status = cluster
        .world
        .core
        .store()
        .read()
        .updates_of_job(&job)
        .next();
    let status = status.and_then(aurora_scheduler::core::store::Update::status);
    assert_eq!(status, Some(JobUpdateStatus::RolledForward), "{what}");
    let spent = cluster.spent;
    let mut time = Figure::new("U4", what, "instance").sized(count);
    time.sample(spent.time, count);
    let each = |what: String, number: usize| {
        let figure = Figure::new("U4", what, "instance");
        figure.counted(number as f64 / count as f64)
    };
    [
        time,
        each(format!("{what}: steps"), spent.steps),
        each(format!("{what}: entries of the log"), spent.entries),
        each(format!("{what}: ops"), spent.ops),
    ]
}

/// What an update would change, for a job of fifty large configurations.
pub(crate) fn differences(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for count in suite.sizes(&[500, 4_000, 32_000]) {
        let mut store = Store::default();
        let config = |number: usize| {
            let mut config = job("jmh", "benchmark", "preferred", 1).task_config;
            config.executor_config = Some(ExecutorConfig {
                name: Some("AuroraExecutor".to_owned()),
                data: Some(format!("{}{number}", "x".repeat(10_000))),
            });
            config
        };
        let each = i32::try_from(count / 50).unwrap_or(1);
        for number in 0..50 {
            let first = each * i32::try_from(number).unwrap_or(0);
            insert(&mut store, config(number), first, first + each - 1);
        }
        let (view, flags) = (store.view(), flags());
        let figure = Figure::new(
            "U5",
            format!("difference of {count} in 50 configs"),
            "instance",
        );
        figures.push(figure.sized(*count).run(
            suite.samples(20),
            *count,
            || JobUpdateRequest {
                task_config: config(7),
                instance_count: each * 50,
                settings: JobUpdateSettings::default(),
                metadata: Default::default(),
            },
            |request| {
                let call = arguments::GetJobUpdateDiff {
                    request: Some(request),
                };
                let answer = read(&flags, &view, 0, call.into()).expect("a reading call");
                assert_eq!(answer.response_code, ResponseCode::Ok, "{answer:?}");
                black_box(answer);
            },
        ));
    }
    figures
}

//! S1 to S7: placing tasks.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aurora_api::model::{JobConfiguration, JobKey, TaskQuery};
use aurora_api::service::arguments;
use aurora_mesos::v1::OfferId;
use aurora_scheduler::core::{Input, MesosEvent};

use crate::fixtures::{CPUS, World, job, launches, limit, value, with};
use crate::measure::{Figure, Suite};

/// Ten fresh tasks at a time, placed in calls of five, until the hosts run out.
pub(crate) fn fill(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for hosts in suite.sizes(&[2_000, 20_000, 100_000, 200_000]) {
        let mut all = Figure::new("S1", format!("fill {hosts} hosts"), "placement")
            .sized(*hosts)
            .published("87.6 batches of 10 a second (320ee0810, 2016)");
        let mut last = Figure::new("S1", format!("fill {hosts} hosts, last tenth"), "placement");
        let runs = if *hosts <= 20_000 {
            suite.samples(5)
        } else {
            1
        };
        for _ in 0..runs {
            let mut world = World::filled(*hosts, 0.01, 0.01);
            let (mut placed, mut tenth) = (Vec::new(), Duration::ZERO);
            let batches = (hosts * 98 / 100) / 10;
            let mut total = Duration::ZERO;
            for batch in 0..batches {
                let fresh = job("jmh", &format!("fresh-{batch}"), "preemptible", 10);
                let start = Instant::now();
                world.create(fresh);
                let tasks = world.place(10);
                let took = start.elapsed();
                placed.push(tasks.len());
                total += took;
                if batch >= batches * 9 / 10 {
                    tenth += took;
                }
            }
            let count: usize = placed.iter().sum();
            assert_eq!(count, batches * 10, "every task finds a host");
            all.sample(total, count);
            last.sample(tenth, (batches - batches * 9 / 10) * 10);
        }
        figures.extend([all, last]);
    }
    figures
}

/// One task that fits nowhere: what a turn costs when all offers are new, and when nothing changed since the last one.
fn hopeless(
    suite: &Suite,
    id: &'static str,
    what: &str,
    task: JobConfiguration,
    published: Option<&'static str>,
) -> Vec<Figure> {
    let hosts = 1_000;
    let mut world = World::filled(hosts, 0.25, 0.25);
    world.create(task);
    world.turn();
    let free = hosts / 2..hosts;
    let samples = suite.samples(50);
    let mut cold = Figure::new(id, format!("{what}, {hosts} hosts, new offers"), "attempt");
    if let Some(text) = published {
        cold = cold.published(text);
    }
    for _ in 0..samples {
        world.subscribe();
        world.offer_hosts(free.clone());
        let start = Instant::now();
        let step = world.turn();
        cold.sample(start.elapsed(), 1);
        assert_eq!(launches(step).count(), 0);
    }
    let warm = Figure::new(id, format!("{what}, {hosts} hosts, nothing new"), "attempt").run(
        samples,
        100,
        || {},
        |()| {
            for _ in 0..100 {
                black_box(world.turn());
            }
        },
    );
    vec![cold, warm]
}

pub(crate) fn insufficient(suite: &Suite) -> Vec<Figure> {
    let mut task = job("jmh", "big", "preferred", 1);
    task.task_config.resources = crate::fixtures::resources(32.0);
    let published = Some("3447.7 attempts a second, warm (05f082a1c, 2016)");
    hopeless(suite, "S2", "32 cores", task, published)
}

pub(crate) fn value_mismatch(suite: &Suite) -> Vec<Figure> {
    let task = with(
        job("jmh", "picky", "preferred", 1),
        value("host", ["denied"]),
    );
    hopeless(suite, "S3", "host in {denied}", task, None)
}

pub(crate) fn limit_mismatch(suite: &Suite) -> Vec<Figure> {
    let task = with(job("jmh", "lonely", "preferred", 1), limit("host", 0));
    let published = Some("432.4 attempts a second, warm (320ee0810, 2016)");
    hopeless(suite, "S4", "limit host 0", task, published)
}

/// No offers at all.
pub(crate) fn full(suite: &Suite) -> Vec<Figure> {
    let hosts = if suite.smoke { 1_000 } else { 10_000 };
    let mut world = World::filled(hosts, 0.1, 0.9);
    world.create(with(job("jmh", "late", "preferred", 1), limit("host", 0)));
    let figure = Figure::new("S5", format!("{hosts} hosts, no offers"), "attempt").run(
        suite.samples(50),
        1_000,
        || {},
        |()| {
            for _ in 0..1_000 {
                black_box(world.turn());
            }
        },
    );
    vec![figure]
}

/// One round of the search for room, with groups that were never searched for and with ones that were.
pub(crate) fn slot_search(suite: &Suite) -> Vec<Figure> {
    let hosts = if suite.smoke { 1_000 } else { 10_000 };
    let mut figures = Vec::new();
    for (pending, published) in [
        (1, "41.8 rounds a second (91ec949bb, 2016)"),
        (10, "46.0 rounds a second (91ec949bb, 2016)"),
        (100, "44.2 rounds a second (91ec949bb, 2016)"),
        (1_000, "38.7 rounds a second (91ec949bb, 2016)"),
    ] {
        let mut world = World::filled(hosts, 0.1, 0.9);
        let name = |round: usize| format!("needy-{round}");
        let search = |world: &mut World| {
            let before = world
                .core
                .counters()
                .get("preemptor_task_processor_runs")
                .copied();
            loop {
                let start = Instant::now();
                black_box(world.turn());
                let took = start.elapsed();
                let after = world
                    .core
                    .counters()
                    .get("preemptor_task_processor_runs")
                    .copied();
                if after != before {
                    return took;
                }
            }
        };
        let mut new = Figure::new(
            "S6",
            format!("{hosts} hosts, {pending} pending, new group"),
            "round",
        )
        .published(published);
        for round in 0..suite.samples(10) {
            let needy = job("jmh", &name(round), "preferred", pending);
            world.create(with(needy, value("host", ["denied"])));
            new.sample(search(&mut world), 1);
            if round + 1 < suite.samples(10) {
                world.write(arguments::KillTasks {
                    job: Some(JobKey::new("jmh", "devel", &name(round))),
                    ..arguments::KillTasks::default()
                });
            }
        }
        let mut known = Figure::new(
            "S6",
            format!("{hosts} hosts, {pending} pending, known group"),
            "round",
        );
        for _ in 0..suite.samples(10) {
            known.sample(search(&mut world), 1);
        }
        figures.extend([new, known]);
    }
    let mut world = World::filled(hosts, 0.1, 0.9);
    let wanted = hosts / 10;
    world.create(job("jmh", "needy", "preferred", wanted));
    let start = Instant::now();
    while world
        .core
        .gauges()
        .iter()
        .all(|(name, value)| name != "preemption_slot_cache_size" || *value < wanted as u64)
    {
        world.turn();
    }
    let mut found = Figure::new(
        "S6b",
        format!("{hosts} hosts, {wanted} pending, room everywhere"),
        "slot",
    );
    found.sample(start.elapsed(), wanted);
    figures.push(found);
    figures
}

/// Offers that come, are taken back and come again, and are given back when their time is over.
pub(crate) fn offers(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for agents in suite.sizes(&[1_000, 10_000, 50_000]) {
        let mut first = Figure::new("S7", format!("{agents} offers of new agents"), "offer");
        let mut come =
            Figure::new("S7", format!("{agents} offers of known agents"), "offer").sized(*agents);
        let mut again = Figure::new(
            "S7",
            format!("a tenth of {agents} rescinded and offered"),
            "offer",
        );
        for _ in 0..suite.samples(5) {
            let mut world = World::new();
            let make = |world: &mut World, count: usize| -> Vec<_> {
                (0..count)
                    .map(|host| world.make_offer(host, 2, CPUS))
                    .collect()
            };
            for figure in [&mut first, &mut come] {
                world.subscribe();
                let offers = make(&mut world, *agents);
                let start = Instant::now();
                world.step(Input::Mesos(MesosEvent::Offers(offers)));
                figure.sample(start.elapsed(), *agents);
            }
            let part = agents / 10;
            let ids: Vec<OfferId> = world
                .core
                .held_offers()
                .take(part)
                .map(|offer| offer.id)
                .collect();
            let offers = make(&mut world, part);
            let start = Instant::now();
            for id in ids {
                world.mesos(MesosEvent::Rescinded(id));
            }
            world.mesos(MesosEvent::Offers(offers));
            again.sample(start.elapsed(), part);
        }
        figures.extend([first, come, again]);
    }
    figures
}

/// Everything of one job.
pub(crate) fn query(name: &str) -> TaskQuery {
    TaskQuery {
        role: Some("jmh".to_owned()),
        environment: Some("devel".to_owned()),
        job_name: Some(name.to_owned()),
        ..TaskQuery::default()
    }
}

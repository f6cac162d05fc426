//! S1 to S7: placing tasks.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aurora_api::model::{JobConfiguration, JobKey, TaskQuery};
use aurora_api::service::arguments;
use aurora_mesos::v1::OfferId;
use aurora_scheduler::core::{Config, Core, MesosEvent};

use crate::fixtures::{CPUS, World, decided, flags, job, limit, value, with};
use crate::measure::{Figure, Suite};

/// What one fill took.
#[derive(Default)]
struct Fill {
    all: Duration,
    first_tenth: Duration,
    last_tenth: Duration,
    /// To put the launches into the words that Mesos is told, which is done where they leave.
    words: Duration,
    placed: usize,
}

/// Ten fresh tasks at a time, placed in calls of five, until the hosts run out.
fn fill_hosts(hosts: usize) -> Fill {
    let mut world = World::filled(hosts, 0.01, 0.01);
    let batches = (hosts * 98 / 100) / 10;
    let mut fill = Fill::default();
    for batch in 0..batches {
        let fresh = job("jmh", &format!("fresh-{batch}"), "preemptible", 10);
        let start = Instant::now();
        world.create(fresh);
        let launched = world.launch(10);
        let took = start.elapsed();
        fill.placed += launched.len();
        fill.all += took;
        match batch * 10 / batches {
            0 => fill.first_tenth += took,
            9 => fill.last_tenth += took,
            _ => {}
        }
        let start = Instant::now();
        for launch in &launched {
            black_box(launch.info());
        }
        fill.words += start.elapsed();
    }
    assert_eq!(fill.placed, batches * 10, "every task finds a host");
    fill
}

pub(crate) fn fill(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for hosts in suite.sizes(&[2_000, 20_000, 100_000, 200_000]) {
        let figure =
            |what: &str| Figure::new("S1", format!("fill {hosts} hosts{what}"), "placement");
        let mut all = figure("")
            .sized(*hosts)
            .published("87.6 batches of 10 a second (320ee0810, 2016)");
        let (mut first, mut last) = (figure(", first tenth"), figure(", last tenth"));
        let mut words = figure(", messages");
        let runs = if *hosts <= 20_000 { 10 } else { 3 };
        for _ in 0..suite.samples(runs) {
            let fill = fill_hosts(*hosts);
            all.sample(fill.all, fill.placed);
            first.sample(fill.first_tenth, fill.placed / 10);
            last.sample(fill.last_tenth, fill.placed / 10);
            words.sample(fill.words, fill.placed);
        }
        figures.extend([all, first, last, words]);
    }
    figures
}

/// Turns until so many attempts were made; how long those took.
pub(crate) fn attempts(world: &mut World, wanted: u64) -> Duration {
    let fired = |world: &World| {
        let counters = world.core.counters();
        counters
            .get("schedule_attempts_fired")
            .copied()
            .unwrap_or(0)
    };
    let (mut took, mut made) = (Duration::ZERO, 0);
    while made < wanted {
        let before = fired(world);
        let start = Instant::now();
        let step = world.turn();
        let turn = start.elapsed();
        let tried = fired(world) - before;
        assert_eq!(decided(step).count(), 0, "it fits nowhere");
        made += tried;
        took += if tried > 0 { turn } else { Duration::ZERO };
    }
    took
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
        cold.sample(attempts(&mut world, 1), 1);
    }
    let mut warm = Figure::new(id, format!("{what}, {hosts} hosts, nothing new"), "attempt");
    for _ in 0..samples {
        warm.sample(attempts(&mut world, 100), 100);
    }
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
    // From one try to the next a minute passes, and what is measured of all jobs every minute is no part of a try.
    let config = Config {
        sla_stat_refresh_interval: i64::MAX / 4,
        ..flags()
    };
    let mut world = World::over(Core::new(config)).fill(hosts, 0.1, 0.9);
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

/// Offers that an event brings. They are decoded right before, so that they are in the cache.
const OFFERS_AN_EVENT: usize = 100;

/// Lets hosts offer, as many in an event as Mesos would tell at once; how long taking them in took.
fn take_in(world: &mut World, hosts: std::ops::Range<usize>) -> Duration {
    let mut took = Duration::ZERO;
    let hosts: Vec<usize> = hosts.collect();
    for part in hosts.chunks(OFFERS_AN_EVENT) {
        let offers = part
            .iter()
            .map(|host| world.make_offer(*host, 2, CPUS))
            .collect();
        let start = Instant::now();
        black_box(world.mesos(MesosEvent::Offers(offers)));
        took += start.elapsed();
    }
    took
}

/// Offers that come, are taken back and come again, and are given back when their time is over.
pub(crate) fn offers(suite: &Suite) -> Vec<Figure> {
    let mut figures = Vec::new();
    for agents in suite.sizes(&[1_000, 10_000, 50_000]) {
        let figure = |what: String| Figure::new("S7", what, "offer");
        let mut first = figure(format!("{agents} offers of new agents")).sized(*agents);
        let mut come = figure(format!("{agents} offers of known agents"));
        let mut again = figure(format!("a tenth of {agents} rescinded and offered"));
        let mut back = figure(format!("{agents} offers held long enough"));
        for _ in 0..suite.samples(10) {
            let mut world = World::new();
            first.sample(take_in(&mut world, 0..*agents), *agents);
            world.subscribe();
            come.sample(take_in(&mut world, 0..*agents), *agents);
            let part = agents / 10;
            let ids: Vec<OfferId> = world
                .core
                .held_offers()
                .take(part)
                .map(|offer| offer.id)
                .collect();
            let start = Instant::now();
            for id in ids {
                world.mesos(MesosEvent::Rescinded(id));
            }
            let took = start.elapsed() + take_in(&mut world, 0..part);
            again.sample(took, part);

            let mut world = World::over(Core::new(Config {
                hold_offers_forever: false,
                ..flags()
            }));
            take_in(&mut world, 0..*agents);
            let start = Instant::now();
            while world.core.offers_held() > 0 {
                black_box(world.turn());
            }
            back.sample(start.elapsed(), *agents);
        }
        figures.extend([first, come, again, back]);
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

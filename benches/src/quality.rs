//! S9: how full hosts get. S10: what a part of the design earns.

use std::time::Instant;

use aurora_api::model::{JobConfiguration, JobKey, Resource};
use aurora_api::service::arguments;
use aurora_api::wire::Double;
use aurora_mesos::v1::TaskInfo;
use aurora_scheduler::core::{Config, Core, MesosEvent, OfferOrder};

use crate::fixtures::{SEED, World, flags, job, launches, resources};
use crate::measure::{Figure, Suite};
use crate::placement::attempts;

/// What is free on a host, or asked by a task: cores and MiB of memory.
#[derive(Clone, Copy)]
struct Room {
    cpus: f64,
    ram: f64,
}

impl Room {
    fn covers(self, need: Room) -> bool {
        self.cpus >= need.cpus && self.ram >= need.ram
    }

    fn without(self, used: Room) -> Room {
        // Mesos counts thousandths.
        let cpus = ((self.cpus - used.cpus) * 1000.0).round() / 1000.0;
        Room {
            cpus,
            ram: self.ram - used.ram,
        }
    }
}

/// The same numbers in every run (Steele, Lea, Flood: SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Three sizes in turns.
fn hosts(count: usize) -> Vec<Room> {
    let sizes = [(4.0, 16_384.0), (16.0, 65_536.0), (32.0, 98_304.0)];
    let sizes = sizes.iter().cycle().take(count);
    sizes
        .map(|(cpus, ram)| Room {
            cpus: *cpus,
            ram: *ram,
        })
        .collect()
}

/// Jobs of which most are small, until they ask for all cores: instances and what each needs.
fn jobs(cpus: f64) -> Vec<(usize, Room)> {
    let mut numbers = Numbers(SEED);
    let mut asked = 0.0;
    let mut jobs = Vec::new();
    while asked < cpus {
        let size = match numbers.below(100) {
            0..60 => 1 + numbers.below(10),
            60..90 => 11 + numbers.below(90),
            90..99 => 101 + numbers.below(900),
            _ => 1_001 + numbers.below(3_000),
        };
        let need = Room {
            cpus: (1 + numbers.below(40)) as f64 / 10.0,
            ram: (64 * (1 + numbers.below(128))) as f64,
        };
        asked += need.cpus * size as f64;
        jobs.push((size as usize, need));
    }
    jobs
}

fn described(number: usize, (count, need): (usize, Room)) -> JobConfiguration {
    let mut job = job("jmh", &format!("profile-{number}"), "preferred", count);
    job.task_config.resources = [
        Resource::NumCpus(Double(need.cpus)),
        Resource::RamMb(need.ram as i64),
        Resource::DiskMb(1),
    ]
    .into();
    job
}

fn offer(world: &mut World, host: usize, room: Room) {
    let mut offer = world.make_offer(host, 2, 8.0);
    for resource in &mut offer.resources {
        let value = match resource.name.as_str() {
            "cpus" => room.cpus,
            "mem" => room.ram,
            _ => continue,
        };
        if let Some(scalar) = &mut resource.scalar {
            scalar.value = value;
        }
    }
    world.mesos(MesosEvent::Offers(vec![offer]));
}

/// The host of a task, as its place in the list.
fn host_of(task: &TaskInfo) -> usize {
    let number = task.agent_id.value.trim_start_matches("slave-").parse();
    number.expect("agents are named so")
}

/// Places jobs until a task of at most one core finds no room; what is left of the hosts.
fn filled(config: Config, hosts: &[Room], jobs: &[(usize, Room)]) -> Vec<Room> {
    let mut world = World::over(Core::new(config));
    let mut free = hosts.to_vec();
    for (host, room) in hosts.iter().enumerate() {
        offer(&mut world, host, *room);
    }
    for (number, (count, need)) in jobs.iter().enumerate() {
        world.create(described(number, (*count, *need)));
        let (mut placed, mut idle) = (0, 0);
        while placed < *count && idle < 3 {
            let tasks: Vec<TaskInfo> = launches(world.turn()).collect();
            idle = if tasks.is_empty() { idle + 1 } else { 0 };
            placed += tasks.len();
            for host in tasks.iter().map(host_of) {
                free[host] = free[host].without(*need);
                if free[host].cpus > 0.0 && free[host].ram > 0.0 {
                    offer(&mut world, host, free[host]);
                }
            }
        }
        if placed < *count {
            if need.cpus <= 1.0 {
                break;
            }
            let key = JobKey::new("jmh", "devel", &format!("profile-{number}"));
            let rest = arguments::KillTasks {
                job: Some(key),
                instances: Some((placed..*count).map(|at| at as i32).collect()),
                ..arguments::KillTasks::default()
            };
            world.write(rest);
        }
    }
    free
}

/// How a task, or what a host has left, is measured against the cluster's mean host.
type Measure = fn(Room, Room) -> f64;

/// The larger of the shares of cores and memory.
fn dominant(room: Room, mean: Room) -> f64 {
    (room.cpus / mean.cpus).max(room.ram / mean.ram)
}

fn cores(room: Room, _mean: Room) -> f64 {
    room.cpus
}

fn both(room: Room, mean: Room) -> f64 {
    room.cpus / mean.cpus + room.ram / mean.ram
}

/// The largest tasks first, each where it leaves least, with all tasks known beforehand; those that fit nowhere are passed
/// over. `large` and `left` say what is large and what is little.
fn best_fit_decreasing(
    hosts: &[Room],
    jobs: &[(usize, Room)],
    large: Measure,
    left: Measure,
) -> Vec<Room> {
    let sum = |of: fn(&Room) -> f64| hosts.iter().map(of).sum::<f64>() / hosts.len() as f64;
    let mean = Room {
        cpus: sum(|room| room.cpus),
        ram: sum(|room| room.ram),
    };
    let mut jobs = jobs.to_vec();
    jobs.sort_by(|(_, one), (_, other)| large(*other, mean).total_cmp(&large(*one, mean)));
    let mut free = hosts.to_vec();
    for (count, need) in jobs {
        for _ in 0..count {
            let fitting = free.iter_mut().filter(|room| room.covers(need));
            let best = fitting.min_by(|one, other| {
                let after = |room: &Room| left(room.without(need), mean);
                after(one).total_cmp(&after(other))
            });
            let Some(room) = best else {
                break;
            };
            *room = room.without(need);
        }
    }
    free
}

/// The best of several ways to know everything beforehand.
fn offline(hosts: &[Room], jobs: &[(usize, Room)]) -> Vec<Room> {
    let orders: [Measure; 3] = [dominant, cores, both];
    let fits: [Measure; 2] = [dominant, cores];
    let ways = orders
        .iter()
        .flat_map(|large| fits.iter().map(move |left| (*large, *left)));
    let ends = ways.map(|(large, left)| best_fit_decreasing(hosts, jobs, large, left));
    let cores_left = |free: &Vec<Room>| free.iter().map(|room| room.cpus).sum::<f64>();
    ends.min_by(|one, other| cores_left(one).total_cmp(&cores_left(other)))
        .expect("there are several ways")
}

/// Each task on the fuller of two hosts that chance chooses among those with room, until one of at most one core finds none.
fn two_choices(hosts: &[Room], jobs: &[(usize, Room)]) -> Vec<Room> {
    let mut numbers = Numbers(SEED);
    let mut free = hosts.to_vec();
    for (count, need) in jobs {
        for _ in 0..*count {
            let start = numbers.below(free.len() as u64) as usize;
            let from = |start: usize| {
                let all = (start..free.len()).chain(0..start);
                all.filter(|at| free[*at].covers(*need)).take(1)
            };
            let other = numbers.below(free.len() as u64) as usize;
            let chosen = from(start).chain(from(other));
            let best = chosen.min_by(|one, other| free[*one].cpus.total_cmp(&free[*other].cpus));
            match best {
                Some(at) => free[at] = free[at].without(*need),
                None if need.cpus <= 1.0 => return free,
                None => break,
            }
        }
    }
    free
}

/// How many hundredths of the hosts' cores and memory are used, and how many hosts are untouched.
fn told(what: &str, hosts: &[Room], free: &[Room]) -> [Figure; 3] {
    let share = |of: fn(&Room) -> f64| {
        let left: f64 = free.iter().map(of).sum();
        100.0 * (1.0 - left / hosts.iter().map(of).sum::<f64>())
    };
    let untouched = hosts.iter().zip(free);
    let untouched = untouched
        .filter(|(all, left)| all.cpus <= left.cpus)
        .count();
    let figure = |kind: &str, number: f64| {
        Figure::new(
            "S9",
            format!("{} hosts, {what}: {kind}", hosts.len()),
            "all",
        )
        .counted(number)
    };
    [
        figure("percent of the cores used", share(|room| room.cpus)),
        figure("percent of the memory used", share(|room| room.ram)),
        figure("hosts untouched", untouched as f64),
    ]
}

/// Hosts of three sizes and jobs of many, until all is full.
pub(crate) fn fill(suite: &Suite) -> Vec<Figure> {
    let hosts = hosts(if suite.smoke { 200 } else { 10_000 });
    let jobs = jobs(hosts.iter().map(|room| room.cpus).sum());
    let mut figures = Vec::new();
    for (what, free) in [
        ("all known beforehand", offline(&hosts, &jobs)),
        ("two choices", two_choices(&hosts, &jobs)),
    ] {
        figures.extend(told(what, &hosts, &free));
    }
    for (what, order) in [
        ("order as by default", flags().offer_order),
        ("order cpu", vec![OfferOrder::Cpu]),
        ("order memory", vec![OfferOrder::Memory]),
        (
            "order cpu, memory",
            vec![OfferOrder::Cpu, OfferOrder::Memory],
        ),
    ] {
        let config = Config {
            offer_order: order,
            ..flags()
        };
        figures.extend(told(what, &hosts, &filled(config, &hosts, &jobs)));
    }
    figures
}

/// What parts of the design earn: several tasks of a group in one turn, one verdict for offers that are alike, and
/// remembering verdicts.
pub(crate) fn ablations(suite: &Suite) -> Vec<Figure> {
    let mut figures = batches(suite);
    figures.extend(verdicts(suite));
    figures
}

fn batches(suite: &Suite) -> Vec<Figure> {
    let hosts = if suite.smoke { 200 } else { 5_000 };
    let figures = [1, 5, 50].into_iter().map(|batch| {
        let what = format!("{hosts} hosts, {batch} tasks a turn");
        let mut figure = Figure::new("S10", what, "placement");
        for _ in 0..suite.samples(10) {
            let config = Config {
                max_tasks_per_schedule_attempt: batch,
                ..flags()
            };
            let mut world = World::over(Core::new(config));
            world.offer_hosts(0..hosts);
            world.create(job("jmh", "many", "preferred", hosts));
            let start = Instant::now();
            let placed = world.launch(hosts).len();
            figure.sample(start.elapsed(), placed);
        }
        figure
    });
    figures.collect()
}

/// A task that fits nowhere is tried: all offers are new and no two are alike, then all are alike, then none is new.
fn verdicts(suite: &Suite) -> Vec<Figure> {
    let hosts = if suite.smoke { 200 } else { 10_000 };
    let mut big = job("jmh", "big", "preferred", 1);
    big.task_config.resources = resources(32.0);
    let mut world = World::new();
    world.create(big);
    let figure = |what: &str| Figure::new("S10", format!("{hosts} hosts, {what}"), "attempt");
    let (mut different, mut alike) = (figure("no two alike"), figure("all alike"));
    let mut known = figure("all known");
    for _ in 0..suite.samples(20) {
        for (step, figure) in [(0.001, &mut different), (0.0, &mut alike)] {
            world.subscribe();
            for host in 0..hosts {
                let cpus = 4.0 + step * (host % 4_000) as f64;
                let ram = 16_384.0 + (step * 1000.0) * (host / 4_000) as f64;
                offer(&mut world, host, Room { cpus, ram });
            }
            figure.sample(attempts(&mut world, 1), 1);
        }
        known.sample(attempts(&mut world, 1), 1);
    }
    vec![different, alike, known]
}

//! Amounts of resources: what an offer has, what a task needs, and cutting one out of the other
//! (aurora: `ResourceManager.java`, `ResourceBag.java`, `AcceptedOffer.java`).
//!
//! Scalars are thousandths, as precise as Mesos counts.

use std::collections::BTreeSet;

use aurora_api::model::ExecutorConfig;
use aurora_api::resources::Amounts;
use aurora_mesos::v1::{Range, Resource};

use super::config::Config;
use super::lots::Lot;
use super::random::Random;

/// Amounts by kind; cpus, memory and disk in thousandths of a core or MiB, the others whole.
/// Compared kind by kind in upstream's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bag {
    pub(crate) cpus: i64,
    pub(crate) ram: i64,
    pub(crate) disk: i64,
    pub(crate) ports: i64,
    pub(crate) gpus: i64,
}

/// A kind of resource with its Mesos name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cpus,
    Ram,
    Disk,
    Ports,
    Gpus,
}

impl Kind {
    pub(super) fn of(resource: &Resource) -> Option<Kind> {
        Some(match resource.name.as_str() {
            "cpus" => Kind::Cpus,
            "mem" => Kind::Ram,
            "disk" => Kind::Disk,
            "ports" => Kind::Ports,
            "gpus" => Kind::Gpus,
            _ => return None,
        })
    }

    /// Whether revocable tasks use it only where Mesos may take it back.
    fn is_revocable(self, config: &Config) -> bool {
        match self {
            Kind::Cpus => config.enable_revocable_cpus,
            Kind::Ram => config.enable_revocable_ram,
            Kind::Disk | Kind::Ports | Kind::Gpus => false,
        }
    }
}

pub(crate) fn thousandths(value: f64) -> i64 {
    // Saturates; not a number is nothing.
    (value * 1000.0).round() as i64
}

/// Whether a part of the resource may go to one task and the rest to another: not so for volumes, disks of their own and
/// shared resources, which nothing here asks for.
fn is_divisible(resource: &Resource) -> bool {
    let whole = resource
        .disk
        .as_ref()
        .is_some_and(|disk| disk.persistence.is_some() || disk.source.is_some());
    !whole && resource.shared.is_none()
}

/// Whether a request may use the resource. `config` is given for revocable requests.
pub(super) fn is_visible(resource: &Resource, kind: Kind, config: Option<&Config>) -> bool {
    let marked = resource.revocable.is_some();
    is_divisible(resource)
        && match config {
            None => !marked,
            Some(config) => marked || !kind.is_revocable(config),
        }
}

pub(super) fn is_reserved(resource: &Resource) -> bool {
    resource.role.as_deref().is_some_and(|role| role != "*") || !resource.reservations.is_empty()
}

fn port_ranges(ranges: &[Range]) -> impl Iterator<Item = (u64, u64)> + '_ {
    ranges
        .iter()
        .filter(|range| range.begin <= range.end && range.end <= 65_535)
        .map(|range| (range.begin, range.end))
}

/// How much there is of a kind: thousandths, or whole ports and GPUs.
pub(super) fn amount_of(kind: Kind, scalar: Option<f64>, ranges: &[Range]) -> i64 {
    match kind {
        Kind::Ports => port_ranges(ranges)
            .map(|(begin, end)| (end - begin + 1) as i64)
            .sum(),
        Kind::Gpus => scalar.map_or(0, |value| value.floor() as i64).max(0),
        Kind::Cpus | Kind::Ram | Kind::Disk => scalar.map_or(0, thousandths).max(0),
    }
}

impl Bag {
    /// What resources come to that nobody may take back.
    fn of_resources(resources: &[Resource]) -> Bag {
        let mut bag = Bag::default();
        for resource in resources {
            if let Some(kind) = Kind::of(resource).filter(|kind| is_visible(resource, *kind, None))
            {
                let scalar = resource.scalar.as_ref().map(|scalar| scalar.value);
                let ranges = resource.ranges.as_ref();
                let ranges = ranges.map_or(&[][..], |ranges| &ranges.range);
                bag.add(kind, amount_of(kind, scalar, ranges));
            }
        }
        bag
    }

    pub(super) fn add(&mut self, kind: Kind, amount: i64) {
        let place = self.place(kind);
        *place = place.saturating_add(amount);
    }

    /// What a task needs, its executor's share not included.
    pub(crate) fn of_task(amounts: &Amounts) -> Bag {
        Bag {
            cpus: thousandths(amounts.cpus),
            ram: amounts.ram_mb.saturating_mul(1000),
            disk: amounts.disk_mb.saturating_mul(1000),
            ports: amounts.ports.len() as i64,
            gpus: amounts.gpus,
        }
    }

    /// What an executor needs. It counts for kinds only that the task asks for itself.
    pub(crate) fn of_executor(config: &Config, executor: &ExecutorConfig, task: &Bag) -> Bag {
        let name = executor.name.as_deref().unwrap_or_default();
        let share = match config.custom_executors.get(name) {
            Some(custom) => Bag::of_resources(&custom.info.resources),
            None => Bag {
                cpus: thousandths(config.executor_cpus),
                ram: config.executor_ram_mb.saturating_mul(1000),
                ..Bag::default()
            },
        };
        let wanted = |asked: i64, share: i64| if asked > 0 { share } else { 0 };
        Bag {
            cpus: wanted(task.cpus, share.cpus),
            ram: wanted(task.ram, share.ram),
            disk: wanted(task.disk, share.disk),
            ..Bag::default()
        }
    }

    pub(crate) fn plus(&self, other: &Bag) -> Bag {
        Bag {
            cpus: self.cpus.saturating_add(other.cpus),
            ram: self.ram.saturating_add(other.ram),
            disk: self.disk.saturating_add(other.disk),
            ports: self.ports.saturating_add(other.ports),
            gpus: self.gpus.saturating_add(other.gpus),
        }
    }

    pub(crate) fn minus(&self, other: &Bag) -> Bag {
        Bag {
            cpus: self.cpus.saturating_sub(other.cpus),
            ram: self.ram.saturating_sub(other.ram),
            disk: self.disk.saturating_sub(other.disk),
            ports: self.ports.saturating_sub(other.ports),
            gpus: self.gpus.saturating_sub(other.gpus),
        }
    }

    /// Whether there is enough of every kind.
    pub(crate) fn covers(&self, need: &Bag) -> bool {
        self.cpus >= need.cpus
            && self.ram >= need.ram
            && self.disk >= need.disk
            && self.ports >= need.ports
            && self.gpus >= need.gpus
    }

    /// Without the kinds that revocable tasks have on loan.
    pub(crate) fn without_revocable(mut self, config: &Config) -> Bag {
        for kind in [Kind::Cpus, Kind::Ram] {
            if kind.is_revocable(config) {
                *self.place(kind) = 0;
            }
        }
        self
    }

    fn place(&mut self, kind: Kind) -> &mut i64 {
        match kind {
            Kind::Cpus => &mut self.cpus,
            Kind::Ram => &mut self.ram,
            Kind::Disk => &mut self.disk,
            Kind::Ports => &mut self.ports,
            Kind::Gpus => &mut self.gpus,
        }
    }
}

/// What is left of an offer while a task and its executor are cut out of it.
#[derive(Debug)]
pub(crate) struct Carver {
    left: Vec<Lot>,
    revocable: bool,
}

/// More parts than most tasks are cut from: memory is taken once.
const PARTS: usize = 5;

impl Carver {
    pub(crate) fn new(mut left: Vec<Lot>, revocable: bool) -> Carver {
        // Reserved resources first: nobody else can use them.
        left.sort_by_key(|lot| !lot.shape.reserved);
        Carver { left, revocable }
    }

    /// Cuts out the scalars of a bag; `None` when there is not enough.
    pub(crate) fn scalars(&mut self, bag: &Bag) -> Option<Vec<Lot>> {
        let kinds = [
            (Kind::Cpus, bag.cpus),
            (Kind::Ram, bag.ram),
            (Kind::Disk, bag.disk),
            (Kind::Gpus, bag.gpus.saturating_mul(1000)),
        ];
        let wanted = kinds.into_iter().filter(|(_, wanted)| *wanted > 0);
        let mut cut = Vec::new();
        for (kind, thousandths) in wanted {
            if cut.is_empty() {
                cut.reserve_exact(PARTS);
            }
            self.scalar(kind, thousandths, &mut cut)?;
        }
        Some(cut)
    }

    fn scalar(&mut self, kind: Kind, mut wanted: i64, cut: &mut Vec<Lot>) -> Option<()> {
        let usable = |lot: &&mut Lot| lot.shape.kind == Some(kind);
        for lot in self.left.iter_mut().filter(usable) {
            if wanted <= 0 {
                break;
            }
            if !lot.shape.is_for(self.revocable) {
                continue;
            }
            let Some(value) = lot.scalar_mut() else {
                continue;
            };
            let has = thousandths(*value).max(0);
            let take = has.min(wanted);
            if take == 0 {
                continue;
            }
            *value = (has - take) as f64 / 1000.0;
            wanted -= take;
            cut.push(lot.cut_scalar(take as f64 / 1000.0));
        }
        (wanted <= 0).then_some(())
    }

    /// Cuts out `count` ports, chosen by chance so that a port that was in use a moment ago rarely comes again.
    pub(crate) fn ports(
        &mut self,
        count: usize,
        random: &mut Random,
    ) -> Option<(Vec<i32>, Vec<Lot>)> {
        if count == 0 {
            return Some(Default::default());
        }
        let usable = |lot: &Lot| {
            let shape = &lot.shape;
            shape.kind == Some(Kind::Ports) && shape.is_for(self.revocable)
        };
        let all: Vec<(usize, u64, u64)> = self
            .left
            .iter()
            .enumerate()
            .filter(|(_, lot)| usable(lot))
            .flat_map(|(at, lot)| {
                port_ranges(lot.ranges()).map(move |(begin, end)| (at, begin, end))
            })
            .collect();
        let total: i64 = all
            .iter()
            .map(|(_, begin, end)| (end - begin + 1) as i64)
            .sum();
        if total < count as i64 {
            return None;
        }
        let mut places = BTreeSet::new();
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let mut place = random.below(total) as u64;
            if !places.insert(place) {
                continue;
            }
            for (at, begin, end) in &all {
                let size = end - begin + 1;
                if place < size {
                    chosen.push((*at, begin + place));
                    break;
                }
                place -= size;
            }
        }
        let cut = self.left.iter().enumerate().filter_map(|(at, lot)| {
            let mut ports: Vec<u64> = chosen
                .iter()
                .filter(|(from, _)| *from == at)
                .map(|(_, port)| *port)
                .collect();
            ports.sort_unstable();
            (!ports.is_empty()).then(|| lot.cut_ranges(joined(&ports)))
        });
        let cut = cut.collect();
        Some((chosen.iter().map(|(_, port)| *port as i32).collect(), cut))
    }
}

/// Sorted ports as ranges.
fn joined(ports: &[u64]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some(last) if last.end + 1 == *port => last.end = *port,
            _ => ranges.push(Range {
                begin: *port,
                end: *port,
            }),
        }
    }
    ranges
}

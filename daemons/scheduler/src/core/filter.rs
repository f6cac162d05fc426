//! Whether an offer suits a task, and why not (aurora: `SchedulingFilterImpl.java`).

use std::collections::BTreeSet;

use aurora_api::model::{Attribute, HostAttributes, JobKey, MaintenanceMode, TaskConstraint};
use aurora_mesos::v1::{Attribute as MesosAttribute, ValueType};

use super::config::{Config, Millis};
use super::resources::Bag;
use super::store::{
    DEDICATED, FastMap, Host, NameId, Names, StoredConfig, Trait, ValueId, View, values_in,
};

/// One reason against an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Veto {
    /// The host is for others.
    Dedicated,
    /// The host is being emptied.
    Draining,
    /// The host was emptied.
    Drained,
    /// The attribute of this name does not suit.
    Constraint(String),
    /// Too many tasks of the job share a value of the attribute of this name.
    Limit(String),
    /// Too little of a kind; the score grows with what is missing.
    Insufficient(&'static str, i64),
}

/// The reasons against one offer.
pub(crate) type Vetoes = Vec<Veto>;

/// What a score is divided by for each kind, so that kinds compare, and what is enough for the greatest score.
const MAX_SCORE: i64 = 1000;

/// The score of a constraint that is not met.
pub(super) const UNMET: i64 = 10_000;

impl Veto {
    /// How far the offer is from suiting.
    pub(crate) fn score(&self) -> i64 {
        match self {
            Veto::Dedicated => 1_000_000,
            Veto::Draining | Veto::Drained => 100_000,
            Veto::Constraint(_) | Veto::Limit(_) => UNMET,
            Veto::Insufficient(_, score) => *score,
        }
    }
}

impl std::fmt::Display for Veto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Veto::Dedicated => f.write_str("Host is dedicated"),
            Veto::Draining => f.write_str("Host draining for maintenance"),
            Veto::Drained => f.write_str("Host drained for maintenance"),
            Veto::Constraint(name) => write!(f, "Constraint not satisfied: {name}"),
            Veto::Limit(name) => write!(f, "Limit not satisfied: {name}"),
            Veto::Insufficient(name, _) => write!(f, "Insufficient: {name}"),
        }
    }
}

/// What the tasks of one configuration need, its constraints in the numbers of the hosts' attributes.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) config: &'a StoredConfig,
    /// With the executor's share.
    pub(crate) need: Bag,
    pub(crate) revocable: bool,
    /// The attribute that a host must not have.
    shunned: Option<NameId>,
    /// The value constraints, in their order.
    pub(super) demands: Vec<Demand<'a>>,
    pub(super) limits: Vec<Limit<'a>>,
}

/// A value constraint.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    name: &'a str,
    id: Option<NameId>,
    /// Ordered; without those that no host has.
    values: Vec<ValueId>,
    negated: bool,
}

/// A limit constraint.
#[derive(Debug)]
pub(super) struct Limit<'a> {
    pub(super) name: &'a str,
    id: Option<NameId>,
    pub(super) limit: i32,
}

/// What a task of a configuration takes, with its executor's share, and whether from what is revocable.
pub(crate) fn needs(config: &Config, stored: &StoredConfig) -> (Bag, bool) {
    let task = Bag::of_task(&stored.amounts);
    let executor = match &stored.task.executor_config {
        Some(executor) => Bag::of_executor(config, executor, &task),
        None => Bag::default(),
    };
    let revocable = config.tier(stored.task.tier.as_deref()).revocable;
    (task.plus(&executor), revocable)
}

impl<'a> Request<'a> {
    pub(crate) fn new(config: &Config, names: &Names, stored: &'a StoredConfig) -> Request<'a> {
        let (need, revocable) = needs(config, stored);
        let mut request = Request {
            config: stored,
            need,
            revocable,
            shunned: names.name(DEDICATED),
            demands: Vec::new(),
            limits: Vec::new(),
        };
        for constraint in &stored.task.constraints {
            let name = constraint.name.as_str();
            let id = names.name(name);
            if name == DEDICATED {
                request.shunned = None;
            }
            match &constraint.constraint {
                Some(TaskConstraint::Limit(limit)) => request.limits.push(Limit {
                    name,
                    id,
                    limit: limit.limit,
                }),
                Some(TaskConstraint::Value(demand)) => {
                    let known = |value: &String| names.value(id?, value);
                    let mut values: Vec<ValueId> = demand.values.iter().filter_map(known).collect();
                    values.sort_unstable();
                    request.demands.push(Demand {
                        name,
                        id,
                        values,
                        negated: demand.negated,
                    });
                }
                None => {}
            }
        }
        request
    }

    /// Whether it must not go to hosts that are for others.
    pub(super) fn shuns_dedicated(&self) -> bool {
        self.shunned.is_some()
    }

    /// Whether a host is for others.
    fn shuns(&self, host: &Host) -> bool {
        self.shunned.is_some_and(|name| host.has(name))
    }

    /// The first of the constraints that a host can never meet.
    pub(super) fn unmet(&self, host: &Host) -> Option<&'a str> {
        let is_unmet = |demand: &&Demand<'_>| !demand.is_met(&host.traits);
        let demand = self.demands.iter().find(is_unmet);
        // A host without the attribute can never satisfy a limit on it.
        let is_missing = |limit: &&Limit<'_>| !limit.id.is_some_and(|name| host.has(name));
        let limit = || self.limits.iter().find(is_missing).map(|limit| limit.name);
        demand.map(|demand| demand.name).or_else(limit)
    }

    /// Whether a constraint asks for what no host ever had.
    pub(super) fn suits_no_host(&self) -> bool {
        let is_futile = |demand: &Demand<'_>| demand.values.is_empty() && !demand.negated;
        self.demands.iter().any(is_futile) || self.limits.iter().any(|limit| limit.id.is_none())
    }

    /// Whether nothing but resources and the host's own standing matters.
    pub(super) fn is_plain(&self) -> bool {
        self.demands.is_empty() && self.limits.is_empty()
    }
}

impl Demand<'_> {
    fn is_met(&self, traits: &[Trait]) -> bool {
        let is_wanted = |value| self.values.binary_search(&value).is_ok();
        let found = self
            .id
            .is_some_and(|name| values_in(traits, name).any(is_wanted));
        found != self.negated
    }
}

/// How many tasks of a job are on hosts with each value of an attribute. Counted when first asked for, and again when the
/// job's tasks moved without the caller telling.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    counts: Vec<(NameId, FastMap<ValueId, i64>)>,
    /// Changes whenever the counts may.
    pub(super) version: (u64, u64),
}

impl Spread {
    /// Forgets what does not hold any more.
    pub(crate) fn refresh(&mut self, view: &View, job: &JobKey) {
        let version = view.placements(job);
        if self.version != version {
            self.counts.clear();
            self.version = version;
        }
    }

    fn count(&mut self, view: &View, job: &JobKey, name: NameId, value: ValueId) -> i64 {
        let known = self.counts.iter().position(|(other, _)| *other == name);
        let at = known.unwrap_or_else(|| {
            self.counts.push((name, count_all(view, job, name)));
            self.counts.len() - 1
        });
        self.counts[at].1.get(&value).copied().unwrap_or(0)
    }

    /// Whether a limit leaves room for one more task at a value.
    pub(crate) fn has_room(
        &mut self,
        view: &View,
        request: &Request<'_>,
        (name, value): LimitedPlace,
    ) -> bool {
        let job = &request.config.task.job;
        let mut limits = request.limits.iter().filter(|limit| limit.id == Some(name));
        limits.all(|limit| self.count(view, job, name, value) < i64::from(limit.limit))
    }

    /// A task of the job was put on a host; nothing else happened to the job since the last refresh.
    pub(crate) fn placed(&mut self, view: &View, job: &JobKey, host: &Host) {
        self.version = view.placements(job);
        for (name, counts) in &mut self.counts {
            for value in values_in(&host.traits, *name) {
                *counts.entry(value).or_default() += 1;
            }
        }
    }
}

/// How many of a job's tasks are on hosts with each value of an attribute.
fn count_all(view: &View, job: &JobKey, name: NameId) -> FastMap<ValueId, i64> {
    let mut counts = FastMap::default();
    let tasks = view
        .job(job)
        .into_iter()
        .flat_map(|job| view.active_tasks(job));
    for task in tasks.filter(|task| task.status.is_agent_assigned()) {
        let host = task.host().and_then(|host| view.host(host));
        let traits = host.map_or(&[][..], |host| &host.traits);
        for value in values_in(traits, name) {
            *counts.entry(value).or_default() += 1;
        }
    }
    counts
}

/// The values of the host's attributes of a name.
pub(crate) fn values_of<'a>(
    host: &'a HostAttributes,
    name: &str,
) -> impl Iterator<Item = &'a String> {
    let attributes = host
        .attributes
        .iter()
        .filter(move |attribute| attribute.name == name);
    attributes.flat_map(|attribute| attribute.values.iter())
}

/// What is free on a host, and what is known of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unused<'a> {
    pub(crate) host: &'a Host,
    pub(crate) has: &'a Bag,
    /// When Mesos plans to take the machine away.
    pub(crate) unavailable_from: Option<Millis>,
}

/// The reasons that cannot change while the offer is held.
pub(crate) fn static_vetoes(
    config: &Config,
    unused: &Unused<'_>,
    request: &Request<'_>,
    now: Millis,
) -> Vetoes {
    match host_veto(config, unused, request, now) {
        Some(veto) => vec![veto],
        None => insufficient(unused.has, &request.need),
    }
}

/// The first of the reasons that lie in the host itself.
pub(crate) fn host_veto(
    config: &Config,
    unused: &Unused<'_>,
    request: &Request<'_>,
    now: Millis,
) -> Option<Veto> {
    let host = unused.host;
    let standing = Standing {
        shunned: request.shuns(host),
        mode: host.attributes.mode,
        unavailable_from: unused.unavailable_from,
    };
    standing.veto(config, now).or_else(|| {
        let unmet = request.unmet(host);
        unmet.map(|name| Veto::Constraint(name.to_owned()))
    })
}

/// Whom a host is there for, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// It is for others.
    pub(super) shunned: bool,
    pub(super) mode: Option<MaintenanceMode>,
    pub(super) unavailable_from: Option<Millis>,
}

impl Standing {
    pub(super) fn veto(&self, config: &Config, now: Millis) -> Option<Veto> {
        if self.shunned {
            return Some(Veto::Dedicated);
        }
        match self.mode {
            Some(MaintenanceMode::Draining) => Some(Veto::Draining),
            Some(MaintenanceMode::Drained) => Some(Veto::Drained),
            Some(MaintenanceMode::None | MaintenanceMode::Scheduled) | None => {
                leaves_soon(config, self.unavailable_from, now).then_some(Veto::Draining)
            }
        }
    }
}

fn leaves_soon(config: &Config, from: Option<Millis>, now: Millis) -> bool {
    from.is_some_and(|start| now > start.saturating_sub(config.unavailability_threshold))
}

/// The kinds of which there is too little.
pub(crate) fn insufficient(has: &Bag, need: &Bag) -> Vetoes {
    lacking(has, need)
        .map(|(name, score)| Veto::Insufficient(name, score))
        .collect()
}

/// The kinds of which there is too little, with their scores.
pub(super) fn lacking(has: &Bag, need: &Bag) -> impl Iterator<Item = (&'static str, i64)> {
    // The range is what counts as a whole machine of the kind; ports and GPUs are counted whole, the others in thousandths.
    let kinds = [
        ("CPU", has.cpus, need.cpus, 1, 16),
        ("RAM", has.ram, need.ram, 1, 24_576),
        ("disk", has.disk, need.disk, 1, 460_800),
        ("ports", has.ports, need.ports, 1000, 1000),
        ("GPU", has.gpus, need.gpus, 1000, 4),
    ];
    let lacking = kinds.into_iter().filter(|(_, has, need, _, _)| has < need);
    lacking.map(|(name, has, need, unit, range)| {
        let deficit = need.saturating_sub(has).saturating_mul(unit);
        (name, (deficit / range).min(MAX_SCORE))
    })
}

/// A value of an attribute at which a limit is reached: no host that has it can be used until a task leaves it.
pub(crate) type LimitedPlace = Trait;

/// What speaks against an offer for now.
pub(crate) enum ForNow<'a> {
    /// The machine is about to leave; it stays so.
    Leaving,
    /// A limit is reached.
    Limit {
        name: &'a str,
        place: LimitedPlace,
        /// Whether it may leave room at another time.
        may_end: bool,
    },
}

impl ForNow<'_> {
    pub(crate) fn veto(&self) -> Veto {
        match self {
            ForNow::Leaving => Veto::Draining,
            ForNow::Limit { name, .. } => Veto::Limit((*name).to_owned()),
        }
    }
}

/// What speaks against an offer because of where the job's other tasks are, or of the time, when nothing static does.
pub(crate) fn dynamic_veto<'a>(
    config: &Config,
    unused: &Unused<'_>,
    request: &Request<'a>,
    view: &View,
    spread: &mut Spread,
    now: Millis,
) -> Option<ForNow<'a>> {
    if leaves_soon(config, unused.unavailable_from, now) {
        return Some(ForNow::Leaving);
    }
    spread.reached(view, request, unused.host)
}

impl Spread {
    /// The first of the limits that is reached on a host.
    pub(super) fn reached<'a>(
        &mut self,
        view: &View,
        request: &Request<'a>,
        host: &Host,
    ) -> Option<ForNow<'a>> {
        let job = &request.config.task.job;
        for limit in &request.limits {
            let Some(name) = limit.id else {
                continue;
            };
            let may_end = limit.limit > 0;
            for value in values_in(&host.traits, name) {
                if !may_end || self.count(view, job, name, value) >= i64::from(limit.limit) {
                    return Some(ForNow::Limit {
                        name: limit.name,
                        place: (name, value),
                        may_end,
                    });
                }
            }
        }
        None
    }
}

/// The attributes of an offer in the form that is stored: texts as they are, numbers in decimal, other kinds left out;
/// attributes of one name are one (aurora: `AttributeAggregate`, `Conversions.java`).
pub(crate) fn host_attributes(attributes: &[MesosAttribute]) -> BTreeSet<Attribute> {
    let mut by_name: std::collections::BTreeMap<&str, BTreeSet<String>> = Default::default();
    for attribute in attributes {
        let value = match attribute.kind {
            ValueType::Text => attribute.text.as_ref().map(|text| text.value.clone()),
            ValueType::Scalar => {
                let scalar = attribute.scalar.as_ref();
                scalar.map(|scalar| as_java_writes(scalar.value))
            }
            ValueType::Ranges | ValueType::Set => None,
        };
        if let Some(value) = value {
            by_name.entry(&attribute.name).or_default().insert(value);
        }
    }
    let attributes = by_name.into_iter().map(|(name, values)| Attribute {
        name: name.to_owned(),
        values,
    });
    attributes.collect()
}

/// Constraints name values as upstream's scheduler shows them: `3.0`, and with an exponent what is very large or small.
fn as_java_writes(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || !size.is_finite() || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::as_java_writes;

    /// By the rules of `java.lang.Double.toString`.
    #[test]
    fn numbers_as_java_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (3.0, "3.0"),
            (-0.5, "-0.5"),
            (0.001, "0.001"),
            (0.0005, "5.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-12_500_000.0, "-1.25E7"),
            (1e21, "1.0E21"),
        ] {
            assert_eq!(as_java_writes(number), text);
        }
    }
}

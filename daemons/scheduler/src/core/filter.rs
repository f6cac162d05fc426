//! Whether an offer suits a task, and why not (aurora: `SchedulingFilterImpl.java`).

use std::collections::{BTreeSet, HashMap};

use aurora_api::model::{
    Attribute, Constraint, HostAttributes, JobKey, MaintenanceMode, TaskConstraint,
};
use aurora_mesos::v1::{Attribute as MesosAttribute, ValueType};

use super::config::{Config, Millis};
use super::resources::Bag;
use super::store::{DEDICATED, StoredConfig, View};

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

impl Veto {
    /// Whether it may end while the offer is held.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self, Veto::Limit(_))
    }

    /// The counter of its kind.
    pub(crate) fn counter(&self) -> &'static str {
        match self {
            Veto::Dedicated => "scheduling_veto_dedicated_constraint_mismatch",
            Veto::Draining | Veto::Drained => "scheduling_veto_maintenance",
            Veto::Constraint(_) => "scheduling_veto_constraint_mismatch",
            Veto::Limit(_) => "scheduling_veto_limit_not_satisfied",
            Veto::Insufficient(..) => "scheduling_veto_insufficient_resources",
        }
    }

    /// How far the offer is from suiting.
    pub(crate) fn score(&self) -> i64 {
        match self {
            Veto::Dedicated => 1_000_000,
            Veto::Draining | Veto::Drained => 100_000,
            Veto::Constraint(_) | Veto::Limit(_) => 10_000,
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

/// What the tasks of one configuration need.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) config: &'a StoredConfig,
    /// With the executor's share.
    pub(crate) need: Bag,
    pub(crate) revocable: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(config: &Config, stored: &'a StoredConfig) -> Request<'a> {
        let task = Bag::of_task(&stored.amounts);
        let executor = match &stored.task.executor_config {
            Some(executor) => Bag::of_executor(config, executor, &task),
            None => Bag::default(),
        };
        Request {
            config: stored,
            need: task.plus(&executor),
            revocable: config.tier(stored.task.tier.as_deref()).revocable,
        }
    }

    pub(crate) fn limits(&self) -> impl Iterator<Item = (&str, i32)> {
        let all = self.constraints();
        all.filter_map(|(constraint, demand)| match demand {
            TaskConstraint::Limit(demand) => Some((constraint.name.as_str(), demand.limit)),
            TaskConstraint::Value(_) => None,
        })
    }

    fn constraints(&self) -> impl Iterator<Item = (&Constraint, &TaskConstraint)> {
        let all = self.config.task.constraints.iter();
        all.filter_map(|constraint| Some((constraint, constraint.constraint.as_ref()?)))
    }
}

/// How many tasks of a job are on hosts with each value of an attribute. Counted when first asked for, and again when the
/// job's tasks moved without the caller telling.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    counts: HashMap<String, HashMap<String, i64>>,
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

    fn count(&mut self, view: &View, job: &JobKey, attribute: &str, value: &str) -> i64 {
        if !self.counts.contains_key(attribute) {
            let mut counts: HashMap<String, i64> = HashMap::new();
            let tasks = view
                .job(job)
                .into_iter()
                .flat_map(|job| view.active_tasks(job));
            for task in tasks.filter(|task| task.status.is_agent_assigned()) {
                let host = task.host().and_then(|host| view.host(host));
                for value in host
                    .into_iter()
                    .flat_map(|host| values_of(&host.attributes, attribute))
                {
                    *counts.entry(value.clone()).or_default() += 1;
                }
            }
            self.counts.insert(attribute.to_owned(), counts);
        }
        let counts = self.counts.get(attribute);
        counts
            .and_then(|counts| counts.get(value))
            .copied()
            .unwrap_or(0)
    }

    /// Whether a limit leaves room for one more task at a value.
    pub(crate) fn has_room(
        &mut self,
        view: &View,
        request: &Request<'_>,
        place: &LimitedPlace,
    ) -> bool {
        let job = &request.config.task.job;
        let mut limits = request
            .limits()
            .filter(|(name, _)| *name == place.attribute);
        limits.all(|(name, limit)| self.count(view, job, name, &place.value) < i64::from(limit))
    }

    /// A task of the job was put on a host; nothing else happened to the job since the last refresh.
    pub(crate) fn placed(&mut self, view: &View, job: &JobKey, host: &HostAttributes) {
        self.version = view.placements(job);
        for (attribute, counts) in &mut self.counts {
            for value in values_of(host, attribute) {
                *counts.entry(value.clone()).or_default() += 1;
            }
        }
    }
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

fn has_attribute(host: &HostAttributes, name: &str) -> bool {
    values_of(host, name).next().is_some()
}

/// What is free on a host, and what is known of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unused<'a> {
    pub(crate) host: &'a HostAttributes,
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
    let constraints = &request.config.task.constraints;
    let is_for_dedicated = constraints
        .iter()
        .any(|constraint| constraint.name == DEDICATED);
    if !is_for_dedicated && has_attribute(host, DEDICATED) {
        return Some(Veto::Dedicated);
    }
    match host.mode {
        Some(MaintenanceMode::Draining) => return Some(Veto::Draining),
        Some(MaintenanceMode::Drained) => return Some(Veto::Drained),
        Some(MaintenanceMode::None | MaintenanceMode::Scheduled) | None => {}
    }
    if leaves_soon(config, unused, now) {
        return Some(Veto::Draining);
    }
    for (constraint, demand) in request.constraints() {
        if let TaskConstraint::Value(demand) = demand {
            let found = values_of(host, &constraint.name)
                .any(|value| demand.values.contains(value.as_str()));
            if found == demand.negated {
                return Some(Veto::Constraint(constraint.name.clone()));
            }
        }
    }
    // A host without the attribute can never satisfy a limit on it.
    let missing = request
        .limits()
        .find(|(name, _)| !has_attribute(host, name));
    missing.map(|(name, _)| Veto::Constraint(name.to_owned()))
}

fn leaves_soon(config: &Config, unused: &Unused<'_>, now: Millis) -> bool {
    let from = unused.unavailable_from;
    from.is_some_and(|start| now > start.saturating_sub(config.unavailability_threshold))
}

/// The kinds of which there is too little.
pub(crate) fn insufficient(has: &Bag, need: &Bag) -> Vetoes {
    // The range is what counts as a whole machine of the kind; ports and GPUs are counted whole, the others in thousandths.
    let kinds = [
        ("CPU", has.cpus, need.cpus, 1, 16),
        ("RAM", has.ram, need.ram, 1, 24_576),
        ("disk", has.disk, need.disk, 1, 460_800),
        ("ports", has.ports, need.ports, 1000, 1000),
        ("GPU", has.gpus, need.gpus, 1000, 4),
    ];
    let lacking = kinds.into_iter().filter(|(_, has, need, _, _)| has < need);
    let vetoes = lacking.map(|(name, has, need, unit, range)| {
        let deficit = need.saturating_sub(has).saturating_mul(unit);
        Veto::Insufficient(name, (deficit / range).min(MAX_SCORE))
    });
    vetoes.collect()
}

/// A value of an attribute at which a limit is reached: no host that has it can be used until a task leaves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LimitedPlace {
    pub(crate) attribute: String,
    pub(crate) value: String,
}

/// What speaks against an offer for now.
pub(crate) enum ForNow {
    /// The machine is about to leave; it stays so.
    Leaving,
    /// A limit is reached.
    Limit(LimitedPlace),
}

impl ForNow {
    pub(crate) fn veto(&self) -> Veto {
        match self {
            ForNow::Leaving => Veto::Draining,
            ForNow::Limit(place) => Veto::Limit(place.attribute.clone()),
        }
    }
}

/// What speaks against an offer because of where the job's other tasks are, or of the time, when nothing static does.
pub(crate) fn dynamic_veto(
    config: &Config,
    unused: &Unused<'_>,
    request: &Request<'_>,
    view: &View,
    spread: &mut Spread,
    now: Millis,
) -> Option<ForNow> {
    if leaves_soon(config, unused, now) {
        return Some(ForNow::Leaving);
    }
    let job = &request.config.task.job;
    for (name, limit) in request.limits() {
        for value in values_of(unused.host, name) {
            if spread.count(view, job, name, value) >= i64::from(limit) {
                return Some(ForNow::Limit(LimitedPlace {
                    attribute: name.to_owned(),
                    value: value.clone(),
                }));
            }
        }
    }
    None
}

/// The attributes of an offer in the form that is stored: texts as they are, numbers in decimal, other kinds left out;
/// attributes of one name are one (aurora: `AttributeAggregate`, `Conversions.java`).
pub(crate) fn host_attributes(attributes: &[MesosAttribute]) -> BTreeSet<Attribute> {
    let mut by_name: std::collections::BTreeMap<&str, BTreeSet<String>> = Default::default();
    for attribute in attributes {
        let value = match attribute.kind {
            ValueType::Text => attribute.text.as_ref().map(|text| text.value.clone()),
            // Rust writes 3 for 3.0 unless asked for its debug form, Java writes 3.0.
            ValueType::Scalar => attribute
                .scalar
                .as_ref()
                .map(|scalar| format!("{:?}", scalar.value)),
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

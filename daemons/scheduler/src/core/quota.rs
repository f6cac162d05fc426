//! Quotas: what a role may use for production, and whether a change stays inside (aurora: `QuotaManager.java`).

use std::fmt::Write;

use aurora_api::model::{
    InstanceTaskConfig, JobConfiguration, JobUpdate, Range, Resource, ResourceAggregate, TaskConfig,
};

use super::store::{Pool, Usage, View};

/// What a set of changes would exceed; `None` when it fits.
pub(crate) fn exceeded(
    view: &View,
    role: &str,
    template: &TaskConfig,
    instances: i64,
) -> Option<Shortage> {
    // Only production on shared hosts is limited.
    if Pool::of(template) != Pool::ProdShared {
        return None;
    }
    Shortage::of(view, role, |used| {
        used.plus(&Usage::of(&template.resources), instances)
    })
}

/// What saving a cron job's template would exceed; `None` when it fits. Unlike other jobs, one on dedicated hosts
/// is checked too, as upstream does.
pub(crate) fn exceeded_by_cron(view: &View, job: &JobConfiguration) -> Option<Shortage> {
    if job.task_config.production != Some(true) {
        return None;
    }
    let role = &job.key.role;
    let old = view
        .cron(&job.key)
        .map_or(Usage::default(), |old| whole(&old.job));
    Shortage::of(view, role, |used| used.plus(&whole(job), 1).plus(&old, -1))
}

/// What an update would exceed; `None` when it fits, or is not for production on shared hosts.
pub(crate) fn exceeded_by_update(view: &View, update: &JobUpdate) -> Option<Shortage> {
    let desired = &update.instructions.desired_state.as_ref()?.task;
    if Pool::of(desired) != Pool::ProdShared {
        return None;
    }
    let job = &update.summary.key.job;
    let charge = |update| update_charge(view, update, Pool::ProdShared);
    Shortage::of(view, &job.role, |used| {
        // In the place of one that is active already: that it is in the way is for others to say.
        let active = view.active_update(job);
        let active = active.map_or(Usage::default(), |active| charge(&active.update));
        used.plus(&charge(update), 1).plus(&active, -1)
    })
}

/// What an update is charged beyond the tasks that its job has: for each resource the larger of what its instances were and
/// what they are to be, in the place of what they are.
fn update_charge(view: &View, update: &JobUpdate, pool: Pool) -> Usage {
    let instructions = &update.instructions;
    let side = |groups: &mut dyn Iterator<Item = &InstanceTaskConfig>| {
        let mut sum = Usage::default();
        for group in groups.filter(|group| Pool::of(&group.task) == pool) {
            let instances = group.instances.iter();
            let count: i64 = instances
                .map(|range| i64::from(range.last) - i64::from(range.first) + 1)
                .sum();
            sum = sum.plus(&Usage::of(&group.task.resources), count);
        }
        sum
    };
    let before = side(&mut instructions.initial_state.iter());
    let after = side(&mut instructions.desired_state.iter());
    let groups = instructions
        .initial_state
        .iter()
        .chain(&instructions.desired_state);
    let ranges: Vec<&Range> = groups.flat_map(|group| &group.instances).collect();
    let is_theirs = |instance: i32| {
        ranges
            .iter()
            .any(|range| (range.first..=range.last).contains(&instance))
    };
    let job = view.job(&update.summary.key.job);
    let tasks = job.into_iter().flat_map(|job| view.active_tasks(job));
    let mut charge = before.max(&after);
    for task in tasks.filter(|task| task.config.pool == pool && is_theirs(task.instance)) {
        charge = charge.plus(&task.config.usage, -1);
    }
    charge
}

/// What a role consumes in a pool. A cron job consumes what its template asks for whether it runs or not, and what runs of
/// it where that is more.
pub fn consumption(view: &View, role: &str, pool: Pool) -> Usage {
    let mut total = view.usage(role, pool);
    for cron in view.crons_of_role(role) {
        let mut running = Usage::default();
        let job = view.job(&cron.job.key);
        let tasks = job.into_iter().flat_map(|job| view.active_tasks(job));
        for task in tasks.filter(|task| task.config.pool == pool) {
            running = running.plus(&task.config.usage, 1);
        }
        total = total.plus(&running, -1);
        if Pool::of(&cron.job.task_config) == pool {
            total = total.plus(&running.max(&whole(&cron.job)), 1);
        }
    }
    for update in view.active_updates_of_role(role) {
        total = total.plus(&update_charge(view, &update.update, pool), 1);
    }
    total
}

/// What all instances of a job ask for.
fn whole(job: &JobConfiguration) -> Usage {
    let one = Usage::of(&job.task_config.resources);
    Usage::default().plus(&one, i64::from(job.instance_count))
}

/// More production on shared hosts than a role's quota allows.
pub(crate) struct Shortage {
    allowed: Usage,
    used: Usage,
    total: Usage,
}

impl Shortage {
    /// What `role` lacks when it uses what `after` makes of its consumption.
    fn of(view: &View, role: &str, after: impl FnOnce(&Usage) -> Usage) -> Option<Shortage> {
        let allowed = view
            .quota(role)
            .map_or(Usage::default(), |quota| Usage::of(&quota.resources));
        let used = consumption(view, role, Pool::ProdShared);
        let total = after(&used);
        (total.max(&allowed) != allowed).then_some(Shortage {
            allowed,
            used,
            total,
        })
    }

    /// The resources that are short, each as it stands in `allowed`, `used` and `total`, with its name and unit.
    fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str, [f64; 3])> {
        let of = |amount: fn(&Usage) -> f64| {
            [
                amount(&self.allowed),
                amount(&self.used),
                amount(&self.total),
            ]
        };
        [
            ("CPU", "core(s)", of(Usage::cpus)),
            ("RAM", "MB", of(|usage| usage.ram_mb as f64)),
            ("disk", "MB", of(|usage| usage.disk_mb as f64)),
        ]
        .into_iter()
        .filter(|(_, _, [allowed, _, total])| total > allowed)
    }

    /// In upstream's words, a clause a resource.
    pub(crate) fn clauses(&self) -> String {
        let clauses: Vec<String> = self
            .kinds()
            .map(|(name, unit, [allowed, _, total])| {
                format!("{name} quota exceeded by {:.2} {unit}", total - allowed)
            })
            .collect();
        clauses.join("; ")
    }

    /// How it comes about, a clause a resource.
    pub(crate) fn sums(&self) -> String {
        let clauses: Vec<String> = self
            .kinds()
            .map(|(name, unit, [allowed, used, total])| {
                let asked = total - used;
                format!("{name}: {used:.2} used, {asked:.2} asked, {allowed:.2} allowed {unit}")
            })
            .collect();
        clauses.join("; ")
    }
}

/// Why a quota cannot be saved.
pub(crate) enum QuotaFault {
    /// It does not name each of the three resources exactly once.
    Shape(String),
    /// It is negative, or less than what is used.
    Value(String),
}

/// Checks a new quota.
pub(crate) fn check(view: &View, role: &str, quota: &ResourceAggregate) -> Result<(), QuotaFault> {
    let mut seen = [0; 3];
    let mut others = 0;
    let mut negative = false;
    for resource in &quota.resources {
        let (place, is_negative) = match resource {
            Resource::NumCpus(cpus) => (&mut seen[0], !(cpus.0 >= 0.0 && cpus.0.is_finite())),
            Resource::RamMb(mb) => (&mut seen[1], *mb < 0),
            Resource::DiskMb(mb) => (&mut seen[2], *mb < 0),
            Resource::NamedPort(_) | Resource::NumGpus(_) => (&mut others, false),
        };
        *place += 1;
        negative |= is_negative;
    }
    if seen != [1; 3] || others > 0 {
        return Err(QuotaFault::Shape(format!(
            "Quota resources must be exactly: [numCpus, ramMb, diskMb], but are: {}",
            shown(quota)
        )));
    }
    if negative {
        return Err(QuotaFault::Value(format!(
            "Negative values in: {}",
            shown(quota)
        )));
    }
    let used = consumption(view, role, Pool::ProdShared);
    let allowed = Usage::of(&quota.resources);
    if used.max(&allowed) != allowed {
        let reservation = ResourceAggregate {
            resources: [
                Resource::NumCpus(used.cpus().into()),
                Resource::RamMb(used.ram_mb),
                Resource::DiskMb(used.disk_mb),
            ]
            .into(),
        };
        return Err(QuotaFault::Value(format!(
            "Quota: {} is less then current prod reservation: {}",
            shown(quota),
            shown(&reservation)
        )));
    }
    Ok(())
}

/// A sum in the words of upstream's records.
fn shown(quota: &ResourceAggregate) -> String {
    let mut text = String::from("ResourceAggregate(resources:[");
    for (place, resource) in quota.resources.iter().enumerate() {
        if place > 0 {
            text.push_str(", ");
        }
        let value: (&str, &dyn std::fmt::Display) = match resource {
            Resource::NumCpus(cpus) => ("numCpus", &cpus.0),
            Resource::RamMb(mb) => ("ramMb", mb),
            Resource::DiskMb(mb) => ("diskMb", mb),
            Resource::NamedPort(name) => ("namedPort", name),
            Resource::NumGpus(count) => ("numGpus", count),
        };
        // Writing into a string cannot fail.
        let _ = write!(text, "<Resource {}:{}>", value.0, value.1);
    }
    text.push_str("])");
    text
}

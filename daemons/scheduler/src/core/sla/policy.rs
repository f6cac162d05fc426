//! Whether a job can do without one of its instances for a while (aurora: `SlaManager.java`).

use aurora_api::model::{ScheduleStatus, SlaPolicy};

use super::coordinator::Purpose;
use crate::core::Core;
use crate::core::config::Millis;
use crate::core::store::{Task, TaskId};

/// What a policy says about taking a task down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// It may go, now.
    Granted,
    /// Not now; ask again later.
    Denied,
    /// A coordinator is being asked. When it agrees, [`Core::permitted`] does what the purpose says; when it does not, nothing
    /// happens. Ask again later in either case.
    Asked,
}

/// How a job stands that has a policy by count or percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its active instances.
    pub(crate) active: i64,
    /// Those that have been running for as long as the policy demands.
    pub(crate) running: i64,
}

impl Core {
    /// Asks a policy whether a task may be taken down for a purpose. Whoever may force it does not ask.
    pub(crate) fn check_sla(
        &mut self,
        id: &TaskId,
        policy: &SlaPolicy,
        purpose: Purpose,
    ) -> Permission {
        if let SlaPolicy::CoordinatorSlaPolicy(coordinator) = policy {
            return self.ask_coordinator(id, coordinator, purpose);
        }
        let task = self.store.read().task(id);
        if task.is_some_and(|task| self.can_spare(task, policy)) {
            Permission::Granted
        } else {
            Permission::Denied
        }
    }

    /// Whether a policy by count or percentage lets a task go.
    fn can_spare(&self, task: &Task, policy: &SlaPolicy) -> bool {
        if !self.is_held_to_policies(task) {
            return true;
        }
        let view = self.store.read();
        let span = duration(policy);
        let before = self.now.saturating_sub(span);
        let mut standing = self.sla.standing_at(view, task.job(), before);
        let is_counted = task.status == ScheduleStatus::Running && task.last_event_time() < before;
        standing.running -= i64::from(is_counted);
        is_kept(policy, standing)
    }

    /// Whether policies by count or percentage count for a job at all: only for production and only for large jobs.
    pub(crate) fn is_held_to_policies(&self, task: &Task) -> bool {
        let tier = self.config.tier(task.config.task.tier.as_deref());
        let is_protected = self.config.sla_aware_kill_non_prod || tier.is_production();
        let least = self.config.min_required_instances_for_sla_check;
        let job = self.store.read().job(task.job());
        let active = job.map_or(0, |job| job.active_count());
        is_protected && active >= usize::try_from(least).unwrap_or(0)
    }
}

/// How long an instance has to be running to count, milliseconds; none for coordinators, which count by themselves.
pub(crate) fn duration(policy: &SlaPolicy) -> Millis {
    let seconds = match policy {
        SlaPolicy::PercentageSlaPolicy(policy) => policy.duration_secs,
        SlaPolicy::CountSlaPolicy(policy) => policy.duration_secs,
        SlaPolicy::CoordinatorSlaPolicy(_) => 0,
    };
    seconds.saturating_mul(1000)
}

/// Whether the instances that stay are enough. A policy that leaves room for nobody is relaxed to all but one, so that a
/// machine can always be emptied.
pub(crate) fn is_kept(policy: &SlaPolicy, Standing { active, running }: Standing) -> bool {
    match policy {
        SlaPolicy::CountSlaPolicy(policy) => {
            let needed = match active.saturating_sub(policy.count) {
                ..1 => active - 1,
                1.. => policy.count,
            };
            running >= needed
        }
        SlaPolicy::PercentageSlaPolicy(policy) => {
            let total = active as f64;
            let room = ((1.0 - policy.percentage.0 / 100.0) * total) as i64;
            let needed = match room {
                ..1 => (active - 1) as f64 / total * 100.0,
                1.. => policy.percentage.0,
            };
            running as f64 / total * 100.0 >= needed
        }
        SlaPolicy::CoordinatorSlaPolicy(_) => false,
    }
}

/// The fewest instances that keep a policy's promise, by count or percentage.
pub(crate) fn needed(policy: &SlaPolicy, active: i64) -> i64 {
    let kept = |running: &i64| {
        let running = *running;
        is_kept(policy, Standing { active, running })
    };
    (0..active).find(kept).unwrap_or(active)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::model::{CountSlaPolicy, PercentageSlaPolicy};
    use aurora_api::wire::Double;

    fn percentage(percentage: f64) -> SlaPolicy {
        SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: Double(percentage),
            duration_secs: 0,
        })
    }

    fn count(count: i64) -> SlaPolicy {
        SlaPolicy::CountSlaPolicy(CountSlaPolicy {
            count,
            duration_secs: 0,
        })
    }

    /// The least that suffices, by hand from upstream's rules.
    #[test]
    fn needed_instances() {
        for (policy, active, expected) in [
            (percentage(95.0), 20, 19),
            (percentage(95.0), 100, 95),
            (percentage(90.0), 25, 23),
            (percentage(0.0), 20, 0),
            (percentage(100.0), 20, 19),
            (percentage(99.0), 20, 19),
            (percentage(66.6), 3, 2),
            (count(15), 20, 15),
            (count(20), 20, 19),
            (count(1000), 20, 19),
            (count(0), 20, 0),
        ] {
            assert_eq!(needed(&policy, active), expected, "{policy:?} of {active}");
        }
    }
}

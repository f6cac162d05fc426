//! What operators look at that is not part of the durable state.

use aurora_mesos::v1::Offer;

use super::Core;
use super::config::Millis;
use super::store::{ConfigId, TaskId};

/// The pending tasks of one configuration, as they wait for their turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingGroup {
    /// The configuration.
    pub config: ConfigId,
    /// The wait before the coming turn, milliseconds.
    pub penalty: Millis,
    /// The tasks, the next one first.
    pub tasks: Vec<TaskId>,
}

impl Core {
    /// The groups of pending tasks, in the order of their configurations.
    pub fn waiting_groups(&self) -> Vec<WaitingGroup> {
        let mut groups: Vec<WaitingGroup> = self
            .groups
            .iter()
            .map(|(config, group)| WaitingGroup {
                config: *config,
                penalty: group.penalty,
                tasks: group.queue.iter().cloned().collect(),
            })
            .collect();
        groups.sort_by_key(|group| group.config);
        groups
    }

    /// Upstream's gauges of what is held in memory alone, and its counters of the three caches, by name.
    pub fn gauges(&self) -> Vec<(String, u64)> {
        let mut gauges = vec![
            ("outstanding_offers".to_owned(), self.offers.len() as u64),
            (
                "globally_banned_offers_size".to_owned(),
                self.offers.banned() as u64,
            ),
            ("cron_jobs_loaded".to_owned(), self.crons.len() as u64),
            // Cron jobs have no scheduler of their own that could stand still.
            ("quartz_scheduler_running".to_owned(), 1),
        ];
        let kept = &self.reservations;
        let slots = &self.preemption.slots;
        for (name, size, removed) in [
            ("preemption_slot", slots.len(), slots.removed()),
            (
                "reservation",
                kept.for_groups.len(),
                kept.for_groups.removed(),
            ),
            (
                "update_affinity",
                kept.for_instances.len(),
                kept.for_instances.removed(),
            ),
        ] {
            let mut add = |what, value| gauges.push((format!("{name}_cache_{what}"), value));
            add("size", size as u64);
            add("removals", removed.all);
            add("expiration_removals", removed.expired);
            add("explicit_removals", removed.explicit);
        }
        gauges.extend(self.empty_slots());
        gauges
    }

    /// The offers that are held, oldest first.
    pub fn held_offers(&self) -> impl Iterator<Item = Offer> {
        let held = self.offers.newer_than(0);
        held.map(|held| self.offers.message(&self.agents, held))
    }
}

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

    /// The offers that are held, oldest first.
    pub fn held_offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.newer_than(0).map(|held| &held.offer)
    }
}

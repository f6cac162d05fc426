//! One direction of an update: which instances are left, which are in motion, what comes next
//! (aurora: `OneWayJobUpdater.java`, `UpdateFactory.java`).
//!
//! Lives in memory while the update rolls, and is made anew from the store whenever it begins to roll again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use aurora_api::model::{JobUpdate, JobUpdateAction, TaskConfig};

use super::began;
use super::instance::{Limits, Seen, Verdict, judge};
use super::kill::SLA_CHECK;
use super::status::Direction;
use super::strategy::Strategy;
use crate::core::config::Millis;
use crate::core::store::{Task, Update};

/// See the module.
#[derive(Debug)]
pub(super) struct Updater {
    pub(super) id: String,
    pub(super) direction: Direction,
    /// Tells this one from those before it.
    pub(super) generation: u64,
    strategy: Strategy,
    limits: Limits,
    max_failed: usize,
    /// What each instance of the update is to be; `None`: nothing.
    targets: BTreeMap<i32, Option<Arc<TaskConfig>>>,
    /// Those that have not begun, in their order.
    idle: VecDeque<i32>,
    total: usize,
    working: BTreeSet<i32>,
    failures: BTreeMap<i32, i32>,
    failed: usize,
    /// The instances of which this direction has said that their policy is asked.
    pub(super) checked: BTreeSet<i32>,
    /// What the update has recorded of its instances, in both directions.
    pub(super) recorded: BTreeSet<(i32, JobUpdateAction)>,
}

/// What to do with an instance, besides recording it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Kill,
    Add,
    LookAgain,
}

/// What an evaluation found about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) instance: i32,
    /// It began in this evaluation.
    pub(super) began: bool,
    /// It ended in this evaluation; well or not.
    pub(super) ended: Option<bool>,
    pub(super) action: Option<Action>,
}

/// How the direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    /// With the instance that was one too many.
    Failed(i32),
}

/// What an evaluation came to.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    pub(super) findings: Vec<Finding>,
    pub(super) outcome: Option<Outcome>,
}

/// An update's instances with what they are to be in a direction.
pub(super) fn targets(
    update: &JobUpdate,
    direction: Direction,
) -> BTreeMap<i32, Option<Arc<TaskConfig>>> {
    let mut before = BTreeMap::new();
    for group in &update.instructions.initial_state {
        let config = Arc::new(group.task.clone());
        let instances = group
            .instances
            .iter()
            .flat_map(|range| range.first..=range.last);
        before.extend(instances.map(|instance| (instance, Some(Arc::clone(&config)))));
    }
    let mut after = BTreeMap::new();
    if let Some(group) = &update.instructions.desired_state {
        let config = Arc::new(group.task.clone());
        let instances = group
            .instances
            .iter()
            .flat_map(|range| range.first..=range.last);
        after.extend(instances.map(|instance| (instance, Some(Arc::clone(&config)))));
    }
    let (mut wanted, other) = match direction {
        Direction::Forward => (after, before),
        Direction::Back => (before, after),
    };
    for instance in other.into_keys() {
        wanted.entry(instance).or_insert(None);
    }
    wanted
}

/// New instances, then changed ones, then those that go; each by number. Backwards the other way round.
fn order(update: &JobUpdate, direction: Direction) -> VecDeque<i32> {
    let before = targets(update, Direction::Back);
    let after = targets(update, Direction::Forward);
    let place = |instance: &i32| {
        let was = before.get(instance).is_some_and(Option::is_some);
        let will_be = after.get(instance).is_some_and(Option::is_some);
        match (was, will_be) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        }
    };
    let mut order: Vec<i32> = after.keys().copied().collect();
    order.sort_by_key(|instance| (place(instance), *instance));
    if direction == Direction::Back {
        order.reverse();
    }
    order.into()
}

impl Updater {
    pub(super) fn new(update: &Update, direction: Direction, generation: u64) -> Updater {
        let settings = &update.update.instructions.settings;
        let idle = order(&update.update, direction);
        Updater {
            id: update.key().id.clone(),
            direction,
            generation,
            strategy: Strategy::of(settings),
            limits: Limits {
                failures: settings.max_per_instance_failures,
                min_running: Millis::from(settings.min_wait_in_instance_running_ms),
            },
            max_failed: usize::try_from(settings.max_failed_instances).unwrap_or(0),
            targets: targets(&update.update, direction),
            total: idle.len(),
            idle,
            working: BTreeSet::new(),
            failures: BTreeMap::new(),
            failed: 0,
            checked: update
                .instance_events()
                .filter(|event| event.action == began(direction))
                .filter(|event| event.message.as_deref() == Some(SLA_CHECK))
                .map(|event| event.instance_id)
                .collect(),
            recorded: update
                .instance_events()
                .map(|event| (event.instance_id, event.action))
                .collect(),
        }
    }

    /// Whether the instance is among those of the update, its turn come or not.
    pub(super) fn concerns(&self, instance: i32) -> bool {
        self.targets.contains_key(&instance)
    }

    pub(super) fn is_working_on(&self, instance: i32) -> bool {
        self.working.contains(&instance)
    }

    /// What the instance is to be.
    pub(super) fn target(&self, instance: i32) -> Option<&Arc<TaskConfig>> {
        self.targets.get(&instance)?.as_ref()
    }

    pub(super) fn min_running(&self) -> Millis {
        self.limits.min_running
    }

    /// The instance's task as this direction sees it.
    pub(super) fn see(&self, instance: i32, task: Option<&Task>) -> Option<Seen> {
        let task = task?;
        let is_target = self
            .target(instance)
            .is_some_and(|target| **target == *task.config.task);
        Seen::of(task, is_target)
    }

    /// Judges the instance that changed, if any, and begins others as the strategy has it. `look` gives the task that an
    /// instance has now.
    pub(super) fn evaluate<'a>(
        &mut self,
        changed: Option<(i32, Option<Seen>)>,
        look: impl Fn(i32) -> Option<&'a Task>,
        now: Millis,
    ) -> Evaluation {
        let mut evaluation = Evaluation::default();
        if let Some((instance, seen)) = changed
            && self.working.contains(&instance)
        {
            self.judge(instance, seen, false, now, &mut evaluation);
        }
        while evaluation.outcome.is_none() {
            let (idle, working) = (self.idle.len(), self.working.len());
            if idle == 0 && working == 0 {
                evaluation.outcome = Some(Outcome::Succeeded);
                break;
            }
            let next = self
                .strategy
                .next(self.direction, self.total, idle, working);
            if next == 0 {
                break;
            }
            for instance in self.idle.drain(..next).collect::<Vec<_>>() {
                self.working.insert(instance);
                let seen = self.see(instance, look(instance));
                self.judge(instance, seen, true, now, &mut evaluation);
                if evaluation.outcome.is_some() {
                    break;
                }
            }
        }
        evaluation
    }

    fn judge(
        &mut self,
        instance: i32,
        seen: Option<Seen>,
        began: bool,
        now: Millis,
        evaluation: &mut Evaluation,
    ) {
        let is_wanted = self.target(instance).is_some();
        let failures = self.failures.entry(instance).or_default();
        let verdict = judge(is_wanted, seen, failures, self.limits, now);
        let (ended, action) = match verdict {
            Verdict::Succeeded => (Some(true), None),
            Verdict::Failed => (Some(false), None),
            Verdict::Kill => (None, Some(Action::Kill)),
            Verdict::Add => (None, Some(Action::Add)),
            Verdict::LookAgain => (None, Some(Action::LookAgain)),
            Verdict::Wait => (None, None),
        };
        if let Some(well) = ended {
            self.working.remove(&instance);
            self.failed += usize::from(!well);
            if self.failed > self.max_failed {
                evaluation.outcome = Some(Outcome::Failed(instance));
            }
        }
        evaluation.findings.push(Finding {
            instance,
            began,
            ended,
            action,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::model::{InstanceTaskConfig, Range};

    /// aurora: `UpdateFactory.java`, by hand.
    #[test]
    fn new_ones_come_first_and_old_ones_go_last() {
        let group = |ids: &[i32]| InstanceTaskConfig {
            instances: ids
                .iter()
                .map(|id| Range {
                    first: *id,
                    last: *id,
                })
                .collect(),
            ..InstanceTaskConfig::default()
        };
        let mut update = JobUpdate::default();
        update
            .instructions
            .initial_state
            .insert(group(&[0, 1, 5, 9]));
        update.instructions.desired_state = Some(group(&[0, 1, 2, 3]));
        let there = [2, 3, 0, 1, 5, 9];
        assert_eq!(order(&update, Direction::Forward), there);
        let back: Vec<i32> = there.iter().rev().copied().collect();
        assert_eq!(order(&update, Direction::Back), back);
    }
}

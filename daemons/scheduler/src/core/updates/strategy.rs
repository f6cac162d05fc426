//! In which groups instances are changed (aurora: `QueueStrategy.java`, `BatchStrategy.java`, `VariableBatchStrategy.java`).

use aurora_api::model::{JobUpdateSettings, JobUpdateStrategy};

use super::status::Direction;

/// How many instances begin next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// So many are in motion at any time.
    Queue(usize),
    /// So many, and the next when all of them are done.
    Batch(usize),
    /// The same with sizes one after another, of which the last repeats.
    VariableBatch(Vec<usize>),
}

impl Strategy {
    pub(super) fn of(settings: &JobUpdateSettings) -> Strategy {
        // Sizes were checked when the update began; one that is none would stand still for ever.
        let size = |size: i32| usize::try_from(size).unwrap_or(0).max(1);
        match &settings.update_strategy {
            Some(JobUpdateStrategy::QueueStrategy(queue)) => {
                Strategy::Queue(size(queue.group_size))
            }
            Some(JobUpdateStrategy::BatchStrategy(batch)) => {
                Strategy::Batch(size(batch.group_size))
            }
            Some(JobUpdateStrategy::VarBatchStrategy(batches)) => {
                Strategy::VariableBatch(batches.group_sizes.iter().copied().map(size).collect())
            }
            None if settings.wait_for_batch_completion => {
                Strategy::Batch(size(settings.update_group_size))
            }
            None => Strategy::Queue(size(settings.update_group_size)),
        }
    }

    /// How many of `idle` instances begin while `working` are in motion; `total` were idle at the beginning.
    pub(super) fn next(
        &self,
        direction: Direction,
        total: usize,
        idle: usize,
        working: usize,
    ) -> usize {
        let wanted = match self {
            Strategy::Queue(size) => size.saturating_sub(working),
            Strategy::Batch(_) | Strategy::VariableBatch(_) if working > 0 => 0,
            Strategy::Batch(size) => *size,
            Strategy::VariableBatch(sizes) => match direction {
                Direction::Forward => forward(sizes, total.saturating_sub(idle)),
                Direction::Back => back(sizes, idle),
            },
        };
        wanted.min(idle)
    }
}

/// The first size that goes beyond what is done already; the last one repeats.
fn forward(sizes: &[usize], done: usize) -> usize {
    let mut sum = 0;
    for size in sizes {
        sum += size;
        if sum > done {
            return *size;
        }
    }
    sizes.last().copied().unwrap_or(1)
}

/// Undoes the groups that were made going forward, last one first: `left` instances are what those groups changed.
fn back(sizes: &[usize], left: usize) -> usize {
    let mut rest = left;
    for size in sizes {
        if rest <= *size {
            return rest;
        }
        rest -= size;
    }
    let last = sizes.last().copied().unwrap_or(1);
    match rest % last {
        0 => last,
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the groups when each group ends before the next begins.
    fn groups(strategy: &Strategy, direction: Direction, total: usize) -> Vec<usize> {
        let mut idle = total;
        let mut groups = Vec::new();
        while idle > 0 {
            let next = strategy.next(direction, total, idle, 0);
            assert_eq!(
                strategy.next(direction, total, idle, next),
                0,
                "one after the other"
            );
            idle -= next;
            groups.push(next);
        }
        groups
    }

    /// By hand from the description of the strategies.
    #[test]
    fn sizes_of_groups() {
        use Direction::{Back, Forward};
        let variable = Strategy::VariableBatch(vec![1, 3, 5]);
        for (strategy, direction, total, expected) in [
            (&Strategy::Batch(3), Forward, 7, &[3, 3, 1][..]),
            (&Strategy::Batch(3), Back, 7, &[3, 3, 1]),
            (&variable, Forward, 1, &[1]),
            (&variable, Forward, 9, &[1, 3, 5]),
            (&variable, Forward, 16, &[1, 3, 5, 5, 2]),
            (&variable, Forward, 6, &[1, 3, 2]),
            // The groups of the way there, backwards.
            (&variable, Back, 16, &[2, 5, 5, 3, 1]),
            (&variable, Back, 9, &[5, 3, 1]),
            (&variable, Back, 6, &[2, 3, 1]),
            (&variable, Back, 1, &[1]),
        ] {
            let shown = groups(strategy, direction, total);
            assert_eq!(shown, expected, "{strategy:?} {direction:?} {total}");
        }
    }

    #[test]
    fn a_queue_is_kept_full() {
        let queue = Strategy::Queue(3);
        for (idle, working, expected) in [(7, 0, 3), (7, 1, 2), (7, 3, 0), (1, 1, 1), (0, 2, 0)] {
            assert_eq!(queue.next(Direction::Forward, 7, idle, working), expected);
        }
    }

    #[test]
    fn old_settings_mean_a_strategy_too() {
        let settings = |wait_for_batch_completion| JobUpdateSettings {
            update_group_size: 4,
            wait_for_batch_completion,
            ..JobUpdateSettings::default()
        };
        assert_eq!(Strategy::of(&settings(false)), Strategy::Queue(4));
        assert_eq!(Strategy::of(&settings(true)), Strategy::Batch(4));
    }
}

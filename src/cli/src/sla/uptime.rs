//! For how long the instances of a job have been up: pure.

use std::collections::BTreeMap;

use aurora_api::model::{ScheduleStatus, ScheduledTask};

/// Seconds since each instance came to RUNNING, shortest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Uptimes(Vec<f64>);

impl Uptimes {
    /// `now` in seconds since 1970. Tasks that never ran do not count.
    pub(crate) fn new<'a>(tasks: impl IntoIterator<Item = &'a ScheduledTask>, now: f64) -> Uptimes {
        let mut by_instance = BTreeMap::new();
        for task in tasks {
            let began = task
                .task_events
                .iter()
                .find(|event| event.status == ScheduleStatus::Running);
            if let Some(event) = began {
                // Whole seconds at both ends, as Python 2 divides.
                let uptime = (now - event.timestamp.div_euclid(1000) as f64).floor();
                by_instance.insert(task.assigned_task.instance_id, uptime);
            }
        }
        let mut seconds: Vec<f64> = by_instance.into_values().collect();
        seconds.sort_by(f64::total_cmp);
        Uptimes(seconds)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many percent of `total` have been up for at least `duration` seconds.
    pub(crate) fn up_count(&self, duration: f64, total: usize) -> f64 {
        if total == 0 {
            return 0.0;
        }
        let above = self.0.iter().filter(|uptime| **uptime >= duration).count();
        100.0 * above as f64 / total as f64
    }

    /// What `percentile` percent of the instances exceed; `None` when there are none.
    pub(crate) fn at_percentile(&self, percentile: f64) -> Option<f64> {
        let skipped = (percentile / 100.0 * self.len() as f64).floor() as usize;
        let index = self.len().checked_sub(skipped + 1)?;
        self.0.get(index).copied()
    }

    /// Seconds until `percentage` of `total` will have been up for `duration`; `None` when that many are not there.
    pub(crate) fn wait_for(&self, percentage: f64, duration: f64, total: usize) -> Option<f64> {
        if self.up_count(duration, total) >= percentage {
            return Some(0.0);
        }
        let wanted = (total as f64 * percentage / 100.0).ceil() as usize;
        let index = self.len().checked_sub(wanted)?;
        self.0.get(index).map(|uptime| duration - uptime)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aurora_api::model::TaskEvent;

    use super::*;

    /// A task of instance `id` that has run since `began` seconds.
    pub(in crate::sla) fn running(id: i32, began: i64) -> ScheduledTask {
        let mut task = ScheduledTask::default();
        task.assigned_task.instance_id = id;
        for (status, timestamp) in [
            (ScheduleStatus::Pending, began * 1000 - 5000),
            (ScheduleStatus::Running, began * 1000 + 999),
            (ScheduleStatus::Running, began * 1000 + 5000),
        ] {
            task.task_events.push(TaskEvent {
                timestamp,
                status,
                ..TaskEvent::default()
            });
        }
        task
    }

    #[test]
    fn uptimes_by_hand() {
        // Up for 100, 200, 300 and 400 seconds at 1000; one never ran.
        let mut tasks: Vec<_> = [900, 800, 700, 600]
            .into_iter()
            .enumerate()
            .map(|(id, began)| running(id as i32, began))
            .collect();
        tasks.push(ScheduledTask::default());
        let uptimes = Uptimes::new(&tasks, 1000.5);
        assert_eq!(uptimes, Uptimes(vec![100.0, 200.0, 300.0, 400.0]));
        for (duration, total, expected) in [
            (0.0, 4, 100.0),
            (200.0, 4, 75.0),
            (201.0, 4, 50.0),
            (401.0, 4, 0.0),
            (200.0, 8, 37.5),
            (1.0, 0, 0.0),
        ] {
            assert_eq!(uptimes.up_count(duration, total), expected, "{duration}");
        }
        // Index n - floor(p/100 * n) - 1 of the ascending list.
        for (percentile, expected) in [
            (99.0, Some(100.0)),
            (75.0, Some(100.0)),
            (50.0, Some(200.0)),
            (25.0, Some(300.0)),
            (10.0, Some(400.0)),
        ] {
            assert_eq!(uptimes.at_percentile(percentile), expected, "{percentile}");
        }
        assert_eq!(Uptimes(vec![]).at_percentile(50.0), None);
        // 75 % of 4 are 3: the third from the top has 200 s; 5 of 5 are not there.
        assert_eq!(uptimes.wait_for(75.0, 250.0, 4), Some(50.0));
        assert_eq!(uptimes.wait_for(50.0, 250.0, 4), Some(0.0));
        assert_eq!(uptimes.wait_for(90.0, 250.0, 5), None);
    }
}

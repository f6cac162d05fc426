//! What an update does next with one instance (aurora: `InstanceUpdater.java`).

use aurora_api::model::ScheduleStatus;

use crate::core::config::Millis;
use crate::core::store::Task;

/// The task of an instance as an update sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: ScheduleStatus,
    /// When it entered that status.
    pub(super) since: Millis,
    /// Whether it has the configuration that the update leads to.
    pub(super) is_target: bool,
}

impl Seen {
    /// The task, unless it was killed for good: then the instance is empty.
    pub(super) fn of(task: &Task, is_target: bool) -> Option<Seen> {
        let was_killing = task
            .events
            .iter()
            .any(|event| event.status == ScheduleStatus::Killing);
        let is_gone = was_killing && task.status != ScheduleStatus::Killing;
        (!is_gone).then(|| Seen {
            status: task.status,
            since: task.last_event_time(),
            is_target,
        })
    }
}

/// Whether a task in this state goes on until it is killed.
pub(super) fn is_killable(status: ScheduleStatus) -> bool {
    status.is_active() && status != ScheduleStatus::Killing
}

/// The limits of an instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So many failures are let pass.
    pub(super) failures: i32,
    /// A task that runs for so long is well.
    pub(super) min_running: Millis,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The instance is as it should be.
    Succeeded,
    /// It failed too often.
    Failed,
    /// It is to be killed.
    Kill,
    /// It needs a task.
    Add,
    /// Something will happen by itself.
    Wait,
    /// It is well so far; look again after the whole minimum time.
    LookAgain,
}

/// Judges an instance. `is_wanted`: whether it is to have a task at all; `failed` counts its failures.
pub(super) fn judge(
    is_wanted: bool,
    actual: Option<Seen>,
    failed: &mut i32,
    limits: Limits,
    now: Millis,
) -> Verdict {
    let Some(task) = actual else {
        return if is_wanted {
            Verdict::Add
        } else {
            Verdict::Succeeded
        };
    };
    if !is_wanted || !task.is_target {
        return if is_killable(task.status) {
            Verdict::Kill
        } else {
            Verdict::Wait
        };
    }
    if task.status == ScheduleStatus::Running {
        return if now.saturating_sub(task.since) >= limits.min_running {
            Verdict::Succeeded
        } else {
            Verdict::LookAgain
        };
    }
    if task.status.is_terminal() {
        *failed = failed.saturating_add(1);
        if *failed > limits.failures {
            return Verdict::Failed;
        }
    }
    Verdict::Wait
}

#[cfg(test)]
mod tests {
    use super::*;
    use ScheduleStatus::*;

    /// Whether a task is wanted, the task with its age and whether it is the wanted one, and the verdict. A minimum of 10.
    #[test]
    fn verdicts() {
        let task = |status, age: Millis, is_target| {
            Some(Seen {
                status,
                since: 100 - age,
                is_target,
            })
        };
        for (is_wanted, actual, expected) in [
            (false, None, Verdict::Succeeded),
            (false, task(Running, 50, false), Verdict::Kill),
            (false, task(Pending, 50, false), Verdict::Kill),
            (false, task(Killing, 50, false), Verdict::Wait),
            (false, task(Finished, 50, false), Verdict::Wait),
            (true, None, Verdict::Add),
            (true, task(Running, 10, true), Verdict::Succeeded),
            (true, task(Running, 9, true), Verdict::LookAgain),
            (true, task(Starting, 50, true), Verdict::Wait),
            (true, task(Pending, 50, true), Verdict::Wait),
            (true, task(Killing, 50, true), Verdict::Wait),
            (true, task(Running, 50, false), Verdict::Kill),
            (true, task(Restarting, 50, false), Verdict::Kill),
            (true, task(Killing, 50, false), Verdict::Wait),
            (true, task(Failed, 50, false), Verdict::Wait),
        ] {
            let limits = Limits {
                failures: 0,
                min_running: 10,
            };
            let mut failed = 0;
            let verdict = judge(is_wanted, actual, &mut failed, limits, 100);
            assert_eq!((verdict, failed), (expected, 0), "{is_wanted} {actual:?}");
        }
    }

    #[test]
    fn failures_are_let_pass_up_to_the_limit() {
        let limits = Limits {
            failures: 1,
            min_running: 0,
        };
        let mut failed = 0;
        let verdicts = [Failed, Lost, Finished].map(|status| {
            let task = Seen {
                status,
                since: 0,
                is_target: true,
            };
            judge(true, Some(task), &mut failed, limits, 0)
        });
        assert_eq!(verdicts, [Verdict::Wait, Verdict::Failed, Verdict::Failed]);
    }
}

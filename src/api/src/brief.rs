//! A job in a word: its tasks by groups of states, as the scheduler's pages and the workbench show them.

use crate::model::ScheduleStatus;

/// States that mean the same to whoever looks at a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// For a place.
    Waiting,
    /// On its way to run.
    Starting,
    /// As it should be.
    Running,
    /// On its way out, or out of sight.
    Changing,
    /// Over, and well.
    Ended,
    /// Over, and not well.
    Failed,
}

impl Group {
    /// The group of a state.
    pub fn of(status: ScheduleStatus) -> Group {
        use ScheduleStatus::*;
        match status {
            Init | Pending | Throttled => Group::Waiting,
            Assigned | Starting => Group::Starting,
            Running => Group::Running,
            Killing | Restarting | Preempting | Draining | Partitioned => Group::Changing,
            Finished | Killed => Group::Ended,
            Failed | Lost => Group::Failed,
        }
    }
}

/// How many of a job's tasks are in each group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// [`Group::Waiting`].
    pub waiting: u32,
    /// [`Group::Starting`].
    pub starting: u32,
    /// [`Group::Running`].
    pub running: u32,
    /// [`Group::Changing`].
    pub changing: u32,
    /// [`Group::Ended`].
    pub ended: u32,
    /// [`Group::Failed`].
    pub failed: u32,
}

impl Brief {
    /// Sums counts by state.
    pub fn of(states: impl IntoIterator<Item = (ScheduleStatus, u32)>) -> Brief {
        let mut brief = Brief::default();
        for (status, count) in states {
            *match Group::of(status) {
                Group::Waiting => &mut brief.waiting,
                Group::Starting => &mut brief.starting,
                Group::Running => &mut brief.running,
                Group::Changing => &mut brief.changing,
                Group::Ended => &mut brief.ended,
                Group::Failed => &mut brief.failed,
            } += count;
        }
        brief
    }

    /// The group that most needs a look, in a word. A cron job without active tasks is scheduled.
    pub fn word(&self, is_cron: bool) -> (&'static str, Group) {
        match self {
            Brief { waiting: 1.., .. } => ("WAITING", Group::Waiting),
            Brief { changing: 1.., .. } => ("CHANGING", Group::Changing),
            Brief { starting: 1.., .. } => ("STARTING", Group::Starting),
            Brief { running: 1.., .. } => ("RUNNING", Group::Running),
            _ if is_cron => ("SCHEDULED", Group::Ended),
            Brief { failed: 1.., .. } => ("FAILED", Group::Failed),
            _ => ("ENDED", Group::Ended),
        }
    }

    /// Whether somebody should look at the job.
    pub fn is_problem(&self) -> bool {
        self.waiting > 0 || self.failed > 0
    }
}

/// What kind of job it is, in a word.
pub fn kind(is_cron: bool, is_service: bool) -> &'static str {
    match (is_cron, is_service) {
        (true, _) => "cron",
        (false, true) => "service",
        (false, false) => "adhoc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_by_the_group_that_most_needs_a_look() {
        use ScheduleStatus::*;
        for (states, is_cron, word, problem) in [
            (&[(Running, 3), (Pending, 1)][..], false, "WAITING", true),
            (&[(Running, 3), (Killing, 1)], false, "CHANGING", false),
            (&[(Running, 3), (Assigned, 1)], false, "STARTING", false),
            (&[(Running, 3), (Failed, 9)], false, "RUNNING", true),
            (&[(Finished, 2)], true, "SCHEDULED", false),
            (&[(Finished, 2), (Lost, 1)], false, "FAILED", true),
            (&[(Killed, 2)], false, "ENDED", false),
            (&[], false, "ENDED", false),
        ] {
            let brief = Brief::of(states.iter().copied());
            assert_eq!(brief.word(is_cron).0, word, "{states:?}");
            assert_eq!(brief.is_problem(), problem, "{states:?}");
        }
    }
}
